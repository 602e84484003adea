// PING, SELECT, HELLO, AUTH, QUIT and RESET: how a connection begins, and how it ends.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>

#include "broker/commands/broker_families.h"
#include "broker/testing.h"

namespace runnel {
namespace {

using runnel::testing::BrokerHarness;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::StartsWith;

constexpr const char* kWrongPassword =
    "-WRONGPASS invalid username-password pair or user is disabled.";

class ConnectionCommandsTest : public ::testing::Test {
 protected:
  ConnectionCommandsTest() {
    for (const auto family : {ConnectionCommands(), ClientCommands(), PubSubCommands(),
                              TransactionCommands(), IntrospectionCommands()}) {
      harness_.broker.commands().Add(family);
    }
    harness_.settings.slowlog_log_slower_than_us = 0;
  }

  BrokerHarness harness_;
};

TEST_F(ConnectionCommandsTest, PingAnswersWithItsArgument) {
  auto client = harness_.Connect();
  EXPECT_EQ(client->Run("PING"), "+PONG");
  EXPECT_EQ(client->Run("PING a"), "$1 a");
  EXPECT_EQ(client->Run("PING a b"), "-ERR wrong number of arguments for 'ping' command");
}

TEST_F(ConnectionCommandsTest, PingOfAResp2SubscriberLooksLikeAMessage) {
  auto client = harness_.Connect();
  client->Run("SSUBSCRIBE c");
  EXPECT_EQ(client->Run("PING"), "*2 $4 pong $0 ");
  EXPECT_EQ(client->Run("PING a"), "*2 $4 pong $1 a");
  client->Run("SUNSUBSCRIBE");
  EXPECT_EQ(client->Run("PING"), "+PONG");
}

TEST_F(ConnectionCommandsTest, SelectChecksItsIndex) {
  auto client = harness_.Connect();
  EXPECT_EQ(client->Run("SELECT 15"), "+OK");
  EXPECT_EQ(client->session().db, 15u);
  EXPECT_EQ(client->Run("SELECT 16"), "-ERR DB index is out of range");
  EXPECT_EQ(client->Run("SELECT -1"), "-ERR DB index is out of range");
  EXPECT_EQ(client->Run("SELECT x"), "-ERR value is not an integer or out of range");
  EXPECT_EQ(client->session().db, 15u);
}

// What the log says while `act` runs.
std::string LogOf(const std::function<void()>& act) {
  ::testing::internal::CaptureStdout();
  act();
  return ::testing::internal::GetCapturedStdout();
}

TEST_F(ConnectionCommandsTest, GuessingPasswordsEndsTheConnection) {
  harness_.settings.requirepass = "secret";
  auto client = harness_.Connect();
  const std::string log = LogOf([&] {
    for (uint32_t i = 1; i < WrongPasswords::kMostOnAConnection; i++) {
      EXPECT_EQ(client->Run(i % 2 == 0 ? "AUTH guess" : "HELLO 3 AUTH default guess"),
                kWrongPassword);
      EXPECT_TRUE(client->open());
    }
    // RESET is no way to begin again, the right password is.
    client->Run("RESET");
    EXPECT_EQ(client->Run("AUTH guess"), kWrongPassword);
    EXPECT_FALSE(client->open());
  });
  // One line for all of them, and no password in it.
  EXPECT_EQ(log.find("Wrong password from client "), log.rfind("Wrong password from client "));
  EXPECT_THAT(log, HasSubstr("Wrong password from client "));
  EXPECT_THAT(log, ::testing::Not(HasSubstr("guess")));
  EXPECT_EQ(harness_.broker.stats().wrong_passwords.count(), WrongPasswords::kMostOnAConnection);

  auto other = harness_.Connect();
  for (uint32_t i = 0; i < 3 * WrongPasswords::kMostOnAConnection; i++) {
    EXPECT_EQ(other->Run("AUTH guess"), kWrongPassword);
    if (i % 5 == 4) {
      EXPECT_EQ(other->Run("AUTH secret"), "+OK");
    }
  }
  EXPECT_TRUE(other->open());
}

TEST_F(ConnectionCommandsTest, WrongPasswordsAreLoggedOnceASecond) {
  WrongPasswords wrong;
  const std::string log = LogOf([&] {
    wrong.Note("1.2.3.4:5", 1000);
    for (int64_t ms = 1001; ms < 2000; ms++) {
      wrong.Note("1.2.3.4:6", ms);
    }
    wrong.Note("1.2.3.4:7", 2000);
  });
  EXPECT_THAT(log, HasSubstr("Wrong password from client 1.2.3.4:5\n"));
  EXPECT_THAT(log, ::testing::Not(HasSubstr("1.2.3.4:6")));
  EXPECT_THAT(log, HasSubstr("Wrong password from client 1.2.3.4:7; 999 more since the last"));
}

TEST_F(ConnectionCommandsTest, ActsThatMatterForSecurityAreLogged) {
  auto client = harness_.Connect();
  const std::string log = LogOf([&] {
    client->Run("SET k v");
    client->Run("FLUSHALL");
    client->Run("FLUSHDB ASYNC");
    client->Run("CLIENT KILL ID 99999");
    client->Run("FLUSHALL NONSENSE");
  });
  EXPECT_THAT(log, HasSubstr("FLUSHALL by client "));
  EXPECT_THAT(log, HasSubstr("FLUSHDB by client "));
  EXPECT_THAT(log, HasSubstr("CLIENT KILL by client "));
  EXPECT_EQ(log.find("FLUSHALL"), log.rfind("FLUSHALL"));
  EXPECT_THAT(log, ::testing::Not(HasSubstr("SET")));
}

TEST_F(ConnectionCommandsTest, HelloAnswersInTheProtocolThatItChooses) {
  auto client = harness_.Connect();
  EXPECT_EQ(client->Run("HELLO 3"),
            "%7 $6 server $5 redis $7 version $5 7.4.0 $5 proto :3 $2 id :1 $4 mode "
            "$10 standalone $4 role $6 master $7 modules *0");
  EXPECT_THAT(client->Run("HELLO 2 SETNAME bob"), StartsWith("*14 $6 server"));
  EXPECT_EQ(client->Run("CLIENT GETNAME"), "$3 bob");
  EXPECT_THAT(client->Run("HELLO"), HasSubstr("proto :2"));
}

TEST_F(ConnectionCommandsTest, HelloThatFailsChangesNothing) {
  auto client = harness_.Connect();
  EXPECT_EQ(client->Run("HELLO x"), "-ERR Protocol version is not an integer or out of range");
  EXPECT_EQ(client->Run("HELLO 4"), "-NOPROTO unsupported protocol version");
  EXPECT_EQ(client->Run("HELLO 3 SETNAME bob FOO"), "-ERR Syntax error in HELLO option 'FOO'");
  EXPECT_EQ(client->Run("HELLO 3 AUTH default"), "-ERR Syntax error in HELLO option 'AUTH'");
  EXPECT_EQ(client->Ask({"HELLO", "3", "SETNAME", "a b"}),
            "-ERR Client names cannot contain spaces, newlines or special characters.\r\n");
  EXPECT_EQ(client->Ask({"HELLO", "3", "SETNAME", std::string(64 * 1024 + 1, 'n')}),
            "-ERR the client name has 65537 bytes, the limit is 65536\r\n");
  EXPECT_EQ(client->Run("HELLO 3 AUTH bob x SETNAME bob"), kWrongPassword);
  EXPECT_EQ(client->session().reply.protocol(), 2);
  EXPECT_EQ(client->Run("CLIENT GETNAME"), "$-1");
}

TEST_F(ConnectionCommandsTest, APasswordIsNeededForAllButTheHandshake) {
  harness_.settings.requirepass = "secret";
  auto client = harness_.Connect();
  EXPECT_EQ(client->Run("PING"), "-NOAUTH Authentication required.");
  EXPECT_THAT(client->Run("HELLO 3"),
              StartsWith("-NOAUTH HELLO must be called with the client already authenticated"));
  for (const char* wrong : {"AUTH secre", "AUTH secreT", "AUTH secret1", "AUTH bob secret",
                            "HELLO 3 AUTH default wrong"}) {
    EXPECT_EQ(client->Run(wrong), kWrongPassword) << wrong;
  }
  EXPECT_EQ(client->Run("AUTH a b c"), "-ERR syntax error");
  EXPECT_EQ(client->Run("PING"), "-NOAUTH Authentication required.");
  EXPECT_EQ(client->Run("AUTH secret"), "+OK");
  EXPECT_EQ(client->Run("PING"), "+PONG");

  auto other = harness_.Connect();
  EXPECT_THAT(other->Run("HELLO 3 AUTH default secret"), StartsWith("%7"));
  EXPECT_EQ(other->Run("PING"), "+PONG");
}

TEST_F(ConnectionCommandsTest, WithoutAPasswordTheDefaultUserTakesAny) {
  auto client = harness_.Connect();
  EXPECT_EQ(client->Run("AUTH default x"), "+OK");
  EXPECT_EQ(client->Run("AUTH bob x"), kWrongPassword);
  EXPECT_THAT(client->Run("AUTH x"),
              StartsWith("-ERR AUTH <password> called without any password configured"));
}

TEST_F(ConnectionCommandsTest, SecretsAreNotShown) {
  auto watcher = harness_.Connect(), client = harness_.Connect();
  watcher->Run("MONITOR");
  client->Run("AUTH default secret");
  EXPECT_THAT(watcher->Lines(), HasSubstr("\"AUTH\" \"(redacted)\" \"(redacted)\""));
  EXPECT_THAT(harness_.broker.slowlog().entries().front().args,
              ElementsAre("AUTH", "(redacted)", "(redacted)"));
  client->Run("HELLO 3 AUTH default secret SETNAME bob");
  EXPECT_THAT(harness_.broker.slowlog().entries().front().args,
              ElementsAre("HELLO", "3", "AUTH", "(redacted)", "(redacted)", "SETNAME", "bob"));
}

TEST_F(ConnectionCommandsTest, QuitAnswersAndNothingBehindItIsExecuted) {
  auto client = harness_.Connect(), other = harness_.Connect();
  client->Request({"MULTI"});
  client->Request({"QUIT"});
  client->Request({"SET", "k", "v"});
  EXPECT_EQ(client->Lines(), "+OK +OK");
  EXPECT_FALSE(client->open());
  EXPECT_EQ(other->Run("EXISTS k"), ":0");
}

TEST_F(ConnectionCommandsTest, ResetMakesTheConnectionNew) {
  auto client = harness_.Connect();
  client->Run("HELLO 3 SETNAME bob");
  client->Run("CLIENT SETINFO LIB-NAME lib");
  client->Run("SELECT 3");
  client->Run("SUBSCRIBE c");
  client->Run("WATCH k");
  client->Run("MULTI");
  EXPECT_EQ(client->Run("RESET"), "+RESET");
  const Session& session = client->session();
  EXPECT_EQ(session.reply.protocol(), 2);
  EXPECT_EQ(session.db, 0u);
  EXPECT_EQ(session.info.name, "");
  EXPECT_EQ(session.info.lib_name, "lib");  // the library is still the same
  EXPECT_EQ(session.subscriptions(), 0u);
  EXPECT_TRUE(session.watched.empty());
  EXPECT_EQ(client->Run("EXEC"), "-ERR EXEC without MULTI");
}

}  // namespace
}  // namespace runnel
