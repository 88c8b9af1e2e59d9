// Two nodes that do not see each other, but both see a third one, take themselves for the
// coordinator of the same keys. Both are asked to SET ... NX a key at once, one key after the
// other.
#pragma once

#include <cstdint>

namespace quorate::sim {

struct RivalChanges {
  unsigned keys = 0;
  unsigned by_one = 0;   // OK from one of the two
  unsigned by_both = 0;  // OK from both, which must never be
  uint64_t early = 0;    // answers that the third one gave with its copy
};

// Through whom the one is asked that the third one takes for the coordinator.
enum class RivalAskedBy : uint8_t { itself, the_third };

RivalChanges let_rivals_change(uint64_t seed, RivalAskedBy by = RivalAskedBy::itself);

}  // namespace quorate::sim
