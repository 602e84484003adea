// A follower that cannot go on with its own files takes what its leader has: an old leader that has
// no state from before the place where the journals part, a server whose files are damaged, one
// whose disk holds only one state, and one that a person has told to give up its own journal. Its
// process may end inside any call of its disk.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <map>
#include <string>
#include <utility>

#include "base/hash.h"
#include "base/log.h"
#include "base/testing.h"
#include "journal/segment.h"
#include "journal/set_aside.h"
#include "replication/agreed_mark.h"
#include "server/lost_data.h"
#include "snapshot/files.h"
#include "tests/sim/files.h"
#include "tests/sim/roles_world.h"
#include "tests/sim/seeds.h"

namespace runnel {
namespace {

using sim::Crash;
using sim::kMostSteps;
using sim::ModelDisk;
using sim::ModelServer;
using sim::World;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;

constexpr Crash kAllCrashes[] = {Crash::kProcess, Crash::kPower, Crash::kPowerWorst};

// Two servers or more, with small files.
class AnewWorld {
 public:
  explicit AnewWorld(uint64_t seed, size_t servers = 2) : world(seed, servers) {
    for (size_t i = 0; i < servers; i++) {
      world.server(i).options().appendfsync = journal::SyncPolicy::kAlways;
      world.server(i).options().journal_segment_bytes = 2000;
      world.server(i).options().snapshots_kept = 1;
      world.server(i).settings().cold.stream_memory = 500;
      world.server(i).Configure("repl-backlog-ttl", "1");
    }
  }
  ModelServer& server(size_t i) { return world.server(i); }
  Roles& roles(size_t i) { return world.server(i).roles(); }

  void Write(size_t i, int commands) {
    for (int n = 0; n < commands; n++) {
      world.Write(i);
      Step(i);
    }
  }
  void Step(size_t leader) {
    world.Step();
    if (notes_states) states.push_back(Content(leader));
  }
  // Whether a leader has had this state after one of the steps, or before the first. A follower
  // that starts applies what was below the mark, and goes on from there when it has a link.
  bool WasAState(const KeyspaceContent& content) const {
    return content.empty() || std::find(states.begin(), states.end(), content) != states.end();
  }
  // Goes on until that is so.
  void StepUntil(const std::function<bool()>& so) {
    for (int n = 0; n < kMostSteps && !so() && !::testing::Test::HasFailure(); n++) {
      world.Step();
    }
    EXPECT_TRUE(so()) << world.Describe();
  }
  void Save(size_t i) {
    Saver& saver = server(i).saver();
    saver.Begin(Saver::Kind::kSave);
    StepUntil([&] { return !saver.busy(); });
    EXPECT_TRUE(saver.last(Saver::Kind::kSave).status.ok());
  }
  bool Says(size_t i, const std::string& text) {
    return server(i).running() && !server(i).loading() &&
           roles(i).error().find(text) != std::string::npos;
  }
  // The journal of the server begins later, after `end`, so that whoever ends there needs a
  // snapshot. The leader writes.
  void RemoveJournal(size_t i, size_t leader, Position end = 0) {
    const Position first = std::max(server(i).storage().journal()->first(), end);
    for (int n = 0; n < 100 && server(i).storage().journal()->first() <= first; n++) {
      Fill(leader, 20);
      Save(i);
    }
    EXPECT_GT(server(i).storage().journal()->first(), first);
  }
  // Writes some 3 KB to the journal for each 20, and little to the state.
  void Fill(size_t i, int commands) {
    for (int command = 0; command < commands; command++) {
      server(i).Ask({"SET", "filler", std::string(100, 'x')});
      Step(i);
    }
  }
  // With values that cannot be compressed.
  void FillKeys(size_t i, const std::string& value, int keys) {
    for (int key = 0; key < keys; key++) {
      std::string bytes = value;
      for (int n = 0; n < 40; n++) {
        bytes += std::to_string(world.random().Below(UINT64_MAX));
      }
      server(i).Ask({"SET", "k" + std::to_string(key), bytes});
      world.Step();
    }
  }
  // Its disk has room for so many bytes more.
  static void LeaveRoom(ModelServer& server, uint64_t bytes) {
    const ModelDisk::Aside aside(&server.disk());
    server.disk().set_capacity(server.disk().used() + bytes);
  }
  // More than the bound of memory.
  void FillStream(size_t i) {
    for (int n = 1; n <= 40; n++) {
      server(i).Ask({"XADD", "long", std::to_string(n) + "-1", "f", std::string(100, 'x')});
      world.Step();
    }
  }
  KeyspaceContent Content(size_t i) { return sim::LogicalContentOf(server(i).keyspace()); }
  static bool HasLost(ModelServer& server) {
    const ModelDisk::Aside aside(&server.disk());
    return sim::Exists(server.disk(), "lost");
  }
  static std::vector<std::string> Names(ModelServer& server, const std::string& directory,
                                        const std::string& suffix) {
    const ModelDisk::Aside aside(&server.disk());
    std::vector<std::string> found;
    const auto names = server.disk().List(directory);
    for (const std::string& name : names.ok() ? *names : std::vector<std::string>()) {
      if (name.ends_with(suffix)) found.push_back(name);
    }
    return found;
  }
  // What has come of a snapshot.
  std::vector<std::string> Staged(size_t i) {
    auto names = Names(server(i), "snapshots", ".sync");
    const auto more = Names(server(i), "streams", ".sync");
    names.insert(names.end(), more.begin(), more.end());
    return names;
  }
  // Changes a byte of it.
  static void Damage(ModelServer& server, const std::string& path, size_t offset) {
    const ModelDisk::Aside aside(&server.disk());
    std::string bytes = sim::ReadFile(server.disk(), path);
    ASSERT_LT(offset, bytes.size()) << path;
    bytes[offset] = static_cast<char>(bytes[offset] ^ 1);
    sim::WriteFile(server.disk(), path, bytes);
  }
  void ExpectEqual() {
    world.Heal();
    if (::testing::Test::HasFailure()) return;
    EXPECT_EQ(world.equal(), world.servers() - 1) << world.Describe();
    world.Compare();
  }

  World world;
  bool notes_states = false;
  std::vector<KeyspaceContent> states;
};

// An old leader comes back and has no snapshot from before the place where the journals part.
class Return final : public AnewWorld {
 public:
  Return(uint64_t seed, bool snapshot) : AnewWorld(seed), snapshot_(snapshot) {
    notes_states = true;
  }

  // Until the moment at which it is told to follow.
  void Prepare() {
    world.StartAll();
    Write(0, 30);
    world.Heal();
    world.CutOff(0, true);
    world.Promote(1);
    RemoveJournal(0, 0);
    Write(0, 10);
    StepUntil([&] { return roles(1).leader() != nullptr; });
    Write(1, 20);
    if (snapshot_) Save(1);
    server(1).Ask({"SET", "later", "1"});
    Step(1);
    StepUntil([&] { return server(1).broker().log().sealed(); });
    if (::testing::Test::HasFailure()) return;
    before = Content(0);
    EXPECT_FALSE(before == Content(1));
    for (const char* directory : {"snapshots", "streams"}) {
      for (const std::string& name : Names(server(0), directory, "")) {
        const ModelDisk::Aside aside(&server(0).disk());
        const std::string path = std::string(directory) + "/" + name;
        files[path] = sim::ReadFile(server(0).disk(), path);
      }
    }
  }
  // What its journal does not hold any more, and the leader does not have, is in its snapshot.
  void ExpectSnapshotKept() {
    const auto snapshots = Names(server(0), "snapshots", ".snap.dropped");
    ASSERT_THAT(snapshots, SizeIs(1));
    size_t kept = 0;
    for (const auto& [path, bytes] : files) {
      const ModelDisk::Aside aside(&server(0).disk());
      if (!sim::Exists(server(0).disk(), path + ".dropped")) continue;
      kept++;
      // Files of entries may have grown.
      EXPECT_TRUE(sim::ReadFile(server(0).disk(), path + ".dropped").starts_with(bytes)) << path;
    }
    EXPECT_EQ(kept, snapshots.size() + Names(server(0), "snapshots", ".files.dropped").size() +
                        Names(server(0), "streams", ".dropped").size());
  }
  // Its process ends inside this call of its disk. Returns whether it was equal before that.
  bool Run(uint64_t call, Crash crash) {
    Prepare();
    if (::testing::Test::HasFailure()) return true;
    ModelServer& old = server(0);
    world.TellToFollow(0);
    StepUntil([&] { return roles(0).follower() != nullptr; });
    old.disk().StopAt(old.disk().calls() + call);
    world.set_crash(crash);
    world.CutOff(0, false);
    for (int i = 0; i < kMostSteps && old.running() && !world.IsEqual(old); i++) {
      world.Step();
    }
    const bool stopped = !old.running();
    if (!stopped) {
      EXPECT_GT(roles(0).dropped_bytes(), 0u);
      EXPECT_EQ(old.reloads(), 1u);
    } else {
      world.CutOff(0, true);
      old.SetLeader("1");
      world.Start(0);
      if (::testing::Test::HasFailure()) return true;
      StepUntil([&] { return !server(0).loading(); });
      EXPECT_TRUE(WasAState(Content(0)));
    }
    ExpectEqual();
    EXPECT_THAT(Names(old, "journal/dropped", ".frames"), Not(IsEmpty()));
    ExpectSnapshotKept();
    StepUntil([&] { return !HasLost(old); });
    return !stopped;
  }

  const bool snapshot_;
  KeyspaceContent before;
  std::map<std::string, std::string> files;
};

class AnewTest : public ::testing::Test {
 protected:
  AnewTest() {
    SetLogLevel(LogLevel::kNothing);
    // The order of keys in tables decides the size of what snapshots and cold files have.
    SetHashSeedForTest(2);
    SetRandomSeedForTest(2);
  }
  ~AnewTest() override { SetLogLevel(LogLevel::kVerbose); }

  // Runs it in a world of each of some seeds, which is prepared.
  template <class OneWorld, class Run>
  static void ForEachSeedOf(Run run) {
    constexpr uint64_t kSeeds = 20;
    sim::ForEachSeed(kSeeds, [&](uint64_t seed) {
      OneWorld world(seed);
      world.Prepare();
      if (!HasFailure()) run(world);
    });
  }
  // Runs it with its process ending in the first call, in the second, and so on.
  static void ForEachCall(uint64_t least, const std::function<bool(uint64_t, Crash)>& run) {
    uint64_t call = 1;
    while (!run(call, kAllCrashes[call % 3]) && !HasFailure()) {
      call++;
    }
    EXPECT_GT(call, least);
    if (HasFailure()) ADD_FAILURE() << "at call " << call;
  }
};

TEST_F(AnewTest, AnOldLeaderWithoutAStateFetchesOne) {
  Return world(1, true);
  world.Prepare();
  world.world.CutOff(0, false);
  world.world.TellToFollow(0);
  // The old state is served until the new one is there.
  world.StepUntil([&] {
    const replication::Follower* const follower = world.roles(0).follower();
    return follower != nullptr && follower->fetch() != nullptr && follower->fetch()->listed();
  });
  EXPECT_TRUE(world.Content(0) == world.before);
  EXPECT_THAT(AnewWorld::Names(world.server(0), "journal/dropped", ".frames"), IsEmpty());
  world.ExpectEqual();
  EXPECT_GT(world.roles(0).dropped_bytes(), 0u);
  EXPECT_THAT(AnewWorld::Names(world.server(0), "journal/dropped", ".frames"), SizeIs(1));
  world.ExpectSnapshotKept();
}

// Not before it has all: what comes of the journal from its beginning is no state for anybody.
TEST_F(AnewTest, AServerThatBeginsWithNothingLacksItsStateUntilItHasAll) {
  Return world(1, false);
  world.Prepare();
  if (HasFailure()) return;
  world.world.CutOff(0, false);
  world.world.TellToFollow(0);
  ModelServer& server = world.server(0);
  bool partly = false;
  world.StepUntil([&] {
    if (server.loading() || server.reloads() == 0) return false;
    EXPECT_EQ(world.roles(0).lacks_state(), server.storage().lost().has_value());
    partly |= server.storage().lost() && server.storage().journal()->appended() > 0;
    return world.world.IsEqual(server) && !server.storage().lost();
  });
  EXPECT_TRUE(partly);
}

// The one that it follows may lack something, so what is lost is not forgotten; but it serves.
TEST_F(AnewTest, InAChainAServerThatHadNothingServesAgain) {
  AnewWorld world(1, 3);
  world.world.StartAll();
  world.Write(0, 20);
  world.world.Heal();
  world.RemoveJournal(2, 0);
  world.world.Heal();
  ModelServer& server = world.server(2);
  server.Stop(Crash::kProcess);
  for (const std::string& name : AnewWorld::Names(server, "snapshots", ".snap")) {
    AnewWorld::Damage(server, "snapshots/" + name, 100);
  }
  world.world.TellToFollow(2, 1);
  world.world.Start(2);
  if (HasFailure()) return;
  EXPECT_TRUE(world.roles(2).lacks_state());
  bool partly = false;
  world.StepUntil([&] {
    partly |= world.roles(2).lacks_state() && server.storage().journal()->appended() > 0;
    return !world.roles(2).lacks_state();
  });
  EXPECT_TRUE(partly);
  EXPECT_TRUE(server.storage().lost());
  EXPECT_TRUE(world.roles(2).follower()->has_all());
}

// What is here stays if it cannot be noted that it goes.
TEST_F(AnewTest, AStateThatIsNotTakenIsNotLacked) {
  Return world(1, false);
  world.Prepare();
  if (HasFailure()) return;
  ModelServer& server = world.server(0);
  world.world.CutOff(0, false);
  world.world.TellToFollow(0);
  world.StepUntil([&] { return server.storage().lost().has_value(); });
  server.disk().FailCalls(server.disk().calls() + 1, 1, 28);
  world.StepUntil([&] { return world.Says(0, "cannot take the place of what is here"); });
  EXPECT_FALSE(world.roles(0).lacks_state());
  EXPECT_TRUE(world.Content(0) == world.before);
  world.ExpectEqual();
}

// The leader's snapshot is damaged. It is not fetched again and again at once, and not any more
// when there is another one.
TEST_F(AnewTest, ADamagedSnapshotOfTheLeaderIsNotTheLastWord) {
  for (const bool missing : {false, true}) {
    if (HasFailure()) return;
    SCOPED_TRACE(missing);
    Return world(1, true);
    world.Prepare();
    if (HasFailure()) return;
    ModelServer& leader = world.server(1);
    const std::string path = "snapshots/" + AnewWorld::Names(leader, "snapshots", ".snap").back();
    if (missing) {
      const ModelDisk::Aside aside(&leader.disk());
      ASSERT_TRUE(leader.disk().Remove(path).ok());
    } else {
      AnewWorld::Damage(leader, path, 100);
    }
    world.world.CutOff(0, false);
    world.world.TellToFollow(0);
    // In 20 s of the model.
    int syncs = 0;
    bool syncing = false;
    const int64_t until_ms = world.world.now_ms() + 20'000;
    while (world.world.now_ms() < until_ms) {
      world.world.Step();
      const replication::Follower* const follower = world.roles(0).follower();
      const bool now =
          follower != nullptr && follower->state() == replication::Follower::State::kSyncing;
      syncs += now && !std::exchange(syncing, now);
      syncing = now;
    }
    EXPECT_GT(syncs, 3);
    EXPECT_LT(syncs, 20);
    EXPECT_TRUE(world.Content(0) == world.before);
    world.Write(1, 5);
    world.Save(1);
    world.Fill(1, 5);
    world.ExpectEqual();
  }
}

// What has come is of no use to a server that leads, or follows another one.
TEST_F(AnewTest, WhatHasComeGoesWithTheLeader) {
  for (const bool leads : {true, false}) {
    if (HasFailure()) return;
    Return world(1, true);
    world.Prepare();
    world.world.CutOff(0, false);
    world.world.TellToFollow(0);
    world.StepUntil([&] {
      const replication::Follower* const follower = world.roles(0).follower();
      return follower != nullptr && follower->fetch() != nullptr &&
             follower->fetch()->written_bytes() > 0;
    });
    EXPECT_THAT(world.Staged(0), Not(IsEmpty()));
    world.world.CutOff(0, true);
    leads ? world.roles(0).AskToLead() : world.roles(0).AskToFollow("00", 1);
    world.StepUntil([&] { return world.Staged(0).empty(); });
  }
}

TEST_F(AnewTest, EveryCallOfAReturnIsACrashPoint) {
  for (const bool snapshot : {true, false}) {
    if (HasFailure()) return;
    ForEachCall(20, [&](uint64_t call, Crash crash) {
      return Return(call % 4 + 1, snapshot).Run(call, crash);
    });
  }
}

// What two servers had is not given up because the rest of it is not here.
TEST_F(AnewTest, WhatTwoServersHadIsNotGivenUpInSilence) {
  AnewWorld world(1, 3);
  world.world.StartAll();
  world.Write(0, 20);
  world.world.Heal();
  // Server 2 goes; 0 and 1 agree on more.
  world.world.CutOff(2, true);
  world.Write(0, 20);
  world.StepUntil([&] { return world.world.IsEqual(world.server(1)); });
  world.RemoveJournal(0, 0);
  world.StepUntil([&] { return world.world.IsEqual(world.server(1)); });
  world.world.CutOff(0, true);
  world.world.CutOff(1, true);
  world.world.CutOff(2, false);
  world.world.Promote(2);
  world.StepUntil([&] { return world.roles(2).leader() != nullptr; });
  world.Write(2, 10);
  world.server(0).Configure("unclean-leader-election", "no");
  const KeyspaceContent before = world.Content(0);
  world.world.TellToFollow(0);
  world.world.CutOff(0, false);
  world.StepUntil([&] { return world.Says(0, "that two servers had agreed on"); });
  EXPECT_TRUE(world.Content(0) == before);
  EXPECT_THAT(AnewWorld::Names(world.server(0), "journal/dropped", ".frames"), IsEmpty());
  // A person's word.
  world.roles(0).AskToFollow("2", 1, true);
  world.StepUntil([&] { return world.world.IsEqual(world.server(0)); });
  EXPECT_TRUE(world.Content(0) == world.Content(2));
  EXPECT_THAT(AnewWorld::Names(world.server(0), "journal/dropped", ".frames"), SizeIs(1));
}

// --- Another journal ---

TEST_F(AnewTest, AnotherJournalIsTakenOnlyByAPersonsWord) {
  ForEachCall(15, [&](uint64_t call, Crash crash) {
    AnewWorld world(call);
    world.notes_states = true;
    world.world.Start(0);
    world.world.Start(1);
    world.server(0).Ask({"SET", "mine", "0"});
    world.server(1).Ask({"SET", "mine", "1"});
    world.Write(0, 20);
    world.Write(1, 20);
    world.Save(1);
    if (HasFailure()) return true;
    const KeyspaceContent before = world.Content(0);
    world.Fill(1, 1);
    world.world.Promote(1);
    world.world.TellToFollow(0);
    world.StepUntil([&] { return world.Says(0, "the follower's is another one"); });
    EXPECT_TRUE(world.Content(0) == before);
    ModelServer& server = world.server(0);
    const uint64_t id = server.storage().journal()->identity().id;
    server.disk().StopAt(server.disk().calls() + call);
    world.world.set_crash(crash);
    world.roles(0).AskToFollow("1", 1, true);
    for (int i = 0; i < kMostSteps && server.running() && !world.world.IsEqual(server); i++) {
      world.world.Step();
    }
    const bool stopped = !server.running();
    if (stopped) {
      world.world.CutOff(0, true);
      world.world.Start(0);
      if (HasFailure()) return true;
      EXPECT_TRUE(world.WasAState(world.Content(0)));
      server.disk().StopAt(0);
      world.world.CutOff(0, false);
      world.roles(0).AskToFollow("1", 1, true);
    }
    world.StepUntil([&] { return world.world.IsEqual(server); });
    if (HasFailure()) return true;
    EXPECT_TRUE(world.Content(0) == world.Content(1));
    EXPECT_EQ(server.storage().journal()->identity(),
              world.server(1).storage().journal()->identity());
    EXPECT_THAT(AnewWorld::Names(server, "journal/dropped", ".frames"), Not(IsEmpty()));
    const ModelDisk::Aside aside(&server.disk());
    const auto older = journal::ListOlderIdentities(server.disk(), "journal");
    EXPECT_TRUE(older.ok() && older->size() == 1 && older->front().id == id);
    return !stopped;
  });
}

// The word was about what there was when it was said.
TEST_F(AnewTest, AWordHoldsOnce) {
  AnewWorld world(1);
  world.world.Start(0);
  world.world.Start(1);
  world.Write(0, 10);
  world.Write(1, 10);
  world.world.Promote(1);
  world.roles(0).AskToFollow("1", 1, true);
  world.StepUntil([&] { return world.world.IsEqual(world.server(0)); });
  const KeyspaceContent before = world.Content(0);
  // The leader comes back without its directory.
  world.server(1).Stop(Crash::kProcess);
  world.server(1).disk().Wipe();
  world.world.Start(1);
  world.Write(1, 10);
  world.StepUntil([&] { return world.Says(0, "the follower's is another one"); });
  EXPECT_TRUE(world.Content(0) == before);
}

// --- Damage ---

// A follower whose files are damaged while it does not run.
class Damaged final : public AnewWorld {
 public:
  enum class What { kJournal, kSnapshot, kColdFile, kMissingSegment };
  Damaged(uint64_t seed, What what) : AnewWorld(seed), what_(what) {}

  void Prepare() {
    world.StartAll();
    Write(0, 30);
    FillStream(0);
    world.Heal();
    RemoveJournal(0, 0);
    world.Heal();
    RemoveJournal(1, 0);
    // Files behind that of the snapshot.
    Fill(0, 60);
    world.Heal();
    if (::testing::Test::HasFailure()) return;
    ModelServer& server = this->server(1);
    EXPECT_TRUE(roles(1).in_recorded_set());
    server.Stop(Crash::kPower);
    const auto segments = Names(server, "journal", ".log");
    ASSERT_THAT(segments, SizeIs(::testing::Ge(3u)));
    switch (what_) {
      case What::kJournal:
        Damage(server, "journal/" + segments[segments.size() - 2], 50);
        break;
      case What::kMissingSegment: {
        const ModelDisk::Aside aside(&server.disk());
        ASSERT_TRUE(server.disk().Remove("journal/" + segments[segments.size() - 2]).ok());
        break;
      }
      case What::kSnapshot:
        Damage(server, "snapshots/" + Names(server, "snapshots", ".snap").back(), 100);
        break;
      case What::kColdFile: {
        const auto files = snapshot::ReadFileList(
            server.disk(), "snapshots",
            *snapshot::ParseSnapshotName(Names(server, "snapshots", ".snap").back()));
        ASSERT_TRUE(files.ok() && !files->empty());
        const ModelDisk::Aside aside(&server.disk());
        ASSERT_TRUE(server.disk().Remove("streams/" + files->front()).ok());
        break;
      }
    }
  }
  // The process ends inside this call of its start, or after it.
  bool Run(uint64_t call, Crash crash) {
    Prepare();
    if (::testing::Test::HasFailure()) return true;
    ModelServer& server = this->server(1);
    world.CutOff(1, true);
    server.disk().StopAt(server.disk().calls() + call);
    bool stopped = !server.Start(world.now_ms());
    if (stopped) {
      server.Stop(crash);
      world.Start(1);
    }
    if (::testing::Test::HasFailure()) return true;
    ExpectLost();
    world.CutOff(1, false);
    world.set_crash(crash);
    for (int i = 0; i < kMostSteps && server.running() && !Whole(); i++) {
      world.Step();
    }
    stopped |= !server.running();
    ExpectEqual();
    StepUntil([&] { return Whole(); });
    return !stopped;
  }
  bool Whole() {
    return server(1).running() && world.IsEqual(server(1)) && !server(1).storage().lost() &&
           !HasLost(server(1));
  }
  void ExpectLost() {
    EXPECT_TRUE(server(1).storage().lost());
    EXPECT_FALSE(roles(1).in_recorded_set());
    EXPECT_EQ(roles(1).lacks_state(), what_ == What::kSnapshot || what_ == What::kColdFile);
    server(1).Configure("unclean-leader-election", "no");
    EXPECT_THAT(roles(1).WhyNotLead().message(), HasSubstr("NOTINSYNC"));
    server(1).Configure("unclean-leader-election", "yes");
  }

 private:
  const What what_;
};

TEST_F(AnewTest, AFollowerWithDamagedFilesFetchesThemAnew) {
  using What = Damaged::What;
  for (const What what :
       {What::kJournal, What::kMissingSegment, What::kSnapshot, What::kColdFile}) {
    if (HasFailure()) return;
    SCOPED_TRACE(static_cast<int>(what));
    Damaged world(1, what);
    world.Prepare();
    if (HasFailure()) return;
    world.world.CutOff(1, true);
    world.world.Start(1);
    if (HasFailure()) return;
    world.ExpectLost();
    // Nothing is removed before the leader has given what is to take its place.
    const bool all = what == What::kSnapshot || what == What::kColdFile;
    EXPECT_EQ(!AnewWorld::Names(world.server(1), "snapshots", ".damaged").empty(), all);
    EXPECT_THAT(AnewWorld::Names(world.server(1), "journal", ".damaged"), Not(IsEmpty()));
    if (what == What::kJournal) {
      EXPECT_THAT(AnewWorld::Names(world.server(1), "journal", ".tail"), Not(IsEmpty()));
    }
    world.ExpectEqual();
    world.StepUntil([&] { return world.Whole(); });
    EXPECT_FALSE(world.roles(1).lacks_state());
    world.StepUntil([&] { return world.roles(1).in_recorded_set(); });
  }
}

TEST_F(AnewTest, EveryCallOfAStartWithDamageIsACrashPoint) {
  using What = Damaged::What;
  for (const What what : {What::kJournal, What::kSnapshot}) {
    if (HasFailure()) return;
    ForEachCall(20, [&](uint64_t call, Crash crash) {
      return Damaged(call % 4 + 1, what).Run(call, crash);
    });
  }
}

// They may be all that is left, so they stay until then.
TEST_F(AnewTest, DamagedFilesAreTrimmedWhenAllIsThereAgain) {
  Damaged world(1, Damaged::What::kJournal);
  world.Prepare();
  if (HasFailure()) return;
  ModelServer& server = world.server(1);
  for (int i = 10; i < 40; i++) {
    const ModelDisk::Aside aside(&server.disk());
    sim::WriteFile(server.disk(), "journal/" + std::to_string(i) + ".log.damaged", "x");
  }
  world.world.CutOff(1, true);
  world.world.Start(1);
  if (HasFailure()) return;
  const auto damaged = [&] { return AnewWorld::Names(server, "journal", ".damaged"); };
  EXPECT_THAT(damaged(), SizeIs(::testing::Gt(30u)));
  world.ExpectEqual();
  world.StepUntil([&] { return damaged().size() == kMostDamagedFiles; });
}

// Its leader has lost its history meanwhile: what is damaged may be all that is left.
TEST_F(AnewTest, ADamagedFollowerIsNotFilledByALeaderThatHasLostItsHistory) {
  Damaged world(1, Damaged::What::kSnapshot);
  world.Prepare();
  if (HasFailure()) return;
  world.server(0).Stop(Crash::kProcess);
  world.server(0).disk().Wipe();
  world.world.Start(0);
  world.Write(0, 10);
  world.world.Start(1);
  world.StepUntil([&] { return world.Says(1, "the follower's is another one"); });
  EXPECT_TRUE(world.roles(1).lacks_state());
  EXPECT_THAT(AnewWorld::Names(world.server(1), "snapshots", ".damaged"), Not(IsEmpty()));
}

// Server 1 has written much that it has not applied, because the mark stays.
class Unapplied final : public AnewWorld {
 public:
  explicit Unapplied(uint64_t seed) : AnewWorld(seed, 3) {}

  void Prepare() {
    for (size_t i = 0; i < 3; i++) {
      server(i).Configure("replica-window-bytes", "65536");
    }
    world.StartAll();
    Write(0, 20);
    world.Heal();
    StepUntil([&] { return roles(0).leader()->in_sync().size() == 3; });
    FillKeys(0, "old", 30);
    world.Heal();
    Save(0);
    // More comes than the follower keeps in memory.
    world.Stall(2);
    for (int i = 0; i < 40; i++) {
      server(0).Ask({"SET", "k" + std::to_string(i), std::string(4000, 'x')});
      world.Step();
    }
    StepUntil([&] { return journal().written() == server(0).storage().journal()->appended(); });
    ASSERT_GT(journal().written() - roles(1).follower()->applied(), 100'000u);
  }
  // What it has not applied.
  void DamageIt() {
    const auto segments = Names(server(1), "journal", ".log");
    Damage(server(1), "journal/" + segments[segments.size() - 2], 100);
  }
  journal::Journal& journal() { return *server(1).storage().journal(); }
};

// What a follower has written is damaged before it is applied.
TEST_F(AnewTest, AFollowerFindsDamageWhileItRuns) {
  Unapplied world(1);
  world.Prepare();
  if (HasFailure()) return;
  ModelServer& server = world.server(1);
  world.DamageIt();
  world.world.Stall({});
  world.StepUntil([&] { return server.storage().lost().has_value(); });
  EXPECT_FALSE(world.roles(1).in_recorded_set());
  EXPECT_FALSE(world.roles(1).lacks_state());
  world.ExpectEqual();
  world.StepUntil([&] { return !server.storage().lost(); });
  EXPECT_EQ(server.reloads(), 1u);
  EXPECT_THAT(AnewWorld::Names(server, "journal", ".log.damaged"), Not(IsEmpty()));
}

// What it has found does not depend on the leader that it follows.
TEST_F(AnewTest, AFollowerWithDamageKnowsSoWithAnotherLeader) {
  Unapplied world(1);
  world.Prepare();
  if (HasFailure()) return;
  ModelServer& server = world.server(1);
  world.DamageIt();
  world.world.Stall({});
  world.StepUntil([&] { return server.storage().lost().has_value(); });
  // The same one under another name.
  world.roles(1).AskToFollow("00", 1);
  world.StepUntil([&] {
    EXPECT_TRUE(server.storage().lost() || server.reloads() == 1);
    return server.reloads() == 1 && !server.loading() && !server.storage().lost();
  });
  EXPECT_TRUE(world.world.IsEqual(server));
}

TEST_F(AnewTest, AFollowerThatCannotLeadFollowsOn) {
  Unapplied world(1);
  world.Prepare();
  if (HasFailure()) return;
  ModelServer& server = world.server(1);
  world.DamageIt();
  // What is not applied is read again, all of it.
  world.roles(1).AskToLead();
  world.StepUntil([&] { return server.storage().lost().has_value(); });
  EXPECT_EQ(world.roles(1).leader(), nullptr);
  EXPECT_EQ(server.config().options().leader_host, "0");
  world.world.Stall({});
  world.StepUntil([&] { return world.world.IsEqual(server) && !server.storage().lost(); });
  EXPECT_EQ(server.reloads(), 1u);
}

// A person changes his mind before it leads.
TEST_F(AnewTest, AFollowerThatWasToLeadFollowsTheSameOneAgain) {
  Unapplied world(1);
  world.Prepare();
  if (HasFailure()) return;
  world.roles(1).AskToLead();
  world.StepUntil([&] { return world.roles(1).follower()->has_given_up(); });
  ASSERT_TRUE(world.roles(1).wishes());
  world.roles(1).AskToFollow("0", 1);
  world.world.Stall({});
  world.StepUntil([&] { return world.world.IsEqual(world.server(1)); });
  EXPECT_EQ(world.server(1).reloads(), 0u);
}

// A state is put in the place of the old one, and the server is to lead before it is loaded.
TEST_F(AnewTest, AnOrderToLeadWaitsForTheNewState) {
  Return world(1, true);
  world.Prepare();
  if (HasFailure()) return;
  ModelServer& server = world.server(0);
  server.options().unclean_leader_election = false;
  world.world.CutOff(0, false);
  world.world.TellToFollow(0);
  world.StepUntil([&] { return server.storage().lost().has_value(); });
  world.roles(0).AskToLead();
  world.StepUntil([&] { return !server.loading() && world.roles(0).leader() != nullptr; });
  EXPECT_EQ(server.reloads(), 1u);
  EXPECT_FALSE(server.storage().lost());
}

TEST_F(AnewTest, OnlySoManyDamagedFilesStay) {
  ModelDisk disk(1);
  for (int i = 10; i < 30; i++) {
    sim::WriteFile(disk, "journal/" + std::to_string(i) + ".log.damaged", "x");
  }
  sim::WriteFile(disk, "journal/99.log", "x");
  ASSERT_TRUE(RemoveOld(disk, {"journal", "snapshots", "streams"}, kDamagedSuffix).ok());
  const auto names = disk.List("journal");
  ASSERT_TRUE(names.ok());
  ASSERT_THAT(*names, SizeIs(17));
  EXPECT_EQ(names->front(), "14.log.damaged");
  EXPECT_EQ(names->back(), "99.log");
}

// --- A disk that is full ---

// It stops asking, leaves the set, and goes on when there is room again.
TEST_F(AnewTest, AFullDiskOfAFollowerHealsByItself) {
  AnewWorld world(1);
  for (size_t i = 0; i < 2; i++) {
    world.server(i).Configure("replica-lag-time-max", "1000");
    world.server(i).Configure("replica-window-bytes", "65536");
  }
  world.world.StartAll();
  world.Fill(0, 10);
  world.world.Heal();
  world.StepUntil([&] { return world.roles(0).leader()->in_sync().size() == 2; });
  ModelServer& server = world.server(1);
  server.disk().set_capacity(server.disk().used());
  journal::Journal& journal = *server.storage().journal();
  for (int i = 0; i < 100; i++) {
    world.server(0).Ask({"SET", "filler", std::string(4000, 'x')});
    world.world.Step();
  }
  world.StepUntil([&] { return world.roles(0).leader()->in_sync().size() == 1; });
  EXPECT_FALSE(journal.status().ok());
  EXPECT_FALSE(journal.failed());
  EXPECT_LT(journal.appended() - journal.written(), 3u * 65536);
  server.disk().set_capacity(UINT64_MAX);
  world.ExpectEqual();
  world.StepUntil([&] { return world.roles(0).leader()->in_sync().size() == 2; });
  EXPECT_EQ(server.reloads(), 0u);
}

// --- A disk that holds one state only ---

class SmallDisk final : public AnewWorld {
 public:
  explicit SmallDisk(uint64_t seed) : AnewWorld(seed) {}

  void Prepare() {
    world.StartAll();
    FillKeys(0, "old", 100);
    world.Heal();
    Save(1);
    before = Content(1);
    world.CutOff(1, true);
    FillKeys(0, "new", 100);
    RemoveJournal(0, 0, server(1).storage().journal()->appended());
    Fill(0, 5);
    if (::testing::Test::HasFailure()) return;
    // With the segment that a server without data reserves, and what is left for notes.
    LeaveRoom(server(1), 5000);
  }
  bool Run(uint64_t call, Crash crash) {
    Prepare();
    if (::testing::Test::HasFailure()) return true;
    ModelServer& server = this->server(1);
    server.disk().StopAt(server.disk().calls() + call);
    world.set_crash(crash);
    world.CutOff(1, false);
    for (int i = 0; i < kMostSteps && server.running() && !Whole(); i++) {
      world.Step();
    }
    const bool stopped = !server.running();
    if (stopped) {
      world.CutOff(1, true);
      world.Start(1);
      if (::testing::Test::HasFailure()) return true;
      const KeyspaceContent found = Content(1);
      // If it has nothing, it knows so.
      EXPECT_TRUE(found == before || found == Content(0) || roles(1).lacks_state())
          << sim::Difference(before, found).substr(0, 2000);
      if (roles(1).lacks_state()) {
        EXPECT_FALSE(roles(1).in_recorded_set());
      }
    }
    ExpectEqual();
    StepUntil([&] { return Whole(); });
    return !stopped;
  }
  bool Whole() {
    return server(1).running() && world.IsEqual(server(1)) && !server(1).storage().lost() &&
           !HasLost(server(1));
  }

  KeyspaceContent before;
};

TEST_F(AnewTest, TheOldStateMakesRoomForTheNewOne) {
  ForEachSeedOf<SmallDisk>([](SmallDisk& world) {
    world.world.CutOff(1, false);
    world.StepUntil([&] { return !world.server(1).loading() && world.roles(1).lacks_state(); });
    EXPECT_FALSE(world.roles(1).in_recorded_set());
    EXPECT_THAT(world.Content(1), IsEmpty());
    world.ExpectEqual();
    world.StepUntil([&] { return world.Whole(); });
    EXPECT_EQ(world.server(1).reloads(), 2u);
  });
}

// It has given up what it had, and then others take the room. It waits for them, and does not give
// up again and again what it has not.
TEST_F(AnewTest, AServerWithoutDataMakesNoRoom) {
  ForEachSeedOf<SmallDisk>([](SmallDisk& world) {
    ModelServer& server = world.server(1);
    world.world.CutOff(1, false);
    world.StepUntil([&] { return !server.loading() && world.roles(1).lacks_state(); });
    AnewWorld::LeaveRoom(server, 1000);
    world.StepUntil([&] { return world.Says(1, "the disk has no room for the snapshot"); });
    for (int i = 0; i < 100; i++) {
      world.world.Step();
    }
    EXPECT_EQ(server.reloads(), 1u);
    server.disk().set_capacity(UINT64_MAX);
    world.ExpectEqual();
    EXPECT_EQ(server.reloads(), 2u);
  });
}

// Server 0 has led, and has agreed with server 1 on changes that server 2, which leads now, lacks.
class Parted final : public AnewWorld {
 public:
  explicit Parted(uint64_t seed) : AnewWorld(seed, 3) {}

  void Prepare() {
    world.StartAll();
    FillKeys(0, "old", 100);
    world.Heal();
    Save(0);
    world.CutOff(2, true);
    parting = journal(2).written();
    Write(0, 20);
    FillKeys(0, "parted", 10);
    StepUntil([&] { return world.IsEqual(server(1)); });
    StepUntil([&] { return Agreed() > parting; });
    world.CutOff(0, true);
    world.CutOff(1, true);
    world.CutOff(2, false);
    world.Promote(2);
    StepUntil([&] { return roles(2).leader() != nullptr; });
    FillKeys(2, "new", 100);
    RemoveJournal(2, 2);
    Fill(2, 5);
    to_keep = journal(0).written() - parting;
    ModelDisk& disk = server(2).disk();
    const ModelDisk::Aside aside(&disk);
    const auto files = server(2).storage().ListSnapshot(server(2).saver().last_position());
    ASSERT_TRUE(files.ok());
    for (const replication::SyncFile& file : *files) {
      to_come += file.bytes;
    }
    ASSERT_GT(to_come, to_keep + 2000);
  }
  void Follow() {
    world.TellToFollow(0);
    world.CutOff(0, false);
  }
  journal::Journal& journal(size_t i) { return *server(i).storage().journal(); }
  // By what the disk of server 0 says.
  Position Agreed() {
    ModelDisk& disk = server(0).disk();
    const ModelDisk::Aside aside(&disk);
    sim::SteppedWorker worker;
    auto mark = replication::AgreedMark::Open(disk, worker, "mark");
    EXPECT_TRUE(mark.ok());
    return (*mark)->Of(journal(2).identity().id);
  }

  Position parting = 0;
  uint64_t to_keep = 0;
  uint64_t to_come = 0;
};

// A start must not take for agreed what has made room, and is of another leader.
TEST_F(AnewTest, TheMarkIsLoweredBeforeTheOldStateMakesRoom) {
  ForEachSeedOf<Parted>([](Parted& world) {
    ModelServer& server = world.server(0);
    world.LeaveRoom(server, world.to_keep + 5000);
    world.Follow();
    bool arrived = false;
    world.StepUntil([&] {
      const ModelDisk::Aside aside(&server.disk());
      if (sim::Exists(server.disk(), "arrived")) {
        arrived = true;
        EXPECT_LE(world.Agreed(), world.parting);
      }
      return !server.loading() && world.roles(0).lacks_state();
    });
    EXPECT_TRUE(arrived);
    world.StepUntil([&] { return world.world.IsEqual(server); });
    EXPECT_EQ(server.reloads(), 2u);
  });
}

// There is room for the snapshot, but not for what is to be kept as well.
TEST_F(AnewTest, WhatIsToBeKeptNeedsRoomToo) {
  ForEachSeedOf<Parted>([](Parted& world) {
    ModelServer& server = world.server(0);
    world.LeaveRoom(server, world.to_come + world.to_keep / 2);
    world.Follow();
    world.StepUntil([&] { return world.world.IsEqual(server); });
    EXPECT_EQ(server.reloads(), 2u);
    EXPECT_THAT(AnewWorld::Names(server, "journal/dropped", ".frames"), SizeIs(1));
  });
}

TEST_F(AnewTest, WithoutRoomForWhatIsToBeKeptNothingGoes) {
  ForEachSeedOf<Parted>([](Parted& world) {
    ModelServer& server = world.server(0);
    const KeyspaceContent before = world.Content(0);
    world.LeaveRoom(server, world.to_keep / 2);
    world.Follow();
    world.StepUntil([&] { return world.Says(0, "of this server's journal are to be kept"); });
    EXPECT_TRUE(world.Content(0) == before);
    server.disk().set_capacity(UINT64_MAX);
    world.ExpectEqual();
  });
}

TEST_F(AnewTest, WhatIsDamagedIsSetAsideAlsoToMakeRoom) {
  ForEachSeedOf<Unapplied>([](Unapplied& world) {
    ModelServer& server = world.server(1);
    world.DamageIt();
    world.LeaveRoom(server, 10'000);
    world.world.Stall({});
    world.StepUntil([&] { return !server.loading() && world.roles(1).lacks_state(); });
    EXPECT_THAT(AnewWorld::Names(server, "journal", ".log.damaged"), Not(IsEmpty()));
    server.disk().set_capacity(UINT64_MAX);
    world.ExpectEqual();
  });
}

TEST_F(AnewTest, WhatDoesNotFitAtAllChangesNothing) {
  ForEachSeedOf<SmallDisk>([](SmallDisk& world) {
    ModelDisk& disk = world.server(1).disk();
    disk.set_capacity(disk.used() + 10);
    world.FillKeys(0, "more", 600);
    world.RemoveJournal(0, 0);
    world.Fill(0, 5);
    world.world.CutOff(1, false);
    world.StepUntil([&] { return world.Says(1, "the disk has no room for the snapshot"); });
    EXPECT_TRUE(world.Content(1) == world.before);
    disk.set_capacity(UINT64_MAX);
    world.ExpectEqual();
    EXPECT_EQ(world.server(1).reloads(), 1u);
  });
}

// The link ends while it looks for room, and what had come was removed.
TEST_F(AnewTest, WhatWasRemovedToMakeRoomIsFetchedAgain) {
  ForEachSeedOf<SmallDisk>([](SmallDisk& world) {
    // So that there are several files.
    world.FillStream(0);
    world.RemoveJournal(0, 0);
    world.Fill(0, 5);
    ModelServer& server = world.server(1);
    const uint64_t full = server.disk().used() + 10;
    server.disk().set_capacity(UINT64_MAX);
    const auto fetch = [&] { return world.roles(1).follower()->fetch(); };
    world.world.CutOff(1, false);
    world.StepUntil([&] { return fetch() != nullptr && fetch()->written_bytes() > 0; });
    ASSERT_FALSE(fetch()->complete());
    world.world.CutOff(1, true);
    {
      const ModelDisk::Aside aside(&server.disk());
      server.disk().set_capacity(full);
    }
    world.world.CutOff(1, false);
    world.StepUntil([&] { return world.roles(1).follower()->room_wanted().has_value(); });
    world.world.CutOff(1, true);
    world.StepUntil([&] { return world.Staged(1).empty(); });
    world.StepUntil([&] { return fetch() == nullptr; });
    server.disk().set_capacity(UINT64_MAX);
    world.ExpectEqual();
  });
}

TEST_F(AnewTest, EveryCallOfMakingRoomIsACrashPoint) {
  ForEachCall(40,
              [&](uint64_t call, Crash crash) { return SmallDisk(call % 4 + 1).Run(call, crash); });
}

}  // namespace
}  // namespace runnel
