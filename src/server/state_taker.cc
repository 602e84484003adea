#include "server/state_taker.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "base/log.h"
#include "env/damage.h"
#include "fmt/format.h"
#include "journal/segment.h"
#include "snapshot/files.h"

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

StateTaker::StateTaker(Parts parts, Change change)
    : parts_(parts),
      change_(std::move(change)),
      had_nothing_(parts.storage.lost() && parts.storage.lost()->nothing) {
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
  begin < journal.written() ? Keep(begin) : SetAside();
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
                 return SetAside();
               }
               // As files, if they are no frames any more.
               if (IsDamage(kept.status())) {
                 LogWarning("What the leader does not have cannot be read: {}", kept.message());
                 change_.damaged_from = std::min(begin, change_.damaged_from.value_or(begin));
                 return SetAside();
               }
               state_ = State::kRefused;
               status_ = Status::Error(fmt::format(
                   "the journals part at position {}, and what this one has beyond cannot be kept: "
                   "{}",
                   change_.parting, kept.message()));
             });
}

// Own changes from before the first frame of the journal are only in the state.
std::optional<Position> StateTaker::SnapshotToKeep() const {
  const Position first = parts_.storage.journal()->first();
  const auto& snapshots = parts_.saver.positions();
  if (change_.parting >= first || snapshots.empty() || snapshots.back() <= change_.parting) {
    return std::nullopt;
  }
  if (!change_.makes_room) return snapshots.back();
  LogWarning(
      "The leader has this server's journal up to position {}, and it begins at {} here: what this "
      "server has changed between lies in its state alone, which makes room, and is given up",
      change_.parting, first);
  return std::nullopt;
}

namespace {

// Finds the files of the old state that stay under other names.
struct FilesToSetAside {
  Disk& disk;
  const DataDirectories directories;
  const std::optional<Position> damaged_from;
  const std::optional<Position> snapshot;
  std::vector<SetAsideFile> files;
  Status status;

  void Add(const std::string& path, std::string_view suffix) {
    if (!status.ok()) return;
    const auto aside = FreeNameBeside(disk, path, suffix);
    status = aside.status();
    if (aside.ok()) files.push_back({path, *aside});
  }
  void Find() {
    if (damaged_from) AddSegments(*damaged_from);
    if (snapshot) AddSnapshot(*snapshot);
  }
  // Which hold positions from there on.
  void AddSegments(Position from) {
    const auto segments = journal::ListSegments(disk, directories.journal);
    status = segments.status();
    for (size_t i = 0; status.ok() && i < segments->size(); i++) {
      const bool before = i + 1 < segments->size() && (*segments)[i + 1].base <= from;
      const Position base = (*segments)[i].base;
      if (!before) Add(journal::SegmentPath(directories.journal, base), kDamagedSuffix);
    }
  }
  void AddSnapshot(Position position) {
    Add(snapshot::SnapshotPath(directories.snapshots, position), kDroppedSuffix);
    const auto names = snapshot::ReadFileList(disk, directories.snapshots, position);
    if (!names.ok()) LogWarning("{}", names.message());
    if (!names.ok() || names->empty()) return;
    Add(snapshot::FileListPath(directories.snapshots, position), kDroppedSuffix);
    for (const std::string& name : *names) {
      Add(directories.cold + "/" + name, kDroppedSuffix);
    }
  }
};

}  // namespace

void StateTaker::SetAside() {
  auto job = std::make_shared<FilesToSetAside>(FilesToSetAside{parts_.storage.disk(),
                                                               parts_.storage.directories(),
                                                               change_.damaged_from,
                                                               SnapshotToKeep(),
                                                               {},
                                                               {}});
  if (!job->damaged_from && !job->snapshot) return Note();
  parts_.reader.Run([job] { job->Find(); },
                    [this, job, stop = stop_] {
                      if (*stop) return;
                      if (!job->status.ok()) {
                        state_ = State::kRefused;
                        status_ = job->status;
                        return;
                      }
                      for (SetAsideFile& file : job->files) {
                        LogWarning("{} is {}: it is set aside as {}", file.from,
                                   file.to.ends_with(kDamagedSuffix)
                                       ? "damaged"
                                       : "of the state of this server, which the leader lacks",
                                   file.to);
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
    // What is here stays.
    change_.lost.nothing = had_nothing_;
    parts_.storage.NoteLost(change_.lost, [](const Status&) {});
    status_ = Status::Error(fmt::format(
        "what the leader has cannot take the place of what is here: {}", status.message()));
  }
}

}  // namespace runnel
