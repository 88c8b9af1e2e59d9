// Values with their causal contexts: the interface of the Dynamo paper to versions that were
// written without knowledge of each other. Source: DESIGN sections 5 and 10.
#include <algorithm>
#include <fmt/format.h>
#include <string>
#include <vector>

#include "quorate/object/baseline.h"
#include "quorate/object/string_object.h"
#include "quorate/redis/shard_engine.h"
#include "quorate/storage/stored_object.h"

#include "redis/dyn_options.h"
#include "redis/handlers.h"
#include "redis/read_key.h"

namespace quorate::redis {
namespace {

using coordinator::KeyRef;
using object::CausalContext;
using object::Object;
using object::Version;

constexpr size_t kContextArgument = 2;

std::string token_of(CommandContext& context, const CausalContext& seen) {
  return context.engine.context_seal().seal(object::NamedContext::of(seen, context.space.actors()),
                                            {context.db, context.keys[0].name});
}

// Dots of actors nobody has told this node of are beyond all that it shows: they cover nothing.
std::optional<CausalContext> context_argument(CommandContext& context) {
  const auto given = context.engine.context_seal().open(context.args[kContextArgument],
                                                        {context.db, context.keys[0].name});
  if (given) return given->known_to(context.space.actors());
  context.reply.error("ERR " + given.error().message);
  return std::nullopt;
}

bool is_due(uint64_t expiry_ms, uint64_t now_ms) { return expiry_ms != 0 && expiry_ms <= now_ms; }

// Nobody is shown what has expired, and a write need not have seen it.
CausalContext with_expired(CausalContext seen, const Object& object, uint64_t now_ms) {
  for (const object::Element& element : object.elements) {
    for (const Version& version : element.versions) {
      if (is_due(version.expiry_ms, now_ms)) seen.add(version.dot);
    }
  }
  return seen;
}

std::vector<object::SiblingValue> values_of(CommandContext& context, const Object& object) {
  auto values = object::read_siblings(object, context.space.actors());
  std::erase_if(values,
                [&](const auto& value) { return is_due(value.expiry_ms, context.now_ms()); });
  return values;
}

// Whether the key would have more siblings, or more bytes of them, than it may. `left` are those
// that a new value joins.
bool refuses_sibling(CommandContext& context, const Object& object, const Object& left,
                     std::string_view value) {
  const EngineSettings& settings = context.engine.settings();
  const size_t before = object::count_values(object);
  const size_t after = object::count_values(left) + 1;
  if (after > settings.siblings_max && after > before) {
    context.reply.error(
        fmt::format("ERR the key has {} siblings already, siblings-max is {}: read it with DYN.GET "
                    "and write what they come to with that context",
                    before, settings.siblings_max));
    return true;
  }
  size_t bytes = value.size();
  for (const object::Element& element : left.elements) {
    for (const Version& version : element.versions) bytes += version.payload.size();
  }
  if (after == 1 || bytes <= static_cast<uint64_t>(settings.bulk_bytes_max)) return false;
  context.reply.error("ERR siblings exceed maximum allowed size (proto-max-bulk-len)");
  return true;
}

std::string text_of(const Version& version) {
  if (version.kind != object::Kind::counter) return std::string(version.payload.view());
  return fmt::format("{}", object::decode_total(version.payload.view()).value_or(0));
}

void reply_version(CommandContext& context, const Version& version) {
  const object::Actor& actor = *context.space.actors().actor(version.dot.actor);
  ReplyWriter& reply = context.reply;
  const auto number = [&](std::string_view name, int64_t value) {
    reply.bulk(name);
    reply.integer(value);
  };
  reply.map(7);
  reply.bulk("value");
  reply.bulk(text_of(version));
  reply.bulk("kind");
  reply.bulk(version.kind == object::Kind::counter ? "increments" : "value");
  reply.bulk("node");
  reply.bulk(object::node_id_text(actor.node));
  number("epoch", actor.epoch);
  number("n", static_cast<int64_t>(version.dot.n));
  number("time-ms", static_cast<int64_t>(object::hlc_ms(version.hlc)));
  number("expiry-ms", version.expiry_ms == 0 ? -1 : static_cast<int64_t>(version.expiry_ms));
}

}  // namespace

void dyn_get_command(CommandContext& context) {
  const auto options = parse_dyn_options(context.args, 2, DynOptions::kRead);
  if (!options) return context.reply.error(kSyntaxError);
  if (options->read_argument != 0 && !quorum_argument(context, options->read_argument)) return;
  const KeyRef key = read_key(context, 0);
  const Object object = context.space.object(key);
  const auto values = values_of(context, object);
  context.reply.array(2);
  context.reply.bulk(token_of(context, context.space.seen(key)));
  context.reply.array(values.size());
  for (const object::SiblingValue& value : values) context.reply.bulk(value.bytes.view());
}

void dyn_put_command(CommandContext& context) {
  constexpr size_t kValueArgument = 3;
  const auto options =
      parse_dyn_options(context.args, kValueArgument + 1, DynOptions::kWrite | DynOptions::kExpiry);
  if (!options) return context.reply.error(kSyntaxError);
  if (options->write_argument != 0 && !quorum_argument(context, options->write_argument)) return;
  uint64_t expiry_ms = 0;
  if (options->time_argument != 0) {
    const auto moment =
        positive_expiry_argument(context, options->time_argument, options->time_form);
    if (!moment) return;
    expiry_ms = *moment;
  }
  const auto given = context_argument(context);
  if (!given) return;
  KeyRef key = context.open(0);
  const Object object = context.space.object(key);
  CausalContext seen = with_expired(*given, object, context.now_ms());
  // Expired, but still there.
  if (!key.exists && storage::is_visible(key.entry)) seen.join(context.space.seen(key));
  const Object left = object::uncovered_part(object, seen);
  const std::string_view value = context.args[kValueArgument];
  EngineStatistics& statistics = context.engine.statistics();
  if (refuses_sibling(context, object, left, value)) {
    ++statistics.siblings_refused;
    return;
  }
  if (object::count_values(left) != 0) ++statistics.siblings_made;
  context.space.put_beside(key, value, expiry_ms, seen);
  // The new version stands for all that it superseded. What this node does not know it did not:
  // others may.
  CausalContext after = given->without(context.space.store().clocks().clock(key.key.slot));
  after.add(key.entry->dot());
  context.reply.bulk(token_of(context, after));
}

void dyn_del_command(CommandContext& context) {
  const auto options = parse_dyn_options(context.args, kContextArgument + 1, DynOptions::kWrite);
  if (!options) return context.reply.error(kSyntaxError);
  if (options->write_argument != 0 && !quorum_argument(context, options->write_argument)) return;
  const auto given = context_argument(context);
  if (!given) return;
  KeyRef key = context.open(0);
  const size_t before = values_of(context, context.space.object(key)).size();
  context.space.remove_seen(key, *given);
  const size_t after = values_of(context, context.space.object(key)).size();
  context.reply.integer(static_cast<int64_t>(before - std::min(before, after)));
}

void dyn_siblings_command(CommandContext& context) {
  const KeyRef key = read_key(context, 0);
  const Object object = context.space.object(key);
  std::vector<const Version*> versions;
  for (const object::Element& element : object.elements) {
    for (const Version& version : element.versions) {
      if (version.kind != object::Kind::reset) versions.push_back(&version);
    }
  }
  std::ranges::sort(versions, [&](const Version* a, const Version* b) {
    return object::is_newer(*a, *b, context.space.actors());
  });
  context.reply.array(versions.size());
  for (const Version* const version : versions) reply_version(context, *version);
}

}  // namespace quorate::redis
