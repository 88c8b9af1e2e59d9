#include "quorate/object/counter.h"

#include <gtest/gtest.h>

#include "quorate/object/string_object.h"

namespace quorate::object {
namespace {

// One replica per actor; `meet` merges whole states.
class CounterTest : public testing::Test {
 protected:
  struct Node {
    ActorId actor{};
    Object object;
    uint64_t n = 0;
  };

  Node node(uint8_t id) {
    Actor actor;
    actor.node.fill(id);
    return Node{.actor = actors.intern(actor), .object = {}};
  }

  int64_t incr(Node& node, int64_t amount) {
    const auto result = increment(node.object, actors, next(node), ++hlc, amount);
    EXPECT_TRUE(result);
    node.object = merge(node.object, result->delta.change);
    EXPECT_EQ(counter_value(node.object, actors), result->value);
    return result->value;
  }

  void set(Node& node, std::string_view value) {
    const Delta delta = write_string(node.object, next(node), ++hlc, Blob::make(value), 0);
    node.object = merge(node.object, delta.change);
  }

  void del(Node& node) {
    node.object = merge(node.object, erase(node.object, next(node), ++hlc).change);
  }

  void expire(Node& node, uint64_t expiry_ms) {
    const auto delta = set_expiry(node.object, actors, next(node), ++hlc, expiry_ms);
    ASSERT_TRUE(delta);
    node.object = merge(node.object, delta->change);
  }

  static Dot next(Node& node) { return Dot{node.actor, ++node.n}; }

  static void meet(Node& x, Node& y) {
    x.object = merge(x.object, y.object);
    y.object = x.object;
  }

  std::string get(const Node& node) {
    const auto read = read_string(node.object, actors);
    if (!read) return "(overflow)";
    return *read ? std::string((*read)->bytes.view()) : "(nil)";
  }

  ActorTable actors;
  Hlc hlc = 0;
  Node a = node(1);
  Node b = node(2);
  Node c = node(3);
};

TEST_F(CounterTest, ParsesOnlyWhatRedisCallsAnInteger) {
  EXPECT_EQ(parse_integer("0"), 0);
  EXPECT_EQ(parse_integer("-17"), -17);
  EXPECT_EQ(parse_integer("9223372036854775807"), INT64_MAX);
  EXPECT_EQ(parse_integer("-9223372036854775808"), INT64_MIN);
  for (const char* text : {"", "-", "-0", "00", "01", "-01", "+1", " 1", "1 ", "1.0", "1e3", "x",
                           "9223372036854775808", "-9223372036854775809"}) {
    EXPECT_EQ(parse_integer(text), std::nullopt) << text;
  }
  EXPECT_EQ(parse_integer(std::string_view("1\0", 2)), std::nullopt);
}

TEST_F(CounterTest, CountsAndKeepsOneVersionPerActor) {
  EXPECT_EQ(incr(a, 0), 0);
  EXPECT_EQ(get(a), "0");
  for (int i = 1; i <= 5; ++i) EXPECT_EQ(incr(a, 2), 2 * i);
  EXPECT_EQ(a.object.find("")->versions.size(), 1U);
  meet(a, b);
  EXPECT_EQ(incr(b, -3), 7);
  EXPECT_EQ(b.object.find("")->versions.size(), 2U);
}

TEST_F(CounterTest, ConcurrentIncrementsAddUpOnceHoweverOftenMerged) {
  set(a, "100");
  meet(a, b);
  incr(a, 1);
  incr(b, 10);
  for (int i = 0; i < 3; ++i) meet(a, b);
  EXPECT_EQ(get(a), "111");
  EXPECT_EQ(incr(b, 1), 112);
}

TEST_F(CounterTest, AnIncrementConcurrentWithSetCountsOnTop) {
  incr(b, 5);
  meet(a, b);
  set(a, "100");
  incr(b, 3);
  meet(a, b);
  EXPECT_EQ(get(a), "103");
  set(b, "7");
  EXPECT_EQ(get(b), "7");
  EXPECT_EQ(incr(b, 1), 8);
}

TEST_F(CounterTest, AnIncrementConcurrentWithDelCountsFromNothing) {
  incr(b, 5);
  meet(a, b);
  del(a);
  EXPECT_EQ(get(a), "(nil)");
  EXPECT_TRUE(a.object.is_tombstone());
  incr(b, 3);
  meet(a, b);
  EXPECT_EQ(get(b), "3");
  EXPECT_EQ(incr(a, 1), 4);
}

TEST_F(CounterTest, ErasedTotalsAreHandedOnThroughLaterWrites) {
  incr(b, 5);
  meet(a, b);
  del(a);
  set(a, "1");
  del(a);
  set(a, "2");
  incr(b, 4);
  meet(a, b);
  EXPECT_EQ(get(a), "6");
}

TEST_F(CounterTest, ADecrementIsNotLostToAHigherTotal) {
  incr(b, 5);
  const Object old = b.object;
  incr(b, 1);
  const auto down = increment(b.object, actors, next(b), ++hlc, -4);
  // A replica that missed the delta in between shows totals 5 and 2 beside each other.
  const Object gap = merge(old, down->delta.change);
  EXPECT_EQ(gap.find("")->versions.size(), 2U);
  EXPECT_EQ(counter_value(gap, actors), 2);
}

TEST_F(CounterTest, WhatALosingSetErasedStaysErased) {
  meet(b, c);
  incr(b, 2);
  meet(a, b);
  set(a, "100");
  set(c, "200");
  meet(a, c);
  EXPECT_EQ(get(a), "200");
}

TEST_F(CounterTest, ConcurrentExpiriesOfACounterLoseNoIncrement) {
  incr(a, 1);
  meet(a, b);
  incr(b, 20);
  expire(b, 800);
  incr(a, 300);
  expire(a, 500);
  meet(a, b);
  EXPECT_EQ(get(a), "321");
  EXPECT_EQ((*read_string(a.object, actors))->expiry_ms, 800U);
  EXPECT_EQ(incr(b, 1), 322);
  EXPECT_EQ((*read_string(b.object, actors))->expiry_ms, 800U);
}

TEST_F(CounterTest, ExpireThatBeatsASetKeepsTheValueItSaw) {
  incr(b, 5);
  meet(a, b);
  set(a, "10");
  expire(b, 100);
  meet(a, b);
  EXPECT_EQ(get(a), "5");
}

TEST_F(CounterTest, RefusesWhatRedisRefuses) {
  set(a, "text");
  EXPECT_EQ(increment(a.object, actors, {a.actor, 9}, 9, 1).error(), CounterError::not_an_integer);
  set(a, "9223372036854775807");
  EXPECT_EQ(increment(a.object, actors, {a.actor, 9}, 9, 1).error(), CounterError::overflow);
  EXPECT_EQ(incr(a, -1), INT64_MAX - 1);
  set(a, "-9223372036854775808");
  EXPECT_EQ(increment(a.object, actors, {a.actor, 9}, 9, -1).error(), CounterError::overflow);
}

TEST_F(CounterTest, ASumBeyondTheRangeIsAnErrorUntilItComesBack) {
  incr(a, INT64_MAX);
  incr(b, INT64_MAX);
  meet(a, b);
  EXPECT_EQ(counter_value(a.object, actors).error(), CounterError::overflow);
  EXPECT_EQ(get(a), "(overflow)");
  EXPECT_FALSE(set_expiry(a.object, actors, {a.actor, 9}, 9, 1));
  set(a, "1");
  EXPECT_EQ(incr(a, 1), 2);
}

TEST_F(CounterTest, ATextThatWinsIsAnsweredAsItIs) {
  incr(b, 5);
  set(a, "text");
  meet(a, b);
  EXPECT_EQ(get(a), "text");
  EXPECT_EQ(counter_value(a.object, actors).error(), CounterError::not_an_integer);
}

}  // namespace
}  // namespace quorate::object
