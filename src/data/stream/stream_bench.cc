#include "data/stream/stream.h"

#include <benchmark/benchmark.h>

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

// Streams as clients of a broker use them: entries of one field with 100 bytes, or of five small
// ones. Arguments named `entries` are the length of the stream meanwhile.

namespace runnel {
namespace {

const std::string kValue(100, 'v');
const std::vector<std::string_view> kOneField = {"field", kValue};
const std::vector<std::string_view> kFiveFields = {
    "id", "1234567", "user", "somebody", "kind", "purchase", "price", "12.50", "place", "Lisboa"};

// As a server sees them: a few entries in each millisecond.
StreamId IdOf(uint64_t number) {
  return {1'700'000'000'000 + number / 16, number % 16};
}

void Fill(Stream* stream, uint64_t entries,
          const std::vector<std::string_view>& fields = kOneField) {
  for (uint64_t i = 0; i < entries; i++) {
    stream->Append(IdOf(i), fields, StreamLimits());
  }
}

void ReportBytesPerEntry(benchmark::State* state, const Stream& stream) {
  state->counters["bytes/entry"] =
      static_cast<double>(stream.MemoryBytes(0)) / static_cast<double>(stream.length());
}

void AppendEntries(benchmark::State& state, const std::vector<std::string_view>& fields) {
  const auto kept = static_cast<uint64_t>(state.range(0));
  Stream stream;
  Fill(&stream, kept, fields);
  uint64_t number = kept;
  for (auto _ : state) {
    stream.Append(IdOf(number++), fields, StreamLimits());
    // Trimmed a block's worth at a time, so that what is measured is appending.
    if (stream.length() > kept + 1000) stream.DropOldest(1000);
  }
  ReportBytesPerEntry(&state, stream);
}
void BM_AppendOneField(benchmark::State& state) {
  AppendEntries(state, kOneField);
}
void BM_AppendFiveFields(benchmark::State& state) {
  AppendEntries(state, kFiveFields);
}
BENCHMARK(BM_AppendOneField)->ArgName("entries")->Arg(10'000)->Arg(1'000'000)->Arg(10'000'000);
BENCHMARK(BM_AppendFiveFields)->ArgName("entries")->Arg(10'000)->Arg(1'000'000);

void BM_AppendAndTrimExactly(benchmark::State& state) {
  const auto kept = static_cast<uint64_t>(state.range(0));
  Stream stream;
  Fill(&stream, kept);
  StreamTrim trim;
  trim.max_length = kept;
  uint64_t number = kept;
  for (auto _ : state) {
    const EntryLog::Addition added = {IdOf(number++), kOneField, StreamLimits()};
    const uint64_t dropped = stream.PlanTrim(trim, &added);
    stream.Append(added.id, added.fields, added.limits);
    stream.DropOldest(dropped);
  }
}
BENCHMARK(BM_AppendAndTrimExactly)->ArgName("entries")->Arg(1000)->Arg(1'000'000);

// A reader without a group that follows with one entry a call: a search for an ID, and one entry.
void BM_SeekAndReadOne(benchmark::State& state) {
  const auto entries = static_cast<uint64_t>(state.range(0));
  Stream stream;
  Fill(&stream, entries);
  uint64_t number = 0;
  size_t bytes = 0;
  for (auto _ : state) {
    const EntryCursor at = stream.SeekAfter(IdOf(number));
    for (const EntryView::Field& field : *at) {
      bytes += field.value.size();
    }
    number = number + 2 < entries ? number + 1 : 0;
  }
  benchmark::DoNotOptimize(bytes);
}
BENCHMARK(BM_SeekAndReadOne)->ArgName("entries")->Arg(10'000)->Arg(1'000'000)->Arg(10'000'000);

void BM_SeekAnywhere(benchmark::State& state) {
  const auto entries = static_cast<uint64_t>(state.range(0));
  Stream stream;
  Fill(&stream, entries);
  uint64_t number = 0;
  for (auto _ : state) {
    benchmark::DoNotOptimize(stream.Contains(IdOf(number)));
    number = (number * 2862933555777941757 + 3037000493) % entries;
  }
}
BENCHMARK(BM_SeekAnywhere)->ArgName("entries")->Arg(10'000)->Arg(1'000'000)->Arg(10'000'000);

// Time is that of a whole range.
void ReadRange(benchmark::State& state, const std::vector<std::string_view>& fields,
               bool backward) {
  constexpr uint64_t kEntries = 100'000;
  const auto count = static_cast<uint64_t>(state.range(0));
  Stream stream;
  Fill(&stream, kEntries, fields);
  uint64_t number = 0;
  size_t bytes = 0;
  for (auto _ : state) {
    EntryCursor at =
        backward ? stream.SeekBack(IdOf(kEntries - 1 - number)) : stream.Seek(IdOf(number));
    for (uint64_t i = 0; i < count && at.valid(); i++) {
      for (const EntryView::Field& field : *at) {
        bytes += field.name.size() + field.value.size();
      }
      backward ? at.Previous() : at.Next();
    }
    number = (number + count) % (kEntries - count);
  }
  benchmark::DoNotOptimize(bytes);
}
void BM_RangeOneField(benchmark::State& state) {
  ReadRange(state, kOneField, false);
}
void BM_RangeFiveFields(benchmark::State& state) {
  ReadRange(state, kFiveFields, false);
}
void BM_RangeBackward(benchmark::State& state) {
  ReadRange(state, kOneField, true);
}
BENCHMARK(BM_RangeOneField)->ArgName("count")->Arg(1)->Arg(10)->Arg(100);
BENCHMARK(BM_RangeFiveFields)->ArgName("count")->Arg(100);
BENCHMARK(BM_RangeBackward)->ArgName("count")->Arg(100);

// What XREADGROUP COUNT n and XACK do to the stream: find what is new, deliver it, acknowledge it.
void BM_ReadGroupAndAck(benchmark::State& state) {
  const auto entries = static_cast<uint64_t>(state.range(0));
  const auto groups = static_cast<size_t>(state.range(1));
  const auto count = static_cast<uint64_t>(state.range(2));
  Stream stream;
  Fill(&stream, entries);
  std::vector<ConsumerGroup*> readers;
  for (size_t i = 0; i < groups; i++) {
    readers.push_back(&stream.CreateGroup("group" + std::to_string(i), {}, 0));
    readers.back()->CreateConsumer("consumer", 0);
  }
  size_t turn = 0;
  std::vector<StreamId> ids;
  for (auto _ : state) {
    ConsumerGroup* const group = readers[turn];
    turn = turn + 1 < groups ? turn + 1 : 0;
    const Consumer* consumer = group->FindConsumer("consumer");
    EntryCursor at = stream.SeekNew(*group);
    if (!at.valid()) {
      group->SetLastDelivered({}, 0);
      continue;
    }
    ids.clear();
    for (; at.valid() && ids.size() < count; at.Next()) {
      ids.push_back(at->id());
    }
    stream.Deliver(group, consumer->index, ids.back(), 1'700'000'000'000, false);
    group->Ack(ids);
  }
}
BENCHMARK(BM_ReadGroupAndAck)
    ->ArgNames({"entries", "groups", "count"})
    ->Args({10'000, 1, 1})
    ->Args({10'000'000, 1, 1})
    ->Args({10'000, 100, 1})
    ->Args({10'000, 1, 100});

void BM_DeleteOldest(benchmark::State& state) {
  Stream stream;
  uint64_t number = 0;
  uint64_t oldest = 0;
  for (; number < 10'000; number++) {
    stream.Append(IdOf(number), kOneField, StreamLimits());
  }
  for (auto _ : state) {
    stream.Append(IdOf(number++), kOneField, StreamLimits());
    stream.Delete(IdOf(oldest++));
  }
}
BENCHMARK(BM_DeleteOldest);

}  // namespace
}  // namespace runnel
