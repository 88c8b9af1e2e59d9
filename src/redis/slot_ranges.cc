#include "redis/slot_ranges.h"

#include <algorithm>
#include <utility>

namespace quorate::redis {
namespace {

using cluster::ClusterView;
using cluster::Liveness;

// In order of preference, but whoever answers comes before who does not.
Places members_of(const ClusterView& view, uint16_t slot, Listed listed) {
  const auto list = view.preference_list(slot);
  Places places(list.begin(), list.end());
  const auto liveness = [&](ClusterView::Place place) { return view.member(place).liveness; };
  std::ranges::stable_sort(places, {}, liveness);
  if (listed == Listed::everyone) return places;
  const auto dead = std::ranges::find(places, Liveness::dead, liveness);
  if (dead != places.begin()) places.erase(dead, places.end());
  return places;
}

}  // namespace

std::vector<SlotRange> slot_ranges(const ClusterView& view, Listed listed) {
  std::vector<SlotRange> ranges;
  for (unsigned number = 0; number < object::kSlots; ++number) {
    const auto slot = static_cast<uint16_t>(number);
    Places members = members_of(view, slot, listed);
    if (members.empty()) break;
    if (ranges.empty() || ranges.back().members != members) {
      ranges.push_back({slot, slot, std::move(members)});
    } else {
      ranges.back().last = slot;
    }
  }
  return ranges;
}

}  // namespace quorate::redis
