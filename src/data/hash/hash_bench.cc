// Costs of a hash's operations, and its bytes of memory per field. The first argument is the number
// of fields; names have 20 bytes, values 100.

#include <benchmark/benchmark.h>

#include <algorithm>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "base/memory.h"
#include "base/numbers.h"
#include "data/hash/hash.h"

namespace runnel {
namespace {

// A name of 20 bytes without an allocation.
struct NameOf {
  explicit NameOf(uint64_t number) {
    std::fill(bytes, bytes + sizeof(bytes), 'f');
    char digits[kMaxDecimal];
    const size_t size = static_cast<size_t>(WriteDecimal(digits, number) - digits);
    std::copy(digits, digits + size, bytes + sizeof(bytes) - size);
  }
  std::string_view view() const { return {bytes, sizeof(bytes)}; }
  char bytes[20];
};

std::unique_ptr<Hash> FilledHash(uint64_t count, size_t value_size) {
  auto hash = std::make_unique<Hash>();
  const std::string value(value_size, 'v');
  for (uint64_t i = 0; i < count; i++) {
    hash->Set(NameOf(i).view(), value);
  }
  return hash;
}

void HashSizes(benchmark::internal::Benchmark* bench) {
  for (const int64_t size : {10, 1000, 1'000'000}) {
    bench->Arg(size);
  }
}

// Fields in no order, so that they are not in the processor's cache.
uint64_t Scatter(uint64_t i, uint64_t count) {
  return i * 0x9e3779b97f4a7c15 % count;
}

void BM_HashFind(benchmark::State& state) {
  const uint64_t count = static_cast<uint64_t>(state.range(0));
  const auto hash = FilledHash(count, 100);
  uint64_t i = 0;
  for (auto _ : state) {
    benchmark::DoNotOptimize(hash->Find(NameOf(Scatter(i++, count)).view()));
  }
}
BENCHMARK(BM_HashFind)->Apply(HashSizes);

void BM_HashOverwrite(benchmark::State& state) {
  const uint64_t count = static_cast<uint64_t>(state.range(0));
  const auto hash = FilledHash(count, 100);
  const std::string value(100, 'w');
  uint64_t i = 0;
  for (auto _ : state) {
    hash->Set(NameOf(Scatter(i++, count)).view(), value);
  }
}
BENCHMARK(BM_HashOverwrite)->Apply(HashSizes);

// One field goes and another comes; the time is that of both.
void BM_HashRemoveAndAdd(benchmark::State& state) {
  const uint64_t count = static_cast<uint64_t>(state.range(0));
  const auto hash = FilledHash(count, 100);
  const std::string value(100, 'w');
  uint64_t i = 0;
  for (auto _ : state) {
    const uint64_t number = Scatter(i / count * count + i, count) + i / count * count;
    hash->Remove(NameOf(number).view());
    hash->Set(NameOf(number + count).view(), value);
    i++;
  }
}
BENCHMARK(BM_HashRemoveAndAdd)->Apply(HashSizes);

// Filling a hash from nothing; the time is per field.
void BM_HashFill(benchmark::State& state) {
  const uint64_t count = static_cast<uint64_t>(state.range(0));
  while (state.KeepRunningBatch(static_cast<benchmark::IterationCount>(count))) {
    benchmark::DoNotOptimize(FilledHash(count, 100));
  }
}
BENCHMARK(BM_HashFill)->Arg(10)->Arg(1000)->Arg(1'000'000);

void BM_HashWalk(benchmark::State& state) {
  const uint64_t count = static_cast<uint64_t>(state.range(0));
  const auto hash = FilledHash(count, 100);
  size_t bytes = 0;
  while (state.KeepRunningBatch(static_cast<benchmark::IterationCount>(count))) {
    hash->fields().ForEach([&](const Field& field) { bytes += field.value.size(); });
  }
  benchmark::DoNotOptimize(bytes);
}
BENCHMARK(BM_HashWalk)->Arg(10)->Arg(1'000'000);

// A copy for a snapshot, and then the first changes after it, all over the value.
void BM_HashClone(benchmark::State& state) {
  const auto hash = FilledHash(static_cast<uint64_t>(state.range(0)), 10);
  for (auto _ : state) {
    benchmark::DoNotOptimize(hash->Clone());
  }
  state.counters["references"] = static_cast<double>(hash->fields().ShareEffort());
}
BENCHMARK(BM_HashClone)->Apply(HashSizes)->Arg(10'000'000)->Unit(benchmark::kMicrosecond);

void BM_HashOverwriteShared(benchmark::State& state) {
  const uint64_t count = static_cast<uint64_t>(state.range(0));
  const auto hash = FilledHash(count, 100);
  const std::string value(100, 'w');
  auto clone = hash->Clone();
  uint64_t i = 0;
  for (auto _ : state) {
    hash->Set(NameOf(Scatter(i++, count)).view(), value);
  }
}
BENCHMARK(BM_HashOverwriteShared)->Arg(1'000'000)->Iterations(20'000);

void BM_HashEncode(benchmark::State& state) {
  const auto hash = FilledHash(static_cast<uint64_t>(state.range(0)), 100);
  const bool stored = state.range(1) != 0;
  for (auto _ : state) {
    std::string payload;
    Encoder out(&payload);
    stored ? hash->EncodeStored(&out) : hash->Encode(&out);
    benchmark::DoNotOptimize(payload);
  }
}
BENCHMARK(BM_HashEncode)
    ->Args({10, 0})
    ->Args({1'000'000, 0})
    ->Args({1'000'000, 1})
    ->Unit(benchmark::kMicrosecond);

void BM_HashMemory(benchmark::State& state) {
  const uint64_t fields = static_cast<uint64_t>(state.range(0));
  const uint64_t hashes = 1'000'000 / fields;
  CountThisThread();
  double measured = 0;
  double told = 0;
  for (auto _ : state) {
    const size_t before = AllocatedBytes();
    std::vector<std::unique_ptr<Hash>> all;
    all.reserve(hashes);
    const size_t row = AllocatedBytes() - before;
    for (uint64_t i = 0; i < hashes; i++) {
      all.push_back(FilledHash(fields, static_cast<size_t>(state.range(1))));
      told += static_cast<double>(all.back()->MemoryBytes(0));
    }
    measured = static_cast<double>(AllocatedBytes() - before - row);
  }
  state.counters["measured"] = measured / 1e6;
  state.counters["told"] = told / 1e6;
}
BENCHMARK(BM_HashMemory)
    ->Args({10, 10})
    ->Args({10, 100})
    ->Args({100, 10})
    ->Args({1'000'000, 10})
    ->Args({1'000'000, 100})
    ->Args({1'000'000, 1000})
    ->Iterations(1);

}  // namespace
}  // namespace runnel
