// What becomes of memory that is no longer needed.
#include <fmt/format.h>

#include "tests/process/server_test.h"

namespace runnel::test {
namespace {

class MemoryTest : public ServerTest {
 protected:
  // So many keys with values of 100 bytes.
  static void Fill(RespClient& client, int keys) {
    constexpr int kAtOnce = 1000;
    const std::string value(100, 'v');
    for (int first = 0; first < keys; first += kAtOnce) {
      Argv command = {"MSET"};
      for (int i = first; i < first + kAtOnce; i++) {
        command.push_back(fmt::format("key:{}", i));
        command.push_back(value);
      }
      ASSERT_EQ(ToText(client.Call(command)), "+OK");
    }
  }
};

TEST_F(MemoryTest, AFlushedDatabaseIsFreedByAHelper) {
  StartServer();
  const auto client = Client();
  for (const char* flush : {"FLUSHALL", "FLUSHDB", "FLUSHALL ASYNC", "FLUSHDB SYNC"}) {
    Ask(*client, "CONFIG RESETSTAT");
    Fill(*client, 5000);
    EXPECT_EQ(Ask(*client, flush), "+OK");
    EXPECT_EQ(Ask(*client, "DBSIZE"), "0");
    EXPECT_TRUE(Eventually([&] { return InfoNumber(*client, "lazyfreed_objects") == 5000; }));
    EXPECT_EQ(InfoNumber(*client, "lazyfree_pending_objects"), 0);
  }
}

// The values of a flushed database are freed later than the reply comes; until then a client that
// needs the memory waits for it.
TEST_F(MemoryTest, AFlushMakesRoomBelowMaxmemory) {
  StartServer();
  const auto client = Client();
  Fill(*client, 100'000);
  Ask(*client, fmt::format("CONFIG SET maxmemory {}", InfoNumber(*client, "used_memory") * 3 / 4));
  EXPECT_THAT(Ask(*client, "SET k v"), testing::HasSubstr("OOM"));
  EXPECT_EQ(Ask(*client, "FLUSHALL"), "+OK");
  EXPECT_EQ(Ask(*client, "SET k v"), "+OK");
}

TEST_F(MemoryTest, WhatIsFreedGoesBackToTheSystem) {
  // A snapshot would keep what is flushed until it is written.
  StartServer(Argv{"--snapshot-journal-bytes", "0"});
  const auto client = Client();
  const int64_t before = InfoNumber(*client, "used_memory_rss");
  Fill(*client, 300'000);
  const int64_t filled = InfoNumber(*client, "used_memory_rss");
  EXPECT_GT(filled, before + 50'000'000);
  Ask(*client, "FLUSHALL");
  // Nobody asks for anything meanwhile but how much it is.
  EXPECT_TRUE(Eventually(
      [&] { return InfoNumber(*client, "used_memory_rss") < before + (filled - before) / 4; }));
}

}  // namespace
}  // namespace runnel::test
