// KeyModel: what the journals say every key was, and when.
//
// It begins with what a recovery should have brought back and takes in each change as a journal
// records it. A key's versions are kept in order, so that a reply can be held against every state
// its command may have met. Thread: the simulator's one. Times: Unix ms of the node.
#pragma once

#include <compare>
#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "quorate/object/key.h"

#include "sim/journal_observer.h"

namespace quorate::sim {

struct KeyId {
  uint16_t db = 0;
  uint16_t slot = 0;
  std::string name;
  auto operator<=>(const KeyId&) const = default;

  static KeyId of(uint16_t db, std::string name) {
    const uint16_t slot = object::key_slot(name);
    return {db, slot, std::move(name)};
  }
};

struct KeyState {
  std::string text;
  uint64_t expiry_ms = 0;
  bool live_at(uint64_t now_ms) const { return expiry_ms == 0 || expiry_ms > now_ms; }
};

using KeyStates = std::map<KeyId, KeyState>;

// Applies one journal record to the keys' states.
void apply_change(KeyStates& states, const Change& change);

class KeyModel {
 public:
  struct Version {
    uint64_t sequence = 0;  // 0: from before this life
    std::optional<KeyState> state;
    unsigned shard = 0;  // the record: index among the changes of its shard
    size_t index = 0;
  };

  void begin(KeyStates base);
  void apply(unsigned shard, size_t index, const Change& change);

  // Of the last change so far.
  uint64_t sequence() const { return sequence_; }
  // What the key was at `since` and all it became after.
  std::vector<Version> versions(const KeyId& key, uint64_t since) const;
  // Existing keys of the database at `since`, expired but not yet removed ones included.
  std::vector<KeyId> existing(uint16_t db, uint64_t since) const;
  const KeyStates& base() const { return base_; }

 private:
  KeyStates base_;
  std::map<KeyId, std::vector<Version>> versions_;
  uint64_t sequence_ = 0;
};

}  // namespace quorate::sim
