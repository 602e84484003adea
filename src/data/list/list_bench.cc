// Costs of a list's operations, and its bytes of memory per element.

#include <benchmark/benchmark.h>

#include <memory>
#include <string>

#include "base/memory.h"
#include "data/list/list.h"

namespace runnel {
namespace {

std::unique_ptr<List> Filled(size_t count, size_t size) {
  auto list = std::make_unique<List>();
  const std::string value(size, 'v');
  for (size_t i = 0; i < count; i++) {
    list->PushFront(value);
  }
  return list;
}

void BM_PushFront(benchmark::State& state) {
  const std::string value(static_cast<size_t>(state.range(0)), 'v');
  auto list = std::make_unique<List>();
  for (auto _ : state) {
    list->PushFront(value);
    if (list->size() == 1 << 16) {
      state.PauseTiming();
      list = std::make_unique<List>();
      state.ResumeTiming();
    }
  }
}
BENCHMARK(BM_PushFront)->Arg(10)->Arg(100)->Arg(1000);

void BM_PushBack(benchmark::State& state) {
  const std::string value(static_cast<size_t>(state.range(0)), 'v');
  auto list = std::make_unique<List>();
  for (auto _ : state) {
    list->PushBack(value);
    if (list->size() == 1 << 16) {
      state.PauseTiming();
      list = std::make_unique<List>();
      state.ResumeTiming();
    }
  }
}
BENCHMARK(BM_PushBack)->Arg(10)->Arg(100)->Arg(1000);

void BM_ReadAndPopBack(benchmark::State& state) {
  auto list = Filled(1 << 16, static_cast<size_t>(state.range(0)));
  for (auto _ : state) {
    benchmark::DoNotOptimize(list->Back());
    list->PopBack();
    if (list->empty()) {
      state.PauseTiming();
      list = Filled(1 << 16, static_cast<size_t>(state.range(0)));
      state.ResumeTiming();
    }
  }
}
BENCHMARK(BM_ReadAndPopBack)->Arg(10)->Arg(100);

// A queue of constant length: one push and one pop.
void BM_Queue(benchmark::State& state) {
  auto list = Filled(static_cast<size_t>(state.range(0)), 100);
  const std::string value(100, 'v');
  for (auto _ : state) {
    list->PushFront(value);
    benchmark::DoNotOptimize(list->Back());
    list->PopBack();
  }
}
BENCHMARK(BM_Queue)->Arg(1)->Arg(10)->Arg(100)->Arg(10000)->Arg(1000000);

// A queue that is made, filled with so many elements, drained and freed; the time is per element.
void BM_FillAndDrain(benchmark::State& state) {
  const size_t count = static_cast<size_t>(state.range(0));
  const std::string value(100, 'v');
  while (state.KeepRunningBatch(static_cast<benchmark::IterationCount>(count))) {
    List list;
    for (size_t i = 0; i < count; i++) {
      list.PushFront(value);
    }
    while (!list.empty()) {
      list.PopBack();
    }
  }
}
BENCHMARK(BM_FillAndDrain)->Arg(1)->Arg(10)->Arg(80)->Arg(1000);

void BM_Index(benchmark::State& state) {
  const size_t count = static_cast<size_t>(state.range(0));
  const auto list = Filled(count, 10);
  size_t index = count / 2;
  for (auto _ : state) {
    benchmark::DoNotOptimize(list->At(index));
  }
}
BENCHMARK(BM_Index)->RangeMultiplier(10)->Range(10000, 10000000);

// Positions all over the list, in blocks with different numbers of elements.
void BM_IndexRandom(benchmark::State& state) {
  const size_t count = static_cast<size_t>(state.range(0));
  List list;
  uint64_t random = 1;
  for (size_t i = 0; i < count; i++) {
    random = random * 6364136223846793005 + 1442695040888963407;
    list.PushBack(std::string(i * 20 / count + (random >> 59), 'v'));
  }
  for (auto _ : state) {
    random = random * 6364136223846793005 + 1442695040888963407;
    benchmark::DoNotOptimize(list.At((random >> 32) % count));
  }
}
BENCHMARK(BM_IndexRandom)->RangeMultiplier(10)->Range(10000, 10000000);

// Per element of a range of 100 from the middle.
void BM_Range(benchmark::State& state) {
  const size_t count = static_cast<size_t>(state.range(0));
  const auto list = Filled(count, 10);
  size_t bytes = 0;
  while (state.KeepRunningBatch(100)) {
    List::Iterator it = list->Seek(count / 2);
    for (int i = 0; i < 100; i++, it.Next()) {
      bytes += it.value().size();
    }
  }
  benchmark::DoNotOptimize(bytes);
}
BENCHMARK(BM_Range)->Arg(1000)->Arg(10000000);

void BM_Set(benchmark::State& state) {
  const auto list = Filled(100000, static_cast<size_t>(state.range(0)));
  const std::string values[] = {std::string(static_cast<size_t>(state.range(0)), 'x'),
                                std::string(static_cast<size_t>(state.range(0)) + 1, 'y')};
  size_t i = 0;
  for (auto _ : state) {
    list->Set(50000, values[i++ & 1]);
  }
}
BENCHMARK(BM_Set)->Arg(10)->Arg(100);

void BM_Clone(benchmark::State& state) {
  const auto list = Filled(static_cast<size_t>(state.range(0)), 100);
  for (auto _ : state) {
    benchmark::DoNotOptimize(list->Clone());
  }
}
BENCHMARK(BM_Clone)->Arg(10)->Arg(1000000)->Unit(benchmark::kMicrosecond);

void BM_Memory(benchmark::State& state) {
  const size_t size = static_cast<size_t>(state.range(0));
  const size_t count = size <= 100 ? 1000000 : 100000;
  CountThisThread();
  double measured = 0;
  double told = 0;
  for (auto _ : state) {
    const size_t before = AllocatedBytes();
    const auto list = Filled(count, size);
    measured = static_cast<double>(AllocatedBytes() - before);
    told = static_cast<double>(list->MemoryBytes(0));
  }
  state.counters["measured"] = measured / static_cast<double>(count);
  state.counters["told"] = told / static_cast<double>(count);
}
BENCHMARK(BM_Memory)->Arg(10)->Arg(100)->Arg(1000)->Arg(3000)->Iterations(1);

}  // namespace
}  // namespace runnel
