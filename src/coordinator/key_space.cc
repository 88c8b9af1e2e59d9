#include "quorate/coordinator/key_space.h"

#include <algorithm>
#include <array>
#include <cassert>
#include <charconv>
#include <cstring>

#include "quorate/object/string_object.h"
#include "quorate/storage/stored_object.h"

namespace quorate::coordinator {
namespace {

using storage::Entry;
using storage::Form;

constexpr size_t kTotalBytes = 16;
constexpr const char* kNotAnInteger = "value is not an integer or out of range";
constexpr const char* kWouldOverflow = "increment or decrement would overflow";

int64_t counter_total(std::string_view payload) {
  int64_t total = 0;
  assert(payload.size() == kTotalBytes);
  std::memcpy(&total, payload.data(), sizeof total);
  return total;
}

// Two's complement, little endian, as Form::counter says.
std::array<char, kTotalBytes> encode_total(int64_t total) {
  std::array<char, kTotalBytes> bytes{};
  std::memset(bytes.data(), total < 0 ? 0xff : 0, bytes.size());
  std::memcpy(bytes.data(), &total, sizeof total);
  return bytes;
}

storage::EntryState foreign_state(std::string_view payload, uint64_t expiry_ms, Form form) {
  storage::EntryState state;
  state.form = form;
  state.expiry_ms = expiry_ms;
  state.payload = payload;
  return state;
}

}  // namespace

ForeignKey::ForeignKey(const object::Key& of, const Entry* source) : name(of.name), key(of) {
  key.name = name;
  if (source != nullptr) entry.reset(Entry::make(name, source->state()));
  existed = source != nullptr && source->form() != Form::tombstone;
}

void ForeignKey::note(Change next) {
  change = change == Change::none || change == next ? next : Change::value;
}

ForeignKey::ForeignKey(ForeignKey&& other) noexcept
    : name(std::move(other.name)),
      key(other.key),
      entry(std::move(other.entry)),
      existed(other.existed),
      change(other.change),
      added(other.added) {
  key.name = name;  // a short name moves with its string
}

ForeignKey& KeySpace::foreign(const object::Key& key) {
  const auto at = std::find_if(foreign_->begin(), foreign_->end(),
                               [&](const ForeignKey& of) { return of.key == key; });
  assert(at != foreign_->end());
  return *at;
}

KeyRef KeySpace::open(const object::Key& key, Touch touch) {
  KeyRef ref{key, nullptr, false};
  if (is_foreign(key)) [[unlikely]] {
    ref.entry = foreign(key).entry.get();
    ref.exists = ref.entry != nullptr && ref.entry->live_at(now_ms());
    return ref;
  }
  ref.entry = store_.find(key);
  if (ref.entry == nullptr) return ref;
  if (ref.entry->live_at(now_ms())) [[likely]] {
    ref.exists = true;
    if (touch == Touch::yes) store_.touch(ref.entry);
    return ref;
  }
  // With a full disk an expired key stays, unseen: its removal could not be recorded.
  if (store_.write_refusal().empty() && store_.expire_if_due(key, ref.entry)) {
    ref.entry = store_.find(key);
  }
  return ref;
}

std::string_view KeySpace::text(const KeyRef& ref, std::string& scratch) const {
  switch (ref.entry->form()) {
    case Form::raw:
      return ref.payload();
    case Form::counter:
      scratch = std::to_string(counter_total(ref.payload()));
      return scratch;
    case Form::encoded: {
      const auto object = object::Object::decode(ref.payload());
      if (!object) return {};
      if (object::count_values(*object) > 1) ++siblings_seen_;
      const auto value = object::read_string(*object, actors_);
      if (!value || !*value) return {};
      scratch = (*value)->bytes.view();
      return scratch;
    }
    case Form::tombstone:
      break;
  }
  return {};
}

void KeySpace::put(KeyRef& ref, std::string_view payload, uint64_t expiry_ms, Form form) {
  if (is_foreign(ref.key)) [[unlikely]] {
    ForeignKey& of = foreign(ref.key);
    of.entry.reset(Entry::make(of.name, foreign_state(payload, expiry_ms, form)));
    of.change = ForeignKey::Change::value;
    ref.entry = of.entry.get();
  } else {
    ref.entry = store_.put(ref.key, ref.entry, {form, expiry_ms, payload});
  }
  ref.exists = true;
}

void KeySpace::remove(KeyRef& ref) {
  assert(ref.exists);
  if (is_foreign(ref.key)) [[unlikely]] {
    ForeignKey& of = foreign(ref.key);
    of.entry.reset();
    of.change = ForeignKey::Change::value;
  } else {
    store_.remove(ref.key, ref.entry);
  }
  ref.entry = nullptr;
  ref.exists = false;
}

void KeySpace::set_expiry(KeyRef& ref, uint64_t expiry_ms) {
  assert(ref.exists);
  if (is_foreign(ref.key)) [[unlikely]] {
    ref.entry->set_expiry(expiry_ms, {}, 0);
    foreign(ref.key).note(ForeignKey::Change::expiry);
  } else {
    store_.set_expiry(ref.key, ref.entry, expiry_ms);
  }
}

object::Object KeySpace::object(const KeyRef& ref) const {
  assert(!is_foreign(ref.key));
  if (!ref.exists) return {};
  object::Object object = storage::object_of(ref.entry->state());
  if (object::count_values(object) > 1) ++siblings_seen_;
  return object;
}

object::CausalContext KeySpace::seen(const KeyRef& ref) const {
  assert(!is_foreign(ref.key));
  if (ref.entry == nullptr) return {};
  const object::Object object = storage::object_of(ref.entry->state());
  object::CausalContext seen = object.seen;
  seen.add(ref.entry->dot());
  for (const object::Element& element : object.elements) {
    for (const object::Version& version : element.versions) seen.add(version.dot);
  }
  return seen;
}

void KeySpace::put_beside(KeyRef& ref, std::string_view payload, uint64_t expiry_ms,
                          const object::CausalContext& seen) {
  assert(!is_foreign(ref.key));
  ref.entry = store_.put_beside(ref.key, ref.entry, {Form::raw, expiry_ms, payload}, seen);
  ref.exists = ref.entry->live_at(now_ms());
}

void KeySpace::remove_seen(KeyRef& ref, const object::CausalContext& seen) {
  assert(!is_foreign(ref.key));
  ref.entry = store_.remove_seen(ref.key, ref.entry, seen);
  ref.exists = ref.entry != nullptr && ref.entry->live_at(now_ms());
}

bool KeySpace::supersede_losers(KeyRef& ref) {
  if (is_foreign(ref.key) || !ref.exists || ref.entry->form() != Form::encoded) return false;
  const object::CausalContext seen =
      object::losers(storage::object_of(ref.entry->state()), actors_);
  if (seen.empty()) return false;
  remove_seen(ref, seen);
  return true;
}

std::optional<int64_t> KeySpace::integer(const KeyRef& ref) const {
  if (ref.entry->form() == Form::counter) return counter_total(ref.payload());
  std::string scratch;
  return object::parse_integer(text(ref, scratch));
}

// With replicas each actor has a total of its own, which object::increment() keeps.
runtime::Result<int64_t> KeySpace::increment_replicated(KeyRef& ref, int64_t amount) {
  const auto after = store_.increment(ref.key, ref.entry, amount);
  if (!after) {
    return runtime::fail(after.error() == object::CounterError::overflow ? kWouldOverflow
                                                                         : kNotAnInteger);
  }
  ref.entry = store_.find(ref.key);
  ref.exists = true;
  return *after;
}

runtime::Result<int64_t> KeySpace::increment(KeyRef& ref, int64_t amount) {
  if (!is_foreign(ref.key)) {
    return store_.replicated() ? increment_replicated(ref, amount) : increment_alone(ref, amount);
  }
  ForeignKey& of = foreign(ref.key);
  const ForeignKey::Change before = of.change;
  const auto after = increment_alone(ref, amount);
  if (!after) return after;
  // Its owner adds the same again, unless something else happened to the key.
  of.change = before;
  of.note(__builtin_add_overflow(of.added, amount, &of.added) ? ForeignKey::Change::value
                                                              : ForeignKey::Change::increment);
  return after;
}

void KeySpace::adopt(const ForeignKey& of) {
  assert(!is_foreign(of.key));
  KeyRef ref = open(of.key, Touch::no);
  if (of.entry == nullptr) {
    if (ref.exists) remove(ref);
    return;
  }
  const bool was_there = of.existed == ref.exists;
  if (of.change == ForeignKey::Change::expiry && was_there) {
    set_expiry(ref, of.entry->expiry_ms());
  } else if (of.change == ForeignKey::Change::increment && was_there) {
    [[maybe_unused]] const auto after = increment(ref, of.added);
    assert(after);  // it was possible there, and nothing came between
  } else {
    std::string scratch;
    const KeyRef copy{of.key, of.entry.get(), true};
    put(ref, text(copy, scratch), of.entry->expiry_ms());
  }
}

runtime::Result<int64_t> KeySpace::increment_alone(KeyRef& ref, int64_t amount) {
  int64_t before = 0;
  if (ref.exists) {
    const auto value = integer(ref);
    if (!value) return runtime::fail(kNotAnInteger);
    before = *value;
  }
  int64_t after = 0;
  if (__builtin_add_overflow(before, amount, &after)) {
    return runtime::fail(kWouldOverflow);
  }
  const uint64_t expiry_ms = ref.exists ? ref.expiry_ms() : 0;
  // Every replica has every dot while the node is alone, so contributions fold into one total; a
  // value that a client wrote stays the text that it is.
  if (!ref.exists || ref.entry->form() == Form::counter) {
    const auto total = encode_total(after);
    put(ref, {total.data(), total.size()}, expiry_ms, Form::counter);
  } else {
    std::array<char, 24> digits{};
    const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), after).ptr;
    put(ref, {digits.data(), static_cast<size_t>(end - digits.data())}, expiry_ms);
  }
  return after;
}

}  // namespace quorate::coordinator
