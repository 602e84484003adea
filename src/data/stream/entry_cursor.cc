#include "data/stream/entry_cursor.h"

#include <algorithm>

namespace runnel {

// Goes on from an entry of the run's blocks, or their end, to the next one that lives.
void EntryCursor::SettleForward() {
  if (!cold_->runs()[run_].SettleForward(&at_)) NextRun();
}

void EntryCursor::NextRun() {
  do {
    const ColdRuns::Position next = cold_->runs().Next(run_);
    if (!cold_->runs().Contains(next)) {
      in_run_ = false;
      at_ = BlockCursor::First(*hot_);
      return;
    }
    at_ = BlockCursor::First(cold_->Enter(next, ahead_), cold_->runs()[next].first);
    run_ = next;
    if (ahead_ == ReadAhead::kYes) cold_->ExpectAfter(next);
    // A run has a live entry, but a damaged file may say what it likes.
  } while (!cold_->runs()[run_].SettleForward(&at_));
}

// The same backward.
void EntryCursor::SettleBackward() {
  const ColdRuns::Runs& runs = cold_->runs();
  if (runs[run_].SettleBackward(&at_)) return;
  at_ = BlockCursor();
  if (run_ != runs.begin()) EnterBack(runs.Previous(run_), [](StreamId) { return true; });
}

void EntryCursor::EnterLastRun() {
  EnterBack(cold_->runs().Previous(cold_->runs().end()), [](StreamId) { return true; });
}

void EntryCursor::SkipCold(uint64_t count) {
  while (in_run_) {
    const ColdRun& run = cold_->runs()[run_];
    const uint64_t here = run.Count(at_->id(), run.last);
    if (count >= here) {
      count -= here;
      NextRun();
      continue;
    }
    if (run.all_live()) {
      at_.Skip(count);
      return;
    }
    for (; count > 0; count--) {
      Next();
    }
    return;
  }
  if (count > 0) at_.Skip(count);
}

uint64_t EntryCursor::CountTo(StreamId last, uint64_t most) const {
  if (!in_run_) return at_.CountTo(last, most);
  if (last < at_->id()) return 0;
  const uint64_t count = cold_->CountTo(run_, at_->id(), last, most);
  if (count >= most || hot_->empty()) return count;
  return count + BlockCursor::First(*hot_).CountTo(last, most - count);
}

uint64_t EntryCursor::CountBackTo(StreamId first, uint64_t most) const {
  if (at_->id() < first) return 0;
  uint64_t count = 0;
  ColdRuns::Position end;
  if (in_run_) {
    count = std::min(cold_->runs()[run_].Count(first, at_->id()), most);
    end = run_;
  } else {
    count = at_.CountBackTo(first, most);
    if (cold_ == nullptr || cold_->last_id() < first) return count;
    end = cold_->runs().end();
  }
  return count + cold_->CountBackTo(end, first, most - count);
}

void EntryCursor::RequireBack(uint64_t count) const {
  if (cold_ == nullptr || count <= 1) return;
  const uint64_t reached = in_run_ ? cold_->runs()[run_].Count(StreamId::Min(), at_->id())
                                   : at_.CountBackTo(StreamId::Min(), count);
  if (reached < count) cold_->RequireBack(in_run_ ? run_ : cold_->runs().end(), count - reached);
}

}  // namespace runnel
