// ColdReader: on executors that the test steps by hand, and on threads.
#include "quorate/storage/cold_reader.h"

#include <cstdlib>
#include <deque>
#include <filesystem>
#include <future>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <map>
#include <mutex>
#include <thread>

namespace quorate::storage {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::Pair;
using Kind = ColdResult::Kind;

// Runs its tasks when told, or on a thread that drains it.
class SteppedExecutor final : public runtime::Executor {
 public:
  void post(runtime::Task task) override {
    const std::lock_guard lock(mutex_);
    tasks_.push_back(std::move(task));
  }
  bool step() {
    runtime::Task task;
    {
      const std::lock_guard lock(mutex_);
      if (tasks_.empty()) return false;
      task = std::move(tasks_.front());
      tasks_.pop_front();
    }
    task();
    return true;
  }
  size_t queued() {
    const std::lock_guard lock(mutex_);
    return tasks_.size();
  }

 private:
  std::mutex mutex_;
  std::deque<runtime::Task> tasks_;
};

class ColdReaderTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = testing::TempDir() + "quorate_cold_XXXXXX";
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    directory_ = pattern;
    auto opened = RowStore::open({.directory = directory_, .map_bytes = 1ull << 30});
    ASSERT_TRUE(opened.has_value()) << opened.error().message;
    store_ = std::move(*opened);
  }
  void TearDown() override {
    store_.reset();
    std::filesystem::remove_all(directory_);
  }

  void put(const std::map<RowKey, std::string>& rows) {
    auto write = store_->begin_write();
    ASSERT_TRUE(write.has_value());
    for (const auto& [key, value] : rows) ASSERT_TRUE((*write)->put(key, value));
    ASSERT_TRUE((*write)->commit());
  }

  ColdReader make_reader(ColdReader::Pause pause = {}) {
    return ColdReader(*store_, {&pool_[0], &pool_[1]}, std::move(pause));
  }
  // Lets pool and shard run until nothing is left to do.
  void settle() {
    while (pool_[0].step() || pool_[1].step() || shard_.step()) {
    }
  }
  ColdReader::Done keep() {
    return [this](std::vector<ColdResult> results) {
      ++answers_;
      results_ = std::move(results);
    };
  }
  ColdReader::ScanDone keep_scan() {
    return [this](std::vector<ColdResult> results, bool more) {
      ++answers_;
      results_ = std::move(results);
      more_ = more;
    };
  }
  std::vector<std::pair<uint64_t, std::string>> found() const {
    std::vector<std::pair<uint64_t, std::string>> rows;
    rows.reserve(results_.size());
    for (const auto& result : results_) {
      EXPECT_EQ(result.kind, Kind::found);
      rows.emplace_back(result.key.hash, result.row);
    }
    return rows;
  }

  std::string directory_;
  std::unique_ptr<RowStore> store_;
  SteppedExecutor pool_[2];
  SteppedExecutor shard_;
  std::vector<ColdResult> results_;
  bool more_ = false;
  int answers_ = 0;
};

TEST_F(ColdReaderTest, ABatchComesBackSortedInOneTaskOnTheShard) {
  put({{{1, 0, 1}, "a"}, {{1, 0, 2}, "b"}, {{2, 0, 1}, ""}});
  auto reader = make_reader();
  reader.read({{2, 0, 1}, {1, 0, 3}, {1, 0, 1}, {1, 0, 1}}, shard_, keep());
  EXPECT_EQ(shard_.queued(), 0u) << "nothing is read by the caller";
  EXPECT_EQ(pool_[0].queued() + pool_[1].queued(), 1u) << "a small batch is one part";
  EXPECT_TRUE(pool_[0].step() || pool_[1].step());
  EXPECT_EQ(answers_, 0);
  EXPECT_EQ(shard_.queued(), 1u);
  EXPECT_TRUE(shard_.step());
  ASSERT_EQ(results_.size(), 4u);
  std::vector<std::pair<Kind, std::string>> seen;
  seen.reserve(results_.size());
  for (const auto& result : results_) seen.emplace_back(result.kind, result.row);
  EXPECT_THAT(seen, ElementsAre(Pair(Kind::found, "a"), Pair(Kind::found, "a"),
                                Pair(Kind::absent, ""), Pair(Kind::found, "")));
  EXPECT_EQ(results_[2].key, (RowKey{1, 0, 3}));
}

TEST_F(ColdReaderTest, AnEmptyBatchIsAnsweredToo) {
  auto reader = make_reader();
  reader.read({}, shard_, keep());
  settle();
  EXPECT_EQ(answers_, 1);
  EXPECT_THAT(results_, IsEmpty());
}

TEST_F(ColdReaderTest, BatchesAndLargeBatchesAreSpreadOverThePool) {
  auto reader = make_reader();
  reader.read({{1, 0, 1}}, shard_, keep());
  reader.read({{1, 0, 2}}, shard_, keep());
  EXPECT_EQ(pool_[0].queued(), 1u);
  EXPECT_EQ(pool_[1].queued(), 1u);
  settle();

  std::map<RowKey, std::string> rows;
  std::vector<RowKey> keys;
  for (uint64_t i = 0; i < 10 * ColdReader::kPartKeys + 1; ++i) {
    keys.push_back({7, 0, i * 0x9e3779b97f4a7c15});
    rows[keys.back()] = std::to_string(i);
  }
  put(rows);
  answers_ = 0;
  reader.read(keys, shard_, keep());
  EXPECT_EQ(pool_[0].queued(), 1u);
  EXPECT_EQ(pool_[1].queued(), 1u);
  EXPECT_TRUE(pool_[1].step());
  EXPECT_EQ(shard_.queued(), 0u) << "one answer, when all parts are there";
  settle();
  EXPECT_EQ(answers_, 1);
  ASSERT_EQ(results_.size(), rows.size());
  auto expected = rows.begin();
  for (const auto& result : results_) {
    EXPECT_EQ(result.key, expected->first);
    EXPECT_EQ(result.row, expected->second);
    ++expected;
  }
}

TEST_F(ColdReaderTest, ReadsSeeWhatWasCommittedBeforeTheyBegan) {
  put({{{1, 0, 1}, "old"}});
  auto reader = make_reader();
  // Three parts for two threads: one transaction is moved on instead of made anew.
  for (int i = 0; i < 2; ++i) reader.read({{1, 0, 1}}, shard_, keep());
  reader.read({{1, 0, 1}}, shard_, keep());
  EXPECT_TRUE(pool_[0].step());
  EXPECT_TRUE(shard_.step());
  EXPECT_THAT(found(), ElementsAre(Pair(1, "old")));
  put({{{1, 0, 1}, "new"}});
  EXPECT_TRUE(pool_[0].step());
  EXPECT_TRUE(shard_.step());
  EXPECT_THAT(found(), ElementsAre(Pair(1, "new")));
  settle();
}

TEST_F(ColdReaderTest, AnIdlePoolHoldsNoSnapshot) {
  const std::string value(1000, 'x');
  std::map<RowKey, std::string> rows;
  for (uint64_t i = 0; i < 1000; ++i) rows[{1, 0, i}] = value;
  put(rows);
  put(rows);
  auto reader = make_reader();
  reader.read({{1, 0, 1}}, shard_, keep());
  settle();
  const auto before = store_->statistics();
  for (int i = 0; i < 20; ++i) put(rows);
  // A snapshot held meanwhile would have kept the pages of every transaction but the first.
  EXPECT_LT(store_->statistics().file_bytes, before.file_bytes + 2 * before.used_bytes);
}

TEST_F(ColdReaderTest, AScanStaysInItsRangeAndTellsWhetherItGoesOn) {
  put({{{1, 0, 9}, "other db"},
       {{1, 1, 1}, "a"},
       {{1, 1, 2}, "b"},
       {{1, 1, 3}, "c"},
       {{1, 2, 1}, "other db"}});
  auto reader = make_reader();
  reader.scan({1, 1, 0}, 2, SIZE_MAX, shard_, keep_scan());
  settle();
  EXPECT_THAT(found(), ElementsAre(Pair(1, "a"), Pair(2, "b")));
  EXPECT_TRUE(more_);
  reader.scan({1, 1, 3}, 2, SIZE_MAX, shard_, keep_scan());
  settle();
  EXPECT_THAT(found(), ElementsAre(Pair(3, "c")));
  EXPECT_FALSE(more_);
  reader.scan({1, 1, 1}, 3, SIZE_MAX, shard_, keep_scan());
  settle();
  EXPECT_EQ(found().size(), 3u);
  EXPECT_FALSE(more_) << "a full answer may be the end";
  reader.scan({1, 1, 4}, 3, SIZE_MAX, shard_, keep_scan());
  settle();
  EXPECT_THAT(results_, IsEmpty());
  EXPECT_FALSE(more_);
}

TEST_F(ColdReaderTest, AScanStopsAtItsBytesButGivesAtLeastOneRow) {
  const std::string large(1000, 'x');
  put({{{1, 0, 1}, large}, {{1, 0, 2}, large}, {{1, 0, 3}, large}});
  auto reader = make_reader();
  reader.scan({1, 0, 0}, 10, 1, shard_, keep_scan());
  settle();
  EXPECT_EQ(results_.size(), 1u);
  EXPECT_TRUE(more_);
  reader.scan({1, 0, 0}, 10, 1001, shard_, keep_scan());
  settle();
  EXPECT_EQ(results_.size(), 2u);
  EXPECT_TRUE(more_);
}

// A store without its reading side, or with a damaged one.
class BrokenStore final : public RowStore {
 public:
  class DamagedTransaction final : public ReadTransaction {
   public:
    runtime::Result<std::optional<Row>> get(const RowKey& key) override {
      if (key.hash == 1) return Row{key, {}, true};
      return std::unexpected(runtime::Error{kDamaged, "no such page"});
    }
    runtime::Status scan(const RowKey& from,
                         const std::function<bool(const Row&)>& visit) override {
      visit({from, {}, true});
      return std::unexpected(runtime::Error{kDamaged, "no such page"});
    }
    runtime::Result<std::optional<std::string>> get_meta(std::string_view) override {
      return std::nullopt;
    }
    runtime::Status scan_meta(
        std::string_view, const std::function<void(std::string_view, std::string_view)>&) override {
      return {};
    }
    runtime::Status refresh() override { return runtime::fail("cannot be renewed"); }
  };

  runtime::Result<std::unique_ptr<WriteTransaction>> begin_write() override {
    return runtime::fail("reads only");
  }
  runtime::Result<std::unique_ptr<ReadTransaction>> begin_read() override {
    if (readers_refused) return runtime::fail_errno(EAGAIN, "begin");
    ++begun;
    return std::make_unique<DamagedTransaction>();
  }
  Statistics statistics() const override { return {}; }

  bool readers_refused = false;
  int begun = 0;
};

TEST_F(ColdReaderTest, DamageAndFailuresAreNotAbsence) {
  BrokenStore broken;
  ColdReader reader(broken, {&pool_[0], &pool_[1]});
  reader.read({{1, 0, 1}, {1, 0, 2}}, shard_, keep());
  settle();
  ASSERT_EQ(results_.size(), 2u);
  EXPECT_EQ(results_[0].kind, Kind::damaged);
  EXPECT_EQ(results_[1].kind, Kind::failed);
  EXPECT_EQ(results_[1].error.code, kDamaged);
  reader.scan({1, 0, 5}, 10, SIZE_MAX, shard_, keep_scan());
  settle();
  ASSERT_EQ(results_.size(), 2u);
  EXPECT_EQ(results_[0].kind, Kind::damaged);
  EXPECT_EQ(results_[1].kind, Kind::failed);
  EXPECT_FALSE(more_);

  broken.readers_refused = true;
  reader.read({{1, 0, 1}}, shard_, keep());
  settle();
  EXPECT_EQ(results_.at(0).kind, Kind::failed);
  EXPECT_EQ(results_.at(0).error.code, EAGAIN);
  reader.scan({1, 0, 5}, 10, SIZE_MAX, shard_, keep_scan());
  settle();
  EXPECT_EQ(results_.at(0).error.code, EAGAIN);
}

TEST_F(ColdReaderTest, ATransactionThatCannotBeRenewedIsMadeAnew) {
  BrokenStore broken;
  ColdReader reader(broken, {&pool_[0]});
  reader.read({{1, 0, 1}}, shard_, keep());
  reader.read({{1, 0, 1}}, shard_, keep());
  settle();
  EXPECT_EQ(answers_, 2);
  EXPECT_EQ(broken.begun, 2);
  EXPECT_EQ(results_.at(0).kind, Kind::damaged);
}

TEST_F(ColdReaderTest, TheDelayHoldsUpThePoolAndNotTheShard) {
  std::vector<uint64_t> pauses;
  auto reader = make_reader([&](uint64_t delay_us) { pauses.push_back(delay_us); });
  reader.read({{1, 0, 1}}, shard_, keep());
  settle();
  EXPECT_THAT(pauses, IsEmpty());
  reader.set_delay_us(5000);
  reader.read({{1, 0, 1}}, shard_, keep());
  EXPECT_THAT(pauses, IsEmpty());
  settle();
  EXPECT_THAT(pauses, ElementsAre(5000));
  reader.set_delay_us(0);
  reader.scan({1, 0, 1}, 1, 1, shard_, keep_scan());
  settle();
  EXPECT_EQ(pauses.size(), 1u);
  EXPECT_EQ(answers_, 3);
}

// Every round's rows all carry the round's number, so a reply must never mix older with newer than
// begun.
TEST_F(ColdReaderTest, ThreadsReadWhileTheWriterCommits) {
  constexpr uint64_t kRows = 500;
  const auto rows_of = [](int round) {
    std::map<RowKey, std::string> rows;
    for (uint64_t i = 0; i < kRows; ++i) rows[{1, 0, i}] = std::to_string(round);
    return rows;
  };
  put(rows_of(0));
  auto reader = make_reader();
  std::atomic<bool> ended = false;
  std::vector<std::thread> threads;
  for (auto* executor : {&pool_[0], &pool_[1], &shard_}) {
    threads.emplace_back([&ended, executor] {
      while (executor->step() || !ended) std::this_thread::yield();
    });
  }
  std::vector<RowKey> keys;
  keys.reserve(kRows);
  for (uint64_t i = 0; i < kRows; ++i) keys.push_back({1, 0, i});
  for (int round = 1; round <= 30; ++round) {
    std::promise<std::vector<ColdResult>> promise;
    reader.read(keys, shard_, [&](auto results) { promise.set_value(std::move(results)); });
    put(rows_of(round));
    const auto results = promise.get_future().get();
    ASSERT_EQ(results.size(), kRows);
    for (const auto& result : results) {
      ASSERT_EQ(result.kind, Kind::found);
      const int seen = std::stoi(result.row);
      ASSERT_TRUE(seen == round - 1 || seen == round) << seen << " in round " << round;
    }
  }
  ended = true;
  for (auto& thread : threads) thread.join();
}

}  // namespace
}  // namespace quorate::storage
