// What one client can take from the server: memory for its requests, for replies and messages that
// it does not read, for data; and what it may do before it has said the password.
#include <errno.h>
#include <fmt/format.h>
#include <sys/socket.h>

#include <algorithm>
#include <stdexcept>

#include "tests/process/server_test.h"

namespace runnel::test {
namespace {

constexpr int64_t kMegabyte = 1024 * 1024;

class LimitsTest : public ServerTest {
 protected:
  void SetUp() override { Restart(); }

  void Restart(const Argv& args = {}) {
    StartServer(args);
    admin_ = Client();
    memory_before_ = args.empty() ? InfoNumber(*admin_, "used_memory") : 0;
  }

  void Set(const std::string& name, const std::string& value) {
    ASSERT_EQ(ToText(admin_->Call({"CONFIG", "SET", name, value})), "+OK");
  }
  // Bytes that the server holds more than at its start.
  int64_t MoreMemory() { return InfoNumber(*admin_, "used_memory") - memory_before_; }
  std::unique_ptr<RespClient> admin_;
  int64_t memory_before_ = 0;
};

// Sends all of it without reading what comes back. False if the connection does not take it all.
bool SendOnly(const RespClient& client, std::string_view bytes) {
  return Eventually([&] {
    const ssize_t sent = send(client.fd(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent > 0) bytes.remove_prefix(static_cast<size_t>(sent));
    return bytes.empty();
  });
}

TEST_F(LimitsTest, WhoDoesNotReadIsNotReadFrom) {
  Set("client-output-memory", "0");
  constexpr int kRequests = 3000;
  const std::string value(100 * 1000, 'v');
  EXPECT_EQ(ToText(admin_->Call({"SET", "key", value})), "+OK");
  const std::unique_ptr<RespClient> client = Client();
  std::string pipeline;
  for (int i = 0; i < kRequests; ++i)
    pipeline += "GET key\r\n";
  ASSERT_TRUE(SendOnly(*client, pipeline));  // 300 MB of replies
  int64_t most = 0;
  for (int look = 0; look < 200; ++look)
    most = std::max(most, MoreMemory());
  EXPECT_LT(most, 8 * kMegabyte);
  for (int i = 0; i < kRequests; ++i)
    ASSERT_EQ(client->Read().text.size(), value.size());
  EXPECT_EQ(Ask(*client, "PING"), "+PONG");
}

// Some clients write a whole pipeline before they read: what they have not read is kept for them.
TEST_F(LimitsTest, APipelineMayBeWrittenBeforeAnythingIsRead) {
  constexpr int kAdds = 400'000;
  constexpr int kPings = 1'000'000;
  std::string adds;
  for (int i = 0; i < kAdds; ++i)
    adds += "XADD s 1-* f v\r\n";
  std::string pings;
  for (int i = 0; i < kPings; ++i)
    pings += "PING\r\n";
  const std::unique_ptr<RespClient> client = Client();
  ASSERT_TRUE(SendOnly(*client, adds));
  for (int i = 0; i < kAdds; ++i)
    ASSERT_EQ(client->Read().text, fmt::format("1-{}", i));
  ASSERT_TRUE(SendOnly(*client, pings));
  for (int i = 0; i < kPings; ++i)
    ASSERT_EQ(client->Read().text, "PONG");
  EXPECT_LT(MoreMemory(), 20 * kMegabyte);
}

TEST_F(LimitsTest, ASlowSubscriberTakesMemoryForItsBytesOnly) {
  Set("client-output-buffer-limit", "pubsub 0 0 0");
  const std::unique_ptr<RespClient> slow = Client();
  EXPECT_EQ(Ask(*slow, "SUBSCRIBE news"), "[\"subscribe\", \"news\", 1]");
  // The kernel's buffers are full after this.
  const std::string message(100 * 1000, 'm');
  for (int i = 0; i < 150; ++i)
    admin_->Call({"PUBLISH", "news", message});
  const int64_t before = MoreMemory();
  constexpr int kMessages = 20'000;
  for (int i = 0; i < kMessages; ++i)
    ASSERT_EQ(admin_->Call({"PUBLISH", "news", "abc"}).integer, 1);
  EXPECT_LT(MoreMemory() - before, 2 * kMegabyte);
}

TEST_F(LimitsTest, APipelineOfAnyLengthIsNoLargeRequest) {
  Set("client-query-buffer-limit", "1mb");
  constexpr int kRequests = 300'000;
  std::string pipeline;
  for (int i = 0; i < kRequests; ++i)
    pipeline += EncodeCommand({"INCR", "n"});
  const std::unique_ptr<RespClient> client = Client();
  client->SendRaw(pipeline);
  for (int i = 0; i < kRequests; ++i)
    ASSERT_EQ(client->Read().integer, i + 1);
}

TEST_F(LimitsTest, ARequestOverTheLimitEndsItsConnection) {
  Set("client-query-buffer-limit", "1mb");
  const std::unique_ptr<RespClient> client = Client();
  const std::string head = "*2\r\n$4\r\nECHO\r\n$100000000\r\n";
  client->SendRaw(head + std::string(2 * kMegabyte, 'x'));
  EXPECT_EQ(ToText(client->Read()), "<closed>");
  EXPECT_EQ(InfoField(*admin_, "client_query_buffer_limit_disconnections"), "1");
  EXPECT_TRUE(LogShows(fmt::format("Client {} ", client->local_address()))) << server_->Log();
  EXPECT_LT(MoreMemory(), kMegabyte);

  // One byte too many is too many, however the bytes arrive.
  const std::unique_ptr<RespClient> close = Client();
  close->SendRaw(EncodeCommand({"ECHO", std::string(kMegabyte, 'x')}));
  EXPECT_EQ(ToText(close->Read()), "<closed>");
  EXPECT_EQ(InfoField(*admin_, "client_query_buffer_limit_disconnections"), "2");
}

TEST_F(LimitsTest, WhoWaitsIsNotReadFromForLong) {
  const std::unique_ptr<RespClient> blocked = Client();
  blocked->SendRaw("BLPOP queue 0\r\n");
  std::string pipeline;
  while (pipeline.size() < 40 * kMegabyte) {
    pipeline += EncodeCommand({"ECHO", std::string(1000, 'x')});
  }
  // The kernel's buffers take a part of it.
  size_t sent = 0;
  EXPECT_TRUE(Eventually([&] {
    const std::string_view rest = std::string_view(pipeline).substr(sent);
    const ssize_t more = send(blocked->fd(), rest.data(), rest.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    if (more > 0) sent += static_cast<size_t>(more);
    return more < 0;
  }));
  EXPECT_LT(sent, pipeline.size());
  EXPECT_LT(MoreMemory(), 4 * kMegabyte);
  EXPECT_EQ(Ask(*admin_, "RPUSH queue x"), "1");
  EXPECT_EQ(ToText(blocked->Read()), "[\"queue\", \"x\"]");
  EXPECT_EQ(blocked->Read().text.size(), 1000u);
}

TEST_F(LimitsTest, APromiseOfManyBytesTakesNoMemory) {
  std::vector<std::unique_ptr<RespClient>> clients;
  for (int i = 0; i < 100; ++i) {
    clients.push_back(Client());
    clients.back()->SendRaw("*1000000\r\n$500000000\r\nfew bytes");
  }
  WaitUntilRead(*admin_);
  EXPECT_EQ(InfoNumber(*admin_, "connected_clients"), 101);
  EXPECT_LT(MoreMemory(), 8 * kMegabyte);
}

TEST_F(LimitsTest, ASlowSubscriberIsCutOffAndOthersAreNot) {
  Set("client-output-buffer-limit", "pubsub 1mb 0 0");
  const std::unique_ptr<RespClient> slow = Client();
  const std::unique_ptr<RespClient> good = Client();
  for (RespClient* client : {slow.get(), good.get()}) {
    EXPECT_EQ(Ask(*client, "SUBSCRIBE news"), "[\"subscribe\", \"news\", 1]");
  }
  const std::string message(50 * 1000, 'm');
  int64_t most = 0;
  int64_t receivers = 2;
  constexpr int kMostMessages = 2000;  // 100 MB, more than the kernel keeps for the slow one
  for (int i = 0; i < kMostMessages && receivers == 2; ++i) {
    receivers = admin_->Call({"PUBLISH", "news", message}).integer;
    ASSERT_EQ(good->Read().items.at(2).text, message);
    if (i % 10 == 0) most = std::max(most, MoreMemory());
  }
  EXPECT_EQ(receivers, 1);
  EXPECT_LT(most, 4 * kMegabyte);
  EXPECT_EQ(InfoField(*admin_, "client_output_buffer_limit_disconnections"), "1");
  EXPECT_TRUE(LogShows(fmt::format("Client {} ", slow->local_address()))) << server_->Log();
  EXPECT_TRUE(LogShows("of output unread, over the 1048576 of its hard limit")) << server_->Log();
  EXPECT_EQ(ToText(slow->ReadUntilClosed().back()), "<closed>");
  EXPECT_EQ(Ask(*admin_, "PUBLISH news last"), "1");
  EXPECT_EQ(ToText(good->Read()), "[\"message\", \"news\", \"last\"]");
}

TEST_F(LimitsTest, TheSoftLimitCountsSeconds) {
  Set("client-output-buffer-limit", "pubsub 0 100kb 1");
  const std::unique_ptr<RespClient> slow = Client();
  EXPECT_EQ(Ask(*slow, "SUBSCRIBE news"), "[\"subscribe\", \"news\", 1]");
  const std::string message(50 * 1000, 'm');
  constexpr int kMessages = 400;  // 20 MB
  for (int i = 0; i < kMessages; ++i)
    admin_->Call({"PUBLISH", "news", message});
  // Nothing more is sent: that the time is over is seen all the same.
  EXPECT_TRUE(Eventually([&] { return InfoField(*admin_, "pubsub_clients") == "0"; }));
  EXPECT_TRUE(LogShows("over the 102400 of its soft limit")) << server_->Log();
}

TEST_F(LimitsTest, AReplyOverTheLimitEndsItsConnection) {
  EXPECT_EQ(ToText(admin_->Call({"SET", "key", std::string(100 * 1000, 'v')})), "+OK");
  Set("client-output-buffer-limit", "normal 1mb 0 0");
  const std::unique_ptr<RespClient> client = Client();
  // Each reply is small enough, but inside one transaction nothing is held back.
  std::string transaction = "MULTI\r\n";
  for (int i = 0; i < 100; ++i)
    transaction += "GET key\r\n";
  client->SendRaw(transaction + "EXEC\r\n");
  EXPECT_EQ(ToText(client->ReadUntilClosed().back()), "<closed>");
  EXPECT_TRUE(LogShows(", normal) closed")) << server_->Log();
  EXPECT_EQ(InfoField(*admin_, "client_output_buffer_limit_disconnections"), "1");
}

TEST_F(LimitsTest, FullMemoryRefusesWhatAddsAndServesTheRest) {
  const std::string item(10 * 1000, 'i');
  constexpr const char* kRefusal = "-\"OOM command not allowed when used memory > 'maxmemory'.\"";
  EXPECT_EQ(Ask(*admin_, "XADD stream 1-1 f v"), "\"1-1\"");
  EXPECT_EQ(Ask(*admin_, "XGROUP CREATE stream group 0"), "+OK");
  Set("stream-memory", "0");  // else the list would go to the disk
  Set("maxmemory", std::to_string(InfoNumber(*admin_, "used_memory") + 4 * kMegabyte));
  std::string reply;
  int pushed = 0;
  constexpr int kMostItems = 1000;  // 10 MB
  while (pushed < kMostItems) {
    reply = ToText(admin_->Call({"RPUSH", "list", item}));
    if (reply.front() == '-') break;
    ++pushed;
  }
  EXPECT_EQ(reply, kRefusal);
  EXPECT_GT(pushed, 100);
  EXPECT_LT(pushed, kMostItems);
  for (const char* command : {"SET key value", "XADD stream * f v", "LPUSH list a", "INCR n"}) {
    EXPECT_EQ(Ask(*admin_, command), kRefusal);
  }
  EXPECT_EQ(Ask(*admin_, "MULTI"), "+OK");
  EXPECT_EQ(Ask(*admin_, "RPUSH list a"), kRefusal);
  EXPECT_EQ(Ask(*admin_, "EXEC"),
            "-\"EXECABORT Transaction discarded because of previous errors.\"");

  EXPECT_EQ(Ask(*admin_, "LLEN list"), std::to_string(pushed));
  EXPECT_EQ(admin_->Call({"LINDEX", "list", "0"}).text, item);
  EXPECT_EQ(Ask(*admin_, "XRANGE stream - +"), "[[\"1-1\", [\"f\", \"v\"]]]");
  EXPECT_EQ(Ask(*admin_, "PUBLISH news x"), "0");
  EXPECT_EQ(Ask(*admin_, "XACK stream group 1-1"), "0");
  EXPECT_EQ(Ask(*admin_, "DEL list"), "1");
  EXPECT_TRUE(Eventually([&] { return Ask(*admin_, "SET key value") == "+OK"; }));
}

TEST_F(LimitsTest, WithAPasswordOnlyAFewCommandsComeFirst) {
  Restart({"--requirepass", "secret"});
  const char* const kNoAuth = "-\"NOAUTH Authentication required.\"";
  for (const char* command : {"PING", "GET key", "INFO", "CLIENT LIST", "SHUTDOWN", "MULTI",
                              "SUBSCRIBE news", "CONFIG GET requirepass"}) {
    EXPECT_EQ(Ask(*admin_, command), kNoAuth) << command;
  }
  EXPECT_EQ(Ask(*admin_, "EXEC"),
            "-\"EXECABORT Transaction discarded because of: NOAUTH Authentication required.\"");
  EXPECT_EQ(Ask(*admin_, "HELLO 3"),
            "-\"NOAUTH HELLO must be called with the client already authenticated, otherwise the "
            "HELLO <proto> AUTH <user> <pass> option can be used to authenticate the client and "
            "select the RESP protocol version at the same time\"");
  EXPECT_EQ(Ask(*admin_, "AUTH wrong"),
            "-\"WRONGPASS invalid username-password pair or user is disabled.\"");
  EXPECT_EQ(Ask(*admin_, "GET key"), kNoAuth);
  EXPECT_EQ(Ask(*admin_, "AUTH secret"), "+OK");
  EXPECT_EQ(Ask(*admin_, "GET key"), "nil");
  const std::unique_ptr<RespClient> other = Client();
  EXPECT_EQ(other->Call({"HELLO", "3", "AUTH", "default", "secret"}).kind, Reply::Kind::kMap);
  EXPECT_EQ(Ask(*other, "GET key"), "null");
  // A new password is for clients that connect from now on.
  Set("requirepass", "other");
  EXPECT_EQ(Ask(*other, "GET key"), "null");
  EXPECT_EQ(Ask(*Client(), "AUTH secret"),
            "-\"WRONGPASS invalid username-password pair or user is disabled.\"");
}

TEST_F(LimitsTest, StrangersMaySendSmallRequestsOnly) {
  Restart({"--requirepass", "secret"});
  const std::string bulk(16 * 1024 + 1, 'x');
  const std::pair<Argv, std::string> cases[] = {
      {Argv(11, "ECHO"), "unauthenticated multibulk length"},
      {{"AUTH", bulk}, "unauthenticated bulk length"},
  };
  for (const auto& [command, reason] : cases) {
    const std::unique_ptr<RespClient> client = Client();
    EXPECT_EQ(client->Call(command).text, "ERR Protocol error: " + reason);
    EXPECT_EQ(ToText(client->Read()), "<closed>");
  }
  const std::unique_ptr<RespClient> client = Client();
  client->SendRaw(EncodeCommand({"AUTH", "secret"}) + EncodeCommand({"ECHO", bulk}) +
                  EncodeCommand(Argv(11, "DEL")));
  EXPECT_EQ(ToText(client->Read()), "+OK");
  EXPECT_EQ(client->Read().text, bulk);
  EXPECT_EQ(ToText(client->Read()), "0");
}

}  // namespace
}  // namespace runnel::test
