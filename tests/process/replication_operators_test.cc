// What operators and client libraries see of replication, and what they can do with it: WAIT, INFO,
// directives.
#include <fmt/format.h>
#include <signal.h>

#include <fstream>

#include "tests/process/replication_servers.h"
#include "tests/support/quote.h"

namespace runnel::test {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

class ReplicationOperatorsTest : public ReplicationTest {
 protected:
  static bool HasFollowers(RespClient& leader, int64_t count) {
    return Eventually([&] { return InfoNumber(leader, "connected_slaves") == count; });
  }
  // A field of the line about the first follower.
  static std::string OfFollower(RespClient& leader, const std::string& name) {
    const std::string line = "," + InfoField(leader, "slave0") + ",";
    const size_t at = line.find("," + name + "=");
    if (at == std::string::npos) return "";
    const size_t value = at + name.size() + 2;
    return line.substr(value, line.find(',', value) - value);
  }
};

TEST_F(ReplicationOperatorsTest, WaitIsOverWhenFollowersHaveWritten) {
  const auto leader = Start();
  const auto first = Start(Following(*leader));
  const auto writer = leader->Connect();
  const auto other = leader->Connect();
  EXPECT_TRUE(HasFollowers(*other, 1));
  EXPECT_EQ(Ask(*writer, "SET k v"), "+OK");
  EXPECT_EQ(Ask(*writer, "WAIT 1 0"), "1");
  first->Signal(SIGSTOP);
  EXPECT_EQ(Ask(*writer, "SET k w"), "+OK");
  EXPECT_EQ(Ask(*writer, "WAIT 1 20"), "0");
  // Who has changed nothing since has nothing to wait for.
  EXPECT_EQ(Ask(*other, "WAIT 1 0"), "1");
  writer->Send({"WAIT", "1", "0"});
  EXPECT_TRUE(Eventually([&] { return InfoNumber(*other, "blocked_clients") == 1; }));
  first->Signal(SIGCONT);
  EXPECT_EQ(ToText(writer->Read()), "1");
  // One more than there are: until it comes.
  writer->Send({"WAIT", "2", "0"});
  EXPECT_TRUE(Eventually([&] { return InfoNumber(*other, "blocked_clients") == 1; }));
  const auto second = Start(Following(*leader));
  EXPECT_EQ(ToText(writer->Read()), "2");
  Ask(*writer, "MULTI");
  Ask(*writer, "WAIT 3 0");
  EXPECT_EQ(Ask(*writer, "EXEC"), "[2]");
}

TEST_F(ReplicationOperatorsTest, WaitAofIsOverWhenFollowersHaveSynced) {
  const auto leader = Start({"--appendfsync", "no"});
  Argv following = Following(*leader);
  following.insert(following.end(), {"--appendfsync", "no"});
  const auto follower = Start(following);
  const auto writer = leader->Connect();
  const auto reader = follower->Connect();
  EXPECT_TRUE(HasFollowers(*writer, 1));
  EXPECT_EQ(Ask(*writer, "SET k v"), "+OK");
  EXPECT_EQ(Ask(*writer, "WAIT 1 0"), "1");
  EXPECT_EQ(Ask(*writer, "WAITAOF 1 1 20"), "[1, 0]");
  writer->Send({"WAITAOF", "1", "1", "0"});
  EXPECT_EQ(Ask(*reader, "CONFIG SET appendfsync always"), "+OK");
  // A follower syncs what comes after that, and what came before with it.
  const auto other = leader->Connect();
  EXPECT_EQ(Ask(*other, "SET l v"), "+OK");
  EXPECT_EQ(ToText(writer->Read()), "[1, 1]");
  EXPECT_THAT(Ask(*reader, "WAITAOF 0 0 0"),
              StartsWith("-\"ERR WAITAOF cannot be used with replica instances."));
}

TEST_F(ReplicationOperatorsTest, SynchronizationsAreCounted) {
  TempDir dir;
  const auto leader = Start();
  const auto client = leader->Connect();
  Ask(*client, "SET k v");
  auto follower = Start(Following(*leader), dir.string());
  EXPECT_TRUE(HasFollowers(*client, 1));
  EXPECT_TRUE(Eventually([&] { return InfoNumber(*client, "sync_full") == 1; }));
  EXPECT_EQ(InfoNumber(*client, "sync_partial_ok"), 0);
  EXPECT_EQ(Ask(*client, "WAIT 1 0"), "1");
  follower->Kill();
  EXPECT_TRUE(HasFollowers(*client, 0));
  follower = Start(Following(*leader), dir.string());
  EXPECT_TRUE(Eventually([&] { return InfoNumber(*client, "sync_partial_ok") == 1; }));
  EXPECT_EQ(InfoNumber(*client, "sync_full"), 1);
  EXPECT_EQ(InfoNumber(*client, "sync_partial_err"), 0);
  // One with data of its own.
  const auto other = Start();
  Ask(*other->Connect(), "SET k own");
  Ask(*other->Connect(), fmt::format("REPLICAOF 127.0.0.1 {}", leader->port()));
  EXPECT_TRUE(Eventually([&] { return InfoNumber(*client, "sync_partial_err") > 0; }));
  EXPECT_EQ(InfoNumber(*client, "sync_full"), 1);
  EXPECT_EQ(Ask(*client, "CONFIG RESETSTAT"), "+OK");
  EXPECT_EQ(InfoNumber(*client, "sync_full"), 0);
}

TEST_F(ReplicationOperatorsTest, APromotionIsAnotherHistory) {
  const auto leader = Start();
  const auto follower = Start(Following(*leader));
  const auto client = leader->Connect();
  const auto reader = follower->Connect();
  Ask(*client, "SET k v");
  EXPECT_TRUE(HasFollowers(*client, 1));
  EXPECT_EQ(Ask(*client, "WAIT 1 0"), "1");
  const std::string before = InfoField(*client, "master_replid");
  EXPECT_TRUE(Eventually([&] { return InfoField(*reader, "master_replid") == before; }));
  const int64_t end = InfoNumber(*client, "master_repl_offset");
  EXPECT_EQ(Ask(*reader, "REPLICAOF NO ONE"), "+OK");
  EXPECT_TRUE(Eventually([&] { return InfoField(*reader, "role") == "master"; }));
  EXPECT_NE(InfoField(*reader, "master_replid"), before);
  EXPECT_EQ(InfoField(*reader, "master_replid2"), before);
  EXPECT_EQ(InfoNumber(*reader, "second_repl_offset"), end);
}

TEST_F(ReplicationOperatorsTest, TheAnnouncedAddressIsShownByTheLeader) {
  const auto leader = Start();
  Argv following = Following(*leader);
  following.insert(following.end(), {"--replica-announce-ip", "10.1.2.3"});
  const auto follower = Start(following);
  const auto client = leader->Connect();
  const auto reader = follower->Connect();
  // One without data connects twice.
  EXPECT_TRUE(Eventually([&] {
    return OfFollower(*client, "ip") == "10.1.2.3" &&
           OfFollower(*client, "port") == fmt::to_string(follower->port());
  })) << Ask(*client, "INFO replication");
  EXPECT_EQ(Ask(*reader, "CONFIG SET slave-announce-ip some.name replica-announce-port 77"), "+OK");
  EXPECT_TRUE(Eventually([&] {
    return OfFollower(*client, "ip") == "some.name" && OfFollower(*client, "port") == "77";
  })) << Ask(*client, "INFO replication");
  EXPECT_THAT(Ask(*client, "ROLE"), HasSubstr("[[\"some.name\", \"77\", "));
  EXPECT_EQ(Ask(*reader, "CONFIG SET replica-announce-ip \"a,b\""),
            "-\"ERR CONFIG SET failed (possibly related to argument 'replica-announce-ip') - "
            "argument must be a name or an address\"");
  EXPECT_EQ(Ask(*reader, "CONFIG SET replica-announce-ip \"\" replica-announce-port 0"), "+OK");
  EXPECT_TRUE(Eventually([&] { return OfFollower(*client, "ip") == "127.0.0.1"; }));
}

TEST_F(ReplicationOperatorsTest, WritersNeedAsManyFollowersAsIsSaid) {
  const auto leader = Start({"--min-replicas-to-write", "1"});
  const auto client = leader->Connect();
  const std::string refused = "-\"NOREPLICAS Not enough good replicas to write.\"";
  EXPECT_EQ(Ask(*client, "SET k v"), refused);
  const auto follower = Start(Following(*leader));
  EXPECT_TRUE(Eventually([&] { return Ask(*client, "SET k v") == "+OK"; }));
  EXPECT_EQ(InfoNumber(*client, "min_slaves_good_slaves"), 1);
  EXPECT_EQ(Ask(*client, "CONFIG SET min-replicas-max-lag 1"), "+OK");
  follower->Signal(SIGSTOP);
  EXPECT_TRUE(Eventually([&] { return Ask(*client, "SET k v") == refused; }));
  EXPECT_EQ(InfoNumber(*client, "connected_slaves"), 1);
  EXPECT_EQ(InfoNumber(*client, "min_slaves_good_slaves"), 0);
  follower->Signal(SIGCONT);
  EXPECT_TRUE(Eventually([&] { return Ask(*client, "SET k v") == "+OK"; }));
}

TEST_F(ReplicationOperatorsTest, LinksAreClientsThatCanBeEnded) {
  const auto leader = Start();
  const auto follower = Start(Following(*leader));
  const auto client = leader->Connect();
  const auto reader = follower->Connect();
  EXPECT_TRUE(HasFollowers(*client, 1));
  const auto id_of = [](RespClient& of, std::string_view type) {
    const std::string line = of.Call({"CLIENT", "LIST", "TYPE", std::string(type)}).text;
    return line.starts_with("id=") ? line.substr(3, line.find(' ') - 3) : "(none)";
  };
  EXPECT_TRUE(Eventually([&] {
    return id_of(*client, "replica") != "(none)" && id_of(*reader, "master") != "(none)";
  }));
  std::string id = id_of(*client, "replica");
  EXPECT_THAT(client->Call({"CLIENT", "LIST", "ID", id}).text,
              StartsWith(fmt::format("id={} addr=127.0.0.1:", id)));
  EXPECT_THAT(client->Call({"CLIENT", "LIST"}).text, HasSubstr(" flags=S "));
  EXPECT_EQ(Ask(*client, fmt::format("CLIENT KILL ID {}", id)), "1");
  EXPECT_EQ(id_of(*client, "replica"), "(none)");
  EXPECT_TRUE(Eventually([&] { return leader->Log().find("CLIENT KILL") != std::string::npos; }));
  // The follower connects anew.
  EXPECT_TRUE(Eventually([&] { return id_of(*client, "replica") != "(none)"; }));
  EXPECT_NE(id_of(*client, "replica"), id);
  EXPECT_TRUE(Eventually([&] { return id_of(*reader, "master") != "(none)"; }));
  id = id_of(*reader, "master");
  EXPECT_EQ(Ask(*reader, fmt::format("CLIENT KILL 127.0.0.1:{}", leader->port())), "+OK");
  EXPECT_TRUE(Eventually([&] {
    const std::string now = id_of(*reader, "master");
    return now != "(none)" && now != id;
  }));
  Ask(*client, "SET k v");
  EXPECT_TRUE(Eventually([&] { return Ask(*reader, "GET k") == "\"v\""; }));
}

// What Sentinel sends to whom it makes a leader or a follower.
TEST_F(ReplicationOperatorsTest, TheTransactionOfSentinelIsServed) {
  TempDir dir;
  const std::string file = (dir.path() / "runnel.conf").string();
  std::ofstream(file) << "timeout 0\n";
  const auto leader = Start();
  const std::string socket = (dir.path() / "socket").string();
  Program follower(
      ServerCommand({file, "--port", "0", "--unixsocket", socket, "--dir", dir.string()}));
  const auto client = leader->Connect();
  const auto sentinel = ConnectTo(follower, socket);
  ASSERT_NE(sentinel, nullptr) << follower.Output();
  EXPECT_EQ(Ask(*sentinel, "CLIENT SETNAME sentinel-x-cmd"), "+OK");
  const auto reconfigure = [&](const std::string& slaveof) {
    const auto normal = ConnectTo(follower, socket);
    const auto subscriber = ConnectTo(follower, socket);
    EXPECT_EQ(Ask(*normal, "PING"), "+PONG");
    Ask(*subscriber, "SUBSCRIBE __sentinel__:hello");
    sentinel->SendRaw(
        EncodeCommand({"MULTI"}) + EncodeCommand(SplitWords(slaveof).value()) +
        EncodeCommand({"CONFIG", "REWRITE"}) + EncodeCommand({"CLIENT", "KILL", "TYPE", "normal"}) +
        EncodeCommand({"CLIENT", "KILL", "TYPE", "pubsub"}) + EncodeCommand({"EXEC"}));
    EXPECT_EQ(ToText(sentinel->Read()), "+OK");
    for (int i = 0; i < 4; i++) {
      EXPECT_EQ(ToText(sentinel->Read()), "+QUEUED");
    }
    EXPECT_EQ(ToText(sentinel->Read()), "[+OK, +OK, 1, 1]");
    EXPECT_EQ(ToText(normal->Read()), "<closed>");
    EXPECT_EQ(ToText(subscriber->Read()), "<closed>");
  };
  reconfigure(fmt::format("SLAVEOF 127.0.0.1 {}", leader->port()));
  EXPECT_TRUE(HasFollowers(*client, 1));
  const std::string following = fmt::format("replicaof 127.0.0.1 {}\n", leader->port());
  EXPECT_TRUE(Eventually([&] { return ReadFile(file).find(following) != std::string::npos; }))
      << ReadFile(file);
  // It has nothing of its leader's before.
  EXPECT_TRUE(Eventually([&] { return InfoField(*sentinel, "slave_priority") == "100"; }));
  reconfigure("SLAVEOF NO ONE");
  EXPECT_TRUE(Eventually([&] { return InfoField(*sentinel, "role") == "master"; }));
  EXPECT_TRUE(Eventually([&] { return ReadFile(file).find("127.0.0.1") == std::string::npos; }))
      << ReadFile(file);
}

TEST_F(ReplicationOperatorsTest, TheProtocolOfRedisIsRefusedInWords) {
  const auto server = Start();
  const auto client = server->Connect();
  for (const char* line : {"PSYNC ? -1", "SYNC", "REPLCONF listening-port 1", "REPLCONF"}) {
    EXPECT_THAT(Ask(*client, line),
                StartsWith("-\"ERR this is Runnel, whose replication is another protocol"));
  }
  client->SendRaw("SYNC\r\n");
  EXPECT_THAT(ToText(client->Read()), HasSubstr("another protocol"));
}

TEST_F(ReplicationOperatorsTest, DirectivesAboutTimesAndSizesTakeEffectAtOnce) {
  const auto leader = Start({"--repl-backlog-size", "1mb", "--journal-segment-bytes", "4mb"});
  const auto follower = Start(Following(*leader));
  const auto client = leader->Connect();
  EXPECT_EQ(InfoNumber(*client, "repl_backlog_size"), 4 << 20);
  EXPECT_THAT(leader->Log(), HasSubstr("repl-backlog-size is 1048576: one journal file, 4194304,"));
  EXPECT_EQ(Ask(*client, "CONFIG SET repl-backlog-size 8mb"), "+OK");
  EXPECT_EQ(InfoNumber(*client, "repl_backlog_size"), 8 << 20);
  EXPECT_TRUE(HasFollowers(*client, 1));
  EXPECT_EQ(Ask(*client, "SET k v"), "+OK");
  EXPECT_EQ(Ask(*client, "WAIT 1 0"), "1");
  follower->Signal(SIGSTOP);
  EXPECT_EQ(Ask(*client, "SET k v"), "+OK");
  EXPECT_EQ(Ask(*client, "CONFIG SET repl-timeout 1"), "+OK");
  EXPECT_TRUE(HasFollowers(*client, 0));
  EXPECT_GT(InfoNumber(*client, "replica_hold_bytes"), 0);
  EXPECT_EQ(Ask(*client, "CONFIG SET repl-backlog-ttl 1"), "+OK");
  EXPECT_TRUE(Eventually([&] { return InfoNumber(*client, "replica_hold_bytes") == 0; }));
  follower->Signal(SIGCONT);
  EXPECT_TRUE(HasFollowers(*client, 1));
}

}  // namespace
}  // namespace runnel::test
