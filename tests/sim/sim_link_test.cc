#include "sim/sim_link.h"

#include <array>
#include <gtest/gtest.h>
#include <memory>
#include <string>
#include <vector>

namespace quorate::sim {
namespace {

using Side = SimLink::Side;

class End final : public runtime::StreamHandler {
 public:
  explicit End(std::unique_ptr<runtime::Stream> stream) : stream(std::move(stream)) {
    this->stream->start(*this);
  }
  std::span<char> read_buffer() override { return buffer_; }
  void on_read(size_t size) override {
    got.append(buffer_.data(), size);
    pieces.push_back(size);
  }
  void on_drained() override { ++drained; }
  void on_closed() override { ++closed; }

  std::unique_ptr<runtime::Stream> stream;
  std::string got;
  std::vector<size_t> pieces;
  int drained = 0;
  int closed = 0;

 private:
  std::array<char, 1000> buffer_{};
};

std::string numbered(size_t size) {
  std::string bytes;
  for (size_t i = 0; bytes.size() < size; ++i) bytes += std::to_string(i) + ' ';
  bytes.resize(size);
  return bytes;
}

class SimLinkTest : public testing::Test {
 protected:
  void connect(SimLink::Options options = {}, uint64_t seed = 1) {
    first_.reset();
    second_.reset();
    loops_ = {};
    world_ = std::make_unique<SimWorld>(seed);
    loops_[0] = world_->make_loop(1);
    loops_[1] = world_->make_loop(2);
    link_ = std::make_unique<SimLink>(*world_, *loops_[0], *loops_[1], options);
    first_ = std::make_unique<End>(link_->take(Side::first));
    second_ = std::make_unique<End>(link_->take(Side::second));
  }

  std::unique_ptr<SimWorld> world_;
  std::array<std::unique_ptr<SimLoop>, 2> loops_;
  std::unique_ptr<SimLink> link_;
  std::unique_ptr<End> first_, second_;
};

TEST_F(SimLinkTest, CarriesBytesInOrderAndInOtherPieces) {
  connect({.delay = {10, 5000}});
  const std::string bytes = numbered(50'000);
  std::vector<size_t> sent;
  for (size_t at = 0; at < bytes.size();) {
    sent.push_back(first_->stream->try_write(std::string_view(bytes).substr(at, 700)));
    at += sent.back();
    world_->run_for(300);
  }
  world_->run_for(100'000);
  EXPECT_EQ(second_->got, bytes);
  EXPECT_NE(second_->pieces, sent);
  EXPECT_TRUE(first_->got.empty());
}

TEST_F(SimLinkTest, TakesNoMoreThanAWindowUntilItIsRead) {
  connect({.window_bytes = 3000});
  const std::string bytes = numbered(20'000);
  second_->stream->pause_reading();
  world_->run_for(10'000);
  EXPECT_EQ(first_->stream->try_write(bytes), 3000u);
  EXPECT_EQ(first_->stream->try_write(bytes), 0u);
  first_->stream->write(std::string_view(bytes).substr(3000));
  world_->run_for(100'000);
  EXPECT_TRUE(second_->got.empty());
  EXPECT_EQ(first_->drained, 0);
  second_->stream->resume_reading();
  world_->run_for(100'000);
  EXPECT_EQ(second_->got, bytes);
  EXPECT_EQ(first_->drained, 1);
}

TEST_F(SimLinkTest, APartitionHoldsOneDirectionBackUntilItHeals) {
  connect();
  link_->partition(Side::first);
  EXPECT_EQ(first_->stream->try_write("held"), 4u);
  EXPECT_EQ(second_->stream->try_write("passes"), 6u);
  world_->run_for(1'000'000);
  EXPECT_EQ(second_->got, "");
  EXPECT_EQ(first_->got, "passes");
  link_->heal();
  EXPECT_EQ(first_->stream->try_write(" back"), 5u);
  world_->run_for(1'000'000);
  EXPECT_EQ(second_->got, "held back");
}

TEST_F(SimLinkTest, APartitionHoldsAcknowledgementsAndTheEndToo) {
  connect({.window_bytes = 10});
  link_->partition(Side::second);
  EXPECT_EQ(first_->stream->try_write("0123456789"), 10u);
  world_->run_for(1'000'000);
  EXPECT_EQ(second_->got, "0123456789");
  EXPECT_EQ(first_->stream->try_write("more"), 0u) << "nobody has said that it was read";
  second_->stream->close();
  world_->run_for(1'000'000);
  EXPECT_EQ(second_->closed, 1);
  EXPECT_EQ(first_->closed, 0);
  link_->heal();
  world_->run_for(1'000'000);
  EXPECT_EQ(first_->closed, 1);
}

TEST_F(SimLinkTest, TheEndComesBehindTheBytes) {
  connect();
  const std::string bytes = numbered(5000);
  EXPECT_EQ(first_->stream->try_write(bytes), bytes.size());
  first_->stream->close();
  EXPECT_EQ(first_->stream->try_write("late"), 0u);
  EXPECT_EQ(first_->closed, 0) << "on a later turn";
  world_->run_for(1'000'000);
  EXPECT_EQ(second_->got, bytes);
  EXPECT_EQ(first_->closed, 1);
  EXPECT_EQ(second_->closed, 1);
}

TEST_F(SimLinkTest, ADestroyedEndIsClosed) {
  connect();
  first_.reset();
  EXPECT_EQ(second_->stream->try_write("to nobody"), 9u);
  world_->run_for(1'000'000);
  EXPECT_EQ(second_->closed, 1);
}

TEST_F(SimLinkTest, ACutLosesWhatIsUnderWay) {
  connect();
  EXPECT_EQ(first_->stream->try_write("lost"), 4u);
  link_->cut();
  first_->stream->close();
  world_->run_for(1'000'000);
  EXPECT_EQ(second_->got, "");
  EXPECT_EQ(first_->closed, 1);
  EXPECT_EQ(second_->closed, 1);
}

TEST_F(SimLinkTest, ACrashedNodeHearsNothing) {
  connect();
  EXPECT_EQ(first_->stream->try_write("too late"), 8u);
  link_->partition();
  world_->crash(2);
  world_->run_for(1'000'000);
  EXPECT_EQ(second_->got, "");
  EXPECT_EQ(first_->closed, 0) << "a machine without power says no goodbye";
}

TEST_F(SimLinkTest, ASeedReplays) {
  const auto history = [&](uint64_t seed) {
    connect({.delay = {10, 2000}}, seed);
    const std::string bytes = numbered(20'000);
    std::vector<uint64_t> events;
    for (size_t at = 0; at < bytes.size(); at += 500) {
      first_->stream->try_write(std::string_view(bytes).substr(at, 500));
      world_->run_for(200);
      events.push_back(second_->got.size());
    }
    events.insert(events.end(), second_->pieces.begin(), second_->pieces.end());
    return events;
  };
  EXPECT_EQ(history(1), history(1));
  EXPECT_NE(history(1), history(2));
}

}  // namespace
}  // namespace quorate::sim
