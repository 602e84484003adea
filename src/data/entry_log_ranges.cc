// Removing entries by ranges of IDs: whole blocks and whole runs go without a look into them.

#include <algorithm>
#include <iterator>
#include <utility>

#include "base/assert.h"
#include "data/entry_log.h"

namespace runnel {

uint64_t EntryLog::RemoveRanges(std::span<const StreamId> bounds) {
  ASSERT(bounds.size() % 2 == 0);
  if (bounds.empty()) return 0;
  RequireRanges(bounds);
  const uint64_t before = length_;
  if (IsCold(bounds.front())) RemoveRangesCold(bounds);
  for (size_t i = 0; i < bounds.size(); i += 2) {
    RemoveRangeHot(bounds[i], bounds[i + 1]);
  }
  UpdateFirstId();
  return before - length_;
}

// Fetches the runs that RemoveRanges cuts, all at once.
void EntryLog::RequireRanges(std::span<const StreamId> bounds) const {
  if (!cold_) return;
  const Runs& runs = cold_->runs;
  ColdExtents missing;
  const ColdExtent* last_missing = nullptr;
  for (size_t i = 0; i < bounds.size() && IsCold(bounds[i]); i += 2) {
    for (auto at = FindRun(bounds[i]); runs.Contains(at); at = runs.Next(at)) {
      const ColdRun& run = runs[at];
      if (bounds[i + 1] < run.first) break;
      if (bounds[i] <= run.first && run.last <= bounds[i + 1]) continue;
      if (run.extent.get() == last_missing || run.extent->Use() != nullptr) continue;
      missing.push_back(run.extent);
      last_missing = run.extent.get();
    }
  }
  FetchAll(missing);
}

void EntryLog::RemoveRangesCold(std::span<const StreamId> bounds) {
  Runs::Position at = FindRun(bounds.front());
  while (!bounds.empty() && cold_ && cold_->runs.Contains(at)) {
    const ColdRun& run = cold_->runs[at];
    if (bounds[1] < run.first) {
      bounds = bounds.subspan(2);
    } else if (run.last < bounds[0]) {
      if (!IsCold(bounds[0])) return;
      at = FindRun(bounds[0]);
    } else if (bounds[0] <= run.first && run.last <= bounds[1]) {
      length_ -= run.live;
      at = RemoveRun(at);
    } else {
      at = RemoveInRun(at, bounds) ? RemoveRun(at) : cold_->runs.Next(at);
    }
  }
}

// Removes the entries of a run that lie in the ranges. True if none is left: then the caller
// removes the run.
bool EntryLog::RemoveInRun(Runs::Position at, std::span<const StreamId> bounds) {
  ColdRun& run = cold_->runs[at];
  std::vector<StreamId> gone;
  StreamId first;
  StreamId last;
  uint64_t left = 0;
  EntryCursor entry = EntryCursor::InRun(this, at, run.first);
  // By number, because the step behind the last entry would look into the next run.
  for (uint64_t i = 0; i < run.live; i++) {
    if (i > 0) entry.Next();
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
  length_ -= gone.size();
  if (left == 0) return true;
  cold_->deleted -= run.deleted ? run.deleted->size() : 0;
  if (run.deleted) {
    auto merged = std::make_unique<std::vector<StreamId>>();
    merged->reserve(run.deleted->size() + gone.size());
    std::merge(run.deleted->begin(), run.deleted->end(), gone.begin(), gone.end(),
               std::back_inserter(*merged));
    run.deleted = std::move(merged);
  } else if (!gone.empty()) {
    run.deleted = std::make_unique<std::vector<StreamId>>(gone);
  }
  run.first = first;
  run.last = last;
  run.live = left;
  run.Prune();
  cold_->deleted += run.deleted ? run.deleted->size() : 0;
  CountCold(-uint64_t{gone.size()}, 0);
  return false;
}

void EntryLog::RemoveRangeHot(StreamId first, StreamId last) {
  for (;;) {
    const Segments::Position at = FindSegment(first);
    if (!segments_.Contains(at)) return;
    const Segment& segment = segments_[at];
    if (last < segment.first) return;
    const StreamId end = segment.last;
    if (first <= segment.first && end <= last) {
      length_ -= segment.live;
      RemoveSegment(at);
    } else {
      RemoveInSegment(at, first, last);
    }
    if (last <= end) return;
    first = *end.Next();
  }
}

void EntryLog::RemoveInSegment(Segments::Position at, StreamId first, StreamId last) {
  Segment& segment = segments_[at];
  const StreamBlockReader reader = Open(segment);
  const size_t begin = first <= segment.first ? 0 : reader.LowerBound(first);
  size_t end = segment.entries;
  if (last < segment.last) {
    end = reader.LowerBound(last);
    if (reader.IdAt(end) == last) end++;
  }
  const size_t before = segment.CountLiveBefore(begin);
  const size_t count = segment.CountLiveBefore(end) - before;
  length_ -= count;
  if (count == segment.live) return RemoveSegment(at);
  if (count == 0) return;
  if (before == 0) return segment.Advance(count);
  mark_words_ -= segment.mark_words;
  for (size_t entry = begin; entry < end; entry++) {
    if (segment.IsLive(entry)) segment.Mark(entry);
  }
  segment.live = static_cast<uint16_t>(segment.live - count);
  mark_words_ += segment.mark_words;
}

}  // namespace runnel
