// Turns the bytes of one client connection into requests: RESP arrays of bulk strings, and inline
// commands as redis-cli's telnet users type them.
//
// Zero copy: args() are views into the caller's input. Only inline arguments with quotes are
// rewritten, into storage of the parser, valid until the next parse(). Incremental: after
// `incomplete` the caller passes the same bytes again with more behind them (at the same or another
// address); nothing is scanned twice, so that a request that arrives byte by byte costs linear
// time.
//
// The limits, the leniency (the byte after '\r' and the two after a payload are not looked at) and
// the error texts are Redis 7.2's (networking.c). Unlike Redis, an answer never depends on how the
// bytes were cut: a header line counts as too long when it has no '\r' in its first
// inline_bytes_max + 1 bytes, whatever came behind.
//
// Thread: one connection's. No allocation once the argument array has grown to its usual size.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace quorate::redis {

using Args = std::span<const std::string_view>;

enum class ParseStatus : uint8_t { complete, incomplete, error };

struct RequestLimits {
  size_t inline_bytes_max = 64 * 1024;           // an inline request, or a header line
  int64_t args_max = 1024 * 1024;                // arguments of one request
  int64_t bulk_bytes_max = 512LL * 1024 * 1024;  // proto-max-bulk-len
  bool authenticated = true;                     // false: 10 arguments of 16384 bytes, as Redis
};

class RequestParser {
 public:
  using Limits = RequestLimits;

  RequestParser();

  // Parses one request that starts at the first byte of `input`.
  // complete: args() and consumed() are set. A request may have no arguments (an empty line, "*0"):
  //   the caller skips it. The next parse() starts a new request.
  // incomplete: nothing was consumed; needed() is set.
  // error: error() is what Redis answers (without "-ERR " and line end); every further parse()
  // gives
  //   it again until reset().
  ParseStatus parse(std::string_view input);

  // The arguments of the completed request, the command's name first.
  Args args() const { return {args_.data(), arg_count_}; }

  // How many bytes of the input the completed request took.
  size_t consumed() const { return consumed_; }

  // After `incomplete`: the whole request has at least this many bytes; 0 if unknown.
  size_t needed() const;

  std::string_view error() const { return error_; }

  // Forgets a request begun, and any error.
  void reset();

  // May be changed between requests.
  Limits& limits() { return limits_; }

 private:
  enum class Stage : uint8_t { start, inline_line, count_line, length_line, payload, failed };
  struct Piece {  // of the input, by offset: the input may move
    size_t offset;
    size_t bytes;
  };

  bool parse_whole(std::string_view input);
  ParseStatus resume(std::string_view input);
  ParseStatus take_inline(std::string_view input);
  ParseStatus take_count(std::string_view input);
  ParseStatus take_length(std::string_view input);
  ParseStatus take_payload(std::string_view input);
  ParseStatus find_header_end(std::string_view input, const char* too_big, std::string_view& line);
  ParseStatus finish_array(std::string_view input);
  ParseStatus finish(size_t consumed);
  ParseStatus fail(std::string text);
  bool split_inline(std::string_view line);
  bool append_quoted(std::string_view line, size_t& at);
  void append_arg(std::string_view arg);
  void trim_storage();

  Limits limits_;
  std::vector<std::string_view>
      args_;  // the first arg_count_ are the request's; never shorter than 16
  size_t arg_count_ = 0;
  size_t consumed_ = 0;

  // The request that is under way.
  Stage stage_ = Stage::start;
  size_t position_ = 0;     // first byte of the line or payload under way
  size_t scanned_ = 0;      // no line end in [position_, scanned_)
  int64_t args_left_ = 0;   // payloads still to come
  int64_t bulk_bytes_ = 0;  // size of the payload under way
  std::vector<Piece> pieces_;
  std::string unquoted_;  // inline arguments that had quotes
  std::string error_;
};

}  // namespace quorate::redis
