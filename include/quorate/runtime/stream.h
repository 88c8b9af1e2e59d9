// A connected byte stream (TCP or Unix socket; a link of the simulator).
//
// Reading hands the handler's own buffer to the socket, so that bytes are copied once, by the
// kernel. Writing is two-step: try_write() takes what the socket accepts now, and only what is left
// over goes through write(), whose bytes must stay where they are until on_drained(). Thread: that
// of the loop which made it; the handler is called on the same thread and must outlive the stream.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace quorate::runtime {

class StreamHandler {
 public:
  virtual ~StreamHandler() = default;
  // Where the next bytes go; at least one byte. Valid until on_read() returns.
  virtual std::span<char> read_buffer() = 0;
  // `size` bytes arrived at the start of the buffer last handed out.
  virtual void on_read(size_t size) = 0;
  // What write() was given has left.
  virtual void on_drained() = 0;
  // The stream has ended: by the peer, an error or close(). The last call, in a later turn than
  // any other; the stream may be destroyed in it.
  virtual void on_closed() = 0;
};

class Stream {
 public:
  virtual ~Stream() = default;
  virtual void start(StreamHandler& handler) = 0;
  virtual void pause_reading() = 0;
  virtual void resume_reading() = 0;
  // Returns how many bytes the socket took; 0 when it would block or while a write() is under way.
  virtual size_t try_write(std::string_view bytes) = 0;
  virtual void write(std::string_view bytes) = 0;
  // Ends the stream; on_closed() follows on a later turn. Bytes not yet written are lost.
  virtual void close() = 0;
  // "ip:port", "[ip6]:port" or "/path:0" as Redis shows them in CLIENT LIST.
  virtual std::string peer_address() const = 0;
  virtual std::string local_address() const = 0;
  // Another descriptor of the socket, the caller's: the connection goes on with it when the stream
  // is closed. Nothing for streams that are no sockets.
  virtual std::optional<int> duplicate() const { return std::nullopt; }
};

}  // namespace quorate::runtime
