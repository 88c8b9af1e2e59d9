// What ShardStore does when there are replicas: own changes that they hear of, and theirs.
//
// Each has a short way for simple entries, which builds no object, and a long one through object::
// for all others. A record says the key's whole new state and the dots it brings, so replaying it
// is as for a lone node: once, in order. The exception is a state that brings no new dot, for which
// no clock tells whether the row has it: its object is logged (`joined`) and merged once more,
// which does no harm.
#include <algorithm>
#include <cassert>
#include <utility>

#include "quorate/object/string_object.h"
#include "quorate/storage/shard_store.h"
#include "quorate/storage/stored_object.h"

namespace quorate::storage {
namespace {

using object::ChangeKind;

bool is_bare_tombstone(const Entry& entry) {
  return entry.form() == Form::tombstone && entry.payload().empty();
}

// Of one actor, without expiry: as object.h has contributions.
bool is_contribution(const Entry& entry) {
  return entry.form() == Form::counter && entry.expiry_ms() == 0;
}

std::optional<object::Object> object_of(const Entry* entry) {
  if (entry == nullptr) return std::nullopt;
  return object_of(entry->state());
}

bool is_same(const EntryState& a, const EntryState& b) {
  const bool simple = a.form == Form::raw || a.form == Form::counter;
  return a.form == b.form && a.expiry_ms == b.expiry_ms && a.payload == b.payload &&
         (!simple || (a.dot == b.dot && a.hlc == b.hlc));
}

bool is_only(const object::CausalContext& dots, object::Dot dot) {
  return dots.runs().size() == 1 && dots.runs().front().first == dots.runs().front().last &&
         dots.covers(dot);
}

bool shows_unseen(const object::Object& object, const object::CausalContext& seen) {
  return !object::uncovered_part(object, seen).elements.empty();
}

}  // namespace

void ShardStore::set_observer(ChangeObserver* observer) {
  observer_ = observer;
  replicated_ = observer_ != nullptr || keeps_tombstones_;
}

void ShardStore::set_keeps_tombstones(bool on) {
  keeps_tombstones_ = on;
  replicated_ = observer_ != nullptr || keeps_tombstones_;
}

// The slot clock as objects of (slot, db) know it: what a flush covered was seen by every key
// there.
object::SlotClock ShardStore::clock_for(uint16_t slot, uint16_t db) const {
  object::CausalContext clock = clocks_.clock(slot);
  if (flushed_ahead(slot, db)) clock.join(flushed_.at({slot, db}).context);
  return object::SlotClock(std::move(clock));
}

// ---- own changes

object::Change ShardStore::described(const object::Key& key, const EntryState& state) const {
  object::Change change;
  change.slot = key.slot;
  change.db = key.db;
  change.key = key.name;
  change.dot = state.dot;
  change.hlc = state.hlc;
  switch (state.form) {
    case Form::raw:
      change.kind = ChangeKind::raw;
      change.expiry_ms = state.expiry_ms;
      change.payload = state.payload;
      break;
    case Form::counter:
      change.kind = ChangeKind::counter;
      change.total = decode_counter(state.payload);
      break;
    case Form::tombstone:
      change.kind = ChangeKind::remove;
      break;
    case Form::encoded:
      assert(false);
  }
  return change;
}

// The new state is simple and supersedes what a simple entry shows.
Entry* ShardStore::change_simply(const object::Key& key, Entry* before, const EntryState& state) {
  const object::Dot superseded = is_visible(before) ? before->dot() : object::Dot{};
  log(RecordType::put, before_of(key, before), key, state);
  if (observer_ != nullptr) {
    object::Change change = described(key, state);
    if (superseded.n != 0) change.superseded = {&superseded, 1};
    observer_->changed(change);
  }
  return store(key, before, state);
}

// What the key has become by changes with these dots. A simple state names one dot: if that is not
// the change's (a sibling was removed, another is left), replay must be told.
void ShardStore::log_state(const object::Key& key, const Entry* before, const EntryState& state,
                           const object::CausalContext& dots) {
  if (is_only(dots, state.dot)) return log(RecordType::put, before_of(key, before), key, state);
  std::string encoded;
  dots.encode(encoded);
  log(RecordType::merged, before_of(key, before), key, state, encoded);
}

// `write(object, dot, hlc)` gives the delta of what the key becomes.
template <class Write>
Entry* ShardStore::change_object(const object::Key& key, Entry* before, Write&& write) {
  const object::Object object = object_of(before).value_or(object::Object{});
  const object::Hlc hlc = hlc_.next_after(before != nullptr ? before->hlc() : 0, now_ms());
  return commit_delta(key, before, object, write(object, clocks_.next(key.slot), hlc), hlc);
}

Entry* ShardStore::commit_delta(const object::Key& key, Entry* before, const object::Object& object,
                                const object::Delta& delta, object::Hlc hlc) {
  // Before the clock has the dot: as the object knows it.
  object::SlotClock clock = clock_for(key.slot, key.db);
  const object::Object after = object::apply(&object, delta, clock);
  const object::Dot dot = clocks_.issue(key.slot);
  assert(is_only(delta.dots, dot));
  std::string payload;
  const EntryState state = entry_state_of(after, actors_, dot, hlc, payload);
  note_context(key, state);
  log_state(key, before, state, delta.dots);
  if (observer_ != nullptr) {
    object::Change change = change_of(delta, dot, hlc, change_payload_, superseded_);
    change.slot = key.slot;
    change.db = key.db;
    change.key = key.name;
    observer_->changed(change);
  }
  return store(key, before, state);
}

Entry* ShardStore::put_replicated(const object::Key& key, Entry* before, const Value& value) {
  assert(value.form == Form::raw);
  if (before == nullptr || before->form() == Form::raw || is_bare_tombstone(*before)) {
    return change_simply(key, before, next_state(key, before, value));
  }
  return change_object(key, before, [&](const auto& object, object::Dot dot, object::Hlc hlc) {
    return object::write_string(object, dot, hlc, object::Blob::make(value.payload),
                                value.expiry_ms);
  });
}

void ShardStore::remove_replicated(const object::Key& key, Entry* before) {
  if (before->form() == Form::raw) {
    change_simply(key, before, next_state(key, before, Value{Form::tombstone, 0, {}}));
    return;
  }
  change_object(key, before, [](const auto& object, object::Dot dot, object::Hlc hlc) {
    return object::erase(object, dot, hlc);
  });
}

void ShardStore::set_expiry_replicated(const object::Key& key, Entry* entry, uint64_t expiry_ms) {
  if (entry->form() == Form::raw) {
    change_simply(key, entry, next_state(key, entry, {Form::raw, expiry_ms, entry->payload()}));
    return;
  }
  const object::Object object = *object_of(entry);
  const object::Hlc hlc = hlc_.next_after(entry->hlc(), now_ms());
  const auto delta = object::set_expiry(object, actors_, clocks_.next(key.slot), hlc, expiry_ms);
  // A sum beyond 64 bits, which nobody can read, keeps its expiry.
  if (delta) commit_delta(key, entry, object, *delta, hlc);
}

std::expected<int64_t, object::CounterError> ShardStore::increment(const object::Key& key,
                                                                   Entry* before, int64_t amount) {
  assert(replicated_);
  const bool ours =
      before != nullptr && is_contribution(*before) && before->dot().actor == shape_.actor;
  if (before == nullptr || is_bare_tombstone(*before) || ours) {
    int64_t total = ours ? decode_counter(before->payload()) : 0;
    if (__builtin_add_overflow(total, amount, &total)) {
      return std::unexpected(object::CounterError::overflow);
    }
    const std::string payload = encode_counter(total);
    change_simply(key, before, next_state(key, before, {Form::counter, 0, payload}));
    return total;
  }
  const object::Object object = *object_of(before);
  const object::Hlc hlc = hlc_.next_after(before->hlc(), now_ms());
  const auto done = object::increment(object, actors_, clocks_.next(key.slot), hlc, amount);
  if (!done) return std::unexpected(done.error());
  commit_delta(key, before, object, done->delta, hlc);
  return done->value;
}

// ---- changes on top of what a client has seen; what covers all of it is a plain one

Entry* ShardStore::put_beside(const object::Key& key, Entry* before, const Value& value,
                              const object::CausalContext& seen) {
  const bool beside = before != nullptr && shows_unseen(*object_of(before), seen);
  if (!beside) return put(key, before, value);
  return change_object(key, before, [&](const auto& object, object::Dot dot, object::Hlc hlc) {
    return object::write_string(object::covered_part(object, seen), dot, hlc,
                                object::Blob::make(value.payload), value.expiry_ms);
  });
}

Entry* ShardStore::remove_seen(const object::Key& key, Entry* before,
                               const object::CausalContext& seen) {
  if (!is_visible(before)) return before;
  const object::Object object = *object_of(before);
  if (object::covered_part(object, seen).elements.empty()) return before;
  if (!shows_unseen(object, seen)) {
    remove(key, before);
    return find(key);
  }
  return change_object(key, before, [&](const auto& whole, object::Dot dot, object::Hlc hlc) {
    return object::erase(object::covered_part(whole, seen), dot, hlc);
  });
}

// ---- changes of others

// Whether the change, which is not covered, leaves a simple entry with just what it says.
bool ShardStore::replaces(const object::Change& change, const Entry* before) const {
  if (change.kind > ChangeKind::remove) return false;
  if (flushed_ahead(change.slot, change.db)) return false;
  if (change.kind == ChangeKind::counter &&
      (change.total < INT64_MIN || change.total > INT64_MAX)) {
    return false;
  }
  for (const object::Dot dot : change.superseded) {
    if (!clocks_.covers(change.slot, dot)) return false;
  }
  if (before == nullptr || is_bare_tombstone(*before)) return true;
  if (before->form() != Form::raw && !is_contribution(*before)) return false;
  return std::ranges::find(change.superseded, before->dot()) != change.superseded.end();
}

runtime::Status ShardStore::apply(const object::Change& change, bool all_loaded) {
  if (change.kind <= ChangeKind::remove && clocks_.covers(change.slot, change.dot)) return {};
  if (object::is_flush(change.kind)) return apply_flush(change, all_loaded);
  const object::Key key{change.key, object::key_hash(change.key, shape_.hash_seed), change.slot,
                        change.db};
  Entry* before = find(key);
  if (!replaces(change, before)) return apply_merging(key, before, change);
  (void)hlc_.observe(change.hlc, now_ms());
  EntryState state{Form::raw, change.dot, change.hlc, change.expiry_ms, change.payload};
  if (change.kind == ChangeKind::counter) {
    scratch_ = encode_counter(static_cast<int64_t>(change.total));
    state.form = Form::counter;
    state.payload = scratch_;
  } else if (change.kind == ChangeKind::remove) {
    state.form = Form::tombstone;
    state.payload = {};
  }
  clocks_.add(change.slot, change.dot);
  log(RecordType::put, before_of(key, before), key, state);
  store(key, before, state);
  return {};
}

runtime::Status ShardStore::apply_merging(const object::Key& key, Entry* before,
                                          const object::Change& change) {
  const auto delta = object::delta_of(change);
  if (!delta) return std::unexpected(delta.error());
  (void)hlc_.observe(change.hlc, now_ms());
  if (clocks_.covers(key.slot, delta->dots)) {
    if (change.kind == ChangeKind::state) {
      join(key, before, delta->change, change.dot, change.hlc);
    }
    return {};
  }
  // What is absent, though the clock has dots of it, is a tombstone that nobody needs any more: a
  // state must not bring those back. To a delta, whose dots are new, it makes no difference. This
  // is object::apply(), except that a flush may cover a delta that still supersedes something.
  object::SlotClock clock = clock_for(key.slot, key.db);
  const object::Object record = object_of(before).value_or(object::Object{});
  object::Object after = object::apply_state(&record, delta->change, clock);
  clock.join(delta->dots);
  after = object::at_rest(std::move(after), clock);
  const object::Hlc hlc = std::max(change.hlc, before != nullptr ? before->hlc() : 0);
  const EntryState state = entry_state_of(after, actors_, change.dot, hlc, scratch_);
  note_context(key, state);
  clocks_.join(key.slot, delta->dots);
  log_state(key, before, state, delta->dots);
  store(key, before, state);
  return {};
}

EntryState ShardStore::joined_state(const object::Key& key, const Entry* before,
                                    const object::Object& full, object::Dot dot, object::Hlc hlc) {
  const object::SlotClock clock = clock_for(key.slot, key.db);
  const object::Object record = object_of(before).value_or(object::Object{});
  const object::Object after = object::apply_state(&record, full, clock);
  if (before != nullptr) {
    dot = before->dot();
    hlc = std::max(hlc, before->hlc());
  }
  return entry_state_of(after, actors_, dot, hlc, scratch_);
}

// Merges what brings no new dot.
void ShardStore::join(const object::Key& key, Entry* before, const object::Object& full,
                      object::Dot dot, object::Hlc hlc) {
  const EntryState state = joined_state(key, before, full, dot, hlc);
  if (before == nullptr && storage::is_bare_tombstone(state.form, state.payload)) return;
  if (before != nullptr && is_same(before->state(), state)) return;
  note_context(key, state);
  std::string object;
  full.encode(object);
  EntryState logged;
  logged.dot = dot;
  logged.hlc = hlc;
  log(RecordType::joined, Before::unknown, key, logged, object);
  store(key, before, state);
}

std::optional<object::Change> ShardStore::state_of(const object::Key& key,
                                                   std::string& scratch) const {
  const Entry* entry = find(key);
  if (entry == nullptr) return std::nullopt;
  object::Delta full;
  full.change = object::filled_in(*object_of(entry), clock_for(key.slot, key.db));
  full.dots.add(entry->dot());
  for (const object::Element& element : full.change.elements) {
    for (const object::Version& version : element.versions) full.dots.add(version.dot);
  }
  full.change.seen.join(full.dots);
  scratch.clear();
  full.encode(scratch);
  object::Change change;
  change.kind = ChangeKind::state;
  change.slot = key.slot;
  change.db = key.db;
  change.dot = entry->dot();
  change.hlc = entry->hlc();
  change.key = entry->key();
  change.payload = scratch;
  return change;
}

runtime::Status ShardStore::adopt_clock(uint16_t slot, const object::CausalContext& dots) {
  const object::CausalContext clock = clocks_.clock(slot);
  if (clock.covers(dots)) return {};
  if (dots.last(shape_.actor) > clock.last(shape_.actor)) {
    return runtime::fail("another node has changes of slot " + std::to_string(slot) +
                         " that this one made and lost");
  }
  object::Key place;
  place.slot = slot;
  std::string context;
  dots.encode(context);
  log(RecordType::clock, Before::unknown, place, {}, context);
  clocks_.join(slot, dots);
  return {};
}

// ---- recovery

runtime::Status ShardStore::replay_merged(const Record& record) {
  (void)hlc_.next_after(record.state.hlc, now_ms());
  if (record.type == RecordType::flushed || record.type == RecordType::clock) {
    const auto context = object::CausalContext::decode(record.context);
    if (!context) return std::unexpected(context.error());
    if (record.type == RecordType::clock) {
      clocks_.join(record.slot, *context);
      return {};
    }
    if (record.state.dot.n != 0) clocks_.add(record.slot, record.state.dot);
    note_flushed(record.db, record.slot, *context);
    return {};
  }
  const object::Key key = key_of(record);
  if (record.type == RecordType::joined) {
    const auto object = object::Object::decode(record.context);
    if (!object) return std::unexpected(object.error());
    Entry* before = find(key);
    const EntryState state = joined_state(key, before, *object, record.state.dot, record.state.hlc);
    if (before == nullptr && storage::is_bare_tombstone(state.form, state.payload)) return {};
    note_context(key, state);
    store(key, before, state);
    return {};
  }
  const auto dots = object::CausalContext::decode(record.context);
  if (!dots) return std::unexpected(dots.error());
  if (clocks_.covers(record.slot, *dots)) return {};
  Entry* before = find(key);
  if (before == nullptr) before = stand_in(key, record);
  clocks_.join(record.slot, *dots);
  note_context(key, record.state);
  store(key, before, record.state);
  return {};
}

}  // namespace quorate::storage
