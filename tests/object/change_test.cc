#include "quorate/object/change.h"

#include <gtest/gtest.h>
#include <random>
#include <string>
#include <vector>

#include "quorate/object/baseline.h"
#include "quorate/object/counter.h"
#include "quorate/object/key.h"
#include "quorate/object/string_object.h"

#include "object/numbered_actors.h"

namespace quorate::object {
namespace {

// Two nodes that know the same actors by different handles.
class ChangeTest : public testing::Test {
 protected:
  ChangeTest() {
    for (uint8_t i = 0; i < kActors; ++i) (void)here_.intern(actor_of(i, i * 1000u));
    for (uint8_t i = kActors + 3; i-- > 0;) (void)there_.intern(actor_of(i, i * 1000u));
  }

  static constexpr uint8_t kActors = 5;
  static constexpr ActorId a{0}, b{3}, c{4};

  // A handle of the first node's table as one of the second's.
  ActorId there(ActorId actor) const { return *there_.find(*here_.actor(actor)); }
  Dot there(Dot dot) const { return {there(dot.actor), dot.n}; }

  static Change raw_change(std::string_view key, std::string_view payload) {
    Change change;
    change.slot = key_slot(key);
    change.key = key;
    change.dot = {a, 7};
    change.hlc = hlc_at(1'700'000'000'000);
    change.payload = payload;
    return change;
  }

  std::vector<ActorId> interned(const ChangeReader& reader) {
    std::vector<ActorId> handles;
    for (const Actor& actor : reader.actors()) handles.push_back(there_.intern(actor));
    return handles;
  }

  std::string batch_of(std::span<const Change> changes) {
    ChangeWriter writer(here_);
    for (const Change& change : changes) writer.add(change);
    std::string batch;
    writer.finish(batch);
    return batch;
  }

  ActorTable here_, there_;
};

TEST_F(ChangeTest, EveryKindArrivesInTheHandlesOfTheReceiver) {
  const Dot old[] = {{b, 1}, {a, 6}, {a, 900}};
  std::vector<Change> sent;
  sent.push_back(raw_change("plain", "value"));
  sent.push_back(raw_change("{tag}expiring", std::string_view("\0x", 2)));
  sent.back().expiry_ms = 1'800'000'000'000;
  sent.back().superseded = old;
  sent.back().db = 15;
  sent.back().expected = uint64_t{0xfedcba9876543210};
  sent.push_back(raw_change("count", ""));
  sent.back().kind = ChangeKind::counter;
  sent.back().total = -kMaxTotal;
  sent.back().superseded = {old, 1};
  sent.push_back(raw_change("gone", ""));
  sent.back().kind = ChangeKind::remove;
  sent.back().superseded = {old, 2};
  sent.back().expected = uint64_t{0};
  const std::string batch = batch_of(sent);

  auto reader = ChangeReader::open(batch);
  ASSERT_TRUE(reader);
  EXPECT_EQ(reader->actors(), (std::vector<Actor>{actor_of(0, 0), actor_of(3, 3000)}));
  const auto handles = interned(*reader);
  Change got;
  for (const Change& change : sent) {
    ASSERT_TRUE(reader->next(handles, got).value());
    EXPECT_EQ(got.kind, change.kind);
    EXPECT_EQ(got.slot, change.slot);
    EXPECT_EQ(got.db, change.db);
    EXPECT_EQ(got.key, change.key);
    EXPECT_EQ(got.dot, there(change.dot));
    EXPECT_EQ(got.hlc, change.hlc);
    EXPECT_EQ(got.expiry_ms, change.expiry_ms);
    EXPECT_EQ(got.expected, change.expected);
    EXPECT_EQ(got.payload, change.payload);
    EXPECT_TRUE(got.total == change.total);
    ASSERT_EQ(got.superseded.size(), change.superseded.size());
    for (size_t i = 0; i < got.superseded.size(); ++i) {
      EXPECT_EQ(got.superseded[i], there(change.superseded[i]));
    }
  }
  EXPECT_FALSE(reader->next(handles, got).value());
}

TEST_F(ChangeTest, DeltasAreTranslatedDownToTheirBaselines) {
  Object object = increment({}, here_, {b, 1}, 5, 40)->delta.change;
  object = merge(object, increment({}, here_, {c, 9}, 6, 2)->delta.change);
  const Delta delta = write_string(object, {a, 3}, 7, Blob::make("text"), 0);
  std::string payload;
  delta.encode(payload);
  Change change = raw_change("key", payload);
  change.kind = ChangeKind::delta;
  change.dot = {a, 3};

  const std::string batch = batch_of({&change, 1});
  auto reader = ChangeReader::open(batch);
  ASSERT_TRUE(reader);
  Change got;
  ASSERT_TRUE(reader->next(interned(*reader), got).value());
  const auto arrived = delta_of(got);
  ASSERT_TRUE(arrived) << arrived.error().message;
  // As if it had been made with the receiver's handles.
  Object same = increment({}, there_, there(Dot{b, 1}), 5, 40)->delta.change;
  same = merge(same, increment({}, there_, there(Dot{c, 9}), 6, 2)->delta.change);
  EXPECT_EQ(*arrived, write_string(same, there(Dot{a, 3}), 7, Blob::make("text"), 0));
}

TEST_F(ChangeTest, AFlushBringsItsContext) {
  CausalContext covered = CausalContext::up_to({b, 1'000'000});
  covered.add({b, 2'000'000});
  covered.add({c, 4});
  std::string payload;
  covered.encode(payload);
  Change change = raw_change("", payload);
  change.kind = ChangeKind::flush;
  change.slot = 16'383;
  const std::string batch = batch_of({&change, 1});
  auto reader = ChangeReader::open(batch);
  Change got;
  ASSERT_TRUE(reader->next(interned(*reader), got).value());
  EXPECT_EQ(got.slot, 16'383);
  CausalContext expected = CausalContext::up_to(there(Dot{b, 1'000'000}));
  expected.add(there(Dot{b, 2'000'000}));
  expected.add(there(Dot{c, 4}));
  EXPECT_EQ(CausalContext::decode(got.payload).value(), expected);
}

TEST_F(ChangeTest, WhatFlushesCoverIsNamedByADotOfIt) {
  std::string payload;
  CausalContext::up_to({b, 10}).encode(payload);
  Change change = raw_change("", payload);
  change.kind = ChangeKind::flushes;
  change.slot = 5;
  for (const uint64_t n : {10U, 11U}) {
    change.dot = {b, n};
    const std::string batch = batch_of({&change, 1});
    auto reader = ChangeReader::open(batch);
    Change got;
    const auto read = reader->next(interned(*reader), got);
    ASSERT_EQ(read.has_value(), n == 10) << "a dot that is not covered";
    if (!read) continue;
    EXPECT_EQ(got.kind, ChangeKind::flushes);
    EXPECT_EQ(got.slot, 5);
    EXPECT_EQ(CausalContext::decode(got.payload).value(), CausalContext::up_to(there(Dot{b, 10})));
  }
}

TEST_F(ChangeTest, AWriterBeginsAnew) {
  ChangeWriter writer(here_);
  writer.add(raw_change("k", "v"));
  std::string first, second;
  writer.finish(first);
  EXPECT_TRUE(writer.empty());
  writer.add(raw_change("k", "v"));
  writer.finish(second);
  EXPECT_EQ(first, second);
}

TEST_F(ChangeTest, CompactKindsMeanTheirDeltas) {
  const Dot old[] = {{b, 1}};
  Change change = raw_change("k", "v");
  change.superseded = old;
  change.expiry_ms = 9;
  Object before;
  before.elements.push_back({"", {}});
  before.elements.front().versions.push_back(
      {.dot = old[0], .hlc = 1, .payload = Blob::make("old")});
  EXPECT_EQ(delta_of(change).value(),
            write_string(before, change.dot, change.hlc, Blob::make("v"), 9));
  change.kind = ChangeKind::remove;
  EXPECT_EQ(delta_of(change).value(), erase(before, change.dot, change.hlc));
  change.kind = ChangeKind::counter;
  change.total = 12;
  change.expiry_ms = 0;
  change.superseded = {};
  EXPECT_EQ(delta_of(change).value(), increment({}, here_, change.dot, change.hlc, 12)->delta);
  change.kind = ChangeKind::delta;
  change.payload = "nonsense";
  EXPECT_FALSE(delta_of(change));
}

// Reads all of it; whether it was whole.
bool read_all(std::string_view batch) {
  auto reader = ChangeReader::open(batch);
  if (!reader) return false;
  std::vector<ActorId> handles;
  for (size_t i = 0; i < reader->actors().size(); ++i) {
    handles.push_back(static_cast<ActorId>(i + 10));
  }
  Change change;
  for (;;) {
    const auto more = reader->next(handles, change);
    if (!more) {
      EXPECT_FALSE(reader->next(handles, change).value()) << "an error ends the batch";
      return false;
    }
    if (!*more) return true;
  }
}

TEST_F(ChangeTest, ACutBatchIsRefusedUnlessTheCutIsBetweenChanges) {
  const Dot old[] = {{b, 1}};
  std::vector<Change> sent = {raw_change("one", "value"), raw_change("two", "value")};
  sent[1].superseded = old;
  const std::string batch = batch_of(sent);
  ASSERT_TRUE(read_all(batch));
  size_t whole = 0;
  for (size_t size = 0; size < batch.size(); ++size) whole += read_all(batch.substr(0, size));
  EXPECT_EQ(whole, 2) << "after the actors, after the first change";
}

TEST_F(ChangeTest, ChangedBytesNeverReadBeyondTheBatch) {
  std::mt19937_64 random(4);
  const Dot old[] = {{b, 1}};
  std::string payload;
  write_string({}, {a, 7}, 7, Blob::make("text"), 5).encode(payload);
  std::vector<Change> sent = {raw_change("one", "value"), raw_change("two", payload)};
  sent[0].superseded = old;
  sent[1].kind = ChangeKind::delta;
  const std::string batch = batch_of(sent);
  size_t refused = 0;
  for (int i = 0; i < 20'000; ++i) {
    std::string changed = batch;
    for (uint64_t times = 1 + random() % 3; times > 0; --times) {
      changed[random() % changed.size()] = static_cast<char>(random());
    }
    refused += !read_all(changed);
  }
  EXPECT_GT(refused, 1000);
}

TEST_F(ChangeTest, RefusesWhatNoWriterWrites) {
  const Change plain = raw_change("k", "v");
  const std::string batch = batch_of({&plain, 1});
  ASSERT_TRUE(read_all(batch));
  const size_t body = 1 + 1 + sizeof(NodeId) + 1;
  const auto with = [&](size_t at, char byte) {
    std::string changed = batch;
    changed[at] = byte;
    return read_all(changed);
  };
  EXPECT_FALSE(with(0, 2)) << "format";
  EXPECT_FALSE(with(body, 6)) << "kind";
  EXPECT_FALSE(with(body, '\x80')) << "flag";
  EXPECT_FALSE(with(body + 2, 1)) << "an actor that is not named";
  EXPECT_FALSE(with(body + 3, 0)) << "dot 0";
  EXPECT_FALSE(with(body + 11, '\xff')) << "HLC";
  std::string twice = batch;
  twice[1] = 2;
  twice.insert(2, batch.substr(2, sizeof(NodeId) + 1));
  EXPECT_FALSE(read_all(twice)) << "an actor named twice";
}

}  // namespace
}  // namespace quorate::object
