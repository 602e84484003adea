#include <algorithm>
#include <cerrno>
#include <utility>

#include "base/log.h"
#include "base/planted_fault.h"
#include "base/random.h"
#include "journal/failed_sync.h"
#include "journal/journal.h"

// How a journal is opened: what recovery has found becomes a journal to which can be appended.

namespace runnel::journal {
namespace {

Status Refusal(const Inspection& found) {
  return Status::Error(found.text + " Nothing was changed. " + found.next_step);
}

// Whether something may be missing of what the processes before have told others that they had.
bool IsDoubtful(const Inspection& found, bool follows) {
  if (IsPlanted(PlantedFault::kTrustEveryTail)) return false;
  if (found.note) return found.note->doubted || !(found.all_kept || found.note->told_synced);
  // A new journal lacks nothing, but what another server has.
  return follows || !found.segments.empty();
}

}  // namespace

Result<std::unique_ptr<Journal>> Journal::Open(Disk* disk, Worker* log_thread, Worker* helper,
                                               JournalOptions options, const VisitFrame& visit) {
  const auto opening = Opening::Begin(disk, log_thread, helper, std::move(options));
  if (!opening.ok()) return opening.status();
  for (;;) {
    const auto frame = (*opening)->Next();
    if (!frame.ok()) return frame.status();
    if (!*frame) return (*opening)->Finish();
    if (Status visited = visit(**frame); !visited.ok()) {
      return (*opening)->AtFrame(visited.message());
    }
  }
}

Result<std::unique_ptr<Journal::Opening>> Journal::Opening::Begin(Disk* disk, Worker* log_thread,
                                                                  Worker* helper,
                                                                  JournalOptions options) {
  // A directory that is missing is made only if there was none before.
  if (const auto listed = disk->List(options.directory);
      !listed.ok() && listed.status().error_number() == ENOENT) {
    const auto reader = RecoveryReader::Open(*disk, options.directory, options.from);
    if (reader.ok() && (*reader)->inspection().row->decision == Decision::kStop &&
        !options.cut_damage) {
      return Refusal((*reader)->inspection());
    }
  }
  Status status = disk->CreateDirectory(options.directory);
  if (status.ok()) status = disk->SyncDirectory(ParentOf(options.directory));
  if (!status.ok()) return status;
  auto lock = disk->Lock(options.directory);
  if (!lock.ok()) return lock.status();
  std::unique_ptr<Opening> opening(new Opening(std::unique_ptr<Journal>(
      new Journal(disk, log_thread, helper, std::move(options), std::move(*lock)))));
  const JournalOptions& known = opening->journal_->options_;
  auto reader = RecoveryReader::Open(*disk, known.directory, known.from);
  if (!reader.ok()) return opening->NoteIfSystemFailed(reader.status());
  opening->reader_ = std::move(*reader);
  return opening;
}

Result<std::optional<Frame>> Journal::Opening::Next() {
  auto frame = reader_->Next();
  if (!frame.ok()) return NoteIfSystemFailed(frame.status());
  if (*frame) journal_->NoteFound(**frame);
  return frame;
}

uint64_t Journal::Opening::journal_id() const {
  return reader_->inspection().identity.value_or(Identity()).id;
}

Result<std::unique_ptr<Journal>> Journal::Opening::Finish() {
  Status status = journal_->Recover(reader_->inspection());
  if (status.ok()) status = journal_->OpenActive();
  if (!status.ok()) return NoteIfSystemFailed(std::move(status));
  return std::move(journal_);
}

// A start that fails may have failed in a sync.
Status Journal::Opening::NoteIfSystemFailed(Status status) const {
  if (status.error_number() != 0) NoteFailedSync(*journal_->disk_, journal_->options_.directory);
  return status;
}

Journal::Journal(Disk* disk, Worker* log_thread, Worker* helper, JournalOptions options,
                 std::unique_ptr<DirectoryLock> lock)
    : disk_(disk),
      log_thread_(log_thread),
      helper_(helper),
      options_(std::move(options)),
      lock_(std::move(lock)),
      sync_policy_(options_.sync_policy),
      wanted_policy_(options_.sync_policy),
      supply_(disk, helper, options_.directory),
      epochs_(options_.epochs),
      most_segment_bytes_(options_.segment_bytes),
      segment_bytes_(options_.segment_bytes) {}

Journal::~Journal() = default;

Status Journal::Recover(Inspection found) {
  const Decision decision = found.row->decision;
  if (decision == Decision::kStop && !(options_.cut_damage && found.row->may_be_cut)) {
    return Refusal(found);
  }
  if (decision == Decision::kStop) {
    LogWarning(
        "{} They are cut off, as was decided (journal-cut-damage, or because a leader has "
        "them, too).",
        found.text);
  }
  if (decision == Decision::kCut) LogWarning("{} They are cut off.", found.text);
  if (found.end < options_.from) {
    LogWarning("{}: the journal ends at {}, before the snapshot does at {}: it begins anew there",
               options_.directory, found.end, options_.from);
  }
  Status status = Repair(*disk_, options_.directory, &found,
                         options_.keep_cut ? KeepCut::kAll : KeepCut::kSome);
  if (status.ok()) {
    status = MendFailedSync(*disk_, options_.directory, found.segments, found.synced);
  }
  if (!status.ok()) return status;
  for (const Segment& segment : found.segments) {
    segments_.push_back(segment.base);
  }
  epoch_ = found.epoch;
  if (found.note) note_.claims_from = found.note->claims_from;
  note_.doubted = decision == Decision::kStop || IsDoubtful(found, options_.follows);
  appended_ = written_ = durable_ = safe_ = opened_at_ = found.end;
  return TakeIdentity(found);
}

// The files say which journal it is before a frame says so.
Status Journal::TakeIdentity(const Inspection& found) {
  while (identity_.id == 0) {
    identity_.id = options_.id != 0 ? options_.id : RandomSeed();
  }
  identity_.salted_from = written_;
  if (found.identity) {
    identity_.id = found.identity->id;
    // Of what was cut off, nothing is left that has no salt.
    identity_.salted_from = std::min(written_, found.identity->salted_from);
  }
  if (found.identity_file == identity_) return {};
  return WriteIdentity(*disk_, options_.directory, identity_);
}

// From now on the journal is not one that was ended well. REQUIRES: nothing was written yet.
Status Journal::NoteOpen() {
  const auto size = active_.file->Size();
  if (!size.ok()) return size.status();
  Position claims_from = note_.claims_from;
  follows_ = options_.follows;
  if (follows_) {
    claims_from = Note::kNobodys;
  } else if (claims_from == Note::kNobodys) {
    claims_from = written_;
  }
  note_ = {identity_,      active_.base, *size,
           durable_,       false,        disk_->BootId(),
           kFormatVersion, claims_from,  sync_policy_ == SyncPolicy::kAlways,
           note_.doubted};
  return WriteOrRemoveNote(*disk_, options_.directory, note_);
}

Status Journal::OpenActive() {
  const auto free_bytes = disk_->FreeBytes(options_.directory);
  if (!free_bytes.ok()) return free_bytes.status();
  NoteFree(*free_bytes);
  const Status opened = segments_.empty() ? CreateFirst() : OpenLast();
  if (!opened.ok()) return opened;
  if (const Status noted = NoteOpen(); !noted.ok()) return noted;
  const auto left = disk_->FreeBytes(options_.directory);
  if (!left.ok()) return left.status();
  NoteFree(*left);
  return {};
}

Status Journal::CreateFirst() {
  auto created = SegmentSupply::Create(*disk_, options_.directory, written_, segment_bytes_);
  if (!created.ok()) return created.status();
  segments_.push_back(written_);
  Activate(std::move(*created), segment_bytes_);
  return {};
}

Status Journal::OpenLast() {
  auto file = disk_->Open(SegmentPath(options_.directory, segments_.back()), OpenMode::kReadWrite);
  if (!file.ok()) return file.status();
  const auto size = (*file)->Size();
  if (!size.ok()) return size.status();
  const uint64_t bytes = std::min(options_.segment_bytes, std::max(segment_bytes_, *size));
  const Status allocated = (*file)->Allocate(bytes);
  if (!allocated.ok() && !IsDiskFull(allocated)) return allocated;
  const Status synced = (*file)->Sync();  // of the size, so that later syncs need not write it
  if (!synced.ok()) return synced;
  Activate(std::move(*file), allocated.ok() ? bytes : 0);
  return {};
}

// Writing goes on in this file, which is that of the last segment.
void Journal::Activate(std::shared_ptr<File> file, uint64_t reserved) {
  active_.file = std::move(file);
  active_.reserved = reserved;
  active_.base = segments_.back();
  active_.written = std::make_shared<std::atomic<Position>>(written_);
  active_.warmed = written_ - active_.base;
}

}  // namespace runnel::journal
