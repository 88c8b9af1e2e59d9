// Actors that a test knows by number, and handles of two for dots written as {a, 1}.
#pragma once

#include <cstdint>

#include "quorate/object/dot.h"

namespace quorate::object {

inline constexpr ActorId a{0};
inline constexpr ActorId b{1};

inline Actor actor_of(uint8_t node, uint32_t epoch) {
  Actor actor;
  actor.node.fill(node);
  actor.epoch = epoch;
  return actor;
}

}  // namespace quorate::object
