// Reading a command's arguments as Redis does, with its error texts.
//
// Functions that return an optional have written the error when it is empty. Thread: the shard's.
// Times: Unix ms. Source: Redis 7.2 object.c (getLongLongFromObject), expire.c and t_string.c.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "quorate/redis/command_context.h"

namespace quorate::redis {

inline constexpr std::string_view kSyntaxError = "ERR syntax error";
inline constexpr std::string_view kNotAnInteger = "ERR value is not an integer or out of range";

std::optional<int64_t> integer_argument(CommandContext& context, size_t index,
                                        std::string_view error = kNotAnInteger);

// The cursor of a SCAN as strtoul() takes it, which Redis uses: an empty word is 0, a negative
// number wraps around.
std::optional<uint64_t> parse_cursor(std::string_view word);

// "ERR wrong number of arguments …", for what the command table's arity cannot say.
std::string wrong_arity_text(const CommandSpec& spec);
void reply_wrong_arity(CommandContext& context);

// How an argument names a moment.
struct TimeForm {
  enum class Unit : uint8_t { seconds, milliseconds };
  enum class From : uint8_t { now, epoch };
  Unit unit = Unit::seconds;
  From from = From::now;
};
inline constexpr TimeForm kSecondsFromNow{TimeForm::Unit::seconds, TimeForm::From::now};
inline constexpr TimeForm kMillisecondsFromNow{TimeForm::Unit::milliseconds, TimeForm::From::now};
inline constexpr TimeForm kUnixSeconds{TimeForm::Unit::seconds, TimeForm::From::epoch};
inline constexpr TimeForm kUnixMilliseconds{TimeForm::Unit::milliseconds, TimeForm::From::epoch};

// "ERR invalid expire time in …"
void reply_invalid_expire_time(CommandContext& context);
// The expiry as SET takes it: the number must be positive.
std::optional<uint64_t> positive_expiry_argument(CommandContext& context, size_t index,
                                                 TimeForm form);
// The expiry as EXPIRE takes it: any number; the moment may be before 1970.
std::optional<int64_t> expiry_argument(CommandContext& context, size_t index, TimeForm form);

}  // namespace quorate::redis
