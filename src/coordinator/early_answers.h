// EarlyAnswers: answers to questions of one replica that it may give itself (replicator.h), as long
// as nobody knows whether it has.
//
// An answer is added in the turn in which all its commands have run. It leaves with that turn's
// message, or it is taken back. Who is taken back goes the usual way: its task is run, on the loop,
// as soon as what was changed up to its end may be answered for (ShardCoordinator::after); who asks
// for that lets the coordinator look at what it holds. Thread: the shard's. Units: microseconds.
#pragma once

#include <cstdint>
#include <deque>
#include <string>
#include <vector>

#include "quorate/coordinator/replicator.h"

namespace quorate::coordinator {

class EarlyAnswers {
 public:
  explicit EarlyAnswers(ShardCoordinator& coordinator) : coordinator_(coordinator) {}

  // In the turn under way.
  void add(Replicator::EarlyAnswer answer);
  bool any_in_turn() const { return !in_turn_.empty(); }
  // From where in the journal on the answers of the turn speak of changes. REQUIRES: there are any.
  uint64_t begin() const { return begin_; }
  // Those of the turn, as the message has them (change_message.h).
  const std::string& encoded() const { return encoded_; }
  // They leave with the turn's message …
  void left(uint64_t turn, uint64_t now_us);
  // … or do not.
  void take_back_turn();

  // The other node has given those that left with the turn.
  void given(uint64_t turn);
  void take_back(uint64_t turn);
  void take_back_all();
  // Those that left up to then.
  void take_back_until(uint64_t left_us);
  // When the first left whose fate is not known; UINT64_MAX: none.
  uint64_t first_left_us() const {
    return waiting_.empty() ? UINT64_MAX : waiting_.front().left_us;
  }
  uint64_t count_given() const { return given_; }
  uint64_t count_taken_back() const { return taken_back_; }

 private:
  struct Waiting {
    uint64_t turn = 0, left_us = 0;
    uint64_t end = 0;  // journal position
    runtime::Task usual;
  };

  void take_back(Waiting& answer);

  ShardCoordinator& coordinator_;
  std::vector<Waiting> in_turn_;
  uint64_t begin_ = 0;
  std::string encoded_;
  std::deque<Waiting> waiting_;  // by turn
  uint64_t given_ = 0, taken_back_ = 0;
};

}  // namespace quorate::coordinator
