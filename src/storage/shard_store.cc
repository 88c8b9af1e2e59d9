#include "quorate/storage/shard_store.h"

#include <spdlog/spdlog.h>
#include <utility>

#include "quorate/runtime/mutants.h"
#include "quorate/storage/stored_object.h"

#include "storage/checkpointer.h"
#include "storage/expiry_cycle.h"
#include "storage/residency.h"

namespace quorate::storage {
namespace {

constexpr size_t kRemovedFreedPerTurn = 512;
// Above this part of the memory limit, dirty data holds clients back (DESIGN 4).
constexpr uint64_t kBacklogDivisor = 3;
constexpr uint64_t kCheckpointDirtyDivisor = 5;
// A journal longer than this would make a restart slow, however large the data is.
constexpr uint64_t kCheckpointBytesMax = 1ull << 30;

}  // namespace

ShardStore::ShardStore(Parts parts, Shape shape, StoreSettings settings)
    : shape_(shape),
      settings_(settings),
      loop_(parts.loop),
      random_(parts.random),
      journal_(std::move(parts.journal)),
      rows_(parts.rows),
      cold_reader_(parts.cold_reader),
      table_(shape.shard, shape.shards, shape.databases),
      clocks_(shape.shard, shape.shards, shape.actor),
      actors_(parts.actors),
      key_counts_(shape.databases),
      volatile_counts_(shape.databases),
      checkpointer_(std::make_unique<Checkpointer>(*this, parts.checkpoint_thread)),
      residency_(std::make_unique<Residency>(*this)),
      expiry_cycle_(std::make_unique<ExpiryCycle>(*this)) {
  journal_->on_synced([this] { synced(); });
  journal_->on_failed([this] { journal_failed(); });
}

ShardStore::~ShardStore() = default;

void ShardStore::load(const object::Key& key, std::move_only_function<void(runtime::Status)> done) {
  residency_->load(key, std::move(done));
}

EntryState ShardStore::next_state(const object::Key& key, const Entry* before, const Value& value) {
  EntryState state;
  state.form = value.form;
  state.dot = clocks_.issue(key.slot);
  state.hlc = hlc_.next_after(before != nullptr ? before->hlc() : 0, now_ms());
  state.expiry_ms = value.expiry_ms;
  state.payload = value.payload;
  return state;
}

void ShardStore::log(RecordType type, Before before, const object::Key& key,
                     const EntryState& state, std::string_view context) {
  char* room =
      journal_->reserve(record_bytes_max(key.name.size(), state.payload.size() + context.size()));
  journal_->commit(encode_record({type, before, key.slot, key.db, key.name, state, context}, room));
}

// A key that comes to share a row with others must find them when it is replayed: they are to be
// written together. Whether a tombstone has a row of its own is known only once it is read.
Before ShardStore::before_of(const object::Key& key, const Entry* before) const {
  if (is_visible(before)) return before->expiry_ms() == 0 ? Before::lasting : Before::expiring;
  if (runtime::mutant(runtime::Mutant::shared_row_unread)) return Before::absent;
  const bool found =
      before == nullptr ? table_.has_hash(key) : keeps_tombstones_ || before->row_tombstone();
  return found ? Before::unknown : Before::absent;
}

Entry* ShardStore::put(const object::Key& key, Entry* before, const Value& value) {
  if (replicated_) [[unlikely]]
    return put_replicated(key, before, value);
  const EntryState state = next_state(key, before, value);
  log(RecordType::put, before_of(key, before), key, state);
  return store(key, before, state);
}

void ShardStore::remove(const object::Key& key, Entry* before) {
  if (replicated_) [[unlikely]]
    return remove_replicated(key, before);
  const EntryState state = next_state(key, before, Value{Form::tombstone, 0, {}});
  log(RecordType::remove, before_of(key, before), key, state);
  drop(key, before, state);
}

void ShardStore::set_expiry(const object::Key& key, Entry* entry, uint64_t expiry_ms) {
  if (replicated_ || entry->form() == Form::encoded) [[unlikely]] {
    return set_expiry_replicated(key, entry, expiry_ms);
  }
  EntryState state = next_state(key, entry, {entry->form(), expiry_ms, entry->payload()});
  log(RecordType::put, before_of(key, entry), key, state);
  SlotCounts& slot = counts(key);
  count_expiry(key, slot, entry->expiry_ms(), expiry_ms);
  entry->set_expiry(expiry_ms, state.dot, state.hlc);
  mark_dirty(slot, entry);
}

bool ShardStore::expire_if_due(const object::Key& key, Entry* entry) {
  if (entry->form() == Form::tombstone || entry->live_at(now_ms())) return false;
  if (!may_remove(key.slot)) return false;
  remove(key, entry);
  ++statistics_.expired_keys;
  return true;
}

Entry* ShardStore::store(const object::Key& key, Entry* before, const EntryState& state) {
  SlotCounts& slot = counts(key);
  const bool was_visible = is_visible(before);
  count_expiry(key, slot, was_visible ? before->expiry_ms() : 0, state.expiry_ms);
  if (was_visible != (state.form != Form::tombstone)) {
    slot.live += was_visible ? UINT32_MAX : 1;  // one less, modulo 2^32
    key_counts_[key.db] += was_visible ? UINT64_MAX : 1;
  }
  Entry* entry = before;
  if (before == nullptr) {
    entry = Entry::make(key.name, state);
    entry->access = initial_access(settings_.eviction, now_ms());
    table_.insert(key, entry);
  } else if (!before->assign(state)) {
    entry = Entry::make(key.name, state);
    entry->access = before->access;
    entry->set_stored(before->stored());
    entry->set_row_expires(before->row_expires());
    entry->set_row_tombstone(before->row_tombstone());
    entry->set_generation(before->generation());
    if (before->dirty()) unmark_dirty(slot, before);
    table_.replace(key, before, entry);
  }
  entry->set_referenced(true);
  mark_dirty(slot, entry);
  return entry;
}

void ShardStore::drop(const object::Key& key, Entry* before, const EntryState& state) {
  SlotCounts& slot = counts(key);
  count_expiry(key, slot, before->expiry_ms(), 0);
  --slot.live;
  --key_counts_[key.db];
  if (before->dirty()) unmark_dirty(slot, before);
  if (!before->stored()) {
    table_.erase(key, before);
    return;
  }
  // The row outlives the key until a checkpoint has erased it: remember that it must not be
  // believed.
  EntryState nothing = state;
  nothing.form = Form::tombstone;
  nothing.payload = {};
  Entry* tombstone = Entry::make(key.name, nothing);
  tombstone->set_stored(true);
  tombstone->set_row_expires(before->row_expires());
  tombstone->set_row_tombstone(before->row_tombstone());
  table_.replace(key, before, tombstone);
  mark_dirty(slot, tombstone);
}

void ShardStore::flush(uint16_t db, const object::SlotSet* of) {
  if (!table_.has_database(db)) return;
  for (unsigned slot = shape_.shard; slot < object::kSlots; slot += shape_.shards) {
    if (of != nullptr && !of->contains(static_cast<uint16_t>(slot))) continue;
    const SlotCounts& slot_counts = table_.counts(db, static_cast<uint16_t>(slot));
    const bool tombstones = replicated_ && slot_counts.cold != 0;
    if (slot_counts.live == 0 && slot_counts.resident == 0 && !tombstones) continue;
    object::Key place;
    place.slot = static_cast<uint16_t>(slot);
    place.db = db;
    const EntryState state = next_state(place, nullptr, Value{Form::tombstone, 0, {}});
    flush_at_once(place, state);
    if (observer_ != nullptr) tell_flush(db, place.slot, state);
    if (replicated_) note_flushed(db, place.slot, clock_for(place.slot, db).have());
  }
}

void ShardStore::flush_at_once(const object::Key& place, const EntryState& state) {
  const auto contexts = contexts_of(place.db, place.slot);
  log(RecordType::flush, Before::unknown, place, state);
  flush_slot(place.db, place.slot);
  if (!contexts.empty()) keep_contexts(place.db, place.slot, contexts, state.hlc);
}

void ShardStore::flush_slot(uint16_t db, uint16_t slot) {
  ++flushes_;
  SlotCounts& slot_counts = table_.counts(db, slot);
  key_counts_[db] -= slot_counts.live;
  volatile_counts_[db] -= slot_counts.volatile_keys;
  cold_rows_ -= slot_counts.cold;
  table_.detach_slot(db, slot);
  freeing_ = true;
  dirty_bytes_ -= std::exchange(slot_counts.dirty_bytes, 0);
  slot_counts.dirty = 0;
  slot_counts.live = slot_counts.cold = slot_counts.volatile_keys = 0;
  slot_counts.next_expiry_ms = UINT64_MAX;
  // Even if none are known of: those of a checkpoint under way may be committed after this, and
  // what a part of a slot saved before a crash may have left out rows that an earlier flush made
  // stale.
  slot_counts.rows_stale = true;
  slot_counts.on_disk = slot_counts.volatile_on_disk = slot_counts.tombstones_on_disk = 0;
  slot_counts.rows_shared = false;
  seen_ahead_.erase({slot, db});
}

void ShardStore::mark_dirty(SlotCounts& slot, Entry* entry) {
  if (entry->dirty()) return;
  entry->set_dirty(true);
  ++slot.dirty;
  const size_t bytes = entry->memory_bytes();
  slot.dirty_bytes += bytes;
  dirty_bytes_ += bytes;
}

void ShardStore::unmark_dirty(SlotCounts& slot, Entry* entry) {
  entry->set_dirty(false);
  --slot.dirty;
  const size_t bytes = entry->memory_bytes();
  slot.dirty_bytes -= bytes;
  dirty_bytes_ -= bytes;
}

void ShardStore::count_expiry(const object::Key& key, SlotCounts& slot, uint64_t before_ms,
                              uint64_t after_ms) {
  if (before_ms != 0) {
    --slot.volatile_keys;
    --volatile_counts_[key.db];
  }
  if (after_ms != 0) {
    ++slot.volatile_keys;
    ++volatile_counts_[key.db];
    if (after_ms < slot.next_expiry_ms) slot.next_expiry_ms = after_ms;
  }
}

bool ShardStore::needs_load(const object::Key& key) const {
  if (cold_rows_ == 0 && !residency_->loading()) return false;  // without a look at the key
  return find(key) == nullptr && (is_cold(key) || residency_->loading(key));
}

object::Key ShardStore::key_of(const Record& record) const {
  return {record.key, object::key_hash(record.key, shape_.hash_seed), record.slot, record.db};
}

std::optional<RowKey> ShardStore::row_to_replay(const Record& record) const {
  const bool of_a_key = record.type != RecordType::flush && record.type < RecordType::flushed;
  if (!of_a_key) return {};
  // A joined object takes no new dot: it may have to be joined again.
  if (record.type == RecordType::merged) {
    const auto dots = object::CausalContext::decode(record.context);
    if (dots && clocks_.covers(record.slot, *dots)) return {};
  } else if (record.type != RecordType::joined && clocks_.covers(record.slot, record.state.dot)) {
    return {};
  }
  const object::Key key = key_of(record);
  if (!needs_load(key)) return {};
  const SlotCounts& slot = table_.counts(key.db, key.slot);
  const bool trusted = (!slot.rows_ahead || runtime::mutant(runtime::Mutant::rows_ahead_trusted)) &&
                       (!slot.rows_shared || runtime::mutant(runtime::Mutant::shared_row_unread));
  if (trusted && record.before != Before::unknown) return {};
  return RowKey{key.slot, key.db, key.hash};
}

// For a cold key whose row was not read because the record says what it was, apart from the value.
Entry* ShardStore::stand_in(const object::Key& key, const Record& record) {
  const bool replaces = record.before == Before::lasting || record.before == Before::expiring;
  if (!replaces || !is_cold(key) || row_to_replay(record)) return nullptr;
  EntryState state = record.state;
  state.form = Form::raw;  // whatever it is: a key that clients saw
  state.expiry_ms = record.before == Before::expiring ? UINT64_MAX : 0;
  Entry* entry = Entry::make(key.name, state);
  entry->set_stored(true);
  entry->set_row_expires(record.before == Before::expiring);
  entry->access = initial_access(settings_.eviction, now_ms());
  table_.insert(key, entry);
  --counts(key).cold;
  --cold_rows_;
  return entry;
}

runtime::Status ShardStore::load_to_replay(const ColdResult& row) {
  return residency_->load_to_replay(row);
}

runtime::Status ShardStore::replay(const Record& record) {
  if (record.type >= RecordType::merged) return replay_merged(record);
  if (clocks_.covers(record.slot, record.state.dot)) return {};
  Entry* before = nullptr;
  object::Key key;
  if (record.type != RecordType::flush) {
    key = key_of(record);
    before = find(key);
    if (before == nullptr) before = stand_in(key, record);
  }
  clocks_.add(record.slot, record.state.dot);
  // Our own past is believed even if the wall clock has gone back since: later versions must exceed
  // it.
  (void)hlc_.next_after(record.state.hlc, now_ms());
  if (record.type == RecordType::flush) {
    flush_slot(record.db, record.slot);
    // Up to here the journal is what it was when the flush came: so is the clock.
    if (replicated_) {
      note_flushed(record.db, record.slot, clock_for(record.slot, record.db).have());
    }
    return {};
  }
  if (record.type == RecordType::put) {
    note_context(key, record.state);
    store(key, before, record.state);
  } else if (is_visible(before)) {
    drop(key, before, record.state);
  }
  return {};
}

runtime::Status ShardStore::restore_slot(const SavedSlot& saved) {
  clocks_.restore(saved.slot, saved.clock);
  for (const SavedCounts& of : saved.databases) {
    if (of.db >= shape_.databases) {
      return runtime::fail("the data holds keys of database " + std::to_string(of.db) +
                           ": start with 'databases' at least " + std::to_string(of.db + 1));
    }
    SlotCounts& slot = table_.counts(of.db, saved.slot);
    slot.cold = slot.on_disk = of.keys;
    slot.tombstones_on_disk = of.tombstones;
    slot.live = of.keys - of.tombstones;
    slot.volatile_keys = slot.volatile_on_disk = of.volatile_keys;
    slot.next_expiry_ms = of.next_expiry_ms;
    slot.rows_ahead = of.rows_ahead;
    slot.rows_shared = of.rows_shared;
    key_counts_[of.db] += slot.live;
    volatile_counts_[of.db] += of.volatile_keys;
    cold_rows_ += of.keys;
    if (!of.flushed.empty()) note_flushed(of.db, saved.slot, of.flushed);
    if (of.contexts_ahead) contexts_on_disk_.push_back({saved.slot, of.db, 0});
  }
  return {};
}

runtime::Status ShardStore::end_turn() {
  runtime::Status written = journal_->write_batch();
  // Whoever began to wait in this turn may wait for what has only now been written.
  if (!sync_waiters_.empty()) journal_->request_sync();
  residency_->end_turn();
  checkpointer_->end_turn();
  if (freeing_) free_some_removed();
  return written;
}

void ShardStore::free_some_removed() {
  freeing_ = !table_.free_detached(kRemovedFreedPerTurn);
  if (freeing_) loop_.post([] {});  // another turn, to go on
}

void ShardStore::start_background() {
  residency_->start_warming();
  expiry_cycle_->start();
}

void ShardStore::when_synced(uint64_t position, std::function<void()> done) {
  sync_waiters_.emplace_back(position, std::move(done));
  if (journal_failed_ || journal_->synced_position() >= position) {
    loop_.post([this] { synced(); });
  } else {
    journal_->request_sync();
  }
}

void ShardStore::synced() {
  const uint64_t position = journal_->synced_position();
  std::vector<std::function<void()>> due;
  std::erase_if(sync_waiters_, [&](auto& waiter) {
    if (!journal_failed_ && waiter.first > position) return false;
    due.push_back(std::move(waiter.second));
    return true;
  });
  for (auto& done : due) done();
  if (!sync_waiters_.empty()) journal_->request_sync();
  if (on_synced_) on_synced_();
}

// Linux forgets what a failed fdatasync could not write. Nothing is accepted until a checkpoint
// holds everything in memory; it cannot wait for the journal meanwhile.
void ShardStore::journal_failed() {
  if (journal_failed_) return;
  spdlog::error("Journal of shard {} could not be synced; taking a checkpoint instead",
                shape_.shard);
  journal_failed_ = true;
  synced();
  checkpoint([this] {
    journal_failed_ = false;
    if (auto status = journal_->restart(journal_->written_position()); !status) {
      spdlog::error("Journal of shard {} cannot go on: {}", shape_.shard, status.error().message);
    }
  });
}

void ShardStore::checkpoint(std::function<void()> done) { checkpointer_->start(std::move(done)); }
bool ShardStore::checkpoint_running() const { return checkpointer_->running(); }
bool ShardStore::checkpoint_failing() const { return checkpointer_->failing(); }

bool ShardStore::backlogged() const {
  const uint64_t limit = settings_.memory_bytes_max;
  return limit != 0 && dirty_bytes_ >= limit / kBacklogDivisor;
}

uint64_t ShardStore::checkpoint_dirty_bytes() const {
  const uint64_t limit = settings_.memory_bytes_max;
  return limit == 0 ? UINT64_MAX : limit / kCheckpointDirtyDivisor;
}

uint64_t ShardStore::checkpoint_journal_bytes() const {
  const uint64_t growth = table_.memory_bytes() / 100 * settings_.checkpoint_growth_percent;
  return std::max(settings_.checkpoint_bytes_min / shape_.shards,
                  std::min(growth, kCheckpointBytesMax / shape_.shards));
}

const std::string& ShardStore::write_refusal() const {
  static const std::string kCheckpointFails =
      "the checkpoint cannot be written and too much waits for it";
  return checkpoint_failing() && backlogged() ? kCheckpointFails : journal_->blocked_reason();
}
bool ShardStore::out_of_memory() const { return residency_->out_of_memory(); }

uint64_t ShardStore::memory_bytes() const {
  return table_.memory_bytes() + journal_->statistics().memory_bytes +
         checkpointer_->memory_bytes();
}

}  // namespace quorate::storage
