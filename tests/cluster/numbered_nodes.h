// Nodes that a test knows by number: their ids, and the port where each waits for the others.
#pragma once

#include <cstdint>

#include "quorate/object/dot.h"

namespace quorate::cluster {

inline constexpr uint16_t kPeerPort = 16379;

inline object::NodeId id_of(unsigned number) {
  object::NodeId id{};
  id.fill(static_cast<uint8_t>(number));
  return id;
}

}  // namespace quorate::cluster
