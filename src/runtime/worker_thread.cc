#include <condition_variable>
#include <deque>
#include <mutex>
#include <pthread.h>
#include <sys/resource.h>
#include <thread>

#include "quorate/runtime/uv_loop.h"

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
    {
      const std::lock_guard lock(mutex_);
      ending_ = true;
    }
    wake_.notify_one();
    thread_.join();
  }

  void post(Task task) override {
    {
      const std::lock_guard lock(mutex_);
      queue_.push_back(std::move(task));
    }
    wake_.notify_one();
  }

 private:
  void run(Priority priority) {
    // On Linux the niceness of a thread, not of the process.
    if (priority == Priority::background) setpriority(PRIO_PROCESS, 0, kBackgroundNiceness);
    for (;;) {
      Task task;
      {
        std::unique_lock lock(mutex_);
        wake_.wait(lock, [this] { return ending_ || !queue_.empty(); });
        if (queue_.empty()) return;
        task = std::move(queue_.front());
        queue_.pop_front();
      }
      task();
    }
  }

  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<Task> queue_;
  bool ending_ = false;
  std::thread thread_;
};

}  // namespace

std::unique_ptr<Executor> make_worker_thread(const std::string& name, Priority priority) {
  return std::make_unique<WorkerThread>(name, priority);
}

}  // namespace quorate::runtime
