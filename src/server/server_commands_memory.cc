#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "base/memory.h"
#include "commands/arguments.h"
#include "commands/topic/partitions.h"
#include "fmt/format.h"
#include "server/memory_report.h"
#include "server/server_commands.h"
#include "server/server_host.h"

namespace runnel::commands {
namespace {

constexpr int64_t kDefaultSamples = 5;

// What the partitions of the topic take. Looks at so many of them and scales up; 0: at all.
size_t PartitionBytes(Context& context, const KeyEntry& entry, uint32_t samples) {
  const uint32_t partitions = entry.As<Topic>()->partitions();
  const uint32_t looked_at = samples == 0 ? partitions : std::min(partitions, samples);
  size_t bytes = 0;
  for (uint32_t number = 0; number < looked_at; number++) {
    const PartitionName name(entry.name(), number);
    const KeyEntry* partition = context.keyspace().Find(KeyRef(CompanionOf(context.db()), name));
    if (partition != nullptr) bytes += partition->MemoryBytes(samples);
  }
  return bytes * partitions / looked_at;
}

}  // namespace

void MemoryUsage(Context& context) {
  int64_t samples = kDefaultSamples;
  for (size_t i = 3; i < context.argc(); i += 2) {
    if (!Is(context.arg(i), "samples") || i + 1 == context.argc()) {
      return context.reply().Error(kSyntaxError);
    }
    if (!ReadInteger(context, context.arg(i + 1), &samples)) return;
    if (samples < 0) return context.reply().Error(kSyntaxError);
  }
  const KeyEntry* entry = PeekWithPartitions(context, 2);
  if (entry == nullptr) return context.reply().Null();
  size_t bytes = entry->MemoryBytes(static_cast<size_t>(samples));
  if (entry->type() == ObjectType::kTopic) {
    bytes += PartitionBytes(context, *entry, static_cast<uint32_t>(samples));
  }
  context.reply().Integer(static_cast<int64_t>(bytes));
}

void MemoryStats(Context& context) {
  ServerHost& host = ServerHost::Of(context);
  const MemoryReport report = ReportMemory(host);
  const AllocatorStats& allocator = report.allocator;
  const Keyspace& keyspace = context.keyspace();
  std::vector<uint32_t> databases;
  for (uint32_t db = 0; db < keyspace.databases(); db++) {
    if (keyspace.size(db) > 0) databases.push_back(db);
  }
  const size_t data = report.used - report.startup;
  const std::pair<std::string_view, int64_t> sizes[] = {
      {"peak.allocated", report.peak},
      {"total.allocated", report.used},
      {"startup.allocated", report.startup},
      {"clients.normal", report.clients},
      {"lua.caches", report.scripts},
      {"functions.caches", report.functions},
      {"overhead.total", report.overhead()},
      {"keys.count", report.keys},
      {"keys.bytes-per-key", report.keys == 0 ? 0 : data / report.keys},
      {"dataset.bytes", report.dataset()},
      {"allocator.allocated", allocator.allocated},
      {"allocator.active", allocator.active},
      {"allocator.resident", allocator.resident},
      {"allocator-fragmentation.bytes", DifferenceOf(allocator.active, allocator.allocated)},
      {"allocator-rss.bytes", DifferenceOf(allocator.resident, allocator.active)},
      {"rss-overhead.bytes", DifferenceOf(report.resident, allocator.resident)},
      {"fragmentation.bytes", DifferenceOf(report.resident, report.used)},
  };
  const std::pair<std::string_view, double> ratios[] = {
      {"dataset.percentage", report.dataset_percent()},
      {"peak.percentage", report.peak_percent()},
      {"allocator-fragmentation.ratio", RatioOf(allocator.active, allocator.allocated)},
      {"allocator-rss.ratio", RatioOf(allocator.resident, allocator.active)},
      {"rss-overhead.ratio", RatioOf(report.resident, allocator.resident)},
      {"fragmentation", RatioOf(report.resident, report.used)},
  };
  ReplyWriter& reply = context.reply();
  reply.Map(std::size(sizes) + std::size(ratios) + databases.size());
  for (const auto& [name, size] : sizes) {
    reply.Bulk(name);
    reply.Integer(size);
  }
  for (const auto& [name, ratio] : ratios) {
    reply.Bulk(name);
    reply.Double(ratio);
  }
  for (const uint32_t db : databases) {
    reply.Bulk(fmt::format("db.{}", db));
    reply.Map(1);
    reply.Bulk("overhead.hashtable.main");
    reply.Integer(static_cast<int64_t>(keyspace.table(db).MemoryBytes()));
  }
}

void MemoryDoctor(Context& context) {
  ServerHost& host = ServerHost::Of(context);
  const MemoryReport report = ReportMemory(host);
  const uint64_t maxmemory = host.broker().settings().maxmemory;
  // Below this, shares of the memory tell nothing.
  constexpr size_t kSmall = 5 * 1024 * 1024;
  constexpr double kNearlyFull = 0.9;
  constexpr double kFragmented = 1.4;
  constexpr double kManyBuffers = 0.3;
  std::string text;
  if (maxmemory > 0 && RatioOf(report.used, maxmemory) > kNearlyFull) {
    text += fmt::format(
        "{} of the {} of maxmemory are used: above it, commands that add data are refused.\n",
        HumanSize(report.used), HumanSize(maxmemory));
  }
  if (report.used > kSmall &&
      RatioOf(report.allocator.active, report.allocator.allocated) > kFragmented) {
    text += fmt::format(
        "The allocator holds {} to store {}: the rest is in gaps that new data may fill.\n",
        HumanSize(report.allocator.active), HumanSize(report.allocator.allocated));
  }
  if (report.used > kSmall && RatioOf(report.clients, report.used) > kManyBuffers) {
    text += fmt::format(
        "{} of {} are taken by clients: CLIENT LIST shows in omem who does not read, in qbuf "
        "who sends large requests.\n",
        HumanSize(report.clients), HumanSize(report.used));
  }
  if (text.empty())
    text = fmt::format("Nothing unusual about the {} in use.\n", HumanSize(report.used));
  context.reply().Verbatim(text);
}

void MemoryPurge(Context& context) {
  PurgeAllocator();
  context.reply().Ok();
}

void MemoryMallocStats(Context& context) {
  const AllocatorStats stats = ReadAllocatorStats();
  context.reply().Verbatim(fmt::format("allocator:{}\nallocated:{}\nactive:{}\nresident:{}\n",
                                       AllocatorName(), stats.allocated, stats.active,
                                       stats.resident));
}

}  // namespace runnel::commands
