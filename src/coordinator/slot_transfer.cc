#include "quorate/coordinator/slot_transfer.h"

#include <algorithm>
#include <spdlog/spdlog.h>
#include <utility>

#include "quorate/object/codec.h"

namespace quorate::coordinator {

using cluster::ClusterView;
using cluster::MemberStatus;
using object::NodeId;

struct SlotTransfer::Slot {
  uint16_t number = 0;
  uint64_t attempt = 0;
  std::vector<NodeId> sources;
  size_t next = 0;      // of them
  unsigned needed = 0;  // more of them
};

SlotTransfer::SlotTransfer(Parts parts, unsigned shard, unsigned shards)
    : parts_(std::move(parts)), shard_(shard), shards_(shards) {
  parts_.calls.serve(kService, [this](const NodeId&, std::string_view body,
                                      cluster::PeerCalls::Reply reply) { serve(body, reply); });
}

SlotTransfer::~SlotTransfer() = default;

void SlotTransfer::serve(std::string_view body, cluster::PeerCalls::Reply reply) {
  object::ByteReader in(body);
  const uint64_t digest = in.fixed64();
  if (!in.finished()) return;  // its deadline tells the asker
  const bool all_here = progress_.stage == Stage::none || progress_.stage == Stage::done;
  const bool along =
      view_ != nullptr && view_->ring_digest() == digest && all_here && parts_.at_rest();
  const char byte = along ? 1 : 0;
  reply({&byte, 1});
}

void SlotTransfer::set_view(std::shared_ptr<const ClusterView> view) {
  const auto before = std::exchange(view_, std::move(view));
  if (before != nullptr && before->ring_digest() == view_->ring_digest()) return;
  ++attempt_;
  progress_ = {.failed = progress_.failed};
  retry_.reset();
  if (comes()) return begin();
  // All go along with the joining by now.
  if (view_->handing_over() && view_->self() != ClusterView::kNobody) pull_slots();
}

bool SlotTransfer::comes() const {
  return view_->newcomer() != ClusterView::kNobody && view_->newcomer() == view_->self();
}

// ---- who goes along

void SlotTransfer::begin() {
  progress_.stage = Stage::confirming;
  unconfirmed_.clear();
  asked_.clear();
  for (const ClusterView::Node& node : view_->members()) {
    const bool other = node.id != view_->self_id();
    if (other && node.status == MemberStatus::normal) unconfirmed_.push_back(node.id);
  }
  if (unconfirmed_.empty()) return all_confirmed();
  confirm();
}

void SlotTransfer::confirm() {
  std::string question;
  object::ByteWriter(question).fixed64(view_->ring_digest());
  for (const NodeId& member : std::vector(unconfirmed_)) {
    if (std::ranges::find(asked_, member) != asked_.end()) continue;
    asked_.push_back(member);
    parts_.calls.call(member, kService, question, kRetryUs * 10,
                      [this, member, attempt = attempt_](cluster::PeerCalls::Answer answer) {
                        if (!is_current(attempt)) return;
                        confirmed(member, answer && *answer == std::string_view("\1", 1));
                      });
  }
}

void SlotTransfer::confirmed(const NodeId& member, bool goes_along) {
  std::erase(asked_, member);
  if (!goes_along) return retry_later();
  std::erase(unconfirmed_, member);
  if (unconfirmed_.empty() && progress_.stage == Stage::confirming) all_confirmed();
}

void SlotTransfer::all_confirmed() {
  if (view_->handing_over()) return finish();
  pull_slots();
}

void SlotTransfer::pull_slots() {
  progress_.stage = Stage::pulling;
  waiting_.clear();
  failed_.clear();
  under_way_ = 0;
  for (unsigned number = shard_; number < object::kSlots; number += shards_) {
    const auto slot = static_cast<uint16_t>(number);
    if (lacks(slot)) waiting_.push_back(slot);
  }
  progress_.slots = waiting_.size();
  start_slots();
}

// ---- slots

// Of a slot, those that held it before the member came.
std::span<const ClusterView::Place> SlotTransfer::holders(uint16_t slot) const {
  return view_->handing_over() ? view_->other_list(slot) : view_->preference_list(slot);
}

bool SlotTransfer::lacks(uint16_t slot) const {
  const auto before = holders(slot);
  return view_->holds(slot, view_->self()) &&
         std::ranges::find(before, view_->self()) == before.end();
}

// Different slots begin with different ones, so that all send.
std::vector<NodeId> SlotTransfer::sources_of(uint16_t slot, unsigned& needed) const {
  std::vector<NodeId> well, unwell;
  for (const ClusterView::Place place : holders(slot)) {
    const ClusterView::Node& node = view_->member(place);
    (node.healthy() ? well : unwell).push_back(node.id);
  }
  if (!well.empty()) std::ranges::rotate(well, well.begin() + slot % std::ssize(well));
  const cluster::Quorum& quorum = view_->quorum();
  needed = std::max(quorum.replicas - quorum.write + 1, static_cast<unsigned>(well.size()));
  well.insert(well.end(), unwell.begin(), unwell.end());
  return well;
}

void SlotTransfer::start_slots() {
  while (under_way_ < kAtATimeMax && !waiting_.empty()) {
    auto slot = std::make_shared<Slot>();
    slot->number = waiting_.front();
    slot->attempt = attempt_;
    slot->sources = sources_of(slot->number, slot->needed);
    waiting_.pop_front();
    ++under_way_;
    pull_next(slot);
  }
  const bool all = under_way_ == 0 && waiting_.empty() && failed_.empty();
  if (all && progress_.stage == Stage::pulling) finish();
}

void SlotTransfer::pull_next(const SlotRef& slot) {
  if (slot->next == slot->sources.size()) {
    return pulled(slot, runtime::fail("too few of the nodes that hold it can be reached"));
  }
  parts_.puller.pull(slot->number, slot->sources[slot->next++], [this, slot](auto status) {
    if (!is_current(slot->attempt)) return;
    // Who is ill may be needed in place of one that was thought well, but is not waited for.
    if (status && --slot->needed == 0) return pulled(slot, {});
    pull_next(slot);
  });
}

void SlotTransfer::pulled(const SlotRef& slot, const runtime::Status& status) {
  --under_way_;
  if (status) {
    ++progress_.pulled;
  } else {
    if (progress_.failed++ == 0) {
      spdlog::warn("Slot {} cannot be taken over yet: {}", slot->number, status.error().message);
    }
    failed_.push_back(slot->number);
    retry_later();
  }
  start_slots();
}

void SlotTransfer::finish() {
  progress_.stage = Stage::done;
  if (comes() && parts_.done) parts_.done(view_->ring_digest());
}

void SlotTransfer::retry_later() {
  if (retry_ != nullptr) return;
  retry_ = parts_.loop.start_timer(kRetryUs, 0, [this] {
    const auto timer = std::move(retry_);
    if (progress_.stage == Stage::confirming) return confirm();
    for (const uint16_t slot : std::exchange(failed_, {})) waiting_.push_back(slot);
    start_slots();
  });
}

}  // namespace quorate::coordinator
