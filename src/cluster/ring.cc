#include "quorate/cluster/ring.h"

#include <algorithm>
#include <array>
#include <cassert>
#include <utility>

#include "quorate/runtime/digest.h"

#include "cluster/domains.h"
#include "cluster/placement.h"
#include "cluster/token_ring.h"

namespace quorate::cluster {

RingPosition token_position(const object::NodeId& id, TokenIndex index) {
  std::array<char, std::tuple_size_v<object::NodeId> + 2> name{};
  std::copy(id.begin(), id.end(), name.begin());
  name[id.size()] = static_cast<char>(index >> 8);
  name[id.size() + 1] = static_cast<char>(index);
  const runtime::Md5 digest = runtime::md5({name.data(), name.size()});
  RingPosition position = 0;
  for (size_t i = 0; i < sizeof position; ++i) position = position << 8 | digest[i];
  return position;
}

Ring::Ring(std::vector<RingMember> members, unsigned replicas) : members_(std::move(members)) {
  assert(members_.size() <= kMembersMax && replicas > 0 && replicas <= kReplicasMax);
  std::sort(members_.begin(), members_.end(),
            [](const RingMember& left, const RingMember& right) { return left.id < right.id; });
  std::vector<RingMember> holding;
  std::vector<Place> place_of;  // among members_, of those who hold something
  std::vector<Token> tokens;
  for (size_t i = 0; i < members_.size(); ++i) {
    if (members_[i].tokens.empty()) continue;
    for (const TokenIndex index : members_[i].tokens) {
      tokens.push_back({token_position(members_[i].id, index), static_cast<Place>(holding.size())});
    }
    holding.push_back(members_[i]);
    place_of.push_back(static_cast<Place>(i));
  }
  if (holding.empty()) return;
  const Domains domains(holding, replicas);
  replicas_ = domains.replicas();
  places_ = place_slots(TokenRing(std::move(tokens)), domains);
  for (Place& place : places_) place = place_of[place];
}

}  // namespace quorate::cluster
