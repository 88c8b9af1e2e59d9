// What the row store costs, as a checkpoint uses it: sorted batches in transactions of bounded
// size.
//
// row_store_bench <empty directory> [rows] [transaction MiB, 0: 4, 16 and 64 in turn]
// Prints per phase: microseconds per put, transactions, MiB written to the device, anonymous memory
// above what the process had before the store was opened (LMDB keeps the pages of its largest
// transaction), file size. Run one transaction size per process to see its memory alone. Needs
// about 1 KiB of disk per row.
#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <ctime>
#include <filesystem>
#include <fmt/format.h>
#include <fstream>
#include <random>
#include <string>
#include <vector>

#include "quorate/storage/row_store.h"

namespace {

using quorate::storage::RowKey;
using quorate::storage::RowStore;

constexpr size_t kValueBytes = 150;
constexpr double kMiB = 1 << 20;

template <class T>
T must(quorate::runtime::Result<T> result) {
  if (result) return std::move(*result);
  fmt::print(stderr, "{}\n", result.error().message);
  std::exit(1);
}

void must(const quorate::runtime::Status& status) {
  if (status) return;
  fmt::print(stderr, "{}\n", status.error().message);
  std::exit(1);
}

// The number behind `name` in a file of /proc/self.
uint64_t process_figure(const char* file, const std::string& name) {
  std::ifstream lines(file);
  for (std::string word; lines >> word;) {
    uint64_t figure = 0;
    if (word == name && lines >> figure) return figure;
  }
  return 0;
}

double anonymous_mib() { return process_figure("/proc/self/status", "RssAnon:") / 1024.0; }
double written_mib() { return process_figure("/proc/self/io", "write_bytes:") / kMiB; }

double seconds() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

// Wall and processor time since it was made.
class Stopwatch {
 public:
  double wall_us() const { return (seconds() - began_) * 1e6; }
  double cpu_us() const {
    return static_cast<double>(std::clock() - cpu_began_) * 1e6 / CLOCKS_PER_SEC;
  }

 private:
  double began_ = seconds();
  std::clock_t cpu_began_ = std::clock();
};

class Bench {
 public:
  Bench(const std::string& directory, size_t rows, uint64_t transaction_bytes)
      : anonymous_before_(anonymous_mib()), transaction_bytes_(transaction_bytes) {
    keys_.resize(rows);
    for (size_t i = 0; i < rows; ++i) {
      keys_[i] = {static_cast<uint16_t>(i * 16384 / rows), 0, random_()};
    }
    std::sort(keys_.begin(), keys_.end());
    keys_.erase(std::unique(keys_.begin(), keys_.end()), keys_.end());
    anonymous_before_ = anonymous_mib();
    store_ = must(RowStore::open({.directory = directory}));
  }

  // Puts each row with the given probability, in order.
  void put(const char* phase, double fraction) {
    const Stopwatch watch;
    const double written_before = written_mib();
    const auto threshold = static_cast<uint64_t>(fraction * 1'000'000);
    size_t puts = 0;
    size_t transactions = 1;
    double longest = 0;
    auto write = must(store_->begin_write());
    for (const RowKey& key : keys_) {
      if (random_() % 1'000'000 >= threshold) continue;
      ++puts;
      value_[puts % kValueBytes] = static_cast<char>(puts);
      must(write->put(key, value_));
      if (write->dirty_bytes() < transaction_bytes_) continue;
      longest = std::max(longest, commit(*write));
      write.reset();
      write = must(store_->begin_write());
      ++transactions;
    }
    longest = std::max(longest, commit(*write));
    const double wall_us = watch.wall_us();
    const double cpu_us = watch.cpu_us();
    const auto statistics = store_->statistics();
    fmt::print(
        "{:<28} {:>8} puts {:>7.3f} us/put ({:.3f} CPU) {:>5} transactions, longest commit "
        "{:>4.0f} ms, "
        "{:>7.1f} MiB "
        "written, {:>6.1f} MiB anonymous, {:>7.1f} MiB file, {:>5.1f} bytes/row\n",
        phase, puts, wall_us / puts, cpu_us / puts, transactions, longest * 1e3,
        written_mib() - written_before, anonymous_mib() - anonymous_before_,
        statistics.file_bytes / kMiB, static_cast<double>(statistics.used_bytes) / statistics.rows);
  }

  void get(const char* phase, size_t count) {
    auto read = must(store_->begin_read());
    const Stopwatch watch;
    for (size_t i = 0; i < count; ++i) {
      const auto row = must(read->get(keys_[random_() % keys_.size()]));
      if (!row || row->damaged) std::exit(1);
    }
    fmt::print("{:<28} {:>8} gets {:>7.3f} us/get ({:.3f} CPU)\n", phase, count,
               watch.wall_us() / count, watch.cpu_us() / count);
  }

  void scan(const char* phase) {
    auto read = must(store_->begin_read());
    size_t rows = 0;
    const Stopwatch watch;
    must(read->scan({}, [&](const RowStore::Row& row) { return ++rows, !row.damaged; }));
    fmt::print("{:<28} {:>8} rows {:>7.3f} us/row ({:.3f} CPU)\n", phase, rows,
               watch.wall_us() / rows, watch.cpu_us() / rows);
  }

 private:
  static double commit(RowStore::WriteTransaction& write) {
    const double began = seconds();
    must(write.commit());
    return seconds() - began;
  }

  std::mt19937_64 random_{1};
  double anonymous_before_;
  uint64_t transaction_bytes_;
  std::vector<RowKey> keys_;
  std::string value_ = std::string(kValueBytes, 'v');
  std::unique_ptr<RowStore> store_;
};

void run(const std::string& directory, size_t rows, uint64_t transaction_mib) {
  fmt::print("\n{} rows of {} bytes, transactions of {} MiB\n", rows, kValueBytes, transaction_mib);
  std::filesystem::remove_all(directory + "/sorted");
  std::filesystem::remove_all(directory + "/grown");
  {
    Bench grown(directory + "/grown", rows, transaction_mib << 20);
    for (int sweep = 0; sweep < 10; ++sweep) grown.put("grow: a random tenth", 0.1);
  }
  Bench bench(directory + "/sorted", rows, transaction_mib << 20);
  bench.put("load sorted", 1);
  bench.put("overwrite 10 %", 0.1);
  bench.put("overwrite 10 %", 0.1);
  bench.put("overwrite 50 %", 0.5);
  for (int sweep = 0; sweep < 10; ++sweep) bench.put("overwrite 100 %", 1);
  bench.get("random get, not yet mapped", rows);
  bench.get("random get, warm", rows);
  bench.scan("scan all");
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2) {
    fmt::print(stderr, "usage: {} <empty directory> [rows] [transaction MiB]\n", argv[0]);
    return 2;
  }
  const size_t rows = argc > 2 ? std::strtoull(argv[2], nullptr, 10) : 1'000'000;
  const uint64_t chosen_mib = argc > 3 ? std::strtoull(argv[3], nullptr, 10) : 0;
  for (const uint64_t mib : {4, 16, 64}) {
    if (chosen_mib == 0) run(argv[1], rows, mib);
  }
  if (chosen_mib != 0) run(argv[1], rows, chosen_mib);
  return 0;
}
