// SimNetwork: hosts of the simulator that connect to each other by address.
//
// A node is at 10.0.<node / 256>.<node % 256> and listens on a port; connections are SimLinks.
// block() lets nothing through from one node to another, for connections that are, that are being
// made and that will be; unblock() lets through what was held back. Connecting to a node that does
// not listen is refused, to one that is blocked it times out. set_delay() makes a node's
// connections slow. Thread: the simulator's one. Loops
// and handlers must live as long as their node listens.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "quorate/cluster/peer_handshake.h"
#include "quorate/runtime/connector.h"

#include "sim/sim_link.h"

namespace quorate::sim {

class SimNetwork {
 public:
  using AcceptStream = std::function<void(std::unique_ptr<runtime::Stream>)>;

  explicit SimNetwork(SimWorld& world, SimLink::Options options = {})
      : world_(world), options_(options) {}
  SimNetwork(const SimNetwork&) = delete;
  SimNetwork& operator=(const SimNetwork&) = delete;

  static std::string ip(NodeId node);
  // One port a node. Called in a turn of the loop.
  void listen(SimLoop& loop, uint16_t port, AcceptStream on_accept);
  // Of nodes, whose connections are not accepted before their hello says which lane they are of.
  using AcceptPeer =
      std::function<void(cluster::PeerLane lane, std::unique_ptr<runtime::Stream> stream)>;
  void listen_to_peers(SimLoop& loop, uint16_t port, AcceptPeer on_accept);
  void stop_listening(NodeId node);
  // Of the loop's node. Must not outlive either.
  std::unique_ptr<runtime::Connector> connector(SimLoop& loop);

  void block(NodeId from, NodeId to);
  void unblock(NodeId from, NodeId to);
  // Both ways, between each of the one side and each of the other.
  void part(const std::vector<NodeId>& one, const std::vector<NodeId>& other);
  void heal();
  // What the node sends and is sent takes so long from now on.
  void set_delay(NodeId of, Delay delay);
  // Ends every connection between the two.
  void cut(NodeId one, NodeId other);
  size_t connections() const { return links_.size(); }  // made so far

 private:
  friend class SimConnector;
  struct Listener {
    SimLoop* loop = nullptr;
    uint16_t port = 0;
    AcceptStream on_accept;
    AcceptPeer on_peer;  // instead
  };
  // Accepted, and still silent.
  struct Stranger {
    NodeId to = 0;
    std::unique_ptr<runtime::Stream> stream;
  };
  struct Link {
    NodeId first = 0, second = 0;
    std::unique_ptr<SimLink> link;
  };

  bool blocked(NodeId from, NodeId to) const { return blocked_.contains({from, to}); }
  // The connecting side's end; nothing if nobody listens there.
  std::unique_ptr<runtime::Stream> join(SimLoop& from, NodeId to, uint16_t port);
  void await_hello(SimLoop& loop, SimLink& link, uint64_t stranger);

  SimWorld& world_;
  const SimLink::Options options_;
  std::map<NodeId, Listener> listeners_;
  std::set<std::pair<NodeId, NodeId>> blocked_;
  std::map<NodeId, Delay> delays_;
  std::vector<Link> links_;
  std::map<uint64_t, Stranger> strangers_;
  uint64_t strangers_met_ = 0;
};

}  // namespace quorate::sim
