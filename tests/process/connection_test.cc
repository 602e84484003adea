// One connection: how its bytes may be cut, what happens when either side ends it.
#include <fmt/format.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include "tests/process/server_test.h"

namespace runnel::test {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

class ConnectionTest : public ServerTest {
 protected:
  void SetUp() override { StartServer(); }
};

std::string ClientId(RespClient& client) {
  return ToText(client.Call({"CLIENT", "ID"}));
}

// The texts of the next `count` replies, one a line.
std::string ReadLines(RespClient& client, int count) {
  std::string lines;
  for (int i = 0; i < count; ++i)
    lines += ToText(client.Read()) + "\n";
  return lines;
}

TEST_F(ConnectionTest, RequestsMayBeCutAtAnyByte) {
  const std::string requests =
      EncodeCommand({"DEL", "list", "key"}) + EncodeCommand({"RPUSH", "list", "a", "", "c\r\nd"}) +
      "\r\nset key \"in \\x41 line\"\r\n" + "*0\r\n*-1\r\n" + EncodeCommand({"GET", "key"}) +
      "GET nothing\n" + EncodeCommand({"ECHO", std::string("\0*1\r\n$4\r\n", 9)}) +
      EncodeCommand({"LRANGE", "list", "0", "-1"});
  constexpr int kReplies = 7;
  const std::unique_ptr<RespClient> other = Client();
  const std::unique_ptr<RespClient> first = Client();
  first->SendRaw(requests);
  ReadLines(*first, 1);
  const std::string expected = ReadLines(*first, kReplies - 1);
  EXPECT_EQ(expected,
            "3\n+OK\n\"in A line\"\nnil\n\"\\x00*1\\r\\n$4\\r\\n\"\n"
            "[\"a\", \"\", \"c\\r\\nd\"]\n");
  for (size_t cut = 1; cut < requests.size(); ++cut) {
    SCOPED_TRACE(fmt::format("cut behind byte {}", cut));
    const std::unique_ptr<RespClient> client = Client();
    client->SendRaw(std::string_view(requests).substr(0, cut));
    WaitUntilRead(*other);
    client->SendRaw(std::string_view(requests).substr(cut));
    ReadLines(*client, 1);
    ASSERT_EQ(ReadLines(*client, kReplies - 1), expected);
  }
  const std::unique_ptr<RespClient> client = Client();
  for (const char& byte : requests) {
    client->SendRaw(std::string_view(&byte, 1));
    WaitUntilRead(*other);
  }
  ReadLines(*client, 1);
  EXPECT_EQ(ReadLines(*client, kReplies - 1), expected);
}

TEST_F(ConnectionTest, WhoEndsItsSideStillGetsAllReplies) {
  constexpr int kRequests = 10'000;
  std::string pipeline;
  for (int i = 0; i < kRequests; ++i) {
    // Some MB of replies, so that they wait for the client to read while the end has long come.
    pipeline += EncodeCommand({"ECHO", fmt::format("{}{}", i, std::string(1000, '.'))});
  }
  const std::unique_ptr<RespClient> client = Client();
  client->SendRaw(pipeline);
  client->CloseWriting();
  for (int i = 0; i < kRequests; ++i) {
    ASSERT_EQ(client->Read().text, fmt::format("{}{}", i, std::string(1000, '.')));
  }
  EXPECT_EQ(ToText(client->Read()), "<closed>");
}

TEST_F(ConnectionTest, AnUnfinishedRequestEndsWithItsConnection) {
  const std::unique_ptr<RespClient> client = Client();
  client->SendRaw("SET key value\r\n*3\r\n$3\r\nSET\r\n$3\r\nkey\r\n$5\r\nhal");
  client->CloseWriting();
  EXPECT_EQ(ToText(client->Read()), "+OK");
  EXPECT_EQ(ToText(client->Read()), "<closed>");
  EXPECT_EQ(Ask(*Client(), "GET key"), "\"value\"");
}

// What it waits for must go to a client that is still there.
TEST_F(ConnectionTest, WhoEndsItsSideWhileItWaitsIsGone) {
  const std::unique_ptr<RespClient> other = Client();
  const std::unique_ptr<RespClient> waiting = Client();
  waiting->SendRaw("SET key value\r\nBLPOP queue 0\r\n");
  EXPECT_EQ(ToText(waiting->Read()), "+OK");
  ASSERT_EQ(InfoField(*other, "blocked_clients"), "1");
  waiting->CloseWriting();
  EXPECT_EQ(ToText(waiting->Read()), "<closed>");
  EXPECT_EQ(InfoField(*other, "blocked_clients"), "0");
  EXPECT_EQ(Ask(*other, "RPUSH queue job"), "1");
  EXPECT_EQ(Ask(*other, "LLEN queue"), "1");

  const std::unique_ptr<RespClient> subscriber = Client();
  EXPECT_EQ(Ask(*subscriber, "SUBSCRIBE news"), "[\"subscribe\", \"news\", 1]");
  subscriber->CloseWriting();
  EXPECT_EQ(ToText(subscriber->Read()), "<closed>");
  EXPECT_EQ(Ask(*other, "PUBLISH news lost"), "0");
}

TEST_F(ConnectionTest, QuitIsAnsweredThenClosed) {
  const std::unique_ptr<RespClient> client = Client();
  client->SendRaw("SET key 1\r\nQUIT\r\nSET key 2\r\n");
  EXPECT_EQ(ReadLines(*client, 3), "+OK\n+OK\n<closed>\n");
  EXPECT_EQ(Ask(*Client(), "GET key"), "\"1\"");
}

TEST_F(ConnectionTest, AProtocolErrorIsAnsweredThenClosed) {
  // Longer than a line may be, however it arrives.
  const std::string endless(200 * 1024, '1');
  const std::pair<std::string, std::string> cases[] = {
      {"*x\r\n", "invalid multibulk length"},
      {"*99999999999\r\n", "invalid multibulk length"},
      {"*1\r\nPING\r\n", "expected '$', got 'P'"},
      {"*1\r\n$-5\r\n", "invalid bulk length"},
      {"*1\r\n$x\r\n", "invalid bulk length"},
      {"*1\r\n$536870913\r\n", "invalid bulk length"},
      {"SET key \"open\r\n", "unbalanced quotes in request"},
      {endless, "too big inline request"},
      {"*" + endless, "too big mbulk count string"},
      {"*1\r\n$" + endless, "too big bulk count string"},
  };
  for (const auto& [bytes, reason] : cases) {
    SCOPED_TRACE(reason);
    const std::unique_ptr<RespClient> client = Client();
    client->SendRaw("SET key before\r\n" + bytes + "\r\nSET key behind\r\n");
    EXPECT_EQ(ToText(client->Read()), "+OK");
    EXPECT_EQ(client->Read().text, "ERR Protocol error: " + reason);
    EXPECT_EQ(ToText(client->Read()), "<closed>");
    EXPECT_EQ(Ask(*Client(), "GET key"), "\"before\"");
  }
}

TEST_F(ConnectionTest, AWebPageCannotSpeakToIt) {
  const std::unique_ptr<RespClient> client = Client();
  client->SendRaw("POST / HTTP/1.1\r\nHost: localhost\r\n\r\nSET key attack\r\n");
  EXPECT_EQ(ToText(client->Read()), "<closed>");
  EXPECT_EQ(Ask(*Client(), "EXISTS key"), "0");
  EXPECT_TRUE(LogShows("Possible attack: client " + client->local_address()));
}

TEST_F(ConnectionTest, GuessingAPasswordEndsTheConnectionAndIsLogged) {
  const std::unique_ptr<RespClient> admin = Client();
  EXPECT_EQ(Ask(*admin, "CONFIG SET requirepass hidden-word"), "+OK");
  const std::unique_ptr<RespClient> guesser = Client();
  std::string pipeline;
  for (int i = 0; i < 1000; ++i)
    pipeline += "AUTH guessed-word\r\n";
  guesser->SendRaw(pipeline);
  for (int i = 0; i < 10; ++i) {
    EXPECT_THAT(ToText(guesser->Read()), StartsWith("-\"WRONGPASS "));
  }
  EXPECT_TRUE(guesser->Read().is_note());  // closed
  EXPECT_EQ(Ask(*Client(), "AUTH hidden-word"), "+OK");
  EXPECT_TRUE(LogShows("CONFIG SET of requirepass by client " + admin->local_address()));
  EXPECT_TRUE(LogShows("Wrong password from client " + guesser->local_address()));
  EXPECT_EQ(InfoField(*admin, "acl_access_denied_auth"), "10");
  EXPECT_EQ(Ask(*admin, "FLUSHALL"), "+OK");
  EXPECT_TRUE(LogShows("FLUSHALL by client " + admin->local_address()));
  const std::string log = server_->Log();
  EXPECT_EQ(log.find("Wrong password"), log.rfind("Wrong password"));
  EXPECT_EQ(log.find("-word"), std::string::npos);
}

TEST_F(ConnectionTest, AClientKillsOthersWhateverTheyDo) {
  const std::unique_ptr<RespClient> killer = Client();
  const std::pair<const char*, const char*> states[] = {
      {"PING", "+PONG"},          {"MULTI", "+OK"},
      {"MONITOR", "+OK"},         {"SUBSCRIBE news", "[\"subscribe\", \"news\", 1]"},
      {"BLPOP queue 0", nullptr},
  };
  for (const bool by_id : {true, false}) {
    for (const auto& [command, reply] : states) {
      SCOPED_TRACE(command);
      const std::unique_ptr<RespClient> victim = Client();
      const std::string id = ClientId(*victim);
      victim->SendRaw(std::string(command) + "\r\n");
      if (reply != nullptr) {
        EXPECT_EQ(ToText(victim->Read()), reply);
      }
      WaitUntilRead(*killer);
      if (by_id) {
        EXPECT_EQ(Ask(*killer, "CLIENT KILL ID " + id), "1");
      } else {
        EXPECT_EQ(Ask(*killer, "CLIENT KILL " + victim->local_address()), "+OK");
      }
      EXPECT_EQ(ToText(victim->ReadUntilClosed().back()), "<closed>");
    }
  }
  EXPECT_EQ(InfoField(*killer, "connected_clients"), "1");
  EXPECT_EQ(InfoField(*killer, "blocked_clients"), "0");
  EXPECT_EQ(Ask(*killer, "PUBLISH news nobody"), "0");
  EXPECT_EQ(Ask(*killer, "RPUSH queue kept"), "1");
  EXPECT_EQ(Ask(*killer, "LLEN queue"), "1");
  EXPECT_EQ(Ask(*killer, "CLIENT KILL TYPE normal SKIPME no"), "1");
  EXPECT_EQ(ToText(killer->Read()), "<closed>");
}

// However a connection ends, and whatever was going on, the server gets its memory back.
TEST_F(ConnectionTest, NothingIsLeftOfAConnectionThatBreaks) {
  const std::unique_ptr<RespClient> other = Client();
  const std::string value(1000 * 1000, 'v');
  EXPECT_EQ(ToText(other->Call({"SET", "key", value})), "+OK");
  std::string large_reply = "MULTI\r\n";
  for (int i = 0; i < 50; ++i)
    large_reply += "GET key\r\n";
  const std::string states[] = {
      large_reply + "EXEC\r\n",                        // 50 MB on their way
      "GET key\r\nGET key\r\nGET key\r\nGET key\r\n",  // some of it held back
      "*2\r\n$4\r\nECHO\r\n$2000000\r\n" + value,
      "MULTI\r\nSET a " + value.substr(0, 10'000) + "\r\n",
      "WATCH key\r\nBLPOP queue 0\r\nPING\r\n",
      "SUBSCRIBE news\r\nPSUBSCRIBE n*\r\n",
      "MONITOR\r\n",
  };
  // Once unmeasured: the tables of the server reach their size.
  for (const bool measured : {false, true}) {
    for (const std::string& state : states) {
      for (const bool killed : {true, false}) {
        SCOPED_TRACE(state.substr(0, 40) + (killed ? " killed" : " reset"));
        const int64_t memory_before = InfoNumber(*other, "used_memory");
        std::unique_ptr<RespClient> client = Client();
        client->SendRaw(state);
        WaitUntilRead(*other);
        if (killed) {
          EXPECT_EQ(Ask(*other, "CLIENT KILL ADDR " + client->local_address()), "1");
        } else {
          const linger reset{1, 0};
          setsockopt(client->fd(), SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
          client = nullptr;
        }
        EXPECT_TRUE(Eventually([&] {
          const int64_t more = InfoNumber(*other, "used_memory") - memory_before;
          // A chunk for output that was given back may stay, to be used next.
          return InfoNumber(*other, "connected_clients") == 1 && (!measured || more < 20'000);
        }));
      }
    }
  }
  EXPECT_EQ(InfoField(*other, "blocked_clients"), "0");
  EXPECT_EQ(InfoField(*other, "pubsub_clients"), "0");
  EXPECT_EQ(InfoField(*other, "watching_clients"), "0");
}

TEST_F(ConnectionTest, IdleClientsAreClosedUnlessTheyWait) {
  StartServer();
  const std::unique_ptr<RespClient> blocked = Client();
  const std::unique_ptr<RespClient> subscriber = Client();
  const std::unique_ptr<RespClient> monitor = Client();
  blocked->Send({"BLPOP", "queue", "0"});
  EXPECT_EQ(Ask(*subscriber, "SUBSCRIBE news"), "[\"subscribe\", \"news\", 1]");
  EXPECT_EQ(Ask(*monitor, "MONITOR"), "+OK");
  // It is the last that does anything, so any other client that could be closed is closed before
  // it. Nobody is idle as long as the others are on their way to where they wait.
  const std::unique_ptr<RespClient> idle = Client();
  WaitUntilRead(*idle);
  EXPECT_EQ(Ask(*idle, "CONFIG SET timeout 1"), "+OK");
  EXPECT_EQ(ToText(idle->Read()), "<closed>");
  const std::unique_ptr<RespClient> other = Client();
  EXPECT_EQ(Ask(*other, "CONFIG SET timeout 0"), "+OK");
  EXPECT_EQ(Ask(*other, "PUBLISH news still"), "1");
  EXPECT_EQ(Ask(*other, "RPUSH queue job"), "1");
  EXPECT_EQ(ToText(subscriber->Read()), "[\"message\", \"news\", \"still\"]");
  EXPECT_EQ(ToText(blocked->Read()), "[\"queue\", \"job\"]");
  EXPECT_THAT(monitor->Read().text, HasSubstr("\"PING\""));
}

TEST_F(ConnectionTest, ThousandsOfIdleConnectionsAreInNobodysWay) {
  constexpr rlim_t kConnections = 5000;
  constexpr rlim_t kOtherFiles = 100;
  rlimit files{};
  ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &files), 0);
  files.rlim_cur = files.rlim_max;
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &files), 0);
  if (files.rlim_cur < kConnections + kOtherFiles) {
    GTEST_SKIP() << "only " << files.rlim_cur << " files may be open here (ulimit -n)";
  }
  StartServer();
  const std::unique_ptr<RespClient> busy = Client();
  const int64_t memory_before = InfoNumber(*busy, "used_memory");
  std::vector<std::unique_ptr<RespClient>> idle;
  while (idle.size() < kConnections) {
    idle.push_back(Client());
    // Clients that connect faster than the server accepts are put off by the kernel for a second.
    if (idle.size() % 100 == 0) WaitUntilRead(*busy);
    EXPECT_EQ(Ask(*busy, "INCR n"), std::to_string(idle.size()));
  }
  EXPECT_EQ(InfoNumber(*busy, "connected_clients"), static_cast<int64_t>(kConnections) + 1);
  // They cost little: less than a buffer each.
  constexpr int64_t kBytesEach = 4096;
  EXPECT_LT(InfoNumber(*busy, "used_memory") - memory_before,
            static_cast<int64_t>(kConnections) * kBytesEach);
  for (const std::unique_ptr<RespClient>& client : idle)
    client->SendRaw("PING\r\n");
  for (const std::unique_ptr<RespClient>& client : idle)
    ASSERT_EQ(ToText(client->Read()), "+PONG");
  idle.clear();
  EXPECT_TRUE(Eventually([&] { return InfoNumber(*busy, "connected_clients") == 1; }));
}

}  // namespace
}  // namespace runnel::test
