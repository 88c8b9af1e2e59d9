// Replicas of one slot under random writes, losses, repeats, reordering and exchanges of whole
// states.
//
// Each replica keeps its records at rest beside its slot clock, as storage does, and next to them,
// as a control that never strips anything, whole objects. For every key it also keeps an account of
// its own, made of sets of dots and no merge: what was superseded, and which increments it knows
// and which were erased. After every step the three must agree.
#pragma once

#include <map>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "quorate/object/string_object.h"

namespace quorate::object {

class SlotSimulation {
 public:
  using DotSet = std::set<Dot>;

  enum class Write : uint8_t { set_integer, set_text, erase, increment, expire };

  // What a replica knows of one key, or a delta tells about it.
  struct Account {
    DotSet superseded;  // versions that must never be visible again
    DotSet increments;
    DotSet erased;  // increments that some SET or DEL saw

    void join(const Account& other);
  };

  struct Operation {
    int key = 0;
    Write write{};
    Delta delta;
    Account tells;
    int64_t amount = 0;     // of an increment
    bool resolves = false;  // an increment of siblings: the sum is written anew
    std::string written;    // the value, of the others
    DotSet contains;        // increments that `written` has in it, or erased
  };

  struct Replica {
    ActorId actor{};
    uint64_t skew_ms = 0;
    HlcClock hlc;
    SlotClock clock;
    DotSet applied;
    std::map<int, Object> records;
    std::map<int, Object> whole;
    std::map<int, Account> accounts;
  };

  SlotSimulation(uint64_t seed, int replicas, int keys);

  // One random event, then the checks of whatever it touched.
  void step();

  // One write at one replica. Skips what Redis would not apply.
  void write(Replica& replica, int key, Write write);

  // Any delta ever written, to any replica, however often.
  void deliver(Replica& to, const Operation& operation);

  // One key's whole state; the clock of the receiver does not learn it.
  void send_state(const Replica& from, Replica& to, int key);

  // Everything of the slot, then the clock.
  void send_slot(const Replica& from, Replica& to);

  void heal_by_states();
  void heal_by_deltas();

  // All replicas logically the same, and as the history says.
  void check_converged();

  std::mt19937_64 random;
  ActorTable actors;
  std::vector<Replica> replicas;
  std::vector<Operation> history;
  int keys;

 private:
  [[nodiscard]] const Object& record(const Replica& replica, int key) const;
  bool build(const Object& object, Operation& operation, Dot dot, Hlc hlc);
  void account_for(Operation& operation, const Object& object, const Account& account, Dot dot);
  void check(const Replica& replica, int key);
  void check_value(const Replica& replica, int key);
  [[nodiscard]] const Operation& writer_of(Dot dot) const;
  void check_key_converged(int key);

  uint64_t now_ms_ = 1'000'000;
  std::map<Dot, std::size_t> by_dot_;
};

}  // namespace quorate::object
