// Finds the keys of a call by its command's key specs, as Redis 7.2's getKeysUsingKeySpecs (db.c).
#include <charconv>

#include "quorate/redis/command_table.h"

namespace quorate::redis {
namespace {

struct Span {
  int64_t first = 0;  // 0: the call has none of these keys
  int64_t last = 0;
  int64_t step = 1;
};

// The argument behind the keyword, or 0 if it is not there.
int64_t find_keyword(const KeySpec& spec, Args args) {
  const int64_t count = static_cast<int64_t>(args.size());
  const bool forward = spec.start_from > 0;
  int64_t at = forward ? spec.start_from : count + spec.start_from;
  for (; at > 0 && at < count; at += forward ? 1 : -1) {
    if (same_name(args[static_cast<size_t>(at)], spec.keyword)) return at + 1;
  }
  return 0;
}

// The keys that follow their own number. False: there is no number.
bool find_counted(const KeySpec& spec, Args args, int64_t begin, Span& span) {
  const int64_t at = begin + spec.key_num_index;
  if (at >= static_cast<int64_t>(args.size())) return false;
  const std::string_view text = args[static_cast<size_t>(at)];
  int64_t keys = -1;
  const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), keys);
  if (problem != std::errc() || end != text.data() + text.size() || keys < 0) return false;
  if (keys > static_cast<int64_t>(args.size())) return false;
  if (keys == 0) return true;
  span.step = spec.key_step;
  span.first = begin + spec.first_key;
  span.last = span.first + (keys - 1) * span.step;
  return true;
}

bool find_span(const KeySpec& spec, Args args, Span& span) {
  int64_t begin = 0;
  if (spec.begin == KeySpec::Begin::index) begin = spec.index;
  if (spec.begin == KeySpec::Begin::keyword) begin = find_keyword(spec, args);
  if (begin == 0 || spec.find == KeySpec::Find::unknown) return true;
  const int64_t count = static_cast<int64_t>(args.size());
  if (spec.find == KeySpec::Find::keynum) {
    if (!find_counted(spec, args, begin, span)) return false;
  } else {
    span = {.first = begin, .last = begin + spec.last_key, .step = spec.key_step};
    if (spec.last_key < 0) {
      const int64_t end = spec.limit == 0 ? count : begin + (count - begin) / spec.limit;
      span.last = end + spec.last_key;
    }
  }
  return span.first == 0 || (span.last >= span.first && span.last < count);
}

}  // namespace

bool find_keys(const CommandSpec& spec, Args args, KeyReferences& out) {
  const size_t before = out.size();
  for (const KeySpec& keys : spec.keys) {
    if ((keys.flags & key_flag::kNotKey) != 0) continue;
    Span span;
    if (!find_span(keys, args, span)) {
      out.resize(before);
      return false;
    }
    if (span.first == 0) continue;
    const bool variable = (keys.flags & key_flag::kVariableFlags) != 0 && spec.key_flags != nullptr;
    const Bits flags = variable ? spec.key_flags(args) : keys.flags;
    for (int64_t at = span.first; at <= span.last; at += span.step)
      out.push_back({static_cast<size_t>(at), flags});
  }
  return true;
}

bool find_key_indexes(const CommandSpec& spec, Args args, KeyIndexes& out) {
  KeyReferences references;
  if (!find_keys(spec, args, references)) return false;
  for (const KeyReference& reference : references) out.push_back(reference.index);
  return true;
}

}  // namespace quorate::redis
