// SCAN's promise under everything that moves keys: what is there from the first call to the last is
// answered at least once, and an iteration ends.
#include <gtest/gtest.h>
#include <set>

#include "redis/command_harness.h"
#include "redis/reply_text.h"
#include "redis/scan_client.h"

namespace quorate::redis {
namespace {

struct Setup {
  unsigned shards;
  uint64_t seed;
};

class ScanGuarantee : public testing::TestWithParam<Setup> {
 protected:
  static constexpr unsigned kTaggedKeys = 600, kOtherKeys = 150, kChurnKeys = 150;

  ScanGuarantee() : random_(runtime::make_seeded_random(GetParam().seed)) {
    for (unsigned i = 0; i < kTaggedKeys; ++i) stable_.insert("{tag}" + std::to_string(i));
    for (unsigned i = 0; i < kOtherKeys; ++i) stable_.insert("key" + std::to_string(i));
    for (const std::string& key : stable_) set(key);
    for (unsigned i = 0; i < kChurnKeys; ++i) set(churn_key(i));
  }

  static std::string churn_key(uint64_t i) {
    return (i % 2 == 0 ? "{tag}churn" : "churn") + std::to_string(i);
  }
  void set(const std::string& key) { EXPECT_EQ(other_->run({"SET", key, "value"}), kOk); }
  const std::string& some_stable_key() {
    return *std::next(stable_.begin(), static_cast<ptrdiff_t>(random_->below(stable_.size())));
  }

  // About half of the keys in memory leave it, as soon as they are clean.
  void press_memory(bool on) {
    constexpr uint64_t kBytesPerKey = 80;
    for (const coordinator::ShardRig::Shard& shard : harness_.rig().shards) {
      shard.loop->post([on, store = shard.store.get()] {
        const uint64_t wanted = store->memory_bytes() - store->table().size() * kBytesPerKey / 2;
        // A part of the limit is kept free.
        store->settings().memory_bytes_max = on ? wanted / 7 * 8 : 0;
      });
    }
  }
  void begin_checkpoint() {
    for (const coordinator::ShardRig::Shard& shard : harness_.rig().shards) {
      shard.loop->post([store = shard.store.get()] { store->checkpoint(nullptr); });
    }
  }

  // One thing that may happen while somebody iterates; its reply is not waited for.
  void disturb() {
    switch (random_->below(7)) {
      case 0:
        return other_->send({"SET", churn_key(random_->below(kChurnKeys)), "other"});
      case 1:
        return other_->send({"DEL", churn_key(random_->below(kChurnKeys))});
      case 2:
        return other_->send({"GET", some_stable_key()});
      case 3:
        return other_->send({"APPEND", some_stable_key(), "x"});
      case 4:
        return press_memory(true);
      case 5:
        return press_memory(false);
      default:
        return begin_checkpoint();
    }
  }

  uint64_t demoted() const {
    uint64_t keys = 0;
    for (const auto& shard : harness_.rig().shards) keys += shard.store->statistics().demoted_keys;
    return keys;
  }

  // A whole iteration with disturbances before and during each call.
  std::set<std::string> iterate() {
    ScanClient client(harness_, {"COUNT", std::to_string(1 + random_->below(50))});
    std::set<std::string> seen;
    uint64_t before = 0;
    while (!client.ended()) {
      for (uint64_t i = random_->below(4); i > 0; --i) disturb();
      if (random_->below(2) == 0) harness_.rig().world.run_for(random_->below(5'000));
      harness_.connection().send(client.request());
      for (uint64_t i = random_->below(8); i > 0; --i) {
        harness_.rig().world.run_for(random_->below(300));
        disturb();
      }
      for (const std::string& key : client.take(harness_.connection().reply())) seen.insert(key);
      if (client.ended()) break;
      const uint64_t cursor = std::stoull(client.cursor());
      EXPECT_GT(cursor, before) << "this may never end";
      before = cursor;
    }
    return seen;
  }

  mutable CommandHarness harness_{
      coordinator::ShardRigOptions{.shards = GetParam().shards, .seed = GetParam().seed}};
  std::unique_ptr<Connection> other_ = harness_.connect(0);
  std::unique_ptr<runtime::Random> random_;
  std::set<std::string> stable_;
};

INSTANTIATE_TEST_SUITE_P(Seeds, ScanGuarantee,
                         testing::Values(Setup{1, 1}, Setup{1, 2}, Setup{3, 3}, Setup{3, 4}),
                         [](const auto& info) {
                           return std::to_string(info.param.shards) + "Shards" +
                                  std::to_string(info.param.seed);
                         });

TEST_P(ScanGuarantee, EveryKeyThatStaysIsAnswered) {
  for (int round = 0; round < 3; ++round) {
    const std::set<std::string> seen = iterate();
    for (const std::string& key : stable_) EXPECT_TRUE(seen.contains(key)) << key;
    for (const std::string& key : seen) {
      EXPECT_TRUE(stable_.contains(key) || key.find("churn") != std::string::npos) << key;
    }
    if (HasFailure()) return;
  }
  EXPECT_GT(demoted(), 0u) << "nothing left memory: this shows less than it should";
}

TEST_P(ScanGuarantee, ARemovedKeyIsNotAnsweredAgain) {
  begin_checkpoint();
  harness_.settle();
  press_memory(true);
  harness_.settle();
  EXPECT_GT(demoted(), 0u);
  const std::string gone = "{tag}7";
  EXPECT_EQ(other_->run({"DEL", gone}), integer(1));
  for (int round = 0; round < 3; ++round) {
    ScanClient client(harness_, {"COUNT", "50"});
    size_t answered = 0;
    while (!client.ended()) {
      for (const std::string& key : client.next()) {
        EXPECT_NE(key, gone);
        ++answered;
      }
      if (round == 1) begin_checkpoint();
    }
    EXPECT_EQ(answered, stable_.size() + kChurnKeys - 1) << "each key once when nothing moves";
  }
}

TEST_P(ScanGuarantee, KeysAnswersAllOfThem) {
  begin_checkpoint();
  press_memory(true);
  harness_.connection().send(Words{"KEYS", "*"});
  for (int i = 0; i < 50; ++i) {
    harness_.rig().world.run_for(200);
    disturb();
  }
  const std::vector<std::string> keys = bulks(harness_.connection().reply());
  const std::set<std::string> seen(keys.begin(), keys.end());
  for (const std::string& key : stable_) EXPECT_TRUE(seen.contains(key)) << key;
}

}  // namespace
}  // namespace quorate::redis
