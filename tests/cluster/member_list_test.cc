#include "quorate/cluster/member_list.h"

#include <algorithm>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <random>
#include <string>
#include <vector>

#include "cluster/numbered_nodes.h"
#include "sim/sim_file_system.h"

namespace quorate::cluster {
namespace {

Member member(uint8_t number, uint64_t version = 1) {
  Member member;
  member.id = id_of(number);
  member.version = version;
  member.status = MemberStatus::normal;
  member.epoch = 3;
  member.address = {"192.168.0." + std::to_string(number), 6379, 16379};
  member.weight = 2;
  member.zone = "zone-a";
  member.host = "host";
  member.tokens = {7, 1, 65535};
  member.admitted = id_of(9);
  return member;
}

Setting setting(std::string name, uint64_t version, std::string value) {
  return {std::move(name), version, id_of(1), std::move(value)};
}

TEST(MemberList, TakesNewsOnly) {
  MemberList list;
  EXPECT_TRUE(list.merge(member(1)));
  EXPECT_FALSE(list.merge(member(1)));
  EXPECT_TRUE(list.merge(member(1, 3)));
  EXPECT_FALSE(list.merge(member(1, 2)));
  EXPECT_EQ(list.find(id_of(1))->version, 3U);
  EXPECT_EQ(list.find(id_of(2)), nullptr);
  EXPECT_TRUE(list.merge(setting("replicas", 1, "3")));
  EXPECT_FALSE(list.merge(setting("replicas", 1, "2"))) << "of equal versions one wins for all";
  EXPECT_TRUE(list.merge(setting("replicas", 2, "2")));
  EXPECT_EQ(list.setting("replicas")->value, "2");
}

TEST(MemberList, OfEqualVersionsTheLaterStatusStays) {
  Member gone = member(1);
  gone.status = MemberStatus::left;
  MemberList list;
  list.merge(member(1));
  EXPECT_EQ(list.size(), 1U);
  EXPECT_TRUE(list.merge(gone));
  EXPECT_FALSE(list.merge(member(1)));
  EXPECT_EQ(list.size(), 0U);
  EXPECT_EQ(list.find(id_of(1))->status, MemberStatus::left);
}

// A few records of each member, so that all kinds of conflicts come up.
std::vector<Member> conflicting_records(std::mt19937_64& random, size_t count) {
  std::vector<Member> records;
  for (size_t i = 0; i < count; ++i) {
    Member record = member(static_cast<uint8_t>(random() % 4), random() % 3 + 1);
    record.status = static_cast<MemberStatus>(random() % 5 + 1);
    record.weight = static_cast<uint32_t>(random() % 3 + 1);
    record.zone = random() % 2 == 0 ? "a" : "b";
    records.push_back(record);
  }
  return records;
}

TEST(MemberList, AnyOrderAndRepetitionGivesTheSameList) {
  std::mt19937_64 random(1);
  for (int round = 0; round < 300; ++round) {
    std::vector<Member> records = conflicting_records(random, 12);
    std::vector<Setting> settings;
    for (int i = 0; i < 5; ++i) {
      settings.push_back({"s" + std::to_string(random() % 2), random() % 2 + 1,
                          id_of(static_cast<uint8_t>(random() % 2)), std::to_string(random() % 3)});
    }
    MemberList first;
    for (const Member& record : records) first.merge(record);
    for (const Setting& record : settings) first.merge(record);
    MemberList second;
    std::shuffle(records.begin(), records.end(), random);
    std::shuffle(settings.begin(), settings.end(), random);
    for (int repeat = 0; repeat < 2; ++repeat) {
      for (const Setting& record : settings) second.merge(record);
      for (const Member& record : records) second.merge(record);
    }
    ASSERT_EQ(first, second);
    EXPECT_EQ(first.digest(), second.digest());
  }
}

TEST(MemberList, ThePlacementDigestChangesWithWhatPlacesSlotsOnly) {
  const uint64_t before = placement_digest(member(1));
  Member moved = member(1, 2);
  moved.address.ip = "10.1.1.1";
  moved.admitted = id_of(7);
  EXPECT_EQ(placement_digest(moved), before);
  Member heavier = moved;
  heavier.weight = 5;
  EXPECT_NE(placement_digest(heavier), before);
  Member gone = moved;
  gone.status = MemberStatus::left;
  EXPECT_EQ(placement_digest(gone), 0U);
}

TEST(MemberList, RingsAreMadeOfWhoOwnsSlotsBeforeAndAfterAChange) {
  MemberList list;
  uint8_t number = 1;
  for (const MemberStatus status :
       {MemberStatus::joining, MemberStatus::handover, MemberStatus::normal, MemberStatus::leaving,
        MemberStatus::left}) {
    Member of = member(number++);
    of.status = status;
    list.merge(of);
  }
  const auto ids = [&](RingView view) {
    std::vector<object::NodeId> found;
    for (const RingMember& of : list.on_ring(view)) found.push_back(of.id);
    return found;
  };
  EXPECT_THAT(ids(RingView::before), testing::ElementsAre(id_of(3), id_of(4)));
  EXPECT_THAT(ids(RingView::after), testing::ElementsAre(id_of(1), id_of(2), id_of(3)));
}

TEST(MemberList, ComesBackFromItsBytes) {
  MemberList list;
  for (uint8_t i = 1; i < 20; ++i) list.merge(member(i, i));
  list.merge(setting("write-quorum", 4, "2"));
  const auto decoded = MemberList::decode(list.encode());
  ASSERT_TRUE(decoded.has_value());
  EXPECT_EQ(*decoded, list);
}

TEST(MemberList, RefusesCutFlippedAndNewerBytes) {
  MemberList list;
  list.merge(member(1));
  list.merge(setting("replicas", 1, "3"));
  const std::string bytes = list.encode();
  for (size_t size = 0; size < bytes.size(); ++size) {
    EXPECT_FALSE(MemberList::decode(bytes.substr(0, size)).has_value()) << size;
  }
  // A flip that still decodes says what it says: it must not crash, nor break a limit.
  for (size_t bit = 0; bit < bytes.size() * 8; ++bit) {
    std::string flipped = bytes;
    flipped[bit / 8] = static_cast<char>(flipped[bit / 8] ^ (1 << (bit % 8)));
    if (const auto decoded = MemberList::decode(flipped)) {
      for (const auto& [node, of] : decoded->members()) EXPECT_GE(of.weight, 1U);
    }
  }
  std::string newer = bytes;
  newer[0] = 2;
  const auto refused = MemberList::decode(newer);
  ASSERT_FALSE(refused.has_value());
  EXPECT_THAT(refused.error().message, testing::HasSubstr("newer"));
}

TEST(MemberList, IsKeptInAFile) {
  sim::SimFileSystem disk(1);
  ASSERT_TRUE(disk.make_directory("/data").has_value());
  const std::string path = "/data/cluster.members";
  const auto none = load_members(disk, path);
  ASSERT_TRUE(none.has_value());
  EXPECT_FALSE(none->has_value());
  MemberList list;
  list.merge(member(1));
  ASSERT_TRUE(save_members(disk, path, list).has_value());
  disk.lose_power();
  const auto loaded = load_members(disk, path);
  ASSERT_TRUE(loaded.has_value() && loaded->has_value());
  EXPECT_EQ(**loaded, list);
}

TEST(MemberList, ADamagedFileIsRefusedWithItsName) {
  sim::SimFileSystem disk(1);
  ASSERT_TRUE(disk.make_directory("/data").has_value());
  const std::string path = "/data/cluster.members";
  MemberList list;
  list.merge(member(1));
  ASSERT_TRUE(save_members(disk, path, list).has_value());
  auto bytes = runtime::read_file(disk, path);
  ASSERT_TRUE(bytes.has_value());
  for (size_t at = 0; at < bytes->size(); ++at) {
    std::string damaged = *bytes;
    damaged[at] = static_cast<char>(damaged[at] ^ 0x10);
    ASSERT_TRUE(runtime::replace_file(disk, path, damaged).has_value());
    const auto refused = load_members(disk, path);
    ASSERT_FALSE(refused.has_value()) << at;
    EXPECT_THAT(refused.error().message, testing::HasSubstr(path));
  }
}

}  // namespace
}  // namespace quorate::cluster
