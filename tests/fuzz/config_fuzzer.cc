// Arbitrary bytes as a configuration: parts between NUL bytes are the file, what it includes, and
// arguments.
//
// Nothing may crash. Of an accepted configuration every value that CONFIG GET shows must be
// accepted again and show the same, as one string and as a line of a file.
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "quorate/server/config.h"

#include "server/config_directives.h"
#include "server/config_syntax.h"

namespace {

using quorate::runtime::Result;
using namespace quorate::server;

constexpr int kReadsMax = 40;  // includes multiply; the reader's own limit would make a run slow

void require(bool holds, std::string_view what, const std::string& value) {
  if (holds) return;
  std::fprintf(stderr, "%.*s: '%s'\n", static_cast<int>(what.size()), what.data(), value.c_str());
  std::abort();
}

std::vector<std::string> parts_of(std::string_view input) {
  std::vector<std::string> parts(1);
  for (const char c : input) {
    if (c == '\0') {
      parts.emplace_back();
    } else {
      parts.back() += c;
    }
  }
  return parts;
}

ConfigFiles files_of(const std::vector<std::string>& parts, int& reads) {
  const auto read = [&parts, &reads](const std::string& path) -> Result<std::string> {
    if (++reads > kReadsMax) return quorate::runtime::fail("too many reads");
    if (path == "main") return parts[0];
    return parts.size() > 1 ? parts[1] : parts[0];
  };
  return {read, [](const std::string&) { return std::vector<std::string>{"a", "b"}; },
          [read] { return read("stdin"); }};
}

void check_round_trip(const Config& config) {
  Config by_string;
  std::string lines;
  for (const Directive& directive : directives()) {
    if (directive.has(kFileOnly)) continue;
    const std::string value = directive.get(config);
    if (directive.name == "replicaof" && value.empty()) continue;
    const std::string_view word = value;
    require(apply_directive(directive, by_string, Words(&word, 1)).has_value(), directive.name,
            value);
    require(directive.get(by_string) == value, directive.name, value);
    lines += std::string(directive.name) + ' ' + quoted_word(value) + '\n';
  }
  int reads = 0;
  const std::vector<std::string> parts{lines};
  const std::vector<std::string_view> arguments{"main"};
  const auto again = read_command_line(arguments, files_of(parts, reads), "0");
  require(again.has_value(), "as a file", again ? "" : again.error().message);
  require(again->config == by_string, "as a file", lines);
}

void check_store(const Config& config) {
  ConfigStore store(config, [](const ConfigStore::Snapshot&) {});
  std::vector<std::pair<std::string, std::string>> shown;
  const std::vector<std::string_view> all{"*"};
  store.get(all, [&](std::string_view name, std::string_view value) {
    if (find_directive(name)->has(kMutable)) shown.emplace_back(name, value);
  });
  const std::vector<quorate::redis::Settings::Change> changes(shown.begin(), shown.end());
  const auto status = store.set(changes);
  require(status.has_value(), "CONFIG SET", status ? "" : status.error().message);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::vector<std::string> parts = parts_of({reinterpret_cast<const char*>(data), size});
  int reads = 0;
  std::vector<std::string_view> arguments{"main"};
  if (parts.size() > 2) arguments.assign(parts.begin() + 2, parts.end());
  const auto result = read_command_line(arguments, files_of(parts, reads), "0");
  if (!result) {
    require(!result.error().message.empty(), "an error without words", "");
    return 0;
  }
  if (result->action != CommandLine::Action::serve) return 0;
  check_round_trip(result->config);
  check_store(result->config);
  return 0;
}
