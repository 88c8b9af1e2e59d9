#include "redis/read_key.h"

namespace quorate::redis {

void resolve_conflict(CommandContext& context, coordinator::KeyRef& key) {
  ShardEngine& engine = context.engine;
  const auto& policies = engine.cluster().view().conflict_policies();
  if (policies.of_key(key.key.name) != cluster::ConflictPolicy::lww) return;
  const bool here = !engine.clustered() || engine.shard_cluster()->can_repair(key.key.slot);
  if (!here || !engine.store().write_refusal().empty()) return;
  if (context.space.supersede_losers(key)) ++engine.statistics().siblings_superseded;
}

}  // namespace quorate::redis
