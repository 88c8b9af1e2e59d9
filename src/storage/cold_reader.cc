#include "quorate/storage/cold_reader.h"

#include <algorithm>
#include <atomic>
#include <cassert>
#include <utility>

#include "quorate/runtime/process.h"

namespace quorate::storage {

using runtime::Executor;
using runtime::Result;
using runtime::Task;

namespace {

using Transaction = RowStore::ReadTransaction;

constexpr size_t kKeysPerGiveWay = 32;  // at 1 µs a row that the page cache has

ColdResult result_of(const RowStore::Row& row) {
  const auto kind = row.damaged ? ColdResult::Kind::damaged : ColdResult::Kind::found;
  return {row.key, kind, std::string(row.value), {}};
}

ColdResult failed_result(const RowKey& key, const runtime::Error& error) {
  return {key, ColdResult::Kind::failed, {}, error};
}

ColdResult read_row(const Result<Transaction*>& transaction, const RowKey& key) {
  if (!transaction) return failed_result(key, transaction.error());
  const auto row = (*transaction)->get(key);
  if (!row) return failed_result(key, row.error());
  if (!row->has_value()) return {key, ColdResult::Kind::absent, {}, {}};
  return result_of(**row);
}

// One read() under way: its parts fill disjoint ranges of `results`, the last one to end delivers
// them.
struct Batch {
  Batch(std::vector<RowKey> wanted, Executor& executor, ColdReader::Done callback)
      : keys(std::move(wanted)),
        results(keys.size()),
        reply_to(executor),
        done(std::move(callback)) {}

  void deliver() {
    reply_to.post([results = std::move(results), done = std::move(done)]() mutable {
      done(std::move(results));
    });
  }

  std::vector<RowKey> keys;
  std::vector<ColdResult> results;
  std::atomic<size_t> parts_left = 0;
  Executor& reply_to;
  ColdReader::Done done;
};

struct ScanRange {
  RowKey from;
  size_t rows_max = 0;
  size_t bytes_max = 0;
};

struct ScanResult {
  std::vector<ColdResult> rows;
  bool more = false;
};

ScanResult scan_rows(const Result<Transaction*>& transaction, const ScanRange& range) {
  ScanResult found;
  if (!transaction) {
    found.rows.push_back(failed_result(range.from, transaction.error()));
    return found;
  }
  size_t bytes = 0;
  const auto visit = [&](const RowStore::Row& row) {
    if (row.key.slot != range.from.slot || row.key.db != range.from.db) return false;
    found.more = found.rows.size() >= range.rows_max || bytes >= range.bytes_max;
    if (found.more) return false;
    bytes += row.value.size();
    found.rows.push_back(result_of(row));
    return true;
  };
  if (const auto status = (*transaction)->scan(range.from, visit); !status) {
    const RowKey reached = found.rows.empty() ? range.from : found.rows.back().key;
    found.rows.push_back(failed_result(reached, status.error()));
  }
  return found;
}

}  // namespace

struct ColdReader::Pool {
  struct Worker {
    Executor* executor = nullptr;
    std::atomic<size_t> queued = 0;            // parts posted and not yet done
    std::unique_ptr<Transaction> transaction;  // the executor's own
  };
  // Reads, and returns the reply, which leaves after the transaction was given up.
  using Part = std::move_only_function<Task(const Result<Transaction*>&)>;

  Pool(RowStore& rows, const std::vector<Executor*>& executors, Pause hold)
      : store(rows), workers(executors.size()), pause(std::move(hold)) {
    for (size_t i = 0; i < executors.size(); ++i) workers[i].executor = executors[i];
  }

  static void post(const std::shared_ptr<Pool>& pool, Part part) {
    auto& worker = *std::min_element(
        pool->workers.begin(), pool->workers.end(),
        [](const Worker& left, const Worker& right) { return left.queued < right.queued; });
    ++worker.queued;
    worker.executor->post(
        [pool, &worker, part = std::move(part)]() mutable { pool->run(worker, std::move(part)); });
  }

  void run(Worker& worker, Part part) {
    if (const uint64_t delay = delay_us; delay != 0 && pause) pause(delay);
    Task reply = part(newest_state(worker));
    if (--worker.queued == 0) worker.transaction.reset();
    if (reply) reply();
  }

  Result<Transaction*> newest_state(Worker& worker) const {
    if (worker.transaction) {
      if (worker.transaction->refresh()) return worker.transaction.get();
      worker.transaction.reset();
    }
    auto begun = store.begin_read();
    if (!begun) return std::unexpected(begun.error());
    worker.transaction = std::move(*begun);
    return worker.transaction.get();
  }

  RowStore& store;
  std::vector<Worker> workers;
  Pause pause;
  std::atomic<uint64_t> delay_us = 0;
};

ColdReader::ColdReader(RowStore& store, const std::vector<Executor*>& pool, Pause pause)
    : pool_(std::make_shared<Pool>(store, pool, std::move(pause))) {
  assert(!pool.empty());
}

ColdReader::~ColdReader() = default;

void ColdReader::read(std::vector<RowKey> keys, Executor& reply_to, Done done) {
  std::sort(keys.begin(), keys.end());
  const size_t wanted = keys.size();
  const size_t parts =
      std::clamp<size_t>((wanted + kPartKeys - 1) / kPartKeys, 1, pool_->workers.size());
  const auto batch = std::make_shared<Batch>(std::move(keys), reply_to, std::move(done));
  batch->parts_left = parts;
  for (size_t part = 0; part < parts; ++part) {
    const size_t begin = wanted * part / parts;
    const size_t end = wanted * (part + 1) / parts;
    Pool::post(pool_, [batch, begin, end](const Result<Transaction*>& transaction) -> Task {
      for (size_t i = begin; i < end; ++i) {
        if (i % kKeysPerGiveWay == kKeysPerGiveWay - 1) runtime::give_way();
        batch->results[i] = read_row(transaction, batch->keys[i]);
      }
      if (--batch->parts_left > 0) return {};
      return [batch] { batch->deliver(); };
    });
  }
}

void ColdReader::scan(RowKey from, size_t rows_max, size_t bytes_max, Executor& reply_to,
                      ScanDone done) {
  const ScanRange range{from, rows_max, bytes_max};
  Pool::post(pool_,
             [range, &reply_to,
              done = std::move(done)](const Result<Transaction*>& transaction) mutable -> Task {
               return [&reply_to, found = scan_rows(transaction, range),
                       done = std::move(done)]() mutable {
                 reply_to.post([found = std::move(found), done = std::move(done)]() mutable {
                   done(std::move(found.rows), found.more);
                 });
               };
             });
}

void ColdReader::set_delay_us(uint64_t delay_us) { pool_->delay_us = delay_us; }

}  // namespace quorate::storage
