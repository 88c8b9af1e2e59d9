#include "cluster/gossip_cluster.h"

#include <algorithm>
#include <utility>

namespace quorate::cluster {

class GossipCluster::Transport final : public GossipTransport {
 public:
  Transport(GossipCluster& cluster, unsigned node) : cluster_(cluster), node_(node) {}
  void send(const object::NodeId& to, std::string message) override {
    cluster_.deliver(node_, to, std::move(message));
  }

 private:
  GossipCluster& cluster_;
  const unsigned node_;
};

class GossipCluster::Observer final : public GossipObserver {
 public:
  explicit Observer(Events& events) : events_(events) {}
  void members_changed() override {}
  void liveness_changed(const object::NodeId& /*member*/, Liveness liveness) override {
    events_.suspected += liveness == Liveness::suspected ? 1 : 0;
    events_.dead += liveness == Liveness::dead ? 1 : 0;
    events_.revived += liveness == Liveness::alive ? 1 : 0;
  }
  void removed() override { ++events_.removed; }

 private:
  Events& events_;
};

object::NodeId GossipCluster::id(unsigned node) {
  object::NodeId id{};
  id[0] = static_cast<uint8_t>(node * 37);
  id[1] = static_cast<uint8_t>(node);
  id[2] = static_cast<uint8_t>(node >> 8);
  return id;
}

GossipCluster::GossipCluster(unsigned nodes, bool together, uint64_t seed,
                             const GossipSettings& settings)
    : world_(seed), seed_(seed), settings_(settings), nodes_(nodes) {
  MemberList all;
  for (unsigned i = 0; i < nodes; ++i) {
    Member member;
    member.id = id(i);
    member.status = MemberStatus::normal;
    member.address = {"10.0.0." + std::to_string(i), 6379, 16379};
    member.tokens = {static_cast<TokenIndex>(i)};
    all.merge(member);
    nodes_[i].list.merge(member);
    numbers_[id(i)] = i;
  }
  for (unsigned i = 0; i < nodes; ++i) {
    if (together) nodes_[i].list = all;
    make(i);
  }
}

GossipCluster::~GossipCluster() {
  for (Node& node : nodes_) node.gossip.reset();
}

void GossipCluster::make(unsigned number) {
  Node& node = nodes_[number];
  ++node.lives;
  node.loop = world_.make_loop(number);
  node.random = runtime::make_seeded_random(seed_ * 1'000'003 + number * 101 + node.lives);
  node.transport = std::make_unique<Transport>(*this, number);
  node.observer = std::make_unique<Observer>(events_);
  node.gossip = Gossip::make({*node.loop, *node.random, *node.transport, *node.observer}, settings_,
                             node.list, id(number), node.lives << 32);
}

void GossipCluster::start(unsigned node) {
  nodes_[node].loop->post([gossip = nodes_[node].gossip.get()] { gossip->start(); });
}

void GossipCluster::start_all() {
  for (unsigned i = 0; i < nodes_.size(); ++i) start(i);
}

void GossipCluster::crash(unsigned number) {
  Node& node = nodes_[number];
  node.list = node.gossip->members();
  world_.crash(number);
  node.gossip.reset();
}

void GossipCluster::restart(unsigned node) {
  make(node);
  start(node);
}

void GossipCluster::stand_still(unsigned node, uint64_t for_us) {
  nodes_[node].loop->stand_still_until(world_.now_us() + for_us);
}

void GossipCluster::deliver(unsigned from, const object::NodeId& to, std::string message) {
  const auto at = numbers_.find(to);
  if (at == numbers_.end()) return;
  const unsigned number = at->second;
  Node& target = nodes_[number];
  const Node& source = nodes_[from];
  if (source.side != target.side || !target.gossip) return;
  runtime::Random& random = world_.random();
  if (random.below(100) < links_.lost_percent) return;
  const bool late = random.below(100) < links_.late_percent;
  const uint64_t delay_us = world_.draw(late ? links_.late : links_.delay) +
                            world_.draw(source.extra) + world_.draw(target.extra);
  world_.schedule(
      number, delay_us, [this, number, sender = id(from), message = std::move(message)]() mutable {
        Node& node = nodes_[number];
        node.loop->post([gossip = node.gossip.get(), sender, message = std::move(message)] {
          gossip->receive(sender, message);
        });
      });
}

void GossipCluster::change_weight(unsigned node, uint32_t weight) {
  Member own = *gossip(node).members().find(id(node));
  ++own.version;
  own.weight = weight;
  gossip(node).announce(own);
}

unsigned GossipCluster::seen_as(unsigned of, Liveness liveness) {
  unsigned count = 0;
  for (unsigned i = 0; i < nodes_.size(); ++i) {
    if (i != of && nodes_[i].gossip && nodes_[i].gossip->liveness(id(of)) == liveness) ++count;
  }
  return count;
}

unsigned GossipCluster::running() const {
  return static_cast<unsigned>(
      std::ranges::count_if(nodes_, [](const Node& node) { return node.gossip != nullptr; }));
}

bool GossipCluster::lists_equal() {
  const MemberList* first = nullptr;
  for (const Node& node : nodes_) {
    if (!node.gossip) continue;
    if (first == nullptr) first = &node.gossip->members();
    if (node.gossip->members().digest() != first->digest()) return false;
  }
  return true;
}

}  // namespace quorate::cluster
