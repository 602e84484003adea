#include "commands/topic/fetch.h"

#include <algorithm>
#include <utility>
#include <vector>

namespace runnel::commands {
namespace {

// A key in the reply that EntryReplyBytes does not count: a null.
constexpr uint64_t kKeyBytes = 5;

// Goes on in one source until it has `records` records of `bytes` in all, or no more.
struct Taker {
  explicit Taker(FetchSource* source) : source(source), next(source->at) {}

  FetchSource* source;
  EntryCursor next;  // the first record that is not taken
  EntrySizer sizes;
  uint64_t bytes = 0;
  bool ended = false;

  // Returns how many it took. `first`: nothing was taken of any source, so one is taken anyway.
  uint64_t Take(uint64_t records, uint64_t most_bytes, uint64_t added, bool first) {
    uint64_t taken = 0;
    while (taken < records && !ended) {
      const uint64_t size = sizes.BytesOf(*next) + added;
      if (size > most_bytes && !(first && taken == 0)) break;
      most_bytes -= std::min(size, most_bytes);
      bytes += size;
      taken++;
      if (++source->count == source->most) {
        ended = true;
        break;
      }
      next.Next();
      ended = !next.valid();
    }
    return taken;
  }
};

// The records are written at once, so nobody has to walk over them twice.
uint64_t FetchWritten(FetchSource& source, const FetchLimits& limits, bool first, EntryForm form,
                      int protocol) {
  const uint64_t most = std::min(limits.records, source.most);
  const uint64_t count = source.at.CountTo(StreamId::Max(), most);
  ReplyWriter writer(&source.written);
  writer.set_protocol(protocol);
  source.count = WriteEntriesWithin(writer, form, source.at, count, limits.bytes, first);
  return source.count;
}

}  // namespace

uint64_t FetchRecords(std::span<FetchSource> sources, const FetchLimits& limits, EntryForm form,
                      int protocol) {
  const uint64_t added = form == EntryForm::kKeyed ? kKeyBytes : 0;
  std::vector<Taker> takers;
  takers.reserve(sources.size());
  for (FetchSource& source : sources) {
    source.count = 0;
    if (source.at.valid()) takers.emplace_back(&source);
  }
  if (takers.empty()) return 0;
  if (takers.size() == 1) return FetchWritten(*takers[0].source, limits, true, form, protocol);
  uint64_t total = 0;
  uint64_t bytes = 0;
  size_t active = takers.size();
  // Each round divides what is left. A source that ends or is full leaves its share to the others;
  // at least one ends in each round, or all have the whole of their share.
  while (active > 0 && total < limits.records && (bytes < limits.bytes || total == 0)) {
    const uint64_t records = std::max<uint64_t>((limits.records - total) / active, 1);
    const uint64_t share = (limits.bytes - std::min(bytes, limits.bytes)) / active;
    uint64_t taken = 0;
    size_t still = 0;
    for (Taker& taker : takers) {
      if (taker.ended) continue;
      if (total >= limits.records) break;
      const uint64_t before = taker.bytes;
      const uint64_t some =
          taker.Take(std::min(records, limits.records - total), share, added, total == 0);
      total += some;
      taken += some;
      bytes += taker.bytes - before;
      if (!taker.ended) still++;
    }
    if (taken == 0) break;
    active = still;
  }
  return total;
}

uint64_t FetchInTurn(std::span<FetchSource> sources, const FetchLimits& limits, EntryForm form,
                     int protocol) {
  // What is written at once takes a piece of memory of its own.
  constexpr uint64_t kFewRecords = 32;
  const uint64_t added = form == EntryForm::kKeyed ? kKeyBytes : 0;
  FetchLimits left = limits;
  uint64_t total = 0;
  for (FetchSource& source : sources) {
    source.count = 0;
    if (!source.at.valid() || left.records == 0 || (left.bytes == 0 && total > 0)) continue;
    uint64_t bytes;
    if (std::min(source.most, left.records) > kFewRecords) {
      FetchWritten(source, left, total == 0, form, protocol);
      bytes = source.written.size();
    } else {
      Taker taker(&source);
      taker.Take(left.records, left.bytes, added, total == 0);
      bytes = taker.bytes;
    }
    total += source.count;
    left.records -= source.count;
    left.bytes -= std::min(bytes, left.bytes);
  }
  return total;
}

void WriteFetched(ReplyWriter& reply, EntryForm form, FetchSource& source) {
  if (source.written.empty()) return WriteEntries(reply, form, source.at, source.count);
  reply.Array(source.count);
  reply.rope().Append(std::move(source.written));
}

}  // namespace runnel::commands
