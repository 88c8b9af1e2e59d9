#include "runtime/uv_peek.h"

#include <cerrno>
#include <string>
#include <sys/socket.h>
#include <unistd.h>
#include <utility>

namespace quorate::runtime {
namespace {

// Bytes that were seen stay readable: asking the kernel again at once would never rest.
constexpr uint64_t kLookAgainUs = 5'000;

class UvPeek final : public PendingPeek {
 public:
  UvPeek(Loop& loop, uv_loop_t* uv_loop, int descriptor, PeekLimits limits, PeekEnough enough,
         PeekHandler on_done)
      : loop_(loop),
        uv_loop_(uv_loop),
        descriptor_(descriptor),
        enough_(std::move(enough)),
        on_done_(std::move(on_done)),
        bytes_(limits.bytes_max, '\0') {
    deadline_ = loop_.start_timer(
        limits.timeout_us, 0, [this] { fail_with(ETIMEDOUT, "waiting for a connection's hello"); });
    again_ = loop_.start_timer(0, 0, [this] { wait(); });  // not now: the caller has no handle yet
  }
  UvPeek(const UvPeek&) = delete;
  UvPeek& operator=(const UvPeek&) = delete;
  ~UvPeek() override {
    const int descriptor = release();
    if (descriptor >= 0) ::close(descriptor);
  }

 private:
  struct Poll {
    uv_poll_t handle{};
    UvPeek* owner = nullptr;
  };

  void wait() {
    auto poll = std::make_unique<Poll>();
    if (const int code = uv_poll_init(uv_loop_, &poll->handle, descriptor_); code != 0) {
      return fail_with(-code, "watching a new connection");
    }
    poll->owner = this;
    poll_ = poll.release();
    poll_->handle.data = poll_;
    uv_poll_start(&poll_->handle, UV_READABLE, [](uv_poll_t* h, int /*status*/, int /*events*/) {
      auto* poll = static_cast<Poll*>(h->data);
      if (poll->owner != nullptr) poll->owner->look();
    });
  }

  void look() {
    const ssize_t size = ::recv(descriptor_, bytes_.data(), bytes_.size(), MSG_PEEK | MSG_DONTWAIT);
    if (size < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR)) return;
    if (size < 0) return fail_with(errno, "reading a connection's hello");
    if (size == 0) return fail_with(ECONNRESET, "a connection ended before its hello");
    if (enough_(std::string_view(bytes_).substr(0, static_cast<size_t>(size)))) {
      return finish(release());
    }
    if (static_cast<size_t>(size) == bytes_.size()) {
      return fail_with(EMSGSIZE, "a connection's hello");
    }
    stop_polling();
    again_ = loop_.start_timer(kLookAgainUs, 0, [this] { wait(); });
  }

  void stop_polling() {
    Poll* const poll = std::exchange(poll_, nullptr);
    if (poll == nullptr) return;
    poll->owner = nullptr;
    uv_close(reinterpret_cast<uv_handle_t*>(&poll->handle),
             [](uv_handle_t* h) { delete static_cast<Poll*>(h->data); });
  }

  int release() {
    stop_polling();
    deadline_.reset();
    again_.reset();
    return std::exchange(descriptor_, -1);
  }

  void fail_with(int code, const std::string& what) {
    const int descriptor = release();
    if (descriptor >= 0) ::close(descriptor);
    finish(fail_errno(code, what));
  }

  // The handler may destroy this.
  void finish(Result<int> result) {
    PeekHandler on_done = std::move(on_done_);
    on_done(std::move(result));
  }

  Loop& loop_;
  uv_loop_t* const uv_loop_;
  int descriptor_;
  PeekEnough enough_;
  PeekHandler on_done_;
  std::string bytes_;
  Poll* poll_ = nullptr;
  std::unique_ptr<Timer> deadline_, again_;
};

}  // namespace

std::unique_ptr<PendingPeek> begin_peeking(Loop& loop, uv_loop_t* uv_loop, int descriptor,
                                           PeekLimits limits, PeekEnough enough,
                                           PeekHandler on_done) {
  return std::make_unique<UvPeek>(loop, uv_loop, descriptor, limits, std::move(enough),
                                  std::move(on_done));
}

}  // namespace quorate::runtime
