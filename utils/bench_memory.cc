#include "utils/bench_memory.h"

#include "utils/bench_clock.h"
#include "utils/bench_fail.h"

namespace runnel::bench {

namespace {

constexpr uint64_t kUsualItems = 1'000'000;
constexpr int kConnections = 4;
constexpr int kPipeline = 256;

void Add(const Settings& settings, const Words& request, uint64_t items) {
  Fill(settings.endpoint, request, {}, items, kConnections, kPipeline);
}

void AddLargeEntries(const Settings& settings, uint64_t items) {
  Add(settings, {"XADD", kStream, "*", "f", MakeValue(100)}, items);
}

void AddSmallFields(const Settings& settings, uint64_t items) {
  Add(settings,
      {"XADD", kStream, "*", "user", "##########", "action", "view", "item", "4711", "price",
       "12.50", "count", "3"},
      items);
}

void PreparePending(const Settings& settings, uint64_t items, Control* control) {
  AddLargeEntries(settings, items);
  control->Run({"XGROUP", "CREATE", kStream, kGroup, "0"});
}

// Ten consumers read in turn, ten entries each time, and acknowledge nothing.
void Deliver(const Settings& settings, uint64_t items) {
  constexpr uint64_t kCount = 10;
  Fill(settings.endpoint,
       {"XREADGROUP", "GROUP", kGroup, "consumer-##########", "COUNT", std::to_string(kCount),
        "STREAMS", kStream, ">"},
       {.modulo = 10}, items / kCount, kConnections, kPipeline);
}

// Text, not a number, which a server may store in fewer bytes.
void AddElements10(const Settings& settings, uint64_t items) {
  Add(settings, {"RPUSH", kList, "v#########"}, items);
}

void AddElements100(const Settings& settings, uint64_t items) {
  Add(settings, {"RPUSH", kList, "v#########" + MakeValue(90)}, items);
}

uint64_t UsedBytes(Control* control) {
  control->WaitUntilAlone();
  const int64_t bytes = control->Info("memory", "used_memory", -1);
  if (bytes < 0) Fail("INFO does not tell used_memory");
  return static_cast<uint64_t>(bytes);
}

double PerItem(uint64_t before, uint64_t after, uint64_t items) {
  return (static_cast<double>(after) - static_cast<double>(before)) / static_cast<double>(items);
}

}  // namespace

const std::vector<MemoryCase>& MemoryCases() {
  static const std::vector<MemoryCase> cases{
      {"memory-stream1", "a stream entry with one field of 100 bytes", nullptr, AddLargeEntries},
      {"memory-stream5", "a stream entry with five small fields", nullptr, AddSmallFields},
      {"memory-pending", "a pending entry, 10 consumers in turn", PreparePending, Deliver},
      {"memory-list10", "a list element of 10 bytes", nullptr, AddElements10},
      {"memory-list100", "a list element of 100 bytes", nullptr, AddElements100},
  };
  return cases;
}

MemoryResult RunMemory(const MemoryCase& memory_case, const Settings& settings) {
  const ProcessCpu server_cpu(settings.server_pid);
  Control control(settings.endpoint);
  control.DeleteKeys();
  MemoryResult result;
  const uint64_t fixed = memory_case.fixed_items;
  result.items = fixed > 0 ? fixed : settings.Requests(kUsualItems);
  if (memory_case.prepare != nullptr) memory_case.prepare(settings, result.items, &control);
  server_cpu.WaitUntilIdle();
  const uint64_t used_before = UsedBytes(&control);
  const uint64_t resident_before = ResidentBytes(settings.server_pid);
  memory_case.add(settings, result.items);
  server_cpu.WaitUntilIdle();
  const uint64_t used_after = UsedBytes(&control);
  result.used_bytes = PerItem(used_before, used_after, result.items);
  result.resident_bytes =
      PerItem(resident_before, ResidentBytes(settings.server_pid), result.items);
  control.DeleteKeys();
  return result;
}

}  // namespace runnel::bench
