#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/position.h"
#include "env/disk.h"

// Segments: the files that the journal is cut into. Each is named by the position of its first
// byte; together they are one log without gaps.

namespace runnel::journal {

struct Segment {
  Position base = 0;
  uint64_t file_bytes = 0;  // of the last segment, most are reserved and not yet written
};

// "00000000000000004096.log"
std::string SegmentName(Position base);
// Nothing if this is not the name of a segment.
std::optional<Position> ParseSegmentName(std::string_view name);
std::string SegmentPath(const std::string& directory, Position base);
// Where a segment is prepared before it has its name.
std::string TemporarySegmentPath(const std::string& directory);

// The segments of a directory in the order of positions. Files of other names are not looked at.
Result<std::vector<Segment>> ListSegments(Disk& disk, const std::string& directory);

// An estimate of where the written part of the segment ends and its reserve begins, up to a page
// too far. Reads a few pages only, so zeros in the written part may make it wrong.
Result<Position> EstimateEnd(Disk& disk, const std::string& directory, const Segment& segment);

}  // namespace runnel::journal
