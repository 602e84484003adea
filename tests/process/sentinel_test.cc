// Three servers under three redis-sentinels of the distribution, and a client that finds the leader
// through them. None of these knows that it is not Redis that they deal with.
#include <fmt/format.h>
#include <signal.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "tests/process/replica_set.h"

namespace runnel::test {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

// Appends numbers, each once, and prints those that were acknowledged.
constexpr const char* kWriter = R"(
import sys, threading, redis, redis.sentinel
pause = threading.Event()
sentinel = redis.sentinel.Sentinel([('127.0.0.1', int(port)) for port in sys.argv[1:]],
                                   socket_timeout=1)
leader = sentinel.master_for('runnel', socket_timeout=5)
number = 0
while True:
    number += 1
    try:
        leader.rpush('l', number)
        print(number, flush=True)
    except redis.RedisError as error:
        print('#', type(error).__name__, error, flush=True)
        pause.wait(0.02)  # so that a server that is not there is not asked without end
)";

class SentinelTest : public ReplicaSetTest {
 protected:
  struct Sentinel {
    int port = 0;
    std::unique_ptr<Program> program;
    std::unique_ptr<RespClient> client;
  };

  void StartServers() {
    // Small files, which are compared in the end.
    StartAll(2,
             {"--acks", "all", "--min-insync-replicas", "2", "--journal-segment-bytes", "65536"});
  }
  void StartSentinels() {
    for (int i = 0; i < 3; i++) {
      Sentinel& sentinel = sentinels_.emplace_back();
      sentinel.port = FreePort();
      const auto dir = dir_.path() / fmt::format("sentinel{}", i);
      std::filesystem::create_directories(dir);
      const std::string file = (dir / "sentinel.conf").string();
      std::ofstream(file) << fmt::format(
          "port {}\nbind 127.0.0.1\ndir {}\n"
          "sentinel monitor runnel 127.0.0.1 {} 2\n"
          "sentinel down-after-milliseconds runnel 1000\n"
          "sentinel failover-timeout runnel 6000\n"
          "sentinel parallel-syncs runnel 2\n",
          sentinel.port, dir.string(), server(0).port());
      Program::Options options;
      options.command = {RedisServerPath(), file, "--sentinel"};
      sentinel.program = std::make_unique<Program>(options);
      ASSERT_TRUE(Eventually([&] {
        sentinel.client = RespClient::Connect(sentinel.port);
        return sentinel.client != nullptr;
      })) << sentinel.program->Output();
    }
    for (Sentinel& sentinel : sentinels_) {
      EXPECT_TRUE(Eventually([&] {
        const Reply state = sentinel.client->Call({"SENTINEL", "MASTER", "runnel"});
        return FieldOf(state, "num-slaves").text == "2" &&
               FieldOf(state, "num-other-sentinels").text == "2";
      })) << sentinel.program->Output();
    }
  }
  // A connection of its own for each use: Sentinels end those that there are when they change a
  // role. REQUIRES: the server runs.
  RespClient& on(size_t i) {
    Reconnect(i);
    return ReplicaSetTest::on(i);
  }
  // The one that all sentinels name, if it leads; 3 if there is none.
  size_t Leader() {
    std::string port;
    for (Sentinel& sentinel : sentinels_) {
      const Reply address =
          sentinel.client->Call({"SENTINEL", "GET-MASTER-ADDR-BY-NAME", "runnel"});
      if (address.items.size() != 2 || (!port.empty() && address.items[1].text != port)) return 3;
      port = address.items[1].text;
    }
    for (size_t i = 0; i < 3; i++) {
      const bool named = port == fmt::to_string(server(i).port());
      if (named && Runs(i) && InfoField(on(i), "role") == "master") return i;
    }
    return 3;
  }
  // Waits until another one leads, and returns which.
  size_t NextLeader(size_t before) {
    size_t leader = 3;
    EXPECT_TRUE(EventuallyLong([&] {
      leader = Leader();
      return leader != 3 && leader != before;
    })) << Logs();
    return leader;
  }
  bool MayTakeOver(size_t i, size_t leader) {
    return InfoField(on(i), "slave_priority") == "100" && Follows(i, leader);
  }
  // Sentinels look at some things once in 10 s only.
  static bool EventuallyLong(const std::function<bool()>& holds) {
    return Eventually(holds, 3 * kPatience);
  }
  std::string Logs() {
    std::string logs;
    for (const Sentinel& sentinel : sentinels_) {
      logs += sentinel.program->Output() + "\n";
    }
    logs += ReplicaSetTest::Logs();
    return logs;
  }

  void StartWriter() {
    Program::Options options;
    options.command = {"/usr/bin/python3", "-c", kWriter};
    for (const Sentinel& sentinel : sentinels_) {
      options.command.push_back(fmt::to_string(sentinel.port));
    }
    writer_ = std::make_unique<Program>(options);
  }
  std::vector<std::string> Acknowledged() const {
    std::vector<std::string> numbers;
    std::istringstream lines(writer_->Output());
    for (std::string line; std::getline(lines, line);) {
      if (!line.starts_with('#')) numbers.push_back(line);
    }
    return numbers;
  }
  // The client goes on, whoever leads now.
  void ExpectMoreWrites() {
    const size_t before = Acknowledged().size();
    EXPECT_TRUE(Eventually([&] { return Acknowledged().size() >= before + 100; }))
        << writer_->Output().substr(writer_->Output().size() / 2) << writer_->Errors() << Logs();
  }

  TempDir dir_;
  std::vector<Sentinel> sentinels_;
  std::unique_ptr<Program> writer_;
};

TEST_F(SentinelTest, TheLeaderIsReplacedAndComesBackAndNothingIsLost) {
  StartServers();
  StartSentinels();
  ASSERT_FALSE(HasFailure());
  StartWriter();
  ExpectMoreWrites();
  ASSERT_EQ(Leader(), 0u) << Logs();

  // It dies.
  Kill(0);
  const size_t second = NextLeader(0);
  ASSERT_FALSE(HasFailure());
  ExpectMoreWrites();
  const size_t third = 3 - second;
  EXPECT_TRUE(EventuallyLong([&] { return MayTakeOver(third, second); })) << Logs();

  // It comes back, and takes itself for the leader.
  Restart(0);
  EXPECT_TRUE(EventuallyLong([&] { return MayTakeOver(0, second); })) << Logs();
  ExpectMoreWrites();
  ASSERT_FALSE(HasFailure());

  // Somebody wants another one to lead.
  EXPECT_TRUE(EventuallyLong([&] {
    return Ask(*sentinels_[0].client, "SENTINEL FAILOVER runnel") == "+OK";
  })) << Logs();
  const size_t leader = NextLeader(second);
  ASSERT_FALSE(HasFailure());
  EXPECT_THAT(server(leader).Log(), HasSubstr("This server takes over from its leader"));
  for (size_t i = 0; i < 3; i++) {
    if (i == leader) continue;
    EXPECT_TRUE(EventuallyLong([&] { return MayTakeOver(i, leader); })) << i << Logs();
  }
  ExpectMoreWrites();
  writer_->Signal(SIGTERM);
  writer_->WaitExit();

  const std::vector<std::string> acknowledged = Acknowledged();
  for (size_t i = 0; i < 3; i++) {
    if (i != leader) WaitUntilEqual(on(leader), on(i));
  }
  const Reply all = on(leader).Call({"LRANGE", "l", "0", "-1"});
  // What was not acknowledged may be there, too.
  size_t found = 0;
  for (const Reply& element : all.items) {
    if (found < acknowledged.size() && element.text == acknowledged[found]) found++;
  }
  EXPECT_EQ(found, acknowledged.size()) << "the first that is missing: " << acknowledged[found];
  const int64_t end = InfoNumber(on(leader), "master_repl_offset");
  for (size_t i = 0; i < 3; i++) {
    CompareJournals(server(leader), server(i), end);
  }
}

// One that does not know to be in the in-sync set is not chosen, though it is to be preferred.
TEST_F(SentinelTest, WhoIsNotInTheSetIsNotChosen) {
  StartServers();
  StartSentinels();
  server(1).Stop();
  std::filesystem::remove(std::filesystem::path(server(1).dir()) / "cluster");
  // The leader refuses it, for its number of databases.
  Argv more = Following(server(0).port());
  more.insert(more.end(), {"--databases", "8", "--replica-priority", "1"});
  Restart(1, more);
  EXPECT_EQ(InfoField(on(1), "slave_priority"), "0");
  EXPECT_THAT(Ask(on(1), "REPLICAOF NO ONE"), StartsWith("-\"NOTINSYNC "));
  for (Sentinel& sentinel : sentinels_) {
    EXPECT_TRUE(EventuallyLong([&] {
      const Reply replicas = sentinel.client->Call({"SENTINEL", "REPLICAS", "runnel"});
      return std::any_of(replicas.items.begin(), replicas.items.end(), [&](const Reply& replica) {
        return FieldOf(replica, "port").text == fmt::to_string(server(1).port()) &&
               FieldOf(replica, "slave-priority").text == "0";
      });
    })) << Logs();
  }
  Kill(0);
  EXPECT_EQ(NextLeader(0), 2u);
  EXPECT_EQ(InfoField(on(1), "role"), "slave");
}

}  // namespace
}  // namespace runnel::test
