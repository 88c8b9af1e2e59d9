// The production FileSystem: what files.h promises, on a temporary directory.
#include "quorate/runtime/files.h"

#include <cerrno>
#include <cstddef>
#include <cstdlib>
#include <filesystem>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <thread>

namespace quorate::runtime {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

class FilesTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = testing::TempDir() + "quorate_files_XXXXXX";
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    directory_ = pattern;
  }
  void TearDown() override { std::filesystem::remove_all(directory_); }

  std::string path(const std::string& name) const { return directory_ + "/" + name; }

  std::unique_ptr<File> make(const std::string& name) {
    auto file = files_->open(path(name), OpenMode::create);
    EXPECT_TRUE(file.has_value());
    return file ? std::move(*file) : nullptr;
  }

  static std::string read(File& file, uint64_t offset, size_t bytes) {
    std::string into(bytes, '?');
    const auto got = file.read_at(offset, into);
    EXPECT_TRUE(got.has_value());
    into.resize(got.value_or(0));
    return into;
  }

  uint64_t blocks_of(const std::string& name) const {
    struct stat status{};
    EXPECT_EQ(::stat(path(name).c_str(), &status), 0);
    return static_cast<uint64_t>(status.st_blocks);
  }

  std::string directory_;
  std::unique_ptr<FileSystem> files_ = make_posix_file_system();
};

TEST_F(FilesTest, ReadsBackWhatWasWrittenAtAnyOffset) {
  auto file = make("a");
  ASSERT_TRUE(file->write_at(0, "hello world"));
  ASSERT_TRUE(file->write_at(6, "there"));
  ASSERT_TRUE(file->write_at(20, "far"));
  ASSERT_TRUE(file->sync_data());
  EXPECT_EQ(file->size(), 23u);
  EXPECT_EQ(read(*file, 0, 11), "hello there");
  EXPECT_EQ(read(*file, 11, 12), std::string(9, '\0') + "far");
}

TEST_F(FilesTest, ReadsFewerBytesOnlyAtTheEnd) {
  auto file = make("a");
  ASSERT_TRUE(file->write_at(0, "0123456789"));
  EXPECT_EQ(read(*file, 7, 100), "789");
  EXPECT_EQ(read(*file, 10, 1), "");
  EXPECT_EQ(read(*file, 1000, 1), "");
}

TEST_F(FilesTest, OpenModesSayWhatMustExist) {
  EXPECT_EQ(files_->open(path("a"), OpenMode::read_only).error().code, ENOENT);
  EXPECT_EQ(files_->open(path("a"), OpenMode::read_write).error().code, ENOENT);
  EXPECT_TRUE(files_->open(path("a"), OpenMode::create_new).has_value());
  EXPECT_EQ(files_->open(path("a"), OpenMode::create_new).error().code, EEXIST);
  EXPECT_TRUE(files_->open(path("a"), OpenMode::create).has_value());
  EXPECT_TRUE(files_->open(path("a"), OpenMode::read_write).has_value());
  auto read_only = files_->open(path("a"), OpenMode::read_only);
  ASSERT_TRUE(read_only.has_value());
  EXPECT_EQ((*read_only)->write_at(0, "x").error().code, EBADF);
}

TEST_F(FilesTest, OpeningDoesNotCutTheFile) {
  ASSERT_TRUE(make("a")->write_at(0, "kept"));
  EXPECT_EQ(read(*make("a"), 0, 10), "kept");
}

TEST_F(FilesTest, ErrorsNameThePath) {
  const auto missing = files_->open(path("no/such"), OpenMode::create);
  ASSERT_FALSE(missing.has_value());
  EXPECT_THAT(missing.error().message, HasSubstr(path("no/such")));
}

TEST_F(FilesTest, AFullDiskIsNoSpace) {
  auto full = files_->open("/dev/full", OpenMode::read_write);
  if (!full) GTEST_SKIP() << "no /dev/full here";
  const auto written = (*full)->write_at(0, "x");
  ASSERT_FALSE(written.has_value());
  EXPECT_EQ(written.error().code, ENOSPC);
  EXPECT_THAT(written.error().message, HasSubstr("/dev/full at offset 0"));
}

TEST_F(FilesTest, AllocateExtendsWithZerosAndReservesBlocks) {
  auto file = make("a");
  ASSERT_TRUE(file->write_at(0, "data"));
  ASSERT_TRUE(file->allocate(1 << 20));
  EXPECT_EQ(file->size(), 1u << 20);
  EXPECT_EQ(read(*file, 0, 8), std::string("data") + std::string(4, '\0'));
  EXPECT_EQ(read(*file, (1 << 20) - 3, 10), std::string(3, '\0'));
  EXPECT_GE(blocks_of("a") * 512, 1u << 20);
}

TEST_F(FilesTest, AllocateNeverShrinks) {
  auto file = make("a");
  ASSERT_TRUE(file->write_at(0, std::string(10000, 'x')));
  ASSERT_TRUE(file->allocate(100));
  ASSERT_TRUE(file->allocate(0));
  EXPECT_EQ(file->size(), 10000u);
}

TEST_F(FilesTest, AllocateThatFailsLeavesTheSize) {
  auto file = make("a");
  ASSERT_TRUE(file->write_at(0, "data"));
  const auto refused = file->allocate(uint64_t{1} << 62);
  ASSERT_FALSE(refused.has_value());
  EXPECT_THAT(refused.error().code, testing::AnyOf(ENOSPC, EFBIG));
  EXPECT_EQ(file->size(), 4u);
}

// Makes fallocate() fail with EOPNOTSUPP for the calling thread, until it ends.
bool refuse_fallocate() {
  sock_filter instructions[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_fallocate, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EOPNOTSUPP),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  const sock_fprog program{4, instructions};
  return ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
         ::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
}

TEST_F(FilesTest, AllocateWritesZerosWhereTheFileSystemCannotReserve) {
  auto file = make("a");
  ASSERT_TRUE(file->write_at(0, "data"));
  bool refused = false;
  Status allocated;
  std::thread([&] {
    refused = refuse_fallocate();
    if (refused) allocated = file->allocate(200001);
  }).join();
  if (!refused) GTEST_SKIP() << "no seccomp here";
  ASSERT_TRUE(allocated.has_value()) << allocated.error().message;
  EXPECT_EQ(file->size(), 200001u);
  EXPECT_EQ(read(*file, 0, 200001), "data" + std::string(199997, '\0'));
  EXPECT_GE(blocks_of("a") * 512, 200001u);
}

TEST_F(FilesTest, TruncateCutsAndExtends) {
  auto file = make("a");
  ASSERT_TRUE(file->write_at(0, "0123456789"));
  ASSERT_TRUE(file->truncate(4));
  EXPECT_EQ(file->size(), 4u);
  ASSERT_TRUE(file->truncate(6));
  EXPECT_EQ(read(*file, 0, 10), std::string("0123") + std::string(2, '\0'));
}

TEST_F(FilesTest, RenameReplacesAndRemoveRemoves) {
  ASSERT_TRUE(make("a")->write_at(0, "new"));
  ASSERT_TRUE(make("b")->write_at(0, "older"));
  ASSERT_TRUE(files_->rename(path("a"), path("b")));
  EXPECT_FALSE(files_->exists(path("a")));
  EXPECT_EQ(read_file(*files_, path("b")), "new");
  ASSERT_TRUE(files_->remove(path("b")));
  EXPECT_FALSE(files_->exists(path("b")));
  EXPECT_EQ(files_->remove(path("b")).error().code, ENOENT);
  EXPECT_EQ(files_->rename(path("a"), path("b")).error().code, ENOENT);
}

TEST_F(FilesTest, ListIsSortedAndHoldsNamesOnly) {
  for (const char* name : {"b", "a10", "c", "a9"}) make(name);
  ASSERT_TRUE(files_->make_directory(path("sub")));
  EXPECT_THAT(files_->list(directory_).value(), ElementsAre("a10", "a9", "b", "c", "sub"));
  EXPECT_EQ(files_->list(path("none")).error().code, ENOENT);
}

TEST_F(FilesTest, MakeDirectoryMakesParentsAndAcceptsExistingOnes) {
  ASSERT_TRUE(files_->make_directory(path("x/y/z")));
  EXPECT_TRUE(files_->make_directory(path("x/y/z")));
  EXPECT_TRUE(files_->exists(path("x/y/z")));
  EXPECT_TRUE(files_->sync_directory(path("x/y")));
  make("file");
  EXPECT_EQ(files_->make_directory(path("file/below")).error().code, ENOTDIR);
  EXPECT_EQ(files_->sync_directory(path("none")).error().code, ENOENT);
}

TEST_F(FilesTest, ALockExcludesAnotherOfTheSameProcessUntilReleased) {
  auto first = files_->lock(path("lock"));
  ASSERT_TRUE(first.has_value());
  const auto second = files_->lock(path("lock"));
  ASSERT_FALSE(second.has_value());
  EXPECT_EQ(second.error().code, EWOULDBLOCK);
  first->reset();
  EXPECT_TRUE(files_->lock(path("lock")).has_value());
}

TEST_F(FilesTest, ReplaceFileReplacesWholeContentsAndLeavesNoOtherFile) {
  ASSERT_TRUE(replace_file(*files_, path("a"), "a longer text"));
  ASSERT_TRUE(replace_file(*files_, path("a"), "short"));
  EXPECT_EQ(read_file(*files_, path("a")), "short");
  EXPECT_THAT(files_->list(directory_).value(), ElementsAre("a"));
}

TEST_F(FilesTest, ReplaceFileOverwritesWhatADeadProcessLeft) {
  ASSERT_TRUE(make("a.tmp")->write_at(0, "half of something much longer"));
  ASSERT_TRUE(replace_file(*files_, path("a"), "whole"));
  EXPECT_EQ(read_file(*files_, path("a")), "whole");
  EXPECT_THAT(files_->list(directory_).value(), ElementsAre("a"));
}

TEST_F(FilesTest, ReplaceFileThatFailsLeavesTheOldContents) {
  ASSERT_TRUE(files_->make_directory(path("a")));  // a directory cannot be replaced by a file
  EXPECT_FALSE(replace_file(*files_, path("a"), "text").has_value());
  EXPECT_THAT(files_->list(directory_).value(), ElementsAre("a"));
  EXPECT_FALSE(replace_file(*files_, path("none/a"), "text").has_value());
}

TEST_F(FilesTest, ReadFileOfAMissingOneFails) {
  EXPECT_EQ(read_file(*files_, path("a")).error().code, ENOENT);
  make("a");
  EXPECT_EQ(read_file(*files_, path("a")), "");
}

}  // namespace
}  // namespace quorate::runtime
