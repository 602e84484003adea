#include "tests/support/server_process.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fstream>
#include <sstream>

namespace runnel::test {
namespace {

// Between two looks at a condition that nothing announces.
void ShortPause() {
  poll(nullptr, 0, 5);
}

std::string FromEnvironment(const char* name, std::string otherwise) {
  const char* const value = getenv(name);
  return value != nullptr && *value != '\0' ? value : otherwise;
}

// Runs in the child: never returns.
[[noreturn]] void Become(const std::vector<std::string>& command,
                         const std::vector<std::string>& environment, const std::string& log) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  const int out = open(log.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0644);
  const int in = open("/dev/null", O_RDONLY);
  if (out < 0 || in < 0) _exit(126);
  dup2(in, STDIN_FILENO);
  dup2(out, STDOUT_FILENO);
  dup2(out, STDERR_FILENO);
  for (const std::string& setting : environment) putenv(const_cast<char*>(setting.c_str()));
  std::vector<char*> argv;
  for (const std::string& arg : command) argv.push_back(const_cast<char*>(arg.c_str()));
  argv.push_back(nullptr);
  execv(argv[0], argv.data());
  dprintf(STDERR_FILENO, "%s: %s\n", argv[0], strerror(errno));
  _exit(127);
}

}  // namespace

std::string RunnelServerPath() {
  return FromEnvironment("RUNNEL_SERVER", RUNNEL_SERVER_PATH);
}

std::string RedisServerPath() {
  return FromEnvironment("REDIS_SERVER", "/usr/bin/redis-server");
}

int FreePort() {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof(address);
  const bool bound = bind(fd, reinterpret_cast<sockaddr*>(&address), size) == 0 &&
                     getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size) == 0;
  close(fd);
  return bound ? ntohs(address.sin_port) : 0;
}

ServerProcess::ServerProcess(const Options& options)
    : dir_(options.dir.empty() ? (scratch_.path() / "data").string() : options.dir) {
  std::filesystem::create_directories(dir_);
}

std::unique_ptr<ServerProcess> ServerProcess::Start(const Options& options, std::string* error) {
  constexpr int kTries = 5;
  for (int tries = 0; tries < kTries; ++tries) {
    std::unique_ptr<ServerProcess> server(new ServerProcess(options));
    server->port_ = options.port != 0 ? options.port : FreePort();
    if (!server->Spawn(options, error)) return nullptr;
    if (server->WaitUntilItAnswers()) return server;
    const bool ended = !server->Running();
    *error = fmt::format("{} {}; its log:\n{}", options.binary,
                         ended ? "ended before it answered" : "does not answer", server->Log());
    if (!ended || options.port != 0) return nullptr;
  }
  return nullptr;
}

bool ServerProcess::Spawn(const Options& options, std::string* error) {
  std::vector<std::string> command = {options.binary, "--port", std::to_string(port_),
                                      "--bind",       "127.0.0.1", "--dir", dir_};
  command.insert(command.end(), options.args.begin(), options.args.end());
  const std::string log = (scratch_.path() / "log").string();
  pid_ = fork();
  if (pid_ == 0) Become(command, options.environment, log);
  if (pid_ < 0) *error = fmt::format("fork: {}", strerror(errno));
  return pid_ > 0;
}

bool ServerProcess::WaitUntilItAnswers() {
  const Clock::time_point deadline = Clock::now() + kPatience;
  const std::string own_id = fmt::format("process_id:{}\r\n", pid_);
  while (Clock::now() < deadline && Running()) {
    const std::unique_ptr<RespClient> client = Connect();
    if (client != nullptr) {
      const Reply pong = client->Call({"PING"});
      if (!pong.is_note() && pong.text.rfind("LOADING", 0) != 0) {
        // Without a password the server says who it is; one that asks for it cannot be asked.
        const Reply info = client->Call({"INFO", "server"});
        const bool stranger = info.text.find("process_id:") != std::string::npos &&
                              info.text.find(own_id) == std::string::npos;
        if (!stranger) return Running();
      }
    }
    ShortPause();
  }
  return false;
}

ServerProcess::~ServerProcess() {
  if (pid_ > 0 && Running()) Kill();
}

void ServerProcess::Signal(int number) const {
  if (pid_ > 0 && !status_.has_value()) kill(pid_, number);
}

std::optional<int> ServerProcess::WaitExit(Clock::duration patience) {
  const Clock::time_point deadline = Clock::now() + patience;
  while (!status_.has_value()) {
    int status = 0;
    if (waitpid(pid_, &status, WNOHANG) == pid_) {
      status_ = status;
    } else if (Clock::now() >= deadline) {
      return std::nullopt;
    } else {
      ShortPause();
    }
  }
  return status_;
}

int ServerProcess::Stop() {
  Signal(SIGTERM);
  const std::optional<int> status = WaitExit();
  return status.has_value() ? *status : Kill();
}

int ServerProcess::Kill() {
  Signal(SIGKILL);
  return WaitExit().value_or(-1);
}

std::string ServerProcess::Log() const {
  std::ifstream file(scratch_.path() / "log");
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

}  // namespace runnel::test
