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

class Simulation {
 public:
  Simulation(uint64_t seed, storage::StoreSettings settings)
      : random_(seed), rig_(seed, 3, settings) {
    // Three slots; keys that begin with "c" are counters that nothing ever resets.
    for (const char* tag : {"{a}", "{b}", "{c}"}) {
      for (const char* name : {"k1", "k2", "c1"}) names_.push_back(std::string(name) + tag);
    }
  }

  void step() {
    const auto one = static_cast<unsigned>(random_() % 3);
    const auto other = static_cast<unsigned>((one + 1 + random_() % 2) % 3);
    const std::string& name = names_[random_() % names_.size()];
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
        for (const std::string& name : names_) rig_.send_state(name, from, (from + 1) % 3);
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
    rig_.check_counts(index, names_);
    Replica& replica = *rig_.replicas[index];
    for (const std::string& name : names_) {
      ASSERT_EQ(rig_.object_of(index, name).elements, rig_.all[name].elements)
          << "replica " << index << ", key " << name;
      if (!sums_.contains(name)) continue;
      std::string scratch;
      const KeyRef ref = replica.keys().open(replica.key(name));
      ASSERT_TRUE(ref.exists);
      ASSERT_EQ(replica.keys().text(ref, scratch), std::to_string(sums_[name])) << name;
    }
  }

  std::mt19937_64 random_;
  ReplicaRig rig_;
  std::vector<std::string> names_;
  std::map<std::string, int64_t> sums_;

 public:
  uint64_t squeezed_ = 0;
};

uint64_t run(uint64_t seed, bool by_states) {
  SCOPED_TRACE("seed " + std::to_string(seed));
  storage::StoreSettings settings;
  // Slots of few keys are then taken in parts, too.
  settings.checkpoint_whole_slot_keys = seed % 2 == 0 ? 1024 : 0;
  Simulation simulation(seed, settings);
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

}  // namespace
}  // namespace quorate::coordinator
