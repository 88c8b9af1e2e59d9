#include "run_editor.h"

#include <algorithm>
#include <cassert>
#include <cstring>
#include <new>

namespace quorate::storage {
namespace {

// Cells per allocation follow the allocator's classes: exact up to eight, then 10, 12, 14, 16, 20,
// 24 …
uint32_t cells_class(uint32_t cells) {
  return static_cast<uint32_t>(allocation_bytes(cells * sizeof(Cell)) / sizeof(Cell));
}

// How many of a probed leaf's cells may be in use. Simulated for leaves of 15 to 600 cells: at
// 13/16 a cell is 0.9 to 1.8 places from home on average and takes 21 to 22 bytes; at 7/8 it is 1.1
// to 2.7 places and 20 to 21 bytes.
constexpr uint32_t size_max(uint32_t span) { return span * 13 / 16; }

// A leaf is laid out anew below two fifths; lay_out() itself never leaves less than a half.
constexpr bool is_sparse(uint32_t size, uint32_t span) { return size * 5 < span * 2; }

// Cells behind the homes, for what collides near the end.
constexpr uint32_t tail_of(uint32_t span) { return std::min(1 + span / 16, 16u); }

bool fits(const Cell* cells, uint32_t size, unsigned depth, uint32_t span) {
  const uint32_t homes = span - tail_of(span);
  uint64_t next = 0;
  for (uint32_t i = 0; i < size; ++i) {
    next = std::max(next, home_of(cells[i].hash, depth, homes)) + 1;
  }
  return next <= span;
}

// The smallest allocation in which the cells can be probed, 0 if they had better be packed.
uint32_t probed_span(const Cell* cells, uint32_t size, unsigned depth) {
  if (size <= Run::kPackedMax || size > size_max(RunEditor::kCellsMax)) return 0;
  const uint32_t limit = std::min(RunEditor::kCellsMax, 2 * size);
  uint32_t span = cells_class(size);
  while (span <= limit && (size_max(span) < size || !fits(cells, size, depth, span))) {
    span = cells_class(span + 1);
  }
  return span <= limit ? span : 0;
}

void move_cells(Cell* to, const Cell* from, size_t count) {
  std::memmove(static_cast<void*>(to), from, count * sizeof(Cell));
}

Cell* first_above(const Run& leaf, uint64_t hash) {
  auto [cell, end] = cells_from(leaf, hash);
  while (cell != end && cell->entry != nullptr && cell->hash == hash) ++cell;
  return cell;
}

}  // namespace

void RunEditor::insert(Run& root, Cell cell, size_t slot_cells) {
  Run leaf = leaf_of(root, cell.hash);
  if (place(leaf, cell)) {
    store(root, cell.hash, leaf);
    return;
  }
  sorted_.clear();
  gather(leaf);
  const auto above =
      std::upper_bound(sorted_.begin(), sorted_.end(), cell.hash,
                       [](uint64_t hash, const Cell& other) { return hash < other.hash; });
  sorted_.insert(above, cell);
  release(leaf);
  const auto size = static_cast<uint32_t>(sorted_.size());
  const bool is_crowded =
      size > kCellsMax / 2 && probed_span(sorted_.data(), size, leaf.depth) == 0;
  if (!is_crowded || !split(root, leaf.depth, slot_cells + 1)) {
    store(root, cell.hash, lay_out(sorted_.data(), size, leaf.depth));
  }
  trim_scratch();
}

void RunEditor::erase(Run& root, uint64_t hash, const Entry* entry) {
  const Run before = leaf_of(root, hash);
  Run leaf = before;
  if (!remove(leaf, hash, entry)) {
    sorted_.clear();
    gather(leaf);
    release(before);
    leaf = lay_out(sorted_.data(), static_cast<uint32_t>(sorted_.size()), leaf.depth);
  }
  store(root, hash, leaf);
  if (root.is_directory()) merge(root, hash);
  trim_scratch();
}

bool RunEditor::clear_next(Run& root, size_t& place) {
  if (root.is_directory()) {
    const Run& leaf = root.leaves[place];
    release(leaf);
    place += size_t{1} << (root.depth - leaf.depth);
    if (place < size_t{1} << root.depth) return false;
    release_leaves(root);
  } else {
    release(root);
  }
  root = Run{};
  place = 0;
  return true;
}

// Puts the cell where it belongs unless the leaf must be laid out anew first.
bool RunEditor::place(Run& leaf, Cell cell) {
  if (leaf.is_packed()) {
    if (leaf.size == cells_class(leaf.size)) return false;
    Cell* const to = first_above(leaf, cell.hash);
    const auto behind = static_cast<size_t>(leaf.cells + leaf.size - to);
    move_cells(to + 1, to, behind);
    *to = cell;
    moved_cells_ += behind;
    ++leaf.size;
    return true;
  }
  if (leaf.size >= size_max(leaf.span())) return false;
  Cell* const end = leaf.cells + leaf.span();
  Cell* const to = first_above(leaf, cell.hash);
  Cell* gap = to;
  while (gap != end && gap->entry != nullptr) ++gap;
  if (gap == end) return false;
  move_cells(to + 1, to, static_cast<size_t>(gap - to));
  *to = cell;
  moved_cells_ += static_cast<size_t>(gap - to);
  ++leaf.size;
  return true;
}

// Takes the cell out; false if the leaf must be laid out anew now.
bool RunEditor::remove(Run& leaf, uint64_t hash, const Entry* entry) {
  auto [cell, end] = cells_from(leaf, hash);
  while (cell != end && cell->entry != entry) ++cell;
  assert(cell != end && cell->hash == hash);
  Cell* last = cell;  // of those that close up
  if (leaf.is_packed()) {
    last = end - 1;
  } else {
    while (last + 1 != end && last[1].entry != nullptr &&
           leaf.cells + home_of(last[1].hash, leaf.depth, leaf.homes) != last + 1) {
      ++last;
    }
  }
  move_cells(cell, cell + 1, static_cast<size_t>(last - cell));
  *last = {kEmptyHash, nullptr};
  moved_cells_ += static_cast<size_t>(last - cell);
  const uint32_t before = leaf.size--;
  if (!leaf.is_packed()) return !is_sparse(leaf.size, leaf.span());
  return cells_class(leaf.size) == cells_class(before);
}

// Appends the leaf's cells to sorted_.
void RunEditor::gather(const Run& leaf) {
  if (leaf.is_packed()) {
    sorted_.insert(sorted_.end(), leaf.cells, leaf.cells + leaf.size);
    return;
  }
  for (const Cell* cell = leaf.cells; cell != leaf.cells + leaf.span(); ++cell) {
    if (cell->entry != nullptr) sorted_.push_back(*cell);
  }
}

Run RunEditor::lay_out(const Cell* cells, uint32_t size, unsigned depth) {
  const uint32_t span = probed_span(cells, size, depth);
  if (span == 0) return pack(cells, size, depth);
  Run leaf;
  leaf.size = size;
  leaf.depth = static_cast<uint8_t>(depth);
  leaf.tail = static_cast<uint8_t>(tail_of(span));
  leaf.homes = static_cast<uint16_t>(span - leaf.tail);
  leaf.cells = allocate(span);
  std::fill_n(leaf.cells, span, Cell{kEmptyHash, nullptr});
  uint64_t next = 0;
  for (uint32_t i = 0; i < size; ++i) {
    next = std::max(next, home_of(cells[i].hash, depth, leaf.homes));
    leaf.cells[next++] = cells[i];
  }
  moved_cells_ += size;
  return leaf;
}

Run RunEditor::pack(const Cell* cells, uint32_t size, unsigned depth) {
  Run leaf;
  leaf.size = size;
  leaf.depth = static_cast<uint8_t>(depth);
  if (size == 0) return leaf;
  leaf.cells = allocate(cells_class(size));
  move_cells(leaf.cells, cells, size);
  moved_cells_ += size;
  return leaf;
}

// Hashes that cannot be split may make it large for once.
void RunEditor::trim_scratch() {
  if (sorted_.capacity() > size_t{4} * kCellsMax) std::vector<Cell>().swap(sorted_);
}

Cell* RunEditor::allocate(uint32_t cells) {
  memory_bytes_ += cells * sizeof(Cell);
  return static_cast<Cell*>(::operator new(cells * sizeof(Cell)));
}

void RunEditor::release(const Run& leaf) {
  if (leaf.cells == nullptr) return;
  const size_t cells = leaf.is_packed() ? cells_class(leaf.size) : leaf.span();
  memory_bytes_ -= cells * sizeof(Cell);
  ::operator delete(static_cast<void*>(leaf.cells));
}

}  // namespace quorate::storage
