#include "quorate/object/object.h"

#include <gtest/gtest.h>
#include <random>
#include <vector>

#include "quorate/object/baseline.h"

namespace quorate::object {
namespace {

// What the actors of a slot ever wrote to one key: each dot is one version of one element, or a
// deletion.
struct Universe {
  struct Change {
    Dot dot;
    std::string element;
    std::optional<Version> version;
  };
  std::vector<Change> changes;
};

Version random_version(std::mt19937_64& random, Dot dot) {
  Version version{.dot = dot, .hlc = random() >> (1 + random() % 40)};
  version.kind = static_cast<Kind>(random() % 4);
  Baseline baseline;
  for (uint64_t i = random() % 3; i > 0; --i) {
    const Dot seen{static_cast<ActorId>(random() % 4), 1 + random() % 100};
    (random() % 2 == 0 ? baseline.erased : baseline.absorbed)
        .raise({seen, static_cast<int64_t>(random())});
  }
  switch (version.kind) {
    case Kind::counter:
      version.payload = encode_total(static_cast<int64_t>(random()) >> (random() % 60));
      break;
    case Kind::reset:
      baseline.erased.raise({dot, 5});
      version.baseline = baseline.encode();
      break;
    case Kind::raw:
    case Kind::hyperloglog:
      version.payload = Blob::make(std::string(random() % 9, 'p'));
      version.expiry_ms = random() % 2 == 0 ? 0 : random() % 10'000;
      version.baseline = baseline.encode();
      break;
  }
  return version;
}

Universe random_universe(std::mt19937_64& random) {
  Universe universe;
  for (uint32_t actor = 0; actor < 3; ++actor) {
    for (uint64_t n = 1; n <= 6; ++n) {
      const Dot dot{static_cast<ActorId>(actor), n};
      const std::string element(random() % 3, 'e');
      std::optional<Version> version;
      if (random() % 5 != 0) version = random_version(random, dot);
      universe.changes.push_back({dot, element, version});
    }
  }
  return universe;
}

// Any object that could be: some of the dots seen, some of their versions still there.
Object random_object(const Universe& universe, std::mt19937_64& random) {
  Delta gathered;
  for (const Universe::Change& change : universe.changes) {
    if (random() % 2 == 0) continue;
    if (change.version && random() % 2 == 0) {
      gathered.write(change.element, *change.version);
    } else {
      gathered.remove(change.dot);
    }
  }
  return gathered.change;
}

TEST(MergeTest, IsCommutativeAssociativeAndIdempotent) {
  for (uint64_t seed = 1; seed <= 2000; ++seed) {
    std::mt19937_64 random(seed);
    const Universe universe = random_universe(random);
    const Object x = random_object(universe, random);
    const Object y = random_object(universe, random);
    const Object z = random_object(universe, random);
    ASSERT_EQ(merge(x, y), merge(y, x)) << "seed " << seed;
    ASSERT_EQ(merge(x, merge(y, z)), merge(merge(x, y), z)) << "seed " << seed;
    ASSERT_EQ(merge(x, x), x) << "seed " << seed;
    ASSERT_EQ(merge(merge(x, y), y), merge(x, y)) << "seed " << seed;
    ASSERT_EQ(merge(x, Object{}), x) << "seed " << seed;
  }
}

TEST(MergeTest, KeepsWhatBothHaveAndWhatTheOtherNeverSaw) {
  constexpr ActorId a{0};
  constexpr ActorId b{1};
  Delta x;
  x.write("f", Version{.dot = {a, 1}, .payload = Blob::make("both")});
  Delta y = x;
  x.write("f", Version{.dot = {a, 2}, .payload = Blob::make("seen by y")});
  x.write("g", Version{.dot = {a, 3}, .payload = Blob::make("new to y")});
  y.remove({a, 2});
  y.write("h", Version{.dot = {b, 1}, .payload = Blob::make("new to x")});
  const Object merged = merge(x.change, y.change);
  ASSERT_EQ(merged.elements.size(), 3U);
  EXPECT_EQ(merged.find("f")->versions.size(), 1U);
  EXPECT_EQ(merged.find("f")->versions[0].payload.view(), "both");
  EXPECT_EQ(merged.find("g")->versions[0].payload.view(), "new to y");
  EXPECT_EQ(merged.find("h")->versions[0].payload.view(), "new to x");
  EXPECT_EQ(merged.find("i"), nullptr);
  EXPECT_FALSE(merged.is_tombstone());
}

TEST(DeltaTest, HoldsItsOwnDotsAndThoseItSupersedes) {
  constexpr ActorId a{0};
  Delta old;
  old.write("f", Version{.dot = {a, 1}, .hlc = 7});
  old.write("g", Version{.dot = {a, 2}, .hlc = 9});
  EXPECT_EQ(old.change.highest_hlc(), 9U);
  Delta removal;
  removal.remove({a, 5});
  removal.supersede_all(old.change);
  EXPECT_EQ(removal.dots, (CausalContext{{a, 5}}));
  EXPECT_EQ(removal.change.seen, (CausalContext{{a, 1}, {a, 2}, {a, 5}}));
  EXPECT_TRUE(removal.change.is_tombstone());
  EXPECT_TRUE(merge(old.change, removal.change).elements.empty());
}

template <class T>
std::string encoded(const T& value) {
  std::string bytes;
  value.encode(bytes);
  return bytes;
}

template <class T>
void expect_only_canonical_bytes_decode(const T& value, uint64_t seed) {
  const std::string bytes = encoded(value);
  const auto decoded = T::decode(bytes);
  ASSERT_TRUE(decoded) << "seed " << seed;
  ASSERT_EQ(*decoded, value) << "seed " << seed;
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    ASSERT_FALSE(T::decode(std::string_view(bytes).substr(0, size))) << "seed " << seed;
  }
  ASSERT_FALSE(T::decode(bytes + '\0')) << "seed " << seed;
  for (std::size_t bit = 0; bit < 8 * bytes.size(); ++bit) {
    std::string flipped = bytes;
    flipped[bit / 8] = static_cast<char>(flipped[bit / 8] ^ (1 << bit % 8));
    const auto other = T::decode(flipped);
    if (other) {
      ASSERT_EQ(encoded(*other), flipped) << "seed " << seed << " bit " << bit;
    }
  }
}

TEST(ObjectCodecTest, DecodesWhatWasEncodedAndOnlyThat) {
  for (uint64_t seed = 1; seed <= 120 && !HasFatalFailure(); ++seed) {
    std::mt19937_64 random(seed);
    const Universe universe = random_universe(random);
    const Object object = random_object(universe, random);
    expect_only_canonical_bytes_decode(object, seed);
    Object stripped = object;
    stripped.seen = {};
    expect_only_canonical_bytes_decode(stripped, seed);
  }
}

TEST(ObjectCodecTest, DecodesDeltasAndOnlyThose) {
  for (uint64_t seed = 1; seed <= 120 && !HasFatalFailure(); ++seed) {
    std::mt19937_64 random(seed);
    const Universe universe = random_universe(random);
    Delta delta;
    for (uint64_t i = 1 + random() % 3; i > 0; --i) {
      const Universe::Change& change = universe.changes[random() % universe.changes.size()];
      if (delta.dots.covers(change.dot)) continue;
      if (change.version) {
        delta.write(change.element, *change.version);
      } else {
        delta.remove(change.dot);
      }
    }
    for (uint64_t i = random() % 4; i > 0; --i) {
      delta.supersede(universe.changes[random() % universe.changes.size()].dot);
    }
    expect_only_canonical_bytes_decode(delta, seed);
  }
}

TEST(ObjectCodecTest, RandomBytesAreRefusedOrValid) {
  for (uint64_t seed = 1; seed <= 20'000; ++seed) {
    std::mt19937_64 random(seed);
    std::string bytes(1 + random() % 40, '\0');
    for (char& c : bytes) c = static_cast<char>(random() % (1U << (1 + random() % 8)));
    bytes[0] = 1;
    const auto object = Object::decode(bytes);
    if (object) {
      ASSERT_EQ(encoded(*object), bytes) << "seed " << seed;
    }
    const auto delta = Delta::decode(bytes);
    if (delta) {
      ASSERT_EQ(encoded(*delta), bytes) << "seed " << seed;
    }
  }
}

TEST(ObjectCodecTest, ADeltaMustHaveDotsOfItsOwn) {
  EXPECT_FALSE(Delta::decode(encoded(Delta{})));
  Delta foreign;
  foreign.write("", Version{.dot = {ActorId{0}, 1}});
  foreign.dots = CausalContext{{ActorId{0}, 2}};
  EXPECT_FALSE(Delta::decode(encoded(foreign)));
}

}  // namespace
}  // namespace quorate::object
