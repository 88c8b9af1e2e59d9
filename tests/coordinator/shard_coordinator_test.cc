// ShardCoordinator: commands over several keys and shards are atomic, in order, and end; one-key
// commands wait for cold keys and held slots without overtaking each other.
#include "quorate/coordinator/shard_coordinator.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <map>
#include <numeric>
#include <set>

#include "coordinator/shard_rig.h"

namespace quorate::coordinator {
namespace {

using testing::ElementsAre;

class ShardCoordinatorTest : public testing::Test {
 protected:
  void make(ShardRigOptions options) { rig_ = std::make_unique<ShardRig>(options); }
  ShardCoordinator& coordinator(unsigned shard) { return *rig_->shards[shard].coordinator; }
  void in_turn(unsigned shard, runtime::Task task) {
    rig_->shards[shard].loop->post(std::move(task));
  }
  // Sets a key on its own shard.
  void put(std::string_view name, std::string_view value, uint64_t expiry_ms = 0) {
    KeySpace& keys = coordinator(rig_->shard_of(name)).keys();
    KeyRef ref = keys.open(rig_->key(name));
    keys.put(ref, value, expiry_ms);
  }
  // What the key's own shard has; "(none)" if it is absent. REQUIRES: it is resident.
  std::string get(std::string_view name) {
    KeySpace& keys = coordinator(rig_->shard_of(name)).keys();
    const KeyRef ref = keys.open(rig_->key(name));
    std::string scratch;
    return ref.exists ? std::string(keys.text(ref, scratch)) : "(none)";
  }
  std::vector<object::Key> keys_of(const std::vector<std::string>& names) {
    std::vector<object::Key> keys;
    for (const std::string& name : names) keys.push_back(rig_->key(*names_.insert(name).first));
    return keys;
  }
  // Runs one exclusive operation to its end, from a turn of `shard`.
  runtime::Status run(unsigned shard, const std::vector<std::string>& names, bool writes,
                      const std::function<void(KeySpace&)>& work) {
    runtime::Status seen;
    bool finished = false;
    in_turn(shard, [&, shard] {
      coordinator(shard).run_exclusively(
          keys_of(names), writes,
          [&, shard](runtime::Status status) {
            seen = status;
            if (status) work(coordinator(shard).keys());
          },
          [&] { finished = true; });
    });
    EXPECT_TRUE(rig_->run_until([&] { return finished; })) << "it never ended";
    return seen;
  }
  void expect_all_gates_idle() {
    for (const ShardRig::Shard& shard : rig_->shards) {
      EXPECT_TRUE(shard.coordinator->gates().idle());
    }
  }

  std::set<std::string> names_;  // what keys_of() has given out views of
  std::unique_ptr<ShardRig> rig_;
};

TEST_F(ShardCoordinatorTest, ResidentKeysOfThisShardAreReady) {
  make({.shards = 2});
  const std::vector<std::string> names = {rig_->name_on(0, 0), rig_->name_on(0, 1)};
  EXPECT_TRUE(coordinator(0).ready(keys_of(names)));
  EXPECT_FALSE(coordinator(1).ready(keys_of(names)));
  EXPECT_FALSE(coordinator(0).ready(keys_of({names[0], rig_->name_on(1)})));
}

TEST_F(ShardCoordinatorTest, ColdKeysAreNotReadyUntilLoaded) {
  make({});
  put("k", "v");
  rig_->checkpoint();
  rig_->stop();
  rig_->start();
  const object::Key key = rig_->key("k");
  EXPECT_FALSE(coordinator(0).ready(keys_of({"k"})));
  EXPECT_TRUE(coordinator(0).ready(keys_of({"elsewhere"}))) << "nothing is cold in that slot";
  std::string seen;
  in_turn(0, [&] {
    coordinator(0).when_ready(key, [&](runtime::Status status) {
      ASSERT_TRUE(status);
      seen = get("k");
    });
    EXPECT_EQ(seen, "");
  });
  ASSERT_TRUE(rig_->run_until([&] { return !seen.empty(); }));
  EXPECT_EQ(seen, "v");
  EXPECT_TRUE(coordinator(0).ready(keys_of({"k"})));
  EXPECT_TRUE(coordinator(0).gates().idle());
}

TEST_F(ShardCoordinatorTest, CommandsOnAColdKeyRunInTheirOrder) {
  make({});
  put("k", "v");
  rig_->checkpoint();
  rig_->stop();
  rig_->start();
  std::vector<int> order;
  in_turn(0, [&] {
    for (int i = 0; i < 3; ++i) {
      coordinator(0).when_ready(rig_->key("k"), [&, i](runtime::Status) { order.push_back(i); });
    }
  });
  in_turn(0, [&] {
    coordinator(0).when_ready(rig_->key("k"), [&](runtime::Status) { order.push_back(3); });
  });
  ASSERT_TRUE(rig_->run_until([&] { return order.size() == 4; }));
  EXPECT_THAT(order, ElementsAre(0, 1, 2, 3));
}

TEST_F(ShardCoordinatorTest, AnExclusiveOperationSeesAndChangesKeysOfEveryShard) {
  make({.shards = 4});
  std::vector<std::string> names;
  for (unsigned shard = 0; shard < 4; ++shard) {
    names.push_back(rig_->name_on(shard, 0));
    put(names.back(), "old-" + std::to_string(shard));
  }
  EXPECT_TRUE(run(2, names, true, [&](KeySpace& keys) {
    std::string scratch;
    for (unsigned shard = 0; shard < 4; ++shard) {
      KeyRef ref = keys.open(rig_->key(names[shard]));
      ASSERT_TRUE(ref.exists);
      EXPECT_EQ(keys.text(ref, scratch), "old-" + std::to_string(shard));
    }
    KeyRef ref = keys.open(rig_->key(names[0]));
    keys.put(ref, "new", 99'999'999'999'999);
    ref = keys.open(rig_->key(names[1]));
    keys.remove(ref);
    ref = keys.open(rig_->key(names[3]));
    keys.set_expiry(ref, 88'888'888'888'888);
  }));
  EXPECT_EQ(get(names[0]), "new");
  EXPECT_EQ(get(names[1]), "(none)");
  EXPECT_EQ(get(names[2]), "old-2");
  EXPECT_EQ(get(names[3]), "old-3");
  EXPECT_EQ(coordinator(0).keys().open(rig_->key(names[0])).expiry_ms(), 99'999'999'999'999);
  EXPECT_EQ(coordinator(3).keys().open(rig_->key(names[3])).expiry_ms(), 88'888'888'888'888);
  expect_all_gates_idle();
}

TEST_F(ShardCoordinatorTest, ACounterStaysACounterAcrossShards) {
  make({.shards = 2});
  const std::string far = rig_->name_on(1);
  for (int i = 1; i <= 3; ++i) {
    EXPECT_TRUE(run(0, {far, rig_->name_on(0)}, true, [&](KeySpace& keys) {
      KeyRef ref = keys.open(rig_->key(far));
      EXPECT_EQ(keys.increment(ref, 10).value(), i * 10);
    }));
  }
  EXPECT_EQ(get(far), "30");
  EXPECT_EQ(coordinator(1).store().find(rig_->key(far))->form(), storage::Form::counter);
}

TEST_F(ShardCoordinatorTest, AnIncrementAcrossShardsIsOneOfTheOwners) {
  make({.shards = 2, .replicated = true});
  const std::string far = rig_->name_on(1);
  const auto increment = [&](int64_t expected) {
    EXPECT_TRUE(run(0, {far, rig_->name_on(0)}, true, [&](KeySpace& keys) {
      KeyRef ref = keys.open(rig_->key(far));
      EXPECT_TRUE(keys.increment(ref, 3));
      EXPECT_EQ(keys.increment(ref, 7).value(), expected);
    }));
  };
  increment(10);
  increment(20);
  EXPECT_EQ(coordinator(1).store().find(rig_->key(far))->form(), storage::Form::counter);
  EXPECT_TRUE(run(0, {far, rig_->name_on(0)}, true, [&](KeySpace& keys) {
    KeyRef ref = keys.open(rig_->key(far));
    keys.put(ref, "100", 0);
    EXPECT_EQ(keys.increment(ref, 1).value(), 101);
  }));
  EXPECT_EQ(get(far), "101");
  increment(111);
  EXPECT_EQ(get(far), "111");
  EXPECT_EQ(coordinator(1).store().find(rig_->key(far))->form(), storage::Form::encoded)
      << "the text, and increments on top of it";
}

TEST_F(ShardCoordinatorTest, AnExpirySetAcrossShardsLeavesTheValueToItsOwner) {
  make({.shards = 2, .replicated = true});
  const std::string far = rig_->name_on(1);
  for (const uint64_t expiry_ms : {88'888'888'888'888u, 99'999'999'999'999u}) {
    EXPECT_TRUE(run(0, {far, rig_->name_on(0)}, true, [&](KeySpace& keys) {
      KeyRef ref = keys.open(rig_->key(far));
      if (!ref.exists) keys.put(ref, "value", 0);
      keys.set_expiry(ref, expiry_ms);
    }));
    EXPECT_EQ(get(far), "value");
    EXPECT_EQ(coordinator(1).keys().open(rig_->key(far)).expiry_ms(), expiry_ms);
  }
}

TEST_F(ShardCoordinatorTest, KeysThatAreNamedTwiceAreOneKey) {
  make({.shards = 2});
  const std::string near = rig_->name_on(0);
  const std::string far = rig_->name_on(1);
  EXPECT_TRUE(run(0, {far, near, far, near}, true, [&](KeySpace& keys) {
    for (const std::string& name : {far, near, far}) {
      KeyRef ref = keys.open(rig_->key(name));
      keys.put(ref, ref.exists ? "second" : "first", 0);
    }
  }));
  EXPECT_EQ(get(far), "second");
  EXPECT_EQ(get(near), "first");
}

TEST_F(ShardCoordinatorTest, ColdKeysOfEveryShardAreLoadedFirst) {
  make({.shards = 3});
  std::vector<std::string> names;
  for (unsigned i = 0; i < 9; ++i) {
    names.push_back(rig_->name_on(i % 3, i / 3));
    put(names.back(), "v" + std::to_string(i));
  }
  rig_->checkpoint();
  rig_->stop();
  rig_->start();
  EXPECT_TRUE(run(1, names, false, [&](KeySpace& keys) {
    std::string scratch;
    for (unsigned i = 0; i < 9; ++i) {
      const KeyRef ref = keys.open(rig_->key(names[i]));
      ASSERT_TRUE(ref.exists) << names[i];
      EXPECT_EQ(keys.text(ref, scratch), "v" + std::to_string(i));
    }
  }));
  for (unsigned i = 0; i < 9; ++i) EXPECT_EQ(get(names[i]), "v" + std::to_string(i));
  expect_all_gates_idle();
}

TEST_F(ShardCoordinatorTest, WhatComesLaterWaitsForTheHolder) {
  make({.shards = 2});
  const std::string near = rig_->name_on(0);
  const std::string far = rig_->name_on(1);
  std::vector<std::string> order;
  bool finished = false;
  in_turn(0, [&] {
    coordinator(0).run_exclusively(
        keys_of({near, far}), true,
        [&](runtime::Status) {
          order.emplace_back("exclusive");
          KeyRef ref = coordinator(0).keys().open(rig_->key(near));
          coordinator(0).keys().put(ref, "from the holder", 0);
        },
        [&] { finished = true; });
    EXPECT_FALSE(coordinator(0).ready(keys_of({near})));
    coordinator(0).when_ready(rig_->key(near),
                              [&](runtime::Status) { order.push_back("after: " + get(near)); });
  });
  ASSERT_TRUE(rig_->run_until([&] { return finished && order.size() == 2; }));
  EXPECT_THAT(order, ElementsAre("exclusive", "after: from the holder"));
  expect_all_gates_idle();
}

// The holder's slots on another shard stay closed until its changes are there.
TEST_F(ShardCoordinatorTest, NobodySeesHalfOfAnOperation) {
  make({.shards = 2, .seed = 7});
  const std::string near = rig_->name_on(0);
  const std::string far = rig_->name_on(1);
  put(near, "0");
  put(far, "0");
  int written = 0;
  int seen_equal = 0;
  int seen_torn = 0;
  for (int i = 1; i <= 200; ++i) {
    const unsigned home = static_cast<unsigned>(i) % 2;
    in_turn(home, [&, home, i] {
      coordinator(home).run_exclusively(
          keys_of({near, far}), true,
          [&, home, i](runtime::Status status) {
            ASSERT_TRUE(status);
            KeySpace& keys = coordinator(home).keys();
            for (const std::string& name : {near, far}) {
              KeyRef ref = keys.open(rig_->key(name));
              keys.put(ref, std::to_string(i), 0);
            }
          },
          [&] { ++written; });
    });
    in_turn(1 - home, [&, home] {
      coordinator(1 - home).run_exclusively(
          keys_of({far, near}), false,
          [&, home](runtime::Status) {
            KeySpace& keys = coordinator(1 - home).keys();
            std::string a;
            std::string b;
            const bool same =
                keys.text(keys.open(rig_->key(near)), a) == keys.text(keys.open(rig_->key(far)), b);
            ++(same ? seen_equal : seen_torn);
          },
          [] {});
    });
    rig_->world.run_for(20);
  }
  ASSERT_TRUE(rig_->run_until([&] { return written == 200 && seen_equal + seen_torn == 200; }));
  EXPECT_EQ(seen_torn, 0);
  EXPECT_EQ(get(near), get(far));
}

// Money moves between random accounts from every shard at once: nothing is lost, everything ends.
TEST_F(ShardCoordinatorTest, ManyRandomOperationsNeverDeadlock) {
  constexpr int kAccounts = 24;
  constexpr int kTransfers = 3000;
  for (const unsigned shards : {2u, 3u, 4u}) {
    make({.shards = shards, .seed = shards});
    const auto random = runtime::make_seeded_random(shards);
    std::vector<std::string> accounts;
    for (int i = 0; i < kAccounts; ++i) {
      accounts.push_back("account-" + std::to_string(i));
      put(accounts.back(), "1000");
    }
    int ended = 0;
    for (int i = 0; i < kTransfers; ++i) {
      std::set<std::string> chosen;
      const uint64_t count = 2 + random->below(4);
      while (chosen.size() < count) chosen.insert(accounts[random->below(kAccounts)]);
      const std::vector<std::string> names(chosen.begin(), chosen.end());
      const auto home = static_cast<unsigned>(random->below(shards));
      in_turn(home, [&, home, names] {
        coordinator(home).run_exclusively(
            keys_of(names), true,
            [&, home, names](runtime::Status status) {
              ASSERT_TRUE(status);
              KeySpace& keys = coordinator(home).keys();
              for (size_t n = 0; n < names.size(); ++n) {
                const auto amount = static_cast<int64_t>(n == 0 ? names.size() - 1 : 0);
                KeyRef ref = keys.open(rig_->key(names[n]));
                ASSERT_TRUE(keys.increment(ref, amount != 0 ? amount : -1));
              }
            },
            [&] { ++ended; });
      });
      if (random->below(3) == 0) rig_->world.run_for(random->below(60));
    }
    ASSERT_TRUE(rig_->run_until([&] { return ended == kTransfers; }))
        << ended << " of " << kTransfers;
    const int64_t sum = std::accumulate(
        accounts.begin(), accounts.end(), int64_t{0},
        [&](int64_t so_far, const std::string& name) { return so_far + std::stoll(get(name)); });
    EXPECT_EQ(sum, int64_t{kAccounts} * 1000) << shards << " shards";
    expect_all_gates_idle();
  }
}

TEST_F(ShardCoordinatorTest, OperationsOfOneShardOnTheSameKeysKeepTheirOrder) {
  make({.shards = 2});
  const std::string near = rig_->name_on(0);
  const std::string far = rig_->name_on(1);
  std::vector<int> order;
  in_turn(1, [&] {
    for (int i = 0; i < 10; ++i) {
      coordinator(1).run_exclusively(
          keys_of({near, far}), true, [&, i](runtime::Status) { order.push_back(i); }, [] {});
    }
  });
  ASSERT_TRUE(rig_->run_until([&] { return order.size() == 10; }));
  EXPECT_THAT(order, ElementsAre(0, 1, 2, 3, 4, 5, 6, 7, 8, 9));
}

TEST_F(ShardCoordinatorTest, AShardThatRefusesWritesRefusesTheWholeOperation) {
  make({.shards = 2});
  const std::string near = rig_->name_on(0);
  const std::string far = rig_->name_on(1);
  put(near, "old");
  put(far, "old");
  rig_->checkpoint();
  // The disk is full: no segment can be had for what shard 1 still has to write.
  rig_->files.fail_randomly(sim::FileOperation::allocate, ENOSPC, 1);
  ASSERT_TRUE(rig_->run_until([&] {
    put(far, std::string(100'000, 'x'));
    rig_->world.run_for(100'000);
    return !coordinator(1).store().write_refusal().empty();
  }));
  bool ran = false;
  const runtime::Status status = run(0, {near, far}, true, [&](KeySpace&) { ran = true; });
  EXPECT_FALSE(status);
  EXPECT_FALSE(ran);
  EXPECT_EQ(get(near), "old");
  EXPECT_TRUE(run(0, {near, far}, false, [&](KeySpace& keys) {
    ran = keys.open(rig_->key(far)).exists;
  })) << "reads go on";
  EXPECT_TRUE(ran);
  rig_->files.heal();
  ASSERT_TRUE(rig_->run_until([&] { return coordinator(1).store().write_refusal().empty(); }));
  EXPECT_TRUE(run(0, {near, far}, true, [&](KeySpace& keys) {
    KeyRef ref = keys.open(rig_->key(far));
    keys.put(ref, "new", 0);
  }));
  EXPECT_EQ(get(far), "new");
  expect_all_gates_idle();
}

TEST_F(ShardCoordinatorTest, UnderAlwaysNothingLeavesBeforeItIsSynced) {
  make({.shards = 2, .policy = storage::SyncPolicy::always});
  bool released = false;
  in_turn(0, [&] {
    put(rig_->name_on(0), "v");
    const uint64_t position = coordinator(0).store().journal().end_position();
    coordinator(0).after_turn(*rig_->shards[1].loop, [&, position] {
      released = true;
      EXPECT_GE(coordinator(0).store().journal().synced_position(), position);
    });
  });
  ASSERT_TRUE(rig_->run_until([&] { return released; }));
}

TEST_F(ShardCoordinatorTest, WhatLeavesAShardLeavesInOrder) {
  make({.shards = 2});
  std::vector<int> order;
  in_turn(0, [&] {
    for (int i = 0; i < 3; ++i) {
      put(rig_->name_on(0), std::to_string(i));
      coordinator(0).after_turn(*rig_->shards[1].loop, [&, i] { order.push_back(i); });
    }
    EXPECT_TRUE(order.empty());
  });
  ASSERT_TRUE(rig_->run_until([&] { return order.size() == 3; }));
  EXPECT_THAT(order, ElementsAre(0, 1, 2));
}

}  // namespace
}  // namespace quorate::coordinator
