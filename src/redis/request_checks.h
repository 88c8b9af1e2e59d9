// What is wrong with a request before it runs, in Redis's words. Thread: the shard's.
#pragma once

#include <string>

#include "quorate/redis/client_state.h"
#include "quorate/redis/reply_writer.h"
#include "quorate/redis/shard_engine.h"

namespace quorate::redis {

// Whether this is a line of an HTTP request. Who sends one may be a browser that a web page uses to
// reach the server; what follows in its body must not run (cross protocol scripting).
bool is_http(Args args);

// True if the request may run; otherwise the error is written.
bool check_request(const Request& request, const ClientState& client, ShardEngine& engine,
                   ReplyWriter& reply);

// Why writes are refused, from the store's reason.
inline std::string misconf_text(const std::string& reason) {
  return "MISCONF Errors writing to the AOF file: " + reason;
}

}  // namespace quorate::redis
