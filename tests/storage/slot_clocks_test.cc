#include "quorate/storage/slot_clocks.h"

#include <gtest/gtest.h>

namespace quorate::storage {
namespace {

constexpr object::ActorId kSelf{3};
constexpr object::ActorId kEarlier{1};

TEST(SlotClocks, IssuesEachDotOnceAndCoversIt) {
  SlotClocks clocks(1, 2, kSelf);
  EXPECT_EQ(clocks.issue(5), (object::Dot{kSelf, 1}));
  EXPECT_EQ(clocks.issue(5), (object::Dot{kSelf, 2}));
  EXPECT_EQ(clocks.issue(7), (object::Dot{kSelf, 1})) << "counted per slot";
  EXPECT_TRUE(clocks.covers(5, {kSelf, 2}));
  EXPECT_FALSE(clocks.covers(5, {kSelf, 3}));
  EXPECT_FALSE(clocks.covers(5, {kEarlier, 1}));
}

TEST(SlotClocks, ReplayedDotsOfAnEarlierLifeCountAsChange) {
  SlotClocks clocks(0, 1, kSelf);
  EXPECT_FALSE(clocks.changed(9));
  clocks.add(9, {kEarlier, 4});
  EXPECT_TRUE(clocks.changed(9));
  EXPECT_TRUE(clocks.covers(9, {kEarlier, 4}));
  EXPECT_FALSE(clocks.covers(9, {kEarlier, 3})) << "a gap is a gap";
  clocks.mark_saved(9);
  EXPECT_FALSE(clocks.changed(9));
  clocks.issue(9);
  EXPECT_TRUE(clocks.changed(9));
}

TEST(SlotClocks, ContinuesWhereASavedClockEnds) {
  SlotClocks before(0, 1, kSelf);
  before.add(100, {kEarlier, 1});
  before.add(100, {kEarlier, 3});
  for (int i = 0; i < 5; ++i) before.issue(100);
  const object::CausalContext saved = before.clock(100);
  SlotClocks after(0, 1, kSelf);
  after.restore(100, saved);
  EXPECT_FALSE(after.changed(100));
  EXPECT_EQ(after.clock(100), saved);
  EXPECT_EQ(after.issue(100), (object::Dot{kSelf, 6}));
  SlotClocks new_epoch(0, 1, object::ActorId{8});
  new_epoch.restore(100, saved);
  EXPECT_TRUE(new_epoch.covers(100, {kSelf, 5}));
  EXPECT_EQ(new_epoch.issue(100), (object::Dot{object::ActorId{8}, 1}));
}

TEST(SlotClocks, HasEverySlotOfUnevenShards) {
  SlotClocks clocks(2, 3, kSelf);
  EXPECT_EQ(clocks.issue(2), (object::Dot{kSelf, 1}));
  EXPECT_EQ(clocks.issue(16382), (object::Dot{kSelf, 1}));
}

}  // namespace
}  // namespace quorate::storage
