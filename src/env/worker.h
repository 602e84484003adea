#pragma once

#include <functional>

namespace runnel {

// A place beside the loop where work that blocks is done: one job at a time, in the order in which
// they were given. A thread in the server (ThreadWorker); in simulations a queue that the test
// steps through.
class Worker {
 public:
  virtual ~Worker() = default;

  // Does `work` beside the owner's thread, and later `done` on the owner's thread, never from
  // inside Run. Called on the owner's thread; `done` may call it again.
  virtual void Run(std::function<void()> work, std::function<void()> done) = 0;

  // Waits until all jobs are done, those included that they give, and their `done` has run. For
  // shutting down: blocks.
  virtual void Drain() = 0;
};

}  // namespace runnel
