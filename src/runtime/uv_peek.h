// Waits on a socket for its first bytes without taking them; see runtime/socket_peek.h.
#pragma once

#include <memory>
#include <uv.h>

#include "quorate/runtime/loop.h"
#include "quorate/runtime/socket_peek.h"

namespace quorate::runtime {

std::unique_ptr<PendingPeek> begin_peeking(Loop& loop, uv_loop_t* uv_loop, int descriptor,
                                           PeekLimits limits, PeekEnough enough,
                                           PeekHandler on_done);

}  // namespace quorate::runtime
