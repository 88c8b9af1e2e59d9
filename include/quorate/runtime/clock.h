// Time as the rooms above runtime see it: never the system clock, always one of these.
//
// wall_ms is Unix time and may jump either way; monotonic_us only moves forward and has no epoch. A
// loop's clock is read once per turn, so that everything in a turn happens at one instant. Thread:
// the thread of the loop it belongs to.
#pragma once

#include <cstdint>

namespace quorate::runtime {

class Clock {
 public:
  virtual ~Clock() = default;
  virtual uint64_t wall_ms() const = 0;
  virtual uint64_t monotonic_us() const = 0;
};

}  // namespace quorate::runtime
