// Recovery on files: each row of the table once, what is done about it, and that nothing else is
// touched. The disk is in memory, the damage is made by hand.

#include "journal/recovery.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "journal/segment_reader.h"
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

class RecoveryTest : public ::testing::Test {
 protected:
  static std::string Text(char letter) { return std::string(kFrame - kFrameHeaderBytes, letter); }
  // A frame at 100 times its number; `letter` is what it carries, `synced` counts in frames too.
  static std::string FrameOf(uint64_t number, uint64_t synced, uint64_t epoch = 1) {
    std::string bytes;
    const std::string text = Text(static_cast<char>('a' + number));
    EncodeFrame({epoch, number * kFrame, synced * kFrame, 1, text}, &bytes);
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
  ASSERT_TRUE(disk_.CreateDirectory("j").ok());
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
  const std::string behind = FrameOf(2, 2);
  std::string too_long = FrameOf(1, 0), no_header = FrameOf(1, 0);
  too_long[7] = '\x7f';
  no_header[0] = 'x';
  Write(0, FrameOf(0, 0) + too_long + behind);
  EXPECT_THAT(Expect("damage", 100, "a").text, HasSubstr("longer than the file"));
  Write(0, FrameOf(0, 0) + no_header + behind);
  EXPECT_THAT(Expect("damage", 100, "a").text, HasSubstr("not the header"));
  Write(0, FrameOf(0, 0) + std::string(100, '\0') + behind);
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
  newer[3] = 2;
  Write(0, FrameOf(0, 0) + newer);
  EXPECT_THAT(Expect("newer version", 100, "a").text, HasSubstr("later version of Runnel"));
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
  Expect("frame behind the end", 100, "a");
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
  EXPECT_THAT(*disk_.List("j"), IsEmpty());
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
  disk_.FailCalls(disk_.calls() + 3, 1, EIO);
  const auto found = Look();
  ASSERT_FALSE(found.ok());
  EXPECT_EQ(found.status().error_number(), EIO);
  EXPECT_EQ(ReadFile(disk_, Path(0)), FrameOf(0, 0));
}

TEST_F(RecoveryTest, LargeFramesAndLongReservesAreReadThroughAWindow) {
  std::string bytes;
  uint64_t base = 0;
  for (size_t size : {3'000'000, 10, 1'048'576, 1'048'536, 5}) {
    EncodeFrame({1, base, 0, 1, std::string(size, 'x')}, &bytes);
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
    EncodeFrame({1, base, base, 1, "later"}, &bytes);
    WriteFile(disk_, SegmentPath("j", 0), bytes);
    Expect("damage", 0, "");
  }
}

TEST_F(RecoveryTest, WhatLooksLikeAFrameInAPayloadIsNone) {
  std::string inner;
  EncodeFrame({1, 7, 7, 1, "inner"}, &inner);
  std::string bytes;
  EncodeFrame({1, 0, 0, 1, inner}, &bytes);
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

// Whatever call of the disk the process ends in: the next start finds the same journal.
TEST_F(RecoveryTest, RepairMayBeInterruptedAnywhere) {
  for (uint64_t seed = 0; seed < 40; seed++) {
    for (uint64_t call = 1;; call++) {
      ModelDisk disk(seed);
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
