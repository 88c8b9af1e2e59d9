// ExpiryCycle: removes keys whose time has come though nobody asks for them.
//
// Each (db, slot) carries a bound before which none of its keys expires, so a cycle only walks
// slots that are due, a bounded number of entries per turn; rows that are not in memory are read
// for their expiry when their slot is due, one scan at a time. Thread: the shard's. Source: DESIGN
// section 5; ten cycles a second as Redis's default hz.
#pragma once

#include <memory>
#include <vector>

#include "quorate/storage/shard_store.h"

namespace quorate::storage {

class ExpiryCycle {
 public:
  explicit ExpiryCycle(ShardStore& store) : store_(store) {}
  void start();

 private:
  void run();
  size_t expire_slot(uint16_t db, uint16_t slot);
  void scan_cold(RowKey from, uint64_t next_ms);

  ShardStore& store_;
  std::unique_ptr<runtime::Timer> timer_;
  unsigned slot_ = 0;
  bool scanning_ = false;
  std::vector<Entry*> due_;
};

}  // namespace quorate::storage
