// Siblings on one node: values that their writers did not know of each other stay, each write
// replaces what its context has seen.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "redis/command_harness.h"
#include "redis/reply_text.h"
#include "redis/sibling_reply.h"

namespace quorate::redis {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::StartsWith;

const std::string kForeign =
    "-ERR invalid context: it was changed, or is of another key, database or cluster\r\n";

class SiblingCommands : public testing::Test {
 protected:
  std::string run(const Words& words) { return harness_.run(words); }
  Shown show(const std::string& key) { return shown_of(run({"DYN.GET", key})); }
  std::vector<std::string> values(const std::string& key) { return show(key).values; }
  std::string context(const std::string& key) { return show(key).context; }
  // Returns the new context.
  std::string put(const std::string& key, const std::string& context, const std::string& value) {
    const std::string reply = run({"DYN.PUT", key, context, value});
    EXPECT_THAT(reply, StartsWith("$"));
    return bulk_of(reply);
  }
  std::string info(const std::string& field) {
    const std::string text = run({"INFO", "siblings"});
    const size_t at = text.find(field + ":");
    return at == std::string::npos ? "" : text.substr(at, text.find("\r\n", at) - at);
  }

  CommandHarness harness_;
};

TEST_F(SiblingCommands, AContextReplacesWhatItHasSeen) {
  const Shown nothing = show("k");
  EXPECT_THAT(nothing.values, IsEmpty());
  EXPECT_NE(nothing.context, "");
  const std::string first = put("k", nothing.context, "a");
  EXPECT_THAT(values("k"), ElementsAre("a"));
  EXPECT_EQ(context("k"), first) << "the same context is the same text";
  const std::string second = put("k", first, "b");
  EXPECT_THAT(values("k"), ElementsAre("b"));
  put("k", second, "c");
  EXPECT_EQ(run({"GET", "k"}), bulk("c"));
  EXPECT_EQ(run({"STRLEN", "k"}), integer(1));
}

TEST_F(SiblingCommands, WhatAContextHasNotSeenStaysAsASibling) {
  const std::string old = put("k", "", "a");
  put("k", old, "b");
  put("k", old, "c");
  EXPECT_THAT(values("k"), ElementsAre("c", "b"));
  EXPECT_EQ(run({"GET", "k"}), bulk("c")) << "the newest";
  const std::string both = context("k");
  put("k", "", "blind");
  EXPECT_THAT(values("k"), ElementsAre("blind", "c", "b"));
  put("k", both, "of two");
  EXPECT_THAT(values("k"), ElementsAre("of two", "blind"));
  put("k", context("k"), "one");
  EXPECT_THAT(values("k"), ElementsAre("one"));
  EXPECT_EQ(run({"DBSIZE"}), integer(1));
}

TEST_F(SiblingCommands, WhoWritesAgainReplacesHisOwnValueOnly) {
  std::string mine = put("k", "", "mine 1");
  std::string yours = put("k", "", "yours 1");
  for (int i = 2; i < 20; ++i) {
    mine = put("k", mine, "mine " + std::to_string(i));
    yours = put("k", yours, "yours " + std::to_string(i));
    put("other", context("other"), "x");
    ASSERT_THAT(values("k"),
                ElementsAre("yours " + std::to_string(i), "mine " + std::to_string(i)));
  }
  EXPECT_LT(mine.size(), 120U) << "a context does not grow with the writes";
}

TEST_F(SiblingCommands, PlainValuesHaveContextsToo) {
  run({"SET", "k", "plain"});
  const Shown shown = show("k");
  EXPECT_THAT(shown.values, ElementsAre("plain"));
  run({"APPEND", "k", "er"});
  put("k", shown.context, "late");
  EXPECT_THAT(values("k"), ElementsAre("late", "plainer"));
}

TEST_F(SiblingCommands, PlainWritesReplaceAllSiblings) {
  const std::vector<std::pair<Words, std::string>> writes{{{"SET", "k", "v"}, "v"},
                                                          {{"APPEND", "k", "0"}, "30"},
                                                          {{"INCR", "k"}, "4"},
                                                          {{"GETSET", "k", "w"}, "w"},
                                                          {{"EXPIRE", "k", "100"}, "3"},
                                                          {{"INCRBY", "k", "-5"}, "-2"},
                                                          {{"SET", "k", "v", "XX"}, "v"},
                                                          {{"MSET", "k", "m"}, "m"},
                                                          {{"SETEX", "k", "100", "s"}, "s"},
                                                          {{"GETEX", "k", "EX", "100"}, "3"}};
  for (const auto& [write, value] : writes) {
    for (const std::string sibling : {"1", "2", "3"}) put("k", "", sibling);
    run(write);
    EXPECT_THAT(values("k"), ElementsAre(value)) << write[0];
    run({"DEL", "k"});
  }
  put("k", "", "1");
  put("k", "", "2");
  EXPECT_EQ(run({"DEL", "k"}), integer(1));
  EXPECT_THAT(values("k"), IsEmpty());
  EXPECT_EQ(run({"DBSIZE"}), integer(0));
}

TEST_F(SiblingCommands, DelRemovesWhatItsContextHasSeen) {
  put("k", "", "a");
  put("k", "", "b");
  const std::string two = context("k");
  put("k", "", "c");
  EXPECT_EQ(run({"DYN.DEL", "k", two}), integer(2));
  EXPECT_THAT(values("k"), ElementsAre("c"));
  EXPECT_EQ(run({"DYN.DEL", "k", two}), integer(0));
  EXPECT_EQ(run({"DYN.DEL", "k", ""}), integer(0));
  EXPECT_EQ(run({"DYN.DEL", "k", context("k")}), integer(1));
  EXPECT_EQ(run({"EXISTS", "k"}), integer(0));
  EXPECT_EQ(run({"DYN.DEL", "k", context("k")}), integer(0));
  put("k", context("k"), "again");
  EXPECT_THAT(values("k"), ElementsAre("again"));
}

TEST_F(SiblingCommands, ContextsOfElsewhereAreRefused) {
  put("k", "", "a");
  const std::string token = context("k");
  EXPECT_EQ(run({"DYN.PUT", "other", token, "v"}), kForeign);
  EXPECT_EQ(run({"DYN.DEL", "other", token}), kForeign);
  run({"SELECT", "1"});
  EXPECT_EQ(run({"DYN.PUT", "k", token, "v"}), kForeign);
  run({"SELECT", "0"});
  for (size_t i = 1; i < token.size(); ++i) {
    std::string changed = token;
    changed[i] = changed[i] == 'x' ? 'y' : 'x';
    EXPECT_THAT(run({"DYN.PUT", "k", changed, "v"}), StartsWith("-ERR invalid context: ")) << i;
  }
  EXPECT_EQ(run({"DYN.PUT", "k", "some words", "v"}),
            "-ERR invalid context: not what DYN.GET answers\r\n");
  EXPECT_EQ(run({"DYN.PUT", "k", "_" + token.substr(1), "v"}),
            "-ERR invalid context: it has format 253, this node reads none newer than 1\r\n");
  EXPECT_THAT(values("k"), ElementsAre("a"));
}

TEST_F(SiblingCommands, ValuesExpireOnTheirOwn) {
  EXPECT_THAT(run({"DYN.PUT", "k", "", "short", "PX", "5000"}), StartsWith("$"));
  EXPECT_THAT(run({"DYN.PUT", "k", "", "long", "ex", "100"}), StartsWith("$"));
  EXPECT_THAT(values("k"), ElementsAre("long", "short"));
  EXPECT_EQ(run({"TTL", "k"}), integer(100));
  harness_.advance_ms(6000);
  EXPECT_THAT(values("k"), ElementsAre("long"));
  put("k", "", "beside");
  EXPECT_THAT(values("k"), ElementsAre("beside", "long"));
  EXPECT_THAT(run({"DYN.SIBLINGS", "k"}), StartsWith("*2\r\n")) << "what has expired is let go";
  EXPECT_EQ(run({"DYN.PUT", "k", "", "v", "PX", "0"}),
            "-ERR invalid expire time in 'dyn.put' command\r\n");
  EXPECT_EQ(run({"DYN.PUT", "k", "", "v", "PX", "x"}), kNotAnInteger);
}

TEST_F(SiblingCommands, TooManyAreRefused) {
  EngineSettings settings;
  settings.siblings_max = 3;
  settings.bulk_bytes_max = 1'000'000;
  harness_.apply(settings);
  for (const std::string value : {"a", "b", "c"}) put("k", "", value);
  EXPECT_EQ(
      run({"DYN.PUT", "k", "", "d"}),
      "-ERR the key has 3 siblings already, siblings-max is 3: read it with DYN.GET and write "
      "what they come to with that context\r\n");
  EXPECT_THAT(values("k"), ElementsAre("c", "b", "a"));
  EXPECT_EQ(info("siblings_refused"), "siblings_refused:1");
  put("k", context("k"), "all");
  EXPECT_THAT(values("k"), ElementsAre("all"));
  put("large", "", std::string(600'000, 'x'));
  EXPECT_EQ(run({"DYN.PUT", "large", "", std::string(600'000, 'y')}),
            "-ERR siblings exceed maximum allowed size (proto-max-bulk-len)\r\n");
  EXPECT_EQ(run({"STRLEN", "large"}), integer(600'000));
}

TEST_F(SiblingCommands, SiblingsSaysWhoWroteWhat) {
  run({"SELECT", "1"});
  put("k", "", "a");
  EXPECT_THAT(run({"DYN.PUT", "k", "", "b", "PX", "60000"}), StartsWith("$"));
  const std::string reply = run({"DYN.SIBLINGS", "k"});
  EXPECT_THAT(reply, StartsWith("*2\r\n*14\r\n" + bulk("value") + bulk("b") + bulk("kind") +
                                bulk("value") + bulk("node") + "$40\r\n"));
  EXPECT_THAT(reply, HasSubstr(bulk("epoch") + integer(0) + bulk("n") + integer(2)));
  EXPECT_THAT(reply, HasSubstr(bulk("value") + bulk("a")));
  EXPECT_THAT(reply, HasSubstr(bulk("expiry-ms") + integer(-1)));
  EXPECT_EQ(run({"DYN.SIBLINGS", "none"}), "*0\r\n");
  run({"HELLO", "3"});
  EXPECT_THAT(run({"DYN.SIBLINGS", "k"}), StartsWith("*2\r\n%7\r\n"));
  EXPECT_THAT(run({"DYN.GET", "none"}), HasSubstr("\r\n*0\r\n"));
}

TEST_F(SiblingCommands, IncrementsThatAContextHasNotSeenCountOnTop) {
  EXPECT_EQ(run({"INCRBY", "c", "7"}), integer(7));
  const Shown seven = show("c");
  EXPECT_THAT(seven.values, ElementsAre("7"));
  put("c", seven.context, "100");
  EXPECT_EQ(run({"INCR", "c"}), integer(101));
  EXPECT_EQ(run({"INCRBY", "d", "7"}), integer(7));
  put("d", "", "100");
  EXPECT_THAT(values("d"), ElementsAre("107"));
  EXPECT_THAT(run({"DYN.SIBLINGS", "d"}), HasSubstr(bulk("kind") + bulk("increments")));
  EXPECT_EQ(run({"INCR", "d"}), integer(108));
  EXPECT_THAT(values("d"), ElementsAre("108"));
  EXPECT_EQ(run({"DYN.DEL", "d", context("d")}), integer(1));
  EXPECT_EQ(run({"INCR", "d"}), integer(1));
}

TEST_F(SiblingCommands, SurviveARestart) {
  for (const std::string value : {"a", "b", "c"}) put("k", "", value);
  const std::string three = context("k");
  put("one", "", "x");
  const std::string x = put("one", "", "y");
  EXPECT_EQ(run({"DYN.DEL", "one", x}), integer(1));
  harness_.restart();
  EXPECT_THAT(values("k"), ElementsAre("c", "b", "a"));
  EXPECT_THAT(values("one"), ElementsAre("x"));
  put("k", three, "merged");
  EXPECT_THAT(values("k"), ElementsAre("merged"));
}

TEST_F(SiblingCommands, ErrorsAreThoseOfRedis) {
  EXPECT_EQ(run({"DYN.GET"}), wrong_arity("dyn.get"));
  EXPECT_EQ(run({"DYN.PUT", "k", ""}), wrong_arity("dyn.put"));
  EXPECT_EQ(run({"DYN.DEL", "k"}), wrong_arity("dyn.del"));
  EXPECT_EQ(run({"DYN.SIBLINGS", "k", "x"}), wrong_arity("dyn.siblings"));
  EXPECT_EQ(run({"DYN.GET", "k", "R"}), kSyntaxError);
  EXPECT_EQ(run({"DYN.GET", "k", "W", "1"}), kSyntaxError);
  EXPECT_EQ(run({"DYN.GET", "k", "R", "1", "r", "1"}), kSyntaxError);
  EXPECT_EQ(run({"DYN.GET", "k", "R", "one"}), kNotAnInteger);
  EXPECT_EQ(run({"DYN.GET", "k", "R", "0"}),
            "-ERR R must be between 1 and 3, the number of replicas\r\n");
  EXPECT_EQ(run({"DYN.PUT", "k", "", "v", "w", "4"}),
            "-ERR W must be between 1 and 3, the number of replicas\r\n");
  EXPECT_EQ(run({"DYN.DEL", "k", "", "W", "-1"}),
            "-ERR W must be between 1 and 3, the number of replicas\r\n");
  EXPECT_EQ(run({"DYN.DEL", "k", "", "R", "1"}), kSyntaxError);
  EXPECT_EQ(run({"DYN.PUT", "k", "", "v", "PX", "1", "EX", "1"}), kSyntaxError);
  EXPECT_EQ(run({"EXISTS", "k"}), integer(0));
  EXPECT_THAT(run({"DYN.PUT", "k", "", "v", "PX", "1000", "W", "3"}), StartsWith("$"));
  EXPECT_THAT(run({"DYN.GET", "k", "R", "3"}), StartsWith("*2\r\n"));
  EXPECT_EQ(run({"DYN.DEL", "k", context("k"), "W", "2"}), integer(1));
}

TEST_F(SiblingCommands, AConnectionHasQuorumsOfItsOwn) {
  const auto numbers = [](int read, int write) {
    return "*4\r\n" + bulk("R") + integer(read) + bulk("W") + integer(write);
  };
  EXPECT_EQ(run({"DYN.QUORUM"}), numbers(2, 2));
  EXPECT_EQ(run({"DYN.QUORUM", "r", "1"}), kOk);
  EXPECT_EQ(run({"DYN.QUORUM"}), numbers(1, 2));
  EXPECT_EQ(run({"DYN.QUORUM", "W", "3"}), kOk);
  EXPECT_EQ(run({"DYN.QUORUM"}), numbers(1, 3));
  EXPECT_EQ(harness_.connect()->run({"DYN.QUORUM"}), numbers(2, 2));
  EXPECT_EQ(run({"DYN.QUORUM", "DEFAULT"}), kOk);
  EXPECT_EQ(run({"DYN.QUORUM"}), numbers(2, 2));
  EXPECT_EQ(run({"DYN.QUORUM", "W", "1", "R", "3"}), kOk);
  EXPECT_EQ(run({"SET", "k", "v"}), kOk);
  EXPECT_EQ(run({"GET", "k"}), bulk("v"));
  EXPECT_EQ(run({"RESET"}), "+RESET\r\n");
  EXPECT_EQ(run({"DYN.QUORUM"}), numbers(2, 2));
  EXPECT_THAT(run({"HELLO", "3"}), StartsWith("%"));
  EXPECT_THAT(run({"DYN.QUORUM"}), StartsWith("%2\r\n"));
}

TEST_F(SiblingCommands, ABadQuorumChangesNothing) {
  for (const Words& wrong : {Words{"DYN.QUORUM", "R"},
                             {"DYN.QUORUM", "N", "3"},
                             {"DYN.QUORUM", "R", "1", "R", "2"},
                             {"DYN.QUORUM", "DEFAULT", "R", "1"},
                             {"DYN.QUORUM", "R", "1", "DEFAULT"}}) {
    EXPECT_EQ(run(wrong), kSyntaxError);
  }
  EXPECT_EQ(run({"DYN.QUORUM", "R", "x"}), kNotAnInteger);
  EXPECT_EQ(run({"DYN.QUORUM", "R", "1", "W", "0"}),
            "-ERR W must be between 1 and 3, the number of replicas\r\n");
  EXPECT_EQ(run({"DYN.QUORUM", "R", "4"}),
            "-ERR R must be between 1 and 3, the number of replicas\r\n");
  EXPECT_EQ(run({"DYN.QUORUM"}), "*4\r\n$1\r\nR\r\n:2\r\n$1\r\nW\r\n:2\r\n");
}

TEST(SiblingCommandsOverShards, WorkFromEveryShard) {
  coordinator::ShardRigOptions options;
  options.shards = 3;
  CommandHarness harness(options);
  const auto second = harness.connect(1), third = harness.connect(2);
  for (int i = 0; i < 20; ++i) {
    const std::string key = "key-" + std::to_string(i);
    EXPECT_THAT(harness.run({"DYN.PUT", key, "", "a"}), StartsWith("$"));
    EXPECT_THAT(second->run({"DYN.PUT", key, "", "b"}), StartsWith("$"));
    const Shown shown = shown_of(third->run({"DYN.GET", key}));
    ASSERT_THAT(shown.values, ElementsAre("b", "a"));
    EXPECT_THAT(second->run({"DYN.PUT", key, shown.context, "c"}), StartsWith("$"));
    ASSERT_THAT(shown_of(harness.run({"DYN.GET", key})).values, ElementsAre("c"));
  }
}

}  // namespace
}  // namespace quorate::redis
