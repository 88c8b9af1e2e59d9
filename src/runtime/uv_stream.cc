#include "runtime/uv_stream.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

namespace quorate::runtime {
namespace {

std::string show_address(const sockaddr_storage& address) {
  char text[INET6_ADDRSTRLEN] = {};
  if (address.ss_family == AF_INET) {
    const auto& in = reinterpret_cast<const sockaddr_in&>(address);
    inet_ntop(AF_INET, &in.sin_addr, text, sizeof text);
    return std::string(text) + ":" + std::to_string(ntohs(in.sin_port));
  }
  if (address.ss_family == AF_INET6) {
    const auto& in6 = reinterpret_cast<const sockaddr_in6&>(address);
    inet_ntop(AF_INET6, &in6.sin6_addr, text, sizeof text);
    return "[" + std::string(text) + "]:" + std::to_string(ntohs(in6.sin6_port));
  }
  if (address.ss_family == AF_UNIX) {
    return std::string(reinterpret_cast<const sockaddr_un&>(address).sun_path) + ":0";
  }
  return "?:0";
}

using NameOf = int (*)(int, sockaddr*, socklen_t*);

std::string address_of(int descriptor, NameOf name_of) {
  sockaddr_storage address{};
  socklen_t length = sizeof address;
  if (name_of(descriptor, reinterpret_cast<sockaddr*>(&address), &length) != 0) return "?:0";
  return show_address(address);
}

class UvStream final : public Stream {
 public:
  UvStream() = default;
  UvStream(const UvStream&) = delete;
  UvStream& operator=(const UvStream&) = delete;

  ~UvStream() override {
    if (state_ == nullptr) return;
    state_->owner = nullptr;
    if (!state_->closing) state_->close_handle();
  }

  Status open(uv_loop_t* loop, int descriptor, unsigned keepalive_s) {
    local_ = address_of(descriptor, &getsockname);
    peer_ = address_of(descriptor, &getpeername);
    int domain = 0;
    socklen_t length = sizeof domain;
    getsockopt(descriptor, SOL_SOCKET, SO_DOMAIN, &domain, &length);
    state_ = new State;
    state_->owner = this;
    int code = 0;
    if (domain == AF_UNIX) {
      peer_ = local_;
      uv_pipe_init(loop, &state_->handle.pipe, 0);
      code = uv_pipe_open(&state_->handle.pipe, descriptor);
    } else {
      uv_tcp_init(loop, &state_->handle.tcp);
      code = uv_tcp_open(&state_->handle.tcp, descriptor);
      if (code == 0) {
        uv_tcp_nodelay(&state_->handle.tcp, 1);
        if (keepalive_s != 0) uv_tcp_keepalive(&state_->handle.tcp, 1, keepalive_s);
      }
    }
    state_->handle.any.data = state_;
    state_->write.data = state_;
    if (code == 0) return {};
    ::close(descriptor);
    return fail_errno(-code, "cannot take over a connection");
  }

  void start(StreamHandler& handler) override {
    handler_ = &handler;
    resume_reading();
  }

  void pause_reading() override {
    if (state_ != nullptr && !state_->closing) uv_read_stop(state_->stream());
  }

  void resume_reading() override {
    if (state_ != nullptr && !state_->closing)
      uv_read_start(state_->stream(), &on_allocate, &on_read);
  }

  size_t try_write(std::string_view bytes) override {
    if (state_ == nullptr || state_->closing || state_->writing) return 0;
    const uv_buf_t buffer = uv_buf_init(const_cast<char*>(bytes.data()),
                                        static_cast<unsigned>(std::min(bytes.size(), kWriteMax)));
    const int written = uv_try_write(state_->stream(), &buffer, 1);
    if (written >= 0) return static_cast<size_t>(written);
    if (written != UV_EAGAIN) close();
    return 0;
  }

  void write(std::string_view bytes) override {
    if (state_ == nullptr || state_->closing) return;
    state_->writing = true;
    state_->rest = bytes;
    write_rest();
  }

  void close() override {
    if (state_ != nullptr && !state_->closing) state_->close_handle();
  }

  std::string peer_address() const override { return peer_; }
  std::string local_address() const override { return local_; }

 private:
  static constexpr size_t kWriteMax = 1u << 30;

  struct State {
    union {
      uv_handle_t any;
      uv_stream_t stream;
      uv_tcp_t tcp;
      uv_pipe_t pipe;
    } handle{};
    uv_write_t write{};
    std::string_view rest;
    UvStream* owner = nullptr;
    bool closing = false;
    bool writing = false;

    uv_stream_t* stream() { return &handle.stream; }
    void close_handle() {
      closing = true;
      uv_close(&handle.any, [](uv_handle_t* h) {
        auto* state = static_cast<State*>(h->data);
        if (UvStream* owner = state->owner) {
          owner->state_ = nullptr;
          if (owner->handler_ != nullptr) owner->handler_->on_closed();
        }
        delete state;
      });
    }
  };

  void write_rest() {
    const size_t size = std::min(state_->rest.size(), kWriteMax);
    const uv_buf_t buffer =
        uv_buf_init(const_cast<char*>(state_->rest.data()), static_cast<unsigned>(size));
    state_->rest.remove_prefix(size);
    const int code = uv_write(&state_->write, state_->stream(), &buffer, 1, &on_written);
    if (code != 0) close();
  }

  static void on_written(uv_write_t* request, int status) {
    auto* state = static_cast<State*>(request->data);
    if (state->owner == nullptr || state->closing) return;
    if (status != 0) return state->close_handle();
    if (!state->rest.empty()) return state->owner->write_rest();
    state->writing = false;
    if (state->owner->handler_ != nullptr) state->owner->handler_->on_drained();
  }

  static void on_allocate(uv_handle_t* handle, size_t /*suggested*/, uv_buf_t* buffer) {
    auto* state = static_cast<State*>(handle->data);
    if (state->owner == nullptr) {
      *buffer = uv_buf_init(nullptr, 0);
      return;
    }
    const std::span<char> space = state->owner->handler_->read_buffer();
    *buffer = uv_buf_init(space.data(), static_cast<unsigned>(std::min(space.size(), kWriteMax)));
  }

  static void on_read(uv_stream_t* stream, ssize_t size, const uv_buf_t* /*buffer*/) {
    auto* state = static_cast<State*>(stream->data);
    if (state->owner == nullptr || state->closing || size == 0) return;
    if (size < 0) return state->close_handle();
    state->owner->handler_->on_read(static_cast<size_t>(size));
  }

  State* state_ = nullptr;
  StreamHandler* handler_ = nullptr;
  std::string peer_, local_;
};

}  // namespace

Result<std::unique_ptr<Stream>> make_uv_stream(uv_loop_t* loop, int descriptor,
                                               unsigned keepalive_s) {
  auto stream = std::make_unique<UvStream>();
  if (Status opened = stream->open(loop, descriptor, keepalive_s); !opened) {
    return std::unexpected(opened.error());
  }
  return stream;
}

}  // namespace quorate::runtime
