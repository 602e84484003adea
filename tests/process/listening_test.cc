// Access: addresses, the Unix socket, protected mode, the number of clients.
#include <arpa/inet.h>
#include <fmt/format.h>
#include <ifaddrs.h>
#include <netinet/in.h>
#include <sys/stat.h>

#include "tests/process/server_test.h"

namespace runnel::test {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

class ListeningTest : public ServerTest {};

// The value of a field of CLIENT INFO.
std::string ClientField(RespClient& client, const std::string& name) {
  const std::string info = " " + client.Call({"CLIENT", "INFO"}).text;
  const size_t found = info.find(" " + name + "=");
  if (found == std::string::npos) return "";
  const size_t value = found + name.size() + 2;
  return info.substr(value, info.find_first_of(" \n", value) - value);
}

TEST_F(ListeningTest, IPv4AndIPv6AndUnixSocketTogether) {
  StartServer({"--bind", "127.0.0.1", "-::1", "--unixsocket", "socket"});
  const std::string path = server_->dir() + "/socket";
  const std::unique_ptr<RespClient> v4 = Client();
  EXPECT_EQ(ClientField(*v4, "addr"), v4->local_address());
  EXPECT_EQ(ClientField(*v4, "laddr"), fmt::format("127.0.0.1:{}", server_->port()));
  EXPECT_EQ(Ask(*v4, "SET key value"), "+OK");
  const std::unique_ptr<RespClient> local = RespClient::ConnectUnix(path);
  ASSERT_NE(local, nullptr);
  EXPECT_EQ(Ask(*local, "GET key"), "\"value\"");
  EXPECT_EQ(ClientField(*local, "flags"), "U");
  EXPECT_EQ(ClientField(*local, "addr"), "socket:0");
  const std::unique_ptr<RespClient> v6 = RespClient::Connect("::1", server_->port());
  if (v6 == nullptr) GTEST_SKIP() << "no IPv6 here";
  EXPECT_EQ(Ask(*v6, "GET key"), "\"value\"");
  EXPECT_THAT(ClientField(*v6, "addr"), StartsWith("[::1]:"));
  EXPECT_EQ(InfoField(*v4, "connected_clients"), "3");
}

TEST_F(ListeningTest, TheUnixSocketHasTheModeAskedFor) {
  for (const unsigned mode : {0700u, 0777u, 0600u}) {
    StartServer({"--unixsocket", "socket", "--unixsocketperm", fmt::format("{:o}", mode)});
    struct stat status {};
    ASSERT_EQ(stat((server_->dir() + "/socket").c_str(), &status), 0);
    EXPECT_TRUE(S_ISSOCK(status.st_mode));
    EXPECT_EQ(status.st_mode & 0777, mode);
  }
}

// An IPv4 address of this machine that is not a loopback one; empty if there is none.
std::string OutsideAddress() {
  ifaddrs* all = nullptr;
  if (getifaddrs(&all) != 0) return "";
  std::string found;
  for (const ifaddrs* one = all; one != nullptr && found.empty(); one = one->ifa_next) {
    if (one->ifa_addr == nullptr || one->ifa_addr->sa_family != AF_INET) continue;
    const auto* address = reinterpret_cast<const sockaddr_in*>(one->ifa_addr);
    if (ntohl(address->sin_addr.s_addr) >> 24 == IN_LOOPBACKNET) continue;
    char text[INET_ADDRSTRLEN];
    found = inet_ntop(AF_INET, &address->sin_addr, text, sizeof(text));
  }
  freeifaddrs(all);
  return found;
}

TEST_F(ListeningTest, ProtectedModeRefusesOtherMachinesWhileThereIsNoPassword) {
  // The server listens on the loopback address only; the client comes from another one of this
  // machine, which looks to the server as if it came from elsewhere.
  const std::string outside = OutsideAddress();
  if (outside.empty()) GTEST_SKIP() << "this machine has only loopback addresses";
  StartServer();
  const auto come_from_outside = [&] {
    std::unique_ptr<RespClient> client = RespClient::Connect("127.0.0.1", server_->port(), outside);
    if (client == nullptr) throw std::runtime_error("no connection from " + outside);
    client->Send({"PING"});
    return client;
  };
  const std::unique_ptr<RespClient> local = Client();

  std::unique_ptr<RespClient> stranger = come_from_outside();
  const Reply refusal = stranger->Read();
  EXPECT_TRUE(refusal.is_error());
  EXPECT_THAT(refusal.text, StartsWith("DENIED Runnel is running in protected mode"));
  EXPECT_EQ(ToText(stranger->Read()), "<closed>");
  EXPECT_EQ(InfoField(*local, "rejected_connections"), "1");

  EXPECT_EQ(Ask(*local, "CONFIG SET protected-mode no"), "+OK");
  stranger = come_from_outside();
  EXPECT_EQ(ToText(stranger->Read()), "+PONG");
  EXPECT_THAT(ClientField(*stranger, "addr"), StartsWith(outside + ":"));

  EXPECT_EQ(Ask(*local, "CONFIG SET protected-mode yes requirepass secret"), "+OK");
  stranger = come_from_outside();
  EXPECT_EQ(ToText(stranger->Read()), "-\"NOAUTH Authentication required.\"");
  EXPECT_EQ(Ask(*stranger, "AUTH secret"), "+OK");
}

TEST_F(ListeningTest, MoreThanMaxclientsAreRefused) {
  StartServer({"--maxclients", "3"});
  // The connection with which the start was observed may not be closed yet.
  std::vector<std::unique_ptr<RespClient>> clients;
  clients.push_back(Client());
  ASSERT_TRUE(Eventually([&] { return InfoField(*clients[0], "connected_clients") == "1"; }));
  while (clients.size() < 3) {
    clients.push_back(Client());
    EXPECT_EQ(Ask(*clients.back(), "PING"), "+PONG");
  }
  std::unique_ptr<RespClient> fourth = Client();
  EXPECT_EQ(ToText(fourth->Read()), "-\"ERR max number of clients reached\"");
  EXPECT_EQ(ToText(fourth->Read()), "<closed>");
  EXPECT_EQ(InfoField(*clients[0], "rejected_connections"), "1");
  EXPECT_EQ(InfoField(*clients[0], "connected_clients"), "3");

  EXPECT_EQ(Ask(*clients[0], "CONFIG SET maxclients 4"), "+OK");
  fourth = Client();
  EXPECT_EQ(Ask(*fourth, "PING"), "+PONG");
  clients.pop_back();
  EXPECT_TRUE(Eventually([&] { return InfoField(*fourth, "connected_clients") == "3"; }));
  EXPECT_EQ(Ask(*Client(), "PING"), "+PONG");
}

// maxclients asks for more than the system allows: the server says so, serves whom it can, and
// refuses the others in the same words.
TEST_F(ListeningTest, WithoutFilesForMoreClientsTheOthersGoOn) {
  ServerProcess::Options options;
  options.max_files = 100;
  StartServer(options);
  constexpr int kRoom = 68;  // the server keeps 32 files for itself
  EXPECT_THAT(server_->Log(), HasSubstr(fmt::format("maxclients is {} instead of 10000", kRoom)));
  const std::unique_ptr<RespClient> first = Client();
  ASSERT_TRUE(Eventually([&] { return InfoField(*first, "connected_clients") == "1"; }));
  std::vector<std::unique_ptr<RespClient>> clients;
  int served = 1;
  for (int i = 0; i < 200; ++i) {
    clients.push_back(Client());
    const std::string reply = Ask(*clients.back(), "PING");
    if (reply == "+PONG") {
      ++served;
    } else {
      EXPECT_EQ(reply, "-\"ERR max number of clients reached\"");
    }
  }
  EXPECT_EQ(served, kRoom);
  EXPECT_EQ(Ask(*first, "CONFIG GET maxclients"), fmt::format("[\"maxclients\", \"{}\"]", kRoom));
  EXPECT_EQ(Ask(*first, "CONFIG SET maxclients 69"),
            "-\"ERR CONFIG SET failed (possibly related to argument 'maxclients') - The operating "
            "system is not able to handle the specified number of clients, try with 68\"");
  EXPECT_EQ(Ask(*first, "PING"), "+PONG");
  clients.clear();
  ASSERT_TRUE(Eventually([&] { return InfoField(*first, "connected_clients") == "1"; }));
  EXPECT_EQ(Ask(*Client(), "PING"), "+PONG");
}

}  // namespace
}  // namespace runnel::test
