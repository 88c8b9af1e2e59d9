#include "quorate/coordinator/settled_slots.h"

#include <algorithm>
#include <utility>

namespace quorate::coordinator {
namespace {

using cluster::ClusterView;

// By place in `now`: whether the member is new, or its health is not what it was.
std::vector<bool> members_in_doubt(const ClusterView& now, const ClusterView& before) {
  std::vector<bool> doubtful(now.members().size());
  for (size_t place = 0; place < doubtful.size(); ++place) {
    const ClusterView::Node& node = now.members()[place];
    const ClusterView::Place was = before.find(node.id);
    const bool known = was != ClusterView::kNobody;
    doubtful[place] = !known || before.member(was).healthy() != node.healthy();
  }
  return doubtful;
}

}  // namespace

SettledSlots::SettledSlots(Parts parts, unsigned shard, unsigned shards)
    : parts_(std::move(parts)), shard_(shard), shards_(shards), generation_(object::kSlots) {}

void SettledSlots::set_view(std::shared_ptr<const ClusterView> view) {
  const std::shared_ptr<const ClusterView> before = std::exchange(view_, std::move(view));
  if (view_->alone()) return;  // nobody to ask; whoever comes changes the ring
  const bool same_ring = before != nullptr && before->ring_digest() == view_->ring_digest();
  std::vector<bool> doubtful(view_->members().size(), true);
  if (before != nullptr) doubtful = members_in_doubt(*view_, *before);
  for (unsigned number = shard_; number < object::kSlots; number += shards_) {
    const auto slot = static_cast<uint16_t>(number);
    const auto list = view_->preference_list(slot);
    const bool ours = same_ring && before->self_coordinates(slot) && view_->self_coordinates(slot);
    if (!ours || std::ranges::any_of(list, [&](auto place) { return doubtful[place]; })) {
      unsettle(slot);
    }
  }
  for (size_t place = 0; before != nullptr && place < doubtful.size(); ++place) {
    if (doubtful[place] && place != view_->self()) parts_.tell(view_->members()[place].id);
  }
  start();
}

void SettledSlots::doubt(const object::NodeId& node) {
  const ClusterView::Place of = view_ == nullptr ? ClusterView::kNobody : view_->find(node);
  if (of == ClusterView::kNobody) return;
  for (unsigned number = shard_; number < object::kSlots; number += shards_) {
    const auto slot = static_cast<uint16_t>(number);
    const auto list = view_->preference_list(slot);
    if (std::ranges::find(list, of) != list.end()) unsettle(slot);
  }
  start();
}

void SettledSlots::unsettle(uint16_t slot) {
  ++generation_[slot];
  statistics_.unsettled += settled_[slot] ? 1 : 0;
  settled_.reset(slot);
  if (queued_[slot] || !view_->self_coordinates(slot)) return;
  queued_.set(slot);
  queue_.push_back(slot);
}

void SettledSlots::start() {
  if (std::exchange(starting_, true)) return;
  while (!queue_.empty() && under_way_ < kAtATimeMax) {
    const uint16_t slot = queue_.front();
    queue_.pop_front();
    queued_.reset(slot);
    if (!view_->self_coordinates(slot)) continue;
    ++under_way_;
    parts_.settle(slot, [this, slot, generation = generation_[slot]](
                            const runtime::Status& status) { ended(slot, generation, status); });
  }
  starting_ = false;
}

void SettledSlots::ended(uint16_t slot, uint32_t generation, const runtime::Status& status) {
  --under_way_;
  // Else it has been queued again, or is another's.
  if (generation == generation_[slot]) {
    if (status) {
      settled_.set(slot);
      ++statistics_.settled;
    } else {
      ++statistics_.failed;
      retry_later(slot);
    }
  }
  start();
}

void SettledSlots::retry_later(uint16_t slot) {
  queued_.set(slot);
  failed_.push_back(slot);
  if (retry_ != nullptr) return;
  retry_ = parts_.loop.start_timer(kRetryUs, 0, [this] {
    const auto timer = std::move(retry_);
    for (const uint16_t failed : std::exchange(failed_, {})) queue_.push_back(failed);
    start();
  });
}

}  // namespace quorate::coordinator
