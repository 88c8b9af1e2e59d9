// How many seeds a test runs, and from which on: QUORATE_SIM_SEEDS and QUORATE_SIM_SEED in the
// environment, so that more can be had than CI has time for, and a failing one alone.
#pragma once

#include <cstdint>
#include <cstdlib>
#include <string>

namespace quorate::sim {

struct Seeds {
  uint64_t first = 1;
  uint64_t count = 1;

  static Seeds from_environment(uint64_t count) {
    const auto number = [](const char* name, uint64_t fallback) {
      const char* const text = std::getenv(name);
      return text == nullptr ? fallback : std::stoull(text);
    };
    return {number("QUORATE_SIM_SEED", 1), number("QUORATE_SIM_SEEDS", count)};
  }
};

}  // namespace quorate::sim
