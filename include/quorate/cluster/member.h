// Member: one node as the whole cluster knows it, and Setting: what must be equal on all of them.
//
// Both are versioned records that merge by picking one of two: the higher version, then, so that
// every node picks the same, what cluster/member_list.h says of equal ones. A member's record is
// changed by the member itself, or by any node on an operator's word (CLUSTER FORGET). Whether a
// member answers is not in it: that is liveness (cluster/gossip.h), which never changes placement.
// Thread: values. Source: DESIGN section 7.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "quorate/cluster/ring.h"
#include "quorate/object/codec.h"
#include "quorate/object/dot.h"

namespace quorate::cluster {

// In the order a member passes through; of two records that are equal up to it the later one stays.
enum class MemberStatus : uint8_t {
  joining = 1,  // without tokens it waits for its turn; with them it receives writes beside the old
                // owners and fetches its slots
  handover = 2,  // owns its slots together with the old owners
  normal = 3,
  leaving = 4,  // gives its slots away
  left = 5,     // kept so that old news of it is recognised; it owns nothing and is not contacted
};
std::string_view member_status_text(MemberStatus status);

struct NodeAddress {
  std::string ip;          // numeric
  uint16_t port = 0;       // of clients
  uint16_t peer_port = 0;  // of other nodes: Redis's cluster bus port

  friend bool operator==(const NodeAddress&, const NodeAddress&) = default;
};
// "ip:port@peer_port", as in CLUSTER NODES.
std::string node_address_text(const NodeAddress& address);

struct Member {
  static constexpr size_t kNameBytesMax = 255;  // of address, zone and host
  static constexpr uint32_t kWeightMax = 1000;
  static constexpr size_t kTokensMax = 8192;

  object::NodeId id{};
  uint64_t version = 1;
  MemberStatus status = MemberStatus::joining;
  uint32_t epoch = 1;  // of the actor under which it writes (DESIGN 5)
  NodeAddress address;
  uint32_t weight = 1;
  std::string zone, host;
  std::vector<TokenIndex> tokens;
  // The joining member that this one sends writes to, of its own slots to be; zero: nobody. One at
  // a time, and no other before that one has become normal or has left (ClusterView).
  object::NodeId admitted{};

  friend bool operator==(const Member&, const Member&) = default;

  // Whether it takes part in placement, now or when it has joined.
  bool has_tokens() const { return belongs() && !tokens.empty(); }
  // Whether it is to be heard and contacted.
  bool belongs() const { return status != MemberStatus::left; }
  RingMember on_ring() const { return {id, weight, zone, host, tokens}; }

  void encode(object::ByteWriter& out) const;
  // Rejects through `in` what is malformed, beyond a limit or of an unknown status.
  static Member decode(object::ByteReader& in);
};

struct Setting {
  static constexpr size_t kNameBytesMax = 255;
  static constexpr size_t kValueBytesMax = 64 << 10;

  std::string name;
  uint64_t version = 1;
  object::NodeId writer{};
  std::string value;

  friend bool operator==(const Setting&, const Setting&) = default;

  void encode(object::ByteWriter& out) const;
  static Setting decode(object::ByteReader& in);
};

}  // namespace quorate::cluster
