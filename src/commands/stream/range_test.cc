#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "commands/families.h"
#include "commands/stream/arguments.h"
#include "commands/testing.h"

namespace runnel {
namespace {

constexpr const char* kInvalidRangeId =
    "-ERR Invalid stream ID specified as stream command argument";

class RangeTest : public ::testing::Test {
 protected:
  RangeTest() {
    for (const char* id : {"1-1", "2-1", "2-2", "3-0"}) {
      runner_.Run({"XADD", "s", id, "f", "v"});
    }
  }
  // A reply with entries of the field f and the value v, by their IDs.
  static std::string Entries(std::initializer_list<const char*> ids) {
    std::string reply = "*" + std::to_string(ids.size());
    for (const char* id : ids) {
      reply += " *2 $3 " + std::string(id) + " *2 $1 f $1 v";
    }
    return reply;
  }

  CommandRunner runner_{StreamCommands()};
};

TEST_F(RangeTest, GivesTheLength) {
  EXPECT_EQ(runner_.Run("XLEN s"), ":4");
  EXPECT_EQ(runner_.Run("XLEN nokey"), ":0");
  EXPECT_EQ(runner_.misses(), 1u);
}

TEST_F(RangeTest, GivesIntervals) {
  EXPECT_EQ(runner_.Run("XRANGE s - +"), Entries({"1-1", "2-1", "2-2", "3-0"}));
  EXPECT_EQ(runner_.Run("XREVRANGE s + -"), Entries({"3-0", "2-2", "2-1", "1-1"}));
  EXPECT_EQ(runner_.Run("XRANGE s 2 2"), Entries({"2-1", "2-2"}));
  EXPECT_EQ(runner_.Run("XREVRANGE s 2 2"), Entries({"2-2", "2-1"}));
  EXPECT_EQ(runner_.Run("XRANGE s (2-1 (3-0"), Entries({"2-2"}));
  EXPECT_EQ(runner_.Run("XREVRANGE s (3-0 (2-1"), Entries({"2-2"}));
  EXPECT_EQ(runner_.Run("XRANGE s 3-1 +"), "*0");
  EXPECT_EQ(runner_.Run("XREVRANGE s 1-0 -"), "*0");
  EXPECT_EQ(runner_.Run("XRANGE s + -"), "*0");
  EXPECT_EQ(runner_.Run("XREVRANGE s - +"), "*0");
  EXPECT_EQ(runner_.Run("XRANGE s 2-2 2-1"), "*0");
  EXPECT_EQ(runner_.Run("XRANGE nokey - +"), "*0");
}

TEST_F(RangeTest, Counts) {
  EXPECT_EQ(runner_.Run("XRANGE s - + COUNT 2"), Entries({"1-1", "2-1"}));
  EXPECT_EQ(runner_.Run("XREVRANGE s + 2-1 count 2"), Entries({"3-0", "2-2"}));
  EXPECT_EQ(runner_.Run("XRANGE s - + COUNT 2 COUNT 1"), Entries({"1-1"}));
  EXPECT_EQ(runner_.Run("XRANGE s - + COUNT 0"), "*-1");
  EXPECT_EQ(runner_.Run("XRANGE s - + COUNT -5"), "*-1");
  EXPECT_EQ(runner_.Run("XRANGE nokey - + COUNT 0"), "*0");
  runner_.protocol = 3;
  EXPECT_EQ(runner_.Run("XRANGE s - + COUNT 0"), "_");
}

TEST_F(RangeTest, RefusesWhatIsNoInterval) {
  for (const char* start : {"(-", "(+", "(", "x", "$", ">"}) {
    EXPECT_EQ(runner_.Run({"XRANGE", "s", start, "+"}), kInvalidRangeId) << start;
    EXPECT_EQ(runner_.Run({"XREVRANGE", "s", start, "-"}), kInvalidRangeId) << start;
  }
  EXPECT_EQ(runner_.Run("XRANGE s (18446744073709551615-18446744073709551615 +"),
            "-ERR invalid start ID for the interval");
  // An incomplete end stands for the last ID of its millisecond, of which there is one before.
  EXPECT_EQ(runner_.Run("XRANGE s - (18446744073709551615"), Entries({"1-1", "2-1", "2-2", "3-0"}));
  EXPECT_EQ(runner_.Run("XRANGE s - (0-0"), "-ERR invalid end ID for the interval");
  EXPECT_EQ(runner_.Run("XRANGE s - + COUNT"), "-ERR syntax error");
  EXPECT_EQ(runner_.Run("XRANGE s - + LIMIT 1"), "-ERR syntax error");
  EXPECT_EQ(runner_.Run("XRANGE s - + COUNT x"), "-ERR value is not an integer or out of range");
}

// Ranges over several blocks with entries deleted in them, against a plain list of what must be
// there.
TEST(RangeOverBlocksTest, GivesWhatIsThere) {
  CommandRunner runner({StreamCommands()});
  runner.options.stream_node_max_entries = 7;
  std::vector<int> left;
  for (int i = 1; i <= 100; i++) {
    runner.Run({"XADD", "s", "0-" + std::to_string(i), "f", "v"});
    if (i % 5 != 0 && i != 21 && i > 3) left.push_back(i);
  }
  for (int i = 1; i <= 100; i++) {
    if (i % 5 == 0 || i == 21) runner.Run({"XDEL", "s", "0-" + std::to_string(i)});
  }
  runner.Run("XTRIM s MINID 0-4");
  const auto reply_of = [](const std::vector<int>& entries) {
    std::string reply = "*" + std::to_string(entries.size());
    for (const int i : entries) {
      const std::string id = "0-" + std::to_string(i);
      reply += " *2 $" + std::to_string(id.size()) + " " + id + " *2 $1 f $1 v";
    }
    return reply;
  };
  for (int first = 0; first <= 101; first += 3) {
    for (int last = 0; last <= 102; last += 4) {
      for (const size_t count : {size_t{1}, size_t{6}, size_t{1000}}) {
        std::vector<int> expected;
        for (const int i : left) {
          if (i >= first && i <= last) expected.push_back(i);
        }
        std::vector<int> back(expected.rbegin(), expected.rend());
        expected.resize(std::min(expected.size(), count));
        back.resize(std::min(back.size(), count));
        const std::string first_id = "0-" + std::to_string(first);
        const std::string last_id = "0-" + std::to_string(last);
        const std::string limit = std::to_string(count);
        ASSERT_EQ(runner.Run({"XRANGE", "s", first_id, last_id, "COUNT", limit}),
                  reply_of(expected));
        ASSERT_EQ(runner.Run({"XREVRANGE", "s", last_id, first_id, "COUNT", limit}),
                  reply_of(back));
      }
    }
  }
}

}  // namespace
}  // namespace runnel
