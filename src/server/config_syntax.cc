#include "server/config_syntax.h"

#include <fmt/format.h>

namespace quorate::server {
namespace {

constexpr std::string_view kSpaces = " \t\r\n\v\f";

bool is_space(char c) { return kSpaces.find(c) != kSpaces.npos; }

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

class Splitter {
 public:
  explicit Splitter(std::string_view line) : rest_(line) {}

  std::optional<std::vector<std::string>> split() {
    std::vector<std::string> words;
    for (;;) {
      while (!rest_.empty() && is_space(rest_.front())) rest_.remove_prefix(1);
      if (rest_.empty()) return words;
      words.emplace_back();
      if (!read_word(words.back())) return std::nullopt;
    }
  }

 private:
  bool read_word(std::string& word) {
    while (!rest_.empty() && !is_space(rest_.front())) {
      const char c = rest_.front();
      rest_.remove_prefix(1);
      if (c == '"' || c == '\'') {
        const bool closed = c == '"' ? read_double(word) : read_single(word);
        return closed && (rest_.empty() || is_space(rest_.front()));
      }
      word += c;
    }
    return true;
  }

  // Both read behind the opening quote and say whether a closing one was found.
  bool read_double(std::string& word) {
    while (!rest_.empty()) {
      const char c = rest_.front();
      rest_.remove_prefix(1);
      if (c == '"') return true;
      if (c == '\\' && !rest_.empty()) {
        read_escape(word);
      } else {
        word += c;
      }
    }
    return false;
  }

  bool read_single(std::string& word) {
    while (!rest_.empty()) {
      const char c = rest_.front();
      rest_.remove_prefix(1);
      if (c == '\'') return true;
      if (c == '\\' && rest_.starts_with('\'')) {
        word += '\'';
        rest_.remove_prefix(1);
      } else {
        word += c;
      }
    }
    return false;
  }

  void read_escape(std::string& word) {
    if (rest_.size() >= 3 && rest_[0] == 'x' && hex_digit(rest_[1]) >= 0 &&
        hex_digit(rest_[2]) >= 0) {
      word += static_cast<char>(hex_digit(rest_[1]) * 16 + hex_digit(rest_[2]));
      rest_.remove_prefix(3);
      return;
    }
    constexpr std::string_view kLetters = "nrtba";
    constexpr std::string_view kBytes = "\n\r\t\b\a";
    const size_t known = kLetters.find(rest_.front());
    word += known == kLetters.npos ? rest_.front() : kBytes[known];
    rest_.remove_prefix(1);
  }

  std::string_view rest_;
};

}  // namespace

std::optional<std::vector<std::string>> split_line(std::string_view line) {
  return Splitter(line).split();
}

std::string quoted_word(std::string_view word) {
  std::string result = "\"";
  for (const char c : word) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      result += '\\';
      result += c;
    } else if (byte < 0x20 || byte == 0x7f) {
      result += fmt::format("\\x{:02x}", byte);
    } else {
      result += c;
    }
  }
  return result + '"';
}

std::string_view trimmed(std::string_view line) {
  const size_t first = line.find_first_not_of(kSpaces);
  if (first == line.npos) return {};
  return line.substr(first, line.find_last_not_of(kSpaces) - first + 1);
}

}  // namespace quorate::server
