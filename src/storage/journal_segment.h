// What a journal segment looks like on disk: file names, segment headers, batch headers.
//
// The segment header's layout and checksum are the same in every format version, so that a newer
// version is told apart from damage. All numbers are little-endian. A batch's checksum covers
// generation and shard too: blocks of another journal that surface in a file after a crash are not
// mistaken for its own. Thread: any, except that create_segment() blocks on the disk. Source:
// DESIGN section 4.
#pragma once

#include <compare>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "quorate/runtime/error.h"
#include "quorate/runtime/files.h"

namespace quorate::storage {

inline constexpr size_t kSegmentHeaderBytes = 64;
inline constexpr size_t kBatchHeaderBytes = 40;
inline constexpr uint32_t kJournalVersion = 2;  // 1: records without their Before

struct SegmentName {
  uint64_t generation = 0;
  uint32_t shard = 0;
  uint64_t start = 0;
  auto operator<=>(const SegmentName&) const = default;
};

std::string format_segment_name(const SegmentName& name);
// Nothing for a file that is not a segment.
std::optional<SegmentName> parse_segment_name(std::string_view file_name);
// The directory's segments in the order of recovery: by generation, shard, start.
runtime::Result<std::vector<SegmentName>> list_segments(runtime::FileSystem& files,
                                                        const std::string& directory);

struct SegmentHeader {
  SegmentName name;
  uint32_t shards = 0;
  uint64_t synced = 0;  // newest position known synced when the segment was made
  uint64_t needed = 0;  // a checkpoint holds everything below
};

enum class HeaderState : uint8_t { intact, damaged, newer_version };

struct ParsedSegmentHeader {
  HeaderState state = HeaderState::damaged;
  uint32_t version = 0;
  SegmentHeader header;
};

// `out` has room for kSegmentHeaderBytes.
void encode_segment_header(const SegmentHeader& header, char* out);
ParsedSegmentHeader parse_segment_header(std::string_view bytes);

struct BatchHeader {
  uint64_t payload_bytes = 0;
  uint64_t position = 0;
  uint64_t previous_end =
      0;  // where the batch before it ended: its own position, unless a segment lies between
  uint64_t synced = 0;  // newest position known synced when the batch was written

  uint64_t end() const { return position + kBatchHeaderBytes + payload_bytes; }
};

// The part of a batch's checksum that is the same for all batches of one (generation, shard).
uint32_t batch_checksum_seed(uint64_t generation, uint32_t shard);
// Fills the header in front of a payload that already stands at batch + kBatchHeaderBytes.
void seal_batch(const BatchHeader& header, uint32_t checksum_seed, char* batch);
// What the first kBatchHeaderBytes of `bytes` say; nothing if they cannot be the header of a batch,
// because the magic is missing or the numbers contradict each other. The checksum is not looked at.
std::optional<BatchHeader> parse_batch_header(std::string_view bytes);
// Whether `batch`, header and payload, is intact.
bool batch_is_intact(std::string_view batch, uint32_t checksum_seed);
// Where the next bytes that could begin a batch are, from `from` on; npos if nowhere.
size_t find_batch_magic(std::string_view bytes, size_t from);

// A segment that is open for writing.
struct Segment {
  uint64_t start = 0;
  uint64_t capacity = 0;  // batch bytes the file has room for
  uint64_t end = 0;       // position behind the last batch written
  std::string path;
  std::shared_ptr<runtime::File> file;

  uint64_t room() const { return start + capacity - end; }
};

// Makes a segment of `file_bytes` that survives a power loss, name and header included. What was
// made of it is removed again when that fails.
runtime::Result<Segment> create_segment(runtime::FileSystem& files, const std::string& directory,
                                        const SegmentHeader& header, uint64_t file_bytes);

}  // namespace quorate::storage
