// The part of an EntryLog that lies on the disk, and how it gets there.

#include <algorithm>
#include <iterator>
#include <utility>

#include "base/assert.h"
#include "data/entry_log.h"

namespace runnel {
namespace {

// When a walk enters a run, this many runs after it are asked for.
constexpr int kReadAhead = 4;

void WriteId(Encoder* out, StreamId id) {
  out->Varint(id.ms);
  out->Varint(id.seq);
}

const EntryLog& LogOf(const BlockRun& run) {
  ASSERT(run.kind() == RunKind::kStream);
  return static_cast<const EntryRun&>(run).log();
}

StreamId ReadId(Decoder* in) {
  StreamId id;
  id.ms = in->Varint();
  id.seq = in->Varint();
  return id;
}

}  // namespace

// --- One run ---

bool EntryLog::ColdRun::IsDeleted(StreamId id) const {
  return deleted && std::binary_search(deleted->begin(), deleted->end(), id);
}

void EntryLog::ColdRun::Delete(StreamId id) {
  if (!deleted) deleted = std::make_unique<std::vector<StreamId>>();
  deleted->insert(std::lower_bound(deleted->begin(), deleted->end(), id), id);
}

void EntryLog::ColdRun::Prune() {
  if (!deleted) return;
  deleted->erase(std::lower_bound(deleted->begin(), deleted->end(), last), deleted->end());
  deleted->erase(deleted->begin(), std::upper_bound(deleted->begin(), deleted->end(), first));
  if (deleted->empty()) deleted.reset();
}

void EntryLog::FetchAll(const ColdExtents& extents) {
  if (!extents.empty()) extents.front()->source().Fetch(extents);
}

const EntryLog& EntryLog::Fetched(const ColdRun& run) {
  if (run.extent->Use() == nullptr) FetchAll({run.extent});
  return LogOf(*run.extent->Use());
}

// Live entries from `first` to `last`.
uint64_t EntryLog::CountInRun(const ColdRun& run, StreamId first, StreamId last) {
  first = std::max(first, run.first);
  last = std::min(last, run.last);
  if (last < first) return 0;
  if (first == run.first && last == run.last) return run.live;
  const EntryCursor at = Fetched(run).Seek(first);
  uint64_t count = at.valid() ? at.CountTo(last, UINT64_MAX) : 0;
  if (run.deleted) {
    count -= static_cast<uint64_t>(
        std::distance(std::lower_bound(run.deleted->begin(), run.deleted->end(), first),
                      std::upper_bound(run.deleted->begin(), run.deleted->end(), last)));
  }
  return count;
}

// The blocks of a run with what is known of its entries.
EntryLog EntryLog::Living(const ColdRun& run, const EntryLog& extent) {
  EntryLog living = extent.Clone();
  living.DropOldest(living.CountBelow(run.first));
  for (;;) {
    const EntryCursor next = living.SeekAfter(run.last, {});
    if (!next.valid()) break;
    living.Remove(next->id());
  }
  if (run.deleted) {
    for (const StreamId id : *run.deleted) {
      living.Remove(id);
    }
  }
  ASSERT(living.length() == run.live);
  return living;
}

// --- All runs ---

// The first run whose last ID is not below `id`.
EntryLog::Runs::Position EntryLog::FindRun(StreamId id) const {
  return cold_->runs.PartitionPoint([id](const ColdRun& run) { return IsBelow(run.last, id); });
}

// The blocks of the run. A miss that follows the run before it, or is at the old end, is taken for
// the next step of a walk.
const EntryLog& EntryLog::Enter(Runs::Position at) const {
  const ColdRun& run = cold_->runs[at];
  if (const BlockRun* blocks = run.extent->Use()) return LogOf(*blocks);
  if (at == cold_->runs.begin() ||
      cold_->runs[cold_->runs.Previous(at)].extent->loaded() != nullptr) {
    ExpectBehind(at);
  }
  return Fetched(run);
}

void EntryLog::ExpectBehind(Runs::Position at) const {
  ColdExtents expected;
  for (int i = 0; i < kReadAhead; i++) {
    at = cold_->runs.Next(at);
    if (!cold_->runs.Contains(at)) break;
    const Ref<ColdExtent>& extent = cold_->runs[at].extent;
    if (extent->loaded() == nullptr) expected.push_back(extent);
  }
  if (!expected.empty()) expected.front()->source().Expect(expected);
}

void EntryLog::CountCold(uint64_t live, uint64_t bytes) {
  cold_->live += live;
  cold_->bytes += bytes;
  ReportCold(live, bytes);
}

void EntryLog::AddRun(ColdRun run) {
  if (!cold_) cold_ = std::make_unique<Cold>();
  cold_->blocks += run.extent->blocks();
  cold_->deleted += run.deleted ? run.deleted->size() : 0;
  CountCold(run.live, run.extent->raw_bytes());
  cold_->runs.PushBack(std::move(run));
}

EntryLog::Runs::Position EntryLog::RemoveRun(Runs::Position at) {
  const ColdRun& run = cold_->runs[at];
  cold_->blocks -= run.extent->blocks();
  cold_->deleted -= run.deleted ? run.deleted->size() : 0;
  CountCold(-run.live, -uint64_t{run.extent->raw_bytes()});
  const Runs::Position behind = cold_->runs.Erase(at);
  if (cold_->runs.empty()) cold_.reset();
  return behind;
}

void EntryLog::CloneCold(EntryLog* copy) const {
  ForEachRun([copy](const ColdRun& run) {
    ColdRun twin{run.extent, run.first, run.last, run.live, nullptr};
    if (run.deleted) twin.deleted = std::make_unique<std::vector<StreamId>>(*run.deleted);
    copy->AddRun(std::move(twin));
  });
}

bool EntryLog::ContainsCold(StreamId id) const {
  const Runs::Position at = FindRun(id);
  const ColdRun& run = cold_->runs[at];
  if (id < run.first || run.IsDeleted(id)) return false;
  return Enter(at).Contains(id);
}

bool EntryLog::RemoveCold(StreamId id) {
  if (!ContainsCold(id)) return false;
  const Runs::Position at = FindRun(id);
  ColdRun& run = cold_->runs[at];
  StreamId first = run.first;
  StreamId last = run.last;
  if (run.live > 1 && id == first) {
    EntryCursor next = EntryCursor::InRun(this, at, id);
    next.Next();
    first = next->id();
  } else if (run.live > 1 && id == last) {
    EntryCursor previous = EntryCursor::InRunBack(this, at, id);
    previous.Previous();
    last = previous->id();
  }
  // Everything that could miss has been done.
  length_--;
  if (run.live == 1) {
    RemoveRun(at);
  } else {
    if (first == run.first && last == run.last) run.Delete(id);
    cold_->deleted -= run.deleted ? run.deleted->size() : 0;
    run.first = first;
    run.last = last;
    run.Prune();
    cold_->deleted += run.deleted ? run.deleted->size() : 0;
    run.live--;
    CountCold(static_cast<uint64_t>(-1), 0);
  }
  if (id == first_id_) UpdateFirstId();
  return true;
}

// Returns how many are still to go, from the blocks in memory.
uint64_t EntryLog::DropOldestCold(uint64_t count, Disposer* disposer) {
  RequireOldest(count, false);
  ColdExtents gone;
  while (cold_ && count > 0) {
    ColdRun& run = cold_->runs.front();
    if (run.live <= count) {
      count -= run.live;
      length_ -= run.live;
      if (disposer != nullptr) gone.push_back(run.extent);
      RemoveRun(cold_->runs.begin());
      continue;
    }
    EntryCursor at = EntryCursor::InRun(this, cold_->runs.begin(), run.first);
    at.Skip(count);
    cold_->deleted -= run.deleted ? run.deleted->size() : 0;
    run.first = at->id();
    run.Prune();
    cold_->deleted += run.deleted ? run.deleted->size() : 0;
    run.live -= count;
    length_ -= count;
    CountCold(-count, 0);
    count = 0;
  }
  DisposeOf(std::move(gone), disposer);
  return count;
}

uint64_t EntryLog::CountColdBelow(StreamId id) const {
  uint64_t count = 0;
  for (auto at = cold_->runs.begin(); cold_->runs.Contains(at); at = cold_->runs.Next(at)) {
    const ColdRun& run = cold_->runs[at];
    if (id <= run.first) break;
    if (id <= run.last) {
      Enter(at);
      return count + CountInRun(run, run.first, *id.Previous());
    }
    count += run.live;
  }
  return count;
}

// --- Fetching ahead of a walk ---

void EntryLog::Require(std::span<const StreamId> ids) const {
  if (!cold_) return;
  ColdExtents missing;
  for (const StreamId id : ids) {
    if (!IsCold(id)) continue;
    const ColdRun& run = cold_->runs[FindRun(id)];
    if (id >= run.first && run.extent->Use() == nullptr) missing.push_back(run.extent);
  }
  FetchAll(missing);
}

void EntryLog::RequireOldest(uint64_t count, bool entries) const {
  if (!cold_) return;
  ColdExtents missing;
  for (auto at = cold_->runs.begin(); count > 0 && cold_->runs.Contains(at);
       at = cold_->runs.Next(at)) {
    const ColdRun& run = cold_->runs[at];
    const bool in_part = count < run.live;
    if (in_part && at == cold_->runs.begin()) ExpectBehind(at);
    if ((in_part || entries) && run.extent->Use() == nullptr) missing.push_back(run.extent);
    count -= std::min(count, run.live);
  }
  FetchAll(missing);
}

void EntryCursor::RequireForward(uint64_t count) const {
  ColdExtents missing;
  const auto& runs = whole_->cold_->runs;
  uint64_t reached = 0;
  for (auto at = run_; reached < count && runs.Contains(at); at = runs.Next(at)) {
    const EntryLog::ColdRun& run = runs[at];
    if (run.extent->Use() == nullptr) missing.push_back(run.extent);
    reached += at == run_ ? EntryLog::CountInRun(run, view_.id(), run.last) : run.live;
  }
  EntryLog::FetchAll(missing);
}

void EntryCursor::RequireBack(uint64_t count) const {
  const EntryLog* log = whole_ != nullptr ? whole_ : log_;
  if (!log->cold_ || count <= 1) return;
  const auto& runs = log->cold_->runs;
  ColdExtents missing;
  uint64_t reached;
  EntryLog::Runs::Position at = runs.end();
  if (whole_ != nullptr) {
    at = run_;
    reached = EntryLog::CountInRun(runs[at], runs[at].first, view_.id());
  } else {
    reached = CountBackTo(log->segments_.front().first, count);
  }
  while (reached < count && at != runs.begin()) {
    at = runs.Previous(at);
    if (runs[at].extent->Use() == nullptr) missing.push_back(runs[at].extent);
    reached += runs[at].live;
  }
  EntryLog::FetchAll(missing);
}

// --- Cursors ---

// The first live entry from `id` on, which is not above the run's last.
EntryCursor EntryCursor::InRun(const EntryLog* whole, EntryLog::Runs::Position run, StreamId id) {
  EntryCursor cursor = whole->Enter(run).Seek(std::max(id, whole->cold_->runs[run].first));
  cursor.whole_ = whole;
  cursor.run_ = run;
  cursor.SettleForward();
  return cursor;
}

// The last live entry up to `id`, in this run or before it.
EntryCursor EntryCursor::InRunBack(const EntryLog* whole, EntryLog::Runs::Position run,
                                   StreamId id) {
  const auto& runs = whole->cold_->runs;
  if (id < runs[run].first) {
    if (run == runs.begin()) return EntryCursor();
    run = runs.Previous(run);
  }
  EntryCursor cursor = whole->Enter(run).SeekBack(std::min(id, runs[run].last));
  cursor.whole_ = whole;
  cursor.run_ = run;
  cursor.SettleBackward();
  return cursor;
}

// Goes on from an entry of the run's blocks, or their end, to the next one that lives.
void EntryCursor::SettleForward() {
  const EntryLog::ColdRun& run = whole_->cold_->runs[run_];
  while (log_ != nullptr && view_.id() <= run.last) {
    if (!run.deleted || !run.IsDeleted(view_.id())) return;
    entry_++;
    FindForward();
  }
  NextRun();
}

void EntryCursor::NextRun() {
  const EntryLog* whole = whole_;
  const auto& runs = whole->cold_->runs;
  const EntryLog::Runs::Position next = runs.Next(run_);
  if (runs.Contains(next)) {
    *this = InRun(whole, next, runs[next].first);
    whole->ExpectBehind(next);
    return;
  }
  *this = EntryCursor();
  if (whole->segments_.empty()) return;
  *this = EntryCursor(whole, whole->segments_.begin());
  entry_ = segment_->gone;
  FindForward();
}

// The same backward.
void EntryCursor::SettleBackward() {
  const auto& runs = whole_->cold_->runs;
  const EntryLog::ColdRun& run = runs[run_];
  while (log_ != nullptr && view_.id() >= run.first) {
    if (!run.deleted || !run.IsDeleted(view_.id())) return;
    if (entry_ > 0) {
      entry_--;
      FindBackward();
    } else {
      LeaveBackward();
    }
  }
  if (run_ == runs.begin()) {
    *this = EntryCursor();
  } else {
    *this = InRunBack(whole_, runs.Previous(run_), StreamId::Max());
  }
}

void EntryCursor::SkipCold(uint64_t count) {
  while (whole_ != nullptr) {
    const EntryLog::ColdRun& run = whole_->cold_->runs[run_];
    const uint64_t here = EntryLog::CountInRun(run, view_.id(), run.last);
    if (count >= here) {
      count -= here;
      NextRun();
      continue;
    }
    if (!run.deleted) {
      if (count > 0) SkipHere(count);
      return;
    }
    for (; count > 0; count--) {
      Next();
    }
    return;
  }
  Skip(count);
}

uint64_t EntryCursor::CountColdTo(StreamId last, uint64_t most) const {
  const auto& runs = whole_->cold_->runs;
  uint64_t count = 0;
  for (auto at = run_; runs.Contains(at); at = runs.Next(at)) {
    if (count >= most || last < runs[at].first) return std::min(count, most);
    count += EntryLog::CountInRun(runs[at], at == run_ ? view_.id() : runs[at].first, last);
  }
  if (count < most && !whole_->segments_.empty()) {
    const EntryCursor hot = whole_->Seek(whole_->segments_.front().first);
    count += hot.CountTo(last, most - count);
  }
  return std::min(count, most);
}

// From here or, if `end` is past the last run, from there.
uint64_t EntryCursor::CountColdBackTo(StreamId first, uint64_t most,
                                      EntryLog::Runs::Position end) const {
  const auto& runs = (whole_ != nullptr ? whole_ : log_)->cold_->runs;
  uint64_t count = 0;
  if (runs.Contains(end)) count = EntryLog::CountInRun(runs[end], first, view_.id());
  for (auto at = end; count < most && at != runs.begin();) {
    at = runs.Previous(at);
    if (runs[at].last < first) break;
    count += EntryLog::CountInRun(runs[at], first, runs[at].last);
  }
  return std::min(count, most);
}

// --- Giving blocks to the disk ---

size_t EntryLog::sealed_bytes() const {
  return segments_.empty() ? 0 : block_bytes_ - segments_.back().block->MemoryBytes();
}

std::vector<std::shared_ptr<const BlockRun>> EntryLog::TakeRuns(size_t run_bytes, size_t bytes) {
  std::vector<EntryLog> logs;
  size_t taken = 0;
  size_t room = 0;  // in the last run
  for (auto at = segments_.begin(); segments_.Contains(at) && taken < bytes;) {
    const Segment& segment = segments_[at];
    at = segments_.Next(at);
    if (at == segments_.end()) break;
    if (room == 0) {
      logs.emplace_back();
      room = run_bytes;
    }
    room -= std::min<size_t>(room, segment.bytes);
    taken += segment.bytes;
    logs.back().AddSegment(Twin(segment));
  }
  std::vector<std::shared_ptr<const BlockRun>> runs;
  for (EntryLog& log : logs) {
    log.UpdateFirstId();
    runs.push_back(std::make_shared<const EntryRun>(std::move(log)));
  }
  return runs;
}

void EntryLog::GiveAway(std::span<const Written> written) {
  for (const Written& one : written) {
    GiveAwayRun(LogOf(*one.run), one.extent);
  }
}

// What was removed since the run was taken becomes the run's deleted entries: a block that is gone
// as a whole, or lives less than it did. What was trimmed lies before the first live entry and
// needs no note.
bool EntryLog::GiveAwayRun(const EntryLog& run, Ref<ColdExtent> extent) {
  ColdRun cold;
  std::vector<StreamId> deleted;
  size_t freed = 0;
  for (auto at = run.segments_.begin(); run.segments_.Contains(at); at = run.segments_.Next(at)) {
    const Segment& then = run.segments_[at];
    const bool here = !segments_.empty() && segments_.front().block.get() == then.block.get();
    const Segment* now = here ? &segments_.front() : nullptr;
    if (!here || now->live != then.live) {
      const StreamBlockReader reader = Open(then);
      for (size_t entry = then.gone; entry < then.entries; entry++) {
        if (then.IsLive(entry) && !(here && now->IsLive(entry))) {
          deleted.push_back(reader.IdAt(entry));
        }
      }
    }
    if (!here) continue;
    const StreamBlockReader reader = Open(*now);
    if (cold.live == 0) cold.first = reader.IdAt(now->gone);
    size_t last = now->entries - 1u;
    while (!now->IsLive(last)) {
      last--;
    }
    cold.last = reader.IdAt(last);
    cold.live += now->live;
    freed += now->block->MemoryBytes();
    mark_words_ -= now->mark_words;
    segments_.PopFront();
  }
  if (cold.live == 0) return false;
  cold.extent = std::move(extent);
  if (!deleted.empty()) {
    cold.deleted = std::make_unique<std::vector<StreamId>>(std::move(deleted));
    cold.Prune();
  }
  AddRun(std::move(cold));
  Grow(0, freed);
  return true;
}

// --- Stored form with runs ---
//
//   runs := varint count | run...
//   run  := extent as it describes itself | first ID | last ID | varint live
//           | varint deleted | deleted ID...

void EntryLog::SerializeWithRuns(Encoder* out) const {
  out->Varint(cold_ ? cold_->runs.size() : 0);
  ForEachRun([out](const ColdRun& run) {
    run.extent->Describe(out);
    WriteId(out, run.first);
    WriteId(out, run.last);
    out->Varint(run.live);
    out->Varint(run.deleted ? run.deleted->size() : 0);
    if (!run.deleted) return;
    for (const StreamId id : *run.deleted) {
      WriteId(out, id);
    }
  });
  out->Varint(segments_.size());
  SerializeSegments(out);
}

bool EntryLog::LoadWithRuns(Decoder* in, ColdSource& source) {
  const uint64_t runs = in->Count(1);
  for (uint64_t i = 0; i < runs; i++) {
    ColdRun run;
    run.extent = source.Resolve(in);
    run.first = ReadId(in);
    run.last = ReadId(in);
    run.live = in->Varint();
    const uint64_t count = in->Count(2);
    std::vector<StreamId> deleted;
    for (uint64_t k = 0; k < count; k++) {
      const StreamId id = ReadId(in);
      if (id <= (deleted.empty() ? run.first : deleted.back()) || id >= run.last) return false;
      deleted.push_back(id);
    }
    const bool in_order = !cold_ || cold_->runs.back().last < run.first;
    const bool ours = run.extent && run.extent->kind() == RunKind::kStream;
    if (!in->ok() || !ours || run.live == 0 || run.last < run.first || !in_order) {
      return false;
    }
    if (count > 0) run.deleted = std::make_unique<std::vector<StreamId>>(std::move(deleted));
    length_ += run.live;
    AddRun(std::move(run));
  }
  const bool loaded = Load(in);
  UpdateFirstId();
  return loaded;
}

}  // namespace runnel
