// Whom a node lets in: not more than maxclients, and under protected mode, without a password or a
// secret, only who is on this machine. Source: Redis 7.2, acceptCommonHandler. Thread: any.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "quorate/server/config.h"

namespace quorate::server {

// What a client that may not connect is told. Nothing if it may.
std::optional<std::string_view> refusal_of_client(const Config& config, uint64_t connected,
                                                  int descriptor);
bool may_connect_node(const Config& config, int descriptor);

}  // namespace quorate::server
