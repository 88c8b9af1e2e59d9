#include "redis/dyn_options.h"

#include <array>
#include <fmt/format.h>

#include "quorate/cluster/ring.h"
#include "quorate/object/counter.h"
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

coordinator::QuorumChoice quorums_of_call(Args args, size_t begin, unsigned allowed) {
  const auto options = parse_dyn_options(args, begin, allowed);
  if (!options) return {};
  const auto number = [&](size_t index) -> uint8_t {
    if (index == 0) return 0;
    const int64_t value = object::parse_integer(args[index]).value_or(0);
    return value >= 1 && value <= cluster::Ring::kReplicasMax ? static_cast<uint8_t>(value) : 0;
  };
  return {number(options->read_argument), number(options->write_argument)};
}

std::optional<uint8_t> quorum_argument(CommandContext& context, size_t index) {
  const auto value = integer_argument(context, index);
  if (!value) return std::nullopt;
  const unsigned replicas = context.engine.cluster().view().configured().replicas;
  if (*value >= 1 && *value <= replicas) return static_cast<uint8_t>(*value);
  context.reply.error(fmt::format("ERR {} must be between 1 and {}, the number of replicas",
                                  same_name(context.args[index - 1], "R") ? "R" : "W", replicas));
  return std::nullopt;
}

}  // namespace quorate::redis
