#pragma once

#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>
#include <vector>

#include "env/worker.h"

namespace runnel {

// A Worker with a thread of its own. What is done waits until the owner's thread calls Deliver();
// `wake` (called on the worker's thread, once for all that gathers until then) tells it to.
class ThreadWorker final : public Worker {
 public:
  enum class Haste {
    kNormal,
    kBackground,  // the loop, and everybody else, goes first
  };
  explicit ThreadWorker(std::function<void()> wake, Haste haste = Haste::kNormal);
  // Finishes the jobs that were given; what was not delivered is dropped.
  ~ThreadWorker() override;
  ThreadWorker(const ThreadWorker&) = delete;
  ThreadWorker& operator=(const ThreadWorker&) = delete;

  void Run(std::function<void()> work, std::function<void()> done) override;
  // Runs the `done` of all jobs that are done. On the owner's thread.
  void Deliver();
  void Drain() override;

 private:
  struct Job {
    std::function<void()> work;
    std::function<void()> done;
  };

  void Loop();

  const std::function<void()> wake_;
  std::mutex mutex_;
  std::condition_variable given_;     // for the worker: a job, or the end
  std::condition_variable finished_;  // for Drain
  std::deque<Job> jobs_;              // that have not begun
  std::vector<std::function<void()>> done_;
  bool busy_ = false;
  bool stop_ = false;
  std::thread thread_;  // last: begins when all else is there
};

}  // namespace runnel
