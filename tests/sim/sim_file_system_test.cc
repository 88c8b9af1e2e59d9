#include "sim/sim_file_system.h"

#include <algorithm>
#include <cerrno>
#include <gtest/gtest.h>
#include <set>
#include <string>

namespace quorate::sim {
namespace {

using runtime::OpenMode;

constexpr const char* kPath = "/d/file";

// A file system with one durable file of `bytes` zeros.
std::unique_ptr<SimFileSystem> with_file(uint64_t seed, size_t bytes) {
  auto files = std::make_unique<SimFileSystem>(seed);
  files->put(kPath, std::string(bytes, '\0'));
  return files;
}

TEST(SimFileSystem, ReadsBackWhatWasWritten) {
  SimFileSystem files(1);
  ASSERT_TRUE(files.make_directory("/a/b"));
  EXPECT_FALSE(files.open("/a/b/missing", OpenMode::read_write));
  EXPECT_FALSE(files.open("/nowhere/file", OpenMode::create));
  auto file = files.open("/a/b/file", OpenMode::create_new);
  ASSERT_TRUE(file);
  EXPECT_FALSE(files.open("/a/b/file", OpenMode::create_new));
  ASSERT_TRUE((*file)->write_at(3, "hello"));
  ASSERT_TRUE((*file)->allocate(20));
  EXPECT_EQ((*file)->size().value(), 20u);
  char bytes[32];
  EXPECT_EQ((*file)->read_at(0, bytes).value(), 20u);
  EXPECT_EQ(std::string_view(bytes, 8), std::string_view("\0\0\0hello", 8));
  ASSERT_TRUE((*file)->truncate(5));
  EXPECT_EQ((*file)->read_at(3, bytes).value(), 2u);
  ASSERT_TRUE(files.rename("/a/b/file", "/a/other"));
  EXPECT_EQ(files.list("/a").value(), (std::vector<std::string>{"b", "other"}));
  EXPECT_TRUE(files.list("/a/b").value().empty());
  EXPECT_EQ(runtime::read_file(files, "/a/other").value(), std::string("\0\0\0he", 5));
  ASSERT_TRUE(files.remove("/a/other"));
  EXPECT_FALSE(files.exists("/a/other"));
  auto read_only = with_file(1, 10)->open(kPath, OpenMode::read_only);
  ASSERT_TRUE(read_only);
}

TEST(SimFileSystem, AReplacedFileIsOldOrNewAfterAPowerLossAtAnyOperation) {
  std::set<std::string> seen;
  for (uint64_t seed = 0; seed < 300; ++seed) {
    SimFileSystem files(seed);
    files.put(kPath, "old");
    files.halt_after(seed % 8);
    const bool done = runtime::replace_file(files, kPath, "new").has_value();
    EXPECT_EQ(done, !files.halted());
    files.lose_power();
    const std::string after = runtime::read_file(files, kPath).value();
    EXPECT_TRUE(after == "old" || after == "new") << "seed " << seed << ": " << after;
    if (done) {
      EXPECT_EQ(after, "new");
    }
    seen.insert(after);
  }
  EXPECT_EQ(seen.size(), 2u);
}

TEST(SimFileSystem, SyncedDataSurvivesAndUnsyncedIsKeptLostOrTornInAnyOrder) {
  std::set<std::string> outcomes;
  for (uint64_t seed = 0; seed < 500; ++seed) {
    const auto files = with_file(seed, 3000);
    auto file = files->open(kPath, OpenMode::read_write).value();
    ASSERT_TRUE(file->write_at(0, std::string(1000, 's')));
    ASSERT_TRUE(file->sync_data());
    ASSERT_TRUE(file->write_at(1000, std::string(1000, 'a')));
    ASSERT_TRUE(file->write_at(2000, std::string(1000, 'b')));
    files->lose_power();
    EXPECT_EQ(file->sync_data().error().code, EBADF) << "a handle of before";
    const std::string after = files->contents(kPath).value();
    ASSERT_EQ(after.size(), 3000u);
    EXPECT_EQ(after.substr(0, 1000), std::string(1000, 's'));
    const auto outcome = [&](size_t at, char byte) {
      const auto kept = std::count(after.begin() + static_cast<ptrdiff_t>(at),
                                   after.begin() + static_cast<ptrdiff_t>(at) + 1000, byte);
      return kept == 0 ? "lost" : kept == 1000 ? "kept" : "torn";
    };
    outcomes.insert(std::string(outcome(1000, 'a')) + " " + outcome(2000, 'b'));
  }
  EXPECT_EQ(outcomes.size(), 9u) << "every combination, also the later write without the earlier";
}

TEST(SimFileSystem, NamesNeedTheirDirectorySynced) {
  int vanished = 0;
  int returned = 0;
  for (uint64_t seed = 0; seed < 100; ++seed) {
    SimFileSystem files(seed);
    files.put("/d/old", "old");
    auto file = files.open("/d/safe", OpenMode::create_new).value();
    ASSERT_TRUE(files.sync_directory("/d"));
    ASSERT_TRUE(files.open("/d/unsafe", OpenMode::create_new));
    ASSERT_TRUE(files.remove("/d/old"));
    files.lose_power();
    EXPECT_TRUE(files.exists("/d/safe"));
    vanished += files.exists("/d/unsafe") ? 0 : 1;
    returned += files.exists("/d/old") ? 1 : 0;
  }
  EXPECT_GT(vanished, 20);
  EXPECT_LT(vanished, 80);
  EXPECT_GT(returned, 20);
}

TEST(SimFileSystem, AProcessCrashLosesHandlesAndLocksButNoData) {
  const auto files = with_file(1, 10);
  auto file = files->open(kPath, OpenMode::read_write).value();
  const auto lock = files->lock("/d/lock").value();
  EXPECT_EQ(files->lock("/d/lock").error().code, EWOULDBLOCK);
  ASSERT_TRUE(file->write_at(0, "0123456789"));
  files->crash_process();
  EXPECT_FALSE(file->write_at(0, "x"));
  EXPECT_EQ(files->contents(kPath), "0123456789");
  const auto next = files->lock("/d/lock");
  ASSERT_TRUE(next);
  auto released = files->lock("/d/other").value();
  released.reset();
  EXPECT_TRUE(files->lock("/d/other"));
}

TEST(SimFileSystem, OperationsFailWhereTold) {
  const auto files = with_file(1, 10);
  auto file = files->open(kPath, OpenMode::read_write).value();
  files->fail_next(FileOperation::sync_data, EIO, 2, 1, "file");
  EXPECT_TRUE(file->sync_data());
  EXPECT_EQ(file->sync_data().error().code, EIO);
  EXPECT_FALSE(file->sync_data());
  EXPECT_TRUE(file->sync_data());
  files->fail_next(FileOperation::write, EIO, 1, 0, "elsewhere");
  EXPECT_TRUE(file->write_at(0, "x"));
  files->fail_randomly(FileOperation::write, ENOSPC, 0.5);
  int failed = 0;
  for (int i = 0; i < 100; ++i) failed += file->write_at(0, "x") ? 0 : 1;
  EXPECT_GT(failed, 25);
  EXPECT_LT(failed, 75);
  files->heal();
  EXPECT_TRUE(file->write_at(0, "x"));
}

TEST(SimFileSystem, ADiskHasACapacity) {
  const auto files = with_file(1, 100);
  auto file = files->open(kPath, OpenMode::read_write).value();
  files->set_capacity(150);
  EXPECT_EQ(file->allocate(151).error().code, ENOSPC);
  EXPECT_EQ(file->write_at(100, std::string(51, 'x')).error().code, ENOSPC);
  EXPECT_TRUE(file->write_at(0, std::string(150, 'x')));
  EXPECT_EQ(files->used_bytes(), 150u);
  EXPECT_TRUE(file->truncate(10));
  EXPECT_TRUE(file->allocate(150));
}

TEST(SimFileSystem, AFailedSyncLosesWhatALaterOneCannotBringBack) {
  int lost = 0;
  for (uint64_t seed = 0; seed < 100; ++seed) {
    const auto files = with_file(seed, 10);
    auto file = files->open(kPath, OpenMode::read_write).value();
    ASSERT_TRUE(file->write_at(0, "0123456789"));
    files->fail_next(FileOperation::sync_data, EIO);
    EXPECT_FALSE(file->sync_data());
    EXPECT_EQ(files->contents(kPath), "0123456789") << "the cache still shows it";
    EXPECT_TRUE(file->sync_data());
    files->lose_power();
    lost += files->contents(kPath) == "0123456789" ? 0 : 1;
  }
  EXPECT_GT(lost, 20);
}

TEST(SimFileSystem, AFlippedBitStays) {
  const auto files = with_file(1, 10);
  files->flip_bit(kPath, 4, 1);
  EXPECT_EQ(files->contents(kPath).value()[4], 2);
  files->lose_power();
  EXPECT_EQ(files->contents(kPath).value()[4], 2);
}

}  // namespace
}  // namespace quorate::sim
