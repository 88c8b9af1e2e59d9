#include "quorate/storage/journal.h"

#include <cerrno>
#include <gtest/gtest.h>

#include "storage/journal_rig.h"

namespace quorate::storage {
namespace {

using sim::FileOperation;

Journal::Options small_segments(SyncPolicy policy = SyncPolicy::no) {
  Journal::Options options;
  options.generation = 1;
  options.segment_bytes = 4096;
  options.policy = policy;
  return options;
}

TEST(Journal, ATurnIsOneWriteAndOneBatch) {
  JournalRig rig(1);
  rig.start(small_segments());
  const uint64_t writes = rig.files.operations(FileOperation::write);
  rig.append(10);
  rig.append(0);
  rig.append(20);
  const uint64_t end = rig.journal->end_position();
  ASSERT_TRUE(rig.journal->write_batch());
  ASSERT_TRUE(rig.journal->write_batch()) << "nothing to write is no error";
  EXPECT_EQ(rig.files.operations(FileOperation::write), writes + 1);
  EXPECT_EQ(rig.journal->written_position(), end);
  EXPECT_EQ(rig.journal->end_position(), end);
  EXPECT_EQ(rig.journal->statistics().batches, 1u);
  rig.stop();
  const Recovery recovery = recover(rig.files);
  ASSERT_TRUE(recovery.survey);
  EXPECT_EQ(recovery.numbers, numbers_below(3));
  EXPECT_EQ(recovery.survey->batches, 1u);
  EXPECT_EQ(recovery.survey->bytes, 3u * 16 + 30);
  EXPECT_EQ(recovery.survey->newest_generation, 1u);
  EXPECT_TRUE(recovery.survey->torn.empty());
}

TEST(Journal, AlwaysSyncsOnceAtATimeAndTheNextCoversAllWrittenMeanwhile) {
  JournalRig rig(2);
  rig.start(small_segments(SyncPolicy::always));
  rig.sync_thread->set_duration({1000, 1000});
  const uint64_t syncs = rig.files.operations(FileOperation::sync_data);
  std::vector<uint64_t> synced_at;
  rig.journal->on_synced([&] { synced_at.push_back(rig.journal->synced_position()); });
  ASSERT_TRUE(rig.write(10));
  const uint64_t first = rig.journal->written_position();
  rig.world.run_for(500);
  for (int i = 0; i < 5; ++i) ASSERT_TRUE(rig.write(10));
  const uint64_t last = rig.journal->written_position();
  rig.world.run_for(5000);
  EXPECT_EQ(synced_at, (std::vector<uint64_t>{first, last}));
  EXPECT_EQ(rig.files.operations(FileOperation::sync_data), syncs + 2);
}

TEST(Journal, EverysecSyncsWithinASecondAndNoOnlyWhenAsked) {
  JournalRig rig(3);
  rig.start(small_segments(SyncPolicy::everysec));
  ASSERT_TRUE(rig.write(10));
  rig.world.run_for(1'010'000);
  EXPECT_EQ(rig.journal->synced_position(), rig.journal->written_position());
  EXPECT_EQ(rig.journal->statistics().syncs, 1u);
  EXPECT_GE(rig.journal->statistics().last_sync_monotonic_us, 1'000'000u);
  rig.journal->set_policy(SyncPolicy::no);
  ASSERT_TRUE(rig.write(10));
  rig.world.run_for(5'000'000);
  EXPECT_LT(rig.journal->synced_position(), rig.journal->written_position());
  rig.sync();
  ASSERT_TRUE(rig.write(10));
  rig.journal->set_policy(SyncPolicy::always);
  rig.world.run_for(10'000);
  EXPECT_EQ(rig.journal->synced_position(), rig.journal->written_position());
}

TEST(Journal, RollsOverSegmentsAndRemovesThoseBelow) {
  JournalRig rig(4);
  rig.start(small_segments());
  std::vector<uint64_t> positions;
  for (int i = 0; i < 40; ++i) {
    positions.push_back(rig.journal->written_position());
    ASSERT_TRUE(rig.write(500));
    rig.world.run_for(5000);
  }
  EXPECT_GE(rig.segments().size(), 5u);
  rig.sync();
  rig.journal->remove_before(positions[20]);
  rig.world.run_for(10'000);
  EXPECT_LE(rig.segments().size(), 5u);
  EXPECT_EQ(rig.journal->statistics().segments, rig.segments().size());
  rig.stop();
  rig.files.lose_power();
  const Recovery recovery = recover(rig.files);
  ASSERT_TRUE(recovery.survey) << recovery.survey.error().message;
  EXPECT_GT(recovery.numbers.front(), 0u) << "something was removed";
  EXPECT_LE(recovery.numbers.front(), 20u) << "but nothing that is needed";
  EXPECT_EQ(recovery.numbers.back(), 39u);
  EXPECT_TRUE(recovery.survey->torn.empty());
}

TEST(Journal, RemovalIsTriedAgain) {
  JournalRig rig(5);
  rig.start(small_segments());
  for (int i = 0; i < 20; ++i) ASSERT_TRUE(rig.write(500));
  rig.sync();
  const size_t before = rig.segments().size();
  rig.files.fail_next(FileOperation::remove, EIO);
  rig.journal->remove_before(rig.journal->written_position());
  rig.world.run_for(10'000);
  EXPECT_EQ(rig.segments().size(), before);
  rig.world.run_for(2'000'000);
  EXPECT_LE(rig.segments().size(), 2u);
}

TEST(Journal, ABatchLargerThanASegmentGetsOneOfItsOwn) {
  JournalRig rig(6);
  rig.start(small_segments());
  ASSERT_TRUE(rig.write(100));
  ASSERT_TRUE(rig.write(1 << 20));
  EXPECT_GE(rig.journal->statistics().memory_bytes, 1u << 20);
  ASSERT_TRUE(rig.write(100));
  rig.world.run_for(3'000'000);
  EXPECT_LE(rig.journal->statistics().memory_bytes, 128u << 10) << "the buffer shrinks again";
  rig.stop();
  EXPECT_EQ(recover(rig.files).numbers, numbers_below(3));
}

TEST(Journal, AFullDiskBlocksEarlyKeepsTheBatchAndResumes) {
  JournalRig rig(7);
  auto options = small_segments();
  options.segment_bytes = 16384;
  rig.start(options);
  rig.files.set_capacity(rig.files.used_bytes());
  int written = 0;
  while (rig.journal->accepts_writes() && written < 100) {
    ASSERT_TRUE(rig.write(500)) << "writes are refused before they fail";
    rig.world.run_for(100'000);
    ++written;
  }
  EXPECT_LT(written, 100);
  EXPECT_NE(rig.journal->blocked_reason().find("No space left"), std::string::npos)
      << rig.journal->blocked_reason();
  ASSERT_TRUE(rig.write(500)) << "there is room for what is in flight";
  while (rig.write(500)) ++written;
  const auto failed = rig.journal->write_batch();
  ASSERT_FALSE(failed);
  EXPECT_EQ(failed.error().code, ENOSPC);
  EXPECT_GT(rig.journal->end_position(), rig.journal->written_position());
  rig.files.set_capacity(UINT64_MAX);
  rig.world.run_for(2'000'000);
  EXPECT_TRUE(rig.journal->accepts_writes()) << rig.journal->blocked_reason();
  EXPECT_EQ(rig.journal->end_position(), rig.journal->written_position());
  rig.stop();
  EXPECT_EQ(recover(rig.files).numbers, numbers_below(rig.next_number));
}

TEST(Journal, AHugeBatchOnAFullDiskWaitsForSpace) {
  JournalRig rig(8);
  rig.start(small_segments());
  ASSERT_TRUE(rig.write(1000));
  rig.world.run_for(10'000);
  rig.files.set_capacity(rig.files.used_bytes() + 8192);
  EXPECT_FALSE(rig.write(100'000));
  EXPECT_FALSE(rig.journal->accepts_writes());
  rig.world.run_for(3'000'000);
  EXPECT_FALSE(rig.journal->accepts_writes());
  rig.files.set_capacity(UINT64_MAX);
  rig.world.run_for(3'000'000);
  EXPECT_TRUE(rig.journal->accepts_writes()) << rig.journal->blocked_reason();
  rig.stop();
  EXPECT_EQ(recover(rig.files).numbers, numbers_below(2));
}

TEST(Journal, AFailedWriteGoesToANewSegment) {
  JournalRig rig(9);
  rig.start(small_segments());
  ASSERT_TRUE(rig.write(10));
  rig.files.fail_next(FileOperation::write, EIO);
  ASSERT_TRUE(rig.write(10));
  EXPECT_EQ(rig.journal->statistics().write_failures, 1u);
  EXPECT_TRUE(rig.journal->accepts_writes());
  ASSERT_TRUE(rig.write(10));
  rig.sync();
  rig.stop();
  rig.files.lose_power();
  const Recovery recovery = recover(rig.files);
  ASSERT_TRUE(recovery.survey) << recovery.survey.error().message;
  EXPECT_EQ(recovery.numbers, numbers_below(3));
}

TEST(Journal, ASegmentThatCouldNeitherBeMadeNorRemovedDoesNotOutliveThoseAroundIt) {
  JournalRig rig(9563);
  rig.start(small_segments());
  ASSERT_TRUE(rig.write(10));
  rig.files.fail_next(FileOperation::sync_data, EIO);
  rig.files.fail_next(FileOperation::remove, EIO, 3);
  for (int i = 0; i < 50; ++i) {
    (void)rig.write(500);  // the first that needs a new segment may have to wait for it
    rig.world.run_for(100'000);
  }
  rig.journal->remove_before(rig.journal->written_position());
  rig.world.run_for(10'000'000);
  ASSERT_TRUE(rig.journal->accepts_writes()) << rig.journal->blocked_reason();
  EXPECT_GE(rig.journal->statistics().batches, 40u);
  EXPECT_EQ(rig.files.list(kDirectory)->size(), rig.journal->statistics().segments);
  rig.stop();
  const Recovery recovery = recover(rig.files);
  ASSERT_TRUE(recovery.survey) << recovery.survey.error().message;
}

TEST(Journal, ADiskThatRefusesEveryWriteBlocksUntilItRecovers) {
  JournalRig rig(10);
  rig.start(small_segments());
  rig.files.fail_randomly(FileOperation::write, EIO, 1.0);
  EXPECT_FALSE(rig.write(10));
  EXPECT_FALSE(rig.journal->accepts_writes());
  EXPECT_NE(rig.journal->blocked_reason().find("Input/output error"), std::string::npos);
  rig.world.run_for(5'000'000);
  EXPECT_FALSE(rig.journal->accepts_writes());
  EXPECT_LE(rig.segments().size(), 3u) << "tries leave nothing behind";
  rig.files.heal();
  rig.world.run_for(3'000'000);
  EXPECT_TRUE(rig.journal->accepts_writes()) << rig.journal->blocked_reason();
  rig.stop();
  EXPECT_EQ(recover(rig.files).numbers, numbers_below(1));
}

TEST(Journal, AFailedSyncBlocksUntilACheckpointAndARestart) {
  JournalRig rig(11);
  rig.start(small_segments(SyncPolicy::always));
  ASSERT_TRUE(rig.write(10));
  rig.world.run_for(10'000);
  int failures = 0;
  rig.journal->on_failed([&] { ++failures; });
  rig.files.fail_next(FileOperation::sync_data, EIO);
  const uint64_t synced = rig.journal->synced_position();
  ASSERT_TRUE(rig.write(10));
  rig.world.run_for(100'000);
  EXPECT_EQ(failures, 1);
  EXPECT_EQ(rig.journal->synced_position(), synced);
  EXPECT_FALSE(rig.journal->accepts_writes());
  EXPECT_FALSE(rig.write(10)) << "kept, not written";
  rig.world.run_for(5'000'000);
  EXPECT_EQ(rig.journal->synced_position(), synced) << "no later sync may hide the failed one";

  const uint64_t written = rig.journal->written_position();
  EXPECT_FALSE(rig.journal->restart(written - 1));
  rig.files.fail_next(FileOperation::allocate, ENOSPC, 2);
  ASSERT_TRUE(rig.journal->restart(written));
  rig.world.run_for(10'000);
  EXPECT_FALSE(rig.journal->accepts_writes());
  rig.world.run_for(5'000'000);
  EXPECT_TRUE(rig.journal->accepts_writes()) << rig.journal->blocked_reason();
  EXPECT_EQ(rig.journal->synced_position(), rig.journal->end_position());
  EXPECT_GT(rig.journal->synced_position(), written);
  rig.stop();
  rig.files.lose_power();
  const Recovery recovery = recover(rig.files);
  ASSERT_TRUE(recovery.survey) << recovery.survey.error().message;
  EXPECT_EQ(recovery.numbers, (std::vector<uint64_t>{2})) << "what the checkpoint did not hold";
}

TEST(Journal, OpenFailsWithTheReasonAndLeavesNothing) {
  JournalRig rig(12);
  rig.files.fail_next(FileOperation::allocate, ENOSPC);
  auto loop = rig.world.make_loop(99);
  auto worker = rig.world.make_worker(99);
  auto options = small_segments();
  options.directory = kDirectory;
  const auto failed = Journal::open(rig.files, *loop, *worker, options);
  ASSERT_FALSE(failed);
  EXPECT_EQ(failed.error().code, ENOSPC);
  EXPECT_TRUE(rig.segments().empty());
  ASSERT_TRUE(Journal::open(rig.files, *loop, *worker, options));
  EXPECT_FALSE(Journal::open(rig.files, *loop, *worker, options)) << "a generation is used once";
}

TEST(Journal, MayBeDestroyedWithJobsUnderWay) {
  JournalRig rig(13);
  rig.start(small_segments(SyncPolicy::always));
  for (int i = 0; i < 10; ++i) ASSERT_TRUE(rig.write(500));
  rig.journal->remove_before(rig.journal->written_position());
  rig.loop->set_turn_end(nullptr);
  rig.journal.reset();
  rig.world.run_for(5'000'000);
  EXPECT_EQ(rig.sync_thread->queued(), 0u);
}

TEST(Journal, NoAllocationNorSyncOnTheShardsThreadWhileTheDiskKeepsUp) {
  JournalRig rig(14);
  auto options = small_segments(SyncPolicy::everysec);
  options.segment_bytes = 65536;
  rig.start(options);
  const uint64_t capacity = rig.journal->statistics().memory_bytes;
  for (int i = 0; i < 1000; ++i) {
    const uint64_t opens = rig.files.operations(FileOperation::open);
    const uint64_t syncs = rig.files.operations(FileOperation::sync_data);
    ASSERT_TRUE(rig.write(1000));
    ASSERT_EQ(rig.files.operations(FileOperation::open), opens);
    ASSERT_EQ(rig.files.operations(FileOperation::sync_data), syncs);
    rig.world.run_for(2000);
  }
  EXPECT_EQ(rig.journal->statistics().memory_bytes, capacity);
}

}  // namespace
}  // namespace quorate::storage
