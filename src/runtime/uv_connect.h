// Making TCP connections on a libuv loop. Private to runtime.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <uv.h>

#include "quorate/runtime/uv_loop.h"

namespace quorate::runtime {

struct Endpoint {
  std::string host;
  uint16_t port = 0;
};

// What UvLoop::connect_tcp() promises. `loop` runs on `uv_loop`.
std::unique_ptr<PendingConnection> begin_connecting(Loop& loop, uv_loop_t* uv_loop,
                                                    const Endpoint& endpoint, uint64_t timeout_us,
                                                    ConnectHandler on_done);

}  // namespace quorate::runtime
