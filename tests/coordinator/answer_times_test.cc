#include "quorate/coordinator/answer_times.h"

#include <gtest/gtest.h>

namespace quorate::coordinator {
namespace {

constexpr object::NodeId kNear{1}, kFar{2};
constexpr AnswerTimes::Bounds kBounds{.min_us = 2'000, .first_us = 20'000, .max_us = 250'000};

void record(AnswerTimes& times, const object::NodeId& replica, unsigned answers, uint64_t us) {
  for (unsigned i = 0; i < answers; ++i) times.record(replica, us);
}

TEST(AnswerTimes, WaitsForLongUntilSomebodyHasAnsweredOften) {
  AnswerTimes times(kBounds);
  EXPECT_EQ(times.hedge_delay_us(), 20'000U);
  record(times, kNear, AnswerTimes::kWindow - 1, 5'000);
  EXPECT_EQ(times.hedge_delay_us(), 20'000U);
  record(times, kNear, 1, 5'000);
  EXPECT_GE(times.hedge_delay_us(), 5'000U);
  EXPECT_LE(times.hedge_delay_us(), 5'700U);
}

TEST(AnswerTimes, IsTheTimeThatFewAnswersExceed) {
  AnswerTimes times(kBounds);
  for (unsigned i = 0; i < AnswerTimes::kWindow; ++i) {
    times.record(kNear, i % 10 == 0 ? 100'000 : 4'000);
  }
  EXPECT_GE(times.hedge_delay_us(), 100'000U) << "one in ten is more than one in twenty";
  for (unsigned i = 0; i < AnswerTimes::kWindow; ++i) {
    times.record(kNear, i % 40 == 0 ? 100'000 : 4'000);
  }
  EXPECT_LE(times.hedge_delay_us(), 4'700U) << "what was before does not count";
}

TEST(AnswerTimes, WhoIsSlowAtAllTimesIsNoMeasure) {
  AnswerTimes times(kBounds);
  record(times, kFar, 10 * AnswerTimes::kWindow, 80'000);
  EXPECT_GE(times.hedge_delay_us(), 80'000U);
  record(times, kNear, AnswerTimes::kWindow, 5'000);
  record(times, kFar, 10 * AnswerTimes::kWindow, 80'000);
  EXPECT_LE(times.hedge_delay_us(), 5'700U);
  times.keep([](const object::NodeId& id) { return id != kNear; });
  EXPECT_GE(times.hedge_delay_us(), 80'000U) << "the quick one has gone";
}

TEST(AnswerTimes, StaysWithinItsBounds) {
  AnswerTimes times(kBounds);
  record(times, kNear, AnswerTimes::kWindow, 100);
  EXPECT_EQ(times.hedge_delay_us(), 2'000U);
  record(times, kNear, AnswerTimes::kWindow, 900'000);
  EXPECT_EQ(times.hedge_delay_us(), 250'000U);
}

}  // namespace
}  // namespace quorate::coordinator
