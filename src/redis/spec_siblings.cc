// The commands over siblings and quorums, which Redis does not have.
#include "quorate/redis/command_table.h"

#include "redis/dyn_options.h"
#include "redis/handlers.h"
#include "redis/spec_parts.h"

namespace quorate::redis {
namespace {

using arg_flag::kOptional;
using command_flag::kDenyOom;
using command_flag::kFast;
using command_flag::kLoading;
using command_flag::kReadonly;
using command_flag::kStale;
using command_flag::kWrite;

constexpr KeySpec kKeyRemoved[] = {{.flags = key_flag::kRm | key_flag::kDelete}};

constexpr ArgSpec kReadQuorum = {
    .name = "read-quorum", .type = ArgType::integer, .token = "R", .flags = kOptional};
constexpr ArgSpec kWriteQuorum = {
    .name = "write-quorum", .type = ArgType::integer, .token = "W", .flags = kOptional};
constexpr ArgSpec kContext = {.name = "context"};

constexpr ArgSpec kGetArguments[] = {kKey, kReadQuorum};
constexpr ArgSpec kDelArguments[] = {kKey, kContext, kWriteQuorum};
constexpr ArgSpec kExpiration[] = {
    {.name = "seconds", .type = ArgType::integer, .token = "EX"},
    {.name = "milliseconds", .type = ArgType::integer, .token = "PX"},
};
constexpr ArgSpec kPutArguments[] = {
    kKey,
    kContext,
    {.name = "value"},
    kWriteQuorum,
    {.name = "expiration", .type = ArgType::oneof, .flags = kOptional, .arguments = kExpiration},
};

constexpr ArgSpec kNumbers[] = {kReadQuorum, kWriteQuorum};
constexpr ArgSpec kQuorums[] = {
    {.name = "numbers", .type = ArgType::block, .arguments = kNumbers},
    {.name = "default", .type = ArgType::pure_token, .token = "DEFAULT"},
};
constexpr ArgSpec kQuorumArguments[] = {
    {.name = "quorums", .type = ArgType::oneof, .flags = kOptional, .arguments = kQuorums},
};

constexpr size_t kOptionsOfGet = 2, kOptionsOfDel = 3, kOptionsOfPut = 4;

coordinator::QuorumChoice quorums_of_get(Args args) {
  return quorums_of_call(args, kOptionsOfGet, DynOptions::kRead);
}
coordinator::QuorumChoice quorums_of_del(Args args) {
  return quorums_of_call(args, kOptionsOfDel, DynOptions::kWrite);
}
coordinator::QuorumChoice quorums_of_put(Args args) {
  return quorums_of_call(args, kOptionsOfPut, DynOptions::kWrite | DynOptions::kExpiry);
}

constexpr CommandSpec kSiblingCommands[] = {
    {.name = "dyn.del",
     .summary = "Removes those values of a key that a context has seen, and returns how many.",
     .since = "0.1.0",
     .group = "dynamo",
     .complexity = "O(N) where N is the number of siblings",
     .arity = -3,
     .flags = kWrite,
     .categories = acl_category::kString,
     .keys = kKeyRemoved,
     .arguments = kDelArguments,
     .coordination = Coordination::update,
     .quorums = &quorums_of_del,
     .handler = &dyn_del_command},
    {.name = "dyn.get",
     .summary = "Returns all values of a key, siblings included, and the context they make.",
     .since = "0.1.0",
     .group = "dynamo",
     .complexity = "O(N) where N is the number of siblings",
     .arity = -2,
     .flags = kReadonly,
     .categories = acl_category::kString,
     .keys = kKeyRead,
     .arguments = kGetArguments,
     .coordination = Coordination::read,
     .quorums = &quorums_of_get,
     .handler = &dyn_get_command},
    {.name = "dyn.put",
     .summary = "Sets a value in place of those that a context has seen; others stay as siblings.",
     .since = "0.1.0",
     .group = "dynamo",
     .complexity = "O(N) where N is the number of siblings",
     .arity = -4,
     .flags = kWrite | kDenyOom,
     .categories = acl_category::kString,
     .keys = kKeyInserted,
     .arguments = kPutArguments,
     .coordination = Coordination::update,
     .quorums = &quorums_of_put,
     .handler = &dyn_put_command},
    {.name = "dyn.quorum",
     .summary = "Sets or shows how many replicas answer the connection's reads and confirm its "
                "writes.",
     .since = "0.1.0",
     .group = "dynamo",
     .complexity = "O(1)",
     .arity = -1,
     .flags = kLoading | kStale | kFast,
     .categories = acl_category::kConnection,
     .arguments = kQuorumArguments,
     .handler = &dyn_quorum_command},
    {.name = "dyn.siblings",
     .summary = "Describes every version of a key: who wrote it and when.",
     .since = "0.1.0",
     .group = "dynamo",
     .complexity = "O(N) where N is the number of siblings",
     .arity = 2,
     .flags = kReadonly,
     .categories = acl_category::kString,
     .keys = kKeyRead,
     .arguments = kKeyArgument,
     .coordination = Coordination::read,
     .handler = &dyn_siblings_command},
};

}  // namespace

void register_sibling_commands(CommandTable& table) { table.add(kSiblingCommands); }

}  // namespace quorate::redis
