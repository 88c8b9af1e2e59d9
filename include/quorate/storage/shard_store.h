// ShardStore: all data of one shard, and the only way to change it.
//
// It joins the object table (what is in memory), the journal (what happened), the row store (what
// is on disk) and the slot clocks (which dots are here), and keeps their promises to each other:
// every change takes a dot and a journal record before it can be seen, a dirty entry stays in
// memory until a checkpoint has committed it, a key without a cell is absent unless its slot has
// cold rows.
//
// Life of a key: put() makes or overwrites an entry, dirty; a checkpoint writes the row, the entry
// is clean; under memory pressure a clean entry is demoted, its row stays (cold); the next access
// finds it cold, load()s it and is resumed. A removed key whose row is still on disk stays as a
// tombstone entry until a checkpoint has erased the row.
//
// With replicas (set_keeps_tombstones, set_observer), each change of a key goes to them, and theirs
// come in through apply(). Entries are then objects (object.h), simple ones as before; a change
// made here supersedes what its key shows, so counters add up exactly and no write is lost. A
// removed key stays as a tombstone, in memory, in the journal and as a row, until it is reaped. A
// lone node pays one branch for all this.
//
// Callers work in turns of the loop: any number of finds and changes, then end_turn(), which writes
// the journal; replies of the turn may leave when that returned, or, under SyncPolicy::always, when
// journal().synced_position() has reached what journal().end_position() was.
// Thread: the shard's. Time: Unix ms given by the loop's clock. Source: DESIGN sections 3, 4, 5.
#pragma once

#include <algorithm>
#include <bitset>
#include <boost/unordered/unordered_flat_map.hpp>
#include <cstdint>
#include <expected>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "quorate/object/change.h"
#include "quorate/object/counter.h"
#include "quorate/object/hlc.h"
#include "quorate/object/key.h"
#include "quorate/object/slot_set.h"
#include "quorate/runtime/loop.h"
#include "quorate/runtime/random.h"
#include "quorate/storage/cold_reader.h"
#include "quorate/storage/entry.h"
#include "quorate/storage/entry_codec.h"
#include "quorate/storage/eviction.h"
#include "quorate/storage/journal.h"
#include "quorate/storage/row_store.h"
#include "quorate/storage/saved_slot.h"
#include "quorate/storage/slot_clocks.h"
#include "quorate/storage/table.h"

namespace quorate::storage {

class Checkpointer;
class ExpiryCycle;
class Residency;

// May change while the shard runs; sizes are this shard's share.
struct StoreSettings {
  uint64_t memory_bytes_max = 0;  // 0: unlimited
  uint64_t disk_bytes_max = 0;    // 0: unlimited; the whole node's
  EvictionSettings eviction;
  unsigned checkpoint_growth_percent = 100;
  uint64_t checkpoint_bytes_min = 64ull << 20;
  // Up to this size a checkpoint takes a slot in one turn, which saves it exactly as its clock
  // says: recovery then need not read its rows.
  uint32_t checkpoint_whole_slot_keys = 1024;
  // Of rows that a checkpoint gathers before it has them committed.
  uint64_t checkpoint_batch_bytes = 4ull << 20;
};

struct StoreStatistics {
  uint64_t expired_keys = 0, evicted_keys = 0, demoted_keys = 0, loaded_keys = 0;
  uint64_t checkpoints_completed = 0, checkpoint_failures = 0;
  uint64_t checkpoint_rows_last = 0, checkpoint_us_last = 0;
  uint64_t checkpoint_completed_ms = 0;  // when the last one was; 0: none yet
  uint64_t damaged_rows = 0;
};

// Hears of every change made here, expiry, eviction and flush included, not of those applied.
class ChangeObserver {
 public:
  virtual ~ChangeObserver() = default;
  // After the change took its dot and its journal record, before the turn ends. What `change` views
  // is valid during the call. Must not call the store.
  virtual void changed(const object::Change& change) = 0;
};

class ShardStore {
 public:
  struct Parts {  // what it works with; all outlive it
    runtime::Loop& loop;
    runtime::Random& random;
    std::unique_ptr<Journal> journal;
    RowStore& rows;
    ColdReader& cold_reader;
    runtime::Executor& checkpoint_thread;
    const object::ActorTable& actors;  // knows every actor of dots that come in
  };
  struct Shape {
    unsigned shard = 0;
    unsigned shards = 1;
    unsigned databases = 16;
    object::ActorId actor{};
    uint64_t hash_seed = 0;

    unsigned slots() const { return (object::kSlots - shard + shards - 1) / shards; }
    // Whether the slot is this shard's.
    bool owns(uint16_t slot) const { return slot % shards == shard; }
  };

  ShardStore(Parts parts, Shape shape, StoreSettings settings);
  ~ShardStore();
  ShardStore(const ShardStore&) = delete;
  ShardStore& operator=(const ShardStore&) = delete;

  // ---- reading
  // For a batch of keys, in this order, each for all of them. What a change needs of its slot is
  // four cache lines more.
  enum class For : uint8_t { look_up, change };
  void prefetch_slot(const object::Key& key, For what) const {
    table_.prefetch_run(key);
    if (what == For::look_up) return;
    table_.prefetch_counts(key);
    clocks_.prefetch(key.slot);
  }
  void prefetch_cell(const object::Key& key) const { table_.prefetch_cell(key); }
  void prefetch_entry(const object::Key& key) const { table_.prefetch_entry(key); }
  // For loops over many keys, called with each index in turn: brings the next few keys to hand.
  template <class KeyOf>
  void prefetch_ahead(size_t i, size_t count, For what, KeyOf&& key_of) const {
    constexpr size_t kGroup = 16;
    if (i % kGroup == 0) prefetch(i, std::min(count, i + kGroup), what, key_of);
  }
  // Those with an index from `begin` to before `end`.
  template <class KeyOf>
  void prefetch(size_t begin, size_t end, For what, KeyOf&& key_of) const {
    if (end - begin < 2) return;  // nothing to overlap with
    for (size_t i = begin; i < end; ++i) prefetch_slot(key_of(i), what);
    for (size_t i = begin; i < end; ++i) prefetch_cell(key_of(i));
    for (size_t i = begin; i < end; ++i) prefetch_entry(key_of(i));
  }
  // The resident entry, tombstones and expired ones included, or null.
  Entry* find(const object::Key& key) const { return table_.find(key); }
  // After find() gave null: whether a row on disk may hold the key, so that load() must come first.
  bool is_cold(const object::Key& key) const { return table_.counts(key.db, key.slot).cold != 0; }
  // Whether a command on the key must wait for load(): it may be on disk, or is on its way; who
  // came before and waits for it goes first.
  bool needs_load(const object::Key& key) const;
  // Calls `done` once the key is resident or known to be absent. Loads of a turn leave as one
  // batch, loads of one key share a read. A failed or damaged read leaves the key cold and is
  // reported to `done`.
  void load(const object::Key& key, std::move_only_function<void(runtime::Status)> done);
  // Keeps the slot's keys in memory until unpin(), for operations that need several at once.
  void pin(uint16_t slot) { ++pins_[slot]; }
  void unpin(uint16_t slot) {
    if (--pins_[slot] == 0) pins_.erase(slot);
  }
  bool pinned(uint16_t slot) const { return !pins_.empty() && pins_.contains(slot); }
  // Marks a use for eviction.
  void touch(Entry* entry) {
    entry->set_referenced(true);
    const EvictionSettings& eviction = settings_.eviction;
    entry->access = next_access(eviction, entry->access, now_ms(), random_);
  }

  // ---- changing. REQUIRES everywhere: `before` is what find() gives, and !is_cold(key) if that is
  // null.
  struct Value {
    Form form = Form::raw;
    uint64_t expiry_ms = 0;
    std::string_view payload;
  };
  // Sets the key's whole state. Returns the entry, valid until the next change of the key.
  Entry* put(const object::Key& key, Entry* before, const Value& value);
  // Removes a visible key. REQUIRES: before is no tombstone.
  void remove(const object::Key& key, Entry* before);
  void set_expiry(const object::Key& key, Entry* entry, uint64_t expiry_ms);
  // As put() and remove(), but of the versions that the key shows only those are superseded whose
  // dots `seen` covers; the others stay as siblings, on a lone node, too. remove_seen() changes
  // nothing if `seen` covers none; it returns the entry, null if none is left.
  Entry* put_beside(const object::Key& key, Entry* before, const Value& value,
                    const object::CausalContext& seen);
  Entry* remove_seen(const object::Key& key, Entry* before, const object::CausalContext& seen);
  // Removes `entry` if its time has come and may_remove(), counting it as expired. True if it did.
  bool expire_if_due(const object::Key& key, Entry* entry);
  // Removes every key of the database, or of some of its slots.
  void flush(uint16_t db, const object::SlotSet* of = nullptr);

  // ---- replication
  // At most once; null, as at first, while there are no replicas. It outlives the store.
  void set_observer(ChangeObserver* observer);
  // Whether there are replicas that must hear of what was removed. REQUIRES: set before a node with
  // replicas recovers, because its first checkpoint erases what does not matter to a lone node.
  void set_keeps_tombstones(bool on);
  bool replicated() const { return replicated_; }
  // Of which slots keys may be removed here because they expired or to make room; null, as at
  // first: of all. With replicas these are the slots that this node coordinates, so that each
  // removal is one change. Elsewhere what has expired stays, unseen, until its coordinator's change
  // comes, and what memory has no room for is demoted.
  using SlotSet = std::bitset<object::kSlots>;
  void restrict_removals(std::unique_ptr<const SlotSet> slots) { removable_ = std::move(slots); }
  bool may_remove(uint16_t slot) const { return removable_ == nullptr || removable_->test(slot); }
  // Adds to the integer the key stands for, or to 0, as an increment of our actor (counter.h).
  // REQUIRES: as for put(), and replicated().
  std::expected<int64_t, object::CounterError> increment(const object::Key& key, Entry* before,
                                                         int64_t amount);
  // Takes in another replica's change; one that was applied before changes nothing. Equal to
  // object::apply(). Fails, changing nothing, if a delta or state is malformed. REQUIRES: the key
  // is as for put(); its name is shorter than Entry::kKeyBytesMax; all actors are in the table.
  //
  // A flush removes what its context covers and, because that may come later still, the context is
  // kept beside the slot clock. It fails if flush_needs_keys(), unless `all_loaded`: then keys that
  // are still not in memory cannot be read, and are passed by. What keys saw ahead of the slot
  // clock outlives every flush, the own ones included: versions that they superseded may still
  // come. Hence such keys stay in memory until the clock says it.
  runtime::Status apply(const object::Change& change, bool all_loaded = false);
  // Whether keys of the flush's (slot, db) are not in memory and not all of them go. REQUIRES:
  // object::is_flush(change.kind).
  bool flush_needs_keys(const object::Change& change) const;
  // What all flushes of (slot, db) cover, the own ones included, for a replica that missed them: a
  // change of kind `flushes`, which views `scratch`. Nothing if there was none. Kept as long as
  // there are replicas, because absence of a key tells nobody that it was flushed.
  std::optional<object::Change> flushes_of(uint16_t slot, uint16_t db, std::string& scratch) const;
  bool flushes_cover(uint16_t slot, uint16_t db, object::Dot dot) const;
  // Everything a replica needs to have this key as we do, whatever it missed: a change of kind
  // `state`, which views `scratch`; nothing for an absent key. REQUIRES: the key is as for put().
  //
  // Its context is all that this key saw here, filled in with the slot clock. Its dots, which the
  // receiver's slot clock will cover, are those of the versions shown and the entry's own; no
  // others, although the context covers more, because a clock may cover a dot only when all that
  // the dot's change did is done. For these dots it is: the change added a version, which is here,
  // and removed what it superseded, which this context covers since it was applied here (or came in
  // a state of which the same is true). Of the context's other dots some are of other keys, whose
  // changes the receiver still needs. A dot of this key that it still lacks will come again, and
  // then change nothing. It must be merged even where its dots are covered, because a version that
  // was superseded by a change in between may still be shown there: a:1 is here, a:3 replaced a:2,
  // a:2 was lost.
  // A key that is absent there, though the clock covers the state's dots, was flushed or reaped; it
  // does not come back.
  std::optional<object::Change> state_of(const object::Key& key, std::string& scratch) const;
  // A stretch of keys by their hashes.
  struct Portion {
    std::optional<uint64_t> end;       // where the next one begins; nothing: this was the last
    std::vector<uint64_t> unreadable;  // hashes of rows that may hold keys of it
  };
  using PortionLoaded = std::move_only_function<void(runtime::Result<Portion>)>;
  // Loads what is cold of the keys of (slot, db) with hash >= from, up to a few hundred KiB. While
  // `done` runs, at once if nothing is cold, every key from `from` to the portion's end is in
  // memory, but for those of unreadable rows.
  void load_portion(uint16_t slot, uint16_t db, uint64_t from, PortionLoaded done);
  // From now on the slot's clock covers these dots. REQUIRES: all that their changes did is done
  // here (repair/slot_source.h says when that is known). Fails if they say that dots of this
  // process were issued which it does not know of.
  runtime::Status adopt_clock(uint16_t slot, const object::CausalContext& dots);

  // ---- recovery, before the first turn
  // What a checkpoint had saved of a slot; its keys are cold. Fails if it speaks of a database
  // beyond ours.
  runtime::Status restore_slot(const SavedSlot& saved);
  // Applies a record of the journal, unless the slot's clock already covers it. REQUIRES: the row
  // that row_to_replay() asks for was given to load_to_replay(), if there is one.
  runtime::Status replay(const Record& record);
  // Nothing if the record itself says enough of what was there before.
  std::optional<RowKey> row_to_replay(const Record& record) const;
  runtime::Status load_to_replay(const ColdResult& row);
  // After the last record: the beginnings of each (slot, db) of whose rows those are to be given to
  // load_ahead() that say what the slot's clock does not.
  std::vector<RowKey> contexts_on_disk();
  runtime::Status load_ahead(const RowStore::Row& row);

  // ---- turns and background work
  runtime::Status end_turn();
  void start_background();  // expiry, warming, checkpoint triggers; after recovery
  // Takes a checkpoint of everything changed so far; `done` is called when it is committed. Calls
  // that come while one is under way share the next; without `done` the one under way will do.
  void checkpoint(std::function<void()> done);
  // Called after each checkpoint.
  void on_checkpoint(std::function<void()> callback) { on_checkpoint_ = std::move(callback); }
  // Calls `done` once the journal is synced up to `position`, asking for a sync if need be.
  void when_synced(uint64_t position, std::function<void()> done);
  // Called each time the journal's synced position has advanced.
  void on_synced(std::function<void()> callback) { on_synced_ = std::move(callback); }
  bool checkpoint_running() const;
  bool checkpoint_failing() const;  // the one under way is being retried
  // Dirty data has reached its limit: clients should not write until this is false again.
  bool backlogged() const;
  // Writes must be refused with this reason; empty when they are welcome.
  const std::string& write_refusal() const;
  // Over the memory limit with nothing that may be given up: commands that need memory are refused.
  bool out_of_memory() const;

  // ---- looking around
  // Keys a client can see, expired but not yet removed ones included.
  uint64_t keys(uint16_t db) const { return key_counts_[db]; }
  uint64_t volatile_keys(uint16_t db) const { return volatile_counts_[db]; }
  const Table& table() const { return table_; }
  Journal& journal() { return *journal_; }
  const Journal& journal() const { return *journal_; }
  const SlotClocks& clocks() const { return clocks_; }
  const Shape& shape() const { return shape_; }
  StoreSettings& settings() { return settings_; }
  const StoreStatistics& statistics() const { return statistics_; }
  // Counts keys that come and go anew.
  void reset_statistics() {
    statistics_.expired_keys = statistics_.evicted_keys = 0;
    statistics_.demoted_keys = statistics_.loaded_keys = 0;
  }
  uint64_t dirty_bytes() const { return dirty_bytes_; }
  uint64_t memory_bytes() const;
  uint64_t now_ms() const { return loop_.clock().wall_ms(); }
  uint64_t cold_rows() const { return cold_rows_; }
  ColdReader& cold_reader() { return cold_reader_; }

 private:
  friend class Checkpointer;
  friend class ExpiryCycle;
  friend class PortionLoad;
  friend class Residency;

  object::Key key_of(const Record& record) const;
  SlotCounts& counts(const object::Key& key) { return table_.counts(key.db, key.slot); }
  EntryState next_state(const object::Key& key, const Entry* before, const Value& value);
  Before before_of(const object::Key& key, const Entry* before) const;
  void log(RecordType type, Before before, const object::Key& key, const EntryState& state,
           std::string_view context = {});
  Entry* stand_in(const object::Key& key, const Record& record);
  Entry* store(const object::Key& key, Entry* before, const EntryState& state);
  void drop(const object::Key& key, Entry* before, const EntryState& state);
  void flush_at_once(const object::Key& place, const EntryState& state);
  void flush_slot(uint16_t db, uint16_t slot);
  object::Change described(const object::Key& key, const EntryState& state) const;
  Entry* change_simply(const object::Key& key, Entry* before, const EntryState& state);
  template <class Write>
  Entry* change_object(const object::Key& key, Entry* before, Write&& write);
  Entry* commit_delta(const object::Key& key, Entry* before, const object::Object& object,
                      const object::Delta& delta, object::Hlc hlc);
  Entry* put_replicated(const object::Key& key, Entry* before, const Value& value);
  void remove_replicated(const object::Key& key, Entry* before);
  void set_expiry_replicated(const object::Key& key, Entry* entry, uint64_t expiry_ms);
  void note_context(const object::Key& key, const EntryState& state);
  bool is_ahead(uint16_t slot, const EntryState& state) const;
  bool keys_see_ahead(uint16_t slot, uint16_t db);
  bool sees_ahead(uint16_t slot, uint16_t db, const EntryState& state);
  void log_state(const object::Key& key, const Entry* before, const EntryState& state,
                 const object::CausalContext& dots);
  void tell_flush(uint16_t db, uint16_t slot, const EntryState& state);
  bool replaces(const object::Change& change, const Entry* before) const;
  runtime::Status apply_merging(const object::Key& key, Entry* before,
                                const object::Change& change);
  EntryState joined_state(const object::Key& key, const Entry* before, const object::Object& full,
                          object::Dot dot, object::Hlc hlc);
  void join(const object::Key& key, Entry* before, const object::Object& full, object::Dot dot,
            object::Hlc hlc);
  runtime::Status apply_flush(const object::Change& change, bool all_loaded);
  void flush_each(const object::Key& place, const object::CausalContext& context, object::Hlc hlc);
  // What a flush at once must not make forgotten of keys in memory.
  struct SeenByKey {
    std::string name;
    uint64_t hash;
    object::Dot dot;
    object::Object seen;
  };
  std::vector<SeenByKey> contexts_of(uint16_t db, uint16_t slot);
  void keep_contexts(uint16_t db, uint16_t slot, const std::vector<SeenByKey>& contexts,
                     object::Hlc hlc);
  void note_flushed(uint16_t db, uint16_t slot, const object::CausalContext& context);
  runtime::Status replay_merged(const Record& record);
  object::CausalContext flushed_context(uint16_t slot, uint16_t db);
  bool flushes_to_save(uint16_t slot, uint16_t db) const;
  bool flushed_ahead(uint16_t slot, uint16_t db) const;
  object::SlotClock clock_for(uint16_t slot, uint16_t db) const;
  void mark_dirty(SlotCounts& counts, Entry* entry);
  void unmark_dirty(SlotCounts& counts, Entry* entry);
  void count_expiry(const object::Key& key, SlotCounts& counts, uint64_t before_ms,
                    uint64_t after_ms);
  void free_some_removed();
  void synced();
  void journal_failed();
  uint64_t checkpoint_dirty_bytes() const;    // a checkpoint is due at this much dirty data
  uint64_t checkpoint_journal_bytes() const;  // … and at this much journal since the last one

  Shape shape_;
  StoreSettings settings_;
  runtime::Loop& loop_;
  runtime::Random& random_;
  std::unique_ptr<Journal> journal_;
  RowStore& rows_;
  ColdReader& cold_reader_;
  Table table_;
  SlotClocks clocks_;
  const object::ActorTable& actors_;
  object::HlcClock hlc_;
  bool replicated_ = false;  // there is an observer, or tombstones are kept
  bool keeps_tombstones_ = false;
  ChangeObserver* observer_ = nullptr;
  std::unique_ptr<const SlotSet> removable_;
  // What flushes of a (slot, db) cover: while there are replicas, and until the slot clock says it.
  struct Flushes {
    object::CausalContext context;
    bool ahead = false;  // the clock did not say all of it when last looked at
    bool saved = false;  // in a checkpoint's batch
  };
  boost::unordered_flat_map<std::pair<uint16_t, uint16_t>, Flushes> flushed_;
  // What keys of a (slot, db) saw beyond the slot clock, when last looked at. They are in memory …
  boost::unordered_flat_map<std::pair<uint16_t, uint16_t>, object::CausalContext> seen_ahead_;
  std::vector<RowKey> contexts_on_disk_;  // … but for those, until recovery has read them
  std::string scratch_, change_payload_;
  std::vector<object::Dot> superseded_;
  std::vector<uint64_t> key_counts_, volatile_counts_;
  uint64_t dirty_bytes_ = 0;
  uint64_t cold_rows_ = 0;
  uint64_t disk_bytes_used_ = 0;  // the whole node's, as of the last commit of a checkpoint here
  uint64_t commits_ = 0;          // of the row store by this shard
  uint64_t flushes_ = 0;  // and commits that erased what they left: rows read before are old
  boost::unordered_flat_map<uint16_t, unsigned> pins_;
  StoreStatistics statistics_;
  bool journal_failed_ = false;  // a sync has failed: only a checkpoint makes what it holds durable
  std::function<void()> on_checkpoint_, on_synced_;
  std::vector<std::pair<uint64_t, std::function<void()>>> sync_waiters_;
  bool freeing_ = false;  // what a flush has detached, in slices
  std::unique_ptr<Checkpointer> checkpointer_;
  std::unique_ptr<Residency> residency_;
  std::unique_ptr<ExpiryCycle> expiry_cycle_;
};

}  // namespace quorate::storage
