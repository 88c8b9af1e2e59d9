// A client's side of SCAN and of replies that are lists.
#pragma once

#include <charconv>
#include <string>
#include <string_view>
#include <vector>

#include "redis/command_harness.h"

namespace quorate::redis {

// The bulks of a reply, those of arrays within it included.
inline std::vector<std::string> bulks(std::string_view reply) {
  std::vector<std::string> found;
  while (!reply.empty()) {
    const size_t line_end = reply.find("\r\n");
    if (line_end == std::string_view::npos) break;
    const char type = reply[0];
    size_t size = 0;
    std::from_chars(reply.data() + 1, reply.data() + line_end, size);
    reply.remove_prefix(line_end + 2);
    if (type != '$') continue;
    found.emplace_back(reply.substr(0, size));
    reply.remove_prefix(size + 2);
  }
  return found;
}

// Iterates as client libraries do: until the cursor is 0 again.
class ScanClient {
 public:
  explicit ScanClient(CommandHarness& harness, Words options = {})
      : harness_(harness), options_(std::move(options)) {}

  bool ended() const { return ended_; }
  const std::string& cursor() const { return cursor_; }
  std::string request() const {
    Words words{"SCAN", cursor_};
    words.insert(words.end(), options_.begin(), options_.end());
    return encode_request(words);
  }
  // Takes a reply to request(): the keys in it.
  std::vector<std::string> take(const std::string& reply) {
    std::vector<std::string> words = bulks(reply);
    EXPECT_FALSE(words.empty()) << reply;
    if (words.empty()) words.emplace_back("0");
    cursor_ = words[0];
    ended_ = cursor_ == "0";
    words.erase(words.begin());
    return words;
  }
  std::vector<std::string> next() {
    harness_.connection().send(request());
    return take(harness_.connection().reply());
  }
  std::vector<std::string> all() {
    std::vector<std::string> keys;
    while (!ended_) {
      for (std::string& key : next()) keys.push_back(std::move(key));
    }
    return keys;
  }

 private:
  CommandHarness& harness_;
  Words options_;
  std::string cursor_ = "0";
  bool ended_ = false;
};

}  // namespace quorate::redis
