// All of the server's threads at work at once: the loop, the journal's, the snapshot's, those that
// write and read cold entries, the log's, and the helpers. ThreadSanitizer watches it in `make
// tsan`; here the server must end well and say nothing unusual.
#include <fmt/format.h>
#include <signal.h>

#include <atomic>
#include <functional>
#include <thread>
#include <vector>

#include "tests/process/server_test.h"

namespace runnel::test {
namespace {

using testing::HasSubstr;
using testing::Not;

class MixedTest : public ServerTest {
 protected:
  // Runs each of these with a connection of its own until all have returned.
  void RunSideBySide(const std::vector<std::function<void(RespClient&)>>& clients) {
    std::vector<std::thread> threads;
    for (const auto& client : clients) {
      threads.emplace_back([this, &client] { client(*Client()); });
    }
    for (std::thread& thread : threads) {
      thread.join();
    }
  }
};

TEST_F(MixedTest, EverythingAtOnce) {
  StartServer({"--stream-memory", "1mb", "--journal-segment-bytes", "1mb", "--logfile", "log",
               "--loglevel", "verbose", "--appendfsync", "everysec"});
  constexpr int kRounds = 150;
  const std::string value(2000, 'v');
  const auto produce = [&](const std::string& key) {
    return [&value, key](RespClient& client) {
      for (int i = 0; i < kRounds; ++i) {
        for (int n = 0; n < 20; ++n) {
          client.Send({"XADD", "stream:" + key, "*", "field", value});
          client.Send({"RPUSH", "list:" + key, value});
        }
        client.Send({"XTRIM", "stream:" + key, "MAXLEN", "2000"});
        client.Send({"LTRIM", "list:" + key, "-2000", "-1"});
        for (int n = 0; n < 42; ++n) {
          ASSERT_FALSE(client.Read().is_error());
        }
      }
    };
  };
  // The oldest entries and the middle of the lists are on the disk.
  const auto consume = [&](const std::string& key) {
    return [key](RespClient& client) {
      client.Call({"XGROUP", "CREATE", "stream:" + key, "group", "0", "MKSTREAM"});
      for (int i = 0; i < kRounds; ++i) {
        const Reply read = client.Call(
            {"XREADGROUP", "GROUP", "group", "me", "COUNT", "50", "STREAMS", "stream:" + key, ">"});
        ASSERT_FALSE(read.is_error()) << read.text;
        ASSERT_FALSE(client.Call({"XRANGE", "stream:" + key, "-", "+", "COUNT", "20"}).is_error());
        ASSERT_FALSE(client.Call({"LRANGE", "list:" + key, "500", "520"}).is_error());
      }
    };
  };
  const auto administer = [&](RespClient& client) {
    for (int i = 0; i < 8; ++i) {
      client.Call({"BGSAVE"});
      for (const char* policy : {"always", "no", "everysec"}) {
        EXPECT_EQ(ToText(client.Call({"CONFIG", "SET", "appendfsync", policy})), "+OK");
        EXPECT_EQ(ToText(client.Call({"SET", "key", std::string(1 << 20, 'x')})), "+OK");
        EXPECT_FALSE(client.Call({"WAITAOF", "1", "0", "0"}).is_error());
      }
      EXPECT_FALSE(client.Call({"INFO", "everything"}).is_error());
      server_->Signal(SIGHUP);
      client.Call({"SELECT", "1"});
      for (int n = 0; n < 200; ++n)
        client.Call({"RPUSH", fmt::format("k{}", n), "a", "b"});
      EXPECT_EQ(ToText(client.Call({"FLUSHDB", "ASYNC"})), "+OK");
      client.Call({"SELECT", "0"});
      Eventually([&] { return InfoField(client, "rdb_bgsave_in_progress") == "0"; });
    }
  };
  RunSideBySide({produce("a"), produce("b"), consume("a"), consume("b"), administer});
  const auto client = Client();
  // How often the clients met entries on the disk depends on how fast they were.
  EXPECT_TRUE(Eventually([&] {
    EXPECT_FALSE(client->Call({"XRANGE", "stream:a", "-", "+", "COUNT", "20"}).is_error());
    return InfoNumber(*client, "cold_reads") > 0;
  }));
  EXPECT_TRUE(Eventually([&] { return InfoNumber(*client, "rdb_saves") > 0; }));
  EXPECT_EQ(Ask(*client, "EXISTS stream:a stream:b list:a list:b"), "4");
  EXPECT_EQ(ToText(server_->Stop()), "exit 0") << server_->Log();
  EXPECT_THAT(server_->Log(), Not(HasSubstr("ThreadSanitizer")));

  // What it has written is read back by a server with the same threads.
  ServerProcess::Options again;
  again.dir = server_->dir();
  again.args = {"--stream-memory", "1mb"};
  const std::unique_ptr<ServerProcess> before = std::move(server_);
  StartServer(again);
  EXPECT_EQ(Ask(*Client(), "EXISTS stream:a stream:b list:a list:b"), "4");
}

}  // namespace
}  // namespace runnel::test
