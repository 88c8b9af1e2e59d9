// LivenessTable: what this node believes of each member's liveness, and which rumor changes it.
//
// The order of beliefs (SWIM section 4.2): a higher incarnation overrides all below it; of equal
// ones dead overrides suspected overrides alive. Only the member itself raises its incarnation.
// Thread: the control thread's.
#pragma once

#include <boost/unordered/unordered_flat_map.hpp>
#include <cstdint>
#include <vector>

#include "quorate/cluster/node_id.h"

#include "cluster/gossip_message.h"

namespace quorate::cluster {

class LivenessTable {
 public:
  struct Belief {
    Liveness liveness = Liveness::alive;
    uint64_t incarnation = 0;
    std::vector<object::NodeId> accusers;  // while suspected: who said so, each once
  };
  using Beliefs = boost::unordered_flat_map<object::NodeId, Belief, NodeIdHash>;
  enum class Outcome : uint8_t {
    known,      // nothing new
    confirmed,  // one more accuser of a suspicion that stands
    changed,    // of liveness or incarnation
  };

  // Begins with alive at incarnation 0.
  void watch(const object::NodeId& member) { beliefs_.try_emplace(member); }
  void forget(const object::NodeId& member) { beliefs_.erase(member); }
  bool watches(const object::NodeId& member) const { return beliefs_.contains(member); }
  // What is said of a member that is not watched is nothing new.
  Outcome apply(const LivenessRumor& rumor);
  // Alive at incarnation 0 for who is not watched.
  const Belief& belief(const object::NodeId& member) const;
  const Beliefs& beliefs() const { return beliefs_; }

 private:
  Beliefs beliefs_;
};

// How long a suspicion lasts that `accusers` members share, of whom the first does not count
// (Lifeguard, section IV.B).
struct SuspicionTimes {
  uint64_t min_us = 0, max_us = 0;
  unsigned accusers_wanted = 1;  // beside the first, to come down to min_us

  uint64_t duration_us(size_t accusers) const;
};

}  // namespace quorate::cluster
