#include "quorate/storage/entry_codec.h"

#include <cassert>
#include <cstring>

#include "quorate/object/codec.h"

namespace quorate::storage {
namespace {

constexpr uint8_t kRowFormat = 1;
constexpr uint8_t kHasExpiry = 1;
constexpr unsigned kBeforeShift = 4;
constexpr size_t kCounterBytes = 16;

using object::PlaceWriter;

void write_change(PlaceWriter& out, const EntryState& state) {
  out.varint(static_cast<uint32_t>(state.dot.actor));
  out.varint(state.dot.n);
  out.varint(state.hlc);
}

void write_entry(PlaceWriter& out, std::string_view key, const EntryState& state) {
  assert(state.form != Form::counter || state.payload.size() == kCounterBytes);
  out.byte(static_cast<uint8_t>(state.form));
  out.byte(state.expiry_ms != 0 ? kHasExpiry : 0);
  write_change(out, state);
  if (state.expiry_ms != 0) out.varint(state.expiry_ms);
  out.varint(key.size());
  out.raw(key);
  out.varint(state.payload.size());
  out.raw(state.payload);
}

uint64_t read_at_most(object::ByteReader& in, uint64_t max) {
  const uint64_t value = in.varint();
  if (value > max) in.reject();
  return value;
}

std::string_view read_key(object::ByteReader& in) {
  const std::string_view key = in.sized();
  if (key.size() >= Entry::kKeyBytesMax) in.reject();
  return key;
}

void read_change(object::ByteReader& in, EntryState& state) {
  state.dot.actor = static_cast<object::ActorId>(read_at_most(in, Entry::kActorsMax - 1));
  state.dot.n = read_at_most(in, object::Dot::kMaxN);
  state.hlc = read_at_most(in, object::kMaxHlc);
}

bool is_payload_size(Form form, size_t bytes) {
  switch (form) {
    case Form::counter:
      return bytes == kCounterBytes;
    case Form::raw:
    case Form::encoded:
    case Form::tombstone:
      return bytes <= object::Blob::kMaxBytes;
  }
  return false;
}

RowEntry read_entry(object::ByteReader& in) {
  RowEntry entry;
  EntryState& state = entry.state;
  const uint8_t form = in.byte();
  const uint8_t flags = in.byte();
  if (form > static_cast<uint8_t>(Form::tombstone) || (flags & ~kHasExpiry) != 0) in.reject();
  state.form = static_cast<Form>(form & 3u);
  read_change(in, state);
  if ((flags & kHasExpiry) != 0) {
    state.expiry_ms = in.varint();
    if (state.expiry_ms == 0) in.reject();
  }
  entry.key = read_key(in);
  state.payload = in.sized();
  if (!is_payload_size(state.form, state.payload.size())) in.reject();
  return entry;
}

void advance(std::string_view& bytes, const object::ByteReader& in) {
  bytes.remove_prefix(bytes.size() - in.remaining());
}

}  // namespace

size_t record_bytes_max(size_t key_bytes, size_t payload_bytes) {
  constexpr size_t kBytes = 3;    // type, form, flags
  constexpr size_t kNumbers = 9;  // slot, db, actor, n, HLC, expiry, three sizes
  return kBytes + kNumbers * PlaceWriter::kVarintBytesMax + key_bytes + payload_bytes;
}

size_t encode_record(const Record& record, char* out) {
  PlaceWriter writer(out);
  writer.byte(static_cast<uint8_t>(static_cast<unsigned>(record.type) |
                                   static_cast<unsigned>(record.before) << kBeforeShift));
  writer.varint(record.slot);
  writer.varint(record.db);
  const auto write_sized = [&writer](std::string_view bytes) {
    writer.varint(bytes.size());
    writer.raw(bytes);
  };
  switch (record.type) {
    case RecordType::merged:
      write_sized(record.context);
      [[fallthrough]];
    case RecordType::put:  // in one place, which the compiler then inlines
      write_entry(writer, record.key, record.state);
      break;
    case RecordType::remove:
    case RecordType::joined:
    case RecordType::flush:
    case RecordType::flushed:
    case RecordType::clock:
      write_change(writer, record.state);
      if (record.type == RecordType::remove || record.type == RecordType::joined) {
        write_sized(record.key);
      }
      if (record.type >= RecordType::joined) write_sized(record.context);
      break;
  }
  return static_cast<size_t>(writer.end() - out);
}

std::optional<Record> decode_record(std::string_view& bytes) {
  object::ByteReader in(bytes);
  const unsigned first = in.byte();
  const unsigned type = first & ((1u << kBeforeShift) - 1);
  const unsigned before = first >> kBeforeShift;
  if (type < static_cast<unsigned>(RecordType::put) ||
      type > static_cast<unsigned>(RecordType::clock) ||
      before > static_cast<unsigned>(Before::expiring)) {
    return std::nullopt;
  }
  Record record;
  record.type = static_cast<RecordType>(type);
  record.before = static_cast<Before>(before);
  record.slot = static_cast<uint16_t>(read_at_most(in, object::kSlots - 1));
  record.db = static_cast<uint16_t>(read_at_most(in, UINT16_MAX));
  switch (record.type) {
    case RecordType::merged:
      record.context = in.sized();
      [[fallthrough]];
    case RecordType::put: {
      const RowEntry entry = read_entry(in);
      record.key = entry.key;
      record.state = entry.state;
      break;
    }
    case RecordType::remove:
      read_change(in, record.state);
      record.key = read_key(in);
      break;
    case RecordType::flush:
      read_change(in, record.state);
      break;
    case RecordType::joined:
      read_change(in, record.state);
      record.key = read_key(in);
      record.context = in.sized();
      break;
    case RecordType::flushed:
    case RecordType::clock:
      read_change(in, record.state);
      record.context = in.sized();
      break;
  }
  if (!in.ok()) return std::nullopt;
  advance(bytes, in);
  return record;
}

void append_row_header(RowBytes& out) { out.push_back(static_cast<char>(kRowFormat)); }

void append_row_entry(RowBytes& out, std::string_view key, const EntryState& state) {
  const size_t begin = out.size();
  out.resize(begin + record_bytes_max(key.size(), state.payload.size()),
             boost::container::default_init);
  PlaceWriter writer(out.data() + begin);
  write_entry(writer, key, state);
  out.resize(static_cast<size_t>(writer.end() - out.data()), boost::container::default_init);
}

std::optional<RowEntry> decode_row_entry(std::string_view& bytes) {
  object::ByteReader in(bytes);
  const RowEntry entry = read_entry(in);
  if (!in.ok()) return std::nullopt;
  advance(bytes, in);
  return entry;
}

bool strip_row_header(std::string_view& row) {
  if (row.empty() || static_cast<uint8_t>(row.front()) != kRowFormat) return false;
  row.remove_prefix(1);
  return true;
}

}  // namespace quorate::storage
