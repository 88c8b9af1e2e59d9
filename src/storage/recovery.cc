#include "quorate/storage/recovery.h"

#include <algorithm>
#include <utility>

namespace quorate::storage {
namespace {

constexpr size_t kRowsFetchedMax = 1u << 18;

class Replay {
 public:
  Replay(const RecoveryTask& task, RecoveryReport& report) : task_(task), report_(report) {}

  // Keeps the batch's records until the window is full.
  runtime::Status add(const RecoveredBatch& batch) {
    if (!bytes_.empty() && bytes_.size() + batch.payload.size() > task_.window_bytes) {
      if (auto status = apply(); !status) return status;
    }
    bytes_.append(batch.payload);
    batches_.push_back({batch.generation, batch.shard, batch.position, bytes_.size()});
    return {};
  }

  runtime::Status apply() {
    if (auto status = decode(); !status) return status;
    for (size_t done = 0; done < records_.size();) {
      auto end = load_rows(done);
      if (!end) return std::unexpected(end.error());
      for (; done < *end; ++done) {
        const auto& [record, shard] = records_[done];
        if (auto status = shard->replay(record); !status) return status;
      }
    }
    report_.records += records_.size();
    records_.clear();
    batches_.clear();
    bytes_.clear();
    return {};
  }

 private:
  struct Batch {
    uint64_t generation;
    unsigned shard;
    uint64_t position;
    size_t end;  // in bytes_
  };

  runtime::Status decode() {
    size_t begin = 0;
    for (const Batch& batch : batches_) {
      std::string_view rest = std::string_view(bytes_).substr(begin, batch.end - begin);
      begin = batch.end;
      while (!rest.empty()) {
        auto record = decode_record(rest);
        if (!record || record->slot >= object::kSlots) {
          return runtime::fail("the journal of generation " + std::to_string(batch.generation) +
                               ", shard " + std::to_string(batch.shard) +
                               " has a malformed record in the batch at position " +
                               std::to_string(batch.position));
        }
        ShardStore& shard = *task_.shards[record->slot % task_.shards.size()];
        if (record->db >= shard.shape().databases) {
          return runtime::fail("the journal holds keys of database " + std::to_string(record->db) +
                               ": start with 'databases' at least " +
                               std::to_string(record->db + 1));
        }
        // What a repair cuts away may be what later records speak of.
        if (task_.repair) record->before = Before::unknown;
        records_.emplace_back(*record, &shard);
      }
    }
    return {};
  }

  // Loads what the records from `begin` on need, as far as the result, which is behind the last of
  // them.
  runtime::Result<size_t> load_rows(size_t begin) {
    std::vector<RowKey> wanted;
    size_t end = begin;
    for (; end < records_.size() && wanted.size() < rows_max_; ++end) {
      const auto& [record, shard] = records_[end];
      if (auto row = shard->row_to_replay(record)) wanted.push_back(*row);
    }
    if (wanted.empty()) return end;
    std::sort(wanted.begin(), wanted.end());
    wanted.erase(std::unique(wanted.begin(), wanted.end()), wanted.end());
    size_t bytes = 0;
    for (const ColdResult& result : task_.fetch(std::move(wanted))) {
      bytes += result.row.size();
      ShardStore& shard = *task_.shards[result.key.slot % task_.shards.size()];
      if (auto status = shard.load_to_replay(result); !status) {
        return std::unexpected(status.error());
      }
    }
    rows_max_ = bytes > task_.window_bytes ? std::max<size_t>(rows_max_ / 2, 1)
                                           : std::min(rows_max_ * 2, kRowsFetchedMax);
    return end;
  }

  const RecoveryTask& task_;
  RecoveryReport& report_;
  std::string bytes_;
  std::vector<Batch> batches_;
  std::vector<std::pair<Record, ShardStore*>> records_;
  size_t rows_max_ = 64;  // fetched together; a small journal may speak of large rows
};

// A flush must not make forgotten what keys saw beyond their slot's clock, so they are in memory.
runtime::Status load_contexts(RowStore& rows, ShardStore& shard) {
  const std::vector<RowKey> places = shard.contexts_on_disk();
  if (places.empty()) return {};
  auto reading = rows.begin_read();
  if (!reading) return std::unexpected(reading.error());
  for (const RowKey& place : places) {
    runtime::Status loaded;
    auto status = (*reading)->scan(place, [&](const RowStore::Row& row) {
      if (row.key.slot != place.slot || row.key.db != place.db) return false;
      loaded = shard.load_ahead(row);
      return loaded.has_value();
    });
    if (!status || !loaded) return status ? loaded : status;
  }
  return {};
}

}  // namespace

runtime::Result<RecoveryReport> recover(const RecoveryTask& task) {
  RecoveryReport report;
  {
    auto reading = task.rows.begin_read();
    if (!reading) return std::unexpected(reading.error());
    auto saved = read_saved_slots(**reading);
    if (!saved) return std::unexpected(saved.error());
    for (const SavedSlot& slot : *saved) {
      auto status = task.shards[slot.slot % task.shards.size()]->restore_slot(slot);
      if (!status) return std::unexpected(status.error());
    }
  }
  Replay replay(task, report);
  auto survey = read_journals(
      task.files, task.directory, task.repair,
      [&](const RecoveredBatch& batch) -> runtime::Status {
        if (batch.generation >= task.generation) return {};
        return replay.add(batch);
      },
      task.progress);
  if (!survey) return std::unexpected(survey.error());
  if (auto status = replay.apply(); !status) return std::unexpected(status.error());
  for (ShardStore* shard : task.shards) {
    if (auto status = load_contexts(task.rows, *shard); !status) {
      return std::unexpected(status.error());
    }
  }
  report.journal_bytes = survey->bytes;
  report.torn = survey->torn;
  report.found_journal = !survey->files.empty();
  for (const ShardStore* shard : task.shards) {
    for (unsigned db = 0; db < shard->shape().databases; ++db) {
      report.keys += shard->keys(static_cast<uint16_t>(db));
    }
  }
  return report;
}

}  // namespace quorate::storage
