// Outgoing connections, as the rooms above runtime make them: through libuv in production, to
// another node of the simulator in tests.
//
// Thread: that of the loop it belongs to.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "quorate/runtime/error.h"
#include "quorate/runtime/stream.h"

namespace quorate::runtime {

// Whether that is an IPv4 or IPv6 address, and not a name.
bool is_ip_address(const std::string& text);

// A connection that is being made. Destroying it cancels: its handler is not called any more.
class PendingConnection {
 public:
  virtual ~PendingConnection() = default;
};

using ConnectHandler = std::move_only_function<void(Result<std::unique_ptr<Stream>>)>;

class Connector {
 public:
  virtual ~Connector() = default;
  // Connects to an address, or to those that a name stands for, one after the other, and never
  // blocks. `on_done` is called once, on a later turn, and may destroy what was returned. What
  // takes longer than `timeout_us` in all is ETIMEDOUT.
  [[nodiscard]] virtual std::unique_ptr<PendingConnection> connect_tcp(const std::string& host,
                                                                       uint16_t port,
                                                                       uint64_t timeout_us,
                                                                       ConnectHandler on_done) = 0;
};

}  // namespace quorate::runtime
