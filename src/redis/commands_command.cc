// COMMAND and its subcommands: the command table, told to clients. Source: Redis 7.2 server.c.
#include <array>

#include "quorate/redis/shard_engine.h"

#include "redis/command_reply.h"
#include "redis/handlers.h"
#include "redis/help.h"

namespace quorate::redis {
namespace {

constexpr std::array<std::string_view, 18> kCommandHelp{
    "(no subcommand)",
    "    Return details about all Redis commands.",
    "COUNT",
    "    Return the total number of commands in this Redis server.",
    "LIST",
    "    Return a list of all commands in this Redis server.",
    "INFO [<command-name> ...]",
    "    Return details about multiple Redis commands.",
    "    If no command names are given, documentation details for all",
    "    commands are returned.",
    "DOCS [<command-name> ...]",
    "    Return documentation details about multiple Redis commands.",
    "    If no command names are given, documentation details for all",
    "    commands are returned.",
    "GETKEYS <full-command>",
    "    Return the keys from a full Redis command.",
    "GETKEYSANDFLAGS <full-command>",
    "    Return the keys and the access flags from a full Redis command.",
};

}  // namespace

void command_command(CommandContext& context) {
  reply_command(context.engine.commands(), context.args, context.reply);
}

void command_count_command(CommandContext& context) {
  reply_command_count(context.engine.commands(), context.args, context.reply);
}

void command_docs_command(CommandContext& context) {
  reply_command_docs(context.engine.commands(), context.args, context.reply);
}

void command_getkeys_command(CommandContext& context) {
  reply_command_getkeys(context.engine.commands(), context.args, context.reply);
}

void command_getkeysandflags_command(CommandContext& context) {
  reply_command_getkeysandflags(context.engine.commands(), context.args, context.reply);
}

void command_help_command(CommandContext& context) {
  reply_help(context.reply, "COMMAND", kCommandHelp);
}

void command_info_command(CommandContext& context) {
  reply_command_info(context.engine.commands(), context.args, context.reply);
}

void command_list_command(CommandContext& context) {
  reply_command_list(context.engine.commands(), context.args, context.reply);
}

}  // namespace quorate::redis
