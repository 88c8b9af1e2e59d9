// search_key(): whether the operations on one key can be put into an order in which each takes
// effect between its invocation and its return and has the result that one Redis key would give.
//
// Just-in-time linearization (G. Lowe, "Testing for linearizability", 2017, after Wing and Gong):
// walks through invocations and returns in the order of time and keeps all configurations that are
// possible so far. Nothing takes effect before it must: when an operation returns, every
// configuration in which it has not happened yet is replaced by those that let it happen, after
// other operations under way where these help. What keeps the set small:
//
// - an operation whose result says that it changed nothing happens as soon as it fits;
// - a SET under way when another write replaces everything may be taken to have happened just
//   before; whether it did is decided by who reads its value, if anybody does (ConfigurationSet);
// - a SET, or an operation that nothing obliges, happens early only where an operation under way
//   responds to the value that it leaves;
// - of equal operations under way the one that returns first happens first.
//
// `patience` bounds how many operations that nothing obliges may happen in a row before something
// answered responds to them. With less than kUnboundedPatience, `impossible` is not final. All
// other answers are exact. `exhausted`: the work grew beyond `work_limit` configurations compared.
// Memory: the configurations and the values of operations under way. Thread: one.
#pragma once

#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <vector>

#include "history/history.h"

namespace quorate::history {

constexpr uint32_t kUnboundedPatience = std::numeric_limits<uint32_t>::max();

struct KeyOperation {
  const Operation* operation;
  // Whether it must take effect: not if it is uncertain, or may have done so before the search.
  bool due;
};

struct KeySearch {
  std::vector<KeyOperation> operations;                              // in the order of invocation
  std::vector<std::optional<std::string>> initial = {std::nullopt};  // any of these values
  uint64_t until = kNever;  // the last time of return that is looked at
  uint32_t patience = kUnboundedPatience;
  uint64_t work_limit = 0;
};

struct KeyOutcome {
  enum class Verdict : uint8_t { possible, impossible, exhausted };
  Verdict verdict = Verdict::possible;
  size_t failed = 0;  // the operation whose return left no configuration, or too many
  std::vector<std::optional<std::string>> values_before;  // what the key could hold just before
  size_t most_configurations = 0;
};

KeyOutcome search_key(const KeySearch& search);

}  // namespace quorate::history
