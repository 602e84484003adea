#include "server/cutter.h"

#include <algorithm>
#include <utility>

#include "base/assert.h"
#include "base/log.h"
#include "fmt/format.h"
#include "server/state_taker.h"

namespace runnel {

Cutter::Cutter(Parts parts, Position end, Position applied)
    : parts_(parts), end_(end), applied_(applied) {
  parts_.saver.Suspend(fmt::format("the journal is to be cut at position {}", end_));
}

Cutter::~Cutter() {
  *stop_ = true;
  parts_.saver.Resume();
}

void Cutter::Turn() {
  if (state_ != State::kWaiting || parts_.saver.busy()) return;
  journal::Journal& journal = *parts_.storage.journal();
  status_ = WhyNot(parts_, end_);
  if (status_.ok() && !CanLoad(parts_, end_)) {
    status_ = Status::Error(fmt::format(
        "the journals part at position {}, and there is no state to go on from any more", end_));
  }
  if (!status_.ok()) {
    state_ = State::kRefused;
  } else if (journal.durable() == journal.appended()) {
    Keep();
  } else {
    // The journal that is opened after the cut takes what it finds for synced.
    journal.RequestSync();
  }
}

Status Cutter::WhyNot(const Parts& parts, Position end) {
  const journal::Journal& journal = *parts.storage.journal();
  if (journal.failed()) return journal.status();
  const uint64_t bytes = journal.appended() - end;
  const auto free_bytes = parts.storage.disk().FreeBytes(".");
  if (free_bytes.ok() && *free_bytes < bytes) {
    return Status::Error(
        fmt::format("the journals part at position {}, and the disk has no room to keep the {} "
                    "bytes that would "
                    "be cut off",
                    end, bytes));
  }
  return {};
}

bool Cutter::CanLoad(const Parts& parts, Position end) {
  const journal::Journal& journal = *parts.storage.journal();
  const auto& snapshots = parts.saver.positions();
  const bool has_base = std::any_of(snapshots.begin(), snapshots.end(), [&](Position position) {
    return journal.first() <= position && position <= end;
  });
  return end >= journal.first() && (has_base || journal.first() == 0);
}

void Cutter::Keep() {
  state_ = State::kKeeping;
  KeepFrames(parts_.storage, parts_.reader, end_, stop_,
             [this](Result<journal::DroppedFrames> kept) {
               if (kept.ok()) {
                 state_ = State::kKept;
                 dropped_ = std::move(*kept);
                 return;
               }
               state_ = State::kRefused;
               status_ = Status::Error(fmt::format(
                   "the journals part at position {}, and what this one has beyond cannot be kept: "
                   "{}",
                   end_, kept.message()));
             });
}

void Cutter::Cut() {
  CHECK(state_ == State::kKept);
  state_ = State::kCutting;
  parts_.storage.Cut(end_, must_load(), [this, stop = stop_](const Status& status) {
    if (*stop) return;
    status_ = status;
    state_ = status.ok() ? State::kCut : State::kFailed;
    if (!status.ok()) return;
    LogWarning(
        "The journal was cut at position {}, where that of the leader parts from it: {} bytes up "
        "to "
        "position {}, {} frames from epoch {:016x} on with {} changes; they lie in {}",
        end_, dropped_.end - end_, dropped_.end, dropped_.frames, dropped_.epoch, dropped_.records,
        dropped_.path);
    if (parts_.storage.journal() != nullptr) {
      parts_.saver.NoteCut(end_, parts_.storage.journal()->first());
    }
  });
}

}  // namespace runnel
