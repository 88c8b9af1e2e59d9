// ClusterFacts: what a shard, or all shards of a node, can tell operators about working with other
// nodes. Thread: any one. Units: in the names.
#pragma once

#include <cstdint>
#include <vector>

#include "quorate/coordinator/latency_histogram.h"
#include "quorate/object/dot.h"

namespace quorate::coordinator {

struct ClusterFacts {
  // Another member. Bytes and lag: of changes made here that it has not acknowledged, those of the
  // oldest.
  struct Peer {
    object::NodeId id{};
    uint64_t unacknowledged_bytes = 0, lag_us = 0;
    bool healthy = true;
    bool behind = false;  // it missed changes, and has not caught up
  };

  uint64_t reads = 0, reads_failed = 0;               // keys that a quorum was asked about
  uint64_t reads_hedged = 0;                          // keys that one replica more was asked about
  uint64_t repaired_here = 0, repaired_there = 0;     // keys, by such reads
  LatencyHistogram read_latency, write_latency;       // until R, until W have it
  uint64_t uncertain_writes = 0;                      // turns with changes that W did not confirm
  uint64_t coordinated_slots = 0, settled_slots = 0;  // the latter among the former
  uint64_t slots_to_take = 0, slots_taken = 0;        // while the node joins
  uint64_t changes_sent = 0, changes_applied = 0;     // to and from other nodes
  std::vector<Peer> peers;

  // Adds another shard's.
  void add(const ClusterFacts& other);
};

}  // namespace quorate::coordinator
