#include "quorate/cluster/cluster_view.h"

#include <gtest/gtest.h>
#include <map>
#include <set>

#include "quorate/cluster/token_choice.h"

namespace quorate::cluster {
namespace {

using object::NodeId;
using Place = ClusterView::Place;

// Ids that are not in the order of the numbers.
NodeId scattered_id(unsigned number) {
  NodeId id{};
  id[0] = static_cast<uint8_t>(number * 37);
  id[1] = static_cast<uint8_t>(number);
  return id;
}

class ClusterViewTest : public testing::Test {
 protected:
  // Members come one after the other, each choosing its tokens.
  void join(unsigned number, MemberStatus status = MemberStatus::normal) {
    Member member;
    member.id = scattered_id(number);
    member.status = status;
    member.address = {"10.0.0." + std::to_string(number), 6379, 16379};
    member.zone = "z" + std::to_string(number % 3);
    member.epoch = number;
    member.tokens = choose_tokens(list_.on_ring(RingView::after), member.on_ring(), 3);
    list_.merge(member);
  }
  void change(unsigned number, const std::function<void(Member&)>& how) {
    Member member = *list_.find(scattered_id(number));
    ++member.version;
    how(member);
    list_.merge(member);
  }
  void set(const std::string& name, const std::string& value) {
    list_.merge(Setting{name, ++sets_, {}, value});
  }
  const ClusterView& make() {
    view_ = ClusterView::make({list_, scattered_id(1), liveness()}, view_.get());
    return *view_;
  }
  std::function<Liveness(const NodeId&)> liveness() {
    return [this](const NodeId& id) {
      return liveness_.contains(id) ? liveness_[id] : Liveness::alive;
    };
  }

  MemberList list_;
  std::map<NodeId, Liveness> liveness_;
  std::shared_ptr<const ClusterView> view_;
  uint64_t sets_ = 1;
};

TEST_F(ClusterViewTest, ALoneNodeOwnsEverything) {
  join(1);
  const ClusterView& view = make();
  EXPECT_EQ(view.version(), 1U);
  EXPECT_TRUE(view.alone());
  ASSERT_EQ(view.members().size(), 1U);
  EXPECT_EQ(view.self(), 0);
  EXPECT_EQ(view.quorum(), (Quorum{1, 1, 1}));
  EXPECT_EQ(view.configured(), Quorum{});
  for (unsigned slot = 0; slot < object::kSlots; ++slot) {
    ASSERT_TRUE(view.self_coordinates(static_cast<uint16_t>(slot)));
    ASSERT_EQ(view.preference_list(static_cast<uint16_t>(slot)).size(), 1U);
  }
}

TEST_F(ClusterViewTest, PlacesOfTheRingAreIndexesOfMembers) {
  for (unsigned i = 1; i <= 7; ++i) join(i, i == 4 ? MemberStatus::leaving : MemberStatus::normal);
  const ClusterView& view = make();
  ASSERT_EQ(view.members().size(), 7U);
  ASSERT_EQ(view.ring().members().size(), 6U);
  for (Place place = 0; place < 6; ++place) {
    EXPECT_EQ(view.member(place).id, view.ring().members()[place].id);
  }
  EXPECT_EQ(view.member(6).id, scattered_id(4));
  for (unsigned i = 1; i <= 7; ++i) {
    const Place place = view.find(scattered_id(i));
    ASSERT_NE(place, ClusterView::kNobody) << i;
    EXPECT_EQ(view.member(place).address.ip, "10.0.0." + std::to_string(i));
    EXPECT_EQ(view.member(place).epoch, i);
  }
  EXPECT_EQ(view.find(scattered_id(8)), ClusterView::kNobody);
  EXPECT_EQ(view.quorum(), (Quorum{3, 2, 2}));
}

TEST_F(ClusterViewTest, TheFirstHealthyMemberCoordinates) {
  for (unsigned i = 1; i <= 5; ++i) join(i);
  make();
  liveness_[scattered_id(2)] = Liveness::suspected;
  liveness_[scattered_id(3)] = Liveness::dead;
  const ClusterView& view = make();
  EXPECT_EQ(view.healthy_members(), 3U);
  for (unsigned slot = 0; slot < object::kSlots; ++slot) {
    const auto list = view.preference_list(static_cast<uint16_t>(slot));
    Place expected = ClusterView::kNobody;
    for (const Place place : list) {
      if (expected == ClusterView::kNobody && view.member(place).healthy()) expected = place;
    }
    ASSERT_EQ(view.coordinator(static_cast<uint16_t>(slot)), expected);
  }
}

TEST_F(ClusterViewTest, WithNobodyHealthyTheLeastIllCoordinates) {
  for (unsigned i = 1; i <= 4; ++i) join(i);
  for (unsigned i = 2; i <= 4; ++i) liveness_[scattered_id(i)] = Liveness::dead;
  liveness_[scattered_id(3)] = Liveness::suspected;
  const ClusterView& view = make();
  unsigned by_suspected = 0;
  for (unsigned slot = 0; slot < object::kSlots; ++slot) {
    const auto list = view.preference_list(static_cast<uint16_t>(slot));
    const bool with_self = std::ranges::find(list, view.self()) != list.end();
    const Place expected = with_self ? view.self() : view.find(scattered_id(3));
    ASSERT_EQ(view.coordinator(static_cast<uint16_t>(slot)), expected);
    by_suspected += with_self ? 0 : 1;
  }
  EXPECT_GT(by_suspected, 0U);
}

TEST_F(ClusterViewTest, ChangedLivenessSharesTheRing) {
  for (unsigned i = 1; i <= 4; ++i) join(i);
  const auto first = (make(), view_);
  liveness_[scattered_id(2)] = Liveness::dead;
  const auto second = ClusterView::make(liveness(), *first);
  EXPECT_EQ(&second->ring(), &first->ring());
  EXPECT_EQ(second->version(), 2U);
  EXPECT_EQ(second->member(second->find(scattered_id(2))).liveness, Liveness::dead);
  EXPECT_TRUE(first->member(first->find(scattered_id(2))).healthy()) << "a view does not change";
  change(3, [](Member& member) { member.address.port = 7000; });
  EXPECT_EQ(&make().ring(), &first->ring()) << "an address has nothing to do with placement";
  EXPECT_EQ(view_->member(view_->find(scattered_id(3))).address.port, 7000);
  const uint64_t digest = view_->ring_digest();
  change(3, [](Member& member) { member.weight = 2; });
  EXPECT_NE(&make().ring(), &first->ring());
  EXPECT_NE(view_->ring_digest(), digest);
}

TEST_F(ClusterViewTest, QuorumsAreTheListsSettings) {
  for (unsigned i = 1; i <= 5; ++i) join(i);
  const uint64_t digest = make().ring_digest();
  for (const Setting& setting : quorum_settings({5, 1, 4}, scattered_id(1))) list_.merge(setting);
  EXPECT_EQ(make().quorum(), (Quorum{5, 1, 4}));
  EXPECT_EQ(view_->preference_list(7).size(), 5U);
  EXPECT_NE(view_->ring_digest(), digest) << "N decides where slots are";
  set("replicas", "0");
  set("read-quorum", "many");
  set("write-quorum", "9");
  EXPECT_EQ(make().configured(), (Quorum{3, 2, 3})) << "nonsense is the default, W at most N";
}

TEST_F(ClusterViewTest, TheLongestPrefixSaysWhatBecomesOfConflicts) {
  using enum ConflictPolicy;
  join(1);
  EXPECT_TRUE(make().conflict_policies().empty());
  const ConflictPolicies policies(
      {{"a", siblings}, {"abc", lww}, {"ab", siblings}, {"x", siblings}, {"x", lww}});
  list_.merge(policies.setting(scattered_id(1)));
  const ConflictPolicies& read = make().conflict_policies();
  EXPECT_EQ(read, policies);
  EXPECT_EQ(read.of_key("abcd"), lww);
  EXPECT_EQ(read.of_key("abc"), lww);
  EXPECT_EQ(read.of_key("abd"), siblings);
  EXPECT_EQ(read.of_key("a"), siblings);
  EXPECT_EQ(read.of_key("x"), lww) << "the last one counts";
  EXPECT_EQ(read.of_key(""), siblings);
  EXPECT_EQ(ConflictPolicies({{"", lww}}).of_key(""), lww);
  const std::string value = policies.setting(scattered_id(1)).value;
  for (const std::string& nonsense :
       {std::string(), std::string("\2"), value.substr(0, value.size() - 1), value + "x",
        value + std::string("\1z\7", 3)}) {
    set("conflict-policy", nonsense);
    EXPECT_TRUE(make().conflict_policies().empty());
  }
}

// As ids, since places may differ between views.
std::vector<std::vector<NodeId>> lists_of(const ClusterView& view, bool other) {
  std::vector<std::vector<NodeId>> lists(object::kSlots);
  for (unsigned number = 0; number < object::kSlots; ++number) {
    const auto slot = static_cast<uint16_t>(number);
    for (const Place place : other ? view.other_list(slot) : view.preference_list(slot)) {
      lists[slot].push_back(view.member(place).id);
    }
  }
  return lists;
}

TEST_F(ClusterViewTest, WhileAMemberComesThereAreTwoRings) {
  for (unsigned i = 1; i <= 4; ++i) join(i);
  const auto without = lists_of(make(), false);
  std::set<uint64_t> digests{view_->ring_digest()};
  join(5, MemberStatus::joining);
  make();
  EXPECT_EQ(view_->newcomer(), ClusterView::kNobody) << "it is not admitted here";
  EXPECT_EQ(view_->ring_digest(), *digests.begin());
  EXPECT_EQ(view_->members().size(), 5U);

  change(1, [](Member& member) { member.admitted = scattered_id(5); });
  make();
  EXPECT_EQ(view_->member(view_->newcomer()).id, scattered_id(5));
  EXPECT_EQ(lists_of(*view_, false), without);
  const auto with = lists_of(*view_, true);
  EXPECT_NE(with, without);
  digests.insert(view_->ring_digest());
  liveness_[scattered_id(2)] = Liveness::suspected;
  const auto later = ClusterView::make(liveness(), *view_);
  EXPECT_EQ(lists_of(*later, true), with);
  liveness_.clear();

  change(1, [](Member& member) { member.admitted = {}; });
  change(5, [](Member& member) { member.status = MemberStatus::handover; });
  make();
  EXPECT_EQ(view_->member(view_->newcomer()).id, scattered_id(5)) << "all have admitted it";
  EXPECT_EQ(lists_of(*view_, false), with);
  EXPECT_EQ(lists_of(*view_, true), without);
  digests.insert(view_->ring_digest());
  const auto fresh = ClusterView::make({list_, scattered_id(1), liveness()}, nullptr);
  EXPECT_EQ(fresh->ring_digest(), view_->ring_digest());
  EXPECT_EQ(lists_of(*fresh, true), without);

  change(5, [](Member& member) { member.status = MemberStatus::normal; });
  make();
  EXPECT_EQ(view_->newcomer(), ClusterView::kNobody);
  EXPECT_EQ(lists_of(*view_, false), with);
  EXPECT_TRUE(view_->other_list(7).empty());
  digests.insert(view_->ring_digest());
  EXPECT_EQ(digests.size(), 4U);
}

TEST_F(ClusterViewTest, ReplicasAreThoseOfBothRings) {
  for (unsigned i = 1; i <= 4; ++i) join(i);
  EXPECT_EQ(make().replicas(3).size(), 3U);
  join(5, MemberStatus::handover);
  make();
  size_t more = 0;
  for (unsigned number = 0; number < object::kSlots; ++number) {
    const auto slot = static_cast<uint16_t>(number);
    const auto all = view_->replicas(slot);
    const auto first = view_->preference_list(slot);
    ASSERT_TRUE(std::ranges::equal(all.first(first.size()), first));
    const std::set<Place> each(all.begin(), all.end());
    ASSERT_EQ(each.size(), all.size());
    std::set<Place> both(first.begin(), first.end());
    for (const Place place : view_->other_list(slot)) both.insert(place);
    ASSERT_EQ(each, both);
    for (Place place = 0; place < 5; ++place) {
      ASSERT_EQ(view_->holds(slot, place), each.contains(place));
    }
    more += all.size() - 3;
  }
  EXPECT_GT(more, object::kSlots / 3);
}

TEST_F(ClusterViewTest, WhoJoinsWithoutTokensWaits) {
  for (unsigned i = 1; i <= 3; ++i) join(i);
  const uint64_t digest = make().ring_digest();
  join(4, MemberStatus::joining);
  change(4, [](Member& member) { member.tokens.clear(); });
  change(1, [](Member& member) { member.admitted = scattered_id(4); });
  make();
  EXPECT_EQ(view_->newcomer(), ClusterView::kNobody);
  EXPECT_EQ(view_->ring_digest(), digest);
}

TEST_F(ClusterViewTest, ANodeThatWasRemovedIsNowhere) {
  join(1);
  join(2);
  change(1, [](Member& member) { member.status = MemberStatus::left; });
  const ClusterView& view = make();
  EXPECT_EQ(view.self(), ClusterView::kNobody);
  EXPECT_FALSE(view.alone());
  EXPECT_FALSE(view.self_coordinates(0));
  EXPECT_EQ(view.member(view.coordinator(0)).id, scattered_id(2));
  change(2, [](Member& member) { member.status = MemberStatus::left; });
  EXPECT_EQ(make().coordinator(0), ClusterView::kNobody);
}

}  // namespace
}  // namespace quorate::cluster
