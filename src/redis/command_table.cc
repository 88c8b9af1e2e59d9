#include "quorate/redis/command_table.h"

#include <algorithm>
#include <bit>
#include <cassert>
#include <cstring>

namespace quorate::redis {
namespace {

constexpr unsigned kSmallestBits = 6;
constexpr size_t kSlotsPerName = 4;

// Lower-cases the eight ASCII bytes of a word at once; other bytes stay as they are.
uint64_t lower(uint64_t word) {
  constexpr uint64_t kEach = 0x0101010101010101u;
  const uint64_t low_bits = word & (kEach * 0x7F);
  const uint64_t at_least_a = low_bits + kEach * (0x80 - 'A');
  const uint64_t beyond_z = low_bits + kEach * (0x7F - 'Z');
  const uint64_t upper = (at_least_a ^ beyond_z) & ~word & (kEach * 0x80);
  return word | (upper >> 2);
}

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

uint64_t load(const char* from, size_t bytes) {
  uint64_t word = 0;
  std::memcpy(&word, from, bytes);
  return word;
}

// The categories that follow from a command's flags: ACL.md of Redis, setImplicitACLCategories.
Bits implied_categories(Bits flags, Bits categories) {
  Bits implied = categories;
  if ((flags & command_flag::kWrite) != 0) implied |= acl_category::kWrite;
  if ((flags & command_flag::kReadonly) != 0 && (categories & acl_category::kScripting) == 0)
    implied |= acl_category::kRead;
  if ((flags & command_flag::kAdmin) != 0)
    implied |= acl_category::kAdmin | acl_category::kDangerous;
  if ((flags & command_flag::kPubsub) != 0) implied |= acl_category::kPubsub;
  if ((flags & command_flag::kFast) != 0) implied |= acl_category::kFast;
  if ((flags & command_flag::kBlocking) != 0) implied |= acl_category::kBlocking;
  if ((implied & acl_category::kFast) == 0) implied |= acl_category::kSlow;
  return implied;
}

bool is_range(const KeySpec& keys) {
  return keys.begin == KeySpec::Begin::index && keys.find == KeySpec::Find::range;
}

// Sets the one (first, last, step) that old clients read, and says whether it misses keys.
void derive_key_range(CommandSpec& spec) {
  int32_t first = 0;
  int32_t last = 0;
  bool misses_keys = false;
  for (const KeySpec& keys : spec.keys) {
    misses_keys |= (keys.flags & key_flag::kIncomplete) != 0;
    const bool alone = spec.keys.size() == 1;
    const bool follows = last == 0 || last == keys.index - 1;
    if (!is_range(keys) || (!alone && (keys.key_step != 1 || !follows))) {
      misses_keys = true;
      continue;
    }
    if (first == 0) first = keys.index;
    last = keys.last_key >= 0 ? keys.index + keys.last_key : keys.last_key;
    spec.key_step = keys.key_step;
  }
  spec.first_key = first;
  spec.last_key = last;
  if (misses_keys) spec.flags |= command_flag::kMovableKeys;
}

uint16_t single_key_of(const CommandSpec& spec) {
  if (spec.keys.size() != 1) return 0;
  const KeySpec& keys = spec.keys[0];
  const bool single = is_range(keys) && keys.last_key == 0 &&
                      (keys.flags & (key_flag::kNotKey | key_flag::kIncomplete)) == 0;
  return single ? static_cast<uint16_t>(keys.index) : 0;
}

}  // namespace

bool same_name(std::string_view a, std::string_view b) {
  return a.size() == b.size() && std::equal(a.begin(), a.end(), b.begin(),
                                            [](char x, char y) { return lower(x) == lower(y); });
}

CommandTable::CommandTable() { rebuild(kSmallestBits); }

CommandTable::NameKey CommandTable::key_of(std::string_view name) {
  const size_t size = name.size();
  const char* const text = name.data();
  if (size >= 8) return {lower(load(text, 8)), lower(load(text + size - 8, 8)), size};
  if (size >= 4) return {lower(load(text, 4) | load(text + size - 4, 4) << 32), 0, size};
  if (size == 0) return {};
  // One to three bytes: first, middle and last.
  const auto byte = [text](size_t at) {
    return static_cast<uint64_t>(static_cast<uint8_t>(text[at]));
  };
  return {lower(byte(0) | byte(size / 2) << 8 | byte(size - 1) << 16), 0, size};
}

const CommandSpec* CommandTable::find(std::string_view name) const {
  const NameKey key = key_of(name);
  for (size_t at = slot_of(key);; at = (at + 1) & (slots_.size() - 1)) {
    const Slot& slot = slots_[at];
    if (slot.spec == nullptr) return nullptr;
    if (slot.key == key && (name.size() <= 16 || same_name(slot.spec->name, name)))
      return slot.spec;
  }
}

const CommandSpec* CommandTable::find_subcommand(const CommandSpec& container,
                                                 std::string_view name) {
  const auto* const found =
      std::find_if(container.subcommands.begin(), container.subcommands.end(),
                   [name](const CommandSpec& spec) { return same_name(spec.name, name); });
  return found == container.subcommands.end() ? nullptr : found;
}

const CommandSpec* CommandTable::find_full(std::string_view full_name) const {
  const size_t bar = full_name.find('|');
  const CommandSpec* const spec = find(full_name.substr(0, bar));
  if (bar == std::string_view::npos || spec == nullptr) return spec;
  return find_subcommand(*spec, full_name.substr(bar + 1));
}

const CommandSpec* CommandTable::find(Args args) const {
  if (args.empty()) return nullptr;
  const CommandSpec* const spec = find(args[0]);
  if (spec == nullptr || spec->subcommands.empty() || args.size() == 1) return spec;
  return find_subcommand(*spec, args[1]);
}

void CommandTable::add(const CommandSpec& spec) {
  assert(find(spec.name) == nullptr);
  CommandSpec& added = commands_.emplace_back(spec);
  added.full_name = spec.name;
  derive(added);
  if (!spec.subcommands.empty()) {
    std::vector<CommandSpec>& copies =
        subcommands_.emplace_back(spec.subcommands.begin(), spec.subcommands.end());
    for (CommandSpec& sub : copies) {
      sub.container = &added;
      sub.full_name = names_.emplace_back(std::string(spec.name) + '|' + std::string(sub.name));
      derive(sub);
    }
    added.subcommands = {copies.data(), copies.size()};
  }
  if (commands_.size() * kSlotsPerName > slots_.size()) {
    rebuild(static_cast<unsigned>(std::bit_width(slots_.size())));
  } else {
    insert(added);
  }
}

void CommandTable::derive(CommandSpec& spec) {
  spec.id = static_cast<uint16_t>(id_count_++);
  spec.categories = implied_categories(spec.flags, spec.categories);
  derive_key_range(spec);
  spec.single_key = single_key_of(spec);
}

void CommandTable::insert(const CommandSpec& spec) {
  const NameKey key = key_of(spec.name);
  size_t at = slot_of(key);
  while (slots_[at].spec != nullptr) at = (at + 1) & (slots_.size() - 1);
  slots_[at] = {key, &spec};
}

void CommandTable::rebuild(unsigned bits) {
  slots_.assign(size_t{1} << bits, Slot{});
  shift_ = 64 - bits;
  for (const CommandSpec& spec : commands_) insert(spec);
}

bool CommandTable::attach(std::string_view full_name, CommandHandler handler) {
  const CommandSpec* const found = find_full(full_name);
  if (found == nullptr) return false;
  // The table owns the spec and is not constant here.
  const_cast<CommandSpec*>(found)->handler = handler;
  return true;
}

void register_all_commands(CommandTable& table) {
  register_connection_commands(table);
  register_string_commands(table);
  register_generic_commands(table);
  register_server_commands(table);
  register_cluster_commands(table);
  register_sibling_commands(table);
}

}  // namespace quorate::redis
