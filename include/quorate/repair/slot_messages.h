// What two replicas say to each other to bring one of them up to the other: questions and answers
// of one service of PeerCalls (DESIGN 9).
//
//   compare  "of these slots I have this clock": answered, slot by slot, whether there is more
//   fetch    "send me of this slot what my clock lacks", and "go on from here": answered with a
//            page of changes (object/change.h)
//
// Handles of actors mean nothing on another node: a message names its actors once and refers to
// them by index, so a decoded context is in indices until translated(). Format: a byte for the
// question, then fields of object/codec.h; every message is decoded whole or refused. Thread:
// values.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "quorate/object/causal_context.h"
#include "quorate/object/dot.h"

namespace quorate::repair {

inline constexpr size_t kComparedSlotsMax = 1024;  // in one message

struct SlotClock {
  uint16_t slot = 0;
  object::CausalContext clock;
};
struct CompareQuestion {
  std::vector<object::Actor> actors;
  std::vector<SlotClock> slots;  // ascending; clocks in indices
};
// `slots`: clocks in handles of `table`.
std::string encode_compare(const std::vector<SlotClock>& slots, const object::ActorTable& table);
std::optional<CompareQuestion> decode_compare(std::string_view body);

enum class Compared : uint8_t { covered = 0, more = 1 };
// One for each slot, in their order.
std::string encode_compared(const std::vector<Compared>& slots);
std::optional<std::vector<Compared>> decode_compared(std::string_view body, size_t slots);

// A place in a slot, in the order of storage.
struct Cursor {
  uint16_t db = 0;
  uint64_t hash = 0;

  friend bool operator==(const Cursor&, const Cursor&) = default;
};

struct FetchQuestion {
  uint16_t slot = 0;
  uint64_t walk = 0;  // of the answer to the first; 0: this is the first
  Cursor from;        // where to go on
  std::vector<object::Actor> actors;
  object::CausalContext clock;  // the asker's, of the first only
};
// `question.clock` in handles of `table`; `question.actors` is not looked at.
std::string encode_fetch(const FetchQuestion& question, const object::ActorTable& table);
std::optional<FetchQuestion> decode_fetch(std::string_view body);

struct FetchAnswer {
  uint64_t walk = 0;     // 0: it is not known here any more, begin again
  bool last = false;     // nothing comes behind this page
  bool damaged = false;  // it lacks keys whose rows cannot be read
  Cursor next;           // of all but the last
  std::vector<object::Actor> actors;
  object::CausalContext covers;  // first page: what the asker has once it has applied all pages
  std::string_view changes;      // a batch
};
std::string encode_page(const FetchAnswer& answer, const object::ActorTable& table);
// `changes` views `body`.
std::optional<FetchAnswer> decode_page(std::string_view body);

// The context in handles: `handles[i]` is that of actor i. Dots of actors without a handle are left
// out. REQUIRES: handles are distinct.
object::CausalContext translated(const object::CausalContext& context,
                                 std::span<const std::optional<object::ActorId>> handles);
// The handles of those that the table knows.
std::vector<std::optional<object::ActorId>> handles_of(std::span<const object::Actor> actors,
                                                       const object::ActorTable& table);

}  // namespace quorate::repair
