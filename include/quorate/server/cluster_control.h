// ClusterControl: this node's part in a cluster: who belongs, who answers, who comes and goes.
//
// It owns the member list with its file, gossip, and the links of the gossip lane. A node begins
// as a cluster of one. Two become one cluster when a node of the one meets one of the other
// (CLUSTER MEET, or seeds, which are tried until they were met); the lists merge, and a node that
// was alone chooses its tokens anew, with the others' in sight. Only who has met, or is a member,
// is listened to. A node that learns that it was forgotten is a cluster of one again; meeting
// brings it back.
//
// As long as there are no more members than copies everyone holds everything, and whoever joins is
// `normal` at once. A further one joins in stages (cluster/cluster_view.h), and must be empty. It
// begins without tokens and waits until nobody else comes, then takes tokens. Members that hold
// slots admit one at a time: it can go on when all have. Of two that began at once the higher id
// gives way. What the shards do in a stage, transferred() is told; then the next one begins.
//
// What all nodes must have in common are settings of the list: N, R and W, and the seed of the
// keys' hashes. A node that never held data takes over the seed of the cluster it joins; two that
// both do, under different seeds, refuse each other.
//
// Invariants: a list is in the file before it is published. A view is published at the end of a
// turn in which members or liveness changed, at most one a turn; while the disk refuses the list,
// views have its last members with today's liveness. Errors: make() says what is wrong with the
// file; later ones are logged. Thread: that of the loop. Source: DESIGN section 7.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "quorate/cluster/cluster_view.h"
#include "quorate/cluster/gossip.h"
#include "quorate/cluster/peer_links.h"
#include "quorate/redis/cluster_admin.h"
#include "quorate/runtime/connector.h"
#include "quorate/runtime/files.h"
#include "quorate/runtime/loop.h"
#include "quorate/runtime/random.h"

namespace quorate::server {

// The node around it, as far as the control plane changes or asks it.
class ClusterHost {
 public:
  virtual ~ClusterHost() = default;
  // Finds out whether anything was ever written here, so that the hash seed can no longer change;
  // then calls `done`, now or later.
  virtual void look_for_data(runtime::Task done) = 0;
  // As of the last look.
  virtual bool holds_data() = 0;
  // Takes the seed over, now or by a restart that it begins. False: it cannot any more.
  virtual bool adopt_hash_seed(uint64_t seed) = 0;
  virtual void view_changed(std::shared_ptr<const cluster::ClusterView> view) = 0;
};

struct ClusterSeed {
  std::string host;  // name or address
  uint16_t peer_port = 0;

  friend bool operator==(const ClusterSeed&, const ClusterSeed&) = default;
};

struct ClusterControlSettings {
  object::NodeId node{};
  uint32_t epoch = 1;
  uint64_t life = 1;  // higher at each start
  uint64_t hash_seed = 0;
  std::string file;  // of the member list
  // How others reach this node. Without an ip it is the one that the first connection shows.
  cluster::NodeAddress address;
  std::string zone, machine;  // copies are spread over zones, then over machines
  uint32_t weight = 1;
  uint16_t shards = 1;
  std::string cluster_name, secret;
  // Of a cluster that begins with this node.
  cluster::Quorum quorum;
  cluster::ConflictPolicies conflict_policies;
  std::vector<ClusterSeed> seeds;
  std::vector<ClusterSeed> meet_again;  // what CLUSTER MEET had begun before a restart
  cluster::GossipSettings gossip;
};

class ClusterControl : public redis::ClusterAdmin {
 public:
  struct Parts {  // all outlive it
    runtime::Loop& loop;
    runtime::Connector& connector;
    runtime::Random& random;
    runtime::FileSystem& files;
    ClusterHost& host;
  };
  using Settings = ClusterControlSettings;

  // Reads the file, brings this node's own record up to date and saves it.
  static runtime::Result<std::unique_ptr<ClusterControl>> make(Parts parts, Settings settings);

  // Publishes the first view, begins to gossip and to meet the seeds.
  virtual void start() = 0;
  // Takes over a connection that another node made for gossip.
  virtual void accept(std::unique_ptr<runtime::Stream> stream) = 0;
  // To be called at the end of each turn of the loop.
  virtual void end_turn() = 0;

  // A shard of this node, which joins, is done with the stage under that ring
  // (coordinator/slot_transfer.h).
  virtual void transferred(unsigned shard, uint64_t ring_digest) = 0;
  // A shard finds that the node does not answer.
  virtual void doubt(const object::NodeId& node) = 0;

  // Whom CLUSTER MEET is still trying to meet.
  virtual std::vector<ClusterSeed> meetings() const = 0;
  virtual const cluster::MemberList& members() const = 0;
  // Null before start().
  virtual const std::shared_ptr<const cluster::ClusterView>& view() const = 0;
};

}  // namespace quorate::server
