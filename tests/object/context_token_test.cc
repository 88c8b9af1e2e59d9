#include "quorate/object/context_token.h"

#include <gtest/gtest.h>
#include <random>
#include <set>

#include "object/numbered_actors.h"

namespace quorate::object {
namespace {

class ContextTokenTest : public testing::Test {
 protected:
  std::string error_of(std::string_view token) {
    const auto opened = seal.open(token, {3, "key"});
    return opened ? "" : opened.error().message;
  }

  ActorTable actors;
  ActorId b = actors.intern(actor_of(9, 1));
  ActorId a = actors.intern(actor_of(1, 2));
  ContextSeal seal{4711};
  CausalContext context{{a, 1}, {a, 2}, {a, 7}, {b, 300}};
  std::string token = seal.seal(NamedContext::of(context, actors), {3, "key"});
};

TEST_F(ContextTokenTest, OpensToWhatWasSealed) {
  const auto opened = seal.open(token, {3, "key"});
  ASSERT_TRUE(opened) << opened.error().message;
  EXPECT_EQ(opened->known_to(actors), context);
  EXPECT_EQ(
      token.find_first_not_of("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"),
      std::string::npos);
}

TEST_F(ContextTokenTest, IsTheSameOnNodesThatKnowTheActorsInAnotherOrder) {
  ActorTable others;
  const ActorId x = others.intern(actor_of(5, 5)), a2 = others.intern(actor_of(1, 2)),
                b2 = others.intern(actor_of(9, 1));
  const CausalContext same{{b2, 300}, {a2, 7}, {a2, 2}, {a2, 1}};
  EXPECT_EQ(ContextSeal(4711).seal(NamedContext::of(same, others), {3, "key"}), token);
  EXPECT_EQ(seal.open(token, {3, "key"})->known_to(others), same);
  const CausalContext more{{x, 1}};
  const std::string theirs = seal.seal(NamedContext::of(more, others), {3, "key"});
  EXPECT_TRUE(seal.open(theirs, {3, "key"})->known_to(actors).empty());
}

TEST_F(ContextTokenTest, TheEmptyTokenHasSeenNothing) {
  EXPECT_TRUE(seal.open("", {3, "key"})->runs.empty());
  const std::string nothing = seal.seal({}, {3, "key"});
  EXPECT_NE(nothing, "");
  EXPECT_TRUE(seal.open(nothing, {3, "key"})->runs.empty());
}

TEST_F(ContextTokenTest, IsOfOneKeyInOneDatabaseOfOneCluster) {
  EXPECT_FALSE(seal.open(token, {3, "kez"}));
  EXPECT_FALSE(seal.open(token, {3, "key "}));
  EXPECT_FALSE(seal.open(token, {4, "key"}));
  EXPECT_FALSE(ContextSeal(4712).open(token, {3, "key"}));
}

TEST_F(ContextTokenTest, AnyChangeIsFound) {
  for (size_t i = 0; i < token.size(); ++i) {
    for (const char other : {'A', 'Q', '_', '=', ' ', '\0'}) {
      std::string changed = token;
      if (std::exchange(changed[i], other) == other) continue;
      EXPECT_NE(error_of(changed), "") << i << other;
    }
    if (i == 0) continue;
    EXPECT_NE(error_of(token.substr(i)), "");
    EXPECT_NE(error_of(token.substr(0, i)), "");
  }
  EXPECT_NE(error_of(token + "A"), "");
  EXPECT_NE(error_of(token + token), "");
}

TEST_F(ContextTokenTest, SaysWhenTheFormatIsNewer) {
  EXPECT_EQ(error_of("Ag"), "invalid context: it has format 2, this node reads none newer than 1");
  EXPECT_EQ(error_of("AA"), "invalid context: not what DYN.GET answers");
}

TEST(NamedContextTest, DecodesOnlyWhatItEncodes) {
  std::mt19937_64 random(1);
  for (int round = 0; round < 300; ++round) {
    ActorTable actors;
    CausalContext context;
    for (uint64_t left = random() % 12; left > 0; --left) {
      const ActorId actor = actors.intern(actor_of(random() % 4, random() % 2));
      context.add({actor, 1 + (random() % 10 == 0 ? Dot::kMaxN - 2 : random() % 9)});
    }
    const NamedContext named = NamedContext::of(context, actors);
    EXPECT_EQ(named.known_to(actors), context);
    std::string bytes;
    named.encode(bytes);
    const auto decoded = NamedContext::decode(bytes);
    ASSERT_TRUE(decoded);
    EXPECT_EQ(*decoded, named);
    for (size_t size = 0; size < bytes.size(); ++size) {
      EXPECT_FALSE(NamedContext::decode(std::string_view(bytes).substr(0, size)));
    }
    for (char& byte : bytes) {
      byte = static_cast<char>(random());
      const auto other = NamedContext::decode(bytes);
      if (!other) continue;
      std::string again;
      other->encode(again);
      EXPECT_EQ(again, bytes);
    }
  }
}

}  // namespace
}  // namespace quorate::object
