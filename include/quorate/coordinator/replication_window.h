// ReplicationWindow: which of a shard's changes have enough copies (DESIGN 8, write).
//
// The changes of one loop turn are one unit, a turn. Its slots may have several sets of other
// replicas; each such group needs so many of them to say that they have, durably, what they were
// sent of the turn. A turn is settled when every group has that, or when it was given up because
// its deadline passed: then its changes may be on some replicas, and may still reach the others,
// but nobody can say so. Who waits for a turn waits for all before it, too.
//
// Positions are those of the shard's journal, where a turn ends; they ascend. Thread: the shard's.
// Units: microseconds of the loop's monotonic clock.
#pragma once

#include <boost/container/small_vector.hpp>
#include <cstdint>
#include <deque>
#include <span>
#include <vector>

namespace quorate::coordinator {

class ReplicationWindow {
 public:
  using Peer = uint32_t;  // dense, from 0, given by the owner
  static constexpr uint64_t kNothingOpen = UINT64_MAX;

  struct Group {
    boost::container::small_vector<Peer, 4> peers;
    unsigned needed = 0;  // of them; W - 1

    friend bool operator==(const Group&, const Group&) = default;
  };

  // Opens the turn that ends at `end`, and returns its number; they count up from 1. A group that
  // needs nobody takes no part. REQUIRES: positions ascend, needed <= peers.
  uint64_t open(uint64_t end, std::span<const Group> groups, uint64_t deadline_us);
  // The peer has everything it was sent up to this turn. Older news, and turns never opened, say
  // nothing.
  void acknowledged(Peer peer, uint64_t turn);
  // What the peer has of this turn does not count: the turn is given up if too few others are left
  // that are not down. Before the peer acknowledges it.
  void refused(Peer peer, uint64_t turn);
  // Whether the peer is not expected to answer soon. Turns that others refused do not wait for it;
  // the rest do, until their deadline.
  void set_down(Peer peer, bool down);
  // The peer was not sent everything of the turns that are open: what it acknowledges later says
  // nothing of them.
  void missed(Peer peer);
  // Gives up the turns whose deadline has passed.
  void expire(uint64_t now_us);

  // Changes up to this position are settled; kNothingOpen if all are.
  uint64_t settled() const { return turns_.empty() ? kNothingOpen : begin_; }
  // When expire() has something to do; UINT64_MAX: never.
  uint64_t next_deadline_us() const {
    return turns_.empty() ? UINT64_MAX : turns_.front().deadline_us;
  }
  // Whether a change in (after, end] was given up. Remembered for the last kRemembered such turns.
  bool given_up(uint64_t after, uint64_t end) const;
  // Number of the first turn that is not settled.
  uint64_t first_open() const { return first_; }
  // Number of the turn opened last; 0: none was.
  uint64_t last_turn() const { return first_ + turns_.size() - 1; }
  uint64_t turns_given_up() const { return turns_given_up_; }

 private:
  static constexpr size_t kRemembered = 1024;

  struct Open {
    boost::container::small_vector<Peer, 4> silent;  // those of whom nothing was heard
    unsigned missing = 0;                            // acknowledgements
    bool refused = false;                            // by some peer
  };
  struct Turn {
    uint64_t begin = 0, end = 0, deadline_us = 0;
    boost::container::small_vector<Open, 2> groups;  // not yet settled ones
  };
  struct Range {
    uint64_t begin = 0, end = 0;
  };

  bool hopeless(const Open& group) const;
  void give_up(Turn& turn);
  void settle();

  std::deque<Turn> turns_;              // the first is not settled
  uint64_t first_ = 1;                  // its number
  uint64_t begin_ = 0;                  // where it begins
  uint64_t end_ = 0;                    // of the last turn opened
  std::vector<uint64_t> acknowledged_;  // by peer
  std::vector<bool> down_;              // by peer
  std::deque<Range> given_up_;
  uint64_t turns_given_up_ = 0;
};

}  // namespace quorate::coordinator
