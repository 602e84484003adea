#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "commands/families.h"
#include "commands/testing.h"

namespace runnel {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr const char* kInvalidAdminId =
    "-ERR Invalid stream ID specified as stream command argument";
constexpr const char* kNoStream =
    "-ERR The XGROUP subcommand requires the key to exist. Note that for CREATE you may want to "
    "use "
    "the MKSTREAM option to create an empty stream automatically.";

class XGroupTest : public ::testing::Test {
 protected:
  XGroupTest() {
    runner_.Run("XADD s 1-0 f v");
    runner_.Run("XADD s 2-0 f v");
  }
  std::string Position() {
    const std::string reply = runner_.Run("XINFO GROUPS s");
    const size_t begin = reply.find("last-delivered-id");
    return begin == std::string::npos ? "" : reply.substr(begin + 18);
  }

  CommandRunner runner_{StreamCommands(), GroupCommands(), StringCommands()};
};

TEST_F(XGroupTest, CreatesGroups) {
  EXPECT_EQ(runner_.Run("XGROUP CREATE s g 1-0"), "+OK");
  EXPECT_THAT(runner_.events(), ElementsAre("xgroup-create s"));
  EXPECT_THAT(runner_.changes(), ElementsAre("beside s"));
  EXPECT_EQ(Position(), "$3 1-0 $12 entries-read $-1 $3 lag :1");
  EXPECT_EQ(runner_.Run("XGROUP create s g 0"), "-BUSYGROUP Consumer Group name already exists");
  runner_.Run("XGROUP DESTROY s g");
  EXPECT_EQ(runner_.Run("XGROUP CREATE s g $"), "+OK");
  EXPECT_EQ(Position(), "$3 2-0 $12 entries-read $-1 $3 lag :0");
}

TEST_F(XGroupTest, CreatesTheStreamOnDemand) {
  EXPECT_EQ(runner_.Run("XGROUP CREATE t g $"), kNoStream);
  EXPECT_EQ(runner_.Run("XGROUP CREATE t g x MKSTREAM"), kInvalidAdminId);
  EXPECT_EQ(runner_.keyspace().size(0), 1u);
  EXPECT_EQ(runner_.Run("XGROUP CREATE t g $ mkstream"), "+OK");
  EXPECT_THAT(runner_.events(), ElementsAre("new t", "xgroup-create t"));
  EXPECT_THAT(runner_.changes(), ElementsAre("added t", "beside t"));
  EXPECT_EQ(runner_.Run("XLEN t"), ":0");
  EXPECT_EQ(runner_.Run("XGROUP CREATE t g $ MKSTREAM"),
            "-BUSYGROUP Consumer Group name already exists");
}

TEST_F(XGroupTest, SetsHowManyWereRead) {
  EXPECT_EQ(runner_.Run("XGROUP CREATE s g 1-0 ENTRIESREAD 1"), "+OK");
  EXPECT_EQ(Position(), "$3 1-0 $12 entries-read :1 $3 lag :1");
  EXPECT_EQ(runner_.Run("XGROUP SETID s g 2-0 ENTRIESREAD 100"), "+OK");
  EXPECT_EQ(Position(), "$3 2-0 $12 entries-read :2 $3 lag :0");
  EXPECT_EQ(runner_.Run("XGROUP SETID s g 1-0 entriesread -1"), "+OK");
  EXPECT_EQ(Position(), "$3 1-0 $12 entries-read $-1 $3 lag :1");
  EXPECT_EQ(runner_.Run("XGROUP SETID s g 1-0 ENTRIESREAD -2"),
            "-ERR value for ENTRIESREAD must be positive or -1");
  EXPECT_EQ(runner_.Run("XGROUP CREATE s h 1-0 ENTRIESREAD x"),
            "-ERR value is not an integer or out of range");
}

TEST_F(XGroupTest, MovesGroups) {
  runner_.Run("XGROUP CREATE s g 0 ENTRIESREAD 0");
  EXPECT_EQ(runner_.Run("XGROUP SETID s g 1-0"), "+OK");
  EXPECT_THAT(runner_.events(), ElementsAre("xgroup-setid s"));
  // Nobody is woken, but the counter is not known any more.
  EXPECT_THAT(runner_.changes(), ElementsAre("beside s"));
  EXPECT_EQ(Position(), "$3 1-0 $12 entries-read $-1 $3 lag :1");
  EXPECT_EQ(runner_.Run("XGROUP SETID s g $"), "+OK");
  EXPECT_THAT(Position(), HasSubstr("$3 2-0 "));
  EXPECT_EQ(runner_.Run("XGROUP SETID s g -"), "+OK");
  EXPECT_THAT(Position(), HasSubstr("$3 0-0 "));
  EXPECT_EQ(runner_.Run("XGROUP SETID s g +"), "+OK");
  EXPECT_THAT(Position(), HasSubstr("$41 18446744073709551615-18446744073709551615 "));
  EXPECT_EQ(runner_.Run("XGROUP CREATE s h -"), kInvalidAdminId);
  EXPECT_EQ(runner_.Run("XGROUP CREATE s h +"), kInvalidAdminId);
  EXPECT_EQ(runner_.Run("XGROUP SETID s nogroup 0"),
            "-NOGROUP No such consumer group 'nogroup' for key name 's'");
}

TEST_F(XGroupTest, DestroysGroupsAndTellsWaiters) {
  runner_.Run("XGROUP CREATE s g 0");
  EXPECT_EQ(runner_.Run("XGROUP DESTROY s g"), ":1");
  EXPECT_THAT(runner_.events(), ElementsAre("xgroup-destroy s"));
  EXPECT_THAT(runner_.changes(), ElementsAre("awaited s"));
  EXPECT_EQ(runner_.Run("XGROUP DESTROY s g"), ":0");
  EXPECT_THAT(runner_.effects(), IsEmpty());
  EXPECT_EQ(runner_.Run("XGROUP DESTROY nokey g"), kNoStream);
}

TEST_F(XGroupTest, CreatesAndDeletesConsumers) {
  runner_.Run("XGROUP CREATE s g 0");
  EXPECT_EQ(runner_.Run("XGROUP CREATECONSUMER s g c"), ":1");
  EXPECT_THAT(runner_.events(), ElementsAre("xgroup-createconsumer s"));
  EXPECT_EQ(runner_.Run("XGROUP CREATECONSUMER s g c"), ":0");
  EXPECT_THAT(runner_.events(), IsEmpty());
  EXPECT_THAT(runner_.effects(), IsEmpty());
  runner_.Run("XREADGROUP GROUP g c STREAMS s >");
  EXPECT_EQ(runner_.Run("XGROUP DELCONSUMER s g c"), ":2");
  EXPECT_THAT(runner_.events(), ElementsAre("xgroup-delconsumer s"));
  EXPECT_EQ(runner_.Run("XPENDING s g"), "*4 :0 $-1 $-1 *-1");
  EXPECT_EQ(runner_.Run("XGROUP DELCONSUMER s g c"), ":0");
  EXPECT_THAT(runner_.events(), IsEmpty());
  for (const char* subcommand : {"CREATECONSUMER", "DELCONSUMER"}) {
    EXPECT_EQ(runner_.Run({"XGROUP", subcommand, "s", "nogroup", "c"}),
              "-NOGROUP No such consumer group 'nogroup' for key name 's'");
    EXPECT_EQ(runner_.Run({"XGROUP", subcommand, "nokey", "g", "c"}), kNoStream);
  }
}

TEST_F(XGroupTest, RefusesWhatItDoesNotKnow) {
  EXPECT_EQ(runner_.Run("XGROUP CREATE s g 0 BOGUS"),
            "-ERR unknown subcommand or wrong number of arguments for 'CREATE'. Try XGROUP HELP.");
  EXPECT_EQ(runner_.Run("XGROUP Setid s g 0 MKSTREAM"),
            "-ERR unknown subcommand or wrong number of arguments for 'Setid'. Try XGROUP HELP.");
  EXPECT_EQ(runner_.Run("XGROUP CREATE s g 0 ENTRIESREAD"),
            "-ERR unknown subcommand or wrong number of arguments for 'CREATE'. Try XGROUP HELP.");
  EXPECT_EQ(runner_.Run("XGROUP CREATE s g 0 MKSTREAM MKSTREAM MKSTREAM MKSTREAM"),
            "-ERR unknown subcommand or wrong number of arguments for 'CREATE'. Try XGROUP HELP.");
  runner_.Run("SET k v");
  EXPECT_EQ(runner_.Run("XGROUP CREATE k g 0"),
            "-WRONGTYPE Operation against a key holding the wrong kind of value");
}

TEST_F(XGroupTest, Helps) {
  EXPECT_THAT(runner_.Run("XGROUP HELP"), testing::EndsWith("+HELP +    Print this help."));
}

}  // namespace
}  // namespace runnel
