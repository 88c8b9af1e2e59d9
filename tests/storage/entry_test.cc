#include "quorate/storage/entry.h"

#include <gtest/gtest.h>
#include <memory>
#include <string>
#include <utility>

#include "storage/owned_entry.h"

namespace quorate::storage {
namespace {

constexpr object::Dot kDotOfEntries{object::ActorId{7}, 42};

EntryState raw_state(std::string_view payload) {
  return {
      .form = Form::raw, .dot = kDotOfEntries, .hlc = 1000, .expiry_ms = 2000, .payload = payload};
}

OwnedEntry make(std::string_view key, const EntryState& state) {
  return OwnedEntry(Entry::make(key, state));
}

TEST(AllocationBytes, FollowsFourClassesPerDoubling) {
  const std::pair<size_t, size_t> cases[] = {
      {0, 8},     {8, 8},     {9, 16},    {17, 32},   {33, 48},    {48, 48},     {49, 64},
      {113, 128}, {128, 128}, {129, 160}, {160, 160}, {161, 192},  {224, 224},   {225, 256},
      {257, 320}, {512, 512}, {513, 640}, {640, 640}, {897, 1024}, {4096, 4096}, {4097, 5120},
  };
  for (const auto& [bytes, expected] : cases) EXPECT_EQ(allocation_bytes(bytes), expected) << bytes;
}

TEST(Entry, KeepsWhatItWasMadeOf) {
  for (const size_t size : {size_t{0}, size_t{1}, size_t{100}, Entry::kBlobBytesMin - 1,
                            Entry::kBlobBytesMin, size_t{1} << 20}) {
    const std::string payload(size, 'p');
    const OwnedEntry entry = make("some key", raw_state(payload));
    EXPECT_EQ(entry->key(), "some key");
    EXPECT_EQ(entry->payload(), payload);
    EXPECT_EQ(entry->form(), Form::raw);
    EXPECT_EQ(entry->dot(), kDotOfEntries);
    EXPECT_EQ(entry->hlc(), 1000u);
    EXPECT_EQ(entry->expiry_ms(), 2000u);
    EXPECT_EQ(entry->state().payload, payload);
    EXPECT_EQ(entry->access, 0u);
    EXPECT_FALSE(entry->dirty() || entry->stored() || entry->referenced());
    EXPECT_EQ(entry->generation(), 0u);
  }
}

TEST(Entry, KeysMayBeEmptyAndBinary) {
  const std::string binary("\0\xff\r\n", 4);
  EXPECT_EQ(make("", raw_state("x"))->key(), "");
  EXPECT_EQ(make("", raw_state("x"))->payload(), "x");
  EXPECT_EQ(make(binary, raw_state("x"))->key(), binary);
}

TEST(Entry, HoldsTheHighestActorAndForm) {
  const object::Dot dot{object::ActorId{Entry::kActorsMax - 1}, object::Dot::kMaxN};
  const OwnedEntry entry =
      make("k", {.form = Form::tombstone, .dot = dot, .hlc = object::kMaxHlc, .payload = {}});
  entry->set_dirty(true);
  entry->set_generation(Entry::kGenerations - 1);
  EXPECT_EQ(entry->dot(), dot);
  EXPECT_EQ(entry->form(), Form::tombstone);
  EXPECT_EQ(entry->key(), "k");
}

TEST(Entry, MarksAndGenerationDoNotDisturbEachOther) {
  const OwnedEntry entry = make("k", raw_state("v"));
  entry->set_generation(Entry::kGenerations + 5);
  entry->set_dirty(true);
  entry->set_referenced(true);
  EXPECT_EQ(entry->generation(), 5u);
  EXPECT_TRUE(entry->dirty() && entry->referenced());
  EXPECT_FALSE(entry->stored());
  entry->set_stored(true);
  entry->set_dirty(false);
  entry->set_row_expires(true);
  entry->set_generation(Entry::kGenerations - 1);
  EXPECT_FALSE(entry->dirty());
  EXPECT_TRUE(entry->stored() && entry->referenced());
  EXPECT_EQ(entry->generation(), Entry::kGenerations - 1);
  entry->set_generation(0);
  EXPECT_TRUE(entry->row_expires());
  EXPECT_EQ(entry->dot(), kDotOfEntries);
}

TEST(Entry, AssignsInPlaceOnlyWithinItsSizeClass) {
  // 40 + 3 + 60 bytes: the class of 112 holds payloads of 54 to 69 bytes.
  const OwnedEntry entry = make("key", raw_state(std::string(60, 'a')));
  entry->set_dirty(true);
  const size_t memory = entry->memory_bytes();
  ASSERT_EQ(memory, 112u);
  for (const size_t size : {54u, 69u}) {
    const std::string payload(size, 'b');
    EntryState next = raw_state(payload);
    next.dot.n = size;
    next.expiry_ms = 0;
    ASSERT_TRUE(entry->assign(next));
    EXPECT_EQ(entry->payload(), payload);
    EXPECT_EQ(entry->dot().n, size);
    EXPECT_EQ(entry->expiry_ms(), 0u);
    EXPECT_EQ(entry->memory_bytes(), memory);
  }
  const std::string before(entry->payload());
  for (const size_t size : {size_t{0}, size_t{53}, size_t{70}, Entry::kBlobBytesMin}) {
    const std::string payload(size, 'c');
    EXPECT_FALSE(entry->assign(raw_state(payload))) << size;
    EXPECT_EQ(entry->payload(), before);
  }
  EXPECT_TRUE(entry->dirty());
  EXPECT_EQ(entry->key(), "key");
}

TEST(Entry, AssignReplacesABlobOfTheSameClass) {
  const OwnedEntry entry = make("key", raw_state(std::string(5000, 'a')));
  const object::BlobRef reader = entry->blob();
  const std::string payload(5001, 'b');
  ASSERT_TRUE(entry->assign(raw_state(payload)));
  EXPECT_EQ(entry->payload(), payload);
  EXPECT_EQ(reader.view(), std::string(5000, 'a')) << "a reply under way keeps what it had";
  EXPECT_FALSE(entry->assign(raw_state(std::string(50'000, 'c'))));
  EXPECT_FALSE(entry->assign(raw_state("inline")));
  EXPECT_EQ(entry->payload(), payload);
}

TEST(Entry, AssignTakesItsOwnPayload) {
  for (const size_t size : {size_t{20}, size_t{5000}}) {
    const OwnedEntry entry = make("key", raw_state(std::string(size - 1, 'a') + "z"));
    EntryState next = entry->state();
    next.hlc = 5;
    next.payload.remove_prefix(1);
    ASSERT_TRUE(entry->assign(next));
    EXPECT_EQ(entry->payload(), std::string(size - 2, 'a') + "z");
    EXPECT_EQ(entry->hlc(), 5u);
  }
}

TEST(Entry, SharesALargeBlobAndInlinesASmallOne) {
  const object::BlobRef large = object::Blob::make(std::string(Entry::kBlobBytesMin, 'x'));
  const OwnedEntry sharing(Entry::make("k", raw_state("ignored"), large));
  EXPECT_EQ(sharing->payload().data(), large.view().data());
  EXPECT_EQ(sharing->blob().view().data(), large.view().data());
  const object::BlobRef small = object::Blob::make("tiny");
  const OwnedEntry inlining(Entry::make("k", raw_state("ignored"), small));
  EXPECT_EQ(inlining->payload(), "tiny");
  EXPECT_TRUE(inlining->blob().empty());
}

TEST(Entry, BlobOutlivesTheEntry) {
  OwnedEntry entry = make("k", raw_state(std::string(10'000, 'x')));
  const object::BlobRef blob = entry->blob();
  entry.reset();
  EXPECT_EQ(blob.view(), std::string(10'000, 'x'));
}

TEST(Entry, MemoryIsTheAllocatorsForHeaderKeyAndPayload) {
  EXPECT_EQ(make(std::string(16, 'k'), raw_state(std::string(100, 'v')))->memory_bytes(), 160u);
  EXPECT_EQ(make("k", raw_state(""))->memory_bytes(), 48u);
  const size_t blob = allocation_bytes(sizeof(object::Blob) + 10'000);
  EXPECT_EQ(make("k", raw_state(std::string(10'000, 'v')))->memory_bytes(), 64u + blob);
}

TEST(Entry, SetExpiryKeepsThePayload) {
  const OwnedEntry entry = make("k", raw_state("value"));
  entry->set_expiry(0, {object::ActorId{9}, 43}, 1001);
  EXPECT_EQ(entry->expiry_ms(), 0u);
  EXPECT_EQ(entry->dot(), (object::Dot{object::ActorId{9}, 43}));
  EXPECT_EQ(entry->hlc(), 1001u);
  EXPECT_EQ(entry->payload(), "value");
}

TEST(Entry, LivesUntilItsExpiry) {
  const OwnedEntry entry = make("k", raw_state("v"));
  EXPECT_TRUE(entry->live_at(1999));
  EXPECT_FALSE(entry->live_at(2000));
  EXPECT_TRUE(make("k", {.payload = "v"})->live_at(UINT64_MAX));
  EXPECT_FALSE(make("k", {.form = Form::tombstone, .payload = {}})->live_at(0));
}

}  // namespace
}  // namespace quorate::storage
