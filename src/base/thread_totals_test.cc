#include "base/thread_totals.h"

#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <thread>
#include <vector>

#include "base/memory.h"

namespace runnel {
namespace {

TEST(ThreadTotals, WhatAThreadCountedStays) {
  ThreadTotals totals;
  EXPECT_EQ(totals.Sum(), 0);
  uint64_t gained = 10, lost = 3;
  totals.Add({&gained, &lost});
  gained = 20;
  EXPECT_EQ(totals.Sum(), 17);
  totals.Remove({&gained, &lost});
  gained = lost = 0;
  EXPECT_EQ(totals.Sum(), 17);
}

// Many threads begin at once, more than any fixed number of places, count, and end while others
// read the sum.
TEST(ThreadTotals, NoThreadIsLostWhenManyComeAndGo) {
  constexpr int kRounds = 20;
  constexpr int kThreads = 100;
  constexpr uint64_t kCounts = 100;
  ThreadTotals totals;
  std::atomic<bool> done{false};
  std::thread reader([&] {
    while (!done) {
      const int64_t sum = totals.Sum();
      EXPECT_GE(sum, 0);
      EXPECT_LE(sum, int64_t{kRounds * kThreads * kCounts});
    }
  });
  for (int round = 0; round < kRounds; round++) {
    std::atomic<int> ready{0};
    std::vector<std::thread> threads;
    for (int i = 0; i < kThreads; i++) {
      threads.emplace_back([&] {
        // Gone when the thread ends, as a thread's own counters are.
        const auto gained = std::make_unique<uint64_t>(0);
        const auto lost = std::make_unique<uint64_t>(0);
        ready++;
        while (ready < kThreads)
          std::this_thread::yield();
        totals.Add({gained.get(), lost.get()});
        for (uint64_t count = 1; count <= 2 * kCounts; count++) {
          __atomic_store_n(gained.get(), count, __ATOMIC_RELAXED);
          if (count % 2 == 0) __atomic_store_n(lost.get(), count / 2, __ATOMIC_RELAXED);
        }
        totals.Remove({gained.get(), lost.get()});
      });
    }
    for (std::thread& thread : threads)
      thread.join();
    EXPECT_EQ(totals.Sum(), static_cast<int64_t>((round + 1) * kThreads * kCounts));
  }
  done = true;
  reader.join();
}

// The real thing: memory that one thread allocates and another one frees counts as nothing, however
// many threads take part.
TEST(AllocatedBytes, CountsEveryThread) {
  CountThisThread();
  constexpr int kThreads = 200;
  constexpr size_t kBytes = 100'000;
  std::vector<std::unique_ptr<char[]>> blocks(kThreads);
  const auto run = [&](auto work) {
    std::vector<std::thread> threads;
    std::atomic<int> ready{0};
    for (int i = 0; i < kThreads; i++) {
      threads.emplace_back([&, i] {
        ready++;
        while (ready < kThreads)
          std::this_thread::yield();
        CountThisThread();
        work(blocks[static_cast<size_t>(i)]);
      });
    }
    for (std::thread& thread : threads)
      thread.join();
  };
  const size_t before = AllocatedBytes();
  run([](auto& block) { block = std::make_unique_for_overwrite<char[]>(kBytes); });
  EXPECT_GE(AllocatedBytes(), before + kThreads * kBytes);
  EXPECT_LE(AllocatedBytes(), before + kThreads * (kBytes + 50'000));
  run([](auto& block) { block.reset(); });
  EXPECT_LE(AllocatedBytes(), before + kThreads * kBytes / 10);
}

}  // namespace
}  // namespace runnel
