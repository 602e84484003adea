// Appends to a list and a stream and reads them, with several clients, until the time is over or a
// signal comes; meanwhile somebody does harm to the servers. Then says whether the answers can be
// those of a server that has lost nothing. For Runnel, with acks of all in-sync replicas, and for
// Redis.
#include <CLI/CLI.hpp>

#include <atomic>
#include <csignal>
#include <cstdio>
#include <memory>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "tests/support/eventually.h"
#include "tests/support/logged_load.h"

namespace runnel::test {
namespace {

std::atomic<bool> stops = false;

struct Options {
  std::vector<std::string> servers = {"127.0.0.1:6379"};
  std::string password;
  std::string acks = "all";
  std::string prefix = "check-history";
  size_t clients = 4;
  double seconds = 10;
};

// A connection to that server, greeted as the options say; null if it does not answer.
std::unique_ptr<RespClient> Connect(const std::string& server, const Options& options) {
  const size_t colon = server.rfind(':');
  auto client = RespClient::Connect(server.substr(0, colon), std::atoi(server.c_str() + colon + 1));
  if (client == nullptr) return nullptr;
  if (!options.password.empty()) client->Call({"AUTH", options.password});
  if (!options.acks.empty()) {
    const Reply reply = client->Call({"CLIENT", "ACKS", options.acks});
    if (reply.is_note()) return nullptr;
    if (reply.is_error()) std::fprintf(stderr, "%s: %s\n", server.c_str(), reply.text.c_str());
  }
  return client;
}

// The same to the server that leads, if one says so.
std::unique_ptr<RespClient> ConnectToLeader(const Options& options) {
  for (const std::string& server : options.servers) {
    auto client = Connect(server, options);
    if (client == nullptr) continue;
    const Reply role = client->Call({"ROLE"});
    if (!role.items.empty() && role.items[0].text == "master") return client;
  }
  return nullptr;
}

int Check(const Options& options) {
  std::random_device random;
  const std::string run = std::to_string(random());
  LoggedKey list{options.prefix + "-list-" + run, LoggedKey::Type::kList, {}};
  LoggedKey stream{options.prefix + "-stream-" + run, LoggedKey::Type::kStream, {}};
  {
    LoggedLoad load(
        {&list, &stream}, options.clients, [&] { return ConnectToLeader(options); }, random());
    std::signal(SIGINT, [](int) { stops = true; });
    std::signal(SIGTERM, [](int) { stops = true; });
    const auto duration = std::chrono::milliseconds(static_cast<int64_t>(options.seconds * 1000));
    Eventually([] { return stops.load(); }, duration);
    if (!load.error().empty()) std::printf("the last error: %s\n", load.error().c_str());
  }
  bool good = true;
  for (LoggedKey* const key : {&list, &stream}) {
    std::unique_ptr<RespClient> client;
    Eventually([&] { return (client = ConnectToLeader(options)) != nullptr; });
    const auto faults = JudgeAtTheEnd(*key, std::move(client));
    std::printf("%s: %zu appends were acknowledged, %zu reads answered: %s\n", key->name.c_str(),
                key->history.acknowledged(), key->history.reads(),
                faults.empty() ? "linearizable" : ToText(faults).c_str());
    good = good && faults.empty();
  }
  return good ? 0 : 1;
}

}  // namespace
}  // namespace runnel::test

int main(int argc, char** argv) {
  runnel::test::Options options;
  CLI::App app("Checks that servers keep what they acknowledge, and show no old state");
  app.add_option("servers", options.servers, "HOST:PORT of each server, of which one leads; IPv4")
      ->check([](const std::string& text) {
        return text.find(':') == std::string::npos ? "HOST:PORT is wanted, not " + text : "";
      });
  app.add_option("--seconds", options.seconds, "how long; a signal ends it earlier");
  app.add_option("--clients", options.clients, "for each of the two keys")
      ->check(CLI::Range(1, 1000));
  app.add_option("--acks", options.acks, "for CLIENT ACKS; empty for a server that has no such");
  app.add_option("--password", options.password, "for AUTH");
  app.add_option("--prefix", options.prefix, "of the names of the keys; they stay");
  CLI11_PARSE(app, argc, argv);
  return runnel::test::Check(options);
}
