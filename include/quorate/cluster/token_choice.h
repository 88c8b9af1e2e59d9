// Choosing a joining member's tokens, so that the plain walk over the ring is balanced already.
//
// Tokens at random places would need to be some 256 a node before loads are even, and then hardly
// two neighbouring slots share a preference list: CLUSTER SLOTS grows to megabytes. Instead the
// joining member looks at the ring as it is and takes, of many candidate tokens, those that bring
// all loads, and who stands first, closest to their shares. Nothing then moves between old nodes,
// and 32 tokens are enough. Members that join at the same time choose without knowing of each
// other; what that costs in balance the bounded load of Ring makes up for.
//
// Thread: pure functions. Takes some tens of milliseconds of CPU.
#pragma once

#include <vector>

#include "quorate/cluster/ring.h"

namespace quorate::cluster {

// For a member of average weight.
inline constexpr unsigned kTokensOfAverage = 32;

// `joining` need not be among `members`; if it is, its old tokens do not count. Never empty, no
// index twice.
std::vector<TokenIndex> choose_tokens(const std::vector<RingMember>& members,
                                      const RingMember& joining, unsigned replicas);

}  // namespace quorate::cluster
