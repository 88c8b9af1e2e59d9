#include "sim/lying_peer.h"

#include <cstdlib>
#include <map>
#include <utility>

#include "quorate/cluster/cluster_view.h"
#include "quorate/cluster/token_choice.h"

#include "redis/reply_text.h"

namespace quorate::sim {
namespace {

constexpr NodeId kNode = 1, kPeer = 2;
constexpr uint64_t kSettleUs = 3'000'000;

object::NodeId peer_id() {
  object::NodeId id{};
  id.fill(0xee);
  return id;
}

cluster::Member member_of(const object::NodeId& id, NodeId at, const cluster::MemberList& others,
                          unsigned replicas) {
  cluster::Member member;
  member.id = id;
  member.version = 1;
  member.epoch = 1;
  member.status = cluster::MemberStatus::normal;
  member.address = {SimNetwork::ip(at), 6379, SimNode::kPeerPort};
  member.tokens =
      cluster::choose_tokens(others.on_ring(cluster::RingView::after), member.on_ring(), replicas);
  return member;
}

// Both, kept for the next time: choosing tokens takes longer than all the rest of a short life.
const cluster::MemberList& members_of(const object::NodeId& node, cluster::Quorum quorum) {
  static std::map<object::NodeId, cluster::MemberList> made;
  const auto [at, fresh] = made.try_emplace(node);
  cluster::MemberList& members = at->second;
  if (!fresh) return members;
  members.merge(member_of(node, kNode, members, quorum.replicas));
  members.merge(member_of(peer_id(), kPeer, members, quorum.replicas));
  for (const auto& setting : cluster::quorum_settings(quorum, node)) members.merge(setting);
  return members;
}

}  // namespace

LyingPeer::LyingPeer(uint64_t seed) : world_(seed), network_(world_), node_(world_, seed, kNode) {
  start_node();
  start_peer();
  show_both();
  wire_ = node_.connect(0);
  world_.run_for(kSettleUs);
}

LyingPeer::~LyingPeer() {
  world_.crash(kPeer);
  network_.stop_listening(kPeer);
}

void LyingPeer::start_node() {
  node_.plug_into(network_);
  if (!node_.start({}, [](unsigned, size_t) {})) std::abort();
}

cluster::PeerLinksSettings LyingPeer::links(cluster::PeerLane lane) {
  cluster::PeerLinksSettings settings;
  settings.hello.cluster_name = "simulated";
  settings.hello.node = peer_id();
  settings.hello.lane = lane;
  settings.hello.shards = 1;
  return settings;
}

void LyingPeer::start_peer() {
  loop_ = world_.make_loop(kPeer);
  random_ = runtime::make_seeded_random(kPeer);
  connector_ = network_.connector(*loop_);
  calls_ = make_calls(cluster::PeerLane::data);
  bulk_ = make_calls(cluster::PeerLane::bulk);
  loop_->set_turn_end([this] {
    calls_->flush();
    bulk_->flush();
  });
  network_.listen_to_peers(*loop_, SimNode::kPeerPort,
                           [this](cluster::PeerLane lane, std::unique_ptr<runtime::Stream> stream) {
                             auto& calls = lane == cluster::PeerLane::bulk ? *bulk_ : *calls_;
                             calls.links().accept(std::move(stream));
                           });
}

std::unique_ptr<cluster::PeerCalls> LyingPeer::make_calls(cluster::PeerLane lane) {
  auto calls = std::make_unique<cluster::PeerCalls>(
      cluster::PeerCalls::Parts{*loop_, *connector_, *random_, *this}, links(lane));
  for (uint8_t service = 0; service < kServices; ++service) {
    calls->serve(service, [this, service](const object::NodeId&, std::string_view,
                                          cluster::PeerCalls::Reply reply) {
      if (answers_[service]) reply(*answers_[service]);
    });
  }
  return calls;
}

void LyingPeer::show_both() {
  const cluster::Quorum quorum{.replicas = 2, .read = 2, .write = 2};
  const object::NodeId& id = node_.identity().node;
  const auto alive = [](const object::NodeId&) { return cluster::Liveness::alive; };
  node_.set_view(cluster::ClusterView::make({members_of(id, quorum), id, alive}, nullptr));
}

std::optional<cluster::NodeAddress> LyingPeer::address_of(const object::NodeId& /*node*/) {
  return cluster::NodeAddress{SimNetwork::ip(kNode), 6379, SimNode::kPeerPort};
}

runtime::Status LyingPeer::judge(const cluster::PeerHello& /*peer*/) { return {}; }

void LyingPeer::ask(uint8_t service, std::string_view body) {
  loop_->post([this, service, body = std::string(body)] {
    for (cluster::PeerCalls* const calls : {calls_.get(), bulk_.get()}) {
      calls->call(node_.identity().node, service, body, kPatienceUs, [](const auto&) {});
    }
  });
}

void LyingPeer::will_answer(uint8_t service, std::string_view body) {
  answers_[service % kServices] = body;
}

std::string LyingPeer::run(const redis::Words& words) {
  wire_->to_client.clear();
  SimNode::send(*wire_, redis::encode_request(words));
  const bool answered = world_.run_until([&] { return redis::reply_bytes(wire_->to_client) != 0; },
                                         world_.now_us() + kPatienceUs);
  return answered ? wire_->to_client : std::string();
}

}  // namespace quorate::sim
