// Causal contexts: sets of dots, held as a version vector plus detached dots (DESIGN 5).
//
// A CausalContext keeps, ordered by (actor, n), the longest runs of consecutive dots: the run of an
// actor that starts at 1 is its entry in the version vector, the others are its detached dots. Runs
// and not single dots, because a slot clock that misses one dot of an actor goes on to have
// millions above it. Runs never touch, so a set has one representation, equality is that of the
// sets, and one actor without gaps needs no allocation.
//
// REQUIRES everywhere: 1 <= n <= Dot::kMaxN. Thread: values, no shared state.
#pragma once

#include <boost/container/small_vector.hpp>
#include <cstdint>
#include <string>
#include <string_view>

#include "quorate/object/codec.h"
#include "quorate/object/dot.h"
#include "quorate/runtime/error.h"

namespace quorate::object {

class CausalContext {
 public:
  // All dots of `actor` from `first` to `last`, both included.
  struct Run {
    ActorId actor{};
    uint64_t first = 0;
    uint64_t last = 0;

    friend bool operator==(const Run&, const Run&) = default;
  };
  using Runs = boost::container::small_vector<Run, 2>;

  // Defined out of line: inlined, GCC 12 mistakes the move of a small_vector for an overread.
  CausalContext() = default;
  CausalContext(const CausalContext& other);
  CausalContext(CausalContext&& other) noexcept;
  CausalContext& operator=(const CausalContext& other);
  CausalContext& operator=(CausalContext&& other) noexcept;
  ~CausalContext() = default;

  CausalContext(std::initializer_list<Dot> dots) {
    for (const Dot dot : dots) add(dot);
  }

  // Every dot of the actor up to this one; the empty set for n == 0.
  static CausalContext up_to(Dot dot) {
    CausalContext all;
    if (dot.n != 0) all.runs_.push_back(Run{dot.actor, 1, dot.n});
    return all;
  }

  void add(Dot dot) {
    if (!runs_.empty()) [[likely]] {
      Run& run = runs_.back();
      if (run.actor == dot.actor && dot.n >= run.first && dot.n <= run.last + 1) [[likely]] {
        run.last = dot.n > run.last ? dot.n : run.last;
        return;
      }
    }
    add_anywhere(dot);
  }

  // All dots of the run; fast if it comes behind all that are here.
  void add_run(const Run& run);

  [[nodiscard]] bool covers(Dot dot) const {
    if (runs_.size() == 1) [[likely]] {
      const Run& run = runs_.front();
      return run.actor == dot.actor && dot.n >= run.first && dot.n <= run.last;
    }
    return !runs_.empty() && covers_anywhere(dot);
  }

  // Every dot of `other`.
  [[nodiscard]] bool covers(const CausalContext& other) const;

  void join(const CausalContext& other);

  // The dots that `other` does not cover.
  [[nodiscard]] CausalContext without(const CausalContext& other) const;

  // The highest n of `actor` here, 0 if there is none.
  [[nodiscard]] uint64_t last(ActorId actor) const;

  [[nodiscard]] bool empty() const { return runs_.empty(); }
  [[nodiscard]] const Runs& runs() const& { return runs_; }
  const Runs& runs() const&& = delete;  // a loop over a temporary would dangle

  friend bool operator==(const CausalContext&, const CausalContext&) = default;

  // Format byte, then the body. decode refuses whatever encode would not have written.
  void encode(std::string& out) const;
  static runtime::Result<CausalContext> decode(std::string_view bytes);

  // Without the format byte: as a part of a larger structure, which has its own.
  void write_to(ByteWriter& out) const;
  static CausalContext read_from(ByteReader& in);

 private:
  void add_anywhere(Dot dot);
  [[nodiscard]] bool covers_anywhere(Dot dot) const;
  void append(const Run& run);

  Runs runs_;
};

// Exactly the dots a node has in one slot, and the next ones it may issue.
//
// Covers a dot only when its delta was applied here. A dot that an applied delta merely supersedes
// is not enough: the superseded delta may itself supersede a version that is still visible here,
// and would never be asked for again. (a:1 is here; a:2 replaced it, a:3 replaced a:2; a:3 comes
// first. Were a:2 covered, a:1 would stay for ever.)
class SlotClock {
 public:
  SlotClock() = default;
  explicit SlotClock(CausalContext have) : have_(std::move(have)) {}

  // The next dot of `actor`, never given before; covered only once add() says that its delta is
  // applied. REQUIRES: this process is the only one that writes as `actor`.
  Dot issue(ActorId actor) {
    const uint64_t before = issued_.actor == actor ? issued_.n : 0;
    const uint64_t have = have_.last(actor);
    issued_ = Dot{actor, (before > have ? before : have) + 1};
    return issued_;
  }

  void add(Dot dot) { have_.add(dot); }
  void join(const CausalContext& dots) { have_.join(dots); }

  [[nodiscard]] bool covers(Dot dot) const { return have_.covers(dot); }
  [[nodiscard]] bool covers(const CausalContext& dots) const { return have_.covers(dots); }
  [[nodiscard]] const CausalContext& have() const { return have_; }

  friend bool operator==(const SlotClock& a, const SlotClock& b) { return a.have_ == b.have_; }

 private:
  CausalContext have_;
  Dot issued_;
};

}  // namespace quorate::object
