#include "coordinator/change_message.h"

#include "quorate/object/key.h"

namespace quorate::coordinator {
namespace {

void encode_place(const MessagePlace& place, object::ByteWriter& out) {
  if (place.number == 0) return out.varint(0);
  out.varint(place.number - place.before);
  out.fixed64(place.number);
  out.varint(place.number - place.since);
}

MessagePlace decode_place(object::ByteReader& in) {
  MessagePlace place;
  const uint64_t to_before = in.varint();
  if (to_before == 0) return place;
  place.number = in.fixed64();
  const uint64_t to_since = in.varint();
  if (to_before > place.number || to_since > place.number) in.reject();
  place.before = place.number - to_before;
  place.since = place.number - to_since;
  return place;
}

}  // namespace

void encode_head(const ChangeMessage& message, std::string& bytes) {
  object::ByteWriter out(bytes);
  out.varint(message.promise);
  out.varint(message.relied.size());
  for (const uint16_t slot : message.relied) out.varint(slot);
  encode_place(message.place, out);
  out.sized(message.answers);
}

std::optional<ChangeMessage> decode_message(std::string_view bytes) {
  object::ByteReader in(bytes);
  ChangeMessage message;
  message.promise = in.varint();
  for (uint64_t left = in.varint(); left > 0 && in.ok(); --left) {
    const uint64_t slot = in.varint();
    if (slot >= object::kSlots) in.reject();
    message.relied.push_back(static_cast<uint16_t>(slot));
  }
  message.place = decode_place(in);
  message.answers = in.sized();
  if (!in.ok()) return std::nullopt;
  message.batch = bytes.substr(bytes.size() - in.remaining());
  return message;
}

void encode_answer(uint64_t id, std::string_view answer, std::string& bytes) {
  object::ByteWriter out(bytes);
  out.fixed64(id);
  out.sized(answer);
}

bool KeptMessages::note(const MessagePlace& place) {
  if (place.number == 0) return false;
  const bool follows = place.before >= place.since;  // one that must be here, too
  if (follows && (place.before != last_ || since_ > place.since)) return false;
  if (!follows) since_ = place.since;
  last_ = place.number;
  return true;
}

}  // namespace quorate::coordinator
