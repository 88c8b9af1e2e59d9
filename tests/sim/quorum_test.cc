// Reads and writes with quorums of their own, through any node of a cluster, healthy and not.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <string>
#include <vector>

#include "quorate/storage/stored_object.h"

#include "redis/reply_text.h"
#include "redis/sibling_reply.h"
#include "sim/sim_cluster.h"

namespace quorate::sim {
namespace {

using redis::bulk;
using redis::integer;
using redis::kOk;
using testing::ElementsAre;
using testing::StartsWith;

class OwnQuorums : public testing::Test {
 protected:
  void SetUp() override {
    cluster_.options().policy = storage::SyncPolicy::always;
    ASSERT_NO_FATAL_FAILURE(cluster_.start());
    cluster_.world().run_for(3 * kSecond);
  }
  std::string run(unsigned node, const redis::Words& words) { return cluster_.run(node, words); }
  // A key that the node coordinates.
  std::string key_of(unsigned node) {
    for (int i = 0;; ++i) {
      const std::string key = "key-" + std::to_string(i);
      if (cluster_.coordinator_of(0, key) == node) return key;
    }
  }
  bool holds(unsigned node, const std::string& key) {
    return storage::is_visible(cluster_.node(node)
                                   .store_of(cluster_.slot_of(key))
                                   .find(object::Key::of(key, 0, SimNode::kClusterHashSeed)));
  }
  int copies(const std::string& key) {
    int found = 0;
    for (unsigned node = 0; node < 3; ++node) found += holds(node, key) ? 1 : 0;
    return found;
  }
  void cut_off(unsigned node) {
    cluster_.part({node}, {(node + 1) % 3, (node + 2) % 3});
    cluster_.world().run_for(kSecond);
  }

  SimCluster cluster_{21, 3};
};

// Through the coordinator of the key and through others: 9 pairs.
TEST_F(OwnQuorums, AWriteWaitsForAsManyCopiesAsItAskedFor) {
  for (unsigned through = 0; through < 3; ++through) {
    for (unsigned home = 0; home < 3; ++home) {
      const std::string key = key_of(home) + "-{" + key_of(home) + "}";
      const std::string name = key + std::to_string(through);
      ASSERT_EQ(run(through, {"DYN.QUORUM", "W", "3"}), kOk);
      ASSERT_EQ(run(through, {"SET", name, "v"}), kOk);
      EXPECT_EQ(copies(name), 3) << through << home;
      ASSERT_EQ(run(through, {"DYN.QUORUM", "DEFAULT"}), kOk);
      ASSERT_THAT(run(through, {"DYN.PUT", name + "p", "", "v", "W", "3"}), StartsWith("$"));
      EXPECT_EQ(copies(name + "p"), 3);
    }
  }
}

TEST_F(OwnQuorums, ARefusalCountsWhatTheWriteAskedFor) {
  const std::string key = key_of(0);
  ASSERT_EQ(run(0, {"SET", key, "before"}), kOk);
  cut_off(2);
  for (const unsigned through : {0U, 1U}) {
    EXPECT_EQ(run(through, {"SET", key, "two"}), kOk);
    EXPECT_EQ(run(through, {"DYN.PUT", key, "", "v", "W", "3"}),
              "-NOQUORUM 2 of 3 replicas of the key can be reached, 3 are needed to write it\r\n");
    EXPECT_EQ(run(through, {"DYN.DEL", key, "", "W", "3"}),
              "-NOQUORUM 2 of 3 replicas of the key can be reached, 3 are needed to write it\r\n");
    EXPECT_THAT(run(through, {"DYN.GET", key, "R", "2"}), StartsWith("*2\r\n"));
    EXPECT_EQ(run(through, {"DYN.GET", key, "R", "3"}),
              "-NOQUORUM not enough replicas of the key answer: 3 are needed to read it\r\n");
  }
  EXPECT_THAT(run(2, {"SET", key, "one"}), StartsWith("-NOQUORUM"));
  EXPECT_THAT(run(2, {"GET", key}), StartsWith("-NOQUORUM"));
  EXPECT_EQ(run(2, {"DYN.QUORUM", "R", "1", "W", "1"}), kOk);
  EXPECT_EQ(run(2, {"SET", key, "one"}), kOk);
  EXPECT_EQ(run(2, {"GET", key}), bulk("one"));
  EXPECT_EQ(run(2, {"RESET"}), "+RESET\r\n");
  EXPECT_THAT(run(2, {"SET", key, "one"}), StartsWith("-NOQUORUM"));
  EXPECT_THAT(run(2, {"DYN.PUT", key, "", "put", "W", "1"}), StartsWith("$")) << "without an R";
  EXPECT_THAT(run(2, {"DYN.GET", key, "R", "1"}), StartsWith("*2\r\n"));
  cluster_.heal();
  cluster_.world().run_for(20 * kSecond);
  for (unsigned node = 0; node < 3; ++node) {
    const auto values = redis::shown_of(run(node, {"DYN.GET", key})).values;
    EXPECT_THAT(values, testing::UnorderedElementsAre("two", "one", "put")) << node;
  }
}

// Replicas that have stopped answering and are not suspected yet.
TEST_F(OwnQuorums, AWriteOfOneCopyWaitsForNobody) {
  const std::string key = key_of(0);
  ASSERT_EQ(run(0, {"SET", key, "before"}), kOk);
  ASSERT_EQ(run(0, {"DYN.QUORUM", "R", "1", "W", "1"}), kOk);
  cluster_.node(1).crash_process();
  cluster_.node(2).crash_process();
  const uint64_t begin = cluster_.world().now_us();
  EXPECT_EQ(run(0, {"SET", key, "alone"}), kOk);
  EXPECT_LT(cluster_.world().now_us() - begin, 100 * kMs);
  EXPECT_EQ(run(0, {"GET", key}), bulk("alone")) << "nor does who reads it";
  EXPECT_LT(cluster_.world().now_us() - begin, 100 * kMs);
}

TEST_F(OwnQuorums, AWriteThatDoesNotGetItsCopiesIsUncertain) {
  const std::string key = key_of(0), other = key_of(0) + "{" + key_of(0) + "}";
  ASSERT_EQ(run(0, {"SET", key, "before"}), kOk);
  cluster_.node(2).crash_process();
  const auto wire = cluster_.connect(0);
  SimNode::send(*wire, redis::encode_request({"DYN.PUT", key, "", "all", "W", "3"}) +
                           redis::encode_request({"SET", other, "two"}));
  cluster_.world().run_for(10 * kSecond);
  EXPECT_THAT(wire->to_client, StartsWith("-UNCERTAIN"));
  EXPECT_THAT(wire->to_client, testing::EndsWith(kOk)) << "who asked for two has them";
}

// One batch has requests of several minds about one key.
TEST_F(OwnQuorums, PipelinesKeepTheirOrder) {
  const auto wire = cluster_.connect(1);
  std::string requests, replies;
  for (int i = 1; i <= 60; ++i) {
    const std::string number = std::to_string(i % 3 + 1);
    requests += redis::encode_request({"DYN.QUORUM", i % 2 == 0 ? "W" : "R", number}) +
                redis::encode_request({"INCR", "{a}counter"}) +
                redis::encode_request({"GET", "{a}counter"}) +
                redis::encode_request({"DYN.DEL", "{a}none", "", "W", number}) +
                redis::encode_request({"DYN.DEL", "{a}counter", ""});
    replies += kOk + integer(i) + bulk(std::to_string(i)) + integer(0) + integer(0);
  }
  SimNode::send(*wire, requests);
  cluster_.world().run_until([&] { return wire->to_client.size() >= replies.size(); },
                             cluster_.world().now_us() + kPatienceUs);
  EXPECT_EQ(wire->to_client, replies);
}

// A reader that asks all sees what a writer left on one node.
TEST_F(OwnQuorums, MayBeLargeWhereTheOtherIsSmall) {
  for (int i = 0; i < 30; ++i) {
    const std::string key = "key-" + std::to_string(i), value = std::to_string(i);
    ASSERT_THAT(run(i % 3, {"DYN.PUT", key, "", value, "W", "1"}), StartsWith("$"));
    const auto shown = redis::shown_of(run((i + 1) % 3, {"DYN.GET", key, "R", "3"}));
    ASSERT_THAT(shown.values, ElementsAre(value));
    ASSERT_EQ(run(i % 3, {"DYN.QUORUM", "R", "1", "W", "3"}), kOk);
    ASSERT_EQ(run(i % 3, {"SET", key, "all"}), kOk);
    ASSERT_EQ(run(i % 3, {"GET", key}), bulk("all"));
    ASSERT_EQ(run(i % 3, {"DYN.QUORUM", "DEFAULT"}), kOk);
  }
}

TEST(OwnQuorumsOfFive, HoldThroughNodesWithoutTheKey) {
  SimCluster cluster(22, 5);
  ASSERT_NO_FATAL_FAILURE(cluster.start());
  for (unsigned node = 0; node < 5; ++node) {
    ASSERT_EQ(cluster.run(node, {"DYN.QUORUM", "W", "3", "R", "3"}), kOk);
  }
  for (int i = 0; i < 40; ++i) {
    const std::string key = "key-" + std::to_string(i);
    ASSERT_EQ(cluster.run(i % 5, {"SET", key, "v"}), kOk);
    unsigned copies = 0;
    for (unsigned node = 0; node < 5; ++node) {
      const auto& store = cluster.node(node).store_of(cluster.slot_of(key));
      const object::Key of = object::Key::of(key, 0, SimNode::kClusterHashSeed);
      copies += storage::is_visible(store.find(of)) ? 1 : 0;
    }
    ASSERT_EQ(copies, 3U) << key;
    ASSERT_EQ(cluster.run((i + 1) % 5, {"GET", key}), bulk("v"));
  }
}

}  // namespace
}  // namespace quorate::sim
