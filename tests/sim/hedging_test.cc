// Reads whose first replica is slow: another one is asked as well.
#include <gtest/gtest.h>
#include <string>

#include "redis/reply_text.h"
#include "sim/sim_cluster.h"

namespace quorate::sim {
namespace {

using redis::bulk;
using redis::kOk;

constexpr Delay kSlow{80 * kMs, 100 * kMs};

class Hedging : public testing::Test {
 protected:
  void start() {
    ASSERT_NO_FATAL_FAILURE(cluster_.start());
    cluster_.world().run_for(3 * kSecond);
  }
  std::string key_of(unsigned node) {
    for (int i = 0;; ++i) {
      const std::string key = "key-" + std::to_string(i);
      if (cluster_.coordinator_of(0, key) == node) return key;
    }
  }
  coordinator::QuorumReads& reads(unsigned node) {
    return cluster_.node(node).shards()[0].cluster->reads();
  }
  // So that the node knows how soon answers come.
  void warm_up(unsigned node, const std::string& key) {
    for (unsigned i = 0; i < coordinator::AnswerTimes::kWindow; ++i) {
      ASSERT_EQ(cluster_.run(node, {"GET", key}), redis::kNull);
    }
  }
  // How long it took.
  uint64_t read(unsigned node, const std::string& key, const std::string& reply) {
    const uint64_t begin = cluster_.world().now_us();
    EXPECT_EQ(cluster_.run(node, {"GET", key}), reply);
    return cluster_.world().now_us() - begin;
  }

  SimCluster cluster_{31, 3};
};

TEST_F(Hedging, AReadDoesNotWaitForASlowReplica) {
  ASSERT_NO_FATAL_FAILURE(start());
  const std::string key = key_of(2);
  ASSERT_EQ(cluster_.run(0, {"SET", key, "v"}), kOk);
  ASSERT_NO_FATAL_FAILURE(warm_up(0, key_of(1) + "-{" + key_of(1) + "}"));
  EXPECT_EQ(reads(0).statistics().hedged, 0U) << "nobody was slow";
  cluster_.set_delay(2, kSlow);
  for (int i = 0; i < 200; ++i) {
    ASSERT_LT(read(0, key, bulk("v")), (i == 0 ? 40 : 20) * kMs)
        << i << ": the slow one takes 160 and more";
  }
  EXPECT_GE(reads(0).statistics().hedged, 200U);
  EXPECT_EQ(reads(0).statistics().failed, 0U);
}

// Whose copy is not the newest: what the slow one alone knows cannot have been acknowledged.
TEST_F(Hedging, SeesWhatWasAcknowledged) {
  ASSERT_NO_FATAL_FAILURE(start());
  const std::string key = key_of(2);
  ASSERT_NO_FATAL_FAILURE(warm_up(0, key_of(1) + "-{" + key_of(1) + "}"));
  cluster_.set_delay(2, kSlow);
  for (int i = 0; i < 50; ++i) {
    const std::string value = std::to_string(i);
    ASSERT_EQ(cluster_.run(static_cast<unsigned>(i) % 3, {"SET", key, value}), kOk);
    for (const unsigned node : {0U, 1U, 2U}) {
      ASSERT_EQ(cluster_.run(node, {"GET", key}), bulk(value)) << node;
    }
  }
  EXPECT_GT(reads(0).statistics().hedged, 0U);
}

// There is nobody else to ask, and the answer is still expected.
TEST_F(Hedging, WhoMustHearAllReplicasWaitsForTheSlowOne) {
  ASSERT_NO_FATAL_FAILURE(start());
  const std::string key = key_of(2);
  ASSERT_EQ(cluster_.run(0, {"SET", key, "v"}), kOk);
  ASSERT_NO_FATAL_FAILURE(warm_up(0, key_of(1) + "-{" + key_of(1) + "}"));
  ASSERT_EQ(cluster_.run(0, {"DYN.QUORUM", "R", "3"}), kOk);
  cluster_.set_delay(2, {400 * kMs, 450 * kMs});
  const uint64_t took_us = read(0, key, bulk("v"));
  EXPECT_GE(took_us, 800 * kMs);
  EXPECT_EQ(reads(0).statistics().hedged, 0U);
  EXPECT_EQ(reads(0).statistics().failed, 0U);
}

// The slow one is asked first, another one as well; then that one's connection ends.
TEST_F(Hedging, WhoCannotAnswerAnyMoreLeavesTheOtherOne) {
  ASSERT_NO_FATAL_FAILURE(start());
  const std::string key = key_of(2);
  ASSERT_EQ(cluster_.run(0, {"SET", key, "v"}), kOk);
  ASSERT_NO_FATAL_FAILURE(warm_up(0, key_of(1) + "-{" + key_of(1) + "}"));
  cluster_.set_delay(2, kSlow);
  cluster_.node(1).crash_process();
  EXPECT_GE(read(0, key, bulk("v")), 160 * kMs);
  EXPECT_EQ(reads(0).statistics().failed, 0U);
}

// States that do not fit into one answer are asked for again.
TEST_F(Hedging, WhatDiffersComesInSeveralAnswers) {
  cluster_.options().reads.states_bytes_max = 3'000;
  cluster_.options().settles = false;
  cluster_.options().replicator.unacknowledged_bytes_max = 1'500;
  cluster_.options().replicator.catch_up_us = 3'600'000'000;
  ASSERT_NO_FATAL_FAILURE(start());
  cluster_.part({0}, {1, 2});
  cluster_.world().run_for(kSecond);
  const std::string value(1'000, 'v');
  std::string requests, replies;
  for (int i = 0; i < 40; ++i) {
    const std::string key = "key-" + std::to_string(i);
    ASSERT_EQ(cluster_.run(1, {"SET", key, value}), kOk);
    requests += redis::encode_request({"GET", key});
    replies += bulk(value);
  }
  cluster_.heal();
  cluster_.world().run_for(2 * kSecond);
  ASSERT_EQ(reads(0).statistics().repaired_here, 0U);
  const auto wire = cluster_.connect(0);
  SimNode::send(*wire, requests);
  cluster_.world().run_for(kSecond);
  EXPECT_EQ(wire->to_client, replies);
  EXPECT_GE(reads(0).statistics().repaired_here, 38U) << "the first message was too much at once";
}

}  // namespace
}  // namespace quorate::sim
