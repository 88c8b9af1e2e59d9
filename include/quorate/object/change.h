// Change: one change of one key (or one flush) on its way to the other replicas, and batches of
// them.
//
// A change is a Delta (object.h) in its most compact form. What nearly every change is (a string
// written, a counter raised, a key removed) needs no object to be built on either side; anything
// richer travels as an encoded Delta. delta_of() says what a change means; whoever applies one the
// short way must come to what object::apply() comes to.
//
// Kinds:
//   raw      a string version: payload, expiry_ms
//   counter  an actor's contribution: `total` is that of all his increments (counter.h)
//   remove   a deletion that leaves no version
//   delta    payload: Delta::encode(); `dot` is one of its dots
//   state    a whole object, for a replica that may have missed any of its changes. payload:
//            Delta::encode() of the full object, whose dots are those the sender applied and knows
//            to be of this key. Unlike a delta it is merged also where those dots are covered (see
//            storage::ShardStore::state_of)
//   flush    every key of (slot, db) that payload, CausalContext::encode(), covers is gone
//   flushes  the same of what any number of flushes cover, for a replica that may have missed any
//            of them: takes no dot, `dot` is one that is covered
// A dot of `superseded` is of the same key and not the change's own; a raw, counter or remove
// supersedes exactly those.
//
// A batch begins with the actors it names; dots in it refer to them by index, because handles mean
// nothing on another node (dot.h). The receiver interns the actors, and persists those that are
// new, before it decodes the changes. Only deltas, states and flushes are taken apart for that. The
// slot of a key is not sent but computed, so that no peer can put a key where it does not belong.
//
// Thread: values. Errors: reading refuses what writing would not have written, and trusts no
// length. Source: DESIGN section 5.
#pragma once

#include <boost/container/small_vector.hpp>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "quorate/object/codec.h"
#include "quorate/object/dot.h"
#include "quorate/object/hlc.h"
#include "quorate/object/object.h"
#include "quorate/runtime/error.h"

namespace quorate::object {

enum class ChangeKind : uint8_t { raw, counter, remove, delta, state, flush, flushes };

constexpr bool is_flush(ChangeKind kind) { return kind >= ChangeKind::flush; }

// Borrows everything it views.
struct Change {
  ChangeKind kind = ChangeKind::raw;
  uint16_t slot = 0;
  uint16_t db = 0;
  Dot dot{};
  Hlc hlc = 0;
  uint64_t expiry_ms = 0;  // of a raw; 0: never
  Int128 total = 0;        // of a counter
  std::string_view key{};  // empty for flushes
  std::string_view payload{};
  std::span<const Dot> superseded{};
  // Not part of what the change means: for the receiver to compare with its own, a digest of what
  // the key showed where and before the change was made. What goes into it is up to the two.
  std::optional<uint64_t> expected{};
};

// What the change means. Fails if the payload of a delta or state is malformed. REQUIRES: not
// is_flush().
[[nodiscard]] runtime::Result<Delta> delta_of(const Change& change);

class ChangeWriter {
 public:
  // Names the actors that are handles of `actors`, which outlives the writer and may grow.
  explicit ChangeWriter(const ActorTable& actors) : actors_(actors) {}

  // REQUIRES: the payload of a delta, state or flush is well-formed.
  void add(const Change& change);

  [[nodiscard]] bool empty() const { return body_.empty(); }
  // What finish() will append, but for the few bytes of the actors.
  [[nodiscard]] std::size_t bytes() const { return body_.size(); }

  // Appends the batch to `out` and begins an empty one. Memory is kept for it.
  void finish(std::string& out);

 private:
  uint64_t index_of(ActorId actor);
  void add_translated(const Change& change);

  const ActorTable& actors_;
  std::vector<ActorId> named_;      // by index
  std::vector<uint32_t> index_of_;  // by handle: its index + 1, 0 if it is not named
  std::string body_, scratch_;
};

class ChangeReader {
 public:
  // Reads the actors. `batch` outlives the reader.
  static runtime::Result<ChangeReader> open(std::string_view batch);

  // By index. What is not in the own table must be interned, and persisted if what is read will be,
  // before next().
  [[nodiscard]] const std::vector<Actor>& actors() const { return actors_; }

  // The next change, in handles of the own table: `handles[i]` is that of actors()[i]. False at the
  // end. What `change` views is valid until the next call. REQUIRES: handles are distinct.
  [[nodiscard]] runtime::Result<bool> next(std::span<const ActorId> handles, Change& change);

 private:
  explicit ChangeReader(std::string_view rest) : rest_(rest) {}

  [[nodiscard]] bool translate(std::span<const ActorId> handles, Change& change);

  std::vector<Actor> actors_;
  std::string_view rest_;
  boost::container::small_vector<Dot, 4> superseded_;
  std::string scratch_;
};

}  // namespace quorate::object
