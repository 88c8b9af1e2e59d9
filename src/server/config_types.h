// Rows of the table of directives, a function per type of value.
//
// Thread: pure functions.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "server/config_directives.h"

namespace quorate::server {

inline Directive yes_no(std::string_view name, bool Config::* field, uint8_t flags,
                        std::string_view summary) {
  return {name,
          "",
          "yes or no",
          flags,
          summary,
          [field](Config& config, Words words) -> runtime::Status {
            const auto value = parse_yes_no(words[0]);
            if (!value) return std::unexpected(value.error());
            config.*field = *value;
            return {};
          },
          [field](const Config& config) { return config.*field ? "yes" : "no"; }};
}

template <class T>
Directive integer(std::string_view name, T Config::* field, int64_t min, int64_t max, uint8_t flags,
                  std::string_view summary) {
  return {name,
          "",
          std::to_string(min) + ".." + std::to_string(max),
          flags,
          summary,
          [field, min, max](Config& config, Words words) -> runtime::Status {
            const auto value = parse_integer(words[0], min, max);
            if (!value) return std::unexpected(value.error());
            config.*field = static_cast<T>(*value);
            return {};
          },
          [field](const Config& config) { return std::to_string(config.*field); }};
}

inline Directive memory(std::string_view name, uint64_t Config::* field, uint64_t min, uint64_t max,
                        uint8_t flags, std::string_view summary) {
  return {name,
          "",
          "bytes",
          flags,
          summary,
          [field, min, max](Config& config, Words words) -> runtime::Status {
            const auto value = parse_memory(words[0], min, max);
            if (!value) return std::unexpected(value.error());
            config.*field = *value;
            return {};
          },
          [field](const Config& config) { return std::to_string(config.*field); }};
}

inline Directive text(std::string_view name, std::string Config::* field, uint8_t flags,
                      std::string_view summary) {
  return {name,
          "",
          "text",
          flags,
          summary,
          [field](Config& config, Words words) -> runtime::Status {
            config.*field = std::string(words[0]);
            return {};
          },
          [field](const Config& config) { return config.*field; }};
}

template <class E>
Directive choice(std::string_view name, E Config::* field, std::vector<std::string_view> names,
                 uint8_t flags, std::string_view summary) {
  return {name,
          "",
          join(names, ", "),
          flags,
          summary,
          [field, names](Config& config, Words words) -> runtime::Status {
            const auto value = parse_choice(words[0], names);
            if (!value) return std::unexpected(value.error());
            config.*field = static_cast<E>(*value);
            return {};
          },
          [field, names](const Config& config) {
            return std::string(names[static_cast<size_t>(config.*field)]);
          }};
}

}  // namespace quorate::server
