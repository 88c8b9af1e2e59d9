// The commands about the connection itself.
//
// Every value is what COMMAND INFO and COMMAND DOCS of Redis 7.2 answer.
#include "quorate/redis/command_table.h"

#include "redis/handlers.h"
#include "redis/spec_parts.h"

namespace quorate::redis {
namespace {

using arg_flag::kMultiple;
using arg_flag::kOptional;
using command_flag::kAdmin;
using command_flag::kAllowBusy;
using command_flag::kFast;
using command_flag::kLoading;
using command_flag::kNoAuth;
using command_flag::kNoScript;
using command_flag::kStale;

constexpr HistoryEntry kAuthHistory[] = {
    {"6.0.0", "Added ACL style (username and password)."},
};

constexpr ArgSpec kAuthArguments[] = {
    {.name = "username", .since = "6.0.0", .flags = kOptional},
    {.name = "password"},
};

constexpr HistoryEntry kClientListHistory[] = {
    {"2.8.12", "Added unique client `id` field."},
    {"5.0.0", "Added optional `TYPE` filter."},
    {"6.0.0", "Added `user` field."},
    {"6.2.0",
     "Added `argv-mem`, `tot-mem`, `laddr` and `redir` fields and the optional `ID` filter."},
    {"7.0.0", "Added `resp`, `multi-mem`, `rbs` and `rbp` fields."},
    {"7.0.3", "Added `ssub` field."},
};

constexpr ArgSpec kClientListClientType[] = {
    {.name = "normal", .type = ArgType::pure_token, .token = "NORMAL"},
    {.name = "master", .type = ArgType::pure_token, .token = "MASTER"},
    {.name = "replica", .type = ArgType::pure_token, .token = "REPLICA"},
    {.name = "pubsub", .type = ArgType::pure_token, .token = "PUBSUB"},
};

constexpr ArgSpec kClientListArguments[] = {
    {.name = "client-type",
     .type = ArgType::oneof,
     .token = "TYPE",
     .since = "5.0.0",
     .flags = kOptional,
     .arguments = kClientListClientType},
    {.name = "client-id",
     .type = ArgType::integer,
     .token = "ID",
     .since = "6.2.0",
     .flags = kOptional | kMultiple},
};

constexpr ArgSpec kClientNoEvictEnabled[] = {
    {.name = "on", .type = ArgType::pure_token, .token = "ON"},
    {.name = "off", .type = ArgType::pure_token, .token = "OFF"},
};

constexpr ArgSpec kClientNoEvictArguments[] = {
    {.name = "enabled", .type = ArgType::oneof, .arguments = kClientNoEvictEnabled},
};

constexpr ArgSpec kClientSetinfoAttr[] = {
    {.name = "libname", .token = "LIB-NAME"},
    {.name = "libver", .token = "LIB-VER"},
};

constexpr ArgSpec kClientSetinfoArguments[] = {
    {.name = "attr", .type = ArgType::oneof, .arguments = kClientSetinfoAttr},
};

constexpr ArgSpec kClientSetnameArguments[] = {
    {.name = "connection-name"},
};

constexpr CommandSpec kClientSubcommands[] = {
    {.name = "getname",
     .summary = "Returns the name of the connection.",
     .since = "2.6.9",
     .group = "connection",
     .complexity = "O(1)",
     .arity = 2,
     .flags = kNoScript | kLoading | kStale,
     .categories = acl_category::kConnection,
     .handler = &client_getname_command},
    {.name = "help",
     .summary = "Returns helpful text about the different subcommands.",
     .since = "5.0.0",
     .group = "connection",
     .complexity = "O(1)",
     .arity = 2,
     .flags = kLoading | kStale,
     .categories = acl_category::kConnection,
     .handler = &client_help_command},
    {.name = "id",
     .summary = "Returns the unique client ID of the connection.",
     .since = "5.0.0",
     .group = "connection",
     .complexity = "O(1)",
     .arity = 2,
     .flags = kNoScript | kLoading | kStale,
     .categories = acl_category::kConnection,
     .handler = &client_id_command},
    {.name = "info",
     .summary = "Returns information about the connection.",
     .since = "6.2.0",
     .group = "connection",
     .complexity = "O(1)",
     .arity = 2,
     .flags = kNoScript | kLoading | kStale,
     .categories = acl_category::kConnection,
     .tips = kNondeterministicTips,
     .handler = &client_info_command},
    {.name = "list",
     .summary = "Lists open connections.",
     .since = "2.4.0",
     .group = "connection",
     .complexity = "O(N) where N is the number of client connections",
     .arity = -2,
     .flags = kAdmin | kNoScript | kLoading | kStale,
     .categories = acl_category::kConnection,
     .tips = kNondeterministicTips,
     .history = kClientListHistory,
     .arguments = kClientListArguments,
     .handler = &client_list_command},
    {.name = "no-evict",
     .summary = "Sets the client eviction mode of the connection.",
     .since = "7.0.0",
     .group = "connection",
     .complexity = "O(1)",
     .arity = 3,
     .flags = kAdmin | kNoScript | kLoading | kStale,
     .categories = acl_category::kConnection,
     .arguments = kClientNoEvictArguments,
     .handler = &client_no_evict_command},
    {.name = "no-touch",
     .summary = "Controls whether commands sent by the client affect the LRU/LFU of accessed keys.",
     .since = "7.2.0",
     .group = "connection",
     .complexity = "O(1)",
     .arity = 3,
     .flags = kNoScript | kLoading | kStale,
     .categories = acl_category::kConnection,
     .arguments = kClientNoEvictArguments,
     .handler = &client_no_touch_command},
    {.name = "setinfo",
     .summary = "Sets information specific to the client or connection.",
     .since = "7.2.0",
     .group = "connection",
     .complexity = "O(1)",
     .arity = 4,
     .flags = kNoScript | kLoading | kStale,
     .categories = acl_category::kConnection,
     .tips = kAllNodesSucceedTips,
     .arguments = kClientSetinfoArguments,
     .handler = &client_setinfo_command},
    {.name = "setname",
     .summary = "Sets the connection name.",
     .since = "2.6.9",
     .group = "connection",
     .complexity = "O(1)",
     .arity = 3,
     .flags = kNoScript | kLoading | kStale,
     .categories = acl_category::kConnection,
     .tips = kAllNodesSucceedTips,
     .arguments = kClientSetnameArguments,
     .handler = &client_setname_command},
};

constexpr ArgSpec kEchoArguments[] = {
    {.name = "message"},
};

constexpr HistoryEntry kHelloHistory[] = {
    {"6.2.0",
     "`protover` made optional; when called without arguments the command reports the current "
     "connection's context."},
};

constexpr ArgSpec kHelloBlockAuth[] = {
    {.name = "username"},
    {.name = "password"},
};

constexpr ArgSpec kHelloArgumentsBlock[] = {
    {.name = "protover", .type = ArgType::integer},
    {.name = "auth",
     .type = ArgType::block,
     .token = "AUTH",
     .flags = kOptional,
     .arguments = kHelloBlockAuth},
    {.name = "clientname", .token = "SETNAME", .flags = kOptional},
};

constexpr ArgSpec kHelloArguments[] = {
    {.name = "arguments",
     .type = ArgType::block,
     .flags = kOptional,
     .arguments = kHelloArgumentsBlock},
};

constexpr ArgSpec kPingArguments[] = {
    {.name = "message", .flags = kOptional},
};

constexpr ArgSpec kSelectArguments[] = {
    {.name = "index", .type = ArgType::integer},
};

constexpr CommandSpec kConnectionCommands[] = {
    {.name = "auth",
     .summary = "Authenticates the connection.",
     .since = "1.0.0",
     .group = "connection",
     .complexity = "O(N) where N is the number of passwords defined for the user",
     .arity = -2,
     .flags = kNoScript | kLoading | kStale | kFast | kNoAuth | kAllowBusy,
     .categories = acl_category::kConnection,
     .history = kAuthHistory,
     .arguments = kAuthArguments,
     .handler = &auth_command},
    {.name = "client",
     .summary = "A container for client connection commands.",
     .since = "2.4.0",
     .group = "connection",
     .complexity = "Depends on subcommand.",
     .arity = -2,
     .subcommands = kClientSubcommands},
    {.name = "echo",
     .summary = "Returns the given string.",
     .since = "1.0.0",
     .group = "connection",
     .complexity = "O(1)",
     .arity = 2,
     .flags = kLoading | kStale | kFast,
     .categories = acl_category::kConnection,
     .arguments = kEchoArguments,
     .handler = &echo_command},
    {.name = "hello",
     .summary = "Handshakes with the Redis server.",
     .since = "6.0.0",
     .group = "connection",
     .complexity = "O(1)",
     .arity = -1,
     .flags = kNoScript | kLoading | kStale | kFast | kNoAuth | kAllowBusy,
     .categories = acl_category::kConnection,
     .history = kHelloHistory,
     .arguments = kHelloArguments,
     .handler = &hello_command},
    {.name = "ping",
     .summary = "Returns the server's liveliness response.",
     .since = "1.0.0",
     .group = "connection",
     .complexity = "O(1)",
     .arity = -1,
     .flags = kFast,
     .categories = acl_category::kConnection,
     .tips = kAllShardsSucceedTips,
     .arguments = kPingArguments,
     .handler = &ping_command},
    {.name = "quit",
     .summary = "Closes the connection.",
     .since = "1.0.0",
     .group = "connection",
     .complexity = "O(1)",
     .arity = -1,
     .flags = kNoScript | kLoading | kStale | kFast | kNoAuth | kAllowBusy,
     .categories = acl_category::kConnection,
     .doc_flags = doc_flag::kDeprecated,
     .deprecated_since = "7.2.0",
     .replaced_by = "just closing the connection",
     .handler = &quit_command},
    {.name = "reset",
     .summary = "Resets the connection.",
     .since = "6.2.0",
     .group = "connection",
     .complexity = "O(1)",
     .arity = 1,
     .flags = kNoScript | kLoading | kStale | kFast | kNoAuth | kAllowBusy,
     .categories = acl_category::kConnection,
     .handler = &reset_command},
    {.name = "select",
     .summary = "Changes the selected database.",
     .since = "1.0.0",
     .group = "connection",
     .complexity = "O(1)",
     .arity = 2,
     .flags = kLoading | kStale | kFast,
     .categories = acl_category::kConnection,
     .arguments = kSelectArguments,
     .handler = &select_command},
};

}  // namespace

void register_connection_commands(CommandTable& table) { table.add(kConnectionCommands); }

}  // namespace quorate::redis
