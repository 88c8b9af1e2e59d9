#include "history/explanation.h"

#include <algorithm>
#include <charconv>
#include <set>

#include "history/unread_values.h"

namespace quorate::history {
namespace {

using Type = Result::Type;
using Verdict = KeyOutcome::Verdict;

constexpr size_t kLongestWindowReduced = 200;  // operations; one more search for each
constexpr size_t kMostShown = 40;
constexpr size_t kMostValuesShown = 6;
constexpr uint64_t kWorkLimit = 20'000'000;

class Explainer {
 public:
  Explainer(const KeySearch& search, const KeyOutcome& outcome,
            const std::vector<const Operation*>& recorded)
      : search_(search),
        outcome_(outcome),
        recorded_(recorded),
        until_(search.operations[outcome.failed].operation->returned) {}

  Explanation explain() {
    choose_begin();
    Explanation result;
    for (size_t i = 0; i < search_.operations.size(); ++i) {
      if (due_in_window(i)) result.window.push_back(i);
    }
    result.core = result.window;
    if (result.window.size() <= kLongestWindowReduced) reduce(result.core);
    describe(result);
    return result;
  }

 private:
  const Operation& operation(size_t i) const { return *search_.operations[i].operation; }

  bool due_in_window(size_t i) const {
    return search_.operations[i].due && i >= begin_ && operation(i).invoked <= until_;
  }

  // The latest operation from which on there is no order. A longer stretch only forbids more.
  void choose_begin() {
    size_t length = 1;
    while (length <= outcome_.failed && !impossible_from(outcome_.failed + 1 - length)) length *= 2;
    if (length > outcome_.failed) {
      from_the_start_ = !impossible_from(0);
      if (from_the_start_) return;
    }
    size_t low = length > outcome_.failed ? 0 : outcome_.failed + 1 - length;  // impossible
    size_t high = outcome_.failed + 1 - length / 2;
    while (low + 1 < high) {
      const size_t middle = low + (high - low) / 2;
      (impossible_from(middle) ? low : high) = middle;
    }
    begin_ = low;
  }

  bool impossible_from(size_t begin) {
    begin_ = begin;
    const bool impossible = is_impossible(values_mentioned(), {});
    begin_ = 0;
    return impossible;
  }

  // Whether there is no order of the window's operations, with those of `spared` not due.
  bool is_impossible(std::vector<std::optional<std::string>> initial,
                     const std::set<size_t>& spared) {
    KeySearch window;
    window.initial = std::move(initial);
    window.until = until_;
    window.work_limit = kWorkLimit;
    const uint64_t from = operation(begin_).invoked;
    for (size_t i = 0; i < search_.operations.size() && operation(i).invoked <= until_; ++i) {
      if (i < begin_ && operation(i).returned < from) continue;
      window.operations.push_back({&operation(i), due_in_window(i) && !spared.contains(i)});
    }
    return search_key(window).verdict == Verdict::impossible;
  }

  std::vector<std::optional<std::string>> initial() {
    return from_the_start_ ? search_.initial : values_mentioned();
  }

  // What the key may have held when the window began, as far as the window can tell the difference.
  std::vector<std::optional<std::string>> values_mentioned() const {
    std::set<std::string> values = {"", "?"};
    std::set<size_t> lengths;
    for (size_t i = begin_; i < search_.operations.size(); ++i) {
      const Operation& each = operation(i);
      if (each.invoked > until_) break;
      if (each.result.type != Type::integer) continue;
      if (each.kind == Kind::incr) values.insert(std::to_string(each.result.integer - 1));
      const auto appended = static_cast<int64_t>(each.argument.size());
      if (each.kind != Kind::append || each.result.integer < appended) continue;
      lengths.insert(static_cast<size_t>(each.result.integer - appended));
    }
    for (const size_t length : lengths) values.insert(std::string(length, '?'));
    for (size_t i = begin_; i < search_.operations.size(); ++i) {
      const Operation& each = operation(i);
      if (each.invoked > until_) break;
      if (each.kind != Kind::get || each.result.type != Type::value) continue;
      values.insert(each.result.bytes);
      for (const size_t length : lengths) {
        if (length < each.result.bytes.size()) values.insert(each.result.bytes.substr(0, length));
      }
    }
    std::vector<std::optional<std::string>> initial(values.begin(), values.end());
    initial.emplace_back(std::nullopt);
    return initial;
  }

  void reduce(std::vector<size_t>& core) {
    std::set<size_t> spared;
    const auto before = initial();
    for (const size_t i : core) {
      if (i == outcome_.failed) continue;
      spared.insert(i);
      if (!is_impossible(before, spared)) spared.erase(i);
    }
    std::erase_if(core, [&](size_t i) { return spared.contains(i); });
  }

  std::string line_of(size_t i, const Explanation& result) const {
    const Operation& each = *recorded_[i];
    const uint64_t zero = operation(0).invoked;
    const bool needed = std::ranges::binary_search(result.core, i);
    std::string line = i == outcome_.failed ? "  > " : needed ? "  * " : "    ";
    line += "[" + std::to_string(each.invoked - zero) + " .. ";
    line += each.returned == kNever ? "never" : std::to_string(each.returned - zero);
    return line + "] client " + std::to_string(each.client) + ": " + describe_call(each) + " -> " +
           describe_result(each.result) + "\n";
  }

  void describe(Explanation& result) const {
    result.text = "key \"" + operation(0).key + "\": no order fits these " +
                  std::to_string(result.core.size()) + " operations (*), whatever ";
    result.text += from_the_start_ ? "else happened since the start" : "the key held before";
    result.text +=
        "; times from the key's first operation, at " + std::to_string(operation(0).invoked) + "\n";
    const std::vector<size_t>& shown =
        result.window.size() <= kMostShown ? result.window : result.core;
    if (shown.size() > kMostShown) {
      result.text += "    (" + std::to_string(shown.size() - kMostShown) + " before)\n";
    }
    for (size_t i = shown.size() - std::min(shown.size(), kMostShown); i < shown.size(); ++i) {
      result.text += line_of(shown[i], result);
    }
    describe_values(result);
    describe_writers(result);
  }

  void describe_values(Explanation& result) const {
    result.text += "  before the last of them (>) returned, the key could only hold";
    size_t count = 0;
    for (const auto& value : outcome_.values_before) {
      if (++count > kMostValuesShown) break;
      const bool unread = value && value->find(kUnreadByte) != value->npos;
      result.text += unread ? " (something nobody read)"
                            : " " + describe_result(value ? Result::value(*value) : Result::nil());
    }
    if (count > kMostValuesShown) result.text += " …";
    result.text += '\n';
  }

  // Who wrote what the failed operation read: the most useful thing to know.
  void describe_writers(Explanation& result) const {
    const Operation& failed = operation(outcome_.failed);
    if (failed.kind != Kind::get || failed.result.type != Type::value) return;
    bool found = false;
    for (size_t i = 0; i < search_.operations.size(); ++i) {
      const Operation& each = *recorded_[i];
      const bool writes = has_argument(each.kind) && !each.argument.empty() &&
                          failed.result.bytes.ends_with(each.argument);
      if (!writes || std::ranges::binary_search(result.window, i)) continue;
      if (!found) result.text += "  what it read, or its end, was written outside of these by\n";
      found = true;
      result.text += line_of(i, result);
    }
  }

  const KeySearch& search_;
  const KeyOutcome& outcome_;
  const std::vector<const Operation*>& recorded_;
  const uint64_t until_;
  size_t begin_ = 0;
  bool from_the_start_ = false;
};

}  // namespace

Explanation explain(const KeySearch& search, const KeyOutcome& outcome,
                    const std::vector<const Operation*>& recorded) {
  return Explainer(search, outcome, recorded).explain();
}

}  // namespace quorate::history
