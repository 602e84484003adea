// A snapshot that travels from one server to another: over links that break, onto disks that fail,
// and into the place of what was there, whenever the process ends.

#include "server/full_sync.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <string>

#include "base/log.h"
#include "broker/testing.h"
#include "replication/snapshot_transfer.h"
#include "server/lost_data.h"
#include "server/saver.h"
#include "server/storage.h"
#include "tests/sim/files.h"
#include "tests/sim/logical_content.h"
#include "tests/sim/model_disk.h"
#include "tests/sim/model_network.h"
#include "tests/sim/seeds.h"
#include "tests/sim/stepped_worker.h"

namespace runnel {
namespace {

using replication::FetchRequest;
using replication::FileList;
using replication::FilePiece;
using replication::Link;
using replication::MessageType;
using replication::PinnedSnapshot;
using replication::SnapshotFetch;
using replication::SnapshotSender;
using replication::SyncFile;
using sim::Crash;
using sim::ModelDisk;
using sim::ModelNetwork;
using sim::SteppedWorker;

const DataDirectories kDirectories{"journal", "snapshots", "streams"};

// A broker with a directory.
class Server {
 public:
  explicit Server(ModelDisk& disk) : disk_(disk) {
    options_.dir = ".";
    cold_.stream_memory = 20'000;
  }
  ~Server() {
    saver_.reset();
    client_.reset();
    harness_.broker.KeepIn(nullptr);
    harness_.broker.UseCold(nullptr);
    for (uint32_t db = 0; db < harness_.keyspace.databases(); db++) {
      harness_.keyspace.Flush(db);
    }
    DrainAll();
    storage_.reset();
  }

  Status Start() {
    storage_ = std::make_unique<Storage>(
        disk_, harness_.clock,
        Storage::Workers{log_, helper_, snapshot_, cold_writer_, cold_reader_, cold_syncer_},
        options_, cold_, harness_.keyspace);
    Status status = storage_->Open();
    if (status.ok()) status = storage_->Load();
    if (!status.ok()) return status;
    saver_ = std::make_unique<Saver>(storage_->snapshotter(), harness_.broker, options_,
                                     harness_.clock, disk_);
    harness_.broker.KeepIn(storage_->journal());
    harness_.broker.UseCold(storage_->cold());
    saver_->StartFrom(storage_->found());
    client_ = harness_.Connect();
    return {};
  }
  void Ask(std::vector<std::string> request) {
    client_->Ask(std::move(request));
    Turn();
  }
  void Turn() {
    harness_.broker.EndTurn();
    saver_->Turn();
    harness_.Advance(100);
    DrainAll();
  }
  // Data of this kind, some of them on the disk.
  void Fill(const std::string& kind) {
    for (int i = 0; i < 60; i++) {
      Ask({"XADD", "stream-" + kind, "*", "f", std::string(1000, 'a')});
    }
    Ask({"SET", "key", kind});
    Ask({"RPUSH", "list", kind, "b"});
  }
  Position Save() {
    saver_->Begin(Saver::Kind::kSave);
    for (int i = 0; saver_->busy() && i < 1000; i++)
      Turn();
    return saver_->last_position();
  }
  KeyspaceContent Content() { return sim::LogicalContentOf(harness_.keyspace); }
  Storage& storage() { return *storage_; }
  Saver& saver() { return *saver_; }
  uint64_t cold_files() const { return storage_->cold()->stats().files; }
  void DrainAll() {
    for (SteppedWorker* worker :
         {&log_, &helper_, &cold_writer_, &cold_reader_, &cold_syncer_, &snapshot_}) {
      worker->Drain();
    }
  }

 private:
  ModelDisk& disk_;
  SteppedWorker log_, helper_, snapshot_, cold_writer_, cold_reader_, cold_syncer_;
  ServerOptions options_;
  ColdSettings cold_;
  testing::BrokerHarness harness_;
  std::unique_ptr<Storage> storage_;
  std::unique_ptr<Saver> saver_;
  std::unique_ptr<testing::BrokerHarness::Client> client_;
};

std::string ReadAll(ModelDisk& disk, const std::string& path, uint64_t bytes) {
  auto file = disk.Open(path, OpenMode::kRead);
  EXPECT_TRUE(file.ok()) << path;
  if (!file.ok()) return "";
  std::string content(bytes, '\0');
  EXPECT_EQ(*(*file)->ReadAt(0, content.data(), content.size()), bytes);
  return content;
}

// What a leader has: its disk with a snapshot, and its content then.
struct Source {
  explicit Source(uint64_t seed) : disk(seed) {
    Server server(disk);
    EXPECT_TRUE(server.Start().ok());
    server.Fill("new");
    EXPECT_GT(server.cold_files(), 0u);
    position = server.Save();
    content = server.Content();
    identity = server.storage().journal()->identity();
    auto list = server.storage().ListSnapshot(position);
    EXPECT_TRUE(list.ok()) << list.status().message();
    files = *list;
    EXPECT_GT(files.size(), 2u);
  }
  ModelDisk disk;
  Position position = 0;
  KeyspaceContent content;
  journal::Identity identity;
  std::vector<SyncFile> files;
};

// A file of several pieces.
void AddLargeFile(Source& source) {
  constexpr size_t kLargeBytes = 1'200'000;
  sim::WriteFile(source.disk, "streams/large", std::string(kLargeBytes, 'l'));
  source.files.push_back({"streams/large", kLargeBytes});
}

class FullSyncTest : public ::testing::Test {
 protected:
  FullSyncTest() { SetLogLevel(LogLevel::kNothing); }
  ~FullSyncTest() override { SetLogLevel(LogLevel::kVerbose); }

  static void Stage(Source& source, ModelDisk& disk) {
    for (const SyncFile& file : source.files) {
      auto staged =
          disk.Open(file.path + std::string(SnapshotFetch::kStagedSuffix), OpenMode::kCreate);
      ASSERT_TRUE(staged.ok());
      ASSERT_TRUE((*staged)->WriteAt(0, ReadAll(source.disk, file.path, file.bytes)).ok());
      ASSERT_TRUE((*staged)->Sync().ok());
    }
    ASSERT_TRUE(disk.SyncDirectory("snapshots").ok());
    ASSERT_TRUE(disk.SyncDirectory("streams").ok());
  }
  static ArrivedSnapshot Arrived(const Source& source) {
    ArrivedSnapshot arrived;
    arrived.identity = source.identity;
    arrived.position = source.position;
    for (const SyncFile& file : source.files)
      arrived.paths.push_back(file.path);
    return arrived;
  }
};

// The process ends in each call, in turn.
TEST_F(FullSyncTest, AfterACrashThereIsTheOldStateOrTheNew) {
  Source source(1);
  bool ended = false;
  for (uint64_t call = 1; !ended; call++) {
    // All of them for the calls around the note, which decide; for the others one in turn.
    constexpr Crash kCrashes[] = {Crash::kProcess, Crash::kPower, Crash::kPowerWorst};
    constexpr uint64_t kCallsOfNote = 8;
    for (uint64_t i = 0; i < 3; i++) {
      if (call > kCallsOfNote && i != call % 3) continue;
      const Crash crash = kCrashes[i];
      SCOPED_TRACE(call);
      ModelDisk disk(call);
      KeyspaceContent old;
      {
        Server server(disk);
        ASSERT_TRUE(server.Start().ok());
        server.Fill("old");
        server.Save();
        server.Ask({"SET", "later", "1"});
        old = server.Content();
        server.storage().Close();
      }
      Stage(source, disk);
      disk.StopAt(disk.calls() + call);
      const bool noted = NoteArrived(disk, Arrived(source)).ok();
      if (noted) ended = TakeArrived(disk, kDirectories).ok();
      disk.Restart(crash);
      // It may end again while it makes up for that.
      if (call % 3 == 0 && !ended) {
        disk.StopAt(disk.calls() + call / 2);
        static_cast<void>(TakeArrived(disk, kDirectories));
        disk.Restart(crash);
      }
      Server server(disk);
      const Status started = server.Start();
      ASSERT_TRUE(started.ok()) << started.message();
      const KeyspaceContent content = server.Content();
      if (noted) {
        EXPECT_TRUE(content == source.content);
      } else {
        EXPECT_TRUE(content == old || content == source.content);
      }
      if (content == source.content) {
        EXPECT_EQ(server.storage().journal()->identity(), source.identity);
        EXPECT_EQ(server.storage().journal()->first(), source.position);
      }
      for (const char* directory : {"snapshots", "streams"}) {
        const auto names = disk.List(directory);
        ASSERT_TRUE(names.ok());
        for (const std::string& name : *names) {
          EXPECT_THAT(name, ::testing::Not(::testing::EndsWith(".sync")));
        }
      }
      // It goes on from there.
      server.Fill("more");
    }
  }
}

// The new journal may have a file of the same name, and so may what was set aside before.
TEST_F(FullSyncTest, WhatIsSetAsideIsNeverReplaced) {
  constexpr Crash kCrashes[] = {Crash::kProcess, Crash::kPower, Crash::kPowerWorst};
  const std::string path = "journal/00000000000000000000.log";
  bool ended = false;
  for (uint64_t call = 1; !ended; call++) {
    for (const Crash crash : kCrashes) {
      SCOPED_TRACE(call);
      ModelDisk disk(call);
      sim::WriteFile(disk, path, "second");
      sim::WriteFile(disk, path + ".damaged", "first");
      disk.Restart(Crash::kProcess);
      const auto aside = FreeNameBeside(disk, path, kDamagedSuffix);
      ASSERT_TRUE(aside.ok());
      ArrivedSnapshot none;
      none.set_aside.push_back({path, *aside});
      ASSERT_TRUE(NoteArrived(disk, none).ok());
      disk.StopAt(disk.calls() + call);
      ended = TakeArrived(disk, kDirectories).ok();
      disk.Restart(crash);
      ASSERT_TRUE(TakeArrived(disk, kDirectories).ok());
      EXPECT_EQ(sim::ReadFile(disk, path), "");
      EXPECT_EQ(sim::ReadFile(disk, path + ".damaged"), "first");
      EXPECT_EQ(sim::ReadFile(disk, path + ".2.damaged"), "second");
    }
  }
}

TEST_F(FullSyncTest, AllFilesAreSetAsideASecondTime) {
  ModelDisk disk(1);
  for (const char* content : {"first", "second"}) {
    for (const char* path : {"journal/00000000000000000000.log", "snapshots/1.snap", "streams/1"}) {
      sim::WriteFile(disk, path, content);
    }
    ASSERT_TRUE(SetAllAside(disk, kDirectories).ok());
  }
  for (const char* path : {"journal/00000000000000000000.log", "snapshots/1.snap", "streams/1"}) {
    EXPECT_EQ(sim::ReadFile(disk, std::string(path) + ".damaged"), "first");
    EXPECT_EQ(sim::ReadFile(disk, std::string(path) + ".2.damaged"), "second");
  }
}

TEST_F(FullSyncTest, WhatWasSetAsideIsCountedAndTrimmedWhereThereIsNoRoom) {
  ModelDisk disk(1);
  for (int i = 10; i < 40; i++) {
    sim::WriteFile(disk, "journal/" + std::to_string(i) + ".log.damaged", std::string(100, 'd'));
    sim::WriteFile(disk, "streams/" + std::to_string(i) + ".dropped", std::string(10, 'd'));
  }
  sim::WriteFile(disk, "snapshots/1.snap", "own");
  sim::WriteFile(disk, "snapshots/2.snap.sync", "staged");
  disk.set_capacity(disk.used() + 500);
  const auto enough = LookForRoom(disk, kDirectories, 500);
  ASSERT_TRUE(enough.ok());
  EXPECT_FALSE(enough->removed_staged);
  const auto room = LookForRoom(disk, kDirectories, 501);
  ASSERT_TRUE(room.ok());
  EXPECT_TRUE(room->removed_staged);
  EXPECT_EQ(room->set_aside_bytes, kMostDamagedFiles * 110);
  EXPECT_EQ(room->own_bytes, 3u);
  EXPECT_EQ(room->free_bytes, 500 + 6 + (30 - kMostDamagedFiles) * 110);
}

TEST_F(FullSyncTest, ADamagedNoteStopsTheStart) {
  ModelDisk disk(1);
  auto file = disk.Open("arrived", OpenMode::kCreate);
  ASSERT_TRUE((*file)->WriteAt(0, "runnel-arrived 1\nnonsense").ok());
  Server server(disk);
  EXPECT_THAT(server.Start().message(), ::testing::HasSubstr("arrived: this is no note"));
}

TEST_F(FullSyncTest, ASnapshotThatIsReadStaysWhileOthersAreTaken) {
  ModelDisk disk(1);
  Server server(disk);
  ASSERT_TRUE(server.Start().ok());
  server.Fill("a");
  const Position first = server.Save();
  EXPECT_FALSE(server.saver().Pin(first - 1));
  auto pinned = server.saver().Pin(UINT64_MAX);
  ASSERT_TRUE(pinned);
  EXPECT_EQ(pinned->first, first);
  const auto files = server.storage().ListSnapshot(first);
  ASSERT_TRUE(files.ok());
  const auto there = [&](const SyncFile& file) {
    return disk.Open(file.path, OpenMode::kRead).ok();
  };
  for (int i = 0; i < 4; i++) {
    server.Ask({"DEL", "stream-a"});
    server.Fill("a");
    server.Save();
    EXPECT_TRUE(std::all_of(files->begin(), files->end(), there));
  }
  pinned.reset();
  server.Ask({"SET", "k", "v"});
  server.Save();
  server.Turn();
  EXPECT_TRUE(std::none_of(files->begin(), files->end(), there));
}

// --- The transfer ---

// Both ends of the transfer, over connections that break, unless nothing does.
class TransferWorld final {
 public:
  TransferWorld(uint64_t seed, Source& source, bool quiet = false)
      : random_(seed),
        quiet_(quiet),
        source_(source),
        network_(seed + 1),
        disk_(seed + 2),
        fetch_(disk_, writer_, source.position, 1 + random_.Below(2'000'000)) {
    Connect();
  }
  ~TransferWorld() {
    Disconnect();
    reader_.Drain();
    writer_.Drain();
  }

  void Run() {
    RunUntil([this] { return fetch_.complete(); });
  }
  void RunUntil(const std::function<bool()>& so) {
    constexpr int kMostSteps = 100'000;
    for (int i = 0; !so(); i++) {
      ASSERT_LT(i, kMostSteps) << fetch_.written_bytes() << " of " << fetch_.total_bytes();
      if (!quiet_ && i < 300 && Chance(2)) network_.BreakOne();
      if (!quiet_ && i < 300 && Chance(1))
        disk_.FailCalls(disk_.calls() + 1, 1, Chance(50) ? 28 : 5);
      // Any of the calls that one piece makes.
      if (fails_often_ && i < 3000 && Chance(10))
        disk_.FailCalls(disk_.calls() + 1 + random_.Below(5), 1, 5);
      if (loses_ && i < 3000 && Chance(2)) LoseStaged();
      network_.Step();
      if (Chance(50)) reader_.Step();
      if (Chance(50)) writer_.Step();
      const bool good = follower_.ended.empty() && leader_.ended.empty() &&
                        sender_->Turn(*leader_.link).ok() && fetch_.Turn(*follower_.link).ok();
      if (!good) {
        Disconnect();
        Connect();
        continue;
      }
      // The leader may put reads off.
      if (sender_->next_bytes() > 0 && Chance(50)) sender_->ReadNext();
      leader_.link->Flush();
      follower_.link->Flush();
    }
  }
  // What the disk has after a power cut, too.
  void Compare() {
    disk_.FailCalls(0, 0, 0);
    ASSERT_TRUE(disk_.SyncDirectory(".").ok());
    disk_.Restart(Crash::kPowerWorst);
    const ModelDisk::Aside aside(&disk_);
    for (const SyncFile& file : source_.files) {
      const std::string staged = file.path + std::string(SnapshotFetch::kStagedSuffix);
      EXPECT_TRUE(ReadAll(disk_, staged, file.bytes) ==
                  ReadAll(source_.disk, file.path, file.bytes))
          << file.path;
    }
    EXPECT_EQ(fetch_.files(), source_.files);
  }
  int connections() const { return connections_; }
  // From now on the disk fails often.
  void set_fails_often() { fails_often_ = true; }
  const SnapshotFetch& fetch() const { return fetch_; }
  void Reconnect() {
    Disconnect();
    Connect();
  }
  // From now on somebody removes, by chance, what has come.
  void set_loses() { loses_ = true; }

 private:
  struct End final : Link::Owner {
    Status OnLine(std::string_view) override { return Status::Error("a line came"); }
    Status OnMessage(MessageType type, std::string_view body) override {
      return on_message(type, body);
    }
    void OnEnd(std::string_view why) override { ended = why; }
    std::function<Status(MessageType, std::string_view)> on_message;
    std::unique_ptr<Link> link;
    std::string ended;
  };

  void LoseStaged() {
    const ModelDisk::Aside aside(&disk_);
    const SyncFile& file = source_.files[random_.Below(source_.files.size())];
    static_cast<void>(disk_.Remove(file.path + std::string(SnapshotFetch::kStagedSuffix)));
  }
  bool Chance(uint64_t percent) { return random_.Below(100) < percent; }

  void Connect() {
    connections_++;
    auto pair = network_.Connect();
    leader_.ended = follower_.ended = "";
    sender_ = std::make_unique<SnapshotSender>(
        source_.disk, reader_,
        PinnedSnapshot{source_.position,
                       [this]() -> Result<std::vector<SyncFile>> { return source_.files; },
                       nullptr});
    leader_.on_message = [this](MessageType, std::string_view body) {
      const auto request = FetchRequest::Decode(body);
      return request ? sender_->OnFetch(*request) : Status::Error("no request");
    };
    follower_.on_message = [this](MessageType type, std::string_view body) {
      if (type == MessageType::kFiles) return fetch_.OnFiles(*FileList::Decode(body));
      return fetch_.OnPiece(*FilePiece::Decode(body));
    };
    leader_.link = Link::Begin(std::move(pair.far), leader_);
    follower_.link = Link::Begin(std::move(pair.near), follower_);
    fetch_.OnConnected();
  }
  void Disconnect() {
    Link::End(std::move(leader_.link));
    Link::End(std::move(follower_.link));
    network_.Settle();
  }

  Random random_;
  const bool quiet_;
  bool loses_ = false;
  bool fails_often_ = false;
  Source& source_;
  int connections_ = 0;
  ModelNetwork network_;
  ModelDisk disk_;
  SteppedWorker reader_, writer_;
  SnapshotFetch fetch_;
  std::unique_ptr<SnapshotSender> sender_;
  End leader_, follower_;
};

TEST_F(FullSyncTest, AllFilesArriveWhateverBreaks) {
  Source source(1);
  AddLargeFile(source);
  sim::ForEachSeed(200, [&](uint64_t seed) {
    TransferWorld world(seed, source);
    world.Run();
    if (!::testing::Test::HasFailure()) world.Compare();
  });
}

// What an earlier sync has lost a later one does not bring back.
TEST_F(FullSyncTest, AFailedSyncIsNotTrusted) {
  Source source(1);
  AddLargeFile(source);
  sim::ForEachSeed(100, [&](uint64_t seed) {
    TransferWorld world(seed, source, true);
    world.set_fails_often();
    world.Run();
    if (!::testing::Test::HasFailure()) world.Compare();
  });
}

// A server that follows may have taken one from its leader since.
TEST_F(FullSyncTest, PiecesOfTwoSnapshotsAreNotMixed) {
  sim::ForEachSeed(20, [&](uint64_t seed) {
    Source source(1);
    AddLargeFile(source);
    TransferWorld world(seed, source, true);
    world.RunUntil([&] { return world.fetch().written_bytes() > 0; });
    const bool changes = seed % 2 == 0;
    if (changes) {
      const std::string path = source.files.front().path;
      std::string bytes = sim::ReadFile(source.disk, path);
      bytes[20] = static_cast<char>(bytes[20] ^ 1);
      sim::WriteFile(source.disk, path, bytes);
    }
    world.Reconnect();
    world.RunUntil([&] { return world.fetch().is_another() || world.fetch().complete(); });
    EXPECT_EQ(world.fetch().is_another(), changes);
  });
}

TEST_F(FullSyncTest, AllFilesArriveThoughSomebodyRemovesThem) {
  Source source(1);
  AddLargeFile(source);
  sim::ForEachSeed(200, [&](uint64_t seed) {
    TransferWorld world(seed, source);
    world.set_loses();
    world.set_fails_often();
    world.Run();
    if (!::testing::Test::HasFailure()) world.Compare();
  });
}

// The state that it names may be another one later, or gone.
TEST_F(FullSyncTest, ANoteThatCouldNotBeWrittenDoesNotCountLater) {
  Source source(1);
  bool noted = false;
  for (uint64_t call = 1; !noted; call++) {
    SCOPED_TRACE(call);
    ModelDisk disk(call);
    disk.FailCalls(call, 1, 5);
    noted = NoteArrived(disk, Arrived(source)).ok();
    disk.Restart(Crash::kProcess);
    EXPECT_EQ(sim::Exists(disk, "arrived"), noted);
  }
}

// More requests than the leader takes at a time would fit into a window.
TEST_F(FullSyncTest, ManySmallFilesArriveOverOneConnection) {
  Source source(1);
  for (size_t i = 0; i < 4 * replication::kMostFetchRequests; i++) {
    const std::string path = "streams/small-" + std::to_string(i);
    sim::WriteFile(source.disk, path, std::string(1 + i % 7, 's'));
    source.files.push_back({path, 1 + i % 7});
  }
  sim::ForEachSeed(20, [&](uint64_t seed) {
    TransferWorld world(seed, source, true);
    world.Run();
    if (::testing::Test::HasFailure()) return;
    world.Compare();
    EXPECT_EQ(world.connections(), 1);
  });
}

TEST_F(FullSyncTest, WhoAsksForWhatIsNotThereIsRefused) {
  ModelDisk disk(1);
  SteppedWorker reader;
  SnapshotSender sender(disk, reader, {7, [] { return std::vector<SyncFile>(); }, nullptr});
  EXPECT_FALSE(sender.OnFetch({0, 0, 1}).ok());
}

}  // namespace
}  // namespace runnel
