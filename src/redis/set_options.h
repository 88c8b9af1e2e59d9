// The options of SET and GETEX: what may stand together is the same for both. Thread: any.
// Source: Redis 7.2 t_string.c, parseExtendedStringArgumentsOrReply.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>

#include "quorate/redis/request_parser.h"

#include "redis/arguments.h"

namespace quorate::redis {

struct SetOptions {
  enum class Condition : uint8_t { always, if_absent, if_present };
  enum class Expiry : uint8_t { unsaid, keep, persist, ex, px, exat, pxat };

  Condition condition = Condition::always;
  Expiry expiry = Expiry::unsaid;
  bool get = false;
  size_t time_argument = 0;  // index of the number behind EX, PX, EXAT or PXAT; 0: none

  // REQUIRES: time_argument is set.
  TimeForm time_form() const;
};

// Empty: a syntax error.
std::optional<SetOptions> parse_set_options(Args args);
std::optional<SetOptions> parse_getex_options(Args args);

}  // namespace quorate::redis
