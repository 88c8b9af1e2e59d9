// The syntax of a configuration line: words, quotes and escapes as redis.conf has them.
//
// Words are separated by white space. "…" knows \n \r \t \b \a, \xHH and takes any other escaped
// byte as it is; '…' knows only \'. A closing quote ends its word. Pure functions, any thread.
// Source: Redis 7.2, sdssplitargs (sds.c).
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace quorate::server {

// Nothing if a quote is not closed, or is closed inside a word.
[[nodiscard]] std::optional<std::vector<std::string>> split_line(std::string_view line);

// The word in double quotes, so that split_line() gives it back.
[[nodiscard]] std::string quoted_word(std::string_view word);

[[nodiscard]] std::string_view trimmed(std::string_view line);

}  // namespace quorate::server
