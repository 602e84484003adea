// What clients see of a server that is still loading what was kept.
#include <fmt/format.h>
#include <signal.h>

#include <functional>

#include "tests/process/server_test.h"

namespace runnel::test {
namespace {

using testing::HasSubstr;

constexpr int kEntries = 1'000'000;
// A client that comes too late to see a start tries again: to miss all starts is no accident any
// more.
constexpr int kMostStarts = 50;

class LoadingTest : public ServerTest {
 protected:
  // Leaves a journal that takes a while to be read.
  void SetUp() override {
    const std::unique_ptr<Program> server = Start();
    const auto client = ConnectTo(*server, socket_);
    ASSERT_NE(client, nullptr) << server->Output();
    WaitUntilLoaded(*client);
    std::string requests;
    for (int i = 1; i <= kEntries; i++) {
      requests += EncodeCommand({"XADD", "stream", std::to_string(i), "f", "v"});
    }
    client->SendRaw(requests);
    for (int i = 1; i <= kEntries; i++) {
      ASSERT_EQ(client->Read().text, fmt::format("{}-0", i));
    }
    server->Signal(SIGKILL);
    server->WaitExit();
  }

  std::unique_ptr<Program> Start() const {
    return std::make_unique<Program>(ServerCommand({"--port", "0", "--unixsocket", socket_, "--dir",
                                                    dir_.string(), "--stream-memory", "1mb"}));
  }
  static void WaitUntilLoaded(RespClient& client) {
    EXPECT_TRUE(EventuallyWhileItMoves([&] { return InfoField(client, "loading_loaded_bytes"); },
                                       [&] { return Ask(client, "PING") == "+PONG"; }));
  }
  // Starts servers until the test says that it has met one while it was loading.
  void MeetLoading(const std::function<bool(Program&, RespClient&)>& test) {
    for (int i = 0; i < kMostStarts && !HasFailure(); i++) {
      const std::unique_ptr<Program> server = Start();
      const auto client = ConnectTo(*server, socket_);
      ASSERT_NE(client, nullptr) << server->Output();
      const bool met = test(*server, *client);
      if (server->Running()) {
        server->Signal(SIGKILL);
        server->WaitExit();
      }
      if (met) return;
    }
    if (!HasFailure()) FAIL() << "no server was met while it was loading";
  }

  TempDir dir_;
  const std::string socket_ = dir_.string() + "/socket";
};

TEST_F(LoadingTest, ClientsAreToldAndThenServed) {
  MeetLoading([](Program&, RespClient& client) {
    // In one piece, so that one turn of the loop answers all of it.
    client.SendRaw(EncodeCommand({"INFO", "persistence"}) + EncodeCommand({"XLEN", "stream"}) +
                   EncodeCommand({"PING"}) + EncodeCommand({"ECHO", "hello"}));
    const std::string info = client.Read().text;
    if (info.find("\r\nloading:1\r\n") == std::string::npos) return false;
    EXPECT_EQ(ToText(client.Read()), "-\"LOADING Redis is loading the dataset in memory\"");
    EXPECT_EQ(ToText(client.Read()), "-\"LOADING Redis is loading the dataset in memory\"");
    EXPECT_EQ(client.Read().text, "hello");
    for (const char* field :
         {"loading_start_time:", "loading_total_bytes:", "loading_loaded_bytes:",
          "loading_loaded_perc:", "loading_eta_seconds:", "aof_enabled:1"}) {
      EXPECT_THAT(info, HasSubstr(field));
    }
    WaitUntilLoaded(client);
    EXPECT_EQ(Ask(client, "XLEN stream"), std::to_string(kEntries));
    EXPECT_EQ(InfoField(client, "loading"), "0");
    EXPECT_EQ(InfoField(client, "loading_eta_seconds"), "");
    return true;
  });
}

TEST_F(LoadingTest, AnEndWhileItLoadsLeavesEverythingAsItWas) {
  const std::function<void(Program&, RespClient&)> ends[] = {
      [](Program& server, RespClient&) { server.Signal(SIGTERM); },
      [](Program&, RespClient& client) { client.Send({"SHUTDOWN"}); },
      [](Program& server, RespClient&) { server.Signal(SIGKILL); },
  };
  for (const auto& end : ends) {
    MeetLoading([&](Program& server, RespClient& client) {
      if (InfoField(client, "loading") != "1") return false;
      end(server, client);
      EXPECT_NE(server.WaitExit(), std::nullopt);
      return true;
    });
  }
  const std::unique_ptr<Program> server = Start();
  const auto client = ConnectTo(*server, socket_);
  ASSERT_NE(client, nullptr) << server->Output();
  WaitUntilLoaded(*client);
  EXPECT_EQ(Ask(*client, "XLEN stream"), std::to_string(kEntries));
}

}  // namespace
}  // namespace runnel::test
