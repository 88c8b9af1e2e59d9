// What a join moves is where the ring says when the join is done.
#include <algorithm>
#include <gtest/gtest.h>
#include <string>

#include "quorate/storage/stored_object.h"

#include "redis/reply_text.h"
#include "sim/sim_cluster.h"

namespace quorate::sim {
namespace {

class Transfer : public testing::Test {
 protected:
  static constexpr unsigned kFounders = 6;
  static constexpr int kKeys = 4'000;

  const cluster::ClusterView& view() { return *cluster_.node(0).shards()[0].cluster->view(); }
  bool holds(unsigned node, const std::string& key) {
    return storage::is_visible(cluster_.node(node)
                                   .store_of(cluster_.slot_of(key))
                                   .find(object::Key::of(key, 0, SimNode::kClusterHashSeed)));
  }
  // Who holds the key by the view of node 0.
  std::vector<object::NodeId> holders(const std::string& key) {
    std::vector<object::NodeId> nodes;
    for (const auto place : view().preference_list(cluster_.slot_of(key))) {
      nodes.push_back(view().member(place).id);
    }
    return nodes;
  }
  unsigned number_of(const object::NodeId& id) {
    for (unsigned node = 0; node <= kFounders; ++node) {
      if (cluster_.node(node).running() && cluster_.node(node).identity().node == id) return node;
    }
    ADD_FAILURE() << "nobody";
    return 0;
  }

  SimCluster cluster_{41, kFounders, {}, {}, 1};
};

// The ring moves a few slots between those that were there before.
TEST_F(Transfer, WhoWasThereBeforeGetsItsNewSlotsToo) {
  cluster_.set_weights({1, 2, 4, 1, 2, 4, 4});
  ASSERT_NO_FATAL_FAILURE(cluster_.start());
  cluster_.world().run_for(3 * kSecond);
  const auto wire = cluster_.connect(0);
  std::string requests;
  for (int i = 0; i < kKeys; ++i) requests += redis::encode_request({"SET", key_of(i), "v"});
  SimNode::send(*wire, requests);
  cluster_.world().run_until([&] { return wire->to_client.size() >= 5U * kKeys; },
                             cluster_.world().now_us() + kPatienceUs);
  ASSERT_EQ(wire->to_client.size(), 5U * kKeys);
  cluster_.world().run_for(3 * kSecond);
  std::vector<std::vector<object::NodeId>> before;
  for (int i = 0; i < kKeys; ++i) before.push_back(holders(key_of(i)));
  ASSERT_NO_FATAL_FAILURE(cluster_.join(kFounders));
  cluster_.world().run_until([&] { return cluster_.joined(kFounders); },
                             cluster_.world().now_us() + 60 * kSecond);
  ASSERT_TRUE(cluster_.joined(kFounders));
  cluster_.world().run_for(2 * kSecond);  // node 0 has heard of it
  ASSERT_EQ(view().newcomer(), cluster::ClusterView::kNobody);
  int between_old = 0, to_newcomer = 0;
  for (int i = 0; i < kKeys; ++i) {
    for (const object::NodeId& id : holders(key_of(i))) {
      if (std::ranges::find(before[i], id) != before[i].end()) continue;
      const unsigned node = number_of(id);
      ++(node == kFounders ? to_newcomer : between_old);
      ASSERT_TRUE(holds(node, key_of(i))) << key_of(i) << " at " << node;
    }
  }
  EXPECT_GT(to_newcomer, kKeys / 4);
  EXPECT_GT(between_old, 0) << "nothing was tested";
}

}  // namespace
}  // namespace quorate::sim
