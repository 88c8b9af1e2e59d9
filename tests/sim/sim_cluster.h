// SimCluster: several simulated nodes that are one cluster, for tests that say what happens.
//
// Members are equal in weight unless a test says so; spare ones join when a test says so, through
// all stages, unless there are fewer members than copies of a key: then a start makes them members.
// What each node believes of the others' liveness follows from who is up and who can reach whom, up
// to `kDetectionUs` later. Clients connect to any node. Thread: the simulator's one.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "quorate/cluster/cluster_view.h"
#include "quorate/cluster/member_list.h"

#include "redis/command_harness.h"
#include "redis/reply_text.h"
#include "sim/sim_network.h"
#include "sim/sim_node.h"

namespace quorate::sim {

inline std::string key_of(int i) { return "key-" + std::to_string(i); }

class SimCluster {
 public:
  static constexpr uint64_t kDetectionUs = 700'000;

  SimCluster(uint64_t seed, unsigned nodes, cluster::Quorum quorum = {},
             SimLink::Options links = {}, unsigned spare = 0);
  ~SimCluster();
  SimCluster(const SimCluster&) = delete;
  SimCluster& operator=(const SimCluster&) = delete;

  SimWorld& world() { return world_; }
  SimNode& node(unsigned i) { return *nodes_[i]; }
  unsigned size() const { return static_cast<unsigned>(nodes_.size()); }
  SimNode::Options& options() { return options_; }
  // Before start().
  void set_conflict_rules(std::vector<cluster::ConflictRule> rules) { rules_ = std::move(rules); }

  // By node; those without one are of equal weight. Before start().
  void set_weights(std::vector<uint32_t> weights) { weights_ = std::move(weights); }

  // All nodes but spare ones, or one that crashed.
  void start();
  void start(unsigned i);
  void crash(unsigned i);
  // Starts a spare node, which joins: goes from stage to stage as soon as its shards are done. One
  // after the other.
  void join(unsigned i);
  bool joined(unsigned i) const;
  // Nodes of one side do not reach those of the other.
  void part(const std::vector<unsigned>& one, const std::vector<unsigned>& other);
  void heal();
  // Between the node and the others, from now on.
  void set_delay(unsigned i, Delay delay) { network_.set_delay(nodes_[i]->number(), delay); }

  // The reply that a client of the node gets on a connection of its own.
  std::string run(unsigned i, const redis::Words& words);
  std::shared_ptr<redis::Wire> connect(unsigned i) { return nodes_[i]->connect(0); }

  // Where the node believes that the key's slot is coordinated.
  unsigned coordinator_of(unsigned i, std::string_view key);
  uint16_t slot_of(std::string_view key) { return object::key_slot(key); }

 private:
  void follow_join(unsigned i);
  void change(unsigned i, const std::function<void(cluster::Member&)>& how);
  bool reaches(unsigned from, unsigned to) const;
  void publish(unsigned i);  // the node's view, as things are
  void publish_later();

  SimWorld world_;
  SimNetwork network_;
  SimNode::Options options_;
  cluster::Quorum quorum_;
  std::vector<cluster::ConflictRule> rules_;
  std::vector<uint32_t> weights_;
  std::vector<std::unique_ptr<SimNode>> nodes_;
  std::vector<object::NodeId> ids_;
  cluster::MemberList members_;
  std::vector<std::vector<bool>> parted_;  // from, to
  std::vector<std::shared_ptr<const cluster::ClusterView>> views_;
  std::vector<std::shared_ptr<redis::Wire>> wires_;
  const unsigned founders_;
  bool formed_ = false;
};

}  // namespace quorate::sim
