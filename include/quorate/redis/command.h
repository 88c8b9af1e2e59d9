// What a command is: the one declarative description that routing, arity checks, COMMAND, ACL and
// the compatibility page all come from.
//
// A family of commands (src/redis/spec_*.cc) is an array of constant CommandSpecs, one entry a
// command, and one register_*_commands() function. CommandTable (command_table.h) copies the
// entries, derives what follows from them and finds them by name.
//
// Values, flags and categories are those of Redis 7.2's COMMAND INFO and COMMAND DOCS.
// Thread: constant after start, read by all.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "quorate/coordinator/quorum_choice.h"
#include "quorate/redis/request_parser.h"

namespace quorate::redis {

class CommandContext;
using CommandHandler = void (*)(CommandContext&);

// A view of a constant array. As std::span, but its elements may be of a type still incomplete, so
// that an argument can have arguments.
template <class T>
class ConstList {
 public:
  constexpr ConstList() = default;
  // Implicit, so that an entry just names its array.
  template <size_t N>  // NOLINTNEXTLINE(google-explicit-constructor)
  constexpr ConstList(const T (&items)[N]) : first_(items), size_(N) {}
  constexpr ConstList(const T* first, size_t size) : first_(first), size_(size) {}

  constexpr const T* begin() const { return first_; }
  constexpr const T* end() const { return first_ + size_; }
  constexpr size_t size() const { return size_; }
  constexpr bool empty() const { return size_ == 0; }
  constexpr const T& operator[](size_t index) const { return first_[index]; }

 private:
  const T* first_ = nullptr;
  size_t size_ = 0;
};

// A set of flags. The order of the bits is the order in which Redis lists their names.
using Bits = uint32_t;

struct NamedBit {
  Bits bit;
  std::string_view name;
};

namespace command_flag {
inline constexpr Bits kWrite = 1u << 0;
inline constexpr Bits kReadonly = 1u << 1;
inline constexpr Bits kDenyOom = 1u << 2;
inline constexpr Bits kModule = 1u << 3;
inline constexpr Bits kAdmin = 1u << 4;
inline constexpr Bits kPubsub = 1u << 5;
inline constexpr Bits kNoScript = 1u << 6;
inline constexpr Bits kBlocking = 1u << 7;
inline constexpr Bits kLoading = 1u << 8;
inline constexpr Bits kStale = 1u << 9;
inline constexpr Bits kSkipMonitor = 1u << 10;
inline constexpr Bits kSkipSlowlog = 1u << 11;
inline constexpr Bits kAsking = 1u << 12;
inline constexpr Bits kFast = 1u << 13;
inline constexpr Bits kNoAuth = 1u << 14;
inline constexpr Bits kMayReplicate = 1u << 15;
inline constexpr Bits kNoMandatoryKeys = 1u << 16;
inline constexpr Bits kNoAsyncLoading = 1u << 17;
inline constexpr Bits kNoMulti = 1u << 18;
inline constexpr Bits kMovableKeys = 1u << 19;  // derived: the key specs do not find every key
inline constexpr Bits kAllowBusy = 1u << 20;
// Not listed, as in Redis.
inline constexpr Bits kProtected = 1u << 21;             // needs enable-debug-command
inline constexpr Bits kTouchesArbitraryKeys = 1u << 22;  // keys that no argument names
}  // namespace command_flag

namespace acl_category {
inline constexpr Bits kKeyspace = 1u << 0;
inline constexpr Bits kRead = 1u << 1;
inline constexpr Bits kWrite = 1u << 2;
inline constexpr Bits kSet = 1u << 3;
inline constexpr Bits kSortedSet = 1u << 4;
inline constexpr Bits kList = 1u << 5;
inline constexpr Bits kHash = 1u << 6;
inline constexpr Bits kString = 1u << 7;
inline constexpr Bits kBitmap = 1u << 8;
inline constexpr Bits kHyperLogLog = 1u << 9;
inline constexpr Bits kGeo = 1u << 10;
inline constexpr Bits kStream = 1u << 11;
inline constexpr Bits kPubsub = 1u << 12;
inline constexpr Bits kAdmin = 1u << 13;
inline constexpr Bits kFast = 1u << 14;
inline constexpr Bits kSlow = 1u << 15;
inline constexpr Bits kBlocking = 1u << 16;
inline constexpr Bits kDangerous = 1u << 17;
inline constexpr Bits kConnection = 1u << 18;
inline constexpr Bits kTransaction = 1u << 19;
inline constexpr Bits kScripting = 1u << 20;
}  // namespace acl_category

namespace key_flag {
// What happens to the key as a whole: exactly one of these four.
inline constexpr Bits kRo = 1u << 0;  // its value is only read
inline constexpr Bits kRw = 1u << 1;  // read and written
inline constexpr Bits kOw = 1u << 2;  // overwritten, whatever it was
inline constexpr Bits kRm = 1u << 3;  // removed
// What happens to the user's data in it.
inline constexpr Bits kAccess = 1u << 4;  // answered, copied or tested
inline constexpr Bits kUpdate = 1u << 5;
inline constexpr Bits kInsert = 1u << 6;
inline constexpr Bits kDelete = 1u << 7;
inline constexpr Bits kNotKey = 1u << 8;  // routed like a key (a shard channel)
inline constexpr Bits kIncomplete = 1u << 9;
inline constexpr Bits kVariableFlags = 1u << 10;  // fewer of them, depending on other arguments
}  // namespace key_flag

ConstList<NamedBit> command_flag_names();
ConstList<NamedBit> acl_category_names();  // without the '@'
ConstList<NamedBit> key_flag_names();

// Where a command's keys are: a first argument to look at, and how to go on from there. Indexes
// count the command's name as 0.
struct KeySpec {
  enum class Begin : uint8_t { index, keyword, unknown };
  enum class Find : uint8_t { range, keynum, unknown };

  Bits flags = 0;
  Begin begin = Begin::index;
  int16_t index = 1;              // index: the argument
  std::string_view keyword = {};  // keyword: what stands before the first key
  int16_t start_from = 1;  // keyword: where the search begins; negative: from the end, backwards
  Find find = Find::range;
  int16_t last_key = 0;       // range: relative to the first key; negative: from the end
  int16_t key_step = 1;       // range, keynum
  int16_t limit = 0;          // range: with a negative last_key, 1/limit of the arguments
  int16_t key_num_index = 0;  // keynum: the argument with the number, relative to the begin
  int16_t first_key = 1;      // keynum: the first key, relative to the begin
  std::string_view notes = {};
};

enum class ArgType : uint8_t {
  string,
  integer,
  double_number,
  key,
  pattern,
  unix_time,
  pure_token,
  oneof,
  block,
};

namespace arg_flag {
inline constexpr Bits kOptional = 1u << 0;
inline constexpr Bits kMultiple = 1u << 1;
inline constexpr Bits kMultipleToken = 1u << 2;
}  // namespace arg_flag

struct ArgSpec {
  std::string_view name;
  ArgType type = ArgType::string;
  std::string_view token = {};
  std::string_view since = {};
  Bits flags = 0;
  ConstList<ArgSpec> arguments = {};  // of a oneof or block
  int8_t key_spec_index = -1;
  std::string_view display_text = {};  // empty: the name
  std::string_view summary = {};
  std::string_view deprecated_since = {};
};

struct HistoryEntry {
  std::string_view since;
  std::string_view change;
};

namespace doc_flag {
inline constexpr Bits kDeprecated = 1u << 0;
inline constexpr Bits kSyscmd = 1u << 1;
}  // namespace doc_flag

// Who has a say in the command's answer (DESIGN 10: how it is coordinated).
enum class Coordination : uint8_t {
  node,     // this node alone: PING, CONFIG
  read,     // a quorum read of its keys
  write,    // a quorum write that needs no old value: SET, MSET
  update,   // answer or result depends on the old value: INCR, DEL, SET NX
  cluster,  // no key argument names what it touches: SCAN, FLUSHALL
};

enum class Combine : uint8_t {
  ok,     // OK
  sum,    // of integers
  array,  // of all replies, in order
};

// Of a command that looks at all keys, not at those it names: how a cluster answers it. Each node
// runs the request for the slots it coordinates (CommandContext::slots), and the answers are put
// together.
enum class Gather : uint8_t {
  none,      // it is about this node alone
  ok,        // OK, if all say so
  sum,       // of integers
  sums,      // of arrays of integers, element by element; run by a handler for a part of its answer
  elements,  // an array of the elements of all arrays
  pick,      // one of the answers, each of which says how likely: [weight, answer]
  pages,     // of one node after the other, as the cursor says
};

struct CommandSpec {
  std::string_view name;  // lower case; a subcommand's own name ("get" of "config|get")
  std::string_view summary;
  std::string_view since;
  std::string_view group;
  std::string_view complexity = {};
  int32_t arity = 0;  // arguments with the name; negative: at least so many
  Bits flags = 0;
  Bits categories = 0;  // in the table: with those the flags imply
  ConstList<KeySpec> keys = {};
  // Of a spec with kVariableFlags: the flags of this very call. Null otherwise.
  Bits (*key_flags)(Args) = nullptr;
  ConstList<std::string_view> tips = {};
  ConstList<HistoryEntry> history = {};
  ConstList<ArgSpec> arguments = {};
  Bits doc_flags = 0;
  std::string_view deprecated_since = {};
  std::string_view replaced_by = {};
  ConstList<CommandSpec> subcommands = {};         // in the table: of the table's copies
  Coordination coordination = Coordination::node;  // with options, a handler may need more
  // Of a command with options R or W: what this very call asks for, if that makes sense. Else null.
  coordinator::QuorumChoice (*quorums)(Args) = nullptr;
  // Over several keys: the command that does the same for one of them, and what their replies come
  // to. In a cluster each key may be at home elsewhere.
  std::string_view per_key = {};
  Combine combine = Combine::ok;
  Gather gather = Gather::none;
  CommandHandler handler = nullptr;  // null: a container that only has subcommands

  // Set by the table.
  std::string_view full_name = {};         // "config|get"
  const CommandSpec* container = nullptr;  // of a subcommand
  uint16_t id = 0;          // dense, from 0, subcommands included: an index for counters
  uint16_t single_key = 0;  // index of the only key a call can have; 0: none, or use keys_of()
  int32_t first_key = 0;    // the legacy key range of COMMAND INFO
  int32_t last_key = 0;
  int32_t key_step = 0;

  bool arity_fits(size_t args) const {
    return arity >= 0 ? args == static_cast<size_t>(arity) : args >= static_cast<size_t>(-arity);
  }
  bool has(Bits flag) const { return (flags & flag) != 0; }
};

}  // namespace quorate::redis
