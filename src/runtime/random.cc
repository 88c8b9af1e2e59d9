// Random numbers: xoshiro256** (Blackman and Vigna, 2018), seeded by splitmix64 or by the system.
#include "quorate/runtime/random.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstdlib>
#include <openssl/rand.h>
#include <spdlog/spdlog.h>

namespace quorate::runtime {
namespace {

class Xoshiro256 {
 public:
  // REQUIRES: not all zero.
  explicit Xoshiro256(const std::array<uint64_t, 4>& state) : state_(state) {}

  uint64_t next() {
    const uint64_t result = std::rotl(state_[1] * 5, 7) * 9;
    const uint64_t shifted = state_[1] << 17;
    state_[2] ^= state_[0];
    state_[3] ^= state_[1];
    state_[1] ^= state_[2];
    state_[0] ^= state_[3];
    state_[2] ^= shifted;
    state_[3] = std::rotl(state_[3], 45);
    return result;
  }

 private:
  std::array<uint64_t, 4> state_;
};

uint64_t splitmix64(uint64_t& state) {
  state += 0x9e3779b97f4a7c15;
  uint64_t mixed = state;
  mixed = (mixed ^ (mixed >> 30)) * 0xbf58476d1ce4e5b9;
  mixed = (mixed ^ (mixed >> 27)) * 0x94d049bb133111eb;
  return mixed ^ (mixed >> 31);
}

Xoshiro256 seeded_generator(uint64_t seed) {
  std::array<uint64_t, 4> state{};
  for (uint64_t& word : state) word = splitmix64(seed);
  return Xoshiro256(state);
}

// A node that cannot draw an identity or a secret must not go on with a guessable one.
void fill_from_system(std::span<unsigned char> bytes) {
  constexpr size_t kStepBytes = 1 << 20;  // RAND_bytes takes an int
  while (!bytes.empty()) {
    const size_t step = std::min(bytes.size(), kStepBytes);
    if (RAND_bytes(bytes.data(), static_cast<int>(step)) != 1) {
      spdlog::critical("the system's random generator failed, the process cannot go on");
      std::abort();
    }
    bytes = bytes.subspan(step);
  }
}

Xoshiro256 generator_from_system() {
  std::array<uint64_t, 4> state{};
  fill_from_system({reinterpret_cast<unsigned char*>(state.data()), sizeof(state)});
  return Xoshiro256(state);
}

class SystemRandom final : public Random {
 public:
  uint64_t next() override { return generator_.next(); }
  void fill(std::span<unsigned char> bytes) override { fill_from_system(bytes); }

 private:
  Xoshiro256 generator_ = generator_from_system();
};

class SeededRandom final : public Random {
 public:
  explicit SeededRandom(uint64_t seed) : generator_(seeded_generator(seed)) {}

  uint64_t next() override { return generator_.next(); }

  void fill(std::span<unsigned char> bytes) override {
    uint64_t word = 0;
    for (size_t i = 0; i < bytes.size(); ++i) {
      if (i % sizeof(word) == 0) word = next();
      bytes[i] = static_cast<unsigned char>(word);  // lowest byte first, on every machine
      word >>= 8;
    }
  }

 private:
  Xoshiro256 generator_;
};

}  // namespace

std::unique_ptr<Random> make_system_random() { return std::make_unique<SystemRandom>(); }

std::unique_ptr<Random> make_seeded_random(uint64_t seed) {
  return std::make_unique<SeededRandom>(seed);
}

}  // namespace quorate::runtime
