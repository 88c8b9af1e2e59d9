#include "quorate/redis/glob.h"

#include <cstddef>
#include <utility>

namespace quorate::redis {
namespace {

unsigned char fold(char c, bool nocase) {
  if (nocase && c >= 'A' && c <= 'Z') return static_cast<unsigned char>(c - 'A' + 'a');
  return static_cast<unsigned char>(c);
}

// Matches `c` against the class whose '[' is at pattern[at]; moves `at` behind the class.
bool match_class(std::string_view pattern, size_t& at, char c, bool nocase) {
  ++at;
  const bool negated = at < pattern.size() && pattern[at] == '^';
  if (negated) ++at;
  const unsigned char wanted = fold(c, nocase);
  bool matched = false;
  while (at < pattern.size()) {
    const size_t left = pattern.size() - at;
    if (pattern[at] == '\\' && left >= 2) {
      // Redis compares an escaped byte with its case even when nocase is on.
      matched |= pattern[at + 1] == c;
      at += 2;
    } else if (pattern[at] == ']') {
      ++at;
      break;
    } else if (left >= 3 && pattern[at + 1] == '-') {
      // The bounds are put in order before they are folded: signed bytes, as Redis's plain chars.
      char low = pattern[at];
      char high = pattern[at + 2];
      if (static_cast<signed char>(low) > static_cast<signed char>(high)) std::swap(low, high);
      matched |= static_cast<signed char>(fold(low, nocase)) <= static_cast<signed char>(wanted) &&
                 static_cast<signed char>(wanted) <= static_cast<signed char>(fold(high, nocase));
      at += 3;
    } else {
      matched |= fold(pattern[at], nocase) == wanted;
      ++at;
    }
  }
  return matched != negated;
}

// Matches one byte against the pattern element at `at`, which is not '*'; moves `at` behind it.
bool match_one(std::string_view pattern, size_t& at, char c, bool nocase) {
  if (pattern[at] == '?') {
    ++at;
    return true;
  }
  if (pattern[at] == '[') return match_class(pattern, at, c, nocase);
  if (pattern[at] == '\\' && at + 1 < pattern.size()) ++at;
  return fold(pattern[at++], nocase) == fold(c, nocase);
}

}  // namespace

bool glob_match(std::string_view pattern, std::string_view text, bool nocase) {
  if (text.empty()) return pattern.empty();
  constexpr size_t kNone = std::string_view::npos;
  size_t at = 0;         // in the pattern
  size_t seen = 0;       // of the text
  size_t star = kNone;   // behind the last '*' met
  size_t star_seen = 0;  // where the text that this '*' does not cover begins
  while (seen < text.size()) {
    if (at < pattern.size() && pattern[at] == '*') {
      star = ++at;
      star_seen = seen;
    } else if (at < pattern.size() && match_one(pattern, at, text[seen], nocase)) {
      ++seen;
    } else if (star != kNone) {
      at = star;
      seen = ++star_seen;
    } else {
      return false;
    }
  }
  while (at < pattern.size() && pattern[at] == '*') ++at;
  return at == pattern.size();
}

}  // namespace quorate::redis
