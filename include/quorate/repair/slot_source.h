// SlotSource: answers other replicas that ask what they lack of a slot, and sends it (DESIGN 9).
//
// Asked to compare, it says of each slot whether its own clock has dots that the asker's has not.
// Asked to fetch a slot, it looks what these dots are of. If all are known (RecentDots) and the
// keys fit one page, that page is their states, and the asker's clock may then join exactly those
// dots. Otherwise it is a walk: the slot's clock is noted, then the states of all keys follow in
// the order of storage, page by page as the asker asks, tombstones included, and at last what
// flushes of the slot cover.
//
// Why the asker's clock may join the noted clock C once all pages are applied. A clock may cover a
// dot when all that its change did is done (object.h), so take a dot d in C:
//   - Of a key that the walk met, at a time after C was noted. Its state then had seen d, and what
//   d
//     superseded, and either shows d's version or has seen what replaced it. Merging the state does
//     all that d did. That is so where d is new to the asker, and also where d is covered there or
//     the state's own dots are: hence states are merged whatever the clock says
//     (ShardStore::apply).
//   - Of a key that changed after its page left: the state that left had seen d, for d was here
//     before the walk. What came later is not in C, and comes as every change does, or next time.
//   - Of a key that the walk did not meet. It was here when d was applied; keys leave only by a
//     flush (a removal leaves a tombstone), whose context covers d and what d superseded, and that
//     context is in what is sent at last, also when the flush came in the middle of the walk.
//   - Of a flush: the same.
// Dots that the asker has and that are not in C are not concerned: a key that it holds and that is
// not here says nothing. A row that cannot be read may be of a key with a dot in C: its page says
// so, and the asker's clock must not join C. A key in memory is never in doubt, whatever its row.
// The walk is bound to this process's life: after a crash less may be here than C says, so a walk
// that another life began is to begin again.
//
// Nothing leaves before the journal has it, and a page not before the connection has taken those
// before it. Nothing else is remembered of who asks: the asker paces, and goes on after a break
// where it was. Thread: the shard's.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "quorate/cluster/peer_calls.h"
#include "quorate/repair/recent_dots.h"
#include "quorate/repair/replica_access.h"
#include "quorate/repair/slot_messages.h"
#include "quorate/runtime/random.h"
#include "quorate/storage/shard_store.h"

namespace quorate::repair {

class SlotSource {
 public:
  // The service of PeerCalls that it answers: to compare on the lane of data, to fetch on that of
  // bulk.
  static constexpr uint8_t kService = 4;

  struct Parts {
    cluster::PeerCalls& calls;
    cluster::PeerCalls& bulk;
    runtime::Random& random;
    storage::ShardStore& store;
    const object::ActorTable& actors;
    const RecentDots& recent;
    ReplicaAccess& access;
  };
  struct Settings {
    size_t page_bytes = 256u << 10;
    size_t page_keys = 1024;
  };
  struct Statistics {
    uint64_t compared_slots = 0;
    uint64_t recent_pages = 0, walks = 0, walk_pages = 0;  // a walk's first page is one, too
    uint64_t states_sent = 0;
    uint64_t refused = 0;  // questions that are none
  };

  // Serves kService from now on. REQUIRES: the parts outlive it.
  SlotSource(Parts parts, Settings settings);
  SlotSource(const SlotSource&) = delete;
  SlotSource& operator=(const SlotSource&) = delete;

  const Statistics& statistics() const { return statistics_; }

 private:
  class Page;

  void compare(std::string_view body, cluster::PeerCalls::Reply reply);
  void fetch(std::string_view body, cluster::PeerCalls::Reply reply);
  using Handles = std::vector<std::optional<object::ActorId>>;
  object::CausalContext missing(uint16_t slot, const Handles& handles,
                                const object::CausalContext& clock) const;

  storage::ShardStore& store_;
  const object::ActorTable& actors_;
  const RecentDots& recent_;
  ReplicaAccess& access_;
  const Settings settings_;
  const uint64_t walk_;  // names this life's walks
  Statistics statistics_;
};

}  // namespace quorate::repair
