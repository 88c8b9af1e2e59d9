#include "server/peer_door.h"

#include <gtest/gtest.h>
#include <optional>

#include "quorate/cluster/peer_handshake.h"

#include "server/loop_client.h"

namespace quorate::server {
namespace {

std::string hello_for(cluster::PeerLane lane, uint16_t index) {
  cluster::PeerHello hello;
  hello.lane = lane;
  hello.lane_index = index;
  cluster::PeerHandshake handshake(cluster::PeerHandshake::Role::connects, hello, "",
                                   [](const auto&) { return runtime::Status(); });
  return handshake.take_output();
}

class PeerDoorTest : public testing::Test {
 protected:
  // What comes in when someone sends these bytes; runs until then.
  void knock(const std::string& bytes) {
    LoopClient client(*loop_, listener_->port(), bytes);
    run_loop_until(*loop_, [&] { return gossip_ + data_ > 0 || client.ended(); });
  }
  void note(int descriptor) { runtime::refuse_socket(descriptor, {}); }

  std::unique_ptr<runtime::UvLoop> loop_ = runtime::UvLoop::make();
  unsigned gossip_ = 0, data_ = 0;
  std::optional<cluster::PeerLane> lane_;
  std::optional<unsigned> index_;
  PeerDoor door_{*loop_,
                 {[this](int descriptor) {
                    ++gossip_;
                    note(descriptor);
                  },
                  [this](const cluster::LaneRequest& request, int descriptor) {
                    ++data_;
                    lane_ = request.lane;
                    index_ = request.index;
                    note(descriptor);
                  }}};
  std::unique_ptr<runtime::Listener> listener_ =
      std::move(*loop_->listen_tcp("127.0.0.1", 0, 16, [this](int socket) { door_.take(socket); }));
};

TEST_F(PeerDoorTest, GossipIsForThisThread) {
  knock(hello_for(cluster::PeerLane::gossip, 0));
  EXPECT_EQ(gossip_, 1U);
  EXPECT_EQ(data_, 0U);
}

TEST_F(PeerDoorTest, DataIsForTheShardItAsksFor) {
  knock(hello_for(cluster::PeerLane::data, 3));
  EXPECT_EQ(data_, 1U);
  EXPECT_EQ(lane_, cluster::PeerLane::data);
  EXPECT_EQ(index_, 3U);
}

TEST_F(PeerDoorTest, BulkIsForAShardToo) {
  knock(hello_for(cluster::PeerLane::bulk, 2));
  EXPECT_EQ(lane_, cluster::PeerLane::bulk);
  EXPECT_EQ(index_, 2U);
}

TEST_F(PeerDoorTest, WhatIsNoHelloIsAnsweredByGossip) {
  knock("PING\r\n");
  EXPECT_EQ(gossip_, 1U);
}

TEST_F(PeerDoorTest, WhoSaysNothingIsLetGo) {
  knock("");
  EXPECT_EQ(gossip_ + data_, 0U);
}

}  // namespace
}  // namespace quorate::server
