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
#include <optional>
#include <string>
#include <string_view>

#include "quorate/cluster/peer_calls.h"
#include "quorate/coordinator/replicator.h"
#include "quorate/object/slot_set.h"
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

  // The service of PeerCalls that counts copies.
  static constexpr uint8_t kService = 12;

  static constexpr uint64_t kQuestionUs = 10'000'000;  // a question waits no longer

  struct Question {
    object::SlotSet slots;
    unsigned wanted = 0;      // copies; as long as there are fewer, the answer waits
    uint64_t timeout_us = 0;  // for so long
  };
  static std::string encode(const Question& question);
  static std::optional<Question> decode(std::string_view bytes);

  // Serves kService from now on. REQUIRES: all outlive it, and the replicator has no other
  // listener.
  CopyWaits(runtime::Loop& loop, cluster::PeerCalls& calls, Replicator& replicator);
  ~CopyWaits();
  CopyWaits(const CopyWaits&) = delete;
  CopyWaits& operator=(const CopyWaits&) = delete;

  // `done` may be called before this returns.
  void wait(Needs needs, uint64_t turn, uint64_t timeout_us, Done done);
  bool reached(const Needs& needs, uint64_t turn) const;
  // How many other replicas have all that was changed here in the slots up to now. `done` may be
  // called before this returns.
  using Counted = std::move_only_function<void(unsigned copies)>;
  void count(const Question& question, Counted done);
  // The same for what another node changed; nothing if it does not answer.
  using Answered = std::move_only_function<void(std::optional<unsigned> copies)>;
  void ask(const object::NodeId& node, const Question& question, Answered done);
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
  cluster::PeerCalls& calls_;
  Replicator& replicator_;
  Waiters waiters_;
};

}  // namespace quorate::coordinator
