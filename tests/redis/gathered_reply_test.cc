// Parts of replies put together, and parts that no node answers.
#include "redis/gathered_reply.h"

#include <gtest/gtest.h>
#include <map>
#include <string>
#include <vector>

namespace quorate::redis {
namespace {

class GatheredReplyTest : public testing::Test {
 protected:
  // The whole of the parts; "refused" if one of them is.
  std::string gathered(Gather how, const std::vector<std::string>& parts, int protocol = 2) {
    GatheredReply all(how, *random_);
    for (const std::string& part : parts) {
      if (!all.add(part)) return "refused";
    }
    OutputBuffer out;
    ReplyWriter reply(out, protocol);
    all.write(reply);
    return std::string(out.view());
  }

  std::unique_ptr<runtime::Random> random_ = runtime::make_seeded_random(1);
};

TEST_F(GatheredReplyTest, AddsUp) {
  EXPECT_EQ(gathered(Gather::ok, {"+OK\r\n", "+OK\r\n"}), "+OK\r\n");
  EXPECT_EQ(gathered(Gather::sum, {":3\r\n", ":0\r\n", ":39\r\n"}), ":42\r\n");
  EXPECT_EQ(gathered(Gather::sum, {}), ":0\r\n");
  EXPECT_EQ(
      gathered(Gather::elements, {"*1\r\n$1\r\na\r\n", "*0\r\n", "*2\r\n$2\r\n\r\n\r\n$0\r\n\r\n"}),
      "*3\r\n$1\r\na\r\n$2\r\n\r\n\r\n$0\r\n\r\n");
  GatheredReply sums(Gather::sums, *random_);
  EXPECT_TRUE(sums.add("*2\r\n:1\r\n:2\r\n"));
  EXPECT_TRUE(sums.add("*3\r\n:10\r\n:20\r\n:30\r\n"));
  EXPECT_EQ(sums.sums(), (std::vector<uint64_t>{11, 22, 30}));
}

TEST_F(GatheredReplyTest, PicksByWeight) {
  EXPECT_EQ(gathered(Gather::pick, {"*2\r\n:0\r\n$-1\r\n", "*2\r\n:0\r\n_\r\n"}), "$-1\r\n");
  EXPECT_EQ(gathered(Gather::pick, {"*2\r\n:0\r\n$-1\r\n"}, 3), "_\r\n");
  std::map<std::string, int> picked;
  for (int i = 0; i < 1000; ++i) {
    ++picked[gathered(Gather::pick, {"*2\r\n:1\r\n$1\r\na\r\n", "*2\r\n:0\r\n$-1\r\n",
                                     "*2\r\n:9\r\n$1\r\nb\r\n"})];
  }
  EXPECT_EQ(picked.size(), 2U);
  EXPECT_NEAR(picked["$1\r\na\r\n"], 100, 40);
}

TEST_F(GatheredReplyTest, RefusesWhatNoNodeAnswers) {
  for (const std::string part : {"", "+OK", "+OK\r\n+OK\r\n", "-ERR\r\n", ":1\r\n"}) {
    EXPECT_EQ(gathered(Gather::ok, {part}), "refused") << part;
  }
  for (const std::string part :
       {"", ":", ":\r\n", ":-1\r\n", ":1", ":1\r\n ", ":01\r\n", ":1x\r\n", "+OK\r\n",
        ":9223372036854775808\r\n", ":99999999999999999999\r\n"}) {
    EXPECT_EQ(gathered(Gather::sum, {part}), "refused") << part;
  }
  for (const std::string part :
       {"", "*1\r\n", "*-1\r\n", "*1\r\n$1\r\na", "*1\r\n$1\r\nab\r\n", "*1\r\n$-1\r\n",
        "*1\r\n:1\r\n", "*0\r\n$1\r\na\r\n", "*1\r\n$9223372036854775807\r\na\r\n",
        "*9223372036854775807\r\n$1\r\na\r\n"}) {
    EXPECT_EQ(gathered(Gather::elements, {part}), "refused") << part;
  }
  for (const std::string part :
       {"", "*1\r\n:1\r\n", "*2\r\n:1\r\n", "*2\r\n:1\r\n$-1\r\n", "*2\r\n:0\r\n$1\r\na\r\n",
        "*2\r\n:0\r\n$-1\r\n$-1\r\n", "*2\r\n:1\r\n$1\r\na\r\n ", "*3\r\n:1\r\n$1\r\na\r\n"}) {
    EXPECT_EQ(gathered(Gather::pick, {part}), "refused") << part;
  }
  GatheredReply sums(Gather::sums, *random_);
  EXPECT_FALSE(sums.add("*2\r\n:1\r\n"));
  EXPECT_FALSE(sums.add("*1\r\n:1\r\n:1\r\n"));
  EXPECT_TRUE(sums.sums().empty());
}

TEST_F(GatheredReplyTest, ReadsPagesOfScan) {
  const auto page = ScanPage::parse("*2\r\n$3\r\n512\r\n*2\r\n$1\r\na\r\n$1\r\nb\r\n");
  ASSERT_TRUE(page);
  EXPECT_EQ(page->cursor, 512U);
  EXPECT_EQ(page->count, 2U);
  EXPECT_EQ(page->keys, "$1\r\na\r\n$1\r\nb\r\n");
  EXPECT_TRUE(ScanPage::parse("*2\r\n$1\r\n0\r\n*0\r\n"));
  for (const std::string part :
       {"", "*2\r\n", "*2\r\n$1\r\n0\r\n", "*2\r\n$0\r\n\r\n*0\r\n", "*2\r\n$2\r\n-1\r\n*0\r\n",
        "*2\r\n$1\r\nx\r\n*0\r\n", "*2\r\n$1\r\n0\r\n*1\r\n", "*2\r\n$1\r\n0\r\n*0\r\n*0\r\n",
        "*3\r\n$1\r\n0\r\n*0\r\n", "*2\r\n$20\r\n99999999999999999999\r\n*0\r\n"}) {
    EXPECT_FALSE(ScanPage::parse(part)) << part;
  }
}

}  // namespace
}  // namespace quorate::redis
