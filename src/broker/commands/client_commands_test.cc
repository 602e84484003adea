// CLIENT: what a connection says about itself, and does to others.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "broker/commands/broker_families.h"
#include "broker/commands/client_list.h"
#include "broker/testing.h"

namespace runnel {
namespace {

using runnel::testing::BrokerHarness;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

class ClientCommandsTest : public ::testing::Test {
 protected:
  ClientCommandsTest() {
    for (const auto family : {ConnectionCommands(), ClientCommands(), PubSubCommands(),
                              TransactionCommands(), IntrospectionCommands()}) {
      harness_.broker.commands().Add(family);
    }
  }

  std::string Describe(BrokerHarness::Client& client) {
    return DescribeSession(client.session(), harness_.broker.settings(),
                           harness_.broker.clock().now_ms());
  }

  BrokerHarness harness_;
};

TEST_F(ClientCommandsTest, ALineTellsEverythingInRedissOrder) {
  auto client = harness_.Connect();
  client->Run("HELLO 3 SETNAME bob");
  client->Run("CLIENT SETINFO LIB-NAME lib");
  client->Run("CLIENT SETINFO lib-ver 1.2");
  client->Run("SELECT 2");
  client->Run("WATCH a b");
  harness_.Advance(2500);
  client->Run("PING");
  harness_.Advance(1500);
  std::string line = Describe(*client);
  // How much memory that takes is not for this test.
  line.erase(line.find(" tot-mem="), line.find(" events=") - line.find(" tot-mem="));
  EXPECT_EQ(line,
            "id=1 addr=127.0.0.1:1 laddr=127.0.0.1:6379 fd=-1 name=bob age=4 idle=1 flags=N db=2 "
            "sub=0 psub=0 ssub=0 multi=-1 watch=2 qbuf=0 qbuf-free=0 argv-mem=0 multi-mem=0 rbs=0 "
            "rbp=7 obl=0 oll=0 omem=0 events=r cmd=ping user=default redir=-1 resp=3 lib-name=lib "
            "lib-ver=1.2 acks=1\n");
}

TEST_F(ClientCommandsTest, ALineTellsWhereTheMemoryIs) {
  auto blocked = harness_.Connect(), reader = harness_.Connect(), writer = harness_.Connect();
  blocked->Run("BLPOP somekey other 0");
  EXPECT_THAT(Describe(*blocked), HasSubstr(" argv-mem=18 "));
  reader->Run("SUBSCRIBE c");
  reader->stuck = true;
  writer->Ask({"PUBLISH", "c", "abc"});
  EXPECT_THAT(Describe(*reader), HasSubstr(" rbs=16384 rbp=33 obl=33 oll=0 omem=0 "));
  writer->Ask({"PUBLISH", "c", std::string(100'000, 'x')});
  EXPECT_THAT(Describe(*reader), HasSubstr(" rbs=16384 rbp=16384 obl=16384 oll=7 omem="));
}

TEST_F(ClientCommandsTest, ThePeakOfTheBufferIsOfTheLastSeconds) {
  const auto client = harness_.Connect();
  harness_.Advance(100);
  client->Ask({"ECHO", std::string(1000, 'x')});
  client->Run("PING");
  EXPECT_THAT(Describe(*client), HasSubstr(" rbp=1009 obl=0 "));
  harness_.Advance(5000);
  EXPECT_THAT(Describe(*client), HasSubstr(" rbp=0 obl=0 "));
}

TEST_F(ClientCommandsTest, FlagsTellTheStateOfAConnection) {
  auto subscriber = harness_.Connect(), waiter = harness_.Connect(), monitor = harness_.Connect();
  subscriber->Run("PSUBSCRIBE p*");
  subscriber->Run("SUBSCRIBE a b");
  waiter->Run("CLIENT NO-EVICT on");
  waiter->Run("CLIENT NO-TOUCH on");
  waiter->Run("BLPOP q 0");
  monitor->Run("MONITOR");
  monitor->Run("MULTI");
  monitor->Run("PING");
  EXPECT_THAT(Describe(*subscriber), HasSubstr(" flags=P db=0 sub=2 psub=1 ssub=0 "));
  EXPECT_THAT(Describe(*waiter), HasSubstr(" flags=beT "));
  EXPECT_THAT(Describe(*waiter), AllOf(HasSubstr(" cmd=blpop "), Not(HasSubstr("argv-mem=0 "))));
  EXPECT_THAT(Describe(*monitor), AllOf(HasSubstr(" flags=Ox "), HasSubstr(" multi=1 ")));
}

TEST_F(ClientCommandsTest, ListTakesATypeOrIds) {
  auto a = harness_.Connect(), b = harness_.Connect();
  b->Run("SUBSCRIBE c");
  EXPECT_THAT(a->Run("CLIENT LIST"), AllOf(HasSubstr("id=1 "), HasSubstr("id=2 ")));
  EXPECT_THAT(a->Run("CLIENT LIST TYPE pubsub"),
              AllOf(Not(HasSubstr("id=1 ")), HasSubstr("id=2 ")));
  EXPECT_THAT(a->Run("CLIENT LIST ID 1 99 1"), Not(HasSubstr("id=2 ")));
  EXPECT_EQ(a->Run("CLIENT LIST TYPE replica"), "$0 ");
  EXPECT_EQ(a->Run("CLIENT LIST ID 99"), "$0 ");
  EXPECT_EQ(a->Run("CLIENT LIST ID x"), "-ERR Invalid client ID");
  EXPECT_EQ(a->Run("CLIENT LIST TYPE x"), "-ERR Unknown client type 'x'");
  EXPECT_EQ(a->Run("CLIENT LIST TYPE"), "-ERR syntax error");
  EXPECT_EQ(a->Run("CLIENT LIST TYPE normal x"), "-ERR syntax error");
}

TEST_F(ClientCommandsTest, NamesAreWords) {
  auto client = harness_.Connect();
  EXPECT_EQ(client->Run("CLIENT GETNAME"), "$-1");
  EXPECT_EQ(client->Run("CLIENT SETNAME bob"), "+OK");
  EXPECT_EQ(client->Ask({"CLIENT", "SETNAME", "a\nb"}),
            "-ERR Client names cannot contain spaces, newlines or special characters.\r\n");
  EXPECT_EQ(client->Ask({"CLIENT", "SETINFO", "Lib-Ver", "1 2"}),
            "-ERR Lib-Ver cannot contain spaces, newlines or special characters.\r\n");
  const std::string too_long(64 * 1024 + 1, 'n');
  EXPECT_EQ(client->Ask({"CLIENT", "SETNAME", too_long}),
            "-ERR the client name has 65537 bytes, the limit is 65536\r\n");
  EXPECT_EQ(client->Ask({"CLIENT", "SETINFO", "lib-ver", too_long}),
            "-ERR the lib-ver has 65537 bytes, the limit is 65536\r\n");
  EXPECT_EQ(client->Run("CLIENT SETINFO lib x"), "-ERR Unrecognized option 'lib'");
  EXPECT_EQ(client->Run("CLIENT GETNAME"), "$3 bob");
  EXPECT_EQ(client->Ask({"CLIENT", "SETNAME", ""}), "+OK\r\n");
  EXPECT_EQ(client->Run("CLIENT GETNAME"), "$-1");
}

TEST_F(ClientCommandsTest, KillByAddressMayMeanOneself) {
  auto a = harness_.Connect(), b = harness_.Connect();
  EXPECT_EQ(a->Run("CLIENT KILL 127.0.0.1:9"), "-ERR No such client");
  EXPECT_EQ(a->Run("CLIENT KILL 127.0.0.1:2"), "+OK");
  EXPECT_FALSE(b->open());
  EXPECT_EQ(a->Run("CLIENT KILL 127.0.0.1:1"), "+OK");
  EXPECT_FALSE(a->open());
}

TEST_F(ClientCommandsTest, KillTakesThoseThatAllFiltersMean) {
  auto a = harness_.Connect(), b = harness_.Connect();
  harness_.Advance(10'000);
  auto c = harness_.Connect();
  c->Run("SUBSCRIBE x");
  EXPECT_EQ(a->Run("CLIENT KILL ID 2 TYPE pubsub"), ":0");
  EXPECT_EQ(a->Run("CLIENT KILL MAXAGE 11"), ":0");
  EXPECT_EQ(a->Run("CLIENT KILL TYPE pubsub LADDR 127.0.0.1:6379 USER default"), ":1");
  EXPECT_FALSE(c->open());
  EXPECT_EQ(a->Run("CLIENT KILL MAXAGE 10"), ":1");
  EXPECT_FALSE(b->open());
  EXPECT_EQ(a->Run("CLIENT KILL ADDR 127.0.0.1:1 SKIPME yes"), ":0");
  EXPECT_EQ(a->Run("CLIENT KILL ADDR 127.0.0.1:1 SKIPME no"), ":1");
  EXPECT_FALSE(a->open());
}

TEST_F(ClientCommandsTest, KillEndsNobodyIfAFilterIsWrong) {
  auto a = harness_.Connect(), b = harness_.Connect();
  constexpr const char* kBadId = "-ERR client-id should be greater than 0";
  EXPECT_EQ(a->Run("CLIENT KILL ID 2 ID"), "-ERR syntax error");
  EXPECT_EQ(a->Run("CLIENT KILL ID 2 FOO bar"), "-ERR syntax error");
  EXPECT_EQ(a->Run("CLIENT KILL ID 2 SKIPME x"), "-ERR syntax error");
  EXPECT_EQ(a->Run("CLIENT KILL ID x"), kBadId);
  EXPECT_EQ(a->Run("CLIENT KILL ID 0"), kBadId);
  EXPECT_EQ(a->Run("CLIENT KILL ID 2 TYPE x"), "-ERR Unknown client type 'x'");
  EXPECT_EQ(a->Run("CLIENT KILL ID 2 USER bob"), "-ERR No such user 'bob'");
  EXPECT_EQ(a->Run("CLIENT KILL ID 2 MAXAGE x"), "-ERR maxage is not an integer or out of range");
  EXPECT_EQ(a->Run("CLIENT KILL ID 2 MAXAGE 0"), "-ERR maxage should be greater than 0");
  EXPECT_TRUE(b->open());
}

TEST_F(ClientCommandsTest, UnblockEndsAWaitOnce) {
  auto waiter = harness_.Connect(), other = harness_.Connect();
  EXPECT_EQ(other->Run("CLIENT UNBLOCK 1"), ":0");
  waiter->Run("BLPOP q 0");
  EXPECT_EQ(other->Run("CLIENT UNBLOCK 1"), ":1");
  EXPECT_EQ(waiter->Lines(), "*-1");
  EXPECT_EQ(other->Run("CLIENT UNBLOCK 1"), ":0");
  waiter->Run("BLMOVE q r LEFT LEFT 0");
  EXPECT_EQ(other->Run("CLIENT UNBLOCK 1 TIMEOUT"), ":1");
  EXPECT_EQ(waiter->Lines(), "*-1");
  waiter->Run("BLPOP q 0");
  EXPECT_EQ(other->Run("CLIENT UNBLOCK 1 ERROR"), ":1");
  EXPECT_EQ(waiter->Lines(), "-UNBLOCKED client unblocked via CLIENT UNBLOCK");
  EXPECT_EQ(harness_.broker.stats().errors.at("UNBLOCKED"), 1u);
  EXPECT_EQ(waiter->Run("PING"), "+PONG");
  EXPECT_EQ(other->Run("CLIENT UNBLOCK 1 FOO"),
            "-ERR CLIENT UNBLOCK reason should be TIMEOUT or ERROR");
  EXPECT_EQ(other->Run("CLIENT UNBLOCK x"), "-ERR value is not an integer or out of range");
}

TEST_F(ClientCommandsTest, PauseChecksItsArgumentsAndZeroIsNone) {
  auto client = harness_.Connect();
  EXPECT_EQ(client->Run("CLIENT PAUSE x"), "-ERR timeout is not an integer or out of range");
  EXPECT_EQ(client->Run("CLIENT PAUSE -1"), "-ERR timeout is negative");
  EXPECT_EQ(client->Run("CLIENT PAUSE 1 FOO"), "-ERR CLIENT PAUSE mode must be WRITE or ALL");
  EXPECT_EQ(client->Run("CLIENT PAUSE 0"), "+OK");
  EXPECT_EQ(harness_.broker.pause().kind(), PauseKind::kNone);
  EXPECT_EQ(client->Run("CLIENT PAUSE 1000 WRITE"), "+OK");
  EXPECT_EQ(harness_.broker.pause().kind(), PauseKind::kWrites);
  EXPECT_EQ(client->Run("CLIENT UNPAUSE"), "+OK");
  EXPECT_EQ(harness_.broker.pause().kind(), PauseKind::kNone);
}

TEST_F(ClientCommandsTest, RepliesCanBeSkippedButNotInsideATransaction) {
  auto client = harness_.Connect();
  EXPECT_EQ(client->Run("CLIENT REPLY SKIP"), "");
  EXPECT_EQ(client->Run("PING"), "");
  EXPECT_EQ(client->Run("PING"), "+PONG");
  client->Run("MULTI");
  client->Run("CLIENT REPLY SKIP");
  client->Run("PING");
  EXPECT_EQ(client->Run("EXEC"),
            "*2 -ERR CLIENT REPLY SKIP isn't allowed inside a transaction +PONG");
  EXPECT_EQ(client->Run("CLIENT REPLY SKIP"), "");
  EXPECT_EQ(client->Run("CLIENT REPLY ON"), "+OK");
  EXPECT_EQ(client->Run("CLIENT REPLY OFF"), "");
  EXPECT_EQ(client->Run("PING"), "");
  EXPECT_EQ(client->Run("CLIENT REPLY SKIP"), "");
  EXPECT_EQ(client->Run("CLIENT REPLY ON"), "+OK");
  EXPECT_EQ(client->Run("CLIENT REPLY FOO"), "-ERR syntax error");
}

TEST_F(ClientCommandsTest, AReplyThatIsSkippedStaysSoWhenItsCommandWaits) {
  auto client = harness_.Connect(), pusher = harness_.Connect();
  client->Run("CLIENT REPLY SKIP");
  client->Run("BLPOP q 0");
  pusher->Run("RPUSH q x");
  EXPECT_EQ(client->Lines(), "");
  EXPECT_EQ(client->Run("PING"), "+PONG");
}

TEST_F(ClientCommandsTest, NoTouchLeavesTheTimeOfUse) {
  auto quiet = harness_.Connect(), other = harness_.Connect();
  other->Run("SET k v");
  quiet->Run("CLIENT NO-TOUCH on");
  harness_.Advance(5000);
  quiet->Run("GET k");
  EXPECT_EQ(other->Run("OBJECT IDLETIME k"), ":5");
  quiet->Run("CLIENT NO-TOUCH off");
  quiet->Run("GET k");
  EXPECT_EQ(other->Run("OBJECT IDLETIME k"), ":0");
  EXPECT_EQ(quiet->Run("CLIENT NO-TOUCH x"), "-ERR syntax error");
}

TEST_F(ClientCommandsTest, HelpNamesEverySubcommand) {
  auto client = harness_.Connect();
  const std::string help = client->Run("CLIENT HELP");
  EXPECT_THAT(help, ::testing::StartsWith(
                        "*39 +CLIENT <subcommand> [<arg> [value] [opt] ...]. Subcommands are: "));
  EXPECT_THAT(help, HasSubstr(" +UNBLOCK client-id [<TIMEOUT|ERROR>] +    Ends the wait"));
  EXPECT_THAT(help, ::testing::EndsWith(" +HELP +    Lists the subcommands."));
}

}  // namespace
}  // namespace runnel
