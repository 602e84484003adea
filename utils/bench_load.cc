#include "utils/bench_load.h"

#include <csignal>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "utils/bench_clock.h"
#include "utils/bench_fail.h"
#include "utils/bench_worker.h"

namespace runnel::bench {

namespace {

std::atomic<bool> interrupted = false;

// A line on standard error that is rewritten twice a second, from construction to destruction.
class ProgressLine {
 public:
  ProgressLine(const LoadPlan& plan, const Together& together)
      : thread_([this, &plan, &together] { Print(plan, together); }) {}

  ~ProgressLine() {
    {
      const std::lock_guard lock(mutex_);
      done_ = true;
    }
    wake_.notify_one();
    thread_.join();
    fmt::print(stderr, "\r\033[K");
  }

 private:
  void Print(const LoadPlan& plan, const Together& together) {
    constexpr auto kPeriod = std::chrono::milliseconds(500);
    uint64_t replies_before = 0;
    uint64_t before_ns = NowNs();
    std::unique_lock lock(mutex_);
    while (!wake_.wait_for(lock, kPeriod, [this] { return done_; })) {
      const uint64_t replies = together.replies;
      const uint64_t now_ns = NowNs();
      const double rate = static_cast<double>(replies - replies_before) * 1e9 /
                          static_cast<double>(now_ns - before_ns);
      fmt::print(stderr, "\r\033[K{}  {} of {} requests  {:.0f}/s", plan.name, replies,
                 plan.requests, rate);
      std::fflush(stderr);
      replies_before = replies;
      before_ns = now_ns;
    }
  }

  std::mutex mutex_;
  std::condition_variable wake_;
  bool done_ = false;
  std::thread thread_;  // last: it uses the others
};

// Part `index` of `whole` cut into `parts` that differ by one at most.
uint64_t Part(uint64_t whole, int index, int parts) {
  const auto n = static_cast<uint64_t>(parts);
  const auto i = static_cast<uint64_t>(index);
  return whole * (i + 1) / n - whole * i / n;
}

std::vector<std::unique_ptr<Worker>> MakeWorkers(const LoadPlan& plan, const Workload& workload,
                                                 Together* together) {
  std::vector<std::unique_ptr<Worker>> workers;
  uint64_t first = 0;
  int first_connection = 0;
  for (int i = 0; i < plan.threads; ++i) {
    Share share;
    share.first = first;
    share.requests = Part(plan.requests, i, plan.threads);
    share.connections =
        static_cast<int>(Part(static_cast<uint64_t>(plan.connections), i, plan.threads));
    share.first_connection = first_connection;
    first_connection += share.connections;
    // One worker has all the subscribers, so that it alone can tell when everything is delivered.
    share.subscribers = i == 0 ? workload.subscribers : 0;
    share.rate = plan.rate / plan.threads;
    first += share.requests;
    workers.push_back(std::make_unique<Worker>(plan, workload, share, together));
  }
  return workers;
}

}  // namespace

void EndRunOnInterrupt() {
  struct sigaction action {};
  action.sa_handler = [](int) { interrupted = true; };
  action.sa_flags = static_cast<int>(SA_RESETHAND);
  sigaction(SIGINT, &action, nullptr);
}

bool Interrupted() {
  return interrupted;
}

std::string Expected::Mismatch(const ReplyCounts& counts, uint64_t requests) const {
  const auto n = static_cast<int64_t>(requests);
  const int64_t integers = integers_count_up ? n * (n + 1) / 2 : n * integer_per_reply;
  if (counts.bulks != bulks_per_reply * requests) {
    return fmt::format("the replies hold {} strings, not {}", counts.bulks,
                       bulks_per_reply * requests);
  }
  if (counts.integers != integers) {
    return fmt::format("the replies add up to {}, not to {}", counts.integers, integers);
  }
  return {};
}

LoadResult RunLoad(const LoadPlan& plan, const Workload& workload) {
  const ProcessCpu server_cpu(plan.server_pid);
  Together together;
  together.unfinished = plan.threads;
  const auto workers = MakeWorkers(plan, workload, &together);
  server_cpu.WaitUntilIdle();

  std::unique_ptr<ProgressLine> progress;
  if (plan.progress) progress = std::make_unique<ProgressLine>(plan, together);
  const uint64_t own_cpu_before = OwnCpuNs();
  const uint64_t server_cpu_before = server_cpu.Ns();
  const uint64_t start_ns = NowNs();
  std::vector<std::thread> threads;
  for (int i = 1; i < plan.threads; ++i) {
    threads.emplace_back([&workers, i, start_ns] { workers[i]->Run(start_ns); });
  }
  workers[0]->Run(start_ns);
  for (std::thread& thread : threads)
    thread.join();

  LoadResult result;
  result.seconds = static_cast<double>(NowNs() - start_ns) / 1e9;
  result.server_cpu_ns = server_cpu.Ns() - server_cpu_before;
  result.own_cpu_ns = OwnCpuNs() - own_cpu_before;
  for (const auto& worker : workers) {
    result.counts.Add(worker->Counts());
    result.latency.Add(worker->latency());
    if (result.first_error.empty()) result.first_error = worker->FirstError();
  }
  result.requests = together.replies;
  if (result.counts.errors > 0) {
    Fail("{}: {} errors, the first one: {}", plan.name, result.counts.errors, result.first_error);
  }
  if (workload.expected) {
    const std::string mismatch = workload.expected->Mismatch(result.counts, result.requests);
    if (!mismatch.empty()) Fail("{}: {}", plan.name, mismatch);
  }
  return result;
}

void Fill(const Endpoint& endpoint, const Words& request, const Numbers& numbers, uint64_t requests,
          int connections, int pipeline) {
  LoadPlan plan;
  plan.name = "fill";
  plan.endpoint = endpoint;
  plan.connections = connections;
  plan.pipeline = pipeline;
  plan.requests = requests;
  Workload workload;
  workload.requests = {request};
  workload.numbers = numbers;
  RunLoad(plan, workload);
}

}  // namespace runnel::bench
