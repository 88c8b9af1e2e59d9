#include <algorithm>
#include <fmt/format.h>
#include <map>
#include <utility>

#include "quorate/redis/glob.h"
#include "quorate/server/config.h"

#include "server/config_directives.h"

namespace quorate::server {
namespace {

struct NameOrder {
  bool operator()(const std::string& a, const std::string& b) const {
    return lower_case(a) < lower_case(b);
  }
};

using Found = std::map<std::string, const Directive*, NameOrder>;

void find_name(std::string_view name, Found& found) {
  const Directive* directive = find_directive(name);
  if (directive != nullptr && !directive->has(kFileOnly)) found.emplace(name, directive);
}

void find_pattern(std::string_view pattern, Found& found) {
  for (const Directive& directive : directives()) {
    if (directive.has(kHidden) || directive.has(kFileOnly)) continue;
    for (const std::string_view name : {directive.name, directive.alias}) {
      if (!name.empty() && redis::glob_match(pattern, name, true)) {
        found.emplace(name, &directive);
      }
    }
  }
}

std::unexpected<runtime::Error> refused(std::string_view name, std::string_view reason) {
  return runtime::fail(
      fmt::format("CONFIG SET failed (possibly related to argument '{}') - {}", name, reason));
}

// Redis looks at all names before any value; the first fault found is the one reported.
runtime::Status check_names(std::span<const redis::Settings::Change> changes) {
  for (size_t i = 0; i < changes.size(); ++i) {
    const std::string_view name = changes[i].first;
    const Directive* directive = find_directive(name);
    if (directive == nullptr || directive->has(kFileOnly)) {
      return runtime::fail(
          fmt::format("Unknown option or number of arguments for CONFIG SET - '{}'", name));
    }
    if (!directive->has(kMutable)) return refused(name, "can't set immutable config");
    for (size_t j = 0; j < i; ++j) {
      if (equal_nocase(changes[j].first, name)) return refused(name, "duplicate parameter");
    }
  }
  return {};
}

}  // namespace

uint32_t shard_threads(const Config& config, uint32_t cores) {
  return config.threads != 0 ? config.threads : std::max<uint32_t>(cores / 2, 1);
}

ConfigStore::ConfigStore(Config config, std::function<void(const Snapshot&)> on_change)
    : current_(std::make_shared<const Config>(std::move(config))),
      on_change_(std::move(on_change)) {}

void ConfigStore::get(std::span<const std::string_view> patterns, const Sink& sink) const {
  Found found;
  for (const std::string_view pattern : patterns) {
    if (pattern.find_first_of("*?[") == pattern.npos) {
      find_name(pattern, found);
    } else {
      find_pattern(pattern, found);
    }
  }
  for (const auto& [name, directive] : found) sink(name, directive->get(*current_));
}

runtime::Status ConfigStore::set(std::span<const Change> changes) {
  if (auto status = check_names(changes); !status) return status;
  auto next = std::make_shared<Config>(*current_);
  for (const auto& [name, value] : changes) {
    const Directive& directive = *find_directive(name);
    runtime::Status status;
    if (directive.has(kAccumulates)) status = apply_directive(directive, *next, {});
    if (status) status = apply_directive(directive, *next, Words(&value, 1));
    if (!status) return refused(name, status.error().message);
  }
  current_ = std::move(next);
  on_change_(current_);
  return {};
}

}  // namespace quorate::server
