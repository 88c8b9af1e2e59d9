#include "quorate/runtime/process.h"

#include <gtest/gtest.h>
#include <sched.h>
#include <thread>

namespace quorate::runtime {
namespace {

TEST(Process, SchedulesAThreadAsItAsksFor) {
  std::thread([] {
    schedule_this_thread(WakesUp::late);
    EXPECT_EQ(sched_getscheduler(0), SCHED_BATCH);
    schedule_this_thread(WakesUp::soon);
    EXPECT_EQ(sched_getscheduler(0), SCHED_OTHER);
  }).join();
  EXPECT_EQ(sched_getscheduler(0), SCHED_OTHER);
}

}  // namespace
}  // namespace quorate::runtime
