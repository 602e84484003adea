#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "base/memory.h"

namespace runnel {

class ServerHost;

// Where the memory is, in bytes: what INFO and MEMORY tell.
struct MemoryReport {
  size_t used = 0;      // allocated; what maxmemory bounds
  size_t peak = 0;      // the most that `used` has been
  size_t startup = 0;   // of `used`, what was there before the first client
  size_t clients = 0;   // of `used`, sessions with their input and unsent replies
  size_t tables = 0;    // of `used`, the databases' hash tables
  size_t keys = 0;      // their number
  size_t resident = 0;  // what the process has from the system
  AllocatorStats allocator;

  size_t overhead() const { return startup + clients + tables; }
  // What is left for keys and values.
  size_t dataset() const { return used > overhead() ? used - overhead() : 0; }
  // `dataset` as percentage of what is used beyond the startup.
  double dataset_percent() const;
  double peak_percent() const;
};

// Takes time in the number of clients and databases, but not of keys.
MemoryReport ReportMemory(ServerHost& host);

// One size divided by another; 0 if that is 0.
double RatioOf(size_t size, size_t to);
// One size minus another, which may be the larger.
int64_t DifferenceOf(size_t size, size_t to);

// "991.54K": as INFO writes sizes for people.
std::string HumanSize(size_t bytes);

}  // namespace runnel
