#include "quorate/storage/entry_codec.h"

#include <gtest/gtest.h>
#include <random>
#include <string>
#include <vector>

namespace quorate::storage {
namespace {

std::string encoded(const Record& record) {
  std::string bytes(
      record_bytes_max(record.key.size(), record.state.payload.size() + record.context.size()),
      '\0');
  const size_t size = encode_record(record, bytes.data());
  EXPECT_LE(size, bytes.size());
  bytes.resize(size);
  return bytes;
}

void expect_equal(const EntryState& a, const EntryState& b) {
  EXPECT_EQ(a.form, b.form);
  EXPECT_EQ(a.dot, b.dot);
  EXPECT_EQ(a.hlc, b.hlc);
  EXPECT_EQ(a.expiry_ms, b.expiry_ms);
  EXPECT_EQ(a.payload, b.payload);
}

void expect_equal(const Record& a, const Record& b) {
  EXPECT_EQ(a.type, b.type);
  EXPECT_EQ(a.slot, b.slot);
  EXPECT_EQ(a.db, b.db);
  EXPECT_EQ(a.key, b.key);
  EXPECT_EQ(a.context, b.context);
  expect_equal(a.state, b.state);
}

const std::string kPayload(300, 'p');
const std::string kTotal(16, '\x7f');
constexpr object::Dot kDotOfRecords{object::ActorId{3}, 70'000};

std::vector<EntryState> states() {
  const object::Dot highest{object::ActorId{Entry::kActorsMax - 1}, object::Dot::kMaxN};
  return {
      {.form = Form::raw, .dot = kDotOfRecords, .hlc = 1, .payload = "value"},
      {.form = Form::raw,
       .dot = kDotOfRecords,
       .hlc = 1,
       .expiry_ms = 1'700'000'000'000,
       .payload = ""},
      {.form = Form::counter, .dot = kDotOfRecords, .hlc = 9, .payload = kTotal},
      {.form = Form::encoded,
       .dot = kDotOfRecords,
       .hlc = object::hlc_at(1'700'000'000'000),
       .payload = kPayload},
      {.form = Form::tombstone, .dot = kDotOfRecords, .hlc = 2, .payload = {}},
      {.form = Form::tombstone, .dot = kDotOfRecords, .hlc = 2, .payload = kPayload},
      {.form = Form::raw,
       .dot = highest,
       .hlc = object::kMaxHlc,
       .expiry_ms = UINT64_MAX,
       .payload = kPayload},
  };
}

std::vector<Record> records() {
  std::vector<Record> all;
  for (const EntryState& state : states()) {
    for (const Before before :
         {Before::unknown, Before::absent, Before::lasting, Before::expiring}) {
      all.push_back({RecordType::put, before, 16383, UINT16_MAX, "a key", state});
    }
    all.push_back({RecordType::put, Before::absent, 0, 0, "", state});
  }
  const EntryState change{.dot = kDotOfRecords, .hlc = 77, .payload = {}};
  all.push_back({RecordType::remove, Before::expiring, 5, 1, "gone", change});
  all.push_back({RecordType::flush, Before::unknown, 5, 1, "", change});
  all.push_back({RecordType::merged, Before::lasting, 5, 1, "a key", states().front(), "dots"});
  all.push_back({RecordType::joined, Before::unknown, 5, 1, "a key", change, kPayload});
  all.push_back({RecordType::flushed, Before::unknown, 5, 1, "", change, "context"});
  all.push_back({RecordType::clock, Before::unknown, 5, 0, "", {}, "context"});
  return all;
}

std::string row_of(const std::vector<EntryState>& chain) {
  RowBytes row;
  append_row_header(row);
  for (const EntryState& state : chain) append_row_entry(row, "some key", state);
  return {row.data(), row.size()};
}

TEST(EntryCodec, EveryRecordComesBack) {
  for (const Record& record : records()) {
    const std::string bytes = encoded(record) + "rest";
    std::string_view left = bytes;
    const auto decoded = decode_record(left);
    ASSERT_TRUE(decoded.has_value());
    expect_equal(*decoded, record);
    EXPECT_EQ(left, "rest");
  }
}

TEST(EntryCodec, RecordsFollowEachOther) {
  std::string bytes;
  for (const Record& record : records()) bytes += encoded(record);
  std::string_view left = bytes;
  for (const Record& record : records()) {
    const auto decoded = decode_record(left);
    ASSERT_TRUE(decoded.has_value());
    expect_equal(*decoded, record);
  }
  EXPECT_TRUE(left.empty());
}

TEST(EntryCodec, EveryTruncationOfARecordIsRejected) {
  for (const Record& record : records()) {
    const std::string bytes = encoded(record);
    for (size_t size = 0; size < bytes.size(); ++size) {
      const std::string cut = bytes.substr(0, size);
      std::string_view left = cut;
      EXPECT_FALSE(decode_record(left).has_value()) << size;
      EXPECT_EQ(left.size(), size) << "a malformed record is not consumed";
    }
  }
}

// A record that decodes after a flip must be a valid one: it encodes to what was consumed.
TEST(EntryCodec, FlippedBitsNeverDecodeToSomethingElseThanTheySay) {
  for (const Record& record : records()) {
    const std::string bytes = encoded(record);
    for (size_t bit = 0; bit < bytes.size() * 8; ++bit) {
      std::string flipped = bytes;
      flipped[bit / 8] = static_cast<char>(flipped[bit / 8] ^ (1 << (bit % 8)));
      std::string_view left = flipped;
      const auto decoded = decode_record(left);
      if (!decoded) continue;
      EXPECT_EQ(encoded(*decoded), flipped.substr(0, flipped.size() - left.size()));
    }
  }
}

TEST(EntryCodec, RandomBytesNeverCrash) {
  std::mt19937_64 random(1);
  for (int i = 0; i < 20'000; ++i) {
    std::string bytes(random() % 60, '\0');
    for (char& byte : bytes) byte = static_cast<char>(random() >> (random() % 64));
    if (!bytes.empty()) bytes[0] = static_cast<char>(1 + random() % 3);
    std::string_view left = bytes;
    if (const auto decoded = decode_record(left)) {
      EXPECT_EQ(encoded(*decoded), bytes.substr(0, bytes.size() - left.size()));
    }
    std::string_view row = bytes;
    visit_row(row, [&](const RowEntry& entry) { EXPECT_LE(entry.key.size(), bytes.size()); });
  }
}

TEST(EntryCodec, RefusesValuesOutOfRange) {
  const Record good{RecordType::flush,
                    Before::unknown,
                    1,
                    0,
                    "",
                    {.dot = kDotOfRecords, .hlc = 1, .payload = {}}};
  const auto refused = [&](size_t at, const std::string& with, size_t replaced) {
    std::string bytes = encoded(good);
    bytes.replace(at, replaced, with);
    std::string_view left = bytes;
    return !decode_record(left).has_value();
  };
  EXPECT_FALSE(refused(0, "\x03", 1));
  EXPECT_TRUE(refused(0, "\x07", 1)) << "type";
  EXPECT_TRUE(refused(0, std::string(1, '\0'), 1)) << "type";
  EXPECT_TRUE(refused(1, "\x80\x80\x01", 1)) << "slot 16384";
  EXPECT_FALSE(refused(1, "\xff\x7f", 1)) << "slot 16383";
  EXPECT_TRUE(refused(1, std::string("\x81\x00", 2), 1)) << "overlong";
  EXPECT_TRUE(refused(3, "\x80\x80\x80\x08", 1)) << "actor 2^24";
}

TEST(EntryCodec, RefusesPayloadsThatTheirFormDoesNotHave) {
  std::string row = row_of({{.form = Form::raw, .dot = kDotOfRecords, .hlc = 1, .payload = "abc"}});
  ASSERT_TRUE(visit_row(row, [](const RowEntry&) {}));
  row[1] = static_cast<char>(Form::counter);
  EXPECT_FALSE(visit_row(row, [](const RowEntry&) {}));
}

TEST(EntryCodec, RowsHoldAChain) {
  const std::string row = row_of(states());
  size_t visited = 0;
  ASSERT_TRUE(visit_row(row, [&](const RowEntry& entry) {
    EXPECT_EQ(entry.key, "some key");
    ASSERT_LT(visited, states().size());
    expect_equal(entry.state, states()[visited++]);
  }));
  EXPECT_EQ(visited, states().size());
}

TEST(EntryCodec, RowsOfANewerFormatAreRefused) {
  std::string row = row_of(states());
  row[0] = 2;
  EXPECT_FALSE(visit_row(row, [](const RowEntry&) { FAIL(); }));
  EXPECT_FALSE(visit_row(std::string_view{}, [](const RowEntry&) { FAIL(); }));
}

TEST(EntryCodec, RowsCutWithinAnEntryAreRefused) {
  for (const EntryState& state : states()) {
    const std::string row = row_of({state});
    for (size_t size = 2; size < row.size(); ++size) {
      const std::string cut = row.substr(0, size);
      EXPECT_FALSE(visit_row(cut, [](const RowEntry&) {})) << size;
    }
  }
}

TEST(EntryCodec, FlippedBitsInRowsNeverCrash) {
  const std::string row = row_of(states());
  for (size_t bit = 0; bit < row.size() * 8; ++bit) {
    std::string flipped = row;
    flipped[bit / 8] = static_cast<char>(flipped[bit / 8] ^ (1 << (bit % 8)));
    visit_row(flipped, [&](const RowEntry& entry) {
      EXPECT_LE(entry.key.size() + entry.state.payload.size(), flipped.size());
    });
  }
}

}  // namespace
}  // namespace quorate::storage
