// Commands about all keys of a database, wherever they live; SCAN is in commands_scan.cc.
// Source: Redis 7.2 db.c.
#include <algorithm>
#include <memory>
#include <numeric>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "quorate/redis/command_table.h"
#include "quorate/redis/glob.h"
#include "quorate/redis/shard_engine.h"

#include "redis/arguments.h"
#include "redis/handlers.h"
#include "redis/key_counts.h"
#include "redis/key_walk.h"
#include "redis/request_checks.h"

namespace quorate::redis {
namespace {

using Databases = std::vector<uint16_t>;

// A slot with at most so many keys is walked from its beginning to find a random one.
constexpr uint64_t kSmallSlotKeys = 128;
constexpr uint64_t kLargeSlotSteps = 16;

void reply_unreadable(ReplyWriter& reply, const runtime::Error& error) {
  reply.error("ERR the keys could not be read from disk: " + error.message);
}

// What of a shard a command is about.
struct Scope {
  uint16_t db = 0;
  const object::SlotSet* slots = nullptr;  // null: all
};

// The keys of a shard that match, encoded as replies, so that nobody has to do that for all in one
// turn.
struct Matches {
  static constexpr size_t kChunkBytes = 64 * 1024;
  uint64_t count = 0;
  std::vector<std::string> chunks;
  runtime::Status status;

  void add(std::string_view name) {
    ++count;
    if (chunks.empty() || chunks.back().size() >= kChunkBytes) chunks.emplace_back();
    std::string& chunk = chunks.back();
    chunk += "$" + std::to_string(name.size()) + "\r\n";
    chunk += name;
    chunk += "\r\n";
  }
};

void match_keys(ShardEngine& engine, const Scope& scope, const std::string& pattern,
                ShardEngine::Continuation<Matches> finish) {
  auto matches = std::make_shared<Matches>();
  KeyWalk::start(
      engine, {.db = scope.db, .slots = scope.slots},
      [matches, pattern, all = pattern == "*"](Position, std::string_view name) {
        if (all || glob_match(pattern, name)) matches->add(name);
      },
      [matches, finish = std::move(finish)](const runtime::Result<Position>& reached) mutable {
        if (!reached) matches->status = std::unexpected(reached.error());
        finish(std::move(*matches));
      });
}

void reply_keys(ReplyWriter& reply, const std::vector<Matches>& shards) {
  uint64_t count = 0;
  for (const Matches& shard : shards) {
    if (!shard.status) return reply_unreadable(reply, shard.status.error());
    count += shard.count;
  }
  reply.array(count);
  for (const Matches& shard : shards) {
    for (const std::string& chunk : shard.chunks) reply.raw(chunk);
  }
}

// A key of one shard, and how many it was picked from.
struct Pick {
  uint64_t keys = 0;
  std::optional<std::string> name;
  runtime::Status status;
};

// Walks `steps` keys from a place; the last one that is met is the pick. Where none is left (the
// others have expired) the first of all is.
void pick_by_walk(ShardEngine& engine, const Scope& scope, Position from, uint64_t steps,
                  ShardEngine::Continuation<Pick> finish) {
  auto pick = std::make_shared<Pick>();
  pick->keys = count_keys(engine.store(), scope.db, scope.slots).keys;
  KeyWalk::start(
      engine, {.db = scope.db, .from = from, .keys_max = steps, .slots = scope.slots},
      [pick, left = steps](Position, std::string_view name) mutable {
        if (left == 0) return;
        --left;
        pick->name = std::string(name);
      },
      [&engine, scope, from, pick,
       finish = std::move(finish)](const runtime::Result<Position>& reached) mutable {
        if (reached && !pick->name && from != 0) {
          return pick_by_walk(engine, scope, 0, 1, std::move(finish));
        }
        if (!reached) pick->status = std::unexpected(reached.error());
        finish(std::move(*pick));
      });
}

// Picks the slot by how many keys it has, then the key in it by its rank or, in a large slot, by
// its hash.
void pick_anywhere(ShardEngine& engine, const Scope& scope, uint64_t keys,
                   ShardEngine::Continuation<Pick> finish) {
  storage::ShardStore& store = engine.store();
  const auto& shape = store.shape();
  runtime::Random& random = engine.random();
  uint64_t rank = random.below(keys);
  for (unsigned number = shape.shard; number < object::kSlots; number += shape.shards) {
    const auto slot = static_cast<uint16_t>(number);
    if (scope.slots != nullptr && !scope.slots->contains(slot)) continue;
    const uint64_t live = store.table().counts(scope.db, slot).live;
    if (rank >= live) {
      rank -= live;
      continue;
    }
    if (live <= kSmallSlotKeys) {
      return pick_by_walk(engine, scope, slot_begin(slot), rank + 1, std::move(finish));
    }
    const Position from = position_of(slot, random.next());
    return pick_by_walk(engine, scope, from, 1 + random.below(kLargeSlotSteps), std::move(finish));
  }
  finish({});
}

void pick_key(ShardEngine& engine, const Scope& scope, ShardEngine::Continuation<Pick> finish) {
  constexpr unsigned kTries = 100;
  storage::ShardStore& store = engine.store();
  const uint64_t keys = count_keys(store, scope.db, scope.slots).keys;
  if (keys == 0) return finish({});
  if (store.cold_rows() != 0 || scope.slots != nullptr) {
    return pick_anywhere(engine, scope, keys, std::move(finish));
  }
  for (unsigned i = 0; i < kTries; ++i) {
    object::Key key;
    const storage::Entry* entry = store.table().sample(scope.db, engine.random().next(), &key);
    if (entry == nullptr || !entry->live_at(store.now_ms())) continue;
    return finish({keys, std::string(entry->key()), {}});
  }
  pick_by_walk(engine, scope, 0, 1, std::move(finish));
}

// Chooses among the shards' picks by how many keys each was picked from. A part of an answer
// (Gather::pick) says first how many that were.
void reply_random_key(ReplyWriter& reply, const std::vector<Pick>& picks, bool part,
                      runtime::Random& random) {
  uint64_t all = 0;
  for (const Pick& pick : picks) {
    if (!pick.status) return reply_unreadable(reply, pick.status.error());
    if (pick.name) all += pick.keys;
  }
  if (part) {
    reply.array(2);
    reply.integer(static_cast<int64_t>(all));
  }
  if (all == 0) return reply.null();
  uint64_t rank = random.below(all);
  for (const Pick& pick : picks) {
    if (!pick.name) continue;
    if (rank < pick.keys) return reply.bulk(*pick.name);
    rank -= pick.keys;
  }
}

// The options change nothing here: what was flushed is freed in slices in any case.
bool parse_flush(CommandContext& context) {
  const Args args = context.args;
  if (args.size() == 1) return true;
  if (args.size() == 2 && (same_name(args[1], "SYNC") || same_name(args[1], "ASYNC"))) return true;
  context.reply.error(kSyntaxError);
  return false;
}

// Why the shard would not flush; empty if it would.
std::string flush_refusal(ShardEngine& engine, const object::SlotSet* slots) {
  const std::string& refusal = engine.store().write_refusal();
  if (!refusal.empty()) return misconf_text(refusal);
  if (slots == nullptr) return {};
  const runtime::Status may = engine.shard_cluster()->may_change(*slots);
  return may ? std::string() : may.error().message;
}

// Flushes a shard; `done` is told, once the changes may be answered for, whether they have their
// copies.
void flush_shard(ShardEngine& engine, const Databases& databases, const object::SlotSet* slots,
                 ShardEngine::Continuation<bool> done) {
  const uint64_t begin = engine.store().journal().end_position();
  for (const uint16_t db : databases) engine.store().flush(db, slots);
  const uint64_t end = engine.store().journal().end_position();
  engine.coordinator().after_turn(
      engine.loop(), [&engine, begin, end, done = std::move(done)]() mutable {
        const auto* const cluster = engine.shard_cluster();
        done(cluster == nullptr || !cluster->replicator().window().given_up(begin, end));
      });
}

// The second half of a flush: every shard has said that it takes writes.
void flush_every_shard(ShardEngine& engine, Databases databases, const object::SlotSet* slots,
                       std::shared_ptr<Finish> finish) {
  engine.on_every_shard_async<bool>(
      [databases = std::move(databases), slots](ShardEngine& each,
                                                ShardEngine::Continuation<bool> done) {
        flush_shard(each, databases, slots, std::move(done));
      },
      [finish = std::move(finish)](const std::vector<bool>& copied) {
        (*finish)([&](ReplyWriter& reply) {
          if (std::ranges::find(copied, false) == copied.end()) return reply.ok();
          reply.error(
              "UNCERTAIN the flush is on too few replicas to be promised and may take effect");
        });
      });
}

// All shards or none: asked before, because a shard cannot take back what it has flushed.
void flush(CommandContext& context, Databases databases) {
  context.engine.on_every_shard<std::string>(
      [slots = context.slots](ShardEngine& engine) { return flush_refusal(engine, slots); },
      [&engine = context.engine, databases = std::move(databases), slots = context.slots,
       finish =
           std::make_shared<Finish>(context.defer())](const std::vector<std::string>& refusals) {
        for (const std::string& refusal : refusals) {
          if (refusal.empty()) continue;
          return (*finish)([&](ReplyWriter& reply) { reply.error(refusal); });
        }
        flush_every_shard(engine, databases, slots, finish);
      });
}

}  // namespace

void dbsize_command(CommandContext& context) {
  context.engine.on_every_shard<uint64_t>(
      [db = context.db, slots = context.slots](ShardEngine& engine) {
        return count_keys(engine.store(), db, slots).keys;
      },
      [finish = std::make_shared<Finish>(context.defer())](const std::vector<uint64_t>& keys) {
        const uint64_t all = std::accumulate(keys.begin(), keys.end(), uint64_t{0});
        (*finish)([&](ReplyWriter& reply) { reply.integer(static_cast<int64_t>(all)); });
      });
}

void keys_command(CommandContext& context) {
  context.engine.on_every_shard_async<Matches>(
      [scope = Scope{context.db, context.slots}, pattern = std::string(context.args[1])](
          ShardEngine& engine, ShardEngine::Continuation<Matches> finish) {
        match_keys(engine, scope, pattern, std::move(finish));
      },
      [finish = std::make_shared<Finish>(context.defer())](const std::vector<Matches>& shards) {
        (*finish)([&](ReplyWriter& reply) { reply_keys(reply, shards); });
      });
}

void randomkey_command(CommandContext& context) {
  context.engine.on_every_shard_async<Pick>(
      [scope = Scope{context.db, context.slots}](ShardEngine& engine,
                                                 ShardEngine::Continuation<Pick> finish) {
        pick_key(engine, scope, std::move(finish));
      },
      [&random = context.engine.random(), part = context.slots != nullptr,
       finish = std::make_shared<Finish>(context.defer())](const std::vector<Pick>& picks) {
        (*finish)([&](ReplyWriter& reply) { reply_random_key(reply, picks, part, random); });
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
