#include "quorate/coordinator/shard_cluster.h"

#include <algorithm>
#include <utility>

#include "quorate/runtime/mutants.h"

namespace quorate::coordinator {
namespace {

using cluster::ClusterView;
using object::NodeId;

cluster::PeerLinksSettings with_lane(cluster::PeerLinksSettings settings, cluster::PeerLane lane,
                                     unsigned shard, unsigned shards) {
  settings.hello.lane = lane;
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

constexpr uint64_t kPromiseTimeoutUs = 2'000'000;
constexpr uint64_t kRoomLookUs = 500'000;

}  // namespace

ShardCluster::ShardCluster(Parts parts, Settings settings)
    : coordinator_(parts.coordinator),
      shards_(settings.shards),
      on_silent_(std::move(settings.on_silent)),
      calls_(cluster::PeerCalls::Parts{parts.loop, parts.connector, parts.random, *this},
             with_lane(settings.links, cluster::PeerLane::data, settings.shard, settings.shards)),
      bulk_(cluster::PeerCalls::Parts{parts.loop, parts.connector, parts.random, bulk_directory_},
            with_lane(settings.links, cluster::PeerLane::bulk, settings.shard, settings.shards)),
      promises_(SlotPromises::Parts{parts.loop, parts.random, parts.actors,
                                    [this](const NodeId& node) { tell(node); },
                                    [this] { return at_rest(turn_of_loss_); }}),
      replicator_(Replicator::Parts{parts.loop, calls_, parts.coordinator, parts.actors,
                                    parts.directory, this},
                  settings.replicator),
      copy_waits_(parts.loop, calls_, replicator_),
      source_(repair::SlotSource::Parts{calls_, bulk_, parts.random, parts.coordinator.store(),
                                        parts.actors, replicator_.recent(), replicator_},
              settings.source),
      puller_(repair::SlotPuller::Parts{parts.loop, calls_, bulk_, parts.coordinator.store(),
                                        parts.actors, replicator_},
              settings.puller),
      catch_up_(CatchUp::Parts{parts.loop, calls_, puller_}, settings.shard, settings.shards),
      reads_(QuorumReads::Parts{calls_, parts.coordinator, replicator_, parts.actors, catch_up_},
             settings.reads),
      settles_(settings.settles),
      settled_(settling(parts.loop), settings.shard, settings.shards),
      transfer_(SlotTransfer::Parts{parts.loop, calls_, puller_,
                                    [this] { return at_rest(turn_of_ring_); },
                                    std::move(settings.on_transferred)},
                settings.shard, settings.shards) {
  serve_promises();
  coordinator_.set_barrier(&replicator_);
  replicator_.on_room([this] { admit_waiters(); });
  // Until the first view says who coordinates what.
  coordinator_.store().restrict_removals(std::make_unique<storage::ShardStore::SlotSet>());
}

SettledSlots::Parts ShardCluster::settling(runtime::Loop& loop) {
  return {loop,
          [this](const NodeId& replica, auto what, std::span<const uint16_t> slots, auto done) {
            calls_.call(replica, kPromiseService, SlotPromises::question(what, slots),
                        cluster::Patience::while_healthy(kPromiseTimeoutUs),
                        [count = slots.size(), done = std::move(done)](auto answer) mutable {
                          if (!answer) return done(std::nullopt);
                          done(SlotPromises::answer_of(*answer, count));
                        });
          },
          [this](uint16_t slot, SettledSlots::Done done) { settle(slot, std::move(done)); },
          [this](const NodeId& node) { tell(node); }};
}

void ShardCluster::serve_promises() {
  calls_.serve(kDoubtService,
               [this](const NodeId& from, std::string_view, cluster::PeerCalls::Reply reply) {
                 settled_.doubt(from);
                 reply({});
               });
  calls_.serve(kPromiseService,
               [this](const NodeId& from, std::string_view body, cluster::PeerCalls::Reply reply) {
                 if (const auto answer = promises_.serve(from, body)) reply(*answer);
               });
}

// That it should not rely on what this node promised, and ask again.
void ShardCluster::tell(const NodeId& node) {
  calls_.call(node, kDoubtService, {}, kPromiseTimeoutUs, [](const auto&) {});
}

void ShardCluster::accept(cluster::PeerLane lane, std::unique_ptr<runtime::Stream> stream) {
  cluster::PeerCalls& calls = lane == cluster::PeerLane::bulk ? bulk_ : calls_;
  calls.links().accept(std::move(stream));
}

void ShardCluster::part() {
  calls_.links().shut();
  bulk_.links().shut();
}

ShardCluster::~ShardCluster() {
  coordinator_.store().set_observer(nullptr);
  coordinator_.store().restrict_removals(nullptr);
  coordinator_.set_barrier(nullptr);
}

void ShardCluster::set_view(std::shared_ptr<const ClusterView> view) {
  const std::shared_ptr<const ClusterView> before = std::exchange(view_, std::move(view));
  alone_ = view_->alone();
  count_healthy_replicas();
  const uint64_t last_turn = replicator_.turn_of_last_change();
  if (before == nullptr || before->ring_digest() != view_->ring_digest()) turn_of_ring_ = last_turn;
  if (before != nullptr && loses_slots(*before)) turn_of_loss_ = last_turn;
  replicator_.set_map(ReplicaMap::of(*view_));
  reads_.set_view(view_);
  catch_up_.set_view(view_);
  storage::ShardStore& store = coordinator_.store();
  store.set_observer(alone_ ? nullptr : &replicator_);
  store.set_keeps_tombstones(!alone_);
  store.restrict_removals(alone_ ? nullptr : coordinated_slots(*view_));
  promises_.set_view(view_);
  if (before != nullptr) give_up_on_suspects(*before);
  if (settles_) settled_.set_view(view_);
  transfer_.set_view(view_);
  admit_waiters();
}

// Whether another node coordinates what this one did.
bool ShardCluster::loses_slots(const ClusterView& before) const {
  for (unsigned number = 0; number < object::kSlots; ++number) {
    const auto slot = static_cast<uint16_t>(number);
    if (before.self_coordinates(slot) && !view_->self_coordinates(slot)) return true;
  }
  return false;
}

// What was changed up to the turn has its copies, and is not on its way to anyone well.
bool ShardCluster::at_rest(uint64_t turn) const {
  if (turn == 0) return true;
  if (replicator_.window().first_open() <= turn) return false;
  return std::ranges::all_of(view_->members(), [&](const ClusterView::Node& node) {
    return !node.healthy() || !replicator_.waits_for(node.id, turn);
  });
}

void ShardCluster::give_up_on_suspects(const ClusterView& before) {
  for (const ClusterView::Node& node : before.members()) {
    const ClusterView::Place now = view_->find(node.id);
    const bool well = now != ClusterView::kNobody && view_->member(now).healthy();
    if (!node.healthy() || well) continue;
    calls_.give_up_on(node.id);
    bulk_.give_up_on(node.id);
  }
}

cluster::Quorum ShardCluster::quorum(QuorumChoice own) const {
  cluster::Quorum quorum = view_->quorum();
  if (own.empty()) [[likely]]
    return quorum;
  if (own.read != 0) quorum.read = std::min<unsigned>(own.read, quorum.replicas);
  if (own.write != 0) quorum.write = std::min<unsigned>(own.write, quorum.replicas);
  return quorum;
}

std::optional<NodeId> ShardCluster::route(uint16_t slot, Access access, QuorumChoice own) const {
  if (alone_) return {};
  // With R = 1 only the coordinator knows what is still on its way to W replicas.
  const cluster::Quorum wanted = quorum(own);
  const bool anywhere = wanted.read > 1 || wanted.read + wanted.write <= wanted.replicas;
  if (access == Access::read && anywhere) {
    const auto list = view_->preference_list(slot);
    if (std::ranges::find(list, view_->self()) != list.end()) return {};
  }
  const ClusterView::Place place = view_->coordinator(slot);
  if (place == view_->self() || place == ClusterView::kNobody) return {};
  return view_->member(place).id;
}

runtime::Status ShardCluster::may_read(uint16_t slot) const {
  const auto list = view_->preference_list(slot);
  if (std::ranges::find(list, view_->self()) != list.end()) return {};
  return runtime::fail("TRYAGAIN this node holds no copy of the key any more");
}

runtime::Status ShardCluster::may_change(uint16_t slot, QuorumChoice own) const {
  if (!view_->self_coordinates(slot)) {
    return runtime::fail("TRYAGAIN this node does not coordinate the slot of the key any more");
  }
  return enough_replicas(slot, quorum(own).write, "the key");
}

unsigned ShardCluster::healthy_of(std::span<const ClusterView::Place> list) const {
  return static_cast<unsigned>(std::ranges::count_if(
      list, [&](ClusterView::Place place) { return view_->member(place).healthy(); }));
}

void ShardCluster::count_healthy_replicas() {
  for (unsigned number = 0; number < object::kSlots; ++number) {
    const auto slot = static_cast<uint16_t>(number);
    unsigned healthy = healthy_of(view_->preference_list(slot));
    const auto other = view_->other_list(slot);
    if (!other.empty()) healthy = std::min(healthy, healthy_of(other));
    healthy_replicas_[slot] = static_cast<uint8_t>(healthy);
  }
}

runtime::Status ShardCluster::enough_replicas(uint16_t slot, unsigned write,
                                              std::string_view what) const {
  const unsigned healthy = healthy_replicas(slot);
  if (healthy >= write) return {};
  return runtime::fail("NOQUORUM " + std::to_string(healthy) + " of " +
                       std::to_string(view_->preference_list(slot).size()) + " replicas of " +
                       std::string(what) + " can be reached, " + std::to_string(write) +
                       " are needed to write it");
}

bool ShardCluster::can_repair(uint16_t slot) const {
  return may_read(slot) && healthy_replicas(slot) >= view_->quorum().write;
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
    auto enough = enough_replicas(number, view_->quorum().write, "slot " + std::to_string(slot));
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

void ShardCluster::admit(const object::Key& key, Access access, QuorumChoice own,
                         ShardCoordinator::Run run) {
  if (alone_) return coordinator_.when_ready(key, std::move(run));
  if (access == Access::change && must_wait_for_room(key.slot)) {
    return wait_for_room(key, own, std::move(run));
  }
  admit_with_room(key, access, own, std::move(run));
}

// Nobody overtakes who waits.
bool ShardCluster::must_wait_for_room(uint16_t slot) const {
  return (!room_waiters_.empty() && !admitting_waiters_) || !replicator_.has_room(slot);
}

void ShardCluster::wait_for_room(const object::Key& key, QuorumChoice own,
                                 ShardCoordinator::Run run) {
  room_waiters_.push_back({key, own, std::move(run)});
  watch_waiters();
}

// Should nothing be acknowledged any more.
void ShardCluster::watch_waiters() {
  if (room_waiters_.empty()) return room_timer_.reset();
  if (room_timer_ != nullptr) return;
  room_timer_ = coordinator_.loop().start_timer(kRoomLookUs, 0, [this] {
    const auto timer = std::move(room_timer_);
    admit_waiters();
  });
}

// As long as there is room: what they change counts at once.
void ShardCluster::admit_waiters() {
  admitting_waiters_ = true;
  while (!room_waiters_.empty() && replicator_.has_room(room_waiters_.front().key.slot)) {
    RoomWaiter waiter = std::move(room_waiters_.front());
    room_waiters_.pop_front();
    admit_with_room(waiter.key, Access::change, waiter.own, std::move(waiter.run));
  }
  admitting_waiters_ = false;
  watch_waiters();
}

void ShardCluster::admit_with_room(const object::Key& key, Access access, QuorumChoice own,
                                   ShardCoordinator::Run run) {
  if (access == Access::change) {
    if (auto status = may_change(key.slot, own); !status) return run(std::move(status));
  } else if (auto status = may_read(key.slot); !status) {
    return run(std::move(status));
  }
  if (coordinator_.ready({&key, 1})) return admit_ready(key, access, own, std::move(run));
  coordinator_.when_ready(
      key, [this, key, access, own, run = std::move(run)](runtime::Status status) mutable {
        if (!status) return run(std::move(status));
        admit_ready(key, access, own, std::move(run));
      });
}

bool ShardCluster::admits_now(const object::Key& key, QuorumChoice own) {
  if (runtime::mutant(runtime::Mutant::blind_coordinator)) return false;
  const bool now = !alone_ && view_->self_coordinates(key.slot) && settled_.settled(key.slot) &&
                   healthy_replicas(key.slot) >= quorum(own).write &&
                   coordinator_.ready({&key, 1}) && !must_wait_for_room(key.slot);
  if (now) replicator_.rely(key.slot);
  return now;
}

void ShardCluster::admit_ready(const object::Key& key, Access access, QuorumChoice own,
                               ShardCoordinator::Run run) {
  if (access == Access::read) return reads_.check(key, quorum(own).read, std::move(run));
  if (runtime::mutant(runtime::Mutant::blind_coordinator)) return run({});
  if (settled_.settled(key.slot)) {
    replicator_.rely(key.slot);
    return run({});
  }
  if (settled_.promised(key.slot)) return admit_by_promise(key, own, std::move(run));
  const bool waits = settles_ && settled_.worth_waiting(key.slot);
  if (!waits) return admit_by_read(key, own, std::move(run));
  settled_.when_promised(key.slot, [this, key, own, run = std::move(run)]() mutable {
    admit_change(key, own, std::move(run));
  });
}

// What the last coordinator has changed until it promised the slot, it has itself.
void ShardCluster::admit_by_promise(const object::Key& key, QuorumChoice own,
                                    ShardCoordinator::Run run) {
  reads_.check(key, std::max(healthy_replicas(key.slot), quorum_before_change(key.slot, own)),
               [this, key, own, run = std::move(run)](runtime::Status agreed) mutable {
                 // One that promised may be gone again: R that answer are enough to go on.
                 if (!agreed) return admit_ready_by_read(key, own, std::move(run));
                 agreed = may_change(key.slot, own);
                 if (!agreed) return run(std::move(agreed));
                 if (!settled_.promised(key.slot)) return admit_change(key, own, std::move(run));
                 replicator_.rely(key.slot);
                 run({});
               });
}

// After a wait, in which the key may have left the memory.
void ShardCluster::admit_ready_by_read(const object::Key& key, QuorumChoice own,
                                       ShardCoordinator::Run run) {
  if (coordinator_.ready({&key, 1})) return admit_by_read(key, own, std::move(run));
  coordinator_.when_ready(key,
                          [this, key, own, run = std::move(run)](runtime::Status status) mutable {
                            if (!status) return run(std::move(status));
                            admit_by_read(key, own, std::move(run));
                          });
}

// Again, after a wait.
void ShardCluster::admit_change(const object::Key& key, QuorumChoice own,
                                ShardCoordinator::Run run) {
  admit(key, Access::change, own, std::move(run));
}

void ShardCluster::admit_by_read(const object::Key& key, QuorumChoice own,
                                 ShardCoordinator::Run run) {
  reads_.check(key, quorum_before_change(key.slot, own),
               [this, key, own, run = std::move(run)](runtime::Status agreed) mutable {
                 if (agreed) agreed = may_change(key.slot, own);
                 if (!agreed) return run(std::move(agreed));
                 replicator_.expect(key, [&run] { run({}); });
               });
}

// Who wants less than the cluster's W wants to write where the others cannot be reached; what they
// have must be read only if they can.
unsigned ShardCluster::quorum_before_change(uint16_t slot, QuorumChoice own) const {
  const cluster::Quorum wanted = quorum(own);
  const bool gives_way = own.read == 0 && own.write != 0 && wanted.write < view_->quorum().write;
  if (!gives_way) [[likely]]
    return wanted.read;
  return std::min(wanted.read, std::max(wanted.write, healthy_replicas(slot)));
}

void ShardCluster::end_turn() {
  if (alone_) return;
  reads_.end_turn();
  puller_.end_turn();
  settled_.end_turn();
  calls_.flush();
  bulk_.flush();
}

void ShardCluster::settle(uint16_t slot, repair::SlotPuller::Done done) {
  repair::SlotSettler::Slot of;
  of.slot = slot;
  std::vector<NodeId> unwell;
  // Who is joining knows less than this node.
  const auto holders = view_->handing_over() ? view_->replicas(slot) : view_->preference_list(slot);
  for (const ClusterView::Place place : holders) {
    const ClusterView::Node& node = view_->member(place);
    if (place != view_->self()) (node.healthy() ? of.candidates : unwell).push_back(node.id);
  }
  // All that promised: a copy counts there because nothing was missed since.
  const unsigned others = view_->quorum().read - 1;
  of.needed = std::max(others, static_cast<unsigned>(of.candidates.size()));
  if (others > of.candidates.size()) {
    of.candidates.insert(of.candidates.end(), unwell.begin(), unwell.end());
  }
  settler_.settle(std::move(of), std::move(done));
}

ClusterFacts ShardCluster::facts() const {
  ClusterFacts facts;
  facts.reads = reads_.statistics().checks;
  facts.reads_failed = reads_.statistics().failed;
  facts.reads_hedged = reads_.statistics().hedged;
  facts.repaired_here = reads_.statistics().repaired_here;
  facts.repaired_there = reads_.statistics().repaired_there;
  facts.read_latency = reads_.latency();
  facts.write_latency = replicator_.latency();
  facts.uncertain_writes = replicator_.window().turns_given_up();
  facts.changes_sent = replicator_.statistics().changes_sent;
  facts.changes_applied = replicator_.statistics().changes_applied;
  facts.settled_slots = settled_.count();
  facts.slots_to_take = transfer_.progress().slots;
  facts.slots_taken = transfer_.progress().pulled;
  for (unsigned slot = 0; slot < object::kSlots; ++slot) {
    const bool here = coordinator_.store().shape().owns(static_cast<uint16_t>(slot));
    facts.coordinated_slots += here && view_->self_coordinates(static_cast<uint16_t>(slot)) ? 1 : 0;
  }
  for (const ClusterView::Node& node : view_->members()) {
    if (node.id == view_->self_id()) continue;
    facts.peers.push_back(replicator_.facts_of(node.id));
    facts.peers.back().healthy = node.healthy();
  }
  return facts;
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
