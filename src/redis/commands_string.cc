// The string commands. Source: Redis 7.2 t_string.c.
#include <limits>
#include <string>

#include "redis/arguments.h"
#include "redis/handlers.h"
#include "redis/read_key.h"
#include "redis/set_options.h"

namespace quorate::redis {
namespace {

using coordinator::KeyRef;

void reply_value(CommandContext& context, const KeyRef& key) {
  if (!key.exists) return context.reply.null();
  if (key.entry->form() == storage::Form::raw) [[likely]] {
    return context.reply.bulk(key.payload());
  }
  std::string scratch;
  context.reply.bulk(context.space.text(key, scratch));
}

void set_with_options(CommandContext& context) {
  using Condition = SetOptions::Condition;
  const auto options = parse_set_options(context.args);
  if (!options) return context.reply.error(kSyntaxError);
  uint64_t expiry_ms = 0;
  if (options->time_argument != 0) {
    const auto moment =
        positive_expiry_argument(context, options->time_argument, options->time_form());
    if (!moment) return;
    expiry_ms = *moment;
  }
  KeyRef key = options->get ? read_key(context, 0) : context.open(0);
  if (options->get) reply_value(context, key);
  const bool refused = (options->condition == Condition::if_absent && key.exists) ||
                       (options->condition == Condition::if_present && !key.exists);
  if (!refused) {
    if (options->expiry == SetOptions::Expiry::keep && key.exists) expiry_ms = key.expiry_ms();
    context.space.put(key, context.args[2], expiry_ms);
  }
  if (options->get) return;
  if (refused) return context.reply.null();
  context.reply.ok();
}

void set_with_expiry(CommandContext& context, TimeForm form) {
  const auto expiry_ms = positive_expiry_argument(context, 2, form);
  if (!expiry_ms) return;
  KeyRef key = context.open(0);
  context.space.put(key, context.args[3], *expiry_ms);
  context.reply.ok();
}

void add_to_integer(CommandContext& context, int64_t amount) {
  KeyRef key = context.open(0);
  const auto sum = context.space.increment(key, amount);
  if (!sum) return context.reply.error("ERR " + sum.error().message);
  context.reply.integer(*sum);
}

}  // namespace

void get_command(CommandContext& context) { reply_value(context, read_key(context, 0)); }

void set_command(CommandContext& context) {
  if (context.args.size() != 3) return set_with_options(context);
  KeyRef key = context.open(0);
  context.space.put(key, context.args[2], 0);
  context.reply.ok();
}

void setnx_command(CommandContext& context) {
  KeyRef key = context.open(0);
  const bool absent = !key.exists;
  if (absent) context.space.put(key, context.args[2], 0);
  context.reply.integer(absent ? 1 : 0);
}

void setex_command(CommandContext& context) { set_with_expiry(context, kSecondsFromNow); }
void psetex_command(CommandContext& context) { set_with_expiry(context, kMillisecondsFromNow); }

void getset_command(CommandContext& context) {
  KeyRef key = read_key(context, 0);
  reply_value(context, key);
  context.space.put(key, context.args[2], 0);
}

void getdel_command(CommandContext& context) {
  KeyRef key = read_key(context, 0);
  reply_value(context, key);
  if (key.exists) context.space.remove(key);
}

void getex_command(CommandContext& context) {
  const auto options = parse_getex_options(context.args);
  if (!options) return context.reply.error(kSyntaxError);
  KeyRef key = read_key(context, 0);
  if (!key.exists) return context.reply.null();
  if (options->time_argument == 0) {
    reply_value(context, key);
    const bool persist = options->expiry == SetOptions::Expiry::persist;
    if (persist && key.expiry_ms() != 0) context.space.set_expiry(key, 0);
    return;
  }
  const auto expiry_ms =
      positive_expiry_argument(context, options->time_argument, options->time_form());
  if (!expiry_ms) return;
  reply_value(context, key);
  if (*expiry_ms <= context.now_ms()) {
    context.space.remove(key);
  } else {
    context.space.set_expiry(key, *expiry_ms);
  }
}

void mget_command(CommandContext& context) {
  context.reply.array(context.keys.size());
  for (size_t i = 0; i < context.keys.size(); ++i) reply_value(context, read_key(context, i));
}

void mset_command(CommandContext& context) {
  if (context.args.size() % 2 == 0) return reply_wrong_arity(context);
  for (size_t i = 0; i < context.keys.size(); ++i) {
    KeyRef key = context.open(i);
    context.space.put(key, context.args[2 * i + 2], 0);
  }
  context.reply.ok();
}

void incr_command(CommandContext& context) { add_to_integer(context, 1); }
void decr_command(CommandContext& context) { add_to_integer(context, -1); }

void incrby_command(CommandContext& context) {
  const auto amount = integer_argument(context, 2);
  if (amount) add_to_integer(context, *amount);
}

void decrby_command(CommandContext& context) {
  const auto amount = integer_argument(context, 2);
  if (!amount) return;
  if (*amount == std::numeric_limits<int64_t>::min()) {
    return context.reply.error("ERR decrement would overflow");
  }
  add_to_integer(context, -*amount);
}

void append_command(CommandContext& context) {
  const std::string_view addition = context.args[2];
  KeyRef key = context.open(0);
  std::string whole;
  uint64_t expiry_ms = 0;
  if (key.exists) {
    std::string scratch;
    const std::string_view before = context.space.text(key, scratch);
    const auto bytes_max = static_cast<uint64_t>(context.engine.settings().bulk_bytes_max);
    if (before.size() + addition.size() > bytes_max) {
      return context.reply.error("ERR string exceeds maximum allowed size (proto-max-bulk-len)");
    }
    whole.reserve(before.size() + addition.size());
    whole = before;
    expiry_ms = key.expiry_ms();
  }
  whole += addition;
  context.space.put(key, whole, expiry_ms);
  context.reply.integer(static_cast<int64_t>(whole.size()));
}

void strlen_command(CommandContext& context) {
  const KeyRef key = read_key(context, 0);
  if (!key.exists) return context.reply.integer(0);
  std::string scratch;
  context.reply.integer(static_cast<int64_t>(context.space.text(key, scratch).size()));
}

}  // namespace quorate::redis
