// A backlog that is larger than the memory it may take.
#include <fmt/format.h>

#include <algorithm>
#include <filesystem>

#include "tests/process/server_test.h"

namespace runnel::test {
namespace {

namespace fs = std::filesystem;
using testing::AllOf;
using testing::HasSubstr;

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
  StartServer(Argv{"--stream-memory", "1mb", "--snapshot-journal-bytes", "0"});
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
    // After it in the pipeline, and answered after it.
    reader->Send({"XACK", "s", "g", std::to_string(next)});
    Append(*producer, added + 1, added + 10);
    added += 10;
    next = ExpectEntries(reader->Read().items[0].items[1], next);
    EXPECT_EQ(reader->Read(), Reply::Integer(1));
    if (HasFailure()) return;
  }
  EXPECT_EQ(InfoNumber(*producer, "cold_blocking_reads"), 0);
  // A reader that is faster than the disk finds nothing that was read ahead: this one takes breaks.
  n = 1;
  EXPECT_TRUE(Eventually([&] {
    n = ExpectEntries(
        reader->Call({"XRANGE", "s", std::to_string(n), "+", "COUNT", std::to_string(kPage)}), n);
    if (n > kEntries) n = 1;
    return InfoNumber(*producer, "cold_read_ahead_hits") > 100;
  }));

  EXPECT_GT(InfoNumber(*producer, "cold_files_bytes"), 1'000'000);
  producer->Call({"XTRIM", "s", "MAXLEN", "1000"});
  EXPECT_EQ(ToText(producer->Call({"XRANGE", "s", "-", "+", "COUNT", "1"}).items[0].items[0]),
            fmt::format("\"{}-0\"", added - 999));
  EXPECT_EQ(ToText(producer->Call({"DEL", "s"})), "1");
  EXPECT_TRUE(Eventually([&] { return InfoNumber(*producer, "cold_files") == 0; }));
  EXPECT_TRUE(std::filesystem::is_empty(server_->dir() + "/streams"));
}

TEST_F(ColdTest, AJournalLargerThanTheMemoryIsReadBack) {
  const Argv args = {"--stream-memory", "1mb", "--snapshot-journal-bytes", "0"};
  ServerProcess::Options options;
  options.args = args;
  TempDir dir;
  options.dir = dir.path();
  StartServer(options);
  const auto producer = Client();
  Fill(*producer);
  producer->Call({"XDEL", "s", "77"});
  KillAndStart(options);
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
  const Argv args = {"--stream-memory",    "1mb", "--snapshot-journal-bytes", "0",
                     "--cold-compression", "none"};
  ServerProcess::Options options;
  options.args = args;
  TempDir dir;
  options.dir = dir.path();
  StartServer(options);
  auto client = Client();
  Fill(*client);
  const auto save = [&] { EXPECT_EQ(ToText(client->Call({"SAVE"})), "+OK"); };
  EXPECT_TRUE(Eventually([&] { return InfoNumber(*client, "stream_hot_bytes") < 1'100'000; }));
  save();
  EXPECT_LT(InfoNumber(*client, "snapshot_last_bytes"), 8'000'000);
  EXPECT_GT(InfoNumber(*client, "cold_files_bytes"), 40'000'000);
  EXPECT_EQ(ToText(client->Call({"COPY", "s", "copy"})), "1");
  EXPECT_EQ(ToText(client->Call({"XTRIM", "s", "MAXLEN", "100"})), std::to_string(kEntries - 100));
  const auto restart = [&] {
    KillAndStart(options);
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
  // From the snapshot and the journal after it, then from a snapshot with a copy.
  restart();
  EXPECT_EQ(ToText(client->Call({"XLEN", "s"})), "100");
  expect_all_of_copy();
  save();
  restart();
  expect_all_of_copy();
  // Nobody needs the files any more but the snapshot before the newest, until the next.
  EXPECT_EQ(ToText(client->Call({"DEL", "s", "copy"})), "2");
  save();
  EXPECT_GT(InfoNumber(*client, "cold_files_bytes"), 40'000'000);
  save();
  EXPECT_TRUE(Eventually([&] { return InfoNumber(*client, "cold_files_bytes") == 0; }));
}

// What the newest snapshot names is missing: the start says which file, and what to do next.
TEST_F(ColdTest, AMissingFileStopsTheStartAndAnEmptiedOneIsNamed) {
  ServerProcess::Options options;
  options.args = {"--stream-memory", "1mb", "--snapshot-journal-bytes", "0"};
  TempDir dir;
  options.dir = dir.path();
  StartServer(options);
  Fill(*Client());
  EXPECT_EQ(Ask(*Client(), "SAVE"), "+OK");
  server_->Kill();
  server_ = nullptr;
  const auto check = [&] {
    const Checked checked = RunCheck({options.dir});
    return checked.exit + "\n" + checked.text;
  };
  EXPECT_THAT(check(), AllOf(HasSubstr("exit 0"), HasSubstr(".snap: good, 1 keys")));

  fs::path file;  // the one with the oldest entries
  for (const auto& entry : fs::directory_iterator(dir.path() / "streams")) {
    if (file.empty() || entry.path() < file) file = entry.path();
  }
  const std::string name = "streams/" + file.filename().string();
  const fs::path moved = dir.path() / "moved";
  fs::rename(file, moved);
  {
    Program server(
        ServerCommand({"--port", "0", "--unixsocket", "socket", "--dir", dir.path().string()}));
    EXPECT_EQ(ToText(server.WaitExit()), "exit 1");
    EXPECT_THAT(
        server.Output() + server.Errors(),
        HasSubstr("has entries in the file " + name + ", which is missing: put the file back"));
  }
  EXPECT_THAT(check(), AllOf(HasSubstr("exit 1"), HasSubstr(name)));

  fs::copy_file(moved, file);
  fs::resize_file(file, 0);
  StartServer(options);
  EXPECT_TRUE(LogShows("The file " + name + " of cold entries has 0 bytes"));
  EXPECT_TRUE(LogShows("put the file back"));
  const auto client = Client();
  EXPECT_THAT(client->Call({"XRANGE", "s", "1", "1"}).text, HasSubstr(name));
  EXPECT_EQ(ExpectEntries(client->Call({"XRANGE", "s", "50000", "+"}), kEntries), kEntries + 1);
  EXPECT_EQ(Ask(*client, "XLEN s"), std::to_string(kEntries));
  server_->Kill();
  server_ = nullptr;
  EXPECT_THAT(check(), AllOf(HasSubstr("exit 1"), HasSubstr(name)));

  // Nothing is lost when it is put back.
  fs::remove(file);
  fs::rename(moved, file);
  StartServer(options);
  EXPECT_EQ(ExpectEntries(Client()->Call({"XRANGE", "s", "1", "10"}), 1), 11);
}

// Old entries go to the disk before maxmemory refuses new ones, though stream-memory is larger.
TEST_F(ColdTest, MaxmemoryBoundsWhatStaysInMemory) {
  constexpr int64_t kMaxmemory = 40 << 20;
  StartServer(Argv{"--maxmemory", "40mb", "--stream-memory", "256mb"});
  EXPECT_TRUE(
      LogShows("stream-memory is 268435456, more than half of maxmemory, 41943040: old "
               "entries go to the disk when they take more than 20971520"));
  const auto producer = Client();
  for (int n = 1; n <= kEntries; n += kPage) {
    Append(*producer, n, n + kPage - 1);
    if (HasFailure()) return;
    // The writer is given the time that it takes.
    EXPECT_TRUE(Eventually(
        [&] { return InfoNumber(*producer, "stream_hot_bytes") < kMaxmemory / 2 + kPage * 2000; }));
  }
  EXPECT_GT(InfoNumber(*producer, "cold_entries"), kEntries / 3);
  // It follows the directives.
  EXPECT_EQ(Ask(*producer, "CONFIG SET maxmemory 20mb"), "+OK");
  EXPECT_TRUE(
      Eventually([&] { return InfoNumber(*producer, "stream_hot_bytes") < kMaxmemory / 4; }));
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

class ColdListTest : public ColdTest {
 protected:
  // Pushes the values `first` to `last` at the left end.
  static void Push(RespClient& client, int first, int last) {
    for (int begin = first; begin <= last; begin += kPage) {
      const int end = std::min(begin + kPage, last + 1);
      std::string requests;
      for (int n = begin; n < end; n++) {
        requests += EncodeCommand({"LPUSH", "l", Value(n)});
      }
      client.SendRaw(requests);
      for (int n = begin; n < end; n++) {
        ASSERT_FALSE(client.Read().is_error());
      }
    }
  }
  // Takes the values `first` to `last` from the right end, `command` by `command`.
  static void Pop(RespClient& client, const Argv& command, int first, int last) {
    std::string requests;
    for (int n = first; n <= last; n++) {
      requests += EncodeCommand(command);
    }
    client.SendRaw(requests);
    for (int n = first; n <= last; n++) {
      const Reply reply = client.Read();
      ASSERT_EQ(reply.items.empty() ? reply.text : reply.items[1].text, Value(n));
    }
  }
  // The `count` values from `oldest` on lie from the right end to the left.
  static void ExpectPages(RespClient& client, int oldest, int count) {
    for (int n = 0; n < count; n += kPage) {
      const Reply page =
          client.Call({"LRANGE", "l", std::to_string(-n - kPage), std::to_string(-n - 1)});
      ASSERT_EQ(page.items.size(), static_cast<size_t>(std::min(kPage, count - n)));
      int value = oldest + n;
      for (auto item = page.items.rbegin(); item != page.items.rend(); ++item, value++) {
        ASSERT_EQ(item->text, Value(value));
      }
    }
  }
};

TEST_F(ColdListTest, AQueueLargerThanItsMemoryIsDrainedWhileAProducerGoesOn) {
  ServerProcess::Options options;
  options.args = {"--stream-memory", "1mb", "--snapshot-journal-bytes", "0"};
  TempDir dir;
  options.dir = dir.path();
  StartServer(options);
  auto producer = Client();
  auto consumer = Client();
  Push(*producer, 1, kEntries);
  // Two runs at each end are kept, and less than one more is not worth writing.
  EXPECT_TRUE(Eventually([&] { return InfoNumber(*producer, "stream_hot_bytes") < 1'400'000; }));
  EXPECT_GT(InfoNumber(*producer, "cold_entries"), kEntries - 1700);
  ExpectPages(*consumer, 1, kEntries);

  int added = kEntries;
  int taken = 0;
  const auto drain = [&](const Argv& command, int until) {
    for (int step = 0; taken < until && !HasFailure(); step++) {
      if (step % 2 == 0) Push(*producer, added + 1, added + 10);
      if (step % 2 == 0) added += 10;
      const int last = std::min(taken + 50, until);
      Pop(*consumer, command, taken + 1, last);
      taken = last;
    }
  };
  drain({"RPOP", "l"}, kEntries / 2);
  EXPECT_EQ(InfoNumber(*producer, "cold_blocking_reads"), 0);
  // A consumer that is faster than the disk finds nothing that was read ahead: it takes breaks.
  EXPECT_TRUE(Eventually([&] {
    drain({"RPOP", "l"}, taken + 50);
    return taken >= kEntries || InfoNumber(*producer, "cold_read_ahead_hits") > 20;
  }));
  EXPECT_GT(InfoNumber(*producer, "cold_read_ahead_hits"), 20);

  KillAndStart(options);
  producer = Client();
  consumer = Client();
  EXPECT_EQ(ToText(producer->Call({"LLEN", "l"})), std::to_string(added - taken));
  EXPECT_TRUE(Eventually([&] { return InfoNumber(*producer, "stream_hot_bytes") < 1'400'000; }));
  EXPECT_GT(InfoNumber(*producer, "cold_entries"), kEntries / 2 - 1700);
  ExpectPages(*consumer, taken + 1, added - taken);
  drain({"BRPOP", "l", "0"}, added - 1000);
  while (taken < added && !HasFailure()) {
    Pop(*consumer, {"BRPOP", "l", "0"}, taken + 1, std::min(taken + 50, added));
    taken = std::min(taken + 50, added);
  }
  // Pops that the journal repeats read nothing either.
  EXPECT_EQ(InfoNumber(*producer, "cold_blocking_reads"), 0);
  EXPECT_EQ(ToText(producer->Call({"EXISTS", "l"})), "0");
  EXPECT_TRUE(Eventually([&] { return InfoNumber(*producer, "cold_files") == 0; }));
}

TEST_F(ColdListTest, ASnapshotNamesWhatIsOnTheDisk) {
  ServerProcess::Options options;
  options.args = {"--stream-memory",    "1mb", "--snapshot-journal-bytes", "0",
                  "--cold-compression", "none"};
  TempDir dir;
  options.dir = dir.path();
  StartServer(options);
  auto client = Client();
  Push(*client, 1, kEntries);
  EXPECT_EQ(ToText(client->Call({"LSET", "l", "-25001", "changed"})), "+OK");
  EXPECT_TRUE(Eventually([&] { return InfoNumber(*client, "stream_hot_bytes") < 1'400'000; }));
  EXPECT_EQ(ToText(client->Call({"SAVE"})), "+OK");
  EXPECT_LT(InfoNumber(*client, "snapshot_last_bytes"), 8'000'000);
  EXPECT_EQ(ToText(client->Call({"COPY", "l", "copy"})), "1");
  EXPECT_EQ(ToText(client->Call({"LTRIM", "l", "100", "20099"})), "+OK");
  for (int round = 0; round < 2; round++) {
    KillAndStart(options);
    client = Client();
    EXPECT_EQ(ToText(client->Call({"LLEN", "l"})), "20000");
    ExpectPages(*client, kEntries - 20'099, 20'000);
    EXPECT_EQ(ToText(client->Call({"LLEN", "copy"})), std::to_string(kEntries));
    EXPECT_EQ(client->Call({"LINDEX", "copy", "-25001"}).text, "changed");
    EXPECT_EQ(client->Call({"LINDEX", "copy", "-25002"}).text, Value(25'002));
    EXPECT_EQ(ToText(client->Call({"SAVE"})), "+OK");
  }
  // Two snapshots are kept.
  EXPECT_EQ(ToText(client->Call({"DEL", "l", "copy"})), "2");
  EXPECT_EQ(ToText(client->Call({"SAVE"})), "+OK");
  EXPECT_EQ(ToText(client->Call({"SAVE"})), "+OK");
  EXPECT_TRUE(Eventually([&] { return InfoNumber(*client, "cold_files_bytes") == 0; }));
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
