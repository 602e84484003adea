#include "utils/bench_report.h"

#include <fmt/core.h>

#include <cstdio>

namespace runnel::bench {

namespace {

double Per(uint64_t total, uint64_t count) {
  return count == 0 ? 0 : static_cast<double>(total) / static_cast<double>(count);
}

double Rate(uint64_t count, double seconds) {
  return static_cast<double>(count) / seconds;
}

// How much of the time the server was working.
double Busy(uint64_t cpu_ns, double seconds) {
  return static_cast<double>(cpu_ns) / seconds / 1e9;
}

double Us(const Histogram& histogram, double percent) {
  return static_cast<double>(histogram.Percentile(percent)) / 1e3;
}

std::string LatencyJson(const Histogram& latency) {
  return fmt::format(R"({{"mean":{:.3f},"p50":{:.3f},"p99":{:.3f},"p99.9":{:.3f},"max":{:.3f}}})",
                     latency.Mean() / 1e3, Us(latency, 50), Us(latency, 99), Us(latency, 99.9),
                     static_cast<double>(latency.max()) / 1e3);
}

std::string LatencyColumns(const Histogram& latency) {
  return fmt::format("{:>9.1f} {:>9.1f} {:>9.1f}", Us(latency, 50), Us(latency, 99),
                     Us(latency, 99.9));
}

}  // namespace

void Report::Head(const std::string& head) {
  if (head == head_) return;
  fmt::print("{}{}\n", head_.empty() ? "" : "\n", head);
  head_ = head;
}

void Report::Load(const std::string& name, const LoadPlan& plan, const LoadResult& result) {
  const double rate = Rate(result.requests, result.seconds);
  const double server_cpu = Per(result.server_cpu_ns, result.requests);
  const double own_cpu = Per(result.own_cpu_ns, result.requests);
  const double busy = Busy(result.server_cpu_ns, result.seconds);
  if (json_) {
    fmt::print(R"({{"case":"{}","connections":{},"pipeline":{},"rate":{},"requests":{},)"
               R"("seconds":{:.6f},"requests_per_second":{:.1f},"server_cpu_ns":{:.1f},)"
               R"("server_busy":{:.3f},"tool_cpu_ns":{:.1f},"latency_us":{}}})"
               "\n",
               name, plan.connections, plan.pipeline, plan.rate, result.requests, result.seconds,
               rate, server_cpu, busy, own_cpu, LatencyJson(result.latency));
  } else {
    Head(fmt::format("{:<14}{:>5}{:>11}{:>12}{:>11}{:>7}{:>9}  {:>9} {:>9} {:>9}", "case", "pipe",
                     "requests", "requests/s", "server ns", "busy", "tool ns", "p50 us", "p99 us",
                     "p99.9 us"));
    fmt::print("{:<14}{:>5}{:>11}{:>12.0f}{:>11.0f}{:>6.0f}%{:>9.0f}  {}\n", name, plan.pipeline,
               result.requests, rate, server_cpu, busy * 100, own_cpu,
               LatencyColumns(result.latency));
  }
  std::fflush(stdout);
}

void Report::Groups(const std::string& name, const Settings& settings, const GroupsResult& result) {
  const double entry_rate = Rate(result.entries, result.seconds);
  const double delivery_rate = Rate(result.deliveries, result.seconds);
  const double server_cpu = Per(result.server_cpu_ns, result.deliveries);
  const double own_cpu = Per(result.own_cpu_ns, result.deliveries);
  const double busy = Busy(result.server_cpu_ns, result.seconds);
  if (json_) {
    fmt::print(R"({{"case":"{}","pipeline":{},"rate":{},"producers":{},"groups":{},)"
               R"("consumers":{},"entries":{},"seconds":{:.6f},"entries_per_second":{:.1f},)"
               R"("deliveries_per_second":{:.1f},"server_cpu_ns":{:.1f},"server_busy":{:.3f},)"
               R"("tool_cpu_ns":{:.1f},"latency_us":{}}})"
               "\n",
               name, settings.pipeline, settings.rate, settings.producers, settings.groups,
               settings.consumers, result.entries, result.seconds, entry_rate, delivery_rate,
               server_cpu, busy, own_cpu, LatencyJson(result.latency));
  } else {
    Head(fmt::format("{:<14}{:>5}{:>11}{:>12}{:>11}{:>7}{:>9}  {:>9} {:>9} {:>9}", "case", "pipe",
                     "entries/s", "delivered/s", "server ns", "busy", "tool ns", "p50 us", "p99 us",
                     "p99.9 us"));
    fmt::print("{:<14}{:>5}{:>11.0f}{:>12.0f}{:>11.0f}{:>6.0f}%{:>9.0f}  {}\n", name,
               settings.pipeline, entry_rate, delivery_rate, server_cpu, busy * 100, own_cpu,
               LatencyColumns(result.latency));
  }
  std::fflush(stdout);
}

// Per entry, not per request: a read brings many.
void Report::Consume(const std::string& name, const Settings& settings,
                     const ConsumeResult& result) {
  const double entry_rate = Rate(result.entries, result.seconds);
  const double payload_rate = Rate(result.payload_bytes, result.seconds);
  const double server_cpu = Per(result.server_cpu_ns, result.entries);
  const double own_cpu = Per(result.own_cpu_ns, result.entries);
  const double busy = Busy(result.server_cpu_ns, result.seconds);
  if (json_) {
    fmt::print(R"({{"case":"{}","connections":{},"pipeline":{},"count":{},"requests":{},)"
               R"("entries":{},"seconds":{:.6f},"requests_per_second":{:.1f},)"
               R"("entries_per_second":{:.1f},"payload_bytes_per_second":{:.0f},)"
               R"("server_cpu_ns":{:.1f},"server_busy":{:.3f},"tool_cpu_ns":{:.1f},)"
               R"("latency_us":{}}})"
               "\n",
               name, settings.connections, settings.pipeline, settings.count, result.requests,
               result.entries, result.seconds, Rate(result.requests, result.seconds), entry_rate,
               payload_rate, server_cpu, busy, own_cpu, LatencyJson(result.latency));
  } else {
    Head(fmt::format("{:<14}{:>5}{:>6}{:>11}{:>12}{:>9}{:>11}{:>7}{:>9}  {:>9} {:>9} {:>9}", "case",
                     "pipe", "count", "entries", "entries/s", "MB/s", "server ns", "busy",
                     "tool ns", "p50 us", "p99 us", "p99.9 us"));
    fmt::print("{:<14}{:>5}{:>6}{:>11}{:>12.0f}{:>9.1f}{:>11.0f}{:>6.0f}%{:>9.0f}  {}\n", name,
               settings.pipeline, settings.count, result.entries, entry_rate, payload_rate / 1e6,
               server_cpu, busy * 100, own_cpu, LatencyColumns(result.latency));
  }
  std::fflush(stdout);
}

void Report::Memory(const MemoryCase& memory_case, const MemoryResult& result) {
  if (json_) {
    fmt::print(R"({{"case":"{}","items":{},"used_bytes":{:.2f},"resident_bytes":{:.2f}}})"
               "\n",
               memory_case.name, result.items, result.used_bytes, result.resident_bytes);
  } else {
    Head(fmt::format("{:<16}{:>10}{:>12}{:>16}  {}", "case", "items", "bytes each", "resident each",
                     "what"));
    fmt::print("{:<16}{:>10}{:>12.1f}{:>16.1f}  {}\n", memory_case.name, result.items,
               result.used_bytes, result.resident_bytes, memory_case.summary);
  }
  std::fflush(stdout);
}

void Report::Point(const Curve& curve, const CurvePoint& point) {
  const double rate = Rate(point.requests, point.seconds);
  const double server_cpu = Per(point.server_cpu_ns, point.requests);
  if (json_) {
    fmt::print(R"({{"case":"{}","operation":"{}","{}":{},"requests":{},)"
               R"("requests_per_second":{:.1f},"server_cpu_ns":{:.1f}}})"
               "\n",
               curve.name, point.operation, curve.size_name, point.size, point.requests, rate,
               server_cpu);
  } else {
    Head(fmt::format("{:<26}{:>10}{:>11}{:>12}{:>11}", curve.name, curve.size_name, "requests",
                     "requests/s", "server ns"));
    fmt::print("{:<26}{:>10}{:>11}{:>12.0f}{:>11.0f}\n", point.operation, point.size,
               point.requests, rate, server_cpu);
  }
  std::fflush(stdout);
}

}  // namespace runnel::bench
