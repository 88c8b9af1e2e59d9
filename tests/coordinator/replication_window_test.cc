#include "quorate/coordinator/replication_window.h"

#include <algorithm>
#include <gtest/gtest.h>
#include <memory>
#include <set>

#include "quorate/runtime/random.h"

namespace quorate::coordinator {
namespace {

using Group = ReplicationWindow::Group;
using Peer = ReplicationWindow::Peer;

constexpr uint64_t kNever = UINT64_MAX;

TEST(ReplicationWindow, SettlesATurnOnceEnoughOfEachGroupHaveIt) {
  ReplicationWindow window;
  EXPECT_EQ(window.settled(), ReplicationWindow::kNothingOpen);
  const std::vector<Group> groups = {{{0, 1}, 1}, {{1, 2, 3}, 2}};
  EXPECT_EQ(window.open(10, groups, kNever), 1);
  EXPECT_EQ(window.settled(), 0);
  window.acknowledged(0, 1);
  window.acknowledged(3, 1);
  window.acknowledged(3, 1);  // again: it counts once
  EXPECT_EQ(window.settled(), 0);
  window.acknowledged(2, 1);
  EXPECT_EQ(window.settled(), ReplicationWindow::kNothingOpen);
}

TEST(ReplicationWindow, HoldsBackWhatCameAfterAnUnsettledTurn) {
  ReplicationWindow window;
  const std::vector<Group> first = {{{0}, 1}}, second = {{{1}, 1}};
  window.open(10, first, kNever);
  window.open(25, second, kNever);
  window.acknowledged(1, 2);
  EXPECT_EQ(window.settled(), 0);
  window.acknowledged(0, 1);
  EXPECT_EQ(window.settled(), ReplicationWindow::kNothingOpen);
  window.open(30, first, kNever);
  EXPECT_EQ(window.settled(), 25);
}

TEST(ReplicationWindow, WhoMissedATurnDoesNotAcknowledgeItByALaterOne) {
  ReplicationWindow window;
  const std::vector<Group> groups = {{{0, 1}, 1}};
  window.open(10, groups, 100);
  window.missed(0);
  window.open(20, groups, 200);
  window.acknowledged(0, 2);
  EXPECT_EQ(window.settled(), 0);
  window.acknowledged(1, 1);
  EXPECT_EQ(window.settled(), ReplicationWindow::kNothingOpen);
  EXPECT_EQ(window.turns_given_up(), 0U);
}

TEST(ReplicationWindow, NeedsNobodyWhereOneCopyIsEnough) {
  ReplicationWindow window;
  const std::vector<Group> alone = {{{0, 1}, 0}};
  EXPECT_EQ(window.open(10, alone, kNever), 1);
  EXPECT_EQ(window.settled(), ReplicationWindow::kNothingOpen);
}

TEST(ReplicationWindow, GivesUpATurnAtItsDeadlineAndRemembersIt) {
  ReplicationWindow window;
  const std::vector<Group> groups = {{{0, 1}, 1}};
  window.open(10, groups, 100);
  window.open(20, groups, 200);
  EXPECT_EQ(window.next_deadline_us(), 100);
  window.acknowledged(0, 1);
  window.expire(150);
  EXPECT_FALSE(window.given_up(0, 10));
  EXPECT_EQ(window.settled(), 10);
  window.expire(200);
  EXPECT_EQ(window.settled(), ReplicationWindow::kNothingOpen);
  EXPECT_TRUE(window.given_up(10, 20));
  EXPECT_TRUE(window.given_up(19, 40));
  EXPECT_FALSE(window.given_up(0, 10));
  EXPECT_FALSE(window.given_up(20, 40));
  EXPECT_EQ(window.turns_given_up(), 1);
  window.acknowledged(1, 2);  // late: nobody can take it back
  EXPECT_TRUE(window.given_up(10, 20));
}

TEST(ReplicationWindow, RemembersHoweverManyItGivesUpAtOnce) {
  constexpr uint64_t kTurns = 5'000;
  ReplicationWindow window;
  const std::vector<Group> groups = {{{0}, 1}};
  for (uint64_t i = 0; i < kTurns; ++i) window.open(10 * (i + 1), groups, 100);
  window.expire(100);
  EXPECT_EQ(window.turns_given_up(), kTurns);
  for (uint64_t i = 0; i < kTurns; ++i) {
    ASSERT_TRUE(window.given_up(10 * i, 10 * (i + 1))) << i;
  }
}

TEST(ReplicationWindow, DoesNotCountWhoIsRefused) {
  ReplicationWindow window;
  const std::vector<Group> groups = {{{0, 1}, 1}};
  window.open(10, groups, kNever);
  window.open(20, groups, kNever);
  window.refused(0, 1);
  window.acknowledged(0, 2);
  EXPECT_EQ(window.settled(), 0);
  window.acknowledged(1, 1);
  EXPECT_EQ(window.settled(), ReplicationWindow::kNothingOpen);
  EXPECT_FALSE(window.given_up(0, 20));
}

TEST(ReplicationWindow, GivesUpATurnForWhichTooFewCanCount) {
  ReplicationWindow window;
  const std::vector<Group> one = {{{0, 1}, 1}}, two = {{{0, 1, 2}, 2}, {{3}, 1}};
  window.open(10, one, kNever);
  window.open(20, two, kNever);
  window.refused(0, 2);
  window.refused(0, 2);
  window.refused(0, 1);
  window.refused(4, 1);  // of no group
  window.refused(0, 9);  // never was
  EXPECT_FALSE(window.given_up(0, 20));
  window.refused(1, 1);
  EXPECT_TRUE(window.given_up(0, 10));
  EXPECT_EQ(window.settled(), 10);
  window.refused(1, 1);  // is past
  window.refused(2, 2);
  EXPECT_TRUE(window.given_up(10, 20));
  EXPECT_EQ(window.settled(), ReplicationWindow::kNothingOpen);
  EXPECT_EQ(window.turns_given_up(), 2U);
}

TEST(ReplicationWindow, WaitsForNobodyWhoIsDownOnceAnotherRefused) {
  ReplicationWindow window;
  const std::vector<Group> groups = {{{0, 1}, 1}};
  for (const uint64_t end : {10, 20, 30}) window.open(end, groups, kNever);
  window.refused(0, 1);
  EXPECT_EQ(window.settled(), 0) << "the other one may have it yet";
  window.set_down(1, true);
  EXPECT_TRUE(window.given_up(0, 10));
  EXPECT_EQ(window.settled(), 10) << "nobody refused the second: its deadline ends it";
  window.refused(0, 2);
  EXPECT_TRUE(window.given_up(10, 20));
  window.set_down(1, false);
  window.refused(0, 3);
  EXPECT_FALSE(window.given_up(20, 30));
  window.acknowledged(1, 3);
  EXPECT_EQ(window.settled(), ReplicationWindow::kNothingOpen);
  EXPECT_EQ(window.turns_given_up(), 2U);
}

TEST(ReplicationWindow, IgnoresWordOfTurnsThatNeverWere) {
  ReplicationWindow window;
  const std::vector<Group> groups = {{{0}, 1}};
  window.open(10, groups, kNever);
  window.acknowledged(0, 7);
  EXPECT_EQ(window.settled(), 0);
  window.acknowledged(9, 1);  // of no group
  EXPECT_EQ(window.settled(), 0);
}

// The same, written so that it cannot be wrong.
struct Model {
  struct Turn {
    uint64_t end, deadline_us;
    std::vector<Group> groups;
    bool given_up = false;
  };
  std::vector<Turn> turns;
  std::vector<uint64_t> heard = std::vector<uint64_t>(6);

  bool settled(size_t i) const {
    const Turn& turn = turns[i];
    return turn.given_up || std::ranges::all_of(turn.groups, [&](const Group& group) {
             return std::ranges::count_if(group.peers, [&](Peer peer) {
                      return heard[peer] >= i + 1;
                    }) >= group.needed;
           });
  }
  uint64_t position() const {
    for (size_t i = 0; i < turns.size(); ++i) {
      if (!settled(i)) return i == 0 ? 0 : turns[i - 1].end;
    }
    return ReplicationWindow::kNothingOpen;
  }
};

TEST(ReplicationWindow, AgreesWithItsModel) {
  for (uint64_t seed = 1; seed <= 200; ++seed) {
    const auto random = runtime::make_seeded_random(seed);
    ReplicationWindow window;
    Model model;
    uint64_t end = 0, now = 0;
    for (int step = 0; step < 300; ++step) {
      switch (random->below(4)) {
        case 0: {
          std::vector<Group> groups(1 + random->below(3));
          for (Group& group : groups) {
            std::set<Peer> peers;
            for (int i = 0; i < 3; ++i) peers.insert(static_cast<Peer>(random->below(6)));
            group.peers.assign(peers.begin(), peers.end());
            group.needed = static_cast<unsigned>(random->below(peers.size() + 1));
          }
          end += 1 + random->below(100);
          const uint64_t deadline = now + 1 + random->below(50);
          model.turns.push_back({end, deadline, groups});
          ASSERT_EQ(window.open(end, groups, deadline), model.turns.size());
          break;
        }
        case 1:
          now += random->below(10);
          window.expire(now);
          for (size_t i = 0; i < model.turns.size(); ++i) {
            if (!model.settled(i) && model.turns[i].deadline_us <= now) {
              model.turns[i].given_up = true;
            }
          }
          break;
        default: {
          const auto peer = static_cast<Peer>(random->below(6));
          const uint64_t turn = random->below(model.turns.size() + 3);
          window.acknowledged(peer, turn);
          if (turn <= model.turns.size()) {
            model.heard[peer] = std::max(model.heard[peer], turn);
          }
        }
      }
      ASSERT_EQ(window.settled(), model.position()) << "seed " << seed << " step " << step;
      for (size_t i = 0; i < model.turns.size(); ++i) {
        const uint64_t begin = i == 0 ? 0 : model.turns[i - 1].end;
        ASSERT_EQ(window.given_up(begin, model.turns[i].end), model.turns[i].given_up);
      }
    }
  }
}

}  // namespace
}  // namespace quorate::coordinator
