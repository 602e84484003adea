#include "env/thread_worker.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <future>

namespace runnel {
namespace {

TEST(ThreadWorkerTest, WorksElsewhereAndDeliversHere) {
  std::promise<void> woken;
  ThreadWorker worker([&] { woken.set_value(); });
  std::thread::id where;
  bool done = false;
  worker.Run([&] { where = std::this_thread::get_id(); }, [&] { done = true; });
  woken.get_future().wait();
  EXPECT_FALSE(done);
  worker.Deliver();
  EXPECT_TRUE(done);
  EXPECT_NE(where, std::this_thread::get_id());
}

TEST(ThreadWorkerTest, KeepsTheOrder) {
  std::atomic<int> wakes = 0;
  std::promise<void> go;
  std::vector<int> worked, delivered;
  ThreadWorker worker([&] { wakes++; });
  worker.Run([&] { go.get_future().wait(); }, [] {});
  for (int i = 0; i < 100; i++) {
    worker.Run([&worked, i] { worked.push_back(i); }, [&delivered, i] { delivered.push_back(i); });
  }
  go.set_value();
  worker.Drain();
  ASSERT_EQ(worked.size(), 100u);
  EXPECT_EQ(delivered, worked);
  EXPECT_TRUE(std::is_sorted(worked.begin(), worked.end()));
  EXPECT_GE(wakes, 1);
}

TEST(ThreadWorkerTest, DrainWaitsForWhatDoneBegins) {
  ThreadWorker worker([] {});
  int left = 3;
  std::function<void()> again = [&] {
    if (--left > 0) worker.Run([] {}, again);
  };
  worker.Run([] {}, again);
  worker.Drain();
  EXPECT_EQ(left, 0);
}

TEST(ThreadWorkerTest, TheEndFinishesWhatWasGiven) {
  int worked = 0;
  bool delivered = false;
  {
    ThreadWorker worker([] {});
    for (int i = 0; i < 10; i++) {
      worker.Run([&] { worked++; }, [&] { delivered = true; });
    }
  }
  EXPECT_EQ(worked, 10);
  EXPECT_FALSE(delivered);
}

}  // namespace
}  // namespace runnel
