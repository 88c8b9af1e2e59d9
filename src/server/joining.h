// What a member changes in its own record as members join in stages (cluster/cluster_view.h).
//
// A node joins without tokens and takes them when nobody else is on its way. Members that hold
// slots admit who has tokens, one at a time, the lowest id first, and keep to it until that one is
// normal, has given back its tokens or left. So two that took tokens at once may each be admitted
// by some: the higher id gives its tokens back, unless all have admitted it already, and waits.
// Since whoever holds slots admits only one, only one can be admitted by all and go on. Thread:
// values. Source: DESIGN section 9.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "quorate/cluster/member_list.h"
#include "quorate/runtime/error.h"

namespace quorate::server {

// The record, changed so that its node joins.
cluster::Member joining_record(cluster::Member own);
// The member's record, if the list asks for another one than it has.
std::optional<cluster::Member> joining_step(const cluster::MemberList& members,
                                            const object::NodeId& self);
// The record of the stage that follows when a member that joins is done with its stage.
std::optional<cluster::Member> next_stage(const cluster::Member& own);

// Members that hold slots as one of two lists has it.
struct Holders {
  std::vector<object::NodeId> news;          // of theirs, not of ours
  std::vector<object::NodeId> news_to_them;  // of ours, not of theirs
  size_t here = 0;                           // of ours
};
Holders compare_holders(const cluster::MemberList& ours, std::span<const cluster::Member> theirs);

// Whether the ring may go without the member at once: while there are no more members than copies,
// or it has not taken over its slots.
runtime::Status may_be_removed(const cluster::MemberList& members, const cluster::Member& member);
// Who is to join, as the body of a message.
std::string encode_nodes(std::span<const object::NodeId> nodes);
std::vector<object::NodeId> decode_nodes(std::string_view body);

}  // namespace quorate::server
