#include "quorate/runtime/uv_loop.h"

#include <algorithm>
#include <arpa/inet.h>
#include <array>
#include <atomic>
#include <chrono>
#include <csignal>
#include <functional>
#include <gtest/gtest.h>
#include <string>
#include <sys/socket.h>
#include <thread>
#include <unistd.h>
#include <vector>

namespace quorate::runtime {
namespace {

TEST(UvLoop, RunsTheTasksOfEachPosterInOrder) {
  constexpr int kPosters = 4;
  constexpr int kTasks = 20'000;
  const auto loop = UvLoop::make();
  std::array<std::vector<int>, kPosters> seen;
  std::atomic<int> left{kPosters * kTasks};
  std::vector<std::thread> posters;
  posters.reserve(kPosters);
  for (int poster = 0; poster < kPosters; ++poster) {
    posters.emplace_back([&, poster] {
      for (int i = 0; i < kTasks; ++i) {
        loop->post([&, poster, i] {
          seen[poster].push_back(i);
          if (--left == 0) loop->stop();
        });
      }
    });
  }
  loop->run();
  for (std::thread& poster : posters) poster.join();
  for (const auto& tasks : seen) {
    ASSERT_EQ(tasks.size(), static_cast<size_t>(kTasks));
    for (int i = 0; i < kTasks; ++i) ASSERT_EQ(tasks[i], i);
  }
}

TEST(UvLoop, EndsEachTurnWithTheHook) {
  const auto loop = UvLoop::make();
  std::vector<std::string> events;
  loop->set_turn_end([&] { events.emplace_back("end"); });
  loop->post([&] {
    events.emplace_back("first");
    loop->post([&] {
      events.emplace_back("second");
      loop->stop();
    });
  });
  loop->run();
  const auto at = [&](const std::string& event) {
    return std::find(events.begin(), events.end(), event) - events.begin();
  };
  ASSERT_LT(at("first"), at("second"));
  EXPECT_NE(std::find(events.begin() + at("first"), events.begin() + at("second"), "end"),
            events.begin() + at("second"))
      << "a task posted from a turn runs in a later one";
  EXPECT_EQ(events.back(), "end");
}

// One end of a pair of sockets in a loop; bytes written to the other end are heard here.
class HeardSocket : public StreamHandler {
 public:
  HeardSocket(UvLoop& loop, std::function<void()> on_heard) : on_heard_(std::move(on_heard)) {
    std::array<int, 2> ends{};
    EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends.data()), 0);
    other_end_ = ends[1];
    stream_ = *loop.adopt_socket(ends[0], 0);
    stream_->start(*this);
  }
  HeardSocket(const HeardSocket&) = delete;
  HeardSocket& operator=(const HeardSocket&) = delete;
  ~HeardSocket() override { ::close(other_end_); }

  void say_something() const { EXPECT_EQ(::write(other_end_, "x", 1), 1); }
  std::span<char> read_buffer() override { return buffer_; }
  void on_read(size_t /*size*/) override { on_heard_(); }
  void on_drained() override {}
  void on_closed() override {}

 private:
  std::function<void()> on_heard_;
  int other_end_ = -1;
  std::array<char, 16> buffer_{};
  std::unique_ptr<Stream> stream_;
};

// What is heard through one socket writes to another: the events of the two, and the ends of turns.
std::vector<std::string> events_of_two_sockets(bool gathering) {
  const auto loop = UvLoop::make();
  std::vector<std::string> events;
  loop->set_turn_end([&] {
    if (!events.empty()) events.emplace_back("end");
  });
  loop->set_gathering(gathering);
  HeardSocket caused(*loop, [&] {
    events.emplace_back("caused");
    loop->stop();
  });
  HeardSocket cause(*loop, [&] {
    events.emplace_back("cause");
    caused.say_something();
  });
  cause.say_something();
  loop->run();
  loop->set_turn_end(nullptr);
  return events;
}

TEST(UvLoop, GathersWhatArrivesWhileItHandlesAPoll) {
  const auto plain = events_of_two_sockets(false);
  ASSERT_GE(plain.size(), 4U);
  EXPECT_EQ(plain[1], "end") << "each poll is a turn";
  const auto gathered = events_of_two_sockets(true);
  ASSERT_GE(gathered.size(), 3U);
  EXPECT_EQ(std::vector(gathered.begin(), gathered.begin() + 3),
            (std::vector<std::string>{"cause", "caused", "end"}));
}

TEST(UvLoop, TimersRepeatUntilDestroyed) {
  const auto loop = UvLoop::make();
  int calls = 0;
  std::unique_ptr<Timer> repeating;
  auto cancelled = loop->start_timer(1000, 0, [] { FAIL() << "it was cancelled"; });
  repeating = loop->start_timer(1000, 1000, [&] {
    if (++calls == 3) {
      repeating.reset();
      loop->stop();
    }
  });
  cancelled.reset();
  loop->run();
  EXPECT_EQ(calls, 3);
}

TEST(UvLoop, ATimerNeverRunsTooSoon) {
  using Steady = std::chrono::steady_clock;
  const auto loop = UvLoop::make();
  std::vector<std::unique_ptr<Timer>> timers;
  int left = 20;
  loop->post([&] {
    for (int i = 0; i < 20; ++i) {
      const auto pause = std::chrono::microseconds(300);
      for (const auto started = Steady::now(); Steady::now() - started < pause;) {
      }
      const auto asked = Steady::now();
      timers.push_back(loop->start_timer(2000, 0, [&, asked] {
        EXPECT_GE(Steady::now() - asked, std::chrono::milliseconds(2));
        if (--left == 0) loop->stop();
      }));
    }
  });
  loop->run();
  EXPECT_EQ(left, 0);
}

TEST(UvLoop, ReadsItsClockOncePerTurn) {
  const auto loop = UvLoop::make();
  loop->post([&] {
    const uint64_t before = loop->clock().monotonic_us();
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
    EXPECT_EQ(loop->clock().monotonic_us(), before);
    loop->stop();
  });
  loop->run();
}

TEST(UvLoop, CatchesSignals) {
  const auto loop = UvLoop::make();
  bool caught = false;
  ASSERT_TRUE(loop->on_signal(SIGUSR1, [&] {
    caught = true;
    loop->stop();
  }));
  loop->post([] { std::raise(SIGUSR1); });
  loop->run();
  EXPECT_TRUE(caught);
}

// Sends back what it gets, through both ways of writing.
class Echo final : public StreamHandler {
 public:
  Echo(UvLoop& loop, std::unique_ptr<Stream> stream) : loop_(loop), stream_(std::move(stream)) {
    stream_->start(*this);
  }
  std::span<char> read_buffer() override { return buffer_; }
  void on_read(size_t size) override {
    pending_.append(buffer_.data(), size);
    if (!writing_) send();
  }
  void on_drained() override {
    in_flight_.clear();
    writing_ = false;
    drained = true;
    send();
  }
  void on_closed() override {
    stream_.reset();
    loop_.stop();
  }
  bool drained = false;

 private:
  void send() {
    pending_.erase(0, stream_->try_write(pending_));
    if (pending_.empty()) return;
    in_flight_.swap(pending_);
    writing_ = true;
    stream_->write(in_flight_);
  }
  UvLoop& loop_;
  std::unique_ptr<Stream> stream_;
  std::array<char, 65536> buffer_{};
  std::string pending_, in_flight_;
  bool writing_ = false;
};

int connect_to(uint16_t port) {
  const int client = socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  EXPECT_EQ(connect(client, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  return client;
}

TEST(UvLoop, CarriesMoreThanASocketHolds) {
  const auto loop = UvLoop::make();
  std::unique_ptr<Echo> echo;
  auto listener = loop->listen_tcp("127.0.0.1", 0, 16, [&](int descriptor) {
    EXPECT_TRUE(is_local_socket(descriptor));
    auto stream = loop->adopt_socket(descriptor, 60);
    ASSERT_TRUE(stream);
    EXPECT_TRUE((*stream)->peer_address().starts_with("127.0.0.1:"));
    echo = std::make_unique<Echo>(*loop, std::move(*stream));
  });
  ASSERT_TRUE(listener) << listener.error().message;
  constexpr size_t kBytes = 16 << 20;
  std::string got;
  std::thread peer([&] {
    const int client = connect_to((*listener)->port());
    std::thread writer([client] {
      const std::string sent(kBytes, 'x');
      for (size_t at = 0; at < sent.size();) {
        const ssize_t written = write(client, sent.data() + at, sent.size() - at);
        ASSERT_GT(written, 0);
        at += static_cast<size_t>(written);
      }
    });
    std::array<char, 65536> buffer{};
    usleep(50'000);  // the server's socket fills up
    while (got.size() < kBytes) {
      const ssize_t size = read(client, buffer.data(), buffer.size());
      ASSERT_GT(size, 0);
      got.append(buffer.data(), static_cast<size_t>(size));
    }
    writer.join();
    close(client);
  });
  loop->run();
  peer.join();
  EXPECT_EQ(got, std::string(kBytes, 'x'));
  EXPECT_TRUE(echo->drained) << "some of it had to wait for the socket";
}

TEST(UvLoop, SaysWhyItCannotListen) {
  const auto loop = UvLoop::make();
  const auto first = loop->listen_tcp("127.0.0.1", 0, 16, [](int) {});
  ASSERT_TRUE(first);
  const auto second = loop->listen_tcp("127.0.0.1", (*first)->port(), 16, [](int) {});
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code, EADDRINUSE);
  EXPECT_NE(second.error().message.find("Address already in use"), std::string::npos);
}

TEST(UvLoop, RefusesWithAFarewell) {
  std::array<int, 2> ends{};
  ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, ends.data()), 0);
  refuse_socket(ends[0], "-ERR no\r\n");
  std::array<char, 64> buffer{};
  EXPECT_EQ(read(ends[1], buffer.data(), buffer.size()), 9);
  EXPECT_EQ(read(ends[1], buffer.data(), buffer.size()), 0);
  close(ends[1]);
}

TEST(WorkerThread, RunsWhatIsQueuedInOrderBeforeItEnds) {
  std::vector<int> seen;
  {
    const auto worker = make_worker_thread("worker");
    for (int i = 0; i < 1000; ++i) worker->post([&seen, i] { seen.push_back(i); });
  }
  ASSERT_EQ(seen.size(), 1000U);
  for (int i = 0; i < 1000; ++i) EXPECT_EQ(seen[i], i);
}

}  // namespace
}  // namespace quorate::runtime
