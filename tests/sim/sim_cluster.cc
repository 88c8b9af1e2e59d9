#include "sim/sim_cluster.h"

#include <algorithm>
#include <gtest/gtest.h>
#include <utility>

#include "quorate/cluster/token_choice.h"

namespace quorate::sim {
namespace {

constexpr NodeId kFirstNode = 1;
constexpr NodeId kOracle = 1000;  // who tells the nodes of each other
constexpr uint64_t kFollowUs = 50'000;

}  // namespace

SimCluster::SimCluster(uint64_t seed, unsigned nodes, cluster::Quorum quorum,
                       SimLink::Options links, unsigned spare)
    : world_(seed),
      network_(world_, links),
      quorum_(quorum),
      parted_(nodes + spare, std::vector<bool>(nodes + spare)),
      views_(nodes + spare),
      wires_(nodes + spare),
      founders_(nodes) {
  for (unsigned i = 0; i < nodes + spare; ++i) {
    nodes_.push_back(std::make_unique<SimNode>(world_, seed * 100 + i, kFirstNode + i));
    nodes_.back()->plug_into(network_);
  }
}

SimCluster::~SimCluster() = default;

void SimCluster::start() {
  for (unsigned i = 0; i < founders_; ++i) start(i);
  world_.run_for(kDetectionUs);
}

void SimCluster::start(unsigned i) {
  const auto started = nodes_[i]->start(options_, [](unsigned, size_t) {});
  ASSERT_TRUE(started) << started.error().message;
  wires_[i] = connect(i);
  const auto& identity = nodes_[i]->identity();
  const cluster::Member* const known = members_.find(identity.node);
  cluster::Member member;
  if (known != nullptr) member = *known;
  member.id = identity.node;
  member.version = known != nullptr ? known->version + 1 : 1;
  member.epoch = identity.epoch;
  const bool joins = formed_ && known == nullptr && ids_.size() >= quorum_.replicas;
  if (known == nullptr) {
    member.status = joins ? cluster::MemberStatus::joining : cluster::MemberStatus::normal;
  }
  member.address = {SimNetwork::ip(nodes_[i]->number()), 6379, SimNode::kPeerPort};
  if (known == nullptr) {
    if (i < weights_.size()) member.weight = weights_[i];
    member.tokens = cluster::choose_tokens(members_.on_ring(cluster::RingView::after),
                                           member.on_ring(), quorum_.replicas);
    ids_.push_back(member.id);
  }
  members_.merge(member);
  const bool complete = ids_.size() >= founders_;
  if (!std::exchange(formed_, complete) && formed_) {
    for (const auto& setting : cluster::quorum_settings(quorum_, ids_[0])) members_.merge(setting);
    members_.merge(cluster::ConflictPolicies(rules_).setting(ids_[0]));
  }
  if (!formed_) return;
  publish(i);  // its own comes first
  publish_later();
}

void SimCluster::change(unsigned i, const std::function<void(cluster::Member&)>& how) {
  cluster::Member member = *members_.find(ids_[i]);
  ++member.version;
  how(member);
  members_.merge(member);
}

void SimCluster::join(unsigned i) {
  ASSERT_EQ(i, ids_.size()) << "in the order of their numbers";
  start(i);
  for (unsigned other = 0; other <= i; ++other) {
    change(other, [&](cluster::Member& member) { member.admitted = ids_[i]; });
  }
  publish_later();
  follow_join(i);
}

bool SimCluster::joined(unsigned i) const {
  return i < ids_.size() && members_.find(ids_[i])->status == cluster::MemberStatus::normal;
}

void SimCluster::follow_join(unsigned i) {
  if (joined(i)) return;
  world_.schedule(kOracle, kFollowUs, [this, i] {
    follow_join(i);
    if (!nodes_[i]->running() || views_[i] == nullptr) return;
    const auto stage = members_.find(ids_[i])->status;
    const auto& seen = *views_[i];
    if (seen.newcomer() != seen.self() || seen.member(seen.self()).status != stage) return;
    for (auto& shard : nodes_[i]->shards()) {
      const auto& transfer = shard.cluster->transfer();
      if (transfer.ring_digest() != seen.ring_digest() ||
          transfer.progress().stage != coordinator::SlotTransfer::Stage::done) {
        return;
      }
    }
    change(i, [&](cluster::Member& member) {
      member.status = stage == cluster::MemberStatus::joining ? cluster::MemberStatus::handover
                                                              : cluster::MemberStatus::normal;
    });
    publish(i);
    publish_later();
  });
}

void SimCluster::crash(unsigned i) {
  nodes_[i]->crash_process();
  publish_later();
}

void SimCluster::part(const std::vector<unsigned>& one, const std::vector<unsigned>& other) {
  for (const unsigned a : one) {
    for (const unsigned b : other) {
      parted_[a][b] = parted_[b][a] = true;
      network_.part({nodes_[a]->number()}, {nodes_[b]->number()});
    }
  }
  publish_later();
}

void SimCluster::heal() {
  for (auto& row : parted_) row.assign(row.size(), false);
  network_.heal();
  publish_later();
}

bool SimCluster::reaches(unsigned from, unsigned to) const {
  return nodes_[to]->running() && !parted_[from][to];
}

void SimCluster::publish(unsigned i) {
  if (!nodes_[i]->running()) return;
  const auto liveness = [this, i](const object::NodeId& id) {
    const auto at = static_cast<unsigned>(std::ranges::find(ids_, id) - ids_.begin());
    return reaches(i, at) ? cluster::Liveness::alive : cluster::Liveness::dead;
  };
  views_[i] = cluster::ClusterView::make({members_, ids_[i], liveness}, views_[i].get());
  nodes_[i]->set_view(views_[i]);
}

// Each node at a time of its own.
void SimCluster::publish_later() {
  for (unsigned i = 0; i < size(); ++i) {
    world_.schedule(kOracle, world_.draw({kDetectionUs / 2, kDetectionUs}),
                    [this, i] { publish(i); });
  }
}

std::string SimCluster::run(unsigned i, const redis::Words& words) {
  redis::Wire& wire = *wires_[i];
  wire.to_client.clear();
  SimNode::send(wire, redis::encode_request(words));
  world_.run_until([&] { return redis::reply_bytes(wire.to_client) != 0; },
                   world_.now_us() + kPatienceUs);
  return wire.to_client;
}

unsigned SimCluster::coordinator_of(unsigned i, std::string_view key) {
  const auto& view = *views_[i];
  const object::NodeId& id = view.member(view.coordinator(slot_of(key))).id;
  return static_cast<unsigned>(std::ranges::find(ids_, id) - ids_.begin());
}

}  // namespace quorate::sim
