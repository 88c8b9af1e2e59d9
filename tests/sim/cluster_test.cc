// Several nodes as one store: every command through every node, and what is left when nodes and
// links fail.
#include <gtest/gtest.h>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "quorate/storage/stored_object.h"

#include "redis/reply_text.h"
#include "sim/rival_coordinators.h"
#include "sim/seeds.h"
#include "sim/sim_cluster.h"

namespace quorate::sim {
namespace {

using coordinator::Replicator;
using redis::bulk;
using redis::integer;
using redis::kOk;

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
                            cluster.world().now_us() + kPatienceUs);
  EXPECT_EQ(wire->to_client, replies);
}

// A read goes to a replica that is at hand, what changes the key to its coordinator.
TEST(Cluster, AReadDoesNotSeeWhatFollowsItInItsPipeline) {
  SimCluster cluster(8, 3);
  ASSERT_NO_FATAL_FAILURE(cluster.start());
  cluster.world().run_for(5 * kSecond);
  for (int i = 0; i < 30; ++i) {
    const std::string key = key_of(i);
    const unsigned through = static_cast<unsigned>(i) % 3;
    ASSERT_EQ(cluster.run(through, {"SET", key, "1"}), kOk);
    const auto wire = cluster.connect(through);
    const uint64_t begin = cluster.world().now_us();
    SimNode::send(
        *wire, redis::encode_request({"GET", key}) + redis::encode_request({"SET", key, "2"}) +
                   redis::encode_request({"STRLEN", key}) + redis::encode_request({"INCR", key}));
    const std::string replies = bulk("1") + kOk + integer(1) + integer(3);
    cluster.world().run_until([&] { return wire->to_client.size() >= replies.size(); },
                              cluster.world().now_us() + kPatienceUs);
    EXPECT_EQ(wire->to_client, replies) << i;
    EXPECT_LT(cluster.world().now_us() - begin, 20'000U) << "nothing was refused and sent again";
  }
}

Replicator::Statistics changes_of(SimCluster& cluster, unsigned node) {
  return cluster.node(node).shards()[0].cluster->replicator().statistics();
}

// Who asks is a replica itself: its own copy is what the answer waits for.
TEST(Cluster, AForwardedChangeIsAnsweredWithItsCopy) {
  constexpr uint64_t kTripUs = 5'000;
  SimCluster cluster(17, 3, {}, {.delay = {kTripUs, kTripUs}});
  ASSERT_NO_FATAL_FAILURE(cluster.start());
  cluster.world().run_for(5'000'000);
  for (int i = 0; i < 30; ++i) {
    const std::string key = key_of(i);
    const unsigned home = cluster.coordinator_of(0, key);
    for (unsigned through = 0; through < 3; ++through) {
      const uint64_t begin = cluster.world().now_us();
      ASSERT_EQ(cluster.run(through, {"INCR", key}), integer(through + 1));
      const uint64_t took_us = cluster.world().now_us() - begin;
      // There and back either way.
      EXPECT_GE(took_us, 2 * kTripUs) << i << " " << home << through;
      EXPECT_LT(took_us, 2 * kTripUs + kTripUs / 2) << i << " " << home << through;
    }
  }
  cluster.world().run_for(1'000'000);
  uint64_t left = 0;
  for (unsigned node = 0; node < 3; ++node) left += changes_of(cluster, node).answers_left;
  EXPECT_EQ(left, 60U);
}

// A pipeline through one node, whose keys are coordinated everywhere; more than one turn is on its
// way at any time.
TEST(Cluster, AnswersThatLeaveEarlyKeepTheirOrder) {
  SimCluster cluster(18, 3, {}, {.delay = {100, 2'000}});
  ASSERT_NO_FATAL_FAILURE(cluster.start());
  cluster.world().run_for(5'000'000);
  constexpr int kConnections = 5, kRounds = 100;
  std::vector<std::shared_ptr<redis::Wire>> wires;
  std::vector<std::string> expected(kConnections);
  for (int i = 0; i < kConnections; ++i) wires.push_back(cluster.connect(0));
  for (int round = 0; round < kRounds; ++round) {
    for (int i = 0; i < kConnections; ++i) {
      const std::string key = key_of(round % 7) + "-" + std::to_string(i);
      SimNode::send(*wires[i], redis::encode_request({"INCR", key}) +
                                   redis::encode_request({"SET", key + "x", "v"}));
      expected[i] += integer(round / 7 + 1) + kOk;
    }
    cluster.world().run_for(300);
  }
  cluster.world().run_for(1'000'000);
  for (int i = 0; i < kConnections; ++i) EXPECT_EQ(wires[i]->to_client, expected[i]) << i;
  uint64_t left = 0, taken_back = 0;
  for (unsigned node = 1; node < 3; ++node) {
    left += changes_of(cluster, node).answers_left;
    taken_back += changes_of(cluster, node).answers_taken_back;
  }
  EXPECT_GT(left, 100U);
  EXPECT_LT(taken_back, left / 10);
}

TEST(Cluster, NoAnswerLeavesEarlyUnlessOneMoreCopyIsEnough) {
  for (const cluster::Quorum quorum : {cluster::Quorum{3, 1, 3}, cluster::Quorum{3, 3, 1}}) {
    SimCluster cluster(19, 3, quorum);
    ASSERT_NO_FATAL_FAILURE(cluster.start());
    cluster.world().run_for(5'000'000);
    for (int i = 0; i < 20; ++i) {
      ASSERT_EQ(cluster.run(i % 3, {"SET", key_of(i), "v"}), kOk);
      if (quorum.write != 3) continue;
      for (unsigned node = 0; node < 3; ++node) EXPECT_TRUE(holds(cluster, node, key_of(i)));
    }
    for (unsigned node = 0; node < 3; ++node) {
      EXPECT_EQ(changes_of(cluster, node).answers_left, 0U);
    }
  }
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

// One replica had more than the flush covers, and keeps a tombstone where the others have nothing.
TEST(Cluster, ReplicasAgreeOnWhatAFlushTook) {
  SimCluster cluster(11, 3, {3, 3, 1});
  ASSERT_NO_FATAL_FAILURE(cluster.start());
  ASSERT_EQ(cluster.run(0, {"SET", "k{a}", "v"}), kOk);
  cluster.world().run_for(1'000'000);
  cluster.part({2}, {0, 1});
  cluster.world().run_for(1'000'000);
  auto& shard = cluster.node(2).shards()[0];
  shard.loop->post([&store = *shard.store] {
    const auto other = object::Key::of("other{a}", 0, SimNode::kClusterHashSeed);
    store.put(other, store.find(other), {storage::Form::raw, 0, "v"});
  });
  cluster.node(0).shards()[0].loop->post(
      [&store = *cluster.node(0).shards()[0].store] { store.flush(0); });
  cluster.world().run_for(1'000'000);
  cluster.heal();
  cluster.world().run_for(5'000'000);
  ASSERT_FALSE(holds(cluster, 2, "k{a}"));
  for (unsigned node = 0; node < 3; ++node) {
    EXPECT_EQ(cluster.run(node, {"GET", "k{a}"}), redis::kNull) << node;
    EXPECT_EQ(cluster.run(node, {"GET", "other{a}"}), bulk("v")) << node;
  }
}

// Whether the one who asks or one who is asked has missed it.
TEST(Cluster, ReadsOfAllReplicasSeeThroughAFlushThatOneMissed) {
  for (unsigned away = 0; away < 3; ++away) {
    SCOPED_TRACE(away);
    SimCluster cluster(12 + away, 3, {3, 3, 1});
    cluster.options().settles = false;  // which would repair it
    cluster.options().replicator.unacknowledged_bytes_max = 4096;
    cluster.options().replicator.catch_up_us = 3'600'000'000;
    ASSERT_NO_FATAL_FAILURE(cluster.start());
    ASSERT_EQ(cluster.run(0, {"SET", "k{a}", "v"}), kOk);
    cluster.world().run_for(1'000'000);
    cluster.part({away}, {(away + 1) % 3, (away + 2) % 3});
    cluster.world().run_for(1'000'000);
    const unsigned other = (away + 1) % 3;
    auto& shard = cluster.node(other).shards()[0];
    shard.loop->post([&store = *shard.store] {
      store.flush(0);
      const auto big = object::Key::of("big{b}", 0, SimNode::kClusterHashSeed);
      store.put(big, store.find(big), {storage::Form::raw, 0, std::string(5000, 'b')});
    });
    cluster.world().run_for(1'000'000);
    cluster.heal();
    cluster.world().run_for(5'000'000);
    ASSERT_TRUE(holds(cluster, away, "k{a}"));
    for (unsigned node = 0; node < 3; ++node) {
      EXPECT_EQ(cluster.run(node, {"GET", "k{a}"}), redis::kNull) << node;
    }
    EXPECT_FALSE(holds(cluster, away, "k{a}"));
  }
}

// Each reads before it changes a key, or relies on a promise; the third one counts for one of them.
TEST(Cluster, OneOfTwoCoordinatorsAtMostGetsItsCopies) {
  const auto [first, count] = Seeds::from_environment(5);
  unsigned keys = 0, by_one = 0;
  for (uint64_t seed = first; seed < first + count; ++seed) {
    const RivalChanges changes = let_rivals_change(seed);
    EXPECT_EQ(changes.by_both, 0U) << "seed " << seed;
    keys += changes.keys;
    by_one += changes.by_one;
  }
  EXPECT_GE(keys, 10 * count);
  EXPECT_GE(by_one, keys / 2);  // neither only if both are overtaken on the way
}

// Also if it is the third one that asks, and gives the answer itself.
TEST(Cluster, NoAnswerLeavesEarlyToWhoCountsForARival) {
  const auto [first, count] = Seeds::from_environment(5);
  unsigned keys = 0;
  uint64_t early = 0;
  for (uint64_t seed = first; seed < first + count; ++seed) {
    const RivalChanges changes = let_rivals_change(seed, RivalAskedBy::the_third);
    EXPECT_EQ(changes.by_both, 0U) << "seed " << seed;
    keys += changes.keys;
    early += changes.early;
  }
  EXPECT_GE(keys, 10 * count);
  EXPECT_GE(early, count) << "some come before the rival";
}

uint64_t checks(SimCluster& cluster) {
  uint64_t sum = 0;
  for (unsigned i = 0; i < cluster.size(); ++i) {
    if (!cluster.node(i).running()) continue;
    sum += cluster.node(i).shards()[0].cluster->reads().statistics().checks;
  }
  return sum;
}

bool all_settled(SimCluster& cluster) {
  size_t settled = 0;
  for (unsigned i = 0; i < cluster.size(); ++i) {
    settled += cluster.node(i).shards()[0].cluster->settled().count();
  }
  return settled == object::kSlots;
}

TEST(Cluster, ChangesNeedNoReadWhereSlotsAreSettled) {
  SimCluster cluster(31, 3);
  ASSERT_NO_FATAL_FAILURE(cluster.start());
  cluster.world().run_for(10'000'000);
  EXPECT_TRUE(all_settled(cluster));
  const uint64_t before = checks(cluster);
  for (unsigned i = 0; i < 30; ++i) {
    const std::string key = "key" + std::to_string(i % 10);
    ASSERT_EQ(cluster.run(i % 3, {"APPEND", key, "x"}), ":" + std::to_string(i / 10 + 1) + "\r\n");
  }
  EXPECT_EQ(checks(cluster), before);
  ASSERT_EQ(cluster.run(0, {"GET", "key1"}), "$3\r\nxxx\r\n");
  EXPECT_GT(checks(cluster), before);
}

// Each change that was sent meanwhile relied on a promise of the life before.
TEST(Cluster, WhoWasAwayForManyChangesIsDoubtedForAMoment) {
  SimCluster cluster(34, 3);
  ASSERT_NO_FATAL_FAILURE(cluster.start());
  cluster.world().run_for(10'000'000);
  ASSERT_TRUE(all_settled(cluster));
  cluster.crash(2);
  for (unsigned i = 0; i < 500; ++i)
    (void)cluster.run(i % 2, {"SET", key_of(static_cast<int>(i)), "v"});
  cluster.start(2);
  cluster.world().run_for(10'000'000);
  EXPECT_TRUE(all_settled(cluster));
  for (unsigned node = 0; node < 2; ++node) {
    const auto& shard = *cluster.node(node).shards()[0].cluster;
    EXPECT_GE(shard.settled().statistics().doubts, 1U) << node;
    EXPECT_LE(shard.settled().statistics().doubts, 20U) << node;
  }
}

TEST(Cluster, TellsHowItWorksWithOthers) {
  SimCluster cluster(33, 3);
  ASSERT_NO_FATAL_FAILURE(cluster.start());
  cluster.world().run_for(10'000'000);
  for (unsigned i = 0; i < 60; ++i) {
    ASSERT_EQ(cluster.run(i % 3, {"SET", key_of(static_cast<int>(i)), "v"}), kOk);
    ASSERT_EQ(cluster.run(i % 3, {"GET", key_of(static_cast<int>(i))}), bulk("v"));
  }
  cluster.world().run_for(1'000'000);
  coordinator::ClusterFacts all;
  for (unsigned i = 0; i < 3; ++i) {
    const auto facts = cluster.node(i).shards()[0].cluster->facts();
    EXPECT_EQ(facts.peers.size(), 2U);
    for (const auto& peer : facts.peers) {
      EXPECT_TRUE(peer.healthy && !peer.behind);
      EXPECT_EQ(peer.unacknowledged_bytes, 0U);
      EXPECT_EQ(peer.lag_us, 0U);
    }
    all.add(facts);
  }
  EXPECT_EQ(all.peers.size(), 3U);
  EXPECT_EQ(all.coordinated_slots, object::kSlots);
  EXPECT_EQ(all.settled_slots, object::kSlots);
  EXPECT_EQ(all.changes_sent, 60U);
  EXPECT_EQ(all.changes_applied, 120U);
  EXPECT_EQ(all.reads, all.read_latency.total());
  EXPECT_GE(all.reads, 60U);
  EXPECT_EQ(all.write_latency.total(), 60U);
  EXPECT_GT(all.write_latency.percentile_us(0.5), 0U);
  EXPECT_LT(all.write_latency.percentile_us(1), 1'000'000U);
  EXPECT_EQ(all.uncertain_writes, 0U);

  cluster.part({2}, {0, 1});
  cluster.world().run_for(2'000'000);
  for (int i = 0; i < 30; ++i) ASSERT_EQ(cluster.run(0, {"SET", key_of(i), "w"}), kOk);
  cluster.world().run_for(3'000'000);
  for (const auto& peer : cluster.node(0).shards()[0].cluster->facts().peers) {
    const bool away = peer.id == cluster.node(2).identity().node;
    EXPECT_EQ(peer.healthy, !away);
    EXPECT_EQ(peer.unacknowledged_bytes > 0, away);
    EXPECT_EQ(peer.lag_us >= 3'000'000, away);
  }
  EXPECT_NE(cluster.run(0, {"INFO", "peers"}).find("healthy=0,behind=0,unacknowledged_bytes="),
            std::string::npos);
}

// The others have coordinated its keys meanwhile; it must know that before it does so again, also
// if it only stood still and never noticed.
TEST(Cluster, WhoComesBackReadsBeforeItWrites) {
  for (uint64_t seed = 40; seed < 60; ++seed) {
    SCOPED_TRACE(seed);
    SimCluster cluster(seed, 3);
    // What it missed is not sent again by itself.
    cluster.options().replicator.unacknowledged_bytes_max = 4096;
    cluster.options().replicator.catch_up_us = 3'600'000'000;
    ASSERT_NO_FATAL_FAILURE(cluster.start());
    cluster.world().run_for(10'000'000);
    ASSERT_TRUE(all_settled(cluster));
    const unsigned away = cluster.coordinator_of(0, "lock");
    const unsigned other = (away + 1) % 3;
    cluster.part({away}, {other, (away + 2) % 3});
    cluster.world().run_for(2'000'000);
    ASSERT_EQ(cluster.run(other, {"SET", "lock", "held", "NX"}), kOk);
    for (int i = 0; i < 50; ++i) {
      ASSERT_EQ(cluster.run(other, {"SET", "more{lock}", std::string(100, 'm')}), kOk);
    }
    cluster.heal();
    for (unsigned tries = 0; cluster.coordinator_of(other, "lock") != away; ++tries) {
      ASSERT_LT(tries, 1000U);
      cluster.world().run_for(10'000);
    }
    // It may refuse, as long as it does not see the others.
    EXPECT_NE(cluster.run(other, {"SET", "lock", "taken", "NX"}), kOk);
    EXPECT_NE(cluster.run(away, {"SET", "lock", "taken", "NX"}), kOk);
    cluster.world().run_for(10'000'000);
    EXPECT_TRUE(all_settled(cluster));
    EXPECT_EQ(cluster.run(away, {"SET", "lock", "taken", "NX"}), redis::kNull);
  }
}

}  // namespace
}  // namespace quorate::sim
