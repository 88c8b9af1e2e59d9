// InfoSection: the fields of one section of INFO, as they are written. Thread: any one.
#pragma once

#include <array>
#include <cstdint>
#include <fmt/format.h>
#include <iterator>
#include <string>
#include <string_view>

namespace quorate::redis {

class InfoSection {
 public:
  explicit InfoSection(std::string& out) : out_(out) {}

  template <class Value>
  void field(std::string_view name, const Value& value) {
    fmt::format_to(std::back_inserter(out_), "{}:{}\r\n", name, value);
  }
  // With two decimals.
  void ratio(std::string_view name, double value, std::string_view unit = {}) {
    fmt::format_to(std::back_inserter(out_), "{}:{:.2f}{}\r\n", name, value, unit);
  }
  void seconds(std::string_view name, double value) {
    fmt::format_to(std::back_inserter(out_), "{}:{:.6f}\r\n", name, value);
  }
  // Fields of things this server does not do, which Redis shows as 0.
  template <size_t N>
  void none(const std::array<std::string_view, N>& names) {
    for (const std::string_view name : names) field(name, 0);
  }
  // The field and, as <name>_human, the same for people: "1.50M".
  void size(const std::string& name, uint64_t bytes) {
    field(name, bytes);
    size_human(name + "_human", bytes);
  }
  void size_human(std::string_view name, uint64_t bytes) {
    constexpr std::string_view kUnits = "KMGTPE";
    if (bytes < 1024) {
      fmt::format_to(std::back_inserter(out_), "{}:{}B\r\n", name, bytes);
      return;
    }
    auto scaled = static_cast<double>(bytes) / 1024;
    size_t unit = 0;
    for (; scaled >= 1024 && unit + 1 < kUnits.size(); ++unit) scaled /= 1024;
    fmt::format_to(std::back_inserter(out_), "{}:{:.2f}{}\r\n", name, scaled, kUnits[unit]);
  }

 private:
  std::string& out_;
};

}  // namespace quorate::redis
