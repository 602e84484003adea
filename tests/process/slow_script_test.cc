// A script that runs for long: what others get meanwhile from the server's process, over sockets
// that the loop does not read now, and how it ends.
#include <sys/wait.h>

#include "tests/process/server_test.h"
#include "tests/support/temp_dir.h"

namespace runnel::test {
namespace {

using testing::StartsWith;

constexpr const char* kBusy =
    "BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE.";

class SlowScriptProcessTest : public ServerTest {
 protected:
  // With the journal in this directory.
  void Start(const std::string& dir) {
    ServerProcess::Options options;
    options.dir = dir;
    options.args = {"--busy-reply-threshold",
                    "20",
                    "--appendonly",
                    "yes",
                    "--appendfsync",
                    "everysec",
                    "--unixsocket",
                    "socket",
                    "--pidfile",
                    dir + "/pid"};
    StartServer(options);
  }
  // The script of this text runs, and the server says that it is busy.
  void RunSlowly(RespClient& client, RespClient& other, const std::string& script) {
    client.Send({"EVAL", script, "0"});
    EXPECT_TRUE(Eventually([&] { return other.Call({"PING"}).text == kBusy; }));
  }

  TempDir dir_;
};

TEST_F(SlowScriptProcessTest, OthersAreAnsweredAndMayEndIt) {
  Start(dir_.string());
  const auto runner = Client();
  const auto other = Client();
  const auto pipelining = Client();
  const auto waits = Client();
  waits->Send({"BLPOP", "list", "0"});
  WaitUntilRead(*other);
  RunSlowly(*runner, *other, "while true do end");

  // Who comes now is served like the others, by each kind of socket.
  const auto late = Client();
  EXPECT_EQ(late->Call({"GET", "a"}).text, kBusy);
  const auto local = RespClient::ConnectUnix(dir_.string() + "/socket");
  ASSERT_NE(local, nullptr);
  EXPECT_EQ(local->Call({"GET", "a"}).text, kBusy);
  // More than one read takes, and a request in two pieces.
  constexpr int kRequests = 20'000;
  std::string requests;
  for (int i = 0; i < kRequests; i++) {
    requests += EncodeCommand({"GET", "key"});
  }
  pipelining->SendRaw(requests.substr(0, requests.size() - 5));
  pipelining->SendRaw(requests.substr(requests.size() - 5));
  for (int i = 0; i < kRequests; i++) {
    ASSERT_EQ(pipelining->Read().text, kBusy) << i;
  }
  EXPECT_EQ(late->Call({"QUIT"}).text, "OK");
  EXPECT_EQ(late->Read().text, "closed");
  // Its connection goes, and nobody minds.
  waits->CloseWriting();

  EXPECT_EQ(local->Call({"SCRIPT", "KILL"}).text, "OK");
  EXPECT_THAT(runner->Read().text, StartsWith("ERR Script killed by user with SCRIPT KILL"));
  EXPECT_EQ(other->Call({"PING"}).text, "PONG");
  EXPECT_EQ(local->Call({"SCRIPT", "KILL"}).text, "NOTBUSY No scripts in execution right now.");
  EXPECT_EQ(runner->Call({"RPUSH", "list", "x"}).integer, 1);
  EXPECT_EQ(pipelining->Call({"LLEN", "list"}).integer, 1);
  EXPECT_TRUE(LogShows("A slow script: the script with the SHA-1"));
}

// A slow script that ends by itself has its reply, and requests that came meanwhile behind those
// of the same client go on.
TEST_F(SlowScriptProcessTest, WhatItsOwnClientSendsWaits) {
  Start(dir_.string());
  const auto runner = Client();
  const auto other = Client();
  runner->SendRaw(EncodeCommand({"EVAL",
                                 "local n = 0 while redis.call('time')[1] do n = n + 1 if n == "
                                 "tonumber(ARGV[1]) then return n end end",
                                 "0", "3000000"}) +
                  EncodeCommand({"SET", "k", "v"}));
  const bool was_busy = Eventually([&] { return other->Call({"GET", "k"}).text == kBusy; });
  runner->Send({"GET", "k"});
  EXPECT_TRUE(was_busy);
  EXPECT_EQ(runner->Read().integer, 3'000'000);
  EXPECT_EQ(runner->Read().text, "OK");
  EXPECT_EQ(runner->Read().text, "v");
}

// Its changes are one frame, which was never written; what was acknowledged before it is there.
TEST_F(SlowScriptProcessTest, ShutdownNosaveEndsTheServerInTheMiddle) {
  Start(dir_.string());
  const auto runner = Client();
  const auto other = Client();
  for (int i = 0; i < 100; i++) {
    EXPECT_EQ(other->Call({"RPUSH", "before", "x"}).integer, i + 1);
  }
  RunSlowly(*runner, *other,
            "redis.call('set', 'half', 'done') redis.call('del', 'before') while true do end");
  EXPECT_THAT(other->Call({"SCRIPT", "KILL"}).text, StartsWith("UNKILLABLE "));
  EXPECT_EQ(other->Call({"SHUTDOWN"}).text, kBusy);
  EXPECT_EQ(other->Call({"SHUTDOWN", "SAVE"}).text, kBusy);
  EXPECT_EQ(other->Call({"SHUTDOWN", "NOSAVE"}).text, "closed");
  EXPECT_EQ(runner->Read().text, "closed");
  const std::optional<int> status = server_->WaitExit();
  ASSERT_TRUE(status);
  EXPECT_TRUE(WIFEXITED(*status) && WEXITSTATUS(*status) == 0) << *status;

  Start(dir_.string());
  const auto after = Client();
  EXPECT_EQ(after->Call({"LLEN", "before"}).integer, 100);
  EXPECT_EQ(after->Call({"EXISTS", "half"}).integer, 0);
}

}  // namespace
}  // namespace runnel::test
