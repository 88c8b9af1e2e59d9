// Answers that leave with the changes they speak of, and what becomes of them. Whole clusters are
// in tests/sim.
#include "coordinator/early_answers.h"

#include <gtest/gtest.h>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "coordinator/change_message.h"
#include "coordinator/replicator_rig.h"

namespace quorate::coordinator {
namespace {

using cluster::PeerCalls;
using Verdict = Replicator::Verdict;

class EarlyAnswersTest : public ReplicatorRig {
 protected:
  // A question of the other node, in whose turn the key is set, is answered here.
  void answer(uint64_t id, const std::string& key, bool relied = false) {
    ShardRig::Shard& shard = rig_.shards[0];
    shard.loop->post([&, id, key, relied] {
      const uint64_t begin = shard.store->journal().end_position();
      if (relied) replicator_->rely(rig_.key(key).slot);
      KeyRef ref = shard.coordinator->keys().open(rig_.key(key));
      shard.coordinator->keys().put(ref, "value", 0);
      leave(id, key, begin);
    });
  }
  void leave(uint64_t id, const std::string& key, uint64_t begin) {
    may_leave_ = replicator_->may_leave(id_of(kOther), rig_.key(key).slot);
    if (!may_leave_) return;
    replicator_->leave(
        id_of(kOther),
        {id, "answer", begin, rig_.shards[0].store->journal().end_position(),
         [this, id, guard = std::make_shared<int>()] { usual_.emplace_back(id, settled()); }});
  }
  // What the i-th message that arrived carries.
  std::vector<uint64_t> carried(size_t i) {
    std::vector<uint64_t> ids;
    const auto message = decode_message(received_[i]);
    object::ByteReader in(message->answers);
    while (in.ok() && in.remaining() > 0) {
      ids.push_back(in.fixed64());
      EXPECT_EQ(in.sized(), "answer");
    }
    return ids;
  }
  using Ids = std::vector<uint64_t>;
  using Usual = std::vector<std::pair<uint64_t, bool>>;

  bool may_leave_ = false;
  Usual usual_;  // ids, and whether everything was settled
};

TEST_F(EarlyAnswersTest, LeaveWithTheirChangesAndAreDone) {
  answer_with(Verdict::applied);
  set("c", "1");
  rig_.world.run_for(kSecond);
  answer(7, "a");
  answer(8, "b");
  rig_.world.run_for(kSecond);
  ASSERT_EQ(received_.size(), 2U);
  EXPECT_EQ(carried(1), (Ids{7, 8}));
  EXPECT_EQ(usual_, Usual{});
  EXPECT_EQ(replicator_->statistics().answers_left, 2U);
  const MessagePlace first = decode_message(received_[1])->place;
  EXPECT_EQ(first.since, first.number);
  EXPECT_LT(first.before, first.since);

  answer(9, "a");
  rig_.world.run_for(kSecond);
  const MessagePlace second = decode_message(received_[2])->place;
  EXPECT_EQ(second.before, first.number);
  EXPECT_EQ(second.since, second.number);
  EXPECT_EQ(carried(2), Ids{9});
}

TEST_F(EarlyAnswersTest, AreSentTheUsualWayIfTheyWereNotGiven) {
  for (const Verdict verdict : {Verdict::unanswered, Verdict::unpromised, Verdict::unexpected}) {
    promises_.number = 5;
    answer_with(verdict);
    usual_.clear();
    answer(7, "a", true);
    rig_.world.run_for(kSecond);
    EXPECT_EQ(usual_, (Usual{{7, true}}));
  }
  EXPECT_EQ(replicator_->statistics().answers_left, 0U);
  EXPECT_EQ(replicator_->statistics().answers_taken_back, 3U);
}

TEST_F(EarlyAnswersTest, AreSentOnceWhenTheMessageMustBeRepeated) {
  answer_with(Verdict::later);
  answer(7, "a");
  rig_.world.run_for(kSecond / 2);
  EXPECT_EQ(usual_, Usual{}) << "it still waits for its copy";
  answer_with(Verdict::applied);
  rig_.world.run_for(kSecond / 2);
  EXPECT_EQ(usual_, (Usual{{7, true}}));
  ASSERT_GE(received_.size(), 2U);
  EXPECT_EQ(received_.front(), received_.back());
}

TEST_F(EarlyAnswersTest, AreSentWhenTheirTurnIsGivenUp) {
  answer_with(std::nullopt);
  answer(7, "a");
  rig_.world.run_for(kSecond);
  EXPECT_EQ(usual_, Usual{});
  rig_.world.run_for(2 * kSecond);
  EXPECT_EQ(usual_, (Usual{{7, true}}));
  EXPECT_EQ(replicator_->window().turns_given_up(), 1U);
}

TEST_F(EarlyAnswersTest, AreSentWhenTheNodeFallsBehind) {
  answer_with(Verdict::malformed);
  answer(7, "a");
  rig_.world.run_for(kSecond);
  EXPECT_TRUE(replicator_->behind(id_of(kOther)));
  rig_.world.run_for(2 * kSecond);
  EXPECT_EQ(usual_, (Usual{{7, true}}));
  answer(8, "a");
  rig_.world.run_for(kSecond / 10);
  EXPECT_FALSE(may_leave_) << "it is told nothing";
}

TEST_F(EarlyAnswersTest, DoNotLeaveWithWhatCountsForNothing) {
  answer_with(Verdict::applied);
  promises_.number = 0;
  answer(7, "a", true);
  rig_.world.run_for(kSecond);
  ASSERT_EQ(received_.size(), 1U);
  EXPECT_EQ(carried(0), Ids{});
  EXPECT_EQ(decode_message(received_[0])->place, MessagePlace{});
  EXPECT_EQ(usual_, (Usual{{7, true}}));
}

// The message says so, and who asked looks whether it has the one before.
TEST_F(EarlyAnswersTest, LeaveWhileEarlierTurnsWait) {
  answer_with(std::nullopt);
  rig_.world.run_for(kSecond);
  set("a", "1");
  rig_.world.run_for(10'000);
  answer(7, "b");
  rig_.world.run_for(10'000);
  ASSERT_EQ(received_.size(), 2U);
  const MessagePlace first = decode_message(received_[0])->place;
  const MessagePlace second = decode_message(received_[1])->place;
  EXPECT_EQ(carried(1), Ids{7});
  EXPECT_EQ(second.before, first.number);
  EXPECT_EQ(second.since, first.number);
}

TEST_F(EarlyAnswersTest, DoNotLeaveWhenSomethingTheySpeakOfWasGivenUp) {
  answer_with(std::nullopt);
  const uint64_t begin = rig_.shards[0].store->journal().end_position();
  set("a", "1");
  rig_.world.run_for(3 * kSecond);
  ASSERT_EQ(replicator_->window().turns_given_up(), 1U);
  set("b", "1");
  rig_.shards[0].loop->post([&] { leave(7, "b", begin); });
  rig_.world.run_for(10'000);
  ASSERT_EQ(received_.size(), 2U);
  EXPECT_EQ(carried(1), Ids{});
  rig_.world.run_for(3 * kSecond);
  EXPECT_EQ(usual_, (Usual{{7, true}}));
}

TEST_F(EarlyAnswersTest, DoNotLeaveAcrossAChangeOfReplicas) {
  answer_with(std::nullopt);
  rig_.world.run_for(kSecond);
  set("a", "1");
  rig_.world.run_for(10'000);
  rig_.shards[0].loop->post([&] { replicator_->set_map(map_of(1)); });
  answer(7, "b");
  rig_.world.run_for(10'000);
  ASSERT_EQ(received_.size(), 2U);
  EXPECT_EQ(carried(1), Ids{}) << "who has the change of before nobody can say";
  answer_with(Verdict::applied);
  rig_.world.run_for(40 * kSecond);
  EXPECT_EQ(usual_, (Usual{{7, true}}));
  answer(8, "b");
  rig_.world.run_for(10'000);
  EXPECT_EQ(carried(received_.size() - 1), Ids{8});
}

TEST_F(EarlyAnswersTest, NeedACopyThatIsTheOnlyOneWaitedFor) {
  answer_with(Verdict::applied);
  rig_.shards[0].loop->post([&] { replicator_->set_map(map_of(0)); });
  answer(7, "a");
  rig_.world.run_for(kSecond);
  EXPECT_FALSE(may_leave_) << "it waits for nobody";
  rig_.shards[0].loop->post([&] {
    replicator_->set_map(map_of(1));
    leave(8, "a", 0);
  });
  rig_.world.run_for(kSecond);
  EXPECT_FALSE(may_leave_) << "nothing was changed";
  answer(9, "a");
  rig_.world.run_for(kSecond);
  EXPECT_TRUE(may_leave_);
  rig_.shards[0].loop->post([&] { rig_.shards[0].coordinator->set_syncs_always(true); });
  answer(10, "a");
  rig_.world.run_for(kSecond);
  EXPECT_FALSE(may_leave_) << "the own copy is not durable yet";
}

TEST_F(EarlyAnswersTest, DoNotLeaveWhileAMemberComes) {
  answer_with(Verdict::applied);
  const auto answer_under = [&](std::vector<ReplicaMap::Quorum> quorums) {
    const auto map = std::make_shared<ReplicaMap>(*map_of(1));
    map->groups[0].quorums.assign(quorums.begin(), quorums.end());
    rig_.shards[0].loop->post([this, map] { replicator_->set_map(map); });
    answer(7, "a");
    rig_.world.run_for(kSecond);
    return may_leave_;
  };
  EXPECT_TRUE(answer_under({{{{0}, 1}, true}}));
  EXPECT_FALSE(answer_under({{{{0}, 1}, true}, {{{0}, 1}, true}})) << "it is one of a list only";
  EXPECT_FALSE(answer_under({{{{0}, 1}, false}})) << "its copy is all that counts, not one more";
}

// ---- who asked

class AskerTest : public ReplicatorRig {
 protected:
  static constexpr uint8_t kQuestion = 200;

  void SetUp() override {
    answer_with(Verdict::applied);
    other_calls_->serve(kQuestion, [this](const NodeId&, std::string_view, PeerCalls::Reply reply) {
      questions_.push_back(reply);
    });
    for (int i = 0; i < 3; ++i) {
      rig_.shards[0].loop->post([this, i] {
        calls_->call(id_of(kOther), kQuestion, "?", 60 * kSecond, [this, i](auto answer) {
          told_.emplace_back(i, answer ? std::string(*answer) : "none");
        });
      });
    }
    rig_.world.run_for(kSecond);
    ASSERT_EQ(questions_.size(), 3U);
  }

  // A change of the other node with an answer to the question.
  std::string message(const MessagePlace& place, size_t question,
                      std::optional<uint64_t> expected = {}) {
    object::Change change;
    change.expected = expected;
    change.kind = object::ChangeKind::raw;
    change.slot = object::key_slot("key");
    change.key = "key";
    change.dot = {rig_.actors.intern({id_of(kOther), 1}), ++dots_};
    object::ChangeWriter writer(rig_.actors);
    writer.add(change);
    std::string answers, bytes;
    encode_answer(questions_[question].id(), "early " + std::to_string(dots_), answers);
    encode_head({7, {change.slot}, place, answers, {}}, bytes);
    writer.finish(bytes);
    return bytes;
  }
  int send(const std::string& message) {
    int verdict = -1;
    other_loop_->post([&] {
      other_calls_->call(id_of(1), Replicator::kService, message, kSecond,
                         [&](PeerCalls::Answer answer) {
                           verdict = answer && answer->size() == 1 ? answer->front() : -1;
                         });
    });
    rig_.world.run_for(kSecond / 2);
    return verdict;
  }
  using Told = std::vector<std::pair<int, std::string>>;

  std::vector<PeerCalls::Reply> questions_;
  Told told_;
  uint64_t dots_ = 0;
};

TEST_F(AskerTest, GivesAnswersOnceItHasAllTheySpeakOf) {
  EXPECT_EQ(send(message({103, 102, 101}, 0)), static_cast<int>(Verdict::unanswered));
  EXPECT_EQ(told_, Told{});
  const std::string again = message({104, 103, 104}, 1);
  EXPECT_EQ(send(again), static_cast<int>(Verdict::applied));
  EXPECT_EQ(told_, (Told{{1, "early 2"}}));
  EXPECT_EQ(send(again), static_cast<int>(Verdict::applied));
  EXPECT_EQ(send(message({105, 104, 104}, 2)), static_cast<int>(Verdict::applied));
  EXPECT_EQ(told_, (Told{{1, "early 2"}, {2, "early 3"}})) << "each once";
  other_loop_->post([&] {
    questions_[0]("reply 0");
    questions_[1]("reply 1");
  });
  rig_.world.run_for(kSecond);
  EXPECT_EQ(told_, (Told{{1, "early 2"}, {2, "early 3"}, {0, "reply 0"}}));
}

TEST_F(AskerTest, GivesNoAnswersWithoutItsPromise) {
  promises_.keeps = false;
  EXPECT_EQ(send(message({103, 102, 103}, 0)), static_cast<int>(Verdict::unpromised));
  promises_.keeps = true;
  EXPECT_EQ(send(message({104, 103, 103}, 1)), static_cast<int>(Verdict::unanswered));
  EXPECT_EQ(told_, Told{}) << "the one before is no copy";
}

TEST_F(AskerTest, GivesNoAnswersIfAKeyWasNotAsExpected) {
  EXPECT_EQ(send(message({103, 102, 103}, 0, 0)), static_cast<int>(Verdict::applied));
  EXPECT_EQ(told_, (Told{{0, "early 1"}})) << "nobody knew the key";
  EXPECT_EQ(send(message({104, 103, 103}, 1, 0)), static_cast<int>(Verdict::unexpected));
  EXPECT_EQ(send(message({105, 104, 104}, 2)), static_cast<int>(Verdict::unanswered));
  EXPECT_EQ(told_, (Told{{0, "early 1"}})) << "the one before is no copy";
  EXPECT_EQ(send(message({106, 105, 106}, 2)), static_cast<int>(Verdict::applied));
  EXPECT_EQ(told_, (Told{{0, "early 1"}, {2, "early 4"}}));
}

// What another command of the turn expected decides for all of them.
TEST_F(AskerTest, GivesNoneOfTheAnswersOfAMessageThatIsNoCopy) {
  set("key", "own");
  rig_.world.run_for(kSecond / 2);
  object::Change other;
  other.kind = object::ChangeKind::raw;
  other.slot = object::key_slot("other");
  other.key = "other";
  other.dot = {rig_.actors.intern({id_of(kOther), 1}), ++dots_};
  object::Change conditional = other;
  conditional.slot = object::key_slot("key");
  conditional.key = "key";
  conditional.dot.n = ++dots_;
  conditional.expected = 0;
  object::ChangeWriter writer(rig_.actors);
  writer.add(other);
  writer.add(conditional);
  std::string answers, bytes;
  encode_answer(questions_[0].id(), "of other", answers);
  encode_answer(questions_[1].id(), "of key", answers);
  encode_head({0, {}, {103, 102, 103}, answers, {}}, bytes);
  writer.finish(bytes);
  EXPECT_EQ(send(bytes), static_cast<int>(Verdict::unexpected));
  EXPECT_EQ(told_, Told{});
}

}  // namespace
}  // namespace quorate::coordinator
