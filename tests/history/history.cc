#include "history/history.h"

#include <array>
#include <charconv>
#include <cstdio>
#include <optional>

namespace quorate::history {
namespace {

constexpr std::string_view kFirstLine = "quorate-history 1";
constexpr std::array<std::string_view, 6> kNames = {"GET", "SET", "SETNX", "INCR", "APPEND", "DEL"};
constexpr size_t kFields = 7;
constexpr size_t kShownBytes = 60;

void write_bytes(std::ostream& out, std::string_view bytes) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  out << 'x';
  for (const char byte : bytes) {
    out << kDigits[static_cast<uint8_t>(byte) >> 4] << kDigits[static_cast<uint8_t>(byte) & 15];
  }
}

std::optional<std::string> read_bytes(std::string_view field) {
  if (!field.starts_with('x') || field.size() % 2 == 0) return std::nullopt;
  std::string bytes;
  bytes.reserve(field.size() / 2);
  for (size_t i = 1; i < field.size(); i += 2) {
    uint8_t byte = 0;
    const char* end = field.data() + i + 2;
    const auto read = std::from_chars(field.data() + i, end, byte, 16);
    if (read.ec != std::errc() || read.ptr != end) return std::nullopt;
    bytes.push_back(static_cast<char>(byte));
  }
  return bytes;
}

template <class Integer>
bool read_integer(std::string_view field, Integer& integer) {
  const char* end = field.data() + field.size();
  const auto read = std::from_chars(field.data(), end, integer);
  return read.ec == std::errc() && read.ptr == end;
}

void write_result(std::ostream& out, const Result& result) {
  switch (result.type) {
    case Result::Type::unknown:
      out << '-';
      return;
    case Result::Type::ok:
      out << "OK";
      return;
    case Result::Type::nil:
      out << "nil";
      return;
    case Result::Type::integer:
      out << ':' << result.integer;
      return;
    case Result::Type::error:
      out << '!';
      [[fallthrough]];
    case Result::Type::value:
      write_bytes(out, result.bytes);
  }
}

bool read_result(std::string_view field, Result& result) {
  if (field == "-") return result = {}, true;
  if (field == "OK") return result = Result::ok(), true;
  if (field == "nil") return result = Result::nil(), true;
  if (field.starts_with(':')) {
    result = Result::of(0);
    return read_integer(field.substr(1), result.integer);
  }
  const bool error = field.starts_with('!');
  auto bytes = read_bytes(field.substr(error ? 1 : 0));
  if (!bytes) return false;
  result = error ? Result::error(std::move(*bytes)) : Result::value(std::move(*bytes));
  return true;
}

bool split(std::string_view line, std::array<std::string_view, kFields>& fields) {
  for (size_t i = 0; i < kFields; ++i) {
    const size_t space = line.find(' ');
    if ((space == line.npos) != (i + 1 == kFields)) return false;
    fields[i] = line.substr(0, space);
    if (space != line.npos) line.remove_prefix(space + 1);
  }
  return true;
}

// What is wrong with the line, or null.
const char* read_operation(std::string_view line, Operation& operation) {
  std::array<std::string_view, kFields> fields;
  if (!split(line, fields)) return "not seven fields";
  if (!read_integer(fields[0], operation.client)) return "the client is no number";
  auto key = read_bytes(fields[1]);
  if (!key) return "the key is not written as bytes";
  operation.key = std::move(*key);
  size_t kind = 0;
  while (kind < kNames.size() && kNames[kind] != fields[2]) ++kind;
  if (kind == kNames.size()) return "no such kind";
  operation.kind = static_cast<Kind>(kind);
  if (has_argument(operation.kind)) {
    auto argument = read_bytes(fields[3]);
    if (!argument) return "the argument is not written as bytes";
    operation.argument = std::move(*argument);
  } else if (fields[3] != "-") {
    return "an argument where the kind has none";
  }
  if (!read_integer(fields[4], operation.invoked) || operation.invoked == kNever) {
    return "the time it was invoked is no number";
  }
  operation.returned = kNever;
  const bool never = fields[5] == "-";
  if (!never && (!read_integer(fields[5], operation.returned) || operation.returned == kNever)) {
    return "the time it returned is no number";
  }
  if (operation.returned < operation.invoked) return "it returned before it was invoked";
  if (!read_result(fields[6], operation.result)) return "no such result";
  if (operation.uncertain() != never) return "a result without a time, or a time without a result";
  return nullptr;
}

std::string in_quotes(std::string_view bytes) {
  std::string text = "\"";
  for (const char byte : bytes.substr(0, kShownBytes)) {
    if (byte >= ' ' && byte <= '~' && byte != '"' && byte != '\\') {
      text += byte;
    } else {
      std::array<char, 8> escaped{};
      std::snprintf(escaped.data(), escaped.size(), "\\x%02x", static_cast<uint8_t>(byte));
      text += escaped.data();
    }
  }
  text += '"';
  if (bytes.size() > kShownBytes) text += "… (" + std::to_string(bytes.size()) + " bytes)";
  return text;
}

}  // namespace

std::string_view name_of(Kind kind) { return kNames[static_cast<size_t>(kind)]; }

bool has_argument(Kind kind) {
  return kind == Kind::set || kind == Kind::set_nx || kind == Kind::append;
}

std::string describe_call(const Operation& operation) {
  std::string text(name_of(operation.kind));
  if (has_argument(operation.kind)) text += " " + in_quotes(operation.argument);
  return text;
}

std::string describe_result(const Result& result) {
  switch (result.type) {
    case Result::Type::unknown:
      return "uncertain";
    case Result::Type::ok:
      return "OK";
    case Result::Type::nil:
      return "nil";
    case Result::Type::integer:
      return std::to_string(result.integer);
    case Result::Type::value:
      return in_quotes(result.bytes);
    case Result::Type::error:
      return "error " + in_quotes(result.bytes);
  }
  return {};
}

void write_history(std::ostream& out, const History& history) {
  out << kFirstLine << '\n';
  for (const Operation& operation : history) {
    out << operation.client << ' ';
    write_bytes(out, operation.key);
    out << ' ' << name_of(operation.kind) << ' ';
    if (has_argument(operation.kind)) {
      write_bytes(out, operation.argument);
    } else {
      out << '-';
    }
    out << ' ' << operation.invoked << ' ';
    if (operation.uncertain()) {
      out << '-';
    } else {
      out << operation.returned;
    }
    out << ' ';
    write_result(out, operation.result);
    out << '\n';
  }
}

runtime::Result<History> read_history(std::istream& in) {
  std::string line;
  if (!std::getline(in, line) || line != kFirstLine) {
    return runtime::fail("line 1: not \"" + std::string(kFirstLine) + "\"");
  }
  History history;
  for (size_t number = 2; std::getline(in, line); ++number) {
    if (line.empty() || line.starts_with('#')) continue;
    const char* fault = read_operation(line, history.emplace_back());
    if (fault) return runtime::fail("line " + std::to_string(number) + ": " + fault);
  }
  if (in.bad()) return runtime::fail("the history cannot be read to its end");
  return history;
}

}  // namespace quorate::history
