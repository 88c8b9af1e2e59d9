#include "quorate/cluster/peer_links.h"

#include <algorithm>

namespace quorate::cluster {
namespace {

using object::NodeId;
using Role = PeerHandshake::Role;

constexpr size_t kReadBufferBytes = size_t{256} << 10;
constexpr unsigned kDoublingsMax = 16;

}  // namespace

PeerLinks::PeerLinks(Parts parts, PeerLinksSettings settings)
    : loop_(parts.loop),
      connector_(parts.connector),
      random_(parts.random),
      owner_(parts.owner),
      settings_(std::move(settings)),
      read_buffer_(kReadBufferBytes) {}

PeerLinks::~PeerLinks() = default;

PeerLink* PeerLinks::make_link(Role role, std::unique_ptr<runtime::Stream> stream, Held held) {
  PeerHello hello = settings_.hello;
  random_.fill(hello.nonce);
  const PeerLinkSettings settings{.secret = settings_.secret,
                                  .handshake_timeout_us = settings_.handshake_timeout_us,
                                  .queued_bytes_max = settings_.queued_bytes_max,
                                  .awaited_bytes_max = settings_.awaited_bytes_max,
                                  .read_buffer = read_buffer_};
  PeerLinkOwner& owner = *this;
  held.link =
      std::make_unique<PeerLink>(role, std::move(stream), std::move(hello), settings, loop_, owner);
  PeerLink* const link = held.link.get();
  links_.push_back(std::move(held));
  return link;
}

std::vector<PeerLinks::Held>::iterator PeerLinks::held_of(const PeerLink& link) {
  return std::ranges::find(links_, &link, [](const Held& held) { return held.link.get(); });
}

void PeerLinks::accept(std::unique_ptr<runtime::Stream> stream) {
  if (shut_ || strangers_ >= settings_.strangers_max) {
    ++statistics_.turned_away;
    return;
  }
  ++strangers_;
  Held held;
  held.stranger = true;
  make_link(Role::accepts, std::move(stream), std::move(held));
}

// ---- sending

bool PeerLinks::up(const NodeId& node) const {
  const auto at = routes_.find(node);
  return at != routes_.end() && at->second.link != nullptr && at->second.link->ready();
}

size_t PeerLinks::queued_bytes(const NodeId& node) const {
  const auto at = routes_.find(node);
  return at == routes_.end() || at->second.link == nullptr ? 0 : at->second.link->queued_bytes();
}

uint64_t PeerLinks::large_frame_bytes(const NodeId& node) const {
  uint64_t bytes = 0;
  for (const Held& held : links_) {
    if (held.link->ready() && held.link->peer().node == node) {
      bytes += held.link->large_frame_bytes();
    }
  }
  return bytes;
}

bool PeerLinks::send(const NodeId& to, uint8_t type, std::string_view head, std::string_view rest,
                     Need need) {
  Route* const route = connect(to);
  if (route == nullptr) {
    ++statistics_.dropped;
    return false;
  }
  if (route->link != nullptr && route->link->ready()) {
    const SendResult result =
        route->link->send(type, [&](std::string& out) { out.append(head).append(rest); }, need);
    if (result == SendResult::queued) {
      if (to_flush_.empty() || to_flush_.back() != to) to_flush_.push_back(to);
      return true;
    }
  } else if (route->waiting_bytes + head.size() + rest.size() <= settings_.waiting_bytes_max) {
    route->waiting.emplace_back(type, std::string(head).append(rest));
    route->waiting_bytes += head.size() + rest.size();
    return true;
  }
  ++statistics_.dropped;
  return false;
}

void PeerLinks::when_free(const NodeId& to, std::move_only_function<void()> run) {
  Route* const route = connect(to);
  if (route == nullptr || route->waiters.size() >= settings_.waiters_max) {
    ++statistics_.dropped;
    return;
  }
  route->waiters.push_back(std::move(run));
  run_waiters(to);
}

// What one of them does may make and lose links.
void PeerLinks::run_waiters(const NodeId& to) {
  while (true) {
    const auto at = routes_.find(to);
    if (at == routes_.end() || at->second.waiters.empty()) return;
    const PeerLink* const link = at->second.link;
    if (link == nullptr || !link->ready() || link->queued_bytes() >= kFreeBytes) return;
    auto run = std::move(at->second.waiters.front());
    at->second.waiters.pop_front();
    run();
  }
}

void PeerLinks::on_drained(PeerLink& link) { run_waiters(link.peer().node); }

void PeerLinks::flush() {
  while (!to_flush_.empty()) {
    flushing_.swap(to_flush_);
    for (const NodeId& node : flushing_) {
      const auto at = routes_.find(node);
      if (at == routes_.end() || at->second.link == nullptr) continue;
      at->second.link->flush();
      if (!at->second.waiters.empty()) run_waiters(node);  // which sends more
    }
    flushing_.clear();
  }
}

void PeerLinks::send_waiting(Route& route) {
  for (const auto& [type, body] : std::exchange(route.waiting, {})) {
    const SendResult result =
        route.link->send(type, [&body = body](std::string& out) { out.append(body); });
    if (result != SendResult::queued) ++statistics_.dropped;
  }
  route.waiting_bytes = 0;
  route.link->flush();
}

// ---- connecting

// The route to a node, begun if need be; null if it cannot be reached for now.
PeerLinks::Route* PeerLinks::connect(const NodeId& to) {
  if (shut_) return nullptr;
  Route& route = routes_[to];
  if (route.link != nullptr || route.pending) return &route;
  if (loop_.clock().monotonic_us() < route.retry_at_us) return nullptr;
  const auto address = owner_.address_of(to);
  if (!address) return nullptr;
  route.pending =
      connector_.connect_tcp(address->ip, address->peer_port, settings_.connect_timeout_us,
                             [this, to](runtime::Result<std::unique_ptr<runtime::Stream>> got) {
                               begin_route(to, std::move(got));
                             });
  return &route;
}

void PeerLinks::begin_route(const NodeId& to,
                            runtime::Result<std::unique_ptr<runtime::Stream>> got) {
  Route& route = routes_[to];
  const auto done = std::move(route.pending);
  if (!got) return route_failed(to, got.error().message);
  Held held;
  held.expected = to;
  held.routed = true;
  route.link = make_link(Role::connects, *std::move(got), std::move(held));
}

void PeerLinks::route_failed(const NodeId& to, const std::string& reason) {
  Route& route = routes_[to];
  ++statistics_.failed;
  statistics_.dropped += route.waiting.size();
  route.waiting.clear();
  route.waiting_bytes = 0;
  const auto lost = std::exchange(route.waiters, {});  // until all else is done
  statistics_.dropped += lost.size();
  const uint64_t wait_us = std::min(
      settings_.retry_max_us, settings_.retry_min_us << std::min(route.failures, kDoublingsMax));
  ++route.failures;
  // Nodes that lost the same peer do not come back to it together.
  route.retry_at_us = loop_.clock().monotonic_us() + wait_us / 2 + random_.below(wait_us / 2 + 1);
  owner_.on_down(to, reason);
}

void PeerLinks::meet(const std::string& host, uint16_t port, Met done) {
  if (shut_) return done(runtime::fail("this node stops"));
  const uint64_t id = ++meetings_begun_;
  Meeting& meeting = meetings_[id];
  meeting.done = std::move(done);
  meeting.pending =
      connector_.connect_tcp(host, port, settings_.connect_timeout_us,
                             [this, id](runtime::Result<std::unique_ptr<runtime::Stream>> got) {
                               if (!got) return finish_meeting(id, std::unexpected(got.error()));
                               Held held;
                               held.meeting = id;
                               make_link(Role::connects, *std::move(got), std::move(held));
                             });
}

void PeerLinks::finish_meeting(uint64_t id, runtime::Result<NodeId> result) {
  const auto at = meetings_.find(id);
  if (at == meetings_.end()) return;
  Meeting meeting = std::move(at->second);
  meetings_.erase(at);
  meeting.done(std::move(result));
}

// ---- links

runtime::Status PeerLinks::judge(PeerLink& link, const PeerHello& peer) {
  const auto at = held_of(link);
  if (at != links_.end() && at->routed && at->expected != peer.node) {
    return runtime::fail("another node has this address now");
  }
  return owner_.judge(peer);
}

void PeerLinks::on_ready(PeerLink& link) {
  const NodeId node = link.peer().node;
  owner_.on_proved(link.peer(), link.local_address());
  Held& held = *held_of(link);  // what that did may have made further links
  held.since_us = loop_.clock().monotonic_us();
  if (std::exchange(held.stranger, false)) {
    --strangers_;
    ++statistics_.accepted;
    // Who was away is evidently back, and waits for answers, which go the other way.
    const auto back = routes_.find(node);
    if (back != routes_.end()) {
      back->second.failures = 0;
      back->second.retry_at_us = 0;
    }
    return;
  }
  ++statistics_.connected;
  const uint64_t meeting = std::exchange(held.meeting, 0);
  Route& route = routes_[node];
  if (route.link != nullptr && route.link != &link) {
    // Met again by its address: one connection is enough.
    link.close("there is a connection already");
  } else {
    held.expected = node;
    held.routed = true;
    route.pending.reset();
    route.link = &link;
    route.failures = 0;
    route.retry_at_us = 0;
    send_waiting(route);
    owner_.on_up(node);
    run_waiters(node);
  }
  if (meeting != 0) finish_meeting(meeting, node);
}

void PeerLinks::on_message(PeerLink& link, uint8_t type, std::string_view body) {
  owner_.on_message(link.peer().node, type, body);
}

void PeerLinks::on_closed(PeerLink& link, const std::string& reason) {
  const auto at = held_of(link);
  const Held held = std::move(*at);
  links_.erase(at);
  if (held.stranger) --strangers_;
  const auto& refusal = held.link->refusal();
  const bool itself = refusal && refusal->objection == Objection::itself;
  if (held.meeting != 0 && itself) {
    finish_meeting(held.meeting, settings_.hello.node);
  } else if (held.meeting != 0) {
    finish_meeting(held.meeting, runtime::fail(reason));
  }
  if (!held.routed) {
    if (refusal) ++statistics_.failed;
    if (refusal && held.stranger && !itself) owner_.on_refused(link.peer_address(), reason);
    return;
  }
  const auto route = routes_.find(held.expected);
  if (route == routes_.end() || route->second.link != &link) return;
  route->second.link = nullptr;
  route_failed(held.expected, reason);
}

std::vector<PeerLinks::LinkFacts> PeerLinks::established() const {
  std::vector<LinkFacts> facts;
  for (const Held& held : links_) {
    const PeerLink& link = *held.link;
    if (!link.ready()) continue;
    const bool outgoing = link.role() == Role::connects;
    facts.push_back({link.peer().node, outgoing, held.since_us, link.queued_bytes()});
  }
  return facts;
}

void PeerLinks::shut() {
  constexpr const char* kReason = "this node stops";
  shut_ = true;
  meetings_.clear();
  for (const Held& held : links_) held.link->close(kReason);
  std::vector<NodeId> unmade;
  for (auto& [node, route] : routes_) {
    if (std::exchange(route.pending, nullptr)) unmade.push_back(node);
  }
  for (const NodeId& node : unmade) route_failed(node, kReason);
}

void PeerLinks::drop(const NodeId& node, const std::string& reason) {
  for (const Held& held : links_) {
    PeerLink& link = *held.link;
    const bool its = held.routed ? held.expected == node : link.ready() && link.peer().node == node;
    if (its) link.close(reason);
  }
  const auto route = routes_.find(node);
  if (route == routes_.end() || route->second.link != nullptr) return;
  if (std::exchange(route->second.pending, nullptr)) return route_failed(node, reason);
  routes_.erase(route);
}

}  // namespace quorate::cluster
