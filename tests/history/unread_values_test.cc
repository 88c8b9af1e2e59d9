// What may be forgotten of values that nobody read, and what may not.
#include "history/unread_values.h"

#include <gtest/gtest.h>

#include "history/history_builder.h"
#include "history/linearizability.h"

namespace quorate::history {
namespace {

std::vector<std::string> arguments_after(const HistoryBuilder& builder) {
  std::vector<const Operation*> operations;
  for (const Operation& operation : builder.history()) operations.push_back(&operation);
  std::vector<std::string> arguments;
  for (const Operation& operation : forget_unread_values(operations)) {
    arguments.push_back(operation.argument);
  }
  return arguments;
}

TEST(UnreadValues, KeepsWhatAReadMayTell) {
  HistoryBuilder builder;
  builder.set(1, 0, 1, "read")
      .set(1, 2, 3, "rea")
      .set_nx(1, 4, 5, "eal", true)
      .set(1, 6, 7, "12")
      .set(1, 8, 9, "-")
      .set(1, 10, 11, "")
      .uncertain(1, 12, Kind::append, "d-o")
      .uncertain(1, 13, Kind::append, "o-d")
      .append(2, 14, 15, "known", 9)
      .get(2, 16, 17, "read-on");
  const std::vector<std::string> expected = {"read", "rea", "\xff\xff\xff", "12",    "-",
                                             "",     "d-o", "\xff\xff\xff", "known", ""};
  EXPECT_EQ(arguments_after(builder), expected);
  builder.get(2, 18, 19, "\xff");
  EXPECT_EQ(arguments_after(builder)[2], "eal");
}

TEST(UnreadValues, ExplanationsShowWhatWasRecorded) {
  HistoryBuilder builder;
  builder.set(1, 0, 1, "unread").get(2, 2, 3, "other");
  const Report report = check_linearizability(builder.history());
  ASSERT_EQ(report.violations.size(), 1);
  const std::string& text = report.violations.front().explanation;
  EXPECT_NE(text.find("SET \"unread\" -> OK"), text.npos) << text;
  EXPECT_NE(text.find("could only hold (something nobody read)"), text.npos) << text;
}

}  // namespace
}  // namespace quorate::history
