// SlotPromises: what this replica has promised to the coordinators of its slots (DESIGN 8).
//
// Two nodes may take themselves for a slot's coordinator: one that stood still does not know that
// others found it dead. A coordinator that has not read a key before it changes it must be sure
// that nobody else changed it meanwhile. So it acts as a leader of Multi-Paxos (Lamport, "Paxos
// Made Simple", 2001, section 3): it asks the replicas for their promise to tell if they take
// changes of the slot from anyone else, then reads what they have, and its changes count as copied
// only where the promise still holds. A replica promises a slot to whom it sees coordinate it. The
// promise is void as soon as a change reaches the replica that the other node does not know of; the
// other node is told, and what it says that it relied on this replica for is not kept().
//
// Before that a coordinator asks whether the replicas are ready to promise, and waits until all
// are: until all see it coordinate the slot, and what those among them that coordinated anything
// before has reached the others. Else the first to promise would refuse what the last coordinator,
// who did nothing wrong, has under way.
//
// Numbers of promises grow through the lives of a replica with a random part for each life, so that
// what was promised before says nothing afterwards: a message that was made under an earlier
// promise of the slot carries a lower number. Thread: the shard's.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "quorate/cluster/cluster_view.h"
#include "quorate/object/change.h"
#include "quorate/object/key.h"
#include "quorate/runtime/loop.h"
#include "quorate/runtime/random.h"

namespace quorate::coordinator {

class SlotPromises {
 public:
  // Whoever has lost a promise because another node changed a slot that it still coordinates gets
  // none for so long: while two nodes coordinate a slot, both had better read.
  static constexpr uint64_t kQuarrelUs = 1'000'000;

  struct Parts {
    runtime::Loop& loop;
    runtime::Random& random;
    const object::ActorTable& actors;
    // Tells a node that promises to it are void.
    std::function<void(const object::NodeId& node)> tell;
    // Whether what this node changed while it coordinated more slots has reached others.
    std::function<bool()> at_rest;
  };
  enum class Ask : uint8_t { ready = 0, promise = 1 };
  struct Answer {
    uint64_t number = 0;
    std::vector<bool> promised;  // or ready to be; of the slots asked for, in their order
  };

  // REQUIRES: the parts outlive it.
  explicit SlotPromises(Parts parts);

  void set_view(std::shared_ptr<const cluster::ClusterView> view);

  // Promises what it can of the slots. `question` is question()'s, the answer is for answer_of();
  // nothing if it cannot be read.
  std::optional<std::string> serve(const object::NodeId& from, std::string_view question);
  static std::string question(Ask ask, std::span<const uint16_t> slots);
  static std::optional<Answer> answer_of(std::string_view body, size_t slots);

  // Whether all of the slots are promised to the node since the promise of that number or before.
  bool kept(const object::NodeId& to, uint64_t number, std::span<const uint16_t> slots) const;
  // A change has come from a node, and is applied.
  void applied(const object::Change& change, const object::NodeId& from);
  // Nobody, or the node to which the slot is promised.
  std::optional<object::NodeId> promised_to(uint16_t slot) const;

 private:
  static constexpr uint16_t kNobody = UINT16_MAX;

  struct Party {
    object::NodeId id{};
    uint64_t quarrel_until_us = 0;
  };

  uint16_t party(const object::NodeId& node);
  bool made_by(const object::Change& change, const object::NodeId& node) const;

  const Parts parts_;
  const uint64_t life_;  // the upper half of all numbers
  uint32_t last_ = 0;
  std::shared_ptr<const cluster::ClusterView> view_;
  std::vector<Party> parties_;  // all there ever were
  // By slot. Each change that comes reads to whom its slot is promised, and nothing else here.
  std::vector<uint16_t> to_;       // in parties_
  std::vector<uint32_t> numbers_;  // the lower halves
};

}  // namespace quorate::coordinator
