// CatchUp: brings this node up to other replicas when it begins a life, and when one of them says
// that it has missed changes (DESIGN 9).
//
// When a life begins, what this node knew last may be long ago, and a crash may have taken what was
// not synced: every slot is pulled (SlotPuller) from every other node that holds it, once. Until
// that has succeeded it is tried again, while the other one can be reached.
//
// Replicator keeps what a replica has not acknowledged, up to a bound; beyond, it drops it and
// tells the replica nothing more. Bringing it back takes an order in which no change falls between:
// the sender asks whether the replica is there; if so it queues changes for it again, and only then
// asks it to catch up. The replica then pulls every slot that both hold, and says when it is done.
// So a change is either queued, or was made before the replica compared clocks. The sender asks
// until it hears that, so nobody need remember anything: a replica that has started anew, or could
// not pull a slot, begins again when it is asked the next time. A sender that begins a life has
// lost its queue, and asks everybody.
//
// Until a node has met a healthy member it is behind(): it may lack what that one acknowledged, be
// it to a cluster of one that this node has just joined. A quorum that counts it proves nothing.
// Thread: the shard's. Units: microseconds.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "quorate/cluster/cluster_view.h"
#include "quorate/cluster/peer_calls.h"
#include "quorate/repair/slot_puller.h"
#include "quorate/runtime/loop.h"

namespace quorate::coordinator {

class CatchUp {
 public:
  // The service of PeerCalls by which a replica is told.
  static constexpr uint8_t kService = 5;
  static constexpr uint64_t kRetryUs = 2'000'000;
  enum class Answer : uint8_t { there = 0, working = 1, done = 2 };

  struct Parts {
    runtime::Loop& loop;
    cluster::PeerCalls& calls;
    repair::SlotPuller& puller;
  };
  // Of one shard of `shards`. Serves kService from now on. REQUIRES: the parts outlive it.
  CatchUp(Parts parts, unsigned shard, unsigned shards);
  ~CatchUp();
  CatchUp(const CatchUp&) = delete;
  CatchUp& operator=(const CatchUp&) = delete;

  void set_view(std::shared_ptr<const cluster::ClusterView> view);
  // Whether all that the node had of shared slots when it was first met in this life is here.
  bool has_met(const object::NodeId& node) const;
  // Whether there is a member of the last view, healthy and not joining, of which that is not so.
  bool behind() const { return behind_; }

  // "Are you there?", and "catch up with me": `round` names what the sender dropped, so that an
  // answer to an earlier question is not taken for one to this.
  static std::string probe();
  static std::string question(uint64_t round);
  // Nothing if it cannot be read.
  static std::optional<Answer> answer_of(std::string_view body);

 private:
  // All slots that are shared with another node, pulled once each.
  struct Round {
    object::NodeId from{};
    uint64_t number = 0;  // the sender's; 0: of the first meeting
    size_t slots = 0, missing = 0, failed = 0;
  };
  using RoundRef = std::shared_ptr<Round>;

  void serve(const object::NodeId& from, std::string_view body, cluster::PeerCalls::Reply reply);
  Answer work_on(const object::NodeId& from, uint64_t round);
  void meet();
  void start(const RoundRef& round);
  void pulled(const RoundRef& round, const runtime::Status& status);
  bool waits_for(const cluster::ClusterView::Node& node) const;
  void look_whether_behind();

  runtime::Loop& loop_;
  repair::SlotPuller& puller_;
  const unsigned shard_, shards_;
  std::shared_ptr<const cluster::ClusterView> view_;
  std::vector<RoundRef> asked_;  // the last of each node that ever asked
  std::vector<RoundRef> first_;  // of each node that was met
  std::unique_ptr<runtime::Timer> retry_;
  bool behind_ = false;
};

}  // namespace quorate::coordinator
