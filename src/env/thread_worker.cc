#include "env/thread_worker.h"

#include <sys/resource.h>

#include <utility>

#include "base/memory.h"

namespace runnel {
namespace {

// A tenth of the processor where others want it, too; all of it where nobody does.
constexpr int kBackgroundNice = 10;

}  // namespace

ThreadWorker::ThreadWorker(std::function<void()> wake, Haste haste)
    : wake_(std::move(wake)), thread_([this, haste] {
        // On Linux this is the thread's own. Should it fail, the thread only gets more than its
        // share.
        if (haste == Haste::kBackground) (void)setpriority(PRIO_PROCESS, 0, kBackgroundNice);
        Loop();
      }) {}

ThreadWorker::~ThreadWorker() {
  {
    const std::lock_guard lock(mutex_);
    stop_ = true;
  }
  given_.notify_one();
  thread_.join();
}

void ThreadWorker::Run(std::function<void()> work, std::function<void()> done) {
  {
    const std::lock_guard lock(mutex_);
    jobs_.push_back({std::move(work), std::move(done)});
  }
  given_.notify_one();
}

void ThreadWorker::Deliver() {
  std::vector<std::function<void()>> done;
  {
    const std::lock_guard lock(mutex_);
    done.swap(done_);
  }
  for (const auto& each : done) {
    each();
  }
}

void ThreadWorker::Drain() {
  for (;;) {
    {
      std::unique_lock lock(mutex_);
      finished_.wait(lock, [this] { return jobs_.empty() && !busy_; });
      if (done_.empty()) return;
    }
    Deliver();  // may give new jobs
  }
}

void ThreadWorker::Loop() {
  CountThisThread();
  std::unique_lock lock(mutex_);
  for (;;) {
    given_.wait(lock, [this] { return stop_ || !jobs_.empty(); });
    if (jobs_.empty()) return;
    Job job = std::move(jobs_.front());
    jobs_.pop_front();
    busy_ = true;
    lock.unlock();
    job.work();
    job.work = nullptr;  // what it holds may be large or a file: let go of it here
    lock.lock();
    busy_ = false;
    done_.push_back(std::move(job.done));
    const bool first = done_.size() == 1;
    finished_.notify_all();
    if (first) {
      lock.unlock();
      wake_();
      lock.lock();
    }
  }
}

}  // namespace runnel
