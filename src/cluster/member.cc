#include "quorate/cluster/member.h"

#include <fmt/format.h>

#include "quorate/cluster/node_id.h"

namespace quorate::cluster {
namespace {

constexpr uint8_t kMemberFormat = 2;  // 1 had no `admitted`
constexpr uint8_t kSettingFormat = 1;
constexpr size_t kTokenBytesMin = 1;

std::string read_name(object::ByteReader& in) {
  const std::string_view text = in.sized();
  if (text.size() > Member::kNameBytesMax) in.reject();
  return in.ok() ? std::string(text) : std::string();
}

uint64_t read_up_to(object::ByteReader& in, uint64_t max) {
  const uint64_t value = in.varint();
  if (value > max) in.reject();
  return in.ok() ? value : 0;
}

// Versions are counted up by hand and by machines, never to here.
constexpr uint64_t kVersionMax = UINT64_MAX / 2;

uint8_t read_format(object::ByteReader& in, uint8_t newest) {
  const uint8_t format = in.byte();
  if (format == 0 || format > newest) in.reject();
  return format;
}

}  // namespace

std::string_view member_status_text(MemberStatus status) {
  switch (status) {
    case MemberStatus::joining:
      return "joining";
    case MemberStatus::handover:
      return "handover";
    case MemberStatus::normal:
      return "normal";
    case MemberStatus::leaving:
      return "leaving";
    case MemberStatus::left:
      break;
  }
  return "left";
}

std::string node_address_text(const NodeAddress& address) {
  return fmt::format("{}:{}@{}", address.ip, address.port, address.peer_port);
}

void Member::encode(object::ByteWriter& out) const {
  out.byte(kMemberFormat);
  write_node_id(out, id);
  out.varint(version);
  out.byte(static_cast<uint8_t>(status));
  out.varint(epoch);
  out.sized(address.ip);
  out.varint(address.port);
  out.varint(address.peer_port);
  out.varint(weight);
  out.sized(zone);
  out.sized(host);
  out.varint(tokens.size());
  for (const TokenIndex token : tokens) out.varint(token);
  write_node_id(out, admitted);
}

Member Member::decode(object::ByteReader& in) {
  Member member;
  const uint8_t format = read_format(in, kMemberFormat);
  member.id = read_node_id(in);
  member.version = read_up_to(in, kVersionMax);
  const uint8_t status = in.byte();
  if (status < static_cast<uint8_t>(MemberStatus::joining) ||
      status > static_cast<uint8_t>(MemberStatus::left)) {
    in.reject();
  } else {
    member.status = static_cast<MemberStatus>(status);
  }
  member.epoch = static_cast<uint32_t>(read_up_to(in, UINT32_MAX));
  member.address.ip = read_name(in);
  member.address.port = static_cast<uint16_t>(read_up_to(in, UINT16_MAX));
  member.address.peer_port = static_cast<uint16_t>(read_up_to(in, UINT16_MAX));
  member.weight = static_cast<uint32_t>(read_up_to(in, kWeightMax));
  if (member.weight == 0) in.reject();
  member.zone = read_name(in);
  member.host = read_name(in);
  const uint64_t tokens = in.count(kTokenBytesMin);
  if (tokens > kTokensMax) in.reject();
  for (uint64_t i = 0; i < tokens && in.ok(); ++i) {
    member.tokens.push_back(static_cast<TokenIndex>(read_up_to(in, UINT16_MAX)));
  }
  if (format > 1) member.admitted = read_node_id(in);
  return member;
}

void Setting::encode(object::ByteWriter& out) const {
  out.byte(kSettingFormat);
  out.sized(name);
  out.varint(version);
  write_node_id(out, writer);
  out.sized(value);
}

Setting Setting::decode(object::ByteReader& in) {
  Setting setting;
  read_format(in, kSettingFormat);
  setting.name = in.sized();
  if (setting.name.size() > kNameBytesMax) in.reject();
  setting.version = read_up_to(in, kVersionMax);
  setting.writer = read_node_id(in);
  setting.value = in.sized();
  if (setting.value.size() > kValueBytesMax) in.reject();
  return setting;
}

}  // namespace quorate::cluster
