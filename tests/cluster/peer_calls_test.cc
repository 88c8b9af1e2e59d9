#include "quorate/cluster/peer_calls.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "cluster/numbered_nodes.h"
#include "sim/sim_network.h"

namespace quorate::cluster {
namespace {

using object::NodeId;
using sim::kSecond;
using testing::ElementsAre;

constexpr uint8_t kEcho = 3, kSilent = 4, kLater = 5, kNobody = 99;

// A node that serves an echo, one that never answers, and one that answers when told to.
struct CallingHost final : PeerDirectory {
  CallingHost(sim::SimWorld& world, sim::SimNetwork& of, unsigned number, uint64_t life)
      : network(of),
        node(number),
        loop(world.make_loop(number)),
        connector(of.connector(*loop)),
        random(runtime::make_seeded_random(number * 77 + life)) {
    PeerLinksSettings settings;
    settings.hello.cluster_name = "test";
    settings.hello.node = id_of(number);
    settings.hello.lane = PeerLane::data;
    calls =
        std::make_unique<PeerCalls>(PeerCalls::Parts{*loop, *connector, *random, *this}, settings);
    calls->serve(kEcho, [this](const NodeId& from, std::string_view body, PeerCalls::Reply reply) {
      seen.emplace_back(body);
      reply(std::string(body) + " for " + std::to_string(from[0]));
    });
    calls->serve(kSilent, [this](const NodeId&, std::string_view body, PeerCalls::Reply) {
      seen.emplace_back(body);
    });
    calls->serve(kLater, [this](const NodeId&, std::string_view body, PeerCalls::Reply reply) {
      seen.emplace_back(body);
      held.push_back(reply);
    });
    of.listen(*loop, kPeerPort, [this](std::unique_ptr<runtime::Stream> stream) {
      calls->links().accept(std::move(stream));
    });
    loop->set_turn_end([this] { calls->flush(); });
  }
  ~CallingHost() override { network.stop_listening(node); }
  CallingHost(const CallingHost&) = delete;
  CallingHost& operator=(const CallingHost&) = delete;

  std::optional<NodeAddress> address_of(const NodeId& of) override {
    return NodeAddress{sim::SimNetwork::ip(of[0]), 6379, kPeerPort};
  }
  runtime::Status judge(const PeerHello&) override { return {}; }
  void on_silent(const NodeId& of) override { silences += of == id_of(2) ? 1 : 0; }

  void ask(unsigned to, uint8_t service, const std::string& body, Patience patience = kSecond) {
    loop->post([=, this] {
      calls->call(id_of(to), service, body, patience, [this, body](PeerCalls::Answer answer) {
        static const std::map<CallFailure, std::string> kNames = {
            {CallFailure::not_sent, "not sent"},
            {CallFailure::no_answer, "no answer"},
            {CallFailure::unknown_service, "unknown"}};
        results.push_back(body + ": " +
                          (answer ? std::string(*answer) : kNames.at(answer.error())));
      });
    });
  }

  sim::SimNetwork& network;
  unsigned node;
  std::unique_ptr<sim::SimLoop> loop;
  std::unique_ptr<runtime::Connector> connector;
  std::unique_ptr<runtime::Random> random;
  std::unique_ptr<PeerCalls> calls;
  std::vector<std::string> seen, results;
  std::vector<PeerCalls::Reply> held;
  int silences = 0;  // of node 2
};

class PeerCallsTest : public testing::Test {
 protected:
  CallingHost& add(unsigned node) {
    hosts_[node] = std::make_unique<CallingHost>(world_, network_, node, ++lives_);
    return *hosts_[node];
  }
  void crash(unsigned node) {
    world_.crash(node);
    hosts_.erase(node);
  }

  sim::SimWorld world_{5};
  sim::SimNetwork network_{world_};
  std::map<unsigned, std::unique_ptr<CallingHost>> hosts_;
  uint64_t lives_ = 0;
};

TEST_F(PeerCallsTest, EveryQuestionGetsItsAnswer) {
  CallingHost& one = add(1);
  CallingHost& two = add(2);
  for (int i = 0; i < 100; ++i) one.ask(2, kEcho, std::to_string(i));
  two.ask(1, kEcho, "back");
  world_.run_for(kSecond);
  ASSERT_EQ(one.results.size(), 100U);
  EXPECT_EQ(one.results[99], "99: 99 for 1");
  EXPECT_EQ(two.seen[99], "99");
  EXPECT_THAT(two.results, ElementsAre("back: back for 2"));
  EXPECT_EQ(one.calls->open_calls(), 0U);
  EXPECT_EQ(one.calls->statistics().answered, 100U);
}

TEST_F(PeerCallsTest, AnAnswerMayTakeItsTime) {
  CallingHost& one = add(1);
  CallingHost& two = add(2);
  one.ask(2, kLater, "first", 10 * kSecond);
  one.ask(2, kLater, "second", 10 * kSecond);
  world_.run_for(3 * kSecond);
  EXPECT_THAT(one.results, ElementsAre());
  two.loop->post([&] {
    two.held[1]("b");
    two.held[0]("");
  });
  world_.run_for(kSecond);
  EXPECT_THAT(one.results, ElementsAre("second: b", "first: "));
}

TEST_F(PeerCallsTest, TheDeadlineEndsWhatNobodyAnswers) {
  CallingHost& one = add(1);
  CallingHost& two = add(2);
  one.ask(2, kSilent, "long", 2 * kSecond);
  one.ask(2, kLater, "short", kSecond / 2);
  world_.run_for(kSecond);
  EXPECT_THAT(one.results, ElementsAre("short: no answer"));
  two.loop->post([&] { two.held[0]("too late"); });
  world_.run_for(2 * kSecond);
  EXPECT_THAT(one.results, ElementsAre("short: no answer", "long: no answer"));
  EXPECT_EQ(one.calls->statistics().late, 1U);
  EXPECT_EQ(one.calls->open_calls(), 0U);
}

// In a message that is none of its replies.
TEST_F(PeerCallsTest, AnAnswerMayComeByAnotherWay) {
  CallingHost& one = add(1);
  CallingHost& two = add(2);
  one.ask(2, kLater, "a", 10 * kSecond);
  one.ask(2, kLater, "b", 10 * kSecond);
  world_.run_for(kSecond);
  ASSERT_EQ(two.held.size(), 2U);
  EXPECT_EQ(two.held[0].to(), id_of(1));
  one.loop->post([&] {
    one.calls->answered_by(id_of(3), two.held[0].id(), "of who was not asked");
    one.calls->answered_by(id_of(2), two.held[0].id() + 2, "to nothing");
    one.calls->answered_by(id_of(2), two.held[0].id(), "early");
    one.calls->answered_by(id_of(2), two.held[0].id(), "twice");
  });
  two.loop->post([&] { two.held[1]("reply"); });
  world_.run_for(kSecond);
  two.loop->post([&] { two.held[0]("late"); });
  one.loop->post([&] { one.calls->answered_by(id_of(2), two.held[1].id(), "late"); });
  world_.run_for(kSecond);
  EXPECT_THAT(one.results, testing::UnorderedElementsAre("a: early", "b: reply"));
  EXPECT_EQ(one.calls->statistics().malformed, 1U);
  EXPECT_EQ(one.calls->statistics().late, 4U);
  EXPECT_EQ(one.calls->open_calls(), 0U);
}

// 256 KiB a tenth of a second: four seconds for each.
class SlowPeerCallsTest : public PeerCallsTest {
 protected:
  static constexpr size_t kLarge = size_t{10} << 20;

  SlowPeerCallsTest() {
    network_.set_delay(2, {kSecond / 20, kSecond / 20});
    add(1).ask(2, kEcho, "connect");
    add(2).ask(1, kEcho, "connect");
    world_.run_for(kSecond);
    hosts_[1]->results.clear();
  }
  void answer_largely(size_t question) {
    CallingHost& two = *hosts_[2];
    two.loop->post([&two, question] { two.held[question](std::string(kLarge, 'x')); });
  }
};

TEST_F(SlowPeerCallsTest, AnswersThatComeLongAfterTheDeadlineAreWaitedFor) {
  CallingHost& one = *hosts_[1];
  one.ask(2, kLater, "a");
  one.ask(2, kLater, "b");
  world_.run_for(kSecond / 4);
  answer_largely(0);
  answer_largely(1);
  world_.run_for(3 * kSecond);
  EXPECT_THAT(one.results, ElementsAre());
  EXPECT_EQ(one.silences, 0);
  world_.run_for(7 * kSecond);
  EXPECT_THAT(one.results, ElementsAre("a: " + std::string(kLarge, 'x'),  //
                                       "b: " + std::string(kLarge, 'x')));
}

TEST_F(SlowPeerCallsTest, AnswersThatStopComingAreNot) {
  CallingHost& one = *hosts_[1];
  one.ask(2, kLater, "a");
  world_.run_for(kSecond / 2);
  answer_largely(0);
  world_.run_for(2 * kSecond);
  network_.part({1}, {2});
  world_.run_for(PeerCalls::kDeliveryPauseUs / 2);
  EXPECT_THAT(one.results, ElementsAre());
  world_.run_for(PeerCalls::kDeliveryPauseUs);
  EXPECT_THAT(one.results, ElementsAre("a: no answer"));
  EXPECT_GT(one.silences, 0);
}

TEST_F(SlowPeerCallsTest, WhatIsNeverAnsweredEndsThoughOthersAreAlways) {
  CallingHost& one = *hosts_[1];
  one.ask(2, kSilent, "lost", 2 * kSecond);
  const uint64_t most_s = Patience::travel_us(kMessageBodyBytesMax) / kSecond + 2;
  for (size_t i = 0; i < most_s; ++i) {
    one.ask(2, kLater, std::to_string(i), 1000 * kSecond);
    world_.run_for(kSecond);
    answer_largely(i);
    ASSERT_THAT(one.results, testing::Not(testing::Contains("lost: no answer"))) << i;
  }
  world_.run_for(2 * kSecond);
  EXPECT_THAT(one.results, testing::Contains("lost: no answer"));
  EXPECT_GT(one.results.size(), 10U);
}

TEST_F(PeerCallsTest, ItIsToldOfWhoLeavesQuestionsWaitingAndSaysNothing) {
  CallingHost& one = add(1);
  CallingHost& two = add(2);
  one.ask(2, kEcho, "hello");
  world_.run_for(10 * PeerCalls::kSilenceUs);
  EXPECT_EQ(one.silences, 0) << "no question waits";
  one.ask(2, kSilent, "never answered", 10 * kSecond);
  for (int i = 0; i < 8; ++i) {
    two.ask(1, kEcho, "it lives");
    world_.run_for(PeerCalls::kSilenceUs / 2);
  }
  EXPECT_EQ(one.silences, 0) << "it says other things";
  world_.run_for(PeerCalls::kSilenceUs / 2);
  EXPECT_EQ(one.silences, 0);
  world_.run_for(PeerCalls::kSilenceUs);
  EXPECT_GT(one.silences, 0);
}

TEST_F(PeerCallsTest, WhatCannotHaveArrivedIsToldApart) {
  CallingHost& one = add(1);
  one.ask(2, kEcho, "nobody there");
  world_.run_for(2 * kSecond);
  EXPECT_THAT(one.results, ElementsAre("nobody there: not sent"));
  CallingHost& two = add(2);
  world_.run_for(10 * kSecond);
  one.ask(2, kEcho, "hello");
  one.ask(2, kSilent, "lost", 60 * kSecond);
  world_.run_for(kSecond);
  ASSERT_EQ(two.seen.size(), 2U);
  crash(2);
  world_.run_for(kSecond);
  EXPECT_THAT(one.results,
              ElementsAre("nobody there: not sent", "hello: hello for 1", "lost: no answer"));
}

TEST_F(PeerCallsTest, AQuestionInAPartitionEndsAtItsDeadline) {
  CallingHost& one = add(1);
  add(2);
  one.ask(2, kEcho, "a");
  world_.run_for(kSecond);
  network_.part({1}, {2});
  one.ask(2, kEcho, "b");
  world_.run_for(2 * kSecond);
  EXPECT_THAT(one.results, ElementsAre("a: a for 1", "b: no answer"));
  network_.heal();
  world_.run_for(2 * kSecond);
  EXPECT_EQ(hosts_[2]->seen.size(), 2U);  // it may have arrived indeed
  EXPECT_EQ(one.results.size(), 2U);
}

TEST_F(PeerCallsTest, WhoStopsBeingHealthyIsNotWaitedForByThoseWhoNeedNot) {
  CallingHost& one = add(1);
  CallingHost& two = add(2);
  add(3);
  one.ask(2, kSilent, "needs him");
  one.ask(2, kSilent, "while well", Patience::while_healthy(10 * kSecond));
  one.ask(3, kSilent, "another", Patience::while_healthy(10 * kSecond));
  one.ask(2, kLater, "in time", Patience::while_healthy(10 * kSecond));
  world_.run_for(kSecond / 2);
  ASSERT_EQ(two.held.size(), 1U);
  two.loop->post([&two] { two.held.front()("done"); });
  world_.run_for(kSecond / 10);
  EXPECT_THAT(one.results, ElementsAre("in time: done"));
  one.loop->post([&one] { one.calls->give_up_on(id_of(2)); });
  world_.run_for(kSecond / 10);
  EXPECT_THAT(one.results, ElementsAre("in time: done", "while well: no answer"));
  one.ask(2, kEcho, "afterwards", Patience::while_healthy(kSecond));
  world_.run_for(kSecond);
  EXPECT_THAT(one.results, ElementsAre("in time: done", "while well: no answer",
                                       "afterwards: afterwards for 1", "needs him: no answer"));
  EXPECT_EQ(one.calls->open_calls(), 1U);
}

TEST_F(PeerCallsTest, AServiceOfALaterReleaseIsRefused) {
  CallingHost& one = add(1);
  add(2);
  one.ask(2, kNobody, "new");
  one.ask(2, kEcho, "old");
  world_.run_for(kSecond);
  EXPECT_THAT(one.results, ElementsAre("new: unknown", "old: old for 1"));
}

}  // namespace
}  // namespace quorate::cluster
