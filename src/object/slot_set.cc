#include "quorate/object/slot_set.h"

#include <vector>

namespace quorate::object {

void SlotSet::encode(std::string& out) const {
  struct Run {
    unsigned skipped, slots;
  };
  std::vector<Run> runs;
  unsigned end = 0;  // of the last run
  for (unsigned slot = 0; slot < kSlots; ++slot) {
    if (!slots_[slot]) continue;
    if (runs.empty() || slot != end) runs.push_back({slot - end, 0});
    ++runs.back().slots;
    end = slot + 1;
  }
  ByteWriter writer(out);
  writer.varint(runs.size());
  for (const Run& run : runs) {
    writer.varint(run.skipped);
    writer.varint(run.slots);
  }
}

std::optional<SlotSet> SlotSet::decode(ByteReader& in) {
  SlotSet set;
  uint64_t end = 0;
  const uint64_t runs = in.count(2);
  for (uint64_t i = 0; i < runs; ++i) {
    const uint64_t skipped = in.varint();
    const uint64_t slots = in.varint();
    // Runs that touch would be one.
    const bool apart = i == 0 || skipped > 0;
    if (!in.ok() || !apart || slots == 0 || skipped > kSlots || slots > kSlots ||
        end + skipped + slots > kSlots) {
      in.reject();
      break;
    }
    for (uint64_t slot = end + skipped; slot < end + skipped + slots; ++slot) {
      set.slots_.set(slot);
    }
    end += skipped + slots;
  }
  if (!in.ok()) return std::nullopt;
  return set;
}

}  // namespace quorate::object
