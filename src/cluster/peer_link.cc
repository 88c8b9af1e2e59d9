#include "quorate/cluster/peer_link.h"

#include <algorithm>
#include <cassert>
#include <fmt/format.h>

namespace quorate::cluster {
namespace {

constexpr size_t kBufferKeptBytes = size_t{1} << 20;  // of one that a burst has made large
constexpr size_t kPieceBytes = size_t{256} << 10;

void empty(std::string& buffer) {
  buffer.clear();
  if (buffer.capacity() > kBufferKeptBytes) buffer.shrink_to_fit();
}

}  // namespace

PeerLink::PeerLink(PeerHandshake::Role role, std::unique_ptr<runtime::Stream> stream, PeerHello own,
                   const PeerLinkSettings& settings, runtime::Loop& loop, PeerLinkOwner& owner)
    : role_(role),
      queued_bytes_max_(settings.queued_bytes_max),
      awaited_bytes_max_(settings.awaited_bytes_max),
      read_buffer_(settings.read_buffer),
      owner_(owner),
      handshake_(std::make_unique<PeerHandshake>(
          role, std::move(own), settings.secret,
          [this](const PeerHello& peer) { return owner_.judge(*this, peer); })),
      writer_(batch_, settings.body_bytes_max),
      stream_(std::move(stream)) {
  assert(!read_buffer_.empty());
  const uint64_t timeout_us = settings.handshake_timeout_us;
  deadline_ = loop.start_timer(timeout_us, 0, [this, timeout_us] {
    handshake_->refuse(Objection::deadline,
                       fmt::format("the handshake took longer than {} ms", timeout_us / 1000));
    send_handshake();
  });
  stream_->start(*this);
  send_handshake();
}

PeerLink::Statistics PeerLink::statistics() const {
  Statistics statistics = statistics_;
  statistics.frames_in = reader_.frames();
  statistics.frames_out = writer_.frames();
  return statistics;
}

void PeerLink::close(std::string reason) {
  if (state_ == State::closing) return;
  state_ = State::closing;
  reason_ = std::move(reason);
  deadline_.reset();
  stream_->close();
}

// ---- receiving

void PeerLink::on_read(size_t size) {
  statistics_.bytes_in += size;
  std::string_view bytes(read_buffer_.data(), size);
  if (state_ == State::handshake) shake_hands(bytes);
  if (state_ == State::ready) read_frames(bytes);
}

// Leaves in `bytes` what comes after the handshake.
void PeerLink::shake_hands(std::string_view& bytes) {
  bytes = handshake_->receive(bytes);
  send_handshake();
  if (state_ == State::handshake && handshake_->state() == PeerHandshake::State::done) {
    begin_frames();
  }
}

void PeerLink::send_handshake() {
  batch_ += handshake_->take_output();
  write_batch();
  if (handshake_->state() != PeerHandshake::State::refused) return;
  refusal_ = handshake_->refusal();
  close(refusal_->text);
}

void PeerLink::begin_frames() {
  state_ = State::ready;
  deadline_.reset();
  peer_ = handshake_->peer();
  version_ = handshake_->version();
  handshake_.reset();
  owner_.on_ready(*this);
}

void PeerLink::read_frames(std::string_view bytes) {
  reader_.feed(bytes);
  while (state_ == State::ready) {
    const auto message = reader_.next();
    if (!message) break;
    ++statistics_.messages_in;
    owner_.on_message(*this, message->type, message->body);
    if (message->ends_frame && state_ == State::ready) owner_.on_frame_end(*this);
  }
  if (!reader_.status()) close("malformed frame: " + reader_.status().error().message);
}

// ---- sending

SendResult PeerLink::overflow() {
  ++statistics_.overflows;
  return SendResult::overflow;
}

void PeerLink::flush() {
  if (state_ != State::ready) return;
  if (unwritten_bytes_ != 0) return put_aside();
  writer_.seal();
  write_batch();
}

void PeerLink::put_aside() {
  if (batch_.size() < kPieceBytes) return;
  writer_.seal();
  aside_bytes_ += batch_.size();
  awaited_aside_ += awaited_in_batch_;
  aside_.push_back({std::exchange(batch_, {}), std::exchange(awaited_in_batch_, 0)});
}

void PeerLink::write_batch() {
  while (unwritten_bytes_ == 0 && !aside_.empty()) {
    Piece piece = std::move(aside_.front());
    aside_.pop_front();
    aside_bytes_ -= piece.frames.size();
    awaited_aside_ -= piece.awaited;
    write(piece.frames, piece.awaited);
  }
  if (batch_.empty() || unwritten_bytes_ != 0) return;
  write(batch_, std::exchange(awaited_in_batch_, 0));
}

// Leaves `bytes` empty: what the stream does not take at once is in flight.
void PeerLink::write(std::string& bytes, size_t awaited) {
  const size_t written = stream_->try_write(bytes);
  statistics_.bytes_out += written;
  if (written == bytes.size()) return empty(bytes);
  bytes.swap(in_flight_);
  unwritten_bytes_ = in_flight_.size() - written;
  awaited_in_flight_ = std::min(awaited, unwritten_bytes_);
  stream_->write(std::string_view(in_flight_).substr(written));
}

void PeerLink::on_drained() {
  statistics_.bytes_out += std::exchange(unwritten_bytes_, 0);
  awaited_in_flight_ = 0;
  empty(in_flight_);
  if (state_ == State::handshake) return write_batch();
  flush();
  if (state_ == State::ready) owner_.on_drained(*this);
}

// ---- the end

void PeerLink::on_closed() {
  if (state_ != State::closing) {
    reason_ = state_ == State::handshake ? "the connection ended during the handshake"
                                         : "the connection ended";
  }
  state_ = State::closing;
  deadline_.reset();
  const std::string reason = std::move(reason_);
  owner_.on_closed(*this, reason);  // which may destroy this
}

}  // namespace quorate::cluster
