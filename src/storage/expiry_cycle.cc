#include "storage/expiry_cycle.h"

#include <algorithm>

namespace quorate::storage {
namespace {

constexpr uint64_t kCycleUs = 100'000;
constexpr size_t kEntriesPerCycle = 10'000;
constexpr size_t kColdRowsPerScan = 1024;
constexpr size_t kColdBytesPerScan = 1u << 20;

}  // namespace

void ExpiryCycle::start() {
  slot_ = store_.shape().shard;
  timer_ = store_.loop_.start_timer(kCycleUs, kCycleUs, [this] { run(); });
}

void ExpiryCycle::run() {
  const uint64_t now = store_.now_ms();
  const auto& shape = store_.shape();
  const auto databases = static_cast<uint16_t>(shape.databases);
  const unsigned slots = shape.slots();
  size_t budget = kEntriesPerCycle;
  if (!store_.write_refusal().empty()) return;  // a removal could not be recorded
  for (unsigned visited = 0; visited < slots && budget > 0; ++visited) {
    slot_ += shape.shards;
    if (slot_ >= object::kSlots) slot_ = shape.shard;
    const auto slot = static_cast<uint16_t>(slot_);
    if (!store_.may_remove(slot)) continue;
    for (uint16_t db = 0; db < databases; ++db) {
      if (store_.volatile_keys(db) == 0) continue;
      if (store_.table().counts(db, slot).next_expiry_ms > now) continue;
      budget -= std::min(budget, expire_slot(db, slot));
    }
  }
}

// Returns how many entries were looked at.
size_t ExpiryCycle::expire_slot(uint16_t db, uint16_t slot) {
  const uint64_t now = store_.now_ms();
  size_t looked_at = 0;
  uint64_t next = UINT64_MAX;
  uint32_t resident_volatile = 0;
  due_.clear();
  store_.table().visit_slot(db, slot, 0, [&](uint64_t, Entry* entry) {
    ++looked_at;
    if (entry->form() == Form::tombstone || entry->expiry_ms() == 0) return true;
    ++resident_volatile;
    if (entry->live_at(now)) {
      next = std::min(next, entry->expiry_ms());
    } else {
      due_.push_back(entry);
    }
    return true;
  });
  SlotCounts& counts = store_.table_.counts(db, slot);
  if (counts.cold != 0 && counts.volatile_keys > resident_volatile) {
    if (scanning_) return looked_at;
    scan_cold({slot, db, 0}, UINT64_MAX);
  } else {
    counts.next_expiry_ms = next;
  }
  for (Entry* entry : due_) {
    const std::string name(entry->key());
    const object::Key key{name, object::key_hash(name, store_.shape().hash_seed), slot, db};
    store_.expire_if_due(key, entry);
  }
  return looked_at;
}

// Looks for due rows among those that are not in memory; loads them, so that the next cycle removes
// them.
void ExpiryCycle::scan_cold(RowKey from, uint64_t next_ms) {
  scanning_ = true;
  store_.cold_reader_.scan(
      from, kColdRowsPerScan, kColdBytesPerScan, store_.loop_,
      [this, from, next = next_ms](std::vector<ColdResult> rows, bool more) mutable {
        scanning_ = false;
        const uint64_t now = store_.now_ms();
        for (const ColdResult& row : rows) {
          if (row.kind != ColdResult::Kind::found) continue;
          visit_row(row.row, [&](const RowEntry& entry) {
            const uint64_t expiry = entry.state.expiry_ms;
            if (expiry == 0) return;
            next = std::min(next, expiry);
            const object::Key key{entry.key, row.key.hash, row.key.slot, row.key.db};
            if (expiry <= now && store_.find(key) == nullptr && store_.is_cold(key)) {
              store_.load(key, [](runtime::Status) {});
            }
          });
        }
        if (more && !rows.empty()) {
          return scan_cold({from.slot, from.db, rows.back().key.hash + 1}, next);
        }
        // Those in memory, which may be newer than the scan.
        store_.table().visit_slot(from.db, from.slot, 0, [&](uint64_t, const Entry* entry) {
          const bool expires = entry->form() != Form::tombstone && entry->expiry_ms() != 0;
          if (expires) next = std::min(next, entry->expiry_ms());
          return true;
        });
        // What is due now is being loaded: look again in the next cycle.
        store_.table_.counts(from.db, from.slot).next_expiry_ms =
            std::max(next, now + kCycleUs / 1000);
      });
}

}  // namespace quorate::storage
