// Replicas that take each other's changes in any order, with losses, repeats, whole states,
// checkpoints, demotion and crashes in between.
#include <gtest/gtest.h>
#include <random>
#include <string>
#include <vector>

#include "quorate/object/string_object.h"

#include "coordinator/replica_rig.h"

namespace quorate::coordinator {
namespace {

// Three slots; keys that begin with "c" are counters that no command resets.
std::vector<std::string> some_names() {
  std::vector<std::string> names;
  for (const char* tag : {"{a}", "{b}", "{c}"}) {
    for (const char* name : {"k1", "k2", "c1"}) names.push_back(std::string(name) + tag);
  }
  return names;
}

class Simulation {
 public:
  Simulation(uint64_t seed, storage::StoreSettings settings, bool flushes)
      : random_(seed), flushes_(flushes), rig_(seed, 3, settings, some_names()) {}

  void step() {
    const auto one = static_cast<unsigned>(random_() % 3);
    const auto other = static_cast<unsigned>((one + 1 + random_() % 2) % 3);
    const std::string& name = names_[random_() % names_.size()];
    if (flushes_ && random_() % 40 == 0) return flush(one);
    const uint64_t event = random_() % 100;
    if (event < 45) {
      write(one, name);
    } else if (event < 75 && !rig_.batches.empty()) {
      const size_t recent = std::min<size_t>(rig_.batches.size(), 20);
      rig_.deliver(rig_.batches.size() - 1 - random_() % recent, one);
    } else if (event < 85) {
      rig_.send_state(name, one, other);
    } else if (event < 90) {
      rig_.replicas[one]->begin_checkpoint();
    } else if (event < 94) {
      squeeze(one);
    } else if (event < 97) {
      rig_.replicas[one]->restart();
      rig_.check(one, name);
    } else {
      rig_.world.run_for(random_() % 2'000'000);
    }
  }

  void heal() {
    for (unsigned round = 0; round < 2; ++round) {
      for (unsigned from = 0; from < 3; ++from) {
        for (const std::string& name : names_) {
          rig_.send_state(name, from, (from + 1) % 3);
          rig_.send_flushes(object::key_slot(name), from, (from + 1) % 3);
        }
      }
    }
  }

  void heal_by_changes() {
    for (unsigned to = 0; to < 3; ++to) {
      std::vector<size_t> order(rig_.batches.size());
      for (size_t i = 0; i < order.size(); ++i) order[i] = i;
      std::shuffle(order.begin(), order.end(), random_);
      for (const size_t batch : order) rig_.deliver(batch, to);
    }
  }

  void check() {
    for (unsigned i = 0; i < 3; ++i) {
      rig_.check_clock(i);
      check_replica(i);
      rig_.replicas[i]->finish_checkpoint();
      rig_.replicas[i]->restart();
      check_replica(i);
    }
  }

 private:
  void write(unsigned index, const std::string& name) {
    Replica& replica = *rig_.replicas[index];
    const uint64_t kind = name.front() == 'c' ? 9 : random_() % 12;
    const auto amount = static_cast<int64_t>(random_() % 21) - 10;
    const uint64_t expiry_ms = random_() % 2 == 0 ? 0 : replica.store().now_ms() + random_() % 5000;
    const std::string text = random_() % 3 == 0 ? "text" : std::to_string(random_() % 100);
    replica.with(name, [&] {
      KeySpace& keys = replica.keys();
      KeyRef ref = keys.open(replica.key(name));
      if (kind < 4) {
        keys.put(ref, text, expiry_ms);
      } else if (kind < 6) {
        if (ref.exists) keys.remove(ref);
      } else if (kind < 8) {
        if (ref.exists) keys.set_expiry(ref, expiry_ms);
      } else if (keys.increment(ref, amount) && name.front() == 'c') {
        sums_[name] += amount;
      }
    });
    rig_.check(index, name);
  }

  void flush(unsigned index) {
    Replica& replica = *rig_.replicas[index];
    replica.in_turn([&] { replica.store().flush(0); });
    for (const std::string& name : names_) rig_.check(index, name);
  }

  // Whatever is clean leaves memory.
  void squeeze(unsigned index) {
    Replica& replica = *rig_.replicas[index];
    replica.finish_checkpoint();
    replica.store().settings().memory_bytes_max = 1;
    for (int i = 0; i < 5; ++i) replica.in_turn([] {});
    replica.store().settings().memory_bytes_max = 0;
    squeezed_ += replica.store().cold_rows();
  }

  void check_replica(unsigned index) {
    rig_.check_counts(index);
    Replica& replica = *rig_.replicas[index];
    for (const std::string& name : names_) {
      ASSERT_EQ(rig_.object_of(index, name).value_or(object::Object{}).elements,
                rig_.all[name].elements)
          << "replica " << index << ", key " << name;
      // A flush erases no totals (counter.h).
      if (flushes_ || !sums_.contains(name)) continue;
      std::string scratch;
      const KeyRef ref = replica.keys().open(replica.key(name));
      ASSERT_TRUE(ref.exists);
      ASSERT_EQ(replica.keys().text(ref, scratch), std::to_string(sums_[name])) << name;
    }
  }

  std::mt19937_64 random_;
  const bool flushes_;
  ReplicaRig rig_;
  const std::vector<std::string>& names_ = rig_.names();
  std::map<std::string, int64_t> sums_;

 public:
  uint64_t squeezed_ = 0;
};

uint64_t run(uint64_t seed, bool by_states, bool flushes = false) {
  SCOPED_TRACE("seed " + std::to_string(seed));
  storage::StoreSettings settings;
  // Slots of few keys are then taken in parts, too.
  settings.checkpoint_whole_slot_keys = seed % 2 == 0 ? 1024 : 0;
  Simulation simulation(seed, settings, flushes);
  for (int i = 0; i < 150 && !testing::Test::HasFailure(); ++i) simulation.step();
  if (testing::Test::HasFailure()) return 0;
  if (by_states) {
    simulation.heal();
  } else {
    simulation.heal_by_changes();
  }
  if (!testing::Test::HasFailure()) simulation.check();
  return simulation.squeezed_;
}

TEST(ReplicationTest, WholeStatesHealEveryDisorder) {
  uint64_t squeezed = 0;
  for (uint64_t seed = 1; seed <= 60 && !HasFailure(); ++seed) squeezed += run(seed, true);
  EXPECT_GT(squeezed, 100U) << "keys were to leave memory";
}

TEST(ReplicationTest, ChangesInAnyOrderWithRepeatsGiveTheSame) {
  for (uint64_t seed = 1001; seed <= 1060 && !HasFailure(); ++seed) run(seed, false);
}

TEST(ReplicationTest, FlushesTakeWhatTheyCoverAndNothingElse) {
  for (uint64_t seed = 2001; seed <= 2060 && !HasFailure(); ++seed) run(seed, false, true);
}

TEST(ReplicationTest, WhatFlushesCoveredIsToldWithoutThem) {
  for (uint64_t seed = 3001; seed <= 3060 && !HasFailure(); ++seed) run(seed, true, true);
}

class ThreeReplicasTest : public testing::Test {
 protected:
  Replica& at(unsigned index) { return *rig_.replicas[index]; }
  void set(unsigned index, const std::string& value, uint64_t expiry_ms = 0) {
    at(index).with(kName, [&] {
      KeyRef ref = at(index).keys().open(at(index).key(kName));
      at(index).keys().put(ref, value, expiry_ms);
    });
  }
  void remove(unsigned index) {
    at(index).with(kName, [&] {
      KeyRef ref = at(index).keys().open(at(index).key(kName));
      at(index).keys().remove(ref);
    });
  }
  std::string get(unsigned index) {
    std::string text = "(none)";
    at(index).with(kName, [&] {
      const KeyRef ref = at(index).keys().open(at(index).key(kName));
      std::string scratch;
      if (ref.exists) text = at(index).keys().text(ref, scratch);
    });
    return text;
  }
  // Clean entries leave memory.
  void squeeze(unsigned index) {
    at(index).finish_checkpoint();
    at(index).store().settings().memory_bytes_max = 1;
    for (int i = 0; i < 5; ++i) at(index).in_turn([] {});
    at(index).store().settings().memory_bytes_max = 0;
  }

  const std::string kName = "k{a}";
  ReplicaRig rig_{1, 3, {}, {kName, "other{a}"}};
};

TEST_F(ThreeReplicasTest, AStateReachesPastALostChangeAndSurvivesACrash) {
  set(0, "1");
  set(0, "2");
  set(0, "3");
  rig_.deliver(0, 1);
  rig_.deliver(2, 1);
  EXPECT_EQ(rig_.object_of(1, kName)->elements[0].versions.size(), 2U) << "2 is lost";
  rig_.send_state(kName, 0, 1);
  EXPECT_EQ(rig_.object_of(1, kName)->elements[0].versions.size(), 1U);
  at(1).restart();
  rig_.check(1, kName);
  rig_.deliver(1, 1);
  EXPECT_EQ(get(1), "3");
}

TEST_F(ThreeReplicasTest, ATombstoneLeavesMemoryAndIsFoundAgain) {
  set(0, "value");
  rig_.deliver(0, 1);
  remove(1);
  squeeze(1);
  EXPECT_EQ(at(1).store().table().size(), 0U);
  EXPECT_EQ(at(1).store().cold_rows(), 1U);
  EXPECT_EQ(at(1).store().keys(0), 0U);
  at(1).restart();
  EXPECT_EQ(at(1).store().keys(0), 0U);
  EXPECT_EQ(get(1), "(none)");
  rig_.deliver(0, 1);
  EXPECT_EQ(get(1), "(none)");
  rig_.send_state(kName, 1, 0);
  EXPECT_EQ(get(0), "(none)") << "the change was lost, the tombstone tells";
  set(1, "again");
  rig_.check_counts(1);
}

TEST_F(ThreeReplicasTest, ADeleteThatComesBeforeWhatItDeletes) {
  set(0, "value");
  remove(0);
  rig_.deliver(1, 1);
  squeeze(1);
  at(1).restart();
  rig_.deliver(0, 1);
  EXPECT_EQ(get(1), "(none)");
}

TEST_F(ThreeReplicasTest, AFlushKeepsWhatAKeyHasSeenAheadOfTheClock) {
  set(0, "1");
  set(0, "2");
  rig_.deliver(1, 1);
  at(1).in_turn([&] { at(1).store().flush(0); });
  rig_.check(1, kName);
  at(1).restart();
  rig_.deliver(0, 1);
  EXPECT_EQ(get(1), "(none)");
}

TEST_F(ThreeReplicasTest, AFlushKeepsWhatAKeyOnDiskHasSeenAheadOfTheClock) {
  for (const bool restart : {false, true}) {
    const size_t first = rig_.batches.size();
    set(0, "1");
    set(0, "2");
    rig_.deliver(first + 1, 1);
    squeeze(1);
    if (restart) at(1).restart();
    at(1).in_turn([&] { at(1).store().flush(0); });
    rig_.check(1, kName);
    squeeze(1);
    if (restart) at(1).restart();
    rig_.deliver(first, 1);
    EXPECT_EQ(get(1), "(none)") << restart;
    squeeze(1);
    EXPECT_EQ(at(1).store().table().size(), 0U) << "nothing is ahead any more";
  }
}

TEST_F(ThreeReplicasTest, AClockThatWasAdoptedStaysSo) {
  const uint16_t slot = object::key_slot(kName);
  set(0, "1");
  set(0, "2");
  rig_.send_state(kName, 0, 1);
  const auto covers = [&] {
    const object::Actor first{rig_.actors.actor(object::ActorId{0})->node, 1};
    const auto actor = at(1).actors().find(first);
    return actor && at(1).store().clocks().covers(slot, {*actor, 1});
  };
  EXPECT_FALSE(covers()) << "1 may have been of another key";
  at(1).in_turn([&] {
    const object::Actor first{rig_.actors.actor(object::ActorId{0})->node, 1};
    const object::ActorId actor = *at(1).actors().find(first);
    EXPECT_TRUE(at(1).store().adopt_clock(slot, object::CausalContext::up_to({actor, 2})));
  });
  EXPECT_TRUE(covers());
  at(1).restart();
  EXPECT_TRUE(covers()) << "in the journal";
  for (int i = 0; i < 2; ++i) {
    at(1).finish_checkpoint();
    at(1).restart();
    EXPECT_TRUE(covers()) << "in the checkpoint";
  }
  EXPECT_EQ(get(1), "2");
  at(1).in_turn([&] {
    const object::Dot lost{at(1).store().shape().actor, 1};
    EXPECT_FALSE(at(1).store().adopt_clock(slot, object::CausalContext::up_to(lost)));
  });
}

TEST_F(ThreeReplicasTest, AFlushOutlivesTheJournalThatBroughtIt) {
  set(0, "value");
  at(0).in_turn([&] { at(0).store().flush(0); });
  rig_.deliver(1, 1);
  at(1).restart();
  at(1).finish_checkpoint();
  at(1).restart();
  rig_.deliver(0, 1);
  EXPECT_EQ(get(1), "(none)");
}

// Nobody else can say that what is absent was flushed.
TEST_F(ThreeReplicasTest, WhatFlushesCoveredIsKeptAndReachesWhoMissedThem) {
  const uint16_t slot = object::key_slot(kName);
  set(0, "value");
  for (const unsigned to : {1U, 2U}) rig_.deliver(0, to);
  at(0).in_turn([&] { at(0).store().flush(0); });
  rig_.deliver(1, 1);
  for (const unsigned from : {0U, 1U}) {
    EXPECT_FALSE(at(from).flushes_of(slot).empty());
    at(from).restart();
    EXPECT_FALSE(at(from).flushes_of(slot).empty()) << "in the journal";
    for (int i = 0; i < 2; ++i) {
      at(from).finish_checkpoint();
      at(from).restart();
      EXPECT_FALSE(at(from).flushes_of(slot).empty()) << "in the checkpoint";
    }
  }
  EXPECT_EQ(get(2), "value");
  rig_.send_flushes(slot, 1, 2);
  EXPECT_EQ(get(2), "(none)");
  at(2).restart();
  EXPECT_EQ(get(2), "(none)");
  EXPECT_FALSE(at(2).flushes_of(slot).empty());
  rig_.deliver(0, 2);
  EXPECT_EQ(get(2), "(none)");
  set(2, "again");
  rig_.send_flushes(slot, 1, 2);
  EXPECT_EQ(get(2), "again");
}

TEST_F(ThreeReplicasTest, ALoneNodeKeepsNothingOfFlushes) {
  set(0, "value");
  at(0).in_turn([&] { at(0).store().flush(0); });
  at(0).store().set_observer(nullptr);
  at(0).store().set_keeps_tombstones(false);
  at(0).finish_checkpoint();
  EXPECT_TRUE(at(0).flushes_of(object::key_slot(kName)).empty());
  at(0).restart();
  EXPECT_TRUE(at(0).flushes_of(object::key_slot(kName)).empty());
}

TEST_F(ThreeReplicasTest, AFlushWaitsForColdKeysThatItDoesNotCover) {
  set(0, "covered");
  rig_.deliver(0, 1);
  at(0).in_turn([&] { at(0).store().flush(0); });
  set(1, "concurrent");
  squeeze(1);
  auto reader = object::ChangeReader::open(rig_.batches[1]).value();
  std::vector<object::ActorId> handles;
  for (const auto& actor : reader.actors()) handles.push_back(at(1).actors().intern(actor));
  object::Change flush;
  ASSERT_TRUE(reader.next(handles, flush).value());
  at(1).in_turn([&] { EXPECT_FALSE(at(1).store().apply(flush)); });
  EXPECT_EQ(get(1), "concurrent");
  rig_.deliver(1, 1);
  EXPECT_EQ(get(1), "concurrent");
}

TEST_F(ThreeReplicasTest, EvictionsAndExpiriesAreTold) {
  set(0, "value", at(0).store().now_ms() + 10);
  rig_.deliver(0, 1);
  rig_.world.run_for(20'000);
  EXPECT_EQ(get(0), "(none)");
  ASSERT_EQ(rig_.batches.size(), 2U) << "the expiry";
  set(0, "value");
  rig_.deliver(2, 1);
  at(0).store().settings().eviction.policy = storage::EvictionPolicy::allkeys_lru;
  at(0).store().settings().memory_bytes_max = 1;
  at(0).in_turn([] {});
  at(0).store().settings().memory_bytes_max = 0;
  at(0).in_turn([] {});
  EXPECT_EQ(at(0).store().statistics().evicted_keys, 1U);
  ASSERT_EQ(rig_.batches.size(), 4U) << "the eviction";
  rig_.deliver(3, 1);
  EXPECT_EQ(get(1), "(none)");
}

TEST_F(ThreeReplicasTest, MalformedDeltasChangeNothing) {
  set(0, "value");
  object::Change change;
  change.kind = object::ChangeKind::delta;
  change.key = kName;
  change.slot = object::key_slot(kName);
  change.dot = {object::ActorId{1}, 9};
  change.payload = "nonsense";
  at(0).in_turn([&] { EXPECT_FALSE(at(0).store().apply(change)); });
  change.kind = object::ChangeKind::flush;
  at(0).in_turn([&] { EXPECT_FALSE(at(0).store().apply(change)); });
  EXPECT_EQ(get(0), "value");
}

}  // namespace
}  // namespace quorate::coordinator
