// Session: replies in the order of the requests whatever delays them, and what ends a connection.
#include "quorate/redis/session.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <map>

#include "redis/command_harness.h"
#include "redis/reply_text.h"

namespace quorate::redis {
namespace {

using testing::HasSubstr;

class SessionTest : public testing::Test {
 protected:
  void make(coordinator::ShardRigOptions options, EngineSettings settings = {}) {
    harness_ = std::make_unique<CommandHarness>(options, settings);
  }
  Connection& client() { return harness_->connection(); }
  std::string run(const Words& words) { return harness_->run(words); }
  std::string name_on(unsigned shard, unsigned i = 0) { return harness_->rig().name_on(shard, i); }
  // Sends the requests in one write and gives all that was answered.
  std::string pipeline(Connection& connection, const std::vector<Words>& requests) {
    std::string bytes;
    for (const Words& request : requests) bytes += encode_request(request);
    connection.send(bytes);
    std::string replies;
    for (size_t i = 0; i < requests.size(); ++i) replies += connection.reply();
    return replies;
  }
  std::string pipeline(const std::vector<Words>& requests) { return pipeline(client(), requests); }

  std::unique_ptr<CommandHarness> harness_;
};

TEST_F(SessionTest, APipelineIsAnsweredInOrder) {
  make({});
  EXPECT_EQ(pipeline({{"SET", "a", "1"},
                      {"GET", "a"},
                      {"PING"},
                      {"INCR", "a"},
                      {"nosuch"},
                      {"GET"},
                      {"GET", "a"}}),
            kOk + bulk("1") + "+PONG\r\n" + integer(2) +
                error("ERR unknown command 'nosuch', with args beginning with: ") +
                wrong_arity("get") + bulk("2"));
}

TEST_F(SessionTest, OneTurnTakesTheRequestsOfManyConnections) {
  make({});
  constexpr int kConnections = 40;
  constexpr int kRequests = 10;  // more than one batch in all
  std::string pipeline_of_one;
  for (int i = 0; i < kRequests; ++i) pipeline_of_one += encode_request({"INCR", "n"});
  std::vector<std::unique_ptr<Connection>> connections;
  for (int i = 0; i < kConnections; ++i) connections.push_back(harness_->connect());
  for (const auto& connection : connections) connection->send(pipeline_of_one);
  int expected = 0;
  for (const auto& connection : connections) {
    for (int i = 0; i < kRequests; ++i) EXPECT_EQ(connection->reply(), integer(++expected));
  }
}

TEST_F(SessionTest, WhatOneConnectionSendsDoesNotDisturbTheOthersOfItsTurn) {
  make({.shards = 2});
  const auto whole = harness_->connect();
  const auto cut = harness_->connect();
  const auto broken = harness_->connect();
  const auto plain = harness_->connect();
  const auto waiting = harness_->connect();
  const std::string last = encode_request({"GET", "k"});
  whole->send(encode_request({"SET", "k", "1"}) + encode_request({"SELECT", "1"}) + last);
  cut->send(encode_request({"INCR", "k"}) + "PING\r\n" + last.substr(0, 7));
  broken->send(encode_request({"INCR", "k"}) + "*x\r\n" + last);
  plain->send("incr k\r\nget k\r\n");
  waiting->send(encode_request({"MGET", name_on(0), name_on(1)}) + last);
  harness_->settle();
  cut->send(last.substr(7));
  harness_->settle();
  EXPECT_EQ(whole->received(), kOk + kOk + kNull);
  EXPECT_EQ(cut->received(), integer(2) + "+PONG\r\n" + bulk("4"));
  EXPECT_EQ(broken->received(), integer(3) + error("ERR Protocol error: invalid multibulk length"));
  EXPECT_TRUE(broken->ended());
  EXPECT_EQ(plain->received(), integer(4) + bulk("4"));
  EXPECT_EQ(waiting->received(), "*2\r\n" + kNull + kNull + bulk("4"));
}

// The only cold key of a slot arrives while a write to an absent one still waits for the disk's
// "no".
TEST_F(SessionTest, ACommandDoesNotOvertakeAnEarlierOneThatWaitsForTheDisk) {
  for (uint64_t seed = 1; seed <= 60; ++seed) {
    make({.seed = seed});
    ASSERT_EQ(run({"SET", "{slot}cold", "v"}), kOk);
    harness_->restart();
    const auto reader = harness_->connect();
    const auto writer = harness_->connect();
    reader->send(Words{"GET", "{slot}cold"});
    harness_->rig().world.run_for(seed % 6 * 20);
    writer->send({"SET", "{slot}new", "1"});
    ASSERT_TRUE(harness_->run_until([&] { return !reader->received().empty(); }));
    writer->send({"SET", "{slot}new", "2"});
    harness_->settle();
    ASSERT_EQ(writer->received(), kOk + kOk);
    ASSERT_EQ(run({"GET", "{slot}new"}), bulk("2")) << "seed " << seed;
  }
}

// However much a client sends, only so much of it is kept waiting for the disk.
TEST_F(SessionTest, APipelineThatOutrunsTheDiskIsNotReadWithoutEnd) {
  make({});
  constexpr int kKeys = 20'000;
  for (int i = 0; i < kKeys; i += 100) {
    std::string writes;
    for (int j = i; j < i + 100; ++j) {
      writes += encode_request({"SET", "k" + std::to_string(j), std::to_string(j)});
    }
    client().send(writes);
    harness_->advance_ms(1);
  }
  harness_->settle();
  harness_->restart();
  std::string reads, expected;
  for (int i = 0; i < kKeys; ++i) {
    reads += encode_request({"GET", "k" + std::to_string(i)});
    expected += bulk(std::to_string(i));
  }
  client().send(reads);
  bool paused = false;
  harness_->run_until([&] {
    paused = paused || client().paused();
    return client().received().size() == expected.size();
  });
  EXPECT_TRUE(paused);
  EXPECT_EQ(client().received(), expected);
}

TEST_F(SessionTest, AWriterWaitsForTheCheckpointAndNobodyElseDoes) {
  storage::StoreSettings settings;
  settings.memory_bytes_max = 1 << 20;
  make({.shards = 2, .store = settings});
  const auto writer = harness_->connect();
  const auto reader = harness_->connect();
  const auto late_writer = harness_->connect(1);
  constexpr int kWrites = 4000;
  const std::string value(1000, 'v');
  std::string writes;
  for (int i = 0; i < kWrites; ++i) {
    writes += encode_request({"SET", "k" + std::to_string(i), value});
  }
  writer->send(writes + encode_request({"DBSIZE"}));
  ASSERT_TRUE(harness_->run_until([&] { return harness_->rig().shards[0].store->backlogged(); }));
  late_writer->send(encode_request({"SET", "late", "v"}) + encode_request({"GET", "late"}));
  EXPECT_EQ(reader->run({"PING"}), "+PONG\r\n");
  EXPECT_EQ(reader->run({"GET", "late"}), kNull);
  harness_->settle();
  std::string expected;
  for (int i = 0; i < kWrites; ++i) expected += kOk;
  EXPECT_TRUE(writer->received().starts_with(expected));
  EXPECT_EQ(late_writer->received(), kOk + bulk("v"));
}

// However the network cuts it, a pipeline has one answer.
TEST_F(SessionTest, InputMayBeCutAnywhere) {
  make({.shards = 2});
  const std::string near = name_on(0);
  const std::string far = name_on(1);
  const std::string input =
      encode_request({"SET", near, "12345678901"}) + "PING\r\n" + encode_request({"SET", far, ""}) +
      "\r\n" + encode_request({"MGET", near, far}) + "*0\r\n" + encode_request({"SELECT", "1"}) +
      encode_request({"GET", near}) + "set inline \"a b\"\r\n" + encode_request({"GET", "inline"}) +
      encode_request({"SELECT", "0"});
  const std::string expected = kOk + "+PONG\r\n" + kOk + "*2\r\n" + bulk("12345678901") + bulk("") +
                               kOk + kNull + kOk + bulk("a b") + kOk;
  for (size_t cut = 0; cut < input.size(); ++cut) {
    const auto connection = harness_->connect();
    connection->send(std::string_view(input).substr(0, cut));
    harness_->advance_ms(5);
    connection->send(std::string_view(input).substr(cut));
    harness_->advance_ms(5);
    ASSERT_EQ(connection->received(), expected) << "cut at " << cut;
    connection->close();
  }
  const auto connection = harness_->connect();
  for (const char byte : input) {
    connection->send(std::string_view(&byte, 1));
    harness_->advance_ms(1);
  }
  harness_->settle();
  EXPECT_EQ(connection->received(), expected) << "byte by byte";
}

TEST_F(SessionTest, MoreRequestsThanABatchHolds) {
  make({});
  std::vector<Words> requests;
  std::string expected;
  for (int i = 0; i < 5'000; ++i) {
    requests.push_back({"INCR", "n" + std::to_string(i % 7)});
    expected += integer(i / 7 + 1);
  }
  EXPECT_EQ(pipeline(requests), expected);
}

TEST_F(SessionTest, AValueLargerThanARead) {
  make({});
  const std::string value(3 << 20, 'v');
  EXPECT_EQ(pipeline({{"SET", "k", value}, {"STRLEN", "k"}, {"GET", "k"}}),
            kOk + integer(3 << 20) + bulk(value));
}

TEST_F(SessionTest, RepliesFromOtherShardsKeepTheirPlace) {
  make({.shards = 3});
  std::vector<Words> requests;
  std::string expected;
  for (unsigned i = 0; i < 300; ++i) {
    const std::string name = "key-" + std::to_string(i % 50);
    if (i % 3 == 0) {
      requests.push_back({"SET", name, std::to_string(i)});
      expected += kOk;
    } else if (i % 3 == 1) {
      requests.push_back({"PING", std::to_string(i)});
      expected += bulk(std::to_string(i));
    } else {
      requests.push_back({"GET", "key-" + std::to_string((i - 2) % 50)});
      expected += bulk(std::to_string(i - 2));
    }
  }
  for (unsigned shard = 0; shard < 3; ++shard) {
    const auto connection = harness_->connect(shard);
    EXPECT_EQ(pipeline(*connection, requests), expected) << shard;
  }
  EXPECT_GT(harness_->engine(0).statistics().forwarded_commands, 0);
}

TEST_F(SessionTest, ColdKeysKeepTheirPlace) {
  make({});
  run({"SET", "cold-a", "a"});
  run({"SET", "cold-b", "b"});
  harness_->restart();
  run({"SET", "warm", "w"});
  EXPECT_EQ(pipeline({{"GET", "warm"},
                      {"GET", "cold-a"},
                      {"GET", "warm"},
                      {"APPEND", "cold-b", "!"},
                      {"SET", "warm", "new"},
                      {"PING"},
                      {"GET", "cold-b"},
                      {"GET", "warm"}}),
            bulk("w") + bulk("a") + bulk("w") + integer(2) + kOk + "+PONG\r\n" + bulk("b!") +
                bulk("new"));
}

TEST_F(SessionTest, OtherConnectionsGoOnWhileOneWaitsForTheDisk) {
  make({});
  run({"SET", "cold", "c"});
  run({"SET", "other", "o"});
  harness_->restart();
  harness_->rig().cold_pool->set_duration({500'000, 500'000});
  client().send(Words{"GET", "cold"});
  const auto other = harness_->connect();
  EXPECT_EQ(other->run({"PING"}), "+PONG\r\n");
  EXPECT_EQ(other->run({"SET", "warm", "w"}), kOk);
  EXPECT_EQ(other->run({"GET", "warm"}), bulk("w"));
  EXPECT_EQ(client().received(), "");
  EXPECT_EQ(client().reply(), bulk("c"));
}

// Commands on one key take effect in order, though the first must wait for the disk.
TEST_F(SessionTest, CommandsOnAColdKeyDoNotOvertakeEachOther) {
  make({});
  run({"SET", "cold", "1"});
  harness_->restart();
  EXPECT_EQ(pipeline({{"INCR", "cold"}, {"SET", "cold", "10"}, {"INCR", "cold"}, {"GET", "cold"}}),
            integer(2) + kOk + integer(11) + bulk("11"));
}

TEST_F(SessionTest, ACommandOverSeveralKeysWaitsForAllBeforeIt) {
  make({.shards = 2});
  const std::string near = name_on(0);
  const std::string far = name_on(1);
  const std::string far2 = name_on(1, 1);
  EXPECT_EQ(pipeline({{"SET", far, "1"},
                      {"MGET", near, far},
                      {"MSET", near, "2", far, "3", far2, "4"},
                      {"GET", far},
                      {"GET", near},
                      {"DEL", far, near, far2, far},
                      {"EXISTS", far, near},
                      {"GET", far2}}),
            kOk + "*2\r\n" + kNull + bulk("1") + kOk + bulk("3") + bulk("2") + integer(3) +
                integer(0) + kNull);
}

TEST_F(SessionTest, ACommandOverColdAndForeignKeys) {
  make({.shards = 2});
  Words mset = {"MSET"};
  Words mget = {"MGET"};
  std::string values = "*20\r\n";
  for (int i = 0; i < 20; ++i) {
    mset.insert(mset.end(), {"k" + std::to_string(i), std::to_string(i)});
    mget.push_back("k" + std::to_string(i));
    values += bulk(std::to_string(i));
  }
  EXPECT_EQ(run(mset), kOk);
  harness_->restart();
  EXPECT_EQ(pipeline({{"PING"}, mget, {"GET", "k7"}}), "+PONG\r\n" + values + bulk("7"));
}

TEST_F(SessionTest, AKeylessCommandOfTheServerWaitsForAllBeforeIt) {
  make({.shards = 2});
  EXPECT_EQ(pipeline({{"SET", name_on(1), "1"},
                      {"SET", name_on(0), "1"},
                      {"DBSIZE"},
                      {"DEL", name_on(1)},
                      {"DBSIZE"}}),
            kOk + kOk + integer(2) + integer(1) + integer(1));
}

TEST_F(SessionTest, SelectAndHelloConcernOnlyWhatComesBehindThem) {
  make({.shards = 2});
  const std::string far = name_on(1);
  EXPECT_EQ(pipeline({{"SET", far, "zero"},
                      {"SELECT", "4"},
                      {"GET", far},
                      {"SET", far, "four"},
                      {"SELECT", "0"},
                      {"GET", far},
                      {"RESET"},
                      {"GET", "none"}}),
            kOk + kOk + kNull + kOk + kOk + bulk("zero") + "+RESET\r\n" + kNull);
  const std::string replies =
      pipeline({{"GET", far + "-none"}, {"HELLO", "3"}, {"GET", far + "-none"}});
  EXPECT_EQ(replies.substr(0, kNull.size() + 2), kNull + "%7");
  EXPECT_EQ(replies.substr(replies.size() - 3), "_\r\n");
}

TEST_F(SessionTest, ClosingWhileCommandsAreSuspended) {
  make({.shards = 2});
  const std::string near = name_on(0);
  const std::string far = name_on(1);
  run({"MSET", near, "1", far, "2"});
  harness_->restart();
  for (int patience_us = 0; patience_us < 3'000; patience_us += 100) {
    const auto connection = harness_->connect(0);
    connection->send(encode_request({"GET", near}) + encode_request({"GET", far}) +
                     encode_request({"MSET", near, "3", far, "4"}) +
                     encode_request({"CLIENT", "LIST"}));
    harness_->rig().world.run_for(static_cast<uint64_t>(patience_us));
    connection->close();
    harness_->settle();
    EXPECT_TRUE(connection->ended());
  }
  EXPECT_EQ(harness_->engine(0).sessions().size(), 1);
  const std::string both = run({"MGET", near, far});
  EXPECT_TRUE(both == "*2\r\n" + bulk("1") + bulk("2") || both == "*2\r\n" + bulk("3") + bulk("4"))
      << both;
  EXPECT_TRUE(harness_->engine(0).coordinator().gates().idle());
  EXPECT_TRUE(harness_->engine(1).coordinator().gates().idle());
}

TEST_F(SessionTest, ProtocolErrorsAreAnsweredAfterWhatCameBefore) {
  make({.shards = 2});
  client().send(encode_request({"GET", name_on(1)}) + "*1\r\nx\r\n" + encode_request({"PING"}));
  harness_->settle();
  EXPECT_EQ(client().received(), kNull + error("ERR Protocol error: expected '$', got 'x'"));
  EXPECT_TRUE(client().ended());
}

TEST_F(SessionTest, QuitIsAnsweredAfterWhatCameBefore) {
  make({.shards = 2});
  client().send(encode_request({"GET", name_on(1)}) + encode_request({"QUIT"}) +
                encode_request({"PING"}));
  harness_->settle();
  EXPECT_EQ(client().received(), kNull + kOk);
  EXPECT_TRUE(client().ended());
}

TEST_F(SessionTest, ASocketThatTakesLittleGetsEverythingInTheEnd) {
  make({});
  const std::string value(10'000, 'v');
  run({"SET", "k", value});
  client().set_room(1'000);
  std::string expected;
  for (int i = 0; i < 5; ++i) {
    client().send(Words{"GET", "k"});
    expected += bulk(value);
  }
  harness_->settle();
  EXPECT_EQ(client().received().size(), 1'000);
  for (int i = 0; i < 60; ++i) {
    client().set_room(1'000);
    harness_->advance_ms(2);
  }
  EXPECT_EQ(client().received(), expected);
}

TEST_F(SessionTest, AClientThatDoesNotReadIsClosedAtTheHardLimit) {
  EngineSettings settings;
  settings.output_hard_bytes = 100'000;
  make({}, settings);
  run({"SET", "k", std::string(40'000, 'v')});
  const auto slow = harness_->connect();
  slow->set_room(0);
  slow->send(encode_request({"GET", "k"}) + encode_request({"GET", "k"}));
  harness_->settle();
  EXPECT_FALSE(slow->ended());
  slow->send(Words{"GET", "k"});
  harness_->advance_ms(2'000);
  EXPECT_TRUE(slow->ended());
  EXPECT_EQ(run({"PING"}), "+PONG\r\n");
}

TEST_F(SessionTest, AClientThatDoesNotReadIsClosedAfterItsTimeAtTheSoftLimit) {
  EngineSettings settings;
  settings.output_soft_bytes = 10'000;
  settings.output_soft_s = 5;
  make({}, settings);
  run({"SET", "k", std::string(40'000, 'v')});
  const auto slow = harness_->connect();
  slow->set_room(0);
  slow->send(Words{"GET", "k"});
  harness_->advance_ms(4'000);
  EXPECT_FALSE(slow->ended());
  harness_->advance_ms(4'000);
  EXPECT_TRUE(slow->ended());
}

TEST_F(SessionTest, AnEndlessRequestIsClosedAtTheQueryBufferLimit) {
  EngineSettings settings;
  settings.query_buffer_bytes_max = 100'000;
  make({}, settings);
  const auto greedy = harness_->connect();
  greedy->send("*2\r\n$3\r\nGET\r\n$500000\r\n" + std::string(200'000, 'x'));
  harness_->settle();
  EXPECT_TRUE(greedy->ended());
  EXPECT_EQ(run({"PING"}), "+PONG\r\n");
}

TEST_F(SessionTest, IdleConnectionsAreClosedAfterTheTimeout) {
  EngineSettings settings;
  settings.idle_timeout_s = 10;
  make({}, settings);
  const auto idle = harness_->connect();
  EXPECT_EQ(idle->run({"PING"}), "+PONG\r\n");
  for (int i = 0; i < 4; ++i) {
    harness_->advance_ms(4'000);
    EXPECT_EQ(run({"PING"}), "+PONG\r\n");
  }
  EXPECT_TRUE(idle->ended());
  EXPECT_FALSE(client().ended());
}

// What is not journalled is not answered; what is read meanwhile neither.
TEST_F(SessionTest, UnderAlwaysRepliesWaitForTheSync) {
  make({.shards = 2, .policy = storage::SyncPolicy::always});
  const std::string near = name_on(0);
  const std::string far = name_on(1);
  for (const std::string& name : {near, far}) {
    client().send(Words{"SET", name, "v"});
    const unsigned shard = harness_->rig().shard_of(name);
    const storage::Journal& journal = harness_->engine(shard).store().journal();
    ASSERT_TRUE(harness_->run_until([&] { return !client().received().empty(); }));
    EXPECT_EQ(journal.synced_position(), journal.end_position()) << name;
    EXPECT_EQ(client().reply(), kOk);
  }
}

TEST_F(SessionTest, AFullDiskRefusesWritesAndAnswersReads) {
  make({});
  run({"SET", "k", "v"});
  harness_->rig().files.fail_randomly(sim::FileOperation::allocate, ENOSPC, 1);
  std::string reply = kOk;
  for (int i = 0; i < 100 && reply == kOk; ++i)
    reply = run({"SET", "fill", std::string(100'000, 'x')});
  EXPECT_THAT(reply, testing::StartsWith("-MISCONF "));
  EXPECT_EQ(run({"GET", "k"}), bulk("v"));
  EXPECT_THAT(run({"DEL", "k"}), testing::StartsWith("-MISCONF "));
  EXPECT_THAT(run({"MSET", "k", "1", "l", "2"}), testing::StartsWith("-MISCONF "));
  EXPECT_EQ(run({"GET", "k"}), bulk("v"));
  harness_->rig().files.heal();
  harness_->advance_ms(3'000);
  EXPECT_EQ(run({"SET", "k", "w"}), kOk);
}

// Many connections on every shard move amounts between cold and warm accounts; readers never see
// one missing.
TEST_F(SessionTest, MsetIsAtomicForEveryReader) {
  make({.shards = 2, .seed = 5});
  const std::string near = name_on(0);
  const std::string far = name_on(1);
  run({"MSET", near, "0", far, "0"});
  harness_->restart();
  std::vector<std::unique_ptr<Connection>> writers;
  std::vector<std::unique_ptr<Connection>> readers;
  for (unsigned i = 0; i < 6; ++i) {
    writers.push_back(harness_->connect(i % 2));
    readers.push_back(harness_->connect(i % 2));
  }
  for (int round = 0; round < 60; ++round) {
    for (size_t i = 0; i < writers.size(); ++i) {
      const std::string value = std::to_string(round * 10 + static_cast<int>(i));
      writers[i]->send(Words{"MSET", near, value, far, value});
      readers[i]->send(Words{"MGET", i % 3 == 0 ? far : near, i % 3 == 0 ? near : far});
    }
    harness_->rig().world.run_for(static_cast<uint64_t>(round) * 7);
  }
  for (size_t i = 0; i < writers.size(); ++i) {
    for (int round = 0; round < 60; ++round) {
      ASSERT_EQ(writers[i]->reply(), kOk);
      const std::string pair = readers[i]->reply();
      ASSERT_EQ(pair.substr(0, 4), "*2\r\n");
      const size_t half = (pair.size() - 4) / 2;
      ASSERT_EQ(pair.substr(4, half), pair.substr(4 + half)) << "a torn MSET was seen";
    }
  }
}

TEST_F(SessionTest, EveryShardClosesItsConnectionsAtTheEnd) {
  make({.shards = 2});
  const auto other = harness_->connect(1);
  harness_->engine(0).close_sessions();
  harness_->engine(1).close_sessions();
  harness_->settle();
  EXPECT_TRUE(client().ended());
  EXPECT_TRUE(other->ended());
  EXPECT_EQ(harness_->control().closed_connections, 2);
}

}  // namespace
}  // namespace quorate::redis
