// Replicas that missed changes get them from another one's slots, whatever goes wrong meanwhile.
//
// What each node holds is asked of its store, never read through the quorum, which would mend it.
#include <algorithm>
#include <functional>
#include <gtest/gtest.h>
#include <set>
#include <string>
#include <vector>

#include "quorate/object/change.h"
#include "quorate/storage/stored_object.h"

#include "redis/reply_text.h"
#include "sim/seeds.h"
#include "sim/sim_cluster.h"

namespace quorate::sim {
namespace {

using object::CausalContext;

class RepairTest : public testing::Test {
 protected:
  void start(uint64_t seed, unsigned nodes, cluster::Quorum quorum = {}) {
    names_.clear();
    slots_.clear();
    random_ = runtime::make_seeded_random(seed * 77 + 5);
    cluster_ = std::make_unique<SimCluster>(seed, nodes, quorum);
    cluster_->options().policy = storage::SyncPolicy::always;
    cluster_->options().store.checkpoint_whole_slot_keys = seed % 2 == 0 ? 1024 : 0;
    // So that little is enough for everything to happen.
    cluster_->options().replicator.unacknowledged_bytes_max = queue_bytes_;
    cluster_->options().replicator.recent_dots = 12;
    cluster_->options().source.page_keys = 2;
    cluster_->options().settles = settles_;
    ASSERT_NO_FATAL_FAILURE(cluster_->start());
    ASSERT_TRUE(wait_until([&] { return all_met(); }));
    pass(5'000'000);  // … and have heard so from each other
  }
  bool all_met() {
    for (unsigned node = 0; node < cluster().size(); ++node) {
      for (unsigned other = 0; other < cluster().size(); ++other) {
        if (node == other) continue;
        const auto id = cluster().node(other).identity().node;
        if (!part(node).catch_up().has_met(id)) return false;
      }
    }
    return true;
  }
  SimCluster& cluster() { return *cluster_; }
  void pass(uint64_t us) { cluster().world().run_for(us); }
  uint64_t below(uint64_t bound) { return random_->below(bound); }
  // Until it is so, for a minute at most.
  bool wait_until(const std::function<bool()>& done) {
    cluster().world().run_until(done, cluster().world().now_us() + kPatienceUs);
    return done();
  }
  bool running(unsigned node) { return cluster().node(node).running(); }
  storage::ShardStore& store(unsigned node) { return *cluster().node(node).shards()[0].store; }
  coordinator::ShardCluster& part(unsigned node) {
    return *cluster().node(node).shards()[0].cluster;
  }
  // Names of keys of few slots.
  void use(int tags, int keys) {
    for (int tag = 0; tag < tags; ++tag) {
      for (int i = 0; i < keys; ++i) {
        names_.push_back("k" + std::to_string(i) + "{" + std::to_string(tag) + "}");
        slots_.insert(object::key_slot(names_.back()));
      }
    }
  }
  void in_turn(unsigned node, runtime::Task task) {
    cluster().node(node).shards()[0].loop->post(std::move(task));
  }
  // Clean entries leave the node's memory.
  void squeeze(unsigned node) {
    bool done = false;
    in_turn(node, [&] { store(node).checkpoint([&] { done = true; }); });
    ASSERT_TRUE(wait_until([&] { return done; }));
    store(node).settings().memory_bytes_max = 1;
    for (int i = 0; i < 5; ++i) {
      in_turn(node, [] {});
      pass(1'000);
    }
    store(node).settings().memory_bytes_max = 0;
  }
  void pull(unsigned to, unsigned from, uint16_t slot, repair::SlotPuller::Done done) {
    const auto id = cluster().node(from).identity().node;
    in_turn(to, [this, to, id, slot, done = std::move(done)]() mutable {
      part(to).puller().pull(slot, id, std::move(done));
    });
  }
  std::string dots_text(unsigned node, const CausalContext& dots) {
    std::set<std::string> runs;
    for (const auto& run : dots.runs()) {
      const object::Actor& actor = *cluster().node(node).identity().actors.actor(run.actor);
      runs.insert(object::node_id_text(actor.node).substr(0, 4) + "." +
                  std::to_string(actor.epoch) + ":" + std::to_string(run.first) + "-" +
                  std::to_string(run.last));
    }
    std::string text;
    for (const std::string& run : runs) text += run + " ";
    return text;
  }
  // What the node shows of the key, the same text on every node that shows the same.
  std::string shown(unsigned node, const std::string& name) {
    const auto key = object::Key::of(name, 0, SimNode::kClusterHashSeed);
    std::string text = "(not loaded)";
    in_turn(node, [&] {
      const auto look = [&, key](const runtime::Status& status) {
        ASSERT_TRUE(status);
        text.clear();
        const storage::Entry* entry = store(node).find(key);
        if (entry == nullptr) return;
        std::set<std::string> versions;
        const object::Object object = storage::object_of(entry->state());
        for (const auto& element : object.elements) {
          for (const auto& version : element.versions) {
            CausalContext dot{version.dot};
            versions.insert(dots_text(node, dot) + std::string(version.payload.view()));
          }
        }
        for (const std::string& version : versions) text += version + "|";
      };
      if (store(node).needs_load(key)) return store(node).load(key, look);
      look({});
    });
    wait_until([&] { return text != "(not loaded)"; });
    return text;
  }
  void expect_same() {
    for (unsigned node = 1; node < cluster().size(); ++node) {
      for (const std::string& name : names_) {
        ASSERT_EQ(shown(node, name), shown(0, name)) << "node " << node << ", key " << name;
      }
      for (const uint16_t slot : slots_) {
        ASSERT_EQ(dots_text(node, store(node).clocks().clock(slot)),
                  dots_text(0, store(0).clocks().clock(slot)))
            << "node " << node << ", slot " << slot;
      }
    }
  }
  void restart_all() {
    for (unsigned node = 0; node < cluster().size(); ++node) {
      if (running(node)) cluster().crash(node);
      ASSERT_NO_FATAL_FAILURE(cluster().start(node));
    }
    pass(3'000'000);
  }

  size_t queue_bytes_ = 4096;
  bool settles_ = false;  // what is tried here is not to be done by something else
  std::unique_ptr<SimCluster> cluster_;
  std::unique_ptr<runtime::Random> random_;
  std::vector<std::string> names_;
  std::set<uint16_t> slots_;
};

// More than the queues of the others keep.
TEST_F(RepairTest, ANodeThatWasAwayForLongGetsItAll) {
  ASSERT_NO_FATAL_FAILURE(start(1, 3));
  use(10, 12);
  const std::string value(600, 'v');
  for (const std::string& name : names_) {
    ASSERT_EQ(cluster().run(0, {"SET", name, "old" + value}), redis::kOk);
  }
  pass(1'000'000);
  cluster().part({2}, {0, 1});
  pass(1'000'000);
  for (size_t i = 0; i < names_.size(); ++i) {
    if (i % 3 == 0) {
      ASSERT_EQ(cluster().run(0, {"DEL", names_[i]}), redis::integer(1));
    } else if (i % 3 == 1) {
      ASSERT_EQ(cluster().run(0, {"SET", names_[i], "new" + value}), redis::kOk);
    }
  }
  const auto away = cluster().node(2).identity().node;
  EXPECT_TRUE(part(0).replicator().behind(away));
  EXPECT_TRUE(part(1).replicator().behind(away));
  cluster().heal();
  pass(SimCluster::kDetectionUs);
  // Live changes while it catches up.
  for (size_t i = 2; i < names_.size(); i += 3) {
    pass(50'000);
    ASSERT_EQ(cluster().run(1, {"SET", names_[i], "live" + value}), redis::kOk);
  }
  pass(20'000'000);
  EXPECT_FALSE(part(0).replicator().behind(away));
  EXPECT_FALSE(part(1).replicator().behind(away));
  EXPECT_GT(part(0).source().statistics().walks + part(1).source().statistics().walks, 0U);
  ASSERT_NO_FATAL_FAILURE(expect_same());
  for (size_t i = 0; i < names_.size(); ++i) {
    EXPECT_EQ(shown(2, names_[i]).empty(), i % 3 == 0) << names_[i];
  }
  ASSERT_NO_FATAL_FAILURE(restart_all());
  expect_same();
}

TEST_F(RepairTest, AFlushReachesWhoWasAwayForLong) {
  ASSERT_NO_FATAL_FAILURE(start(2, 3));
  constexpr size_t kTags = 8, kKeys = 10;
  use(kTags, kKeys);
  for (const std::string& name : names_) {
    ASSERT_EQ(cluster().run(0, {"SET", name, "old"}), redis::kOk);
  }
  pass(1'000'000);
  ASSERT_NO_FATAL_FAILURE(squeeze(2));
  cluster().part({2}, {0, 1});
  pass(1'000'000);
  in_turn(0, [this] { store(0).flush(0); });
  pass(1'000'000);
  for (size_t i = 0; i < 15 * kTags; ++i) {
    const std::string& name = names_[i % kTags * kKeys];
    ASSERT_EQ(cluster().run(0, {"SET", name, std::string(600, 'v')}), redis::kOk);
  }
  const auto away = cluster().node(2).identity().node;
  for (const unsigned node : {0U, 1U}) ASSERT_TRUE(part(node).replicator().behind(away));
  // Whoever has only heard of the flush, and what it saved of it, must be able to tell.
  for (const unsigned node : {0U, 1U}) ASSERT_NO_FATAL_FAILURE(squeeze(node));
  cluster().heal();
  pass(20'000'000);
  for (const unsigned node : {0U, 1U}) EXPECT_FALSE(part(node).replicator().behind(away));
  ASSERT_NO_FATAL_FAILURE(expect_same());
  for (size_t i = 0; i < names_.size(); ++i) {
    EXPECT_EQ(shown(2, names_[i]).empty(), i % kKeys != 0) << names_[i];
  }
}

TEST_F(RepairTest, AFewMissedChangesBringTheirKeysAlone) {
  ASSERT_NO_FATAL_FAILURE(start(3, 3));
  use(1, 30);
  for (const std::string& name : names_) {
    ASSERT_EQ(cluster().run(0, {"SET", name, "v"}), redis::kOk);
  }
  pass(1'000'000);
  cluster().part({2}, {0, 1});
  pass(1'000'000);
  ASSERT_EQ(cluster().run(0, {"SET", names_[3], "w"}), redis::kOk);
  const unsigned from = cluster().coordinator_of(0, names_[3]);
  const uint64_t sent = part(from).source().statistics().states_sent;
  // What was held back may come first.
  cluster().heal();
  bool done = false;
  pull(2, from, *slots_.begin(), [&](const runtime::Status& status) {
    EXPECT_TRUE(status);
    done = true;
  });
  ASSERT_TRUE(wait_until([&] { return done; }));
  EXPECT_LE(part(from).source().statistics().states_sent - sent, 1U);
  EXPECT_EQ(part(from).source().statistics().walks, 0U);
  expect_same();
}

TEST_F(RepairTest, ASettledSlotHasWhatTheOthersHave) {
  ASSERT_NO_FATAL_FAILURE(start(4, 3));
  use(1, 8);
  cluster().part({2}, {0, 1});
  pass(1'000'000);
  for (const std::string& name : names_) {
    ASSERT_EQ(cluster().run(0, {"SET", name, std::string(800, 'v')}), redis::kOk);
  }
  std::vector<std::string> outcomes;
  const auto settle = [&] {
    in_turn(2, [&] {
      part(2).settle(*slots_.begin(), [&](const runtime::Status& status) {
        outcomes.push_back(status ? "settled" : status.error().message);
      });
    });
  };
  settle();
  cluster().world().run_until([&] { return !outcomes.empty(); },
                              cluster().world().now_us() + 10 * kPatienceUs);
  ASSERT_EQ(outcomes.size(), 1U);
  EXPECT_NE(outcomes[0], "settled") << "there is nobody to ask";
  cluster().heal();
  pass(100'000);
  settle();
  ASSERT_TRUE(wait_until([&] { return outcomes.size() == 2; }));
  EXPECT_EQ(outcomes[1], "settled");
  for (const std::string& name : names_) EXPECT_EQ(shown(2, name), shown(0, name));
}

// A row that cannot be read may be of any key: what was fetched is kept, the clock stays.
TEST_F(RepairTest, ADamagedRowAtTheSourceProvesNothing) {
  ASSERT_NO_FATAL_FAILURE(start(5, 3));
  use(1, 20);
  const uint16_t slot = *slots_.begin();
  cluster().part({2}, {0, 1});
  pass(1'000'000);
  for (const std::string& name : names_) {
    ASSERT_EQ(cluster().run(0, {"SET", name, std::string(800, 'v')}), redis::kOk);
  }
  const unsigned from = cluster().coordinator_of(0, names_[0]);
  ASSERT_NO_FATAL_FAILURE(squeeze(from));
  cluster().node(from).rows().faults().damaged.insert(
      {slot, 0, object::key_hash(names_[7], SimNode::kClusterHashSeed)});
  cluster().heal();
  std::string outcome;
  pull(2, from, slot,
       [&](const runtime::Status& status) { outcome = status ? "done" : status.error().message; });
  ASSERT_TRUE(wait_until([&] { return !outcome.empty(); }));
  EXPECT_EQ(outcome, "the other replica cannot read all of the slot");
  EXPECT_NE(dots_text(2, store(2).clocks().clock(slot)),
            dots_text(from, store(from).clocks().clock(slot)));
  // It is asked to catch up until it has.
  const auto away = cluster().node(2).identity().node;
  pass(10'000'000);
  EXPECT_TRUE(part(from).replicator().behind(away));
  cluster().node(from).rows().faults().damaged.clear();
  EXPECT_TRUE(wait_until([&] { return !part(from).replicator().behind(away); }));
  expect_same();
}

TEST_F(RepairTest, ADamagedRowOfARecentChangeProvesNothing) {
  queue_bytes_ = 1000;
  ASSERT_NO_FATAL_FAILURE(start(6, 3));
  use(1, 2);
  const uint16_t slot = *slots_.begin();
  cluster().part({2}, {0, 1});
  pass(1'000'000);
  for (const std::string& name : names_) {
    ASSERT_EQ(cluster().run(0, {"SET", name, std::string(800, 'v')}), redis::kOk);
  }
  const unsigned from = cluster().coordinator_of(0, names_[0]);
  ASSERT_NO_FATAL_FAILURE(squeeze(from));
  cluster().node(from).rows().faults().damaged.insert(
      {slot, 0, object::key_hash(names_[1], SimNode::kClusterHashSeed)});
  cluster().heal();
  std::string outcome;
  pull(2, from, slot,
       [&](const runtime::Status& status) { outcome = status ? "done" : status.error().message; });
  ASSERT_TRUE(wait_until([&] { return !outcome.empty(); }));
  EXPECT_GT(part(from).source().statistics().recent_pages, 0U);
  EXPECT_EQ(part(from).source().statistics().walks, 0U);
  EXPECT_EQ(outcome, "the other replica cannot read all of the slot");
}

// Many pages of keys that are on the source's disk.
class WalkTest : public RepairTest {
 protected:
  void begin(uint64_t seed, unsigned nodes = 3, cluster::Quorum quorum = {}) {
    ASSERT_NO_FATAL_FAILURE(start(seed, nodes, quorum));
    use(1, 60);
    const unsigned away = nodes - 1;
    for (unsigned node = 0; node < away; ++node) cluster().part({away}, {node});
    pass(1'000'000);
    for (const std::string& name : names_) {
      ASSERT_EQ(cluster().run(0, {"SET", name, std::string(200, 'v')}), redis::kOk);
    }
    from_ = cluster().coordinator_of(0, names_[0]);
    ASSERT_NO_FATAL_FAILURE(squeeze(from_));
    cluster().heal();
    pull(away, from_, *slots_.begin(), [this](const runtime::Status& status) {
      outcome_ = status ? "done" : status.error().message;
    });
    ASSERT_TRUE(wait_until([&] { return part(away).puller().statistics().pages >= 5; }));
    ASSERT_EQ(outcome_, "");
  }
  void finish() {
    ASSERT_TRUE(wait_until([&] { return !outcome_.empty(); }));
    EXPECT_EQ(outcome_, "done");
    pass(30'000'000);
    ASSERT_NO_FATAL_FAILURE(expect_same());
    ASSERT_NO_FATAL_FAILURE(restart_all());
    expect_same();
  }

  const repair::SlotSource::Statistics& source() { return part(from_).source().statistics(); }

  unsigned from_ = 0;
  std::string outcome_;
};

TEST_F(WalkTest, GoesOnWhereItWasAfterABreak) {
  ASSERT_NO_FATAL_FAILURE(begin(20));
  cluster().part({2}, {from_});
  pass(2'000'000);
  EXPECT_EQ(outcome_, "");
  cluster().heal();
  ASSERT_TRUE(wait_until([&] { return !outcome_.empty(); }));
  // The answers that were lost are made again, two keys each.
  EXPECT_GT(source().walks, 0U);
  EXPECT_LE(source().states_sent, source().walks * names_.size() + 8);
  finish();
}

TEST_F(WalkTest, BeginsAgainWithAnotherLifeOfTheSource) {
  ASSERT_NO_FATAL_FAILURE(begin(21, 2, {2, 1, 1}));
  cluster().crash(from_);
  pass(500'000);
  ASSERT_NO_FATAL_FAILURE(cluster().start(from_));
  ASSERT_TRUE(wait_until([&] { return !outcome_.empty(); }));
  EXPECT_GE(source().states_sent, names_.size());
  finish();
}

TEST_F(WalkTest, TakesWhatIsFlushedMeanwhile) {
  ASSERT_NO_FATAL_FAILURE(begin(22));
  in_turn(from_, [this] { store(from_).flush(0); });
  ASSERT_NO_FATAL_FAILURE(finish());
  for (const std::string& name : names_) EXPECT_EQ(shown(2, name), "") << name;
}

TEST_F(WalkTest, TakesWhatChangesMeanwhile) {
  ASSERT_NO_FATAL_FAILURE(begin(23));
  for (size_t i = 0; i < names_.size(); i += 2) {
    ASSERT_EQ(cluster().run(from_, {"DEL", names_[i]}), redis::integer(1));
  }
  ASSERT_NO_FATAL_FAILURE(finish());
  for (size_t i = 0; i < names_.size(); ++i) {
    EXPECT_EQ(shown(2, names_[i]).empty(), i % 2 == 0) << names_[i];
  }
}

// What it had still to send to others went with it.
TEST_F(RepairTest, WhatANodeAloneAcknowledgedBeforeACrashReachesTheOthers) {
  ASSERT_NO_FATAL_FAILURE(start(7, 3, {3, 1, 1}));
  use(4, 5);
  cluster().part({0}, {1, 2});
  pass(1'000'000);
  for (const std::string& name : names_) {
    ASSERT_EQ(cluster().run(0, {"SET", name, "v"}), redis::kOk);
  }
  cluster().crash(0);
  cluster().heal();
  pass(1'000'000);
  ASSERT_NO_FATAL_FAILURE(cluster().start(0));
  pass(10'000'000);
  expect_same();
  for (const std::string& name : names_) EXPECT_NE(shown(1, name), "") << name;
}

// Nobody else knows that its disk lost what it had acknowledged.
TEST_F(RepairTest, WhatANodeLostWithItsPowerComesBack) {
  ASSERT_NO_FATAL_FAILURE(start(8, 3));
  cluster().options().policy = storage::SyncPolicy::no;
  for (unsigned node = 0; node < 3; ++node) {
    cluster().crash(node);
    ASSERT_NO_FATAL_FAILURE(cluster().start(node));
  }
  pass(5'000'000);
  use(4, 5);
  for (const std::string& name : names_) {
    ASSERT_EQ(cluster().run(0, {"SET", name, "v"}), redis::kOk);
  }
  pass(100'000);
  cluster().node(2).lose_power();
  pass(1'000'000);
  ASSERT_NO_FATAL_FAILURE(cluster().start(2));
  EXPECT_TRUE(std::ranges::any_of(names_, [&](const auto& name) { return shown(2, name).empty(); }))
      << "there was nothing to lose";
  pass(10'000'000);
  const auto other = cluster().node(0).identity().node;
  EXPECT_TRUE(part(2).catch_up().has_met(other));
  expect_same();
}

// Anything at any time: what all have in the end is the same, and the clocks say so. Nobody reads,
// and nobody is told to.
class History : public RepairTest {
 protected:
  void run(uint64_t seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    settles_ = seed % 2 == 1;
    ASSERT_NO_FATAL_FAILURE(start(seed, 3, {3, 1, 1}));
    use(3, 5);
    for (int i = 0; i < 250 && !HasFatalFailure(); ++i) step();
    cluster().heal();
    for (unsigned node = 0; node < 3; ++node) {
      if (running(node)) continue;
      ASSERT_NO_FATAL_FAILURE(cluster().start(node));
    }
    pass(40'000'000);
    ASSERT_NO_FATAL_FAILURE(expect_same());
    ASSERT_NO_FATAL_FAILURE(restart_all());
    expect_same();
  }

  void step() {
    const auto node = static_cast<unsigned>(below(3));
    const auto other = static_cast<unsigned>((node + 1 + below(2)) % 3);
    const uint64_t event = below(100);
    if (event < 60) {
      if (running(node)) command(node, names_[below(names_.size())]);
    } else if (event < 63) {
      if (running(node)) in_turn(node, [this, node] { store(node).flush(0); });
    } else if (event < 80) {
      auto slot = slots_.begin();
      std::advance(slot, below(slots_.size()));
      if (running(node)) pull(node, other, *slot, [](const runtime::Status&) {});
    } else if (event < 84) {
      cluster().part({node}, {(node + 1) % 3, (node + 2) % 3});
    } else if (event < 88) {
      cluster().heal();
    } else if (event < 91) {
      if (running(node)) cluster().crash(node);
    } else if (event < 95) {
      if (!running(node)) cluster().start(node);
    } else if (event < 97) {
      if (running(node)) squeeze(node);
    } else {
      pass(below(2'000'000));
    }
  }

  void command(unsigned node, const std::string& name) {
    const uint64_t kind = below(10);
    redis::Words words{"SET", name,
                       std::string(below(500) + 1, static_cast<char>('a' + below(20)))};
    if (kind < 2) words = {"DEL", name};
    if (kind == 2) words = {"INCR", name};
    if (kind == 3) words = {"PEXPIRE", name, std::to_string(below(4'000) + 1)};
    const auto wire = cluster().connect(node);
    SimNode::send(*wire, redis::encode_request(words));
    pass(below(20'000));
  }
};

TEST_F(History, EndsWithTheSameEverywhere) {
  const auto [first, count] = Seeds::from_environment(25);
  for (uint64_t seed = first; seed < first + count && !HasFailure(); ++seed) run(seed);
}

}  // namespace
}  // namespace quorate::sim
