// Arbitrary bytes as a gossip message and as a member list: what decodes encodes to the same bytes,
// in the newest format, and a node that hears it stays within the rules of its list.
//
// First byte: odd: a member list, else a message.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "quorate/cluster/member_list.h"

#include "cluster/gossip_message.h"

namespace {

using namespace quorate;

void require(bool holds) {
  if (!holds) std::abort();
}

void read_list(std::string_view bytes) {
  const auto list = cluster::MemberList::decode(bytes);
  if (!list) return;
  const auto again = cluster::MemberList::decode(list->encode());
  require(again.has_value() && *again == *list);
  require(again->digest() == list->digest());
}

void read_message(std::string_view bytes) {
  const auto message = cluster::decode_gossip(bytes);
  if (!message) return;
  const std::string again = cluster::encode_gossip(*message);
  require(again == bytes || again.size() > bytes.size());  // records of an older format are shorter
  const auto twice = cluster::decode_gossip(again);
  require(twice.has_value() && cluster::encode_gossip(*twice) == again);
  cluster::MemberList list;
  for (const cluster::Member& member : message->news.members) {
    list.merge(member);
    require(!list.merge(member));
  }
  for (const cluster::Setting& setting : message->news.settings) list.merge(setting);
  require(list.size() <= message->news.members.size());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const std::string_view bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  if (data[0] % 2 == 1) {
    read_list(bytes);
  } else {
    read_message(bytes);
  }
  return 0;
}
