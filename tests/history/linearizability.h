// check_linearizability(): whether a history could have been answered by one Redis that executes
// one command at a time, each between its invocation and its return.
//
// Keys are independent of each other, so each is judged alone (linearizability is a local property:
// Herlihy and Wing, 1990). A key begins as `initial` says, by default without a value. The verdict
// is exact, but for keys on which the search is given up after `work_limit`: those are undecided,
// which proves nothing, and no test may take it for a success.
//
// A violation is explained by the shortest stretch of the key's history, up to the return that
// cannot be, for which there is no order whatever the key held before it; operations that were
// under way when the stretch began may or may not have happened before it. Where no such stretch is
// found because only the beginning tells, it is the whole history up to that return. `core` are the
// operations of the stretch without which there would be an order. What the key may have held
// before is tried out with the values that the stretch itself mentions.
//
// Time: linear in the operations, times how many configurations are possible at once
// (key_search.h), which is about how many writes of a key are under way together. Thread: one.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "history/history.h"

namespace quorate::history {

struct Violation {
  std::string key;
  size_t failed = 0;           // the operation whose return cannot be; indices into the history
  std::vector<size_t> window;  // the stretch, in the order of invocation
  std::vector<size_t> core;    // of the window
  std::string explanation;     // some lines, with times and clients
};

struct Report {
  size_t operations = 0;
  size_t uncertain = 0;
  size_t keys = 0;
  size_t most_configurations = 0;  // of any key at any time
  std::vector<Violation> violations;
  std::vector<std::string> undecided;  // keys

  bool linearizable() const { return violations.empty() && undecided.empty(); }
  // All explanations, then a line of counts.
  std::string text() const;
};

struct CheckOptions {
  std::function<std::optional<std::string>(const std::string& key)> initial;
  // Configurations compared per key: beside the fixed amount, so many for each of its operations.
  uint64_t work_limit = uint64_t{2'000'000'000};
  uint64_t work_limit_per_operation = 10'000;
};

Report check_linearizability(const History& history, const CheckOptions& options = {});

}  // namespace quorate::history
