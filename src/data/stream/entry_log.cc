#include "data/stream/entry_log.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "base/assert.h"

namespace runnel {

// While one lives, the log changes. At its end the sums of HotBlocks are told of it.
class EntryLog::Change {
 public:
  explicit Change(EntryLog* log) : log_(log), before_(log->totals()) {}
  ~Change() {
    if (log_->cold_ && log_->cold_->empty()) log_->cold_.reset();
    const Totals now = log_->totals();
    if (now.cold_entries != before_.cold_entries || now.cold_bytes != before_.cold_bytes) {
      log_->ReportCold(now.cold_entries - before_.cold_entries,
                       now.cold_bytes - before_.cold_bytes);
    }
    if (now.hot_bytes != before_.hot_bytes) log_->Report(now.hot_bytes - before_.hot_bytes);
  }
  Change(const Change&) = delete;
  Change& operator=(const Change&) = delete;

 private:
  EntryLog* const log_;
  const Totals before_;
};

EntryLog EntryLog::Clone() const {
  EntryLog copy;
  if (cold_) copy.cold_ = std::make_unique<ColdRuns>(cold_->Clone());
  copy.hot_ = hot_.Clone();
  return copy;
}

// --- Looking ---

bool EntryLog::HasAfter(StreamId id) const {
  // Every segment has a live entry, and all of them are above the runs, whose last entry lives.
  if (cold_ && hot_.empty()) return id < cold_->last_id();
  if (IsCold(id)) return true;
  const std::optional<StreamId> next = id.Next();
  return next && Seek(*next).valid();
}

bool EntryLog::Contains(StreamId id) const {
  return IsCold(id) ? cold_->Contains(id) : hot_.Contains(id);
}

void EntryLog::Require(std::span<const StreamId> ids) const {
  if (cold_) cold_->Require(ids);
}

void EntryLog::RequireOldest(uint64_t count, bool entries) const {
  if (cold_) cold_->RequireOldest(count, entries);
}

// --- Changing ---

void EntryLog::Append(StreamId id, std::span<const std::string_view> fields,
                      const StreamLimits& limits) {
  const uint64_t before = hot_bytes();
  hot_.Append(id, fields, limits);
  if (hot_bytes() != before) Report(hot_bytes() - before);
}

bool EntryLog::Remove(StreamId id) {
  const Change change(this);
  return IsCold(id) ? cold_->Remove(id) : hot_.Remove(id);
}

bool EntryLog::RemoveOffset(uint64_t offset, const StreamLimits& limits) {
  if (cold_ && offset <= cold_->last_id().seq) {
    const Change change(this);
    const bool removed = cold_->RemoveOffset(offset);
    if (cold_->has_sparse()) ReportSparse();
    return removed;
  }
  const uint64_t before = hot_bytes();
  HotLog::Position at;
  if (!hot_.RemoveOffset(offset, &at)) return false;
  // What is being written stays as it is, or it could not be given away.
  if (hot_.IsSparse(at) && !writing()) hot_.Rewrite(at, limits);
  if (hot_bytes() != before) Report(hot_bytes() - before);
  return true;
}

void EntryLog::DropOldest(uint64_t count) {
  if (count == 0) return;
  const Change change(this);
  count = std::min(count, length());
  Disposer* const disposer =
      blocks() > kMostFreedInPlace && hot() != nullptr ? hot()->disposer() : nullptr;
  if (cold_) count = cold_->DropOldest(count, disposer);
  hot_.DropOldest(count, disposer);
}

void EntryLog::DropBelowOffset(uint64_t offset) {
  const Change change(this);
  Disposer* const disposer =
      blocks() > kMostFreedInPlace && hot() != nullptr ? hot()->disposer() : nullptr;
  if (cold_) cold_->DropBelowOffset(offset, disposer);
  hot_.DropOldest(hot_.length() - CountHotFrom(offset), disposer);
}

// Entries in memory that have an offset from this one on.
uint64_t EntryLog::CountHotFrom(uint64_t offset) const {
  const BlockCursor at = BlockCursor::First(hot_, BelowOffset{offset});
  return at.valid() ? hot_.length() - hot_.CountBelow(at->id()) : 0;
}

uint64_t EntryLog::ExpectOffset(uint64_t offset, uint64_t count) const {
  if (!cold_) return 0;
  const ColdRuns::Position at = cold_->Find(BelowOffset{offset});
  if (!cold_->runs().Contains(at)) return 0;
  // Of the run that it is in the midst of, the rest counts.
  const uint64_t live = cold_->runs()[at].live;
  const uint64_t left = LeftOfRun(offset);
  const uint64_t passed = left > 0 ? live - std::min(live, left) : 0;
  return cold_->Expect(at, count + passed) - passed;
}

uint64_t EntryLog::LeftOfRun(uint64_t offset) const {
  if (!cold_ || cold_->last_id().seq < offset) return 0;
  const ColdRun& run = cold_->runs()[cold_->Find(BelowOffset{offset})];
  return run.first.seq < offset ? run.last.seq + 1 - offset : 0;
}

uint64_t EntryLog::CountNearOffset(uint64_t offset) const {
  return (cold_ ? cold_->CountNearOffset(offset) : 0) + CountHotFrom(offset);
}

uint64_t EntryLog::OffsetAfterOldest(uint64_t count) const {
  if (cold_) {
    const ColdRuns::Runs& runs = cold_->runs();
    for (auto at = runs.begin(); runs.Contains(at); at = runs.Next(at)) {
      if (count == 0) return runs[at].first.seq;
      ASSERT(count >= runs[at].live);
      count -= std::min(count, runs[at].live);
    }
  }
  if (count >= hot_.length()) return UINT64_MAX;
  BlockCursor at = BlockCursor::First(hot_);
  at.Skip(count);
  return at->id().seq;
}

uint64_t EntryLog::RemoveRanges(std::span<const StreamId> bounds) {
  ASSERT(bounds.size() % 2 == 0);
  if (bounds.empty()) return 0;
  const Change change(this);
  const uint64_t before = length();
  if (IsCold(bounds.front())) {
    cold_->RequireRanges(bounds);
    cold_->RemoveRanges(bounds);
  }
  for (size_t i = 0; i < bounds.size(); i += 2) {
    hot_.RemoveRange(bounds[i], bounds[i + 1]);
  }
  return before - length();
}

// --- Giving blocks to the disk ---

std::vector<std::shared_ptr<const BlockRun>> EntryLog::TakeRuns(size_t run_bytes, size_t bytes) {
  std::vector<HotLog> logs;
  size_t taken = 0;
  size_t room = 0;  // in the last run
  const HotLog::Segments& segments = hot_.segments();
  for (auto at = segments.begin(); segments.Contains(at) && taken < bytes;) {
    const HotLog::Segment& segment = segments[at];
    at = segments.Next(at);
    if (at == segments.end()) break;
    if (room == 0) {
      logs.emplace_back();
      room = run_bytes;
    }
    room -= std::min<size_t>(room, segment.bytes);
    taken += segment.bytes;
    logs.back().PushBack(segment.Twin());
  }
  std::vector<std::shared_ptr<const BlockRun>> runs;
  for (HotLog& log : logs) {
    runs.push_back(std::make_shared<const EntryRun>(std::move(log)));
  }
  return runs;
}

void EntryLog::GiveAway(std::span<const Written> written) {
  const Change change(this);
  for (const Written& one : written) {
    GiveAwayRun(EntryRun::LogOf(*one.run), one.extent);
  }
}

// What was removed since the run was taken becomes the run's deleted entries: a block that is gone
// as a whole, or lives less than it did. What was trimmed lies before the first live entry and
// needs no note.
void EntryLog::GiveAwayRun(const HotLog& run, Ref<ColdExtent> extent) {
  ColdRun cold;
  std::vector<StreamId> deleted;
  const HotLog::Segments& segments = run.segments();
  for (auto at = segments.begin(); segments.Contains(at); at = segments.Next(at)) {
    const HotLog::Segment& then = segments[at];
    const bool here = !hot_.empty() && hot_.segments().front().block.get() == then.block.get();
    const HotLog::Segment* now = here ? &hot_.segments().front() : nullptr;
    if (!here || now->live != then.live) {
      const StreamBlockReader reader = then.Open();
      for (size_t entry = then.gone; entry < then.entries; entry++) {
        if (then.IsLive(entry) && !(here && now->IsLive(entry))) {
          deleted.push_back(reader.IdAt(entry));
        }
      }
    }
    if (!here) continue;
    if (cold.live == 0) cold.first = now->FirstLive();
    size_t last = now->entries - 1u;
    while (!now->IsLive(last)) {
      last--;
    }
    cold.last = now->Open().IdAt(last);
    cold.live += now->live;
    hot_.PopFront();
  }
  if (cold.live == 0) return;
  cold.extent = std::move(extent);
  if (!deleted.empty()) {
    cold.deleted = std::make_unique<std::vector<StreamId>>(std::move(deleted));
    cold.Prune();
  }
  if (!cold_) cold_ = std::make_unique<ColdRuns>();
  cold_->PushBack(std::move(cold));
}

std::shared_ptr<const RunRewrite> EntryLog::TakeSparse() {
  return cold_ ? cold_->TakeSparse(hot()->run_bytes()) : nullptr;
}

void EntryLog::Replace(const RunRewrite& taken, const Written& written) {
  const Change change(this);
  if (!cold_) return;
  cold_->Replace(taken, *written.run, written.extent);
  if (cold_->has_sparse()) ReportSparse();
}

// --- Stored forms ---

void EntryLog::Serialize(Encoder* out) const {
  std::vector<HotLog> runs;
  size_t segments = hot_.segments().size();
  if (cold_) {
    for (auto at = cold_->runs().begin(); cold_->runs().Contains(at); at = cold_->runs().Next(at)) {
      runs.push_back(cold_->runs()[at].Living());
      segments += runs.back().segments().size();
    }
  }
  out->Varint(segments);
  for (const HotLog& run : runs) {
    run.SerializeSegments(out);
  }
  hot_.SerializeSegments(out);
}

bool EntryLog::Load(Decoder* in) {
  const Change change(this);
  return hot_.LoadAbove(newest_id(), in);
}

// The runs, and then the blocks in memory.
void EntryLog::SerializeWithRuns(bool with_holes, Encoder* out) const {
  cold_ ? cold_->Describe(with_holes, out) : ColdRuns().Describe(with_holes, out);
  hot_.Serialize(out);
}

bool EntryLog::LoadWithRuns(Decoder* in, bool with_holes, ColdSource& source) {
  const Change change(this);
  auto runs = std::make_unique<ColdRuns>();
  if (!runs->Load(in, with_holes, source)) return false;
  if (!runs->empty()) cold_ = std::move(runs);
  return hot_.LoadAbove(newest_id(), in);
}

}  // namespace runnel
