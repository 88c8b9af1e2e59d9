// The handshake of two nodes: who they are, and that both know the cluster's secret (DESIGN 7).
//
//   each side   = magic, packet …
//   packet      = type u8, body bytes u16 little-endian, body
//
//   connects: hello            accepts: hello, once it has no objection
//   connects: proof            accepts: proof, once that one is right
//
// A proof is HMAC-SHA256(secret, role of who proves | both hellos as sent), so that neither a proof
// overheard nor one's own can be given back; the nonces make every handshake's different. The
// secret may be empty and must be the same on both sides. Whoever accepts tells a stranger its own
// hello and no more. What one side objects to it also tells the other, in words, before it ends the
// connection, so that both can log the reason; only who has not sent the magic is not answered.
// Later versions may add fields behind those of a hello; what stands before them stays.
//
// A state machine without I/O. Every length is limited, and nothing is kept beyond one packet.
// Thread: values, no shared state. Errors: Refusal.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "quorate/object/codec.h"
#include "quorate/object/dot.h"
#include "quorate/runtime/digest.h"
#include "quorate/runtime/error.h"

namespace quorate::cluster {

// The versions of the peer protocol that this release speaks.
inline constexpr uint16_t kPeerVersionMin = 1;
inline constexpr uint16_t kPeerVersionMax = 1;

inline constexpr size_t kClusterNameBytesMax = 255;
inline constexpr size_t kAddressBytesMax = 255;

// What a connection is for. Bulk transfer has one of its own, so that it delays nothing else.
enum class PeerLane : uint8_t { gossip = 0, data = 1, bulk = 2 };

struct PeerHello {
  uint16_t version_min = kPeerVersionMin;
  uint16_t version_max = kPeerVersionMax;
  std::string cluster_name;
  object::NodeId node{};
  uint32_t epoch = 0;
  PeerLane lane = PeerLane::gossip;  // who accepts repeats lane and index of who connects
  uint16_t lane_index = 0;
  uint16_t shards = 0;              // of the node that says so
  std::array<uint8_t, 16> nonce{};  // from runtime::Random, a new one for each connection
  std::string ip;                   // as announced, numeric; empty: as the connection shows it
  uint16_t client_port = 0;
  uint16_t peer_port = 0;
  // To compare; the seed itself is not for strangers. 0: this node takes over the cluster's.
  uint64_t hash_seed_digest = 0;

  friend bool operator==(const PeerHello&, const PeerHello&) = default;

  // The body of the packet. REQUIRES: name and ip within their limits.
  void encode(object::ByteWriter& out) const;
  static runtime::Result<PeerHello> decode(std::string_view body);
};

// Equal for equal seeds and secrets, and not 0.
uint64_t hash_seed_digest(uint64_t hash_seed, std::string_view secret);

// The highest version that both sides speak.
std::optional<uint16_t> common_version(const PeerHello& a, const PeerHello& b);

// Which lane the first bytes of a connection ask for, so that they can be looked at before anyone
// takes them.
struct LaneRequest {
  enum class State : uint8_t {
    incomplete,  // more bytes will tell
    known,
    other,  // not a hello: the gossip lane's handshake says what is wrong with it
  };
  State state = State::incomplete;
  PeerLane lane = PeerLane::gossip;
  uint16_t index = 0;
};
LaneRequest peek_lane(std::string_view bytes);
// More bytes than these never tell more.
inline constexpr size_t kLanePeekBytes = 512;

// Why there is no connection. The values are sent.
enum class Objection : uint8_t {
  other = 0,  // one of a later release
  malformed = 1,
  version = 2,       // none in common
  cluster_name = 3,  // another
  itself = 4,        // the peer has this node's id
  secret = 5,        // another
  judged = 6,        // the owner's own reasons
  deadline = 7,      // it took too long
};

// How the text of a Refusal begins, and with it the reason that a link's end has.
inline constexpr std::string_view kRefusedPrefix = "refused ";

struct Refusal {
  Objection objection = Objection::other;
  bool by_peer = false;
  std::string text;  // for the log: printable, says which side objected
};

class PeerHandshake {
 public:
  enum class Role : uint8_t { connects = 'c', accepts = 'a' };
  enum class State : uint8_t { under_way, done, refused };
  // An error is an objection. Who accepts asks once the peer has proved itself; who connects asks
  // before it proves itself, and must not yet act on what the hello says.
  using Judge = std::move_only_function<runtime::Status(const PeerHello&)>;

  PeerHandshake(Role role, PeerHello own, std::string secret, Judge judge);

  // Takes what arrived and returns what is not the handshake's: once it is done, frames. Nothing
  // after a refusal.
  std::string_view receive(std::string_view bytes);
  // Ends it, if it is under way.
  void refuse(Objection objection, const std::string& reason);

  // What is to be sent now: of who connects from the beginning, then after each receive() or
  // refuse().
  [[nodiscard]] std::string take_output();

  [[nodiscard]] State state() const { return state_; }
  // REQUIRES: done.
  [[nodiscard]] const PeerHello& peer() const { return peer_; }
  [[nodiscard]] uint16_t version() const { return version_; }
  // REQUIRES: refused.
  [[nodiscard]] const Refusal& refusal() const { return refusal_; }

 private:
  enum class Packet : uint8_t { hello = 1, proof = 2, refusal = 3 };
  enum class Expected : uint8_t { hello, proof };

  bool collect(std::string_view& bytes, size_t size);
  bool collect_packet(std::string_view& bytes);
  void handle_packet();
  void handle_hello(std::string_view body);
  void handle_proof(std::string_view body);
  void handle_refusal(std::string_view body);
  bool objects_to_hello();
  bool judge_objects();
  void send(Packet type, std::string_view body);
  void send_hello();
  void send_proof();
  [[nodiscard]] runtime::Sha256 proof_of(Role role) const;
  void malformed(const std::string& what) { refuse(Objection::malformed, what); }

  const Role role_;
  PeerHello own_;
  const std::string secret_;
  Judge judge_;
  State state_ = State::under_way;
  Expected expected_ = Expected::hello;
  bool magic_sent_ = false;
  bool magic_seen_ = false;
  std::string packet_;  // of the peer, as far as it has arrived
  std::string output_;
  std::string own_hello_, peer_hello_;  // as packets
  PeerHello peer_;
  uint16_t version_ = 0;
  Refusal refusal_;
};

}  // namespace quorate::cluster
