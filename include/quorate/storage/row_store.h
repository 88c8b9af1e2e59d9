// RowStore: the sorted home of all keys on disk, an LMDB environment.
//
// Rows are ordered by (slot, db, hash); a row's value holds every key of that hash (collisions are
// chained in it) and carries a CRC32C. A few named records ("meta") live beside the rows and commit
// with them. A committed transaction is durable: LMDB's default flags, no NOSYNC, no WRITEMAP. Not
// known here: entries, clocks, the journal. Thread: one writer at a time (the checkpoint thread),
// any number of readers, one ReadTransaction per thread. Views returned by a transaction die with
// it. Errors: ENOSPC for a full disk or map, EIO; structural damage (MDB_CORRUPTED, MDB_INVALID …)
// has code kDamaged. Source: DESIGN section 4.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "quorate/runtime/error.h"

namespace quorate::storage {

struct RowKey {
  uint16_t slot = 0;
  uint16_t db = 0;
  uint64_t hash = 0;
  auto operator<=>(const RowKey&) const = default;
};

inline constexpr int kDamaged = 1'000'001;

class RowStore {
 public:
  struct Options {
    std::string directory;
    uint64_t map_bytes = 1ull << 40;  // address space, not disk
    bool sync = true;  // false only in the simulator, which decides itself what survives
    unsigned readers_max = 126;
  };
  // Makes the environment if missing.
  static runtime::Result<std::unique_ptr<RowStore>> open(const Options& options);
  virtual ~RowStore() = default;

  // Aborts unless committed.
  class WriteTransaction {
   public:
    virtual ~WriteTransaction() = default;
    // `value` without checksum; the store adds and verifies it.
    virtual runtime::Status put(const RowKey& key, std::string_view value) = 0;
    virtual runtime::Status erase(const RowKey& key) = 0;  // no error if absent
    // Erases rows of (slot, db), at most `rows_max`; returns how many. Call until it returns 0.
    virtual runtime::Result<uint64_t> erase_slot(uint16_t slot, uint16_t db, uint64_t rows_max) = 0;
    virtual runtime::Status put_meta(std::string_view name, std::string_view value) = 0;
    virtual runtime::Status erase_meta(std::string_view name) = 0;
    // Bytes put since begin: the caller commits before they pass its limit.
    virtual uint64_t dirty_bytes() const = 0;
    virtual runtime::Status commit() = 0;
  };
  virtual runtime::Result<std::unique_ptr<WriteTransaction>> begin_write() = 0;

  struct Row {
    RowKey key;
    std::string_view value;
    bool damaged = false;  // checksum wrong: the value is unknown, not absent
  };
  class ReadTransaction {
   public:
    virtual ~ReadTransaction() = default;
    virtual runtime::Result<std::optional<Row>> get(const RowKey& key) = 0;
    // Rows with key >= from in ascending order, until visit returns false.
    virtual runtime::Status scan(const RowKey& from,
                                 const std::function<bool(const Row&)>& visit) = 0;
    virtual runtime::Result<std::optional<std::string>> get_meta(std::string_view name) = 0;
    // Meta records whose name begins with `prefix`, in order.
    virtual runtime::Status scan_meta(
        std::string_view prefix,
        const std::function<void(std::string_view name, std::string_view value)>& visit) = 0;
    // Moves on to the newest committed state; views die.
    virtual runtime::Status refresh() = 0;
  };
  virtual runtime::Result<std::unique_ptr<ReadTransaction>> begin_read() = 0;

  struct Statistics {
    uint64_t rows = 0;
    uint64_t used_bytes = 0;  // pages in use, free pages excluded
    uint64_t file_bytes = 0;
  };
  virtual Statistics statistics() const = 0;
};

}  // namespace quorate::storage
