// Which entries no consumer group needs any more: for trims with ACKED, and for ON-ACK DELETE.

#include <algorithm>
#include <utility>

#include <absl/container/inlined_vector.h>

#include "base/assert.h"
#include "data/stream/stream.h"

namespace runnel {
namespace {

// Walks over the IDs that are pending in at least one group.
class PendingIds {
 public:
  PendingIds(const Stream::Groups& groups, StreamId from) {
    for (const auto& [name, group] : groups) {
      const PendingList::Cursor at = group->pending().Seek(from);
      if (at.valid()) lists_.push_back({&group->pending(), at});
    }
  }

  // Goes on to the first ID that is not below `id`. REQUIRES: `id` is not below that of a call
  // before.
  void SeekTo(StreamId id) {
    for (size_t i = 0; i < lists_.size();) {
      List& list = lists_[i];
      if (list.at->id < id) list.at.Next();
      if (list.at.valid() && list.at->id < id) list.at = list.pending->Seek(id);
      if (list.at.valid()) {
        i++;
        continue;
      }
      std::swap(list, lists_.back());
      lists_.pop_back();
    }
  }
  // After SeekTo(first): whether an ID up to `last` is pending.
  bool AnyUpTo(StreamId last) const {
    return std::any_of(lists_.begin(), lists_.end(),
                       [last](const List& list) { return list.at->id <= last; });
  }
  // At least as many as the IDs up to `last`: one that is pending in two groups counts twice.
  // The walk goes on behind `last`.
  uint64_t CountUpTo(StreamId last) {
    uint64_t count = 0;
    for (List& list : lists_) {
      for (; list.at.valid() && list.at->id <= last; list.at.Next()) {
        count++;
      }
    }
    const auto ended = [](const List& list) { return !list.at.valid(); };
    lists_.erase(std::remove_if(lists_.begin(), lists_.end(), ended), lists_.end());
    return count;
  }
  bool Contains(StreamId id) {
    SeekTo(id);
    return AnyUpTo(id);
  }

 private:
  struct List {
    const PendingList* pending;
    PendingList::Cursor at;  // valid
  };
  absl::InlinedVector<List, 4> lists_;
};

}  // namespace

// From the first entry on that some group was not given yet, everything is needed.
StreamId Stream::GivenToAll() const {
  StreamId given = StreamId::Max();
  for (const auto& [name, group] : groups_) {
    given = std::min(given, group->last_delivered());
  }
  return given;
}

// Fetches, all at once, the runs that PlanAcked is going to look into, as far as that can be told
// before.
void Stream::RequireForAcked(const AckedSearch& search, StreamId last) const {
  if (!has_cold()) return;
  std::vector<StreamId> looked_for;  // an ID of each of the runs
  uint64_t certain = 0;              // entries that will be found at least
  size_t effort = search.effort;
  PendingIds pending(groups_, search.first);
  log_.ForEachPiece(search.first, [&](const EntryLog::Piece& piece) {
    if (!piece.run || last < piece.first || certain >= search.most || effort == 0) return false;
    pending.SeekTo(std::max(piece.first, search.first));
    const uint64_t kept = pending.CountUpTo(piece.last);
    const bool inside = search.first <= piece.first && piece.last <= last;
    effort -= std::min<uint64_t>(effort, 1 + (kept > 0 ? piece.live : 0));
    if (inside && kept == 0 && piece.live <= search.most - certain) {
      certain += piece.live;
      return true;
    }
    if (looked_for.size() == search.runs) return false;
    looked_for.push_back(piece.first);
    if (inside) certain += piece.live - std::min(piece.live, kept);
    return true;
  });
  log_.Require(looked_for);
}

AckedEntries Stream::PlanAcked(const AckedSearch& search) const {
  const StreamId last = std::min(search.last, GivenToAll());
  RequireForAcked(search, last);
  AckedEntries found;
  bool open = false;  // whether the last range may go on
  const auto full = [&] { return !open && found.bounds.size() / 2 >= search.ranges; };
  const auto take = [&](StreamId from, StreamId to, uint64_t entries) {
    if (!open) found.bounds.insert(found.bounds.end(), {from, to});
    found.bounds.back() = to;
    found.entries += entries;
    open = true;
  };
  size_t effort = search.effort;
  size_t runs = search.runs;
  PendingIds pending(groups_, search.first);
  log_.ForEachPiece(search.first, [&](const EntryLog::Piece& piece) {
    if (last < piece.first || found.entries == search.most) return false;
    const StreamId first = std::max(piece.first, search.first);
    pending.SeekTo(first);
    const bool inside = search.first <= piece.first && piece.last <= last &&
                        piece.live <= search.most - found.entries;
    const bool whole = inside && !pending.AnyUpTo(piece.last);
    if (effort == 0 || (!whole && piece.run && runs == 0) || full()) {
      found.next = first;
      return false;
    }
    effort--;
    if (whole) {
      take(piece.first, piece.last, piece.live);
      return true;
    }
    if (piece.run) runs--;
    const StreamId end = std::min(last, piece.last);
    for (EntryCursor at = log_.Seek(first);
         at.valid() && at->id() <= end && found.entries < search.most; at.Next()) {
      const StreamId id = at->id();
      effort -= std::min<size_t>(effort, 1);
      if (pending.Contains(id)) {
        open = false;
      } else if (full()) {
        found.next = id;
        return false;
      } else {
        take(id, id, 1);
      }
      if (id == piece.last) break;  // what lies behind may not be in memory
    }
    return true;
  });
  return found;
}

AckedEntries Stream::PlanAckedTrim(const StreamTrim& trim, bool with_one_more) const {
  AckedSearch search;
  const uint64_t length = log_.length() + (with_one_more ? 1 : 0);
  if (trim.by == StreamTrim::By::kLength) {
    search.most = length - std::min(length, trim.max_length);
  } else {
    const std::optional<StreamId> last = trim.min_id.Previous();
    if (!last) return {};
    search.last = *last;
  }
  if (trim.approximate && trim.limit != 0) search.most = std::min(search.most, trim.limit);
  if (search.most == 0) return {};
  return PlanAcked(search);
}

AckedEntries Stream::PlanSweep(size_t runs) const {
  // About a millisecond.
  constexpr size_t kEffort = 4096;
  AckedSearch search;
  search.first = *unswept_;
  search.effort = kEffort;
  search.runs = runs;
  return PlanAcked(search);
}

void Stream::NoteUnswept() {
  if (retention().delete_on_ack && !groups_.empty()) {
    unswept_ = StreamId::Min();
  } else {
    unswept_.reset();
  }
}

void Stream::SetSwept(StreamId next) {
  if (next == StreamId::Max()) {
    unswept_.reset();
  } else {
    unswept_ = next;
  }
}

}  // namespace runnel
