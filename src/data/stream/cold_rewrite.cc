// Runs of which half is dead, or which keep a file for few others, are written again. TakeSparse
// chooses some and copies what the row knows of them. A worker reads the copies and writes one run
// of what lives in them. Replace puts that run in their place. The stream goes on meanwhile: what
// was removed from the old runs since becomes holes of the new one.

#include <algorithm>
#include <memory>
#include <utility>
#include <vector>

#include "data/stream/cold_runs.h"
#include "data/topic/record.h"

namespace runnel {
namespace {

bool IsSparseRun(const ColdRun& run) {
  return run.hole_count() + run.deletions() >= run.live || run.extent->IsLonely();
}

// About the bytes of its live entries.
size_t LiveBytes(const ColdRun& run) {
  const uint64_t dead = run.hole_count() + run.deletions();
  return static_cast<size_t>(run.extent->raw_bytes() * run.live / (run.live + dead));
}

// Has copies of the runs as they were.
class SparseRuns final : public RunRewrite {
 public:
  explicit SparseRuns(std::vector<ColdRun> runs) : runs_(std::move(runs)) {}

  const std::vector<ColdRun>& runs() const { return runs_; }
  bool Has(const ColdRun& run) const {
    return std::any_of(runs_.begin(), runs_.end(), [&](const ColdRun& taken) {
      return taken.extent.get() == run.extent.get();
    });
  }

  std::shared_ptr<const BlockRun> Read() const override {
    HotLog all;
    for (const ColdRun& run : runs_) {
      const HotLog living = run.Living();
      for (BlockCursor at = BlockCursor::First(living); at.valid(); at.Next()) {
        all.AppendCopy(*at, kPartitionLimits);
      }
    }
    return std::make_shared<const EntryRun>(std::move(all));
  }

 private:
  const std::vector<ColdRun> runs_;
};

}  // namespace

void ColdRuns::NoteIfSparse(ColdRun* run) {
  if (run->noted_sparse || !IsSparseRun(*run)) return;
  run->noted_sparse = true;
  sparse_.push_back(run->last.seq);
}

// Looks at the next few runs, for those that nothing is removed from.
void ColdRuns::LookForLonely() {
  constexpr int kRuns = 16;
  Position at = Find([this](StreamId id) { return id.seq <= looked_to_; });
  for (int i = 0; i < kRuns; i++) {
    if (!runs_.Contains(at)) {
      looked_to_ = 0;
      return;
    }
    ColdRun& run = runs_[at];
    NoteIfSparse(&run);
    looked_to_ = run.last.seq;
    at = runs_.Next(at);
  }
}

std::shared_ptr<const RunRewrite> ColdRuns::TakeSparse(size_t run_bytes) {
  while (!sparse_.empty()) {
    const uint64_t offset = sparse_.front();
    sparse_.pop_front();
    Position at = Find(BelowOffset{offset});
    if (!runs_.Contains(at) || !runs_[at].noted_sparse) continue;
    size_t bytes = LiveBytes(runs_[at]);
    for (Position before = at; before != runs_.begin();) {
      before = runs_.Previous(before);
      const size_t more = LiveBytes(runs_[before]);
      if (!IsSparseRun(runs_[before]) || bytes + more > run_bytes) break;
      bytes += more;
      at = before;
    }
    bytes = 0;
    std::vector<ColdRun> taken;
    for (; runs_.Contains(at); at = runs_.Next(at)) {
      ColdRun& run = runs_[at];
      const size_t more = LiveBytes(run);
      if (!taken.empty() && (!IsSparseRun(run) || bytes + more > run_bytes)) break;
      bytes += more;
      // What fails to be written is noted again by the next removal.
      run.noted_sparse = false;
      taken.push_back(run.Twin());
    }
    return std::make_shared<const SparseRuns>(std::move(taken));
  }
  return nullptr;
}

void ColdRuns::Replace(const RunRewrite& taken, const BlockRun& written, Ref<ColdExtent> extent) {
  const auto& sparse = static_cast<const SparseRuns&>(taken);
  const HotLog& log = EntryRun::LogOf(written);
  const uint64_t first = sparse.runs().front().first.seq;
  const Position begin = Find([first](StreamId id) { return id.seq < first; });
  ColdRun made;
  made.extent = std::move(extent);
  size_t count = 0;
  for (Position at = begin; runs_.Contains(at) && sparse.Has(runs_[at]); at = runs_.Next(at)) {
    const ColdRun& run = runs_[at];
    if (count++ == 0) made.first = run.first;
    made.last = run.last;
    made.live += run.live;
  }
  if (count == 0) return;
  if (made.live == log.length()) {
    made.first = log.first_id();
    made.last = log.newest_id();
  } else {
    Position at = begin;
    for (BlockCursor entry = BlockCursor::First(log, made.first);
         entry.valid() && entry->id() <= made.last; entry.Next()) {
      const StreamId id = entry->id();
      while (runs_[at].last < id) {
        at = runs_.Next(at);
      }
      if (id < runs_[at].first || runs_[at].IsDeleted(id)) made.AddHole(id.seq);
    }
  }
  Position at = begin;
  Subtract(runs_[at]);
  runs_[at] = std::move(made);
  NoteIfSparse(&runs_[at]);
  Add(runs_[at]);
  for (at = runs_.Next(at); count > 1; count--) {
    at = Erase(at);
  }
  LookForLonely();
}

}  // namespace runnel
