// INFO: sections as Redis 7.2 has them, fields that are true.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "redis/command_harness.h"
#include "redis/reply_text.h"

namespace quorate::redis {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

class Info : public testing::TestWithParam<unsigned> {
 protected:
  std::string run(const Words& words) { return harness_.run(words); }
  // The text of INFO with these arguments.
  std::string info(Words sections = {}) {
    sections.insert(sections.begin(), "INFO");
    const std::string reply = run(sections);
    EXPECT_EQ(reply.front(), '$') << reply;
    return reply.substr(reply.find("\r\n") + 2);
  }
  std::vector<std::string> titles(const Words& sections) {
    std::vector<std::string> found;
    const std::string text = info(sections);
    for (size_t at = text.find("# "); at != std::string::npos; at = text.find("# ", at + 1)) {
      found.push_back(text.substr(at + 2, text.find("\r\n", at) - at - 2));
    }
    return found;
  }
  std::string field(const std::string& name) {
    const std::string text = "\r\n" + info({"everything"});
    const std::string start = "\r\n" + name + ":";
    const size_t at = text.find(start);
    if (at == std::string::npos) return "(no field " + name + ")";
    const size_t begin = at + start.size();
    return text.substr(begin, text.find("\r\n", begin) - begin);
  }

  CommandHarness harness_{coordinator::ShardRigOptions{.shards = GetParam()}};
};

INSTANTIATE_TEST_SUITE_P(Shards, Info, testing::Values(1u, 3u));

TEST_P(Info, SectionsComeInRedissOrder) {
  const Words usual{"Server",      "Clients", "Memory",   "Persistence", "Stats",
                    "Replication", "CPU",     "Modules",  "Cluster",     "Quorum",
                    "Hints",       "Peers",   "Siblings", "Keyspace"};
  EXPECT_EQ(titles({}), usual);
  EXPECT_EQ(titles({"default"}), usual);
  Words all = usual;
  all.insert(all.begin() + 8, "Commandstats");
  EXPECT_EQ(titles({"ALL"}), all);
  EXPECT_EQ(titles({"everything"}), all);
}

TEST_P(Info, SectionsAreChosenByName) {
  EXPECT_THAT(titles({"keyspace", "SERVER"}), ElementsAre("Server", "Keyspace"));
  EXPECT_THAT(titles({"commandstats"}), ElementsAre("Commandstats"));
  EXPECT_EQ(run({"INFO", "nosuch"}), bulk(""));
  EXPECT_EQ(run({"INFO", "keyspace"}), bulk("# Keyspace\r\n"));
  EXPECT_EQ(run({"INFO", "cluster", "keyspace"}),
            bulk("# Cluster\r\ncluster_enabled:0\r\n\r\n# Keyspace\r\n"));
  run({"HELLO", "3"});
  EXPECT_EQ(run({"INFO", "keyspace"}), "=16\r\ntxt:# Keyspace\r\n\r\n");
}

TEST_P(Info, TheServerSaysWhatItIs) {
  harness_.control().server.started_ms = harness_.now_ms();
  harness_.control().server.threads = GetParam();
  harness_.advance_ms(90'000'000);
  EXPECT_EQ(field("redis_version"), "7.2.0");
  EXPECT_EQ(field("quorate_version"), "0.1.0");
  EXPECT_EQ(field("redis_mode"), "standalone");
  EXPECT_EQ(field("process_id"), "1234");
  EXPECT_EQ(field("tcp_port"), "6379");
  EXPECT_EQ(field("uptime_in_seconds"), "90000");
  EXPECT_EQ(field("uptime_in_days"), "1");
  EXPECT_EQ(field("threads"), std::to_string(GetParam()));
  EXPECT_EQ(field("role"), "master");
  EXPECT_EQ(field("loading"), "0");
  EXPECT_EQ(field("aof_enabled"), "1");
  EXPECT_EQ(field("aof_last_write_status"), "ok");
}

TEST_P(Info, MemoryAndClientsAreTheProcesss) {
  MemoryFacts& memory = harness_.control().memory_facts;
  memory.allocated = 1'572'864;
  memory.resident = 3'145'728;
  memory.peak = 3'145'728;
  memory.limit = 1000;
  memory.policy = "allkeys-lru";
  harness_.control().connection_facts.connected = 7;
  harness_.control().connection_facts.limit = 100;
  EXPECT_EQ(field("used_memory"), "1572864");
  EXPECT_EQ(field("used_memory_human"), "1.50M");
  EXPECT_EQ(field("used_memory_rss_human"), "3.00M");
  EXPECT_EQ(field("used_memory_peak_perc"), "50.00%");
  EXPECT_EQ(field("mem_fragmentation_ratio"), "2.00");
  EXPECT_EQ(field("maxmemory_human"), "1000B");
  EXPECT_EQ(field("maxmemory_policy"), "allkeys-lru");
  EXPECT_EQ(field("connected_clients"), "7");
  EXPECT_EQ(field("maxclients"), "100");
}

TEST_P(Info, KeyspaceCountsKeysOfAllShards) {
  for (int i = 0; i < 20; ++i) run({"SET", "key" + std::to_string(i), "v"});
  for (int i = 0; i < 5; ++i) run({"EXPIRE", "key" + std::to_string(i), "100"});
  run({"SELECT", "3"});
  run({"SET", "k", "v"});
  EXPECT_EQ(
      info({"keyspace"}),
      "# Keyspace\r\ndb0:keys=20,expires=5,avg_ttl=0\r\ndb3:keys=1,expires=0,avg_ttl=0\r\n\r\n");
}

TEST_P(Info, PersistenceShowsCheckpoints) {
  harness_.control().server.started_ms = harness_.now_ms();
  const std::string started = std::to_string(harness_.now_ms() / 1000);
  for (int i = 0; i < 20; ++i) run({"SET", "key" + std::to_string(i), "v"});
  EXPECT_EQ(field("rdb_changes_since_last_save"), "20");
  EXPECT_EQ(field("checkpoints_completed"), "0");
  EXPECT_EQ(field("rdb_last_save_time"), started);
  EXPECT_NE(field("dirty_bytes"), "0");
  harness_.advance_ms(10'000);
  run({"BGSAVE"});
  EXPECT_EQ(field("checkpoint_in_progress"), "1");
  EXPECT_EQ(field("rdb_bgsave_in_progress"), "1");
  harness_.settle();
  EXPECT_EQ(field("rdb_changes_since_last_save"), "0");
  EXPECT_EQ(field("rdb_bgsave_in_progress"), "0");
  EXPECT_EQ(field("checkpoints_completed"), "1");
  EXPECT_EQ(field("checkpoint_last_rows"), "20");
  EXPECT_EQ(field("dirty_bytes"), "0");
  EXPECT_NE(field("rdb_last_save_time"), started);
}

TEST_P(Info, JournalLagIsTheAgeOfWhatIsNotSynced) {
  harness_.advance_ms(60'000);
  EXPECT_EQ(field("journal_sync_lag_ms"), "0");
  run({"SET", "key", "v"});
  harness_.advance_ms(300);
  const int lag_ms = std::stoi(field("journal_sync_lag_ms"));
  EXPECT_GE(lag_ms, 300);
  EXPECT_LT(lag_ms, 1'000);
  harness_.advance_ms(2'000);
  EXPECT_EQ(field("journal_sync_lag_ms"), "0");
}

TEST_P(Info, ColdKeysAreCounted) {
  for (int i = 0; i < 20; ++i) run({"SET", "key" + std::to_string(i), "v"});
  harness_.restart();
  EXPECT_EQ(field("cold_keys"), "20");
  run({"GET", "key1"});
  EXPECT_EQ(field("cold_keys"), "19");
  EXPECT_EQ(field("loaded_keys"), "1");
}

TEST_P(Info, StatisticsAreOfAllShards) {
  for (int i = 0; i < 20; ++i) run({"SET", "key" + std::to_string(i), "v"});
  for (int i = 0; i < 30; ++i) run({"GET", "key" + std::to_string(i)});
  EXPECT_EQ(field("keyspace_hits"), "20");
  EXPECT_EQ(field("keyspace_misses"), "10");
  EXPECT_EQ(field("cmdstat_get"),
            "calls=30,usec=0,usec_per_call=0.00,rejected_calls=0,failed_calls=0");
  run({"GET"});
  run({"INCRBY", "key1", "1"});
  EXPECT_THAT(field("cmdstat_get"), HasSubstr("rejected_calls=1"));
  EXPECT_THAT(field("cmdstat_incrby"), HasSubstr("failed_calls=1"));
  EXPECT_EQ(field("total_error_replies"), "2");
  EXPECT_EQ(field("cmdstat_config|get"), "(no field cmdstat_config|get)");
  run({"CONFIG", "GET", "x"});
  EXPECT_THAT(field("cmdstat_config|get"), StartsWith("calls=1,"));
}

TEST_P(Info, RatesAreOfTheLastSecond) {
  harness_.advance_ms(3'000);
  EXPECT_EQ(field("instantaneous_ops_per_sec"), "0");
  uint64_t highest = 0;
  for (int i = 0; i < 50; ++i) {
    for (int n = 0; n < 5; ++n) run({"PING"});
    harness_.advance_ms(50);
    highest = std::max<uint64_t>(highest, std::stoull(field("instantaneous_ops_per_sec")));
  }
  EXPECT_GT(highest, 60u);
  EXPECT_LT(highest, 160u);
}

TEST_P(Info, ResetstatBeginsAnew) {
  for (int i = 0; i < 10; ++i) run({"GET", "key" + std::to_string(i)});
  run({"CONFIG", "RESETSTAT"});
  EXPECT_EQ(field("keyspace_misses"), "0");
  EXPECT_EQ(field("total_error_replies"), "0");
  EXPECT_EQ(field("cmdstat_get"), "(no field cmdstat_get)");
}

}  // namespace
}  // namespace quorate::redis
