#pragma once

#include <cstdint>
#include <vector>

#include "utils/bench_control.h"
#include "utils/bench_settings.h"

namespace runnel::bench {

// A case that asks how much memory an item takes: by how much the server's memory grows with a
// large number of them.
struct MemoryCase {
  const char* name;
  const char* summary;
  // What has to be there and is not measured; may be null.
  void (*prepare)(const Settings& settings, uint64_t items, Control* control);
  void (*add)(const Settings& settings, uint64_t items);
  uint64_t fixed_items = 0;  // how many items it adds; 0: as many as it is told
};

struct MemoryResult {
  uint64_t items = 0;
  double used_bytes = 0;      // per item, by used_memory of INFO; allocated bytes in Redis
  double resident_bytes = 0;  // per item, as the kernel counts; 0 without --server-pid
};

const std::vector<MemoryCase>& MemoryCases();

// Best against a server that has just been started: resident memory does not shrink at once when
// keys are deleted, and so what is there already hides what is added.
MemoryResult RunMemory(const MemoryCase& memory_case, const Settings& settings);

}  // namespace runnel::bench
