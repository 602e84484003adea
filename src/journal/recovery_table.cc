#include "journal/recovery_table.h"

#include <array>
#include <cstddef>

#include "base/assert.h"

namespace runnel::journal {
namespace {

// Columns: bytes left, all zeros, header, newer | length, checksum, base, epoch | last, next here,
// next before | frame later, was synced | all kept, ended well
constexpr RecoveryRow kTable[] = {
    {"frame", Decision::kTakeFrame, "1010 1111 -00 -- --", "A whole frame in its place."},

    {"end of the file", Decision::kEnd, "0000 0000 100 00 --",
     "Every frame of the last segment was taken and the file ends with the last one."},
    {"end before the reserve", Decision::kEnd, "1100 0000 100 00 --",
     "The last segment is reserved ahead: zeros are room that was never written."},
    {"end of a segment", Decision::kNextSegment, "0000 0000 010 -- --",
     "The next segment takes over where this one ends."},
    {"end of a segment with reserve", Decision::kNextSegment, "1100 0000 010 -- --",
     "The next segment takes over; this one was closed, but the crash came before its reserve was "
     "given back."},
    {"end of a segment with leftovers", Decision::kNextSegment, "10-0 -000 010 -- --",
     "The next segment takes over at this place, so whatever was begun here was begun again "
     "there."},

    {"torn tail", Decision::kCut, "10-0 -000 -00 00 -0",
     "The last write was not whole when the process or the machine stopped. Nobody was told that "
     "it was safe."},
    {"torn in the middle", Decision::kCut, "10-0 -000 -00 10 00",
     "Writes that no sync had covered reached the disk out of order when the power went: this one "
     "did not, later ones did. None was known to be on the disk, and a log without this frame "
     "cannot go on after it."},
    {"hole", Decision::kStop, "10-0 -000 -00 10 10",
     "The machine has run without a break since these bytes were written, so no power cut took "
     "them: they are not what was written. Only a person may decide to go on without them.",
     true},
    {"damage", Decision::kStop, "10-0 -000 -00 -1 -0",
     "These bytes had been synced and are not what was written. A part of the log that was "
     "promised is lost: only a person may decide to go on without it.",
     true},
    {"damage after a good end", Decision::kStop, "10-0 -000 -00 -- -1",
     "The journal was ended well: everything was whole and on the disk. These bytes are not what "
     "was written. Only a person may decide to go on without them.",
     true},

    {"lost end", Decision::kStop, "0000 0000 100 01 --",
     "More of the journal had been on the disk: the file was cut short or emptied, or a segment "
     "was removed.",
     true},
    {"zeroed end", Decision::kStop, "1100 0000 100 01 --",
     "More of the journal had been on the disk: there are zeros where there were frames.", true},
    {"missing end", Decision::kCut, "0000 0000 000 -0 0-",
     "The segment ends before the next one begins, and what is missing had not been synced: the "
     "power was cut while the log went from one file to the next."},
    {"missing kept end", Decision::kStop, "0000 0000 000 -0 1-",
     "The segment ends before the next one begins, and no power cut took what is missing: the "
     "file was cut short, or a segment was removed.",
     true},
    {"missing synced end", Decision::kStop, "0000 0000 000 -1 --",
     "The segment ends before the next one begins and what is missing had been synced: the file "
     "was cut short, or a segment was removed.",
     true},
    {"unwritten end", Decision::kCut, "1100 0000 000 -0 0-",
     "As for a missing end, but the file kept its size: the last frames before the next segment "
     "are zeros."},
    {"unwritten kept end", Decision::kStop, "1100 0000 000 -0 1-",
     "Zeros where there were frames, and no power cut took them.", true},
    {"unwritten synced end", Decision::kStop, "1100 0000 000 -1 --",
     "Zeros where there were synced frames.", true},

    {"newer version", Decision::kStop, "1011 0000 --0 -- --",
     "A later version of Runnel wrote this. It may not be a frame to drop."},
    {"misplaced frame", Decision::kStop, "1010 110- -00 -- --",
     "A whole frame that belongs elsewhere. No crash makes one: a file was renamed, mixed up or "
     "written by two."},
    {"older epoch", Decision::kStop, "1010 1110 -00 -- --",
     "A frame of a leader that had been replaced by then. No crash makes one: logs of two "
     "histories were mixed."},
    {"frame after the end", Decision::kStop, "1010 11-- 010 -- --",
     "A whole frame where the next segment begins too: two histories of the same positions."},
    {"overlap", Decision::kStop, "---- ---- --1 -- --",
     "The next segment begins inside this one: two histories of the same positions."},
};
constexpr size_t kRows = sizeof(kTable) / sizeof(kTable[0]);

// A row as two sets of facts: those that it looks at, and which of them must hold.
struct Pattern {
  Facts looks_at = 0;
  Facts holds = 0;
};

constexpr std::array<Pattern, kRows> ParsePatterns() {
  std::array<Pattern, kRows> patterns;
  for (size_t row = 0; row < kRows; row++) {
    Facts fact = 1;
    for (const char* mark = kTable[row].facts; *mark != '\0'; mark++) {
      if (*mark == ' ') continue;
      if (*mark != '-') patterns[row].looks_at |= fact;
      if (*mark == '1') patterns[row].holds |= fact;
      fact <<= 1;
    }
  }
  return patterns;
}

constexpr std::array<Pattern, kRows> kPatterns = ParsePatterns();

bool MatchesRow(size_t row, Facts facts) {
  return (facts & kPatterns[row].looks_at) == kPatterns[row].holds;
}

}  // namespace

std::span<const RecoveryRow> RecoveryTable() {
  return kTable;
}

bool Matches(const RecoveryRow& row, Facts facts) {
  return MatchesRow(static_cast<size_t>(&row - kTable), facts);
}

bool ArePossible(Facts facts) {
  const auto holds = [facts](Facts fact) { return (facts & fact) != 0; };
  const auto implies = [&](Fact fact, Facts all_of) {
    return !holds(fact) || (facts & all_of) == all_of;
  };
  const auto excludes = [&](Fact fact, Facts any_of) { return !holds(fact) || !holds(any_of); };
  const bool nothing_here = !holds(kBytesLeft) || holds(kAllZeros);
  return implies(kAllZeros, kBytesLeft) && excludes(kAllZeros, kHeaderHere) &&
         implies(kHeaderHere, kBytesLeft) && implies(kNewerVersion, kHeaderHere) &&
         excludes(kNewerVersion, kLengthFits) && implies(kLengthFits, kHeaderHere) &&
         implies(kChecksumHolds, kLengthFits) && implies(kBaseFollows, kChecksumHolds) &&
         implies(kEpochFollows, kBaseFollows) &&
         excludes(kLastSegment, kNextBeginsHere | kNextBeginsBefore) &&
         excludes(kNextBeginsHere, kNextBeginsBefore) && implies(kEndedWell, kAllKept) &&
         !(holds(kLastSegment) && nothing_here && holds(kFrameLater));
}

const RecoveryRow& FindRow(Facts facts) {
  for (size_t row = 0; row < kRows; row++) {
    if (MatchesRow(row, facts)) return kTable[row];
  }
  CHECK(false && "the table has a row for all facts that can come together");
  return kTable[0];
}

}  // namespace runnel::journal
