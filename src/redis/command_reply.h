// The COMMAND command's replies, from the command table: what clients read to learn a server's
// commands, in exactly Redis 7.2's structure for RESP2 and RESP3.
//
// `args` is the whole request ("COMMAND", "INFO", "get", ...) whose arity was checked. The order of
// commands, free in Redis, is that of registration. Thread: any; the table is constant.
#pragma once

#include "quorate/redis/command_table.h"
#include "quorate/redis/reply_writer.h"

namespace quorate::redis {

// COMMAND
void reply_command(const CommandTable& table, Args args, ReplyWriter& reply);
// COMMAND COUNT
void reply_command_count(const CommandTable& table, Args args, ReplyWriter& reply);
// COMMAND INFO [name ...]; null for a name that is no command
void reply_command_info(const CommandTable& table, Args args, ReplyWriter& reply);
// COMMAND DOCS [name ...]; leaves out names that are no commands
void reply_command_docs(const CommandTable& table, Args args, ReplyWriter& reply);
// COMMAND LIST [FILTERBY <MODULE name | ACLCAT category | PATTERN pattern>]
void reply_command_list(const CommandTable& table, Args args, ReplyWriter& reply);
// COMMAND GETKEYS command [arg ...]
void reply_command_getkeys(const CommandTable& table, Args args, ReplyWriter& reply);
// COMMAND GETKEYSANDFLAGS command [arg ...]
void reply_command_getkeysandflags(const CommandTable& table, Args args, ReplyWriter& reply);

}  // namespace quorate::redis
