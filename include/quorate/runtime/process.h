// What the operating system and the allocator know of this process.
//
// Thread: any. Units: bytes, seconds.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "quorate/runtime/clock.h"

namespace quorate::runtime {

struct ProcessMemory {
  uint64_t allocated =
      0;  // by the program; with another allocator than jemalloc the same as resident
  uint64_t resident = 0;
};

struct ProcessCpu {
  double system_s = 0, user_s = 0;  // all threads
};

ProcessMemory process_memory();
ProcessCpu process_cpu();
int process_id();
std::string executable_path();
std::string current_directory();
std::string host_name();
unsigned core_count();
void name_this_thread(const std::string& name);
// SIGTERM and SIGINT: whether they reach this thread, at once or, once they may, later. They are
// for the one that runs the main loop; all others hold them off from their beginning.
enum class EndSignals : uint8_t { held_off, let_in };
void set_end_signals(EndSignals to);
enum class WakesUp : uint8_t {
  // Soon, for a short while, rather than late for long (Linux 6.12 and later; else as any thread):
  // what this thread waits for is not kept waiting by other work on its processor.
  soon,
  // When whoever has its processor has come to an end: by then there is more to do at once. For a
  // thread that hears much from others on the same machine.
  late,
};
// How the scheduler is to treat this thread. Refused, nothing changes.
void schedule_this_thread(WakesUp when);
// Lets the threads that wait for this thread's processor run first. Background work calls it every
// few hundred microseconds: a kernel with a 4 ms tick would otherwise let it keep the processor
// from a shard for that long, niceness or not.
void give_way();
// Does that for work in pieces of some microseconds each, of which one thread does one after
// another.
class GivesWay {
 public:
  GivesWay();
  void piece_done() {
    if (++pieces_ % kPiecesPerLook == 0) look();
  }

 private:
  static constexpr unsigned kPiecesPerLook = 16;
  void look();

  unsigned pieces_ = 0;
  uint64_t since_us_ = 0;
};
// Never on a loop's thread.
void pause_this_thread(uint64_t us);

// The system's clock, read anew at each call.
std::unique_ptr<Clock> make_system_clock();

}  // namespace quorate::runtime
