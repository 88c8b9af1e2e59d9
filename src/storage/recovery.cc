#include "quorate/storage/recovery.h"

namespace quorate::storage {
namespace {

runtime::Status replay_batch(const RecoveredBatch& batch, std::span<ShardStore* const> shards,
                             RowStore::ReadTransaction& rows, uint64_t& records) {
  std::string_view bytes = batch.payload;
  while (!bytes.empty()) {
    const auto record = decode_record(bytes);
    if (!record || record->slot >= object::kSlots) {
      return runtime::fail("the journal of generation " + std::to_string(batch.generation) +
                           ", shard " + std::to_string(batch.shard) +
                           " has a malformed record in the batch at position " +
                           std::to_string(batch.position));
    }
    ShardStore& shard = *shards[record->slot % shards.size()];
    if (record->db >= shard.shape().databases) {
      return runtime::fail("the journal holds keys of database " + std::to_string(record->db) +
                           ": start with 'databases' at least " + std::to_string(record->db + 1));
    }
    ++records;
    if (auto status = shard.replay(*record, rows); !status) return status;
  }
  return {};
}

}  // namespace

runtime::Result<RecoveryReport> recover(runtime::FileSystem& files, const std::string& directory,
                                        RowStore& rows, std::span<ShardStore* const> shards,
                                        uint64_t generation, bool repair,
                                        const std::function<void(uint64_t, uint64_t)>& progress) {
  RecoveryReport report;
  auto reading = rows.begin_read();
  if (!reading) return std::unexpected(reading.error());
  auto saved = read_saved_slots(**reading);
  if (!saved) return std::unexpected(saved.error());
  for (const SavedSlot& slot : *saved) {
    auto status = shards[slot.slot % shards.size()]->restore_slot(slot);
    if (!status) return std::unexpected(status.error());
  }
  auto survey = read_journals(
      files, directory, repair,
      [&](const RecoveredBatch& batch) -> runtime::Status {
        if (batch.generation >= generation) return {};
        return replay_batch(batch, shards, **reading, report.records);
      },
      progress);
  if (!survey) return std::unexpected(survey.error());
  report.journal_bytes = survey->bytes;
  report.torn = survey->torn;
  report.found_journal = !survey->files.empty();
  for (const ShardStore* shard : shards) {
    for (unsigned db = 0; db < shard->shape().databases; ++db) {
      report.keys += shard->keys(static_cast<uint16_t>(db));
    }
  }
  return report;
}

}  // namespace quorate::storage
