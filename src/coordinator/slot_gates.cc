#include "quorate/coordinator/slot_gates.h"

#include <cassert>
#include <utility>

namespace quorate::coordinator {

void SlotGates::enter(uint16_t slot) { ++gates_[slot].in_flight; }

void SlotGates::leave(uint16_t slot) {
  const auto at = gates_.find(slot);
  assert(at != gates_.end() && at->second.in_flight > 0);
  --at->second.in_flight;
  pump(slot);
}

void SlotGates::wait(uint16_t slot, runtime::Task command) {
  gates_[slot].queue.push_back({std::move(command), false});
}

void SlotGates::acquire(uint16_t slot, runtime::Task granted) {
  gates_[slot].queue.push_back({std::move(granted), true});
  pump(slot);
}

void SlotGates::release(uint16_t slot) {
  const auto at = gates_.find(slot);
  assert(at != gates_.end() && at->second.held);
  at->second.held = false;
  pump(slot);
}

// Lets in whoever is next. Tasks may change the gates, so nothing is kept across a call.
void SlotGates::pump(uint16_t slot) {
  auto at = gates_.find(slot);
  if (at->second.pumping) return;
  at->second.pumping = true;
  while (!at->second.held && !at->second.queue.empty()) {
    Waiting& next = at->second.queue.front();
    if (next.exclusive && at->second.in_flight != 0) break;
    at->second.held = next.exclusive;
    runtime::Task task = std::move(next.task);
    at->second.queue.pop_front();
    task();
    at = gates_.find(slot);
  }
  at->second.pumping = false;
  const Gate& gate = at->second;
  if (!gate.held && gate.in_flight == 0 && gate.queue.empty()) gates_.erase(at);
}

}  // namespace quorate::coordinator
