// CLUSTER and its subcommands. What they say comes from the view that the shard has; what changes
// the cluster goes to the control thread. Source: Redis 7.2 cluster.c.
#include <algorithm>
#include <array>
#include <fmt/format.h>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "quorate/redis/cluster_admin.h"
#include "quorate/redis/cluster_replies.h"
#include "quorate/redis/command_table.h"
#include "quorate/redis/shard_engine.h"
#include "quorate/runtime/connector.h"

#include "redis/arguments.h"
#include "redis/handlers.h"
#include "redis/help.h"
#include "redis/key_walk.h"

namespace quorate::redis {
namespace {

using cluster::ClusterView;

constexpr int64_t kPeerPortOffset = 10'000;
constexpr int64_t kPortMax = 65'535;

constexpr std::array<std::string_view, 30> kClusterHelp{
    "COUNTKEYSINSLOT <slot>",
    "    Return the number of keys in <slot>.",
    "FORGET <node-id>",
    "    Remove a node from the cluster.",
    "GETKEYSINSLOT <slot> <count>",
    "    Return key names stored by current node in a slot.",
    "INFO",
    "    Return information about the cluster.",
    "KEYSLOT <key>",
    "    Return the hash slot for <key>.",
    "MEET <ip> <port> [<bus-port>]",
    "    Connect nodes into a working cluster.",
    "MYID",
    "    Return the node id.",
    "MYSHARDID",
    "    Return the node's shard id.",
    "NODES",
    "    Return cluster configuration seen by node. Output format:",
    "    <id> <ip:port> <flags> <master> <pings> <pongs> <epoch> <link> <slot> ...",
    "REPLICAS <node-id>",
    "    Return <node-id> replicas.",
    "SLOTS",
    "    Return information about slots range mappings. Each range is made of:",
    "    start, end, master and replicas IP addresses, ports and ids",
    "SHARDS",
    "    Return information about slot range mappings and the nodes associated with them.",
    "LINKS",
    "    Return information about all network links between this node and its peers.",
    "SAVECONFIG",
    "    Force saving cluster configuration on disk.",
};

struct Refused {
  std::string_view subcommand, reason;
};
constexpr std::string_view kSlotsFollow =
    "which node holds which slot follows from the members alone";
constexpr std::string_view kNoRoles = "no node is a replica of another as a whole";
constexpr std::string_view kNoConfigEpochs = "there are no config epochs";
constexpr Refused kRefused[] = {
    {"addslots", kSlotsFollow},
    {"addslotsrange", kSlotsFollow},
    {"bumpepoch", kNoConfigEpochs},
    {"delslots", kSlotsFollow},
    {"delslotsrange", kSlotsFollow},
    {"failover", kNoRoles},
    {"flushslots", kSlotsFollow},
    {"replicate", kNoRoles},
    {"reset", "CLUSTER FORGET at another member removes a node from its cluster"},
    {"set-config-epoch", kNoConfigEpochs},
    {"setslot", kSlotsFollow},
};

// The ip of "ip:port" or "[ip]:port"; empty for a Unix socket.
std::string_view ip_part(std::string_view address) {
  std::string_view ip = address.substr(0, std::min(address.rfind(':'), address.size()));
  if (ip.starts_with('/')) return {};
  if (ip.starts_with('[') && ip.ends_with(']')) ip = ip.substr(1, ip.size() - 2);
  return ip;
}

using Make = ClusterReplies::Text (ClusterReplies::*)(int, std::string_view) const;

void reply_shared(CommandContext& context, Make make) {
  const std::string_view own_ip = ip_part(context.client->local_address);
  const int protocol = context.reply.resp3() ? 3 : 2;
  context.reply.raw(*(context.engine.cluster().*make)(protocol, own_ip));
}

// Runs `ask` on the control thread and replies with what it returned, here.
template <class Ask, class Reply>
void ask_cluster(CommandContext& context, Ask ask, Reply reply) {
  ServerControl& control = context.engine.control();
  control.executor().post([&control, &loop = context.engine.loop(), ask = std::move(ask),
                           reply = std::move(reply), finish = context.defer()]() mutable {
    loop.post([answer = ask(control.cluster()), reply = std::move(reply),
               finish = std::move(finish)]() mutable {
      finish([&](ReplyWriter& to) { reply(to, answer); });
    });
  });
}

void reply_status(ReplyWriter& reply, const runtime::Status& status) {
  if (status) return reply.ok();
  reply.error("ERR " + status.error().message);
}

std::string info_text(const ClusterView& view, const ClusterTraffic& traffic) {
  std::array<unsigned, 3> slots{};  // by liveness of who coordinates them
  std::set<ClusterView::Place> coordinators;
  for (unsigned slot = 0; slot < object::kSlots; ++slot) {
    const auto place = view.coordinator(static_cast<uint16_t>(slot));
    if (place == ClusterView::kNobody) continue;
    ++slots[static_cast<size_t>(view.member(place).liveness)];
    coordinators.insert(place);
  }
  uint32_t epoch = 0;
  for (const auto& node : view.members()) epoch = std::max(epoch, node.epoch);
  const bool own = view.self() != ClusterView::kNobody;
  const unsigned needed = std::max(view.quorum().read, view.quorum().write);
  const unsigned assigned = slots[0] + slots[1] + slots[2];
  return fmt::format(
      "cluster_state:{}\r\ncluster_slots_assigned:{}\r\ncluster_slots_ok:{}\r\n"
      "cluster_slots_pfail:{}\r\ncluster_slots_fail:{}\r\ncluster_known_nodes:{}\r\n"
      "cluster_size:{}\r\ncluster_current_epoch:{}\r\ncluster_my_epoch:{}\r\n"
      "cluster_stats_messages_sent:{}\r\ncluster_stats_messages_received:{}\r\n"
      "total_cluster_links_buffer_limit_exceeded:0\r\n",
      view.healthy_members() >= needed ? "ok" : "fail", assigned, slots[0], slots[1], slots[2],
      view.members().size(), coordinators.size(), epoch, own ? view.member(view.self()).epoch : 0,
      traffic.messages_sent, traffic.messages_received);
}

// Collects `wanted` answers of whoever owns the slot.
template <class Result>
void on_slots_shard(CommandContext& context, uint16_t slot,
                    std::function<void(ShardEngine&, ShardEngine::Continuation<Result>)> work,
                    std::function<void(ReplyWriter&, const Result&)> reply) {
  context.engine.on_every_shard_async<Result>(
      [slot, work = std::move(work)](ShardEngine& engine, ShardEngine::Continuation<Result> done) {
        if (!engine.store().shape().owns(slot)) return done({});
        work(engine, std::move(done));
      },
      [owner = context.engine.engine_of(slot).shard(), reply = std::move(reply),
       finish = std::make_shared<Finish>(context.defer())](const std::vector<Result>& results) {
        (*finish)([&](ReplyWriter& to) { reply(to, results[owner]); });
      });
}

uint64_t keys_in(ShardEngine& engine, uint16_t db, uint16_t slot) {
  const storage::Table& table = engine.store().table();
  return table.has_database(db) ? table.counts(db, slot).live : 0;
}

struct SlotKeys {
  std::vector<std::string> names;
  runtime::Status status;
};

}  // namespace

void cluster_help_command(CommandContext& context) {
  reply_help(context.reply, "CLUSTER", kClusterHelp);
}

void cluster_myid_command(CommandContext& context) {
  context.reply.bulk(context.engine.control().facts().node_id);
}

void cluster_slots_command(CommandContext& context) {
  reply_shared(context, &ClusterReplies::slots);
}

void cluster_shards_command(CommandContext& context) {
  reply_shared(context, &ClusterReplies::shards);
}

void cluster_nodes_command(CommandContext& context) {
  reply_shared(context, &ClusterReplies::nodes);
}

void cluster_info_command(CommandContext& context) {
  ask_cluster(
      context, [](const ClusterAdmin& cluster) { return cluster.traffic(); },
      [view = context.engine.cluster().shared_view()](ReplyWriter& reply,
                                                      const ClusterTraffic& traffic) {
        reply.verbatim("txt", info_text(*view, traffic));
      });
}

void cluster_links_command(CommandContext& context) {
  ask_cluster(
      context, [](const ClusterAdmin& cluster) { return cluster.links(); },
      [](ReplyWriter& reply, const std::vector<ClusterLinkFacts>& links) {
        reply.array(links.size());
        for (const ClusterLinkFacts& link : links) {
          reply.map(6);
          reply.bulk("direction");
          reply.bulk(link.outgoing ? "to" : "from");
          reply.bulk("node");
          reply.bulk(object::node_id_text(link.node));
          reply.bulk("create-time");
          reply.integer(static_cast<int64_t>(link.created_ms));
          reply.bulk("events");
          reply.bulk(link.queued_bytes == 0 ? "r" : "rw");
          reply.bulk("send-buffer-allocated");
          reply.integer(static_cast<int64_t>(link.queued_bytes));
          reply.bulk("send-buffer-used");
          reply.integer(static_cast<int64_t>(link.queued_bytes));
        }
      });
}

void cluster_keyslot_command(CommandContext& context) {
  context.reply.integer(object::key_slot(context.args[2]));
}

void cluster_countkeysinslot_command(CommandContext& context) {
  const auto slot = integer_argument(context, 2);
  if (!slot) return;
  if (*slot < 0 || *slot >= object::kSlots) return context.reply.error("ERR Invalid slot");
  const auto wanted = static_cast<uint16_t>(*slot);
  on_slots_shard<uint64_t>(
      context, wanted,
      [db = context.db, wanted](ShardEngine& engine, ShardEngine::Continuation<uint64_t> done) {
        done(keys_in(engine, db, wanted));
      },
      [](ReplyWriter& reply, const uint64_t& keys) { reply.integer(static_cast<int64_t>(keys)); });
}

void cluster_getkeysinslot_command(CommandContext& context) {
  const auto slot = integer_argument(context, 2);
  if (!slot) return;
  const auto count = integer_argument(context, 3);
  if (!count) return;
  if (*slot < 0 || *slot >= object::kSlots || *count < 0) {
    return context.reply.error("ERR Invalid slot or number of keys");
  }
  const auto wanted = static_cast<uint16_t>(*slot);
  on_slots_shard<SlotKeys>(
      context, wanted,
      [db = context.db, wanted, limit = static_cast<uint64_t>(*count)](
          ShardEngine& engine, ShardEngine::Continuation<SlotKeys> done) {
        const uint64_t most = std::min(limit, keys_in(engine, db, wanted));
        if (most == 0) return done({});
        auto found = std::make_shared<SlotKeys>();
        KeyWalk::start(
            engine, {db, slot_begin(wanted), most},
            [found, wanted, most](Position position, std::string_view name) {
              const bool fits = slot_of(position) == wanted && found->names.size() < most;
              if (fits) found->names.emplace_back(name);
            },
            [found, done = std::move(done)](const runtime::Result<Position>& reached) mutable {
              if (!reached) found->status = std::unexpected(reached.error());
              done(std::move(*found));
            });
      },
      [](ReplyWriter& reply, const SlotKeys& keys) {
        if (!keys.status) {
          return reply.error("ERR the keys could not be read from disk: " +
                             keys.status.error().message);
        }
        reply.array(keys.names.size());
        for (const std::string& name : keys.names) reply.bulk(name);
      });
}

void cluster_meet_command(CommandContext& context) {
  const Args args = context.args;
  if (args.size() > 5) {
    return context.reply.error("ERR unknown subcommand or wrong number of arguments for '" +
                               std::string(args[1].substr(0, 128)) + "'. Try CLUSTER HELP.");
  }
  const std::string ip(args[2]);
  const std::string port_text(args[3]);
  const auto port = integer_argument(context, 3, "ERR Invalid base port specified: " + port_text);
  if (!port) return;
  int64_t peer_port = *port + kPeerPortOffset;
  if (args.size() == 5) {
    const auto given =
        integer_argument(context, 4, "ERR Invalid bus port specified: " + std::string(args[4]));
    if (!given) return;
    peer_port = *given;
  }
  const auto fits = [](int64_t of) { return of > 0 && of <= kPortMax; };
  if (!runtime::is_ip_address(ip) || !fits(*port) || !fits(peer_port)) {
    return context.reply.error("ERR Invalid node address specified: " + ip + ":" + port_text);
  }
  ask_cluster(
      context,
      [ip, peer_port = static_cast<uint16_t>(peer_port)](ClusterAdmin& cluster) {
        return cluster.meet(ip, peer_port);
      },
      reply_status);
}

void cluster_forget_command(CommandContext& context) {
  ask_cluster(
      context,
      [node = std::string(context.args[2])](ClusterAdmin& cluster) { return cluster.forget(node); },
      reply_status);
}

// No node is a replica of another as a whole.
void cluster_replicas_command(CommandContext& context) {
  const auto node = object::parse_node_id(context.args[2]);
  const ClusterView& view = context.engine.cluster().view();
  if (!node || view.find(*node) == ClusterView::kNobody) {
    return context.reply.error("ERR Unknown node " + std::string(context.args[2]));
  }
  context.reply.array(0);
}

// It is on disk before anyone acts upon it.
void cluster_saveconfig_command(CommandContext& context) { context.reply.ok(); }

void cluster_refused_command(CommandContext& context) {
  const std::string_view name = context.spec.name;
  const auto* const refused = std::ranges::find(kRefused, name, &Refused::subcommand);
  std::string upper(name);
  for (char& c : upper) c = c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
  context.reply.error(
      fmt::format("ERR CLUSTER {} has no meaning here: {}", upper, refused->reason));
}

// Every node serves every key: this matters only where cluster-enabled asks for redirections.
void readonly_command(CommandContext& context) {
  context.client->reads_replicas = true;
  context.reply.ok();
}

void readwrite_command(CommandContext& context) {
  context.client->reads_replicas = false;
  context.reply.ok();
}

void asking_command(CommandContext& context) {
  context.client->asking = true;
  context.reply.ok();
}

}  // namespace quorate::redis
