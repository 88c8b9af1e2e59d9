#include "quorate/object/string_object.h"

#include <algorithm>
#include <string>

#include "string_state.h"

namespace quorate::object {

namespace {

bool holds_value(const Version& version) {
  return version.kind == Kind::raw || version.kind == Kind::hyperloglog;
}

bool has_absorbed(const Version& version) {
  const auto baseline = Baseline::decode(version.baseline.view());
  return baseline && !baseline->absorbed.empty();
}

// Written by EXPIREs of one value: the same bytes, or each with the increments its writer had seen.
bool same_value(const Version& a, const Version& b) {
  return a.kind == b.kind && (a.payload == b.payload || (has_absorbed(a) && has_absorbed(b)));
}

uint64_t longer(uint64_t a_ms, uint64_t b_ms) {
  return a_ms == 0 || b_ms == 0 ? 0 : std::max(a_ms, b_ms);
}

uint64_t effective_expiry_ms(const Object& object, const Version& winner) {
  uint64_t expiry_ms = winner.expiry_ms;
  const Element::Versions& versions = object.find("")->versions;
  if (versions.size() == 1) return expiry_ms;
  for (const Version& version : versions) {
    if (holds_value(version) && same_value(version, winner)) {
      expiry_ms = longer(expiry_ms, version.expiry_ms);
    }
  }
  return expiry_ms;
}

}  // namespace

bool is_newer(const Version& a, const Version& b, const ActorTable& actors) {
  return a.hlc > b.hlc || (a.hlc == b.hlc && actors.compare(a.dot, b.dot) > 0);
}

const Version* winner(const Object& object, const ActorTable& actors) {
  const Element* string = object.find("");
  if (string == nullptr) return nullptr;
  const Version* best = nullptr;
  for (const Version& version : string->versions) {
    if (!holds_value(version)) continue;
    if (best == nullptr || is_newer(version, *best, actors)) best = &version;
  }
  return best;
}

CausalContext losers(const Object& object, const ActorTable& actors) {
  CausalContext dots;
  const StringState state = StringState::of(object, actors);
  if (state.winner == nullptr) return dots;
  for (const Version& version : object.find("")->versions) {
    if (!holds_value(version) || &version == state.winner) continue;
    const auto baseline = Baseline::decode(version.baseline.view());
    const bool counts = baseline && !baseline->absorbed.later_than(state.erased).empty();
    const uint64_t own_ms = state.winner->expiry_ms;
    const bool lasts =
        same_value(version, *state.winner) && longer(own_ms, version.expiry_ms) != own_ms;
    if (!counts && !lasts) dots.add(version.dot);
  }
  return dots;
}

std::size_t count_values(const Object& object) {
  const Element* string = object.find("");
  if (string == nullptr) return 0;
  return static_cast<std::size_t>(std::ranges::count_if(string->versions, holds_value));
}

std::vector<SiblingValue> read_siblings(const Object& object, const ActorTable& actors) {
  std::vector<SiblingValue> values;
  if (const Element* string = object.find("")) {
    for (const Version& version : string->versions) {
      if (holds_value(version)) values.push_back({version.payload, version.expiry_ms, &version});
    }
  }
  std::ranges::sort(values, [&](const SiblingValue& a, const SiblingValue& b) {
    return is_newer(*a.version, *b.version, actors);
  });
  const auto read = read_string(object, actors);
  if (!read || !*read) return values;  // beyond 64 bits: what was written, without increments
  if (values.empty()) values.emplace_back();
  values.front().bytes = (*read)->bytes;
  return values;
}

std::expected<std::optional<StringValue>, CounterError> read_string(const Object& object,
                                                                    const ActorTable& actors) {
  const StringState state = StringState::of(object, actors);
  if (!state.exists()) return std::nullopt;
  StringValue read;
  if (state.winner != nullptr) {
    read = {state.winner->payload, effective_expiry_ms(object, *state.winner), state.winner->kind};
  }
  if (!state.counted) return read;
  const auto value = state.value();
  if (value) {
    read.bytes = Blob::make(std::to_string(*value));
  } else if (value.error() == CounterError::overflow) {
    return std::unexpected(value.error());
  }
  return read;
}

std::optional<uint64_t> read_expiry(const Object& object, const ActorTable& actors) {
  const StringState state = StringState::of(object, actors);
  if (!state.exists()) return std::nullopt;
  return state.winner == nullptr ? 0 : effective_expiry_ms(object, *state.winner);
}

Delta write_string(const Object& object, Dot dot, Hlc hlc, BlobRef payload, uint64_t expiry_ms,
                   Kind kind) {
  Delta delta;
  delta.write("", Version{.dot = dot,
                          .hlc = hlc,
                          .expiry_ms = expiry_ms,
                          .payload = std::move(payload),
                          .baseline = Baseline{all_totals(object), {}}.encode(),
                          .kind = kind});
  delta.supersede_all(object);
  return delta;
}

Delta erase(const Object& object, Dot dot, Hlc hlc) {
  Delta delta;
  BlobRef baseline = Baseline{all_totals(object), {}}.encode();
  if (baseline.empty()) {
    delta.remove(dot);
  } else {
    delta.write("", Version{.dot = dot,
                            .hlc = hlc,
                            .expiry_ms = 0,
                            .payload = {},
                            .baseline = std::move(baseline),
                            .kind = Kind::reset});
  }
  delta.supersede_all(object);
  return delta;
}

std::expected<Delta, CounterError> set_expiry(const Object& object, const ActorTable& actors,
                                              Dot dot, Hlc hlc, uint64_t expiry_ms) {
  const auto value = read_string(object, actors);
  if (!value) return std::unexpected(value.error());
  const StringState state = StringState::of(object, actors);
  const Baseline baseline{state.erased, state.latest.later_than(state.erased)};
  Delta delta;
  delta.write("", Version{.dot = dot,
                          .hlc = hlc,
                          .expiry_ms = expiry_ms,
                          .payload = (*value)->bytes,
                          .baseline = baseline.encode(),
                          .kind = (*value)->kind});
  delta.supersede_all(object);
  return delta;
}

}  // namespace quorate::object
