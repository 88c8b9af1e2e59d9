// INFO: what the node tells operators and their tools of itself.
//
// Every shard gives its part (shard_facts(), on its own thread); their sum and what the process
// knows are written as sections in Redis 7.2's names and order, with Quorate's own fields beside
// Redis's. A field that has no meaning here has the value that says so in Redis (0, no, -1); none
// is made up. Thread: any shard's. Units: in the fields' names; as Redis's where the field is
// Redis's. Source: Redis 7.2 genRedisInfoString.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "quorate/coordinator/cluster_facts.h"
#include "quorate/redis/command_table.h"
#include "quorate/redis/server_control.h"
#include "quorate/redis/shard_engine.h"

#include "redis/key_counts.h"

namespace quorate::redis {

// A shard's part, and the sum of all.
struct ShardFacts {
  EngineStatistics engine;
  storage::StoreStatistics store;  // of the sum: checkpoints are those that every shard completed
  coordinator::ClusterFacts cluster;
  std::vector<KeyCounts> databases;
  uint64_t last_save_ms = 0;
  uint64_t changed_keys = 0, dirty_bytes = 0, cold_keys = 0, table_bytes = 0;
  uint64_t siblings_seen = 0;
  uint64_t journal_bytes = 0, journal_segments = 0, journal_memory_bytes = 0, journal_syncs = 0;
  uint64_t journal_sync_lag_ms = 0;  // age of the oldest change that is not synced, at most
  uint64_t input_bytes_max = 0, output_bytes_max = 0, client_bytes = 0;  // of the clients' buffers
  bool checkpoint_running = false, checkpoint_failing = false;
  bool writes_refused = false;

  // Adds another shard's.
  void add(const ShardFacts& other);
};

ShardFacts shard_facts(ShardEngine& engine);

// When everything of before was last in a checkpoint; the start of the server counts as one.
uint64_t last_save_ms(ShardEngine& engine);

// Everything a section may speak of.
struct NodeFacts {
  const ServerFacts& server;
  MemoryFacts memory;
  CpuFacts cpu;
  ConnectionFacts connections;
  ShardFacts shards;
  const CommandTable& commands;
  uint64_t now_ms = 0;
  bool is_cluster = false;
};

// Whether these names ask for the section about the databases' keys.
bool asks_for_keyspace(std::span<const std::string> names);
// The sections of these names (as INFO's arguments; none: the default ones) that exist.
std::string info_text(const NodeFacts& facts, std::span<const std::string> names);

}  // namespace quorate::redis
