#include "storage/journal_segment.h"

#include <algorithm>
#include <array>
#include <bit>
#include <charconv>
#include <cstring>
#include <fmt/format.h>
#include <limits>
#include <spdlog/spdlog.h>
#include <utility>

#include "quorate/runtime/crc32c.h"
#include "quorate/runtime/mutants.h"
namespace quorate::storage {
namespace {

static_assert(std::endian::native == std::endian::little,
              "numbers are stored as they are in memory");

constexpr std::string_view kSegmentMagic("QRTJRNL\0", 8);
constexpr std::string_view kBatchMagic("\xf1QB\x9a", 4);
constexpr std::string_view kNamePrefix = "journal-";
constexpr std::string_view kNameSuffix = ".qj";
constexpr size_t kNumberDigits = 16;
constexpr size_t kNameBytes = kNamePrefix.size() + 3 * kNumberDigits + 2 + kNameSuffix.size();

// Offsets within the headers.
namespace segment_field {
constexpr size_t kVersion = 8, kShard = 12, kShards = 16, kGeneration = 24, kStart = 32,
                 kSynced = 40, kNeeded = 48, kChecksum = 60;
}
namespace batch_field {
constexpr size_t kChecksum = 4, kPayloadBytes = 8, kPosition = 16, kPreviousEnd = 24, kSynced = 32;
}

template <class T>
void store(char* at, T value) {
  std::memcpy(at, &value, sizeof(value));
}

template <class T>
T load(const char* at) {
  T value{};
  std::memcpy(&value, at, sizeof(value));
  return value;
}

std::optional<uint64_t> parse_number(std::string_view digits) {
  const bool lower_hex = std::ranges::all_of(
      digits, [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
  if (!lower_hex) return std::nullopt;
  uint64_t value = 0;
  std::from_chars(digits.data(), digits.data() + digits.size(), value, 16);
  return value;
}

runtime::Status prepare_segment(runtime::FileSystem& files, runtime::File& file,
                                const std::string& directory, const SegmentHeader& header,
                                uint64_t file_bytes) {
  std::array<char, kSegmentHeaderBytes> bytes{};
  encode_segment_header(header, bytes.data());
  if (auto done = file.allocate(file_bytes); !done) return done;
  if (auto done = file.write_at(0, {bytes.data(), bytes.size()}); !done) return done;
  if (auto done = file.sync_data(); !done) return done;
  return files.sync_directory(directory);
}

}  // namespace

std::string format_segment_name(const SegmentName& name) {
  return fmt::format("{}{:016x}-{:016x}-{:016x}{}", kNamePrefix, name.generation, name.shard,
                     name.start, kNameSuffix);
}

std::optional<SegmentName> parse_segment_name(std::string_view file_name) {
  if (file_name.size() != kNameBytes || !file_name.starts_with(kNamePrefix) ||
      !file_name.ends_with(kNameSuffix)) {
    return std::nullopt;
  }
  std::array<uint64_t, 3> numbers{};
  size_t at = kNamePrefix.size();
  for (size_t i = 0; i < numbers.size(); ++i) {
    if (i > 0 && file_name[at++] != '-') return std::nullopt;
    const auto number = parse_number(file_name.substr(at, kNumberDigits));
    if (!number) return std::nullopt;
    numbers[i] = *number;
    at += kNumberDigits;
  }
  if (numbers[1] > std::numeric_limits<uint32_t>::max()) return std::nullopt;
  return SegmentName{numbers[0], static_cast<uint32_t>(numbers[1]), numbers[2]};
}

runtime::Result<std::vector<SegmentName>> list_segments(runtime::FileSystem& files,
                                                        const std::string& directory) {
  auto names = files.list(directory);
  if (!names) return std::unexpected(std::move(names.error()));
  std::vector<SegmentName> segments;
  for (const std::string& file_name : *names) {
    if (const auto name = parse_segment_name(file_name)) segments.push_back(*name);
  }
  std::ranges::sort(segments);
  return segments;
}

void encode_segment_header(const SegmentHeader& header, char* out) {
  std::memset(out, 0, kSegmentHeaderBytes);
  std::memcpy(out, kSegmentMagic.data(), kSegmentMagic.size());
  store(out + segment_field::kVersion, kJournalVersion);
  store(out + segment_field::kShard, header.name.shard);
  store(out + segment_field::kShards, header.shards);
  store(out + segment_field::kGeneration, header.name.generation);
  store(out + segment_field::kStart, header.name.start);
  store(out + segment_field::kSynced, header.synced);
  store(out + segment_field::kNeeded, header.needed);
  store(out + segment_field::kChecksum, runtime::crc32c({out, segment_field::kChecksum}));
}

ParsedSegmentHeader parse_segment_header(std::string_view bytes) {
  ParsedSegmentHeader parsed;
  if (bytes.size() < kSegmentHeaderBytes || !bytes.starts_with(kSegmentMagic) ||
      load<uint32_t>(bytes.data() + segment_field::kChecksum) !=
          runtime::crc32c(bytes.substr(0, segment_field::kChecksum))) {
    return parsed;
  }
  const char* at = bytes.data();
  parsed.version = load<uint32_t>(at + segment_field::kVersion);
  parsed.state =
      parsed.version > kJournalVersion ? HeaderState::newer_version : HeaderState::intact;
  parsed.header.name.generation = load<uint64_t>(at + segment_field::kGeneration);
  parsed.header.name.shard = load<uint32_t>(at + segment_field::kShard);
  parsed.header.name.start = load<uint64_t>(at + segment_field::kStart);
  parsed.header.shards = load<uint32_t>(at + segment_field::kShards);
  parsed.header.synced = load<uint64_t>(at + segment_field::kSynced);
  parsed.header.needed = load<uint64_t>(at + segment_field::kNeeded);
  return parsed;
}

uint32_t batch_checksum_seed(uint64_t generation, uint32_t shard) {
  const uint32_t seed = runtime::crc32c_extend(0, &generation, sizeof(generation));
  return runtime::crc32c_extend(seed, &shard, sizeof(shard));
}

void seal_batch(const BatchHeader& header, uint32_t checksum_seed, char* batch) {
  std::memcpy(batch, kBatchMagic.data(), kBatchMagic.size());
  store(batch + batch_field::kPayloadBytes, header.payload_bytes);
  store(batch + batch_field::kPosition, header.position);
  store(batch + batch_field::kPreviousEnd, header.previous_end);
  store(batch + batch_field::kSynced, header.synced);
  const size_t covered = kBatchHeaderBytes - batch_field::kPayloadBytes + header.payload_bytes;
  store(batch + batch_field::kChecksum,
        runtime::crc32c_extend(checksum_seed, batch + batch_field::kPayloadBytes, covered));
}

std::optional<BatchHeader> parse_batch_header(std::string_view bytes) {
  if (bytes.size() < kBatchHeaderBytes || !bytes.starts_with(kBatchMagic)) return std::nullopt;
  BatchHeader header;
  header.payload_bytes = load<uint64_t>(bytes.data() + batch_field::kPayloadBytes);
  header.position = load<uint64_t>(bytes.data() + batch_field::kPosition);
  header.previous_end = load<uint64_t>(bytes.data() + batch_field::kPreviousEnd);
  header.synced = load<uint64_t>(bytes.data() + batch_field::kSynced);
  const uint64_t limit = std::numeric_limits<uint64_t>::max() / 4;
  if (header.payload_bytes > limit || header.position > limit) return std::nullopt;
  if (header.previous_end > header.position || header.synced > header.previous_end)
    return std::nullopt;
  return header;
}

bool batch_is_intact(std::string_view batch, uint32_t checksum_seed) {
  if (runtime::mutant(runtime::Mutant::torn_tail_accepted)) return true;
  return batch.size() >= kBatchHeaderBytes &&
         load<uint32_t>(batch.data() + batch_field::kChecksum) ==
             runtime::crc32c_extend(checksum_seed, batch.data() + batch_field::kPayloadBytes,
                                    batch.size() - batch_field::kPayloadBytes);
}

size_t find_batch_magic(std::string_view bytes, size_t from) {
  return bytes.find(kBatchMagic, from);
}

runtime::Result<Segment> create_segment(runtime::FileSystem& files, const std::string& directory,
                                        const SegmentHeader& header, uint64_t file_bytes) {
  Segment segment;
  segment.start = header.name.start;
  segment.end = header.name.start;
  segment.capacity = file_bytes - kSegmentHeaderBytes;
  segment.path = directory + "/" + format_segment_name(header.name);
  auto file = files.open(segment.path, runtime::OpenMode::create_new);
  if (!file) return std::unexpected(std::move(file.error()));
  if (auto prepared = prepare_segment(files, **file, directory, header, file_bytes); !prepared) {
    file->reset();
    // At once, because the disk may be full; it is the caller's if that fails.
    if (auto removed = files.remove(segment.path); !removed) {
      spdlog::warn("journal: an unfinished segment stays behind: {}", removed.error().message);
    }
    return std::unexpected(std::move(prepared.error()));
  }
  segment.file = std::move(*file);
  return segment;
}

}  // namespace quorate::storage
