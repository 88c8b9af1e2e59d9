// The table against a std::multimap-like reference: same finds, same order, same memory after all
// is gone, also with hashes that no good hash would give.
#include "quorate/storage/table.h"

#include <algorithm>
#include <gtest/gtest.h>
#include <map>
#include <random>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "storage/run_editor.h"

namespace quorate::storage {
namespace {

EntryState state_of(std::string_view payload) { return {.hlc = 1, .payload = payload}; }

object::Key key_of(const std::string& name, uint64_t hash, uint16_t slot = 0, uint16_t db = 0) {
  return {name, hash, slot, db};
}

struct Hashing {
  const char* name;
  uint64_t (*hash)(uint64_t number);
  uint64_t keys = 5000;  // fewer where finding one means comparing with all
};

uint64_t spread(uint64_t number) { return object::key_hash(std::to_string(number), 1); }

// What hashes look like: evenly spread; many collisions; alike in the first bits, so that only deep
// directories tell them apart; alike in all but the last bits, which no directory can; clustered;
// at both ends.
const Hashing kHashings[] = {
    {"even", [](uint64_t n) { return spread(n); }},
    {"colliding", [](uint64_t n) { return spread(n % 300); }},
    {"first_bits_alike", [](uint64_t n) { return uint64_t{0xabc} << 52 | spread(n) >> 12; }},
    {"first_bits_set", [](uint64_t n) { return uint64_t{0xffff} << 48 | spread(n) >> 16; }},
    {"last_bits_only",
     [](uint64_t n) { return uint64_t{0x123456789abc} << 16 | (spread(n) & 0xffff); }},
    {"small", [](uint64_t n) { return n; }},
    {"clustered", [](uint64_t n) { return spread(n % 7) + spread(n) % 1000; }},
    {"half_even", [](uint64_t n) { return n % 2 == 0 ? spread(n) : spread(n) >> 20; }},
    {"both_ends", [](uint64_t n) { return n % 2 == 0 ? n : UINT64_MAX - n; }},
    {"equal", [](uint64_t) { return uint64_t{0x8000000000000000}; }, 1500},
    {"all_ones", [](uint64_t) { return UINT64_MAX; }, 1500},
    {"zero", [](uint64_t) { return uint64_t{0}; }, 1500},
};

// A table with what it should hold beside it. Keys are numbers.
class Checked {
 public:
  explicit Checked(const Hashing& hashing, uint16_t slots = 1) : hashing_(hashing), slots_(slots) {}

  object::Key key(uint64_t number) {
    name_ = "k" + std::to_string(number);
    return key_of(name_, hashing_.hash(number), static_cast<uint16_t>(number % slots_));
  }

  void insert(uint64_t number) {
    const object::Key key = this->key(number);
    ASSERT_EQ(table.find(key), nullptr);
    Entry* entry = Entry::make(key.name, state_of("v"));
    table.insert(key, entry);
    ASSERT_EQ(table.find(key), entry);
    held.insert(number);
  }

  void erase(uint64_t number) {
    const object::Key key = this->key(number);
    Entry* entry = table.find(key);
    ASSERT_NE(entry, nullptr);
    table.erase(key, entry);
    ASSERT_EQ(table.find(key), nullptr);
    held.erase(number);
  }

  void toggle(uint64_t number) { held.contains(number) ? erase(number) : insert(number); }

  // Everything held is found and nothing else is visited, in order.
  void check() {
    ASSERT_EQ(table.size(), held.size());
    for (const uint64_t number : held) ASSERT_NE(table.find(key(number)), nullptr) << number;
    for (uint16_t slot = 0; slot < slots_; ++slot) {
      std::vector<std::pair<uint64_t, std::string>> expected;
      for (const uint64_t number : held) {
        if (number % slots_ == slot) expected.emplace_back(key(number).hash, name_);
      }
      std::sort(expected.begin(), expected.end());
      ASSERT_EQ(std::as_const(table).counts(0, slot).resident, expected.size());
      for (const uint64_t from :
           {uint64_t{0}, uint64_t{1}, spread(1), uint64_t{1} << 63, UINT64_MAX}) {
        check_visit(slot, from, expected);
      }
    }
  }

  Table table{0, 1, 1};
  std::set<uint64_t> held;

 private:
  void check_visit(uint16_t slot, uint64_t from,
                   std::vector<std::pair<uint64_t, std::string>> expected) {
    std::erase_if(expected, [from](const auto& cell) { return cell.first < from; });
    std::vector<std::pair<uint64_t, std::string>> visited;
    ASSERT_TRUE(table.visit_slot(0, slot, from, [&](uint64_t hash, Entry* entry) {
      EXPECT_TRUE(visited.empty() || visited.back().first <= hash);
      visited.emplace_back(hash, entry->key());
      return true;
    }));
    std::sort(visited.begin(), visited.end());
    ASSERT_EQ(visited, expected) << "from " << from;
  }

  Hashing hashing_;
  uint16_t slots_;
  std::string name_;
};

class TableHashings : public testing::TestWithParam<Hashing> {};

INSTANTIATE_TEST_SUITE_P(All, TableHashings, testing::ValuesIn(kHashings),
                         [](const auto& info) { return std::string(info.param.name); });

TEST_P(TableHashings, AgreesWithTheReferenceUnderRandomChanges) {
  Checked checked(GetParam(), 3);
  std::mt19937_64 random(7);
  for (const uint64_t range : {30u, 300u, 3000u, 300u, 30u, 1u}) {
    for (uint64_t i = 0; i < range * 4; ++i) {
      ASSERT_NO_FATAL_FAILURE(checked.toggle(random() % range));
    }
    while (!checked.held.empty() && *checked.held.rbegin() >= range) {
      ASSERT_NO_FATAL_FAILURE(checked.erase(*checked.held.rbegin()));
    }
    ASSERT_NO_FATAL_FAILURE(checked.check());
  }
}

TEST_P(TableHashings, GrowsAndShrinksBackToItsFirstSize) {
  Checked checked(GetParam());
  checked.insert(0);
  checked.erase(0);
  const size_t baseline = checked.table.memory_bytes();
  const uint64_t keys = GetParam().keys;
  for (uint64_t number = 0; number < keys; ++number) {
    ASSERT_NO_FATAL_FAILURE(checked.insert(number));
  }
  ASSERT_NO_FATAL_FAILURE(checked.check());
  EXPECT_GE(checked.table.memory_bytes(), baseline + keys * (48 + sizeof(Cell)));
  EXPECT_LT(checked.table.memory_bytes(), baseline + keys * (48 + 3 * sizeof(Cell)));
  std::vector<uint64_t> order(checked.held.begin(), checked.held.end());
  std::shuffle(order.begin(), order.end(), std::mt19937_64(3));
  for (size_t i = 0; i < order.size(); ++i) {
    ASSERT_NO_FATAL_FAILURE(checked.erase(order[i]));
    if (i % 1000 == 999) {
      ASSERT_NO_FATAL_FAILURE(checked.check());
    }
  }
  EXPECT_EQ(checked.table.memory_bytes(), baseline);
  EXPECT_EQ(checked.table.size(), 0u);
}

TEST_P(TableHashings, DetachesASlotAtOnceAndFreesItInSlices) {
  Checked checked(GetParam(), 2);
  for (uint64_t number = 0; number < 2000; number += 2)
    ASSERT_NO_FATAL_FAILURE(checked.insert(number));
  const size_t memory_bytes = checked.table.memory_bytes();
  for (uint64_t number = 1; number < 2000; number += 2)
    ASSERT_NO_FATAL_FAILURE(checked.insert(number));
  std::set<uint64_t> detached;
  checked.table.visit_slot(0, 1, 0, [&](uint64_t, const Entry* entry) {
    detached.insert(std::stoull(std::string(entry->key().substr(1))));
    return true;
  });
  EXPECT_EQ(detached.size(), 1000u);
  checked.table.detach_slot(0, 1);
  for (const uint64_t number : detached) checked.held.erase(number);
  ASSERT_NO_FATAL_FAILURE(checked.check());
  ASSERT_NO_FATAL_FAILURE(checked.insert(*detached.begin()));
  size_t slices = 1;
  while (!checked.table.free_detached(50)) {
    ++slices;
    ASSERT_NO_FATAL_FAILURE(checked.check());
    ASSERT_LT(slices, 1000u);
  }
  ASSERT_NO_FATAL_FAILURE(checked.erase(*detached.begin()));
  ASSERT_NO_FATAL_FAILURE(checked.check());
  EXPECT_EQ(checked.table.memory_bytes(), memory_bytes);
}

TEST(Table, AManyTimesLargerSlotIsFreedInAsManySlicesMore) {
  Table table(0, 1, 1);
  (void)table.counts(0, 3);
  const size_t empty_bytes = table.memory_bytes();
  for (uint64_t number = 0; number < 20'000; ++number) {
    const std::string name = std::to_string(number);
    table.insert(key_of(name, spread(number), 3), Entry::make(name, state_of("")));
  }
  table.detach_slot(0, 3);
  EXPECT_EQ(table.size(), 0u);
  EXPECT_EQ(table.counts(0, 3).entry_bytes, 0u);
  size_t slices = 1;
  while (!table.free_detached(512)) ++slices;
  EXPECT_GT(slices, 10u);
  EXPECT_EQ(table.memory_bytes(), empty_bytes);
}

TEST_P(TableHashings, SamplesOnlyWhatItHolds) {
  Checked checked(GetParam(), 3);
  object::Key key;
  EXPECT_EQ(checked.table.sample(0, 1, &key), nullptr);
  for (uint64_t number = 0; number < 1000; ++number)
    ASSERT_NO_FATAL_FAILURE(checked.insert(number));
  for (uint64_t random = 0; random < 1000; ++random) {
    const Entry* entry = checked.table.sample(0, random, &key);
    ASSERT_NE(entry, nullptr);
    ASSERT_EQ(checked.table.find(key), entry);
  }
}

TEST(Table, FiveThousandKeysOfOneHashAreToldApartByName) {
  constexpr uint64_t hash = uint64_t{1} << 63;
  Checked checked({"equal", [](uint64_t) { return hash; }});
  for (uint64_t number = 0; number < 5000; ++number) {
    ASSERT_NO_FATAL_FAILURE(checked.insert(number));
  }
  ASSERT_NO_FATAL_FAILURE(checked.check());
  const std::string absent = "absent";
  EXPECT_EQ(checked.table.find(key_of(absent, hash)), nullptr);
  // Neighbours of other hashes in the same slot are found beside them.
  const std::string below = "below", above = "above";
  checked.table.insert(key_of(below, hash - 1), Entry::make(below, state_of("")));
  checked.table.insert(key_of(above, hash + 1), Entry::make(above, state_of("")));
  EXPECT_NE(checked.table.find(key_of(below, hash - 1)), nullptr);
  EXPECT_NE(checked.table.find(key_of(above, hash + 1)), nullptr);
}

// A hash tag may put any number of keys into one slot.
TEST(Table, NoInsertionMovesMoreThanOneRun) {
  Table table(0, 1, 1);
  uint64_t most = 0;
  for (uint64_t number = 0; number < 1'000'000; ++number) {
    const std::string name = std::to_string(number);
    const uint64_t before = table.moved_cells();
    table.insert(key_of(name, spread(number)), Entry::make(name, state_of("")));
    most = std::max(most, table.moved_cells() - before);
  }
  EXPECT_LE(most, RunEditor::kCellsMax);
  EXPECT_LT(table.moved_cells() / 1'000'000, 50u);
  uint64_t visited = 0, last = 0;
  table.visit_slot(0, 0, 0, [&](uint64_t hash, Entry*) {
    EXPECT_LE(last, hash);
    last = hash;
    ++visited;
    return true;
  });
  EXPECT_EQ(visited, 1'000'000u);
  EXPECT_LT(table.memory_bytes(), 1'000'000 * (48 + 25) + (size_t{1} << 20));
}

// Also when all differ late: a directory as deep as the hashes ask for would have 2^40 places.
TEST(Table, SkewedHashesDoNotMakeTheDirectoryExplode) {
  Table table(0, 1, 1);
  for (uint64_t number = 0; number < 20'000; ++number) {
    const std::string name = std::to_string(number);
    table.insert(key_of(name, spread(number) >> 38), Entry::make(name, state_of("")));
  }
  EXPECT_LT(table.memory_bytes(), 20'000 * (48 + 3 * sizeof(Cell)) + (size_t{2} << 20));
}

TEST(Table, VisitStopsWhenTold) {
  Checked checked(kHashings[0]);
  for (uint64_t number = 0; number < 3000; ++number) checked.insert(number);
  int visited = 0;
  EXPECT_FALSE(checked.table.visit_slot(0, 0, 0, [&](uint64_t, Entry*) { return ++visited < 10; }));
  EXPECT_EQ(visited, 10);
}

TEST(Table, VisitFromEveryCellBeginsThere) {
  for (const Hashing& hashing : kHashings) {
    Checked checked(hashing);
    for (uint64_t number = 0; number < 2000; ++number) checked.insert(number);
    for (const uint64_t number : checked.held) {
      const uint64_t from = hashing.hash(number);
      checked.table.visit_slot(0, 0, from, [&](uint64_t hash, Entry*) {
        EXPECT_EQ(hash, from) << hashing.name;
        return false;
      });
    }
  }
}

TEST(Table, ReplaceKeepsThePlaceAndTheBooks) {
  Table table(0, 1, 1);
  const std::string name = "name";
  const object::Key key = key_of(name, 99);
  Entry* before = Entry::make(name, state_of("small"));
  table.insert(key, before);
  const size_t memory = table.memory_bytes() - before->memory_bytes();
  Entry* after = Entry::make(name, state_of(std::string(1000, 'x')));
  table.replace(key, before, after);
  EXPECT_EQ(table.find(key), after);
  EXPECT_EQ(table.size(), 1u);
  EXPECT_EQ(table.memory_bytes(), memory + after->memory_bytes());
}

TEST(Table, DatabasesAndSlotsAreApart) {
  Table table(1, 3, 4);
  const std::string name = "name";
  for (const uint16_t db : {0, 3}) {
    for (const uint16_t slot : {1, 4, 16381}) {
      const object::Key key = key_of(name, 5, slot, db);
      EXPECT_EQ(table.find(key), nullptr);
      table.insert(key, Entry::make(name, state_of("")));
      EXPECT_EQ(table.counts(db, slot).resident, 1u);
    }
  }
  EXPECT_EQ(table.size(), 6u);
  EXPECT_EQ(table.size(0), 3u);
  EXPECT_EQ(table.size(1), 0u);
  EXPECT_TRUE(table.has_database(3));
  EXPECT_FALSE(table.has_database(1));
  EXPECT_EQ(std::as_const(table).counts(1, 1).resident, 0u);
  EXPECT_FALSE(table.has_database(1));
  EXPECT_EQ(table.databases(), 4u);
}

TEST(Table, EverySlotOfEveryShardHasItsOwnCounts) {
  for (const unsigned shards : {1u, 2u, 3u, 7u, 64u, 1000u}) {
    for (const unsigned shard : {0u, shards / 2, shards - 1}) {
      Table table(shard, shards, 1);
      std::set<const SlotCounts*> seen;
      size_t slots = 0;
      for (unsigned slot = shard; slot < object::kSlots; slot += shards, ++slots) {
        seen.insert(&table.counts(0, static_cast<uint16_t>(slot)));
      }
      EXPECT_EQ(seen.size(), slots);
      EXPECT_EQ(*seen.rbegin() - *seen.begin(), static_cast<ptrdiff_t>(slots - 1));
    }
  }
}

TEST(Table, CountsOtherThanResidentAreTheCallers) {
  Table table(0, 1, 1);
  table.counts(0, 9).cold = 5;
  table.counts(0, 9).next_expiry_ms = 7;
  const std::string name = "name";
  table.insert(key_of(name, 1, 9), Entry::make(name, state_of("")));
  table.detach_slot(0, 9);
  EXPECT_TRUE(table.free_detached(1));
  EXPECT_EQ(table.counts(0, 9).cold, 5u);
  EXPECT_EQ(table.counts(0, 9).next_expiry_ms, 7u);
  EXPECT_EQ(table.counts(0, 9).resident, 0u);
}

// One slot holds half of all keys, the others share the rest: every key is as likely to be picked.
TEST(Table, SamplesEveryKeyAboutEquallyOften) {
  Table table(0, 1, 1);
  constexpr uint64_t kKeys = 4000, kSamples = 400'000;
  for (uint64_t number = 0; number < kKeys; ++number) {
    const std::string name = std::to_string(number);
    const auto slot = static_cast<uint16_t>(number % 2 == 0 ? 77 : spread(number) % object::kSlots);
    table.insert(key_of(name, spread(number), slot), Entry::make(name, state_of("")));
  }
  std::map<std::string, uint64_t, std::less<>> picks;
  std::mt19937_64 random(5);
  object::Key key;
  uint64_t in_large_slot = 0;
  for (uint64_t i = 0; i < kSamples; ++i) {
    const Entry* entry = table.sample(0, random(), &key);
    ++picks[std::string(entry->key())];
    in_large_slot += key.slot == 77;
  }
  EXPECT_EQ(picks.size(), kKeys) << "nobody is never picked";
  EXPECT_NEAR(static_cast<double>(in_large_slot), kSamples / 2.0, kSamples / 100.0);
  for (const auto& [name, times] : picks) {
    EXPECT_GT(times, kSamples / kKeys / 4) << name;
    EXPECT_LT(times, kSamples / kKeys * 4) << name;
  }
}

TEST(Table, PrefetchingWhatIsAbsentIsHarmless) {
  Table table(0, 1, 2);
  const std::string name = "name";
  table.insert(key_of(name, 5, 1, 0), Entry::make(name, state_of("")));
  for (const uint16_t db : {0, 1}) {
    for (const uint64_t hash : {uint64_t{0}, uint64_t{5}, UINT64_MAX}) {
      table.prefetch_cell(key_of(name, hash, 1, db));
      table.prefetch_entry(key_of(name, hash, 1, db));
    }
  }
  EXPECT_NE(table.find(key_of(name, 5, 1, 0)), nullptr);
}

}  // namespace
}  // namespace quorate::storage
