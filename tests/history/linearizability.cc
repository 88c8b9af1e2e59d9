#include "history/linearizability.h"

#include <algorithm>
#include <array>
#include <unordered_map>
#include <utility>

#include "history/explanation.h"
#include "history/key_search.h"
#include "history/unread_values.h"

namespace quorate::history {
namespace {

using Verdict = KeyOutcome::Verdict;

// Impatient searches are quick and nearly always find the order if there is one.
constexpr std::array<uint32_t, 3> kPatience = {1, 3, kUnboundedPatience};

bool any_uncertain(const std::vector<KeyOperation>& operations) {
  return std::ranges::any_of(operations, [](const auto& each) { return !each.due; });
}

KeyOutcome search_with_growing_patience(KeySearch& search) {
  KeyOutcome outcome;
  for (const uint32_t patience : kPatience) {
    search.patience = any_uncertain(search.operations) ? patience : kUnboundedPatience;
    outcome = search_key(search);
    // More patience is more work.
    if (outcome.verdict != Verdict::impossible || search.patience == kUnboundedPatience) break;
  }
  return outcome;
}

void check_key(const History& history, std::vector<size_t> indices, const CheckOptions& options,
               Report& report) {
  std::ranges::sort(indices, {},
                    [&](size_t index) { return std::pair(history[index].invoked, index); });
  std::vector<const Operation*> recorded;
  for (const size_t index : indices) recorded.push_back(&history[index]);
  const std::vector<Operation> operations = forget_unread_values(recorded);
  KeySearch search;
  for (const Operation& operation : operations) {
    search.operations.push_back({&operation, !operation.uncertain()});
  }
  const std::string& key = history[indices.front()].key;
  if (options.initial) search.initial = {options.initial(key)};
  search.work_limit =
      options.work_limit + options.work_limit_per_operation * search.operations.size();
  const KeyOutcome outcome = search_with_growing_patience(search);
  report.most_configurations = std::max(report.most_configurations, outcome.most_configurations);
  if (outcome.verdict == Verdict::exhausted) report.undecided.push_back(key);
  if (outcome.verdict != Verdict::impossible) return;
  const Explanation explanation = explain(search, outcome, recorded);
  Violation& violation = report.violations.emplace_back();
  violation.key = key;
  violation.failed = indices[outcome.failed];
  for (const size_t i : explanation.window) violation.window.push_back(indices[i]);
  for (const size_t i : explanation.core) violation.core.push_back(indices[i]);
  violation.explanation = explanation.text;
}

}  // namespace

Report check_linearizability(const History& history, const CheckOptions& options) {
  Report report;
  report.operations = history.size();
  std::unordered_map<std::string_view, size_t> keys;
  std::vector<std::vector<size_t>> indices;
  for (size_t i = 0; i < history.size(); ++i) {
    report.uncertain += history[i].uncertain();
    const auto [key, is_new] = keys.try_emplace(history[i].key, indices.size());
    if (is_new) indices.emplace_back();
    indices[key->second].push_back(i);
  }
  report.keys = indices.size();
  for (auto& of_key : indices) check_key(history, std::move(of_key), options, report);
  return report;
}

std::string Report::text() const {
  std::string text;
  for (const Violation& violation : violations) text += violation.explanation + "\n";
  for (const std::string& key : undecided) text += "key \"" + key + "\": undecided\n";
  text += std::to_string(operations) + " operations (" + std::to_string(uncertain) +
          " uncertain) on " + std::to_string(keys) + " keys, at most " +
          std::to_string(most_configurations) +
          " configurations at once: " + std::to_string(violations.size()) + " keys violated, " +
          std::to_string(undecided.size()) + " undecided\n";
  return text;
}

}  // namespace quorate::history
