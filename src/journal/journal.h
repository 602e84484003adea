#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/byte_buffer.h"
#include "base/position.h"
#include "env/disk.h"
#include "env/worker.h"
#include "journal/epochs.h"
#include "journal/journal_reader.h"
#include "journal/note.h"
#include "journal/recovery.h"
#include "journal/segment_supply.h"

namespace runnel::journal {

enum class SyncPolicy {
  kAlways,  // a change is safe when it is synced; a sync begins when the one before has ended and
            // no other change is about to be written
  kEverySecond,  // safe when it is written; half a second later at most it is being synced
  kNo,           // safe when it is written; the system syncs when it likes
};

struct JournalOptions {
  std::string directory;  // its parent exists
  // Reserved for each segment, at most: on a disk with little room segments are smaller.
  uint64_t segment_bytes = uint64_t{128} << 20;
  SyncPolicy sync_policy = SyncPolicy::kEverySecond;
  // The state up to here is already known (from a snapshot; 0: nothing is known): recovery begins
  // here.
  Position from = 0;
  // Damage is cut like a torn tail, instead of stopping the start: a person has decided so.
  bool cut_damage = false;
  // The id for a new journal: a follower takes the id of its leader. 0: a random id.
  uint64_t id = 0;
  // The epochs of the journal before `from`.
  EpochHistory epochs = {};
  // The journal gets its frames from another server (see Journal::AppendForeign).
  bool follows = false;
  // What recovery cuts is kept, all of it (KeepCut::kAll): no person has decided that it may go.
  bool keep_cut = false;
};

// Gets every frame that a journal has written, in their order.
class FrameSink {
 public:
  virtual ~FrameSink() = default;
  // `frame` are all bytes of the frame, valid during the call.
  virtual void Take(Position base, std::string_view frame) = 0;
};

// The log of all changes: an endless row of frames, cut into segments. It does not know what frames
// carry.
//
// All calls come from one thread, which never waits for a sync: `log_thread` syncs, `helper`
// prepares and removes segments. Watermarks, each never beyond the one before and none going back:
//
//   appended   frames that were given
//   written    the system has them: they outlive the process
//   durable    the disk has them: they outlive a power cut
//
// Failures: when the disk is full, frames wait in memory until there is room; status() says so
// meanwhile, and nothing is lost. So that no frame has to wait, the journal knows how much room it
// has, and the caller asks before it makes a change (HasRoomFor). Any other failed write, and any
// failed sync, is final: the content of the file is no longer known, so the watermarks never move
// again.
class Journal {
 public:
  class Opening;

  // Recovers the journal in the directory, which is made if it does not exist, and calls `visit`
  // for each frame from options.from on. A cut is logged. All visited frames are durable when this
  // returns. Blocks. Fails if the directory is in use, or as Inspect and Repair do; then the files
  // are unchanged or half repaired, and a later Open continues from there. `disk`, `log_thread` and
  // `helper` outlive the journal.
  static Result<std::unique_ptr<Journal>> Open(Disk* disk, Worker* log_thread, Worker* helper,
                                               JournalOptions options, const VisitFrame& visit);
  // Without Close(): as if the process had been killed.
  ~Journal();
  Journal(const Journal&) = delete;
  Journal& operator=(const Journal&) = delete;

  // The identity of the journal, which is part of the checksums of its frames.
  const Identity& identity() const { return identity_; }

  // The oldest byte that is kept.
  Position first() const { return segments_.front(); }
  Position appended() const { return appended_; }
  Position written() const { return written_; }
  Position durable() const { return durable_; }
  // What the policy calls safe: a reply that depends on a position up to here may be sent. Never
  // goes back, even when the policy becomes stricter.
  Position safe() const { return safe_; }

  // Whether new changes may be made. If not, the reason: the disk has no room (IsDiskFull; this may
  // pass), or the journal has failed. Ask before a command is executed, not after. Changes in Flush
  // and when a worker has finished a job.
  const Status& status() const { return status_; }

  // About how many bytes the smallest change takes in addition to its arguments.
  static constexpr uint64_t kLeastChangeBytes = 512;
  enum class Change {
    kAdds,     // adds data
    kRemoves,  // removes data, or adds little: on a full disk such changes go on longest
  };
  // Whether frames of this many bytes, headers included, surely have room after those that were
  // appended: in the reserve, or in half of the free room that the disk had when it was last looked
  // at. A part of the reserve is kept for changes that remove, and for changes that become larger
  // than estimated. If the answer is no, the disk is looked at again soon. Ask before a command is
  // executed.
  bool HasRoomFor(uint64_t bytes, Change change) {
    const bool has = appended_ + bytes + (change == Change::kAdds ? kept_room_ : 0) <= room_end_;
    if (!has) [[unlikely]]
      room_wanted_ = true;
    return has && !failed_ && full_.ok();
  }
  // What is reserved for one segment on a disk that has so many bytes free.
  uint64_t SegmentBytes(uint64_t free_bytes) const;
  // The error for a change that HasRoomFor has refused.
  Status WhyNoRoom() const;
  // Failed for good.
  bool failed() const { return failed_; }

  // The leader's epoch, written into each frame. REQUIRES: not less than before.
  Epoch epoch() const { return epoch_; }
  void set_epoch(Epoch epoch);
  // The epochs of the frames, as far back as is known.
  const EpochHistory& epochs() const { return epochs_; }

  // Whether everything is there that this server has ever told another one that it has. It is after
  // a clean end, if the machine has run without a break since the last process, and if that one had
  // the policy kAlways. Else a power cut may have taken the end of the journal. An empty journal
  // that is to follow, and one that a person has cut, are not trusted either.
  bool trusted() const { return !note_.doubted; }
  // It has all of that again, or it is the one that counts from now on. The disk is told soon.
  void Trust();

  // --- Leading and following ---

  // Whether the frames come from another server.
  bool follows() const { return follows_; }
  // Frames are to come from another server (AppendForeign): what they say of being synced is about
  // its disk. Calls `done` when that is noted on this disk, or could not be; until then the journal
  // does not follow, and nothing is appended unless Lead is called. REQUIRES: !follows().
  void Follow(std::function<void(const Status&)> done);
  // From now on frames are made here again, in this epoch; a first one without records is made at
  // once, so that what is made here parts at this place from what anybody else may make in an
  // earlier epoch. REQUIRES: the epoch is above epoch().
  Status Lead(Epoch epoch);
  // Appends a frame of another server, byte for byte. `bytes` are those of `frame`, whose checksum
  // holds. Fails, and changes nothing, if the frame does not continue this journal, or if the
  // journal has failed. REQUIRES: follows().
  Status AppendForeign(const Frame& frame, std::string_view bytes);
  // Others have copies of this journal, or had: Close adds no frame, which they would not have.
  void NoteShared() { shared_ = true; }
  // Every frame that is written from now on goes to the sink, too, in the Flush that writes it. The
  // sink outlives the journal, or is removed.
  void AddSink(FrameSink* sink) { sinks_.push_back(sink); }
  // REQUIRES: it was added; not inside FrameSink::Take.
  void RemoveSink(FrameSink* sink) { std::erase(sinks_, sink); }

  // Appends one frame, which will be recovered whole or not at all. Its payload is in `*frame`
  // after kFrameHeaderBytes free bytes. Refused only if the journal has failed: on a full disk the
  // frame waits in memory, because its changes have already been made. A payload of more than
  // kMaxPayloadBytes makes the journal fail. `*frame` is taken; afterwards it is a buffer that was
  // used before.
  Status AppendFrame(ByteBuffer* frame, uint32_t records);
  // The same for a payload in other memory, which is copied.
  Status Append(std::string_view payload, uint32_t records);

  // Writes the appended frames, with one write for each, and begins a sync if one is due. Call it
  // once in every turn of the loop and at least ten times a second; `now_us` is of a clock that
  // only goes forward.
  void Flush(int64_t now_us);

  // A sync is put off so that it covers changes of the next turn: call Flush again as soon as the
  // loop has looked for events, without waiting for one.
  bool gathering() const { return gathering_; }

  SyncPolicy sync_policy() const { return sync_policy_; }
  // Takes effect with the next Flush. But kAlways stays until the disk knows that it does not hold
  // any more, because the next start must know that.
  void set_sync_policy(SyncPolicy policy);

  // Segments that are prepared from now on have at most so many bytes: in the place of
  // JournalOptions::segment_bytes.
  void set_most_segment_bytes(uint64_t bytes) { most_segment_bytes_ = bytes; }

  // Everything that is written until the next Flush is synced soon, under any policy: for a caller
  // that waits for durable().
  void RequestSync() { sync_requested_ = true; }

  // Removes the durable segments that are entirely before `position`, which a durable snapshot
  // covers.
  void RemoveBefore(Position position);

  // Reads frames from `position` on, up to written().
  Result<JournalReader> ReadFrom(Position position) const;
  // What does that on any thread.
  std::function<Result<JournalReader>(Position position)> Reading() const;

  // Returns when everything written is durable, or the journal has failed. Blocks.
  void SyncWritten();

  // Writes and syncs everything that was appended, and adds an empty frame that says so: if
  // something is found damaged later, it is known to have been whole. None is added, and only the
  // note says so, where frames come from another server, where others have copies of this journal,
  // and if nothing was appended since it was opened: the epoch is that of the process before, which
  // may have told others of a frame at this place that was lost. Blocks. Afterwards the journal can
  // only be destroyed.
  Status Close(int64_t now_us);

 private:
  struct Active {
    std::shared_ptr<File> file;
    Position base;
    // How far it is written, for the log thread: never ahead of what the system has.
    std::shared_ptr<std::atomic<Position>> written;
    uint64_t reserved = 0;   // bytes for which the disk has room for certain
    uint64_t warmed = 0;     // bytes of it that writes find prepared
    uint64_t forgotten = 0;  // bytes of it that the system need not keep in memory
  };
  struct Sealed {
    std::shared_ptr<File> file;
    uint64_t bytes;  // without the reserve
  };
  struct SyncJob;

  Journal(Disk* disk, Worker* log_thread, Worker* helper, JournalOptions options,
          std::unique_ptr<DirectoryLock> lock);

  Status Recover(Inspection found);
  Status TakeIdentity(const Inspection& found);
  Status OpenActive();
  Status CreateFirst();
  Status OpenLast();
  Status NoteOpen();
  void NoteSynced();
  void WriteNoteSoon(std::function<void(const Status&)> done = nullptr);
  void Activate(std::shared_ptr<File> file, uint64_t reserved);
  void NoteEpoch();
  void NoteFound(const Frame& frame);
  void WriteAppended(int64_t now_us);
  bool Roll();
  void PrepareNext(int64_t now_us);
  void LookForRoom(int64_t now_us);
  void NoteFree(uint64_t free_bytes);
  void UpdateRoom();
  void TakeWritten();
  void WriteAll(int64_t now_us);
  bool IsSyncDue(int64_t now_us) const;
  bool Gathers(int64_t now_us, bool more);
  void BeginSync();
  void WarmAhead();
  void OnSynced(const SyncJob& job);
  void ForgetDurable();
  void OnWriteFailed(const Status& why);
  void Fail(const Status& why);
  void UpdateStatus();
  void UpdateSafe();

  Disk* const disk_;
  Worker* const log_thread_;
  Worker* const helper_;
  const JournalOptions options_;
  const std::unique_ptr<DirectoryLock> lock_;
  SyncPolicy sync_policy_;
  SyncPolicy wanted_policy_;  // from the moment on at which the note says so
  SegmentSupply supply_;

  Identity identity_;
  Note note_;             // as it is on the disk, or will be when the helper has written it
  int64_t noted_us_ = 0;  // when that was begun because of what was synced
  int64_t now_us_ = 0;    // of the last Flush
  std::vector<Position> segments_;  // bases, the last is that of active_
  Active active_;
  Epoch epoch_ = 0;
  EpochHistory epochs_;
  bool follows_ = false;
  bool shared_ = false;
  Position opened_at_ = 0;         // where it ended then
  std::optional<Epoch> beheaded_;  // an epoch of which it is not known where it begins
  std::vector<FrameSink*> sinks_;
  Position appended_ = 0;
  Position written_ = 0;
  Position durable_ = 0;
  Position safe_ = 0;

  std::deque<ByteBuffer> frames_;  // from written_ to appended_
  ByteBuffer spare_;               // memory for the next but one

  bool syncing_ = false;
  bool sync_requested_ = false;
  bool names_changed_ = false;  // the directory is not synced
  std::vector<Sealed> sealed_;  // not synced to their end
  int64_t unsynced_since_us_ =
      -1;  // when the oldest byte was written that no sync covers; -1: none
  bool gathering_ = false;
  int64_t gather_until_us_ = 0;  // if gathering_
  // What the disk had free when it was last looked at, and how much files have grown since then
  // beyond what was reserved.
  uint64_t free_bytes_ = 0;
  uint64_t grown_ = 0;
  bool looking_ = false;
  bool room_wanted_ = false;  // a change was refused
  int64_t look_again_us_ = 0;
  uint64_t most_segment_bytes_;
  uint64_t segment_bytes_;  // of the next segment
  uint64_t kept_room_ = 0;  // for changes that remove
  Position room_end_ = 0;   // up to here frames will find room
  bool removing_ = false;
  bool warming_ = false;

  bool failed_ = false;
  Status full_;  // of the last write, if there was no room
  Status status_;
  const std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

// Recovers a journal frame by frame: what Journal::Open does, for a caller that does something else
// between two frames.
class Journal::Opening {
 public:
  // Takes the directory, which is made if it is not there, and begins to read at options.from.
  // Fails as Journal::Open does.
  static Result<std::unique_ptr<Opening>> Begin(Disk* disk, Worker* log_thread, Worker* helper,
                                                JournalOptions options);

  // The next frame, valid until the next call; nothing when all were given. Fails as Journal::Open
  // does; then this can only be destroyed.
  Result<std::optional<Frame>> Next();
  // The id of the journal; 0 for a new one.
  uint64_t journal_id() const;
  // What was found so far: see RecoveryReader.
  const Inspection& inspection() const { return reader_->inspection(); }
  // The failure of a caller that cannot use the frame that Next gave last: see RecoveryReader.
  Status AtFrame(const std::string& why) const { return reader_->AtFrame(why); }
  // Makes the files what was read, and gives the journal. REQUIRES: Next has given nothing. Called
  // once.
  Result<std::unique_ptr<Journal>> Finish();

 private:
  explicit Opening(std::unique_ptr<Journal> journal) : journal_(std::move(journal)) {}
  Status NoteIfSystemFailed(Status status) const;

  std::unique_ptr<Journal> journal_;
  std::unique_ptr<RecoveryReader> reader_;
};

}  // namespace runnel::journal
