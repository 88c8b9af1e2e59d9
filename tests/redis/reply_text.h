// Replies as they stand on the wire, for tests to expect.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace quorate::redis {

inline const std::string kOk = "+OK\r\n";
inline const std::string kNull = "$-1\r\n";
inline const std::string kSyntaxError = "-ERR syntax error\r\n";
inline const std::string kNotAnInteger = "-ERR value is not an integer or out of range\r\n";

inline std::string bulk(std::string_view bytes) {
  return "$" + std::to_string(bytes.size()) + "\r\n" + std::string(bytes) + "\r\n";
}
inline std::string integer(int64_t value) { return ":" + std::to_string(value) + "\r\n"; }
inline std::string error(std::string_view text) { return "-" + std::string(text) + "\r\n"; }
inline std::string wrong_arity(const std::string& command) {
  return error("ERR wrong number of arguments for '" + command + "' command");
}
inline std::string bad_time(const std::string& command) {
  return error("ERR invalid expire time in '" + command + "' command");
}

}  // namespace quorate::redis
