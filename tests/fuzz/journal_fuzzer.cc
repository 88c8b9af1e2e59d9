// Arbitrary bytes as the segments of a directory: whatever they are, reading them neither crashes
// nor delivers a batch whose checksum is wrong.
//
// First byte: 1 repairs, 2 cuts the rest into two segments, 4 makes the checksums right first, so
// that the fuzzer gets past them to what the headers say.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "quorate/storage/journal.h"

#include "sim/sim_file_system.h"
#include "storage/journal_segment.h"

namespace {

using namespace quorate;
using storage::kBatchHeaderBytes;
using storage::kSegmentHeaderBytes;

const std::string kDirectory = "/journal";

void require(bool holds) {
  if (!holds) std::abort();
}

void make_checksums_right(const storage::SegmentName& name, std::string& file) {
  if (file.size() < kSegmentHeaderBytes) return;
  storage::SegmentHeader header;
  header.name = name;
  header.shards = 1;
  header.synced = static_cast<unsigned char>(file[40]);
  header.needed = static_cast<unsigned char>(file[48]);
  storage::encode_segment_header(header, file.data());
  const uint32_t seed = storage::batch_checksum_seed(name.generation, name.shard);
  for (size_t at = kSegmentHeaderBytes; at + kBatchHeaderBytes <= file.size();) {
    const auto batch = storage::parse_batch_header(std::string_view(file).substr(at));
    if (!batch || batch->payload_bytes > file.size() - at - kBatchHeaderBytes) break;
    storage::seal_batch(*batch, seed, file.data() + at);
    at += kBatchHeaderBytes + batch->payload_bytes;
  }
}

struct Segments {
  std::string files[2];
  uint64_t starts[2] = {0, 0};
  size_t count = 1;
};

Segments cut(std::string_view input, unsigned flags) {
  Segments segments;
  segments.files[0] = input;
  if ((flags & 2) != 0 && input.size() >= kSegmentHeaderBytes + 2) {
    const size_t at = kSegmentHeaderBytes + (input.size() - kSegmentHeaderBytes) / 2;
    segments.files[0] = input.substr(0, at);
    segments.files[1] = input.substr(at);
    segments.starts[1] = at - kSegmentHeaderBytes;
    segments.count = 2;
  }
  return segments;
}

// The delivered batch stands in the file it names, whole and with the right checksum.
void check(const storage::RecoveredBatch& batch, const Segments& segments) {
  const size_t which = segments.count == 2 && batch.position >= segments.starts[1] ? 1 : 0;
  const std::string& file = segments.files[which];
  const uint64_t offset = kSegmentHeaderBytes + batch.position - segments.starts[which];
  require(offset + kBatchHeaderBytes + batch.payload.size() <= file.size());
  const auto whole =
      std::string_view(file).substr(offset, kBatchHeaderBytes + batch.payload.size());
  require(whole.substr(kBatchHeaderBytes) == batch.payload);
  require(storage::batch_is_intact(whole, storage::batch_checksum_seed(1, 0)));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const unsigned flags = data[0];
  Segments segments = cut({reinterpret_cast<const char*>(data) + 1, size - 1}, flags);
  sim::SimFileSystem files(1);
  for (size_t i = 0; i < segments.count; ++i) {
    const storage::SegmentName name{1, 0, segments.starts[i]};
    if ((flags & 4) != 0) make_checksums_right(name, segments.files[i]);
    files.put(kDirectory + "/" + storage::format_segment_name(name), segments.files[i]);
  }
  uint64_t previous_end = 0;
  uint64_t batches = 0;
  const auto survey = storage::read_journals(
      files, kDirectory, (flags & 1) != 0,
      [&](const storage::RecoveredBatch& batch) -> runtime::Status {
        check(batch, segments);
        require(batch.position >= previous_end);
        previous_end = batch.position + kBatchHeaderBytes + batch.payload.size();
        ++batches;
        return {};
      },
      nullptr);
  if (survey) require(survey->batches == batches && survey->files.size() == segments.count);
  return 0;
}
