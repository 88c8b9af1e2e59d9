// Journal: the append-only record of every change of one shard, written once per loop turn.
//
// Records of a turn gather in memory and leave in one write_at() as one batch, before any reply of
// that turn does; so a killed process loses no acknowledged write at any setting. How long a batch
// may stay unsynced is SyncPolicy's matter: fdatasync runs on the journal-sync thread, never here.
//
// Positions are logical byte offsets, growing over all segments of one (generation, shard). A
// segment owns the positions its file has room for, so positions skip what is left unused when a
// batch rolls to the next one; each batch names the end of the one before it, which shows a reader
// that nothing is missing. A generation is one run of the process; segments are never appended to
// by a later one. File name: journal-<generation>-<shard>-<start position>.qj, numbers as 16 hex
// digits. Segment: a header (magic, format version, shard, thread count, generation, start
// position, newest synced position and oldest needed position known when it was made, CRC32C),
// preallocated, zeros behind the last batch. Batch: a header (magic, CRC32C over the rest of the
// header, the payload, generation and shard; payload length, position, end of the batch before it,
// newest position known synced), payload.
//
// Space is reserved ahead: the next segment is allocated on the sync thread while the current one
// fills. When that fails (disk full), accepts_writes() turns false while the current segment still
// has room for what is in flight, the reason is in blocked_reason(), and allocation is tried again
// every second.
//
// A failed write (EIO) never trusts the same bytes again: the batch goes to a new segment. After a
// failed fdatasync the kernel has dropped what it could not write, so nothing beyond
// synced_position() can be relied on and the journal, which keeps no copy, cannot repair it: it
// blocks and calls on_failed(). The shard then checkpoints everything it holds and calls restart(),
// which goes on in a segment that declares everything before it as no longer needed. Thread: the
// shard's. The file system, the loop and the sync thread outlive the journal and the tasks it
// posted. Errors: a failed write_batch() keeps the batch and is tried again by the next call.
// Destroying a journal neither writes nor syncs what is pending. Source: DESIGN section 4.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "quorate/runtime/error.h"
#include "quorate/runtime/files.h"
#include "quorate/runtime/loop.h"

namespace quorate::storage {

enum class SyncPolicy : uint8_t { always, everysec, no };

class Journal {
 public:
  struct Options {
    std::string directory;
    uint64_t generation = 0;
    uint32_t shard = 0;
    uint32_t shards = 1;
    uint64_t segment_bytes = 64ull << 20;
    SyncPolicy policy = SyncPolicy::everysec;
  };

  // Makes and syncs the first segment. `loop` is the shard's; `sync_thread` runs fdatasync,
  // allocation and removal of segments, and may be shared by all shards.
  static runtime::Result<std::unique_ptr<Journal>> open(runtime::FileSystem& files,
                                                        runtime::Loop& loop,
                                                        runtime::Executor& sync_thread,
                                                        Options options);
  Journal(const Journal&) = delete;
  Journal& operator=(const Journal&) = delete;
  virtual ~Journal() = default;

  // Room for a record of at most `bytes_max`, valid until the next call; commit() says how many
  // were used. Records are opaque here.
  char* reserve(size_t bytes_max) {
    if (static_cast<size_t>(limit_ - cursor_) < bytes_max) [[unlikely]]
      grow(bytes_max);
    return cursor_;
  }
  void commit(size_t bytes) { cursor_ += bytes; }

  // Everything committed so far ends here: once written_position() or synced_position() has reached
  // it, it is written or synced. A place to replay from is taken from written_position() instead,
  // right after a write_batch(): replay is by whole batches.
  virtual uint64_t end_position() const = 0;
  // Everything below survives the end of the process / of the machine.
  virtual uint64_t written_position() const = 0;
  virtual uint64_t synced_position() const = 0;

  // Writes what was committed since the last call, as one batch; nothing to write is no error.
  // Under SyncPolicy::always it also asks the sync thread for a sync (one at a time; batches
  // written meanwhile share the next). Under everysec a timer does.
  virtual runtime::Status write_batch() = 0;

  // Called on the shard's thread each time synced_position() has advanced.
  virtual void on_synced(std::function<void()> callback) = 0;
  // Called on the shard's thread when a sync has failed: see restart().
  virtual void on_failed(std::function<void()> callback) = 0;
  // Asks for a sync of everything written so far, whatever the policy.
  virtual void request_sync() = 0;

  virtual bool accepts_writes() const = 0;
  virtual const std::string& blocked_reason() const = 0;  // empty when writes are accepted
  virtual void set_policy(SyncPolicy policy) = 0;

  // Removes segments that lie wholly below `position`, which a durable checkpoint has made
  // needless. In the background; failures are logged, tried again.
  virtual void remove_before(uint64_t position) = 0;

  // After on_failed(): a durable checkpoint now holds everything below `covered_position`, which
  // must be at least written_position(). Once a new segment is allocated (tried every second),
  // synced_position() passes everything written, on_synced() is called and writes are accepted
  // again. Without a failure it does nothing.
  virtual runtime::Status restart(uint64_t covered_position) = 0;

  struct Statistics {
    uint64_t batches = 0, bytes = 0, syncs = 0;
    uint64_t last_sync_monotonic_us = 0;       // when the last completed sync had begun
    uint64_t unsynced_since_monotonic_us = 0;  // while there is anything unsynced: none is older
    uint64_t sync_failures = 0, write_failures = 0;
    uint64_t segments = 0, memory_bytes = 0;
  };
  virtual Statistics statistics() const = 0;

 protected:
  Journal() = default;
  // Makes room for `bytes_max` more behind cursor_.
  virtual void grow(size_t bytes_max) = 0;

  char* cursor_ = nullptr;  // end of what is committed
  char* limit_ = nullptr;   // end of the batch buffer
};

// What recovery finds in a directory. Batches come in order per (generation, shard), generations
// ascending.
struct RecoveredBatch {
  uint64_t generation = 0;
  uint32_t shard = 0;
  uint32_t shards = 0;
  uint64_t position = 0;     // of the first byte of the payload's batch
  std::string_view payload;  // valid during the call
};

struct JournalSurvey {
  uint64_t newest_generation = 0;  // 0: no journal
  uint64_t bytes = 0;              // valid payload bytes delivered
  uint64_t batches = 0;
  std::vector<std::string> torn;   // log lines: which file was cut where, and how many bytes went
  std::vector<std::string> files;  // all segment files seen, paths, oldest first
};

// Reads every segment of the directory and calls `deliver` for every intact batch. Damage behind
// the newest position known synced (by any later batch or segment header of that generation and
// shard) is a torn tail: delivery for that generation and shard ends there and it is noted in
// `torn`. Damage before it is an error naming file and offset, unless `repair`, which then treats
// it as a tail too. A missing segment in the middle is damage; segments before the oldest existing
// one are taken as removed by a checkpoint. Segments behind a cut are removed, lest a later
// recovery take them for a chain of their own. What was delivered will be built upon, so what of it
// is not known synced is written once more and synced before this returns. A newer format version
// is an error. `progress` (may be null) is called with bytes read and bytes in all.
runtime::Result<JournalSurvey> read_journals(
    runtime::FileSystem& files, const std::string& directory, bool repair,
    const std::function<runtime::Status(const RecoveredBatch&)>& deliver,
    const std::function<void(uint64_t, uint64_t)>& progress);

// Removes the segments of all generations below `generation`, oldest first and each durably before
// the next, so that a crash on the way leaves nothing that looks like damage. Blocks.
runtime::Status remove_journals_before(runtime::FileSystem& files, const std::string& directory,
                                       uint64_t generation);

}  // namespace quorate::storage
