// FaultyRowStore: a row store whose disk fails when the test says so.
//
// A commit that fails leaves nothing behind; one that succeeds stays, whatever happens afterwards:
// that is LMDB's promise, and what a power loss of the simulated node relies on. Thread: the
// simulator's one.
#pragma once

#include <memory>
#include <optional>
#include <set>

#include "quorate/runtime/random.h"
#include "quorate/storage/row_store.h"

namespace quorate::sim {

class FaultyRowStore final : public storage::RowStore {
 public:
  struct Faults {
    unsigned commit_percent = 0;  // of the commits fail with commit_code
    int commit_code = 0;
    unsigned read_percent = 0;               // of the read transactions fail with EIO
    std::set<storage::RowKey> damaged = {};  // rows whose checksum is wrong
  };

  FaultyRowStore(std::unique_ptr<storage::RowStore> rows, uint64_t seed)
      : rows_(std::move(rows)), random_(runtime::make_seeded_random(seed)) {}

  Faults& faults() { return faults_; }

  runtime::Result<std::unique_ptr<WriteTransaction>> begin_write() override;
  runtime::Result<std::unique_ptr<ReadTransaction>> begin_read() override;
  Statistics statistics() const override { return rows_->statistics(); }

  bool chance(unsigned percent) { return percent != 0 && random_->below(100) < percent; }

 private:
  std::unique_ptr<storage::RowStore> rows_;
  std::unique_ptr<runtime::Random> random_;
  Faults faults_;
};

}  // namespace quorate::sim
