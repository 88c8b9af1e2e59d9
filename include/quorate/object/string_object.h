// A string: the element with the empty id, as plain commands see and change it (DESIGN 5).
//
// Reading: of the versions that hold a value (raw, HyperLogLog) the winner is the one with the
// highest (HLC, dot), the same on every node. If it is an integer, increments it has not seen count
// on top (counter.h). The winner's expiry is the key's, also when a losing sibling would live
// longer; siblings that hold the same value take the longest of theirs, so of concurrent EXPIREs
// the longest wins.
//
// Whoever handles siblings himself reads all values (read_siblings), and as covered_part() of the
// object writes on top of what he has seen.
//
// Writing: each function returns a delta under a fresh dot that supersedes the versions `object`
// shows, of every element, and nothing else. The caller stamps it:
// HlcClock::next_after(object.highest_hlc(), now). Objects may be full or at rest. There is no time
// here: whoever finds an object expired erases it first and goes on from the tombstone.
//
// Thread: pure functions.
#pragma once

#include <cstdint>
#include <expected>
#include <optional>
#include <vector>

#include "quorate/object/counter.h"
#include "quorate/object/object.h"

namespace quorate::object {

struct StringValue {
  BlobRef bytes;  // shared with the winner unless increments count on top
  uint64_t expiry_ms = 0;
  Kind kind = Kind::raw;
};

// The winner among the versions with a value; null if increments or nothing are all there is.
[[nodiscard]] const Version* winner(const Object& object, const ActorTable& actors);

// Empty if there is no value. overflow: increments from both sides of a partition add up beyond 64
// bits.
[[nodiscard]] std::expected<std::optional<StringValue>, CounterError> read_string(
    const Object& object, const ActorTable& actors);

// What read_string would say of the expiry, also where increments add up beyond 64 bits; empty if
// there is no value.
[[nodiscard]] std::optional<uint64_t> read_expiry(const Object& object, const ActorTable& actors);

struct SiblingValue {
  BlobRef bytes;
  uint64_t expiry_ms = 0;            // its own
  const Version* version = nullptr;  // null: nothing but increments
};

// Every version that holds a value, the winner first, then by (HLC, dot), the newest first.
// Increments count on top of the winner as in read_string(), or are the only value there is.
[[nodiscard]] std::vector<SiblingValue> read_siblings(const Object& object,
                                                      const ActorTable& actors);

// By (HLC, dot): the same on every node.
[[nodiscard]] bool is_newer(const Version& a, const Version& b, const ActorTable& actors);

// Of the versions with a value those that lose, and whose removal, the erase() of just these,
// changes nothing that anybody reads: whichever others there are elsewhere. Not one that holds the
// winner's value for longer, nor one with increments that are written nowhere else.
[[nodiscard]] CausalContext losers(const Object& object, const ActorTable& actors);

// How many versions hold a value.
[[nodiscard]] std::size_t count_values(const Object& object);

// SET and whatever replaces the value. REQUIRES: kind is raw or hyperloglog.
[[nodiscard]] Delta write_string(const Object& object, Dot dot, Hlc hlc, BlobRef payload,
                                 uint64_t expiry_ms, Kind kind = Kind::raw);

// DEL, expiry, eviction. Leaves a tombstone; if increments were ever seen, one with their totals.
[[nodiscard]] Delta erase(const Object& object, Dot dot, Hlc hlc);

// EXPIRE and, with 0, PERSIST: the same value with another expiry. REQUIRES: read_string gives a
// value.
[[nodiscard]] std::expected<Delta, CounterError> set_expiry(const Object& object,
                                                            const ActorTable& actors, Dot dot,
                                                            Hlc hlc, uint64_t expiry_ms);

}  // namespace quorate::object
