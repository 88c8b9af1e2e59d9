// JournalObserver: a file system that passes everything on and notes what the journals record.
//
// What the shards of one life (one generation) write is decoded batch by batch, in the order of the
// writes: a complete account of what the node has changed, independent of what it keeps or answers.
// A batch whose write failed is tentative: the disk may have it nevertheless, and the journal
// writes it again, as the beginning of a larger one. Thread: the simulator's one.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "quorate/object/dot.h"
#include "quorate/runtime/files.h"
#include "quorate/storage/entry_codec.h"

namespace quorate::sim {

// One record of a journal.
struct Change {
  storage::RecordType type = storage::RecordType::put;
  uint16_t slot = 0, db = 0;
  std::string key;
  object::Dot dot;
  uint64_t expiry_ms = 0;
  std::string text;           // of a put: what GET answers
  uint64_t end_position = 0;  // of its batch
  bool acknowledged = false;  // some client was told
};

class JournalObserver final : public runtime::FileSystem {
 public:
  // Called for each change as it is written, with its index among those of its shard.
  using OnChange = std::function<void(unsigned shard, size_t index)>;

  explicit JournalObserver(runtime::FileSystem& files) : files_(files) {}

  // Forgets what was noted and begins anew with the journals of `generation`.
  void begin_life(uint64_t generation, unsigned shards, OnChange on_change);
  unsigned shards() const { return static_cast<unsigned>(logs_.size()); }
  std::vector<Change>& changes(unsigned shard) { return logs_[shard].written; }
  const std::vector<Change>& tentative(unsigned shard) const { return logs_[shard].tentative; }

  runtime::Result<std::unique_ptr<runtime::File>> open(const std::string& path,
                                                       runtime::OpenMode mode) override;
  runtime::Status remove(const std::string& path) override { return files_.remove(path); }
  runtime::Status rename(const std::string& from, const std::string& to) override {
    return files_.rename(from, to);
  }
  runtime::Result<std::vector<std::string>> list(const std::string& directory) override {
    return files_.list(directory);
  }
  runtime::Status make_directory(const std::string& directory) override {
    return files_.make_directory(directory);
  }
  runtime::Status sync_directory(const std::string& directory) override {
    return files_.sync_directory(directory);
  }
  bool exists(const std::string& path) override { return files_.exists(path); }
  runtime::Result<std::unique_ptr<runtime::FileLock>> lock(const std::string& path) override {
    return files_.lock(path);
  }

 private:
  friend class ObservedSegment;

  struct Log {
    std::vector<Change> written, tentative;
  };
  void wrote(uint64_t generation, unsigned shard, std::string_view batch, bool stored);

  runtime::FileSystem& files_;
  uint64_t generation_ = 0;
  std::vector<Log> logs_;
  OnChange on_change_;
};

}  // namespace quorate::sim
