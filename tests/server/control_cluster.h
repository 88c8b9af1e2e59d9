// ControlCluster: the control planes of several nodes on the simulator's network and disks.
//
// A node's files stay over its lives; what it was told to do to itself (publish a view, take over a
// hash seed) is in its Host. What is logged is kept as text. Thread: one.
#pragma once

#include <algorithm>
#include <gtest/gtest.h>
#include <map>
#include <memory>
#include <spdlog/sinks/ostream_sink.h>
#include <spdlog/spdlog.h>
#include <sstream>
#include <string>

#include "quorate/server/cluster_control.h"

#include "sim/seeds.h"
#include "sim/sim_file_system.h"
#include "sim/sim_network.h"

namespace quorate::server {

inline constexpr uint16_t kPeerPort = 16379;
inline constexpr uint64_t kSecond = 1'000'000;

inline object::NodeId control_id(unsigned node) {
  object::NodeId id{};
  id.fill(static_cast<uint8_t>(node));
  return id;
}

class ControlCluster {
 public:
  struct Host final : ClusterHost {
    void look_for_data(runtime::Task done) override { done(); }
    bool holds_data() override { return data; }
    bool adopt_hash_seed(uint64_t seed) override {
      if (!adopts || data) return false;
      hash_seed = seed;
      return true;
    }
    void view_changed(std::shared_ptr<const cluster::ClusterView> changed) override {
      EXPECT_GT(changed->version(), view ? view->version() : 0);
      view = std::move(changed);
      ++views;
    }

    bool data = false, adopts = true;
    uint64_t hash_seed = 0;
    std::shared_ptr<const cluster::ClusterView> view;
    unsigned views = 0;
  };
  struct Node {
    std::unique_ptr<sim::SimFileSystem> files;
    unsigned place = 0;  // on the network: decides its address
    Host host;
    ClusterControlSettings settings;
    std::unique_ptr<sim::SimLoop> loop;
    std::unique_ptr<runtime::Connector> connector;
    std::unique_ptr<runtime::Random> random;
    std::unique_ptr<ClusterControl> control;
  };

  // For tests that run with several.
  static auto seeds() {
    return testing::Range<uint64_t>(1, 1 + std::max<uint64_t>(5 / sim::Seeds::kShare, 1));
  }

  explicit ControlCluster(uint64_t seed) : world(seed), network(world), seed_(seed) {
    auto sink = std::make_shared<spdlog::sinks::ostream_sink_mt>(log_);
    before_ = spdlog::default_logger();
    spdlog::set_default_logger(std::make_shared<spdlog::logger>("test", sink));
  }
  ~ControlCluster() {
    for (auto& [number, node] : nodes_) stop(number);
    spdlog::set_default_logger(before_);
  }
  ControlCluster(const ControlCluster&) = delete;
  ControlCluster& operator=(const ControlCluster&) = delete;

  // Of a node that is to be started; what is not set by the test is as after an installation.
  Node& node(unsigned number) {
    Node& node = nodes_[number];
    if (node.files) return node;
    node.files = std::make_unique<sim::SimFileSystem>(seed_ + number);
    node.place = number;
    EXPECT_TRUE(node.files->make_directory("/data"));
    node.host.hash_seed = 1000 + number;
    node.settings.node = control_id(number);
    node.settings.life = 0;
    node.settings.file = "/data/members";
    node.settings.address.port = 6379;
    node.settings.address.peer_port = kPeerPort;
    node.settings.machine = "machine-" + std::to_string(number);
    node.settings.cluster_name = "test";
    node.settings.secret = "s";
    return node;
  }
  void start(unsigned number) {
    Node& of = node(number);
    ++of.settings.life;
    of.settings.hash_seed = of.host.hash_seed;
    of.host.view.reset();
    of.loop = world.make_loop(of.place);
    of.connector = network.connector(*of.loop);
    of.random = runtime::make_seeded_random(seed_ * 1000 + number * 10 + of.settings.life);
    auto made = ClusterControl::make({*of.loop, *of.connector, *of.random, *of.files, of.host},
                                     of.settings);
    ASSERT_TRUE(made) << made.error().message;
    of.control = std::move(*made);
    ClusterControl& control = *of.control;
    network.listen(*of.loop, kPeerPort, [&control](std::unique_ptr<runtime::Stream> stream) {
      control.accept(std::move(stream));
    });
    of.loop->set_turn_end([&control] { control.end_turn(); });
    of.loop->post([&control] { control.start(); });
    watch(number, of.settings.life);
  }
  // As by SIGKILL.
  void stop(unsigned number) {
    world.crash(nodes_[number].place);
    network.stop_listening(nodes_[number].place);
    nodes_[number].control.reset();
  }
  void meet(unsigned number, unsigned other) {
    ClusterControl& control = *node(number).control;
    node(number).loop->post(
        [&control, other] { EXPECT_TRUE(control.meet(sim::SimNetwork::ip(other), kPeerPort)); });
  }
  void forget(unsigned number, unsigned other) {
    ClusterControl& control = *node(number).control;
    node(number).loop->post([&control, other] {
      EXPECT_TRUE(control.forget(object::node_id_text(control_id(other))));
    });
  }

  const cluster::ClusterView& view(unsigned number) { return *node(number).host.view; }
  // As this node sees the other; nothing if it does not belong.
  std::optional<cluster::Liveness> seen(unsigned number, unsigned other) {
    const cluster::ClusterView& of = view(number);
    const auto place = of.find(control_id(other));
    if (place == cluster::ClusterView::kNobody) return std::nullopt;
    return of.member(place).liveness;
  }
  // Whether all running nodes have that many members, the same placement and the same seed.
  bool agree(size_t members) {
    const cluster::ClusterView* first = nullptr;
    uint64_t seed = 0;
    for (auto& [number, node] : nodes_) {
      if (!node.control || !node.host.view) continue;
      const cluster::ClusterView& of = *node.host.view;
      if (first == nullptr) seed = node.host.hash_seed;
      if (first == nullptr) first = &of;
      if (of.members().size() != members || of.healthy_members() != members) return false;
      if (of.ring_digest() != first->ring_digest() || node.host.hash_seed != seed) return false;
    }
    return first != nullptr;
  }
  std::string log() { return log_.str(); }

  // Whether shards of nodes that join are done with a stage as soon as all go along.
  bool transfers = true;

  sim::SimWorld world;
  sim::SimNetwork network;

 private:
  // In place of the node's one shard (coordinator/slot_transfer.h): nobody may be two stages
  // behind.
  void watch(unsigned number, uint64_t life) {
    world.schedule(nodes_[number].place, kSecond / 10, [this, number, life] {
      Node& of = nodes_[number];
      if (!of.control || of.settings.life != life) return;
      watch(number, life);
      if (!transfers || of.host.view == nullptr) return;
      const cluster::ClusterView& mine = *of.host.view;
      if (mine.newcomer() == cluster::ClusterView::kNobody || mine.newcomer() != mine.self())
        return;
      for (const auto& other : mine.members()) {
        if (other.status != cluster::MemberStatus::normal) continue;
        const auto at = std::ranges::find_if(
            nodes_, [&](const auto& entry) { return control_id(entry.first) == other.id; });
        const bool along = at->second.control && at->second.host.view != nullptr &&
                           at->second.host.view->ring_digest() == mine.ring_digest();
        if (!along) return;
      }
      of.control->transferred(0, mine.ring_digest());
    });
  }

  const uint64_t seed_;
  std::map<unsigned, Node> nodes_;
  std::ostringstream log_;
  std::shared_ptr<spdlog::logger> before_;
};

// With the seed of its parameter.
class ClusterControlTest : public testing::TestWithParam<uint64_t> {
 protected:
  void start(std::initializer_list<unsigned> nodes) {
    for (const unsigned node : nodes) cluster_.start(node);
    cluster_.world.run_for(kSecond / 10);
  }
  void run_for_s(uint64_t seconds) { cluster_.world.run_for(seconds * kSecond); }
  // Nodes 1 to `count`, joined one after the other to the first.
  void join(unsigned count) {
    for (unsigned node = 1; node <= count; ++node) start({node});
    for (unsigned node = 2; node <= count; ++node) {
      cluster_.meet(node, 1);
      run_for_s(3);
    }
    run_for_s(5);
    ASSERT_TRUE(cluster_.agree(count)) << cluster_.log();
  }
  const cluster::Member& record(unsigned of, unsigned seen_by) {
    return *cluster_.node(seen_by).control->members().find(control_id(of));
  }

  ControlCluster cluster_{GetParam()};
};

}  // namespace quorate::server
