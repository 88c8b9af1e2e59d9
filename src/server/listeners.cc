#include "server/listeners.h"

#include <cerrno>
#include <spdlog/spdlog.h>
#include <string>
#include <utility>

#include "server/settings_of.h"

namespace quorate::server {

runtime::Status Listeners::open_for_clients(const Config& config, const Accept& accept) {
  if (config.port != 0) {
    if (auto status = listen_on(config, config.port, accept); !status) return status;
  }
  if (!config.unixsocket.empty()) {
    auto listener = loop_.listen_unix(config.unixsocket, static_cast<int>(config.tcp_backlog),
                                      config.unixsocketperm, accept);
    if (!listener) return std::unexpected(listener.error());
    listeners_.push_back(std::move(*listener));
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
    auto listener = loop_.listen_tcp(address, port, static_cast<int>(config.tcp_backlog), accept);
    if (listener) {
      listeners_.push_back(std::move(*listener));
      continue;
    }
    const int code = listener.error().code;
    const bool unavailable = code == EADDRNOTAVAIL || code == EAFNOSUPPORT;
    if (!optional || !unavailable) return std::unexpected(listener.error());
  }
  return {};
}

}  // namespace quorate::server
