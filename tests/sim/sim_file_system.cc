#include "sim/sim_file_system.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fmt/format.h>
#include <utility>

namespace quorate::sim {

using runtime::Result;
using runtime::Status;

namespace {

constexpr uint64_t kSectorBytes = 512;

constexpr std::string_view kOperationNames[] = {
    "open",   "read",   "write", "sync_data",      "allocate",       "truncate", "size",
    "remove", "rename", "list",  "make_directory", "sync_directory", "lock"};

std::string_view operation_name(FileOperation operation) {
  return kOperationNames[static_cast<size_t>(operation)];
}

std::string parent_of(const std::string& path) {
  const size_t slash = path.rfind('/');
  return slash == std::string::npos ? "." : path.substr(0, slash);
}

}  // namespace

struct SimFileSystem::Change {
  enum class Kind : uint8_t { write, truncate, allocate };
  Kind kind = Kind::write;
  uint64_t at = 0;  // offset of a write, size otherwise
  std::string bytes;
};

struct SimFileSystem::Inode {
  std::string view;              // what the process sees
  std::string durable;           // what is on the platter
  std::vector<Change> unsynced;  // what may still get from the one to the other
};

// `path` now names `inode` (nothing: no file), and `from`, if not empty, names none any more.
struct SimFileSystem::NameChange {
  std::string path;
  std::shared_ptr<Inode> inode;
  std::string from;

  void apply(Names& names) const {
    if (!from.empty()) names.erase(from);
    if (inode) {
      names[path] = inode;
    } else {
      names.erase(path);
    }
  }
};

struct SimFileSystem::Failure {
  FileOperation operation;
  int code = EIO;
  std::string path_part;
  uint64_t skip = 0;
  uint64_t times = 0;
  double probability = 0;  // if not 0, instead of skip and times
};

class SimFile final : public runtime::File {
 public:
  using Change = SimFileSystem::Change;

  SimFile(SimFileSystem& files, std::shared_ptr<SimFileSystem::Inode> inode, std::string path,
          bool writable)
      : files_(files),
        inode_(std::move(inode)),
        path_(std::move(path)),
        incarnation_(files.incarnation_),
        writable_(writable) {}

  Status write_at(uint64_t offset, std::string_view bytes) override;
  Result<size_t> read_at(uint64_t offset, std::span<char> into) override;
  Status sync_data() override;
  Status allocate(uint64_t bytes) override;
  Status truncate(uint64_t bytes) override;
  Result<uint64_t> size() override;

 private:
  Status begin(FileOperation operation) {
    if (incarnation_ != files_.incarnation_) return runtime::fail_errno(EBADF, path_);
    return files_.begin(operation, path_);
  }
  void change(Change change) {
    files_.apply(inode_->view, change);
    inode_->unsynced.push_back(std::move(change));
  }

  SimFileSystem& files_;
  std::shared_ptr<SimFileSystem::Inode> inode_;
  const std::string path_;
  const uint64_t incarnation_;
  const bool writable_;
};

Status SimFile::write_at(uint64_t offset, std::string_view bytes) {
  if (!writable_) return runtime::fail_errno(EBADF, path_);
  if (auto begun = begin(FileOperation::write); !begun) {
    if (files_.halted_ || incarnation_ != files_.incarnation_) return begun;
    const size_t stored = files_.random_->below(bytes.size() + 1);
    change({Change::Kind::write, offset, std::string(bytes.substr(0, stored))});
    return begun;
  }
  if (auto room = files_.reserve(*inode_, offset + bytes.size(), path_); !room) return room;
  change({Change::Kind::write, offset, std::string(bytes)});
  return {};
}

Result<size_t> SimFile::read_at(uint64_t offset, std::span<char> into) {
  if (auto begun = begin(FileOperation::read); !begun) return std::unexpected(begun.error());
  const std::string& view = inode_->view;
  if (offset >= view.size()) return 0;
  const size_t bytes = std::min<uint64_t>(into.size(), view.size() - offset);
  std::memcpy(into.data(), view.data() + offset, bytes);
  return bytes;
}

Status SimFile::sync_data() {
  if (auto begun = begin(FileOperation::sync_data); !begun) {
    if (!files_.halted_ && incarnation_ == files_.incarnation_) files_.settle(*inode_, true);
    return begun;
  }
  // Not simply the view: what an earlier failed sync has dropped stays lost.
  for (const Change& change : inode_->unsynced) files_.apply(inode_->durable, change);
  inode_->unsynced.clear();
  return {};
}

Status SimFile::allocate(uint64_t bytes) {
  if (!writable_) return runtime::fail_errno(EBADF, path_);
  if (auto begun = begin(FileOperation::allocate); !begun) return begun;
  if (auto room = files_.reserve(*inode_, bytes, path_); !room) return room;
  change({Change::Kind::allocate, bytes, {}});
  return {};
}

Status SimFile::truncate(uint64_t bytes) {
  if (!writable_) return runtime::fail_errno(EBADF, path_);
  if (auto begun = begin(FileOperation::truncate); !begun) return begun;
  if (auto room = files_.reserve(*inode_, bytes, path_); !room) return room;
  change({Change::Kind::truncate, bytes, {}});
  return {};
}

Result<uint64_t> SimFile::size() {
  if (auto begun = begin(FileOperation::size); !begun) return std::unexpected(begun.error());
  return inode_->view.size();
}

class SimFileLock final : public runtime::FileLock {
 public:
  SimFileLock(SimFileSystem& files, std::string path)
      : files_(files), path_(std::move(path)), incarnation_(files.incarnation_) {}
  ~SimFileLock() override {
    if (incarnation_ == files_.incarnation_) files_.locks_.erase(path_);
  }

 private:
  SimFileSystem& files_;
  const std::string path_;
  const uint64_t incarnation_;
};

// ---- the file system

SimFileSystem::SimFileSystem(uint64_t seed) : random_(runtime::make_seeded_random(seed)) {
  for (size_t i = 0; i < std::size(kOperationNames); ++i)
    counts_[static_cast<FileOperation>(i)] = 0;
}

SimFileSystem::~SimFileSystem() = default;

Result<std::unique_ptr<runtime::File>> SimFileSystem::open(const std::string& path,
                                                           runtime::OpenMode mode) {
  if (auto begun = begin(FileOperation::open, path); !begun) return std::unexpected(begun.error());
  const auto found = names_.find(path);
  std::shared_ptr<Inode> inode = found == names_.end() ? nullptr : found->second;
  const bool makes = mode == runtime::OpenMode::create || mode == runtime::OpenMode::create_new;
  if (inode && mode == runtime::OpenMode::create_new) return runtime::fail_errno(EEXIST, path);
  if (!inode && !makes) return runtime::fail_errno(ENOENT, path);
  if (!inode) {
    if (auto there = check_directory(path); !there) return std::unexpected(there.error());
    inode = std::make_shared<Inode>();
    change_name({path, inode, ""});
  }
  return std::make_unique<SimFile>(*this, std::move(inode), path,
                                   mode != runtime::OpenMode::read_only);
}

Status SimFileSystem::remove(const std::string& path) {
  if (auto begun = begin(FileOperation::remove, path); !begun) return begun;
  if (!names_.contains(path)) return runtime::fail_errno(ENOENT, path);
  change_name({path, nullptr, ""});
  return {};
}

Status SimFileSystem::rename(const std::string& from, const std::string& to) {
  if (auto begun = begin(FileOperation::rename, from); !begun) return begun;
  const auto found = names_.find(from);
  if (found == names_.end()) return runtime::fail_errno(ENOENT, from);
  if (auto there = check_directory(to); !there) return there;
  if (from != to) change_name({to, found->second, from});
  return {};
}

Result<std::vector<std::string>> SimFileSystem::list(const std::string& directory) {
  if (auto begun = begin(FileOperation::list, directory); !begun) {
    return std::unexpected(begun.error());
  }
  if (!directories_.contains(directory)) return runtime::fail_errno(ENOENT, directory);
  std::set<std::string> entries;
  for (const auto& [path, inode] : names_) {
    if (parent_of(path) == directory) entries.insert(path.substr(directory.size() + 1));
  }
  for (const std::string& path : directories_) {
    if (path != directory && parent_of(path) == directory) {
      entries.insert(path.substr(directory.size() + 1));
    }
  }
  return std::vector<std::string>(entries.begin(), entries.end());
}

Status SimFileSystem::make_directory(const std::string& directory) {
  if (auto begun = begin(FileOperation::make_directory, directory); !begun) return begun;
  for (std::string path = directory; path != "." && !path.empty(); path = parent_of(path)) {
    if (names_.contains(path)) return runtime::fail_errno(ENOTDIR, path);
    directories_.insert(path);
  }
  return {};
}

Status SimFileSystem::sync_directory(const std::string& directory) {
  if (auto begun = begin(FileOperation::sync_directory, directory); !begun) return begun;
  if (!directories_.contains(directory)) return runtime::fail_errno(ENOENT, directory);
  std::erase_if(name_changes_, [&](const NameChange& change) {
    if (parent_of(change.path) != directory) return false;
    change.apply(durable_names_);
    return true;
  });
  return {};
}

bool SimFileSystem::exists(const std::string& path) {
  return !halted_ && (names_.contains(path) || directories_.contains(path));
}

Result<std::unique_ptr<runtime::FileLock>> SimFileSystem::lock(const std::string& path) {
  if (auto begun = begin(FileOperation::lock, path); !begun) return std::unexpected(begun.error());
  if (auto there = check_directory(path); !there) return std::unexpected(there.error());
  if (!locks_.insert(path).second) return runtime::fail_errno(EWOULDBLOCK, path);
  if (!names_.contains(path)) change_name({path, std::make_shared<Inode>(), ""});
  return std::make_unique<SimFileLock>(*this, path);
}

Status SimFileSystem::check_directory(const std::string& path) const {
  if (directories_.contains(parent_of(path))) return {};
  return runtime::fail_errno(ENOENT, path);
}

void SimFileSystem::change_name(NameChange change) {
  change.apply(names_);
  name_changes_.push_back(std::move(change));
}

uint64_t SimFileSystem::used_bytes() const {
  uint64_t bytes = 0;
  for (const auto& [path, inode] : names_) bytes += inode->view.size();
  return bytes;
}

// Fails if the file may not grow to `bytes`.
Status SimFileSystem::reserve(const Inode& inode, uint64_t bytes, const std::string& path) const {
  if (capacity_bytes_ == UINT64_MAX || bytes <= inode.view.size()) return {};
  if (used_bytes() + (bytes - inode.view.size()) <= capacity_bytes_) return {};
  return runtime::fail_errno(ENOSPC, path);
}

// ---- faults

bool SimFileSystem::chance(double probability) {
  constexpr uint64_t kSteps = 1'000'000'000;
  return static_cast<double>(random_->below(kSteps)) < probability * static_cast<double>(kSteps);
}

Status SimFileSystem::begin(FileOperation operation, const std::string& path) {
  ++counts_[operation];
  if (operations_left_ && (*operations_left_)-- == 0) {
    operations_left_.reset();
    halted_ = true;
  }
  if (halted_)
    return runtime::fail_errno(EIO, fmt::format("{} {}: halted", operation_name(operation), path));
  for (auto failure = failures_.begin(); failure != failures_.end(); ++failure) {
    if (failure->operation != operation || path.find(failure->path_part) == std::string::npos) {
      continue;
    }
    if (failure->probability > 0) {
      if (!chance(failure->probability)) continue;
    } else if (failure->skip > 0) {
      --failure->skip;
      continue;
    }
    const int code = failure->code;
    if (failure->probability == 0 && --failure->times == 0) failures_.erase(failure);
    return runtime::fail_errno(code, fmt::format("{} {}", operation_name(operation), path));
  }
  return {};
}

void SimFileSystem::fail_next(FileOperation operation, int code, uint64_t times, uint64_t skip,
                              std::string path_part) {
  if (times > 0) failures_.push_back({operation, code, std::move(path_part), skip, times, 0});
}

void SimFileSystem::fail_randomly(FileOperation operation, int code, double probability) {
  std::erase_if(failures_, [&](const Failure& failure) {
    return failure.operation == operation && failure.probability > 0;
  });
  if (probability > 0) failures_.push_back({operation, code, "", 0, 0, probability});
}

void SimFileSystem::heal() { failures_.clear(); }

void SimFileSystem::halt_after(uint64_t operations) { operations_left_ = operations; }

void SimFileSystem::crash_process() {
  ++incarnation_;
  locks_.clear();
  operations_left_.reset();
  halted_ = false;
}

void SimFileSystem::lose_power() {
  crash_process();
  for (const NameChange& change : name_changes_) {
    if (random_->below(2) == 0) change.apply(durable_names_);
  }
  name_changes_.clear();
  names_ = durable_names_;
  std::set<Inode*> settled;
  for (const auto& [path, inode] : names_) {
    if (settled.insert(inode.get()).second) settle(*inode, false);
  }
}

// Decides for every unsynced change whether it reached the platter.
void SimFileSystem::settle(Inode& inode, bool keep_view) {
  for (const Change& change : inode.unsynced) {
    switch (random_->below(5)) {
      case 0:
      case 1:
        apply(inode.durable, change);
        break;
      case 2:
        apply_torn(inode.durable, change);
        break;
      default:
        break;
    }
  }
  inode.unsynced.clear();
  if (!keep_view) inode.view = inode.durable;
}

void SimFileSystem::apply(std::string& bytes, const Change& change) {
  switch (change.kind) {
    case Change::Kind::write:
      if (bytes.size() < change.at + change.bytes.size())
        bytes.resize(change.at + change.bytes.size());
      bytes.replace(change.at, change.bytes.size(), change.bytes);
      break;
    case Change::Kind::truncate:
      bytes.resize(change.at);
      break;
    case Change::Kind::allocate:
      if (bytes.size() < change.at) bytes.resize(change.at);
      break;
  }
}

void SimFileSystem::apply_torn(std::string& bytes, const Change& change) {
  if (change.kind != Change::Kind::write || change.bytes.empty()) return;
  if (random_->below(2) == 0) {
    apply(bytes,
          {change.kind, change.at, change.bytes.substr(0, random_->below(change.bytes.size()))});
    return;
  }
  const uint64_t end = change.at + change.bytes.size();
  for (uint64_t at = change.at; at < end;) {
    const uint64_t sector_end = std::min(end, (at / kSectorBytes + 1) * kSectorBytes);
    if (random_->below(2) == 0) {
      apply(bytes, {change.kind, at, change.bytes.substr(at - change.at, sector_end - at)});
    }
    at = sector_end;
  }
}

void SimFileSystem::flip_bit(const std::string& path, uint64_t byte_offset, unsigned bit) {
  Inode& inode = *names_.at(path);
  const auto mask = static_cast<char>(1U << (bit % 8));
  inode.view.at(byte_offset) ^= mask;
  if (byte_offset < inode.durable.size()) inode.durable[byte_offset] ^= mask;
  for (Change& change : inode.unsynced) {
    const bool covers = change.kind == Change::Kind::write && byte_offset >= change.at &&
                        byte_offset - change.at < change.bytes.size();
    if (covers) change.bytes[byte_offset - change.at] ^= mask;
  }
}

std::optional<std::string> SimFileSystem::contents(const std::string& path) const {
  const auto found = names_.find(path);
  if (found == names_.end()) return std::nullopt;
  return found->second->view;
}

void SimFileSystem::put(const std::string& path, std::string bytes) {
  directories_.insert(parent_of(path));
  auto inode = std::make_shared<Inode>();
  inode->durable = bytes;
  inode->view = std::move(bytes);
  names_[path] = inode;
  durable_names_[path] = std::move(inode);
}

}  // namespace quorate::sim
