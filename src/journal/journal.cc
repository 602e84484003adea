#include "journal/journal.h"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "base/assert.h"
#include "base/log.h"
#include "base/planted_fault.h"
#include "base/random.h"
#include "journal/failed_sync.h"

namespace runnel::journal {
namespace {

// Under kEverySecond a sync begins when the oldest unsynced byte is so old: the other half of the
// second is for the sync.
constexpr int64_t kSyncAfterMicros = 500'000;
// Or when so much is unsynced. Pages that a sync sets free early are still known to the processor
// when they are written again.
constexpr uint64_t kSyncAfterBytes = uint64_t{16} << 20;
// Memory is made ready for writes in pieces of so many bytes, when less than two of them are left.
constexpr uint64_t kWarmBytes = uint64_t{4} << 20;
// Of the active segment the system's memory keeps at most twice as many synced bytes: only
// followers read them, and they are seldom further behind.
constexpr uint64_t kRememberedBytes = uint64_t{8} << 20;
// How long a sync may wait for turns that bring more: about what one takes on a quick disk. A
// single turn that serves many clients may take longer; this bounds a row of small ones.
constexpr int64_t kGatherMicros = 200;
// A segment is at most this part of what the disk has free, but not so small that a queue of usual
// messages has thousands of files.
constexpr uint64_t kSegmentsInFreeRoom = 16;
constexpr uint64_t kLeastSegmentBytes = uint64_t{4} << 20;
// The part of a segment that is kept for changes that remove.
constexpr uint64_t kPartKept = 8;
// After somebody was refused for want of room, the disk is looked at so soon again.
constexpr int64_t kLookAgainMicros = 1'000'000;
// How often the note says what was synced of another server's frames, which do not say it.
constexpr int64_t kNoteSyncedMicros = 1'000'000;
// A buffer that one large frame has blown up is given back.
constexpr size_t kBufferKeptBytes = size_t{4} << 20;

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

// What one sync covers. The log thread sets the status.
struct Journal::SyncJob {
  std::vector<Sealed> sealed;
  Position base;      // of the active segment
  uint64_t reserved;  // for it
  std::shared_ptr<File> active;
  std::shared_ptr<const std::atomic<Position>> written;  // of `active`
  bool names_changed;
  Position up_to = 0;
  Status status;

  Status Do(Disk& disk, const std::string& directory) {
    up_to = written->load(std::memory_order_acquire);
    for (const Sealed& each : sealed) {
      const Status synced = each.file->Sync();
      if (!synced.ok()) return synced;
    }
    if (names_changed) {
      const Status synced = disk.SyncDirectory(directory);
      if (!synced.ok()) return synced;
    }
    return active->Sync();
  }
};

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

// If that fails, the disk goes on saying what it has said: the caller makes sure that it is true.
void Journal::WriteNoteSoon(std::function<void(const Status&)> done) {
  auto noted = std::make_shared<Status>();
  helper_->Run(
      [noted, note = note_, disk = disk_, directory = options_.directory] {
        *noted = WriteNote(*disk, directory, note);
        if (!noted->ok()) LogWarning("journal: {}", noted->message());
      },
      [noted, done = std::move(done), alive = std::weak_ptr<bool>(alive_)] {
        if (!alive.expired() && done) done(*noted);
      });
}

void Journal::Trust() {
  if (std::exchange(note_.doubted, false)) WriteNoteSoon();
}

// That the policy becomes stricter is noted when all that was told so far is synced (OnSynced).
void Journal::set_sync_policy(SyncPolicy policy) {
  wanted_policy_ = policy;
  if (policy == SyncPolicy::kAlways || !note_.told_synced) {
    sync_policy_ = policy;
  } else {
    note_.told_synced = false;
    WriteNoteSoon([this](const Status& noted) {
      if (noted.ok()) {
        sync_policy_ = wanted_policy_;
      } else {
        note_.told_synced = true;
      }
    });
  }
}

void Journal::set_epoch(Epoch epoch) {
  CHECK(epoch >= epoch_);
  epoch_ = epoch;
}

void Journal::Follow(std::function<void(const Status&)> done) {
  CHECK(!follows());
  note_.claims_from = Note::kNobodys;
  auto noted = std::make_shared<Status>();
  helper_->Run([noted, note = note_, disk = disk_,
                directory = options_.directory] { *noted = WriteNote(*disk, directory, note); },
               [this, noted, done = std::move(done), alive = std::weak_ptr<bool>(alive_)] {
                 if (alive.expired()) return;
                 if (note_.claims_from == Note::kNobodys) {
                   follows_ = noted->ok();
                   if (!follows_) note_.claims_from = appended_;
                 }
                 done(*noted);
               });
}

Status Journal::Lead(Epoch epoch) {
  CHECK(epoch > epoch_);
  if (epoch_ == 0 || !IsPlanted(PlantedFault::kReuseAnEpoch)) epoch_ = epoch;
  // The note may wait: until it is written, what frames say is believed less than it could be.
  if (note_.claims_from == Note::kNobodys) note_.claims_from = appended_;
  follows_ = false;
  Trust();
  return Append({}, 0);
}

Status Journal::AppendForeign(const Frame& frame, std::string_view bytes) {
  CHECK(follows());
  if (failed_) return status_;
  if (frame.base != appended_) {
    return Status::Error(fmt::format("a frame at position {} came, and the journal ends at {}",
                                     frame.base, appended_));
  }
  if (frame.epoch < epoch_) {
    return Status::Error(fmt::format(
        "the frame at position {} is of epoch {:016x}, older than {:016x}, in which the journal is",
        frame.base, frame.epoch, epoch_));
  }
  epoch_ = frame.epoch;
  ByteBuffer copy = std::move(spare_);
  copy.Append(bytes);
  NoteEpoch();
  appended_ += bytes.size();
  frames_.push_back(std::move(copy));
  spare_ = ByteBuffer();
  return {};
}

// The frame that begins at the end is of this epoch.
void Journal::NoteEpoch() {
  if (epoch_ != beheaded_ && (epochs_.empty() || epochs_.newest() != epoch_)) {
    epochs_.Note(epoch_, appended_);
  }
}

// Where the first epoch begins is only known if the journal is read from its beginning, or if the
// epochs before are known.
void Journal::NoteFound(const Frame& frame) {
  if (options_.from > 0 && epochs_.empty()) {
    if (!beheaded_) beheaded_ = frame.epoch;
    if (*beheaded_ == frame.epoch) return;
  }
  epochs_.Note(frame.epoch, frame.base);
}

Status Journal::AppendFrame(ByteBuffer* frame, uint32_t records) {
  CHECK(frame->size() >= kFrameHeaderBytes);
  if (failed_) return status_;
  const std::string_view payload = frame->view().substr(kFrameHeaderBytes);
  if (payload.size() > kMaxPayloadBytes) {
    // What it tells is done and cannot be kept, which is what a failed write means too.
    Fail(Status::Error(fmt::format("a frame of {} bytes was to be written; it may have {}",
                                   payload.size(), kMaxPayloadBytes)));
    return status_;
  }
  WriteFrameHeader({epoch_, appended_, durable_, records, payload}, identity_.id, frame->data());
  NoteEpoch();
  appended_ += frame->size();
  frames_.push_back(std::move(*frame));
  *frame = std::move(spare_);
  return {};
}

Status Journal::Append(std::string_view payload, uint32_t records) {
  ByteBuffer frame;
  frame.Room(kFrameHeaderBytes + payload.size());
  frame.Grow(kFrameHeaderBytes);
  frame.Append(payload);
  return AppendFrame(&frame, records);
}

void Journal::Flush(int64_t now_us) {
  if (failed_) return;
  now_us_ = now_us;
  const Position before = written_;
  WriteAppended(now_us);
  if (failed_) return;
  PrepareNext(now_us);
  WarmAhead();
  UpdateStatus();
  UpdateSafe();
  const bool due = IsSyncDue(now_us);
  gathering_ = due && Gathers(now_us, written_ > before);
  if (due && !gathering_) BeginSync();
}

// Room for what comes next is made while half of the present segment is still free.
void Journal::PrepareNext(int64_t now_us) {
  const bool asked =
      written_ - active_.base >= active_.reserved / 2 && supply_.Prepare(now_us, segment_bytes_);
  // After a segment was reserved, what the disk has free is less.
  if (asked || (room_wanted_ && now_us >= look_again_us_)) LookForRoom(now_us);
}

void Journal::LookForRoom(int64_t now_us) {
  if (looking_) return;
  looking_ = true;
  look_again_us_ = now_us + kLookAgainMicros;
  room_wanted_ = false;
  auto found = std::make_shared<Result<uint64_t>>(uint64_t{0});
  helper_->Run([found, disk = disk_,
                directory = options_.directory] { *found = disk->FreeBytes(directory); },
               [this, found, alive = std::weak_ptr<bool>(alive_)] {
                 if (alive.expired()) return;
                 looking_ = false;
                 // What cannot be known is not counted on.
                 NoteFree(found->ok() ? **found : 0);
               });
}

void Journal::NoteFree(uint64_t free_bytes) {
  free_bytes_ = free_bytes;
  grown_ = 0;
  segment_bytes_ =
      std::min(most_segment_bytes_, std::max(kLeastSegmentBytes, free_bytes / kSegmentsInFreeRoom));
  kept_room_ = segment_bytes_ / kPartKept;
  UpdateRoom();
}

// Half of what the disk has free is left to others, snapshots among them.
void Journal::UpdateRoom() {
  const uint64_t unreserved = free_bytes_ / 2 - std::min(free_bytes_ / 2, grown_);
  room_end_ = std::max(active_.base + active_.reserved, written_) + supply_.bytes() + unreserved;
}

Status Journal::WhyNoRoom() const {
  if (!status_.ok()) return status_;
  return Status::SystemError(fmt::format("{} has room for {} bytes more only", options_.directory,
                                         room_end_ - std::min(room_end_, appended_ + kept_room_)),
                             ENOSPC);
}

// Where each sync is waited for, the disk's bookkeeping for fresh room is done ahead. Elsewhere it
// would only be done twice as often as it need be.
void Journal::WarmAhead() {
  const uint64_t used = written_ - active_.base;
  const uint64_t begin = std::max(used, active_.warmed);
  if (sync_policy_ != SyncPolicy::kAlways || warming_ || used == 0 || begin - used > kWarmBytes ||
      begin >= active_.reserved)
    return;
  const uint64_t bytes = std::min(kWarmBytes, active_.reserved - begin);
  warming_ = true;
  active_.warmed = begin + bytes;
  helper_->Run([file = active_.file, begin, bytes] { file->Warm(begin, bytes); },
               [this, alive = std::weak_ptr<bool>(alive_)] {
                 if (!alive.expired()) warming_ = false;
               });
}

// A frame that does not fit into the segment begins the next one. If that is not ready, frames go
// on in the present file, which grows: nobody waits for a segment.
void Journal::WriteAppended(int64_t now_us) {
  full_ = {};
  while (!frames_.empty()) {
    const uint64_t used = written_ - active_.base;
    const std::string_view frame = frames_.front().view();
    const uint64_t end = used + frame.size();
    if (used > 0 && end > active_.reserved && supply_.ready()) {
      if (!Roll()) return;
      continue;
    }
    // After a write that failed for want of room, the same bytes go to the same place: nothing of
    // it needs to be undone.
    const Status status = active_.file->WriteAt(used, frame);
    if (!status.ok()) return OnWriteFailed(status);
    if (unsynced_since_us_ < 0) unsynced_since_us_ = now_us;
    if (end > active_.reserved) grown_ += end - std::max(used, active_.reserved);
    TakeWritten();
  }
}

// The first frame that waited does not any more.
void Journal::TakeWritten() {
  ByteBuffer& frame = frames_.front();
  for (FrameSink* const sink : sinks_) {
    sink->Take(written_, frame.view());
  }
  written_ += frame.size();
  active_.written->store(written_, std::memory_order_release);
  frame.Clear(kBufferKeptBytes);
  spare_ = std::move(frame);
  frames_.pop_front();
}

// Begins the next segment where the active one ends. REQUIRES: its file is ready.
bool Journal::Roll() {
  const uint64_t reserved = supply_.bytes();
  auto next = supply_.Take(written_);
  if (!next.ok()) {
    OnWriteFailed(next.status());
    return false;
  }
  sealed_.push_back({std::move(active_.file), written_ - active_.base});
  segments_.push_back(written_);
  Activate(std::move(*next), reserved);
  names_changed_ = true;
  return true;
}

bool Journal::IsSyncDue(int64_t now_us) const {
  if (syncing_ || unsynced_since_us_ < 0) return false;
  if (sync_requested_) return true;
  if (!sealed_.empty()) return true;  // under every policy: what is sealed can be relied on soon
  switch (sync_policy_) {
    case SyncPolicy::kAlways:
      return true;
    case SyncPolicy::kEverySecond:
      return now_us - unsynced_since_us_ >= kSyncAfterMicros ||
             written_ - durable_ >= kSyncAfterBytes;
    case SyncPolicy::kNo:
      return false;
  }
  return false;
}

// Whether the sync that is due waits for changes that come at once: from clients whose replies the
// last sync has released, and from others whose requests are being read. Otherwise they would wait
// for the sync after the next, and each sync costs the processor as much as a dozen requests.
bool Journal::Gathers(int64_t now_us, bool more) {
  if (sync_policy_ != SyncPolicy::kAlways) return false;
  if (gathering_) return more && now_us < gather_until_us_;
  gather_until_us_ = now_us + kGatherMicros;
  return true;
}

void Journal::BeginSync() {
  syncing_ = true;
  gathering_ = false;
  sync_requested_ = false;
  unsynced_since_us_ = -1;
  auto job = std::make_shared<SyncJob>();
  job->sealed = std::exchange(sealed_, {});
  job->base = active_.base;
  job->reserved = active_.reserved;
  job->active = active_.file;
  job->written = active_.written;
  job->names_changed = std::exchange(names_changed_, false);
  log_thread_->Run(
      [job, disk = disk_, directory = options_.directory] {
        job->status = job->Do(*disk, directory);
        if (!job->status.ok()) NoteFailedSync(*disk, directory);
      },
      [this, job, alive = std::weak_ptr<bool>(alive_)] {
        if (!alive.expired()) OnSynced(*job);
      });
}

void Journal::OnSynced(const SyncJob& job) {
  syncing_ = false;
  if (failed_) return;
  if (!job.status.ok()) return Fail(job.status);
  durable_ = job.up_to;
  if (durable_ == written_) unsynced_since_us_ = -1;
  UpdateSafe();
  ForgetDurable();
  NoteSynced();
  if (job.sealed.empty()) return;
  note_.last = job.base;
  note_.last_bytes = job.reserved;
  note_.synced = durable_;
  // Then gives the reserve of what was sealed back. If that fails, recovery does it.
  helper_->Run(
      [sealed = job.sealed, note = note_, disk = disk_, directory = options_.directory] {
        // What the note says already stays true.
        const Status noted = WriteNote(*disk, directory, note);
        if (!noted.ok()) LogWarning("journal: {}", noted.message());
        for (const Sealed& each : sealed) {
          const Status cut = each.file->Truncate(each.bytes);
          if (!cut.ok()) LogWarning("journal: {}", cut.message());
          each.file->Forget(0, each.bytes);
        }
      },
      [] {});
}

// What the frames of this server do not say, the note does.
void Journal::NoteSynced() {
  const bool told = sync_policy_ == SyncPolicy::kAlways && wanted_policy_ == sync_policy_ &&
                    safe_ <= durable_ && !note_.told_synced;
  const bool foreign =
      follows_ && durable_ > note_.synced && now_us_ - noted_us_ >= kNoteSyncedMicros;
  if (!told && !foreign) return;
  noted_us_ = now_us_;
  note_.told_synced |= told;
  note_.synced = durable_;
  WriteNoteSoon();
}

// A log that is written at the speed of memory would fill all memory with pages that nobody reads,
// each of them new to the processor. What is synced makes room for what comes next.
void Journal::ForgetDurable() {
  if (durable_ < active_.base + active_.forgotten + 2 * kRememberedBytes) return;
  active_.forgotten = durable_ - active_.base - kRememberedBytes;
  // From the beginning, since the system may keep pieces that reach beyond the end it was told.
  helper_->Run([file = active_.file, bytes = active_.forgotten] { file->Forget(0, bytes); }, [] {});
}

void Journal::OnWriteFailed(const Status& why) {
  if (IsDiskFull(why)) {
    full_ = why;
  } else {
    Fail(why);
  }
}

void Journal::Fail(const Status& why) {
  LogWarning(
      "the journal has failed in {}, position {} (durable to {}), and takes no more writes until "
      "the server is started again: {}",
      SegmentPath(options_.directory, active_.base), written_, durable_, why.message());
  failed_ = true;
  gathering_ = false;
  status_ = why;
  frames_.clear();
}

void Journal::UpdateStatus() {
  UpdateRoom();
  // The room that is left takes what is being executed, and changes that remove.
  Status next = full_;
  if (next.ok() && !HasRoomFor(kLeastChangeBytes, Change::kAdds)) {
    next = supply_.status();
    if (next.ok()) {
      next = Status::SystemError(fmt::format("the room for {} is used up", options_.directory),
                                 ENOSPC);
    }
  }
  if (status_.ok() && !next.ok())
    LogWarning("the journal takes no new changes: {}", next.message());
  if (!status_.ok() && next.ok()) LogNotice("the journal takes changes again");
  status_ = next;
}

void Journal::UpdateSafe() {
  safe_ = std::max(safe_, sync_policy_ == SyncPolicy::kAlways ? durable_ : written_);
}

void Journal::RemoveBefore(Position position) {
  // What follows is on the disk under its name: else a power cut could leave nothing at all.
  const Position limit = std::min({position, durable_, *note_.last});
  auto kept = segments_.begin();
  while (kept + 1 != segments_.end() && *(kept + 1) <= limit) {
    ++kept;
  }
  if (removing_ || kept == segments_.begin()) return;
  removing_ = true;
  // Those that are left when the helper comes back.
  auto doomed = std::make_shared<std::deque<Position>>(segments_.begin(), kept);
  segments_.erase(segments_.begin(), kept);
  helper_->Run(
      [doomed, disk = disk_, directory = options_.directory] {
        // Oldest first, each for good before the next: the journal never has a gap.
        while (!doomed->empty()) {
          Status removed = disk->Remove(SegmentPath(directory, doomed->front()));
          if (removed.ok()) removed = disk->SyncDirectory(directory);
          if (!removed.ok()) {
            LogWarning("journal: {}", removed.message());
            return;
          }
          doomed->pop_front();
        }
      },
      [this, doomed, alive = std::weak_ptr<bool>(alive_)] {
        if (alive.expired()) return;
        removing_ = false;
        segments_.insert(segments_.begin(), doomed->begin(), doomed->end());
      });
}

Result<JournalReader> Journal::ReadFrom(Position position) const {
  return JournalReader::Open(disk_, options_.directory, identity_, position);
}

std::function<Result<JournalReader>(Position position)> Journal::Reading() const {
  return [disk = disk_, directory = options_.directory, identity = identity_](Position position) {
    return JournalReader::Open(disk, directory, identity, position);
  };
}

void Journal::SyncWritten() {
  log_thread_->Drain();
  if (failed_ || written_ == durable_) return;
  BeginSync();
  log_thread_->Drain();
}

Status Journal::Close(int64_t now_us) {
  // First all that was appended, then the frame that says that it is there.
  const bool adds = !follows_ && !shared_ && appended_ > opened_at_;
  for (const bool last : {false, true}) {
    if (last && !adds) break;
    const Status appended = last ? Append({}, 0) : Status();
    if (!appended.ok()) return appended;
    WriteAll(now_us);
    SyncWritten();
    helper_->Drain();
    if (!status_.ok()) return status_;
    if (durable_ < appended_) return Status::Error("no room for the next segment of the journal");
  }
  note_.synced = durable_;
  note_.closed = true;
  return WriteNote(*disk_, options_.directory, note_);
}

// Waits for segments that are on their way; gives up when there is none.
void Journal::WriteAll(int64_t now_us) {
  for (bool waited = false; !failed_ && written_ < appended_;) {
    const Position before = written_;
    Flush(now_us);
    if (written_ > before) {
      waited = false;
    } else if (waited) {
      return;
    } else {
      helper_->Drain();
      waited = true;
    }
  }
}

}  // namespace runnel::journal
