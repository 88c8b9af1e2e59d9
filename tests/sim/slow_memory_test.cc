// No turn of a shard lasts long, however long the machine takes to bring memory back.
#include <gtest/gtest.h>
#include <string>

#include "redis/reply_text.h"
#include "sim/driven_node.h"

namespace quorate::sim {
namespace {

constexpr int kKeysBeyondMemory = 4000;
constexpr int kKeysOfOneSlot = 900;  // a checkpoint takes them in one turn

std::string crowded_key_of(int number) {
  return (number < kKeysOfOneSlot ? "{slot}" : "") + std::to_string(number);
}

TEST(SlowMemory, StretchesNoTurn) {
  DrivenNode node(1);
  node.options().segment_bytes = 4 << 20;
  node.options().store.memory_bytes_max = 600 << 10;  // of twice as much
  ASSERT_NO_FATAL_FAILURE(node.start());
  node.loop().let_looks_cost(600);
  const std::string value(200, 'v');
  for (int i = 0; i < kKeysBeyondMemory; ++i) {
    ASSERT_EQ(node.run(0, {"SET", crowded_key_of(i), value}), redis::kOk) << i;
  }
  ASSERT_NO_FATAL_FAILURE(node.checkpoint());
  ASSERT_GT(node.store().statistics().demoted_keys, 1000);
  for (int i = 0; i < kKeysBeyondMemory; ++i) {
    ASSERT_EQ(node.run(0, {"GET", crowded_key_of(i)}), redis::bulk(value)) << i;
  }
  EXPECT_GE(node.loop().longest_turn_us(), 1600);  // somebody looked, and more than once
  EXPECT_LE(node.loop().longest_turn_us(), 6000);
}

}  // namespace
}  // namespace quorate::sim
