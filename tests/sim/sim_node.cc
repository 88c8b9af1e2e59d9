#include "sim/sim_node.h"

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <utility>

namespace quorate::sim {
namespace {

constexpr uint64_t kStopDeadlineUs = 10'000'000;
constexpr uint64_t kStopStepUs = 10'000;
constexpr uint64_t kMapBytes = 64ull << 20;
constexpr std::string_view kStoreIdRecord = "store-id";

std::string make_directory_in_memory() {
  std::string pattern =
      std::filesystem::exists("/dev/shm")
          ? "/dev/shm/quorate_sim_XXXXXX"
          : std::filesystem::temp_directory_path().string() + "/quorate_sim_XXXXXX";
  if (::mkdtemp(pattern.data()) == nullptr) std::abort();
  return pattern;
}

}  // namespace

SimNode::SimNode(SimWorld& world, uint64_t seed, NodeId number)
    : world_(world),
      seed_(seed),
      number_(number),
      disk_(seed * 7 + 1),
      observer_(disk_),
      rows_directory_(make_directory_in_memory()),
      random_(runtime::make_seeded_random(seed * 7 + 2)) {
  redis::register_all_commands(commands_);
}

SimNode::~SimNode() {
  world_.crash(number_);
  tear_down();
  std::filesystem::remove_all(rows_directory_);
}

void SimNode::tear_down() {
  if (network_ != nullptr) network_->stop_listening(number_);
  for (Shard& shard : shards_) {
    shard.engine.reset();
    shard.cluster.reset();
    shard.connector.reset();
    shard.coordinator.reset();
    shard.store.reset();
  }
  shards_.clear();
  cold_reader_.reset();
  rows_.reset();
  control_.reset();
  sync_worker_.reset();
  checkpoint_worker_.reset();
  cold_worker_.reset();
  control_loop_.reset();
}

void SimNode::crash_process() {
  world_.crash(number_);
  tear_down();
  disk_.crash_process();
}

void SimNode::lose_power() {
  crash_process();
  disk_.lose_power();
}

runtime::Status SimNode::start(const Options& options, JournalObserver::OnChange on_change) {
  ++lives_;
  auto opened = open(options);
  if (!opened) {
    world_.crash(number_);
    tear_down();
    return opened;
  }
  observer_.begin_life(identity_.starts, options.shards, std::move(on_change));
  for (Shard& shard : shards_) shard.store->start_background();
  return {};
}

runtime::Status SimNode::open(const Options& options) {
  control_loop_ = world_.make_loop(number_);
  sync_worker_ = world_.make_worker(number_);
  checkpoint_worker_ = world_.make_worker(number_);
  cold_worker_ = world_.make_worker(number_);
  control_ = std::make_unique<redis::FakeServerControl>(*control_loop_);
  if (auto made = disk_.make_directory(directory_); !made) return made;
  storage::RowStore::Options row_options;
  row_options.directory = rows_directory_;
  row_options.map_bytes = kMapBytes;
  row_options.sync = false;
  auto rows = storage::RowStore::open(row_options);
  if (!rows) return std::unexpected(rows.error());
  rows_ = std::make_unique<FaultyRowStore>(*std::move(rows), seed_ * 1000 + lives_);
  cold_reader_ = std::make_unique<storage::ColdReader>(
      *rows_, std::vector<runtime::Executor*>{cold_worker_.get()});
  if (auto identified = open_identity(); !identified) return identified;
  if (auto opened = open_shards(options); !opened) return opened;
  return recover(options.repair);
}

runtime::Status SimNode::open_identity() {
  const std::string path = directory_ + "/node.identity";
  auto loaded = cluster::load_identity(disk_, path);
  if (!loaded) return std::unexpected(loaded.error());
  auto reading = rows_->begin_read();
  if (!reading) return std::unexpected(reading.error());
  auto store_id = (*reading)->get_meta(kStoreIdRecord);
  if (!store_id) return std::unexpected(store_id.error());
  reading->reset();
  const bool found = loaded->has_value();
  if (!found && *store_id) return runtime::fail("the rows are there, the identity is not");
  identity_ = found ? std::move(**loaded) : cluster::NodeIdentity::make(*random_);
  if (network_ != nullptr) identity_.hash_seed = kClusterHashSeed;
  identity_.begin_life(!found || *store_id == identity_.store_id);
  if (auto saved = cluster::save_identity(disk_, path, identity_); !saved) return saved;
  if (*store_id == identity_.store_id) return {};
  auto writing = rows_->begin_write();
  if (!writing) return std::unexpected(writing.error());
  if (auto put = (*writing)->put_meta(kStoreIdRecord, identity_.store_id); !put) return put;
  return (*writing)->commit();
}

runtime::Status SimNode::open_shards(const Options& options) {
  const object::ActorId actor = *identity_.actors.find(identity_.actor());
  std::vector<coordinator::ShardCoordinator*> coordinators;
  std::vector<redis::ShardEngine*> engines;
  for (unsigned i = 0; i < options.shards; ++i) {
    Shard shard;
    shard.loop = world_.make_loop(number_);
    shard.random = runtime::make_seeded_random(seed_ * 1000 + lives_ * 10 + i);
    auto journal = storage::Journal::open(
        observer_, *shard.loop, *sync_worker_,
        {directory_, identity_.starts, i, options.shards, options.segment_bytes, options.policy});
    if (!journal) return std::unexpected(journal.error());
    shard.store = std::make_unique<storage::ShardStore>(
        storage::ShardStore::Parts{*shard.loop, *shard.random, std::move(*journal), *rows_,
                                   *cold_reader_, *checkpoint_worker_, identity_.actors},
        storage::ShardStore::Shape{i, options.shards, kDatabases, actor, identity_.hash_seed},
        options.store);
    shard.coordinator = std::make_unique<coordinator::ShardCoordinator>(*shard.loop, *shard.store,
                                                                        identity_.actors);
    shard.coordinator->set_syncs_always(options.policy == storage::SyncPolicy::always);
    redis::EngineSettings settings;
    settings.databases = kDatabases;
    shard.engine = std::make_unique<redis::ShardEngine>(
        redis::ShardEngine::Parts{*shard.loop, *shard.random, *shard.coordinator, commands_,
                                  *control_},
        i, settings);
    if (network_ != nullptr) join_network(shard, i, options);
    coordinators.push_back(shard.coordinator.get());
    shard.engine->set_cluster(redis::cluster_of_one(control_->server.node_id));
    engines.push_back(shard.engine.get());
    shards_.push_back(std::move(shard));
  }
  for (Shard& shard : shards_) {
    shard.coordinator->connect(coordinators);
    shard.engine->connect(engines);
  }
  return {};
}

void SimNode::join_network(Shard& shard, unsigned index, const Options& options) {
  // Tombstones that are found must outlive the first checkpoint.
  shard.store->set_keeps_tombstones(true);
  shard.connector = network_->connector(*shard.loop);
  coordinator::ShardCluster::Settings settings;
  settings.links.hello.cluster_name = "simulated";
  settings.links.hello.node = identity_.node;
  settings.shard = index;
  settings.shards = options.shards;
  settings.replicator = options.replicator;
  settings.reads = options.reads;
  settings.settles = options.settles;
  settings.source = options.source;
  shard.cluster = std::make_unique<coordinator::ShardCluster>(
      coordinator::ShardCluster::Parts{*shard.loop, *shard.connector, *shard.random,
                                       *shard.coordinator, identity_.actors, *this},
      settings);
  shard.engine->set_shard_cluster(shard.cluster.get());
  network_->listen_to_peers(*shard.loop, kPeerPort,
                            [cluster = shard.cluster.get()](cluster::PeerLane lane, auto stream) {
                              cluster->accept(lane, std::move(stream));
                            });
}

void SimNode::intern(std::vector<object::Actor> actors, Done done) {
  std::vector<object::ActorId> handles;
  const size_t before = identity_.actors.size();
  for (const object::Actor& actor : actors) handles.push_back(identity_.actors.intern(actor));
  if (identity_.actors.size() != before) {
    const auto saved = cluster::save_identity(disk_, directory_ + "/node.identity", identity_);
    if (!saved) return done(std::unexpected(saved.error()));
  }
  done(std::move(handles));
}

void SimNode::set_view(const std::shared_ptr<const cluster::ClusterView>& view) {
  const auto replies = std::make_shared<const redis::ClusterReplies>(view);
  for (Shard& shard : shards_) {
    shard.loop->post([engine = shard.engine.get(), cluster = shard.cluster.get(), replies] {
      engine->set_cluster(replies);
      cluster->set_view(replies->shared_view());
    });
  }
}

runtime::Status SimNode::recover(bool repair) {
  std::vector<storage::ShardStore*> stores;
  for (Shard& shard : shards_) stores.push_back(shard.store.get());
  const auto fetch = [this](const std::vector<storage::RowKey>& keys) {
    std::vector<storage::ColdResult> rows;
    const auto reading = rows_->begin_read();
    for (const storage::RowKey& key : keys) {
      using Kind = storage::ColdResult::Kind;
      auto row = reading ? (*reading)->get(key) : std::unexpected(reading.error());
      if (!row) {
        rows.push_back({key, Kind::failed, {}, row.error()});
      } else if (!row->has_value()) {
        rows.push_back({key, Kind::absent, {}, {}});
      } else {
        const Kind kind = (*row)->damaged ? Kind::damaged : Kind::found;
        rows.push_back({key, kind, std::string((*row)->value), {}});
      }
    }
    return rows;
  };
  const size_t window_bytes = size_t{1} << (6 + (seed_ + lives_) % 12);
  auto report = storage::recover(
      {disk_, directory_, *rows_, fetch, stores, identity_.starts, repair, nullptr, window_bytes});
  if (!report) return std::unexpected(report.error());
  recovery_ = std::move(*report);
  if (recovery_.found_journal) watch_first_checkpoints();
  return {};
}

void SimNode::watch_first_checkpoints() {
  first_checkpoints_missing_ = shards_.size();
  for (Shard& shard : shards_) {
    shard.store->checkpoint([this] {
      control_loop_->post([this] {
        if (--first_checkpoints_missing_ != 0) return;
        sync_worker_->post([this, life = identity_.starts] {
          (void)storage::remove_journals_before(disk_, directory_, life);
        });
      });
    });
  }
}

// Operations over several shards and expiry go on until the end: only silence is durable.
bool SimNode::stop_cleanly() {
  size_t stopping = 0;
  for (Shard& shard : shards_) {
    shard.loop->post([&stopping, &shard] {
      shard.engine->close_sessions();
      ++stopping;
    });
  }
  const auto durable = [&] {
    return stopping == shards_.size() && std::ranges::all_of(shards_, [](const Shard& shard) {
             const storage::Journal& journal = shard.store->journal();
             return journal.synced_position() >= journal.end_position();
           });
  };
  const uint64_t deadline_us = world_.now_us() + kStopDeadlineUs;
  while (!durable() && world_.now_us() < deadline_us) {
    for (Shard& shard : shards_) {
      shard.loop->post([&shard] { shard.store->journal().request_sync(); });
    }
    world_.run_until(durable, world_.now_us() + kStopStepUs);
  }
  bool clean = durable();
  if (clean) {
    world_.crash(number_);
    identity_.clean = true;
    clean = cluster::save_identity(disk_, directory_ + "/node.identity", identity_).has_value();
  }
  crash_process();
  return clean;
}

std::shared_ptr<redis::Wire> SimNode::connect(unsigned shard) {
  auto wire = std::make_shared<redis::Wire>();
  SimLoop& loop = *shards_[shard].loop;
  loop.post([&loop, wire, engine = shards_[shard].engine.get(), id = ++clients_] {
    engine->open_session(std::make_unique<redis::MemoryStream>(loop, wire), id);
    if (wire->stream != nullptr) wire->stream->deliver();
  });
  return wire;
}

void SimNode::send(redis::Wire& wire, std::string_view bytes) {
  wire.to_server.append(bytes);
  if (wire.stream != nullptr) {
    wire.stream->in_turn([](redis::MemoryStream& stream) { stream.deliver(); });
  }
}

void SimNode::apply(const storage::StoreSettings& settings) {
  for (Shard& shard : shards_) {
    shard.loop->post([store = shard.store.get(), settings] { store->settings() = settings; });
  }
}

}  // namespace quorate::sim
