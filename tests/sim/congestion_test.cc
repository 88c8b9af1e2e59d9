// More is written than replicas can be sent at once: changes wait, and none is uncertain.
#include <gtest/gtest.h>
#include <memory>
#include <string>
#include <vector>

#include "redis/reply_text.h"
#include "sim/sim_cluster.h"

namespace quorate::sim {
namespace {

using redis::kOk;

class Congestion : public testing::Test {
 protected:
  static constexpr int kClients = 12, kRequests = 30;
  static constexpr size_t kValueBytes = 5'000;

  void start(size_t unacknowledged_bytes_max = 64 << 10) {
    cluster_.options().replicator.unacknowledged_bytes_max = unacknowledged_bytes_max;
    ASSERT_NO_FATAL_FAILURE(cluster_.start());
    cluster_.world().run_for(3 * kSecond);
  }
  // Pipelines of large values from clients of all nodes that run, some keys by several of them.
  void write(unsigned nodes) {
    for (int client = 0; client < kClients; ++client) {
      std::string requests;
      for (int i = 0; i < kRequests; ++i) {
        const std::string key = "key-" + std::to_string((client * 7 + i) % 100);
        requests += redis::encode_request({"SET", key, std::string(kValueBytes, 'v')});
      }
      wires_.push_back(cluster_.connect(static_cast<unsigned>(client) % nodes));
      SimNode::send(*wires_.back(), requests);
    }
  }
  static std::string all_done() {
    std::string replies;
    for (int i = 0; i < kRequests; ++i) replies += kOk;
    return replies;
  }
  void expect_all_done() {
    for (const auto& wire : wires_) EXPECT_EQ(wire->to_client, all_done());
  }
  uint64_t fell_behind(unsigned nodes) {
    uint64_t sum = 0;
    for (unsigned node = 0; node < nodes; ++node) {
      sum += cluster_.node(node).shards()[0].cluster->replicator().statistics().fell_behind;
    }
    return sum;
  }

  SimCluster cluster_{41, 3};
  std::vector<std::shared_ptr<redis::Wire>> wires_;
  int next_ = 0;  // key
};

TEST_F(Congestion, NoReplicaFallsBehindThatIsOnlySlow) {
  ASSERT_NO_FATAL_FAILURE(start());
  cluster_.set_delay(2, {10 * kMs, 20 * kMs});
  write(3);
  cluster_.world().run_for(20 * kSecond);
  expect_all_done();
  EXPECT_EQ(fell_behind(3), 0U);
}

TEST_F(Congestion, ChangesDoNotWaitForWhoHasCrashed) {
  ASSERT_NO_FATAL_FAILURE(start());
  cluster_.crash(2);
  cluster_.world().run_for(2 * kSecond);
  write(2);
  cluster_.world().run_for(4 * kSecond);
  expect_all_done();
}

// Its messages are held back, and it is not known to be ill.
TEST_F(Congestion, WhoTakesNothingFallsBehindAndTheOthersGoOn) {
  ASSERT_NO_FATAL_FAILURE(start());
  cluster_.set_delay(2, {3600 * kSecond, 3600 * kSecond});
  for (int client = 0; client < 8; ++client) {
    std::string requests;
    for (int i = 0; i < kRequests; ++i) {
      std::string key;
      do {
        key = "key-" + std::to_string(next_++);
      } while (cluster_.coordinator_of(0, key) == 2);
      requests += redis::encode_request({"SET", key, std::string(kValueBytes, 'v')});
    }
    wires_.push_back(cluster_.connect(static_cast<unsigned>(client) % 2));
    SimNode::send(*wires_.back(), requests);
  }
  cluster_.world().run_for(20 * kSecond);
  expect_all_done();
  EXPECT_GE(fell_behind(2), 1U);
}

// Pages of slots have a connection of their own, so what a node that comes back has missed does not
// stand before the answers to its reads.
TEST_F(Congestion, WhoHasMuchToCatchUpWithReadsMeanwhile) {
  constexpr int kLarge = 40;
  ASSERT_NO_FATAL_FAILURE(start(4 << 20));
  ASSERT_EQ(cluster_.run(0, {"SET", "small", "v"}), kOk);
  cluster_.crash(2);
  cluster_.world().run_for(3 * kSecond);
  for (int i = 0; i < kLarge; ++i) {
    const std::string key = "large-" + std::to_string(i);
    ASSERT_EQ(cluster_.run(0, {"SET", key, std::string(1 << 20, 'v')}), kOk);
  }
  ASSERT_NO_FATAL_FAILURE(cluster_.start(2));
  cluster_.set_delay(2, {10 * kMs, 12 * kMs});
  cluster_.world().run_for(kSecond);
  const auto& puller = cluster_.node(2).shards()[0].cluster->puller();
  const uint64_t begin = cluster_.world().now_us();
  int reads = 0;
  for (; puller.open() != 0; ++reads) {
    const uint64_t asked = cluster_.world().now_us();
    ASSERT_EQ(cluster_.run(2, {"GET", "small"}), redis::bulk("v"));
    ASSERT_LT(cluster_.world().now_us() - asked, 100 * kMs) << reads;
  }
  EXPECT_GT(cluster_.world().now_us() - begin, kSecond) << "there was little to catch up with";
  EXPECT_GT(reads, 10);
  for (int i = 0; i < kLarge; ++i) {
    const std::string key = "large-" + std::to_string(i);
    ASSERT_EQ(cluster_.run(2, {"STRLEN", key}), redis::integer(1 << 20));
  }
}

}  // namespace
}  // namespace quorate::sim
