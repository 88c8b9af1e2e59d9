// ShardCluster: one shard's part in the cluster: where a request for a slot runs, and what it must
// wait for there (DESIGN 8).
//
// It joins the view, the calls to other nodes, the replication of changes and the quorum reads of a
// shard. While the node is alone, nothing of it is in anybody's way: alone() is one load.
//
// Whoever has a request asks route(). Here, a command that only reads runs on any replica of its
// key after a quorum read; one that changes something runs where the slot's coordinator is, after a
// quorum read, too, unless the slot is settled (settled_slots.h). What it changes leaves with the
// turn, and its answer waits for W copies (WriteBarrier). Changes wait to be admitted while
// replicas that are well do not keep up with those before (Replicator::has_room).
//
// Thread: the shard's. Shards of two nodes talk to each other one to one: nodes with different
// numbers of shards do not (their handshake is refused).
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>

#include "quorate/cluster/cluster_view.h"
#include "quorate/cluster/peer_calls.h"
#include "quorate/coordinator/catch_up.h"
#include "quorate/coordinator/copy_waits.h"
#include "quorate/coordinator/quorum_choice.h"
#include "quorate/coordinator/quorum_reads.h"
#include "quorate/coordinator/replicator.h"
#include "quorate/coordinator/settled_slots.h"
#include "quorate/coordinator/shard_coordinator.h"
#include "quorate/coordinator/slot_promises.h"
#include "quorate/coordinator/slot_transfer.h"
#include "quorate/object/slot_set.h"
#include "quorate/repair/slot_puller.h"
#include "quorate/repair/slot_settler.h"
#include "quorate/repair/slot_source.h"

namespace quorate::coordinator {

enum class Access : uint8_t { read, change };

class ShardCluster final : private cluster::PeerDirectory, private Promises {
 public:
  struct Parts {
    runtime::Loop& loop;
    runtime::Connector& connector;
    runtime::Random& random;
    ShardCoordinator& coordinator;
    const object::ActorTable& actors;
    ActorDirectory& directory;
  };
  struct Settings {
    cluster::PeerLinksSettings links;  // lane and index are set here
    unsigned shard = 0, shards = 1;
    ReplicatorSettings replicator = {};
    QuorumReadSettings reads = {};
    repair::SlotSource::Settings source = {};
    repair::SlotPuller::Settings puller = {};
    // The slots that the node coordinates; else every change is preceded by a read.
    bool settles = true;
    // While this node joins: the stage under that ring is done, as far as this shard goes.
    std::function<void(uint64_t ring_digest)> on_transferred = {};
    // The node's connection has ended, or it leaves questions waiting and says nothing else. Called
    // again while it is so.
    std::function<void(const object::NodeId& node)> on_silent = {};
  };

  // REQUIRES: the parts outlive it.
  ShardCluster(Parts parts, Settings settings);
  ~ShardCluster() override;

  // A connection of a lane of this shard was accepted.
  void accept(cluster::PeerLane lane, std::unique_ptr<runtime::Stream> stream);
  // The node stops: nothing comes from others any more.
  void part();
  void set_view(std::shared_ptr<const cluster::ClusterView> view);
  // Null before the first.
  const std::shared_ptr<const cluster::ClusterView>& view() const { return view_; }
  bool alone() const { return alone_; }

  // What a request that asks for `own` needs: the cluster's quorum where it asks for nothing, and
  // no more than there are replicas.
  cluster::Quorum quorum(QuorumChoice own) const;
  // Nothing if a request for the slot runs on this node.
  std::optional<object::NodeId> route(uint16_t slot, Access access, QuorumChoice own = {}) const;
  // Whether this node coordinates all of the slots.
  bool coordinates(const object::SlotSet& slots) const;
  // Whether all of the slots may be changed here and now. The error is the text of a reply.
  runtime::Status may_change(const object::SlotSet& slots) const;
  // Whether this node holds the slot and a change made here, by nobody's command, would get its
  // copies.
  bool can_repair(uint16_t slot) const;
  // Whether enough replicas of each of the slots can be reached to change it, wherever that is.
  runtime::Status enough_replicas(const object::SlotSet& slots) const;
  // Calls `run` when a command may use the key: resident, and as a read quorum has it. An error is
  // the whole text of the reply; then nothing may be done. REQUIRES: the key is of this shard;
  // `key.name` stays until then.
  void admit(const object::Key& key, Access access, QuorumChoice own, ShardCoordinator::Run run);
  // Whether a change to the slot is admitted without a read now. What such a command answers can be
  // believed if it changes something, because that waits for replicas that keep their promises. One
  // that changed nothing must run again after admit_by_read().
  bool relies_on_promises(uint16_t slot) const { return settled_.settled(slot); }
  void admit_by_read(const object::Key& key, QuorumChoice own, ShardCoordinator::Run run);
  // Whether admit() of a change would call `run` at once, without an error: then it need not be
  // asked. The change relies on promises.
  bool admits_now(const object::Key& key, QuorumChoice own);
  // Sends what the turn has asked; after ShardCoordinator::end_turn().
  void end_turn();

  // Brings the slot up to all other replicas that are healthy, and to R - 1 in any case
  // (repair/slot_settler.h). REQUIRES: a view has come, in which this node holds the slot.
  void settle(uint16_t slot, repair::SlotPuller::Done done);

  cluster::PeerCalls& calls() { return calls_; }
  const repair::SlotSource& source() const { return source_; }
  repair::SlotPuller& puller() { return puller_; }
  const CatchUp& catch_up() const { return catch_up_; }
  Replicator& replicator() { return replicator_; }
  const Replicator& replicator() const { return replicator_; }
  QuorumReads& reads() { return reads_; }
  CopyWaits& copy_waits() { return copy_waits_; }
  const SettledSlots& settled() const { return settled_; }
  const SlotTransfer& transfer() const { return transfer_; }
  const SlotPromises& promises() const { return promises_; }
  // REQUIRES: a view has come.
  ClusterFacts facts() const;

 private:
  // The service of PeerCalls by which a node says that it has changed its mind about the health of
  // the one it asks; the question is empty, and so is the answer.
  static constexpr uint8_t kDoubtService = 10;
  static constexpr uint8_t kPromiseService = 11;

  // What the links of bulk go by. That they are silent or end says nothing of a node.
  class BulkDirectory final : public cluster::PeerDirectory {
   public:
    explicit BulkDirectory(ShardCluster& of) : of_(of) {}
    std::optional<cluster::NodeAddress> address_of(const object::NodeId& node) override {
      return of_.address_of(node);
    }
    runtime::Status judge(const cluster::PeerHello& peer) override { return of_.judge(peer); }

   private:
    ShardCluster& of_;
  };

  // cluster::PeerDirectory
  std::optional<cluster::NodeAddress> address_of(const object::NodeId& node) override;
  runtime::Status judge(const cluster::PeerHello& peer) override;
  void on_up(const object::NodeId& node) override {
    replicator_.on_up(node);
    settled_.doubt(node);
  }
  void on_down(const object::NodeId& node, const std::string& reason) override {
    // Nobody else would notice that it has begun another life: nothing goes over a link of bulk
    // for hours.
    bulk_.links().drop(node, reason);
    on_silent(node);
  }
  void on_silent(const object::NodeId& node) override {
    if (on_silent_) on_silent_(node);
  }

  // Promises
  uint64_t number_of(const object::NodeId& replica) const override {
    return settled_.number_of(replica);
  }
  void broken_by(const object::NodeId& replica, uint64_t number) override {
    settled_.broken(replica, number);
  }
  bool kept(const object::NodeId& to, uint64_t number,
            std::span<const uint16_t> slots) const override {
    return promises_.kept(to, number, slots);
  }
  void applied(const object::Change& change, const object::NodeId& from) override {
    promises_.applied(change, from);
  }

  // Changes that were to be admitted while a replica did not keep up, in the order of asking.
  struct RoomWaiter {
    object::Key key;
    QuorumChoice own;
    ShardCoordinator::Run run;
  };

  void serve_promises();
  bool must_wait_for_room(uint16_t slot) const;
  void wait_for_room(const object::Key& key, QuorumChoice own, ShardCoordinator::Run run);
  void admit_waiters();
  void watch_waiters();
  void admit_with_room(const object::Key& key, Access access, QuorumChoice own,
                       ShardCoordinator::Run run);
  bool loses_slots(const cluster::ClusterView& before) const;
  bool at_rest(uint64_t turn) const;
  void tell(const object::NodeId& node);
  SettledSlots::Parts settling(runtime::Loop& loop);
  void admit_ready(const object::Key& key, Access access, QuorumChoice own,
                   ShardCoordinator::Run run);
  void admit_by_promise(const object::Key& key, QuorumChoice own, ShardCoordinator::Run run);
  void admit_ready_by_read(const object::Key& key, QuorumChoice own, ShardCoordinator::Run run);
  void admit_change(const object::Key& key, QuorumChoice own, ShardCoordinator::Run run);
  unsigned quorum_before_change(uint16_t slot, QuorumChoice own) const;
  // Those that were healthy in the view before this one and are no longer.
  void give_up_on_suspects(const cluster::ClusterView& before);
  runtime::Status may_read(uint16_t slot) const;
  runtime::Status may_change(uint16_t slot, QuorumChoice own) const;
  unsigned healthy_of(std::span<const cluster::ClusterView::Place> list) const;
  unsigned healthy_replicas(uint16_t slot) const { return healthy_replicas_[slot]; }
  void count_healthy_replicas();
  // `what` is who lacks them.
  runtime::Status enough_replicas(uint16_t slot, unsigned write, std::string_view what) const;

  ShardCoordinator& coordinator_;
  const unsigned shards_;
  std::shared_ptr<const cluster::ClusterView> view_;
  const std::function<void(const object::NodeId& node)> on_silent_;
  bool alone_ = true;
  // By slot, as the view has them; while a member comes, on the ring that has fewer.
  std::array<uint8_t, object::kSlots> healthy_replicas_{};
  // The last one changed in under another ring, and before other nodes coordinated slots of this.
  uint64_t turn_of_ring_ = 0, turn_of_loss_ = 0;
  BulkDirectory bulk_directory_{*this};
  cluster::PeerCalls calls_;
  cluster::PeerCalls bulk_;  // pages of slots
  SlotPromises promises_;
  Replicator replicator_;
  CopyWaits copy_waits_;
  repair::SlotSource source_;
  repair::SlotPuller puller_;
  repair::SlotSettler settler_{puller_};
  CatchUp catch_up_;
  QuorumReads reads_;
  const bool settles_;
  SettledSlots settled_;
  SlotTransfer transfer_;
  std::deque<RoomWaiter> room_waiters_;
  bool admitting_waiters_ = false;
  std::unique_ptr<runtime::Timer> room_timer_;  // while there are waiters
};

}  // namespace quorate::coordinator
