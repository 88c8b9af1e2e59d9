#include "coordinator/message_memory.h"

#include <gtest/gtest.h>

namespace quorate::coordinator {
namespace {

std::string used(std::size_t bytes) { return std::string(bytes, 'x'); }

TEST(MessageMemory, WhatWasGivenBackLastIsTakenFirst) {
  MessageMemory memory(10'000);
  EXPECT_EQ(memory.take().capacity(), std::string().capacity());
  std::string first = used(1000), second = used(2000);
  const char *const of_first = first.data(), *const of_second = second.data();
  memory.give_back(std::move(first));
  memory.give_back(std::move(second));
  EXPECT_GE(memory.bytes(), 3000U);
  const std::string taken = memory.take();
  EXPECT_TRUE(taken.empty());
  EXPECT_GE(taken.capacity(), 2000U);
  EXPECT_EQ(taken.data(), of_second);
  EXPECT_EQ(memory.take().data(), of_first);
  EXPECT_EQ(memory.bytes(), 0U);
}

TEST(MessageMemory, KeepsNoMoreThanItMay) {
  MessageMemory memory(10'000);
  memory.give_back(used(20'000));
  EXPECT_EQ(memory.bytes(), 0U);
  for (int i = 0; i < 100; ++i) memory.give_back(used(3000));
  EXPECT_LE(memory.bytes(), 10'000U);
  EXPECT_GE(memory.bytes(), 6000U);
}

TEST(MessageMemory, FitsWhatIsMuchTooLarge) {
  MessageMemory memory(1'000'000);
  memory.give_back(used(100'000));
  std::string message = memory.take();
  message.assign("short");
  memory.fit(message);
  EXPECT_EQ(message, "short");
  EXPECT_LT(message.capacity(), 4096U);
  EXPECT_GE(memory.bytes(), 100'000U) << "for another one";
  message = memory.take();
  message.assign(60'000, 'x');
  const char* const where = message.data();
  memory.fit(message);
  EXPECT_EQ(message.data(), where);
}

}  // namespace
}  // namespace quorate::coordinator
