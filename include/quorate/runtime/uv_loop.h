// The production loop: libuv on one thread, with sockets and signals.
//
// post() is a lock-free stack that the loop takes whole, plus one eventfd write when it was empty:
// FIFO per poster, one wake-up per batch. Accepted sockets travel between loops as plain
// descriptors: the loop that listens calls on_accept with one, the loop that shall own it calls
// adopt_socket(). Thread: run() makes the calling thread the loop's; post() and stop() from any
// thread.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "quorate/runtime/connector.h"
#include "quorate/runtime/error.h"
#include "quorate/runtime/loop.h"
#include "quorate/runtime/socket_peek.h"
#include "quorate/runtime/stream.h"

namespace quorate::runtime {

class Listener {
 public:
  virtual ~Listener() = default;  // stops listening
  // The port the system chose when 0 was asked for; 0 for a Unix socket.
  virtual uint16_t port() const = 0;
  // Another descriptor of the socket, the caller's: as long as it is open, who connects waits until
  // somebody accepts again (UvLoop::listen_on).
  virtual Result<int> duplicate() const = 0;
};

using AcceptHandler = std::move_only_function<void(int descriptor)>;

// Whether the peer of an accepted socket is on this machine (loopback or a Unix socket).
bool is_local_socket(int descriptor);
// Sends what fits without waiting, then closes the socket.
void refuse_socket(int descriptor, std::string_view farewell);

class UvLoop : public Loop, public Connector {
 public:
  static std::unique_ptr<UvLoop> make();

  // Runs turns until stop(). Queued tasks that were posted before stop() still run.
  virtual void run() = 0;
  virtual void stop() = 0;
  // Whether a turn also takes what arrived while its first poll was handled, without waiting for
  // it: fewer and larger turns where more threads than cores talk to each other. Off at first.
  // Thread: the loop's, or any before run().
  virtual void set_gathering(bool on) = 0;

  virtual Result<std::unique_ptr<Listener>> listen_tcp(const std::string& host, uint16_t port,
                                                       int backlog, AcceptHandler on_accept) = 0;
  // `permissions` 0 leaves what the umask gives.
  virtual Result<std::unique_ptr<Listener>> listen_unix(const std::string& path, int backlog,
                                                        unsigned permissions,
                                                        AcceptHandler on_accept) = 0;
  // Takes ownership of a socket that listens.
  virtual std::unique_ptr<Listener> listen_on(int descriptor, AcceptHandler on_accept) = 0;
  // Takes ownership of a connected socket. TCP sockets get no-delay and, if not 0, keep-alive.
  virtual Result<std::unique_ptr<Stream>> adopt_socket(int descriptor, unsigned keepalive_s) = 0;
  // Takes ownership of a connected socket until it can be told who shall have it.
  [[nodiscard]] virtual std::unique_ptr<PendingPeek> peek_socket(int descriptor, PeekLimits limits,
                                                                 PeekEnough enough,
                                                                 PeekHandler on_done) = 0;
  // Calls `task` on each arrival of the signal, for as long as the loop lives.
  virtual Status on_signal(int signal, Task task) = 0;
};

// How much a thread is preferred where there are more than cores.
enum class Priority : uint8_t {
  normal,      // as the loops' threads
  background,  // yields to them
};

// A thread of its own for work that blocks (fdatasync, LMDB): runs posted tasks in order. The
// destructor runs what is queued, then joins.
std::unique_ptr<Executor> make_worker_thread(const std::string& name,
                                             Priority priority = Priority::normal);

// Calls `begin` with an executor and waits on this thread, which is not a loop's, for the one task
// that is posted to it; runs the task.
void run_and_wait(const std::function<void(Executor& caller)>& begin);

}  // namespace quorate::runtime
