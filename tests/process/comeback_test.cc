// An old leader comes back as a follower of the one that was promoted meanwhile: what it alone has
// is cut off, and kept in a file; it becomes equal.
#include <fmt/format.h>
#include <signal.h>

#include <filesystem>

#include "tests/process/replication_servers.h"

namespace runnel::test {
namespace {

namespace fs = std::filesystem;
using testing::AllOf;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::SizeIs;
using testing::StartsWith;

class ComebackTest : public ReplicationTest {
 protected:
  // Starts A and its follower B, both with data.
  void StartBoth(Argv args) {
    // Small files, which are compared in the end.
    args.insert(args.end(), {"--journal-segment-bytes", "65536"});
    args_ = std::move(args);
    a_ = Start(args_, a_dir_.string());
    Argv following = Following(a_->port());
    following.insert(following.end(), args_.begin(), args_.end());
    b_ = Start(following, b_dir_.string());
    const auto on_a = a_->Connect();
    Ask(*on_a, "RPUSH l a b c");
    Ask(*on_a, "SET k before");
    Ask(*on_a, "XGROUP CREATE s g 0 MKSTREAM");
    for (int i = 1; i <= 500; i++) {
      Ask(*on_a, fmt::format("XADD s {}-1 f {}", i, std::string(1000, 'x')));
    }
    Ask(*on_a, "XREADGROUP GROUP g c COUNT 10 STREAMS s >");
    const auto on_b = b_->Connect();
    WaitUntilEqual(*on_a, *on_b);
  }
  Argv FollowingB() const {
    Argv args = Following(b_->port());
    args.insert(args.end(), args_.begin(), args_.end());
    return args;
  }
  // B hears no more of A.
  void Part() {
    const auto on_b = b_->Connect();
    EXPECT_EQ(Ask(*on_b, fmt::format("REPLICAOF 127.0.0.1 {}", FreePort())), "+OK");
    EXPECT_TRUE(Eventually([&] { return InfoField(*on_b, "master_link_status") == "down"; }));
  }
  // What B will never have.
  void WriteOnA() {
    const auto on_a = a_->Connect();
    for (int i = 501; i <= 700; i++) {
      Ask(*on_a, fmt::format("XADD s {}-1 f {}", i, std::string(1000, 'y')));
    }
    Ask(*on_a, "XTRIM s MAXLEN = 300");
    Ask(*on_a, "SET k only-a");
    Ask(*on_a, "SET only-a 1");
    Ask(*on_a, "DEL l");
  }
  void Promote(const ServerProcess& server) {
    const auto client = server.Connect();
    // It has not what the other one alone has.
    Ask(*client, "CONFIG SET unclean-leader-election yes");
    EXPECT_EQ(Ask(*client, "REPLICAOF NO ONE"), "+OK");
    EXPECT_TRUE(Eventually([&] { return InfoField(*client, "role") == "master"; }));
  }
  void WriteOnB() {
    const auto on_b = b_->Connect();
    Ask(*on_b, "RPUSH l d");
    Ask(*on_b, "SET k b");
    for (int i = 600; i <= 650; i++) {
      Ask(*on_b, fmt::format("XADD s {}-1 f {}", i, std::string(1000, 'z')));
    }
    Ask(*on_b, "XREADGROUP GROUP g c COUNT 7 STREAMS s >");
  }
  void ExpectEqual() {
    const auto on_a = a_->Connect();
    const auto on_b = b_->Connect();
    WaitUntilEqual(*on_b, *on_a);
    for (const char* ask : {"LRANGE l 0 -1", "GET k", "GET only-a", "DBSIZE", "XLEN s",
                            "XRANGE s - +", "XPENDING s g", "XINFO GROUPS s"}) {
      EXPECT_EQ(Ask(*on_a, ask), Ask(*on_b, ask)) << ask;
    }
    EXPECT_EQ(Ask(*on_a, "GET k"), "\"b\"");
    CompareJournals(*a_, *b_, InfoNumber(*on_b, "master_repl_offset"));
  }
  static std::vector<fs::path> Dropped(const ServerProcess& server) {
    std::vector<fs::path> files;
    const fs::path directory = fs::path(server.dir()) / "journal" / "dropped";
    if (!fs::exists(directory)) return files;
    for (const auto& entry : fs::directory_iterator(directory)) {
      files.push_back(entry.path());
    }
    return files;
  }
  static std::string Check(const Argv& args) {
    const Checked checked = RunCheck(args);
    EXPECT_EQ(checked.exit, "exit 0");
    return checked.text;
  }
  // What was cut off lies in one file, which runnel-check shows.
  void ExpectDropped() {
    const auto files = Dropped(*a_);
    ASSERT_THAT(files, SizeIs(1));
    EXPECT_THAT(Check({files.front().string(), "--dump"}),
                AllOf(HasSubstr("only-a"), HasSubstr("700-1"), HasSubstr(": cut off, positions "),
                      Not(HasSubstr("499-1"))));
    EXPECT_THAT(Check({a_->dir() + "/journal"}),
                HasSubstr(files.front().filename().string() + ": cut off, positions "));
    EXPECT_THAT(a_->Log(), HasSubstr(files.front().filename().string()));
  }

  TempDir a_dir_;
  TempDir b_dir_;
  Argv args_;
  std::unique_ptr<ServerProcess> a_;
  std::unique_ptr<ServerProcess> b_;
};

TEST_F(ComebackTest, AfterAKill) {
  StartBoth({});
  Part();
  WriteOnA();
  a_->Kill();
  Promote(*b_);
  WriteOnB();
  a_ = Start(args_, a_dir_.string());
  const auto on_a = a_->Connect();
  EXPECT_EQ(Ask(*on_a, "GET k"), "\"only-a\"");
  EXPECT_THAT(Ask(*on_a, Follow(*b_)), HasSubstr("OK"));
  ExpectEqual();
  ExpectDropped();
  // It may be killed again, and lead again.
  a_->Kill();
  a_ = Start(FollowingB(), a_dir_.string());
  ExpectEqual();
  Promote(*a_);
  EXPECT_EQ(Ask(*b_->Connect(), Follow(*a_)), "+OK");
  const auto leads = a_->Connect();
  Ask(*leads, "SET k a");
  WaitUntilEqual(*leads, *b_->Connect());
  EXPECT_EQ(Ask(*b_->Connect(), "GET k"), "\"a\"");
  EXPECT_THAT(Dropped(*b_), IsEmpty());
}

TEST_F(ComebackTest, Alive) {
  StartBoth({});
  Part();
  Promote(*b_);
  WriteOnA();
  WriteOnB();
  // A connection stays; a watch does not hold, and what is blocked ends.
  const auto stays = a_->Connect();
  Ask(*stays, "SELECT 0");
  Ask(*stays, "WATCH k");
  Ask(*stays, "MULTI");
  Ask(*stays, "GET k");
  const auto blocked = a_->Connect();
  blocked->Send({"BLPOP", "nothing", "0"});
  EXPECT_TRUE(Eventually([&] { return InfoNumber(*a_->Connect(), "blocked_clients") == 1; }));
  EXPECT_EQ(Ask(*a_->Connect(), Follow(*b_)), "+OK");
  EXPECT_THAT(ToText(blocked->Read()), HasSubstr("UNBLOCKED"));
  ExpectEqual();
  ExpectDropped();
  EXPECT_EQ(Ask(*stays, "EXEC"), "nil-array");
  EXPECT_EQ(Ask(*stays, "GET k"), "\"b\"");
}

TEST_F(ComebackTest, WithSnapshotsOnBothSidesOfTheParting) {
  StartBoth({});
  EXPECT_EQ(Ask(*a_->Connect(), "SAVE"), "+OK");
  Part();
  WriteOnA();
  EXPECT_EQ(Ask(*a_->Connect(), "SAVE"), "+OK");
  Promote(*b_);
  WriteOnB();
  EXPECT_EQ(Ask(*a_->Connect(), Follow(*b_)), "+OK");
  ExpectEqual();
  ExpectDropped();
  std::vector<fs::path> snapshots;
  for (const auto& entry : fs::directory_iterator(a_dir_.path() / "snapshots")) {
    snapshots.push_back(entry.path());
  }
  EXPECT_THAT(snapshots, SizeIs(1)) << "that beyond the parting is gone";
  EXPECT_EQ(Ask(*a_->Connect(), "SAVE"), "+OK") << "snapshots are taken again";
  a_->Kill();
  a_ = Start(FollowingB(), a_dir_.string());
  ExpectEqual();
}

TEST_F(ComebackTest, WithEntriesOnTheDisk) {
  StartBoth({"--stream-memory", "64kb"});
  EXPECT_EQ(Ask(*a_->Connect(), "SAVE"), "+OK");
  Part();
  WriteOnA();
  EXPECT_GT(InfoNumber(*a_->Connect(), "cold_entries"), 0);
  Promote(*b_);
  WriteOnB();
  EXPECT_EQ(Ask(*a_->Connect(), Follow(*b_)), "+OK");
  ExpectEqual();
  EXPECT_GT(InfoNumber(*a_->Connect(), "cold_entries"), 0);
  a_->Kill();
  a_ = Start(FollowingB(), a_dir_.string());
  ExpectEqual();
}

// At any moment of it.
TEST_F(ComebackTest, KilledOnceMore) {
  StartBoth({"--stream-memory", "64kb"});
  EXPECT_EQ(Ask(*a_->Connect(), "SAVE"), "+OK");
  Part();
  Promote(*b_);
  WriteOnB();
  for (const int pings : {0, 3, 10, 30, 60, 100, 200}) {
    WriteOnA();
    {
      const auto on_a = a_->Connect();
      const auto prober = a_->Connect();
      EXPECT_EQ(Ask(*on_a, Follow(*b_)), "+OK");
      for (int i = 0; i < pings; i++) {
        Ask(*prober, "PING");
      }
    }
    a_->Kill();
    a_ = Start(args_, a_dir_.string());
    EXPECT_THAT(Ask(*a_->Connect(), Follow(*b_)), HasSubstr("OK"));
    ExpectEqual();
    Promote(*a_);
  }
}

// Starts of a leader write frames without records: cutting them needs no loading.
TEST_F(ComebackTest, WhoHasMadeNoChangeLoadsNothing) {
  StartBoth({});
  a_->Kill();
  Promote(*b_);
  WriteOnB();
  // It knows nobody whom it could ask, so it begins to lead.
  std::filesystem::remove(std::filesystem::path(a_dir_.string()) / "cluster");
  a_ = Start(args_, a_dir_.string());
  EXPECT_EQ(Ask(*a_->Connect(), Follow(*b_)), "+OK");
  ExpectEqual();
  EXPECT_THAT(a_->Log(), HasSubstr(" with 0 changes; they lie in "));
  const std::string log = a_->Log();
  const size_t loaded = log.find("What was kept is loaded");
  EXPECT_EQ(log.find("What was kept is loaded", loaded + 1), std::string::npos) << log;
}

// B was promoted, and is started again by somebody who does not know that.
TEST_F(ComebackTest, AnOldConfigurationCutsNothing) {
  StartBoth({});
  a_->Kill();
  Promote(*b_);
  WriteOnB();
  b_->Kill();
  // Both begin an epoch, and B's is above A's if it begins another. (If they met meanwhile, the one
  // with the lower epoch would follow the other one.)
  b_ = Start(args_, b_dir_.string());
  b_->Kill();
  a_ = Start(args_, a_dir_.string(), a_->port());
  Argv following = Following(a_->port());
  following.insert(following.end(), args_.begin(), args_.end());
  b_ = Start(following, b_dir_.string());
  const auto on_b = b_->Connect();
  EXPECT_TRUE(Eventually([&] {
    return InfoField(*on_b, "replication_error").find("in the configuration alone") !=
           std::string::npos;
  })) << Ask(*on_b, "INFO replication");
  EXPECT_NE(Ask(*on_b, "GET k"), "\"b\"") << "a follower does not show what nobody else has";
  EXPECT_THAT(Dropped(*b_), IsEmpty());
  // A person's word.
  EXPECT_THAT(Ask(*on_b, Follow(*a_)), HasSubstr("Already connected"));
  const auto on_a = a_->Connect();
  WaitUntilEqual(*on_a, *on_b);
  EXPECT_EQ(Ask(*on_b, "GET k"), "\"before\"");
  EXPECT_THAT(Dropped(*b_), SizeIs(1));
  EXPECT_GT(InfoNumber(*on_b, "replication_dropped_bytes"), 0);
}

// Its only snapshot is from after the parting: it fetches a state of the leader.
TEST_F(ComebackTest, WithoutAStateToGoOnFrom) {
  for (const bool snapshot : {true, false}) {
    SCOPED_TRACE(snapshot);
    StartBoth({"--snapshots-kept", "1"});
    EXPECT_EQ(Ask(*a_->Connect(), "SAVE"), "+OK");
    Part();
    WriteOnA();
    // Takes the place of the one before, whose journal goes in part.
    EXPECT_EQ(Ask(*a_->Connect(), "SAVE"), "+OK");
    Promote(*b_);
    WriteOnB();
    if (snapshot) {
      EXPECT_EQ(Ask(*b_->Connect(), "SAVE"), "+OK");
    }
    EXPECT_EQ(Ask(*a_->Connect(), Follow(*b_)), "+OK");
    ExpectEqual();
    ExpectDropped();
    EXPECT_GT(InfoNumber(*a_->Connect(), "replication_dropped_bytes"), 0);
    EXPECT_EQ(Ask(*a_->Connect(), "SAVE"), "+OK");
    a_->Kill();
    a_ = Start(FollowingB(), a_dir_.string());
    ExpectEqual();
    a_->Kill();
    b_->Kill();
    for (const TempDir* const dir : {&a_dir_, &b_dir_}) {
      for (const auto& entry : fs::directory_iterator(dir->path()))
        fs::remove_all(entry.path());
    }
  }
}

}  // namespace
}  // namespace runnel::test
