// Randomness as the rooms above runtime see it: seeded in the simulator, the operating system's
// otherwise.
//
// next() is for decisions (sampling, jitter) and cheap; fill() is fit for identities and secrets
// when the implementation is the system's. Thread: one instance per thread.
#pragma once

#include <cstdint>
#include <memory>
#include <span>

namespace quorate::runtime {

__extension__ typedef unsigned __int128 Uint128;

class Random {
 public:
  virtual ~Random() = default;
  virtual uint64_t next() = 0;
  virtual void fill(std::span<unsigned char> bytes) = 0;

  // Uniform in [0, bound); bound > 0. Lemire's multiply-shift, whose bias is below 2^-32 for small
  // bounds.
  uint64_t below(uint64_t bound) {
    return static_cast<uint64_t>((static_cast<Uint128>(next()) * bound) >> 64);
  }
};

// The operating system's: fill() comes from OpenSSL's generator, next() from one seeded by it.
std::unique_ptr<Random> make_system_random();
// Reproducible: the same seed gives the same sequence on every machine.
std::unique_ptr<Random> make_seeded_random(uint64_t seed);

}  // namespace quorate::runtime
