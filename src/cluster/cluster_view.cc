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
  view->ring_digest_ = source.members.ring_digest() + view->configured_.replicas * kDigestFactor;
  if (previous != nullptr && previous->ring_digest_ == view->ring_digest_) {
    view->ring_ = previous->ring_;
  } else {
    view->ring_ = std::make_shared<const Ring>(source.members.on_ring(RingView::after),
                                               view->configured_.replicas);
  }
  view->take_members(source);
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
