#include "base/memory.h"

#include <malloc.h>
#include <unistd.h>

#include <atomic>
#include <cstdio>

#include "base/assert.h"

#ifdef RUNNEL_SANITIZE
// Of the sanitizers' runtime; g++ ships no header that declares them.
extern "C" size_t __sanitizer_get_current_allocated_bytes();
extern "C" size_t __sanitizer_get_allocated_size(const volatile void* pointer);
#else
#include <jemalloc/jemalloc.h>

// jemalloc looks for this name when it starts. What is freed goes back to the system within a
// second instead of ten: a backlog that flows through memory to the disk leaves much behind.
const char* malloc_conf = "dirty_decay_ms:1000,muzzy_decay_ms:0";
#endif

namespace runnel {

#ifdef RUNNEL_SANITIZE

void CountThisThread() {}

size_t AllocatedBytes() {
  return __sanitizer_get_current_allocated_bytes();
}

size_t AllocationSize(const void* pointer) {
  return pointer == nullptr ? 0 : __sanitizer_get_allocated_size(pointer);
}

AllocatorStats ReadAllocatorStats() {
  const size_t allocated = AllocatedBytes();
  return {allocated, allocated, ResidentBytes()};
}

void PurgeAllocator() {}

const char* AllocatorName() {
  return "libc";
}

#else

namespace {

// jemalloc keeps, per thread, two running totals that it lets others read in place.
struct ThreadTotals {
  const volatile uint64_t* allocated;
  const volatile uint64_t* freed;
};
constexpr int kMaxThreads = 64;
ThreadTotals totals[kMaxThreads];
std::atomic<int> threads{0};
// What counted threads had when they ended.
std::atomic<int64_t> finished{0};

struct Registration {
  int slot = -1;
  ~Registration() {
    if (slot < 0) return;
    static volatile uint64_t zero = 0;
    const ThreadTotals mine = totals[slot];
    finished += static_cast<int64_t>(*mine.allocated - *mine.freed);
    totals[slot] = {&zero, &zero};
  }
};
thread_local Registration registration;

template <class T>
T Mallctl(const char* name) {
  T value{};
  size_t size = sizeof(value);
  mallctl(name, &value, &size, nullptr, 0);
  return value;
}

}  // namespace

void CountThisThread() {
  if (registration.slot >= 0) return;
  const int slot = threads.load();
  CHECK(slot < kMaxThreads);
  totals[slot] = {Mallctl<uint64_t*>("thread.allocatedp"),
                  Mallctl<uint64_t*>("thread.deallocatedp")};
  registration.slot = slot;
  threads.store(slot + 1);
}

size_t AllocatedBytes() {
  int64_t sum = finished.load(std::memory_order_relaxed);
  const int count = threads.load(std::memory_order_acquire);
  for (int i = 0; i < count; i++) {
    sum += static_cast<int64_t>(*totals[i].allocated - *totals[i].freed);
  }
  return sum < 0 ? 0 : static_cast<size_t>(sum);
}

size_t AllocationSize(const void* pointer) {
  return pointer == nullptr ? 0 : malloc_usable_size(const_cast<void*>(pointer));
}

AllocatorStats ReadAllocatorStats() {
  uint64_t epoch = 1;
  mallctl("epoch", nullptr, nullptr, &epoch, sizeof(epoch));
  return {Mallctl<size_t>("stats.allocated"), Mallctl<size_t>("stats.active"),
          Mallctl<size_t>("stats.resident")};
}

void PurgeAllocator() {
  char name[64];
  std::snprintf(name, sizeof(name), "arena.%u.purge", static_cast<unsigned>(MALLCTL_ARENAS_ALL));
  mallctl(name, nullptr, nullptr, nullptr, 0);
}

const char* AllocatorName() {
  static char name[32];
  std::snprintf(name, sizeof(name), "jemalloc-%d.%d.%d", JEMALLOC_VERSION_MAJOR,
                JEMALLOC_VERSION_MINOR, JEMALLOC_VERSION_BUGFIX);
  return name;
}

#endif

size_t ResidentBytes() {
  std::FILE* file = std::fopen("/proc/self/statm", "r");
  if (file == nullptr) return 0;
  unsigned long total = 0;
  unsigned long resident = 0;
  const int fields = std::fscanf(file, "%lu %lu", &total, &resident);
  std::fclose(file);
  return fields == 2 ? resident * static_cast<size_t>(sysconf(_SC_PAGESIZE)) : 0;
}

}  // namespace runnel
