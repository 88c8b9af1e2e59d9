// A flush at any moment of a checkpoint that takes its slot in parts, then a crash: what was
// flushed is gone for good, what came after is there.
#include <gtest/gtest.h>
#include <string>

#include "redis/reply_text.h"
#include "sim/driven_node.h"

namespace quorate::sim {
namespace {

constexpr int kFlushedKeys = 300;  // more than a checkpoint takes of a slot in one turn

void fill(DrivenNode& node, size_t db) {
  redis::Words words{"MSET"};
  for (int i = 0; i < kFlushedKeys; ++i) {
    words.push_back("{slot}" + std::to_string(i));
    words.emplace_back("old");
  }
  ASSERT_EQ(node.run(db, words), redis::kOk);
}

// The flush of `db` comes `delay_us` after the checkpoint begins, the crash `then_us` later.
void expect_flushed_for_good(size_t db, uint64_t delay_us, uint64_t then_us) {
  DrivenNode node(delay_us + 1);
  node.options().store.checkpoint_whole_slot_keys = 0;
  ASSERT_NO_FATAL_FAILURE(node.start());
  ASSERT_NO_FATAL_FAILURE(fill(node, 0));
  ASSERT_NO_FATAL_FAILURE(fill(node, 1));
  ASSERT_NO_FATAL_FAILURE(node.checkpoint());
  ASSERT_NO_FATAL_FAILURE(fill(node, 0));
  ASSERT_NO_FATAL_FAILURE(fill(node, 1));
  node.begin_checkpoint([] {});
  node.pass(delay_us);
  ASSERT_EQ(node.run(db, {"FLUSHDB"}), redis::kOk);
  node.pass(then_us);
  node.crash();
  ASSERT_NO_FATAL_FAILURE(node.start());
  EXPECT_EQ(node.run(db, {"DBSIZE"}), redis::integer(0));
  EXPECT_EQ(node.run(1 - db, {"DBSIZE"}), redis::integer(kFlushedKeys));
  ASSERT_EQ(node.run(db, {"SET", "{slot}new", "new"}), redis::kOk);
  ASSERT_NO_FATAL_FAILURE(node.checkpoint());
  node.crash();
  ASSERT_NO_FATAL_FAILURE(node.start());
  EXPECT_EQ(node.run(db, {"GET", "{slot}new"}), redis::bulk("new"));
  EXPECT_EQ(node.run(db, {"GET", "{slot}7"}), redis::kNull);
  EXPECT_EQ(node.run(db, {"DBSIZE"}), redis::integer(1));
}

TEST(Flush, DuringACheckpointHoldsAfterACrash) {
  for (uint64_t delay_us = 0; delay_us < 1'200 && !testing::Test::HasFailure(); delay_us += 20) {
    for (const size_t db : {0, 1}) {
      for (const uint64_t then_us : {400, 3'000}) {
        SCOPED_TRACE(std::to_string(delay_us) + " us, database " + std::to_string(db));
        expect_flushed_for_good(db, delay_us, then_us);
      }
    }
  }
}

}  // namespace
}  // namespace quorate::sim
