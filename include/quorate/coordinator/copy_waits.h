// CopyWaits: who waits until so many other replicas have what a shard has changed: replies to
// writes with a W of their own (DESIGN 8), and WAIT.
//
// A waiter names slots and how many replicas beside this node must have, durably, every change of
// each made here up to a turn (Replicator::copies). It is called once: when all have that, or when
// its time has passed. An acknowledgement looks only at those waiters whose turn it is news for.
// Thread: the shard's. Units: microseconds.
#pragma once

#include <boost/container/small_vector.hpp>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>

#include "quorate/coordinator/replicator.h"
#include "quorate/runtime/loop.h"

namespace quorate::coordinator {

class CopyWaits {
 public:
  struct Need {
    uint16_t slot = 0;
    unsigned copies = 0;  // beside this node's
  };
  using Needs = boost::container::small_vector<Need, 4>;
  using Done = std::move_only_function<void(bool reached)>;

  // REQUIRES: both outlive it, and the replicator has no other listener.
  CopyWaits(runtime::Loop& loop, Replicator& replicator);
  ~CopyWaits();
  CopyWaits(const CopyWaits&) = delete;
  CopyWaits& operator=(const CopyWaits&) = delete;

  // `done` may be called before this returns.
  void wait(Needs needs, uint64_t turn, uint64_t timeout_us, Done done);
  bool reached(const Needs& needs, uint64_t turn) const;
  size_t size() const { return waiters_.size(); }

 private:
  struct Waiter {
    Needs needs;
    Done done;
    std::unique_ptr<runtime::Timer> timer;
  };
  using Waiters = std::multimap<uint64_t, Waiter>;  // by turn

  void heard(uint64_t first, uint64_t end);

  runtime::Loop& loop_;
  Replicator& replicator_;
  Waiters waiters_;
};

}  // namespace quorate::coordinator
