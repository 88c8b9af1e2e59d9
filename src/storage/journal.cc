// The writing side of the journal. What happens on which thread: the shard fills and writes
// batches; sync, allocation and removal are jobs on the sync thread, at most one of each kind at a
// time, whose results come back to the shard as a task. A job holds what it needs (files by shared
// pointer, paths by value), so that the journal may be destroyed meanwhile.
#include "quorate/storage/journal.h"

#include <algorithm>
#include <cassert>
#include <cerrno>
#include <cstdlib>
#include <deque>
#include <fmt/format.h>
#include <new>
#include <optional>
#include <spdlog/spdlog.h>
#include <utility>

#include "storage/journal_segment.h"

namespace quorate::storage {
namespace {

using runtime::Error;
using runtime::Result;
using runtime::Status;

constexpr uint64_t kTickUs = 1'000'000;       // everysec, retries, shrinking the buffer
constexpr size_t kBufferBytesMin = 64 << 10;  // kept by an idle shard
constexpr uint64_t kLowSpaceBytesMax = 4ull
                                       << 20;  // left in a segment without successor: writes stop

struct FreeDeleter {
  void operator()(char* memory) const { std::free(memory); }
};

class SegmentedJournal final : public Journal {
 public:
  SegmentedJournal(runtime::FileSystem& files, runtime::Loop& loop, runtime::Executor& sync_thread,
                   Options options, Segment first)
      : files_(files),
        loop_(loop),
        sync_thread_(sync_thread),
        options_(std::move(options)),
        checksum_seed_(batch_checksum_seed(options_.generation, options_.shard)),
        next_start_(first.start + first.capacity) {
    segments_.push_back(std::move(first));
    resize_buffer(kBufferBytesMin);
    tick_ = loop_.start_timer(kTickUs, kTickUs, [this] { tick(); });
  }

  uint64_t end_position() const override {
    return pending_bytes() == 0 ? written_ : written_ + kBatchHeaderBytes + pending_bytes();
  }
  uint64_t written_position() const override { return written_; }
  uint64_t synced_position() const override { return synced_; }

  Status write_batch() override;
  void on_synced(std::function<void()> callback) override { on_synced_ = std::move(callback); }
  void on_failed(std::function<void()> callback) override { on_failed_ = std::move(callback); }
  void request_sync() override;
  bool accepts_writes() const override { return blocked_reason_.empty(); }
  const std::string& blocked_reason() const override { return blocked_reason_; }
  void set_policy(SyncPolicy policy) override;
  void remove_before(uint64_t position) override;
  Status restart(uint64_t covered_position) override;
  Statistics statistics() const override;

 private:
  struct SyncOutcome {
    uint64_t target = 0;
    uint64_t began_us = 0;
    std::optional<Error> error;
  };
  struct RemovalOutcome {
    size_t removed = 0;
    std::optional<Error> error;
  };

  void grow(size_t bytes_max) override;
  size_t pending_bytes() const {
    return static_cast<size_t>(cursor_ - buffer_.get()) - kBatchHeaderBytes;
  }
  size_t buffer_bytes() const { return static_cast<size_t>(limit_ - buffer_.get()); }
  void resize_buffer(size_t bytes);
  void shrink_buffer();

  Segment& current() { return segments_.back(); }
  uint64_t room() const { return current_spoiled_ ? 0 : segments_.back().room(); }
  bool space_is_low() const;
  void update_blocked();

  Status write_pending();
  Status roll(uint64_t batch_bytes);
  void adopt(Segment segment);
  void retire(Segment segment);
  void abandon(const SegmentName& name);

  SegmentHeader next_header();
  uint64_t segment_file_bytes() const {
    return std::max(options_.segment_bytes, kSegmentHeaderBytes + wanted_bytes_);
  }
  void request_allocation();
  void finish_allocation(Result<Segment> made, bool fresh_start);
  void finish_restart(Segment segment);

  void pump_sync();
  void finish_sync(SyncOutcome outcome);
  void pump_removal();
  void finish_removal(RemovalOutcome outcome);
  void tick();

  // Runs `job` on the sync thread, then `done` with its result here, unless the journal is gone by
  // then.
  template <class Job, class Done>
  void run_on_sync_thread(Job job, Done done) {
    sync_thread_.post([&loop = loop_, alive = std::weak_ptr<void>(alive_), job = std::move(job),
                       done = std::move(done)]() mutable {
      auto outcome = job();
      loop.post([alive = std::move(alive), done = std::move(done),
                 outcome = std::move(outcome)]() mutable {
        if (!alive.expired()) done(std::move(outcome));
      });
    });
  }

  runtime::FileSystem& files_;
  runtime::Loop& loop_;
  runtime::Executor& sync_thread_;
  Options options_;
  const uint32_t checksum_seed_;
  std::shared_ptr<void> alive_ = std::make_shared<char>();  // jobs ask whether the journal still is
  std::unique_ptr<runtime::Timer> tick_;

  std::unique_ptr<char, FreeDeleter>
      buffer_;                // room for the batch header, then the pending records
  size_t largest_batch_ = 0;  // since the last tick

  std::deque<Segment> segments_;  // oldest first; the last one is written to
  bool current_spoiled_ = false;  // a write to it has failed
  std::optional<Segment> next_;
  uint64_t next_start_;        // positions below belong to segments made or tried
  uint64_t wanted_bytes_ = 0;  // what the pending batch needs, if more than a segment
  bool allocating_ = false;
  std::optional<Error> allocation_error_;  // of the last try

  uint64_t written_ = 0;
  uint64_t synced_ = 0;
  uint64_t needed_ = 0;       // a checkpoint holds everything below
  uint64_t sync_wanted_ = 0;  // the position somebody asked to be synced
  bool syncing_ = false;
  std::optional<Error> write_error_;  // why the pending batch could not be written
  std::optional<Error> sync_error_;   // set from a failed sync until the restart is complete
  bool restarting_ = false;
  std::string blocked_reason_;

  std::deque<std::string> doomed_;  // paths to remove, oldest first
  bool removing_ = false;

  std::function<void()> on_synced_;
  std::function<void()> on_failed_;
  Statistics statistics_;
};

// ---- the batch buffer

void SegmentedJournal::resize_buffer(size_t bytes) {
  const size_t used = buffer_ ? kBatchHeaderBytes + pending_bytes() : kBatchHeaderBytes;
  assert(bytes >= used);
  char* const memory = static_cast<char*>(std::realloc(buffer_.get(), bytes));
  if (memory == nullptr) throw std::bad_alloc();
  (void)buffer_.release();
  buffer_.reset(memory);
  cursor_ = memory + used;
  limit_ = memory + bytes;
}

void SegmentedJournal::grow(size_t bytes_max) {
  const size_t needed = static_cast<size_t>(cursor_ - buffer_.get()) + bytes_max;
  resize_buffer(std::max(needed, buffer_bytes() * 2));
}

// Once a second: a buffer that a rare huge batch has blown up gives its memory back.
void SegmentedJournal::shrink_buffer() {
  const size_t fitting = std::max(kBufferBytesMin, 2 * std::max(largest_batch_, pending_bytes()));
  if (buffer_bytes() > 2 * fitting) resize_buffer(fitting);
  largest_batch_ = 0;
}

// ---- writing

Status SegmentedJournal::write_batch() {
  if (pending_bytes() == 0) return {};
  if (sync_error_) return std::unexpected(Error{sync_error_->code, blocked_reason_});
  Status written = write_pending();
  if (written) {
    write_error_.reset();
    wanted_bytes_ = 0;
  } else {
    write_error_ = written.error();
  }
  if (allocation_error_ || !written || !blocked_reason_.empty()) update_blocked();
  return written;
}

// One try in the current segment and, if that has no room or fails, one in the next.
Status SegmentedJournal::write_pending() {
  const uint64_t batch_bytes = kBatchHeaderBytes + pending_bytes();
  for (bool last_try = false;; last_try = true) {
    if (room() < batch_bytes) {
      if (auto rolled = roll(batch_bytes); !rolled) return rolled;
    }
    Segment& segment = current();
    const BatchHeader header{pending_bytes(), segment.end, written_, synced_};
    seal_batch(header, checksum_seed_, buffer_.get());
    auto stored = segment.file->write_at(kSegmentHeaderBytes + (segment.end - segment.start),
                                         {buffer_.get(), batch_bytes});
    if (stored) {
      segment.end = header.end();
      break;
    }
    ++statistics_.write_failures;
    current_spoiled_ = true;
    spdlog::error("journal: {}; going on in a new segment", stored.error().message);
    if (last_try) return stored;
  }
  if (synced_ >= written_) {
    statistics_.unsynced_since_monotonic_us = loop_.clock().monotonic_us();
  }
  written_ = current().end;
  ++statistics_.batches;
  statistics_.bytes += batch_bytes;
  largest_batch_ = std::max<size_t>(largest_batch_, batch_bytes);
  cursor_ = buffer_.get() + kBatchHeaderBytes;
  if (options_.policy == SyncPolicy::always) request_sync();
  // Early enough that the next is there long before this one is full, late enough to cost an idle
  // shard one.
  if (!next_ && !allocation_error_ && room() < current().capacity - current().capacity / 8) {
    request_allocation();
  }
  return {};
}

// Makes the next segment the current one.
Status SegmentedJournal::roll(uint64_t batch_bytes) {
  wanted_bytes_ = batch_bytes;
  if (next_ && next_->capacity < batch_bytes) {
    retire(*std::move(next_));
    next_.reset();
  }
  if (!next_) {
    // After a failure only the background tries again: not every turn of a loop on a full disk.
    if (allocation_error_) return std::unexpected(*allocation_error_);
    const SegmentHeader header = next_header();
    auto made = create_segment(files_, options_.directory, header, segment_file_bytes());
    if (!made) {
      abandon(header.name);
      allocation_error_ = made.error();
      return std::unexpected(std::move(made.error()));
    }
    next_ = *std::move(made);
  }
  adopt(*std::exchange(next_, std::nullopt));
  return {};
}

void SegmentedJournal::adopt(Segment segment) {
  if (current().end == current().start) {
    retire(std::move(current()));
    segments_.pop_back();
  }
  segments_.push_back(std::move(segment));
  current_spoiled_ = false;
}

void SegmentedJournal::retire(Segment segment) {
  doomed_.push_back(std::move(segment.path));
  pump_removal();
}

// A segment that could not be made, in case something of it stays behind. It is empty, and a reader
// passes over it, but only while it sees the segments around it: so it goes before they do.
void SegmentedJournal::abandon(const SegmentName& name) {
  doomed_.push_back(options_.directory + "/" + format_segment_name(name));
  pump_removal();
}

bool SegmentedJournal::space_is_low() const {
  return !next_ && allocation_error_ &&
         room() < std::min(segments_.back().capacity / 8, kLowSpaceBytesMax);
}

void SegmentedJournal::update_blocked() {
  if (sync_error_) {
    blocked_reason_ = "the journal could not be synced: " + sync_error_->message;
  } else if (write_error_) {
    blocked_reason_ = "the journal could not be written: " + write_error_->message;
  } else if (space_is_low()) {
    blocked_reason_ = "no space for the journal's next segment: " + allocation_error_->message;
  } else {
    blocked_reason_.clear();
  }
}

// ---- allocation

SegmentHeader SegmentedJournal::next_header() {
  // Each try has a start, hence a name, of its own: a late one from the sync thread clashes with
  // nothing.
  next_start_ = std::max(next_start_, current().start + current().capacity);
  SegmentHeader header;
  header.name = {options_.generation, options_.shard, next_start_++};
  header.shards = options_.shards;
  header.synced = synced_;
  header.needed = needed_;
  return header;
}

void SegmentedJournal::request_allocation() {
  if (allocating_) return;
  allocating_ = true;
  SegmentHeader header = next_header();
  if (restarting_) header.needed = header.name.start;
  run_on_sync_thread(
      [&files = files_, directory = options_.directory, header, bytes = segment_file_bytes()] {
        return create_segment(files, directory, header, bytes);
      },
      [this, name = header.name, fresh_start = restarting_](Result<Segment> made) {
        if (!made) abandon(name);
        finish_allocation(std::move(made), fresh_start);
      });
}

void SegmentedJournal::finish_allocation(Result<Segment> made, bool fresh_start) {
  allocating_ = false;
  if (!made) {
    // Said once per trouble, not once per try.
    if (!allocation_error_) spdlog::warn("journal: no next segment: {}", made.error().message);
    allocation_error_ = std::move(made.error());
  } else {
    allocation_error_.reset();
    if (fresh_start) {
      finish_restart(*std::move(made));
    } else if (restarting_ || next_ || made->start < current().start) {
      retire(*std::move(made));  // too late: a later one had to be made meanwhile
    } else {
      next_ = *std::move(made);
    }
    if (restarting_) request_allocation();
  }
  update_blocked();
}

// ---- syncing

void SegmentedJournal::request_sync() {
  sync_wanted_ = written_;
  pump_sync();
}

void SegmentedJournal::set_policy(SyncPolicy policy) {
  options_.policy = policy;
  if (policy == SyncPolicy::always) request_sync();
}

void SegmentedJournal::pump_sync() {
  if (syncing_ || sync_error_ || sync_wanted_ <= synced_) return;
  syncing_ = true;
  std::vector<std::shared_ptr<runtime::File>> unsynced;
  for (const Segment& segment : segments_) {
    if (segment.end > synced_ && segment.end > segment.start) unsynced.push_back(segment.file);
  }
  run_on_sync_thread(
      [unsynced = std::move(unsynced),
       outcome = SyncOutcome{written_, loop_.clock().monotonic_us(), std::nullopt}]() mutable {
        for (const auto& file : unsynced) {
          if (auto synced = file->sync_data(); !synced) {
            outcome.error = std::move(synced.error());
            break;
          }
        }
        return std::move(outcome);
      },
      [this](SyncOutcome outcome) { finish_sync(std::move(outcome)); });
}

void SegmentedJournal::finish_sync(SyncOutcome outcome) {
  syncing_ = false;
  if (outcome.error) {
    ++statistics_.sync_failures;
    spdlog::error("journal: {}; writes stop until a checkpoint holds everything",
                  outcome.error->message);
    sync_error_ = std::move(outcome.error);
    update_blocked();
    if (on_failed_) on_failed_();
    return;
  }
  ++statistics_.syncs;
  statistics_.last_sync_monotonic_us = outcome.began_us;
  statistics_.unsynced_since_monotonic_us = outcome.began_us;
  synced_ = outcome.target;
  pump_sync();
  if (on_synced_) on_synced_();
}

Status SegmentedJournal::restart(uint64_t covered_position) {
  if (!sync_error_) return {};
  if (covered_position < written_) {
    return runtime::fail(
        fmt::format("journal: cannot restart at {}: written up to {}", covered_position, written_));
  }
  restarting_ = true;
  request_allocation();
  return {};
}

// The fresh segment's header, already durable, says that nothing before it is needed.
void SegmentedJournal::finish_restart(Segment segment) {
  if (next_) retire(*std::exchange(next_, std::nullopt));
  needed_ = segment.start;
  // Not further: what is pending has been promised an end position beyond, and is not in the
  // checkpoint.
  synced_ = written_;
  segments_.push_back(std::move(segment));
  current_spoiled_ = false;
  remove_before(needed_);
  restarting_ = false;
  sync_error_.reset();
  update_blocked();
  if (on_synced_) on_synced_();
}

// ---- removal

void SegmentedJournal::remove_before(uint64_t position) {
  needed_ = std::max(needed_, position);
  while (segments_.size() > 1 && segments_.front().end <= position) {
    doomed_.push_back(std::move(segments_.front().path));
    segments_.pop_front();
  }
  pump_removal();
}

void SegmentedJournal::pump_removal() {
  if (removing_ || doomed_.empty()) return;
  removing_ = true;
  run_on_sync_thread(
      [&files = files_, directory = options_.directory,
       paths = std::vector<std::string>(doomed_.begin(), doomed_.end())] {
        RemovalOutcome outcome;
        for (const std::string& path : paths) {
          Status done = files.remove(path);
          if (!done && done.error().code == ENOENT) done = {};
          // Each name goes for good before the next: a crash leaves no gap in the middle.
          if (done) done = files.sync_directory(directory);
          if (!done) {
            outcome.error = std::move(done.error());
            break;
          }
          ++outcome.removed;
        }
        return outcome;
      },
      [this](RemovalOutcome outcome) { finish_removal(std::move(outcome)); });
}

void SegmentedJournal::finish_removal(RemovalOutcome outcome) {
  removing_ = false;
  doomed_.erase(doomed_.begin(), doomed_.begin() + static_cast<ptrdiff_t>(outcome.removed));
  if (outcome.error) {
    spdlog::warn("journal: segment not removed, trying again: {}", outcome.error->message);
  } else {
    pump_removal();
  }
}

// ---- once a second

void SegmentedJournal::tick() {
  if (options_.policy == SyncPolicy::everysec) request_sync();
  if (allocation_error_) request_allocation();
  pump_removal();
  shrink_buffer();
}

Journal::Statistics SegmentedJournal::statistics() const {
  Statistics statistics = statistics_;
  statistics.segments = segments_.size() + (next_ ? 1 : 0);
  statistics.memory_bytes = buffer_bytes();
  return statistics;
}

}  // namespace

Result<std::unique_ptr<Journal>> Journal::open(runtime::FileSystem& files, runtime::Loop& loop,
                                               runtime::Executor& sync_thread, Options options) {
  constexpr uint64_t kSegmentBytesMin = 4096;
  options.segment_bytes = std::max(options.segment_bytes, kSegmentBytesMin);
  SegmentHeader header;
  header.name = {options.generation, options.shard, 0};
  header.shards = options.shards;
  auto first = create_segment(files, options.directory, header, options.segment_bytes);
  if (!first) return std::unexpected(std::move(first.error()));
  return std::make_unique<SegmentedJournal>(files, loop, sync_thread, std::move(options),
                                            *std::move(first));
}

}  // namespace quorate::storage
