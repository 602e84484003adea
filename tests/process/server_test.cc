#include "tests/process/server_test.h"

#include <cstdlib>
#include <stdexcept>

#include "tests/support/quote.h"

namespace runnel::test {

void ServerTest::StartServer(const Argv& args) {
  ServerProcess::Options options;
  options.args = args;
  StartServer(options);
}

void ServerTest::StartServer(ServerProcess::Options options) {
  StopServer();
  options.binary = RunnelServerPath();
  std::string error;
  server_ = ServerProcess::Start(options, &error);
  if (server_ == nullptr) throw std::runtime_error(error);
}

void ServerTest::KillAndStart(const ServerProcess::Options& options) {
  server_->Kill();
  server_ = nullptr;
  StartServer(options);
}

void ServerTest::StopServer() {
  if (server_ == nullptr) return;
  EXPECT_EQ(ToText(server_->Stop()), "exit 0") << server_->Log();
  server_ = nullptr;
}

std::unique_ptr<RespClient> ServerTest::Client() const {
  std::unique_ptr<RespClient> client = server_->Connect();
  if (client == nullptr) throw std::runtime_error("no connection; " + server_->Log());
  return client;
}

bool ServerTest::LogShows(std::string_view text) const {
  return Eventually([&] { return server_->Log().find(text) != std::string::npos; });
}

Program::Options ServerCommand(const Argv& args) {
  Program::Options options;
  options.command = {RunnelServerPath()};
  options.command.insert(options.command.end(), args.begin(), args.end());
  return options;
}

Checked RunCheck(const Argv& args) {
  const char* const other = std::getenv("RUNNEL_CHECK");
  Program::Options options;
  options.command = {other != nullptr ? other : RUNNEL_CHECK_PATH};
  options.command.insert(options.command.end(), args.begin(), args.end());
  Program check(options);
  const std::string exit = ToText(check.WaitExit());
  return {check.Output() + check.Errors(), exit};
}

std::unique_ptr<RespClient> ConnectTo(Program& server, const std::string& socket) {
  std::unique_ptr<RespClient> client;
  Eventually([&] {
    client = RespClient::ConnectUnix(socket);
    return client != nullptr || !server.Running();
  });
  return client;
}

std::string Ask(RespClient& client, std::string_view line) {
  return ToText(client.Call(SplitWords(line).value()));
}

Reply FieldOf(const Reply& map, std::string_view name) {
  for (size_t i = 0; i + 1 < map.items.size(); i += 2) {
    if (map.items[i].text == name) return map.items[i + 1];
  }
  return Reply::Note("no such field");
}

std::string InfoField(RespClient& client, std::string_view name) {
  const std::string lines = "\n" + client.Call({"INFO", "all"}).text;
  const std::string start = "\n" + std::string(name) + ":";
  const size_t found = lines.find(start);
  if (found == std::string::npos) return "";
  const size_t value = found + start.size();
  return lines.substr(value, lines.find('\r', value) - value);
}

int64_t InfoNumber(RespClient& client, std::string_view name) {
  return std::stoll(InfoField(client, name));
}

void WaitUntilRead(RespClient& other_client) {
  EXPECT_EQ(Ask(other_client, "PING"), "+PONG");
}

}  // namespace runnel::test
