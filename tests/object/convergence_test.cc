#include <gtest/gtest.h>

#include "object/numbered_actors.h"
#include "object/slot_simulation.h"

namespace quorate::object {
namespace {

void run(uint64_t seed, bool heal_by_states) {
  SCOPED_TRACE("seed " + std::to_string(seed));
  SlotSimulation slot(seed, 2 + static_cast<int>(seed % 3), 1 + static_cast<int>(seed % 4));
  const uint64_t steps = 20 + slot.random() % 100;
  for (uint64_t i = 0; i < steps && !testing::Test::HasFatalFailure(); ++i) slot.step();
  if (testing::Test::HasFatalFailure()) return;
  if (heal_by_states) {
    slot.heal_by_states();
  } else {
    slot.heal_by_deltas();
  }
  slot.check_converged();
}

TEST(ConvergenceTest, WholeStatesHealEveryDisorder) {
  for (uint64_t seed = 1; seed <= 800 && !HasFatalFailure(); ++seed) run(seed, true);
}

TEST(ConvergenceTest, DeltasInAnyOrderWithRepeatsGiveTheSame) {
  for (uint64_t seed = 5001; seed <= 5800 && !HasFatalFailure(); ++seed) run(seed, false);
}

Delta write_of(Dot dot, std::initializer_list<Dot> supersedes) {
  Delta delta;
  delta.write("", Version{.dot = dot, .hlc = dot.n, .payload = Blob::make("v")});
  for (const Dot old : supersedes) delta.supersede(old);
  return delta;
}

TEST(ConvergenceTest, AbsenceSaysNothingAndATombstoneDoes) {
  SlotClock clock(CausalContext{{a, 1}, {b, 1}});
  const Object peers = write_of({a, 1}, {}).change;
  // The record is lost to damage although the clock covers its dot: the peer's copy restores it.
  EXPECT_EQ(apply_state(nullptr, peers, clock).elements, peers.elements);
  // A tombstone at rest looks as empty, but is a record, and is filled in.
  const Object tombstone;
  EXPECT_TRUE(apply_state(&tombstone, peers, clock).elements.empty());
}

TEST(ConvergenceTest, ADotMerelySupersededIsNotCoveredBecauseItsDeltaStillMatters) {
  SlotClock clock;
  const Delta first = write_of({a, 1}, {});
  const Delta second = write_of({a, 2}, {{a, 1}});
  const Delta third = write_of({a, 3}, {{a, 2}});
  Object record = apply(nullptr, first, clock);
  record = apply(&record, third, clock);
  EXPECT_FALSE(clock.covers(Dot{a, 2}));
  EXPECT_EQ(record.seen, (CausalContext{{a, 2}}));
  EXPECT_EQ(record.elements[0].versions.size(), 2U);
  record = apply(&record, second, clock);
  EXPECT_EQ(record.elements, third.change.elements);
  EXPECT_TRUE(record.seen.empty());
}

TEST(ConvergenceTest, ADeltaAppliedBeforeChangesNothing) {
  SlotClock clock;
  const Delta first = write_of({a, 1}, {});
  const Delta second = write_of({b, 1}, {{a, 1}});
  Object record = apply(nullptr, first, clock);
  record = apply(&record, second, clock);
  EXPECT_EQ(apply(&record, first, clock), record);
  EXPECT_EQ(apply(nullptr, first, clock), Object{}) << "a reaped key does not come back";
}

}  // namespace
}  // namespace quorate::object
