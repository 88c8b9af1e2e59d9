// Arbitrary bytes as what nodes ask and answer each other about slots: the set of slots of a
// question, and the part of a reply, which reaches a client only if it is one.
//
// First byte: which of them.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <string>
#include <string_view>

#include "quorate/object/slot_set.h"
#include "quorate/runtime/random.h"

#include "redis/gathered_reply.h"

namespace {

using namespace quorate;
using redis::Gather;

void require(bool holds) {
  if (!holds) std::abort();
}

void read_slots(std::string_view bytes) {
  object::ByteReader in(bytes);
  const auto slots = object::SlotSet::decode(in);
  require(slots.has_value() == in.ok());
  if (!slots) return;
  std::string encoded;
  slots->encode(encoded);
  require(encoded == bytes.substr(0, bytes.size() - in.remaining()));
}

// What was accepted is written as something that would be accepted, and comes out the same.
void read_part(Gather how, std::string_view bytes) {
  const auto random = runtime::make_seeded_random(1);
  redis::GatheredReply first(how, *random), second(how, *random);
  if (!first.add(bytes) || how == Gather::pick || how == Gather::sums) return;
  redis::OutputBuffer once, twice;
  redis::ReplyWriter to_once(once, 2), to_twice(twice, 2);
  first.write(to_once);
  require(second.add(once.view()));
  second.write(to_twice);
  require(once.view() == twice.view());
}

void read_page(std::string_view bytes) {
  const auto page = redis::ScanPage::parse(bytes);
  if (!page) return;
  const auto random = runtime::make_seeded_random(1);
  redis::GatheredReply keys(Gather::elements, *random);
  require(keys.add("*" + std::to_string(page->count) + "\r\n" + std::string(page->keys)));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const std::string_view bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  switch (data[0] % 7) {
    case 0:
      read_slots(bytes);
      break;
    case 1:
      read_page(bytes);
      break;
    case 2:
      read_part(Gather::ok, bytes);
      break;
    case 3:
      read_part(Gather::sum, bytes);
      break;
    case 4:
      read_part(Gather::sums, bytes);
      break;
    case 5:
      read_part(Gather::elements, bytes);
      break;
    default:
      read_part(Gather::pick, bytes);
      break;
  }
  return 0;
}
