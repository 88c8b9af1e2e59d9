// Commands on keys of any type. Source: Redis 7.2 db.c and expire.c.
#include <optional>
#include <string>

#include "quorate/redis/command_table.h"

#include "redis/arguments.h"
#include "redis/handlers.h"
#include "redis/read_key.h"

namespace quorate::redis {
namespace {

using coordinator::KeyRef;
using Touch = coordinator::KeySpace::Touch;

constexpr size_t kExpireOptionsBegin = 3;
constexpr int64_t kNoKey = -2;
constexpr int64_t kNoExpiry = -1;

struct ExpireOptions {
  bool nx = false, xx = false, gt = false, lt = false;
};

std::optional<ExpireOptions> expire_options(CommandContext& context) {
  ExpireOptions options;
  for (const std::string_view option : context.args.subspan(kExpireOptionsBegin)) {
    if (same_name(option, "NX")) {
      options.nx = true;
    } else if (same_name(option, "XX")) {
      options.xx = true;
    } else if (same_name(option, "GT")) {
      options.gt = true;
    } else if (same_name(option, "LT")) {
      options.lt = true;
    } else {
      context.reply.error("ERR Unsupported option " + std::string(option));
      return std::nullopt;
    }
  }
  if (options.nx && (options.xx || options.gt || options.lt)) {
    context.reply.error("ERR NX and XX, GT or LT options at the same time are not compatible");
    return std::nullopt;
  }
  if (options.gt && options.lt) {
    context.reply.error("ERR GT and LT options at the same time are not compatible");
    return std::nullopt;
  }
  return options;
}

// Whether a key that expires at `current_ms` (0: never) may get the expiry `wanted_ms`.
bool allows(const ExpireOptions& options, uint64_t current_ms, int64_t wanted_ms) {
  const bool persistent = current_ms == 0;
  const auto current = static_cast<int64_t>(current_ms);
  if (options.nx && !persistent) return false;
  if (options.xx && persistent) return false;
  if (options.gt && (persistent || wanted_ms <= current)) return false;
  if (options.lt && !persistent && wanted_ms >= current) return false;
  return true;
}

void expire(CommandContext& context, TimeForm form) {
  const auto options = expire_options(context);
  if (!options) return;
  const auto moment = expiry_argument(context, 2, form);
  if (!moment) return;
  KeyRef key = context.open(0);
  if (!key.exists || !allows(*options, key.expiry_ms(), *moment)) return context.reply.integer(0);
  if (*moment <= static_cast<int64_t>(context.now_ms())) {
    context.space.remove(key);
  } else {
    context.space.set_expiry(key, static_cast<uint64_t>(*moment));
  }
  context.reply.integer(1);
}

// Answers when the key expires, in `form`.
void reply_expiry(CommandContext& context, TimeForm form) {
  const KeyRef key = examine_key(context, 0);
  if (!key.exists) return context.reply.integer(kNoKey);
  if (key.expiry_ms() == 0) return context.reply.integer(kNoExpiry);
  uint64_t ms = key.expiry_ms();
  if (form.from == TimeForm::From::now) ms -= context.now_ms();  // a key that exists has time left
  const bool seconds = form.unit == TimeForm::Unit::seconds;
  context.reply.integer(static_cast<int64_t>(seconds ? (ms + 500) / 1000 : ms));
}

}  // namespace

void del_command(CommandContext& context) {
  int64_t removed = 0;
  for (const object::Key& name : context.keys) {
    KeyRef key = context.space.open(name, Touch::no);
    if (!key.exists) continue;
    context.space.remove(key);
    ++removed;
  }
  context.reply.integer(removed);
}

void exists_command(CommandContext& context) {
  int64_t found = 0;
  for (size_t i = 0; i < context.keys.size(); ++i) found += examine_key(context, i).exists ? 1 : 0;
  context.reply.integer(found);
}

// Its purpose is to leave a trace, so CLIENT NO-TOUCH does not concern it.
void touch_command(CommandContext& context) {
  int64_t found = 0;
  for (const object::Key& name : context.keys) {
    found += counted(context, context.space.open(name, Touch::yes)).exists ? 1 : 0;
  }
  context.reply.integer(found);
}

void type_command(CommandContext& context) {
  context.reply.simple(examine_key(context, 0).exists ? "string" : "none");
}

void expire_command(CommandContext& context) { expire(context, kSecondsFromNow); }
void pexpire_command(CommandContext& context) { expire(context, kMillisecondsFromNow); }
void expireat_command(CommandContext& context) { expire(context, kUnixSeconds); }
void pexpireat_command(CommandContext& context) { expire(context, kUnixMilliseconds); }

void ttl_command(CommandContext& context) { reply_expiry(context, kSecondsFromNow); }
void pttl_command(CommandContext& context) { reply_expiry(context, kMillisecondsFromNow); }
void expiretime_command(CommandContext& context) { reply_expiry(context, kUnixSeconds); }
void pexpiretime_command(CommandContext& context) { reply_expiry(context, kUnixMilliseconds); }

void persist_command(CommandContext& context) {
  KeyRef key = context.open(0);
  const bool expires = key.exists && key.expiry_ms() != 0;
  if (expires) context.space.set_expiry(key, 0);
  context.reply.integer(expires ? 1 : 0);
}

}  // namespace quorate::redis
