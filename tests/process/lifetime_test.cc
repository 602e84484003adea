// How the server starts, how it ends, and what remains after it.
#include <fcntl.h>
#include <fmt/format.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <thread>

#include "tests/process/server_test.h"

namespace runnel::test {
namespace {

using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

namespace fs = std::filesystem;

class LifetimeTest : public ServerTest {
 protected:
  // A server on the unix socket `socket` of dir_ and on no port. Not waited for.
  std::unique_ptr<Program> Start(const Argv& args) const {
    Argv all = {"--port", "0", "--unixsocket", "socket", "--dir", dir_.string()};
    all.insert(all.end(), args.begin(), args.end());
    return std::make_unique<Program>(ServerCommand(all));
  }
  // A connection to it as soon as it takes one; null if it ends instead.
  std::unique_ptr<RespClient> ConnectTo(Program* server) const {
    std::unique_ptr<RespClient> client = test::ConnectTo(*server, dir_.string() + "/socket");
    // It may have a password, but it is ready.
    if (client != nullptr) {
      Eventually([&] { return client->Call({"PING"}).text.rfind("LOADING", 0) != 0; });
    }
    return client;
  }

  std::string Path(const std::string& name) const { return (dir_.path() / name).string(); }

  TempDir dir_;
};

TEST_F(LifetimeTest, SignalsEndItWell) {
  for (const auto& [signal, name] : {std::pair(SIGTERM, "SIGTERM"), std::pair(SIGINT, "SIGINT")}) {
    StartServer();
    const std::unique_ptr<RespClient> idle = Client();
    const std::unique_ptr<RespClient> blocked = Client();
    const std::unique_ptr<RespClient> subscriber = Client();
    blocked->Send({"BLPOP", "queue", "0"});
    EXPECT_EQ(Ask(*subscriber, "SUBSCRIBE news"), "[\"subscribe\", \"news\", 1]");
    WaitUntilRead(*idle);
    server_->Signal(signal);
    EXPECT_EQ(ToText(server_->WaitExit()), "exit 0");
    for (RespClient* client : {idle.get(), blocked.get(), subscriber.get()}) {
      EXPECT_EQ(ToText(client->Read()), "<closed>");
    }
    EXPECT_THAT(server_->Log(), HasSubstr(fmt::format("Shutting down: signal {}", name)));
    EXPECT_THAT(server_->Log(), HasSubstr("Bye"));
  }
}

TEST_F(LifetimeTest, ItEndsAtOnceWhateverItsClientsDo) {
  StartServer();
  const std::string value(100 * 1000, 'v');
  EXPECT_EQ(ToText(Client()->Call({"SET", "key", value})), "+OK");
  std::vector<std::unique_ptr<RespClient>> clients;
  std::string pipeline;
  for (int i = 0; i < 1000; ++i)
    pipeline += "GET key\r\n";
  for (int i = 0; i < 10; ++i) {
    clients.push_back(Client());
    clients.back()->SendRaw(pipeline);  // whose replies nobody reads
  }
  std::atomic<bool> ended = false;
  std::thread busy([&, client = Client()] {
    while (!ended)
      client->SendRaw("PING\r\nINCR n\r\n");
  });
  const std::unique_ptr<RespClient> other = Client();
  EXPECT_TRUE(Eventually([&] { return InfoNumber(*other, "total_commands_processed") > 10'000; }));
  EXPECT_EQ(Ask(*other, "CLIENT PAUSE 1000000"), "+OK");
  server_->Signal(SIGTERM);
  server_->Signal(SIGINT);
  EXPECT_EQ(ToText(server_->WaitExit()), "exit 0");
  ended = true;
  busy.join();
}

TEST_F(LifetimeTest, HangupsAndBrokenPipesDoNotEndIt) {
  StartServer();
  const std::unique_ptr<RespClient> client = Client();
  for (const int signal : {SIGHUP, SIGPIPE}) {
    server_->Signal(signal);
    EXPECT_EQ(Ask(*client, "PING"), "+PONG");
  }
}

TEST_F(LifetimeTest, ShutdownEndsItWithoutAReply) {
  for (const char* command : {"SHUTDOWN", "SHUTDOWN NOSAVE", "shutdown now", "SHUTDOWN FORCE",
                              "SHUTDOWN NOSAVE NOW FORCE"}) {
    StartServer();
    const std::unique_ptr<RespClient> client = Client();
    const std::unique_ptr<RespClient> other = Client();
    // What was sent before is answered, what follows is not.
    client->SendRaw(fmt::format("SET key value\r\n{}\r\nGET key\r\n", command));
    EXPECT_EQ(ToText(client->Read()), "+OK");
    EXPECT_EQ(ToText(client->Read()), "<closed>");
    EXPECT_EQ(ToText(other->Read()), "<closed>");
    EXPECT_EQ(ToText(server_->WaitExit()), "exit 0") << command;
    EXPECT_THAT(server_->Log(),
                HasSubstr("Shutting down: SHUTDOWN from client " + client->local_address()));
  }
}

TEST_F(LifetimeTest, ARefusedShutdownChangesNothing) {
  StartServer();
  const std::unique_ptr<RespClient> client = Client();
  EXPECT_EQ(Ask(*client, "SHUTDOWN ABORT"), "-\"ERR No shutdown in progress.\"");
  EXPECT_EQ(Ask(*client, "SHUTDOWN SOON"), "-\"ERR syntax error\"");
  EXPECT_EQ(Ask(*client, "SHUTDOWN SAVE NOSAVE"), "-\"ERR syntax error\"");
  EXPECT_EQ(Ask(*client, "SHUTDOWN ABORT NOW"), "-\"ERR syntax error\"");
  EXPECT_EQ(Ask(*client, "MULTI"), "+OK");
  EXPECT_EQ(Ask(*client, "SHUTDOWN"), "-\"ERR Command not allowed inside a transaction\"");
  EXPECT_EQ(Ask(*client, "DISCARD"), "+OK");
  EXPECT_EQ(Ask(*client, "PING"), "+PONG");
}

TEST_F(LifetimeTest, APortIsFreeForTheNextServerAtOnce) {
  StartServer();
  const std::unique_ptr<RespClient> client = Client();
  EXPECT_EQ(Ask(*client, "PING"), "+PONG");
  // The server closes first, so the kernel remembers its side of the connection for a while.
  EXPECT_EQ(ToText(server_->Stop()), "exit 0");
  ServerProcess::Options same_port;
  same_port.port = server_->port();
  StartServer(same_port);
  EXPECT_EQ(Ask(*Client(), "PING"), "+PONG");
}

TEST_F(LifetimeTest, ASecondServerOnTheSameDirectoryIsRefused) {
  StartServer();
  const std::string holder = fmt::format("{}\n", server_->pid());
  EXPECT_EQ(ReadFile(server_->dir() + "/runnel.lock"), holder);
  Program second(
      ServerCommand({"--port", "0", "--unixsocket", Path("socket"), "--dir", server_->dir()}));
  EXPECT_EQ(ToText(second.WaitExit()), "exit 1");
  EXPECT_THAT(
      second.Output(),
      HasSubstr(fmt::format("Cannot start: the directory {} is in use by another process ({})",
                            server_->dir(), server_->pid())));
  EXPECT_FALSE(fs::exists(Path("socket")));
  EXPECT_EQ(Ask(*Client(), "PING"), "+PONG");
  EXPECT_EQ(ReadFile(server_->dir() + "/runnel.lock"), holder);
}

TEST_F(LifetimeTest, AKilledServerLeavesNothingInTheWay) {
  const Argv args = {"--pidfile", "pid"};
  {
    const std::unique_ptr<Program> server = Start(args);
    ASSERT_NE(ConnectTo(server.get()), nullptr) << server->Output();
    server->Signal(SIGKILL);
    EXPECT_EQ(ToText(server->WaitExit()), "signal 9");
    EXPECT_TRUE(fs::exists(Path("socket")));
  }
  const std::unique_ptr<Program> server = Start(args);
  const std::unique_ptr<RespClient> client = ConnectTo(server.get());
  ASSERT_NE(client, nullptr) << server->Output();
  EXPECT_EQ(Ask(*client, "PING"), "+PONG");
}

TEST_F(LifetimeTest, AnOrderlyEndRemovesTheSocketAndThePidFile) {
  const std::unique_ptr<Program> server = Start({"--pidfile", "pid"});
  const std::unique_ptr<RespClient> client = ConnectTo(server.get());
  ASSERT_NE(client, nullptr) << server->Output();
  EXPECT_EQ(Ask(*client, "PING"), "+PONG");
  EXPECT_EQ(ReadFile(Path("pid")), fmt::format("{}\n", server->pid()));
  server->Signal(SIGTERM);
  EXPECT_EQ(ToText(server->WaitExit()), "exit 0");
  EXPECT_FALSE(fs::exists(Path("pid")));
  EXPECT_FALSE(fs::exists(Path("socket")));
}

TEST_F(LifetimeTest, APidFileThatCannotBeWrittenIsNoReasonNotToServe) {
  const std::unique_ptr<Program> server = Start({"--pidfile", "missing/pid"});
  const std::unique_ptr<RespClient> client = ConnectTo(server.get());
  ASSERT_NE(client, nullptr);
  EXPECT_EQ(Ask(*client, "PING"), "+PONG");
  EXPECT_THAT(server->Output(),
              HasSubstr("Cannot write the pidfile missing/pid: No such file or directory"));
}

TEST_F(LifetimeTest, InTheBackground) {
  // The server that goes on becomes a child of this process, which can wait for it.
  ASSERT_EQ(prctl(PR_SET_CHILD_SUBREAPER, 1), 0);
  const std::unique_ptr<Program> starter =
      Start({"--daemonize", "yes", "--pidfile", "pid", "--logfile", "log"});
  EXPECT_EQ(ToText(starter->WaitExit()), "exit 0");
  ASSERT_TRUE(Eventually([&] { return !ReadFile(Path("pid")).empty(); })) << ReadFile(Path("log"));
  const pid_t pid = std::stoi(ReadFile(Path("pid")));
  ASSERT_GT(pid, 1);
  ASSERT_NE(pid, starter->pid());
  {
    const std::unique_ptr<RespClient> client = RespClient::ConnectUnix(Path("socket"));
    EXPECT_NE(client, nullptr);
    if (client != nullptr) {
      EXPECT_EQ(InfoNumber(*client, "process_id"), pid);
    }
  }
  EXPECT_EQ(getsid(pid), pid);
  EXPECT_EQ(kill(pid, SIGTERM), 0);
  int status = 0;
  const bool ended = Eventually([&] { return waitpid(pid, &status, WNOHANG) == pid; });
  EXPECT_TRUE(ended);
  if (ended) {
    EXPECT_EQ(ToText(status), "exit 0");
  } else {
    kill(pid, SIGKILL);
  }
  EXPECT_FALSE(fs::exists(Path("pid")));
  EXPECT_THAT(ReadFile(Path("log")), HasSubstr("Bye"));
  EXPECT_EQ(starter->Output() + starter->Errors(), "");
}

TEST_F(LifetimeTest, APortInUseIsSaid) {
  StartServer();
  const std::string port = std::to_string(server_->port());
  Program second(ServerCommand({"--port", port, "--bind", "127.0.0.1", "--dir", dir_.string()}));
  EXPECT_EQ(ToText(second.WaitExit()), "exit 1");
  EXPECT_THAT(second.Output(),
              HasSubstr(fmt::format("Cannot start: cannot listen on 127.0.0.1:{}: address "
                                    "already in use",
                                    port)));
  EXPECT_EQ(Ask(*Client(), "PING"), "+PONG");
}

TEST_F(LifetimeTest, AnAddressOfAnotherMachineIsSaidUnlessItIsOptional) {
  // An address that is reserved for documentation (RFC 5737), so no machine has it.
  Program refused(ServerCommand({"--port", "1", "--bind", "203.0.113.1", "--dir", dir_.string()}));
  EXPECT_EQ(ToText(refused.WaitExit()), "exit 1");
  EXPECT_THAT(refused.Output(), HasSubstr("cannot listen on 203.0.113.1:1: address not available"));
  StartServer({"--bind", "127.0.0.1", "-203.0.113.1"});
  EXPECT_EQ(Ask(*Client(), "PING"), "+PONG");
}

TEST_F(LifetimeTest, NothingToListenOnIsSaid) {
  Program server(ServerCommand({"--port", "0", "--dir", dir_.string()}));
  EXPECT_EQ(ToText(server.WaitExit()), "exit 1");
  EXPECT_THAT(server.Output(),
              HasSubstr("nothing to listen on: port is 0 and no unixsocket is set"));
}

TEST_F(LifetimeTest, ADirectoryThatIsNoneIsSaid) {
  std::ofstream(Path("file")) << "text";
  const std::pair<std::string, std::string> cases[] = {
      {Path("missing"), "command line: 'dir': No such file or directory"},
      {Path("file"), "command line: 'dir': Not a directory"},
  };
  for (const auto& [dir, reason] : cases) {
    Program server(ServerCommand({"--port", "0", "--dir", dir}));
    EXPECT_EQ(ToText(server.WaitExit()), "exit 1");
    EXPECT_THAT(server.Errors(), HasSubstr(reason));
  }
}

TEST_F(LifetimeTest, TheLogFileIsWrittenAndKept) {
  std::ofstream(Path("log")) << "from before\n";
  for (int start = 0; start < 2; ++start) {
    const std::unique_ptr<Program> server = Start({"--logfile", "log"});
    ASSERT_NE(ConnectTo(server.get()), nullptr) << server->Errors();
    server->Signal(SIGTERM);
    EXPECT_EQ(ToText(server->WaitExit()), "exit 0");
    EXPECT_EQ(server->Output() + server->Errors(), "");
    EXPECT_THAT(ReadFile(Path("log")), HasSubstr(fmt::format("process {})", server->pid())));
  }
  EXPECT_THAT(ReadFile(Path("log")), StartsWith("from before\n"));
}

TEST_F(LifetimeTest, ALogFileThatCannotBeWrittenStopsTheStart) {
  for (const std::string& path : {Path("missing/log"), dir_.string()}) {
    Program refused(ServerCommand(
        {"--port", "0", "--dir", dir_.string(), "--unixsocket", "socket", "--logfile", path}));
    EXPECT_EQ(ToText(refused.WaitExit()), "exit 1");
    EXPECT_THAT(refused.Errors(), HasSubstr("cannot open the log file " + path + ": "));
  }
}

TEST_F(LifetimeTest, TheLogFileIsReopenedForRotation) {
  const std::unique_ptr<Program> server = Start({"--logfile", "log"});
  const std::unique_ptr<RespClient> client = ConnectTo(server.get());
  ASSERT_NE(client, nullptr) << server->Errors();
  EXPECT_EQ(Ask(*client, "PING"), "+PONG");
  fs::rename(Path("log"), Path("log.1"));
  server->Signal(SIGUSR1);  // harmless
  server->Signal(SIGHUP);
  ASSERT_TRUE(Eventually([&] { return fs::exists(Path("log")); }));
  EXPECT_TRUE(Eventually([&] {
    return ReadFile(Path("log")).find("The log file was reopened") != std::string::npos;
  }));
  EXPECT_EQ(Ask(*client, "PING"), "+PONG");
  server->Signal(SIGTERM);
  EXPECT_EQ(ToText(server->WaitExit()), "exit 0");
  EXPECT_THAT(ReadFile(Path("log.1")), HasSubstr("Ready to accept connections"));
  EXPECT_THAT(ReadFile(Path("log.1")), Not(HasSubstr("Bye")));
  EXPECT_THAT(ReadFile(Path("log")), HasSubstr("Bye"));
}

// A socket in dir_ that takes the datagrams for a supervisor or a log daemon.
class DatagramSocket {
 public:
  explicit DatagramSocket(const std::string& path)
      : fd_(socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    path.copy(address.sun_path, sizeof(address.sun_path) - 1);
    EXPECT_EQ(bind(fd_, reinterpret_cast<sockaddr*>(&address), sizeof(address)), 0);
  }
  ~DatagramSocket() { close(fd_); }
  // The next datagram; empty if none comes.
  std::string Receive() const {
    char buffer[4096];
    ssize_t size = -1;
    Eventually([&] {
      size = recv(fd_, buffer, sizeof(buffer), 0);
      return size >= 0;
    });
    return size < 0 ? "" : std::string(buffer, static_cast<size_t>(size));
  }

 private:
  const int fd_;
};

TEST_F(LifetimeTest, SystemdIsToldOfTheStartAndTheEnd) {
  const DatagramSocket notify(Path("notify"));
  for (const char* supervised : {"systemd", "auto"}) {
    Program::Options options = ServerCommand({"--port", "0", "--dir", dir_.string(), "--unixsocket",
                                              Path("socket"), "--supervised", supervised,
                                              "--daemonize", "yes"});  // which has no effect then
    options.environment = {"NOTIFY_SOCKET=" + Path("notify")};
    Program server(options);
    EXPECT_THAT(notify.Receive(), StartsWith("READY=1\n"));
    const std::unique_ptr<RespClient> client = ConnectTo(&server);
    ASSERT_NE(client, nullptr) << server.Output();
    EXPECT_EQ(Ask(*client, "PING"), "+PONG");
    server.Signal(SIGTERM);
    EXPECT_EQ(ToText(server.WaitExit()), "exit 0");
    EXPECT_THAT(notify.Receive(), StartsWith("STOPPING=1\n"));
  }
}

TEST_F(LifetimeTest, ASupervisorThatIsNotThereIsSaid) {
  for (const char* supervised : {"systemd", "upstart"}) {
    const std::unique_ptr<Program> server = Start({"--supervised", supervised});
    ASSERT_NE(ConnectTo(server.get()), nullptr) << server->Output();
    EXPECT_THAT(server->Output(), HasSubstr(fmt::format("supervised is {}, but ", supervised)));
    server->Signal(SIGTERM);
    EXPECT_EQ(ToText(server->WaitExit()), "exit 0");
  }
}

// Nobody reads the log, so the pipe fills up; the clients do not notice.
TEST_F(LifetimeTest, ALogThatIsStuckDoesNotStopTheServer) {
  const std::string path = Path("pipe");
  ASSERT_EQ(mkfifo(path.c_str(), 0600), 0);
  const int reader = open(path.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC);
  ASSERT_GE(reader, 0);
  ASSERT_GE(fcntl(reader, F_SETPIPE_SZ, 4096), 4096);
  const std::unique_ptr<Program> server = Start({"--logfile", path, "--loglevel", "verbose"});
  const std::unique_ptr<RespClient> client = ConnectTo(server.get());
  ASSERT_NE(client, nullptr) << server->Errors();
  constexpr int kMistakes = 10000;  // more lines than the pipe and the queue hold
  for (int i = 0; i < kMistakes; ++i) {
    const std::unique_ptr<RespClient> other = RespClient::ConnectUnix(Path("socket"));
    ASSERT_NE(other, nullptr);
    other->SendRaw("*x\r\n");
    ASSERT_EQ(ToText(other->Read()), "-\"ERR Protocol error: invalid multibulk length\"");
  }
  EXPECT_EQ(Ask(*client, "PING"), "+PONG");
  // Once somebody reads, the lines come, and how many are missing.
  std::string log;
  EXPECT_TRUE(Eventually([&] {
    char buffer[65536];
    for (ssize_t size; (size = read(reader, buffer, sizeof(buffer))) > 0;)
      log.append(buffer, static_cast<size_t>(size));
    return log.find("log lines after this time were dropped") != std::string::npos;
  }));
  EXPECT_THAT(log, HasSubstr("protocol error"));
  server->Signal(SIGTERM);
  EXPECT_EQ(ToText(server->WaitExit()), "exit 0");
  close(reader);
}

TEST_F(LifetimeTest, AStartThatFailsIsSaidInTheLogFileAndOnTheTerminal) {
  StartServer();
  Program second(ServerCommand({"--port", "0", "--unixsocket", Path("socket"), "--dir",
                                server_->dir(), "--logfile", Path("log")}));
  EXPECT_EQ(ToText(second.WaitExit()), "exit 1");
  EXPECT_THAT(second.Errors(), HasSubstr("is in use by another process"));
  EXPECT_THAT(ReadFile(Path("log")), HasSubstr("is in use by another process"));
}

}  // namespace
}  // namespace runnel::test
