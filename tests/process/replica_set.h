#pragma once

#include <fmt/format.h>
#include <signal.h>

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "tests/process/replication_servers.h"
#include "tests/support/temp_dir.h"

namespace runnel::test {

// Tests with a leader and followers that change their roles. Servers have numbers; each has a
// directory and a port that stay when it ends and begins again.
class ReplicaSetTest : public ReplicationTest {
 protected:
  // Starts a leader, number 0, and so many followers; all are in the in-sync set then. `each` has
  // more arguments for the servers, one after another.
  void StartAll(size_t followers, const Argv& args = {}, const std::vector<Argv>& each = {}) {
    for (size_t i = 0; i <= followers; i++) {
      args_.push_back(args);
      if (i < each.size()) Add(args_[i], each[i]);
      dirs_.push_back((dir_.path() / fmt::format("server{}", i)).string());
      Argv all = args_[i];
      if (i > 0) Add(all, Following(server(0).port()));
      servers_.push_back(Start(all, dirs_[i]));
      clients_.push_back(servers_[i]->Connect());
    }
    Ask(on(0), "SET k v");
    for (size_t i = 1; i <= followers; i++) {
      WaitUntilInSync(on(i));
    }
  }
  void Kill(size_t i) {
    server(i).Kill();
    clients_[i].reset();
  }
  // Starts it again, as it was started at first, but for the leader that it had.
  void Restart(size_t i, const Argv& more = {}) {
    const int port = server(i).port();
    Argv all = args_[i];
    Add(all, more);
    servers_[i].reset();
    servers_[i] = Start(all, dirs_[i], port);
    Reconnect(i);
  }

  // The connection on(i) may have been ended by somebody.
  void Reconnect(size_t i) {
    clients_[i] = server(i).Connect();
    if (clients_[i] == nullptr) throw std::runtime_error("no connection to a server that runs");
  }

  size_t servers() const { return servers_.size(); }
  ServerProcess& server(size_t i) { return *servers_[i]; }
  RespClient& on(size_t i) { return *clients_[i]; }
  bool Runs(size_t i) { return clients_[i] != nullptr; }
  bool Leads(size_t i) { return InfoField(on(i), "role") == "master"; }
  bool Follows(size_t i, size_t leader) {
    return InfoField(on(i), "master_port") == fmt::to_string(server(leader).port()) &&
           InfoField(on(i), "master_link_status") == "up";
  }
  bool LinkIsDown(size_t i) { return InfoField(on(i), "master_link_status") == "down"; }
  // As FAILOVER names it.
  std::string To(size_t i) { return fmt::format("TO 127.0.0.1 {}", server(i).port()); }
  std::string FollowIt(size_t i) { return Follow(server(i)); }
  void ExpectLog(size_t i, std::string_view text) {
    EXPECT_TRUE(Eventually([&] { return server(i).Log().find(text) != std::string::npos; }))
        << "no '" << text << "' in\n"
        << server(i).Log();
  }
  std::string Logs() {
    std::string logs;
    for (size_t i = 0; i < servers(); i++) {
      logs += fmt::format("--- server {}, port {}\n{}\n", i, server(i).port(), server(i).Log());
    }
    return logs;
  }

  // Waits until all others have what the leader has, and compares the journals and what the
  // servers hold: byte for byte, and key by key.
  void ExpectAllEqual(size_t leader, const std::vector<std::string>& asks) {
    for (size_t i = 0; i < servers(); i++) {
      if (i != leader) WaitUntilEqual(on(leader), on(i));
    }
    const int64_t end = InfoNumber(on(leader), "master_repl_offset");
    for (size_t i = 0; i < servers(); i++) {
      if (i == leader) continue;
      CompareJournals(server(leader), server(i), end);
      for (const std::string& ask : asks) {
        EXPECT_EQ(Ask(on(i), ask), Ask(on(leader), ask)) << ask;
      }
    }
  }
  // Ends all, and has their files checked.
  void CheckFiles() {
    for (size_t i = 0; i < servers(); i++) {
      EXPECT_EQ(ToText(server(i).Stop()), "exit 0") << server(i).Log();
      const Checked checked = RunCheck({dirs_[i]});
      EXPECT_EQ(checked.exit, "exit 0") << checked.text;
    }
  }

 private:
  static void Add(Argv& args, const Argv& more) {
    args.insert(args.end(), more.begin(), more.end());
  }

  TempDir dir_;
  std::vector<Argv> args_;
  std::vector<std::string> dirs_;
  std::vector<std::unique_ptr<ServerProcess>> servers_;
  std::vector<std::unique_ptr<RespClient>> clients_;
};

}  // namespace runnel::test
