// The commands about the server: introspection, configuration, saving.
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
using command_flag::kNoAsyncLoading;
using command_flag::kNoMulti;
using command_flag::kNoScript;
using command_flag::kProtected;
using command_flag::kReadonly;
using command_flag::kStale;
using command_flag::kWrite;

constexpr HistoryEntry kBgsaveHistory[] = {
    {"3.2.2", "Added the `SCHEDULE` option."},
};

constexpr ArgSpec kBgsaveArguments[] = {
    {.name = "schedule",
     .type = ArgType::pure_token,
     .token = "SCHEDULE",
     .since = "3.2.2",
     .flags = kOptional},
};

constexpr ArgSpec kCommandDocsArguments[] = {
    {.name = "command-name", .flags = kOptional | kMultiple},
};

constexpr ArgSpec kCommandGetkeysArguments[] = {
    {.name = "command"},
    {.name = "arg", .flags = kOptional | kMultiple},
};

constexpr HistoryEntry kCommandInfoHistory[] = {
    {"7.0.0", "Allowed to be called with no argument to get info on all commands."},
};

constexpr ArgSpec kCommandListFilterby[] = {
    {.name = "module-name", .token = "MODULE"},
    {.name = "category", .token = "ACLCAT"},
    {.name = "pattern", .type = ArgType::pattern, .token = "PATTERN"},
};

constexpr ArgSpec kCommandListArguments[] = {
    {.name = "filterby",
     .type = ArgType::oneof,
     .token = "FILTERBY",
     .flags = kOptional,
     .arguments = kCommandListFilterby},
};

constexpr CommandSpec kCommandSubcommands[] = {
    {.name = "count",
     .summary = "Returns a count of commands.",
     .since = "2.8.13",
     .group = "server",
     .complexity = "O(1)",
     .arity = 2,
     .flags = kLoading | kStale,
     .categories = acl_category::kConnection,
     .handler = &command_count_command},
    {.name = "docs",
     .summary = "Returns documentary information about one, multiple or all commands.",
     .since = "7.0.0",
     .group = "server",
     .complexity = "O(N) where N is the number of commands to look up",
     .arity = -2,
     .flags = kLoading | kStale,
     .categories = acl_category::kConnection,
     .tips = kNondeterministicOrderTips,
     .arguments = kCommandDocsArguments,
     .handler = &command_docs_command},
    {.name = "getkeys",
     .summary = "Extracts the key names from an arbitrary command.",
     .since = "2.8.13",
     .group = "server",
     .complexity = "O(N) where N is the number of arguments to the command",
     .arity = -3,
     .flags = kLoading | kStale,
     .categories = acl_category::kConnection,
     .arguments = kCommandGetkeysArguments,
     .handler = &command_getkeys_command},
    {.name = "getkeysandflags",
     .summary = "Extracts the key names and access flags for an arbitrary command.",
     .since = "7.0.0",
     .group = "server",
     .complexity = "O(N) where N is the number of arguments to the command",
     .arity = -3,
     .flags = kLoading | kStale,
     .categories = acl_category::kConnection,
     .arguments = kCommandGetkeysArguments,
     .handler = &command_getkeysandflags_command},
    {.name = "help",
     .summary = "Returns helpful text about the different subcommands.",
     .since = "5.0.0",
     .group = "server",
     .complexity = "O(1)",
     .arity = 2,
     .flags = kLoading | kStale,
     .categories = acl_category::kConnection,
     .handler = &command_help_command},
    {.name = "info",
     .summary = "Returns information about one, multiple or all commands.",
     .since = "2.8.13",
     .group = "server",
     .complexity = "O(N) where N is the number of commands to look up",
     .arity = -2,
     .flags = kLoading | kStale,
     .categories = acl_category::kConnection,
     .tips = kNondeterministicOrderTips,
     .history = kCommandInfoHistory,
     .arguments = kCommandDocsArguments,
     .handler = &command_info_command},
    {.name = "list",
     .summary = "Returns a list of command names.",
     .since = "7.0.0",
     .group = "server",
     .complexity = "O(N) where N is the total number of Redis commands",
     .arity = -2,
     .flags = kLoading | kStale,
     .categories = acl_category::kConnection,
     .tips = kNondeterministicOrderTips,
     .arguments = kCommandListArguments,
     .handler = &command_list_command},
};

constexpr HistoryEntry kConfigGetHistory[] = {
    {"7.0.0", "Added the ability to pass multiple pattern parameters in one call"},
};

constexpr ArgSpec kConfigGetArguments[] = {
    {.name = "parameter", .flags = kMultiple},
};

constexpr HistoryEntry kConfigSetHistory[] = {
    {"7.0.0", "Added the ability to set multiple parameters in one call."},
};

constexpr ArgSpec kConfigSetData[] = {
    {.name = "parameter"},
    {.name = "value"},
};

constexpr ArgSpec kConfigSetArguments[] = {
    {.name = "data", .type = ArgType::block, .flags = kMultiple, .arguments = kConfigSetData},
};

constexpr CommandSpec kConfigSubcommands[] = {
    {.name = "get",
     .summary = "Returns the effective values of configuration parameters.",
     .since = "2.0.0",
     .group = "server",
     .complexity = "O(N) when N is the number of configuration parameters provided",
     .arity = -3,
     .flags = kAdmin | kNoScript | kLoading | kStale,
     .history = kConfigGetHistory,
     .arguments = kConfigGetArguments,
     .handler = &config_get_command},
    {.name = "help",
     .summary = "Returns helpful text about the different subcommands.",
     .since = "5.0.0",
     .group = "server",
     .complexity = "O(1)",
     .arity = 2,
     .flags = kLoading | kStale,
     .handler = &config_help_command},
    {.name = "resetstat",
     .summary = "Resets the server's statistics.",
     .since = "2.0.0",
     .group = "server",
     .complexity = "O(1)",
     .arity = 2,
     .flags = kAdmin | kNoScript | kLoading | kStale,
     .tips = kAllNodesSucceedTips,
     .handler = &config_resetstat_command},
    {.name = "set",
     .summary = "Sets configuration parameters in-flight.",
     .since = "2.0.0",
     .group = "server",
     .complexity = "O(N) when N is the number of configuration parameters provided",
     .arity = -4,
     .flags = kAdmin | kNoScript | kLoading | kStale,
     .tips = kAllNodesSucceedTips,
     .history = kConfigSetHistory,
     .arguments = kConfigSetArguments,
     .handler = &config_set_command},
};

constexpr HistoryEntry kFlushallHistory[] = {
    {"4.0.0", "Added the `ASYNC` flushing mode modifier."},
    {"6.2.0", "Added the `SYNC` flushing mode modifier."},
};

constexpr ArgSpec kFlushallFlushType[] = {
    {.name = "async", .type = ArgType::pure_token, .token = "ASYNC", .since = "4.0.0"},
    {.name = "sync", .type = ArgType::pure_token, .token = "SYNC", .since = "6.2.0"},
};

constexpr ArgSpec kFlushallArguments[] = {
    {.name = "flush-type",
     .type = ArgType::oneof,
     .flags = kOptional,
     .arguments = kFlushallFlushType},
};

constexpr std::string_view kInfoTips[] = {
    "nondeterministic_output",
    "request_policy:all_shards",
    "response_policy:special",
};

constexpr HistoryEntry kInfoHistory[] = {
    {"7.0.0", "Added support for taking multiple section arguments."},
};

constexpr ArgSpec kInfoArguments[] = {
    {.name = "section", .flags = kOptional | kMultiple},
};

constexpr HistoryEntry kShutdownHistory[] = {
    {"7.0.0", "Added the `NOW`, `FORCE` and `ABORT` modifiers."},
};

constexpr ArgSpec kShutdownSaveSelector[] = {
    {.name = "nosave", .type = ArgType::pure_token, .token = "NOSAVE"},
    {.name = "save", .type = ArgType::pure_token, .token = "SAVE"},
};

constexpr ArgSpec kShutdownArguments[] = {
    {.name = "save-selector",
     .type = ArgType::oneof,
     .flags = kOptional,
     .arguments = kShutdownSaveSelector},
    {.name = "now",
     .type = ArgType::pure_token,
     .token = "NOW",
     .since = "7.0.0",
     .flags = kOptional},
    {.name = "force",
     .type = ArgType::pure_token,
     .token = "FORCE",
     .since = "7.0.0",
     .flags = kOptional},
    {.name = "abort",
     .type = ArgType::pure_token,
     .token = "ABORT",
     .since = "7.0.0",
     .flags = kOptional},
};

constexpr CommandSpec kServerCommands[] = {
    {.name = "bgsave",
     .summary = "Asynchronously saves the database(s) to disk.",
     .since = "1.0.0",
     .group = "server",
     .complexity = "O(1)",
     .arity = -1,
     .flags = kAdmin | kNoScript | kNoAsyncLoading,
     .history = kBgsaveHistory,
     .arguments = kBgsaveArguments,
     .handler = &bgsave_command},
    {.name = "command",
     .summary = "Returns detailed information about all commands.",
     .since = "2.8.13",
     .group = "server",
     .complexity = "O(N) where N is the total number of Redis commands",
     .arity = -1,
     .flags = kLoading | kStale,
     .categories = acl_category::kConnection,
     .tips = kNondeterministicOrderTips,
     .subcommands = kCommandSubcommands,
     .handler = &command_command},
    {.name = "config",
     .summary = "A container for server configuration commands.",
     .since = "2.0.0",
     .group = "server",
     .complexity = "Depends on subcommand.",
     .arity = -2,
     .subcommands = kConfigSubcommands},
    {.name = "dbsize",
     .summary = "Returns the number of keys in the database.",
     .since = "1.0.0",
     .group = "server",
     .complexity = "O(1)",
     .arity = 1,
     .flags = kReadonly | kFast,
     .categories = acl_category::kKeyspace,
     .tips = kSumOfAllShardsTips,
     .coordination = Coordination::cluster,
     .gather = Gather::sum,
     .handler = &dbsize_command},
    {.name = "debug",
     .summary = "A container for debugging commands.",
     .since = "1.0.0",
     .group = "server",
     .complexity = "Depends on subcommand.",
     .arity = -2,
     .flags = kAdmin | kNoScript | kLoading | kStale | kProtected,
     .doc_flags = doc_flag::kSyscmd,
     .handler = &debug_command},
    {.name = "flushall",
     .summary = "Removes all keys from all databases.",
     .since = "1.0.0",
     .group = "server",
     .complexity = "O(N) where N is the total number of keys in all databases",
     .arity = -1,
     .flags = kWrite,
     .categories = acl_category::kKeyspace | acl_category::kDangerous,
     .tips = kAllShardsSucceedTips,
     .history = kFlushallHistory,
     .arguments = kFlushallArguments,
     .coordination = Coordination::cluster,
     .gather = Gather::ok,
     .handler = &flushall_command},
    {.name = "flushdb",
     .summary = "Remove all keys from the current database.",
     .since = "1.0.0",
     .group = "server",
     .complexity = "O(N) where N is the number of keys in the selected database",
     .arity = -1,
     .flags = kWrite,
     .categories = acl_category::kKeyspace | acl_category::kDangerous,
     .tips = kAllShardsSucceedTips,
     .history = kFlushallHistory,
     .arguments = kFlushallArguments,
     .coordination = Coordination::cluster,
     .gather = Gather::ok,
     .handler = &flushdb_command},
    {.name = "info",
     .summary = "Returns information and statistics about the server.",
     .since = "1.0.0",
     .group = "server",
     .complexity = "O(1)",
     .arity = -1,
     .flags = kLoading | kStale,
     .categories = acl_category::kDangerous,
     .tips = kInfoTips,
     .history = kInfoHistory,
     .arguments = kInfoArguments,
     .gather = Gather::sums,
     .handler = &info_command},
    {.name = "lastsave",
     .summary = "Returns the Unix timestamp of the last successful save to disk.",
     .since = "1.0.0",
     .group = "server",
     .complexity = "O(1)",
     .arity = 1,
     .flags = kLoading | kStale | kFast,
     .categories = acl_category::kAdmin | acl_category::kDangerous,
     .tips = kNondeterministicTips,
     .handler = &lastsave_command},
    {.name = "save",
     .summary = "Synchronously saves the database(s) to disk.",
     .since = "1.0.0",
     .group = "server",
     .complexity = "O(N) where N is the total number of keys in all databases",
     .arity = 1,
     .flags = kAdmin | kNoScript | kNoAsyncLoading | kNoMulti,
     .handler = &save_command},
    {.name = "shutdown",
     .summary = "Synchronously saves the database(s) to disk and shuts down the Redis server.",
     .since = "1.0.0",
     .group = "server",
     .complexity = "O(N) when saving, where N is the total number of keys in all databases when "
                   "saving data, otherwise O(1)",
     .arity = -1,
     .flags = kAdmin | kNoScript | kLoading | kStale | kNoMulti | kAllowBusy,
     .history = kShutdownHistory,
     .arguments = kShutdownArguments,
     .handler = &shutdown_command},
    {.name = "time",
     .summary = "Returns the server time.",
     .since = "2.6.0",
     .group = "server",
     .complexity = "O(1)",
     .arity = 1,
     .flags = kLoading | kStale | kFast,
     .tips = kNondeterministicTips,
     .handler = &time_command},
};

}  // namespace

void register_server_commands(CommandTable& table) { table.add(kServerCommands); }

}  // namespace quorate::redis
