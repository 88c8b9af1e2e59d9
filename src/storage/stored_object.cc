#include "quorate/storage/stored_object.h"

#include <algorithm>
#include <cassert>
#include <cstring>
#include <optional>
#include <spdlog/spdlog.h>
#include <utility>

#include "quorate/object/baseline.h"
#include "quorate/object/string_object.h"

namespace quorate::storage {
namespace {

constexpr size_t kCounterBytes = 16;

// The version, if it is all there is and a simple entry can hold it.
const object::Version* only_version(const object::Object& object) {
  if (!object.seen.empty() || object.elements.size() != 1) return nullptr;
  const object::Element& element = object.elements.front();
  if (!element.id.empty() || element.versions.size() != 1) return nullptr;
  const object::Version& version = element.versions.front();
  return version.baseline.empty() ? &version : nullptr;
}

// Total of a contribution that fits a simple entry.
std::optional<int64_t> small_total(const object::Version& version) {
  const auto total = object::decode_total(version.payload.view());
  if (!total || *total < INT64_MIN || *total > INT64_MAX) return std::nullopt;
  return static_cast<int64_t>(*total);
}

object::Object with_version(object::Version version) {
  object::Object object;
  object.elements.push_back({"", {}});
  object.elements.front().versions.push_back(std::move(version));
  return object;
}

}  // namespace

std::string encode_counter(int64_t total) {
  std::string bytes(kCounterBytes, total < 0 ? '\xff' : '\0');
  std::memcpy(bytes.data(), &total, sizeof total);
  return bytes;
}

int64_t decode_counter(std::string_view payload) {
  assert(payload.size() == kCounterBytes);
  int64_t total = 0;
  std::memcpy(&total, payload.data(), sizeof total);
  return total;
}

object::Object object_of(const EntryState& state) {
  object::Version version{.dot = state.dot,
                          .hlc = state.hlc,
                          .expiry_ms = state.expiry_ms,
                          .payload = {},
                          .baseline = {},
                          .kind = object::Kind::raw};
  if (state.form == Form::raw) {
    version.payload = object::Blob::make(state.payload);
    return with_version(std::move(version));
  }
  if (state.form == Form::counter) {
    const int64_t total = decode_counter(state.payload);
    if (state.expiry_ms != 0) {
      version.payload = object::Blob::make(std::to_string(total));
    } else {
      version.kind = object::Kind::counter;
      version.payload = object::encode_total(total);
    }
    return with_version(std::move(version));
  }
  if (state.payload.empty()) return {};
  auto object = object::Object::decode(state.payload);
  if (object) return *std::move(object);
  spdlog::error("A stored object cannot be read: {}", object.error().message);
  return {};
}

EntryState entry_state_of(const object::Object& object, const object::ActorTable& actors,
                          object::Dot dot, object::Hlc hlc, std::string& scratch) {
  EntryState state;
  scratch.clear();
  if (const object::Version* version = only_version(object)) {
    const auto total =
        version->kind == object::Kind::counter ? small_total(*version) : std::nullopt;
    if (version->kind == object::Kind::raw || total) {
      scratch = total ? encode_counter(*total) : std::string(version->payload.view());
      state.form = total ? Form::counter : Form::raw;
      state.dot = version->dot;
      state.hlc = version->hlc;
      state.expiry_ms = version->expiry_ms;
      state.payload = scratch;
      return state;
    }
  }
  const auto expiry_ms = object::read_expiry(object, actors);
  state.form = expiry_ms ? Form::encoded : Form::tombstone;
  state.dot = dot;
  state.hlc = std::max(hlc, object.highest_hlc());
  state.expiry_ms = expiry_ms.value_or(0);
  if (!object.elements.empty() || !object.seen.empty()) object.encode(scratch);
  state.payload = scratch;
  return state;
}

object::Change change_of(const object::Delta& delta, object::Dot dot, object::Hlc hlc,
                         std::string& payload, std::vector<object::Dot>& superseded) {
  object::Change change;
  change.kind = object::ChangeKind::delta;
  change.dot = dot;
  change.hlc = hlc;
  payload.clear();
  superseded.clear();
  const object::Object alone{{}, delta.change.elements};
  const object::Version* version = only_version(alone);
  if (delta.change.elements.empty()) {
    change.kind = object::ChangeKind::remove;
  } else if (version != nullptr && version->kind == object::Kind::raw) {
    change.kind = object::ChangeKind::raw;
    change.expiry_ms = version->expiry_ms;
    payload = version->payload.view();
  } else if (version != nullptr && version->kind == object::Kind::counter) {
    change.kind = object::ChangeKind::counter;
    change.total = object::decode_total(version->payload.view()).value_or(0);
  } else {
    delta.encode(payload);
  }
  change.payload = payload;
  if (change.kind == object::ChangeKind::delta) return change;
  const object::CausalContext others = delta.change.seen.without(delta.dots);
  for (const auto& run : others.runs()) {
    for (uint64_t n = run.first; n <= run.last; ++n) superseded.push_back({run.actor, n});
  }
  change.superseded = superseded;
  return change;
}

}  // namespace quorate::storage
