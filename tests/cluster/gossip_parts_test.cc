// What gossip is made of: its messages, its beliefs, its queue of news.
#include <gtest/gtest.h>
#include <random>
#include <string>

#include "cluster/gossip_message.h"
#include "cluster/liveness_table.h"
#include "cluster/numbered_nodes.h"
#include "cluster/rumor_queue.h"

namespace quorate::cluster {
namespace {

using Outcome = LivenessTable::Outcome;

LivenessRumor rumor(Liveness liveness, uint64_t incarnation, uint8_t from = 9) {
  return {id_of(1), liveness, incarnation, id_of(from)};
}

Member plain_member(uint8_t number) {
  Member member;
  member.id = id_of(number);
  member.tokens = {1, 2, 3};
  return member;
}

GossipMessage full_message() {
  GossipMessage message{GossipMessage::Kind::probe_request, 77, id_of(4), 0x1234567890abcdef, {}};
  message.news.liveness = {rumor(Liveness::suspected, 5), rumor(Liveness::dead, 0)};
  message.news.members = {plain_member(1), plain_member(2)};
  message.news.settings = {{"replicas", 3, id_of(2), "3"}};
  return message;
}

TEST(GossipMessage, EveryKindComesBack) {
  for (uint8_t kind = 1; kind <= 7; ++kind) {
    GossipMessage message = full_message();
    message.kind = static_cast<GossipMessage::Kind>(kind);
    const auto decoded = decode_gossip(encode_gossip(message));
    ASSERT_TRUE(decoded.has_value());
    EXPECT_EQ(*decoded, message);
  }
}

TEST(GossipMessage, RefusesWhatIsCutOrUnknown) {
  const std::string bytes = encode_gossip(full_message());
  for (size_t size = 0; size < bytes.size(); ++size) {
    EXPECT_FALSE(decode_gossip(bytes.substr(0, size)).has_value()) << size;
  }
  EXPECT_FALSE(decode_gossip(bytes + "x").has_value());
  std::string other = bytes;
  other[0] = 2;
  EXPECT_FALSE(decode_gossip(other).has_value()) << "a newer format";
  other = bytes;
  other[1] = 8;
  EXPECT_FALSE(decode_gossip(other).has_value()) << "an unknown kind";
}

// Equal meanings have equal bytes, so whatever decodes after a flip encodes to the flipped bytes.
TEST(GossipMessage, FlippedBitsDecodeToWhatTheySayOrNotAtAll) {
  const std::string bytes = encode_gossip(full_message());
  for (size_t bit = 0; bit < bytes.size() * 8; ++bit) {
    std::string flipped = bytes;
    flipped[bit / 8] = static_cast<char>(flipped[bit / 8] ^ (1 << (bit % 8)));
    const auto decoded = decode_gossip(flipped);
    if (!decoded) continue;
    EXPECT_EQ(encode_gossip(*decoded), flipped);
  }
}

TEST(LivenessTable, OfOneIncarnationTheWorseNewsStays) {
  LivenessTable table;
  table.watch(id_of(1));
  EXPECT_EQ(table.belief(id_of(1)).liveness, Liveness::alive);
  EXPECT_EQ(table.apply(rumor(Liveness::alive, 0)), Outcome::known);
  EXPECT_EQ(table.apply(rumor(Liveness::suspected, 0)), Outcome::changed);
  EXPECT_EQ(table.apply(rumor(Liveness::alive, 0)), Outcome::known);
  EXPECT_EQ(table.apply(rumor(Liveness::dead, 0)), Outcome::changed);
  EXPECT_EQ(table.apply(rumor(Liveness::suspected, 0)), Outcome::known);
  EXPECT_EQ(table.belief(id_of(1)).liveness, Liveness::dead);
}

TEST(LivenessTable, WhatIsSaidOfStrangersIsNotKept) {
  LivenessTable table;
  EXPECT_EQ(table.apply(rumor(Liveness::dead, 3)), Outcome::known);
  EXPECT_EQ(table.belief(id_of(1)).liveness, Liveness::alive);
  EXPECT_TRUE(table.beliefs().empty());
}

TEST(LivenessTable, AHigherIncarnationOverridesAll) {
  LivenessTable table;
  table.watch(id_of(1));
  table.apply(rumor(Liveness::dead, 3));
  EXPECT_EQ(table.apply(rumor(Liveness::alive, 4)), Outcome::changed);
  EXPECT_EQ(table.belief(id_of(1)).liveness, Liveness::alive);
  EXPECT_EQ(table.apply(rumor(Liveness::dead, 3)), Outcome::known);
  EXPECT_EQ(table.apply(rumor(Liveness::suspected, 4)), Outcome::changed);
  EXPECT_EQ(table.apply(rumor(Liveness::suspected, 5, 2)), Outcome::changed);
  EXPECT_EQ(table.belief(id_of(1)).accusers.size(), 1U) << "of another incarnation";
}

TEST(LivenessTable, CountsAccusersOnce) {
  LivenessTable table;
  table.watch(id_of(1));
  table.apply(rumor(Liveness::suspected, 0, 2));
  EXPECT_EQ(table.apply(rumor(Liveness::suspected, 0, 2)), Outcome::known);
  EXPECT_EQ(table.apply(rumor(Liveness::suspected, 0, 3)), Outcome::confirmed);
  EXPECT_EQ(table.belief(id_of(1)).accusers.size(), 2U);
}

TEST(SuspicionTimes, EachAccuserShortensASuspicionLessThanTheOneBefore) {
  const SuspicionTimes times{4'000, 24'000, 3};
  EXPECT_EQ(times.duration_us(1), 24'000U);
  EXPECT_EQ(times.duration_us(4), 4'000U);
  EXPECT_EQ(times.duration_us(9), 4'000U);
  EXPECT_GT(times.duration_us(1) - times.duration_us(2),
            times.duration_us(2) - times.duration_us(3));
  const SuspicionTimes alone{4'000, 24'000, 0};
  EXPECT_EQ(alone.duration_us(1), 4'000U) << "no one else could share it";
}

TEST(RumorQueue, PassesEachOnSoManyTimes) {
  RumorQueue queue;
  queue.add(rumor(Liveness::suspected, 1));
  queue.add(plain_member(3));
  for (int time = 0; time < 3; ++time) {
    News news;
    queue.take(news, 4096, 3);
    EXPECT_EQ(news.liveness.size(), 1U);
    EXPECT_EQ(news.members.size(), 1U);
  }
  EXPECT_TRUE(queue.empty());
}

TEST(RumorQueue, NewerNewsOfASubjectReplacesOlder) {
  RumorQueue queue;
  queue.add(rumor(Liveness::suspected, 1));
  queue.add(rumor(Liveness::alive, 2));
  News news;
  queue.take(news, 4096, 3);
  ASSERT_EQ(news.liveness.size(), 1U);
  EXPECT_EQ(news.liveness[0].incarnation, 2U);
}

TEST(RumorQueue, WhatDoesNotFitGoesFirstNextTime) {
  RumorQueue queue;
  for (uint8_t i = 0; i < 10; ++i) queue.add(LivenessRumor{id_of(i), Liveness::dead, 1, id_of(1)});
  std::set<object::NodeId> seen;
  for (int message = 0; message < 5; ++message) {
    News news;
    queue.take(news, 100, 9);
    EXPECT_EQ(news.liveness.size(), 2U);
    for (const LivenessRumor& of : news.liveness) seen.insert(of.about);
  }
  EXPECT_EQ(seen.size(), 10U);
}

TEST(RumorQueue, ARecordLargerThanAMessageLeavesAlone) {
  RumorQueue queue;
  queue.add(Setting{"acl", 1, id_of(1), std::string(9000, 'x')});
  queue.add(rumor(Liveness::dead, 1));
  size_t settings = 0, liveness = 0;
  for (int message = 0; message < 2; ++message) {
    News news;
    queue.take(news, 4096, 1);
    settings += news.settings.size();
    liveness += news.liveness.size();
  }
  EXPECT_EQ(settings, 1U);
  EXPECT_EQ(liveness, 1U);
}

}  // namespace
}  // namespace quorate::cluster
