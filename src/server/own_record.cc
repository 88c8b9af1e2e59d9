#include "server/own_record.h"

#include <algorithm>
#include <charconv>
#include <fmt/format.h>
#include <spdlog/spdlog.h>
#include <utility>

#include "quorate/cluster/token_choice.h"
#include "quorate/runtime/connector.h"

namespace quorate::server {
namespace {

using cluster::Member;
using cluster::MemberList;
using cluster::MemberStatus;

constexpr int kSeedBase = 16;

// All but tokens and version.
Member record_of(const ClusterControlSettings& settings, const Member& before) {
  Member own = before;
  own.id = settings.node;
  own.epoch = settings.epoch;
  own.address = settings.address;
  // What the connections of an earlier life have shown is better than nothing.
  if (own.address.ip.empty()) own.address.ip = before.address.ip;
  own.weight = settings.weight;
  own.zone = settings.zone;
  own.host = settings.machine;
  return own;
}

}  // namespace

cluster::Setting seed_setting(uint64_t seed, const object::NodeId& writer) {
  return {std::string(kHashSeedSetting), 1, writer, fmt::format("{:016x}", seed)};
}

std::optional<uint64_t> seed_of(const cluster::Setting& setting) {
  const std::string& text = setting.value;
  uint64_t seed = 0;
  const auto [end, error] =
      std::from_chars(text.data(), text.data() + text.size(), seed, kSeedBase);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return seed;
}

MemberList list_alone(const ClusterControlSettings& settings, const Member* before) {
  Member own = record_of(settings, before == nullptr ? Member{} : *before);
  if (before != nullptr) ++own.version;
  own.status = MemberStatus::normal;
  own.admitted = {};
  own.tokens = cluster::choose_tokens({}, own.on_ring(), settings.quorum.replicas);
  MemberList list;
  list.merge(own);
  if (!settings.conflict_policies.empty()) {
    list.merge(settings.conflict_policies.setting(settings.node));
  }
  if (settings.quorum == cluster::Quorum{}) return list;
  for (const auto& setting : quorum_settings(settings.quorum, settings.node)) list.merge(setting);
  return list;
}

MemberList list_at_start(const ClusterControlSettings& settings, std::optional<MemberList> file) {
  if (!file) return list_alone(settings, nullptr);
  const Member* const before = file->find(settings.node);
  const bool belongs = before != nullptr && before->belongs();
  if (!belongs) return list_alone(settings, before);
  if (file->size() == 1) {
    MemberList list = list_alone(settings, before);
    // Of those that left they must be told, should they come back.
    for (const auto& [id, member] : file->members()) {
      if (!member.belongs()) list.merge(member);
    }
    return list;
  }
  Member own = record_of(settings, *before);
  const auto holders = std::ranges::count_if(
      file->members(), [](const auto& entry) { return entry.second.has_tokens(); });
  const bool moves =
      own.weight != before->weight || own.zone != before->zone || own.host != before->host;
  if (moves && std::cmp_greater(holders, quorum_of(*file).replicas)) {
    spdlog::warn(
        "What decides where keys are does not change while there are more members than "
        "copies of a key: weight stays {}, zone '{}', machine '{}'",
        before->weight, before->zone, before->host);
    own.weight = before->weight;
    own.zone = before->zone;
    own.host = before->host;
  }
  if (own.weight != before->weight && own.has_tokens()) {
    own.tokens = cluster::choose_tokens(file->on_ring(cluster::RingView::after), own.on_ring(),
                                        quorum_of(*file).replicas);
  }
  if (own != *before) {
    ++own.version;
    file->merge(own);
  }
  return *std::move(file);
}

std::string ip_of(std::string_view address) {
  const size_t colon = address.rfind(':');
  std::string ip(address.substr(0, std::min(colon, address.size())));
  if (ip.starts_with('[') && ip.ends_with(']')) ip = ip.substr(1, ip.size() - 2);
  return runtime::is_ip_address(ip) ? ip : std::string();
}

bool is_loopback(std::string_view ip) { return ip.starts_with("127.") || ip == "::1"; }

}  // namespace quorate::server
