#include "quorate/coordinator/copy_waits.h"

#include <algorithm>
#include <utility>
#include <vector>

namespace quorate::coordinator {

CopyWaits::CopyWaits(runtime::Loop& loop, Replicator& replicator)
    : loop_(loop), replicator_(replicator) {
  replicator_.on_acknowledged([this](uint64_t first, uint64_t end) { heard(first, end); });
}

CopyWaits::~CopyWaits() { replicator_.on_acknowledged(nullptr); }

bool CopyWaits::reached(const Needs& needs, uint64_t turn) const {
  return std::ranges::all_of(needs, [&](const Need& need) {
    return need.copies == 0 || replicator_.copies(need.slot, turn) >= need.copies;
  });
}

void CopyWaits::wait(Needs needs, uint64_t turn, uint64_t timeout_us, Done done) {
  if (reached(needs, turn)) return done(true);
  const auto at = waiters_.emplace(turn, Waiter{std::move(needs), std::move(done), nullptr});
  at->second.timer = loop_.start_timer(timeout_us, 0, [this, at] {
    Waiter waiter = std::move(at->second);  // with the timer that calls
    waiters_.erase(at);
    waiter.done(false);
  });
}

// Only turns in [first, end) have come to be on one more replica.
void CopyWaits::heard(uint64_t first, uint64_t end) {
  std::vector<Done> reached_now;
  const auto last = waiters_.lower_bound(end);
  for (auto at = waiters_.lower_bound(first); at != last;) {
    if (reached(at->second.needs, at->first)) {
      reached_now.push_back(std::move(at->second.done));
      at = waiters_.erase(at);
    } else {
      ++at;
    }
  }
  for (Done& done : reached_now) done(true);
}

}  // namespace quorate::coordinator
