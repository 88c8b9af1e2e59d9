#include "server/settings_of.h"

#include <algorithm>
#include <array>

#include "quorate/runtime/connector.h"

#include "server/config_values.h"

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

constexpr int64_t kPortMax = 65535;
constexpr int64_t kPeerPortOffset = 10000;  // as in Redis Cluster

// The address of this machine that it listens on, if that is one and not all.
std::string bound_ip(const Config& config) {
  std::string found;
  for (std::string_view address : config.bind) {
    if (address.starts_with('-')) address.remove_prefix(1);
    if (address == "*" || address == "::*" || address == "0.0.0.0" || address == "::") return "";
    if (found.empty() && runtime::is_ip_address(std::string(address))) found = address;
  }
  return found;
}

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
  settings.siblings_max = config.siblings_max;
  settings.redirects = config.cluster_enabled;
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

std::optional<ClusterSeed> parse_seed(std::string_view text) {
  const size_t at = std::min(text.find('@'), text.size());
  const std::string_view address = text.substr(0, at);
  const size_t colon = address.rfind(':');
  if (colon == std::string_view::npos) return std::nullopt;
  std::string_view host = address.substr(0, colon);
  if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
  const auto port = parse_integer(address.substr(colon + 1), 1, kPortMax);
  if (host.empty() || !port) return std::nullopt;
  if (at == text.size()) {
    if (*port > kPortMax - kPeerPortOffset) return std::nullopt;
    return ClusterSeed{std::string(host), static_cast<uint16_t>(*port + kPeerPortOffset)};
  }
  const auto peer_port = parse_integer(text.substr(at + 1), 1, kPortMax);
  if (!peer_port) return std::nullopt;
  return ClusterSeed{std::string(host), static_cast<uint16_t>(*peer_port)};
}

uint16_t peer_port(const Config& config) {
  if (config.cluster_port != 0) return config.cluster_port;
  const bool fits = config.port != 0 && config.port <= kPortMax - kPeerPortOffset;
  return fits ? static_cast<uint16_t>(config.port + kPeerPortOffset) : 0;
}

ClusterControlSettings cluster_settings(const Config& config) {
  const auto or_else = [](uint16_t announced, uint16_t own) {
    return announced != 0 ? announced : own;
  };
  ClusterControlSettings settings;
  settings.address.ip =
      config.cluster_announce_ip.empty() ? bound_ip(config) : config.cluster_announce_ip;
  settings.address.port = or_else(config.cluster_announce_port, config.port);
  settings.address.peer_port = or_else(config.cluster_announce_bus_port, peer_port(config));
  settings.zone = config.zone;
  settings.weight = config.weight;
  settings.cluster_name = config.cluster_name;
  settings.secret = config.cluster_secret;
  settings.quorum = {config.replicas, config.read_quorum, config.write_quorum};
  settings.conflict_policies = cluster::ConflictPolicies(config.conflict_rules);
  for (const std::string& seed : config.cluster_seeds) {
    settings.seeds.push_back(*parse_seed(seed));
  }
  return settings;
}

cluster::PeerLinksSettings data_links_settings(const Config& config,
                                               const cluster::NodeIdentity& identity) {
  const cluster::NodeAddress address = cluster_settings(config).address;
  cluster::PeerLinksSettings settings;
  settings.secret = config.cluster_secret;
  settings.hello.cluster_name = config.cluster_name;
  settings.hello.node = identity.node;
  settings.hello.epoch = identity.epoch;
  settings.hello.ip = address.ip;
  settings.hello.client_port = address.port;
  settings.hello.peer_port = address.peer_port;
  return settings;
}

}  // namespace quorate::server
