// The log: spdlog with Redis's line format and levels, to standard output or a file.
//
// Redis's levels map to spdlog's: debug = trace, verbose = debug, notice = info, warning = warn and
// above. Lines look as Redis's do: "pid:M 22 Nov 2026 13:00:00.123 * text", the sign being . - * or
// #. Thread: set_up_log() at the start and when CONFIG SET changes it, on the control thread;
// logging: any.
#pragma once

#include <string>

#include "quorate/runtime/error.h"
#include "quorate/server/config.h"

namespace quorate::server {

// `file` empty: standard output.
runtime::Status set_up_log(const std::string& file, LogLevel level);
void set_log_level(LogLevel level);

}  // namespace quorate::server
