// A leader and a follower of ours beside a master and a replica of Redis: what operators and client
// libraries ask both pairs about replication, and what they hear.

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <memory>
#include <set>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tests/support/eventually.h"
#include "tests/support/quote.h"
#include "tests/support/resp_client.h"
#include "tests/support/server_process.h"

namespace runnel::compat {
namespace {

using test::Argv;
using test::RespClient;
using test::ServerProcess;
using ::testing::StartsWith;

using Fields = std::vector<std::pair<std::string, std::string>>;

// Two servers of one kind, the second of which follows the first.
class Pair {
 public:
  Pair(const std::string& binary, const Argv& args) : binary_(binary), args_(args) {
    leader_ = Start(binary, args);
    follower_ = Start(binary, args);
    on_leader_ = leader_->Connect();
    on_follower_ = follower_->Connect();
    OnFollower(fmt::format("REPLICAOF 127.0.0.1 {}", leader_->port()));
  }

  // A third one, which follows the follower.
  void AddLast() {
    last_ = Start(binary_, args_);
    on_last_ = last_->Connect();
    OnLast("REPLICAOF 127.0.0.1 {follower}");
    EXPECT_TRUE(test::Eventually([&] {
      return ValueOf(InfoOfLast(), "master_link_status") == "up" &&
             ValueOf(InfoOfFollower(), "slave0").find("state=online") != std::string::npos;
    }));
  }
  std::string OnLast(std::string_view line) { return Ask(*on_last_, line); }
  Fields InfoOfLast() { return Info(*on_last_); }

  std::string OnLeader(std::string_view line) { return Ask(*on_leader_, line); }
  std::string OnFollower(std::string_view line) { return Ask(*on_follower_, line); }
  std::unique_ptr<RespClient> ConnectToFollower() { return follower_->Connect(); }
  std::string Ask(RespClient& client, std::string_view line) const {
    return WithoutPorts(ToText(client.Call(test::SplitWords(WithPorts(line)).value())));
  }

  Fields InfoOfLeader() { return Info(*on_leader_); }
  Fields InfoOfFollower() { return Info(*on_follower_); }
  bool LinkIs(std::string_view status) {
    return test::Eventually(
        [&] { return ValueOf(InfoOfFollower(), "master_link_status") == status; });
  }
  // The follower is there, and is heard by its leader.
  bool Stands() {
    return LinkIs("up") && test::Eventually([&] {
             return ValueOf(InfoOfLeader(), "slave0").find("state=online") != std::string::npos;
           });
  }
  void KillLeader() { leader_->Kill(); }
  void SignalFollower(int number) { follower_->Signal(number); }
  bool HasFollowers(std::string_view count) {
    return test::Eventually([&] { return ValueOf(InfoOfLeader(), "connected_slaves") == count; });
  }

  static std::string ValueOf(const Fields& fields, std::string_view name) {
    for (const auto& [known, value] : fields) {
      if (known == name) return value;
    }
    return "(none)";
  }

 private:
  static std::unique_ptr<ServerProcess> Start(const std::string& binary, const Argv& args) {
    std::string error;
    auto server = ServerProcess::Start({binary, args, "", 0, {}}, &error);
    if (server == nullptr) throw std::runtime_error(error);
    return server;
  }
  std::vector<std::pair<ServerProcess*, const char*>> Named() const {
    std::vector<std::pair<ServerProcess*, const char*>> named = {{leader_.get(), "{leader}"},
                                                                 {follower_.get(), "{follower}"}};
    if (last_ != nullptr) named.emplace_back(last_.get(), "{last}");
    return named;
  }
  std::string WithoutPorts(std::string text) const {
    for (const auto& [server, name] : Named()) {
      const std::string port = fmt::to_string(server->port());
      for (size_t at; (at = text.find(port)) != std::string::npos;) {
        text.replace(at, port.size(), name);
      }
    }
    return text;
  }
  std::string WithPorts(std::string_view line) const {
    std::string text(line);
    for (const auto& [server, name] : Named()) {
      const size_t at = text.find(name);
      if (at != std::string::npos) {
        text.replace(at, std::string_view(name).size(), fmt::to_string(server->port()));
      }
    }
    return text;
  }
  Fields Info(RespClient& client) const {
    const std::string text = WithoutPorts(client.Call({"INFO", "replication"}).text);
    Fields fields;
    for (size_t at = 0; at < text.size();) {
      const size_t end = std::min(text.find("\r\n", at), text.size());
      const std::string line = text.substr(at, end - at);
      const size_t colon = line.find(':');
      if (colon != std::string::npos) {
        fields.emplace_back(line.substr(0, colon), line.substr(colon + 1));
      }
      at = end + 2;
    }
    return fields;
  }

  const std::string binary_;
  const Argv args_;
  std::unique_ptr<ServerProcess> leader_;
  std::unique_ptr<ServerProcess> follower_;
  std::unique_ptr<ServerProcess> last_;
  std::unique_ptr<RespClient> on_leader_;
  std::unique_ptr<RespClient> on_follower_;
  std::unique_ptr<RespClient> on_last_;
};

class CompatReplication : public ::testing::Test {
 protected:
  CompatReplication() {
    EXPECT_TRUE(ours_.Stands());
    EXPECT_TRUE(theirs_.Stands());
  }
  void ExpectEqualOnLeader(std::string_view line) {
    EXPECT_EQ(ours_.OnLeader(line), theirs_.OnLeader(line)) << line;
  }
  void ExpectEqualOnFollower(std::string_view line) {
    EXPECT_EQ(ours_.OnFollower(line), theirs_.OnFollower(line)) << line;
  }

  Pair ours_{test::RunnelServerPath(), {}};
  Pair theirs_{test::RedisServerPath(),
               {"--appendonly", "yes", "--save", "", "--repl-diskless-sync-delay", "0"}};
};

std::string WithoutDigits(std::string text) {
  std::string masked;
  for (const char c : text) {
    const bool digit = c >= '0' && c <= '9';
    if (!digit) masked += c;
    if (digit && (masked.empty() || masked.back() != '#')) masked += '#';
  }
  return masked;
}

// The names of the fields of the first line of CLIENT LIST, and the values of some.
Fields ClientLine(const std::string& reply) {
  Fields fields;
  // A bulk in quotes, with the end of line as an escape.
  const std::string line = reply.substr(1, reply.find("\\n") - 1);
  for (size_t at = 0; at < line.size();) {
    const size_t end = std::min(line.find(' ', at), line.size());
    const std::string word = line.substr(at, end - at);
    const size_t equals = std::min(word.find('='), word.size() - 1);
    fields.emplace_back(word.substr(0, equals), word.substr(equals + 1));
    at = end + 1;
  }
  return fields;
}

// Ours has Redis's fields in Redis's order, and its own behind them.
void ExpectTheirFields(const Fields& ours, const Fields& theirs) {
  const std::vector<std::string> own = {"node_id",
                                        "journal_id",
                                        "replication_epoch",
                                        "in_sync_replicas",
                                        "min_insync_replicas",
                                        "high_watermark",
                                        "acks_waiting_clients",
                                        "replication_applied_position",
                                        "replication_dropped_bytes",
                                        "replication_dropped_messages",
                                        "replication_tail_trusted",
                                        "replication_error",
                                        "replica_hold_bytes"};
  std::vector<std::string> expected;
  for (const auto& [name, value] : theirs) {
    expected.push_back(name);
  }
  expected.insert(expected.end(), own.begin(), own.end());
  std::vector<std::string> found;
  for (const auto& [name, value] : ours) {
    found.push_back(name);
  }
  EXPECT_EQ(found, expected);
  // Those whose values do not hang on positions and times.
  for (const char* name :
       {"role", "connected_slaves", "min_slaves_good_slaves", "master_failover_state",
        "master_host", "master_port", "master_link_status", "master_sync_in_progress",
        "slave_priority", "slave_read_only", "replica_announced", "repl_backlog_active"}) {
    EXPECT_EQ(Pair::ValueOf(ours, name), Pair::ValueOf(theirs, name)) << name;
  }
  EXPECT_EQ(Pair::ValueOf(ours, "master_replid").size(), 40u);
  EXPECT_EQ(Pair::ValueOf(ours, "master_replid2").size(), 40u);
}

TEST_F(CompatReplication, InfoHasTheFieldsOfBothRoles) {
  // Its priority is 0 until it is in the set.
  EXPECT_TRUE(test::Eventually(
      [&] { return Pair::ValueOf(ours_.InfoOfFollower(), "slave_priority") == "100"; }));
  ExpectTheirFields(ours_.InfoOfLeader(), theirs_.InfoOfLeader());
  ExpectTheirFields(ours_.InfoOfFollower(), theirs_.InfoOfFollower());
  EXPECT_THAT(WithoutDigits(Pair::ValueOf(ours_.InfoOfLeader(), "slave0")),
              StartsWith(WithoutDigits(Pair::ValueOf(theirs_.InfoOfLeader(), "slave0")) +
                         ",in_sync=#,synced=#,applied=#"));
  for (Pair* const pair : {&ours_, &theirs_}) {
    EXPECT_EQ(Pair::ValueOf(pair->InfoOfLeader(), "master_replid"),
              Pair::ValueOf(pair->InfoOfFollower(), "master_replid"));
  }
  ExpectEqualOnLeader("CONFIG SET min-replicas-to-write 1");
  ExpectTheirFields(ours_.InfoOfLeader(), theirs_.InfoOfLeader());
  ExpectEqualOnLeader("CONFIG SET min-slaves-max-lag 0");
  ExpectTheirFields(ours_.InfoOfLeader(), theirs_.InfoOfLeader());
  ExpectEqualOnFollower("CONFIG SET slave-priority 7");
  ExpectEqualOnFollower("CONFIG SET replica-announced no");
  ExpectTheirFields(ours_.InfoOfFollower(), theirs_.InfoOfFollower());
  ours_.KillLeader();
  theirs_.KillLeader();
  EXPECT_TRUE(ours_.LinkIs("down"));
  EXPECT_TRUE(theirs_.LinkIs("down"));
  ExpectTheirFields(ours_.InfoOfFollower(), theirs_.InfoOfFollower());
}

TEST_F(CompatReplication, RoleIsThatOfBothRoles) {
  EXPECT_EQ(WithoutDigits(ours_.OnLeader("ROLE")), WithoutDigits(theirs_.OnLeader("ROLE")));
  EXPECT_EQ(WithoutDigits(ours_.OnFollower("ROLE")), WithoutDigits(theirs_.OnFollower("ROLE")));
  EXPECT_EQ(WithoutDigits(ours_.OnFollower("HELLO")).find("replica"),
            WithoutDigits(theirs_.OnFollower("HELLO")).find("replica"));
  ours_.KillLeader();
  theirs_.KillLeader();
  EXPECT_TRUE(ours_.LinkIs("down"));
  EXPECT_TRUE(theirs_.LinkIs("down"));
  // Each may be about to connect just now.
  EXPECT_TRUE(test::Eventually([&] {
    return WithoutDigits(ours_.OnFollower("ROLE")) == WithoutDigits(theirs_.OnFollower("ROLE"));
  }));
}

TEST_F(CompatReplication, WaitCountsFollowers) {
  for (const char* line : {"WAIT 0 0", "SET k v", "WAIT 1 0", "WAIT 2 5", "WAIT -1 0", "WAIT x 0",
                           "WAIT 1 x", "WAIT 1 -1", "WAIT 1", "WAIT"}) {
    ExpectEqualOnLeader(line);
  }
  for (const char* line : {"WAIT 0 0", "WAIT x y", "WAIT"}) {
    ExpectEqualOnFollower(line);
  }
}

TEST_F(CompatReplication, WaitInATransactionIsAboutWhatWasBefore) {
  ExpectEqualOnLeader("SET k v");
  // Redis counts what anybody has changed, and what it asks its replicas itself: they have all
  // then.
  for (Pair* const pair : {&ours_, &theirs_}) {
    EXPECT_TRUE(test::Eventually([&] {
      const Fields fields = pair->InfoOfLeader();
      const std::string end = Pair::ValueOf(fields, "master_repl_offset");
      return Pair::ValueOf(fields, "slave0").find(",offset=" + end + ",") != std::string::npos;
    }));
  }
  for (const char* line :
       {"MULTI", "WAIT 1 0", "SET k w", "WAIT 1 0", "SET k x", "WAIT 1 0", "EXEC", "WAIT 1 0"}) {
    ExpectEqualOnLeader(line);
  }
}

TEST_F(CompatReplication, FailoverIsRefusedInTheSameWords) {
  for (const char* line : {
           "FAILOVER X",
           "FAILOVER ABORT",
           "FAILOVER ABORT FORCE",
           "FAILOVER TIMEOUT",
           "FAILOVER TIMEOUT x",
           "FAILOVER TIMEOUT 0",
           "FAILOVER TIMEOUT -1",
           "FAILOVER TIMEOUT 1 TIMEOUT 1",
           "FAILOVER TO 127.0.0.1",
           "FAILOVER TO 127.0.0.1 x",
           "FAILOVER TO 127.0.0.1 {leader}",
           "FAILOVER TO 127.0.0.1 1 TO 127.0.0.1 1",
           "FAILOVER TO nobody {follower}",
           "FAILOVER FORCE",
           "FAILOVER FORCE FORCE",
           "FAILOVER FORCE TIMEOUT 10",
           "FAILOVER TO 127.0.0.1 {follower} FORCE",
       }) {
    ExpectEqualOnLeader(line);
    ExpectEqualOnFollower(line);
  }
  ExpectEqualOnFollower("FAILOVER");
  for (Pair* const pair : {&ours_, &theirs_}) {
    pair->SignalFollower(SIGSTOP);
  }
  for (const char* line : {
           "SET k v",
           "FAILOVER TIMEOUT 600000",
           "FAILOVER",
           "FAILOVER TIMEOUT x",
           "FAILOVER TO 127.0.0.1 1",
           "FAILOVER FORCE",
           "REPLICAOF NO ONE",
           "REPLICAOF 127.0.0.1 1",
           "CLIENT UNPAUSE",
           "GET k",
       }) {
    ExpectEqualOnLeader(line);
  }
  const auto state = [](Pair& pair) {
    return Pair::ValueOf(pair.InfoOfLeader(), "master_failover_state");
  };
  EXPECT_EQ(state(ours_), state(theirs_));
  for (const char* line : {"FAILOVER ABORT", "FAILOVER ABORT", "SET k w", "MULTI",
                           "FAILOVER TIMEOUT 600000", "EXEC", "FAILOVER ABORT"}) {
    ExpectEqualOnLeader(line);
  }
  EXPECT_EQ(state(ours_), state(theirs_));
  for (Pair* const pair : {&ours_, &theirs_}) {
    pair->SignalFollower(SIGCONT);
  }
  ExpectEqualOnFollower("REPLICAOF NO ONE");
  EXPECT_TRUE(ours_.HasFollowers("0"));
  EXPECT_TRUE(theirs_.HasFollowers("0"));
  for (const char* line : {"FAILOVER", "FAILOVER FORCE", "FAILOVER TO 127.0.0.1 {follower}"}) {
    ExpectEqualOnLeader(line);
  }
}

TEST_F(CompatReplication, FailoverExchangesTheRoles) {
  ExpectEqualOnLeader("SET k v");
  ExpectEqualOnLeader("FAILOVER TO 127.0.0.1 {follower} TIMEOUT 600000");
  for (Pair* const pair : {&ours_, &theirs_}) {
    EXPECT_TRUE(test::Eventually([&] {
      return Pair::ValueOf(pair->InfoOfLeader(), "master_link_status") == "up" &&
             Pair::ValueOf(pair->InfoOfFollower(), "slave0").find("state=online") !=
                 std::string::npos;
    }));
  }
  for (const char* line : {"SET k w", "GET k", "FAILOVER", "FAILOVER ABORT"}) {
    ExpectEqualOnLeader(line);
  }
  EXPECT_EQ(WithoutDigits(ours_.OnLeader("ROLE")), WithoutDigits(theirs_.OnLeader("ROLE")));
  EXPECT_EQ(WithoutDigits(ours_.OnFollower("ROLE")), WithoutDigits(theirs_.OnFollower("ROLE")));
  for (const char* line : {"SET k w", "WAIT 1 0", "GET k"}) {
    ExpectEqualOnFollower(line);
  }
}

TEST_F(CompatReplication, LinksAreClients) {
  const auto compare = [](const std::string& ours, const std::string& theirs) {
    const Fields our_line = ClientLine(ours);
    const Fields their_line = ClientLine(theirs);
    std::vector<std::string> names;
    // 7.2 has three fields more, and we have one more.
    const std::set<std::string> more = {"watch", "lib-name", "lib-ver", "acks"};
    for (const auto& [name, value] : our_line) {
      if (more.count(name) == 0) names.push_back(name);
    }
    std::vector<std::string> their_names;
    for (const auto& [name, value] : their_line) {
      their_names.push_back(name);
    }
    EXPECT_EQ(names, their_names);
    for (const char* name :
         {"name", "flags", "db", "sub", "psub", "ssub", "multi", "user", "redir", "resp"}) {
      EXPECT_EQ(Pair::ValueOf(our_line, name), Pair::ValueOf(their_line, name)) << name;
    }
  };
  for (const char* line : {"CLIENT LIST TYPE replica", "CLIENT LIST TYPE slave"}) {
    compare(ours_.OnLeader(line), theirs_.OnLeader(line));
    ExpectEqualOnFollower(line);
  }
  compare(ours_.OnFollower("CLIENT LIST TYPE master"),
          theirs_.OnFollower("CLIENT LIST TYPE master"));
  EXPECT_EQ(Pair::ValueOf(ClientLine(theirs_.OnFollower("CLIENT LIST TYPE master")), "addr"),
            "127.0.0.1:{leader}");
  EXPECT_EQ(Pair::ValueOf(ClientLine(ours_.OnFollower("CLIENT LIST TYPE master")), "addr"),
            "127.0.0.1:{leader}");
  for (const char* line :
       {"CLIENT LIST TYPE master", "CLIENT KILL TYPE master", "CLIENT KILL TYPE pubsub",
        "CLIENT KILL TYPE replica", "CLIENT KILL ID 123456789 TYPE replica"}) {
    ExpectEqualOnLeader(line);
  }
  EXPECT_TRUE(ours_.Stands());
  EXPECT_TRUE(theirs_.Stands());
  ExpectEqualOnFollower("CLIENT KILL TYPE slave");
  ExpectEqualOnFollower("CLIENT KILL TYPE master");
  EXPECT_TRUE(ours_.Stands());
  EXPECT_TRUE(theirs_.Stands());
}

TEST_F(CompatReplication, AChainLooksTheSame) {
  ours_.AddLast();
  theirs_.AddLast();
  ExpectEqualOnLeader("SET k v");
  for (Pair* const pair : {&ours_, &theirs_}) {
    EXPECT_TRUE(test::Eventually([&] { return pair->OnLast("GET k") == "\"v\""; }));
  }
  ExpectTheirFields(ours_.InfoOfFollower(), theirs_.InfoOfFollower());
  EXPECT_THAT(WithoutDigits(Pair::ValueOf(ours_.InfoOfFollower(), "slave0")),
              StartsWith(WithoutDigits(Pair::ValueOf(theirs_.InfoOfFollower(), "slave0"))));
  // Ours is not to be promoted.
  EXPECT_EQ(Pair::ValueOf(ours_.InfoOfLast(), "slave_priority"), "0");
  for (const char* name : {"role", "connected_slaves", "master_host", "master_port",
                           "master_link_status", "slave_read_only", "replica_announced"}) {
    EXPECT_EQ(Pair::ValueOf(ours_.InfoOfLast(), name), Pair::ValueOf(theirs_.InfoOfLast(), name))
        << name;
  }
  for (const char* line :
       {"ROLE", "CLIENT LIST TYPE pubsub", "WAIT 1 0", "FAILOVER", "SET k w", "GET k"}) {
    EXPECT_EQ(WithoutDigits(ours_.OnFollower(line)), WithoutDigits(theirs_.OnFollower(line)));
    EXPECT_EQ(WithoutDigits(ours_.OnLast(line)), WithoutDigits(theirs_.OnLast(line))) << line;
  }
  ExpectEqualOnFollower("REPLICAOF NO ONE");
  for (Pair* const pair : {&ours_, &theirs_}) {
    EXPECT_TRUE(test::Eventually([&] { return pair->OnFollower("SET k w") == "+OK"; }));
    EXPECT_TRUE(test::Eventually([&] { return pair->OnLast("GET k") == "\"w\""; }));
  }
  EXPECT_EQ(WithoutDigits(ours_.OnLast("ROLE")), WithoutDigits(theirs_.OnLast("ROLE")));
}

// Of ours, the leader tells of its events; of theirs, each server tells of its own.
TEST_F(CompatReplication, WhatIsPublishedOnTheLeaderIsHeardOnTheFollower) {
  ExpectEqualOnLeader("CONFIG SET notify-keyspace-events KEA");
  ExpectEqualOnFollower("CONFIG SET notify-keyspace-events KEA");
  std::string heard[2];
  size_t which = 0;
  for (Pair* const pair : {&ours_, &theirs_}) {
    const auto subscriber = pair->ConnectToFollower();
    for (const char* line :
         {"SUBSCRIBE a", "PSUBSCRIBE b*", "SSUBSCRIBE s", "PSUBSCRIBE __key*__:*"}) {
      heard[which] += pair->Ask(*subscriber, line) + "\n";
    }
    EXPECT_TRUE(test::Eventually([&] {
      pair->OnLeader("PUBLISH a probe");
      return subscriber->Ready();
    }));
    for (const char* line :
         {"PUBLISH a begin", "PUBLISH b1 x", "SPUBLISH s y", "SET k v", "MULTI", "RPUSH l 1 2",
          "PUBLISH a z", "LPOP l", "EXEC", "DEL k l", "PUBLISH a end"}) {
      heard[which] += pair->OnLeader(line) + "\n";
    }
    std::string message;
    do {
      message = ToText(subscriber->Read());
      if (message.find("probe") == std::string::npos) heard[which] += message + "\n";
    } while (message.find("\"end\"") == std::string::npos && message.find('<') != 0);
    heard[which] += pair->OnFollower("PUBLISH a here") + "\n";
    heard[which] += ToText(subscriber->Read()) + "\n";
    which++;
  }
  EXPECT_EQ(heard[0], heard[1]);
}

TEST_F(CompatReplication, ChangesAreRefusedWhileThereAreTooFewFollowers) {
  for (const char* line : {
           "SET k v",
           "CONFIG SET min-replicas-to-write 2",
           "CONFIG GET min-slaves-to-write",
           "SET k w",
           "GET k",
           "DEL k",
           "LPUSH k x",
           "PUBLISH c m",
           "PING",
           "MULTI",
           "GET k",
           "SET k w",
           "EXEC",
           "MULTI",
           "GET k",
           "EXEC",
           "CONFIG SET min-replicas-max-lag 0",
           "SET k w",
           "CONFIG SET min-replicas-max-lag 10",
           "CONFIG SET min-replicas-to-write 1",
           "SET k x",
           "CONFIG SET min-replicas-to-write -1",
       }) {
    ExpectEqualOnLeader(line);
  }
  // A follower has a reason of its own.
  for (const char* line : {"CONFIG SET min-replicas-to-write 2", "SET k v"}) {
    ExpectEqualOnFollower(line);
  }
}

TEST_F(CompatReplication, AFollowerWithoutLinkAnswersWhatTheDirectiveLetsIt) {
  ExpectEqualOnLeader("SET k v");
  ExpectEqualOnLeader("WAIT 1 0");
  const auto ours = ours_.ConnectToFollower();
  const auto theirs = theirs_.ConnectToFollower();
  const auto expect_equal = [&](std::string_view line) {
    EXPECT_EQ(ours_.Ask(*ours, line), theirs_.Ask(*theirs, line)) << line;
  };
  ExpectEqualOnFollower("CONFIG SET slave-serve-stale-data no");
  ExpectEqualOnFollower("GET k");
  expect_equal("MULTI");
  expect_equal("GET k");
  ours_.KillLeader();
  theirs_.KillLeader();
  EXPECT_TRUE(ours_.LinkIs("down"));
  EXPECT_TRUE(theirs_.LinkIs("down"));
  expect_equal("EXEC");
  for (const char* line : {
           "GET k",
           "PING",
           "ECHO x",
           "DBSIZE",
           "SELECT 1",
           "SELECT 0",
           "EXISTS k",
           "SET k w",
           "XREAD STREAMS s 0",
           "XLEN s",
           "LRANGE l 0 -1",
           "SCAN 0",
           "KEYS *",
           "PUBLISH c m",
           "OBJECT ENCODING k",
           "TTL k",
           "FLUSHALL",
           "MULTI",
           "GET k",
           "EXEC",
           "MULTI",
           "ROLE",
           "EXEC",
           "WATCH k",
           "UNWATCH",
           "WAIT 0 0",
           "CONFIG GET replica-serve-stale-data",
           "CLIENT GETNAME",
           "CLIENT SETNAME x",
           "CLIENT NO-EVICT on",
           "SLOWLOG LEN",
           "LATENCY RESET",
           "MEMORY USAGE k",
           "MEMORY DOCTOR",
           "AUTH x",
           "RESET",
           "SUBSCRIBE c",
           "UNSUBSCRIBE c",
           "CONFIG SET replica-serve-stale-data yes",
           "GET k",
           "PING",
       }) {
    ExpectEqualOnFollower(line);
  }
}

}  // namespace
}  // namespace runnel::compat
