// The reading side of the journal: what a directory of segments says after a crash.
//
// The segments of one (generation, shard) are a chain: each batch names the end of the one before
// it, so a batch is delivered only if everything before it was. Where the chain stops, the newest
// position known synced decides what it means; only then is the rest searched, for headers that
// know of a later one.
#include <algorithm>
#include <cstring>
#include <fmt/format.h>
#include <optional>
#include <span>
#include <utility>

#include "quorate/storage/journal.h"

#include "storage/journal_segment.h"

namespace quorate::storage {
namespace {

using runtime::Error;
using runtime::Result;
using runtime::Status;

constexpr size_t kReadBytes = 1 << 20;
constexpr std::string_view kZeros("\0\0\0\0\0\0\0\0", 8);

bool all_zero(std::string_view bytes) {
  if (bytes.size() < kZeros.size()) return bytes.find_first_not_of('\0') == std::string_view::npos;
  return bytes.starts_with(kZeros) &&
         std::memcmp(bytes.data(), bytes.data() + kZeros.size(), bytes.size() - kZeros.size()) == 0;
}

// A window on a file that moves forward; a view stays valid until the next call.
class FileWindow {
 public:
  FileWindow(runtime::File& file, uint64_t size, std::vector<char>& buffer)
      : file_(file), size_(size), buffer_(buffer) {}

  uint64_t size() const { return size_; }

  // At least `bytes` from `offset` on, more if they are at hand; fewer only at the end of the file.
  Result<std::string_view> view(uint64_t offset, size_t bytes) {
    if (offset < begin_ || offset + bytes > begin_ + filled_) {
      if (auto loaded = load(offset, bytes); !loaded)
        return std::unexpected(std::move(loaded.error()));
    }
    const uint64_t skip = std::min<uint64_t>(offset - begin_, filled_);
    return std::string_view(buffer_.data() + skip, filled_ - skip);
  }

 private:
  Status load(uint64_t offset, size_t bytes) {
    const size_t wanted = static_cast<size_t>(
        std::min<uint64_t>(std::max(bytes, kReadBytes), size_ - std::min(offset, size_)));
    size_t kept = 0;
    if (offset >= begin_ && offset < begin_ + filled_) {
      kept = static_cast<size_t>(begin_ + filled_ - offset);
      std::memmove(buffer_.data(), buffer_.data() + (offset - begin_), kept);
    }
    if (buffer_.size() < wanted) buffer_.resize(wanted);
    begin_ = offset;
    filled_ = kept;
    if (kept >= wanted) return {};
    auto read = file_.read_at(offset + kept, std::span(buffer_.data() + kept, wanted - kept));
    if (!read) return std::unexpected(std::move(read.error()));
    filled_ += *read;
    return {};
  }

  runtime::File& file_;
  const uint64_t size_;
  std::vector<char>& buffer_;  // shared by all windows, one at a time
  uint64_t begin_ = 0;
  size_t filled_ = 0;
};

struct SegmentFile {
  SegmentName name;
  std::string path;
  std::unique_ptr<runtime::File> file;
  uint64_t bytes = 0;
  bool header_intact = false;
  SegmentHeader header;
  // Where the batch before this segment's first one ended; nothing if it has no intact first one.
  std::optional<uint64_t> follows;
  uint64_t delivered_end = kSegmentHeaderBytes;  // offset
};

// Where delivery of a chain ended.
struct Stop {
  size_t segment = 0;  // index in the chain
  uint64_t offset = 0;
  std::string reason;
  bool damage = false;  // for certain, wherever the newest synced position is
};

// What lies behind a stop.
struct Remains {
  uint64_t synced = 0;  // the newest position any intact header there knows synced
  uint64_t bytes = 0;   // up to the last one that is not zero, over all segments
};

// Calls back at most once per kReadBytes.
class ReadProgress {
 public:
  ReadProgress(const std::function<void(uint64_t, uint64_t)>& callback, uint64_t total)
      : callback_(callback), total_(total) {}

  void reach(uint64_t done) {
    done_ = done;
    if (callback_ && (done - reported_ >= kReadBytes || done == total_)) {
      reported_ = done;
      callback_(done, total_);
    }
  }
  uint64_t done() const { return done_; }

 private:
  const std::function<void(uint64_t, uint64_t)>& callback_;
  const uint64_t total_;
  uint64_t done_ = 0;
  uint64_t reported_ = 0;
};

// The segments of one (generation, shard), oldest first.
class Chain {
 public:
  using Deliver = std::function<Status(const RecoveredBatch&)>;

  Chain(runtime::FileSystem& files, std::vector<SegmentFile> segments, bool repair,
        std::vector<char>& buffer)
      : files_(files),
        segments_(std::move(segments)),
        repair_(repair),
        buffer_(buffer),
        checksum_seed_(batch_checksum_seed(segments_[0].name.generation, segments_[0].name.shard)) {
  }

  Status read_headers();
  Status read_batches(const Deliver& deliver, ReadProgress& progress, JournalSurvey& survey);

 private:
  Status read_header(SegmentFile& segment);
  void skip_needless();
  uint64_t end_of_segment(size_t index) const;
  Result<std::optional<Stop>> read_segment(size_t index, const Deliver& deliver,
                                           ReadProgress& progress, JournalSurvey& survey);
  Result<std::optional<BatchHeader>> batch_at(FileWindow& window, uint64_t offset, uint64_t start);
  Status judge(const Stop& stop, JournalSurvey& survey);
  Status look_behind(const SegmentFile& segment, uint64_t offset, Remains& remains);
  Status discard_behind(const Stop& stop);
  Status secure(SegmentFile& segment);

  static std::unexpected<Error> unreadable(const SegmentFile& segment, const Error& error) {
    return std::unexpected(
        Error{error.code, fmt::format("journal {}: {}", segment.path, error.message)});
  }

  runtime::FileSystem& files_;
  std::vector<SegmentFile> segments_;
  const bool repair_;
  std::vector<char>& buffer_;
  const uint32_t checksum_seed_;
  bool delivered_any_ = false;
  uint64_t expected_ = 0;  // the end of what was delivered; before that, the oldest segment's start
  uint64_t synced_ = 0;    // newest position known synced so far
};

Status Chain::read_headers() {
  for (SegmentFile& segment : segments_) {
    if (auto read = read_header(segment); !read) return read;
  }
  skip_needless();
  expected_ = segments_.front().name.start;
  return {};
}

Status Chain::read_header(SegmentFile& segment) {
  FileWindow window(*segment.file, segment.bytes, buffer_);
  auto bytes = window.view(0, kSegmentHeaderBytes);
  if (!bytes) return repair_ ? Status{} : unreadable(segment, bytes.error());
  const ParsedSegmentHeader parsed = parse_segment_header(*bytes);
  if (parsed.state == HeaderState::newer_version) {
    return runtime::fail(fmt::format("journal {}: format version {} is newer than this server's {}",
                                     segment.path, parsed.version, kJournalVersion));
  }
  segment.header_intact = parsed.state == HeaderState::intact && parsed.header.name == segment.name;
  if (segment.header_intact) {
    segment.header = parsed.header;
    synced_ = std::max(synced_, parsed.header.synced);
  }
  auto first = batch_at(window, kSegmentHeaderBytes, segment.name.start);
  if (!first) return repair_ ? Status{} : unreadable(segment, first.error());
  if (*first) segment.follows = (**first).previous_end;
  return {};
}

// What a checkpoint held when a later segment was made is not even looked at.
void Chain::skip_needless() {
  uint64_t needed = 0;
  for (const SegmentFile& segment : segments_) needed = std::max(needed, segment.header.needed);
  size_t first = 0;
  while (first + 1 < segments_.size() && segments_[first + 1].name.start <= needed) ++first;
  segments_.erase(segments_.begin(), segments_.begin() + static_cast<ptrdiff_t>(first));
}

Status Chain::read_batches(const Deliver& deliver, ReadProgress& progress, JournalSurvey& survey) {
  const uint64_t done_before = progress.done();
  std::optional<Stop> stop;
  for (size_t index = 0; index < segments_.size() && !stop; ++index) {
    auto read = read_segment(index, deliver, progress, survey);
    if (!read) return std::unexpected(std::move(read.error()));
    stop = *std::move(read);
  }
  if (stop) {
    if (auto judged = judge(*stop, survey); !judged) return judged;
    if (auto discarded = discard_behind(*stop); !discarded) return discarded;
  }
  uint64_t bytes = 0;
  for (SegmentFile& segment : segments_) {
    bytes += segment.bytes;
    auto secured = secure(segment);
    if (!secured && !repair_) return unreadable(segment, secured.error());
  }
  progress.reach(done_before + bytes);
  return {};
}

// A segment's batches end where the next segment that has any goes on: what lies behind was given
// up by the writer after a failed write.
uint64_t Chain::end_of_segment(size_t index) const {
  for (size_t later = index + 1; later < segments_.size(); ++later) {
    if (segments_[later].follows) return *segments_[later].follows;
  }
  return UINT64_MAX;
}

// The intact batch at `offset`, if there is one and it belongs there.
Result<std::optional<BatchHeader>> Chain::batch_at(FileWindow& window, uint64_t offset,
                                                   uint64_t start) {
  auto bytes = window.view(offset, kBatchHeaderBytes);
  if (!bytes) return std::unexpected(std::move(bytes.error()));
  const auto batch = parse_batch_header(*bytes);
  if (!batch || batch->position != start + (offset - kSegmentHeaderBytes) ||
      batch->payload_bytes > window.size() - offset - kBatchHeaderBytes) {
    return std::nullopt;
  }
  const size_t whole = kBatchHeaderBytes + static_cast<size_t>(batch->payload_bytes);
  bytes = window.view(offset, whole);
  if (!bytes) return std::unexpected(std::move(bytes.error()));
  if (bytes->size() < whole || !batch_is_intact(bytes->substr(0, whole), checksum_seed_)) {
    return std::nullopt;
  }
  return batch;
}

// Delivers the segment's batches. Nothing: the chain goes on in the next segment.
Result<std::optional<Stop>> Chain::read_segment(size_t index, const Deliver& deliver,
                                                ReadProgress& progress, JournalSurvey& survey) {
  SegmentFile& segment = segments_[index];
  const uint64_t end = end_of_segment(index);
  uint64_t offset = kSegmentHeaderBytes;
  const auto stop_at = [&](uint64_t where, std::string reason, bool damage = false) {
    return std::optional<Stop>(Stop{index, where, std::move(reason), damage});
  };
  if (expected_ < end && segment.follows && !segment.header_intact) {
    // It was durable before any batch was written behind it.
    return stop_at(0, "the segment's header is damaged", true);
  }
  FileWindow window(*segment.file, segment.bytes, buffer_);
  while (expected_ < end) {
    auto batch = batch_at(window, offset, segment.name.start);
    if (!batch) {
      if (!repair_) return unreadable(segment, batch.error());
      return stop_at(offset, batch.error().message, true);
    }
    if (!*batch) {
      return stop_at(offset, end == UINT64_MAX ? "no intact batch"
                                               : fmt::format("no intact batch up to position {}, "
                                                             "where a later segment goes on",
                                                             end));
    }
    const BatchHeader& header = **batch;
    if (delivered_any_ ? header.previous_end != expected_ : header.previous_end > expected_) {
      return stop_at(offset, fmt::format("batches are missing from position {} on", expected_));
    }
    const auto payload_bytes = static_cast<size_t>(header.payload_bytes);
    auto bytes = window.view(offset, kBatchHeaderBytes + payload_bytes);
    if (!bytes) return unreadable(segment, bytes.error());
    auto delivered = deliver({segment.name.generation, segment.name.shard, segment.header.shards,
                              header.position, bytes->substr(kBatchHeaderBytes, payload_bytes)});
    if (!delivered) return std::unexpected(std::move(delivered.error()));
    delivered_any_ = true;
    expected_ = header.end();
    synced_ = std::max(synced_, header.synced);
    ++survey.batches;
    survey.bytes += payload_bytes;
    offset += kBatchHeaderBytes + payload_bytes;
    segment.delivered_end = offset;
    progress.reach(progress.done() + kBatchHeaderBytes + payload_bytes);
  }
  return std::nullopt;
}

// Whether a stop is the end, a torn tail or damage.
Status Chain::judge(const Stop& stop, JournalSurvey& survey) {
  Remains remains{synced_, 0};
  for (size_t index = stop.segment; index < segments_.size(); ++index) {
    const SegmentFile& segment = segments_[index];
    const uint64_t from = index == stop.segment
                              ? std::max<uint64_t>(stop.offset, kSegmentHeaderBytes)
                              : kSegmentHeaderBytes;
    auto looked = look_behind(segment, from, remains);
    if (!looked && !repair_) return unreadable(segment, looked.error());
  }
  const std::string& path = segments_[stop.segment].path;
  const bool damaged = stop.damage || remains.synced > expected_;
  if (damaged && !repair_) {
    return runtime::fail(
        fmt::format("journal {}: damaged at offset {}: {} (position {}, known synced up to {})",
                    path, stop.offset, stop.reason, expected_, remains.synced));
  }
  if (damaged || remains.bytes > 0) {
    survey.torn.push_back(fmt::format("journal {}: {} at offset {}: {}, {} bytes dropped", path,
                                      damaged ? "damaged and cut" : "torn tail cut", stop.offset,
                                      stop.reason, remains.bytes));
  }
  return {};
}

// Later segments may begin with intact batches of the tail that was cut. Once the segment with the
// cut has been removed, nothing would tell that they must not be delivered, so they go first.
Status Chain::discard_behind(const Stop& stop) {
  const std::string directory = segments_.front().path.substr(0, segments_.front().path.rfind('/'));
  while (segments_.size() > stop.segment + 1) {
    if (segments_.back().follows) {
      if (auto gone = files_.remove(segments_.back().path); !gone) return gone;
      if (auto gone = files_.sync_directory(directory); !gone) return gone;
    }
    segments_.pop_back();
  }
  return {};
}

Status Chain::look_behind(const SegmentFile& segment, uint64_t offset, Remains& remains) {
  constexpr size_t kMagicBytes = 4;
  const uint64_t begin = offset;
  uint64_t used_end = offset;
  FileWindow window(*segment.file, segment.bytes, buffer_);
  while (true) {
    auto bytes = window.view(offset, kMagicBytes);
    if (!bytes) return std::unexpected(std::move(bytes.error()));
    const size_t at = find_batch_magic(*bytes, 0);
    if (at == std::string_view::npos) {
      if (!all_zero(*bytes)) used_end = offset + bytes->find_last_not_of('\0') + 1;
      if (bytes->size() < kMagicBytes || offset + bytes->size() >= segment.bytes) break;
      offset += bytes->size() - (kMagicBytes - 1);
      continue;
    }
    offset += at;
    auto batch = batch_at(window, offset, segment.name.start);
    if (!batch) return std::unexpected(std::move(batch.error()));
    if (*batch) remains.synced = std::max(remains.synced, (**batch).synced);
    offset += *batch ? kBatchHeaderBytes + (**batch).payload_bytes : 1;
    used_end = offset;
  }
  remains.bytes += used_end - begin;
  return {};
}

// Makes durable what was delivered. A sync alone does not: if one of the last run has failed, the
// kernel takes its pages for clean although they never reached the disk. So what is not known
// synced is written once more.
Status Chain::secure(SegmentFile& segment) {
  const uint64_t known = synced_ > segment.name.start ? synced_ - segment.name.start : 0;
  uint64_t offset = kSegmentHeaderBytes + known;
  FileWindow window(*segment.file, segment.delivered_end, buffer_);
  while (offset < segment.delivered_end) {
    auto bytes = window.view(offset, 1);
    if (!bytes) return std::unexpected(std::move(bytes.error()));
    if (bytes->empty()) break;
    if (auto written = segment.file->write_at(offset, *bytes); !written) return written;
    offset += bytes->size();
  }
  return segment.file->sync_data();
}

Result<SegmentFile> open_segment(runtime::FileSystem& files, const std::string& directory,
                                 const SegmentName& name) {
  SegmentFile segment;
  segment.name = name;
  segment.path = directory + "/" + format_segment_name(name);
  auto file = files.open(segment.path, runtime::OpenMode::read_write);
  if (!file) return std::unexpected(std::move(file.error()));
  segment.file = *std::move(file);
  auto size = segment.file->size();
  if (!size) return std::unexpected(std::move(size.error()));
  segment.bytes = *size;
  return segment;
}

}  // namespace

Result<JournalSurvey> read_journals(runtime::FileSystem& files, const std::string& directory,
                                    bool repair,
                                    const std::function<Status(const RecoveredBatch&)>& deliver,
                                    const std::function<void(uint64_t, uint64_t)>& progress) {
  auto names = list_segments(files, directory);
  if (!names) return std::unexpected(std::move(names.error()));
  JournalSurvey survey;
  std::vector<char> buffer;
  std::vector<Chain> chains;
  uint64_t bytes_total = 0;
  for (size_t i = 0; i < names->size();) {
    const SegmentName& first = (*names)[i];
    std::vector<SegmentFile> segments;
    for (; i < names->size() && (*names)[i].generation == first.generation &&
           (*names)[i].shard == first.shard;
         ++i) {
      auto segment = open_segment(files, directory, (*names)[i]);
      if (!segment) return std::unexpected(std::move(segment.error()));
      bytes_total += segment->bytes;
      survey.files.push_back(segment->path);
      segments.push_back(*std::move(segment));
    }
    survey.newest_generation = first.generation;
    chains.emplace_back(files, std::move(segments), repair, buffer);
  }
  // All headers first: a version we do not know is refused before anything is delivered.
  for (Chain& chain : chains) {
    if (auto read = chain.read_headers(); !read) return std::unexpected(std::move(read.error()));
  }
  ReadProgress read_progress(progress, bytes_total);
  for (Chain& chain : chains) {
    auto read = chain.read_batches(deliver, read_progress, survey);
    if (!read) return std::unexpected(std::move(read.error()));
  }
  read_progress.reach(bytes_total);
  return survey;
}

Status remove_journals_before(runtime::FileSystem& files, const std::string& directory,
                              uint64_t generation) {
  auto names = list_segments(files, directory);
  if (!names) return std::unexpected(std::move(names.error()));
  for (const SegmentName& name : *names) {
    if (name.generation >= generation) break;
    if (auto done = files.remove(directory + "/" + format_segment_name(name)); !done) return done;
    if (auto done = files.sync_directory(directory); !done) return done;
  }
  return {};
}

}  // namespace quorate::storage
