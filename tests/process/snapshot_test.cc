// Snapshots of a running server: taken beside its work, found at the next start, refused when they
// are damaged.
#include <fmt/format.h>
#include <signal.h>

#include <algorithm>
#include <atomic>
#include <filesystem>
#include <fstream>
#include <thread>

#include "tests/process/server_test.h"

namespace runnel::test {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

class SnapshotTest : public ServerTest {
 protected:
  ServerProcess::Options OptionsOf(const Argv& args) const {
    ServerProcess::Options options;
    options.args = args;
    options.dir = dir_.string();
    return options;
  }
  void Start(const Argv& args = {}) { StartServer(OptionsOf(args)); }
  void KillAndStart(const Argv& args = {}) { ServerTest::KillAndStart(OptionsOf(args)); }

  std::vector<fs::path> Files(const std::string& directory) const {
    std::vector<fs::path> files;
    if (!fs::exists(dir_.path() / directory)) return files;
    for (const auto& entry : fs::directory_iterator(dir_.path() / directory)) {
      files.push_back(entry.path());
    }
    return files;
  }
  std::vector<fs::path> Snapshots() const { return Files("snapshots"); }
  // Waits until the snapshot that is being taken has ended.
  void WaitForSave(RespClient& client, const char* field = "rdb_bgsave_in_progress") {
    EXPECT_TRUE(Eventually([&] { return InfoNumber(client, field) == 0; }));
  }

  TempDir dir_;
};

// Everything that was acknowledged is there after kill -9: the snapshot's part and the journal's.
TEST_F(SnapshotTest, TakenUnderLoadAndFoundAfterAKill) {
  Start();
  const auto client = Client();
  for (int i = 0; i < 200; i++) {
    client->Call({"SET", fmt::format("key:{}", i), std::string(10'000, 'v')});
    client->Call({"RPUSH", fmt::format("list:{}", i % 10), std::to_string(i)});
  }
  client->Call({"XGROUP", "CREATE", "stream", "g", "0", "MKSTREAM"});
  client->Call({"SET", "expiring", "v", "PX", "100000000"});

  std::atomic<bool> stop = false;
  std::atomic<int> acknowledged = 0;
  std::thread load([&, busy = Client()] {
    for (int i = 1; !stop; i++) {
      busy->Call({"XADD", "stream", "*", "n", std::to_string(i)});
      busy->Call({"XREADGROUP", "GROUP", "g", "c", "COUNT", "1", "STREAMS", "stream", ">"});
      busy->Call({"SET", fmt::format("key:{}", i % 200), std::to_string(i)});
      acknowledged = i;
    }
  });
  for (int round = 0; round < 3; round++) {
    const int before = acknowledged;
    EXPECT_EQ(Ask(*client, "BGSAVE"), "+\"Background saving started\"");
    WaitForSave(*client);
    EXPECT_TRUE(Eventually([&] { return acknowledged > before + 50; }));
  }
  stop = true;
  load.join();
  EXPECT_EQ(InfoField(*client, "rdb_last_bgsave_status"), "ok");
  EXPECT_EQ(InfoNumber(*client, "rdb_saves"), 3);
  EXPECT_EQ(Snapshots().size(), 2u);
  const int last = acknowledged;

  KillAndStart();
  EXPECT_THAT(server_->Log(), HasSubstr("The snapshot at position"));
  const auto again = Client();
  EXPECT_EQ(Ask(*again, "XLEN stream"), std::to_string(last));
  EXPECT_THAT(Ask(*again, "XPENDING stream g"), HasSubstr(fmt::format("[{}, ", last)));
  EXPECT_EQ(ToText(again->Call({"GET", fmt::format("key:{}", last % 200)})),
            fmt::format("\"{}\"", last));
  EXPECT_EQ(Ask(*again, "LLEN list:3"), "20");
  EXPECT_GT(std::stoll(Ask(*again, "PTTL expiring")), 0);
  EXPECT_EQ(Ask(*again, "DBSIZE"), "212");
}

TEST_F(SnapshotTest, SaveIsDurableWithoutAJournal) {
  Start({"--journal", "no"});
  const auto client = Client();
  Ask(*client, "SET kept 1");
  const int64_t before = std::stoll(Ask(*client, "LASTSAVE"));
  EXPECT_EQ(Ask(*client, "SAVE"), "+OK");
  EXPECT_GE(std::stoll(Ask(*client, "LASTSAVE")), before);
  Ask(*client, "SET lost 1");
  KillAndStart({"--journal", "no"});
  EXPECT_EQ(Ask(*Client(), "KEYS *"), "[\"kept\"]");

  // One snapshot replaces the other, and a journal goes on from the last.
  Ask(*Client(), "SET kept 2");
  EXPECT_EQ(Ask(*Client(), "SAVE"), "+OK");
  EXPECT_EQ(Snapshots().size(), 1u);
  KillAndStart();
  Ask(*Client(), "APPEND kept 3");
  KillAndStart();
  EXPECT_EQ(Ask(*Client(), "GET kept"), "\"23\"");
  // What the journal holds is not forgotten by a server that keeps none itself.
  KillAndStart({"--journal", "no"});
  EXPECT_EQ(Ask(*Client(), "GET kept"), "\"23\"");
  EXPECT_EQ(Ask(*Client(), "SAVE"), "+OK");
  KillAndStart();
  EXPECT_EQ(Ask(*Client(), "GET kept"), "\"23\"");
}

// The journal's growth takes a snapshot, and the segments in front of it go.
TEST_F(SnapshotTest, TheJournalIsCut) {
  Start({"--snapshot-journal-bytes", "1mb", "--journal-segment-bytes", "256kb", "--snapshots-kept",
         "1"});
  const auto client = Client();
  for (int i = 0; i < 300; i++) {
    client->Call({"SET", fmt::format("key:{}", i % 7), std::string(10'000, 'v')});
  }
  EXPECT_TRUE(Eventually([&] { return InfoNumber(*client, "rdb_saves") > 0; }));
  EXPECT_TRUE(Eventually([&] { return InfoNumber(*client, "journal_first_position") > 0; }));
  EXPECT_EQ(Ask(*client, "BGREWRITEAOF"), "+\"Background append only file rewriting started\"");
  WaitForSave(*client, "aof_rewrite_in_progress");
  EXPECT_EQ(InfoField(*client, "aof_last_bgrewrite_status"), "ok");
  // The segment that is written to, and one or two that are prepared.
  EXPECT_TRUE(Eventually([&] { return Files("journal").size() <= 4; }));
  KillAndStart();
  EXPECT_EQ(Ask(*Client(), "DBSIZE"), "7");
}

TEST_F(SnapshotTest, SavePointsAndTheEnd) {
  Start({"--journal", "no", "--save", "3600 1"});
  Ask(*Client(), "SET k 1");
  server_->Signal(SIGTERM);
  EXPECT_EQ(ToText(server_->WaitExit()), "exit 0");
  EXPECT_EQ(Snapshots().size(), 1u);
  Start({"--journal", "no", "--save", "3600 1"});
  EXPECT_EQ(Ask(*Client(), "GET k"), "\"1\"");
  Ask(*Client(), "SET k 2");
  const auto client = Client();
  EXPECT_EQ(Ask(*client, "SHUTDOWN NOSAVE"), "<closed>");
  EXPECT_EQ(ToText(server_->WaitExit()), "exit 0");
  Start({"--journal", "no"});
  EXPECT_EQ(Ask(*Client(), "GET k"), "\"1\"");
  Ask(*Client(), "SET k 3");
  EXPECT_EQ(Ask(*Client(), "SHUTDOWN SAVE"), "<closed>");
  EXPECT_EQ(ToText(server_->WaitExit()), "exit 0");
  Start({"--journal", "no", "--save", "1 1"});
  EXPECT_EQ(Ask(*Client(), "GET k"), "\"3\"");
  Ask(*Client(), "SET k 4");
  const auto other = Client();
  EXPECT_TRUE(Eventually([&] { return InfoNumber(*other, "rdb_saves") == 1; }));
}

// What cannot be saved does not end without a journal, unless that is demanded.
TEST_F(SnapshotTest, AnEndThatCannotSaveIsRefused) {
  Start({"--journal", "no"});
  std::ofstream(dir_.path() / "snapshots") << "in the way";
  Ask(*Client(), "SET k 1");
  EXPECT_THAT(Ask(*Client(), "SAVE"), HasSubstr("ERR "));
  EXPECT_EQ(Ask(*Client(), "SHUTDOWN SAVE"), "-\"ERR Errors trying to SHUTDOWN. Check logs.\"");
  EXPECT_EQ(Ask(*Client(), "GET k"), "\"1\"");
  EXPECT_EQ(Ask(*Client(), "SHUTDOWN SAVE FORCE"), "<closed>");
  EXPECT_EQ(ToText(server_->WaitExit()), "exit 0");
}

TEST_F(SnapshotTest, ADamagedSnapshotIsRefusedByFileAndOffset) {
  Start();
  const auto client = Client();
  for (int i = 0; i < 100; i++) {
    client->Call({"SET", fmt::format("key:{}", i), std::to_string(i * i)});
  }
  EXPECT_EQ(Ask(*client, "SAVE"), "+OK");
  server_->Kill();
  ASSERT_EQ(Snapshots().size(), 1u);
  const fs::path file = Snapshots()[0];
  uint64_t history_bytes = 0;  // after the header
  {
    std::fstream bytes(file, std::ios::in | std::ios::out | std::ios::binary);
    bytes.seekg(32);
    bytes.read(reinterpret_cast<char*>(&history_bytes), sizeof(history_bytes));
    bytes.seekp(200);
    bytes.put('x');
  }
  Program server(ServerCommand({"--port", "0", "--unixsocket", "socket", "--dir", dir_.string()}));
  EXPECT_EQ(ToText(server.WaitExit()), "exit 1");
  EXPECT_THAT(server.Output() + server.Errors(),
              HasSubstr(fmt::format("snapshots/{}, offset {}: ", file.filename().string(),
                                    48 + history_bytes)));
}

// A planned end leaves a snapshot where the next start would replay much journal for little data.
TEST_F(SnapshotTest, APlannedEndMakesTheNextStartShort) {
  const Argv never = {"--snapshot-journal-bytes", "0"};
  const auto churn = [](RespClient& client) {
    for (int i = 0; i < 100; i++) {
      client.Call({"SET", "key", std::string(1'000'000, 'v')});
    }
  };
  Start(never);
  churn(*Client());
  server_->Signal(SIGTERM);
  EXPECT_EQ(ToText(server_->WaitExit()), "exit 0");
  EXPECT_EQ(Snapshots().size(), 1u);
  Start(never);
  EXPECT_TRUE(LogShows("; 0 changes from "));
  EXPECT_EQ(Ask(*Client(), "STRLEN key"), "1000000");
  // Not when the operator wants none.
  churn(*Client());
  EXPECT_EQ(Ask(*Client(), "SHUTDOWN NOSAVE"), "<closed>");
  EXPECT_EQ(ToText(server_->WaitExit()), "exit 0");
  Start({"--snapshot-journal-bytes", "0", "--shutdown-timeout", "0"});
  EXPECT_TRUE(LogShows("; 100 changes from "));
  server_->Signal(SIGTERM);
  EXPECT_EQ(ToText(server_->WaitExit()), "exit 0");
  Start(never);
  EXPECT_TRUE(LogShows("; 100 changes from "));
}

TEST_F(SnapshotTest, WithoutAJournalSaveHasPointsAndNothingKeptIsSaid) {
  Start({"--appendonly", "no"});
  EXPECT_EQ(Ask(*Client(), "CONFIG GET save"), "[\"save\", \"3600 1 300 100 60 10000\"]");
  EXPECT_EQ(Ask(*Client(), "SET k 1"), "+OK");
  server_->Signal(SIGTERM);
  EXPECT_EQ(ToText(server_->WaitExit()), "exit 0");
  EXPECT_EQ(Snapshots().size(), 1u);
  Start({"--appendonly", "no", "--save", ""});
  EXPECT_EQ(Ask(*Client(), "CONFIG GET save"), "[\"save\", \"\"]");
  EXPECT_TRUE(LogShows("This server keeps nothing when it ends"));
}

TEST_F(SnapshotTest, ADamagedNewestSnapshotIsSetAside) {
  Start();
  for (const char* value : {"1", "2"}) {
    Ask(*Client(), fmt::format("SET k {}", value));
    EXPECT_EQ(Ask(*Client(), "SAVE"), "+OK");
  }
  Ask(*Client(), "SET l 3");
  ASSERT_EQ(Snapshots().size(), 2u);
  std::vector<fs::path> snapshots = Snapshots();
  std::sort(snapshots.begin(), snapshots.end());
  server_->Kill();
  server_ = nullptr;
  fs::resize_file(snapshots[1], fs::file_size(snapshots[1]) - 1);
  Start();
  EXPECT_EQ(Ask(*Client(), "GET k"), "\"2\"");
  EXPECT_EQ(Ask(*Client(), "GET l"), "\"3\"");
  EXPECT_TRUE(LogShows(".damaged"));
  EXPECT_TRUE(fs::exists(snapshots[1].string() + ".damaged"));
}

}  // namespace
}  // namespace runnel::test
