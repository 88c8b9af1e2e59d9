// Arbitrary bytes as what a peer sends: frames, or the handshake before them.
//
// First byte: which decoder. Second: into pieces of how many bytes the rest is cut. Nothing may
// crash, pieces must make no difference, and what decodes must encode to the same bytes.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "quorate/cluster/peer_frame.h"
#include "quorate/cluster/peer_handshake.h"

namespace {

using namespace quorate;
using cluster::FrameReader;
using cluster::PeerHandshake;
using cluster::PeerHello;
using Role = PeerHandshake::Role;
using State = PeerHandshake::State;

enum class Decoder : uint8_t {
  frames,
  frames_with_right_checksums,  // so that the fuzzer gets past them to what the frames say
  accepting,
  connecting,
  hello,
  count,
};

void require(bool holds) {
  if (!holds) std::abort();
}

void in_pieces(std::string_view bytes, size_t piece_bytes, auto&& take) {
  while (!bytes.empty()) {
    // A copy, so that what points into an earlier piece is found out.
    const std::string piece(bytes.substr(0, piece_bytes));
    take(std::string_view(piece));
    bytes.remove_prefix(piece.size());
  }
}

// ---- frames

void make_checksums_right(std::string& bytes) {
  for (size_t at = 0; at + cluster::kFrameHeaderBytes < bytes.size();) {
    // A long length would leave nothing to look at: the low half is enough.
    const size_t length = static_cast<unsigned char>(bytes[at]) |
                          static_cast<size_t>(static_cast<unsigned char>(bytes[at + 1])) << 8;
    const size_t frame_bytes = cluster::kFrameHeaderBytes + length;
    if (frame_bytes > bytes.size() - at) return;
    cluster::seal_frame(std::span(bytes).subspan(at, frame_bytes));
    at += frame_bytes;
  }
}

struct Frames {
  std::string bytes;  // of the intact frames, encoded again
  std::string error;
};

Frames read_frames(std::string_view bytes, size_t piece_bytes) {
  Frames frames;
  FrameReader reader;
  cluster::FrameWriter writer(frames.bytes);
  in_pieces(bytes, piece_bytes, [&](std::string_view piece) {
    reader.feed(piece);
    while (const auto message = reader.next()) {
      require(writer.add(message->type, [&](std::string& out) { out += message->body; }));
      if (message->ends_frame) writer.seal();
    }
    require(reader.held_bytes() <= std::max<size_t>(64 * 1024, 2 * bytes.size()));
  });
  if (!reader.status()) frames.error = reader.status().error().message;
  return frames;
}

void check_frames(std::string_view bytes, size_t piece_bytes) {
  const Frames whole = read_frames(bytes, SIZE_MAX);
  const Frames pieces = read_frames(bytes, piece_bytes);
  require(whole.bytes == pieces.bytes && whole.error == pieces.error);
  // A frame that turns out malformed in its middle is not sealed: its checksum is still missing.
  if (whole.error.empty()) require(bytes.starts_with(whole.bytes));
}

// ---- the handshake

PeerHello own_hello() {
  PeerHello hello;
  hello.cluster_name = "q";
  hello.node.fill(2);
  hello.nonce.fill(3);
  return hello;
}

runtime::Status welcome(const PeerHello&) { return {}; }

struct Outcome {
  State state = State::under_way;
  std::string sent, rest, text;
  friend bool operator==(const Outcome&, const Outcome&) = default;
};

Outcome shake_hands(Role role, std::string_view bytes, size_t piece_bytes) {
  PeerHandshake handshake(role, own_hello(), "secret", welcome);
  Outcome outcome;
  in_pieces(bytes, piece_bytes,
            [&](std::string_view piece) { outcome.rest += handshake.receive(piece); });
  outcome.state = handshake.state();
  outcome.sent = handshake.take_output();
  if (outcome.state == State::refused) outcome.text = handshake.refusal().text;
  for (const char c : outcome.text) require(c >= ' ' && c <= '~');
  return outcome;
}

void check_handshake(Role role, std::string_view bytes, size_t piece_bytes) {
  const Outcome whole = shake_hands(role, bytes, SIZE_MAX);
  require(whole == shake_hands(role, bytes, piece_bytes));
  require(whole.sent.size() < 4096 && bytes.ends_with(whole.rest));
}

// Whoever says hello like this, both sides come to the same end.
void check_hello(std::string_view body) {
  const auto hello = PeerHello::decode(body);
  if (!hello) return;
  std::string encoded;
  object::ByteWriter out(encoded);
  hello->encode(out);
  require(body.starts_with(encoded));
  PeerHandshake connects(Role::connects, *hello, "secret", welcome);
  PeerHandshake accepts(Role::accepts, own_hello(), "secret", welcome);
  for (int i = 0; i < 3; ++i) {
    require(accepts.receive(connects.take_output()).empty());
    require(connects.receive(accepts.take_output()).empty());
  }
  require(connects.state() == accepts.state() && connects.state() != State::under_way);
  if (connects.state() == State::done) {
    require(accepts.peer() == *hello && connects.version() == accepts.version());
  } else {
    require(connects.refusal().objection == accepts.refusal().objection);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 2) return 0;
  const auto decoder = static_cast<Decoder>(data[0] % static_cast<uint8_t>(Decoder::count));
  const size_t piece_bytes = size_t{data[1]} + 1;
  std::string bytes(reinterpret_cast<const char*>(data) + 2, size - 2);
  switch (decoder) {
    case Decoder::frames_with_right_checksums:
      make_checksums_right(bytes);
      [[fallthrough]];
    case Decoder::frames:
      check_frames(bytes, piece_bytes);
      break;
    case Decoder::accepting:
      check_handshake(Role::accepts, bytes, piece_bytes);
      break;
    case Decoder::connecting:
      check_handshake(Role::connects, bytes, piece_bytes);
      break;
    case Decoder::hello:
    case Decoder::count:
      check_hello(bytes);
      break;
  }
  return 0;
}
