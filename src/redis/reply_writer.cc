#include "quorate/redis/reply_writer.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>

namespace quorate::redis {
namespace {

// A double in this range that is integral is printed as an integer, exactly.
constexpr double kIntegralMax = 4503599627370496.0;  // 2^52

char* copy(char* to, const char* from, int count) { return std::copy_n(from, count, to); }

// Digits d1 d2 ... of a number 0.d1d2... x 10^(point): `point` digits stand before the decimal
// point.
struct Decimal {
  char digits[20] = {};
  int count = 0;
  int point = 0;
};

// The fewest digits that read back as `value`, a finite positive number.
Decimal shortest(double value) {
  char text[kDoubleBytesMax];
  const char* const end =
      std::to_chars(text, text + sizeof(text), value, std::chars_format::scientific).ptr;
  Decimal decimal;
  const char* at = text;
  for (; at < end && *at != 'e'; ++at) {
    if (*at != '.') decimal.digits[decimal.count++] = *at;
  }
  ++at;  // the 'e'
  if (*at == '+') ++at;
  std::from_chars(at, end, decimal.point);
  ++decimal.point;
  return decimal;
}

char* put_scientific(char* to, const Decimal& decimal) {
  *to++ = decimal.digits[0];
  if (decimal.count > 1) {
    *to++ = '.';
    to = copy(to, decimal.digits + 1, decimal.count - 1);
  }
  const int exponent = decimal.point - 1;
  *to++ = 'e';
  *to++ = exponent < 0 ? '-' : '+';
  return std::to_chars(to, to + 4, std::abs(exponent)).ptr;
}

// Chooses between plain and scientific notation exactly where Redis 7.2 does.
char* put_decimal(char* to, const Decimal& decimal) {
  const int trailing_zeros = decimal.point - decimal.count;  // negative: digits behind the point
  const int magnitude = std::abs(decimal.point - 1);
  if (trailing_zeros >= 0 && magnitude < decimal.count + 7) {
    to = copy(to, decimal.digits, decimal.count);
    return std::fill_n(to, trailing_zeros, '0');
  }
  if (trailing_zeros >= 0 || (trailing_zeros <= -7 && magnitude >= 4))
    return put_scientific(to, decimal);
  if (decimal.point > 0) {
    to = copy(to, decimal.digits, decimal.point);
    *to++ = '.';
    return copy(to, decimal.digits + decimal.point, decimal.count - decimal.point);
  }
  *to++ = '0';
  *to++ = '.';
  to = std::fill_n(to, -decimal.point, '0');
  return copy(to, decimal.digits, decimal.count);
}

size_t put_text(std::string_view text, char* to) {
  std::memcpy(to, text.data(), text.size());
  return text.size();
}

}  // namespace

size_t format_double(double value, char* to) {
  if (std::isnan(value)) return put_text("nan", to);
  if (std::isinf(value)) return put_text(value < 0 ? "-inf" : "inf", to);
  if (value == 0) return put_text(std::signbit(value) ? "-0" : "0", to);
  char* at = to;
  if (value > -kIntegralMax && value < kIntegralMax && value == std::trunc(value)) {
    at = std::to_chars(at, at + kDoubleBytesMax, static_cast<int64_t>(value)).ptr;
  } else {
    if (value < 0) *at++ = '-';
    at = put_decimal(at, shortest(std::fabs(value)));
  }
  return static_cast<size_t>(at - to);
}

void ReplyWriter::double_(double value) {
  char text[kDoubleBytesMax];
  const std::string_view formatted(text, format_double(value, text));
  if (resp3_) {
    line(',', formatted);
  } else {
    bulk(formatted);
  }
}

void ReplyWriter::error(std::string_view text) {
  char* const to = out_->reserve(text.size() + 3);
  to[0] = '-';
  std::transform(text.begin(), text.end(), to + 1,
                 [](char c) { return c == '\r' || c == '\n' ? ' ' : c; });
  to[1 + text.size()] = '\r';
  to[2 + text.size()] = '\n';
  out_->commit(text.size() + 3);
}

void ReplyWriter::verbatim(std::string_view ext, std::string_view text) {
  if (!resp3_) {
    bulk(text);
    return;
  }
  header('=', static_cast<int64_t>(ext.size() + 1 + text.size()));
  out_->append(ext);
  out_->append(":");
  out_->append(text);
  out_->append("\r\n");
}

}  // namespace quorate::redis
