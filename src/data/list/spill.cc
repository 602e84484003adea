#include "data/list/spill.h"

#include <algorithm>
#include <utility>

#include "base/assert.h"
#include "data/list/list.h"
#include "data/list/run.h"

namespace runnel {
namespace {

// What is larger, a single element, stays in memory: it could not be packed in one piece.
constexpr size_t kMostRunBytes = size_t{1} << 30;
// When a consumer is so many blocks away from a run on the disk, that is asked for: two runs.
constexpr size_t kNearBlocks = 64;

}  // namespace

ListSpill::ListSpill(List* list, HotBlocks* hot) : list_(list) {
  Count(0, list->blocks_.size(), true);
  FindRuns(0, list->blocks_.size(), false, false);
  Attach(hot);
}

// What the block counts for: those at the ends are open, and change without notice.
size_t ListSpill::InnerBytes(size_t block) const {
  const Ring<ListBlock>& blocks = list_->blocks_;
  if (block == 0 || block + 1 >= blocks.size() || blocks[block].cold()) return 0;
  return blocks[block].block()->MemoryBytes();
}

void ListSpill::CountCold(uint64_t elements, uint64_t bytes) {
  elements_ += elements;
  bytes_ += bytes;
  ReportCold(elements, bytes);
}

// Counts the blocks from `from` to before `to` in, or out.
void ListSpill::Count(size_t from, size_t to, bool in) {
  const Ring<ListBlock>& blocks = list_->blocks_;
  uint64_t runs = 0;
  uint64_t elements = 0;
  uint64_t bytes = 0;
  uint64_t inner = 0;
  for (size_t b = from; b < to; b++) {
    inner += InnerBytes(b);
    if (!blocks[b].cold()) continue;
    runs++;
    elements += blocks[b].size();
    bytes += blocks[b].cold_bytes();
  }
  inner_bytes_ += in ? inner : -inner;
  runs_ += in ? runs : -runs;
  CountCold(in ? elements : -elements, in ? bytes : -bytes);
}

void ListSpill::NoteAdded(bool front) {
  if (front) origin_--;
  const size_t size = list_->blocks_.size();
  const uint64_t sealed = size < 3 ? 0 : InnerBytes(front ? 1 : size - 2);
  inner_bytes_ += sealed;
  Report(sealed);
}

void ListSpill::NoteDropping(bool front) {
  const Ring<ListBlock>& blocks = list_->blocks_;
  size_t b = front ? 0 : blocks.size() - 1;
  if (blocks[b].cold()) {
    runs_--;
    CountCold(-uint64_t{blocks[b].size()}, -uint64_t{blocks[b].cold_bytes()});
    if (runs_ > 0) {
      do {
        front ? b++ : b--;
      } while (!blocks[b].cold());
      (front ? first_run_ : last_run_) = PlaceOf(b);
    }
  }
  const uint64_t opened = blocks.size() < 3 ? 0 : InnerBytes(front ? 1 : blocks.size() - 2);
  inner_bytes_ -= opened;
  if (front) origin_++;
  Report(-opened);
}

void ListSpill::ExpectAtEnd(bool front) const {
  if (runs_ == 0) return;
  const size_t run = BlockAt(front ? first_run_ : last_run_);
  const size_t distance = front ? run : list_->blocks_.size() - 1 - run;
  if (distance <= kNearBlocks) list_->ExpectFrom(run, front);
}

// Finds the first and the last run, after blocks from `from` to before `to` have changed. What is
// to be kept is outside of these.
void ListSpill::FindRuns(size_t from, size_t to, bool keep_first, bool keep_last) {
  if (runs_ == 0) return;
  const Ring<ListBlock>& blocks = list_->blocks_;
  if (!keep_first || BlockAt(first_run_) >= to) {
    const size_t end = keep_first ? to : blocks.size();
    size_t b = from;
    while (b < end && !blocks[b].cold()) {
      b++;
    }
    if (b < end) first_run_ = PlaceOf(b);
  }
  if (!keep_last || BlockAt(last_run_) < from) {
    const size_t begin = keep_last ? from : 0;
    size_t b = to;
    while (b > begin && !blocks[b - 1].cold()) {
      b--;
    }
    if (b > begin) last_run_ = PlaceOf(b - 1);
  }
}

// --- Changes in the middle ---

// Which block is an end may change with those that do, so one more on each side is counted anew.
// List::Tidy looks at one more as well.
ListSpill::Edit::Edit(ListSpill* spill, size_t from, size_t to) : spill_(spill) {
  if (spill == nullptr) return;
  size_ = spill->list_->blocks_.size();
  from_ = from - std::min<size_t>(from, 2);
  after_ = size_ - std::min(size_, to + 2);
  inner_bytes_ = spill->inner_bytes_;
  to = size_ - after_;
  const auto outside = [&](Place run) {
    const size_t block = spill->BlockAt(run);
    return spill->runs_ > 0 && (block < from_ || block >= to);
  };
  keep_first_ = outside(spill->first_run_);
  keep_last_ = outside(spill->last_run_);
  spill->Count(from_, to, false);
  if (spill->PlaceOf(from_) < spill->writing_end_ && spill->PlaceOf(to) > spill->writing_begin_) {
    spill->StopWriting();
  }
}

ListSpill::Edit::~Edit() {
  if (spill_ == nullptr) return;
  ListSpill& spill = *spill_;
  const size_t size = spill.list_->blocks_.size();
  spill.Count(from_, size - after_, true);
  const Place end = spill.PlaceOf(size_ - after_);
  const auto moved = static_cast<int64_t>(size - size_);
  for (Place* mark : {&spill.first_run_, &spill.last_run_, &spill.newest_run_,
                      &spill.writing_begin_, &spill.writing_end_}) {
    if (*mark >= end) *mark += moved;
  }
  spill.FindRuns(from_, size - after_, keep_first_, keep_last_);
  spill.Report(spill.inner_bytes_ - inner_bytes_);
}

// --- Giving blocks to the disk ---

size_t ListSpill::sealed_bytes() const {
  const uint64_t kept = 2 * kept_bytes();
  return inner_bytes_ > kept + hot()->least_given() ? inner_bytes_ - kept : 0;
}

// Where the blocks end (or, at the back, begin) that stay in memory for the sake of that end.
size_t ListSpill::EndOfKept(bool front) const {
  const Ring<ListBlock>& blocks = list_->blocks_;
  size_t kept = 0;
  size_t b = front ? 1 : blocks.size() - 1;
  while (front ? b < blocks.size() : b > 0) {
    const ListBlock& next = blocks[front ? b : b - 1];
    kept += next.cold() ? next.cold_bytes() : next.block()->MemoryBytes();
    if (kept > kept_bytes()) break;
    front ? b++ : b--;
  }
  return b;
}

bool ListSpill::MayGo(size_t block) const {
  const ListBlock& there = list_->blocks_[block];
  return !there.cold() && there.block()->MemoryBytes() <= kMostRunBytes;
}

// Extends a range of blocks that may go, from `at` on or back from there, up to `limit` or until
// it has so many bytes. Returns its other end.
size_t ListSpill::Extend(size_t at, size_t limit, size_t bytes) const {
  const bool forward = limit >= at;
  size_t taken = 0;
  while (at != limit && taken < bytes) {
    const size_t b = forward ? at : at - 1;
    if (!MayGo(b)) break;
    taken += InnerBytes(b);
    forward ? at++ : at--;
  }
  return at;
}

std::vector<std::shared_ptr<const BlockRun>> ListSpill::TakeRuns(size_t run_bytes, size_t bytes) {
  const Ring<ListBlock>& blocks = list_->blocks_;
  if (blocks.size() < 3) return {};
  const size_t low = EndOfKept(true);
  const size_t high = EndOfKept(false);
  if (low >= high) return {};
  size_t begin = low + (high - low) / 2;
  size_t end = begin;
  if (runs_ == 0) {
    begin = Extend(begin, low, bytes / 2);
    end = Extend(end, high, bytes / 2);
  } else {
    ASSERT(blocks[BlockAt(first_run_)].cold() && blocks[BlockAt(last_run_)].cold());
    const size_t first = std::clamp(BlockAt(first_run_), low, high);
    const size_t after = std::clamp(BlockAt(last_run_) + 1, low, high);
    const bool sides_are_gone = first == low && after == high;
    if (sides_are_gone || high - after >= first - low) {
      // If the sides are gone: what was changed in the middle.
      begin = sides_are_gone ? low : after;
      while (begin < high && !MayGo(begin)) {
        begin++;
      }
      end = Extend(begin, high, bytes);
    } else {
      end = first;
      while (end > low && !MayGo(end - 1)) {
        end--;
      }
      begin = Extend(end, low, bytes);
    }
  }
  return Cut(begin, end, run_bytes);
}

std::vector<std::shared_ptr<const BlockRun>> ListSpill::Cut(size_t begin, size_t end,
                                                            size_t run_bytes) {
  writing_begin_ = PlaceOf(begin);
  writing_end_ = PlaceOf(end);
  size_t left = 0;
  for (size_t b = begin; b < end; b++) {
    left += InnerBytes(b);
  }
  std::vector<std::shared_ptr<const BlockRun>> runs;
  std::vector<ListBlock> run;
  size_t taken = 0;
  for (size_t b = begin; b < end; b++) {
    run.push_back(list_->blocks_[b].Share());
    taken += InnerBytes(b);
    left -= InnerBytes(b);
    // A small rest goes with the run before it.
    if (left > 0 && (taken < run_bytes || left < run_bytes / 2)) continue;
    runs.push_back(std::make_shared<const ListRun>(std::move(run)));
    run.clear();
    taken = 0;
  }
  return runs;
}

// Whether the run's blocks are at that place as they were, and none has become an end, which is
// about to be popped.
bool ListSpill::IsAt(Place place, const ListRun& run) const {
  const Ring<ListBlock>& blocks = list_->blocks_;
  const auto size = static_cast<Place>(blocks.size());
  if (place <= origin_ || place + static_cast<Place>(run.blocks()) >= origin_ + size) return false;
  for (size_t i = 0; i < run.blocks(); i++) {
    if (!blocks[BlockAt(place) + i].SameAs(run.block(i))) return false;
  }
  return true;
}

// All in one pass, because each block taken out of the ring moves many others.
void ListSpill::GiveAway(std::span<const Written> written) {
  ASSERT(!writing());
  Ring<ListBlock>& blocks = list_->blocks_;
  const Place begin = std::max(writing_begin_, origin_);
  const Place end = std::min(writing_end_, PlaceOf(blocks.size()));
  if (begin >= end) return;
  size_t to = BlockAt(begin);
  size_t newest = to;
  {
    const Edit edit(this, to, BlockAt(end));
    Place place = writing_begin_;
    for (const Written& one : written) {
      const auto& run = static_cast<const ListRun&>(*one.run);
      const Place run_end = place + static_cast<Place>(run.blocks());
      if (IsAt(place, run)) {
        ListBlock cold = ListBlock::Cold(one.extent, 0, static_cast<uint32_t>(run.entries()),
                                         one.extent->raw_bytes());
        cold.set_start(blocks[BlockAt(place)].start());
        newest = to;
        blocks[to++] = std::move(cold);
      } else {
        for (Place at = std::max(place, begin); at < std::min(run_end, end); at++, to++) {
          if (to != BlockAt(at)) blocks[to] = std::move(blocks[BlockAt(at)]);
        }
      }
      place = run_end;
    }
    blocks.Erase(to, BlockAt(end) - to);
  }
  newest_run_ = PlaceOf(newest);
}

Ref<ColdExtent> ListSpill::newest_extent() const {
  if (runs_ == 0) return {};
  const Ring<ListBlock>& blocks = list_->blocks_;
  for (const Place place : {newest_run_, last_run_}) {
    const size_t b = BlockAt(place);
    if (b < blocks.size() && blocks[b].cold()) return blocks[b].ShareExtent();
  }
  return {};
}

}  // namespace runnel
