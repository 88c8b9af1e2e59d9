// PeerDoor: where connections of other nodes come in, before it is known whose they are.
//
// All lanes arrive at one port. The door looks at the hello without taking it and hands the socket
// to gossip, on this thread, or to the shard that the hello asks for. What is no hello is gossip's,
// whose handshake says what is wrong with it. Who says nothing is let go after a while, and of
// those who have not said anything yet there are a bounded number. Thread: that of the loop.
#pragma once

#include <boost/unordered/unordered_flat_map.hpp>
#include <cstdint>
#include <functional>
#include <memory>

#include "quorate/cluster/peer_handshake.h"
#include "quorate/runtime/uv_loop.h"

namespace quorate::server {

class PeerDoor {
 public:
  struct Ways {
    std::function<void(int descriptor)> gossip;
    // Of data and bulk.
    std::function<void(const cluster::LaneRequest& lane, int descriptor)> shard;
  };

  PeerDoor(runtime::UvLoop& loop, Ways ways) : loop_(loop), ways_(std::move(ways)) {}

  // Takes an accepted socket.
  void take(int descriptor);

 private:
  void decided(uint64_t id, runtime::Result<int> descriptor, const cluster::LaneRequest& request);

  runtime::UvLoop& loop_;
  const Ways ways_;
  boost::unordered_flat_map<uint64_t, std::unique_ptr<runtime::PendingPeek>> looks_;
  uint64_t looked_ = 0;
};

}  // namespace quorate::server
