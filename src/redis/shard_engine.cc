#include "quorate/redis/shard_engine.h"

#include <algorithm>
#include <spdlog/spdlog.h>
#include <utility>

#include "quorate/redis/session.h"

#include "redis/peer_requests.h"
#include "redis/request_checks.h"
#include "redis/slot_requests.h"
#include "redis/turn_input.h"

namespace quorate::redis {
namespace {

constexpr uint64_t kSecondUs = 1'000'000;
constexpr uint64_t kRetryUs = 100'000;

}  // namespace

ShardEngine::ShardEngine(Parts parts, unsigned shard, EngineSettings settings)
    : loop_(parts.loop),
      random_(parts.random),
      coordinator_(parts.coordinator),
      commands_(parts.commands),
      control_(parts.control),
      shard_(shard),
      hash_seed_(parts.coordinator.store().shape().hash_seed),
      context_seal_(hash_seed_),
      settings_(std::move(settings)),
      turn_input_(std::make_unique<TurnInput>(store())) {
  statistics_.calls.resize(commands_.id_count());
  statistics_.rejected.resize(commands_.id_count());
  statistics_.failed.resize(commands_.id_count());
  loop_.set_turn_end([this] { end_turn(); });
  second_ = loop_.start_timer(kSecondUs, kSecondUs, [this] {
    close_idle_sessions();
    measure_rates();
  });
  store().on_synced([this] { coordinator_.release_held(); });
}

ShardEngine::~ShardEngine() = default;

void ShardEngine::set_shard_cluster(coordinator::ShardCluster* cluster) {
  shard_cluster_ = cluster;
  serve_peer_requests(*this, shard_cluster_->calls());
  serve_slot_questions(*this, shard_cluster_->calls());
}

void ShardEngine::open_session(std::unique_ptr<runtime::Stream> stream, uint64_t client_id,
                               const ClientState* before) {
  auto session = std::make_shared<Session>(*this, std::move(stream), client_id);
  if (before != nullptr) session->take_over(*before);
  sessions_.emplace(client_id, session);
  session->start();
}

void ShardEngine::close_sessions() {
  std::vector<std::shared_ptr<Session>> all;
  for (const auto& [id, session] : sessions_) all.push_back(session);
  for (const auto& session : all) session->close();
}

std::vector<HandedOverClient> ShardEngine::hand_over_sessions() {
  std::vector<HandedOverClient> clients;
  for (const auto& [id, session] : sessions_) {
    if (auto client = session->hand_over()) clients.push_back(*std::move(client));
  }
  return clients;
}

void ShardEngine::forget(uint64_t client_id) {
  sessions_.erase(client_id);
  control_.connection_closed();
}

void ShardEngine::apply(const EngineSettings& settings) {
  settings_ = settings;
  for (const auto& [id, session] : sessions_) session->update_limits();
}

bool ShardEngine::refuses(const CommandSpec& spec, ReplyWriter& reply) {
  const std::string& reason = store().write_refusal();
  if (!reason.empty()) {
    reply.error(misconf_text(reason));
  } else if (spec.has(command_flag::kDenyOom) && store().out_of_memory()) {
    reply.error("OOM command not allowed when used memory > 'maxmemory'.");
  } else {
    return false;
  }
  ++statistics_.rejected[spec.id];
  ++statistics_.error_replies;
  return true;
}

void ShardEngine::run(const Request& request, OutputBuffer& out, ClientState* client,
                      std::function<Finish()> make_deferred) {
  const CommandSpec& spec = *request.spec;
  ReplyWriter reply(out, request.protocol);
  if (spec.has(command_flag::kWrite) && refuses(spec, reply)) return;
  ++statistics_.commands;
  ++statistics_.calls[spec.id];
  const size_t reply_begin = out.size();
  CommandContext context{spec,
                         request.args,
                         request.keys,
                         reply,
                         coordinator_.keys(),
                         *this,
                         request.db,
                         client,
                         request.no_touch,
                         std::move(make_deferred),
                         request.slots};
  spec.handler(context);
  if (out.size() > reply_begin && out.data()[reply_begin] == '-') [[unlikely]] {
    ++statistics_.error_replies;
    ++statistics_.failed[spec.id];
  }
}

void ShardEngine::run_after(uint64_t delay_us, runtime::Task task) {
  const uint64_t id = next_delayed_++;
  delayed_[id] = loop_.start_timer(delay_us, 0, [this, id, task = std::move(task)]() mutable {
    task();
    loop_.post([this, id] { delayed_.erase(id); });  // not from within its own call
  });
}

void ShardEngine::reset_statistics() {
  EngineStatistics fresh;
  for (auto* counters : {&fresh.calls, &fresh.rejected, &fresh.failed}) {
    counters->resize(commands_.id_count());
  }
  statistics_ = std::move(fresh);
  commands_a_second_ago_ = input_a_second_ago_ = output_a_second_ago_ = 0;
  store().reset_statistics();
  coordinator_.keys().reset_statistics();
}

void ShardEngine::measure_rates() {
  EngineStatistics& now = statistics_;
  now.commands_per_s = now.commands - std::exchange(commands_a_second_ago_, now.commands);
  now.input_bytes_per_s = now.input_bytes - std::exchange(input_a_second_ago_, now.input_bytes);
  now.output_bytes_per_s = now.output_bytes - std::exchange(output_a_second_ago_, now.output_bytes);
}

void ShardEngine::flush_at_turn_end(const std::shared_ptr<Session>& session) {
  to_flush_.push_back(session);
}

void ShardEngine::end_turn() {
  turn_input_->run();
  const runtime::Status written = coordinator_.end_turn();
  if (shard_cluster_ != nullptr) shard_cluster_->end_turn();
  if (!written && !journal_failing_) {
    spdlog::error("Journal of shard {} cannot be written: {}", shard_, written.error().message);
  }
  if (!written) retry_ = loop_.start_timer(kRetryUs, 0, [] {});  // a turn in which to try again
  journal_failing_ = !written.has_value();
  watch_backlog();
  if (to_flush_.empty()) return;
  std::swap(to_flush_, flushing_);
  for (const auto& session : flushing_) {
    session->marked_ = false;
    session->flush();
  }
  flushing_.clear();
}

// Every shard holds its writers up for one that is behind: any of them may write to it.
void ShardEngine::watch_backlog() {
  if (backlogged_.empty()) backlogged_.resize(engines_.size());
  // What is refused need not wait.
  const bool now = store().backlogged() && store().write_refusal().empty();
  if (now == backlogged_[shard_]) return;
  for (ShardEngine* engine : engines_) {
    if (engine == this) {
      set_backlogged(shard_, now);
    } else {
      engine->loop_.post([engine, shard = shard_, now] { engine->set_backlogged(shard, now); });
    }
  }
}

void ShardEngine::set_backlogged(unsigned shard, bool on) {
  if (backlogged_.empty()) backlogged_.resize(engines_.size());
  backlogged_[shard] = on;
  holds_writers_ = std::ranges::find(backlogged_, true) != backlogged_.end();
  if (holds_writers_) return;
  for (const auto& session : std::exchange(held_writers_, {})) session->release_writer();
}

void ShardEngine::forget_held_writer(const Session& session) {
  std::erase_if(held_writers_, [&](const auto& held) { return held.get() == &session; });
}

void ShardEngine::close_idle_sessions() {
  const uint64_t now = loop_.clock().wall_ms();
  std::vector<std::shared_ptr<Session>> idle;
  for (const auto& [id, session] : sessions_) {
    session->enforce_output_limit();
    const uint64_t last = session->client().last_command_ms;
    if (session->blocked_) continue;  // it waits for an answer
    if (settings_.idle_timeout_s != 0 && now > last + settings_.idle_timeout_s * 1000) {
      idle.push_back(session);
    }
  }
  for (const auto& session : idle) session->close();
}

}  // namespace quorate::redis
