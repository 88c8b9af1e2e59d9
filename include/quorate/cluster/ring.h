// The ring: which nodes hold which slot (DESIGN 6; Dynamo, section 4.2 and 6.2, strategy 3).
//
// The ring is MD5's 128 bits, cut into 16384 equal arcs, the slots. A member stands on it with its
// tokens, each at MD5(node id, index); the indices are part of its record, chosen when it joins
// (cluster/token_choice.h), so that it takes from each node what that has too much. The preference
// list of a slot is the clockwise walk from the start of its arc to N nodes in as many zones and
// hosts as there are. A node that is filled to its share and a bit is passed (a matching in which a
// node gives up those slots first whose walk comes to it late), and a last pass evens out who
// stands first.
//
// The map is a pure function of the members and of N: their order does not matter. Looking up is
// one array access. Thread: immutable once made, any thread.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "quorate/object/dot.h"
#include "quorate/object/key.h"

namespace quorate::cluster {

using TokenIndex = uint16_t;

struct RingMember {
  object::NodeId id{};
  uint32_t weight = 1;  // the share of the data is in proportion; from 1
  std::string zone;     // copies of a slot are in different zones if there are enough
  std::string host;     // and on different hosts
  std::vector<TokenIndex> tokens;

  friend bool operator==(const RingMember&, const RingMember&) = default;
};

// A place on the ring: the upper half of the MD5 digest. Its topmost 14 bits are the slot.
using RingPosition = uint64_t;
RingPosition token_position(const object::NodeId& id, TokenIndex index);
constexpr uint16_t slot_of(RingPosition position) { return static_cast<uint16_t>(position >> 50); }

class Ring {
 public:
  using Place = uint16_t;  // which of members()
  static constexpr size_t kMembersMax = 4096;
  static constexpr unsigned kReplicasMax = 15;

  // No slot has an owner.
  Ring() = default;
  // `replicas` is N, from 1 to kReplicasMax. Members without tokens hold nothing; two with the same
  // id, or more than kMembersMax, must not be.
  Ring(std::vector<RingMember> members, unsigned replicas);

  // In order of id.
  const std::vector<RingMember>& members() const { return members_; }
  // N, or the number of members with tokens if that is smaller.
  unsigned replicas() const { return replicas_; }
  // In order of preference, replicas() many.
  std::span<const Place> preference_list(uint16_t slot) const {
    return {places_.data() + static_cast<size_t>(slot) * replicas_, replicas_};
  }

 private:
  std::vector<RingMember> members_;
  unsigned replicas_ = 0;
  std::vector<Place> places_;
};

}  // namespace quorate::cluster
