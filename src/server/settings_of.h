// What the rooms below take from the configuration. Pure functions.
#pragma once

#include <optional>
#include <string_view>

#include "quorate/cluster/node_identity.h"
#include "quorate/cluster/peer_links.h"
#include "quorate/redis/shard_engine.h"
#include "quorate/server/cluster_control.h"
#include "quorate/server/config.h"
#include "quorate/storage/journal.h"
#include "quorate/storage/shard_store.h"

namespace quorate::server {

redis::EngineSettings engine_settings(const Config& config);
// Sizes are divided among the shards.
storage::StoreSettings store_settings(const Config& config, unsigned shards);
storage::SyncPolicy sync_policy(const Config& config);
std::string policy_name(const Config& config);

// Of "host:port" or "host:port@bus-port", port being that of clients. Nothing if it is not one.
std::optional<ClusterSeed> parse_seed(std::string_view text);
// The port on which this node listens for others; 0: none.
uint16_t peer_port(const Config& config);
// Without what only the node itself knows.
ClusterControlSettings cluster_settings(const Config& config);
// Of the shards' links to other nodes; lane and index are the shard's.
cluster::PeerLinksSettings data_links_settings(const Config& config,
                                               const cluster::NodeIdentity& identity);

}  // namespace quorate::server
