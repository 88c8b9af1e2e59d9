// WAIT in a cluster: how many other nodes have what a connection has written.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <string>
#include <vector>

#include "redis/reply_text.h"
#include "sim/sim_cluster.h"

namespace quorate::sim {
namespace {

using redis::encode_request;
using redis::integer;
using redis::kOk;

class Waiting : public testing::Test {
 protected:
  void start() {
    ASSERT_NO_FATAL_FAILURE(cluster_.start());
    cluster_.world().run_for(3 * kSecond);
  }
  void SetUp() override { ASSERT_NO_FATAL_FAILURE(start()); }
  std::string run(unsigned node, const redis::Words& words) { return cluster_.run(node, words); }
  std::string key_of(unsigned node) {
    for (int i = 0;; ++i) {
      const std::string key = "key-" + std::to_string(i);
      if (cluster_.coordinator_of(0, key) == node) return key;
    }
  }
  uint64_t now_us() { return cluster_.world().now_us(); }

  SimCluster cluster_{31, 3};
};

TEST_F(Waiting, CountsTheOtherReplicas) {
  EXPECT_EQ(run(0, {"WAIT", "0", "0"}), integer(2)) << "nothing was written";
  for (unsigned through = 0; through < 3; ++through) {
    for (unsigned home = 0; home < 3; ++home) {
      ASSERT_EQ(run(through, {"SET", key_of(home), "v"}), kOk);
      EXPECT_EQ(run(through, {"WAIT", "2", "0"}), integer(2));
    }
  }
  const uint64_t begin = now_us();
  EXPECT_EQ(run(1, {"WAIT", "3", "250"}), integer(2));
  EXPECT_GE(now_us() - begin, 250 * kMs);
  EXPECT_LT(now_us() - begin, 300 * kMs);
  EXPECT_EQ(run(1, {"FLUSHALL"}), kOk);
  EXPECT_EQ(run(1, {"WAIT", "2", "0"}), integer(2));
}

// The node that forwards is not the one whose replicas count.
TEST_F(Waiting, IsTheLeastOverAllThatWasWritten) {
  cluster_.part({0}, {2});
  cluster_.world().run_for(kSecond);
  ASSERT_EQ(run(1, {"SET", key_of(1), "v"}), kOk);
  EXPECT_EQ(run(1, {"WAIT", "2", "1000"}), integer(2)) << "node 1 reaches both";
  const auto wire = cluster_.connect(1);
  SimNode::send(*wire, encode_request({"SET", key_of(1), "v"}) +
                           encode_request({"SET", key_of(0), "v"}) +
                           encode_request({"WAIT", "1", "0"}) +
                           encode_request({"WAIT", "2", "5000"}) + encode_request({"PING"}));
  cluster_.world().run_for(2 * kSecond);
  EXPECT_EQ(wire->to_client, kOk + kOk + integer(1)) << "node 0 reaches only node 1";
  cluster_.world().run_for(5 * kSecond);
  EXPECT_EQ(wire->to_client, kOk + kOk + integer(1) + integer(1) + "+PONG\r\n");
}

TEST_F(Waiting, EndsWhenAReplicaHasCaughtUp) {
  cluster_.crash(2);
  cluster_.world().run_for(2 * kSecond);
  ASSERT_EQ(run(0, {"SET", "k", "v"}), kOk);
  const auto wire = cluster_.connect(1);
  SimNode::send(*wire, encode_request({"SET", "k", "v"}) + encode_request({"WAIT", "2", "0"}));
  cluster_.world().run_for(60 * kSecond);
  EXPECT_EQ(wire->to_client, kOk) << "for ever";
  ASSERT_NO_FATAL_FAILURE(cluster_.start(2));
  cluster_.world().run_for(5 * kSecond);
  EXPECT_EQ(wire->to_client, kOk + integer(2));
  EXPECT_EQ(run(0, {"WAIT", "0", "0"}), integer(2));
}

TEST_F(Waiting, ForACoordinatorThatIsGone) {
  const std::string key = key_of(0);
  ASSERT_EQ(run(1, {"SET", key, "v"}), kOk);
  cluster_.crash(0);
  cluster_.world().run_for(2 * kSecond);
  EXPECT_EQ(run(1, {"WAIT", "1", "500"}), integer(0)) << "nobody can say";
  const auto wire = cluster_.connect(1);
  ASSERT_EQ(run(1, {"SET", key, "v"}), kOk);
  EXPECT_EQ(run(1, {"WAIT", "0", "0"}), integer(0));
  ASSERT_NO_FATAL_FAILURE(cluster_.start(0));
  EXPECT_EQ(run(1, {"WAIT", "2", "20000"}), integer(2)) << "once the others have caught up with it";
}

TEST_F(Waiting, OfAConnectionThatEndedIsForgotten) {
  cluster_.crash(2);
  cluster_.world().run_for(2 * kSecond);
  auto& engine = *cluster_.node(1).shards()[0].engine;
  const size_t before = engine.sessions().size();
  const auto wire = cluster_.connect(1);
  SimNode::send(*wire, encode_request({"SET", "k", "v"}) + encode_request({"WAIT", "2", "0"}));
  cluster_.world().run_for(kSecond);
  EXPECT_EQ(engine.sessions().size(), before + 1);
  wire->stream->close();
  cluster_.world().run_for(30 * kSecond);
  EXPECT_EQ(engine.sessions().size(), before);
  for (unsigned node = 0; node < 2; ++node) {
    EXPECT_EQ(cluster_.node(node).shards()[0].cluster->copy_waits().size(), 0U);
  }
}

TEST(WaitQuestions, AreReadWithSuspicion) {
  using coordinator::CopyWaits;
  CopyWaits::Question question;
  question.wanted = 2;
  question.timeout_us = 12345;
  EXPECT_FALSE(CopyWaits::decode(CopyWaits::encode(question))) << "no slots";
  for (const unsigned slot : {1, 2, 3, 9000}) question.slots.add(static_cast<uint16_t>(slot));
  const std::string bytes = CopyWaits::encode(question);
  const auto read = CopyWaits::decode(bytes);
  ASSERT_TRUE(read);
  EXPECT_EQ(read->slots, question.slots);
  EXPECT_EQ(read->wanted, 2U);
  EXPECT_EQ(read->timeout_us, 12345U);
  for (size_t size = 0; size < bytes.size(); ++size) {
    EXPECT_FALSE(CopyWaits::decode(bytes.substr(0, size)));
  }
  EXPECT_FALSE(CopyWaits::decode(bytes + "x"));
  question.timeout_us = CopyWaits::kQuestionUs + 1;
  EXPECT_FALSE(CopyWaits::decode(CopyWaits::encode(question))) << "it would wait too long";
}

TEST(WaitOfFive, AsksThoseWhoHoldTheKeys) {
  SimCluster cluster(32, 5);
  ASSERT_NO_FATAL_FAILURE(cluster.start());
  cluster.world().run_for(3 * kSecond);
  for (int i = 0; i < 40; ++i) {
    ASSERT_EQ(cluster.run(0, {"SET", "key-" + std::to_string(i), "v"}), kOk);
  }
  EXPECT_EQ(cluster.run(0, {"WAIT", "2", "0"}), integer(2));
  cluster.part({4}, {0, 1, 2, 3});
  cluster.world().run_for(kSecond);
  std::string with, without;  // keys of which the lost node holds a copy, and others
  for (int i = 0; with.empty() || without.empty(); ++i) {
    const std::string key = "next-" + std::to_string(i);
    const auto& view = *cluster.node(0).shards()[0].cluster->view();
    const auto list = view.preference_list(object::key_slot(key));
    const auto lost = view.find(cluster.node(4).identity().node);
    (std::ranges::find(list, lost) != list.end() ? with : without) = key;
  }
  const auto one = cluster.connect(0), two = cluster.connect(0);
  SimNode::send(*one, encode_request({"SET", without, "v"}) + encode_request({"WAIT", "2", "500"}));
  SimNode::send(*two, encode_request({"SET", with, "v"}) + encode_request({"WAIT", "2", "500"}));
  cluster.world().run_for(2 * kSecond);
  EXPECT_EQ(one->to_client, kOk + integer(2));
  EXPECT_EQ(two->to_client, kOk + integer(1));
}

}  // namespace
}  // namespace quorate::sim
