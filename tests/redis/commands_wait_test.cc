// WAIT on a lone node, which has no replicas. Clusters are in tests/sim/wait_test.cc.
#include <gtest/gtest.h>

#include "redis/command_harness.h"
#include "redis/reply_text.h"

namespace quorate::redis {
namespace {

TEST(Wait, OnALoneNodeIsThereNobody) {
  CommandHarness harness;
  EXPECT_EQ(harness.run({"SET", "k", "v"}), kOk);
  EXPECT_EQ(harness.run({"WAIT", "0", "0"}), integer(0));
  EXPECT_EQ(harness.run({"WAIT", "-1", "0"}), integer(0));
  const uint64_t begin = harness.now_ms();
  EXPECT_EQ(harness.run({"WAIT", "1", "70"}), integer(0));
  EXPECT_EQ(harness.now_ms() - begin, 70U);
}

TEST(Wait, HoldsUpTheConnectionUntilItEnds) {
  CommandHarness harness;
  const auto other = harness.connect();
  other->send(encode_request({"WAIT", "1", "500"}) + encode_request({"PING"}));
  harness.advance_ms(400);
  EXPECT_EQ(other->received(), "");
  EXPECT_EQ(harness.run({"PING"}), "+PONG\r\n");
  harness.advance_ms(200);
  EXPECT_EQ(other->reply(), integer(0));
  EXPECT_EQ(other->reply(), "+PONG\r\n");
  other->send(encode_request({"WAIT", "1", "0"}) + encode_request({"PING"}));
  harness.advance_ms(60'000);
  EXPECT_EQ(other->received(), "") << "for ever";
  other->close();
  harness.advance_ms(60'000);
  EXPECT_EQ(harness.engine().sessions().size(), 1U);
}

TEST(Wait, ErrorsAreThoseOfRedis) {
  CommandHarness harness;
  EXPECT_EQ(harness.run({"WAIT", "1"}), wrong_arity("wait"));
  EXPECT_EQ(harness.run({"WAIT", "x", "x"}), kNotAnInteger);
  EXPECT_EQ(harness.run({"WAIT", "0", "1.5"}),
            "-ERR timeout is not an integer or out of range\r\n");
  EXPECT_EQ(harness.run({"WAIT", "0", "-1"}), "-ERR timeout is negative\r\n");
  EXPECT_EQ(harness.run({"WAIT", "0", "9223372036854775807"}), "-ERR timeout is out of range\r\n");
}

}  // namespace
}  // namespace quorate::redis
