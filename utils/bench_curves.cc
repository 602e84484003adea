#include "utils/bench_curves.h"

#include "utils/bench_blocked.h"
#include "utils/bench_clock.h"
#include "utils/bench_control.h"

namespace runnel::bench {

namespace {

using Take = std::function<void(const CurvePoint&)>;

constexpr int kFillPipeline = 256;
constexpr uint64_t kDeliverCount = 1000;
constexpr uint64_t kUsualOperations = 50'000;
const std::string kValue = MakeValue(16);
const Words kAdd{"XADD", kStream, "1-##########", "f", kValue};
const Words kPush{"LPUSH", kList, kValue};
constexpr Expected kOneBulk{.bulks_per_reply = 1};
constexpr Expected kOneEntry{.bulks_per_reply = 4};
constexpr Expected kTenEntries{.bulks_per_reply = 30};
constexpr Expected kOne{.integer_per_reply = 1};

Words ReadGroup(const std::string& group, uint64_t count) {
  return {"XREADGROUP",          "GROUP",   group,   "consumer", "COUNT",
          std::to_string(count), "STREAMS", kStream, ">"};
}

// One request sent many times while the other thing has the size `size`. All of them are needed, as
// fast as they go: the operation that follows relies on what this one did.
void Measure(const Settings& settings, const std::string& operation, uint64_t size,
             uint64_t requests, const Workload& workload, const Take& take) {
  LoadPlan plan = settings.Plan(operation, requests);
  plan.seconds = 0;
  plan.rate = 0;
  const LoadResult result = RunLoad(plan, workload);
  take({operation, size, result.requests, result.seconds, result.server_cpu_ns});
}

// XADD with numbered IDs, which have to arrive in their order: over one connection.
void MeasureAdd(const Settings& settings, uint64_t size, uint64_t first, uint64_t requests,
                const Take& take) {
  Settings one = settings;
  one.connections = 1;
  one.threads = 1;
  Measure(one, "XADD", size, requests,
          {.requests = {kAdd}, .numbers = {.first = first}, .expected = kOneBulk}, take);
}

// A stream and a list that grow. At each size everything in the stream is pending in a group, then
// the operations run; what they add is the beginning of the next size.
void RunEntries(const Settings& settings, const Take& take) {
  const uint64_t operations = settings.Requests(kUsualOperations);
  const Endpoint& endpoint = settings.endpoint;
  Control control(endpoint);
  control.DeleteKeys();
  uint64_t entries = 0;
  uint64_t elements = 0;
  for (uint64_t size = 10'000; size <= settings.most_entries; size *= 10) {
    if (entries < size) {
      Fill(endpoint, kAdd, {.first = Numbers::kFirst + entries}, size - entries, 1, kFillPipeline);
      entries = size;
    }
    control.Run({"XGROUP", "CREATE", kStream, kGroup, "0"});
    Fill(endpoint, ReadGroup(kGroup, kDeliverCount), {}, entries / kDeliverCount + 1, 1, 4);
    MeasureAdd(settings, size, Numbers::kFirst + entries, operations, take);
    entries += operations;
    Measure(settings, "XREADGROUP COUNT 1", size, operations,
            {.requests = {ReadGroup(kGroup, 1)}, .expected = kOneEntry}, take);
    // Every ID once, from all over the stream.
    Measure(settings, "XACK", size, operations,
            {.requests = {{"XACK", kStream, kGroup, "1-##########"}},
             .numbers = {.stride = entries / operations},
             .expected = kOne},
            take);
    Measure(settings, "XRANGE COUNT 10", size, operations,
            {.requests = {{"XRANGE", kStream, "1-##########", "+", "COUNT", "10"}},
             .numbers = {.stride = 7919, .modulo = entries - 10},
             .expected = kTenEntries},
            take);
    control.Run({"XGROUP", "DESTROY", kStream, kGroup});
    if (elements < size) {
      Fill(endpoint, kPush, {}, size - elements, 4, kFillPipeline);
      elements = size;
    }
    Measure(settings, "LPUSH", size, operations, {.requests = {kPush}}, take);
    Measure(settings, "RPOP", size, operations,
            {.requests = {{"RPOP", kList}}, .expected = kOneBulk}, take);
  }
  control.DeleteKeys();
}

// Each push wakes one of many clients, which blocks again. Pushes come one at a time.
void MeasureBlocked(const Settings& settings, const std::string& operation, int clients,
                    const Words& request, const Words& push, Control* control, const Take& take) {
  constexpr uint64_t kUsualPushes = 5'000;
  const ProcessCpu server_cpu(settings.server_pid);
  BlockedClients blocked(settings.endpoint, clients, request);
  control->WaitUntilBlocked(clients);
  server_cpu.WaitUntilIdle();
  CurvePoint point{operation, static_cast<uint64_t>(clients), settings.Requests(kUsualPushes)};
  const uint64_t cpu_before = server_cpu.Ns();
  const uint64_t start_ns = NowNs();
  blocked.Push(push, point.requests);
  point.seconds = static_cast<double>(NowNs() - start_ns) / 1e9;
  point.server_cpu_ns = server_cpu.Ns() - cpu_before;
  take(point);
}

void RunBlocked(const Settings& settings, const Take& take) {
  Control control(settings.endpoint);
  for (int clients = 1; clients <= settings.most_blocked; clients *= 10) {
    control.DeleteKeys();
    MeasureBlocked(settings, "LPUSH to BLPOP", clients, {"BLPOP", kList, "0"}, kPush, &control,
                   take);
    control.WaitUntilAlone();
    control.Run({"XGROUP", "CREATE", kStream, kGroup, "0", "MKSTREAM"});
    MeasureBlocked(settings, "XADD to XREADGROUP BLOCK", clients,
                   {"XREADGROUP", "GROUP", kGroup, "consumer-##########", "COUNT", "1", "BLOCK",
                    "0", "NOACK", "STREAMS", kStream, ">"},
                   {"XADD", kStream, "*", "f", kValue}, &control, take);
    control.WaitUntilAlone();
  }
  control.DeleteKeys();
}

// A stream that has many groups: adding to it, reading as all of them in turn, and acknowledging
// what is pending in one.
void RunGroupCount(const Settings& settings, const Take& take) {
  constexpr uint64_t kMostGroups = 100;
  const uint64_t operations = settings.Requests(kUsualOperations);
  const std::string group = kGroup + "-##########";
  const std::string first_group = kGroup + "-" + std::to_string(Numbers::kFirst);
  Control control(settings.endpoint);
  for (uint64_t groups = 1; groups <= kMostGroups; groups *= 10) {
    control.DeleteKeys();
    Fill(settings.endpoint, {"XGROUP", "CREATE", kStream, group, "0", "MKSTREAM"}, {}, groups, 1,
         1);
    MeasureAdd(settings, groups, Numbers::kFirst, operations, take);
    Measure(settings, "XREADGROUP COUNT 1", groups, operations,
            {.requests = {ReadGroup(group, 1)},
             .numbers = {.repeat = static_cast<uint64_t>(settings.pipeline), .modulo = groups},
             .expected = kOneEntry},
            take);
    Fill(settings.endpoint, ReadGroup(first_group, kDeliverCount), {},
         operations / kDeliverCount + 1, 1, 4);
    Measure(settings, "XACK", groups, operations,
            {.requests = {{"XACK", kStream, first_group, "1-##########"}}, .expected = kOne}, take);
  }
  control.DeleteKeys();
}

}  // namespace

const std::vector<Curve>& Curves() {
  static const std::vector<Curve> curves{
      {"curve-entries", "operations on a stream and a list of 10 thousand to 10 million entries",
       "entries", RunEntries},
      {"curve-blocked", "waking one of 1 to 10 thousand clients that are blocked on one key",
       "clients", RunBlocked},
      {"curve-groups", "operations on a stream with 1 to 100 consumer groups", "groups",
       RunGroupCount},
  };
  return curves;
}

}  // namespace runnel::bench
