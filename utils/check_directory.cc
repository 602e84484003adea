#include "utils/check_directory.h"

#include <fmt/format.h>
#include <fmt/ostream.h>

#include <algorithm>
#include <cerrno>
#include <deque>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "cold/cold_store.h"
#include "data/keyspace.h"
#include "effects/applier.h"
#include "journal/note.h"
#include "journal/recovery.h"
#include "journal/segment.h"
#include "journal/set_aside.h"
#include "replication/node_id.h"
#include "snapshot/files.h"
#include "snapshot/load.h"
#include "snapshot/section_reader.h"
#include "utils/check_journal.h"

namespace runnel::check {
namespace {

// Does its jobs when somebody waits for them.
class WaitingWorker final : public Worker {
 public:
  void Run(std::function<void()> work, std::function<void()> done) override {
    jobs_.emplace_back(std::move(work), std::move(done));
  }
  void Drain() override {
    while (!jobs_.empty()) {
      const auto [work, done] = std::move(jobs_.front());
      jobs_.pop_front();
      work();
      done();
    }
  }

 private:
  std::deque<std::pair<std::function<void()>, std::function<void()>>> jobs_;
};

// A keyspace with the files of cold entries under it.
class State {
 public:
  State(Disk& disk, const std::string& directory, uint32_t databases)
      : keyspace(databases),
        cold(disk, directory + "/streams", worker_, worker_, worker_, keyspace.hot_blocks(),
             settings_) {}
  ~State() {
    for (uint32_t db = 0; db < keyspace.databases(); db++) {
      keyspace.Flush(db);
    }
  }

  // Reads all entries that lie in files; returns the first failure.
  Status ReadCold(uint64_t* extents) {
    Status failure;
    for (uint32_t db = 0; db < keyspace.databases(); db++) {
      keyspace.table(db).ForEach([&](const KeyEntry* entry) {
        ColdExtents named;
        entry->value().AddExtents(&named);
        for (const Ref<ColdExtent>& extent : named) {
          if (!failure.ok()) return;
          try {
            (void)cold.Read(*extent);
            ++*extents;
          } catch (const ColdFailure& failed) {
            failure = Status::Error(failed.message);
          }
        }
      });
    }
    return failure;
  }

 private:
  WaitingWorker worker_;
  const ColdSettings settings_{.stream_memory = 0};

 public:
  Keyspace keyspace;
  ColdStore cold;
};

class Check {
 public:
  Check(Disk& disk, const DirectoryOptions& options, const std::function<void(double)>& progress,
        std::ostream& out)
      : disk_(disk),
        directory_(options.directory),
        journal_(options.directory + "/journal"),
        snapshots_(options.directory + "/snapshots"),
        progress_(progress),
        out_(out) {}

  Result<bool> Run() {
    const auto segments = journal::ListSegments(disk_, journal_);
    if (!segments.ok() && segments.status().error_number() != ENOENT) return segments.status();
    if (segments.ok() && !segments->empty()) journal_first_ = segments->front().base;
    const auto note = journal::ReadNote(disk_, journal_);
    // First: it tells how many databases there are.
    if (segments.ok() || !note.ok() || note->has_value()) {
      if (Status looked = LookAtJournal(); !looked.ok()) return looked;
    } else {
      fmt::print(out_, "{}: there is no journal\n", journal_);
    }
    if (Status looked = LookAtSnapshots(); !looked.ok()) return looked;
    // What follows a damaged place is not read by a server either.
    if (state_ != nullptr && journal_first_) ApplyJournal();
    return good_;
  }

 private:
  void Bad(const std::string& what, const std::string& next_step) {
    good_ = false;
    fmt::print(out_, "NOT GOOD: {}\n  {}\n", what, next_step);
  }

  Status LookAtJournal() {
    Keyspace none(1);
    Applier counting(none);
    JournalOptions options{.directory = journal_, .from = {}};
    options.look = [&](std::string_view payload) { counting.NoteDatabases({.payload = payload}); };
    const auto whole = CheckJournal(
        disk_, options, [](std::string_view, std::ostream&) { return false; }, progress_, out_);
    if (!whole.ok()) return whole.status();
    good_ = good_ && *whole;
    databases_ = std::max(databases_, counting.databases_needed());
    return {};
  }

  std::unique_ptr<State> NewState() const {
    return std::make_unique<State>(disk_, directory_, static_cast<uint32_t>(databases_));
  }

  // Leaves the newest good one in state_, or an empty state if there is none at all.
  Status LookAtSnapshots() {
    const auto positions = snapshot::ListSnapshots(disk_, snapshots_);
    if (!positions.ok()) return positions.status();
    if (positions->empty()) {
      fmt::print(out_, "{}: there are no snapshots\n", snapshots_);
      if (journal_first_.value_or(0) == 0) {
        state_ = NewState();
      } else {
        Bad(fmt::format("{}: the journal begins at position {}, and no snapshot tells what was "
                        "before",
                        journal_, *journal_first_),
            "Put the missing snapshot back.");
      }
      return {};
    }
    for (const Position position : *positions) {
      auto state = NewState();
      if (Status opened = state->cold.Open(); !opened.ok()) return opened;
      if (!LookAtSnapshot(position, &state) || state_ != nullptr) continue;
      state_ = std::move(state);
      from_ = position;
    }
    return {};
  }

  // Reads the snapshot into the state, which is made anew if it has too few databases.
  Result<snapshot::Loaded> Load(const std::string& path, std::unique_ptr<State>* state) {
    for (;;) {
      const auto load =
          snapshot::SnapshotLoad::Open(disk_, path, &(*state)->keyspace, &(*state)->cold);
      if (!load.ok()) return load.status();
      const auto all = (*load)->Step(snapshot::SnapshotLoad::kAllKeys);
      if (all.ok()) return snapshot::Loaded{(*load)->info(), (*load)->totals()};
      if ((*load)->databases_needed() <= databases_) return all.status();
      databases_ = (*load)->databases_needed();
      *state = NewState();
      if (Status opened = (*state)->cold.Open(); !opened.ok()) return opened;
    }
  }

  std::string NextStepFor(const std::string& path, Position position) const {
    if (snapshot::IsOfNewerFormat(disk_, path)) return "Start the version of Runnel that wrote it.";
    const bool reaches_back = journal_first_ && *journal_first_ <= position;
    return reaches_back ? "A server that starts uses the snapshot before it, if there is one, and "
                          "the journal; or put the file back."
                        : "Put the file back.";
  }

  bool LookAtSnapshot(Position position, std::unique_ptr<State>* state) {
    const std::string path = snapshot::SnapshotPath(snapshots_, position);
    const auto loaded = Load(path, state);
    if (!loaded.ok()) {
      Bad(loaded.message(), NextStepFor(path, position));
      return false;
    }
    if (loaded->info.position != position) {
      Bad(fmt::format("{} holds the state at position {}", path, loaded->info.position),
          NextStepFor(path, position));
      return false;
    }
    const auto names = snapshot::ReadFileList(disk_, snapshots_, position);
    if (!names.ok()) {
      Bad(names.message(), "The server removes this snapshot when it is not needed.");
    }
    uint64_t extents = 0;
    if (Status read = (*state)->ReadCold(&extents); !read.ok()) {
      Bad(fmt::format("{} names {}", path, read.message()),
          "Commands that read these entries fail. Put the file back.");
      return false;
    }
    const size_t libraries = (*state)->keyspace.functions().size();
    fmt::print(out_, "{}: good, {} keys{}, {} bytes; {} runs of entries in streams/\n", path,
               loaded->totals.keys - libraries,
               libraries == 0 ? "" : fmt::format(" and {} libraries of functions", libraries),
               loaded->totals.file_bytes, extents);
    return true;
  }

  // Whether a server could apply the journal to the snapshot.
  void ApplyJournal() {
    const auto reader = journal::RecoveryReader::Open(disk_, journal_, from_);
    if (!reader.ok()) return Bad(reader.message(), "Put the missing segment back.");
    Applier applier(state_->keyspace);
    for (;;) {
      const auto frame = (*reader)->Next();
      if (!frame.ok()) return Bad(frame.message(), "Put the segment back.");
      if (!*frame) break;
      const Position base = (*frame)->base;
      Status applied = applier.Apply(**frame);
      if (applied.ok()) continue;
      const std::string next_step =
          applier.met_unknown_effect()
              ? "Start the version of Runnel that wrote it."
              : fmt::format(
                    "A server does not start on this. To go on without what follows: "
                    "runnel-check {} --cut {}",
                    journal_, base);
      return Bad((*reader)->AtFrame(applied.message()).message(), next_step);
    }
    fmt::print(out_, "the journal fits: {} changes from position {} on\n", applier.records(),
               from_.value_or(*journal_first_));
  }

  Disk& disk_;
  const std::string directory_;
  const std::string journal_;
  const std::string snapshots_;
  const std::function<void(double)>& progress_;
  std::ostream& out_;
  bool good_ = true;
  std::optional<Position> journal_first_;
  uint64_t databases_ = 1;  // that keyspaces are made with
  std::unique_ptr<State> state_;
  std::optional<Position> from_;  // of the snapshot in state_
};

bool Holds(Disk& disk, const std::string& directory, std::string_view name) {
  const auto names = disk.List(directory);
  return names.ok() && std::find(names->begin(), names->end(), name) != names->end();
}

}  // namespace

DirectoryKind KindOfDirectory(Disk& disk, const std::string& directory) {
  if (ParseFramesFile(directory)) return DirectoryKind::kDropped;
  const auto segments = journal::ListSegments(disk, directory);
  if (segments.ok() && !segments->empty()) return DirectoryKind::kJournal;
  for (const std::string_view name : {"journal", "journal.note", "snapshots"}) {
    if (Holds(disk, directory, name)) return DirectoryKind::kServer;
  }
  return DirectoryKind::kNothing;
}

Result<std::string> GiveNewNodeId(Disk& disk, const std::string& directory) {
  if (KindOfDirectory(disk, directory) != DirectoryKind::kServer) {
    return Status::Error(directory + ": this is not the data directory of a server (`dir`)");
  }
  const auto lock = disk.Lock(directory);
  if (!lock.ok()) return lock.status();
  return replication::MakeNodeId(disk, directory + "/" + replication::kNodeIdFile);
}

Result<bool> CheckDirectory(Disk& disk, const DirectoryOptions& options,
                            const std::function<void(double)>& progress, std::ostream& out) {
  return Check(disk, options, progress, out).Run();
}

}  // namespace runnel::check
