// A checkpoint that nobody waits for takes its time.
#include <gtest/gtest.h>
#include <string>

#include "redis/reply_text.h"
#include "sim/driven_node.h"

namespace quorate::sim {
namespace {

constexpr uint64_t kGrowthBytes = 64 << 10;  // of the journal, from one checkpoint to the next
constexpr uint64_t kSecond = 1'000'000;

class CheckpointPace : public testing::Test {
 protected:
  void SetUp() override {
    node_.options().segment_bytes = 1 << 20;
    node_.options().store.checkpoint_growth_percent = 0;
    node_.options().store.checkpoint_bytes_min = kGrowthBytes;
    node_.options().store.checkpoint_batch_bytes = 1 << 10;
    ASSERT_NO_FATAL_FAILURE(node_.start());
    ASSERT_NO_FATAL_FAILURE(node_.checkpoint());  // that of the start is over
  }
  void write_one() {
    const std::string key = "key:" + std::to_string(written_++);
    ASSERT_EQ(node_.run(0, {"SET", key, std::string(100, 'v')}), redis::kOk);
  }
  void write_until_due() {
    const uint64_t from = position();
    while (!node_.store().checkpoint_running()) {
      ASSERT_NO_FATAL_FAILURE(write_one());
      ASSERT_LE(position() - from, 2 * kGrowthBytes) << "none has begun";
    }
  }
  uint64_t position() { return node_.store().journal().end_position(); }
  uint64_t completed() { return node_.store().statistics().checkpoints_completed; }

  DrivenNode node_{1};
  int written_ = 0;
};

TEST_F(CheckpointPace, IsSpreadOverWhatIsWritten) {
  ASSERT_NO_FATAL_FAILURE(write_until_due());
  const uint64_t from = position(), before = completed();
  const uint64_t begun_us = node_.loop().clock().monotonic_us();
  while (completed() == before) {
    ASSERT_NO_FATAL_FAILURE(write_one());
    ASSERT_LE(position() - from, kGrowthBytes) << "the next one is due";
  }
  EXPECT_GE(position() - from, kGrowthBytes / 2);
  EXPECT_LE(node_.loop().clock().monotonic_us() - begun_us, 9 * kSecond) << "that was by time";
}

TEST_F(CheckpointPace, EndsWhenNothingIsWritten) {
  ASSERT_NO_FATAL_FAILURE(write_until_due());
  const uint64_t before = completed();
  node_.pass(5 * kSecond);
  EXPECT_EQ(completed(), before);
  node_.pass(6 * kSecond);
  EXPECT_EQ(completed(), before + 1);
}

TEST_F(CheckpointPace, DoesNotRestWhileSomebodyWaits) {
  ASSERT_NO_FATAL_FAILURE(write_until_due());
  node_.pass(kSecond);
  const uint64_t before = completed();
  bool done = false;
  node_.begin_checkpoint([&done] { done = true; });
  node_.pass(kSecond);
  EXPECT_TRUE(done);
  EXPECT_EQ(completed(), before + 2) << "the one under way, and one of what it had passed";
}

TEST_F(CheckpointPace, DoesNotRestWhenMemoryIsShort) {
  node_.crash();
  node_.options().store.checkpoint_bytes_min = 64 << 20;
  node_.options().store.memory_bytes_max = 600 << 10;
  ASSERT_NO_FATAL_FAILURE(node_.start());
  ASSERT_NO_FATAL_FAILURE(node_.checkpoint());
  const uint64_t before = completed();
  for (int i = 0; i < 4000; ++i) ASSERT_NO_FATAL_FAILURE(write_one());
  EXPECT_GE(completed(), before + 2);
  EXPECT_LE(node_.store().statistics().checkpoint_us_last, 2 * kSecond);
}

}  // namespace
}  // namespace quorate::sim
