#include "storage/checkpointer.h"

#include <boost/container/static_vector.hpp>
#include <spdlog/spdlog.h>
#include <utility>

#include "quorate/runtime/mutants.h"
#include "quorate/runtime/process.h"
#include "quorate/storage/table_run.h"

namespace quorate::storage {
namespace {

// LMDB copies each page it changes into memory until the commit, and keeps that memory: small
// transactions keep the process small (ARCHITECTURE.md has the measurement).
constexpr uint64_t kTransactionBytes = 8ull << 20;
constexpr size_t kEntriesPerSlice = 256;
// See residency.cc.
constexpr uint64_t kSliceUs = 1000;
constexpr size_t kEntriesPerLook = 16;
constexpr int kEntryLines = 4;  // header, key and a payload of a hundred bytes, wherever it begins
// By how much a slot that is taken in one turn may exceed a batch.
constexpr uint64_t kWholeSlotBytes = 4ull << 20;
// What a batch keeps for the next one.
constexpr uint64_t kCapacityBytesMax = 16ull << 20;
constexpr size_t kSlotsPerSlice = 1024;
constexpr uint64_t kRetryUs = 1'000'000;
// Over how much of the journal's growth from one to the next a checkpoint is spread, and over how
// long at most.
constexpr uint64_t kSpreadPercent = 75;
constexpr uint64_t kSpreadUs = 10'000'000;
constexpr uint64_t kStaleRowsPerCall = 4096;

void note_row_expiry(SlotCounts& counts, Entry* entry, bool expires) {
  if (entry->row_expires() == expires) return;
  counts.volatile_on_disk += expires ? 1 : UINT32_MAX;  // one more or, modulo 2^32, one less
  entry->set_row_expires(expires);
}

void note_row_tombstone(SlotCounts& counts, Entry* entry, bool tombstone) {
  if (entry->row_tombstone() == tombstone) return;
  counts.tombstones_on_disk += tombstone ? 1 : UINT32_MAX;  // as above
  entry->set_row_tombstone(tombstone);
}

}  // namespace

struct Checkpointer::Batch {
  struct Row {
    RowKey key;
    size_t offset = 0, bytes = 0;  // no bytes: the row goes
  };
  struct Meta {
    std::string name, value;
    size_t rows_end = 0;  // the rows before it belong to its slot or earlier ones
  };
  struct Stale {
    RowKey of;              // (slot, db) whose rows predate a flush
    size_t rows_begin = 0;  // to be erased before this row
  };
  struct Removed {
    uint16_t slot = 0, db = 0;
    std::string key;
  };
  RowBytes bytes;
  std::vector<Row> rows;
  std::vector<Meta> meta;
  std::vector<Stale> stale;
  std::vector<Removed> removed;   // tombstones to forget after the commit
  uint64_t journal_position = 0;  // what must be synced before
  unsigned slots_end = 0;         // slots below are complete
  uint64_t disk_bytes_used = 0;   // after the commit
  bool last = false;

  bool empty() const { return meta.empty(); }
  uint64_t memory_bytes() const {
    return bytes.size() + rows.size() * sizeof(Row) + removed.size() * sizeof(Removed);
  }
  // For the next one, which is about as large: fresh memory costs a fault for each of its pages.
  void clear();
  // One or several transactions, none of which parts a slot's rows from its records. May be
  // repeated.
  runtime::Status write(RowStore& store);

 private:
  runtime::Status write_rows(RowStore::WriteTransaction& to, size_t& row, size_t& stale_done,
                             size_t rows_end) const;
};

void Checkpointer::Batch::clear() {
  if (bytes.capacity() > kCapacityBytesMax) bytes = {};
  bytes.clear();
  rows.clear();
  meta.clear();
  stale.clear();
  removed.clear();
  journal_position = disk_bytes_used = 0;
  slots_end = 0;
  last = false;
}

runtime::Status Checkpointer::Batch::write_rows(RowStore::WriteTransaction& to, size_t& row,
                                                size_t& stale_done, size_t rows_end) const {
  const std::string_view all(bytes.data(), bytes.size());
  runtime::GivesWay gives_way;
  for (;;) {
    while (stale_done < stale.size() && stale[stale_done].rows_begin == row) {
      const RowKey& of = stale[stale_done].of;
      auto erased = to.erase_slot(of.slot, of.db, kStaleRowsPerCall);
      if (!erased) return std::unexpected(erased.error());
      if (*erased == 0) ++stale_done;
    }
    if (row == rows_end) return {};
    const Row& of = rows[row++];
    const auto status =
        of.bytes == 0 ? to.erase(of.key) : to.put(of.key, all.substr(of.offset, of.bytes));
    if (!status) return status;
    gives_way.piece_done();
  }
}

runtime::Status Checkpointer::Batch::write(RowStore& store) {
  size_t row = 0, stale_done = 0, record = 0;
  while (record < meta.size()) {
    auto transaction = store.begin_write();
    if (!transaction) return std::unexpected(transaction.error());
    while (record < meta.size() && (*transaction)->dirty_bytes() < kTransactionBytes) {
      const size_t rows_end = meta[record].rows_end;
      if (auto status = write_rows(**transaction, row, stale_done, rows_end); !status)
        return status;
      for (; record < meta.size() && meta[record].rows_end == rows_end; ++record) {
        const Meta& of = meta[record];
        if (auto status = (*transaction)->put_meta(of.name, of.value); !status) return status;
      }
    }
    if (auto status = (*transaction)->commit(); !status) return status;
  }
  disk_bytes_used = store.statistics().used_bytes;
  return {};
}

Checkpointer::Checkpointer(ShardStore& store, runtime::Executor& thread)
    : store_(store), thread_(thread) {}
Checkpointer::~Checkpointer() = default;

bool Checkpointer::due() const {
  if (running_) return false;
  return store_.journal().end_position() - journal_start_ >= store_.checkpoint_journal_bytes() ||
         store_.dirty_bytes() >= store_.checkpoint_dirty_bytes();
}

void Checkpointer::start(std::function<void()> done) {
  if (running_) {
    again_ = again_ || done != nullptr;
    if (done) done_next_.push_back(std::move(done));
  } else {
    if (done) done_.push_back(std::move(done));
    begin();
  }
  hurry_ = true;
  end_rest();
}

void Checkpointer::end_turn() {
  if (due()) return begin();
  if (pause_ != nullptr && !ahead()) end_rest();
}

void Checkpointer::end_rest() {
  if (pause_ == nullptr) return;
  pause_.reset();
  store_.loop_.post([this] { go_on(); });  // after this turn's replies
}

bool Checkpointer::hurried() const {
  return hurry_ || store_.dirty_bytes() >= store_.checkpoint_dirty_bytes() ||
         !store_.journal().accepts_writes();  // until segments go
}

// How long after its begin the checkpoint may be where it is, if nothing is written meanwhile.
uint64_t Checkpointer::due_after_us() const {
  return kSpreadUs / 100 * std::min<uint64_t>(taken_bytes_ * 100 / dirty_bytes_, 100);
}

bool Checkpointer::ahead() const {
  if (hurried()) return false;
  const auto written = static_cast<double>(store_.journal().end_position() - journal_start_);
  const double taken =
      std::min(static_cast<double>(taken_bytes_) / static_cast<double>(dirty_bytes_), 1.0);
  if (written >= taken * static_cast<double>(journal_bytes_)) return false;
  return store_.loop_.clock().monotonic_us() < started_us_ + due_after_us();
}

void Checkpointer::begin() {
  running_ = true;
  hurry_ = false;
  generation_ = (generation_ + 1) % Entry::kGenerations;
  journal_start_ = store_.journal().end_position();
  started_us_ = store_.loop_.clock().monotonic_us();
  store_.statistics_.checkpoint_rows_last = 0;
  dirty_bytes_ = std::max<uint64_t>(store_.dirty_bytes(), 1);
  taken_bytes_ = 0;
  journal_bytes_ = store_.checkpoint_journal_bytes() / 100 * kSpreadPercent;
  slot_ = store_.shape().shard;
  committed_slot_ = 0;
  db_ = 0;
  hash_ = touch_hash_ = 0;
  touch_db_ = 0;
  slot_touched_ = in_parts_ = false;
  clock_.clear();
  batch_ = std::make_shared<Batch>();
  store_.loop_.post([this] { slice(); });
}

bool Checkpointer::full() const {
  return batch_->memory_bytes() >= store_.settings_.checkpoint_batch_bytes;
}

void Checkpointer::slice() {
  size_t budget = kEntriesPerSlice;
  slice_until_us_ = store_.loop_.turn_us() + kSliceUs;
  for (size_t slots = 0; slots < kSlotsPerSlice && budget > 0; ++slots) {
    if (slot_ >= object::kSlots) {
      batch_->last = true;
      return send();
    }
    if (!touch_slot(static_cast<uint16_t>(slot_))) break;
    if (!walk_slot(static_cast<uint16_t>(slot_), budget)) break;
    next_slot();
    if (full()) return send();
  }
  if (full()) return send();
  store_.loop_.post([this] { slice(); });
}

// Brings back into memory what a slot that will be taken in one turn has there, over several turns
// if need be. True when it is done.
bool Checkpointer::touch_slot(uint16_t slot) {
  if (hash_ != 0 || db_ != 0 || !is_small(slot)) return true;
  boost::container::static_vector<const Entry*, kEntriesPerLook> coming;
  const auto touch_all = [&coming] {
    for (const Entry* entry : coming) entry->touch_memory();
    coming.clear();
  };
  for (; touch_db_ < store_.shape().databases; ++touch_db_, touch_hash_ = 0) {
    if (!store_.table_.has_database(touch_db_)) continue;
    if (std::as_const(store_.table_).counts(touch_db_, slot).dirty == 0) continue;
    const bool complete =
        store_.table_.visit_slot(touch_db_, slot, touch_hash_, [&](uint64_t hash, Entry* entry) {
          if (coming.size() == coming.capacity()) {
            touch_all();
            if (hash != touch_hash_ && store_.loop_.turn_us() > slice_until_us_) {
              touch_hash_ = hash;
              return false;
            }
          }
          prefetch_lines(entry, kEntryLines);
          coming.push_back(entry);
          return true;
        });
    touch_all();
    if (!complete) return false;
  }
  return true;
}

// True when the whole slot is in the batch, false when the budget or the batch was full before.
bool Checkpointer::walk_slot(uint16_t slot, size_t& budget) {
  if (db_ == 0 && hash_ == 0 && clock_.empty() && store_.clocks().changed(slot)) {
    store_.clocks().clock(slot).encode(clock_);
    store_.clocks_.mark_saved(slot);
  }
  const unsigned databases = store_.shape().databases;
  if (db_ == 0 && hash_ == 0) whole_ = is_small(slot);
  for (; db_ < databases; ++db_, hash_ = 0) {
    if (!store_.table_.has_database(db_)) continue;
    SlotCounts& counts = store_.table_.counts(db_, slot);
    if (counts.rows_stale) {
      batch_->stale.push_back({{slot, db_, 0}, batch_->rows.size()});
      counts.rows_stale = false;
      slot_touched_ = true;
    }
    slot_touched_ = slot_touched_ || store_.flushes_to_save(slot, db_);
    if (counts.dirty == 0 && hash_ == 0) continue;
    slot_touched_ = true;
    if (!walk_database(slot, db_, budget)) {
      in_parts_ = true;
      set_rows_ahead(slot, true);
      save_counts(slot);
      return false;
    }
  }
  set_rows_ahead(slot, in_parts_);
  if (slot_touched_) save_counts(slot);
  if (!clock_.empty()) {
    if (runtime::mutant(runtime::Mutant::clock_without_rows)) {
      clock_.clear();
      store_.clocks().clock(slot).encode(clock_);
    }
    batch_->meta.push_back({clock_record_name(slot), clock_, batch_->rows.size()});
  }
  return true;
}

bool Checkpointer::is_small(uint16_t slot) const {
  uint64_t entries = 0;
  for (unsigned db = 0; db < store_.shape().databases; ++db) {
    const SlotCounts& counts = std::as_const(store_.table_).counts(static_cast<uint16_t>(db), slot);
    if (counts.dirty != 0) entries += counts.resident;
  }
  return entries <= store_.settings_.checkpoint_whole_slot_keys;
}

bool Checkpointer::walk_database(uint16_t slot, uint16_t db, size_t& budget) {
  std::vector<Entry*> group;  // the entries of one hash
  uint64_t group_hash = 0;
  const auto take = [&](uint64_t hash, Entry* entry) {
    if (!group.empty() && hash != group_hash) {
      take_group(slot, db, group_hash, group);
      group.clear();
      if ((budget == 0 && !whole_) ||
          batch_->memory_bytes() >= store_.settings_.checkpoint_batch_bytes + kWholeSlotBytes) {
        hash_ = hash;
        return false;
      }
    }
    group_hash = hash;
    group.push_back(entry);
    if (budget > 0) --budget;
    if (!whole_ && budget % kEntriesPerLook == 0 && store_.loop_.turn_us() > slice_until_us_)
      budget = 0;
    return true;
  };
  // Entries on their way from memory.
  boost::container::static_vector<std::pair<uint64_t, Entry*>, kEntriesPerLook> coming;
  const auto take_all = [&] {
    for (const auto& [hash, entry] : coming) {
      if (!take(hash, entry)) return false;
    }
    coming.clear();
    return true;
  };
  const bool visited = store_.table_.visit_slot(db, slot, hash_, [&](uint64_t hash, Entry* entry) {
    if (coming.size() == coming.capacity() && !take_all()) return false;
    if (!whole_) prefetch_lines(entry, kEntryLines);  // else touch_slot() has
    coming.emplace_back(hash, entry);
    return true;
  });
  if (!visited || !take_all()) return false;
  if (!group.empty()) take_group(slot, db, group_hash, group);
  return true;
}

void Checkpointer::take_group(uint16_t slot, uint16_t db, uint64_t hash,
                              const std::vector<Entry*>& group) {
  bool dirty = false;
  for (const Entry* entry : group) dirty = dirty || entry->dirty();
  if (!dirty) return;
  SlotCounts& counts = store_.table_.counts(db, slot);
  counts.rows_shared = counts.rows_shared || group.size() > 1;
  Batch::Row row{{slot, db, hash}, batch_->bytes.size(), 0};
  for (Entry* entry : group) {
    if (entry->dirty()) {
      const uint64_t dirty_bytes = store_.dirty_bytes();
      store_.unmark_dirty(counts, entry);
      taken_bytes_ += dirty_bytes - store_.dirty_bytes();
      entry->set_generation(generation_);
    }
    const bool tombstone = entry->form() == Form::tombstone;
    note_row_tombstone(counts, entry, tombstone && store_.keeps_tombstones_);
    if (tombstone && !store_.keeps_tombstones_) {
      // It stays `stored` until the commit: the row is there to be read until then.
      if (entry->stored()) --counts.on_disk;
      note_row_expiry(counts, entry, false);
      batch_->removed.push_back({slot, db, std::string(entry->key())});
      continue;
    }
    if (!entry->stored()) {
      ++counts.on_disk;
      entry->set_stored(true);
    }
    note_row_expiry(counts, entry, entry->expiry_ms() != 0);
    if (batch_->bytes.size() == row.offset) append_row_header(batch_->bytes);
    append_row_entry(batch_->bytes, entry->key(), entry->state());
  }
  row.bytes = batch_->bytes.size() - row.offset;
  batch_->rows.push_back(row);
}

void Checkpointer::save_counts(uint16_t slot) {
  std::vector<SavedCounts> saved;
  const auto databases = static_cast<uint16_t>(store_.shape().databases);
  for (uint16_t db = 0; db < databases; ++db) {
    if (!store_.table_.has_database(db)) continue;
    const SlotCounts& counts = store_.table_.counts(db, slot);
    object::CausalContext flushed = store_.flushed_context(slot, db);
    if (counts.on_disk == 0 && flushed.empty()) continue;
    saved.push_back({db, counts.on_disk, std::min(counts.volatile_on_disk, counts.on_disk),
                     counts.next_expiry_ms, counts.rows_ahead, counts.rows_shared,
                     std::min(counts.tombstones_on_disk, counts.on_disk), std::move(flushed),
                     store_.keys_see_ahead(slot, db)});
  }
  batch_->meta.push_back({count_record_name(slot), encode_counts(saved), batch_->rows.size()});
}

void Checkpointer::set_rows_ahead(uint16_t slot, bool ahead) {
  const auto databases = static_cast<uint16_t>(store_.shape().databases);
  for (uint16_t db = 0; db < databases; ++db) {
    if (store_.table_.has_database(db)) store_.table_.counts(db, slot).rows_ahead = ahead;
  }
}

void Checkpointer::next_slot() {
  slot_ += store_.shape().shards;
  db_ = 0;
  hash_ = touch_hash_ = 0;
  touch_db_ = 0;
  slot_touched_ = in_parts_ = false;
  clock_.clear();
}

void Checkpointer::send() {
  batch_->slots_end = std::min<unsigned>(slot_, object::kSlots);
  batch_->journal_position = store_.journal().end_position();
  memory_bytes_ = batch_->memory_bytes();
  store_.statistics_.checkpoint_rows_last += batch_->rows.size();
  if (batch_->empty()) return committed({});
  // The rows say what the journal's end says: they must not be on disk before it is.
  if (runtime::mutant(runtime::Mutant::checkpoint_ahead)) return transact();
  waiting_for_sync_ = true;
  store_.when_synced(batch_->journal_position, [this] { transact(); });
}

void Checkpointer::transact() {
  waiting_for_sync_ = false;
  thread_.post([this, batch = batch_, &rows = store_.rows_, &loop = store_.loop_] {
    loop.post([this, status = batch->write(rows)]() mutable { committed(std::move(status)); });
  });
}

void Checkpointer::committed(runtime::Status status) {
  if (!status) {
    if (!failing_)
      spdlog::warn("Checkpoint of shard {} failed, trying again: {}", store_.shape().shard,
                   status.error().message);
    failing_ = true;
    ++store_.statistics_.checkpoint_failures;
    retry_ = store_.loop_.start_timer(kRetryUs, 0, [this] { transact(); });
    return;
  }
  if (failing_) spdlog::info("Checkpoint of shard {} goes on", store_.shape().shard);
  failing_ = false;
  ++store_.commits_;
  if (!batch_->stale.empty()) ++store_.flushes_;
  committed_slot_ = batch_->slots_end;
  if (batch_->disk_bytes_used != 0) store_.disk_bytes_used_ = batch_->disk_bytes_used;
  forget_tombstones();
}

void Checkpointer::go_on() {
  const auto rest = std::move(pause_);  // which may be calling
  if (batch_->last) return finish();
  batch_->clear();
  memory_bytes_ = 0;
  if (ahead()) {
    const uint64_t passed_us = store_.loop_.clock().monotonic_us() - started_us_;
    pause_ = store_.loop_.start_timer(due_after_us() - passed_us, 0, [this] { go_on(); });
    return;
  }
  slice();
}

// The rows of the batch's tombstones are gone now. A key that was written again meanwhile has no
// row.
void Checkpointer::forget_tombstones() {
  auto& removed = batch_->removed;
  for (size_t budget = kEntriesPerSlice; budget > 0 && !removed.empty(); --budget) {
    const Batch::Removed& of = removed.back();
    const object::Key key{of.key, object::key_hash(of.key, store_.shape().hash_seed), of.slot,
                          of.db};
    if (Entry* entry = store_.find(key)) {  // none: flushed
      entry->set_stored(false);
      if (entry->form() == Form::tombstone && store_.keeps_tombstones_) {
        store_.mark_dirty(store_.counts(key), entry);  // there are replicas now
      } else if (entry->form() == Form::tombstone) {
        if (entry->dirty()) store_.unmark_dirty(store_.counts(key), entry);
        store_.table_.erase(key, entry);
      }
    }
    removed.pop_back();
  }
  if (removed.empty()) return go_on();
  store_.loop_.post([this] { forget_tombstones(); });
}

void Checkpointer::finish() {
  running_ = false;
  batch_.reset();
  memory_bytes_ = 0;
  StoreStatistics& statistics = store_.statistics_;
  ++statistics.checkpoints_completed;
  statistics.checkpoint_us_last = store_.loop_.clock().monotonic_us() - started_us_;
  statistics.checkpoint_completed_ms = store_.now_ms();
  store_.journal().remove_before(journal_start_);
  if (store_.on_checkpoint_) store_.on_checkpoint_();
  for (auto& done : std::exchange(done_, std::exchange(done_next_, {}))) done();
  if (std::exchange(again_, false) && !running_) start(nullptr);
}

}  // namespace quorate::storage
