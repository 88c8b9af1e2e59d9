// SlotTransfer: a node that joins gets its slots (DESIGN 9; stages: cluster/cluster_view.h).
//
// In either stage, joining and handover, the node first asks every member that holds slots, healthy
// or not, whether it goes along: whether it has a view with the same rings, and what it changed
// under views before that has its copies. Who does not answer is asked again, until it does or has
// been removed: nobody may be two stages behind, least of all one that is cut off and will be back.
//
// When all go along with the joining, every write that this node does not hear of is older and has
// its W copies. The slots are pulled (SlotPuller) one after another from those that held them, from
// all that are well and N - W + 1 at least, so that none of these writes is missed. A break is
// resumed; a slot that failed is tried again. Then, and when all go along with the handover, done()
// is told. A few slots move between those that were there before (cluster/ring.h): who gets some
// pulls them likewise, during the handover, and goes along with it only then. What a crash has
// interrupted begins again with the next life: what was pulled is there, and comparing it costs
// little.
//
// Thread: the shard's. Units: microseconds.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "quorate/cluster/cluster_view.h"
#include "quorate/cluster/peer_calls.h"
#include "quorate/repair/slot_puller.h"
#include "quorate/runtime/loop.h"

namespace quorate::coordinator {

class SlotTransfer {
 public:
  // The service of PeerCalls by which members are asked whether they go along.
  static constexpr uint8_t kService = 13;
  static constexpr uint64_t kRetryUs = 200'000;
  static constexpr size_t kAtATimeMax = 256;  // slots

  enum class Stage : uint8_t { none, confirming, pulling, done };
  struct Progress {
    Stage stage = Stage::none;
    size_t slots = 0, pulled = 0;  // to be taken over
    uint64_t failed = 0;           // attempts, ever
  };
  struct Parts {
    runtime::Loop& loop;
    cluster::PeerCalls& calls;
    repair::SlotPuller& puller;
    // Whether what this node changed under other rings has its copies.
    std::function<bool()> at_rest;
    // May be null.
    std::function<void(uint64_t ring_digest)> done;
  };

  // Of one shard of `shards`. Serves kService from now on. REQUIRES: the parts outlive it.
  SlotTransfer(Parts parts, unsigned shard, unsigned shards);
  ~SlotTransfer();
  SlotTransfer(const SlotTransfer&) = delete;
  SlotTransfer& operator=(const SlotTransfer&) = delete;

  void set_view(std::shared_ptr<const cluster::ClusterView> view);
  // Under this ring.
  const Progress& progress() const { return progress_; }
  uint64_t ring_digest() const { return view_ == nullptr ? 0 : view_->ring_digest(); }

 private:
  struct Slot;
  using SlotRef = std::shared_ptr<Slot>;

  void serve(std::string_view body, cluster::PeerCalls::Reply reply);
  void begin();
  bool is_current(uint64_t attempt) const { return attempt == attempt_; }
  void confirm();
  void confirmed(const object::NodeId& member, bool goes_along);
  void all_confirmed();
  bool comes() const;  // this node does
  std::span<const cluster::ClusterView::Place> holders(uint16_t slot) const;
  bool lacks(uint16_t slot) const;
  void pull_slots();
  void start_slots();
  void pull_next(const SlotRef& slot);
  void pulled(const SlotRef& slot, const runtime::Status& status);
  std::vector<object::NodeId> sources_of(uint16_t slot, unsigned& needed) const;
  void finish();
  void retry_later();

  Parts parts_;
  const unsigned shard_, shards_;
  std::shared_ptr<const cluster::ClusterView> view_;
  Progress progress_;
  uint64_t attempt_ = 0;                     // what is under way for another is void
  std::vector<object::NodeId> unconfirmed_;  // of those that hold slots
  std::vector<object::NodeId> asked_;        // of them
  std::deque<uint16_t> waiting_;             // slots
  std::vector<uint16_t> failed_;
  size_t under_way_ = 0;
  std::unique_ptr<runtime::Timer> retry_;
};

}  // namespace quorate::coordinator
