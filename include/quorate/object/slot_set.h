// SlotSet: some of the 16384 slots.
//
// What one node is asked about is said with it: those it coordinates, say. Encoded as runs, since a
// node's slots mostly lie side by side: how many runs there are, then for each how many slots are
// left out before it and how many it has, all varints. The encoding is canonical. 2 KiB.
// Thread: a value.
#pragma once

#include <bitset>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

#include "quorate/object/codec.h"
#include "quorate/object/key.h"

namespace quorate::object {

class SlotSet {
 public:
  static SlotSet all() {
    SlotSet every;
    every.slots_.set();
    return every;
  }

  void add(uint16_t slot) { slots_.set(slot); }
  void remove(uint16_t slot) { slots_.reset(slot); }
  void add(const SlotSet& other) { slots_ |= other.slots_; }
  void remove(const SlotSet& other) { slots_ &= ~other.slots_; }
  bool contains(uint16_t slot) const { return slots_[slot]; }
  bool empty() const { return slots_.none(); }
  size_t size() const { return slots_.count(); }

  void encode(std::string& out) const;
  // Reads what encode() wrote; rejects what it would not have written.
  static std::optional<SlotSet> decode(ByteReader& in);

  friend bool operator==(const SlotSet&, const SlotSet&) = default;

 private:
  std::bitset<kSlots> slots_;
};

}  // namespace quorate::object
