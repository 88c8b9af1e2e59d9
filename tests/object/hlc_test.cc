#include "quorate/object/hlc.h"

#include <gtest/gtest.h>
#include <random>

namespace quorate::object {
namespace {

TEST(HlcTest, IsMilliseconds48AboveLogical16) {
  HlcClock clock;
  const Hlc first = clock.next(1'700'000'000'000);
  EXPECT_EQ(first, 1'700'000'000'000ULL << 16);
  EXPECT_EQ(clock.next(1'700'000'000'000), first + 1);
  EXPECT_EQ(clock.next(1'700'000'000'001), hlc_at(1'700'000'000'001));
}

TEST(HlcTest, RisesUnderEveryJumpOfTheWallClock) {
  for (uint64_t seed = 1; seed <= 300; ++seed) {
    std::mt19937_64 random(seed);
    HlcClock clock;
    uint64_t wall_ms = 1'700'000'000'000;
    Hlc last = 0;
    for (int step = 0; step < 300; ++step) {
      if (random() % 10 == 0) wall_ms += random() % 200'000 - 100'000;
      const Hlc next = clock.next(wall_ms);
      ASSERT_GT(next, last) << "seed " << seed;
      ASSERT_GE(hlc_ms(next), wall_ms) << "seed " << seed;
      last = next;
    }
  }
}

TEST(HlcTest, CarriesAFullLogicalCountIntoTheMilliseconds) {
  HlcClock clock;
  clock.next(1000);
  for (int i = 0; i < 65535; ++i) clock.next(1000);
  EXPECT_EQ(clock.last(), hlc_at(1000) + 65535);
  EXPECT_EQ(clock.next(1000), hlc_at(1001));
}

TEST(HlcTest, AdoptsAPeerUpTo500MsAheadAndRefusesMore) {
  HlcClock clock;
  clock.next(1000);
  EXPECT_TRUE(clock.observe(hlc_at(1500) + 7, 1000));
  EXPECT_EQ(clock.next(1000), hlc_at(1500) + 8);
  EXPECT_FALSE(clock.observe(hlc_at(1501), 1000));
  EXPECT_EQ(clock.next(1000), hlc_at(1500) + 9);
  EXPECT_TRUE(clock.observe(hlc_at(10), 1000));
  EXPECT_EQ(clock.next(1000), hlc_at(1500) + 10);
}

TEST(HlcTest, ExceedsWhatAWriteCoversWithoutFollowingARefusedClock) {
  HlcClock clock;
  const Hlc far = hlc_at(9'000'000);
  EXPECT_EQ(clock.next_after(far, 1000), far + 1);
  EXPECT_EQ(clock.next(1001), hlc_at(1001));
  const Hlc near = hlc_at(1200) + 3;
  EXPECT_EQ(clock.next_after(near, 1001), near + 1);
  EXPECT_EQ(clock.next(1001), near + 2);
  EXPECT_EQ(clock.next_after(5, 1001), near + 3);
  EXPECT_EQ(clock.next_after(UINT64_MAX, 1001), kMaxHlc);
}

}  // namespace
}  // namespace quorate::object
