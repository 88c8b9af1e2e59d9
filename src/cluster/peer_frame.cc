#include "quorate/cluster/peer_frame.h"

#include <algorithm>
#include <bit>
#include <cassert>
#include <cstring>
#include <fmt/format.h>

#include "quorate/runtime/crc32c.h"

namespace quorate::cluster {
namespace {

static_assert(std::endian::native == std::endian::little, "numbers are sent as they are in memory");

constexpr size_t kLengthBytes = sizeof(uint32_t);
constexpr size_t kPartialKeptBytes = 64 * 1024;  // of a buffer that is not needed for now

void store(char* at, size_t value) {
  const auto number = static_cast<uint32_t>(value);
  std::memcpy(at, &number, sizeof(number));
}

uint32_t load(std::string_view bytes, size_t at) {
  uint32_t number = 0;
  std::memcpy(&number, bytes.data() + at, sizeof(number));
  return number;
}

uint32_t checksum_of(std::string_view frame) {
  return runtime::crc32c_extend(runtime::crc32c(frame.substr(0, kLengthBytes)),
                                frame.data() + kFrameHeaderBytes, frame.size() - kFrameHeaderBytes);
}

}  // namespace

void seal_frame(std::span<char> frame) {
  assert(frame.size() <= kFrameHeaderBytes + kFramePayloadBytesMax);
  store(frame.data(), frame.size() - kFrameHeaderBytes);
  store(frame.data() + kLengthBytes, checksum_of({frame.data(), frame.size()}));
}

// ---- FrameWriter

size_t FrameWriter::begin_message(uint8_t type) {
  if (open() && out_.size() - frame_ - kFrameHeaderBytes >= kFrameBatchBytes) seal();
  if (!open()) {
    frame_ = out_.size();
    out_.append(kFrameHeaderBytes, '\0');
  }
  const size_t message = out_.size();
  out_.push_back(static_cast<char>(type));
  out_.append(kLengthBytes, '\0');
  return message;
}

bool FrameWriter::end_message(size_t message) {
  assert(out_.size() >= message + kMessageHeaderBytes);
  const size_t body_bytes = out_.size() - message - kMessageHeaderBytes;
  if (body_bytes <= body_bytes_max_) {
    store(out_.data() + message + 1, body_bytes);
    return true;
  }
  out_.resize(message);
  if (message == frame_ + kFrameHeaderBytes) {
    out_.resize(frame_);
    frame_ = kNone;
  }
  return false;
}

void FrameWriter::seal() {
  if (!open()) return;
  seal_frame(std::span(out_).subspan(frame_));
  frame_ = kNone;
  ++frames_;
}

// ---- FrameReader

std::optional<PeerMessage> FrameReader::next() {
  if (!status_ || (payload_.empty() && !next_frame())) return std::nullopt;
  if (payload_.size() < kMessageHeaderBytes)
    return fail("a message is cut by the end of its frame");
  PeerMessage message;
  message.type = static_cast<uint8_t>(payload_.front());
  const size_t body_bytes = load(payload_, 1);
  if (body_bytes > payload_.size() - kMessageHeaderBytes) {
    return fail(fmt::format("a message of type {} and {} bytes is longer than its frame",
                            message.type, body_bytes));
  }
  message.body = payload_.substr(kMessageHeaderBytes, body_bytes);
  payload_.remove_prefix(kMessageHeaderBytes + body_bytes);
  message.ends_frame = payload_.empty();
  return message;
}

// Sets `payload_` to the next frame's; false if it is not all here or malformed.
bool FrameReader::next_frame() {
  if (partial_done_) {
    partial_done_ = false;
    partial_.clear();
    if (partial_.capacity() > kPartialKeptBytes) partial_.shrink_to_fit();
  }
  std::string_view frame;
  if (!whole_frame(frame)) return false;
  if (load(frame, kLengthBytes) != checksum_of(frame)) {
    fail("a frame's checksum is wrong");
    return false;
  }
  ++frames_;
  payload_ = frame.substr(kFrameHeaderBytes);
  return true;
}

// The next frame, header included, where it stands; what there is of it is kept if it is not whole.
bool FrameReader::whole_frame(std::string_view& frame) {
  if (!partial_.empty()) complete_partial(kFrameHeaderBytes);
  const std::string_view known = partial_.empty() ? input_ : std::string_view(partial_);
  if (known.size() < kFrameHeaderBytes) {
    if (partial_.empty()) complete_partial(kFrameHeaderBytes);
    return false;
  }
  const size_t payload_bytes = load(known, 0);
  if (payload_bytes == 0 || payload_bytes > kFramePayloadBytesMax) {
    fail(fmt::format("a frame of {} bytes, it must have 1 to {}", payload_bytes,
                     kFramePayloadBytesMax));
    return false;
  }
  const size_t frame_bytes = kFrameHeaderBytes + payload_bytes;
  if (frame_bytes >= kLargeFrameBytes) {
    large_frame_bytes_ += std::min(frame_bytes - partial_.size(), input_.size());
  }
  if (partial_.empty() && input_.size() >= frame_bytes) {
    frame = input_.substr(0, frame_bytes);
    input_.remove_prefix(frame_bytes);
    return true;
  }
  complete_partial(frame_bytes);
  if (partial_.size() < frame_bytes) return false;
  frame = partial_;
  partial_done_ = true;
  return true;
}

// Moves input to `partial_` until that has `size` bytes or there is none left.
void FrameReader::complete_partial(size_t size) {
  const size_t step = std::min(size - std::min(size, partial_.size()), input_.size());
  partial_.append(input_.substr(0, step));
  input_.remove_prefix(step);
}

std::optional<PeerMessage> FrameReader::fail(std::string reason) {
  status_ = runtime::fail(std::move(reason));
  input_ = {};
  payload_ = {};
  return std::nullopt;
}

}  // namespace quorate::cluster
