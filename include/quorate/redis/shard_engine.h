// ShardEngine: runs commands on one shard, for its own connections and for those of other shards.
//
// It joins the command table, the shard's coordinator and the connections of one loop, and ends
// each turn: journal first, then what other shards wait for, then the replies. Everything a command
// may ask beyond its keys (all shards, the control thread, statistics) is reached through it.
// Thread: the shard's; on_every_shard() and settings arrive through the loop. Source: DESIGN
// section 3.
#pragma once

#include <boost/unordered/unordered_flat_map.hpp>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "quorate/coordinator/shard_cluster.h"
#include "quorate/coordinator/shard_coordinator.h"
#include "quorate/object/context_token.h"
#include "quorate/redis/client_state.h"
#include "quorate/redis/cluster_replies.h"
#include "quorate/redis/command.h"
#include "quorate/redis/command_context.h"
#include "quorate/redis/command_table.h"
#include "quorate/redis/server_control.h"
#include "quorate/runtime/loop.h"
#include "quorate/runtime/random.h"
#include "quorate/runtime/stream.h"

namespace quorate::redis {

class Session;
class TurnInput;

// What CONFIG may change of a running engine.
struct EngineSettings {
  std::string password;  // empty: none
  unsigned databases = 16;
  uint64_t idle_timeout_s = 0;
  uint64_t query_buffer_bytes_max = 1ull << 30;
  int64_t bulk_bytes_max = 512ll << 20;
  uint64_t output_hard_bytes = 0;  // 0: unlimited
  uint64_t output_soft_bytes = 0;
  uint64_t output_soft_s = 0;
  uint32_t siblings_max = 64;        // of a key, by DYN.PUT
  bool redirects = false;            // as a node of Redis Cluster (cluster-enabled yes)
  bool debug_allowed = false;        // enable-debug-command yes
  bool debug_allowed_local = false;  // … local: from loopback and Unix sockets
};

struct EngineStatistics {
  uint64_t commands = 0, forwarded_commands = 0;
  uint64_t peer_commands = 0;  // run for other nodes
  uint64_t keyspace_hits = 0, keyspace_misses = 0;
  uint64_t input_bytes = 0, output_bytes = 0;
  uint64_t error_replies = 0;
  uint64_t siblings_made = 0, siblings_refused = 0;  // DYN.PUTs that left some; beyond siblings-max
  uint64_t siblings_superseded = 0;                  // by reads, of keys
  uint64_t commands_per_s = 0, input_bytes_per_s = 0, output_bytes_per_s = 0;  // of the last second
  std::vector<uint64_t> calls, rejected, failed;                               // by CommandSpec::id
};

// One command with what it needs to run.
struct Request {
  const CommandSpec* spec = nullptr;  // null: no such command
  Args args;
  std::span<const object::Key> keys;
  uint16_t db = 0;
  int protocol = 2;
  bool no_touch = false;
  coordinator::QuorumChoice quorums = {};
  const object::SlotSet* slots = nullptr;  // CommandContext::slots
};

class ShardEngine {
 public:
  struct Parts {
    runtime::Loop& loop;
    runtime::Random& random;
    coordinator::ShardCoordinator& coordinator;
    const CommandTable& commands;
    ServerControl& control;
  };

  ShardEngine(Parts parts, unsigned shard, EngineSettings settings);
  ~ShardEngine();
  ShardEngine(const ShardEngine&) = delete;
  ShardEngine& operator=(const ShardEngine&) = delete;

  // All engines of the process, in order of their shards. Before the first connection.
  void connect(std::vector<ShardEngine*> engines) { engines_ = std::move(engines); }

  // Before the first connection; outlives this.
  void set_shard_cluster(coordinator::ShardCluster* cluster);
  coordinator::ShardCluster* shard_cluster() { return shard_cluster_; }
  // Whether other nodes have a say in what happens here.
  bool clustered() const { return shard_cluster_ != nullptr && !shard_cluster_->alone(); }

  // `before`: what the client was on another server of this process, or null.
  void open_session(std::unique_ptr<runtime::Stream> stream, uint64_t client_id,
                    const ClientState* before = nullptr);
  void close_sessions();
  // Closes those that wait for their next request; they go on elsewhere. The others read no more.
  std::vector<HandedOverClient> hand_over_sessions();
  bool has_sessions() const { return !sessions_.empty(); }
  void apply(const EngineSettings& settings);

  // The cluster as it is from now on. Comes for the first time before the first connection.
  void set_cluster(std::shared_ptr<const ClusterReplies> cluster) { cluster_ = std::move(cluster); }
  const ClusterReplies& cluster() const { return *cluster_; }
  // Whether clients shall take this for a cluster.
  bool is_cluster() const { return control_.facts().cluster_enabled || !cluster_->view().alone(); }

  // Runs the command at once. REQUIRES: a keyless command, or coordinator().ready(request.keys).
  void run(const Request& request, OutputBuffer& out, ClientState* client,
           std::function<Finish()> make_deferred);

  // Calls `work` on every shard's thread and `done` here with the results in order of the shards,
  // after what each has written may be answered for.
  template <class Result>
  void on_every_shard(std::function<Result(ShardEngine&)> work,
                      std::function<void(std::vector<Result>)> done);
  // The same for work that ends later: it calls the continuation it is given, on its own shard.
  template <class Result>
  using Continuation = std::move_only_function<void(Result)>;
  template <class Result>
  void on_every_shard_async(const std::function<void(ShardEngine&, Continuation<Result>)>& work,
                            std::function<void(std::vector<Result>)> done);

  // Calls `task` once, unless the engine ends before.
  void run_after(uint64_t delay_us, runtime::Task task);
  // What CONFIG RESETSTAT resets, here.
  void reset_statistics();

  unsigned shard() const { return shard_; }
  size_t shards() const { return engines_.size(); }
  ShardEngine& engine(unsigned shard) { return *engines_[shard]; }
  ShardEngine& engine_of(uint16_t slot) { return *engines_[coordinator_.shard_of(slot)]; }
  runtime::Loop& loop() { return loop_; }
  runtime::Random& random() { return random_; }
  coordinator::ShardCoordinator& coordinator() { return coordinator_; }
  storage::ShardStore& store() { return coordinator_.store(); }
  const CommandTable& commands() const { return commands_; }
  ServerControl& control() { return control_; }
  const EngineSettings& settings() const { return settings_; }
  EngineStatistics& statistics() { return statistics_; }
  // Bytes of replies to requests of other nodes that are not on their way yet; whoever has some
  // may outlive the engine.
  const std::shared_ptr<size_t>& peer_reply_bytes() const { return peer_reply_bytes_; }
  const boost::unordered_flat_map<uint64_t, std::shared_ptr<Session>>& sessions() const {
    return sessions_;
  }
  uint64_t hash_seed() const { return hash_seed_; }
  const object::ContextSeal& context_seal() const { return context_seal_; }

 private:
  friend class Session;

  void end_turn();
  void watch_backlog();
  void set_backlogged(unsigned shard, bool on);
  void close_idle_sessions();
  void measure_rates();
  bool refuses(const CommandSpec& spec, ReplyWriter& reply);
  // For sessions.
  TurnInput& turn_input() { return *turn_input_; }
  // While a shard's checkpoint lags behind, a session that comes to a write waits with all behind
  // it; others go on.
  bool holds_writers() const { return holds_writers_; }
  void hold_writer(std::shared_ptr<Session> session) {
    held_writers_.push_back(std::move(session));
  }
  void forget_held_writer(const Session& session);
  void flush_at_turn_end(const std::shared_ptr<Session>& session);
  void forget(uint64_t client_id);

  runtime::Loop& loop_;
  runtime::Random& random_;
  coordinator::ShardCoordinator& coordinator_;
  const CommandTable& commands_;
  ServerControl& control_;
  coordinator::ShardCluster* shard_cluster_ = nullptr;
  unsigned shard_;
  uint64_t hash_seed_;
  object::ContextSeal context_seal_;
  EngineSettings settings_;
  EngineStatistics statistics_;
  std::shared_ptr<size_t> peer_reply_bytes_ = std::make_shared<size_t>();
  std::shared_ptr<const ClusterReplies> cluster_;
  uint64_t commands_a_second_ago_ = 0, input_a_second_ago_ = 0, output_a_second_ago_ = 0;
  std::vector<ShardEngine*> engines_;
  std::unique_ptr<TurnInput> turn_input_;
  boost::unordered_flat_map<uint64_t, std::shared_ptr<Session>> sessions_;
  std::vector<std::shared_ptr<Session>> to_flush_, flushing_;
  std::vector<bool> backlogged_;  // by shard
  bool holds_writers_ = false;
  std::vector<std::shared_ptr<Session>> held_writers_;
  bool journal_failing_ = false;
  std::unique_ptr<runtime::Timer> second_;
  std::unique_ptr<runtime::Timer> retry_;
  boost::unordered_flat_map<uint64_t, std::unique_ptr<runtime::Timer>> delayed_;
  uint64_t next_delayed_ = 0;
};

template <class Result>
void ShardEngine::on_every_shard(std::function<Result(ShardEngine&)> work,
                                 std::function<void(std::vector<Result>)> done) {
  on_every_shard_async<Result>(
      [work = std::move(work)](ShardEngine& engine, Continuation<Result> finish) {
        finish(work(engine));
      },
      std::move(done));
}

template <class Result>
void ShardEngine::on_every_shard_async(
    const std::function<void(ShardEngine&, Continuation<Result>)>& work,
    std::function<void(std::vector<Result>)> done) {
  struct Gathering {
    std::vector<Result> results;
    size_t missing;
    std::function<void(std::vector<Result>)> done;
    void arrived(size_t shard, Result result) {
      results[shard] = std::move(result);
      if (--missing == 0) done(std::move(results));
    }
  };
  auto gathering = std::make_shared<Gathering>(
      Gathering{std::vector<Result>(engines_.size()), engines_.size(), std::move(done)});
  for (size_t i = 0; i < engines_.size(); ++i) {
    ShardEngine& engine = *engines_[i];
    if (&engine == this) {
      work(engine, [gathering, i](Result result) { gathering->arrived(i, std::move(result)); });
      continue;
    }
    engine.loop_.post([this, &engine, gathering, work, i] {
      work(engine, [this, &engine, gathering, i](Result result) {
        engine.coordinator_.after_turn(loop_, [gathering, i, result = std::move(result)]() mutable {
          gathering->arrived(i, std::move(result));
        });
      });
    });
  }
}

}  // namespace quorate::redis
