// Whether a journal that was opened again holds all that the processes before have told others that
// they had; and what the note says of frames of another server.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "base/log.h"
#include "journal/journal.h"
#include "journal/testing.h"
#include "tests/sim/files.h"
#include "tests/sim/model_disk.h"
#include "tests/sim/stepped_worker.h"

namespace runnel::journal {
namespace {

using sim::Crash;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr uint64_t kTrustId = 77;
constexpr int64_t kTrustSecond = 1'000'000;

class JournalTrustTest : public ::testing::Test {
 protected:
  JournalTrustTest() { SetLogLevel(LogLevel::kNothing); }
  ~JournalTrustTest() override { SetLogLevel(LogLevel::kVerbose); }

  Status TryOpen(SyncPolicy policy, bool follows = false, bool cut_damage = false) {
    journal_.reset();
    recovered_.clear();
    JournalOptions options = {"j", 10'000, policy};
    options.id = kTrustId;
    options.follows = follows;
    options.cut_damage = cut_damage;
    auto journal =
        Journal::Open(&disk_, &log_thread_, &helper_, options, [this](const Frame& frame) {
          recovered_.emplace_back(frame.payload);
          return Status();
        });
    if (!journal.ok()) return journal.status();
    journal_ = std::move(*journal);
    return {};
  }
  void Open(SyncPolicy policy, bool follows = false) {
    const Status opened = TryOpen(policy, follows);
    ASSERT_TRUE(opened.ok()) << opened.message();
  }
  void Restart(Crash crash) {
    journal_.reset();
    log_thread_ = {};
    helper_ = {};
    disk_.Restart(crash);
  }
  void Write(std::string_view payload) {
    EXPECT_TRUE(journal_->Append(payload, 1).ok());
    journal_->Flush(now_us_);
  }
  // A frame of another server, whose disk has synced everything before it.
  void WriteForeign(std::string_view payload) {
    std::string bytes;
    const Position base = journal_->appended();
    EncodeFrame({5, base, base, 1, payload}, kTrustId, &bytes);
    FrameHeader header;
    Frame frame;
    DecodeHeader(bytes, &header);
    ASSERT_TRUE(DecodeFrame(header, bytes, kTrustId, &frame));
    ASSERT_TRUE(journal_->AppendForeign(frame, frame.bytes()).ok());
    journal_->Flush(now_us_);
  }
  // All that is due is done, a second later.
  void Pass() {
    now_us_ += kTrustSecond;
    for (int i = 0; i < 3; i++) {
      journal_->Flush(now_us_);
      log_thread_.Drain();
      helper_.Drain();
    }
  }
  void Damage(uint64_t offset) {
    std::string bytes = sim::ReadFile(disk_, SegmentPath("j", 0));
    bytes[offset] ^= 1;
    sim::WriteFile(disk_, SegmentPath("j", 0), bytes);
  }

  sim::ModelDisk disk_{1};
  sim::SteppedWorker log_thread_, helper_;
  std::unique_ptr<Journal> journal_;
  std::vector<std::string> recovered_;
  int64_t now_us_ = 0;
};

TEST_F(JournalTrustTest, OnlyAPowerCutThatMayHaveTakenSomethingIsDoubted) {
  for (const SyncPolicy policy : {SyncPolicy::kAlways, SyncPolicy::kEverySecond, SyncPolicy::kNo}) {
    Restart(Crash::kProcess);
    disk_ = sim::ModelDisk(1);
    Open(policy);
    EXPECT_TRUE(journal_->trusted()) << "a new one";
    Write("a");
    Restart(Crash::kProcess);
    Open(policy);
    EXPECT_TRUE(journal_->trusted()) << "the machine has run on";
    Write("b");
    ASSERT_TRUE(journal_->Close(now_us_).ok());
    Restart(Crash::kPowerWorst);
    Open(policy);
    EXPECT_TRUE(journal_->trusted()) << "it was ended well";
    Write("c");
    Restart(Crash::kPowerWorst);
    Open(policy);
    EXPECT_EQ(journal_->trusted(), policy == SyncPolicy::kAlways);
  }
}

// Whatever happens then, until it has caught up.
TEST_F(JournalTrustTest, ADoubtLastsUntilItIsTakenBack) {
  Open(SyncPolicy::kEverySecond);
  Write("a");
  Restart(Crash::kPowerWorst);
  Open(SyncPolicy::kEverySecond);
  EXPECT_FALSE(journal_->trusted());
  Restart(Crash::kProcess);
  Open(SyncPolicy::kAlways);
  EXPECT_FALSE(journal_->trusted()) << "the machine has run on, but the loss was before";
  ASSERT_TRUE(journal_->Close(now_us_).ok());
  Restart(Crash::kProcess);
  Open(SyncPolicy::kAlways);
  EXPECT_FALSE(journal_->trusted());
  journal_->Trust();
  helper_.Drain();
  Restart(Crash::kProcess);
  Open(SyncPolicy::kEverySecond);
  EXPECT_TRUE(journal_->trusted());
  Write("b");
  Restart(Crash::kPowerWorst);
  Open(SyncPolicy::kEverySecond);
  EXPECT_FALSE(journal_->trusted());
  ASSERT_TRUE(journal_->Lead(1).ok());
  EXPECT_TRUE(journal_->trusted()) << "now it is what counts";
}

TEST_F(JournalTrustTest, APolicyCountsFromTheMomentAtWhichTheDiskKnowsIt) {
  Open(SyncPolicy::kAlways);
  Write("a");
  Pass();
  journal_->set_sync_policy(SyncPolicy::kEverySecond);
  EXPECT_EQ(journal_->sync_policy(), SyncPolicy::kAlways) << "the note does not say it yet";
  Write("b");
  EXPECT_LT(journal_->safe(), journal_->appended());
  helper_.Drain();
  EXPECT_EQ(journal_->sync_policy(), SyncPolicy::kEverySecond);
  Write("c");
  EXPECT_EQ(journal_->safe(), journal_->appended());
  Restart(Crash::kPowerWorst);
  // What the configuration says now is of no interest.
  Open(SyncPolicy::kAlways);
  EXPECT_FALSE(journal_->trusted());
  journal_->Trust();
  helper_.Drain();

  Open(SyncPolicy::kEverySecond);
  Write("d");
  journal_->set_sync_policy(SyncPolicy::kAlways);
  Restart(Crash::kPowerWorst);
  Open(SyncPolicy::kEverySecond);
  EXPECT_FALSE(journal_->trusted()) << "what was told before was not synced";
  journal_->Trust();
  Write("e");
  journal_->set_sync_policy(SyncPolicy::kAlways);
  Pass();
  Write("f");
  Restart(Crash::kPowerWorst);
  Open(SyncPolicy::kEverySecond);
  EXPECT_TRUE(journal_->trusted()) << "all that was told was synced";
}

TEST_F(JournalTrustTest, WhatAPersonHasCutIsDoubted) {
  Open(SyncPolicy::kAlways);
  Write("a");
  Pass();
  Write("b");
  Pass();
  const Position end = kFrameHeaderBytes + 1;
  journal_.reset();
  ASSERT_TRUE(CutAt(disk_, "j", end).ok());
  Open(SyncPolicy::kAlways);
  EXPECT_THAT(recovered_, ElementsAre("a"));
  EXPECT_FALSE(journal_->trusted());
  journal_->Trust();
  Write("b");
  Pass();
  // As a follower does, if its leader does not have that.
  journal_.reset();
  ASSERT_TRUE(CutAt(disk_, "j", end, CutBytes::kDropped).ok());
  Open(SyncPolicy::kEverySecond);
  EXPECT_THAT(recovered_, ElementsAre("a"));
  EXPECT_TRUE(journal_->trusted());

  Write("b");
  ASSERT_TRUE(journal_->Close(now_us_).ok());
  journal_.reset();
  Damage(end + kFrameHeaderBytes);
  ASSERT_FALSE(TryOpen(SyncPolicy::kAlways).ok());
  ASSERT_TRUE(TryOpen(SyncPolicy::kAlways, false, true).ok());
  EXPECT_FALSE(journal_->trusted());
}

// It lacks all that its leader has.
TEST_F(JournalTrustTest, ANewJournalThatFollowsIsDoubted) {
  Open(SyncPolicy::kAlways, true);
  EXPECT_FALSE(journal_->trusted());
}

TEST_F(JournalTrustTest, TheNoteSaysWhatWasSyncedOfForeignFrames) {
  Open(SyncPolicy::kEverySecond, true);
  journal_->Trust();
  WriteForeign("a");
  Pass();
  WriteForeign("b");
  Pass();
  const Position synced = journal_->durable();
  EXPECT_EQ(synced, journal_->appended());
  EXPECT_EQ((**ReadNote(disk_, "j")).synced, synced);
  WriteForeign("c");
  WriteForeign("d");
  Restart(Crash::kPower);
  // A hole where nothing had been synced, in spite of what the last frame says of its own disk.
  Damage(synced + kFrameHeaderBytes);
  Open(SyncPolicy::kEverySecond, true);
  EXPECT_THAT(recovered_, ElementsAre("a", "b"));
  EXPECT_FALSE(journal_->trusted());
  // A hole below that.
  journal_.reset();
  Damage(kFrameHeaderBytes + 1 + kFrameHeaderBytes);
  EXPECT_THAT(TryOpen(SyncPolicy::kEverySecond, true).message(), HasSubstr("damage"));
}

// Once a second at most, and not by a server whose frames say it.
TEST_F(JournalTrustTest, TheNoteIsNotWrittenForEachSync) {
  Open(SyncPolicy::kEverySecond, true);
  WriteForeign("a");
  Pass();
  const Position noted = (**ReadNote(disk_, "j")).synced;
  EXPECT_EQ(noted, journal_->durable());
  WriteForeign("b");
  journal_->RequestSync();
  now_us_ -= kTrustSecond / 2;
  Pass();
  EXPECT_EQ(journal_->durable(), journal_->appended());
  EXPECT_EQ((**ReadNote(disk_, "j")).synced, noted);
}

// It is of the epoch of a process that may have told others of another frame at this place.
TEST_F(JournalTrustTest, ACleanEndOfAProcessThatWroteNothingAddsNoFrame) {
  Open(SyncPolicy::kEverySecond);
  ASSERT_TRUE(journal_->Lead(1).ok());
  Write("a");
  Pass();
  const Position end = journal_->appended();
  Restart(Crash::kPowerWorst);
  Open(SyncPolicy::kEverySecond);
  EXPECT_EQ(journal_->appended(), end);
  ASSERT_TRUE(journal_->Close(now_us_).ok());
  EXPECT_EQ(journal_->appended(), end);
  EXPECT_TRUE((**ReadNote(disk_, "j")).closed);
  Open(SyncPolicy::kEverySecond);
  ASSERT_TRUE(journal_->Lead(2).ok());
  ASSERT_TRUE(journal_->Close(now_us_).ok());
  EXPECT_EQ(journal_->appended(), end + 2 * kFrameHeaderBytes) << "this one has an epoch";
}

}  // namespace
}  // namespace runnel::journal
