#include "quorate/coordinator/replication_window.h"

#include <algorithm>
#include <cassert>
#include <utility>

#include "quorate/runtime/mutants.h"

namespace quorate::coordinator {

uint64_t ReplicationWindow::open(uint64_t end, std::span<const Group> groups,
                                 uint64_t deadline_us) {
  assert(end > end_);
  Turn turn{std::exchange(end_, end), end, deadline_us, {}};
  for (const Group& group : groups) {
    assert(group.needed <= group.peers.size());
    if (group.needed != 0) turn.groups.push_back({group.peers, group.needed});
  }
  const uint64_t number = first_ + turns_.size();
  turns_.push_back(std::move(turn));
  settle();
  return number;
}

void ReplicationWindow::acknowledged(Peer peer, uint64_t turn) {
  if (turn >= first_ + turns_.size()) return;
  if (peer >= acknowledged_.size()) acknowledged_.resize(peer + 1);
  const uint64_t before = std::exchange(acknowledged_[peer], std::max(acknowledged_[peer], turn));
  for (uint64_t number = std::max(before + 1, first_); number <= turn; ++number) {
    auto& groups = turns_[number - first_].groups;
    for (Open& group : groups) {
      const auto at = std::ranges::find(group.silent, peer);
      if (at == group.silent.end()) continue;
      group.silent.erase(at);
      --group.missing;
    }
    const auto settled = [](const Open& group) { return group.missing == 0; };
    groups.erase(std::remove_if(groups.begin(), groups.end(), settled), groups.end());
  }
  settle();
}

void ReplicationWindow::missed(Peer peer) {
  for (Turn& turn : turns_) {
    for (Open& group : turn.groups) {
      const auto at = std::ranges::find(group.silent, peer);
      if (at != group.silent.end()) group.silent.erase(at);
    }
  }
}

void ReplicationWindow::expire(uint64_t now_us) {
  for (Turn& turn : turns_) {
    if (turn.groups.empty() || turn.deadline_us > now_us) continue;
    give_up(turn);
  }
  settle();
}

void ReplicationWindow::give_up(Turn& turn) {
  turn.groups.clear();
  ++turns_given_up_;
  if (runtime::mutant(runtime::Mutant::settled_when_given_up)) return;
  // Thousands may be given up at once.
  const bool goes_on = !given_up_.empty() && given_up_.back().end == turn.begin;
  if (goes_on) given_up_.back().end = turn.end;
  if (!goes_on) given_up_.push_back({turn.begin, turn.end});
  if (given_up_.size() > kRemembered) given_up_.pop_front();
}

void ReplicationWindow::refused(Peer peer, uint64_t number) {
  if (number < first_ || number >= first_ + turns_.size()) return;
  Turn& turn = turns_[number - first_];
  for (Open& group : turn.groups) {
    const auto at = std::ranges::find(group.silent, peer);
    if (at == group.silent.end()) continue;
    group.silent.erase(at);
    group.refused = true;
  }
  const auto lost = [&](const Open& group) { return hopeless(group); };
  if (std::ranges::any_of(turn.groups, lost)) give_up(turn);
  settle();
}

void ReplicationWindow::set_down(Peer peer, bool down) {
  if (peer >= down_.size()) down_.resize(peer + 1);
  down_[peer] = down;
  if (!down) return;
  for (Turn& turn : turns_) {
    const auto lost = [&](const Open& group) { return hopeless(group); };
    if (std::ranges::any_of(turn.groups, lost)) give_up(turn);
  }
  settle();
}

bool ReplicationWindow::hopeless(const Open& group) const {
  if (!group.refused) return false;
  const auto up = [&](Peer peer) { return peer >= down_.size() || !down_[peer]; };
  return static_cast<size_t>(std::ranges::count_if(group.silent, up)) < group.missing;
}

bool ReplicationWindow::given_up(uint64_t after, uint64_t end) const {
  return std::ranges::any_of(
      given_up_, [&](const Range& range) { return after < range.end && range.begin < end; });
}

void ReplicationWindow::settle() {
  while (!turns_.empty() && turns_.front().groups.empty()) {
    begin_ = turns_.front().end;
    turns_.pop_front();
    ++first_;
  }
  if (!turns_.empty()) begin_ = turns_.front().begin;
}

}  // namespace quorate::coordinator
