#pragma once

#include <fmt/format.h>

#include <string>

#include "tests/process/replication_servers.h"

namespace runnel::test {

// Tests with a leader that has removed journal which a follower needs.
class FullSyncTest : public ReplicationTest {
 protected:
  // Small files, and few of them stay.
  static Argv Small(Argv more = {}) {
    Argv args = {"--journal-segment-bytes", "65536", "--snapshots-kept",    "1",
                 "--stream-memory",         "200kb", "--repl-backlog-size", "65536"};
    args.insert(args.end(), more.begin(), more.end());
    return args;
  }
  static void Fill(RespClient& client, const std::string& round, int entries) {
    for (int i = 0; i < entries; i++) {
      client.Send({"XADD", "stream", "*", "round", round, "text", std::string(1000, 'x')});
      client.Send({"SET", fmt::format("key-{}", i), round});
    }
    for (int i = 0; i < 2 * entries; i++)
      client.Read();
    Ask(client, "RPUSH list " + round);
  }
  // The journal begins later afterwards.
  static void RemoveJournal(const ServerProcess& server, RespClient& client) {
    const size_t first = Journal(server, InfoNumber(client, "master_repl_offset")).first;
    EXPECT_TRUE(Eventually([&] {
      Fill(client, "more", 50);
      EXPECT_EQ(Ask(client, "SAVE"), "+OK");
      return Journal(server, InfoNumber(client, "master_repl_offset")).first > first;
    }));
  }
  static void CompareData(RespClient& a, RespClient& b) {
    for (const char* ask : {"DBSIZE", "XLEN stream", "LRANGE list 0 -1", "GET key-1", "GET key-49",
                            "XRANGE stream - + COUNT 20", "XREVRANGE stream + - COUNT 20"}) {
      EXPECT_EQ(Ask(a, ask), Ask(b, ask)) << ask;
    }
  }
};

}  // namespace runnel::test
