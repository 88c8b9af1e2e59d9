#include "quorate/cluster/peer_link.h"

#include <array>
#include <gtest/gtest.h>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "quorate/runtime/uv_loop.h"

#include "cluster/owned_message.h"
#include "sim/sim_link.h"

namespace quorate::cluster {
namespace {

using Role = PeerHandshake::Role;
using Side = sim::SimLink::Side;

// Notes what its link tells it.
class Owner final : public PeerLinkOwner {
 public:
  runtime::Status judge(PeerLink&, const PeerHello&) override {
    if (!objection.empty()) return runtime::fail(objection);
    return {};
  }
  void on_ready(PeerLink& link) override {
    EXPECT_TRUE(link.ready());
    ++readies;
  }
  void on_message(PeerLink& link, uint8_t type, std::string_view body) override {
    EXPECT_EQ(readies, 1);
    got.push_back({type, std::string(body)});
    if (type == close_on) link.close("enough");
  }
  void on_frame_end(PeerLink&) override { frame_ends.push_back(got.size()); }
  void on_closed(PeerLink&, const std::string& reason) override {
    EXPECT_TRUE(closed.empty()) << "told twice";
    closed = reason;
  }

  std::string objection;
  int close_on = -1;  // a type of message
  int readies = 0;
  std::vector<OwnedMessage> got;
  std::vector<size_t> frame_ends;  // how many messages had come by then
  std::string closed;
};

PeerHello short_hello_of(uint8_t node) {
  PeerHello hello;
  hello.cluster_name = "orders";
  hello.node.fill(node);
  hello.nonce.fill(static_cast<uint8_t>(node + 100));
  return hello;
}

// One node with one link.
struct Node {
  std::unique_ptr<sim::SimLoop> loop;
  Owner owner;
  std::array<char, 65536> buffer{};
  PeerLinkSettings settings{.secret = "secret", .read_buffer = buffer};
  std::unique_ptr<PeerLink> link;
  bool sent = false;  // in this turn

  Node(sim::SimWorld& world, uint32_t id) : loop(world.make_loop(id)) {
    loop->set_turn_end([this] {
      if (std::exchange(sent, false) && link) link->flush();
    });
  }
  void begin(Role role, std::unique_ptr<runtime::Stream> stream) {
    const auto id = static_cast<uint8_t>(loop->node());
    link = std::make_unique<PeerLink>(role, std::move(stream), short_hello_of(id), settings, *loop,
                                      owner);
  }
  SendResult send(uint8_t type, const std::string& body) {
    sent = true;
    return link->send(type, [&body](std::string& out) { out += body; });
  }
  // In one turn.
  void send_in_turn(const std::vector<OwnedMessage>& messages) {
    loop->post([this, messages] {
      for (const OwnedMessage& message : messages) {
        EXPECT_EQ(send(message.type, message.body), SendResult::queued);
      }
    });
  }
};

// The other end of a link as a bare stream, which does as it is told.
class BarePeer final : public runtime::StreamHandler {
 public:
  explicit BarePeer(std::unique_ptr<runtime::Stream> stream) : stream_(std::move(stream)) {
    stream_->start(*this);
  }
  std::span<char> read_buffer() override { return buffer_; }
  void on_read(size_t size) override {
    const std::string_view bytes(buffer_.data(), size);
    if (handshake == nullptr) {
      got += bytes;
      return;
    }
    got += handshake->receive(bytes);
    write(handshake->take_output());
  }
  void on_drained() override {}
  void on_closed() override { closed = true; }
  void write(std::string_view bytes) { EXPECT_EQ(stream_->try_write(bytes), bytes.size()); }
  void pause() { stream_->pause_reading(); }

  std::unique_ptr<PeerHandshake> handshake;
  std::string got;
  bool closed = false;

 private:
  std::unique_ptr<runtime::Stream> stream_;
  std::array<char, 4096> buffer_{};
};

class PeerLinkTest : public testing::Test {
 protected:
  void make_wire(sim::SimLink::Options options = {}) {
    wire_ = std::make_unique<sim::SimLink>(world_, *one_.loop, *two_.loop, options);
  }
  void begin(sim::SimLink::Options options = {}) {
    make_wire(options);
    one_.begin(Role::connects, wire_->take(Side::first));
    two_.begin(Role::accepts, wire_->take(Side::second));
  }
  void connect(sim::SimLink::Options options = {}) {
    begin(options);
    ASSERT_TRUE(world_.run_until([&] { return one_.link->ready() && two_.link->ready(); },
                                 world_.now_us() + sim::kPatienceUs))
        << one_.owner.closed << "; " << two_.owner.closed;
  }
  // The second node has a bare end; if `shakes_hands`, the connection gets ready.
  void connect_bare(bool shakes_hands) {
    make_wire();
    one_.begin(Role::connects, wire_->take(Side::first));
    bare_ = std::make_unique<BarePeer>(wire_->take(Side::second));
    if (!shakes_hands) return;
    bare_->handshake =
        std::make_unique<PeerHandshake>(Role::accepts, short_hello_of(2), "secret",
                                        [](const PeerHello&) { return runtime::Status{}; });
    ASSERT_TRUE(run_until([&] { return one_.link->ready(); })) << one_.owner.closed;
  }
  bool run_until(const std::function<bool()>& done) {
    return world_.run_until(done, world_.now_us() + sim::kPatienceUs);
  }
  bool run_until_closed(const Owner& owner) {
    return run_until([&] { return !owner.closed.empty(); });
  }

  sim::SimWorld world_{1};
  Node one_{world_, 1}, two_{world_, 2};
  std::unique_ptr<BarePeer> bare_;
  std::unique_ptr<sim::SimLink> wire_;
};

TEST_F(PeerLinkTest, BothEndsLearnWhoTheOtherIs) {
  connect();
  EXPECT_EQ(one_.owner.readies, 1);
  EXPECT_EQ(two_.owner.readies, 1);
  EXPECT_EQ(one_.link->peer(), short_hello_of(2));
  EXPECT_EQ(two_.link->peer(), short_hello_of(1));
  EXPECT_EQ(two_.link->version(), kPeerVersionMax);
  EXPECT_EQ(two_.link->peer_address(), "10.0.0.1:50001");
  const auto sent = one_.link->statistics();
  EXPECT_GT(sent.bytes_out, 0u);
  EXPECT_EQ(sent.bytes_out, two_.link->statistics().bytes_in);
}

TEST_F(PeerLinkTest, WhatATurnSendsIsOneFrame) {
  connect();
  const std::vector<OwnedMessage> first{{1, "a"}, {2, ""}, {255, std::string(3000, 'x')}};
  const std::vector<OwnedMessage> second{{3, "b"}};
  one_.send_in_turn(first);
  ASSERT_TRUE(run_until([&] { return two_.owner.got.size() == 3; }));
  one_.send_in_turn(second);
  ASSERT_TRUE(run_until([&] { return two_.owner.got.size() == 4; }));
  EXPECT_EQ(two_.owner.got, (std::vector<OwnedMessage>{first[0], first[1], first[2], second[0]}));
  EXPECT_EQ(two_.owner.frame_ends, (std::vector<size_t>{3, 4}));
  const auto in = two_.link->statistics();
  EXPECT_EQ(in.frames_in, 2u);
  EXPECT_EQ(in.messages_in, 4u);
  const auto out = one_.link->statistics();
  EXPECT_EQ(out.frames_out, 2u);
  EXPECT_EQ(out.messages_out, 4u);
  EXPECT_EQ(out.bytes_out, in.bytes_in);
  EXPECT_EQ(one_.link->queued_bytes(), 0u);
}

TEST_F(PeerLinkTest, NothingIsSentBeforeItIsReady) {
  begin();
  EXPECT_EQ(one_.send(1, "too soon"), SendResult::not_ready);
  EXPECT_EQ(two_.send(1, "too soon"), SendResult::not_ready);
}

TEST_F(PeerLinkTest, WhatIsSentDuringAWriteSharesTheNextFrame) {
  connect({.delay = {1000, 1000}, .window_bytes = 64 * 1024});
  one_.send_in_turn({{1, std::string(300'000, 'x')}});
  world_.run_for(1500);
  EXPECT_GT(one_.link->queued_bytes(), 200'000u) << "the window is smaller";
  for (int i = 0; i < 5; ++i) {
    one_.send_in_turn({{2, "later"}});
    world_.run_for(100);
  }
  ASSERT_TRUE(run_until([&] { return two_.owner.got.size() == 6; }));
  EXPECT_EQ(two_.owner.frame_ends, (std::vector<size_t>{1, 6}));
  EXPECT_EQ(one_.link->queued_bytes(), 0u);
}

TEST_F(PeerLinkTest, APeerThatDoesNotReadCostsNoMoreThanTheBound) {
  one_.settings.queued_bytes_max = 1 << 20;
  connect();
  wire_->partition(Side::second);  // what it reads it cannot acknowledge
  const std::string body(10'000, 'x');
  size_t queued = 0;
  SendResult last = SendResult::queued;
  while (last == SendResult::queued) {
    one_.loop->post([&] {
      last = one_.send(1, body);
      if (last == SendResult::queued) ++queued;
    });
    world_.run_for(1000);
    ASSERT_LE(one_.link->queued_bytes(), (1u << 20) + body.size() + 100);
  }
  EXPECT_EQ(last, SendResult::overflow);
  EXPECT_EQ(one_.link->statistics().overflows, 1u);
  EXPECT_GT(queued, 100u);
  // What was queued is not lost when the peer comes back.
  wire_->heal();
  ASSERT_TRUE(run_until([&] { return two_.owner.got.size() == queued; }));
  EXPECT_EQ(one_.send(1, body), SendResult::queued);
}

TEST_F(PeerLinkTest, WhatGathersForAPeerThatStandsStillComesWholeAndInOrder) {
  connect();
  wire_->partition(Side::second);
  std::vector<OwnedMessage> sent;
  size_t bytes = 0;
  for (int i = 0; i < 600; ++i) {
    sent.push_back({static_cast<uint8_t>(1 + i % 3), std::to_string(i)});
    sent.back().body.append(static_cast<size_t>(i * 131 % 30'000), 'x');
    bytes += sent.back().body.size();
    one_.send_in_turn({sent.back()});
    world_.run_for(100);
  }
  EXPECT_GT(one_.link->queued_bytes(), bytes / 2) << "what the wire takes is little";
  EXPECT_LT(one_.link->queued_bytes(), bytes + sent.size() * 100);
  wire_->heal();
  ASSERT_TRUE(run_until([&] { return two_.owner.got.size() == sent.size(); }));
  EXPECT_EQ(two_.owner.got, sent);
  EXPECT_EQ(one_.link->queued_bytes(), 0u);
  one_.send_in_turn({{9, "after"}});
  ASSERT_TRUE(run_until([&] { return two_.owner.got.size() == sent.size() + 1; }));
}

TEST_F(PeerLinkTest, TakesMessagesUpToTheLimit) {
  one_.settings.body_bytes_max = 6 << 20;
  connect();
  one_.loop->post([&] {
    EXPECT_EQ(one_.send(1, std::string((6 << 20) + 1, 'x')), SendResult::too_long);
    EXPECT_EQ(one_.send(2, std::string(5 << 20, 'y')), SendResult::queued);
  });
  ASSERT_TRUE(run_until([&] { return !two_.owner.got.empty(); }));
  EXPECT_EQ(two_.owner.got, (std::vector<OwnedMessage>{{2, std::string(5 << 20, 'y')}}));
}

TEST_F(PeerLinkTest, BothOwnersHearWhyThePeerWasRefused) {
  two_.owner.objection = "the node was removed";
  begin();
  ASSERT_TRUE(run_until_closed(one_.owner));
  ASSERT_TRUE(run_until_closed(two_.owner));
  EXPECT_EQ(two_.owner.closed, "refused here: the node was removed");
  EXPECT_EQ(one_.owner.closed, "refused by the other side, in its words: the node was removed");
  EXPECT_EQ(one_.owner.readies + two_.owner.readies, 0);
  ASSERT_TRUE(one_.link->refusal());
  EXPECT_EQ(one_.link->refusal()->objection, Objection::judged);
}

TEST_F(PeerLinkTest, AnotherSecretIsRefused) {
  one_.settings.secret = "";
  begin();
  ASSERT_TRUE(run_until_closed(one_.owner));
  ASSERT_TRUE(run_until_closed(two_.owner));
  for (const Node* node : {&one_, &two_}) {
    EXPECT_EQ(node->link->refusal()->objection, Objection::secret);
  }
}

TEST_F(PeerLinkTest, AHandshakeHasADeadline) {
  connect_bare(false);
  world_.run_until(world_.now_us() + one_.settings.handshake_timeout_us - 1000);
  EXPECT_TRUE(one_.owner.closed.empty());
  world_.run_for(2000);
  EXPECT_EQ(one_.owner.closed, "refused here: the handshake took longer than 5000 ms");
  world_.run_for(2000);
  EXPECT_TRUE(bare_->closed);
}

TEST_F(PeerLinkTest, ADeadlineDoesNotEndWhatIsReady) {
  connect();
  world_.run_for(10 * one_.settings.handshake_timeout_us);
  EXPECT_TRUE(one_.link->ready());
  EXPECT_TRUE(two_.link->ready());
}

TEST_F(PeerLinkTest, WhoSpeaksAnotherProtocolIsClosed) {
  connect_bare(false);
  bare_->write("*1\r\n$4\r\nPING\r\n");
  ASSERT_TRUE(run_until_closed(one_.owner));
  EXPECT_EQ(one_.owner.closed, "refused here: the other side does not speak the peer protocol");
}

TEST_F(PeerLinkTest, AMalformedFrameEndsTheLink) {
  connect_bare(true);
  std::string bytes;
  FrameWriter writer(bytes);
  ASSERT_TRUE(writer.add(7, [](std::string& out) { out += "good"; }));
  writer.seal();
  std::string damaged = bytes;
  damaged.back() = 'D';
  bare_->write(bytes + damaged + bytes);
  ASSERT_TRUE(run_until_closed(one_.owner));
  EXPECT_EQ(one_.owner.closed, "malformed frame: a frame's checksum is wrong");
  EXPECT_EQ(one_.owner.got, (std::vector<OwnedMessage>{{7, "good"}}));
}

TEST_F(PeerLinkTest, FramesMayFollowTheHandshakeAtOnce) {
  make_wire({.delay = {100, 100}});
  one_.begin(Role::connects, wire_->take(Side::first));
  two_.begin(Role::accepts, wire_->take(Side::second));
  ASSERT_TRUE(run_until([&] { return two_.link->ready(); }));
  EXPECT_FALSE(one_.link->ready()) << "who accepts is ready first";
  two_.send_in_turn({{1, "at once"}});
  ASSERT_TRUE(run_until([&] { return !one_.owner.got.empty(); }));
  EXPECT_EQ(one_.owner.got, (std::vector<OwnedMessage>{{1, "at once"}}));
}

TEST_F(PeerLinkTest, AnOwnerMayCloseInTheMiddleOfAFrame) {
  connect();
  two_.owner.close_on = 2;
  one_.send_in_turn({{1, ""}, {2, ""}, {3, ""}});
  ASSERT_TRUE(run_until_closed(two_.owner));
  ASSERT_TRUE(run_until_closed(one_.owner));
  EXPECT_EQ(two_.owner.closed, "enough");
  EXPECT_EQ(one_.owner.closed, "the connection ended");
  EXPECT_EQ(two_.owner.got.size(), 2u);
  EXPECT_TRUE(two_.owner.frame_ends.empty());
  EXPECT_EQ(two_.send(1, ""), SendResult::not_ready);
}

TEST_F(PeerLinkTest, ACutIsReportedOnceOnBothSides) {
  connect();
  one_.send_in_turn({{1, "lost"}});
  wire_->cut();
  world_.run_for(sim::kPatienceUs);
  EXPECT_EQ(one_.owner.closed, "the connection ended");
  EXPECT_EQ(two_.owner.closed, "the connection ended");
  EXPECT_TRUE(two_.owner.got.empty());
}

TEST_F(PeerLinkTest, LettingALinkGoEndsItForThePeer) {
  connect();
  one_.link.reset();
  ASSERT_TRUE(run_until_closed(two_.owner));
  EXPECT_TRUE(one_.owner.closed.empty());
}

// What was sent arrives, in order and unchanged, whatever the wire does short of ending.
std::string exchange(uint64_t seed) {
  sim::SimWorld world(seed);
  Node one(world, 1);
  Node two(world, 2);
  runtime::Random& random = world.random();
  const sim::SimLink::Options options{.delay = {10, 10 + random.below(3000)},
                                      .window_bytes = 1000 + random.below(200'000)};
  sim::SimLink wire(world, *one.loop, *two.loop, options);
  one.begin(Role::connects, wire.take(Side::first));
  two.begin(Role::accepts, wire.take(Side::second));
  world.run_for(1'000'000);
  if (!one.link->ready() || !two.link->ready()) return "no connection";
  std::vector<OwnedMessage> from_one;
  std::vector<OwnedMessage> from_two;
  for (int step = 0; step < 60; ++step) {
    Node& node = random.below(2) == 0 ? one : two;
    std::vector<OwnedMessage> messages(1 + random.below(8));
    for (OwnedMessage& message : messages) {
      message.type = static_cast<uint8_t>(random.next());
      message.body.assign(random.below(random.below(5) == 0 ? 90'000 : 300), 'x');
      if (!message.body.empty()) message.body.back() = static_cast<char>(random.next());
    }
    auto& sent = &node == &one ? from_one : from_two;
    sent.insert(sent.end(), messages.begin(), messages.end());
    node.send_in_turn(messages);
    if (random.below(10) == 0) wire.partition(random.below(2) == 0 ? Side::first : Side::second);
    if (random.below(3) == 0) wire.heal();
    world.run_for(random.below(20'000));
  }
  wire.heal();
  world.run_for(60'000'000);
  if (two.owner.got != from_one) return "the second got something else";
  if (one.owner.got != from_two) return "the first got something else";
  if (one.link->statistics().bytes_out != two.link->statistics().bytes_in) return "bytes";
  return one.owner.closed + two.owner.closed;
}

TEST(PeerLink, CarriesEverythingOverAnyWire) {
  for (uint64_t seed = 1; seed <= 100; ++seed) ASSERT_EQ(exchange(seed), "") << "seed " << seed;
}

// The same over TCP.
TEST(PeerLink, WorksOverSockets) {
  constexpr size_t kMessages = 20'000;
  const auto loop = runtime::UvLoop::make();
  std::array<char, 65536> buffer{};
  const PeerLinkSettings settings{.secret = "secret", .read_buffer = buffer};
  Owner accepting;
  Owner connecting;
  std::unique_ptr<PeerLink> accepted;
  std::unique_ptr<PeerLink> connected;
  const auto listener = loop->listen_tcp("127.0.0.1", 0, 16, [&](int descriptor) {
    auto stream = loop->adopt_socket(descriptor, 0);
    ASSERT_TRUE(stream);
    accepted = std::make_unique<PeerLink>(Role::accepts, std::move(*stream), short_hello_of(2),
                                          settings, *loop, accepting);
  });
  ASSERT_TRUE(listener);
  const auto pending = loop->connect_tcp(
      "127.0.0.1", (*listener)->port(), 5'000'000,
      [&](runtime::Result<std::unique_ptr<runtime::Stream>> stream) {
        ASSERT_TRUE(stream) << stream.error().message;
        connected = std::make_unique<PeerLink>(Role::connects, std::move(*stream),
                                               short_hello_of(1), settings, *loop, connecting);
      });
  const auto patience = loop->start_timer(60'000'000, 0, [&] { loop->stop(); });
  size_t sent = 0;
  loop->set_turn_end([&] {
    if (connected == nullptr || !connected->ready()) return;
    for (int i = 0; i < 1000 && sent < kMessages; ++i, ++sent) {
      EXPECT_EQ(connected->send(9, [&](std::string& out) { out.append(sent % 500, 'x'); }),
                SendResult::queued);
    }
    connected->flush();
    if (accepting.got.size() == kMessages) loop->stop();
    loop->post([] {});
  });
  loop->run();
  ASSERT_EQ(accepting.got.size(), kMessages);
  for (size_t i = 0; i < kMessages; ++i) ASSERT_EQ(accepting.got[i].body.size(), i % 500);
  EXPECT_EQ(accepted->statistics().bytes_in, connected->statistics().bytes_out);
  accepted.reset();
  connected.reset();
}

}  // namespace
}  // namespace quorate::cluster
