#include "quorate/runtime/uv_loop.h"

#include <atomic>
#include <ctime>
#include <fcntl.h>
#include <netdb.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>
#include <utility>
#include <uv.h>

#include "runtime/task_stack.h"
#include "runtime/uv_connect.h"
#include "runtime/uv_peek.h"
#include "runtime/uv_stream.h"

namespace quorate::runtime {
namespace {

uint64_t read_clock_us(clockid_t id) {
  timespec now{};
  clock_gettime(id, &now);
  return static_cast<uint64_t>(now.tv_sec) * 1'000'000 + static_cast<uint64_t>(now.tv_nsec) / 1000;
}

// Both times are read on the first use of either in a turn, then kept until the turn ends.
class TurnClock final : public Clock {
 public:
  uint64_t wall_ms() const override {
    if (wall_ms_ == 0) read();
    return wall_ms_;
  }
  uint64_t monotonic_us() const override {
    if (wall_ms_ == 0) read();
    return monotonic_us_;
  }
  void end_turn() { wall_ms_ = 0; }

 private:
  void read() const {
    wall_ms_ = read_clock_us(CLOCK_REALTIME) / 1000;
    monotonic_us_ = read_clock_us(CLOCK_MONOTONIC);
  }

  mutable uint64_t wall_ms_ = 0;  // 0: not read yet
  mutable uint64_t monotonic_us_ = 0;
};

// A libuv handle that outlives its owner until libuv has let go of it.
template <class Handle>
struct OwnedHandle {
  Handle handle{};
  Task task;
  static OwnedHandle* of(Handle* h) { return static_cast<OwnedHandle*>(h->data); }
  OwnedHandle() { handle.data = this; }
  void release() {
    uv_close(reinterpret_cast<uv_handle_t*>(&handle),
             [](uv_handle_t* h) { delete static_cast<OwnedHandle*>(h->data); });
  }
};

class UvTimer final : public Timer {
 public:
  // Sets `fired` each time the timer has run.
  UvTimer(uv_loop_t* loop, uint64_t delay_us, uint64_t repeat_us, Task task, bool& fired)
      : timer_(new OwnedHandle<uv_timer_t>) {
    timer_->task = [task = std::move(task), &fired]() mutable {
      fired = true;
      task();
    };
    uv_timer_init(loop, &timer_->handle);
    // libuv counts from its own time, which is as old as the turn and cut to a millisecond.
    uv_update_time(loop);
    const uint64_t delay_ms = delay_us == 0 ? 0 : (delay_us + 999) / 1000 + 1;
    uv_timer_start(
        &timer_->handle, [](uv_timer_t* h) { OwnedHandle<uv_timer_t>::of(h)->task(); }, delay_ms,
        (repeat_us + 999) / 1000);
  }
  UvTimer(const UvTimer&) = delete;
  UvTimer& operator=(const UvTimer&) = delete;
  ~UvTimer() override {
    uv_timer_stop(&timer_->handle);
    timer_->release();
  }

 private:
  OwnedHandle<uv_timer_t>* timer_;
};

class UvListener final : public Listener {
 public:
  UvListener(uv_loop_t* loop, int descriptor, AcceptHandler on_accept) : poll_(new Poll) {
    poll_->descriptor = descriptor;
    poll_->on_accept = std::move(on_accept);
    poll_->handle.data = poll_;
    uv_poll_init(loop, &poll_->handle, descriptor);
    uv_poll_start(&poll_->handle, UV_READABLE, &accept_all);
  }
  UvListener(const UvListener&) = delete;
  UvListener& operator=(const UvListener&) = delete;
  ~UvListener() override {
    uv_poll_stop(&poll_->handle);
    ::close(poll_->descriptor);
    uv_close(reinterpret_cast<uv_handle_t*>(&poll_->handle),
             [](uv_handle_t* h) { delete static_cast<Poll*>(h->data); });
  }
  uint16_t port() const override {
    sockaddr_storage address{};
    socklen_t length = sizeof address;
    getsockname(poll_->descriptor, reinterpret_cast<sockaddr*>(&address), &length);
    if (address.ss_family == AF_INET) {
      return ntohs(reinterpret_cast<sockaddr_in&>(address).sin_port);
    }
    if (address.ss_family == AF_INET6) {
      return ntohs(reinterpret_cast<sockaddr_in6&>(address).sin6_port);
    }
    return 0;
  }
  Result<int> duplicate() const override {
    const int descriptor = fcntl(poll_->descriptor, F_DUPFD_CLOEXEC, 0);
    if (descriptor < 0) return fail_errno(errno, "Duplicating a listening socket");
    return descriptor;
  }

 private:
  static constexpr int kAcceptsPerTurnMax =
      1000;  // as Redis: a flood of connects must not starve the loop
  struct Poll {
    uv_poll_t handle{};
    int descriptor = -1;
    AcceptHandler on_accept;
  };
  static void accept_all(uv_poll_t* handle, int status, int /*events*/) {
    auto* poll = static_cast<Poll*>(handle->data);
    if (status != 0) return;
    for (int i = 0; i < kAcceptsPerTurnMax; ++i) {
      const int client = accept4(poll->descriptor, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK);
      if (client < 0) return;
      poll->on_accept(client);
    }
  }
  Poll* poll_;
};

class UvLoopImpl final : public UvLoop {
 public:
  UvLoopImpl() {
    uv_loop_init(&loop_);
    loop_.data = this;
    wake_.data = this;
    idle_.data = this;
    check_.data = this;
    uv_poll_init(&loop_, &wake_, wake_descriptor_);
    uv_poll_start(&wake_, UV_READABLE, [](uv_poll_t* h, int /*status*/, int /*events*/) {
      auto* self = static_cast<UvLoopImpl*>(h->data);
      eventfd_t count = 0;
      eventfd_read(self->wake_descriptor_, &count);
      self->drain();
    });
    uv_idle_init(&loop_, &idle_);
    uv_check_init(&loop_, &check_);
    uv_check_start(&check_, [](uv_check_t* h) {
      auto* self = static_cast<UvLoopImpl*>(h->data);
      if (std::exchange(self->posted_here_, false)) self->drain();
      if (self->polls_again()) return;
      self->end_turn();
    });
    uv_idle_init(&loop_, &poll_again_);
    // Timers run before the poll phase: their effects leave at once, not a poll later.
    uv_prepare_init(&loop_, &prepare_);
    prepare_.data = this;
    uv_prepare_start(&prepare_, [](uv_prepare_t* h) {
      auto* self = static_cast<UvLoopImpl*>(h->data);
      if (std::exchange(self->timers_fired_, false)) self->end_turn();
    });
  }
  UvLoopImpl(const UvLoopImpl&) = delete;
  UvLoopImpl& operator=(const UvLoopImpl&) = delete;
  ~UvLoopImpl() override {
    for (auto* signal : signals_) signal->release();
    uv_close(reinterpret_cast<uv_handle_t*>(&wake_), nullptr);
    uv_close(reinterpret_cast<uv_handle_t*>(&idle_), nullptr);
    uv_close(reinterpret_cast<uv_handle_t*>(&check_), nullptr);
    uv_close(reinterpret_cast<uv_handle_t*>(&poll_again_), nullptr);
    uv_close(reinterpret_cast<uv_handle_t*>(&prepare_), nullptr);
    turn_end_ = nullptr;
    uv_run(&loop_, UV_RUN_DEFAULT);
    uv_loop_close(&loop_);
    ::close(wake_descriptor_);
  }

  void run() override {
    running_here = this;
    while (!stopping_.load(std::memory_order_acquire)) uv_run(&loop_, UV_RUN_ONCE);
    drain();
    end_turn();
    running_here = nullptr;
  }
  void stop() override {
    stopping_.store(true, std::memory_order_release);
    wake();
  }

  void post(Task task) override {
    if (!tasks_.push(std::move(task))) return;
    if (running_here != this) return wake();
    // No system call to wake oneself: while this is active the loop does not sleep.
    uv_idle_start(&idle_,
                  [](uv_idle_t* h) { static_cast<UvLoopImpl*>(h->data)->posted_here_ = true; });
  }
  const Clock& clock() const override { return clock_; }
  std::unique_ptr<Timer> start_timer(uint64_t delay_us, uint64_t repeat_us, Task task) override {
    return std::make_unique<UvTimer>(&loop_, delay_us, repeat_us, std::move(task), timers_fired_);
  }
  void set_turn_end(Task hook) override { turn_end_ = std::move(hook); }
  void set_gathering(bool on) override { gathers_ = on; }
  uint64_t turn_us() const override {
    const uint64_t began = clock_.monotonic_us();
    return read_clock_us(CLOCK_MONOTONIC) - began;
  }

  Result<std::unique_ptr<Listener>> listen_tcp(const std::string& host, uint16_t port, int backlog,
                                               AcceptHandler on_accept) override;
  Result<std::unique_ptr<Listener>> listen_unix(const std::string& path, int backlog,
                                                unsigned permissions,
                                                AcceptHandler on_accept) override;
  std::unique_ptr<Listener> listen_on(int descriptor, AcceptHandler on_accept) override {
    return std::make_unique<UvListener>(&loop_, descriptor, std::move(on_accept));
  }
  Result<std::unique_ptr<Stream>> adopt_socket(int descriptor, unsigned keepalive_s) override {
    return make_uv_stream(&loop_, descriptor, keepalive_s);
  }
  std::unique_ptr<PendingConnection> connect_tcp(const std::string& host, uint16_t port,
                                                 uint64_t timeout_us,
                                                 ConnectHandler on_done) override {
    return begin_connecting(*this, &loop_, {host, port}, timeout_us, std::move(on_done));
  }
  std::unique_ptr<PendingPeek> peek_socket(int descriptor, PeekLimits limits, PeekEnough enough,
                                           PeekHandler on_done) override {
    return begin_peeking(*this, &loop_, descriptor, limits, std::move(enough), std::move(on_done));
  }
  Status on_signal(int signal, Task task) override {
    auto* owned = new OwnedHandle<uv_signal_t>;
    owned->task = std::move(task);
    uv_signal_init(&loop_, &owned->handle);
    signals_.push_back(owned);
    const int code = uv_signal_start(
        &owned->handle,
        [](uv_signal_t* h, int /*number*/) { OwnedHandle<uv_signal_t>::of(h)->task(); }, signal);
    if (code != 0) return fail_errno(-code, "cannot catch signal " + std::to_string(signal));
    return {};
  }

 private:
  // Not uv_async_t: who receives one spins until its sender has run on, which may be a thread that
  // has just been interrupted.
  void wake() { eventfd_write(wake_descriptor_, 1); }
  void drain() {
    uv_idle_stop(&idle_);
    batch_.clear();
    tasks_.take(batch_);
    for (Task& task : batch_) task();
    batch_.clear();
  }
  // Whether the turn goes on with a second poll, which does not wait.
  bool polls_again() {
    polled_again_ = gathers_ && !polled_again_;
    if (polled_again_) {
      uv_idle_start(&poll_again_, [](uv_idle_t* /*active: libuv does not wait*/) {});
    } else {
      uv_idle_stop(&poll_again_);
    }
    return polled_again_;
  }
  void end_turn() {
    if (turn_end_) turn_end_();
    clock_.end_turn();
  }

  uv_loop_t loop_{};
  static thread_local const UvLoopImpl* running_here;

  const int wake_descriptor_ = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  uv_poll_t wake_{};
  uv_idle_t idle_{};
  bool posted_here_ = false;  // before this turn: its end takes it
  bool gathers_ = false, polled_again_ = false;
  uv_idle_t poll_again_{};
  uv_check_t check_{};
  uv_prepare_t prepare_{};
  TaskStack tasks_;
  std::vector<Task> batch_;
  std::atomic<bool> stopping_{false};
  TurnClock clock_;
  Task turn_end_;
  bool timers_fired_ = false;
  std::vector<OwnedHandle<uv_signal_t>*> signals_;
};

thread_local const UvLoopImpl* UvLoopImpl::running_here = nullptr;

Result<int> bind_socket(const addrinfo& address, int backlog, const std::string& where) {
  const int descriptor =
      socket(address.ai_family, address.ai_socktype | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (descriptor < 0) return fail_errno(errno, "Creating server TCP listening socket " + where);
  const int on = 1;
  setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (address.ai_family == AF_INET6) {
    setsockopt(descriptor, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
  }
  if (bind(descriptor, address.ai_addr, address.ai_addrlen) != 0 ||
      listen(descriptor, backlog) != 0) {
    const int code = errno;
    ::close(descriptor);
    return fail_errno(code, "Creating server TCP listening socket " + where + ": bind");
  }
  return descriptor;
}

Result<std::unique_ptr<Listener>> UvLoopImpl::listen_tcp(const std::string& host, uint16_t port,
                                                         int backlog, AcceptHandler on_accept) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_PASSIVE | AI_NUMERICSERV;
  const bool any4 = host == "*";
  const bool any6 = host == "::*";
  if (any4) hints.ai_family = AF_INET;
  if (any6) hints.ai_family = AF_INET6;
  addrinfo* found = nullptr;
  const int code = getaddrinfo(any4 || any6 ? nullptr : host.c_str(), std::to_string(port).c_str(),
                               &hints, &found);
  const std::string where = host + ":" + std::to_string(port);
  if (code != 0) {
    return std::unexpected(Error{EADDRNOTAVAIL, "Creating server TCP listening socket " + where +
                                                    ": " + gai_strerror(code)});
  }
  const Result<int> descriptor = bind_socket(*found, backlog, where);
  freeaddrinfo(found);
  if (!descriptor) return std::unexpected(descriptor.error());
  return std::make_unique<UvListener>(&loop_, *descriptor, std::move(on_accept));
}

Result<std::unique_ptr<Listener>> UvLoopImpl::listen_unix(const std::string& path, int backlog,
                                                          unsigned permissions,
                                                          AcceptHandler on_accept) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path) {
    return fail_errno(ENAMETOOLONG, "Creating Unix socket " + path);
  }
  path.copy(address.sun_path, path.size());
  const int descriptor = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (descriptor < 0) return fail_errno(errno, "Creating Unix socket " + path);
  unlink(path.c_str());
  if (bind(descriptor, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0 ||
      listen(descriptor, backlog) != 0 ||
      (permissions != 0 && chmod(path.c_str(), permissions) != 0)) {
    const int code = errno;
    ::close(descriptor);
    return fail_errno(code, "Creating Unix socket " + path);
  }
  return std::make_unique<UvListener>(&loop_, descriptor, std::move(on_accept));
}

}  // namespace

bool is_local_socket(int descriptor) {
  sockaddr_storage address{};
  socklen_t length = sizeof address;
  if (getpeername(descriptor, reinterpret_cast<sockaddr*>(&address), &length) != 0) return false;
  if (address.ss_family == AF_UNIX) return true;
  if (address.ss_family == AF_INET) {
    const auto ip = ntohl(reinterpret_cast<const sockaddr_in&>(address).sin_addr.s_addr);
    return ip >> 24 == 127;
  }
  const auto& ip6 = reinterpret_cast<const sockaddr_in6&>(address).sin6_addr;
  return address.ss_family == AF_INET6 && IN6_IS_ADDR_LOOPBACK(&ip6) != 0;
}

void refuse_socket(int descriptor, std::string_view farewell) {
  // A client that is gone already will not miss it.
  [[maybe_unused]] const ssize_t sent =
      send(descriptor, farewell.data(), farewell.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
  ::close(descriptor);
}

std::unique_ptr<UvLoop> UvLoop::make() { return std::make_unique<UvLoopImpl>(); }

}  // namespace quorate::runtime
