// Members beyond the number of copies, which join in stages.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "quorate/server/cluster_control.h"

#include "server/control_cluster.h"

namespace quorate::server {
namespace {

using testing::HasSubstr;

class ClusterJoiningTest : public ClusterControlTest {};

INSTANTIATE_TEST_SUITE_P(Seeds, ClusterJoiningTest, ControlCluster::seeds());

TEST_P(ClusterJoiningTest, AFurtherMemberJoinsInStages) {
  join(3);
  start({4});
  cluster_.transfers = false;  // nobody is done with a stage
  cluster_.meet(4, 2);
  run_for_s(10);
  for (unsigned node = 1; node <= 4; ++node) {
    const auto& view = cluster_.view(node);
    EXPECT_EQ(view.members().size(), 4U) << node;
    ASSERT_NE(view.newcomer(), cluster::ClusterView::kNobody) << node;
    EXPECT_EQ(view.member(view.newcomer()).id, control_id(4)) << node;
    EXPECT_FALSE(view.handing_over());
    EXPECT_EQ(view.ring().members().size(), 3U);
  }
  EXPECT_TRUE(cluster_.agree(4)) << cluster_.log();
  cluster_.transfers = true;
  run_for_s(10);
  EXPECT_TRUE(cluster_.agree(4)) << cluster_.log();
  EXPECT_EQ(cluster_.view(1).newcomer(), cluster::ClusterView::kNobody);
  EXPECT_EQ(cluster_.view(1).ring().members().size(), 4U);
}

TEST_P(ClusterJoiningTest, SeveralThatJoinAtOnceComeOneAfterTheOther) {
  join(3);
  start({4, 5, 6, 7});
  for (unsigned node = 4; node <= 7; ++node) cluster_.meet(node, node % 3 + 1);
  run_for_s(60);
  EXPECT_TRUE(cluster_.agree(7)) << cluster_.log();
  for (unsigned node = 1; node <= 7; ++node) {
    EXPECT_EQ(cluster_.view(node).newcomer(), cluster::ClusterView::kNobody) << node;
    EXPECT_EQ(cluster_.view(node).ring().members().size(), 7U) << node;
  }
}

TEST_P(ClusterJoiningTest, WhoCrashesWhileItJoinsGoesOnWhenItIsBack) {
  join(3);
  start({4});
  cluster_.transfers = false;
  cluster_.meet(1, 4);
  run_for_s(5);
  ASSERT_NE(cluster_.view(1).newcomer(), cluster::ClusterView::kNobody) << cluster_.log();
  cluster_.stop(4);
  run_for_s(5);
  cluster_.transfers = true;
  run_for_s(5);
  EXPECT_NE(cluster_.view(1).newcomer(), cluster::ClusterView::kNobody);
  start({4});
  run_for_s(20);
  EXPECT_TRUE(cluster_.agree(4)) << cluster_.log();
  EXPECT_EQ(cluster_.view(1).ring().members().size(), 4U);
}

// It must not come as one that holds slots, only because others know it.
TEST_P(ClusterJoiningTest, WhoForgotThatItJoinsBeginsAgain) {
  join(3);
  start({4});
  cluster_.transfers = false;
  cluster_.meet(1, 4);
  run_for_s(5);
  cluster_.stop(4);
  ASSERT_TRUE(cluster_.node(4).files->remove("/data/members"));
  run_for_s(5);
  start({4});
  cluster_.meet(4, 2);
  run_for_s(10);
  EXPECT_TRUE(cluster_.agree(4)) << cluster_.log();
  EXPECT_EQ(cluster_.view(1).ring().members().size(), 3U);
  cluster_.transfers = true;
  run_for_s(10);
  EXPECT_TRUE(cluster_.agree(4)) << cluster_.log();
  EXPECT_EQ(cluster_.view(1).ring().members().size(), 4U);
}

TEST_P(ClusterJoiningTest, WhoIsForgottenWhileItJoinsLeavesAllAsItWas) {
  join(3);
  const uint64_t digest = cluster_.view(1).ring_digest();
  start({4});
  cluster_.transfers = false;
  cluster_.meet(1, 4);
  run_for_s(5);
  EXPECT_NE(cluster_.view(1).ring_digest(), digest);
  cluster_.forget(2, 4);
  run_for_s(10);
  for (unsigned node = 1; node <= 3; ++node) {
    EXPECT_EQ(cluster_.view(node).ring_digest(), digest) << node;
  }
  EXPECT_TRUE(cluster_.view(4).alone());
}

// What only it and one other replica have would be missed by reads of the others.
TEST_P(ClusterJoiningTest, WhoHoldsSlotsOfMoreMembersThanCopiesIsNotForgotten) {
  join(3);
  start({4});
  cluster_.meet(4, 1);
  run_for_s(15);
  ASSERT_EQ(cluster_.view(1).ring().members().size(), 4U) << cluster_.log();
  const auto forgotten = cluster_.node(1).control->forget(object::node_id_text(control_id(2)));
  ASSERT_FALSE(forgotten);
  EXPECT_THAT(forgotten.error().message, HasSubstr("holds slots"));
  EXPECT_TRUE(cluster_.agree(4));
}

TEST_P(ClusterJoiningTest, WhoIsGoneIsForgottenSoThatAnotherCanJoinInItsPlace) {
  join(3);
  start({4});
  cluster_.transfers = false;
  cluster_.meet(4, 1);
  run_for_s(5);
  cluster_.stop(3);
  run_for_s(5);
  cluster_.forget(1, 3);
  run_for_s(5);
  EXPECT_EQ(cluster_.view(1).members().size(), 3U);
  cluster_.transfers = true;
  run_for_s(15);
  EXPECT_TRUE(cluster_.agree(3)) << cluster_.log();
  EXPECT_EQ(cluster_.view(1).ring().members().size(), 3U);
  EXPECT_EQ(cluster_.seen(2, 3), std::nullopt);
}

TEST_P(ClusterJoiningTest, WhoHoldsDataDoesNotJoinAFullCluster) {
  join(3);
  start({4});
  cluster_.node(4).host.data = true;
  cluster_.node(4).host.adopts = false;
  cluster_.node(4).host.hash_seed = cluster_.node(1).host.hash_seed;
  cluster_.meet(GetParam() % 2 == 0 ? 4 : 1, GetParam() % 2 == 0 ? 1 : 4);
  run_for_s(20);
  EXPECT_TRUE(cluster_.view(4).alone());
  EXPECT_EQ(cluster_.view(1).members().size(), 3U);
  EXPECT_THAT(cluster_.log(), HasSubstr("holds data"));
}

TEST_P(ClusterJoiningTest, TwoClustersThatAreTooManyTogetherStayTwo) {
  start({1, 2, 3, 4});
  cluster_.meet(1, 2);
  cluster_.meet(3, 4);
  run_for_s(10);
  cluster_.meet(2, 3);
  run_for_s(20);
  for (unsigned node = 1; node <= 4; ++node) {
    EXPECT_EQ(cluster_.view(node).members().size(), 2U) << node << cluster_.log();
  }
}

}  // namespace
}  // namespace quorate::server
