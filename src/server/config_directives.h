// The one table of directives: what the configuration file, the options, CONFIG GET and CONFIG SET
// know.
//
// Typed directives are fields of Config; ignored ones are Redis directives that mean nothing to
// Quorate and live as text in Config::ignored. A default is what get() says of a Config{}; it is
// written nowhere else. Thread: the table is built on first use and never changes; any thread.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "quorate/server/config.h"

#include "server/config_values.h"

namespace quorate::server {

// Flags of a directive.
inline constexpr uint8_t kMutable = 1;    // CONFIG SET may change it
inline constexpr uint8_t kSensitive = 2;  // its value is never shown in an error or a log
inline constexpr uint8_t kWords = 4;  // takes any number of words; arguments are split at spaces
inline constexpr uint8_t kAccumulates =
    8;                                  // each line of a file adds to it; an empty value clears it
inline constexpr uint8_t kHidden = 16;  // no pattern finds it, only its name
inline constexpr uint8_t kFileOnly = 32;  // not a setting: CONFIG GET and SET do not know it
inline constexpr uint8_t kIgnored = 64;   // no meaning here

struct Directive {
  std::string_view name;
  std::string_view alias;  // an older name of Redis, or empty
  std::string type;        // "yes or no", "0..65535": for the documentation
  uint8_t flags = 0;
  std::string_view summary;  // one line; empty for ignored directives
  // Called by apply_directive() only: exactly one word unless kWords. On an error the Config is
  // unchanged or to be thrown away.
  std::function<runtime::Status(Config&, Words)> set;
  // The value as one string, which apply_directive() accepts as its only word.
  std::function<std::string(const Config&)> get;

  [[nodiscard]] bool has(uint8_t flag) const { return (flags & flag) != 0; }
};

// Typed directives in the order of conf/quorate.conf, then the ignored ones.
[[nodiscard]] const std::vector<Directive>& directives();

// By name or alias, in any case; nullptr if unknown.
[[nodiscard]] const Directive* find_directive(std::string_view name);

// Sets from the words of a line, or from one string as CONFIG SET has it. The error is the reason
// alone.
[[nodiscard]] runtime::Status apply_directive(const Directive& directive, Config& config,
                                              Words words);

// Directives whose values do not go together, and why.
struct Contradiction {
  std::vector<std::string_view> directives;
  std::string reason;
};
[[nodiscard]] std::optional<Contradiction> contradiction_in(const Config& config);

// The parts of the table.
void add_typed_directives(std::vector<Directive>& table);
void add_cluster_directives(std::vector<Directive>& table);
void add_ignored_directives(std::vector<Directive>& table);

}  // namespace quorate::server
