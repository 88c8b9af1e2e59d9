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
#include <vector>

#include "quorate/runtime/error.h"
#include "quorate/runtime/uv_loop.h"
#include "quorate/server/config.h"

namespace quorate::server {

class Listeners {
 public:
  using Accept = std::function<void(int descriptor)>;

  explicit Listeners(runtime::UvLoop& loop) : loop_(loop) {}

  runtime::Status open_for_clients(const Config& config, const Accept& accept);
  // `wanted`: the node is in a cluster, or is to be.
  runtime::Status open_for_nodes(const Config& config, bool wanted, const Accept& accept);
  void close() { listeners_.clear(); }

 private:
  runtime::Status listen_on(const Config& config, uint16_t port, const Accept& accept);

  runtime::UvLoop& loop_;
  std::vector<std::unique_ptr<runtime::Listener>> listeners_;
};

}  // namespace quorate::server
