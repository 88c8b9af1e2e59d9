#include "redis/arguments.h"

#include <cctype>
#include <cerrno>
#include <cstdlib>
#include <string>

#include "quorate/object/counter.h"

namespace quorate::redis {
namespace {

constexpr int64_t kMsPerSecond = 1000;

// Empty if the moment does not fit.
std::optional<int64_t> moment_ms(int64_t number, TimeForm form, uint64_t now_ms) {
  if (form.unit == TimeForm::Unit::seconds &&
      __builtin_mul_overflow(number, kMsPerSecond, &number)) {
    return std::nullopt;
  }
  if (form.from == TimeForm::From::now &&
      __builtin_add_overflow(number, static_cast<int64_t>(now_ms), &number)) {
    return std::nullopt;
  }
  return number;
}

}  // namespace

std::optional<int64_t> integer_argument(CommandContext& context, size_t index,
                                        std::string_view error) {
  const auto value = object::parse_integer(context.args[index]);
  if (!value) context.reply.error(error);
  return value;
}

std::string wrong_arity_text(const CommandSpec& spec) {
  return "ERR wrong number of arguments for '" + std::string(spec.full_name) + "' command";
}

std::optional<uint64_t> parse_cursor(std::string_view word) {
  const std::string text(word);
  char* end = nullptr;
  errno = 0;
  const uint64_t cursor = std::strtoul(text.c_str(), &end, 10);
  const bool blank = std::isspace(static_cast<unsigned char>(text[0])) != 0;
  if (blank || *end != '\0' || errno == ERANGE) return std::nullopt;
  return cursor;
}

void reply_wrong_arity(CommandContext& context) {
  context.reply.error(wrong_arity_text(context.spec));
}

void reply_invalid_expire_time(CommandContext& context) {
  context.reply.error("ERR invalid expire time in '" + std::string(context.spec.full_name) +
                      "' command");
}

std::optional<uint64_t> positive_expiry_argument(CommandContext& context, size_t index,
                                                 TimeForm form) {
  const auto number = integer_argument(context, index);
  if (!number) return std::nullopt;
  const auto moment = *number > 0 ? moment_ms(*number, form, context.now_ms()) : std::nullopt;
  if (!moment) {
    reply_invalid_expire_time(context);
    return std::nullopt;
  }
  return static_cast<uint64_t>(*moment);
}

std::optional<int64_t> expiry_argument(CommandContext& context, size_t index, TimeForm form) {
  const auto number = integer_argument(context, index);
  if (!number) return std::nullopt;
  const auto moment = moment_ms(*number, form, context.now_ms());
  if (!moment) reply_invalid_expire_time(context);
  return moment;
}

}  // namespace quorate::redis
