// Commands about the server as a whole: what is typed, and what Redis 7.2 answers.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "redis/command_harness.h"
#include "redis/reply_text.h"

namespace quorate::redis {
namespace {

using testing::HasSubstr;
using testing::MatchesRegex;
using testing::StartsWith;

EngineSettings with_debug() {
  EngineSettings settings;
  settings.debug_allowed = true;
  return settings;
}

class ServerCommands : public testing::TestWithParam<unsigned> {
 protected:
  std::string run(const Words& words) { return harness_.run(words); }
  uint64_t checkpoints() {
    uint64_t fewest = UINT64_MAX;
    for (const auto& shard : harness_.rig().shards) {
      fewest = std::min(fewest, shard.store->statistics().checkpoints_completed);
    }
    return fewest;
  }

  CommandHarness harness_{coordinator::ShardRigOptions{.shards = GetParam()}, with_debug()};
};

INSTANTIATE_TEST_SUITE_P(Shards, ServerCommands, testing::Values(1u, 3u));

// ---- saving

TEST_P(ServerCommands, SaveAnswersWhenEverythingIsSaved) {
  for (int i = 0; i < 30; ++i) run({"SET", "key" + std::to_string(i), "v"});
  EXPECT_EQ(run({"SAVE"}), kOk);
  EXPECT_EQ(checkpoints(), 1u);
  for (const auto& shard : harness_.rig().shards) EXPECT_EQ(shard.store->dirty_bytes(), 0u);
  EXPECT_EQ(run({"SAVE"}), kOk) << "with nothing to save, too";
  EXPECT_EQ(run({"SAVE", "x"}), wrong_arity("save"));
}

TEST_P(ServerCommands, BgsaveAnswersAtOnce) {
  run({"SET", "key", "v"});
  EXPECT_EQ(run({"BGSAVE"}), "+Background saving started\r\n");
  EXPECT_EQ(checkpoints(), 0u);
  harness_.settle();
  EXPECT_EQ(checkpoints(), 1u);
  EXPECT_EQ(run({"BGSAVE", "NONSENSE"}), kSyntaxError);
  EXPECT_EQ(run({"BGSAVE", "SCHEDULE", "x"}), kSyntaxError);
}

TEST_P(ServerCommands, BgsaveDuringAnother) {
  run({"SET", "key", "v"});
  EXPECT_EQ(run({"BGSAVE", "schedule"}), "+Background saving started\r\n");
  EXPECT_EQ(run({"BGSAVE"}), error("ERR Background save already in progress"));
  EXPECT_EQ(run({"BGSAVE", "SCHEDULE"}), "+Background saving scheduled\r\n");
  harness_.settle();
  EXPECT_EQ(checkpoints(), 2u);
}

TEST_P(ServerCommands, LastsaveIsTheTimeOfTheLastWholeSave) {
  harness_.control().server.started_ms = harness_.now_ms();
  const auto seconds = [&] { return integer(static_cast<int64_t>(harness_.now_ms() / 1000)); };
  EXPECT_EQ(run({"LASTSAVE"}), seconds());
  harness_.advance_ms(5'000);
  EXPECT_EQ(run({"SAVE"}), kOk);
  const std::string saved = seconds();
  harness_.advance_ms(5'000);
  EXPECT_EQ(run({"LASTSAVE"}), saved);
  EXPECT_EQ(run({"LASTSAVE", "x"}), wrong_arity("lastsave"));
}

// ---- the clock, and waiting

TEST_P(ServerCommands, TimeIsTheWallClock) {
  const std::string reply = run({"TIME"});
  const uint64_t now_ms = harness_.now_ms();
  EXPECT_EQ(reply, "*2\r\n" + bulk(std::to_string(now_ms / 1000)) +
                       bulk(std::to_string(now_ms % 1000 * 1000)));
  EXPECT_EQ(run({"TIME", "x"}), wrong_arity("time"));
}

TEST_P(ServerCommands, DebugSleepHoldsUpItsConnectionOnly) {
  const auto other = harness_.connect();
  const uint64_t began_ms = harness_.now_ms();
  harness_.connection().send({"DEBUG", "SLEEP", "0.5"});
  harness_.connection().send(Words{"PING"});
  EXPECT_EQ(other->run({"PING"}), "+PONG\r\n");
  EXPECT_LT(harness_.now_ms(), began_ms + 100);
  EXPECT_EQ(harness_.connection().reply(), kOk);
  EXPECT_GE(harness_.now_ms(), began_ms + 500);
  EXPECT_EQ(harness_.connection().reply(), "+PONG\r\n");
}

TEST_P(ServerCommands, DebugTakesWhatRedisTakes) {
  EXPECT_EQ(run({"DEBUG", "SLEEP", "0"}), kOk);
  EXPECT_EQ(run({"debug", "sleep", "abc"}), kOk);
  EXPECT_EQ(run({"DEBUG", "SLEEP", "-1"}), kOk);
  EXPECT_EQ(run({"DEBUG", "SLEEP", "nan"}), kOk);
  EXPECT_THAT(
      run({"DEBUG", "HELP"}),
      StartsWith("*7\r\n+DEBUG <subcommand> [<arg> [value] [opt] ...]. Subcommands are:\r\n"));
  EXPECT_EQ(run({"DEBUG", "COLD-READ-DELAY", "500"}), kOk);
  EXPECT_EQ(run({"DEBUG", "COLD-READ-DELAY", "0"}), kOk);
  for (const char* wrong : {"-1", "x", "99999999999999999999"}) {
    EXPECT_EQ(run({"DEBUG", "COLD-READ-DELAY", wrong}),
              error("ERR value is not an integer or out of range"));
  }
  for (const char* subcommand : {"SLEEP", "COLD-READ-DELAY", "nosuch"}) {
    EXPECT_EQ(run({"DEBUG", subcommand}),
              error("ERR unknown subcommand or wrong number of arguments for '" +
                    std::string(subcommand) + "'. Try DEBUG HELP."));
  }
  harness_.apply({});
  EXPECT_THAT(run({"DEBUG", "SLEEP", "0"}), StartsWith("-ERR DEBUG command not allowed."));
}

TEST_P(ServerCommands, AConnectionMayEndWhileItsCommandSleeps) {
  const auto other = harness_.connect();
  other->send({"DEBUG", "SLEEP", "1"});
  harness_.advance_ms(10);
  other->close();
  harness_.advance_ms(5'000);
  EXPECT_EQ(run({"PING"}), "+PONG\r\n");
}

// ---- stopping

TEST_P(ServerCommands, ShutdownStopsTheServer) {
  const auto asked = [&](const Words& words) {
    harness_.control().shutdown_mode.reset();
    const auto connection = harness_.connect();
    connection->send(words);
    harness_.settle();
    EXPECT_EQ(connection->received(), "");
    return harness_.control().shutdown_mode;
  };
  EXPECT_EQ(asked({"SHUTDOWN"}), ShutdownMode::normal);
  EXPECT_EQ(asked({"SHUTDOWN", "save"}), ShutdownMode::save);
  EXPECT_EQ(asked({"SHUTDOWN", "NOSAVE", "NOW", "FORCE"}), ShutdownMode::nosave);
}

TEST_P(ServerCommands, AShutdownMayBeRefused) {
  harness_.control().refusal = "the journal cannot be synced";
  EXPECT_EQ(run({"SHUTDOWN"}), error("ERR Errors trying to SHUTDOWN. Check logs."));
  EXPECT_EQ(run({"PING"}), "+PONG\r\n");
}

TEST_P(ServerCommands, ShutdownTakesWhatRedisTakes) {
  for (const Words& words : std::vector<Words>{{"SHUTDOWN", "NONSENSE"},
                                               {"SHUTDOWN", "SAVE", "NOSAVE"},
                                               {"SHUTDOWN", "SAVE", "ABORT"},
                                               {"SHUTDOWN", "ABORT", "NOW"}}) {
    EXPECT_EQ(run(words), kSyntaxError);
  }
  EXPECT_EQ(run({"SHUTDOWN", "ABORT"}), error("ERR No shutdown in progress."));
  EXPECT_FALSE(harness_.control().shutdown_mode.has_value());
}

// ---- CONFIG

TEST_P(ServerCommands, ConfigGetAnswersWhatMatches) {
  harness_.control().directives.values = {
      {"appendfsync", "everysec"}, {"maxmemory", "0"}, {"maxmemory-policy", "noeviction"}};
  EXPECT_EQ(run({"CONFIG", "GET", "appendfsync"}),
            "*2\r\n" + bulk("appendfsync") + bulk("everysec"));
  EXPECT_EQ(
      run({"CONFIG", "GET", "maxmemory*", "nosuch"}),
      "*4\r\n" + bulk("maxmemory") + bulk("0") + bulk("maxmemory-policy") + bulk("noeviction"));
  EXPECT_EQ(run({"CONFIG", "GET", "nosuch"}), "*0\r\n");
  EXPECT_EQ(run({"CONFIG", "GET"}), wrong_arity("config|get"));
  run({"HELLO", "3"});
  EXPECT_EQ(run({"CONFIG", "GET", "maxmemory"}), "%1\r\n" + bulk("maxmemory") + bulk("0"));
}

TEST_P(ServerCommands, ConfigSetChangesAllOrNothing) {
  auto& values = harness_.control().directives.values;
  values = {{"appendfsync", "everysec"}, {"maxmemory", "0"}};
  EXPECT_EQ(run({"CONFIG", "SET", "maxmemory", "1", "appendfsync", "always"}), kOk);
  EXPECT_EQ(values["maxmemory"], "1");
  EXPECT_EQ(values["appendfsync"], "always");
  EXPECT_EQ(run({"CONFIG", "SET", "maxmemory", "2", "nosuch", "x"}),
            error("ERR Unknown option or number of arguments for CONFIG SET - 'nosuch'"));
  EXPECT_EQ(values["maxmemory"], "1");
  EXPECT_EQ(run({"CONFIG", "SET", "maxmemory", "2", "appendfsync"}), kSyntaxError);
  EXPECT_EQ(run({"CONFIG", "SET", "maxmemory"}), wrong_arity("config|set"));
  EXPECT_EQ(run({"CONFIG", "NOSUCH"}), error("ERR unknown subcommand 'NOSUCH'. Try CONFIG HELP."));
}

TEST_P(ServerCommands, LaterCommandsOfAConnectionWaitForConfig) {
  harness_.control().directives.values = {{"maxmemory", "0"}};
  harness_.connection().send(encode_request({"CONFIG", "SET", "maxmemory", "5"}) +
                             encode_request({"CONFIG", "GET", "maxmemory"}) +
                             encode_request({"PING"}));
  EXPECT_EQ(harness_.connection().reply(), kOk);
  EXPECT_EQ(harness_.connection().reply(), "*2\r\n" + bulk("maxmemory") + bulk("5"));
  EXPECT_EQ(harness_.connection().reply(), "+PONG\r\n");
}

TEST_P(ServerCommands, ConfigResetstatResetsEveryShard) {
  for (int i = 0; i < 20; ++i) run({"GET", "key" + std::to_string(i)});
  run({"SET", "key", "v", "PX", "1"});
  harness_.advance_ms(10);
  run({"GET", "key"});
  EXPECT_EQ(run({"CONFIG", "RESETSTAT"}), kOk);
  for (unsigned i = 0; i < GetParam(); ++i) {
    const EngineStatistics& statistics = harness_.engine(i).statistics();
    EXPECT_EQ(statistics.keyspace_misses, 0u);
    EXPECT_EQ(statistics.error_replies, 0u);
    EXPECT_EQ(harness_.engine(i).store().statistics().expired_keys, 0u);
  }
}

TEST_P(ServerCommands, Help) {
  EXPECT_THAT(run({"CONFIG", "HELP"}), HasSubstr("+GET <pattern>\r\n"));
  EXPECT_THAT(run({"COMMAND", "HELP"}), HasSubstr("+GETKEYS <full-command>\r\n"));
}

// ---- COMMAND: the replies themselves are tested with the table

TEST_P(ServerCommands, CommandTellsTheTable) {
  const auto count = static_cast<int64_t>(harness_.commands().commands().size());
  EXPECT_EQ(run({"COMMAND", "COUNT"}), integer(count));
  EXPECT_THAT(run({"COMMAND"}), StartsWith("*" + std::to_string(count) + "\r\n"));
  EXPECT_THAT(run({"COMMAND", "INFO", "get"}), StartsWith("*1\r\n*10\r\n$3\r\nget\r\n:2\r\n"));
  EXPECT_THAT(run({"COMMAND", "DOCS", "get"}), StartsWith("*2\r\n$3\r\nget\r\n"));
  EXPECT_EQ(run({"COMMAND", "LIST", "FILTERBY", "PATTERN", "mge*"}), "*1\r\n" + bulk("mget"));
  EXPECT_EQ(run({"COMMAND", "GETKEYS", "GET", "k"}), "*1\r\n" + bulk("k"));
  EXPECT_THAT(run({"COMMAND", "GETKEYSANDFLAGS", "GET", "k"}),
              StartsWith("*1\r\n*2\r\n$1\r\nk\r\n"));
}

}  // namespace
}  // namespace quorate::redis
