// LoopClient: a connection that a test makes through a loop, and all that came back on it.
//
// Thread: that of the loop.
#pragma once

#include <array>
#include <gtest/gtest.h>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "quorate/runtime/uv_loop.h"

namespace quorate::server {

class LoopClient final : public runtime::StreamHandler {
 public:
  // Connects to this machine and sends `bytes` once that is done.
  LoopClient(runtime::UvLoop& loop, uint16_t port, std::string bytes)
      : bytes_(std::move(bytes)),
        pending_(loop.connect_tcp("127.0.0.1", port, 5'000'000,
                                  [this](runtime::Result<std::unique_ptr<runtime::Stream>> got) {
                                    connected(std::move(got));
                                  })) {}

  const std::string& received() const { return received_; }
  // By the other side, or there was none to connect to.
  bool ended() const { return ended_; }

 private:
  std::span<char> read_buffer() override { return buffer_; }
  void on_read(size_t size) override { received_.append(buffer_.data(), size); }
  void on_drained() override {}
  void on_closed() override { ended_ = true; }

  void connected(runtime::Result<std::unique_ptr<runtime::Stream>> got) {
    if (!got) {
      ended_ = true;
      return;
    }
    stream_ = std::move(*got);
    stream_->start(*this);
    EXPECT_EQ(stream_->try_write(bytes_), bytes_.size());
  }

  const std::string bytes_;
  std::array<char, 4096> buffer_{};
  std::string received_;
  bool ended_ = false;
  std::unique_ptr<runtime::Stream> stream_;
  std::unique_ptr<runtime::PendingConnection> pending_;
};

// Runs the loop until `done` or, at the latest, for so long.
inline bool run_loop_until(runtime::UvLoop& loop, const std::function<bool()>& done,
                           uint64_t limit_us = 5'000'000) {
  constexpr uint64_t kStepUs = 2'000;
  const uint64_t end_us = loop.clock().monotonic_us() + limit_us;
  bool reached = false;
  const auto timer = loop.start_timer(0, kStepUs, [&] {
    reached = done();
    if (reached || loop.clock().monotonic_us() > end_us) loop.stop();
  });
  loop.run();
  return reached;
}

}  // namespace quorate::server
