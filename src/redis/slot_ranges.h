// Which members a client is told to ask for which slots, merged to ranges.
//
// Thread: pure functions.
#pragma once

#include <cstdint>
#include <vector>

#include "quorate/cluster/cluster_view.h"

namespace quorate::redis {

using Places = std::vector<cluster::ClusterView::Place>;

struct SlotRange {
  uint16_t first = 0, last = 0;  // inclusive
  Places members;                // whom to ask, the best first; never empty
};

enum class Listed : uint8_t {
  everyone,   // of the preference list, the dead last
  reachable,  // only the dead if nobody else is left
};

// In order of the slots, neighbours with equal members merged. Empty if nobody owns slots.
std::vector<SlotRange> slot_ranges(const cluster::ClusterView& view, Listed listed);

}  // namespace quorate::redis
