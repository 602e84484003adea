// Followers that cannot go on with what they have, and directories that were wiped or copied.
#include <fmt/format.h>
#include <signal.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "tests/process/replication_servers.h"

namespace runnel::test {
namespace {

namespace fs = std::filesystem;
using testing::AllOf;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::SizeIs;

class AnewTest : public ReplicationTest {
 protected:
  static Argv Small(Argv more = {}) {
    Argv args = {"--journal-segment-bytes", "65536", "--snapshots-kept", "1",
                 "--repl-backlog-size",     "65536", "--appendfsync",    "always"};
    args.insert(args.end(), more.begin(), more.end());
    return args;
  }
  static void Fill(RespClient& client, const std::string& round, int entries) {
    for (int i = 0; i < entries; i++) {
      client.Send({"SET", fmt::format("key-{}", i), round + std::string(1000, 'x')});
    }
    for (int i = 0; i < entries; i++)
      client.Read();
    Ask(client, "SET round " + round);
  }
  static void WaitForError(RespClient& client, const std::string& text) {
    EXPECT_TRUE(Eventually([&] {
      return InfoField(client, "replication_error").find(text) != std::string::npos;
    })) << Ask(client, "INFO replication");
    EXPECT_EQ(InfoField(client, "master_link_status"), "down");
  }
  static std::vector<fs::path> Files(const std::string& dir, const std::string& directory,
                                     const std::string& suffix) {
    std::vector<fs::path> files;
    if (!fs::exists(fs::path(dir) / directory)) return files;
    for (const auto& entry : fs::directory_iterator(fs::path(dir) / directory)) {
      if (entry.path().string().ends_with(suffix)) files.push_back(entry.path());
    }
    std::sort(files.begin(), files.end());
    return files;
  }
  static void Damage(const fs::path& path, std::streamoff offset) {
    std::fstream file(path, std::ios::binary | std::ios::in | std::ios::out);
    file.seekg(offset);
    const char byte = static_cast<char>(file.get() ^ 1);
    file.seekp(offset);
    file.put(byte);
    ASSERT_TRUE(file.good());
  }
  // What runnel-check says, and how it ends.
  static std::string Check(const Argv& args) {
    const Checked checked = RunCheck(args);
    return checked.exit + ": " + checked.text;
  }
};

// Its followers are not emptied.
TEST_F(AnewTest, ALeaderWhoseDirectoryWasWiped) {
  TempDir dir;
  TempDir other;
  auto leader = Start(Small(), dir.string());
  const int port = leader->port();
  {
    const auto writer = leader->Connect();
    Fill(*writer, "first", 100);
  }
  const auto follower = Start(Small(Following(port)), other.string());
  const auto reader = follower->Connect();
  WaitUntilEqual(*leader->Connect(), *reader);
  leader->Kill();
  leader.reset();
  for (const auto& entry : fs::directory_iterator(dir.path()))
    fs::remove_all(entry.path());
  leader = Start(Small(), dir.string(), port);
  Fill(*leader->Connect(), "second", 10);
  WaitForError(*reader, "the follower's is another one");
  EXPECT_EQ(Ask(*reader, "GET round"), "\"first\"");
  EXPECT_EQ(Ask(*reader, "DBSIZE"), "101");
  EXPECT_THAT(Files(other.string(), "journal/dropped", ".frames"), IsEmpty());
  // A person's word: what this server had is kept as frames.
  EXPECT_THAT(Ask(*reader, fmt::format("REPLICAOF 127.0.0.1 {} FORCE", port)), HasSubstr("OK"));
  WaitUntilEqual(*leader->Connect(), *reader);
  // It serves when it has noted that it has a state again.
  EXPECT_TRUE(Eventually([&] { return Ask(*reader, "GET round") == "\"second\""; }));
  EXPECT_EQ(Ask(*reader, "DBSIZE"), "11");
  const auto dropped = Files(other.string(), "journal/dropped", ".frames");
  ASSERT_THAT(dropped, SizeIs(1));
  EXPECT_THAT(Check({dropped.front().string(), "--dump", "--key", "round"}),
              AllOf(HasSubstr("exit 0"), HasSubstr("first")));
  EXPECT_GT(InfoNumber(*reader, "replication_dropped_bytes"), 100'000);
}

TEST_F(AnewTest, ACopiedDirectoryGetsANodeIdOfItsOwn) {
  const auto leader = Start(Small());
  const auto writer = leader->Connect();
  Fill(*writer, "first", 10);
  TempDir dir;
  TempDir copy;
  auto first = Start(Small(Following(leader->port())), dir.string());
  WaitUntilEqual(*writer, *first->Connect());
  first->Stop();
  fs::copy(dir.path(), copy.path(), fs::copy_options::recursive);
  first = Start(Small(Following(leader->port())), dir.string());
  const auto on_first = first->Connect();
  WaitUntilEqual(*writer, *on_first);
  auto second = Start(Small(Following(leader->port())), copy.string());
  WaitForError(*second->Connect(), "follows already");
  EXPECT_EQ(InfoField(*on_first, "master_link_status"), "up");
  EXPECT_EQ(InfoNumber(*writer, "connected_slaves"), 1);
  EXPECT_THAT(Check({copy.string(), "--new-node-id"}), HasSubstr("exit 2"));
  second->Stop();
  EXPECT_THAT(Check({copy.string(), "--new-node-id"}), HasSubstr("exit 0"));
  second = Start(Small(Following(leader->port())), copy.string());
  const auto on_second = second->Connect();
  WaitUntilEqual(*writer, *on_second);
  EXPECT_EQ(InfoNumber(*writer, "connected_slaves"), 2);
  EXPECT_NE(InfoField(*on_first, "node_id"), InfoField(*on_second, "node_id"));
  // A copy of the leader's own.
  EXPECT_THAT(Check({dir.string() + "/journal", "--new-node-id"}), HasSubstr("exit 2"));
}

TEST_F(AnewTest, AFollowerWithADamagedSegment) {
  const auto leader = Start(Small());
  const auto writer = leader->Connect();
  Fill(*writer, "first", 200);
  TempDir dir;
  auto follower = Start(Small(Following(leader->port())), dir.string());
  WaitUntilEqual(*writer, *follower->Connect());
  follower->Stop();
  const auto segments = Files(dir.string(), "journal", ".log");
  ASSERT_THAT(segments, Not(IsEmpty()));
  Damage(segments.front(), 50'000);
  Fill(*writer, "second", 10);
  follower = Start(Small(Following(leader->port())), dir.string());
  const auto reader = follower->Connect();
  WaitUntilEqual(*writer, *reader);
  WaitUntilInSync(*reader);
  EXPECT_EQ(Ask(*reader, "GET round"), "\"second\"");
  EXPECT_EQ(Ask(*reader, "DBSIZE"), Ask(*writer, "DBSIZE"));
  EXPECT_THAT(follower->Log(), AllOf(HasSubstr("This server is a follower: it fetches"),
                                     HasSubstr("has again what it had lost")));
  EXPECT_THAT(Files(dir.string(), "journal", ".tail"), Not(IsEmpty()));
  EXPECT_TRUE(Eventually([&] { return !fs::exists(dir.path() / "lost"); }));
  CompareJournals(*leader, *follower, InfoNumber(*writer, "master_repl_offset"));
}

TEST_F(AnewTest, AFollowerWithADamagedSnapshot) {
  const auto leader = Start(Small());
  const auto writer = leader->Connect();
  Fill(*writer, "first", 200);
  TempDir dir;
  auto follower = Start(Small(Following(leader->port())), dir.string());
  {
    const auto reader = follower->Connect();
    WaitUntilEqual(*writer, *reader);
    EXPECT_EQ(Ask(*reader, "SAVE"), "+OK");
    Fill(*writer, "second", 200);
    WaitUntilEqual(*writer, *reader);
    EXPECT_EQ(Ask(*reader, "SAVE"), "+OK");
  }
  follower->Stop();
  follower.reset();
  Damage(Files(dir.string(), "snapshots", ".snap").back(), 500);
  // As long as it finds no leader, it has nothing to serve, and says so.
  TempDir sockets;
  const std::string socket = sockets.string() + "/s";
  Argv args = Small({"--port", std::to_string(FreePort()), "--unixsocket", socket, "--dir",
                     dir.string(), "--snapshot-journal-bytes", "0"});
  for (const std::string& word : Following(FreePort()))
    args.push_back(word);
  Program lone(ServerCommand(args));
  const auto reader = ConnectTo(lone, socket);
  ASSERT_NE(reader, nullptr) << lone.Output();
  EXPECT_TRUE(Eventually([&] { return InfoField(*reader, "role") == "slave"; }));
  EXPECT_THAT(Ask(*reader, "GET round"), HasSubstr("LOADING"));
  EXPECT_THAT(Ask(*reader, "PING"), HasSubstr("LOADING"));
  EXPECT_EQ(InfoField(*reader, "loading"), "1");
  EXPECT_EQ(InfoField(*reader, "slave_priority"), "0");
  EXPECT_THAT(Ask(*reader, "REPLICAOF NO ONE"), HasSubstr("NOTINSYNC"));
  EXPECT_EQ(Ask(*reader, Follow(*leader)), "+OK");
  WaitUntilEqual(*writer, *reader);
  WaitUntilInSync(*reader);
  EXPECT_EQ(Ask(*reader, "GET round"), "\"second\"");
  const auto aside = Files(dir.string(), "journal", ".log.damaged");
  ASSERT_THAT(aside, Not(IsEmpty()));
  EXPECT_THAT(Check({aside.front().string()}), HasSubstr("exit 0"));
  EXPECT_THAT(Files(dir.string(), "snapshots", ".snap.damaged"), SizeIs(1));
  lone.Signal(SIGTERM);
  EXPECT_EQ(ToText(lone.WaitExit()), "exit 0");
  EXPECT_THAT(Check({dir.string()}), Not(HasSubstr("exit 2")));
}

// A leader with the same damage does not start: nobody else may have the data.
TEST_F(AnewTest, ALeaderWithADamagedSegmentDoesNotStart) {
  TempDir dir;
  auto leader = Start(Small(), dir.string());
  Fill(*leader->Connect(), "first", 200);
  leader->Stop();
  Damage(Files(dir.string(), "journal", ".log").front(), 50'000);
  ServerProcess::Options options;
  options.binary = RunnelServerPath();
  options.args = Small();
  options.dir = dir.string();
  std::string error;
  EXPECT_EQ(ServerProcess::Start(options, &error), nullptr);
  EXPECT_THAT(error, HasSubstr("damage"));
  EXPECT_FALSE(fs::exists(dir.path() / "lost"));
}

}  // namespace
}  // namespace runnel::test
