#pragma once

#include <cstddef>
#include <cstdint>

#include "base/stream_id.h"
#include "data/stream/block_cursor.h"
#include "data/stream/cold_runs.h"
#include "data/stream/hot_log.h"

namespace runnel {

// Where an entry is. A hint for EntryLog::SeekAfter, which checks it: it may be out of date.
struct EntryPlace {
  uint64_t page = 0;
  uint64_t slot = 0;
  uint32_t entry = 0;
};

// Walks over the live entries of a stream in both directions, through the runs on the disk and the
// blocks in memory. Valid until entries are added or removed. What gives a cursor or moves one may
// look into a run, and throws ColdMiss or ColdFailure then.
class EntryCursor {
 public:
  // Not valid.
  EntryCursor() = default;
  // The first entry for which `before` is false; the last one for which it is true. `before(id)` is
  // true for the IDs below some point and for no others. `cold` may be nullptr; it is not empty.
  // `ahead`: what the cursor does with runs on its way forward.
  template <class Before>
  static EntryCursor First(const HotLog& hot, const ColdRuns* cold, Before before,
                           ReadAhead ahead = ReadAhead::kYes) {
    EntryCursor cursor(hot, cold);
    cursor.ahead_ = ahead;
    if (cold != nullptr && !before(cold->last_id())) {
      const ColdRuns::Position run = cold->Find(before);
      const StreamId first = cold->runs()[run].first;
      cursor.run_ = run;
      cursor.in_run_ = true;
      cursor.at_ = BlockCursor::First(
          cold->Enter(run, ahead), [&](StreamId id) { return IsBelow(id, first) || before(id); });
      cursor.SettleForward();
    } else {
      cursor.at_ = BlockCursor::First(hot, before);
    }
    return cursor;
  }
  template <class Before>
  static EntryCursor Last(const HotLog& hot, const ColdRuns* cold, Before before) {
    EntryCursor cursor(hot, cold);
    cursor.at_ = BlockCursor::Last(hot, before);
    if (cursor.valid() || cold == nullptr) return cursor;
    const ColdRuns::Runs& runs = cold->runs();
    ColdRuns::Position run = cold->Find(before);
    if (!runs.Contains(run) || !before(runs[run].first)) {
      if (run == runs.begin()) return cursor;
      run = runs.Previous(run);
    }
    cursor.EnterBack(run, before);
    return cursor;
  }
  // The first entry above `id`. Takes one step instead of a search if the entry `id` is in memory
  // at `place`.
  static EntryCursor After(const HotLog& hot, const ColdRuns* cold, StreamId id, EntryPlace place) {
    EntryCursor cursor(hot, cold);
    bool found;
    cursor.at_ = BlockCursor::After(hot, {place.page, place.slot}, place.entry, id, &found);
    if (found) return cursor;
    return First(hot, cold, [id](StreamId other) { return !IsBelow(id, other); });
  }

  // False after the last and before the first entry. An invalid cursor stays invalid.
  bool valid() const { return at_.valid(); }
  // REQUIRES: valid(), for all below.
  const EntryView& operator*() const { return *at_; }
  const EntryView* operator->() const { return at_.operator->(); }
  void Next() {
    at_.Next();
    if (in_run_) SettleForward();
  }
  void Previous() {
    at_.Previous();
    if (in_run_) {
      SettleBackward();
    } else if (!valid() && cold_ != nullptr) {
      EnterLastRun();
    }
  }

  // The number of live entries from this one on up to ID `last`, or back from this one down to ID
  // `first`, both included; at most `most`. Takes a step per block, not per entry.
  uint64_t CountTo(StreamId last, uint64_t most) const;
  uint64_t CountBackTo(StreamId first, uint64_t most) const;

  // Moves on by `count` live entries, at the same cost. REQUIRES: that many follow.
  void Skip(uint64_t count) { in_run_ ? SkipCold(count) : at_.Skip(count); }

  // Fetches the runs of the `count` live entries from this one on, or back from this one, all at
  // once. For use before a long walk, which would otherwise miss once for each run. REQUIRES: there
  // are that many.
  void Require(uint64_t count) const {
    if (in_run_ && count > 1) cold_->RequireForward(run_, at_->id(), count);
  }
  void RequireBack(uint64_t count) const;

  EntryPlace place() const {
    return {at_.position().page, at_.position().slot, static_cast<uint32_t>(at_.entry())};
  }

 private:
  EntryCursor(const HotLog& hot, const ColdRuns* cold) : hot_(&hot), cold_(cold) {}

  // Goes to the last entry of the run for which `before` is true, or to one of an earlier run.
  template <class Before>
  void EnterBack(ColdRuns::Position run, Before before) {
    const StreamId last = cold_->runs()[run].last;
    run_ = run;
    in_run_ = true;
    at_ = BlockCursor::Last(cold_->Enter(run),
                            [&](StreamId id) { return before(id) && !IsBelow(last, id); });
    SettleBackward();
  }
  void SettleForward();
  void SettleBackward();
  void NextRun();
  void EnterLastRun();
  void SkipCold(uint64_t count);

  const HotLog* hot_ = nullptr;
  const ColdRuns* cold_ = nullptr;
  // Where at_ is: in the blocks of a run, or in those in memory.
  bool in_run_ = false;
  ReadAhead ahead_ = ReadAhead::kYes;
  ColdRuns::Position run_;
  BlockCursor at_;
};

}  // namespace runnel
