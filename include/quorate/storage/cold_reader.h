// ColdReader: reads rows from disk for the shards, which never wait for one.
//
// A shard hands over the keys that one loop turn missed and suspends their commands; one task on
// the shard's executor brings all results. Batches are sorted, a large one is divided over the
// pool. A row is read from a state at least as new as the call: whatever was committed before is
// seen. Answers of different calls may come in another order than the calls. While a pool thread
// has work it keeps one read transaction and moves it on with every part; when it has none it gives
// it up, because a snapshot held open keeps LMDB from using old pages again. Thread: read(), scan()
// and set_delay_us() from any. End the pool's threads, then the reader, then the store; what is
// still queued then is never answered. Errors: per row, in the result. Units: bytes, microseconds.
// Source: DESIGN sections 3 and 4.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "quorate/runtime/error.h"
#include "quorate/runtime/executor.h"
#include "quorate/storage/row_store.h"

namespace quorate::storage {

struct ColdResult {
  enum class Kind : uint8_t {
    found,
    absent,
    damaged,  // the row's checksum is wrong: its value is unknown
    failed,   // the store could not be read: see `error`
  };
  RowKey key;
  Kind kind = Kind::failed;
  std::string row;       // if found
  runtime::Error error;  // if failed
};

class ColdReader {
 public:
  // Results are in ascending order of their keys.
  using Done = std::move_only_function<void(std::vector<ColdResult>)>;
  using ScanDone = std::move_only_function<void(std::vector<ColdResult>, bool more)>;
  // Holds up the pool thread that calls it.
  using Pause = std::function<void(uint64_t delay_us)>;

  // Batches up to this size are one part for one thread.
  static constexpr size_t kPartKeys = 32;

  // `pool`: one executor per thread (or actor of the simulator), at least one. `pause` serves
  // set_delay_us().
  ColdReader(RowStore& store, const std::vector<runtime::Executor*>& pool, Pause pause = {});
  ~ColdReader();
  ColdReader(const ColdReader&) = delete;
  ColdReader& operator=(const ColdReader&) = delete;

  // One result per key; equal keys get equal results.
  void read(std::vector<RowKey> keys, runtime::Executor& reply_to, Done done);

  // Rows from `from` on, while slot and db are those of `from`: at most `rows_max` of them, and
  // none more once they have `bytes_max` bytes (so at least one, if there is one). `more`: the
  // range goes on behind the last result. After a failure the last result says so, with `from` or
  // the last key, and `more` is false.
  void scan(RowKey from, size_t rows_max, size_t bytes_max, runtime::Executor& reply_to,
            ScanDone done);

  // Makes every part take this much longer, as a slow disk would: for tests. 0 ends it.
  void set_delay_us(uint64_t delay_us);

 private:
  struct Pool;
  std::shared_ptr<Pool> pool_;
};

}  // namespace quorate::storage
