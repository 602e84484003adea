#include "tests/support/server_process.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <filesystem>

#include "tests/support/eventually.h"

namespace runnel::test {
namespace {

std::string FromEnvironment(const char* name, std::string otherwise) {
  const char* const value = getenv(name);
  return value != nullptr && *value != '\0' ? value : otherwise;
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
    server->Spawn(options);
    if (server->WaitUntilItAnswers()) return server;
    const bool ended = !server->Running();
    *error = fmt::format("{} {}; its log:\n{}", options.binary,
                         ended ? "ended before it answered" : "does not answer", server->Log());
    if (!ended || options.port != 0) return nullptr;
  }
  return nullptr;
}

void ServerProcess::Spawn(const Options& options) {
  Program::Options program;
  program.command = {options.binary, "--port", std::to_string(port_), "--bind", "127.0.0.1",
                     "--dir",        dir_};
  program.command.insert(program.command.end(), options.args.begin(), options.args.end());
  program.environment = options.environment;
  program.max_files = options.max_files;
  program_ = std::make_unique<Program>(program);
}

bool ServerProcess::WaitUntilItAnswers() {
  const std::string own_id = fmt::format("process_id:{}\r\n", pid());
  bool answers = false;
  Eventually([&] {
    if (!Running()) return true;
    const std::unique_ptr<RespClient> client = Connect();
    if (client == nullptr) return false;
    const Reply pong = client->Call({"PING"});
    if (pong.is_note() || pong.text.rfind("LOADING", 0) == 0) return false;
    // Without a password the server names its process; a server with a password cannot be asked.
    const Reply info = client->Call({"INFO", "server"});
    const bool stranger = info.text.find("process_id:") != std::string::npos &&
                          info.text.find(own_id) == std::string::npos;
    answers = !stranger;
    return answers;
  });
  return answers && Running();
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

}  // namespace runnel::test
