#pragma once

#include <cstddef>
#include <cstdint>

// What the process has allocated, cheap enough to ask before every write.

namespace runnel {

// Makes the calling thread's allocations count in AllocatedBytes(). Each thread that allocates or
// frees data calls it once at its start; its share stays in the sum after its end.
void CountThisThread();

// Bytes allocated and not yet freed by the threads that count (as jemalloc rounds them). Costs a
// few loads; the share of another thread may be a moment old.
size_t AllocatedBytes();

// Bytes that the allocation at `pointer` really takes; 0 for nullptr.
size_t AllocationSize(const void* pointer);

struct AllocatorStats {
  size_t allocated = 0;
  size_t active = 0;
  size_t resident = 0;
};
// The allocator's own figures: costs microseconds, for INFO and MEMORY STATS.
AllocatorStats ReadAllocatorStats();

// Gives unused memory back to the system (MEMORY PURGE).
void PurgeAllocator();

// From now on threads of the allocator's own give back what is freed, a second later, also the
// memory of threads that do nothing any more. Returns false if it has no such threads. To be called
// when the process forks no more.
bool PurgeInBackground();

// "jemalloc-5.3.0" or "libc".
const char* AllocatorName();

// Resident set of the process in bytes, from the kernel.
size_t ResidentBytes();

}  // namespace runnel
