#pragma once

#include <functional>
#include <memory>

#include "env/loop.h"
#include "env/thread_worker.h"
#include "server/storage.h"

namespace runnel {

// The threads that work for a storage. What they have done is told in the loop's next round.
class StorageThreads {
 public:
  // `before` is called before the loop's thread is told what they have done.
  StorageThreads(Loop& loop, std::function<void()> before);

  Storage::Workers workers();
  // Reads the journal's files for followers.
  Worker& follower_reader() { return *follower_reader_; }
  // Has the loop begin another round.
  void Wake() { wakeup_->Signal(); }

 private:
  std::unique_ptr<Wakeup> wakeup_;  // first: the threads end before what they signal
  std::unique_ptr<ThreadWorker> log_;
  std::unique_ptr<ThreadWorker> helper_;
  std::unique_ptr<ThreadWorker> snapshot_;
  std::unique_ptr<ThreadWorker> cold_writer_;
  std::unique_ptr<ThreadWorker> cold_reader_;
  std::unique_ptr<ThreadWorker> cold_syncer_;
  std::unique_ptr<ThreadWorker> follower_reader_;
};

}  // namespace runnel
