#pragma once

#include <functional>

namespace runnel {

// Does blocking work beside the loop: one job at a time, in the order in which they were given. In
// the server it is a thread (ThreadWorker); in simulations it is a queue that the test steps
// through.
class Worker {
 public:
  virtual ~Worker() = default;

  // Runs `work` on the worker, and later `done` on the owner's thread, never from inside Run.
  // Called on the owner's thread; `done` may call it again.
  virtual void Run(std::function<void()> work, std::function<void()> done) = 0;

  // Waits until all jobs are done and their `done` has run, including jobs that these add. Blocks:
  // for the end of the process.
  virtual void Drain() = 0;
};

}  // namespace runnel
