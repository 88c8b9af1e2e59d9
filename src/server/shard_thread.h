// ShardThread: everything one shard owns, and the thread it runs on.
//
// Built and recovered on the control thread; from run() on, only its own thread touches it, others
// post to loop(). Thread: as said.
#pragma once

#include <memory>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

#include "quorate/coordinator/shard_cluster.h"
#include "quorate/coordinator/shard_coordinator.h"
#include "quorate/redis/shard_engine.h"
#include "quorate/runtime/random.h"
#include "quorate/runtime/uv_loop.h"
#include "quorate/server/config.h"
#include "quorate/storage/shard_store.h"

#include "server/actor_registry.h"

namespace quorate::server {

class ShardThread {
 public:
  struct Shared {  // by all shards
    runtime::FileSystem& files;
    storage::RowStore& rows;
    storage::ColdReader& cold_reader;
    runtime::Executor& sync_thread;
    runtime::Executor& checkpoint_thread;
    ActorRegistry& actors;
    const redis::CommandTable& commands;
    redis::ServerControl& control;
    std::optional<cluster::PeerLinksSettings> peers;  // nothing: this node is always alone
    // On the shard's thread: it is done with the stage of joining under that ring.
    std::function<void(unsigned shard, uint64_t ring_digest)> transferred;
    // On the shard's thread: that node does not answer it.
    std::function<void(const object::NodeId& node)> doubted;
  };

  static runtime::Result<std::unique_ptr<ShardThread>> make(
      const Shared& shared, const storage::Journal::Options& journal,
      const storage::ShardStore::Shape& shape, const Config& config);
  ~ShardThread();

  runtime::UvLoop& loop() { return *loop_; }
  storage::ShardStore& store() { return *store_; }
  coordinator::ShardCoordinator& coordinator() { return *coordinator_; }
  redis::ShardEngine& engine() { return *engine_; }
  // Also what was removed again was written: its traces on disk lie where the hash seed has put
  // them.
  bool was_written() const;

  void run();
  // From another thread: takes over a connection; `before` is what its client was on another node
  // of this process.
  void open_session(int descriptor, unsigned keepalive_s, uint64_t client_id,
                    std::optional<redis::ClientState> before);
  // From another thread: takes over a connection that another node made for this shard.
  void accept_peer(cluster::PeerLane lane, int descriptor, unsigned keepalive_s);
  void set_view(const std::shared_ptr<const redis::ClusterReplies>& view);
  void apply(const Config& config, unsigned shards);
  // Closes the connections, makes the journal durable, then ends the thread. `ended(clean)` is
  // called on the shard's thread as the last thing.
  void stop(std::function<void(bool clean)> ended);
  // Before stop(): connections whose requests are answered are closed here, to go on elsewhere.
  // Calls `done` on the shard's thread when no others are left, or waited long enough.
  void hand_over(std::function<void()> done);
  // What was; after join().
  std::vector<redis::HandedOverClient> handed_over() { return std::exchange(handed_over_, {}); }
  void join();
  // After join(): whether the disk has everything, what came after stop() included.
  bool durable() const;

 private:
  explicit ShardThread(unsigned shard) : shard_(shard) {}

  void join_peers(const Shared& shared, const storage::ShardStore::Shape& shape);

  void hand_over(unsigned attempts, std::function<void()> done);
  void end_when_durable(std::function<void(bool clean)> end);

  unsigned shard_;
  std::unique_ptr<runtime::UvLoop> loop_;
  std::unique_ptr<runtime::Random> random_;
  std::unique_ptr<ShardActors> actors_;
  std::unique_ptr<storage::ShardStore> store_;
  std::unique_ptr<coordinator::ShardCoordinator> coordinator_;
  std::unique_ptr<coordinator::ShardCluster> cluster_;
  std::unique_ptr<redis::ShardEngine> engine_;
  std::unique_ptr<runtime::Timer> stop_deadline_, hand_over_timer_, part_timer_;
  bool stopping_ = false, hands_over_ = false;
  std::vector<redis::HandedOverClient> handed_over_;
  std::thread thread_;
};

}  // namespace quorate::server
