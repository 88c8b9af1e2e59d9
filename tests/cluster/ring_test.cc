#include "quorate/cluster/ring.h"

#include <algorithm>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <map>
#include <random>
#include <set>

#include "quorate/cluster/token_choice.h"

#include "cluster/ring_figures.h"

namespace quorate::cluster {
namespace {

using testing::ElementsAre;
using testing::UnorderedElementsAre;

std::vector<RingMember> equal_members(unsigned count, unsigned seed) {
  Cluster cluster(seed);
  for (unsigned i = 0; i < count; ++i) cluster.join(1);
  return cluster.members();
}

std::vector<object::NodeId> owners(const Ring& ring, uint16_t slot) {
  std::vector<object::NodeId> ids;
  for (const Ring::Place place : ring.preference_list(slot)) {
    ids.push_back(ring.members()[place].id);
  }
  return ids;
}

// The owners of each slot differ in `what`.
void expect_different(const Ring& ring, std::string RingMember::* what) {
  for (unsigned slot = 0; slot < object::kSlots; ++slot) {
    std::set<std::string> found;
    for (const Ring::Place place : ring.preference_list(static_cast<uint16_t>(slot))) {
      found.insert(ring.members()[place].*what);
    }
    ASSERT_EQ(found.size(), ring.replicas()) << slot;
  }
}

TEST(Ring, OfNobodyHasNoOwners) {
  const Ring ring({}, 3);
  EXPECT_EQ(ring.replicas(), 0U);
  EXPECT_TRUE(ring.preference_list(0).empty());
}

TEST(Ring, OfOneIsHisAlone) {
  const Ring ring(equal_members(1, 1), 3);
  EXPECT_EQ(ring.replicas(), 1U);
  for (unsigned slot = 0; slot < object::kSlots; ++slot) {
    EXPECT_THAT(ring.preference_list(static_cast<uint16_t>(slot)), ElementsAre(0));
  }
}

TEST(Ring, OfTwoHasBothInEveryList) {
  const Ring ring(equal_members(2, 1), 3);
  for (unsigned slot = 0; slot < object::kSlots; ++slot) {
    EXPECT_THAT(ring.preference_list(static_cast<uint16_t>(slot)), UnorderedElementsAre(0, 1));
  }
}

TEST(Ring, HasNTimesDifferentOwnersInEveryList) {
  for (const unsigned count : {3U, 4U, 12U}) {
    const Ring ring(equal_members(count, count), 3);
    for (unsigned slot = 0; slot < object::kSlots; ++slot) {
      const auto list = ring.preference_list(static_cast<uint16_t>(slot));
      ASSERT_EQ(std::set<Ring::Place>(list.begin(), list.end()).size(), 3U);
    }
  }
}

TEST(Ring, DoesNotDependOnTheOrderOfMembers) {
  std::vector<RingMember> members = equal_members(9, 4);
  const Ring ring(members, 3);
  std::shuffle(members.begin(), members.end(), std::mt19937_64(1));
  const Ring shuffled(members, 3);
  EXPECT_EQ(ring.members(), shuffled.members());
  for (unsigned slot = 0; slot < object::kSlots; ++slot) {
    ASSERT_EQ(owners(ring, static_cast<uint16_t>(slot)),
              owners(shuffled, static_cast<uint16_t>(slot)));
  }
}

TEST(Ring, PassesMembersWithoutTokens) {
  std::vector<RingMember> members = equal_members(4, 1);
  members[2].tokens.clear();
  const Ring ring(members, 4);
  EXPECT_EQ(ring.replicas(), 3U);
  EXPECT_EQ(ring.members().size(), 4U);
  const auto passed = members[2].id;
  for (unsigned slot = 0; slot < object::kSlots; ++slot) {
    ASSERT_THAT(owners(ring, static_cast<uint16_t>(slot)), testing::Not(testing::Contains(passed)));
  }
}

// Tokens that nobody chose, all in one place: the walk alone would give one member everything.
TEST(Ring, BoundsLoadsWhateverTheTokensAre) {
  std::vector<RingMember> members = equal_members(10, 3);
  for (RingMember& member : members) member.tokens = {7};
  const Figures figures(Ring(members, 3));
  EXPECT_GE(figures.balance(), 0.98);
  EXPECT_GE(figures.first_balance(), 0.9);
}

TEST(Ring, PutsCopiesIntoDifferentZones) {
  std::vector<RingMember> members = equal_members(9, 5);
  for (size_t i = 0; i < members.size(); ++i) members[i].zone = std::string(1, "abc"[i % 3]);
  const Ring ring(members, 3);
  expect_different(ring, &RingMember::zone);
  EXPECT_GE(Figures(ring).balance(), 0.98);
}

TEST(Ring, UsesEveryZoneIfThereAreFewerThanCopies) {
  std::vector<RingMember> members = equal_members(6, 6);
  for (size_t i = 0; i < members.size(); ++i) members[i].zone = i == 0 ? "small" : "large";
  const Ring ring(members, 3);
  for (unsigned slot = 0; slot < object::kSlots; ++slot) {
    std::map<std::string, int> zones;
    for (const Ring::Place place : ring.preference_list(static_cast<uint16_t>(slot))) {
      ++zones[ring.members()[place].zone];
    }
    ASSERT_EQ(zones["small"], 1) << slot;
    ASSERT_EQ(zones["large"], 2) << slot;
  }
}

TEST(Ring, PutsCopiesOnDifferentHosts) {
  std::vector<RingMember> members = equal_members(8, 7);
  for (size_t i = 0; i < members.size(); ++i) members[i].host = std::to_string(i / 2);
  const Ring ring(members, 3);
  expect_different(ring, &RingMember::host);
}

TEST(Ring, GivesSharesInProportionToWeight) {
  Cluster cluster(8);
  for (const uint32_t weight : {1, 2, 4, 1, 2, 4, 1, 2, 4}) cluster.join(weight);
  const Figures figures(cluster.ring());
  EXPECT_GE(figures.balance(), 0.98);
}

TEST(TokenChoice, OfTheFirstMemberIsFixed) {
  RingMember first;
  first.id[0] = 1;
  const auto tokens = choose_tokens({}, first, 3);
  EXPECT_EQ(tokens.size(), kTokensOfAverage);
  EXPECT_EQ(std::set<TokenIndex>(tokens.begin(), tokens.end()).size(), tokens.size());
}

TEST(TokenChoice, ForgetsTheMembersOldTokens) {
  const std::vector<RingMember> members = equal_members(4, 9);
  const std::vector<RingMember> others(members.begin(), members.end() - 1);
  EXPECT_EQ(choose_tokens(members, members.back(), 3), choose_tokens(others, members.back(), 3));
}

// DESIGN 6. The figures up to 300 members: tests/bench/ring_bench.
TEST(TokenChoice, KeepsJoinsCheapAndLoadsEven) {
  Cluster cluster(10);
  for (unsigned count = 1; count <= 12; ++count) {
    const Ring before = cluster.ring();
    cluster.join(1);
    const Ring after = cluster.ring();
    const Figures figures(after);
    if (count <= 3) continue;
    EXPECT_GE(figures.balance(), 0.98) << count;
    EXPECT_GE(figures.first_balance(), 0.96) << count;
    const Moves moves = moved(before, after);
    EXPECT_LE(moves.places, 1.2) << count;
    EXPECT_LE(moves.between_old, 0.1) << count;
    EXPECT_LE(moves.firsts, 1.5) << count;
    if (count <= 10) {
      EXPECT_LE(figures.ranges(), 380U) << count;
    }
  }
}

}  // namespace
}  // namespace quorate::cluster
