// Libraries of functions outlive the process, and come to followers.
#include <fmt/format.h>

#include "tests/process/full_sync_servers.h"

namespace runnel::test {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

std::string Library(const std::string& name, const std::string& answer) {
  return fmt::format(
      "#!lua name={0}\n"
      "redis.register_function{{function_name='{0}_says', callback=function() return '{1}' end, "
      "flags={{'no-writes'}}, description='says {1}'}}\n"
      "redis.register_function('{0}_counts', function(keys) return redis.call('incr', keys[1]) "
      "end)",
      name, answer);
}

std::string Load(RespClient& client, const std::string& name, const std::string& answer) {
  return ToText(client.Call({"FUNCTION", "LOAD", "REPLACE", Library(name, answer)}));
}

class FunctionsTest : public ServerTest {
 protected:
  // Kills the server, looks at its files, and starts another one with them.
  std::unique_ptr<RespClient> Restart() {
    server_->Kill();
    server_ = nullptr;
    const Checked checked = RunCheck({dir_.string()});
    EXPECT_EQ(checked.exit, "exit 0") << checked.text;
    checked_ = checked.text;
    ServerProcess::Options options;
    options.dir = dir_.string();
    StartServer(options);
    return Client();
  }

  TempDir dir_;
  std::string checked_;  // what runnel-check has said
};

TEST_F(FunctionsTest, AKillTakesNone) {
  ServerProcess::Options options;
  options.dir = dir_.string();
  StartServer(options);
  auto client = Client();
  EXPECT_EQ(Load(*client, "a", "one"), "\"a\"");
  EXPECT_EQ(Load(*client, "b", "two"), "\"b\"");
  EXPECT_EQ(Load(*client, "c", "three"), "\"c\"");
  EXPECT_EQ(Ask(*client, "FCALL a_counts 1 n"), "1");
  // From the journal.
  client = Restart();
  EXPECT_EQ(Ask(*client, "FCALL_RO a_says 0"), "\"one\"");
  EXPECT_EQ(Ask(*client, "FCALL a_counts 1 n"), "2");
  // From a snapshot, and from what the journal has after it.
  EXPECT_EQ(Ask(*client, "FUNCTION DELETE b"), "+OK");
  EXPECT_EQ(Ask(*client, "FLUSHALL"), "+OK");
  EXPECT_EQ(Ask(*client, "SAVE"), "+OK");
  EXPECT_EQ(Load(*client, "c", "four"), "\"c\"");
  EXPECT_EQ(Load(*client, "d", "five"), "\"d\"");
  const std::string libraries = Ask(*client, "FUNCTION LIST WITHCODE");
  client = Restart();
  EXPECT_EQ(Ask(*client, "FUNCTION LIST WITHCODE"), libraries);
  EXPECT_THAT(checked_, HasSubstr("0 keys and 2 libraries of functions"));
  EXPECT_EQ(InfoField(*client, "number_of_libraries"), "3");
  EXPECT_EQ(InfoField(*client, "number_of_functions"), "6");
  EXPECT_EQ(Ask(*client, "FCALL a_says 0"), "\"one\"");
  EXPECT_THAT(Ask(*client, "FCALL b_says 0"), HasSubstr("Function not found"));
  EXPECT_EQ(Ask(*client, "FCALL c_says 0"), "\"four\"");
  EXPECT_EQ(Ask(*client, "FCALL d_says 0"), "\"five\"");
  EXPECT_EQ(Ask(*client, "FUNCTION FLUSH"), "+OK");
  client = Restart();
  EXPECT_EQ(Ask(*client, "FUNCTION LIST"), "[]");
}

// A bound that has become smaller is like another version: the library is there, but cannot run.
TEST_F(FunctionsTest, ALibraryThatDoesNotLoadAnyMoreDoesNotStopTheStart) {
  ServerProcess::Options options;
  options.dir = dir_.string();
  StartServer(options);
  auto client = Client();
  EXPECT_EQ(ToText(client->Call({"FUNCTION", "LOAD",
                                 "#!lua name=large\nlocal s = ('x'):rep(8000000)\n"
                                 "redis.register_function('length', function() return #s end)"})),
            "\"large\"");
  EXPECT_EQ(Load(*client, "a", "one"), "\"a\"");
  server_->Kill();
  server_ = nullptr;
  options.args = {"--script-memory-max", "4mb"};
  StartServer(options);
  client = Client();
  EXPECT_THAT(Ask(*client, "FCALL length 0"), HasSubstr("does not load any more"));
  EXPECT_TRUE(LogShows("The library of functions 'large' does not load any more"));
  EXPECT_EQ(Ask(*client, "FCALL a_says 0"), "\"one\"");
  EXPECT_THAT(Ask(*client, "FUNCTION LIST WITHCODE"), HasSubstr("8000000"));
  EXPECT_EQ(Ask(*client, "CONFIG SET script-memory-max 64mb"), "+OK");
  EXPECT_EQ(Ask(*client, "FCALL length 0"), "8000000");
}

class FollowedFunctionsTest : public FullSyncTest {};

TEST_F(FollowedFunctionsTest, AFollowerHasThemAndCallsWhatOnlyReads) {
  const auto leader = Start();
  const auto writer = leader->Connect();
  Load(*writer, "a", "one");
  const auto follower = Start(Following(*leader));
  const auto reader = follower->Connect();
  WaitUntilEqual(*writer, *reader);
  EXPECT_EQ(Ask(*reader, "FCALL_RO a_says 0"), "\"one\"");
  EXPECT_EQ(Ask(*reader, "FCALL a_says 0"), "\"one\"");
  EXPECT_THAT(Ask(*reader, "FCALL a_counts 1 n"), StartsWith("-\"READONLY "));
  EXPECT_THAT(Load(*reader, "b", "two"), StartsWith("-\"READONLY "));
  EXPECT_THAT(Ask(*reader, "FUNCTION FLUSH"), StartsWith("-\"READONLY "));
  Load(*writer, "a", "two");
  Load(*writer, "b", "three");
  EXPECT_EQ(Ask(*writer, "FCALL a_counts 1 n"), "1");
  WaitUntilEqual(*writer, *reader);
  EXPECT_EQ(Ask(*reader, "FCALL_RO a_says 0"), "\"two\"");
  EXPECT_EQ(Ask(*reader, "FCALL_RO b_says 0"), "\"three\"");
  EXPECT_EQ(Ask(*reader, "GET n"), "\"1\"");
  EXPECT_EQ(Ask(*reader, "FUNCTION LIST WITHCODE"), Ask(*writer, "FUNCTION LIST WITHCODE"));
  Ask(*writer, "FUNCTION DELETE a");
  WaitUntilEqual(*writer, *reader);
  EXPECT_THAT(Ask(*reader, "FCALL_RO a_says 0"), HasSubstr("Function not found"));
}

TEST_F(FollowedFunctionsTest, AFollowerGetsThemWithASnapshot) {
  const auto leader = Start(Small());
  const auto writer = leader->Connect();
  Load(*writer, "a", "one");
  TempDir dir;
  auto follower = Start(Small(Following(leader->port())), dir.string());
  {
    const auto reader = follower->Connect();
    WaitUntilEqual(*writer, *reader);
    EXPECT_EQ(Ask(*reader, "FCALL_RO a_says 0"), "\"one\"");
  }
  follower->Stop();
  Ask(*writer, "FUNCTION DELETE a");
  Load(*writer, "b", "two");
  for (int i = 0; i < 3; i++)
    RemoveJournal(*leader, *writer);
  follower = Start(Small(Following(leader->port())), dir.string());
  const auto reader = follower->Connect();
  WaitUntilEqual(*writer, *reader);
  EXPECT_GE(InfoNumber(*writer, "sync_full"), 1);
  EXPECT_THAT(Ask(*reader, "FCALL_RO a_says 0"), HasSubstr("Function not found"));
  EXPECT_EQ(Ask(*reader, "FCALL_RO b_says 0"), "\"two\"");
}

}  // namespace
}  // namespace runnel::test
