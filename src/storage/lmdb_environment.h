// The LMDB environment of a row store: opening it, its errors, and what its pages tell.
//
// Two named databases: "rows" and "meta". They are apart so that a scan never meets a meta record
// and the row count is exact; it costs two pages per commit. Thread: any, once open; `writing` is
// set by the one writer.
#pragma once

#include <atomic>
#include <cstdint>
#include <lmdb.h>
#include <memory>
#include <string>

#include "quorate/runtime/error.h"
#include "quorate/storage/row_store.h"

namespace quorate::storage {

struct CloseLmdbCursor {
  void operator()(MDB_cursor* cursor) const { mdb_cursor_close(cursor); }
};
using LmdbCursor = std::unique_ptr<MDB_cursor, CloseLmdbCursor>;

struct LmdbEnvironment {
  struct Close {
    void operator()(MDB_env* environment) const { mdb_env_close(environment); }
  };

  std::string directory;
  std::unique_ptr<MDB_env, Close> handle;
  MDB_dbi rows = 0;
  MDB_dbi meta = 0;
  size_t page_bytes = 0;
  // Where the file is mapped: a view from there is of a committed page, all others are of dirty
  // ones.
  uintptr_t map_begin = 0;
  uintptr_t map_end = 0;
  std::atomic<bool> writing = false;

  // REQUIRES: called once, on a new object.
  runtime::Status open(const RowStore::Options& options);

  bool maps(const void* address) const {
    const auto number = reinterpret_cast<uintptr_t>(address);
    return number >= map_begin && number < map_end;
  }
  runtime::Result<LmdbCursor> open_cursor(MDB_txn* transaction, MDB_dbi database) const;
  uint64_t file_bytes() const;

  // "<what> in <directory>: <reason>" with the code that row_store.h promises; `result` is LMDB's.
  std::unexpected<runtime::Error> failure(int result, const char* what) const;
  std::unexpected<runtime::Error> damage(const char* what) const;

 private:
  runtime::Status open_handle(const RowStore::Options& options);
  runtime::Status extend_to_last_page() const;
  runtime::Status open_databases();
  runtime::Status locate_map();
};

}  // namespace quorate::storage
