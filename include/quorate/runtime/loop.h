// The event loop of one thread, as the rooms above runtime see it.
//
// A turn: input is read and handled, due timers and posted tasks run, then the turn-end hook runs
// once. The hook is where a shard writes its journal and flushes its replies, so that a turn costs
// one of each. Thread: everything but post() is for the loop's own thread.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>

#include "quorate/runtime/clock.h"
#include "quorate/runtime/executor.h"

namespace quorate::runtime {

// Destroying a timer cancels it.
class Timer {
 public:
  virtual ~Timer() = default;
};

class Loop : public Executor {
 public:
  virtual const Clock& clock() const = 0;
  // Calls `task` after `delay_us`, never sooner, then every `repeat_us` if that is not 0.
  // Resolution: 1 ms in production.
  [[nodiscard]] virtual std::unique_ptr<Timer> start_timer(uint64_t delay_us, uint64_t repeat_us,
                                                           Task task) = 0;
  virtual void set_turn_end(Task hook) = 0;
  // How long the turn has lasted. Work that may as well be spread over turns asks it now and then:
  // memory or a disk may be slower than any count of items foresees.
  virtual uint64_t turn_us() const = 0;
};

}  // namespace quorate::runtime
