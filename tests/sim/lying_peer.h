// LyingPeer: a simulated node in a cluster of two whose other member is no node: it asks whatever
// it is told to, and answers with whatever it is told to, with every right of a member.
//
// Both hold every key, and both copies are read and written, so that the node depends on the other
// wherever a node ever does. Thread: the simulator's one.
#pragma once

#include <array>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "quorate/cluster/peer_calls.h"

#include "redis/command_harness.h"
#include "sim/sim_network.h"
#include "sim/sim_node.h"

namespace quorate::sim {

class LyingPeer final : private cluster::PeerDirectory {
 public:
  static constexpr uint8_t kServices = 32;
  static constexpr uint64_t kPatienceUs = 20'000'000;

  explicit LyingPeer(uint64_t seed);
  ~LyingPeer() override;
  LyingPeer(const LyingPeer&) = delete;
  LyingPeer& operator=(const LyingPeer&) = delete;

  // On all lanes.
  void ask(uint8_t service, std::string_view body);
  // From now on; services that were never told what to answer are silent.
  void will_answer(uint8_t service, std::string_view body);
  // The reply that a client of the node gets; empty: none in kPatienceUs.
  std::string run(const redis::Words& words);
  void run_for(uint64_t us) { world_.run_for(us); }
  const cluster::PeerCalls::Statistics& statistics() const { return calls_->statistics(); }

 private:
  static cluster::PeerLinksSettings links(cluster::PeerLane lane);
  std::unique_ptr<cluster::PeerCalls> make_calls(cluster::PeerLane lane);
  void start_node();
  void start_peer();
  void show_both();

  std::optional<cluster::NodeAddress> address_of(const object::NodeId& node) override;
  runtime::Status judge(const cluster::PeerHello& peer) override;

  SimWorld world_;
  SimNetwork network_;
  SimNode node_;
  std::unique_ptr<SimLoop> loop_;
  std::unique_ptr<runtime::Random> random_;
  std::unique_ptr<runtime::Connector> connector_;
  std::unique_ptr<cluster::PeerCalls> calls_, bulk_;
  std::array<std::optional<std::string>, kServices> answers_;
  std::shared_ptr<redis::Wire> wire_;
};

}  // namespace quorate::sim
