#include "quorate/object/causal_context.h"

#include <gtest/gtest.h>
#include <random>
#include <set>

#include "object/numbered_actors.h"

namespace quorate::object {
namespace {

using DotSet = std::set<Dot>;

DotSet random_set(std::mt19937_64& random) {
  DotSet set;
  const uint64_t count = random() % 20;
  for (uint64_t i = 0; i < count; ++i) {
    set.insert(Dot{static_cast<ActorId>(random() % 3), 1 + random() % 12});
  }
  return set;
}

CausalContext shuffled_context_of(const DotSet& set, std::mt19937_64& random) {
  std::vector<Dot> dots(set.begin(), set.end());
  std::shuffle(dots.begin(), dots.end(), random);
  CausalContext context;
  for (const Dot dot : dots) context.add(dot);
  return context;
}

void expect_same(const CausalContext& context, const DotSet& set, uint64_t seed) {
  for (uint32_t actor = 0; actor < 4; ++actor) {
    uint64_t last = 0;
    for (uint64_t n = 1; n <= 14; ++n) {
      const Dot dot{static_cast<ActorId>(actor), n};
      ASSERT_EQ(context.covers(dot), set.contains(dot)) << "seed " << seed << " n " << n;
      if (set.contains(dot)) last = n;
    }
    ASSERT_EQ(context.last(static_cast<ActorId>(actor)), last) << "seed " << seed;
  }
  ASSERT_EQ(context.empty(), set.empty()) << "seed " << seed;
}

TEST(CausalContextTest, DetachedDotsJoinTheVectorWhenTheGapCloses) {
  CausalContext context{{a, 1}, {a, 2}, {a, 5}, {a, 4}};
  EXPECT_EQ(context.runs().size(), 2U);
  context.add({a, 3});
  ASSERT_EQ(context.runs().size(), 1U);
  EXPECT_EQ(context.runs()[0], (CausalContext::Run{a, 1, 5}));
  context.add({b, 1});
  context.add({a, 6});
  EXPECT_EQ(context, (CausalContext{{b, 1}, {a, 1}, {a, 2}, {a, 3}, {a, 4}, {a, 5}, {a, 6}}));
}

TEST(CausalContextTest, AgreesWithSetsOfDots) {
  for (uint64_t seed = 1; seed <= 3000; ++seed) {
    std::mt19937_64 random(seed);
    const DotSet x = random_set(random);
    const DotSet y = random_set(random);
    const CausalContext cx = shuffled_context_of(x, random);
    const CausalContext cy = shuffled_context_of(y, random);
    expect_same(cx, x, seed);
    EXPECT_EQ(cx == cy, x == y) << "seed " << seed;
    EXPECT_EQ(cx.covers(cy), std::ranges::includes(x, y)) << "seed " << seed;

    DotSet both = x;
    both.insert(y.begin(), y.end());
    CausalContext joined = cx;
    joined.join(cy);
    expect_same(joined, both, seed);
    EXPECT_EQ(joined, shuffled_context_of(both, random)) << "seed " << seed;

    DotSet rest;
    std::ranges::set_difference(x, y, std::inserter(rest, rest.end()));
    expect_same(cx.without(cy), rest, seed);
    EXPECT_EQ(cx.without(cy), shuffled_context_of(rest, random)) << "seed " << seed;
  }
}

TEST(CausalContextTest, DecodesWhatItEncodedAndOnlyThat) {
  for (uint64_t seed = 1; seed <= 1000; ++seed) {
    std::mt19937_64 random(seed);
    CausalContext context = shuffled_context_of(random_set(random), random);
    if (seed % 4 == 0) context.add({ActorId{UINT32_MAX}, Dot::kMaxN - random() % 2});
    std::string bytes;
    context.encode(bytes);
    const auto decoded = CausalContext::decode(bytes);
    ASSERT_TRUE(decoded) << "seed " << seed;
    EXPECT_EQ(*decoded, context) << "seed " << seed;
    for (std::size_t size = 0; size < bytes.size(); ++size) {
      EXPECT_FALSE(CausalContext::decode(std::string_view(bytes).substr(0, size)));
    }
    for (std::size_t bit = 0; bit < 8 * bytes.size(); ++bit) {
      std::string flipped = bytes;
      flipped[bit / 8] = static_cast<char>(flipped[bit / 8] ^ (1 << bit % 8));
      const auto other = CausalContext::decode(flipped);
      if (!other) continue;
      std::string again;
      other->encode(again);
      EXPECT_EQ(again, flipped) << "seed " << seed << " bit " << bit;
    }
  }
}

TEST(CausalContextTest, RefusesHugeCountsAndOverlongNumbers) {
  EXPECT_FALSE(CausalContext::decode(std::string("\x01\xff\xff\xff\xff\x0f", 6)));
  EXPECT_FALSE(CausalContext::decode(std::string("\x01\x80\x00", 3)));
  EXPECT_FALSE(CausalContext::decode(std::string("\x02\x00", 2)));
  EXPECT_TRUE(CausalContext::decode(std::string("\x01\x00", 2)));
}

TEST(SlotClockTest, IssuesEachDotOnceAndCoversItOnlyWhenAdded) {
  SlotClock clock(CausalContext{{a, 1}, {a, 2}, {b, 9}});
  const Dot first = clock.issue(a);
  EXPECT_EQ(first, (Dot{a, 3}));
  EXPECT_EQ(clock.issue(a), (Dot{a, 4}));
  EXPECT_FALSE(clock.covers(first));
  clock.add(first);
  EXPECT_TRUE(clock.covers(first));
  EXPECT_EQ(clock.issue(a), (Dot{a, 5}));
  clock.join(CausalContext{{a, 8}});
  EXPECT_EQ(clock.issue(a), (Dot{a, 9}));
  EXPECT_EQ(clock.issue(b), (Dot{b, 10}));
}

}  // namespace
}  // namespace quorate::object
