// ClusterView: the cluster as this node sees it at one moment, for everyone who routes.
//
// Made on the control thread from the member list and from what gossip believes of each member's
// liveness; never changed afterwards, shared by pointer. Who belongs is in members(), those on the
// ring first and in its order, so that a Ring::Place is an index into it. Placement is the ring's
// alone; who coordinates a slot follows from liveness and is kept for every slot, so that asking
// is one array access. A view that differs from the one before in liveness only shares its ring.
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

  const Ring& ring() const { return *ring_; }
  // Of everything that decides where slots are, N included: equal views of placement have equal
  // ones.
  uint64_t ring_digest() const { return ring_digest_; }
  // What the cluster is set to, and what that comes to with the members there are.
  const Quorum& configured() const { return configured_; }
  const Quorum& quorum() const { return quorum_; }
  const ConflictPolicies& conflict_policies() const { return *conflict_policies_; }

  // Places of members, in order of preference, whatever their liveness.
  std::span<const Place> preference_list(uint16_t slot) const {
    return ring_->preference_list(slot);
  }
  // The first healthy member of the preference list; if none is, the first of the best liveness.
  // kNobody if nobody owns slots.
  Place coordinator(uint16_t slot) const { return coordinators_[slot]; }
  bool self_coordinates(uint16_t slot) const { return coordinators_[slot] == self_; }

 private:
  ClusterView() = default;
  void take_members(const Source& source);
  void take_liveness(const std::function<Liveness(const object::NodeId&)>& liveness);
  std::span<const Node> on_ring() const { return members().first(ring_->members().size()); }

  uint64_t version_ = 1;
  object::NodeId self_id_{};
  Place self_ = kNobody;
  std::vector<Node> members_;
  size_t healthy_ = 0;
  std::shared_ptr<const Ring> ring_;
  uint64_t ring_digest_ = 0;
  Quorum configured_, quorum_;
  std::shared_ptr<const ConflictPolicies> conflict_policies_;
  std::array<Place, object::kSlots> coordinators_{};
};

}  // namespace quorate::cluster
