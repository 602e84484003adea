#include "utils/check_journal.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <sstream>

#include "effects/batch.h"
#include "effects/keyspace_effects.h"
#include "effects/string_effects.h"
#include "journal/note.h"
#include "journal/segment.h"
#include "journal/set_aside.h"
#include "journal/testing.h"
#include "tests/sim/files.h"
#include "tests/sim/model_disk.h"

namespace runnel::check {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

class CheckJournalTest : public ::testing::Test {
 protected:
  // Two segments with a frame of 50 bytes each; both frames know all before them to be synced.
  void SetUp() override {
    journal::EncodeFrame({1, 0, 0, 2, "0123456789"}, &first_);
    journal::EncodeFrame({3, 50, 50, 1, "abcdefghij"}, &second_);
    Write(first_, second_);
  }
  void Write(const std::string& first, const std::string& second) {
    sim::WriteFile(disk_, journal::SegmentPath("j", 0), first);
    sim::WriteFile(disk_, journal::SegmentPath("j", 50), second);
  }
  std::string Check(bool expected, const JournalOptions& options) {
    std::ostringstream out;
    const auto whole = CheckJournal(
        disk_, options, HexPrinter(4), [&](double share) { share_ = share; }, out);
    EXPECT_TRUE(whole.ok()) << whole.status().message();
    EXPECT_EQ(whole.ok() && *whole, expected);
    return out.str();
  }
  Status Cut(Position position, bool yes) {
    std::ostringstream out;
    const Status status = CutJournal(disk_, "j", position, yes, out);
    out_ = out.str();
    return status;
  }

  sim::ModelDisk disk_{1};
  std::string first_, second_, out_;
  double share_ = 0;
};

TEST_F(CheckJournalTest, ListsSegments) {
  const std::string text = Check(true, {"j", {}, false});
  EXPECT_THAT(text, ::testing::ContainsRegex("00000000000000000000.log +50 +50 +1 +2  1-1\n"));
  EXPECT_THAT(text, ::testing::ContainsRegex("00000000000000000050.log +50 +50 +1 +1  3-3\n"));
  EXPECT_THAT(text, HasSubstr("\ngood up to position 100: 2 frames, 3 records\n"));
  EXPECT_EQ(share_, 1);
}

TEST_F(CheckJournalTest, DumpsFrames) {
  const std::string text = Check(true, {"j", {}, true});
  EXPECT_THAT(text, HasSubstr("position 0  epoch 1  records 2  bytes 10  synced to 0\n"
                              "  00000000  30 31 32 33                                      0123\n"
                              "  and 6 bytes more\n"
                              "position 50  epoch 3  records 1  bytes 10  synced to 50\n"));
}

TEST(EffectPrinter, PrintsEffectsAndFindsKeys) {
  Batch batch;
  batch.set_on(true);
  batch.Add(StringSet{KeyRef(0, "a"), "value", kNoExpiry});
  batch.Add(KeyRename{KeyRef(0, "a"), KeyRef(1, "b")});
  batch.Add(Swap{0, 1});
  const auto print = [&](std::optional<std::string> key, bool shown) {
    std::ostringstream out;
    EXPECT_EQ(EffectPrinter({3, 3}, key)(batch.bytes(), out), shown);
    return out.str();
  };
  const std::string set = "  string-set 0:\"a\" \"val\"(+2) never\n";
  // Its record leaves "a" out.
  const std::string rest = "  key-rename 0:\"a\" 1:\"b\"\n  swap 0 1\n";
  EXPECT_EQ(print({}, true), set + rest);
  EXPECT_EQ(print("a", true), set + rest);
  EXPECT_EQ(print("b", true), rest);
  batch.Clear();
  batch.Add(KeyRemove{KeyRef(0, "a")});
  EXPECT_EQ(print("b", false), "");
  batch.Clear();
  EXPECT_EQ(print({}, true), "");
  EXPECT_EQ(print("b", false), "");
}

TEST(EffectPrinter, WhatItCannotReadIsShownWithEveryKey) {
  std::ostringstream out;
  EXPECT_TRUE(EffectPrinter({}, "a")(std::string("\x02\x6d\x00\x01\x81\x09x", 7), out));
  EXPECT_EQ(out.str(),
            "  no effect has the type 109\n"
            "  the 1 bytes are no key-remove effect\n"
            "  what follows are no records\n");
}

TEST_F(CheckJournalTest, LeavesOutFramesThatAreNotToBeShown) {
  std::ostringstream out;
  const auto only_second = [](std::string_view payload, std::ostream&) {
    return payload.starts_with("a");
  };
  ASSERT_TRUE(CheckJournal(
                  disk_, {"j", {}, true}, only_second, [](double) {}, out)
                  .ok());
  EXPECT_THAT(out.str(), Not(HasSubstr("position 0 ")));
  EXPECT_THAT(out.str(), HasSubstr("position 50  epoch 3"));
}

TEST_F(CheckJournalTest, BeginsWhereItIsTold) {
  const std::string text = Check(true, {"j", 50, true});
  EXPECT_THAT(text, Not(HasSubstr("position 0 ")));
  EXPECT_THAT(text, HasSubstr("position 50 "));
}

TEST_F(CheckJournalTest, TellsDamageFromATornTail) {
  second_[45] ^= 1;
  Write(first_, second_);
  const std::string torn = Check(false, {"j", {}, false});
  EXPECT_THAT(torn, HasSubstr("NOT WHOLE: good up to position 50"));
  EXPECT_THAT(torn, HasSubstr("cuts there by itself"));
  second_[45] ^= 1;
  first_[45] ^= 1;
  Write(first_, second_);
  const std::string damaged = Check(false, {"j", {}, false});
  EXPECT_THAT(damaged, HasSubstr("j/00000000000000000000.log, offset 0 (position 0): damage"));
  EXPECT_THAT(damaged,
              HasSubstr("does not start on this. Restore the directory from a copy if there is "
                        "one. runnel-check shows what is left; 'runnel-check --cut 0' goes on "
                        "without the rest.\n"));
  EXPECT_EQ(sim::ReadFile(disk_, journal::SegmentPath("j", 0)), first_) << "nothing is changed";
}

// It may be that nothing is damaged.
TEST_F(CheckJournalTest, WhatANewerServerWroteIsNotToBeCut) {
  second_[3] = journal::kFormatVersion + 1;
  Write(first_, second_);
  const std::string newer = Check(false, {"j", {}, false});
  EXPECT_THAT(newer, HasSubstr("NOT WHOLE: good up to position 50"));
  EXPECT_THAT(newer, HasSubstr("newer version"));
  EXPECT_THAT(newer, HasSubstr("Start the version of Runnel that wrote it."));
  EXPECT_THAT(newer, Not(HasSubstr("cut")));
}

TEST_F(CheckJournalTest, CutsOnlyWhenItIsTold) {
  EXPECT_THAT(Cut(50, false).message(), HasSubstr("nothing was cut"));
  EXPECT_EQ(out_, "00000000000000000050.log: bytes 0 to 50\n");
  EXPECT_EQ(sim::ReadFile(disk_, journal::SegmentPath("j", 50)), second_);
  EXPECT_FALSE(Cut(49, true).ok());
  EXPECT_EQ(sim::ReadFile(disk_, journal::SegmentPath("j", 50)), second_);
  EXPECT_TRUE(Cut(50, true).ok());
  EXPECT_THAT(Check(true, {"j", {}, false}), HasSubstr("good up to position 50"));
}

TEST_F(CheckJournalTest, ShowsFramesThatWereCutOff) {
  const std::atomic<bool> stop = false;
  const auto kept = journal::KeepFrames(disk_, "j", {0, 1000}, 50, 100, stop);
  ASSERT_TRUE(kept.ok()) << kept.message();
  ASSERT_TRUE(disk_.SyncDirectory("j").ok());
  const std::string line = kept->path +
                           ": cut off, positions 50 to 100: 1 frames, 1 records, epochs "
                           "0000000000000003-0000000000000003\n";
  EXPECT_THAT(Check(true, {"j", {}, false}), HasSubstr(line));
  const auto check = [&](bool expected) {
    std::ostringstream out;
    const auto whole = CheckDropped(disk_, {kept->path, {}, true}, HexPrinter(4), out);
    EXPECT_TRUE(whole.ok()) << whole.message();
    EXPECT_EQ(whole.ok() && *whole, expected);
    return out.str();
  };
  const std::string text = check(true);
  EXPECT_THAT(text, HasSubstr("position 50  epoch 3  records 1  bytes 10  synced to 50\n"));
  EXPECT_THAT(text, HasSubstr(line));
  second_[45] ^= 1;
  sim::WriteFile(disk_, kept->path, second_);
  EXPECT_THAT(check(false), HasSubstr(kept->path + ", offset 0: no frame of the journal"));
}

// Their checksums need the identity of the journal that they were cut off.
TEST_F(CheckJournalTest, ShowsFramesOfTheJournalThatWasHereBefore) {
  const std::atomic<bool> stop = false;
  ASSERT_TRUE(journal::WriteIdentity(disk_, "j", {0xabc, 1000}).ok());
  const auto kept = journal::KeepFrames(disk_, "j", {0xabc, 1000}, 50, 100, stop);
  ASSERT_TRUE(kept.ok()) << kept.message();
  std::string frame;
  journal::EncodeFrame({3, 50, 0, 1, "0123456789"}, 0xabc, &frame);
  sim::WriteFile(disk_, kept->path, frame);
  ASSERT_TRUE(journal::TakeIdentity(disk_, "j", {0xdef, 0}).ok());
  ASSERT_TRUE(journal::TakeIdentity(disk_, "j", {0xdef, 0}).ok());
  const auto older = journal::ListOlderIdentities(disk_, "j");
  ASSERT_TRUE(older.ok());
  ASSERT_EQ(older->size(), 1u);
  std::ostringstream out;
  const auto whole = CheckDropped(disk_, {kept->path, {}, true}, HexPrinter(4), out);
  ASSERT_TRUE(whole.ok()) << whole.message();
  EXPECT_TRUE(*whole) << out.str();
}

TEST_F(CheckJournalTest, ShowsASegmentThatWasSetAside) {
  const std::string path = journal::SegmentPath("j", 50) + ".damaged";
  sim::WriteFile(disk_, path, second_ + std::string(100, '\0'));
  EXPECT_TRUE(ParseFramesFile(path));
  EXPECT_TRUE(ParseFramesFile(journal::SegmentPath("j", 50) + ".2.damaged"));
  EXPECT_FALSE(ParseFramesFile(journal::SegmentPath("j", 50) + ".x.damaged"));
  EXPECT_FALSE(ParseFramesFile(journal::SegmentPath("j", 50)));
  EXPECT_FALSE(ParseFramesFile("j/x.damaged"));
  std::ostringstream out;
  const auto whole = CheckDropped(disk_, {path, {}, true}, HexPrinter(4), out);
  ASSERT_TRUE(whole.ok()) << whole.message();
  EXPECT_TRUE(*whole) << out.str();
  EXPECT_THAT(out.str(), HasSubstr("position 50  epoch 3"));
}

TEST_F(CheckJournalTest, DoesNotCutUnderAServer) {
  const auto server = disk_.Lock("j");
  EXPECT_FALSE(Cut(50, true).ok());
  EXPECT_EQ(sim::ReadFile(disk_, journal::SegmentPath("j", 50)), second_);
}

}  // namespace
}  // namespace runnel::check
