#include "quorate/cluster/peer_handshake.h"

#include <algorithm>
#include <cassert>
#include <cstring>
#include <fmt/format.h>
#include <utility>

namespace quorate::cluster {
namespace {

// Not text, so that neither a Redis client nor a browser gets past the first byte.
constexpr std::string_view kMagic = "\xf1Quorate";
constexpr size_t kPacketHeaderBytes = 3;
constexpr size_t kHelloBytesMax = 1024;
constexpr size_t kRefusalBytesMax = 512;

std::string printable(std::string_view text) {
  std::string shown(text);
  for (char& c : shown) {
    if (c < ' ' || c > '~') c = '?';
  }
  return shown;
}

// Fit to stand in logs and in replies to clients.
bool is_plain_word(std::string_view text) {
  return std::ranges::all_of(text, [](char c) { return c > ' ' && c <= '~'; });
}

std::string_view view_of(const auto& bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

void copy_into(auto& bytes, std::string_view from) {
  if (from.size() == bytes.size()) std::memcpy(bytes.data(), from.data(), from.size());
}

uint16_t read_u16(object::ByteReader& in) {
  const uint64_t value = in.varint();
  if (value > UINT16_MAX) in.reject();
  return static_cast<uint16_t>(value);
}

size_t body_bytes_of(std::string_view packet) {
  return static_cast<uint8_t>(packet[1]) | static_cast<size_t>(static_cast<uint8_t>(packet[2]))
                                               << 8;
}

PeerHandshake::Role other(PeerHandshake::Role role) {
  using Role = PeerHandshake::Role;
  return role == Role::connects ? Role::accepts : Role::connects;
}

}  // namespace

// ---- PeerHello

void PeerHello::encode(object::ByteWriter& out) const {
  assert(cluster_name.size() <= kClusterNameBytesMax && ip.size() <= kAddressBytesMax);
  out.varint(version_min);
  out.varint(version_max);
  out.sized(cluster_name);
  out.raw(view_of(node));
  out.varint(epoch);
  out.byte(static_cast<uint8_t>(lane));
  out.varint(lane_index);
  out.varint(shards);
  out.raw(view_of(nonce));
  out.sized(ip);
  out.varint(client_port);
  out.varint(peer_port);
  out.fixed64(hash_seed_digest);
}

runtime::Result<PeerHello> PeerHello::decode(std::string_view body) {
  object::ByteReader in(body);
  PeerHello hello;
  hello.version_min = read_u16(in);
  hello.version_max = read_u16(in);
  hello.cluster_name = in.sized();
  copy_into(hello.node, in.raw(hello.node.size()));
  const uint64_t epoch = in.varint();
  hello.epoch = static_cast<uint32_t>(epoch);
  const uint8_t lane = in.byte();
  hello.lane = static_cast<PeerLane>(lane);
  hello.lane_index = read_u16(in);
  hello.shards = read_u16(in);
  copy_into(hello.nonce, in.raw(hello.nonce.size()));
  hello.ip = in.sized();
  hello.client_port = read_u16(in);
  hello.peer_port = read_u16(in);
  hello.hash_seed_digest = in.fixed64();
  if (!in.ok()) return runtime::fail("a hello that is cut or has a number out of range");
  if (hello.version_min > hello.version_max || epoch > UINT32_MAX ||
      lane > static_cast<uint8_t>(PeerLane::bulk) ||
      hello.cluster_name.size() > kClusterNameBytesMax || hello.ip.size() > kAddressBytesMax ||
      !is_plain_word(hello.ip)) {
    return runtime::fail("a hello with an impossible version, epoch, lane, name or address");
  }
  return hello;
}

uint64_t hash_seed_digest(uint64_t hash_seed, std::string_view secret) {
  std::string bytes = "hash seed";
  object::ByteWriter(bytes).fixed64(hash_seed);
  const runtime::Sha256 digest = runtime::hmac_sha256(secret, bytes);
  object::ByteReader in(view_of(digest));
  return std::max<uint64_t>(in.fixed64(), 1);
}

LaneRequest peek_lane(std::string_view bytes) {
  using State = LaneRequest::State;
  constexpr size_t kBodyBegin = kMagic.size() + kPacketHeaderBytes;
  const LaneRequest other{State::other, PeerLane::gossip, 0};
  if (!kMagic.starts_with(bytes.substr(0, kMagic.size()))) return other;
  if (bytes.size() < kBodyBegin) return {};
  constexpr char kHelloType = 1;
  if (bytes[kMagic.size()] != kHelloType) return other;
  const size_t body_bytes = body_bytes_of(bytes.substr(kMagic.size()));
  const std::string_view body = bytes.substr(kBodyBegin, body_bytes);
  object::ByteReader in(body);
  in.varint();  // the versions
  in.varint();
  in.sized();  // the cluster
  in.raw(sizeof(object::NodeId));
  in.varint();  // the epoch
  const uint8_t lane = in.byte();
  const uint64_t index = in.varint();
  if (in.ok() && lane <= static_cast<uint8_t>(PeerLane::bulk) && index <= UINT16_MAX) {
    return {State::known, static_cast<PeerLane>(lane), static_cast<uint16_t>(index)};
  }
  const bool more_to_come = body.size() < body_bytes && bytes.size() < kLanePeekBytes;
  return !in.ok() && more_to_come ? LaneRequest{} : other;
}

std::optional<uint16_t> common_version(const PeerHello& a, const PeerHello& b) {
  const uint16_t highest = std::min(a.version_max, b.version_max);
  if (highest < std::max(a.version_min, b.version_min)) return std::nullopt;
  return highest;
}

// ---- PeerHandshake

PeerHandshake::PeerHandshake(Role role, PeerHello own, std::string secret, Judge judge)
    : role_(role), own_(std::move(own)), secret_(std::move(secret)), judge_(std::move(judge)) {
  if (role_ == Role::connects) send_hello();
}

std::string_view PeerHandshake::receive(std::string_view bytes) {
  while (state_ == State::under_way && collect_packet(bytes)) {
    handle_packet();
    packet_.clear();
  }
  return state_ == State::done ? bytes : std::string_view{};
}

std::string PeerHandshake::take_output() { return std::exchange(output_, {}); }

void PeerHandshake::refuse(Objection objection, const std::string& reason) {
  if (state_ != State::under_way) return;
  state_ = State::refused;
  const std::string text = printable(reason);
  refusal_ = {objection, false, "refused here: " + text};
  if (!magic_seen_) return;
  std::string body(1, static_cast<char>(objection));
  body += std::string_view(text).substr(0, kRefusalBytesMax - 1);
  send(Packet::refusal, body);
}

// Moves bytes to `packet_` until that has `size`; false if there are not enough.
bool PeerHandshake::collect(std::string_view& bytes, size_t size) {
  const size_t step = std::min(size - std::min(size, packet_.size()), bytes.size());
  packet_.append(bytes.substr(0, step));
  bytes.remove_prefix(step);
  return packet_.size() >= size;
}

// Whether `packet_` is whole. Says what is wrong as soon as it can be known.
bool PeerHandshake::collect_packet(std::string_view& bytes) {
  if (!magic_seen_) {
    const bool whole = collect(bytes, kMagic.size());
    if (!kMagic.starts_with(packet_)) {
      malformed("the other side does not speak the peer protocol");
      return false;
    }
    if (!whole) return false;
    magic_seen_ = true;
    packet_.clear();
  }
  if (!collect(bytes, kPacketHeaderBytes)) return false;
  const size_t body_bytes = body_bytes_of(packet_);
  size_t limit = 0;
  switch (static_cast<Packet>(packet_.front())) {
    case Packet::hello:
      limit = kHelloBytesMax;
      break;
    case Packet::proof:
      limit = sizeof(runtime::Sha256);
      break;
    case Packet::refusal:
      limit = kRefusalBytesMax;
      break;
  }
  if (body_bytes == 0 || body_bytes > limit) {
    malformed(fmt::format("a packet of type {} with {} bytes",
                          static_cast<unsigned char>(packet_.front()), body_bytes));
    return false;
  }
  return collect(bytes, kPacketHeaderBytes + body_bytes);
}

void PeerHandshake::handle_packet() {
  const auto type = static_cast<Packet>(packet_.front());
  const std::string_view body = std::string_view(packet_).substr(kPacketHeaderBytes);
  if (type == Packet::refusal) return handle_refusal(body);
  if (type == Packet::hello && expected_ == Expected::hello) return handle_hello(body);
  if (type == Packet::proof && expected_ == Expected::proof) return handle_proof(body);
  malformed("a packet out of turn");
}

void PeerHandshake::handle_hello(std::string_view body) {
  // What stands behind the versions may be different in ones that this release does not know.
  object::ByteReader in(body);
  PeerHello versions;
  versions.version_min = read_u16(in);
  versions.version_max = read_u16(in);
  const auto version = common_version(own_, versions);
  if (in.ok() && versions.version_min <= versions.version_max && !version) {
    return refuse(Objection::version,
                  fmt::format("no common protocol version: the other side speaks {} to {}, "
                              "this one {} to {}",
                              versions.version_min, versions.version_max, own_.version_min,
                              own_.version_max));
  }
  auto hello = PeerHello::decode(body);
  if (!hello) return malformed(hello.error().message);
  peer_ = std::move(*hello);
  peer_hello_ = packet_;
  version_ = *version;
  if (objects_to_hello()) return;
  expected_ = Expected::proof;
  if (role_ == Role::accepts) {
    own_.lane = peer_.lane;
    own_.lane_index = peer_.lane_index;
    send_hello();
  } else if (!judge_objects()) {
    send_proof();
  }
}

bool PeerHandshake::objects_to_hello() {
  if (peer_.cluster_name != own_.cluster_name) {
    refuse(Objection::cluster_name, fmt::format("the other side belongs to cluster '{}', this one "
                                                "to '{}'",
                                                peer_.cluster_name, own_.cluster_name));
  } else if (peer_.node == own_.node) {
    refuse(Objection::itself,
           fmt::format("both sides are node {}", object::node_id_text(own_.node)));
  }
  return state_ != State::under_way;
}

bool PeerHandshake::judge_objects() {
  if (const auto welcome = judge_(peer_); !welcome) {
    refuse(Objection::judged, welcome.error().message);
  }
  return state_ != State::under_way;
}

void PeerHandshake::handle_proof(std::string_view body) {
  if (!runtime::equal_in_constant_time(body, view_of(proof_of(other(role_))))) {
    return refuse(Objection::secret, "the cluster's secret is another on the two sides");
  }
  if (role_ == Role::accepts) {
    if (judge_objects()) return;
    send_proof();
  }
  state_ = State::done;
}

void PeerHandshake::handle_refusal(std::string_view body) {
  const auto code = static_cast<uint8_t>(body.front());
  const bool known = code <= static_cast<uint8_t>(Objection::deadline);
  state_ = State::refused;
  refusal_ = {known ? static_cast<Objection>(code) : Objection::other, true,
              "refused by the other side, in its words: " + printable(body.substr(1))};
}

void PeerHandshake::send(Packet type, std::string_view body) {
  if (!std::exchange(magic_sent_, true)) output_ += kMagic;
  output_ += static_cast<char>(type);
  output_ += static_cast<char>(body.size());
  output_ += static_cast<char>(body.size() >> 8);
  output_ += body;
}

void PeerHandshake::send_hello() {
  std::string body;
  object::ByteWriter out(body);
  own_.encode(out);
  send(Packet::hello, body);
  own_hello_ = output_.substr(output_.size() - kPacketHeaderBytes - body.size());
}

void PeerHandshake::send_proof() { send(Packet::proof, view_of(proof_of(role_))); }

runtime::Sha256 PeerHandshake::proof_of(Role role) const {
  std::string proved(1, static_cast<char>(role));
  const bool own_first = role_ == Role::connects;
  proved += own_first ? own_hello_ : peer_hello_;
  proved += own_first ? peer_hello_ : own_hello_;
  return runtime::hmac_sha256(secret_, proved);
}

}  // namespace quorate::cluster
