// CONFIG GET and CONFIG SET without the command: what is found, what changes, what is refused in
// which words.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "quorate/server/config.h"

#include "server/config_directives.h"

namespace quorate::server {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::Key;
using testing::Not;
using testing::Pair;

using Change = redis::Settings::Change;

class ConfigStoreTest : public testing::Test {
 protected:
  std::vector<std::pair<std::string, std::string>> get(std::vector<std::string_view> patterns) {
    std::vector<std::pair<std::string, std::string>> found;
    store_.get(patterns, [&](std::string_view name, std::string_view value) {
      found.emplace_back(name, value);
    });
    return found;
  }

  // "OK" or the error.
  std::string set(const std::vector<Change>& changes) {
    const auto status = store_.set(changes);
    return status ? "OK" : status.error().message;
  }

  std::vector<ConfigStore::Snapshot> published_;
  ConfigStore store_{Config{},
                     [this](const ConfigStore::Snapshot& next) { published_.push_back(next); }};
};

TEST_F(ConfigStoreTest, GetFindsNamesAndPatternsOnceInOrder) {
  EXPECT_THAT(
      get({"maxmemory*", "MAXMEMORY-policy", "port", "nothing-of-this-name"}),
      ElementsAre(Pair("maxmemory", "0"), Pair("maxmemory-clients", "0"),
                  Pair("maxmemory-eviction-tenacity", "10"), Pair("maxmemory-policy", "noeviction"),
                  Pair("maxmemory-samples", "5"), Pair("port", "6379")));
  EXPECT_THAT(get({"HZ", "hz"}), ElementsAre(Pair("HZ", "10")));
  EXPECT_THAT(get({}), IsEmpty());
}

TEST_F(ConfigStoreTest, GetAnswersWhatClientLibrariesAskFor) {
  EXPECT_THAT(get({"save"}), ElementsAre(Pair("save", "")));
  EXPECT_THAT(get({"appendonly"}), ElementsAre(Pair("appendonly", "yes")));
  EXPECT_THAT(get({"databases"}), ElementsAre(Pair("databases", "16")));
  EXPECT_THAT(get({"slave-read-only"}), ElementsAre(Pair("slave-read-only", "yes")));
  EXPECT_THAT(get({"*-read-only"}),
              ElementsAre(Pair("replica-read-only", "yes"), Pair("slave-read-only", "yes")));
  EXPECT_THAT(get({"client-output-buffer-limit"}),
              ElementsAre(Pair("client-output-buffer-limit",
                               "normal 0 0 0 slave 268435456 67108864 60 pubsub 33554432 8388608 "
                               "60")));
  EXPECT_THAT(get({"latency-tracking-info-percentiles"}),
              ElementsAre(Pair("latency-tracking-info-percentiles", "50 99 99.9")));
  EXPECT_THAT(get({"bind"}), ElementsAre(Pair("bind", "* -::*")));
}

TEST_F(ConfigStoreTest, HiddenDirectivesAreFoundByTheirNameOnly) {
  EXPECT_THAT(get({"*"}), Not(Contains(Key("key-load-delay"))));
  EXPECT_THAT(get({"key-load-delay"}), ElementsAre(Pair("key-load-delay", "0")));
  EXPECT_THAT(get({"loadmodule", "user", "rename-command"}), IsEmpty());
}

TEST_F(ConfigStoreTest, SetPublishesANewSnapshotAndLeavesTheOldOne) {
  const ConfigStore::Snapshot before = store_.current();
  EXPECT_EQ(set({{"maxmemory", "1mb"}, {"MaxMemory-Policy", "ALLKEYS-lfu"}}), "OK");
  ASSERT_EQ(published_.size(), 1U);
  EXPECT_EQ(published_[0], store_.current());
  EXPECT_EQ(published_[0]->maxmemory_bytes, 1U << 20);
  EXPECT_EQ(published_[0]->maxmemory_policy, MaxmemoryPolicy::allkeys_lfu);
  EXPECT_EQ(*before, Config{});
  EXPECT_THAT(get({"maxmemory"}), ElementsAre(Pair("maxmemory", "1048576")));
}

TEST_F(ConfigStoreTest, SetIsAllOrNothing) {
  EXPECT_EQ(set({{"maxmemory", "1mb"}, {"hz", "abc"}}),
            "CONFIG SET failed (possibly related to argument 'hz') - argument couldn't be parsed "
            "into an integer");
  EXPECT_EQ(*store_.current(), Config{});
  EXPECT_THAT(published_, IsEmpty());
}

TEST_F(ConfigStoreTest, SetRefusesWithTheWordsOfRedis) {
  const std::pair<std::vector<Change>, const char*> cases[] = {
      {{{"foo", "bar"}}, "Unknown option or number of arguments for CONFIG SET - 'foo'"},
      {{{"user", "bar"}}, "Unknown option or number of arguments for CONFIG SET - 'user'"},
      {{{"hz", "x"}, {"foo", "bar"}},
       "Unknown option or number of arguments for CONFIG SET - 'foo'"},
      {{{"databases", "3"}},
       "CONFIG SET failed (possibly related to argument 'databases') - can't set immutable config"},
      {{{"databases", "3"}, {"foo", "1"}},
       "CONFIG SET failed (possibly related to argument 'databases') - can't set immutable config"},
      {{{"maxmemory", "1"}, {"MAXMEMORY", "2"}},
       "CONFIG SET failed (possibly related to argument 'MAXMEMORY') - duplicate parameter"},
      {{{"maxmemory", "abc"}},
       "CONFIG SET failed (possibly related to argument 'maxmemory') - argument must be a memory "
       "value"},
      {{{"appendonly", "maybe"}},
       "CONFIG SET failed (possibly related to argument 'appendonly') - argument must be 'yes' or "
       "'no'"},
      {{{"save", "abc"}},
       "CONFIG SET failed (possibly related to argument 'save') - Invalid save parameters"},
      {{{"client-output-buffer-limit", "normal 1 2"}},
       "CONFIG SET failed (possibly related to argument 'client-output-buffer-limit') - Wrong "
       "number of arguments in buffer limit configuration."},
  };
  for (const auto& [changes, error] : cases) EXPECT_EQ(set(changes), error);
  EXPECT_THAT(published_, IsEmpty());
}

TEST_F(ConfigStoreTest, SetReplacesSavePointsAndTheGivenOutputLimits) {
  EXPECT_EQ(set({{"save", "3600 1 300 100"}}), "OK");
  EXPECT_EQ(set({{"save", "60  2"}}), "OK");
  EXPECT_THAT(get({"save"}), ElementsAre(Pair("save", "60 2")));
  EXPECT_EQ(set({{"save", ""}}), "OK");
  EXPECT_THAT(get({"save"}), ElementsAre(Pair("save", "")));
  EXPECT_EQ(set({{"client-output-buffer-limit", "normal 1mb 2 3 replica 4 5 6"}}), "OK");
  EXPECT_THAT(get({"client-output-buffer-limit"}),
              ElementsAre(Pair("client-output-buffer-limit",
                               "normal 1048576 2 3 slave 4 5 6 pubsub 33554432 8388608 60")));
}

TEST_F(ConfigStoreTest, IgnoredDirectivesKeepWhatWasSetUnderBothNames) {
  EXPECT_EQ(set({{"slave-read-only", "NO"}, {"repl-backlog-size", "2mb"}}), "OK");
  EXPECT_THAT(get({"replica-read-only", "slave-read-only", "repl-backlog-size"}),
              ElementsAre(Pair("repl-backlog-size", "2097152"), Pair("replica-read-only", "no"),
                          Pair("slave-read-only", "no")));
}

TEST_F(ConfigStoreTest, WhatGetShowsCanBeSetAgain) {
  EXPECT_EQ(set({{"requirepass", "a b \"c\""},
                 {"latency-tracking-info-percentiles", "0.1 33.333333333333336 100"},
                 {"save", "60 1 70 2"},
                 {"maxmemory-clients", "5%"},
                 {"shutdown-on-sigterm", "nosave force"},
                 {"slowlog-log-slower-than", "-1"}}),
            "OK");
  const Config before = *store_.current();
  for (const auto& [name, value] : get({"*"})) {
    if (!find_directive(name)->has(kMutable)) continue;
    EXPECT_EQ(set({{name, value}}), "OK") << name << " " << value;
  }
  Config after = *store_.current();
  EXPECT_GE(after.ignored.size(), before.ignored.size());
  after.ignored = before.ignored;  // setting a default again notes it, and means the same
  EXPECT_EQ(after, before);
}

}  // namespace
}  // namespace quorate::server
