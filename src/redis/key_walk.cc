// How a walk keeps its promise where rows on disk take part. A slot with cold keys is walked in
// stretches: the entries in memory are noted first, then rows are read, and when they have come
// both are met together. A key that stays is in memory or a committed row at the moment of noting.
// In the first case it was noted. In the second its row is in whatever state the read sees, because
// a read sees all that was committed before it and rows of keys that stay are only ever replaced.
// So demotions and loads during the read lose nothing.
#include "redis/key_walk.h"

#include <algorithm>
#include <utility>

namespace quorate::redis {
namespace {

constexpr size_t kCellsPerTurn = 512;
constexpr size_t kSlotsPerTurn = 4096;
constexpr size_t kRowsPerRead = 256;
constexpr size_t kRowBytesPerRead = 256 * 1024;

}  // namespace

void KeyWalk::start(ShardEngine& engine, Range range, Visit visit, Done done) {
  std::make_shared<KeyWalk>(engine, range, std::move(visit), std::move(done))->slice();
}

KeyWalk::KeyWalk(ShardEngine& engine, Range range, Visit visit, Done done)
    : engine_(engine),
      store_(engine.store()),
      range_(range),
      visit_(std::move(visit)),
      done_(std::move(done)),
      position_(range.from) {}

void KeyWalk::go_on() {
  engine_.loop().post([self = shared_from_this()] { self->slice(); });
}

void KeyWalk::slice() {
  const auto& shape = store_.shape();
  size_t cells = kCellsPerTurn;
  size_t slots = kSlotsPerTurn;
  if (store_.keys(range_.db) == 0) position_ = kWalkEnd;
  while (position_ < kWalkEnd && !satisfied()) {
    const uint16_t slot = slot_of(position_);
    if (!shape.owns(slot)) {
      const unsigned ahead = (shape.shard + shape.shards - slot % shape.shards) % shape.shards;
      position_ = slot_begin(slot + ahead);
      continue;
    }
    if (range_.slots != nullptr && !range_.slots->contains(slot)) {
      position_ = slot_begin(slot + shape.shards);
      continue;
    }
    if (cells == 0 || slots == 0) return go_on();
    --slots;
    const storage::SlotCounts& counts = store_.table().counts(range_.db, slot);
    if (counts.live == 0) {
      position_ = slot_begin(slot + shape.shards);
    } else if (counts.cold != 0) {
      return read_stretch(slot);
    } else {
      walk_resident(slot, cells);
    }
  }
  done_(std::min(position_, kWalkEnd));
}

// Walks to the slot's end or until the budget is spent, but never ends within a position.
void KeyWalk::walk_resident(uint16_t slot, size_t& budget) {
  const uint64_t now_ms = store_.now_ms();
  Position at = position_;
  const bool whole = store_.table().visit_slot(range_.db, slot, hash_of(position_),
                                               [&](uint64_t hash, auto* entry) {
                                                 const Position here = position_of(slot, hash);
                                                 if (here != at && (budget == 0 || satisfied())) {
                                                   at = here;
                                                   return false;
                                                 }
                                                 at = here;
                                                 if (budget > 0) --budget;
                                                 ++seen_;
                                                 if (entry->live_at(now_ms))
                                                   meet(here, entry->key());
                                                 return true;
                                               });
  position_ = whole ? slot_begin(slot + 1u) : at;
}

void KeyWalk::meet(Position position, std::string_view name) {
  ++met_;
  visit_(position, name);
}

// How many cells or rows the next stretch should have.
size_t KeyWalk::wanted() const {
  return static_cast<size_t>(std::min<uint64_t>(range_.keys_max - met_, kRowsPerRead - 1)) + 1;
}

void KeyWalk::read_stretch(uint16_t slot) {
  stretch_ = {};
  Position at = position_;
  const size_t wanted_cells = wanted();
  const bool whole = store_.table().visit_slot(
      range_.db, slot, hash_of(position_), [&](uint64_t hash, auto* entry) {
        const Position here = position_of(slot, hash);
        const bool enough = here != at && stretch_.before.size() >= wanted_cells;
        at = here;
        if (enough) return false;
        const bool tombstone = entry->form() == storage::Form::tombstone;
        stretch_.before.push_back({hash, entry->expiry_ms(), tombstone, std::string(entry->key())});
        return true;
      });
  stretch_.end = whole ? slot_begin(slot + 1u) : at;
  read_rows(hash_of(position_));
}

void KeyWalk::read_rows(uint64_t from_hash) {
  store_.cold_reader().scan(
      {slot_of(position_), range_.db, from_hash}, wanted(), kRowBytesPerRead, engine_.loop(),
      [self = shared_from_this()](std::vector<storage::ColdResult> results, bool more) {
        self->rows_read(std::move(results), more);
      });
}

void KeyWalk::rows_read(std::vector<storage::ColdResult> results, bool more) {
  using Kind = storage::ColdResult::Kind;
  for (const storage::ColdResult& result : results) {
    if (result.kind == Kind::failed) return done_(std::unexpected(result.error));
    if (result.kind == Kind::found) take_row(result);
  }
  seen_ += results.size();
  if (more) {
    // Everything below `next` has been read; more may share its position.
    const uint64_t next = results.back().key.hash + 1;
    const Position complete = position_of(slot_of(position_), next);
    if (complete == position_) return read_rows(next);
    stretch_.end = std::min(stretch_.end, complete);
  }
  finish_stretch();
}

void KeyWalk::take_row(const storage::ColdResult& result) {
  storage::visit_row(result.row, [&](const storage::RowEntry& of) {
    const bool tombstone = of.state.form == storage::Form::tombstone;
    stretch_.rows.push_back({result.key.hash, of.state.expiry_ms, tombstone, std::string(of.key)});
  });
}

// Whether what was in memory or on disk when the read began is a key that clients see now.
bool KeyWalk::visible(uint16_t slot, const Found& found) const {
  const uint64_t now_ms = store_.now_ms();
  const storage::Entry* entry = store_.find({found.name, found.hash, slot, range_.db});
  if (entry != nullptr) return entry->live_at(now_ms);
  const storage::SlotCounts& counts = store_.table().counts(range_.db, slot);
  if (found.tombstone || counts.cold == 0 || counts.rows_stale) return false;
  return found.expiry_ms == 0 || now_ms < found.expiry_ms;
}

void KeyWalk::finish_stretch() {
  const uint16_t slot = slot_of(position_);
  const Stretch stretch = std::exchange(stretch_, {});
  const auto place = [](const Found& of) {
    return std::pair<uint64_t, std::string_view>(of.hash, of.name);
  };
  std::vector<std::pair<uint64_t, std::string_view>> noted;
  noted.reserve(stretch.before.size());
  for (const Found& key : stretch.before) noted.push_back(place(key));
  std::ranges::sort(noted);
  const auto consider = [&](const Found& of) {
    const Position position = position_of(slot, of.hash);
    if (position >= stretch.end) return;
    if (visible(slot, of)) meet(position, of.name);
  };
  for (const Found& key : stretch.before) consider(key);
  for (const Found& row : stretch.rows) {
    if (!std::ranges::binary_search(noted, place(row))) consider(row);
  }
  seen_ += stretch.before.size();
  position_ = stretch.end;
  slice();
}

}  // namespace quorate::redis
