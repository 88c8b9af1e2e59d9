// RecentDots: which key each of a shard's latest changes was of, so that a replica that lacks a few
// of them can be sent just those keys (DESIGN 9).
//
// Bounded: the oldest is forgotten. An entry is a fact about a dot and never becomes wrong; that
// one is missing says nothing. Nothing is allocated before the first. Thread: the shard's.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "quorate/object/causal_context.h"
#include "quorate/object/change.h"

namespace quorate::repair {

class RecentDots {
 public:
  static constexpr size_t kCapacity = 65'536;

  explicit RecentDots(size_t capacity = kCapacity) : capacity_(capacity) {}

  // Where a change was made. Of a flush only the slot matters.
  struct Place {
    uint16_t db = 0;
    uint64_t hash = 0;

    friend auto operator<=>(const Place&, const Place&) = default;
  };
  // `hash`: of the change's key.
  void add(const object::Change& change, uint64_t hash);

  // The keys that these dots changed, each once; nothing if one of the dots is not known here.
  // Flushes have none.
  std::optional<std::vector<Place>> find(uint16_t slot, const object::CausalContext& dots) const;

 private:
  struct Entry {
    object::Dot dot;
    Place place;
    uint16_t slot = 0;
    bool flush = false;
  };

  const size_t capacity_;
  std::vector<Entry> entries_;  // a ring once it is full
  size_t next_ = 0;
};

}  // namespace quorate::repair
