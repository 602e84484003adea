#include <set>
#include <sstream>
#include <string>

#include "commands/families.h"
#include "commands/testing.h"
#include "data/stream/stream.h"
#include "data/topic/record.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace runnel {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::StartsWith;
using ::testing::UnorderedElementsAre;

class KeyspaceCommandsTest : public ::testing::Test {
 protected:
  std::string Run(const char* line) { return runner_.Run(line); }

  // The bytes that DUMP gives.
  std::string Dump(const char* key) {
    const std::string reply = runner_.Run({"DUMP", key});
    return reply.substr(reply.find(' ') + 1);
  }

  CommandRunner runner_{KeyspaceCommands(), StringCommands(), ListCommands()};
};

TEST_F(KeyspaceCommandsTest, DeletingAndCounting) {
  Run("MSET a 1 b 2");
  EXPECT_EQ(Run("EXISTS a a none"), ":2");
  EXPECT_EQ(Run("TOUCH a b none"), ":2");
  EXPECT_EQ(Run("DEL a a none"), ":1");
  EXPECT_THAT(runner_.effects(), ElementsAre("key-remove"));
  EXPECT_THAT(runner_.events(), ElementsAre("del a"));
  EXPECT_EQ(Run("UNLINK b"), ":1");
  EXPECT_THAT(runner_.events(), ElementsAre("del b"));
  EXPECT_EQ(Run("TYPE b"), "+none");
  Run("RPUSH q a");
  EXPECT_EQ(Run("TYPE q"), "+list");
}

// --- Expiry ---

TEST_F(KeyspaceCommandsTest, ExpiryIsSetAskedForAndTakenAway) {
  EXPECT_EQ(Run("EXPIRE k 10"), ":0");
  EXPECT_EQ(Run("TTL k"), ":-2");
  Run("SET k v");
  EXPECT_EQ(Run("TTL k"), ":-1");
  EXPECT_EQ(Run("EXPIRE k 10"), ":1");
  EXPECT_THAT(runner_.effects(), ElementsAre("key-expire"));
  EXPECT_THAT(runner_.events(), ElementsAre("expire k"));
  EXPECT_THAT(runner_.changes(), ElementsAre("modified k"));
  EXPECT_EQ(Run("PTTL k"), ":10000");
  EXPECT_EQ(Run("EXPIRETIME k"), ":1700000010");
  EXPECT_EQ(Run("PEXPIREAT k 1700000001499"), ":1");
  EXPECT_EQ(Run("TTL k"), ":1");
  EXPECT_EQ(Run("PEXPIREAT k 1700000001500"), ":1");
  EXPECT_EQ(Run("TTL k"), ":2");
  EXPECT_EQ(Run("PEXPIRETIME k"), ":1700000001500");
  EXPECT_EQ(Run("PERSIST k"), ":1");
  EXPECT_THAT(runner_.events(), ElementsAre("persist k"));
  EXPECT_EQ(Run("PERSIST k"), ":0");
  EXPECT_THAT(runner_.effects(), IsEmpty());
}

TEST_F(KeyspaceCommandsTest, ATimeThatIsOverDeletes) {
  Run("SET k v");
  EXPECT_EQ(Run("EXPIRE k 0"), ":1");
  EXPECT_THAT(runner_.effects(), ElementsAre("key-remove"));
  EXPECT_THAT(runner_.events(), ElementsAre("del k"));
  Run("SET k v");
  EXPECT_EQ(Run("PEXPIREAT k -9223372036854775808"), ":1");
  EXPECT_EQ(Run("EXISTS k"), ":0");
}

TEST_F(KeyspaceCommandsTest, ConditionsOfExpire) {
  Run("SET k v");
  EXPECT_EQ(Run("EXPIRE k 10 XX"), ":0");
  EXPECT_EQ(Run("EXPIRE k 10 GT"), ":0");  // no expiry is later than any
  EXPECT_EQ(Run("EXPIRE k 10 LT"), ":1");
  EXPECT_EQ(Run("EXPIRE k 20 NX"), ":0");
  EXPECT_EQ(Run("EXPIRE k 20 LT"), ":0");
  EXPECT_EQ(Run("EXPIRE k 10 GT"), ":0");
  EXPECT_EQ(Run("EXPIRE k 20 XX GT"), ":1");
  EXPECT_EQ(Run("EXPIRE k 20 NX GT"),
            "-ERR NX and XX, GT or LT options at the same time are not compatible");
  EXPECT_EQ(Run("EXPIRE k 20 GT LT"), "-ERR GT and LT options at the same time are not compatible");
  EXPECT_EQ(Run("EXPIRE k 20 Odd"), "-ERR Unsupported option Odd");
  EXPECT_EQ(Run("EXPIRE k x"), "-ERR value is not an integer or out of range");
  EXPECT_EQ(Run("EXPIRE k 9223372036854775807"), "-ERR invalid expire time in 'expire' command");
  EXPECT_EQ(Run("PEXPIRE k 9223372036854775807"), "-ERR invalid expire time in 'pexpire' command");
  EXPECT_EQ(Run("EXPIREAT k -9223372036854775808"),
            "-ERR invalid expire time in 'expireat' command");
}

// --- Names ---

TEST_F(KeyspaceCommandsTest, RenamingReplacesAndTakesTheExpiryAlong) {
  EXPECT_EQ(Run("RENAME a b"), "-ERR no such key");
  Run("RPUSH a x");
  Run("EXPIRE a 10");
  Run("SET b v");
  EXPECT_EQ(Run("RENAMENX a b"), ":0");
  EXPECT_EQ(Run("RENAME a b"), "+OK");
  EXPECT_THAT(runner_.effects(), ElementsAre("key-rename"));
  EXPECT_THAT(runner_.events(), ElementsAre("new b", "rename_from a", "rename_to b"));
  EXPECT_THAT(runner_.changes(), testing::IsSupersetOf({"removed a", "added b"}));
  EXPECT_EQ(Run("TYPE b"), "+list");
  EXPECT_EQ(Run("TTL b"), ":10");
  EXPECT_EQ(Run("RENAME b b"), "+OK");
  EXPECT_THAT(runner_.effects(), IsEmpty());
  EXPECT_EQ(Run("RENAMENX b b"), ":0");
  EXPECT_EQ(Run("RENAMENX b c"), ":1");
}

TEST_F(KeyspaceCommandsTest, CopiesAreIndependent) {
  Run("RPUSH a x y");
  Run("EXPIRE a 10");
  EXPECT_EQ(Run("COPY a b"), ":1");
  EXPECT_THAT(runner_.effects(), ElementsAre("key-copy"));
  EXPECT_THAT(runner_.events(), ElementsAre("new b", "copy_to b"));
  EXPECT_EQ(Run("TTL b"), ":10");
  Run("LPOP a");
  Run("RPUSH b z");
  EXPECT_EQ(Run("LRANGE a 0 -1"), "*1 $1 y");
  EXPECT_EQ(Run("LRANGE b 0 -1"), "*3 $1 x $1 y $1 z");
  EXPECT_EQ(Run("COPY a b"), ":0");
  EXPECT_EQ(Run("COPY a b REPLACE"), ":1");
  EXPECT_EQ(Run("COPY a a"), "-ERR source and destination objects are the same");
  EXPECT_EQ(Run("COPY a a DB 1"), ":1");
  EXPECT_THAT(runner_.events(), ElementsAre("new a@1", "copy_to a@1"));
  EXPECT_EQ(Run("COPY a b DB 16"), "-ERR DB index is out of range");
  EXPECT_EQ(Run("COPY a b DB"), "-ERR syntax error");
  EXPECT_EQ(Run("COPY none b REPLACE"), ":0");
}

TEST_F(KeyspaceCommandsTest, MovingBetweenDatabases) {
  Run("SET a 1");
  EXPECT_EQ(Run("MOVE a 0"), "-ERR source and destination objects are the same");
  EXPECT_EQ(Run("MOVE a 16"), "-ERR DB index is out of range");
  EXPECT_EQ(Run("MOVE a 99999999999"),
            "-ERR value is out of range, value must between -2147483648 and 2147483647");
  EXPECT_EQ(Run("MOVE a 2"), ":1");
  EXPECT_THAT(runner_.effects(), ElementsAre("key-rename"));
  EXPECT_THAT(runner_.events(), ElementsAre("new a@2", "move_from a", "move_to a@2"));
  EXPECT_EQ(Run("MOVE a 2"), ":0");
  Run("SET a 2");
  EXPECT_EQ(Run("MOVE a 2"), ":0");
  EXPECT_EQ(Run("SWAPDB 0 2"), "+OK");
  EXPECT_THAT(runner_.changes(), ElementsAre("swap 0 2", "swap 65536 65538"));
  EXPECT_EQ(Run("GET a"), "$1 1");
  EXPECT_EQ(Run("SWAPDB 0 0"), "+OK");
  EXPECT_THAT(runner_.effects(), IsEmpty());
  EXPECT_EQ(Run("SWAPDB x 0"), "-ERR invalid first DB index");
  EXPECT_EQ(Run("SWAPDB 0 x"), "-ERR invalid second DB index");
  EXPECT_EQ(Run("SWAPDB 0 16"), "-ERR DB index is out of range");
}

TEST_F(KeyspaceCommandsTest, Flushing) {
  Run("MSET a 1 b 2");
  Run("COPY a a DB 1");
  EXPECT_EQ(Run("FLUSHDB ODD"), "-ERR syntax error");
  EXPECT_EQ(Run("FLUSHDB ASYNC"), "+OK");
  EXPECT_THAT(runner_.effects(), ElementsAre("flush"));
  EXPECT_THAT(runner_.changes(), ElementsAre("flush 0", "flush 65536"));
  EXPECT_THAT(runner_.events(), IsEmpty());
  EXPECT_EQ(runner_.keyspace().size(1), 1u);
  EXPECT_EQ(Run("FLUSHALL"), "+OK");
  EXPECT_EQ(runner_.keyspace().size(1), 0u);
}

// --- Looking around ---

TEST_F(KeyspaceCommandsTest, ScanWalksOverAllKeys) {
  std::set<std::string> expected;
  for (int i = 0; i < 500; i++) {
    const std::string name = "key:" + std::to_string(i);
    expected.insert(name);
    i % 2 == 0 ? runner_.Run({"SET", name, "v"}) : runner_.Run({"RPUSH", name, "v"});
  }
  const auto walk = [&](const std::string& options) {
    std::set<std::string> names;
    std::string cursor = "0";
    do {
      std::istringstream reply(Run(("SCAN " + cursor + options).c_str()));
      std::string word;
      reply >> word >> word >> cursor >> word;
      while (reply >> word >> word)
        names.insert(word);
    } while (cursor != "0");
    return names;
  };
  EXPECT_EQ(walk(""), expected);
  EXPECT_EQ(walk(" COUNT 1"), expected);
  EXPECT_EQ(walk(" COUNT 9223372036854775807"), expected);
  EXPECT_EQ(walk(" TYPE list COUNT 100").size(), 250u);
  EXPECT_EQ(walk(" TYPE STRING").size(), 250u);
  EXPECT_THAT(walk(" TYPE zset"), IsEmpty());
  EXPECT_THAT(walk(" MATCH key:49? TYPE list"),
              UnorderedElementsAre("key:491", "key:493", "key:495", "key:497", "key:499"));
}

TEST_F(KeyspaceCommandsTest, ScanChecksItsArguments) {
  EXPECT_EQ(Run("SCAN 0"), "*2 $1 0 *0");
  EXPECT_EQ(Run("SCAN x"), "-ERR invalid cursor");
  EXPECT_EQ(Run("SCAN -1"), "-ERR invalid cursor");
  EXPECT_EQ(Run("SCAN 0 COUNT 0"), "-ERR syntax error");
  EXPECT_EQ(Run("SCAN 0 COUNT x"), "-ERR value is not an integer or out of range");
  EXPECT_EQ(Run("SCAN 0 MATCH"), "-ERR syntax error");
  EXPECT_EQ(Run("SCAN 0 ODD 1"), "-ERR syntax error");
}

TEST_F(KeyspaceCommandsTest, ExpiredKeysAreNotShown) {
  Run("SET gone v PX 10");
  Run("SET here v");
  runner_.now_ms += 10;
  EXPECT_EQ(Run("KEYS *"), "*1 $4 here");
  EXPECT_EQ(Run("SCAN 0"), "*2 $1 0 *1 $4 here");
  EXPECT_EQ(Run("DBSIZE"), ":2");
  for (int i = 0; i < 50; i++)
    EXPECT_EQ(Run("RANDOMKEY"), "$4 here");
  EXPECT_EQ(Run("DBSIZE"), ":1");
  Run("DEL here");
  EXPECT_EQ(Run("RANDOMKEY"), "$-1");
}

TEST_F(KeyspaceCommandsTest, RandomKeyRemovesAFewExpiredKeysAtATime) {
  for (int i = 0; i < 5000; i++)
    runner_.Run({"SET", "gone:" + std::to_string(i), "v", "PX", "10"});
  runner_.now_ms += 10;
  EXPECT_EQ(Run("RANDOMKEY"), "$-1");
  EXPECT_GE(runner_.keyspace().size(0), 4900u);
  Run("SET here v");
  EXPECT_EQ(Run("RANDOMKEY"), "$4 here");
}

TEST_F(KeyspaceCommandsTest, KeysMatchesPatterns) {
  Run("MSET one 1 two 2 three 3");
  EXPECT_EQ(Run("KEYS tw?"), "*1 $3 two");
  EXPECT_EQ(Run("KEYS [^ot]*"), "*0");
}

TEST_F(KeyspaceCommandsTest, ObjectTellsAboutKeys) {
  EXPECT_EQ(Run("OBJECT ENCODING none"), "$-1");
  EXPECT_EQ(Run("OBJECT FREQ none"), "$-1");
  Run("SET n 12");
  Run("RPUSH q a");
  EXPECT_EQ(Run("OBJECT ENCODING n"), "$3 int");
  EXPECT_EQ(Run("OBJECT ENCODING q"), "$8 listpack");
  EXPECT_EQ(Run("OBJECT REFCOUNT q"), ":1");
  EXPECT_THAT(Run("OBJECT FREQ q"), StartsWith("-ERR An LFU maxmemory policy is not selected"));
  EXPECT_THAT(Run("OBJECT HELP"), StartsWith("*11 +OBJECT"));
}

// What only asks about a key does not count as using it.
TEST_F(KeyspaceCommandsTest, IdleTimeCountsFromTheLastUse) {
  Run("RPUSH q a");
  EXPECT_EQ(Run("OBJECT IDLETIME q"), ":0");
  runner_.now_ms += 5000;
  for (const char* line : {"TTL q", "TYPE q", "EXISTS q", "OBJECT ENCODING q", "SCAN 0"})
    Run(line);
  EXPECT_EQ(Run("OBJECT IDLETIME q"), ":5");
  Run("LLEN q");
  EXPECT_EQ(Run("OBJECT IDLETIME q"), ":0");
  runner_.now_ms += 5000;
  Run("TOUCH q");
  EXPECT_EQ(Run("OBJECT IDLETIME q"), ":0");
}

TEST_F(KeyspaceCommandsTest, QuestionsAboutMissingKeysAreMisses) {
  for (const char* line : {"TTL k", "TYPE k", "EXISTS k", "TOUCH k", "DUMP k"}) {
    Run(line);
    EXPECT_THAT(runner_.events(), ElementsAre("keymiss k")) << line;
  }
  for (const char* line : {"OBJECT ENCODING k", "PERSIST k", "DEL k", "EXPIRE k 1"}) {
    Run(line);
    EXPECT_THAT(runner_.events(), IsEmpty()) << line;
  }
}

// --- Dumps ---

TEST_F(KeyspaceCommandsTest, ADumpRestoresEveryType) {
  Run("SET s value");
  Run("RPUSH q a b c");
  for (const char* key : {"s", "q"}) {
    const std::string dump = Dump(key);
    EXPECT_EQ(runner_.Run({"RESTORE", "copy", "0", dump}), "+OK");
    EXPECT_THAT(runner_.effects(), ElementsAre("key-restore"));
    EXPECT_THAT(runner_.events(), ElementsAre("new copy", "restore copy"));
    EXPECT_EQ(Dump("copy"), dump);
    EXPECT_EQ(Run("TTL copy"), ":-1");
    EXPECT_EQ(runner_.Run({"RESTORE", "copy", "0", dump}),
              "-BUSYKEY Target key name already exists.");
    EXPECT_EQ(runner_.Run({"RESTORE", "copy", "0", dump, "REPLACE"}), "+OK");
    Run("DEL copy");
  }
  EXPECT_EQ(Run("DUMP none"), "$-1");
}

TEST_F(KeyspaceCommandsTest, RestoreSetsExpiryAndIdleTime) {
  Run("SET s v");
  const std::string dump = Dump("s");
  EXPECT_EQ(runner_.Run({"RESTORE", "k", "1500", dump, "IDLETIME", "30"}), "+OK");
  EXPECT_EQ(Run("PTTL k"), ":1500");
  EXPECT_EQ(Run("OBJECT IDLETIME k"), ":30");
  EXPECT_EQ(runner_.Run({"RESTORE", "k", "1700000000500", dump, "REPLACE", "ABSTTL", "FREQ", "9"}),
            "+OK");
  EXPECT_EQ(Run("PTTL k"), ":500");
  // A time that is over: the key is not made, and what was there is gone.
  EXPECT_EQ(runner_.Run({"RESTORE", "k", "1", dump, "REPLACE", "ABSTTL"}), "+OK");
  EXPECT_THAT(runner_.events(), ElementsAre("del k"));
  EXPECT_EQ(runner_.Run({"RESTORE", "k", "1", dump, "ABSTTL"}), "+OK");
  EXPECT_THAT(runner_.effects(), IsEmpty());
}

TEST_F(KeyspaceCommandsTest, RestoreChecksItsArguments) {
  Run("SET s v");
  const std::string dump = Dump("s");
  EXPECT_EQ(runner_.Run({"RESTORE", "k", "-1", dump}), "-ERR Invalid TTL value, must be >= 0");
  EXPECT_EQ(runner_.Run({"RESTORE", "k", "x", dump}),
            "-ERR value is not an integer or out of range");
  EXPECT_EQ(runner_.Run({"RESTORE", "k", "0", dump, "IDLETIME", "-1"}),
            "-ERR Invalid IDLETIME value, must be >= 0");
  EXPECT_EQ(runner_.Run({"RESTORE", "k", "0", dump, "FREQ", "256"}),
            "-ERR Invalid FREQ value, must be >= 0 and <= 255");
  EXPECT_EQ(runner_.Run({"RESTORE", "k", "0", dump, "FREQ", "1", "IDLETIME", "1"}),
            "-ERR syntax error");
  EXPECT_EQ(runner_.Run({"RESTORE", "k", "0", ""}),
            "-ERR DUMP payload version or checksum are wrong");
}

TEST_F(KeyspaceCommandsTest, ADamagedDumpIsRefusedAtEveryByte) {
  Run("RPUSH q a b c");
  const std::string dump = Dump("q");
  for (size_t i = 0; i < dump.size(); i++) {
    std::string damaged = dump;
    damaged[i] = static_cast<char>(damaged[i] + 1);
    EXPECT_EQ(runner_.Run({"RESTORE", "k", "0", damaged}),
              "-ERR DUMP payload version or checksum are wrong");
    EXPECT_EQ(runner_.Run({"RESTORE", "k", "0", dump.substr(0, i)}),
              "-ERR DUMP payload version or checksum are wrong");
  }
  EXPECT_EQ(Run("EXISTS k"), ":0");
}

// The stored form of a partition is known: anybody can make one up. A key does not get it.
TEST_F(KeyspaceCommandsTest, ADumpOfAPartitionIsRefused) {
  for (const bool compacted : {false, true}) {
    Stream stream;
    stream.MakePartition();
    if (compacted) stream.KeepNewest(std::make_unique<Compaction>(TopicId(), 0));
    const std::string_view fields[] = {kRecordKey, "key", "f", "v"};
    stream.Append({5, 0}, fields, kPartitionLimits);
    std::string dump(1, static_cast<char>(ObjectType::kStream));
    Encoder encoder(&dump);
    stream.Encode(&encoder);
    encoder.Fixed<uint16_t>(1);
    encoder.Fixed(Checksum(dump));
    EXPECT_EQ(runner_.Run({"RESTORE", "k", "0", dump}), "-ERR Bad data format");
    EXPECT_EQ(runner_.Run({"RESTORE", "k", "1", dump, "ABSTTL"}), "-ERR Bad data format");
  }
  EXPECT_EQ(Run("EXISTS k"), ":0");
}

// A checksum can be right over bytes that are no value.
TEST_F(KeyspaceCommandsTest, ADumpOfNonsenseIsRefused) {
  for (const std::string& content :
       {std::string("\x01\x07"), std::string("\xee\x01"), std::string("\x01")}) {
    std::string dump = content;
    Encoder encoder(&dump);
    encoder.Fixed<uint16_t>(1);
    encoder.Fixed(Checksum(dump));
    EXPECT_EQ(runner_.Run({"RESTORE", "k", "0", dump}), "-ERR Bad data format");
  }
  std::string later = "\x01";
  Encoder encoder(&later);
  encoder.Fixed<uint16_t>(2);
  encoder.Fixed(Checksum(later));
  EXPECT_EQ(runner_.Run({"RESTORE", "k", "0", later}),
            "-ERR DUMP payload version or checksum are wrong");
}

}  // namespace
}  // namespace runnel
