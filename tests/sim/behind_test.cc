// Reads through and beside nodes that do not have yet what they should have.
#include <gtest/gtest.h>
#include <string>

#include "redis/reply_text.h"
#include "sim/sim_cluster.h"

namespace quorate::sim {
namespace {

constexpr int kKeys = 150;

void set_all(SimCluster& cluster, unsigned through) {
  for (int i = 0; i < kKeys; ++i) {
    ASSERT_EQ(cluster.run(through, {"SET", key_of(i), std::to_string(i)}), redis::kOk) << i;
  }
}

TEST(Behind, WhatOneNodeHadIsReadThroughThoseThatHaveJustJoinedIt) {
  for (uint64_t seed = 31; seed < 34; ++seed) {
    SimCluster cluster(seed, 1, {}, {}, 2);
    cluster.options().source.page_keys = 2;
    ASSERT_NO_FATAL_FAILURE(cluster.start());
    ASSERT_NO_FATAL_FAILURE(set_all(cluster, 0));
    cluster.set_delay(0, {20'000, 50'000});
    ASSERT_NO_FATAL_FAILURE(cluster.start(1));
    ASSERT_NO_FATAL_FAILURE(cluster.start(2));
    for (int i = 0; i < kKeys; ++i) {
      const unsigned through = i % 2 == 0 ? 2 : 1;
      ASSERT_EQ(cluster.run(through, {"GET", key_of(i)}), redis::bulk(std::to_string(i)))
          << "seed " << seed << ", key " << i << " through " << through;
    }
    EXPECT_GT(cluster.node(2).shards()[0].cluster->reads().statistics().asked_besides, 0U);
    cluster.world().run_for(20 * kSecond);
    for (unsigned node = 0; node < 3; ++node) {
      auto& shard = cluster.node(node).shards()[0];
      EXPECT_FALSE(shard.cluster->catch_up().behind()) << node;
      const uint64_t before = shard.cluster->reads().statistics().asked_besides;
      ASSERT_EQ(cluster.run(node, {"GET", key_of(7)}), redis::bulk("7"));
      EXPECT_EQ(shard.cluster->reads().statistics().asked_besides, before) << node;
    }
  }
}

// W copies were made; one of them is lost, and the one that has none is asked with it.
TEST(Behind, WhatAReplicaLostWithItsPowerIsReadThroughIt) {
  SimCluster cluster(35, 3);
  cluster.options().policy = storage::SyncPolicy::no;
  cluster.options().source.page_keys = 2;
  ASSERT_NO_FATAL_FAILURE(cluster.start());
  cluster.world().run_for(5 * kSecond);
  cluster.crash(1);
  cluster.world().run_for(kSecond);
  ASSERT_NO_FATAL_FAILURE(set_all(cluster, 0));
  cluster.node(2).lose_power();
  cluster.set_delay(0, {20'000, 50'000});
  ASSERT_NO_FATAL_FAILURE(cluster.start(1));
  ASSERT_NO_FATAL_FAILURE(cluster.start(2));
  for (int i = 0; i < kKeys; ++i) {
    const unsigned through = i % 2 == 0 ? 1 : 2;
    ASSERT_EQ(cluster.run(through, {"GET", key_of(i)}), redis::bulk(std::to_string(i)))
        << i << " through " << through;
  }
}

}  // namespace
}  // namespace quorate::sim
