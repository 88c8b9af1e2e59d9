// CONFIG and its subcommands. The settings live on the control thread, so every answer comes from
// there. Source: Redis 7.2 config.c.
#include <array>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "quorate/redis/shard_engine.h"

#include "redis/arguments.h"
#include "redis/handlers.h"
#include "redis/help.h"

namespace quorate::redis {
namespace {

constexpr size_t kArgumentsBegin = 2;

constexpr std::array<std::string_view, 6> kConfigHelp{
    "GET <pattern>",
    "    Return parameters matching the glob-like <pattern> and their values.",
    "SET <directive> <value>",
    "    Set the configuration <directive> to <value>.",
    "RESETSTAT",
    "    Reset statistics reported by the INFO command.",
};

using Words = std::vector<std::string>;
using Pairs = std::vector<std::pair<std::string, std::string>>;

// What follows CONFIG GET or SET, to be taken to the control thread.
Words arguments_of(const CommandContext& context) {
  const Args args = context.args.subspan(kArgumentsBegin);
  return {args.begin(), args.end()};
}

Pairs matching(const Settings& settings, const Words& patterns) {
  Pairs found;
  const std::vector<std::string_view> views(patterns.begin(), patterns.end());
  settings.get(views, [&](std::string_view name, std::string_view value) {
    found.emplace_back(name, value);
  });
  return found;
}

runtime::Status change(Settings& settings, const Words& words) {
  std::vector<Settings::Change> changes;
  for (size_t i = 0; i < words.size(); i += 2) changes.emplace_back(words[i], words[i + 1]);
  return settings.set(changes);
}

// Runs `ask` on the control thread and replies with what it returned, here.
template <class Ask, class Reply>
void ask_control(CommandContext& context, Ask ask, Reply reply) {
  ServerControl& control = context.engine.control();
  control.executor().post([&control, &loop = context.engine.loop(), ask = std::move(ask),
                           reply = std::move(reply), finish = context.defer()]() mutable {
    loop.post([answer = ask(control.settings()), reply = std::move(reply),
               finish = std::move(finish)]() mutable {
      finish([&](ReplyWriter& to) { reply(to, answer); });
    });
  });
}

}  // namespace

void config_get_command(CommandContext& context) {
  ask_control(
      context,
      [patterns = arguments_of(context)](Settings& settings) {
        return matching(settings, patterns);
      },
      [](ReplyWriter& reply, const Pairs& found) {
        reply.map(found.size());
        for (const auto& [name, value] : found) {
          reply.bulk(name);
          reply.bulk(value);
        }
      });
}

void config_set_command(CommandContext& context) {
  if (context.args.size() % 2 != 0) return context.reply.error(kSyntaxError);
  ask_control(
      context,
      [changes = arguments_of(context)](Settings& settings) { return change(settings, changes); },
      [](ReplyWriter& reply, const runtime::Status& changed) {
        if (changed) return reply.ok();
        reply.error("ERR " + changed.error().message);
      });
}

void config_resetstat_command(CommandContext& context) {
  context.engine.on_every_shard<bool>(
      [](ShardEngine& engine) {
        engine.reset_statistics();
        return true;
      },
      [finish = std::make_shared<Finish>(context.defer())](const std::vector<bool>&) {
        (*finish)([](ReplyWriter& reply) { reply.ok(); });
      });
}

void config_help_command(CommandContext& context) {
  reply_help(context.reply, "CONFIG", kConfigHelp);
}

}  // namespace quorate::redis
