#include "server/startup.h"

#include <algorithm>
#include <cerrno>
#include <utility>

#include "base/log.h"
#include "base/planted_fault.h"
#include "env/damage.h"
#include "fmt/format.h"
#include "journal/segment.h"
#include "server/journal_length.h"
#include "snapshot/files.h"

namespace runnel {

Startup::Startup(Parts parts) : parts_(std::move(parts)), applier_(parts_.keyspace) {}

Startup::~Startup() = default;

Result<bool> Startup::Step(size_t budget) {
  Status status;
  switch (state_) {
    case State::kOpen:
      status = Open();
      break;
    case State::kSnapshot:
      status = LoadSnapshot(budget);
      break;
    case State::kRemoveUnused:
      status = RemoveUnused();
      break;
    case State::kJournal:
      status = ReadJournal(budget);
      break;
    case State::kCountDatabases:
      status = CountDatabases();
      break;
    case State::kAccess:
      NoteAccess(budget);
      break;
    case State::kReady:
      break;
  }
  if (status.ok()) return state_ == State::kReady;
  NoteDamage(status);
  return status;
}

void Startup::NoteDamage(const Status& failure) {
  if (!IsDamage(failure)) return;
  const journal::Inspection* const found = opening_ == nullptr ? nullptr : &opening_->inspection();
  const bool no_snapshot = state_ == State::kSnapshot && !snapshot_->damaged().empty() &&
                           failure.message() == snapshot_->damaged().front().why.message();
  // Between the snapshot and the journal something is missing.
  const bool gap = state_ == State::kRemoveUnused && found_.position < journal_first_.value_or(0);
  if (no_snapshot || gap) {
    damage_ = Damage::kAll;
  } else if (found != nullptr && found->row != nullptr && found->row->may_be_cut) {
    damage_ = Damage::kJournal;
  }
}

uint64_t Startup::loaded_bytes() const {
  if (state_ == State::kSnapshot) return snapshot_->loaded_bytes();
  return snapshot_bytes_ + JournalBytesTo(journal_at_);
}

uint64_t Startup::total_bytes() const {
  const uint64_t snapshot = state_ == State::kSnapshot ? snapshot_->file_bytes() : snapshot_bytes_;
  return std::max(snapshot + JournalBytesTo(journal_end_), loaded_bytes());
}

// Of the journal's bytes that have to be read, those before `position`.
uint64_t Startup::JournalBytesTo(Position position) const {
  return position - std::min(position, journal_from_);
}

Status Startup::Open() {
  if (Status opened = parts_.cold.Open(); !opened.ok()) return opened;
  const std::string& directory = parts_.snapshot_directory;
  if (Status removed = snapshot::RemoveLeftovers(parts_.disk, directory); !removed.ok()) {
    return removed;
  }
  if (Status looked = LookAtJournal(); !looked.ok()) return looked;
  auto load = snapshot::NewestLoad::Begin(parts_.disk, directory, journal_first_, &parts_.keyspace,
                                          &parts_.cold);
  if (!load.ok()) return load.status();
  snapshot_ = std::move(*load);
  found_.snapshot_position = journal_first_.value_or(0);
  journal_from_ =
      snapshot_->positions().empty() ? found_.snapshot_position : snapshot_->positions().front();
  began_us_ = parts_.clock.SteadyMicros();
  state_ = State::kSnapshot;
  return {};
}

Status Startup::LookAtJournal() {
  const std::string& directory = parts_.journal_directory;
  const auto segments = journal::ListSegments(parts_.disk, directory);
  if (!segments.ok() && segments.status().error_number() != ENOENT) return segments.status();
  if (!segments.ok() || segments->empty()) return {};
  const auto end = journal::EstimateEnd(parts_.disk, directory, segments->back());
  if (!end.ok()) return end.status();
  journal_end_ = *end;
  journal_first_ = segments->front().base;
  return {};
}

Status Startup::LoadSnapshot(size_t budget) {
  const auto all = snapshot_->Step(budget);
  if (!all.ok()) return all.status();
  if (!*all) return {};
  state_ = State::kRemoveUnused;
  const auto& loaded = snapshot_->loaded();
  if (!loaded) return {};
  found_.position = found_.snapshot_position = journal_from_ = journal_at_ = loaded->info.position;
  found_.epoch = loaded->info.epoch;
  found_.epochs = loaded->info.epochs;
  found_.snapshot_raw_bytes = loaded->totals.raw_bytes;
  snapshot_bytes_ = loaded->totals.file_bytes;
  LogNotice("The snapshot at position {} was loaded: {} keys, {} bytes in {:.1f} s",
            found_.position, loaded->totals.keys, snapshot_bytes_,
            static_cast<double>(parts_.clock.SteadyMicros() - began_us_) / 1e6);
  return {};
}

// What the snapshots do not name is read from the journal again.
Status Startup::RemoveUnused() {
  if (snapshot_->loaded()) {
    if (Status kept = KeepOlderSnapshots(); !kept.ok()) return kept;
    // What the loaded snapshot names stays, whatever the journal says of it.
    parts_.stored.Keep(found_.snapshot_position, snapshot_->TakeFiles());
    found_.snapshots.push_back(found_.snapshot_position);
  }
  if (Status removed = parts_.cold.RemoveUnused(); !removed.ok()) return removed;
  if (Status opened = OpenJournal(); !opened.ok()) return opened;
  began_us_ = parts_.clock.SteadyMicros();
  state_ = State::kJournal;
  return {};
}

// Older snapshots stay as long as the journal goes on from them and all is there that they name.
Status Startup::KeepOlderSnapshots() {
  const std::vector<Position>& positions = snapshot_->positions();
  for (auto at = positions.rbegin(); at != positions.rend(); ++at) {
    if (*at >= found_.snapshot_position) break;
    const auto names = snapshot::ReadFileList(parts_.disk, parts_.snapshot_directory, *at);
    Status status = names.status();
    if (status.ok() && (!journal_first_ || *at < *journal_first_)) {
      status = Status::Error("the journal does not go back to it");
    }
    ColdStore::Files files;
    for (size_t i = 0; status.ok() && i < names->size(); i++) {
      if (parts_.cold.Hold((*names)[i], &files)) continue;
      status = Status::Error("the file " + (*names)[i] + " is missing, which it names");
    }
    if (status.ok()) {
      found_.snapshots.push_back(*at);
      parts_.stored.Keep(*at, std::move(files));
      continue;
    }
    LogWarning("The older snapshot {} is of no use any more and is removed: {}",
               snapshot::SnapshotName(*at), status.message());
    Status removed = snapshot::RemoveSnapshot(parts_.disk, parts_.snapshot_directory, *at);
    if (!removed.ok()) return removed;
  }
  return {};
}

Status Startup::OpenJournal() {
  const ServerOptions& options = parts_.options;
  if (options.journal) {
    auto opening = journal::Journal::Opening::Begin(
        &parts_.disk, &parts_.log, &parts_.helper,
        {parts_.journal_directory, SegmentBytes(options, found_.snapshot_raw_bytes),
         options.appendfsync, found_.position, options.journal_cut_damage || parts_.cut_damage, 0,
         found_.epochs, parts_.follows, parts_.cut_damage});
    if (!opening.ok()) return opening.status();
    opening_ = std::move(*opening);
    if (parts_.limit) limit_ = parts_.limit(opening_->journal_id());
    return {};
  }
  // Without one of its own the server only reads what an earlier one has left: that was
  // acknowledged.
  auto reader =
      journal::RecoveryReader::Open(parts_.disk, parts_.journal_directory, found_.position);
  if (!reader.ok()) return reader.status().error_number() == ENOENT ? Status() : reader.status();
  reader_ = std::move(*reader);
  return {};
}

Result<std::optional<journal::Frame>> Startup::NextFrame() {
  if (opening_ != nullptr) return opening_->Next();
  if (reader_ != nullptr) return reader_->Next();
  return std::optional<journal::Frame>();
}

Status Startup::AtFrame(const std::string& why) const {
  return opening_ != nullptr ? opening_->AtFrame(why) : reader_->AtFrame(why);
}

Status Startup::ReadJournal(size_t budget) {
  if (applier_.done()) {
    const auto frame = NextFrame();
    if (!frame.ok()) return frame.status();
    if (!*frame) return EndJournal();
    journal_at_ = (*frame)->end();
    // What other servers may not have is only looked at.
    if (journal_at_ > limit_ && !IsPlanted(PlantedFault::kApplyAllAtStart)) {
      if ((*frame)->records > 0) found_.data_end = journal_at_;
      return {};
    }
    found_.position = journal_at_;
    applier_.Begin(**frame);
  }
  Status applied = applier_.ApplySome(budget);
  if (!applied.ok()) {
    failure_ = AtFrame(applied.message());
    if (applier_.databases_needed() == 0) return failure_;
    state_ = State::kCountDatabases;
    return {};
  }
  if (applier_.done()) parts_.cold.KeepUp(parts_.clock.SteadyMicros() / 1000);
  return {};
}

Status Startup::CountDatabases() {
  const auto frame = NextFrame();
  if (frame.ok() && *frame) {
    applier_.NoteDatabases(**frame);
    return {};
  }
  return Status::Error(fmt::format(
      "this server is configured for {} databases, and its journal uses more: set `databases` to "
      "at least {}. {}",
      parts_.keyspace.databases(), applier_.databases_needed(), failure_.message()));
}

Status Startup::EndJournal() {
  if (opening_ != nullptr) {
    auto journal = opening_->Finish();
    if (!journal.ok()) return journal.status();
    journal_ = std::move(*journal);
    opening_.reset();
    if (journal_->epoch() < found_.epoch) journal_->set_epoch(found_.epoch);
    // It may have been changed while the journal was read.
    journal_->set_sync_policy(parts_.options.appendfsync);
    LogNotice("The journal ends at {}; {} changes from {} on were read in {:.1f} s",
              journal_->appended(), applier_.records(), std::max(journal_->first(), journal_from_),
              static_cast<double>(parts_.clock.SteadyMicros() - began_us_) / 1e6);
  } else if (reader_ != nullptr) {
    const journal::Inspection& found = reader_->inspection();
    if (found.row->decision == journal::Decision::kStop) {
      return Status::Error(found.text + " " + found.next_step);
    }
    found_.position = std::max(found_.position, found.end);
    found_.epoch = std::max(found_.epoch, found.epoch);
    reader_.reset();
  }
  if (Status aside = SetDamagedAside(); !aside.ok()) return aside;
  state_ = State::kAccess;
  return {};
}

// Not before an older snapshot and the journal have given the state: until then the next start
// should meet what this one has met.
Status Startup::SetDamagedAside() {
  for (const auto& damaged : snapshot_->damaged()) {
    Status aside = snapshot::SetAside(parts_.disk, parts_.snapshot_directory, damaged.position);
    if (!aside.ok()) return aside;
    LogWarning(
        "The snapshot {} is damaged ({}) and was set aside with the suffix .damaged; the snapshot "
        "at "
        "{} and the journal after it were used instead. The file may be removed",
        snapshot::SnapshotName(damaged.position), damaged.why.message(),
        snapshot::SnapshotName(damaged.position), found_.snapshot_position);
  }
  return {};
}

// When keys were last used is not kept: all were used now, as far as anybody knows.
void Startup::NoteAccess(size_t budget) {
  const uint32_t now_s = static_cast<uint32_t>(parts_.clock.UnixMicros() / 1'000'000);
  for (; budget > 0 && access_slot_ < parts_.keyspace.slots(); budget--) {
    access_cursor_ =
        parts_.keyspace.table(Keyspace::DatabaseAt(access_slot_))
            .Scan(access_cursor_, [now_s](const KeyEntry* entry) { entry->NoteAccess(now_s); });
    if (access_cursor_ == 0) access_slot_++;
  }
  if (access_slot_ == parts_.keyspace.slots()) state_ = State::kReady;
}

}  // namespace runnel
