// What Quorate's own commands tell operators of the cluster, and the quorums of a connection.
// Source: DESIGN section 10.
#include <algorithm>
#include <fmt/format.h>
#include <string>
#include <utility>

#include "quorate/redis/cluster_replies.h"
#include "quorate/redis/command_table.h"
#include "quorate/redis/shard_engine.h"

#include "redis/dyn_options.h"
#include "redis/handlers.h"

namespace quorate::redis {
namespace {

using cluster::ClusterView;
using cluster::Liveness;

std::string_view text_of(Liveness liveness) {
  switch (liveness) {
    case Liveness::alive:
      return "alive";
    case Liveness::suspected:
      return "suspected";
    case Liveness::dead:
      break;
  }
  return "dead";
}

void write_text(ReplyWriter& reply, std::string_view name, std::string_view value) {
  reply.bulk(name);
  reply.bulk(value);
}

void write_number(ReplyWriter& reply, std::string_view name, uint64_t value) {
  reply.bulk(name);
  reply.integer(static_cast<int64_t>(value));
}

void write_ids(ReplyWriter& reply, const ClusterView& view, uint16_t slot) {
  const auto list = view.preference_list(slot);
  reply.array(list.size());
  for (const auto place : list) reply.bulk(object::node_id_text(view.member(place).id));
}

bool same_list(const ClusterView& view, uint16_t a, uint16_t b) {
  return std::ranges::equal(view.preference_list(a), view.preference_list(b));
}

}  // namespace

void dyn_members_command(CommandContext& context) {
  const ClusterView& view = context.engine.cluster().view();
  ReplyWriter& reply = context.reply;
  reply.array(view.members().size());
  for (const ClusterView::Node& node : view.members()) {
    reply.map(11);
    write_text(reply, "id", object::node_id_text(node.id));
    write_text(reply, "ip", node.address.ip);
    write_number(reply, "port", node.address.port);
    write_number(reply, "bus-port", node.address.peer_port);
    write_text(reply, "zone", node.zone);
    write_text(reply, "host", node.host);
    write_text(reply, "status", member_status_text(node.status));
    write_text(reply, "liveness", text_of(node.liveness));
    write_number(reply, "weight", node.weight);
    write_number(reply, "epoch", node.epoch);
    write_number(reply, "myself", node.id == view.self_id() ? 1 : 0);
  }
}

void dyn_ring_command(CommandContext& context) {
  const ClusterView& view = context.engine.cluster().view();
  ReplyWriter& reply = context.reply;
  reply.map(6);
  write_number(reply, "version", view.version());
  write_text(reply, "digest", fmt::format("{:016x}", view.ring_digest()));
  write_number(reply, "n", view.quorum().replicas);
  write_number(reply, "r", view.quorum().read);
  write_number(reply, "w", view.quorum().write);
  reply.bulk("ranges");
  std::vector<uint16_t> begins;
  for (unsigned number = 0; number < object::kSlots; ++number) {
    const auto slot = static_cast<uint16_t>(number);
    if (begins.empty() || !same_list(view, begins.back(), slot)) begins.push_back(slot);
  }
  reply.array(begins.size());
  for (size_t i = 0; i < begins.size(); ++i) {
    const unsigned end = i + 1 < begins.size() ? begins[i + 1] : object::kSlots;
    reply.array(3);
    reply.integer(begins[i]);
    reply.integer(end - 1);
    write_ids(reply, view, begins[i]);
  }
}

void dyn_preflist_command(CommandContext& context) {
  const ClusterView& view = context.engine.cluster().view();
  const uint16_t slot = object::key_slot(context.args[1]);
  const auto coordinator = view.coordinator(slot);
  const auto list = view.preference_list(slot);
  ReplyWriter& reply = context.reply;
  reply.map(3);
  write_number(reply, "slot", slot);
  reply.bulk("coordinator");
  if (coordinator == ClusterView::kNobody) {
    reply.null();
  } else {
    reply.bulk(object::node_id_text(view.member(coordinator).id));
  }
  reply.bulk("nodes");
  reply.array(list.size());
  for (const auto place : list) {
    const ClusterView::Node& node = view.member(place);
    reply.array(4);
    reply.bulk(object::node_id_text(node.id));
    reply.bulk(node.address.ip);
    reply.integer(node.address.port);
    reply.bulk(text_of(node.liveness));
  }
}

// As options are checked before any takes effect, so both numbers are.
void dyn_quorum_command(CommandContext& context) {
  const Args args = context.args;
  coordinator::QuorumChoice& own = context.client->quorums;
  if (args.size() == 1) {
    const cluster::Quorum& configured = context.engine.cluster().view().configured();
    context.reply.map(2);
    write_number(context.reply, "R", own.read != 0 ? own.read : configured.read);
    write_number(context.reply, "W", own.write != 0 ? own.write : configured.write);
    return;
  }
  if (args.size() == 2 && same_name(args[1], "DEFAULT")) {
    own = {};
    return context.reply.ok();
  }
  const auto options = parse_dyn_options(args, 1, DynOptions::kRead | DynOptions::kWrite);
  if (!options) return context.reply.error(kSyntaxError);
  coordinator::QuorumChoice wanted;
  for (const auto& [argument, quorum] : {std::pair(options->read_argument, &wanted.read),
                                         std::pair(options->write_argument, &wanted.write)}) {
    if (argument == 0) continue;
    const auto number = quorum_argument(context, argument);
    if (!number) return;
    *quorum = *number;
  }
  own = own.with(wanted);
  context.reply.ok();
}

}  // namespace quorate::redis
