// KeySpace: what a command function sees of the data, wherever the keys live.
//
// A command works on the keys it declared. On the shard that owns them, KeySpace reads and changes
// the store directly. For an operation over several shards it works on copies of the foreign keys,
// gathered while their slots were held, and records the changes, which the owners then apply;
// command functions cannot tell.
//
// A KeyRef is valid until the next change through the KeySpace. Keys are resident: whoever runs a
// command has loaded them before. Thread: the shard's. Time: Unix ms of the turn.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "quorate/object/causal_context.h"
#include "quorate/object/key.h"
#include "quorate/object/object.h"
#include "quorate/runtime/error.h"
#include "quorate/storage/shard_store.h"

namespace quorate::coordinator {

// A key of another shard, copied with what it held; then what the command made of it.
struct ForeignKey {
  struct Destroy {
    void operator()(storage::Entry* entry) const { storage::Entry::destroy(entry); }
  };
  // What the command did to it. An expiry or increments alone are done again where the key lives,
  // so that they do not replace what other replicas add.
  enum class Change : uint8_t { none, expiry, increment, value };

  std::string name;
  object::Key key;                                 // key.name views `name`
  std::unique_ptr<storage::Entry, Destroy> entry;  // null: absent
  bool existed = false;                            // when it was copied; perhaps past its expiry
  Change change = Change::none;
  int64_t added = 0;  // by Change::increment

  ForeignKey(const object::Key& of, const storage::Entry* source);
  ForeignKey(ForeignKey&& other) noexcept;
  ForeignKey& operator=(ForeignKey&&) = delete;
  void note(Change next);
};

struct KeyRef {
  object::Key key;
  storage::Entry* entry = nullptr;  // null when absent; may be a tombstone
  bool exists = false;              // visible now

  // The payload of a key that exists. For Form::counter and Form::encoded see KeySpace::text().
  std::string_view payload() const { return entry->payload(); }
  uint64_t expiry_ms() const { return entry->expiry_ms(); }
};

class KeySpace {
 public:
  KeySpace(storage::ShardStore& store, const object::ActorTable& actors)
      : store_(store), actors_(actors) {}

  enum class Touch : uint8_t { yes, no };
  // Looks the key up; removes it first if its time has come.
  KeyRef open(const object::Key& key, Touch touch = Touch::yes);

  // The string a key that exists stands for. May use `scratch`.
  std::string_view text(const KeyRef& ref, std::string& scratch) const;

  // Sets the whole value; expiry 0 means none. `payload` must not view the key's own old payload.
  void put(KeyRef& ref, std::string_view payload, uint64_t expiry_ms,
           storage::Form form = storage::Form::raw);
  // REQUIRES: ref.exists.
  void remove(KeyRef& ref);
  void set_expiry(KeyRef& ref, uint64_t expiry_ms);
  // Adds to the integer a key stands for, or to 0. The error is Redis's text without prefix.
  runtime::Result<int64_t> increment(KeyRef& ref, int64_t amount);

  // ---- siblings. REQUIRES: the key is of this shard
  // The key with all its versions, at rest (object.h), as far as a client may see it.
  object::Object object(const KeyRef& ref) const;
  // What was seen here of the key, as far as it matters: the dots of its versions, of its last
  // change, and what its slot clock does not say. Who writes on top of it supersedes all that the
  // key shows.
  object::CausalContext seen(const KeyRef& ref) const;
  // As put() and remove(), but versions that `seen` does not cover stay as siblings.
  void put_beside(KeyRef& ref, std::string_view payload, uint64_t expiry_ms,
                  const object::CausalContext& seen);
  void remove_seen(KeyRef& ref, const object::CausalContext& seen);
  // Removes the siblings that lose against the newest (object::losers), if there are any; false if
  // not, or if the key is of another shard.
  bool supersede_losers(KeyRef& ref);
  // How often a value was read or shown that had siblings.
  uint64_t siblings_seen() const { return siblings_seen_; }
  void reset_statistics() { siblings_seen_ = 0; }
  const object::ActorTable& actors() const { return actors_; }

  // Makes the change that an operation made to a copy. REQUIRES: the key is of this shard.
  void adopt(const ForeignKey& of);

  uint64_t now_ms() const { return store_.now_ms(); }
  storage::ShardStore& store() { return store_; }

  // Keys of other shards take part while an operation over several shards runs.
  void set_foreign(std::vector<ForeignKey>* keys) { foreign_ = keys; }

 private:
  bool is_foreign(const object::Key& key) const {
    return foreign_ != nullptr && !store_.shape().owns(key.slot);
  }
  ForeignKey& foreign(const object::Key& key);

  runtime::Result<int64_t> increment_alone(KeyRef& ref, int64_t amount);
  runtime::Result<int64_t> increment_replicated(KeyRef& ref, int64_t amount);
  std::optional<int64_t> integer(const KeyRef& ref) const;

  storage::ShardStore& store_;
  const object::ActorTable& actors_;
  std::vector<ForeignKey>* foreign_ = nullptr;
  mutable uint64_t siblings_seen_ = 0;
};

}  // namespace quorate::coordinator
