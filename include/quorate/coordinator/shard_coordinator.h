// ShardCoordinator: brings a command and its keys together on one shard.
//
// A command on resident keys of this shard with no gate closed runs at once; ready() is that
// question. Any other goes through when_ready() (one key of this shard) or run_exclusively()
// (several keys, any shards), which suspend it: they load what is cold, take the slots' gates,
// gather foreign keys, and then run it.
//
// What leaves a shard for another one must not be seen before the journal has it: answers to other
// shards go through after_turn(), which holds them until the turn's batch is written (and, under
// appendfsync always, synced). Thread: the shard's; shards reach each other only through their
// loops. Source: DESIGN sections 3 and 8.
#pragma once

#include <algorithm>
#include <deque>
#include <functional>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include "quorate/coordinator/key_space.h"
#include "quorate/coordinator/slot_gates.h"
#include "quorate/object/dot.h"
#include "quorate/object/key.h"
#include "quorate/runtime/error.h"
#include "quorate/runtime/loop.h"
#include "quorate/runtime/mutants.h"
#include "quorate/storage/shard_store.h"

namespace quorate::coordinator {

// What beside the own journal an answer must wait for: copies on other nodes.
class WriteBarrier {
 public:
  virtual ~WriteBarrier() = default;
  // The turn's changes were written to the journal, which now ends at `position`.
  virtual void end_turn(uint64_t position) = 0;
  // Up to where in the journal changes have enough copies, or never will have.
  virtual uint64_t settled() const = 0;
};

class ShardCoordinator {
 public:
  using Run = std::move_only_function<void(runtime::Status)>;

  ShardCoordinator(runtime::Loop& loop, storage::ShardStore& store,
                   const object::ActorTable& actors)
      : loop_(loop), store_(store), keys_(store, actors) {}

  // All shards of the process, in order, this one among them. Before the first command.
  void connect(std::vector<ShardCoordinator*> shards) { shards_ = std::move(shards); }

  runtime::Loop& loop() { return loop_; }
  storage::ShardStore& store() { return store_; }
  KeySpace& keys() { return keys_; }
  SlotGates& gates() { return gates_; }
  const std::vector<ShardCoordinator*>& shards() const { return shards_; }
  unsigned shard_of(uint16_t slot) const {
    return shards_.size() == 1 ? 0 : slot % static_cast<unsigned>(shards_.size());
  }

  // Whether a command on these keys can run here and now.
  bool ready(std::span<const object::Key> keys) const {
    if (gates_.idle() && store_.cold_rows() == 0 && shards_.size() == 1) [[likely]]
      return true;
    return ready_slowly(keys);
  }

  // Runs `run` once `key` is resident and its slot's gate is open, in the order of the calls per
  // key; at once if that is now. An error says that the key could not be loaded. `key.name` must
  // stay until then.
  void when_ready(const object::Key& key, Run run);

  // Runs `run` with all keys resident and their slots held, so that nothing else sees it half done.
  // Afterwards the slots are released and `finished` is called when every shard has what `run`
  // changed, durably. Views in `keys` must stay until `finished`. An error (a key could not be
  // loaded, a shard refuses writes) means that `run` was called with it and must change nothing.
  void run_exclusively(const std::vector<object::Key>& keys, bool writes, Run run,
                       runtime::Task finished);

  // Posts `task` to `receiver` when everything this shard has changed so far may be answered for.
  void after_turn(runtime::Executor& receiver, runtime::Task task);
  // The same for what was changed up to a position of the journal; if that may be answered for
  // already, with the next release_held().
  void after(uint64_t position, runtime::Executor& receiver, runtime::Task task);
  // Calls `task` here when the journal has everything this shard has changed so far, as durably as
  // appendfsync says; other nodes are not waited for.
  void after_journal(runtime::Task task);
  // Outlives this, or is taken back with null.
  void set_barrier(WriteBarrier* barrier) { barrier_ = barrier; }
  // Writes the journal and lets go what after_turn() held. Replies to clients may leave up to
  // answerable().
  runtime::Status end_turn();
  // Journal position up to which changes may be answered for.
  uint64_t answerable() const {
    if (barrier_ == nullptr || runtime::mutant(runtime::Mutant::reply_before_copies)) [[likely]]
      return journaled();
    return std::min(journaled(), barrier_->settled());
  }
  void set_syncs_always(bool on) { syncs_always_ = on; }
  bool syncs_always() const { return syncs_always_; }
  // To be called when the journal's synced position or what is settled has advanced.
  void release_held();

 private:
  friend class ExclusiveOperation;

  bool ready_slowly(std::span<const object::Key> keys) const;
  void admitted(const object::Key& key, Run run);
  uint64_t journaled() const {
    if (runtime::mutant(runtime::Mutant::reply_before_journal)) return UINT64_MAX;
    return syncs_always_ ? store_.journal().synced_position() : store_.journal().written_position();
  }

  struct Held {
    uint64_t position = 0;
    runtime::Executor* receiver = nullptr;
    runtime::Task task;
  };

  runtime::Loop& loop_;
  storage::ShardStore& store_;
  KeySpace keys_;
  SlotGates gates_;
  std::vector<ShardCoordinator*> shards_;
  std::deque<Held> held_;
  std::deque<std::pair<uint64_t, runtime::Task>> journal_waiters_;
  WriteBarrier* barrier_ = nullptr;
  bool syncs_always_ = false;
};

}  // namespace quorate::coordinator
