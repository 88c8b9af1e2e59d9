#include "quorate/repair/slot_messages.h"

#include <gtest/gtest.h>
#include <random>
#include <string>
#include <vector>

namespace quorate::repair {
namespace {

using object::CausalContext;

object::Actor actor(uint8_t node, uint32_t epoch) {
  object::Actor actor;
  actor.node.fill(node);
  actor.epoch = epoch;
  return actor;
}

class SlotMessagesTest : public testing::Test {
 protected:
  SlotMessagesTest() {
    // The other one has them in another order, and some more.
    there_.intern(actor(9, 9));
    for (int i = 3; i > 0; --i) there_.intern(actor(static_cast<uint8_t>(i), 1));
    for (int i = 1; i <= 3; ++i) here_.intern(actor(static_cast<uint8_t>(i), 1));
  }
  static object::Dot dot(const object::ActorTable& table, uint8_t node, uint64_t n) {
    return {*table.find(actor(node, 1)), n};
  }
  static CausalContext context(const object::ActorTable& table) {
    CausalContext of = CausalContext::up_to(dot(table, 2, 100));
    of.add(dot(table, 3, 7));
    of.add(dot(table, 1, 5));
    return of;
  }
  std::vector<std::string> messages() const {
    FetchQuestion first;
    first.slot = 5;
    first.clock = context(here_);
    FetchQuestion next;
    next.slot = 16'383;
    next.walk = 77;
    next.from = {3, UINT64_MAX};
    FetchAnswer page;
    page.walk = 77;
    page.next = {1, 12345};
    page.covers = context(here_);
    page.changes = "changes";
    FetchAnswer last;
    last.walk = 77;
    last.last = last.damaged = true;
    return {encode_compare({{5, context(here_)}, {9, {}}}, here_),
            encode_fetch(first, here_),
            encode_fetch(next, here_),
            encode_page(page, here_),
            encode_page(last, here_),
            encode_page({}, here_)};
  }
  // The i-th of messages(), whole or not.
  static bool readable(size_t i, const std::string& body) {
    if (i == 0) return decode_compare(body).has_value();
    return i < 3 ? decode_fetch(body).has_value() : decode_page(body).has_value();
  }

  object::ActorTable here_, there_;
};

TEST_F(SlotMessagesTest, ArriveInTheHandlesOfWhoReads) {
  const auto all = messages();
  const auto compare = decode_compare(all[0]);
  ASSERT_TRUE(compare);
  ASSERT_EQ(compare->slots.size(), 2U);
  const auto handles = handles_of(compare->actors, there_);
  EXPECT_EQ(compare->slots[0].slot, 5);
  EXPECT_EQ(translated(compare->slots[0].clock, handles), context(there_));
  EXPECT_TRUE(compare->slots[1].clock.empty());

  const auto first = decode_fetch(all[1]);
  ASSERT_TRUE(first);
  EXPECT_EQ(first->walk, 0U);
  EXPECT_EQ(translated(first->clock, handles_of(first->actors, there_)), context(there_));
  const auto next = decode_fetch(all[2]);
  ASSERT_TRUE(next);
  EXPECT_EQ(next->slot, 16'383);
  EXPECT_EQ(next->walk, 77U);
  EXPECT_EQ(next->from, (Cursor{3, UINT64_MAX}));

  const auto page = decode_page(all[3]);
  ASSERT_TRUE(page);
  EXPECT_FALSE(page->last);
  EXPECT_EQ(page->next, (Cursor{1, 12345}));
  EXPECT_EQ(page->changes, "changes");
  EXPECT_EQ(translated(page->covers, handles_of(page->actors, there_)), context(there_));
  EXPECT_TRUE(decode_page(all[4])->last && decode_page(all[4])->damaged);
  EXPECT_EQ(decode_page(all[5])->walk, 0U);
}

TEST_F(SlotMessagesTest, WhatNobodyHereKnowsIsLeftOut) {
  object::ActorTable few;
  few.intern(actor(3, 1));
  const auto compare = decode_compare(messages()[0]);
  const auto got = translated(compare->slots[0].clock, handles_of(compare->actors, few));
  EXPECT_EQ(got, (CausalContext{dot(few, 3, 7)}));
}

TEST_F(SlotMessagesTest, AnswersMustFitTheQuestion) {
  const std::vector<Compared> compared{Compared::covered, Compared::more};
  EXPECT_EQ(decode_compared(encode_compared(compared), 2), compared);
  EXPECT_FALSE(decode_compared(encode_compared(compared), 3));
  EXPECT_FALSE(decode_compared(std::string("\0\2", 2), 2));
}

TEST_F(SlotMessagesTest, PartsAndRepeatsAreRefused) {
  const auto all = messages();
  for (size_t i = 0; i < all.size(); ++i) {
    EXPECT_TRUE(readable(i, all[i])) << i;
    // What is left of a page is its changes.
    const size_t cut = i == 3 ? std::string("changes").size() : 0;
    for (size_t bytes = 0; bytes + cut < all[i].size(); ++bytes) {
      EXPECT_FALSE(readable(i, all[i].substr(0, bytes))) << i << ", " << bytes;
    }
    EXPECT_EQ(readable(i, all[i] + "x"), i == 3 || i == 4) << i;
  }
  std::vector<SlotClock> slots;
  for (size_t i = 0; i <= kComparedSlotsMax; ++i) slots.push_back({static_cast<uint16_t>(i), {}});
  EXPECT_FALSE(decode_compare(encode_compare(slots, here_)));
  EXPECT_FALSE(decode_compare(encode_compare({{5, {}}, {5, {}}}, here_)));
}

TEST_F(SlotMessagesTest, GarbageIsReadOrRefusedAndNothingElse) {
  std::mt19937_64 random(1);
  const auto all = messages();
  for (int i = 0; i < 20'000; ++i) {
    std::string body = all[random() % all.size()];
    for (uint64_t changes = random() % 4 + 1; changes > 0; --changes) {
      body[random() % body.size()] = static_cast<char>(random());
    }
    if (const auto compare = decode_compare(body)) {
      for (const SlotClock& of : compare->slots) {
        (void)translated(of.clock, handles_of(compare->actors, there_));
      }
    }
    (void)decode_fetch(body);
    (void)decode_page(body);
  }
}

}  // namespace
}  // namespace quorate::repair
