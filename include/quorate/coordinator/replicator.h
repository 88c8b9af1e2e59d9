// Replicator: sends every change of a shard's own to the other replicas of its slot, and applies
// theirs (DESIGN 8, write).
//
// What the commands of a turn have changed goes to each other replica in one message, and is the
// journal's before it leaves. A replica answers once it has applied all of a message and its own
// journal has it, as durably as appendfsync says. settled() is the position of the own journal up
// to which W copies are known, the own one included, or were given up; answers may not leave
// before.
//
// What a replica has not acknowledged is sent again when its connection is back: applying a change
// twice is applying it once. Beyond `unacknowledged_bytes_max` a replica is let fall behind: from
// then on it is told nothing until exchanging clocks has brought it up to date (behind()).
//
// Thread: the shard's. Units: bytes, microseconds.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "quorate/cluster/cluster_view.h"
#include "quorate/cluster/peer_calls.h"
#include "quorate/coordinator/replication_window.h"
#include "quorate/coordinator/shard_coordinator.h"
#include "quorate/object/change.h"
#include "quorate/storage/shard_store.h"

namespace quorate::coordinator {

// Who holds what beside this node, as replication needs it. Immutable; shared by the shards.
struct ReplicaMap {
  std::vector<object::NodeId> peers;             // by ReplicationWindow::Peer
  std::vector<ReplicationWindow::Group> groups;  // the distinct sets of other replicas
  std::vector<uint16_t> group_of_slot;           // of each slot that this node holds

  // The other members of each slot's preference list; W is the cluster's.
  static std::shared_ptr<const ReplicaMap> of(const cluster::ClusterView& view);
};

struct ReplicatorSettings {
  uint64_t write_timeout_us = 2'000'000;
  uint64_t answer_timeout_us = 30'000'000;             // then a message is sent again
  uint64_t retry_us = 200'000;                         // when a replica cannot be reached
  size_t unacknowledged_bytes_max = size_t{64} << 20;  // for each replica
};

// Turns actors that peers name into handles of the own table.
class ActorDirectory {
 public:
  virtual ~ActorDirectory() = default;
  // Calls `done` with a handle for each actor, in their order, at once if all are known; else when
  // the new ones have been persisted. An error says that they could not be.
  using Done = std::move_only_function<void(runtime::Result<std::vector<object::ActorId>>)>;
  virtual void intern(std::vector<object::Actor> actors, Done done) = 0;
};

class Replicator final : public storage::ChangeObserver, public WriteBarrier {
 public:
  // The service of PeerCalls that takes changes.
  static constexpr uint8_t kService = 1;
  // What became of changes that were to be applied; the answer to a message.
  enum class Verdict : uint8_t { applied, malformed, later };

  struct Parts {
    runtime::Loop& loop;
    cluster::PeerCalls& calls;
    ShardCoordinator& coordinator;
    const object::ActorTable& actors;
    ActorDirectory& directory;
  };
  struct Statistics {
    uint64_t changes_sent = 0, changes_applied = 0;  // sent: each once, to however many
    uint64_t messages_sent = 0, messages_resent = 0;
    uint64_t refused = 0;  // messages of peers that could not be applied
  };

  // Serves kService from now on. REQUIRES: the parts outlive it.
  Replicator(Parts parts, ReplicatorSettings settings);
  ~Replicator() override;

  // Takes effect for changes made from now on. What is under way stays so.
  void set_map(std::shared_ptr<const ReplicaMap> map);

  // storage::ChangeObserver
  void changed(const object::Change& change) override;
  // WriteBarrier
  void end_turn(uint64_t position) override;
  uint64_t settled() const override { return window_.settled(); }

  const ReplicationWindow& window() const { return window_; }
  // Applies a batch of changes here; `done` is told when the journal has them.
  using Taken = std::move_only_function<void(Verdict)>;
  void take(std::string_view batch, Taken done);
  // Sends a batch of changes once; `applied` says whether the node is known to have them.
  void push(const object::NodeId& to, std::string_view batch,
            std::move_only_function<void(bool applied)> done);

  // The node's connection can be used again: what it has not acknowledged is sent once more.
  void on_up(const object::NodeId& node);
  // Whether the node missed changes that will not be sent again.
  bool behind(const object::NodeId& node) const;
  const Statistics& statistics() const { return statistics_; }

 private:
  struct Sent {
    uint64_t turn = 0;
    std::string body;
    bool asked = false;  // and an answer may come
    bool acknowledged = false;
  };
  class Applying;
  struct Peer {
    Peer(const object::NodeId& node, const object::ActorTable& actors)
        : id(node), changes(actors) {}
    object::NodeId id{};
    object::ChangeWriter changes;  // of this turn
    std::deque<Sent> sent;         // in order, the first not acknowledged
    size_t sent_bytes = 0;
    bool behind = false;
    std::unique_ptr<runtime::Timer> retry;
  };

  ReplicationWindow::Peer peer_index(const object::NodeId& node);
  void send(ReplicationWindow::Peer index, uint64_t turn);
  void ask(ReplicationWindow::Peer index, Sent& sent);
  void ask_again(ReplicationWindow::Peer index);
  void answered(ReplicationWindow::Peer index, uint64_t turn, cluster::PeerCalls::Answer answer);
  void acknowledged(ReplicationWindow::Peer index, Sent& sent);
  void retry_later(ReplicationWindow::Peer index);
  void fall_behind(Peer& peer, const char* why);
  void watch_deadline();

  runtime::Loop& loop_;
  cluster::PeerCalls& calls_;
  ShardCoordinator& coordinator_;
  const object::ActorTable& actors_;
  ActorDirectory& directory_;
  const ReplicatorSettings settings_;
  std::shared_ptr<const ReplicaMap> map_;
  std::vector<ReplicationWindow::Peer> peer_of_;  // by the map's own numbers
  std::vector<ReplicationWindow::Group> groups_;  // the map's, in own numbers
  std::vector<std::unique_ptr<Peer>> peers_;      // all there ever were
  ReplicationWindow window_;
  std::vector<uint16_t> turn_groups_;                         // changed in this turn
  std::vector<bool> in_turn_;                                 // by group
  std::vector<ReplicationWindow::Group> turn_groups_before_;  // … under the map before
  std::unique_ptr<runtime::Timer> deadline_;
  Statistics statistics_;
};

}  // namespace quorate::coordinator
