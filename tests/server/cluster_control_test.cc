#include "quorate/server/cluster_control.h"

#include <algorithm>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "server/control_cluster.h"

namespace quorate::server {
namespace {

using cluster::ClusterView;
using cluster::Liveness;
using testing::HasSubstr;
using testing::Not;

INSTANTIATE_TEST_SUITE_P(Seeds, ClusterControlTest, ControlCluster::seeds());

TEST_P(ClusterControlTest, ANodeBeginsAsAClusterOfOne) {
  start({1});
  const ClusterView& view = cluster_.view(1);
  EXPECT_TRUE(view.alone());
  EXPECT_EQ(view.quorum(), (cluster::Quorum{1, 1, 1}));
  EXPECT_TRUE(view.self_coordinates(4711));
  EXPECT_EQ(view.member(0).host, "machine-1");
  EXPECT_EQ(view.member(0).address.port, 6379);
  EXPECT_TRUE(cluster_.node(1).files->exists("/data/members"));
}

TEST_P(ClusterControlTest, MeetingJoinsTwo) {
  start({1, 2});
  cluster_.meet(1, 2);
  run_for_s(5);
  EXPECT_TRUE(cluster_.agree(2)) << cluster_.log();
  EXPECT_THAT(cluster_.log(), HasSubstr("CLUSTER MEET 10.0.0.2:16379: met node " +
                                        object::node_id_text(control_id(2))));
  EXPECT_EQ(cluster_.view(1).quorum(), (cluster::Quorum{2, 2, 2}));
  EXPECT_EQ(record(1, 2).address.ip, "10.0.0.1") << "as its connections show it";
  EXPECT_EQ(record(2, 1).address.ip, "10.0.0.2");
}

TEST_P(ClusterControlTest, TwoThatMeetEachOtherAtTheSameTimeAreOneCluster) {
  start({1, 2});
  cluster_.meet(1, 2);
  cluster_.meet(2, 1);
  run_for_s(5);
  EXPECT_TRUE(cluster_.agree(2)) << cluster_.log();
}

TEST_P(ClusterControlTest, MembersAreFoundThroughOthers) {
  start({1, 2, 3, 4, 5});
  for (unsigned node = 1; node < 5; ++node) cluster_.meet(node, node + 1);
  run_for_s(15);
  EXPECT_TRUE(cluster_.agree(5)) << cluster_.log();
}

TEST_P(ClusterControlTest, ManyMeetOneAtOnce) {
  for (unsigned node = 1; node <= 8; ++node) start({node});
  for (unsigned node = 1; node <= 7; ++node) cluster_.meet(node, 8);
  run_for_s(20);
  EXPECT_TRUE(cluster_.agree(8)) << cluster_.log();
}

TEST_P(ClusterControlTest, WhoJoinsChoosesTokensAmongTheOthers) {
  join(3);
  const std::vector<cluster::TokenIndex> alone = [&] {
    start({9});
    return record(9, 9).tokens;
  }();
  EXPECT_EQ(record(1, 3).tokens, alone) << "the first index numbers, as chosen when alone";
  EXPECT_NE(record(2, 3).tokens, alone);
  EXPECT_NE(record(3, 1).tokens, alone);
}

TEST_P(ClusterControlTest, SeedsAreTriedUntilTheyWereMet) {
  for (unsigned node = 1; node <= 3; ++node) {
    cluster_.node(node).settings.seeds = {{"10.0.0.1", kPeerPort}, {"10.0.0.2", kPeerPort}};
  }
  start({3, 2});
  run_for_s(20);
  EXPECT_TRUE(cluster_.agree(2)) << cluster_.log();
  EXPECT_THAT(cluster_.log(), HasSubstr("Seed 10.0.0.1:16379 has not worked yet: "));
  start({1});
  run_for_s(40);
  EXPECT_TRUE(cluster_.agree(3)) << cluster_.log();
}

TEST_P(ClusterControlTest, ARestartBeginsWithTheFile) {
  join(3);
  const uint64_t digest = cluster_.view(1).ring_digest();
  for (unsigned node = 1; node <= 3; ++node) cluster_.stop(node);
  start({3});
  EXPECT_EQ(cluster_.view(3).members().size(), 3U);
  EXPECT_EQ(cluster_.view(3).ring_digest(), digest);
  start({1, 2});
  run_for_s(20);
  EXPECT_TRUE(cluster_.agree(3)) << cluster_.log();
}

TEST_P(ClusterControlTest, ANewLifesChangesReachTheOthers) {
  join(3);
  cluster_.stop(2);
  cluster_.node(2).settings.epoch = 7;
  cluster_.node(2).settings.zone = "elsewhere";
  cluster_.node(2).settings.weight = 2;
  start({2});
  run_for_s(20);
  EXPECT_TRUE(cluster_.agree(3)) << cluster_.log();
  EXPECT_EQ(record(2, 1).epoch, 7U);
  EXPECT_EQ(record(2, 3).zone, "elsewhere");
  EXPECT_GT(record(2, 3).tokens.size(), record(1, 3).tokens.size()) << "in proportion to weight";
}

// As after installations on machines of different size.
TEST_P(ClusterControlTest, WhoHasAnotherNumberOfShardsIsRefused) {
  start({1});
  cluster_.node(2).settings.shards = 4;
  start({2});
  cluster_.meet(1, 2);
  run_for_s(20);
  EXPECT_TRUE(cluster_.view(1).alone());
  EXPECT_TRUE(cluster_.view(2).alone());
  EXPECT_THAT(cluster_.log(), HasSubstr("all nodes must have the same number"));
}

TEST_P(ClusterControlTest, AMemberThatComesBackWithOtherShardsIsDown) {
  join(3);
  cluster_.stop(2);
  cluster_.node(2).settings.shards = 4;
  start({2});
  run_for_s(30);
  EXPECT_EQ(cluster_.seen(1, 2), Liveness::dead);
  EXPECT_EQ(cluster_.seen(3, 2), Liveness::dead);
  cluster_.stop(2);
  cluster_.node(2).settings.shards = 1;
  start({2});
  run_for_s(20);
  EXPECT_TRUE(cluster_.agree(3)) << cluster_.log();
}

// A container that was made anew, on the volume of the old one.
TEST_P(ClusterControlTest, ANodeIsFoundWhereItsNewLifeIs) {
  join(3);
  cluster_.stop(2);
  run_for_s(5);
  cluster_.node(2).place = 22;
  start({2});
  run_for_s(20);
  EXPECT_TRUE(cluster_.agree(3)) << cluster_.log();
  EXPECT_EQ(record(2, 1).address.ip, sim::SimNetwork::ip(22));
}

TEST_P(ClusterControlTest, NodesThatChangePlacesFindEachOther) {
  join(3);
  for (const unsigned node : {1U, 2U, 3U}) cluster_.stop(node);
  run_for_s(2);
  cluster_.node(1).place = 2;
  cluster_.node(2).place = 1;
  start({1, 2, 3});
  run_for_s(60);
  EXPECT_TRUE(cluster_.agree(3)) << cluster_.log();
  EXPECT_EQ(record(2, 3).address.ip, sim::SimNetwork::ip(1));
}

// There is no stage for it: reads would miss what new holders do not have.
TEST_P(ClusterControlTest, SlotsDoNotMoveBecauseANodeStarts) {
  join(5);
  const uint64_t digest = cluster_.view(1).ring_digest();
  cluster_.stop(2);
  cluster_.node(2).settings.zone = "elsewhere";
  cluster_.node(2).settings.machine = "another";
  cluster_.node(2).settings.weight = 4;
  cluster_.node(2).settings.epoch = 9;
  start({2});
  run_for_s(20);
  EXPECT_TRUE(cluster_.agree(5)) << cluster_.log();
  EXPECT_EQ(cluster_.view(1).ring_digest(), digest);
  EXPECT_EQ(record(2, 1).epoch, 9U);
  EXPECT_EQ(record(2, 1).weight, 1U);
  EXPECT_THAT(cluster_.log(), HasSubstr("weight stays 1"));
}

TEST_P(ClusterControlTest, WhoDiesAndComesBackIsSeen) {
  join(4);
  const auto* const ring = &cluster_.view(1).ring();
  cluster_.stop(3);
  run_for_s(30);
  for (const unsigned node : {1U, 2U, 4U}) {
    EXPECT_EQ(cluster_.seen(node, 3), Liveness::dead) << node;
    EXPECT_EQ(cluster_.view(node).members().size(), 4U);
  }
  EXPECT_EQ(&cluster_.view(1).ring(), ring) << "liveness never changes placement";
  const ClusterView& view = cluster_.view(1);
  for (uint16_t slot = 0; slot < object::kSlots; ++slot) {
    ASSERT_NE(view.member(view.coordinator(slot)).id, control_id(3));
  }
  start({3});
  run_for_s(15);
  EXPECT_TRUE(cluster_.agree(4)) << cluster_.log();
}

TEST_P(ClusterControlTest, WhoIsForgottenIsAloneAndTheOthersGoOn) {
  join(3);
  cluster_.forget(1, 3);
  run_for_s(15);
  EXPECT_EQ(cluster_.seen(1, 3), std::nullopt);
  EXPECT_EQ(cluster_.seen(2, 3), std::nullopt);
  EXPECT_EQ(cluster_.view(1).members().size(), 2U);
  EXPECT_TRUE(cluster_.view(3).alone()) << cluster_.log();
  EXPECT_THAT(cluster_.log(), HasSubstr("This node was removed from its cluster"));
  run_for_s(120);
  EXPECT_TRUE(cluster_.view(3).alone()) << "nothing but a meeting brings it back";
  cluster_.stop(3);
  start({3});
  run_for_s(10);
  EXPECT_TRUE(cluster_.view(3).alone());
  cluster_.meet(3, 2);
  run_for_s(10);
  EXPECT_TRUE(cluster_.agree(3)) << cluster_.log();
}

TEST_P(ClusterControlTest, WhoWasForgottenWhileAwayLearnsOfIt) {
  join(3);
  cluster_.stop(3);
  cluster_.forget(2, 3);
  run_for_s(30);
  start({3});
  run_for_s(30);
  EXPECT_TRUE(cluster_.view(3).alone()) << cluster_.log();
  EXPECT_EQ(cluster_.view(1).members().size(), 2U);
  cluster_.meet(1, 3);
  run_for_s(10);
  EXPECT_TRUE(cluster_.agree(3)) << cluster_.log();
}

// Each unclean start takes a new epoch, and a new version of the record with it.
TEST_P(ClusterControlTest, WhoWasForgottenWhileAwayCannotOutdoThatByStarting) {
  join(3);
  cluster_.stop(3);
  cluster_.forget(2, 3);
  run_for_s(30);
  cluster_.network.part({3}, {1, 2});
  for (uint32_t epoch = 2; epoch < 7; ++epoch) {
    cluster_.node(3).settings.epoch = epoch;
    start({3});
    run_for_s(2);
    cluster_.stop(3);
  }
  cluster_.network.heal();
  start({3});
  run_for_s(30);
  EXPECT_TRUE(cluster_.view(3).alone()) << cluster_.log();
  EXPECT_EQ(cluster_.view(1).members().size(), 2U);
  cluster_.meet(1, 3);
  run_for_s(10);
  EXPECT_TRUE(cluster_.agree(3)) << cluster_.log();
}

TEST_P(ClusterControlTest, ForgettingAnswersAsRedis) {
  join(2);
  ClusterControl& control = *cluster_.node(1).control;
  EXPECT_EQ(control.forget("nobody").error().message, "Unknown node nobody");
  const std::string stranger(40, '9');
  EXPECT_EQ(control.forget(stranger).error().message, "Unknown node " + stranger);
  EXPECT_EQ(control.forget(object::node_id_text(control_id(1))).error().message,
            "I tried hard but I can't forget myself...");
  cluster_.forget(1, 2);
  run_for_s(1);
  EXPECT_TRUE(control.forget(object::node_id_text(control_id(2)))) << "it is forgotten already";
}

TEST_P(ClusterControlTest, AnotherClustersNodeIsRefusedWithTheReason) {
  cluster_.node(2).settings.cluster_name = "other";
  cluster_.node(3).settings.secret = "wrong";
  start({1, 2, 3});
  cluster_.meet(1, 2);
  cluster_.meet(1, 3);
  run_for_s(20);
  for (unsigned node = 1; node <= 3; ++node) EXPECT_TRUE(cluster_.view(node).alone());
  EXPECT_THAT(cluster_.log(), HasSubstr("CLUSTER MEET 10.0.0.2:16379 failed: refused"));
  EXPECT_THAT(cluster_.log(), HasSubstr("the other side belongs to cluster 'test', this one to "
                                        "'other'"));
  EXPECT_THAT(cluster_.log(), HasSubstr("CLUSTER MEET 10.0.0.3:16379 failed: refused"));
  EXPECT_THAT(cluster_.log(), HasSubstr("the cluster's secret is another on the two sides"));
  EXPECT_THAT(cluster_.log(), HasSubstr("Connection from 10.0.0.1:")) << "the refusing side, too";
}

TEST_P(ClusterControlTest, MeetingItselfOrNobodyIsLogged) {
  start({1});
  cluster_.meet(1, 1);
  cluster_.meet(1, 77);
  run_for_s(30);
  EXPECT_TRUE(cluster_.view(1).alone());
  EXPECT_THAT(cluster_.log(), HasSubstr("CLUSTER MEET 10.0.0.1:16379: that is this node itself"));
  EXPECT_THAT(cluster_.log(), HasSubstr("CLUSTER MEET 10.0.0.77:16379 failed: "));
}

TEST_P(ClusterControlTest, MeetingOneThatStartsSoonWorks) {
  start({1});
  cluster_.meet(1, 2);
  run_for_s(5);
  start({2});
  run_for_s(8);
  EXPECT_TRUE(cluster_.agree(2)) << cluster_.log();
}

// ---- what must be equal everywhere

TEST_P(ClusterControlTest, ANodeWithoutDataTakesOverTheSeed) {
  for (const bool first_has_data : {true, false}) {
    const unsigned one = first_has_data ? 1 : 3, two = one + 1;
    cluster_.node(first_has_data ? one : two).host.data = true;
    start({one, two});
    cluster_.meet(one, two);
    run_for_s(5);
    const uint64_t wanted = 1000 + (first_has_data ? one : two);
    EXPECT_EQ(cluster_.node(one).host.hash_seed, wanted) << cluster_.log();
    EXPECT_EQ(cluster_.node(two).host.hash_seed, wanted) << cluster_.log();
  }
}

TEST_P(ClusterControlTest, ALaterOneTakesOverTheSeedToo) {
  join(2);
  const uint64_t seed = cluster_.node(1).host.hash_seed;
  start({3});
  cluster_.meet(2, 3);
  run_for_s(5);
  EXPECT_EQ(cluster_.node(3).host.hash_seed, seed) << cluster_.log();
}

TEST_P(ClusterControlTest, TwoThatHoldDataUnderDifferentSeedsRefuse) {
  for (const unsigned node : {1U, 2U}) cluster_.node(node).host.data = true;
  start({1, 2});
  cluster_.meet(1, 2);
  run_for_s(10);
  EXPECT_TRUE(cluster_.view(1).alone());
  EXPECT_TRUE(cluster_.view(2).alone());
  EXPECT_THAT(cluster_.log(), HasSubstr("under different hash seeds: only a node that never held "
                                        "data can join"));
}

TEST_P(ClusterControlTest, TwoThatHoldDataUnderTheSameSeedJoin) {
  for (const unsigned node : {1U, 2U}) {
    cluster_.node(node).host.data = true;
    cluster_.node(node).host.hash_seed = 5;
  }
  start({1, 2});
  cluster_.meet(1, 2);
  run_for_s(5);
  EXPECT_TRUE(cluster_.agree(2)) << cluster_.log();
}

TEST_P(ClusterControlTest, WhoCannotTakeOverTheSeedLeaves) {
  cluster_.node(2).host.adopts = false;
  join(1);
  cluster_.node(1).host.data = true;
  start({2});
  cluster_.meet(1, 2);
  run_for_s(15);
  EXPECT_TRUE(cluster_.view(1).alone()) << cluster_.log();
  EXPECT_TRUE(cluster_.view(2).alone()) << cluster_.log();
  EXPECT_THAT(cluster_.log(), HasSubstr("it holds data under another hash seed"));
  EXPECT_EQ(cluster_.node(2).host.hash_seed, 1002U);
}

TEST_P(ClusterControlTest, TheClustersQuorumsAreWhatTheFirstNodeWasConfiguredTo) {
  for (unsigned node = 1; node <= 3; ++node) cluster_.node(node).settings.quorum = {5, 1, 4};
  join(3);
  cluster_.node(9).settings.quorum = {7, 7, 7};
  start({9});
  cluster_.meet(9, 3);
  run_for_s(10);
  for (const unsigned node : {1U, 9U}) {
    EXPECT_EQ(cluster_.view(node).configured(), (cluster::Quorum{5, 1, 4})) << node;
  }
  EXPECT_EQ(cluster_.view(9).quorum(), (cluster::Quorum{4, 1, 4}));
}

// ---- limits

TEST_P(ClusterControlTest, ADamagedFileStopsTheStart) {
  join(1);
  cluster_.stop(1);
  ControlCluster::Node& node = cluster_.node(1);
  ASSERT_TRUE(runtime::replace_file(*node.files, "/data/members", "quorate-members, or not"));
  auto made = ClusterControl::make(
      {*node.loop, *node.connector, *node.random, *node.files, node.host}, node.settings);
  ASSERT_FALSE(made);
  EXPECT_THAT(made.error().message, HasSubstr("/data/members: "));
}

TEST_P(ClusterControlTest, ATurnPublishesOnceAtMost) {
  join(1);
  const unsigned views = cluster_.node(1).host.views;
  run_for_s(60);
  EXPECT_EQ(cluster_.node(1).host.views, views) << "nothing changed";
}

TEST_P(ClusterControlTest, AMeetingUnderWaySurvivesARestart) {
  start({1, 2, 3});
  cluster_.meet(1, 2);
  cluster_.meet(1, 3);
  cluster_.world.run_for(1'000);
  ControlCluster::Node& node = cluster_.node(1);
  node.settings.meet_again = node.control->meetings();
  ASSERT_EQ(node.settings.meet_again.size(), 2U);
  cluster_.stop(1);
  start({1});
  run_for_s(10);
  EXPECT_TRUE(cluster_.agree(3)) << cluster_.log();
  EXPECT_TRUE(node.control->meetings().empty());
}

// Pairs that agree on a seed of their own at the same time must still become one.
TEST_P(ClusterControlTest, OneThatMeetsManyAtOnceJoinsThemAll) {
  start({1, 2, 3, 4, 5});
  for (unsigned other = 1; other <= 4; ++other) cluster_.meet(5, other);
  run_for_s(20);
  EXPECT_TRUE(cluster_.agree(5)) << cluster_.log();
}

TEST_P(ClusterControlTest, TwoEmptyClustersBecomeOne) {
  for (unsigned node = 1; node <= 4; ++node) cluster_.node(node).settings.quorum.replicas = 4;
  start({1, 2, 3, 4});
  cluster_.meet(1, 2);
  cluster_.meet(3, 4);
  run_for_s(10);
  cluster_.meet(2, 4);
  run_for_s(10);
  EXPECT_TRUE(cluster_.agree(4)) << cluster_.log();
}

// ---- beyond as many members as copies

TEST_P(ClusterControlTest, AMemberThatRestartsComesBack) {
  join(3);
  cluster_.stop(2);
  run_for_s(5);
  start({2});
  run_for_s(10);
  EXPECT_TRUE(cluster_.agree(3)) << cluster_.log();
}

}  // namespace
}  // namespace quorate::server
