#pragma once

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "tests/process/server_test.h"

namespace runnel::test {

// Tests with several servers, some of which follow others.
class ReplicationTest : public testing::Test {
 protected:
  std::unique_ptr<ServerProcess> Start(Argv args = {}, const std::string& dir = "", int port = 0) {
    ServerProcess::Options options;
    options.binary = RunnelServerPath();
    options.args = std::move(args);
    options.args.insert(options.args.end(), {"--snapshot-journal-bytes", "0"});
    options.dir = dir;
    options.port = port;
    std::string error;
    auto server = ServerProcess::Start(options, &error);
    if (server == nullptr) throw std::runtime_error(error);
    return server;
  }
  static std::string Follow(const ServerProcess& leader) {
    return fmt::format("REPLICAOF 127.0.0.1 {}", leader.port());
  }
  static Argv Following(int port) { return {"--replicaof", fmt::format("127.0.0.1 {}", port)}; }
  static Argv Following(const ServerProcess& leader) { return Following(leader.port()); }
  // Waits until the follower's state is that of all that the leader has now.
  static void WaitUntilEqual(RespClient& leader, RespClient& follower) {
    const int64_t end = InfoNumber(leader, "master_repl_offset");
    EXPECT_TRUE(Eventually([&] {
      return InfoField(follower, "master_link_status") == "up" &&
             InfoNumber(follower, "replication_applied_position") >= end;
    })) << Ask(follower, "INFO replication");
  }
  // Waits until the follower knows that it is in the in-sync set, so that it may lead.
  static void WaitUntilInSync(RespClient& follower) {
    EXPECT_TRUE(Eventually([&] { return InfoField(follower, "slave_priority") == "100"; }))
        << Ask(follower, "INFO replication");
  }
  // The bytes of the journal from its first position to `end`; the rest of its files are zeros.
  struct Bytes {
    size_t first = 0;
    std::string bytes;
  };
  static Bytes Journal(const ServerProcess& server, int64_t end) {
    std::vector<std::filesystem::path> files;
    for (const auto& entry :
         std::filesystem::directory_iterator(std::filesystem::path(server.dir()) / "journal")) {
      if (entry.path().extension() == ".log") files.push_back(entry.path());
    }
    std::sort(files.begin(), files.end());
    const auto base_of = [](const std::filesystem::path& path) {
      return static_cast<size_t>(std::stoull(path.stem().string()));
    };
    Bytes journal{base_of(files.front()), ""};
    for (const std::filesystem::path& path : files) {
      // Without the reserve of the segment before.
      journal.bytes.resize(base_of(path) - journal.first);
      std::ifstream file(path, std::ios::binary);
      journal.bytes.append(std::istreambuf_iterator<char>(file), {});
    }
    journal.bytes.resize(static_cast<size_t>(end) - journal.first);
    return journal;
  }
  // What both hold is the same.
  static void CompareJournals(const ServerProcess& a, const ServerProcess& b, int64_t end) {
    const Bytes one = Journal(a, end);
    const Bytes other = Journal(b, end);
    const size_t first = std::max(one.first, other.first);
    EXPECT_TRUE(one.bytes.substr(first - one.first) == other.bytes.substr(first - other.first))
        << "from " << first << " to " << end;
  }
};

}  // namespace runnel::test
