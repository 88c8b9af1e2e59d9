#include "quorate/cluster/gossip.h"

#include <algorithm>
#include <cstdio>
#include <gtest/gtest.h>
#include <vector>

#include "cluster/gossip_cluster.h"

namespace quorate::cluster {
namespace {

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr unsigned kMany = 60;
constexpr uint64_t kLongRunUs = 300'000'000;
#else
constexpr unsigned kMany = 300;
constexpr uint64_t kLongRunUs = 3'600'000'000;
#endif

using sim::kSecond;

TEST(Gossip, TwoStrangersBecomeOneClusterWhenOneExchangesWithTheOther) {
  GossipCluster cluster(2, false, 1);
  cluster.start_all();
  cluster.world().run_for(kSecond);
  EXPECT_EQ(cluster.gossip(0).members().size(), 1U);
  cluster.gossip(0).exchange_with(GossipCluster::id(1));
  cluster.world().run_for(kSecond);
  EXPECT_EQ(cluster.gossip(0).members().size(), 2U);
  EXPECT_TRUE(cluster.lists_equal());
}

TEST(Gossip, TwoClustersBecomeOne) {
  GossipCluster cluster(20, false, 2);
  cluster.start_all();
  for (unsigned i = 1; i < 10; ++i) cluster.gossip(i).exchange_with(GossipCluster::id(0));
  for (unsigned i = 11; i < 20; ++i) cluster.gossip(i).exchange_with(GossipCluster::id(10));
  cluster.world().run_for(10 * kSecond);
  ASSERT_EQ(cluster.gossip(5).members().size(), 10U);
  cluster.gossip(7).exchange_with(GossipCluster::id(13));
  cluster.world().run_for(10 * kSecond);
  EXPECT_EQ(cluster.gossip(19).members().size(), 20U);
  EXPECT_TRUE(cluster.lists_equal());
}

// How long until every node has the new weight of one; by node, sorted.
std::vector<uint64_t> spreading_times(GossipCluster& cluster, unsigned changed, uint32_t weight) {
  const uint64_t begin = cluster.world().now_us();
  cluster.change_weight(changed, weight);
  std::vector<uint64_t> times(cluster.size(), UINT64_MAX);
  const auto all = [&] {
    bool everyone = true;
    for (unsigned i = 0; i < cluster.size(); ++i) {
      if (times[i] != UINT64_MAX) continue;
      if (cluster.gossip(i).members().find(GossipCluster::id(changed))->weight == weight) {
        times[i] = cluster.world().now_us() - begin;
      } else {
        everyone = false;
      }
    }
    return everyone;
  };
  while (!all() && cluster.world().now_us() < begin + 60 * kSecond) cluster.world().run_for(50'000);
  std::ranges::sort(times);
  return times;
}

TEST(Gossip, AChangeReachesEveryoneWithinSecondsAlsoWithLateMessages) {
  GossipCluster cluster(kMany, true, 3);
  cluster.start_all();
  cluster.world().run_for(5 * kSecond);
  for (const unsigned late_percent : {0U, 10U}) {
    cluster.links().late_percent = late_percent;
    uint64_t slowest = 0;
    std::vector<uint64_t> medians;
    for (unsigned round = 0; round < 10; ++round) {
      const auto times = spreading_times(cluster, round * 5, 2 + round + late_percent);
      medians.push_back(times[times.size() / 2]);
      slowest = std::max(slowest, times.back());
    }
    std::ranges::sort(medians);
    std::printf("%u members, %u %% late: reached after %.2f s (median), the last after %.2f s\n",
                kMany, late_percent, static_cast<double>(medians.back()) / 1e6,
                static_cast<double>(slowest) / 1e6);
    EXPECT_LE(medians.back(), 2 * kSecond);
    EXPECT_LE(slowest, 10 * kSecond);
  }
}

TEST(Gossip, LostMessagesOnlyDelayAChange) {
  GossipCluster cluster(30, true, 4);
  cluster.links().lost_percent = 40;
  cluster.start_all();
  cluster.world().run_for(5 * kSecond);
  EXPECT_LE(spreading_times(cluster, 3, 7).back(), 20 * kSecond);
}

TEST(Gossip, ACrashedNodeIsSuspectedByAllAndThenDead) {
  for (const unsigned nodes : {3U, kMany}) {
    GossipCluster cluster(nodes, true, 5);
    cluster.start_all();
    cluster.world().run_for(10 * kSecond);
    cluster.crash(1);
    const uint64_t begin = cluster.world().now_us();
    const auto noticed = [&] { return cluster.seen_as(1, Liveness::alive) == 0; };
    // Someone probes it within a round or so (on average e/(e-1) intervals), then it spreads.
    ASSERT_TRUE(cluster.world().run_until(noticed, begin + 8 * kSecond)) << nodes;
    const double noticed_s = static_cast<double>(cluster.world().now_us() - begin) / 1e6;
    const auto dead = [&] { return cluster.seen_as(1, Liveness::dead) == nodes - 1; };
    ASSERT_TRUE(cluster.world().run_until(dead, begin + 80 * kSecond)) << nodes;
    std::printf("%u members: a crashed one suspected by all after %.1f s, dead after %.1f s\n",
                nodes, noticed_s, static_cast<double>(cluster.world().now_us() - begin) / 1e6);
    for (unsigned i = 0; i < nodes; ++i) {
      if (i == 1) continue;
      EXPECT_EQ(cluster.seen_as(i, Liveness::alive), nodes - 2) << i;
    }
  }
}

TEST(Gossip, WhoIsDoubtedAndDoesNotAnswerIsSuspectedAtOnce) {
  for (const unsigned nodes : {3U, kMany}) {
    GossipCluster cluster(nodes, true, 11);
    cluster.start_all();
    cluster.world().run_for(10 * kSecond);
    cluster.crash(1);
    for (int again = 0; again < 3; ++again) cluster.gossip(0).doubt(GossipCluster::id(1));
    cluster.world().run_for(kSecond / 2);
    EXPECT_EQ(cluster.gossip(0).liveness(GossipCluster::id(1)), Liveness::suspected) << nodes;
    EXPECT_EQ(cluster.gossip(0).statistics().probes_failed, 1U);
  }
}

TEST(Gossip, WhoAnswersIsDoubtedInVain) {
  GossipCluster cluster(10, true, 12);
  cluster.start_all();
  for (unsigned i = 0; i < 100; ++i) {
    cluster.gossip(i % 10).doubt(GossipCluster::id((i + 1) % 10));
    cluster.world().run_for(kSecond / 10);
  }
  cluster.gossip(0).doubt(GossipCluster::id(99));  // nobody knows it
  cluster.world().run_for(kSecond);
  EXPECT_EQ(cluster.events().suspected, 0U);
  EXPECT_EQ(cluster.gossip(0).health(), 0U);
}

TEST(Gossip, ANodeThatComesBackIsAliveForAll) {
  GossipCluster cluster(10, true, 6);
  cluster.start_all();
  cluster.world().run_for(5 * kSecond);
  cluster.crash(4);
  cluster.world().run_for(60 * kSecond);
  ASSERT_EQ(cluster.seen_as(4, Liveness::dead), 9U);
  cluster.change_weight(7, 3);
  cluster.world().run_for(10 * kSecond);
  cluster.restart(4);
  cluster.world().run_for(10 * kSecond);
  EXPECT_EQ(cluster.seen_as(4, Liveness::alive), 9U);
  EXPECT_TRUE(cluster.lists_equal()) << "it learnt what happened meanwhile";
}

TEST(Gossip, APartitionHeals) {
  GossipCluster cluster(20, true, 7);
  cluster.start_all();
  cluster.world().run_for(5 * kSecond);
  for (unsigned i = 0; i < 8; ++i) cluster.set_side(i, 1);
  cluster.world().run_for(120 * kSecond);
  EXPECT_EQ(cluster.seen_as(0, Liveness::dead), 12U);
  EXPECT_EQ(cluster.seen_as(19, Liveness::dead), 8U);
  cluster.change_weight(2, 5);
  cluster.change_weight(15, 6);
  cluster.world().run_for(10 * kSecond);
  for (unsigned i = 0; i < 8; ++i) cluster.set_side(i, 0);
  cluster.world().run_for(40 * kSecond);
  for (unsigned i = 0; i < 20; ++i) EXPECT_EQ(cluster.seen_as(i, Liveness::alive), 19U) << i;
  EXPECT_TRUE(cluster.lists_equal());
}

TEST(Gossip, AForgottenNodeLeavesAllListsAndLearnsOfIt) {
  GossipCluster cluster(10, true, 8);
  cluster.start_all();
  cluster.world().run_for(5 * kSecond);
  cluster.crash(3);
  cluster.world().run_for(60 * kSecond);
  Member gone = *cluster.gossip(0).members().find(GossipCluster::id(3));
  ++gone.version;
  gone.status = MemberStatus::left;
  cluster.gossip(0).announce(gone);
  cluster.world().run_for(10 * kSecond);
  EXPECT_EQ(cluster.gossip(9).members().size(), 9U);
  EXPECT_TRUE(cluster.lists_equal());
  EXPECT_EQ(cluster.events().removed, 0U);
  cluster.restart(3);
  cluster.world().run_for(10 * kSecond);
  EXPECT_GT(cluster.events().removed, 0U);
  EXPECT_EQ(cluster.gossip(9).members().size(), 9U) << "it does not come back by itself";
}

// Told directly, or it would find the member dead for as long as nobody gossips of it.
TEST(Gossip, WhoMissedARefutationHearsItFromTheMemberItself) {
  GossipCluster cluster(5, true, 12);
  cluster.start_all();
  cluster.world().run_for(5 * kSecond);
  cluster.set_side(1, 1);
  cluster.world().run_for(60 * kSecond);
  ASSERT_EQ(cluster.seen_as(1, Liveness::dead), 4U);
  // Node 4 hears nobody while the others take node 1 back.
  cluster.set_side(1, 0);
  cluster.set_side(4, 2);
  cluster.world().run_for(60 * kSecond);
  ASSERT_EQ(cluster.seen_as(1, Liveness::alive), 3U);
  cluster.set_side(4, 0);
  cluster.world().run_for(30 * kSecond);
  EXPECT_EQ(cluster.seen_as(1, Liveness::alive), 4U);
  EXPECT_EQ(cluster.seen_as(4, Liveness::alive), 4U);
}

TEST(Gossip, ARecordFromAnEarlierLifeDoesNotOverrideTheOwn) {
  GossipCluster cluster(3, true, 9);
  cluster.start_all();
  cluster.world().run_for(5 * kSecond);
  Member foreign = *cluster.gossip(0).members().find(GossipCluster::id(1));
  foreign.version += 10;
  foreign.weight = 9;
  cluster.gossip(0).announce(foreign);
  cluster.world().run_for(5 * kSecond);
  EXPECT_EQ(cluster.gossip(1).members().find(GossipCluster::id(1))->weight, 1U);
  EXPECT_TRUE(cluster.lists_equal());
  EXPECT_EQ(cluster.gossip(2).members().find(GossipCluster::id(1))->weight, 1U);
}

// Nodes that take `extra` longer for all they send and hear, and one after the other that does
// nothing for two seconds. Nobody may be found dead.
void expect_no_deaths(sim::Delay extra, uint64_t run_us) {
  GossipCluster cluster(kMany, true, 10);
  for (unsigned i = 0; i < std::max(kMany / 100, 1U); ++i) cluster.set_slow(i, extra);
  cluster.start_all();
  for (uint64_t time = 0; time < run_us; time += 4 * kSecond) {
    const auto busy = static_cast<unsigned>(cluster.world().random().below(kMany));
    cluster.stand_still(busy, 2 * kSecond);
    cluster.world().run_for(4 * kSecond);
  }
  std::printf("%u members for %.0f s, slow ones by up to %.1f s: %llu suspicions, %llu deaths\n",
              kMany, static_cast<double>(run_us) / 1e6, static_cast<double>(extra.max_us) / 1e6,
              static_cast<unsigned long long>(cluster.events().suspected),
              static_cast<unsigned long long>(cluster.events().dead));
  EXPECT_EQ(cluster.events().dead, 0U);
  EXPECT_GT(cluster.events().suspected, 0U) << "the test must meet what it is about";
}

TEST(Gossip, SlowAndBusyNodesAreNeverFoundDead) { expect_no_deaths({50'000, 400'000}, kLongRunUs); }

TEST(Gossip, NodesSlowerThanEveryProbeAreSuspectedButNeverFoundDead) {
  expect_no_deaths({100'000, 900'000}, kLongRunUs / 12);
}

TEST(Gossip, GarbageIsCountedAndHarmsNothing) {
  GossipCluster cluster(3, true, 11);
  cluster.start_all();
  cluster.world().run_for(kSecond);
  const uint64_t digest = cluster.gossip(0).members().digest();
  for (const std::string_view bytes :
       {"", "\x01", "\x01\x09", "PING\r\n", "\x07\x02\x03\x04\x05"}) {
    cluster.gossip(0).receive(GossipCluster::id(1), bytes);
  }
  EXPECT_EQ(cluster.gossip(0).statistics().malformed, 5U);
  EXPECT_EQ(cluster.gossip(0).members().digest(), digest);
}

}  // namespace
}  // namespace quorate::cluster
