#include "quorate/cluster/node_identity.h"

#include <filesystem>
#include <gtest/gtest.h>

namespace quorate::cluster {
namespace {

NodeIdentity sample() {
  const auto random = runtime::make_seeded_random(7);
  return NodeIdentity::make(*random);
}

TEST(NodeIdentity, SurvivesEncoding) {
  NodeIdentity identity = sample();
  identity.begin_life(true);
  identity.begin_life(true);
  const auto decoded = NodeIdentity::decode(identity.encode());
  ASSERT_TRUE(decoded) << decoded.error().message;
  EXPECT_EQ(decoded->node, identity.node);
  EXPECT_EQ(decoded->epoch, identity.epoch);
  EXPECT_EQ(decoded->starts, 2U);
  EXPECT_EQ(decoded->hash_seed, identity.hash_seed);
  EXPECT_EQ(decoded->store_id, identity.store_id);
  EXPECT_FALSE(decoded->clean);
  EXPECT_EQ(decoded->actors.find(identity.actor()), identity.actors.find(identity.actor()));
}

TEST(NodeIdentity, KeepsItsEpochOnlyAfterACleanStopWithItsOwnRows) {
  NodeIdentity identity = sample();
  EXPECT_FALSE(identity.begin_life(true)) << "the first life is clean";
  const uint32_t epoch = identity.epoch;
  identity.clean = true;
  EXPECT_FALSE(identity.begin_life(true));
  EXPECT_EQ(identity.epoch, epoch);
  EXPECT_TRUE(identity.begin_life(true)) << "the clean mark was consumed";
  EXPECT_EQ(identity.epoch, epoch + 1);
  identity.clean = true;
  EXPECT_TRUE(identity.begin_life(false)) << "the row store is a foreign one";
  EXPECT_EQ(identity.epoch, epoch + 2);
}

TEST(NodeIdentity, KeepsTheHandlesOfEarlierEpochs) {
  NodeIdentity identity = sample();
  identity.begin_life(true);
  const object::Actor before = identity.actor();
  const auto handle = identity.actors.find(before);
  identity.begin_life(true);
  ASSERT_NE(identity.actor(), before);
  EXPECT_EQ(identity.actors.find(before), handle);
}

TEST(NodeIdentity, RefusesWhatIsDamagedOrNewer) {
  const std::string text = sample().encode();
  for (size_t i = 0; i < text.size(); ++i) {
    std::string flipped = text;
    flipped[i] = static_cast<char>(flipped[i] ^ 1);
    EXPECT_FALSE(NodeIdentity::decode(flipped)) << "a bit of byte " << i << " is wrong";
    EXPECT_FALSE(NodeIdentity::decode(text.substr(0, i))) << "cut at byte " << i;
  }
  std::string newer = text;
  newer.replace(0, newer.find('\n'), "quorate-node 2");
  const auto refused = NodeIdentity::decode(newer);
  ASSERT_FALSE(refused);
  EXPECT_NE(refused.error().message.find("newer"), std::string::npos);
}

TEST(NodeIdentity, LoadsWhatItSaved) {
  const std::string directory = testing::TempDir() + "node_identity_test";
  std::filesystem::remove_all(directory);
  std::filesystem::create_directories(directory);
  const auto files = runtime::make_posix_file_system();
  const std::string path = directory + "/node.identity";
  const auto nothing = load_identity(*files, path);
  ASSERT_TRUE(nothing);
  EXPECT_FALSE(nothing->has_value());
  const NodeIdentity identity = sample();
  ASSERT_TRUE(save_identity(*files, path, identity));
  const auto loaded = load_identity(*files, path);
  ASSERT_TRUE(loaded && loaded->has_value());
  EXPECT_EQ((*loaded)->node, identity.node);
  std::filesystem::remove_all(directory);
}

TEST(NodeIdentity, TwoNodesDiffer) {
  const auto random = runtime::make_seeded_random(7);
  const NodeIdentity one = NodeIdentity::make(*random);
  const NodeIdentity other = NodeIdentity::make(*random);
  EXPECT_NE(one.node, other.node);
  EXPECT_NE(one.store_id, other.store_id);
}

}  // namespace
}  // namespace quorate::cluster
