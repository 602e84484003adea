#pragma once

#include <deque>
#include <utility>

#include "env/worker.h"

namespace runnel::sim {

// A Worker whose jobs go on only when the test says so. Working and telling are two steps: between
// them the world goes on, as it does beside a real thread.
class SteppedWorker final : public Worker {
 public:
  void Run(std::function<void()> work, std::function<void()> done) override {
    jobs_.push_back({std::move(work), std::move(done)});
  }

  bool idle() const { return jobs_.empty(); }

  // Does the next half of the oldest job.
  void Step() {
    if (jobs_.empty()) return;
    if (jobs_.front().work) {
      std::exchange(jobs_.front().work, nullptr)();
      return;
    }
    const auto done = std::move(jobs_.front().done);
    jobs_.pop_front();
    done();
  }

  void Drain() override {
    while (!idle()) {
      Step();
    }
  }

 private:
  struct Job {
    std::function<void()> work;
    std::function<void()> done;
  };
  std::deque<Job> jobs_;
};

}  // namespace runnel::sim
