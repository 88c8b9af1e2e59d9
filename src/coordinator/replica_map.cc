#include "quorate/coordinator/replica_map.h"

#include <map>
#include <span>

namespace quorate::coordinator {
namespace {

using cluster::ClusterView;
using Peer = ReplicationWindow::Peer;
// Of other replicas, one for each list.
using Sets = std::vector<std::vector<Peer>>;

// Makes a ReplicaMap of a view.
class MapMaker {
 public:
  explicit MapMaker(const ClusterView& view) : view_(view), peer_of_(view.members().size(), kNew) {}

  std::shared_ptr<const ReplicaMap> make() {
    map_->group_of_slot.assign(object::kSlots, ReplicaMap::kNoGroup);
    std::map<Sets, uint16_t> known;
    for (unsigned number = 0; number < object::kSlots; ++number) {
      const auto slot = static_cast<uint16_t>(number);
      if (!view_.holds(slot, view_.self())) continue;
      Sets sets{others_of(view_.preference_list(slot))};
      const auto other = view_.other_list(slot);
      if (!other.empty()) sets.push_back(others_of(other));
      if (sets.size() == 2 && sets[0] == sets[1]) sets.pop_back();
      const auto [at, fresh] = known.try_emplace(sets, static_cast<uint16_t>(map_->groups.size()));
      if (fresh) map_->groups.push_back(group_of(sets));
      map_->group_of_slot[slot] = at->second;
    }
    return map_;
  }

 private:
  static constexpr Peer kNew = UINT32_MAX;

  std::vector<Peer> others_of(std::span<const ClusterView::Place> list) {
    std::vector<Peer> others;
    for (const auto place : list) {
      if (place == view_.self()) continue;
      if (peer_of_[place] == kNew) {
        peer_of_[place] = static_cast<Peer>(map_->peers.size());
        map_->peers.push_back(view_.member(place).id);
        map_->down.push_back(!view_.member(place).healthy());
      }
      others.push_back(peer_of_[place]);
    }
    std::ranges::sort(others);
    return others;
  }

  // Of a list without this node W others are needed.
  ReplicaMap::Group group_of(const Sets& sets) const {
    ReplicaMap::Group group;
    for (const auto& others : sets) {
      for (const Peer peer : others) {
        const bool known = std::ranges::find(group.peers, peer) != group.peers.end();
        if (!known) group.peers.push_back(peer);
      }
      const bool own = others.size() < view_.quorum().replicas;
      const unsigned needed = view_.quorum().write - (own ? 1 : 0);
      const auto all = static_cast<unsigned>(others.size());
      group.quorums.push_back({{{others.begin(), others.end()}, std::min(needed, all)}, own});
    }
    return group;
  }

  const ClusterView& view_;
  std::vector<Peer> peer_of_;
  std::shared_ptr<ReplicaMap> map_ = std::make_shared<ReplicaMap>();
};

}  // namespace

std::shared_ptr<const ReplicaMap> ReplicaMap::of(const cluster::ClusterView& view) {
  return MapMaker(view).make();
}

}  // namespace quorate::coordinator
