#include "tests/support/proxy.h"

#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <string>

#include "tests/support/eventually.h"
#include "tests/support/server_process.h"

namespace runnel::test {
namespace {

using Direction = Proxy::Direction;
using std::chrono::milliseconds;

// A socket with short waits.
class Peer {
 public:
  explicit Peer(int fd) : fd_(fd) {}
  ~Peer() { close(fd_); }
  Peer(const Peer&) = delete;
  Peer& operator=(const Peer&) = delete;

  void Send(const std::string& bytes) {
    EXPECT_EQ(send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL),
              static_cast<ssize_t>(bytes.size()));
  }
  // So many bytes; fewer if the connection ends before.
  std::string Receive(size_t bytes) {
    std::string received;
    while (received.size() < bytes && Wait(kPatience)) {
      char buffer[65536];
      const size_t most = std::min(sizeof(buffer), bytes - received.size());
      const ssize_t got = recv(fd_, buffer, most, 0);
      if (got <= 0) break;
      received.append(buffer, static_cast<size_t>(got));
    }
    return received;
  }
  // The rest until the connection ends.
  std::string ReceiveAll() { return Receive(SIZE_MAX); }
  bool HasEnded() { return Wait(kPatience) && Receive(1).empty(); }
  bool Wait(Clock::duration patience) {
    pollfd wanted{fd_, POLLIN, 0};
    const auto ms = std::chrono::duration_cast<milliseconds>(patience).count();
    return poll(&wanted, 1, static_cast<int>(ms)) == 1;
  }
  int fd() const { return fd_; }

 private:
  const int fd_;
};

class ProxyTest : public testing::Test {
 protected:
  static constexpr const char* kAddress = "127.0.0.3";

  ProxyTest() : listener_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address = Address("127.0.0.2", 0);
    socklen_t size = sizeof(address);
    EXPECT_EQ(bind(listener_.fd(), reinterpret_cast<sockaddr*>(&address), size), 0);
    EXPECT_EQ(listen(listener_.fd(), 10), 0);
    getsockname(listener_.fd(), reinterpret_cast<sockaddr*>(&address), &size);
    proxy_ =
        std::make_unique<Proxy>(Proxy::Options{ntohs(address.sin_port), "127.0.0.2", kAddress});
  }
  static sockaddr_in Address(const char* address, int port) {
    sockaddr_in result{};
    result.sin_family = AF_INET;
    result.sin_port = htons(static_cast<uint16_t>(port));
    inet_pton(AF_INET, address, &result.sin_addr);
    return result;
  }
  std::unique_ptr<Peer> ConnectClient() {
    auto peer = std::make_unique<Peer>(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    const sockaddr_in address = Address(kAddress, proxy_->port());
    EXPECT_EQ(connect(peer->fd(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)), 0);
    return peer;
  }
  // Both ends of a new connection.
  void Connect() {
    client_ = ConnectClient();
    ASSERT_TRUE(listener_.Wait(kPatience));
    server_ = std::make_unique<Peer>(accept(listener_.fd(), nullptr, nullptr));
  }
  bool Passed(Direction direction, uint64_t bytes) {
    return Eventually([&] { return proxy_->passed(direction) == bytes; });
  }

  Peer listener_;
  std::unique_ptr<Proxy> proxy_;
  std::unique_ptr<Peer> client_;
  std::unique_ptr<Peer> server_;
};

TEST_F(ProxyTest, BytesAndEndsPassBothWays) {
  Connect();
  client_->Send("to the server");
  server_->Send("to the client");
  EXPECT_EQ(server_->Receive(13), "to the server");
  EXPECT_EQ(client_->Receive(13), "to the client");
  // One side may end before the other.
  shutdown(client_->fd(), SHUT_WR);
  EXPECT_TRUE(server_->HasEnded());
  server_->Send("later");
  EXPECT_EQ(client_->Receive(5), "later");
  server_.reset();
  EXPECT_TRUE(client_->HasEnded());
  EXPECT_TRUE(Eventually([&] { return proxy_->connections() == 0; }));
  EXPECT_EQ(proxy_->accepted(), 1u);
  EXPECT_EQ(proxy_->passed(Direction::kToServer), 13u);
  EXPECT_EQ(proxy_->passed(Direction::kToClient), 18u);
}

TEST_F(ProxyTest, MuchPassesWhileTheReaderIsSlow) {
  Connect();
  std::string much;
  for (int i = 0; i < 500'000; i++) {
    much += std::to_string(i) + ",";
  }
  std::thread sender([&] { client_->Send(much); });
  EXPECT_EQ(server_->Receive(much.size()), much);
  sender.join();
}

TEST_F(ProxyTest, DelayedBytesComeLater) {
  proxy_->Delay(Direction::kToServer, milliseconds(30));
  Connect();
  const auto before = Clock::now();
  client_->Send("a");
  EXPECT_EQ(server_->Receive(1), "a");
  // Not earlier: that holds on a slow machine, too.
  EXPECT_GE(Clock::now() - before, milliseconds(30));
}

TEST_F(ProxyTest, WhatIsHeldComesWhenItIsHealed) {
  Connect();
  proxy_->Hold(Direction::kToServer);
  client_->Send("held");
  // The other direction is whole; what comes back has passed after the proxy read that.
  server_->Send("x");
  EXPECT_EQ(client_->Receive(1), "x");
  EXPECT_FALSE(server_->Wait(milliseconds(0)));
  EXPECT_EQ(proxy_->passed(Direction::kToServer), 0u);
  // So is the end.
  shutdown(client_->fd(), SHUT_WR);
  proxy_->Heal();
  EXPECT_EQ(server_->ReceiveAll(), "held");
}

TEST_F(ProxyTest, WhatIsSwallowedNeverComes) {
  Connect();
  client_->Send("before");
  EXPECT_EQ(server_->Receive(6), "before");
  proxy_->Swallow(Direction::kToServer);
  client_->Send("swallowed");
  server_->Send("x");
  EXPECT_EQ(client_->Receive(1), "x");
  proxy_->Heal();
  // Nothing comes behind a gap.
  EXPECT_EQ(server_->ReceiveAll(), "");
  EXPECT_TRUE(client_->HasEnded());
  Connect();
  client_->Send("whole");
  EXPECT_EQ(server_->Receive(5), "whole");
}

// A connection from which nothing was swallowed goes on.
TEST_F(ProxyTest, WhoWasSilentMeanwhileGoesOn) {
  Connect();
  proxy_->Swallow(Direction::kToServer);
  proxy_->Heal();
  client_->Send("whole");
  EXPECT_EQ(server_->Receive(5), "whole");
}

TEST_F(ProxyTest, ACutEndsAllUntilItIsHealed) {
  Connect();
  proxy_->Cut();
  EXPECT_TRUE(client_->HasEnded());
  EXPECT_TRUE(server_->HasEnded());
  EXPECT_TRUE(ConnectClient()->HasEnded());
  EXPECT_FALSE(listener_.Wait(milliseconds(0)));
  proxy_->Heal();
  Connect();
  client_->Send("x");
  EXPECT_EQ(server_->Receive(1), "x");
}

TEST_F(ProxyTest, ACutAfterSoManyBytesIsExact) {
  Connect();
  for (const size_t bytes : {1, 7, 4096}) {
    const uint64_t before = proxy_->passed(Direction::kToClient);
    const uint64_t cuts = proxy_->cuts();
    proxy_->CutAfter(Direction::kToClient, bytes);
    client_->Send("the other way is not counted");
    EXPECT_EQ(server_->Receive(28).size(), 28u);
    server_->Send(std::string(5000, 'x'));
    EXPECT_EQ(client_->ReceiveAll(), std::string(bytes, 'x'));
    EXPECT_TRUE(Passed(Direction::kToClient, before + bytes));
    EXPECT_EQ(proxy_->cuts(), cuts + 1);
    // Once.
    Connect();
    server_->Send("whole");
    EXPECT_EQ(client_->Receive(5), "whole");
  }
}

TEST_F(ProxyTest, AServerThatIsNotThereEndsTheClient) {
  const int port = FreePort();
  Proxy proxy(Proxy::Options{port});
  const auto client = RespClient::Connect(proxy.address(), proxy.port());
  ASSERT_NE(client, nullptr);
  EXPECT_EQ(ToText(client->Read()), "<closed>");
}

}  // namespace
}  // namespace runnel::test
