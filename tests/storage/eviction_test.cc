#include "quorate/storage/eviction.h"

#include <gtest/gtest.h>

#include "storage/owned_entry.h"

namespace quorate::storage {
namespace {

OwnedEntry entry_with(uint32_t access, uint64_t expiry_ms = 0) {
  EntryState state;
  state.expiry_ms = expiry_ms;
  OwnedEntry entry(Entry::make("key", state));
  entry->access = access;
  return entry;
}

constexpr uint64_t kNow_ms = 1'800'000'000'000;
constexpr uint64_t kMinute_ms = 60'000;

TEST(Eviction, KnowsRedisPolicies) {
  EXPECT_EQ(eviction_policy_of("allkeys-lfu"), EvictionPolicy::allkeys_lfu);
  EXPECT_EQ(eviction_policy_of("volatile-ttl"), EvictionPolicy::volatile_ttl);
  EXPECT_EQ(eviction_policy_of("ALLKEYS-LFU"), std::nullopt);
  EXPECT_EQ(eviction_policy_of("lru"), std::nullopt);
}

TEST(Eviction, LruPrefersTheLongestUnused) {
  const EvictionSettings lru{EvictionPolicy::allkeys_lru, 5, 10, 1};
  const auto random = runtime::make_seeded_random(1);
  const auto old = entry_with(initial_access(lru, kNow_ms - 10 * kMinute_ms));
  const auto fresh = entry_with(initial_access(lru, kNow_ms));
  EXPECT_GT(eviction_score(lru, *old, kNow_ms, *random),
            eviction_score(lru, *fresh, kNow_ms, *random));
}

TEST(Eviction, TtlPrefersTheSoonestExpiry) {
  const EvictionSettings ttl{EvictionPolicy::volatile_ttl, 5, 10, 1};
  const auto random = runtime::make_seeded_random(1);
  const auto soon = entry_with(0, kNow_ms + 1);
  const auto late = entry_with(0, kNow_ms + kMinute_ms);
  EXPECT_GT(eviction_score(ttl, *soon, kNow_ms, *random),
            eviction_score(ttl, *late, kNow_ms, *random));
}

TEST(Eviction, LfuCountsUsesLogarithmicallyAndForgets) {
  const EvictionSettings lfu{EvictionPolicy::allkeys_lfu, 5, 10, 1};
  const auto random = runtime::make_seeded_random(1);
  uint32_t access = initial_access(lfu, kNow_ms);
  EXPECT_EQ(lfu_counter(lfu, access, kNow_ms), 5);
  for (int i = 0; i < 100; ++i) access = next_access(lfu, access, kNow_ms, *random);
  const uint8_t after_hundred = lfu_counter(lfu, access, kNow_ms);
  EXPECT_GT(after_hundred, 5);
  EXPECT_LT(after_hundred, 30) << "Redis's table says about 10 for factor 10";
  for (int i = 0; i < 10'000; ++i) access = next_access(lfu, access, kNow_ms, *random);
  EXPECT_GT(lfu_counter(lfu, access, kNow_ms), after_hundred);
  const uint8_t now = lfu_counter(lfu, access, kNow_ms);
  EXPECT_EQ(lfu_counter(lfu, access, kNow_ms + 3 * kMinute_ms), now - 3);
  EXPECT_EQ(lfu_counter(lfu, access, kNow_ms + 1000 * kMinute_ms), 0);
  const auto used = entry_with(access);
  const auto unused = entry_with(initial_access(lfu, kNow_ms));
  EXPECT_GT(eviction_score(lfu, *unused, kNow_ms, *random),
            eviction_score(lfu, *used, kNow_ms, *random));
}

TEST(Eviction, AFullLfuCounterStays) {
  const EvictionSettings lfu{EvictionPolicy::volatile_lfu, 5, 0, 0};
  const auto random = runtime::make_seeded_random(1);
  uint32_t access = initial_access(lfu, kNow_ms);
  for (int i = 0; i < 1000; ++i) access = next_access(lfu, access, kNow_ms, *random);
  EXPECT_EQ(lfu_counter(lfu, access, kNow_ms), 255);
}

}  // namespace
}  // namespace quorate::storage
