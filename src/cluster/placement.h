// From tokens to preference lists that are balanced: bounded load, then who stands first.
//
// Both passes are deferred acceptance (Gale and Shapley 1962). A slot asks the members in the order
// of its walk; a member that is full gives up the slot whose walk reaches it latest, which then
// asks on. What a member gives up is thus what it would hold without the newest member, mostly. A
// slot that nobody else can take is kept, whatever the load.
#pragma once

#include <vector>

#include "cluster/domains.h"
#include "cluster/token_ring.h"

namespace quorate::cluster {

// How far a member may be above its share, for the sake of keys that then need not move.
inline constexpr double kLoadSlack = 0.0198;
inline constexpr double kFirstSlack = 0.04;

// domains.replicas() places a slot, in order of preference. `ring` has tokens of every member.
std::vector<Ring::Place> place_slots(const TokenRing& ring, const Domains& domains);

}  // namespace quorate::cluster
