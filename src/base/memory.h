#pragma once

#include <cstddef>
#include <cstdint>

// The memory that the process has allocated: cheap enough to be read before every write.

namespace runnel {

// Makes the calling thread's allocations count in AllocatedBytes(). Each thread that allocates or
// frees data calls it once at its start; its share stays in the sum after its end.
void CountThisThread();

// Bytes allocated and not yet freed by the threads that count (as jemalloc rounds them). Costs a
// few loads; the figure of another thread may be slightly out of date.
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

// Returns unused memory to the system (MEMORY PURGE).
void PurgeAllocator();

// From now on threads of the allocator return freed memory to the system after a second, also
// memory of idle threads. Returns false if the allocator has no such threads. Call it after the
// last fork of the process.
bool PurgeInBackground();

// "jemalloc-5.3.0" or "libc".
const char* AllocatorName();

// Resident set of the process in bytes, from the kernel.
size_t ResidentBytes();

}  // namespace runnel
