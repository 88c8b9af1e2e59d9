// WrittenSlots: what a connection has written, as far as WAIT must know: for each node that
// coordinated some of it, the slots.
//
// At most 3 KiB for each such node, however much was written. A slot is written down behind the
// last one and only later entered in its set: with many connections their sets lie outside of the
// core's own caches, and each would cost a miss per request. Thread: the connection's shard.
#pragma once

#include <algorithm>
#include <boost/container/static_vector.hpp>
#include <cstdint>
#include <optional>
#include <vector>

#include "quorate/object/dot.h"
#include "quorate/object/slot_set.h"

namespace quorate::redis {

class WrittenSlots {
 public:
  class Place {
   public:
    explicit Place(const std::optional<object::NodeId>& node) : node_(node) {}

    const std::optional<object::NodeId>& node() const { return node_; }  // nothing: this one
    void note(uint16_t slot) {
      if (recent_.size() == recent_.capacity()) enter();
      recent_.push_back(slot);
    }
    const object::SlotSet& slots() {
      enter();
      return slots_;
    }

   private:
    static constexpr size_t kRecentMax = 480;

    void enter() {
      for (const uint16_t slot : recent_) slots_.add(slot);
      recent_.clear();
    }

    std::optional<object::NodeId> node_;
    boost::container::static_vector<uint16_t, kRecentMax> recent_;
    object::SlotSet slots_;
  };

  void note(const std::optional<object::NodeId>& node, uint16_t slot) { place(node).note(slot); }
  // Something in any slot, by whoever coordinates it.
  void note_everywhere() { everywhere_ = true; }
  bool everywhere() const { return everywhere_; }

  std::vector<Place>& places() { return places_; }
  size_t memory_bytes() const { return places_.capacity() * sizeof(Place); }

 private:
  Place& place(const std::optional<object::NodeId>& node) {
    if (last_ < places_.size() && places_[last_].node() == node) return places_[last_];
    const auto at = std::ranges::find(places_, node, &Place::node);
    last_ = static_cast<size_t>(at - places_.begin());
    if (at == places_.end()) places_.emplace_back(node);
    return places_[last_];
  }

  std::vector<Place> places_;
  size_t last_ = 0;  // used last
  bool everywhere_ = false;
};

}  // namespace quorate::redis
