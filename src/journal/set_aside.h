#pragma once

#include <atomic>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/position.h"
#include "env/disk.h"
#include "journal/epochs.h"
#include "journal/frame.h"
#include "journal/note.h"
#include "journal/segment.h"

// What is cut off a journal is copied first, so that a person can look at it: bytes of which
// nothing is known, and whole frames that other servers do not have.

namespace runnel::journal {

// The most bytes that one cut keeps, and the most files that a directory keeps.
inline constexpr uint64_t kMostSetAsideBytes = uint64_t{64} << 20;
inline constexpr size_t kMostSetAsideFiles = 16;

// Copies what lies in the segments at `end` and after it to files `cut-<number>-<position>.tail`,
// one for each segment: the number counts such files, the position is that of its first byte. Zeros
// at the end of a segment are left out. The files are on the disk when this returns, and the log
// names them. Bytes beyond `most_bytes` are not copied, and the log says so. If there are more than
// kMostSetAsideFiles such files, the oldest are removed. Blocks. REQUIRES: the directory is locked;
// `segments` are sorted.
Status SetAside(Disk& disk, const std::string& directory, const std::vector<Segment>& segments,
                Position end, uint64_t most_bytes = kMostSetAsideBytes);

// Whole frames that were cut off are in files of their own, in this directory: "journal/dropped"
// for "journal". A file holds the frames of one cut, without gaps.
std::string DroppedDirectory(const std::string& directory);

// So many bytes of such files stay: the oldest go. The newest file always stays.
inline constexpr uint64_t kMostDroppedBytes = uint64_t{1} << 30;

// "cut-<number>-<epoch>-<position>.frames": the number counts cuts and has six digits, the epoch of
// the first frame has sixteen hexadecimal ones, and its position has twenty.
struct DroppedName {
  uint64_t number = 0;
  Epoch epoch = 0;
  Position position = 0;

  std::string ToString() const;
  // Nothing if this is not the name of such a file.
  static std::optional<DroppedName> Parse(std::string_view name);
};
// Those of the journal in this directory, the oldest first; none if there is no directory for them.
Result<std::vector<DroppedName>> ListDropped(Disk& disk, const std::string& directory);
std::string DroppedPath(const std::string& directory, const DroppedName& name);

// The journal in this directory, which has no frames, is to be another one. Writes its identity;
// that of the one before stays beside the frames that were cut off it, if there are any. Blocks.
Status TakeIdentity(Disk& disk, const std::string& directory, const Identity& identity);
// The journals of which there may be such frames, apart from the present one.
Result<std::vector<Identity>> ListOlderIdentities(Disk& disk, const std::string& directory);

// What KeepFrames has copied.
struct DroppedFrames {
  std::string path;
  Epoch epoch = 0;  // of the first frame
  Position begin = 0;
  Position end = 0;
  uint64_t frames = 0;
  uint64_t records = 0;
  // Where the first frame with records begins; nothing if there is none.
  std::optional<Position> first_records;
};

// Copies the frames of a journal from `begin` up to `end` to a new file in DroppedDirectory, which
// is on the disk when this returns. Frames begin at `begin` and end at `end`. Then removes the
// oldest of such files if there are more than `most_bytes`. Fails, and leaves no file, if
// there is no room for the copy, if a frame is damaged, or when `stop` becomes true. The journal
// may be written to meanwhile; what is copied stays there. Any thread; blocks for as long as the
// disk takes.
Result<DroppedFrames> KeepFrames(Disk& disk, const std::string& directory, const Identity& identity,
                                 Position begin, Position end, const std::atomic<bool>& stop,
                                 uint64_t most_bytes = kMostDroppedBytes);

}  // namespace runnel::journal
