#include "storage/lmdb_environment.h"

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <spdlog/spdlog.h>
#include <sys/stat.h>
#include <system_error>
#include <unistd.h>

namespace quorate::storage {
namespace {

using runtime::Error;
using runtime::Result;
using runtime::Status;

constexpr uint64_t kMapBytesMin = 1ull << 30;
constexpr mdb_mode_t kFilePermissions = 0644;

int code_of(int result) {
  switch (result) {
    case MDB_MAP_FULL:
      return ENOSPC;
    case MDB_CORRUPTED:
    case MDB_PAGE_NOTFOUND:
    case MDB_INVALID:
    case MDB_CURSOR_FULL:
    case MDB_INCOMPATIBLE:
    case MDB_BAD_DBI:
      return kDamaged;
    case MDB_VERSION_MISMATCH:
      return ENOTSUP;
    case MDB_TXN_FULL:
      return E2BIG;
    case MDB_READERS_FULL:
      return EAGAIN;
    case MDB_BAD_VALSIZE:
      return EINVAL;
    default:
      return result > 0 ? result : EIO;
  }
}

// LMDB calls this before it aborts the process on a page that contradicts itself.
void on_broken_invariant(MDB_env* handle, const char* message) {
  const char* directory = "?";
  mdb_env_get_path(handle, &directory);
  spdlog::critical("the row store in {} is structurally damaged, the process cannot go on: {}",
                   directory, message);
}

int configure_and_open(MDB_env* handle, const RowStore::Options& options, uint64_t map_bytes) {
  int result = mdb_env_set_mapsize(handle, map_bytes);
  if (result == 0) result = mdb_env_set_maxreaders(handle, options.readers_max);
  if (result == 0) result = mdb_env_set_maxdbs(handle, 2);
  if (result == 0) result = mdb_env_set_assert(handle, on_broken_invariant);
  // NOTLS: a read transaction belongs to its object, not to a thread. NORDAHEAD: cold reads are
  // random, and what read-ahead brings in would push out pages that are wanted.
  const unsigned flags = MDB_NOTLS | MDB_NORDAHEAD | (options.sync ? 0u : MDB_NOSYNC);
  if (result == 0) {
    result = mdb_env_open(handle, options.directory.c_str(), flags, kFilePermissions);
  }
  return result;
}

}  // namespace

Status LmdbEnvironment::open(const RowStore::Options& options) {
  directory = options.directory;
  std::error_code error;
  std::filesystem::create_directories(directory, error);
  if (error) return failure(error.value(), "make the directory");
  if (auto opened = open_handle(options); !opened) return opened;
  MDB_stat statistics{};
  mdb_env_stat(handle.get(), &statistics);
  page_bytes = statistics.ms_psize;
  // Readers of a process that died would keep old pages from being used again.
  int dead_readers = 0;
  mdb_reader_check(handle.get(), &dead_readers);
  if (auto extended = extend_to_last_page(); !extended) return extended;
  if (auto opened = open_databases(); !opened) return opened;
  return locate_map();
}

// Opens with the largest map the address space allows (ulimit -v, sanitizers).
Status LmdbEnvironment::open_handle(const RowStore::Options& options) {
  for (uint64_t map_bytes = options.map_bytes;; map_bytes /= 2) {
    MDB_env* made = nullptr;
    int result = mdb_env_create(&made);
    handle.reset(made);
    if (result == 0) result = configure_and_open(made, options, map_bytes);
    if (result == 0) {
      if (map_bytes < options.map_bytes) {
        spdlog::warn("row store in {}: address space for {} GiB only", options.directory,
                     map_bytes >> 30);
      }
      return {};
    }
    const bool too_large = result == ENOMEM || result == EINVAL;  // the latter by valgrind
    if (!too_large || map_bytes / 2 < kMapBytesMin) return failure(result, "open");
  }
}

// A file that was cut would kill the process by SIGBUS at the first read behind its end. Zeros
// there are reported as damage instead.
Status LmdbEnvironment::extend_to_last_page() const {
  MDB_envinfo info{};
  mdb_env_info(handle.get(), &info);
  int descriptor = -1;
  mdb_env_get_fd(handle.get(), &descriptor);
  struct stat status{};
  if (::fstat(descriptor, &status) < 0) return failure(errno, "stat data.mdb");
  const auto bytes = static_cast<off_t>((info.me_last_pgno + 1) * page_bytes);
  if (status.st_size < bytes && ::ftruncate(descriptor, bytes) < 0) {
    return failure(errno, "extend data.mdb");
  }
  return {};
}

Status LmdbEnvironment::open_databases() {
  MDB_txn* transaction = nullptr;
  int result = mdb_txn_begin(handle.get(), nullptr, 0, &transaction);
  if (result != 0) return failure(result, "begin");
  result = mdb_dbi_open(transaction, "rows", MDB_CREATE, &rows);
  if (result == 0) result = mdb_dbi_open(transaction, "meta", MDB_CREATE, &meta);
  if (result != 0) {
    mdb_txn_abort(transaction);
    return failure(result, "open the databases");
  }
  result = mdb_txn_commit(transaction);
  if (result != 0) return failure(result, "make the databases");
  return {};
}

// LMDB does not tell where its map begins. Every page begins with its number, so any record tells:
// here the one that describes "rows" in the unnamed database.
Status LmdbEnvironment::locate_map() {
  MDB_txn* transaction = nullptr;
  int result = mdb_txn_begin(handle.get(), nullptr, MDB_RDONLY, &transaction);
  if (result != 0) return failure(result, "begin");
  MDB_dbi names = 0;
  char name[] = "rows";
  MDB_val key{4, name};
  MDB_val value{};
  result = mdb_dbi_open(transaction, nullptr, 0, &names);
  if (result == 0) result = mdb_get(transaction, names, &key, &value);
  MDB_envinfo info{};
  mdb_env_info(handle.get(), &info);
  size_t page_number = 0;
  if (result == 0) {
    const auto address = reinterpret_cast<uintptr_t>(value.mv_data);
    const size_t offset = address % page_bytes;
    std::memcpy(&page_number, static_cast<const char*>(value.mv_data) - offset,
                sizeof(page_number));
    map_begin = address - offset - page_number * page_bytes;
    map_end = map_begin + info.me_mapsize;
  }
  mdb_txn_abort(transaction);
  if (result != 0) return failure(result, "read the databases");
  if (page_number > info.me_last_pgno) return damage("a page has a wrong number");
  return {};
}

Result<LmdbCursor> LmdbEnvironment::open_cursor(MDB_txn* transaction, MDB_dbi database) const {
  MDB_cursor* cursor = nullptr;
  const int result = mdb_cursor_open(transaction, database, &cursor);
  if (result != 0) return failure(result, "open a cursor");
  return LmdbCursor(cursor);
}

uint64_t LmdbEnvironment::file_bytes() const {
  int descriptor = -1;
  mdb_env_get_fd(handle.get(), &descriptor);
  struct stat status{};
  return ::fstat(descriptor, &status) == 0 ? static_cast<uint64_t>(status.st_size) : 0;
}

std::unexpected<Error> LmdbEnvironment::failure(int result, const char* what) const {
  return std::unexpected(
      Error{code_of(result), std::string(what) + " in " + directory + ": " + mdb_strerror(result)});
}

std::unexpected<Error> LmdbEnvironment::damage(const char* what) const {
  return std::unexpected(Error{kDamaged, std::string(what) + " in " + directory});
}

}  // namespace quorate::storage
