// RunEditor: everything that changes the runs of a table; reading them is table_run.h.
//
// One editor serves all runs of a Table. It keeps count of the memory they take and of the cells it
// moved, and owns the scratch in which a leaf is laid out anew. A root is what a (db, slot) holds:
// a leaf, or a directory of leaves once a leaf outgrew kCellsMax. Entries are only pointed at,
// never read, made or destroyed. Cost of a call: at most one leaf is moved, except that merging
// leaves after an erasure moves up to kMergeMax cells per merged level. Thread: the shard's.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "quorate/storage/table_run.h"

namespace quorate::storage {

class RunEditor {
 public:
  // A probed leaf never has more: 14 KiB, the allocator's largest class below whole pages.
  static constexpr uint32_t kCellsMax = 896;
  // Two leaves that together hold no more become one.
  static constexpr uint32_t kMergeMax = 256;
  // A directory has at most one place per so many cells of its slot: hashes that differ only in
  // late bits cost a larger leaf, not an exploding directory.
  static constexpr size_t kCellsPerPlaceMin = 32;

  // `slot_cells`: how many cells the root holds, without the new one.
  void insert(Run& root, Cell cell, size_t slot_cells);
  // REQUIRES: a cell of this hash points at `entry`.
  void erase(Run& root, uint64_t hash, const Entry* entry);
  // Frees the cells of the leaf at `place` of a directory, or of all of a root that is none, and
  // moves on to the next leaf. True when that was the last: the root is as new.
  bool clear_next(Run& root, size_t& place);

  // Of cells and directories, as the allocator counts.
  size_t memory_bytes() const { return memory_bytes_; }
  uint64_t moved_cells() const { return moved_cells_; }

 private:
  // One leaf.
  bool place(Run& leaf, Cell cell);
  bool remove(Run& leaf, uint64_t hash, const Entry* entry);
  void gather(const Run& leaf);
  void release(const Run& leaf);
  Run lay_out(const Cell* cells, uint32_t size, unsigned depth);
  Run pack(const Cell* cells, uint32_t size, unsigned depth);
  Cell* allocate(uint32_t cells);
  void trim_scratch();

  // The directory.
  void store(Run& root, uint64_t hash, const Run& leaf);
  bool split(Run& root, unsigned depth, size_t slot_cells);
  void deepen(Run& root, unsigned depth);
  void merge(Run& root, uint64_t hash);
  void flatten(Run& root);
  Run* allocate_leaves(unsigned depth);
  void release_leaves(const Run& root);

  std::vector<Cell> sorted_;  // the leaf being laid out anew
  size_t memory_bytes_ = 0;
  uint64_t moved_cells_ = 0;
};

}  // namespace quorate::storage
