// The object table with 1 M keys of 16 bytes and values of 100: what a batch of commands spends on
// finding its keys, what a key takes of memory, and what changes cost. Look-ups are measured as a
// loop turn does them: hash all, prefetch all cells, prefetch all entries, then find.

#include <algorithm>
#include <array>
#include <benchmark/benchmark.h>
#include <cstdio>
#include <ctime>
#include <memory>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "quorate/object/key.h"
#include "quorate/storage/table.h"

namespace quorate::storage {
namespace {

constexpr uint64_t kSeed = 0x5eed;
constexpr size_t kKeys = 1'000'000;
constexpr size_t kKeyBytes = 16;
constexpr size_t kBatch = 64;

using Name = std::array<char, kKeyBytes>;

Name name_of(size_t number) {
  std::array<char, kKeyBytes + 1> text;
  std::snprintf(text.data(), text.size(), "key:%012zu", number);
  Name name;
  std::copy_n(text.data(), kKeyBytes, name.data());
  return name;
}

object::Key key_of(const Name& name) {
  return object::Key::of({name.data(), name.size()}, 0, kSeed);
}

Entry* make_entry(const object::Key& key) {
  static const std::string payload(100, 'v');
  return Entry::make(key.name, {.dot = {{}, 1}, .hlc = 1, .payload = payload});
}

// One table for all look-ups, and random names of its keys in the order they will be asked for:
// they are read one after the other, as they would be from a socket's buffer.
struct Filled {
  Table table{0, 1, 16};
  std::vector<Name> asked;

  Filled() {
    std::mt19937_64 random(1);
    std::vector<uint32_t> order(kKeys);
    for (size_t i = 0; i < kKeys; ++i) order[i] = static_cast<uint32_t>(i);
    std::shuffle(order.begin(), order.end(), random);
    for (const uint32_t number : order) {
      const Name name = name_of(number);
      const object::Key key = key_of(name);
      table.insert(key, make_entry(key));
    }
    asked.reserve(kKeys);
    for (size_t i = 0; i < kKeys; ++i) asked.push_back(name_of(random() % kKeys));
  }
};

Filled& filled() {
  static Filled instance;
  return instance;
}

class Asking {
 public:
  explicit Asking(const std::vector<Name>& asked) : asked_(asked) {}
  const Name& next() {
    if (at_ == asked_.size()) at_ = 0;
    return asked_[at_++];
  }

 private:
  const std::vector<Name>& asked_;
  size_t at_ = 0;
};

void per_find(benchmark::State& state, size_t finds) {
  state.SetItemsProcessed(static_cast<int64_t>(finds));
  state.counters["per_find"] = benchmark::Counter(
      static_cast<double>(finds), benchmark::Counter::kIsRate | benchmark::Counter::kInvert);
}

template <class Use>
void find_batches(benchmark::State& state, Use&& use) {
  Filled& data = filled();
  const Table& table = data.table;
  Asking asking(data.asked);
  std::array<object::Key, kBatch> keys;
  for (auto _ : state) {
    for (object::Key& key : keys) key = key_of(asking.next());
    for (const object::Key& key : keys) table.prefetch_cell(key);
    for (const object::Key& key : keys) table.prefetch_entry(key);
    for (const object::Key& key : keys) use(table.find(key));
  }
  per_find(state, state.iterations() * kBatch);
  state.counters["bytes_per_key"] =
      static_cast<double>(table.memory_bytes()) / static_cast<double>(table.size());
}

void find_batch(benchmark::State& state) {
  find_batches(state, [](Entry* entry) { benchmark::DoNotOptimize(entry); });
}
BENCHMARK(find_batch);

void find_batch_and_read_payload(benchmark::State& state) {
  std::array<char, 128> reply;
  find_batches(state, [&](Entry* entry) {
    const std::string_view payload = entry->payload();
    std::copy_n(payload.data(), payload.size(), reply.data());
    benchmark::DoNotOptimize(reply);
  });
}
BENCHMARK(find_batch_and_read_payload);

void hash_only(benchmark::State& state) {
  Asking asking(filled().asked);
  for (auto _ : state) {
    for (size_t i = 0; i < kBatch; ++i) benchmark::DoNotOptimize(key_of(asking.next()));
  }
  per_find(state, state.iterations() * kBatch);
}
BENCHMARK(hash_only);

void find_without_prefetch(benchmark::State& state) {
  Filled& data = filled();
  Asking asking(data.asked);
  for (auto _ : state) benchmark::DoNotOptimize(data.table.find(key_of(asking.next())));
  per_find(state, state.iterations());
}
BENCHMARK(find_without_prefetch);

void erase_and_insert(benchmark::State& state) {
  Filled& data = filled();
  Table& table = data.table;
  Asking asking(data.asked);
  std::array<object::Key, kBatch> keys;
  for (auto _ : state) {
    for (object::Key& key : keys) key = key_of(asking.next());
    for (const object::Key& key : keys) table.prefetch_cell(key);
    for (const object::Key& key : keys) table.prefetch_entry(key);
    for (const object::Key& key : keys) {
      table.erase(key, table.find(key));
      table.insert(key, make_entry(key));
    }
  }
  per_find(state, state.iterations() * kBatch);
}
BENCHMARK(erase_and_insert);

void sample(benchmark::State& state) {
  const Table& table = filled().table;
  std::mt19937_64 random(2);
  object::Key key;
  for (auto _ : state) benchmark::DoNotOptimize(table.sample(0, random(), &key));
}
BENCHMARK(sample);

void visit_all(benchmark::State& state) {
  const Table& table = filled().table;
  for (auto _ : state) {
    uint64_t sum = 0;
    for (uint16_t slot = 0; slot < object::kSlots; ++slot) {
      table.visit_slot(0, slot, 0, [&](uint64_t hash, Entry*) {
        sum += hash;
        return true;
      });
    }
    benchmark::DoNotOptimize(sum);
  }
  per_find(state, state.iterations() * table.size());
}
BENCHMARK(visit_all);

// From nothing to a million keys; the slots' own (0) or all in one (1), as a hash tag makes it.
void grow(benchmark::State& state) {
  const Filled& data = filled();
  for (auto _ : state) {
    Table table(0, 1, 1);
    for (size_t i = 0; i < kKeys; ++i) {
      object::Key key = key_of(data.asked[i]);
      key.hash += i;  // asked names repeat
      if (state.range(0) == 1) key.slot = 0;
      table.insert(key, make_entry(key));
    }
    state.counters["cells_moved_per_key"] =
        static_cast<double>(table.moved_cells()) / static_cast<double>(kKeys);
    state.counters["bytes_per_key"] =
        static_cast<double>(table.memory_bytes()) / static_cast<double>(kKeys);
  }
  per_find(state, state.iterations() * kKeys);
}
BENCHMARK(grow)->Arg(0)->Arg(1)->Unit(benchmark::kMillisecond);

// Of the thread, so that what else the machine does is not counted.
double cpu_us() {
  timespec now{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) * 1e6 + static_cast<double>(now.tv_nsec) / 1e3;
}

// From nothing to ten million keys, each insertion by itself: the slowest one is what growing can
// hold a shard up for.
void grow_slowest_insert(benchmark::State& state) {
  constexpr size_t kMany = 10 * kKeys;
  for (auto _ : state) {
    Table table(0, 1, 1);
    double slowest_us = 0;
    for (size_t i = 0; i < kMany; ++i) {
      const Name name = name_of(i);
      object::Key key = key_of(name);
      if (state.range(0) == 1) key.slot = 0;
      Entry* const entry = make_entry(key);
      const double began_us = cpu_us();
      table.insert(key, entry);
      slowest_us = std::max(slowest_us, cpu_us() - began_us);
    }
    state.counters["slowest_us"] = slowest_us;
  }
}
BENCHMARK(grow_slowest_insert)->Arg(0)->Arg(1)->Iterations(1)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace quorate::storage

BENCHMARK_MAIN();
