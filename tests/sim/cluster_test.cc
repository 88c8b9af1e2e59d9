// Several nodes as one store: every command through every node, and what is left when nodes and
// links fail.
#include <gtest/gtest.h>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "quorate/storage/stored_object.h"

#include "redis/reply_text.h"
#include "sim/sim_cluster.h"

namespace quorate::sim {
namespace {

using redis::bulk;
using redis::integer;
using redis::kOk;

std::string key_of(int i) { return "key-" + std::to_string(i); }

storage::ShardStore& store_of(SimCluster& cluster, unsigned node, const std::string& key) {
  return cluster.node(node).store_of(cluster.slot_of(key));
}

// How many changes of the key's slot the node has.
uint64_t changes(SimCluster& cluster, unsigned node, const std::string& key) {
  const auto clock = store_of(cluster, node, key).clocks().clock(cluster.slot_of(key));
  uint64_t dots = 0;
  for (const auto& run : clock.runs()) dots += run.last - run.first + 1;
  return dots;
}

bool holds(SimCluster& cluster, unsigned node, const std::string& key) {
  return storage::is_visible(
      store_of(cluster, node, key).find(object::Key::of(key, 0, SimNode::kClusterHashSeed)));
}

TEST(Cluster, AnswersAsOneThroughEveryNode) {
  SimCluster cluster(1, 3);
  ASSERT_NO_FATAL_FAILURE(cluster.start());
  for (int i = 0; i < 60; ++i) {
    ASSERT_EQ(cluster.run(i % 3, {"SET", key_of(i), "v" + std::to_string(i)}), kOk);
    for (unsigned node = 0; node < 3; ++node) {
      ASSERT_EQ(cluster.run(node, {"GET", key_of(i)}), bulk("v" + std::to_string(i)));
    }
  }
  std::set<unsigned> coordinators;
  for (int i = 0; i < 60; ++i) coordinators.insert(cluster.coordinator_of(0, key_of(i)));
  EXPECT_EQ(coordinators.size(), 3U);
  for (int i = 0; i < 30; ++i) {
    ASSERT_EQ(cluster.run(i % 3, {"INCR", "counter"}), integer(i + 1));
  }
  EXPECT_EQ(cluster.run(0, {"SET", "k", "a", "NX"}), kOk);
  EXPECT_EQ(cluster.run(1, {"SET", "k", "b", "NX"}), redis::kNull);
  EXPECT_EQ(cluster.run(2, {"APPEND", "k", "bc"}), integer(3));
  EXPECT_EQ(cluster.run(0, {"DEL", "k"}), integer(1));
  EXPECT_EQ(cluster.run(1, {"GET", "k"}), redis::kNull);
  EXPECT_EQ(cluster.run(2, {"INCR", "key-1"}), redis::kNotAnInteger);
  EXPECT_EQ(cluster.run(0, {"PEXPIRE", "key-2", "5000"}), integer(1));
  cluster.world().run_for(6'000'000);
  EXPECT_EQ(cluster.run(1, {"EXISTS", "key-2"}), integer(0));
}

TEST(Cluster, CommandsOverSeveralKeysReachEveryCoordinator) {
  SimCluster cluster(2, 3);
  ASSERT_NO_FATAL_FAILURE(cluster.start());
  redis::Words mset{"MSET"}, mget{"MGET"}, del{"DEL"};
  std::string values = "*20\r\n";
  for (int i = 0; i < 20; ++i) {
    mset.insert(mset.end(), {key_of(i), std::to_string(i)});
    mget.push_back(key_of(i));
    del.push_back(key_of(i));
    values += bulk(std::to_string(i));
  }
  EXPECT_EQ(cluster.run(0, mset), kOk);
  EXPECT_EQ(cluster.run(1, mget), values);
  EXPECT_EQ(cluster.run(2, {"EXISTS", key_of(0), key_of(0), key_of(1), "none"}), integer(3));
  EXPECT_EQ(cluster.run(2, del), integer(20));
  EXPECT_EQ(cluster.run(0, {"EXISTS", key_of(3), key_of(4)}), integer(0));
  EXPECT_EQ(cluster.run(1, {"MSET", "a", "1", "b", "2", "c", "3"}), kOk);
  EXPECT_EQ(cluster.run(2, {"TOUCH", "a", "b", "none"}), integer(2));
  EXPECT_EQ(cluster.run(0, {"UNLINK", "a", "b", "none"}), integer(2));
  EXPECT_EQ(cluster.run(1, {"EXISTS", "a", "b", "c"}), integer(1));
  EXPECT_EQ(cluster.run(1, {"MSET", "a", "1", "b"}),
            "-ERR wrong number of arguments for 'mset' command\r\n");
}

TEST(Cluster, PipelinesKeepTheOrderOfEachKey) {
  SimCluster cluster(7, 3);
  ASSERT_NO_FATAL_FAILURE(cluster.start());
  constexpr int kRounds = 120, kKeys = 5;
  const auto wire = cluster.connect(0);
  std::string requests, replies;
  for (int i = 0; i < kRounds; ++i) {
    const std::string key = key_of(i % kKeys), count = std::to_string(i / kKeys + 1);
    requests += redis::encode_request({"INCR", key}) + redis::encode_request({"GET", key});
    replies += integer(i / kKeys + 1) + bulk(count);
    // In pieces, so that many are on their way when the next come.
    if (i % 7 != 6 && i != kRounds - 1) continue;
    SimNode::send(*wire, std::exchange(requests, {}));
    cluster.world().run_for(100);
  }
  cluster.world().run_until([&] { return wire->to_client.size() >= replies.size(); },
                            cluster.world().now_us() + SimCluster::kPatienceUs);
  EXPECT_EQ(wire->to_client, replies);
}

// Of five nodes three hold a key, and two have to ask them.
TEST(Cluster, NodesThatDoNotHoldAKeyServeIt) {
  SimCluster cluster(3, 5);
  ASSERT_NO_FATAL_FAILURE(cluster.start());
  for (int i = 0; i < 40; ++i) {
    ASSERT_EQ(cluster.run(i % 5, {"SET", key_of(i), "v"}), kOk);
    for (unsigned node = 0; node < 5; ++node) {
      ASSERT_EQ(cluster.run(node, {"GET", key_of(i)}), bulk("v"));
    }
  }
}

TEST(Cluster, KeepsServingWhenANodeCrashesAndWhenItReturns) {
  SimCluster cluster(4, 3);
  cluster.options().policy = storage::SyncPolicy::always;
  ASSERT_NO_FATAL_FAILURE(cluster.start());
  for (int i = 0; i < 30; ++i) ASSERT_EQ(cluster.run(0, {"SET", key_of(i), "before"}), kOk);
  cluster.crash(2);
  cluster.world().run_for(1'000'000);
  for (int i = 0; i < 30; ++i) {
    ASSERT_EQ(cluster.run(1, {"GET", key_of(i)}), bulk("before"));
    if (i % 2 != 0) continue;
    ASSERT_EQ(cluster.run(i % 4 / 2, {"SET", key_of(i), "after"}), kOk);
  }
  ASSERT_NO_FATAL_FAILURE(cluster.start(2));
  for (int i = 0; i < 30; ++i) {
    ASSERT_EQ(cluster.run(2, {"GET", key_of(i)}), bulk(i % 2 == 0 ? "after" : "before")) << i;
  }
}

TEST(Cluster, RefusesWhatTooFewReplicasWouldHave) {
  SimCluster cluster(5, 3);
  ASSERT_NO_FATAL_FAILURE(cluster.start());
  ASSERT_EQ(cluster.run(0, {"SET", "k", "v"}), kOk);
  cluster.crash(1);
  cluster.crash(2);
  cluster.world().run_for(1'000'000);
  EXPECT_EQ(cluster.run(0, {"SET", "k", "w"}),
            "-NOQUORUM 1 of 3 replicas of the key can be reached, 2 are needed to write it\r\n");
  EXPECT_EQ(cluster.run(0, {"GET", "k"}),
            "-NOQUORUM not enough replicas of the key answer: 2 are needed to read it\r\n");
  ASSERT_NO_FATAL_FAILURE(cluster.start(1));
  cluster.world().run_for(1'000'000);
  EXPECT_EQ(cluster.run(0, {"GET", "k"}), bulk("v"));
}

TEST(Cluster, CountersOfBothSidesOfAPartitionAddUp) {
  SimCluster cluster(6, 3, {3, 1, 1});
  ASSERT_NO_FATAL_FAILURE(cluster.start());
  ASSERT_EQ(cluster.run(0, {"INCRBY", "c", "100"}), integer(100));
  cluster.world().run_for(1'000'000);
  cluster.part({0}, {1, 2});
  cluster.world().run_for(1'000'000);
  for (int i = 0; i < 10; ++i) {
    EXPECT_EQ(cluster.run(0, {"INCR", "c"}), integer(101 + i));
    EXPECT_EQ(cluster.run(1, {"INCRBY", "c", "1000"}), integer(1100 + 1000 * i));
    EXPECT_EQ(cluster.run(2, {"INCRBY", "d", "1"}), integer(1 + i));
  }
  cluster.heal();
  cluster.world().run_for(20'000'000);
  for (unsigned node = 0; node < 3; ++node) {
    EXPECT_EQ(cluster.run(node, {"GET", "c"}), bulk("10110")) << node;
    EXPECT_EQ(cluster.run(node, {"GET", "d"}), bulk("10")) << node;
  }
}

TEST(Cluster, AKeyExpiresByOneChangeWhoeverLooks) {
  SimCluster cluster(8, 3);
  ASSERT_NO_FATAL_FAILURE(cluster.start());
  for (int i = 0; i < 12; ++i) {
    ASSERT_EQ(cluster.run(0, {"SET", key_of(i), "v", "PX", "2000"}), kOk);
  }
  cluster.world().run_for(1'900'000);
  // Whoever comes first to find it gone.
  for (int round = 0; round < 40; ++round) {
    cluster.world().run_for(10'000);
    for (int i = 0; i < 12; ++i) cluster.run((i + round) % 3, {"GET", key_of(i)});
  }
  cluster.world().run_for(1'000'000);
  for (int i = 0; i < 12; ++i) {
    for (unsigned node = 0; node < 3; ++node) {
      EXPECT_EQ(cluster.run(node, {"GET", key_of(i)}), redis::kNull);
      EXPECT_FALSE(holds(cluster, node, key_of(i))) << node;
      EXPECT_EQ(changes(cluster, node, key_of(i)), 2U) << node << ", " << key_of(i);
    }
  }
}

// Its clock decides, not that of a node that is ahead.
TEST(Cluster, TheCoordinatorSaysWhenAKeyExpires) {
  SimCluster cluster(9, 3);
  ASSERT_NO_FATAL_FAILURE(cluster.start());
  ASSERT_EQ(cluster.run(0, {"SET", "k", "v", "PX", "5000"}), kOk);
  const unsigned first = cluster.coordinator_of(0, "k"), other = (first + 1) % 3;
  cluster.world().set_wall_offset_ms(cluster.node(other).number(), 60'000);
  cluster.world().run_for(2'000'000);
  EXPECT_EQ(cluster.run(other, {"GET", "k"}), redis::kNull);
  EXPECT_TRUE(holds(cluster, other, "k"));
  EXPECT_EQ(cluster.run(first, {"GET", "k"}), bulk("v"));
  EXPECT_EQ(cluster.run(first, {"PERSIST", "k"}), integer(1));
  cluster.world().run_for(10'000'000);
  for (unsigned node = 0; node < 3; ++node) EXPECT_EQ(cluster.run(node, {"GET", "k"}), bulk("v"));
}

TEST(Cluster, WhoCoordinatesNextExpiresWhatTheFirstDidNot) {
  SimCluster cluster(10, 3);
  cluster.options().policy = storage::SyncPolicy::always;
  ASSERT_NO_FATAL_FAILURE(cluster.start());
  ASSERT_EQ(cluster.run(0, {"SET", "k", "v", "PX", "3000"}), kOk);
  const unsigned first = cluster.coordinator_of(0, "k");
  cluster.world().run_for(100'000);
  cluster.crash(first);
  cluster.world().run_for(6'000'000);
  for (const unsigned node : {(first + 1) % 3, (first + 2) % 3}) {
    EXPECT_FALSE(holds(cluster, node, "k")) << node;
    EXPECT_EQ(changes(cluster, node, "k"), 2U) << node;
  }
  ASSERT_NO_FATAL_FAILURE(cluster.start(first));
  cluster.world().run_for(5'000'000);
  EXPECT_EQ(cluster.run(first, {"GET", "k"}), redis::kNull);
  EXPECT_FALSE(holds(cluster, first, "k"));
}

}  // namespace
}  // namespace quorate::sim
