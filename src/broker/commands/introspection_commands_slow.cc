#include <algorithm>
#include <string>
#include <vector>

#include "broker/command_table.h"
#include "broker/commands/help.h"
#include "broker/commands/introspection_commands.h"
#include "broker/execution.h"
#include "broker/latency.h"
#include "broker/monitors.h"
#include "broker/settings.h"
#include "broker/slowlog.h"
#include "commands/arguments.h"
#include "fmt/format.h"

namespace runnel::commands {
namespace {

constexpr int64_t kDefaultSlowLogCount = 10;

Parts& PartsOf(Context& context) {
  return Execution::Of(context).parts();
}

// The samples of an event, oldest first; empty if there are none.
const LatencyMonitor::Event* FindEvent(Context& context, std::string_view name) {
  const auto& events = PartsOf(context).latency.events();
  const auto it = events.find(name);
  return it == events.end() ? nullptr : &it->second;
}

}  // namespace

// --- SLOWLOG ---

void SlowLogGet(Context& context) {
  if (context.argc() > 3) return ReplyWrongSubcommand(context);
  constexpr std::string_view kBadCount = "ERR count should be greater than or equal to -1";
  int64_t count = kDefaultSlowLogCount;
  if (context.argc() == 3 && !ReadInteger(context, context.arg(2), &count, kBadCount, -1)) return;
  const auto& entries = PartsOf(context).slowlog.entries();
  const size_t shown =
      count < 0 ? entries.size() : std::min(entries.size(), static_cast<size_t>(count));
  ReplyWriter& reply = context.reply();
  reply.Array(shown);
  for (size_t i = 0; i < shown; i++) {
    const SlowLog::Entry& entry = entries[i];
    reply.Array(6);
    reply.Integer(static_cast<int64_t>(entry.id));
    reply.Integer(entry.time_s);
    reply.Integer(entry.duration_us);
    reply.Array(entry.args.size());
    for (const std::string& arg : entry.args) {
      reply.Bulk(arg);
    }
    reply.Bulk(entry.peer);
    reply.Bulk(entry.client_name);
  }
}

void SlowLogLen(Context& context) {
  context.reply().Integer(static_cast<int64_t>(PartsOf(context).slowlog.entries().size()));
}

void SlowLogReset(Context& context) {
  PartsOf(context).slowlog.Reset();
  context.reply().Ok();
}

// --- LATENCY ---

void LatencyLatest(Context& context) {
  const auto& events = PartsOf(context).latency.events();
  ReplyWriter& reply = context.reply();
  reply.Array(events.size());
  for (const auto& [name, event] : events) {
    reply.Array(4);
    reply.Bulk(name);
    reply.Integer(event.samples.back().time_s);
    reply.Integer(event.samples.back().latency_ms);
    reply.Integer(event.max_ms);
  }
}

void LatencyHistory(Context& context) {
  const LatencyMonitor::Event* event = FindEvent(context, context.arg(2));
  ReplyWriter& reply = context.reply();
  if (event == nullptr) return reply.Array(0);
  reply.Array(event->samples.size());
  for (const LatencyMonitor::Sample& sample : event->samples) {
    reply.Array(2);
    reply.Integer(sample.time_s);
    reply.Integer(sample.latency_ms);
  }
}

void LatencyReset(Context& context) {
  LatencyMonitor& latency = PartsOf(context).latency;
  size_t forgotten = 0;
  for (const std::string_view event : context.args().subspan(2)) {
    // An empty name would mean all, and no event has it.
    if (!event.empty()) forgotten += latency.Reset(event);
  }
  if (context.argc() == 2) forgotten = latency.Reset("");
  context.reply().Integer(static_cast<int64_t>(forgotten));
}

// The last samples as columns, each as high as its share of the highest of them.
void LatencyGraph(Context& context) {
  constexpr size_t kColumns = 80;
  constexpr int64_t kRows = 8;
  const LatencyMonitor::Event* event = FindEvent(context, context.arg(2));
  if (event == nullptr) {
    return context.reply().Error(
        fmt::format("ERR No samples available for event '{}'", context.arg(2)));
  }
  const size_t shown = std::min(event->samples.size(), kColumns);
  const std::span<const LatencyMonitor::Sample> samples = std::span(event->samples).last(shown);
  int64_t high = 1;
  for (const LatencyMonitor::Sample& sample : samples) {
    high = std::max(high, sample.latency_ms);
  }
  std::string text =
      fmt::format("{}: highest {} ms here, {} ms ever\n", context.arg(2), high, event->max_ms);
  for (int64_t row = kRows; row > 0; row--) {
    for (const LatencyMonitor::Sample& sample : samples) {
      text += sample.latency_ms * kRows > high * (row - 1) ? '#' : ' ';
    }
    text += '\n';
  }
  text += fmt::format("{} samples, from {} s ago to {} s ago\n", shown,
                      context.now_ms() / 1000 - samples.front().time_s,
                      context.now_ms() / 1000 - samples.back().time_s);
  context.reply().Verbatim(text);
}

void LatencyDoctor(Context& context) {
  const auto& events = PartsOf(context).latency.events();
  const int64_t threshold_ms = PartsOf(context).settings.latency_monitor_threshold_ms;
  std::string text;
  if (threshold_ms == 0) {
    text =
        "Latency is not monitored: latency-monitor-threshold is 0. CONFIG SET "
        "latency-monitor-threshold <milliseconds> turns the monitor on.\n";
  } else if (events.empty()) {
    text = fmt::format("No event has taken {} ms or longer.\n", threshold_ms);
  }
  for (const auto& [name, event] : events) {
    int64_t sum_ms = 0;
    for (const LatencyMonitor::Sample& sample : event.samples) {
      sum_ms += sample.latency_ms;
    }
    const auto samples = static_cast<int64_t>(event.samples.size());
    text += fmt::format(
        "{}: {} samples in {} s, {} ms on average, the last one {} ms; {} ms at most ever.\n", name,
        samples, event.samples.back().time_s - event.samples.front().time_s, sum_ms / samples,
        event.samples.back().latency_ms, event.max_ms);
  }
  if (!events.empty()) {
    text +=
        "Events named command and fast-command are single commands; SLOWLOG GET tells which ones, "
        "as far as they reach slowlog-log-slower-than. The event named eventloop is a turn of the "
        "loop, in which several commands and other work may be done; INFO stats tells about the "
        "longest one.\n";
  }
  context.reply().Verbatim(text);
}

namespace {

// Microseconds and how many calls took at most as long, for each power of two that adds calls. What
// is below 1.024 microseconds stands together.
std::vector<std::pair<int64_t, int64_t>> CumulativeHistogram(const CommandStats& stats) {
  constexpr size_t kFirstBits = 10;
  std::vector<std::pair<int64_t, int64_t>> points;
  int64_t calls = 0;
  for (size_t bits = 0; bits < stats.histogram.size(); bits++) {
    if (stats.histogram[bits] == 0) continue;
    calls += static_cast<int64_t>(stats.histogram[bits]);
    const int64_t nanos = int64_t{1} << std::max(bits, kFirstBits);
    const int64_t micros = (nanos + 500) / 1000;
    if (!points.empty() && points.back().first == micros) points.pop_back();
    points.emplace_back(micros, calls);
  }
  return points;
}

void AddCalled(const Command& command, std::vector<const Command*>* called) {
  if (command.stats.calls > 0) called->push_back(&command);
  for (const auto& subcommand : command.subcommands) {
    AddCalled(*subcommand, called);
  }
}

}  // namespace

void LatencyHistogram(Context& context) {
  const CommandTable& table = PartsOf(context).commands;
  std::vector<const Command*> called;
  for (const std::string_view name : context.args().subspan(2)) {
    if (const Command* command = table.FindFull(name)) AddCalled(*command, &called);
  }
  if (context.argc() == 2) {
    for (const auto& command : table.commands()) {
      AddCalled(*command, &called);
    }
  }
  ReplyWriter& reply = context.reply();
  reply.Map(called.size());
  for (const Command* command : called) {
    reply.Bulk(command->full_name);
    reply.Map(2);
    reply.Bulk("calls");
    reply.Integer(static_cast<int64_t>(command->stats.calls));
    reply.Bulk("histogram_usec");
    const auto points = CumulativeHistogram(command->stats);
    reply.Map(points.size());
    for (const auto& [micros, calls] : points) {
      reply.Integer(micros);
      reply.Integer(calls);
    }
  }
}

// --- MONITOR ---

void Monitor(Context& context) {
  if (!context.may_block()) {
    return context.reply().Error("ERR MONITOR isn't allowed for DENY BLOCKING client");
  }
  PartsOf(context).monitors.Start(Execution::Of(context).session());
  context.reply().Ok();
}

}  // namespace runnel::commands
