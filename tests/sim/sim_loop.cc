#include "sim/sim_loop.h"

#include <algorithm>
#include <cassert>
#include <utility>

namespace quorate::sim {

// ---- SimWorld

SimWorld::SimWorld(uint64_t seed) : random_(runtime::make_seeded_random(seed)) {}

uint64_t SimWorld::draw(Delay delay) {
  assert(delay.min_us <= delay.max_us);
  return delay.min_us + random_->below(delay.max_us - delay.min_us + 1);
}

std::unique_ptr<SimLoop> SimWorld::make_loop(NodeId node, Delay wakeup) {
  return std::make_unique<SimLoop>(*this, node, wakeup);
}

std::unique_ptr<SimWorker> SimWorld::make_worker(NodeId node, Delay duration) {
  return std::make_unique<SimWorker>(*this, node, duration);
}

void SimWorld::schedule(NodeId node, uint64_t delay_us, runtime::Task task) {
  events_.emplace(std::pair(now_us_ + delay_us, sequence_++), Event{node, std::move(task)});
}

int64_t SimWorld::wall_offset_ms(NodeId node) const {
  const auto found = wall_offsets_ms_.find(node);
  return found == wall_offsets_ms_.end() ? 0 : found->second;
}

bool SimWorld::run_next(uint64_t limit_us) {
  if (events_.empty() || events_.begin()->first.first > limit_us) return false;
  auto event = events_.extract(events_.begin());
  now_us_ = std::max(now_us_, event.key().first);
  event.mapped().task();
  return true;
}

void SimWorld::run_until(uint64_t time_us) {
  while (run_next(time_us)) {
  }
  now_us_ = std::max(now_us_, time_us);
}

bool SimWorld::run_until(const std::function<bool()>& done, uint64_t limit_us) {
  while (!done()) {
    if (!run_next(limit_us)) return false;
  }
  return true;
}

void SimWorld::crash(NodeId node) {
  // Destroying a task may post or schedule; so everything is unhooked before anything is destroyed.
  std::vector<Event> dropped;
  for (auto event = events_.begin(); event != events_.end();) {
    if (event->second.node == node) {
      dropped.push_back(std::move(event->second));
      event = events_.erase(event);
    } else {
      ++event;
    }
  }
  for (SimLoop* loop : std::vector(loops_.begin(), loops_.end())) {
    if (loop->node() == node) loop->stop();
  }
  for (SimWorker* worker : std::vector(workers_.begin(), workers_.end())) {
    if (worker->node_ == node) worker->stop();
  }
}

// ---- SimLoop

class SimTimer final : public runtime::Timer {
 public:
  SimTimer(std::weak_ptr<SimLoop::State> state, uint64_t id) : state_(std::move(state)), id_(id) {}
  ~SimTimer() override {
    if (const auto state = state_.lock()) state->timers.erase(id_);
  }

 private:
  std::weak_ptr<SimLoop::State> state_;
  const uint64_t id_;
};

uint64_t SimLoop::TurnClock::wall_ms() const {
  const auto wall = static_cast<int64_t>(SimWorld::kWallEpochMs + loop_.world_.now_us() / 1000);
  return static_cast<uint64_t>(wall + loop_.world_.wall_offset_ms(loop_.node_));
}

uint64_t SimLoop::TurnClock::monotonic_us() const { return loop_.world_.now_us(); }

SimLoop::SimLoop(SimWorld& world, NodeId node, Delay wakeup)
    : world_(world), node_(node), wakeup_(wakeup) {
  world_.loops_.insert(this);
}

SimLoop::~SimLoop() {
  stop();
  world_.loops_.erase(this);
}

void SimLoop::stop() { const auto dropped = std::exchange(state_, nullptr); }

void SimLoop::post(runtime::Task task) {
  if (!state_) return;
  if (world_.task_duration_us_ == 0) {
    deliver(std::move(task));
    return;
  }
  world_.schedule(node_, world_.task_duration_us_,
                  [this, alive = std::weak_ptr(state_), task = std::move(task)]() mutable {
                    if (!alive.expired()) deliver(std::move(task));
                  });
}

void SimLoop::deliver(runtime::Task task) {
  state_->inbox.push_back(std::move(task));
  schedule_turn(world_.now_us() + world_.draw(wakeup_));
}

// Unless a turn as early is scheduled already.
void SimLoop::schedule_turn(uint64_t at_us) {
  if (state_->turn_at_us <= at_us) return;
  state_->turn_at_us = at_us;
  world_.schedule(node_, at_us - world_.now_us(), [this, at_us, alive = std::weak_ptr(state_)] {
    // A later turn that an earlier one has overtaken does nothing.
    if (const auto state = alive.lock(); state && state->turn_at_us == at_us) run_turn();
  });
}

void SimLoop::run_turn() {
  const std::shared_ptr<State> state = state_;  // a task may crash this very node
  state->turn_at_us = UINT64_MAX;
  if (world_.now_us() < still_until_us_) return schedule_turn(still_until_us_);
  ++turns_;
  this_turn_us_ = 0;
  run_due_timers();
  // What is posted meanwhile is for the next turn.
  std::deque<runtime::Task> tasks = std::exchange(state->inbox, {});
  while (!tasks.empty() && state_ == state) {
    runtime::Task task = std::move(tasks.front());
    tasks.pop_front();
    task();
  }
  if (state_ == state && state->turn_end) state->turn_end();
  if (state_ == state) schedule_next_timer();
}

void SimLoop::run_due_timers() {
  const std::shared_ptr<State> state = state_;
  std::vector<std::pair<uint64_t, uint64_t>> due;  // (due time, id)
  for (const auto& [id, timer] : state->timers) {
    if (timer.due_us <= world_.now_us()) due.emplace_back(timer.due_us, id);
  }
  std::ranges::sort(due);
  for (const auto& [due_us, id] : due) {
    const auto found = state->timers.find(id);
    if (state_ != state || found == state->timers.end()) continue;
    const auto task = found->second.task;  // kept alive: it may cancel its own timer
    if (found->second.repeat_us == 0) {
      state->timers.erase(found);
    } else {
      found->second.due_us = world_.now_us() + found->second.repeat_us;
    }
    (*task)();
  }
}

void SimLoop::schedule_next_timer() {
  uint64_t due_us = UINT64_MAX;
  for (const auto& [id, timer] : state_->timers) due_us = std::min(due_us, timer.due_us);
  if (due_us != UINT64_MAX) schedule_turn(std::max(due_us, world_.now_us()));
}

std::unique_ptr<runtime::Timer> SimLoop::start_timer(uint64_t delay_us, uint64_t repeat_us,
                                                     runtime::Task task) {
  const uint64_t id = timers_started_++;
  if (state_) {
    const uint64_t due_us = world_.now_us() + delay_us;
    state_->timers[id] = {due_us, repeat_us, std::make_shared<runtime::Task>(std::move(task))};
    schedule_turn(due_us + world_.draw(wakeup_));
  }
  return std::make_unique<SimTimer>(std::weak_ptr(state_), id);
}

uint64_t SimLoop::turn_us() const {
  constexpr uint64_t kOneIn = 16, kLongTurnUs = 10'000;
  if (look_us_ != 0) {
    this_turn_us_ += look_us_;
    longest_turn_us_ = std::max(longest_turn_us_, this_turn_us_);
    return this_turn_us_;
  }
  return world_.random().next() % kOneIn == 0 ? kLongTurnUs : 0;
}

void SimLoop::set_turn_end(runtime::Task hook) {
  if (state_) state_->turn_end = std::move(hook);
}

// ---- SimWorker

SimWorker::SimWorker(SimWorld& world, NodeId node, Delay duration)
    : world_(world), node_(node), duration_(duration) {
  world_.workers_.insert(this);
}

SimWorker::~SimWorker() {
  stop();
  world_.workers_.erase(this);
}

void SimWorker::stop() { const auto dropped = std::exchange(state_, nullptr); }

void SimWorker::post(runtime::Task task) {
  if (!state_) return;
  if (world_.task_duration_us_ == 0) {
    deliver(std::move(task));
    return;
  }
  world_.schedule(node_, world_.task_duration_us_,
                  [this, alive = std::weak_ptr(state_), task = std::move(task)]() mutable {
                    if (!alive.expired()) deliver(std::move(task));
                  });
}

void SimWorker::deliver(runtime::Task task) {
  state_->inbox.push_back(std::move(task));
  if (!state_->busy) schedule_step(1);
}

void SimWorker::schedule_step(uint64_t delay_us) {
  state_->busy = true;
  world_.schedule(node_, delay_us, [this, alive = std::weak_ptr(state_)] {
    if (!alive.expired()) step();
  });
}

void SimWorker::step() {
  const std::shared_ptr<State> state = state_;
  if (state->inbox.empty()) {
    state->busy = false;
    return;
  }
  runtime::Task task = std::move(state->inbox.front());
  state->inbox.pop_front();
  const uint64_t duration_us = std::max<uint64_t>(1, world_.draw(duration_));
  const uint64_t outer = std::exchange(world_.task_duration_us_, duration_us);
  task();
  task = nullptr;  // destroyed within its time, as what it owned is on a thread
  world_.task_duration_us_ = outer;
  if (state_ == state) schedule_step(duration_us);
}

}  // namespace quorate::sim
