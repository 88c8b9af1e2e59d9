#include "redis/request_checks.h"

#include <string>

#include "redis/arguments.h"

namespace quorate::redis {
namespace {

constexpr size_t kShownBytesMax = 128;

// As Redis shows an argument: as a C string.
std::string shown_part(std::string_view arg, size_t bytes_max) {
  return std::string(arg.substr(0, arg.find('\0')).substr(0, bytes_max));
}

// "ERR unknown command 'foo', with args beginning with: 'a' 'b' "
std::string unknown_command(Args args) {
  std::string text = "ERR unknown command '" + shown_part(args[0], kShownBytesMax) +
                     "', with args beginning with: ";
  std::string shown;
  for (size_t i = 1; i < args.size() && shown.size() < kShownBytesMax; ++i) {
    shown += "'" + shown_part(args[i], kShownBytesMax - shown.size()) + "' ";
  }
  return text + shown;
}

std::string upper(std::string_view name) {
  std::string text(name);
  for (char& c : text) {
    if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
  }
  return text;
}

std::string unknown(const CommandTable& commands, Args args) {
  const CommandSpec* container = commands.find(args[0]);
  if (container == nullptr) return unknown_command(args);
  return "ERR unknown subcommand '" + shown_part(args[1], kShownBytesMax) + "'. Try " +
         upper(container->name) + " HELP.";
}

bool is_local(const ClientState& client) {
  return client.peer_address.starts_with("127.") || client.peer_address.starts_with("[::1]") ||
         client.peer_address.starts_with("/");
}

}  // namespace

bool is_http(Args args) { return same_name(args[0], "POST") || same_name(args[0], "Host:"); }

bool check_request(const Request& request, const ClientState& client, ShardEngine& engine,
                   ReplyWriter& reply) {
  const CommandSpec* spec = request.spec;
  EngineStatistics& statistics = engine.statistics();
  if (spec == nullptr) {
    ++statistics.error_replies;
    reply.error(unknown(engine.commands(), request.args));
    return false;
  }
  if (!spec->arity_fits(request.args.size())) {
    ++statistics.error_replies;
    ++statistics.rejected[spec->id];
    reply.error(wrong_arity_text(*spec));
    return false;
  }
  if (!client.authenticated && !spec->has(command_flag::kNoAuth)) {
    ++statistics.error_replies;
    ++statistics.rejected[spec->id];
    reply.error("NOAUTH Authentication required.");
    return false;
  }
  const EngineSettings& settings = engine.settings();
  if (spec->has(command_flag::kProtected) && !settings.debug_allowed &&
      !(settings.debug_allowed_local && is_local(client))) {
    ++statistics.error_replies;
    ++statistics.rejected[spec->id];
    reply.error("ERR " + upper(spec->name) +
                " command not allowed. If the enable-debug-command option is set to \"local\", you "
                "can run it from a local connection, otherwise you need to set this option in the "
                "configuration file, and then restart the server.");
    return false;
  }
  return true;
}

}  // namespace quorate::redis
