// Commands about all keys of a database, wherever they live; SCAN and KEYS are in commands_scan.cc.
// Source: Redis 7.2 db.c.
#include <memory>
#include <numeric>
#include <string>
#include <utility>
#include <vector>

#include "quorate/redis/command_table.h"
#include "quorate/redis/shard_engine.h"
#include "redis/arguments.h"
#include "redis/handlers.h"
#include "redis/request_checks.h"

namespace quorate::redis {
namespace {

using Databases = std::vector<uint16_t>;

// The options change nothing here: what was flushed is freed in slices in any case.
bool parse_flush(CommandContext& context) {
  const Args args = context.args;
  if (args.size() == 1) return true;
  if (args.size() == 2 && (same_name(args[1], "SYNC") || same_name(args[1], "ASYNC"))) return true;
  context.reply.error(kSyntaxError);
  return false;
}

// The second half of a flush: every shard has said that it takes writes.
void flush_every_shard(ShardEngine& engine, Databases databases, std::shared_ptr<Finish> finish) {
  engine.on_every_shard_async<bool>(
      [databases = std::move(databases)](ShardEngine& each, ShardEngine::Continuation<bool> done) {
        for (const uint16_t db : databases) each.store().flush(db);
        each.coordinator().after_turn(each.loop(),
                                      [done = std::move(done)]() mutable { done(true); });
      },
      [finish = std::move(finish)](const std::vector<bool>&) {
        (*finish)([](ReplyWriter& reply) { reply.ok(); });
      });
}

// All shards or none: asked before, because a shard cannot take back what it has flushed.
void flush(CommandContext& context, Databases databases) {
  context.engine.on_every_shard<std::string>(
      [](ShardEngine& engine) { return engine.store().write_refusal(); },
      [&engine = context.engine, databases = std::move(databases),
       finish = std::make_shared<Finish>(context.defer())](const std::vector<std::string>& refusals) {
        for (const std::string& refusal : refusals) {
          if (refusal.empty()) continue;
          return (*finish)([&](ReplyWriter& reply) { reply.error(misconf_text(refusal)); });
        }
        flush_every_shard(engine, databases, finish);
      });
}

}  // namespace

void dbsize_command(CommandContext& context) {
  context.engine.on_every_shard<uint64_t>(
      [db = context.db](ShardEngine& engine) { return engine.store().keys(db); },
      [finish = std::make_shared<Finish>(context.defer())](const std::vector<uint64_t>& keys) {
        const uint64_t all = std::accumulate(keys.begin(), keys.end(), uint64_t{0});
        (*finish)([&](ReplyWriter& reply) { reply.integer(static_cast<int64_t>(all)); });
      });
}

void flushdb_command(CommandContext& context) {
  if (parse_flush(context)) flush(context, {context.db});
}

void flushall_command(CommandContext& context) {
  if (!parse_flush(context)) return;
  Databases all(context.engine.store().shape().databases);
  std::iota(all.begin(), all.end(), uint16_t{0});
  flush(context, std::move(all));
}

}  // namespace quorate::redis
