#include <random>
#include <string>
#include <vector>

#include "commands/families.h"
#include "commands/testing.h"
#include "data/string_object.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace runnel {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

class BitCommandsTest : public ::testing::Test {
 protected:
  std::string Run(const char* line) { return runner_.Run(line); }

  static constexpr const char* kWrong =
      "-WRONGTYPE Operation against a key holding the wrong kind of value";
  CommandRunner runner_{StringCommands(), ListCommands(), KeyspaceCommands()};
};

TEST_F(BitCommandsTest, SettingABitGrowsTheString) {
  EXPECT_EQ(Run("SETBIT k 7 1"), ":0");
  EXPECT_THAT(runner_.effects(), ElementsAre("string-set-range"));
  EXPECT_THAT(runner_.events(), ElementsAre("new k", "setbit k"));
  EXPECT_EQ(runner_.Run({"GET", "k"}), "$1 \x01");
  // A bit that is as it should be is no change.
  EXPECT_EQ(Run("SETBIT k 7 1"), ":1");
  EXPECT_THAT(runner_.effects(), IsEmpty());
  EXPECT_THAT(runner_.events(), IsEmpty());
  EXPECT_EQ(Run("SETBIT k 17 0"), ":0");
  EXPECT_THAT(runner_.effects(), ElementsAre("string-set-range"));
  EXPECT_EQ(Run("SETBIT k 17 1"), ":0");
  EXPECT_THAT(runner_.events(), ElementsAre("setbit k"));
  EXPECT_EQ(Run("STRLEN k"), ":3");
  EXPECT_EQ(Run("SETBIT k 17 0"), ":1");
  EXPECT_EQ(Run("GETBIT k 7"), ":1");
  EXPECT_EQ(Run("GETBIT k 6"), ":0");
  EXPECT_EQ(Run("GETBIT k 17"), ":0");
  EXPECT_EQ(Run("GETBIT k 100000"), ":0");
  EXPECT_EQ(Run("GETBIT none 0"), ":0");
  EXPECT_EQ(runner_.Replayed(), ContentOf(runner_.keyspace()));
}

TEST_F(BitCommandsTest, BitErrors) {
  constexpr const char* kOffset = "-ERR bit offset is not an integer or out of range";
  EXPECT_EQ(Run("SETBIT k 4294967296 1"), kOffset);
  EXPECT_EQ(Run("SETBIT k -1 1"), kOffset);
  EXPECT_EQ(Run("SETBIT k x 1"), kOffset);
  EXPECT_EQ(Run("GETBIT k 4294967296"), kOffset);
  EXPECT_EQ(Run("SETBIT k 0 2"), "-ERR bit is not an integer or out of range");
  EXPECT_EQ(Run("SETBIT k 0 x"), "-ERR bit is not an integer or out of range");
  Run("RPUSH q a");
  for (const char* line :
       {"SETBIT q 0 1", "GETBIT q 0", "BITCOUNT q", "BITPOS q 0", "BITOP OR d q"})
    EXPECT_EQ(Run(line), kWrong) << line;
  EXPECT_EQ(Run("EXISTS k"), ":0");
}

TEST_F(BitCommandsTest, CountingBits) {
  Run("SET k foobar");
  EXPECT_EQ(Run("BITCOUNT k"), ":26");
  EXPECT_EQ(Run("BITCOUNT k 0 0"), ":4");
  EXPECT_EQ(Run("BITCOUNT k 1 1 BYTE"), ":6");
  EXPECT_EQ(Run("BITCOUNT k 5 30 BIT"), ":17");
  EXPECT_EQ(Run("BITCOUNT k -2 -1"), ":7");
  EXPECT_EQ(Run("BITCOUNT k -1 -2"), ":0");
  EXPECT_EQ(Run("BITCOUNT k -100 -101"), ":0");
  EXPECT_EQ(Run("BITCOUNT k 3 2"), ":0");
  EXPECT_EQ(Run("BITCOUNT none"), ":0");
  EXPECT_EQ(Run("BITCOUNT k 0"), "-ERR syntax error");
  EXPECT_EQ(Run("BITCOUNT k 0 1 BYTE x"), "-ERR syntax error");
  EXPECT_EQ(Run("BITCOUNT k 0 1 what"), "-ERR syntax error");
  EXPECT_EQ(Run("BITCOUNT k x 1"), "-ERR value is not an integer or out of range");
  EXPECT_EQ(Run("BITCOUNT none x 1"), "-ERR value is not an integer or out of range");
}

TEST_F(BitCommandsTest, FindingBits) {
  runner_.Run({"SET", "k", std::string_view("\x00\xff\xf0", 3)});
  EXPECT_EQ(Run("BITPOS k 1"), ":8");
  EXPECT_EQ(Run("BITPOS k 0"), ":0");
  EXPECT_EQ(Run("BITPOS k 0 1"), ":20");
  EXPECT_EQ(Run("BITPOS k 1 2"), ":16");
  EXPECT_EQ(Run("BITPOS k 0 1 1"), ":-1");
  EXPECT_EQ(Run("BITPOS k 1 20 -1 BIT"), ":-1");
  EXPECT_EQ(Run("BITPOS k 0 17 -1 BIT"), ":20");
  EXPECT_EQ(Run("BITPOS k 1 5 9 bit"), ":8");
  EXPECT_EQ(Run("BITPOS k 1 3 2"), ":-1");
  EXPECT_EQ(Run("BITPOS none 0"), ":0");
  EXPECT_EQ(Run("BITPOS none 1"), ":-1");
  // Without an end, the string goes on with zeros.
  runner_.Run({"SET", "ones", "\xff\xff"});
  EXPECT_EQ(Run("BITPOS ones 0"), ":16");
  EXPECT_EQ(Run("BITPOS ones 0 1"), ":16");
  EXPECT_EQ(Run("BITPOS ones 0 0 -1"), ":-1");
  EXPECT_EQ(Run("BITPOS ones 0 5"), ":-1");
  runner_.Run({"SET", "empty", ""});
  EXPECT_EQ(Run("BITPOS empty 0"), ":-1");
  EXPECT_EQ(Run("BITPOS k 2"), "-ERR The bit argument must be 1 or 0.");
  EXPECT_EQ(Run("BITPOS k x"), "-ERR value is not an integer or out of range");
  EXPECT_EQ(Run("BITPOS k 1 0 1 what"), "-ERR syntax error");
  EXPECT_EQ(Run("BITPOS k 1 0 1 BIT x"), "-ERR syntax error");
}

// Against the plainest way to do it, on strings of several pieces.
TEST_F(BitCommandsTest, AgreeWithAPlainSearch) {
  std::mt19937 random(1);
  for (const size_t size : {size_t{1}, size_t{9}, size_t{40}, 2 * StringObject::kPieceBytes + 11}) {
    for (const int filler : {0, 0xff}) {
      std::string text(size, static_cast<char>(filler));
      for (int i = 0; i < 3; i++)
        text[random() % size] = static_cast<char>(random());
      runner_.Run({"SET", "k", text});
      const auto bit = [&](size_t i) { return (text[i / 8] >> (7 - i % 8) & 1) != 0; };
      for (int round = size > 1000 ? 36 : 0; round < 40; round++) {
        const size_t begin = random() % (size * 8);
        const size_t end = begin + random() % (size * 8 - begin);
        const bool wanted = random() % 2 == 0;
        int64_t count = 0;
        int64_t first = -1;
        for (size_t i = begin; i <= end; i++) {
          count += bit(i) ? 1 : 0;
          if (first < 0 && bit(i) == wanted) first = static_cast<int64_t>(i);
        }
        const std::string from = std::to_string(begin);
        const std::string to = std::to_string(end);
        ASSERT_EQ(runner_.Run({"BITCOUNT", "k", from, to, "BIT"}), ":" + std::to_string(count));
        ASSERT_EQ(runner_.Run({"BITPOS", "k", wanted ? "1" : "0", from, to, "BIT"}),
                  ":" + std::to_string(first));
      }
    }
  }
}

TEST_F(BitCommandsTest, CombiningBits) {
  runner_.Run({"SET", "a", "abc"});
  runner_.Run({"SET", "b", "A"});
  EXPECT_EQ(Run("BITOP OR d a b"), ":3");
  EXPECT_THAT(runner_.effects(), ElementsAre("string-set"));
  EXPECT_THAT(runner_.events(), ElementsAre("new d", "set d"));
  EXPECT_EQ(Run("GET d"), "$3 abc");
  EXPECT_EQ(Run("BITOP AND d a b"), ":3");
  EXPECT_EQ(runner_.Run({"GET", "d"}), std::string("$3 A\0\0", 6));
  EXPECT_EQ(Run("BITOP XOR d a b"), ":3");
  EXPECT_EQ(Run("GET d"), "$3  bc");
  // Naming a string twice has its meaning in XOR only.
  EXPECT_EQ(Run("BITOP XOR d a b b"), ":3");
  EXPECT_EQ(Run("GET d"), "$3 abc");
  EXPECT_EQ(Run("BITOP XOR d a a"), ":3");
  EXPECT_EQ(runner_.Run({"GET", "d"}), std::string("$3 \0\0\0", 6));
  EXPECT_EQ(Run("BITOP AND d a a a"), ":3");
  EXPECT_EQ(Run("GET d"), "$3 abc");
  EXPECT_EQ(Run("BITOP NOT d a"), ":3");
  EXPECT_EQ(Run("GET d"), "$3 \x9e\x9d\x9c");
  EXPECT_EQ(Run("BITOP AND d a none"), ":3");
  EXPECT_EQ(runner_.Run({"GET", "d"}), std::string("$3 \0\0\0", 6));
  EXPECT_EQ(Run("BITOP OR d none none"), ":0");
  EXPECT_THAT(runner_.effects(), ElementsAre("key-remove"));
  EXPECT_EQ(Run("BITOP OR d none"), ":0");
  EXPECT_THAT(runner_.effects(), IsEmpty());
  // Whatever the target was, it is a string without an expiry now.
  Run("RPUSH q a");
  Run("PEXPIREAT q 1800000000000");
  EXPECT_EQ(Run("BITOP OR q a"), ":3");
  EXPECT_EQ(Run("PTTL q"), ":-1");
  EXPECT_EQ(Run("BITOP NOT d a b"), "-ERR BITOP NOT must be called with a single source key.");
  EXPECT_EQ(Run("BITOP WHAT d a"), "-ERR syntax error");
  EXPECT_EQ(runner_.Replayed(), ContentOf(runner_.keyspace()));
}

// --- LCS ---

TEST_F(BitCommandsTest, CommonSubsequences) {
  Run("MSET a ohmytext b mynewtext");
  EXPECT_EQ(Run("LCS a b"), "$6 mytext");
  EXPECT_EQ(Run("LCS a b LEN"), ":6");
  EXPECT_EQ(Run("LCS a b IDX"),
            "*4 $7 matches *2 *2 *2 :4 :7 *2 :5 :8 *2 *2 :2 :3 *2 :0 :1 $3 len :6");
  EXPECT_EQ(Run("LCS a b IDX MINMATCHLEN 4 WITHMATCHLEN"),
            "*4 $7 matches *1 *3 *2 :4 :7 *2 :5 :8 :4 $3 len :6");
  EXPECT_EQ(Run("LCS a none"), "$0 ");
  EXPECT_EQ(Run("LCS none none IDX"), "*4 $7 matches *0 $3 len :0");
  runner_.protocol = 3;
  EXPECT_EQ(Run("LCS a none IDX"), "%2 $7 matches *0 $3 len :0");
}

TEST_F(BitCommandsTest, CommonSubsequenceErrors) {
  Run("MSET a ohmytext b mynewtext");
  Run("RPUSH q a");
  EXPECT_EQ(Run("LCS a q"), "-ERR The specified keys must contain string values");
  EXPECT_EQ(Run("LCS q a"), "-ERR The specified keys must contain string values");
  EXPECT_EQ(Run("LCS a b IDX LEN"),
            "-ERR If you want both the length and indexes, please just use IDX.");
  EXPECT_EQ(Run("LCS a b WHAT"), "-ERR syntax error");
  EXPECT_EQ(Run("LCS a b MINMATCHLEN"), "-ERR syntax error");
  EXPECT_EQ(Run("LCS a b MINMATCHLEN x"), "-ERR value is not an integer or out of range");
  // 9 * 10 lengths of four bytes.
  runner_.options.max_bulk_bytes = 360;
  EXPECT_EQ(Run("LCS a b LEN"), ":6");
  runner_.options.max_bulk_bytes = 359;
  EXPECT_EQ(Run("LCS a b LEN"),
            "-ERR Insufficient memory, transient memory for LCS exceeds proto-max-bulk-len");
}

}  // namespace
}  // namespace runnel
