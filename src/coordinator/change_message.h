// A message of changes between replicas: what stands before the batch (object/change.h).
//
//   message = promise varint, relied varint, slot varint …, place, answers sized, batch
//   place   = 0, or distance to `before` varint, number fixed64, distance to `since` varint
//   answers = id fixed64, answer sized …
//
// Messages to one node are numbered in the order of their turns, from a number that each life of
// the sender draws; some numbers are not used. Thread: any.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "quorate/object/codec.h"

namespace quorate::coordinator {

// Where a message stands among those of its sender to this node.
struct MessagePlace {
  uint64_t number = 0;  // 0: nowhere, as a copy it does not count
  uint64_t before = 0;  // the number of the one before; less than that of any if there is none
  // Whatever the sender changed in messages before this number has its copies, or never will.
  uint64_t since = 0;

  bool operator==(const MessagePlace&) const = default;
};

struct ChangeMessage {
  uint64_t promise = 0;          // that the sender relies on; 0: none …
  std::vector<uint16_t> relied;  // … for these slots
  MessagePlace place;
  std::string_view answers;  // to questions of the receiver
  std::string_view batch;
};

// All but the batch, which is to be appended.
void encode_head(const ChangeMessage& message, std::string& out);
// Nothing if it is malformed. Views `bytes`.
std::optional<ChangeMessage> decode_message(std::string_view bytes);

void encode_answer(uint64_t id, std::string_view answer, std::string& out);

// Which messages of one sender this node has, as copies that count.
class KeptMessages {
 public:
  // The message is applied, durably, and promises were kept. Whether this node has, so, all
  // messages from place.since up to this one. Of messages that come in another order than their
  // sender's it may say no for too long, until `since` has passed them.
  bool note(const MessagePlace& place);

 private:
  uint64_t since_ = 0, last_ = 0;  // all of [since_, last_] are here
};

}  // namespace quorate::coordinator
