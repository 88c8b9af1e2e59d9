#include "quorate/cluster/cluster_view.h"

#include <algorithm>
#include <charconv>
#include <string_view>

namespace quorate::cluster {
namespace {

using object::NodeId;
using Place = ClusterView::Place;

constexpr std::string_view kReplicas = "replicas";
constexpr std::string_view kReadQuorum = "read-quorum";
constexpr std::string_view kWriteQuorum = "write-quorum";
constexpr uint64_t kDigestFactor = 0x9e3779b97f4a7c15U;

unsigned number_of(const MemberList& members, std::string_view name, unsigned normally) {
  const Setting* setting = members.setting(name);
  if (setting == nullptr) return normally;
  const std::string& text = setting->value;
  unsigned value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  const bool sound = error == std::errc{} && end == text.data() + text.size() && value >= 1 &&
                     value <= Ring::kReplicasMax;
  return sound ? value : normally;
}

Place find_in(std::span<const ClusterView::Node> nodes, const NodeId& id) {
  const auto at = std::ranges::lower_bound(nodes, id, {}, &ClusterView::Node::id);
  if (at == nodes.end() || at->id != id) return ClusterView::kNobody;
  return static_cast<Place>(at - nodes.begin());
}

ClusterView::Node node_of(const Member& member) {
  return {member.id,     member.address, member.zone,  member.host,
          member.status, member.weight,  member.epoch, Liveness::alive};
}

// Who comes, as the node may see it; null if nobody does.
const Member* newcomer_in(const ClusterView::Source& source) {
  const Member* const self = source.members.find(source.self);
  const Member* admitted = nullptr;
  for (const auto& [id, member] : source.members.members()) {
    if (!member.has_tokens()) continue;
    if (member.status == MemberStatus::handover) return &member;
    if (self == nullptr || member.status != MemberStatus::joining) continue;
    if (self->admitted == id) admitted = &member;
  }
  return admitted;
}

}  // namespace

Quorum quorum_of(const MemberList& members) {
  const Quorum normally;
  Quorum quorum;
  quorum.replicas = number_of(members, kReplicas, normally.replicas);
  quorum.read = std::min(number_of(members, kReadQuorum, normally.read), quorum.replicas);
  quorum.write = std::min(number_of(members, kWriteQuorum, normally.write), quorum.replicas);
  return quorum;
}

std::vector<Setting> quorum_settings(const Quorum& quorum, const NodeId& writer) {
  std::vector<Setting> settings;
  for (const auto& [name, value] : {std::pair(kReplicas, quorum.replicas),
                                    {kReadQuorum, quorum.read},
                                    {kWriteQuorum, quorum.write}}) {
    settings.push_back({std::string(name), 1, writer, std::to_string(value)});
  }
  return settings;
}

std::shared_ptr<const ClusterView> ClusterView::make(const Source& source,
                                                     const ClusterView* previous) {
  const std::shared_ptr<ClusterView> view(new ClusterView);
  view->version_ = previous == nullptr ? 1 : previous->version_ + 1;
  view->self_id_ = source.self;
  view->configured_ = quorum_of(source.members);
  view->conflict_policies_ =
      std::make_shared<const ConflictPolicies>(ConflictPolicies::of(source.members));
  view->make_rings(source, previous);
  const unsigned replicas = std::max(view->ring_->replicas(), 1U);
  view->quorum_ = {replicas, std::min(view->configured_.read, replicas),
                   std::min(view->configured_.write, replicas)};
  view->take_liveness(source.liveness);
  return view;
}

std::shared_ptr<const ClusterView> ClusterView::make(
    const std::function<Liveness(const NodeId&)>& liveness, const ClusterView& previous) {
  const std::shared_ptr<ClusterView> view(new ClusterView(previous));
  ++view->version_;
  view->take_liveness(liveness);
  return view;
}

void ClusterView::make_rings(const Source& source, const ClusterView* previous) {
  const Member* const newcomer = newcomer_in(source);
  std::vector<RingMember> members;
  ring_digest_ = configured_.replicas * kDigestFactor;
  for (const auto& [id, member] : source.members.members()) {
    if (member.status != MemberStatus::normal) continue;
    members.push_back(member.on_ring());
    ring_digest_ += placement_digest(member);
  }
  if (newcomer != nullptr) ring_digest_ += placement_digest(*newcomer);
  const bool same = previous != nullptr && previous->ring_digest_ == ring_digest_;
  std::shared_ptr<const Ring> other;
  if (same) {
    ring_ = previous->ring_;
    if (previous->other_ != nullptr) other = previous->other_->ring;
  } else {
    ring_ = std::make_shared<const Ring>(members, configured_.replicas);
    if (newcomer != nullptr) {
      members.push_back(newcomer->on_ring());
      other = std::make_shared<const Ring>(std::move(members), configured_.replicas);
      if (newcomer->status == MemberStatus::handover) std::swap(ring_, other);
    }
  }
  take_members(source);
  newcomer_ = newcomer == nullptr ? kNobody : find(newcomer->id);
  if (other != nullptr) take_other(std::move(other));
}

void ClusterView::take_other(std::shared_ptr<const Ring> ring) {
  auto other = std::make_shared<OtherRing>();
  std::vector<Place> place_of;  // of the ring's members
  for (const RingMember& member : ring->members()) place_of.push_back(find(member.id));
  other->all_from.push_back(0);
  for (unsigned number = 0; number < object::kSlots; ++number) {
    const auto slot = static_cast<uint16_t>(number);
    const auto first = preference_list(slot);
    other->all.insert(other->all.end(), first.begin(), first.end());
    for (const Ring::Place at : ring->preference_list(slot)) {
      const Place place = place_of[at];
      other->lists.push_back(place);
      if (std::ranges::find(first, place) == first.end()) other->all.push_back(place);
    }
    other->all_from.push_back(static_cast<uint32_t>(other->all.size()));
  }
  other->ring = std::move(ring);
  other_ = std::move(other);
}

bool ClusterView::holds(uint16_t slot, Place place) const {
  const auto of = replicas(slot);
  return std::ranges::find(of, place) != of.end();
}

void ClusterView::take_members(const Source& source) {
  std::vector<Node> others;
  for (const RingMember& of : ring_->members()) {
    members_.push_back(node_of(*source.members.find(of.id)));
  }
  for (const auto& [id, member] : source.members.members()) {
    const bool listed = find_in(on_ring(), id) != kNobody;
    if (member.belongs() && !listed) others.push_back(node_of(member));
  }
  members_.insert(members_.end(), others.begin(), others.end());
  self_ = find(self_id_);
}

void ClusterView::take_liveness(const std::function<Liveness(const NodeId&)>& liveness) {
  for (Node& node : members_) {
    node.liveness = node.id == self_id_ ? Liveness::alive : liveness(node.id);
  }
  healthy_ = static_cast<size_t>(std::ranges::count_if(members_, &Node::healthy));
  for (unsigned slot = 0; slot < object::kSlots; ++slot) {
    const auto list = preference_list(static_cast<uint16_t>(slot));
    const auto best =
        std::ranges::min_element(list, {}, [this](Place of) { return members_[of].liveness; });
    coordinators_[slot] = best == list.end() ? kNobody : *best;
  }
}

Place ClusterView::find(const NodeId& id) const {
  const auto first = on_ring();
  if (const Place place = find_in(first, id); place != kNobody) return place;
  const Place place = find_in(members().subspan(first.size()), id);
  return place == kNobody ? place : static_cast<Place>(place + first.size());
}

}  // namespace quorate::cluster
