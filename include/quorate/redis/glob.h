// Glob patterns as KEYS, SCAN MATCH, CONFIG GET, PSUBSCRIBE and ACL rules understand them.
//
// `*` any bytes, `?` one byte, `[abc]` `[a-z]` `[^a]` one byte of (or not of) a class, `\x` the
// byte x. Bytes, not characters of an encoding; nocase folds ASCII. The semantics, odd corners
// included (an unterminated class ends with the pattern; an empty text matches only an empty
// pattern), are those of Redis 7.2's stringmatchlen (util.c).
//
// Time: at most pattern size x text size, because only the last `*` is ever tried again; no
// recursion, no allocation. Pure function, any thread.
#pragma once

#include <string_view>

namespace quorate::redis {

[[nodiscard]] bool glob_match(std::string_view pattern, std::string_view text, bool nocase = false);

}  // namespace quorate::redis
