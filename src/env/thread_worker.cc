#include "env/thread_worker.h"

#include <sched.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstdint>
#include <utility>

#include "base/memory.h"

namespace runnel {
namespace {

// A tenth of the processor where others want it, too; all of it where nobody does.
constexpr int kBackgroundNice = 10;
// For so long the thread may go on when somebody else has become ready on its processor: the
// least that Linux knows. The usual 3 ms are what a request would wait for.
constexpr uint64_t kBackgroundSliceNanos = 100'000;

// What sched_setattr(2) takes; the C library does not have it everywhere.
struct SchedulingAttributes {
  uint32_t size = sizeof(SchedulingAttributes);
  uint32_t policy = SCHED_OTHER;
  uint64_t flags = 0;
  int32_t nice = 0;
  uint32_t priority = 0;
  uint64_t runtime = 0;  // Linux 6.12 and later: the slice; nothing to earlier ones
  uint64_t deadline = 0;
  uint64_t period = 0;
};

// On Linux all this is the calling thread's own. Should it fail, the thread only gets more than its
// share.
void StandBack() {
  (void)setpriority(PRIO_PROCESS, 0, kBackgroundNice);
#ifdef SYS_sched_setattr
  SchedulingAttributes attributes;
  attributes.nice = kBackgroundNice;
  attributes.runtime = kBackgroundSliceNanos;
  (void)syscall(SYS_sched_setattr, 0, &attributes, 0);
#endif
}

}  // namespace

ThreadWorker::ThreadWorker(std::function<void()> wake, Haste haste)
    : wake_(std::move(wake)), thread_([this, haste] {
        if (haste == Haste::kBackground) StandBack();
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
