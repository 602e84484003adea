#include "server/journal_length.h"

#include <gtest/gtest.h>

namespace runnel {
namespace {

constexpr uint64_t kMb = uint64_t{1} << 20;

TEST(JournalLength, FollowsTheDataAndTheDisk) {
  EXPECT_EQ(AutomaticJournalBytes(0, std::nullopt, 1), 64 * kMb);
  EXPECT_EQ(AutomaticJournalBytes(100 * kMb, std::nullopt, 1), 200 * kMb);
  EXPECT_EQ(AutomaticJournalBytes(100 * kMb, std::nullopt, 2), 100 * kMb);
  EXPECT_EQ(AutomaticJournalBytes(UINT64_MAX, std::nullopt, 1), 1024 * kMb);
  EXPECT_EQ(AutomaticJournalBytes(100 * kMb, 400 * kMb, 1), 100 * kMb);
  EXPECT_EQ(AutomaticJournalBytes(0, 40 * kMb, 1), 10 * kMb);
  EXPECT_EQ(AutomaticJournalBytes(0, 0, 1), kMb);
}

// Two snapshots, the journal between and after them, and segments at its ends: four times the data
// and 128 MB, even if nothing can be compressed.
TEST(JournalLength, AllOfItStaysWithinFourTimesTheData) {
  ServerOptions options;
  for (uint64_t mb = 0; mb < 5000; mb++) {
    const uint64_t data = mb * kMb;
    const uint64_t journal = 2 * AutomaticJournalBytes(data, std::nullopt, 2);
    EXPECT_LE(2 * data + journal + 3 * SegmentBytes(options, data), 4 * data + 128 * kMb) << mb;
  }
}

TEST(JournalLength, SegmentsAreWhatTheOperatorSaysAtMost) {
  ServerOptions options;
  EXPECT_EQ(SegmentBytes(options, 0), 16 * kMb);
  EXPECT_EQ(SegmentBytes(options, 400 * kMb), 25 * kMb);
  EXPECT_EQ(SegmentBytes(options, UINT64_MAX), 32 * kMb);
  options.journal_segment_bytes = kMb;
  EXPECT_EQ(SegmentBytes(options, UINT64_MAX), kMb);
  options.journal_segment_bytes = 128 * kMb;
  options.snapshot_journal_bytes = 1024 * kMb;
  EXPECT_EQ(SegmentBytes(options, 0), 128 * kMb);
}

}  // namespace
}  // namespace runnel
