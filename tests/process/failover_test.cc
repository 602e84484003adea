// A leader hands over to a follower: FAILOVER, REPLICAOF NO ONE of a Sentinel; and what a leader
// does for its followers before it ends.
#include <fmt/format.h>
#include <signal.h>

#include <map>

#include "tests/process/replica_set.h"

namespace runnel::test {
namespace {

using testing::HasSubstr;
using testing::Not;

class FailoverTest : public ReplicaSetTest {};

// A client writes all the while. What was acknowledged is there, once, in its order, everywhere.
TEST_F(FailoverTest, NothingIsLostAndAllFollow) {
  // Small files, which are compared in the end.
  StartAll(2, {"--acks", "all", "--journal-segment-bytes", "65536"});
  size_t leader = 0;
  std::vector<std::string> acknowledged;
  int next = 0;
  for (int round = 0; round < 9; round++) {
    const auto writer = server(leader).Connect();
    const size_t target = (leader + 1) % 3;
    bool asked = false;
    for (int writes = 0;; writes++) {
      ASSERT_LT(writes, 1'000'000);
      const std::string value = fmt::to_string(next++);
      const Reply reply = writer->Call({"RPUSH", "l", value});
      if (reply.is_note() || reply.text.starts_with("READONLY")) break;
      ASSERT_GT(reply.integer, 0) << ToText(reply);
      acknowledged.push_back(value);
      if (writes < 20 || asked) continue;
      asked = true;
      EXPECT_EQ(Ask(on(leader), round % 2 == 0 ? "FAILOVER" : "FAILOVER " + To(target)), "+OK");
    }
    EXPECT_TRUE(Eventually([&] {
      for (size_t i = 0; i < 3; i++) {
        if (i == leader || !Leads(i)) continue;
        if (round % 2 == 1) {
          EXPECT_EQ(i, target);
        }
        leader = i;
        return true;
      }
      return false;
    })) << server(leader).Log();
    for (size_t i = 0; i < 3; i++) {
      if (i == leader) continue;
      EXPECT_TRUE(Eventually([&] { return Follows(i, leader); })) << server(i).Log();
      WaitUntilInSync(on(i));
      WaitUntilEqual(on(leader), on(i));
    }
    ASSERT_FALSE(HasFailure());
  }
  const int64_t end = InfoNumber(on(leader), "master_repl_offset");
  const Reply all = on(leader).Call({"LRANGE", "l", "0", "-1"});
  // What was not acknowledged may be there, too.
  size_t found = 0;
  for (const Reply& element : all.items) {
    if (found < acknowledged.size() && element.text == acknowledged[found]) found++;
  }
  EXPECT_EQ(found, acknowledged.size());
  EXPECT_LE(all.items.size(), acknowledged.size() + 9);
  for (size_t i = 0; i < 3; i++) {
    EXPECT_EQ(ToText(on(i).Call({"LRANGE", "l", "0", "-1"})), ToText(all));
    EXPECT_FALSE(std::filesystem::exists(server(i).dir() + "/journal/dropped")) << i;
    CompareJournals(server(leader), server(i), end);
  }
}

TEST_F(FailoverTest, ClientsWaitMeanwhileAndMayAbort) {
  StartAll(1);
  server(1).Signal(SIGSTOP);
  EXPECT_EQ(Ask(on(0), "SET k w"), "+OK");
  EXPECT_EQ(Ask(on(0), "FAILOVER TIMEOUT 600000"), "+OK");
  EXPECT_EQ(InfoField(on(0), "master_failover_state"), "waiting-for-sync");
  const auto writer = server(0).Connect();
  writer->Send({"SET", "k", "x"});
  EXPECT_TRUE(Eventually([&] { return InfoNumber(on(0), "blocked_clients") == 1; }));
  // It is no pause of clients.
  EXPECT_EQ(Ask(on(0), "CLIENT UNPAUSE"), "+OK");
  EXPECT_EQ(InfoNumber(on(0), "blocked_clients"), 1);
  EXPECT_EQ(Ask(on(0), "GET k"), "\"w\"");
  EXPECT_EQ(Ask(on(0), "FAILOVER ABORT"), "+OK");
  EXPECT_EQ(ToText(writer->Read()), "+OK");
  EXPECT_EQ(InfoField(on(0), "master_failover_state"), "no-failover");
  EXPECT_TRUE(Leads(0));
  server(1).Signal(SIGCONT);
  WaitUntilEqual(on(0), on(1));
  EXPECT_EQ(Ask(on(1), "GET k"), "\"x\"");
}

TEST_F(FailoverTest, ATargetThatSaysNothingIsGivenUp) {
  StartAll(1);
  server(1).Signal(SIGSTOP);
  EXPECT_EQ(Ask(on(0), "FAILOVER " + To(1)), "+OK");
  // Held until then.
  EXPECT_EQ(Ask(on(0), "SET k w"), "+OK");
  EXPECT_TRUE(Leads(0));
  ExpectLog(0, "This server goes on leading: the server that is to lead has said nothing for ");
  EXPECT_EQ(Ask(on(0), "FAILOVER TIMEOUT 20"), "+OK");
  EXPECT_EQ(Ask(on(0), "SET k x"), "+OK");
  ExpectLog(0, "goes on leading: no follower was ready to lead within 20 ms");
  server(1).Signal(SIGCONT);
  WaitUntilEqual(on(0), on(1));
  EXPECT_EQ(InfoField(on(1), "role"), "slave");
}

// It was told, and nobody knows whether it has heard that: the leader changes nothing until it
// does.
TEST_F(FailoverTest, ATargetThatTakesOverLateIsFollowed) {
  StartAll(2);
  server(1).Signal(SIGSTOP);
  EXPECT_EQ(Ask(on(0), "SET k w"), "+OK");
  EXPECT_EQ(Ask(on(0), "FAILOVER " + To(1) + " FORCE TIMEOUT 20"), "+OK");
  EXPECT_THAT(Ask(on(0), "SET k x"), HasSubstr("READONLY"));
  ExpectLog(0, "It is not known whether 127.0.0.1:");
  EXPECT_EQ(InfoField(on(0), "master_link_status"), "down");
  server(1).Signal(SIGCONT);
  EXPECT_TRUE(Eventually([&] { return Leads(1); })) << server(1).Log();
  EXPECT_TRUE(Eventually([&] { return Follows(0, 1) && Follows(2, 1); })) << server(2).Log();
  EXPECT_EQ(Ask(on(1), "GET k"), "\"w\"");
}

TEST_F(FailoverTest, ATargetThatWasKilledIsLedAgain) {
  StartAll(2);
  server(1).Signal(SIGSTOP);
  EXPECT_EQ(Ask(on(0), "SET k w"), "+OK");
  EXPECT_EQ(Ask(on(0), "FAILOVER " + To(1) + " FORCE TIMEOUT 20"), "+OK");
  EXPECT_THAT(Ask(on(0), "SET k x"), HasSubstr("READONLY"));
  const int port = server(1).port();
  const std::string dir = server(1).dir();
  server(1).Kill();
  const auto again = Start(Following(server(0).port()), dir, port);
  EXPECT_TRUE(Eventually([&] { return Leads(0); })) << server(0).Log();
  EXPECT_EQ(Ask(on(0), "SET k y"), "+OK");
  WaitUntilEqual(on(0), *again->Connect());
  WaitUntilEqual(on(0), on(2));
  ExpectLog(0, "has not taken over: this one leads again");
}

TEST_F(FailoverTest, ASentinelMakesItAHandOver) {
  StartAll(2);
  const auto sentinel = server(1).Connect();
  EXPECT_EQ(Ask(*sentinel, "CLIENT SETNAME sentinel-0123abcd-cmd"), "+OK");
  EXPECT_EQ(Ask(*sentinel, "REPLICAOF NO ONE"), "+OK");
  EXPECT_TRUE(Eventually([&] { return Leads(1); }));
  EXPECT_TRUE(Eventually([&] { return Follows(0, 1) && Follows(2, 1); })) << server(0).Log();
  ExpectLog(1, "This server takes over from its leader");
  // Anybody else's word is for that server alone.
  EXPECT_EQ(Ask(on(2), "REPLICAOF NO ONE"), "+OK");
  EXPECT_TRUE(Eventually([&] { return Leads(2); }));
  EXPECT_TRUE(Leads(1));
  EXPECT_EQ(Ask(on(1), "SET k w"), "+OK");
}

TEST_F(FailoverTest, ASentinelDoesNotWaitForALeaderThatIsStopped) {
  StartAll(1);
  const auto sentinel = server(1).Connect();
  EXPECT_EQ(Ask(*sentinel, "CLIENT SETNAME sentinel-0123abcd-cmd"), "+OK");
  server(0).Signal(SIGSTOP);
  EXPECT_EQ(Ask(*sentinel, "REPLICAOF NO ONE"), "+OK");
  EXPECT_TRUE(Eventually([&] { return Leads(1); }));
  ExpectLog(1, "does not hand over");
  EXPECT_EQ(Ask(on(1), "SET k w"), "+OK");
  server(0).Signal(SIGCONT);
  EXPECT_EQ(Ask(on(0), Follow(server(1))), "+OK");
  WaitUntilEqual(on(1), on(0));
}

// --- Ends ---

TEST_F(FailoverTest, ALeaderThatEndsWaitsForItsFollowers) {
  StartAll(1, {"--shutdown-timeout", "600"});
  server(1).Signal(SIGSTOP);
  EXPECT_EQ(Ask(on(0), "SET k w"), "+OK");
  server(0).Signal(SIGTERM);
  ExpectLog(0, "Shutting down: signal SIGTERM");
  const auto writer = server(0).Connect();
  writer->Send({"SET", "k", "x"});
  EXPECT_TRUE(Eventually([&] { return InfoNumber(on(0), "blocked_clients") == 1; }));
  server(1).Signal(SIGCONT);
  EXPECT_EQ(ToText(server(0).WaitExit()), "exit 0");
  EXPECT_THAT(server(0).Log(), HasSubstr("All connected followers have all changes"));
  EXPECT_EQ(ToText(writer->Read()), "<closed>");
  EXPECT_TRUE(Eventually([&] { return Ask(on(1), "GET k") == "\"w\""; }));
}

TEST_F(FailoverTest, TheEndMayBeGivenUpWhileItWaits) {
  StartAll(1, {"--shutdown-timeout", "600"});
  server(1).Signal(SIGSTOP);
  EXPECT_EQ(Ask(on(0), "SET k w"), "+OK");
  const auto ender = server(0).Connect();
  ender->Send({"SHUTDOWN"});
  EXPECT_TRUE(Eventually([&] { return InfoNumber(on(0), "blocked_clients") == 1; }));
  EXPECT_EQ(Ask(on(0), "SHUTDOWN ABORT"), "+OK");
  EXPECT_EQ(ToText(ender->Read()), "-\"ERR Errors trying to SHUTDOWN. Check logs.\"");
  EXPECT_EQ(Ask(on(0), "SET k x"), "+OK");
  EXPECT_EQ(Ask(on(0), "SHUTDOWN ABORT"), "-\"ERR No shutdown in progress.\"");
  // One that is asked for again, and one that does not wait.
  ender->Send({"SHUTDOWN", "NOSAVE"});
  EXPECT_TRUE(Eventually([&] { return InfoNumber(on(0), "blocked_clients") == 1; }));
  on(0).Send({"SHUTDOWN", "NOW"});
  EXPECT_EQ(ToText(server(0).WaitExit()), "exit 0");
  EXPECT_THAT(server(0).Log(), Not(HasSubstr("followers have all changes")));
  server(1).Signal(SIGCONT);
}

TEST_F(FailoverTest, TheEndWaitsNoLongerThanItMay) {
  StartAll(1, {"--shutdown-timeout", "1"});
  server(1).Signal(SIGSTOP);
  EXPECT_EQ(Ask(on(0), "SET k w"), "+OK");
  on(0).Send({"SHUTDOWN"});
  EXPECT_EQ(ToText(server(0).WaitExit()), "exit 0");
  EXPECT_THAT(server(0).Log(), HasSubstr("1 followers do not have all changes yet"));
  server(1).Signal(SIGCONT);
}

}  // namespace
}  // namespace runnel::test
