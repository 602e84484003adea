// Cutting a journal at the end of a frame: what is cut lies in a file first, and a crash in any
// call of the disk leaves the journal with its old end, the new one, or one between.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cerrno>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "base/log.h"
#include "journal/journal.h"
#include "journal/set_aside.h"
#include "tests/sim/files.h"
#include "tests/sim/model_disk.h"
#include "tests/sim/seeds.h"
#include "tests/sim/stepped_worker.h"

namespace runnel::journal {
namespace {

using sim::Crash;
using sim::ModelDisk;
using sim::SteppedWorker;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr const char* kDirectory = "j";
constexpr Epoch kFirst = uint64_t{1} << 32 | 7;
constexpr Epoch kSecond = uint64_t{2} << 32 | 9;

// A journal of several segments, under two leaders: frames of 100 bytes, but for one without
// records where each epoch begins.
class CutTest : public ::testing::Test {
 protected:
  explicit CutTest(uint64_t seed = 1) : disk_(seed) { SetLogLevel(LogLevel::kNothing); }
  ~CutTest() override { SetLogLevel(LogLevel::kVerbose); }

  void Open(bool follows = true) {
    JournalOptions options;
    options.directory = kDirectory;
    options.segment_bytes = 350;
    options.follows = follows;
    auto opened = Journal::Open(&disk_, &log_, &helper_, options, [this](const Frame& frame) {
      found_[frame.base] = std::string(frame.bytes());
      return Status();
    });
    ASSERT_TRUE(opened.ok()) << opened.message();
    journal_ = std::move(*opened);
  }
  void Fill() {
    Open(false);
    ASSERT_TRUE(journal_->Lead(kFirst).ok());
    Append(7);
    ASSERT_TRUE(journal_->Lead(kSecond).ok());
    parting_ = 40 + 7 * 100;
    Append(7);
    end_ = journal_->written();
    ASSERT_EQ(end_, parting_ + 40 + 7 * 100);
    identity_ = journal_->identity();
    Close();
    Open();
    ASSERT_THAT(found_, SizeIs(16));
    bytes_.clear();
    for (const auto& [base, frame] : found_) {
      bytes_ += frame;
    }
    Close();
  }
  void Append(int frames) {
    for (int i = 0; i < frames; i++) {
      ASSERT_TRUE(journal_->Append(std::string(60, static_cast<char>('a' + next_++ % 26)), 1).ok());
      journal_->Flush(0);
      log_.Drain();
      helper_.Drain();
    }
  }
  // As if the process had been killed.
  void Close() {
    if (journal_ != nullptr) journal_->SyncWritten();
    journal_.reset();
    log_.Drain();
    helper_.Drain();
  }
  Result<DroppedFrames> Keep(Position begin, uint64_t most = kMostDroppedBytes) {
    return KeepFrames(disk_, kDirectory, identity_, begin, end_, stop_, most);
  }
  std::vector<std::string> Dropped() {
    auto names = disk_.List(DroppedDirectory(kDirectory));
    return names.ok() ? *names : std::vector<std::string>();
  }
  std::string BytesOf(const std::string& dropped) {
    return sim::ReadFile(disk_, DroppedDirectory(kDirectory) + "/" + dropped);
  }

  ModelDisk disk_;
  SteppedWorker log_, helper_;
  std::unique_ptr<Journal> journal_;
  std::map<Position, std::string> found_;
  std::atomic<bool> stop_ = false;
  Identity identity_;
  Position parting_ = 0;
  Position end_ = 0;
  std::string bytes_;  // of the whole journal
  int next_ = 0;
};

TEST_F(CutTest, WhatIsCutIsKeptAsFrames) {
  Fill();
  const auto kept = Keep(parting_);
  ASSERT_TRUE(kept.ok()) << kept.message();
  EXPECT_EQ(kept->path, "j/dropped/cut-000001-0000000200000009-00000000000000000740.frames");
  EXPECT_EQ(kept->epoch, kSecond);
  EXPECT_EQ(kept->frames, 8u);
  EXPECT_EQ(kept->records, 7u);
  EXPECT_EQ(kept->first_records, parting_ + 40);
  EXPECT_EQ(sim::ReadFile(disk_, kept->path), bytes_.substr(parting_));
  ASSERT_TRUE(CutAt(disk_, kDirectory, parting_, CutBytes::kDropped).ok());
  found_.clear();
  Open();
  EXPECT_EQ(journal_->written(), parting_);
  EXPECT_EQ(journal_->epochs().newest(), kFirst);
  EXPECT_THAT(found_, SizeIs(8));
  EXPECT_FALSE(sim::Exists(disk_, "j/cut-000001-00000000000000000740.tail"));
  const auto names = ListDropped(disk_, kDirectory);
  ASSERT_TRUE(names.ok());
  ASSERT_THAT(*names, SizeIs(1));
  EXPECT_EQ(names->front().position, parting_);
  EXPECT_EQ(names->front().epoch, kSecond);
}

TEST_F(CutTest, FramesWithoutRecordsAreTold) {
  Fill();
  end_ = parting_ + 40;
  const auto kept = Keep(parting_);
  ASSERT_TRUE(kept.ok()) << kept.message();
  EXPECT_EQ(kept->frames, 1u);
  EXPECT_EQ(kept->first_records, std::nullopt);
}

TEST_F(CutTest, TheOldestFilesGo) {
  Fill();
  const uint64_t bytes = end_ - parting_;
  for (int i = 0; i < 4; i++) {
    ASSERT_TRUE(Keep(parting_, 3 * bytes).ok());
  }
  const std::string rest = "-0000000200000009-00000000000000000740.frames";
  EXPECT_THAT(Dropped(),
              ElementsAre("cut-000002" + rest, "cut-000003" + rest, "cut-000004" + rest));
  // The newest stays, however large it is.
  ASSERT_TRUE(Keep(parting_, 1).ok());
  EXPECT_THAT(Dropped(), ElementsAre("cut-000005" + rest));
  disk_.Restart(Crash::kPowerWorst);
  EXPECT_THAT(Dropped(), ElementsAre("cut-000005" + rest));
  EXPECT_EQ(BytesOf(Dropped().front()), bytes_.substr(parting_));
}

TEST_F(CutTest, WhatCannotBeKeptLeavesNoFile) {
  Fill();
  EXPECT_THAT(KeepFrames(disk_, kDirectory, identity_, parting_ + 1, end_, stop_).message(),
              HasSubstr("no frame begins at position 741"));
  stop_ = true;
  EXPECT_FALSE(Keep(parting_).ok());
  stop_ = false;
  disk_.set_capacity(disk_.used() + 100);
  const auto full = Keep(parting_);
  EXPECT_EQ(full.status().error_number(), ENOSPC);
  EXPECT_THAT(full.message(), HasSubstr("740 bytes are to be kept there, and 100 are free"));
  disk_.set_capacity(UINT64_MAX);
  EXPECT_THAT(Dropped(), IsEmpty());
  // A frame that is damaged.
  const std::string path = SegmentPath(kDirectory, ListSegments(disk_, kDirectory)->back().base);
  std::string damaged = sim::ReadFile(disk_, path);
  damaged[50] ^= 1;
  sim::WriteFile(disk_, path, damaged);
  EXPECT_THAT(Keep(parting_).message(), HasSubstr("no frame begins at position"));
  EXPECT_THAT(Dropped(), IsEmpty());
}

TEST_F(CutTest, NamesThatAreOthersAreNotRead) {
  EXPECT_EQ(DroppedName::Parse("cut-000001-0000000200000009-00000000000000000740.tail"),
            std::nullopt);
  for (const char* name : {"", "cut-", "cut-1-2.frames", "cut-1-2-3.frames2", "cut-x-2-3.frames",
                           "cut-1-2-.frames", "ut-1-2-3.frames"}) {
    EXPECT_FALSE(DroppedName::Parse(name).has_value()) << name;
  }
  const DroppedName name{12, 0xabc, 345};
  EXPECT_EQ(name.ToString(), "cut-000012-0000000000000abc-00000000000000000345.frames");
  const auto parsed = DroppedName::Parse(name.ToString());
  ASSERT_TRUE(parsed.has_value());
  EXPECT_EQ(parsed->ToString(), name.ToString());
}

// The process ends inside each call of the disk that a cut makes, with every kind of loss.
class Cutting : public CutTest {
 public:
  explicit Cutting(uint64_t seed) : CutTest(seed) {}
  void TestBody() override {}

  // Whether the cut came to its end before the call.
  bool Run(uint64_t call, Crash crash) {
    Fill();
    disk_.StopAt(disk_.calls() + call);
    const bool cut =
        Keep(parting_).ok() && CutAt(disk_, kDirectory, parting_, CutBytes::kDropped).ok();
    const bool stopped = disk_.stopped();
    EXPECT_EQ(cut, !stopped);
    disk_.Restart(crash);
    found_.clear();
    Open();
    if (HasFailure()) return true;
    const Position left = journal_->written();
    if (!stopped) {
      EXPECT_EQ(left, parting_);
    }
    EXPECT_GE(left, parting_);
    std::string found;
    for (const auto& [base, frame] : found_) {
      found += frame;
    }
    EXPECT_TRUE(found == bytes_.substr(0, left)) << "frames are as they were";
    // Of what is gone nothing is lost.
    const bool kept = !Dropped().empty() && Dropped().back().ends_with(".frames") &&
                      BytesOf(Dropped().back()) == bytes_.substr(parting_);
    EXPECT_TRUE(kept || left == end_);
    // It is cut again, and goes on in another epoch.
    Close();
    end_ = left;
    if (left > parting_) {
      EXPECT_TRUE(Keep(parting_).ok());
      EXPECT_TRUE(CutAt(disk_, kDirectory, parting_, CutBytes::kDropped).ok());
    }
    Open(false);
    if (HasFailure()) return true;
    EXPECT_EQ(journal_->written(), parting_);
    EXPECT_TRUE(journal_->Lead(NextEpoch(kSecond, 1)).ok());
    Append(3);
    Close();
    disk_.Restart(Crash::kPowerWorst);
    found_.clear();
    Open();
    EXPECT_EQ(journal_->written(), parting_ + 40 + 300) << "nothing of before came back";
    Close();
    return !stopped;
  }
};

TEST(CutCrashTest, EveryCallIsACrashPoint) {
  sim::ForEachSeed(5, [](uint64_t seed) {
    for (const Crash crash : {Crash::kProcess, Crash::kPower, Crash::kPowerWorst}) {
      uint64_t call = 1;
      while (!Cutting(seed * 1000 + call).Run(call, crash) && !::testing::Test::HasFailure()) {
        call++;
      }
      EXPECT_GT(call, 20u)
          << "directory, its sync, file, frames, sync, rename, sync; note; segments, "
             "their sync, size, sync";
      if (::testing::Test::HasFailure()) {
        ADD_FAILURE() << "at call " << call;
        return;
      }
    }
  });
}

}  // namespace
}  // namespace runnel::journal
