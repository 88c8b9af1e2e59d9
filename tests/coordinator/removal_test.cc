// What a replica may remove by itself, because it expired or memory is short: keys of slots that it
// was given, and no others.
#include <gtest/gtest.h>
#include <memory>
#include <string>
#include <vector>

#include "coordinator/replica_rig.h"

namespace quorate::coordinator {
namespace {

using SlotSet = storage::ShardStore::SlotSet;

class RemovalTest : public testing::Test {
 protected:
  Replica& node() { return *rig_.replicas[0]; }
  storage::ShardStore& store() { return node().store(); }
  void set(const std::string& name, uint64_t expiry_ms = 0) {
    node().with(name, [&] {
      KeyRef ref = node().keys().open(node().key(name));
      node().keys().put(ref, std::string(200, 'v'), expiry_ms);
    });
  }
  void own(const std::vector<std::string>& names) {
    auto slots = std::make_unique<SlotSet>();
    for (const std::string& name : names) slots->set(object::key_slot(name));
    store().restrict_removals(std::move(slots));
  }
  bool exists(const std::string& name) {
    bool found = false;
    node().with(name, [&] { found = node().keys().open(node().key(name)).exists; });
    return found;
  }
  void run_short_of_memory(storage::EvictionPolicy policy) {
    node().finish_checkpoint();
    store().settings().eviction.policy = policy;
    store().settings().memory_bytes_max = 1;
    for (int i = 0; i < 200; ++i) node().in_turn([] {});
    store().settings().memory_bytes_max = 0;
  }

  const std::string kMine = "k{a}", kTheirs = "k{b}";
  ReplicaRig rig_{1, 1, {}, {kMine, kTheirs}};
};

TEST_F(RemovalTest, WhatExpiredElsewhereIsUnseenAndStays) {
  own({kMine});
  set(kMine, store().now_ms() + 500);
  set(kTheirs, store().now_ms() + 500);
  store().start_background();
  rig_.world.run_for(3'000'000);
  EXPECT_EQ(store().statistics().expired_keys, 1U);
  EXPECT_FALSE(exists(kTheirs));
  EXPECT_EQ(rig_.batches.size(), 3U) << "two keys and one expiry";
  EXPECT_EQ(store().keys(0), 1U);
  own({kMine, kTheirs});
  rig_.world.run_for(1'000'000);
  EXPECT_EQ(store().statistics().expired_keys, 2U);
  EXPECT_EQ(store().keys(0), 0U);
}

TEST_F(RemovalTest, ACacheEvictsItsOwnAndDemotesTheOthers) {
  for (int i = 0; i < 40; ++i) {
    set(std::to_string(i) + kMine);
    set(std::to_string(i) + kTheirs);
  }
  own({kMine});
  run_short_of_memory(storage::EvictionPolicy::allkeys_lru);
  EXPECT_EQ(store().statistics().evicted_keys, 40U);
  EXPECT_GE(store().statistics().demoted_keys, 40U) << "tombstones leave memory as well";
  EXPECT_EQ(store().keys(0), 40U);
  EXPECT_TRUE(exists("7" + kTheirs));
  EXPECT_FALSE(exists("7" + kMine));
}

TEST_F(RemovalTest, WithNothingToEvictItIsOutOfMemory) {
  own({});
  for (int i = 0; i < 10; ++i) set(std::to_string(i) + kTheirs);
  for (const auto policy :
       {storage::EvictionPolicy::allkeys_random, storage::EvictionPolicy::volatile_ttl}) {
    store().settings().eviction.policy = policy;
    store().settings().memory_bytes_max = 1;
    node().in_turn([] {});
    EXPECT_TRUE(store().out_of_memory());
    const uint64_t turns = store().statistics().demoted_keys;
    for (int i = 0; i < 5; ++i) node().in_turn([] {});
    EXPECT_EQ(store().statistics().demoted_keys, turns) << "dirty entries stay";
    store().settings().memory_bytes_max = 0;
    node().in_turn([] {});
  }
  EXPECT_EQ(store().statistics().evicted_keys, 0U);
  EXPECT_EQ(store().keys(0), 10U);
}

}  // namespace
}  // namespace quorate::coordinator
