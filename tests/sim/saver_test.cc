// When snapshots are taken, and what the directory takes meanwhile: a broker with journal and
// snapshots on the model disk, where a queue is churned.

#include "server/saver.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <deque>
#include <limits>
#include <memory>
#include <string>

#include "base/log.h"
#include "base/random.h"
#include "broker/testing.h"
#include "server/storage.h"
#include "tests/sim/model_disk.h"
#include "tests/sim/stepped_worker.h"

namespace runnel {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr uint64_t kMb = uint64_t{1} << 20;
constexpr size_t kValueBytes = 64 * 1024;

class SaverTest : public ::testing::Test {
 protected:
  SaverTest() {
    SetLogLevel(LogLevel::kNothing);
    options_.dir = ".";
  }
  ~SaverTest() override {
    saver_.reset();
    client_.reset();
    harness_.broker.KeepIn(nullptr);
    for (uint32_t db = 0; db < harness_.keyspace.databases(); db++) {
      harness_.keyspace.Flush(db);
    }
    storage_.reset();
    SetLogLevel(LogLevel::kVerbose);
  }

  void Start() {
    storage_ = std::make_unique<Storage>(
        disk_, harness_.clock,
        Storage::Workers{log_, helper_, snapshot_, cold_writer_, cold_reader_, cold_syncer_},
        options_, cold_, harness_.keyspace);
    ASSERT_TRUE(storage_->Open().ok());
    ASSERT_TRUE(storage_->Load().ok());
    saver_ = std::make_unique<Saver>(storage_->snapshotter(), harness_.broker, options_,
                                     harness_.clock, disk_, [this] { return hold_; });
    harness_.broker.KeepIn(storage_->journal());
    saver_->StartFrom(storage_->found());
    client_ = harness_.Connect();
  }
  // One turn of the loop, with a tenth of a second around it, in which all helpers come to an end.
  std::string Turn(std::vector<std::string> request) {
    const std::string reply = client_->Ask(std::move(request));
    saver_->Turn();
    harness_.Advance(100);
    saver_->Cron();
    for (sim::SteppedWorker* worker : {&log_, &helper_, &cold_syncer_, &snapshot_}) {
      worker->Drain();
    }
    most_used_ = std::max(most_used_, disk_.used());
    return reply;
  }
  // Bytes that cannot be compressed.
  std::string Value() {
    std::string value(kValueBytes, '\0');
    for (size_t i = 0; i < value.size(); i += 8) {
      const uint64_t bits = random_.Next();
      value.replace(i, 8, reinterpret_cast<const char*>(&bits), 8);
    }
    return value;
  }
  // Keeps `length` elements in a list while so many bytes pass through it. All must be accepted.
  void Churn(uint64_t length, uint64_t bytes) {
    for (uint64_t passed = 0; passed < bytes; passed += kValueBytes) {
      ASSERT_THAT(Turn({"RPUSH", "queue", Value()}), HasSubstr(":"));
      if (++queued_ <= length) continue;
      queued_--;
      ASSERT_THAT(Turn({"LPOP", "queue"}), HasSubstr("$"));
    }
  }
  std::vector<std::string> Snapshots() { return *disk_.List("snapshots"); }

  sim::ModelDisk disk_{1};
  testing::BrokerHarness harness_;
  sim::SteppedWorker log_, helper_, snapshot_, cold_writer_, cold_reader_, cold_syncer_;
  Random random_{7};
  ServerOptions options_;
  ColdSettings cold_;
  std::unique_ptr<Storage> storage_;
  std::unique_ptr<Saver> saver_;
  std::unique_ptr<testing::BrokerHarness::Client> client_;
  Position hold_ = UINT64_MAX;  // followers need the journal from here on
  uint64_t queued_ = 0;
  uint64_t most_used_ = 0;
};

TEST_F(SaverTest, AChurnedQueueStaysWithinFourTimesItsData) {
  Start();
  // Hardly any data.
  Churn(1, 200 * kMb);
  EXPECT_GT(saver_->saves(), 5u);
  EXPECT_THAT(Snapshots(), SizeIs(2));
  EXPECT_LE(most_used_, 4 * kValueBytes + 128 * kMb);
  // More. While it becomes so much, there is less.
  const uint64_t data = 40 * kMb;
  Churn(data / kValueBytes, data + 250 * kMb);
  EXPECT_THAT(Snapshots(), SizeIs(2));
  EXPECT_LE(most_used_, 4 * data + 128 * kMb);
}

// Whatever the directive says, a snapshot makes room before a change is refused.
TEST_F(SaverTest, BeforeTheDiskIsFullASnapshotIsTaken) {
  for (const uint64_t bytes : {kAutomatic, uint64_t{1024} * kMb, uint64_t{0}}) {
    SCOPED_TRACE(bytes);
    disk_.set_capacity(48 * kMb);
    options_.snapshot_journal_bytes = bytes;
    options_.journal_segment_bytes = 2 * kMb;
    if (storage_ == nullptr) Start();
    const uint64_t before = saver_->saves();
    Churn(16, 100 * kMb);
    EXPECT_GT(saver_->saves(), before);
  }
}

// The older one makes room when there is little.
TEST_F(SaverTest, OnAFullDiskOnlyTheNewestSnapshotStays) {
  options_.snapshot_journal_bytes = 4 * kMb;
  options_.journal_segment_bytes = 1 * kMb;
  Start();
  Churn(64, 20 * kMb);
  ASSERT_THAT(Snapshots(), SizeIs(2));
  disk_.set_capacity(disk_.used() + 3 * kMb);
  for (int i = 0; i < 20 && Snapshots().size() > 1; i++) {
    Turn({"GET", "nothing"});
  }
  EXPECT_THAT(Snapshots(), SizeIs(1));
  // And what only the older one needed of the journal has gone.
  EXPECT_LE(saver_->last_position() - storage_->journal()->first(), 1 * kMb);
  Churn(64, 20 * kMb);
}

// What is kept for followers goes before an older snapshot does, and before a change is refused.
TEST_F(SaverTest, OnAFullDiskJournalThatIsKeptForFollowersGoesFirst) {
  options_.snapshot_journal_bytes = 4 * kMb;
  options_.journal_segment_bytes = 1 * kMb;
  Start();
  hold_ = 0;
  Churn(4, 30 * kMb);
  ASSERT_THAT(Snapshots(), SizeIs(2));
  ASSERT_EQ(storage_->journal()->first(), 0u);
  SetLogLevel(LogLevel::kWarning);
  ::testing::internal::CaptureStdout();
  // Room for a snapshot and its journal, once the other journal is gone.
  disk_.set_capacity(disk_.used() + 1 * kMb);
  for (int i = 0; i < 20 && storage_->journal()->first() == 0; i++) {
    Turn({"GET", "nothing"});
  }
  const std::string log = ::testing::internal::GetCapturedStdout();
  SetLogLevel(LogLevel::kNothing);
  EXPECT_GT(storage_->journal()->first(), 20 * kMb);
  EXPECT_LE(storage_->journal()->first(), saver_->positions().front());
  EXPECT_THAT(log, HasSubstr("which followers need from 0 on"));
  for (int i = 0; i < 30; i++) {
    Turn({"GET", "nothing"});
  }
  EXPECT_THAT(Snapshots(), SizeIs(2)) << "that was enough";
  Churn(4, 10 * kMb);
}

TEST_F(SaverTest, NothingIsSavedOrRemovedWhileItIsSuspended) {
  options_.snapshot_journal_bytes = 1 * kMb;
  Start();
  Churn(4, 3 * kMb);
  const uint64_t saves = saver_->saves();
  // One that is being taken ends, and one that was asked for is not begun.
  saver_->Begin(Saver::Kind::kSave);
  client_->Ask({"SET", "k", "v"});
  saver_->Turn();
  saver_->Schedule(Saver::Kind::kRewrite);
  saver_->Suspend("the journal is cut");
  for (int i = 0; i < 10 && saver_->busy(); i++) {
    Turn({"GET", "k"});
  }
  EXPECT_FALSE(saver_->busy());
  EXPECT_FALSE(saver_->scheduled(Saver::Kind::kRewrite));
  for (const auto kind : {Saver::Kind::kSave, Saver::Kind::kRewrite}) {
    EXPECT_THAT(saver_->last(kind).status.message(), HasSubstr("the journal is cut"));
  }
  EXPECT_THAT(saver_->Refusal().message(), HasSubstr("the journal is cut"));
  const std::vector<Position> positions = saver_->positions();
  ASSERT_THAT(positions, SizeIs(1)) << "the one before has made room for the new one";
  Churn(4, 5 * kMb);
  EXPECT_EQ(saver_->saves(), saves);
  EXPECT_THAT(Snapshots(), SizeIs(1));
  saver_->NoteCut(positions.front(), 0);
  EXPECT_EQ(saver_->positions(), positions);
  EXPECT_EQ(saver_->last_position(), positions.front());
  saver_->NoteCut(positions.front() - 1, 17);
  EXPECT_THAT(saver_->positions(), IsEmpty());
  EXPECT_EQ(saver_->last_position(), 17u);
  saver_->Resume();
  Turn({"GET", "k"});
  Turn({"GET", "k"});
  EXPECT_GT(saver_->saves(), saves);
}

TEST_F(SaverTest, TheEndWaitsForASnapshotThatCanBeDoneWithoutOnlySoLong) {
  options_.shutdown_timeout_s = 0;
  Start();
  Churn(1, 1 * kMb);
  EXPECT_THAT(saver_->SaveNow(true).message(), HasSubstr("longer than shutdown-timeout, 0 s"));
  EXPECT_THAT(Snapshots(), SizeIs(0));
  EXPECT_TRUE(saver_->SaveNow(false).ok()) << "somebody has asked for it";
  EXPECT_THAT(Snapshots(), SizeIs(1));
}

}  // namespace
}  // namespace runnel
