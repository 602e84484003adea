#include "journal/journal.h"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "base/assert.h"
#include "base/log.h"
#include "base/planted_fault.h"

namespace runnel::journal {
namespace {

// Memory is made ready for writes in pieces of so many bytes, when less than two of them are left.
constexpr uint64_t kWarmBytes = uint64_t{4} << 20;
// Of the active segment the system's memory keeps at most twice as many synced bytes: only
// followers read them, and they are seldom further behind.
constexpr uint64_t kRememberedBytes = uint64_t{8} << 20;
// A segment is at most this part of what the disk has free, but not so small that a queue of usual
// messages has thousands of files.
constexpr uint64_t kSegmentsInFreeRoom = 16;
constexpr uint64_t kLeastSegmentBytes = uint64_t{4} << 20;
// The part of a segment that is kept for changes that remove.
constexpr uint64_t kPartKept = 8;
// After somebody was refused for want of room, the disk is looked at so soon again.
constexpr int64_t kLookAgainMicros = 1'000'000;
// A buffer that one large frame has blown up is given back.
constexpr size_t kBufferKeptBytes = size_t{4} << 20;

}  // namespace

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

uint64_t Journal::SegmentBytes(uint64_t free_bytes) const {
  return std::min(most_segment_bytes_,
                  std::max(kLeastSegmentBytes, free_bytes / kSegmentsInFreeRoom));
}

void Journal::NoteFree(uint64_t free_bytes) {
  free_bytes_ = free_bytes;
  grown_ = 0;
  segment_bytes_ = SegmentBytes(free_bytes);
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
