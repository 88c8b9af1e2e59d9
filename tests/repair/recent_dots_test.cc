#include "quorate/repair/recent_dots.h"

#include <gtest/gtest.h>
#include <string>

#include "quorate/object/key.h"

namespace quorate::repair {
namespace {

constexpr uint16_t kSlot = 7;
const object::ActorId kActor{3};

uint64_t hash_of(const std::string& key) { return object::key_hash(key, 42); }

object::Change change(const std::string& key, uint64_t n, uint16_t slot = kSlot) {
  object::Change change;
  change.slot = slot;
  change.dot = {kActor, n};
  change.key = key;
  return change;
}

object::CausalContext dots(std::initializer_list<uint64_t> numbers) {
  object::CausalContext context;
  for (const uint64_t n : numbers) context.add({kActor, n});
  return context;
}

TEST(RecentDots, NamesTheKeysOfDotsOnceEach) {
  RecentDots recent;
  recent.add(change("a", 1), hash_of("a"));
  recent.add(change("b", 2), hash_of("b"));
  recent.add(change("a", 3), hash_of("a"));
  recent.add(change("c", 1, kSlot + 1), hash_of("c"));
  recent.add(change("a", 3), hash_of("a"));  // applied twice
  const auto places = recent.find(kSlot, dots({1, 3}));
  ASSERT_TRUE(places);
  ASSERT_EQ(places->size(), 1U);
  EXPECT_EQ(places->front().hash, hash_of("a"));
  EXPECT_EQ(recent.find(kSlot, dots({1, 2, 3}))->size(), 2U);
  EXPECT_TRUE(recent.find(kSlot, {})->empty());
}

TEST(RecentDots, SaysNothingOfWhatItDoesNotKnow) {
  RecentDots recent(3);
  EXPECT_FALSE(recent.find(kSlot, dots({1})));
  for (uint64_t n = 1; n <= 4; ++n) recent.add(change("a", n), hash_of("a"));
  EXPECT_FALSE(recent.find(kSlot, dots({1})));
  EXPECT_TRUE(recent.find(kSlot, dots({2, 3, 4})));
  EXPECT_FALSE(recent.find(kSlot + 1, dots({2})));
  EXPECT_FALSE(recent.find(kSlot, object::CausalContext::up_to({kActor, 1u << 30})));
}

TEST(RecentDots, AFlushIsKnownAndHasNoKey) {
  RecentDots recent;
  object::Change flush = change("", 1);
  flush.kind = object::ChangeKind::flush;
  recent.add(flush, hash_of("a"));
  EXPECT_TRUE(recent.find(kSlot, dots({1}))->empty());
  flush.kind = object::ChangeKind::flushes;
  flush.dot.n = 2;
  recent.add(flush, hash_of("a"));
  EXPECT_FALSE(recent.find(kSlot, dots({2})));
}

}  // namespace
}  // namespace quorate::repair
