// The directives of the cluster.
#include <array>
#include <fmt/format.h>

#include "quorate/cluster/member.h"
#include "quorate/cluster/peer_handshake.h"
#include "quorate/cluster/ring.h"
#include "quorate/runtime/connector.h"

#include "server/config_types.h"
#include "server/settings_of.h"

namespace quorate::server {
namespace {

constexpr int64_t kPortMax = 65535;
constexpr int64_t kSiblingsMax = 4096;
constexpr std::array<std::string_view, 2> kConflictPolicies{"siblings", "lww"};

runtime::Status set_announce_ip(Config& config, Words words) {
  const std::string ip(words[0]);
  if (!ip.empty() && !runtime::is_ip_address(ip)) {
    return runtime::fail("argument must be an IPv4 or IPv6 address");
  }
  config.cluster_announce_ip = ip;
  return {};
}

runtime::Status set_seeds(Config& config, Words words) {
  if (words.empty()) config.cluster_seeds.clear();
  for (const std::string_view word : words) {
    if (!parse_seed(word)) {
      return runtime::fail("argument(s) must be host:port or host:port@bus-port");
    }
    config.cluster_seeds.emplace_back(word);
  }
  return {};
}

std::string get_seeds(const Config& config) {
  return join(
      std::vector<std::string_view>(config.cluster_seeds.begin(), config.cluster_seeds.end()), " ");
}

// A * behind the prefix stands for what follows it; alone it is the prefix of all keys.
runtime::Status set_conflict_rules(Config& config, Words words) {
  if (words.empty()) config.conflict_rules.clear();
  if (words.size() % 2 != 0) return runtime::fail("arguments must be pairs of prefix and policy");
  for (size_t i = 0; i < words.size(); i += 2) {
    const auto policy = parse_choice(words[i + 1], kConflictPolicies);
    if (!policy) return runtime::fail("argument(s) must be one of the following: siblings, lww");
    std::string_view prefix = words[i];
    if (prefix.ends_with('*')) prefix.remove_suffix(1);
    if (prefix.size() > cluster::ConflictRule::kPrefixBytesMax) {
      return runtime::fail(fmt::format("a prefix must be at most {} bytes long",
                                       cluster::ConflictRule::kPrefixBytesMax));
    }
    config.conflict_rules.push_back(
        {std::string(prefix), static_cast<cluster::ConflictPolicy>(*policy)});
  }
  if (config.conflict_rules.size() <= cluster::ConflictRule::kRulesMax) return {};
  return runtime::fail(
      fmt::format("there may be at most {} of them", cluster::ConflictRule::kRulesMax));
}

std::string get_conflict_rules(const Config& config) {
  std::string result;
  for (const cluster::ConflictRule& rule : config.conflict_rules) {
    if (!result.empty()) result += ' ';
    result += rule.prefix;
    if (rule.prefix.empty() || rule.prefix.ends_with('*')) result += '*';
    result += ' ';
    result += kConflictPolicies[static_cast<size_t>(rule.policy)];
  }
  return result;
}

// Text of a limited length, which others are sent.
Directive name(std::string_view of, std::string Config::* field, size_t bytes_max,
               std::string_view summary) {
  Directive directive = text(of, field, 0, summary);
  directive.set = [field, bytes_max](Config& config, Words words) -> runtime::Status {
    if (words[0].size() > bytes_max) {
      return runtime::fail(fmt::format("argument must be at most {} bytes long", bytes_max));
    }
    config.*field = std::string(words[0]);
    return {};
  };
  return directive;
}

}  // namespace

void add_cluster_directives(std::vector<Directive>& table) {
  using C = Config;
  constexpr int64_t kReplicasMax = cluster::Ring::kReplicasMax;
  table.push_back(yes_no("cluster-enabled", &C::cluster_enabled, 0,
                         "Redirect clients as Redis Cluster does, for tests of theirs"));
  table.push_back(integer("cluster-port", &C::cluster_port, 0, kPortMax, 0,
                          "TCP port for other nodes; 0 for port + 10000"));
  table.push_back({"cluster-announce-ip", "", "IP address", 0,
                   "Where others reach this node; empty to find out", set_announce_ip,
                   [](const Config& config) { return config.cluster_announce_ip; }});
  table.push_back(integer("cluster-announce-port", &C::cluster_announce_port, 0, kPortMax, 0,
                          "The port clients reach it at; 0 for port"));
  table.push_back(integer("cluster-announce-bus-port", &C::cluster_announce_bus_port, 0, kPortMax,
                          0, "The port nodes reach it at; 0 for cluster-port"));
  table.push_back({"cluster-seeds", "", "host:port …", kWords | kAccumulates,
                   "Nodes to meet at the start", set_seeds, get_seeds});
  table.push_back(name("cluster-name", &C::cluster_name, cluster::kClusterNameBytesMax,
                       "Only nodes with the same name join"));
  table.push_back(
      text("cluster-secret", &C::cluster_secret, kSensitive, "Only nodes that know it join"));
  table.push_back(name("zone", &C::zone, cluster::Member::kNameBytesMax,
                       "What fails together; copies are kept in different zones"));
  table.push_back(integer("weight", &C::weight, 1, cluster::Member::kWeightMax, 0,
                          "The node's share of the data, relative to the others'"));
  table.push_back(integer("replicas", &C::replicas, 1, kReplicasMax, 0, "Copies of each key: N"));
  table.push_back(
      integer("read-quorum", &C::read_quorum, 1, kReplicasMax, 0, "Copies that answer a read: R"));
  table.push_back(integer("write-quorum", &C::write_quorum, 1, kReplicasMax, 0,
                          "Copies that confirm a write: W"));
  table.push_back(integer("siblings-max", &C::siblings_max, 1, kSiblingsMax, kMutable,
                          "Siblings of a key beyond which DYN.PUT is refused"));
  table.push_back({"conflict-policy", "", "prefix siblings|lww …", kWords | kAccumulates,
                   "Whether keys keep siblings, or the last write wins", set_conflict_rules,
                   get_conflict_rules});
}

std::optional<Contradiction> contradiction_in(const Config& config) {
  const auto beyond = [&](std::string_view quorum, uint32_t value) {
    return Contradiction{{quorum, "replicas"},
                         fmt::format("{} {} is more than there are copies: replicas {}", quorum,
                                     value, config.replicas)};
  };
  if (config.read_quorum > config.replicas) return beyond("read-quorum", config.read_quorum);
  if (config.write_quorum > config.replicas) return beyond("write-quorum", config.write_quorum);
  return std::nullopt;
}

}  // namespace quorate::server
