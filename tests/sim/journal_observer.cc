#include "sim/journal_observer.h"

#include <cstring>
#include <utility>

#include "storage/journal_segment.h"

namespace quorate::sim {
namespace {

std::string text_of(const storage::EntryState& state) {
  if (state.form != storage::Form::counter) return std::string(state.payload);
  int64_t total = 0;
  std::memcpy(&total, state.payload.data(), sizeof total);
  return std::to_string(total);
}

std::vector<Change> decode_batch(std::string_view batch) {
  std::vector<Change> changes;
  const auto header = storage::parse_batch_header(batch);
  std::string_view payload = batch.substr(storage::kBatchHeaderBytes);
  while (!payload.empty()) {
    const auto record = storage::decode_record(payload);
    if (!record) break;
    Change& change = changes.emplace_back();
    change.type = record->type;
    change.slot = record->slot;
    change.db = record->db;
    change.key = record->key;
    change.dot = record->state.dot;
    change.end_position = header->end();
    if (record->type != storage::RecordType::put) continue;
    change.expiry_ms = record->state.expiry_ms;
    change.text = text_of(record->state);
  }
  return changes;
}

}  // namespace

class ObservedSegment final : public runtime::File {
 public:
  ObservedSegment(JournalObserver& observer, std::unique_ptr<runtime::File> file,
                  storage::SegmentName name)
      : observer_(observer), file_(std::move(file)), name_(name) {}

  runtime::Status write_at(uint64_t offset, std::string_view bytes) override {
    auto stored = file_->write_at(offset, bytes);
    if (offset >= storage::kSegmentHeaderBytes) {
      observer_.wrote(name_.generation, name_.shard, bytes, stored.has_value());
    }
    return stored;
  }
  runtime::Result<size_t> read_at(uint64_t offset, std::span<char> into) override {
    return file_->read_at(offset, into);
  }
  runtime::Status sync_data() override { return file_->sync_data(); }
  runtime::Status allocate(uint64_t bytes) override { return file_->allocate(bytes); }
  runtime::Status truncate(uint64_t bytes) override { return file_->truncate(bytes); }
  runtime::Result<uint64_t> size() override { return file_->size(); }

 private:
  JournalObserver& observer_;
  std::unique_ptr<runtime::File> file_;
  const storage::SegmentName name_;
};

void JournalObserver::begin_life(uint64_t generation, unsigned shards, OnChange on_change) {
  generation_ = generation;
  logs_.assign(shards, {});
  on_change_ = std::move(on_change);
}

runtime::Result<std::unique_ptr<runtime::File>> JournalObserver::open(const std::string& path,
                                                                      runtime::OpenMode mode) {
  auto file = files_.open(path, mode);
  const auto name = storage::parse_segment_name(path.substr(path.rfind('/') + 1));
  if (!file || !name) return file;
  return std::make_unique<ObservedSegment>(*this, *std::move(file), *name);
}

void JournalObserver::wrote(uint64_t generation, unsigned shard, std::string_view batch,
                            bool stored) {
  if (generation != generation_ || shard >= logs_.size()) return;  // recovery secures old ones
  Log& log = logs_[shard];
  std::vector<Change> changes = decode_batch(batch);
  if (!stored) {
    log.tentative = std::move(changes);
    return;
  }
  log.tentative.clear();
  for (Change& change : changes) {
    log.written.push_back(std::move(change));
    on_change_(shard, log.written.size() - 1);
  }
}

}  // namespace quorate::sim
