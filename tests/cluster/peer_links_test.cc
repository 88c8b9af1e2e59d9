#include "quorate/cluster/peer_links.h"

#include <algorithm>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "quorate/cluster/gossip.h"

#include "cluster/numbered_nodes.h"
#include "sim/sim_network.h"

namespace quorate::cluster {
namespace {

using object::NodeId;
using sim::kSecond;
using testing::ElementsAre;
using testing::HasSubstr;

constexpr uint8_t kGossipType = 1;

// Also node 0 has one that is not zero.
NodeId linked_id(unsigned node) { return id_of(node + 1); }

// A node with its links, which notes what it hears.
struct LinkedHost final : PeerLinksOwner {
  struct Heard {
    NodeId from{};
    uint8_t type = 0;
    std::string body;
  };

  LinkedHost(sim::SimWorld& world, sim::SimNetwork& of, unsigned number, const std::string& secret,
             uint64_t life)
      : network(of),
        node(number),
        loop(world.make_loop(number)),
        connector(of.connector(*loop)),
        random(runtime::make_seeded_random(number * 77 + life)) {
    PeerLinksSettings settings;
    settings.hello.cluster_name = "test";
    settings.hello.node = linked_id(number);
    settings.hello.ip = sim::SimNetwork::ip(number);
    settings.hello.peer_port = kPeerPort;
    settings.secret = secret;
    links =
        std::make_unique<PeerLinks>(PeerLinks::Parts{*loop, *connector, *random, *this}, settings);
    of.listen(*loop, kPeerPort, [this](std::unique_ptr<runtime::Stream> stream) {
      links->accept(std::move(stream));
    });
    loop->set_turn_end([this] { links->flush(); });
  }
  ~LinkedHost() override { network.stop_listening(node); }
  LinkedHost(const LinkedHost&) = delete;
  LinkedHost& operator=(const LinkedHost&) = delete;

  std::optional<NodeAddress> address_of(const NodeId& of) override {
    if (of[0] == 0 || of[0] > 100) return std::nullopt;
    return NodeAddress{sim::SimNetwork::ip(of[0] - 1U), 6379, kPeerPort};
  }
  runtime::Status judge(const PeerHello&) override {
    if (!objection.empty()) return runtime::fail(objection);
    return {};
  }
  void on_message(const NodeId& from, uint8_t type, std::string_view body) override {
    if (gossip && type == kGossipType) return gossip->receive(from, body);
    heard.push_back({from, type, std::string(body)});
  }
  void on_up(const NodeId&) override { ++ups; }
  void on_down(const NodeId&, const std::string& reason) override { downs.push_back(reason); }

  void send(unsigned to, const std::string& body) {
    loop->post([this, to, body] { sent += links->send(linked_id(to), 7, body) ? 1 : 0; });
  }
  std::vector<std::string> bodies() const {
    std::vector<std::string> all;
    for (const Heard& of : heard) all.push_back(of.body);
    return all;
  }

  sim::SimNetwork& network;
  unsigned node;
  std::unique_ptr<sim::SimLoop> loop;
  std::unique_ptr<runtime::Connector> connector;
  std::unique_ptr<runtime::Random> random;
  std::unique_ptr<Gossip> gossip;
  std::unique_ptr<PeerLinks> links;
  std::string objection;
  std::vector<Heard> heard;
  std::vector<std::string> downs;
  unsigned ups = 0, sent = 0;
};

class PeerLinksTest : public testing::Test {
 protected:
  LinkedHost& add(unsigned node, const std::string& secret = "s") {
    hosts_[node] = std::make_unique<LinkedHost>(world_, network_, node, secret, ++lives_);
    return *hosts_[node];
  }
  void crash(unsigned node) {
    world_.crash(node);
    hosts_.erase(node);
  }

  sim::SimWorld world_{5};
  sim::SimNetwork network_{world_};
  std::map<unsigned, std::unique_ptr<LinkedHost>> hosts_;
  uint64_t lives_ = 0;
};

TEST_F(PeerLinksTest, TheFirstMessageConnectsAndNoneOvertakesAnother) {
  LinkedHost& one = add(1);
  LinkedHost& two = add(2);
  for (const char* body : {"a", "b", "c"}) one.send(2, body);
  world_.run_for(kSecond);
  one.send(2, "d");
  world_.run_for(kSecond);
  EXPECT_THAT(two.bodies(), ElementsAre("a", "b", "c", "d"));
  EXPECT_EQ(two.heard[0].from, linked_id(1));
  EXPECT_EQ(two.heard[0].type, 7);
  EXPECT_EQ(network_.connections(), 1U);
  EXPECT_EQ(one.ups, 1U);
}

TEST_F(PeerLinksTest, EachSendsOnTheConnectionItMade) {
  LinkedHost& one = add(1);
  LinkedHost& two = add(2);
  for (int i = 0; i < 3; ++i) {
    one.send(2, "ping");
    two.send(1, "pong");
    world_.run_for(kSecond);
  }
  EXPECT_EQ(two.heard.size(), 3U);
  EXPECT_EQ(one.heard.size(), 3U);
  EXPECT_EQ(network_.connections(), 2U);
}

TEST_F(PeerLinksTest, AnUnreachablePeerIsTriedAgainLessAndLessOften) {
  LinkedHost& one = add(1);
  for (unsigned i = 0; i < 600; ++i) {
    one.send(2, "lost");
    world_.run_for(100'000);
  }
  EXPECT_LT(one.downs.size(), 30U);
  EXPECT_GT(one.downs.size(), 10U);
  EXPECT_EQ(one.links->statistics().dropped, 600U);
  LinkedHost& two = add(2);
  world_.run_for(6 * kSecond);
  one.send(2, "there");
  world_.run_for(kSecond);
  EXPECT_THAT(two.bodies(), ElementsAre("there"));
}

TEST_F(PeerLinksTest, WhatWaitsForAConnectionIsBounded) {
  LinkedHost& one = add(1);
  add(2);
  network_.part({1}, {2});
  for (unsigned i = 0; i < 100; ++i) one.send(2, std::string(10'000, 'x'));
  world_.run_for(100'000);
  EXPECT_EQ(one.sent, 26U);  // of 256 KiB
}

TEST_F(PeerLinksTest, APeerThatComesBackIsConnectedAnew) {
  LinkedHost& one = add(1);
  add(2);
  one.send(2, "a");
  world_.run_for(kSecond);
  crash(2);
  world_.run_for(kSecond);
  EXPECT_FALSE(one.links->up(linked_id(2)));
  ASSERT_EQ(one.downs.size(), 1U);
  LinkedHost& two = add(2);
  one.send(2, "b");
  world_.run_for(kSecond);
  EXPECT_THAT(two.bodies(), ElementsAre("b"));
}

TEST_F(PeerLinksTest, WhoConnectsIsAnsweredAtOnceHoweverLongItWasAway) {
  LinkedHost& one = add(1);
  for (unsigned i = 0; i < 600; ++i) {
    one.send(2, "lost");
    world_.run_for(100'000);
  }
  LinkedHost& two = add(2);
  two.send(1, "question");
  world_.run_for(kSecond / 10);
  ASSERT_THAT(one.bodies(), ElementsAre("question"));
  one.send(2, "answer");
  world_.run_for(kSecond / 10);
  EXPECT_THAT(two.bodies(), ElementsAre("answer"));
}

TEST_F(PeerLinksTest, MeetingTellsWhoIsThereAndKeepsTheConnection) {
  LinkedHost& one = add(1);
  LinkedHost& two = add(2);
  runtime::Result<NodeId> met = runtime::fail("not yet");
  one.loop->post([&] {
    one.links->meet(sim::SimNetwork::ip(2), kPeerPort,
                    [&](auto result) { met = std::move(result); });
  });
  world_.run_for(kSecond);
  ASSERT_TRUE(met.has_value()) << met.error().message;
  EXPECT_EQ(*met, linked_id(2));
  one.send(2, "hello");
  world_.run_for(kSecond);
  EXPECT_THAT(two.bodies(), ElementsAre("hello"));
  EXPECT_EQ(network_.connections(), 1U);
}

TEST_F(PeerLinksTest, MeetingNobodyOrAStrangerFailsWithTheReason) {
  LinkedHost& one = add(1);
  add(3, "another secret");
  std::map<unsigned, std::string> reasons;
  one.loop->post([&] {
    for (const unsigned node : {2U, 3U}) {
      one.links->meet(sim::SimNetwork::ip(node), kPeerPort, [&reasons, node](auto result) {
        reasons[node] = result ? "met" : result.error().message;
      });
    }
  });
  world_.run_for(5 * kSecond);
  EXPECT_THAT(reasons[2], HasSubstr("refused"));
  EXPECT_THAT(reasons[3], HasSubstr("secret"));
}

TEST_F(PeerLinksTest, AnotherNodeAtTheAddressIsNotTakenForTheOneExpected) {
  LinkedHost& one = add(1);
  LinkedHost& two = add(2);
  one.loop->post([&] {
    NodeId other = linked_id(1);
    other[5] = 99;  // nobody's, but its first byte says node 0's address
    EXPECT_TRUE(one.links->send(other, 7, "x"));
  });
  LinkedHost& zero = add(0);
  world_.run_for(3 * kSecond);
  EXPECT_TRUE(two.heard.empty());
  EXPECT_TRUE(zero.heard.empty());
}

TEST_F(PeerLinksTest, WhoIsRefusedHearsWhy) {
  LinkedHost& one = add(1);
  LinkedHost& two = add(2);
  two.objection = "it was removed from the cluster";
  one.send(2, "x");
  world_.run_for(3 * kSecond);
  EXPECT_TRUE(two.heard.empty());
  ASSERT_FALSE(one.downs.empty());
  EXPECT_THAT(one.downs[0], HasSubstr("it was removed from the cluster"));
}

TEST_F(PeerLinksTest, StrangersWhoSayNothingAreFewAndSoonGone) {
  LinkedHost& one = add(1);
  LinkedHost& two = add(2);
  std::vector<std::unique_ptr<sim::SimLink>> wires;
  std::vector<std::unique_ptr<runtime::Stream>> silent;
  const auto loop = world_.make_loop(9);
  for (unsigned i = 0; i < 200; ++i) {
    wires.push_back(std::make_unique<sim::SimLink>(world_, *loop, *one.loop));
    silent.push_back(wires.back()->take(sim::SimLink::Side::first));
    one.links->accept(wires.back()->take(sim::SimLink::Side::second));
  }
  EXPECT_EQ(one.links->links(), 128U);
  EXPECT_EQ(one.links->statistics().turned_away, 72U);
  world_.run_for(3 * kSecond);
  EXPECT_EQ(one.links->links(), 0U);
  two.send(1, "a friend");
  world_.run_for(kSecond);
  EXPECT_THAT(one.bodies(), ElementsAre("a friend"));
}

TEST_F(PeerLinksTest, WhatWaitsForAFreeLinkIsSentNoFasterThanItIsTaken) {
  constexpr size_t kLarge = 3 << 20;
  LinkedHost& one = add(1);
  LinkedHost& two = add(2);
  size_t most = 0, sent = 0;
  one.loop->post([&] {
    for (int i = 0; i < 10; ++i) {
      one.links->when_free(linked_id(2), [&, i] {
        sent += one.links->send(linked_id(2), 7, std::to_string(i), std::string(kLarge, '.'));
        most = std::max(most, one.links->queued_bytes(linked_id(2)));
      });
    }
    EXPECT_EQ(sent, 0U) << "there is no link yet";
  });
  world_.run_for(kSecond);
  EXPECT_EQ(sent, 10U);
  EXPECT_LT(most, PeerLinks::kFreeBytes + kLarge + 1'000);
  ASSERT_EQ(two.heard.size(), 10U);
  for (size_t i = 0; i < 10; ++i) EXPECT_EQ(two.heard[i].body.front(), '0' + static_cast<char>(i));
}

TEST_F(PeerLinksTest, WhoWaitsForALinkThatIsLostIsLetGoUncalled) {
  LinkedHost& one = add(1);
  add(2);
  one.send(2, "hello");
  world_.run_for(kSecond);
  network_.block(1, 2);
  const auto held = std::make_shared<int>();
  bool called = false;
  one.loop->post([&] {
    EXPECT_TRUE(one.links->send(linked_id(2), 7, std::string(2 * PeerLinks::kFreeBytes, '.')));
    one.links->when_free(linked_id(2), [held, &called] { called = true; });
  });
  world_.run_for(kSecond);
  EXPECT_EQ(held.use_count(), 2) << "it waits";
  network_.cut(1, 2);
  world_.run_for(kSecond);
  EXPECT_EQ(held.use_count(), 1);
  EXPECT_FALSE(called);
}

// An answer that is lost is noticed by nobody before its deadline.
TEST_F(PeerLinksTest, WhatSomebodyWaitsForMayQueueLonger) {
  LinkedHost& one = add(1);
  LinkedHost& two = add(2);
  one.send(2, "hello");
  world_.run_for(kSecond);
  network_.block(1, 2);
  const std::string large(8 << 20, '.');
  one.loop->post([&] {
    for (int i = 0; i < 8; ++i) EXPECT_TRUE(one.links->send(linked_id(2), 7, large));
    EXPECT_FALSE(one.links->send(linked_id(2), 7, "told"));
    EXPECT_TRUE(one.links->send(linked_id(2), 7, "awaited", {}, Need::awaited));
    for (int i = 0; i < 16; ++i) one.links->send(linked_id(2), 7, large, {}, Need::awaited);
    EXPECT_FALSE(one.links->send(linked_id(2), 7, "too much", {}, Need::awaited));
  });
  world_.run_for(kSecond);
  network_.unblock(1, 2);
  world_.run_for(10 * kSecond);
  ASSERT_EQ(two.heard.size(), 26U);
  EXPECT_EQ(two.heard[9].body, "awaited");
  network_.block(1, 2);
  one.loop->post([&] {
    for (int i = 0; i < 16; ++i) one.links->send(linked_id(2), 7, large, {}, Need::awaited);
    EXPECT_FALSE(one.links->send(linked_id(2), 7, "too much", {}, Need::awaited));
    EXPECT_TRUE(one.links->send(linked_id(2), 7, "told")) << "what is awaited is no hindrance";
  });
  world_.run_for(kSecond);
}

TEST_F(PeerLinksTest, DroppingEndsBothWays) {
  LinkedHost& one = add(1);
  LinkedHost& two = add(2);
  one.send(2, "a");
  two.send(1, "b");
  world_.run_for(kSecond);
  EXPECT_EQ(one.links->links(), 2U);
  one.loop->post([&] { one.links->drop(linked_id(2), "enough"); });
  world_.run_for(kSecond);
  EXPECT_EQ(one.links->links(), 0U);
  EXPECT_EQ(two.links->links(), 0U);
}

TEST_F(PeerLinksTest, DroppingTellsOfAConnectionThatIsBeingMade) {
  LinkedHost& one = add(1);
  LinkedHost& two = add(2);
  network_.block(1, 2);
  const auto held = std::make_shared<int>();
  one.loop->post([&] {
    EXPECT_TRUE(one.links->send(linked_id(2), 7, "lost"));
    one.links->when_free(linked_id(2), [held] {});
    one.links->drop(linked_id(2), "enough");
  });
  world_.run_for(kSecond / 10);
  EXPECT_THAT(one.downs, ElementsAre("enough"));
  EXPECT_EQ(held.use_count(), 1);
  EXPECT_EQ(one.links->statistics().dropped, 2U);
  network_.unblock(1, 2);
  world_.run_for(kSecond);
  EXPECT_EQ(one.links->links(), 0U) << "the attempt is given up";
  one.send(2, "anew");
  world_.run_for(kSecond);
  EXPECT_THAT(two.bodies(), ElementsAre("anew"));
}

// Gossip over connections instead of single messages: partitions, crashes and returns.
class LinkTransport final : public GossipTransport, public GossipObserver {
 public:
  explicit LinkTransport(LinkedHost& host) : host_(host) {}
  void send(const NodeId& to, std::string message) override {
    host_.links->send(to, kGossipType, message);
  }
  void members_changed() override {}
  void liveness_changed(const NodeId&, Liveness) override {}
  void removed() override {}

 private:
  LinkedHost& host_;
};

TEST_F(PeerLinksTest, GossipFindsItsWayThroughPartitionsAndCrashes) {
  constexpr unsigned kNodes = 6;
  std::map<unsigned, std::unique_ptr<LinkTransport>> transports;
  const auto begin = [&](unsigned node, uint64_t life) {
    LinkedHost& host = add(node);
    Member own;
    own.id = linked_id(node);
    own.status = MemberStatus::normal;
    own.address = {sim::SimNetwork::ip(node), 6379, kPeerPort};
    MemberList list;
    list.merge(own);
    transports[node] = std::make_unique<LinkTransport>(host);
    host.gossip = Gossip::make({*host.loop, *host.random, *transports[node], *transports[node]}, {},
                               list, own.id, life << 32);
    host.loop->post([&host] { host.gossip->start(); });
  };
  const auto meet = [&](unsigned node, unsigned other) {
    LinkedHost& host = *hosts_[node];
    host.loop->post([&host, other] {
      host.links->meet(sim::SimNetwork::ip(other), kPeerPort, [&host](auto met) {
        if (met) host.gossip->exchange_with(*met);
      });
    });
  };
  const auto seen_alive = [&](unsigned of) {
    unsigned count = 0;
    for (auto& [node, host] : hosts_) {
      count += host->gossip->liveness(linked_id(of)) == Liveness::alive ? 1 : 0;
    }
    return count;
  };
  for (unsigned node = 0; node < kNodes; ++node) begin(node, 1);
  for (unsigned node = 1; node < kNodes; ++node) meet(node, 0);
  world_.run_for(20 * kSecond);
  for (auto& [node, host] : hosts_) {
    EXPECT_EQ(host->gossip->members().size(), kNodes) << node;
    EXPECT_EQ(seen_alive(node), kNodes) << node;
  }
  network_.part({0, 1}, {2, 3, 4, 5});
  world_.run_for(60 * kSecond);
  EXPECT_EQ(seen_alive(0), 2U);
  EXPECT_EQ(seen_alive(5), 4U);
  network_.heal();
  world_.run_for(60 * kSecond);
  for (unsigned node = 0; node < kNodes; ++node) EXPECT_EQ(seen_alive(node), kNodes) << node;
  crash(3);
  transports.erase(3);
  world_.run_for(60 * kSecond);
  EXPECT_EQ(seen_alive(3), 0U);
  begin(3, 2);
  meet(3, 1);
  world_.run_for(20 * kSecond);
  for (unsigned node = 0; node < kNodes; ++node) EXPECT_EQ(seen_alive(node), kNodes) << node;
  for (auto& [node, host] : hosts_) host->gossip.reset();
}

}  // namespace
}  // namespace quorate::cluster
