// How many seeds a test runs, and from which on: QUORATE_SIM_SEEDS and QUORATE_SIM_SEED in the
// environment, so that more can be had than CI has time for, and a failing one alone. Sanitizers,
// which are many times slower, try an eighth: they look for what no single history hides.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <string>

namespace quorate::sim {

struct Seeds {
  uint64_t first = 1;
  uint64_t count = 1;

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  static constexpr uint64_t kShare = 8;
#else
  static constexpr uint64_t kShare = 1;
#endif

  // `usual`: without sanitizers and environment.
  static Seeds from_environment(uint64_t usual) {
    const auto number = [](const char* name, uint64_t fallback) {
      const char* const text = std::getenv(name);
      return text == nullptr ? fallback : std::stoull(text);
    };
    return {number("QUORATE_SIM_SEED", 1),
            number("QUORATE_SIM_SEEDS", std::max<uint64_t>(usual / kShare, 1))};
  }
};

}  // namespace quorate::sim
