#include "base/log.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <regex>
#include <string>

#include "base/assert.h"
#include "base/log_output.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace runnel {
namespace {

using ::testing::HasSubstr;
using ::testing::MatchesRegex;
using ::testing::StartsWith;

class LogTest : public ::testing::Test {
 protected:
  LogTest() {
    std::string name = testing::TempDir() + "log_test.XXXXXX";
    dir_ = ::mkdtemp(name.data());
    options_.path = Path("log");
  }
  ~LogTest() override {
    StopLogThread();
    EXPECT_EQ(OpenLog({}), "");
    SetLogLevel(LogLevel::kNotice);
    std::filesystem::remove_all(dir_);
  }

  std::string Path(const std::string& name) const { return dir_ / name; }
  std::string Read(const std::string& name) const {
    std::ifstream in(Path(name));
    return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
  }

  std::filesystem::path dir_;
  LogOptions options_;
};

TEST(PrintableTest, EscapesWhatIsNoText) {
  const std::pair<std::string, std::string> cases[] = {
      {"plain text", "plain text"},
      {"Zürich 東京 🙂", "Zürich 東京 🙂"},
      {"a\nb\rc\td", "a\\nb\\rc\\td"},
      {std::string("\x1b[31m\x07\x7f", 7) + std::string(1, '\0'), "\\x1b[31m\\x07\\x7f\\x00"},
      {"\xc2\x9b", "\\xc2\\x9b"},                    // a C1 control
      {"\xff\xfe", "\\xff\\xfe"},                    // never in UTF-8
      {"\xc0\x8a", "\\xc0\\x8a"},                    // an overlong line feed
      {"\xe0\x80\x8a", "\\xe0\\x80\\x8a"},           // likewise
      {"\xed\xa0\x80", "\\xed\\xa0\\x80"},           // a surrogate
      {"\xf4\x90\x80\x80", "\\xf4\\x90\\x80\\x80"},  // above U+10FFFF
      {"\xe6\x9d", "\\xe6\\x9d"},                    // cut short
  };
  for (const auto& [text, shown] : cases) {
    EXPECT_EQ(Printable(text), shown);
  }
}

TEST(FormatLogRecordTest, Plain) {
  const LogRecord record{LogLevel::kWarning, 1700000000123456, "it \"fails\""};
  EXPECT_THAT(FormatLogRecord(record, LogFormat::kPlain),
              MatchesRegex("[0-9]+ 1[45] Nov 2023 [0-9:]+\\.123 # it \"fails\"\n"));
}

TEST(FormatLogRecordTest, Json) {
  const LogRecord record{LogLevel::kNotice, 1700000000123456, "a \"b\" \\x00"};
  EXPECT_EQ(FormatLogRecord(record, LogFormat::kJson),
            "{\"time\":\"2023-11-14T22:13:20.123Z\",\"level\":\"notice\",\"pid\":" +
                std::to_string(getpid()) + ",\"message\":\"a \\\"b\\\" \\\\x00\"}\n");
}

TEST_F(LogTest, WritesFromItsThread) {
  ASSERT_EQ(OpenLog(options_), "");
  StartLogThread();
  for (int i = 0; i < 100; i++) {
    LogNotice("line {}", i);
  }
  LogVerbose("not shown");
  EXPECT_TRUE(FlushLog());
  const std::string log = Read("log");
  EXPECT_THAT(log, HasSubstr("* line 0\n"));
  EXPECT_THAT(log, HasSubstr("* line 99\n"));
  EXPECT_EQ(std::count(log.begin(), log.end(), '\n'), 100);
}

TEST_F(LogTest, AValueCannotForgeALine) {
  ASSERT_EQ(OpenLog(options_), "");
  LogNotice("the name is '{}'", "x\n1 01 Jan 2026 # forged\x1b[2J");
  EXPECT_THAT(Read("log"), HasSubstr("'x\\n1 01 Jan 2026 # forged\\x1b[2J'\n"));
}

TEST_F(LogTest, LongLinesAreCut) {
  ASSERT_EQ(OpenLog(options_), "");
  LogNotice("{}", std::string(1 << 20, 'x'));
  EXPECT_LT(Read("log").size(), 20000u);
  EXPECT_THAT(Read("log"), HasSubstr("xxx...\n"));
}

TEST_F(LogTest, ReopenFollowsRotation) {
  ASSERT_EQ(OpenLog(options_), "");
  StartLogThread();
  LogNotice("old");
  EXPECT_TRUE(FlushLog());
  std::filesystem::rename(Path("log"), Path("log.1"));
  ReopenLog();
  StopLogThread();
  LogNotice("new");
  EXPECT_THAT(Read("log.1"), HasSubstr("* old\n"));
  EXPECT_THAT(Read("log"), HasSubstr("* The log file was reopened\n"));
  EXPECT_THAT(Read("log"), HasSubstr("* new\n"));
}

TEST_F(LogTest, AFailedReopenKeepsTheOldFile) {
  ASSERT_EQ(OpenLog(options_), "");
  std::filesystem::rename(Path("log"), Path("log.1"));
  std::filesystem::create_directory(Path("log"));
  ReopenLog();
  LogNotice("after");
  EXPECT_THAT(Read("log.1"), HasSubstr("# The log file cannot be reopened"));
  EXPECT_THAT(Read("log.1"), HasSubstr("* after\n"));
}

TEST_F(LogTest, AFailedOpenSaysWhy) {
  options_.path = Path("missing/log");
  EXPECT_EQ(OpenLog(options_), "No such file or directory");
}

// A pipe that nobody empties: the callers go on, the queue stays bounded, and what was dropped is
// counted.
TEST_F(LogTest, ABlockedPipeDropsLinesInsteadOfWaiting) {
  ASSERT_EQ(mkfifo(options_.path.c_str(), 0600), 0);
  const int reader = open(options_.path.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC);
  ASSERT_GE(reader, 0);
  ASSERT_EQ(OpenLog(options_), "");
  StartLogThread();
  constexpr int kLines = 50000;
  for (int i = 0; i < kLines; i++) {
    LogNotice("line {} {}", i, std::string(100, 'x'));
  }
  // Each line comes now, or is counted as dropped.
  int written = 0;
  int dropped = 0;
  std::string log;
  char buffer[65536];
  const std::regex drop("# ([0-9]+) log lines after");
  while (written + dropped < kLines) {
    const ssize_t size = read(reader, buffer, sizeof(buffer));
    if (size > 0) log.append(buffer, static_cast<size_t>(size));
    for (size_t end; (end = log.find('\n')) != std::string::npos; log.erase(0, end + 1)) {
      const std::string line = log.substr(0, end);
      std::smatch count;
      if (std::regex_search(line, count, drop)) {
        dropped += std::stoi(count[1]);
      } else {
        written++;
      }
    }
  }
  EXPECT_EQ(written + dropped, kLines);
  EXPECT_GT(dropped, 0);
  StopLogThread();
  close(reader);
}

TEST_F(LogTest, SyslogGetsEachLine) {
  options_.syslog = true;
  options_.syslog_ident = "queue-7";
  options_.syslog_facility = SyslogFacility::kLocal3;
  options_.syslog_socket = Path("syslog");
  const int daemon = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  ASSERT_GE(daemon, 0);
  ASSERT_EQ(OpenLog(options_), "");
  LogNotice("nobody listens");
  LogNotice("nobody listens yet");
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  options_.syslog_socket.copy(address.sun_path, sizeof(address.sun_path) - 1);
  ASSERT_EQ(bind(daemon, reinterpret_cast<sockaddr*>(&address), sizeof(address)), 0);
  LogWarning("disk full\n");
  char buffer[4096];
  const ssize_t size = recv(daemon, buffer, sizeof(buffer), 0);
  ASSERT_GT(size, 0);
  const std::string line(buffer, static_cast<size_t>(size));
  EXPECT_THAT(line, StartsWith("<156>"));  // local3.warning
  EXPECT_THAT(line, HasSubstr(" queue-7[" + std::to_string(getpid()) + "]: disk full\\n"));
  EXPECT_THAT(Read("log"), HasSubstr("disk full"));
  // Once, not with each line.
  const std::string log = Read("log");
  const size_t first = log.find("log daemon at");
  EXPECT_NE(first, std::string::npos);
  EXPECT_EQ(log.find("log daemon at", first + 1), std::string::npos);
  close(daemon);
}

using LogDeathTest = LogTest;

TEST_F(LogDeathTest, WhatWasLoggedBeforeAnAbortIsThere) {
  testing::GTEST_FLAG(death_test_style) = "threadsafe";
  const std::string path = testing::TempDir() + "log_death_test.log";
  const auto die = [&](bool check) {
    LogOptions options;
    options.path = path;
    OpenLog(options);
    FlushLogOnFatalSignals();
    StartLogThread();
    for (int i = 0; i < 1000; i++) {
      LogNotice("line {}", i);
    }
    LogNotice("the last words");
    CHECK(!check);
    std::abort();
  };
  for (const bool check : {true, false}) {
    std::filesystem::remove(path);
    EXPECT_DEATH(die(check), "");
    std::ifstream in(path);
    const std::string log{std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
    EXPECT_THAT(log, HasSubstr("* the last words\n"));
    if (check) {
      EXPECT_THAT(log, HasSubstr("assertion failed: !check\n"));
    }
  }
  std::filesystem::remove(path);
}

}  // namespace
}  // namespace runnel
