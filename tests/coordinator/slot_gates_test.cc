// SlotGates: exclusive holders alone, everybody in the order of coming.
#include "quorate/coordinator/slot_gates.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <string>
#include <vector>

namespace quorate::coordinator {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

class SlotGatesTest : public testing::Test {
 protected:
  runtime::Task note(std::string what) {
    return [this, what = std::move(what)] { log_.push_back(what); };
  }

  SlotGates gates_;
  std::vector<std::string> log_;
};

TEST_F(SlotGatesTest, IdleUntilSomebodyCares) {
  EXPECT_TRUE(gates_.idle());
  EXPECT_FALSE(gates_.closed(7));
  gates_.enter(7);
  EXPECT_FALSE(gates_.idle());
  EXPECT_FALSE(gates_.closed(7)) << "commands in flight do not keep others out";
  gates_.leave(7);
  EXPECT_TRUE(gates_.idle());
}

TEST_F(SlotGatesTest, AFreeSlotIsGrantedAtOnce) {
  gates_.acquire(7, note("granted"));
  EXPECT_THAT(log_, ElementsAre("granted"));
  EXPECT_TRUE(gates_.closed(7));
  EXPECT_FALSE(gates_.closed(8));
  gates_.release(7);
  EXPECT_FALSE(gates_.closed(7));
  EXPECT_TRUE(gates_.idle());
}

TEST_F(SlotGatesTest, AHolderWaitsForWhatIsInFlight) {
  gates_.enter(7);
  gates_.enter(7);
  gates_.acquire(7, note("granted"));
  EXPECT_TRUE(gates_.closed(7)) << "later commands must not overtake the one that waits";
  gates_.leave(7);
  EXPECT_THAT(log_, IsEmpty());
  gates_.leave(7);
  EXPECT_THAT(log_, ElementsAre("granted"));
  gates_.release(7);
  EXPECT_TRUE(gates_.idle());
}

TEST_F(SlotGatesTest, WhoWaitsRunsInOrder) {
  gates_.acquire(7, note("first holder"));
  gates_.wait(7, note("a"));
  gates_.wait(7, note("b"));
  gates_.acquire(7, note("second holder"));
  gates_.wait(7, note("c"));
  gates_.release(7);
  EXPECT_THAT(log_, ElementsAre("first holder", "a", "b", "second holder"));
  gates_.release(7);
  EXPECT_THAT(log_, ElementsAre("first holder", "a", "b", "second holder", "c"));
  EXPECT_TRUE(gates_.idle());
}

TEST_F(SlotGatesTest, ACommandThatWaitedMaySuspendItself) {
  gates_.acquire(7, note("first holder"));
  gates_.wait(7, [this] {
    log_.push_back("enters");
    gates_.enter(7);
  });
  gates_.acquire(7, note("second holder"));
  gates_.release(7);
  EXPECT_THAT(log_, ElementsAre("first holder", "enters"));
  gates_.leave(7);
  EXPECT_THAT(log_, ElementsAre("first holder", "enters", "second holder"));
  gates_.release(7);
  EXPECT_TRUE(gates_.idle());
}

TEST_F(SlotGatesTest, AHolderMayReleaseWhileBeingGranted) {
  for (int i = 0; i < 3; ++i) {
    gates_.acquire(7, [this] {
      log_.push_back("granted");
      gates_.release(7);
    });
  }
  EXPECT_EQ(log_.size(), 3);
  EXPECT_TRUE(gates_.idle());
}

TEST_F(SlotGatesTest, ACommandMayLeaveAndComeAgainWhileTheQueueIsServed) {
  gates_.acquire(7, note("holder"));
  gates_.wait(7, [this] {
    gates_.enter(7);
    gates_.leave(7);
    gates_.wait(7, note("last"));
    log_.push_back("first");
  });
  gates_.wait(7, note("second"));
  gates_.release(7);
  EXPECT_THAT(log_, ElementsAre("holder", "first", "second", "last"));
  EXPECT_TRUE(gates_.idle());
}

TEST_F(SlotGatesTest, SlotsDoNotDisturbEachOther) {
  gates_.acquire(1, note("one"));
  gates_.acquire(2, note("two"));
  gates_.wait(1, note("after one"));
  gates_.release(2);
  EXPECT_THAT(log_, ElementsAre("one", "two"));
  gates_.release(1);
  EXPECT_THAT(log_, ElementsAre("one", "two", "after one"));
}

}  // namespace
}  // namespace quorate::coordinator
