#include "quorate/coordinator/shard_cluster.h"

#include <algorithm>
#include <utility>

#include "quorate/runtime/mutants.h"

namespace quorate::coordinator {
namespace {

using cluster::ClusterView;
using object::NodeId;

cluster::PeerLinksSettings with_lane(cluster::PeerLinksSettings settings, unsigned shard,
                                     unsigned shards) {
  settings.hello.lane = cluster::PeerLane::data;
  settings.hello.lane_index = static_cast<uint16_t>(shard);
  settings.hello.shards = static_cast<uint16_t>(shards);
  return settings;
}

std::unique_ptr<const storage::ShardStore::SlotSet> coordinated_slots(const ClusterView& view) {
  auto slots = std::make_unique<storage::ShardStore::SlotSet>();
  for (unsigned slot = 0; slot < object::kSlots; ++slot) {
    slots->set(slot, view.self_coordinates(static_cast<uint16_t>(slot)));
  }
  return slots;
}

}  // namespace

ShardCluster::ShardCluster(Parts parts, Settings settings)
    : coordinator_(parts.coordinator),
      shards_(settings.shards),
      calls_(cluster::PeerCalls::Parts{parts.loop, parts.connector, parts.random, *this},
             with_lane(std::move(settings.links), settings.shard, settings.shards)),
      replicator_(
          Replicator::Parts{parts.loop, calls_, parts.coordinator, parts.actors, parts.directory},
          settings.replicator),
      reads_(QuorumReads::Parts{calls_, parts.coordinator, replicator_, parts.actors},
             settings.reads) {
  coordinator_.set_barrier(&replicator_);
  // Until the first view says who coordinates what.
  coordinator_.store().restrict_removals(std::make_unique<storage::ShardStore::SlotSet>());
}

ShardCluster::~ShardCluster() {
  coordinator_.store().set_observer(nullptr);
  coordinator_.store().restrict_removals(nullptr);
  coordinator_.set_barrier(nullptr);
}

void ShardCluster::set_view(std::shared_ptr<const ClusterView> view) {
  view_ = std::move(view);
  alone_ = view_->alone();
  replicator_.set_map(ReplicaMap::of(*view_));
  reads_.set_view(view_);
  storage::ShardStore& store = coordinator_.store();
  store.set_observer(alone_ ? nullptr : &replicator_);
  store.set_keeps_tombstones(!alone_);
  store.restrict_removals(alone_ ? nullptr : coordinated_slots(*view_));
}

std::optional<NodeId> ShardCluster::route(uint16_t slot, Access access) const {
  if (alone_) return {};
  // With R = 1 only the coordinator knows what is still on its way to W replicas.
  const cluster::Quorum& quorum = view_->quorum();
  const bool anywhere = quorum.read > 1 || quorum.read + quorum.write <= quorum.replicas;
  if (access == Access::read && anywhere) {
    const auto list = view_->preference_list(slot);
    if (std::ranges::find(list, view_->self()) != list.end()) return {};
  }
  const ClusterView::Place place = view_->coordinator(slot);
  if (place == view_->self() || place == ClusterView::kNobody) return {};
  return view_->member(place).id;
}

runtime::Status ShardCluster::may_change(uint16_t slot) const {
  if (!view_->self_coordinates(slot)) {
    return runtime::fail("TRYAGAIN this node does not coordinate the slot of the key any more");
  }
  return enough_replicas(slot, "the key");
}

runtime::Status ShardCluster::enough_replicas(uint16_t slot, std::string_view what) const {
  const auto list = view_->preference_list(slot);
  const auto healthy = static_cast<unsigned>(std::ranges::count_if(
      list, [&](ClusterView::Place place) { return view_->member(place).healthy(); }));
  if (healthy >= view_->quorum().write) return {};
  return runtime::fail("NOQUORUM " + std::to_string(healthy) + " of " +
                       std::to_string(list.size()) + " replicas of " + std::string(what) +
                       " can be reached, " + std::to_string(view_->quorum().write) +
                       " are needed to write it");
}

bool ShardCluster::coordinates(const object::SlotSet& slots) const {
  if (view_ == nullptr) return false;
  for (unsigned slot = 0; slot < object::kSlots; ++slot) {
    const auto number = static_cast<uint16_t>(slot);
    if (slots.contains(number) && !view_->self_coordinates(number)) return false;
  }
  return true;
}

runtime::Status ShardCluster::enough_replicas(const object::SlotSet& slots) const {
  for (unsigned slot = 0; slot < object::kSlots; ++slot) {
    const auto number = static_cast<uint16_t>(slot);
    if (!slots.contains(number)) continue;
    auto enough = enough_replicas(number, "slot " + std::to_string(slot));
    if (!enough) return enough;
  }
  return {};
}

runtime::Status ShardCluster::may_change(const object::SlotSet& slots) const {
  if (!coordinates(slots)) {
    return runtime::fail("TRYAGAIN this node does not coordinate all of the slots any more");
  }
  return enough_replicas(slots);
}

void ShardCluster::admit(const object::Key& key, Access access, ShardCoordinator::Run run) {
  if (alone_) return coordinator_.when_ready(key, std::move(run));
  if (access == Access::change) {
    if (auto status = may_change(key.slot); !status) return run(std::move(status));
  }
  coordinator_.when_ready(
      key, [this, key, access, run = std::move(run)](runtime::Status status) mutable {
        if (!status) return run(std::move(status));
        const bool blind = runtime::mutant(runtime::Mutant::blind_coordinator);
        if (blind && access == Access::change) return run(std::move(status));
        reads_.check(
            key, view_->quorum().read,
            [this, slot = key.slot, access, run = std::move(run)](runtime::Status agreed) mutable {
              if (agreed && access == Access::change) agreed = may_change(slot);
              run(std::move(agreed));
            });
      });
}

void ShardCluster::end_turn() {
  if (alone_) return;
  reads_.end_turn();
  calls_.flush();
}

// ---- cluster::PeerDirectory

std::optional<cluster::NodeAddress> ShardCluster::address_of(const NodeId& node) {
  if (view_ == nullptr) return {};
  const ClusterView::Place place = view_->find(node);
  if (place == ClusterView::kNobody) return {};
  return view_->member(place).address;
}

runtime::Status ShardCluster::judge(const cluster::PeerHello& peer) {
  if (view_ == nullptr || view_->find(peer.node) == ClusterView::kNobody) {
    return runtime::fail("it is no member of this cluster");
  }
  if (peer.shards != shards_) {
    return runtime::fail("it has " + std::to_string(peer.shards) + " shard threads, this node " +
                         std::to_string(shards_) + ": all nodes must have the same number");
  }
  return {};
}

}  // namespace quorate::coordinator
