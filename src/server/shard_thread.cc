#include "server/shard_thread.h"

#include <algorithm>
#include <iterator>
#include <spdlog/spdlog.h>
#include <utility>

#include "quorate/runtime/process.h"

#include "server/settings_of.h"

namespace quorate::server {
namespace {

// A disk that does not take the last sync must not keep the process from ending.
constexpr uint64_t kStopDeadlineUs = 10'000'000;
constexpr uint64_t kHandOverPauseUs = 1'000;
constexpr unsigned kHandOverAttempts = 100;

}  // namespace

runtime::Result<std::unique_ptr<ShardThread>> ShardThread::make(
    const Shared& shared, const storage::Journal::Options& journal_options,
    const storage::ShardStore::Shape& shape, const Config& config) {
  std::unique_ptr<ShardThread> shard(new ShardThread(shape.shard));
  shard->loop_ = runtime::UvLoop::make();
  shard->random_ = runtime::make_system_random();
  shard->actors_ = std::make_unique<ShardActors>(shared.actors, *shard->loop_);
  const object::ActorTable& actors = shard->actors_->table();
  auto journal =
      storage::Journal::open(shared.files, *shard->loop_, shared.sync_thread, journal_options);
  if (!journal) return std::unexpected(journal.error());
  shard->store_ = std::make_unique<storage::ShardStore>(
      storage::ShardStore::Parts{*shard->loop_, *shard->random_, std::move(*journal), shared.rows,
                                 shared.cold_reader, shared.checkpoint_thread, actors},
      shape, store_settings(config, shape.shards));
  shard->coordinator_ =
      std::make_unique<coordinator::ShardCoordinator>(*shard->loop_, *shard->store_, actors);
  shard->coordinator_->set_syncs_always(journal_options.policy == storage::SyncPolicy::always);
  shard->engine_ = std::make_unique<redis::ShardEngine>(
      redis::ShardEngine::Parts{*shard->loop_, *shard->random_, *shard->coordinator_,
                                shared.commands, shared.control},
      shape.shard, engine_settings(config));
  if (shared.peers) shard->join_peers(shared, shape);
  return shard;
}

void ShardThread::join_peers(const Shared& shared, const storage::ShardStore::Shape& shape) {
  // Until the first view says that the node is alone, tombstones may matter to others.
  store_->set_keeps_tombstones(true);
  coordinator::ShardCluster::Settings settings;
  settings.links = *shared.peers;
  settings.shard = shape.shard;
  settings.shards = shape.shards;
  settings.on_transferred = [shard = shape.shard, transferred = shared.transferred](uint64_t ring) {
    transferred(shard, ring);
  };
  settings.on_silent = shared.doubted;
  cluster_ = std::make_unique<coordinator::ShardCluster>(
      coordinator::ShardCluster::Parts{*loop_, *loop_, *random_, *coordinator_, actors_->table(),
                                       *actors_},
      std::move(settings));
  engine_->set_shard_cluster(cluster_.get());
}

ShardThread::~ShardThread() {
  join();
  // Sockets and timers close through the loop: it goes last.
  stop_deadline_.reset();
  hand_over_timer_.reset();
  part_timer_.reset();
  engine_.reset();
  cluster_.reset();
  coordinator_.reset();
  store_.reset();
}

void ShardThread::run() {
  thread_ = std::thread([this] {
    runtime::name_this_thread("shard-" + std::to_string(shard_));
    runtime::set_end_signals(runtime::EndSignals::held_off);
    runtime::schedule_this_thread(runtime::WakesUp::soon);
    store_->start_background();
    loop_->run();
  });
}

void ShardThread::open_session(int descriptor, unsigned keepalive_s, uint64_t client_id,
                               std::optional<redis::ClientState> before) {
  loop_->post([this, descriptor, keepalive_s, client_id, before = std::move(before)] {
    if (hands_over_) {
      handed_over_.push_back({descriptor, before});
      return;
    }
    auto stream = loop_->adopt_socket(descriptor, keepalive_s);
    if (!stream) {
      spdlog::debug("{}", stream.error().message);
      engine_->control().connection_closed();
      return;
    }
    engine_->open_session(std::move(*stream), client_id, before ? &*before : nullptr);
  });
}

void ShardThread::accept_peer(cluster::PeerLane lane, int descriptor, unsigned keepalive_s) {
  loop_->post([this, lane, descriptor, keepalive_s] {
    auto stream = loop_->adopt_socket(descriptor, keepalive_s);
    if (stream) cluster_->accept(lane, std::move(*stream));
  });
}

void ShardThread::set_view(const std::shared_ptr<const redis::ClusterReplies>& view) {
  loop_->post([this, view] {
    engine_->set_cluster(view);
    if (cluster_ == nullptr) return;
    const bool was_alone = cluster_->alone();
    cluster_->set_view(view->shared_view());
    if (cluster_->alone() == was_alone) return;
    runtime::schedule_this_thread(was_alone ? runtime::WakesUp::late : runtime::WakesUp::soon);
    loop_->set_gathering(was_alone);
  });
}

void ShardThread::apply(const Config& config, unsigned shards) {
  loop_->post([this, engine = engine_settings(config), store = store_settings(config, shards),
               policy = sync_policy(config)] {
    engine_->apply(engine);
    store_->settings() = store;
    store_->journal().set_policy(policy);
    coordinator_->set_syncs_always(policy == storage::SyncPolicy::always);
  });
}

void ShardThread::hand_over(std::function<void()> done) {
  loop_->post([this, done = std::move(done)]() mutable {
    hands_over_ = true;
    // What waits for other nodes until then, here for whichever shard, waits in vain: they may be
    // about to do the same.
    part_timer_ = loop_->start_timer(kHandOverPauseUs * kHandOverAttempts / 2, 0, [this] {
      if (cluster_ != nullptr) cluster_->part();
    });
    hand_over(kHandOverAttempts, std::move(done));
  });
}

void ShardThread::hand_over(unsigned attempts, std::function<void()> done) {
  std::ranges::move(engine_->hand_over_sessions(), std::back_inserter(handed_over_));
  if (!engine_->has_sessions() || attempts == 0) return done();
  hand_over_timer_ =
      loop_->start_timer(kHandOverPauseUs, 0, [this, attempts, done = std::move(done)]() mutable {
        const auto timer = std::move(hand_over_timer_);
        hand_over(attempts - 1, std::move(done));
      });
}

void ShardThread::stop(std::function<void(bool clean)> ended) {
  loop_->post([this, ended = std::move(ended)] {
    if (std::exchange(stopping_, true)) return;
    engine_->close_sessions();
    if (cluster_ != nullptr) cluster_->part();  // else there is always more to make durable
    const auto end = [this, ended](bool clean) {
      stop_deadline_.reset();
      ended(clean);
      loop_->stop();
    };
    stop_deadline_ = loop_->start_timer(kStopDeadlineUs, 0, [end] { end(false); });
    end_when_durable(end);
  });
}

// Operations over several shards and expiry go on meanwhile, so this may take several syncs.
void ShardThread::end_when_durable(std::function<void(bool clean)> end) {
  store_->when_synced(store_->journal().end_position(), [this, end = std::move(end)]() mutable {
    const bool refused = !store_->write_refusal().empty();
    if (durable() || refused) return end(!refused);
    end_when_durable(std::move(end));
  });
}

bool ShardThread::was_written() const {
  for (unsigned slot = 0; slot < object::kSlots; ++slot) {
    const auto number = static_cast<uint16_t>(slot);
    if (store_->shape().owns(number) && !store_->clocks().clock(number).empty()) return true;
  }
  return false;
}

bool ShardThread::durable() const {
  const storage::Journal& journal = store_->journal();
  return journal.synced_position() >= journal.end_position();
}

void ShardThread::join() {
  if (thread_.joinable()) thread_.join();
}

}  // namespace quorate::server
