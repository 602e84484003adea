// The journal's own rules, on a disk that fails when it is told to and with workers that go on when
// they are told to.

#include "journal/journal.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "journal/testing.h"
#include "tests/sim/files.h"
#include "tests/sim/model_disk.h"
#include "tests/sim/stepped_worker.h"

namespace runnel::journal {
namespace {

using sim::Crash;
using sim::ModelDisk;
using sim::SteppedWorker;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr int64_t kOneSecond = 1'000'000;

class JournalTest : public ::testing::Test {
 protected:
  void Open(SyncPolicy policy = SyncPolicy::kAlways, Position from = 0,
            uint64_t segment_bytes = 1000) {
    const Status opened = TryOpen(policy, from, segment_bytes);
    ASSERT_TRUE(opened.ok()) << opened.message();
  }
  Status TryOpen(SyncPolicy policy = SyncPolicy::kAlways, Position from = 0,
                 uint64_t segment_bytes = 1000) {
    journal_.reset();
    recovered_.clear();
    JournalOptions options = {"j", segment_bytes, policy, from};
    options.cut_damage = cut_damage_;
    options.keep_cut = keep_cut_;
    auto journal =
        Journal::Open(&disk_, &log_thread_, &helper_, options, [this](const Frame& frame) {
          if (frame.records > 0) recovered_.emplace_back(frame.payload);
          return Status();
        });
    if (!journal.ok()) return journal.status();
    journal_ = std::move(*journal);
    return {};
  }
  // The process ends and begins again.
  void Restart(Crash crash) {
    journal_.reset();
    log_thread_ = {};
    helper_ = {};
    disk_.Restart(crash);
  }

  void Append(std::string_view payload) { EXPECT_TRUE(journal_->Append(payload, 1).ok()); }
  void FlushOnce(int64_t after_us = 0) {
    now_us_ += after_us;
    journal_->Flush(now_us_);
  }
  // As a loop to which nothing else happens.
  void Flush(int64_t after_us = 0) {
    FlushOnce(after_us);
    while (journal_->gathering())
      FlushOnce();
  }
  void Work() {
    helper_.Drain();
    log_thread_.Drain();
    helper_.Drain();
  }
  // Appends payloads of 200 bytes until a segment ends.
  void FillASegment() {
    for (int i = 0; i < 5; i++) {
      Append(std::string(200 - kFrameHeaderBytes, 'x'));
      Flush();
      Work();
    }
  }
  // The files of the directory, but for the one that says which journal it is.
  std::vector<std::string> Names() {
    auto names = *disk_.List("j");
    EXPECT_EQ(std::erase(names, "identity"), 1u);
    return names;
  }

  ModelDisk disk_{1};
  SteppedWorker log_thread_;
  SteppedWorker helper_;
  std::unique_ptr<Journal> journal_;
  std::vector<std::string> recovered_;
  int64_t now_us_ = 0;
  bool cut_damage_ = false;
  bool keep_cut_ = false;
};

TEST_F(JournalTest, ANewOneIsEmpty) {
  Open();
  EXPECT_EQ(journal_->appended(), 0u);
  EXPECT_EQ(journal_->first(), 0u);
  EXPECT_THAT(Names(), ElementsAre("00000000000000000000.log"));
  EXPECT_EQ(sim::ReadFile(disk_, SegmentPath("j", 0)), std::string(1000, '\0'));
}

TEST_F(JournalTest, ANewOneMayBeginAnywhere) {
  EXPECT_THAT(TryOpen(SyncPolicy::kAlways, 5000).message(), HasSubstr("'runnel-check --cut 5000'"));
  EXPECT_FALSE(disk_.List("j").ok()) << "nothing is made";
  ASSERT_TRUE(disk_.CreateDirectory("j").ok());
  ASSERT_TRUE(CutAt(disk_, "j", 5000).ok());
  Open(SyncPolicy::kAlways, 5000);
  EXPECT_EQ(journal_->first(), 5000u);
  Append("a");
  Flush();
  Restart(Crash::kProcess);
  Open(SyncPolicy::kAlways, 5000);
  EXPECT_THAT(recovered_, ElementsAre("a"));
}

TEST_F(JournalTest, WhatIsWrittenOutlivesTheProcess) {
  Open(SyncPolicy::kNo);
  Append("one");
  Append("two");
  EXPECT_EQ(journal_->written(), 0u);
  Flush();
  EXPECT_EQ(journal_->written(), 2 * (kFrameHeaderBytes + 3));
  EXPECT_EQ(journal_->safe(), journal_->written());
  Append("lost: not written");
  Restart(Crash::kProcess);
  Open();
  EXPECT_THAT(recovered_, ElementsAre("one", "two"));
  EXPECT_EQ(journal_->durable(), journal_->written()) << "recovery has synced it";
}

TEST_F(JournalTest, WhatIsDurableOutlivesThePower) {
  Open();
  Append("one");
  Flush();
  EXPECT_EQ(journal_->safe(), 0u);
  Work();
  EXPECT_EQ(journal_->safe(), kFrameHeaderBytes + 3);
  Append("two");
  Flush();
  Restart(Crash::kPowerWorst);
  Open();
  EXPECT_THAT(recovered_, ElementsAre("one"));
}

TEST_F(JournalTest, OneFrameIsOneWrite) {
  Open(SyncPolicy::kNo);
  const uint64_t before = disk_.calls();
  Append("x");
  Append("y");
  Flush();
  EXPECT_EQ(disk_.calls(), before + 2);
  Flush();
  EXPECT_EQ(disk_.calls(), before + 2) << "nothing to write";
}

TEST_F(JournalTest, AFrameIsTakenWithItsMemory) {
  Open(SyncPolicy::kNo);
  ByteBuffer frame;
  for (const std::string payload : {"one", "two", "three"}) {
    frame.Clear(1000);
    frame.Room(kFrameHeaderBytes);
    frame.Grow(kFrameHeaderBytes);
    frame.Append(payload);
    EXPECT_TRUE(journal_->AppendFrame(&frame, 1).ok());
    Flush();
  }
  EXPECT_GT(frame.capacity(), 0u) << "memory that was used before";
  Restart(Crash::kProcess);
  Open();
  EXPECT_THAT(recovered_, ElementsAre("one", "two", "three"));
}

TEST_F(JournalTest, OneSyncCoversAllThatGatheredMeanwhile) {
  Open();
  Append("a");
  Flush();
  log_thread_.Step();  // the sync ends, the loop does not know yet
  const Position covered = journal_->written();
  for (int i = 0; i < 5; i++) {
    Append("b");
    Flush();
  }
  EXPECT_EQ(journal_->durable(), 0u);
  log_thread_.Step();
  EXPECT_EQ(journal_->durable(), covered) << "what was written later is not covered";
  const uint64_t before = disk_.calls();
  Flush();
  Work();
  EXPECT_EQ(disk_.calls(), before + 1) << "one sync for five turns";
  EXPECT_EQ(journal_->durable(), journal_->appended());
}

TEST_F(JournalTest, ASyncWaitsAsLongAsTurnsWrite) {
  Open();
  Append("a");
  FlushOnce();
  EXPECT_TRUE(journal_->gathering());
  Append("b");
  FlushOnce();
  EXPECT_TRUE(journal_->gathering());
  EXPECT_TRUE(log_thread_.idle());
  FlushOnce();
  EXPECT_FALSE(journal_->gathering());
  EXPECT_FALSE(log_thread_.idle());
  log_thread_.Step();
  Append("c");  // too late for this sync, of whose end the loop does not know yet
  FlushOnce();
  EXPECT_FALSE(journal_->gathering());
  log_thread_.Step();
  FlushOnce();
  EXPECT_TRUE(journal_->gathering()) << "for those who are released now";
  FlushOnce();
  EXPECT_FALSE(log_thread_.idle());
  Work();
  EXPECT_EQ(journal_->durable(), journal_->appended());
  FlushOnce();
  EXPECT_FALSE(journal_->gathering()) << "nothing to sync";
}

TEST_F(JournalTest, ASyncDoesNotWaitForEver) {
  Open();
  constexpr int kTurns = 1000;
  int turns = 0;
  for (; turns < kTurns && log_thread_.idle(); turns++) {
    Append("x");
    FlushOnce(10);
  }
  EXPECT_LT(turns, kTurns);
  EXPECT_FALSE(journal_->gathering());
}

TEST_F(JournalTest, OnlySyncsThatRepliesWaitForGather) {
  Open(SyncPolicy::kEverySecond);
  Append("a");
  FlushOnce();
  Append("b");
  FlushOnce(kOneSecond);
  EXPECT_FALSE(journal_->gathering());
  EXPECT_FALSE(log_thread_.idle());
}

TEST_F(JournalTest, NothingGathersWhenThePolicyChangesOrTheDiskFails) {
  Open();
  Append("a");
  FlushOnce();
  EXPECT_TRUE(journal_->gathering());
  journal_->set_sync_policy(SyncPolicy::kEverySecond);
  helper_.Drain();
  FlushOnce();
  EXPECT_FALSE(journal_->gathering());
  journal_->set_sync_policy(SyncPolicy::kAlways);
  FlushOnce();
  EXPECT_TRUE(journal_->gathering());
  disk_.FailCalls(disk_.calls() + 1, 1, EIO);
  Append("b");
  FlushOnce();
  EXPECT_TRUE(journal_->failed());
  EXPECT_FALSE(journal_->gathering());
}

TEST_F(JournalTest, SyncWrittenCoversWhatNoSyncDidYet) {
  Open();
  Append("a");
  Flush();
  Append("b");
  FlushOnce();
  EXPECT_EQ(journal_->durable(), 0u);
  journal_->SyncWritten();
  EXPECT_EQ(journal_->durable(), journal_->appended());
}

TEST_F(JournalTest, EverySecondSyncsHalfASecondAfterTheOldestWrite) {
  Open(SyncPolicy::kEverySecond);
  Append("a");
  Flush();
  EXPECT_EQ(journal_->safe(), journal_->written());
  Flush(kOneSecond / 2 - 1);
  EXPECT_TRUE(log_thread_.idle());
  Append("b");
  Flush(1);
  EXPECT_FALSE(log_thread_.idle());
  Work();
  EXPECT_EQ(journal_->durable(), journal_->appended());
  Flush(10 * kOneSecond);
  EXPECT_TRUE(log_thread_.idle()) << "nothing to sync";
}

TEST_F(JournalTest, EverySecondSyncsMuchAtOnce) {
  Open(SyncPolicy::kEverySecond);
  Append(std::string(17 << 20, 'x'));
  Flush();
  EXPECT_FALSE(log_thread_.idle());
  Work();
  EXPECT_EQ(journal_->durable(), journal_->appended());
}

TEST_F(JournalTest, WithoutPolicyNothingIsSyncedButWhatIsSealed) {
  Open(SyncPolicy::kNo);
  Append("a");
  Flush();
  Flush(100 * kOneSecond);
  EXPECT_TRUE(log_thread_.idle());
  FillASegment();
  EXPECT_GT(journal_->durable(), 0u);
}

TEST_F(JournalTest, ThePolicyChangesAtOnceAndSafeNeverGoesBack) {
  Open(SyncPolicy::kEverySecond);
  Append("a");
  Flush();
  const Position safe = journal_->safe();
  journal_->set_sync_policy(SyncPolicy::kAlways);
  Append("b");
  Flush();
  EXPECT_EQ(journal_->safe(), safe);
  Work();
  EXPECT_EQ(journal_->safe(), journal_->appended());
}

TEST_F(JournalTest, SegmentsFollowWithoutGapAndTheNextIsReadyBefore) {
  Open();
  const std::string text(200 - kFrameHeaderBytes, 'x');
  for (int i = 0; i < 3; i++) {
    Append(text);
    Flush();
  }
  Work();
  EXPECT_THAT(Names(), ElementsAre("00000000000000000000.log", "next.tmp"))
      << "more than half is used";
  for (int i = 0; i < 3; i++) {
    Append(text);
  }
  Flush();
  EXPECT_EQ(journal_->written(), 1200u) << "the roll waits for nothing";
  EXPECT_THAT(Names(), ElementsAre("00000000000000000000.log", "00000000000000001000.log"));
  Work();
  EXPECT_EQ(journal_->durable(), 1200u);
  Restart(Crash::kPowerWorst);
  Open();
  EXPECT_EQ(recovered_.size(), 6u);
  EXPECT_EQ(journal_->appended(), 1200u);
}

TEST_F(JournalTest, TheReserveOfASealedSegmentIsGivenBack) {
  Open();
  Append(std::string(700, 'x'));
  Flush();
  Work();
  Append(std::string(700, 'y'));
  Flush();
  Work();
  EXPECT_EQ(sim::ReadFile(disk_, SegmentPath("j", 0)).size(), 700 + kFrameHeaderBytes);
}

// Nobody waits for a helper that is slow.
TEST_F(JournalTest, FramesGoOnInThePresentSegmentWhenTheNextIsNotReady) {
  Open(SyncPolicy::kNo);
  std::vector<std::string> payloads;
  const auto append = [&](char letter) {
    payloads.emplace_back(900, letter);
    Append(payloads.back());
    Flush();
    EXPECT_EQ(journal_->written(), journal_->appended()) << letter;
    EXPECT_EQ(journal_->safe(), journal_->appended()) << letter;
  };
  for (const char letter : {'a', 'b', 'c', 'd'}) {
    append(letter);
  }
  EXPECT_TRUE(journal_->status().ok());
  Work();
  append('e');
  EXPECT_THAT(Names(), ElementsAre("00000000000000000000.log", "00000000000000003760.log"));
  Work();
  Restart(Crash::kProcess);
  Open();
  EXPECT_EQ(recovered_, payloads);
}

TEST_F(JournalTest, AFrameMayBeLargerThanASegment) {
  Open();
  const std::vector<std::string> payloads = {std::string(600, 'a'), std::string(5000, 'b'),
                                             std::string(3000, 'c'), "d"};
  for (const auto& payload : payloads) {
    Append(payload);
    Flush();
    Work();
  }
  EXPECT_EQ(journal_->durable(), journal_->appended());
  EXPECT_THAT(Names(), ElementsAre("00000000000000000000.log", "00000000000000000640.log",
                                   "00000000000000005680.log", "00000000000000008720.log"));
  Restart(Crash::kPowerWorst);
  Open();
  EXPECT_EQ(recovered_, payloads);
}

TEST_F(JournalTest, OldSegmentsGoWholeAndOldestFirst) {
  Open();
  for (int i = 0; i < 3; i++) {
    FillASegment();
  }
  Append("now");
  Flush();
  Work();
  journal_->RemoveBefore(1999);
  EXPECT_EQ(journal_->first(), 1000u);
  Work();
  EXPECT_FALSE(sim::Exists(disk_, SegmentPath("j", 0)));
  journal_->RemoveBefore(999'999);
  Work();
  EXPECT_EQ(journal_->first(), 3000u) << "the active one stays";
  Restart(Crash::kPowerWorst);
  Open(SyncPolicy::kAlways, 3000);
  EXPECT_THAT(recovered_, ElementsAre("now"));
  EXPECT_FALSE(TryOpen(SyncPolicy::kAlways, 2000).ok());
}

TEST_F(JournalTest, ASegmentThatCannotBeRemovedIsTriedAgain) {
  Open();
  FillASegment();
  FillASegment();
  Append("now");
  Flush();
  Work();
  disk_.FailCalls(disk_.calls() + 1, 1, EACCES);
  journal_->RemoveBefore(2000);
  Work();
  EXPECT_EQ(journal_->first(), 0u);
  journal_->RemoveBefore(2000);
  Work();
  EXPECT_EQ(journal_->first(), 2000u);
  EXPECT_TRUE(journal_->status().ok());
}

TEST_F(JournalTest, AFailedWriteIsFinal) {
  Open();
  Append("a");
  Flush();
  Work();
  const Position safe = journal_->safe();
  Append("b");
  disk_.FailCalls(disk_.calls() + 1, 1, EIO);
  Flush();
  EXPECT_TRUE(journal_->failed());
  EXPECT_EQ(journal_->status().error_number(), EIO);
  EXPECT_FALSE(journal_->Append("c", 1).ok());
  Flush(10 * kOneSecond);
  Work();
  EXPECT_EQ(journal_->safe(), safe);
  EXPECT_FALSE(journal_->Close(now_us_).ok());
  Restart(Crash::kProcess);
  Open();
  ASSERT_GE(recovered_.size(), 1u);
  EXPECT_EQ(recovered_[0], "a");
}

TEST_F(JournalTest, AFailedSyncIsFinal) {
  Open();
  Append("a");
  Flush();
  disk_.FailCalls(disk_.calls() + 1, 1, EIO);
  Work();
  EXPECT_TRUE(journal_->failed());
  EXPECT_EQ(journal_->safe(), 0u);
  EXPECT_FALSE(journal_->Append("b", 1).ok());
  Flush();
  Work();
  EXPECT_EQ(journal_->safe(), 0u);
}

TEST_F(JournalTest, AfterAFailedSyncTheNextProcessWritesAnewWhatTheSystemOnlyShows) {
  Open();
  Append("a");
  Flush();
  Work();
  Append(std::string(900, 'b'));
  Flush();
  disk_.FailCalls(disk_.calls() + 1, 1, EIO);
  log_thread_.Drain();
  EXPECT_TRUE(journal_->failed());
  EXPECT_THAT(Names(), ::testing::Contains("sync-failed"));
  Restart(Crash::kProcess);
  Open();
  EXPECT_THAT(recovered_, ElementsAre("a", std::string(900, 'b'))) << "the system still shows it";
  EXPECT_EQ(journal_->durable(), journal_->appended());
  EXPECT_THAT(Names(), ::testing::Not(::testing::Contains("sync-failed")));
  Restart(Crash::kPowerWorst);
  Open();
  EXPECT_THAT(recovered_, ElementsAre("a", std::string(900, 'b')));
}

TEST_F(JournalTest, ASyncThatFindsNoRoomIsFinalToo) {
  Open();
  Append("a");
  Flush();
  disk_.FailCalls(disk_.calls() + 1, 1, ENOSPC);
  Work();
  EXPECT_TRUE(journal_->failed());
}

TEST_F(JournalTest, AFullDiskLosesNothingAndHeals) {
  Open(SyncPolicy::kNo);
  Append("before");
  Flush();
  const Position safe = journal_->safe();
  Append(std::string(100, 'x'));
  disk_.FailCalls(disk_.calls() + 1, 3, ENOSPC);
  Flush();
  EXPECT_TRUE(IsDiskFull(journal_->status()));
  EXPECT_FALSE(journal_->failed());
  Append("in memory");
  Flush();
  Flush();
  EXPECT_FALSE(journal_->status().ok());
  EXPECT_EQ(journal_->safe(), safe);
  Flush();
  EXPECT_TRUE(journal_->status().ok());
  EXPECT_EQ(journal_->safe(), journal_->appended());
  Restart(Crash::kProcess);
  Open();
  EXPECT_THAT(recovered_, ElementsAre("before", std::string(100, 'x'), "in memory"));
}

TEST_F(JournalTest, ADiskThatIsFullWhenTheProcessEndsHoldsWhatWasSafe) {
  Open(SyncPolicy::kNo);
  Append("before");
  Flush();
  disk_.set_capacity(disk_.used() + 500);
  Append(std::string(2000, 'x'));  // does not fit into what is reserved
  Flush();
  helper_.Drain();
  Flush();
  EXPECT_TRUE(IsDiskFull(journal_->status()));
  Restart(Crash::kProcess);
  Open();
  EXPECT_THAT(recovered_, ElementsAre("before"));
  Append("after");
  Flush();
  Restart(Crash::kProcess);
  Open();
  EXPECT_THAT(recovered_, ElementsAre("before", "after"));
}

TEST_F(JournalTest, WithoutRoomForTheNextSegmentChangesEndBeforeThisOneIsFull) {
  Open(SyncPolicy::kNo);
  disk_.set_capacity(disk_.used());
  const std::string text(100 - kFrameHeaderBytes, 'x');
  while (journal_->status().ok()) {
    ASSERT_LT(journal_->appended(), 1000u);
    Append(text);
    Flush(kOneSecond);
    Work();
  }
  EXPECT_EQ(journal_->written(), journal_->appended()) << "nothing waits in memory yet";
  EXPECT_LE(journal_->appended(), 900u);
  EXPECT_TRUE(IsDiskFull(journal_->status()));
  EXPECT_THAT(Names(), ElementsAre("00000000000000000000.log"))
      << "nothing half prepared takes room";
  disk_.set_capacity(5000);
  Flush(kOneSecond);
  Work();
  Flush();
  EXPECT_TRUE(journal_->status().ok());
  FillASegment();
  EXPECT_EQ(journal_->written(), journal_->appended());
}

TEST_F(JournalTest, RoomIsKnownBeforeItIsNeeded) {
  using Change = Journal::Change;
  disk_.set_capacity(12'000);
  Open(SyncPolicy::kNo, 0, 10'000);
  const uint64_t free = 12'000 - disk_.used();
  const uint64_t room = 10'000 + free / 2;
  const uint64_t kept = 10'000 / 8;
  EXPECT_TRUE(journal_->HasRoomFor(room, Change::kRemoves));
  EXPECT_FALSE(journal_->HasRoomFor(room + 1, Change::kRemoves));
  EXPECT_TRUE(journal_->HasRoomFor(room - kept, Change::kAdds));
  EXPECT_FALSE(journal_->HasRoomFor(room - kept + 1, Change::kAdds));
  EXPECT_TRUE(journal_->status().ok()) << "there is room for less";
  Append(std::string(5000, 'x'));
  EXPECT_FALSE(journal_->HasRoomFor(room - 5000, Change::kRemoves));
  // What was refused is asked for again when others have left the disk.
  disk_.set_capacity(50'000);
  Flush(kOneSecond);
  Work();
  Flush();
  EXPECT_TRUE(journal_->HasRoomFor(room, Change::kAdds));
}

TEST_F(JournalTest, SegmentsAreSmallerOnASmallDisk) {
  constexpr uint64_t kMega = 1 << 20;
  disk_.set_capacity(80 * kMega);
  Open(SyncPolicy::kNo, 0, 128 * kMega);
  EXPECT_NEAR(static_cast<double>(sim::ReadFile(disk_, SegmentPath("j", 0)).size()), 5 * kMega,
              100);
  journal_.reset();
  EXPECT_TRUE(disk_.Remove(SegmentPath("j", 0)).ok());
  EXPECT_TRUE(RemoveNote(disk_, "j").ok());
  disk_.set_capacity(30 * kMega);
  Open(SyncPolicy::kNo, 0, 128 * kMega);
  EXPECT_EQ(sim::ReadFile(disk_, SegmentPath("j", 0)).size(), 4 * kMega) << "but not smaller";
}

TEST_F(JournalTest, AFrameThatIsTooLargeMakesTheJournalFail) {
  Open();
  Append("before");
  ByteBuffer frame;
  frame.Room(kFrameHeaderBytes + kMaxPayloadBytes + 1);  // memory that is never touched
  frame.Grow(kFrameHeaderBytes + kMaxPayloadBytes + 1);
  EXPECT_FALSE(journal_->AppendFrame(&frame, 1).ok());
  EXPECT_TRUE(journal_->failed());
  EXPECT_THAT(journal_->status().message(), HasSubstr("4294967296 bytes"));
}

TEST_F(JournalTest, IsReadWhileItIsWritten) {
  Open(SyncPolicy::kNo);
  auto reader = journal_->ReadFrom(0);
  ASSERT_TRUE(reader.ok());
  std::vector<std::string> expected, read;
  for (int i = 0; i < 100; i++) {
    expected.push_back(std::string(i * 7 % 300, static_cast<char>('a' + i % 26)));
    Append(expected.back());
    Flush();
    Work();
    Flush();
    if (i % 3 != 0) continue;
    for (;;) {
      const auto frame = reader->Next(journal_->written());
      ASSERT_TRUE(frame.ok()) << frame.status().message();
      if (!*frame) break;
      read.emplace_back((*frame)->payload);
    }
  }
  EXPECT_EQ(read, expected);
  EXPECT_EQ(reader->position(), journal_->written());
  EXPECT_GT(Names().size(), 10u);
}

// A segment that is full gives its reserve back: the end that a reader has seen is gone then.
TEST_F(JournalTest, IsReadWhileASegmentGetsShorter) {
  Open();
  const std::string payload(300 - kFrameHeaderBytes, 'x');
  for (int i = 0; i < 2; i++) {
    Append(payload);
    Flush();
  }
  // One has read nothing of the segment yet, the other one all that it holds.
  auto early = journal_->ReadFrom(0);
  auto late = journal_->ReadFrom(0);
  ASSERT_TRUE(early.ok() && late.ok());
  EXPECT_TRUE(late->Next(600)->has_value() && late->Next(600)->has_value());
  for (int i = 0; i < 2; i++) {
    Append(payload);
    Flush();
    Work();
  }
  ASSERT_EQ(sim::ReadFile(disk_, SegmentPath("j", 0)).size(), 900u);
  for (int i = 0; i < 4; i++) {
    const auto frame = early->Next(1200);
    ASSERT_TRUE(frame.ok()) << frame.status().message();
    EXPECT_EQ((*frame)->base, 300u * static_cast<Position>(i));
  }
  for (int i = 2; i < 4; i++) {
    const auto frame = late->Next(1200);
    ASSERT_TRUE(frame.ok()) << frame.status().message();
    EXPECT_EQ((*frame)->base, 300u * static_cast<Position>(i));
  }
}

TEST_F(JournalTest, IsReadFromTheMiddle) {
  Open(SyncPolicy::kNo);
  std::vector<Position> begins;
  for (int i = 0; i < 30; i++) {
    begins.push_back(journal_->appended());
    Append(std::string(100, 'x'));
    Flush();
    Work();
    Flush();
  }
  for (const Position begin : begins) {
    auto reader = journal_->ReadFrom(begin);
    ASSERT_TRUE(reader.ok());
    const auto frame = reader->Next(journal_->written());
    ASSERT_TRUE(frame.ok()) << frame.status().message();
    EXPECT_EQ((*frame)->base, begin);
  }
  auto inside = journal_->ReadFrom(begins[1] + 1);
  ASSERT_TRUE(inside.ok());
  EXPECT_THAT(inside->Next(journal_->written()).status().message(),
              HasSubstr("no frame begins at position 141"));
}

TEST_F(JournalTest, TheEpochGoesIntoEveryFrame) {
  Open();
  journal_->set_epoch(3);
  Append("a");
  journal_->set_epoch(5);
  Append("b");
  Flush();
  Restart(Crash::kProcess);
  Open();
  EXPECT_EQ(journal_->epoch(), 5u);
}

TEST_F(JournalTest, ACleanEndMakesEveryDamageCertain) {
  Open(SyncPolicy::kNo);
  Append("a");
  Append("b");
  ASSERT_TRUE(journal_->Close(now_us_).ok());
  EXPECT_EQ(journal_->durable(), journal_->appended());
  Restart(Crash::kPowerWorst);
  Open();
  EXPECT_THAT(recovered_, ElementsAre("a", "b"));
  journal_.reset();
  for (const uint64_t offset : {5, 40, 45, 80}) {
    std::string bytes = sim::ReadFile(disk_, SegmentPath("j", 0));
    bytes[offset] ^= 1;
    sim::WriteFile(disk_, SegmentPath("j", 0), bytes);
    const Status opened = TryOpen();
    ASSERT_FALSE(opened.ok());
    EXPECT_THAT(opened.message(),
                HasSubstr(offset < kFrameHeaderBytes + 1 ? "offset 0 " : "offset 41 "));
    bytes[offset] ^= 1;
    sim::WriteFile(disk_, SegmentPath("j", 0), bytes);
  }
}

// --- What must be there ---

TEST_F(JournalTest, AfterACleanEndNothingIsATornTail) {
  Open(SyncPolicy::kNo);
  Append("a");
  ASSERT_TRUE(journal_->Close(now_us_).ok());
  Restart(Crash::kPowerWorst);
  const std::string path = SegmentPath("j", 0);
  const std::string bytes = sim::ReadFile(disk_, path);
  // The last frame, which has nothing after it.
  const Position last = kFrameHeaderBytes + 1;
  for (Position offset = last; offset < last + kFrameHeaderBytes; offset++) {
    std::string damaged = bytes;
    damaged[offset] ^= 1;
    sim::WriteFile(disk_, path, damaged);
    EXPECT_THAT(TryOpen().message(), HasSubstr("offset 41 (position 41)")) << offset;
  }
  sim::WriteFile(disk_, path, bytes.substr(0, last) + std::string(1000 - last, '\0'));
  EXPECT_THAT(TryOpen().message(), HasSubstr("zeroed end"));
  sim::WriteFile(disk_, path, bytes);
  Open();
}

TEST_F(JournalTest, AnEmptiedSegmentIsRefusedUnderEveryPolicy) {
  for (const SyncPolicy policy : {SyncPolicy::kAlways, SyncPolicy::kEverySecond, SyncPolicy::kNo}) {
    Restart(Crash::kPowerWorst);
    Open(policy);
    Append("a");
    Flush();
    Restart(Crash::kProcess);
    const std::string bytes = sim::ReadFile(disk_, SegmentPath("j", 0));
    sim::WriteFile(disk_, SegmentPath("j", 0), "");
    const Status opened = TryOpen(policy);
    EXPECT_THAT(opened.message(), HasSubstr("j/00000000000000000000.log, offset 0 "));
    EXPECT_THAT(opened.message(), HasSubstr("Nothing was changed."));
    EXPECT_THAT(opened.message(), HasSubstr("'runnel-check --cut 0'"));
    sim::WriteFile(disk_, SegmentPath("j", 0), bytes);
    Open(policy);
  }
}

TEST_F(JournalTest, AMissingSegmentIsRefused) {
  Open(SyncPolicy::kNo);
  FillASegment();
  Append("b");
  Flush();
  Work();
  Restart(Crash::kProcess);
  EXPECT_TRUE(disk_.Remove(SegmentPath("j", 1000)).ok());
  EXPECT_THAT(TryOpen().message(), HasSubstr("there was a segment j/00000000000000001000.log"));
  EXPECT_TRUE(disk_.Remove(SegmentPath("j", 0)).ok());
  EXPECT_THAT(TryOpen().message(), HasSubstr("there are no segments"));
}

TEST_F(JournalTest, AMissingDirectoryIsRefusedAndNotMade) {
  Open(SyncPolicy::kNo);
  Append("a");
  Flush();
  Restart(Crash::kProcess);
  const std::vector<std::string> names = *disk_.List("j");
  for (const std::string& name : names) {
    EXPECT_TRUE(disk_.Remove("j/" + name).ok());
  }
  EXPECT_TRUE(disk_.Remove("j").ok());
  EXPECT_THAT(TryOpen().message(), HasSubstr("Was the file system not mounted?"));
  EXPECT_FALSE(disk_.List("j").ok());
}

// The system kept every write of a process that was killed, so a hole is damage whatever the
// policy.
TEST_F(JournalTest, AHoleWithoutAPowerCutNeedsAPerson) {
  Open(SyncPolicy::kNo);
  for (int i = 0; i < 10; i++) {
    Append(std::string(1, static_cast<char>('a' + i)));
  }
  Flush();
  Restart(Crash::kProcess);
  const std::string bytes = sim::ReadFile(disk_, SegmentPath("j", 0));
  std::string damaged = bytes;
  damaged[3 * (kFrameHeaderBytes + 1) + kFrameHeaderBytes] ^= 1;
  sim::WriteFile(disk_, SegmentPath("j", 0), damaged);
  const Status opened = TryOpen();
  EXPECT_THAT(opened.message(), HasSubstr("offset 123 (position 123): hole"));
  EXPECT_THAT(opened.message(), HasSubstr("with 6 whole frames (6 records)"));
  EXPECT_EQ(sim::ReadFile(disk_, SegmentPath("j", 0)), damaged);
  // A person decides.
  cut_damage_ = true;
  Open();
  EXPECT_THAT(recovered_, ElementsAre("a", "b", "c"));
  EXPECT_THAT(Names(), ::testing::Contains("cut-000001-00000000000000000123.tail"));
}

// Of a follower, which nobody has told what may go.
TEST_F(JournalTest, AllOfACutStaysIfItMust) {
  for (int crashes = 0; crashes < 2; crashes++) {
    disk_.Wipe();
    cut_damage_ = keep_cut_ = false;
    Open(SyncPolicy::kAlways);
    for (int i = 0; i < 3; i++) {
      FillASegment();
    }
    Append("last");
    Flush();
    Work();
    Restart(Crash::kProcess);
    std::string first = sim::ReadFile(disk_, SegmentPath("j", 0));
    first[2 * 200 + kFrameHeaderBytes] ^= 1;
    sim::WriteFile(disk_, SegmentPath("j", 0), first);
    std::vector<std::string> bytes;
    for (const Position base : {1000, 2000, 3000}) {
      bytes.push_back(sim::ReadFile(disk_, SegmentPath("j", base)));
    }
    cut_damage_ = keep_cut_ = true;
    // A disk without room for the copy: nothing is cut.
    disk_.set_capacity(disk_.used());
    EXPECT_FALSE(TryOpen().ok());
    for (size_t i = 0; i < bytes.size(); i++) {
      EXPECT_EQ(sim::ReadFile(disk_, SegmentPath("j", 1000 * (i + 1))), bytes[i]);
    }
    EXPECT_EQ(sim::ReadFile(disk_, SegmentPath("j", 0)), first);
    disk_.set_capacity(UINT64_MAX);
    // After a crash in it what is left looks like a torn tail, and stays all the same.
    for (uint64_t call = 1; crashes > 0; call++) {
      disk_.StopAt(disk_.calls() + call);
      const bool opened = TryOpen().ok();
      Restart(Crash::kPowerWorst);
      if (opened) break;
    }
    Open();
    EXPECT_EQ(recovered_.size(), 2u);
    for (size_t i = 0; i < bytes.size(); i++) {
      EXPECT_EQ(sim::ReadFile(disk_, SegmentPath("j", 1000 * (i + 1)) + ".damaged"), bytes[i]);
    }
    EXPECT_EQ(sim::ReadFile(disk_, "j/cut-000001-00000000000000000400.tail"), first.substr(400));
  }
}

TEST_F(JournalTest, AHoleThatAPowerCutMadeNeedsNobody) {
  Open(SyncPolicy::kEverySecond);
  for (const char* payload : {"a", "b", "c"}) {
    Append(payload);
  }
  Flush();
  Restart(Crash::kProcess);
  std::string bytes = sim::ReadFile(disk_, SegmentPath("j", 0));
  bytes[kFrameHeaderBytes + 1 + kFrameHeaderBytes] ^= 1;
  sim::WriteFile(disk_, SegmentPath("j", 0), bytes);
  Restart(Crash::kPowerWorst);
  Open();
  EXPECT_THAT(recovered_, ElementsAre("a"));
}

TEST_F(JournalTest, TheNoteFollowsTheSegments) {
  Open(SyncPolicy::kNo);
  EXPECT_EQ((**ReadNote(disk_, "j")).last, 0u);
  FillASegment();
  Append("b");
  Flush();
  Work();
  const Note note = **ReadNote(disk_, "j");
  EXPECT_EQ(note.last, 1000u);
  EXPECT_EQ(note.synced, journal_->durable());
  EXPECT_EQ(note.identity, journal_->identity());
  EXPECT_FALSE(note.closed);
  ASSERT_TRUE(journal_->Close(now_us_).ok());
  EXPECT_TRUE((**ReadNote(disk_, "j")).closed);
  EXPECT_EQ((**ReadNote(disk_, "j")).synced, journal_->appended());
}

TEST_F(JournalTest, SyncsDoNotWriteTheNote) {
  Open();
  Append("a");
  Flush();
  Work();
  const uint64_t before = disk_.calls();
  for (int i = 0; i < 5; i++) {
    Append("b");
    Flush();
    Work();
  }
  EXPECT_EQ(disk_.calls(), before + 10) << "a write and a sync each";
}

// A start on a full disk must not leave a note that says that the journal was ended well.
TEST_F(JournalTest, AFullDiskLeavesNoUntrueNote) {
  Open();
  Append("a");
  ASSERT_TRUE(journal_->Close(now_us_).ok());
  Restart(Crash::kPowerWorst);
  disk_.set_capacity(disk_.used());
  Open();
  EXPECT_EQ(*ReadNote(disk_, "j"), std::nullopt);
  Append("b");
  Flush();
  Restart(Crash::kPower);
  Open();
}

TEST_F(JournalTest, TheIdIsChosenOnceAndMayBeGiven) {
  Open();
  const Identity first = journal_->identity();
  EXPECT_NE(first.id, 0u);
  Restart(Crash::kPowerWorst);
  Open();
  EXPECT_EQ(journal_->identity(), first);
  journal_.reset();
  JournalOptions options = {"other", 1000, SyncPolicy::kNo, 0};
  options.id = first.id;
  const auto follower =
      Journal::Open(&disk_, &log_thread_, &helper_, options, [](const Frame&) { return Status(); });
  ASSERT_TRUE(follower.ok()) << follower.message();
  EXPECT_EQ((*follower)->identity().id, first.id);
}

// A value full of frames that a client made, at the right positions, of which only a part was
// written: cut, and no damage.
TEST_F(JournalTest, AValueOfForgedFramesIsNoDamage) {
  Open(SyncPolicy::kAlways);
  Append("before");
  Flush();
  Work();
  std::string forged;
  for (int i = 0; i < 8; i++) {
    const Position base = journal_->appended() + kFrameHeaderBytes + forged.size();
    EncodeFrame({0, base, base, 1, "forged"}, &forged);
  }
  Append(forged);
  Flush();
  Restart(Crash::kProcess);
  std::string bytes = sim::ReadFile(disk_, SegmentPath("j", 0));
  const size_t end = bytes.find_last_not_of('\0') + 1;
  std::fill(bytes.begin() + static_cast<ptrdiff_t>(end) - 20, bytes.end(), '\0');
  sim::WriteFile(disk_, SegmentPath("j", 0), bytes);
  Open();
  EXPECT_THAT(recovered_, ElementsAre("before"));
}

TEST_F(JournalTest, ACloseWaitsForSegments) {
  Open(SyncPolicy::kNo);
  for (int i = 0; i < 10; i++) {
    Append(std::string(800, 'x'));
  }
  ASSERT_TRUE(journal_->Close(now_us_).ok());
  Restart(Crash::kPowerWorst);
  Open();
  EXPECT_EQ(recovered_.size(), 10u);
}

TEST_F(JournalTest, OneProcessAtATime) {
  Open();
  const auto second = Journal::Open(&disk_, &log_thread_, &helper_, {"j", 1000, SyncPolicy::kNo, 0},
                                    [](const Frame&) { return Status(); });
  ASSERT_FALSE(second.ok());
  EXPECT_EQ(second.status().error_number(), EWOULDBLOCK);
}

TEST_F(JournalTest, WorkersThatComeBackTooLateFindNobody) {
  Open();
  Append(std::string(600, 'x'));
  Flush();
  EXPECT_FALSE(log_thread_.idle());
  EXPECT_FALSE(helper_.idle());
  journal_.reset();
  Work();
}

}  // namespace
}  // namespace runnel::journal
