#include "quorate/coordinator/slot_promises.h"

#include <gtest/gtest.h>
#include <memory>
#include <set>
#include <vector>

#include "quorate/cluster/token_choice.h"
#include "quorate/object/codec.h"

#include "cluster/numbered_nodes.h"
#include "sim/sim_loop.h"

namespace quorate::coordinator {
namespace {

using cluster::ClusterView;
using cluster::id_of;
using cluster::Liveness;
using object::NodeId;

// Node 1 of three, each of which holds everything.
class SlotPromisesTest : public testing::Test {
 protected:
  SlotPromisesTest() {
    for (unsigned number = 1; number <= 3; ++number) {
      cluster::Member member;
      member.id = id_of(number);
      member.status = cluster::MemberStatus::normal;
      member.address = {"10.0.0." + std::to_string(number), 6379, 16379};
      member.epoch = 1;
      member.tokens = choose_tokens(list_.on_ring(cluster::RingView::after), member.on_ring(), 3);
      list_.merge(member);
    }
    publish({});
  }

  void publish(const std::set<unsigned>& sick) {
    const auto liveness = [&](const NodeId& id) {
      return sick.contains(id[0]) ? Liveness::suspected : Liveness::alive;
    };
    view_ = ClusterView::make({list_, id_of(1), liveness}, view_.get());
    promises_.set_view(view_);
  }
  uint16_t slot_of(unsigned coordinator) const {
    for (uint16_t slot = 0;; ++slot) {
      if (view_->member(view_->coordinator(slot)).id == id_of(coordinator)) return slot;
    }
  }
  SlotPromises::Answer ask(unsigned from, const std::vector<uint16_t>& slots,
                           SlotPromises::Ask what = SlotPromises::Ask::promise) {
    const auto body = promises_.serve(id_of(from), SlotPromises::question(what, slots));
    const auto answer = SlotPromises::answer_of(body.value_or(""), slots.size());
    EXPECT_TRUE(answer) << "from " << from;
    return answer.value_or(SlotPromises::Answer{});
  }
  bool kept(unsigned to, uint64_t number, uint16_t slot) const {
    return promises_.kept(id_of(to), number, {{slot}});
  }
  object::Change change(uint16_t slot, unsigned maker) {
    object::Change made;
    made.slot = slot;
    made.dot = {actors_.intern({id_of(maker), 1}), ++dots_};
    made.key = "key";
    return made;
  }

  sim::SimWorld world_{5};
  std::unique_ptr<sim::SimLoop> loop_ = world_.make_loop(1);
  std::unique_ptr<runtime::Random> random_ = runtime::make_seeded_random(6);
  object::ActorTable actors_;
  cluster::MemberList list_;
  std::shared_ptr<const ClusterView> view_;
  uint64_t dots_ = 0;
  std::vector<NodeId> told_;
  bool at_rest_ = true;
  SlotPromises promises_{{*loop_, *random_, actors_,
                          [this](const NodeId& node) { told_.push_back(node); },
                          [this] { return at_rest_; }}};
};

TEST_F(SlotPromisesTest, PromisesASlotToWhomItSeesCoordinateIt) {
  const uint16_t own = slot_of(1), second = slot_of(2), third = slot_of(3);
  const auto answer = ask(2, {own, second, third});
  EXPECT_EQ(answer.promised, (std::vector<bool>{false, true, false}));
  EXPECT_TRUE(kept(2, answer.number, second));
  EXPECT_FALSE(kept(2, answer.number, third));
  EXPECT_FALSE(kept(3, answer.number, second));
  EXPECT_FALSE(kept(2, 0, second));
  EXPECT_EQ(promises_.promised_to(second), id_of(2));
  EXPECT_EQ(promises_.promised_to(third), std::nullopt);
  const auto stranger = SlotPromises::question(SlotPromises::Ask::promise, {{second}});
  EXPECT_FALSE(promises_.serve(id_of(9), stranger));
}

TEST_F(SlotPromisesTest, WhoIsAskedWhetherItIsReadyPromisesNothing) {
  const uint16_t second = slot_of(2), third = slot_of(3);
  const auto ready = ask(2, {second, third}, SlotPromises::Ask::ready);
  EXPECT_EQ(ready.promised, (std::vector<bool>{true, false}));
  EXPECT_EQ(promises_.promised_to(second), std::nullopt);
  EXPECT_FALSE(kept(2, ready.number, second));
}

TEST_F(SlotPromisesTest, NothingBeforeWhatThisNodeChangedHasReachedOthers) {
  const uint16_t slot = slot_of(2);
  at_rest_ = false;
  for (const auto what : {SlotPromises::Ask::ready, SlotPromises::Ask::promise}) {
    EXPECT_EQ(ask(2, {slot}, what).promised, std::vector<bool>{false});
  }
  at_rest_ = true;
  EXPECT_EQ(ask(2, {slot}).promised, std::vector<bool>{true});
}

TEST_F(SlotPromisesTest, IsVoidOnceAnotherNodesChangeWasTaken) {
  const uint16_t slot = slot_of(2), other = slot_of(3);
  const uint64_t number = ask(2, {slot}).number;
  promises_.applied(change(slot, 2), id_of(2));
  promises_.applied(change(slot, 2), id_of(3));  // repaired by another, but its own
  promises_.applied(change(slot, 3), id_of(2));  // another's, but it has it
  promises_.applied(change(other, 1), id_of(1));
  EXPECT_TRUE(kept(2, number, slot));
  EXPECT_TRUE(told_.empty());
  promises_.applied(change(slot, 3), id_of(3));
  EXPECT_FALSE(kept(2, number, slot));
  EXPECT_EQ(told_, std::vector<NodeId>{id_of(2)});

  // Not again, as long as others go on.
  EXPECT_EQ(ask(2, {slot}).promised, std::vector<bool>{false});
  world_.run_for(SlotPromises::kQuarrelUs);
  const auto again = ask(2, {slot});
  EXPECT_EQ(again.promised, std::vector<bool>{true});
  EXPECT_TRUE(kept(2, again.number, slot));
  EXPECT_FALSE(kept(2, number, slot)) << "what was sent before comes late";
}

TEST_F(SlotPromisesTest, WhoIsReplacedInOrderIsPromisedItsOtherSlots) {
  const uint16_t slot = slot_of(2);
  const uint64_t number = ask(2, {slot}).number;
  publish({2});
  ASSERT_NE(view_->member(view_->coordinator(slot)).id, id_of(2));
  EXPECT_TRUE(kept(2, number, slot)) << "it may not know yet";
  promises_.applied(change(slot, 3), id_of(3));
  EXPECT_FALSE(kept(2, number, slot));
  publish({});
  EXPECT_EQ(ask(2, {slot}).promised, std::vector<bool>{true});
}

TEST_F(SlotPromisesTest, AFlushIsAnothersUnlessItComesFromTheCoordinator) {
  const uint16_t slot = slot_of(2);
  const uint64_t number = ask(2, {slot}).number;
  object::Change flush = change(slot, 2);
  flush.kind = object::ChangeKind::flush;
  flush.key = {};
  promises_.applied(flush, id_of(2));
  EXPECT_TRUE(kept(2, number, slot));
  promises_.applied(flush, id_of(3));
  EXPECT_FALSE(kept(2, number, slot));
}

TEST_F(SlotPromisesTest, ALaterPromiseLeavesThatOfOtherSlots) {
  std::vector<uint16_t> slots;
  for (uint16_t slot = 0; slots.size() < 2; ++slot) {
    if (view_->member(view_->coordinator(slot)).id == id_of(2)) slots.push_back(slot);
  }
  ask(2, {slots[0]});
  const uint64_t later = ask(2, {slots[1]}).number;
  EXPECT_TRUE(promises_.kept(id_of(2), later, slots));
}

TEST_F(SlotPromisesTest, EndsWhereThisNodeCoordinatesItself) {
  publish({2});
  const auto in_its_place = view_;
  publish({});
  uint16_t slot = slot_of(2);
  while (!in_its_place->self_coordinates(slot) ||
         view_->member(view_->coordinator(slot)).id != id_of(2)) {
    ASSERT_LT(++slot, object::kSlots);
  }
  const uint64_t number = ask(2, {slot}).number;
  EXPECT_TRUE(kept(2, number, slot));
  publish({2});
  EXPECT_FALSE(kept(2, number, slot));
  publish({});
  EXPECT_FALSE(kept(2, number, slot));
}

TEST_F(SlotPromisesTest, AnotherLifeHasPromisedNothing) {
  const uint16_t slot = slot_of(2);
  const uint64_t number = ask(2, {slot}).number;
  SlotPromises next({*loop_, *random_, actors_, [](const NodeId&) {}, [] { return true; }});
  next.set_view(view_);
  const auto body =
      next.serve(id_of(2), SlotPromises::question(SlotPromises::Ask::promise, {{slot}}));
  ASSERT_TRUE(body);
  EXPECT_FALSE(next.kept(id_of(2), number, {{slot}}));
}

TEST_F(SlotPromisesTest, RefusesWhatItCannotRead) {
  EXPECT_FALSE(promises_.serve(id_of(2), "\xff"));
  std::string beyond;
  object::ByteWriter(beyond).byte(1);
  object::ByteWriter(beyond).varint(object::kSlots);
  EXPECT_FALSE(promises_.serve(id_of(2), beyond));
  const auto body =
      promises_.serve(id_of(2), SlotPromises::question(SlotPromises::Ask::promise, {{slot_of(2)}}));
  ASSERT_TRUE(body);
  EXPECT_FALSE(SlotPromises::answer_of(*body, 2));
  EXPECT_FALSE(SlotPromises::answer_of(*body, 0));
  EXPECT_FALSE(SlotPromises::answer_of("", 0));
}

}  // namespace
}  // namespace quorate::coordinator
