// Objects and the one merge rule (DESIGN 5).
//
// An Object is a causal context `seen` and elements with their versions. A string is one element
// with an empty id. An object without a version that holds a value is a tombstone. Invariants:
// elements ascend by id, each has at least one version, its versions ascend by dot; a dot names one
// change: one version of one element, or a deletion.
//
// An object is *full* when `seen` covers all its versions' dots and every dot it ever saw; only
// full objects merge. *At rest*, beside its slot clock, it keeps only the part of `seen` that the
// clock does not say. To fill in may add dots of other keys of the slot; they name nothing here,
// and because a clock covers a dot only when its delta was applied, every dot of this key in it was
// truly seen. An absent record is Object{} and must never be filled in: it says nothing, while a
// tombstone says what it saw. (A record lost to damage, filled in, would delete the peers' copies.)
//
// Thread: values; payloads are shared (blob.h). Errors: decoding refuses whatever encoding would
// not have written.
#pragma once

#include <boost/container/small_vector.hpp>
#include <string>
#include <string_view>

#include "quorate/object/causal_context.h"
#include "quorate/object/version.h"
#include "quorate/runtime/error.h"

namespace quorate::object {

struct Element {
  using Versions = boost::container::small_vector<Version, 1>;

  std::string id;
  Versions versions;

  friend bool operator==(const Element&, const Element&) = default;
};

struct Object {
  using Elements = boost::container::small_vector<Element, 1>;

  CausalContext seen;
  Elements elements;

  // Null if there is none with this id.
  [[nodiscard]] const Element* find(std::string_view id) const;

  // Nothing but deletions: no elements, or only resets.
  [[nodiscard]] bool is_tombstone() const;

  // The highest HLC among its versions, 0 if it has none: what HlcClock::next_after must exceed.
  [[nodiscard]] Hlc highest_hlc() const;

  friend bool operator==(const Object&, const Object&) = default;

  // Canonical: equal objects of one ActorTable encode to equal bytes.
  void encode(std::string& out) const;
  static runtime::Result<Object> decode(std::string_view bytes);
};

// Per element a version stays if both have its dot, or if the other's `seen` does not cover it;
// `seen` is the join. Commutative, associative, idempotent. REQUIRES: x and y full.
[[nodiscard]] Object merge(const Object& x, const Object& y);

// One change on its way: to the own object, the journal, the other replicas.
//
// `change` is a full object whose `seen` holds exactly the own dots and the dots they supersede;
// `dots` are the own ones, which the slot clock of whoever applies it then covers. Every version in
// `change` has one of `dots`; a dot without a version is a deletion. Order, loss of others and
// repetition do not matter to merge.
struct Delta {
  CausalContext dots;
  Object change;

  // A new version, under its own dot.
  void write(std::string_view element, Version version);

  // A change that leaves no version.
  void remove(Dot own);

  void supersede(Dot dot) { change.seen.add(dot); }

  // Every version `object` shows, whatever its element.
  void supersede_all(const Object& object);

  friend bool operator==(const Delta&, const Delta&) = default;

  void encode(std::string& out) const;
  static runtime::Result<Delta> decode(std::string_view bytes);
};

// The versions that a writer has seen who has seen just these dots: what his change supersedes.
[[nodiscard]] Object covered_part(const Object& object, const CausalContext& seen);
// The others.
[[nodiscard]] Object uncovered_part(const Object& object, const CausalContext& seen);

// Strips from `seen` what the clock says. REQUIRES: `object` full.
[[nodiscard]] Object at_rest(Object object, const SlotClock& clock);

// Makes an object at rest full again. REQUIRES: the clock has not been given a dot of this key
// since that is not applied to `object`: fill in before the dots of a new delta are added, as
// apply() does.
[[nodiscard]] Object filled_in(Object object, const SlotClock& clock);

// Applies `delta` to the record of its key, which is at rest or null for absent; the clock then
// covers its dots. Returns the new record, at rest. A delta whose dots the clock already covers was
// applied before and changes nothing.
[[nodiscard]] Object apply(const Object* record, const Delta& delta, SlotClock& clock);

// Merges a peer's full object into the record, at rest or null. The clock does not move: it is not
// known which dots of a whole object's `seen` are of this key. After all objects of a slot, join
// the clock that the peer had before.
[[nodiscard]] Object apply_state(const Object* record, const Object& full, const SlotClock& clock);

}  // namespace quorate::object
