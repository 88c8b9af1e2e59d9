// Clusters that grow member by member, and what their rings look like: for tests and benchmarks.
#pragma once

#include <algorithm>
#include <random>
#include <vector>

#include "quorate/cluster/ring.h"
#include "quorate/cluster/token_choice.h"

namespace quorate::cluster {

class Cluster {
 public:
  static constexpr unsigned kReplicas = 3;

  explicit Cluster(unsigned seed) : chance_(seed) {}

  void join(uint32_t weight) {
    RingMember member;
    for (uint8_t& byte : member.id) byte = static_cast<uint8_t>(chance_());
    member.weight = weight;
    member.tokens = choose_tokens(members_, member, kReplicas);
    members_.push_back(std::move(member));
  }
  const std::vector<RingMember>& members() const { return members_; }
  Ring ring() const { return {members_, kReplicas}; }

 private:
  std::mt19937_64 chance_;
  std::vector<RingMember> members_;
};

class Figures {
 public:
  explicit Figures(const Ring& ring)
      : places_(ring.members().size()), firsts_(ring.members().size()) {
    double weight = 0;
    for (const RingMember& member : ring.members()) {
      weights_.push_back(member.weight);
      weight += member.weight;
    }
    for (double& of : weights_) of /= weight;
    for (unsigned slot = 0; slot < object::kSlots; ++slot) {
      const auto list = ring.preference_list(static_cast<uint16_t>(slot));
      for (const Ring::Place place : list) ++places_[place];
      ++firsts_[list.front()];
      if (slot == 0 ||
          !std::ranges::equal(list, ring.preference_list(static_cast<uint16_t>(slot - 1)))) {
        ++ranges_;
      }
    }
  }

  // The average load against the greatest, each in relation to the member's weight.
  double balance() const { return balance_of(places_); }
  double first_balance() const { return balance_of(firsts_); }
  // Neighbouring slots with one list: what CLUSTER SLOTS has an entry for.
  unsigned ranges() const { return ranges_; }

 private:
  double balance_of(const std::vector<unsigned>& counts) const {
    double sum = 0, greatest = 0;
    for (const unsigned count : counts) sum += count;
    for (size_t i = 0; i < counts.size(); ++i) {
      greatest = std::max(greatest, counts[i] / (sum * weights_[i]));
    }
    return 1 / greatest;
  }

  std::vector<double> weights_;
  std::vector<unsigned> places_, firsts_;
  unsigned ranges_ = 0;
};

// As parts of what must move when a member of average weight joins.
struct Moves {
  double places = 0, between_old = 0, firsts = 0;
};

inline Moves moved(const Ring& before, const Ring& after) {
  Moves moves;
  const auto id = [](const Ring& ring, Ring::Place place) { return ring.members()[place].id; };
  const auto was_member = [&](const object::NodeId& of) {
    return std::ranges::any_of(before.members(),
                               [&](const RingMember& member) { return member.id == of; });
  };
  for (unsigned i = 0; i < object::kSlots; ++i) {
    const auto slot = static_cast<uint16_t>(i);
    const auto old = before.preference_list(slot);
    for (const Ring::Place place : after.preference_list(slot)) {
      const object::NodeId holder = id(after, place);
      if (std::ranges::any_of(old, [&](Ring::Place had) { return id(before, had) == holder; }))
        continue;
      ++moves.places;
      if (was_member(holder)) ++moves.between_old;
    }
    moves.firsts +=
        old.empty() || id(before, old.front()) != id(after, after.preference_list(slot).front());
  }
  const double ideal = object::kSlots / static_cast<double>(after.members().size());
  moves.places /= ideal * after.replicas();
  moves.between_old /= ideal * after.replicas();
  moves.firsts /= ideal;
  return moves;
}

}  // namespace quorate::cluster
