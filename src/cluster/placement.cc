#include "cluster/placement.h"

#include <cassert>
#include <cmath>
#include <compare>
#include <optional>
#include <queue>
#include <utility>

namespace quorate::cluster {
namespace {

using Place = Ring::Place;

// The members in the order in which a walk meets them; walked only as far as somebody asked.
class Walk {
 public:
  Walk(size_t first_token, size_t tokens) : next_token_(first_token), tokens_left_(tokens) {}

  struct Stop {
    Place member;
    size_t token;
  };
  // Nothing behind the last member.
  const Stop* stop(const TokenRing& ring, size_t rank) {
    while (stops_.size() <= rank) {
      if (tokens_left_ == 0) return nullptr;
      const Place member = ring[next_token_].member;
      const auto met = [&](const Stop& stop) { return stop.member == member; };
      if (std::none_of(stops_.begin(), stops_.end(), met)) stops_.push_back({member, next_token_});
      next_token_ = ring.after(next_token_);
      --tokens_left_;
    }
    return &stops_[rank];
  }

 private:
  std::vector<Stop> stops_;
  size_t next_token_;
  size_t tokens_left_;
};

// A slot that a member holds; the greatest is the first that it gives up.
struct Claim {
  uint16_t rank;  // of the member in the slot's walk
  RingPosition distance;
  uint16_t slot;

  friend auto operator<=>(const Claim&, const Claim&) = default;
};

// What one member holds against how much it may.
class Holding {
 public:
  Holding(double share, double slack)
      : limit_(static_cast<size_t>(
            std::max(std::ceil(share - 1e-6), std::floor(share * (1 + slack))))) {}

  void take(const Claim& claim) { claims_.push(claim); }
  bool over() const { return !claims_.empty() && claims_.size() + kept_ > limit_; }
  Claim give_up() {
    const Claim worst = claims_.top();
    claims_.pop();
    return worst;
  }
  // What was given up is kept after all, and for good.
  void keep() { ++kept_; }

 private:
  size_t limit_;
  size_t kept_ = 0;
  std::priority_queue<Claim> claims_;
};

class Placement {
 public:
  Placement(const TokenRing& ring, const Domains& domains) : ring_(ring), domains_(domains) {
    std::optional<size_t> previous;
    for (size_t slot = 0; slot < object::kSlots; ++slot) {
      const size_t token = ring.first_from(slot_begin(slot));
      if (previous != token) walks_.emplace_back(token, ring.size());
      previous = token;
      slots_[slot].walk = walks_.size() - 1;
    }
  }

  void bound_loads();
  void even_out_firsts();
  std::vector<Place> places();

 private:
  using Ranks = std::vector<uint16_t>;
  struct Slot {
    size_t walk = 0;  // of walks_
    Ranks held, refused;
    size_t first = 0;  // of held, once that is in order
  };

  static bool contains(const Ranks& ranks, uint16_t rank) {
    return std::find(ranks.begin(), ranks.end(), rank) != ranks.end();
  }
  const Walk::Stop* stop(const Slot& slot, size_t rank) {
    return walks_[slot.walk].stop(ring_, rank);
  }
  Claim claim(size_t slot, uint16_t rank);
  bool ask_next(Slot& slot);
  bool can_do_without(Slot& slot, uint16_t rank);
  void fill(size_t slot);
  std::vector<Holding> holdings(double divisor, double slack) const;

  const TokenRing& ring_;
  const Domains& domains_;
  std::vector<Walk> walks_;
  std::vector<Slot> slots_{object::kSlots};
  std::vector<Holding> holdings_;
};

Claim Placement::claim(size_t slot, uint16_t rank) {
  const Walk::Stop& met = *stop(slots_[slot], rank);
  return {rank, ring_[met.token].position - slot_begin(slot), static_cast<uint16_t>(slot)};
}

// Adds to what the slot holds the next in its walk that may. False if there is none.
bool Placement::ask_next(Slot& slot) {
  PlaceList held;
  for (const uint16_t rank : slot.held) held.push_back(stop(slot, rank)->member);
  for (uint16_t rank = 0;; ++rank) {
    const Walk::Stop* met = stop(slot, rank);
    if (met == nullptr) return false;
    if (contains(slot.held, rank) || contains(slot.refused, rank)) continue;
    if (!domains_.admits(held, met->member)) continue;
    slot.held.push_back(rank);
    return true;
  }
}

// Whether the slot would find all its places without this one.
bool Placement::can_do_without(Slot& slot, uint16_t rank) {
  Slot without = slot;
  std::erase(without.held, rank);
  without.refused.push_back(rank);
  while (without.held.size() < domains_.replicas()) {
    if (!ask_next(without)) return false;
  }
  return true;
}

void Placement::fill(size_t slot) {
  std::vector<size_t> unfilled = {slot};
  while (!unfilled.empty()) {
    const size_t filling = unfilled.back();
    unfilled.pop_back();
    Slot& of = slots_[filling];
    while (of.held.size() < domains_.replicas() && ask_next(of)) {
      const uint16_t rank = of.held.back();
      Holding& holding = holdings_[stop(of, rank)->member];
      holding.take(claim(filling, rank));
      while (holding.over()) {
        const Claim worst = holding.give_up();
        Slot& loser = slots_[worst.slot];
        if (!can_do_without(loser, worst.rank)) {
          holding.keep();
          continue;
        }
        std::erase(loser.held, worst.rank);
        loser.refused.push_back(worst.rank);
        if (worst.slot != filling) unfilled.push_back(worst.slot);
      }
    }
  }
}

std::vector<Holding> Placement::holdings(double divisor, double slack) const {
  std::vector<Holding> all;
  for (const double share : domains_.shares()) all.emplace_back(share / divisor, slack);
  return all;
}

void Placement::bound_loads() {
  holdings_ = holdings(1, kLoadSlack);
  for (size_t slot = 0; slot < object::kSlots; ++slot) fill(slot);
  for (Slot& slot : slots_) std::sort(slot.held.begin(), slot.held.end());
}

void Placement::even_out_firsts() {
  holdings_ = holdings(domains_.replicas(), kFirstSlack);
  for (size_t slot = 0; slot < object::kSlots; ++slot) {
    for (std::optional<size_t> asking = slot; asking;) {
      Slot& of = slots_[*asking];
      const uint16_t rank = of.held[of.first];
      Holding& holding = holdings_[stop(of, rank)->member];
      holding.take(claim(*asking, rank));
      asking.reset();
      while (!asking && holding.over()) {
        const Claim worst = holding.give_up();
        Slot& loser = slots_[worst.slot];
        if (loser.first + 1 == loser.held.size()) {
          holding.keep();
        } else {
          ++loser.first;
          asking = worst.slot;
        }
      }
    }
  }
}

std::vector<Place> Placement::places() {
  std::vector<Place> all;
  all.reserve(object::kSlots * domains_.replicas());
  for (Slot& slot : slots_) {
    assert(slot.held.size() == domains_.replicas());
    std::rotate(slot.held.begin(), slot.held.begin() + static_cast<ptrdiff_t>(slot.first),
                slot.held.begin() + static_cast<ptrdiff_t>(slot.first) + 1);
    for (const uint16_t rank : slot.held) all.push_back(stop(slot, rank)->member);
  }
  return all;
}

}  // namespace

std::vector<Place> place_slots(const TokenRing& ring, const Domains& domains) {
  Placement placement(ring, domains);
  placement.bound_loads();
  placement.even_out_firsts();
  return placement.places();
}

}  // namespace quorate::cluster
