// A backlog that is larger than the memory it may take.
#include <fmt/format.h>

#include <filesystem>

#include "tests/process/server_test.h"

namespace runnel::test {
namespace {

constexpr int kEntries = 50'000;
constexpr size_t kValueBytes = 1000;
constexpr int kPage = 500;

class ColdTest : public ServerTest {
 protected:
  // Entry n has the ID n-0 and a value that begins with n.
  static std::string Value(int n) {
    std::string value = fmt::format("{} ", n);
    while (value.size() < kValueBytes) {
      value += fmt::format("{:08x}", static_cast<uint32_t>(n) * 2654435761u +
                                         static_cast<uint32_t>(value.size()) * 40503u);
    }
    return value;
  }
  static void Append(RespClient& client, int first, int last) {
    std::string requests;
    for (int n = first; n <= last; n++) {
      requests += EncodeCommand({"XADD", "s", std::to_string(n), "f", Value(n)});
    }
    client.SendRaw(requests);
    for (int n = first; n <= last; n++) {
      ASSERT_EQ(client.Read().text, fmt::format("{}-0", n));
    }
  }
  static void Fill(RespClient& client) {
    for (int n = 1; n <= kEntries; n += kPage) {
      Append(client, n, n + kPage - 1);
    }
  }
  // The entries are those from `first` on; returns the next number.
  static int ExpectEntries(const Reply& entries, int first) {
    int n = first;
    for (const Reply& entry : entries.items) {
      EXPECT_EQ(entry.items[0].text, fmt::format("{}-0", n));
      EXPECT_EQ(entry.items[1].items[1].text, Value(n));
      n++;
    }
    return n;
  }
};

TEST_F(ColdTest, ABacklogIsReadBackWhileAProducerGoesOn) {
  StartServer(Argv{"--stream-memory", "1mb"});
  const auto producer = Client();
  const auto reader = Client();
  Fill(*producer);
  EXPECT_TRUE(Eventually([&] { return InfoNumber(*producer, "stream_hot_bytes") < 1'100'000; }));
  EXPECT_GT(InfoNumber(*producer, "cold_entries"), kEntries - 1200);
  EXPECT_EQ(ToText(producer->Call({"XLEN", "s"})), std::to_string(kEntries));

  EXPECT_EQ(ToText(producer->Call({"XGROUP", "CREATE", "s", "g", "0"})), "+OK");
  int added = kEntries;
  int n = 1;
  while (n <= kEntries) {
    reader->Send({"XRANGE", "s", std::to_string(n), "+", "COUNT", std::to_string(kPage)});
    Append(*producer, added + 1, added + 10);
    added += 10;
    n = ExpectEntries(reader->Read(), n);
    if (HasFailure()) return;
  }
  int next = 1;
  while (next <= kEntries) {
    reader->Send(
        {"XREADGROUP", "GROUP", "g", "c", "COUNT", std::to_string(kPage), "STREAMS", "s", ">"});
    // Behind it in the pipeline, and answered behind it.
    reader->Send({"XACK", "s", "g", std::to_string(next)});
    Append(*producer, added + 1, added + 10);
    added += 10;
    next = ExpectEntries(reader->Read().items[0].items[1], next);
    EXPECT_EQ(reader->Read(), Reply::Integer(1));
    if (HasFailure()) return;
  }
  EXPECT_EQ(InfoNumber(*producer, "cold_blocking_reads"), 0);
  EXPECT_GT(InfoNumber(*producer, "cold_read_ahead_hits"), 100);

  EXPECT_GT(InfoNumber(*producer, "cold_files_bytes"), 1'000'000);
  producer->Call({"XTRIM", "s", "MAXLEN", "1000"});
  EXPECT_EQ(ToText(producer->Call({"XRANGE", "s", "-", "+", "COUNT", "1"}).items[0].items[0]),
            fmt::format("\"{}-0\"", added - 999));
  EXPECT_EQ(ToText(producer->Call({"DEL", "s"})), "1");
  EXPECT_TRUE(Eventually([&] { return InfoNumber(*producer, "cold_files") == 0; }));
  EXPECT_TRUE(std::filesystem::is_empty(server_->dir() + "/streams"));
}

TEST_F(ColdTest, AJournalLargerThanTheMemoryIsReadBack) {
  const Argv args = {"--stream-memory", "1mb", "--appendonly", "yes"};
  ServerProcess::Options options;
  options.args = args;
  TempDir dir;
  options.dir = dir.path();
  StartServer(options);
  const auto producer = Client();
  Fill(*producer);
  producer->Call({"XDEL", "s", "77"});
  server_->Kill();
  server_ = nullptr;
  StartServer(options);
  const auto reader = Client();
  EXPECT_EQ(ToText(reader->Call({"XLEN", "s"})), std::to_string(kEntries - 1));
  EXPECT_GT(InfoNumber(*reader, "cold_entries"), kEntries / 4);
  EXPECT_EQ(reader->Call({"XRANGE", "s", "77", "77"}).items.size(), 0u);
  for (int n = 101; n <= kEntries;) {
    const int next = ExpectEntries(
        reader->Call({"XRANGE", "s", std::to_string(n), "+", "COUNT", std::to_string(kPage)}), n);
    ASSERT_GT(next, n);
    n = next;
  }
}

// A snapshot names what is on the disk already instead of holding it once more, and what it names
// stays though the streams go on changing.
TEST_F(ColdTest, ASnapshotNamesWhatIsOnTheDisk) {
  const Argv args = {"--stream-memory", "1mb", "--appendonly", "yes", "--cold-compression", "none"};
  ServerProcess::Options options;
  options.args = args;
  TempDir dir;
  options.dir = dir.path();
  StartServer(options);
  auto client = Client();
  Fill(*client);
  const auto save = [&] { EXPECT_EQ(ToText(client->Call({"SAVE"})), "+OK"); };
  save();
  EXPECT_LT(InfoNumber(*client, "snapshot_last_bytes"), 8'000'000);
  EXPECT_GT(InfoNumber(*client, "cold_files_bytes"), 40'000'000);
  EXPECT_EQ(ToText(client->Call({"COPY", "s", "copy"})), "1");
  EXPECT_EQ(ToText(client->Call({"XTRIM", "s", "MAXLEN", "100"})), std::to_string(kEntries - 100));
  const auto restart = [&] {
    server_->Kill();
    server_ = nullptr;
    StartServer(options);
    client = Client();
  };
  const auto expect_all_of_copy = [&] {
    for (int n = 1; n <= kEntries;) {
      const int next = ExpectEntries(
          client->Call({"XRANGE", "copy", std::to_string(n), "+", "COUNT", std::to_string(kPage)}),
          n);
      ASSERT_GT(next, n);
      n = next;
    }
  };
  // From the snapshot and what the journal says behind it, then from a snapshot with a copy.
  restart();
  EXPECT_EQ(ToText(client->Call({"XLEN", "s"})), "100");
  expect_all_of_copy();
  save();
  restart();
  expect_all_of_copy();
  // Nobody needs the files any more, and no snapshot either.
  EXPECT_EQ(ToText(client->Call({"DEL", "s", "copy"})), "2");
  save();
  EXPECT_TRUE(Eventually([&] { return InfoNumber(*client, "cold_files_bytes") == 0; }));
}

// A pipe that ends with a command which has to wait for the disk still gets its answer.
TEST_F(ColdTest, WhoClosesItsSideIsAnswered) {
  StartServer(Argv{"--stream-memory", "1mb"});
  const auto producer = Client();
  Fill(*producer);
  const auto client = Client();
  client->Send({"XRANGE", "s", "5", "5"});
  client->Send({"XLEN", "s"});
  client->CloseWriting();
  EXPECT_EQ(ExpectEntries(client->Read(), 5), 6);
  EXPECT_EQ(client->Read(), Reply::Integer(kEntries));
  EXPECT_EQ(client->Read(), Reply::Closed());
}

TEST_F(ColdTest, SettingsChangeWhileItRuns) {
  StartServer(Argv{"--stream-memory", "0"});
  const auto client = Client();
  Fill(*client);
  EXPECT_EQ(InfoNumber(*client, "cold_entries"), 0);
  EXPECT_EQ(
      ToText(client->Call({"CONFIG", "SET", "cold-compression", "zstd", "stream-memory", "2mb"})),
      "+OK");
  EXPECT_TRUE(Eventually([&] { return InfoNumber(*client, "stream_hot_bytes") < 2'200'000; }));
  EXPECT_EQ(ExpectEntries(client->Call({"XRANGE", "s", "-", "+", "COUNT", "2000"}), 1), 2001);
}

}  // namespace
}  // namespace runnel::test
