// PortionLoad: brings a stretch of a (slot, db) into memory, in the order of hashes.
//
// The rows of the stretch are looked at to learn which keys are cold, then those are loaded as any
// other (residency.h), which keeps what changes meanwhile right. The slot is pinned from before the
// look until the caller has used what came: a key of the stretch is in memory from the beginning,
// or a row that the look sees, or new. Thread: the shard's. Source: DESIGN section 4.
#pragma once

#include <memory>
#include <vector>

#include "quorate/storage/shard_store.h"

namespace quorate::storage {

class PortionLoad : public std::enable_shared_from_this<PortionLoad> {
 public:
  PortionLoad(ShardStore& store, RowKey from, ShardStore::PortionLoaded done)
      : store_(store), from_(from), done_(std::move(done)) {}
  PortionLoad(const PortionLoad&) = delete;
  PortionLoad& operator=(const PortionLoad&) = delete;

  void start();

 private:
  void take(const std::vector<ColdResult>& results, bool more);
  void note_unreadable(const RowKey& row);
  void load_if_cold(const ColdResult& row);
  void one_loaded(const runtime::Status& status);

  ShardStore& store_;
  const RowKey from_;
  ShardStore::PortionLoaded done_;
  ShardStore::Portion portion_;
  runtime::Status status_;
  size_t missing_ = 0;
};

}  // namespace quorate::storage
