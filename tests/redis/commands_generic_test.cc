// Commands on keys of any type: what is typed, and what Redis 7.2 answers.
#include <gtest/gtest.h>

#include "redis/command_harness.h"
#include "redis/reply_text.h"

namespace quorate::redis {
namespace {

class GenericCommands : public testing::Test {
 protected:
  std::string run(const Words& words) { return harness_.run(words); }
  int64_t number(const Words& words) {
    const std::string reply = run(words);
    EXPECT_EQ(reply.front(), ':') << reply;
    return std::stoll(reply.substr(1));
  }
  int64_t now_ms() { return static_cast<int64_t>(harness_.now_ms()); }
  uint32_t access(const std::string& key) {
    return harness_.engine().store().find(harness_.rig().key(key))->access;
  }

  CommandHarness harness_;
};

TEST_F(GenericCommands, DelAnswersHowManyThereWere) {
  run({"MSET", "a", "1", "b", "2", "c", "3"});
  EXPECT_EQ(run({"DEL", "a", "b", "none", "a"}), integer(2));
  EXPECT_EQ(run({"DEL", "a"}), integer(0));
  EXPECT_EQ(run({"UNLINK", "c", "c"}), integer(1));
  EXPECT_EQ(run({"EXISTS", "a", "b", "c"}), integer(0));
  EXPECT_EQ(run({"DEL"}), wrong_arity("del"));
  EXPECT_EQ(run({"UNLINK"}), wrong_arity("unlink"));
}

TEST_F(GenericCommands, AnExpiredKeyIsNotThereToDelete) {
  run({"SET", "k", "v", "PX", "10"});
  harness_.advance_ms(20);
  EXPECT_EQ(run({"DEL", "k"}), integer(0));
}

TEST_F(GenericCommands, ExistsCountsRepeatedKeys) {
  run({"MSET", "a", "1", "b", "2"});
  EXPECT_EQ(run({"EXISTS", "a"}), integer(1));
  EXPECT_EQ(run({"EXISTS", "a", "a", "none", "b"}), integer(3));
  EXPECT_EQ(run({"EXISTS"}), wrong_arity("exists"));
}

TEST_F(GenericCommands, TouchCountsAndLeavesATrace) {
  run({"MSET", "a", "1", "b", "2"});
  const uint32_t before = access("a");
  harness_.advance_ms(5'000);
  EXPECT_EQ(run({"EXISTS", "a"}), integer(1));
  EXPECT_EQ(run({"TYPE", "a"}), "+string\r\n");
  EXPECT_EQ(run({"TTL", "a"}), integer(-1));
  EXPECT_EQ(access("a"), before);
  EXPECT_EQ(run({"TOUCH", "a", "a", "none"}), integer(2));
  EXPECT_GT(access("a"), before);
  EXPECT_EQ(run({"TOUCH"}), wrong_arity("touch"));
}

TEST_F(GenericCommands, NoTouchConcernsEverythingButTouch) {
  run({"SET", "k", "1"});
  run({"CLIENT", "NO-TOUCH", "ON"});
  const uint32_t before = access("k");
  harness_.advance_ms(5'000);
  EXPECT_EQ(run({"GET", "k"}), bulk("1"));
  EXPECT_EQ(run({"STRLEN", "k"}), integer(1));
  EXPECT_EQ(access("k"), before);
  EXPECT_EQ(run({"TOUCH", "k"}), integer(1));
  EXPECT_GT(access("k"), before);
}

TEST_F(GenericCommands, Type) {
  run({"SET", "k", "v"});
  run({"INCR", "n"});
  EXPECT_EQ(run({"TYPE", "k"}), "+string\r\n");
  EXPECT_EQ(run({"TYPE", "n"}), "+string\r\n");
  EXPECT_EQ(run({"TYPE", "none"}), "+none\r\n");
}

TEST_F(GenericCommands, TimesOfAKeyWithoutOne) {
  run({"SET", "k", "v"});
  for (const char* command : {"TTL", "PTTL", "EXPIRETIME", "PEXPIRETIME"}) {
    EXPECT_EQ(run({command, "none"}), integer(-2)) << command;
    EXPECT_EQ(run({command, "k"}), integer(-1)) << command;
  }
}

TEST_F(GenericCommands, ExpireAndItsRelatives) {
  run({"SET", "k", "v"});
  EXPECT_EQ(run({"EXPIRE", "k", "100"}), integer(1));
  EXPECT_NEAR(number({"PTTL", "k"}), 100'000, 1000);
  EXPECT_EQ(run({"TTL", "k"}), integer(100));
  EXPECT_EQ(run({"PEXPIRE", "k", "5000"}), integer(1));
  EXPECT_NEAR(number({"PTTL", "k"}), 5'000, 1000);
  EXPECT_EQ(run({"EXPIREAT", "k", "33177117420"}), integer(1));
  EXPECT_EQ(run({"EXPIRETIME", "k"}), integer(33177117420));
  EXPECT_EQ(run({"PEXPIRETIME", "k"}), integer(33177117420000));
  EXPECT_EQ(run({"PEXPIREAT", "k", "33177117420499"}), integer(1));
  EXPECT_EQ(run({"PEXPIRETIME", "k"}), integer(33177117420499));
  EXPECT_EQ(run({"EXPIRETIME", "k"}), integer(33177117420));
  run({"PEXPIREAT", "k", "33177117420500"});
  EXPECT_EQ(run({"EXPIRETIME", "k"}), integer(33177117421));
  EXPECT_EQ(run({"GET", "k"}), bulk("v"));
  for (const char* command : {"EXPIRE", "PEXPIRE", "EXPIREAT", "PEXPIREAT"}) {
    EXPECT_EQ(run({command, "none", "33177117420000"}), integer(0)) << command;
  }
}

TEST_F(GenericCommands, TtlRoundsToTheNearestSecond) {
  run({"SET", "k", "v"});
  run({"PEXPIREAT", "k", std::to_string(now_ms() + 10'700)});
  EXPECT_EQ(run({"TTL", "k"}), integer(11));
  run({"PEXPIREAT", "k", std::to_string(now_ms() + 10'300)});
  EXPECT_EQ(run({"TTL", "k"}), integer(10));
}

TEST_F(GenericCommands, AKeyGoesWhenItsTimeHasCome) {
  run({"SET", "k", "v"});
  run({"PEXPIRE", "k", "1000"});
  harness_.advance_ms(900);
  EXPECT_EQ(run({"GET", "k"}), bulk("v"));
  harness_.advance_ms(200);
  EXPECT_EQ(run({"GET", "k"}), kNull);
  EXPECT_EQ(run({"PTTL", "k"}), integer(-2));
  EXPECT_EQ(run({"EXPIRE", "k", "10"}), integer(0));
}

TEST_F(GenericCommands, ExpireInThePastRemoves) {
  const std::vector<Words> past = {{"EXPIRE", "k", "0"},
                                   {"EXPIRE", "k", "-1"},
                                   {"PEXPIRE", "k", "-1"},
                                   {"EXPIREAT", "k", "1"},
                                   {"PEXPIREAT", "k", "0"},
                                   {"PEXPIREAT", "k", "-5"},
                                   {"EXPIRE", "k", "-9223372036854775"}};
  for (const Words& request : past) {
    run({"SET", "k", "v"});
    EXPECT_EQ(run(request), integer(1)) << testing::PrintToString(request);
    EXPECT_EQ(run({"EXISTS", "k"}), integer(0)) << testing::PrintToString(request);
  }
  EXPECT_EQ(harness_.engine().store().keys(0), 0);
}

TEST_F(GenericCommands, ExpireNxAndXx) {
  run({"SET", "k", "v"});
  EXPECT_EQ(run({"EXPIRE", "k", "100", "XX"}), integer(0));
  EXPECT_EQ(run({"TTL", "k"}), integer(-1));
  EXPECT_EQ(run({"EXPIRE", "k", "100", "NX"}), integer(1));
  EXPECT_EQ(run({"EXPIRE", "k", "200", "nx"}), integer(0));
  EXPECT_EQ(run({"TTL", "k"}), integer(100));
  EXPECT_EQ(run({"EXPIRE", "k", "200", "xx"}), integer(1));
  EXPECT_EQ(run({"TTL", "k"}), integer(200));
}

TEST_F(GenericCommands, ExpireGtAndLt) {
  run({"SET", "k", "v"});
  EXPECT_EQ(run({"EXPIRE", "k", "100", "GT"}), integer(0));
  EXPECT_EQ(run({"EXPIRE", "k", "100", "LT"}), integer(1));
  EXPECT_EQ(run({"EXPIRE", "k", "300", "GT"}), integer(1));
  EXPECT_EQ(run({"EXPIRE", "k", "200", "GT"}), integer(0));
  EXPECT_EQ(run({"EXPIRE", "k", "400", "LT"}), integer(0));
  EXPECT_EQ(run({"EXPIRE", "k", "250", "Lt"}), integer(1));
  EXPECT_EQ(run({"EXPIRE", "k", "350", "XX", "GT"}), integer(1));
  EXPECT_EQ(run({"EXPIRE", "k", "300", "XX", "LT"}), integer(1));
  EXPECT_EQ(run({"TTL", "k"}), integer(300));
  EXPECT_EQ(run({"EXPIREAT", "k", "33177117420"}), integer(1));
  EXPECT_EQ(run({"EXPIREAT", "k", "33177117420", "GT"}), integer(0));
  EXPECT_EQ(run({"EXPIREAT", "k", "33177117420", "LT"}), integer(0));
  EXPECT_EQ(run({"PEXPIREAT", "k", "33177117419999", "LT"}), integer(1));
  EXPECT_EQ(run({"PEXPIREAT", "k", "33177117420001", "GT"}), integer(1));
  run({"PERSIST", "k"});
  EXPECT_EQ(run({"PEXPIRE", "k", "1000", "XX", "LT"}), integer(0));
  EXPECT_EQ(run({"PEXPIRE", "k", "1000", "XX", "GT"}), integer(0));
}

TEST_F(GenericCommands, ExpireRefusesContradictionsAndTheUnknown) {
  run({"SET", "k", "v"});
  const std::string nx =
      error("ERR NX and XX, GT or LT options at the same time are not compatible");
  const std::string gt = error("ERR GT and LT options at the same time are not compatible");
  EXPECT_EQ(run({"EXPIRE", "k", "10", "NX", "XX"}), nx);
  EXPECT_EQ(run({"EXPIRE", "k", "10", "GT", "NX"}), nx);
  EXPECT_EQ(run({"PEXPIRE", "k", "10", "NX", "LT"}), nx);
  EXPECT_EQ(run({"EXPIREAT", "k", "10", "NX", "GT", "LT"}), nx);
  EXPECT_EQ(run({"PEXPIREAT", "k", "10", "GT", "LT"}), gt);
  EXPECT_EQ(run({"EXPIRE", "k", "10", "XX", "XX"}), integer(0));
  EXPECT_EQ(run({"EXPIRE", "k", "10", "Nonsense"}), error("ERR Unsupported option Nonsense"));
  EXPECT_EQ(run({"EXPIRE", "k", "abc", "NX", "EX"}), error("ERR Unsupported option EX"));
  EXPECT_EQ(run({"TTL", "k"}), integer(-1));
}

TEST_F(GenericCommands, ExpireRefusesWhatIsNoTime) {
  run({"SET", "k", "v"});
  for (const char* command : {"EXPIRE", "PEXPIRE", "EXPIREAT", "PEXPIREAT"}) {
    for (const char* text : {"abc", "1.5", "", "9223372036854775808"}) {
      EXPECT_EQ(run({command, "k", text}), kNotAnInteger) << command << " " << text;
      EXPECT_EQ(run({command, "none", text}), kNotAnInteger) << command << " " << text;
    }
  }
  EXPECT_EQ(run({"EXPIRE", "k", "9223372036854775807"}), bad_time("expire"));
  EXPECT_EQ(run({"EXPIRE", "k", "9223372036854776"}), bad_time("expire"));
  EXPECT_EQ(run({"EXPIRE", "k", "-9223372036854776"}), bad_time("expire"));
  EXPECT_EQ(run({"PEXPIRE", "k", "9223372036854775807"}), bad_time("pexpire"));
  EXPECT_EQ(run({"EXPIREAT", "none", "9223372036854775807"}), bad_time("expireat"));
  EXPECT_EQ(run({"EXPIRE", "k"}), wrong_arity("expire"));
  EXPECT_EQ(run({"TTL", "k"}), integer(-1));
  EXPECT_EQ(run({"PEXPIREAT", "k", "9223372036854775807"}), integer(1));
}

TEST_F(GenericCommands, Persist) {
  EXPECT_EQ(run({"PERSIST", "none"}), integer(0));
  run({"SET", "k", "v", "EX", "100"});
  EXPECT_EQ(run({"PERSIST", "k"}), integer(1));
  EXPECT_EQ(run({"TTL", "k"}), integer(-1));
  EXPECT_EQ(run({"PERSIST", "k"}), integer(0));
  EXPECT_EQ(run({"GET", "k"}), bulk("v"));
}

TEST_F(GenericCommands, AnExpirySetAloneSurvivesARestart) {
  run({"SET", "k", "v"});
  run({"INCRBY", "n", "7"});
  harness_.restart();
  run({"PEXPIREAT", "k", "33177117420123"});
  run({"PEXPIREAT", "n", "33177117420123"});
  harness_.restart();
  EXPECT_EQ(run({"PEXPIRETIME", "k"}), integer(33177117420123));
  EXPECT_EQ(run({"PEXPIRETIME", "n"}), integer(33177117420123));
  EXPECT_EQ(run({"MGET", "k", "n"}), "*2\r\n" + bulk("v") + bulk("7"));
}

TEST_F(GenericCommands, HitsAndMisses) {
  EngineStatistics& statistics = harness_.engine().statistics();
  run({"SET", "k", "v", "EX", "100"});
  for (const char* command :
       {"EXISTS", "TYPE", "TTL", "PTTL", "EXPIRETIME", "PEXPIRETIME", "TOUCH"}) {
    run({command, "k"});
    run({command, "none"});
  }
  EXPECT_EQ(statistics.keyspace_hits, 7);
  EXPECT_EQ(statistics.keyspace_misses, 7);
  run({"PERSIST", "k"});
  run({"EXPIRE", "k", "10"});
  run({"DEL", "k", "none"});
  EXPECT_EQ(statistics.keyspace_hits, 7);
  EXPECT_EQ(statistics.keyspace_misses, 7);
}

TEST_F(GenericCommands, DatabasesAreSeparate) {
  run({"SET", "k", "zero"});
  run({"SELECT", "3"});
  EXPECT_EQ(run({"GET", "k"}), kNull);
  EXPECT_EQ(run({"DEL", "k"}), integer(0));
  run({"SET", "k", "three"});
  run({"SELECT", "0"});
  EXPECT_EQ(run({"GET", "k"}), bulk("zero"));
}

}  // namespace
}  // namespace quorate::redis
