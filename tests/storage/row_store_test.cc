// RowStore on a temporary directory: order, atomicity, limits and damage.
#include "quorate/storage/row_store.h"

#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <map>
#include <random>
#include <sys/resource.h>
#include <thread>
#include <unistd.h>
#include <vector>

namespace quorate::storage {
namespace {

using runtime::Result;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Pair;

using Rows = std::map<RowKey, std::string>;

class RowStoreTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = testing::TempDir() + "quorate_rows_XXXXXX";
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    options_.directory = pattern + "/rows";
    options_.map_bytes = 1ull << 30;
    root_ = pattern;
    open();
  }
  void TearDown() override {
    store_.reset();
    std::filesystem::remove_all(root_);
  }

  void open() {
    auto opened = RowStore::open(options_);
    ASSERT_TRUE(opened.has_value()) << opened.error().message;
    store_ = std::move(*opened);
  }
  void reopen() {
    store_.reset();
    open();
  }
  std::string data_file() const { return options_.directory + "/data.mdb"; }

  std::unique_ptr<RowStore::WriteTransaction> begin_write() {
    auto begun = store_->begin_write();
    EXPECT_TRUE(begun.has_value()) << begun.error().message;
    return std::move(*begun);
  }
  std::unique_ptr<RowStore::ReadTransaction> begin_read() {
    auto begun = store_->begin_read();
    EXPECT_TRUE(begun.has_value()) << begun.error().message;
    return std::move(*begun);
  }

  void put_all(const Rows& rows) {
    auto write = begin_write();
    for (const auto& [key, value] : rows) ASSERT_TRUE(write->put(key, value));
    ASSERT_TRUE(write->commit());
  }

  // What a reader finds, or "absent" / "damaged".
  std::string get(const RowKey& key) {
    auto read = begin_read();
    const auto row = read->get(key);
    if (!row) return "error: " + row.error().message;
    if (!row->has_value()) return "absent";
    EXPECT_EQ((*row)->key, key);
    return (*row)->damaged ? "damaged" : std::string((*row)->value);
  }

  static Rows collect(RowStore::ReadTransaction& read, const RowKey& from = {}) {
    Rows found;
    RowKey last;
    const auto status = read.scan(from, [&](const RowStore::Row& row) {
      EXPECT_TRUE(found.empty() || last < row.key) << "out of order";
      last = row.key;
      found.emplace(row.key, row.value);
      return true;
    });
    EXPECT_TRUE(status.has_value());
    return found;
  }
  Rows collect_all() { return collect(*begin_read()); }

  // Flips one bit of the place in the file where `text` stands. REQUIRES: the store is closed.
  void flip_bit_of(const std::string& text) const {
    std::fstream file(data_file(), std::ios::in | std::ios::out | std::ios::binary);
    std::string contents((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
    const size_t place = contents.find(text);
    ASSERT_NE(place, std::string::npos);
    ASSERT_EQ(contents.find(text, place + 1), std::string::npos);
    file.clear();
    file.seekp(static_cast<std::streamoff>(place));
    file.put(static_cast<char>(text[0] ^ 0x10));
  }

  RowStore::Options options_;
  std::string root_;
  std::unique_ptr<RowStore> store_;
};

Rows random_rows(std::mt19937_64& random, size_t count) {
  Rows rows;
  while (rows.size() < count) {
    const RowKey key{static_cast<uint16_t>(random() % 16384), static_cast<uint16_t>(random() % 16),
                     random()};
    const size_t bytes = random() % 50 == 0 ? random() % 20000 : random() % 300;
    rows[key] = std::string(bytes, static_cast<char>('a' + random() % 26));
  }
  return rows;
}

TEST_F(RowStoreTest, RowsComeInTheOrderOfSlotDbHash) {
  const Rows rows = {{{0, 0, 0}, "first"},        {{0, 0, UINT64_MAX}, "b"}, {{0, 1, 0}, "c"},
                     {{255, 3, 1}, "d"},          {{256, 0, 0}, "e"},        {{256, 0, 255}, "f"},
                     {{256, 0, 256}, "g"},        {{256, 300, 5}, ""},       {{16383, 15, 1}, "i"},
                     {{65535, 65535, 77}, "last"}};
  auto write = begin_write();
  for (auto row = rows.rbegin(); row != rows.rend(); ++row) {
    ASSERT_TRUE(write->put(row->first, row->second));
  }
  ASSERT_TRUE(write->commit());
  EXPECT_EQ(collect_all(), rows);
  EXPECT_EQ(get({256, 300, 5}), "");
  EXPECT_EQ(get({256, 300, 6}), "absent");
}

TEST_F(RowStoreTest, ScanBeginsAtTheKeyOrBehindItAndStopsWhenTold) {
  put_all({{{1, 0, 10}, "a"}, {{1, 0, 20}, "b"}, {{2, 0, 5}, "c"}});
  auto read = begin_read();
  EXPECT_THAT(collect(*read, {1, 0, 20}),
              ElementsAre(Pair(RowKey{1, 0, 20}, "b"), Pair(RowKey{2, 0, 5}, "c")));
  EXPECT_THAT(collect(*read, {1, 0, 21}), ElementsAre(Pair(RowKey{2, 0, 5}, "c")));
  EXPECT_THAT(collect(*read, {2, 0, 6}), IsEmpty());
  int visited = 0;
  ASSERT_TRUE(read->scan({}, [&](const RowStore::Row&) { return ++visited < 2; }));
  EXPECT_EQ(visited, 2);
}

TEST_F(RowStoreTest, CommittedRowsSurviveReopening) {
  std::mt19937_64 random(1);
  const Rows rows = random_rows(random, 3000);
  put_all(rows);
  reopen();
  EXPECT_EQ(collect_all(), rows);
  EXPECT_EQ(store_->statistics().rows, 3000u);
}

TEST_F(RowStoreTest, RandomChangesMatchAMap) {
  std::mt19937_64 random(2);
  Rows model;
  for (int round = 0; round < 20; ++round) {
    auto write = begin_write();
    for (const auto& [key, value] : random_rows(random, 300)) {
      ASSERT_TRUE(write->put(key, value));
      model[key] = value;
    }
    for (auto row = model.begin(); row != model.end();) {
      const auto dice = random() % 10;
      if (dice == 0) {
        ASSERT_TRUE(write->erase(row->first));
      }
      if (dice == 1) {
        ASSERT_TRUE(write->put(row->first, row->second += "more"));
      }
      row = dice == 0 ? model.erase(row) : std::next(row);
    }
    ASSERT_TRUE(write->erase({3, 99, random()})) << "erasing an absent row is no error";
    ASSERT_TRUE(write->commit());
    ASSERT_EQ(collect_all(), model);
  }
}

// As a checkpoint does it: in order, most of the rows there are, now and then one more or one less,
// and not always forwards.
TEST_F(RowStoreTest, ChangesToNeighboursMatchAMap) {
  std::mt19937_64 random(3);
  Rows model;
  const auto some_value = [&random] {
    const auto dice = random() % 40;
    const size_t bytes = dice == 0 ? 5000 : dice < 10 ? random() % 300 : 100;
    return std::string(bytes, static_cast<char>('a' + random() % 26));
  };
  for (int round = 0; round < 30; ++round) {
    auto write = begin_write();
    const unsigned often = 2 + static_cast<unsigned>(random() % 8);
    uint64_t changes = 0;
    for (uint64_t at = 0; at < 3000; ++at) {
      const uint64_t hash = random() % 500 == 0 ? at = random() % 3000 : at;
      const RowKey key{static_cast<uint16_t>(hash / 50), 0, hash};
      if (random() % often == 0 || ++changes > 6000) continue;
      if (random() % 12 == 0) {
        ASSERT_TRUE(write->erase(key));
        model.erase(key);
      } else {
        ASSERT_TRUE(write->put(key, model[key] = some_value()));
      }
      if (random() % 400 == 0) {
        const uint16_t slot = random() % 60;
        for (auto erased = write->erase_slot(slot, 0, 7);; erased = write->erase_slot(slot, 0, 7)) {
          ASSERT_TRUE(erased);
          if (*erased == 0) break;
        }
        std::erase_if(model, [slot](const auto& row) { return row.first.slot == slot; });
      }
    }
    ASSERT_TRUE(write->commit());
    ASSERT_EQ(collect_all(), model);
  }
}

TEST_F(RowStoreTest, AbortLeavesNothing) {
  put_all({{{1, 0, 1}, "kept"}});
  {
    auto write = begin_write();
    ASSERT_TRUE(write->put({1, 0, 1}, "overwritten"));
    ASSERT_TRUE(write->put({1, 0, 2}, "new"));
    ASSERT_TRUE(write->put_meta("position", "9"));
  }
  EXPECT_THAT(collect_all(), ElementsAre(Pair(RowKey{1, 0, 1}, "kept")));
  EXPECT_EQ(begin_read()->get_meta("position"), std::nullopt);
}

TEST_F(RowStoreTest, OneWriterAtATimeAndOnlyOneCommit) {
  auto first = begin_write();
  EXPECT_EQ(store_->begin_write().error().code, EBUSY);
  ASSERT_TRUE(first->put({1, 0, 1}, "a"));
  ASSERT_TRUE(first->commit());
  EXPECT_FALSE(first->commit().has_value());
  EXPECT_FALSE(first->put({1, 0, 2}, "b").has_value());
  EXPECT_FALSE(first->put_meta("a", "b").has_value());
  auto second = begin_write();
  first.reset();
  ASSERT_TRUE(second->put({1, 0, 3}, "c"));
  ASSERT_TRUE(second->commit());
  EXPECT_EQ(collect_all().size(), 2u);
}

TEST_F(RowStoreTest, MetaRecordsCommitWithTheRowsAndComeByPrefix) {
  {
    auto write = begin_write();
    ASSERT_TRUE(write->put({1, 0, 1}, "row"));
    for (const char* name : {"slot/2", "slot/10", "position", "slots"}) {
      ASSERT_TRUE(write->put_meta(name, std::string("value of ") + name));
    }
    ASSERT_TRUE(write->put_meta("empty", ""));
    ASSERT_TRUE(write->erase_meta("never there"));
    ASSERT_TRUE(write->commit());
  }
  reopen();
  auto read = begin_read();
  EXPECT_EQ(read->get_meta("position"), "value of position");
  EXPECT_EQ(read->get_meta("empty"), "");
  EXPECT_EQ(read->get_meta("pos"), std::nullopt);
  std::vector<std::pair<std::string, std::string>> found;
  const auto note = [&](std::string_view name, std::string_view value) {
    found.emplace_back(name, value);
  };
  ASSERT_TRUE(read->scan_meta("slot/", note));
  EXPECT_THAT(found,
              ElementsAre(Pair("slot/10", "value of slot/10"), Pair("slot/2", "value of slot/2")));
  found.clear();
  ASSERT_TRUE(read->scan_meta("", note));
  EXPECT_EQ(found.size(), 5u);
  EXPECT_EQ(collect(*read).size(), 1u);

  auto write = begin_write();
  ASSERT_TRUE(write->erase_meta("position"));
  ASSERT_TRUE(write->commit());
  EXPECT_EQ(read->get_meta("position"), "value of position");
  ASSERT_TRUE(read->refresh());
  EXPECT_EQ(read->get_meta("position"), std::nullopt);
}

TEST_F(RowStoreTest, MetaNamesHaveALimit) {
  auto write = begin_write();
  EXPECT_EQ(write->put_meta(std::string(512, 'n'), "").error().code, EINVAL);
  EXPECT_EQ(write->commit().error().code, EINVAL) << "a failed transaction repeats its reason";
  EXPECT_TRUE(begin_write()->put_meta(std::string(511, 'n'), "").has_value());
}

TEST_F(RowStoreTest, EraseSlotKeepsToItsLimitAndItsRange) {
  Rows kept;
  {
    auto write = begin_write();
    for (uint64_t i = 0; i < 5000; ++i) {
      const uint64_t hash = i * 0x9e3779b97f4a7c15;
      const std::string value = i % 100 == 0 ? std::string(5000, 'o') : "value";
      for (const RowKey& key : {RowKey{7, 1, hash}, RowKey{7, 2, hash}, RowKey{8, 1, hash}}) {
        ASSERT_TRUE(write->put(key, value));
        if (key.slot != 7 || key.db != 1) kept.emplace(key, value);
      }
    }
    ASSERT_TRUE(write->commit());
  }
  auto write = begin_write();
  EXPECT_EQ(write->erase_slot(7, 1, 0), 0u);
  EXPECT_EQ(write->erase_slot(7, 1, 1), 1u);
  EXPECT_EQ(write->erase_slot(7, 1, 3000), 3000u);
  EXPECT_EQ(write->erase_slot(7, 1, 3000), 1999u);
  EXPECT_EQ(write->erase_slot(7, 1, 3000), 0u);
  EXPECT_EQ(write->erase_slot(9, 0, 3000), 0u);
  ASSERT_TRUE(write->commit());
  EXPECT_EQ(collect_all(), kept);
}

TEST_F(RowStoreTest, EraseSlotOfTheLastRangeEmptiesTheStore) {
  std::mt19937_64 random(3);
  auto write = begin_write();
  for (int i = 0; i < 2000; ++i) ASSERT_TRUE(write->put({5, 0, random()}, "x"));
  ASSERT_TRUE(write->commit());
  write = begin_write();
  for (uint64_t total = 0; total < 2000;) {
    const auto erased = write->erase_slot(5, 0, 128);
    ASSERT_TRUE(erased.has_value());
    ASSERT_GT(*erased, 0u);
    total += *erased;
  }
  ASSERT_TRUE(write->commit());
  EXPECT_THAT(collect_all(), IsEmpty());
}

TEST_F(RowStoreTest, DirtyBytesCountThePagesThatSmallChangesTouch) {
  Rows rows;
  for (uint64_t i = 0; i < 20000; ++i) rows[{1, 0, i << 40}] = std::string(150, 'a');
  put_all(rows);
  const uint64_t pages_bytes = store_->statistics().used_bytes;

  auto write = begin_write();
  EXPECT_EQ(write->dirty_bytes(), 0u);
  for (const auto& [key, value] : rows) ASSERT_TRUE(write->put(key, value));
  EXPECT_NEAR(static_cast<double>(write->dirty_bytes()), pages_bytes, 0.05 * pages_bytes)
      << "every page once";
  write.reset();

  write = begin_write();
  uint64_t changed = 0;
  for (auto row = rows.begin(); row != rows.end(); std::advance(row, 100), ++changed) {
    ASSERT_TRUE(write->put(row->first, std::string(150, 'b')));
  }
  EXPECT_EQ(changed, 200u);
  EXPECT_EQ(write->dirty_bytes(), 200 * 4096u) << "each row alone on its page";
  write.reset();

  write = begin_write();
  ASSERT_TRUE(write->put({2, 0, 1}, std::string(1 << 20, 'c')));
  EXPECT_GE(write->dirty_bytes(), 1u << 20);
}

TEST_F(RowStoreTest, AFlippedBitMakesARowDamagedAndLeavesTheOthers) {
  put_all({{{1, 0, 1}, "before"}, {{1, 0, 2}, "the marked value"}, {{1, 0, 3}, "behind"}});
  store_.reset();
  flip_bit_of("the marked value");
  open();
  EXPECT_EQ(get({1, 0, 2}), "damaged");
  EXPECT_EQ(get({1, 0, 1}), "before");
  std::vector<std::pair<uint64_t, bool>> seen;
  ASSERT_TRUE(begin_read()->scan({}, [&](const RowStore::Row& row) {
    seen.emplace_back(row.key.hash, row.damaged);
    return true;
  }));
  EXPECT_THAT(seen, ElementsAre(Pair(1, false), Pair(2, true), Pair(3, false)));

  auto write = begin_write();
  ASSERT_TRUE(write->put({1, 0, 2}, "whole again"));
  ASSERT_TRUE(write->commit());
  EXPECT_EQ(get({1, 0, 2}), "whole again");
}

TEST_F(RowStoreTest, AFlippedBitInAKeyMakesItsRowDamaged) {
  put_all({{{1, 0, 0x4142434445464748}, "value"}});
  store_.reset();
  flip_bit_of("ABCDEFGH");
  open();
  EXPECT_EQ(get({1, 0, 0x5142434445464748}), "damaged");
}

TEST_F(RowStoreTest, AFlippedBitInAMetaRecordIsDamage) {
  auto write = begin_write();
  ASSERT_TRUE(write->put_meta("position", "the marked value"));
  ASSERT_TRUE(write->commit());
  write.reset();
  store_.reset();
  flip_bit_of("the marked value");
  open();
  auto read = begin_read();
  EXPECT_EQ(read->get_meta("position").error().code, kDamaged);
  EXPECT_EQ(read->scan_meta("pos", [](auto, auto) {}).error().code, kDamaged);
}

TEST_F(RowStoreTest, AFileThatIsNoneOfLmdbIsDamage) {
  store_.reset();
  std::ofstream(data_file(), std::ios::binary) << std::string(20000, 'g');
  const auto opened = RowStore::open(options_);
  ASSERT_FALSE(opened.has_value());
  EXPECT_EQ(opened.error().code, kDamaged);
  EXPECT_THAT(opened.error().message, HasSubstr(options_.directory));
}

TEST_F(RowStoreTest, ACutFileIsDamageAndNotASignal) {
  std::mt19937_64 random(4);
  const Rows rows = random_rows(random, 3000);
  put_all(rows);
  store_.reset();
  std::filesystem::resize_file(data_file(), 3 * 4096);  // the two meta pages and a bit
  const auto opened = RowStore::open(options_);
  if (!opened) {
    EXPECT_EQ(opened.error().code, kDamaged);
    return;
  }
  auto read = (*opened)->begin_read();
  ASSERT_TRUE(read.has_value());
  const auto row = (*read)->get(rows.begin()->first);
  EXPECT_TRUE(!row.has_value() ? row.error().code == kDamaged
                               : row->has_value() && (*row)->damaged);
}

TEST_F(RowStoreTest, AFullMapIsNoSpaceAndLaterTransactionsSucceed) {
  store_.reset();
  std::filesystem::remove_all(options_.directory);
  options_.map_bytes = 1 << 20;
  open();
  put_all({{{1, 0, 1}, "kept"}});
  {
    auto write = begin_write();
    runtime::Status status;
    for (uint64_t i = 2; status && i < 1000; ++i) {
      status = write->put({1, 0, i}, std::string(3000, 'x'));
    }
    ASSERT_FALSE(status.has_value());
    EXPECT_EQ(status.error().code, ENOSPC);
    EXPECT_EQ(write->erase({1, 0, 1}).error().code, ENOSPC);
    EXPECT_EQ(write->commit().error().code, ENOSPC);
  }
  EXPECT_THAT(collect_all(), ElementsAre(Pair(RowKey{1, 0, 1}, "kept")));
  put_all({{{1, 0, 2}, "fits"}});
  EXPECT_EQ(get({1, 0, 2}), "fits");
}

// Files of this process may not grow beyond `bytes` while this lives: a disk that is full.
class FileSizeLimit {
 public:
  explicit FileSizeLimit(uint64_t bytes) : signal_(std::signal(SIGXFSZ, SIG_IGN)) {
    ::getrlimit(RLIMIT_FSIZE, &before_);
    const rlimit limit{bytes, before_.rlim_max};
    ::setrlimit(RLIMIT_FSIZE, &limit);
  }
  ~FileSizeLimit() {
    ::setrlimit(RLIMIT_FSIZE, &before_);
    std::signal(SIGXFSZ, signal_);
  }

 private:
  void (*signal_)(int);
  rlimit before_{};
};

TEST_F(RowStoreTest, ACommitThatCannotBeWrittenLeavesTheStoreUsable) {
  put_all({{{1, 0, 1}, "kept"}});
  {
    const FileSizeLimit full(store_->statistics().file_bytes + 100000);
    auto write = begin_write();
    for (uint64_t i = 2; i < 1000; ++i) ASSERT_TRUE(write->put({1, 0, i}, std::string(900, 'x')));
    const auto committed = write->commit();
    ASSERT_FALSE(committed.has_value());
    EXPECT_THAT(committed.error().code, testing::AnyOf(ENOSPC, EFBIG, EIO));
    EXPECT_THAT(collect_all(), ElementsAre(Pair(RowKey{1, 0, 1}, "kept")));
  }
  put_all({{{1, 0, 2}, "there is space again"}});
  reopen();
  EXPECT_EQ(collect_all().size(), 2u);
}

TEST_F(RowStoreTest, AReaderSeesOneStateUntilItRefreshes) {
  put_all({{{1, 0, 1}, "old"}});
  auto read = begin_read();
  put_all({{{1, 0, 1}, "new"}, {{1, 0, 2}, "more"}});
  EXPECT_THAT(collect(*read), ElementsAre(Pair(RowKey{1, 0, 1}, "old")));
  ASSERT_TRUE(read->refresh());
  EXPECT_EQ(collect(*read).size(), 2u);
}

TEST_F(RowStoreTest, ReadersSeeWholeTransactionsWhileTheWriterCommits) {
  constexpr uint64_t kRows = 200;
  const auto round_rows = [](int round) {
    Rows rows;
    for (uint64_t i = 0; i < kRows; ++i) rows[{1, 0, i}] = "round " + std::to_string(round);
    return rows;
  };
  put_all(round_rows(0));
  std::atomic<bool> done = false;
  std::atomic<int> torn = 0;
  std::atomic<int> rounds_seen = 0;
  const auto watch = [&] {
    auto read = begin_read();
    std::string last;
    while (!done) {
      if (!read->refresh()) ++torn;
      const Rows seen = collect(*read);
      const std::string round = seen.begin()->second;
      for (const auto& [key, value] : seen) torn += value != round;
      torn += seen.size() != kRows;
      rounds_seen += round != last;
      last = round;
    }
  };
  std::vector<std::thread> readers;
  readers.reserve(3);
  for (int i = 0; i < 3; ++i) readers.emplace_back(watch);
  for (int round = 1; round <= 100; ++round) put_all(round_rows(round));
  done = true;
  for (auto& reader : readers) reader.join();
  EXPECT_EQ(torn, 0);
  EXPECT_GT(rounds_seen, 3);
}

TEST_F(RowStoreTest, ReadTransactionsMayMoveBetweenThreads) {
  put_all({{{1, 0, 1}, "value"}});
  auto read = begin_read();
  auto other = begin_read();  // two of one thread
  std::string found;
  std::thread([&, moved = std::move(read)] { found = collect(*moved)[{1, 0, 1}]; }).join();
  EXPECT_EQ(found, "value");
}

TEST_F(RowStoreTest, ReadersAreLimited) {
  store_.reset();
  std::filesystem::remove_all(options_.directory);
  options_.readers_max = 2;
  open();
  auto first = begin_read();
  auto second = begin_read();
  EXPECT_EQ(store_->begin_read().error().code, EAGAIN);
  second.reset();
  EXPECT_TRUE(store_->begin_read().has_value());
}

TEST_F(RowStoreTest, OpensWithASmallerMapWhereAddressSpaceIsScarce) {
  store_.reset();
  uint64_t pages = 0;
  std::ifstream("/proc/self/statm") >> pages;
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_AS, &before), 0);
  const rlimit scarce{pages * static_cast<uint64_t>(::getpagesize()) + (5ull << 30),
                      before.rlim_max};
  ASSERT_EQ(::setrlimit(RLIMIT_AS, &scarce), 0);
  options_.map_bytes = 1ull << 40;
  open();
  EXPECT_EQ(::setrlimit(RLIMIT_AS, &before), 0);
  put_all({{{1, 0, 1}, "value"}});
  EXPECT_EQ(get({1, 0, 1}), "value");
}

TEST_F(RowStoreTest, StatisticsCountRowsAndPages) {
  EXPECT_EQ(store_->statistics().rows, 0u);
  Rows rows;
  for (uint64_t i = 0; i < 1000; ++i) rows[{1, 0, i}] = std::string(1000, 'x');
  put_all(rows);
  const auto full = store_->statistics();
  EXPECT_EQ(full.rows, 1000u);
  EXPECT_GT(full.used_bytes, 1000000u);
  EXPECT_GE(full.file_bytes, full.used_bytes);
  auto write = begin_write();
  EXPECT_EQ(write->erase_slot(1, 0, 2000), 1000u);
  ASSERT_TRUE(write->commit());
  const auto empty = store_->statistics();
  EXPECT_EQ(empty.rows, 0u);
  EXPECT_LT(empty.used_bytes, 10000u);
  EXPECT_GE(empty.file_bytes, full.used_bytes);
}

}  // namespace
}  // namespace quorate::storage
