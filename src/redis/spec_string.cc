// The string commands.
//
// Every value is what COMMAND INFO and COMMAND DOCS of Redis 7.2 answer.
#include "quorate/redis/command_table.h"

#include "redis/handlers.h"
#include "redis/spec_parts.h"

namespace quorate::redis {
namespace {

using arg_flag::kMultiple;
using arg_flag::kOptional;
using command_flag::kDenyOom;
using command_flag::kFast;
using command_flag::kReadonly;
using command_flag::kWrite;

// With GET, SET also answers the old value.
Bits set_key_flags(Args args) {
  for (size_t at = 3; at < args.size(); ++at) {
    if (same_name(args[at], "GET")) return key_flag::kRw | key_flag::kAccess | key_flag::kUpdate;
  }
  return key_flag::kOw | key_flag::kUpdate;
}

constexpr ArgSpec kKeyAndValue[] = {
    kKey,
    {.name = "value"},
};

constexpr ArgSpec kDecrbyArguments[] = {
    kKey,
    {.name = "decrement", .type = ArgType::integer},
};

constexpr KeySpec kGetexKeys[] = {
    {.flags = key_flag::kRw | key_flag::kAccess | key_flag::kUpdate,
     .notes = "RW and UPDATE because it changes the TTL"},
};

constexpr ArgSpec kGetexExpiration[] = {
    {.name = "seconds", .type = ArgType::integer, .token = "EX"},
    {.name = "milliseconds", .type = ArgType::integer, .token = "PX"},
    {.name = "unix-time-seconds", .type = ArgType::unix_time, .token = "EXAT"},
    {.name = "unix-time-milliseconds", .type = ArgType::unix_time, .token = "PXAT"},
    {.name = "persist", .type = ArgType::pure_token, .token = "PERSIST"},
};

constexpr ArgSpec kGetexArguments[] = {
    kKey,
    {.name = "expiration",
     .type = ArgType::oneof,
     .flags = kOptional,
     .arguments = kGetexExpiration},
};

constexpr ArgSpec kIncrbyArguments[] = {
    kKey,
    {.name = "increment", .type = ArgType::integer},
};

constexpr std::string_view kMgetTips[] = {
    "request_policy:multi_shard",
};

constexpr std::string_view kMsetTips[] = {
    "request_policy:multi_shard",
    "response_policy:all_succeeded",
};

constexpr ArgSpec kMsetArguments[] = {
    {.name = "data", .type = ArgType::block, .flags = kMultiple, .arguments = kKeyAndValue},
};

constexpr ArgSpec kPsetexArguments[] = {
    kKey,
    {.name = "milliseconds", .type = ArgType::integer},
    {.name = "value"},
};

constexpr KeySpec kSetKeys[] = {
    {.flags = key_flag::kRw | key_flag::kAccess | key_flag::kUpdate | key_flag::kVariableFlags,
     .notes = "RW and ACCESS due to the optional `GET` argument"},
};

constexpr HistoryEntry kSetHistory[] = {
    {"2.6.12", "Added the `EX`, `PX`, `NX` and `XX` options."},
    {"6.0.0", "Added the `KEEPTTL` option."},
    {"6.2.0", "Added the `GET`, `EXAT` and `PXAT` option."},
    {"7.0.0", "Allowed the `NX` and `GET` options to be used together."},
};

constexpr ArgSpec kSetCondition[] = {
    {.name = "nx", .type = ArgType::pure_token, .token = "NX"},
    {.name = "xx", .type = ArgType::pure_token, .token = "XX"},
};

constexpr ArgSpec kSetExpiration[] = {
    {.name = "seconds", .type = ArgType::integer, .token = "EX", .since = "2.6.12"},
    {.name = "milliseconds", .type = ArgType::integer, .token = "PX", .since = "2.6.12"},
    {.name = "unix-time-seconds", .type = ArgType::unix_time, .token = "EXAT", .since = "6.2.0"},
    {.name = "unix-time-milliseconds",
     .type = ArgType::unix_time,
     .token = "PXAT",
     .since = "6.2.0"},
    {.name = "keepttl", .type = ArgType::pure_token, .token = "KEEPTTL", .since = "6.0.0"},
};

constexpr ArgSpec kSetArguments[] = {
    kKey,
    {.name = "value"},
    {.name = "condition",
     .type = ArgType::oneof,
     .since = "2.6.12",
     .flags = kOptional,
     .arguments = kSetCondition},
    {.name = "get",
     .type = ArgType::pure_token,
     .token = "GET",
     .since = "6.2.0",
     .flags = kOptional},
    {.name = "expiration", .type = ArgType::oneof, .flags = kOptional, .arguments = kSetExpiration},
};

constexpr ArgSpec kSetexArguments[] = {
    kKey,
    {.name = "seconds", .type = ArgType::integer},
    {.name = "value"},
};

constexpr CommandSpec kStringCommands[] = {
    {.name = "append",
     .summary = "Appends a string to the value of a key. Creates the key if it doesn't exist.",
     .since = "2.0.0",
     .group = "string",
     .complexity =
         "O(1). The amortized time complexity is O(1) assuming the appended value is small and the "
         "already present value is of any size, since the dynamic string library used by Redis "
         "will double the free space available on every reallocation.",
     .arity = 3,
     .flags = kWrite | kDenyOom | kFast,
     .categories = acl_category::kString,
     .keys = kKeyAppended,
     .arguments = kKeyAndValue,
     .coordination = Coordination::update,
     .handler = &append_command},
    {.name = "decr",
     .summary = "Decrements the integer value of a key by one. Uses 0 as initial value if the key "
                "doesn't exist.",
     .since = "1.0.0",
     .group = "string",
     .complexity = "O(1)",
     .arity = 2,
     .flags = kWrite | kDenyOom | kFast,
     .categories = acl_category::kString,
     .keys = kKeyModified,
     .arguments = kKeyArgument,
     .coordination = Coordination::update,
     .handler = &decr_command},
    {.name = "decrby",
     .summary = "Decrements a number from the integer value of a key. Uses 0 as initial value if "
                "the key doesn't exist.",
     .since = "1.0.0",
     .group = "string",
     .complexity = "O(1)",
     .arity = 3,
     .flags = kWrite | kDenyOom | kFast,
     .categories = acl_category::kString,
     .keys = kKeyModified,
     .arguments = kDecrbyArguments,
     .coordination = Coordination::update,
     .handler = &decrby_command},
    {.name = "get",
     .summary = "Returns the string value of a key.",
     .since = "1.0.0",
     .group = "string",
     .complexity = "O(1)",
     .arity = 2,
     .flags = kReadonly | kFast,
     .categories = acl_category::kString,
     .keys = kKeyRead,
     .arguments = kKeyArgument,
     .coordination = Coordination::read,
     .handler = &get_command},
    {.name = "getdel",
     .summary = "Returns the string value of a key after deleting the key.",
     .since = "6.2.0",
     .group = "string",
     .complexity = "O(1)",
     .arity = 2,
     .flags = kWrite | kFast,
     .categories = acl_category::kString,
     .keys = kKeyTaken,
     .arguments = kKeyArgument,
     .coordination = Coordination::update,
     .handler = &getdel_command},
    {.name = "getex",
     .summary = "Returns the string value of a key after setting its expiration time.",
     .since = "6.2.0",
     .group = "string",
     .complexity = "O(1)",
     .arity = -2,
     .flags = kWrite | kFast,
     .categories = acl_category::kString,
     .keys = kGetexKeys,
     .arguments = kGetexArguments,
     .coordination = Coordination::update,
     .handler = &getex_command},
    {.name = "getset",
     .summary = "Returns the previous string value of a key after setting it to a new value.",
     .since = "1.0.0",
     .group = "string",
     .complexity = "O(1)",
     .arity = 3,
     .flags = kWrite | kDenyOom | kFast,
     .categories = acl_category::kString,
     .keys = kKeyModified,
     .arguments = kKeyAndValue,
     .doc_flags = doc_flag::kDeprecated,
     .deprecated_since = "6.2.0",
     .replaced_by = "`SET` with the `!GET` argument",
     .coordination = Coordination::update,
     .handler = &getset_command},
    {.name = "incr",
     .summary = "Increments the integer value of a key by one. Uses 0 as initial value if the key "
                "doesn't exist.",
     .since = "1.0.0",
     .group = "string",
     .complexity = "O(1)",
     .arity = 2,
     .flags = kWrite | kDenyOom | kFast,
     .categories = acl_category::kString,
     .keys = kKeyModified,
     .arguments = kKeyArgument,
     .coordination = Coordination::update,
     .handler = &incr_command},
    {.name = "incrby",
     .summary = "Increments the integer value of a key by a number. Uses 0 as initial value if the "
                "key doesn't exist.",
     .since = "1.0.0",
     .group = "string",
     .complexity = "O(1)",
     .arity = 3,
     .flags = kWrite | kDenyOom | kFast,
     .categories = acl_category::kString,
     .keys = kKeyModified,
     .arguments = kIncrbyArguments,
     .coordination = Coordination::update,
     .handler = &incrby_command},
    {.name = "mget",
     .summary = "Atomically returns the string values of one or more keys.",
     .since = "1.0.0",
     .group = "string",
     .complexity = "O(N) where N is the number of keys to retrieve.",
     .arity = -2,
     .flags = kReadonly | kFast,
     .categories = acl_category::kString,
     .keys = kKeysRead,
     .tips = kMgetTips,
     .arguments = kKeysArgument,
     .coordination = Coordination::read,
     .per_key = "get",
     .combine = Combine::array,
     .handler = &mget_command},
    {.name = "mset",
     .summary = "Atomically creates or modifies the string values of one or more keys.",
     .since = "1.0.1",
     .group = "string",
     .complexity = "O(N) where N is the number of keys to set.",
     .arity = -3,
     .flags = kWrite | kDenyOom,
     .categories = acl_category::kString,
     .keys = kKeysOverwritten,
     .tips = kMsetTips,
     .arguments = kMsetArguments,
     .coordination = Coordination::write,
     .per_key = "set",
     .combine = Combine::ok,
     .handler = &mset_command},
    {.name = "psetex",
     .summary = "Sets both string value and expiration time in milliseconds of a key. The key is "
                "created if it doesn't exist.",
     .since = "2.6.0",
     .group = "string",
     .complexity = "O(1)",
     .arity = 4,
     .flags = kWrite | kDenyOom,
     .categories = acl_category::kString,
     .keys = kKeyOverwritten,
     .arguments = kPsetexArguments,
     .doc_flags = doc_flag::kDeprecated,
     .deprecated_since = "2.6.12",
     .replaced_by = "`SET` with the `PX` argument",
     .coordination = Coordination::write,
     .handler = &psetex_command},
    {.name = "set",
     .summary = "Sets the string value of a key, ignoring its type. The key is created if it "
                "doesn't exist.",
     .since = "1.0.0",
     .group = "string",
     .complexity = "O(1)",
     .arity = -3,
     .flags = kWrite | kDenyOom,
     .categories = acl_category::kString,
     .keys = kSetKeys,
     .key_flags = &set_key_flags,
     .history = kSetHistory,
     .arguments = kSetArguments,
     .coordination = Coordination::write,
     .handler = &set_command},
    {.name = "setex",
     .summary =
         "Sets the string value and expiration time of a key. Creates the key if it doesn't exist.",
     .since = "2.0.0",
     .group = "string",
     .complexity = "O(1)",
     .arity = 4,
     .flags = kWrite | kDenyOom,
     .categories = acl_category::kString,
     .keys = kKeyOverwritten,
     .arguments = kSetexArguments,
     .doc_flags = doc_flag::kDeprecated,
     .deprecated_since = "2.6.12",
     .replaced_by = "`SET` with the `EX` argument",
     .coordination = Coordination::write,
     .handler = &setex_command},
    {.name = "setnx",
     .summary = "Set the string value of a key only when the key doesn't exist.",
     .since = "1.0.0",
     .group = "string",
     .complexity = "O(1)",
     .arity = 3,
     .flags = kWrite | kDenyOom | kFast,
     .categories = acl_category::kString,
     .keys = kKeyInserted,
     .arguments = kKeyAndValue,
     .doc_flags = doc_flag::kDeprecated,
     .deprecated_since = "2.6.12",
     .replaced_by = "`SET` with the `NX` argument",
     .coordination = Coordination::update,
     .handler = &setnx_command},
    {.name = "strlen",
     .summary = "Returns the length of a string value.",
     .since = "2.2.0",
     .group = "string",
     .complexity = "O(1)",
     .arity = 2,
     .flags = kReadonly | kFast,
     .categories = acl_category::kString,
     .keys = kKeyExamined,
     .arguments = kKeyArgument,
     .coordination = Coordination::read,
     .handler = &strlen_command},
};

}  // namespace

void register_string_commands(CommandTable& table) { table.add(kStringCommands); }

}  // namespace quorate::redis
