// The settings that CONFIG GET and CONFIG SET work on, without knowing where they live.
//
// The redis room parses the command and writes the reply; names, types, limits and error texts
// belong to whoever implements this (server::ConfigStore). Names are matched without case. Thread:
// the control thread only; a shard that runs CONFIG hands it over and waits for the answer.
#pragma once

#include <functional>
#include <span>
#include <string_view>
#include <utility>

#include "quorate/runtime/error.h"

namespace quorate::redis {

class Settings {
 public:
  // Both views live only until the sink returns.
  using Sink = std::function<void(std::string_view name, std::string_view value)>;
  using Change = std::pair<std::string_view, std::string_view>;  // name, value

  virtual ~Settings() = default;

  // Every setting that matches one of the glob patterns, once, in the order of their names. As
  // Redis 7.2: a pattern without *, ? or [ is a name and is answered as the client spelled it; an
  // older name of a directive (slave-read-only) is a setting of its own; unknown names are silently
  // absent.
  virtual void get(std::span<const std::string_view> patterns, const Sink& sink) const = 0;

  // All changes or none. The error's message is what Redis 7.2 answers behind "ERR ", e.g.
  // "CONFIG SET failed (possibly related to argument 'maxmemory') - argument must be a memory
  // value".
  [[nodiscard]] virtual runtime::Status set(std::span<const Change> changes) = 0;
};

}  // namespace quorate::redis
