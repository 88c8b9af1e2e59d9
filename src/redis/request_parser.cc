#include "quorate/redis/request_parser.h"

#include <algorithm>
#include <charconv>
#include <cstring>
#include <utility>

namespace quorate::redis {
namespace {

constexpr size_t kArgsKept = 1024;          // a larger argument array is given back
constexpr size_t kScratchKept = 64 * 1024;  // likewise the storage of inline arguments
constexpr int64_t kUnauthenticatedArgsMax = 10;
constexpr int64_t kUnauthenticatedBulkBytesMax = 16384;
constexpr size_t kSmallestArgBytes = 6;  // "$0\r\n\r\n"
constexpr size_t kLineEndBytes = 2;

bool is_digit(char c) { return c >= '0' && c <= '9'; }

// The blanks of C's isspace in the "C" locale.
bool is_space(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }

int hex_value(char c) {
  if (is_digit(c)) return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

// As Redis's string2ll: decimal, no plus sign, no leading zeros, no blanks, no overflow.
bool parse_integer(std::string_view text, int64_t& value) {
  const bool negative = !text.empty() && text[0] == '-';
  const std::string_view digits = negative ? text.substr(1) : text;
  if (digits.empty() || !is_digit(digits[0])) return false;
  if (digits[0] == '0' && (negative || digits.size() > 1)) return false;
  const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), value);
  return problem == std::errc() && end == text.data() + text.size();
}

uint32_t digit_value(char c) { return static_cast<uint8_t>(c - '0'); }

// short_number() for numbers of more than three digits or next to the end of the input.
[[gnu::noinline]] const char* longer_number(const char* at, const char* end, uint32_t& value) {
  constexpr ptrdiff_t kDigitsMax = 9;
  if (end - at < 2 || (*at == '0' && at[1] != '\r')) return nullptr;
  const char* const limit = end - at > kDigitsMax ? at + kDigitsMax : end - 1;
  const char* digit = at;
  uint32_t number = 0;
  for (; digit < limit && is_digit(*digit); ++digit) number = number * 10 + digit_value(*digit);
  if (digit == at || end - digit < static_cast<ptrdiff_t>(kLineEndBytes) || *digit != '\r')
    return nullptr;
  value = number;
  return digit + kLineEndBytes;
}

// Reads "<digits>\r\n" of one to nine digits without a leading zero. Returns the byte behind it, or
// null when the text is anything else or does not end before `end`: the careful parser decides
// then.
inline const char* short_number(const char* at, const char* end, uint32_t& value) {
  if (end - at < 5) [[unlikely]] {
    return longer_number(at, end, value);
  }
  const uint32_t first = digit_value(at[0]);
  if (at[1] == '\r' && first <= 9) {
    value = first;
    return at + 3;
  }
  const uint32_t second = digit_value(at[1]);
  if (first - 1 > 8 || second > 9) return nullptr;
  if (at[2] == '\r') {
    value = first * 10 + second;
    return at + 4;
  }
  const uint32_t third = digit_value(at[2]);
  if (at[3] == '\r' && third <= 9) {
    value = first * 100 + second * 10 + third;
    return at + 5;
  }
  return longer_number(at, end, value);
}

// What a backslash and `c` mean between double quotes.
char unescaped(char c) {
  switch (c) {
    case 'n':
      return '\n';
    case 'r':
      return '\r';
    case 't':
      return '\t';
    case 'b':
      return '\b';
    case 'a':
      return '\a';
    default:
      return c;
  }
}

}  // namespace

RequestParser::RequestParser() : args_(16) {}

void RequestParser::reset() {
  stage_ = Stage::start;
  arg_count_ = 0;
  consumed_ = 0;
  pieces_.clear();
  error_.clear();
}

ParseStatus RequestParser::parse(std::string_view input) {
  if (stage_ == Stage::start) [[likely]] {
    if (parse_whole(input)) [[likely]] {
      return ParseStatus::complete;
    }
    arg_count_ = 0;
    position_ = 0;
    scanned_ = 0;
    pieces_.clear();
    trim_storage();
    if (input.empty()) return ParseStatus::incomplete;
    stage_ = input[0] == '*' ? Stage::count_line : Stage::inline_line;
  }
  return resume(input);
}

// The hot path: a complete, well-formed array with short headers. Gives up on everything else, and
// changes nothing then but args_ entries that nobody looks at.
bool RequestParser::parse_whole(std::string_view input) {
  const char* at = input.data();
  const char* const end = at + input.size();
  if (input.size() < 4 || *at != '*') return false;
  uint32_t count;
  at = short_number(at + 1, end, count);
  if (at == nullptr || count == 0 || count > args_.size() || count > limits_.args_max) return false;
  if (count > kUnauthenticatedArgsMax && !limits_.authenticated) return false;
  const int64_t bulk_bytes_max =
      limits_.authenticated ? limits_.bulk_bytes_max
                            : std::min(limits_.bulk_bytes_max, kUnauthenticatedBulkBytesMax);
  std::string_view* arg = args_.data();
  for (uint32_t left = count; left > 0; --left) {
    if (end - at < static_cast<ptrdiff_t>(kSmallestArgBytes) || *at != '$') return false;
    uint32_t bytes;
    at = short_number(at + 1, end, bytes);
    if (at == nullptr || bytes > bulk_bytes_max) return false;
    if (end - at < static_cast<ptrdiff_t>(bytes + kLineEndBytes)) return false;
    *arg++ = {at, bytes};
    at += bytes + kLineEndBytes;
  }
  arg_count_ = count;
  consumed_ = static_cast<size_t>(at - input.data());
  return true;
}

ParseStatus RequestParser::resume(std::string_view input) {
  while (true) {
    const Stage before = stage_;
    ParseStatus status = ParseStatus::error;
    switch (stage_) {
      case Stage::inline_line:
        return take_inline(input);
      case Stage::count_line:
        status = take_count(input);
        break;
      case Stage::length_line:
        status = take_length(input);
        break;
      case Stage::payload:
        status = take_payload(input);
        break;
      case Stage::start:
      case Stage::failed:
        return ParseStatus::error;
    }
    // A stage that is over leaves `incomplete` and the next stage behind.
    if (status != ParseStatus::incomplete || stage_ == before) return status;
  }
}

// Finds the header line that starts at position_: `line` is its text without the line end.
ParseStatus RequestParser::find_header_end(std::string_view input, const char* too_big,
                                           std::string_view& line) {
  const size_t window = std::min(input.size(), position_ + limits_.inline_bytes_max + 1);
  const size_t from = std::max(scanned_, position_);
  const void* const found =
      from < window ? std::memchr(input.data() + from, '\r', window - from) : nullptr;
  if (found == nullptr) {
    scanned_ = std::max(from, window);
    if (input.size() - position_ > limits_.inline_bytes_max) return fail(too_big);
    return ParseStatus::incomplete;
  }
  const size_t end = static_cast<size_t>(static_cast<const char*>(found) - input.data());
  scanned_ = end;
  if (input.size() < end + kLineEndBytes) return ParseStatus::incomplete;
  line = input.substr(position_, end - position_);
  return ParseStatus::complete;
}

ParseStatus RequestParser::take_count(std::string_view input) {
  std::string_view line;
  const ParseStatus status =
      find_header_end(input, "Protocol error: too big mbulk count string", line);
  if (status != ParseStatus::complete) return status;
  int64_t count;
  if (!parse_integer(line.substr(1), count) || count > limits_.args_max)
    return fail("Protocol error: invalid multibulk length");
  if (count > kUnauthenticatedArgsMax && !limits_.authenticated)
    return fail("Protocol error: unauthenticated multibulk length");
  position_ += line.size() + kLineEndBytes;
  if (count <= 0) return finish(position_);
  args_left_ = count;
  stage_ = Stage::length_line;
  return ParseStatus::incomplete;
}

ParseStatus RequestParser::take_length(std::string_view input) {
  std::string_view line;
  const ParseStatus status =
      find_header_end(input, "Protocol error: too big bulk count string", line);
  if (status != ParseStatus::complete) return status;
  const char first = input[position_];
  if (first != '$') return fail(std::string("Protocol error: expected '$', got '") + first + "'");
  if (!parse_integer(line.substr(1), bulk_bytes_) || bulk_bytes_ < 0 ||
      bulk_bytes_ > limits_.bulk_bytes_max)
    return fail("Protocol error: invalid bulk length");
  if (bulk_bytes_ > kUnauthenticatedBulkBytesMax && !limits_.authenticated)
    return fail("Protocol error: unauthenticated bulk length");
  position_ += line.size() + kLineEndBytes;
  stage_ = Stage::payload;
  return ParseStatus::incomplete;
}

// Takes the payload under way and, because most of a large request's time goes here, hands over to
// the next length line without a look back.
ParseStatus RequestParser::take_payload(std::string_view input) {
  const size_t bytes = static_cast<size_t>(bulk_bytes_);
  if (input.size() - position_ < bytes + kLineEndBytes) return ParseStatus::incomplete;
  pieces_.push_back({position_, bytes});
  position_ += bytes + kLineEndBytes;
  if (--args_left_ == 0) return finish_array(input);
  stage_ = Stage::length_line;
  return ParseStatus::incomplete;
}

ParseStatus RequestParser::finish_array(std::string_view input) {
  for (const Piece& piece : pieces_) append_arg(input.substr(piece.offset, piece.bytes));
  return finish(position_);
}

ParseStatus RequestParser::finish(size_t consumed) {
  consumed_ = consumed;
  stage_ = Stage::start;
  return ParseStatus::complete;
}

ParseStatus RequestParser::fail(std::string text) {
  error_ = std::move(text);
  arg_count_ = 0;
  stage_ = Stage::failed;
  return ParseStatus::error;
}

size_t RequestParser::needed() const {
  if (stage_ != Stage::length_line && stage_ != Stage::payload) return 0;
  const size_t later_args = static_cast<size_t>(args_left_ - 1) * kSmallestArgBytes;
  if (stage_ == Stage::payload)
    return position_ + static_cast<size_t>(bulk_bytes_) + kLineEndBytes + later_args;
  // The line under way ends behind what was scanned of it; an empty payload may follow.
  const size_t line_end = std::max(scanned_, position_ + 2) + kLineEndBytes;
  return line_end + kLineEndBytes + later_args;
}

ParseStatus RequestParser::take_inline(std::string_view input) {
  const size_t window = std::min(input.size(), limits_.inline_bytes_max + 1);
  const void* const found =
      scanned_ < window ? std::memchr(input.data() + scanned_, '\n', window - scanned_) : nullptr;
  if (found == nullptr) {
    scanned_ = window;
    if (input.size() > limits_.inline_bytes_max)
      return fail("Protocol error: too big inline request");
    return ParseStatus::incomplete;
  }
  const size_t end = static_cast<size_t>(static_cast<const char*>(found) - input.data());
  std::string_view line = input.substr(0, end);
  if (line.ends_with('\r')) line.remove_suffix(1);
  // Redis splits a C string: what follows a NUL is not seen.
  if (!split_inline(line.substr(0, line.find('\0'))))
    return fail("Protocol error: unbalanced quotes in request");
  return finish(end + 1);
}

// Splits an inline request as Redis's sdssplitargs does. False: unbalanced quotes.
bool RequestParser::split_inline(std::string_view line) {
  const auto ends_token = [](char c) { return c == ' ' || c == '\n' || c == '\r' || c == '\t'; };
  unquoted_.clear();
  unquoted_.reserve(line.size());  // never outgrown, so that views into it stay
  size_t at = 0;
  while (true) {
    while (at < line.size() && is_space(line[at])) ++at;
    if (at == line.size()) return true;
    const size_t start = at;
    while (at < line.size() && !ends_token(line[at]) && line[at] != '"' && line[at] != '\'') ++at;
    if (at == line.size() || ends_token(line[at])) {
      append_arg(line.substr(start, at - start));
      continue;
    }
    const size_t begin = unquoted_.size();
    unquoted_.append(line.substr(start, at - start));
    if (!append_quoted(line, at)) return false;
    append_arg({unquoted_.data() + begin, unquoted_.size() - begin});
  }
}

// Appends the quoted text at `at` to unquoted_. False: no closing quote, or no blank behind it.
bool RequestParser::append_quoted(std::string_view line, size_t& at) {
  const char quote = line[at++];
  while (at < line.size()) {
    const char c = line[at];
    const char next = at + 1 < line.size() ? line[at + 1] : '\0';
    if (c == quote) {
      ++at;
      return at == line.size() || is_space(next);
    }
    if (quote == '"' && c == '\\' && next == 'x' && at + 3 < line.size() &&
        hex_value(line[at + 2]) >= 0 && hex_value(line[at + 3]) >= 0) {
      unquoted_.push_back(
          static_cast<char>(hex_value(line[at + 2]) * 16 + hex_value(line[at + 3])));
      at += 4;
    } else if (c == '\\' && (quote == '"' ? next != '\0' : next == '\'')) {
      unquoted_.push_back(unescaped(next));
      at += 2;
    } else {
      unquoted_.push_back(c);
      ++at;
    }
  }
  return false;
}

void RequestParser::append_arg(std::string_view arg) {
  if (arg_count_ == args_.size()) args_.resize(args_.size() * 2);
  args_[arg_count_++] = arg;
}

// One huge request must not pin its bookkeeping to the connection for ever.
void RequestParser::trim_storage() {
  if (args_.size() > kArgsKept) std::vector<std::string_view>(16).swap(args_);
  if (pieces_.capacity() > kArgsKept) std::vector<Piece>().swap(pieces_);
  if (unquoted_.capacity() > kScratchKept) std::string().swap(unquoted_);
}

}  // namespace quorate::redis
