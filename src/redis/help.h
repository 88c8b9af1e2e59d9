// The HELP subcommands' replies. Source: Redis 7.2's addReplyHelp.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "quorate/redis/reply_writer.h"

namespace quorate::redis {

// `lines` stand between the usual first line and the usual last two. `command` is in upper case.
inline void reply_help(ReplyWriter reply, std::string_view command,
                       std::span<const std::string_view> lines) {
  reply.array(lines.size() + 3);
  reply.simple(std::string(command) + " <subcommand> [<arg> [value] [opt] ...]. Subcommands are:");
  for (const std::string_view line : lines) reply.simple(line);
  reply.simple("HELP");
  reply.simple("    Print this help.");
}

}  // namespace quorate::redis
