// Costs of a sorted set's operations, and its bytes of memory per member. The argument is the
// number of members, which have 20 bytes and scores in no order; a second one says whether the
// scores are integers.

#include <benchmark/benchmark.h>

#include <cmath>
#include <memory>
#include <string>
#include <vector>

#include "base/memory.h"
#include "data/sorted_set/sorted_set.h"

namespace runnel {
namespace {

std::string ScoredMember(uint64_t number) {
  std::string member = std::to_string(number);
  return member.insert(0, 20 - member.size(), 'm');
}

double ScoreFor(uint64_t number, uint64_t count) {
  return static_cast<double>(number * 0x9e3779b97f4a7c15 % (4 * count)) / 4;
}

std::unique_ptr<SortedSet> FilledSortedSet(uint64_t count, bool whole_scores = false) {
  auto set = std::make_unique<SortedSet>();
  for (uint64_t i = 0; i < count; i++) {
    const double score = ScoreFor(i, count);
    set->Set(ScoredMember(i), whole_scores ? std::trunc(score) : score);
  }
  return set;
}

std::vector<std::string> SomeScored(uint64_t count) {
  std::vector<std::string> members;
  for (uint64_t i = 0; i < (1 << 18); i++) {
    members.push_back(ScoredMember(i * 0x9e3779b97f4a7c15 % count));
  }
  return members;
}

void SortedSetSizes(benchmark::internal::Benchmark* bench) {
  for (const int64_t count : {10, 100, 1000, 1'000'000}) {
    bench->Arg(count);
  }
}

void BM_SortedSetScore(benchmark::State& state) {
  const uint64_t count = static_cast<uint64_t>(state.range(0));
  const auto set = FilledSortedSet(count);
  const auto members = SomeScored(count);
  size_t i = 0;
  for (auto _ : state) {
    benchmark::DoNotOptimize(set->Score(members[i++ % members.size()]));
  }
}
BENCHMARK(BM_SortedSetScore)->Apply(SortedSetSizes);

void BM_SortedSetRank(benchmark::State& state) {
  const uint64_t count = static_cast<uint64_t>(state.range(0));
  const auto set = FilledSortedSet(count);
  const auto members = SomeScored(count);
  size_t i = 0;
  for (auto _ : state) {
    benchmark::DoNotOptimize(set->Rank(members[i++ % members.size()]));
  }
}
BENCHMARK(BM_SortedSetRank)->Apply(SortedSetSizes);

// A member gets another score.
void BM_SortedSetMove(benchmark::State& state) {
  const uint64_t count = static_cast<uint64_t>(state.range(0));
  const auto set = FilledSortedSet(count);
  const auto members = SomeScored(count);
  uint64_t i = 0;
  for (auto _ : state) {
    set->Set(members[i % members.size()], ScoreFor(i + 77, count));
    i++;
  }
}
BENCHMARK(BM_SortedSetMove)->Apply(SortedSetSizes);

// A member goes and comes back; the time is that of both.
void BM_SortedSetRemoveAndAdd(benchmark::State& state) {
  const uint64_t count = static_cast<uint64_t>(state.range(0));
  const auto set = FilledSortedSet(count);
  const auto members = SomeScored(count);
  uint64_t i = 0;
  for (auto _ : state) {
    const std::string& member = members[i % members.size()];
    set->Remove(member);
    set->Set(member, ScoreFor(i++, count));
  }
}
BENCHMARK(BM_SortedSetRemoveAndAdd)->Apply(SortedSetSizes);

// A queue of delayed jobs: the first goes, another comes with a time behind all of them.
void BM_SortedSetPopFirst(benchmark::State& state) {
  const uint64_t count = static_cast<uint64_t>(state.range(0));
  auto set = std::make_unique<SortedSet>();
  for (uint64_t i = 0; i < count; i++) {
    set->Set(ScoredMember(i), static_cast<double>(i));
  }
  double score = static_cast<double>(count);
  for (auto _ : state) {
    const std::string member(set->Seek(0).member());
    set->RemoveRange({0, 1});
    set->Set(member, score++);
  }
}
BENCHMARK(BM_SortedSetPopFirst)->Apply(SortedSetSizes);

// Ten members from a score on.
void BM_SortedSetRange(benchmark::State& state) {
  const uint64_t count = static_cast<uint64_t>(state.range(0));
  const auto set = FilledSortedSet(count);
  uint64_t i = 0;
  size_t bytes = 0;
  for (auto _ : state) {
    const double from = ScoreFor(i++, count);
    const RankRange range = set->Find({from}, {from + 1e9});
    SortedSet::Iterator at = set->Seek(range.begin);
    for (int k = 0; k < 10 && at.Valid(); k++, at.Next()) {
      bytes += at.member().size();
    }
  }
  benchmark::DoNotOptimize(bytes);
}
BENCHMARK(BM_SortedSetRange)->Apply(SortedSetSizes);

void BM_SortedSetClone(benchmark::State& state) {
  const auto set = FilledSortedSet(static_cast<uint64_t>(state.range(0)));
  for (auto _ : state) {
    benchmark::DoNotOptimize(set->Clone());
  }
}
BENCHMARK(BM_SortedSetClone)->Arg(10)->Arg(1'000'000)->Unit(benchmark::kMicrosecond);

void BM_SortedSetMemory(benchmark::State& state) {
  const uint64_t members = static_cast<uint64_t>(state.range(0));
  const uint64_t sets = 1'000'000 / members;
  CountThisThread();
  double measured = 0;
  double told = 0;
  for (auto _ : state) {
    const size_t before = AllocatedBytes();
    std::vector<std::unique_ptr<SortedSet>> all;
    all.reserve(sets);
    const size_t row = AllocatedBytes() - before;
    for (uint64_t i = 0; i < sets; i++) {
      all.push_back(FilledSortedSet(members, state.range(1) != 0));
      told += static_cast<double>(all.back()->MemoryBytes(0));
    }
    measured = static_cast<double>(AllocatedBytes() - before - row);
  }
  state.counters["measured"] = measured / 1e6;
  state.counters["told"] = told / 1e6;
}
BENCHMARK(BM_SortedSetMemory)->ArgsProduct({{10, 100, 1000, 1'000'000}, {0, 1}})->Iterations(1);

}  // namespace
}  // namespace runnel
