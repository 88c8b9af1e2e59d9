// What the rooms below take from the configuration. Pure functions.
#pragma once

#include "quorate/redis/shard_engine.h"
#include "quorate/server/config.h"
#include "quorate/storage/journal.h"
#include "quorate/storage/shard_store.h"

namespace quorate::server {

redis::EngineSettings engine_settings(const Config& config);
// Sizes are divided among the shards.
storage::StoreSettings store_settings(const Config& config, unsigned shards);
storage::SyncPolicy sync_policy(const Config& config);
std::string policy_name(const Config& config);

}  // namespace quorate::server
