#include "redis/key_counts.h"

namespace quorate::redis {

KeyCounts count_keys(const storage::ShardStore& store, uint16_t db, const object::SlotSet* slots) {
  if (slots == nullptr) return {store.keys(db), store.volatile_keys(db)};
  KeyCounts counts;
  if (store.keys(db) == 0) return counts;
  const auto& shape = store.shape();
  for (unsigned number = shape.shard; number < object::kSlots; number += shape.shards) {
    const auto slot = static_cast<uint16_t>(number);
    if (!slots->contains(slot)) continue;
    const storage::SlotCounts& of = store.table().counts(db, slot);
    counts.add({of.live, of.volatile_keys});
  }
  return counts;
}

}  // namespace quorate::redis
