#include "cluster/liveness_table.h"

#include <algorithm>
#include <cmath>

namespace quorate::cluster {

LivenessTable::Outcome LivenessTable::apply(const LivenessRumor& rumor) {
  const auto at = beliefs_.find(rumor.about);
  if (at == beliefs_.end()) return Outcome::known;
  Belief& belief = at->second;
  const bool newer = rumor.incarnation > belief.incarnation;
  const bool same = rumor.incarnation == belief.incarnation;
  if (same && rumor.liveness == Liveness::suspected && belief.liveness == Liveness::suspected) {
    const auto& accusers = belief.accusers;
    const bool again = std::ranges::find(accusers, rumor.from) != accusers.end();
    if (again) return Outcome::known;
    belief.accusers.push_back(rumor.from);
    return Outcome::confirmed;
  }
  if (!newer && (!same || rumor.liveness <= belief.liveness)) return Outcome::known;
  belief.liveness = rumor.liveness;
  belief.incarnation = rumor.incarnation;
  belief.accusers.clear();
  if (rumor.liveness == Liveness::suspected) belief.accusers.push_back(rumor.from);
  return Outcome::changed;
}

const LivenessTable::Belief& LivenessTable::belief(const object::NodeId& member) const {
  static const Belief kUnknown;
  const auto at = beliefs_.find(member);
  return at == beliefs_.end() ? kUnknown : at->second;
}

uint64_t SuspicionTimes::duration_us(size_t accusers) const {
  const double confirmations = static_cast<double>(accusers == 0 ? 0 : accusers - 1);
  const double share =
      accusers_wanted == 0 ? 1 : std::log(confirmations + 1) / std::log(accusers_wanted + 1.0);
  const double span = static_cast<double>(max_us - min_us);
  return max_us - static_cast<uint64_t>(span * std::min(share, 1.0));
}

}  // namespace quorate::cluster
