// Requests for some slots of a node: what each shard gives to them, and questions of other nodes
// that are not answered.
#include "redis/slot_requests.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <optional>
#include <set>
#include <string>

#include "redis/command_harness.h"
#include "redis/reply_text.h"
#include "redis/scan_client.h"

namespace quorate::redis {
namespace {

using testing::UnorderedElementsAreArray;

class SlotRequests : public testing::TestWithParam<unsigned> {
 protected:
  void SetUp() override {
    for (int i = 0; i < 200; ++i) {
      const std::string name = "key-" + std::to_string(i);
      ASSERT_EQ(harness_.run({"SET", name, "v"}), kOk);
      const uint16_t slot = object::key_slot(name);
      if (slot < object::kSlots / 2) names_.insert(name);
    }
    for (uint16_t slot = 0; slot < object::kSlots / 2; ++slot) half_.add(slot);
  }
  // What the node's part of the reply is.
  std::string part(const Words& words, const object::SlotSet& slots) {
    const std::vector<std::string_view> args(words.begin(), words.end());
    Request request;
    request.spec = harness_.commands().find(args);
    request.args = args;
    std::optional<std::string> reply;
    harness_.rig().shards[0].loop->post([&] {
      run_for_slots(harness_.engine(), request, slots,
                    [&reply](std::string_view all) { reply = std::string(all); });
    });
    EXPECT_TRUE(harness_.run_until([&] { return reply.has_value(); }));
    return reply.value_or("");
  }

  CommandHarness harness_{coordinator::ShardRigOptions{.shards = GetParam()}};
  std::set<std::string> names_;
  object::SlotSet half_;
};

INSTANTIATE_TEST_SUITE_P(Shards, SlotRequests, testing::Values(1u, 3u));

TEST_P(SlotRequests, ArePartsOfTheReply) {
  EXPECT_EQ(part({"DBSIZE"}, half_), integer(static_cast<int64_t>(names_.size())));
  EXPECT_EQ(part({"DBSIZE"}, {}), integer(0));
  EXPECT_EQ(part({"DBSIZE"}, object::SlotSet::all()), integer(200));
  EXPECT_THAT(bulks(part({"KEYS", "*"}, half_)), UnorderedElementsAreArray(names_));
  EXPECT_EQ(part({"RANDOMKEY"}, {}), "*2\r\n:0\r\n$-1\r\n");
  std::set<std::string> picked;
  const std::string weight = integer(static_cast<int64_t>(names_.size()));
  for (int i = 0; i < 50; ++i) {
    const std::string reply = part({"RANDOMKEY"}, half_);
    EXPECT_TRUE(reply.starts_with("*2\r\n" + weight)) << reply;
    picked.insert(bulks(reply).at(0));
  }
  EXPECT_GT(picked.size(), 10U);
  for (const std::string& name : picked) EXPECT_TRUE(names_.contains(name)) << name;
  EXPECT_TRUE(part({"INFO"}, half_).starts_with("*32\r\n" + weight + ":0\r\n"));
}

TEST_P(SlotRequests, FindColdKeys) {
  harness_.restart();
  EXPECT_EQ(part({"DBSIZE"}, half_), integer(static_cast<int64_t>(names_.size())));
  EXPECT_THAT(bulks(part({"KEYS", "*"}, half_)), UnorderedElementsAreArray(names_));
  EXPECT_TRUE(names_.contains(bulks(part({"RANDOMKEY"}, half_)).at(0)));
}

TEST_P(SlotRequests, ScanEndsWithTheSlots) {
  std::multiset<std::string> met;
  std::string cursor = "0";
  do {
    std::vector<std::string> words = bulks(part({"SCAN", cursor, "COUNT", "7"}, half_));
    ASSERT_FALSE(words.empty());
    cursor = words[0];
    met.insert(words.begin() + 1, words.end());
  } while (cursor != "0");
  EXPECT_THAT(met, UnorderedElementsAreArray(names_));
  EXPECT_EQ(part({"SCAN", "x"}, half_), "-ERR invalid cursor\r\n");
}

TEST_P(SlotRequests, OfOtherNodesAreReadWithSuspicion) {
  const Words words{"KEYS", "*"};
  const std::vector<std::string_view> args(words.begin(), words.end());
  Request request;
  request.spec = harness_.commands().find(args);
  request.args = args;
  request.db = 1;
  request.protocol = 3;
  request.quorums = {.read = 3, .write = 0};
  const std::string question = encode_slot_question(half_, request);
  const auto read = [&](const std::string& bytes) {
    return decode_slot_question(bytes, harness_.engine());
  };
  const auto decoded = read(question);
  ASSERT_NE(decoded, nullptr);
  EXPECT_EQ(decoded->slots, half_);
  EXPECT_EQ(decoded->request.spec, request.spec);
  EXPECT_EQ(decoded->request.db, 1);
  EXPECT_EQ(decoded->request.protocol, 3);
  EXPECT_EQ(decoded->request.quorums, request.quorums);
  EXPECT_EQ(decoded->request.args[1], "*");
  for (size_t size = 0; size < question.size(); ++size) {
    EXPECT_EQ(read(question.substr(0, size)), nullptr) << size;
  }
  EXPECT_EQ(read(question + "x"), nullptr);
  EXPECT_EQ(read(encode_slot_question({}, request)), nullptr) << "no slots";
  request.quorums.write = 16;
  EXPECT_EQ(read(encode_slot_question(half_, request)), nullptr) << "more than there can be";
  request.quorums = {};
  EXPECT_LT(encode_slot_question(half_, request).size(), question.size());
  request.db = 9999;
  EXPECT_EQ(read(encode_slot_question(half_, request)), nullptr) << "no such database";
  request.db = 0;
  for (const Words& other : {Words{"KEYS"}, {"GET", "k"}, {"SHUTDOWN"}, {"NOSUCH"}, {"CONFIG"}}) {
    const std::vector<std::string_view> other_args(other.begin(), other.end());
    request.args = other_args;
    EXPECT_EQ(read(encode_slot_question(half_, request)), nullptr) << other[0];
  }
}

}  // namespace
}  // namespace quorate::redis
