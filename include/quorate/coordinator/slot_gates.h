// SlotGates: who may work on a slot when not everybody may.
//
// In the common case nothing is here and a command asks one question (idle()). Commands that had to
// suspend are counted in flight on their slot; an operation over several slots acquires each of
// them exclusively, which waits until nothing is in flight there and makes whatever comes later
// wait in order. So commands on one slot never overtake an exclusive holder, nor each other around
// one. Operations acquire their slots in the order (shard, slot), hence no deadlock. Thread: the
// shard's. Source: DESIGN section 3 (slot intents).
#pragma once

#include <cstdint>
#include <deque>
#include <unordered_map>

#include "quorate/runtime/executor.h"

namespace quorate::coordinator {

class SlotGates {
 public:
  bool idle() const { return gates_.empty(); }
  // Whether a command that comes now must wait().
  bool closed(uint16_t slot) const {
    if (gates_.empty()) [[likely]]
      return false;
    const auto at = gates_.find(slot);
    return at != gates_.end() && (at->second.held || !at->second.queue.empty());
  }

  // A command on the slot suspends itself / has ended. REQUIRES: every enter() is followed by one
  // leave().
  void enter(uint16_t slot);
  void leave(uint16_t slot);
  // Runs `command` when the gate opens for it. It may enter() again.
  void wait(uint16_t slot, runtime::Task command);
  // Calls `granted`, at once or later, when the slot is the caller's alone, until release().
  void acquire(uint16_t slot, runtime::Task granted);
  void release(uint16_t slot);

 private:
  struct Waiting {
    runtime::Task task;
    bool exclusive = false;
  };
  struct Gate {
    unsigned in_flight = 0;
    bool held = false;
    bool pumping = false;
    std::deque<Waiting> queue;
  };
  void pump(uint16_t slot);

  std::unordered_map<uint16_t, Gate> gates_;
};

}  // namespace quorate::coordinator
