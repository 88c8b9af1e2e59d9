// The sections of INFO about other nodes: Cluster, Quorum, Hints, Peers. Thread: any shard's.
#pragma once

#include "redis/info.h"
#include "redis/info_section.h"

namespace quorate::redis {

void write_cluster(const NodeFacts& facts, InfoSection& out);
void write_quorum(const NodeFacts& facts, InfoSection& out);
void write_hints(const NodeFacts& facts, InfoSection& out);
void write_peers(const NodeFacts& facts, InfoSection& out);

}  // namespace quorate::redis
