// The string commands: what is typed, and what Redis 7.2 answers.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "redis/command_harness.h"
#include "redis/reply_text.h"

namespace quorate::redis {
namespace {

class StringCommands : public testing::Test {
 protected:
  std::string run(const Words& words) { return harness_.run(words); }
  std::string get(const std::string& key) { return run({"GET", key}); }
  std::string pttl(const std::string& key) { return run({"PTTL", key}); }
  // The time to live of a key just set, whose exact value depends on how long ago that was.
  void expect_ttl_near(const std::string& key, int64_t ms) {
    const std::string reply = pttl(key);
    EXPECT_EQ(reply.front(), ':');
    EXPECT_NEAR(std::stod(reply.substr(1)), static_cast<double>(ms), 1000) << key;
  }
  std::string now_plus_s(int64_t s) {
    return std::to_string(static_cast<int64_t>(harness_.now_ms()) / 1000 + s);
  }
  EngineStatistics& statistics() { return harness_.engine().statistics(); }

  CommandHarness harness_;
};

TEST_F(StringCommands, GetAnswersWhatSetStored) {
  EXPECT_EQ(get("k"), kNull);
  EXPECT_EQ(run({"SET", "k", "v"}), kOk);
  EXPECT_EQ(get("k"), bulk("v"));
  EXPECT_EQ(run({"SET", "k", ""}), kOk);
  EXPECT_EQ(get("k"), bulk(""));
  EXPECT_EQ(run({"SET", "", "of the empty key"}), kOk);
  EXPECT_EQ(get(""), bulk("of the empty key"));
}

TEST_F(StringCommands, KeysAndValuesAreAnyBytes) {
  const std::string key("\0\xff\r\n key", 8);
  std::string value;
  for (int byte = 0; byte < 256; ++byte) value += static_cast<char>(byte);
  EXPECT_EQ(run({"SET", key, value}), kOk);
  EXPECT_EQ(get(key), bulk(value));
}

TEST_F(StringCommands, ValuesOfEverySizeClass) {
  for (const size_t size : {0, 1, 100, 4095, 4096, 4097, 70'000, 3'000'000}) {
    const std::string value(size, static_cast<char>('a' + size % 26));
    ASSERT_EQ(run({"SET", "k", value}), kOk);
    ASSERT_EQ(get("k"), bulk(value)) << size;
  }
}

TEST_F(StringCommands, GetInResp3AnswersItsNull) {
  run({"HELLO", "3"});
  EXPECT_EQ(get("none"), "_\r\n");
  EXPECT_EQ(run({"MGET", "none", "none"}), "*2\r\n_\r\n_\r\n");
  EXPECT_EQ(run({"SET", "none", "v", "XX"}), "_\r\n");
}

TEST_F(StringCommands, SetNxSetsOnlyWhatIsAbsent) {
  EXPECT_EQ(run({"SET", "k", "v", "NX"}), kOk);
  EXPECT_EQ(run({"SET", "k", "w", "nx"}), kNull);
  EXPECT_EQ(get("k"), bulk("v"));
  EXPECT_EQ(run({"SET", "k", "w", "NX", "NX"}), kNull);
}

TEST_F(StringCommands, SetXxSetsOnlyWhatExists) {
  EXPECT_EQ(run({"SET", "k", "v", "XX"}), kNull);
  EXPECT_EQ(get("k"), kNull);
  run({"SET", "k", "v"});
  EXPECT_EQ(run({"SET", "k", "w", "xx"}), kOk);
  EXPECT_EQ(run({"SET", "k", "x", "XX", "XX"}), kOk);
  EXPECT_EQ(get("k"), bulk("x"));
}

TEST_F(StringCommands, SetGetAnswersTheOldValue) {
  EXPECT_EQ(run({"SET", "k", "v", "GET"}), kNull);
  EXPECT_EQ(run({"SET", "k", "w", "get"}), bulk("v"));
  EXPECT_EQ(run({"SET", "k", "x", "GET", "GET"}), bulk("w"));
  EXPECT_EQ(run({"SET", "k", "y", "XX", "GET"}), bulk("x"));
  EXPECT_EQ(get("k"), bulk("y"));
  EXPECT_EQ(run({"SET", "k", "z", "NX", "GET"}), bulk("y"));
  EXPECT_EQ(get("k"), bulk("y"));
  EXPECT_EQ(run({"SET", "fresh", "v", "NX", "GET"}), kNull);
  EXPECT_EQ(get("fresh"), bulk("v"));
  EXPECT_EQ(run({"SET", "none", "v", "XX", "GET"}), kNull);
  EXPECT_EQ(get("none"), kNull);
}

TEST_F(StringCommands, SetWithAnExpiry) {
  EXPECT_EQ(run({"SET", "k", "v", "EX", "100"}), kOk);
  expect_ttl_near("k", 100'000);
  EXPECT_EQ(run({"SET", "k", "v", "px", "2000"}), kOk);
  expect_ttl_near("k", 2'000);
  EXPECT_EQ(run({"SET", "k", "v", "EXAT", now_plus_s(50)}), kOk);
  expect_ttl_near("k", 50'000);
  EXPECT_EQ(run({"SET", "k", "v", "PXAT", "33177117420123"}), kOk);
  EXPECT_EQ(run({"PEXPIRETIME", "k"}), integer(33177117420123));
  EXPECT_EQ(run({"SET", "k", "v", "EX", "10", "NX"}), kNull);
  EXPECT_EQ(run({"SET", "k", "w", "XX", "EX", "10", "GET"}), bulk("v"));
  expect_ttl_near("k", 10'000);
  EXPECT_EQ(run({"SET", "k", "v", "EX", "10", "EX", "20"}), kOk);
  expect_ttl_near("k", 20'000);
}

TEST_F(StringCommands, SetWithoutAnExpiryForgetsTheOldOne) {
  run({"SET", "k", "v", "EX", "100"});
  EXPECT_EQ(run({"SET", "k", "v"}), kOk);
  EXPECT_EQ(pttl("k"), integer(-1));
  run({"SET", "k", "v", "EX", "100"});
  EXPECT_EQ(run({"SET", "k", "v", "XX"}), kOk);
  EXPECT_EQ(pttl("k"), integer(-1));
}

TEST_F(StringCommands, SetKeepttlKeepsIt) {
  run({"SET", "k", "v", "EX", "100"});
  EXPECT_EQ(run({"SET", "k", "w", "KEEPTTL"}), kOk);
  EXPECT_EQ(get("k"), bulk("w"));
  expect_ttl_near("k", 100'000);
  EXPECT_EQ(run({"SET", "fresh", "v", "keepttl"}), kOk);
  EXPECT_EQ(pttl("fresh"), integer(-1));
  EXPECT_EQ(run({"SET", "k", "w", "KEEPTTL", "KEEPTTL", "GET"}), bulk("w"));
}

TEST_F(StringCommands, SetWithAMomentInThePastIsGoneAtOnce) {
  EXPECT_EQ(run({"SET", "k", "v", "EXAT", "1"}), kOk);
  EXPECT_EQ(get("k"), kNull);
  run({"SET", "k", "v"});
  EXPECT_EQ(run({"SET", "k", "w", "PXAT", "1", "GET"}), bulk("v"));
  EXPECT_EQ(run({"EXISTS", "k"}), integer(0));
}

TEST_F(StringCommands, AnExpiredKeyIsAbsent) {
  run({"SET", "k", "v", "PX", "50"});
  harness_.advance_ms(49);
  EXPECT_EQ(run({"SET", "k", "w", "NX", "KEEPTTL"}), kNull);
  harness_.advance_ms(2);
  EXPECT_EQ(get("k"), kNull);
  EXPECT_EQ(harness_.engine().store().statistics().expired_keys, 1);
  EXPECT_EQ(run({"SET", "k", "w", "KEEPTTL", "NX"}), kOk);
  EXPECT_EQ(pttl("k"), integer(-1));
}

TEST_F(StringCommands, SetRefusesContradictionsAndTheUnknown) {
  run({"SET", "k", "old", "EX", "100"});
  const std::vector<Words> wrong = {{"NX", "XX"},
                                    {"XX", "NX"},
                                    {"EX"},
                                    {"EX", "10", "PX", "20"},
                                    {"PX", "10", "EX", "20"},
                                    {"EX", "10", "EXAT", "20"},
                                    {"EXAT", "10", "PXAT", "20"},
                                    {"EX", "10", "KEEPTTL"},
                                    {"KEEPTTL", "EX", "10"},
                                    {"KEEPTTL", "PXAT", "10"},
                                    {"PERSIST"},
                                    {"NONSENSE"},
                                    {""},
                                    {"10"},
                                    {"NX", "EX"},
                                    {"EX", "0", "NONSENSE"}};
  for (const Words& options : wrong) {
    Words request = {"SET", "k", "new"};
    request.insert(request.end(), options.begin(), options.end());
    EXPECT_EQ(run(request), kSyntaxError) << testing::PrintToString(options);
  }
  EXPECT_EQ(get("k"), bulk("old"));
  expect_ttl_near("k", 100'000);
}

TEST_F(StringCommands, SetRefusesWhatIsNoTimeToCome) {
  run({"SET", "k", "old"});
  for (const char* number : {"abc", "1.5", "", " 10", "9223372036854775808", "NX"}) {
    EXPECT_EQ(run({"SET", "k", "v", "EX", number}), kNotAnInteger) << number;
  }
  for (const char* option : {"EX", "PX", "EXAT", "PXAT"}) {
    EXPECT_EQ(run({"SET", "k", "v", option, "0"}), bad_time("set")) << option;
    EXPECT_EQ(run({"SET", "k", "v", option, "-1"}), bad_time("set")) << option;
  }
  EXPECT_EQ(run({"SET", "k", "v", "EX", "9223372036854775807"}), bad_time("set"));
  EXPECT_EQ(run({"SET", "k", "v", "EX", "9223372036854776"}), bad_time("set"));
  EXPECT_EQ(run({"SET", "k", "v", "EX", "9223372036854775"}), bad_time("set"));
  EXPECT_EQ(run({"SET", "k", "v", "PX", "9223372036854775807"}), bad_time("set"));
  EXPECT_EQ(run({"SET", "k", "v", "EXAT", "9223372036854775807"}), bad_time("set"));
  EXPECT_EQ(run({"SET", "k", "v", "GET", "EX", "0"}), bad_time("set"));
  EXPECT_EQ(get("k"), bulk("old"));
  EXPECT_EQ(run({"SET", "k", "v", "PXAT", "9223372036854775807"}), kOk);
  EXPECT_EQ(run({"PEXPIRETIME", "k"}), integer(9223372036854775807));
}

TEST_F(StringCommands, ArityIsChecked) {
  EXPECT_EQ(run({"GET"}), wrong_arity("get"));
  EXPECT_EQ(run({"GET", "a", "b"}), wrong_arity("get"));
  EXPECT_EQ(run({"SET", "a"}), wrong_arity("set"));
  EXPECT_EQ(run({"MSET"}), wrong_arity("mset"));
  EXPECT_EQ(run({"MSET", "a"}), wrong_arity("mset"));
  EXPECT_EQ(run({"MSET", "a", "1", "b"}), wrong_arity("mset"));
  EXPECT_EQ(get("a"), kNull);
}

TEST_F(StringCommands, MsetAndMget) {
  EXPECT_EQ(run({"MSET", "a", "1", "b", "2", "c", ""}), kOk);
  EXPECT_EQ(run({"MGET", "a", "none", "c", "b", "a"}),
            "*5\r\n$1\r\n1\r\n$-1\r\n$0\r\n\r\n$1\r\n2\r\n$1\r\n1\r\n");
  EXPECT_EQ(run({"MSET", "a", "first", "b", "3", "a", "last"}), kOk);
  EXPECT_EQ(get("a"), bulk("last"));
  run({"SET", "a", "1", "EX", "100"});
  EXPECT_EQ(run({"MSET", "a", "2"}), kOk);
  EXPECT_EQ(pttl("a"), integer(-1));
}

TEST_F(StringCommands, Setnx) {
  EXPECT_EQ(run({"SETNX", "k", "v"}), integer(1));
  EXPECT_EQ(run({"SETNX", "k", "w"}), integer(0));
  EXPECT_EQ(get("k"), bulk("v"));
}

TEST_F(StringCommands, SetexAndPsetex) {
  EXPECT_EQ(run({"SETEX", "k", "100", "v"}), kOk);
  EXPECT_EQ(get("k"), bulk("v"));
  expect_ttl_near("k", 100'000);
  EXPECT_EQ(run({"PSETEX", "k", "5000", "w"}), kOk);
  expect_ttl_near("k", 5'000);
  for (const char* number : {"0", "-1", "9223372036854775807"}) {
    EXPECT_EQ(run({"SETEX", "k", number, "x"}), bad_time("setex")) << number;
    EXPECT_EQ(run({"PSETEX", "k", number, "x"}), bad_time("psetex")) << number;
  }
  EXPECT_EQ(run({"SETEX", "k", "abc", "x"}), kNotAnInteger);
  EXPECT_EQ(run({"PSETEX", "k", "abc", "x"}), kNotAnInteger);
  EXPECT_EQ(get("k"), bulk("w"));
}

TEST_F(StringCommands, Getset) {
  EXPECT_EQ(run({"GETSET", "k", "v"}), kNull);
  EXPECT_EQ(run({"GETSET", "k", "w"}), bulk("v"));
  run({"SET", "k", "v", "EX", "100"});
  EXPECT_EQ(run({"GETSET", "k", "x"}), bulk("v"));
  EXPECT_EQ(pttl("k"), integer(-1));
  EXPECT_EQ(get("k"), bulk("x"));
}

TEST_F(StringCommands, Getdel) {
  EXPECT_EQ(run({"GETDEL", "k"}), kNull);
  run({"SET", "k", "v"});
  EXPECT_EQ(run({"GETDEL", "k"}), bulk("v"));
  EXPECT_EQ(get("k"), kNull);
}

TEST_F(StringCommands, GetexChangesTheExpiry) {
  run({"SET", "k", "v", "EX", "100"});
  EXPECT_EQ(run({"GETEX", "k"}), bulk("v"));
  expect_ttl_near("k", 100'000);
  EXPECT_EQ(run({"GETEX", "k", "PERSIST"}), bulk("v"));
  EXPECT_EQ(pttl("k"), integer(-1));
  EXPECT_EQ(run({"GETEX", "k", "persist", "PERSIST"}), bulk("v"));
  EXPECT_EQ(run({"GETEX", "k", "EX", "50"}), bulk("v"));
  expect_ttl_near("k", 50'000);
  EXPECT_EQ(run({"GETEX", "k", "px", "7000"}), bulk("v"));
  expect_ttl_near("k", 7'000);
  EXPECT_EQ(run({"GETEX", "k", "EXAT", "33177117420"}), bulk("v"));
  EXPECT_EQ(run({"EXPIRETIME", "k"}), integer(33177117420));
  EXPECT_EQ(run({"GETEX", "k", "PXAT", "33177117420001"}), bulk("v"));
  EXPECT_EQ(run({"PEXPIRETIME", "k"}), integer(33177117420001));
  EXPECT_EQ(run({"GETEX", "none", "EX", "10"}), kNull);
}

TEST_F(StringCommands, GetexWithAMomentInThePastRemoves) {
  run({"SET", "k", "v"});
  EXPECT_EQ(run({"GETEX", "k", "PXAT", "1"}), bulk("v"));
  EXPECT_EQ(run({"EXISTS", "k"}), integer(0));
  run({"SET", "k", "v"});
  EXPECT_EQ(run({"GETEX", "k", "EXAT", now_plus_s(-5)}), bulk("v"));
  EXPECT_EQ(run({"EXISTS", "k"}), integer(0));
}

TEST_F(StringCommands, GetexRefusesWrongOptions) {
  run({"SET", "k", "v", "EX", "100"});
  const std::vector<Words> wrong = {{"EX"},
                                    {"EX", "10", "PX", "10"},
                                    {"EX", "10", "PERSIST"},
                                    {"PERSIST", "EX", "10"},
                                    {"KEEPTTL"},
                                    {"NX"},
                                    {"GET"},
                                    {"NONSENSE"}};
  for (const Words& options : wrong) {
    Words request = {"GETEX", "k"};
    request.insert(request.end(), options.begin(), options.end());
    EXPECT_EQ(run(request), kSyntaxError) << testing::PrintToString(options);
  }
  EXPECT_EQ(run({"GETEX", "k", "EX", "abc"}), kNotAnInteger);
  EXPECT_EQ(run({"GETEX", "k", "EX", "0"}), bad_time("getex"));
  EXPECT_EQ(run({"GETEX", "k", "PX", "-5"}), bad_time("getex"));
  EXPECT_EQ(run({"GETEX", "k", "EX", "9223372036854775807"}), bad_time("getex"));
  EXPECT_EQ(run({"GETEX", "none", "EX", "abc"}), kNull);
  expect_ttl_near("k", 100'000);
}

TEST_F(StringCommands, Counting) {
  EXPECT_EQ(run({"INCR", "n"}), integer(1));
  EXPECT_EQ(run({"INCRBY", "n", "41"}), integer(42));
  EXPECT_EQ(run({"DECR", "n"}), integer(41));
  EXPECT_EQ(run({"DECRBY", "n", "50"}), integer(-9));
  EXPECT_EQ(run({"INCRBY", "n", "-1"}), integer(-10));
  EXPECT_EQ(run({"DECRBY", "n", "-10"}), integer(0));
  EXPECT_EQ(get("n"), bulk("0"));
  EXPECT_EQ(run({"STRLEN", "n"}), integer(1));
  EXPECT_EQ(run({"TYPE", "n"}), "+string\r\n");
  EXPECT_EQ(run({"MGET", "n"}), "*1\r\n$1\r\n0\r\n");
}

TEST_F(StringCommands, CountingOnAValueThatWasSet) {
  run({"SET", "n", "5"});
  EXPECT_EQ(run({"INCR", "n"}), integer(6));
  EXPECT_EQ(run({"APPEND", "n", "0"}), integer(2));
  EXPECT_EQ(run({"INCR", "n"}), integer(61));
  EXPECT_EQ(run({"GETSET", "n", "-3"}), bulk("61"));
  EXPECT_EQ(run({"DECR", "n"}), integer(-4));
  EXPECT_EQ(run({"GETDEL", "n"}), bulk("-4"));
  EXPECT_EQ(run({"INCR", "n"}), integer(1));
  EXPECT_EQ(run({"SET", "n", "x", "GET"}), bulk("1"));
}

TEST_F(StringCommands, CountingKeepsTheExpiry) {
  run({"SET", "n", "1", "EX", "100"});
  EXPECT_EQ(run({"INCR", "n"}), integer(2));
  expect_ttl_near("n", 100'000);
  run({"INCR", "m"});
  run({"EXPIRE", "m", "50"});
  EXPECT_EQ(run({"INCR", "m"}), integer(2));
  expect_ttl_near("m", 50'000);
  EXPECT_EQ(run({"APPEND", "m", "0"}), integer(2));
  expect_ttl_near("m", 50'000);
}

TEST_F(StringCommands, CountingRefusesWhatIsNoInteger) {
  for (const char* text : {"abc", "", " 1", "1 ", "+1", "007", "-0", "1.0", "9223372036854775808",
                           "111111111111111111111111111111111111"}) {
    run({"SET", "n", text});
    EXPECT_EQ(run({"INCR", "n"}), kNotAnInteger) << text;
    EXPECT_EQ(get("n"), bulk(text));
    EXPECT_EQ(run({"INCRBY", "m", text}), kNotAnInteger) << text;
    EXPECT_EQ(run({"DECRBY", "m", text}), kNotAnInteger) << text;
  }
  run({"SET", "n", std::string("1\0", 2)});
  EXPECT_EQ(run({"INCR", "n"}), kNotAnInteger);
  EXPECT_EQ(get("m"), kNull);
}

TEST_F(StringCommands, CountingRefusesToOverflow) {
  const std::string overflow = "-ERR increment or decrement would overflow\r\n";
  run({"SET", "n", "9223372036854775807"});
  EXPECT_EQ(run({"INCR", "n"}), overflow);
  EXPECT_EQ(run({"INCRBY", "n", "-1"}), integer(9223372036854775806));
  EXPECT_EQ(run({"INCRBY", "n", "2"}), overflow);
  EXPECT_EQ(get("n"), bulk("9223372036854775806"));
  run({"SET", "n", "-9223372036854775808"});
  EXPECT_EQ(run({"DECR", "n"}), overflow);
  EXPECT_EQ(run({"DECRBY", "n", "1"}), overflow);
  EXPECT_EQ(run({"DECRBY", "n", "-9223372036854775808"}), "-ERR decrement would overflow\r\n");
  EXPECT_EQ(run({"INCRBY", "fresh", "-9223372036854775808"}), integer(INT64_MIN));
  EXPECT_EQ(run({"DECR", "fresh"}), overflow);
}

TEST_F(StringCommands, Append) {
  EXPECT_EQ(run({"APPEND", "k", "hello"}), integer(5));
  EXPECT_EQ(run({"APPEND", "k", " world"}), integer(11));
  EXPECT_EQ(run({"APPEND", "k", ""}), integer(11));
  EXPECT_EQ(get("k"), bulk("hello world"));
  EXPECT_EQ(run({"APPEND", "empty", ""}), integer(0));
  EXPECT_EQ(run({"EXISTS", "empty"}), integer(1));
  run({"SET", "k", "v", "EX", "100"});
  EXPECT_EQ(run({"APPEND", "k", "w"}), integer(2));
  expect_ttl_near("k", 100'000);
}

TEST_F(StringCommands, AppendGrowsThroughEverySizeClass) {
  std::string whole;
  for (size_t i = 0; i < 40; ++i) {
    const std::string piece(i * 37, static_cast<char>('a' + i % 26));
    whole += piece;
    ASSERT_EQ(run({"APPEND", "k", piece}), integer(static_cast<int64_t>(whole.size())));
  }
  EXPECT_EQ(get("k"), bulk(whole));
}

TEST_F(StringCommands, AppendRespectsProtoMaxBulkLen) {
  EngineSettings settings;
  settings.bulk_bytes_max = 10;
  harness_.apply(settings);
  EXPECT_EQ(run({"APPEND", "k", "1234567890"}), integer(10));
  EXPECT_EQ(run({"APPEND", "k", "1"}),
            "-ERR string exceeds maximum allowed size (proto-max-bulk-len)\r\n");
  EXPECT_EQ(get("k"), bulk("1234567890"));
}

TEST_F(StringCommands, Strlen) {
  EXPECT_EQ(run({"STRLEN", "k"}), integer(0));
  run({"SET", "k", std::string(5000, 'x')});
  EXPECT_EQ(run({"STRLEN", "k"}), integer(5000));
  run({"INCRBY", "n", "12345"});
  EXPECT_EQ(run({"STRLEN", "n"}), integer(5));
}

// As Redis: only commands that look a key up to read it count.
TEST_F(StringCommands, HitsAndMisses) {
  run({"SET", "k", "1"});
  const std::vector<Words> reads = {{"GET", "k"},         {"STRLEN", "k"},          {"GETEX", "k"},
                                    {"GETSET", "k", "1"}, {"SET", "k", "1", "GET"}, {"MGET", "k"},
                                    {"GETDEL", "k"}};
  for (const Words& request : reads) run(request);
  EXPECT_EQ(statistics().keyspace_hits, reads.size());
  EXPECT_EQ(statistics().keyspace_misses, 0);
  run({"GETDEL", "k"});
  run({"MGET", "k", "k", "k"});
  EXPECT_EQ(statistics().keyspace_misses, 4);
  for (const Words& write : std::vector<Words>{{"SET", "k", "1"},
                                               {"INCR", "k"},
                                               {"APPEND", "k", "1"},
                                               {"SETNX", "k", "2"},
                                               {"SETEX", "k", "9", "1"}}) {
    run(write);
  }
  EXPECT_EQ(statistics().keyspace_hits, reads.size());
  EXPECT_EQ(statistics().keyspace_misses, 4);
}

TEST_F(StringCommands, EverythingSurvivesARestart) {
  run({"SET", "k", "v", "PXAT", "33177117420123"});
  run({"INCRBY", "n", "41"});
  run({"SET", "gone", "v"});
  run({"DEL", "gone"});
  run({"SET", "big", std::string(100'000, 'b')});
  harness_.restart();
  EXPECT_GT(harness_.engine().store().cold_rows(), 0);
  EXPECT_EQ(get("k"), bulk("v"));
  EXPECT_EQ(run({"PEXPIRETIME", "k"}), integer(33177117420123));
  EXPECT_EQ(run({"INCR", "n"}), integer(42));
  EXPECT_EQ(get("gone"), kNull);
  EXPECT_EQ(get("big"), bulk(std::string(100'000, 'b')));
  EXPECT_EQ(harness_.engine().store().cold_rows(), 0);
}

}  // namespace
}  // namespace quorate::redis
