// Whole files over any FileSystem.
#include "quorate/runtime/files.h"

#include <tuple>

namespace quorate::runtime {
namespace {

std::string directory_of(const std::string& path) {
  const size_t slash = path.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

// `path` is new or left over from a process that died in between.
Status write_synced(FileSystem& files, const std::string& path, std::string_view contents) {
  auto file = files.open(path, OpenMode::create);
  if (!file) return std::unexpected(file.error());
  if (auto cut = (*file)->truncate(0); !cut) return cut;
  if (auto written = (*file)->write_at(0, contents); !written) return written;
  return (*file)->sync_data();
}

}  // namespace

Result<std::string> read_file(FileSystem& files, const std::string& path) {
  auto file = files.open(path, OpenMode::read_only);
  if (!file) return std::unexpected(file.error());
  const auto bytes = (*file)->size();
  if (!bytes) return std::unexpected(bytes.error());
  std::string contents(*bytes, '\0');
  const auto got = (*file)->read_at(0, contents);
  if (!got) return std::unexpected(got.error());
  contents.resize(*got);
  return contents;
}

Status replace_file(FileSystem& files, const std::string& path, std::string_view contents) {
  const std::string temporary = path + ".tmp";
  Status replaced = write_synced(files, temporary, contents);
  if (replaced) replaced = files.rename(temporary, path);
  if (!replaced) {
    std::ignore = files.remove(temporary);
    return replaced;
  }
  return files.sync_directory(directory_of(path));
}

}  // namespace quorate::runtime
