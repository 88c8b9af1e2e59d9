#include <atomic>
#include <pthread.h>
#include <semaphore>
#include <sys/resource.h>
#include <thread>
#include <utility>
#include <vector>

#include "quorate/runtime/process.h"
#include "quorate/runtime/uv_loop.h"

#include "runtime/task_stack.h"

namespace quorate::runtime {
namespace {

constexpr int kBackgroundNiceness = 10;

class WorkerThread final : public Executor {
 public:
  WorkerThread(const std::string& name, Priority priority)
      : thread_([this, priority] { run(priority); }) {
    pthread_setname_np(thread_.native_handle(), name.substr(0, 15).c_str());
  }

  ~WorkerThread() override {
    ending_.store(true, std::memory_order_release);
    wakes_.release();
    thread_.join();
  }

  void post(Task task) override {
    if (tasks_.push(std::move(task))) wakes_.release();
  }

 private:
  void run(Priority priority) {
    set_end_signals(EndSignals::held_off);
    // On Linux the niceness of a thread, not of the process.
    if (priority == Priority::background) setpriority(PRIO_PROCESS, 0, kBackgroundNiceness);
    std::vector<Task> batch;
    for (;;) {
      const bool ending = ending_.load(std::memory_order_acquire);
      tasks_.take(batch);
      if (batch.empty()) {
        if (ending) return;
        wakes_.acquire();
        continue;
      }
      for (Task& task : batch) std::exchange(task, nullptr)();
      batch.clear();
    }
  }

  // No lock: a loop that posts must not wait for a thread that was interrupted while it held one.
  TaskStack tasks_;
  std::counting_semaphore<> wakes_{0};
  std::atomic<bool> ending_{false};
  std::thread thread_;
};

class OneTask final : public Executor {
 public:
  void post(Task task) override {
    task_ = std::move(task);
    posted_.release();
  }
  void wait() {
    posted_.acquire();
    task_();
  }

 private:
  Task task_;
  std::binary_semaphore posted_{0};
};

}  // namespace

std::unique_ptr<Executor> make_worker_thread(const std::string& name, Priority priority) {
  return std::make_unique<WorkerThread>(name, priority);
}

void run_and_wait(const std::function<void(Executor& caller)>& begin) {
  OneTask caller;
  begin(caller);
  caller.wait();
}

}  // namespace quorate::runtime
