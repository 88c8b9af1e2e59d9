#include "redis/set_options.h"

#include <array>
#include <utility>

#include "quorate/redis/command_table.h"

namespace quorate::redis {
namespace {

using Condition = SetOptions::Condition;
using Expiry = SetOptions::Expiry;

constexpr size_t kSetOptionsBegin = 3;
constexpr size_t kGetexOptionsBegin = 2;

constexpr std::array<std::pair<std::string_view, Expiry>, 4> kTimeOptions{{
    {"EX", Expiry::ex},
    {"PX", Expiry::px},
    {"EXAT", Expiry::exat},
    {"PXAT", Expiry::pxat},
}};

// An option may be repeated but not contradicted.
template <class Choice>
bool choose(Choice& chosen, Choice unset, Choice now) {
  if (chosen != unset && chosen != now) return false;
  chosen = now;
  return true;
}

bool take_time_option(SetOptions& options, Args args, size_t& at) {
  for (const auto& [name, expiry] : kTimeOptions) {
    if (!same_name(args[at], name)) continue;
    if (at + 1 == args.size() || !choose(options.expiry, Expiry::unsaid, expiry)) return false;
    options.time_argument = ++at;
    return true;
  }
  return false;
}

}  // namespace

TimeForm SetOptions::time_form() const {
  const bool seconds = expiry == Expiry::ex || expiry == Expiry::exat;
  const bool from_now = expiry == Expiry::ex || expiry == Expiry::px;
  return {seconds ? TimeForm::Unit::seconds : TimeForm::Unit::milliseconds,
          from_now ? TimeForm::From::now : TimeForm::From::epoch};
}

std::optional<SetOptions> parse_set_options(Args args) {
  SetOptions options;
  for (size_t at = kSetOptionsBegin; at < args.size(); ++at) {
    bool fits = true;
    if (same_name(args[at], "NX")) {
      fits = choose(options.condition, Condition::always, Condition::if_absent);
    } else if (same_name(args[at], "XX")) {
      fits = choose(options.condition, Condition::always, Condition::if_present);
    } else if (same_name(args[at], "GET")) {
      options.get = true;
    } else if (same_name(args[at], "KEEPTTL")) {
      fits = choose(options.expiry, Expiry::unsaid, Expiry::keep);
    } else {
      fits = take_time_option(options, args, at);
    }
    if (!fits) return std::nullopt;
  }
  return options;
}

std::optional<SetOptions> parse_getex_options(Args args) {
  SetOptions options;
  for (size_t at = kGetexOptionsBegin; at < args.size(); ++at) {
    const bool fits = same_name(args[at], "PERSIST")
                          ? choose(options.expiry, Expiry::unsaid, Expiry::persist)
                          : take_time_option(options, args, at);
    if (!fits) return std::nullopt;
  }
  return options;
}

}  // namespace quorate::redis
