// Entry: one key of the object table, in one allocation.
//
// At rest nearly every string has one version whose context the slot clock already says; such an
// entry holds the version's dot, HLC and expiry in its header and the payload behind the key, so
// that a GET reads nothing else. Everything richer (siblings, contexts, baselines) is
// Form::encoded: the payload is object::encode()'s canonical form (stored_object.h). A
// tombstone stands for a deleted key: one whose row is still on disk or, while there are replicas,
// one they may still have to hear of. It has a payload, the same as Form::encoded, only if its slot
// clock does not say all that it saw, or if it keeps totals of counters.
//
// Layout: a 40 byte header, the key, then the payload, or, for payloads of kBlobBytesMin and more,
// a reference to an object::Blob that journal, checkpoint and replies can share.
//
// Invariants: key, size class and memory_bytes() never change; `dirty` means that the row in LMDB,
// if any, does not yet say what this entry says; a dirty entry never leaves memory. Thread: the
// shard's. Units: bytes, Unix ms. Source: DESIGN sections 4 and 5.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "quorate/object/blob.h"
#include "quorate/object/dot.h"
#include "quorate/object/hlc.h"

namespace quorate::storage {

enum class Form : uint8_t {
  raw,        // payload: the string's bytes
  counter,    // payload: one contribution, a 16 byte little-endian total of the dot's actor
  encoded,    // payload: object::encode() of the whole object
  tombstone,  // nothing a client sees; payload: none, or object::encode() of what was seen
};

// What an entry says, apart from its key. `payload` is borrowed. dot and hlc: of the version if
// there is just one (raw, counter), else some dot of the key that its slot clock covers, that of
// the last change as a rule, and an HLC that no version here exceeds. expiry_ms: that of the value
// a plain client sees, 0 for a tombstone.
struct EntryState {
  Form form = Form::raw;
  object::Dot dot{};
  object::Hlc hlc = 0;
  uint64_t expiry_ms = 0;  // Unix time; 0: never
  std::string_view payload{};
};

class Entry {
 public:
  static constexpr size_t kBlobBytesMin = 4096;
  // Limits of the header's packed fields: handles of actors are below kActorsMax, keys shorter than
  // kKeyBytesMax.
  static constexpr uint32_t kActorsMax = 1u << 24;
  static constexpr size_t kKeyBytesMax = size_t{1} << 30;

  // A new entry with access = 0 and no mark set.
  static Entry* make(std::string_view key, const EntryState& state);
  // The same, sharing `blob` as payload (state.payload is ignored) when it is large enough to be
  // one.
  static Entry* make(std::string_view key, const EntryState& state, object::BlobRef blob);
  static void destroy(Entry* entry);

  // Overwrites the state in place if memory_bytes() stays the same, else returns false and changes
  // nothing. Marks are left alone. `state.payload` may be this entry's own.
  bool assign(const EntryState& state);

  std::string_view key() const { return {bytes(), key_bytes_}; }
  std::string_view payload() const {
    if (payload_bytes_ < kBlobBytesMin) return {bytes() + key_bytes_, payload_bytes_};
    return blob_view();
  }
  // The shared payload, or null when it is held inline.
  object::BlobRef blob() const;
  EntryState state() const;

  Form form() const { return static_cast<Form>(form_); }
  object::Dot dot() const { return {static_cast<object::ActorId>(actor_), dot_n_}; }
  object::Hlc hlc() const { return hlc_; }
  uint64_t expiry_ms() const { return expiry_ms_; }
  // Changes the expiry together with the dot and time of that change.
  void set_expiry(uint64_t expiry_ms, object::Dot dot, object::Hlc hlc);

  bool live_at(uint64_t now_ms) const {
    return form() != Form::tombstone && (expiry_ms_ == 0 || now_ms < expiry_ms_);
  }

  bool dirty() const { return (marks_ & kDirty) != 0; }
  bool stored() const { return (marks_ & kStored) != 0; }  // a row of this key may be on disk
  bool referenced() const { return (marks_ & kReferenced) != 0; }
  void set_dirty(bool on) { set_mark(kDirty, on); }
  void set_stored(bool on) { set_mark(kStored, on); }
  // Whether that row, once the checkpoint under way has committed, is a tombstone's.
  bool row_tombstone() const { return (marks_ & kRowTombstone) != 0; }
  void set_row_tombstone(bool on) { set_mark(kRowTombstone, on); }
  // Whether it has an expiry.
  bool row_expires() const { return (marks_ & kRowExpires) != 0; }
  void set_row_expires(bool on) { set_mark(kRowExpires, on); }
  // The clock hand's second-chance bit, set by every access.
  void set_referenced(bool on) { set_mark(kReferenced, on); }
  // Which checkpoint last wrote it, modulo kGenerations: not evictable while that one is under way.
  static constexpr unsigned kGenerations = 8;
  unsigned generation() const { return uint32_t{marks_} >> kGenerationShift; }
  void set_generation(unsigned generation) {
    marks_ =
        static_cast<uint8_t>((marks_ & kMarks) | ((generation % kGenerations) << kGenerationShift));
  }

  // LRU time or LFU counter, as the eviction policy uses it.
  uint32_t access = 0;

  // What the allocator spends on this entry, its own blob included.
  size_t memory_bytes() const;
  // Reads its first and last byte, so that its memory is at hand.
  void touch_memory() const;

 private:
  static constexpr uint8_t kDirty = 1, kStored = 2, kReferenced = 4, kRowExpires = 8;
  static constexpr uint8_t kRowTombstone = 16, kMarks = 31;
  static constexpr unsigned kGenerationShift = 5;
  void set_mark(uint8_t mark, bool on) {
    marks_ = static_cast<uint8_t>(on ? marks_ | mark : marks_ & ~mark);
  }

  explicit Entry(std::string_view key) : key_bytes_(static_cast<uint32_t>(key.size())) {}
  ~Entry() = default;

  static Entry* allocate(std::string_view key, const EntryState& state, size_t payload_bytes);
  void set_header(const EntryState& state);
  std::string_view blob_view() const;
  object::Blob* held_blob() const;
  void hold_blob(object::BlobRef blob);
  size_t allocated_bytes() const;
  const char* bytes() const { return reinterpret_cast<const char*>(this + 1); }
  char* bytes() { return reinterpret_cast<char*>(this + 1); }

  uint32_t key_bytes_ : 30;
  uint32_t form_ : 2 = 0;
  object::Hlc hlc_ = 0;
  uint64_t dot_n_ = 0;
  uint64_t expiry_ms_ = 0;
  uint32_t payload_bytes_ = 0;
  uint32_t actor_ : 24 = 0;
  uint32_t marks_ : 8 = 0;
};
static_assert(sizeof(Entry) == 40);

// What the allocator hands out for a request of `bytes` (jemalloc's size classes: four per
// doubling).
size_t allocation_bytes(size_t bytes);

}  // namespace quorate::storage
