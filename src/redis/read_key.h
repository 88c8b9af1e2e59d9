// Looking a key up for a command that reads it: counted as a hit or a miss, as Redis counts.
//
// Commands that look a key up only to change it use CommandContext::open(). Thread: the shard's.
#pragma once

#include "quorate/redis/command_context.h"
#include "quorate/redis/shard_engine.h"

namespace quorate::redis {

inline const coordinator::KeyRef& counted(CommandContext& context, const coordinator::KeyRef& key) {
  EngineStatistics& statistics = context.engine.statistics();
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
