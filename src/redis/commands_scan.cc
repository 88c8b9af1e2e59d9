// SCAN: every shard walks its keys from the cursor on, and the first COUNT of them all are
// answered.
//
// The cursor is the position up to which everything was met, on every shard; 0 at the start and at
// the end. Source: Redis 7.2 db.c scanGenericCommand.
#include <algorithm>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "quorate/redis/command_table.h"
#include "quorate/redis/glob.h"
#include "quorate/redis/shard_engine.h"

#include "redis/arguments.h"
#include "redis/cluster_scan.h"
#include "redis/handlers.h"
#include "redis/key_walk.h"

namespace quorate::redis {
namespace {

// Expired keys and tombstones that a call passes by for each key it is asked for.
constexpr uint64_t kPlacesPerKey = 10;

struct ScanRequest {
  uint16_t db = 0;
  Position from = 0;
  uint64_t count = kScanCountUnlessGiven;
  const object::SlotSet* slots = nullptr;
  std::optional<std::string> pattern, type;

  bool wants(std::string_view name) const {
    if (type && !same_name(*type, "string")) return false;
    return !pattern || glob_match(*pattern, name);
  }
};

// What one shard has met.
struct ShardScan {
  std::vector<Position> met;  // of all keys, also those that are not wanted
  std::vector<std::pair<Position, std::string>> wanted;
  runtime::Result<Position> reached = kWalkEnd;
};

bool parse_options(CommandContext& context, ScanRequest& request) {
  const Args args = context.args;
  for (size_t at = kScanOptionsBegin; at < args.size(); at += 2) {
    const bool has_value = at + 1 < args.size();
    if (has_value && same_name(args[at], "COUNT")) {
      const auto count = integer_argument(context, at + 1);
      if (!count) return false;
      if (*count < 1) {
        context.reply.error(kSyntaxError);
        return false;
      }
      request.count = static_cast<uint64_t>(*count);
    } else if (has_value && same_name(args[at], "MATCH")) {
      request.pattern = std::string(args[at + 1]);
    } else if (has_value && same_name(args[at], "TYPE")) {
      request.type = std::string(args[at + 1]);
    } else {
      context.reply.error(kSyntaxError);
      return false;
    }
  }
  if (request.pattern == "*") request.pattern.reset();
  return true;
}

void scan_shard(ShardEngine& engine, const ScanRequest& request,
                ShardEngine::Continuation<ShardScan> finish) {
  auto scan = std::make_shared<ShardScan>();
  const uint64_t places = std::min(request.count, UINT64_MAX / kPlacesPerKey) * kPlacesPerKey;
  KeyWalk::start(
      engine, {request.db, request.from, request.count, places, request.slots},
      [scan, request](Position position, std::string_view name) {
        scan->met.push_back(position);
        if (request.wants(name)) scan->wanted.emplace_back(position, name);
      },
      [scan, finish = std::move(finish)](runtime::Result<Position> reached) mutable {
        scan->reached = std::move(reached);
        finish(std::move(*scan));
      });
}

// Where the answer ends: no shard has come less far, and COUNT keys lie before it, if there are as
// many.
Position common_end(const std::vector<ShardScan>& shards, uint64_t count) {
  Position end = kWalkEnd;
  std::vector<Position> met;
  for (const ShardScan& shard : shards) {
    end = std::min(end, *shard.reached);
    met.insert(met.end(), shard.met.begin(), shard.met.end());
  }
  if (met.size() < count) return end;
  const auto last = met.begin() + static_cast<ptrdiff_t>(count - 1);
  std::ranges::nth_element(met, last);
  return std::min(end, *last + 1);
}

void reply_scan(ReplyWriter& reply, const ScanRequest& request, std::vector<ShardScan> shards) {
  for (const ShardScan& shard : shards) {
    if (shard.reached) continue;
    return reply.error("ERR the keys could not be read from disk: " +
                       shard.reached.error().message);
  }
  const Position end = common_end(shards, request.count);
  std::vector<std::pair<Position, std::string>> found;
  for (ShardScan& shard : shards) {
    for (auto& key : shard.wanted) {
      if (key.first < end) found.push_back(std::move(key));
    }
  }
  std::ranges::sort(found);
  reply.array(2);
  reply.bulk(std::to_string(end == kWalkEnd ? 0 : end));
  reply.array(found.size());
  for (const auto& [position, name] : found) reply.bulk(name);
}

}  // namespace

void scan_command(CommandContext& context) {
  ScanRequest request;
  const auto cursor = parse_cursor(context.args[1]);
  if (!cursor) return context.reply.error("ERR invalid cursor");
  if (!parse_options(context, request)) return;
  request.db = context.db;
  request.from = *cursor;
  request.slots = context.slots;
  context.engine.on_every_shard_async<ShardScan>(
      [request](ShardEngine& engine, ShardEngine::Continuation<ShardScan> finish) {
        scan_shard(engine, request, std::move(finish));
      },
      [request, finish = std::make_shared<Finish>(context.defer())](std::vector<ShardScan> shards) {
        (*finish)([&](ReplyWriter& reply) { reply_scan(reply, request, std::move(shards)); });
      });
}

}  // namespace quorate::redis
