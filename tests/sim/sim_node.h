// SimNode: one whole node on virtual time, with a disk that can fail and a power plug.
//
// The same parts that server::Node joins: identity, journals on a simulated disk, rows in a real
// LMDB environment in memory, cold reader, and per shard store, coordinator and engine;
// journal-sync, checkpoint and cold reads run on simulated workers. It lives several lives: start()
// recovers what the last one left; a crash ends it at once, stop_cleanly() in order. A power loss
// takes what the disk had not synced; a committed transaction of the rows stays. Thread: the
// simulator's one. The world outlives it.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "quorate/cluster/node_identity.h"
#include "quorate/coordinator/shard_cluster.h"
#include "quorate/coordinator/shard_coordinator.h"
#include "quorate/redis/shard_engine.h"
#include "quorate/storage/recovery.h"

#include "redis/fake_server_control.h"
#include "redis/memory_stream.h"
#include "sim/faulty_row_store.h"
#include "sim/journal_observer.h"
#include "sim/sim_file_system.h"
#include "sim/sim_loop.h"
#include "sim/sim_network.h"

namespace quorate::sim {

class SimNode : private coordinator::ActorDirectory {
 public:
  static constexpr unsigned kDatabases = 2;
  static constexpr uint16_t kPeerPort = 16379;
  static constexpr uint64_t kClusterHashSeed = 4711;

  struct Options {
    unsigned shards = 1;
    storage::SyncPolicy policy = storage::SyncPolicy::everysec;
    uint64_t segment_bytes = 64 << 10;
    storage::StoreSettings store;
    bool repair = false;
    // In a network.
    coordinator::ReplicatorSettings replicator;
    coordinator::QuorumReadSettings reads;
    bool settles = true;  // slots that the node coordinates
    repair::SlotSource::Settings source;
  };
  struct Shard {
    std::unique_ptr<SimLoop> loop;
    std::unique_ptr<runtime::Random> random;
    std::unique_ptr<storage::ShardStore> store;
    std::unique_ptr<coordinator::ShardCoordinator> coordinator;
    std::unique_ptr<runtime::Connector> connector;       // in a network …
    std::unique_ptr<coordinator::ShardCluster> cluster;  // … only
    std::unique_ptr<redis::ShardEngine> engine;
  };

  SimNode(SimWorld& world, uint64_t seed, NodeId number = 1);
  ~SimNode() override;
  SimNode(const SimNode&) = delete;
  SimNode& operator=(const SimNode&) = delete;

  // From the next life on it can be part of a cluster, with one shard. Outlives this.
  void plug_into(SimNetwork& network) { network_ = &network; }
  void set_view(const std::shared_ptr<const cluster::ClusterView>& view);

  // Begins a life. A failure leaves it down. No virtual time passes.
  runtime::Status start(const Options& options, JournalObserver::OnChange on_change);
  bool running() const { return !shards_.empty(); }

  void crash_process();
  void lose_power();
  // As SIGTERM does. False if the journal could not be made durable: then it was no clean stop.
  bool stop_cleanly();

  // A new connection to a shard, with the bytes its client sends from the beginning.
  std::shared_ptr<redis::Wire> connect(unsigned shard);
  static void send(redis::Wire& wire, std::string_view bytes);
  // Changes every shard's settings while it runs.
  void apply(const storage::StoreSettings& settings);

  NodeId number() const { return number_; }
  SimFileSystem& disk() { return disk_; }
  FaultyRowStore& rows() { return *rows_; }
  JournalObserver& observer() { return observer_; }
  std::vector<Shard>& shards() { return shards_; }
  storage::ShardStore& store_of(uint16_t slot) { return *shards_[slot % shards_.size()].store; }
  const cluster::NodeIdentity& identity() const { return identity_; }
  const storage::RecoveryReport& recovery() const { return recovery_; }
  const std::string& directory() const { return directory_; }
  SimWorker& sync_worker() { return *sync_worker_; }
  SimWorker& checkpoint_worker() { return *checkpoint_worker_; }
  SimWorker& cold_worker() { return *cold_worker_; }

 private:
  // coordinator::ActorDirectory
  void intern(std::vector<object::Actor> actors, Done done) override;
  void join_network(Shard& shard, unsigned index, const Options& options);

  runtime::Status open(const Options& options);
  runtime::Status open_identity();
  runtime::Status open_shards(const Options& options);
  runtime::Status recover(bool repair);
  void watch_first_checkpoints();
  void tear_down();

  SimWorld& world_;
  const uint64_t seed_;
  const NodeId number_;
  SimNetwork* network_ = nullptr;
  uint64_t lives_ = 0;
  uint64_t clients_ = 0;
  SimFileSystem disk_;
  JournalObserver observer_;
  const std::string directory_ = "/data";
  std::string rows_directory_;
  std::unique_ptr<runtime::Random> random_;
  redis::CommandTable commands_;

  // Of the life under way.
  cluster::NodeIdentity identity_;
  storage::RecoveryReport recovery_;
  std::unique_ptr<SimLoop> control_loop_;
  std::unique_ptr<SimWorker> sync_worker_, checkpoint_worker_, cold_worker_;
  std::unique_ptr<redis::FakeServerControl> control_;
  std::unique_ptr<FaultyRowStore> rows_;
  std::unique_ptr<storage::ColdReader> cold_reader_;
  std::vector<Shard> shards_;
  size_t first_checkpoints_missing_ = 0;
};

}  // namespace quorate::sim
