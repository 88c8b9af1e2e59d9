#include "quorate/storage/table.h"

#include <algorithm>
#include <cassert>
#include <utility>

#include "run_editor.h"

namespace quorate::storage {
namespace {

// SplitMix64's finaliser: one random number makes as many as a sample needs.
uint64_t mixed(uint64_t value) {
  value += 0x9e3779b97f4a7c15u;
  value = (value ^ (value >> 30)) * 0xbf58476d1ce4e5b9u;
  value = (value ^ (value >> 27)) * 0x94d049bb133111ebu;
  return value ^ (value >> 31);
}

// A number below `limit`.
size_t scaled(uint64_t random, size_t limit) { return home_of(random, 0, limit); }

}  // namespace

Table::Table(unsigned shard, unsigned shards, unsigned databases)
    : shard_(shard),
      shards_(shards),
      reciprocal_(((uint64_t{1} << 32) + shards - 1) / shards),
      slots_((object::kSlots - shard + shards - 1) / shards),
      databases_(databases),
      editor_(std::make_unique<RunEditor>()) {
  assert(shard < shards && shards <= object::kSlots && databases > 0);
}

Table::~Table() {
  for (Database& database : databases_) {
    for (size_t index = 0; database.runs != nullptr && index < slots_; ++index) {
      detached_.push_back(database.runs[index]);
    }
  }
  free_detached(SIZE_MAX);
}

void Table::insert(const object::Key& key, Entry* entry) {
  Database& database = opened(key.db);
  const size_t index = index_of(key.slot);
  editor_->insert(database.runs[index], {key.hash, entry}, database.counts[index].resident);
  const size_t bytes = entry->memory_bytes();
  entry_bytes_ += bytes;
  database.counts[index].entry_bytes += bytes;
  count(database, index, 1);
}

void Table::replace(const object::Key& key, Entry* before, Entry* after) {
  auto [cell, end] = cells_from(leaf_of(*root_of(key.db, key.slot), key.hash), key.hash);
  while (cell != end && cell->entry != before) ++cell;
  assert(cell != end && cell->hash == key.hash);
  cell->entry = after;
  // Modulo 2^64: may be negative.
  const size_t more = after->memory_bytes() - before->memory_bytes();
  entry_bytes_ += more;
  databases_[key.db].counts[index_of(key.slot)].entry_bytes += more;
  Entry::destroy(before);
}

void Table::erase(const object::Key& key, Entry* entry) {
  Database& database = databases_[key.db];
  const size_t index = index_of(key.slot);
  editor_->erase(database.runs[index], key.hash, entry);
  const size_t bytes = entry->memory_bytes();
  entry_bytes_ -= bytes;
  database.counts[index].entry_bytes -= bytes;
  count(database, index, -1);
  Entry::destroy(entry);
}

void Table::detach_slot(uint16_t db, uint16_t slot) {
  Database& database = databases_[db];
  if (database.runs == nullptr) return;
  const size_t index = index_of(slot);
  SlotCounts& counts = database.counts[index];
  if (counts.resident == 0) return;
  detached_.push_back(std::exchange(database.runs[index], Run{}));
  entry_bytes_ -= std::exchange(counts.entry_bytes, 0);
  count(database, index, -static_cast<ptrdiff_t>(counts.resident));
}

bool Table::free_detached(size_t entries) {
  while (entries > 0 && !detached_.empty()) {
    Run& root = detached_.front();
    const Run leaf = root.is_directory() ? root.leaves[detached_place_] : root;
    visit_cells(leaf, 0, [](uint64_t, Entry* entry) {
      Entry::destroy(entry);
      return true;
    });
    entries -= std::min<size_t>(entries, std::max(leaf.size, 1u));
    if (editor_->clear_next(root, detached_place_)) detached_.pop_front();
  }
  return detached_.empty();
}

SlotCounts& Table::counts(uint16_t db, uint16_t slot) {
  assert(slot % shards_ == shard_);
  return opened(db).counts[index_of(slot)];
}

const SlotCounts& Table::counts(uint16_t db, uint16_t slot) const {
  assert(slot % shards_ == shard_);
  static constexpr SlotCounts kNone;
  const Database& database = databases_[db];
  return database.counts == nullptr ? kNone : database.counts[index_of(slot)];
}

bool Table::has_database(uint16_t db) const { return databases_[db].runs != nullptr; }

Entry* Table::sample(uint16_t db, uint64_t random, object::Key* key) const {
  const Database& database = databases_[db];
  if (database.cells == 0) return nullptr;
  size_t index = 0;
  const size_t rank = scaled(mixed(random), database.cells);
  random = mixed(~random);
  const Run& leaf = leaf_at_random(database, rank, random, &index);
  // Positions are tried anew while they are empty: going on to the next cell instead would prefer
  // cells behind gaps. At the lowest load, one sample in a hundred ends up there all the same.
  const size_t span = leaf.is_packed() ? leaf.size : leaf.span();
  size_t position = 0;
  for (int attempt = 0; attempt < 8; ++attempt) {
    random = mixed(random);
    position = scaled(random, span);
    if (leaf.cells[position].entry != nullptr) break;
  }
  while (leaf.cells[position].entry == nullptr) position = position + 1 == span ? 0 : position + 1;
  const Cell& cell = leaf.cells[position];
  *key = {cell.entry->key(), cell.hash, static_cast<uint16_t>(index * shards_ + shard_), db};
  return cell.entry;
}

// The leaf of the cell of that rank, or, in a directory, one of its slot's as likely as its share
// of the hash space.
const Run& Table::leaf_at_random(const Database& database, size_t rank, uint64_t random,
                                 size_t* index) const {
  size_t group = 0;
  while (rank >= database.group_cells[group]) rank -= database.group_cells[group++];
  const auto cells = [&](size_t i) -> size_t {
    return database.runs[i].is_directory() ? database.counts[i].resident : database.runs[i].size;
  };
  *index = group * kGroupSlots;
  while (rank >= cells(*index)) rank -= cells((*index)++);
  const Run& root = database.runs[*index];
  if (!root.is_directory()) return root;
  size_t place = random >> (64 - root.depth);
  while (root.leaves[place].size == 0) place = (place + 1) & ((size_t{1} << root.depth) - 1);
  return root.leaves[place];
}

size_t Table::size() const {
  size_t cells = 0;
  for (const Database& database : databases_) cells += database.cells;
  return cells;
}

size_t Table::memory_bytes() const {
  return database_bytes_ + entry_bytes_ + editor_->memory_bytes();
}

uint64_t Table::moved_cells() const { return editor_->moved_cells(); }

Table::Database& Table::opened(uint16_t db) {
  Database& database = databases_[db];
  if (database.runs == nullptr) {
    database.runs = std::make_unique<Run[]>(slots_);
    database.counts = std::make_unique<SlotCounts[]>(slots_);
    database.group_cells.resize((slots_ + kGroupSlots - 1) / kGroupSlots);
    database_bytes_ +=
        allocation_bytes(slots_ * sizeof(Run)) + allocation_bytes(slots_ * sizeof(SlotCounts));
  }
  return database;
}

void Table::count(Database& database, size_t index, ptrdiff_t cells) {
  const auto change = static_cast<size_t>(cells);  // modulo 2^64: may be negative
  database.counts[index].resident += static_cast<uint32_t>(change);
  database.group_cells[index / kGroupSlots] += change;
  database.cells += change;
}

}  // namespace quorate::storage
