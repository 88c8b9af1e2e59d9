// Frames: what two nodes exchange on a connection after their handshake (DESIGN 7).
//
//   frame   = payload bytes u32, CRC-32C u32 of those four bytes and the payload; payload
//   payload = message …, at least one
//   message = type u8, body bytes u32, body
//
// All numbers are little-endian. A message's length has a fixed width because its body is encoded
// where it will be sent from, before its length is known. Everything that a loop turn sends to one
// peer is one frame, except that a frame of kFrameBatchBytes takes no further message: the next
// begins another frame. Which types there are, and what their bodies hold, is not the codec's
// matter: who does not know a type passes it over, so that two releases share a cluster.
//
// A FrameReader trusts nothing: a length beyond its limit, a wrong checksum and a message that does
// not fit its frame are one error each, and nothing comes after it. What it holds grows with what
// has arrived, never with what a length announces. Thread: values, no shared state.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "quorate/runtime/error.h"

namespace quorate::cluster {

inline constexpr size_t kFrameHeaderBytes = 8;
inline constexpr size_t kMessageHeaderBytes = 5;
// Room for the largest value that Redis takes (proto-max-bulk-len, 512 MiB) among others.
inline constexpr size_t kMessageBodyBytesMax = size_t{1} << 30;
inline constexpr size_t kFrameBatchBytes = size_t{1} << 20;
inline constexpr size_t kFramePayloadBytesMax =
    kFrameBatchBytes + kMessageHeaderBytes + kMessageBodyBytesMax;

// Fills the header in front of a payload that already stands at frame + kFrameHeaderBytes.
void seal_frame(std::span<char> frame);

// Appends frames to a string, which only it changes between a message and seal(). No allocation but
// that of the string.
class FrameWriter {
 public:
  explicit FrameWriter(std::string& out, size_t body_bytes_max = kMessageBodyBytesMax)
      : out_(out), body_bytes_max_(body_bytes_max) {}

  // Calls encode(std::string&), which appends the message's body. False, and the message is not
  // there, if the body is longer than body_bytes_max.
  template <class Encode>
  [[nodiscard]] bool add(uint8_t type, Encode&& encode) {
    const size_t message = begin_message(type);
    std::forward<Encode>(encode)(out_);
    return end_message(message);
  }

  // Whether there is a frame that seal() would complete.
  [[nodiscard]] bool open() const { return frame_ != kNone; }
  // Completes the frame, if there is one. Then the string may be sent, and emptied.
  void seal();

  [[nodiscard]] uint64_t frames() const { return frames_; }  // completed so far

 private:
  static constexpr size_t kNone = SIZE_MAX;

  // Returns where the message begins.
  size_t begin_message(uint8_t type);
  bool end_message(size_t message);

  std::string& out_;
  const size_t body_bytes_max_;
  size_t frame_ = kNone;  // where the open frame begins
  uint64_t frames_ = 0;
};

struct PeerMessage {
  uint8_t type = 0;
  bool ends_frame = false;
  std::string_view body;
};

// Takes the bytes of a connection as they arrive, in any pieces:
//
//   reader.feed(bytes);
//   while (const auto message = reader.next()) …
//   if (!reader.status()) …
//
// What stands in one feed() as a whole is not copied; a frame that is cut is put together here.
class FrameReader {
 public:
  // REQUIRES: next() has said that there is nothing left. `bytes` must stay until it says so again.
  void feed(std::string_view bytes) { input_ = bytes; }

  // Its body is valid until the next call.
  std::optional<PeerMessage> next();

  // An error for good once the bytes were malformed.
  [[nodiscard]] const runtime::Status& status() const { return status_; }
  [[nodiscard]] uint64_t frames() const { return frames_; }  // intact ones so far
  // What is kept of a frame of which more is to come.
  [[nodiscard]] size_t held_bytes() const { return partial_.capacity(); }
  // So far, of frames that long, also of one of which more is to come.
  [[nodiscard]] uint64_t large_frame_bytes() const { return large_frame_bytes_; }
  static constexpr size_t kLargeFrameBytes = size_t{1} << 20;

 private:
  bool next_frame();
  bool whole_frame(std::string_view& frame);
  void complete_partial(size_t size);
  std::optional<PeerMessage> fail(std::string reason);

  std::string_view input_;     // fed and not yet looked at
  std::string_view payload_;   // messages left of the frame under way
  std::string partial_;        // the beginning of a frame, or a whole one that came in pieces
  bool partial_done_ = false;  // `payload_` is in it
  runtime::Status status_;
  uint64_t frames_ = 0;
  uint64_t large_frame_bytes_ = 0;
};

}  // namespace quorate::cluster
