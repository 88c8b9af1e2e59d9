#include "history/key_search.h"

#include <algorithm>
#include <utility>

#include "history/configuration_set.h"
#include "history/value_table.h"

namespace quorate::history {
namespace {

using Verdict = KeyOutcome::Verdict;

struct Event {
  uint64_t time;
  bool returns;  // at equal times invocations come first: then the two overlap
  size_t index;
  auto operator<=>(const Event&) const = default;
};

bool plays_no_part(const KeyOperation& key_operation) {
  const Operation& operation = *key_operation.operation;
  return !key_operation.due &&
         (operation.kind == Kind::get || operation.result.type == Result::Type::error);
}

std::vector<Event> events_of(const KeySearch& search) {
  std::vector<Event> events;
  events.reserve(2 * search.operations.size());
  for (size_t i = 0; i < search.operations.size(); ++i) {
    const Operation& operation = *search.operations[i].operation;
    if (plays_no_part(search.operations[i]) || operation.invoked > search.until) continue;
    events.push_back({operation.invoked, false, i});
    if (operation.returned != kNever && operation.returned <= search.until) {
      events.push_back({operation.returned, true, i});
    }
  }
  std::ranges::sort(events);
  return events;
}

size_t most_under_way(const std::vector<Event>& events) {
  size_t most = 0;
  size_t now = 0;
  for (const Event& event : events) {
    now = event.returns ? now - 1 : now + 1;
    most = std::max(most, now);
  }
  return most;
}

template <size_t kWords>
class Searcher {
 public:
  explicit Searcher(const KeySearch& search)
      : search_(search),
        actions_(64 * kWords),
        earlier_equal_(64 * kWords),
        slots_(search.operations.size()) {
    for (size_t slot = 64 * kWords; slot > 0; --slot) free_slots_.push_back(slot - 1);
  }

  KeyOutcome run(const std::vector<Event>& events) {
    for (const auto& value : search_.initial) {
      Item item;
      item.value = value ? values_.intern(*value) : kNil;
      frontier_.insert(item, work_);
    }
    for (const Event& event : events) {
      if (!event.returns) {
        invoke(event.index);
        continue;
      }
      answer(slots_[event.index]);
      if (work_ > search_.work_limit) return give_up(Verdict::exhausted, event.index);
      if (next_.empty()) return give_up(Verdict::impossible, event.index);
      std::swap(frontier_, next_);
      outcome_.most_configurations = std::max(outcome_.most_configurations, frontier_.size());
      release(slots_[event.index]);
      if (values_.wants_collection()) collect();
    }
    return outcome_;
  }

 private:
  using Item = Configuration<kWords>;
  using Set = Slots<kWords>;

  KeyOutcome give_up(Verdict verdict, size_t index) {
    outcome_.verdict = verdict;
    outcome_.failed = index;
    std::vector<ValueId> seen;
    for_each(frontier_, [&](const Item& item) { seen.push_back(item.value); });
    std::ranges::sort(seen);
    const auto repeated = std::ranges::unique(seen);
    seen.erase(repeated.begin(), repeated.end());
    for (const ValueId id : seen) {
      outcome_.values_before.push_back(id == kNil ? std::nullopt
                                                  : std::optional<std::string>(values_.bytes(id)));
    }
    return std::move(outcome_);
  }

  template <class Each>
  static void for_each(const ConfigurationSet<kWords>& set, const Each& each) {
    for (size_t i = 0; i < set.bound(); ++i) {
      if (set.alive(i)) each(set[i]);
    }
  }

  void invoke(size_t index) {
    const size_t slot = free_slots_.back();
    free_slots_.pop_back();
    slots_[index] = slot;
    const bool due = search_.operations[index].due;
    const Action& action = actions_[slot] = Action(*search_.operations[index].operation, values_);
    const auto order = std::pair(action.operation().returned, slot);
    occupied_.all_of([&](size_t other) {
      if (!actions_[other].same_as(action)) return true;
      const bool earlier = std::pair(actions_[other].operation().returned, other) < order;
      earlier_equal_[earlier ? slot : other].add(earlier ? other : slot);
      return true;
    });
    occupied_.add(slot);
    if (action.pure()) pure_.add(slot);
    if (action.blind()) blind_.add(slot);
    frontier_.change_slots([&](Item& item) {
      if (action.pure()) {
        if (due && !action.applies(item.value, values_)) item.due.add(slot);
        return;
      }
      item.may.add(slot);
      if (due) item.due.add(slot);
    });
  }

  void release(size_t slot) {
    for (Set* set : {&occupied_, &pure_, &blind_}) set->remove(slot);
    occupied_.all_of([&](size_t other) {
      earlier_equal_[other].remove(slot);
      return true;
    });
    earlier_equal_[slot] = {};
    free_slots_.push_back(slot);
  }

  void collect() {
    std::vector<ValueId> live;
    for_each(frontier_, [&](const Item& item) { live.push_back(item.value); });
    occupied_.all_of([&](size_t slot) {
      if (actions_[slot].value()) live.push_back(*actions_[slot].value());
      return true;
    });
    // What was dropped from the frontier must not keep a number that another value gets.
    next_.clear();
    for_each(frontier_, [&](const Item& item) { next_.insert(item, work_); });
    std::swap(frontier_, next_);
    next_.clear();
    reached_.clear();
    values_.collect(live);
  }

  // The operation in `slot` returns: fills next_ with the configurations in which it has happened.
  void answer(size_t slot) {
    next_.clear();
    reached_.clear();
    for_each(frontier_, [&](const Item& item) {
      if (!item.due.has(slot)) emit(item, slot);
      if (!item.due.has(slot) && !item.may.has(slot)) return;
      Item begin = item;
      begin.unobserved = 0;
      reached_.insert(begin, work_);
    });
    for (size_t i = 0; i < reached_.bound() && work_ <= search_.work_limit; ++i) {
      if (!reached_.alive(i)) continue;
      const Item item = reached_[i];
      ++work_;
      if (actions_[slot].pure()) {
        if (!item.due.has(slot)) {
          emit(item, slot);
          continue;
        }
      } else if (actions_[slot].applies(item.value, values_)) {
        emit(step(item, slot), slot);
      }
      item.may.all_of([&](size_t other) {
        if (other != slot) advance(item, other, slot);
        return true;
      });
    }
  }

  void emit(Item item, size_t slot) {
    item.due.remove(slot);
    item.may.remove(slot);
    next_.insert(item, work_);
  }

  // Lets the operation in `slot` happen before that in `answered` if this can be of use.
  void advance(const Item& item, size_t slot, size_t answered) {
    const Action& action = actions_[slot];
    ++work_;
    if (!action.applies(item.value, values_)) return;
    const bool due = item.due.has(slot);
    const Set equal = earlier_equal_[slot] & item.may;
    if (!(due ? equal & item.due : equal.without(item.due)).empty()) return;
    Item after = step(item, slot);
    after.unobserved = 0;
    if ((!due || action.blind()) && !observed(item, after.value, slot, answered)) {
      after.unobserved = item.unobserved + 1;
      if (after.unobserved >= search_.patience) return;
      if (!may_be_observed(item, after.value, slot, answered)) return;
    }
    reached_.insert(after, work_);
  }

  // The answered operations that could respond to what another one leaves.
  Set observers(const Item& item, size_t slot, size_t answered) const {
    Set set = item.due.without(blind_);
    if (!actions_[answered].blind()) set.add(answered);
    set.remove(slot);
    return set;
  }

  bool observed(const Item& item, ValueId after, size_t slot, size_t answered) const {
    return !observers(item, slot, answered).all_of([&](size_t other) {
      const Action& action = actions_[other];
      // A delete does not mind which value there was.
      const bool indifferent =
          action.operation().kind == Kind::del && action.applies(item.value, values_);
      return indifferent || !action.applies(after, values_);
    });
  }

  bool may_be_observed(const Item& item, ValueId after, size_t slot, size_t answered) const {
    Set others = item.may.without(item.due).without(blind_);
    others.remove(slot);
    if (others.empty()) return false;
    return !observers(item, slot, answered).all_of([&](size_t other) {
      return !actions_[other].within_reach(after, values_);
    });
  }

  Item step(const Item& item, size_t slot) {
    const Action& action = actions_[slot];
    Item after = item;
    after.value = action.apply(item.value, values_);
    after.due.remove(slot);
    after.may.remove(slot);
    // Every SET under way fits in right before.
    if (action.overwrites()) after.due = after.due.without(blind_);
    (after.due & pure_).all_of([&](size_t other) {
      if (actions_[other].applies(after.value, values_)) after.due.remove(other);
      return true;
    });
    return after;
  }

  const KeySearch& search_;
  ValueTable values_;
  std::vector<Action> actions_;     // by slot
  std::vector<Set> earlier_equal_;  // by slot: equal operations under way that return before it
  std::vector<size_t> slots_;       // by operation
  std::vector<size_t> free_slots_;
  Set occupied_, pure_, blind_;
  ConfigurationSet<kWords> frontier_, next_, reached_;
  uint64_t work_ = 0;
  KeyOutcome outcome_;
};

}  // namespace

KeyOutcome search_key(const KeySearch& search) {
  const std::vector<Event> events = events_of(search);
  const size_t most = most_under_way(events);
  if (most <= 64) return Searcher<1>(search).run(events);
  if (most <= 256) return Searcher<4>(search).run(events);
  if (most <= 1024) return Searcher<16>(search).run(events);
  if (most <= 8192) return Searcher<128>(search).run(events);
  KeyOutcome outcome;
  outcome.verdict = Verdict::exhausted;
  return outcome;
}

}  // namespace quorate::history
