// PeerLink: one connection between two nodes, from its first byte to its last.
//
// It shakes hands, then exchanges frames. send() encodes a message into the frame of the turn;
// flush(), which the owner calls at the end of each loop turn, writes that frame in one piece.
// While the socket still holds back an earlier write, messages gather for the next frame, which
// leaves by itself when the socket is free; many are put aside in pieces, since one buffer that
// grows with a peer that stands still would be copied whole, again and again. A link holds at most
// queued_bytes_max and one message, and as much again as awaited_bytes_max of what a peer has asked
// for and waits for: beyond, and as long as the peer does not read, send() says overflow, and what
// to give up is the owner's decision.
//
// on_ready() comes at most once and before any message, on_closed() once, last and on a later turn
// than what caused it. The link may be destroyed within on_closed() or outside of all calls of its
// owner; the connection then ends without further calls. Thread: that of the loop. Units: bytes of
// a frame include its header. Source: DESIGN 7.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "quorate/cluster/peer_frame.h"
#include "quorate/cluster/peer_handshake.h"
#include "quorate/runtime/loop.h"
#include "quorate/runtime/stream.h"

namespace quorate::cluster {

class PeerLink;

class PeerLinkOwner {
 public:
  virtual ~PeerLinkOwner() = default;
  // An error refuses the peer with that reason; see PeerHandshake::Judge.
  virtual runtime::Status judge(PeerLink& link, const PeerHello& peer) = 0;
  // The peer has proved itself; link.peer() is who it is. Messages may be sent from now on.
  virtual void on_ready(PeerLink& link) = 0;
  // `body` is valid until this returns. Types it does not know it passes over.
  virtual void on_message(PeerLink& link, uint8_t type, std::string_view body) = 0;
  // The messages since the last of these calls left the peer together.
  virtual void on_frame_end(PeerLink& link) = 0;
  virtual void on_closed(PeerLink& link, const std::string& reason) = 0;
  // The connection has taken what it held back; what was sent meanwhile has been given to it.
  virtual void on_drained(PeerLink& /*link*/) {}
};

struct PeerLinkSettings {
  std::string secret;
  uint64_t handshake_timeout_us = 5'000'000;
  size_t queued_bytes_max = size_t{64} << 20;
  size_t awaited_bytes_max = size_t{128} << 20;
  size_t body_bytes_max = kMessageBodyBytesMax;  // of a message that is sent
  // Where all links of a thread read to; must outlive them. One read per turn fits in.
  std::span<char> read_buffer;
};

// What becomes of a message that is dropped: its sender knows, and may try again, or its receiver
// waits for it in vain.
enum class Need : uint8_t { told, awaited };

enum class SendResult : uint8_t {
  queued,
  not_ready,  // before on_ready(), or after the link's end has begun
  overflow,   // the peer does not keep up
  too_long,   // longer than body_bytes_max
};

class PeerLink final : private runtime::StreamHandler {
 public:
  struct Statistics {
    uint64_t bytes_in = 0, bytes_out = 0;  // handshake included
    uint64_t frames_in = 0, frames_out = 0;
    uint64_t messages_in = 0, messages_out = 0;
    uint64_t overflows = 0;
  };

  // Begins the handshake on a connection that was made or accepted. The owner must outlive the
  // link.
  PeerLink(PeerHandshake::Role role, std::unique_ptr<runtime::Stream> stream, PeerHello own,
           const PeerLinkSettings& settings, runtime::Loop& loop, PeerLinkOwner& owner);
  ~PeerLink() override = default;
  PeerLink(const PeerLink&) = delete;
  PeerLink& operator=(const PeerLink&) = delete;

  // Calls encode(std::string&), which appends the body where it is sent from.
  template <class Encode>
  SendResult send(uint8_t type, Encode&& encode, Need need = Need::told) {
    if (state_ != State::ready) return SendResult::not_ready;
    const size_t awaited = awaited_in_batch_ + awaited_aside_ + awaited_in_flight_;
    const bool full = need == Need::awaited ? awaited >= awaited_bytes_max_
                                            : queued_bytes() - awaited >= queued_bytes_max_;
    if (full) return overflow();
    const size_t before = batch_.size();
    if (!writer_.add(type, std::forward<Encode>(encode))) return SendResult::too_long;
    if (need == Need::awaited) awaited_in_batch_ += batch_.size() - before;
    ++statistics_.messages_out;
    return SendResult::queued;
  }
  void flush();
  // Ends the connection; what is queued is lost.
  void close(std::string reason);

  [[nodiscard]] bool ready() const { return state_ == State::ready; }
  // REQUIRES: on_ready() has come.
  [[nodiscard]] const PeerHello& peer() const { return peer_; }
  [[nodiscard]] uint16_t version() const { return version_; }
  [[nodiscard]] PeerHandshake::Role role() const { return role_; }
  // What the handshake failed on, if it did.
  [[nodiscard]] const std::optional<Refusal>& refusal() const { return refusal_; }
  [[nodiscard]] std::string peer_address() const { return stream_->peer_address(); }
  [[nodiscard]] std::string local_address() const { return stream_->local_address(); }
  [[nodiscard]] size_t queued_bytes() const {
    return batch_.size() + aside_bytes_ + unwritten_bytes_;
  }
  // See FrameReader.
  [[nodiscard]] uint64_t large_frame_bytes() const { return reader_.large_frame_bytes(); }
  [[nodiscard]] Statistics statistics() const;

 private:
  enum class State : uint8_t { handshake, ready, closing };

  std::span<char> read_buffer() override { return read_buffer_; }
  void on_read(size_t size) override;
  void on_drained() override;
  void on_closed() override;

  void shake_hands(std::string_view& bytes);
  void send_handshake();
  void begin_frames();
  void read_frames(std::string_view bytes);
  void put_aside();
  void write_batch();
  void write(std::string& bytes, size_t awaited);
  SendResult overflow();

  const PeerHandshake::Role role_;
  const size_t queued_bytes_max_, awaited_bytes_max_;
  const std::span<char> read_buffer_;
  PeerLinkOwner& owner_;
  State state_ = State::handshake;
  std::string reason_;  // of the end

  std::unique_ptr<PeerHandshake> handshake_;  // until it is over
  std::unique_ptr<runtime::Timer> deadline_;
  PeerHello peer_;
  uint16_t version_ = 0;
  std::optional<Refusal> refusal_;

  FrameReader reader_;
  std::string batch_;  // not yet given to the stream
  FrameWriter writer_;
  struct Piece {
    std::string frames;
    size_t awaited = 0;
  };
  std::deque<Piece> aside_;  // before batch_; none unless there is something in flight
  size_t aside_bytes_ = 0;
  std::string in_flight_;  // given to write()
  size_t unwritten_bytes_ = 0;
  size_t awaited_in_batch_ = 0, awaited_aside_ = 0, awaited_in_flight_ = 0;  // of those three
  Statistics statistics_;
  std::unique_ptr<runtime::Stream> stream_;  // the first to go
};

}  // namespace quorate::cluster
