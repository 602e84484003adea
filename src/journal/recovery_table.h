#pragma once

#include <cstdint>
#include <span>

// What recovery does at each place of the journal, as a table over facts. Recovery goes from place
// to place: where one frame ends the next must begin. At each it gathers the facts, the table gives
// the decision.
//
// The table rests on what a disk may do (see env/disk.h): what was synced stays; what was not may
// be lost in any part and any order. So a hole with whole frames behind it is no damage by itself.
// What tells the two apart is in the frames: each says up to where the journal was synced when it
// was written. A hole before a position that some frame knows to have been synced is damage;
// nothing else is, and what a power cut took was never promised to anybody.

namespace runnel::journal {

// One bit each. A fact that was not looked for (because another one decides) is false.
enum Fact : uint32_t {
  kBytesLeft = 1 << 0,       // the segment's file does not end here
  kAllZeros = 1 << 1,        // there are bytes, and all of them up to the end of the file are zeros
  kHeaderHere = 1 << 2,      // the magic of a frame, and room for its header
  kNewerVersion = 1 << 3,    // the header is of a later format version
  kLengthFits = 1 << 4,      // the file is long enough for the frame that the header tells of
  kChecksumHolds = 1 << 5,   // it is a whole frame
  kBaseFollows = 1 << 6,     // whose base is this place
  kEpochFollows = 1 << 7,    // and whose epoch is not before that of the frame before
  kLastSegment = 1 << 8,     // no segment is behind this one
  kNextBeginsHere = 1 << 9,  // the next segment begins at this very place
  kNextBeginsBefore = 1 << 10,  // the next segment begins before this place
  kFrameLater = 1 << 11,  // a whole frame lies behind this place, in this segment or a later one
  kWasSynced = 1 << 12,   // and such a frame says that this place had been synced
};
inline constexpr int kFactCount = 13;
using Facts = uint32_t;

enum class Decision {
  kTakeFrame,    // the frame is good: go to its end
  kNextSegment,  // go on in the next segment; what is behind this place in this one is nothing
  kEnd,          // the journal ends here
  kCut,          // the journal ends here; everything behind is dropped, and that is said
  kStop,         // nothing is changed; the start fails and names file and offset
};

struct RecoveryRow {
  const char* name;
  Decision decision;
  // One character for each fact, in the order of their bits, blanks between groups: '1' it holds,
  // '0' it does not, '-' either.
  const char* facts;
  const char* reason;
};

std::span<const RecoveryRow> RecoveryTable();

// Whether the row is for these facts.
bool Matches(const RecoveryRow& row, Facts facts);
// Whether these facts can come together.
bool ArePossible(Facts facts);
// The one row for these facts. REQUIRES: ArePossible(facts).
const RecoveryRow& FindRow(Facts facts);

}  // namespace runnel::journal
