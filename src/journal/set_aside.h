#pragma once

#include <string>
#include <vector>

#include "base/position.h"
#include "env/disk.h"
#include "journal/segment.h"

// What is cut off a journal is copied first, so that a person can look at it.

namespace runnel::journal {

// The most bytes that one cut keeps, and the most files that a directory keeps.
inline constexpr uint64_t kMostSetAsideBytes = uint64_t{64} << 20;
inline constexpr size_t kMostSetAsideFiles = 16;

// Copies what lies in the segments at `end` and after it to files `cut-<number>-<position>.tail`,
// one for each segment: the number counts such files, the position is that of its first byte. Zeros
// at the end of a segment are left out. The files are on the disk when this returns, and the log
// names them. Bytes beyond kMostSetAsideBytes are not copied, and the log says so. If there are
// more than kMostSetAsideFiles such files, the oldest are removed. Blocks. REQUIRES: the directory
// is locked; `segments` are all that it has, sorted.
Status SetAside(Disk& disk, const std::string& directory, const std::vector<Segment>& segments,
                Position end);

}  // namespace runnel::journal
