// Looking a key up for a command that reads it: counted as a hit or a miss, as Redis counts. Where
// conflict-policy says that the last write wins, siblings that it meets are superseded first.
//
// Commands that look a key up only to change it use CommandContext::open(). Thread: the shard's.
#pragma once

#include "quorate/redis/command_context.h"
#include "quorate/redis/shard_engine.h"

namespace quorate::redis {

// Supersedes what loses, by the policy for the key, if that change can be made here and now.
void resolve_conflict(CommandContext& context, coordinator::KeyRef& key);

inline coordinator::KeyRef counted(CommandContext& context, coordinator::KeyRef key) {
  EngineStatistics& statistics = context.engine.statistics();
  if (key.exists && key.entry->form() == storage::Form::encoded) [[unlikely]]
    resolve_conflict(context, key);
  ++(key.exists ? statistics.keyspace_hits : statistics.keyspace_misses);
  return key;
}

// The i-th declared key.
inline coordinator::KeyRef read_key(CommandContext& context, size_t i) {
  return counted(context, context.open(i));
}

// The same for a question about the key, which is no use of it.
inline coordinator::KeyRef examine_key(CommandContext& context, size_t i) {
  using Touch = coordinator::KeySpace::Touch;
  return counted(context, context.space.open(context.keys[i], Touch::no));
}

}  // namespace quorate::redis
