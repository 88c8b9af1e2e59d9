// Random clients of a cluster, whose histories must be those of one Redis.
#include "sim/cluster_history.h"

#include <gtest/gtest.h>

#include "history/linearizability.h"
#include "sim/seeds.h"

namespace quorate::sim {
namespace {

constexpr uint64_t kHistorySeeds = 5;

// No crash loses what was written, so that every policy keeps the promise; but only under some do
// answers leave early.
storage::SyncPolicy policy_of(uint64_t seed) {
  return seed % 2 == 0 ? storage::SyncPolicy::always : storage::SyncPolicy::everysec;
}

void expect_linearizable(ClusterHistoryOptions options) {
  const auto [first, count] = Seeds::from_environment(kHistorySeeds);
  size_t certain = 0;
  for (uint64_t seed = first; seed < first + count; ++seed) {
    options.policy = policy_of(seed);
    ClusterHistory history(seed, options);
    ASSERT_NO_FATAL_FAILURE(history.run()) << "seed " << seed;
    const history::Report report = history::check_linearizability(history.history());
    ASSERT_TRUE(report.linearizable()) << "seed " << seed << "\n" << report.text();
    EXPECT_EQ(history.joined(), options.joins) << "seed " << seed;
    if (options.joins != 0 && !options.crashes) {
      EXPECT_EQ(history.refused(), 0U) << "seed " << seed;
      EXPECT_LE(report.uncertain, options.clients) << "more than are under way, seed " << seed;
    }
    certain += report.operations - report.uncertain;
  }
  EXPECT_GE(certain, options.operations * count * 8 / 10);  // else it says little
}

// Else a seed that found something could not be looked at.
TEST(ClusterHistory, IsTheSameAgainForTheSameSeed) {
  ClusterHistoryOptions options = {
      .operations = 600, .link_delay = {0, 20'000}, .pauses = true, .crashes = true};
  const auto [first, count] = Seeds::from_environment(kHistorySeeds);
  for (uint64_t seed = first; seed < first + count; ++seed) {
    history::History twice[2];
    options.policy = policy_of(seed);
    for (history::History& one : twice) {
      ClusterHistory history(seed, options);
      ASSERT_NO_FATAL_FAILURE(history.run()) << "seed " << seed;
      one = history.history();
    }
    ASSERT_EQ(twice[0].size(), twice[1].size()) << "seed " << seed;
    for (size_t i = 0; i < twice[0].size(); ++i) {
      ASSERT_TRUE(twice[0][i] == twice[1][i]) << "seed " << seed << ", operation " << i;
    }
  }
}

TEST(ClusterHistory, IsLinearizableWhileHealthy) { expect_linearizable({}); }

TEST(ClusterHistory, IsLinearizableWhileNodesPause) {
  expect_linearizable({.link_delay = {0, 50'000}, .pauses = true});
}

TEST(ClusterHistory, IsLinearizableOverNodesThatDoNotHoldTheKey) {
  expect_linearizable({.nodes = 5, .clients = 10});
}

TEST(ClusterHistory, IsLinearizableWithAllReplicasInEveryWrite) {
  expect_linearizable({.quorum = {3, 1, 3}});
}

TEST(ClusterHistory, IsLinearizableWithAllReplicasInEveryRead) {
  expect_linearizable({.quorum = {3, 3, 1}});
}

TEST(ClusterHistory, IsLinearizableThroughCrashes) {
  expect_linearizable({.operations = 3000, .crashes = true});
}

TEST(ClusterHistory, IsLinearizableWhileNodesJoin) {
  expect_linearizable({.keys = 20, .operations = 6000, .joins = 2});
}

TEST(ClusterHistory, IsLinearizableWhileNodesJoinAndCrash) {
  expect_linearizable({.keys = 20, .operations = 12000, .crashes = true, .joins = 2});
}

TEST(ClusterHistory, IsLinearizableThroughPartitions) {
  expect_linearizable({.operations = 3000, .partitions = true});
}

}  // namespace
}  // namespace quorate::sim
