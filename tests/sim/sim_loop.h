// SimWorld: virtual time and everything that happens in it; SimLoop and SimWorker: the threads of
// its nodes.
//
// One queue of events, ordered by (time, sequence), holds all that will happen; running it is the
// only way time passes. Every delay is drawn from the world's seed, so a seed replays a run
// exactly. Loops and workers belong to a node (any number), which crash() stops as a power cut
// stops a machine: what was queued is gone and never runs. A stopped loop or worker stays stopped;
// a restarted node makes new ones. Thread: one. Units: microseconds of virtual time, from 0. Loops,
// workers and timers must not outlive the world.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <utility>
#include <vector>

#include "quorate/runtime/loop.h"
#include "quorate/runtime/random.h"

namespace quorate::sim {

using NodeId = uint32_t;

inline constexpr uint64_t kMs = 1'000;
inline constexpr uint64_t kSecond = 1'000'000;
// In which whatever will happen at all has happened.
inline constexpr uint64_t kPatienceUs = 60 * kSecond;

// A seeded delay lies in [min_us, max_us].
struct Delay {
  uint64_t min_us = 0;
  uint64_t max_us = 0;
};

class SimLoop;
class SimWorker;

class SimWorld {
 public:
  explicit SimWorld(uint64_t seed);
  SimWorld(const SimWorld&) = delete;
  SimWorld& operator=(const SimWorld&) = delete;

  uint64_t now_us() const { return now_us_; }
  runtime::Random& random() { return *random_; }
  uint64_t draw(Delay delay);

  // A loop begins each turn `wakeup` after the first thing there was to do; what arrives until then
  // shares the turn.
  std::unique_ptr<SimLoop> make_loop(NodeId node, Delay wakeup = {1, 50});
  // A worker takes `duration` for each task: the task runs at the beginning and what it posts to
  // others arrives at the end.
  std::unique_ptr<SimWorker> make_worker(NodeId node, Delay duration = {10, 500});

  // Calls `task` at now + delay, unless the node crashes before.
  void schedule(NodeId node, uint64_t delay_us, runtime::Task task);
  // Wall clocks of the node's loops show virtual time + kWallEpochMs + this.
  void set_wall_offset_ms(NodeId node, int64_t offset_ms) { wall_offsets_ms_[node] = offset_ms; }
  int64_t wall_offset_ms(NodeId node) const;

  // Both run events in order. run_until(time): all up to and including that time, and then it is
  // that time.
  void run_until(uint64_t time_us);
  // Until `done` holds (true) or nothing is left to do or the time has passed (false).
  bool run_until(const std::function<bool()>& done, uint64_t limit_us);
  void run_for(uint64_t us) { run_until(now_us_ + us); }

  void crash(NodeId node);

  static constexpr uint64_t kWallEpochMs = 1'700'000'000'000;

 private:
  friend class SimLoop;
  friend class SimWorker;

  struct Event {
    NodeId node;
    runtime::Task task;
  };

  // What a running worker's task does to others happens this much later.
  uint64_t task_duration_us_ = 0;

  bool run_next(uint64_t limit_us);

  std::unique_ptr<runtime::Random> random_;
  uint64_t now_us_ = 0;
  uint64_t sequence_ = 0;
  std::map<std::pair<uint64_t, uint64_t>, Event> events_;  // by (time, sequence)
  std::map<NodeId, int64_t> wall_offsets_ms_;
  std::set<SimLoop*> loops_;
  std::set<SimWorker*> workers_;
};

class SimLoop final : public runtime::Loop {
 public:
  SimLoop(SimWorld& world, NodeId node, Delay wakeup);
  ~SimLoop() override;

  void post(runtime::Task task) override;
  const runtime::Clock& clock() const override { return clock_; }
  std::unique_ptr<runtime::Timer> start_timer(uint64_t delay_us, uint64_t repeat_us,
                                              runtime::Task task) override;
  void set_turn_end(runtime::Task hook) override;
  // Turns take no virtual time; now and then, as the seed says, one seems to have lasted long.
  uint64_t turn_us() const override;
  // From now on every turn has lasted so much longer each time somebody asks.
  void let_looks_cost(uint64_t us) { look_us_ = us; }
  uint64_t longest_turn_us() const { return longest_turn_us_; }

  // No turn begins before that time: the thread does something else, or its process is stopped.
  void stand_still_until(uint64_t time_us) { still_until_us_ = time_us; }

  NodeId node() const { return node_; }
  bool stopped() const { return !state_; }
  uint64_t turns() const { return turns_; }

 private:
  friend class SimWorld;
  friend class SimTimer;

  struct TimerEntry {
    uint64_t due_us = 0;
    uint64_t repeat_us = 0;
    std::shared_ptr<runtime::Task> task;
  };
  // Dropped as a whole by a crash.
  struct State {
    std::deque<runtime::Task> inbox;
    std::map<uint64_t, TimerEntry> timers;  // by id, in the order of starting
    runtime::Task turn_end;
    uint64_t turn_at_us = UINT64_MAX;  // of the next turn already scheduled
  };
  class TurnClock final : public runtime::Clock {
   public:
    explicit TurnClock(const SimLoop& loop) : loop_(loop) {}
    uint64_t wall_ms() const override;
    uint64_t monotonic_us() const override;

   private:
    const SimLoop& loop_;
  };

  void deliver(runtime::Task task);
  void schedule_turn(uint64_t at_us);
  void run_turn();
  void run_due_timers();
  void schedule_next_timer();
  void stop();

  SimWorld& world_;
  const NodeId node_;
  const Delay wakeup_;
  TurnClock clock_{*this};
  std::shared_ptr<State> state_ = std::make_shared<State>();
  uint64_t still_until_us_ = 0;
  uint64_t look_us_ = 0;
  mutable uint64_t this_turn_us_ = 0, longest_turn_us_ = 0;
  uint64_t timers_started_ = 0;
  uint64_t turns_ = 0;
};

class SimWorker final : public runtime::Executor {
 public:
  SimWorker(SimWorld& world, NodeId node, Delay duration);
  ~SimWorker() override;

  void post(runtime::Task task) override;
  // Tasks that begin from now on take this long: a disk that has become slow.
  void set_duration(Delay duration) { duration_ = duration; }
  bool stopped() const { return !state_; }
  size_t queued() const { return state_ ? state_->inbox.size() : 0; }

 private:
  friend class SimWorld;

  struct State {
    std::deque<runtime::Task> inbox;
    bool busy = false;  // a step is scheduled
  };

  void deliver(runtime::Task task);
  void schedule_step(uint64_t delay_us);
  void step();
  void stop();

  SimWorld& world_;
  const NodeId node_;
  Delay duration_;
  std::shared_ptr<State> state_ = std::make_shared<State>();
};

}  // namespace quorate::sim
