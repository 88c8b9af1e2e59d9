#include "quorate/cluster/peer_handshake.h"

#include <algorithm>
#include <gtest/gtest.h>
#include <memory>
#include <string>

#include "quorate/runtime/random.h"

namespace quorate::cluster {
namespace {

using Role = PeerHandshake::Role;
using State = PeerHandshake::State;

PeerHello full_hello_of(uint8_t node) {
  PeerHello hello;
  hello.cluster_name = "orders";
  hello.node.fill(node);
  hello.epoch = 1000 + node;
  hello.lane = node == 1 ? PeerLane::data : PeerLane::gossip;
  hello.lane_index = node;
  hello.shards = static_cast<uint16_t>(4 + node);
  hello.nonce.fill(static_cast<uint8_t>(100 + node));
  hello.ip = node == 1 ? "10.0.0.1" : "2001:db8::2";
  hello.client_port = 7000;
  hello.peer_port = 17'000;
  hello.hash_seed_digest = 0x0123456789abcdef;
  return hello;
}

runtime::Status welcome(const PeerHello&) { return {}; }

// Both sides, and the bytes under way between them. Node 1 connects to node 2.
struct Pair {
  PeerHello connecting = full_hello_of(1), accepting = full_hello_of(2);
  std::string connecting_secret = "secret", accepting_secret = "secret";
  PeerHandshake::Judge connecting_judge = welcome, accepting_judge = welcome;
  std::unique_ptr<PeerHandshake> connects, accepts;
  std::string to_accepting, to_connecting;  // all that was sent
  std::string rest;                         // what the handshakes left

  void begin() {
    connects = std::make_unique<PeerHandshake>(Role::connects, connecting, connecting_secret,
                                               std::move(connecting_judge));
    accepts = std::make_unique<PeerHandshake>(Role::accepts, accepting, accepting_secret,
                                              std::move(accepting_judge));
  }
  // Hands over everything that is sent, in pieces of at most this size, until there is no more.
  void run(size_t piece_bytes = SIZE_MAX) {
    begin();
    for (bool more = true; more;) {
      more = carry(*connects, *accepts, to_accepting, piece_bytes);
      more = carry(*accepts, *connects, to_connecting, piece_bytes) || more;
    }
  }
  bool carry(PeerHandshake& from, PeerHandshake& to, std::string& sent, size_t piece_bytes) {
    const std::string bytes = from.take_output();
    sent += bytes;
    for (size_t at = 0; at < bytes.size(); at += std::min(piece_bytes, bytes.size() - at)) {
      rest += to.receive(std::string_view(bytes).substr(at, piece_bytes));
    }
    return !bytes.empty();
  }
  void expect_done() const {
    for (const auto* side : {connects.get(), accepts.get()}) {
      ASSERT_EQ(side->state(), State::done)
          << (side->state() == State::refused ? side->refusal().text : "under way");
    }
  }
  // `by` finds the fault and both know it.
  void expect_refused(Objection objection, Role by, const std::string& reason) const {
    for (const auto* side : {connects.get(), accepts.get()}) {
      ASSERT_EQ(side->state(), State::refused);
      const Refusal& refusal = side->refusal();
      EXPECT_EQ(refusal.objection, objection);
      EXPECT_EQ(refusal.by_peer, (side == connects.get()) != (by == Role::connects));
      EXPECT_TRUE(refusal.text.ends_with(reason)) << refusal.text;
      EXPECT_TRUE(refusal.text.starts_with(refusal.by_peer ? "refused by the other side, in its "
                                                             "words: "
                                                           : "refused here: "))
          << refusal.text;
    }
  }
};

TEST(PeerHandshake, HellosComeBack) {
  const PeerHello hello = full_hello_of(1);
  std::string body;
  object::ByteWriter out(body);
  hello.encode(out);
  const auto decoded = PeerHello::decode(body);
  ASSERT_TRUE(decoded);
  EXPECT_EQ(*decoded, hello);
  EXPECT_EQ(*PeerHello::decode(body + "fields of a later release"), hello);
  for (size_t size = 0; size < body.size(); ++size) {
    EXPECT_FALSE(PeerHello::decode(std::string_view(body).substr(0, size))) << size;
  }
}

TEST(PeerHandshake, SeedsAreComparedByDigests) {
  EXPECT_EQ(hash_seed_digest(7, "secret"), hash_seed_digest(7, "secret"));
  EXPECT_NE(hash_seed_digest(7, "secret"), hash_seed_digest(8, "secret"));
  EXPECT_NE(hash_seed_digest(7, "secret"), hash_seed_digest(7, ""));
  EXPECT_NE(hash_seed_digest(7, ""), 7u);
}

TEST(PeerHandshake, RefusesHellosThatCannotBe) {
  const auto refused = [](auto change) {
    PeerHello hello = full_hello_of(1);
    change(hello);
    std::string body;
    object::ByteWriter out(body);
    hello.encode(out);
    return !PeerHello::decode(body);
  };
  EXPECT_FALSE(refused([](PeerHello& h) { h.ip = ""; }));
  EXPECT_TRUE(refused([](PeerHello& h) { h.ip = "10.0.0.1 master\n"; }));
  EXPECT_TRUE(refused([](PeerHello& h) { h.version_min = 2; }));
  EXPECT_TRUE(refused([](PeerHello& h) { h.lane = static_cast<PeerLane>(3); }));
}

TEST(PeerHandshake, BothSidesLearnWhoTheOtherIs) {
  for (const size_t piece_bytes : {SIZE_MAX, size_t{7}, size_t{1}}) {
    Pair pair;
    pair.run(piece_bytes);
    pair.expect_done();
    EXPECT_EQ(pair.accepts->peer(), pair.connecting);
    PeerHello accepting = pair.accepting;
    accepting.lane = pair.connecting.lane;
    accepting.lane_index = pair.connecting.lane_index;
    EXPECT_EQ(pair.connects->peer(), accepting);
    EXPECT_EQ(pair.connects->version(), kPeerVersionMax);
    EXPECT_TRUE(pair.rest.empty());
  }
}

TEST(PeerHandshake, WhatFollowsIsNotItsOwn) {
  Pair pair;
  pair.run();
  PeerHandshake again(Role::accepts, pair.accepting, "secret", welcome);
  EXPECT_EQ(again.receive(pair.to_accepting + "frames"), "frames");
  EXPECT_EQ(again.state(), State::done);
}

TEST(PeerHandshake, AnEmptySecretWillDoIfBothHaveIt) {
  Pair pair;
  pair.connecting_secret = pair.accepting_secret = "";
  pair.run();
  pair.expect_done();
}

TEST(PeerHandshake, AnotherSecretIsFoundOutByWhoAccepts) {
  for (const auto& [connecting, accepting] :
       {std::pair("secret", "Secret"), {"", "secret"}, {"secret", ""}}) {
    Pair pair;
    pair.connecting_secret = connecting;
    pair.accepting_secret = accepting;
    pair.run();
    pair.expect_refused(Objection::secret, Role::accepts,
                        "the cluster's secret is another on the two sides");
  }
}

TEST(PeerHandshake, TheSecretNeverTravels) {
  Pair pair;
  pair.connecting_secret = pair.accepting_secret = "a secret to look for";
  pair.run();
  pair.expect_done();
  EXPECT_EQ((pair.to_accepting + pair.to_connecting).find("look for"), std::string::npos);
}

TEST(PeerHandshake, AStrangerLearnsNoMoreThanTheHello) {
  Pair pair;
  pair.begin();
  pair.accepts->receive(pair.connects->take_output());
  const std::string answer = pair.accepts->take_output();
  PeerHandshake impostor(Role::connects, pair.connecting, "guess", welcome);
  const std::string hello = impostor.take_output();
  impostor.receive(answer);
  pair.accepts->receive(impostor.take_output());
  EXPECT_EQ(pair.accepts->state(), State::refused);
  // A refusal and nothing that was made with the secret: type 3, its length, objection 5.
  EXPECT_TRUE(pair.accepts->take_output().starts_with(std::string("\x03\x31\0\x05", 4)));
}

TEST(PeerHandshake, AProofHoldsForOneHandshakeAndOneRole) {
  Pair earlier;
  earlier.run();
  earlier.expect_done();
  // Another handshake of the same node, with another nonce: what was overheard does not fit.
  PeerHello accepting = earlier.accepting;
  accepting.nonce.fill(7);
  PeerHandshake replayed(Role::accepts, accepting, "secret", welcome);
  replayed.receive(earlier.to_accepting);
  ASSERT_EQ(replayed.state(), State::refused);
  EXPECT_EQ(replayed.refusal().objection, Objection::secret);
  // Who accepts sends back the proof it was given.
  PeerHandshake connects(Role::connects, earlier.connecting, "secret", welcome);
  const size_t proof_bytes = 3 + sizeof(runtime::Sha256);
  const auto hello =
      std::string_view(earlier.to_connecting).substr(0, earlier.to_connecting.size() - proof_bytes);
  connects.receive(hello);
  const std::string sent = connects.take_output();
  connects.receive(std::string_view(sent).substr(sent.size() - proof_bytes));
  ASSERT_EQ(connects.state(), State::refused);
  EXPECT_EQ(connects.refusal().objection, Objection::secret);
}

TEST(PeerHandshake, OtherClustersAreToldSo) {
  Pair pair;
  pair.connecting.cluster_name = "order\ns";
  pair.run();
  pair.expect_refused(Objection::cluster_name, Role::accepts,
                      "the other side belongs to cluster 'order?s', this one to 'orders'");
}

TEST(PeerHandshake, ANodeDoesNotTalkToItself) {
  Pair pair;
  pair.connecting.node = pair.accepting.node;
  pair.run();
  pair.expect_refused(Objection::itself, Role::accepts,
                      "both sides are node " + object::node_id_text(pair.accepting.node));
}

TEST(PeerHandshake, UsesTheHighestCommonVersion) {
  Pair pair;
  pair.connecting.version_min = 2;
  pair.connecting.version_max = 5;
  pair.accepting.version_max = 3;
  pair.run();
  pair.expect_done();
  EXPECT_EQ(pair.connects->version(), 3);
  EXPECT_EQ(pair.accepts->version(), 3);
}

TEST(PeerHandshake, RefusesWhenNoVersionIsCommon) {
  Pair pair;
  pair.connecting.version_min = 4;
  pair.connecting.version_max = 5;
  pair.accepting.version_max = 3;
  pair.run();
  pair.expect_refused(Objection::version, Role::accepts,
                      "no common protocol version: the other side speaks 4 to 5, this one 1 to 3");
}

// Of a hello of a later version only the versions can be understood.
TEST(PeerHandshake, LooksAtTheVersionFirst) {
  PeerHandshake accepts(Role::accepts, full_hello_of(2), "", welcome);
  accepts.receive(std::string("\xf1Quorate\x01\x04\0\x07\x09??", 15));
  ASSERT_EQ(accepts.state(), State::refused);
  EXPECT_EQ(accepts.refusal().objection, Objection::version);
}

TEST(PeerHandshake, TheOwnersReasonsReachBothSides) {
  const auto removed = [](const PeerHello&) -> runtime::Status {
    return runtime::fail("the node was removed");
  };
  Pair by_accepting;
  by_accepting.accepting_judge = removed;
  by_accepting.run();
  by_accepting.expect_refused(Objection::judged, Role::accepts, "the node was removed");
  Pair by_connecting;
  by_connecting.connecting_judge = removed;
  by_connecting.run();
  by_connecting.expect_refused(Objection::judged, Role::connects, "the node was removed");
}

TEST(PeerHandshake, TheOwnerOfWhoAcceptsIsAskedOnceThePeerIsProven) {
  int asked = 0;
  const auto judge = [&asked](const PeerHello& peer) -> runtime::Status {
    ++asked;
    EXPECT_EQ(peer, full_hello_of(1));
    return {};
  };
  Pair stranger;
  stranger.connecting_secret = "guess";
  stranger.accepting_judge = judge;
  stranger.run();
  EXPECT_EQ(asked, 0);
  Pair member;
  member.accepting_judge = judge;
  member.run();
  EXPECT_EQ(asked, 1);
}

TEST(PeerHandshake, LongReasonsAreCut) {
  Pair pair;
  pair.accepting_judge = [](const PeerHello&) -> runtime::Status {
    return runtime::fail(std::string(100'000, 'x'));
  };
  pair.run();
  ASSERT_EQ(pair.connects->state(), State::refused);
  EXPECT_LT(pair.to_connecting.size(), 1000u);
  EXPECT_EQ(pair.connects->refusal().objection, Objection::judged);
}

TEST(PeerHandshake, ADeadlineEndsItInWords) {
  Pair pair;
  pair.begin();
  pair.accepts->receive(pair.connects->take_output());
  pair.accepts->refuse(Objection::deadline, "it took longer than 5 s");
  pair.connects->receive(pair.accepts->take_output());
  pair.expect_refused(Objection::deadline, Role::accepts, "it took longer than 5 s");
  EXPECT_TRUE(pair.accepts->receive("anything").empty());
}

TEST(PeerHandshake, WhoSpeaksAnotherProtocolIsNotAnswered) {
  for (const std::string_view bytes :
       {"GET / HTTP/1.1\r\n", "*1\r\n$4\r\nPING\r\n", "PING\r\n", "\x16\x03\x01", "\xf1Quorum"}) {
    for (const Role role : {Role::connects, Role::accepts}) {
      PeerHandshake side(role, full_hello_of(2), "", welcome);
      static_cast<void>(side.take_output());
      EXPECT_TRUE(side.receive(bytes).empty());
      ASSERT_EQ(side.state(), State::refused);
      EXPECT_EQ(side.refusal().objection, Objection::malformed);
      EXPECT_EQ(side.take_output(), "");
    }
  }
}

TEST(PeerHandshake, RefusesPacketsAsSoonAsTheirHeaderIsWrong) {
  const auto text_after = [](std::string_view packet) {
    PeerHandshake side(Role::accepts, full_hello_of(2), "", welcome);
    side.receive("\xf1Quorate");
    side.receive(packet);
    return side.state() == State::refused ? side.refusal().text : "under way";
  };
  EXPECT_EQ(text_after({"\x01\x01\x04", 3}), "refused here: a packet of type 1 with 1025 bytes");
  EXPECT_EQ(text_after({"\x01\0\x04", 3}), "under way");
  EXPECT_EQ(text_after({"\x02\x21\0", 3}), "refused here: a packet of type 2 with 33 bytes");
  EXPECT_EQ(text_after({"\x03\0\0", 3}), "refused here: a packet of type 3 with 0 bytes");
  EXPECT_EQ(text_after({"\xff\x01\0", 3}), "refused here: a packet of type 255 with 1 bytes");
  EXPECT_EQ(text_after({"\x02\x01\0x", 4}), "refused here: a packet out of turn");
  EXPECT_EQ(text_after({"\x01\x01\0\x01", 4}),
            "refused here: a hello that is cut or has a number out of range");
}

// Nothing that is changed on its way ends well.
TEST(PeerHandshake, NoFlippedBitGoesUnnoticed) {
  Pair whole;
  whole.run();
  whole.expect_done();
  for (size_t bit = 0; bit < whole.to_accepting.size() * 8; ++bit) {
    std::string flipped = whole.to_accepting;
    flipped[bit / 8] = static_cast<char>(flipped[bit / 8] ^ (1 << (bit % 8)));
    PeerHandshake accepts(Role::accepts, whole.accepting, "secret", welcome);
    accepts.receive(flipped);
    EXPECT_NE(accepts.state(), State::done) << bit;
  }
  for (size_t bit = 0; bit < whole.to_connecting.size() * 8; ++bit) {
    std::string flipped = whole.to_connecting;
    flipped[bit / 8] = static_cast<char>(flipped[bit / 8] ^ (1 << (bit % 8)));
    PeerHandshake connects(Role::connects, whole.connecting, "secret", welcome);
    connects.receive(flipped);
    EXPECT_NE(connects.state(), State::done) << bit;
  }
}

TEST(PeerHandshake, RandomBytesNeverCrash) {
  const auto random = runtime::make_seeded_random(1);
  Pair whole;
  whole.run();
  for (int round = 0; round < 20'000; ++round) {
    std::string bytes = whole.to_accepting.substr(0, random->below(whole.to_accepting.size() + 1));
    for (uint64_t changes = random->below(4); changes > 0 && !bytes.empty(); --changes) {
      bytes[random->below(bytes.size())] = static_cast<char>(random->next() >> random->below(64));
    }
    for (uint64_t more = random->below(40); more > 0; --more) {
      bytes += static_cast<char>(random->next());
    }
    const Role role = random->below(2) == 0 ? Role::accepts : Role::connects;
    PeerHandshake side(role, whole.accepting, "secret", welcome);
    const auto rest = side.receive(bytes);
    EXPECT_LE(rest.size(), bytes.size());
    EXPECT_TRUE(side.state() == State::done || rest.empty());
  }
}

// ---- looking at the first bytes

std::string hello_bytes(const PeerHello& hello) {
  PeerHandshake handshake(Role::connects, hello, "", welcome);
  return handshake.take_output();
}

TEST(PeekLane, TellsTheLaneAsSoonAsItsBytesAreThere) {
  for (const PeerLane lane : {PeerLane::gossip, PeerLane::data, PeerLane::bulk}) {
    PeerHello hello = full_hello_of(1);
    hello.lane = lane;
    hello.lane_index = 777;
    const std::string bytes = hello_bytes(hello);
    bool known = false;
    for (size_t size = 0; size <= bytes.size(); ++size) {
      const LaneRequest request = peek_lane(std::string_view(bytes).substr(0, size));
      EXPECT_NE(request.state, LaneRequest::State::other) << size;
      if (request.state == LaneRequest::State::incomplete) {
        EXPECT_FALSE(known) << "what was known stays known";
        continue;
      }
      known = true;
      EXPECT_EQ(request.lane, lane);
      EXPECT_EQ(request.index, 777);
    }
    EXPECT_TRUE(known);
  }
}

TEST(PeekLane, TheLongestHelloIsKnownWithinItsLimit) {
  PeerHello hello = full_hello_of(2);
  hello.cluster_name.assign(kClusterNameBytesMax, 'n');
  hello.epoch = UINT32_MAX;
  const std::string bytes = hello_bytes(hello).substr(0, kLanePeekBytes);
  EXPECT_EQ(peek_lane(bytes).state, LaneRequest::State::known);
}

TEST(PeekLane, WhatIsNoHelloIsNotWaitedFor) {
  const std::string bytes = hello_bytes(full_hello_of(1));
  std::string proof = bytes;
  proof[8] = 2;
  std::string endless = bytes.substr(0, 11) + std::string(kLanePeekBytes, '\xff');
  endless.resize(kLanePeekBytes);
  for (const std::string& other :
       {std::string("PING\r\n"), std::string("*1\r\n$4\r\nPING\r\n"), proof, endless}) {
    EXPECT_EQ(peek_lane(other).state, LaneRequest::State::other);
  }
  std::string cut = bytes;
  cut[9] = 4;  // bytes of the body: not enough for a lane, and no more will come
  cut[10] = 0;
  EXPECT_EQ(peek_lane(cut).state, LaneRequest::State::other);
}

}  // namespace
}  // namespace quorate::cluster
