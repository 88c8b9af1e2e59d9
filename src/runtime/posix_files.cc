// Files of the operating system: the production FileSystem.
#include <algorithm>
#include <array>
#include <cerrno>
#include <dirent.h>
#include <fcntl.h>
#include <filesystem>
#include <sys/file.h>
#include <sys/stat.h>
#include <system_error>
#include <tuple>
#include <unistd.h>
#include <utility>

#include "quorate/runtime/files.h"

namespace quorate::runtime {
namespace {

constexpr mode_t kFilePermissions = 0644;  // further narrowed by the umask

// Owns a file descriptor.
class Descriptor {
 public:
  explicit Descriptor(int number) : number_(number) {}
  Descriptor(Descriptor&& other) noexcept : number_(std::exchange(other.number_, -1)) {}
  Descriptor& operator=(Descriptor&&) = delete;
  ~Descriptor() {
    if (number_ >= 0) ::close(number_);
  }
  int number() const { return number_; }
  bool valid() const { return number_ >= 0; }
  void release() { number_ = -1; }

 private:
  int number_;
};

// Repeats a system call for as long as a signal interrupts it.
template <class Call>
auto uninterrupted(Call call) {
  auto result = call();
  while (result < 0 && errno == EINTR) result = call();
  return result;
}

Descriptor open_descriptor(const std::string& path, int flags) {
  return Descriptor(
      uninterrupted([&] { return ::open(path.c_str(), flags | O_CLOEXEC, kFilePermissions); }));
}

class PosixFile final : public File {
 public:
  PosixFile(Descriptor descriptor, std::string path)
      : descriptor_(std::move(descriptor)), path_(std::move(path)) {}

  Status write_at(uint64_t offset, std::string_view bytes) override {
    while (!bytes.empty()) {
      const ssize_t written = uninterrupted([&] {
        return ::pwrite(descriptor_.number(), bytes.data(), bytes.size(),
                        static_cast<off_t>(offset));
      });
      if (written == 0) errno = EIO;  // a device that takes nothing would keep us here for ever
      if (written <= 0) return failure("write", offset);
      bytes.remove_prefix(static_cast<size_t>(written));
      offset += static_cast<uint64_t>(written);
    }
    return {};
  }

  Result<size_t> read_at(uint64_t offset, std::span<char> into) override {
    size_t done = 0;
    while (done < into.size()) {
      const ssize_t got = uninterrupted([&] {
        return ::pread(descriptor_.number(), into.data() + done, into.size() - done,
                       static_cast<off_t>(offset + done));
      });
      if (got < 0) return failure("read", offset + done);
      if (got == 0) break;
      done += static_cast<size_t>(got);
    }
    return done;
  }

  Status sync_data() override {
    if (uninterrupted([&] { return ::fdatasync(descriptor_.number()); }) < 0) {
      return failure("sync");
    }
    return {};
  }

  Status allocate(uint64_t bytes) override {
    const auto before = size();
    if (!before) return std::unexpected(before.error());
    if (bytes == 0) return {};
    Status reserved = reserve(*before, bytes);
    // What was reserved in part is of no use and is missed elsewhere when the disk is full.
    if (!reserved && *before < bytes) std::ignore = truncate(*before);
    return reserved;
  }

  Status truncate(uint64_t bytes) override {
    const auto length = static_cast<off_t>(bytes);
    if (uninterrupted([&] { return ::ftruncate(descriptor_.number(), length); }) < 0) {
      return failure("truncate");
    }
    return {};
  }

  Result<uint64_t> size() override {
    struct stat status{};
    if (::fstat(descriptor_.number(), &status) < 0) return failure("stat");
    return static_cast<uint64_t>(status.st_size);
  }

 private:
  Status reserve(uint64_t size_before, uint64_t bytes) {
    const auto length = static_cast<off_t>(bytes);
    if (uninterrupted([&] { return ::fallocate(descriptor_.number(), 0, 0, length); }) == 0) {
      return {};
    }
    if (errno == EOPNOTSUPP || errno == ENOSYS) return append_zeros(size_before, bytes);
    return failure("allocate");
  }

  // For file systems that cannot reserve: a block that was written once is there.
  Status append_zeros(uint64_t from, uint64_t to) {
    static constexpr std::array<char, 65536> kZeros{};
    while (from < to) {
      const auto step = std::min<uint64_t>(kZeros.size(), to - from);
      if (auto written = write_at(from, {kZeros.data(), step}); !written) return written;
      from += step;
    }
    return {};
  }

  std::unexpected<Error> failure(const char* what) const {
    return fail_errno(errno, std::string(what) + " " + path_);
  }
  std::unexpected<Error> failure(const char* what, uint64_t offset) const {
    const int code = errno;
    return fail_errno(code,
                      std::string(what) + " " + path_ + " at offset " + std::to_string(offset));
  }

  Descriptor descriptor_;
  std::string path_;
};

// flock() belongs to the open file, so a second FileLock of the same process is refused too.
class PosixFileLock final : public FileLock {
 public:
  explicit PosixFileLock(Descriptor descriptor) : descriptor_(std::move(descriptor)) {}

 private:
  Descriptor descriptor_;
};

int open_flags(OpenMode mode) {
  switch (mode) {
    case OpenMode::read_only:
      return O_RDONLY;
    case OpenMode::read_write:
      return O_RDWR;
    case OpenMode::create:
      return O_RDWR | O_CREAT;
    case OpenMode::create_new:
      return O_RDWR | O_CREAT | O_EXCL;
  }
  return O_RDONLY;
}

class PosixFileSystem final : public FileSystem {
 public:
  Result<std::unique_ptr<File>> open(const std::string& path, OpenMode mode) override {
    Descriptor descriptor = open_descriptor(path, open_flags(mode));
    if (!descriptor.valid()) return fail_errno(errno, "open " + path);
    return std::make_unique<PosixFile>(std::move(descriptor), path);
  }

  Status remove(const std::string& path) override {
    if (::unlink(path.c_str()) < 0) return fail_errno(errno, "remove " + path);
    return {};
  }

  Status rename(const std::string& from, const std::string& to) override {
    if (::rename(from.c_str(), to.c_str()) < 0) {
      return fail_errno(errno, "rename " + from + " to " + to);
    }
    return {};
  }

  Result<std::vector<std::string>> list(const std::string& directory) override {
    // Not opendir: ThreadSanitizer does not see it open a descriptor, nor libuv close the
    // connection that had the number before, and reports a race of the two.
    Descriptor descriptor = open_descriptor(directory, O_RDONLY | O_DIRECTORY);
    if (!descriptor.valid()) return fail_errno(errno, "list " + directory);
    const std::unique_ptr<DIR, int (*)(DIR*)> stream(::fdopendir(descriptor.number()), ::closedir);
    if (!stream) return fail_errno(errno, "list " + directory);
    descriptor.release();  // the stream closes it
    std::vector<std::string> names;
    for (errno = 0; const dirent* entry = ::readdir(stream.get()); errno = 0) {
      const std::string_view name = entry->d_name;
      if (name != "." && name != "..") names.emplace_back(name);
    }
    if (errno != 0) return fail_errno(errno, "list " + directory);
    std::sort(names.begin(), names.end());
    return names;
  }

  Status make_directory(const std::string& directory) override {
    std::error_code error;
    std::filesystem::create_directories(directory, error);
    if (error) return fail_errno(error.value(), "make directory " + directory);
    return {};
  }

  Status sync_directory(const std::string& directory) override {
    const Descriptor descriptor = open_descriptor(directory, O_RDONLY | O_DIRECTORY);
    if (!descriptor.valid()) return fail_errno(errno, "open directory " + directory);
    // EINVAL: a file system that keeps its names durable without being asked.
    if (uninterrupted([&] { return ::fsync(descriptor.number()); }) < 0 && errno != EINVAL) {
      return fail_errno(errno, "sync directory " + directory);
    }
    return {};
  }

  bool exists(const std::string& path) override {
    struct stat status{};
    return ::stat(path.c_str(), &status) == 0;
  }

  Result<std::unique_ptr<FileLock>> lock(const std::string& path) override {
    Descriptor descriptor = open_descriptor(path, O_RDWR | O_CREAT);
    if (!descriptor.valid()) return fail_errno(errno, "open " + path);
    if (uninterrupted([&] { return ::flock(descriptor.number(), LOCK_EX | LOCK_NB); }) < 0) {
      return fail_errno(errno, "lock " + path);
    }
    return std::make_unique<PosixFileLock>(std::move(descriptor));
  }
};

}  // namespace

std::unique_ptr<FileSystem> make_posix_file_system() { return std::make_unique<PosixFileSystem>(); }

}  // namespace quorate::runtime
