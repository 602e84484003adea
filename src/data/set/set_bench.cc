// Costs of a set's operations, and its bytes of memory per member. The first argument is the number
// of members, the second their size; 0 stands for integers.

#include <benchmark/benchmark.h>

#include <memory>
#include <string>
#include <vector>

#include "base/memory.h"
#include "data/set/set.h"

namespace runnel {
namespace {

std::string MemberOf(uint64_t number, size_t size) {
  std::string member = std::to_string(number);
  if (member.size() < size) member.insert(0, size - member.size(), 'm');
  return member;
}

std::unique_ptr<Set> FilledSet(uint64_t count, size_t size) {
  auto set = std::make_unique<Set>();
  for (uint64_t i = 0; i < count; i++) {
    set->Add(MemberOf(i * 7, size));
  }
  return set;
}

// Names are made before, not while the time is taken.
std::vector<std::string> SomeMembers(uint64_t count, size_t size) {
  std::vector<std::string> members;
  for (uint64_t i = 0; i < (1 << 18); i++) {
    members.push_back(MemberOf(i * 0x9e3779b97f4a7c15 % count * 7, size));
  }
  return members;
}

void SetSizes(benchmark::internal::Benchmark* bench) {
  for (const int64_t count : {10, 500, 1000, 1'000'000}) {
    bench->Args({count, 0})->Args({count, 20});
  }
}

void BM_SetContains(benchmark::State& state) {
  const uint64_t count = static_cast<uint64_t>(state.range(0));
  const size_t size = static_cast<size_t>(state.range(1));
  const auto set = FilledSet(count, size);
  const auto members = SomeMembers(count, size);
  size_t i = 0;
  for (auto _ : state) {
    benchmark::DoNotOptimize(set->Contains(members[i++ % members.size()]));
  }
}
BENCHMARK(BM_SetContains)->Apply(SetSizes);

// A member goes and comes back; the time is that of both.
void BM_SetRemoveAndAdd(benchmark::State& state) {
  const uint64_t count = static_cast<uint64_t>(state.range(0));
  const size_t size = static_cast<size_t>(state.range(1));
  const auto set = FilledSet(count, size);
  const auto members = SomeMembers(count, size);
  size_t i = 0;
  for (auto _ : state) {
    const std::string& member = members[i++ % members.size()];
    set->Remove(member);
    set->Add(member);
  }
}
BENCHMARK(BM_SetRemoveAndAdd)->Apply(SetSizes);

// SPOP: a random member goes, and a new one comes.
void BM_SetPopRandom(benchmark::State& state) {
  const uint64_t count = static_cast<uint64_t>(state.range(0));
  const size_t size = static_cast<size_t>(state.range(1));
  const auto set = FilledSet(count, size);
  uint64_t random = 1;
  for (auto _ : state) {
    random = random * 6364136223846793005 + 1442695040888963407;
    Set::Buffer buffer;
    const std::string member(set->Random(random, &buffer));
    set->Remove(member);
    set->Add(member);
  }
}
BENCHMARK(BM_SetPopRandom)->Apply(SetSizes);

void BM_SetMemory(benchmark::State& state) {
  const uint64_t members = static_cast<uint64_t>(state.range(0));
  const uint64_t sets = 1'000'000 / members;
  CountThisThread();
  double measured = 0;
  double told = 0;
  for (auto _ : state) {
    const size_t before = AllocatedBytes();
    std::vector<std::unique_ptr<Set>> all;
    all.reserve(sets);
    const size_t row = AllocatedBytes() - before;
    for (uint64_t i = 0; i < sets; i++) {
      all.push_back(FilledSet(members, static_cast<size_t>(state.range(1))));
      told += static_cast<double>(all.back()->MemoryBytes(0));
    }
    measured = static_cast<double>(AllocatedBytes() - before - row);
  }
  state.counters["measured"] = measured / 1e6;
  state.counters["told"] = told / 1e6;
}
BENCHMARK(BM_SetMemory)->Apply(SetSizes)->Iterations(1);

}  // namespace
}  // namespace runnel
