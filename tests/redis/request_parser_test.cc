#include "quorate/redis/request_parser.h"

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <memory>
#include <random>
#include <string>
#include <vector>

namespace quorate::redis {
namespace {

using Strings = std::vector<std::string>;

std::string encode(const Strings& args) {
  std::string request = fmt::format("*{}\r\n", args.size());
  for (const std::string& arg : args) request += fmt::format("${}\r\n{}\r\n", arg.size(), arg);
  return request;
}

Strings copy(Args args) { return {args.begin(), args.end()}; }

struct Outcome {
  std::vector<Strings> requests;
  std::string error;
  size_t consumed = 0;

  bool operator==(const Outcome&) const = default;
};

// Feeds `input` in the given cuts, each time at a fresh address, as a socket and a growing buffer
// do.
Outcome feed(const std::string& input, const std::vector<size_t>& cuts,
             RequestParser::Limits limits = {}) {
  RequestParser parser;
  parser.limits() = limits;
  Outcome outcome;
  std::vector<size_t> ends = cuts;
  ends.push_back(input.size());
  for (const size_t end : ends) {
    while (outcome.consumed < end) {
      const size_t bytes = end - outcome.consumed;
      const auto fresh = std::make_unique<char[]>(bytes);  // exact, so that ASan sees an over-read
      input.copy(fresh.get(), bytes, outcome.consumed);
      const ParseStatus status = parser.parse({fresh.get(), bytes});
      if (status == ParseStatus::incomplete) break;
      if (status == ParseStatus::error) {
        outcome.error = parser.error();
        return outcome;
      }
      outcome.requests.push_back(copy(parser.args()));
      outcome.consumed += parser.consumed();
    }
  }
  return outcome;
}

Outcome whole(const std::string& input, RequestParser::Limits limits = {}) {
  return feed(input, {}, limits);
}

std::string error_of(const std::string& input, RequestParser::Limits limits = {}) {
  return whole(input, limits).error;
}

TEST(RequestParser, ParsesAPipeline) {
  const Outcome outcome =
      whole(encode({"SET", "key", std::string(100, 'v')}) + encode({"GET", "key"}) + "PING\r\n");
  EXPECT_EQ(outcome.error, "");
  EXPECT_EQ(
      outcome.requests,
      (std::vector<Strings>{{"SET", "key", std::string(100, 'v')}, {"GET", "key"}, {"PING"}}));
}

TEST(RequestParser, ArgumentsAreViewsIntoTheInput) {
  const std::string input = encode({"GET", "some-key"});
  RequestParser parser;
  ASSERT_EQ(parser.parse(input), ParseStatus::complete);
  EXPECT_EQ(parser.args()[1].data(), input.data() + input.find("some-key"));
  EXPECT_EQ(parser.consumed(), input.size());
}

TEST(RequestParser, BinaryAndEmptyArguments) {
  const std::string binary("\0\r\n$5\xff*", 7);
  EXPECT_EQ(whole(encode({"SET", binary, ""})).requests,
            (std::vector<Strings>{{"SET", binary, ""}}));
}

TEST(RequestParser, EmptyRequestsAreCompleteWithoutArguments) {
  const Outcome outcome = whole("\r\n\n   \r\n*0\r\n*-1\r\n" + encode({"PING"}));
  EXPECT_EQ(outcome.error, "");
  EXPECT_EQ(outcome.requests, (std::vector<Strings>{{}, {}, {}, {}, {}, {"PING"}}));
}

TEST(RequestParser, EverySplitGivesTheSame) {
  const std::string input = encode({"SET", "k", std::string(12, 'v'), "", std::string(120, 'w')}) +
                            "set \"a b\\x41\\n\" 'it\\'s' plain\r\n*0\r\n" +
                            encode({"GET", "\r\n$1\r\nx\r\n"}) + "\nPING\n";
  const Outcome expected = whole(input);
  ASSERT_EQ(expected.requests.size(), 6u);
  EXPECT_EQ(expected.requests[1], (Strings{"set", "a bA\n", "it's", "plain"}));
  for (size_t cut = 1; cut < input.size(); ++cut) {
    EXPECT_EQ(feed(input, {cut}), expected) << cut;
    for (size_t next = cut + 1; next < input.size(); next += 7)
      EXPECT_EQ(feed(input, {cut, next}), expected) << cut << " " << next;
  }
  std::vector<size_t> every_byte;
  for (size_t cut = 1; cut < input.size(); ++cut) every_byte.push_back(cut);
  EXPECT_EQ(feed(input, every_byte), expected);
}

TEST(RequestParser, ErrorsDoNotDependOnTheSplit) {
  const Strings inputs = {
      "*x\r\n",
      "*1\r\n$-1\r\n",
      "*2\r\n$1\r\na\r\n:1\r\n",
      "*01\r\n",
      "*1\r\n$ 1\r\n",
      "*1\r\n$\r\n",
      "*\r\n",
      "*99999999999999999999\r\n",
      "get \"a\r\n",
      "get 'a'b\r\n",
      "*1\r\n$+1\r\n",
      "*1\r\n$600000000\r\n",
  };
  for (const std::string& input : inputs) {
    const Outcome expected = whole(input);
    EXPECT_NE(expected.error, "") << input;
    for (size_t cut = 1; cut < input.size(); ++cut)
      EXPECT_EQ(feed(input, {cut}), expected) << input << " cut at " << cut;
  }
}

TEST(RequestParser, ErrorTexts) {
  EXPECT_EQ(error_of("*x\r\n"), "Protocol error: invalid multibulk length");
  EXPECT_EQ(error_of("*1048577\r\n"), "Protocol error: invalid multibulk length");
  EXPECT_EQ(error_of("*1\r\nx3\r\n"), "Protocol error: expected '$', got 'x'");
  EXPECT_EQ(error_of("*1\r\n$x\r\n"), "Protocol error: invalid bulk length");
  EXPECT_EQ(error_of("*1\r\n$-2\r\n"), "Protocol error: invalid bulk length");
  EXPECT_EQ(error_of("*1\r\n$536870913\r\n"), "Protocol error: invalid bulk length");
  EXPECT_EQ(error_of("*" + std::string(65536, '1')), "Protocol error: too big mbulk count string");
  EXPECT_EQ(error_of("*1\r\n$" + std::string(65536, '1')),
            "Protocol error: too big bulk count string");
  EXPECT_EQ(error_of(std::string(65537, 'a')), "Protocol error: too big inline request");
  EXPECT_EQ(error_of("get \"abc\r\n"), "Protocol error: unbalanced quotes in request");
  EXPECT_EQ(error_of("get \"abc\"d\r\n"), "Protocol error: unbalanced quotes in request");
}

TEST(RequestParser, UnauthenticatedConnectionsAreHeldShort) {
  RequestParser::Limits limits;
  limits.authenticated = false;
  EXPECT_EQ(error_of("*11\r\n", limits), "Protocol error: unauthenticated multibulk length");
  EXPECT_EQ(error_of("*1\r\n$16385\r\n", limits), "Protocol error: unauthenticated bulk length");
  const Strings allowed = {"a", "b", "c", "d", "e", "f", "g", "h", "i", std::string(16384, 'j')};
  EXPECT_EQ(whole(encode(allowed), limits).requests, std::vector<Strings>{allowed});
}

TEST(RequestParser, AnErrorStaysUntilReset) {
  RequestParser parser;
  ASSERT_EQ(parser.parse("*x\r\n"), ParseStatus::error);
  EXPECT_EQ(parser.parse("PING\r\n"), ParseStatus::error);
  EXPECT_TRUE(parser.args().empty());
  parser.reset();
  EXPECT_EQ(parser.parse("PING\r\n"), ParseStatus::complete);
  EXPECT_EQ(parser.error(), "");
}

TEST(RequestParser, SaysHowMuchALargeRequestNeeds) {
  const std::string input = encode({"SET", "k", std::string(100000, 'v')});
  RequestParser parser;
  EXPECT_EQ(parser.parse(""), ParseStatus::incomplete);
  EXPECT_EQ(parser.needed(), 0u);
  EXPECT_EQ(parser.parse(input.substr(0, 6)), ParseStatus::incomplete);
  EXPECT_EQ(parser.needed(), 4u + 3 * 6);
  EXPECT_EQ(parser.parse(input.substr(0, 50)), ParseStatus::incomplete);
  EXPECT_EQ(parser.needed(), input.size());
  EXPECT_EQ(parser.parse(input), ParseStatus::complete);
  EXPECT_EQ(parser.needed(), 0u);
}

TEST(RequestParser, InlineQuoting) {
  const auto inline_args = [](const std::string& line) {
    const Outcome outcome = whole(line + "\r\n");
    return outcome.requests.empty() ? Strings{"<" + outcome.error + ">"} : outcome.requests[0];
  };
  EXPECT_EQ(inline_args("  set\tkey  value "), (Strings{"set", "key", "value"}));
  EXPECT_EQ(inline_args(R"(echo "\n\r\t\b\a\x0fZ\xZZ\q\"")"),
            (Strings{"echo", "\n\r\t\b\a\x0fZxZZq\""}));
  EXPECT_EQ(inline_args(R"(echo '\n\'x')"), (Strings{"echo", "\\n'x"}));
  EXPECT_EQ(inline_args(R"(echo ab"c d" '')"), (Strings{"echo", "abc d", ""}));
  EXPECT_EQ(inline_args(std::string("echo a\0b", 8)), (Strings{"echo", "a"}));
}

TEST(RequestParser, ManyArgumentsInSmallPieces) {
  Strings args = {"MSET"};
  for (int i = 0; i < 5000; ++i) args.push_back(std::to_string(i));
  const std::string input = encode(args) + encode({"PING"});
  std::vector<size_t> cuts;
  for (size_t cut = 100; cut < input.size(); cut += 100) cuts.push_back(cut);
  EXPECT_EQ(feed(input, cuts).requests, (std::vector<Strings>{args, {"PING"}}));
}

TEST(RequestParser, GarbageNeverDependsOnTheSplit) {
  std::mt19937 random(20240611);
  const std::string alphabet = "*$0123456789\r\n\r\n-+ax\"'\\ \t";
  RequestParser::Limits limits;
  limits.inline_bytes_max = 24;
  limits.bulk_bytes_max = 40;
  for (int round = 0; round < 20000; ++round) {
    std::string input = round % 2 == 0 ? encode({"GET", "k"}) : "";
    const size_t bytes = random() % 60;
    for (size_t i = 0; i < bytes; ++i) input += alphabet[random() % alphabet.size()];
    std::vector<size_t> cuts;
    for (size_t cut = 1 + random() % 8; cut < input.size(); cut += 1 + random() % 8)
      cuts.push_back(cut);
    EXPECT_EQ(feed(input, cuts, limits), whole(input, limits)) << input;
  }
}

}  // namespace
}  // namespace quorate::redis
