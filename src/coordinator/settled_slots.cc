#include "quorate/coordinator/settled_slots.h"

#include <algorithm>
#include <utility>

namespace quorate::coordinator {
namespace {

using cluster::ClusterView;

// Whether the same members hold copies of the slot.
bool same_replicas(const ClusterView& now, const ClusterView& before, uint16_t slot) {
  const auto of = now.replicas(slot), was = before.replicas(slot);
  return std::ranges::equal(of, was, [&](auto left, auto right) {
    return now.member(left).id == before.member(right).id;
  });
}

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
    : parts_(std::move(parts)),
      shard_(shard),
      shards_(shards),
      generation_(object::kSlots),
      since_us_(object::kSlots) {}

void SettledSlots::set_view(std::shared_ptr<const ClusterView> view) {
  const std::shared_ptr<const ClusterView> before = std::exchange(view_, std::move(view));
  if (view_->alone()) return;  // nobody to ask; whoever comes changes the ring
  retry_us_ = kRetryFirstUs;
  const bool same_ring = before != nullptr && before->ring_digest() == view_->ring_digest();
  const auto kept = [&](uint16_t slot) {
    return before != nullptr && before->self_coordinates(slot) && view_->self_coordinates(slot) &&
           (same_ring || same_replicas(*view_, *before, slot));
  };
  std::vector<bool> doubtful(view_->members().size(), true);
  if (before != nullptr) doubtful = members_in_doubt(*view_, *before);
  for (unsigned number = shard_; number < object::kSlots; number += shards_) {
    const auto slot = static_cast<uint16_t>(number);
    const auto in_doubt = [&](auto place) { return doubtful[place]; };
    const bool begins = before == nullptr || !before->self_coordinates(slot);
    if (begins && view_->self_coordinates(slot)) since_us_[slot] = 0;
    if (!kept(slot) || std::ranges::any_of(view_->replicas(slot), in_doubt)) unsettle(slot);
  }
  for (size_t place = 0; before != nullptr && place < doubtful.size(); ++place) {
    if (doubtful[place] && place != view_->self()) parts_.tell(view_->members()[place].id);
  }
  start();
}

void SettledSlots::doubt(const object::NodeId& node) {
  const ClusterView::Place of = view_ == nullptr ? ClusterView::kNobody : view_->find(node);
  if (of == ClusterView::kNobody) return;
  ++statistics_.doubts;
  for (unsigned number = shard_; number < object::kSlots; number += shards_) {
    const auto slot = static_cast<uint16_t>(number);
    if (view_->holds(slot, of)) unsettle(slot);
  }
  start();
}

void SettledSlots::broken(const object::NodeId& replica, uint64_t number) {
  const Number of{replica, number};
  if (std::erase(numbers_, of) == 0) return;
  std::erase(next_numbers_, of);
  doubt(replica);
}

void SettledSlots::unsettle(uint16_t slot) {
  ++generation_[slot];
  statistics_.unsettled += settled_[slot] ? 1 : 0;
  if (settled_[slot] || since_us_[slot] == 0) {
    since_us_[slot] = parts_.loop.clock().monotonic_us();
  }
  if (settled_[slot]) retry_us_ = kRetryFirstUs;
  settled_.reset(slot);
  promised_.reset(slot);
  if (queued_[slot] || !view_->self_coordinates(slot)) return;
  queued_.set(slot);
  queue_.push_back(slot);
}

void SettledSlots::start() {
  // Many at a time: each batch is a message to every replica.
  if (starting_ || under_way_ > kAtATimeMax / 2) return;
  starting_ = true;
  while (!queue_.empty() && under_way_ < kAtATimeMax) {
    auto batch = std::make_shared<Batch>();
    for (; !queue_.empty() && under_way_ < kAtATimeMax; queue_.pop_front()) {
      const uint16_t slot = queue_.front();
      queued_.reset(slot);
      if (!view_->self_coordinates(slot)) continue;
      ++under_way_;
      batch->slots.push_back({slot, generation_[slot]});
    }
    ask(batch);
  }
  starting_ = false;
}

void SettledSlots::ask(const std::shared_ptr<Batch>& batch) {
  batch->refused.assign(batch->slots.size(), false);
  batch->missing = 1;
  const auto members = view_->members();
  for (size_t place = 0; place < members.size(); ++place) {
    const bool other = place != view_->self();
    if (other && members[place].healthy()) ask(batch, static_cast<ClusterView::Place>(place));
  }
  if (--batch->missing == 0) asked(*batch);
}

void SettledSlots::ask(const std::shared_ptr<Batch>& batch, ClusterView::Place replica) {
  std::vector<uint16_t> slots;
  std::vector<size_t> places;  // in the batch
  for (size_t i = 0; i < batch->slots.size(); ++i) {
    if (!view_->holds(batch->slots[i].slot, replica)) continue;
    slots.push_back(batch->slots[i].slot);
    places.push_back(i);
  }
  if (slots.empty()) return;
  ++batch->missing;
  const object::NodeId id = view_->member(replica).id;
  parts_.ask(id, batch->what, slots, [this, batch, id, places = std::move(places)](auto answer) {
    for (size_t i = 0; i < places.size(); ++i) {
      if (!answer || !answer->promised[i]) batch->refused[places[i]] = true;
    }
    const bool promises = batch->what == SlotPromises::Ask::promise;
    if (answer && promises) note_number(id, answer->number);
    if (--batch->missing == 0) asked(*batch);
  });
}

void SettledSlots::note_number(const object::NodeId& replica, uint64_t number) {
  const auto at = std::ranges::find(next_numbers_, replica, &Number::replica);
  if (at == next_numbers_.end()) {
    next_numbers_.push_back({replica, number});
  } else {
    at->number = number;
  }
}

void SettledSlots::asked(const Batch& batch) {
  auto agreed = std::make_shared<Batch>();
  for (size_t i = 0; i < batch.slots.size(); ++i) {
    const Moment moment = batch.slots[i];
    if (batch.refused[i]) {
      ended(moment, runtime::fail("a replica does not promise the slot"));
    } else if (moment.generation != generation_[moment.slot]) {
      ended(moment, {});
    } else {
      agreed->slots.push_back(moment);
    }
  }
  if (agreed->slots.empty()) return;
  if (batch.what == SlotPromises::Ask::promise) return promised(*agreed);
  agreed->what = SlotPromises::Ask::promise;
  ask(agreed);
}

void SettledSlots::promised(const Batch& batch) {
  for (const Moment& moment : batch.slots) {
    fresh_.push_back(moment);
    parts_.settle(moment.slot,
                  [this, moment](const runtime::Status& status) { ended(moment, status); });
  }
}

void SettledSlots::ended(Moment moment, const runtime::Status& status) {
  --under_way_;
  // Else it has been queued again, or is another's.
  if (moment.generation == generation_[moment.slot]) {
    if (status) {
      moment.settled = true;
      fresh_.push_back(moment);
    } else {
      ++statistics_.failed;
      retry_later(moment.slot);
    }
  }
  start();
}

void SettledSlots::take_effect() {
  numbers_ = next_numbers_;
  for (const Moment& moment : fresh_) {
    if (moment.generation != generation_[moment.slot]) continue;
    promised_.set(moment.slot);
    if (!moment.settled) continue;
    settled_.set(moment.slot);
    ++statistics_.settled;
  }
  fresh_.clear();
  if (!waiters_.empty()) parts_.loop.post([this] { release_waiters(); });
}

// ---- who waits

bool SettledSlots::worth_waiting(uint16_t slot) const {
  return !promised_[slot] && view_ != nullptr && view_->self_coordinates(slot) &&
         parts_.loop.clock().monotonic_us() < since_us_[slot] + kPatienceUs;
}

void SettledSlots::when_promised(uint16_t slot, runtime::Task task) {
  const uint64_t until_us = since_us_[slot] + kPatienceUs;
  waiters_.push_back({slot, std::move(task)});
  if (patience_ != nullptr && patience_until_us_ <= until_us) return;
  patience_until_us_ = until_us;
  const uint64_t now = parts_.loop.clock().monotonic_us();
  patience_ = parts_.loop.start_timer(until_us - std::min(until_us, now), 0, [this] {
    const auto timer = std::move(patience_);
    release_waiters();
  });
}

void SettledSlots::release_waiters() {
  for (Waiter& waiter : std::exchange(waiters_, {})) {
    if (worth_waiting(waiter.slot)) {
      when_promised(waiter.slot, std::move(waiter.task));
    } else {
      waiter.task();
    }
  }
}

uint64_t SettledSlots::number_of(const object::NodeId& replica) const {
  const auto at = std::ranges::find(numbers_, replica, &Number::replica);
  return at == numbers_.end() ? 0 : at->number;
}

void SettledSlots::retry_later(uint16_t slot) {
  queued_.set(slot);
  failed_.push_back(slot);
  if (retry_ != nullptr) return;
  const uint64_t delay_us = std::exchange(retry_us_, std::min(retry_us_ * 2, kRetryUs));
  retry_ = parts_.loop.start_timer(delay_us, 0, [this] {
    const auto timer = std::move(retry_);
    for (const uint16_t failed : std::exchange(failed_, {})) queue_.push_back(failed);
    start();
  });
}

}  // namespace quorate::coordinator
