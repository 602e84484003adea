#pragma once

#include <cstdint>
#include <span>

// What recovery does at each place of the journal, as a table over facts. Recovery goes from place
// to place: where one frame ends the next must begin. At each it gathers the facts, the table gives
// the decision.
//
// The table rests on what a disk may do (see env/disk.h): what was synced stays; what was not may
// be lost in a power cut, in any part and any order. So a hole with whole frames after it is no
// damage by itself. Three things tell damage from what a crash may leave:
// - Each frame, and the note beside the journal, says up to where the journal was synced when it
//   was written: everything before such a position that is not whole is damage.
// - The note says in which run of the machine it was written. Without a power cut since then the
//   system still has every write, in order, and only the last can be incomplete: a hole is damage.
// - The note says whether the journal was closed cleanly. If so, everything that is not whole is
//   damage.
// Nothing else is damage: what a power cut took had not been promised to anybody.

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
  kLastSegment = 1 << 8,     // no segment follows this one
  kNextBeginsHere = 1 << 9,  // the next segment begins at this very place
  kNextBeginsBefore = 1 << 10,  // the next segment begins before this place
  kFrameLater = 1 << 11,  // a whole frame lies after this place, in this segment or a later one
  kWasSynced = 1 << 12,   // such a frame or the note says that more than this had been synced, or
                          // the note says that a file was there or was longer
  kAllKept = 1 << 13,     // no power cut can have taken a write since the note was written
  kEndedWell = 1 << 14,   // and there was nothing unfinished either: the journal was ended well
};
inline constexpr int kFactCount = 15;
using Facts = uint32_t;

enum class Decision {
  kTakeFrame,    // the frame is good: go to its end
  kNextSegment,  // go on in the next segment; the rest of this one means nothing
  kEnd,          // the journal ends here
  kCut,          // the journal ends here; everything after it is dropped, and the log says so
  kStop,         // nothing is changed; the start fails and names file and offset
};

struct RecoveryRow {
  const char* name;
  Decision decision;
  // One character for each fact, in the order of their bits, blanks between groups: '1' it holds,
  // '0' it does not, '-' either.
  const char* facts;
  const char* reason;
  // For kStop: a person may decide to go on without what is at this place and after it.
  bool may_be_cut = false;
};

std::span<const RecoveryRow> RecoveryTable();

// Whether the row is for these facts.
bool Matches(const RecoveryRow& row, Facts facts);
// Whether these facts can come together.
bool ArePossible(Facts facts);
// The one row for these facts. REQUIRES: ArePossible(facts).
const RecoveryRow& FindRow(Facts facts);

}  // namespace runnel::journal
