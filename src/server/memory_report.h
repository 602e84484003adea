#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "base/memory.h"

namespace runnel {

class ServerHost;

// What uses the memory, in bytes, for INFO and MEMORY.
struct MemoryReport {
  size_t used = 0;       // allocated; maxmemory bounds it
  size_t peak = 0;       // the highest `used` so far
  size_t startup = 0;    // part of `used`: allocated before the first client came
  size_t clients = 0;    // part of `used`: sessions with their input and unsent replies
  size_t tables = 0;     // part of `used`: the databases' hash tables
  size_t scripts = 0;    // part of `used`: the interpreter with all scripts
  size_t functions = 0;  // part of `used`: the texts of the libraries of functions
  size_t keys = 0;       // number of keys
  size_t resident = 0;   // resident set of the process
  AllocatorStats allocator;

  size_t overhead() const { return startup + clients + tables + scripts + functions; }
  // Keys and values: `used` without the overhead.
  size_t dataset() const { return used > overhead() ? used - overhead() : 0; }
  // `dataset` as a percentage of `used` without `startup`.
  double dataset_percent() const;
  double peak_percent() const;
};

// Takes time proportional to the number of clients and databases, not of keys.
MemoryReport ReportMemory(ServerHost& host);

// `size` divided by `to`; 0 if `to` is 0.
double RatioOf(size_t size, size_t to);
// `size` minus `to`; may be negative.
int64_t DifferenceOf(size_t size, size_t to);

// A size in the form that INFO shows to people: "991.54K".
std::string HumanSize(size_t bytes);

}  // namespace runnel
