#include "data/stream/pending_list.h"

#include <benchmark/benchmark.h>

#include <cstdint>
#include <vector>

// The pending list of a group. `pending` is its length meanwhile.

namespace runnel {
namespace {

constexpr int64_t kNow = 1'700'000'000'000;

StreamId IdOf(uint64_t number) {
  return {1'700'000'000'000 + number / 16, number % 16};
}

void Fill(PendingList* list, uint64_t pending) {
  for (uint64_t i = 0; i < pending; i++) {
    list->Put(IdOf(i), static_cast<ConsumerIndex>(i % 10), kNow, 1);
  }
}

// In the order of delivery, as one consumer acknowledges.
void BM_DeliverAndAckOldest(benchmark::State& state) {
  const auto pending = static_cast<uint64_t>(state.range(0));
  PendingList list;
  Fill(&list, pending);
  uint64_t number = pending;
  for (auto _ : state) {
    list.Put(IdOf(number), 1, kNow, 1);
    list.Remove(IdOf(number - pending));
    number++;
  }
  if (pending > 0) {
    state.counters["bytes/entry"] =
        static_cast<double>(list.MemoryBytes()) / static_cast<double>(list.size());
  }
}
BENCHMARK(BM_DeliverAndAckOldest)
    ->ArgName("pending")
    ->Arg(0)
    ->Arg(100)
    ->Arg(10'000)
    ->Arg(10'000'000);

// While an old backlog is never touched.
void BM_DeliverAndAckNewest(benchmark::State& state) {
  const auto pending = static_cast<uint64_t>(state.range(0));
  PendingList list;
  Fill(&list, pending);
  uint64_t number = pending;
  for (auto _ : state) {
    list.Put(IdOf(number), 1, kNow, 1);
    list.Remove(IdOf(number));
    number++;
  }
}
BENCHMARK(BM_DeliverAndAckNewest)->ArgName("pending")->Arg(10'000)->Arg(10'000'000);

// As many consumers do: of the latest 10 000 pending entries any one is acknowledged.
void BM_DeliverAndAckAny(benchmark::State& state) {
  const auto pending = static_cast<uint64_t>(state.range(0));
  PendingList list;
  Fill(&list, pending);
  std::vector<StreamId> unacknowledged;
  uint64_t number = pending;
  for (; unacknowledged.size() < 10'000; number++) {
    list.Put(IdOf(number), 1, kNow, 1);
    unacknowledged.push_back(IdOf(number));
  }
  uint64_t random = 1;
  for (auto _ : state) {
    random = random * 6364136223846793005 + 1442695040888963407;
    StreamId& id = unacknowledged[(random >> 33) % unacknowledged.size()];
    list.Remove(id);
    id = IdOf(number++);
    list.Put(id, 1, kNow, 1);
  }
}
BENCHMARK(BM_DeliverAndAckAny)->ArgName("pending")->Arg(0)->Arg(10'000'000);

void BM_Find(benchmark::State& state) {
  const auto pending = static_cast<uint64_t>(state.range(0));
  PendingList list;
  Fill(&list, pending);
  uint64_t number = 0;
  for (auto _ : state) {
    benchmark::DoNotOptimize(list.Find(IdOf(number)));
    number = (number * 2862933555777941757 + 3037000493) % pending;
  }
}
BENCHMARK(BM_Find)->ArgName("pending")->Arg(10'000)->Arg(10'000'000);

// What every change costs once somebody asked for the oldest (XREADGROUP CLAIM).
void BM_DeliverAndAckOldestByAge(benchmark::State& state) {
  const auto pending = static_cast<uint64_t>(state.range(0));
  PendingList list;
  Fill(&list, pending);
  int64_t now = kNow;
  uint64_t number = pending;
  for (auto _ : state) {
    list.Put(IdOf(number++), 1, now++, 1);
    list.Remove(list.Oldest()->id);
  }
  state.counters["bytes/entry"] =
      static_cast<double>(list.MemoryBytes()) / static_cast<double>(list.size());
}
BENCHMARK(BM_DeliverAndAckOldestByAge)->ArgName("pending")->Arg(100)->Arg(1'000'000);

// What a snapshot does on the loop, and what the first change of each chunk costs afterwards.
void BM_Clone(benchmark::State& state) {
  PendingList list;
  Fill(&list, static_cast<uint64_t>(state.range(0)));
  for (auto _ : state) {
    PendingList clone = list.Clone();
    state.PauseTiming();
    clone = PendingList();
    state.ResumeTiming();
  }
}
BENCHMARK(BM_Clone)->ArgName("pending")->Arg(10'000)->Arg(10'000'000);

}  // namespace
}  // namespace runnel
