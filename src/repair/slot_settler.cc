#include "quorate/repair/slot_settler.h"

#include <utility>

namespace quorate::repair {

struct SlotSettler::Settling {
  Slot slot;
  SlotPuller::Done done;
  size_t next = 0;       // of the candidates
  unsigned missing = 0;  // of those that are needed
};

void SlotSettler::settle(Slot slot, SlotPuller::Done done) {
  if (slot.needed == 0) return done({});
  if (slot.needed > slot.candidates.size()) {
    return done(runtime::fail("there are too few other replicas"));
  }
  auto settling = std::make_shared<Settling>();
  settling->missing = slot.needed;
  settling->slot = std::move(slot);
  settling->done = std::move(done);
  for (unsigned i = settling->missing; i > 0; --i) ask_next(settling);
}

void SlotSettler::ask_next(const std::shared_ptr<Settling>& settling) {
  const object::NodeId& from = settling->slot.candidates[settling->next++];
  puller_.pull(settling->slot.slot, from, [this, settling](runtime::Status status) {
    if (!settling->done) return;
    if (!status) {
      if (settling->next < settling->slot.candidates.size()) return ask_next(settling);
      return std::exchange(settling->done, nullptr)(std::move(status));
    }
    if (--settling->missing == 0) std::exchange(settling->done, nullptr)({});
  });
}

}  // namespace quorate::repair
