// Two sides of a cluster write the same key without knowledge of each other, and what clients with
// and without contexts find when they see each other again.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <string>
#include <vector>

#include "quorate/object/string_object.h"
#include "quorate/storage/stored_object.h"

#include "redis/reply_text.h"
#include "redis/sibling_reply.h"
#include "sim/sim_cluster.h"

namespace quorate::sim {
namespace {

using redis::bulk;
using redis::integer;
using redis::kOk;
using redis::Shown;
using testing::ElementsAre;
using testing::SizeIs;
using testing::StartsWith;
using testing::UnorderedElementsAre;

class Siblings : public testing::Test {
 protected:
  void SetUp() override {
    cluster_.options().policy = storage::SyncPolicy::always;
    ASSERT_NO_FATAL_FAILURE(cluster_.start());
  }
  std::string run(unsigned node, const redis::Words& words) { return cluster_.run(node, words); }
  Shown show(unsigned node, const std::string& key) {
    return redis::shown_of(run(node, {"DYN.GET", key}));
  }
  std::string put(unsigned node, const std::string& key, const std::string& context,
                  const std::string& value) {
    const std::string reply = run(node, {"DYN.PUT", key, context, value});
    EXPECT_THAT(reply, StartsWith("$"));
    return redis::bulk_of(reply);
  }
  void wait_s(uint64_t s) { cluster_.world().run_for(s * kSecond); }
  void part() {
    cluster_.part({0}, {1, 2});
    wait_s(1);
  }
  void heal() {
    cluster_.heal();
    wait_s(20);
  }
  template <class Matcher>
  void expect_everywhere(const std::string& key, const Matcher& values) {
    for (unsigned node = 0; node < 3; ++node) {
      EXPECT_THAT(show(node, key).values, values) << key << " on " << node;
    }
  }

  SimCluster cluster_{11, 3, {3, 1, 1}};
};

TEST_F(Siblings, OfTwoSidesStayUntilSomebodyWhoHasSeenThemWrites) {
  const std::string before = put(0, "k", "", "before");
  wait_s(1);
  part();
  put(0, "k", before, "of one side");
  const std::string late = put(1, "k", before, "of the other");
  EXPECT_THAT(show(0, "k").values, ElementsAre("of one side"));
  EXPECT_THAT(show(2, "k").values, ElementsAre("of the other"));
  heal();
  expect_everywhere("k", UnorderedElementsAre("of one side", "of the other"));
  const std::string newest = show(0, "k").values[0];
  for (unsigned node = 0; node < 3; ++node) EXPECT_EQ(run(node, {"GET", "k"}), bulk(newest));
  EXPECT_EQ(show(0, "k").context, show(1, "k").context) << "whoever is asked";
  put(2, "k", late, "of the other, again");
  wait_s(1);
  expect_everywhere("k", UnorderedElementsAre("of one side", "of the other, again"));
  put(1, "k", show(2, "k").context, "merged");
  wait_s(1);
  expect_everywhere("k", ElementsAre("merged"));
  EXPECT_THAT(run(0, {"INFO", "siblings"}), testing::HasSubstr("siblings_seen:"));
}

// What a client saw on one side says nothing to the other, which has never heard of it.
TEST_F(Siblings, AContextCoversNoMoreThanTheCoordinatorKnows) {
  const std::string before = put(0, "k", "", "before");
  wait_s(1);
  part();
  const std::string one = put(0, "k", before, "of one side");
  put(1, "k", one, "by a client that moved");
  heal();
  expect_everywhere("k", UnorderedElementsAre("of one side", "by a client that moved"));
}

TEST_F(Siblings, PlainWritesLeaveNoMoreThanThereAreSides) {
  part();
  for (int i = 0; i < 30; ++i) {
    ASSERT_EQ(run(0, {"SET", "k", "one " + std::to_string(i)}), kOk);
    ASSERT_EQ(run(1, {"SET", "k", "other " + std::to_string(i)}), kOk);
  }
  heal();
  expect_everywhere("k", UnorderedElementsAre("one 29", "other 29"));
  ASSERT_EQ(run(2, {"APPEND", "k", "!"}),
            integer(static_cast<int64_t>(show(0, "k").values[0].size()) + 1));
  wait_s(1);
  expect_everywhere("k", SizeIs(1));
}

TEST_F(Siblings, IncrementsOfBothSidesAddUpOnSiblingsToo) {
  part();
  ASSERT_EQ(run(0, {"SET", "k", "500"}), kOk);
  ASSERT_EQ(run(1, {"SET", "k", "500"}), kOk);
  ASSERT_EQ(run(0, {"INCR", "c"}), integer(1));
  ASSERT_EQ(run(1, {"INCR", "c"}), integer(1));
  heal();
  expect_everywhere("k", ElementsAre("500", "500"));
  expect_everywhere("c", ElementsAre("2"));
  part();
  for (int i = 1; i <= 10; ++i) {
    ASSERT_EQ(run(0, {"INCR", "k"}), integer(500 + i));
    ASSERT_EQ(run(1, {"INCRBY", "k", "1000"}), integer(500 + 1000 * i));
    ASSERT_EQ(run(0, {"INCR", "c"}), integer(2 + i));
    ASSERT_EQ(run(1, {"INCR", "c"}), integer(2 + i));
  }
  heal();
  for (unsigned node = 0; node < 3; ++node) {
    EXPECT_EQ(run(node, {"GET", "k"}), bulk("10510"));
    EXPECT_EQ(run(node, {"GET", "c"}), bulk("22"));
  }
  ASSERT_EQ(run(2, {"INCR", "k"}), integer(10511));
  wait_s(1);
  expect_everywhere("k", ElementsAre("10511"));
}

TEST_F(Siblings, OtherPlainCommandsReplaceAllThatIsShown) {
  const std::vector<redis::Words> writes{
      {"SET", "k", "v"},          {"APPEND", "k", "1"}, {"INCR", "k"},
      {"EXPIRE", "k", "1000"},    {"GETSET", "k", "v"}, {"SETEX", "k", "100", "v"},
      {"GETEX", "k", "EX", "100"}};
  for (const redis::Words& write : writes) {
    put(0, "k", "", "1");
    put(1, "k", "", "2");
    put(2, "k", "", "3");
    wait_s(1);
    ASSERT_THAT(show(1, "k").values, SizeIs(3));
    EXPECT_THAT(run(1, write), testing::Not(StartsWith("-")));
    wait_s(1);
    expect_everywhere("k", SizeIs(1));
    EXPECT_EQ(run(2, {"DEL", "k"}), integer(1));
    wait_s(1);
    expect_everywhere("k", SizeIs(0));
  }
}

TEST_F(Siblings, ARemovalTakesWhatItHasSeen) {
  put(0, "k", "", "a");
  put(1, "k", "", "b");
  wait_s(1);
  const Shown two = show(2, "k");
  ASSERT_THAT(two.values, SizeIs(2));
  part();
  put(0, "k", "", "c");
  EXPECT_EQ(run(1, {"DYN.DEL", "k", two.context}), integer(2));
  heal();
  expect_everywhere("k", ElementsAre("c"));
  EXPECT_EQ(run(1, {"DYN.DEL", "k", two.context}), integer(0));
  const std::string removed = show(0, "k").context;
  EXPECT_EQ(run(1, {"DYN.DEL", "k", removed}), integer(1));
  wait_s(1);
  expect_everywhere("k", SizeIs(0));
  put(0, "k", show(2, "k").context, "again");
  wait_s(1);
  expect_everywhere("k", ElementsAre("again"));
}

TEST_F(Siblings, OutliveACrash) {
  part();
  put(0, "k", "", "a");
  put(1, "k", "", "b");
  heal();
  const Shown both = show(0, "k");
  ASSERT_THAT(both.values, SizeIs(2));
  put(0, "one", "", "x");
  const std::string y = put(0, "one", "", "y");
  EXPECT_EQ(run(0, {"DYN.DEL", "one", y}), integer(1));
  wait_s(1);
  for (unsigned node = 0; node < 3; ++node) {
    cluster_.crash(node);
    wait_s(1);
    ASSERT_NO_FATAL_FAILURE(cluster_.start(node));
    wait_s(2);
  }
  expect_everywhere("k", UnorderedElementsAre("a", "b"));
  expect_everywhere("one", ElementsAre("x"));
  put(2, "k", both.context, "merged");
  wait_s(1);
  expect_everywhere("k", ElementsAre("merged"));
}

// conflict-policy lww for keys that begin with "s:"; and "s:keep:" keeps them.
class LastWriteWins : public Siblings {
 protected:
  void SetUp() override {
    using enum cluster::ConflictPolicy;
    cluster_.set_conflict_rules({{"s:", lww}, {"s:keep:", siblings}});
    Siblings::SetUp();
  }
  size_t versions(unsigned node, const std::string& key) {
    const auto& store = cluster_.node(node).store_of(cluster_.slot_of(key));
    const auto* const entry = store.find(object::Key::of(key, 0, SimNode::kClusterHashSeed));
    return entry == nullptr ? 0 : object::count_values(storage::object_of(entry->state()));
  }
  void expect_versions(const std::string& key, size_t count) {
    for (unsigned node = 0; node < 3; ++node) EXPECT_EQ(versions(node, key), count) << node;
  }
};

TEST_F(LastWriteWins, WhoeverReadsLeavesOneVersionEverywhere) {
  part();
  for (int i = 0; i < 12; ++i) {
    for (const std::string prefix : {"s:", "s:keep:", "other:"}) {
      const std::string key = prefix + std::to_string(i);
      ASSERT_EQ(run(i % 2, {"SET", key, "older"}), kOk);
      wait_s(1);
      ASSERT_EQ(run(1 - i % 2, {"SET", key, "newer", "EX", "1000"}), kOk);
    }
  }
  heal();
  for (int i = 0; i < 12; ++i) {
    const std::string number = std::to_string(i), key = "s:" + number;
    expect_versions(key, 2);
    EXPECT_EQ(run(i % 3, {"GET", key}), bulk("newer"));
    EXPECT_EQ(run(i % 3, {"GET", "s:keep:" + number}), bulk("newer"));
    EXPECT_EQ(run(i % 3, {"GET", "other:" + number}), bulk("newer"));
    wait_s(1);
    expect_versions(key, 1);
    expect_versions("s:keep:" + number, 2);
    expect_versions("other:" + number, 2);
    expect_everywhere(key, ElementsAre("newer"));
    EXPECT_EQ(run((i + 1) % 3, {"TTL", key}).substr(0, 2), ":9");
  }
  EXPECT_THAT(run(0, {"INFO", "siblings"}), testing::HasSubstr("siblings_superseded:"));
  for (unsigned node = 0; node < 3; ++node) {
    cluster_.crash(node);
    wait_s(1);
    ASSERT_NO_FATAL_FAILURE(cluster_.start(node));
    wait_s(2);
  }
  expect_everywhere("s:3", ElementsAre("newer"));
}

TEST_F(LastWriteWins, ReadersOnAllNodesAtOnceComeToTheSame) {
  part();
  ASSERT_EQ(run(0, {"SET", "s:k", "older"}), kOk);
  wait_s(1);
  ASSERT_EQ(run(1, {"SET", "s:k", "newer"}), kOk);
  heal();
  std::vector<std::shared_ptr<redis::Wire>> wires;
  for (unsigned node = 0; node < 3; ++node) {
    wires.push_back(cluster_.connect(node));
    SimNode::send(*wires[node], redis::encode_request({"DYN.GET", "s:k"}) +
                                    redis::encode_request({"GET", "s:k"}));
  }
  wait_s(2);
  for (const auto& wire : wires) EXPECT_THAT(wire->to_client, testing::EndsWith(bulk("newer")));
  expect_versions("s:k", 1);
  EXPECT_EQ(show(0, "s:k").context, show(1, "s:k").context);
}

TEST_F(LastWriteWins, ReplicasThatMergeWithoutAReaderKeepAll) {
  part();
  put(0, "s:k", "", "one");
  put(1, "s:k", "", "other");
  // Who could not pass it on leaves it to others.
  ASSERT_EQ(run(1, {"DYN.PUT", "s:k", "", "third"}).substr(0, 1), "$");
  EXPECT_EQ(run(2, {"GET", "s:k"}), bulk("third"));
  wait_s(1);
  EXPECT_EQ(versions(1, "s:k"), 1U);
  EXPECT_EQ(versions(2, "s:k"), 1U);
  heal();
  expect_versions("s:k", 2);
  EXPECT_EQ(run(0, {"STRLEN", "s:k"}), integer(5));
  wait_s(1);
  expect_versions("s:k", 1);
}

TEST_F(LastWriteWins, CountersStayExact) {
  part();
  for (int i = 1; i <= 5; ++i) {
    ASSERT_EQ(run(0, {"INCR", "s:c"}), integer(i));
    ASSERT_EQ(run(1, {"INCRBY", "s:c", "100"}), integer(100 * i));
  }
  ASSERT_EQ(run(0, {"SET", "s:k", "500"}), kOk);
  ASSERT_EQ(run(1, {"SET", "s:k", "500"}), kOk);
  heal();
  for (unsigned node = 0; node < 3; ++node) EXPECT_EQ(run(node, {"GET", "s:c"}), bulk("505"));
  part();
  ASSERT_EQ(run(0, {"EXPIRE", "s:c", "1000"}), integer(1));
  for (int i = 1; i <= 5; ++i) {
    ASSERT_EQ(run(0, {"INCR", "s:c"}), integer(505 + i));
    ASSERT_EQ(run(1, {"INCRBY", "s:c", "100"}), integer(505 + 100 * i));
    ASSERT_EQ(run(0, {"INCR", "s:k"}), integer(500 + i));
    ASSERT_EQ(run(1, {"INCRBY", "s:k", "100"}), integer(500 + 100 * i));
  }
  ASSERT_EQ(run(1, {"EXPIRE", "s:k", "1000"}), integer(1));
  heal();
  for (unsigned node = 0; node < 3; ++node) {
    EXPECT_EQ(run(node, {"GET", "s:c"}), bulk("1010"));
    EXPECT_EQ(run(node, {"GET", "s:k"}), bulk("1005"));
    wait_s(1);
  }
  EXPECT_EQ(run(2, {"INCR", "s:c"}), integer(1011));
}

TEST(SiblingsOfFive, AreServedByNodesThatDoNotHoldTheKey) {
  SimCluster cluster(12, 5);
  ASSERT_NO_FATAL_FAILURE(cluster.start());
  for (int i = 0; i < 20; ++i) {
    const std::string key = "key-" + std::to_string(i);
    for (unsigned node = 0; node < 5; ++node) {
      const auto reply = cluster.run(node, {"DYN.PUT", key, "", "v" + std::to_string(node)});
      ASSERT_THAT(reply, StartsWith("$"));
    }
    for (unsigned node = 0; node < 5; ++node) {
      const Shown shown = redis::shown_of(cluster.run(node, {"DYN.GET", key}));
      ASSERT_THAT(shown.values, UnorderedElementsAre("v0", "v1", "v2", "v3", "v4"));
      ASSERT_THAT(cluster.run(node, {"DYN.SIBLINGS", key}), StartsWith("*5\r\n"));
    }
    const Shown shown = redis::shown_of(cluster.run(0, {"DYN.GET", key}));
    ASSERT_THAT(cluster.run(4, {"DYN.PUT", key, shown.context, "all"}), StartsWith("$"));
    ASSERT_EQ(cluster.run(2, {"GET", key}), bulk("all"));
  }
}

}  // namespace
}  // namespace quorate::sim
