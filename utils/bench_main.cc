// runnel-bench: the load tool. README.md tells what the cases and the columns are.

#include <unistd.h>

#include <CLI/CLI.hpp>
#include <string>
#include <vector>

#include "base/version.h"
#include "utils/bench_cases.h"
#include "utils/bench_consume.h"
#include "utils/bench_control.h"
#include "utils/bench_curves.h"
#include "utils/bench_fail.h"
#include "utils/bench_groups.h"
#include "utils/bench_load.h"
#include "utils/bench_memory.h"
#include "utils/bench_report.h"
#include "utils/bench_settings.h"
#include "utils/bench_topics.h"
#include "utils/bench_values.h"

namespace runnel::bench {

namespace {

struct Options {
  Settings settings;
  std::vector<std::string> cases;
  bool list = false;
  bool json = false;
};

void AddOptions(CLI::App* app, Options* options) {
  Settings& settings = options->settings;
  app->add_option("--host", settings.endpoint.host, "where the server listens")
      ->capture_default_str();
  app->add_option("-p,--port", settings.endpoint.port)
      ->check(CLI::Range(1, 65535))
      ->capture_default_str();
  app->add_option("--unix", settings.endpoint.unix_path, "socket file, instead of host and port");
  app->add_flag("--resp3", settings.endpoint.resp3, "speak RESP3 (HELLO 3)");
  app->add_option("-c,--connections", settings.connections)
      ->check(CLI::Range(1, 100'000))
      ->capture_default_str();
  app->add_option("-P,--pipeline", settings.pipeline, "requests that a connection sends at once")
      ->check(CLI::Range(1, 100'000))
      ->capture_default_str();
  app->add_option("-t,--threads", settings.threads, "threads of the load tool")
      ->check(CLI::Range(1, 64))
      ->capture_default_str();
  app->add_option("-n,--requests", settings.requests,
                  "requests (or items) per case; default: each case's own");
  app->add_option("--scale", settings.scale, "times the default number of requests")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  app->add_option("--seconds", settings.seconds, "stop sending after so long, if not done before")
      ->check(CLI::PositiveNumber);
  app->add_option("-r,--rate", settings.rate,
                  "open loop: so many requests per second, latency from when each was due")
      ->check(CLI::PositiveNumber);
  app->add_option("-d,--value-size", settings.value_size, "bytes of a value")
      ->check(CLI::Range(1, 1 << 20))
      ->capture_default_str();
  app->add_option("--server-pid", settings.server_pid,
                  "the server's process on this machine, for its CPU time and memory");
  app->add_option("--subscribers", settings.subscribers, "connections that listen (case publish)")
      ->check(CLI::Range(0, 10'000))
      ->capture_default_str();
  app->add_option("--producers", settings.producers, "connections that add (the same)")
      ->check(CLI::Range(1, 10'000))
      ->capture_default_str();
  app->add_option("--groups", settings.groups, "consumer groups (cases groups, groups-topic)")
      ->check(CLI::Range(1, 10'000))
      ->capture_default_str();
  app->add_option("--consumers", settings.consumers, "consumers in each group (the same)")
      ->check(CLI::Range(1, 10'000))
      ->capture_default_str();
  app->add_option("--keys", settings.keys, "streams (cases xadd-streams, catchup)")
      ->check(CLI::Range(uint64_t{1}, kKeys))
      ->capture_default_str();
  app->add_option("--partitions", settings.partitions, "of the topic (cases on topics)")
      ->check(CLI::Range(1, 100'000))
      ->capture_default_str();
  app->add_option("--count", settings.count, "entries of a read (cases consume..., catchup...)")
      ->check(CLI::Range(1, 10'000))
      ->capture_default_str();
  app->add_flag(
      "--keep", settings.keep,
      "delete no keys before and after a case of requests: fills a server, or meets it as "
      "it is");
  app->add_option("--most-entries", settings.most_entries, "end of curve-entries")
      ->capture_default_str();
  app->add_option("--most-blocked", settings.most_blocked, "end of curve-blocked")
      ->capture_default_str();
  app->add_flag("--json", options->json, "one JSON object per line instead of tables");
  app->add_flag("--list", options->list, "list the cases and exit");
  app->add_option("cases,--case", options->cases,
                  "cases to run, or `memory` or `curves` for all of a kind; default: all requests "
                  "that servers without topics take");
}

void List() {
  for (const Case& each : Cases())
    fmt::print("{:<16}{}\n", each.name, each.summary);
  fmt::print("{:<16}{}\n", "groups", "producers, groups of consumers, acknowledgement; end to end");
  fmt::print("{:<16}{}\n", "consume", "XREADGROUP > COUNT --count, XACK; a stream to its end");
  fmt::print("{:<16}{}\n", "catchup", "XREAD COUNT --count of what xadd-streams has left");
  for (const MemoryCase& each : MemoryCases()) {
    fmt::print("{:<16}bytes of {}\n", each.name, each.summary);
  }
  for (const Curve& each : Curves())
    fmt::print("{:<16}{}\n", each.name, each.summary);
  for (const Case& each : ValueCases())
    fmt::print("{:<16}{}\n", each.name, each.summary);
  for (const MemoryCase& each : ValueMemoryCases()) {
    fmt::print("{:<16}bytes of {}\n", each.name, each.summary);
  }
  for (const Curve& each : ValueCurves())
    fmt::print("{:<16}{}\n", each.name, each.summary);
  for (const Case& each : TopicCases())
    fmt::print("{:<16}{}\n", each.name, each.summary);
  fmt::print("{:<16}{}\n", "groups-topic", "the same as groups with TADD, TREADGROUP, TCOMMIT");
  fmt::print("{:<16}{}\n", "consume-topic", "TREADGROUP COUNT --count, TCOMMIT; to the end");
  fmt::print("{:<16}{}\n", "catchup-topic", "the same of what tadd-key has left");
  for (const MemoryCase& each : TopicMemoryCases()) {
    fmt::print("{:<16}bytes of {}\n", each.name, each.summary);
  }
  for (const Curve& each : TopicCurves())
    fmt::print("{:<16}{}\n", each.name, each.summary);
  fmt::print("{:<16}{}\n", "floor", "the least possible, against runnel-floor only");
}

// Runs the case on hashes, sets, sorted sets and scripts that `name` stands for; false if it stands
// for none.
bool RunValueNamed(const std::string& name, const Settings& settings, Report* report) {
  for (const Case& each : ValueCases()) {
    if (name != each.name) continue;
    report->Load(name, settings.Plan(name, 0), RunCase(each, settings));
    return true;
  }
  for (const MemoryCase& each : ValueMemoryCases()) {
    if (name != each.name) continue;
    report->Memory(each, RunMemory(each, settings));
    return true;
  }
  for (const Curve& each : ValueCurves()) {
    if (name != each.name) continue;
    each.run(settings, [&](const CurvePoint& point) { report->Point(each, point); });
    return true;
  }
  return false;
}

// Runs the case on topics that `name` stands for; false if it stands for none.
bool RunTopicNamed(const std::string& name, const Settings& settings, Report* report) {
  for (const Case& each : TopicCases()) {
    if (name != each.name) continue;
    report->Load(name, settings.Plan(name, 0), RunCase(each, settings));
    return true;
  }
  for (const MemoryCase& each : TopicMemoryCases()) {
    if (name != each.name) continue;
    report->Memory(each, RunMemory(each, settings));
    Control(settings.endpoint).DeleteTopic();
    return true;
  }
  for (const Curve& each : TopicCurves()) {
    if (name != each.name) continue;
    each.run(settings, [&](const CurvePoint& point) { report->Point(each, point); });
    return true;
  }
  if (name == "groups-topic") {
    report->Groups(name, settings, RunGroupsTopic(settings));
  } else if (name == "consume-topic") {
    report->Consume(name, settings, RunConsumeTopic(settings));
  } else if (name == "catchup-topic") {
    report->Consume(name, settings, RunCatchUpTopic(settings));
  } else {
    return false;
  }
  return true;
}

// Runs what `name` stands for; false if it stands for nothing.
bool RunNamed(const std::string& name, const Settings& settings, Report* report) {
  bool found = false;
  for (const Case& each : Cases()) {
    if (name != each.name) continue;
    found = true;
    report->Load(name, settings.Plan(name, 0), RunCase(each, settings));
  }
  for (const MemoryCase& each : MemoryCases()) {
    if (name != each.name && name != "memory") continue;
    found = true;
    report->Memory(each, RunMemory(each, settings));
  }
  for (const Curve& each : Curves()) {
    if (name != each.name && name != "curves") continue;
    found = true;
    each.run(settings, [&](const CurvePoint& point) { report->Point(each, point); });
  }
  if (name == "groups") {
    found = true;
    report->Groups(name, settings, RunGroups(settings));
  }
  if (name == "consume") {
    found = true;
    report->Consume(name, settings, RunConsume(settings));
  }
  if (name == "catchup") {
    found = true;
    report->Consume(name, settings, RunCatchUp(settings));
  }
  if (name == "floor") {
    found = true;
    report->Load(name, settings.Plan(name, 0), RunFloor(settings));
  }
  return found || RunValueNamed(name, settings, report) || RunTopicNamed(name, settings, report);
}

int Main(int argc, char** argv) {
  CLI::App app("Load tool for servers that speak RESP. It creates and deletes keys bench:*.",
               "runnel-bench");
  Options options;
  AddOptions(&app, &options);
  app.set_version_flag("--version", fmt::format("runnel-bench {}", kVersion));
  CLI11_PARSE(app, argc, argv);
  if (options.list) {
    List();
    return 0;
  }
  Settings& settings = options.settings;
  if (settings.threads > settings.connections) Fail("more threads than connections");
  AllowManyFiles();
  settings.progress = isatty(STDERR_FILENO) == 1;
  if (options.cases.empty()) {
    for (const Case& each : Cases()) {
      if (!each.only_named) options.cases.emplace_back(each.name);
    }
  }
  EndRunOnInterrupt();
  Report report(options.json);
  for (const std::string& name : options.cases) {
    if (Interrupted()) break;
    if (!RunNamed(name, settings, &report)) Fail("there is no case {}; --list shows all", name);
  }
  return 0;
}

}  // namespace

}  // namespace runnel::bench

int main(int argc, char** argv) {
  return runnel::bench::Main(argc, argv);
}
