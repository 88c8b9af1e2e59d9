// Mutants: faults put into the code on purpose, to see that the tests catch them (DESIGN section
// 11).
//
// mutant(x) is constant false in every build but that of sim_mutants_tests, where a test selects
// one. A place that asks it does there what a plausible mistake would do. Thread: select before any
// thread starts.
#pragma once

#include <cstdint>

namespace quorate::runtime {

enum class Mutant : uint8_t {
  none,
  reply_before_journal,  // replies do not wait for the journal
  checkpoint_ahead,      // rows are committed before the journal that led to them is synced
  dirty_entry_demoted,   // an entry leaves memory although its row is older
  torn_tail_accepted,    // a batch of the journal is believed without its checksum
  epoch_kept,            // dots go on after a stop that was not clean
  clock_without_rows,    // a slot's saved clock covers changes that its saved rows lack
  rows_ahead_trusted,    // what a record replaced is believed of rows that may be newer
  shared_row_unread,     // hashes collide, and a key is put beside others without their row
  // Of clusters.
  write_back_removed,     // a read answers although another replica lacks what it found
  reply_before_copies,    // replies do not wait for other replicas
  blind_coordinator,      // a coordinator takes every slot for settled
  promises_unasked,       // copies count although another node may have changed the slot
  anything_expected,      // … although another node has changed the key since it was read
  settled_when_given_up,  // a write that ran out of time is answered as if it had its copies
  early_answer_unkept,    // who asked gives an answer without having all changes, or a promise kept
  // No mistake, but rare luck: what must hold of keys with equal hashes is seen only with many.
  hashes_collide,
};

#ifdef QUORATE_MUTANTS
inline Mutant selected_mutant = Mutant::none;
inline bool mutant(Mutant which) { return selected_mutant == which; }
#else
constexpr bool mutant(Mutant /*which*/) { return false; }
#endif

}  // namespace quorate::runtime
