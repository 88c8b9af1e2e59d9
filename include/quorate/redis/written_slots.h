// WrittenSlots: what a connection has written, as far as WAIT must know: for each node that
// coordinated some of it, the slots.
//
// At most 2 KiB for each such node, however much was written. Thread: the connection's shard.
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>
#include <vector>

#include "quorate/object/dot.h"
#include "quorate/object/slot_set.h"

namespace quorate::redis {

class WrittenSlots {
 public:
  struct Place {
    std::optional<object::NodeId> node;  // nothing: this one
    object::SlotSet slots;
  };

  void note(const std::optional<object::NodeId>& node, uint16_t slot) {
    place(node).slots.add(slot);
  }
  // Something in any slot, by whoever coordinates it.
  void note_everywhere() { everywhere_ = true; }
  bool everywhere() const { return everywhere_; }

  Place& place(const std::optional<object::NodeId>& node) {
    if (last_ < places_.size() && places_[last_].node == node) return places_[last_];
    const auto at = std::ranges::find(places_, node, &Place::node);
    last_ = static_cast<size_t>(at - places_.begin());
    if (at == places_.end()) places_.push_back({node, {}});
    return places_[last_];
  }
  const std::vector<Place>& places() const { return places_; }
  size_t memory_bytes() const { return places_.capacity() * sizeof(Place); }

 private:
  std::vector<Place> places_;
  size_t last_ = 0;  // used last
  bool everywhere_ = false;
};

}  // namespace quorate::redis
