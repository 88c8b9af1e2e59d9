// The sections of INFO about other nodes.
#include "redis/info_cluster.h"

#include <algorithm>
#include <fmt/format.h>

#include "redis/info_section.h"

namespace quorate::redis {
namespace {

// As Redis writes the fields of its section Latencystats.
std::string percentiles(const coordinator::LatencyHistogram& of) {
  return fmt::format("p50={},p99={},p99.9={}", of.percentile_us(0.5), of.percentile_us(0.99),
                     of.percentile_us(0.999));
}

}  // namespace

void write_cluster(const NodeFacts& facts, InfoSection& out) {
  out.field("cluster_enabled", facts.is_cluster ? 1 : 0);
}

void write_quorum(const NodeFacts& facts, InfoSection& out) {
  const coordinator::ClusterFacts& cluster = facts.shards.cluster;
  out.field("coordinated_slots", cluster.coordinated_slots);
  out.field("settled_slots", cluster.settled_slots);
  out.field("joining_slots", cluster.slots_to_take);
  out.field("joining_slots_taken", cluster.slots_taken);
  out.field("changes_sent", cluster.changes_sent);
  out.field("changes_applied", cluster.changes_applied);
  out.field("quorum_reads", cluster.reads);
  out.field("quorum_reads_failed", cluster.reads_failed);
  out.field("quorum_reads_hedged", cluster.reads_hedged);
  out.field("quorum_reads_repaired_here", cluster.repaired_here);
  out.field("quorum_reads_repaired_there", cluster.repaired_there);
  out.field("quorum_writes_uncertain", cluster.uncertain_writes);
  out.field("latency_percentiles_usec_quorum_read", percentiles(cluster.read_latency));
  out.field("latency_percentiles_usec_quorum_write", percentiles(cluster.write_latency));
}

// What is kept for members that cannot be reached, until they can; in memory.
void write_hints(const NodeFacts& facts, InfoSection& out) {
  uint64_t targets = 0, bytes = 0, oldest_us = 0, dropped = 0;
  for (const auto& peer : facts.shards.cluster.peers) {
    if (peer.behind) ++dropped;
    if (peer.healthy || peer.unacknowledged_bytes == 0) continue;
    ++targets;
    bytes += peer.unacknowledged_bytes;
    oldest_us = std::max(oldest_us, peer.lag_us);
  }
  out.field("hints_targets", targets);
  out.field("hints_bytes", bytes);
  out.field("hints_oldest_ms", oldest_us / 1000);
  out.field("hints_dropped_targets", dropped);
}

void write_peers(const NodeFacts& facts, InfoSection& out) {
  for (const auto& peer : facts.shards.cluster.peers) {
    out.field(
        "peer_" + object::node_id_text(peer.id),
        fmt::format("healthy={},behind={},unacknowledged_bytes={},lag_ms={}", peer.healthy ? 1 : 0,
                    peer.behind ? 1 : 0, peer.unacknowledged_bytes, peer.lag_us / 1000));
  }
}

}  // namespace quorate::redis
