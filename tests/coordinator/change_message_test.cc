#include "coordinator/change_message.h"

#include <gtest/gtest.h>
#include <string>

namespace quorate::coordinator {
namespace {

TEST(ChangeMessage, IsReadAsItWasWritten) {
  ChangeMessage message;
  message.promise = 12345;
  message.relied = {7, 16383};
  message.place = {1000, 998, 990};
  std::string answers;
  encode_answer(77, "+OK\r\n", answers);
  message.answers = answers;
  std::string bytes;
  encode_head(message, bytes);
  bytes += "batch";
  const auto read = decode_message(bytes);
  ASSERT_TRUE(read);
  EXPECT_EQ(read->promise, 12345U);
  EXPECT_EQ(read->relied, message.relied);
  EXPECT_EQ(read->place, message.place);
  EXPECT_EQ(read->answers, answers);
  EXPECT_EQ(read->batch, "batch");
  std::string shortest;
  encode_head({}, shortest);
  EXPECT_EQ(shortest, std::string(4, '\0'));
  EXPECT_EQ(decode_message(shortest)->place, MessagePlace{});
}

TEST(ChangeMessage, RefusesWhatIsNone) {
  std::string bytes;
  encode_head({1, {2}, {1000, 998, 990}, "answers", {}}, bytes);
  for (size_t size = 0; size < bytes.size(); ++size) {
    EXPECT_FALSE(decode_message(bytes.substr(0, size))) << size;
  }
  std::string slot;
  encode_head({1, {16384}, {}, {}, {}}, slot);
  EXPECT_FALSE(decode_message(slot));
  std::string before_all;
  encode_head({0, {}, {5, UINT64_MAX, 5}, {}, {}}, before_all);
  EXPECT_FALSE(decode_message(before_all));
}

TEST(KeptMessages, HasAllOnlyWithEachSinceTheFirstThatMatters) {
  KeptMessages kept;
  EXPECT_TRUE(kept.note({103, 102, 103})) << "what came before is settled";
  EXPECT_TRUE(kept.note({104, 103, 103}));
  EXPECT_FALSE(kept.note({106, 105, 103})) << "105 is missing";
  EXPECT_TRUE(kept.note({105, 104, 103})) << "here it is";
  EXPECT_FALSE(kept.note({107, 106, 104})) << "it was not in order";
  EXPECT_TRUE(kept.note({108, 107, 108}));
  EXPECT_FALSE(kept.note({109, 108, 104})) << "of what was before 108 nothing is known";
  EXPECT_TRUE(kept.note({112, 108, 110}));
  EXPECT_TRUE(kept.note({113, 112, 110}));
}

TEST(KeptMessages, WhatDoesNotCountIsMissing) {
  KeptMessages kept;
  EXPECT_TRUE(kept.note({103, 102, 103}));
  EXPECT_FALSE(kept.note({}));
  EXPECT_FALSE(kept.note({105, 104, 103}));
}

TEST(KeptMessages, SaysNothingOfAnotherLife) {
  KeptMessages kept;
  EXPECT_TRUE(kept.note({103, 102, 103}));
  EXPECT_TRUE(kept.note({104, 103, 103}));
  EXPECT_FALSE(kept.note({5002, 5001, 5001})) << "its first is missing";
  EXPECT_TRUE(kept.note({5003, 5002, 5003}));
}

}  // namespace
}  // namespace quorate::coordinator
