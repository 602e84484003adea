#include "server/cutter.h"

#include <algorithm>
#include <utility>

#include "base/assert.h"
#include "base/log.h"
#include "fmt/format.h"

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
  const char* const kWhatHelps =
      "a full synchronization is needed, which this version does not have: stop the server, move "
      "its directory away, and start it anew";
  if (end < journal.first()) {
    return Status::Error(
        fmt::format("the journals part at position {}, and this one begins at {}: {}", end,
                    journal.first(), kWhatHelps));
  }
  const uint64_t bytes = journal.appended() - end;
  const auto free_bytes = parts.storage.disk().FreeBytes(".");
  if (free_bytes.ok() && *free_bytes < bytes) {
    return Status::Error(
        fmt::format("the journals part at position {}, and the disk has no room to keep the {} "
                    "bytes that would "
                    "be cut off",
                    end, bytes));
  }
  const auto& snapshots = parts.saver.positions();
  const bool has_base = std::any_of(snapshots.begin(), snapshots.end(), [&](Position position) {
    return journal.first() <= position && position <= end;
  });
  if (has_base || journal.first() == 0) return {};
  return Status::Error(
      fmt::format("the journals part at position {}, there is no snapshot of a position up to that "
                  "one, and the journal begins at {}: {}",
                  end, journal.first(), kWhatHelps));
}

void Cutter::Keep() {
  struct Job {
    Disk& disk;
    const std::string directory;
    const journal::Identity identity;
    const Position begin;
    const Position end;
    const std::shared_ptr<std::atomic<bool>> stop;
    Result<journal::DroppedFrames> kept;
  };
  const journal::Journal& journal = *parts_.storage.journal();
  auto job = std::make_shared<Job>(Job{parts_.storage.disk(), parts_.storage.journal_directory(),
                                       journal.identity(), end_, journal.written(), stop_,
                                       journal::DroppedFrames()});
  state_ = State::kKeeping;
  parts_.reader.Run(
      [job] {
        job->kept = journal::KeepFrames(job->disk, job->directory, job->identity, job->begin,
                                        job->end, *job->stop);
      },
      [this, job] {
        if (*job->stop) return;  // this is gone
        if (job->kept.ok()) {
          state_ = State::kKept;
          dropped_ = std::move(*job->kept);
        } else {
          state_ = State::kRefused;
          status_ = Status::Error(fmt::format(
              "the journals part at position {}, and what this one has beyond cannot be kept: {}",
              end_, job->kept.message()));
        }
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
