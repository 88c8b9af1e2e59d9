// Which members may hold copies of one slot together, and how much of everything each should hold.
//
// As many copies in one zone as must be, and no more: one if there are N zones. Likewise hosts in
// their zone (a host's name counts within its zone only, so the limits nest, and choosing greedily
// in order of preference is the best choice: the sets allowed are those of a matroid).
#pragma once

#include <vector>

#include "quorate/cluster/ring.h"

namespace quorate::cluster {

class Domains {
 public:
  // `members` all hold data.
  Domains(const std::vector<RingMember>& members, unsigned replicas);

  unsigned replicas() const { return replicas_; }
  // Whether a slot that `held` hold may have a copy at `candidate`, who is none of them, too.
  template <class Places>
  bool admits(const Places& held, Ring::Place candidate) const {
    unsigned in_zone = 0, on_host = 0;
    for (const Ring::Place place : held) {
      in_zone += zone_of_[place] == zone_of_[candidate];
      on_host += host_of_[place] == host_of_[candidate];
    }
    return in_zone < zone_limit_ && on_host < host_limit_;
  }
  // Copies of slots for each member: in proportion to weight, as far as no member, host or zone
  // holds more of a slot than it may.
  std::vector<double> shares() const;

 private:
  struct Group {
    std::vector<Ring::Place> members;
    double places_max = 0;
  };
  std::vector<Group> groups() const;

  unsigned replicas_;
  unsigned zone_limit_ = 1, host_limit_ = 1;
  std::vector<uint16_t> zone_of_, host_of_;
  std::vector<double> weights_;
};

}  // namespace quorate::cluster
