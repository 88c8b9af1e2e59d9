#include "server/settings_of.h"

#include <array>

namespace quorate::server {
namespace {

struct PolicyName {
  MaxmemoryPolicy policy;
  std::string_view name;
};

constexpr std::array<PolicyName, 8> kPolicies{{
    {MaxmemoryPolicy::volatile_lru, "volatile-lru"},
    {MaxmemoryPolicy::volatile_lfu, "volatile-lfu"},
    {MaxmemoryPolicy::volatile_random, "volatile-random"},
    {MaxmemoryPolicy::volatile_ttl, "volatile-ttl"},
    {MaxmemoryPolicy::allkeys_lru, "allkeys-lru"},
    {MaxmemoryPolicy::allkeys_lfu, "allkeys-lfu"},
    {MaxmemoryPolicy::allkeys_random, "allkeys-random"},
    {MaxmemoryPolicy::noeviction, "noeviction"},
}};

}  // namespace

std::string policy_name(const Config& config) {
  for (const PolicyName& of : kPolicies) {
    if (of.policy == config.maxmemory_policy) return std::string(of.name);
  }
  return "noeviction";
}

redis::EngineSettings engine_settings(const Config& config) {
  const auto& output = config.client_output_buffer_limits[static_cast<size_t>(ClientClass::normal)];
  redis::EngineSettings settings;
  settings.password = config.requirepass;
  settings.databases = config.databases;
  settings.idle_timeout_s = config.timeout_s;
  settings.query_buffer_bytes_max = config.client_query_buffer_limit_bytes;
  settings.bulk_bytes_max = static_cast<int64_t>(config.proto_max_bulk_len_bytes);
  settings.output_hard_bytes = output.hard_bytes;
  settings.output_soft_bytes = output.soft_bytes;
  settings.output_soft_s = output.soft_s;
  settings.debug_allowed = config.enable_debug_command == DebugCommand::yes;
  settings.debug_allowed_local = config.enable_debug_command == DebugCommand::local;
  return settings;
}

storage::StoreSettings store_settings(const Config& config, unsigned shards) {
  storage::StoreSettings settings;
  settings.memory_bytes_max = config.maxmemory_bytes / shards;
  settings.disk_bytes_max = config.max_disk_bytes;
  settings.eviction.policy = *storage::eviction_policy_of(policy_name(config));
  settings.eviction.samples = config.maxmemory_samples;
  settings.eviction.lfu_log_factor = config.lfu_log_factor;
  settings.eviction.lfu_decay_minutes = config.lfu_decay_time_min;
  settings.checkpoint_growth_percent = config.auto_aof_rewrite_percentage;
  settings.checkpoint_bytes_min = config.auto_aof_rewrite_min_size_bytes;
  return settings;
}

storage::SyncPolicy sync_policy(const Config& config) {
  switch (config.appendfsync) {
    case AppendFsync::always:
      return storage::SyncPolicy::always;
    case AppendFsync::no:
      return storage::SyncPolicy::no;
    case AppendFsync::everysec:
      break;
  }
  return storage::SyncPolicy::everysec;
}

}  // namespace quorate::server
