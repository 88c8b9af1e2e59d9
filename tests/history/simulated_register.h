// record(): what clients see of one atomic Redis key each: every operation takes effect at one
// moment between its invocation and its return, all of it chosen by a seed.
//
// What is recorded is linearizable by construction. Thread: one, virtual time.
#pragma once

#include <array>
#include <cstdint>

#include "history/history.h"

namespace quorate::history {

struct Recording {
  size_t operations = 1000;
  uint32_t clients = 8;
  uint32_t keys = 1;
  // How often each Kind is chosen, in the order of the enum.
  std::array<unsigned, 6> mix = {6, 3, 1, 1, 1, 1};
  // SET and SETNX write values that are written nowhere else, but for so many that are integers.
  unsigned integer_percent = 0;
  // So many never hear how it ended; half of those happen, up to an operation's time a hundred
  // times later.
  unsigned uncertain_permille = 0;
  uint64_t seed = 1;
};

History record(const Recording& recording);

}  // namespace quorate::history
