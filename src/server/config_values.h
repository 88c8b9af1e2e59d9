// Values of directives as text: parsing with Redis's errors, and printing in the form that parses
// again.
//
// Errors are the reason alone ("argument must be a memory value"); the caller adds directive and
// place. Pure functions, any thread.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "quorate/runtime/error.h"

namespace quorate::server {

using Words = std::span<const std::string_view>;

[[nodiscard]] bool equal_nocase(std::string_view a, std::string_view b);
[[nodiscard]] std::string lower_case(std::string_view text);

[[nodiscard]] runtime::Result<bool> parse_yes_no(std::string_view text);
// Canonical decimal only: "07" and "+7" are no integers, as in Redis.
[[nodiscard]] runtime::Result<int64_t> parse_integer(std::string_view text, int64_t min,
                                                     int64_t max);
// Digits and one of b k kb m mb g gb, in any case: k is 1000, kb is 1024. At most INT64_MAX bytes.
[[nodiscard]] runtime::Result<uint64_t> parse_memory(std::string_view text, uint64_t min,
                                                     uint64_t max);
[[nodiscard]] runtime::Result<uint32_t> parse_octal(std::string_view text, uint32_t max);
// The index of the word.
[[nodiscard]] runtime::Result<size_t> parse_choice(std::string_view text, Words words);

// A finite decimal number.
[[nodiscard]] runtime::Result<double> parse_decimal(std::string_view text);

[[nodiscard]] std::string format_octal(uint32_t value);
// The shortest decimal that reads back as the same number.
[[nodiscard]] std::string format_decimal(double value);
[[nodiscard]] std::string join(Words words, std::string_view between);

}  // namespace quorate::server
