#include "server/memory_report.h"

#include <algorithm>

#include "broker/commands/client_list.h"
#include "fmt/format.h"
#include "server/server_host.h"

namespace runnel {

double MemoryReport::dataset_percent() const {
  return used > startup ? 100 * RatioOf(dataset(), used - startup) : 0;
}

double MemoryReport::peak_percent() const {
  return 100 * RatioOf(used, peak);
}

MemoryReport ReportMemory(ServerHost& host) {
  Broker& broker = host.broker();
  MemoryReport report;
  report.used = AllocatedBytes();
  report.peak = std::max(broker.stats().peak_memory, report.used);
  report.startup = std::min(host.identity().startup_memory, report.used);
  for (const auto& [id, session] : broker.sessions().all()) {
    report.clients += SessionMemory(*session);
  }
  if (const ScriptEngine* const engine = broker.scripts().known()) {
    report.scripts = engine->lua_bytes() + engine->cache_bytes();
  }
  const Keyspace& keyspace = broker.keyspace();
  report.functions = keyspace.functions().MemoryBytes();
  for (uint32_t slot = 0; slot < keyspace.slots(); slot++) {
    const uint32_t db = Keyspace::DatabaseAt(slot);
    report.tables += keyspace.table(db).MemoryBytes();
    report.keys += keyspace.size(db);
  }
  report.resident = ResidentBytes();
  report.allocator = ReadAllocatorStats();
  return report;
}

double RatioOf(size_t size, size_t to) {
  return to == 0 ? 0 : static_cast<double>(size) / static_cast<double>(to);
}

int64_t DifferenceOf(size_t size, size_t to) {
  return static_cast<int64_t>(size) - static_cast<int64_t>(to);
}

std::string HumanSize(size_t bytes) {
  constexpr char kUnits[] = {'K', 'M', 'G', 'T', 'P', 'E'};
  if (bytes < 1024) return fmt::format("{}B", bytes);
  double size = static_cast<double>(bytes) / 1024;
  size_t unit = 0;
  while (size >= 1024) {
    size /= 1024;
    unit++;
  }
  return fmt::format("{:.2f}{}", size, kUnits[unit]);
}

}  // namespace runnel
