#include "data/stream/cold_runs.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "base/assert.h"
#include "data/stream/id_coding.h"

namespace runnel {
namespace {

const HotLog& LogOf(const BlockRun& run) {
  ASSERT(run.kind() == RunKind::kStream);
  return static_cast<const EntryRun&>(run).log();
}

}  // namespace

// --- One run ---

bool ColdRun::IsDeleted(StreamId id) const {
  return deleted && std::binary_search(deleted->begin(), deleted->end(), id);
}

void ColdRun::Delete(StreamId id) {
  if (!deleted) deleted = std::make_unique<std::vector<StreamId>>();
  deleted->insert(std::lower_bound(deleted->begin(), deleted->end(), id), id);
}

void ColdRun::Narrow(StreamId new_first, StreamId new_last, uint64_t new_live) {
  first = new_first;
  last = new_last;
  live = new_live;
  Prune();
}

void ColdRun::Prune() {
  if (!deleted) return;
  deleted->erase(std::lower_bound(deleted->begin(), deleted->end(), last), deleted->end());
  deleted->erase(deleted->begin(), std::upper_bound(deleted->begin(), deleted->end(), first));
  if (deleted->empty()) deleted.reset();
}

ColdRun ColdRun::Twin() const {
  ColdRun twin{extent, first, last, live, nullptr};
  if (deleted) twin.deleted = std::make_unique<std::vector<StreamId>>(*deleted);
  return twin;
}

const HotLog& ColdRun::Fetched() const {
  if (extent->Use() == nullptr) FetchExtents({extent});
  return LogOf(*extent->Use());
}

uint64_t ColdRun::Count(StreamId a, StreamId b) const {
  a = std::max(a, first);
  b = std::min(b, last);
  if (b < a) return 0;
  if (a == first && b == last) return live;
  const BlockCursor at = BlockCursor::First(Fetched(), a);
  uint64_t count = at.valid() ? at.CountTo(b, UINT64_MAX) : 0;
  if (deleted) {
    count -=
        static_cast<uint64_t>(std::distance(std::lower_bound(deleted->begin(), deleted->end(), a),
                                            std::upper_bound(deleted->begin(), deleted->end(), b)));
  }
  return count;
}

bool ColdRun::SettleForward(BlockCursor* at) const {
  while (at->valid() && (*at)->id() <= last) {
    if (!deleted || !IsDeleted((*at)->id())) return true;
    at->Next();
  }
  return false;
}

bool ColdRun::SettleBackward(BlockCursor* at) const {
  while (at->valid() && (*at)->id() >= first) {
    if (!deleted || !IsDeleted((*at)->id())) return true;
    at->Previous();
  }
  return false;
}

HotLog ColdRun::Living() const {
  const std::shared_ptr<const BlockRun> blocks = extent->source().Read(*extent);
  HotLog living = LogOf(*blocks).Clone();
  living.DropOldest(living.CountBelow(first), nullptr);
  if (const std::optional<StreamId> above = last.Next()) {
    living.RemoveRange(*above, StreamId::Max());
  }
  if (deleted) {
    for (const StreamId id : *deleted) {
      living.Remove(id);
    }
  }
  ASSERT(living.length() == live);
  return living;
}

// --- All runs ---

ColdRuns ColdRuns::Clone() const {
  ColdRuns copy;
  for (auto at = runs_.begin(); runs_.Contains(at); at = runs_.Next(at)) {
    copy.PushBack(runs_[at].Twin());
  }
  return copy;
}

void ColdRuns::PushBack(ColdRun run) {
  Add(run);
  runs_.PushBack(std::move(run));
}

void ColdRuns::Add(const ColdRun& run) {
  live_ += run.live;
  bytes_ += run.extent->raw_bytes();
  blocks_ += run.extent->blocks();
  deleted_ += run.deletions();
}

void ColdRuns::Subtract(const ColdRun& run) {
  live_ -= run.live;
  bytes_ -= run.extent->raw_bytes();
  blocks_ -= run.extent->blocks();
  deleted_ -= run.deletions();
}

// Returns the position of the run after it.
ColdRuns::Position ColdRuns::Erase(Position at) {
  Subtract(runs_[at]);
  return runs_.Erase(at);
}

const HotLog& ColdRuns::Enter(Position at) const {
  const ColdRun& run = runs_[at];
  if (const BlockRun* blocks = run.extent->Use()) return LogOf(*blocks);
  if (at == runs_.begin() || runs_[runs_.Previous(at)].extent->loaded() != nullptr) {
    ExpectAfter(at);
  }
  return run.Fetched();
}

void ColdRuns::ExpectAfter(Position at) const {
  ColdExtents expected;
  for (size_t i = 0; i < kRunsAhead; i++) {
    at = runs_.Next(at);
    if (!runs_.Contains(at)) break;
    const Ref<ColdExtent>& extent = runs_[at].extent;
    if (extent->loaded() == nullptr) expected.push_back(extent);
  }
  ExpectExtents(expected);
}

bool ColdRuns::IsIn(Position at, StreamId id) const {
  const ColdRun& run = runs_[at];
  if (id < run.first || run.IsDeleted(id)) return false;
  return Enter(at).Contains(id);
}

uint64_t ColdRuns::CountBelow(StreamId id) const {
  uint64_t count = 0;
  for (auto at = runs_.begin(); runs_.Contains(at); at = runs_.Next(at)) {
    const ColdRun& run = runs_[at];
    if (id <= run.first) break;
    if (id <= run.last) {
      Enter(at);
      return count + run.Count(run.first, *id.Previous());
    }
    count += run.live;
  }
  return count;
}

uint64_t ColdRuns::CountTo(Position at, StreamId id, StreamId last, uint64_t most) const {
  uint64_t count = 0;
  StreamId from = id;
  for (; count < most && runs_.Contains(at); at = runs_.Next(at)) {
    const ColdRun& run = runs_[at];
    if (last < run.first) break;
    count += run.Count(from, last);
    from = StreamId::Min();
  }
  return std::min(count, most);
}

uint64_t ColdRuns::CountBackTo(Position end, StreamId first, uint64_t most) const {
  uint64_t count = 0;
  for (auto at = end; count < most && at != runs_.begin();) {
    at = runs_.Previous(at);
    if (runs_[at].last < first) break;
    count += runs_[at].Count(first, runs_[at].last);
  }
  return std::min(count, most);
}

// --- Fetching ahead ---

void ColdRuns::Require(std::span<const StreamId> ids) const {
  ColdExtents missing;
  for (const StreamId id : ids) {
    if (last_id() < id) continue;
    const ColdRun& run = runs_[Find(id)];
    if (id >= run.first && run.extent->Use() == nullptr) missing.push_back(run.extent);
  }
  FetchExtents(missing);
}

void ColdRuns::RequireRanges(std::span<const StreamId> bounds) const {
  ColdExtents missing;
  const ColdExtent* last_missing = nullptr;
  for (size_t i = 0; i < bounds.size() && bounds[i] <= last_id(); i += 2) {
    for (auto at = Find(bounds[i]); runs_.Contains(at); at = runs_.Next(at)) {
      const ColdRun& run = runs_[at];
      if (bounds[i + 1] < run.first) break;
      if (bounds[i] <= run.first && run.last <= bounds[i + 1]) continue;
      if (run.extent.get() == last_missing || run.extent->Use() != nullptr) continue;
      missing.push_back(run.extent);
      last_missing = run.extent.get();
    }
  }
  FetchExtents(missing);
}

void ColdRuns::RequireOldest(uint64_t count, bool entries) const {
  ColdExtents missing;
  for (auto at = runs_.begin(); count > 0 && runs_.Contains(at); at = runs_.Next(at)) {
    const ColdRun& run = runs_[at];
    const bool in_part = count < run.live;
    if (in_part && at == runs_.begin()) ExpectAfter(at);
    if ((in_part || entries) && run.extent->Use() == nullptr) missing.push_back(run.extent);
    count -= std::min(count, run.live);
  }
  FetchExtents(missing);
}

void ColdRuns::RequireForward(Position at, StreamId id, uint64_t count) const {
  ColdExtents missing;
  const Position begin = at;
  for (uint64_t reached = 0; reached < count && runs_.Contains(at); at = runs_.Next(at)) {
    const ColdRun& run = runs_[at];
    if (run.extent->Use() == nullptr) missing.push_back(run.extent);
    reached += at == begin ? run.Count(id, run.last) : run.live;
  }
  FetchExtents(missing);
}

void ColdRuns::RequireBack(Position end, uint64_t count) const {
  ColdExtents missing;
  for (uint64_t reached = 0; reached < count && end != runs_.begin();) {
    end = runs_.Previous(end);
    if (runs_[end].extent->Use() == nullptr) missing.push_back(runs_[end].extent);
    reached += runs_[end].live;
  }
  FetchExtents(missing);
}

// --- Changes ---

bool ColdRuns::Remove(StreamId id) {
  const Position at = Find(id);
  if (!IsIn(at, id)) return false;
  ColdRun& run = runs_[at];
  StreamId first = run.first;
  StreamId last = run.last;
  if (run.live > 1 && (id == first || id == last)) {
    BlockCursor entry = BlockCursor::First(Enter(at), id);
    if (id == first) {
      entry.Next();
      run.SettleForward(&entry);
      first = entry->id();
    } else {
      entry.Previous();
      run.SettleBackward(&entry);
      last = entry->id();
    }
  }
  // Everything that could miss has been done.
  if (run.live == 1) {
    Erase(at);
    return true;
  }
  Subtract(run);
  if (first == run.first && last == run.last) run.Delete(id);
  run.Narrow(first, last, run.live - 1);
  Add(run);
  return true;
}

uint64_t ColdRuns::DropOldest(uint64_t count, Disposer* disposer) {
  RequireOldest(count, false);
  ColdExtents gone;
  while (!empty() && count > 0) {
    ColdRun& run = runs_.front();
    if (run.live <= count) {
      count -= run.live;
      if (disposer != nullptr) gone.push_back(run.extent);
      Erase(runs_.begin());
      continue;
    }
    BlockCursor entry = BlockCursor::First(Enter(runs_.begin()), run.first);
    if (run.deleted) {
      for (uint64_t i = 0; i < count; i++) {
        entry.Next();
        run.SettleForward(&entry);
      }
    } else {
      entry.Skip(count);
    }
    Subtract(run);
    run.Narrow(entry->id(), run.last, run.live - count);
    Add(run);
    count = 0;
  }
  DisposeOf(std::move(gone), disposer);
  return count;
}

void ColdRuns::RemoveRanges(std::span<const StreamId> bounds) {
  if (bounds.empty()) return;
  Position at = Find(bounds.front());
  while (!bounds.empty() && runs_.Contains(at)) {
    const ColdRun& run = runs_[at];
    if (bounds[1] < run.first) {
      bounds = bounds.subspan(2);
    } else if (run.last < bounds[0]) {
      if (last_id() < bounds[0]) return;
      at = Find(bounds[0]);
    } else if (bounds[0] <= run.first && run.last <= bounds[1]) {
      at = Erase(at);
    } else {
      at = RemoveInRun(at, bounds) ? Erase(at) : runs_.Next(at);
    }
  }
}

// Removes the entries of a run that lie in the ranges. True if none is left: then the caller
// removes the run.
bool ColdRuns::RemoveInRun(Position at, std::span<const StreamId> bounds) {
  ColdRun& run = runs_[at];
  std::vector<StreamId> gone;
  StreamId first;
  StreamId last;
  uint64_t left = 0;
  BlockCursor entry = BlockCursor::First(Enter(at), run.first);
  for (; run.SettleForward(&entry); entry.Next()) {
    const StreamId id = entry->id();
    while (!bounds.empty() && bounds[1] < id) {
      bounds = bounds.subspan(2);
    }
    if (!bounds.empty() && bounds[0] <= id) {
      gone.push_back(id);
      continue;
    }
    if (left == 0) first = id;
    last = id;
    left++;
  }
  if (left == 0) return true;
  Subtract(run);
  if (run.deleted) {
    auto merged = std::make_unique<std::vector<StreamId>>();
    merged->reserve(run.deleted->size() + gone.size());
    std::merge(run.deleted->begin(), run.deleted->end(), gone.begin(), gone.end(),
               std::back_inserter(*merged));
    run.deleted = std::move(merged);
  } else if (!gone.empty()) {
    run.deleted = std::make_unique<std::vector<StreamId>>(gone);
  }
  run.Narrow(first, last, left);
  Add(run);
  return false;
}

// --- Stored form ---
//
//   runs := varint count | run...
//   run  := extent as it describes itself | first ID | last ID | varint live
//           | varint deleted | deleted ID...

void ColdRuns::Describe(Encoder* out) const {
  out->Varint(runs_.size());
  for (auto at = runs_.begin(); runs_.Contains(at); at = runs_.Next(at)) {
    const ColdRun& run = runs_[at];
    run.extent->Describe(out);
    WriteStreamId(out, run.first);
    WriteStreamId(out, run.last);
    out->Varint(run.live);
    out->Varint(run.deletions());
    if (!run.deleted) continue;
    for (const StreamId id : *run.deleted) {
      WriteStreamId(out, id);
    }
  }
}

bool ColdRuns::Load(Decoder* in, ColdSource& source) {
  const uint64_t runs = in->Count(1);
  for (uint64_t i = 0; i < runs; i++) {
    ColdRun run;
    run.extent = source.Resolve(in);
    run.first = ReadStreamId(in);
    run.last = ReadStreamId(in);
    run.live = in->Varint();
    const uint64_t count = in->Count(2);
    std::vector<StreamId> deleted;
    for (uint64_t k = 0; k < count; k++) {
      const StreamId id = ReadStreamId(in);
      if (id <= (deleted.empty() ? run.first : deleted.back()) || id >= run.last) return false;
      deleted.push_back(id);
    }
    const bool in_order = empty() || last_id() < run.first;
    const bool ours = run.extent && run.extent->kind() == RunKind::kStream;
    if (!in->ok() || !ours || run.live == 0 || run.last < run.first || !in_order) return false;
    if (count > 0) run.deleted = std::make_unique<std::vector<StreamId>>(std::move(deleted));
    PushBack(std::move(run));
  }
  return true;
}

}  // namespace runnel
