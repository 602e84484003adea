#include "data/stream/cold_runs.h"

#include <algorithm>
#include <iterator>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "base/assert.h"
#include "data/stream/id_coding.h"

namespace runnel {

// --- One run ---

const HotLog& EntryRun::LogOf(const BlockRun& run) {
  ASSERT(run.kind() == RunKind::kStream);
  return static_cast<const EntryRun&>(run).log();
}

bool ColdRun::IsDeleted(StreamId id) const {
  return (deleted && std::binary_search(deleted->begin(), deleted->end(), id)) || IsHole(id.seq);
}

bool ColdRun::IsHole(uint64_t offset) const {
  return holes && std::binary_search(holes->begin(), holes->end(), offset);
}

void ColdRun::AddHole(uint64_t offset) {
  if (!holes) holes = std::make_unique<std::vector<uint64_t>>();
  holes->insert(std::lower_bound(holes->begin(), holes->end(), offset), offset);
}

uint64_t ColdRun::CountDeleted(StreamId from, StreamId to) const {
  const auto count = [](const auto& sorted, auto a, auto b) {
    return std::distance(std::lower_bound(sorted.begin(), sorted.end(), a),
                         std::upper_bound(sorted.begin(), sorted.end(), b));
  };
  uint64_t sum = 0;
  if (deleted) sum += static_cast<uint64_t>(count(*deleted, from, to));
  if (holes) sum += static_cast<uint64_t>(count(*holes, from.seq, to.seq));
  return sum;
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
  if (holes) {
    // The last entry may be one of them.
    holes->erase(std::upper_bound(holes->begin(), holes->end(), last.seq), holes->end());
    holes->erase(holes->begin(), std::lower_bound(holes->begin(), holes->end(), first.seq));
    if (holes->empty()) holes.reset();
  }
  if (!deleted) return;
  deleted->erase(std::lower_bound(deleted->begin(), deleted->end(), last), deleted->end());
  deleted->erase(deleted->begin(), std::upper_bound(deleted->begin(), deleted->end(), first));
  if (deleted->empty()) deleted.reset();
}

ColdRun ColdRun::Twin() const {
  ColdRun twin{extent, first, last, live, nullptr, nullptr};
  if (deleted) twin.deleted = std::make_unique<std::vector<StreamId>>(*deleted);
  if (holes) twin.holes = std::make_unique<std::vector<uint64_t>>(*holes);
  return twin;
}

const HotLog& ColdRun::Fetched() const {
  if (extent->Use() == nullptr) FetchExtents({extent});
  return EntryRun::LogOf(*extent->Use());
}

uint64_t ColdRun::Count(StreamId a, StreamId b) const {
  a = std::max(a, first);
  b = std::min(b, last);
  if (b < a) return 0;
  if (a == first && b == last) return live;
  const BlockCursor at = BlockCursor::First(Fetched(), a);
  if (!at.valid() || b < at->id()) return 0;
  const uint64_t count = at.CountTo(b, UINT64_MAX);
  if (all_live()) return count;
  const BlockCursor end =
      BlockCursor::Last(Fetched(), [b](StreamId id) { return !IsBelow(b, id); });
  return count - CountDeleted(at->id(), end->id());
}

bool ColdRun::SettleForward(BlockCursor* at) const {
  while (at->valid() && (*at)->id() <= last) {
    if (all_live() || !IsDeleted((*at)->id())) return true;
    at->Next();
  }
  return false;
}

bool ColdRun::SettleBackward(BlockCursor* at) const {
  while (at->valid() && (*at)->id() >= first) {
    if (all_live() || !IsDeleted((*at)->id())) return true;
    at->Previous();
  }
  return false;
}

HotLog ColdRun::Living() const {
  const std::shared_ptr<const BlockRun> blocks = extent->source().Read(*extent);
  HotLog living = EntryRun::LogOf(*blocks).Clone();
  living.DropOldest(living.CountBelow(first), nullptr);
  if (const std::optional<StreamId> above = last.Next()) {
    living.RemoveRange(*above, StreamId::Max());
  }
  if (deleted) {
    for (const StreamId id : *deleted) {
      living.Remove(id);
    }
  }
  if (holes) {
    HotLog::Position at;
    for (const uint64_t offset : *holes) {
      living.RemoveOffset(offset, &at);
    }
  }
  if (living.length() != live) {
    throw ColdFailure{"cold entries are not those that the stream describes"};
  }
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
  holes_ += run.hole_count();
}

void ColdRuns::Subtract(const ColdRun& run) {
  live_ -= run.live;
  bytes_ -= run.extent->raw_bytes();
  blocks_ -= run.extent->blocks();
  deleted_ -= run.deletions();
  holes_ -= run.hole_count();
}

// Returns the position of the run after it.
ColdRuns::Position ColdRuns::Erase(Position at) {
  Subtract(runs_[at]);
  return runs_.Erase(at);
}

const HotLog& ColdRuns::Enter(Position at, ReadAhead ahead) const {
  const ColdRun& run = runs_[at];
  if (const BlockRun* blocks = run.extent->Use()) return EntryRun::LogOf(*blocks);
  if (ahead == ReadAhead::kYes &&
      (at == runs_.begin() || runs_[runs_.Previous(at)].extent->loaded() != nullptr)) {
    ExpectAfter(at);
  }
  return run.Fetched();
}

uint64_t ColdRuns::Expect(Position at, uint64_t entries) const {
  ColdExtents expected;
  uint64_t found = 0;
  for (size_t i = 0; i < kRunsAhead && found < entries && runs_.Contains(at); i++) {
    const ColdRun& run = runs_[at];
    if (run.extent->loaded() == nullptr) expected.push_back(run.extent);
    found += run.live;
    at = runs_.Next(at);
  }
  ExpectExtents(expected);
  return found;
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

uint64_t ColdRuns::CountNearOffset(uint64_t offset) const {
  uint64_t count = 0;
  Position at = Find(BelowOffset{offset});
  for (; runs_.Contains(at); at = runs_.Next(at)) {
    count += runs_[at].live;
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

void ColdRuns::AddMissing(std::span<const StreamId> ids, MissingExtents* missing) const {
  for (const StreamId id : ids) {
    if (last_id() < id) continue;
    const ColdRun& run = runs_[Find(id)];
    if (id >= run.first) missing->Add(run.extent);
  }
}

void ColdRuns::AddMissingOfRanges(std::span<const StreamId> bounds, MissingExtents* missing) const {
  for (size_t i = 0; i < bounds.size() && bounds[i] <= last_id(); i += 2) {
    for (auto at = Find(bounds[i]); runs_.Contains(at); at = runs_.Next(at)) {
      const ColdRun& run = runs_[at];
      if (bounds[i + 1] < run.first) break;
      if (bounds[i] <= run.first && run.last <= bounds[i + 1]) continue;
      missing->Add(run.extent);
    }
  }
}

void ColdRuns::AddMissingBelowOffset(uint64_t offset, MissingExtents* missing) const {
  const Position at = Find(BelowOffset{offset});
  if (runs_.Contains(at) && runs_[at].first.seq < offset) missing->Add(runs_[at].extent);
}

void ColdRuns::AddMissingFrom(uint64_t offset, MissingExtents* missing) const {
  const Position at = Find(BelowOffset{offset});
  if (runs_.Contains(at)) missing->Add(runs_[at].extent);
}

// A walk goes on where this one ends, so the next runs are expected if any run is missing.
void ColdRuns::AddMissingBetween(StreamId after, StreamId last, MissingExtents* missing) const {
  const size_t before = missing->extents().size();
  auto at = Find([after](StreamId id) { return !IsBelow(after, id); });
  for (; runs_.Contains(at) && runs_[at].first <= last; at = runs_.Next(at)) {
    missing->Add(runs_[at].extent);
  }
  if (missing->extents().size() > before) Expect(at, UINT64_MAX);
}

void ColdRuns::AddMissingOfDropped(std::span<const Dropped> dropped,
                                   MissingExtents* missing) const {
  uint64_t end = 0;  // entries up to the end of the run
  for (auto at = runs_.begin(); !dropped.empty() && runs_.Contains(at); at = runs_.Next(at)) {
    end += runs_[at].live;
    if (dropped.front().least < end) missing->Add(runs_[at].extent);
    while (!dropped.empty() && dropped.front().most <= end) {
      dropped = dropped.subspan(1);
    }
  }
}

void ColdRuns::Require(std::span<const StreamId> ids) const {
  MissingExtents missing;
  AddMissing(ids, &missing);
  FetchExtents(missing.extents());
}

void ColdRuns::RequireRanges(std::span<const StreamId> bounds) const {
  MissingExtents missing;
  AddMissingOfRanges(bounds, &missing);
  FetchExtents(missing.extents());
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

bool ColdRuns::RemoveOffset(uint64_t offset) {
  const Position at = Find(BelowOffset{offset});
  ColdRun& run = runs_[at];
  if (offset < run.first.seq || run.IsHole(offset)) return false;
  if (run.live == 1) {
    Erase(at);
    return true;
  }
  Subtract(run);
  run.AddHole(offset);
  run.live--;
  NoteIfSparse(&run);
  Add(run);
  return true;
}

void ColdRuns::DropBelowOffset(uint64_t offset, Disposer* disposer) {
  ColdExtents gone;
  while (!empty() && runs_.front().first.seq < offset) {
    ColdRun& run = runs_.front();
    if (run.last.seq >= offset) {
      BlockCursor entry = BlockCursor::First(Enter(runs_.begin()), BelowOffset{offset});
      if (run.SettleForward(&entry)) {
        const uint64_t live = run.Count(entry->id(), run.last);
        Subtract(run);
        run.Narrow(entry->id(), run.last, live);
        Add(run);
        break;
      }
    }
    if (disposer != nullptr) gone.push_back(run.extent);
    Erase(runs_.begin());
  }
  DisposeOf(std::move(gone), disposer);
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
    if (!run.all_live()) {
      run.SettleForward(&entry);
      for (uint64_t i = 0; i < count && entry.valid(); i++) {
        entry.Next();
        run.SettleForward(&entry);
      }
      // In a damaged file the run has fewer entries than it says.
      if (!entry.valid()) {
        count -= std::min(count, run.live);
        Erase(runs_.begin());
        continue;
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
//           | varint deleted | deleted ID... | varint holes | offset..., if with_holes
//
// Each offset is a varint: the difference to the one before, or to that of the first ID.

void ColdRuns::Describe(bool with_holes, Encoder* out) const {
  ASSERT(with_holes || !has_holes());
  out->Varint(runs_.size());
  for (auto at = runs_.begin(); runs_.Contains(at); at = runs_.Next(at)) {
    const ColdRun& run = runs_[at];
    run.extent->Describe(out);
    WriteStreamId(out, run.first);
    WriteStreamId(out, run.last);
    out->Varint(run.live);
    out->Varint(run.deletions());
    if (run.deleted) {
      for (const StreamId id : *run.deleted) {
        WriteStreamId(out, id);
      }
    }
    if (!with_holes) continue;
    out->Varint(run.hole_count());
    if (!run.holes) continue;
    uint64_t before = run.first.seq;
    for (const uint64_t offset : *run.holes) {
      out->Varint(offset - before);
      before = offset;
    }
  }
}

// Reads the offsets of a run, which was read before them.
bool ColdRuns::LoadHoles(Decoder* in, ColdRun* run) {
  uint64_t offset = run->first.seq;
  for (uint64_t left = in->Count(1); left > 0; left--) {
    const uint64_t step = in->Varint();
    if (!in->ok() || (step == 0 && run->holes) || step > run->last.seq - offset) return false;
    offset += step;
    if (!run->holes) run->holes = std::make_unique<std::vector<uint64_t>>();
    run->holes->push_back(offset);
  }
  return true;
}

bool ColdRuns::Load(Decoder* in, bool with_holes, ColdSource& source) {
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
    if (with_holes && (run.last.seq < run.first.seq || !LoadHoles(in, &run))) return false;
    if (run.holes) NoteIfSparse(&run);
    PushBack(std::move(run));
  }
  return true;
}

}  // namespace runnel
