// ReplicaMap: who holds what beside this node, as replication needs it.
//
// Slots with the same lists of others are one group. Changes of a group's slots are sent to all of
// them, and need W copies in each list: of the ring that is in use and, while a member comes, of
// the other one (cluster/cluster_view.h). Thread: immutable once made, any thread. Source: DESIGN
// 8, 9.
#pragma once

#include <algorithm>
#include <boost/container/small_vector.hpp>
#include <cstdint>
#include <memory>
#include <vector>

#include "quorate/cluster/cluster_view.h"
#include "quorate/coordinator/replication_window.h"
#include "quorate/object/dot.h"

namespace quorate::coordinator {

struct ReplicaMap {
  using Peer = ReplicationWindow::Peer;
  static constexpr uint16_t kNoGroup = UINT16_MAX;

  struct Quorum {
    ReplicationWindow::Group others;  // how many of them make W
    bool own = true;                  // this node's copy counts, too
  };
  struct Group {
    boost::container::small_vector<Peer, 4> peers;  // all that are sent changes
    boost::container::small_vector<Quorum, 2> quorums;

    // Of the first quorum, the own one included.
    unsigned copies_max() const { return quorums.front().others.needed + 1; }
    // A quorum for changes that need only so many copies.
    ReplicationWindow::Group lowered(const Quorum& quorum, unsigned copies) const {
      const unsigned less = copies_max() - std::min(copies_max(), copies);
      const unsigned needed = quorum.others.needed;
      return {quorum.others.peers, needed - std::min(needed, less)};
    }
  };

  std::vector<object::NodeId> peers;  // by Peer
  std::vector<bool> down;             // by Peer: not seen as healthy
  std::vector<Group> groups;
  std::vector<uint16_t> group_of_slot;  // kNoGroup: of slots that this node does not hold

  // W is the cluster's.
  static std::shared_ptr<const ReplicaMap> of(const cluster::ClusterView& view);
};

}  // namespace quorate::coordinator
