// How an entry is written: the same bytes in a journal record and in a row's chain.
//
// Encoding: form, flags, actor, dot, HLC, expiry, key and payload, numbers as LEB128 varints; no
// format byte of its own, the journal segment and the row carry one. A journal payload is a
// sequence of records; each begins with a byte that holds its RecordType (low four bits) and its
// Before. Decoding never trusts a length. Thread: any.
#pragma once

#include <boost/container/vector.hpp>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "quorate/object/key.h"
#include "quorate/storage/entry.h"

namespace quorate::storage {

enum class RecordType : uint8_t {
  put = 1,     // the key's whole new state
  remove = 2,  // the key has no state any more; carries the dot of the change
  flush = 3,   // every key of (slot range of the shard, db) is gone; carries nothing else but the
               // dots taken
  // Of changes that other replicas made. What is simple is logged as a put.
  merged = 4,   // a put, with all the dots the slot clock then covers as CausalContext::encode()
  joined = 5,   // an object, Object::encode(), to be merged into the key's state; takes no dot
  flushed = 6,  // a flush's dot, n = 0 for several flushes, which take none, and what is covered, a
                // CausalContext: every key has seen that
  clock = 7,    // dots that the slot clock covers from here on, a CausalContext
};

// What a put or a remove replaced, so that recovery need not read the row to count keys. Journals
// of format version 1 never say.
enum class Before : uint8_t {
  unknown = 0,
  absent = 1,    // no key that a client could see
  lasting = 2,   // a key without expiry
  expiring = 3,  // a key with one, perhaps past
};

struct Record {
  RecordType type = RecordType::put;
  Before before = Before::unknown;
  uint16_t slot = 0;
  uint16_t db = 0;
  std::string_view key;  // empty for flush
  // put, merged: everything; the others: dot and hlc (flush: one record per slot).
  EntryState state;
  std::string_view context{};  // merged, joined, flushed: the encoded context or object
};

// Upper bound of encode_record()'s output.
size_t record_bytes_max(size_t key_bytes, size_t payload_bytes);
// Writes to `out`, which has record_bytes_max() room; returns the bytes written.
size_t encode_record(const Record& record, char* out);
// Takes one record off the front of `bytes`; nullopt (bytes unchanged) if it is malformed.
std::optional<Record> decode_record(std::string_view& bytes);

// Rows: format byte, then a chain of (key, state). Room for them is not cleared first.
using RowBytes = boost::container::vector<char>;
void append_row_header(RowBytes& out);
void append_row_entry(RowBytes& out, std::string_view key, const EntryState& state);
struct RowEntry {
  std::string_view key;
  EntryState state;
};
// Calls visit for each entry; false if the row is malformed or of a newer format.
template <class Visit>
bool visit_row(std::string_view row, Visit&& visit);

// One step of visit_row: takes an entry off the front of `bytes`.
std::optional<RowEntry> decode_row_entry(std::string_view& bytes);
bool strip_row_header(std::string_view& row);

template <class Visit>
bool visit_row(std::string_view row, Visit&& visit) {
  if (!strip_row_header(row)) return false;
  while (!row.empty()) {
    auto entry = decode_row_entry(row);
    if (!entry) return false;
    visit(*entry);
  }
  return true;
}

}  // namespace quorate::storage
