// A message between peers with bytes of its own, which outlive the frame it came in.
#pragma once

#include <cstdint>
#include <string>

namespace quorate::cluster {

struct OwnedMessage {
  uint8_t type = 0;
  std::string body;
  friend bool operator==(const OwnedMessage&, const OwnedMessage&) = default;
};

}  // namespace quorate::cluster
