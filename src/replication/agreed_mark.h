#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <utility>

#include "base/position.h"
#include "base/status.h"
#include "env/disk.h"
#include "env/worker.h"

namespace runnel::replication {

// Up to where two servers or more had the journal, as far as this server knows: what lies below is
// not cut off in silence. Kept in a file, which may be a second behind: a low bound.
class AgreedMark {
 public:
  // Reads the file; without one, nothing is known. Fails if it cannot be read or is damaged: the
  // message says what to do. Blocks. `disk` and `helper`, which writes, outlive it.
  static Result<std::unique_ptr<AgreedMark>> Open(Disk& disk, Worker& helper, std::string path);

  // Of this journal; 0 if nothing is known of it.
  Position Of(uint64_t journal_id) const { return journal_id == journal_id_ ? position_ : 0; }
  // Two servers have the journal up to here. It never goes back, but for another journal.
  void Note(uint64_t journal_id, Position position);
  // A person has decided that the journal may be cut here. The next Turn writes that at once. It is
  // to be on the disk before the journal is cut: from then on what was there would be untrue.
  void Lower(Position position);
  // That is not on the disk yet.
  bool lowering() const { return lowering_; }
  // Writes what is new, at most once a second. `now_ms` is of a clock that only goes forward.
  void Turn(int64_t now_ms);
  // Makes the file say all, if the disk lets it. Blocks: for the end.
  void Save();

 private:
  AgreedMark(Disk& disk, Worker& helper, std::string path)
      : disk_(disk), helper_(helper), path_(std::move(path)) {}

  std::string Encode() const;

  Disk& disk_;
  Worker& helper_;
  const std::string path_;
  uint64_t journal_id_ = 0;
  Position position_ = 0;
  bool changed_ = false;
  bool lowering_ = false;
  bool writing_ = false;
  int64_t write_at_ms_ = 0;  // not before this
  const std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace runnel::replication
