#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "commands/families.h"
#include "commands/testing.h"
#include "data/stream/stream.h"

namespace runnel {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr const char* kInvalidAddId = "-ERR Invalid stream ID specified as stream command argument";
constexpr const char* kNotAbove =
    "-ERR The ID specified in XADD is equal or smaller than the target stream top item";
constexpr const char* kArity = "-ERR wrong number of arguments for 'xadd' command";

class XAddTest : public ::testing::Test {
 protected:
  CommandRunner runner_{StreamCommands(), GroupCommands()};
};

TEST_F(XAddTest, GivesTheTimeOrGoesOnBehindTheLastId) {
  EXPECT_EQ(runner_.Run("XADD s * f v"), "$15 1700000000000-0");
  EXPECT_EQ(runner_.Run("XADD s * f v"), "$15 1700000000000-1");
  runner_.now_ms -= 5000;
  EXPECT_EQ(runner_.Run("XADD s * f v"), "$15 1700000000000-2");
  runner_.now_ms += 6000;
  EXPECT_EQ(runner_.Run("XADD s * f v"), "$15 1700000001000-0");
}

TEST_F(XAddTest, CarriesTheSequenceOverIntoTheNextMillisecond) {
  EXPECT_EQ(runner_.Run("XADD s 1700000000000-18446744073709551615 f v"),
            "$34 1700000000000-18446744073709551615");
  EXPECT_EQ(runner_.Run("XADD s * f v"), "$15 1700000000001-0");
}

TEST_F(XAddTest, TakesAllFormsOfIds) {
  EXPECT_EQ(runner_.Run("XADD z 0-* f v"), "$3 0-1");
  EXPECT_EQ(runner_.Run("XADD s 5 f v"), "$3 5-0");
  EXPECT_EQ(runner_.Run("XADD s 5-* f v"), "$3 5-1");
  EXPECT_EQ(runner_.Run("XADD s 7-* f v"), "$3 7-0");
  EXPECT_EQ(runner_.Run("XADD s 9-01 f v"), "$3 9-1");
  EXPECT_EQ(runner_.Run("XADD s 9-1 f v"), kNotAbove);
  EXPECT_EQ(runner_.Run("XADD s 8-* f v"), kNotAbove);
  EXPECT_EQ(runner_.Run("XADD s 9-18446744073709551615 f v"), "$22 9-18446744073709551615");
  EXPECT_EQ(runner_.Run("XADD s 9-* f v"), kNotAbove);
}

TEST_F(XAddTest, RefusesWhatIsNoId) {
  for (const char* id : {"-", "+", "$", "a-b-c", "1-2-3", "1-2-*", "1-", "-1", "-*", "*-1", "1-+",
                         "18446744073709551616", "1-18446744073709551616", "0x1"}) {
    EXPECT_EQ(runner_.Run({"XADD", "s", id, "f", "v"}), kInvalidAddId) << id;
  }
  EXPECT_EQ(runner_.Run({"XADD", "s", "", "f", "v"}), kInvalidAddId);
  EXPECT_EQ(runner_.Run("XADD s 0-0 f v"),
            "-ERR The ID specified in XADD must be greater than 0-0");
  EXPECT_EQ(runner_.Run("XADD s 0 f v"), "-ERR The ID specified in XADD must be greater than 0-0");
  EXPECT_EQ(runner_.keyspace().size(0), 0u);
  EXPECT_THAT(runner_.effects(), IsEmpty());
}

TEST_F(XAddTest, StopsAtTheLastPossibleId) {
  EXPECT_EQ(runner_.Run("XADD s 18446744073709551615-18446744073709551615 f v"),
            "$41 18446744073709551615-18446744073709551615");
  for (const char* id : {"*", "18446744073709551615-*", "1-1"}) {
    EXPECT_EQ(runner_.Run({"XADD", "s", id, "f", "v"}),
              "-ERR The stream has exhausted the last possible ID, unable to add more items");
  }
}

TEST_F(XAddTest, KeepsFieldsAsTheyCome) {
  EXPECT_EQ(runner_.Run({"XADD", "s", "1-1", "b", "1", "a", "2", "b", "3", "", ""}), "$3 1-1");
  EXPECT_EQ(runner_.Run("XRANGE s - +"), "*1 *2 $3 1-1 *8 $1 b $1 1 $1 a $1 2 $1 b $1 3 $0  $0 ");
  EXPECT_EQ(runner_.Run("XADD s 2-2 f v g"), kArity);
  EXPECT_EQ(runner_.Run("XADD s NOMKSTREAM 2-2 f"), kArity);
  EXPECT_EQ(runner_.Run("XADD s MAXLEN 5 NOMKSTREAM"), kArity);
}

TEST_F(XAddTest, DoesNotCreateTheStreamWithNoMkStream) {
  EXPECT_EQ(runner_.Run("XADD s NOMKSTREAM * f v"), "$-1");
  runner_.protocol = 3;
  EXPECT_EQ(runner_.Run("XADD s nomkstream * f v"), "_");
  EXPECT_EQ(runner_.keyspace().size(0), 0u);
  EXPECT_EQ(runner_.Run("XADD s 1-1 f v"), "$3 1-1");
  EXPECT_EQ(runner_.Run("XADD s NOMKSTREAM 2-1 f v"), "$3 2-1");
}

TEST_F(XAddTest, TellsOfWhatHappenedInOrder) {
  runner_.Run("XADD s 1-1 f v");
  EXPECT_THAT(runner_.events(), ElementsAre("new s", "xadd s"));
  EXPECT_THAT(runner_.changes(), ElementsAre("added s"));
  runner_.Run("XADD s MAXLEN 5 2-1 f v");
  EXPECT_THAT(runner_.events(), ElementsAre("xadd s"));
  EXPECT_THAT(runner_.changes(), ElementsAre("grown s"));
  runner_.Run("XADD s MAXLEN 1 3-1 f v");
  EXPECT_THAT(runner_.events(), ElementsAre("xadd s", "xtrim s"));
  EXPECT_THAT(runner_.changes(), ElementsAre("grown s", "modified s"));
  EXPECT_THAT(runner_.effects(), ElementsAre("stream-add", "stream-drop-oldest"));
}

TEST_F(XAddTest, TrimsAfterAdding) {
  EXPECT_EQ(runner_.Run("XADD s MAXLEN = 0 1-1 f v"), "$3 1-1");
  EXPECT_THAT(runner_.events(), ElementsAre("new s", "xadd s", "xtrim s"));
  EXPECT_EQ(runner_.Run("XLEN s"), ":0");
  EXPECT_EQ(runner_.keyspace().size(0), 1u);
  EXPECT_EQ(runner_.Run("XADD s MINID 3 2-1 f v"), "$3 2-1");
  EXPECT_EQ(runner_.Run("XLEN s"), ":0");
  EXPECT_EQ(runner_.Run("XADD s 1-5 f v"), kNotAbove);
}

TEST_F(XAddTest, RefusesOptionsThatDoNotGoTogether) {
  EXPECT_EQ(runner_.Run("XADD s MAXLEN 1 MINID 2 * f v"),
            "-ERR syntax error, MAXLEN and MINID options at the same time are not compatible");
  EXPECT_EQ(runner_.Run("XADD s LIMIT 5 * f v"),
            "-ERR syntax error, LIMIT cannot be used without specifying a trimming strategy");
  EXPECT_EQ(runner_.Run("XADD s MAXLEN 5 LIMIT 5 * f v"),
            "-ERR syntax error, LIMIT cannot be used without the special ~ option");
  EXPECT_EQ(runner_.Run("XADD s MAXLEN -1 * f v"), "-ERR The MAXLEN argument must be >= 0.");
  EXPECT_EQ(runner_.Run("XADD s MAXLEN ~ 5 LIMIT -1 * f v"),
            "-ERR The LIMIT argument must be >= 0.");
  EXPECT_EQ(runner_.Run("XADD s MAXLEN x * f v"), "-ERR value is not an integer or out of range");
  EXPECT_EQ(runner_.Run("XADD s MINID x * f v"), kInvalidAddId);
  EXPECT_EQ(runner_.Run("XADD s DELREF KEEPREF * f v"), "-ERR syntax error");
}

TEST_F(XAddTest, RefusesElementsOverAGigabyte) {
  // One field of 32 MiB, named often enough.
  const std::string part(size_t{1} << 25, 'x');
  std::vector<std::string_view> args = {"XADD", "s", "*"};
  args.insert(args.end(), 34, part);
  EXPECT_EQ(runner_.Run(args), "-ERR Elements are too large to be stored");
  EXPECT_EQ(runner_.keyspace().size(0), 0u);
}

TEST_F(XAddTest, RefusesAnotherType) {
  CommandRunner runner({StreamCommands(), StringCommands()});
  runner.Run("SET k v");
  EXPECT_EQ(runner.Run("XADD k * f v"),
            "-WRONGTYPE Operation against a key holding the wrong kind of value");
}

class IdempotentAddTest : public XAddTest {};

TEST_F(IdempotentAddTest, GivesTheFirstIdAgain) {
  EXPECT_EQ(runner_.Run("XADD s IDMP p 1 * f v"), "$15 1700000000000-0");
  EXPECT_THAT(runner_.effects(), ElementsAre("stream-add", "stream-record-message"));
  EXPECT_THAT(runner_.events(), ElementsAre("new s", "xadd s"));
  runner_.now_ms += 10;
  EXPECT_EQ(runner_.Run("XADD s MAXLEN 0 IDMP p 1 * other w"), "$15 1700000000000-0");
  EXPECT_THAT(runner_.effects(), ElementsAre("stream-count-duplicate"));
  EXPECT_THAT(runner_.events(), IsEmpty());
  EXPECT_THAT(runner_.changes(), ElementsAre("beside s"));
  EXPECT_EQ(runner_.Run("XLEN s"), ":1");
  EXPECT_EQ(runner_.Run("XADD s IDMP p 2 * f v"), "$15 1700000000010-0");
  EXPECT_EQ(runner_.Run("XADD s IDMP q 1 * f v"), "$15 1700000000010-1");
}

TEST_F(IdempotentAddTest, RemembersAlsoWhatWasDeletedSince) {
  runner_.Run("XADD s IDMP p 1 * f v");
  runner_.Run("XDEL s 1700000000000-0");
  EXPECT_EQ(runner_.Run("XADD s IDMP p 1 * f v"), "$15 1700000000000-0");
  EXPECT_EQ(runner_.Run("XLEN s"), ":0");
}

TEST_F(IdempotentAddTest, ForgetsAfterTheDuration) {
  runner_.options.stream_idmp_duration_s = 2;
  runner_.Run("XADD s IDMP p 1 * f v");
  runner_.now_ms += 1999;
  EXPECT_EQ(runner_.Run("XADD s IDMP p 1 * f v"), "$15 1700000000000-0");
  runner_.now_ms += 1;
  EXPECT_EQ(runner_.Run("XADD s IDMP p 1 * f v"), "$15 1700000002000-0");
}

TEST_F(IdempotentAddTest, ForgetsTheOldestBeyondTheMaximalSize) {
  runner_.options.stream_idmp_max_size = 2;
  runner_.Run("XADD s IDMP p 1 * f v");
  runner_.Run("XADD s IDMP p 2 * f v");
  runner_.Run("XADD s IDMP p 3 * f v");
  EXPECT_EQ(runner_.Run("XADD s IDMP p 3 * f v"), "$15 1700000000000-2");
  EXPECT_EQ(runner_.Run("XADD s IDMP p 1 * f v"), "$15 1700000000000-3");
}

TEST_F(IdempotentAddTest, TellsMessagesApartByTheirFields) {
  EXPECT_EQ(runner_.Run("XADD s IDMPAUTO p * a 1 b 2"), "$15 1700000000000-0");
  EXPECT_EQ(runner_.Run("XADD s IDMPAUTO p * b 2 a 1"), "$15 1700000000000-0");
  EXPECT_EQ(runner_.Run("XADD s IDMPAUTO p * a 2 b 1"), "$15 1700000000000-1");
  EXPECT_EQ(runner_.Run("XADD s IDMPAUTO p * a1 b2"), "$15 1700000000000-2");
  EXPECT_EQ(runner_.Run("XADD s IDMPAUTO p * a 1b2"), "$15 1700000000000-3");
  EXPECT_EQ(runner_.Run("XADD s IDMPAUTO p * a 1 b 2 b 2"), "$15 1700000000000-4");
  EXPECT_EQ(runner_.Run("XADD s IDMPAUTO q * a 1 b 2"), "$15 1700000000000-5");
}

TEST_F(IdempotentAddTest, RefusesWhatItCannotDo) {
  EXPECT_EQ(runner_.Run("XADD s IDMP p 1 5-5 f v"),
            "-ERR syntax error, IDMP/IDMPAUTO can be used only with auto-generated IDs");
  EXPECT_EQ(runner_.Run("XADD s IDMP p 1 5-* f v"),
            "-ERR syntax error, IDMP/IDMPAUTO can be used only with auto-generated IDs");
  EXPECT_EQ(runner_.Run("XADD s IDMP p 1 IDMPAUTO p * f v"),
            "-ERR syntax error, IDMP/IDMPAUTO specified multiple times");
  EXPECT_EQ(runner_.Run({"XADD", "s", "IDMP", "", "1", "*", "f", "v"}),
            "-ERR syntax error, IDMP requires a non-empty producer ID");
  EXPECT_EQ(runner_.Run({"XADD", "s", "IDMP", "p", "", "*", "f", "v"}),
            "-ERR syntax error, IDMP requires a non-empty idempotent ID");
  EXPECT_EQ(runner_.Run({"XADD", "s", "IDMPAUTO", "", "*", "f", "v"}),
            "-ERR syntax error, IDMPAUTO requires a non-empty producer ID");
  // The `*` is the number, so `f` is the ID.
  EXPECT_EQ(runner_.Run("XADD s IDMP p * f v"), kInvalidAddId);
  EXPECT_EQ(runner_.keyspace().size(0), 0u);
}

TEST_F(IdempotentAddTest, DoesNotCreateTheStreamWithNoMkStream) {
  EXPECT_EQ(runner_.Run("XADD s NOMKSTREAM IDMP p 1 * f v"), "$-1");
  EXPECT_EQ(runner_.keyspace().size(0), 0u);
}

}  // namespace
}  // namespace runnel
