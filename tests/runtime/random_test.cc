// Random numbers: the seeded sequence is fixed for ever, the system's is not repeatable.
#include "quorate/runtime/random.h"

#include <array>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <set>
#include <vector>

namespace quorate::runtime {
namespace {

using testing::ElementsAre;
using testing::ElementsAreArray;

std::vector<uint64_t> draw(Random& random, size_t count) {
  std::vector<uint64_t> drawn;
  drawn.reserve(count);
  for (size_t i = 0; i < count; ++i) drawn.push_back(random.next());
  return drawn;
}

// Reference values of xoshiro256** seeded by splitmix64. A recorded seed must replay for ever.
TEST(SeededRandomTest, SequenceIsFixed) {
  EXPECT_THAT(draw(*make_seeded_random(0), 4), ElementsAre(0x99ec5f36cb75f2b4, 0xbf6e1f784956452a,
                                                           0x1a5f849d4933e6e0, 0x6aa594f1262d2d2c));
  EXPECT_THAT(
      draw(*make_seeded_random(42), 4),
      ElementsAre(0x15780b2e0c2ec716, 0x6104d9866d113a7e, 0xae17533239e499a1, 0xecb8ad4703b360a1));
}

TEST(SeededRandomTest, FillIsTheSequenceLowestByteFirst) {
  std::array<unsigned char, 11> bytes{};
  auto random = make_seeded_random(0);
  random->fill(bytes);
  EXPECT_THAT(bytes, ElementsAreArray({0xb4, 0xf2, 0x75, 0xcb, 0x36, 0x5f, 0xec, 0x99,  //
                                       0x2a, 0x45, 0x56}));
  EXPECT_EQ(random->next(), 0x1a5f849d4933e6e0);
}

TEST(SeededRandomTest, BelowStaysBelowAndReachesAll) {
  auto random = make_seeded_random(7);
  std::array<int, 10> counts{};
  for (int i = 0; i < 100000; ++i) ++counts.at(random->below(10));
  // Six standard deviations of a binomial with p = 0.1 are 570.
  for (int count : counts) EXPECT_NEAR(count, 10000, 570);
  EXPECT_EQ(random->below(1), 0u);
}

TEST(SystemRandomTest, InstancesDiffer) {
  std::set<uint64_t> drawn;
  for (int i = 0; i < 100; ++i) {
    auto random = make_system_random();
    drawn.insert(random->next());
    drawn.insert(random->next());
  }
  EXPECT_EQ(drawn.size(), 200u);
}

TEST(SystemRandomTest, FillReachesEveryByte) {
  auto random = make_system_random();
  std::vector<unsigned char> bytes(3 << 20);  // more than one step of the generator
  random->fill(bytes);
  for (size_t from = 0; from < bytes.size(); from += 64) {
    const std::span<unsigned char> window(bytes.data() + from, 64);
    ASSERT_TRUE(std::any_of(window.begin(), window.end(), [](auto byte) { return byte != 0; }));
  }
  random->fill({});
}

}  // namespace
}  // namespace quorate::runtime
