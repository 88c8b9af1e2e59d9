#include "quorate/coordinator/settled_slots.h"

#include <algorithm>
#include <gtest/gtest.h>
#include <map>
#include <memory>
#include <set>
#include <vector>

#include "quorate/cluster/token_choice.h"

#include "cluster/numbered_nodes.h"
#include "sim/sim_loop.h"

namespace quorate::coordinator {
namespace {

using cluster::ClusterView;
using cluster::id_of;
using cluster::Liveness;
using object::NodeId;

constexpr unsigned kSelf = 1;
constexpr uint64_t kLongAgoUs = 10 * SettledSlots::kPatienceUs;

// A node of four with three copies; settling ends when a test says so.
class SettledSlotsTest : public testing::Test {
 protected:
  SettledSlotsTest() {
    for (unsigned number = 1; number <= 4; ++number) {
      cluster::Member member;
      member.id = id_of(number);
      member.status = cluster::MemberStatus::normal;
      member.address = {"10.0.0." + std::to_string(number), 6379, 16379};
      member.epoch = 1;
      member.tokens = choose_tokens(list_.on_ring(cluster::RingView::after), member.on_ring(), 3);
      list_.merge(member);
    }
  }

  void publish() {
    const auto liveness = [this](const NodeId& id) {
      return sick_.contains(id) ? Liveness::suspected : Liveness::alive;
    };
    view_ = ClusterView::make({list_, id_of(kSelf), liveness}, view_.get());
    slots_.set_view(view_);
  }
  void fall_ill(unsigned number) {
    sick_.insert(id_of(number));
    publish();
  }
  void recover(unsigned number) {
    sick_.erase(id_of(number));
    publish();
  }
  // Ends what has begun, and what begins by that, and the turn.
  void finish_all(bool well = true) {
    while (!open_.empty() || !questions_.empty()) {
      answer_all();
      if (open_.empty()) continue;
      auto [slot, done] = std::move(open_.back());
      open_.pop_back();
      asked_.insert(slot);
      done(well ? runtime::Status{} : runtime::fail("cannot"));
    }
    slots_.end_turn();
  }
  // Whether they are ready, and then what they promise.
  void answer_all() {
    answer_some();
    answer_some();
  }
  void answer_some() {
    for (Question& question : std::exchange(questions_, {})) {
      SlotPromises::Answer answer{++number_, {}};
      for (const uint16_t slot : question.slots) {
        answer.promised.push_back(!refusing_.contains({question.to, slot}));
      }
      question.done(answer);
    }
  }
  std::set<uint16_t> coordinated() const {
    std::set<uint16_t> slots;
    for (unsigned slot = 0; slot < object::kSlots; ++slot) {
      if (view_->self_coordinates(static_cast<uint16_t>(slot))) {
        slots.insert(static_cast<uint16_t>(slot));
      }
    }
    return slots;
  }
  std::set<uint16_t> settled() const {
    std::set<uint16_t> slots;
    for (unsigned slot = 0; slot < object::kSlots; ++slot) {
      if (slots_.settled(static_cast<uint16_t>(slot))) slots.insert(static_cast<uint16_t>(slot));
    }
    return slots;
  }
  bool holds(unsigned number, uint16_t slot) const {
    const auto list = view_->preference_list(slot);
    return std::ranges::find(list, view_->find(id_of(number))) != list.end();
  }

  struct Question {
    NodeId to{};
    SlotPromises::Ask what = SlotPromises::Ask::ready;
    std::vector<uint16_t> slots;
    SettledSlots::Promised done;
  };

  sim::SimWorld world_{3};
  std::unique_ptr<sim::SimLoop> loop_ = world_.make_loop(kSelf);
  cluster::MemberList list_;
  std::set<NodeId> sick_;
  std::shared_ptr<const ClusterView> view_;
  std::vector<std::pair<uint16_t, SettledSlots::Done>> open_;
  std::set<uint16_t> asked_;
  std::vector<NodeId> told_;
  std::vector<Question> questions_;
  std::set<std::pair<NodeId, uint16_t>> refusing_;
  uint64_t number_ = 0;
  SettledSlots slots_{{*loop_,
                       [this](const NodeId& to, SlotPromises::Ask what,
                              std::span<const uint16_t> slots, auto done) {
                         const std::vector<uint16_t> all(slots.begin(), slots.end());
                         questions_.push_back({to, what, all, std::move(done)});
                       },
                       [this](uint16_t slot, SettledSlots::Done done) {
                         open_.emplace_back(slot, std::move(done));
                       },
                       [this](const NodeId& node) { told_.push_back(node); }},
                      0,
                      1};
};

TEST_F(SettledSlotsTest, SettlesWhatItCoordinates) {
  publish();
  EXPECT_TRUE(settled().empty());
  EXPECT_TRUE(open_.empty()) << "before they have promised";
  answer_all();
  EXPECT_FALSE(open_.empty());
  finish_all();
  EXPECT_EQ(settled(), coordinated());
  EXPECT_EQ(asked_, coordinated());
  publish();  // nothing has changed
  EXPECT_TRUE(questions_.empty());
  EXPECT_EQ(settled(), coordinated());
  EXPECT_TRUE(told_.empty());
}

TEST_F(SettledSlotsTest, AReplicaThatFallsIllOrRecoversUnsettlesWhatItHolds) {
  publish();
  finish_all();
  for (const bool ill : {true, false}) {
    const auto before = settled();
    ill ? fall_ill(2) : recover(2);
    size_t kept = 0;
    for (const uint16_t slot : settled()) {
      EXPECT_FALSE(holds(2, slot)) << slot;
      EXPECT_TRUE(before.contains(slot)) << slot;
      ++kept;
    }
    EXPECT_GT(kept, 0U);
    finish_all();
    EXPECT_EQ(settled(), coordinated());
  }
  EXPECT_EQ(told_, (std::vector<NodeId>{id_of(2), id_of(2)}));
}

TEST_F(SettledSlotsTest, WhatComesBackIsNotSettledByWhatWasAskedBefore) {
  publish();
  answer_all();
  auto early = std::exchange(open_, {});
  slots_.doubt(id_of(3));
  for (auto& [slot, done] : early) done({});
  slots_.end_turn();
  for (const uint16_t slot : settled()) EXPECT_FALSE(holds(3, slot)) << slot;
  finish_all();
  EXPECT_EQ(settled(), coordinated());
}

TEST_F(SettledSlotsTest, GivesUpWhatAnotherCoordinates) {
  fall_ill(2);
  finish_all();
  const auto more = settled();
  recover(2);
  answer_all();
  auto late = std::exchange(open_, {});
  fall_ill(2);
  recover(2);
  for (auto& [slot, done] : late) done({});  // of slots that may be of node 2 again
  finish_all();
  EXPECT_EQ(settled(), coordinated());
  EXPECT_LT(settled().size(), more.size());
}

TEST_F(SettledSlotsTest, TriesAgainUntilItCan) {
  publish();
  answer_all();
  const size_t first = open_.size();
  finish_all(false);
  EXPECT_TRUE(settled().empty());
  EXPECT_GE(slots_.statistics().failed, first);
  world_.run_for(1'000'000);
  EXPECT_FALSE(questions_.empty());
  finish_all();
  world_.run_for(1'000'000);
  finish_all();
  EXPECT_EQ(settled(), coordinated());
}

TEST_F(SettledSlotsTest, AStrangerChangesNothing) {
  publish();
  finish_all();
  slots_.doubt(id_of(99));
  EXPECT_EQ(settled(), coordinated());
  EXPECT_TRUE(questions_.empty());
}

TEST_F(SettledSlotsTest, AsksForPromisesWhenAllAreReady) {
  publish();
  const uint16_t slot = *coordinated().begin();
  const unsigned other = holds(2, slot) ? 2 : 3;
  refusing_.insert({id_of(other), slot});
  for (const Question& question : questions_) EXPECT_EQ(question.what, SlotPromises::Ask::ready);
  answer_some();
  std::set<uint16_t> asked;
  for (const Question& question : questions_) {
    if (question.what == SlotPromises::Ask::promise) {
      asked.insert(question.slots.begin(), question.slots.end());
    }
  }
  EXPECT_FALSE(asked.empty());
  EXPECT_FALSE(asked.contains(slot)) << "one is not ready";
}

TEST_F(SettledSlotsTest, NotWhatAReplicaDoesNotPromise) {
  publish();
  const uint16_t slot = *coordinated().begin();
  const unsigned other = holds(2, slot) ? 2 : 3;
  refusing_.insert({id_of(other), slot});
  finish_all();
  EXPECT_FALSE(settled().contains(slot));
  EXPECT_EQ(settled().size() + 1, coordinated().size());
  world_.run_for(1'000'000);
  finish_all();
  EXPECT_FALSE(settled().contains(slot));
  refusing_.clear();
  world_.run_for(1'000'000);
  finish_all();
  EXPECT_EQ(settled(), coordinated());
}

// Until the others promise, but not for ever.
TEST_F(SettledSlotsTest, ACommandMayWaitForAPromise) {
  publish();
  const uint16_t slot = *coordinated().begin();
  unsigned done = 0;
  EXPECT_TRUE(slots_.worth_waiting(slot));
  slots_.when_promised(slot, [&] { ++done; });
  answer_all();
  EXPECT_FALSE(slots_.promised(slot)) << "before the turn's end";
  slots_.end_turn();
  EXPECT_TRUE(slots_.promised(slot));
  EXPECT_FALSE(slots_.settled(slot));
  EXPECT_FALSE(slots_.worth_waiting(slot));
  world_.run_for(1000);
  EXPECT_EQ(done, 1U);
  finish_all();
  EXPECT_TRUE(slots_.settled(slot));

  const unsigned other = holds(2, slot) ? 2 : 3;
  refusing_.insert({id_of(other), slot});
  slots_.doubt(id_of(other));
  EXPECT_FALSE(slots_.promised(slot));
  EXPECT_TRUE(slots_.worth_waiting(slot));
  slots_.when_promised(slot, [&] { ++done; });
  finish_all();
  world_.run_for(SettledSlots::kPatienceUs * 4 / 5);
  finish_all();
  EXPECT_EQ(done, 1U);
  world_.run_for(SettledSlots::kPatienceUs * 2 / 5);
  EXPECT_EQ(done, 2U);
  EXPECT_FALSE(slots_.worth_waiting(slot));
  slots_.doubt(id_of(other));
  EXPECT_FALSE(slots_.worth_waiting(slot)) << "it was never promised since";
}

// Who had it so far may still be at work, however long this node has known the slot.
TEST_F(SettledSlotsTest, ASlotThatComesFromAnotherOneIsWorthWaitingFor) {
  world_.run_for(kLongAgoUs);
  publish();
  finish_all();
  const auto before = coordinated();
  world_.run_for(2 * SettledSlots::kPatienceUs);
  fall_ill(2);
  unsigned gained = 0;
  for (const uint16_t slot : coordinated()) {
    if (before.contains(slot)) continue;
    ++gained;
    ASSERT_TRUE(slots_.worth_waiting(slot)) << slot;
  }
  EXPECT_GT(gained, 0U);
}

// What was changed in a turn goes out under the number by which it was relied on.
TEST_F(SettledSlotsTest, SlotsAndNumbersStayAsTheyAreForATurn) {
  publish();
  finish_all();
  const uint64_t before = slots_.number_of(id_of(2));
  EXPECT_GT(before, 0U);
  EXPECT_EQ(slots_.number_of(id_of(99)), 0U);
  slots_.doubt(id_of(2));
  const auto kept = settled();
  while (!open_.empty() || !questions_.empty()) {
    answer_all();
    if (open_.empty()) continue;
    auto [slot, done] = std::move(open_.back());
    open_.pop_back();
    done({});
  }
  EXPECT_EQ(slots_.number_of(id_of(2)), before);
  EXPECT_EQ(settled(), kept);
  slots_.end_turn();
  EXPECT_GT(slots_.number_of(id_of(2)), before);
  EXPECT_EQ(settled(), coordinated());
}

TEST_F(SettledSlotsTest, ABrokenPromiseIsDoubtedOnce) {
  publish();
  finish_all();
  const uint64_t first = slots_.number_of(id_of(2));
  slots_.broken(id_of(2), first - 1);
  EXPECT_EQ(settled(), coordinated()) << "it was not this one";
  for (unsigned i = 0; i < 1000; ++i) slots_.broken(id_of(2), first);
  EXPECT_EQ(slots_.statistics().doubts, 1U);
  for (const uint16_t slot : settled()) EXPECT_FALSE(holds(2, slot)) << slot;
  EXPECT_EQ(slots_.number_of(id_of(2)), 0U);
  finish_all();
  EXPECT_EQ(settled(), coordinated());
  const uint64_t second = slots_.number_of(id_of(2));
  EXPECT_GT(second, first);

  for (unsigned i = 0; i < 1000; ++i) slots_.broken(id_of(2), first);
  EXPECT_EQ(settled(), coordinated()) << "it promised again since";
  slots_.broken(id_of(2), second);
  EXPECT_NE(settled(), coordinated());
  EXPECT_EQ(slots_.statistics().doubts, 2U);
}

}  // namespace
}  // namespace quorate::coordinator
