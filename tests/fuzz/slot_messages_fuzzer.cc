// Arbitrary bytes as what replicas say to each other of their slots.
//
// Nothing may crash, and what decodes must say the same after it was encoded and decoded once more.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "quorate/repair/slot_messages.h"

namespace {

using namespace quorate;
using namespace quorate::repair;

void require(bool holds) {
  if (!holds) std::abort();
}

std::vector<std::optional<object::ActorId>> interned(const std::vector<object::Actor>& actors,
                                                     object::ActorTable& table) {
  for (const object::Actor& actor : actors) table.intern(actor);
  return handles_of(actors, table);
}

void check_compare(std::string_view body) {
  const auto question = decode_compare(body);
  if (!question) return;
  object::ActorTable table;
  const auto handles = interned(question->actors, table);
  std::vector<SlotClock> slots;
  for (const SlotClock& of : question->slots) {
    slots.push_back({of.slot, translated(of.clock, handles)});
  }
  const auto again = decode_compare(encode_compare(slots, table));
  require(again && again->slots.size() == slots.size());
  const auto known = handles_of(again->actors, table);
  for (size_t i = 0; i < slots.size(); ++i) {
    require(again->slots[i].slot == slots[i].slot);
    require(translated(again->slots[i].clock, known) == slots[i].clock);
  }
}

void check_fetch(std::string_view body) {
  auto question = decode_fetch(body);
  if (!question) return;
  object::ActorTable table;
  question->clock = translated(question->clock, interned(question->actors, table));
  const auto again = decode_fetch(encode_fetch(*question, table));
  require(again && again->slot == question->slot && again->walk == question->walk);
  require(again->from == question->from);
  require(translated(again->clock, handles_of(again->actors, table)) == question->clock);
}

void check_page(std::string_view body) {
  auto page = decode_page(body);
  if (!page) return;
  object::ActorTable table;
  page->covers = translated(page->covers, interned(page->actors, table));
  const std::string encoded = encode_page(*page, table);
  const auto again = decode_page(encoded);
  require(again && again->walk == page->walk && again->changes == page->changes);
  require(again->last == page->last && again->damaged == page->damaged);
  require(again->next == page->next);
  require(translated(again->covers, handles_of(again->actors, table)) == page->covers);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view body(reinterpret_cast<const char*>(data), size);
  check_compare(body);
  check_fetch(body);
  check_page(body);
  return 0;
}
