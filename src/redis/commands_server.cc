// Commands about the server as a whole: saving, stopping, its time, debugging.
// Source: Redis 7.2 rdb.c, db.c and debug.c.
#include <algorithm>
#include <array>
#include <cmath>
#include <cstdlib>
#include <memory>
#include <spdlog/spdlog.h>
#include <string>
#include <utility>
#include <vector>

#include "quorate/redis/command_table.h"
#include "quorate/redis/shard_engine.h"

#include "redis/arguments.h"
#include "redis/handlers.h"
#include "redis/help.h"
#include "redis/info.h"

namespace quorate::redis {
namespace {

constexpr uint64_t kSecondUs = 1'000'000;
constexpr double kSleepSecondsMax = 1e9;

constexpr std::array<std::string_view, 4> kDebugHelp{
    "COLD-READ-DELAY <microseconds>",
    "    Make every read from disk take this much longer, as a slow disk would. 0 ends it.",
    "SLEEP <seconds>",
    "    Answer after <seconds>. Decimals allowed. Other clients are served meanwhile.",
};

using Shards = std::vector<bool>;

// Begins a checkpoint on every shard, or lets one follow the one under way there.
void start_checkpoints(ShardEngine& engine) {
  engine.on_every_shard<bool>(
      [](ShardEngine& each) {
        each.store().checkpoint([] {});  // with a callback it follows the one under way
        return true;
      },
      [](const Shards&) {});
}

void debug_sleep(CommandContext& context) {
  const double seconds = std::strtod(std::string(context.args[2]).c_str(), nullptr);
  const double bounded = std::isnan(seconds) ? 0 : std::clamp(seconds, 0.0, kSleepSecondsMax);
  context.engine.run_after(
      static_cast<uint64_t>(bounded * kSecondUs),
      [finish = context.defer()]() mutable { finish([](ReplyWriter& reply) { reply.ok(); }); });
}

void debug_cold_read_delay(CommandContext& context) {
  const auto delay_us = integer_argument(context, 2);
  if (!delay_us) return;
  if (*delay_us < 0) return context.reply.error(kNotAnInteger);
  context.engine.store().cold_reader().set_delay_us(static_cast<uint64_t>(*delay_us));
  context.reply.ok();
}

struct ShutdownOptions {
  bool save = false, nosave = false, now = false, force = false, abort = false;
};

bool parse_shutdown(Args args, ShutdownOptions& options) {
  for (const std::string_view word : args.subspan(1)) {
    if (same_name(word, "SAVE")) {
      options.save = true;
    } else if (same_name(word, "NOSAVE")) {
      options.nosave = true;
    } else if (same_name(word, "NOW")) {
      options.now = true;
    } else if (same_name(word, "FORCE")) {
      options.force = true;
    } else if (same_name(word, "ABORT")) {
      options.abort = true;
    } else {
      return false;
    }
  }
  if (options.save && options.nosave) return false;
  return !options.abort || !(options.save || options.nosave || options.now || options.force);
}

}  // namespace

void save_command(CommandContext& context) {
  context.engine.on_every_shard_async<bool>(
      [](ShardEngine& engine, ShardEngine::Continuation<bool> finish) {
        auto shared = std::make_shared<ShardEngine::Continuation<bool>>(std::move(finish));
        engine.store().checkpoint([shared] { (*shared)(true); });
      },
      [finish = std::make_shared<Finish>(context.defer())](const Shards&) {
        (*finish)([](ReplyWriter& reply) { reply.ok(); });
      });
}

// A checkpoint that began by itself counts as a save under way: it is one, and now it is waited
// for.
void bgsave_command(CommandContext& context) {
  const bool schedule = context.args.size() == 2 && same_name(context.args[1], "SCHEDULE");
  if (context.args.size() > 1 && !schedule) return context.reply.error(kSyntaxError);
  context.engine.on_every_shard<bool>(
      [](ShardEngine& engine) {
        const bool running = engine.store().checkpoint_running();
        if (running) engine.store().checkpoint(nullptr);
        return running;
      },
      [schedule, &engine = context.engine,
       finish = std::make_shared<Finish>(context.defer())](const Shards& running) {
        const bool busy = std::ranges::find(running, true) != running.end();
        if (!busy || schedule) start_checkpoints(engine);
        (*finish)([&](ReplyWriter& reply) {
          if (!busy) return reply.simple("Background saving started");
          if (schedule) return reply.simple("Background saving scheduled");
          reply.error("ERR Background save already in progress");
        });
      });
}

// What the shard that lags behind has saved is what the node has.
void lastsave_command(CommandContext& context) {
  context.engine.on_every_shard<uint64_t>(
      [](ShardEngine& engine) { return last_save_ms(engine); },
      [finish = std::make_shared<Finish>(context.defer())](const std::vector<uint64_t>& saves) {
        const uint64_t oldest_ms = *std::ranges::min_element(saves);
        (*finish)(
            [&](ReplyWriter& reply) { reply.integer(static_cast<int64_t>(oldest_ms / 1000)); });
      });
}

void time_command(CommandContext& context) {
  const uint64_t now_ms = context.now_ms();
  context.reply.array(2);
  context.reply.bulk_integer(static_cast<int64_t>(now_ms / 1000));
  context.reply.bulk_integer(static_cast<int64_t>(now_ms % 1000 * 1000));
}

void shutdown_command(CommandContext& context) {
  ShutdownOptions options;
  if (!parse_shutdown(context.args, options)) return context.reply.error(kSyntaxError);
  if (options.abort) return context.reply.error("ERR No shutdown in progress.");
  const ShutdownMode mode = options.save     ? ShutdownMode::save
                            : options.nosave ? ShutdownMode::nosave
                                             : ShutdownMode::normal;
  ServerControl& control = context.engine.control();
  control.executor().post([mode, &control, &loop = context.engine.loop(),
                           finish = std::make_shared<Finish>(context.defer())] {
    control.shutdown(mode, [&loop, finish](const std::string& reason) {
      spdlog::error("Cannot shut down: {}", reason);
      loop.post([finish] {
        (*finish)(
            [](ReplyWriter& reply) { reply.error("ERR Errors trying to SHUTDOWN. Check logs."); });
      });
    });
  });
}

void debug_command(CommandContext& context) {
  const Args args = context.args;
  if (args.size() == 3 && same_name(args[1], "SLEEP")) return debug_sleep(context);
  if (args.size() == 3 && same_name(args[1], "COLD-READ-DELAY")) {
    return debug_cold_read_delay(context);
  }
  if (args.size() == 2 && same_name(args[1], "HELP")) {
    return reply_help(context.reply, "DEBUG", kDebugHelp);
  }
  context.reply.error("ERR unknown subcommand or wrong number of arguments for '" +
                      std::string(args[1].substr(0, 128)) + "'. Try DEBUG HELP.");
}

}  // namespace quorate::redis
