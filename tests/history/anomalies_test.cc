// Histories written by hand: what one Redis could have answered, and every usual way to fail.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "history/history_builder.h"
#include "history/linearizability.h"

namespace quorate::history {
namespace {

using testing::HasSubstr;
using testing::Not;

testing::AssertionResult linearizable(const HistoryBuilder& builder) {
  const Report report = check_linearizability(builder.history());
  return (report.linearizable() ? testing::AssertionSuccess() : testing::AssertionFailure())
         << report.text();
}

// Violated, not merely undecided.
testing::AssertionResult violated(const HistoryBuilder& builder) {
  const Report report = check_linearizability(builder.history());
  return (report.violations.size() == 1 ? testing::AssertionSuccess() : testing::AssertionFailure())
         << report.text();
}

HistoryBuilder begin() { return {}; }

TEST(Linearizable, OneClientInOrder) {
  EXPECT_TRUE(linearizable(begin()));
  EXPECT_TRUE(linearizable(begin()
                               .get_nil(1, 0, 1)
                               .del(1, 2, 3, 0)
                               .set_nx(1, 4, 5, "a", true)
                               .set_nx(1, 6, 7, "b", false)
                               .get(1, 8, 9, "a")
                               .append(1, 10, 11, "b", 2)
                               .get(1, 12, 13, "ab")
                               .add(1, 14, 15, Kind::incr, {}, Result::error("ERR no integer"))
                               .del(1, 16, 17, 1)
                               .incr(1, 18, 19, 1)
                               .append(1, 20, 21, "9", 2)
                               .incr(1, 22, 23, 20)
                               .set(1, 24, 25, "-1")
                               .incr(1, 26, 27, 0)
                               .append(1, 28, 29, "0", 2)
                               .add(1, 30, 31, Kind::incr, {}, Result::error("ERR no integer"))
                               .set(1, 32, 33, "9223372036854775807")
                               .add(1, 34, 35, Kind::incr, {}, Result::error("ERR overflow"))));
}

TEST(Linearizable, KeysAreIndependent) {
  History history = begin().set(1, 0, 1, "a").get_nil(2, 2, 3).history();
  history[1].key = "another";
  const Report report = check_linearizability(history);
  EXPECT_TRUE(report.linearizable());
  EXPECT_EQ(report.keys, 2);
  history[1].key = "key";
  EXPECT_EQ(check_linearizability(history).violations.size(), 1);
}

TEST(Linearizable, FromAnInitialValue) {
  const auto history = begin().get(1, 0, 1, "a").history();
  EXPECT_FALSE(check_linearizability(history).linearizable());
  CheckOptions options;
  options.initial = [](const std::string&) { return "a"; };
  EXPECT_TRUE(check_linearizability(history, options).linearizable());
}

TEST(Linearizable, OverlappingOperationsTakeAnyOrder) {
  EXPECT_TRUE(linearizable(begin().set(1, 0, 9, "a").set(2, 0, 9, "b").get(3, 10, 11, "a")));
  EXPECT_TRUE(linearizable(begin().set(1, 0, 9, "a").set(2, 0, 9, "b").get(3, 10, 11, "b")));
  EXPECT_TRUE(linearizable(begin().incr(1, 0, 9, 3).incr(2, 0, 9, 1).incr(3, 0, 9, 2)));
  EXPECT_TRUE(
      linearizable(begin().append(1, 0, 9, "aa", 3).append(2, 0, 9, "b", 1).get(3, 1, 9, "b")));
  EXPECT_TRUE(linearizable(begin().set(1, 0, 9, "a").get_nil(2, 1, 3).get(2, 4, 5, "a")));
  // What returns at the moment at which another begins overlaps it.
  EXPECT_TRUE(linearizable(begin().set(1, 0, 5, "a").get_nil(2, 5, 6)));
}

TEST(Linearizable, ASetBetweenTwoDeletes) {
  EXPECT_TRUE(
      linearizable(begin().set(1, 0, 1, "a").del(2, 2, 9, 1).del(3, 2, 9, 1).set(4, 2, 9, "b")));
  EXPECT_TRUE(violated(begin().set(1, 0, 1, "a").del(2, 2, 9, 1).del(3, 2, 9, 1)));
}

TEST(Violation, StaleReadAfterACompletedWrite) {
  const auto builder = begin().set(1, 0, 1, "a").set(1, 2, 3, "b").get(2, 4, 5, "a");
  EXPECT_TRUE(violated(builder));
  EXPECT_TRUE(violated(begin().set(1, 0, 1, "a").get_nil(2, 2, 3)));
  EXPECT_TRUE(violated(begin().get(2, 2, 3, "never written")));
  // Not yet written.
  EXPECT_TRUE(violated(begin().get(2, 2, 3, "a").set(1, 4, 5, "a")));
}

TEST(Violation, LostUpdateOfTwoIncrements) {
  EXPECT_TRUE(violated(begin().incr(1, 0, 9, 1).incr(2, 0, 9, 1)));
  EXPECT_TRUE(violated(begin().incr(1, 0, 3, 1).incr(2, 4, 9, 2).get(3, 10, 11, "1")));
  EXPECT_TRUE(violated(begin().incr(1, 0, 3, 2).incr(2, 4, 9, 1)));
  EXPECT_TRUE(violated(begin().set(1, 0, 1, "a").incr(1, 2, 3, 1)));
  EXPECT_TRUE(violated(
      begin().set(1, 0, 1, "4").add(1, 2, 3, Kind::incr, {}, Result::error("no integer"))));
}

TEST(Violation, TwoWinners) {
  EXPECT_TRUE(violated(begin().set_nx(1, 0, 9, "a", true).set_nx(2, 0, 9, "b", true)));
  EXPECT_TRUE(violated(begin().set_nx(1, 0, 9, "a", false)));
  EXPECT_TRUE(
      linearizable(begin().set_nx(1, 0, 9, "a", true).set_nx(2, 0, 9, "b", true).del(3, 0, 9, 1)));
}

TEST(Violation, ValueThatReturnsAfterItsDelete) {
  EXPECT_TRUE(
      violated(begin().set(1, 0, 1, "a").del(2, 2, 3, 1).get_nil(2, 4, 5).get(3, 6, 7, "a")));
  EXPECT_TRUE(violated(begin().set(1, 0, 1, "a").del(2, 2, 3, 1).get(3, 4, 5, "a")));
  EXPECT_TRUE(violated(begin().set(1, 0, 1, "a").del(2, 2, 3, 0)));
  EXPECT_TRUE(violated(begin().del(2, 2, 3, 1)));
}

TEST(Violation, ReadsThatGoBackwards) {
  // Both while the write is under way: the second client must not see less than the first did.
  EXPECT_TRUE(
      violated(begin().set(1, 0, 1, "a").set(1, 2, 20, "b").get(2, 3, 4, "b").get(3, 5, 6, "a")));
  EXPECT_TRUE(linearizable(
      begin().set(1, 0, 1, "a").set(1, 2, 20, "b").get(2, 3, 5, "b").get(3, 4, 6, "a")));
}

TEST(Violation, LostAppend) {
  EXPECT_TRUE(violated(begin().append(1, 0, 1, "a", 1).append(2, 2, 3, "b", 2).get(3, 4, 5, "b")));
  EXPECT_TRUE(violated(begin().append(1, 0, 1, "a", 1).append(2, 2, 3, "b", 1)));
  EXPECT_TRUE(violated(begin().append(1, 0, 1, "a", 0)));
}

TEST(Violation, ResultThatTheCommandDoesNotHave) {
  EXPECT_TRUE(violated(begin().add(1, 0, 1, Kind::set, "a", Result::nil())));
  EXPECT_TRUE(violated(begin().add(1, 0, 1, Kind::get, {}, Result::ok())));
  EXPECT_TRUE(violated(begin().add(1, 0, 1, Kind::del, {}, Result::of(2))));
  EXPECT_TRUE(violated(begin().add(1, 0, 1, Kind::append, "a", Result::error("no"))));
}

TEST(Uncertain, MayHappenLateOrNever) {
  EXPECT_TRUE(linearizable(
      begin().set(1, 0, 1, "a").uncertain(2, 2, Kind::set, "b").get(3, 100, 101, "a")));
  EXPECT_TRUE(linearizable(begin()
                               .set(1, 0, 1, "a")
                               .uncertain(2, 2, Kind::set, "b")
                               .get(3, 100, 101, "a")
                               .get(3, 102, 103, "b")));
  EXPECT_TRUE(linearizable(begin()
                               .set(1, 0, 1, "a")
                               .uncertain(2, 2, Kind::del)
                               .uncertain(2, 3, Kind::incr)
                               .uncertain(2, 4, Kind::append, "0")
                               .get(3, 102, 103, "10")));
  EXPECT_TRUE(violated(begin().get(3, 0, 1, "b").uncertain(2, 2, Kind::set, "b")));
}

TEST(Uncertain, HappensOnce) {
  EXPECT_TRUE(violated(begin()
                           .set(1, 0, 1, "a")
                           .uncertain(2, 2, Kind::set, "b")
                           .get(3, 10, 11, "b")
                           .set(1, 12, 13, "c")
                           .get(3, 14, 15, "c")
                           .get(3, 16, 17, "b")));
  // Seen, then not, then again.
  EXPECT_TRUE(violated(begin()
                           .set(1, 0, 1, "a")
                           .uncertain(2, 2, Kind::set, "b")
                           .get(3, 10, 11, "b")
                           .get(3, 12, 13, "a")
                           .get(3, 14, 15, "b")));
  EXPECT_TRUE(violated(begin().incr(1, 0, 1, 1).uncertain(2, 2, Kind::incr).incr(1, 4, 5, 4)));
  EXPECT_TRUE(linearizable(begin()
                               .incr(1, 0, 1, 1)
                               .uncertain(2, 2, Kind::incr)
                               .uncertain(3, 2, Kind::incr)
                               .incr(1, 4, 5, 4)));
}

TEST(Uncertain, OneOfManyIsFoundWithoutTryingAll) {
  HistoryBuilder many;
  many.set(1, 0, 1, "begin");
  for (uint32_t i = 0; i < 60; ++i) {
    many.uncertain(2 + i, 2 + i, i % 2 ? Kind::set : Kind::append, "value" + std::to_string(i));
  }
  EXPECT_TRUE(linearizable(HistoryBuilder(many).get(1, 100, 101, "value31value2value40")));
  EXPECT_TRUE(violated(HistoryBuilder(many).get(1, 100, 101, "value31value2value2")));
  EXPECT_TRUE(violated(HistoryBuilder(many).get(1, 100, 101, "value2").set(9, 200, 201, "late")));
}

TEST(Explanation, NamesTheKeyAndTheShortestWindow) {
  HistoryBuilder builder;
  uint64_t now = 1000;
  for (int i = 0; i < 300; ++i, now += 10) {
    builder.set(1, now, now + 5, "v" + std::to_string(i));
    builder.get(2, now + 6, now + 9, "v" + std::to_string(i));
  }
  builder.get(7, now, now + 1, "v150");
  for (int i = 0; i < 50; ++i) builder.get(3, now + 2, now + 3, "v299");
  const Report report = check_linearizability(builder.history());
  ASSERT_EQ(report.violations.size(), 1);
  const Violation& violation = report.violations.front();
  EXPECT_EQ(violation.key, "key");
  EXPECT_EQ(violation.failed, 600);
  EXPECT_EQ(violation.window, (std::vector<size_t>{599, 600})) << violation.explanation;
  EXPECT_EQ(violation.core, violation.window);
  EXPECT_THAT(violation.explanation,
              HasSubstr("[2996 .. 2999] client 2: GET -> \"v299\"\n  > [3000 .. 3001] client 7"));
  EXPECT_THAT(violation.explanation, HasSubstr("client 1: SET \"v150\" -> OK"));
  EXPECT_THAT(violation.explanation, HasSubstr("could only hold \"v299\""));
  EXPECT_THAT(violation.explanation, Not(HasSubstr("\"v149\"")));
}

TEST(Explanation, SaysWhenOnlyTheBeginningTells) {
  const Report report = check_linearizability(begin().get(1, 5, 6, "a").history());
  ASSERT_EQ(report.violations.size(), 1);
  EXPECT_THAT(report.violations.front().explanation, HasSubstr("since the start"));
}

TEST(WorkLimit, LeavesAKeyUndecidedAndSaysSo) {
  CheckOptions options;
  options.work_limit = 10;
  options.work_limit_per_operation = 0;
  HistoryBuilder builder;
  for (uint32_t i = 0; i < 20; ++i) builder.append(i, 0, 100, std::string(i + 1, 'a'), 200);
  const Report report = check_linearizability(builder.history(), options);
  EXPECT_TRUE(report.violations.empty());
  EXPECT_EQ(report.undecided, std::vector<std::string>{"key"});
  EXPECT_FALSE(report.linearizable());
}

}  // namespace
}  // namespace quorate::history
