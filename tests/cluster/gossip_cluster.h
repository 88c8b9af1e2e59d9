// GossipCluster: many nodes that gossip with each other on virtual time.
//
// Messages travel independently: each is delayed by a draw, lost or delayed by seconds with some
// probability, and does not pass between the sides of a partition. Nodes can be slow (whatever they
// send or receive takes longer), stand still, crash and come back. Thread: one.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "quorate/cluster/gossip.h"

#include "sim/sim_loop.h"

namespace quorate::cluster {

class GossipCluster {
 public:
  struct Links {
    sim::Delay delay{200, 2'000};
    unsigned lost_percent = 0;
    unsigned late_percent = 0;
    sim::Delay late{1'000'000, 4'000'000};
  };

  // `together`: all know each other from the beginning.
  GossipCluster(unsigned nodes, bool together, uint64_t seed, const GossipSettings& settings = {});
  ~GossipCluster();

  void start(unsigned node);
  void start_all();
  void crash(unsigned node);
  // With the list it had, and a new incarnation.
  void restart(unsigned node);
  void stand_still(unsigned node, uint64_t for_us);
  void set_slow(unsigned node, sim::Delay extra) { nodes_[node].extra = extra; }
  // Nodes of different sides do not hear each other; everyone begins on side 0.
  void set_side(unsigned node, unsigned side) { nodes_[node].side = side; }
  Links& links() { return links_; }

  sim::SimWorld& world() { return world_; }
  size_t size() const { return nodes_.size(); }
  Gossip& gossip(unsigned node) { return *nodes_[node].gossip; }
  static object::NodeId id(unsigned node);
  // Raises the version of the node's own record, gives it this weight and announces it.
  void change_weight(unsigned node, uint32_t weight);

  // How many running nodes but `of` itself hold `of` for that.
  unsigned seen_as(unsigned of, Liveness liveness);
  unsigned running() const;
  bool lists_equal();
  struct Events {
    uint64_t suspected = 0, dead = 0, revived = 0, removed = 0;
  };
  const Events& events() const { return events_; }

 private:
  class Transport;
  class Observer;
  struct Node {
    std::unique_ptr<sim::SimLoop> loop;
    std::unique_ptr<runtime::Random> random;
    std::unique_ptr<Transport> transport;
    std::unique_ptr<Observer> observer;
    std::unique_ptr<Gossip> gossip;
    MemberList list;  // while it is down
    uint64_t lives = 0;
    sim::Delay extra;
    unsigned side = 0;
  };

  void make(unsigned node);
  void deliver(unsigned from, const object::NodeId& to, std::string message);

  sim::SimWorld world_;
  const uint64_t seed_;
  const GossipSettings settings_;
  Links links_;
  std::vector<Node> nodes_;
  std::map<object::NodeId, unsigned> numbers_;
  Events events_;
};

}  // namespace quorate::cluster
