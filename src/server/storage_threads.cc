#include "server/storage_threads.h"

#include <utility>

namespace runnel {

StorageThreads::StorageThreads(Loop& loop, std::function<void()> before) {
  wakeup_ = loop.NewWakeup([this, before = std::move(before)] {
    before();
    log_->Deliver();
    helper_->Deliver();
    snapshot_->Deliver();
    cold_writer_->Deliver();
    cold_reader_->Deliver();
    cold_syncer_->Deliver();
    follower_reader_->Deliver();
  });
  const auto wake = [wakeup = wakeup_.get()] { wakeup->Signal(); };
  log_ = std::make_unique<ThreadWorker>(wake);
  helper_ = std::make_unique<ThreadWorker>(wake);
  snapshot_ = std::make_unique<ThreadWorker>(wake, ThreadWorker::Haste::kBackground);
  cold_writer_ = std::make_unique<ThreadWorker>(wake);
  cold_reader_ = std::make_unique<ThreadWorker>(wake);
  cold_syncer_ = std::make_unique<ThreadWorker>(wake, ThreadWorker::Haste::kBackground);
  follower_reader_ = std::make_unique<ThreadWorker>(wake);
}

Storage::Workers StorageThreads::workers() {
  return {*log_, *helper_, *snapshot_, *cold_writer_, *cold_reader_, *cold_syncer_};
}

}  // namespace runnel
