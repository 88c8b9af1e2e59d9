// possible_by_brute_force(): the definition of linearizability, written down: tries every order.
//
// Shares nothing with the checker that it is compared with but the history's form. One key, a
// handful of operations: the time is their factorial.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "history/history.h"

namespace quorate::history {

using KeyValue = std::optional<std::string>;

// Executes the operation as Redis would: changes the value, returns the reply.
Result execute(const Operation& operation, KeyValue& value);

// Operations that are not `due` may be left out; so may those without a result.
bool possible_by_brute_force(const History& history, const std::vector<bool>& due);
bool possible_by_brute_force(const History& history);

}  // namespace quorate::history
