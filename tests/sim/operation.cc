#include "sim/operation.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>

#include "redis/command_harness.h"

namespace quorate::sim {
namespace {

using Version = KeyModel::Version;
using Matches = std::function<bool(const Version&)>;

constexpr std::array kRefusals{"-MISCONF ",
                               "-OOM ",
                               "-ERR the key could not be read from disk",
                               "-ERR value is not an integer",
                               "-ERR increment or decrement",
                               "-ERR Background save"};

int64_t integer_of(std::string_view reply) {
  int64_t value = INT64_MIN;
  if (reply.starts_with(':')) std::from_chars(reply.data() + 1, reply.data() + reply.size(), value);
  return value;
}

// A bulk reply's bytes; nothing for null.
std::optional<std::string> bulk_of(std::string_view reply) {
  if (reply.starts_with("$-1")) return std::nullopt;
  const size_t header = reply.find("\r\n") + 2;
  return std::string(reply.substr(header, reply.size() - header - 2));
}

class Judge {
 public:
  Judge(const Operation& operation, std::string_view reply, const ReplyContext& context)
      : operation_(operation), reply_(reply), context_(context) {}

  std::string verdict();

 private:
  std::string changes();
  std::string flush();
  std::string tells(const std::string& key, const std::optional<std::string>& told);
  std::string tells_several();
  std::string tells_expiry();
  std::string tells_size();
  // Some change after the sending fits; the first that does is acknowledged.
  std::string backed(const std::string& key, const Matches& matches);
  std::string backed_or_no(const Matches& matches) {
    return integer_of(reply_) == 1 ? backed(operation_.keys[0], matches) : "";
  }
  KeyId id(const std::string& key) const { return KeyId::of(operation_.db, key); }
  bool has(const Version& version, const std::string& text) const {
    return version.state && version.state->text == text;
  }

  const Operation& operation_;
  const std::string_view reply_;
  const ReplyContext& context_;
};

std::string Judge::verdict() {
  using Kind = Operation::Kind;
  if (reply_.starts_with('-')) {
    const bool refusal = std::ranges::any_of(
        kRefusals, [this](const char* text) { return reply_.starts_with(text); });
    return refusal ? "" : "unexpected error";
  }
  switch (operation_.kind) {
    case Kind::flush:
      return flush();
    case Kind::get:
      return tells(operation_.keys[0], bulk_of(reply_));
    case Kind::mget:
      return tells_several();
    case Kind::pttl:
      return tells_expiry();
    case Kind::dbsize:
      return tells_size();
    case Kind::checkpoint:
    case Kind::select:
      return "";
    default:
      return changes();
  }
}

std::string Judge::changes() {
  using Kind = Operation::Kind;
  const std::vector<std::string>& keys = operation_.keys;
  const std::vector<std::string>& values = operation_.values;
  const int64_t number = integer_of(reply_);
  switch (operation_.kind) {
    case Kind::append:
      return backed(keys[0], [&](const Version& of) {
        return of.state && of.state->text.ends_with(values[0]) &&
               static_cast<int64_t>(of.state->text.size()) == number;
      });
    case Kind::incr:
      return backed(keys[0], [&](const Version& of) { return has(of, std::to_string(number)); });
    case Kind::del:
      return backed_or_no([](const Version& of) { return !of.state; });
    case Kind::expire:
      return backed_or_no([](const Version& of) { return of.state && of.state->expiry_ms != 0; });
    case Kind::persist:
      return backed_or_no([](const Version& of) { return of.state && of.state->expiry_ms == 0; });
    default:
      break;
  }
  for (size_t i = 0; i < keys.size(); ++i) {
    auto verdict = backed(keys[i], [&](const Version& of) { return has(of, values[i]); });
    if (!verdict.empty()) return verdict;
  }
  return "";
}

std::string Judge::backed(const std::string& key, const Matches& matches) {
  for (const Version& version : context_.model.versions(id(key), operation_.sequence)) {
    if (version.sequence <= operation_.sequence || !matches(version)) continue;
    context_.acknowledge(version.shard, version.index);
    return "";
  }
  return "acknowledged, but the journal has no such change of " + key;
}

std::string Judge::flush() {
  for (const KeyId& key : context_.model.existing(operation_.db, operation_.sequence)) {
    const auto versions = context_.model.versions(key, operation_.sequence);
    if (versions.size() == 1) return "acknowledged, but the journal leaves " + key.name;
    context_.acknowledge(versions[1].shard, versions[1].index);
  }
  return "";
}

std::string Judge::tells(const std::string& key, const std::optional<std::string>& told) {
  if (!context_.reads_certain) return "";
  const auto versions = context_.model.versions(id(key), operation_.sequence);
  for (const Version& version : versions) {
    if (!told && (!version.state || !version.state->live_at(operation_.wall_ms_max))) return "";
    if (told && has(version, *told) && version.state->live_at(operation_.wall_ms_min)) return "";
  }
  const Version& last = versions.back();
  return key + " is told as " + (told ? told->substr(0, 40) : "absent") + " but was " +
         (last.state ? last.state->text.substr(0, 40) : "absent") + ", of " +
         std::to_string(versions.size()) + " possible states";
}

std::string Judge::tells_several() {
  size_t at = reply_.find("\r\n") + 2;
  for (const std::string& key : operation_.keys) {
    const size_t size = redis::reply_bytes(reply_.substr(at));
    auto verdict = tells(key, bulk_of(reply_.substr(at, size)));
    if (!verdict.empty()) return verdict;
    at += size;
  }
  return "";
}

std::string Judge::tells_expiry() {
  if (!context_.reads_certain) return "";
  const int64_t left = integer_of(reply_);
  for (const Version& version :
       context_.model.versions(id(operation_.keys[0]), operation_.sequence)) {
    const bool gone = !version.state || !version.state->live_at(operation_.wall_ms_max);
    if (left == -2 && gone) return "";
    if (!version.state) continue;
    const uint64_t expiry = version.state->expiry_ms;
    if (left == -1 && expiry == 0) return "";
    if (left < 0 || expiry == 0) continue;
    const auto told = static_cast<uint64_t>(left);
    if (told + operation_.wall_ms_min <= expiry && told + operation_.wall_ms_max >= expiry)
      return "";
  }
  return "the expiry of " + operation_.keys[0] + " is none it had";
}

std::string Judge::tells_size() {
  const auto told = static_cast<size_t>(integer_of(reply_));
  const size_t before = context_.model.existing(operation_.db, operation_.sequence).size();
  const size_t after = context_.model.existing(operation_.db, context_.model.sequence()).size();
  if (told >= std::min(before, after) && told <= std::max(before, after)) return "";
  return "DBSIZE is told, but there are " + std::to_string(after);
}

}  // namespace

std::string Operation::request() const {
  static constexpr std::array kNames{"SET",     "APPEND", "INCR",    "DEL",   "PEXPIRE",
                                     "PERSIST", "MSET",   "FLUSHDB", "GET",   "MGET",
                                     "PTTL",    "DBSIZE", "BGSAVE",  "SELECT"};
  redis::Words words{kNames[static_cast<size_t>(kind)]};
  for (size_t i = 0; i < keys.size(); ++i) {
    words.push_back(keys[i]);
    if (i < values.size()) words.push_back(values[i]);
  }
  return redis::encode_request(words);
}

std::string judge_reply(const Operation& operation, std::string_view reply,
                        const ReplyContext& context) {
  return Judge(operation, reply, context).verdict();
}

}  // namespace quorate::sim
