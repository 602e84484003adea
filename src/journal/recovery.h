#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "env/disk.h"
#include "journal/frame.h"
#include "journal/note.h"
#include "journal/recovery_table.h"
#include "journal/segment.h"

// What is left of the journal after the process ended, and how it becomes a journal again. First
// Inspect, which only reads; then, if its decision is not to stop, Repair.

namespace runnel::journal {

// Takes a frame during recovery; a failure ends it. The frame's payload is valid during the call.
using VisitFrame = std::function<Status(const Frame& frame)>;

struct Inspection {
  std::vector<Segment> segments;
  size_t first = 0;  // the segment in which reading began
  size_t last = 0;   // and the one in which it ended
  Position from = 0;
  // After the last good frame.
  Position end = 0;
  // Of the last good frame; 0 without one.
  uint64_t epoch = 0;
  // Up to here the good frames that were made for this disk say that all was synced.
  Position synced = 0;
  uint64_t frames = 0;
  uint64_t records = 0;
  // What was found at `end`: an end, a cut or a stop.
  const RecoveryRow* row = nullptr;
  // Of what is after `end`: bytes up to the last that is not zero, in all segments, and the whole
  // frames among them and what these hold.
  uint64_t bytes_behind = 0;
  uint64_t frames_behind = 0;
  uint64_t records_behind = 0;

  // Which journal it is; nothing if neither file says so, as for a journal of version 1.
  std::optional<Identity> identity;
  // What the files hold that say so: each nothing if there is none.
  std::optional<Identity> identity_file;
  std::optional<Note> note;
  // All is there that was written since the note: the journal was ended well, or the machine has
  // run without a break, and no sync has failed.
  bool all_kept = false;

  // Where and what, for a person: "journal/00000000000000000000.log, offset 80 (position 80): torn
  // tail, ...".
  std::string text;
  // For kStop: what a person can do about it, as sentences.
  std::string next_step;
};

// Reads what is left of a journal frame by frame: the caller may do something else between two
// frames. Reads only. On any thread.
class RecoveryReader {
 public:
  // Begins at position `from`, or at the oldest segment if there is no `from`. `disk` outlives the
  // reader. Fails if the disk does, or if the journal begins after `from`.
  static Result<std::unique_ptr<RecoveryReader>> Open(Disk& disk, std::string directory,
                                                      std::optional<Position> from);
  ~RecoveryReader();
  RecoveryReader(const RecoveryReader&) = delete;
  RecoveryReader& operator=(const RecoveryReader&) = delete;

  // The next frame that begins at `from` or after it, valid until the next call; nothing when there
  // are no more, and inspection() is whole then. Fails if the disk does, or if a frame reaches
  // across `from`; after a failure the reader can only be destroyed.
  Result<std::optional<Frame>> Next();

  // What was found so far; `row` and `text` are set when Next has given nothing.
  const Inspection& inspection() const { return out_; }

  // The failure of a caller that cannot use the frame that Next gave last: `why`, with the file,
  // the offset and the position of the frame before it.
  Status AtFrame(const std::string& why) const;

 private:
  class Walk;

  RecoveryReader(Disk& disk, std::string directory);

  const std::string directory_;
  Inspection out_;
  std::unique_ptr<Walk> walk_;  // null: there are no segments
};

// Reads the journal from position `from` on, or from its oldest segment on if there is no `from`,
// and calls `visit` for each frame that begins there or later. Fails if the disk does, if the
// journal begins after `from` or has a frame across it, or if `visit` does. A journal that ends
// before `from` is not a failure: the state at `from` includes everything that it held.
Result<Inspection> Inspect(Disk& disk, const std::string& directory, std::optional<Position> from,
                           const VisitFrame& visit);

// How much stays of what Repair cuts.
enum class KeepCut {
  kSome,  // as SetAside, if the disk has room
  kAll,   // whole segments after the cut get the suffix kDamagedSuffix; the rest is copied
};
// Makes the files what Inspect has decided: cuts everything after inspection.end, then syncs the
// rest, so that nothing that was visited can be lost any more. The cut is set aside first (see
// set_aside.h); with kAll, this fails if that fails, and then nothing is cut. A journal that ended
// before inspection.from goes as a whole. The inspection is updated. After a crash inside Repair,
// Inspect decides the same again. REQUIRES: the decision was kEnd or kCut, or the row may be cut
// and a person has decided so; the directory is locked.
Status Repair(Disk& disk, const std::string& directory, Inspection* inspection,
              KeepCut keep = KeepCut::kSome);

// What becomes of the bytes that CutAt cuts off.
enum class CutBytes {
  kSetAside,  // they are set aside first: see SetAside
  kDropped,   // the caller has kept them (see KeepFrames), and all of the journal is on the disk
};
// Cuts the journal at the end of a frame, even if whole frames follow: because a person has decided
// so, or because the leader does not have them. The note is changed to name only what is left, so
// that the next start accepts the journal; if there is no segment at all, nothing else is done. All
// is on the disk when this returns. After a crash inside, the journal ends at `end`, where it ended
// before, or where one of the segments between ends. REQUIRES: the directory is locked, and no
// Journal is open. Fails if no frame ends at `end` and no segment begins there, or if there is no
// room to set aside what is cut; then nothing is cut.
Status CutAt(Disk& disk, const std::string& directory, Position end,
             CutBytes bytes = CutBytes::kSetAside);

// Removes all frames of a journal that nobody has open: what is left is a journal that has only its
// identity. A crash leaves the frames up to some place. Blocks.
Status RemoveFrames(Disk& disk, const std::string& directory);

}  // namespace runnel::journal
