#include "quorate/redis/reply_writer.h"

#include <cmath>
#include <functional>
#include <gtest/gtest.h>
#include <limits>
#include <string>

namespace quorate::redis {
namespace {

using Write = std::function<void(ReplyWriter&)>;

std::string written(int protocol, const Write& write) {
  OutputBuffer out;
  ReplyWriter writer(out, protocol);
  write(writer);
  return std::string(out.view());
}

void expect(const Write& write, const std::string& resp2, const std::string& resp3) {
  EXPECT_EQ(written(2, write), resp2);
  EXPECT_EQ(written(3, write), resp3);
}

void expect_both(const Write& write, const std::string& reply) { expect(write, reply, reply); }

TEST(ReplyWriter, SimpleKinds) {
  expect_both([](ReplyWriter& w) { w.ok(); }, "+OK\r\n");
  expect_both([](ReplyWriter& w) { w.simple("Background saving started"); },
              "+Background saving started\r\n");
  expect_both([](ReplyWriter& w) { w.bulk("value"); }, "$5\r\nvalue\r\n");
  expect_both([](ReplyWriter& w) { w.bulk(""); }, "$0\r\n\r\n");
  expect_both([](ReplyWriter& w) { w.bulk(std::string(1234, 'x')); },
              "$1234\r\n" + std::string(1234, 'x') + "\r\n");
  expect_both([](ReplyWriter& w) { w.bulk_integer(-17); }, "$3\r\n-17\r\n");
  expect_both([](ReplyWriter& w) { w.array(12); }, "*12\r\n");
}

TEST(ReplyWriter, ErrorsAreOneLine) {
  expect_both([](ReplyWriter& w) { w.error("ERR unknown command 'a\r\nb'"); },
              "-ERR unknown command 'a  b'\r\n");
}

TEST(ReplyWriter, Integers) {
  const auto integer = [](int64_t value) {
    return written(2, [value](ReplyWriter& w) { w.integer(value); });
  };
  EXPECT_EQ(integer(0), ":0\r\n");
  EXPECT_EQ(integer(9), ":9\r\n");
  EXPECT_EQ(integer(10), ":10\r\n");
  EXPECT_EQ(integer(-1), ":-1\r\n");
  EXPECT_EQ(integer(std::numeric_limits<int64_t>::min()), ":-9223372036854775808\r\n");
  EXPECT_EQ(integer(std::numeric_limits<int64_t>::max()), ":9223372036854775807\r\n");
}

TEST(ReplyWriter, WhatTheProtocolsSayDifferently) {
  expect([](ReplyWriter& w) { w.null(); }, "$-1\r\n", "_\r\n");
  expect([](ReplyWriter& w) { w.null_array(); }, "*-1\r\n", "_\r\n");
  expect([](ReplyWriter& w) { w.map(3); }, "*6\r\n", "%3\r\n");
  expect([](ReplyWriter& w) { w.set(3); }, "*3\r\n", "~3\r\n");
  expect([](ReplyWriter& w) { w.push(3); }, "*3\r\n", ">3\r\n");
  expect([](ReplyWriter& w) { w.boolean(true); }, ":1\r\n", "#t\r\n");
  expect([](ReplyWriter& w) { w.boolean(false); }, ":0\r\n", "#f\r\n");
  expect([](ReplyWriter& w) { w.double_(1.5); }, "$3\r\n1.5\r\n", ",1.5\r\n");
  expect([](ReplyWriter& w) { w.big_number("123456789012345678901"); },
         "$21\r\n123456789012345678901\r\n", "(123456789012345678901\r\n");
  expect([](ReplyWriter& w) { w.verbatim("txt", "two\nlines"); }, "$9\r\ntwo\nlines\r\n",
         "=13\r\ntxt:two\nlines\r\n");
}

TEST(ReplyWriter, DoublesAsRedisPrintsThem) {
  const auto formatted = [](double value) {
    char text[kDoubleBytesMax];
    return std::string(text, format_double(value, text));
  };
  EXPECT_EQ(formatted(0), "0");
  EXPECT_EQ(formatted(-0.0), "-0");
  EXPECT_EQ(formatted(3), "3");
  EXPECT_EQ(formatted(-100), "-100");
  EXPECT_EQ(formatted(3.1), "3.1");
  EXPECT_EQ(formatted(0.1), "0.1");
  EXPECT_EQ(formatted(-1234.5678), "-1234.5678");
  EXPECT_EQ(formatted(0.000001), "0.000001");
  EXPECT_EQ(formatted(0.0000001), "1e-7");
  EXPECT_EQ(formatted(1.5e-9), "1.5e-9");
  EXPECT_EQ(formatted(4503599627370495.0), "4503599627370495");
  EXPECT_EQ(formatted(9007199254740993.0), "9007199254740992");
  EXPECT_EQ(formatted(1e20), "1e+20");
  EXPECT_EQ(formatted(1.7976931348623157e308), "1.7976931348623157e+308");
  EXPECT_EQ(formatted(5e-324), "5e-324");
  EXPECT_EQ(formatted(INFINITY), "inf");
  EXPECT_EQ(formatted(-INFINITY), "-inf");
  EXPECT_EQ(formatted(NAN), "nan");
}

TEST(OutputBuffer, GrowsAndConsumes) {
  OutputBuffer out;
  std::string expected;
  for (int i = 0; i < 2000; ++i) {
    const std::string piece = std::to_string(i) + ",";
    out.append(piece);
    expected += piece;
    if (i % 7 == 0) {
      const size_t taken = std::min<size_t>(out.size(), 11);
      ASSERT_EQ(out.view().substr(0, taken), expected.substr(0, taken));
      out.consume(taken);
      expected.erase(0, taken);
    }
  }
  EXPECT_EQ(out.view(), expected);
  out.truncate(10);
  EXPECT_EQ(out.view(), expected.substr(0, 10));
  out.clear();
  EXPECT_TRUE(out.empty());
}

TEST(OutputBuffer, ShrinksWhenItStaysMostlyUnused) {
  OutputBuffer out;
  out.append(std::string(1 << 20, 'x'));
  out.clear();
  const size_t large = out.capacity();
  EXPECT_GE(large, size_t{1} << 20);
  for (uint32_t i = 0; i < OutputBuffer::kDrainsBeforeShrink; ++i) {
    EXPECT_EQ(out.capacity(), large);
    out.append("small");
    out.clear();
  }
  EXPECT_EQ(out.capacity(), OutputBuffer::kKeptBytes);
  out.append("still works");
  EXPECT_EQ(out.view(), "still works");
  out.release_idle();
  EXPECT_EQ(out.view(), "still works");
  out.clear();
  out.release_idle();
  EXPECT_EQ(out.capacity(), 0u);
}

TEST(OutputBuffer, KeepsWhatABusyConnectionUses) {
  OutputBuffer out;
  out.append(std::string(100000, 'x'));
  out.clear();
  const size_t capacity = out.capacity();
  for (int i = 0; i < 1000; ++i) {
    out.append(std::string(i % 8 == 0 ? 90000 : 10, 'y'));
    out.clear();
  }
  EXPECT_EQ(out.capacity(), capacity);
}

TEST(OutputBuffer, MovesItsBytes) {
  OutputBuffer from;
  from.append("abc");
  OutputBuffer to(std::move(from));
  EXPECT_EQ(to.view(), "abc");
  OutputBuffer assigned;
  assigned.append("gone");
  assigned = std::move(to);
  EXPECT_EQ(assigned.view(), "abc");
}

}  // namespace
}  // namespace quorate::redis
