// CLIENT and its subcommands. Source: Redis 7.2 networking.c.
#include <algorithm>
#include <array>
#include <fmt/format.h>
#include <iterator>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "quorate/object/counter.h"
#include "quorate/redis/command_table.h"
#include "quorate/redis/session.h"
#include "quorate/redis/shard_engine.h"

#include "redis/arguments.h"
#include "redis/client_names.h"
#include "redis/handlers.h"

namespace quorate::redis {
namespace {

// A line of CLIENT LIST and the client it speaks of.
using ClientLine = std::pair<uint64_t, std::string>;
using ClientLines = std::vector<ClientLine>;

enum class ClientType : uint8_t { normal, other };

std::string flags_of(const ClientState& client) {
  std::string flags;
  if (client.close_after_reply) flags += 'c';
  if (client.local_address.starts_with('/')) flags += 'U';
  if (client.no_evict) flags += 'e';
  if (client.no_touch) flags += 'T';
  return flags.empty() ? "N" : flags;
}

// What a stream does not tell (the descriptor) or a session does not have (subscriptions, MULTI) is
// shown as Redis shows its absence.
std::string line_of(const Session& session, uint64_t now_ms) {
  const ClientState& client = session.client();
  const auto seconds_since = [&](uint64_t ms) { return now_ms > ms ? (now_ms - ms) / 1000 : 0; };
  std::string line;
  const auto to = std::back_inserter(line);
  fmt::format_to(to, "id={} addr={} laddr={} fd=-1 name={} age={} idle={} flags={} db={}",
                 client.id, client.peer_address, client.local_address, client.name,
                 seconds_since(client.connected_ms), seconds_since(client.last_command_ms),
                 flags_of(client), client.db);
  fmt::format_to(to,
                 " sub=0 psub=0 ssub=0 multi=-1 qbuf={} qbuf-free=0 argv-mem=0 multi-mem=0 rbs=0"
                 " rbp=0 obl={} oll=0 omem={} tot-mem={}",
                 session.input_bytes(), session.output_bytes(), session.output_bytes(),
                 session.memory_bytes());
  fmt::format_to(to, " events=r cmd={} user=default redir=-1 resp={} lib-name={} lib-ver={}\n",
                 client.last_command, client.protocol, client.library_name, client.library_version);
  return line;
}

ClientLines lines_of(ShardEngine& engine) {
  ClientLines lines;
  const uint64_t now_ms = engine.loop().clock().wall_ms();
  for (const auto& [id, session] : engine.sessions())
    lines.emplace_back(id, line_of(*session, now_ms));
  return lines;
}

// Answers what `text` makes of the lines of every client of the process, in the order of their ids.
void reply_lines(CommandContext& context, std::function<std::string(const ClientLines&)> text) {
  context.engine.on_every_shard<ClientLines>(
      lines_of, [text = std::move(text), finish = std::make_shared<Finish>(context.defer())](
                    std::vector<ClientLines> shards) {
        ClientLines all;
        for (ClientLines& lines : shards) std::ranges::move(lines, std::back_inserter(all));
        std::ranges::sort(all);
        (*finish)([&](ReplyWriter& reply) { reply.verbatim("txt", text(all)); });
      });
}

std::string all_lines(const ClientLines& lines) {
  std::string text;
  for (const auto& [id, line] : lines) text += line;
  return text;
}

std::string lines_with_ids(const ClientLines& lines, const std::vector<int64_t>& ids) {
  std::string text;
  for (const int64_t wanted : ids) {
    const auto at =
        std::ranges::lower_bound(lines, static_cast<uint64_t>(wanted), {}, &ClientLine::first);
    if (at != lines.end() && at->first == static_cast<uint64_t>(wanted)) text += at->second;
  }
  return text;
}

std::optional<ClientType> client_type(std::string_view name) {
  if (same_name(name, "NORMAL")) return ClientType::normal;
  for (const std::string_view other : {"MASTER", "REPLICA", "SLAVE", "PUBSUB"}) {
    if (same_name(name, other)) return ClientType::other;
  }
  return std::nullopt;
}

void list_by_id(CommandContext& context) {
  std::vector<int64_t> ids;
  for (size_t i = 3; i < context.args.size(); ++i) {
    const auto id = integer_argument(context, i, "ERR Invalid client ID");
    if (!id) return;
    ids.push_back(*id);
  }
  reply_lines(context, [ids = std::move(ids)](const ClientLines& lines) {
    return lines_with_ids(lines, ids);
  });
}

void list_by_type(CommandContext& context) {
  const auto type = client_type(context.args[3]);
  if (!type) {
    return context.reply.error("ERR Unknown client type '" + std::string(context.args[3]) + "'");
  }
  // There are no others yet: replicas and subscribers come with what they connect for.
  if (*type == ClientType::other) return context.reply.verbatim("txt", {});
  reply_lines(context, all_lines);
}

// Sets `flag` as the argument ON or OFF says.
void set_flag(CommandContext& context, bool& flag) {
  const bool on = same_name(context.args[2], "ON");
  if (!on && !same_name(context.args[2], "OFF")) return context.reply.error(kSyntaxError);
  flag = on;
  context.reply.ok();
}

constexpr std::array<std::string_view, 25> kClientHelp{
    "CLIENT <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
    "GETNAME",
    "    Return the name of the current connection.",
    "ID",
    "    Return the ID of the current connection.",
    "INFO",
    "    Return information about the current client connection.",
    "LIST [options ...]",
    "    Return information about client connections. Options:",
    "    * TYPE (NORMAL|MASTER|REPLICA|PUBSUB)",
    "      Return clients of specified type.",
    "    * ID <id> [<id> ...]",
    "      Return clients of specified IDs only.",
    "SETNAME <name>",
    "    Assign the name <name> to the current connection.",
    "SETINFO <option> <value>",
    "    Set client meta attr. Options are:",
    "    * LIB-NAME: the client lib name.",
    "    * LIB-VER: the client lib version.",
    "NO-EVICT (ON|OFF)",
    "    Protect current client connection from eviction.",
    "NO-TOUCH (ON|OFF)",
    "    Will not touch LRU/LFU stats when this mode is on.",
    "HELP",
    "    Print this help.",
};

}  // namespace

void client_getname_command(CommandContext& context) {
  if (context.client->name.empty()) return context.reply.null();
  context.reply.bulk(context.client->name);
}

void client_setname_command(CommandContext& context) {
  if (!is_client_name(context.args[2])) return context.reply.error(kBadClientName);
  context.client->name = context.args[2];
  context.reply.ok();
}

void client_id_command(CommandContext& context) {
  context.reply.integer(static_cast<int64_t>(context.client->id));
}

void client_info_command(CommandContext& context) {
  const auto at = context.engine.sessions().find(context.client->id);
  context.reply.verbatim("txt", line_of(*at->second, context.now_ms()));
}

void client_list_command(CommandContext& context) {
  const Args args = context.args;
  if (args.size() == 4 && same_name(args[2], "TYPE")) return list_by_type(context);
  if (args.size() > 3 && same_name(args[2], "ID")) return list_by_id(context);
  if (args.size() != 2) return context.reply.error(kSyntaxError);
  reply_lines(context, all_lines);
}

void client_no_evict_command(CommandContext& context) {
  set_flag(context, context.client->no_evict);
}

void client_no_touch_command(CommandContext& context) {
  set_flag(context, context.client->no_touch);
}

void client_setinfo_command(CommandContext& context) {
  const std::string_view option = context.args[2];
  const bool is_name = same_name(option, "LIB-NAME");
  if (!is_name && !same_name(option, "LIB-VER")) {
    return context.reply.error("ERR Unrecognized option '" + std::string(option) + "'");
  }
  if (!is_client_name(context.args[3])) {
    return context.reply.error("ERR " + std::string(option) +
                               " cannot contain spaces, newlines or special characters.");
  }
  (is_name ? context.client->library_name : context.client->library_version) = context.args[3];
  context.reply.ok();
}

void client_help_command(CommandContext& context) {
  context.reply.array(kClientHelp.size());
  for (const std::string_view line : kClientHelp) context.reply.simple(line);
}

}  // namespace quorate::redis
