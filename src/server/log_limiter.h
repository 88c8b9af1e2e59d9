// LogLimiter: says of a line that would repeat itself whether it is worth logging again.
//
// Once a minute each; what it remembers is bounded. Thread: that of the loop.
#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "quorate/runtime/loop.h"

namespace quorate::server {

class LogLimiter {
 public:
  explicit LogLimiter(runtime::Loop& loop) : loop_(loop) {}

  bool is_news(const std::string& line) {
    constexpr uint64_t kSilenceUs = 60'000'000;
    constexpr size_t kLinesMax = 256;
    const uint64_t now_us = loop_.clock().monotonic_us();
    const auto at = last_us_.find(line);
    if (at != last_us_.end() && now_us < at->second + kSilenceUs) return false;
    if (last_us_.size() >= kLinesMax) last_us_.clear();
    last_us_[line] = now_us;
    return true;
  }

 private:
  runtime::Loop& loop_;
  std::map<std::string, uint64_t> last_us_;
};

}  // namespace quorate::server
