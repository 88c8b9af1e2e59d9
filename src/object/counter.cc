#include "quorate/object/counter.h"

#include <charconv>
#include <string>

#include "quorate/object/string_object.h"

#include "string_state.h"

namespace quorate::object {

namespace {

// The sum that takes the place of all siblings, with the increment in it.
Delta resolved(const Object& object, const ActorTable& actors, const StringState& state,
               const ActorTotal& own, Hlc hlc, int64_t value) {
  Baseline baseline{state.erased, state.latest.later_than(state.erased)};
  baseline.absorbed.raise(own);
  Delta delta;
  delta.write("", Version{.dot = own.dot,
                          .hlc = hlc,
                          .expiry_ms = read_expiry(object, actors).value_or(0),
                          .payload = Blob::make(std::to_string(value)),
                          .baseline = baseline.encode(),
                          .kind = Kind::raw});
  delta.supersede_all(object);
  return delta;
}

}  // namespace

std::optional<int64_t> parse_integer(std::string_view text) {
  int64_t value = 0;
  const char* end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, value);
  if (error != std::errc{} || stop != end) return std::nullopt;
  // from_chars takes leading zeros and "-0", which printing never gives.
  const std::string_view digits = text.substr(text.front() == '-' ? 1 : 0);
  if (digits.front() == '0' && text.size() > 1) return std::nullopt;
  return value;
}

std::expected<int64_t, CounterError> counter_value(const Object& object, const ActorTable& actors) {
  return StringState::of(object, actors).value();
}

std::expected<Increment, CounterError> increment(const Object& object, const ActorTable& actors,
                                                 Dot dot, Hlc hlc, int64_t amount) {
  const StringState state = StringState::of(object, actors);
  auto value = state.value();
  if (!value) return std::unexpected(value.error());
  const ActorTotal* own = state.latest.find(dot.actor);
  Int128 total = own == nullptr ? 0 : own->total;
  total += amount;
  if (__builtin_add_overflow(*value, amount, &*value) || total > kMaxTotal || total < -kMaxTotal) {
    return std::unexpected(CounterError::overflow);
  }
  Increment result;
  result.value = *value;
  if (count_values(object) > 1) {
    result.delta = resolved(object, actors, state, {dot, total}, hlc, *value);
    return result;
  }
  result.delta.write("", Version{.dot = dot,
                                 .hlc = hlc,
                                 .expiry_ms = 0,
                                 .payload = encode_total(total),
                                 .baseline = {},
                                 .kind = Kind::counter});
  if (const Element* string = object.find("")) {
    for (const Version& version : string->versions) {
      if (version.kind == Kind::counter && version.dot.actor == dot.actor) {
        result.delta.supersede(version.dot);
      }
    }
  }
  return result;
}

}  // namespace quorate::object
