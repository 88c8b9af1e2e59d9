#include "quorate/storage/saved_slot.h"

#include <gtest/gtest.h>
#include <string>

namespace quorate::storage {
namespace {

SavedCounts counts_of_a_lone_node() {
  SavedCounts counts;
  counts.db = 3;
  counts.keys = 1000;
  counts.volatile_keys = 7;
  counts.next_expiry_ms = 1'700'000'000'000;
  counts.rows_ahead = false;
  return counts;
}

TEST(SavedSlot, CountsComeBackWithTombstonesAndFlushes) {
  SavedCounts replicated = counts_of_a_lone_node();
  replicated.tombstones = 900;
  replicated.contexts_ahead = true;
  replicated.flushed = object::CausalContext::up_to({object::ActorId{2}, 50});
  const auto decoded = decode_counts(encode_counts({counts_of_a_lone_node(), replicated}));
  ASSERT_TRUE(decoded);
  ASSERT_EQ(decoded->size(), 2U);
  EXPECT_EQ((*decoded)[0].tombstones, 0U);
  EXPECT_TRUE((*decoded)[0].flushed.empty());
  EXPECT_FALSE((*decoded)[0].contexts_ahead);
  const SavedCounts& second = (*decoded)[1];
  EXPECT_TRUE(second.contexts_ahead);
  EXPECT_EQ(second.db, 3);
  EXPECT_EQ(second.keys, 1000U);
  EXPECT_EQ(second.volatile_keys, 7U);
  EXPECT_EQ(second.next_expiry_ms, 1'700'000'000'000);
  EXPECT_FALSE(second.rows_ahead);
  EXPECT_TRUE(second.rows_shared);
  EXPECT_EQ(second.tombstones, 900U);
  EXPECT_EQ(second.flushed, replicated.flushed);
}

TEST(SavedSlot, ALoneNodesCountsAreAsTheyWere) {
  using namespace std::string_literals;
  std::string expected = "\x02\x01\x03\xe8\x07\x07"s;
  object::ByteWriter(expected).fixed64(1'700'000'000'000);
  expected += '\x02';
  EXPECT_EQ(encode_counts({counts_of_a_lone_node()}), expected);
}

TEST(SavedSlot, MalformedCountsAreRefused) {
  SavedCounts counts = counts_of_a_lone_node();
  counts.tombstones = 1001;
  EXPECT_FALSE(decode_counts(encode_counts({counts}))) << "more than there are keys";
  std::string bytes = encode_counts({counts_of_a_lone_node()});
  bytes.back() = 32;
  EXPECT_FALSE(decode_counts(bytes)) << "flag";
  EXPECT_FALSE(decode_counts(bytes.substr(0, bytes.size() - 1)));
}

}  // namespace
}  // namespace quorate::storage
