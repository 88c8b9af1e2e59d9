// Expired keys go by themselves, also while others of their slot are on disk alone.
#include <gtest/gtest.h>

#include "redis/reply_text.h"
#include "sim/driven_node.h"

namespace quorate::sim {
namespace {

// The scan for what is due on disk must not forget who is due in memory.
TEST(Expiry, OfKeysInMemoryIsNotForgottenOverAColdOne) {
  DrivenNode node(1);
  ASSERT_NO_FATAL_FAILURE(node.start());
  ASSERT_EQ(node.run(0, {"SET", "{slot}cold", "v", "PX", "3600000"}), redis::kOk);
  ASSERT_NO_FATAL_FAILURE(node.checkpoint());
  node.crash();
  node.options().store.memory_bytes_max = 1 << 16;  // no memory to warm
  ASSERT_NO_FATAL_FAILURE(node.start());
  ASSERT_EQ(node.run(0, {"SET", "{slot}soon", "v", "PX", "5000"}), redis::kOk);
  ASSERT_EQ(node.run(0, {"SET", "{slot}later", "v", "PX", "8000"}), redis::kOk);
  EXPECT_EQ(node.run(0, {"DBSIZE"}), redis::integer(3));
  node.pass(6'500'000);
  EXPECT_EQ(node.run(0, {"DBSIZE"}), redis::integer(2));
  node.pass(10'000'000);
  EXPECT_EQ(node.run(0, {"DBSIZE"}), redis::integer(1));
}

}  // namespace
}  // namespace quorate::sim
