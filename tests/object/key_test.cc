#include "quorate/object/key.h"

#include <gtest/gtest.h>
#include <random>
#include <string>

namespace quorate::object {
namespace {

uint16_t crc16_bit_by_bit(std::string_view bytes) {
  unsigned crc = 0;
  for (const char c : bytes) {
    crc ^= static_cast<unsigned>(static_cast<uint8_t>(c)) << 8;
    for (int bit = 0; bit < 8; ++bit) crc = (crc & 0x8000U) != 0 ? (crc << 1) ^ 0x1021U : crc << 1;
  }
  return static_cast<uint16_t>(crc);
}

TEST(KeySlotTest, IsRedisClusters) {
  EXPECT_EQ(crc16::checksum("123456789"), 0x31C3);
  EXPECT_EQ(key_slot("foo"), 12182);
  EXPECT_EQ(key_slot("bar"), 5061);
  EXPECT_EQ(key_slot("hello"), 866);
  EXPECT_EQ(key_slot("somekey"), 11058);
  EXPECT_EQ(key_slot(""), 0);
}

TEST(KeySlotTest, HashesTheTagOnlyIfThereIsOne) {
  EXPECT_EQ(key_slot("{user1000}.following"), key_slot("{user1000}.followers"));
  EXPECT_EQ(key_slot("{user1000}.following"), key_slot("user1000"));
  EXPECT_EQ(hash_tag("foo{}{bar}"), "foo{}{bar}");
  EXPECT_EQ(hash_tag("foo{{bar}}zap"), "{bar");
  EXPECT_EQ(hash_tag("foo{bar}{zap}"), "bar");
  EXPECT_EQ(hash_tag("foo{bar"), "foo{bar");
  EXPECT_EQ(hash_tag("}foo{"), "}foo{");
  EXPECT_EQ(hash_tag("}{a}"), "a");
  EXPECT_EQ(hash_tag("{}"), "{}");
}

TEST(KeySlotTest, EqualsTheBitByBitChecksumForEveryLength) {
  for (uint64_t seed = 1; seed <= 2000; ++seed) {
    std::mt19937_64 random(seed);
    std::string bytes(seed % 71, '\0');
    for (char& c : bytes) c = static_cast<char>(random());
    ASSERT_EQ(crc16::checksum(bytes), crc16_bit_by_bit(bytes)) << "seed " << seed;
  }
}

TEST(KeyHashTest, DependsOnTheSeed) {
  EXPECT_EQ(key_hash("foo", 1), key_hash("foo", 1));
  EXPECT_NE(key_hash("foo", 1), key_hash("foo", 2));
  EXPECT_NE(key_hash("foo", 1), key_hash("fop", 1));
}

TEST(KeyTest, OrdersBySlotThenDatabaseThenHash) {
  const auto key = [](uint16_t slot, uint16_t db, uint64_t hash) {
    return Key{.name = "", .hash = hash, .slot = slot, .db = db};
  };
  EXPECT_TRUE(key(1, 9, 9).order(key(2, 0, 0)) < 0);
  EXPECT_TRUE(key(1, 1, 9).order(key(1, 2, 0)) < 0);
  EXPECT_TRUE(key(1, 1, 1).order(key(1, 1, 2)) < 0);
  EXPECT_TRUE(key(1, 1, 1).order(key(1, 1, 1)) == 0);
  const Key made = Key::of("{foo}x", 3, 42);
  EXPECT_EQ(made.slot, 12182);
  EXPECT_EQ(made.db, 3);
  EXPECT_EQ(made.hash, key_hash("{foo}x", 42));
}

}  // namespace
}  // namespace quorate::object
