// Counters: increments that add up exactly under any concurrency, with nothing but the one merge
// rule (DESIGN 5).
//
// Each actor owns at most one contribution, a version of Kind::counter with the total of all his
// increments of the key since ever (baseline.h); an increment supersedes his own last one and
// nothing else. What replaces the value (SET) or deletes it (DEL) supersedes the contributions it
// sees and keeps their totals as *erased*; later writes hand erased totals on, so an actor always
// finds his own last total in what he sees, and goes on from there. EXPIRE writes the value anew,
// as a raw version with the totals it contains as *absorbed*. Of an actor's totals the one with the
// latest dot counts. Then
//
//   value = integer of the winner, or 0
//         + per actor: his latest total known
//                      - the latest of his totals that is erased anywhere or absorbed in the winner
//
// so an increment concurrent with SET, DEL or EXPIRE counts on top, once; one that any SET or DEL
// saw never returns.
//
// Simpler rules that fail:
//  - "the highest total counts": a +5 then -2 leaves totals 5 and 3 visible on a replica that
//    missed the deltas between.
//  - "subtract only the winner's baseline": b +2; a SET 100, seeing it; c SET 200, not seeing it,
//    and wins: 202, although every order of the three gives 100 or 200.
//  - "EXPIRE writes a SET of the value": a and b each EXPIRE having seen different increments:
//    those only the loser saw vanish. And if EXPIRE left the contributions in place under a raw 0,
//    a concurrent SET of 10 that loses to it would erase them: the value would be 0, which it never
//    was.
//
// An increment of a key with siblings resolves them, like any other write: the sum is written anew
// as EXPIRE would, with the increment itself as absorbed. Two that do so at once leave two
// siblings, whose increments still add up, since each finds the other's among the totals.
//
// An actor must increment serially, on objects that have all his own deltas applied. Contributions
// carry no expiry: the winner's is the key's. A winner that is no integer (SET "x" elsewhere) is
// answered as it is, increments uncounted. Known limit: FLUSHALL by a bare context erases no
// totals; counters flushed while another node increments need resets written for them.
//
// Thread: pure functions.
#pragma once

#include <cstdint>
#include <expected>
#include <optional>
#include <string_view>

#include "quorate/object/object.h"

namespace quorate::object {

enum class CounterError : uint8_t { not_an_integer, overflow };

// As Redis's string2ll: the decimal form that printing gives back, nothing else.
[[nodiscard]] std::optional<int64_t> parse_integer(std::string_view text);

// 0 if there is no value.
[[nodiscard]] std::expected<int64_t, CounterError> counter_value(const Object& object,
                                                                 const ActorTable& actors);

struct Increment {
  Delta delta;
  int64_t value = 0;  // after it
};

// INCRBY by the actor of `dot`. Refuses, changing nothing, where Redis does.
[[nodiscard]] std::expected<Increment, CounterError> increment(const Object& object,
                                                               const ActorTable& actors, Dot dot,
                                                               Hlc hlc, int64_t amount);

}  // namespace quorate::object
