#include <array>
#include <cerrno>
#include <gtest/gtest.h>
#include <optional>
#include <string>
#include <sys/socket.h>
#include <unistd.h>
#include <utility>

#include "quorate/runtime/uv_loop.h"

namespace quorate::runtime {
namespace {

constexpr PeekLimits kPatient{8, 60'000'000};

class UvPeek : public testing::Test {
 protected:
  UvPeek() {
    std::array<int, 2> ends{};
    EXPECT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends.data()), 0);
    ours_ = ends[0];
    theirs_ = ends[1];
  }
  ~UvPeek() override {
    if (theirs_ >= 0) close(theirs_);
  }
  // Until the bytes begin with "hello".
  void look(PeekLimits limits) {
    peek_ = loop_->peek_socket(
        ours_, limits,
        [this](std::string_view bytes) {
          ++looks_;
          return bytes.starts_with("hello");
        },
        [this](Result<int> got) {
          result_ = std::move(got);
          peek_.reset();
          loop_->stop();
        });
  }
  void write(std::string_view bytes) {
    EXPECT_EQ(::send(theirs_, bytes.data(), bytes.size(), 0), static_cast<ssize_t>(bytes.size()));
  }

  std::unique_ptr<UvLoop> loop_ = UvLoop::make();
  int ours_ = -1, theirs_ = -1;
  std::unique_ptr<PendingPeek> peek_;
  std::optional<Result<int>> result_;
  unsigned looks_ = 0;
};

TEST_F(UvPeek, GivesTheSocketWithEverythingStillInIt) {
  write("hello");
  look(kPatient);
  EXPECT_FALSE(result_) << "never within the call";
  loop_->run();
  ASSERT_TRUE(result_ && *result_);
  ASSERT_EQ(**result_, ours_);
  std::array<char, 16> bytes{};
  EXPECT_EQ(::recv(ours_, bytes.data(), bytes.size(), 0), 5);
  EXPECT_EQ(std::string(bytes.data(), 5), "hello");
  close(ours_);
}

TEST_F(UvPeek, WaitsForTheRestWithoutSpinning) {
  write("hel");
  look(kPatient);
  const auto timer = loop_->start_timer(60'000, 0, [this] { write("lo"); });
  loop_->run();
  ASSERT_TRUE(result_ && *result_);
  EXPECT_LT(looks_, 20U) << "in 60 ms";
  close(ours_);
}

TEST_F(UvPeek, ALoopMayTakeTheSocketOverAtOnce) {
  write("hello");
  std::unique_ptr<Stream> stream;
  peek_ = loop_->peek_socket(
      ours_, kPatient, [](std::string_view) { return true; },
      [&](Result<int> got) {
        auto adopted = loop_->adopt_socket(*got, 0);
        ASSERT_TRUE(adopted) << adopted.error().message;
        stream = std::move(*adopted);
        peek_.reset();
        loop_->stop();
      });
  loop_->run();
  EXPECT_NE(stream, nullptr);
}

TEST_F(UvPeek, WhatNeverSaysEnoughIsClosed) {
  write("something else");
  look(kPatient);
  loop_->run();
  ASSERT_TRUE(result_ && !*result_);
  EXPECT_EQ(result_->error().code, EMSGSIZE);
  char byte = 0;
  EXPECT_EQ(::recv(theirs_, &byte, 1, 0), -1) << "unread bytes reset the connection";
}

TEST_F(UvPeek, WhoTakesTooLongIsLetGo) {
  write("hel");
  look({8, 30'000});
  loop_->run();
  ASSERT_TRUE(result_ && !*result_);
  EXPECT_EQ(result_->error().code, ETIMEDOUT);
}

TEST_F(UvPeek, WhoEndsIsLetGo) {
  close(std::exchange(theirs_, -1));
  look(kPatient);
  loop_->run();
  ASSERT_TRUE(result_ && !*result_);
  EXPECT_EQ(result_->error().code, ECONNRESET);
}

TEST_F(UvPeek, ForgettingALookClosesTheSocket) {
  look(kPatient);
  const auto timer = loop_->start_timer(5'000, 0, [this] {
    peek_.reset();
    loop_->stop();
  });
  loop_->run();
  EXPECT_FALSE(result_);
  char byte = 0;
  EXPECT_EQ(::recv(theirs_, &byte, 1, 0), 0);
}

}  // namespace
}  // namespace quorate::runtime
