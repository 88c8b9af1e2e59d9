#include "quorate/repair/recent_dots.h"

#include <algorithm>

namespace quorate::repair {

void RecentDots::add(const object::Change& change, uint64_t hash) {
  if (change.kind == object::ChangeKind::flushes) return;  // not a change of its own
  Entry entry;
  entry.dot = change.dot;
  entry.slot = change.slot;
  entry.flush = object::is_flush(change.kind);
  entry.place = {change.db, entry.flush ? 0 : hash};
  if (entries_.size() < capacity_) {
    entries_.push_back(entry);
    return;
  }
  entries_[next_] = entry;
  next_ = (next_ + 1) % capacity_;
}

std::optional<std::vector<RecentDots::Place>> RecentDots::find(
    uint16_t slot, const object::CausalContext& dots) const {
  uint64_t wanted = 0;
  for (const auto& run : dots.runs()) {
    wanted += std::min<uint64_t>(run.last - run.first, entries_.size()) + 1;
  }
  if (wanted > entries_.size()) return std::nullopt;
  object::CausalContext found;
  std::vector<Place> places;
  for (const Entry& entry : entries_) {
    if (entry.slot != slot || !dots.covers(entry.dot)) continue;
    found.add(entry.dot);
    if (!entry.flush) places.push_back(entry.place);
  }
  if (!found.covers(dots)) return std::nullopt;
  std::ranges::sort(places);
  places.erase(std::ranges::unique(places).begin(), places.end());
  return places;
}

}  // namespace quorate::repair
