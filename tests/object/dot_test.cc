#include "quorate/object/dot.h"

#include <gtest/gtest.h>
#include <random>

#include "object/numbered_actors.h"

namespace quorate::object {
namespace {

TEST(NodeIdTest, IsShownAs40HexDigitsAndReadBack) {
  NodeId id{};
  for (std::size_t i = 0; i < id.size(); ++i) id[i] = static_cast<uint8_t>(i * 13);
  const std::string text = node_id_text(id);
  EXPECT_EQ(text, "000d1a2734414e5b6875828f9ca9b6c3d0ddeaf7");
  EXPECT_EQ(parse_node_id(text), id);
  EXPECT_FALSE(parse_node_id(text.substr(1)));
  EXPECT_FALSE(parse_node_id("G" + text.substr(1)));
  EXPECT_FALSE(parse_node_id("A" + text.substr(1)));
}

TEST(ActorTableTest, InternsEachActorOnceInOrder) {
  ActorTable table;
  const ActorId first = table.intern(actor_of(9, 1));
  const ActorId second = table.intern(actor_of(9, 2));
  EXPECT_EQ(static_cast<uint32_t>(first), 0U);
  EXPECT_EQ(static_cast<uint32_t>(second), 1U);
  EXPECT_EQ(table.intern(actor_of(9, 1)), first);
  EXPECT_EQ(table.find(actor_of(9, 2)), second);
  EXPECT_EQ(table.find(actor_of(8, 2)), std::nullopt);
  EXPECT_EQ(*table.actor(second), actor_of(9, 2));
  EXPECT_EQ(table.actor(static_cast<ActorId>(2)), nullptr);
}

TEST(ActorTableTest, ComparesDotsByActorAndNotByHandle) {
  ActorTable table;
  const ActorId late = table.intern(actor_of(9, 1));
  const ActorId early = table.intern(actor_of(1, 7));
  EXPECT_TRUE(table.compare(Dot{early, 50}, Dot{late, 1}) < 0);
  EXPECT_TRUE(table.compare(Dot{late, 1}, Dot{late, 2}) < 0);
  EXPECT_TRUE(table.compare(Dot{late, 2}, Dot{late, 2}) == 0);
}

TEST(ActorTableTest, DecodesWhatItEncodedAndNothingDamaged) {
  ActorTable table;
  for (uint8_t node = 0; node < 5; ++node) table.intern(actor_of(node, node * 1000U));
  std::string bytes;
  table.encode(bytes);
  const auto decoded = ActorTable::decode(bytes);
  ASSERT_TRUE(decoded);
  ASSERT_EQ(decoded->size(), table.size());
  for (uint32_t id = 0; id < 5; ++id) {
    EXPECT_EQ(*decoded->actor(static_cast<ActorId>(id)), *table.actor(static_cast<ActorId>(id)));
  }
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    EXPECT_FALSE(ActorTable::decode(std::string_view(bytes).substr(0, size))) << size;
  }
  EXPECT_FALSE(ActorTable::decode(bytes + '\0'));
}

TEST(ActorTableTest, RefusesAnActorTwice) {
  ActorTable table;
  table.intern(actor_of(1, 1));
  table.intern(actor_of(2, 1));
  std::string bytes;
  table.encode(bytes);
  const std::size_t actor_bytes = (bytes.size() - 2) / 2;
  bytes.replace(2 + actor_bytes, actor_bytes, bytes.substr(2, actor_bytes));
  EXPECT_FALSE(ActorTable::decode(bytes));
}

}  // namespace
}  // namespace quorate::object
