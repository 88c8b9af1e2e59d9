// Whole nodes that become a cluster over real sockets, in one process.
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <future>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "quorate/cluster/peer_handshake.h"
#include "quorate/server/node.h"

#include "server/loop_client.h"

namespace quorate::server {
namespace {

using testing::HasSubstr;

uint16_t free_port() {
  const auto loop = runtime::UvLoop::make();
  return (*loop->listen_tcp("127.0.0.1", 0, 1, [](int) {}))->port();
}

// What the node answers to one command, up to and with the text that ends it; empty: nothing yet.
std::string ask(uint16_t port, const std::string& command, const std::string& ends_with,
                uint64_t patience_us = 5'000'000) {
  const auto loop = runtime::UvLoop::make();
  LoopClient client(*loop, port, command + "\r\n");
  const bool answered = run_loop_until(
      *loop,
      [&] { return client.ended() || client.received().find(ends_with) != std::string::npos; },
      patience_us);
  return answered && !client.ended() ? client.received() : std::string();
}

bool eventually(const std::function<bool()>& holds) {
  constexpr uint64_t kPatienceUs = 20'000'000;
  const auto loop = runtime::UvLoop::make();
  return run_loop_until(*loop, holds, kPatienceUs);
}

class RunningNode {
 public:
  RunningNode() {
    std::string pattern = testing::TempDir() + "quorate_node_XXXXXX";
    if (::mkdtemp(pattern.data()) == nullptr) std::abort();
    config_.dir = pattern;
    config_.bind = {"127.0.0.1"};
    config_.port = free_port();
    config_.cluster_port = free_port();
    config_.threads = 2;
    config_.loglevel = LogLevel::nothing;
    config_.journal_segment_size_bytes = 1 << 20;
    config_.cluster_name = "test";
  }
  RunningNode(const RunningNode&) = delete;
  RunningNode& operator=(const RunningNode&) = delete;
  ~RunningNode() {
    // A node that is just starting again hears nobody: it is asked until it ends.
    while (running_.valid() && running_.wait_for(std::chrono::seconds(0)) != kEnded) {
      ask(config_.port, "SHUTDOWN NOSAVE", "never", kShutdownPatienceUs);
    }
    std::filesystem::remove_all(config_.dir);
  }

  void run() {
    running_ = std::async(std::launch::async, [this] {
      Node::Legacy legacy;
      for (bool again = true; again;) {
        auto node = Node::start({config_, "", {}, "0.0.0", std::move(legacy)});
        ASSERT_TRUE(node) << node.error().message;
        ++lives_;
        EXPECT_TRUE((*node)->run());
        again = (*node)->restarts();
        legacy = (*node)->legacy();
        restarts_ += again ? 1 : 0;
      }
    });
    EXPECT_TRUE(answers("PING", "+PONG\r\n"));
  }
  // Asks until the answer has the text.
  bool answers(const std::string& command, const std::string& text) {
    constexpr uint64_t kPatienceUs = 100'000;
    for (int tries = 0; tries < 200; ++tries) {
      if (!ask(config_.port, command, text, kPatienceUs).empty()) return true;
    }
    return false;
  }
  std::string ring_digest() {
    const std::string ring = ask(config_.port, "DYN.RING", "ranges");
    return ring.substr(ring.find("digest"), 30);
  }
  Config& config() { return config_; }
  unsigned restarts() const { return restarts_; }
  unsigned lives() const { return lives_; }  // that serve or have served

 private:
  static constexpr std::future_status kEnded = std::future_status::ready;
  static constexpr uint64_t kShutdownPatienceUs = 500'000;

  Config config_;
  std::future<void> running_;
  std::atomic<unsigned> restarts_{0}, lives_{0};
};

std::string meet(RunningNode& node) {
  return "CLUSTER MEET 127.0.0.1 " + std::to_string(node.config().port) + " " +
         std::to_string(node.config().cluster_port);
}

class NodesOverSockets : public testing::Test {
 protected:
  void SetUp() override {
#if defined(__SANITIZE_THREAD__)
    // libuv is not instrumented: ThreadSanitizer takes a descriptor that one node's thread closes
    // through it, and another's gets from the system next, for shared without order.
    GTEST_SKIP() << "nodes on several threads of one process reuse each other's descriptors";
#endif
  }
};

TEST_F(NodesOverSockets, MeetShareASeedAndPart) {
  RunningNode one, two;
  one.run();
  two.run();
  ASSERT_TRUE(one.answers("SET key value", "+OK\r\n")) << "so that its hash seed stays";
  ASSERT_TRUE(one.answers(meet(two), "+OK\r\n"));
  ASSERT_TRUE(one.answers("CLUSTER INFO", "cluster_known_nodes:2"));
  ASSERT_TRUE(two.answers("CLUSTER INFO", "cluster_known_nodes:2"));
  ASSERT_TRUE(one.answers("CLUSTER INFO", "cluster_slots_ok:16384\r\ncluster_slots_pfail:0\r\n"));
  EXPECT_TRUE(eventually([&] { return two.restarts() == 1; })) << "with the seed of the other";
  EXPECT_TRUE(eventually([&] { return one.ring_digest() == two.ring_digest(); }));
  EXPECT_EQ(one.restarts(), 0U);
  EXPECT_TRUE(one.answers("GET key", "$5\r\nvalue\r\n"));
  EXPECT_TRUE(two.answers("CLUSTER LINKS", "direction"));
  const std::string mine = ask(two.config().port, "CLUSTER MYID", "\r\n");
  const std::string id = mine.substr(mine.find("\r\n") + 2, 40);
  EXPECT_TRUE(one.answers("CLUSTER FORGET " + id, "+OK\r\n"));
  EXPECT_TRUE(one.answers("CLUSTER INFO", "cluster_known_nodes:1"));
  EXPECT_TRUE(two.answers("CLUSTER INFO", "cluster_known_nodes:1"));
}

TEST_F(NodesOverSockets, ThreeMeetInQuickSuccession) {
  RunningNode one, two, three;
  for (RunningNode* const node : {&one, &two, &three}) node->run();
  for (RunningNode* const node : {&two, &three}) {
    ASSERT_TRUE(one.answers(meet(*node), "+OK\r\n"));
  }
  for (RunningNode* const node : {&one, &two, &three}) {
    EXPECT_TRUE(node->answers("CLUSTER INFO", "cluster_known_nodes:3"));
  }
  EXPECT_TRUE(eventually([&] { return one.ring_digest() == three.ring_digest(); }));
  ASSERT_TRUE(one.answers("SET key value", "+OK\r\n"));
  EXPECT_TRUE(two.answers("GET key", "$5\r\nvalue\r\n"));
  EXPECT_TRUE(three.answers("GET key", "$5\r\nvalue\r\n"));
}

// Who connects meanwhile waits.
TEST_F(NodesOverSockets, ANodeThatStartsAgainRefusesNobody) {
  RunningNode one, two;
  one.run();
  two.run();
  ASSERT_TRUE(one.answers("SET key value", "+OK\r\n")) << "so that its hash seed stays";
  ASSERT_FALSE(ask(two.config().port, meet(one), "+OK\r\n").empty());
  bool refused = false;
  for (int tries = 0; two.restarts() == 0 || two.lives() == 1; ++tries) {
    ASSERT_LT(tries, 5'000) << "it does not start again";
    const auto loop = runtime::UvLoop::make();
    std::optional<bool> connected;
    const auto pending = loop->connect_tcp("127.0.0.1", two.config().port, 5'000'000,
                                           [&](auto stream) { connected = stream.has_value(); });
    ASSERT_TRUE(run_loop_until(*loop, [&] { return connected.has_value(); }));
    refused = refused || !*connected;
  }
  EXPECT_FALSE(refused);
  EXPECT_TRUE(two.answers("GET key", "$5\r\nvalue\r\n"));
}

TEST_F(NodesOverSockets, SeedsJoinWithoutACommand) {
  RunningNode one, two;
  two.config().cluster_seeds = {"127.0.0.1:" + std::to_string(one.config().port) + "@" +
                                std::to_string(one.config().cluster_port)};
  two.run();
  one.run();
  EXPECT_TRUE(one.answers("CLUSTER INFO", "cluster_known_nodes:2"));
  EXPECT_TRUE(two.answers("CLUSTER INFO", "cluster_known_nodes:2"));
}

TEST_F(NodesOverSockets, AShardTakesNoStrangersConnection) {
  RunningNode one;
  one.run();
  cluster::PeerHello hello;
  hello.cluster_name = "test";
  hello.lane = cluster::PeerLane::data;
  cluster::PeerHandshake handshake(cluster::PeerHandshake::Role::connects, hello, "",
                                   [](const auto&) { return runtime::Status(); });
  const auto loop = runtime::UvLoop::make();
  LoopClient client(*loop, one.config().cluster_port, handshake.take_output());
  EXPECT_TRUE(run_loop_until(*loop, [&] { return client.ended(); }));
  handshake.receive(client.received());
  EXPECT_EQ(handshake.state(), cluster::PeerHandshake::State::refused);
}

}  // namespace
}  // namespace quorate::server
