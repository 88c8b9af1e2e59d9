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
// twice is applying it once. Beyond `unacknowledged_bytes_max` a replica is let fall behind: it is
// told nothing more until it is there again; then it is told what is new, and asked to catch up by
// comparing clocks (catch_up.h). It is behind() until it says that it has. Every replica is asked
// that when a life of this node begins: what the last one had not yet sent is gone.
//
// Early answers. A command that another node forwarded here is answered when W copies are known. If
// that node is a replica of its slot and W is 2, its own copy is what the answer waits for: it can
// give the answer itself as soon as it has the changes, and saves two messages. So the message that
// brings it the changes of a turn carries the answers to its questions whose last command has run
// in this turn. When exactly:
// - Every key of the question is of a slot of which the asker is another replica and whose changes
//   need one copy beside the own one, in one list of replicas: not while a member comes. The own
//   one is the journal's as durably as it will be: not under appendfsync always, where that comes
//   later. No command has a W of its own.
// - What the answer may speak of are changes of the keys' slots, made here up to this turn. Those
//   of turns before the first that is not settled have their copies, or never will; if one of
//   the latter was made while the question was under way, the answer is not carried. Those of later
//   turns were all sent to the asker, under the map of this turn: which of them it has, it knows
//   itself. A message says where it stands among those to this node (MessagePlace), and the asker
//   gives answers only if it has, durably and as copies that count, all messages from that first
//   turn up to this one. Then each of these turns has its W copies, whatever is known of them here.
// - A message is a copy that counts if its promise was kept, should it rely on one, and if all keys
//   that it changes were as expected. One key that was not: none of its answers is given.
// The verdict tells: `applied` says that answers were given, all others that they were not. Unless
// they were, the answer is sent the usual way: as soon as it may be by the rules above, and after
// the verdict, but not later than early_answer_us after the message (that of a replica that must
// load a key first may take long, and another copy counts as well). So an answer may come twice;
// PeerCalls drops the second.
//
// A message: change_message.h.
//
// Thread: the shard's. Units: bytes, microseconds.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "quorate/cluster/cluster_view.h"
#include "quorate/cluster/peer_calls.h"
#include "quorate/coordinator/cluster_facts.h"
#include "quorate/coordinator/key_digests.h"
#include "quorate/coordinator/latency_histogram.h"
#include "quorate/coordinator/replica_map.h"
#include "quorate/coordinator/replication_window.h"
#include "quorate/coordinator/shard_coordinator.h"
#include "quorate/object/change.h"
#include "quorate/object/slot_set.h"
#include "quorate/repair/recent_dots.h"
#include "quorate/repair/replica_access.h"
#include "quorate/storage/shard_store.h"

namespace quorate::coordinator {

struct ReplicatorSettings {
  uint64_t write_timeout_us = 2'000'000;
  uint64_t answer_timeout_us = 30'000'000;  // then a message is sent again
  uint64_t retry_us = 200'000;              // when a replica cannot be reached
  uint64_t early_answer_us = 20'000;        // for who asked to give an answer itself
  // For each replica. A message counts as 32 MiB at most, however large its values.
  size_t unacknowledged_bytes_max = size_t{64} << 20;
  uint64_t stalled_us = 1'500'000;
  uint64_t catch_up_us = 1'000'000;  // between questions to who fell behind
  size_t recent_dots = repair::RecentDots::kCapacity;
};

// Turns actors that peers name into handles of the own table.
class ActorDirectory {
 public:
  virtual ~ActorDirectory() = default;
  // Calls `done` with a handle for each actor, in their order, at once if all are known; else when
  // the new ones have been persisted. An error says that they could not be.
  using Done = repair::ReplicaAccess::Interned;
  virtual void intern(std::vector<object::Actor> actors, Done done) = 0;
};

// The promises between this node and other replicas (slot_promises.h, settled_slots.h), as
// Replicator needs them.
class Promises {
 public:
  virtual ~Promises() = default;
  // Of the last promise that the replica gave to this node; 0: none that counts.
  virtual uint64_t number_of(const object::NodeId& replica) const = 0;
  // The replica says that the promise of that number does not hold.
  virtual void broken_by(const object::NodeId& replica, uint64_t number) = 0;
  // Whether what this node promised to the other one holds.
  virtual bool kept(const object::NodeId& to, uint64_t number,
                    std::span<const uint16_t> slots) const = 0;
  // A change that the node sent was applied.
  virtual void applied(const object::Change& change, const object::NodeId& from) = 0;
};

class ChangeIntake;
class MessageMemory;
class EarlyAnswers;
class KeptMessages;
struct MessagePlace;

class Replicator final : public storage::ChangeObserver,
                         public WriteBarrier,
                         public repair::ReplicaAccess {
 public:
  // The service of PeerCalls that takes changes.
  static constexpr uint8_t kService = 1;
  // What became of changes that were to be applied; the answer to a message.
  // `unpromised`: applied, but another node may have changed the slot unbeknown to the sender.
  // `unexpected`: applied, but a key was not as the sender had it (expect()).
  // `unanswered`: applied, but the answers that the message carries were not given.
  enum class Verdict : uint8_t { applied, malformed, later, unpromised, unexpected, unanswered };

  struct Parts {
    runtime::Loop& loop;
    cluster::PeerCalls& calls;
    ShardCoordinator& coordinator;
    const object::ActorTable& actors;
    ActorDirectory& directory;
    Promises* promises = nullptr;  // null: nobody gives any
  };
  struct Statistics {
    uint64_t changes_sent = 0, changes_applied = 0;  // sent: each once, to however many
    uint64_t messages_sent = 0, messages_resent = 0;
    uint64_t refused = 0;  // messages of peers that could not be applied
    uint64_t fell_behind = 0, caught_up = 0;
    uint64_t answers_left = 0;        // to who asked, and given by that
    uint64_t answers_taken_back = 0;  // and sent from here
  };
  // An answer to a question of another node that may leave with its changes.
  struct EarlyAnswer {
    uint64_t id = 0;         // of the question (PeerCalls::Reply)
    std::string_view bytes;  // the answer
    // Journal positions between which its commands have run.
    uint64_t begin = 0, end = 0;
    runtime::Task usual;  // sends it from here, on the loop; is called once, or destroyed
  };

  // Serves kService from now on. REQUIRES: the parts outlive it.
  Replicator(Parts parts, ReplicatorSettings settings);
  ~Replicator() override;

  // Takes effect for changes made from now on. What is under way stays so.
  void set_map(std::shared_ptr<const ReplicaMap> map);

  // What this turn changes in the slot was not preceded by a read: only replicas that keep their
  // promise count as copies of the turn.
  void rely(uint16_t slot);
  // Runs `task`, which may change the key and follows a read of it, not a promise: only replicas on
  // which the key is what it is here count as copies of the turn. Who else coordinates it and read
  // the same must not get its copies, too. REQUIRES: the key is resident or absent.
  template <typename Task>
  void expect(const object::Key& key, Task&& task) {
    if (map_ != nullptr) expected_ = {&key, digests_.of_versions(key)};
    std::forward<Task>(task)();
    expected_ = {};
  }
  const KeyDigests& digests() const { return digests_; }
  uint64_t changes_made() const { return statistics_.changes_sent; }

  // Whether an answer about the slot may leave with this turn's message to the node (above).
  bool may_leave(const object::NodeId& to, uint16_t slot) const;
  // REQUIRES: may_leave() for each slot that the answer is about, in this turn, after its commands
  // have run.
  void leave(const object::NodeId& to, EarlyAnswer answer);

  // storage::ChangeObserver
  void changed(const object::Change& change) override;
  // WriteBarrier
  void end_turn(uint64_t position) override;
  uint64_t settled() const override { return window_.settled(); }

  // repair::ReplicaAccess
  void apply(const object::NodeId& from, std::string_view batch,
             std::move_only_function<void(Applied)> done) override;
  void intern(std::vector<object::Actor> actors, Interned done) override {
    directory_.intern(std::move(actors), std::move(done));
  }
  void after_journal(runtime::Task task) override { coordinator_.after_journal(std::move(task)); }

  const ReplicationWindow& window() const { return window_; }
  // Of the shard's latest changes, own and applied.
  const repair::RecentDots& recent() const { return recent_; }
  // Applies a batch of the node's changes here; `done` is told when the journal has them.
  using Taken = std::move_only_function<void(Verdict)>;
  void take(const object::NodeId& from, std::string_view batch, Taken done);
  // Sends a batch of changes once; `applied` says whether the node is known to have them.
  void push(const object::NodeId& to, std::string_view batch,
            std::move_only_function<void(bool applied)> done);

  // The node's connection can be used again: what it has not acknowledged is sent once more.
  void on_up(const object::NodeId& node);
  // Whether the replicas of the slot keep up with what is changed here: less than half of what they
  // may leave unacknowledged waits for each. Not asked of who is down, has fallen behind, or has
  // acknowledged nothing for stalled_us: it must fall behind rather than hold up the others.
  bool has_room(uint16_t slot) const;
  // Is told, once, when something was acknowledged after has_room() has been false. Another map may
  // make room, too.
  void on_room(std::function<void()> told) { room_told_ = std::move(told); }
  // Whether the node missed changes that will not be sent again, and has not caught up since.
  bool behind(const object::NodeId& node) const;

  // What is changed from now on needs no more than W copies, the own one included, until this is
  // called with kWriteQuorumOfCluster.
  static constexpr unsigned kWriteQuorumOfCluster = UINT8_MAX;
  void lower_write_quorum(unsigned write) { needed_max_ = write - 1; }
  // Number of the turn in which what has been changed so far leaves, or left.
  uint64_t turn_of_last_change() const {
    const bool under_way = !turn_groups_.empty() || !quorums_before_.empty();
    return window_.last_turn() + (under_way ? 1 : 0);
  }
  // How many other replicas of the slot have, durably, all that was changed here up to the turn,
  // also those that kept no promise; while a member comes, of the list that has fewer.
  unsigned copies(uint16_t slot, uint64_t turn) const;
  // Whether something that was changed here up to the turn still waits to be acknowledged by the
  // node.
  bool waits_for(const object::NodeId& node, uint64_t turn) const;
  // Of the slots, one for each set of other replicas.
  std::vector<uint16_t> one_of_each_group(const object::SlotSet& slots) const;
  // Is told of turns [first, end) that a replica has now, too.
  using Heard = std::function<void(uint64_t first, uint64_t end)>;
  void on_acknowledged(Heard heard) { heard_ = std::move(heard); }
  Statistics statistics() const;
  // Until turns of changes had their copies, or were given up.
  const LatencyHistogram& latency() const { return latency_; }
  // What the node has not acknowledged yet.
  ClusterFacts::Peer facts_of(const object::NodeId& node) const;

 private:
  struct Sent {
    uint64_t turn = 0;
    uint64_t since_us = 0;
    uint64_t promise = 0;  // that it relies on; 0: none
    std::string body;
    bool asked = false;  // and an answer may come
    bool acknowledged = false;
  };
  struct Peer {
    Peer(const object::NodeId& node, const object::ActorTable& actors, ShardCoordinator& of);
    ~Peer();
    object::NodeId id{};
    std::unique_ptr<EarlyAnswers> answers;
    std::unique_ptr<KeptMessages> kept;  // of its messages
    uint64_t last_turn = 0;              // in which something was changed that it holds
    object::ChangeWriter changes;        // of this turn
    std::vector<uint16_t> relied;        // slots of this turn, some repeatedly
    std::deque<Sent> sent;               // in order, the first not acknowledged
    size_t sent_bytes = 0, sent_weight = 0;
    uint64_t acknowledged_us = 0;  // something, last
    bool down = false;
    bool behind = false;
    bool silent = false;     // behind, and told nothing
    uint64_t round = 0;      // of catching up; what is under way for another is void
    unsigned questions = 0;  // in this round
    // Turns that it was not sent, or is not known to have been; it has them when it has caught up.
    uint64_t missed_from = 0, missed_to = 0;  // none if the second is less
    std::unique_ptr<runtime::Timer> retry, catch_up;

    bool has(uint64_t turn) const {
      const bool waits = !sent.empty() && sent.front().turn <= turn;
      return !waits && (turn < missed_from || turn > missed_to);
    }
  };

  // A key that is about to be changed, and what it is until then.
  struct Expected {
    const object::Key* key = nullptr;
    uint64_t digest = 0;
  };

  ReplicationWindow::Peer peer_index(const object::NodeId& node);
  void serve(const object::NodeId& from, std::string_view body, cluster::PeerCalls::Reply reply);
  std::string begin_message(Peer& peer, uint64_t turn, uint64_t promise, bool counts);
  bool answers_may_leave(const Peer& peer) const;
  void give_answers(const object::NodeId& from, std::string_view answers);
  void watch_answers();
  void add_to_peers(const object::Change& change, const ReplicaMap::Group& group);
  void add_quorums(uint16_t number, std::vector<ReplicationWindow::Group>& quorums) const;
  uint64_t write_timeout_us() const;
  void send(ReplicationWindow::Peer index, uint64_t turn);
  void ask(ReplicationWindow::Peer index, Sent& sent);
  void ask_again(ReplicationWindow::Peer index);
  void answered(ReplicationWindow::Peer index, uint64_t turn, cluster::PeerCalls::Answer answer);
  void acknowledged(ReplicationWindow::Peer index, Sent& sent);
  void retry_later(ReplicationWindow::Peer index);
  void fall_behind(ReplicationWindow::Peer index, const char* why);
  void begin_round(ReplicationWindow::Peer index);
  void catch_up_later(ReplicationWindow::Peer index);
  void bring_up(ReplicationWindow::Peer index);
  void told(ReplicationWindow::Peer index, uint64_t round, cluster::PeerCalls::Answer answer);
  bool has_room(const Peer& peer) const;
  void tell_of_room();
  void watch_deadline();
  void release_settled();
  void note_settled();

  runtime::Loop& loop_;
  cluster::PeerCalls& calls_;
  ShardCoordinator& coordinator_;
  const object::ActorTable& actors_;
  ActorDirectory& directory_;
  Promises* const promises_;
  const ReplicatorSettings settings_;
  const KeyDigests digests_;
  std::unique_ptr<ChangeIntake> intake_;
  std::unique_ptr<MessageMemory> memory_;  // of messages that were acknowledged
  repair::RecentDots recent_{settings_.recent_dots};
  Expected expected_;
  uint64_t rounds_ = 0;
  const uint64_t first_message_;  // less than the number of each
  std::shared_ptr<const ReplicaMap> map_;
  uint64_t map_since_ = 0;                        // the last turn with changes under an earlier one
  std::vector<ReplicationWindow::Peer> peer_of_;  // by the map's own numbers
  std::vector<ReplicaMap::Group> groups_;         // the map's, in own numbers
  std::vector<std::unique_ptr<Peer>> peers_;      // all there ever were
  ReplicationWindow window_;
  uint64_t turn_deadline_us_ = 0;                         // of the last one
  std::vector<uint16_t> turn_groups_;                     // changed in this turn
  std::vector<uint8_t> in_turn_;                          // by group: copies needed, own too
  std::vector<ReplicationWindow::Group> quorums_before_;  // … under maps before
  unsigned needed_max_ = kWriteQuorumOfCluster - 1;
  Heard heard_;
  std::function<void()> room_told_;
  mutable bool room_asked_for_ = false;  // has_room() was false
  std::unique_ptr<runtime::Timer> deadline_, answers_deadline_;
  Statistics statistics_;
  LatencyHistogram latency_;
  std::deque<uint64_t> opened_us_;  // of turns that are not settled
  uint64_t first_opened_ = 1;       // number of the first of them
};

}  // namespace quorate::coordinator
