// What the versions of a string's element come to: who wins, and which increments count on top of
// it. The arithmetic of counter.h, in one place for reading, incrementing and rewriting.
#pragma once

#include <expected>
#include <optional>

#include "quorate/object/baseline.h"
#include "quorate/object/counter.h"
#include "quorate/object/object.h"

namespace quorate::object {

struct StringState {
  const Version* winner = nullptr;
  Totals erased;         // of all versions
  Totals absorbed;       // of the winner
  Totals latest;         // each actor's last total, wherever it is noted
  bool counted = false;  // some increment counts on top of the winner, or without one

  static StringState of(const Object& object, const ActorTable& actors);

  [[nodiscard]] bool exists() const { return winner != nullptr || counted; }

  // Winner and increments together, 0 if there are neither.
  [[nodiscard]] std::expected<int64_t, CounterError> value() const;

 private:
  // The totals that count no more, or already in the winner.
  [[nodiscard]] Totals accounted() const;
};

// All totals that the string's versions name, for whoever erases them.
[[nodiscard]] Totals all_totals(const Object& object);

}  // namespace quorate::object
