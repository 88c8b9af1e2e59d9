#include "cluster/domains.h"

#include <algorithm>
#include <map>
#include <utility>

namespace quorate::cluster {
namespace {

// The smallest limit at which the domains together hold `wanted` copies; each can hold as many as
// `sizes` says at most.
template <class Holds>
unsigned smallest_limit(unsigned wanted, const Holds& holds) {
  unsigned limit = 1;
  while (limit < wanted && holds(limit) < wanted) ++limit;
  return limit;
}

}  // namespace

Domains::Domains(const std::vector<RingMember>& members, unsigned replicas)
    : replicas_(std::min(replicas, static_cast<unsigned>(members.size()))) {
  std::map<std::string, uint16_t> zones;
  std::map<std::pair<std::string, std::string>, uint16_t> hosts;
  for (const RingMember& member : members) {
    zone_of_.push_back(
        zones.emplace(member.zone, static_cast<uint16_t>(zones.size())).first->second);
    // Who does not say where it runs is alone there.
    const std::string host = member.host.empty() ? object::node_id_text(member.id) : member.host;
    host_of_.push_back(
        hosts.emplace(std::pair(member.zone, host), static_cast<uint16_t>(hosts.size()))
            .first->second);
    weights_.push_back(member.weight);
  }
  std::vector<unsigned> in_zone(zones.size()), on_host(hosts.size());
  std::vector<uint16_t> zone_of_host(hosts.size());
  for (size_t place = 0; place < members.size(); ++place) {
    ++in_zone[zone_of_[place]];
    ++on_host[host_of_[place]];
    zone_of_host[host_of_[place]] = zone_of_[place];
  }
  const auto held = [](const std::vector<unsigned>& sizes, unsigned limit) {
    unsigned sum = 0;
    for (const unsigned size : sizes) sum += std::min(size, limit);
    return sum;
  };
  zone_limit_ = smallest_limit(replicas_, [&](unsigned limit) { return held(in_zone, limit); });
  host_limit_ = smallest_limit(replicas_, [&](unsigned limit) {
    std::vector<unsigned> hosted(zones.size());
    for (size_t host = 0; host < hosts.size(); ++host) {
      hosted[zone_of_host[host]] += std::min(on_host[host], limit);
    }
    return held(hosted, zone_limit_);
  });
}

std::vector<Domains::Group> Domains::groups() const {
  std::map<std::pair<int, unsigned>, Group> found;
  for (size_t i = 0; i < weights_.size(); ++i) {
    const auto place = static_cast<Ring::Place>(i);
    const std::pair<std::pair<int, unsigned>, unsigned> memberships[] = {
        {{0, place}, 1}, {{1, host_of_[i]}, host_limit_}, {{2, zone_of_[i]}, zone_limit_}};
    for (const auto& [name, limit] : memberships) {
      Group& group = found[name];
      group.members.push_back(place);
      group.places_max = static_cast<double>(limit) * object::kSlots;
    }
  }
  std::vector<Group> all;
  all.reserve(found.size());
  for (auto& [name, group] : found) all.push_back(std::move(group));
  return all;
}

std::vector<double> Domains::shares() const {
  const std::vector<Group> limits = groups();
  std::vector<double> shares(weights_.size(), 0);
  std::vector<bool> fixed(weights_.size(), false);
  double left = static_cast<double>(replicas_) * object::kSlots;
  for (;;) {
    double weight = 0;
    for (size_t i = 0; i < weights_.size(); ++i) weight += fixed[i] ? 0 : weights_[i];
    if (weight == 0) return shares;
    for (size_t i = 0; i < weights_.size(); ++i) {
      if (!fixed[i]) shares[i] = left * weights_[i] / weight;
    }
    // The domain that is furthest over its limit gets just that, and the others share the rest.
    const Group* worst = nullptr;
    double worst_ratio = 1 + 1e-9, scale = 1;
    for (const Group& group : limits) {
      double free = 0, taken = 0;
      for (const Ring::Place place : group.members) (fixed[place] ? taken : free) += shares[place];
      if (free == 0 || (free + taken) / group.places_max <= worst_ratio) continue;
      worst = &group;
      worst_ratio = (free + taken) / group.places_max;
      scale = std::max(0.0, (group.places_max - taken) / free);
    }
    if (worst == nullptr) return shares;
    for (const Ring::Place place : worst->members) {
      if (fixed[place]) continue;
      fixed[place] = true;
      shares[place] *= scale;
      left -= shares[place];
    }
  }
}

}  // namespace quorate::cluster
