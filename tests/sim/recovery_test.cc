// Recovery on files: each row of the table once, what is done about it, and that nothing else is
// touched. The disk is in memory, the damage is made by hand.

#include "journal/recovery.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "journal/segment_reader.h"
#include "journal/set_aside.h"
#include "journal/testing.h"
#include "tests/sim/files.h"
#include "tests/sim/model_disk.h"

namespace runnel::journal {
namespace {

using sim::ModelDisk;
using sim::ReadFile;
using sim::WriteFile;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

// A payload of 60 bytes makes a frame of 100.
constexpr uint64_t kFrame = 100;

constexpr uint64_t kId = 0x0dd0'5eed;

class RecoveryTest : public ::testing::Test {
 protected:
  RecoveryTest() { WriteFile(disk_, IdentityPath("j"), IdentityFile()); }

  // What `identity` holds.
  static std::string IdentityFile() {
    ModelDisk disk(1);
    EXPECT_TRUE(disk.CreateDirectory("j").ok());
    EXPECT_TRUE(WriteIdentity(disk, "j", {kId, 0}).ok());
    return ReadFile(disk, IdentityPath("j"));
  }
  // The note says that so many frames were on the disk, and which segment was the last.
  void WriteNoteOf(uint64_t synced, uint64_t last, const std::string& boot = "",
                   bool closed = false, uint64_t last_bytes = 0) {
    const Note note = {{kId, 0}, last * kFrame, last_bytes, synced * kFrame, closed, boot};
    EXPECT_TRUE(WriteNote(disk_, "j", note).ok());
  }
  std::vector<std::string> Files() {
    auto names = *disk_.List("j");
    std::erase(names, "identity");
    return names;
  }
  static std::string Text(char letter) { return std::string(kFrame - kFrameHeaderBytes, letter); }
  // A frame at 100 times its number; `letter` is what it carries, `synced` counts in frames too.
  static std::string FrameOf(uint64_t number, uint64_t synced, uint64_t epoch = 1) {
    std::string bytes;
    const std::string text = Text(static_cast<char>('a' + number));
    EncodeFrame({epoch, number * kFrame, synced * kFrame, 1, text}, kId, &bytes);
    return bytes;
  }
  static std::string Path(uint64_t frame) { return SegmentPath("j", frame * kFrame); }
  static std::string Damaged(std::string bytes) {
    bytes[kFrame / 2] ^= 1;
    return bytes;
  }
  void Write(uint64_t frame, const std::string& bytes) { WriteFile(disk_, Path(frame), bytes); }

  Result<Inspection> Look(std::optional<Position> from = std::nullopt) {
    visited_.clear();
    return Inspect(disk_, "j", from, [this](const Frame& frame) {
      visited_ += frame.payload[0];
      return Status();
    });
  }
  // Inspects, expects the row, repairs if it may, expects that then all is well and the same was
  // visited.
  Inspection Expect(const char* row, Position end, const std::string& visited,
                    std::optional<Position> from = std::nullopt) {
    auto found = Look(from);
    EXPECT_TRUE(found.ok()) << found.status().message();
    if (!found.ok()) return {};
    EXPECT_STREQ(found->row->name, row);
    EXPECT_EQ(found->end, end);
    EXPECT_EQ(visited_, visited);
    if (found->row->decision == Decision::kStop) return *found;
    Inspection before = *found;
    EXPECT_TRUE(Repair(disk_, "j", &*found).ok());
    const auto again = Look(from);
    EXPECT_TRUE(again.ok()) << again.status().message();
    EXPECT_EQ(again->row->decision, Decision::kEnd) << again->text;
    EXPECT_EQ(again->end, found->end);
    EXPECT_EQ(visited_, visited);
    EXPECT_EQ(again->segments.size(), found->segments.size());
    return before;
  }

  ModelDisk disk_{1};
  std::string visited_;
};

TEST_F(RecoveryTest, NoSegments) {
  EXPECT_TRUE(WriteNote(disk_, "j", {{kId, 0}, std::nullopt, 0, 0, false, ""}).ok());
  const auto found = Look(500);
  ASSERT_TRUE(found.ok());
  EXPECT_EQ(found->end, 500u);
  EXPECT_EQ(found->row->decision, Decision::kEnd);
}

TEST_F(RecoveryTest, EndOfTheFile) {
  Write(0, FrameOf(0, 0) + FrameOf(1, 0));
  const Inspection found = Expect("end of the file", 200, "ab");
  EXPECT_EQ(found.frames, 2u);
  EXPECT_EQ(found.records, 2u);
  EXPECT_EQ(found.epoch, 1u);
  EXPECT_EQ(found.bytes_behind, 0u);
}

TEST_F(RecoveryTest, EndBeforeTheReserve) {
  const std::string bytes = FrameOf(0, 0) + std::string(5000, '\0');
  Write(0, bytes);
  Expect("end before the reserve", 100, "a");
  EXPECT_EQ(ReadFile(disk_, Path(0)), bytes) << "the reserve is kept";
}

TEST_F(RecoveryTest, EndOfASegment) {
  Write(0, FrameOf(0, 0));
  Write(1, FrameOf(1, 0) + FrameOf(2, 0));
  Write(3, std::string(1000, '\0'));
  Expect("end before the reserve", 300, "abc");
}

TEST_F(RecoveryTest, EndOfASegmentWithReserve) {
  Write(0, FrameOf(0, 0) + std::string(900, '\0'));
  Write(1, FrameOf(1, 0));
  Expect("end of the file", 200, "ab");
  EXPECT_EQ(ReadFile(disk_, Path(0)), FrameOf(0, 0)) << "the reserve is given back";
}

TEST_F(RecoveryTest, EndOfASegmentWithLeftovers) {
  Write(0, FrameOf(0, 0) + FrameOf(1, 0).substr(0, 70));
  Write(1, FrameOf(1, 0));
  Expect("end of the file", 200, "ab");
  EXPECT_EQ(ReadFile(disk_, Path(0)), FrameOf(0, 0));
}

TEST_F(RecoveryTest, TornTailAtEveryByte) {
  const std::string whole = FrameOf(1, 1);
  for (size_t size = 1; size < whole.size(); size++) {
    for (size_t reserve : {0, 50, 3000}) {
      Write(0, FrameOf(0, 0) + whole.substr(0, size) + std::string(reserve, '\0'));
      const Inspection found = Expect("torn tail", 100, "a");
      EXPECT_LE(found.bytes_behind, size);
      EXPECT_EQ(ReadFile(disk_, Path(0)), FrameOf(0, 0));
    }
  }
}

TEST_F(RecoveryTest, TornTailOfADamagedLastFrame) {
  Write(0, FrameOf(0, 0) + Damaged(FrameOf(1, 1)));
  const Inspection found = Expect("torn tail", 100, "a");
  EXPECT_EQ(found.bytes_behind, 100u);
  EXPECT_THAT(found.text,
              HasSubstr("j/00000000000000000000.log, offset 100 (position 100): torn tail"));
  EXPECT_THAT(found.text, HasSubstr("100 bytes"));
}

TEST_F(RecoveryTest, TornTailBeforeAnEmptySegment) {
  Write(0, FrameOf(0, 0) + Damaged(FrameOf(1, 1)));
  Write(2, std::string(1000, '\0'));
  EXPECT_EQ(Expect("torn tail", 100, "a").segments.size(), 2u);
  EXPECT_FALSE(sim::Exists(disk_, Path(2)));
}

TEST_F(RecoveryTest, TornInTheMiddle) {
  Write(0, FrameOf(0, 0) + Damaged(FrameOf(1, 1)) + FrameOf(2, 1) + FrameOf(3, 1));
  EXPECT_EQ(Expect("torn in the middle", 100, "a").bytes_behind, 300u);
}

TEST_F(RecoveryTest, TornInTheMiddleWithAFrameInTheNextSegment) {
  Write(0, FrameOf(0, 0) + Damaged(FrameOf(1, 1)));
  Write(2, FrameOf(2, 1) + FrameOf(3, 1));
  Expect("torn in the middle", 100, "a");
  EXPECT_FALSE(sim::Exists(disk_, Path(2)));
}

TEST_F(RecoveryTest, Damage) {
  const std::string bytes = FrameOf(0, 0) + Damaged(FrameOf(1, 0)) + FrameOf(2, 1) + FrameOf(3, 2);
  Write(0, bytes);
  const Inspection found = Expect("damage", 100, "a");
  EXPECT_THAT(found.text,
              HasSubstr("j/00000000000000000000.log, offset 100 (position 100): damage"));
  EXPECT_THAT(found.text, HasSubstr("checksum"));
  EXPECT_EQ(ReadFile(disk_, Path(0)), bytes) << "nothing is changed";
}

TEST_F(RecoveryTest, DamageThatALaterSegmentTells) {
  Write(0, FrameOf(0, 0) + Damaged(FrameOf(1, 0)));
  Write(2, FrameOf(2, 1));
  Write(3, Damaged(FrameOf(3, 1)) + FrameOf(4, 2));
  Expect("damage", 100, "a");
}

TEST_F(RecoveryTest, DamageOfEachKind) {
  const std::string after = FrameOf(2, 2);
  std::string too_long = FrameOf(1, 0), no_header = FrameOf(1, 0);
  too_long[7] = '\x7f';
  no_header[0] = 'x';
  Write(0, FrameOf(0, 0) + too_long + after);
  EXPECT_THAT(Expect("damage", 100, "a").text, HasSubstr("longer than the file"));
  Write(0, FrameOf(0, 0) + no_header + after);
  EXPECT_THAT(Expect("damage", 100, "a").text, HasSubstr("not the header"));
  Write(0, FrameOf(0, 0) + std::string(100, '\0') + after);
  EXPECT_THAT(Expect("damage", 100, "a").text, HasSubstr("not the header"));
}

TEST_F(RecoveryTest, MissingEnd) {
  Write(0, FrameOf(0, 0));
  Write(2, FrameOf(2, 1));
  Expect("missing end", 100, "a");
  EXPECT_FALSE(sim::Exists(disk_, Path(2)));
}

TEST_F(RecoveryTest, MissingSyncedEnd) {
  Write(0, FrameOf(0, 0));
  Write(2, FrameOf(2, 2));
  EXPECT_THAT(Expect("missing synced end", 100, "a").text, HasSubstr("the file ends"));
}

TEST_F(RecoveryTest, AMissingSegmentIsAMissingEnd) {
  Write(0, FrameOf(0, 0) + FrameOf(1, 0));
  Write(4, FrameOf(4, 4));
  Expect("missing synced end", 200, "ab");
}

TEST_F(RecoveryTest, UnwrittenEnd) {
  Write(0, FrameOf(0, 0) + std::string(100, '\0'));
  Write(2, FrameOf(2, 1));
  Expect("unwritten end", 100, "a");
}

TEST_F(RecoveryTest, UnwrittenSyncedEnd) {
  Write(0, FrameOf(0, 0) + std::string(100, '\0'));
  Write(2, FrameOf(2, 2));
  Expect("unwritten synced end", 100, "a");
}

TEST_F(RecoveryTest, NewerVersion) {
  std::string newer = FrameOf(1, 0);
  newer[3] = kFormatVersion + 1;
  Write(0, FrameOf(0, 0) + newer);
  EXPECT_THAT(Expect("newer version", 100, "a").text, HasSubstr("later version of Runnel"));
  // Bytes that look so and are none, by the note: a later version would have left its own.
  Note note = {{kId, 0}, 0, 0, 0, false, "another boot", kFormatVersion + 1};
  ASSERT_TRUE(WriteNote(disk_, "j", note).ok());
  Expect("newer version", 100, "a");
  note.format = kFormatVersion;
  ASSERT_TRUE(WriteNote(disk_, "j", note).ok());
  Expect("torn tail", 100, "a");
}

TEST_F(RecoveryTest, NoiseBehindATornMagicIsNoVersion) {
  Write(0, FrameOf(0, 0) + "RNL" + std::string(97, '\x95'));
  Expect("torn tail", 100, "a");
}

TEST_F(RecoveryTest, MisplacedFrame) {
  Write(0, FrameOf(0, 0) + FrameOf(2, 0));
  Expect("misplaced frame", 100, "a");
  Write(0, FrameOf(1, 0));
  Expect("misplaced frame", 0, "");
}

TEST_F(RecoveryTest, OlderEpoch) {
  Write(0, FrameOf(0, 0, 2) + FrameOf(1, 0, 2) + FrameOf(2, 0, 1));
  Expect("older epoch", 200, "ab");
}

TEST_F(RecoveryTest, FrameBehindTheEnd) {
  Write(0, FrameOf(0, 0) + FrameOf(1, 0));
  Write(1, FrameOf(1, 0));
  Expect("frame after the end", 100, "a");
}

TEST_F(RecoveryTest, Overlap) {
  Write(0, FrameOf(0, 0));
  WriteFile(disk_, SegmentPath("j", 50), FrameOf(1, 0));
  Expect("overlap", 100, "a");
}

TEST_F(RecoveryTest, BeginsAtAnyFrameOfAnySegment) {
  Write(0, FrameOf(0, 0) + FrameOf(1, 0));
  Write(2, FrameOf(2, 0) + FrameOf(3, 0));
  Expect("end of the file", 400, "abcd", 0);
  Expect("end of the file", 400, "bcd", 100);
  Expect("end of the file", 400, "cd", 200);
  Expect("end of the file", 400, "d", 300);
  Expect("end of the file", 400, "", 400);
}

TEST_F(RecoveryTest, SegmentsBeforeTheBeginningNeedNotBeThere) {
  Write(0, Damaged(FrameOf(0, 0)));
  Write(2, FrameOf(2, 2));
  Expect("end of the file", 300, "c", 200);
}

TEST_F(RecoveryTest, APlaceInsideAFrameIsRefused) {
  Write(0, FrameOf(0, 0) + FrameOf(1, 0));
  const auto found = Look(150);
  ASSERT_FALSE(found.ok());
  EXPECT_THAT(found.message(), HasSubstr("across the position 150"));
}

TEST_F(RecoveryTest, AJournalThatBeginsTooLateIsRefused) {
  Write(2, FrameOf(2, 2));
  const auto found = Look(100);
  ASSERT_FALSE(found.ok());
  EXPECT_THAT(found.message(), HasSubstr("begins at position 200, but is needed from 100"));
}

TEST_F(RecoveryTest, AJournalThatEndsTooEarlyMakesRoom) {
  Write(0, FrameOf(0, 0));
  Write(1, Damaged(FrameOf(1, 0)));
  auto found = Look(1000);
  ASSERT_TRUE(found.ok());
  EXPECT_EQ(found->end, 100u);
  ASSERT_TRUE(Repair(disk_, "j", &*found).ok());
  EXPECT_EQ(found->end, 1000u);
  EXPECT_THAT(found->segments, IsEmpty());
  EXPECT_THAT(Files(), ElementsAre("cut-000001-00000000000000000100.tail"));
}

TEST_F(RecoveryTest, AVisitorMayRefuse) {
  Write(0, FrameOf(0, 0) + FrameOf(1, 0));
  const auto found = Inspect(disk_, "j", 0, [](const Frame& frame) {
    return frame.base == 0 ? Status() : Status::Error("an effect of unknown type");
  });
  ASSERT_FALSE(found.ok());
  EXPECT_EQ(found.message(),
            "j/00000000000000000000.log, offset 100 (position 100): an effect of unknown type");
}

TEST_F(RecoveryTest, ADiskThatCannotReadIsNotATornTail) {
  Write(0, FrameOf(0, 0));
  const uint64_t before = disk_.calls();
  ASSERT_TRUE(Look().ok());
  const uint64_t calls = disk_.calls() - before;
  disk_.FailCalls(disk_.calls() + calls, 1, EIO);  // the last one reads the segment
  const auto found = Look();
  ASSERT_FALSE(found.ok());
  EXPECT_EQ(found.status().error_number(), EIO);
  EXPECT_EQ(ReadFile(disk_, Path(0)), FrameOf(0, 0));
}

TEST_F(RecoveryTest, LargeFramesAndLongReservesAreReadThroughAWindow) {
  std::string bytes;
  uint64_t base = 0;
  for (size_t size : {3'000'000, 10, 1'048'576, 1'048'536, 5}) {
    EncodeFrame({1, base, 0, 1, std::string(size, 'x')}, kId, &bytes);
    base = bytes.size();
  }
  WriteFile(disk_, SegmentPath("j", 0), bytes + std::string(4'000'000, '\0'));
  Expect("end before the reserve", base, "xxxxx");
  WriteFile(disk_, SegmentPath("j", 0), bytes + std::string(4'000'000, '\0') + "x");
  EXPECT_EQ(Expect("torn tail", base, "xxxxx").bytes_behind, 4'000'001u);
}

TEST_F(RecoveryTest, ALaterFrameIsFoundAcrossWindows) {
  for (size_t gap : {1'048'576 - 41, 1'048'576 - 3, 1'048'576 - 1, 1'048'576, 2'000'000}) {
    std::string bytes = "RNN" + std::string(gap, 'R');
    const Position base = bytes.size();
    EncodeFrame({1, base, base, 1, "later"}, kId, &bytes);
    WriteFile(disk_, SegmentPath("j", 0), bytes);
    Expect("damage", 0, "");
  }
}

TEST_F(RecoveryTest, WhatLooksLikeAFrameInAPayloadIsNone) {
  std::string inner;
  EncodeFrame({1, 7, 7, 1, "inner"}, kId, &inner);
  std::string bytes;
  EncodeFrame({1, 0, 0, 1, inner}, kId, &bytes);
  bytes.back() ^= 1;
  WriteFile(disk_, SegmentPath("j", 0), bytes);
  Expect("torn tail", 0, "");
}

TEST_F(RecoveryTest, TheEndIsEstimatedFromAFewPages) {
  const auto estimate = [this](const std::string& bytes) {
    Write(1, bytes);
    return *EstimateEnd(disk_, "j", {kFrame, bytes.size()});
  };
  ASSERT_TRUE(disk_.CreateDirectory("j").ok());
  constexpr uint64_t kPage = 4096;
  EXPECT_EQ(estimate(""), kFrame);
  EXPECT_EQ(estimate(std::string(1'000'000, '\0')), kFrame);
  for (const uint64_t written : {uint64_t{1}, kPage - 1, kPage, kPage + 1, uint64_t{500'000}}) {
    const std::string bytes(written, 'x');
    EXPECT_EQ(estimate(bytes), kFrame + written) << "without a reserve";
    const uint64_t pages = (written + kPage - 1) / kPage;
    EXPECT_EQ(estimate(bytes + std::string(1'000'000, '\0')), kFrame + pages * kPage);
  }
  EXPECT_EQ(EstimateEnd(disk_, "j", {12345, 1}).status().error_number(), ENOENT);
}

TEST_F(RecoveryTest, CutsWhereAPersonSays) {
  Write(0, FrameOf(0, 0) + FrameOf(1, 0));
  Write(2, Damaged(FrameOf(2, 2)) + FrameOf(3, 3));
  Write(4, FrameOf(4, 4));
  Expect("damage", 200, "ab");
  EXPECT_FALSE(CutAt(disk_, "j", 300).ok()) << "there is no frame before";
  EXPECT_FALSE(CutAt(disk_, "j", 150).ok());
  EXPECT_FALSE(CutAt(disk_, "j", 501).ok());
  EXPECT_TRUE(CutAt(disk_, "j", 200).ok());
  Expect("end of the file", 200, "ab");
  EXPECT_TRUE(CutAt(disk_, "j", 100).ok());
  Expect("end of the file", 100, "a");
  EXPECT_TRUE(CutAt(disk_, "j", 0).ok());
  Expect("end of the file", 0, "");
}

// --- What the note knows ---

TEST_F(RecoveryTest, LostEnd) {
  Write(0, FrameOf(0, 0) + FrameOf(1, 0));
  WriteNoteOf(3, 0);
  const Inspection found = Expect("lost end", 200, "ab");
  EXPECT_THAT(
      found.text,
      HasSubstr("By j.note the journal was on the disk up to position 300: 100 bytes more"));
  EXPECT_THAT(found.next_step, HasSubstr("'runnel-check --cut 200'"));
  Write(0, "");
  EXPECT_THAT(Expect("lost end", 0, "").text, HasSubstr("j/00000000000000000000.log, offset 0 "));
}

TEST_F(RecoveryTest, ZeroedEnd) {
  Write(0, FrameOf(0, 0) + std::string(1000, '\0'));
  WriteNoteOf(1, 0);
  Expect("end before the reserve", 100, "a");
  WriteNoteOf(2, 0);
  Expect("zeroed end", 100, "a");
}

TEST_F(RecoveryTest, DamageThatOnlyTheNoteKnows) {
  Write(0, FrameOf(0, 0) + Damaged(FrameOf(1, 0)));
  Expect("torn tail", 100, "a");
  Write(0, FrameOf(0, 0) + Damaged(FrameOf(1, 0)));
  WriteNoteOf(2, 0);
  Expect("damage", 100, "a");
}

TEST_F(RecoveryTest, AFileThatIsShorterThanItWas) {
  Write(0, "");
  WriteNoteOf(0, 0, "", false, 1000);
  EXPECT_THAT(Expect("lost end", 0, "").text,
              HasSubstr("By j.note the file had 1000 bytes at least; it has 0."));
  Write(0, FrameOf(0, 0) + FrameOf(1, 0).substr(0, 50));
  Expect("damage", 100, "a");
  Write(0, FrameOf(0, 0) + std::string(900, '\0'));
  Expect("end before the reserve", 100, "a");
}

TEST_F(RecoveryTest, TheNewestSegmentIsMissing) {
  Write(0, FrameOf(0, 0) + FrameOf(1, 0));
  WriteNoteOf(2, 2);
  EXPECT_THAT(Expect("lost end", 200, "ab").text,
              HasSubstr("By j.note there was a segment j/00000000000000000200.log."));
}

TEST_F(RecoveryTest, ASegmentOfTheNoteThatIsNotNeededAnyMoreMayBeGone) {
  Write(3, FrameOf(3, 0));
  WriteNoteOf(2, 2);
  Expect("end of the file", 400, "d", 300);
}

TEST_F(RecoveryTest, ASegmentThatWasClosedIsShorter) {
  Write(0, FrameOf(0, 0));
  Write(2, std::string(1000, '\0'));
  WriteNoteOf(2, 2);
  Expect("missing synced end", 100, "a");
  Write(0, FrameOf(0, 0) + std::string(100, '\0'));
  Expect("unwritten synced end", 100, "a");
}

TEST_F(RecoveryTest, AllSegmentsAreMissing) {
  WriteNoteOf(2, 2);
  auto found = Look(100);
  ASSERT_TRUE(found.ok()) << found.message();
  EXPECT_EQ(found->row->decision, Decision::kStop);
  EXPECT_THAT(found->text, HasSubstr("j: there are no segments, but by j.note there was "
                                     "j/00000000000000000200.log, and the journal was on the disk "
                                     "up to position 200."));
  EXPECT_THAT(found->next_step, HasSubstr("'runnel-check --cut 100'"));
  // The directory too.
  ModelDisk bare(1);
  WriteFile(bare, "j.note", ReadFile(disk_, "j.note"));
  found = Inspect(bare, "j", 100, [](const Frame&) { return Status(); });
  ASSERT_TRUE(found.ok()) << found.message();
  EXPECT_EQ(found->row->decision, Decision::kStop);
  // A person decides.
  EXPECT_TRUE(CutAt(disk_, "j", 100).ok());
  found = Look(100);
  ASSERT_TRUE(found.ok());
  EXPECT_EQ(found->row->decision, Decision::kEnd);
}

TEST_F(RecoveryTest, ASnapshotTellsThatThereWasAJournal) {
  const auto found = Look(100);
  ASSERT_TRUE(found.ok());
  EXPECT_EQ(found->row->decision, Decision::kStop);
  EXPECT_THAT(found->text, HasSubstr("a snapshot was made at position 100"));
  EXPECT_EQ(Look(0)->row->decision, Decision::kEnd) << "a new one";
  EXPECT_TRUE(CutAt(disk_, "j", 100).ok());
  EXPECT_EQ(Look(100)->row->decision, Decision::kEnd);
}

// Without a power cut since the note was written the system has every write.
TEST_F(RecoveryTest, Hole) {
  const std::string bytes = FrameOf(0, 0) + Damaged(FrameOf(1, 0)) + FrameOf(2, 0) + FrameOf(3, 0);
  Write(0, bytes);
  WriteNoteOf(0, 0, disk_.BootId());
  const Inspection found = Expect("hole", 100, "a");
  EXPECT_THAT(found.text, HasSubstr("300 bytes lie after it, with 2 whole frames (2 records)."));
  EXPECT_EQ(ReadFile(disk_, Path(0)), bytes) << "nothing is changed";
  // After a failed sync the system may have dropped what it had.
  WriteFile(disk_, "j/sync-failed", "");
  Expect("torn in the middle", 100, "a");
}

TEST_F(RecoveryTest, APowerCutMayLeaveAHole) {
  Write(0, FrameOf(0, 0) + Damaged(FrameOf(1, 0)) + FrameOf(2, 0));
  WriteNoteOf(0, 0, "an earlier boot");
  EXPECT_THAT(Expect("torn in the middle", 100, "a").text,
              HasSubstr("200 bytes lie after it, with 1 whole frames (1 records)."));
  EXPECT_EQ(ReadFile(disk_, "j/cut-000001-00000000000000000100.tail"),
            Damaged(FrameOf(1, 0)) + FrameOf(2, 0));
}

TEST_F(RecoveryTest, AKilledProcessLeavesATornTailOnly) {
  Write(0, FrameOf(0, 0) + FrameOf(1, 0).substr(0, 50) + std::string(1000, '\0'));
  WriteNoteOf(0, 0, disk_.BootId());
  Expect("torn tail", 100, "a");
}

TEST_F(RecoveryTest, MissingKeptEnd) {
  Write(0, FrameOf(0, 0));
  Write(2, FrameOf(2, 1));
  WriteNoteOf(0, 0, disk_.BootId());
  Expect("missing kept end", 100, "a");
  Write(0, FrameOf(0, 0) + std::string(100, '\0'));
  Expect("unwritten kept end", 100, "a");
}

TEST_F(RecoveryTest, DamageAfterAGoodEnd) {
  for (const std::string& tail :
       {std::string("x"), FrameOf(1, 1).substr(0, 70), Damaged(FrameOf(1, 1))}) {
    Write(0, FrameOf(0, 0) + tail);
    WriteNoteOf(1, 0, "an earlier boot", true);
    Expect("damage after a good end", 100, "a");
  }
  Write(0, FrameOf(0, 0) + std::string(100, '\0'));
  Expect("end before the reserve", 100, "a");
}

// --- Which journal it is ---

TEST_F(RecoveryTest, FramesOfAnotherJournalAreNone) {
  std::string other;
  EncodeFrame({1, 100, 100, 1, Text('b')}, kId + 1, &other);
  Write(0, FrameOf(0, 0) + other);
  Expect("torn tail", 100, "a");
}

// A client that knows the position may write bytes that look like frames. Cut in the middle of such
// a value, the journal has no damage.
TEST_F(RecoveryTest, FramesThatAClientMadeAreNone) {
  const Position value = kFrame + kFrameHeaderBytes;
  for (const bool salted : {false, true}) {
    std::string forged;
    for (int i = 0; i < 10; i++) {
      const Position base = value + forged.size();
      if (salted) {
        EncodeFrame({1, base, base, 1, Text('f')}, 0, &forged);
      } else {
        EncodeFrame({1, base, base, 1, Text('f')}, &forged);
      }
    }
    std::string frame;
    EncodeFrame({1, kFrame, kFrame, 1, forged + Text('z')}, kId, &frame);
    frame.resize(frame.size() - 10);
    Write(0, FrameOf(0, 0) + frame);
    EXPECT_EQ(Expect("torn tail", 100, "a").frames_behind, 0u);
  }
}

TEST_F(RecoveryTest, AJournalOfVersionOneGoesOnInVersionTwo) {
  std::string old;
  EncodeFrame({1, 0, 0, 1, Text('a')}, &old);
  EncodeFrame({1, 100, 0, 1, Text('b')}, &old);
  Write(0, old + FrameOf(2, 0));
  EXPECT_TRUE(WriteIdentity(disk_, "j", {kId, 200}).ok());
  Expect("end of the file", 300, "abc");
  // From where on all frames are salted, one without salt is none.
  EncodeFrame({1, 200, 0, 1, Text('c')}, &old);
  Write(0, old);
  Expect("torn tail", 200, "ab");
}

TEST_F(RecoveryTest, TheIdIsKnownTwice) {
  Write(0, FrameOf(0, 0));
  WriteNoteOf(1, 0);
  EXPECT_TRUE(disk_.Remove(IdentityPath("j")).ok());
  Expect("end of the file", 100, "a");
  WriteFile(disk_, IdentityPath("j"), "damaged");
  Expect("end of the file", 100, "a");
  EXPECT_TRUE(RemoveNote(disk_, "j").ok());
  EXPECT_THAT(Look().message(), HasSubstr("j/identity, 7 bytes: the file is damaged"));
  EXPECT_TRUE(disk_.Remove(IdentityPath("j")).ok());
  EXPECT_THAT(Look().message(),
              AllOf(HasSubstr("j/00000000000000000000.log, offset 0 (position 0)"),
                    HasSubstr("'j/identity'")));
}

TEST_F(RecoveryTest, TheDirectoryOfAnotherServerIsRefused) {
  Write(0, FrameOf(0, 0));
  WriteNoteOf(1, 0);
  EXPECT_TRUE(WriteIdentity(disk_, "j", {kId + 1, 0}).ok());
  EXPECT_THAT(Look().message(), HasSubstr("the directory is that of another server"));
}

TEST_F(RecoveryTest, ADamagedNoteIsRefusedByName) {
  Write(0, FrameOf(0, 0));
  WriteNoteOf(1, 0);
  std::string note = ReadFile(disk_, "j.note");
  note[note.find("synced") + 7] ^= 1;
  WriteFile(disk_, "j.note", note);
  EXPECT_THAT(Look().message(),
              AllOf(HasSubstr("j.note, "), HasSubstr("damaged"), HasSubstr("remove it")));
  for (size_t size = 0; size < note.size(); size++) {
    WriteFile(disk_, "j.note", note.substr(0, size));
    EXPECT_FALSE(Look().ok()) << size;
  }
}

TEST_F(RecoveryTest, ANoteIsReadAsItWasWritten) {
  for (const Note& note : {Note{{kId, 7}, 100, 5000, 300, false, "a boot"},
                           Note{{1, 0}, std::nullopt, 0, 0, true, "", kFormatVersion, 77},
                           Note{{1, 0}, 3, 4, 5, false, "b", 255, Note::kNobodys}}) {
    EXPECT_TRUE(WriteNote(disk_, "j", note).ok());
    EXPECT_EQ(**ReadNote(disk_, "j"), note);
  }
  EXPECT_EQ(NotePath("data/journal/"), "data/journal.note");
}

// --- What is cut off ---

TEST_F(RecoveryTest, WhatIsCutIsSetAside) {
  const std::string torn = FrameOf(1, 0).substr(0, 70);
  for (int i = 0; i < 2; i++) {
    Write(0, FrameOf(0, 0) + torn + std::string(1000, '\0'));
    Expect("torn tail", 100, "a");
  }
  EXPECT_THAT(Files(),
              ElementsAre("00000000000000000000.log", "cut-000001-00000000000000000100.tail",
                          "cut-000002-00000000000000000100.tail"));
  EXPECT_EQ(ReadFile(disk_, "j/cut-000001-00000000000000000100.tail"), torn);
}

TEST_F(RecoveryTest, EachSegmentThatIsCutIsSetAside) {
  Write(0, FrameOf(0, 0) + Damaged(FrameOf(1, 1)));
  Write(2, FrameOf(2, 1) + std::string(500, '\0'));
  Write(3, std::string(500, '\0'));
  ASSERT_TRUE(CutAt(disk_, "j", 100).ok());
  EXPECT_THAT(Files(),
              ElementsAre("00000000000000000000.log", "cut-000001-00000000000000000100.tail",
                          "cut-000002-00000000000000000200.tail"));
  EXPECT_EQ(ReadFile(disk_, "j/cut-000002-00000000000000000200.tail"), FrameOf(2, 1));
}

TEST_F(RecoveryTest, OnlySoMuchIsSetAside) {
  for (size_t i = 0; i < kMostSetAsideFiles + 3; i++) {
    Write(0, FrameOf(0, 0) + "torn");
    Expect("torn tail", 100, "a");
  }
  EXPECT_EQ(Files().size(), 1 + kMostSetAsideFiles);
  Write(0, FrameOf(0, 0) + std::string(kMostSetAsideBytes + 1000, 'x'));
  ASSERT_TRUE(CutAt(disk_, "j", 100).ok());
  uint64_t most = 0;
  for (const std::string& name : Files()) {
    most = std::max<uint64_t>(most, ReadFile(disk_, "j/" + name).size());
  }
  EXPECT_EQ(most, kMostSetAsideBytes);
}

TEST_F(RecoveryTest, ATornTailIsCutThoughThereIsNoRoomToSetItAside) {
  Write(0, FrameOf(0, 0) + "torn");
  disk_.set_capacity(disk_.used());
  Expect("torn tail", 100, "a");
  EXPECT_THAT(Files(), ElementsAre("00000000000000000000.log"));
  Write(0, FrameOf(0, 0));
  disk_.set_capacity(disk_.used());
  EXPECT_FALSE(CutAt(disk_, "j", 0).ok()) << "a person can make room";
  EXPECT_EQ(ReadFile(disk_, Path(0)), FrameOf(0, 0));
}

// After a person has cut, the next start takes what is left.
TEST_F(RecoveryTest, TheNoteSaysNoMoreThanIsLeftAfterACut) {
  Write(0, FrameOf(0, 0) + FrameOf(1, 0) + std::string(800, '\0'));
  Write(2, Damaged(FrameOf(2, 2)) + FrameOf(3, 3));
  WriteNoteOf(4, 2, disk_.BootId(), true, 200);
  Expect("damage after a good end", 200, "ab");
  ASSERT_TRUE(CutAt(disk_, "j", 200).ok());
  Expect("end of the file", 200, "ab");
  ASSERT_TRUE(CutAt(disk_, "j", 100).ok());
  Expect("end of the file", 100, "a");
}

// Whatever call of the disk the process ends in: the next start finds the same journal.
TEST_F(RecoveryTest, RepairMayBeInterruptedAnywhere) {
  for (uint64_t seed = 0; seed < 40; seed++) {
    for (uint64_t call = 1;; call++) {
      ModelDisk disk(seed);
      WriteFile(disk, IdentityPath("j"), IdentityFile());
      WriteFile(disk, Path(0), FrameOf(0, 0) + std::string(700, '\0'));
      WriteFile(disk, Path(1), FrameOf(1, 1) + Damaged(FrameOf(2, 1)) + FrameOf(3, 2));
      WriteFile(disk, Path(4), FrameOf(4, 2));
      WriteFile(disk, Path(5), FrameOf(5, 2));
      auto found = Inspect(disk, "j", 0, [](const Frame&) { return Status(); });
      ASSERT_TRUE(found.ok());
      ASSERT_STREQ(found->row->name, "torn in the middle");
      disk.StopAt(disk.calls() + call);
      const bool done = Repair(disk, "j", &*found).ok();
      disk.Restart(sim::Crash::kPower);
      const auto again = Inspect(disk, "j", 0, [](const Frame&) { return Status(); });
      ASSERT_TRUE(again.ok()) << again.status().message();
      EXPECT_NE(again->row->decision, Decision::kStop) << again->text;
      EXPECT_EQ(again->end, 200u);
      if (!done) continue;
      EXPECT_EQ(again->row->decision, Decision::kEnd) << again->text;
      break;
    }
  }
}

}  // namespace
}  // namespace runnel::journal
