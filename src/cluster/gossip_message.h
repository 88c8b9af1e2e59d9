// What gossip sends: one message type with a kind, and news that any of them may carry.
//
// Encoding: format byte, kind, then the fields, numbers as varints. Decoding trusts nothing; what
// has an unknown kind or a newer format is refused as a whole. Thread: values.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "quorate/cluster/gossip.h"
#include "quorate/cluster/member.h"

namespace quorate::cluster {

// What someone says of a member's liveness.
struct LivenessRumor {
  object::NodeId about{};
  Liveness liveness = Liveness::alive;
  uint64_t incarnation = 0;
  object::NodeId from{};  // who suspects it or found it dead; the member itself if alive

  friend bool operator==(const LivenessRumor&, const LivenessRumor&) = default;
};

struct News {
  std::vector<LivenessRumor> liveness;
  std::vector<Member> members;
  std::vector<Setting> settings;

  friend bool operator==(const News&, const News&) = default;
};

struct GossipMessage {
  enum class Kind : uint8_t {
    news = 1,           // nothing else
    probe = 2,          // answer me with an ack of `sequence`
    probe_request = 3,  // probe `target` for me and answer with an ack or a nack of `sequence`
    ack = 4,
    nack = 5,            // I am well, but `target` did not answer me
    exchange = 6,        // my list; tell me yours unless `digest` is yours
    exchange_reply = 7,  // mine, for your exchange
  };
  Kind kind = Kind::news;
  uint64_t sequence = 0;    // probe, probe_request, ack, nack
  object::NodeId target{};  // probe: who is meant; probe_request: whom to probe
  uint64_t digest = 0;      // of the sender's list
  News news;                // exchange: the whole list and what is known of each member

  friend bool operator==(const GossipMessage&, const GossipMessage&) = default;
};

std::string encode_gossip(const GossipMessage& message);
std::optional<GossipMessage> decode_gossip(std::string_view bytes);

}  // namespace quorate::cluster
