#include "quorate/runtime/process.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <ctime>
#include <filesystem>
#include <pthread.h>
#include <sched.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <thread>
#include <unistd.h>

// jemalloc's statistics; absent where a sanitizer brings its own allocator.
extern "C" __attribute__((weak)) int mallctl(const char* name, void* old, size_t* old_bytes,
                                             void* fresh, size_t fresh_bytes);

namespace quorate::runtime {
namespace {

// struct sched_attr of linux/sched/types.h, which does not go with glibc's sched.h.
struct SchedulingAttributes {
  uint32_t size = 48;
  uint32_t policy = 0;
  uint64_t flags = 0;
  int32_t nice = 0;
  uint32_t priority = 0;
  uint64_t runtime_ns = 0, deadline_ns = 0, period_ns = 0;
};

uint64_t clock_us(clockid_t id) {
  timespec now{};
  clock_gettime(id, &now);
  return static_cast<uint64_t>(now.tv_sec) * 1'000'000 + static_cast<uint64_t>(now.tv_nsec) / 1000;
}

class SystemClock final : public Clock {
 public:
  uint64_t wall_ms() const override { return clock_us(CLOCK_REALTIME) / 1000; }
  uint64_t monotonic_us() const override { return clock_us(CLOCK_MONOTONIC); }
};

uint64_t resident_bytes() {
  std::FILE* file = std::fopen("/proc/self/statm", "r");
  if (file == nullptr) return 0;
  unsigned long long size = 0, resident = 0;
  const int fields = std::fscanf(file, "%llu %llu", &size, &resident);
  std::fclose(file);
  return fields == 2 ? resident * static_cast<uint64_t>(sysconf(_SC_PAGESIZE)) : 0;
}

uint64_t allocator_statistic(const char* name) {
  size_t value = 0;
  size_t bytes = sizeof value;
  return mallctl(name, &value, &bytes, nullptr, 0) == 0 ? value : 0;
}

double seconds(const timeval& time) {
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
}

}  // namespace

ProcessMemory process_memory() {
  ProcessMemory memory;
  memory.resident = resident_bytes();
  memory.allocated = memory.resident;
  if (mallctl != nullptr) {
    uint64_t epoch = 1;  // asks jemalloc to bring its statistics up to date
    mallctl("epoch", nullptr, nullptr, &epoch, sizeof epoch);
    memory.allocated = allocator_statistic("stats.allocated");
  }
  return memory;
}

ProcessCpu process_cpu() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return {seconds(usage.ru_stime), seconds(usage.ru_utime)};
}

int process_id() { return getpid(); }

std::string executable_path() {
  std::error_code ignored;
  return std::filesystem::read_symlink("/proc/self/exe", ignored).string();
}

std::string current_directory() {
  std::error_code ignored;
  return std::filesystem::current_path(ignored).string();
}

std::string host_name() {
  std::array<char, 256> name{};
  return gethostname(name.data(), name.size() - 1) == 0 ? name.data() : "";
}

unsigned core_count() { return std::max(1u, std::thread::hardware_concurrency()); }

void name_this_thread(const std::string& name) {
  pthread_setname_np(pthread_self(), name.substr(0, 15).c_str());
}

void set_end_signals(EndSignals to) {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  pthread_sigmask(to == EndSignals::held_off ? SIG_BLOCK : SIG_UNBLOCK, &signals, nullptr);
}

// EEVDF takes the runtime of an ordinary thread as the slice it asks for, and prefers short ones
// when they wake; SCHED_BATCH never interrupts another thread by waking (sched_setattr(2),
// sched(7), kernel/sched/fair.c).
void schedule_this_thread(WakesUp when) {
  constexpr uint64_t kShortSliceNs = 200'000;
  SchedulingAttributes attributes;
  if (syscall(SYS_sched_getattr, 0, &attributes, sizeof attributes, 0) != 0) return;
  attributes.policy = when == WakesUp::soon ? SCHED_OTHER : SCHED_BATCH;
  attributes.runtime_ns = when == WakesUp::soon ? kShortSliceNs : 0;  // 0: the kernel's own
  syscall(SYS_sched_setattr, 0, &attributes, 0);
}

void give_way() { sched_yield(); }

GivesWay::GivesWay() : since_us_(SystemClock().monotonic_us()) {}

void GivesWay::look() {
  constexpr uint64_t kKeepsUs = 200;
  const SystemClock clock;
  if (clock.monotonic_us() - since_us_ < kKeepsUs) return;
  give_way();
  since_us_ = clock.monotonic_us();
}

void pause_this_thread(uint64_t us) { std::this_thread::sleep_for(std::chrono::microseconds(us)); }

std::unique_ptr<Clock> make_system_clock() { return std::make_unique<SystemClock>(); }

}  // namespace quorate::runtime
