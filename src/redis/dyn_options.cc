#include "redis/dyn_options.h"

#include <array>
#include <fmt/format.h>

#include "quorate/redis/command_table.h"
#include "quorate/redis/shard_engine.h"

namespace quorate::redis {
namespace {

struct OptionName {
  std::string_view name;
  unsigned option;
  size_t DynOptions::* argument;
  TimeForm form = kMillisecondsFromNow;
};

constexpr std::array<OptionName, 4> kNames{{
    {"R", DynOptions::kRead, &DynOptions::read_argument},
    {"W", DynOptions::kWrite, &DynOptions::write_argument},
    {"EX", DynOptions::kExpiry, &DynOptions::time_argument, kSecondsFromNow},
    {"PX", DynOptions::kExpiry, &DynOptions::time_argument, kMillisecondsFromNow},
}};

}  // namespace

std::optional<DynOptions> parse_dyn_options(Args args, size_t begin, unsigned allowed) {
  DynOptions options;
  for (size_t at = begin; at < args.size(); at += 2) {
    const OptionName* found = nullptr;
    for (const OptionName& of : kNames) {
      if ((allowed & of.option) != 0 && same_name(args[at], of.name)) found = &of;
    }
    if (found == nullptr || at + 1 == args.size() || options.*found->argument != 0) {
      return std::nullopt;
    }
    options.*found->argument = at + 1;
    if (found->option == DynOptions::kExpiry) options.time_form = found->form;
  }
  return options;
}

std::optional<unsigned> quorum_argument(CommandContext& context, size_t index) {
  const auto value = integer_argument(context, index);
  if (!value) return std::nullopt;
  const unsigned replicas = context.engine.cluster().view().quorum().replicas;
  if (*value >= 1 && *value <= replicas) return static_cast<unsigned>(*value);
  context.reply.error(fmt::format("ERR {} must be between 1 and {}, the number of replicas",
                                  same_name(context.args[index - 1], "R") ? "R" : "W", replicas));
  return std::nullopt;
}

}  // namespace quorate::redis
