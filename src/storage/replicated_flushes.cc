// Flushes of a store with replicas: what they cover, is kept of it, and is told.
//
// A flush's context can be ahead of the slot clock: what it covers but is not here may come later,
// and must not show then. Until the clock covers it, it counts as seen by every key of its (slot,
// db): clock_for(). It is kept beyond that, because a replica that missed the flush still has the
// keys, and their absence here tells it nothing.
#include <utility>

#include "quorate/storage/shard_store.h"
#include "quorate/storage/stored_object.h"

#include "storage/residency.h"

namespace quorate::storage {
namespace {

using object::ChangeKind;

object::Object seen_only(object::CausalContext context) {
  object::Object object;
  object.seen = std::move(context);
  return object;
}

// What a key saw that its slot clock did not say when it was stored.
object::CausalContext context_of(const EntryState& state) {
  const bool simple = state.form == Form::raw || state.form == Form::counter;
  if (simple || state.payload.empty()) return {};
  return object_of(state).seen;
}

}  // namespace

// ---- own flushes

void ShardStore::tell_flush(uint16_t db, uint16_t slot, const EntryState& state) {
  object::Change change;
  change.kind = ChangeKind::flush;
  change.slot = slot;
  change.db = db;
  change.dot = state.dot;
  change.hlc = state.hlc;
  change_payload_.clear();
  clock_for(slot, db).have().encode(change_payload_);
  change.payload = change_payload_;
  observer_->changed(change);
}

// ---- flushes of others

bool ShardStore::flush_needs_keys(const object::Change& change) const {
  if (!table_.has_database(change.db) || table_.counts(change.db, change.slot).cold == 0) {
    return false;
  }
  if (change.kind == ChangeKind::flush && clocks_.covers(change.slot, change.dot)) return false;
  const auto context = object::CausalContext::decode(change.payload);
  if (!context) return false;
  if (change.kind == ChangeKind::flush) return !context->covers(clocks_.clock(change.slot));
  const auto known = flushed_.find({change.slot, change.db});
  return known == flushed_.end() || !known->second.context.covers(*context);
}

runtime::Status ShardStore::apply_flush(const object::Change& change, bool all_loaded) {
  const bool takes_dot = change.kind == ChangeKind::flush;
  if (takes_dot && clocks_.covers(change.slot, change.dot)) return {};
  const auto context = object::CausalContext::decode(change.payload);
  if (!context) return std::unexpected(context.error());
  if (!all_loaded && flush_needs_keys(change)) {
    return runtime::fail("a flush of slot " + std::to_string(change.slot) +
                         " needs the keys that are not in memory");
  }
  const auto known = flushed_.find({change.slot, change.db});
  if (!takes_dot && known != flushed_.end() && known->second.context.covers(*context)) return {};
  object::Key place;
  place.slot = change.slot;
  place.db = change.db;
  (void)hlc_.observe(change.hlc, now_ms());
  EntryState state;
  state.hlc = change.hlc;
  if (takes_dot) state.dot = change.dot;
  if (takes_dot && context->covers(clocks_.clock(change.slot))) {
    flush_at_once(place, state);
  } else {
    flush_each(place, *context, change.hlc);
  }
  if (takes_dot) clocks_.add(change.slot, change.dot);
  log(RecordType::flushed, Before::unknown, place, state, change.payload);
  note_flushed(change.db, change.slot, *context);
  return {};
}

void ShardStore::flush_each(const object::Key& place, const object::CausalContext& context,
                            object::Hlc hlc) {
  std::vector<std::pair<uint64_t, Entry*>> entries;
  table_.visit_slot(place.db, place.slot, 0, [&](uint64_t hash, Entry* entry) {
    entries.emplace_back(hash, entry);
    return true;
  });
  const object::Object flushed = seen_only(context);
  for (const auto& [hash, entry] : entries) {
    const std::string name(entry->key());  // the entry may be replaced
    join({name, hash, place.slot, place.db}, entry, flushed, entry->dot(), hlc);
  }
}

std::vector<ShardStore::SeenByKey> ShardStore::contexts_of(uint16_t db, uint16_t slot) {
  std::vector<SeenByKey> contexts;
  if (!replicated_ || !keys_see_ahead(slot, db)) return contexts;
  table_.visit_slot(db, slot, 0, [&](uint64_t hash, const Entry* entry) {
    object::Object seen = seen_only(context_of(entry->state()));
    if (!seen.seen.empty()) {
      contexts.push_back({std::string(entry->key()), hash, entry->dot(), std::move(seen)});
    }
    return true;
  });
  return contexts;
}

// ---- keys that saw more than the slot clock says

bool ShardStore::is_ahead(uint16_t slot, const EntryState& state) const {
  const object::CausalContext context = context_of(state);
  return !context.empty() && !clocks_.covers(slot, context);
}

void ShardStore::note_context(const object::Key& key, const EntryState& state) {
  if (is_ahead(key.slot, state)) seen_ahead_[{key.slot, key.db}].join(context_of(state));
}

// Whether keys of (slot, db) do.
bool ShardStore::keys_see_ahead(uint16_t slot, uint16_t db) {
  if (seen_ahead_.empty()) return false;
  const auto at = seen_ahead_.find({slot, db});
  if (at == seen_ahead_.end()) return false;
  if (!clocks_.covers(slot, at->second)) return true;
  seen_ahead_.erase(at);
  return false;
}

bool ShardStore::sees_ahead(uint16_t slot, uint16_t db, const EntryState& state) {
  return keys_see_ahead(slot, db) && is_ahead(slot, state);
}

std::vector<RowKey> ShardStore::contexts_on_disk() {
  std::erase_if(contexts_on_disk_, [this](const RowKey& place) {
    return std::as_const(table_).counts(place.db, place.slot).cold == 0;
  });
  return std::exchange(contexts_on_disk_, {});
}

runtime::Status ShardStore::load_ahead(const RowStore::Row& row) {
  return residency_->load_ahead(row);
}

// A version that such a key superseded may still arrive, and the flush's context does not cover it.
// The flush's dot is not the key's: whoever got it in a state would think that he has the flush.
void ShardStore::keep_contexts(uint16_t db, uint16_t slot, const std::vector<SeenByKey>& contexts,
                               object::Hlc hlc) {
  for (const SeenByKey& of : contexts) {
    join({of.name, of.hash, slot, db}, nullptr, of.seen, of.dot, hlc);
  }
}

void ShardStore::note_flushed(uint16_t db, uint16_t slot, const object::CausalContext& context) {
  (void)table_.counts(db, slot);  // with which a checkpoint saves it
  Flushes& all = flushed_[{slot, db}];
  if (!all.context.covers(context)) {
    all.context.join(context);
    all.saved = false;
  }
  all.ahead = !clocks_.clock(slot).covers(all.context);
}

bool ShardStore::flushed_ahead(uint16_t slot, uint16_t db) const {
  if (flushed_.empty()) return false;
  const auto at = flushed_.find({slot, db});
  return at != flushed_.end() && at->second.ahead;
}

// Whether a checkpoint has something to write or to let go.
bool ShardStore::flushes_to_save(uint16_t slot, uint16_t db) const {
  if (flushed_.empty()) return false;
  const auto at = flushed_.find({slot, db});
  return at != flushed_.end() && (!at->second.saved || !keeps_tombstones_);
}

// What a checkpoint must save. A lone node lets it go once the clock covers it.
object::CausalContext ShardStore::flushed_context(uint16_t slot, uint16_t db) {
  const auto at = flushed_.find({slot, db});
  if (at == flushed_.end()) return {};
  at->second.ahead = !clocks_.clock(slot).covers(at->second.context);
  if (at->second.ahead || keeps_tombstones_) {
    at->second.saved = true;
    return at->second.context;
  }
  flushed_.erase(at);
  return {};
}

bool ShardStore::flushes_cover(uint16_t slot, uint16_t db, object::Dot dot) const {
  if (flushed_.empty()) return false;
  const auto at = flushed_.find({slot, db});
  return at != flushed_.end() && at->second.context.covers(dot);
}

std::optional<object::Change> ShardStore::flushes_of(uint16_t slot, uint16_t db,
                                                     std::string& scratch) const {
  const auto at = flushed_.find({slot, db});
  if (at == flushed_.end() || at->second.context.empty()) return std::nullopt;
  scratch.clear();
  at->second.context.encode(scratch);
  object::Change change;
  change.kind = ChangeKind::flushes;
  change.slot = slot;
  change.db = db;
  const auto& some = at->second.context.runs().front();
  change.dot = {some.actor, some.last};
  change.payload = scratch;
  return change;
}

}  // namespace quorate::storage
