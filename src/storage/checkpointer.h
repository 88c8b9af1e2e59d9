// Checkpointer: takes one shard's dirty entries to the row store, in the order of the rows.
//
// A checkpoint is one walk over the shard's slots. The walk copies dirty entries into a batch, a
// bounded slice per loop turn; a full batch waits until the journal is synced as far as the batch
// saw it, then the checkpoint thread writes it as one transaction, with the clocks and counts of
// its slots. A transaction that fails (disk full) is tried again each second, for ever: the journal
// still holds everything. When the last transaction has committed, journal segments that began
// before the walk did are removed.
//
// Entries of a batch are marked clean, with the checkpoint's generation, when they are copied; they
// may leave memory once their slot lies before committed_slot() or no checkpoint runs. A change in
// between makes them dirty again. Thread: the shard's, but for the transaction itself.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "quorate/runtime/loop.h"
#include "quorate/storage/shard_store.h"

namespace quorate::storage {

class Checkpointer {
 public:
  Checkpointer(ShardStore& store, runtime::Executor& thread);
  ~Checkpointer();

  bool due() const;
  // `done` is called when all that is dirty now is committed. Somebody waits for it: it does not
  // rest, nor does the one under way.
  void start(std::function<void()> done);
  // Starts what is due, and goes on after a rest.
  void end_turn();
  bool running() const { return running_; }
  bool failing() const { return failing_; }
  // Whether the entry's row is certain to be on disk as the entry says it.
  bool committed(const Entry& entry, uint16_t slot) const {
    return !running_ || entry.generation() != generation_ || slot < committed_slot_;
  }
  uint64_t memory_bytes() const { return memory_bytes_; }

 private:
  struct Batch;

  void begin();
  bool full() const;
  void slice();
  bool touch_slot(uint16_t slot);
  bool walk_slot(uint16_t slot, size_t& budget);
  bool is_small(uint16_t slot) const;
  bool walk_database(uint16_t slot, uint16_t db, size_t& budget);
  void take_group(uint16_t slot, uint16_t db, uint64_t hash, const std::vector<Entry*>& group);
  void save_counts(uint16_t slot);
  void set_rows_ahead(uint16_t slot, bool ahead);
  void next_slot();
  void send();
  void transact();
  void committed(runtime::Status status);
  void forget_tombstones();
  bool hurried() const;
  uint64_t due_after_us() const;
  bool ahead() const;
  void end_rest();
  void go_on();
  void finish();

  ShardStore& store_;
  runtime::Executor& thread_;
  std::shared_ptr<Batch> batch_;  // shared with the transaction on the other thread
  std::unique_ptr<runtime::Timer> retry_, pause_;
  std::vector<std::function<void()>> done_, done_next_;

  bool running_ = false;
  bool again_ = false;
  bool hurry_ = false;
  bool failing_ = false;
  bool waiting_for_sync_ = false;
  unsigned generation_ = 0;
  uint64_t journal_start_ = 0;  // where the journal was when the walk, or the last one, began
  uint64_t started_us_ = 0;
  uint64_t memory_bytes_ = 0;
  unsigned committed_slot_ = 0;
  uint64_t dirty_bytes_ = 1;    // when the walk began
  uint64_t taken_bytes_ = 0;    // of them, and of what became dirty before the walk came to it
  uint64_t journal_bytes_ = 0;  // that the checkpoint is spread over

  // The walk.
  unsigned slot_ = 0;
  uint16_t db_ = 0;
  uint64_t hash_ = 0;
  uint16_t touch_db_ = 0;  // how far touch_slot() has come
  uint64_t touch_hash_ = 0;
  uint64_t slice_until_us_ = 0;  // of the turn
  bool slot_touched_ = false;    // something of it is in the batch, or its clock has moved
  bool whole_ = false;           // it is small enough to be taken in one turn
  bool in_parts_ = false;        // changes came between what was taken of it and the rest
  std::string clock_;            // as it was when the walk entered the slot
};

}  // namespace quorate::storage
