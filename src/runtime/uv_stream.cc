#include "runtime/uv_stream.h"

#include <algorithm>
#include <arpa/inet.h>
#include <cerrno>
#include <fcntl.h>
#include <memory>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <span>
#include <string>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include <utility>

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

void set_option(int descriptor, int level, int name, int value) {
  setsockopt(descriptor, level, name, &value, sizeof value);
}

bool would_block(int code) { return code == EAGAIN || code == EWOULDBLOCK || code == EINTR; }

// Reads and writes the socket itself when libuv says that it is ready: recv and send cost the
// kernel less than the read and write of uv_stream_t.
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

  // Takes the descriptor in any case.
  Status open(uv_loop_t* loop, int descriptor, unsigned keepalive_s) {
    local_ = address_of(descriptor, &getsockname);
    peer_ = address_of(descriptor, &getpeername);
    int domain = 0;
    socklen_t length = sizeof domain;
    getsockopt(descriptor, SOL_SOCKET, SO_DOMAIN, &domain, &length);
    if (domain == AF_UNIX) {
      peer_ = local_;
    } else {
      set_option(descriptor, IPPROTO_TCP, TCP_NODELAY, 1);
      if (keepalive_s != 0) keep_alive(descriptor, static_cast<int>(keepalive_s));
    }
    auto state = std::make_unique<State>();
    // It also makes the descriptor non-blocking.
    if (const int code = uv_poll_init(loop, &state->handle, descriptor); code != 0) {
      ::close(descriptor);
      return fail_errno(-code, "cannot take over a connection");
    }
    state->descriptor = descriptor;
    state->owner = this;
    state_ = state.release();
    state_->handle.data = state_;
    return {};
  }

  void start(StreamHandler& handler) override {
    handler_ = &handler;
    resume_reading();
  }

  void pause_reading() override { listen(false); }
  void resume_reading() override { listen(true); }

  size_t try_write(std::string_view bytes) override {
    if (state_ == nullptr || state_->closing || writing_) return 0;
    return send_some(bytes);
  }

  void write(std::string_view bytes) override {
    if (state_ == nullptr || state_->closing) return;
    writing_ = true;
    rest_ = bytes;
    state_->watch(reading_, true);
  }

  void close() override {
    if (state_ != nullptr && !state_->closing) state_->close_handle();
  }

  std::string peer_address() const override { return peer_; }
  std::string local_address() const override { return local_; }
  std::optional<int> duplicate() const override {
    if (state_ == nullptr || state_->closing) return std::nullopt;
    const int descriptor = fcntl(state_->descriptor, F_DUPFD_CLOEXEC, 0);
    return descriptor < 0 ? std::nullopt : std::optional(descriptor);
  }

 private:
  static constexpr size_t kWriteMax = 1u << 30;

  struct State {
    uv_poll_t handle{};
    int descriptor = -1;
    UvStream* owner = nullptr;
    bool closing = false;

    void watch(bool reading, bool writing) {
      const int events = (reading ? UV_READABLE : 0) | (writing ? UV_WRITABLE : 0);
      if (events == 0) {
        uv_poll_stop(&handle);
      } else {
        uv_poll_start(&handle, events, &on_ready);
      }
    }
    void close_handle() {
      closing = true;
      uv_close(reinterpret_cast<uv_handle_t*>(&handle), [](uv_handle_t* h) {
        auto* state = static_cast<State*>(h->data);
        ::close(state->descriptor);
        if (UvStream* owner = state->owner) {
          owner->state_ = nullptr;
          if (owner->handler_ != nullptr) owner->handler_->on_closed();
        }
        delete state;
      });
    }
  };

  // As Redis: the first probe after the given time, then three, a third of it apart.
  static void keep_alive(int descriptor, int seconds) {
    constexpr int kProbes = 3;
    set_option(descriptor, SOL_SOCKET, SO_KEEPALIVE, 1);
    set_option(descriptor, IPPROTO_TCP, TCP_KEEPIDLE, seconds);
    set_option(descriptor, IPPROTO_TCP, TCP_KEEPINTVL, std::max(1, seconds / kProbes));
    set_option(descriptor, IPPROTO_TCP, TCP_KEEPCNT, kProbes);
  }

  void listen(bool on) {
    if (state_ == nullptr || state_->closing || reading_ == on) return;
    reading_ = on;
    state_->watch(reading_, writing_);
  }

  static void on_ready(uv_poll_t* handle, int status, int events) {
    auto* state = static_cast<State*>(handle->data);
    if (state->owner == nullptr || state->closing) return;
    if (status != 0) return state->close_handle();
    if ((events & UV_WRITABLE) != 0) state->owner->write_rest();
    if ((events & UV_READABLE) == 0 || state->owner == nullptr || state->closing) return;
    if (state->owner->reading_) state->owner->read_once();
  }

  // Once: a connection that always has more must not keep the others waiting.
  void read_once() {
    const std::span<char> space = handler_->read_buffer();
    const ssize_t size = ::recv(state_->descriptor, space.data(), space.size(), MSG_DONTWAIT);
    if (size < 0 && would_block(errno)) return;
    if (size <= 0) return close();
    handler_->on_read(static_cast<size_t>(size));
  }

  // Returns how many bytes the socket took; an error ends the stream.
  size_t send_some(std::string_view bytes) {
    const ssize_t size = ::send(state_->descriptor, bytes.data(), std::min(bytes.size(), kWriteMax),
                                MSG_DONTWAIT | MSG_NOSIGNAL);
    if (size >= 0) return static_cast<size_t>(size);
    if (!would_block(errno)) close();
    return 0;
  }

  void write_rest() {
    if (!writing_) return;
    rest_.remove_prefix(send_some(rest_));
    if (!rest_.empty() || state_->closing) return;
    writing_ = false;
    state_->watch(reading_, false);
    handler_->on_drained();
  }

  State* state_ = nullptr;
  StreamHandler* handler_ = nullptr;
  std::string_view rest_;  // of what write() was given
  bool reading_ = false, writing_ = false;
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
