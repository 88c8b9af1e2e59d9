// All commands by name, and the keys of a call.
//
// Built once at start: every family registers its commands, then nothing changes any more and every
// thread may look up. Pointers to specs stay valid as long as the table.
#pragma once

#include <array>
#include <boost/container/small_vector.hpp>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "quorate/redis/command.h"

namespace quorate::redis {

class CommandTable {
 public:
  CommandTable();
  CommandTable(const CommandTable&) = delete;
  CommandTable& operator=(const CommandTable&) = delete;

  // Adds a command with its subcommands. REQUIRES: a lower-case name that is not in the table.
  void add(const CommandSpec& spec);
  void add(ConstList<CommandSpec> specs) {
    for (const CommandSpec& spec : specs) add(spec);
  }

  // Sets the function of a command or, as "config|get", of a subcommand. False: no such command.
  [[nodiscard]] bool attach(std::string_view full_name, CommandHandler handler);

  // The command of that name, in any case; null if there is none. No allocation; some nanoseconds.
  const CommandSpec* find(std::string_view name) const;

  static const CommandSpec* find_subcommand(const CommandSpec& container, std::string_view name);

  // A command "get", or a subcommand "config|get". Null if there is none.
  const CommandSpec* find_full(std::string_view full_name) const;

  // What a request asks for: the subcommand its second argument names, if the command has any.
  // Null: no such command, or no such subcommand.
  const CommandSpec* find(Args args) const;

  // The commands in the order of registration.
  const std::deque<CommandSpec>& commands() const { return commands_; }

  // One more than the highest CommandSpec::id.
  size_t id_count() const { return id_count_; }

 private:
  // Names of up to 16 bytes are told apart by these words alone: their first and last eight bytes,
  // in lower case.
  struct NameKey {
    uint64_t first = 0;
    uint64_t last = 0;
    uint64_t size = 0;

    bool operator==(const NameKey&) const = default;
  };
  struct Slot {
    NameKey key;
    const CommandSpec* spec = nullptr;
  };

  static NameKey key_of(std::string_view name);
  size_t slot_of(const NameKey& key) const {
    return ((key.first * 0x9E3779B97F4A7C15u) ^ (key.last * 0xC2B2AE3D27D4EB4Fu) ^ key.size) >>
           shift_;
  }
  void derive(CommandSpec& spec);
  void insert(const CommandSpec& spec);
  void rebuild(unsigned bits);

  std::deque<CommandSpec> commands_;
  std::deque<std::vector<CommandSpec>> subcommands_;
  std::deque<std::string> names_;  // "config|get"
  std::vector<Slot> slots_;        // open addressing, at most a quarter full
  unsigned shift_ = 0;
  size_t id_count_ = 0;
};

// Positions of keys among a request's arguments.
using KeyIndexes = boost::container::small_vector<size_t, 8>;

struct KeyReference {
  size_t index;
  Bits flags;  // key_flag
};
using KeyReferences = boost::container::small_vector<KeyReference, 8>;

// Appends the keys of a call to `out`. False: the arguments are not the command's (a key count that
// is no number or exceeds them); `out` is as it was.
[[nodiscard]] bool find_keys(const CommandSpec& spec, Args args, KeyReferences& out);
[[nodiscard]] bool find_key_indexes(const CommandSpec& spec, Args args, KeyIndexes& out);

// As find_key_indexes(), quick for the commands that have exactly one key.
[[nodiscard]] inline bool keys_of(const CommandSpec& spec, Args args, KeyIndexes& out) {
  if (spec.single_key == 0) return find_key_indexes(spec, args, out);
  if (spec.single_key >= args.size()) return false;
  out.push_back(spec.single_key);
  return true;
}

// The category of that name (without the '@'), in any case; nothing if there is none.
std::optional<Bits> acl_category_by_name(std::string_view name);

// Whether two names are the same, ASCII letters without case.
bool same_name(std::string_view a, std::string_view b);

void register_string_commands(CommandTable& table);
void register_generic_commands(CommandTable& table);
void register_connection_commands(CommandTable& table);
void register_server_commands(CommandTable& table);
void register_cluster_commands(CommandTable& table);
void register_sibling_commands(CommandTable& table);

// Every family of this room.
void register_all_commands(CommandTable& table);

}  // namespace quorate::redis
