#include "quorate/server/cluster_control.h"

#include <algorithm>
#include <charconv>
#include <fmt/format.h>
#include <set>
#include <spdlog/spdlog.h>
#include <utility>

#include "quorate/cluster/token_choice.h"

#include "server/joining.h"
#include "server/log_limiter.h"
#include "server/meetings.h"
#include "server/own_record.h"

namespace quorate::server {
namespace {

using cluster::Liveness;
using cluster::Member;
using cluster::MemberList;
using cluster::MemberStatus;
using cluster::PeerHello;
using object::NodeId;

// Types of messages of the gossip lane.
constexpr uint8_t kGossipMessage = 1;
constexpr uint8_t kMeetMessage = 2;  // no body: from now on listen to me
constexpr uint8_t kRefusal = 3;      // your list is not merged; the body says why
constexpr uint8_t kJoinFirst = 4;    // the body names nodes that are to meet again as joining ones
constexpr size_t kRefusalBytesMax = 512;

constexpr uint64_t kSaveRetryUs = 1'000'000;
constexpr uint64_t kFarewellUs = 2'000'000;  // for the news to spread that this node leaves
constexpr uint64_t kMicrosecondsPerMs = 1'000;
// Of the setting that a node announces because it holds data: above all that empty ones agree upon.
constexpr uint64_t kFixedSeedVersion = 1 << 20;
// Of a record that says its node was forgotten: above what that node, cut off, makes of its own.
constexpr uint64_t kForgottenLead = 1 << 20;
constexpr unsigned kLifeBits = 32, kRestartBits = 16;

std::string_view liveness_text(Liveness liveness) {
  switch (liveness) {
    case Liveness::alive:
      return "answers again";
    case Liveness::suspected:
      return "is suspected to be down";
    case Liveness::dead:
      break;
  }
  return "is down";
}

class ClusterControlImpl final : public ClusterControl,
                                 private cluster::PeerLinksOwner,
                                 private cluster::GossipTransport,
                                 private cluster::GossipObserver {
 public:
  ClusterControlImpl(Parts parts, Settings settings)
      : parts_(parts),
        settings_(std::move(settings)),
        seed_(settings_.hash_seed),
        links_({parts.loop, parts.connector, parts.random, *this}, links_settings()),
        meetings_({parts.loop, settings_.node,
                   [this]() -> cluster::PeerLinks& {
                     links_.set_hello(hello());
                     return links_;
                   },
                   [this](const NodeId& node) { introduce(node); },
                   [this](const NodeId& node) { return belongs(node); }}) {}

  runtime::Status open();

  void start() override;
  void accept(std::unique_ptr<runtime::Stream> stream) override;
  void end_turn() override;
  void transferred(unsigned shard, uint64_t ring_digest) override;
  void doubt(const NodeId& node) override { gossip_->doubt(node); }
  std::vector<ClusterSeed> meetings() const override { return meetings_.of_commands(); }
  const MemberList& members() const override { return gossip_->members(); }
  const std::shared_ptr<const cluster::ClusterView>& view() const override { return view_; }

  // redis::ClusterAdmin
  runtime::Status meet(const std::string& host, uint16_t peer_port) override;
  runtime::Status forget(std::string_view node) override;
  std::vector<redis::ClusterLinkFacts> links() const override;
  redis::ClusterTraffic traffic() const override {
    return {gossip_->statistics().sent, gossip_->statistics().received};
  }

 private:
  // cluster::PeerLinksOwner
  std::optional<cluster::NodeAddress> address_of(const NodeId& node) override;
  runtime::Status judge(const PeerHello& peer) override;
  void on_message(const NodeId& from, uint8_t type, std::string_view body) override;
  void on_up(const NodeId& /*node*/) override {}
  void on_down(const NodeId& node, const std::string& reason) override;
  void on_proved(const PeerHello& peer, const std::string& local_address) override;
  void on_refused(const std::string& peer_address, const std::string& reason) override;

  // cluster::GossipTransport
  void send(const NodeId& to, std::string message) override {
    links_.send(to, kGossipMessage, message);
  }

  // cluster::GossipObserver
  void members_changed() override;
  void liveness_changed(const NodeId& member, Liveness liveness) override;
  void removed() override;
  bool admits(const NodeId& stranger, std::span<const Member> theirs) override;

  cluster::PeerLinksSettings links_settings() const;
  PeerHello hello();
  uint64_t now_us() const { return parts_.loop.clock().monotonic_us(); }
  const Member& own() const { return *members().find(settings_.node); }
  bool belongs(const NodeId& node) const {
    const Member* const member = members().find(node);
    return member != nullptr && member->belongs();
  }
  runtime::Status become_joining();
  runtime::Status let_join(std::span<const NodeId> nodes);
  void refuse(const NodeId& stranger, std::span<const Member> theirs, const std::string& reason);
  void go_on_joining();
  // Of all members this one has the lowest id.
  bool is_first() const {
    const auto first = std::ranges::find_if(
        members().members(), [](const auto& entry) { return entry.second.belongs(); });
    return first->first == settings_.node;
  }
  std::string name_of(const NodeId& node) const;
  std::function<Liveness(const NodeId&)> liveness() const {
    return [this](const NodeId& node) { return gossip_->liveness(node); };
  }

  void make_gossip(MemberList list);
  // Whether the seed is not to be changed any more: it is needed to find what is stored, here or
  // somewhere in the cluster. What was agreed upon among nodes that hold nothing can still change
  // when they meet others.
  bool seed_is_fixed() { return agreed_for_good() || parts_.host.holds_data(); }
  bool agreed_for_good() const {
    const cluster::Setting* const setting = members().setting(kHashSeedSetting);
    return setting != nullptr && setting->version >= kFixedSeedVersion;
  }
  void fix_seed();
  void agree_on_seed();
  void introduce(const NodeId& node);
  void join();
  void leave(const std::string& reason);
  void go_alone();
  void learn_address(const std::string& local_address);
  bool save();
  void publish();

  Parts parts_;
  const Settings settings_;
  uint64_t seed_;
  cluster::PeerLinks links_;
  Meetings meetings_;
  LogLimiter refusals_{parts_.loop};
  std::set<NodeId> met_;  // to be listened to although they are no members yet
  std::pair<NodeId, cluster::NodeAddress> refused_;  // the last one, who is yet to be told
  std::unique_ptr<cluster::Gossip> gossip_;
  uint64_t restarts_ = 0;       // of gossip
  bool address_shown_ = false;  // by a connection of this life, if it is no loopback
  bool started_ = false, was_alone_ = true, leaving_ = false;
  bool list_changed_ = false, liveness_changed_ = false;
  std::unique_ptr<runtime::Timer> save_retry_, farewell_;
  std::shared_ptr<const cluster::ClusterView> view_;
  uint64_t transferred_ring_ = 0;
  std::set<unsigned> transferred_;  // shards that are done under it
};

// ---- beginning

cluster::PeerLinksSettings ClusterControlImpl::links_settings() const {
  cluster::PeerLinksSettings links;
  links.secret = settings_.secret;
  return links;
}

PeerHello ClusterControlImpl::hello() {
  PeerHello hello;
  hello.cluster_name = settings_.cluster_name;
  hello.node = settings_.node;
  hello.epoch = settings_.epoch;
  hello.shards = settings_.shards;
  const cluster::NodeAddress& address = own().address;
  hello.ip = address.ip;
  hello.client_port = address.port;
  hello.peer_port = address.peer_port;
  if (seed_is_fixed()) {
    hello.hash_seed_digest = cluster::hash_seed_digest(seed_, settings_.secret);
  }
  return hello;
}

runtime::Status ClusterControlImpl::open() {
  auto loaded = cluster::load_members(parts_.files, settings_.file);
  if (!loaded) return std::unexpected(loaded.error());
  MemberList list = list_at_start(settings_, std::move(*loaded));
  if (auto saved = cluster::save_members(parts_.files, settings_.file, list); !saved) return saved;
  make_gossip(std::move(list));
  return {};
}

void ClusterControlImpl::make_gossip(MemberList list) {
  const uint64_t incarnation = settings_.life << kLifeBits | restarts_++ << kRestartBits;
  was_alone_ = list.size() == 1;
  gossip_.reset();
  gossip_ = cluster::Gossip::make({parts_.loop, parts_.random, *this, *this}, settings_.gossip,
                                  std::move(list), settings_.node, incarnation);
}

void ClusterControlImpl::start() {
  started_ = true;
  const cluster::Quorum quorum = quorum_of(members());
  if (!was_alone_ && quorum != settings_.quorum) {
    spdlog::warn("The cluster has N={} R={} W={}, whatever the configuration says", quorum.replicas,
                 quorum.read, quorum.write);
  }
  if (!was_alone_ && cluster::ConflictPolicies::of(members()) != settings_.conflict_policies) {
    spdlog::warn("The cluster has another conflict-policy than the configuration, and keeps it");
  }
  list_changed_ = true;
  end_turn();
  gossip_->start();
  agree_on_seed();
  go_on_joining();
  for (const ClusterSeed& seed : settings_.seeds) {
    meetings_.attempt(meetings_.add(Meetings::Kind::seed, seed));
  }
  for (const ClusterSeed& seed : settings_.meet_again) {
    meetings_.attempt(meetings_.add(Meetings::Kind::command, seed));
  }
}

// ---- the hash seed

// Whoever meets this node must learn the seed that it cannot change.
void ClusterControlImpl::fix_seed() {
  if (agreed_for_good() || !parts_.host.holds_data()) return;
  cluster::Setting fixed = seed_setting(seed_, settings_.node);
  fixed.version = kFixedSeedVersion;
  gossip_->announce(fixed);
}

// Among members who all hold nothing the one with the lowest id says which seed it shall be.
void ClusterControlImpl::agree_on_seed() {
  if (members().size() > 1) fix_seed();
  const cluster::Setting* const setting = members().setting(kHashSeedSetting);
  if (setting == nullptr) {
    if (members().size() > 1 && is_first()) {
      gossip_->announce(seed_setting(seed_, settings_.node));
    }
    return;
  }
  const auto seed = seed_of(*setting);
  if (!seed || *seed == seed_) return;
  if (parts_.host.adopt_hash_seed(*seed)) {
    spdlog::info("Taking over the hash seed of the cluster");
    seed_ = *seed;
    return;
  }
  leave("it holds data under another hash seed than the cluster");
}

// ---- meeting

runtime::Status ClusterControlImpl::meet(const std::string& host, uint16_t peer_port) {
  // Known at once, so that a restart in between does not forget it.
  const uint64_t meeting = meetings_.add(Meetings::Kind::command, {host, peer_port});
  parts_.host.look_for_data([this, meeting] { meetings_.attempt(meeting); });
  return {};
}

void ClusterControlImpl::introduce(const NodeId& node) {
  met_.insert(node);
  fix_seed();
  links_.send(node, kMeetMessage, {});
  gossip_->exchange_with(node);
}

// Where there would be more members than copies, some must join in stages.
bool ClusterControlImpl::admits(const NodeId& stranger, std::span<const Member> theirs) {
  const auto record = std::ranges::find(theirs, stranger, &Member::id);
  if (record == theirs.end()) return false;  // who does not list itself is no node of ours
  const auto [news, news_to_them, here] = compare_holders(members(), theirs);
  if (news.empty() || here + news.size() <= quorum_of(members()).replicas) return true;
  const bool they_can = news_to_them.empty() || news == std::vector{stranger};
  const bool we_can = news_to_them == std::vector{settings_.node};
  if (!they_can && !we_can && seed_is_fixed()) {
    refuse(stranger, theirs,
           "both are clusters, and would have more members than there are copies of a key: only "
           "single nodes can join then");
    return false;
  }
  // If both or neither could, those with the higher id: nodes that are installed together may meet
  // in any order.
  const bool we_do = they_can == we_can ? news.front() < news_to_them.front() : we_can;
  if (!we_do) {
    refused_ = {stranger, record->address};
    links_.send(stranger, kJoinFirst, encode_nodes(news));
    return false;
  }
  const auto joining = let_join(news_to_them);
  if (!joining) refuse(stranger, theirs, joining.error().message);
  return joining && we_can;  // else those meet again
}

// Of this node's cluster: they are told if it is not this one.
runtime::Status ClusterControlImpl::let_join(std::span<const NodeId> nodes) {
  for (const NodeId& node : nodes) {
    if (node != settings_.node && belongs(node)) {
      links_.send(node, kJoinFirst, encode_nodes({{node}}));
    }
  }
  if (std::ranges::find(nodes, settings_.node) == nodes.end()) return {};
  return become_joining();
}

void ClusterControlImpl::refuse(const NodeId& stranger, std::span<const Member> theirs,
                                const std::string& reason) {
  if (refusals_.is_news(object::node_id_text(stranger))) {
    spdlog::warn("Node {} cannot join: {}", name_of(stranger), reason);
  }
  met_.erase(stranger);
  const auto record = std::ranges::find(theirs, stranger, &Member::id);
  if (record == theirs.end()) return;
  refused_ = {stranger, record->address};
  links_.send(stranger, kRefusal, reason);
  meetings_.refused(stranger, reason);
}

void ClusterControlImpl::accept(std::unique_ptr<runtime::Stream> stream) {
  parts_.host.look_for_data([this, stream = std::move(stream)]() mutable {
    links_.set_hello(hello());
    links_.accept(std::move(stream));
  });
}

runtime::Status ClusterControlImpl::judge(const PeerHello& peer) {
  if (peer.lane != cluster::PeerLane::gossip) return runtime::fail("this is the lane of gossip");
  if (peer.shards != settings_.shards) {
    return runtime::fail(fmt::format(
        "it has {} shard threads, this node {}: all nodes must have the same number (threads)",
        peer.shards, settings_.shards));
  }
  fix_seed();
  const bool other_seed =
      peer.hash_seed_digest != 0 &&
      peer.hash_seed_digest != cluster::hash_seed_digest(seed_, settings_.secret);
  if (other_seed && seed_is_fixed()) {
    return runtime::fail(
        "both sides hold data or are clusters already, under different hash seeds: only a node "
        "that never held data can join");
  }
  return {};
}

void ClusterControlImpl::on_proved(const PeerHello& /*peer*/, const std::string& local_address) {
  learn_address(local_address);
}

void ClusterControlImpl::learn_address(const std::string& local_address) {
  if (!settings_.address.ip.empty()) return;
  const std::string ip = ip_of(local_address);
  const std::string& known = own().address.ip;
  if (ip.empty() || (is_loopback(ip) && !known.empty())) return;
  // What an earlier life was reached at may be another's by now.
  const bool stands = std::exchange(address_shown_, true) && !is_loopback(known);
  if (stands || ip == known) return;
  spdlog::info("Other nodes reach this one at {}", ip);
  Member changed = own();
  ++changed.version;
  changed.address.ip = ip;
  gossip_->announce(changed);
}

// A node that was alone takes its tokens from where others have too much. Of two that were, the
// one with the higher id does.
void ClusterControlImpl::join() {
  const auto others = members().on_ring(cluster::RingView::after);
  const bool both_alone = members().size() == 2;
  for (const auto& [name, setting] : MemberList::Settings(members().settings())) {
    if (setting.writer != settings_.node || setting.version != 1) continue;
    cluster::Setting lasting = setting;
    ++lasting.version;  // above those of nodes that join later
    gossip_->announce(lasting);
  }
  if (own().status != MemberStatus::normal || (both_alone && is_first())) return;
  Member changed = own();
  ++changed.version;
  changed.tokens = cluster::choose_tokens(others, changed.on_ring(), quorum_of(members()).replicas);
  gossip_->announce(changed);
}

// ---- joining in stages

// This node is to be a member of a cluster that has enough copies already.
runtime::Status ClusterControlImpl::become_joining() {
  if (own().status == MemberStatus::joining) return {};
  if (parts_.host.holds_data()) {
    return runtime::fail(
        "a node that holds data cannot join a cluster that has as many members as there are copies "
        "of a key");
  }
  gossip_->announce(joining_record(own()));
  return {};
}

void ClusterControlImpl::go_on_joining() {
  if (leaving_ || members().size() == 1) return;
  auto changed = joining_step(members(), settings_.node);
  if (changed) gossip_->announce(*std::move(changed));
}

void ClusterControlImpl::transferred(unsigned shard, uint64_t ring_digest) {
  if (ring_digest != transferred_ring_) transferred_.clear();
  transferred_ring_ = ring_digest;
  transferred_.insert(shard);
  const bool current = view_ != nullptr && view_->ring_digest() == ring_digest;
  if (!current || transferred_.size() < settings_.shards || leaving_) return;
  auto changed = next_stage(own());
  if (!changed) return;
  spdlog::info("Joining the cluster: {}",
               changed->status == MemberStatus::normal ? "done" : "all slots are here");
  gossip_->announce(*std::move(changed));
  // Rumours would come, too: commands wait while nodes see different coordinators.
  for (const auto& [id, member] : members().members()) {
    if (id != settings_.node && member.belongs()) gossip_->exchange_with(id);
  }
}

// ---- parting

runtime::Status ClusterControlImpl::forget(std::string_view text) {
  const auto node = object::parse_node_id(text);
  const Member* const known = node ? members().find(*node) : nullptr;
  if (known == nullptr) return runtime::fail("Unknown node " + std::string(text));
  if (*node == settings_.node) {
    return runtime::fail("I tried hard but I can't forget myself...");
  }
  if (!known->belongs()) return {};
  if (auto may = may_be_removed(members(), *known); !may) return may;
  spdlog::info("CLUSTER FORGET: removing node {}", name_of(*node));
  Member changed = *known;
  changed.version += kForgottenLead;
  changed.status = MemberStatus::left;
  changed.tokens.clear();
  met_.erase(*node);
  gossip_->announce(changed);
  return {};
}

void ClusterControlImpl::removed() {
  if (std::exchange(leaving_, true)) return;
  spdlog::warn("This node was removed from its cluster: it is a cluster of one from now on");
  parts_.loop.post([this] { go_alone(); });
}

void ClusterControlImpl::leave(const std::string& reason) {
  if (std::exchange(leaving_, true)) return;
  spdlog::error("This node leaves its cluster: {}", reason);
  Member changed = own();
  ++changed.version;
  changed.status = MemberStatus::left;
  gossip_->announce(changed);
  farewell_ =
      parts_.loop.start_timer(kFarewellUs, 0, [this] { parts_.loop.post([this] { go_alone(); }); });
}

void ClusterControlImpl::go_alone() {
  std::vector<NodeId> others;
  for (const auto& [id, member] : members().members()) {
    if (id != settings_.node) others.push_back(id);
  }
  make_gossip(list_alone(settings_, &own()));
  met_.clear();
  for (const NodeId& id : others) links_.drop(id, "this node is alone now");
  leaving_ = false;
  list_changed_ = true;
  gossip_->start();
}

// ---- links

std::optional<cluster::NodeAddress> ClusterControlImpl::address_of(const NodeId& node) {
  const Member* const member = members().find(node);
  const cluster::NodeAddress& address = member == nullptr ? refused_.second : member->address;
  if ((member == nullptr && refused_.first != node) || address.ip.empty()) return std::nullopt;
  return address;
}

void ClusterControlImpl::on_message(const NodeId& from, uint8_t type, std::string_view body) {
  if (type == kMeetMessage) {
    met_.insert(from);
  } else if (type == kRefusal) {
    met_.erase(from);
    meetings_.refused(from, std::string(body.substr(0, kRefusalBytesMax)));
  } else if (type == kJoinFirst && (met_.contains(from) || belongs(from))) {
    const bool before = own().status == MemberStatus::joining;
    const auto joining = let_join(decode_nodes(body));
    const bool now = !before && own().status == MemberStatus::joining;
    if (now) gossip_->exchange_with(from);
    if (joining || belongs(from)) return;
    met_.erase(from);
    meetings_.refused(from, joining.error().message);
    links_.send(from, kRefusal, joining.error().message);
  } else if (type == kGossipMessage && (met_.contains(from) || members().find(from) != nullptr)) {
    gossip_->receive(from, body);
  }
}

void ClusterControlImpl::on_down(const NodeId& node, const std::string& reason) {
  gossip_->doubt(node);
  const bool refused = reason.starts_with(cluster::kRefusedPrefix);
  if (!refused) spdlog::debug("No connection to node {}: {}", name_of(node), reason);
  if (refused && refusals_.is_news(name_of(node) + reason)) {
    spdlog::warn("Node {}: {}", name_of(node), reason);
  }
}

void ClusterControlImpl::on_refused(const std::string& peer_address, const std::string& reason) {
  if (!refusals_.is_news(ip_of(peer_address) + reason)) return;
  spdlog::warn("Connection from {}: {}", peer_address, reason);
}

std::vector<redis::ClusterLinkFacts> ClusterControlImpl::links() const {
  std::vector<redis::ClusterLinkFacts> facts;
  const uint64_t wall_ms = parts_.loop.clock().wall_ms();
  for (const auto& link : links_.established()) {
    const uint64_t age_ms = (now_us() - link.since_us) / kMicrosecondsPerMs;
    facts.push_back({link.node, link.outgoing, wall_ms - age_ms, link.queued_bytes});
  }
  std::ranges::sort(facts, {}, [](const auto& of) { return std::tie(of.node, of.outgoing); });
  return facts;
}

std::string ClusterControlImpl::name_of(const NodeId& node) const {
  const Member* const member = members().find(node);
  const std::string id = object::node_id_text(node);
  return member == nullptr ? id : fmt::format("{} ({})", id, node_address_text(member->address));
}

// ---- changes

void ClusterControlImpl::members_changed() {
  list_changed_ = true;
  if (!started_ || leaving_ || !belongs(settings_.node)) return;
  if (std::exchange(was_alone_, members().size() == 1) && !was_alone_) join();
  agree_on_seed();
  go_on_joining();
}

void ClusterControlImpl::liveness_changed(const NodeId& member, Liveness liveness) {
  liveness_changed_ = true;
  const auto text = liveness_text(liveness);
  if (belongs(member)) spdlog::info("Node {} {}", name_of(member), text);
}

bool ClusterControlImpl::save() {
  auto saved = cluster::save_members(parts_.files, settings_.file, members());
  if (saved) return true;
  if (refusals_.is_news(settings_.file)) {
    spdlog::error("The member list cannot be saved, and is not acted upon: {}",
                  saved.error().message);
  }
  save_retry_ = parts_.loop.start_timer(kSaveRetryUs, 0, [] {});  // a turn in which to try again
  return false;
}

void ClusterControlImpl::end_turn() {
  // Who was removed publishes what it is on its own, in a moment.
  const bool removed = !belongs(settings_.node);
  if (started_ && list_changed_ && !removed && save()) {
    list_changed_ = liveness_changed_ = false;
    links_.set_hello(hello());
    view_ = cluster::ClusterView::make({members(), settings_.node, liveness()}, view_.get());
    parts_.host.view_changed(view_);
  } else if (view_ && std::exchange(liveness_changed_, false)) {
    view_ = cluster::ClusterView::make(liveness(), *view_);
    parts_.host.view_changed(view_);
  }
  links_.flush();
}

}  // namespace

runtime::Result<std::unique_ptr<ClusterControl>> ClusterControl::make(Parts parts,
                                                                      Settings settings) {
  auto control = std::make_unique<ClusterControlImpl>(parts, std::move(settings));
  if (auto opened = control->open(); !opened) return std::unexpected(opened.error());
  return control;
}

}  // namespace quorate::server
