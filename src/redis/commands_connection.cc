// Commands about the connection itself; CLIENT is in commands_client.cc. They run on the
// connection's own shard. Source: Redis 7.2 networking.c, acl.c, server.c and db.c.
#include <limits>
#include <string>

#include "quorate/redis/command_table.h"
#include "quorate/redis/shard_engine.h"

#include "redis/arguments.h"
#include "redis/client_names.h"
#include "redis/handlers.h"

namespace quorate::redis {
namespace {

constexpr std::string_view kDefaultUser = "default";
constexpr int64_t kNewestProtocol = 3;

// Takes as long for a wrong first byte as for a wrong last one. REQUIRES: `secret` is not empty.
bool is_same_secret(std::string_view given, std::string_view secret) {
  unsigned difference = given.size() == secret.size() ? 0 : 1;
  for (size_t i = 0; i < given.size(); ++i) {
    difference |= static_cast<unsigned char>(given[i] ^ secret[i % secret.size()]);
  }
  return difference == 0;
}

// The one user is "default"; without a password any will do. False: the error is written.
bool authenticate(CommandContext& context, std::string_view user, std::string_view password) {
  const std::string& secret = context.engine.settings().password;
  if (user != kDefaultUser || (!secret.empty() && !is_same_secret(password, secret))) {
    context.reply.error("WRONGPASS invalid username-password pair or user is disabled.");
    return false;
  }
  context.client->authenticated = true;
  return true;
}

struct HelloOptions {
  bool authenticates = false, names = false;
  std::string_view user, password, name;
};

bool parse_hello(CommandContext& context, HelloOptions& options) {
  const Args args = context.args;
  for (size_t at = 2; at < args.size(); ++at) {
    const size_t left = args.size() - 1 - at;
    if (same_name(args[at], "AUTH") && left >= 2) {
      options.authenticates = true;
      options.user = args[at + 1];
      options.password = args[at + 2];
      at += 2;
    } else if (same_name(args[at], "SETNAME") && left >= 1) {
      options.names = true;
      options.name = args[++at];
      if (!is_client_name(options.name)) {
        context.reply.error(kBadClientName);
        return false;
      }
    } else {
      context.reply.error("ERR Syntax error in HELLO option '" + std::string(args[at]) + "'");
      return false;
    }
  }
  return true;
}

void reply_hello(CommandContext& context) {
  const ClientState& client = *context.client;
  ReplyWriter reply(context.reply.buffer(), client.protocol);
  reply.map(7);
  reply.bulk("server");
  reply.bulk("redis");
  reply.bulk("version");
  reply.bulk(context.engine.control().facts().redis_version);
  reply.bulk("proto");
  reply.integer(client.protocol);
  reply.bulk("id");
  reply.integer(static_cast<int64_t>(client.id));
  reply.bulk("mode");
  reply.bulk(context.engine.is_cluster() ? "cluster" : "standalone");
  reply.bulk("role");
  reply.bulk("master");
  reply.bulk("modules");
  reply.array(0);
}

}  // namespace

void ping_command(CommandContext& context) {
  if (context.args.size() > 2) return reply_wrong_arity(context);
  if (context.args.size() == 2) return context.reply.bulk(context.args[1]);
  context.reply.raw(reply::kPong);
}

void echo_command(CommandContext& context) { context.reply.bulk(context.args[1]); }

void quit_command(CommandContext& context) {
  context.client->close_after_reply = true;
  context.reply.ok();
}

void auth_command(CommandContext& context) {
  const Args args = context.args;
  if (args.size() > 3) return context.reply.error(kSyntaxError);
  if (args.size() == 2 && context.engine.settings().password.empty()) {
    return context.reply.error(
        "ERR AUTH <password> called without any password configured for the default user. Are you "
        "sure your configuration is correct?");
  }
  const std::string_view user = args.size() == 2 ? kDefaultUser : args[1];
  if (authenticate(context, user, args.back())) context.reply.ok();
}

void hello_command(CommandContext& context) {
  ClientState& client = *context.client;
  int64_t protocol = client.protocol;
  if (context.args.size() >= 2) {
    const auto version =
        integer_argument(context, 1, "ERR Protocol version is not an integer or out of range");
    if (!version) return;
    if (*version < 2 || *version > kNewestProtocol) {
      return context.reply.error("NOPROTO unsupported protocol version");
    }
    protocol = *version;
  }
  HelloOptions options;
  if (!parse_hello(context, options)) return;
  if (options.authenticates && !authenticate(context, options.user, options.password)) return;
  if (!client.authenticated) {
    return context.reply.error(
        "NOAUTH HELLO must be called with the client already authenticated, otherwise the HELLO "
        "<proto> AUTH <user> <pass> option can be used to authenticate the client and select the "
        "RESP protocol version at the same time");
  }
  if (options.names) client.name = options.name;
  client.protocol = static_cast<int>(protocol);
  reply_hello(context);
}

void select_command(CommandContext& context) {
  const auto index = integer_argument(context, 1);
  if (!index) return;
  if (*index < std::numeric_limits<int>::min() || *index > std::numeric_limits<int>::max()) {
    return context.reply.error(
        "ERR value is out of range, value must between -2147483648 and 2147483647");
  }
  if (*index < 0 || *index >= static_cast<int64_t>(context.engine.settings().databases)) {
    return context.reply.error("ERR DB index is out of range");
  }
  context.client->db = static_cast<uint16_t>(*index);
  context.reply.ok();
}

// The library's name and version stay: they are still what is behind the connection.
void reset_command(CommandContext& context) {
  ClientState& client = *context.client;
  client.db = 0;
  client.protocol = 2;
  client.authenticated = context.engine.settings().password.empty();
  client.no_evict = client.no_touch = client.reads_replicas = client.asking = false;
  client.quorums = {};
  client.name.clear();
  context.reply.simple("RESET");
}

}  // namespace quorate::redis
