// Commands about all keys, in a cluster: through every node the same, while nodes fail and return.
#include <algorithm>
#include <charconv>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "redis/reply_text.h"
#include "redis/scan_client.h"
#include "sim/sim_cluster.h"

namespace quorate::sim {
namespace {

using redis::bulk;
using redis::bulks;
using redis::integer;
using redis::kOk;
using redis::Words;
using testing::HasSubstr;
using testing::StartsWith;
using testing::UnorderedElementsAreArray;

class ClusterKeyspace : public testing::TestWithParam<unsigned> {
 protected:
  void start() {
    cluster_.options().policy = storage::SyncPolicy::always;
    ASSERT_NO_FATAL_FAILURE(cluster_.start());
  }
  std::string run(unsigned node, const Words& words) { return cluster_.run(node, words); }
  void set_keys(int count) {
    for (int i = 0; i < count; ++i) {
      ASSERT_EQ(run(i % cluster_.size(), {"SET", key_of(i), "v"}), kOk);
      names_.insert(key_of(i));
    }
  }
  // Every key that a client meets who asks a node drawn anew for each page.
  std::multiset<std::string> scan(Words options = {}, size_t* pages = nullptr) {
    std::multiset<std::string> met;
    std::string cursor = "0";
    unsigned node = 0;
    do {
      Words request{"SCAN", cursor};
      request.insert(request.end(), options.begin(), options.end());
      const std::string reply = run(up(node++), request);
      std::vector<std::string> words = bulks(reply);
      if (words.empty() || reply[0] != '*') {
        ADD_FAILURE() << reply;
        break;
      }
      cursor = words[0];
      met.insert(words.begin() + 1, words.end());
      if (pages != nullptr) ++*pages;
    } while (cursor != "0");
    return met;
  }
  // A running node.
  unsigned up(unsigned node) {
    for (;; ++node) {
      if (cluster_.node(node % cluster_.size()).running()) return node % cluster_.size();
    }
  }
  std::multiset<std::string> names() { return {names_.begin(), names_.end()}; }
  uint64_t resident_keys() {
    uint64_t keys = 0;
    for (unsigned i = 0; i < cluster_.size(); ++i) {
      keys += cluster_.node(i).shards()[0].store->keys(0);
    }
    return keys;
  }

  SimCluster cluster_{GetParam(), GetParam()};
  std::set<std::string> names_;
};

INSTANTIATE_TEST_SUITE_P(Nodes, ClusterKeyspace, testing::Values(3u, 5u));

TEST_P(ClusterKeyspace, IsTheSameThroughEveryNode) {
  ASSERT_NO_FATAL_FAILURE(start());
  for (unsigned node = 0; node < cluster_.size(); ++node) {
    EXPECT_EQ(run(node, {"DBSIZE"}), integer(0));
    EXPECT_EQ(run(node, {"KEYS", "*"}), "*0\r\n");
    EXPECT_EQ(run(node, {"RANDOMKEY"}), redis::kNull);
    EXPECT_THAT(run(node, {"INFO", "keyspace"}), HasSubstr("# Keyspace\r\n\r\n"));
  }
  EXPECT_EQ(scan().size(), 0U);
  ASSERT_NO_FATAL_FAILURE(set_keys(100));
  ASSERT_EQ(run(0, {"PEXPIRE", key_of(1), "900000"}), integer(1));
  for (unsigned node = 0; node < cluster_.size(); ++node) {
    EXPECT_EQ(run(node, {"DBSIZE"}), integer(100));
    EXPECT_THAT(bulks(run(node, {"KEYS", "*"})), UnorderedElementsAreArray(names_));
    EXPECT_THAT(bulks(run(node, {"KEYS", "key-1?"})).size(), 10U);
    EXPECT_THAT(run(node, {"INFO"}), HasSubstr("db0:keys=100,expires=1,avg_ttl=0\r\n"));
  }
  EXPECT_EQ(scan(), names());
  EXPECT_EQ(scan({"COUNT", "1"}), names());
  EXPECT_EQ(scan({"COUNT", "1000", "TYPE", "string"}), names());
  EXPECT_EQ(scan({"MATCH", "key-2?"}).size(), 10U);
  EXPECT_EQ(scan({"TYPE", "list"}).size(), 0U);
  // With nobody's copies.
  EXPECT_GT(resident_keys(), 200U);
}

TEST_P(ClusterKeyspace, DatabasesAreApart) {
  ASSERT_NO_FATAL_FAILURE(start());
  ASSERT_NO_FATAL_FAILURE(set_keys(20));
  const auto other = cluster_.connect(1);
  const auto in_other = [&](const Words& words) {
    other->to_client.clear();
    SimNode::send(*other, redis::encode_request(words));
    cluster_.world().run_until([&] { return redis::reply_bytes(other->to_client) != 0; },
                               cluster_.world().now_us() + kPatienceUs);
    return other->to_client;
  };
  ASSERT_EQ(in_other({"SELECT", "1"}), kOk);
  for (int i = 0; i < 10; ++i) ASSERT_EQ(in_other({"SET", "other-" + std::to_string(i), "v"}), kOk);
  EXPECT_EQ(in_other({"DBSIZE"}), integer(10));
  EXPECT_THAT(run(0, {"INFO", "keyspace"}), HasSubstr("db0:keys=20,expires=0,avg_ttl=0\r\n"
                                                      "db1:keys=10,expires=0,avg_ttl=0\r\n"));
  EXPECT_EQ(in_other({"FLUSHDB"}), kOk);
  EXPECT_EQ(in_other({"DBSIZE"}), integer(0));
  EXPECT_EQ(run(2, {"DBSIZE"}), integer(20));
  ASSERT_EQ(in_other({"SET", "a", "v"}), kOk);
  EXPECT_EQ(run(2, {"FLUSHALL", "ASYNC"}), kOk);
  EXPECT_EQ(in_other({"DBSIZE"}), integer(0));
  EXPECT_EQ(run(0, {"DBSIZE"}), integer(0));
}

TEST_P(ClusterKeyspace, RandomkeyComesFromEveryNode) {
  ASSERT_NO_FATAL_FAILURE(start());
  ASSERT_NO_FATAL_FAILURE(set_keys(30));
  std::map<unsigned, int> picked, there;
  for (const std::string& name : names_) ++there[cluster_.coordinator_of(0, name)];
  constexpr int kPicks = 600;
  for (int i = 0; i < kPicks; ++i) {
    const std::vector<std::string> key = bulks(run(0, {"RANDOMKEY"}));
    ASSERT_EQ(key.size(), 1U);
    ASSERT_TRUE(names_.contains(key[0])) << key[0];
    ++picked[cluster_.coordinator_of(0, key[0])];
  }
  for (const auto& [node, keys] : there) EXPECT_NEAR(picked[node], kPicks * keys / 30, 75) << node;
}

TEST_P(ClusterKeyspace, ScanOfAnEmptyClusterIsShort) {
  ASSERT_NO_FATAL_FAILURE(start());
  size_t pages = 0;
  EXPECT_EQ(scan({}, &pages).size(), 0U);
  EXPECT_LE(pages, 10U);
  EXPECT_EQ(run(0, {"SCAN", "x"}), "-ERR invalid cursor\r\n");
  EXPECT_EQ(run(0, {"SCAN", "0", "COUNT", "0"}), "-ERR syntax error\r\n");
  EXPECT_EQ(run(0, {"SCAN", "0", "COUNT", "y"}), redis::kNotAnInteger);
  EXPECT_EQ(run(0, {"SCAN", "18446744073709551615"}), "*2\r\n$1\r\n0\r\n*0\r\n");
}

// Keys that are there throughout are met, whoever coordinates their slots meanwhile.
TEST_P(ClusterKeyspace, ScanMeetsEveryKeyWhileCoordinatorsChange) {
  ASSERT_NO_FATAL_FAILURE(start());
  ASSERT_NO_FATAL_FAILURE(set_keys(300));
  std::set<std::string> met;
  std::string cursor = "0";
  unsigned down = 0, pages = 0;
  do {
    if (pages % 8 == 2) {
      if (pages > 2) {
        ASSERT_NO_FATAL_FAILURE(cluster_.start(down));
      }
      cluster_.world().run_for(2 * kSecond);
      down = pages / 8 % cluster_.size();
      cluster_.crash(down);
    }
    // Others come; some of them as their coordinator crashes.
    (void)run(up(pages), {"SET", "other-" + std::to_string(pages), "v"});
    const std::string reply = run(up(pages), {"SCAN", cursor});
    std::vector<std::string> words = bulks(reply);
    ASSERT_THAT(reply, StartsWith("*2")) << pages;
    cursor = words[0];
    met.insert(words.begin() + 1, words.end());
    ++pages;
  } while (cursor != "0");
  EXPECT_GT(pages, 12U);
  EXPECT_TRUE(std::ranges::includes(met, names_));
}

TEST_P(ClusterKeyspace, CountsEveryKeyWithANodeDown) {
  ASSERT_NO_FATAL_FAILURE(start());
  ASSERT_NO_FATAL_FAILURE(set_keys(60));
  cluster_.crash(1);
  // Not yet known to be down: asked for in vain, then the next replica is.
  EXPECT_EQ(run(0, {"DBSIZE"}), integer(60));
  cluster_.world().run_for(kSecond);
  for (unsigned node = 0; node < cluster_.size(); ++node) {
    if (node == 1) continue;
    EXPECT_EQ(run(node, {"DBSIZE"}), integer(60));
    EXPECT_THAT(bulks(run(node, {"KEYS", "*"})), UnorderedElementsAreArray(names_));
    EXPECT_THAT(run(node, {"INFO"}), HasSubstr("db0:keys=60,"));
  }
  EXPECT_EQ(scan(), names());
  EXPECT_EQ(run(0, {"FLUSHALL"}), kOk);
  EXPECT_EQ(run(2, {"DBSIZE"}), integer(0));
}

TEST_P(ClusterKeyspace, FlushReachesEveryNodeAlsoOneThatWasAway) {
  ASSERT_NO_FATAL_FAILURE(start());
  ASSERT_NO_FATAL_FAILURE(set_keys(60));
  EXPECT_EQ(run(1, {"FLUSHALL"}), kOk);
  for (unsigned node = 0; node < cluster_.size(); ++node) {
    EXPECT_EQ(run(node, {"DBSIZE"}), integer(0));
    for (int i = 0; i < 60; i += 7) EXPECT_EQ(run(node, {"GET", key_of(i)}), redis::kNull);
  }
  cluster_.world().run_for(kSecond);
  EXPECT_EQ(resident_keys(), 0U);
  ASSERT_NO_FATAL_FAILURE(set_keys(60));
  cluster_.crash(2);
  cluster_.world().run_for(kSecond);
  EXPECT_EQ(run(0, {"FLUSHALL", "SYNC"}), kOk);
  ASSERT_EQ(run(0, {"SET", "after", "v"}), kOk);
  ASSERT_NO_FATAL_FAILURE(cluster_.start(2));
  cluster_.world().run_for(3 * kSecond);
  for (unsigned node = 0; node < cluster_.size(); ++node) {
    EXPECT_EQ(run(node, {"DBSIZE"}), integer(1)) << node;
    EXPECT_EQ(run(node, {"KEYS", "*"}), "*1\r\n$5\r\nafter\r\n") << node;
    for (int i = 0; i < 60; i += 7) EXPECT_EQ(run(node, {"GET", key_of(i)}), redis::kNull);
  }
}

TEST_P(ClusterKeyspace, FlushIsRefusedWhereTooFewReplicasWouldHaveIt) {
  ASSERT_NO_FATAL_FAILURE(start());
  ASSERT_NO_FATAL_FAILURE(set_keys(30));
  std::vector<unsigned> others;
  for (unsigned node = 1; node < cluster_.size(); ++node) others.push_back(node);
  cluster_.part({0}, others);
  cluster_.world().run_for(kSecond);
  const std::string refusal = run(0, {"FLUSHALL"});
  EXPECT_THAT(refusal, StartsWith("-NOQUORUM "));
  EXPECT_THAT(refusal, HasSubstr(" of 3 replicas of slot "));
  EXPECT_THAT(run(0, {"INFO", "keyspace"}), StartsWith("$"));
  if (cluster_.size() == 3) {
    EXPECT_EQ(run(0, {"DBSIZE"}), integer(30));
  } else {
    // Some slots have all their replicas on the other side.
    for (const Words& words : {Words{"DBSIZE"}, {"KEYS", "*"}, {"RANDOMKEY"}}) {
      EXPECT_THAT(run(0, words), StartsWith("-CLUSTERDOWN "));
    }
  }
  cluster_.heal();
  cluster_.world().run_for(kSecond);
  EXPECT_EQ(run(0, {"DBSIZE"}), integer(30));
  EXPECT_EQ(run(0, {"FLUSHALL"}), kOk);
  EXPECT_EQ(run(1, {"DBSIZE"}), integer(0));
}

// Two of three replicas have the flush, which is enough; the third must not show what it removed.
TEST(ClusterFlush, IsSeenThroughAReplicaThatHasNotHeardOfIt) {
  SimCluster cluster(13, 3);
  cluster.options().policy = storage::SyncPolicy::always;
  ASSERT_NO_FATAL_FAILURE(cluster.start());
  constexpr int kKeys = 60;
  for (int i = 0; i < kKeys; ++i) ASSERT_EQ(cluster.run(0, {"SET", key_of(i), "7"}), kOk);
  cluster.world().run_for(kSecond);
  cluster.part({0}, {2});
  EXPECT_EQ(cluster.run(1, {"FLUSHALL"}), kOk);
  cluster.world().run_for(kSecond);
  int unheard = 0, again = 0;
  storage::ShardStore& store = *cluster.node(2).shards()[0].store;
  for (int i = 0; i < kKeys; ++i) {
    const auto name = key_of(i);
    const bool shown = store.find(object::Key::of(name, 0, SimNode::kClusterHashSeed)) != nullptr;
    unheard += shown ? 1 : 0;
    EXPECT_EQ(cluster.run(2, {"GET", name}), redis::kNull) << i;
    // What is changed there starts from nothing.
    if (!shown || cluster.coordinator_of(2, name) != 2) continue;
    EXPECT_EQ(cluster.run(2, {"INCR", name}), integer(1)) << i;
    ++again;
  }
  EXPECT_GT(unheard, kKeys / 6);
  EXPECT_GT(again, 0);
  cluster.heal();
  cluster.world().run_for(3 * kSecond);
  for (unsigned node = 0; node < 3; ++node) {
    EXPECT_EQ(cluster.run(node, {"DBSIZE"}), integer(again));
  }
}

// A flush comes behind what its connection has sent before, and before what it sends then.
TEST_P(ClusterKeyspace, KeepsTheOrderOfTheConnection) {
  ASSERT_NO_FATAL_FAILURE(start());
  const auto wire = cluster_.connect(0);
  std::string requests, replies;
  const auto say = [&](const Words& words, const std::string& reply) {
    requests += redis::encode_request(words);
    replies += reply;
  };
  for (int i = 0; i < 20; ++i) say({"SET", key_of(i), "v"}, kOk);
  say({"DBSIZE"}, integer(20));
  say({"FLUSHALL"}, kOk);
  for (int i = 0; i < 20; ++i) say({"INCR", key_of(i)}, integer(1));
  say({"DBSIZE"}, integer(20));
  say({"PING"}, "+PONG\r\n");
  SimNode::send(*wire, requests);
  cluster_.world().run_until([&] { return wire->to_client.size() >= replies.size(); },
                             cluster_.world().now_us() + kPatienceUs);
  EXPECT_EQ(wire->to_client, replies);
}

// CLUSTER COUNTKEYSINSLOT and GETKEYSINSLOT speak of this node.
TEST(ClusterSlots, AreThoseOfTheNode) {
  SimCluster cluster(11, 5);
  ASSERT_NO_FATAL_FAILURE(cluster.start());
  ASSERT_EQ(cluster.run(0, {"SET", "k", "v"}), kOk);
  cluster.world().run_for(kSecond);
  const std::string slot = std::to_string(cluster.slot_of("k"));
  int holders = 0;
  for (unsigned node = 0; node < 5; ++node) {
    const std::string count = cluster.run(node, {"CLUSTER", "COUNTKEYSINSLOT", slot});
    const std::string keys = cluster.run(node, {"CLUSTER", "GETKEYSINSLOT", slot, "10"});
    holders += count == integer(1) ? 1 : 0;
    EXPECT_EQ(keys, count == integer(1) ? "*1\r\n$1\r\nk\r\n" : "*0\r\n");
  }
  EXPECT_EQ(holders, 3);
}

// An answer that does not fit into one message comes in several.
TEST(ClusterKeys, ThatDoNotFitIntoOneMessageAreAllAnswered) {
  SimCluster cluster(12, 3);
  ASSERT_NO_FATAL_FAILURE(cluster.start());
  constexpr int kKeys = 600;
  constexpr size_t kNameBytes = 60'000;
  for (int i = 0; i < kKeys; ++i) {
    const std::string number = std::to_string(i);
    ASSERT_EQ(cluster.run(i % 3, {"SET", number + std::string(kNameBytes, 'x'), "v"}), kOk);
  }
  std::set<std::string> numbers;
  for (const std::string& name : bulks(cluster.run(0, {"KEYS", "*"}))) {
    numbers.insert(name.substr(0, name.find('x')));
  }
  EXPECT_EQ(numbers.size(), static_cast<size_t>(kKeys));
  numbers.clear();
  for (std::string cursor; cursor != "0";) {
    const std::string reply =
        cluster.run(0, {"SCAN", cursor.empty() ? "0" : cursor, "COUNT", "100000"});
    const std::vector<std::string> words = bulks(reply);
    ASSERT_FALSE(words.empty()) << reply;
    cursor = words[0];
    for (size_t i = 1; i < words.size(); ++i)
      numbers.insert(words[i].substr(0, words[i].find('x')));
  }
  EXPECT_EQ(numbers.size(), static_cast<size_t>(kKeys));
}

}  // namespace
}  // namespace quorate::sim
