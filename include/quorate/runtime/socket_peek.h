// Looking at what arrives on an accepted socket before anyone owns it.
//
// The bytes stay in the socket: whoever is given the descriptor reads them as the first. A look is
// bounded in bytes and in time. Thread: that of the loop which looks. Units: bytes, microseconds.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string_view>

#include "quorate/runtime/error.h"

namespace quorate::runtime {

// A look that is under way. Destroying it closes the socket, without a call of its handler.
class PendingPeek {
 public:
  virtual ~PendingPeek() = default;
};

struct PeekLimits {
  size_t bytes_max = 512;
  uint64_t timeout_us = 2'000'000;
};

// Whether the first bytes, not necessarily all that there are, say enough.
using PeekEnough = std::move_only_function<bool(std::string_view bytes)>;
// Is given the descriptor, or why the socket was closed: it ended, took too long, or has
// `bytes_max` bytes which are not enough. Called once, on a later turn; may destroy the look.
using PeekHandler = std::move_only_function<void(Result<int> descriptor)>;

}  // namespace quorate::runtime
