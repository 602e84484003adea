// Snapshots on the model disk, with a worker that goes on only when it is told to: what is loaded
// is the state of the moment in which the snapshot began, whatever happened meanwhile, and what
// goes wrong is reported and leaves no files.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cerrno>
#include <limits>

#include "base/log.h"
#include "base/random.h"
#include "data/hash/hash.h"
#include "data/list/list.h"
#include "data/set/set.h"
#include "data/stream/stream.h"
#include "data/string_object.h"
#include "data/testing.h"
#include "snapshot/files.h"
#include "snapshot/load.h"
#include "snapshot/snapshot_writer.h"
#include "snapshot/snapshotter.h"
#include "tests/sim/files.h"
#include "tests/sim/model_disk.h"
#include "tests/sim/random_changes.h"
#include "tests/sim/stepped_worker.h"

namespace runnel::snapshot {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr uint32_t kSnapshotDatabases = 3;

class SnapshotTest : public ::testing::Test {
 protected:
  SnapshotTest()
      : keyspace_(kSnapshotDatabases), snapshotter_(&disk_, &worker_, &keyspace_, "snapshots") {
    SetLogLevel(LogLevel::kNothing);
  }
  ~SnapshotTest() override { SetLogLevel(LogLevel::kVerbose); }

  void Begin(Position position) {
    snapshotter_.Begin({position, 7, 1'700'000'000'000, 0},
                       [this](const Status& status, const SnapshotTotals& totals) {
                         ended_++;
                         status_ = status;
                         totals_ = totals;
                       });
  }
  // The whole snapshot, with nothing in between.
  Status Take(Position position) {
    Begin(position);
    snapshotter_.RunToEnd();
    return status_;
  }
  std::vector<std::string> Names() {
    const auto names = disk_.List("snapshots");
    return names.ok() ? *names : std::vector<std::string>();
  }
  static std::string PathOf(Position position) { return SnapshotPath("snapshots", position); }

  struct Outcome {
    Status status;
    Loaded loaded;
    KeyspaceContent content;
  };
  Outcome Load(Position position) {
    Keyspace keyspace(kSnapshotDatabases);
    const auto loaded = LoadSnapshot(disk_, PathOf(position), &keyspace, nullptr);
    return {loaded.status(), loaded.ok() ? *loaded : Loaded(), ContentOf(keyspace)};
  }
  // The failure when the file is replaced by these bytes.
  std::string FailureWith(std::string_view bytes) {
    sim::WriteFile(disk_, PathOf(9), bytes);
    const Outcome outcome = Load(9);
    EXPECT_FALSE(outcome.status.ok());
    EXPECT_TRUE(outcome.content.empty());
    return outcome.status.message();
  }

  sim::ModelDisk disk_{1};
  sim::SteppedWorker worker_;
  Keyspace keyspace_;
  Snapshotter snapshotter_;
  int ended_ = 0;
  Status status_;
  SnapshotTotals totals_;
};

TEST_F(SnapshotTest, AnEmptyKeyspace) {
  ASSERT_TRUE(Take(0).ok()) << status_.message();
  EXPECT_THAT(Names(), ElementsAre("00000000000000000000.snap"));
  EXPECT_EQ(totals_.keys, 0u);
  EXPECT_EQ(totals_.file_bytes, kHeaderBytes + kFooterBytes);
  const Outcome outcome = Load(0);
  EXPECT_TRUE(outcome.status.ok()) << outcome.status.message();
  EXPECT_THAT(outcome.content, IsEmpty());
}

TEST_F(SnapshotTest, SaysWhatItIs) {
  keyspace_.Put(KeyRef(2, "k"), std::make_unique<StringObject>("v"));
  keyspace_.SetExpiry(KeyRef(2, "k"), -5);
  ASSERT_TRUE(Take(123).ok());
  Keyspace keyspace(kSnapshotDatabases);
  const auto loaded = LoadSnapshot(disk_, PathOf(123), &keyspace);
  ASSERT_TRUE(loaded.ok()) << loaded.message();
  EXPECT_EQ(loaded->info, (SnapshotInfo{123, 7, 1'700'000'000'000, kSnapshotDatabases}));
  EXPECT_EQ(loaded->totals, totals_);
  EXPECT_EQ(totals_.keys, 1u);
  EXPECT_EQ(ContentOf(keyspace), ContentOf(keyspace_));
}

// Hashes and sets are written as they lie. That takes no cold store to read.
TEST_F(SnapshotTest, HashesAndSets) {
  auto hash = std::make_unique<Hash>();
  auto expiring = std::make_unique<Hash>();
  auto set = std::make_unique<Set>();
  for (int i = 0; i < 20'000; i++) {
    const std::string name = "field " + std::to_string(i);
    hash->Set(name, std::string(static_cast<size_t>(i % 300), 'v'));
    expiring->Set(name, "v");
    if (i % 3 == 0) expiring->SetExpiry(name, 1'700'000'000'000 + i);
    set->Add(name);
  }
  auto numbers = std::make_unique<Set>();
  numbers->Add("1");
  numbers->Add("-70000");
  keyspace_.Put(KeyRef(0, "hash"), std::move(hash));
  keyspace_.Put(KeyRef(1, "expiring"), std::move(expiring));
  keyspace_.Put(KeyRef(0, "set"), std::move(set));
  keyspace_.Put(KeyRef(0, "numbers"), std::move(numbers));
  keyspace_.SetExpiry(KeyRef(0, "numbers"), 5);
  ASSERT_TRUE(Take(123).ok()) << status_.message();
  Keyspace keyspace(kSnapshotDatabases);
  const auto loaded = LoadSnapshot(disk_, PathOf(123), &keyspace, nullptr);
  ASSERT_TRUE(loaded.ok()) << loaded.message();
  EXPECT_EQ(ContentOf(keyspace), ContentOf(keyspace_));
  ASSERT_NE(keyspace.NextFieldToExpire(1), nullptr);
  EXPECT_EQ(keyspace.NextFieldToExpire(1)->name(), "expiring");
}

TEST_F(SnapshotTest, LibrariesOfFunctions) {
  StoredLibrary large{"large", std::string(3'000'000, 'x'), {{"f", 5, "what it does"}}};
  for (int i = 0; i < 2000; i++) {
    large.functions.push_back({"f" + std::to_string(i), 0, std::string(1000, 'y')});
  }
  keyspace_.functions().Put(large);
  keyspace_.functions().Put({"small", "", {{"g"}}});
  keyspace_.Put(KeyRef(0, "k"), std::make_unique<StringObject>("v"));
  Begin(123);
  // What comes now is no part of it.
  const KeyspaceContent expected = ContentOf(keyspace_);
  keyspace_.functions().Remove("large");
  keyspace_.functions().Put({"small", "other", {{"g"}, {"h"}}});
  snapshotter_.RunToEnd();
  ASSERT_TRUE(status_.ok()) << status_.message();
  EXPECT_EQ(totals_.keys, 3u);
  const Outcome outcome = Load(123);
  ASSERT_TRUE(outcome.status.ok()) << outcome.status.message();
  EXPECT_TRUE(outcome.loaded.info.has_libraries);
  EXPECT_EQ(outcome.content, expected);
  // Without one the file is one that older versions read.
  keyspace_.functions().Clear();
  ASSERT_TRUE(Take(124).ok());
  const Outcome without = Load(124);
  ASSERT_TRUE(without.status.ok());
  EXPECT_FALSE(without.loaded.info.has_libraries);
}

// Two libraries that cannot both be there.
TEST_F(SnapshotTest, LibrariesThatClash) {
  const auto write = [&](const StoredLibrary& first, const StoredLibrary& second) {
    SnapshotInfo info{9, 7, 1'700'000'000'000, kSnapshotDatabases};
    info.has_libraries = true;
    SnapshotWriter writer(&disk_, "snapshots", info);
    writer.Open();
    writer.Add(first);
    writer.Add(second);
    writer.Finish();
    EXPECT_TRUE(writer.status().ok());
    return Load(9);
  };
  EXPECT_TRUE(write({"a", "", {{"f"}}}, {"b", "", {{"g"}}}).status.ok());
  for (const StoredLibrary& second :
       {StoredLibrary{"a", "", {{"g"}}}, {"b", "", {{"F"}}}, {"b", "", {}}}) {
    const Outcome outcome = write({"a", "", {{"f"}}}, second);
    EXPECT_THAT(outcome.status.message(), HasSubstr("a library of functions in this section"));
    EXPECT_THAT(outcome.content, IsEmpty());
  }
}

// Values larger than a piece, a section, and what is gathered.
TEST_F(SnapshotTest, LargeValues) {
  std::string noise(5'000'000, '\0');
  Random random(1);
  for (char& c : noise) {
    c = static_cast<char>(random.Below(256));
  }
  keyspace_.Put(KeyRef(0, "string"), std::make_unique<StringObject>(noise));
  keyspace_.Put(KeyRef(0, noise.substr(0, 3'000'000)), std::make_unique<StringObject>("named"));
  for (size_t size = kMaxSectionBytes - 40; size < kMaxSectionBytes + 40; size += 7) {
    keyspace_.Put(KeyRef(0, std::to_string(size)),
                  std::make_unique<StringObject>(noise.substr(0, size)));
  }
  auto list = std::make_unique<List>();
  auto stream = std::make_unique<Stream>();
  for (uint64_t i = 1; i <= 20'000; i++) {
    list->PushBack(noise.substr(i * 100, i % 200));
    if (i % 5000 == 0) list->PushBack(noise.substr(0, 1'500'000));
    const std::string_view fields[] = {"f", std::string_view(noise).substr(i * 100, 100), "g", ""};
    stream->Append({i, i}, fields, {});
  }
  const std::string_view fields[] = {"f", std::string_view(noise).substr(0, 2'000'000)};
  stream->Append({30'000, 1}, fields, {});
  ConsumerGroup& group = stream->CreateGroup("g", {}, 0);
  for (int i = 0; i < 20'000; i++) {
    group.CreateConsumer("consumer " + std::to_string(i), i);
  }
  stream->Deliver(&group, 3, StreamId::Max(), 5, false);
  Idempotence& idempotence = stream->CreateIdempotence(1000, 100'000);
  for (uint64_t i = 1; i <= 30'000; i++) {
    idempotence.Record("p" + std::to_string(i % 3), "iid " + std::to_string(i), {i, 0});
  }
  keyspace_.Put(KeyRef(1, "list"), std::move(list));
  keyspace_.Put(KeyRef(1, "stream"), std::move(stream));
  ASSERT_TRUE(Take(5).ok()) << status_.message();
  const Outcome outcome = Load(5);
  ASSERT_TRUE(outcome.status.ok()) << outcome.status.message();
  EXPECT_TRUE(outcome.content == ContentOf(keyspace_));
}

TEST_F(SnapshotTest, HoldsTheStateOfItsBeginningWhateverHappensMeanwhile) {
  for (uint64_t seed = 1; seed <= 60; seed++) {
    sim::RandomChanges changes(seed);
    Random random(seed);
    for (uint64_t left = random.Below(600); left > 0; left--) {
      changes.Make(keyspace_);
    }
    const KeyspaceContent expected = ContentOf(keyspace_);
    const int ended = ended_;
    Begin(seed);
    while (ended_ == ended) {
      switch (random.Below(4)) {
        case 0:
          snapshotter_.Step(random.Below(20));
          break;
        case 1:
          worker_.Step();
          break;
        default:
          changes.Make(keyspace_);
      }
    }
    ASSERT_TRUE(status_.ok()) << status_.message();
    const Outcome outcome = Load(seed);
    ASSERT_TRUE(outcome.status.ok()) << outcome.status.message();
    ASSERT_TRUE(outcome.content == expected) << "seed " << seed;
    EXPECT_EQ(totals_.keys, expected.size());
    EXPECT_THAT(Names(), ElementsAre(SnapshotName(seed))) << "the one before is gone";
  }
}

TEST_F(SnapshotTest, TheWalkWaitsForTheWorker) {
  for (int i = 0; i < 40; i++) {
    keyspace_.Put(KeyRef(0, std::to_string(i)),
                  std::make_unique<StringObject>(std::string(1'000'000, 'x')));
  }
  Begin(1);
  while (snapshotter_.Step(1000)) {
  }
  const Snapshotter::Progress before = snapshotter_.progress();
  EXPECT_EQ(before.keys, 40u);
  EXPECT_GT(before.captured, 5u);
  EXPECT_LT(before.captured, 30u);  // a bucket of the table is captured as a whole
  EXPECT_FALSE(snapshotter_.Step(1000));
  EXPECT_EQ(snapshotter_.progress().captured, before.captured);
  worker_.Drain();
  EXPECT_GT(snapshotter_.progress().written_bytes, 0u);
  snapshotter_.Step(1000);
  EXPECT_GT(snapshotter_.progress().captured, before.captured);
  snapshotter_.RunToEnd();
  EXPECT_TRUE(status_.ok());
  EXPECT_EQ(Load(1).content, ContentOf(keyspace_));
}

TEST_F(SnapshotTest, AFullDiskIsSaidAndTheNextOneSucceeds) {
  keyspace_.Put(KeyRef(0, "a"), std::make_unique<StringObject>("old"));
  ASSERT_TRUE(Take(1).ok());
  const KeyspaceContent old = ContentOf(keyspace_);
  sim::RandomChanges changes(3);
  for (int i = 0; i < 1000; i++) {
    changes.Make(keyspace_);
  }
  disk_.set_capacity(disk_.used() + 1000);
  const Status status = Take(2);
  EXPECT_EQ(status.error_number(), ENOSPC) << status.message();
  EXPECT_THAT(Names(), ElementsAre(SnapshotName(1)));
  EXPECT_FALSE(keyspace_.capturing());
  EXPECT_EQ(Load(1).content, old);
  disk_.set_capacity(std::numeric_limits<uint64_t>::max());
  ASSERT_TRUE(Take(3).ok());
  EXPECT_THAT(Names(), ElementsAre(SnapshotName(3)));
  EXPECT_TRUE(Load(3).content == ContentOf(keyspace_));
}

// A fault of the disk in any call: a failure, or a snapshot that is good.
TEST_F(SnapshotTest, EveryCallMayFail) {
  sim::RandomChanges changes(5);
  for (int i = 0; i < 300; i++) {
    changes.Make(keyspace_);
  }
  ASSERT_TRUE(Take(1).ok());
  int failures = 0;
  Position position = 2;
  for (uint64_t call = 1;; call++, position++) {
    disk_.FailCalls(disk_.calls() + call, 1, EIO);
    const Status status = Take(position);
    disk_.FailCalls(0, 0, 0);
    ASSERT_FALSE(snapshotter_.busy());
    // Which fault it was that only the removal of the old snapshot, or of the new one, met.
    const auto positions = ListSnapshots(disk_, "snapshots");
    ASSERT_FALSE(positions->empty());
    const Outcome outcome = Load(positions->front());
    ASSERT_TRUE(outcome.status.ok()) << outcome.status.message();
    ASSERT_TRUE(outcome.content == ContentOf(keyspace_));
    if (status.ok()) {
      EXPECT_EQ(positions->front(), position);
      if (positions->size() == 1) break;
    } else {
      failures++;
      EXPECT_EQ(status.error_number(), EIO);
    }
  }
  EXPECT_GE(failures, 8);
  EXPECT_THAT(Names(), ElementsAre(SnapshotName(position)));
}

TEST_F(SnapshotTest, CanBeGivenUpAtAnyTime) {
  sim::RandomChanges changes(5);
  for (int i = 0; i < 300; i++) {
    changes.Make(keyspace_);
  }
  for (int steps = 0; steps < 20; steps++) {
    const int ended = ended_;
    Begin(1);
    for (int i = 0; i < steps; i++) {
      snapshotter_.Step(20);
      if (i % 2 == 0) worker_.Step();
    }
    snapshotter_.Abort("no longer wanted");
    changes.Make(keyspace_);
    snapshotter_.RunToEnd();
    EXPECT_EQ(ended_, ended + 1);
    EXPECT_EQ(status_.message(), "no longer wanted");
    EXPECT_THAT(Names(), IsEmpty());
  }
  ASSERT_TRUE(Take(2).ok());
  EXPECT_TRUE(Load(2).content == ContentOf(keyspace_));
}

TEST_F(SnapshotTest, TheSnapshotterMayGoFirst) {
  keyspace_.Put(KeyRef(0, "a"), std::make_unique<StringObject>("b"));
  {
    Snapshotter other(&disk_, &worker_, &keyspace_, "snapshots");
    other.Begin({1, 0, 0, 0}, [](const Status&, const SnapshotTotals&) { FAIL(); });
    other.Step(1);
  }
  EXPECT_FALSE(keyspace_.capturing());
  worker_.Drain();
  EXPECT_THAT(Names(), IsEmpty());
}

TEST_F(SnapshotTest, LeftoversAreRemoved) {
  EXPECT_TRUE(RemoveLeftovers(disk_, "snapshots").ok()) << "no directory";
  ASSERT_TRUE(Take(4).ok());
  sim::WriteFile(disk_, TemporaryPath("snapshots", 5), "half a snapshot");
  sim::WriteFile(disk_, "snapshots/mine.tmp", "somebody's");
  EXPECT_TRUE(RemoveLeftovers(disk_, "snapshots").ok());
  EXPECT_THAT(Names(), ElementsAre(SnapshotName(4), "mine.tmp"));
}

TEST_F(SnapshotTest, DamageAnywhereIsFoundAndNamed) {
  sim::RandomChanges changes(7);
  for (int i = 0; i < 200; i++) {
    changes.Make(keyspace_);
  }
  ASSERT_TRUE(Take(1).ok());
  const std::string good = sim::ReadFile(disk_, PathOf(1));
  EXPECT_THAT(FailureWith(""), HasSubstr(PathOf(9) + ", offset 0: "));
  for (size_t size = 0; size < good.size(); size += 1 + size / 50) {
    EXPECT_THAT(FailureWith(good.substr(0, size)), HasSubstr(PathOf(9) + ", offset ")) << size;
  }
  for (size_t at = 0; at < good.size(); at += 1 + at / 30) {
    std::string damaged = good;
    damaged[at] = static_cast<char>(damaged[at] ^ 0x20);
    const std::string failure = FailureWith(damaged);
    EXPECT_THAT(failure, HasSubstr(PathOf(9) + ", offset " + (at < kHeaderBytes ? "0: " : "")));
  }
  EXPECT_THAT(FailureWith(good + "x"),
              HasSubstr("offset " + std::to_string(good.size() - kFooterBytes) + ": "));
  EXPECT_THAT(FailureWith(good + good), HasSubstr("offset "));
}

TEST_F(SnapshotTest, ANewerVersionIsRefusedByName) {
  ASSERT_TRUE(Take(1).ok());
  std::string bytes = sim::ReadFile(disk_, PathOf(1));
  bytes[3] = kFormatVersion + 1;
  EXPECT_THAT(FailureWith(bytes), HasSubstr("format version 4; this server reads version 3"));
}

// It counts what keys use, not what the server that took the snapshot was configured for.
TEST_F(SnapshotTest, AKeyInADatabaseThatIsNotThereIsRefused) {
  ASSERT_TRUE(Take(1).ok());
  Keyspace smaller(kSnapshotDatabases - 1);
  EXPECT_TRUE(LoadSnapshot(disk_, PathOf(1), &smaller).ok());
  keyspace_.Put(KeyRef(0, "k"), std::make_unique<StringObject>("v"));
  keyspace_.Put(KeyRef(2, "k"), std::make_unique<StringObject>("v"));
  const std::string older = sim::ReadFile(disk_, PathOf(1));
  ASSERT_TRUE(Take(2).ok());
  sim::WriteFile(disk_, PathOf(1), older);
  const auto loaded = LoadSnapshot(disk_, PathOf(2), &smaller);
  ASSERT_FALSE(loaded.ok());
  EXPECT_THAT(loaded.message(),
              HasSubstr("the snapshot has a key in database 2, and this server is "
                        "configured for 2 databases"));
  EXPECT_THAT(ContentOf(smaller), IsEmpty());
  // That is no damage: the older one is not tried.
  EXPECT_THAT(LoadNewest(disk_, "snapshots", 0, &smaller).message(),
              HasSubstr("Set `databases` to 3, as it was when the snapshot was taken"));
}

// The newest is loaded; a damaged one is passed over only if the journal knows the rest.
TEST_F(SnapshotTest, WhichOneIsLoaded) {
  const auto newest = [this](std::optional<Position> journal_first) {
    Keyspace keyspace(kSnapshotDatabases);
    return LoadNewest(disk_, "snapshots", journal_first, &keyspace, nullptr);
  };
  EXPECT_FALSE((*newest(std::nullopt)).has_value()) << "no directory";
  ASSERT_TRUE(Take(100).ok());
  const std::string older = sim::ReadFile(disk_, PathOf(100));
  ASSERT_TRUE(Take(200).ok());
  sim::WriteFile(disk_, PathOf(100), older);
  ASSERT_TRUE(newest(std::nullopt).ok());
  EXPECT_EQ((*newest(0))->info.position, 200u);

  std::string damaged = sim::ReadFile(disk_, PathOf(200));
  damaged.resize(damaged.size() - 1);
  sim::WriteFile(disk_, PathOf(200), damaged);
  EXPECT_EQ((*newest(100))->info.position, 100u);
  EXPECT_FALSE(newest(101).ok());
  ASSERT_FALSE(newest(std::nullopt).ok());
  EXPECT_THAT(newest(std::nullopt).message(), HasSubstr(PathOf(200) + ", offset "));

  sim::WriteFile(disk_, PathOf(200), older);
  EXPECT_EQ((*newest(100))->info.position, 100u) << "a file that is not what its name says";
  EXPECT_THAT(newest(150).message(), HasSubstr("position 100"));
}

// Some keys at a time, and how far it is can be told in between.
TEST_F(SnapshotTest, LoadsInSteps) {
  for (int i = 0; i < 1000; i++) {
    const std::string name = "key" + std::to_string(i);
    keyspace_.Put(KeyRef(0, name), std::make_unique<StringObject>(std::string(2000, 'a' + i % 7)));
  }
  ASSERT_TRUE(Take(1).ok());
  Keyspace keyspace(kSnapshotDatabases);
  const auto load = SnapshotLoad::Open(disk_, PathOf(1), &keyspace, nullptr);
  ASSERT_TRUE(load.ok());
  EXPECT_EQ((*load)->file_bytes(), totals_.file_bytes);
  uint64_t last = 0;
  for (size_t steps = 1; steps <= 100; steps++) {
    const auto all = (*load)->Step(10);
    ASSERT_TRUE(all.ok());
    EXPECT_FALSE(*all);
    EXPECT_EQ(keyspace.size(0), steps * 10);
    EXPECT_LE(last, (*load)->loaded_bytes());
    last = (*load)->loaded_bytes();
  }
  EXPECT_GT(last, totals_.file_bytes / 2);
  EXPECT_TRUE(*(*load)->Step(10));
  EXPECT_EQ((*load)->loaded_bytes(), totals_.file_bytes);
  EXPECT_EQ(ContentOf(keyspace), ContentOf(keyspace_));
}

TEST_F(SnapshotTest, TheNewestStayAsManyAsAreWanted) {
  snapshotter_.set_kept(2);
  for (const Position position : {100, 200, 300}) {
    ASSERT_TRUE(Take(position).ok());
  }
  EXPECT_THAT(Names(), ElementsAre("00000000000000000200.snap", "00000000000000000300.snap"));
  ASSERT_TRUE(Take(300).ok()) << "in the place of one";
  EXPECT_THAT(Names(), ElementsAre("00000000000000000200.snap", "00000000000000000300.snap"));
  snapshotter_.KeepNewest(1);
  worker_.Drain();
  EXPECT_THAT(Names(), ElementsAre("00000000000000000300.snap"));
}

TEST_F(SnapshotTest, ThoseFromAPositionOnAreRemovedForGood) {
  EXPECT_TRUE(RemoveFrom(disk_, "snapshots", 0).ok()) << "no directory";
  snapshotter_.set_kept(3);
  for (const Position position : {100, 200, 300}) {
    ASSERT_TRUE(Take(position).ok());
  }
  ASSERT_TRUE(RemoveFrom(disk_, "snapshots", 201).ok());
  EXPECT_THAT(Names(), ElementsAre("00000000000000000100.snap", "00000000000000000200.snap"));
  // One that another process has removed does not come back either.
  ASSERT_TRUE(RemoveSnapshot(disk_, "snapshots", 200).ok());
  ASSERT_TRUE(RemoveFrom(disk_, "snapshots", 150).ok());
  disk_.Restart(sim::Crash::kPowerWorst);
  EXPECT_THAT(Names(), ElementsAre("00000000000000000100.snap"));
}

TEST_F(SnapshotTest, ADamagedOneIsSetAside) {
  ASSERT_TRUE(Take(100).ok());
  ASSERT_TRUE(SetAside(disk_, "snapshots", 100).ok());
  EXPECT_THAT(Names(), ElementsAre("00000000000000000100.snap.damaged"));
  EXPECT_TRUE(ListSnapshots(disk_, "snapshots")->empty());
  EXPECT_TRUE(RemoveLeftovers(disk_, "snapshots").ok());
  EXPECT_THAT(Names(), ElementsAre("00000000000000000100.snap.damaged"));
}

TEST_F(SnapshotTest, TheListOfFiles) {
  ASSERT_TRUE(Take(100).ok());
  EXPECT_TRUE(ReadFileList(disk_, "snapshots", 100)->empty()) << "there is none";
  ASSERT_TRUE(WriteFileList(disk_, "snapshots", 100, {"a.seg", "b.seg"}).ok());
  EXPECT_THAT(*ReadFileList(disk_, "snapshots", 100), ElementsAre("a.seg", "b.seg"));
  EXPECT_TRUE(RemoveLeftovers(disk_, "snapshots").ok());
  const std::string path = "snapshots/00000000000000000100.files";
  std::string bytes = sim::ReadFile(disk_, path);
  for (size_t i = 0; i < bytes.size(); i++) {
    std::string damaged = bytes;
    damaged[i] ^= 1;
    sim::WriteFile(disk_, path, damaged);
    EXPECT_FALSE(ReadFileList(disk_, "snapshots", 100).ok()) << "byte " << i;
  }
  for (size_t size = 0; size < bytes.size(); size++) {
    sim::WriteFile(disk_, path, bytes.substr(0, size));
    EXPECT_FALSE(ReadFileList(disk_, "snapshots", 100).ok()) << size << " bytes";
  }
  ASSERT_TRUE(RemoveSnapshot(disk_, "snapshots", 100).ok());
  EXPECT_THAT(Names(), IsEmpty());
  sim::WriteFile(disk_, path, bytes);
  EXPECT_TRUE(RemoveLeftovers(disk_, "snapshots").ok());
  EXPECT_THAT(Names(), IsEmpty()) << "a list without its snapshot";
}

}  // namespace
}  // namespace runnel::snapshot
