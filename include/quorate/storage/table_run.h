// Run: the cells of one (db, slot) of the object table, or of a part of its hash space. The part of
// Table that its inlined look-ups need; everybody else uses Table.
//
// A run has one of three shapes. All keep the cells sorted by hash, equal hashes side by side.
// - packed: `size` cells without gaps, searched by bisection. For up to kPackedMax cells, and for
// hashes so
//   unevenly spread that probing cannot hold them (one hash shared by thousands of keys).
// - probed: `homes` positions, of which a hash's own is its place in the run's part of the hash
// space, scaled;
//   cells that find theirs taken stand to the right of it, the last ones in the `tail` behind.
//   There is no empty cell between a cell and its home. An empty cell has no entry and kEmptyHash,
//   so that one comparison ends a probe.
// - directory: 2^depth leaves, found by the first `depth` bits of the hash. A leaf of a smaller
// depth fills
//   several places with equal copies.
//
// Thread: the shard's. Source: DESIGN section 4; extendible hashing: Fagin, Nievergelt, Pippenger
// and Strong, 1979.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <utility>

#include "quorate/object/codec.h"
#include "quorate/object/key.h"
#include "quorate/storage/entry.h"

namespace quorate::storage {

struct Cell {
  uint64_t hash;
  Entry* entry;
};

inline constexpr uint64_t kEmptyHash = UINT64_MAX;

struct Run {
  static constexpr uint16_t kPacked = 0;
  static constexpr uint16_t kDirectory = UINT16_MAX;
  static constexpr uint32_t kPackedMax = 8;

  union {
    Cell* cells = nullptr;
    Run* leaves;  // of a directory
  };
  uint32_t size = 0;  // cells in use; of a directory: its leaves whose depth is the directory's
  uint16_t homes = kPacked;  // or the shape
  uint8_t tail = 0;
  uint8_t depth =
      0;  // leading bits that the hashes here have in common; of a directory: log2 of its length

  bool is_packed() const { return homes == kPacked; }
  bool is_directory() const { return homes == kDirectory; }
  // Cells of a probed run, empty ones included.
  uint32_t span() const { return uint32_t{homes} + tail; }
};
static_assert(sizeof(Run) == 16);

inline const Run& leaf_of(const Run& root, uint64_t hash) {
  if (!root.is_directory()) [[likely]]
    return root;
  return root.leaves[hash >> (64 - root.depth)];
}

// The home of `hash` among `homes` positions: multiplying by them scales its bits behind the first
// `depth`.
inline uint64_t home_of(uint64_t hash, unsigned depth, uint64_t homes) {
  return static_cast<uint64_t>((static_cast<object::Uint128>(hash << depth) * homes) >> 64);
}

// Starts reading `lines` cache lines from the one of `at` on. GCC 12 takes a function that only
// prefetches for one without effect and drops the calls, which the empty asm prevents.
inline void prefetch_lines(const void* at, int lines) {
  if (at == nullptr) return;  // an empty run has no cells
  for (int i = 0; i < lines; ++i) __builtin_prefetch(static_cast<const char*>(at) + 64 * i);
  asm volatile("" : : "r"(at));
}

// Where a search for `hash` begins.
inline const Cell* first_probe(const Run& leaf, uint64_t hash) {
  return leaf.cells + home_of(hash, leaf.depth, leaf.homes);
}

struct CellRange {
  Cell* first;
  Cell* end;
};

// How far a cell is from home cannot be predicted, so the first few are counted without a branch;
// they are at most two cache lines. From a home on, cells below `hash` come first: what stands
// behind an empty cell has a higher home.
inline constexpr int kCellsCounted = 5;
inline int cells_below(const Cell* cell, uint64_t hash) {
  const auto is_below = [=](int i) { return static_cast<int>(cell[i].hash < hash); };
  return is_below(0) + is_below(1) + is_below(2) + is_below(3) + is_below(4);
}

// From the first cell whose hash is not below `hash`, or the empty cell that says there is none
// before it, to the end of the leaf.
inline CellRange cells_from(const Run& leaf, uint64_t hash) {
  if (leaf.is_packed()) {
    Cell* const end = leaf.cells + leaf.size;
    const auto below = [hash](const Cell& cell) { return cell.hash < hash; };
    if (leaf.size > Run::kPackedMax) return {std::partition_point(leaf.cells, end, below), end};
    Cell* cell = leaf.cells;
    while (cell != end && cell->hash < hash) ++cell;
    return {cell, end};
  }
  Cell* const end = leaf.cells + leaf.span();
  Cell* cell = leaf.cells + home_of(hash, leaf.depth, leaf.homes);
  while (end - cell >= kCellsCounted) {
    const int below = cells_below(cell, hash);
    cell += below;
    if (below < kCellsCounted) return {cell, end};
  }
  while (cell != end && cell->hash < hash) ++cell;
  return {cell, end};
}

// The entry of the first cell of `hash`, if that is near its home, else some address that costs
// nothing to prefetch. No branch depends on a cell: one mispredicted would throw away the
// prefetches of the keys that follow.
inline const void* entry_near_home(const Run& leaf, uint64_t hash) {
  const Cell* cell = first_probe(leaf, hash);
  if (leaf.is_packed() || leaf.cells + leaf.span() - cell <= kCellsCounted) {
    const auto [first, end] = cells_from(leaf, hash);
    return first != end && first->hash == hash ? first->entry : nullptr;
  }
  cell += cells_below(cell, hash);
  return cell->hash == hash ? static_cast<const void*>(cell->entry) : cell;
}

inline Entry* find_in(const Run& leaf, const object::Key& key) {
  for (auto [cell, end] = cells_from(leaf, key.hash);
       cell != end && cell->hash == key.hash && cell->entry != nullptr; ++cell) {
    if (cell->entry->key() == key.name) return cell->entry;
  }
  return nullptr;
}

// Calls visit(leaf) for every leaf of `root` whose hashes reach `from`, in order, until it returns
// false; whether it never did.
template <class Visit>
bool visit_leaves(const Run& root, uint64_t from, Visit&& visit) {
  if (!root.is_directory()) return visit(root);
  const size_t length = size_t{1} << root.depth;
  for (size_t place = from >> (64 - root.depth); place < length;) {
    const Run& leaf = root.leaves[place];
    if (!visit(leaf)) return false;
    const size_t copies = size_t{1} << (root.depth - leaf.depth);
    place = (place | (copies - 1)) + 1;
  }
  return true;
}

// Calls visit(hash, entry) for every cell with hash >= from, in order, until it returns false;
// whether it never did.
template <class Visit>
bool visit_cells(const Run& root, uint64_t from, Visit&& visit) {
  uint64_t low = from;  // only the first leaf reaches below it
  return visit_leaves(root, from, [&](const Run& leaf) {
    for (auto [cell, end] = cells_from(leaf, std::exchange(low, 0)); cell != end; ++cell) {
      if (cell->entry != nullptr && !visit(cell->hash, cell->entry)) return false;
    }
    return true;
  });
}

}  // namespace quorate::storage
