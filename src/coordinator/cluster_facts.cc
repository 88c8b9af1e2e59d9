#include "quorate/coordinator/cluster_facts.h"

#include <algorithm>

namespace quorate::coordinator {

void ClusterFacts::add(const ClusterFacts& other) {
  reads += other.reads;
  reads_failed += other.reads_failed;
  reads_hedged += other.reads_hedged;
  repaired_here += other.repaired_here;
  repaired_there += other.repaired_there;
  read_latency.add(other.read_latency);
  write_latency.add(other.write_latency);
  uncertain_writes += other.uncertain_writes;
  coordinated_slots += other.coordinated_slots;
  settled_slots += other.settled_slots;
  slots_to_take += other.slots_to_take;
  slots_taken += other.slots_taken;
  changes_sent += other.changes_sent;
  changes_applied += other.changes_applied;
  for (const Peer& peer : other.peers) {
    const auto at = std::ranges::find(peers, peer.id, &Peer::id);
    if (at == peers.end()) {
      peers.push_back(peer);
      continue;
    }
    at->unacknowledged_bytes += peer.unacknowledged_bytes;
    at->lag_us = std::max(at->lag_us, peer.lag_us);
    at->healthy = at->healthy && peer.healthy;
    at->behind = at->behind || peer.behind;
  }
}

}  // namespace quorate::coordinator
