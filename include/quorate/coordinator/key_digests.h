// KeyDigests: what a key shows on this replica, as a number to be compared with another replica's.
//
// Equal digests mean equal versions: a dot names one change of one key, and is the same dot
// everywhere, whatever handle its actor has here. A tombstone has a dot as well; only who never
// heard of a key, has flushed or has reaped it, has none, and the digest 0. Thread: the shard's.
// Source: DESIGN section 8.
#pragma once

#include <cstdint>
#include <vector>

#include "quorate/object/dot.h"
#include "quorate/object/key.h"
#include "quorate/storage/shard_store.h"

namespace quorate::coordinator {

class KeyDigests {
 public:
  // REQUIRES: both outlive it.
  KeyDigests(const storage::ShardStore& store, const object::ActorTable& actors)
      : store_(store), actors_(actors) {}

  // REQUIRES: the key is resident or absent.
  uint64_t of(const object::Key& key) const;
  // The same, but 0 for all that has no version: where one replica has a tombstone, another may
  // have flushed.
  uint64_t of_versions(const object::Key& key) const;

 private:
  uint64_t versions_of(const storage::Entry& entry) const;
  uint64_t of(object::Dot dot) const;

  const storage::ShardStore& store_;
  const object::ActorTable& actors_;
  mutable std::vector<uint64_t> by_actor_;  // by handle
};

}  // namespace quorate::coordinator
