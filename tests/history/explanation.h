// explain(): why a search found no order, as short as it can be said.
//
// Called only for an impossible outcome of unbounded patience. Searches again over ever longer
// stretches that end with the failed return, then leaves out what is not needed. Indices are those
// of the search's operations. What linearizability.h says of violations is decided here. Thread:
// one.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "history/key_search.h"

namespace quorate::history {

struct Explanation {
  std::vector<size_t> window;  // answered operations, in the order of invocation
  std::vector<size_t> core;    // those without which there would be an order
  std::string text;
};

// REQUIRES: `outcome` is search_key(search), and impossible. `recorded` are the search's operations
// as they are to be shown (unread_values.h).
Explanation explain(const KeySearch& search, const KeyOutcome& outcome,
                    const std::vector<const Operation*>& recorded);

}  // namespace quorate::history
