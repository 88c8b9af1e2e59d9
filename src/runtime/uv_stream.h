// A connected socket as a Stream. Private to runtime.
//
// Lifetime: the handle must outlive uv_close()'s callback, the Stream object may die earlier; so
// the handle lives in its own heap block that closes and frees itself.
#pragma once

#include <memory>
#include <uv.h>

#include "quorate/runtime/error.h"
#include "quorate/runtime/stream.h"

namespace quorate::runtime {

// Takes ownership of `descriptor`, also on failure.
Result<std::unique_ptr<Stream>> make_uv_stream(uv_loop_t* loop, int descriptor,
                                               unsigned keepalive_s);

}  // namespace quorate::runtime
