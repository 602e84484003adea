// The journal as users meet it: what a restart keeps, what the server says about files that are not
// whole, and what runnel-check does about them.
#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <map>
#include <random>

#include "tests/process/server_test.h"
#include "tests/sim/crash_workload.h"
#include "tests/support/quote.h"

namespace runnel::test {
namespace {

using testing::AnyOf;
using testing::ContainsRegex;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

namespace fs = std::filesystem;

constexpr uint64_t kSegmentBytes = 64 * 1024;
constexpr const char* kDatabases[] = {"0", "1", "2"};  // that the tests use

constexpr uint64_t kHeaderBytes = 40;  // of a frame

class JournalTest : public ServerTest {
 protected:
  // A server on dir_, after the one before has ended well.
  void Start(Argv args = {}) {
    ServerProcess::Options options;
    options.dir = dir_.string();
    options.args = {"--journal-segment-bytes", std::to_string(kSegmentBytes)};
    options.args.insert(options.args.end(), args.begin(), args.end());
    StartServer(options);
  }
  void Kill() {
    EXPECT_EQ(ToText(server_->Kill()), "signal 9");
    server_ = nullptr;
  }
  void Stop() {
    EXPECT_EQ(ToText(server_->Stop()), "exit 0");
    server_ = nullptr;
  }
  // Tries to start a server that refuses to; what it says.
  std::string RefusedStart() {
    Program server(ServerCommand(
        {"--port", "0", "--unixsocket", "socket", "--dir", dir_.string(), "--journal", "yes"}));
    EXPECT_EQ(ToText(server.WaitExit()), "exit 1");
    return server.Output();
  }

  // runnel-check with the journal's directory and these arguments.
  Checked CheckJournal(Argv args) {
    args.insert(args.begin(), Journal());
    return RunCheck(args);
  }
  // Where the frames end.
  uint64_t End() {
    const std::string text = CheckJournal({}).text;
    const std::string before = "good up to position ";
    return std::stoull(text.substr(text.find(before) + before.size()));
  }

  std::string Journal() const { return dir_.string() + "/journal"; }
  // All files of the directory and what is in them, but for the locks.
  std::map<std::string, std::string> Files() const {
    std::map<std::string, std::string> files;
    for (const auto& entry : fs::recursive_directory_iterator(dir_.path())) {
      if (entry.is_regular_file() && entry.path().filename() != "runnel.lock") {
        files[entry.path().string()] = ReadFile(entry.path().string());
      }
    }
    return files;
  }
  // The segments in order, by the position of their first byte.
  std::map<uint64_t, std::string> Segments() const {
    std::map<uint64_t, std::string> segments;
    for (const auto& [path, content] : Files()) {
      if (path.ends_with(".log")) segments[std::stoull(fs::path(path).stem())] = path;
    }
    return segments;
  }
  // Writes over the journal's bytes at this position.
  void Overwrite(uint64_t position, const std::string& bytes) {
    const auto segments = Segments();
    const auto segment = std::prev(segments.upper_bound(position));
    std::fstream file(segment->second, std::ios::binary | std::ios::in | std::ios::out);
    file.seekp(static_cast<std::streamoff>(position - segment->first));
    file << bytes;
  }

  static bool SomethingExpiresSoon(RespClient& client) {
    constexpr int64_t kSoonMs = 10'000'000;
    bool soon = false;
    for (const char* db : kDatabases) {
      client.Call({"SELECT", db});
      for (const Reply& key : client.Call({"KEYS", "*"}).items) {
        const int64_t ms = client.Call({"PTTL", key.text}).integer;
        soon |= ms >= 0 && ms < kSoonMs;
        // Fields of hashes have times of their own.
        if (client.Call({"TYPE", key.text}).text != "hash") continue;
        for (const Reply& field : client.Call({"HKEYS", key.text}).items) {
          const Reply ttl = client.Call({"HPTTL", key.text, "FIELDS", "1", field.text});
          const int64_t field_ms = ttl.items.empty() ? -2 : ttl.items.front().integer;
          soon |= field_ms >= 0 && field_ms < kSoonMs;
        }
      }
    }
    client.Call({"SELECT", "0"});
    return soon;
  }

  // Takes the values of seen-time out of XINFO STREAM FULL. Polls that found nothing are told there
  // but not kept; DUMP has the times that are kept.
  static void DropSeenTimes(Reply* info) {
    for (size_t i = 0; i < info->items.size(); i++) {
      if (info->items[i].text == "seen-time" && i + 1 < info->items.size()) {
        info->items[i + 1] = Reply();
      }
      DropSeenTimes(&info->items[i]);
    }
  }

  // All that the keys of the first databases hold, in words.
  static std::map<std::string, std::string> Content(RespClient& client) {
    std::map<std::string, std::string> content;
    for (const char* db : kDatabases) {
      client.Call({"SELECT", db});
      for (const Reply& key : client.Call({"KEYS", "*"}).items) {
        std::string& text = content[std::string(db) + " " + key.text];
        for (const Argv& question :
             {Argv{"TYPE", key.text}, Argv{"PEXPIRETIME", key.text}, Argv{"DUMP", key.text}}) {
          text += ToText(client.Call(question)) + "\n";
        }
        Reply info = client.Call({"XINFO", "STREAM", key.text, "FULL", "COUNT", "0"});
        DropSeenTimes(&info);
        if (!info.is_error()) text += ToText(info);
      }
    }
    client.Call({"SELECT", "0"});
    return content;
  }

  TempDir dir_;
};

TEST_F(JournalTest, ARestartKeepsEverything) {
  Start();
  std::unique_ptr<RespClient> client = Client();
  for (const char* line : {"SET text value",
                           "SET expiring value EX 100000",
                           "APPEND text -more",
                           "SETRANGE text 9 x",
                           "RPUSH list a b c d",
                           "LMOVE list other LEFT RIGHT",
                           "LSET list 0 B",
                           "LREM list 1 c",
                           "PEXPIRE list 100000000",
                           "XADD stream 1-1 f v g w",
                           "XADD stream 2-0 f v",
                           "XADD stream 3-0 f v",
                           "XADD stream 4-0 f v",
                           "XDEL stream 2-0",
                           "XGROUP CREATE stream group 0",
                           "XGROUP CREATE stream other 3-0 ENTRIESREAD 2",
                           "XREADGROUP GROUP group ann COUNT 2 STREAMS stream >",
                           "XACK stream group 1-1",
                           "XREADGROUP GROUP group bob STREAMS stream >",
                           "XCLAIM stream group ann 0 4-0 RETRYCOUNT 7",
                           "XNACK stream group FAIL IDS 1 3-0",
                           "XGROUP CREATECONSUMER stream group idle",
                           "XADD messages IDMP producer one * f v",
                           "XCFGSET messages IDMP-DURATION 1000",
                           "XADD messages IDMP producer one * f v",
                           "XADD messages IDMP producer two * f v",
                           "XGROUP CREATE empty group $ MKSTREAM",
                           "SELECT 1",
                           "SET elsewhere 1",
                           "COPY elsewhere copied DB 2"}) {
    EXPECT_FALSE(client->Call(SplitWords(line).value()).is_error()) << line;
  }
  client->Call({"SELECT", "0"});
  const std::string id = Ask(*client, "XADD messages IDMP producer two * f v");
  const auto content = Content(*client);
  EXPECT_EQ(content.size(), 9u);
  Kill();
  Start();
  EXPECT_EQ(Content(*Client()), content);
  Stop();
  Start();
  client = Client();
  EXPECT_EQ(Content(*client), content);
  EXPECT_EQ(Ask(*client, "XADD messages IDMP producer two * f v"), id);
  EXPECT_EQ(Ask(*client, "XLEN messages"), "3");
}

// Commands of all types, as the crash simulation draws them.
TEST_F(JournalTest, ARestartKeepsWhatRandomCommandsMade) {
  const uint64_t seed = std::random_device()();
  SCOPED_TRACE(fmt::format("seed {}", seed));
  sim::CrashWorkload workload(seed);
  Start();
  for (int round = 0; round < 4; ++round) {
    std::unique_ptr<RespClient> client = Client();
    for (const char* stream : {"s1", "s2", "s3", "t1", "t2"}) {
      client->Call({"XGROUP", "CREATE", stream, "g1", "0", "MKSTREAM"});
    }
    for (int i = 0; i < 1500; ++i) {
      const Argv command = workload.Next(false);
      const Reply reply = client->Call(command);
      ASSERT_FALSE(reply.is_note()) << ToText(reply);
      workload.Learn(command, reply);
    }
    // Time alone changes nothing any more.
    for (const char* stream : {"t1", "t2"}) {
      client->Call({"XCFGSET", stream, "RETENTION-MS", "0"});
    }
    EXPECT_TRUE(Eventually([&] { return !SomethingExpiresSoon(*client); }));
    const auto content = Content(*client);
    if (round % 2 == 0) {
      Kill();
    } else {
      Stop();
    }
    Start();
    ASSERT_EQ(Content(*Client()), content);
  }
}

TEST_F(JournalTest, ATornTailIsCutAndSaid) {
  Start({"--appendfsync", "always"});
  EXPECT_EQ(Ask(*Client(), "SET first 1"), "+OK");
  Kill();
  const uint64_t first_end = End();
  Start({"--appendfsync", "always"});
  EXPECT_EQ(Ask(*Client(), "SET second 1"), "+OK");
  Kill();
  const uint64_t second_end = End();
  ASSERT_GT(second_end, first_end);
  // Noise after the end.
  Overwrite(second_end, "noise");
  EXPECT_THAT(CheckJournal({}).text, HasSubstr("torn tail"));
  Start();
  EXPECT_THAT(server_->Log(),
              ContainsRegex("torn tail: .*5 bytes lie after it, .*They are cut off"));
  EXPECT_EQ(Ask(*Client(), "EXISTS first second"), "2");
  EXPECT_EQ(Ask(*Client(), "SET third 1"), "+OK");
  Kill();
  const uint64_t third_end = End();
  ASSERT_GT(third_end, second_end);
  // The last frame lacks its end.
  Overwrite(third_end - 3, std::string(3, '\0'));
  Start();
  // Each start adds a frame without records.
  const uint64_t third_begin = second_end + kHeaderBytes;
  EXPECT_THAT(server_->Log(), ContainsRegex(fmt::format("{} bytes lie after it, .*They are cut off",
                                                        third_end - 3 - third_begin)));
  EXPECT_TRUE(fs::exists(Journal() + fmt::format("/cut-000002-{:020}.tail", third_begin)));
  EXPECT_EQ(Ask(*Client(), "EXISTS first second third"), "2");
  EXPECT_EQ(Ask(*Client(), "SET fourth 1"), "+OK");
  Kill();
  // What the start has found was on the disk then: if it is not there now, that is damage.
  const std::string whole = ReadFile(Segments().begin()->second);
  Overwrite(second_end - 3, std::string(3, '\0'));
  EXPECT_THAT(RefusedStart(), HasSubstr("damage"));
  Overwrite(0, whole);
  Start();
  EXPECT_EQ(Ask(*Client(), "EXISTS first second third fourth"), "3");
}

TEST_F(JournalTest, DamageInTheMiddleStopsTheStart) {
  Start({"--appendfsync", "always"});
  std::unique_ptr<RespClient> client = Client();
  for (int i = 0; i < 10; ++i) {
    EXPECT_EQ(Ask(*client, fmt::format("SET key:{} value", i)), "+OK");
  }
  Kill();
  const std::string segment = Segments().begin()->second;
  const std::string whole = ReadFile(segment);
  // The frame after the one that the start has made.
  Overwrite(2 * kHeaderBytes + 1, "X");
  const auto files = Files();
  EXPECT_THAT(RefusedStart(),
              AllOf(HasSubstr("Cannot start: journal/00000000000000000000.log, offset 40 (position "
                              "40): damage"),
                    HasSubstr("Nothing was changed. "), HasSubstr("'runnel-check --cut 40'")));
  EXPECT_EQ(Files(), files);
  EXPECT_EQ(CheckJournal({}).exit, "exit 1");
  EXPECT_EQ(Files(), files);
  Overwrite(0, whole.substr(0, 200));
  Start();
  EXPECT_EQ(Ask(*Client(), "DBSIZE"), "10");
}

// A file system that is not mounted, and files that somebody has emptied.
TEST_F(JournalTest, WhatIsMissingStopsTheStart) {
  Start({"--appendfsync", "no"});
  EXPECT_EQ(Ask(*Client(), "SET key value"), "+OK");
  Kill();
  const std::string segment = Segments().begin()->second;
  fs::rename(Journal(), dir_.string() + "/elsewhere");
  EXPECT_THAT(RefusedStart(), HasSubstr("Was the file system not mounted?"));
  EXPECT_FALSE(fs::exists(Journal()));
  fs::rename(dir_.string() + "/elsewhere", Journal());
  const std::string bytes = ReadFile(segment);
  fs::resize_file(segment, 0);
  const auto files = Files();
  EXPECT_THAT(RefusedStart(),
              AllOf(HasSubstr("journal/00000000000000000000.log, offset 0 (position 0): lost end"),
                    HasSubstr("it has 0.")));
  EXPECT_EQ(Files(), files);
  std::ofstream(segment, std::ios::binary) << bytes;
  Start();
  EXPECT_EQ(Ask(*Client(), "DBSIZE"), "1");
}

TEST_F(JournalTest, ALaterVersionIsNotTouched) {
  Start();
  EXPECT_EQ(Ask(*Client(), "SET key value"), "+OK");
  Kill();
  Overwrite(3, "\x03");
  // The note says that nobody has written such a frame.
  EXPECT_THAT(RefusedStart(), HasSubstr("damage"));
  fs::remove(dir_.string() + "/journal.note");
  const auto files = Files();
  EXPECT_THAT(RefusedStart(), HasSubstr("newer version"));
  EXPECT_EQ(Files(), files);
}

TEST_F(JournalTest, RunnelCheckLooksAndCutsWhenTold) {
  Start({"--appendfsync", "always"});
  std::unique_ptr<RespClient> client = Client();
  EXPECT_EQ(Ask(*client, "SET key value"), "+OK");
  EXPECT_EQ(Ask(*client, "RPUSH list a b"), "2");
  Kill();
  const auto files = Files();
  const uint64_t end = End();
  EXPECT_EQ(CheckJournal({}).exit, "exit 0");
  EXPECT_THAT(CheckJournal({}).text, ContainsRegex("00000000000000000000.log +65536"));
  const std::string dump = CheckJournal({"--dump"}).text;
  EXPECT_THAT(dump, ContainsRegex("position 0  epoch [0-9]+  records 0"));
  EXPECT_THAT(dump, ContainsRegex("position 40  epoch [0-9]+  records 1"));
  EXPECT_THAT(dump, HasSubstr("\n  string-set 0:\"key\" \"value\" never\n"));
  const std::string about_list = CheckJournal({"--key", "list"}).text;
  EXPECT_THAT(about_list, HasSubstr("\n  list-push 0:\"list\" 1 [\"a\", \"b\"]\n"));
  EXPECT_THAT(about_list, Not(HasSubstr("string-set")));
  EXPECT_THAT(CheckJournal({"--dump", "--hex"}).text, HasSubstr("  00000000  "));
  // The frame of the second command.
  const size_t found = dump.find("position ", dump.find("position 40 ") + 1);
  const std::string second = std::to_string(std::stoull(dump.substr(found + 9)));
  EXPECT_THAT(CheckJournal({"--dump", "--from", second}).text, Not(HasSubstr("position 40 ")));
  EXPECT_EQ(CheckJournal({"--cut", second}).exit, "exit 2");
  EXPECT_EQ(Files(), files) << "it looks only";
  EXPECT_EQ(End(), end);
  EXPECT_EQ(CheckJournal({"--cut", second, "--yes"}).exit, "exit 0");
  EXPECT_EQ(std::to_string(End()), second);
  Start();
  EXPECT_EQ(Ask(*Client(), "EXISTS key list"), "1");
  EXPECT_THAT(CheckJournal({"--cut", second, "--yes"}).text, HasSubstr("in use"));
}

TEST_F(JournalTest, OthersMayNotReadTheFiles) {
  const mode_t before = umask(0);
  Start();
  umask(before);
  const std::string value(kSegmentBytes / 4, 'v');
  std::unique_ptr<RespClient> client = Client();
  // A segment that is full takes more while the next one is not ready.
  EXPECT_TRUE(Eventually([&] {
    EXPECT_EQ(ToText(client->Call({"SET", "key", value})), "+OK");
    return Segments().size() > 2;
  }));
  EXPECT_EQ(fs::status(Journal()).permissions() & fs::perms(0027), fs::perms::none);
  for (const auto& entry : fs::recursive_directory_iterator(Journal())) {
    EXPECT_EQ(entry.status().permissions() & fs::perms(0137), fs::perms::none) << entry.path();
  }
}

TEST_F(JournalTest, WithoutItNothingIsKept) {
  Start({"--journal", "no", "--save", ""});
  std::unique_ptr<RespClient> client = Client();
  EXPECT_EQ(Ask(*client, "SET key value"), "+OK");
  EXPECT_EQ(InfoField(*client, "aof_enabled"), "0");
  EXPECT_EQ(Ask(*client, "WAITAOF 1 0 0"),
            "-\"ERR WAITAOF cannot be used when numlocal is set but appendonly is disabled.\"");
  EXPECT_THAT(Files(), IsEmpty());
  Stop();
  EXPECT_THAT(Files(), IsEmpty());
  Start({"--journal", "no", "--save", ""});
  EXPECT_EQ(Ask(*Client(), "DBSIZE"), "0");
}

TEST_F(JournalTest, ThePolicyCanBeChangedWhileItRuns) {
  Start({"--appendfsync", "no"});
  std::unique_ptr<RespClient> client = Client();
  const auto durable = [&] { return InfoNumber(*client, "journal_durable_position"); };
  const auto written = [&] { return InfoNumber(*client, "journal_written_position"); };
  EXPECT_EQ(Ask(*client, "SET a 1"), "+OK");
  EXPECT_LT(durable(), written());
  EXPECT_EQ(Ask(*client, "CONFIG SET appendfsync always"), "+OK");
  EXPECT_EQ(Ask(*client, "CONFIG GET appendfsync"), "[\"appendfsync\", \"always\"]");
  EXPECT_EQ(Ask(*client, "SET a 2"), "+OK");
  EXPECT_EQ(durable(), written());
  EXPECT_EQ(Ask(*client, "WAITAOF 1 0 0"), "[1, 0]");
  EXPECT_EQ(Ask(*client, "CONFIG SET appendfsync everysec"), "+OK");
  EXPECT_EQ(Ask(*client, "SET a 3"), "+OK");
  EXPECT_TRUE(Eventually([&] { return durable() == written(); }));
  EXPECT_EQ(Ask(*client, "CONFIG SET appendfsync no"), "+OK");
  EXPECT_EQ(Ask(*client, "SET a 4"), "+OK");
  EXPECT_LT(durable(), written());
  // A client that asks for a sync gets it all the same.
  EXPECT_EQ(Ask(*client, "WAITAOF 1 0 0"), "[1, 0]");
  EXPECT_EQ(durable(), written());
  EXPECT_THAT(Ask(*client, "CONFIG SET appendfsync sometimes"), HasSubstr("ERR"));
  EXPECT_EQ(Ask(*client, "CONFIG GET appendfsync"), "[\"appendfsync\", \"no\"]");
}

TEST_F(JournalTest, InfoTellsOfIt) {
  Start({"--appendfsync", "always"});
  std::unique_ptr<RespClient> client = Client();
  EXPECT_EQ(InfoField(*client, "aof_enabled"), "1");
  EXPECT_EQ(InfoField(*client, "aof_last_write_status"), "ok");
  EXPECT_EQ(InfoField(*client, "journal_status"), "ok");
  EXPECT_EQ(InfoField(*client, "loading"), "0");
  const int64_t begin = InfoNumber(*client, "journal_end_position");
  EXPECT_EQ(begin, static_cast<int64_t>(kHeaderBytes));  // the start's own frame
  EXPECT_EQ(Ask(*client, "SET key value"), "+OK");
  const int64_t end = InfoNumber(*client, "journal_end_position");
  EXPECT_GT(end, begin);
  EXPECT_EQ(InfoNumber(*client, "journal_durable_position"), end);
  EXPECT_EQ(InfoNumber(*client, "aof_current_size"), end);
  Kill();
  EXPECT_EQ(static_cast<int64_t>(End()), end);
  Start();
  EXPECT_EQ(InfoNumber(*Client(), "journal_end_position"), end + begin);
  EXPECT_THAT(server_->Log(), HasSubstr(fmt::format("The journal ends at {}; 1 changes from 0 on "
                                                    "were read",
                                                    end)));
}

TEST_F(JournalTest, ACleanEndKnowsThatAllIsThere) {
  Start({"--appendfsync", "no"});
  EXPECT_EQ(Ask(*Client(), "SET key value"), "+OK");
  Stop();
  // What is damaged now had been synced, and must not be taken for a torn tail.
  Overwrite(End() - 41, "X");
  EXPECT_THAT(RefusedStart(), HasSubstr("damage"));
}

TEST_F(JournalTest, OnlyOneServerHasIt) {
  Start();
  EXPECT_THAT(RefusedStart(),
              HasSubstr(fmt::format("is in use by another process ({})", server_->pid())));
  EXPECT_EQ(Ask(*Client(), "SET key value"), "+OK");
}

}  // namespace
}  // namespace runnel::test
