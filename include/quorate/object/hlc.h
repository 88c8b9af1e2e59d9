// Hybrid logical clocks (Kulkarni et al. 2014; DESIGN 5): wall time that never runs backwards and
// follows causality.
//
// An Hlc is 48 bits of milliseconds since 1970 above 16 bits of logical count, so plain integer
// order is time order and a full count carries into the milliseconds by itself. Values stay at or
// below kMaxHlc. An HlcClock takes the wall time from its caller, has no time of its own, and may
// be given a wall time that jumps either way. Thread: one clock belongs to one shard.
#pragma once

#include <algorithm>
#include <cstdint>

namespace quorate::object {

using Hlc = uint64_t;

inline constexpr int kHlcLogicalBits = 16;
inline constexpr Hlc kMaxHlc = UINT64_MAX / 2;
inline constexpr uint64_t kMaxClockLead_ms = 500;

constexpr Hlc hlc_at(uint64_t wall_ms) { return wall_ms << kHlcLogicalBits; }
constexpr uint64_t hlc_ms(Hlc hlc) { return hlc >> kHlcLogicalBits; }

class HlcClock {
 public:
  // Above everything next() gave and observe() adopted, and not below the wall time.
  Hlc next(uint64_t wall_ms) {
    last_ = std::max(last_ + 1, hlc_at(wall_ms));
    return last_;
  }

  // As next(), and above `covered`, the highest HLC among the versions a write supersedes. A
  // `covered` that observe() would refuse is exceeded by this one value only: it does not drag the
  // clock along.
  Hlc next_after(Hlc covered, uint64_t wall_ms) {
    const Hlc own = next(wall_ms);
    if (covered < own) return own;
    const Hlc above = std::min(covered, kMaxHlc - 1) + 1;
    if (!too_far_ahead(above, wall_ms)) last_ = above;
    return above;
  }

  // Adopts a peer's time. False, and nothing changes, if it is more than kMaxClockLead_ms ahead of
  // the wall time.
  [[nodiscard]] bool observe(Hlc peer, uint64_t wall_ms) {
    if (too_far_ahead(peer, wall_ms)) return false;
    last_ = std::max(last_, peer);
    return true;
  }

  [[nodiscard]] Hlc last() const { return last_; }

 private:
  static bool too_far_ahead(Hlc hlc, uint64_t wall_ms) {
    return hlc_ms(hlc) > wall_ms + kMaxClockLead_ms;
  }

  Hlc last_ = 0;
};

}  // namespace quorate::object
