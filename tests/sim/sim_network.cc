#include "sim/sim_network.h"

#include <cerrno>
#include <charconv>
#include <optional>

namespace quorate::sim {
namespace {

using Side = SimLink::Side;

std::optional<NodeId> node_at(const std::string& host) {
  constexpr std::string_view kPrefix = "10.0.";
  const size_t dot = host.find('.', kPrefix.size());
  if (!host.starts_with(kPrefix) || dot == std::string::npos) return std::nullopt;
  unsigned high = 0, low = 0;
  std::from_chars(host.data() + kPrefix.size(), host.data() + dot, high);
  std::from_chars(host.data() + dot + 1, host.data() + host.size(), low);
  return high * 256 + low;
}

}  // namespace

class SimPending final : public runtime::PendingConnection {
 public:
  explicit SimPending(std::shared_ptr<runtime::ConnectHandler> handler)
      : handler_(std::move(handler)) {}
  ~SimPending() override { *handler_ = nullptr; }

 private:
  std::shared_ptr<runtime::ConnectHandler> handler_;
};

class SimConnector final : public runtime::Connector {
 public:
  SimConnector(SimNetwork& network, SimLoop& loop) : network_(network), loop_(loop) {}

  std::unique_ptr<runtime::PendingConnection> connect_tcp(const std::string& host, uint16_t port,
                                                          uint64_t timeout_us,
                                                          runtime::ConnectHandler done) override {
    auto handler = std::make_shared<runtime::ConnectHandler>(std::move(done));
    const auto to = node_at(host);
    const NodeId own = loop_.node();
    const bool lost = to && (network_.blocked(own, *to) || network_.blocked(*to, own));
    const uint64_t delay_us = lost ? timeout_us : 2 * network_.world_.draw(network_.options_.delay);
    network_.world_.schedule(own, delay_us, [this, handler, to, port, lost] {
      loop_.post([this, handler, to, port, lost] {
        if (!*handler) return;
        auto told = std::exchange(*handler, nullptr);
        if (lost) return told(runtime::fail_errno(ETIMEDOUT, "connecting"));
        auto stream = to ? network_.join(loop_, *to, port) : nullptr;
        if (!stream) return told(runtime::fail_errno(ECONNREFUSED, "connecting"));
        told(std::move(stream));
      });
    });
    return std::make_unique<SimPending>(handler);
  }

 private:
  SimNetwork& network_;
  SimLoop& loop_;
};

std::string SimNetwork::ip(NodeId node) {
  return "10.0." + std::to_string(node / 256) + "." + std::to_string(node % 256);
}

void SimNetwork::listen(SimLoop& loop, uint16_t port, AcceptStream on_accept) {
  listeners_[loop.node()] = {&loop, port, std::move(on_accept), {}};
}

void SimNetwork::listen_to_peers(SimLoop& loop, uint16_t port, AcceptPeer on_accept) {
  listeners_[loop.node()] = {&loop, port, {}, std::move(on_accept)};
}

void SimNetwork::stop_listening(NodeId node) {
  listeners_.erase(node);
  std::erase_if(strangers_, [&](const auto& of) { return of.second.to == node; });
}

// As the server's PeerDoor.
void SimNetwork::await_hello(SimLoop& loop, SimLink& link, uint64_t stranger) {
  link.look(Side::second, [this, &loop, stranger](std::string_view bytes) {
    const cluster::LaneRequest request = cluster::peek_lane(bytes);
    if (request.state == cluster::LaneRequest::State::incomplete) return false;
    loop.post([this, stranger, lane = request.lane] {
      auto known = strangers_.extract(stranger);
      if (known.empty()) return;
      const auto listener = listeners_.find(known.mapped().to);
      if (listener == listeners_.end()) return;
      listener->second.on_peer(lane, std::move(known.mapped().stream));
    });
    return true;
  });
}

std::unique_ptr<runtime::Connector> SimNetwork::connector(SimLoop& loop) {
  return std::make_unique<SimConnector>(*this, loop);
}

std::unique_ptr<runtime::Stream> SimNetwork::join(SimLoop& from, NodeId to, uint16_t port) {
  const auto at = listeners_.find(to);
  if (at == listeners_.end() || at->second.port != port) return nullptr;
  SimLoop& other = *at->second.loop;
  Link& made = links_.emplace_back(
      Link{from.node(), to, std::make_unique<SimLink>(world_, from, other, options_)});
  if (blocked(made.first, made.second)) made.link->partition(Side::first);
  if (blocked(made.second, made.first)) made.link->partition(Side::second);
  for (const NodeId node : {made.first, made.second}) {
    if (const auto slow = delays_.find(node); slow != delays_.end()) {
      made.link->set_delay(slow->second);
    }
  }
  if (at->second.on_peer) {
    const uint64_t stranger = ++strangers_met_;
    strangers_[stranger] = {to, made.link->take(Side::second)};
    await_hello(other, *made.link, stranger);
    return made.link->take(Side::first);
  }
  auto stream = std::make_shared<std::unique_ptr<runtime::Stream>>(made.link->take(Side::second));
  other.post([this, to, stream] {
    const auto listener = listeners_.find(to);
    if (listener != listeners_.end()) listener->second.on_accept(std::move(*stream));
  });
  return made.link->take(Side::first);
}

void SimNetwork::block(NodeId from, NodeId to) {
  blocked_.insert({from, to});
  for (Link& of : links_) {
    if (of.first == from && of.second == to) of.link->partition(Side::first);
    if (of.second == from && of.first == to) of.link->partition(Side::second);
  }
}

void SimNetwork::unblock(NodeId from, NodeId to) {
  blocked_.erase({from, to});
  for (Link& of : links_) {
    const bool its = (of.first == from && of.second == to) || (of.second == from && of.first == to);
    if (!its) continue;
    of.link->heal();
    if (blocked(of.first, of.second)) of.link->partition(Side::first);
    if (blocked(of.second, of.first)) of.link->partition(Side::second);
  }
}

void SimNetwork::part(const std::vector<NodeId>& one, const std::vector<NodeId>& other) {
  for (const NodeId from : one) {
    for (const NodeId to : other) {
      block(from, to);
      block(to, from);
    }
  }
}

void SimNetwork::heal() {
  blocked_.clear();
  for (Link& of : links_) of.link->heal();
}

void SimNetwork::set_delay(NodeId of, Delay delay) {
  delays_[of] = delay;
  for (Link& link : links_) {
    if (link.first == of || link.second == of) link.link->set_delay(delay);
  }
}

void SimNetwork::cut(NodeId one, NodeId other) {
  for (Link& of : links_) {
    const bool its =
        (of.first == one && of.second == other) || (of.first == other && of.second == one);
    if (its) of.link->cut();
  }
}

}  // namespace quorate::sim
