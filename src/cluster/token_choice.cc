#include "quorate/cluster/token_choice.h"

#include <algorithm>
#include <cassert>
#include <cmath>
#include <tuple>
#include <utility>

#include "cluster/domains.h"
#include "cluster/token_ring.h"

namespace quorate::cluster {
namespace {

using Place = Ring::Place;

constexpr unsigned kCandidates = 4096;
constexpr unsigned kTokensMin = 8, kTokensMax = 512;
// A slot too many as the first of its list counts as much as this many too many of all copies.
constexpr double kFirstWeight = 2;

double square(double x) { return x * x; }

// The ring while a member joins it token by token, before loads are bounded.
class Joining {
 public:
  Joining(const std::vector<RingMember>& members, Place joiner, unsigned replicas)
      : domains_(members, replicas),
        joiner_(joiner),
        shares_(domains_.shares()),
        loads_(members.size()),
        ring_(tokens_of(members, joiner)) {
    count();
  }

  bool alone() const { return ring_.size() == 0; }
  // How much closer to their shares a token at `position` would bring all members, the joiner being
  // content with `part` of its own.
  double gain(RingPosition position, double part);
  void take(RingPosition position) {
    ring_.insert({position, joiner_});
    count();
  }

 private:
  struct Load {
    double places = 0, firsts = 0;
  };
  struct Change {
    int places = 0, firsts = 0;
  };

  static std::vector<Token> tokens_of(const std::vector<RingMember>& members, Place joiner) {
    std::vector<Token> tokens;
    for (size_t i = 0; i < members.size(); ++i) {
      if (i == joiner) continue;
      for (const TokenIndex index : members[i].tokens) {
        tokens.push_back({token_position(members[i].id, index), static_cast<Place>(i)});
      }
    }
    return tokens;
  }

  // How many slots begin in (from, to], which is all of them if the two are the same.
  static int slots_between(RingPosition from, RingPosition to) {
    const int slots = slot_of(to) - slot_of(from);
    return slots + (to <= from ? object::kSlots : 0);
  }
  bool meet(Place member, PlaceList& list) const {
    if (!list.contains(member) && domains_.admits(list, member)) list.push_back(member);
    return list.size() == domains_.replicas();
  }
  // The list of the slots whose walk begins at `token`.
  PlaceList walk(size_t token) const {
    PlaceList list;
    for (size_t left = ring_.size(); left > 0; --left, token = ring_.after(token)) {
      if (meet(ring_[token].member, list)) break;
    }
    return list;
  }
  // The same, if the joiner stood before the token `next`. Empty if the walk ends before that, or
  // meets the joiner sooner.
  PlaceList walk_past(size_t token, size_t next) const {
    PlaceList list;
    for (; token != next; token = ring_.after(token)) {
      if (ring_[token].member == joiner_ || meet(ring_[token].member, list)) return {};
    }
    bool full = meet(joiner_, list);
    for (size_t left = ring_.size(); !full && left > 0; --left, token = ring_.after(token)) {
      full = meet(ring_[token].member, list);
    }
    return list;
  }
  void count();
  void change(const PlaceList& list, int slots);

  const Domains domains_;
  const Place joiner_;
  const std::vector<double> shares_;
  std::vector<Load> loads_;
  TokenRing ring_;
  std::vector<PlaceList> lists_;  // of each token's slots
  std::vector<Change> changes_ = std::vector<Change>(loads_.size());
  std::vector<Place> changed_;
};

void Joining::count() {
  std::fill(loads_.begin(), loads_.end(), Load{});
  lists_.resize(ring_.size());
  for (size_t token = 0; token < ring_.size(); ++token) {
    lists_[token] = walk(token);
    const int slots = slots_between(ring_[ring_.before(token)].position, ring_[token].position);
    for (const Place place : lists_[token]) loads_[place].places += slots;
    loads_[lists_[token].front()].firsts += slots;
  }
}

void Joining::change(const PlaceList& list, int slots) {
  for (const Place place : list) {
    changes_[place].places += slots;
    changed_.push_back(place);
  }
  changes_[list.front()].firsts += slots;
}

double Joining::gain(RingPosition position, double part) {
  const size_t next = ring_.first_from(position);
  RingPosition end = position;
  size_t token = next;
  do {
    const size_t previous = ring_.before(token);
    const PlaceList list = walk_past(token, next);
    if (list.empty()) break;
    const int slots = slots_between(ring_[previous].position, end);
    change(lists_[token], -slots);
    change(list, slots);
    token = previous;
    end = ring_[token].position;
  } while (token != next);
  double gained = 0;
  for (const Place place : changed_) {
    const Change by = std::exchange(changes_[place], Change{});
    const double wanted = shares_[place] * (place == joiner_ ? part : 1);
    const double places = loads_[place].places - wanted;
    const double firsts = loads_[place].firsts - wanted / domains_.replicas();
    gained += square(places) - square(places + by.places) +
              kFirstWeight * (square(firsts) - square(firsts + by.firsts));
  }
  changed_.clear();
  return gained;
}

unsigned tokens_wanted(const std::vector<RingMember>& members, const RingMember& joining) {
  double weight = 0;
  for (const RingMember& member : members) weight += member.weight;
  const double relative = joining.weight * static_cast<double>(members.size()) / weight;
  return static_cast<unsigned>(
      std::clamp<double>(std::round(kTokensOfAverage * relative), kTokensMin, kTokensMax));
}

}  // namespace

std::vector<TokenIndex> choose_tokens(const std::vector<RingMember>& members,
                                      const RingMember& joining, unsigned replicas) {
  std::vector<RingMember> all;
  for (const RingMember& member : members) {
    if (member.id != joining.id && !member.tokens.empty()) all.push_back(member);
  }
  all.push_back(joining);
  std::sort(all.begin(), all.end(),
            [](const RingMember& left, const RingMember& right) { return left.id < right.id; });
  const auto found = std::find_if(
      all.begin(), all.end(), [&](const RingMember& member) { return member.id == joining.id; });
  Joining ring(all, static_cast<Place>(found - all.begin()), replicas);
  const unsigned wanted = tokens_wanted(all, joining);
  std::vector<TokenIndex> chosen;
  if (ring.alone()) {
    for (unsigned index = 0; index < wanted; ++index) {
      chosen.push_back(static_cast<TokenIndex>(index));
    }
    return chosen;
  }
  std::vector<std::pair<RingPosition, TokenIndex>> candidates;
  for (unsigned index = 0; index < kCandidates; ++index) {
    const auto token = static_cast<TokenIndex>(index);
    candidates.emplace_back(token_position(joining.id, token), token);
  }
  while (chosen.size() < wanted) {
    const double part = static_cast<double>(chosen.size() + 1) / wanted;
    size_t best = 0;
    double best_gain = -INFINITY;
    for (size_t i = 0; i < candidates.size(); ++i) {
      const double gain = ring.gain(candidates[i].first, part);
      if (gain > best_gain) std::tie(best, best_gain) = std::pair(i, gain);
    }
    ring.take(candidates[best].first);
    chosen.push_back(candidates[best].second);
    candidates.erase(candidates.begin() + static_cast<ptrdiff_t>(best));
  }
  return chosen;
}

}  // namespace quorate::cluster
