// SlotPuller: brings slots of this shard up to what another replica holds (DESIGN 9).
//
// pull() asks the other one whether it has dots that this node lacks; questions of a turn are
// shared by many slots. What is missing is then fetched page by page (slot_source.h), a few slots
// at a time, applied here as any change, and when the last page is in the journal, the slot's clock
// joins what the other one said it covers. A pull that succeeded means: whatever the other one had
// of the slot when pull() was called is here, durably.
//
// A break is waited out and the fetch goes on where it was; after `attempts_max` breaks without a
// page in between the pull fails. It may be called again at any time: what was applied stays.
// Thread: the shard's. Units: microseconds. Errors: the reason, in words.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <vector>

#include "quorate/cluster/peer_calls.h"
#include "quorate/repair/replica_access.h"
#include "quorate/repair/slot_messages.h"
#include "quorate/runtime/loop.h"
#include "quorate/storage/shard_store.h"

namespace quorate::repair {

class SlotPuller {
 public:
  struct Parts {
    runtime::Loop& loop;
    cluster::PeerCalls& calls;  // as in SlotSource
    cluster::PeerCalls& bulk;
    storage::ShardStore& store;
    const object::ActorTable& actors;
    ReplicaAccess& access;
  };
  struct Settings {
    uint64_t answer_timeout_us = 5'000'000;  // of a comparison
    uint64_t page_timeout_us = 20'000'000;   // and no longer than one that was well seems so
    uint64_t retry_us = 300'000;
    unsigned attempts_max = 10;
    size_t compared_slots = 512;  // in one message; kComparedSlotsMax at most
    unsigned fetches = 4;         // slots under way, from whomever
  };
  struct Statistics {
    uint64_t asked = 0;  // pulls; each ends in one of the next three
    uint64_t covered = 0, fetched = 0, failed = 0;
    uint64_t pages = 0, bytes = 0;  // fetched
    uint64_t breaks = 0;
  };
  using Done = std::move_only_function<void(runtime::Status)>;

  // REQUIRES: the parts outlive it.
  SlotPuller(Parts parts, Settings settings);
  ~SlotPuller();
  SlotPuller(const SlotPuller&) = delete;
  SlotPuller& operator=(const SlotPuller&) = delete;

  // REQUIRES: the slot is of this shard.
  void pull(uint16_t slot, const object::NodeId& from, Done done);
  // Sends what the turn has asked; before PeerCalls::flush().
  void end_turn();

  const Statistics& statistics() const { return statistics_; }
  // Pulls that have not ended.
  uint64_t open() const {
    return statistics_.asked - statistics_.covered - statistics_.fetched - statistics_.failed;
  }

 private:
  struct Pull;
  using PullRef = std::shared_ptr<Pull>;
  struct Peer {
    object::NodeId id{};
    std::deque<PullRef> waiting;  // to be compared
    bool asked = false;
    std::unique_ptr<runtime::Timer> retry;
  };

  Peer& peer(const object::NodeId& id);
  void compare(Peer& with);
  void compared(const object::NodeId& with, const std::vector<PullRef>& pulls,
                cluster::PeerCalls::Answer answer);
  void start_fetches();
  void fetch(const PullRef& pull);
  void fetched(const PullRef& pull, cluster::PeerCalls::Answer answer);
  void intern_covered(const PullRef& pull, FetchAnswer page, std::string changes);
  void apply(const PullRef& pull, const FetchAnswer& page, std::string_view changes);
  void applied(const PullRef& pull, bool last, Cursor next);
  void fetch_later(const PullRef& pull, const char* why);
  void end_fetch(const PullRef& pull, runtime::Status status);
  void finish(const PullRef& pull, runtime::Status status);

  runtime::Loop& loop_;
  cluster::PeerCalls &calls_, &bulk_;
  storage::ShardStore& store_;
  const object::ActorTable& actors_;
  ReplicaAccess& access_;
  const Settings settings_;
  std::vector<std::unique_ptr<Peer>> peers_;  // all there ever were
  std::deque<PullRef> to_fetch_;
  unsigned fetching_ = 0;
  std::vector<PullRef> broken_;  // fetches that go on when the timer says so
  std::unique_ptr<runtime::Timer> retry_;
  Statistics statistics_;
};

}  // namespace quorate::repair
