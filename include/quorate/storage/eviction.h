// Which key a cache gives up first: Redis's eviction policies over Entry::access.
//
// Entry::access is what the policy in force makes of it: under LFU policies 16 bits of minutes and
// an 8 bit logarithmic counter that decays with time (Redis 4.0's scheme), otherwise the second of
// the last access. Thread: the shard's. Source: Redis 7.2 evict.c, redis.conf "maxmemory-policy".
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "quorate/runtime/random.h"
#include "quorate/storage/entry.h"

namespace quorate::storage {

enum class EvictionPolicy : uint8_t {
  noeviction,
  allkeys_lru,
  allkeys_lfu,
  allkeys_random,
  volatile_lru,
  volatile_lfu,
  volatile_random,
  volatile_ttl,
};

std::optional<EvictionPolicy> eviction_policy_of(std::string_view redis_name);

struct EvictionSettings {
  EvictionPolicy policy = EvictionPolicy::noeviction;
  unsigned samples = 5;
  unsigned lfu_log_factor = 10;
  unsigned lfu_decay_minutes = 1;

  bool uses_lfu() const {
    return policy == EvictionPolicy::allkeys_lfu || policy == EvictionPolicy::volatile_lfu;
  }
  bool volatile_only() const { return policy >= EvictionPolicy::volatile_lru; }
};

// Entry::access of a key made now.
uint32_t initial_access(const EvictionSettings& settings, uint64_t now_ms);
// Entry::access of a key used now that had `access` before.
uint32_t next_access(const EvictionSettings& settings, uint32_t access, uint64_t now_ms,
                     runtime::Random& random);
// The greater, the sooner the entry should go.
uint64_t eviction_score(const EvictionSettings& settings, const Entry& entry, uint64_t now_ms,
                        runtime::Random& random);
// The LFU counter with its decay applied, as OBJECT FREQ shows it.
uint8_t lfu_counter(const EvictionSettings& settings, uint32_t access, uint64_t now_ms);

}  // namespace quorate::storage
