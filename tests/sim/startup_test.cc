// The start of a server on the model disk, step by step: what it loads, what it refuses, and what
// it does when the newest snapshot is damaged.

#include "server/startup.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <string>

#include "base/log.h"
#include "broker/testing.h"
#include "data/string_object.h"
#include "data/testing.h"
#include "effects/batch.h"
#include "effects/keyspace_effects.h"
#include "effects/list_effects.h"
#include "effects/string_effects.h"
#include "journal/segment.h"
#include "server/storage.h"
#include "snapshot/files.h"
#include "tests/sim/files.h"
#include "tests/sim/model_disk.h"
#include "tests/sim/stepped_worker.h"

namespace runnel {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

class StartupTest : public ::testing::Test {
 protected:
  StartupTest() {
    SetLogLevel(LogLevel::kNothing);
    options_.dir = ".";
    options_.journal_segment_bytes = 4096;
  }
  ~StartupTest() override {
    End();
    SetLogLevel(LogLevel::kVerbose);
  }

  // Loads with this budget for each step; counts the steps.
  Status Start(uint32_t databases = 16, size_t budget = Startup::kEverything) {
    End();
    keyspace_ = std::make_unique<Keyspace>(databases);
    storage_ = std::make_unique<Storage>(
        disk_, clock_,
        Storage::Workers{log_, helper_, snapshot_, cold_writer_, cold_reader_, cold_syncer_},
        options_, cold_, *keyspace_);
    if (Status opened = storage_->Open(); !opened.ok()) return opened;
    for (steps_ = 1;; steps_++) {
      const auto all = storage_->LoadSome(budget);
      if (!all.ok()) return all.status();
      if (*all) return {};
      EXPECT_LE(storage_->startup()->loaded_bytes(), storage_->startup()->total_bytes());
    }
  }
  // As if the process had been killed.
  void End() {
    if (keyspace_ != nullptr) {
      for (uint32_t db = 0; db < keyspace_->databases(); db++) {
        keyspace_->Flush(db);
      }
    }
    storage_.reset();
    keyspace_.reset();
  }

  template <class... Effects>
  void Change(const Effects&... effects) {
    Batch batch;
    batch.set_on(true);
    (batch.Add(effects), ...);
    (effects.Apply(*keyspace_), ...);
    ASSERT_TRUE(journal().Append(batch.bytes(), static_cast<uint32_t>(batch.count())).ok());
    journal().Flush(0);
  }
  journal::Journal& journal() { return *storage_->journal(); }
  Position TakeSnapshot() {
    Status status;
    const Position position = journal().appended();
    storage_->snapshotter().set_kept(2);
    storage_->snapshotter().Begin(
        {position, 0, 0, 0},
        [&](const Status& ended, const snapshot::SnapshotTotals&) { status = ended; });
    storage_->snapshotter().RunToEnd();
    EXPECT_TRUE(status.ok()) << status.message();
    return position;
  }
  std::string Get(std::string_view name) {
    const KeyEntry* entry = keyspace_->Find(KeyRef(0, name));
    return entry == nullptr ? "nothing" : std::string(entry->As<StringObject>()->ToString());
  }
  std::vector<std::string> Snapshots() { return *disk_.List("snapshots"); }

  sim::ModelDisk disk_{1};
  testing::ManualClock clock_;
  sim::SteppedWorker log_, helper_, snapshot_, cold_writer_, cold_reader_, cold_syncer_;
  ServerOptions options_;
  ColdSettings cold_;
  std::unique_ptr<Keyspace> keyspace_;
  std::unique_ptr<Storage> storage_;
  size_t steps_ = 0;
};

TEST_F(StartupTest, LoadsInStepsThatEndInsideFrames) {
  ASSERT_TRUE(Start().ok());
  const KeyRef key(0, "k");
  const StringAppend add{key, "x"};
  Change(add, add, add, add, add, add, add, add, add, add);
  TakeSnapshot();
  Change(add, add, add, add, add, add, add, add, add, add);
  ASSERT_TRUE(Start(16, 1).ok());
  EXPECT_EQ(Get("k"), std::string(20, 'x'));
  EXPECT_GT(steps_, 10u) << "one record of the journal in a step";
  ASSERT_TRUE(Start().ok()) << "and again in the same process";
  EXPECT_EQ(Get("k"), std::string(20, 'x'));
  EXPECT_GT(storage_->found().position, storage_->found().snapshot_position);
  EXPECT_EQ(storage_->found().position + journal::kFrameHeaderBytes,
            storage_->journal()->appended())
      << "but for the beginning of an epoch";
}

TEST_F(StartupTest, TooFewDatabasesAreRefusedWithTheNumberThatIsNeeded) {
  ASSERT_TRUE(Start(64).ok());
  Change(StringSet{KeyRef(0, "k"), "v"});
  Change(StringSet{KeyRef(20, "k"), "v"});
  Change(StringSet{KeyRef(50, "k"), "v"}, StringSet{KeyRef(0, "k"), "w"});
  const Position end = journal().appended();
  EXPECT_THAT(Start(16).message(),
              AllOf(HasSubstr("configured for 16 databases"), HasSubstr("at least 51"),
                    HasSubstr("journal/00000000000000000000.log, offset "),
                    HasSubstr("string-set 20:\"k\"")));
  ASSERT_TRUE(Start(51).ok()) << "a refused start has changed nothing";
  // The start that succeeds adds a frame without records.
  EXPECT_EQ(journal().appended(), end + journal::kFrameHeaderBytes);
  EXPECT_NE(keyspace_->Find(KeyRef(50, "k")), nullptr);
}

TEST_F(StartupTest, ARecordThatDoesNotFitIsRefusedWithFileAndOffset) {
  ASSERT_TRUE(Start().ok());
  Change(StringSet{KeyRef(0, "k"), "v"});
  Batch batch;
  batch.set_on(true);
  batch.Add(ListPop{KeyRef(0, "k"), ListEnd::kFront, 3});
  ASSERT_TRUE(journal().Append(batch.bytes(), 1).ok());
  journal().Flush(0);
  EXPECT_THAT(
      Start().message(),
      AllOf(HasSubstr("journal/00000000000000000000.log, offset "),
            HasSubstr("list-pop 0:\"k\" 0 3 does not fit: the key holds a value of another")));
}

TEST_F(StartupTest, ADamagedSnapshotIsSetAsideAndTheOneBeforeIsUsed) {
  ASSERT_TRUE(Start().ok());
  Change(StringSet{KeyRef(0, "k"), "1"});
  const Position older = TakeSnapshot();
  Change(StringSet{KeyRef(0, "k"), "2"});
  const Position newer = TakeSnapshot();
  Change(StringSet{KeyRef(0, "l"), "3"});
  ASSERT_TRUE(Start().ok());
  EXPECT_THAT(storage_->found().snapshots, ElementsAre(older, newer));

  const std::string path = snapshot::SnapshotPath("snapshots", newer);
  std::string bytes = sim::ReadFile(disk_, path);
  bytes[bytes.size() / 2] ^= 1;
  sim::WriteFile(disk_, path, bytes);
  ASSERT_TRUE(Start().ok());
  EXPECT_EQ(Get("k"), "2");
  EXPECT_EQ(Get("l"), "3");
  EXPECT_THAT(storage_->found().snapshots, ElementsAre(older));
  EXPECT_EQ(storage_->found().snapshot_position, older);
  EXPECT_THAT(Snapshots(), ElementsAre(snapshot::SnapshotName(older),
                                       snapshot::SnapshotName(newer) + ".damaged"));
  ASSERT_TRUE(Start().ok()) << "the next start does not meet it any more";
  EXPECT_EQ(Get("l"), "3");
}

TEST_F(StartupTest, AnOlderSnapshotThatTheJournalDoesNotReachIsRemoved) {
  ASSERT_TRUE(Start().ok());
  Change(StringSet{KeyRef(0, "k"), std::string(3000, '1')});
  const Position older = TakeSnapshot();
  for (int i = 0; i < 4; i++) {
    Change(StringSet{KeyRef(0, "k"), std::string(3000, '2')});
    log_.Drain();
    helper_.Drain();
    journal().Flush(0);
  }
  journal().SyncWritten();
  const Position newer = TakeSnapshot();
  journal().RemoveBefore(newer);
  helper_.Drain();
  ASSERT_GT(journal().first(), older);
  ASSERT_TRUE(Start().ok());
  EXPECT_THAT(storage_->found().snapshots, ElementsAre(newer));
  EXPECT_THAT(Snapshots(), ElementsAre(snapshot::SnapshotName(newer)));
}

}  // namespace
}  // namespace runnel
