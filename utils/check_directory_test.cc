#include "utils/check_directory.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <sstream>
#include <string>

#include "base/log.h"
#include "data/string_object.h"
#include "effects/batch.h"
#include "effects/keyspace_effects.h"
#include "effects/list_effects.h"
#include "effects/string_effects.h"
#include "journal/note.h"
#include "journal/segment.h"
#include "journal/testing.h"
#include "replication/node_id.h"
#include "snapshot/files.h"
#include "snapshot/format.h"
#include "snapshot/snapshotter.h"
#include "tests/sim/files.h"
#include "tests/sim/model_disk.h"
#include "tests/sim/stepped_worker.h"

namespace runnel::check {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

// A server's directory `d`: a journal from position 0 on, snapshots in its middle.
class CheckDirectoryTest : public ::testing::Test {
 protected:
  void SetUp() override {
    SetLogLevel(LogLevel::kNothing);
    ASSERT_TRUE(disk_.CreateDirectory("d").ok());
    keyspace_.Put(KeyRef(0, "a"), std::make_unique<StringObject>("1"));
  }
  ~CheckDirectoryTest() override { SetLogLevel(LogLevel::kVerbose); }

  template <class... Effects>
  void AddFrame(const Effects&... effects) {
    Batch batch;
    batch.set_on(true);
    (batch.Add(effects), ...);
    journal::EncodeFrame(
        {1, journal_.size(), 0, static_cast<uint32_t>(batch.count()), batch.bytes()}, &journal_);
    sim::WriteFile(disk_, journal::SegmentPath("d/journal", 0), journal_);
  }
  void TakeSnapshot() {
    sim::SteppedWorker worker;
    snapshot::Snapshotter snapshotter(&disk_, &worker, &keyspace_, "d/snapshots");
    snapshotter.set_kept(2);
    Status status;
    snapshotter.Begin(
        {journal_.size(), 1, 0, 0},
        [&](const Status& ended, const snapshot::SnapshotTotals&) { status = ended; });
    snapshotter.RunToEnd();
    ASSERT_TRUE(status.ok()) << status.message();
  }
  std::string Check(bool expected) {
    std::ostringstream out;
    const auto good = CheckDirectory(
        disk_, {"d"}, [](double) {}, out);
    EXPECT_TRUE(good.ok()) << good.status().message();
    EXPECT_EQ(good.ok() && *good, expected) << out.str();
    return out.str();
  }

  sim::ModelDisk disk_{1};
  Keyspace keyspace_{16};
  std::string journal_;
};

TEST_F(CheckDirectoryTest, TellsWhatADirectoryIs) {
  EXPECT_EQ(KindOfDirectory(disk_, "d"), DirectoryKind::kNothing);
  EXPECT_EQ(KindOfDirectory(disk_, "nowhere"), DirectoryKind::kNothing);
  AddFrame(StringSet{KeyRef(0, "a"), "1"});
  EXPECT_EQ(KindOfDirectory(disk_, "d"), DirectoryKind::kServer);
  EXPECT_EQ(KindOfDirectory(disk_, "d/journal"), DirectoryKind::kJournal);
}

TEST_F(CheckDirectoryTest, SaysThatAllIsGoodWhenItIs) {
  AddFrame(StringSet{KeyRef(0, "a"), "1"});
  TakeSnapshot();
  AddFrame(StringAppend{KeyRef(0, "a"), "2"}, StringSet{KeyRef(0, "b"), "1"});
  const std::string text = Check(true);
  EXPECT_THAT(text, HasSubstr(".snap: good, 1 keys"));
  EXPECT_THAT(text, HasSubstr("good up to position " + std::to_string(journal_.size())));
  EXPECT_THAT(text, HasSubstr("the journal fits: 2 changes from position"));
}

TEST_F(CheckDirectoryTest, FindsADamagedSnapshot) {
  AddFrame(StringSet{KeyRef(0, "a"), "1"});
  TakeSnapshot();
  const Position position = journal_.size();
  const std::string path = snapshot::SnapshotPath("d/snapshots", position);
  const std::string bytes = sim::ReadFile(disk_, path);
  for (size_t i = 0; i < bytes.size(); i++) {
    std::string damaged = bytes;
    damaged[i] ^= 1;
    sim::WriteFile(disk_, path, damaged);
    EXPECT_THAT(Check(false),
                AllOf(HasSubstr("NOT GOOD: " + path + ", offset "), HasSubstr("put the file back")))
        << "byte " << i;
  }
  sim::WriteFile(disk_, path, bytes);
  Check(true);
}

TEST_F(CheckDirectoryTest, AJournalThatDoesNotFitIsNamed) {
  AddFrame(StringSet{KeyRef(0, "a"), "1"});
  const Position second = journal_.size();
  AddFrame(ListPop{KeyRef(0, "a"), ListEnd::kFront, 1});
  const std::string text = Check(false);
  EXPECT_THAT(text,
              HasSubstr("list-pop 0:\"a\" 0 1 does not fit: the key holds a value of another"));
  EXPECT_THAT(text, HasSubstr("runnel-check d/journal --cut " + std::to_string(second)));
}

// What a newer server has written is not damaged.
TEST_F(CheckDirectoryTest, NewerFormatsAreNotToBeCut) {
  AddFrame(StringSet{KeyRef(0, "a"), "1"});
  TakeSnapshot();
  const std::string path = snapshot::SnapshotPath("d/snapshots", journal_.size());
  const std::string snapshot = sim::ReadFile(disk_, path);
  std::string newer = snapshot;
  newer[3] = snapshot::kFormatVersion + 1;  // after "RNS"
  sim::WriteFile(disk_, path, newer);
  EXPECT_THAT(Check(false), AllOf(HasSubstr("Start the version of Runnel that wrote it."),
                                  Not(HasSubstr("put the file back")), Not(HasSubstr("cut"))));
  sim::WriteFile(disk_, path, snapshot);
  journal::EncodeFrame({1, journal_.size(), 0, 1, "\x01\x6d"}, &journal_);
  sim::WriteFile(disk_, journal::SegmentPath("d/journal", 0), journal_);
  EXPECT_THAT(Check(false), AllOf(HasSubstr("no effect has the type 109; a later version"),
                                  HasSubstr("Start the version of Runnel that wrote it."),
                                  Not(HasSubstr("cut"))));
}

// However many databases the server had.
TEST_F(CheckDirectoryTest, ThereAreAsManyDatabasesAsAreUsed) {
  AddFrame(StringSet{KeyRef(900, "a"), "1"});
  EXPECT_THAT(Check(true), HasSubstr("the journal fits: 1 changes"));
  sim::WriteFile(disk_, journal::SegmentPath("d/journal", 0), "");
  journal_.clear();
  keyspace_.Put(KeyRef(15, "a"), std::make_unique<StringObject>("1"));
  TakeSnapshot();
  EXPECT_THAT(Check(true), HasSubstr("good, 2 keys"));
}

TEST_F(CheckDirectoryTest, ALostJournalIsNamed) {
  AddFrame(StringSet{KeyRef(0, "a"), "1"});
  ASSERT_TRUE(disk_.Remove(journal::SegmentPath("d/journal", 0)).ok());
  journal::Note note;
  note.identity = {1, 0};
  note.last = 0;
  note.last_bytes = note.synced = journal_.size();
  ASSERT_TRUE(journal::WriteNote(disk_, "d/journal", note).ok());
  EXPECT_EQ(KindOfDirectory(disk_, "d"), DirectoryKind::kServer);
  EXPECT_THAT(Check(false), HasSubstr("d/journal"));
}

TEST_F(CheckDirectoryTest, ACopyGetsANodeIdOfItsOwn) {
  EXPECT_THAT(GiveNewNodeId(disk_, "d").status().message(),
              HasSubstr("d: this is not the data directory of a server"));
  AddFrame(StringSet{KeyRef(0, "a"), "1"});
  const auto before = replication::ReadOrMakeNodeId(disk_, "d/node");
  ASSERT_TRUE(before.ok());
  {
    const auto server = disk_.Lock("d");
    EXPECT_FALSE(GiveNewNodeId(disk_, "d").ok());
  }
  EXPECT_EQ(*replication::ReadOrMakeNodeId(disk_, "d/node"), *before);
  const auto id = GiveNewNodeId(disk_, "d");
  ASSERT_TRUE(id.ok()) << id.status().message();
  EXPECT_NE(*id, *before);
  EXPECT_EQ(*replication::ReadOrMakeNodeId(disk_, "d/node"), *id);
}

TEST_F(CheckDirectoryTest, AMissingBeginningIsNamed) {
  AddFrame(StringSet{KeyRef(0, "a"), "1"});
  const Position second = journal_.size();
  AddFrame(StringAppend{KeyRef(0, "a"), "2"});
  ASSERT_TRUE(disk_.Remove(journal::SegmentPath("d/journal", 0)).ok());
  sim::WriteFile(disk_, journal::SegmentPath("d/journal", second), journal_.substr(second));
  EXPECT_THAT(Check(false), HasSubstr("the journal begins at position"));
}

}  // namespace
}  // namespace runnel::check
