// SettledSlots: the slots of which this node, coordinating them, holds what enough replicas hold,
// so that a command need not ask them before it changes a key (DESIGN 8).
//
// A slot is unsettled by whatever may mean that another node coordinated it meanwhile: this node's
// start, a change of members, a replica that this node stops or begins to see as healthy, one that
// says the same of this node, a new connection with one. Then every other healthy replica is asked
// whether it is ready to promise, then for its promise (slot_promises.h), the slot is brought up to
// all that gave it, R - 1 at least (ShardCluster::settle), and is settled if nothing has unsettled
// it again in the meantime. Once it is promised, commands on its keys need only read from all that
// promised. Before that they wait for a while: another node may still be at work as the
// coordinator, until it learns of this one, and promises. Who waited long enough reads from a
// quorum; if two change a key at once, the copies of one of them at most count
// (Replicator::expect).
//
// A slot may be taken for settled that is not any more: nobody learns at once that it was suspected
// itself. So copies of what was changed without a read count only where promises are kept: numbers
// go with the changes (Replicator), and stay the same for a turn. Slots become settled between
// turns. Who stops or begins to see another node as healthy tells it so, which saves it writes that
// would be uncertain. Thread: the shard's.
#pragma once

#include <bitset>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "quorate/cluster/cluster_view.h"
#include "quorate/coordinator/slot_promises.h"
#include "quorate/object/key.h"
#include "quorate/runtime/error.h"
#include "quorate/runtime/loop.h"

namespace quorate::coordinator {

class SettledSlots {
 public:
  // How long a slot is worth waiting for from when it was unsettled: until others have learned of a
  // node that comes back and takes itself for the coordinator, which takes them up to a second.
  static constexpr uint64_t kPatienceUs = 1'000'000;

  using Done = std::move_only_function<void(runtime::Status)>;
  // Nothing if there was no answer.
  using Promised = std::move_only_function<void(std::optional<SlotPromises::Answer>)>;
  struct Parts {
    runtime::Loop& loop;
    // Asks a replica to promise slots, or whether it is ready to.
    std::function<void(const object::NodeId& replica, SlotPromises::Ask what,
                       std::span<const uint16_t> slots, Promised done)>
        ask;
    // Brings a slot up to its other replicas, as many as a settled one needs.
    std::function<void(uint16_t slot, Done done)> settle;
    // Tells a node that this one has changed its mind about its health.
    std::function<void(const object::NodeId& node)> tell;
  };
  struct Statistics {
    uint64_t settled = 0;  // slots, each time
    uint64_t unsettled = 0;
    uint64_t failed = 0;  // attempts
    uint64_t doubts = 0;
  };

  // Of one shard of `shards`. REQUIRES: the loop outlives it; nothing that settle() was given is
  // called afterwards.
  SettledSlots(Parts parts, unsigned shard, unsigned shards);

  // After what ask(), settle() and tell() use has it.
  void set_view(std::shared_ptr<const cluster::ClusterView> view);
  // The other node may have coordinated what both hold.
  void doubt(const object::NodeId& node);
  // The replica does not keep the promise of that number. Says nothing of later promises: what was
  // sent before them may be answered after them, thousands of messages to who was away for long.
  void broken(const object::NodeId& replica, uint64_t number);

  // Changes of the turn have left.
  void end_turn() {
    if (!fresh_.empty()) take_effect();
  }

  bool settled(uint16_t slot) const { return settled_[slot]; }
  // By every other replica that is healthy.
  bool promised(uint16_t slot) const { return promised_[slot]; }
  // Whether the slot may come to be promised soon.
  bool worth_waiting(uint16_t slot) const;
  // Calls `task` when the slot is promised or not worth waiting for any more.
  void when_promised(uint16_t slot, runtime::Task task);
  // Of the last promise that the replica gave for slots that were settled before this turn; 0 if
  // there is none.
  uint64_t number_of(const object::NodeId& replica) const;
  size_t count() const { return settled_.count(); }
  const Statistics& statistics() const { return statistics_; }

 private:
  static constexpr unsigned kAtATimeMax = 1024;
  // Between attempts, first and at most: commands wait for what changes hands.
  static constexpr uint64_t kRetryFirstUs = 10'000, kRetryUs = 200'000;

  // A slot as it was when something began.
  struct Moment {
    uint16_t slot = 0;
    uint32_t generation = 0;
    bool settled = false;  // else promised
  };
  struct Waiter {
    uint16_t slot = 0;
    runtime::Task task;
  };
  struct Batch {
    SlotPromises::Ask what = SlotPromises::Ask::ready;
    std::vector<Moment> slots;
    std::vector<bool> refused;  // by some replica
    size_t missing = 0;         // answers
  };
  struct Number {
    object::NodeId replica{};
    uint64_t number = 0;

    bool operator==(const Number&) const = default;
  };

  void unsettle(uint16_t slot);
  void start();
  void ask(const std::shared_ptr<Batch>& batch);
  void ask(const std::shared_ptr<Batch>& batch, cluster::ClusterView::Place replica);
  void asked(const Batch& batch);
  void promised(const Batch& batch);
  void note_number(const object::NodeId& replica, uint64_t number);
  void ended(Moment moment, const runtime::Status& status);
  void take_effect();
  void retry_later(uint16_t slot);
  void release_waiters();

  Parts parts_;
  const unsigned shard_, shards_;
  std::shared_ptr<const cluster::ClusterView> view_;
  std::bitset<object::kSlots> settled_, promised_;
  std::bitset<object::kSlots> queued_;  // in queue_ or failed_
  std::vector<uint32_t> generation_;    // counts how often a slot was unsettled
  std::vector<uint64_t> since_us_;      // by slot: when it was unsettled first since it is here
  std::vector<Waiter> waiters_;         // in the order of asking
  std::unique_ptr<runtime::Timer> patience_;
  uint64_t patience_until_us_ = 0;
  std::vector<Moment> fresh_;  // from the next turn on
  std::vector<Number> numbers_, next_numbers_;
  std::deque<uint16_t> queue_;
  std::vector<uint16_t> failed_;
  unsigned under_way_ = 0;
  bool starting_ = false;
  std::unique_ptr<runtime::Timer> retry_;
  uint64_t retry_us_ = kRetryFirstUs;
  Statistics statistics_;
};

}  // namespace quorate::coordinator
