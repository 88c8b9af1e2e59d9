#include "string_state.h"

#include "quorate/object/string_object.h"

namespace quorate::object {

namespace {

Baseline baseline_of(const Version& version) {
  return Baseline::decode(version.baseline.view()).value_or(Baseline{});
}

}  // namespace

StringState StringState::of(const Object& object, const ActorTable& actors) {
  StringState state;
  state.winner = object::winner(object, actors);
  const Element* string = object.find("");
  if (string == nullptr) return state;
  for (const Version& version : string->versions) {
    if (version.kind == Kind::counter) {
      const auto total = decode_total(version.payload.view());
      if (total) state.latest.raise({version.dot, *total});
    } else if (!version.baseline.empty()) {
      const Baseline baseline = baseline_of(version);
      state.erased.join(baseline.erased);
      state.latest.join(baseline.erased);
      state.latest.join(baseline.absorbed);
      if (&version == state.winner) state.absorbed = baseline.absorbed;
    }
  }
  state.counted = !state.latest.later_than(state.accounted()).empty();
  return state;
}

Totals StringState::accounted() const {
  Totals totals = erased;
  totals.join(absorbed);
  return totals;
}

std::expected<int64_t, CounterError> StringState::value() const {
  Int128 sum = 0;
  if (winner != nullptr) {
    const auto integer =
        winner->kind == Kind::raw ? parse_integer(winner->payload.view()) : std::nullopt;
    if (!integer) return std::unexpected(CounterError::not_an_integer);
    sum = *integer;
  }
  const Totals before = accounted();
  const Totals on_top = latest.later_than(before);
  for (const ActorTotal& item : on_top.items()) {
    const ActorTotal* base = before.find(item.dot.actor);
    const Int128 counts = base == nullptr ? item.total : item.total - base->total;
    if (__builtin_add_overflow(sum, counts, &sum)) return std::unexpected(CounterError::overflow);
  }
  if (sum < INT64_MIN || sum > INT64_MAX) return std::unexpected(CounterError::overflow);
  return static_cast<int64_t>(sum);
}

Totals all_totals(const Object& object) {
  Totals totals;
  const Element* string = object.find("");
  if (string == nullptr) return totals;
  for (const Version& version : string->versions) {
    if (version.kind == Kind::counter) {
      const auto total = decode_total(version.payload.view());
      if (total) totals.raise({version.dot, *total});
    } else if (!version.baseline.empty()) {
      const Baseline baseline = baseline_of(version);
      totals.join(baseline.erased);
      totals.join(baseline.absorbed);
    }
  }
  return totals;
}

}  // namespace quorate::object
