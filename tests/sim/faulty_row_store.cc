#include "sim/faulty_row_store.h"

#include <cerrno>
#include <utility>

namespace quorate::sim {
namespace {

using storage::RowKey;
using storage::RowStore;

class FaultyWrite final : public RowStore::WriteTransaction {
 public:
  FaultyWrite(FaultyRowStore& store, std::unique_ptr<RowStore::WriteTransaction> inner)
      : store_(store), inner_(std::move(inner)) {}

  runtime::Status put(const RowKey& key, std::string_view value) override {
    return inner_->put(key, value);
  }
  runtime::Status erase(const RowKey& key) override { return inner_->erase(key); }
  runtime::Result<uint64_t> erase_slot(uint16_t slot, uint16_t db, uint64_t rows_max) override {
    return inner_->erase_slot(slot, db, rows_max);
  }
  runtime::Status put_meta(std::string_view name, std::string_view value) override {
    return inner_->put_meta(name, value);
  }
  runtime::Status erase_meta(std::string_view name) override { return inner_->erase_meta(name); }
  uint64_t dirty_bytes() const override { return inner_->dirty_bytes(); }
  runtime::Status commit() override {
    const FaultyRowStore::Faults& faults = store_.faults();
    if (store_.chance(faults.commit_percent)) {
      return runtime::fail_errno(faults.commit_code, "commit");
    }
    return inner_->commit();
  }

 private:
  FaultyRowStore& store_;
  std::unique_ptr<RowStore::WriteTransaction> inner_;
};

class FaultyRead final : public RowStore::ReadTransaction {
 public:
  FaultyRead(FaultyRowStore& store, std::unique_ptr<RowStore::ReadTransaction> inner)
      : store_(store), inner_(std::move(inner)) {}

  runtime::Result<std::optional<RowStore::Row>> get(const RowKey& key) override {
    auto row = inner_->get(key);
    if (row && *row) spoil(**row);
    return row;
  }
  runtime::Status scan(const RowKey& from,
                       const std::function<bool(const RowStore::Row&)>& visit) override {
    return inner_->scan(from, [&](const RowStore::Row& row) {
      RowStore::Row seen = row;
      spoil(seen);
      return visit(seen);
    });
  }
  runtime::Result<std::optional<std::string>> get_meta(std::string_view name) override {
    return inner_->get_meta(name);
  }
  runtime::Status scan_meta(
      std::string_view prefix,
      const std::function<void(std::string_view, std::string_view)>& visit) override {
    return inner_->scan_meta(prefix, visit);
  }
  runtime::Status refresh() override { return inner_->refresh(); }

 private:
  void spoil(RowStore::Row& row) const {
    if (!store_.faults().damaged.contains(row.key)) return;
    row.damaged = true;
    row.value = {};
  }

  FaultyRowStore& store_;
  std::unique_ptr<RowStore::ReadTransaction> inner_;
};

}  // namespace

runtime::Result<std::unique_ptr<RowStore::WriteTransaction>> FaultyRowStore::begin_write() {
  auto inner = rows_->begin_write();
  if (!inner) return inner;
  return std::make_unique<FaultyWrite>(*this, *std::move(inner));
}

runtime::Result<std::unique_ptr<RowStore::ReadTransaction>> FaultyRowStore::begin_read() {
  if (chance(faults_.read_percent)) return runtime::fail_errno(EIO, "begin_read");
  auto inner = rows_->begin_read();
  if (!inner) return inner;
  return std::make_unique<FaultyRead>(*this, *std::move(inner));
}

}  // namespace quorate::sim
