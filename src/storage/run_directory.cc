// The directory of a run that outgrew one leaf: how RunEditor splits and merges leaves.
//
// Directories have no size of their own to keep right: a leaf stands in 2^(directory depth - leaf
// depth) places, and the root counts the leaves that stand in one place only. When none is left,
// the directory gets shallower.

#include <algorithm>
#include <bit>
#include <cassert>
#include <new>

#include "run_editor.h"

namespace quorate::storage {

// Writes `leaf` to all places of its hashes, `hash` being one of them.
void RunEditor::store(Run& root, uint64_t hash, const Run& leaf) {
  if (!root.is_directory()) {
    root = leaf;
    return;
  }
  const size_t copies = size_t{1} << (root.depth - leaf.depth);
  const size_t first = (hash >> (64 - root.depth)) & ~(copies - 1);
  std::fill_n(root.leaves + first, copies, leaf);
}

// Makes two leaves of sorted_, which was gathered from a leaf of `depth` and is released already,
// at the first bit that tells its hashes apart. False, and nothing changes, if that would take too
// deep a directory.
bool RunEditor::split(Run& root, unsigned depth, size_t slot_cells) {
  const uint64_t low = sorted_.front().hash;
  const uint64_t high = sorted_.back().hash;
  if (low == high) return false;
  const auto split_depth = static_cast<unsigned>(std::countl_zero(low ^ high)) + 1;
  assert(split_depth > depth);
  if (split_depth > 32 || kCellsPerPlaceMin << split_depth > slot_cells) return false;
  deepen(root, split_depth);
  for (unsigned level = depth + 1; level < split_depth; ++level) {
    Run empty;
    empty.depth = static_cast<uint8_t>(level);
    store(root, low ^ (uint64_t{1} << (64 - level)), empty);
  }
  const auto middle = std::partition_point(sorted_.begin(), sorted_.end(), [&](const Cell& cell) {
    return ((cell.hash ^ low) >> (64 - split_depth)) == 0;
  });
  const auto low_size = static_cast<uint32_t>(middle - sorted_.begin());
  const auto size = static_cast<uint32_t>(sorted_.size());
  store(root, low, lay_out(sorted_.data(), low_size, split_depth));
  store(root, high, lay_out(sorted_.data() + low_size, size - low_size, split_depth));
  if (split_depth == root.depth) root.size += 2;
  return true;
}

// Makes a directory of at least `depth` out of the root.
void RunEditor::deepen(Run& root, unsigned depth) {
  if (root.is_directory() && root.depth >= depth) return;
  Run deeper;
  deeper.homes = Run::kDirectory;
  deeper.depth = static_cast<uint8_t>(depth);
  deeper.leaves = allocate_leaves(depth);
  for (size_t place = 0; place < size_t{1} << depth; ++place) {
    deeper.leaves[place] = leaf_of(root, place << (64 - depth));
  }
  if (root.is_directory()) release_leaves(root);
  root = deeper;
}

// Merges the leaf of `hash` with its buddy, the other half of the leaf they once were, as long as
// both together are small.
void RunEditor::merge(Run& root, uint64_t hash) {
  while (root.is_directory()) {
    const Run leaf = leaf_of(root, hash);
    const uint64_t bit = uint64_t{1} << (64 - leaf.depth);
    const Run& low = leaf_of(root, hash & ~bit);
    const Run& high = leaf_of(root, hash | bit);
    if (low.depth != high.depth || low.size + high.size > kMergeMax) return;
    sorted_.clear();
    gather(low);
    gather(high);
    release(low);
    release(high);
    const unsigned depth = leaf.depth - 1u;
    store(root, hash, lay_out(sorted_.data(), static_cast<uint32_t>(sorted_.size()), depth));
    if (leaf.depth == root.depth) {
      root.size -= 2;
      if (root.size == 0) flatten(root);
    }
  }
}

// Makes the directory as shallow as its deepest leaf.
void RunEditor::flatten(Run& root) {
  unsigned depth = 0;
  uint32_t deepest = 0;
  visit_leaves(root, 0, [&](const Run& leaf) {
    if (leaf.depth > depth) deepest = 0;
    depth = std::max<unsigned>(depth, leaf.depth);
    if (leaf.depth == depth) ++deepest;
    return true;
  });
  Run shallower = root.leaves[0];
  if (depth > 0) {
    shallower.homes = Run::kDirectory;
    shallower.tail = 0;
    shallower.size = deepest;
    shallower.depth = static_cast<uint8_t>(depth);
    shallower.leaves = allocate_leaves(depth);
    for (size_t place = 0; place < size_t{1} << depth; ++place) {
      shallower.leaves[place] = leaf_of(root, place << (64 - depth));
    }
  }
  release_leaves(root);
  root = shallower;
}

Run* RunEditor::allocate_leaves(unsigned depth) {
  const size_t bytes = sizeof(Run) << depth;
  memory_bytes_ += allocation_bytes(bytes);
  return static_cast<Run*>(::operator new(bytes));
}

void RunEditor::release_leaves(const Run& root) {
  memory_bytes_ -= allocation_bytes(sizeof(Run) << root.depth);
  ::operator delete(static_cast<void*>(root.leaves));
}

}  // namespace quorate::storage
