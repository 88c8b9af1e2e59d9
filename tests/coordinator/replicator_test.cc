// What a Replicator does with replicas that cannot read, or do not answer. Whole clusters are in
// tests/sim.
#include "quorate/coordinator/replicator.h"

#include <gtest/gtest.h>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "quorate/coordinator/catch_up.h"
#include "quorate/coordinator/copy_waits.h"
#include "quorate/coordinator/shard_coordinator.h"

#include "coordinator/change_message.h"
#include "coordinator/replicator_rig.h"

namespace quorate::coordinator {
namespace {

using cluster::PeerCalls;
using object::NodeId;
using Verdict = Replicator::Verdict;

class ReplicatorTest : public ReplicatorRig {
 protected:
  // One of the other node, which has an actor.
  object::Change others_change(std::string_view name) {
    object::Change change;
    change.slot = object::key_slot(name);
    change.key = name;
    change.dot = {rig_.actors.intern({id_of(kOther), 1}), 1};
    return change;
  }
  // What this node answers when the other one sends it the change. `begin` precedes the batch.
  std::optional<Verdict> answer_to(std::string begin, const object::Change& change) {
    object::ChangeWriter writer(rig_.actors);
    writer.add(change);
    std::string message = std::move(begin);
    writer.finish(message);
    std::optional<Verdict> verdict;
    other_loop_->post([this, message, &verdict] {
      other_calls_->call(id_of(1), Replicator::kService, message, kSecond,
                         [&verdict](PeerCalls::Answer answer) {
                           if (answer && answer->size() == 1) {
                             verdict = static_cast<Verdict>(answer->front());
                           }
                         });
    });
    rig_.world.run_for(kSecond / 2);
    return verdict;
  }
  // What the changes of a message expect.
  std::vector<std::optional<uint64_t>> expected_in(std::string_view message) {
    auto reader = object::ChangeReader::open(decode_message(message)->batch);
    std::vector<object::ActorId> handles;
    for (const object::Actor& actor : reader->actors()) {
      handles.push_back(rig_.actors.intern(actor));
    }
    std::vector<std::optional<uint64_t>> expected;
    object::Change change;
    while (reader->next(handles, change).value_or(false)) expected.push_back(change.expected);
    return expected;
  }
};

TEST_F(ReplicatorTest, SettlesWhenTheReplicaHasIt) {
  answer_with(Verdict::applied);
  set("a", "1");
  rig_.world.run_for(100);
  EXPECT_FALSE(settled());
  rig_.world.run_for(kSecond);
  EXPECT_TRUE(settled());
  EXPECT_EQ(received_.size(), 1U);
  EXPECT_EQ(replicator_->statistics().changes_sent, 1U);
  EXPECT_EQ(replicator_->window().turns_given_up(), 0U);
}

TEST_F(ReplicatorTest, SendsAgainUntilTheReplicaIsThere) {
  set("a", "1");
  rig_.world.run_for(3 * kSecond);
  EXPECT_TRUE(settled());  // given up
  EXPECT_EQ(replicator_->window().turns_given_up(), 1U);
  answer_with(Verdict::applied);
  rig_.world.run_for(10 * kSecond);
  EXPECT_EQ(received_.size(), 1U);
  EXPECT_FALSE(replicator_->behind(id_of(kOther)));
}

TEST_F(ReplicatorTest, SendsAgainWhatCouldNotBeAppliedYet) {
  answer_with(Verdict::later);
  set("a", "1");
  rig_.world.run_for(kSecond);
  EXPECT_GE(received_.size(), 3U);
  EXPECT_FALSE(settled());
  answer_with(Verdict::applied);
  rig_.world.run_for(kSecond / 2);
  EXPECT_TRUE(settled());
  EXPECT_EQ(received_.front(), received_.back());
  EXPECT_EQ(replicator_->window().turns_given_up(), 0U);
}

TEST_F(ReplicatorTest, LetsAReplicaFallBehindThatCannotReadOrDoesNotKeepUp) {
  answer_with(Verdict::malformed);
  set("a", "1");
  rig_.world.run_for(kSecond);
  EXPECT_TRUE(replicator_->behind(id_of(kOther)));
  set("b", "2");
  rig_.world.run_for(kSecond);
  EXPECT_EQ(received_.size(), 1U);  // it hears no more
}

TEST_F(ReplicatorTest, KeepsNoMoreForASilentReplicaThanItMay) {
  answer_with(std::nullopt);
  for (int i = 0; i < 10; ++i) {
    set("key" + std::to_string(i), std::string(1000, 'v'));
    rig_.world.run_for(kSecond / 10);
  }
  EXPECT_TRUE(replicator_->behind(id_of(kOther)));
  EXPECT_LE(received_.size(), 5U);
}

TEST_F(ReplicatorTest, TellsThoseWhoWaitForCopies) {
  answer_with(Verdict::applied);
  CopyWaits waits(*rig_.shards[0].loop, *calls_, *replicator_);
  const uint16_t slot = object::key_slot("a");
  std::vector<std::pair<int, bool>> told;
  const auto wait = [&](int name, unsigned copies, uint64_t timeout_us) {
    rig_.shards[0].loop->post([&, name, copies, timeout_us] {
      waits.wait({{slot, copies}}, replicator_->turn_of_last_change(), timeout_us,
                 [&told, name](bool reached) { told.emplace_back(name, reached); });
    });
  };
  wait(1, 0, kSecond);
  set("a", "1");
  wait(2, 1, kSecond);
  wait(3, 2, kSecond / 2);
  wait(4, 2, kSecond / 4);
  rig_.world.run_for(kSecond / 5);
  EXPECT_EQ(told, (std::vector<std::pair<int, bool>>{{1, true}, {2, true}}));
  EXPECT_EQ(waits.size(), 2U);
  wait(5, 1, kSecond);
  rig_.world.run_for(kSecond / 2);
  told.erase(told.begin(), told.begin() + 2);
  EXPECT_EQ(told, (std::vector<std::pair<int, bool>>{{5, true}, {4, false}, {3, false}}));
  EXPECT_EQ(waits.size(), 0U);
}

// What is changed under a lower W needs no more than that.
TEST_F(ReplicatorTest, ATurnNeedsWhatItsChangesNeed) {
  set("a", "1");
  rig_.shards[0].loop->post([&] { replicator_->lower_write_quorum(1); });
  set("a", "2");
  rig_.shards[0].loop->post(
      [&] { replicator_->lower_write_quorum(Replicator::kWriteQuorumOfCluster); });
  rig_.world.run_for(kSecond / 100);
  EXPECT_FALSE(settled()) << "one of them is the cluster's";
  rig_.world.run_for(3 * kSecond);
  EXPECT_TRUE(settled());
  EXPECT_EQ(replicator_->window().turns_given_up(), 1U);
  rig_.shards[0].loop->post([&] { replicator_->lower_write_quorum(1); });
  set("a", "3");
  rig_.world.run_for(kSecond / 100);
  EXPECT_TRUE(settled());
  EXPECT_EQ(replicator_->copies(object::key_slot("a"), replicator_->turn_of_last_change()), 0U);
}

// What it was not sent must not count as its by an acknowledgement of what came after.
TEST_F(ReplicatorTest, WhoFellBehindAcknowledgesOnlyWhatItWasSent) {
  answer_with(std::nullopt);
  auto progress = CatchUp::Answer::working;
  other_calls_->serve(CatchUp::kService,
                      [&progress](const NodeId&, std::string_view, PeerCalls::Reply reply) {
                        const char byte = static_cast<char>(progress);
                        reply({&byte, 1});
                      });
  rig_.world.run_for(3 * kSecond);
  const uint16_t slot = object::key_slot("a");
  set("a", std::string(5000, 'v'));
  rig_.world.run_for(kSecond / 10);
  ASSERT_TRUE(replicator_->behind(id_of(kOther)));
  const uint64_t dropped = replicator_->turn_of_last_change();
  rig_.world.run_for(kSecond + kSecond / 5);
  answer_with(Verdict::applied);
  set("a", "2");
  rig_.world.run_for(kSecond / 10);
  const uint64_t sent = replicator_->turn_of_last_change();
  ASSERT_GT(sent, dropped);
  EXPECT_EQ(replicator_->copies(slot, sent), 1U);
  EXPECT_EQ(replicator_->copies(slot, dropped), 0U);
  EXPECT_FALSE(settled());
  rig_.world.run_for(2 * kSecond);
  EXPECT_EQ(replicator_->window().turns_given_up(), 1U);
  EXPECT_EQ(replicator_->copies(slot, dropped), 0U);
  progress = CatchUp::Answer::done;
  rig_.world.run_for(2 * kSecond);
  EXPECT_FALSE(replicator_->behind(id_of(kOther)));
  EXPECT_EQ(replicator_->copies(slot, dropped), 1U);
}

TEST_F(ReplicatorTest, HasNoRoomWhileHalfOfWhatMayWaitDoes) {
  answer_with(Verdict::applied);
  set("a", "connects");
  rig_.world.run_for(kSecond);
  network_.set_delay(kOther, {kSecond / 5, kSecond / 5});
  const uint16_t slot = object::key_slot("a");
  int told = 0;
  replicator_->on_room([&] { ++told; });
  EXPECT_TRUE(replicator_->has_room(slot));
  bool in_turn = true;
  set("a", std::string(3000, 'v'));
  rig_.shards[0].loop->post([&] { in_turn = replicator_->has_room(slot); });
  rig_.world.run_for(kSecond / 10);
  EXPECT_FALSE(in_turn) << "what the turn has changed counts before it is sent";
  EXPECT_FALSE(replicator_->has_room(slot));
  EXPECT_EQ(told, 0);
  rig_.world.run_for(kSecond / 2);
  EXPECT_EQ(told, 1);
  EXPECT_TRUE(replicator_->has_room(slot));
  set("a", "small");
  rig_.world.run_for(kSecond);
  EXPECT_EQ(told, 1) << "nobody has asked since";
}

// It is let fall behind, instead of holding up the others.
TEST_F(ReplicatorTest, DoesNotWaitForWhoDoesNotKeepUpAtAll) {
  answer_with(std::nullopt);
  set("a", std::string(3000, 'v'));
  rig_.world.run_for(kSecond);
  const uint16_t slot = object::key_slot("a");
  EXPECT_FALSE(replicator_->has_room(slot));
  rig_.world.run_for(kSecond);
  EXPECT_TRUE(replicator_->has_room(slot)) << "it has acknowledged nothing for long";
  EXPECT_FALSE(replicator_->behind(id_of(kOther)));
}

TEST_F(ReplicatorTest, DoesNotWaitForWhoIsDown) {
  answer_with(std::nullopt);
  set("a", std::string(3000, 'v'));
  rig_.world.run_for(kSecond / 10);
  const uint16_t slot = object::key_slot("a");
  EXPECT_FALSE(replicator_->has_room(slot));
  auto map = std::make_shared<ReplicaMap>(*map_of(1));
  map->down = {true};
  replicator_->set_map(map);
  EXPECT_TRUE(replicator_->has_room(slot));
}

// More changes than are brought to hand together, of every kind that travels by itself and one that
// does not, each key several times: whatever is grouped, every key ends as its last change says.
TEST_F(ReplicatorTest, AppliesLongBatches) {
  constexpr unsigned kChanges = 103, kKeys = 7;
  const object::ActorId actor = rig_.actors.intern({id_of(kOther), 1});
  object::ChangeWriter writer(rig_.actors);
  std::map<std::string, std::pair<object::Dot, std::string>> expected;
  for (unsigned i = 0; i < kChanges; ++i) {
    const std::string name = "{tag}" + std::to_string(i % kKeys);
    const std::string value = "value " + std::to_string(i);
    object::Change change;
    change.kind = i % 5 == 4 ? object::ChangeKind::remove : object::ChangeKind::raw;
    change.dot = {actor, i + 1};
    change.hlc = (i + 1) << 20;
    change.key = name;
    change.slot = object::key_slot(name);
    if (change.kind == object::ChangeKind::raw) change.payload = value;
    const auto before = expected.find(name);
    std::string encoded;
    if (before != expected.end()) change.superseded = {&before->second.first, 1};
    if (i % 11 == 10) {  // as a whole state
      object::Delta delta = *object::delta_of(change);
      delta.change.seen.join(delta.dots);
      delta.encode(encoded);
      change.kind = object::ChangeKind::state;
      change.payload = encoded;
      change.superseded = {};
    }
    writer.add(change);
    expected[name] = {change.dot, i % 5 == 4 ? "" : value};
  }
  std::string batch;
  writer.finish(batch);
  std::optional<Verdict> verdict;
  ShardRig::Shard& shard = rig_.shards[0];
  shard.loop->post(
      [&] { replicator_->take(NodeId{}, batch, [&](Replicator::Verdict of) { verdict = of; }); });
  rig_.world.run_for(kSecond);
  EXPECT_EQ(verdict, Verdict::applied);
  EXPECT_EQ(replicator_->statistics().changes_applied, kChanges);
  for (const auto& [name, last] : expected) {
    const storage::Entry* const entry = shard.store->find(rig_.key(name));
    ASSERT_NE(entry, nullptr) << name;
    EXPECT_EQ(entry->dot(), last.first) << name;
    EXPECT_EQ(entry->form() == storage::Form::tombstone, last.second.empty()) << name;
    EXPECT_EQ(entry->payload(), last.second) << name;
  }
}

// How a message begins that says nothing of its place and carries no answers.
std::string head_of(uint64_t promise, const std::vector<uint16_t>& slots) {
  std::string bytes;
  encode_head({promise, slots, {}, {}, {}}, bytes);
  return bytes;
}

std::string begin_of(uint64_t number, const std::vector<uint16_t>& slots) {
  std::string bytes;
  object::ByteWriter out(bytes);
  out.varint(number);
  out.varint(slots.size());
  for (const uint16_t slot : slots) out.varint(slot);
  return bytes;
}

TEST_F(ReplicatorTest, CountsOnlyPromisedCopiesOfWhatNobodyRead) {
  promises_.number = 12345;
  answer_with(Verdict::applied);
  set("a", "1", true);
  rig_.world.run_for(kSecond);
  ASSERT_EQ(received_.size(), 1U);
  EXPECT_TRUE(received_[0].starts_with(begin_of(12345, {rig_.key("a").slot})));
  EXPECT_TRUE(settled());
  EXPECT_EQ(replicator_->window().turns_given_up(), 0U);

  answer_with(Verdict::unpromised);
  set("a", "2", true);
  rig_.world.run_for(kSecond / 2);
  EXPECT_TRUE(settled());
  EXPECT_EQ(replicator_->window().turns_given_up(), 1U);
  EXPECT_EQ(promises_.broken, (std::vector{std::pair(id_of(kOther), uint64_t{12345})}));
  EXPECT_EQ(replicator_->facts_of(id_of(kOther)).unacknowledged_bytes, 0U);

  answer_with(Verdict::applied);
  set("a", "3");
  rig_.world.run_for(kSecond / 2);
  ASSERT_EQ(received_.size(), 3U);
  EXPECT_TRUE(received_[2].starts_with(begin_of(0, {})));
  EXPECT_EQ(replicator_->window().turns_given_up(), 1U);
}

TEST_F(ReplicatorTest, AReplicaThatPromisedNothingCountsForNothingRelied) {
  answer_with(Verdict::applied);
  set("a", "1", true);
  rig_.world.run_for(kSecond);
  ASSERT_EQ(received_.size(), 1U);
  EXPECT_TRUE(received_[0].starts_with(begin_of(0, {})));
  EXPECT_TRUE(settled());
  EXPECT_EQ(replicator_->window().turns_given_up(), 1U);
}

TEST_F(ReplicatorTest, SaysWhetherItKeepsItsPromise) {
  answer_with(Verdict::applied);
  const std::string name = "key";
  object::Change change = others_change(name);
  std::vector<std::optional<Verdict>> verdicts;
  for (uint64_t n = 1; n <= 3; ++n) {
    change.dot.n = n;
    promises_.keeps = n == 2;
    const std::vector<uint16_t> slots = {change.slot, 9};
    verdicts.push_back(answer_to(n == 1 ? head_of(0, {}) : head_of(7, slots), change));
  }
  EXPECT_EQ(verdicts, (std::vector<std::optional<Verdict>>{Verdict::applied, Verdict::applied,
                                                           Verdict::unpromised}));
  const std::pair<uint64_t, std::vector<uint16_t>> question{7, {change.slot, 9}};
  EXPECT_EQ(promises_.asked, (std::vector{question, question}));
  EXPECT_EQ(promises_.came.size(), 3U);
  for (const auto& came : promises_.came) EXPECT_EQ(came, std::pair(name, id_of(kOther)));
}

// ---- what was read before

TEST_F(ReplicatorTest, ExpectsOnTheReplicaWhatWasReadHere) {
  answer_with(Verdict::applied);
  set("a", "1");
  rig_.world.run_for(kSecond);
  ShardRig::Shard& shard = rig_.shards[0];
  uint64_t before = 0;
  shard.loop->post([&] {
    before = replicator_->digests().of_versions(rig_.key("a"));
    replicator_->expect(rig_.key("a"), [&] {
      for (const char* const name : {"other", "a", "a"}) {
        KeyRef ref = shard.coordinator->keys().open(rig_.key(name));
        shard.coordinator->keys().put(ref, "2", 0);
      }
    });
    KeyRef ref = shard.coordinator->keys().open(rig_.key("a"));
    shard.coordinator->keys().put(ref, "3", 0);
  });
  verdict_ = Verdict::unexpected;
  rig_.world.run_for(kSecond / 2);
  ASSERT_EQ(received_.size(), 2U);
  EXPECT_NE(before, 0U);
  using Expected = std::vector<std::optional<uint64_t>>;
  EXPECT_EQ(expected_in(received_[1]),
            (Expected{std::nullopt, before, std::nullopt, std::nullopt}));
  // It has the change, which counts for nothing, and nothing else is wrong with it.
  EXPECT_EQ(replicator_->window().turns_given_up(), 1U);
  EXPECT_TRUE(settled());
  EXPECT_TRUE(promises_.broken.empty());
  EXPECT_EQ(replicator_->facts_of(id_of(kOther)).unacknowledged_bytes, 0U);
}

TEST_F(ReplicatorTest, SaysWhetherAKeyWasAsExpected) {
  answer_with(Verdict::applied);
  object::Change change = others_change("key");
  change.expected = 0;  // nobody knows it
  EXPECT_EQ(answer_to(head_of(0, {}), change), Verdict::applied);
  // Sent again, it meets itself.
  EXPECT_EQ(answer_to(head_of(0, {}), change), Verdict::unexpected);

  change.expected = replicator_->digests().of_versions(rig_.key("key"));
  change.dot.n = 2;
  EXPECT_EQ(answer_to(head_of(0, {}), change), Verdict::applied);
  set("key", "own");
  rig_.world.run_for(kSecond / 2);
  change.expected = change.expected.value() + 1;
  change.dot.n = 3;
  EXPECT_EQ(answer_to(head_of(0, {}), change), Verdict::unexpected);
  EXPECT_EQ(promises_.came.size(), 4U);  // all were applied

  promises_.keeps = false;
  EXPECT_EQ(answer_to(head_of(7, {change.slot}), change), Verdict::unpromised);
}

TEST_F(ReplicatorTest, RefusesGarbageFromOthers) {
  answer_with(Verdict::applied);
  std::vector<int> verdicts;
  for (const std::string& garbage :
       {std::string(), std::string("\x07\xff\xff\xff\xff"), std::string(100, '\x01'),
        head_of(1, {16384}), head_of(0, {})}) {
    other_loop_->post([this, garbage, &verdicts] {
      other_calls_->call(id_of(1), Replicator::kService, garbage, kSecond,
                         [&verdicts](PeerCalls::Answer answer) {
                           verdicts.push_back(answer && answer->size() == 1 ? answer->front() : -1);
                         });
    });
    rig_.world.run_for(kSecond / 2);
  }
  const int malformed = static_cast<int>(Verdict::malformed);
  EXPECT_EQ(verdicts, std::vector<int>(5, malformed));
  EXPECT_EQ(replicator_->statistics().refused, 5U);
}

// A flush that does not cover all that is here loads the keys that left memory, a part at a time.
TEST_F(ReplicatorTest, AppliesAFlushToKeysThatAreNotInMemory) {
  constexpr int kKeys = 600;
  storage::ShardStore& store = *rig_.shards[0].store;
  store.set_keeps_tombstones(true);
  const object::ActorId other = rig_.actors.intern({id_of(kOther), 1});
  const auto take = [&](const std::string& batch) {
    std::optional<Verdict> verdict;
    rig_.shards[0].loop->post(
        [&] { replicator_->take(NodeId{}, batch, [&](Replicator::Verdict of) { verdict = of; }); });
    rig_.run_until([&] { return verdict.has_value(); });
    EXPECT_EQ(verdict, Verdict::applied);
  };
  object::ChangeWriter writer(rig_.actors);
  std::string batch;
  for (int i = 1; i <= kKeys; ++i) {
    const std::string name = std::to_string(i) + "{a}";
    object::Change change;
    change.slot = object::key_slot(name);
    change.dot = {other, static_cast<uint64_t>(i)};
    change.key = name;
    change.payload = "value";
    writer.add(change);
  }
  writer.finish(batch);
  take(batch);
  set("own{a}", "1");
  rig_.checkpoint();
  store.settings().memory_bytes_max = 1;
  for (int i = 0; i < 20; ++i) {
    rig_.shards[0].loop->post([] {});
    rig_.world.run_for(1'000);
  }
  store.settings().memory_bytes_max = 0;
  ASSERT_EQ(store.cold_rows(), kKeys + 1U);
  object::CausalContext covered = object::CausalContext::up_to({other, kKeys + 1});
  std::string context;
  covered.encode(context);
  object::Change flush;
  flush.kind = object::ChangeKind::flush;
  flush.slot = object::key_slot("{a}");
  flush.dot = {other, kKeys + 1};
  flush.payload = context;
  EXPECT_TRUE(store.flush_needs_keys(flush));
  batch.clear();
  writer.add(flush);
  writer.finish(batch);
  take(batch);
  EXPECT_EQ(store.keys(0), 1U);
  EXPECT_TRUE(store.clocks().covers(flush.slot, flush.dot));
  EXPECT_FALSE(store.pinned(flush.slot));
}

}  // namespace
}  // namespace quorate::coordinator
