// KeyWalk: meets every key of one database on one shard, or of some of its slots, in order, in
// bounded slices over loop turns.
//
// The order is that of positions, (slot, hash prefix) as one number, which all shards share; a
// position stays what it is while keys come and go, so a walk can be taken up again from where
// another one ended. Keys in memory and rows on disk are met as one sequence: an entry in memory,
// also a tombstone, wins over its row.
//
// The promise (Redis's for SCAN): a walk that reached position p has met every key below p that was
// there from its beginning to its end, even if it was demoted or loaded meanwhile; how, is in
// key_walk.cc. A key may be met that was removed during the walk; none is met that was gone before
// it. A damaged row has no readable name and is passed by.
//
// Thread: the shard's. The engine outlives the walk, whose turns end with the loop.
// Source: DESIGN section 4; Redis 7.2 SCAN.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "quorate/redis/shard_engine.h"
#include "quorate/runtime/error.h"

namespace quorate::redis {

// Where a key stands in the order. 63 bits, because some client libraries take cursors as signed
// numbers.
using Position = uint64_t;
inline constexpr unsigned kPrefixBits = 49;
inline constexpr unsigned kDroppedBits = 64 - kPrefixBits;
inline constexpr Position kWalkEnd = static_cast<Position>(object::kSlots) << kPrefixBits;

constexpr Position slot_begin(unsigned slot) { return static_cast<Position>(slot) << kPrefixBits; }
constexpr Position position_of(uint16_t slot, uint64_t hash) {
  return slot_begin(slot) | hash >> kDroppedBits;
}
constexpr uint16_t slot_of(Position position) {
  return static_cast<uint16_t>(position >> kPrefixBits);
}
// The lowest hash at `position`.
constexpr uint64_t hash_of(Position position) { return position << kDroppedBits; }

class KeyWalk : public std::enable_shared_from_this<KeyWalk> {
 public:
  // Is told of each key; must not change the store. Keys of one read come in no particular order.
  using Visit = std::move_only_function<void(Position position, std::string_view name)>;
  // Is told how far the walk came: everything below has been met. An error says what could not be
  // read.
  using Done = std::move_only_function<void(runtime::Result<Position> reached)>;

  struct Range {
    uint16_t db = 0;
    Position from = 0;
    // It ends soon after it has met so many keys, or seen so many places (tombstones and expired
    // keys included); at the first position that is wholly met, and never where it began. At
    // least 1.
    uint64_t keys_max = UINT64_MAX;
    uint64_t places_max = UINT64_MAX;
    const object::SlotSet* slots = nullptr;  // stays until the walk has ended; null: all
  };

  // Begins at once; may end at once.
  static void start(ShardEngine& engine, Range range, Visit visit, Done done);

  KeyWalk(ShardEngine& engine, Range range, Visit visit, Done done);

 private:
  struct Found {
    uint64_t hash = 0;
    uint64_t expiry_ms = 0;
    bool tombstone = false;
    std::string name;
  };
  // Part of a slot that is partly on disk, being read.
  struct Stretch {
    std::vector<Found> before;  // in memory when the read began, tombstones included
    std::vector<Found> rows;
    Position end = 0;
  };

  void slice();
  void go_on();
  void walk_resident(uint16_t slot, size_t& budget);
  void read_stretch(uint16_t slot);
  void read_rows(uint64_t from_hash);
  void rows_read(std::vector<storage::ColdResult> results, bool more);
  void take_row(const storage::ColdResult& result);
  void finish_stretch();
  bool visible(uint16_t slot, const Found& found) const;
  void meet(Position position, std::string_view name);
  bool satisfied() const { return met_ >= range_.keys_max || seen_ >= range_.places_max; }
  size_t wanted() const;

  ShardEngine& engine_;
  storage::ShardStore& store_;
  Range range_;
  Visit visit_;
  Done done_;
  Position position_;
  uint64_t met_ = 0;   // keys
  uint64_t seen_ = 0;  // cells and rows
  Stretch stretch_;
};

}  // namespace quorate::redis
