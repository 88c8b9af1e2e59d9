// A flush at any moment of a checkpoint that takes its slot in parts, then a crash: what was
// flushed is gone for good, what came after is there.
#include <gtest/gtest.h>
#include <memory>
#include <string>
#include <vector>

#include "redis/command_harness.h"
#include "redis/reply_text.h"
#include "sim/sim_node.h"

namespace quorate::sim {
namespace {

constexpr uint64_t kPatienceUs = 60'000'000;
constexpr int kKeys = 300;  // more than a checkpoint takes of a slot in one turn

class FlushedNode {
 public:
  explicit FlushedNode(uint64_t seed) : world_(seed), node_(world_, seed) {
    options_.policy = storage::SyncPolicy::always;
    options_.store.checkpoint_whole_slot_keys = 0;
  }

  void start() {
    const auto started = node_.start(options_, [](unsigned, size_t) {});
    ASSERT_TRUE(started) << started.error().message;
    wires_ = {node_.connect(0), node_.connect(0)};
    ASSERT_EQ(run(1, {"SELECT", "1"}), redis::kOk);
  }
  // On the connection of a database.
  std::string run(size_t db, const redis::Words& words) {
    redis::Wire& wire = *wires_[db];
    wire.to_client.clear();
    SimNode::send(wire, redis::encode_request(words));
    world_.run_until([&] { return redis::reply_bytes(wire.to_client) != 0; },
                     world_.now_us() + kPatienceUs);
    return wire.to_client;
  }
  void fill(size_t db) {
    redis::Words words{"MSET"};
    for (int i = 0; i < kKeys; ++i) {
      words.push_back("{slot}" + std::to_string(i));
      words.emplace_back("old");
    }
    ASSERT_EQ(run(db, words), redis::kOk);
  }
  void begin_checkpoint(std::function<void()> done) {
    node_.shards()[0].loop->post([store = node_.shards()[0].store.get(), done = std::move(done)] {
      store->checkpoint(done);
    });
  }
  void checkpoint() {
    bool done = false;
    begin_checkpoint([&done] { done = true; });
    ASSERT_TRUE(world_.run_until([&] { return done; }, world_.now_us() + kPatienceUs));
  }
  void pass(uint64_t us) { world_.run_for(us); }
  void crash() { node_.crash_process(); }

 private:
  SimWorld world_;
  SimNode::Options options_;
  SimNode node_;
  std::vector<std::shared_ptr<redis::Wire>> wires_;
};

// The flush of `db` comes `delay_us` after the checkpoint begins, the crash `then_us` later.
void expect_flushed_for_good(size_t db, uint64_t delay_us, uint64_t then_us) {
  FlushedNode node(delay_us + 1);
  ASSERT_NO_FATAL_FAILURE(node.start());
  ASSERT_NO_FATAL_FAILURE(node.fill(0));
  ASSERT_NO_FATAL_FAILURE(node.fill(1));
  ASSERT_NO_FATAL_FAILURE(node.checkpoint());
  ASSERT_NO_FATAL_FAILURE(node.fill(0));
  ASSERT_NO_FATAL_FAILURE(node.fill(1));
  node.begin_checkpoint([] {});
  node.pass(delay_us);
  ASSERT_EQ(node.run(db, {"FLUSHDB"}), redis::kOk);
  node.pass(then_us);
  node.crash();
  ASSERT_NO_FATAL_FAILURE(node.start());
  EXPECT_EQ(node.run(db, {"DBSIZE"}), redis::integer(0));
  EXPECT_EQ(node.run(1 - db, {"DBSIZE"}), redis::integer(kKeys));
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
