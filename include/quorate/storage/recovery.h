// Recovery: brings the shards of a process to the state their last life ended in.
//
// First what checkpoints saved of each slot (clocks and counts; the keys stay on disk, cold), then
// every journal record that those clocks do not cover, routed by slot: the thread count may have
// changed since. Nothing else may touch the shards meanwhile. Errors: what read_journals() refuses,
// an unreadable row store, a malformed record in an intact batch. Thread: one, before the shards'
// threads start. Source: DESIGN section 4.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "quorate/runtime/error.h"
#include "quorate/runtime/files.h"
#include "quorate/storage/row_store.h"
#include "quorate/storage/shard_store.h"

namespace quorate::storage {

struct RecoveryReport {
  uint64_t keys = 0;
  uint64_t records = 0;  // taken from the journal
  uint64_t journal_bytes = 0;
  std::vector<std::string> torn;  // log lines about tails that were cut
  bool found_journal = false;
};

// The key counts, clocks and cold rows of the shards as the row store has them; then the journals
// of `directory`. `generation` is that of the shards' own, new journals, which are not read.
runtime::Result<RecoveryReport> recover(runtime::FileSystem& files, const std::string& directory,
                                        RowStore& rows, std::span<ShardStore* const> shards,
                                        uint64_t generation, bool repair,
                                        const std::function<void(uint64_t, uint64_t)>& progress);

}  // namespace quorate::storage
