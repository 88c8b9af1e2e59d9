// A connection in memory, for both its ends: the server's Stream and what the client sees of it.
#pragma once

#include <algorithm>
#include <cstring>
#include <limits>
#include <memory>
#include <string>
#include <string_view>

#include "quorate/runtime/loop.h"
#include "quorate/runtime/stream.h"

namespace quorate::redis {

class MemoryStream;

// What both ends share. The client's end outlives the server's.
struct Wire {
  MemoryStream* stream = nullptr;  // null once the server has let go of it
  std::string to_server, to_client;
  // What the client takes before the socket is full.
  size_t room_bytes = std::numeric_limits<size_t>::max();
  bool ended = false;  // the server has closed, or seen the client's end
  bool paused = false;
};

class MemoryStream final : public runtime::Stream {
 public:
  MemoryStream(runtime::Loop& loop, std::shared_ptr<Wire> wire)
      : loop_(loop), wire_(std::move(wire)) {
    wire_->stream = this;
  }
  ~MemoryStream() override { wire_->stream = nullptr; }

  void start(runtime::StreamHandler& handler) override { handler_ = &handler; }
  void pause_reading() override { wire_->paused = true; }
  void resume_reading() override {
    if (!wire_->paused) return;
    wire_->paused = false;
    in_turn([](MemoryStream& stream) { stream.deliver(); });
  }
  size_t try_write(std::string_view bytes) override {
    if (!left_over_.empty()) return 0;
    return take(bytes);
  }
  void write(std::string_view bytes) override {
    left_over_ = bytes;
    drain();
  }
  void close() override {
    if (wire_->ended) return;
    wire_->ended = true;
    in_turn([](MemoryStream& stream) { stream.handler_->on_closed(); });
  }
  std::string peer_address() const override { return "127.0.0.1:50000"; }
  std::string local_address() const override { return "127.0.0.1:6379"; }

  // Hands over what the client has sent. In a turn of the loop.
  void deliver() {
    const std::shared_ptr<Wire> wire = wire_;  // the handler may destroy this
    while (!wire->to_server.empty() && !wire->paused && !wire->ended) {
      const std::span<char> to = handler_->read_buffer();
      const size_t size = std::min(to.size(), wire->to_server.size());
      std::memcpy(to.data(), wire->to_server.data(), size);
      wire->to_server.erase(0, size);
      handler_->on_read(size);
    }
  }
  // The client has made room.
  void drain() {
    left_over_.remove_prefix(take(left_over_));
    if (left_over_.empty()) in_turn([](MemoryStream& stream) { stream.handler_->on_drained(); });
  }
  bool writing() const { return !left_over_.empty(); }

  // Calls `act` with this stream in a turn of the loop, if it is still there then.
  void in_turn(void (*act)(MemoryStream&)) {
    loop_.post([wire = wire_, act] {
      if (wire->stream != nullptr) act(*wire->stream);
    });
  }

 private:
  size_t take(std::string_view bytes) {
    const size_t size = std::min(bytes.size(), wire_->room_bytes);
    wire_->to_client.append(bytes.substr(0, size));
    if (wire_->room_bytes != std::numeric_limits<size_t>::max()) wire_->room_bytes -= size;
    return size;
  }

  runtime::Loop& loop_;
  std::shared_ptr<Wire> wire_;
  runtime::StreamHandler* handler_ = nullptr;
  std::string_view left_over_;
};

}  // namespace quorate::redis
