#pragma once

#include <string>

#include "utils/bench_consume.h"
#include "utils/bench_curves.h"
#include "utils/bench_groups.h"
#include "utils/bench_load.h"
#include "utils/bench_memory.h"

namespace runnel::bench {

// Prints results to standard output: as a table for people, or as one JSON object per line.
class Report {
 public:
  explicit Report(bool json) : json_(json) {}

  void Load(const std::string& name, const LoadPlan& plan, const LoadResult& result);
  void Groups(const std::string& name, const Settings& settings, const GroupsResult& result);
  void Consume(const std::string& name, const Settings& settings, const ConsumeResult& result);
  void Memory(const MemoryCase& memory_case, const MemoryResult& result);
  void Point(const Curve& curve, const CurvePoint& point);

 private:
  // Prints a table's head unless the line before was of the same table.
  void Head(const std::string& head);

  const bool json_;
  std::string head_;
};

}  // namespace runnel::bench
