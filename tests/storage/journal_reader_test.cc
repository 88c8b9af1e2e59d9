#include <cerrno>
#include <gtest/gtest.h>

#include "quorate/runtime/crc32c.h"

#include "storage/journal_rig.h"

namespace quorate::storage {
namespace {

using sim::FileOperation;

Journal::Options segments_of(uint64_t bytes, uint64_t generation = 1) {
  Journal::Options options;
  options.generation = generation;
  options.segment_bytes = bytes;
  options.policy = SyncPolicy::no;
  return options;
}

// Offset in the file of the nth batch when all have records of `payload_bytes`.
uint64_t batch_offset(uint64_t nth, uint64_t payload_bytes) {
  return kSegmentHeaderBytes + nth * (kBatchHeaderBytes + 16 + payload_bytes);
}

void expect_error_at(const Recovery& recovery, const std::string& path, uint64_t offset) {
  ASSERT_FALSE(recovery.survey);
  const std::string& message = recovery.survey.error().message;
  EXPECT_NE(message.find(path), std::string::npos) << message;
  EXPECT_NE(message.find("offset " + std::to_string(offset)), std::string::npos) << message;
}

TEST(JournalReader, AnEmptyDirectoryIsNoJournal) {
  JournalRig rig(1);
  rig.files.put(kDirectory + "/journal-notes.txt", "not a segment");
  const Recovery recovery = recover(rig.files);
  ASSERT_TRUE(recovery.survey);
  EXPECT_EQ(recovery.survey->newest_generation, 0u);
  EXPECT_TRUE(recovery.survey->files.empty());
}

TEST(JournalReader, AMissingDirectoryIsAnError) {
  sim::SimFileSystem files(1);
  EXPECT_FALSE(recover(files).survey);
}

TEST(JournalReader, SegmentNamesSortAsTheyAreRead) {
  const SegmentName name{0x1f, 3, 0xabcdef};
  EXPECT_EQ(format_segment_name(name),
            "journal-000000000000001f-0000000000000003-0000000000abcdef.qj");
  EXPECT_EQ(parse_segment_name(format_segment_name(name)), name);
  EXPECT_FALSE(parse_segment_name("journal-000000000000001F-0000000000000003-0000000000abcdef.qj"));
  EXPECT_FALSE(parse_segment_name("journal-000000000000001f_0000000000000003-0000000000abcdef.qj"));
  EXPECT_FALSE(parse_segment_name("journal-000000000000001f-0000000100000003-0000000000abcdef.qj"));
  EXPECT_FALSE(parse_segment_name("journal-1-2-3.qj"));
}

// Two generations of two shards in one directory, as two runs with `threads 2` leave them.
TEST(JournalReader, DeliversGenerationsAndShardsInOrder) {
  JournalRig rig(2);
  for (uint64_t generation = 1; generation <= 2; ++generation) {
    auto options = segments_of(4096, generation);
    options.shards = 2;
    rig.start(options);
    options.directory = kDirectory;
    options.shard = 1;
    auto second = Journal::open(rig.files, *rig.loop, *rig.sync_thread, options);
    ASSERT_TRUE(second);
    for (int i = 0; i < 10; ++i) {
      ASSERT_TRUE(rig.write(600));
      const std::string bytes = record_bytes(1000 + generation, 5);
      std::memcpy((*second)->reserve(bytes.size()), bytes.data(), bytes.size());
      (*second)->commit(bytes.size());
      ASSERT_TRUE((*second)->write_batch());
    }
  }
  rig.stop();
  const Recovery recovery = recover(rig.files);
  ASSERT_TRUE(recovery.survey);
  EXPECT_EQ(recovery.survey->newest_generation, 2u);
  ASSERT_EQ(recovery.batches.size(), 40u);
  for (size_t i = 0; i < recovery.batches.size(); ++i) {
    EXPECT_EQ(recovery.batches[i].generation, 1 + i / 20);
    EXPECT_EQ(recovery.batches[i].shard, i / 10 % 2);
    EXPECT_EQ(recovery.batches[i].shards, 2u);
    if (i % 10 != 0) {
      EXPECT_GT(recovery.batches[i].position, recovery.batches[i - 1].position);
    }
  }
  ASSERT_TRUE(remove_journals_before(rig.files, kDirectory, 2));
  rig.files.lose_power();
  for (const SegmentName& name : rig.segments()) EXPECT_EQ(name.generation, 2u);
}

TEST(JournalReader, CutsATornTailAndSaysHowMuch) {
  JournalRig rig(3);
  rig.start(segments_of(65536));
  for (int i = 0; i < 5; ++i) ASSERT_TRUE(rig.write(100));
  rig.stop();
  const std::string path = rig.segment_path(1, 0, 0);
  std::string bytes = rig.files.contents(path).value();
  const uint64_t cut = batch_offset(3, 100);
  bytes.replace(cut + 60, 1000, 1000, '\0');
  rig.files.put(path, bytes);
  const Recovery recovery = recover(rig.files);
  ASSERT_TRUE(recovery.survey) << recovery.survey.error().message;
  EXPECT_EQ(recovery.numbers, numbers_below(3));
  ASSERT_EQ(recovery.survey->torn.size(), 1u);
  const std::string& line = recovery.survey->torn[0];
  EXPECT_NE(line.find(path), std::string::npos) << line;
  EXPECT_NE(line.find("offset " + std::to_string(cut)), std::string::npos) << line;
  EXPECT_NE(line.find(" 60 bytes dropped"), std::string::npos) << line;
}

TEST(JournalReader, AFlippedBitBeforeTheSyncedPositionIsDamage) {
  constexpr uint64_t kPayload = 100;
  for (uint64_t byte = 0; byte < kBatchHeaderBytes + 16 + kPayload; ++byte) {
    JournalRig rig(4);
    rig.start(segments_of(65536));
    for (int i = 0; i < 5; ++i) ASSERT_TRUE(rig.write(kPayload));
    rig.sync();
    ASSERT_TRUE(rig.write(kPayload)) << "this one's header knows of the sync";
    rig.stop();
    const std::string path = rig.segment_path(1, 0, 0);
    const uint64_t damaged = batch_offset(2, kPayload);
    rig.files.flip_bit(path, damaged + byte, static_cast<unsigned>(byte % 8));
    expect_error_at(recover(rig.files), path, damaged);
    const Recovery repaired = recover(rig.files, true);
    ASSERT_TRUE(repaired.survey) << repaired.survey.error().message;
    EXPECT_EQ(repaired.numbers, numbers_below(2));
    EXPECT_EQ(repaired.survey->torn.size(), 1u);
  }
}

TEST(JournalReader, AFlippedBitBeyondTheSyncedPositionIsATornTail) {
  JournalRig rig(5);
  rig.start(segments_of(65536));
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(rig.write(100));
  rig.sync();
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(rig.write(100));
  rig.stop();
  rig.files.flip_bit(rig.segment_path(1, 0, 0), batch_offset(4, 100) + 70, 3);
  const Recovery recovery = recover(rig.files);
  ASSERT_TRUE(recovery.survey) << recovery.survey.error().message;
  EXPECT_EQ(recovery.numbers, numbers_below(4));
  EXPECT_EQ(recovery.survey->torn.size(), 1u);
}

// Else it would look like all that is left of a journal once the segments before it are removed.
TEST(JournalReader, ASegmentBehindACutNeverComesBack) {
  JournalRig rig(13);
  rig.start(segments_of(4096));
  while (rig.segments().size() < 3) ASSERT_TRUE(rig.write(300));
  rig.stop();
  rig.files.flip_bit(rig.segment_path(1, 0, 0), batch_offset(2, 300) + 70, 3);
  const Recovery cut = recover(rig.files);
  ASSERT_TRUE(cut.survey) << cut.survey.error().message;
  EXPECT_EQ(cut.numbers, numbers_below(2));
  rig.files.lose_power();
  ASSERT_TRUE(rig.files.remove(rig.segment_path(1, 0, 0)));
  const Recovery later = recover(rig.files);
  ASSERT_TRUE(later.survey) << later.survey.error().message;
  EXPECT_TRUE(later.numbers.empty());
}

// The proof that the damaged place was synced may stand in a later segment only.
TEST(JournalReader, ALaterSegmentProvesTheDamage) {
  JournalRig rig(6);
  rig.start(segments_of(4096));
  while (rig.segments().size() < 3) {
    ASSERT_TRUE(rig.write(100));
    rig.sync();
  }
  rig.stop();
  const std::string path = rig.segment_path(1, 0, 0);
  const uint64_t last = batch_offset((4096 - kSegmentHeaderBytes) / 156 - 1, 100);
  rig.files.flip_bit(path, last + 50, 0);
  expect_error_at(recover(rig.files), path, last);
}

TEST(JournalReader, AMissingSegmentInTheMiddleIsDamageAndAtTheBeginningRemoval) {
  JournalRig rig(7);
  rig.start(segments_of(4096));
  for (int i = 0; i < 60; ++i) {
    ASSERT_TRUE(rig.write(300));
    rig.sync();
  }
  rig.stop();
  const auto segments = rig.segments();
  ASSERT_GE(segments.size(), 5u);
  const std::string first = rig.segment_path(1, 0, segments[0].start);
  const std::string third = rig.segment_path(1, 0, segments[2].start);
  ASSERT_TRUE(rig.files.remove(first));
  const Recovery removed = recover(rig.files);
  ASSERT_TRUE(removed.survey) << removed.survey.error().message;
  EXPECT_GT(removed.numbers.front(), 0u);
  EXPECT_EQ(removed.numbers.back(), 59u);
  ASSERT_TRUE(rig.files.remove(third));
  const Recovery gap = recover(rig.files);
  ASSERT_FALSE(gap.survey);
  const std::string& message = gap.survey.error().message;
  EXPECT_NE(message.find(rig.segment_path(1, 0, segments[1].start)), std::string::npos) << message;
  EXPECT_NE(message.find("a later segment goes on"), std::string::npos) << message;
  const Recovery repaired = recover(rig.files, true);
  ASSERT_TRUE(repaired.survey);
  EXPECT_LT(repaired.numbers.back(), 59u);
}

TEST(JournalReader, ADamagedSegmentHeaderBeforeBatchesIsDamage) {
  JournalRig rig(8);
  rig.start(segments_of(4096));
  ASSERT_TRUE(rig.write(100));
  rig.stop();
  const std::string path = rig.segment_path(1, 0, 0);
  for (uint64_t byte = 0; byte < kSegmentHeaderBytes; ++byte) {
    rig.files.flip_bit(path, byte, 5);
    expect_error_at(recover(rig.files), path, 0);
    rig.files.flip_bit(path, byte, 5);
  }
  EXPECT_EQ(recover(rig.files).numbers, numbers_below(1));
}

TEST(JournalReader, AnAllocationThatACrashCutShortIsPassedOver) {
  JournalRig rig(9);
  rig.start(segments_of(4096));
  ASSERT_TRUE(rig.write(100));
  rig.stop();
  const std::string next = rig.segment_path(1, 0, 4096 - kSegmentHeaderBytes);
  for (const std::string& bytes : {std::string(), std::string(4096, '\0'), std::string(10, 'x')}) {
    rig.files.put(next, bytes);
    const Recovery recovery = recover(rig.files);
    ASSERT_TRUE(recovery.survey) << recovery.survey.error().message;
    EXPECT_EQ(recovery.numbers, numbers_below(1));
  }
}

TEST(JournalReader, ANewerFormatIsRefusedBeforeAnythingIsDelivered) {
  JournalRig rig(10);
  rig.start(segments_of(4096));
  ASSERT_TRUE(rig.write(100));
  rig.start(segments_of(4096, 2));
  rig.stop();
  const std::string path = rig.segment_path(2, 0, 0);
  std::string bytes = rig.files.contents(path).value();
  bytes[8] = static_cast<char>(kJournalVersion + 1);
  const uint32_t checksum = runtime::crc32c(std::string_view(bytes).substr(0, 60));
  std::memcpy(bytes.data() + 60, &checksum, 4);
  rig.files.put(path, bytes);
  for (const bool repair : {false, true}) {
    const Recovery recovery = recover(rig.files, repair);
    ASSERT_FALSE(recovery.survey);
    EXPECT_NE(recovery.survey.error().message.find("newer"), std::string::npos);
    EXPECT_NE(recovery.survey.error().message.find(path), std::string::npos);
    EXPECT_TRUE(recovery.numbers.empty());
  }
}

TEST(JournalReader, BlocksOfAnotherJournalAreNotItsOwn) {
  JournalRig rig(11);
  rig.start(segments_of(4096));
  ASSERT_TRUE(rig.write(100));
  rig.start(segments_of(4096, 2));
  rig.stop();
  const std::string old_path = rig.segment_path(1, 0, 0);
  const std::string new_path = rig.segment_path(2, 0, 0);
  std::string bytes = rig.files.contents(new_path).value();
  bytes.replace(kSegmentHeaderBytes, 1000,
                rig.files.contents(old_path).value().substr(kSegmentHeaderBytes, 1000));
  rig.files.put(new_path, bytes);
  const Recovery recovery = recover(rig.files);
  ASSERT_TRUE(recovery.survey);
  EXPECT_EQ(recovery.numbers, numbers_below(1));
  EXPECT_EQ(recovery.survey->torn.size(), 1u);
}

TEST(JournalReader, AnUnreadableSectorStopsTheStartUnlessToldToRepair) {
  JournalRig rig(12);
  rig.start(segments_of(4 << 20));
  for (int i = 0; i < 30; ++i) ASSERT_TRUE(rig.write(100'000));
  rig.stop();
  const uint64_t header_reads = 1;
  rig.files.fail_next(FileOperation::read, EIO, 1, header_reads + 1);
  const Recovery failed = recover(rig.files);
  ASSERT_FALSE(failed.survey);
  EXPECT_EQ(failed.survey.error().code, EIO);
  EXPECT_NE(failed.survey.error().message.find(rig.segment_path(1, 0, 0)), std::string::npos);
  rig.files.fail_next(FileOperation::read, EIO, 100, header_reads + 1);
  const Recovery repaired = recover(rig.files, true);
  ASSERT_TRUE(repaired.survey);
  EXPECT_GT(repaired.numbers.size(), 0u);
  EXPECT_LT(repaired.numbers.size(), 30u);
}

TEST(JournalReader, StopsWithTheErrorOfItsReceiver) {
  JournalRig rig(13);
  rig.start(segments_of(65536));
  for (int i = 0; i < 5; ++i) ASSERT_TRUE(rig.write(100));
  rig.stop();
  int delivered = 0;
  const auto survey = read_journals(
      rig.files, kDirectory, false,
      [&](const RecoveredBatch&) -> runtime::Status {
        if (++delivered == 3) return runtime::fail("enough");
        return {};
      },
      nullptr);
  ASSERT_FALSE(survey);
  EXPECT_EQ(survey.error().message, "enough");
  EXPECT_EQ(delivered, 3);
}

TEST(JournalReader, ProgressGrowsToTheWhole) {
  JournalRig rig(14);
  rig.start(segments_of(1 << 20));
  for (int i = 0; i < 50; ++i) ASSERT_TRUE(rig.write(100'000));
  rig.stop();
  uint64_t last = 0;
  uint64_t calls = 0;
  uint64_t total = 0;
  const auto survey = read_journals(
      rig.files, kDirectory, false, [](const RecoveredBatch&) { return runtime::Status{}; },
      [&](uint64_t done, uint64_t all) {
        EXPECT_GE(done, last);
        last = done;
        total = all;
        ++calls;
      });
  ASSERT_TRUE(survey);
  EXPECT_GE(total, 5'000'000u);
  EXPECT_EQ(last, total);
  EXPECT_GE(calls, 4u);
}

// After a failed sync and a crash of the process the page cache shows what the disk does not have,
// and a sync of it succeeds without writing. What recovery delivers must outlive a power loss all
// the same.
TEST(JournalReader, WhatWasDeliveredIsDurableEvenAfterAFailedSync) {
  for (uint64_t seed = 0; seed < 50; ++seed) {
    JournalRig rig(seed);
    rig.start(segments_of(65536));
    for (int i = 0; i < 5; ++i) ASSERT_TRUE(rig.write(1000));
    rig.files.fail_next(FileOperation::sync_data, EIO);
    rig.journal->request_sync();
    rig.world.run_for(10'000);
    EXPECT_FALSE(rig.journal->accepts_writes());
    rig.stop();
    rig.files.crash_process();
    ASSERT_EQ(recover(rig.files).numbers, numbers_below(5));
    rig.files.lose_power();
    ASSERT_EQ(recover(rig.files).numbers, numbers_below(5)) << "seed " << seed;
  }
}

}  // namespace
}  // namespace quorate::storage
