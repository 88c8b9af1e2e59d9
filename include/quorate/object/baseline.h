// What counters leave in versions: each actor's running total, and the totals that a value already
// accounts for.
//
// A total belongs to one actor and key, is the sum of all his increments of it since ever, and is
// stamped with the n of the increment that made it. Later n means later total, never "higher
// total": DECR lowers it. It takes at most kMaxTotal either way. Encodings are canonical and
// decoding refuses all else. Thread: values, no shared state.
#pragma once

#include <optional>
#include <string_view>
#include <vector>

#include "quorate/object/blob.h"
#include "quorate/object/codec.h"
#include "quorate/object/dot.h"

namespace quorate::object {

// Far above what 64-bit increments reach, far below where a sum of them could overflow.
inline constexpr Int128 kMaxTotal = Int128{1} << 100;

struct ActorTotal {
  Dot dot;  // the increment that made it
  Int128 total = 0;

  friend bool operator==(const ActorTotal&, const ActorTotal&) = default;
};

// At most one total per actor, ascending by actor.
class Totals {
 public:
  // Keeps the later of this and what is there for its actor.
  void raise(const ActorTotal& item);
  void join(const Totals& other);

  // Those that are later than what `other` has for their actor.
  [[nodiscard]] Totals later_than(const Totals& other) const;

  // Null if the actor has none.
  [[nodiscard]] const ActorTotal* find(ActorId actor) const;

  [[nodiscard]] bool empty() const { return items_.empty(); }
  [[nodiscard]] const std::vector<ActorTotal>& items() const& { return items_; }
  const std::vector<ActorTotal>& items() const&& = delete;  // a loop over it would dangle

  void write_to(ByteWriter& out) const;
  static Totals read_from(ByteReader& in);

 private:
  std::vector<ActorTotal> items_;
};

struct Baseline {
  Totals erased;    // overwritten or deleted: these increments count in no value any more
  Totals absorbed;  // contained in this version's own integer (EXPIRE of a counter)

  // Empty when both are.
  [[nodiscard]] BlobRef encode() const;
  static std::optional<Baseline> decode(std::string_view bytes);
};

// The payload of a Kind::counter version.
[[nodiscard]] BlobRef encode_total(Int128 total);
[[nodiscard]] std::optional<Int128> decode_total(std::string_view bytes);

}  // namespace quorate::object
