#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "commands/families.h"
#include "commands/testing.h"

namespace runnel {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr const char* kInvalidSettingId =
    "-ERR Invalid stream ID specified as stream command argument";

class SettingsTest : public ::testing::Test {
 protected:
  SettingsTest() {
    runner_.Run("XADD s 1-0 f v");
    runner_.Run("XADD s 5-0 f v");
  }
  std::string Info() { return runner_.Run("XINFO STREAM s FULL EXTENDED"); }

  CommandRunner runner_{StreamCommands(), GroupCommands()};
};

TEST_F(SettingsTest, SetsTheLastId) {
  EXPECT_EQ(runner_.Run("XSETID s 9-9"), "+OK");
  EXPECT_THAT(runner_.events(), ElementsAre("xsetid s"));
  EXPECT_THAT(runner_.changes(), ElementsAre("beside s"));
  EXPECT_THAT(Info(), HasSubstr("last-generated-id $3 9-9 $20 max-deleted-entry-id $3 0-0 $13 "
                                "entries-added :2"));
  EXPECT_EQ(runner_.Run("XSETID s 10 ENTRIESADDED 7 maxdeletedid 3-3"), "+OK");
  EXPECT_THAT(Info(), HasSubstr("last-generated-id $4 10-0 $20 max-deleted-entry-id $3 3-3 $13 "
                                "entries-added :7"));
  EXPECT_EQ(runner_.Run("XADD s 10-0 f v"),
            "-ERR The ID specified in XADD is equal or smaller than the target stream top item");
}

TEST_F(SettingsTest, RefusesCountersThatCannotBe) {
  EXPECT_EQ(runner_.Run("XSETID s 4-9"),
            "-ERR The ID specified in XSETID is smaller than the target stream top item");
  EXPECT_EQ(runner_.Run("XSETID s 9 MAXDELETEDID 9-1"),
            "-ERR The ID specified in XSETID is smaller than the provided max_deleted_entry_id");
  EXPECT_EQ(runner_.Run("XSETID s 9 ENTRIESADDED 1"),
            "-ERR The entries_added specified in XSETID is smaller than the target stream length");
  EXPECT_EQ(runner_.Run("XSETID s 9 ENTRIESADDED -1"), "-ERR entries_added must be positive");
  EXPECT_EQ(runner_.Run("XSETID s 9 ENTRIESADDED"), "-ERR syntax error");
  EXPECT_EQ(runner_.Run("XSETID s 9 BOGUS 1"), "-ERR syntax error");
  EXPECT_EQ(runner_.Run("XSETID s +"), kInvalidSettingId);
  EXPECT_EQ(runner_.Run("XSETID nokey 1"), "-ERR no such key");
  runner_.Run("XDEL s 5-0");
  EXPECT_EQ(runner_.Run("XSETID s 4-9"),
            "-ERR The ID specified in XSETID is smaller than current max_deleted_entry_id");
  EXPECT_THAT(runner_.effects(), IsEmpty());
}

// Entries that a trim took from the end leave no mark in max-deleted-entry-id; IDs must rise all
// the same.
TEST_F(SettingsTest, DoesNotGoBelowWhatWasTrimmed) {
  runner_.Run("XGROUP CREATE s g 0");
  runner_.Run("XREADGROUP GROUP g c STREAMS s >");
  runner_.Run("XACK s g 5-0");
  EXPECT_EQ(runner_.Run("XTRIM s MAXLEN 0 ACKED"), ":1");
  EXPECT_EQ(runner_.Run("XSETID s 1-0"),
            "-ERR The ID specified in XSETID is smaller than the target stream top item");
  EXPECT_EQ(runner_.Run("XTRIM s MAXLEN 0"), ":1");
  EXPECT_EQ(runner_.Run("XSETID s 1-0"), "+OK");
  EXPECT_EQ(runner_.Run("XADD s 2-0 f v"), "$3 2-0");
}

TEST_F(SettingsTest, SetsHowMessagesAreRemembered) {
  EXPECT_THAT(Info(), HasSubstr("idmp-duration :100 $12 idmp-maxsize :100"));
  EXPECT_EQ(runner_.Run("XCFGSET s IDMP-DURATION 7"), "+OK");
  EXPECT_THAT(runner_.effects(), ElementsAre("stream-configure"));
  EXPECT_THAT(runner_.events(), IsEmpty());
  EXPECT_THAT(Info(), HasSubstr("idmp-duration :7 $12 idmp-maxsize :100"));
  EXPECT_EQ(runner_.Run("XCFGSET s idmp-maxsize 3"), "+OK");
  EXPECT_THAT(Info(), HasSubstr("idmp-duration :7 $12 idmp-maxsize :3"));
  // The server's defaults do not change a stream that has its own.
  runner_.options.stream_idmp_duration_s = 50;
  runner_.Run("XADD s IDMP p 1 * f v");
  EXPECT_THAT(Info(), HasSubstr("idmp-duration :7 $12 idmp-maxsize :3"));
}

TEST_F(SettingsTest, ForgetsMessagesOnlyWhereAValueChanges) {
  runner_.Run("XADD s IDMP p 1 * f v");
  EXPECT_EQ(runner_.Run("XCFGSET s IDMP-MAXSIZE 100 IDMP-DURATION 100"), "+OK");
  EXPECT_THAT(runner_.effects(), IsEmpty());
  EXPECT_THAT(Info(), HasSubstr("pids-tracked :1 $12 iids-tracked :1 $10 iids-added :1"));
  EXPECT_EQ(runner_.Run("XCFGSET s IDMP-MAXSIZE 99"), "+OK");
  EXPECT_THAT(Info(), HasSubstr("pids-tracked :0 $12 iids-tracked :0 $10 iids-added :1"));
  EXPECT_EQ(runner_.Run("XADD s IDMP p 1 * f v"), "$15 1700000000000-1");
}

TEST_F(SettingsTest, RefusesSettingsThatCannotBe) {
  EXPECT_EQ(runner_.Run("XCFGSET nokey BOGUS"), "-ERR no such key");
  EXPECT_EQ(runner_.Run("XCFGSET s"), "-ERR At least one parameter must be specified");
  EXPECT_EQ(runner_.Run("XCFGSET s IDMP-DURATION"), "-ERR syntax error");
  EXPECT_EQ(runner_.Run("XCFGSET s BOGUS 1"), "-ERR syntax error");
  EXPECT_EQ(runner_.Run("XCFGSET s IDMP-DURATION x"),
            "-ERR value is not an integer or out of range");
  for (const char* bad : {"0", "-5", "86401"}) {
    EXPECT_EQ(runner_.Run({"XCFGSET", "s", "IDMP-DURATION", bad}),
              "-ERR IDMP-DURATION must be between 1 and 86400 seconds");
  }
  for (const char* bad : {"0", "10001"}) {
    EXPECT_EQ(runner_.Run({"XCFGSET", "s", "IDMP-MAXSIZE", bad}),
              "-ERR IDMP-MAXSIZE must be between 1 and 10000 entries");
  }
  EXPECT_EQ(runner_.Run("XCFGSET s IDMP-MAXSIZE 5 IDMP-MAXSIZE 5"),
            "-ERR IDMP-MAXSIZE specified multiple times");
  EXPECT_EQ(runner_.Run("XCFGSET s IDMP-DURATION 86400 IDMP-MAXSIZE 10000"), "+OK");
}

TEST_F(SettingsTest, RestoresWhatWasRemembered) {
  runner_.Run("XADD s 1700000000000-3 f v");
  EXPECT_EQ(runner_.Run("XIDMPRECORD s p 1 1700000000000-3"), "+OK");
  EXPECT_THAT(runner_.effects(), ElementsAre("stream-record-message"));
  EXPECT_EQ(runner_.Run("XIDMPRECORD s p 1 1700000000000-3"), "+OK");
  EXPECT_THAT(runner_.effects(), IsEmpty());
  EXPECT_EQ(runner_.Run("XADD s IDMP p 1 * f v"), "$15 1700000000000-3");
  EXPECT_EQ(runner_.Run("XIDMPRECORD s p 1 5-0"),
            "-ERR The specified IDMP producer-id/idempotent-id pair maps to a different stream ID");
  EXPECT_EQ(runner_.Run("XIDMPRECORD s p 2 4-0"),
            "-ERR The specified stream ID was deleted or doesn't exist");
  EXPECT_EQ(runner_.Run("XIDMPRECORD s p 2 x"), kInvalidSettingId);
  EXPECT_EQ(runner_.Run("XIDMPRECORD nokey p 2 5-0"), "-ERR no such key");
  EXPECT_EQ(runner_.Run({"XIDMPRECORD", "s", "", "2", "5-0"}),
            "-ERR XIDMPRECORD requires a non-empty producer ID");
  EXPECT_EQ(runner_.Run({"XIDMPRECORD", "s", "p", "", "5-0"}),
            "-ERR XIDMPRECORD requires a non-empty idempotent ID");
}

}  // namespace
}  // namespace runnel
