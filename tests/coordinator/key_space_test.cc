// KeySpace: the same view of a key whether it is here or a copy from another shard.
#include "quorate/coordinator/key_space.h"

#include <gtest/gtest.h>
#include <tuple>

#include "coordinator/shard_rig.h"

namespace quorate::coordinator {
namespace {

using Touch = KeySpace::Touch;

// Parameters: whether the key lives on another shard and takes part as a copy; whether there are
// replicas.
class KeySpaceTest : public testing::TestWithParam<std::tuple<bool, bool>> {
 protected:
  KeySpaceTest() : name_(rig_.name_on(elsewhere() ? 1 : 0)), key_(rig_.key(name_)) {
    foreign_.emplace_back(key_, nullptr);
    if (elsewhere()) keys().set_foreign(&foreign_);
  }
  static bool elsewhere() { return std::get<0>(GetParam()); }

  KeySpace& keys() { return rig_.shards[0].coordinator->keys(); }
  KeyRef open() { return keys().open(key_); }
  std::string text() {
    std::string scratch;
    return std::string(keys().text(open(), scratch));
  }
  void put(std::string_view value, uint64_t expiry_ms = 0) {
    KeyRef ref = open();
    keys().put(ref, value, expiry_ms);
  }
  void pass_ms(uint64_t ms) { rig_.world.run_for(ms * 1000); }

  ShardRig rig_{{.shards = 2, .replicated = std::get<1>(GetParam())}};
  std::string name_;
  object::Key key_;
  std::vector<ForeignKey> foreign_;
};

INSTANTIATE_TEST_SUITE_P(HereAndElsewhere, KeySpaceTest,
                         testing::Combine(testing::Bool(), testing::Bool()), [](const auto& info) {
                           return std::string(std::get<0>(info.param) ? "Elsewhere" : "Here") +
                                  (std::get<1>(info.param) ? "Replicated" : "Alone");
                         });

TEST_P(KeySpaceTest, PutThenOpen) {
  EXPECT_FALSE(open().exists);
  KeyRef ref = open();
  keys().put(ref, "value", 0);
  EXPECT_TRUE(ref.exists);
  EXPECT_EQ(ref.payload(), "value");
  EXPECT_EQ(text(), "value");
  put(std::string(10'000, 'x'));
  EXPECT_EQ(text(), std::string(10'000, 'x'));
  put("");
  EXPECT_TRUE(open().exists);
  EXPECT_EQ(text(), "");
}

TEST_P(KeySpaceTest, Remove) {
  put("value");
  KeyRef ref = open();
  keys().remove(ref);
  EXPECT_FALSE(ref.exists);
  EXPECT_FALSE(open().exists);
  put("again");
  EXPECT_EQ(text(), "again");
}

TEST_P(KeySpaceTest, ExpiryIsReachedAtItsMillisecond) {
  put("value", keys().now_ms() + 10);
  pass_ms(9);
  EXPECT_TRUE(open().exists);
  pass_ms(1);
  EXPECT_FALSE(open().exists);
}

TEST_P(KeySpaceTest, SetExpiryKeepsTheValue) {
  put("value");
  KeyRef ref = open();
  keys().set_expiry(ref, keys().now_ms() + 1000);
  EXPECT_EQ(text(), "value");
  EXPECT_EQ(open().expiry_ms(), keys().now_ms() + 1000);
  ref = open();
  keys().set_expiry(ref, 0);
  EXPECT_EQ(open().expiry_ms(), 0);
}

TEST_P(KeySpaceTest, IncrementFromNothingFromTextAndOnItself) {
  KeyRef ref = open();
  EXPECT_EQ(keys().increment(ref, 5).value(), 5);
  ref = open();
  EXPECT_EQ(keys().increment(ref, -7).value(), -2);
  EXPECT_EQ(text(), "-2");
  put("40", 99'999'999'999'999);
  ref = open();
  EXPECT_EQ(keys().increment(ref, 2).value(), 42);
  EXPECT_EQ(text(), "42");
  EXPECT_EQ(open().expiry_ms(), 99'999'999'999'999);
}

TEST_P(KeySpaceTest, IncrementRefusesAndChangesNothing) {
  put("9223372036854775807");
  KeyRef ref = open();
  EXPECT_EQ(keys().increment(ref, 1).error().message, "increment or decrement would overflow");
  EXPECT_EQ(text(), "9223372036854775807");
  put("abc");
  ref = open();
  EXPECT_EQ(keys().increment(ref, 1).error().message, "value is not an integer or out of range");
  EXPECT_EQ(text(), "abc");
}

class LocalKeySpaceTest : public testing::Test {
 protected:
  KeySpace& keys() { return rig_.shards[0].coordinator->keys(); }
  storage::ShardStore& store() { return *rig_.shards[0].store; }
  void put(std::string_view name, std::string_view value, uint64_t expiry_ms = 0) {
    KeyRef ref = keys().open(rig_.key(name));
    keys().put(ref, value, expiry_ms);
  }

  ShardRig rig_;
};

TEST_F(LocalKeySpaceTest, OpeningAnExpiredKeyRemovesIt) {
  put("k", "v", keys().now_ms() + 1);
  rig_.world.run_for(2'000);
  EXPECT_EQ(store().keys(0), 1);
  EXPECT_FALSE(keys().open(rig_.key("k")).exists);
  EXPECT_EQ(store().keys(0), 0);
  EXPECT_EQ(store().statistics().expired_keys, 1);
}

TEST_F(LocalKeySpaceTest, TouchIsAChoice) {
  put("k", "v");
  const uint32_t made = store().find(rig_.key("k"))->access;
  rig_.world.run_for(3'000'000);
  (void)keys().open(rig_.key("k"), Touch::no);
  EXPECT_EQ(store().find(rig_.key("k"))->access, made);
  (void)keys().open(rig_.key("k"), Touch::yes);
  EXPECT_EQ(store().find(rig_.key("k"))->access, made + 3);
}

TEST_F(LocalKeySpaceTest, ARemovedKeyWhoseRowIsOnDiskDoesNotReturn) {
  put("k", "v");
  rig_.checkpoint();
  KeyRef ref = keys().open(rig_.key("k"));
  keys().remove(ref);
  EXPECT_FALSE(keys().open(rig_.key("k")).exists);
  put("k", "new");
  EXPECT_EQ(keys().open(rig_.key("k")).payload(), "new");
  EXPECT_EQ(store().keys(0), 1);
}

}  // namespace
}  // namespace quorate::coordinator
