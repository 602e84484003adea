// The parts of the cold store, each alone with the files on a model disk.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cerrno>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "cold/extent_io.h"
#include "cold/files.h"
#include "cold/reader.h"
#include "cold/running_command.h"
#include "cold/snapshot_files.h"
#include "cold/writer.h"
#include "data/cold_testing.h"
#include "data/stream/cold_runs.h"
#include "data/stream/entry_log.h"
#include "data/stream/hot_log.h"
#include "tests/sim/files.h"
#include "tests/sim/model_disk.h"
#include "tests/sim/stepped_worker.h"

namespace runnel::cold {
namespace {

using sim::ModelDisk;
using sim::SteppedWorker;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

template <class Log>
void Append(Log* log, uint64_t count) {
  const std::string padding(80, 'p');
  const std::vector<std::string_view> fields = {"padding", padding};
  for (uint64_t i = 0; i < count; i++) {
    log->Append({log->newest_id().ms + 1, 0}, fields, {});
  }
}

EntryRun RunOf(uint64_t entries) {
  HotLog log;
  Append(&log, entries);
  return EntryRun(std::move(log));
}

class ColdPartsTest : public ::testing::Test {
 protected:
  // A process begins.
  void Start() {
    files_ = std::make_unique<ColdFiles>(disk_, "streams", writer_, syncer_);
    ASSERT_TRUE(files_->List().ok());
  }
  void SetUp() override { Start(); }

  void Drain() {
    writer_.Drain();
    syncer_.Drain();
    reader_.Drain();
  }
  std::vector<std::string> Names() {
    const auto names = disk_.List("streams");
    return names.ok() ? *names : std::vector<std::string>();
  }
  // Writes a run of so many entries to the end of the file.
  Ref<StoredExtent> Write(const Ref<ColdFile>& file, uint64_t entries) {
    const EntryRun run = RunOf(entries);
    ExtentAppend append(file, Codec::kLz4);
    const StoredExtent::Place place = append.Add(run);
    append.Write(*files_);
    EXPECT_TRUE(append.Finish(files_.get()).ok());
    return Ref<StoredExtent>::Adopt(new StoredExtent(&source_, {file, place}, RunKind::kStream,
                                                     static_cast<uint32_t>(run.block_bytes()), 1));
  }
  Ref<StoredExtent> Write(uint64_t entries) {
    return Write(files_->NewFile(files_->NewObject()), entries);
  }
  uint64_t EntriesOf(const StoredExtent& extent) {
    const auto run = ReadExtent(*files_, extent);
    EXPECT_TRUE(run.ok()) << run.message();
    return run.ok() ? (*run)->entries() : 0;
  }
  static std::string Describe(const ColdExtent& extent) {
    std::string bytes;
    Encoder out(&bytes);
    extent.Describe(&out);
    return bytes;
  }

  ModelDisk disk_{1};
  SteppedWorker writer_;
  SteppedWorker reader_;
  SteppedWorker syncer_;
  FakeColdSource source_;  // to which extents belong; not asked for anything
  ColdSettings settings_;
  ColdSizes sizes_ = {.run_bytes = 2000,
                      .write_bytes = 8000,
                      .file_bytes = 5000,
                      .least_cache = 40'000,
                      .far_behind = 10'000};
  std::unique_ptr<ColdFiles> files_;
};

// --- Extents and the disk ---

TEST_F(ColdPartsTest, ExtentsLieOneBehindTheOther) {
  const Ref<ColdFile> file = files_->NewFile(7);
  EXPECT_EQ(files_->count(), 0u);
  const Ref<StoredExtent> first = Write(file, 5);
  const Ref<StoredExtent> second = Write(file, 9);
  EXPECT_EQ(first->location().place.offset, kFileHeaderBytes);
  EXPECT_EQ(second->location().place.offset, kFileHeaderBytes + first->location().place.bytes);
  EXPECT_EQ(EntriesOf(*first), 5u);
  EXPECT_EQ(EntriesOf(*second), 9u);
  EXPECT_EQ(files_->count(), 1u);
  EXPECT_EQ(files_->bytes(), file->size);
  EXPECT_TRUE(file->dirty);
}

TEST_F(ColdPartsTest, AFailedAppendLeavesTheFileAsItWas) {
  const Ref<ColdFile> file = files_->NewFile(7);
  const Ref<StoredExtent> first = Write(file, 5);
  const uint64_t size = file->size;
  ExtentAppend append(file, Codec::kNone);
  append.Add(RunOf(100));
  disk_.set_capacity(disk_.used() + 10);
  append.Write(*files_);
  EXPECT_FALSE(append.Finish(files_.get()).ok());
  EXPECT_EQ(file->size, size);
  EXPECT_EQ(files_->bytes(), size);
  disk_.set_capacity(UINT64_MAX);
  EXPECT_EQ(EntriesOf(*Write(file, 9)), 9u);
  EXPECT_EQ(EntriesOf(*first), 5u);
}

// --- Files ---

TEST_F(ColdPartsTest, AFileGoesWithItsLastReferenceAfterATurn) {
  Ref<StoredExtent> extent = Write(5);
  files_->EndTurn(0);
  Drain();
  EXPECT_EQ(Names().size(), 1u);
  extent = {};
  EXPECT_EQ(Names().size(), 1u);
  files_->EndTurn(0);
  Drain();
  EXPECT_THAT(Names(), IsEmpty());
  EXPECT_EQ(files_->count(), 0u);
  EXPECT_EQ(files_->bytes(), 0u);
}

TEST_F(ColdPartsTest, WhatCannotBeRemovedIsTriedAgainAfterASecond) {
  Write(5);
  disk_.FailCalls(disk_.calls() + 1, 1, EACCES);
  files_->EndTurn(1000);
  Drain();
  EXPECT_EQ(files_->count(), 1u);
  files_->EndTurn(1999);
  Drain();
  EXPECT_EQ(files_->count(), 1u);
  files_->EndTurn(2000);
  Drain();
  EXPECT_EQ(files_->count(), 0u);
  EXPECT_THAT(Names(), IsEmpty());
}

TEST_F(ColdPartsTest, TheStartKeepsWhatIsNamedOrHeld) {
  Ref<StoredExtent> named = Write(5);
  Ref<StoredExtent> held = Write(6);
  Ref<StoredExtent> unused = Write(7);
  const std::string description = Describe(*named);
  const std::string named_file = named->location().file->name.ToString();
  const std::string held_file = held->location().file->name.ToString();
  const uint64_t object = files_->NewObject();
  named = held = unused = {};
  Start();
  const uint64_t calls = disk_.calls();
  Decoder in(description);
  Ref<StoredExtent> found = files_->Resolve(&source_, &in);
  ASSERT_TRUE(found);
  Decoder again(description);
  EXPECT_EQ(files_->Resolve(&source_, &again).get(), found.get());
  FileRefs holds;
  EXPECT_TRUE(files_->Hold(held_file, &holds));
  EXPECT_FALSE(files_->Hold("no name", &holds));
  EXPECT_EQ(disk_.calls(), calls);
  EXPECT_TRUE(files_->RemoveUnused().ok());
  EXPECT_THAT(Names(), ElementsAre(named_file, held_file));
  EXPECT_EQ(EntriesOf(*found), 5u);
  // Numbers of values that have files are not given again.
  EXPECT_EQ(files_->NewObject(), object);
  found = {};
  holds.clear();
  Drain();
  files_->EndTurn(0);
  Drain();
  EXPECT_THAT(Names(), IsEmpty());
}

TEST_F(ColdPartsTest, WhatIsNotThereIsNamed) {
  Ref<StoredExtent> extent = Write(5);
  const std::string description = Describe(*extent);
  const std::string path = files_->PathOf(extent->location().file->name);
  extent = {};
  ASSERT_TRUE(disk_.Remove(path).ok());
  Start();
  Decoder in(description);
  EXPECT_FALSE(files_->Resolve(&source_, &in));
  EXPECT_EQ(files_->unresolved(), path);
  Decoder damaged(std::string_view(description).substr(0, 3));
  EXPECT_FALSE(files_->Resolve(&source_, &damaged));
  EXPECT_EQ(files_->unresolved(), "");
}

// --- The writer ---

class ColdWriterTest : public ColdPartsTest {
 protected:
  void SetUp() override {
    ColdPartsTest::SetUp();
    settings_.stream_memory = 20'000;
    part_ = std::make_unique<ColdWriter>(&source_, *files_, writer_, hot_, settings_, sizes_);
    log_.Attach(&hot_);
  }
  // Ends turns until nothing more is written.
  void Settle(int64_t steady_ms) {
    part_->EndTurn(steady_ms);
    while (part_->busy()) {
      part_->Drain();
      part_->EndTurn(steady_ms);
    }
  }

  HotBlocks hot_;
  std::unique_ptr<ColdWriter> part_;
  EntryLog log_;
};

TEST_F(ColdWriterTest, WritesTheOldestBlocksAboveTheBound) {
  Append(&log_, 100);
  Settle(0);
  EXPECT_EQ(part_->excess(), 0u);
  EXPECT_EQ(part_->writes(), 0u);
  Append(&log_, 1000);
  EXPECT_GT(part_->excess(), 50'000u);
  part_->EndTurn(0);
  EXPECT_TRUE(part_->busy());
  EXPECT_GT(part_->bytes_in_flight(), 0u);
  EXPECT_EQ(log_.cold_entries(), 0u);
  Settle(0);
  EXPECT_LE(part_->excess(), 4096u);
  EXPECT_EQ(part_->bytes_in_flight(), 0u);
  uint64_t entries = 0;
  uint64_t extents = 0;
  log_.ForEachExtent([&](const Ref<ColdExtent>& extent) {
    entries += EntriesOf(Stored(*extent));
    extents++;
  });
  EXPECT_EQ(entries, log_.cold_entries());
  EXPECT_EQ(extents, part_->writes());
  // A file is not appended to beyond its size.
  for (const std::string& name : Names()) {
    EXPECT_LT(sim::ReadFile(disk_, "streams/" + name).size(),
              sizes_.file_bytes + 2 * sizes_.write_bytes);
  }
}

TEST_F(ColdWriterTest, WithoutABoundNothingIsWritten) {
  settings_.stream_memory = 0;
  Append(&log_, 1000);
  Settle(0);
  EXPECT_EQ(part_->excess(), 0u);
  EXPECT_EQ(part_->writes(), 0u);
}

// Beyond four times `far_behind` above the bound producers wait, until it is two times that.
TEST_F(ColdWriterTest, TheBrake) {
  Append(&log_, 400);
  part_->EndTurn(0);
  EXPECT_TRUE(part_->busy());
  EXPECT_FALSE(part_->behind());
  Append(&log_, 600);
  EXPECT_FALSE(part_->behind());  // until the end of a turn
  part_->EndTurn(0);
  EXPECT_GT(part_->excess(), 40'000u);
  EXPECT_TRUE(part_->behind());
  uint64_t least = UINT64_MAX;
  while (part_->behind()) {
    least = part_->excess();
    part_->Drain();
    part_->EndTurn(0);
  }
  EXPECT_GT(least, 20'000u);
  EXPECT_LE(part_->excess(), 20'000u);
  EXPECT_TRUE(part_->busy());
}

TEST_F(ColdWriterTest, NobodyWaitsForADiskThatTakesNothing) {
  disk_.set_capacity(0);
  Append(&log_, 1000);
  part_->EndTurn(0);
  EXPECT_TRUE(part_->behind());
  part_->Drain();
  part_->EndTurn(1000);
  EXPECT_FALSE(part_->busy());
  EXPECT_FALSE(part_->behind());
  EXPECT_EQ(log_.cold_entries(), 0u);
  disk_.set_capacity(UINT64_MAX);
  part_->EndTurn(1999);
  EXPECT_FALSE(part_->busy());
  Settle(2000);
  EXPECT_LE(part_->excess(), 4096u);
}

TEST_F(ColdWriterTest, AValueThatGoesWhileItIsWrittenGetsNothing) {
  auto log = std::make_unique<EntryLog>();
  log->Attach(&hot_);
  Append(log.get(), 1000);
  part_->EndTurn(0);
  log.reset();
  Settle(0);
  EXPECT_EQ(part_->writes(), 0u);
  files_->EndTurn(0);
  Drain();
  EXPECT_THAT(Names(), IsEmpty());
}

// --- The reader ---

class ColdReaderTest : public ColdPartsTest {
 protected:
  void SetUp() override {
    ColdPartsTest::SetUp();
    part_ = std::make_unique<ColdReader>(*files_, reader_, command_, settings_, sizes_);
    command_.AskPhase([this] { return phase_; });
    settings_.stream_memory = 0;
  }
  ColdExtents Some(uint64_t count) {
    ColdExtents extents;
    for (uint64_t i = 0; i < count; i++) {
      extents.push_back(Ref<ColdExtent>::Adopt(Write(10 + i).Release()));
    }
    return extents;
  }
  ColdMiss MissOf(const ColdExtents& extents) {
    try {
      part_->Fetch(extents);
    } catch (const ColdMiss& miss) {
      return miss;
    }
    ADD_FAILURE() << "no miss";
    return {};
  }
  std::string FailureOf(const ColdExtents& extents) {
    try {
      part_->Fetch(extents);
    } catch (const ColdFailure& failure) {
      return failure.message;
    }
    return "";
  }

  RunningCommand command_{settings_};
  Phase phase_ = Phase::kLooking;
  std::unique_ptr<ColdReader> part_;
};

TEST_F(ColdReaderTest, AMissIsReadBesideTheLoop) {
  const ColdExtents extents = Some(3);
  const ColdMiss miss = MissOf(extents);
  EXPECT_EQ(miss.missing.size(), 3u);
  Pins pins;
  int done = 0;
  part_->Load(miss, &pins, [&] { done++; });
  reader_.Step();
  EXPECT_EQ(done, 0);
  reader_.Step();
  EXPECT_EQ(done, 1);
  part_->Fetch(extents);
  for (size_t i = 0; i < 3; i++) {
    ASSERT_NE(extents[i]->loaded(), nullptr);
    EXPECT_EQ(extents[i]->loaded()->entries(), 10 + i);
  }
  EXPECT_EQ(part_->reads(), 3u);
  EXPECT_EQ(command_.blocking_reads(), 0u);
}

TEST_F(ColdReaderTest, TheLoopReadsForACommandThatChangesSomething) {
  const ColdExtents extents = Some(3);
  phase_ = Phase::kChanging;
  part_->Fetch(extents);
  part_->Fetch(extents);
  EXPECT_EQ(command_.blocking_reads(), 3u);
  EXPECT_EQ(part_->reads(), 0u);
}

TEST_F(ColdReaderTest, PinsKeepExtentsAboveTheBoundOfTheCache) {
  const ColdExtents extents = Some(10);
  sizes_.least_cache = 1;
  Pins pins;
  part_->Load(MissOf(extents), &pins, [] {});
  reader_.Drain();
  part_->EndTurn();
  part_->EndTurn();
  part_->Fetch(extents);
  EXPECT_GT(part_->cache_bytes(), 1u);
  Pins moved = std::move(pins);
  pins = {};
  part_->EndTurn();
  part_->Fetch(extents);
  moved = {};
  part_->EndTurn();
  part_->EndTurn();
  EXPECT_EQ(part_->cache_bytes(), 0u);
  EXPECT_EQ(MissOf(extents).missing.size(), 10u);
}

TEST_F(ColdReaderTest, AFailureIsKnownAsLongAsItIsPinned) {
  const ColdExtents extents = Some(1);
  const std::string path = files_->PathOf(Stored(*extents[0]).location().file->name);
  Pins pins;
  bool done = false;
  const ColdMiss miss = MissOf(extents);
  disk_.FailCalls(disk_.calls() + 1, 1, EIO);
  part_->Load(miss, &pins, [&] { done = true; });
  reader_.Drain();
  EXPECT_TRUE(done);
  const auto failure = AllOf(HasSubstr(path), HasSubstr("at offset 32"));
  EXPECT_THAT(FailureOf(extents), failure);
  EXPECT_THAT(FailureOf(extents), failure);
  pins = {};
  EXPECT_EQ(MissOf(extents).missing.size(), 1u);
}

TEST_F(ColdReaderTest, DamageIsFoundBeforeAnybodySeesIt) {
  const ColdExtents extents = Some(1);
  const std::string path = files_->PathOf(Stored(*extents[0]).location().file->name);
  std::string bytes = sim::ReadFile(disk_, path);
  bytes[60] ^= 1;
  sim::WriteFile(disk_, path, bytes);
  phase_ = Phase::kChanging;
  EXPECT_THAT(FailureOf(extents), AllOf(HasSubstr(path), HasSubstr("at offset 32")));
  EXPECT_EQ(extents[0]->loaded(), nullptr);
}

TEST_F(ColdReaderTest, WhatIsCanceledIsNotCalled) {
  const ColdExtents extents = Some(2);
  auto pins = std::make_unique<Pins>();
  bool done = false;
  part_->Load(MissOf(extents), pins.get(), [&] { done = true; });
  part_->Cancel(pins.get());
  pins.reset();
  reader_.Drain();
  EXPECT_FALSE(done);
}

TEST_F(ColdReaderTest, ReadsAheadWhenNobodyWaits) {
  const ColdExtents expected = Some(2);
  const ColdExtents wanted = Some(1);
  part_->Expect(expected);
  Pins pins;
  part_->Load(MissOf(wanted), &pins, [] {});
  reader_.Step();
  reader_.Step();
  EXPECT_NE(wanted[0]->loaded(), nullptr);
  EXPECT_EQ(expected[0]->loaded(), nullptr);
  reader_.Drain();
  EXPECT_NE(expected[0]->loaded(), nullptr);
  EXPECT_NE(expected[1]->loaded(), nullptr);
  EXPECT_EQ(part_->ahead_hits(), 0u);
  part_->Fetch(expected);
}

// --- Snapshots ---

class SnapshotFilesTest : public ColdPartsTest {
 protected:
  void SetUp() override {
    ColdPartsTest::SetUp();
    part_ = std::make_unique<SnapshotFiles>(*files_, writer_, syncer_, settings_, sizes_);
  }
  // Takes a snapshot that names the extent; returns how the sync went.
  Status Snapshot(const Ref<StoredExtent>& extent) {
    const ColdExtents extents = {Ref<ColdExtent>::Adopt(Ref<StoredExtent>(extent).Release())};
    FileRefs files;
    part_->Note(extents, &files);
    Status synced = Status::Error("not called");
    part_->Sync(files, [&](Status status) { synced = std::move(status); });
    syncer_.Drain();
    part_->End();
    return synced;
  }

  std::unique_ptr<SnapshotFiles> part_;
};

TEST_F(SnapshotFilesTest, WhatIsSyncedSurvivesAPowerCut) {
  const Ref<StoredExtent> extent = Write(5);
  EXPECT_TRUE(Snapshot(extent).ok());
  EXPECT_FALSE(extent->location().file->dirty);
  disk_.Restart(sim::Crash::kPowerWorst);
  EXPECT_EQ(EntriesOf(*extent), 5u);
}

TEST_F(SnapshotFilesTest, AFailedSyncMovesTheExtentToAnotherFile) {
  const Ref<StoredExtent> extent = Write(5);
  const StoredExtent::Location before = extent->location();
  disk_.FailCalls(disk_.calls() + 2, 1, EIO);
  EXPECT_THAT(Snapshot(extent).message(), HasSubstr("Input/output error"));
  EXPECT_TRUE(before.file->doubtful);
  EXPECT_EQ(extent->location().file.get(), before.file.get());
  // While another snapshot is being written, extents stay where it has named them.
  FileRefs files;
  part_->Note({}, &files);
  writer_.Drain();
  EXPECT_EQ(extent->location().file.get(), before.file.get());
  part_->End();
  EXPECT_NE(extent->location().file.get(), before.file.get());
  EXPECT_EQ(EntriesOf(*extent), 5u);
  EXPECT_TRUE(Snapshot(extent).ok());
}

TEST_F(SnapshotFilesTest, PinnedFilesStay) {
  Ref<StoredExtent> extent = Write(5);
  FileRefs files;
  part_->Note({Ref<ColdExtent>::Adopt(Ref<StoredExtent>(extent).Release())}, &files);
  part_->Pin(std::move(files));
  part_->End();
  extent = {};
  files_->EndTurn(0);
  Drain();
  EXPECT_EQ(Names().size(), 1u);
  part_->Pin({});
  files_->EndTurn(0);
  Drain();
  EXPECT_THAT(Names(), IsEmpty());
}

}  // namespace
}  // namespace runnel::cold
