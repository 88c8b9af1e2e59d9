// A journal on a simulated disk, with numbered records that prove themselves: record n has a size
// and bytes that follow from n, so that what recovery delivers can be checked without keeping what
// was written.
#pragma once

#include <cstring>
#include <gtest/gtest.h>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "quorate/storage/journal.h"

#include "sim/sim_file_system.h"
#include "sim/sim_loop.h"
#include "storage/journal_segment.h"

namespace quorate::storage {

inline const std::string kDirectory = "/data/journal";

inline std::string record_bytes(uint64_t number, size_t payload_bytes) {
  std::string bytes(16 + payload_bytes, '\0');
  std::memcpy(bytes.data(), &number, 8);
  const uint64_t size = payload_bytes;
  std::memcpy(bytes.data() + 8, &size, 8);
  for (size_t i = 0; i < payload_bytes; ++i) {
    bytes[16 + i] = static_cast<char>(number * 131 + i * 7);
  }
  return bytes;
}

// The record numbers in a batch's payload, each checked.
inline std::vector<uint64_t> record_numbers(std::string_view payload) {
  std::vector<uint64_t> numbers;
  while (!payload.empty()) {
    uint64_t number = 0;
    uint64_t size = 0;
    if (payload.size() >= 16) {
      std::memcpy(&number, payload.data(), 8);
      std::memcpy(&size, payload.data() + 8, 8);
    }
    if (payload.size() < 16 || payload.size() - 16 < size ||
        payload.substr(0, 16 + size) != record_bytes(number, size)) {
      ADD_FAILURE() << "a corrupted record was delivered";
      return numbers;
    }
    numbers.push_back(number);
    payload.remove_prefix(16 + size);
  }
  return numbers;
}

struct Recovery {
  runtime::Result<JournalSurvey> survey;
  std::vector<uint64_t> numbers;
  std::vector<RecoveredBatch> batches;  // payloads emptied
};

inline Recovery recover(sim::SimFileSystem& files, bool repair = false) {
  std::vector<uint64_t> numbers;
  std::vector<RecoveredBatch> batches;
  auto survey = read_journals(
      files, kDirectory, repair,
      [&](const RecoveredBatch& batch) -> runtime::Status {
        const auto found = record_numbers(batch.payload);
        numbers.insert(numbers.end(), found.begin(), found.end());
        batches.push_back(batch);
        batches.back().payload = {};
        return {};
      },
      nullptr);
  return {std::move(survey), std::move(numbers), std::move(batches)};
}

// One shard of one process run. Each turn of its loop ends with write_batch().
class JournalRig {
 public:
  explicit JournalRig(uint64_t seed) : world(seed), files(seed + 1) {
    EXPECT_TRUE(files.make_directory(kDirectory));
  }
  ~JournalRig() { stop(); }

  void start(Journal::Options options) {
    stop();
    ++node_;
    loop = world.make_loop(node_);
    sync_thread = world.make_worker(node_);
    options.directory = kDirectory;
    auto opened = Journal::open(files, *loop, *sync_thread, std::move(options));
    ASSERT_TRUE(opened) << opened.error().message;
    journal = *std::move(opened);
    loop->set_turn_end([this] { last_write = journal->write_batch(); });
  }

  // The process is gone; the caller decides what the disk does.
  void stop() {
    world.crash(node_);
    journal.reset();
    loop.reset();
    sync_thread.reset();
  }

  uint64_t append(size_t payload_bytes) {
    const std::string bytes = record_bytes(next_number, payload_bytes);
    std::memcpy(journal->reserve(bytes.size()), bytes.data(), bytes.size());
    journal->commit(bytes.size());
    return next_number++;
  }

  // Appends in a turn of its own and writes it.
  runtime::Status write(size_t payload_bytes) {
    append(payload_bytes);
    return journal->write_batch();
  }

  void sync() {
    journal->request_sync();
    EXPECT_TRUE(world.run_until(
        [this] { return journal->synced_position() >= journal->written_position(); },
        world.now_us() + 10'000'000));
  }

  std::string segment_path(uint64_t generation, uint32_t shard, uint64_t start) const {
    return kDirectory + "/" + format_segment_name({generation, shard, start});
  }

  std::vector<SegmentName> segments() { return list_segments(files, kDirectory).value(); }

  sim::SimWorld world;
  sim::SimFileSystem files;
  std::unique_ptr<sim::SimLoop> loop;
  std::unique_ptr<sim::SimWorker> sync_thread;
  std::unique_ptr<Journal> journal;
  runtime::Status last_write;
  uint64_t next_number = 0;

 private:
  sim::NodeId node_ = 0;
};

inline std::vector<uint64_t> numbers_below(uint64_t end) {
  std::vector<uint64_t> numbers;
  for (uint64_t number = 0; number < end; ++number) numbers.push_back(number);
  return numbers;
}

}  // namespace quorate::storage
