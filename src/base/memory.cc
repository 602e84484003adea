#include "base/memory.h"

#include <malloc.h>
#include <unistd.h>

#include <cstdio>

#ifdef RUNNEL_SANITIZE
// Of the sanitizers' runtime; g++ ships no header that declares them.
extern "C" size_t __sanitizer_get_current_allocated_bytes();
extern "C" size_t __sanitizer_get_allocated_size(const volatile void* pointer);
#else
#include <jemalloc/jemalloc.h>

#include "base/thread_totals.h"

// jemalloc looks for this name when it starts. What is freed goes back to the system within a
// second instead of ten: a backlog that flows through memory to the disk leaves much freed memory.
// Blocks of streams and lists mostly have 4 or 8 KiB. jemalloc would allocate each by itself, from
// its pages, which takes more than two thousand instructions; so it gets 8 of them at a time.
const char* malloc_conf =
    "dirty_decay_ms:1000,muzzy_decay_ms:0,slab_sizes:4096-4096:8|8192-8192:16";
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

bool PurgeInBackground() {
  return true;
}

const char* AllocatorName() {
  return "libc";
}

#else

namespace {

// Never destroyed: threads may end after all else.
ThreadTotals& Totals() {
  static ThreadTotals& totals = *new ThreadTotals;
  return totals;
}

// jemalloc keeps, per thread, two running totals that it lets others read in place, for as long as
// the thread lives.
struct Registration {
  ThreadTotals::Counters counters = {};
  ~Registration() {
    if (counters.gained != nullptr) Totals().Remove(counters);
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
  if (registration.counters.gained != nullptr) return;
  registration.counters = {Mallctl<const uint64_t*>("thread.allocatedp"),
                           Mallctl<const uint64_t*>("thread.deallocatedp")};
  Totals().Add(registration.counters);
}

size_t AllocatedBytes() {
  const int64_t sum = Totals().Sum();
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

bool PurgeInBackground() {
  bool on = true;
  return mallctl("background_thread", nullptr, nullptr, &on, sizeof(on)) == 0;
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
