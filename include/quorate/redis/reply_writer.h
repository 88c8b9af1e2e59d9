// Writes replies in RESP2 or RESP3 to the end of an OutputBuffer.
//
// One call writes one element; an aggregate's header announces how many elements follow, and the
// caller writes exactly that many (for map() two per entry). What RESP2 cannot say is written as
// Redis 7.2 writes it there: null as an empty bulk, doubles as bulks, maps and sets as arrays.
//
// A value object of two words, made where it is needed. Thread: the buffer's.
// Source: the RESP3 specification; networking.c of Redis 7.2 for the RESP2 forms.
#pragma once

#include <charconv>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>

#include "quorate/redis/output_buffer.h"

namespace quorate::redis {

namespace reply {
inline constexpr std::string_view kOk = "+OK\r\n";
inline constexpr std::string_view kPong = "+PONG\r\n";
inline constexpr std::string_view kQueued = "+QUEUED\r\n";
inline constexpr std::string_view kZero = ":0\r\n";
inline constexpr std::string_view kOne = ":1\r\n";
inline constexpr std::string_view kEmptyBulk = "$0\r\n\r\n";
inline constexpr std::string_view kEmptyArray = "*0\r\n";
inline constexpr std::string_view kNullBulk = "$-1\r\n";
inline constexpr std::string_view kNullArray = "*-1\r\n";
inline constexpr std::string_view kNull3 = "_\r\n";
}  // namespace reply

// The longest text format_double() writes.
inline constexpr size_t kDoubleBytesMax = 32;

// Writes `value` as Redis 7.2 prints doubles (the fewest digits that read back as the same number;
// inf, -inf, nan, -0; an exponent only beyond about 21 digits). `to` has kDoubleBytesMax bytes.
// Returns the length.
size_t format_double(double value, char* to);

class ReplyWriter {
 public:
  // protocol: 2 or 3, as HELLO chose.
  ReplyWriter(OutputBuffer& out, int protocol) : out_(&out), resp3_(protocol >= 3) {}

  bool resp3() const { return resp3_; }
  OutputBuffer& buffer() { return *out_; }

  // Bytes that are a whole reply already.
  void raw(std::string_view encoded) { out_->append(encoded); }

  void ok() { raw(reply::kOk); }

  // REQUIRES: no line end in `text`.
  void simple(std::string_view text) { line('+', text); }

  // `text` begins with the error's code ("ERR ..."). Line ends in it become blanks.
  void error(std::string_view text);

  void integer(int64_t value) {
    if (value >= 0 && value < 10) {
      char* const to = out_->reserve(4);
      to[0] = ':';
      to[1] = static_cast<char>('0' + value);
      to[2] = '\r';
      to[3] = '\n';
      out_->commit(4);
      return;
    }
    header(':', value);
  }

  void bulk(std::string_view bytes) {
    char* const begin = out_->reserve(kHeaderBytesMax + bytes.size() + 2);
    char* to = put_header(begin, '$', static_cast<int64_t>(bytes.size()));
    if (!bytes.empty()) std::memcpy(to, bytes.data(), bytes.size());
    to += bytes.size();
    *to++ = '\r';
    *to++ = '\n';
    out_->commit(static_cast<size_t>(to - begin));
  }

  // A bulk that holds a decimal integer.
  void bulk_integer(int64_t value) {
    char digits[24];
    const char* const end = std::to_chars(digits, digits + sizeof(digits), value).ptr;
    bulk({digits, static_cast<size_t>(end - digits)});
  }

  void null() { raw(resp3_ ? reply::kNull3 : reply::kNullBulk); }
  void null_array() { raw(resp3_ ? reply::kNull3 : reply::kNullArray); }

  void array(size_t elements) { header('*', static_cast<int64_t>(elements)); }
  void map(size_t entries) {
    header(resp3_ ? '%' : '*', static_cast<int64_t>(resp3_ ? entries : entries * 2));
  }
  void set(size_t elements) { header(resp3_ ? '~' : '*', static_cast<int64_t>(elements)); }
  void push(size_t elements) { header(resp3_ ? '>' : '*', static_cast<int64_t>(elements)); }

  void boolean(bool value) {
    if (resp3_) {
      raw(value ? "#t\r\n" : "#f\r\n");
    } else {
      raw(value ? reply::kOne : reply::kZero);
    }
  }

  void double_(double value);  // NOLINT(readability-identifier-naming): `double` is a keyword

  // `digits`: a decimal integer of any size.
  void big_number(std::string_view digits) {
    if (resp3_) {
      line('(', digits);
    } else {
      bulk(digits);
    }
  }

  // `ext`: the three letters that say what `text` is ("txt", "mkd").
  void verbatim(std::string_view ext, std::string_view text);

 private:
  static constexpr size_t kHeaderBytesMax = 1 + 20 + 2;

  // Writes "<type><value>\r\n"; `to` has kHeaderBytesMax bytes.
  static char* put_header(char* to, char type, int64_t value) {
    *to++ = type;
    if (static_cast<uint64_t>(value) < 10) {
      *to++ = static_cast<char>('0' + value);
    } else {
      to = std::to_chars(to, to + 20, value).ptr;
    }
    *to++ = '\r';
    *to++ = '\n';
    return to;
  }

  void header(char type, int64_t value) {
    char* const begin = out_->reserve(kHeaderBytesMax);
    out_->commit(static_cast<size_t>(put_header(begin, type, value) - begin));
  }

  void line(char type, std::string_view text) {
    char* const begin = out_->reserve(text.size() + 3);
    begin[0] = type;
    if (!text.empty()) std::memcpy(begin + 1, text.data(), text.size());
    begin[1 + text.size()] = '\r';
    begin[2 + text.size()] = '\n';
    out_->commit(text.size() + 3);
  }

  OutputBuffer* out_;
  bool resp3_;
};

}  // namespace quorate::redis
