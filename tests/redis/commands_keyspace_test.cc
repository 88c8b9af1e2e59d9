// Commands about all keys of a database: what is typed, and what Redis 7.2 answers.
#include <cerrno>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <map>
#include <set>

#include "redis/command_harness.h"
#include "redis/key_walk.h"
#include "redis/reply_text.h"
#include "redis/scan_client.h"

namespace quorate::redis {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;
using testing::UnorderedElementsAre;

constexpr const char* kEmptyScan = "*2\r\n$1\r\n0\r\n*0\r\n";

class KeyspaceCommands : public testing::TestWithParam<unsigned> {
 protected:
  std::string run(const Words& words) { return harness_.run(words); }
  std::vector<std::string> keys(const std::string& pattern) {
    return bulks(run({"KEYS", pattern}));
  }
  void set_all(const Words& names) {
    for (const std::string& name : names) EXPECT_EQ(run({"SET", name, "v"}), kOk);
  }

  CommandHarness harness_{coordinator::ShardRigOptions{.shards = GetParam()}};
};

INSTANTIATE_TEST_SUITE_P(Shards, KeyspaceCommands, testing::Values(1u, 3u));

TEST_P(KeyspaceCommands, DbsizeCountsTheKeysOfTheDatabase) {
  EXPECT_EQ(run({"DBSIZE"}), integer(0));
  set_all({"a", "b", "c", "d"});
  EXPECT_EQ(run({"DEL", "b"}), integer(1));
  EXPECT_EQ(run({"DBSIZE"}), integer(3));
  run({"SELECT", "1"});
  EXPECT_EQ(run({"DBSIZE"}), integer(0));
  EXPECT_EQ(run({"DBSIZE", "x"}), wrong_arity("dbsize"));
}

TEST_P(KeyspaceCommands, DbsizeCountsColdKeys) {
  set_all({"a", "b", "c"});
  harness_.restart();
  EXPECT_EQ(run({"DBSIZE"}), integer(3));
}

TEST_P(KeyspaceCommands, KeysAnswersThoseThatMatch) {
  set_all({"hello", "hallo", "hllo", "h*llo", "user:1", "user:2", ""});
  EXPECT_THAT(keys("h?llo"), UnorderedElementsAre("hello", "hallo", "h*llo"));
  EXPECT_THAT(keys("h[ae]llo"), UnorderedElementsAre("hello", "hallo"));
  EXPECT_THAT(keys("h\\*llo"), ElementsAre("h*llo"));
  EXPECT_THAT(keys("user:*"), UnorderedElementsAre("user:1", "user:2"));
  EXPECT_THAT(keys("*"), SizeIs(7));
  EXPECT_EQ(run({"KEYS", "nothing"}), "*0\r\n");
  EXPECT_EQ(run({"KEYS"}), wrong_arity("keys"));
  EXPECT_EQ(run({"KEYS", "a", "b"}), wrong_arity("keys"));
}

TEST_P(KeyspaceCommands, KeysFindsColdKeysAndTheirChanges) {
  set_all({"stays", "goes", "changes"});
  harness_.restart();
  run({"DEL", "goes"});
  run({"APPEND", "changes", "x"});
  set_all({"new"});
  EXPECT_THAT(keys("*"), UnorderedElementsAre("stays", "changes", "new"));
}

TEST_P(KeyspaceCommands, ExpiredKeysAreNotAnswered) {
  set_all({"stays"});
  run({"SET", "goes", "v", "PX", "10"});
  run({"SET", "cold", "v", "PX", "60000"});
  harness_.advance_ms(20);
  EXPECT_THAT(keys("*"), UnorderedElementsAre("stays", "cold"));
  harness_.restart();
  harness_.advance_ms(60'000);
  EXPECT_THAT(keys("*"), ElementsAre("stays"));
  EXPECT_EQ(run({"RANDOMKEY"}), bulk("stays"));
  EXPECT_THAT(bulks(run({"SCAN", "0", "COUNT", "100"})), ElementsAre("0", "stays"));
}

TEST_P(KeyspaceCommands, KeysOfAnotherConnectionAreServedInBetween) {
  for (int i = 0; i < 5'000; ++i) run({"SET", "{tag}" + std::to_string(i), "v"});
  const auto other = harness_.connect(0);
  harness_.connection().send(Words{"KEYS", "*"});
  EXPECT_EQ(other->run({"GET", "none"}), kNull);
  EXPECT_EQ(harness_.connection().received(), "") << "KEYS did all its work in one turn";
  EXPECT_THAT(bulks(harness_.connection().reply()), SizeIs(5'000));
}

TEST_P(KeyspaceCommands, RandomkeyAnswersEveryKeyAboutAsOften) {
  EXPECT_EQ(run({"RANDOMKEY"}), kNull);
  EXPECT_EQ(run({"RANDOMKEY", "x"}), wrong_arity("randomkey"));
  Words names;
  for (int i = 0; i < 8; ++i) names.push_back((i % 2 == 0 ? "{tag}" : "") + std::to_string(i));
  set_all(names);
  for (const bool cold : {false, true}) {
    if (cold) harness_.restart();
    std::map<std::string, int> seen;
    for (int i = 0; i < 400; ++i) ++seen[bulks(run({"RANDOMKEY"})).at(0)];
    for (const std::string& name : names) EXPECT_GT(seen[name], 20) << name << " cold: " << cold;
  }
}

TEST_P(KeyspaceCommands, RandomkeyOfALargeColdSlot) {
  Words names;
  for (int i = 0; i < 300; ++i) names.push_back("{tag}" + std::to_string(i));
  set_all(names);
  harness_.restart();
  std::set<std::string> seen;
  for (int i = 0; i < 600; ++i) seen.insert(bulks(run({"RANDOMKEY"})).at(0));
  EXPECT_GT(seen.size(), 150u);
}

TEST_P(KeyspaceCommands, FlushdbEmptiesOneDatabase) {
  set_all({"a", "b", "c"});
  run({"SELECT", "1"});
  set_all({"d"});
  EXPECT_EQ(run({"FLUSHDB"}), kOk);
  EXPECT_EQ(run({"DBSIZE"}), integer(0));
  EXPECT_EQ(run({"EXISTS", "d"}), integer(0));
  run({"SELECT", "0"});
  EXPECT_EQ(run({"DBSIZE"}), integer(3));
}

TEST_P(KeyspaceCommands, FlushallEmptiesAll) {
  set_all({"a", "b", "c"});
  run({"SELECT", "9"});
  set_all({"d"});
  EXPECT_EQ(run({"FLUSHALL"}), kOk);
  EXPECT_EQ(run({"DBSIZE"}), integer(0));
  run({"SELECT", "0"});
  EXPECT_EQ(run({"DBSIZE"}), integer(0));
  EXPECT_EQ(run({"SCAN", "0"}), kEmptyScan);
}

TEST_P(KeyspaceCommands, FlushTakesItsOptions) {
  for (const char* command : {"FLUSHDB", "FLUSHALL"}) {
    for (const char* option : {"SYNC", "async", "Sync"}) EXPECT_EQ(run({command, option}), kOk);
    EXPECT_EQ(run({command, "NONSENSE"}), kSyntaxError);
    EXPECT_EQ(run({command, "SYNC", "ASYNC"}), kSyntaxError);
  }
}

TEST_P(KeyspaceCommands, AFlushOfColdKeysOutlivesARestart) {
  set_all({"a", "b", "c"});
  harness_.restart();
  EXPECT_EQ(run({"FLUSHALL"}), kOk);
  set_all({"b"});
  EXPECT_THAT(keys("*"), ElementsAre("b"));
  harness_.restart();
  EXPECT_THAT(keys("*"), ElementsAre("b"));
  EXPECT_EQ(run({"GET", "a"}), kNull);
}

TEST_P(KeyspaceCommands, FlushIsRefusedWhereNoWritesAreTaken) {
  set_all({"a", "b", "c"});
  harness_.rig().files.set_capacity(harness_.rig().files.used_bytes());
  const std::string big(100'000, 'x');
  std::string reply;
  for (int i = 0; i < 100 && !reply.starts_with("-MISCONF"); ++i) {
    reply = run({"SET", "big", big});
    harness_.advance_ms(10);
  }
  ASSERT_THAT(reply, testing::StartsWith("-MISCONF Errors writing to the AOF file: "));
  EXPECT_EQ(run({"FLUSHALL"}), reply);
  EXPECT_EQ(run({"DBSIZE"}), integer(4));
}

TEST_P(KeyspaceCommands, ScanTakesWhatRedisTakes) {
  EXPECT_EQ(run({"SCAN", "0"}), kEmptyScan);
  EXPECT_EQ(run({"SCAN", ""}), kEmptyScan);
  EXPECT_EQ(run({"SCAN", "-1"}), kEmptyScan);
  EXPECT_EQ(run({"SCAN", "18446744073709551615"}), kEmptyScan);
  for (const char* cursor : {"abc", "1.5", " 1", "1 ", "18446744073709551616"}) {
    EXPECT_EQ(run({"SCAN", cursor}), error("ERR invalid cursor")) << cursor;
  }
  EXPECT_EQ(run({"SCAN"}), wrong_arity("scan"));
  EXPECT_EQ(run({"SCAN", "0", "COUNT", "abc"}), kNotAnInteger);
  for (const Words& words : std::vector<Words>{{"SCAN", "0", "COUNT"},
                                               {"SCAN", "0", "COUNT", "0"},
                                               {"SCAN", "0", "COUNT", "-1"},
                                               {"SCAN", "0", "MATCH"},
                                               {"SCAN", "0", "TYPE"},
                                               {"SCAN", "0", "NONSENSE"},
                                               {"SCAN", "0", "NONSENSE", "x"},
                                               {"SCAN", "0", "MATCH", "a", "COUNT"}}) {
    EXPECT_EQ(run(words), kSyntaxError);
  }
}

TEST_P(KeyspaceCommands, ScanFilters) {
  set_all({"a1", "a2", "a3", "b1", "b2"});
  const auto scan = [&](const Words& options) { return ScanClient(harness_, options).all(); };
  EXPECT_THAT(scan({}), UnorderedElementsAre("a1", "a2", "a3", "b1", "b2"));
  EXPECT_THAT(scan({"COUNT", "1"}), UnorderedElementsAre("a1", "a2", "a3", "b1", "b2"));
  EXPECT_THAT(scan({"match", "a*", "count", "2"}), UnorderedElementsAre("a1", "a2", "a3"));
  EXPECT_THAT(scan({"TYPE", "STRING", "MATCH", "*2"}), UnorderedElementsAre("a2", "b2"));
  EXPECT_THAT(scan({"TYPE", "hash"}), IsEmpty());
  EXPECT_THAT(scan({"TYPE", "nosuch"}), IsEmpty());
}

TEST_P(KeyspaceCommands, ScanAnswersCountKeysAtATime) {
  for (int i = 0; i < 100; ++i) run({"SET", "key" + std::to_string(i), "v"});
  ScanClient client(harness_, {"COUNT", "30"});
  std::vector<size_t> sizes;
  while (!client.ended()) sizes.push_back(client.next().size());
  EXPECT_THAT(sizes, ElementsAre(30, 30, 30, 10));
  EXPECT_THAT(bulks(run({"SCAN", "0", "COUNT", "9223372036854775807"})), SizeIs(101));
}

TEST_P(KeyspaceCommands, AnUnreadableDiskIsAnErrorAndNotAnAbsence) {
  set_all({"a"});
  harness_.restart();
  // A row that is no row of a key: unknown, not absent, so the others are still answered.
  const auto key = harness_.rig().key("a");
  auto writing = harness_.rig().rows->begin_write().value();
  ASSERT_TRUE(writing->put({key.slot, key.db, key.hash}, "\xff\xff"));
  ASSERT_TRUE(writing->commit());
  EXPECT_EQ(run({"SCAN", "0"}), kEmptyScan);
}

}  // namespace
}  // namespace quorate::redis
