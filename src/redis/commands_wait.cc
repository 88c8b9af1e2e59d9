// WAIT. Source: Redis 7.2 replication.c (waitCommand) and timeout.c.
#include <limits>
#include <optional>

#include "quorate/redis/shard_engine.h"

#include "redis/arguments.h"
#include "redis/handlers.h"
#include "redis/wait_request.h"

namespace quorate::redis {
namespace {

std::optional<uint64_t> timeout_argument(CommandContext& context, size_t index) {
  const auto timeout =
      integer_argument(context, index, "ERR timeout is not an integer or out of range");
  if (!timeout) return std::nullopt;
  if (*timeout < 0) {
    context.reply.error("ERR timeout is negative");
    return std::nullopt;
  }
  const int64_t now = static_cast<int64_t>(context.now_ms());
  if (*timeout > std::numeric_limits<int64_t>::max() - now) {
    context.reply.error("ERR timeout is out of range");
    return std::nullopt;
  }
  return static_cast<uint64_t>(*timeout);
}

}  // namespace

void wait_command(CommandContext& context) {
  const auto wanted = integer_argument(context, 1);
  if (!wanted) return;
  const auto timeout_ms = timeout_argument(context, 2);
  if (!timeout_ms) return;
  if (!context.engine.clustered() && *wanted <= 0) return context.reply.integer(0);
  WaitRequest::start(context.engine, *context.client, *wanted, *timeout_ms, context.defer());
}

}  // namespace quorate::redis
