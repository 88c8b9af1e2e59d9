#include "cluster/gossip_message.h"

#include "quorate/cluster/node_id.h"
#include "quorate/object/codec.h"

namespace quorate::cluster {
namespace {

using object::ByteReader;
using object::ByteWriter;

constexpr uint8_t kFormat = 1;
constexpr size_t kRumorBytesMin = 2 + 2 * sizeof(object::NodeId);
constexpr size_t kNewsRecordBytesMin = 20;

LivenessRumor read_rumor(ByteReader& in) {
  LivenessRumor rumor;
  rumor.about = read_node_id(in);
  const uint8_t liveness = in.byte();
  if (liveness > static_cast<uint8_t>(Liveness::dead)) {
    in.reject();
  } else {
    rumor.liveness = static_cast<Liveness>(liveness);
  }
  rumor.incarnation = in.varint();
  // So that it can be refuted.
  if (rumor.incarnation == UINT64_MAX) in.reject();
  rumor.from = read_node_id(in);
  return rumor;
}

template <class Record, class Read>
void read_all(ByteReader& in, size_t bytes_min, std::vector<Record>& into, Read&& read) {
  for (uint64_t left = in.count(bytes_min); left > 0 && in.ok(); --left) into.push_back(read(in));
}

}  // namespace

std::string encode_gossip(const GossipMessage& message) {
  std::string bytes;
  ByteWriter out(bytes);
  out.byte(kFormat);
  out.byte(static_cast<uint8_t>(message.kind));
  out.varint(message.sequence);
  write_node_id(out, message.target);
  out.fixed64(message.digest);
  const News& news = message.news;
  out.varint(news.liveness.size());
  for (const LivenessRumor& rumor : news.liveness) {
    write_node_id(out, rumor.about);
    out.byte(static_cast<uint8_t>(rumor.liveness));
    out.varint(rumor.incarnation);
    write_node_id(out, rumor.from);
  }
  out.varint(news.members.size());
  for (const Member& member : news.members) member.encode(out);
  out.varint(news.settings.size());
  for (const Setting& setting : news.settings) setting.encode(out);
  return bytes;
}

std::optional<GossipMessage> decode_gossip(std::string_view bytes) {
  ByteReader in(bytes);
  GossipMessage message;
  if (in.byte() != kFormat) return std::nullopt;
  const uint8_t kind = in.byte();
  if (kind < static_cast<uint8_t>(GossipMessage::Kind::news) ||
      kind > static_cast<uint8_t>(GossipMessage::Kind::exchange_reply)) {
    return std::nullopt;
  }
  message.kind = static_cast<GossipMessage::Kind>(kind);
  message.sequence = in.varint();
  message.target = read_node_id(in);
  message.digest = in.fixed64();
  read_all(in, kRumorBytesMin, message.news.liveness, read_rumor);
  read_all(in, kNewsRecordBytesMin, message.news.members, Member::decode);
  read_all(in, kNewsRecordBytesMin, message.news.settings, Setting::decode);
  if (!in.finished()) return std::nullopt;
  return message;
}

}  // namespace quorate::cluster
