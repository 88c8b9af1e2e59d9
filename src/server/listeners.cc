#include "server/listeners.h"

#include <algorithm>
#include <cerrno>
#include <iterator>
#include <spdlog/spdlog.h>

#include "server/settings_of.h"

namespace quorate::server {

HeldSockets::~HeldSockets() {
  for (const auto& [where, descriptor] : listeners_) runtime::refuse_socket(descriptor, {});
  for (const auto& of : clients_) runtime::refuse_socket(of.descriptor, {});
}

void HeldSockets::hold(std::vector<redis::HandedOverClient> clients) {
  std::ranges::move(clients, std::back_inserter(clients_));
}

std::optional<int> HeldSockets::take_listener(const std::string& where) {
  const auto at = std::ranges::find(listeners_, where, &std::pair<std::string, int>::first);
  if (at == listeners_.end()) return {};
  const int descriptor = at->second;
  listeners_.erase(at);
  return descriptor;
}

std::vector<redis::HandedOverClient> HeldSockets::take_clients(HeldSockets* of) {
  if (of == nullptr) return {};
  return std::exchange(of->clients_, {});
}

std::shared_ptr<HeldSockets> Listeners::hold() const {
  auto held = std::make_shared<HeldSockets>();
  for (const Open& open : listeners_) {
    if (const auto descriptor = open.listener->duplicate()) held->hold(open.where, *descriptor);
  }
  return held;
}

bool Listeners::go_on_at(const std::string& where, const Accept& accept) {
  const auto descriptor = held_ == nullptr ? std::nullopt : held_->take_listener(where);
  if (!descriptor) return false;
  listeners_.push_back({where, loop_.listen_on(*descriptor, accept)});
  return true;
}

runtime::Status Listeners::open_for_clients(const Config& config, const Accept& accept) {
  if (config.port != 0) {
    if (auto status = listen_on(config, config.port, accept); !status) return status;
  }
  if (!config.unixsocket.empty() && !go_on_at(config.unixsocket, accept)) {
    auto listener = loop_.listen_unix(config.unixsocket, static_cast<int>(config.tcp_backlog),
                                      config.unixsocketperm, accept);
    if (!listener) return std::unexpected(listener.error());
    listeners_.push_back({config.unixsocket, std::move(*listener)});
  }
  if (listeners_.empty()) return runtime::fail("Configured to not listen anywhere, exiting.");
  return {};
}

runtime::Status Listeners::open_for_nodes(const Config& config, bool wanted, const Accept& accept) {
  const uint16_t port = peer_port(config);
  runtime::Status status = runtime::fail("port + 10000 is none");
  if (port != 0) status = listen_on(config, port, accept);
  if (status) {
    spdlog::info("Listening for nodes on port {}", port);
    return {};
  }
  if (wanted || config.cluster_port != 0 || !config.cluster_seeds.empty()) {
    return runtime::fail("cluster-port: " + status.error().message);
  }
  spdlog::warn("No other node can join this one, set cluster-port: {}", status.error().message);
  return {};
}

runtime::Status Listeners::listen_on(const Config& config, uint16_t port, const Accept& accept) {
  for (std::string address : config.bind) {
    const bool optional = address.starts_with('-');
    if (optional) address.erase(0, 1);
    const std::string where = address + ':' + std::to_string(port);
    if (go_on_at(where, accept)) continue;
    auto listener = loop_.listen_tcp(address, port, static_cast<int>(config.tcp_backlog), accept);
    if (listener) {
      listeners_.push_back({where, std::move(*listener)});
      continue;
    }
    const int code = listener.error().code;
    const bool unavailable = code == EADDRNOTAVAIL || code == EAFNOSUPPORT;
    if (!optional || !unavailable) return std::unexpected(listener.error());
  }
  return {};
}

}  // namespace quorate::server
