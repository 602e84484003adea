// A leader and followers as processes: what is written on the leader is read on followers, whatever
// ends and begins again meanwhile.
#include <fmt/format.h>
#include <signal.h>

#include "effects/version.h"
#include "tests/process/replication_servers.h"

namespace runnel::test {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

TEST_F(ReplicationTest, WhatTheLeaderWritesIsReadOnTheFollower) {
  const auto leader = Start();
  const auto writer = leader->Connect();
  Ask(*writer, "SET before 1");
  const auto follower = Start();
  const auto reader = follower->Connect();
  EXPECT_THAT(Ask(*reader, "ROLE"), StartsWith("[\"master\", "));
  EXPECT_EQ(Ask(*reader, Follow(*leader)), "+OK");
  EXPECT_TRUE(Eventually([&] { return InfoField(*reader, "role") == "slave"; }));
  EXPECT_THAT(Ask(*reader, Follow(*leader)), HasSubstr("Already connected"));
  WaitUntilEqual(*writer, *reader);
  EXPECT_EQ(Ask(*reader, "GET before"), "\"1\"");
  // A reader that is blocked there is woken.
  const auto waiting = follower->Connect();
  waiting->Send({"XREAD", "BLOCK", "0", "STREAMS", "s", "0"});
  EXPECT_TRUE(Eventually([&] { return InfoNumber(*reader, "blocked_clients") == 1; }));
  Ask(*writer, "XADD s 1-1 f v");
  EXPECT_THAT(ToText(waiting->Read()), HasSubstr("\"1-1\""));
  for (const char* write : {"SET k v", "XREADGROUP GROUP g c STREAMS s >", "DEL before",
                            "TREADGROUP g m TOPICS t", "LPOP l"}) {
    EXPECT_EQ(Ask(*reader, write), "-\"READONLY You can't write against a read only replica.\"");
  }
  Ask(*reader, "MULTI");
  Ask(*reader, "SET k v");
  EXPECT_THAT(Ask(*reader, "EXEC"), StartsWith("-\"EXECABORT"));
  EXPECT_THAT(
      Ask(*reader, "ROLE"),
      StartsWith(fmt::format("[\"slave\", \"127.0.0.1\", {}, \"connected\", ", leader->port())));
  EXPECT_THAT(Ask(*writer, "ROLE"),
              HasSubstr(fmt::format("[[\"127.0.0.1\", \"{}\", ", follower->port())));
  EXPECT_THAT(Ask(*writer, "INFO replication"),
              HasSubstr(fmt::format("slave0:ip=127.0.0.1,port={},state=online", follower->port())));
  EXPECT_THAT(Ask(*reader, "HELLO 2"), HasSubstr("\"role\", \"replica\""));
  const Reply status = writer->Call({"REPLICATION", "STATUS"});
  EXPECT_EQ(ToText(FieldOf(status, "role")), "\"leader\"");
  EXPECT_THAT(ToText(FieldOf(status, "followers")), HasSubstr(InfoField(*reader, "node_id")));
}

TEST_F(ReplicationTest, JournalsAreEqualAfterKillsOfEither) {
  TempDir leads;
  TempDir follows;
  const Argv small = {"--journal-segment-bytes", "65536"};
  auto leader = Start(small, leads.string());
  const int port = leader->port();
  Argv following = Following(port);
  following.insert(following.end(), small.begin(), small.end());
  auto follower = Start(following, follows.string());
  for (int round = 0; round < 6; round++) {
    const auto writer = leader->Connect();
    for (int i = 0; i < 300; i++) {
      Ask(*writer, fmt::format("RPUSH list {}-{} {}", round, i, std::string(200, 'x')));
      Ask(*writer, fmt::format("XADD stream * round {}", round));
      Ask(*writer, fmt::format("SET key{} {}", i, round));
    }
    // Each has snapshots of its own, and removes journal that they cover: the leader not what its
    // follower needs.
    if (round % 2 == 1) {
      EXPECT_EQ(Ask(*writer, "SAVE"), "+OK");
      EXPECT_EQ(Ask(*follower->Connect(), "SAVE"), "+OK");
    }
    if (round % 3 == 0) {
      follower->Kill();
      Ask(*writer, fmt::format("SET while-it-is-away {}", round));
      follower = Start(following, follows.string(), follower->port());
    } else if (round % 3 == 1) {
      const auto reader = follower->Connect();
      WaitUntilEqual(*writer, *reader);
      leader->Kill();
      leader = Start(small, leads.string(), port);
    }
  }
  const auto writer = leader->Connect();
  const auto reader = follower->Connect();
  WaitUntilEqual(*writer, *reader);
  for (const char* ask : {"LLEN list", "LRANGE list 0 -1", "XINFO STREAM stream", "GET key7",
                          "GET while-it-is-away", "XRANGE stream - +", "DBSIZE"}) {
    EXPECT_EQ(Ask(*reader, ask), Ask(*writer, ask)) << ask;
  }
  const int64_t end = InfoNumber(*writer, "master_repl_offset");
  CompareJournals(*leader, *follower, end);
}

TEST_F(ReplicationTest, AFollowerThatIsPromotedIsFollowedByOthers) {
  const auto leader = Start();
  const auto writer = leader->Connect();
  const auto first = Start(Following(leader->port()));
  const auto second = Start(Following(leader->port()));
  const auto on_first = first->Connect();
  const auto on_second = second->Connect();
  Ask(*writer, "RPUSH l a b c");
  WaitUntilEqual(*writer, *on_first);
  WaitUntilEqual(*writer, *on_second);
  WaitUntilInSync(*on_first);
  leader->Kill();
  EXPECT_TRUE(Eventually([&] { return InfoField(*on_first, "master_link_status") == "down"; }));
  EXPECT_EQ(Ask(*on_first, "REPLICAOF NO ONE"), "+OK");
  EXPECT_TRUE(Eventually([&] { return InfoField(*on_first, "role") == "master"; }));
  EXPECT_EQ(Ask(*on_first, "RPUSH l d"), "4");
  EXPECT_EQ(Ask(*on_second, Follow(*first)), "+OK");
  WaitUntilEqual(*on_first, *on_second);
  EXPECT_EQ(Ask(*on_second, "LRANGE l 0 -1"), "[\"a\", \"b\", \"c\", \"d\"]");
}

// What the leader has written at its end, its follower has, too: so it can come back as a follower.
TEST_F(ReplicationTest, ALeaderThatEndsWellComesBackAsAFollower) {
  TempDir leads;
  auto leader = Start({}, leads.string());
  const auto follower = Start(Following(leader->port()));
  const auto reader = follower->Connect();
  {
    const auto writer = leader->Connect();
    Ask(*writer, "RPUSH l a b c");
    WaitUntilEqual(*writer, *reader);
    WaitUntilInSync(*reader);
  }
  leader->Stop();
  EXPECT_EQ(Ask(*reader, "REPLICAOF NO ONE"), "+OK");
  EXPECT_TRUE(Eventually([&] { return Ask(*reader, "RPUSH l d") == "4"; }));
  leader = Start(Following(follower->port()), leads.string());
  const auto old = leader->Connect();
  WaitUntilEqual(*reader, *old);
  EXPECT_EQ(Ask(*old, "LLEN l"), "4");
  CompareJournals(*leader, *follower, InfoNumber(*reader, "master_repl_offset"));
}

TEST_F(ReplicationTest, WhoHasDataOfItsOwnIsNotEmptied) {
  const auto leader = Start();
  const auto other = Start();
  const auto writer = leader->Connect();
  const auto client = other->Connect();
  Ask(*writer, "SET k leader");
  Ask(*client, "SET k own");
  EXPECT_EQ(Ask(*client, Follow(*leader)), "+OK");
  EXPECT_TRUE(Eventually([&] {
    return InfoField(*client, "replication_error").find("another one") != std::string::npos;
  })) << Ask(*client, "INFO replication");
  EXPECT_EQ(InfoField(*client, "master_link_status"), "down");
  EXPECT_EQ(Ask(*client, "GET k"), "\"own\"");
  EXPECT_EQ(Ask(*client, "REPLICAOF NO ONE"), "+OK");
  EXPECT_TRUE(Eventually([&] { return Ask(*client, "SET k mine") == "+OK"; }));
}

TEST_F(ReplicationTest, APasswordIsAskedFor) {
  const auto leader = Start({"--requirepass", "secret"});
  const auto writer = leader->Connect();
  Ask(*writer, "AUTH secret");
  Ask(*writer, "SET k v");
  const auto follower = Start(Following(leader->port()));
  const auto reader = follower->Connect();
  EXPECT_TRUE(Eventually([&] {
    return InfoField(*reader, "replication_error").find("NOAUTH") != std::string::npos;
  })) << Ask(*reader, "INFO replication");
  EXPECT_EQ(Ask(*reader, "CONFIG SET masterauth secret"), "+OK");
  EXPECT_TRUE(Eventually([&] { return Ask(*reader, "GET k") == "\"v\""; }))
      << Ask(*reader, "INFO replication");
}

TEST_F(ReplicationTest, WhatCannotFollowSaysWhy) {
  const auto leader = Start({"--databases", "32"});
  const auto follower = Start(Following(leader->port()));
  const auto reader = follower->Connect();
  EXPECT_TRUE(Eventually([&] {
    return InfoField(*reader, "replication_error").find("32 databases") != std::string::npos;
  })) << Ask(*reader, "INFO replication");
  // Itself.
  EXPECT_EQ(Ask(*reader, Follow(*follower)), "+OK");
  EXPECT_TRUE(Eventually([&] {
    return InfoField(*reader, "replication_error").find("the same server") != std::string::npos;
  })) << Ask(*reader, "INFO replication");
  const auto without = Start({"--journal", "no"});
  const auto client = without->Connect();
  EXPECT_THAT(Ask(*client, Follow(*leader)), StartsWith("-\"ERR this server keeps no journal"));
  EXPECT_THAT(Ask(*client, "REPLICATION FOLLOW 1 NODE x"),
              StartsWith("-\"ERR this server keeps no journal"));
  const auto asker = leader->Connect();
  EXPECT_THAT(Ask(*asker, "REPLICATION FOLLOW 99 NODE x"), HasSubstr("version"));
  EXPECT_THAT(Ask(*asker, "REPLICATION FOLLOW 1 END x NODE y"), HasSubstr("the value of END"));
}

// What a follower may not send ends its link, and nothing else.
TEST_F(ReplicationTest, WhoSendsNonsenseIsCutOff) {
  const auto leader = Start();
  const auto client = leader->Connect();
  const std::string journal = InfoField(*client, "journal_id");
  const auto report = [](uint64_t position) {
    std::string message("\x10\x30\0\0\0", 5);
    for (int i = 0; i < 6; i++) {
      message.append(reinterpret_cast<const char*>(&position), sizeof(position));
    }
    return message;
  };
  const std::string cases[] = {
      "*1\r\n$4\r\nPING\r\n",
      std::string("\x01\0\0\0\0", 5),          // a welcome
      std::string("\x10\xff\xff\xff\xff", 5),  // a size that lies
      std::string("\x10\x01\0\0\0x", 6),       // a report that is too short
      report(1'000'000),                       // what it was never sent
      std::string(100'000, '\0'),
  };
  for (const std::string& nonsense : cases) {
    const auto link = leader->Connect();
    link->Send({"REPLICATION", "FOLLOW", "1", "NODE", "n", "JOURNAL", journal, "DATABASES", "16",
                "EFFECTS", std::to_string(kEffectsVersion)});
    EXPECT_TRUE(Eventually([&] { return InfoNumber(*client, "connected_slaves") == 1; }));
    link->SendRaw(nonsense);
    EXPECT_EQ(ToText(link->ReadUntilClosed().back()), "<closed>") << nonsense.substr(0, 10);
    EXPECT_TRUE(Eventually([&] { return InfoNumber(*client, "connected_slaves") == 0; }));
  }
  // One that goes in the midst of a message.
  for (const char* begin : {"\x10", "\x10\x30"}) {
    const auto link = leader->Connect();
    link->Send({"REPLICATION", "FOLLOW", "1", "NODE", "n", "JOURNAL", journal, "DATABASES", "16",
                "EFFECTS", std::to_string(kEffectsVersion)});
    EXPECT_TRUE(Eventually([&] { return InfoNumber(*client, "connected_slaves") == 1; }));
    link->SendRaw(begin);
  }
  EXPECT_TRUE(Eventually([&] { return InfoNumber(*client, "connected_slaves") == 0; }));
  EXPECT_EQ(Ask(*client, "SET k v"), "+OK");
}

// --- The in-sync set, and what replies wait for ---

TEST_F(ReplicationTest, AReplyForAllWaitsForTheFollower) {
  const auto leader = Start({"--replica-silence-max", "600000"});
  const auto writer = leader->Connect();
  const auto follower = Start(Following(leader->port()));
  const auto reader = follower->Connect();
  WaitUntilInSync(*reader);
  EXPECT_EQ(InfoField(*writer, "in_sync_replicas"), "2");
  EXPECT_EQ(Ask(*writer, "CLIENT ACKS all"), "+OK");
  EXPECT_THAT(Ask(*writer, "CLIENT INFO"), HasSubstr(" acks=all"));
  EXPECT_EQ(Ask(*writer, "RPUSH l a"), "1");
  EXPECT_EQ(Ask(*writer, "LLEN l"), "1");
  // What was acknowledged lies on the follower.
  follower->Signal(SIGSTOP);
  writer->Send({"RPUSH", "l", "b"});
  const auto other = leader->Connect();
  EXPECT_TRUE(Eventually([&] { return InfoField(*other, "acks_waiting_clients") == "1"; }));
  EXPECT_EQ(Ask(*other, "LLEN l"), "2");
  // A read waits, too: it shows what may be lost.
  const auto second = leader->Connect();
  EXPECT_EQ(Ask(*second, "CLIENT ACKS ALL"), "+OK");
  second->Send({"LLEN", "l"});
  EXPECT_TRUE(Eventually([&] { return InfoField(*other, "acks_waiting_clients") == "2"; }));
  const auto third = leader->Connect();
  EXPECT_EQ(Ask(*third, "CLIENT ACKS 0"), "+OK");
  EXPECT_EQ(Ask(*third, "LLEN l"), "2");
  EXPECT_EQ(Ask(*third, "CLIENT ACKS 2"), "-\"ERR CLIENT ACKS takes 0, 1 or ALL, not '2'\"");
  follower->Signal(SIGCONT);
  EXPECT_EQ(ToText(writer->Read()), "2");
  EXPECT_EQ(ToText(second->Read()), "2");
  EXPECT_EQ(InfoField(*other, "acks_waiting_clients"), "0");
}

TEST_F(ReplicationTest, AFollowerThatIsGoneHoldsAllUpForAWhileOnly) {
  const auto leader = Start({"--replica-silence-max", "300"});
  const auto writer = leader->Connect();
  const auto follower = Start(Following(leader->port()));
  const auto reader = follower->Connect();
  WaitUntilInSync(*reader);
  Ask(*writer, "CLIENT ACKS all");
  follower->Signal(SIGSTOP);
  EXPECT_EQ(Ask(*writer, "RPUSH l a"), "1");
  EXPECT_EQ(InfoField(*writer, "in_sync_replicas"), "1");
  follower->Signal(SIGCONT);
  EXPECT_TRUE(Eventually([&] { return InfoField(*writer, "in_sync_replicas") == "2"; }));
  WaitUntilInSync(*reader);
  EXPECT_EQ(Ask(*reader, "LLEN l"), "1");
}

TEST_F(ReplicationTest, WithTooFewReplicasNothingIsDoneForAll) {
  const auto leader = Start({"--min-insync-replicas", "2", "--replica-silence-max", "300"});
  const auto writer = leader->Connect();
  const auto plain = leader->Connect();
  Ask(*writer, "CLIENT ACKS all");
  const char* const kTooFew = "-\"NOREPLICAS Not enough in-sync replicas (1 of 2).\"";
  EXPECT_EQ(Ask(*writer, "RPUSH l a"), kTooFew);
  EXPECT_EQ(Ask(*writer, "LLEN l"), kTooFew);
  EXPECT_EQ(Ask(*writer, "PING"), "+PONG");
  EXPECT_EQ(Ask(*plain, "LLEN l"), "0");
  const auto follower = Start(Following(leader->port()));
  const auto reader = follower->Connect();
  WaitUntilInSync(*reader);
  EXPECT_TRUE(Eventually([&] { return Ask(*writer, "RPUSH l a") == "1"; }));
  // One that waits is told, too.
  writer->Send({"BRPOP", "nothing", "0"});
  EXPECT_TRUE(Eventually([&] { return InfoField(*plain, "blocked_clients") == "1"; }));
  follower->Kill();
  EXPECT_EQ(ToText(writer->Read()), kTooFew);
  EXPECT_EQ(Ask(*writer, "RPUSH l b"), kTooFew);
  EXPECT_EQ(Ask(*plain, "RPUSH l b"), "2");
  EXPECT_EQ(InfoField(*plain, "in_sync_replicas"), "2");
}

TEST_F(ReplicationTest, AReplyThatWaitsTooLongEndsItsConnection) {
  const auto leader = Start({"--replica-silence-max", "600000", "--acks-timeout", "100"});
  const auto writer = leader->Connect();
  const auto follower = Start(Following(leader->port()));
  const auto reader = follower->Connect();
  WaitUntilInSync(*reader);
  Ask(*writer, "CLIENT ACKS all");
  follower->Signal(SIGSTOP);
  writer->Send({"RPUSH", "l", "a"});
  EXPECT_EQ(ToText(writer->ReadUntilClosed().back()), "<closed>");
  follower->Signal(SIGCONT);
}

TEST_F(ReplicationTest, WhoIsNotInSyncDoesNotLead) {
  const auto leader = Start({"--replica-silence-max", "300"});
  const auto writer = leader->Connect();
  const auto follower = Start(Following(leader->port()));
  const auto reader = follower->Connect();
  WaitUntilInSync(*reader);
  const std::string node = InfoField(*reader, "node_id");
  EXPECT_THAT(ToText(writer->Call({"REPLICATION", "FORGET", node})), HasSubstr("is connected"));
  EXPECT_THAT(ToText(writer->Call({"REPLICATION", "FORGET", "x"})), HasSubstr("'x' is known"));
  // The leader goes on without it, and the follower hears of that.
  follower->Signal(SIGSTOP);
  EXPECT_TRUE(Eventually([&] { return InfoField(*writer, "in_sync_replicas") == "1"; }));
  EXPECT_EQ(Ask(*writer, "SET k v"), "+OK");
  leader->Signal(SIGSTOP);
  follower->Signal(SIGCONT);
  EXPECT_TRUE(Eventually([&] { return InfoField(*reader, "slave_priority") == "0"; }))
      << Ask(*reader, "INFO replication");
  EXPECT_TRUE(Eventually([&] { return InfoField(*reader, "master_link_status") == "down"; }));
  EXPECT_THAT(Ask(*reader, "REPLICAOF NO ONE"), StartsWith("-\"NOTINSYNC"));
  EXPECT_EQ(InfoField(*reader, "role"), "slave");
  EXPECT_EQ(Ask(*reader, "CONFIG SET unclean-leader-election yes"), "+OK");
  EXPECT_EQ(Ask(*reader, "REPLICAOF NO ONE"), "+OK");
  EXPECT_TRUE(Eventually([&] { return InfoField(*reader, "role") == "master"; }));
  leader->Signal(SIGCONT);
}

TEST_F(ReplicationTest, MembersAndHistoryAreShown) {
  const auto leader =
      Start({"--replica-announce-ip", "leader.example", "--replica-announce-port", "7000"});
  const auto writer = leader->Connect();
  const auto follower = Start(Following(leader->port()));
  const auto reader = follower->Connect();
  WaitUntilInSync(*reader);
  EXPECT_EQ(ToText(reader->Call({"REPLICATION", "MEMBERS"})),
            ToText(writer->Call({"REPLICATION", "MEMBERS"})));
  EXPECT_THAT(ToText(reader->Call({"REPLICATION", "MEMBERS"})),
              HasSubstr(fmt::format("\"127.0.0.1:{}\"", follower->port())));
  EXPECT_THAT(ToText(reader->Call({"REPLICATION", "MEMBERS"})),
              HasSubstr("\"leader.example:7000\""));
  EXPECT_EQ(ToText(reader->Call({"REPLICATION", "HISTORY"})),
            ToText(writer->Call({"REPLICATION", "HISTORY"})));
  const std::string node = InfoField(*reader, "node_id");
  follower->Kill();
  EXPECT_TRUE(Eventually([&] { return InfoField(*writer, "in_sync_replicas") == "1"; }));
  EXPECT_EQ(Ask(*writer, "REPLICATION FORGET " + node), "+OK");
  EXPECT_TRUE(Eventually([&] {
    return ToText(writer->Call({"REPLICATION", "MEMBERS"})).find(node) == std::string::npos;
  }));
}

// Those that do not know each other's configuration know each other from the record.
TEST_F(ReplicationTest, ALeaderIsAskedWhereItsFollowersHaveReachedIt) {
  const auto leader = Start();
  const auto follower = Start(Following(leader->port()));
  const auto reader = follower->Connect();
  EXPECT_TRUE(Eventually([&] {
    return ToText(reader->Call({"REPLICATION", "MEMBERS"}))
               .find(fmt::format("\"127.0.0.1:{}\"", leader->port())) != std::string::npos;
  })) << ToText(reader->Call({"REPLICATION", "MEMBERS"}));
}

// A leader that comes back asks the members first.
TEST_F(ReplicationTest, AnOldLeaderThatStartsFollowsTheNewOne) {
  TempDir leads;
  auto leader = Start({}, leads.string());
  const int port = leader->port();
  const auto follower = Start(Following(port));
  const auto reader = follower->Connect();
  {
    const auto writer = leader->Connect();
    Ask(*writer, "RPUSH l a b c");
    WaitUntilEqual(*writer, *reader);
    WaitUntilInSync(*reader);
  }
  leader->Kill();
  EXPECT_TRUE(Eventually([&] { return InfoField(*reader, "master_link_status") == "down"; }));
  EXPECT_EQ(Ask(*reader, "REPLICAOF NO ONE"), "+OK");
  EXPECT_TRUE(Eventually([&] { return Ask(*reader, "RPUSH l d") == "4"; }));
  EXPECT_THAT(Ask(*reader, "REPLICATION LEADER"), HasSubstr(" ROLE leader "));
  leader = Start({}, leads.string(), port);
  const auto old = leader->Connect();
  EXPECT_EQ(InfoField(*old, "role"), "slave");
  EXPECT_THAT(Ask(*old, "RPUSH l e"), StartsWith("-\"READONLY"));
  WaitUntilEqual(*reader, *old);
  EXPECT_EQ(Ask(*old, "LLEN l"), "4");
}

// So does one that stood still while somebody else took over.
TEST_F(ReplicationTest, ALeaderThatStoodStillFollowsTheNewOne) {
  const auto leader = Start({"--replica-silence-max", "300"});
  const auto follower = Start(Following(leader->port()));
  const auto writer = leader->Connect();
  const auto reader = follower->Connect();
  Ask(*writer, "RPUSH l a b c");
  WaitUntilEqual(*writer, *reader);
  WaitUntilInSync(*reader);
  leader->Signal(SIGSTOP);
  EXPECT_TRUE(Eventually([&] { return InfoField(*reader, "master_link_status") == "down"; }));
  EXPECT_EQ(Ask(*reader, "REPLICAOF NO ONE"), "+OK");
  EXPECT_TRUE(Eventually([&] { return Ask(*reader, "RPUSH l d") == "4"; }));
  leader->Signal(SIGCONT);
  EXPECT_TRUE(Eventually([&] { return InfoField(*writer, "role") == "slave"; }));
  WaitUntilEqual(*reader, *writer);
  EXPECT_EQ(Ask(*writer, "LLEN l"), "4");
}

}  // namespace
}  // namespace runnel::test
