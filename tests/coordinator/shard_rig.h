// The shards of one process on virtual time: stores, journals on a simulated disk, rows in a real
// LMDB environment of their own, and their coordinators. Everything above is added by who uses it.
#pragma once

#include <cstdlib>
#include <filesystem>
#include <gtest/gtest.h>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "quorate/coordinator/shard_coordinator.h"
#include "quorate/runtime/random.h"
#include "quorate/storage/saved_slot.h"
#include "quorate/storage/shard_store.h"

#include "sim/sim_file_system.h"
#include "sim/sim_loop.h"

namespace quorate::coordinator {

struct ShardRigOptions {
  unsigned shards = 1;
  storage::SyncPolicy policy = storage::SyncPolicy::everysec;
  storage::StoreSettings store = {};
  uint64_t seed = 1;
  bool replicated = false;
};

class ShardRig {
 public:
  static constexpr uint64_t kHashSeed = 42;

  struct Shard {
    std::unique_ptr<sim::SimLoop> loop;
    std::unique_ptr<runtime::Random> random;
    std::unique_ptr<storage::ShardStore> store;
    std::unique_ptr<ShardCoordinator> coordinator;
  };

  explicit ShardRig(ShardRigOptions options = {})
      : options_(std::move(options)), world(options_.seed), files(options_.seed + 1) {
    std::string pattern = testing::TempDir() + "quorate_rig_XXXXXX";
    if (::mkdtemp(pattern.data()) == nullptr) std::abort();
    directory_ = pattern;
    EXPECT_TRUE(files.make_directory("/journal"));
    actor_ = actors.intern({});
    start();
  }
  ~ShardRig() {
    stop();
    std::filesystem::remove_all(directory_);
  }
  ShardRig(const ShardRig&) = delete;
  ShardRig& operator=(const ShardRig&) = delete;

  // The process goes away as by SIGKILL.
  void stop() {
    world.crash(node_);
    shards.clear();
    cold_reader.reset();
    rows.reset();
    workers_.clear();
  }

  // What is in memory goes to the rows.
  void checkpoint() {
    size_t missing = shards.size();
    for (Shard& shard : shards) {
      shard.loop->post([&] { shard.store->checkpoint([&missing] { --missing; }); });
    }
    EXPECT_TRUE(run_until([&] { return missing == 0; })) << "no checkpoint";
  }

  // Builds everything anew on what is on disk; all keys of checkpoints are cold.
  void start() {
    ++node_;
    rows = storage::RowStore::open({directory_, 1ull << 28, false, 126}).value();
    cold_pool = worker();
    cold_reader =
        std::make_unique<storage::ColdReader>(*rows, std::vector<runtime::Executor*>{cold_pool});
    runtime::Executor& sync_thread = *worker();
    runtime::Executor& checkpoint_thread = *worker();
    for (unsigned i = 0; i < options_.shards; ++i) {
      start_shard(shards.emplace_back(), i, sync_thread, checkpoint_thread);
    }
    const auto saved = storage::read_saved_slots(*rows->begin_read().value()).value();
    for (const storage::SavedSlot& of : saved) {
      EXPECT_TRUE(shards[of.slot % options_.shards].store->restore_slot(of));
    }
    std::vector<ShardCoordinator*> all;
    for (Shard& shard : shards) all.push_back(shard.coordinator.get());
    for (Shard& shard : shards) shard.coordinator->connect(all);
  }

  bool run_until(const std::function<bool()>& done) {
    return world.run_until(done, world.now_us() + sim::kPatienceUs);
  }

  object::Key key(std::string_view name, uint16_t db = 0) const {
    return object::Key::of(name, db, kHashSeed);
  }
  unsigned shard_of(std::string_view name) const { return key(name).slot % options_.shards; }
  // The i-th of some names whose keys are on that shard.
  std::string name_on(unsigned shard, unsigned i = 0) const {
    for (unsigned n = 0;; ++n) {
      std::string name = "key-" + std::to_string(n);
      if (shard_of(name) == shard && i-- == 0) return name;
    }
  }

 private:
  ShardRigOptions options_;
  std::string directory_;
  sim::NodeId node_ = 0;
  object::ActorId actor_{};
  std::vector<std::unique_ptr<sim::SimWorker>> workers_;

 public:
  sim::SimWorld world;
  sim::SimFileSystem files;
  object::ActorTable actors;
  std::unique_ptr<storage::RowStore> rows;
  sim::SimWorker* cold_pool = nullptr;
  std::unique_ptr<storage::ColdReader> cold_reader;
  std::vector<Shard> shards;

 private:
  sim::SimWorker* worker() { return workers_.emplace_back(world.make_worker(node_)).get(); }

  void start_shard(Shard& shard, unsigned index, runtime::Executor& sync_thread,
                   runtime::Executor& checkpoint_thread) {
    shard.loop = world.make_loop(node_);
    shard.random = runtime::make_seeded_random(options_.seed * 100 + index);
    storage::Journal::Options journal_options;
    journal_options.directory = "/journal";
    journal_options.generation = node_;
    journal_options.shard = index;
    journal_options.shards = options_.shards;
    journal_options.segment_bytes = 1u << 20;
    journal_options.policy = options_.policy;
    auto journal = storage::Journal::open(files, *shard.loop, sync_thread, journal_options);
    ASSERT_TRUE(journal) << journal.error().message;
    shard.store = std::make_unique<storage::ShardStore>(
        storage::ShardStore::Parts{*shard.loop, *shard.random, std::move(*journal), *rows,
                                   *cold_reader, checkpoint_thread, actors},
        storage::ShardStore::Shape{index, options_.shards, 16, actor_, kHashSeed}, options_.store);
    shard.store->set_keeps_tombstones(options_.replicated);
    shard.coordinator = std::make_unique<ShardCoordinator>(*shard.loop, *shard.store, actors);
    ShardCoordinator& coordinator = *shard.coordinator;
    coordinator.set_syncs_always(options_.policy == storage::SyncPolicy::always);
    shard.loop->set_turn_end([&coordinator] { (void)coordinator.end_turn(); });
    shard.store->on_synced([&coordinator] { coordinator.release_held(); });
  }
};

}  // namespace quorate::coordinator
