// Files behind an interface, so that the simulator can tear, lose, reorder and refuse what was
// written.
//
// Offsets and sizes are bytes. Every operation may fail with an Error whose code is the errno;
// nothing is retried here. What write_at() stored is durable only after a later sync_data() of the
// same file returned; a created, renamed or removed name only after sync_directory(). Thread: a
// File is used by one thread at a time, except that sync_data() may run beside write_at(); a
// FileSystem may be used by all.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "quorate/runtime/error.h"

namespace quorate::runtime {

class File {
 public:
  virtual ~File() = default;
  virtual Status write_at(uint64_t offset, std::string_view bytes) = 0;
  // Reads up to into.size() bytes; fewer only at the end of the file.
  virtual Result<size_t> read_at(uint64_t offset, std::span<char> into) = 0;
  virtual Status sync_data() = 0;
  // Reserves disk space for [0, bytes) and extends the file to it with zeros; ENOSPC when there is
  // none.
  virtual Status allocate(uint64_t bytes) = 0;
  virtual Status truncate(uint64_t bytes) = 0;
  virtual Result<uint64_t> size() = 0;
};

// Held while it lives; released by its destructor or by the end of the process.
class FileLock {
 public:
  virtual ~FileLock() = default;
};

enum class OpenMode : uint8_t {
  read_only,   // must exist
  read_write,  // must exist
  create,      // made if missing
  create_new,  // must not exist
};

class FileSystem {
 public:
  virtual ~FileSystem() = default;
  virtual Result<std::unique_ptr<File>> open(const std::string& path, OpenMode mode) = 0;
  virtual Status remove(const std::string& path) = 0;
  // Replaces `to` if it exists, atomically.
  virtual Status rename(const std::string& from, const std::string& to) = 0;
  // Names (not paths) of the directory's entries, sorted.
  virtual Result<std::vector<std::string>> list(const std::string& directory) = 0;
  // Makes the directory and its parents; no error if it exists.
  virtual Status make_directory(const std::string& directory) = 0;
  virtual Status sync_directory(const std::string& directory) = 0;
  virtual bool exists(const std::string& path) = 0;
  // An exclusive advisory lock on `path` (made if missing); fails with EWOULDBLOCK if another
  // process or another FileLock holds it.
  virtual Result<std::unique_ptr<FileLock>> lock(const std::string& path) = 0;
};

std::unique_ptr<FileSystem> make_posix_file_system();

// Whole-file convenience over a FileSystem. replace_file() is atomic and durable: temporary file,
// sync, rename, directory sync.
Result<std::string> read_file(FileSystem& files, const std::string& path);
Status replace_file(FileSystem& files, const std::string& path, std::string_view contents);

}  // namespace quorate::runtime
