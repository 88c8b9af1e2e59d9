// The journal against crashes: random batches, syncs, checkpoints and disk faults, then a process
// crash or a power loss at a random moment, and what recovery then delivers, over thousands of
// seeds and several generations each. A failure names its seed.
#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <gtest/gtest.h>
#include <optional>
#include <spdlog/spdlog.h>

#include "storage/journal_rig.h"

namespace quorate::storage {
namespace {

using sim::FileOperation;

struct Faults {
  bool writes = false;
  bool syncs = false;
  bool space = false;
  bool halt = false;  // the machine stops between any two operations
};

// One run of the process and what it must leave behind.
class CrashRun {
 public:
  CrashRun(uint64_t seed, Faults faults)
      : faults_(faults), choices_(runtime::make_seeded_random(seed ^ 0x5eed)), rig_(seed) {}

  void run_generations() {
    const uint64_t generations = 1 + choices_->below(3);
    for (uint64_t generation = 1; generation <= generations; ++generation) {
      run_one(generation);
      if (testing::Test::HasFatalFailure()) return;
      crash();
      check();
      if (testing::Test::HasFailure()) return;
    }
  }

 private:
  struct Record {
    uint64_t number = 0;
    uint64_t end = 0;
  };

  void run_one(uint64_t generation) {
    Journal::Options options;
    options.generation = generation;
    options.segment_bytes = 4096 + choices_->below(16384);
    options.policy = static_cast<SyncPolicy>(choices_->below(3));
    rig_.start(options);
    if (testing::Test::HasFatalFailure()) return;
    records_.clear();
    rig_.loop->set_turn_end([this] { end_turn(); });
    rig_.journal->on_synced([this] { note_synced(); });
    rig_.journal->on_failed([this] { checkpoint_everything(); });
    break_things();
    const uint64_t steps = choices_->below(60);
    for (uint64_t step = 0; step < steps; ++step) {
      rig_.loop->post([this] { work(); });
      rig_.world.run_for(choices_->below(choices_->below(8) == 0 ? 3'000'000 : 3000));
    }
    rig_.files.heal();
    rig_.files.set_capacity(UINT64_MAX);
  }

  void break_things() {
    if (faults_.writes) rig_.files.fail_randomly(FileOperation::write, EIO, 0.1);
    if (faults_.syncs) rig_.files.fail_randomly(FileOperation::sync_data, EIO, 0.1);
    if (faults_.space) {
      rig_.files.set_capacity(rig_.files.used_bytes() + choices_->below(50'000));
    }
    if (faults_.halt) rig_.files.halt_after(choices_->below(100));
  }

  void work() {
    if (!rig_.journal->accepts_writes()) return;
    const uint64_t count = choices_->below(6);
    for (uint64_t i = 0; i < count; ++i) {
      const bool large = choices_->below(40) == 0;
      const uint64_t number = rig_.append(choices_->below(large ? 30'000 : 600));
      records_.push_back({number, rig_.journal->end_position()});
    }
    if (choices_->below(10) == 0) rig_.journal->request_sync();
    if (choices_->below(25) == 0) checkpoint();
    if (faults_.space && choices_->below(10) == 0) {
      rig_.files.set_capacity(choices_->below(2) == 0 ? UINT64_MAX : rig_.files.used_bytes());
    }
  }

  void end_turn() {
    if (!rig_.journal->write_batch()) return;
    if (!records_.empty()) written_ = records_.back().number + 1;
    ASSERT_EQ(rig_.journal->end_position(), rig_.journal->written_position());
  }

  void note_synced() {
    for (const Record& record : records_) {
      if (record.end <= rig_.journal->synced_position())
        synced_ = std::max(synced_, record.number + 1);
    }
  }

  // As the shard does: everything synced so far is in the checkpoint.
  void checkpoint() {
    checkpointed_ = std::max(checkpointed_, synced_);
    rig_.journal->remove_before(rig_.journal->synced_position());
  }

  void checkpoint_everything() {
    checkpointed_ = std::max(checkpointed_, written_);
    ASSERT_TRUE(rig_.journal->restart(rig_.journal->written_position()));
  }

  void crash() {
    const bool power = faults_.halt || choices_->below(3) != 0;
    rig_.stop();
    if (power) {
      rig_.files.lose_power();
      survives_ = synced_;
    } else {
      rig_.files.crash_process();
      survives_ = written_;
    }
  }

  void check() {
    const Recovery recovery = recover(rig_.files);
    ASSERT_TRUE(recovery.survey) << recovery.survey.error().message;
    // What a checkpoint holds may come again or not; from there on everything, in order, without a
    // gap.
    uint64_t next = checkpointed_;
    std::optional<uint64_t> previous;
    for (const uint64_t number : recovery.numbers) {
      if (previous && number != *previous + 1) {
        ASSERT_LE(*previous, checkpointed_) << "out of order before " << number;
      }
      ASSERT_LE(number, next) << "record " << next << " is missing";
      next = std::max(next, number + 1);
      previous = number;
    }
    EXPECT_GE(next, survives_) << "what was durable is lost";
    EXPECT_LE(next, rig_.next_number);
    // The next generation goes on from what was recovered, which counts as durable from now on.
    rig_.next_number = next;
    written_ = next;
    synced_ = next;
  }

  const Faults faults_;
  const std::unique_ptr<runtime::Random> choices_;
  JournalRig rig_;
  std::vector<Record> records_;  // of this generation
  // Numbers of the first record that is not yet …
  uint64_t written_ = 0;
  uint64_t synced_ = 0;
  uint64_t checkpointed_ = 0;
  uint64_t survives_ = 0;
};

// QUORATE_SEEDS multiplies the seeds tried, for long runs.
uint64_t seed_count(uint64_t seeds) {
  const char* const factor = std::getenv("QUORATE_SEEDS");
  return factor == nullptr ? seeds : seeds * std::strtoull(factor, nullptr, 10);
}

void run_seeds(uint64_t first, uint64_t seeds, Faults faults) {
  const auto level = spdlog::get_level();
  spdlog::set_level(spdlog::level::off);
  for (uint64_t seed = first; seed < first + seed_count(seeds); ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    CrashRun(seed, faults).run_generations();
    if (testing::Test::HasFailure()) break;
  }
  spdlog::set_level(level);
}

TEST(JournalCrash, LosesNothingDurableOnAHealthyDisk) { run_seeds(1, 1500, {}); }

TEST(JournalCrash, AtAnyOperation) { run_seeds(1'000'000, 1500, {.halt = true}); }

TEST(JournalCrash, WithWritesThatFail) { run_seeds(2'000'000, 700, {.writes = true}); }

TEST(JournalCrash, WithSyncsThatFail) { run_seeds(3'000'000, 700, {.syncs = true}); }

TEST(JournalCrash, WithADiskThatFillsUp) { run_seeds(4'000'000, 700, {.space = true}); }

TEST(JournalCrash, WithEverythingAtOnce) {
  run_seeds(5'000'000, 700, {.writes = true, .syncs = true, .space = true});
}

}  // namespace
}  // namespace quorate::storage
