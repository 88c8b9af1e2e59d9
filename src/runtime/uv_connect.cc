// A connection in the making: resolve, then try each address until one answers.
//
// What libuv still refers to when its owner is gone, the request for a name's addresses and the
// handle of an attempt, lives in heap blocks that free themselves.
#include "runtime/uv_connect.h"

#include <arpa/inet.h>
#include <cerrno>
#include <netdb.h>
#include <sys/socket.h>
#include <unistd.h>
#include <utility>

#include "runtime/uv_stream.h"

namespace quorate::runtime {
namespace {

class UvConnect final : public PendingConnection {
 public:
  UvConnect(Loop& loop, uv_loop_t* uv_loop, const Endpoint& endpoint, ConnectHandler on_done)
      : loop_(loop),
        uv_loop_(uv_loop),
        on_done_(std::move(on_done)),
        where_(endpoint.host + ":" + std::to_string(endpoint.port)) {}
  UvConnect(const UvConnect&) = delete;
  UvConnect& operator=(const UvConnect&) = delete;
  ~UvConnect() override {
    abandon();
    if (addresses_ != nullptr) freeaddrinfo(addresses_);
  }

  void begin(const Endpoint& endpoint, uint64_t timeout_us) {
    addrinfo hints{};
    hints.ai_socktype = SOCK_STREAM;
    hints.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV;
    const std::string port = std::to_string(endpoint.port);
    deadline_ = loop_.start_timer(
        timeout_us, 0, [this] { finish(fail_errno(ETIMEDOUT, "connecting to " + where_)); });
    if (getaddrinfo(endpoint.host.c_str(), port.c_str(), &hints, &addresses_) == 0) {
      next_ = addresses_;
      // Not now: the caller does not have this object yet.
      step_ = loop_.start_timer(0, 0, [this] { try_next(); });
      return;
    }
    hints.ai_flags = AI_NUMERICSERV;
    resolve(endpoint.host, port, hints);
  }

 private:
  struct Resolution {
    uv_getaddrinfo_t request{};
    UvConnect* owner = nullptr;
  };
  struct Attempt {
    uv_poll_t handle{};
    int descriptor = -1;
    UvConnect* owner = nullptr;
  };

  void resolve(const std::string& host, const std::string& port, const addrinfo& hints) {
    resolution_ = new Resolution;
    resolution_->owner = this;
    resolution_->request.data = resolution_;
    const int code = uv_getaddrinfo(uv_loop_, &resolution_->request, &on_resolved, host.c_str(),
                                    port.c_str(), &hints);
    if (code == 0) return;
    delete std::exchange(resolution_, nullptr);
    step_ = loop_.start_timer(0, 0, [this, code] { fail_to_resolve(code); });
  }

  static void on_resolved(uv_getaddrinfo_t* request, int status, addrinfo* found) {
    const std::unique_ptr<Resolution> resolution(static_cast<Resolution*>(request->data));
    UvConnect* owner = resolution->owner;
    if (owner == nullptr) {
      if (found != nullptr) freeaddrinfo(found);
      return;
    }
    owner->resolution_ = nullptr;
    if (status != 0) return owner->fail_to_resolve(status);
    owner->addresses_ = owner->next_ = found;
    owner->try_next();
  }

  void fail_to_resolve(int code) {
    finish(std::unexpected(
        Error{EADDRNOTAVAIL, "connecting to " + where_ + ": " + uv_strerror(code)}));
  }

  // Ends with an attempt under way, or with the last address's error.
  void try_next() {
    int code = EADDRNOTAVAIL;
    while (next_ != nullptr) {
      code = try_address(*std::exchange(next_, next_->ai_next));
      if (code == 0) return;
    }
    finish(fail_errno(code, "connecting to " + where_));
  }

  int try_address(const addrinfo& address) {
    const int descriptor = socket(address.ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (descriptor < 0) return errno;
    if (connect(descriptor, address.ai_addr, address.ai_addrlen) != 0 && errno != EINPROGRESS) {
      const int code = errno;
      ::close(descriptor);
      return code;
    }
    auto attempt = std::make_unique<Attempt>();
    if (const int code = uv_poll_init(uv_loop_, &attempt->handle, descriptor); code != 0) {
      ::close(descriptor);
      return -code;
    }
    attempt->descriptor = descriptor;
    attempt->owner = this;
    attempt_ = attempt.release();
    attempt_->handle.data = attempt_;
    uv_poll_start(&attempt_->handle, UV_WRITABLE, [](uv_poll_t* h, int status, int /*events*/) {
      auto* attempt = static_cast<Attempt*>(h->data);
      if (attempt->owner != nullptr) attempt->owner->on_answer(status);
    });
    return 0;
  }

  void on_answer(int status) {
    int code = 0;
    socklen_t length = sizeof code;
    getsockopt(attempt_->descriptor, SOL_SOCKET, SO_ERROR, &code, &length);
    if (code == 0) code = -status;  // which for every error of the socket is EBADF
    const int descriptor = end_attempt();
    if (code == 0) return finish(make_uv_stream(uv_loop_, descriptor, 0));
    ::close(descriptor);
    if (next_ != nullptr) return try_next();
    finish(fail_errno(code, "connecting to " + where_));
  }

  // Returns its descriptor, which no handle refers to any more.
  int end_attempt() {
    Attempt* attempt = std::exchange(attempt_, nullptr);
    attempt->owner = nullptr;
    uv_close(reinterpret_cast<uv_handle_t*>(&attempt->handle),
             [](uv_handle_t* h) { delete static_cast<Attempt*>(h->data); });
    return attempt->descriptor;
  }

  void abandon() {
    if (attempt_ != nullptr) ::close(end_attempt());
    if (resolution_ == nullptr) return;
    resolution_->owner = nullptr;
    // Fails if it has begun; then its thread ends it and the callback frees it.
    uv_cancel(reinterpret_cast<uv_req_t*>(&resolution_->request));
    resolution_ = nullptr;
  }

  // The handler may destroy this.
  void finish(Result<std::unique_ptr<Stream>> result) {
    abandon();
    deadline_.reset();
    step_.reset();
    ConnectHandler on_done = std::move(on_done_);
    on_done(std::move(result));
  }

  Loop& loop_;
  uv_loop_t* const uv_loop_;
  ConnectHandler on_done_;
  const std::string where_;
  std::unique_ptr<Timer> deadline_, step_;
  Resolution* resolution_ = nullptr;
  Attempt* attempt_ = nullptr;
  addrinfo* addresses_ = nullptr;
  addrinfo* next_ = nullptr;  // to be tried
};

}  // namespace

bool is_ip_address(const std::string& text) {
  in6_addr address{};
  return inet_pton(AF_INET, text.c_str(), &address) == 1 ||
         inet_pton(AF_INET6, text.c_str(), &address) == 1;
}

std::unique_ptr<PendingConnection> begin_connecting(Loop& loop, uv_loop_t* uv_loop,
                                                    const Endpoint& endpoint, uint64_t timeout_us,
                                                    ConnectHandler on_done) {
  auto connection = std::make_unique<UvConnect>(loop, uv_loop, endpoint, std::move(on_done));
  connection->begin(endpoint, timeout_us);
  return connection;
}

}  // namespace quorate::runtime
