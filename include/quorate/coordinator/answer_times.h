// AnswerTimes: how long other replicas took to answer lately, and so how long a question waits for
// one of them before another one is asked as well (a hedged request).
//
// The delay is the p95 of the replica that is quickest by it, of its last kWindow answers or more:
// one that is slow at all times is not the measure, whatever its share of the questions. Until
// somebody has answered so often it is `first_us`. Fixed size for each replica; recording allocates
// nothing but for a new one. Thread: the shard's. Units: microseconds. Source: DESIGN 8; Dean and
// Barroso, The Tail at Scale (2013).
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "quorate/coordinator/latency_histogram.h"
#include "quorate/object/dot.h"

namespace quorate::coordinator {

class AnswerTimes {
 public:
  static constexpr unsigned kWindow = 128;

  struct Bounds {
    uint64_t min_us = 2'000;  // timers are not finer than a millisecond
    uint64_t first_us = 20'000;
    uint64_t max_us = 250'000;
  };

  explicit AnswerTimes(Bounds bounds) : bounds_(bounds), hedge_delay_us_(bounds.first_us) {}

  void record(const object::NodeId& replica, uint64_t us) {
    Recent& recent = of(replica);
    recent.times.record(us);
    if (recent.times.total() < kWindow) return;
    recent.p95_us = recent.times.percentile_us(0.95);
    recent.times = {};
    choose();
  }
  // Those for whom `stays(id)` is false are no measure any more.
  template <typename Stays>
  void keep(Stays&& stays) {
    std::erase_if(replicas_, [&](const Recent& recent) { return !stays(recent.id); });
    choose();
  }

  uint64_t hedge_delay_us() const { return hedge_delay_us_; }

 private:
  struct Recent {
    object::NodeId id{};
    LatencyHistogram times;  // since p95_us was taken
    uint64_t p95_us = UINT64_MAX;
  };

  Recent& of(const object::NodeId& replica) {
    const auto at = std::ranges::find(replicas_, replica, &Recent::id);
    return at != replicas_.end() ? *at : replicas_.emplace_back(Recent{replica, {}});
  }
  void choose() {
    uint64_t quickest_us = UINT64_MAX;
    for (const Recent& recent : replicas_) quickest_us = std::min(quickest_us, recent.p95_us);
    hedge_delay_us_ = quickest_us == UINT64_MAX
                          ? bounds_.first_us
                          : std::clamp(quickest_us, bounds_.min_us, bounds_.max_us);
  }

  const Bounds bounds_;
  std::vector<Recent> replicas_;
  uint64_t hedge_delay_us_;
};

}  // namespace quorate::coordinator
