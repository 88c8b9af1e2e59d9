#include "quorate/object/string_object.h"

#include <gtest/gtest.h>

namespace quorate::object {
namespace {

class StringObjectTest : public testing::Test {
 protected:
  ActorId actor(uint8_t node) {
    Actor actor;
    actor.node.fill(node);
    return actors.intern(actor);
  }

  Delta set(const Object& on, Dot dot, Hlc hlc, std::string_view value, uint64_t expiry_ms = 0) {
    return write_string(on, dot, hlc, Blob::make(value), expiry_ms);
  }

  std::string get(const Object& object) {
    const auto read = read_string(object, actors);
    if (!read) return "(overflow)";
    return *read ? std::string((*read)->bytes.view()) : "(nil)";
  }

  uint64_t expiry_ms(const Object& object) { return (*read_string(object, actors))->expiry_ms; }

  ActorTable actors;
  ActorId a = actor(1);
  ActorId b = actor(2);
};

TEST_F(StringObjectTest, SetReplacesEverySiblingAndAnyOtherType) {
  Object object = merge(set({}, {a, 1}, 1, "x").change, set({}, {b, 1}, 2, "y").change);
  Delta field;
  field.write("field", Version{.dot = {b, 2}, .hlc = 3});
  object = merge(object, field.change);
  const Delta next = set(object, {a, 2}, 4, "z", 99);
  EXPECT_EQ(next.change.seen, (CausalContext{{a, 1}, {b, 1}, {b, 2}, {a, 2}}));
  object = merge(object, next.change);
  ASSERT_EQ(object.elements.size(), 1U);
  EXPECT_EQ(get(object), "z");
  EXPECT_EQ(expiry_ms(object), 99U);
}

TEST_F(StringObjectTest, TheHighestHlcWinsAndTiesGoByActorNotByHandle) {
  EXPECT_EQ(get(merge(set({}, {a, 1}, 9, "x").change, set({}, {b, 1}, 2, "y").change)), "x");
  EXPECT_EQ(get(merge(set({}, {a, 7}, 5, "x").change, set({}, {b, 1}, 5, "y").change)), "y");
  const ActorId low = actor(0);
  EXPECT_EQ(get(merge(set({}, {a, 1}, 5, "x").change, set({}, {low, 9}, 5, "y").change)), "x");
}

TEST_F(StringObjectTest, LosersAreWhatTheNewestWriteBeats) {
  const ActorId c = actor(3);
  const Object two = merge(set({}, {a, 1}, 1, "x").change, set({}, {b, 1}, 2, "y", 50).change);
  const Object three = merge(two, set({}, {c, 1}, 3, "z").change);
  EXPECT_EQ(losers({}, actors), CausalContext());
  EXPECT_EQ(losers(set({}, {a, 1}, 1, "x").change, actors), CausalContext());
  EXPECT_EQ(losers(three, actors), (CausalContext{{a, 1}, {b, 1}}));
  const CausalContext seen = losers(three, actors);
  const Object after = merge(three, erase(covered_part(three, seen), {a, 2}, 4).change);
  EXPECT_EQ(count_values(after), 1U);
  EXPECT_EQ(get(after), "z");
  EXPECT_EQ(expiry_ms(after), 0U);
  const Object late = set({}, {actor(4), 1}, 3, "later").change;
  EXPECT_EQ(merge(after, late), merge(late, after));
  EXPECT_EQ(count_values(merge(after, late)), 2U) << "what nobody knew of stays";
}

TEST_F(StringObjectTest, WhatIsReadInALoserIsNone) {
  const Object start = set({}, {a, 1}, 1, "5").change;
  const Object one = merge(start, set_expiry(start, actors, {a, 2}, 2, 900)->change);
  const Object other = merge(start, set_expiry(start, actors, {b, 1}, 3, 100)->change);
  const Object both = merge(one, other);
  ASSERT_EQ(expiry_ms(both), 900U);
  EXPECT_EQ(losers(both, actors), CausalContext()) << "of concurrent EXPIREs the longest wins";
  // Increments of a, that b's newer value has not seen, are in a's value alone.
  const Object counted = merge(start, increment(start, actors, {a, 2}, 2, 10)->delta.change);
  const Object kept = merge(counted, set_expiry(counted, actors, {a, 3}, 3, 0)->change);
  const Object sides = merge(kept, other);
  ASSERT_EQ(get(sides), "15");
  for (const Object& object : {sides, merge(sides, set({}, {b, 9}, 9, "100").change)}) {
    const CausalContext seen = losers(object, actors);
    const Object after = merge(object, erase(covered_part(object, seen), {b, 10}, 10).change);
    EXPECT_EQ(get(after), get(object));
  }
}

TEST_F(StringObjectTest, ReadSharesTheWinnersBytes) {
  const Delta one = set({}, {a, 1}, 1, "shared");
  const auto read = read_string(one.change, actors);
  EXPECT_EQ((*read)->bytes.view().data(), winner(one.change, actors)->payload.view().data());
}

TEST_F(StringObjectTest, EraseLeavesAPlainTombstone) {
  const Object object = set({}, {a, 1}, 1, "x").change;
  const Delta removal = erase(object, {a, 2}, 2);
  EXPECT_TRUE(removal.change.elements.empty());
  const Object gone = merge(object, removal.change);
  EXPECT_TRUE(gone.is_tombstone());
  EXPECT_EQ(get(gone), "(nil)");
  EXPECT_EQ(get(merge(gone, object)), "(nil)");
  EXPECT_EQ(get(merge(gone, set({}, {b, 1}, 1, "concurrent").change)), "concurrent");
}

TEST_F(StringObjectTest, OfConcurrentExpiriesTheLongestWins) {
  const Object object = set({}, {a, 1}, 1, "x").change;
  const Object one = merge(object, set_expiry(object, actors, {a, 2}, 9, 500)->change);
  const Object two = merge(object, set_expiry(object, actors, {b, 1}, 5, 800)->change);
  EXPECT_EQ(expiry_ms(one), 500U);
  EXPECT_EQ(get(one), "x");
  EXPECT_EQ(expiry_ms(merge(one, two)), 800U);
  const Object persisted = merge(object, set_expiry(object, actors, {b, 2}, 6, 0)->change);
  EXPECT_EQ(expiry_ms(merge(merge(one, two), persisted)), 0U);
}

TEST_F(StringObjectTest, ALosingSiblingDoesNotLendItsExpiry) {
  const Object object =
      merge(set({}, {a, 1}, 9, "x", 500).change, set({}, {b, 1}, 5, "other", 800).change);
  EXPECT_EQ(get(object), "x");
  EXPECT_EQ(expiry_ms(object), 500U);
}

TEST_F(StringObjectTest, HyperLogLogKeepsItsKindThroughExpire) {
  const Object object =
      write_string({}, {a, 1}, 1, Blob::make("HYLL"), 0, Kind::hyperloglog).change;
  const Object next = merge(object, set_expiry(object, actors, {a, 2}, 2, 7)->change);
  EXPECT_EQ((*read_string(next, actors))->kind, Kind::hyperloglog);
  EXPECT_EQ(get(next), "HYLL");
}

}  // namespace
}  // namespace quorate::object
