// Table: the resident keys of one shard, in the order (slot, db, hash).
//
// Each (db, slot) owns a run of cells {hash, entry}, kept sorted by hash: a cell's home is the hash
// scaled to the run's capacity, collisions move right, so that the run is at once an
// open-addressing table (one probe sequence, one compare of the full hash) and an ordered sequence
// for checkpoints, SCAN and slot transfer. Capacities follow the allocator's classes, four per
// doubling; above RunEditor::kCellsMax cells a run splits in two by the next bit of the hash
// (extendible hashing, order kept), so no insertion ever moves more than one run. Keys with equal
// hashes stand side by side and are told apart by name. table_run.h has the details.
//
// Looking up takes three dependent reads: run, cell, entry. prefetch_*() start one each for a whole
// batch. Thread: the shard's. The table owns its entries. Source: DESIGN section 4.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <utility>
#include <vector>

#include "quorate/object/key.h"
#include "quorate/storage/entry.h"
#include "quorate/storage/table_run.h"

namespace quorate::storage {

class RunEditor;

// What the shard keeps per (db, slot) beside the cells. Plain data: the table only stores it,
// except `resident` and `entry_bytes`, which it maintains. A cache line, which every change
// touches.
struct alignas(64) SlotCounts {
  uint32_t resident = 0;       // cells in the table, tombstones included
  uint32_t live = 0;           // keys a client can see (expired but not yet removed ones included)
  uint32_t cold = 0;           // rows on disk that have no cell, tombstones included
  uint32_t volatile_keys = 0;  // live keys with an expiry, cold ones included
  uint32_t dirty = 0;          // resident entries whose change no checkpoint has taken yet
  uint32_t on_disk = 0;  // keys in the slot's rows once the checkpoint under way has committed
  uint32_t volatile_on_disk = 0;    // of them those whose row has an expiry
  uint32_t tombstones_on_disk = 0;  // of them those whose row is a tombstone
  bool rows_stale = false;          // rows on disk predate a flush and must not be read
  // Some row on disk may say more than the slot's saved clock: checkpoints took the slot in parts.
  bool rows_ahead = false;
  bool rows_shared = false;  // some row on disk may hold several keys, which have one hash
  uint64_t next_expiry_ms = UINT64_MAX;  // no key of the slot expires before this
  uint64_t entry_bytes = 0;              // of the resident entries
  uint64_t dirty_bytes = 0;              // of the dirty ones
};
static_assert(sizeof(SlotCounts) == 64);

class Table {
 public:
  // For the slots with slot % shards == shard.
  Table(unsigned shard, unsigned shards, unsigned databases);
  ~Table();
  Table(const Table&) = delete;
  Table& operator=(const Table&) = delete;

  // For a whole batch: hash all keys, then prefetch all runs and, for changes, counts, then all
  // cells, then all entries, then find. In one loop with the hashing they overlap less.
  void prefetch_run(const object::Key& key) const {
    const Database& database = databases_[key.db];
    if (database.runs != nullptr) prefetch_lines(&database.runs[index_of(key.slot)], 1);
  }
  void prefetch_counts(const object::Key& key) const {
    const Database& database = databases_[key.db];
    if (database.runs != nullptr) prefetch_lines(&database.counts[index_of(key.slot)], 1);
  }
  void prefetch_cell(const object::Key& key) const {
    const Run* root = root_of(key.db, key.slot);
    if (root == nullptr) return;
    prefetch_lines(first_probe(leaf_of(*root, key.hash), key.hash), kProbeLines);
  }
  void prefetch_entry(const object::Key& key) const {
    const Run* root = root_of(key.db, key.slot);
    if (root == nullptr) return;
    prefetch_lines(entry_near_home(leaf_of(*root, key.hash), key.hash), kEntryLines);
  }
  // The entry of this name, or null. Expired entries and tombstones are found too.
  Entry* find(const object::Key& key) const {
    const Run* root = root_of(key.db, key.slot);
    return root == nullptr ? nullptr : find_in(leaf_of(*root, key.hash), key);
  }
  // Whether a cell, of whatever name, has the key's hash.
  bool has_hash(const object::Key& key) const {
    const Run* root = root_of(key.db, key.slot);
    if (root == nullptr) return false;
    const auto [cell, end] = cells_from(leaf_of(*root, key.hash), key.hash);
    return cell != end && cell->hash == key.hash && cell->entry != nullptr;
  }
  // REQUIRES: find(key) is null and entry->key() == key.name. Takes ownership.
  void insert(const object::Key& key, Entry* entry);
  // REQUIRES: find(key) == before. Puts `after` in its place and destroys `before`.
  void replace(const object::Key& key, Entry* before, Entry* after);
  // REQUIRES: find(key) == entry. Removes and destroys it.
  void erase(const object::Key& key, Entry* entry);

  // Calls visit(hash, entry) in ascending hash order for cells of (db, slot) with hash >= from,
  // until it returns false. visit must not change the table. Returns false if visit stopped it.
  template <class Visit>
  bool visit_slot(uint16_t db, uint16_t slot, uint64_t from, Visit&& visit) const {
    const Run* root = root_of(db, slot);
    return root == nullptr || visit_cells(*root, from, std::forward<Visit>(visit));
  }

  // Removes all entries of (db, slot) at once, however many, and keeps them to be destroyed by
  // free_detached().
  void detach_slot(uint16_t db, uint16_t slot);
  // Destroys about so many of them, a leaf at a time; whether all are gone.
  bool free_detached(size_t entries);

  // REQUIRES: slot % shards == shard, db < databases.
  SlotCounts& counts(uint16_t db, uint16_t slot);
  const SlotCounts& counts(uint16_t db, uint16_t slot) const;
  // Whether the database has ever held a key here; counts() of one that has not are all zero.
  bool has_database(uint16_t db) const;

  // A cell picked at random (for sampling eviction), every one as likely as another unless hashes
  // are spread very unevenly; null if the database is empty here. Reads up to 2 KiB of sizes;
  // hundreds of ns when they are cold.
  Entry* sample(uint16_t db, uint64_t random, object::Key* key) const;

  size_t size() const;  // cells, all databases
  size_t size(uint16_t db) const { return databases_[db].cells; }
  size_t memory_bytes() const;  // cells, entries and what is kept per slot, as the allocator counts
  unsigned databases() const { return static_cast<unsigned>(databases_.size()); }
  // Moved within runs so far, by any operation: what bounds the time of an insertion.
  uint64_t moved_cells() const;

 private:
  // Runs and counts apart: look-ups read only the runs, which stay in the cache.
  struct Database {
    std::unique_ptr<Run[]> runs;  // by slot / shards; null until first used
    std::unique_ptr<SlotCounts[]> counts;
    std::vector<size_t> group_cells;  // cells per kGroupSlots slots, for sample()
    size_t cells = 0;
  };
  static constexpr size_t kGroupSlots = 128;
  // The cells that are counted without a branch; header, key and a payload of a hundred bytes.
  // Measured on a busy machine, the third line of an entry costs a bare find 6 to 13 ns and saves
  // one that reads such a payload 20 to 30.
  static constexpr int kProbeLines = 2;
  static constexpr int kEntryLines = 3;

  // slot / shards_, which a division would make the slowest step of a look-up.
  size_t index_of(uint16_t slot) const { return (slot * reciprocal_) >> 32; }
  const Run* root_of(uint16_t db, uint16_t slot) const {
    const Run* runs = databases_[db].runs.get();
    return runs == nullptr ? nullptr : runs + index_of(slot);
  }
  Database& opened(uint16_t db);
  void count(Database& database, size_t index, ptrdiff_t cells);
  const Run& leaf_at_random(const Database& database, size_t rank, uint64_t random,
                            size_t* index) const;

  unsigned shard_;
  unsigned shards_;
  uint64_t reciprocal_;
  size_t slots_;  // of this shard
  std::vector<Database> databases_;
  size_t database_bytes_ = 0;
  size_t entry_bytes_ = 0;
  std::unique_ptr<RunEditor> editor_;
  std::deque<Run> detached_;
  size_t detached_place_ = 0;  // of the first one, if it is a directory: leaves before it are gone
};

}  // namespace quorate::storage
