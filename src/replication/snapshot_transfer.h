#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/position.h"
#include "base/status.h"
#include "env/disk.h"
#include "env/worker.h"
#include "replication/link.h"
#include "replication/wire.h"

// A snapshot on its way from a leader to a follower, with the files of cold entries that it names:
// for a follower that needs journal which the leader has removed. The follower asks for pieces of
// files; the leader has no state but the list. See README.md.

namespace runnel::replication {

// A follower has so many requests for pieces under way at most, however small the pieces are.
inline constexpr size_t kMostFetchRequests = 64;

// A snapshot of the leader that stays as it is, with all files that it names, until this is
// destroyed.
struct PinnedSnapshot {
  Position position = 0;
  // Lists its files, the snapshot itself first. Blocks; any thread.
  std::function<Result<std::vector<SyncFile>>()> list;
  std::shared_ptr<void> pin;
};

// The side that has the snapshot: answers the requests of one follower, with one read at a time.
class SnapshotSender {
 public:
  // Everything outlives it; `reader` reads. Paths of files count from where the process works.
  SnapshotSender(Disk& disk, Worker& reader, PinnedSnapshot snapshot)
      : disk_(disk), reader_(reader), snapshot_(std::move(snapshot)) {}

  Position position() const { return snapshot_.position; }
  // A request has come. Fails if it cannot be answered.
  Status OnFetch(const FetchRequest& request);
  // Goes on: sends what was read. Fails if the disk does.
  Status Turn(Link& link);
  // The size of the piece that is to be read next; 0 if none is, or one is being read.
  uint64_t next_bytes() const;
  // Reads it. REQUIRES: next_bytes() > 0; what was read before is sent (Turn).
  void ReadNext();
  uint64_t sent_bytes() const { return sent_bytes_; }

 private:
  struct Job;

  void List();
  void Read(const FetchRequest& request);

  Disk& disk_;
  Worker& reader_;
  const PinnedSnapshot snapshot_;
  std::vector<SyncFile> files_;
  bool listed_ = false;
  size_t told_ = 0;  // files of which the follower was told
  bool told_all_ = false;
  std::deque<FetchRequest> requests_;
  std::shared_ptr<Job> job_;  // what is read, or was read and is to be sent
  bool reading_ = false;
  std::shared_ptr<File> open_;  // the file that was read last
  uint64_t open_index_ = 0;
  uint64_t sent_bytes_ = 0;
  Status status_;
  const std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

// The side that wants it: asks for piece after piece, and writes them beside the files of the same
// names, with kStagedSuffix. What is there goes on after a new connection if the leader still has
// the same snapshot. The files stay when this is destroyed: see RemoveStaged.
class SnapshotFetch {
 public:
  static constexpr std::string_view kStagedSuffix = ".sync";

  // Everything outlives it; `writer` writes. `window` bytes are asked for and not yet written at
  // most.
  SnapshotFetch(Disk& disk, Worker& writer, Position position, size_t window)
      : disk_(disk), writer_(writer), position_(position), window_(window) {}

  Position position() const { return position_; }
  // The connection is a new one: the leader lists the files again, and what was asked for does not
  // come any more.
  void OnConnected();
  // Fails if the list is wrong, or not the one of an earlier connection: another fetch is to begin.
  Status OnFiles(const FileList& list);
  // Fails if it is not what was asked for, or not the snapshot of an earlier connection: see
  // is_another.
  Status OnPiece(const FilePiece& piece);
  // The leader has another snapshot now, or lists other files: another fetch is to begin.
  bool is_another() const { return is_another_; }
  // Goes on: asks for more. Fails if the disk does; the fetch can go on after that.
  Status Turn(Link& link);
  // What has come is of no use: the writer removes it. This can only be destroyed then.
  void RemoveStaged();

  // All files are there, synced, and the snapshot was verified.
  bool complete() const { return complete_; }
  // All came, and what came was damaged, the last time.
  bool was_damaged() const { return was_damaged_; }
  // REQUIRES: complete().
  const std::vector<SyncFile>& files() const { return files_; }
  // The files are known. Nothing is asked for before the next Turn.
  bool listed() const { return listed_; }
  uint64_t written_bytes() const { return written_bytes_; }
  uint64_t total_bytes() const { return total_bytes_; }

 private:
  static constexpr size_t kPieceBytes = size_t{512} << 10;

  // A byte of the files, in their order.
  struct Place {
    uint64_t file = 0;
    uint64_t offset = 0;
    bool operator==(const Place&) const = default;
  };
  struct Target;

  // The place so many bytes later, which is not beyond the end of its file.
  Place Behind(Place place, uint64_t bytes) const;
  void Write(const FilePiece& piece, bool last);
  void OnWritten(size_t bytes, const Status& status, bool sync_failed);
  void Finish();
  static std::shared_ptr<Target> MakeTarget();

  Disk& disk_;
  Worker& writer_;
  const Position position_;
  const size_t window_;
  std::vector<SyncFile> files_;
  std::vector<SyncFile> listing_;  // of this connection
  bool listed_ = false;
  Place asked_;                    // what is asked for next
  Place arrived_;                  // what comes next
  Place written_;                  // what is written next
  std::deque<uint64_t> expected_;  // sizes of the pieces that were asked for
  size_t outstanding_ = 0;         // bytes that were asked for and are not written
  uint64_t written_bytes_ = 0;
  uint64_t total_bytes_ = 0;
  size_t writing_ = 0;        // jobs
  bool sync_failed_ = false;  // of the file that is written
  std::shared_ptr<Target> target_ = MakeTarget();
  bool finishing_ = false;
  bool was_damaged_ = false;
  // The first bytes of the snapshot, as they came. After a new connection they are asked for and
  // compared first: a server may have another snapshot of the same position than before.
  std::string header_;
  bool compares_ = false;
  bool asked_header_ = false;
  bool is_another_ = false;
  bool complete_ = false;
  Status status_;
  const std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace runnel::replication
