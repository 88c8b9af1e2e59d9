// What a client may call itself. Thread: any. Source: Redis 7.2 networking.c, validateClientAttr.
#pragma once

#include <algorithm>
#include <string_view>

namespace quorate::redis {

inline constexpr std::string_view kBadClientName =
    "ERR Client names cannot contain spaces, newlines or special characters.";

// No blanks, nothing unprintable: CLIENT LIST separates its fields by blanks. May be empty.
inline bool is_client_name(std::string_view name) {
  return std::ranges::all_of(name, [](char c) { return c >= '!' && c <= '~'; });
}

}  // namespace quorate::redis
