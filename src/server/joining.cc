#include "server/joining.h"

#include <algorithm>
#include <utility>

#include "quorate/cluster/cluster_view.h"
#include "quorate/cluster/token_choice.h"

namespace quorate::server {
namespace {

using cluster::Member;
using cluster::MemberList;
using cluster::MemberStatus;
using object::NodeId;

bool holds_slots(const Member& member) {
  return member.has_tokens() && member.status != MemberStatus::joining;
}

// With tokens, and not yet normal.
bool is_on_its_way(const Member& member) {
  return member.has_tokens() && member.status < MemberStatus::normal;
}

template <class Condition>
bool any_member(const MemberList& members, const Condition& condition) {
  return std::ranges::any_of(members.members(),
                             [&](const auto& entry) { return condition(entry.second); });
}

bool admitted_by_all(const MemberList& members, const NodeId& node) {
  return !any_member(members, [&](const Member& member) {
    return member.has_tokens() && member.status == MemberStatus::normal && member.admitted != node;
  });
}

// Of a member that joins.
void take_or_give_back_tokens(const MemberList& members, Member& own) {
  if (own.tokens.empty()) {
    if (any_member(members, is_on_its_way)) return;
    own.tokens = cluster::choose_tokens(members.on_ring(cluster::RingView::after), own.on_ring(),
                                        quorum_of(members).replicas);
    own.admitted = own.id;
    return;
  }
  const bool behind_another = any_member(
      members, [&](const Member& member) { return member.id < own.id && is_on_its_way(member); });
  if (behind_another && !admitted_by_all(members, own.id)) own = joining_record(own);
}

// Of a member that holds slots.
void admit(const MemberList& members, Member& own) {
  const Member* const before = members.find(own.admitted);
  if (before != nullptr && is_on_its_way(*before)) return;
  own.admitted = {};
  // Who is in handover was admitted by all.
  const auto handover = [](const Member& member) {
    return is_on_its_way(member) && member.status == MemberStatus::handover;
  };
  if (any_member(members, handover)) return;
  const auto first = std::ranges::find_if(
      members.members(), [](const auto& entry) { return is_on_its_way(entry.second); });
  if (first != members.members().end()) own.admitted = first->first;
}

}  // namespace

Holders compare_holders(const MemberList& ours, std::span<const Member> theirs) {
  Holders of;
  for (const Member& member : theirs) {
    const Member* const known = ours.find(member.id);
    const bool is_news = known == nullptr || !holds_slots(*known);
    if (holds_slots(member) && is_news) of.news.push_back(member.id);
  }
  for (const auto& [id, member] : ours.members()) {
    if (!holds_slots(member)) continue;
    ++of.here;
    const auto at = std::ranges::find(theirs, id, &Member::id);
    if (at == theirs.end() || !holds_slots(*at)) of.news_to_them.push_back(id);
  }
  return of;
}

Member joining_record(Member own) {
  own.status = MemberStatus::joining;
  own.tokens.clear();
  own.admitted = {};
  ++own.version;
  return own;
}

std::optional<Member> joining_step(const MemberList& members, const NodeId& self) {
  const Member& before = *members.find(self);
  Member own = before;
  if (own.status == MemberStatus::joining) {
    take_or_give_back_tokens(members, own);
  } else if (own.status == MemberStatus::normal && own.has_tokens()) {
    admit(members, own);
  }
  if (own == before) return std::nullopt;
  own.version = before.version + 1;
  return own;
}

std::optional<Member> next_stage(const Member& own) {
  Member changed = own;
  ++changed.version;
  if (own.status == MemberStatus::joining) {
    changed.status = MemberStatus::handover;
  } else if (own.status == MemberStatus::handover) {
    changed.status = MemberStatus::normal;
    changed.admitted = {};
  } else {
    return std::nullopt;
  }
  return changed;
}

runtime::Status may_be_removed(const MemberList& members, const Member& member) {
  const auto holders = std::ranges::count_if(
      members.members(), [](const auto& entry) { return holds_slots(entry.second); });
  if (!holds_slots(member) || std::cmp_less_equal(holders, quorum_of(members).replicas)) return {};
  return runtime::fail(
      "The node holds slots, and slots cannot be moved away from a member yet: none can be removed "
      "while there are more members than copies of a key");
}

std::string encode_nodes(std::span<const NodeId> nodes) {
  std::string body;
  for (const NodeId& node : nodes) body.append(node.begin(), node.end());
  return body;
}

std::vector<NodeId> decode_nodes(std::string_view body) {
  std::vector<NodeId> nodes(body.size() / sizeof(NodeId));
  for (NodeId& node : nodes) {
    std::ranges::copy(body.substr(0, node.size()), node.begin());
    body.remove_prefix(node.size());
  }
  return nodes;
}

}  // namespace quorate::server
