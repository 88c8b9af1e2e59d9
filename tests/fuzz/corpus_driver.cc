// Runs a fuzzer over its seeds in an ordinary build: each file of the given directory, and each
// file cut short at every length, since a decoder's commonest fault is to trust that the rest will
// be there.
//
// A directory without seeds is a failure: it would be a test that cannot fail.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace {

constexpr std::size_t kMaxCuts = 512;  // per seed; a long one is cut at evenly spaced lengths

using Bytes = std::vector<std::uint8_t>;

Bytes read_seed(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  return Bytes(std::istreambuf_iterator<char>(in), {});
}

// A copy of exactly `size` bytes, so that AddressSanitizer sees a read beyond the end.
void run_exactly(const Bytes& seed, std::size_t size) {
  const Bytes input(seed.begin(), seed.begin() + static_cast<std::ptrdiff_t>(size));
  LLVMFuzzerTestOneInput(input.data(), input.size());
}

void run_seed(const Bytes& seed) {
  const std::size_t step = std::max<std::size_t>(1, seed.size() / kMaxCuts);
  for (std::size_t size = 0; size < seed.size(); size += step) {
    run_exactly(seed, size);
  }
  run_exactly(seed, seed.size());
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2 || !std::filesystem::is_directory(argv[1])) {
    std::fprintf(stderr, "usage: %s DIRECTORY-OF-SEEDS\n", argv[0]);
    return 2;
  }
  std::size_t seeds = 0;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(argv[1])) {
    if (entry.is_regular_file()) {
      run_seed(read_seed(entry.path()));
      ++seeds;
    }
  }
  std::printf("%zu seeds of %s\n", seeds, argv[1]);
  return seeds == 0 ? 1 : 0;
}
