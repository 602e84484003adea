#include "utils/bench_topics.h"

#include <algorithm>
#include <string>
#include <utility>

#include "utils/bench_blocked.h"
#include "utils/bench_clock.h"
#include "utils/bench_fail.h"

namespace runnel::bench {

namespace {

constexpr int kFillConnections = 4;
constexpr int kFillPipeline = 256;
constexpr uint64_t kReadRecords = 100'000;  // of the partition that TREAD reads
constexpr size_t kManyRecords = 100;        // of one TADDM
const std::string kKeyDigits = "key:--##########";
const std::string kPartition0 = kTopic + "/0";

Words AddWithKey(const std::string& topic, std::string value) {
  return {"TADD", topic, "KEY", kKeyDigits, "*", "f", std::move(value)};
}

std::string PartitionName(int number) {
  return kTopic + "/" + std::to_string(number);
}

// The same number of records to each partition of the topic.
void AddToEach(Control* control, int partitions, uint64_t records) {
  constexpr uint64_t kAtOnce = 100;
  const std::string value = MakeValue(100);
  for (int number = 0; number < partitions; ++number) {
    for (uint64_t i = 0; i < records; i += kAtOnce) {
      Words request{"TADDM", PartitionName(number), "FIELDS", "1", "f", "RECORDS"};
      for (uint64_t j = i; j < std::min(i + kAtOnce, records); ++j) {
        request.push_back(fmt::format("key:--{:010}", j));
        request.push_back(value);
      }
      control->Run(request);
    }
  }
}

// A topic whose partitions have more than one block each: so the first records of a partition,
// which make it, are not measured. With --keep it meets the topic as it is, if there is one.
void NeedTopic(const Settings& settings, Control* control) {
  constexpr uint64_t kBefore = 40;
  if (!settings.keep) {
    control->MakeTopic(settings.partitions);
    return AddToEach(control, settings.partitions, kBefore);
  }
  control->NeedTopic(settings.partitions);
}

Workload PrepareTadd(const Settings& settings, uint64_t, Control* control) {
  NeedTopic(settings, control);
  Workload workload{.requests = {}, .expected = Expected{.bulks_per_reply = 2}};
  for (std::string& value : DifferentValues(settings.value_size)) {
    workload.requests.push_back({"TADD", kTopic, "*", "f", std::move(value)});
  }
  return workload;
}

Workload PrepareTaddKey(const Settings& settings, uint64_t, Control* control) {
  NeedTopic(settings, control);
  Workload workload{.requests = {}, .expected = Expected{.bulks_per_reply = 2}};
  for (std::string& value : DifferentValues(settings.value_size))
    workload.requests.push_back(AddWithKey(kTopic, std::move(value)));
  return workload;
}

// A producer numbers its commands without gaps, so each connection is a producer of its own. So
// that all numbers have five digits, it has sent 10,000 records before, which are removed.
Workload PrepareTaddProducer(const Settings& settings, uint64_t requests, Control* control) {
  constexpr uint64_t kFirst = 10'000;
  constexpr uint64_t kMost = 90'000;
  NeedTopic(settings, control);
  if (requests / static_cast<uint64_t>(settings.connections) > kMost * 3 / 4) {
    Fail("tadd-producer: a connection would send more than {} requests", kMost);
  }
  const auto producer = [](int connection) { return "producer-" + std::to_string(connection); };
  std::vector<std::string> epochs;
  for (int i = 0; i < settings.connections; ++i) {
    epochs.push_back(std::to_string(control->OpenProducer(producer(i))));
    Words before{"TADDM",  kPartition0, "PRODUCER", producer(i), epochs.back(), "0",
                 "NOKEYS", "FIELDS",    "1",        "f",         "RECORDS"};
    before.resize(before.size() + kFirst);
    control->Run(before);
  }
  control->Run({"TOPIC", "TRIM", kPartition0, "LATEST"});
  const std::string value = MakeValue(settings.value_size);
  const auto own_requests = [producer, epochs, value](int connection) -> std::vector<Words> {
    const std::string key = fmt::format("key:{:05}--#####", connection);
    return {{"TADD", kTopic, "KEY", key, "PRODUCER", producer(connection), epochs[connection],
             "#####", "*", "f", value}};
  };
  return {.requests = {},
          .numbers = {.first = kFirst},
          .expected = Expected{.bulks_per_reply = 2},
          .own_requests = own_requests};
}

// How many partitions a request's records go to, and so the size of the reply, depends on the keys.
Workload PrepareTaddm(const Settings& settings, uint64_t, Control* control) {
  NeedTopic(settings, control);
  Workload workload;
  const std::vector<std::string> values = DifferentValues(settings.value_size);
  for (size_t first = 0; first < values.size(); first += kManyRecords) {
    Words request{"TADDM", kTopic, "FIELDS", "1", "f", "RECORDS"};
    for (size_t i = 0; i < kManyRecords; ++i) {
      request.push_back(fmt::format("key:{:02}##########", i));
      request.push_back(values[(first + i) % values.size()]);
    }
    workload.requests.push_back(std::move(request));
  }
  return workload;
}

// The keys of all records are these many, and the topic has a record of each.
constexpr uint64_t kDistinctKeys = 1'000'000;

Workload PrepareUpdates(const Settings& settings, Control* control, const Words& cleanup) {
  if (!settings.keep) control->DeleteTopic();
  const bool made = control->NeedTopic(settings.partitions, cleanup);
  Workload workload{.requests = {},
                    .numbers = {.modulo = kDistinctKeys},
                    .expected = Expected{.bulks_per_reply = 2}};
  for (std::string& value : DifferentValues(settings.value_size))
    workload.requests.push_back(AddWithKey(kTopic, std::move(value)));
  if (made) {
    Fill(settings.endpoint, workload.requests[0], workload.numbers, kDistinctKeys, kFillConnections,
         kFillPipeline);
  }
  workload.numbers.scattered = true;
  return workload;
}

Workload PrepareTaddUpdate(const Settings& settings, uint64_t, Control* control) {
  return PrepareUpdates(settings, control, {});
}

Workload PrepareTaddCompact(const Settings& settings, uint64_t, Control* control) {
  return PrepareUpdates(settings, control, {"CLEANUP", "COMPACT"});
}

Workload PrepareTread500(const Settings& settings, uint64_t, Control* control) {
  constexpr uint64_t kCount = 500;
  control->MakeTopic(settings.partitions);
  Fill(settings.endpoint, AddWithKey(kPartition0, MakeValue(settings.value_size)), {}, kReadRecords,
       kFillConnections, kFillPipeline);
  return {.requests = {{"TREAD", "COUNT", std::to_string(kCount), "PARTITIONS", kPartition0,
                        "##########"}},
          .numbers = {.first = 0, .stride = 7919, .modulo = kReadRecords - kCount},
          .expected = Expected{.bulks_per_reply = 1 + 3 * kCount}};
}

// --- Memory ---

constexpr int kManyPartitions = 10'000;
constexpr uint64_t kFewRecords = 10;
constexpr int kMemoryGroups = 10;

void MakeOnePartition(const Settings&, uint64_t, Control* control) {
  control->MakeTopic(1);
}

void AddRecords(const Settings& settings, uint64_t items) {
  Fill(settings.endpoint, AddWithKey(kTopic, MakeValue(100)), {}, items, kFillConnections,
       kFillPipeline);
}

void MakeManyPartitions(const Settings&, uint64_t, Control* control) {
  control->MakeTopic(kManyPartitions);
}

void CreateManyPartitions(const Settings& settings, uint64_t) {
  Control(settings.endpoint).MakeTopic(kManyPartitions);
}

void AddFewToEach(const Settings& settings, uint64_t) {
  Control control(settings.endpoint);
  AddToEach(&control, kManyPartitions, kFewRecords);
}

void AddAndTrim(const Settings& settings, uint64_t) {
  Control control(settings.endpoint);
  AddToEach(&control, kManyPartitions, kFewRecords);
  for (int number = 0; number < kManyPartitions; ++number)
    control.Run({"TOPIC", "TRIM", PartitionName(number), "LATEST"});
}

void MakeOneCompacted(const Settings&, uint64_t, Control* control) {
  control->MakeTopic(1, {"CLEANUP", "COMPACT"});
}

// A group whose member has read and committed all. Then it leaves, if `leave`.
void ReadInGroup(Control* control, const std::string& group, bool leave) {
  control->Run({"TREADGROUP", group, "member", "COUNT", std::to_string(kManyPartitions), "MAXSIZE",
                "100000000", "FROM", "EARLIEST", "TOPICS", kTopic});
  Words commit{"TCOMMIT", group};
  for (int number = 0; number < kManyPartitions; ++number)
    commit.insert(commit.end(), {PartitionName(number), "1", "1"});
  if (control->Integer(commit) != kManyPartitions) Fail("TCOMMIT did not commit all");
  if (leave) control->Run({"TGROUP", "LEAVE", group, "member"});
}

// One group has read before, so that buffers for large commands are there.
void MakeOneRecordEach(const Settings&, uint64_t, Control* control) {
  control->MakeTopic(kManyPartitions);
  AddToEach(control, kManyPartitions, 1);
  ReadInGroup(control, kGroup, true);
}

void ReadInGroups(const Settings& settings, bool leave) {
  Control control(settings.endpoint);
  for (int i = 0; i < kMemoryGroups; ++i)
    ReadInGroup(&control, kGroup + "-" + std::to_string(i), leave);
}

void ReadInGroupsAndStay(const Settings& settings, uint64_t) {
  ReadInGroups(settings, false);
}

void ReadInGroupsAndLeave(const Settings& settings, uint64_t) {
  ReadInGroups(settings, true);
}

// --- Curves ---

using Take = std::function<void(const CurvePoint&)>;

// Each append wakes the member that owns its partition, which blocks again. There is always more
// than one partition for each member.
void RunBlockedMembers(const Settings& settings, const Take& take) {
  constexpr int kPartitions = 1000;
  constexpr int kMostMembers = 100;
  constexpr uint64_t kUsualAppends = 20'000;
  const ProcessCpu server_cpu(settings.server_pid);
  Control control(settings.endpoint);
  for (int members = 1; members <= kMostMembers; members *= 10) {
    control.MakeTopic(kPartitions);
    control.Run({"TGROUP", "CREATE", kGroup, "FROM", "LATEST"});
    {
      BlockedClients blocked(settings.endpoint, members,
                             {"TREADGROUP", kGroup, "member-##########", "COUNT", "10", "BLOCK",
                              "0", "NOACK", "TOPICS", kTopic});
      control.WaitUntilBlocked(members);
      control.WaitUntilStable(kGroup);
      server_cpu.WaitUntilIdle();
      CurvePoint point{"TADD to TREADGROUP BLOCK", static_cast<uint64_t>(members),
                       settings.Requests(kUsualAppends)};
      const uint64_t cpu_before = server_cpu.Ns();
      const uint64_t start_ns = NowNs();
      blocked.Push(AddWithKey(kTopic, MakeValue(100)), point.requests);
      point.seconds = static_cast<double>(NowNs() - start_ns) / 1e9;
      point.server_cpu_ns = server_cpu.Ns() - cpu_before;
      take(point);
    }
    control.WaitUntilAlone();
  }
  control.DeleteTopic();
}

// Each call gives ten records of one partition: all partitions have as many, which is a multiple of
// ten. The member joins over the connection that reads, before the clock starts.
void RunOwnedPartitions(const Settings& settings, const Take& take) {
  constexpr uint64_t kCount = 10;
  constexpr uint64_t kUsualReads = 50'000;
  const uint64_t reads = settings.Requests(kUsualReads);
  Control control(settings.endpoint);
  for (const int partitions : {10, 1000, 10'000}) {
    control.MakeTopic(partitions);
    const auto n = static_cast<uint64_t>(partitions);
    AddToEach(&control, partitions, (reads + n) / n * kCount);
    const Words read{"TREADGROUP", kGroup,     "member", "COUNT", std::to_string(kCount),
                     "FROM",       "EARLIEST", "TOPICS", kTopic};
    LoadPlan plan = settings.Plan("TREADGROUP COUNT 10", reads);
    plan.connections = 1;
    plan.threads = 1;
    plan.seconds = 0;
    plan.rate = 0;
    const LoadResult result =
        RunLoad(plan, {.requests = {read},
                       .expected = Expected{.bulks_per_reply = 1 + 3 * kCount},
                       .greeting = read});
    take({plan.name, n, result.requests, result.seconds, result.server_cpu_ns});
  }
  control.DeleteTopic();
}

}  // namespace

const std::vector<Case>& TopicCases() {
  static const std::vector<Case> cases{
      {"tadd", "TADD * of one field, without a key", 1'000'000, PrepareTadd},
      {"tadd-key", "TADD KEY * of one field", 1'000'000, PrepareTaddKey},
      {"tadd-producer", "the same with PRODUCER, each connection another", 1'000'000,
       PrepareTaddProducer},
      {"tadd-update", "tadd-key with one of a million keys, each of which has a record", 1'000'000,
       PrepareTaddUpdate},
      {"tadd-compact", "the same to a compacted topic", 1'000'000, PrepareTaddCompact},
      {"taddm", "TADDM of 100 records of one field, with keys", 20'000, PrepareTaddm},
      {"tread500", "TREAD COUNT 500 anywhere in 100 thousand records", 5'000, PrepareTread500},
  };
  return cases;
}

const std::vector<MemoryCase>& TopicMemoryCases() {
  static const std::vector<MemoryCase> cases{
      {"memory-record", "a record with a key of 16 bytes and one field of 100, in one partition",
       MakeOnePartition, AddRecords},
      {"memory-compacted", "the same, each with another key, in a compacted partition",
       MakeOneCompacted, AddRecords},
      {"memory-unwritten", "a partition that was never written", nullptr, CreateManyPartitions,
       kManyPartitions},
      {"memory-emptied", "a partition whose records were removed", MakeManyPartitions, AddAndTrim,
       kManyPartitions},
      {"memory-few", "a partition with ten such records", MakeManyPartitions, AddFewToEach,
       kManyPartitions},
      {"memory-owned", "a partition in a group whose member has committed a record of it",
       MakeOneRecordEach, ReadInGroupsAndStay, kMemoryGroups * kManyPartitions},
      {"memory-left", "the same without members", MakeOneRecordEach, ReadInGroupsAndLeave,
       kMemoryGroups * kManyPartitions},
  };
  return cases;
}

const std::vector<Curve>& TopicCurves() {
  static const std::vector<Curve> curves{
      {"curve-members", "TADD that wakes one of 1 to 100 blocked members of a group", "members",
       RunBlockedMembers},
      {"curve-owned", "TREADGROUP by a member that owns 10 to 10 thousand partitions", "partitions",
       RunOwnedPartitions},
  };
  return curves;
}

void FillTopic(const Settings& settings, uint64_t records) {
  Fill(settings.endpoint, AddWithKey(kTopic, MakeValue(settings.value_size)), {}, records,
       kFillConnections, kFillPipeline);
}

}  // namespace runnel::bench
