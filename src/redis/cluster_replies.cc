#include "quorate/redis/cluster_replies.h"

#include <fmt/format.h>
#include <iterator>
#include <utility>
#include <vector>

#include "quorate/redis/reply_writer.h"

#include "redis/slot_ranges.h"

namespace quorate::redis {
namespace {

using cluster::ClusterView;
using cluster::Liveness;
using Place = ClusterView::Place;

std::string_view ip_of(const ClusterView& view, Place place, const std::string& own_ip) {
  const std::string& known = view.member(place).address.ip;
  return known.empty() && place == view.self() ? own_ip : known;
}

void write_slots(ReplyWriter& reply, const ClusterView& view, const std::string& own_ip) {
  const auto ranges = slot_ranges(view, Listed::reachable);
  reply.array(ranges.size());
  for (const SlotRange& range : ranges) {
    reply.array(2 + range.members.size());
    reply.integer(range.first);
    reply.integer(range.last);
    for (const Place place : range.members) {
      reply.array(4);
      reply.bulk(ip_of(view, place, own_ip));
      reply.integer(view.member(place).address.port);
      reply.bulk(object::node_id_text(view.member(place).id));
      reply.map(0);  // no other names of the node
    }
  }
}

void write_shard_node(ReplyWriter& reply, const ClusterView& view, Place place, bool first,
                      const std::string& own_ip) {
  const ClusterView::Node& node = view.member(place);
  const std::string_view ip = ip_of(view, place, own_ip);
  reply.map(7);
  reply.bulk("id");
  reply.bulk(object::node_id_text(node.id));
  reply.bulk("port");
  reply.integer(node.address.port);
  reply.bulk("ip");
  reply.bulk(ip);
  reply.bulk("endpoint");
  reply.bulk(ip);
  reply.bulk("role");
  reply.bulk(first ? "master" : "replica");
  reply.bulk("replication-offset");
  reply.integer(0);
  reply.bulk("health");
  reply.bulk(node.liveness == Liveness::dead ? "fail" : "online");
}

// A shard is what has the same members in the same order.
void write_shards(ReplyWriter& reply, const ClusterView& view, const std::string& own_ip) {
  std::map<Places, std::vector<SlotRange>> shards;
  for (SlotRange& range : slot_ranges(view, Listed::everyone)) {
    shards[range.members].push_back(std::move(range));
  }
  reply.array(shards.size());
  for (const auto& [members, ranges] : shards) {
    reply.map(2);
    reply.bulk("slots");
    reply.array(ranges.size() * 2);
    for (const SlotRange& range : ranges) {
      reply.integer(range.first);
      reply.integer(range.last);
    }
    reply.bulk("nodes");
    reply.array(members.size());
    for (const Place place : members) {
      write_shard_node(reply, view, place, place == members.front(), own_ip);
    }
  }
}

// What a node is first for. Redis lists slots of masters only, and who cannot be reached has none
// here.
std::string slots_text(const ClusterView& view, Place place) {
  std::string text;
  for (unsigned slot = 0; slot < object::kSlots; ++slot) {
    if (view.coordinator(static_cast<uint16_t>(slot)) != place) continue;
    const unsigned first = slot;
    while (slot + 1 < object::kSlots &&
           view.coordinator(static_cast<uint16_t>(slot + 1)) == place) {
      ++slot;
    }
    text += first == slot ? fmt::format(" {}", first) : fmt::format(" {}-{}", first, slot);
  }
  return text;
}

std::string_view failure_flag(Liveness liveness) {
  if (liveness == Liveness::alive) return "";
  return liveness == Liveness::dead ? ",fail" : ",fail?";
}

std::string nodes_text(const ClusterView& view, const std::string& own_ip) {
  std::string text;
  for (Place place = 0; place < view.members().size(); ++place) {
    const ClusterView::Node& node = view.member(place);
    cluster::NodeAddress address = node.address;
    address.ip = ip_of(view, place, own_ip);
    fmt::format_to(std::back_inserter(text), "{} {} {}master{} - 0 0 {} {}{}\n",
                   object::node_id_text(node.id), node_address_text(address),
                   place == view.self() ? "myself," : "", failure_flag(node.liveness), node.epoch,
                   node.healthy() ? "connected" : "disconnected", slots_text(view, place));
  }
  return text;
}

}  // namespace

ClusterReplies::Text ClusterReplies::slots(int protocol, std::string_view own_ip) const {
  return made(Kind::slots, protocol, own_ip);
}

ClusterReplies::Text ClusterReplies::shards(int protocol, std::string_view own_ip) const {
  return made(Kind::shards, protocol, own_ip);
}

ClusterReplies::Text ClusterReplies::nodes(int protocol, std::string_view own_ip) const {
  return made(Kind::nodes, protocol, own_ip);
}

ClusterReplies::Text ClusterReplies::made(Kind kind, int protocol, std::string_view own_ip) const {
  const Place self = view_->self();
  const bool asked = self != ClusterView::kNobody && view_->member(self).address.ip.empty();
  const std::string ip(asked ? own_ip : std::string_view());
  const std::scoped_lock lock(mutex_);
  Text& text = texts_[{kind, protocol >= 3, ip}];
  if (text) return text;
  OutputBuffer buffer;
  ReplyWriter reply(buffer, protocol);
  switch (kind) {
    case Kind::slots:
      write_slots(reply, *view_, ip);
      break;
    case Kind::shards:
      write_shards(reply, *view_, ip);
      break;
    case Kind::nodes:
      reply.verbatim("txt", nodes_text(*view_, ip));
      break;
  }
  text = std::make_shared<const std::string>(buffer.view());
  return text;
}

}  // namespace quorate::redis
