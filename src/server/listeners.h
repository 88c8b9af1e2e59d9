// Listeners: where a node can be reached, by clients and by other nodes.
//
// Clients come in at `port` of every address of `bind` (one with a '-' before it may be missing)
// and at `unixsocket`; other nodes at the cluster port of the same addresses. Who never asked for a
// cluster is served without that port if it is not to be had. Errors: open() says what cannot be
// listened on. Thread: that of the loop.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "quorate/redis/client_state.h"
#include "quorate/runtime/error.h"
#include "quorate/runtime/uv_loop.h"
#include "quorate/server/config.h"

namespace quorate::server {

// The sockets of a node that is to be started again: those that listen, by where, so that who
// connects meanwhile waits, and those of clients, who notice nothing. What is not taken is closed.
class HeldSockets {
 public:
  HeldSockets() = default;
  HeldSockets(const HeldSockets&) = delete;
  HeldSockets& operator=(const HeldSockets&) = delete;
  ~HeldSockets();

  void hold(const std::string& where, int descriptor) {
    listeners_.emplace_back(where, descriptor);
  }
  void hold(std::vector<redis::HandedOverClient> clients);
  // Nothing if there is none there.
  std::optional<int> take_listener(const std::string& where);
  // None of null.
  static std::vector<redis::HandedOverClient> take_clients(HeldSockets* of);

 private:
  std::vector<std::pair<std::string, int>> listeners_;
  std::vector<redis::HandedOverClient> clients_;
};

class Listeners {
 public:
  using Accept = std::function<void(int descriptor)>;

  // `held`: sockets to go on with; may be null.
  Listeners(runtime::UvLoop& loop, std::shared_ptr<HeldSockets> held)
      : loop_(loop), held_(std::move(held)) {}

  runtime::Status open_for_clients(const Config& config, const Accept& accept);
  // `wanted`: the node is in a cluster, or is to be.
  runtime::Status open_for_nodes(const Config& config, bool wanted, const Accept& accept);
  // Those that are open, for the next who listens there.
  std::shared_ptr<HeldSockets> hold() const;
  void close() { listeners_.clear(); }

 private:
  runtime::Status listen_on(const Config& config, uint16_t port, const Accept& accept);

  struct Open {
    std::string where;
    std::unique_ptr<runtime::Listener> listener;
  };
  // Whether it was held.
  bool go_on_at(const std::string& where, const Accept& accept);

  runtime::UvLoop& loop_;
  const std::shared_ptr<HeldSockets> held_;
  std::vector<Open> listeners_;
};

}  // namespace quorate::server
