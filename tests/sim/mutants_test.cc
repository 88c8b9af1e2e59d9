// Each mutant must make some seeded history fail, and none may fail without a mutant.
//
// A mutant runs in a process of its own, which may well end in a crash: that is being caught, too.
// Part of sim_mutants_tests only, the one build that has mutants.
#ifdef QUORATE_MUTANTS
#include "quorate/runtime/mutants.h"

#include <cstdio>
#include <gtest/gtest.h>
#include <spdlog/spdlog.h>
#include <string>
#include <sys/wait.h>
#include <unistd.h>

#include "history/linearizability.h"
#include "sim/cluster_history.h"
#include "sim/power_loss_history.h"
#include "sim/rival_coordinators.h"

namespace quorate::sim {
namespace {

using runtime::Mutant;

constexpr uint64_t kSeedsWithMutant = 400;
constexpr uint64_t kSeedsWithout = 60;
constexpr uint64_t kClusterSeedsWithMutant = 1000;
constexpr uint64_t kClusterSeedsWithout = 15;
constexpr int kCaught = 42;

// Ends with kCaught as soon as a history fails.
[[noreturn]] void run_histories(Mutant mutant, uint64_t seeds) {
  runtime::selected_mutant = mutant;
  spdlog::set_level(spdlog::level::off);
  for (uint64_t seed = 1; seed <= seeds; ++seed) {
    PowerLossHistory history(seed);
    const std::string violation = history.run();
    if (violation.empty()) continue;
    std::fprintf(stderr, "seed %llu: %s\n", static_cast<unsigned long long>(seed),
                 violation.c_str());
    ::_exit(kCaught);
  }
  ::_exit(0);
}

[[noreturn]] void run_cluster_histories(Mutant mutant, uint64_t seeds,
                                        ClusterHistoryOptions (*options)(uint64_t seed)) {
  runtime::selected_mutant = mutant;
  spdlog::set_level(spdlog::level::off);
  for (uint64_t seed = 1; seed <= seeds; ++seed) {
    ClusterHistory history(seed, options(seed));
    history.run();
    const history::Report report = history::check_linearizability(history.history());
    if (report.linearizable()) continue;
    std::fprintf(stderr, "seed %llu: %s\n", static_cast<unsigned long long>(seed),
                 report.text().c_str());
    ::_exit(kCaught);
  }
  ::_exit(0);
}

// The same of a cluster whose nodes crash and come back, and lose sight of each other.
[[noreturn]] void run_cluster_histories(Mutant mutant, uint64_t seeds) {
  run_cluster_histories(mutant, seeds, [](uint64_t seed) {
    // Of many keys, one that nobody writes again for a while tells what is missing.
    return ClusterHistoryOptions{.keys = seed % 2 == 0 ? 40U : 3U,
                                 .link_delay = {0, 20'000},
                                 .pauses = true,
                                 .crashes = true,
                                 .partitions = seed % 2 == 0};
  });
}

// A write that only one replica has: once it was read there, everybody must read it. What else
// would bring it everywhere is off.
[[noreturn]] void read_what_one_replica_has(Mutant mutant, uint64_t seeds) {
  runtime::selected_mutant = mutant;
  spdlog::set_level(spdlog::level::off);
  for (uint64_t seed = 1; seed <= seeds; ++seed) {
    SimCluster cluster(seed, 5, {5, 3, 3});
    cluster.options().settles = false;
    cluster.options().replicator.unacknowledged_bytes_max = 1;
    cluster.options().replicator.catch_up_us = 3'600'000'000;
    cluster.start();
    const auto wait = [&] { cluster.world().run_for(3'000'000); };
    wait();
    const auto one = static_cast<unsigned>(seed % 5);
    std::vector<unsigned> others;
    for (unsigned i = 0; i < 5; ++i) {
      if (i != one) others.push_back(i);
    }
    cluster.part({one}, others);
    wait();
    auto& shard = cluster.node(one).shards()[0];
    shard.loop->post([&store = *shard.store] {
      const auto key = object::Key::of("key", 0, SimNode::kClusterHashSeed);
      store.put(key, store.find(key), {storage::Form::raw, 0, "new"});
    });
    wait();
    cluster.heal();
    wait();
    const std::string read = cluster.run(one, {"GET", "key"});
    cluster.part({one}, others);
    wait();
    for (const unsigned other : others) {
      if (cluster.run(other, {"GET", "key"}) != read) ::_exit(kCaught);
    }
  }
  ::_exit(0);
}

// Two nodes coordinate a key at once.
[[noreturn]] void change_by_rivals(Mutant mutant, uint64_t seeds, RivalAskedBy by) {
  runtime::selected_mutant = mutant;
  spdlog::set_level(spdlog::level::off);
  for (uint64_t seed = 1; seed <= seeds; ++seed) {
    if (let_rivals_change(seed, by).by_both != 0) ::_exit(kCaught);
  }
  ::_exit(0);
}
[[noreturn]] void change_by_rivals(Mutant mutant, uint64_t seeds) {
  change_by_rivals(mutant, seeds, RivalAskedBy::itself);
}
[[noreturn]] void forward_to_a_rival(Mutant mutant, uint64_t seeds) {
  change_by_rivals(mutant, seeds, RivalAskedBy::the_third);
}

using RunHistories = void (*)(Mutant, uint64_t);

// The status with which a process that runs histories ends.
int status_with(Mutant mutant, uint64_t seeds, RunHistories run = run_histories) {
  const pid_t child = ::fork();
  if (child == 0) run(mutant, seeds);
  int status = 0;
  EXPECT_EQ(::waitpid(child, &status, 0), child);
  return status;
}

void expect_caught(Mutant mutant) {
  const int status = status_with(mutant, kSeedsWithMutant);
  EXPECT_TRUE(WIFSIGNALED(status) || WEXITSTATUS(status) == kCaught)
      << "no history noticed in " << kSeedsWithMutant << " seeds";
}

void expect_caught_in_cluster(Mutant mutant, RunHistories run = run_cluster_histories) {
  const int status = status_with(mutant, kClusterSeedsWithMutant, run);
  EXPECT_TRUE(WIFSIGNALED(status) || WEXITSTATUS(status) == kCaught)
      << "no history noticed in " << kClusterSeedsWithMutant << " seeds";
}

TEST(Mutants, NoneFailsNoCluster) {
  const int status = status_with(Mutant::none, kClusterSeedsWithout, run_cluster_histories);
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

TEST(Mutants, NoneMissesWhatWasRead) {
  const int status = status_with(Mutant::none, kClusterSeedsWithout, read_what_one_replica_has);
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

TEST(Mutants, NoneLetsRivalsBothChangeAKey) {
  const int status = status_with(Mutant::none, kClusterSeedsWithout, change_by_rivals);
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

TEST(Mutants, RemovedWriteBackIsCaught) {
  expect_caught_in_cluster(Mutant::write_back_removed, read_what_one_replica_has);
}
TEST(Mutants, ReplyBeforeCopiesIsCaught) { expect_caught_in_cluster(Mutant::reply_before_copies); }
TEST(Mutants, BlindCoordinatorIsCaught) { expect_caught_in_cluster(Mutant::blind_coordinator); }
TEST(Mutants, UnaskedPromisesAreCaught) {
  expect_caught_in_cluster(Mutant::promises_unasked, change_by_rivals);
}
TEST(Mutants, UnreadChangesOfOthersAreCaught) {
  expect_caught_in_cluster(Mutant::anything_expected, change_by_rivals);
}
TEST(Mutants, GivenUpWriteAnsweredAsSettledIsCaught) {
  expect_caught_in_cluster(Mutant::settled_when_given_up);
}

TEST(Mutants, EarlyAnswerWithoutCopiesIsCaught) {
  expect_caught_in_cluster(Mutant::early_answer_unkept, forward_to_a_rival);
}

TEST(Mutants, NoneFailsNothing) {
  const int status = status_with(Mutant::none, kSeedsWithout);
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

TEST(Mutants, CollidingHashesFailNothing) {
  const int status = status_with(Mutant::hashes_collide, kSeedsWithout);
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

TEST(Mutants, ReplyBeforeJournalIsCaught) { expect_caught(Mutant::reply_before_journal); }
TEST(Mutants, CheckpointAheadOfTheJournalIsCaught) { expect_caught(Mutant::checkpoint_ahead); }
TEST(Mutants, DemotedDirtyEntryIsCaught) { expect_caught(Mutant::dirty_entry_demoted); }
TEST(Mutants, AcceptedTornTailIsCaught) { expect_caught(Mutant::torn_tail_accepted); }
TEST(Mutants, EpochKeptAfterUncleanStopIsCaught) { expect_caught(Mutant::epoch_kept); }
TEST(Mutants, ClockSavedWithoutItsRowsIsCaught) { expect_caught(Mutant::clock_without_rows); }
TEST(Mutants, TrustInRowsAheadIsCaught) { expect_caught(Mutant::rows_ahead_trusted); }
TEST(Mutants, UnreadSharedRowIsCaught) { expect_caught(Mutant::shared_row_unread); }

}  // namespace
}  // namespace quorate::sim

#endif  // QUORATE_MUTANTS
