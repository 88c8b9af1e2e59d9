// The tokens of all members in order, and the clockwise walks from them.
#pragma once

#include <algorithm>
#include <array>
#include <cassert>
#include <utility>
#include <vector>

#include "quorate/cluster/ring.h"

#include "cluster/domains.h"

namespace quorate::cluster {

struct Token {
  RingPosition position = 0;
  Ring::Place member = 0;

  // Two at one position (of 2^64) are told apart by their members' ids, whose order the places
  // have.
  friend auto operator<=>(const Token&, const Token&) = default;
};

// Those who hold one slot, in order.
class PlaceList {
 public:
  void push_back(Ring::Place place) {
    assert(size_ < places_.size());
    places_[size_++] = place;
  }
  bool empty() const { return size_ == 0; }
  size_t size() const { return size_; }
  Ring::Place front() const { return places_[0]; }
  const Ring::Place* begin() const { return places_.data(); }
  const Ring::Place* end() const { return places_.data() + size_; }
  bool contains(Ring::Place place) const { return std::find(begin(), end(), place) != end(); }

 private:
  std::array<Ring::Place, Ring::kReplicasMax> places_{};
  size_t size_ = 0;
};

class TokenRing {
 public:
  explicit TokenRing(std::vector<Token> tokens) : tokens_(std::move(tokens)) {
    std::sort(tokens_.begin(), tokens_.end());
  }

  size_t size() const { return tokens_.size(); }
  const Token& operator[](size_t token) const { return tokens_[token]; }
  // The token where a walk from `position` begins.
  size_t first_from(RingPosition position) const {
    const auto found = std::lower_bound(tokens_.begin(), tokens_.end(), Token{position, 0});
    return found == tokens_.end() ? 0 : static_cast<size_t>(found - tokens_.begin());
  }
  size_t after(size_t token) const { return token + 1 == tokens_.size() ? 0 : token + 1; }
  size_t before(size_t token) const { return (token == 0 ? tokens_.size() : token) - 1; }

  void insert(const Token& token) {
    tokens_.insert(std::lower_bound(tokens_.begin(), tokens_.end(), token), token);
  }

 private:
  std::vector<Token> tokens_;
};

constexpr RingPosition slot_begin(size_t slot) { return static_cast<RingPosition>(slot) << 50; }

}  // namespace quorate::cluster
