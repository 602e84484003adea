// A keyspace of 5 million entries of 100 bytes in 1000 streams, 500 MB: saved, loaded, and what the
// loop does for it meanwhile.

#include <benchmark/benchmark.h>

#include <cstdlib>
#include <string>
#include <thread>

#include "base/assert.h"
#include "base/memory.h"
#include "base/random.h"
#include "data/keyspace.h"
#include "data/stream/stream.h"
#include "env/posix/posix_disk.h"
#include "env/thread_worker.h"
#include "snapshot/files.h"
#include "snapshot/load.h"
#include "snapshot/snapshotter.h"

namespace runnel::snapshot {
namespace {

constexpr uint64_t kStreams = 1000;
constexpr uint64_t kEntries = 5000;

std::string Directory() {
  const char* directory = std::getenv("TMPDIR");
  return std::string(directory == nullptr ? "/tmp" : directory) + "/runnel_snapshot_bench";
}

// Words from a small vocabulary and numbers: about as compressible as messages are.
std::string Message(Random& random) {
  static constexpr std::string_view kWords[] = {"order", "paid",   "created", "user",   "amount",
                                                "item",  "status", "pending", "region", "eu-west"};
  std::string message;
  while (message.size() < 90) {
    message += kWords[random.Below(std::size(kWords))];
    message += '=';
    message += std::to_string(random.Below(1'000'000));
    message += ';';
  }
  message.resize(90);
  return message;
}

Keyspace& Filled() {
  static Keyspace keyspace(16);
  if (keyspace.size(0) > 0) return keyspace;
  Random random(1);
  for (uint64_t s = 0; s < kStreams; s++) {
    auto stream = std::make_unique<Stream>();
    for (uint64_t i = 0; i < kEntries; i++) {
      const std::string message = Message(random);
      const std::string_view fields[] = {"message", message};
      stream->Append({1'700'000'000'000 + i, s}, fields, {});
    }
    const std::string name = "stream:" + std::to_string(s);
    keyspace.Put(KeyRef(0, name), std::move(stream));
  }
  return keyspace;
}

void Save(benchmark::State& state, Keyspace& keyspace) {
  CountThisThread();
  ThreadWorker worker([] {});
  Snapshotter snapshotter(&SystemDisk(), &worker, &keyspace, Directory());
  int64_t longest_ns = 0;
  size_t most_bytes = 0;
  SnapshotTotals totals;
  const size_t before = AllocatedBytes();
  snapshotter.Begin({1, 0, 0, 0}, [&](const Status& status, const SnapshotTotals& of) {
    CHECK(status.ok());
    totals = of;
  });
  while (snapshotter.busy()) {
    const auto begin = std::chrono::steady_clock::now();
    snapshotter.Step(1000);
    const auto taken = std::chrono::steady_clock::now() - begin;
    longest_ns = std::max<int64_t>(longest_ns, taken.count());
    most_bytes = std::max(most_bytes, AllocatedBytes());
    worker.Deliver();
    std::this_thread::yield();
  }
  state.counters["file_MB"] = static_cast<double>(totals.file_bytes) / 1e6;
  state.counters["raw_MB"] = static_cast<double>(totals.raw_bytes) / 1e6;
  state.counters["step_us"] = static_cast<double>(longest_ns) / 1e3;
  state.counters["extra_MB"] = static_cast<double>(most_bytes - before) / 1e6;
}

void BM_Save(benchmark::State& state) {
  Keyspace& keyspace = Filled();
  for (auto _ : state) {
    Save(state, keyspace);
  }
}
BENCHMARK(BM_Save)->Unit(benchmark::kMillisecond)->Iterations(3)->UseRealTime();

void BM_Load(benchmark::State& state) {
  Filled();
  for (auto _ : state) {
    Keyspace keyspace(16);
    const auto loaded =
        LoadSnapshot(SystemDisk(), SnapshotPath(Directory(), 1), &keyspace, nullptr);
    CHECK(loaded.ok());
    state.PauseTiming();
    for (uint32_t db = 0; db < keyspace.databases(); db++) {
      keyspace.Flush(db);
    }
    state.ResumeTiming();
  }
}
BENCHMARK(BM_Load)->Unit(benchmark::kMillisecond)->Iterations(3)->UseRealTime();

}  // namespace
}  // namespace runnel::snapshot
