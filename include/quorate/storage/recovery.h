// Recovery: brings the shards of a process to the state their last life ended in.
//
// First what checkpoints saved of each slot (clocks and counts; the keys stay on disk, cold), then
// every journal record that those clocks do not cover, routed by slot: the thread count may have
// changed since. The journal is taken in windows: all cold rows that a window's records change are
// fetched together, sorted, before the records are applied. Nothing else may touch the shards
// meanwhile. Errors: what read_journals() refuses, an unreadable row store, a malformed record in
// an intact batch. Thread: one, before the shards' threads start. Source: DESIGN section 4.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "quorate/runtime/error.h"
#include "quorate/runtime/files.h"
#include "quorate/storage/cold_reader.h"
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

// Reads rows, in ascending order of their keys.
using FetchRows = std::function<std::vector<ColdResult>(std::vector<RowKey>)>;

struct RecoveryTask {
  runtime::FileSystem& files;
  const std::string& directory;  // of the journals
  RowStore& rows;
  FetchRows fetch;  // from `rows`; may use several threads
  std::span<ShardStore* const> shards;
  uint64_t generation;  // of the shards' own, new journals, which are not read
  bool repair;
  std::function<void(uint64_t done, uint64_t all)> progress = {};  // bytes of the journal
  // Large: the more rows are fetched together, the more of them share a page of the row store.
  size_t window_bytes = 16ull << 20;
};

runtime::Result<RecoveryReport> recover(const RecoveryTask& task);

}  // namespace quorate::storage
