// ChangeIntake: applies batches of other nodes' changes to this shard.
//
// A change whose key is not in memory waits until it is; a flush that does not cover all that is
// here waits until all keys of its (slot, db) are, which are loaded in portions, one flush after
// the other, so that at most one slot is held in memory for it. The rest of a batch does not wait:
// the order of changes does not matter. Thread: the shard's.
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <string_view>

#include "quorate/coordinator/replicator.h"

namespace quorate::coordinator {

class ChangeChunk;

class ChangeIntake {
 public:
  using Verdict = Replicator::Verdict;
  using Applied =
      std::function<void(const object::Change&, uint64_t key_hash, const object::NodeId& from)>;

  // `applied` hears of every change that was applied, also those that changed nothing, and who sent
  // it. The parts outlive this.
  ChangeIntake(ShardCoordinator& coordinator, ActorDirectory& directory, const KeyDigests& digests,
               Applied applied);
  ~ChangeIntake();

  // `done` is told when the journal has all of the batch.
  void take(const object::NodeId& from, std::string_view batch, Replicator::Taken done);
  uint64_t refused() const { return refused_; }

 private:
  class Batch;
  struct Kept;
  struct Flush;

  storage::ShardStore& store() { return coordinator_.store(); }
  runtime::Status apply(const object::NodeId& from, const object::Change& change, uint64_t hash,
                        bool all_loaded = false);
  void queue_flush(Flush flush);
  void next_flush();
  void load_for_flush(uint64_t from);
  void flush_loaded(const runtime::Status& status);

  ShardCoordinator& coordinator_;
  ActorDirectory& directory_;
  const KeyDigests& digests_;
  const Applied applied_;
  const std::unique_ptr<ChangeChunk> chunk_;  // of the batch that is being read
  std::deque<std::unique_ptr<Flush>> flushes_;
  bool flushing_ = false;  // the first of them
  uint64_t refused_ = 0;   // batches
};

}  // namespace quorate::coordinator
