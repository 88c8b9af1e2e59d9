// SettledSlots: the slots of which this node, coordinating them, holds what enough replicas hold,
// so that a command need not ask them before it changes a key (DESIGN 8).
//
// A slot is unsettled by whatever may mean that another node coordinated it meanwhile: this node's
// start, a change of members, a replica that this node stops or begins to see as healthy, one that
// says the same of this node, a new connection with one. It is then brought up to every other
// healthy replica, R - 1 at least (ShardCluster::settle), and is settled if nothing has unsettled
// it again in the meantime. Until then the commands on its keys read from a quorum first, as
// anybody else would; so this decides about speed alone, as long as the cluster is healthy.
//
// Who stops or begins to see another node as healthy tells it so. Where it has coordinated in the
// other's place, the other hears that before the first request that comes back to it.
// Thread: the shard's.
#pragma once

#include <bitset>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <vector>

#include "quorate/cluster/cluster_view.h"
#include "quorate/object/key.h"
#include "quorate/runtime/error.h"
#include "quorate/runtime/loop.h"
#include "quorate/runtime/mutants.h"

namespace quorate::coordinator {

class SettledSlots {
 public:
  using Done = std::move_only_function<void(runtime::Status)>;
  struct Parts {
    runtime::Loop& loop;
    // Brings a slot up to its other replicas, as many as a settled one needs.
    std::function<void(uint16_t slot, Done done)> settle;
    // Tells a node that this one has changed its mind about its health.
    std::function<void(const object::NodeId& node)> tell;
  };
  struct Statistics {
    uint64_t settled = 0;  // slots, each time
    uint64_t unsettled = 0;
    uint64_t failed = 0;  // attempts
  };

  // Of one shard of `shards`. REQUIRES: the loop outlives it; nothing that settle() was given is
  // called afterwards.
  SettledSlots(Parts parts, unsigned shard, unsigned shards);

  // After what settle() and tell() use has it.
  void set_view(std::shared_ptr<const cluster::ClusterView> view);
  // The other node may have coordinated what both hold.
  void doubt(const object::NodeId& node);

  bool settled(uint16_t slot) const {
    return settled_[slot] || runtime::mutant(runtime::Mutant::blind_coordinator);
  }
  size_t count() const { return settled_.count(); }
  const Statistics& statistics() const { return statistics_; }

 private:
  static constexpr unsigned kAtATimeMax = 1024;
  static constexpr uint64_t kRetryUs = 200'000;

  void unsettle(uint16_t slot);
  void start();
  void ended(uint16_t slot, uint32_t generation, const runtime::Status& status);
  void retry_later(uint16_t slot);

  Parts parts_;
  const unsigned shard_, shards_;
  std::shared_ptr<const cluster::ClusterView> view_;
  std::bitset<object::kSlots> settled_;
  std::bitset<object::kSlots> queued_;  // in queue_ or failed_
  std::vector<uint32_t> generation_;    // counts how often a slot was unsettled
  std::deque<uint16_t> queue_;
  std::vector<uint16_t> failed_;
  unsigned under_way_ = 0;
  bool starting_ = false;
  std::unique_ptr<runtime::Timer> retry_;
  Statistics statistics_;
};

}  // namespace quorate::coordinator
