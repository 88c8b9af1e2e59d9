// Sets of slots, and what of their encoding is refused.
#include "quorate/object/slot_set.h"

#include <gtest/gtest.h>
#include <string>

namespace quorate::object {
namespace {

std::optional<SlotSet> decoded(const std::string& bytes) {
  ByteReader in(bytes);
  const auto set = SlotSet::decode(in);
  return set && in.finished() ? set : std::nullopt;
}

std::string encoded(const SlotSet& set) {
  std::string bytes;
  set.encode(bytes);
  return bytes;
}

TEST(SlotSet, IsWhatWasAdded) {
  SlotSet set;
  EXPECT_TRUE(set.empty());
  set.add(7);
  set.add(16383);
  EXPECT_TRUE(set.contains(7));
  EXPECT_FALSE(set.contains(8));
  EXPECT_EQ(set.size(), 2U);
  SlotSet other;
  other.add(8);
  set.add(other);
  EXPECT_EQ(set.size(), 3U);
  set.remove(7);
  EXPECT_FALSE(set.contains(7));
  set.remove(other);
  EXPECT_EQ(set.size(), 1U);
  EXPECT_EQ(SlotSet::all().size(), size_t{kSlots});
}

TEST(SlotSet, IsTheSameAfterItWasSent) {
  SlotSet some, every_other;
  for (const uint16_t slot : {0, 1, 2, 700, 701, 16383}) some.add(slot);
  for (unsigned slot = 1; slot < kSlots; slot += 2) every_other.add(static_cast<uint16_t>(slot));
  for (const SlotSet& set : {SlotSet(), SlotSet::all(), some, every_other}) {
    EXPECT_EQ(decoded(encoded(set)), set);
  }
  EXPECT_LE(encoded(SlotSet::all()).size(), 5U);
  EXPECT_EQ(encoded(some), std::string("\x03\x00\x03\xb9\x05\x02\xc1\x7a\x01", 9));
}

TEST(SlotSet, WhatNobodyWroteIsRefused) {
  const std::string whole = encoded(SlotSet::all());
  EXPECT_FALSE(decoded({}));
  for (size_t size = 0; size < whole.size(); ++size) EXPECT_FALSE(decoded(whole.substr(0, size)));
  EXPECT_FALSE(decoded(whole + '\0'));
  EXPECT_FALSE(decoded(std::string("\x01\x00\x00", 3))) << "an empty run";
  EXPECT_FALSE(decoded(std::string("\x02\x00\x01\x00\x01", 5))) << "runs that touch";
  EXPECT_FALSE(decoded(std::string("\x01\x01\x80\x80\x01", 5))) << "a slot too many";
  EXPECT_FALSE(decoded(std::string("\x01\x00\x81\x80\x01", 5))) << "a slot too many";
  EXPECT_FALSE(decoded(std::string("\x01\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01\x01", 12)));
  EXPECT_FALSE(decoded(std::string("\x05\x00\x01", 3))) << "fewer runs than it says";
}

}  // namespace
}  // namespace quorate::object
