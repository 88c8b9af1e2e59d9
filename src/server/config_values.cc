#include "server/config_values.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <fmt/format.h>
#include <limits>

namespace quorate::server {
namespace {

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

template <class T>
runtime::Result<T> parse_number(std::string_view text, int base, const char* reason) {
  T value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, base);
  if (error != std::errc{} || end != text.data() + text.size()) return runtime::fail(reason);
  return value;
}

constexpr const char* kNoMemory = "argument must be a memory value";

}  // namespace

bool equal_nocase(std::string_view a, std::string_view b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](char x, char y) { return lower(x) == lower(y); });
}

std::string lower_case(std::string_view text) {
  std::string result(text);
  std::transform(result.begin(), result.end(), result.begin(), lower);
  return result;
}

runtime::Result<bool> parse_yes_no(std::string_view text) {
  if (equal_nocase(text, "yes")) return true;
  if (equal_nocase(text, "no")) return false;
  return runtime::fail("argument must be 'yes' or 'no'");
}

runtime::Result<int64_t> parse_integer(std::string_view text, int64_t min, int64_t max) {
  constexpr const char* kNoInteger = "argument couldn't be parsed into an integer";
  const auto value = parse_number<int64_t>(text, 10, kNoInteger);
  if (!value) return value;
  if (std::to_string(*value) != text) return runtime::fail(kNoInteger);
  if (*value < min || *value > max) {
    return runtime::fail(fmt::format("argument must be between {} and {} inclusive", min, max));
  }
  return value;
}

runtime::Result<uint64_t> parse_memory(std::string_view text, uint64_t min, uint64_t max) {
  struct Unit {
    std::string_view name;
    uint64_t bytes;
  };
  static constexpr std::array<Unit, 8> kUnits{{{"", 1},
                                               {"b", 1},
                                               {"k", 1000},
                                               {"kb", 1 << 10},
                                               {"m", 1000 * 1000},
                                               {"mb", 1 << 20},
                                               {"g", 1000 * 1000 * 1000},
                                               {"gb", 1 << 30}}};
  const size_t digits = std::min(text.find_first_not_of("0123456789"), text.size());
  const auto unit = std::find_if(kUnits.begin(), kUnits.end(), [&](const Unit& candidate) {
    return equal_nocase(candidate.name, text.substr(digits));
  });
  if (unit == kUnits.end()) return runtime::fail(kNoMemory);
  const auto count = parse_number<uint64_t>(text.substr(0, digits), 10, kNoMemory);
  if (!count) return count;
  if (*count > std::numeric_limits<int64_t>::max() / unit->bytes) return runtime::fail(kNoMemory);
  const uint64_t value = *count * unit->bytes;
  if (value < min || value > max) {
    return runtime::fail(fmt::format("argument must be between {} and {} inclusive", min, max));
  }
  return value;
}

runtime::Result<uint32_t> parse_octal(std::string_view text, uint32_t max) {
  const auto value =
      parse_number<uint32_t>(text, 8, "argument couldn't be parsed as an octal number");
  if (value && *value > max) {
    return runtime::fail(fmt::format("argument must be between 0 and {:o} inclusive", max));
  }
  return value;
}

runtime::Result<size_t> parse_choice(std::string_view text, Words words) {
  const auto found = std::find_if(words.begin(), words.end(),
                                  [&](std::string_view word) { return equal_nocase(word, text); });
  if (found == words.end()) {
    return runtime::fail("argument(s) must be one of the following: " + join(words, ", "));
  }
  return static_cast<size_t>(found - words.begin());
}

runtime::Result<double> parse_decimal(std::string_view text) {
  constexpr const char* kNoDecimal = "argument couldn't be parsed into a decimal number";
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size() || !std::isfinite(value)) {
    return runtime::fail(kNoDecimal);
  }
  return value;
}

std::string format_octal(uint32_t value) { return fmt::format("{:o}", value); }

std::string format_decimal(double value) { return fmt::format("{}", value); }

std::string join(Words words, std::string_view between) {
  return fmt::format("{}", fmt::join(words, between));
}

}  // namespace quorate::server
