// How many keys a shard has, of a database or of some of its slots, expired but not yet removed
// ones included. Thread: the shard's.
#pragma once

#include <cstdint>

#include "quorate/object/slot_set.h"
#include "quorate/storage/shard_store.h"

namespace quorate::redis {

struct KeyCounts {
  uint64_t keys = 0, volatile_keys = 0;

  void add(const KeyCounts& other) {
    keys += other.keys;
    volatile_keys += other.volatile_keys;
  }
};

// Null: of all slots, which takes no time; else a walk over the slots.
KeyCounts count_keys(const storage::ShardStore& store, uint16_t db, const object::SlotSet* slots);

}  // namespace quorate::redis
