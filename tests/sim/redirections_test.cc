// cluster-enabled yes: clients are sent to the key's coordinator, as by Redis Cluster.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <string>

#include "redis/reply_text.h"
#include "sim/sim_cluster.h"

namespace quorate::sim {
namespace {

using redis::bulk;
using redis::kOk;
using testing::StartsWith;

class Redirections : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_NO_FATAL_FAILURE(cluster_.start());
    cluster_.world().run_for(3 * kSecond);
    for (unsigned node = 0; node < 3; ++node) {
      redis::ShardEngine& engine = *cluster_.node(node).shards()[0].engine;
      redis::EngineSettings settings = engine.settings();
      settings.redirects = true;
      engine.apply(settings);
    }
    key_ = key_of(2);
  }
  std::string key_of(unsigned node) {
    for (int i = 0;; ++i) {
      const std::string key = "key-" + std::to_string(i);
      if (cluster_.coordinator_of(0, key) == node) return key;
    }
  }
  std::string run(unsigned node, const redis::Words& words) { return cluster_.run(node, words); }
  std::string moved() {
    return "-MOVED " + std::to_string(cluster_.slot_of(key_)) + " " +
           SimNetwork::ip(cluster_.node(2).number()) + ":6379\r\n";
  }

  SimCluster cluster_{51, 3};
  std::string key_;  // that the last node coordinates
};

TEST_F(Redirections, NameTheCoordinator) {
  EXPECT_EQ(run(0, {"SET", key_, "v"}), moved());
  EXPECT_EQ(run(1, {"GET", key_}), moved());
  EXPECT_EQ(run(2, {"SET", key_, "v"}), kOk);
  EXPECT_EQ(run(2, {"GET", key_}), bulk("v"));
  EXPECT_EQ(run(0, {"DEL", "{" + key_ + "}a", "{" + key_ + "}b"}), moved());
}

TEST_F(Redirections, DoWithoutWhatThereIsNot) {
  EXPECT_EQ(run(0, {"MSET", "a", "1", "b", "2", "c", "3"}), kOk) << "of several slots";
  EXPECT_EQ(run(0, {"DBSIZE"}), redis::integer(3));
  EXPECT_THAT(run(0, {"KEYS", "a"}), StartsWith("*1\r\n"));
}

TEST_F(Redirections, FollowTheModesOfAConnection) {
  ASSERT_EQ(run(2, {"SET", key_, "v"}), kOk);
  ASSERT_EQ(run(0, {"ASKING"}), kOk);
  EXPECT_EQ(run(0, {"GET", key_}), bulk("v"));
  EXPECT_EQ(run(0, {"GET", key_}), moved()) << "for one command";
  ASSERT_EQ(run(0, {"READONLY"}), kOk);
  EXPECT_EQ(run(0, {"GET", key_}), bulk("v"));
  EXPECT_EQ(run(0, {"SET", key_, "w"}), moved());
  ASSERT_EQ(run(0, {"READWRITE"}), kOk);
  EXPECT_EQ(run(0, {"GET", key_}), moved());
  ASSERT_EQ(run(0, {"READONLY"}), kOk);
  ASSERT_EQ(run(0, {"RESET"}), "+RESET\r\n");
  EXPECT_EQ(run(0, {"GET", key_}), moved());
}

// In a pipeline, between replies that are on their way.
TEST_F(Redirections, KeepTheOrderOfReplies) {
  const std::string own = key_of(0);
  const auto wire = cluster_.connect(0);
  std::string requests, replies;
  for (int i = 0; i < 20; ++i) {
    requests += redis::encode_request({"SET", own, "v"}) + redis::encode_request({"GET", key_});
    replies += kOk + moved();
  }
  SimNode::send(*wire, requests);
  cluster_.world().run_for(kSecond);
  EXPECT_EQ(wire->to_client, replies);
}

TEST_F(Redirections, EndWhenTheCoordinatorIsAway) {
  ASSERT_EQ(run(2, {"SET", key_, "v"}), kOk);
  cluster_.crash(2);
  cluster_.world().run_for(3 * kSecond);
  const unsigned next = cluster_.coordinator_of(0, key_);
  ASSERT_NE(next, 2U);
  EXPECT_EQ(run(next, {"GET", key_}), bulk("v"));
  EXPECT_EQ(run(next, {"SET", key_, "w"}), kOk);
}

}  // namespace
}  // namespace quorate::sim
