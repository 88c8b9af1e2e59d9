#include "quorate/storage/eviction.h"

#include <algorithm>
#include <array>
#include <utility>

namespace quorate::storage {
namespace {

constexpr uint8_t kLfuInitial = 5;
constexpr unsigned kCounterBits = 8;

uint32_t minutes(uint64_t now_ms) { return static_cast<uint32_t>(now_ms / 60'000) & 0xffffu; }

}  // namespace

std::optional<EvictionPolicy> eviction_policy_of(std::string_view redis_name) {
  static constexpr std::array<std::pair<std::string_view, EvictionPolicy>, 8> kNames{{
      {"noeviction", EvictionPolicy::noeviction},
      {"allkeys-lru", EvictionPolicy::allkeys_lru},
      {"allkeys-lfu", EvictionPolicy::allkeys_lfu},
      {"allkeys-random", EvictionPolicy::allkeys_random},
      {"volatile-lru", EvictionPolicy::volatile_lru},
      {"volatile-lfu", EvictionPolicy::volatile_lfu},
      {"volatile-random", EvictionPolicy::volatile_random},
      {"volatile-ttl", EvictionPolicy::volatile_ttl},
  }};
  for (const auto& [name, policy] : kNames) {
    if (name == redis_name) return policy;
  }
  return std::nullopt;
}

uint8_t lfu_counter(const EvictionSettings& settings, uint32_t access, uint64_t now_ms) {
  const uint32_t counter = access & 0xffu;
  if (settings.lfu_decay_minutes == 0) return static_cast<uint8_t>(counter);
  const uint32_t elapsed = (minutes(now_ms) - (access >> kCounterBits)) & 0xffffu;
  const uint32_t periods = elapsed / settings.lfu_decay_minutes;
  return static_cast<uint8_t>(counter - std::min(counter, periods));
}

uint32_t initial_access(const EvictionSettings& settings, uint64_t now_ms) {
  if (settings.uses_lfu()) return minutes(now_ms) << kCounterBits | kLfuInitial;
  return static_cast<uint32_t>(now_ms / 1000);
}

uint32_t next_access(const EvictionSettings& settings, uint32_t access, uint64_t now_ms,
                     runtime::Random& random) {
  if (!settings.uses_lfu()) return static_cast<uint32_t>(now_ms / 1000);
  uint32_t counter = lfu_counter(settings, access, now_ms);
  if (counter < 255) {
    const uint64_t above = counter > kLfuInitial ? counter - kLfuInitial : 0;
    if (random.below(above * settings.lfu_log_factor + 1) == 0) ++counter;
  }
  return minutes(now_ms) << kCounterBits | counter;
}

uint64_t eviction_score(const EvictionSettings& settings, const Entry& entry, uint64_t now_ms,
                        runtime::Random& random) {
  switch (settings.policy) {
    case EvictionPolicy::allkeys_lru:
    case EvictionPolicy::volatile_lru: {
      const auto now_s = static_cast<uint32_t>(now_ms / 1000);
      return now_s >= entry.access ? now_s - entry.access : 0;
    }
    case EvictionPolicy::allkeys_lfu:
    case EvictionPolicy::volatile_lfu:
      return 255u - lfu_counter(settings, entry.access, now_ms);
    case EvictionPolicy::volatile_ttl:
      return UINT64_MAX - entry.expiry_ms();
    case EvictionPolicy::allkeys_random:
    case EvictionPolicy::volatile_random:
    case EvictionPolicy::noeviction:
      break;
  }
  return random.next() >> 1;
}

}  // namespace quorate::storage
