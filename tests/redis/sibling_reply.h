// What DYN.GET answers, taken apart.
#pragma once

#include <algorithm>
#include <charconv>
#include <string>
#include <string_view>
#include <vector>

namespace quorate::redis {

struct Shown {
  std::string context;
  std::vector<std::string> values;  // the newest first
  std::string error;                // the reply, if it is none of these
};

inline Shown shown_of(std::string_view reply) {
  Shown shown;
  size_t at = 0;
  const auto header = [&](char type) {
    size_t size = 0;
    const size_t end = reply.find("\r\n", at);
    if (at < reply.size() && reply[at] == type && end != std::string_view::npos) {
      std::from_chars(reply.data() + at + 1, reply.data() + end, size);
      at = end + 2;
    } else if (shown.error.empty()) {
      shown.error = reply.empty() ? "no reply" : reply;
    }
    return size;
  };
  const auto text = [&] {
    const size_t size = header('$');
    std::string bytes(reply.substr(std::min(at, reply.size()), size));
    at += size + 2;
    return bytes;
  };
  header('*');
  shown.context = text();
  const size_t count = header('*');
  for (size_t i = 0; i < count && shown.error.empty(); ++i) shown.values.push_back(text());
  return shown;
}

// The bulk that a reply is; empty if it is something else.
inline std::string bulk_of(std::string_view reply) {
  const size_t begin = reply.find("\r\n");
  if (!reply.starts_with('$') || begin == std::string_view::npos) return {};
  return std::string(reply.substr(begin + 2, reply.size() - begin - 4));
}

}  // namespace quorate::redis
