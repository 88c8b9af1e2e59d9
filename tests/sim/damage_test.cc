// What damage on disk does to a node: each kind ends as DESIGN section 4 says.
#include <cstring>
#include <gtest/gtest.h>
#include <string>
#include <vector>

#include "quorate/runtime/crc32c.h"

#include "redis/command_harness.h"
#include "redis/reply_text.h"
#include "sim/sim_node.h"
#include "storage/journal_segment.h"

namespace quorate::sim {
namespace {

class Damage : public testing::Test {
 protected:
  Damage() { options_.policy = storage::SyncPolicy::always; }

  void start() {
    const auto started = try_start();
    ASSERT_TRUE(started) << started.error().message;
  }
  runtime::Status try_start() {
    return node_.start(options_, [](unsigned, size_t) {});
  }
  std::string run(const redis::Words& words) {
    if (wire_ == nullptr || wire_->ended || wire_->stream == nullptr) wire_ = node_.connect(0);
    wire_->to_client.clear();
    SimNode::send(*wire_, redis::encode_request(words));
    world_.run_until([this] { return redis::reply_bytes(wire_->to_client) != 0; },
                     world_.now_us() + kPatienceUs);
    return wire_->to_client;
  }
  void set_some(int count) {
    for (int i = 0; i < count; ++i) {
      ASSERT_EQ(run({"SET", "key-" + std::to_string(i), "value"}), redis::kOk);
    }
  }
  void checkpoint() {
    bool done = false;
    storage::ShardStore& store = *node_.shards()[0].store;
    node_.shards()[0].loop->post([&] { store.checkpoint([&done] { done = true; }); });
    ASSERT_TRUE(world_.run_until([&] { return done; }, world_.now_us() + kPatienceUs));
  }
  std::string segment(uint64_t generation) const {
    return node_.directory() + "/" + storage::format_segment_name({generation, 0, 0});
  }
  SimFileSystem& disk() { return node_.disk(); }

  SimWorld world_{1};
  SimNode::Options options_;
  SimNode node_{world_, 1};
  std::shared_ptr<redis::Wire> wire_;
};

TEST_F(Damage, FlippedBitBelowTheSyncedPositionStopsTheStartWithFileAndOffset) {
  start();
  set_some(10);
  node_.crash_process();
  disk().flip_bit(segment(1), storage::kSegmentHeaderBytes + storage::kBatchHeaderBytes + 5, 3);
  const auto started = try_start();
  ASSERT_FALSE(started);
  EXPECT_NE(started.error().message.find(segment(1)), std::string::npos) << started.error().message;
  EXPECT_NE(started.error().message.find("damaged at offset 64"), std::string::npos)
      << started.error().message;
  // Told to repair, it gives up what lies behind.
  options_.repair = true;
  start();
  ASSERT_EQ(node_.recovery().torn.size(), 1U);
  EXPECT_EQ(run({"GET", "key-9"}), redis::kNull);
}

TEST_F(Damage, TornTailIsCutAndTold) {
  options_.policy = storage::SyncPolicy::no;
  start();
  set_some(10);
  const uint64_t end = node_.shards()[0].store->journal().end_position();
  node_.crash_process();
  disk().flip_bit(segment(1), storage::kSegmentHeaderBytes + end - 1, 0);
  start();
  ASSERT_EQ(node_.recovery().torn.size(), 1U);
  EXPECT_NE(node_.recovery().torn[0].find("torn tail cut"), std::string::npos);
  EXPECT_EQ(run({"GET", "key-8"}), redis::bulk("value"));
  EXPECT_EQ(run({"GET", "key-9"}), redis::kNull);
}

// Not damage, but what follows a crash: a journal of many windows, of keys in a slot that has a
// cold one, so that each window asks for rows and finds none.
TEST_F(Damage, ACrashAloneLosesNothingHoweverLongTheJournal) {
  constexpr int kKeys = 1500;
  start();
  ASSERT_EQ(run({"SET", "{slot}cold", "value"}), redis::kOk);
  checkpoint();
  for (int i = 0; i < kKeys; ++i) {
    ASSERT_EQ(run({"SET", "{slot}" + std::to_string(i), "value"}), redis::kOk);
  }
  node_.crash_process();
  start();
  EXPECT_EQ(node_.recovery().keys, kKeys + 1U);
  EXPECT_EQ(run({"GET", "{slot}0"}), redis::bulk("value"));
  EXPECT_EQ(run({"GET", "{slot}" + std::to_string(kKeys - 1)}), redis::bulk("value"));
}

TEST_F(Damage, DamagedRowIsAnErrorForItsKeyAlone) {
  start();
  set_some(3);
  checkpoint();
  ASSERT_TRUE(node_.stop_cleanly());
  // No memory to warm: what is asked for comes from disk.
  options_.store.memory_bytes_max = 1 << 16;
  start();
  const object::Key key = object::Key::of("key-1", 0, node_.identity().hash_seed);
  node_.rows().faults().damaged.insert({key.slot, key.db, key.hash});
  EXPECT_EQ(run({"GET", "key-0"}), redis::bulk("value"));
  EXPECT_TRUE(run({"GET", "key-1"}).starts_with("-ERR the key could not be read from disk"));
  EXPECT_TRUE(run({"SET", "key-1", "x"}).starts_with("-ERR the key could not be read from disk"));
  EXPECT_EQ(run({"GET", "key-2"}), redis::bulk("value"));
}

TEST_F(Damage, NewerJournalFormatIsRefused) {
  start();
  set_some(1);
  node_.crash_process();
  // The version stands behind the magic, the checksum at the end of the header.
  std::string bytes = *disk().contents(segment(1));
  constexpr size_t kVersionAt = 8;
  constexpr size_t kChecksumAt = storage::kSegmentHeaderBytes - 4;
  const uint32_t version = storage::kJournalVersion + 1;
  std::memcpy(bytes.data() + kVersionAt, &version, sizeof version);
  const uint32_t checksum = runtime::crc32c(std::string_view(bytes).substr(0, kChecksumAt));
  std::memcpy(bytes.data() + kChecksumAt, &checksum, sizeof checksum);
  disk().put(segment(1), bytes);
  const auto started = try_start();
  ASSERT_FALSE(started);
  EXPECT_NE(started.error().message.find("is newer than this server's"), std::string::npos)
      << started.error().message;
}

TEST_F(Damage, NewerIdentityFormatIsRefused) {
  start();
  ASSERT_TRUE(node_.stop_cleanly());
  disk().put(node_.directory() + "/node.identity", "quorate-node 2\nsomething new\n");
  const auto started = try_start();
  ASSERT_FALSE(started);
  EXPECT_NE(started.error().message.find("its format is newer than this release reads"),
            std::string::npos)
      << started.error().message;
}

}  // namespace
}  // namespace quorate::sim
