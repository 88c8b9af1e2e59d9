// PeerLinks: the connections of one lane between this node and the others, on one loop.
//
// A node sends on the connections it made and hears on all: two nodes that connect to each other at
// the same time both keep theirs. send() connects when there is no link yet; what is sent meanwhile
// waits, up to a bound, and is dropped if the connection fails: a link promises order, not arrival.
// A peer that could not be reached is left alone for a while, the longer the oftener it failed.
// Messages from a peer are delivered in the order in which it sent them, as long as its connection
// lasts.
//
// Who a peer is, its proof has told; whether it is welcome, the owner judges. Thread: that of the
// loop. Units: microseconds, bytes. Source: DESIGN 7.
#pragma once

#include <boost/unordered/unordered_flat_map.hpp>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "quorate/cluster/member.h"
#include "quorate/cluster/node_id.h"
#include "quorate/cluster/peer_link.h"
#include "quorate/runtime/connector.h"
#include "quorate/runtime/loop.h"
#include "quorate/runtime/random.h"

namespace quorate::cluster {

class PeerLinksOwner {
 public:
  virtual ~PeerLinksOwner() = default;
  // Where a node is to be reached; nothing if it is not known.
  virtual std::optional<NodeAddress> address_of(const object::NodeId& node) = 0;
  // An error refuses the peer with that reason.
  virtual runtime::Status judge(const PeerHello& peer) = 0;
  virtual void on_message(const object::NodeId& from, uint8_t type, std::string_view body) = 0;
  // A connection that this node made can be sent on, or is not there any more.
  virtual void on_up(const object::NodeId& node) = 0;
  virtual void on_down(const object::NodeId& node, const std::string& reason) = 0;
  // A peer has proved itself, either way; comes before all else that is told of the connection.
  virtual void on_proved(const PeerHello& /*peer*/, const std::string& /*local_address*/) {}
  // A connection that this node accepted ended in its handshake, by an objection of either side.
  virtual void on_refused(const std::string& /*peer_address*/, const std::string& /*reason*/) {}
};

struct PeerLinksSettings {
  PeerHello hello;  // of this node at first; the nonce is drawn for each connection
  std::string secret;
  uint64_t connect_timeout_us = 1'000'000;
  uint64_t handshake_timeout_us = 2'000'000;
  uint64_t retry_min_us = 100'000;
  uint64_t retry_max_us = 5'000'000;
  size_t waiting_bytes_max = 256 << 10;  // for a link that is being made, each
  size_t queued_bytes_max = 64 << 20;    // for a peer that does not read, each
  size_t awaited_bytes_max = 128 << 20;  // of answers, besides
  size_t waiters_max = 64;               // of when_free(), each
  size_t strangers_max = 128;  // accepted and not yet proved; beyond, they are turned away
};

class PeerLinks final : private PeerLinkOwner {
 public:
  struct Parts {
    runtime::Loop& loop;
    runtime::Connector& connector;
    runtime::Random& random;
    PeerLinksOwner& owner;
  };
  struct Statistics {
    uint64_t connected = 0, accepted = 0;  // handshakes done
    uint64_t failed = 0;                   // connections that were not, either way
    uint64_t turned_away = 0;
    uint64_t dropped = 0;  // messages
  };

  // REQUIRES: the parts outlive it.
  PeerLinks(Parts parts, PeerLinksSettings settings);
  ~PeerLinks() override;
  PeerLinks(const PeerLinks&) = delete;
  PeerLinks& operator=(const PeerLinks&) = delete;

  // What connections begun from now on say of this node.
  void set_hello(PeerHello hello) { settings_.hello = std::move(hello); }

  // Takes over a connection that someone else made.
  void accept(std::unique_ptr<runtime::Stream> stream);
  // Connects to whoever is at that address; `done` is told who, once, unless this is destroyed.
  // That may be this node itself.
  using Met = std::move_only_function<void(runtime::Result<object::NodeId>)>;
  void meet(const std::string& host, uint16_t port, Met done);

  // True if the message is on its way; false if it was dropped. Its body is `head` and then `rest`.
  bool send(const object::NodeId& to, uint8_t type, std::string_view head,
            std::string_view rest = {}, Need need = Need::told);
  // Calls `run` when there is a connection to the node on which less than kFreeBytes wait, perhaps
  // at once; those of one node in their order. Destroys it uncalled if the connection fails or ends
  // before. So what is large is sent no faster than it is taken, and delays little of what follows.
  void when_free(const object::NodeId& to, std::move_only_function<void()> run);
  static constexpr size_t kFreeBytes = 1 << 20;
  // At the end of each turn: one write for each peer that was sent to.
  void flush();

  // Whether there is a connection to send on.
  bool up(const object::NodeId& node) const;
  // What was sent and the connection has not taken yet.
  size_t queued_bytes(const object::NodeId& node) const;
  // What has come of large frames (FrameReader) on the connections with the node that there are.
  uint64_t large_frame_bytes(const object::NodeId& node) const;
  // Ends all connections with the node, also one that is being made; of each that this node made
  // on_down() tells, perhaps at once.
  void drop(const object::NodeId& node, const std::string& reason);
  // Ends all connections. Afterwards none is made or accepted.
  void shut();
  size_t links() const { return links_.size(); }
  // Of each connection whose handshake is done.
  struct LinkFacts {
    object::NodeId node{};
    bool outgoing = false;
    uint64_t since_us = 0;  // by the loop's monotonic clock
    size_t queued_bytes = 0;
  };
  std::vector<LinkFacts> established() const;
  const Statistics& statistics() const { return statistics_; }

 private:
  // The way to one node: none, being made, or made.
  struct Route {
    std::unique_ptr<runtime::PendingConnection> pending;
    PeerLink* link = nullptr;  // in links_; in its handshake or ready
    std::vector<std::pair<uint8_t, std::string>> waiting;
    size_t waiting_bytes = 0;
    std::deque<std::move_only_function<void()>> waiters;  // for a link that is free
    uint64_t retry_at_us = 0;
    unsigned failures = 0;  // in a row
  };
  struct Meeting {
    std::unique_ptr<runtime::PendingConnection> pending;
    Met done;
  };
  struct Held {
    std::unique_ptr<PeerLink> link;
    object::NodeId expected{};  // of a route
    bool routed = false;
    uint64_t meeting = 0;  // 0: none
    bool stranger = false;
    uint64_t since_us = 0;  // the handshake is done
  };

  // PeerLinkOwner
  runtime::Status judge(PeerLink& link, const PeerHello& peer) override;
  void on_ready(PeerLink& link) override;
  void on_message(PeerLink& link, uint8_t type, std::string_view body) override;
  void on_frame_end(PeerLink& /*link*/) override {}
  void on_closed(PeerLink& link, const std::string& reason) override;
  void on_drained(PeerLink& link) override;

  std::vector<Held>::iterator held_of(const PeerLink& link);
  PeerLink* make_link(PeerHandshake::Role role, std::unique_ptr<runtime::Stream> stream, Held held);
  Route* connect(const object::NodeId& to);
  void begin_route(const object::NodeId& to, runtime::Result<std::unique_ptr<runtime::Stream>> got);
  void route_failed(const object::NodeId& to, const std::string& reason);
  void send_waiting(Route& route);
  void run_waiters(const object::NodeId& to);
  void finish_meeting(uint64_t meeting, runtime::Result<object::NodeId> result);

  runtime::Loop& loop_;
  runtime::Connector& connector_;
  runtime::Random& random_;
  PeerLinksOwner& owner_;
  PeerLinksSettings settings_;
  Statistics statistics_;
  std::vector<char> read_buffer_;
  boost::unordered_flat_map<object::NodeId, Route, NodeIdHash> routes_;
  boost::unordered_flat_map<uint64_t, Meeting> meetings_;
  uint64_t meetings_begun_ = 0;
  size_t strangers_ = 0;
  bool shut_ = false;
  std::vector<object::NodeId> to_flush_, flushing_;
  std::vector<Held> links_;  // as they were made, so that a seed ends them in the same order
};

}  // namespace quorate::cluster
