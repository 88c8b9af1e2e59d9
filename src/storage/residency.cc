#include "storage/residency.h"

#include <algorithm>
#include <spdlog/spdlog.h>
#include <utility>

#include "quorate/runtime/mutants.h"

#include "storage/checkpointer.h"

namespace quorate::storage {
namespace {

constexpr size_t kDemotedPerTurn = 512;
constexpr size_t kCellsPerTurn = 2048;
// A page of memory that was not used for seconds may take the machine 50 µs to bring back: what
// goes through old entries also stops when it has taken so long, which it asks now and then.
constexpr uint64_t kDemotionUs = 1000;
constexpr uint64_t kArrivalsUs = 2000;
constexpr size_t kCellsPerLook = 32;
constexpr size_t kEvictedPerTurn = 64;
constexpr size_t kLoadedPerTurn = 256;
constexpr size_t kWarmRows = 512;
constexpr size_t kWarmBytes = 256u << 10;
// LMDB's dirty pages, the checkpoint's batch and the allocator's slack are not the table's: leave
// them room.
constexpr uint64_t kReserveDivisor = 8;
constexpr uint64_t kReserveMax = 48ull << 20;
constexpr uint64_t kDiskReliefDivisor = 20;

}  // namespace

void Residency::load(const object::Key& key, Done done) {
  const RowKey row{key.slot, key.db, key.hash};
  auto [at, fresh] = loading_.try_emplace(row);
  at->second.push_back(std::move(done));
  if (fresh) wanted_.push_back(row);
}

runtime::Status Residency::load_to_replay(const ColdResult& row) {
  switch (row.kind) {
    case ColdResult::Kind::found:
      return admit(row.key, row.row);
    case ColdResult::Kind::absent:
      return {};
    case ColdResult::Kind::damaged:
      ++store_.statistics_.damaged_rows;
      spdlog::error("A row of slot {} is damaged; the journal overrides it", row.key.slot);
      return {};
    case ColdResult::Kind::failed:
      break;
  }
  return std::unexpected(row.error);
}

runtime::Status Residency::load_ahead(const RowStore::Row& row) {
  bool wanted = false;
  const bool whole = !row.damaged && visit_row(row.value, [&](const RowEntry& of) {
    wanted = wanted || store_.is_ahead(row.key.slot, of.state);
  });
  if (wanted) return admit(row.key, row.value);
  if (!whole) ++store_.statistics_.damaged_rows;
  return {};
}

// Puts the keys of a row into memory. Those that are there already are newer.
runtime::Status Residency::admit(const RowKey& at, std::string_view row) {
  SlotCounts& counts = store_.table_.counts(at.db, at.slot);
  const bool whole = visit_row(row, [&](const RowEntry& of) {
    const object::Key key{of.key, at.hash, at.slot, at.db};
    if (counts.cold == 0 || store_.find(key) != nullptr) return;
    Entry* entry = Entry::make(of.key, of.state);
    entry->set_stored(true);
    entry->set_row_expires(of.state.expiry_ms != 0);
    entry->set_row_tombstone(of.state.form == Form::tombstone);
    store_.note_context(key, of.state);
    entry->set_referenced(true);
    entry->access = initial_access(store_.settings_.eviction, store_.now_ms());
    store_.table_.insert(key, entry);
    --counts.cold;
    --store_.cold_rows_;
    ++store_.statistics_.loaded_keys;
  });
  if (whole) return {};
  ++store_.statistics_.damaged_rows;
  return runtime::fail("a row of slot " + std::to_string(at.slot) + " is malformed");
}

void Residency::read_wanted() {
  if (wanted_.empty()) return;
  store_.cold_reader_.read(std::exchange(wanted_, {}), store_.loop_,
                           [this, flushes = store_.flushes_](std::vector<ColdResult> results) {
                             arrived_.push_back({std::move(results), flushes});
                             if (arrived_.size() == 1) take_arrived();
                           });
}

// Each result runs the commands that wait for it: so many a turn. Rows that were read before a
// flush may speak of keys that are gone: they are read again.
void Residency::take_arrived() {
  const uint64_t until_us = store_.loop_.turn_us() + kArrivalsUs;
  for (size_t budget = kLoadedPerTurn; budget > 0 && !arrived_.empty(); --budget) {
    if (store_.loop_.turn_us() > until_us) break;
    Arrived& front = arrived_.front();
    const ColdResult& result = front.results[front.taken];
    if (front.flushes == store_.flushes_) {
      loaded(result);
    } else if (loading_.contains(result.key)) {
      wanted_.push_back(result.key);
    }
    if (++front.taken == front.results.size()) arrived_.pop_front();
  }
  if (!arrived_.empty()) store_.loop_.post([this] { take_arrived(); });
}

void Residency::loaded(const ColdResult& result) {
  runtime::Status status;
  switch (result.kind) {
    case ColdResult::Kind::found:
      status = admit(result.key, result.row);
      break;
    case ColdResult::Kind::absent:
      break;
    case ColdResult::Kind::damaged:
      ++store_.statistics_.damaged_rows;
      status = runtime::fail("a row of slot " + std::to_string(result.key.slot) + " is damaged");
      break;
    case ColdResult::Kind::failed:
      status = std::unexpected(result.error);
      break;
  }
  const auto at = loading_.find(result.key);
  if (at == loading_.end()) return;
  std::vector<Done> waiting = std::move(at->second);
  loading_.erase(at);
  for (Done& done : waiting) done(status);
}

void Residency::end_turn() {
  read_wanted();
  out_of_memory_ = false;
  const uint64_t disk_max = store_.settings_.disk_bytes_max;
  const bool evicts = store_.settings_.eviction.policy != EvictionPolicy::noeviction;
  if (disk_max != 0 && store_.disk_bytes_used_ > disk_max) {
    if (evicts) {
      relieve_disk();
    } else {
      out_of_memory_ = true;
    }
  }
  if (!over_limit()) return;
  if (evicts_for_memory()) {
    if (store_.keeps_tombstones_) demote_some();
    evict_some();
  } else {
    demote_some();
  }
}

// Disk use is known anew only when a checkpoint has erased rows, so evict what the last figure asks
// for, once.
void Residency::relieve_disk() {
  const uint64_t checkpoints = store_.statistics_.checkpoints_completed;
  if (relief_checkpoint_ != checkpoints) {
    relief_checkpoint_ = checkpoints;
    relief_bytes_ = store_.disk_bytes_used_ - store_.settings_.disk_bytes_max +
                    store_.settings_.disk_bytes_max / kDiskReliefDivisor;
  }
  for (size_t i = 0; i < kEvictedPerTurn && relief_bytes_ > 0; ++i) {
    const uint64_t before = store_.table_.memory_bytes();
    if (!evict_one()) {
      out_of_memory_ = true;
      return;
    }
    const uint64_t freed = before - std::min(before, store_.table_.memory_bytes());
    relief_bytes_ -= std::min(relief_bytes_, std::max<uint64_t>(freed, 64));
    if (relief_bytes_ == 0) store_.checkpoint(nullptr);
  }
}

uint64_t Residency::memory_limit() const {
  const uint64_t limit = store_.settings_.memory_bytes_max;
  return limit - std::min(kReserveMax / store_.shape().shards, limit / kReserveDivisor);
}

bool Residency::over_limit() const {
  return store_.settings_.memory_bytes_max != 0 && store_.memory_bytes() > memory_limit();
}

bool Residency::evicts_for_memory() const {
  return store_.settings_.disk_bytes_max == 0 &&
         store_.settings_.eviction.policy != EvictionPolicy::noeviction;
}

bool Residency::demotable(const Entry* entry, uint16_t db, uint16_t slot) const {
  const bool clean = !entry->dirty() || runtime::mutant(runtime::Mutant::dirty_entry_demoted);
  // A cache does not keep on disk what left memory, except that it is gone. What another node is to
  // evict must stay somewhere until it does.
  const bool cached = evicts_for_memory() && store_.may_remove(slot);
  if (cached && entry->form() != Form::tombstone) return false;
  const bool row_says_it = entry->form() != Form::tombstone || entry->row_tombstone();
  if (!clean || !entry->stored() || !row_says_it) return false;
  // A flush must not make it forgotten.
  if (store_.sees_ahead(slot, db, entry->state())) return false;
  return store_.checkpointer_->committed(*entry, slot);
}

void Residency::demote_some() {
  const auto& shape = store_.shape();
  size_t budget = kCellsPerTurn;
  hand_until_us_ = store_.loop_.turn_us() + kDemotionUs;
  const size_t before = store_.statistics_.demoted_keys;
  const unsigned places = shape.slots() * shape.databases;
  for (unsigned place = 0; place < places && budget > 0; ++place) {
    const auto slot = static_cast<uint16_t>(hand_slot_ * shape.shards + shape.shard);
    if (!demote_slot(hand_db_, slot, budget)) break;
    hand_hash_ = 0;
    if (++hand_db_ < shape.databases) continue;
    hand_db_ = 0;
    hand_slot_ = (hand_slot_ + 1) % shape.slots();
    if (store_.statistics_.demoted_keys - before >= kDemotedPerTurn) break;
  }
  // Go on in another turn, unless all that is left must wait for a checkpoint.
  if (store_.statistics_.demoted_keys != before && over_limit()) store_.loop_.post([] {});
}

// Returns false when the budget ended within the slot.
bool Residency::demote_slot(uint16_t db, uint16_t slot, size_t& budget) {
  if (!store_.table_.has_database(db)) return true;
  SlotCounts& counts = store_.table_.counts(db, slot);
  if (counts.resident == 0 || store_.pinned(slot)) return true;
  victims_.clear();
  uint64_t group_hash = 0;
  size_t group_begin = 0;
  bool group_stays = false;
  // Keys of one hash share a row: they leave together or not at all.
  const auto end_group = [&] {
    if (group_stays) victims_.resize(group_begin);
    group_begin = victims_.size();
    group_stays = false;
  };
  const bool complete =
      store_.table_.visit_slot(db, slot, hand_hash_, [&](uint64_t hash, Entry* entry) {
        if (hash != group_hash) {
          end_group();
          if (budget == 0) {
            hand_hash_ = hash;
            return false;
          }
          group_hash = hash;
        }
        if (budget > 0) --budget;
        if (budget % kCellsPerLook == 0 && store_.loop_.turn_us() > hand_until_us_) budget = 0;
        if (entry->referenced() || !demotable(entry, db, slot)) {
          entry->set_referenced(false);
          group_stays = true;
        } else {
          victims_.emplace_back(hash, entry);
        }
        return true;
      });
  end_group();
  for (const auto& [hash, entry] : victims_) {
    store_.table_.erase({entry->key(), hash, slot, db}, entry);
  }
  counts.cold += static_cast<uint32_t>(victims_.size());
  store_.cold_rows_ += victims_.size();
  store_.statistics_.demoted_keys += victims_.size();
  return complete;
}

void Residency::evict_some() {
  for (size_t i = 0; i < kEvictedPerTurn && over_limit(); ++i) {
    if (evict_one()) continue;
    out_of_memory_ = over_limit();
    return;
  }
  if (over_limit()) store_.loop_.post([] {});
}

bool Residency::evict_one() {
  const EvictionSettings& eviction = store_.settings_.eviction;
  if (!store_.write_refusal().empty()) return false;
  const uint64_t now = store_.now_ms();
  Entry* best = nullptr;
  object::Key best_key;
  uint64_t best_score = 0;
  // Few keys may qualify under a volatile policy, or where others coordinate most slots: probe more
  // often than Redis's samples before giving up.
  const bool picky = eviction.volatile_only() || store_.removable_ != nullptr;
  const unsigned probes = picky ? eviction.samples * 16 : eviction.samples;
  const auto databases = static_cast<uint16_t>(store_.shape().databases);
  for (uint16_t db = 0; db < databases; ++db) {
    if (!store_.table_.has_database(db) || store_.table_.size(db) == 0) continue;
    if (eviction.volatile_only() && store_.volatile_keys(db) == 0) continue;
    unsigned taken = 0;
    for (unsigned i = 0; i < probes && taken < eviction.samples; ++i) {
      object::Key key;
      Entry* entry = store_.table_.sample(db, store_.random_.next(), &key);
      if (entry == nullptr || entry->form() == Form::tombstone) continue;
      if (!store_.may_remove(key.slot)) continue;
      if (eviction.volatile_only() && entry->expiry_ms() == 0) continue;
      ++taken;
      const uint64_t score = eviction_score(eviction, *entry, now, store_.random_);
      if (best != nullptr && score <= best_score) continue;
      best = entry;
      best_key = key;
      best_score = score;
    }
  }
  if (best == nullptr) return false;
  store_.remove(best_key, best);
  ++store_.statistics_.evicted_keys;
  return true;
}

void Residency::start_warming() {
  if (store_.cold_rows_ == 0 || warming_) return;
  warming_ = true;
  warm_from_ = {static_cast<uint16_t>(store_.shape().shard), 0, 0};
  warm();
}

// Reads one stretch of a slot after the other while memory has room for it.
void Residency::warm() {
  const auto& shape = store_.shape();
  const uint64_t limit = store_.settings_.memory_bytes_max;
  if (limit != 0 && store_.memory_bytes() > memory_limit() / 10 * 9) {
    warming_ = false;
    return;
  }
  while (warm_from_.slot < object::kSlots &&
         (!store_.table_.has_database(warm_from_.db) ||
          store_.table_.counts(warm_from_.db, warm_from_.slot).cold == 0)) {
    warm_from_.hash = 0;
    if (++warm_from_.db < shape.databases) continue;
    warm_from_.db = 0;
    warm_from_.slot = static_cast<uint16_t>(warm_from_.slot + shape.shards);
  }
  if (warm_from_.slot >= object::kSlots) {
    warming_ = false;
    return;
  }
  store_.cold_reader_.scan(
      warm_from_, kWarmRows, kWarmBytes, store_.loop_,
      [this, commits = store_.commits_](const std::vector<ColdResult>& rows, bool more) {
        // A row that has changed since it was read must not come back.
        if (commits != store_.commits_) return warm();
        for (const ColdResult& row : rows) {
          if (row.kind != ColdResult::Kind::found || loading_.contains(row.key)) continue;
          if (auto status = admit(row.key, row.row); !status) {
            spdlog::warn("{}", status.error().message);
          }
        }
        if (more && !rows.empty()) {
          warm_from_.hash = rows.back().key.hash + 1;
        } else if (++warm_from_.db == store_.shape().databases) {
          warm_from_ = {static_cast<uint16_t>(warm_from_.slot + store_.shape().shards), 0, 0};
        } else {
          warm_from_.hash = 0;
        }
        warm();
      });
}

}  // namespace quorate::storage
