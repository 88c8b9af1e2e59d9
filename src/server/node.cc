#include "quorate/server/node.h"

#include <algorithm>
#include <atomic>
#include <csignal>
#include <map>
#include <spdlog/spdlog.h>
#include <utility>

#include "quorate/cluster/node_identity.h"
#include "quorate/redis/command_table.h"
#include "quorate/runtime/process.h"
#include "quorate/server/cluster_control.h"
#include "quorate/server/log.h"
#include "quorate/storage/recovery.h"

#include "server/admission.h"
#include "server/listeners.h"
#include "server/log_limiter.h"
#include "server/peer_door.h"
#include "server/settings_of.h"
#include "server/shard_thread.h"

namespace quorate::server {
namespace {

constexpr const char* kRedisVersion = "7.2.4";
constexpr std::string_view kStoreIdRecord = "store-id";
constexpr uint64_t kProgressLogUs = 2'000'000;
constexpr unsigned kPeerKeepAliveS = 60;

class NodeImpl final : public Node, public redis::ServerControl, private ClusterHost {
 public:
  explicit NodeImpl(Start start)
      : start_(std::move(start)),
        clock_(runtime::make_system_clock()),
        random_(runtime::make_system_random()),
        files_(runtime::make_posix_file_system()),
        loop_(runtime::UvLoop::make()),
        config_(start_.config, [this](const ConfigStore::Snapshot& config) { apply(*config); }),
        log_limiter_(*loop_),
        listeners_(*loop_, start_.legacy.sockets) {
    redis::register_all_commands(commands_);
  }

  ~NodeImpl() override {
    listeners_.close();
    door_.reset();
    for (auto& shard : shards_) shard->loop().stop();
    for (auto& shard : shards_) shard->join();
    // What the workers still do may post to shards; what shards hold may use the workers: threads
    // end first.
    cold_pool_.clear();
    checkpoint_thread_.reset();
    sync_thread_.reset();
    shards_.clear();
  }

  runtime::Status open();
  bool run() override;
  bool restarts() const override { return wanted_seed_ && !told_to_end_; }
  Legacy legacy() const override;

  // redis::ServerControl
  runtime::Executor& executor() override { return *loop_; }
  redis::Settings& settings() override { return config_; }
  redis::ClusterAdmin& cluster() override { return *cluster_; }
  const redis::ServerFacts& facts() const override { return facts_; }
  redis::MemoryFacts memory() const override;
  redis::CpuFacts cpu() const override {
    const auto cpu = runtime::process_cpu();
    return {cpu.system_s, cpu.user_s};
  }
  redis::ConnectionFacts connections() const override {
    return {connected_.load(), received_.load(), rejected_.load(), max_clients_.load()};
  }
  void shutdown(redis::ShutdownMode mode, std::function<void(std::string)> refused) override;
  void connection_closed() override { connected_.fetch_sub(1, std::memory_order_relaxed); }

  // ClusterHost
  void look_for_data(runtime::Task done) override;
  bool holds_data() override { return holds_data_; }
  bool adopt_hash_seed(uint64_t seed) override;
  void view_changed(std::shared_ptr<const cluster::ClusterView> view) override;

 private:
  std::string path(const std::string& name) const { return directory_ + "/" + name; }
  runtime::Status open_directory();
  runtime::Status open_rows();
  runtime::Status open_identity();
  runtime::Status open_shards();
  runtime::Status recover();
  runtime::Status open_cluster();
  runtime::Status listen();
  bool anything_written() const;
  void shard_looked(uint64_t id, bool written);
  void take_over_seed();
  void watch_first_checkpoints();
  void show_banner() const;
  void accept(int descriptor);
  void open_session(int descriptor, std::optional<redis::ClientState> before);
  void accept_node(int descriptor);
  void apply(const Config& config);
  void end();
  void stop();
  void stop_shards();
  void shard_stopped(bool clean);

  Start start_;
  std::string directory_;
  std::unique_ptr<runtime::Clock> clock_;
  std::unique_ptr<runtime::Random> random_;
  std::unique_ptr<runtime::FileSystem> files_;
  std::unique_ptr<runtime::FileLock> lock_;
  std::unique_ptr<runtime::UvLoop> loop_;
  redis::CommandTable commands_;
  cluster::NodeIdentity identity_;
  bool identity_found_ = false;
  ConfigStore config_;
  LogLimiter log_limiter_;
  std::unique_ptr<ClusterControl> cluster_;
  redis::ServerFacts facts_;
  std::unique_ptr<storage::RowStore> rows_;
  std::unique_ptr<storage::ColdReader> cold_reader_;
  std::unique_ptr<runtime::Executor> sync_thread_, checkpoint_thread_;
  std::vector<std::unique_ptr<runtime::Executor>> cold_pool_;
  std::unique_ptr<ActorRegistry> actors_;
  std::vector<std::unique_ptr<ShardThread>> shards_;
  Listeners listeners_;
  std::shared_ptr<HeldSockets> held_sockets_;  // once it is to be started again
  std::unique_ptr<PeerDoor> door_;
  struct Look {  // for data, by all shards
    size_t missing = 0;
    runtime::Task done;
  };
  std::map<uint64_t, Look> looks_;
  uint64_t looks_begun_ = 0;
  bool holds_data_ = false;
  std::optional<uint64_t> wanted_seed_;
  storage::RecoveryReport recovery_;
  size_t next_shard_ = 0;
  uint64_t next_client_ = 1;
  size_t shards_running_ = 0;
  bool told_to_end_ = false;
  bool stopping_ = false, clean_ = true;
  size_t first_checkpoints_missing_ = 0;
  std::atomic<uint64_t> connected_{0}, received_{0}, rejected_{0}, max_clients_{0};
  std::atomic<uint64_t> memory_limit_{0};
  mutable std::atomic<uint64_t> memory_peak_{0};
  std::atomic<MaxmemoryPolicy> policy_{MaxmemoryPolicy::noeviction};
};

runtime::Status NodeImpl::open() {
  for (const std::string& warning : start_.warnings) spdlog::warn("{}", warning);
  for (auto step :
       {&NodeImpl::open_directory, &NodeImpl::open_rows, &NodeImpl::open_identity,
        &NodeImpl::open_shards, &NodeImpl::recover, &NodeImpl::open_cluster, &NodeImpl::listen}) {
    if (auto status = (this->*step)(); !status) return status;
  }
  return {};
}

runtime::Status NodeImpl::open_directory() {
  directory_ = start_.config.dir;
  if (auto made = files_->make_directory(directory_); !made) {
    return runtime::fail("Can't use the data directory: " + made.error().message);
  }
  auto lock = files_->lock(path("quorate.lock"));
  if (!lock) {
    if (lock.error().code == EWOULDBLOCK) {
      return runtime::fail("Another instance is using the data directory '" + directory_ + "'");
    }
    return runtime::fail("Can't lock the data directory: " + lock.error().message);
  }
  lock_ = std::move(*lock);
  if (start_.config.pidfile.empty()) return {};
  return runtime::replace_file(*files_, start_.config.pidfile,
                               std::to_string(runtime::process_id()) + "\n");
}

runtime::Status NodeImpl::open_rows() {
  storage::RowStore::Options options;
  options.directory = path("rows");
  if (auto made = files_->make_directory(options.directory); !made) return made;
  auto rows = storage::RowStore::open(options);
  if (!rows) return std::unexpected(rows.error());
  rows_ = std::move(*rows);
  return {};
}

runtime::Status NodeImpl::open_identity() {
  auto loaded = cluster::load_identity(*files_, path("node.identity"));
  if (!loaded) return std::unexpected(loaded.error());
  std::optional<std::string> store_id;
  {
    auto reading = rows_->begin_read();
    if (!reading) return std::unexpected(reading.error());
    auto record = (*reading)->get_meta(kStoreIdRecord);
    if (!record) return std::unexpected(record.error());
    store_id = std::move(*record);
  }
  if (!loaded->has_value() && store_id) {
    return runtime::fail(
        "the data directory '" + directory_ +
        "' has data but no node.identity, which gives it meaning: restore that file "
        "or start with an empty directory");
  }
  identity_found_ = loaded->has_value();
  identity_ = identity_found_ ? std::move(**loaded) : cluster::NodeIdentity::make(*random_);
  const bool store_known = !identity_found_ || store_id == identity_.store_id;
  if (!store_known) spdlog::warn("The row store is not this node's last one: taking a new epoch");
  if (identity_.begin_life(store_known) && store_known) {
    spdlog::info("The last stop was not a clean one: taking epoch {}", identity_.epoch);
  }
  if (auto saved = cluster::save_identity(*files_, path("node.identity"), identity_); !saved) {
    return saved;
  }
  if (store_id == identity_.store_id) return {};
  auto writing = rows_->begin_write();
  if (!writing) return std::unexpected(writing.error());
  if (auto put = (*writing)->put_meta(kStoreIdRecord, identity_.store_id); !put) return put;
  return (*writing)->commit();
}

runtime::Status NodeImpl::open_shards() {
  const Config& config = start_.config;
  const unsigned threads = shard_threads(config, runtime::core_count());
  sync_thread_ = runtime::make_worker_thread("journal-sync");
  checkpoint_thread_ = runtime::make_worker_thread("checkpoint", runtime::Priority::background);
  std::vector<runtime::Executor*> pool;
  for (unsigned i = 0; i < config.cold_read_threads; ++i) {
    cold_pool_.push_back(runtime::make_worker_thread("cold-read-" + std::to_string(i),
                                                     runtime::Priority::background));
    pool.push_back(cold_pool_.back().get());
  }
  cold_reader_ = std::make_unique<storage::ColdReader>(*rows_, pool, &runtime::pause_this_thread);

  facts_.version = start_.version;
  facts_.redis_version = kRedisVersion;
  facts_.node_id = object::node_id_text(identity_.node);
  facts_.run_id = cluster::random_hex(*random_, 20);
  facts_.executable = runtime::executable_path();
  facts_.config_file = start_.config_file;
  facts_.data_directory = directory_;
  facts_.started_ms = clock_->wall_ms();
  facts_.process_id = runtime::process_id();
  facts_.tcp_port = config.port;
  facts_.cluster_enabled = config.cluster_enabled;
  facts_.threads = threads;

  actors_ = std::make_unique<ActorRegistry>(*loop_, *files_, path("node.identity"), identity_);
  ShardThread::Shared shared{*files_,
                             *rows_,
                             *cold_reader_,
                             *sync_thread_,
                             *checkpoint_thread_,
                             *actors_,
                             commands_,
                             *this,
                             {},
                             {},
                             {}};
  shared.peers = data_links_settings(config, identity_);
  shared.transferred = [this](unsigned shard, uint64_t ring) {
    loop_->post([this, shard, ring] { cluster_->transferred(shard, ring); });
  };
  shared.doubted = [this](const object::NodeId& node) {
    loop_->post([this, node] { cluster_->doubt(node); });
  };
  const object::ActorId actor = *identity_.actors.find(identity_.actor());
  for (unsigned i = 0; i < threads; ++i) {
    const storage::Journal::Options journal{
        directory_,         identity_.starts, i, threads, config.journal_segment_size_bytes,
        sync_policy(config)};
    const storage::ShardStore::Shape shape{i, threads, config.databases, actor,
                                           identity_.hash_seed};
    auto shard = ShardThread::make(shared, journal, shape, config);
    if (!shard) return std::unexpected(shard.error());
    shards_.push_back(std::move(*shard));
  }
  std::vector<coordinator::ShardCoordinator*> coordinators;
  std::vector<redis::ShardEngine*> engines;
  for (auto& shard : shards_) {
    coordinators.push_back(&shard->coordinator());
    engines.push_back(&shard->engine());
  }
  for (auto& shard : shards_) {
    shard->coordinator().connect(coordinators);
    shard->engine().connect(engines);
  }
  apply(config);
  return {};
}

runtime::Status NodeImpl::recover() {
  std::vector<storage::ShardStore*> stores;
  stores.reserve(shards_.size());
  for (auto& shard : shards_) stores.push_back(&shard->store());
  const uint64_t began_us = clock_->monotonic_us();
  uint64_t logged_us = began_us;
  const auto progress = [&](uint64_t done, uint64_t all) {
    if (clock_->monotonic_us() - logged_us < kProgressLogUs) return;
    logged_us = clock_->monotonic_us();
    spdlog::info("Recovering: {} of {} MiB of the journal", done >> 20, all >> 20);
  };
  const auto fetch = [this](std::vector<storage::RowKey> keys) {
    std::vector<storage::ColdResult> rows;
    runtime::run_and_wait([&](runtime::Executor& caller) {
      cold_reader_->read(std::move(keys), caller,
                         [&](std::vector<storage::ColdResult> found) { rows = std::move(found); });
    });
    return rows;
  };
  auto report = storage::recover({*files_, directory_, *rows_, fetch, stores, identity_.starts,
                                  start_.config.repair_journal, progress});
  if (!report) {
    return runtime::fail(report.error().message +
                         " (repair-journal yes cuts the journal there and starts)");
  }
  recovery_ = std::move(*report);
  for (const std::string& line : recovery_.torn) spdlog::warn("{}", line);
  facts_.recovered_keys = recovery_.keys;
  facts_.recovery_ms = (clock_->monotonic_us() - began_us) / 1000;
  if (recovery_.found_journal) watch_first_checkpoints();
  return {};
}

// Journals of earlier lives are needed until every shard has taken a checkpoint of what they held.
void NodeImpl::watch_first_checkpoints() {
  first_checkpoints_missing_ = shards_.size();
  for (auto& shard : shards_) {
    shard->store().checkpoint([this] {
      loop_->post([this] {
        if (--first_checkpoints_missing_ != 0) return;
        sync_thread_->post([files = files_.get(), directory = directory_, life = identity_.starts] {
          auto removed = storage::remove_journals_before(*files, directory, life);
          if (!removed) spdlog::warn("Old journals stay: {}", removed.error().message);
        });
      });
    });
  }
}

runtime::Status NodeImpl::listen() {
  const auto take = [this](int socket) { accept(socket); };
  if (auto opened = listeners_.open_for_clients(start_.config, take); !opened) return opened;
  for (auto& [socket, client] : HeldSockets::take_clients(start_.legacy.sockets.get())) {
    open_session(socket, std::move(client));
  }
  const bool wanted = cluster_->members().size() > 1;
  return listeners_.open_for_nodes(start_.config, wanted, [this](int fd) { accept_node(fd); });
}

// ---- the cluster

runtime::Status NodeImpl::open_cluster() {
  const Config& config = start_.config;
  ClusterControlSettings settings = cluster_settings(config);
  settings.node = identity_.node;
  settings.epoch = identity_.epoch;
  settings.life = identity_.starts;
  settings.hash_seed = identity_.hash_seed;
  settings.file = path("members");
  settings.machine = runtime::host_name();
  settings.shards = static_cast<uint16_t>(shards_.size());
  settings.meet_again = start_.legacy.meetings;
  auto control =
      ClusterControl::make({*loop_, *loop_, *random_, *files_, *this}, std::move(settings));
  if (!control) return std::unexpected(control.error());
  cluster_ = std::move(*control);
  loop_->set_turn_end([this] { cluster_->end_turn(); });
  holds_data_ = anything_written();
  door_ = std::make_unique<PeerDoor>(
      *loop_, PeerDoor::Ways{[this](int descriptor) {
                               auto stream = loop_->adopt_socket(descriptor, kPeerKeepAliveS);
                               if (stream) cluster_->accept(std::move(*stream));
                             },
                             [this](const cluster::LaneRequest& lane, int descriptor) {
                               shards_[lane.index % shards_.size()]->accept_peer(
                                   lane.lane, descriptor, kPeerKeepAliveS);
                             }});
  return {};
}

void NodeImpl::view_changed(std::shared_ptr<const cluster::ClusterView> view) {
  if (wanted_seed_) return;  // who takes part in the cluster is the one that is started next
  auto replies = std::make_shared<const redis::ClusterReplies>(std::move(view));
  for (auto& shard : shards_) shard->set_view(replies);
}

// REQUIRES: the shards' threads do not run.
bool NodeImpl::anything_written() const {
  return std::ranges::any_of(shards_, [](const auto& shard) { return shard->was_written(); });
}

// What is written between the look and its use is seen when it matters, by take_over_seed().
void NodeImpl::look_for_data(runtime::Task done) {
  if (holds_data_) return done();
  const uint64_t id = ++looks_begun_;
  looks_[id] = {shards_.size(), std::move(done)};
  for (auto& shard : shards_) {
    shard->loop().post([this, id, &shard = *shard] {
      loop_->post([this, id, written = shard.was_written()] { shard_looked(id, written); });
    });
  }
}

void NodeImpl::shard_looked(uint64_t id, bool written) {
  holds_data_ = holds_data_ || written;
  const auto at = looks_.find(id);
  if (at == looks_.end() || --at->second.missing != 0) return;
  runtime::Task done = std::move(at->second.done);
  looks_.erase(at);
  done();
}

Node::Legacy NodeImpl::legacy() const {
  return {*config_.current(), cluster_->meetings(), held_sockets_};
}

bool NodeImpl::adopt_hash_seed(uint64_t seed) {
  if (holds_data_ || told_to_end_) return false;
  spdlog::info("Starting anew with the hash seed of the cluster");
  wanted_seed_ = seed;
  loop_->post([this] { stop(); });
  return true;
}

// REQUIRES: the shards' threads have ended. A write that came just before keeps the old seed; the
// next start says so to the cluster.
void NodeImpl::take_over_seed() {
  if (wanted_seed_ && !anything_written()) identity_.hash_seed = *wanted_seed_;
}

void NodeImpl::show_banner() const {
  const Config& config = start_.config;
  spdlog::info("Quorate {} (answers as Redis {}), pid {}, node {} epoch {}", start_.version,
               kRedisVersion, facts_.process_id, facts_.node_id.substr(0, 12), identity_.epoch);
  spdlog::info("Data in '{}', {} shard thread{}", directory_, facts_.threads,
               facts_.threads == 1 ? "" : "s");
  spdlog::info("Recovered {} keys in {} ms ({} journal records)", facts_.recovered_keys,
               facts_.recovery_ms, recovery_.records);
  if (config.port != 0) spdlog::info("Listening on port {}", config.port);
  if (!config.unixsocket.empty()) spdlog::info("Listening on {}", config.unixsocket);
  spdlog::info("Ready to accept connections");
}

bool NodeImpl::run() {
  for (const int signal : {SIGTERM, SIGINT}) {
    auto caught = loop_->on_signal(signal, [this, signal] {
      spdlog::info("Received {}, stopping", signal == SIGTERM ? "SIGTERM" : "SIGINT");
      end();
    });
    if (!caught) spdlog::warn("{}", caught.error().message);
  }
  runtime::set_end_signals(runtime::EndSignals::let_in);
  ::signal(SIGPIPE, SIG_IGN);
  shards_running_ = shards_.size();
  cluster_->start();
  for (auto& shard : shards_) shard->run();
  show_banner();
  loop_->run();
  for (auto& shard : shards_) {
    shard->join();
    if (held_sockets_ != nullptr) held_sockets_->hold(shard->handed_over());
    // Its dots would be issued again, were anything lost that came after the shard's last sync.
    clean_ = clean_ && shard->durable();
  }
  if (clean_) {
    take_over_seed();
    identity_.clean = true;
    auto saved = cluster::save_identity(*files_, path("node.identity"), identity_);
    if (!saved) spdlog::warn("{}", saved.error().message);
    clean_ = saved.has_value();
  }
  for (const std::string& file : {start_.config.pidfile, start_.config.unixsocket}) {
    if (file.empty() || restarts()) continue;
    if (auto removed = files_->remove(file); !removed) {
      spdlog::debug("{}", removed.error().message);
    }
  }
  spdlog::info(clean_ ? "Stopped cleanly, bye bye..." : "Stopped, but not cleanly");
  return clean_;
}

void NodeImpl::accept(int descriptor) {
  received_.fetch_add(1, std::memory_order_relaxed);
  const uint64_t connected = connected_.load(std::memory_order_relaxed);
  const auto refusal = refusal_of_client(*config_.current(), connected, descriptor);
  if (!refusal) return open_session(descriptor, {});
  rejected_.fetch_add(1, std::memory_order_relaxed);
  runtime::refuse_socket(descriptor, *refusal);
}

void NodeImpl::open_session(int descriptor, std::optional<redis::ClientState> before) {
  connected_.fetch_add(1, std::memory_order_relaxed);
  shards_[next_shard_]->open_session(descriptor, config_.current()->tcp_keepalive_s, next_client_++,
                                     std::move(before));
  next_shard_ = (next_shard_ + 1) % shards_.size();
}

void NodeImpl::accept_node(int descriptor) {
  if (may_connect_node(*config_.current(), descriptor)) return door_->take(descriptor);
  constexpr const char* kReason =
      "Protected mode: nodes of other machines are refused while there is no cluster-secret";
  if (log_limiter_.is_news(kReason)) spdlog::warn(kReason);
  runtime::refuse_socket(descriptor, {});
}

void NodeImpl::apply(const Config& config) {
  set_log_level(config.loglevel);
  max_clients_ = config.maxclients;
  memory_limit_ = config.maxmemory_bytes;
  policy_ = config.maxmemory_policy;
  const auto shards = static_cast<unsigned>(shards_.size());
  for (auto& shard : shards_) shard->apply(config, shards);
}

redis::MemoryFacts NodeImpl::memory() const {
  const auto memory = runtime::process_memory();
  uint64_t peak = memory_peak_.load();
  while (peak < memory.allocated && !memory_peak_.compare_exchange_weak(peak, memory.allocated)) {
  }
  Config named;
  named.maxmemory_policy = policy_.load();
  return {memory.allocated, memory.resident, std::max(peak, memory.allocated), memory_limit_.load(),
          policy_name(named)};
}

void NodeImpl::shutdown(redis::ShutdownMode mode, std::function<void(std::string)> /*refused*/) {
  spdlog::info("User requested shutdown...");
  if (mode != redis::ShutdownMode::save) return end();
  auto missing = std::make_shared<size_t>(shards_.size());
  for (auto& shard : shards_) {
    shard->loop().post([this, missing, &store = shard->store()] {
      store.checkpoint([this, missing] {
        loop_->post([this, missing] {
          if (--*missing == 0) end();
        });
      });
    });
  }
}

// For good, also if the node is about to be started again.
void NodeImpl::end() {
  told_to_end_ = true;
  stop();
}

void NodeImpl::stop() {
  if (std::exchange(stopping_, true)) return;
  if (restarts()) {
    held_sockets_ = listeners_.hold();
    runtime::set_end_signals(runtime::EndSignals::held_off);  // for who is started next
  }
  listeners_.close();
  door_.reset();
  looks_.clear();
  if (held_sockets_ == nullptr) return stop_shards();
  // None stops while a request on another may still need it.
  auto missing = std::make_shared<size_t>(shards_.size());
  for (auto& shard : shards_) {
    shard->hand_over([this, missing] {
      loop_->post([this, missing] {
        if (--*missing == 0) stop_shards();
      });
    });
  }
}

void NodeImpl::stop_shards() {
  for (auto& shard : shards_) {
    shard->stop([this](bool clean) { loop_->post([this, clean] { shard_stopped(clean); }); });
  }
}

void NodeImpl::shard_stopped(bool clean) {
  clean_ = clean_ && clean;
  if (--shards_running_ == 0) loop_->stop();
}

}  // namespace

runtime::Result<std::unique_ptr<Node>> Node::start(Start start) {
  if (start.legacy.config) start.config = *start.legacy.config;
  // CONFIG GET dir answers where the data is, wherever the client is.
  std::string& directory = start.config.dir;
  while (directory.starts_with("./")) directory.erase(0, 2);
  if (directory == ".") directory.clear();
  if (!directory.starts_with('/')) directory = runtime::current_directory() + "/" + directory;
  while (directory.size() > 1 && directory.ends_with('/')) directory.pop_back();
  auto node = std::make_unique<NodeImpl>(std::move(start));
  if (auto opened = node->open(); !opened) return std::unexpected(opened.error());
  return node;
}

}  // namespace quorate::server
