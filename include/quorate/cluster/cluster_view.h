// ClusterView: the cluster as this node sees it at one moment, for everyone who routes.
//
// Made on the control thread from the member list and from what gossip believes of each member's
// liveness; never changed afterwards, shared by pointer. Who belongs is in members(), those on the
// ring first and in its order, so that a Ring::Place is an index into it. Placement is the ring's
// alone; who coordinates a slot follows from liveness and is kept for every slot, so that asking
// is one array access. A view that differs from the one before in liveness only shares its ring.
// While a member comes (DESIGN 9) there are two rings, with and without it. As long as it is
// `joining`, reads and coordination follow the one without it, then the other; changes need W
// copies in both, until it is `normal`; in handover reads ask R in both, too, since what a read has
// shown need not have its copies yet. So operations meet those of the stage before and of the one
// after, even while nodes see different stages, but none may be further ahead than one. To be
// sure, a joining member counts for nothing until this node has admitted it
// (Member::admitted, on disk before the view is published), one at a time; who comes goes on when
// all others have (coordinator/slot_transfer.h). A member in handover needs no admission: it has
// it.
//
// version() grows with each view of a process. Thread: immutable, any thread. Source: DESIGN 6-8.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "quorate/cluster/conflict_policies.h"
#include "quorate/cluster/gossip.h"
#include "quorate/cluster/member_list.h"
#include "quorate/cluster/ring.h"
#include "quorate/object/key.h"

namespace quorate::cluster {

// How many copies there are, and how many of them a read and a write need (DESIGN 8).
struct Quorum {
  unsigned replicas = 3;  // N
  unsigned read = 2;      // R
  unsigned write = 2;     // W

  friend bool operator==(const Quorum&, const Quorum&) = default;
};

// The cluster's, from the settings in its list; what those do not say or what makes no sense is the
// default's.
Quorum quorum_of(const MemberList& members);
// As settings of a list, written by `writer`.
std::vector<Setting> quorum_settings(const Quorum& quorum, const object::NodeId& writer);

class ClusterView {
 public:
  using Place = Ring::Place;
  static constexpr Place kNobody = UINT16_MAX;

  struct Node {
    object::NodeId id{};
    NodeAddress address;
    std::string zone, host;
    MemberStatus status = MemberStatus::normal;
    uint32_t weight = 1;
    uint32_t epoch = 1;
    Liveness liveness = Liveness::alive;

    bool healthy() const { return liveness == Liveness::alive; }
  };
  struct Source {
    const MemberList& members;
    object::NodeId self;
    std::function<Liveness(const object::NodeId&)> liveness;
  };

  // `previous` is the view before this one, or null.
  static std::shared_ptr<const ClusterView> make(const Source& source, const ClusterView* previous);
  // The same members as in `previous`, with other liveness.
  static std::shared_ptr<const ClusterView> make(
      const std::function<Liveness(const object::NodeId&)>& liveness, const ClusterView& previous);

  uint64_t version() const { return version_; }
  std::span<const Node> members() const { return members_; }
  const Node& member(Place place) const { return members_[place]; }
  // kNobody if the node does not belong.
  Place find(const object::NodeId& id) const;
  // kNobody if this node was removed from the cluster.
  Place self() const { return self_; }
  const object::NodeId& self_id() const { return self_id_; }
  bool alone() const { return members_.size() == 1 && self_ == 0; }
  size_t healthy_members() const { return healthy_; }

  // By which reads and coordination go.
  const Ring& ring() const { return *ring_; }
  // Who comes; kNobody if nobody does.
  Place newcomer() const { return newcomer_; }
  // It is in handover: the ring in use has it, and what is read must agree in both.
  bool handing_over() const {
    return newcomer_ != kNobody && member(newcomer_).status == MemberStatus::handover;
  }
  // Of everything that decides where slots are, N and the newcomer's stage included: equal views of
  // placement have equal ones.
  uint64_t ring_digest() const { return ring_digest_; }
  // What the cluster is set to, and what that comes to with the members there are.
  const Quorum& configured() const { return configured_; }
  const Quorum& quorum() const { return quorum_; }
  const ConflictPolicies& conflict_policies() const { return *conflict_policies_; }

  // Places of members, in order of preference, whatever their liveness.
  std::span<const Place> preference_list(uint16_t slot) const {
    return ring_->preference_list(slot);
  }
  // The same on the other ring while a member comes, else empty: changes need W copies there, too.
  std::span<const Place> other_list(uint16_t slot) const {
    return other_ == nullptr ? std::span<const Place>() : other_->list(slot);
  }
  // Both, the preference list first, everyone once.
  std::span<const Place> replicas(uint16_t slot) const {
    return other_ == nullptr ? preference_list(slot) : other_->replicas(slot);
  }
  bool holds(uint16_t slot, Place place) const;
  // The first healthy member of the preference list; if none is, the first of the best liveness.
  // kNobody if nobody owns slots.
  Place coordinator(uint16_t slot) const { return coordinators_[slot]; }
  bool self_coordinates(uint16_t slot) const { return coordinators_[slot] == self_; }

 private:
  // A ring beside the one that is in use, in places of members().
  struct OtherRing {
    std::shared_ptr<const Ring> ring;
    std::vector<Place> lists;        // ring->replicas() for each slot
    std::vector<Place> all;          // with the preference list, slot after slot
    std::vector<uint32_t> all_from;  // by slot, and the end

    std::span<const Place> list(uint16_t slot) const {
      const unsigned n = ring->replicas();
      return {lists.data() + static_cast<size_t>(slot) * n, n};
    }
    std::span<const Place> replicas(uint16_t slot) const {
      return {all.data() + all_from[slot], all.data() + all_from[slot + 1U]};
    }
  };

  ClusterView() = default;
  // Of `previous` if that is of the same members.
  void make_rings(const Source& source, const ClusterView* previous);
  void take_other(std::shared_ptr<const Ring> ring);
  void take_members(const Source& source);
  void take_liveness(const std::function<Liveness(const object::NodeId&)>& liveness);
  std::span<const Node> on_ring() const { return members().first(ring_->members().size()); }

  uint64_t version_ = 1;
  object::NodeId self_id_{};
  Place self_ = kNobody;
  std::vector<Node> members_;
  size_t healthy_ = 0;
  std::shared_ptr<const Ring> ring_;
  std::shared_ptr<const OtherRing> other_;  // null: no member comes
  Place newcomer_ = kNobody;
  uint64_t ring_digest_ = 0;
  Quorum configured_, quorum_;
  std::shared_ptr<const ConflictPolicies> conflict_policies_;
  std::array<Place, object::kSlots> coordinators_{};
};

}  // namespace quorate::cluster
