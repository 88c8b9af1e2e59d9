// ReplicatorRig: one node with a store and a Replicator, and another that answers changes as a test
// says.
#pragma once

#include <gtest/gtest.h>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "quorate/coordinator/replicator.h"
#include "quorate/coordinator/shard_coordinator.h"

#include "coordinator/shard_rig.h"
#include "sim/sim_network.h"

namespace quorate::coordinator {

class ReplicatorRig : public testing::Test {
 protected:
  using PeerCalls = cluster::PeerCalls;
  using NodeId = object::NodeId;
  using Verdict = Replicator::Verdict;

  static constexpr uint16_t kPort = 16379;
  static constexpr unsigned kOther = 77;
  static constexpr uint64_t kSecond = 1'000'000;

  static NodeId id_of(unsigned number) {
    NodeId id{};
    id.fill(static_cast<uint8_t>(number));
    return id;
  }

  struct Directory final : cluster::PeerDirectory, ActorDirectory {
    explicit Directory(object::ActorTable& of) : actors(of) {}
    std::optional<cluster::NodeAddress> address_of(const NodeId& node) override {
      return cluster::NodeAddress{sim::SimNetwork::ip(node[0]), 6379, kPort};
    }
    runtime::Status judge(const cluster::PeerHello& /*peer*/) override { return {}; }
    void on_up(const NodeId& node) override {
      if (replicator != nullptr) replicator->on_up(node);
    }
    void intern(std::vector<object::Actor> of, Done done) override {
      std::vector<object::ActorId> handles;
      for (const object::Actor& actor : of) handles.push_back(actors.intern(actor));
      done(std::move(handles));
    }

    object::ActorTable& actors;
    Replicator* replicator = nullptr;
  };

  static cluster::PeerLinksSettings links_of(unsigned number) {
    cluster::PeerLinksSettings settings;
    settings.hello.cluster_name = "test";
    settings.hello.node = id_of(number);
    settings.hello.lane = cluster::PeerLane::data;
    return settings;
  }

  // What the other node has promised, and what it says of it.
  struct PromisesOfTest final : Promises {
    uint64_t number_of(const NodeId& replica) const override {
      EXPECT_EQ(replica, id_of(kOther));
      return number;
    }
    void broken_by(const NodeId& replica, uint64_t of) override {
      broken.emplace_back(replica, of);
    }
    bool kept(const NodeId& to, uint64_t of, std::span<const uint16_t> slots) const override {
      EXPECT_EQ(to, id_of(kOther));
      asked.emplace_back(of, std::vector<uint16_t>(slots.begin(), slots.end()));
      return keeps;
    }
    void applied(const object::Change& change, const NodeId& from) override {
      came.emplace_back(change.key, from);
    }

    uint64_t number = 0;
    bool keeps = true;
    std::vector<std::pair<NodeId, uint64_t>> broken;
    mutable std::vector<std::pair<uint64_t, std::vector<uint16_t>>> asked;
    std::vector<std::pair<std::string, NodeId>> came;
  };

  ReplicatorRig() : network_(rig_.world), directory_(rig_.actors) {
    ShardRig::Shard& shard = rig_.shards[0];
    connector_ = network_.connector(*shard.loop);
    calls_ = std::make_unique<PeerCalls>(
        PeerCalls::Parts{*shard.loop, *connector_, *shard.random, directory_}, links_of(1));
    ReplicatorSettings settings;
    settings.unacknowledged_bytes_max = 4096;
    replicator_ =
        std::make_unique<Replicator>(Replicator::Parts{*shard.loop, *calls_, *shard.coordinator,
                                                       rig_.actors, directory_, &promises_},
                                     settings);
    directory_.replicator = replicator_.get();
    shard.coordinator->set_barrier(replicator_.get());
    shard.store->set_observer(replicator_.get());
    shard.loop->set_turn_end([this, coordinator = shard.coordinator.get()] {
      (void)coordinator->end_turn();
      calls_->flush();
    });
    network_.listen(*shard.loop, kPort, [this](std::unique_ptr<runtime::Stream> stream) {
      calls_->links().accept(std::move(stream));
    });
    replicator_->set_map(map_of(1));
  }
  ~ReplicatorRig() override {
    rig_.shards[0].store->set_observer(nullptr);
    rig_.shards[0].coordinator->set_barrier(nullptr);
    rig_.shards[0].loop->set_turn_end([] {});
  }

  // The other node holds every slot, and so many of it are to have each change.
  static std::shared_ptr<const ReplicaMap> map_of(unsigned needed) {
    auto map = std::make_shared<ReplicaMap>();
    map->peers = {id_of(kOther)};
    map->down = {false};
    map->groups = {{{0}, {{{{0}, needed}, true}}}};
    map->group_of_slot.assign(object::kSlots, 0);
    return map;
  }

  // The other node answers each message of changes with this.
  void answer_with(std::optional<Verdict> verdict) {
    verdict_ = verdict;
    if (other_calls_ != nullptr) return;
    other_loop_ = rig_.world.make_loop(kOther);
    other_connector_ = network_.connector(*other_loop_);
    other_random_ = runtime::make_seeded_random(9);
    other_calls_ = std::make_unique<PeerCalls>(
        PeerCalls::Parts{*other_loop_, *other_connector_, *other_random_, other_directory_},
        links_of(kOther));
    other_calls_->serve(Replicator::kService,
                        [this](const NodeId&, std::string_view body, PeerCalls::Reply reply) {
                          received_.emplace_back(body);
                          if (!verdict_) return;
                          const char byte = static_cast<char>(*verdict_);
                          reply({&byte, 1});
                        });
    network_.listen(*other_loop_, kPort, [this](std::unique_ptr<runtime::Stream> stream) {
      other_calls_->links().accept(std::move(stream));
    });
    other_loop_->set_turn_end([this] { other_calls_->flush(); });
  }

  // `relied`: without a read before.
  void set(const std::string& name, const std::string& value, bool relied = false) {
    ShardRig::Shard& shard = rig_.shards[0];
    shard.loop->post([&, name, value, relied] {
      if (relied) replicator_->rely(rig_.key(name).slot);
      KeyRef ref = shard.coordinator->keys().open(rig_.key(name));
      shard.coordinator->keys().put(ref, value, 0);
    });
  }
  bool settled() const { return replicator_->settled() == ReplicationWindow::kNothingOpen; }

  ShardRig rig_;
  sim::SimNetwork network_;
  Directory directory_;
  PromisesOfTest promises_;
  std::unique_ptr<runtime::Connector> connector_;
  std::unique_ptr<PeerCalls> calls_;
  std::unique_ptr<Replicator> replicator_;

  object::ActorTable other_actors_;
  Directory other_directory_{other_actors_};
  std::unique_ptr<sim::SimLoop> other_loop_;
  std::unique_ptr<runtime::Connector> other_connector_;
  std::unique_ptr<runtime::Random> other_random_;
  std::unique_ptr<PeerCalls> other_calls_;
  std::optional<Verdict> verdict_;
  std::vector<std::string> received_;
};

}  // namespace quorate::coordinator
