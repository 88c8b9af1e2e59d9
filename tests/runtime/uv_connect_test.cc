#include <arpa/inet.h>
#include <array>
#include <cerrno>
#include <gtest/gtest.h>
#include <optional>
#include <string>
#include <sys/socket.h>
#include <unistd.h>
#include <utility>
#include <vector>

#include "quorate/runtime/uv_loop.h"

namespace quorate::runtime {
namespace {

constexpr uint64_t kPatienceUs = 60'000'000;
constexpr std::string_view kGreeting = "a greeting";

// Ends the loop once the greeting has arrived.
class Greeted final : public StreamHandler {
 public:
  Greeted(UvLoop& loop, std::unique_ptr<Stream> stream) : loop_(loop), stream_(std::move(stream)) {
    stream_->start(*this);
  }
  std::span<char> read_buffer() override { return buffer_; }
  void on_read(size_t size) override {
    got.append(buffer_.data(), size);
    if (got.size() == kGreeting.size()) loop_.stop();
  }
  void on_drained() override {}
  void on_closed() override { loop_.stop(); }
  std::string got;

 private:
  UvLoop& loop_;
  std::unique_ptr<Stream> stream_;
  std::array<char, 64> buffer_{};
};

int bound_socket(sockaddr_in& address) {
  const int descriptor = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  address = {};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  EXPECT_EQ(bind(descriptor, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  socklen_t length = sizeof address;
  EXPECT_EQ(getsockname(descriptor, reinterpret_cast<sockaddr*>(&address), &length), 0);
  return descriptor;
}

class UvConnect : public testing::Test {
 protected:
  // What connecting came to; runs a loop until then.
  static Result<std::unique_ptr<Stream>> connect(const std::string& host, uint16_t port,
                                                 uint64_t timeout_us = kPatienceUs) {
    const auto loop = UvLoop::make();
    std::optional<Result<std::unique_ptr<Stream>>> result;
    std::unique_ptr<PendingConnection> pending;
    pending = loop->connect_tcp(host, port, timeout_us, [&](Result<std::unique_ptr<Stream>> got) {
      EXPECT_FALSE(result) << "called twice";
      result = std::move(got);
      pending.reset();
      loop->stop();
    });
    EXPECT_FALSE(result) << "called before the caller has what cancels it";
    loop->run();
    return std::move(*result);
  }

  void greets_through(const std::string& host) {
    std::unique_ptr<Greeted> greeted;
    std::unique_ptr<PendingConnection> pending;
    const auto listener = loop_->listen_tcp("127.0.0.1", 0, 16, [&](int descriptor) {
      auto accepted = loop_->adopt_socket(descriptor, 0);
      ASSERT_TRUE(accepted);
      greeted = std::make_unique<Greeted>(*loop_, std::move(*accepted));
    });
    ASSERT_TRUE(listener);
    std::unique_ptr<Stream> stream;
    pending = loop_->connect_tcp(host, (*listener)->port(), kPatienceUs,
                                 [&](Result<std::unique_ptr<Stream>> got) {
                                   ASSERT_TRUE(got) << got.error().message;
                                   stream = std::move(*got);
                                   EXPECT_EQ(stream->try_write(kGreeting), kGreeting.size());
                                 });
    loop_->run();
    ASSERT_TRUE(greeted);
    EXPECT_EQ(greeted->got, kGreeting);
    EXPECT_EQ(stream->peer_address(), "127.0.0.1:" + std::to_string((*listener)->port()));
  }

  const std::unique_ptr<UvLoop> loop_ = UvLoop::make();
};

TEST_F(UvConnect, ReachesAnAddress) { greets_through("127.0.0.1"); }

// Where the name stands for ::1 too, that is refused first.
TEST_F(UvConnect, ReachesAName) { greets_through("localhost"); }

TEST_F(UvConnect, SaysThatNobodyListens) {
  sockaddr_in address{};
  const int reserved = bound_socket(address);
  const auto result = connect("127.0.0.1", ntohs(address.sin_port));
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().code, ECONNREFUSED);
  EXPECT_EQ(result.error().message,
            "connecting to 127.0.0.1:" + std::to_string(ntohs(address.sin_port)) +
                ": Connection refused");
  close(reserved);
}

// One label too long for any resolver, one name too long even to ask.
TEST_F(UvConnect, SaysThatANameMeansNothing) {
  for (const size_t length : {70, 5000}) {
    const auto result = connect(std::string(length, 'x'), 7000);
    ASSERT_FALSE(result);
    EXPECT_EQ(result.error().code, EADDRNOTAVAIL) << result.error().message;
  }
}

TEST_F(UvConnect, GivesUpWhenNobodyAnswersInTime) {
  sockaddr_in address{};
  const int silent = bound_socket(address);
  ASSERT_EQ(listen(silent, 0), 0);
  // Once its queue is full, the kernel answers no further one.
  std::vector<int> others;
  for (int i = 0; i < 8; ++i) {
    others.push_back(socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    const int code =
        ::connect(others.back(), reinterpret_cast<sockaddr*>(&address), sizeof address);
    EXPECT_TRUE(code == 0 || errno == EINPROGRESS);
  }
  const auto result = connect("127.0.0.1", ntohs(address.sin_port), 20'000);
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().code, ETIMEDOUT);
  for (const int other : others) close(other);
  close(silent);
}

TEST_F(UvConnect, IsCancelledByLettingItGo) {
  const auto listener =
      loop_->listen_tcp("127.0.0.1", 0, 16, [](int descriptor) { close(descriptor); });
  ASSERT_TRUE(listener);
  const auto never = [](Result<std::unique_ptr<Stream>>) { FAIL() << "it was cancelled"; };
  const uint16_t port = (*listener)->port();
  auto at_once = loop_->connect_tcp("127.0.0.1", port, kPatienceUs, never);
  auto resolving = loop_->connect_tcp("localhost", port, kPatienceUs, never);
  auto attempted = loop_->connect_tcp("127.0.0.1", port, kPatienceUs, never);
  at_once.reset();
  // In the turn in which the attempt has begun: nobody can have answered it yet.
  const auto step = loop_->start_timer(0, 0, [&] {
    resolving.reset();
    attempted.reset();
  });
  const auto end = loop_->start_timer(20'000, 0, [&] { loop_->stop(); });
  loop_->run();
  EXPECT_FALSE(attempted);
}

}  // namespace
}  // namespace quorate::runtime
