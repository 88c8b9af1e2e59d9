// The commands about the cluster: Redis's own, then those of Quorate.
//
// Every value of Redis's is what COMMAND INFO and COMMAND DOCS of Redis 7.2 answer.
#include "quorate/redis/command_table.h"

#include "redis/handlers.h"
#include "redis/spec_parts.h"

namespace quorate::redis {
namespace {

using arg_flag::kMultiple;
using arg_flag::kOptional;
using command_flag::kAdmin;
using command_flag::kFast;
using command_flag::kLoading;
using command_flag::kNoAsyncLoading;
using command_flag::kNoScript;
using command_flag::kStale;

constexpr Bits kChanges = kAdmin | kStale | kNoAsyncLoading;

constexpr std::string_view kOverSlots =
    "O(N) where N is the total number of the slots between the start slot and end slot arguments.";
constexpr std::string_view kOverNodes = "O(N) where N is the total number of Cluster nodes";

constexpr ArgSpec kNodeArgument[] = {{.name = "node-id"}};
constexpr ArgSpec kSlotArgument[] = {{.name = "slot", .type = ArgType::integer}};
constexpr ArgSpec kSlotsArgument[] = {
    {.name = "slot", .type = ArgType::integer, .flags = kMultiple}};
constexpr ArgSpec kKeyNameArgument[] = {{.name = "key"}};
constexpr ArgSpec kEpochArgument[] = {{.name = "config-epoch", .type = ArgType::integer}};

constexpr ArgSpec kRangeBounds[] = {
    {.name = "start-slot", .type = ArgType::integer},
    {.name = "end-slot", .type = ArgType::integer},
};
constexpr ArgSpec kRangesArgument[] = {
    {.name = "range", .type = ArgType::block, .flags = kMultiple, .arguments = kRangeBounds},
};

constexpr ArgSpec kFailoverOptions[] = {
    {.name = "force", .type = ArgType::pure_token, .token = "FORCE"},
    {.name = "takeover", .type = ArgType::pure_token, .token = "TAKEOVER"},
};
constexpr ArgSpec kFailoverArguments[] = {
    {.name = "options", .type = ArgType::oneof, .flags = kOptional, .arguments = kFailoverOptions},
};

constexpr ArgSpec kGetkeysinslotArguments[] = {
    {.name = "slot", .type = ArgType::integer},
    {.name = "count", .type = ArgType::integer},
};

constexpr HistoryEntry kMeetHistory[] = {
    {"4.0.0", "Added the optional `cluster_bus_port` argument."},
};
constexpr ArgSpec kMeetArguments[] = {
    {.name = "ip"},
    {.name = "port", .type = ArgType::integer},
    {.name = "cluster-bus-port", .type = ArgType::integer, .since = "4.0.0", .flags = kOptional},
};

constexpr ArgSpec kResetTypes[] = {
    {.name = "hard", .type = ArgType::pure_token, .token = "HARD"},
    {.name = "soft", .type = ArgType::pure_token, .token = "SOFT"},
};
constexpr ArgSpec kResetArguments[] = {
    {.name = "reset-type", .type = ArgType::oneof, .flags = kOptional, .arguments = kResetTypes},
};

constexpr ArgSpec kSetslotSubcommands[] = {
    {.name = "importing", .token = "IMPORTING", .display_text = "node-id"},
    {.name = "migrating", .token = "MIGRATING", .display_text = "node-id"},
    {.name = "node", .token = "NODE", .display_text = "node-id"},
    {.name = "stable", .type = ArgType::pure_token, .token = "STABLE"},
};
constexpr ArgSpec kSetslotArguments[] = {
    {.name = "slot", .type = ArgType::integer},
    {.name = "subcommand", .type = ArgType::oneof, .arguments = kSetslotSubcommands},
};

constexpr HistoryEntry kSlotsHistory[] = {
    {"4.0.0", "Added node IDs."},
    {"7.0.0", "Added additional networking metadata field."},
};

// Changes a Redis Cluster by hand where here nothing is to be done by hand.
constexpr CommandSpec refused(std::string_view name, std::string_view summary,
                              std::string_view since, std::string_view complexity, int32_t arity,
                              ConstList<ArgSpec> arguments) {
  return {.name = name,
          .summary = summary,
          .since = since,
          .group = "cluster",
          .complexity = complexity,
          .arity = arity,
          .flags = kChanges,
          .arguments = arguments,
          .handler = &cluster_refused_command};
}

constexpr CommandSpec kClusterSubcommands[] = {
    refused("addslots", "Assigns new hash slots to a node.", "3.0.0",
            "O(N) where N is the total number of hash slot arguments", -3, kSlotsArgument),
    refused("addslotsrange", "Assigns new hash slot ranges to a node.", "7.0.0", kOverSlots, -4,
            kRangesArgument),
    {.name = "bumpepoch",
     .summary = "Advances the cluster config epoch.",
     .since = "3.0.0",
     .group = "cluster",
     .complexity = "O(1)",
     .arity = 2,
     .flags = kChanges,
     .tips = kNondeterministicTips,
     .handler = &cluster_refused_command},
    {.name = "countkeysinslot",
     .summary = "Returns the number of keys in a hash slot.",
     .since = "3.0.0",
     .group = "cluster",
     .complexity = "O(1)",
     .arity = 3,
     .flags = kStale,
     .arguments = kSlotArgument,
     .handler = &cluster_countkeysinslot_command},
    refused("delslots", "Sets hash slots as unbound for a node.", "3.0.0",
            "O(N) where N is the total number of hash slot arguments", -3, kSlotsArgument),
    refused("delslotsrange", "Sets hash slot ranges as unbound for a node.", "7.0.0", kOverSlots,
            -4, kRangesArgument),
    refused("failover", "Forces a replica to perform a manual failover of its master.", "3.0.0",
            "O(1)", -2, kFailoverArguments),
    refused("flushslots", "Deletes all slots information from a node.", "3.0.0", "O(1)", 2, {}),
    {.name = "forget",
     .summary = "Removes a node from the nodes table.",
     .since = "3.0.0",
     .group = "cluster",
     .complexity = "O(1)",
     .arity = 3,
     .flags = kChanges,
     .arguments = kNodeArgument,
     .handler = &cluster_forget_command},
    {.name = "getkeysinslot",
     .summary = "Returns the key names in a hash slot.",
     .since = "3.0.0",
     .group = "cluster",
     .complexity = "O(N) where N is the number of requested keys",
     .arity = 4,
     .flags = kStale,
     .tips = kNondeterministicTips,
     .arguments = kGetkeysinslotArguments,
     .handler = &cluster_getkeysinslot_command},
    {.name = "help",
     .summary = "Returns helpful text about the different subcommands.",
     .since = "5.0.0",
     .group = "cluster",
     .complexity = "O(1)",
     .arity = 2,
     .flags = kLoading | kStale,
     .handler = &cluster_help_command},
    {.name = "info",
     .summary = "Returns information about the state of a node.",
     .since = "3.0.0",
     .group = "cluster",
     .complexity = "O(1)",
     .arity = 2,
     .flags = kStale,
     .tips = kNondeterministicTips,
     .handler = &cluster_info_command},
    {.name = "keyslot",
     .summary = "Returns the hash slot for a key.",
     .since = "3.0.0",
     .group = "cluster",
     .complexity = "O(N) where N is the number of bytes in the key",
     .arity = 3,
     .flags = kStale,
     .arguments = kKeyNameArgument,
     .handler = &cluster_keyslot_command},
    {.name = "links",
     .summary = "Returns a list of all TCP links to and from peer nodes.",
     .since = "7.0.0",
     .group = "cluster",
     .complexity = kOverNodes,
     .arity = 2,
     .flags = kStale,
     .tips = kNondeterministicTips,
     .handler = &cluster_links_command},
    {.name = "meet",
     .summary = "Forces a node to handshake with another node.",
     .since = "3.0.0",
     .group = "cluster",
     .complexity = "O(1)",
     .arity = -4,
     .flags = kChanges,
     .history = kMeetHistory,
     .arguments = kMeetArguments,
     .handler = &cluster_meet_command},
    {.name = "myid",
     .summary = "Returns the ID of a node.",
     .since = "3.0.0",
     .group = "cluster",
     .complexity = "O(1)",
     .arity = 2,
     .flags = kStale,
     .handler = &cluster_myid_command},
    {.name = "myshardid",
     .summary = "Returns the shard ID of a node.",
     .since = "7.2.0",
     .group = "cluster",
     .complexity = "O(1)",
     .arity = 2,
     .flags = kStale,
     .tips = kNondeterministicTips,
     .handler = &cluster_myid_command},
    {.name = "nodes",
     .summary = "Returns the cluster configuration for a node.",
     .since = "3.0.0",
     .group = "cluster",
     .complexity = kOverNodes,
     .arity = 2,
     .flags = kStale,
     .tips = kNondeterministicTips,
     .handler = &cluster_nodes_command},
    {.name = "replicas",
     .summary = "Lists the replica nodes of a master node.",
     .since = "5.0.0",
     .group = "cluster",
     .complexity = "O(N) where N is the number of replicas.",
     .arity = 3,
     .flags = kAdmin | kStale,
     .tips = kNondeterministicTips,
     .arguments = kNodeArgument,
     .handler = &cluster_replicas_command},
    refused("replicate", "Configure a node as replica of a master node.", "3.0.0", "O(1)", 3,
            kNodeArgument),
    {.name = "reset",
     .summary = "Resets a node.",
     .since = "3.0.0",
     .group = "cluster",
     .complexity = "O(N) where N is the number of known nodes. The command may execute a FLUSHALL "
                   "as a side effect.",
     .arity = -2,
     .flags = kAdmin | kNoScript | kStale,
     .arguments = kResetArguments,
     .handler = &cluster_refused_command},
    {.name = "saveconfig",
     .summary = "Forces a node to save the cluster configuration to disk.",
     .since = "3.0.0",
     .group = "cluster",
     .complexity = "O(1)",
     .arity = 2,
     .flags = kChanges,
     .handler = &cluster_saveconfig_command},
    refused("set-config-epoch", "Sets the configuration epoch for a new node.", "3.0.0", "O(1)", 3,
            kEpochArgument),
    refused("setslot", "Binds a hash slot to a node.", "3.0.0", "O(1)", -4, kSetslotArguments),
    {.name = "shards",
     .summary = "Returns the mapping of cluster slots to shards.",
     .since = "7.0.0",
     .group = "cluster",
     .complexity = "O(N) where N is the total number of cluster nodes",
     .arity = 2,
     .flags = kLoading | kStale,
     .tips = kNondeterministicTips,
     .handler = &cluster_shards_command},
    {.name = "slaves",
     .summary = "Lists the replica nodes of a master node.",
     .since = "3.0.0",
     .group = "cluster",
     .complexity = "O(N) where N is the number of replicas.",
     .arity = 3,
     .flags = kAdmin | kStale,
     .tips = kNondeterministicTips,
     .arguments = kNodeArgument,
     .doc_flags = doc_flag::kDeprecated,
     .deprecated_since = "5.0.0",
     .replaced_by = "`CLUSTER REPLICAS`",
     .handler = &cluster_replicas_command},
    {.name = "slots",
     .summary = "Returns the mapping of cluster slots to nodes.",
     .since = "3.0.0",
     .group = "cluster",
     .complexity = kOverNodes,
     .arity = 2,
     .flags = kLoading | kStale,
     .tips = kNondeterministicTips,
     .history = kSlotsHistory,
     .doc_flags = doc_flag::kDeprecated,
     .deprecated_since = "7.0.0",
     .replaced_by = "`CLUSTER SHARDS`",
     .handler = &cluster_slots_command},
};

constexpr CommandSpec kClusterCommands[] = {
    {.name = "asking",
     .summary = "Signals that a cluster client is following an -ASK redirect.",
     .since = "3.0.0",
     .group = "cluster",
     .complexity = "O(1)",
     .arity = 1,
     .flags = kFast,
     .categories = acl_category::kConnection,
     .handler = &asking_command},
    {.name = "cluster",
     .summary = "A container for Redis Cluster commands.",
     .since = "3.0.0",
     .group = "cluster",
     .complexity = "Depends on subcommand.",
     .arity = -2,
     .subcommands = kClusterSubcommands},
    {.name = "readonly",
     .summary = "Enables read-only queries for a connection to a Redis Cluster replica node.",
     .since = "3.0.0",
     .group = "cluster",
     .complexity = "O(1)",
     .arity = 1,
     .flags = kLoading | kStale | kFast,
     .categories = acl_category::kConnection,
     .handler = &readonly_command},
    {.name = "readwrite",
     .summary = "Enables read-write queries for a connection to a Reids Cluster replica node.",
     .since = "3.0.0",
     .group = "cluster",
     .complexity = "O(1)",
     .arity = 1,
     .flags = kLoading | kStale | kFast,
     .categories = acl_category::kConnection,
     .handler = &readwrite_command},
    {.name = "dyn.members",
     .summary = "Lists the members of the cluster as this node sees them.",
     .since = "0.1.0",
     .group = "dynamo",
     .complexity = "O(N) where N is the number of members",
     .arity = 1,
     .flags = kAdmin | kLoading | kStale,
     .tips = kNondeterministicTips,
     .handler = &dyn_members_command},
    {.name = "dyn.preflist",
     .summary = "Names the members that hold a key, in order of preference.",
     .since = "0.1.0",
     .group = "dynamo",
     .complexity = "O(1)",
     .arity = 2,
     .flags = kAdmin | kLoading | kStale,
     .tips = kNondeterministicTips,
     .arguments = kKeyNameArgument,
     .handler = &dyn_preflist_command},
    {.name = "dyn.ring",
     .summary = "Returns which members hold which slots, in order of preference.",
     .since = "0.1.0",
     .group = "dynamo",
     .complexity = "O(N) where N is the number of slots",
     .arity = 1,
     .flags = kAdmin | kLoading | kStale,
     .tips = kNondeterministicTips,
     .handler = &dyn_ring_command},
};

}  // namespace

void register_cluster_commands(CommandTable& table) { table.add(kClusterCommands); }

}  // namespace quorate::redis
