#include "history/brute_force.h"

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <limits>

namespace quorate::history {
namespace {

Result increment(KeyValue& value) {
  const std::string text = value.value_or("0");
  char* end = nullptr;
  errno = 0;
  const int64_t before = std::strtoll(text.c_str(), &end, 10);
  if (errno != 0 || std::to_string(before) != text) return Result::error("not an integer");
  if (before == std::numeric_limits<int64_t>::max()) return Result::error("overflow");
  value = std::to_string(before + 1);
  return Result::of(before + 1);
}

bool fits(const Operation& operation, const Result& result) {
  if (operation.uncertain()) return true;
  const bool error = result.type == Result::Type::error;
  return error ? operation.result.type == result.type : operation.result == result;
}

class Orders {
 public:
  Orders(const History& history, const std::vector<bool>& due)
      : history_(history), due_(due), done_(history.size()) {}

  // Whether what is left can follow; `now` is the latest invocation of what is done.
  bool try_next(const KeyValue& value, uint64_t now) {
    uint64_t earliest_return = kNever;
    for (size_t i = 0; i < history_.size(); ++i) {
      if (due_[i] && !done_[i]) earliest_return = std::min(earliest_return, history_[i].returned);
    }
    if (earliest_return == kNever) return true;
    for (size_t i = 0; i < history_.size(); ++i) {
      const Operation& next = history_[i];
      if (done_[i] || next.invoked > earliest_return || next.returned < now) continue;
      KeyValue after = value;
      if (!fits(next, execute(next, after))) continue;
      done_[i] = true;
      if (try_next(after, std::max(now, next.invoked))) return true;
      done_[i] = false;
    }
    return false;
  }

 private:
  const History& history_;
  const std::vector<bool>& due_;
  std::vector<bool> done_;
};

}  // namespace

Result execute(const Operation& operation, KeyValue& value) {
  switch (operation.kind) {
    case Kind::get:
      return value ? Result::value(*value) : Result::nil();
    case Kind::set:
      value = operation.argument;
      return Result::ok();
    case Kind::set_nx:
      if (value) return Result::nil();
      value = operation.argument;
      return Result::ok();
    case Kind::incr:
      return increment(value);
    case Kind::append:
      value = value.value_or("") + operation.argument;
      return Result::of(static_cast<int64_t>(value->size()));
    case Kind::del: {
      const int64_t removed = value.has_value() ? 1 : 0;
      value.reset();
      return Result::of(removed);
    }
  }
  return {};
}

bool possible_by_brute_force(const History& history, const std::vector<bool>& due) {
  return Orders(history, due).try_next(std::nullopt, 0);
}

bool possible_by_brute_force(const History& history) {
  return possible_by_brute_force(history, std::vector<bool>(history.size(), true));
}

}  // namespace quorate::history
