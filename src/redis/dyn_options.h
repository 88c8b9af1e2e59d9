// The options of Quorate's own data commands: quorums for one call, an expiry.
//
// Thread: the shard's.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>

#include "quorate/coordinator/quorum_choice.h"

#include "redis/arguments.h"

namespace quorate::redis {

struct DynOptions {
  static constexpr unsigned kRead = 1, kWrite = 2, kExpiry = 4;

  // Indexes of the numbers behind R, W and EX or PX; 0: none.
  size_t read_argument = 0, write_argument = 0, time_argument = 0;
  TimeForm time_form = kMillisecondsFromNow;
};

// Of the arguments from `begin` on; `allowed` are the options that may stand there. Empty: a syntax
// error.
std::optional<DynOptions> parse_dyn_options(Args args, size_t begin, unsigned allowed);

// What a call asks for; what makes no sense is left out, its handler will say so.
coordinator::QuorumChoice quorums_of_call(Args args, size_t begin, unsigned allowed);

// A quorum, 1 to as many replicas as there may be. If empty, the error is written.
std::optional<uint8_t> quorum_argument(CommandContext& context, size_t index);

}  // namespace quorate::redis
