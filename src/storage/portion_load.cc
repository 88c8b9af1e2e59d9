#include "storage/portion_load.h"

#include <utility>

namespace quorate::storage {
namespace {

constexpr size_t kRowsMax = 256;
constexpr size_t kBytesMax = 256u << 10;

}  // namespace

void ShardStore::load_portion(uint16_t slot, uint16_t db, uint64_t from, PortionLoaded done) {
  if (!table_.has_database(db) || std::as_const(table_).counts(db, slot).cold == 0) {
    return done(Portion{});
  }
  std::make_shared<PortionLoad>(*this, RowKey{slot, db, from}, std::move(done))->start();
}

void PortionLoad::start() {
  store_.pin(from_.slot);
  store_.cold_reader_.scan(from_, kRowsMax, kBytesMax, store_.loop_,
                           [self = shared_from_this()](const std::vector<ColdResult>& results,
                                                       bool more) { self->take(results, more); });
}

void PortionLoad::take(const std::vector<ColdResult>& results, bool more) {
  missing_ = 1;
  if (more) portion_.end = results.back().key.hash + 1;
  for (const ColdResult& row : results) {
    switch (row.kind) {
      case ColdResult::Kind::found:
        load_if_cold(row);
        break;
      case ColdResult::Kind::damaged:
        note_unreadable(row.key);
        break;
      case ColdResult::Kind::failed:
        status_ = std::unexpected(row.error);
        break;
      case ColdResult::Kind::absent:
        break;
    }
  }
  one_loaded({});
}

// What is in memory is newer than its row.
void PortionLoad::note_unreadable(const RowKey& row) {
  const SlotCounts& counts = std::as_const(store_.table_).counts(row.db, row.slot);
  const bool covered =
      !counts.rows_shared && store_.table_.has_hash({{}, row.hash, row.slot, row.db});
  if (!covered && counts.cold != 0) portion_.unreadable.push_back(row.hash);
}

void PortionLoad::load_if_cold(const ColdResult& row) {
  bool cold = false;
  const bool readable = visit_row(row.row, [&](const RowEntry& of) {
    const object::Key key{of.key, row.key.hash, row.key.slot, row.key.db};
    cold = cold || store_.needs_load(key);
  });
  if (!readable) {
    note_unreadable(row.key);
  } else if (cold) {
    ++missing_;
    store_.load(
        {{}, row.key.hash, row.key.slot, row.key.db},
        [self = shared_from_this()](const runtime::Status& status) { self->one_loaded(status); });
  }
}

void PortionLoad::one_loaded(const runtime::Status& status) {
  if (!status && status_) status_ = status;
  if (--missing_ != 0) return;
  if (status_) {
    done_(portion_);
  } else {
    done_(std::unexpected(status_.error()));
  }
  store_.unpin(from_.slot);
}

}  // namespace quorate::storage
