// The commands that work on keys of every type.
//
// Every value is what COMMAND INFO and COMMAND DOCS of Redis 7.2 answer.
#include "quorate/redis/command_table.h"

#include "redis/handlers.h"
#include "redis/spec_parts.h"

namespace quorate::redis {
namespace {

using arg_flag::kOptional;
using command_flag::kBlocking;
using command_flag::kFast;
using command_flag::kReadonly;
using command_flag::kTouchesArbitraryKeys;
using command_flag::kWrite;

constexpr HistoryEntry kExistsHistory[] = {
    {"3.0.3", "Accepts multiple `key` arguments."},
};

constexpr HistoryEntry kExpireHistory[] = {
    {"7.0.0", "Added options: `NX`, `XX`, `GT` and `LT`."},
};

constexpr ArgSpec kExpireCondition[] = {
    {.name = "nx", .type = ArgType::pure_token, .token = "NX"},
    {.name = "xx", .type = ArgType::pure_token, .token = "XX"},
    {.name = "gt", .type = ArgType::pure_token, .token = "GT"},
    {.name = "lt", .type = ArgType::pure_token, .token = "LT"},
};

constexpr ArgSpec kExpireArguments[] = {
    kKey,
    {.name = "seconds", .type = ArgType::integer},
    {.name = "condition",
     .type = ArgType::oneof,
     .since = "7.0.0",
     .flags = kOptional,
     .arguments = kExpireCondition},
};

constexpr ArgSpec kExpireatArguments[] = {
    kKey,
    {.name = "unix-time-seconds", .type = ArgType::unix_time},
    {.name = "condition",
     .type = ArgType::oneof,
     .since = "7.0.0",
     .flags = kOptional,
     .arguments = kExpireCondition},
};

constexpr std::string_view kKeysTips[] = {
    "request_policy:all_shards",
    "nondeterministic_output_order",
};

constexpr ArgSpec kKeysArguments[] = {
    {.name = "pattern", .type = ArgType::pattern},
};

constexpr ArgSpec kPexpireArguments[] = {
    kKey,
    {.name = "milliseconds", .type = ArgType::integer},
    {.name = "condition",
     .type = ArgType::oneof,
     .since = "7.0.0",
     .flags = kOptional,
     .arguments = kExpireCondition},
};

constexpr ArgSpec kPexpireatArguments[] = {
    kKey,
    {.name = "unix-time-milliseconds", .type = ArgType::unix_time},
    {.name = "condition",
     .type = ArgType::oneof,
     .since = "7.0.0",
     .flags = kOptional,
     .arguments = kExpireCondition},
};

constexpr HistoryEntry kPttlHistory[] = {
    {"2.8.0", "Added the -2 reply."},
};

constexpr std::string_view kRandomkeyTips[] = {
    "request_policy:all_shards",
    "response_policy:special",
    "nondeterministic_output",
};

constexpr std::string_view kScanTips[] = {
    "nondeterministic_output",
    "request_policy:special",
    "response_policy:special",
};

constexpr HistoryEntry kScanHistory[] = {
    {"6.0.0", "Added the `TYPE` subcommand."},
};

constexpr ArgSpec kScanArguments[] = {
    {.name = "cursor", .type = ArgType::integer},
    {.name = "pattern", .type = ArgType::pattern, .token = "MATCH", .flags = kOptional},
    {.name = "count", .type = ArgType::integer, .token = "COUNT", .flags = kOptional},
    {.name = "type", .token = "TYPE", .since = "6.0.0", .flags = kOptional},
};

constexpr ArgSpec kWaitArguments[] = {
    {.name = "numreplicas", .type = ArgType::integer},
    {.name = "timeout", .type = ArgType::integer},
};

constexpr CommandSpec kGenericCommands[] = {
    {.name = "del",
     .summary = "Deletes one or more keys.",
     .since = "1.0.0",
     .group = "generic",
     .complexity = "O(N) where N is the number of keys that will be removed. When a key to remove "
                   "holds a value other than a string, the individual complexity for this key is "
                   "O(M) where M is the number of elements in the list, set, sorted set or hash. "
                   "Removing a single key that holds a string value is O(1).",
     .arity = -2,
     .flags = kWrite,
     .categories = acl_category::kKeyspace,
     .keys = kKeysRemoved,
     .tips = kSumOverShardsTips,
     .arguments = kKeysArgument,
     .coordination = Coordination::update,
     .per_key = "del",
     .combine = Combine::sum,
     .handler = &del_command},
    {.name = "exists",
     .summary = "Determines whether one or more keys exist.",
     .since = "1.0.0",
     .group = "generic",
     .complexity = "O(N) where N is the number of keys to check.",
     .arity = -2,
     .flags = kReadonly | kFast,
     .categories = acl_category::kKeyspace,
     .keys = kKeysExamined,
     .tips = kSumOverShardsTips,
     .history = kExistsHistory,
     .arguments = kKeysArgument,
     .coordination = Coordination::read,
     .per_key = "exists",
     .combine = Combine::sum,
     .handler = &exists_command},
    {.name = "expire",
     .summary = "Sets the expiration time of a key in seconds.",
     .since = "1.0.0",
     .group = "generic",
     .complexity = "O(1)",
     .arity = -3,
     .flags = kWrite | kFast,
     .categories = acl_category::kKeyspace,
     .keys = kKeyRetimed,
     .history = kExpireHistory,
     .arguments = kExpireArguments,
     .coordination = Coordination::update,
     .handler = &expire_command},
    {.name = "expireat",
     .summary = "Sets the expiration time of a key to a Unix timestamp.",
     .since = "1.2.0",
     .group = "generic",
     .complexity = "O(1)",
     .arity = -3,
     .flags = kWrite | kFast,
     .categories = acl_category::kKeyspace,
     .keys = kKeyRetimed,
     .history = kExpireHistory,
     .arguments = kExpireatArguments,
     .coordination = Coordination::update,
     .handler = &expireat_command},
    {.name = "expiretime",
     .summary = "Returns the expiration time of a key as a Unix timestamp.",
     .since = "7.0.0",
     .group = "generic",
     .complexity = "O(1)",
     .arity = 2,
     .flags = kReadonly | kFast,
     .categories = acl_category::kKeyspace,
     .keys = kKeyRead,
     .arguments = kKeyArgument,
     .coordination = Coordination::read,
     .handler = &expiretime_command},
    {.name = "keys",
     .summary = "Returns all key names that match a pattern.",
     .since = "1.0.0",
     .group = "generic",
     .complexity = "O(N) with N being the number of keys in the database, under the assumption "
                   "that the key names in the database and the given pattern have limited length.",
     .arity = 2,
     .flags = kReadonly,
     .categories = acl_category::kKeyspace | acl_category::kDangerous,
     .tips = kKeysTips,
     .arguments = kKeysArguments,
     .coordination = Coordination::cluster,
     .gather = Gather::elements,
     .handler = &keys_command},
    {.name = "persist",
     .summary = "Removes the expiration time of a key.",
     .since = "2.2.0",
     .group = "generic",
     .complexity = "O(1)",
     .arity = 2,
     .flags = kWrite | kFast,
     .categories = acl_category::kKeyspace,
     .keys = kKeyRetimed,
     .arguments = kKeyArgument,
     .coordination = Coordination::update,
     .handler = &persist_command},
    {.name = "pexpire",
     .summary = "Sets the expiration time of a key in milliseconds.",
     .since = "2.6.0",
     .group = "generic",
     .complexity = "O(1)",
     .arity = -3,
     .flags = kWrite | kFast,
     .categories = acl_category::kKeyspace,
     .keys = kKeyRetimed,
     .history = kExpireHistory,
     .arguments = kPexpireArguments,
     .coordination = Coordination::update,
     .handler = &pexpire_command},
    {.name = "pexpireat",
     .summary = "Sets the expiration time of a key to a Unix milliseconds timestamp.",
     .since = "2.6.0",
     .group = "generic",
     .complexity = "O(1)",
     .arity = -3,
     .flags = kWrite | kFast,
     .categories = acl_category::kKeyspace,
     .keys = kKeyRetimed,
     .history = kExpireHistory,
     .arguments = kPexpireatArguments,
     .coordination = Coordination::update,
     .handler = &pexpireat_command},
    {.name = "pexpiretime",
     .summary = "Returns the expiration time of a key as a Unix milliseconds timestamp.",
     .since = "7.0.0",
     .group = "generic",
     .complexity = "O(1)",
     .arity = 2,
     .flags = kReadonly | kFast,
     .categories = acl_category::kKeyspace,
     .keys = kKeyRead,
     .arguments = kKeyArgument,
     .coordination = Coordination::read,
     .handler = &pexpiretime_command},
    {.name = "pttl",
     .summary = "Returns the expiration time in milliseconds of a key.",
     .since = "2.6.0",
     .group = "generic",
     .complexity = "O(1)",
     .arity = 2,
     .flags = kReadonly | kFast,
     .categories = acl_category::kKeyspace,
     .keys = kKeyRead,
     .tips = kNondeterministicTips,
     .history = kPttlHistory,
     .arguments = kKeyArgument,
     .coordination = Coordination::read,
     .handler = &pttl_command},
    {.name = "randomkey",
     .summary = "Returns a random key name from the database.",
     .since = "1.0.0",
     .group = "generic",
     .complexity = "O(1)",
     .arity = 1,
     .flags = kReadonly | kTouchesArbitraryKeys,
     .categories = acl_category::kKeyspace,
     .tips = kRandomkeyTips,
     .coordination = Coordination::cluster,
     .gather = Gather::pick,
     .handler = &randomkey_command},
    {.name = "scan",
     .summary = "Iterates over the key names in the database.",
     .since = "2.8.0",
     .group = "generic",
     .complexity =
         "O(1) for every call. O(N) for a complete iteration, including enough command calls for "
         "the cursor to return back to 0. N is the number of elements inside the collection.",
     .arity = -2,
     .flags = kReadonly | kTouchesArbitraryKeys,
     .categories = acl_category::kKeyspace,
     .tips = kScanTips,
     .history = kScanHistory,
     .arguments = kScanArguments,
     .coordination = Coordination::cluster,
     .gather = Gather::pages,
     .handler = &scan_command},
    {.name = "touch",
     .summary = "Returns the number of existing keys out of those specified after updating the "
                "time they were last accessed.",
     .since = "3.2.1",
     .group = "generic",
     .complexity = "O(N) where N is the number of keys that will be touched.",
     .arity = -2,
     .flags = kReadonly | kFast,
     .categories = acl_category::kKeyspace,
     .keys = kKeysExamined,
     .tips = kSumOverShardsTips,
     .arguments = kKeysArgument,
     .coordination = Coordination::read,
     .per_key = "touch",
     .combine = Combine::sum,
     .handler = &touch_command},
    {.name = "ttl",
     .summary = "Returns the expiration time in seconds of a key.",
     .since = "1.0.0",
     .group = "generic",
     .complexity = "O(1)",
     .arity = 2,
     .flags = kReadonly | kFast,
     .categories = acl_category::kKeyspace,
     .keys = kKeyRead,
     .tips = kNondeterministicTips,
     .history = kPttlHistory,
     .arguments = kKeyArgument,
     .coordination = Coordination::read,
     .handler = &ttl_command},
    {.name = "type",
     .summary = "Determines the type of value stored at a key.",
     .since = "1.0.0",
     .group = "generic",
     .complexity = "O(1)",
     .arity = 2,
     .flags = kReadonly | kFast,
     .categories = acl_category::kKeyspace,
     .keys = kKeyExamined,
     .arguments = kKeyArgument,
     .coordination = Coordination::read,
     .handler = &type_command},
    {.name = "unlink",
     .summary = "Asynchronously deletes one or more keys.",
     .since = "4.0.0",
     .group = "generic",
     .complexity = "O(1) for each key removed regardless of its size. Then the command does O(N) "
                   "work in a different thread in order to reclaim memory, where N is the number "
                   "of allocations the deleted objects where composed of.",
     .arity = -2,
     .flags = kWrite | kFast,
     .categories = acl_category::kKeyspace,
     .keys = kKeysRemoved,
     .tips = kSumOverShardsTips,
     .arguments = kKeysArgument,
     .coordination = Coordination::update,
     .per_key = "unlink",
     .combine = Combine::sum,
     .handler = &del_command},
    {.name = "wait",
     .summary = "Blocks until the asynchronous replication of all preceding write commands sent by "
                "the connection is completed.",
     .since = "3.0.0",
     .group = "generic",
     .complexity = "O(1)",
     .arity = 3,
     .flags = kBlocking,
     .categories = acl_category::kConnection,
     .tips = kLeastOfAllShardsTips,
     .arguments = kWaitArguments,
     .handler = &wait_command},
};

}  // namespace

void register_generic_commands(CommandTable& table) { table.add(kGenericCommands); }

}  // namespace quorate::redis
