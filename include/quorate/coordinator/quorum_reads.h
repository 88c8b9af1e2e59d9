// QuorumReads: before a command uses a key, makes sure that what is here is what a read quorum has
// (DESIGN 8, read).
//
// check() asks as many other replicas of the key as R needs, the slot's coordinator before others,
// whether they show the same versions: a digest (key_digests.h) goes there, and an answer
// comes back that says "the same" or brings what the other one has. That is merged here; if the
// other one lacked something of it, it is sent what is here, and only when it has it does the check
// end. So whoever reads afterwards, anywhere, finds at least what this command saw. A replica that
// does not answer is replaced by the next one; when there are too few, the check fails and the
// command must not run. All checks that a turn sends to one replica are one message.
//
// Hedging: what a replica has not answered within the time that AnswerTimes tells, one that is left
// and seems well is asked, too, and the first answers that make a quorum count. Whose answers those
// are makes no difference to what a quorum has.
//
// A node that is behind (catch_up.h) asks all healthy replicas, whatever R is, and says so when it
// is asked: then one more is asked in its stead, if one seems well. So what a cluster of one had
// acknowledged is read at once through those that have just joined it, and what a replica lost with
// its power is read through it. A check that lacks only such answers is tried again for a second.
//
// A replica that has no digest of the key never heard of it, has flushed or has reaped it. Which of
// them it is shows when it has taken in what is shown here: if it then still has nothing, it had
// seen all of that and removed it, and it is removed here.
// Thread: the shard's. Units: microseconds.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "quorate/cluster/cluster_view.h"
#include "quorate/cluster/peer_calls.h"
#include "quorate/coordinator/answer_times.h"
#include "quorate/coordinator/catch_up.h"
#include "quorate/coordinator/key_digests.h"
#include "quorate/coordinator/latency_histogram.h"
#include "quorate/coordinator/replicator.h"
#include "quorate/coordinator/shard_coordinator.h"
#include "quorate/object/key.h"
#include "quorate/runtime/loop.h"

namespace quorate::coordinator {

struct QuorumReadSettings {
  // Then nothing is expected of a replica any more, nor once it is not healthy.
  uint64_t answer_timeout_us = 5'000'000;
  AnswerTimes::Bounds hedging = {};
  // Of an answer, beyond which it brings no further key: those are asked about once more.
  size_t states_bytes_max = size_t{64} << 20;
};

class QuorumReads {
 public:
  // The service of PeerCalls that compares keys.
  static constexpr uint8_t kService = 2;

  struct Parts {
    cluster::PeerCalls& calls;
    ShardCoordinator& coordinator;
    Replicator& replicator;
    const object::ActorTable& actors;
    const CatchUp& catch_up;
  };
  struct Statistics {
    uint64_t checks = 0, same = 0;
    uint64_t repaired_here = 0, repaired_there = 0;  // keys, by what a check found
    uint64_t hedged = 0;                             // keys that one replica more was asked about
    uint64_t asked_besides = 0;                      // keys, because somebody was behind
    uint64_t failed = 0;
  };

  // Serves kService from now on. REQUIRES: the parts outlive it.
  QuorumReads(Parts parts, QuorumReadSettings settings);
  ~QuorumReads();
  QuorumReads(const QuorumReads&) = delete;
  QuorumReads& operator=(const QuorumReads&) = delete;

  void set_view(std::shared_ptr<const cluster::ClusterView> view);

  // Calls `done` when a quorum agrees with what is here, at once if it takes nobody else. The error
  // begins with NOQUORUM. REQUIRES: this node is a replica of the key, which is resident or absent;
  // `key.name` stays until then.
  void check(const object::Key& key, unsigned read_quorum, ShardCoordinator::Run done);
  // Sends what the turn has asked.
  void end_turn();

  const Statistics& statistics() const { return statistics_; }
  // From a question to its answer, of each key.
  const LatencyHistogram& latency() const { return latency_; }

 private:
  struct Check;
  using CheckRef = std::shared_ptr<Check>;
  struct Batch {
    object::NodeId to{};
    std::vector<CheckRef> checks;  // until it is answered
    uint64_t asked_us = 0;
  };
  using BatchRef = std::shared_ptr<Batch>;
  class Serving;

  void begin(const CheckRef& check);
  bool ask_next(const CheckRef& check);
  void ask_besides(const CheckRef& check);
  bool next_is_healthy(const Check& check) const;
  void send(const BatchRef& batch);
  void watch();
  void hedge_late_ones();
  void hedge(const Batch& batch);
  void answered(Batch& batch, cluster::PeerCalls::Answer answer);
  void compare_again(const object::NodeId& from, const CheckRef& check, uint64_t theirs);
  std::string state_of(const object::Key& key) const;
  void forget(const CheckRef& check);
  void settle_difference(const CheckRef& check);
  void restart(const CheckRef& check);
  void restart_later(const CheckRef& check);
  void no_answer(const CheckRef& check);
  void one_agrees(const CheckRef& check);
  void agreed(const CheckRef& check);
  void agreed_and_ready(const CheckRef& check);
  unsigned any_of_both(uint16_t slot, unsigned quorum) const;
  bool two_are_enough(uint16_t slot) const;
  void fail(const CheckRef& check);
  static void finish(const CheckRef& check, const runtime::Status& status);
  void serve(std::string_view body, cluster::PeerCalls::Reply reply);

  cluster::PeerCalls& calls_;
  ShardCoordinator& coordinator_;
  Replicator& replicator_;
  const object::ActorTable& actors_;
  const CatchUp& catch_up_;
  const KeyDigests& digests_;
  const QuorumReadSettings settings_;
  std::shared_ptr<const cluster::ClusterView> view_;
  std::vector<BatchRef> batches_;          // of this turn
  std::deque<BatchRef> under_way_;         // in the order of asking, perhaps answered
  std::unique_ptr<runtime::Timer> hedge_;  // while something is under way
  std::vector<CheckRef> later_;
  std::unique_ptr<runtime::Timer> ask_again_;  // while there are such
  uint64_t hedged_us_ = 0;                     // last; 0: never
  AnswerTimes answer_times_;
  Statistics statistics_;
  LatencyHistogram latency_;
};

}  // namespace quorate::coordinator
