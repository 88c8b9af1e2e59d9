// Tasks and where they run: the only way one thread of Quorate reaches another.
//
// An Executor is a mailbox onto a thread (production) or onto an actor of the simulator. Tasks
// posted by one thread run in the order of posting; tasks of different posters interleave. post()
// may be called from any thread and never blocks; it wakes the receiver once per batch, not once
// per task. A task that is still queued when its executor ends is destroyed without being run.
#pragma once

#include <functional>

namespace quorate::runtime {

using Task = std::move_only_function<void()>;

class Executor {
 public:
  virtual ~Executor() = default;
  virtual void post(Task task) = 0;
};

}  // namespace quorate::runtime
