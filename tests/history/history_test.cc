// The text form of histories.
#include "history/history.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sstream>

#include "history/history_builder.h"

namespace quorate::history {
namespace {

using testing::HasSubstr;

runtime::Result<History> read(const std::string& text) {
  std::istringstream in(text);
  return read_history(in);
}

std::string fault_of(const std::string& line) {
  const auto history = read("quorate-history 1\n" + line + "\n");
  return history ? "none" : history.error().message;
}

TEST(HistoryText, EveryKindAndResultComesBack) {
  HistoryBuilder builder;
  builder.set(1, 0, 5, std::string("\0\xff \n", 4))
      .set(2, 1, 1, "")
      .set_nx(3, 2, 4, "x", true)
      .set_nx(3, 5, 6, "y", false)
      .incr(4, 7, kNever - 1, std::numeric_limits<int64_t>::min())
      .append(5, 8, 9, "-", 12)
      .del(6, 10, 11, 0)
      .get(7, 12, 13, "")
      .get_nil(7, 14, 15)
      .add(8, 16, 17, Kind::incr, {}, Result::error("ERR no integer"))
      .uncertain(9, 18, Kind::append, "tail")
      .uncertain(9, 19, Kind::get);
  std::ostringstream out;
  write_history(out, builder.history());
  const auto read_back = read(out.str());
  ASSERT_TRUE(read_back) << read_back.error().message;
  EXPECT_EQ(*read_back, builder.history());
}

TEST(HistoryText, IsWhatTheHeaderShows) {
  const auto history = read(
      "quorate-history 1\n# a remark\n\n3 x6b31 SET x763137 1200 1450 OK\n"
      "4 x6b31 GET - 1300 1460 x763137\n3 x6b31 INCR - 1500 - -\n");
  ASSERT_TRUE(history) << history.error().message;
  const History expected = {
      {3, "k1", Kind::set, "v17", 1200, 1450, Result::ok()},
      {4, "k1", Kind::get, "", 1300, 1460, Result::value("v17")},
      {3, "k1", Kind::incr, "", 1500, kNever, {}},
  };
  EXPECT_EQ(*history, expected);
}

TEST(HistoryText, RefusesWhatIsNotOfTheForm) {
  EXPECT_FALSE(read(""));
  EXPECT_FALSE(read("quorate-history 2\n"));
  EXPECT_EQ(fault_of("3 x6b31 GET - 1 2 nil"), "none");
  EXPECT_EQ(fault_of("3 x6b31 GET - 1 2"), "line 2: not seven fields");
  EXPECT_THAT(fault_of("3 x6b31 GET - 1 2 nil "), HasSubstr("seven fields"));
  EXPECT_THAT(fault_of("-3 x6b31 GET - 1 2 nil"), HasSubstr("client"));
  EXPECT_THAT(fault_of("3 6b31 GET - 1 2 nil"), HasSubstr("key"));
  EXPECT_THAT(fault_of("3 x6b3 GET - 1 2 nil"), HasSubstr("key"));
  EXPECT_THAT(fault_of("3 x6g31 GET - 1 2 nil"), HasSubstr("key"));
  EXPECT_THAT(fault_of("3 x6b31 HGET - 1 2 nil"), HasSubstr("kind"));
  EXPECT_THAT(fault_of("3 x6b31 GET x31 1 2 nil"), HasSubstr("argument"));
  EXPECT_THAT(fault_of("3 x6b31 SET - 1 2 OK"), HasSubstr("argument"));
  EXPECT_THAT(fault_of("3 x6b31 GET - x 2 nil"), HasSubstr("invoked"));
  EXPECT_THAT(fault_of("3 x6b31 GET - 1 18446744073709551615 nil"), HasSubstr("returned"));
  EXPECT_THAT(fault_of("3 x6b31 GET - 2 1 nil"), HasSubstr("before"));
  EXPECT_THAT(fault_of("3 x6b31 GET - 1 2 none"), HasSubstr("result"));
  EXPECT_THAT(fault_of("3 x6b31 INCR - 1 2 :1x"), HasSubstr("result"));
  EXPECT_THAT(fault_of("3 x6b31 GET - 1 - nil"), HasSubstr("time"));
  EXPECT_THAT(fault_of("3 x6b31 GET - 1 2 -"), HasSubstr("time"));
}

TEST(HistoryText, DescribesBytesReadably) {
  Operation operation{1, "k", Kind::set, std::string("a\"\n", 3), 0, 1, Result::ok()};
  EXPECT_EQ(describe_call(operation), "SET \"a\\x22\\x0a\"");
  operation.argument = std::string(500, 'v');
  EXPECT_THAT(describe_call(operation), HasSubstr("(500 bytes)"));
  EXPECT_EQ(describe_result(Result::of(-7)), "-7");
  EXPECT_EQ(describe_result({}), "uncertain");
}

}  // namespace
}  // namespace quorate::history
