// settle(): makes sure that this node holds, of a slot, what enough other replicas hold, so that
// whoever coordinates it need not ask them before each write (DESIGN 8).
//
// It pulls the slot from as many of the candidates as are needed, all at once, and takes the next
// one where one fails. With R - 1 others pulled, every write that W of N had when settle() was
// called is here, for R + W > N. Nothing is said of what they accept afterwards: whether another
// coordinator may still be at work is the caller's matter. Thread: the shard's.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "quorate/repair/slot_puller.h"

namespace quorate::repair {

class SlotSettler {
 public:
  explicit SlotSettler(SlotPuller& puller) : puller_(puller) {}

  struct Slot {
    uint16_t slot = 0;
    std::vector<object::NodeId> candidates;  // other replicas, whom to ask first
    unsigned needed = 0;                     // of them
  };
  // `done` is told once, at once if nobody is needed. An error says why too few could be pulled.
  void settle(Slot slot, SlotPuller::Done done);

 private:
  struct Settling;

  void ask_next(const std::shared_ptr<Settling>& settling);

  SlotPuller& puller_;
};

}  // namespace quorate::repair
