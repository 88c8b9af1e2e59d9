#include "quorate/coordinator/key_digests.h"

#include "quorate/object/object.h"
#include "quorate/storage/stored_object.h"

namespace quorate::coordinator {
namespace {

uint64_t mixed(uint64_t value) {
  value ^= value >> 33;
  value *= 0xff51afd7ed558ccdU;
  value ^= value >> 33;
  value *= 0xc4ceb9fe1a85ec53U;
  return value ^ (value >> 33);
}

}  // namespace

uint64_t KeyDigests::of(object::Dot dot) const {
  const auto actor = static_cast<size_t>(dot.actor);
  while (by_actor_.size() <= actor) {
    const auto id = static_cast<object::ActorId>(by_actor_.size());
    const object::Actor* const of = actors_.actor(id);
    uint64_t digest = of == nullptr ? 0 : of->epoch;
    for (size_t i = 0; of != nullptr && i < of->node.size(); ++i) {
      digest = mixed(digest + of->node[i]) + i;
    }
    by_actor_.push_back(digest);
  }
  return mixed(by_actor_[actor] ^ (dot.n * 0x9e3779b97f4a7c15U));
}

uint64_t KeyDigests::versions_of(const storage::Entry& entry) const {
  const bool tombstone = entry.form() == storage::Form::tombstone;
  const bool rich =
      entry.form() == storage::Form::encoded || (tombstone && !entry.payload().empty());
  if (!rich) return tombstone ? 0 : of(entry.dot());
  const auto object = object::Object::decode(entry.payload());
  if (!object) return 0;
  uint64_t digest = 0;
  for (const object::Element& element : object->elements) {
    for (const object::Version& version : element.versions) digest += of(version.dot);
  }
  return digest;
}

uint64_t KeyDigests::of(const object::Key& key) const {
  const storage::Entry* const entry = store_.find(key);
  if (entry == nullptr) return 0;
  if (const uint64_t versions = versions_of(*entry); versions != 0) return versions;
  // What a flush took is a tombstone on one replica, and nothing on another.
  const bool flushed = store_.flushes_cover(key.slot, key.db, entry->dot());
  return flushed ? 0 : of(entry->dot());
}

uint64_t KeyDigests::of_versions(const object::Key& key) const {
  const storage::Entry* const entry = store_.find(key);
  return entry == nullptr ? 0 : versions_of(*entry);
}

}  // namespace quorate::coordinator
