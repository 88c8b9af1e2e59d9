// DrivenNode: a simulated node of one shard with a connection per database, for tests that say step
// by step what happens.
//
// Every acknowledged write is on disk (`always`). Thread: the simulator's one.
#pragma once

#include <functional>
#include <gtest/gtest.h>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "redis/command_harness.h"
#include "redis/reply_text.h"
#include "sim/sim_node.h"

namespace quorate::sim {

class DrivenNode {
 public:
  explicit DrivenNode(uint64_t seed) : world_(seed), node_(world_, seed) {
    options_.policy = storage::SyncPolicy::always;
  }

  // Of the next start().
  SimNode::Options& options() { return options_; }
  void start() {
    const auto started = node_.start(options_, [](unsigned, size_t) {});
    ASSERT_TRUE(started) << started.error().message;
    wires_ = {node_.connect(0), node_.connect(0)};
    ASSERT_EQ(run(1, {"SELECT", "1"}), redis::kOk);
  }
  void crash() { node_.crash_process(); }

  // The reply on the connection of database 0 or 1.
  std::string run(size_t db, const redis::Words& words) {
    redis::Wire& wire = *wires_[db];
    wire.to_client.clear();
    SimNode::send(wire, redis::encode_request(words));
    world_.run_until([&] { return redis::reply_bytes(wire.to_client) != 0; },
                     world_.now_us() + kPatienceUs);
    return wire.to_client;
  }
  SimLoop& loop() { return *node_.shards()[0].loop; }
  const storage::ShardStore& store() { return *node_.shards()[0].store; }
  void pass(uint64_t us) { world_.run_for(us); }
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

 private:
  SimWorld world_;
  SimNode::Options options_;
  SimNode node_;
  std::vector<std::shared_ptr<redis::Wire>> wires_;
};

}  // namespace quorate::sim
