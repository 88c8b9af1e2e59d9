// SimFileSystem: the files of one simulated node, with the faults of real disks, all drawn from one
// seed.
//
// What a process sees is the page cache; what a power loss leaves is the platter: data as of the
// last sync_data() of the file, names as of the last sync_directory(). Each write, truncation or
// allocation since is then kept, lost or (a write) torn, at a byte or by sectors, independent of
// the others and of their order; each creation, rename or removal of a name is kept or lost. After
// a failed sync_data() the cache still shows the data, but what did not reach the platter never
// will (Linux since 4.13). Operations are instant; slowness is the matter of the executor they run
// on. Thread: the simulator's one. Errors: as FileSystem; after a power loss or a crash, handles of
// before answer EBADF.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "quorate/runtime/files.h"
#include "quorate/runtime/random.h"

namespace quorate::sim {

enum class FileOperation : uint8_t {
  open,
  read,
  write,
  sync_data,
  allocate,
  truncate,
  size,
  remove,
  rename,
  list,
  make_directory,
  sync_directory,
  lock,
};

class SimFileSystem final : public runtime::FileSystem {
 public:
  explicit SimFileSystem(uint64_t seed);
  ~SimFileSystem() override;
  SimFileSystem(const SimFileSystem&) = delete;
  SimFileSystem& operator=(const SimFileSystem&) = delete;

  runtime::Result<std::unique_ptr<runtime::File>> open(const std::string& path,
                                                       runtime::OpenMode mode) override;
  runtime::Status remove(const std::string& path) override;
  runtime::Status rename(const std::string& from, const std::string& to) override;
  runtime::Result<std::vector<std::string>> list(const std::string& directory) override;
  runtime::Status make_directory(const std::string& directory) override;
  runtime::Status sync_directory(const std::string& directory) override;
  bool exists(const std::string& path) override;
  runtime::Result<std::unique_ptr<runtime::FileLock>> lock(const std::string& path) override;

  // ---- faults

  // The process ends: handles and locks are gone, the page cache stays.
  void crash_process();
  // The machine ends: also what was not synced is kept, lost or torn.
  void lose_power();

  // The next `times` operations of this kind on a path that contains `path_part` fail with `code`,
  // after `skip` that do not. A failing write may have stored a part.
  void fail_next(FileOperation operation, int code, uint64_t times = 1, uint64_t skip = 0,
                 std::string path_part = "");
  // Every operation of this kind fails with this probability (0..1); 0 switches it off.
  void fail_randomly(FileOperation operation, int code, double probability);
  void heal();  // switches all of the above off
  // Bytes the disk has; what would pass it fails with ENOSPC.
  void set_capacity(uint64_t bytes) { capacity_bytes_ = bytes; }
  uint64_t used_bytes() const;
  // From that operation on (counted from now) nothing happens and everything fails, until
  // lose_power() or crash_process(): a crash between any two operations.
  void halt_after(uint64_t operations);
  bool halted() const { return halted_; }

  // Changes one bit of what is on the platter and in the cache. REQUIRES: the file is that long.
  void flip_bit(const std::string& path, uint64_t byte_offset, unsigned bit);
  // The page cache's view; nothing if the file does not exist.
  std::optional<std::string> contents(const std::string& path) const;
  // Replaces a file, durably: for tests that make damage by hand.
  void put(const std::string& path, std::string bytes);
  uint64_t operations(FileOperation operation) const { return counts_.at(operation); }

 private:
  friend class SimFile;
  friend class SimFileLock;
  struct Change;
  struct Inode;
  struct NameChange;
  struct Failure;

  // Counts the operation and decides whether it fails.
  runtime::Status begin(FileOperation operation, const std::string& path);
  bool chance(double probability);
  runtime::Status check_directory(const std::string& path) const;
  runtime::Status reserve(const Inode& inode, uint64_t bytes, const std::string& path) const;
  void apply(std::string& bytes, const Change& change);
  void apply_torn(std::string& bytes, const Change& change);
  void settle(Inode& inode, bool keep_view);
  void change_name(NameChange change);

  using Names = std::map<std::string, std::shared_ptr<Inode>>;
  const std::unique_ptr<runtime::Random> random_;
  Names names_;
  Names durable_names_;
  std::vector<NameChange> name_changes_;  // since they were synced, oldest first
  std::set<std::string> directories_;     // durable at once: nobody makes them in a hurry
  std::set<std::string> locks_;
  std::vector<Failure> failures_;
  std::map<FileOperation, uint64_t> counts_;
  uint64_t capacity_bytes_ = UINT64_MAX;
  uint64_t incarnation_ = 0;  // handles of an earlier one are dead
  std::optional<uint64_t> operations_left_;
  bool halted_ = false;
};

}  // namespace quorate::sim
