#include "server/state_taker.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "base/log.h"
#include "env/damage.h"
#include "fmt/format.h"
#include "journal/segment.h"

namespace runnel {

void KeepFrames(Storage& storage, Worker& reader, Position begin,
                std::shared_ptr<std::atomic<bool>> stop,
                std::function<void(Result<journal::DroppedFrames>)> done) {
  struct Job {
    Disk& disk;
    const std::string directory;
    const journal::Identity identity;
    const Position begin;
    const Position end;
    const std::shared_ptr<std::atomic<bool>> stop;
    Result<journal::DroppedFrames> kept;
  };
  const journal::Journal& journal = *storage.journal();
  auto job = std::make_shared<Job>(Job{storage.disk(), storage.journal_directory(),
                                       journal.identity(), begin, journal.written(),
                                       std::move(stop), journal::DroppedFrames()});
  reader.Run(
      [job] {
        job->kept = journal::KeepFrames(job->disk, job->directory, job->identity, job->begin,
                                        job->end, *job->stop);
      },
      [job, done = std::move(done)] {
        if (!*job->stop) done(std::move(job->kept));
      });
}

StateTaker::StateTaker(Parts parts, Change change) : parts_(parts), change_(std::move(change)) {
  // A snapshot that is being taken belongs to the state that goes.
  parts_.saver.Suspend("what is here is about to give way to what the leader has");
}

StateTaker::~StateTaker() {
  *stop_ = true;
  parts_.saver.Resume();
}

void StateTaker::Turn() {
  if (state_ != State::kWaiting || parts_.saver.busy()) return;
  state_ = State::kKeeping;
  const journal::Journal& journal = *parts_.storage.journal();
  const Position begin = std::max(change_.parting, journal.first());
  if (begin < journal.written()) {
    Keep(begin);
  } else if (change_.damaged_from) {
    FindDamaged(*change_.damaged_from);
  } else {
    Note();
  }
}

void StateTaker::Keep(Position begin) {
  KeepFrames(parts_.storage, parts_.reader, begin, stop_,
             [this, begin](Result<journal::DroppedFrames> kept) {
               if (kept.ok()) {
                 dropped_bytes_ = kept->end - kept->begin;
                 LogWarning(
                     "The leader has this server's journal up to position {}: {} bytes up to {}, "
                     "{} frames from epoch {:016x} on with {} changes, are cut off; they lie in {}",
                     change_.parting, dropped_bytes_, kept->end, kept->frames, kept->epoch,
                     kept->records, kept->path);
                 if (change_.damaged_from) return FindDamaged(*change_.damaged_from);
                 return Note();
               }
               // As files, if they are no frames any more.
               if (IsDamage(kept.status())) {
                 LogWarning("What the leader does not have cannot be read: {}", kept.message());
                 return FindDamaged(std::min(begin, change_.damaged_from.value_or(begin)));
               }
               state_ = State::kRefused;
               status_ = Status::Error(fmt::format(
                   "the journals part at position {}, and what this one has beyond cannot be kept: "
                   "{}",
                   change_.parting, kept.message()));
             });
}

// Which segments hold positions from there on.
void StateTaker::FindDamaged(Position from) {
  struct Job {
    Disk& disk;
    const std::string directory;
    const Position from;
    std::vector<SetAsideFile> files;
    Status status;

    void Do() {
      const auto segments = journal::ListSegments(disk, directory);
      status = segments.status();
      for (size_t i = 0; status.ok() && i < segments->size(); i++) {
        const bool before = i + 1 < segments->size() && (*segments)[i + 1].base <= from;
        if (before) continue;
        const std::string path = journal::SegmentPath(directory, (*segments)[i].base);
        const auto aside = FreeNameBeside(disk, path, kDamagedSuffix);
        status = aside.status();
        if (aside.ok()) files.push_back({path, *aside});
      }
    }
  };
  auto job = std::make_shared<Job>(
      Job{parts_.storage.disk(), parts_.storage.journal_directory(), from, {}, {}});
  parts_.reader.Run([job] { job->Do(); },
                    [this, job, stop = stop_] {
                      if (*stop) return;
                      if (!job->status.ok()) {
                        state_ = State::kRefused;
                        status_ = job->status;
                        return;
                      }
                      for (SetAsideFile& file : job->files) {
                        LogWarning("{} is damaged: it is set aside as {}", file.from, file.to);
                        change_.state.set_aside.push_back(std::move(file));
                      }
                      Note();
                    });
}

void StateTaker::Note() {
  state_ = State::kNoting;
  parts_.storage.NoteLost(change_.lost, [this, stop = stop_](const Status& noted) {
    if (*stop) return;
    if (!noted.ok()) return OnNoted(noted);
    parts_.storage.NoteArrived(change_.state, [this, stop](const Status& arrived) {
      if (!*stop) OnNoted(arrived);
    });
  });
}

void StateTaker::OnNoted(const Status& status) {
  state_ = status.ok() ? State::kNoted : State::kRefused;
  if (!status.ok()) {
    status_ = Status::Error(fmt::format(
        "what the leader has cannot take the place of what is here: {}", status.message()));
  }
}

}  // namespace runnel
