#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "commands/families.h"
#include "commands/testing.h"
#include "commands/topic/partitioner.h"
#include "data/stream/stream.h"
#include "data/topic/record.h"
#include "data/topic/topic.h"
#include "fmt/format.h"

namespace runnel {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class TopicCommandsTest : public ::testing::Test {
 protected:
  TopicCommandsTest() { runner_.now_ms = 5000; }
  ~TopicCommandsTest() override { EXPECT_EQ(runner_.Replayed(), ContentOf(runner_.keyspace())); }

  std::string Run(const char* line) { return runner_.Run(line); }
  // An error that changed nothing.
  std::string Refused(const char* line) {
    const std::string reply = runner_.Run(line);
    EXPECT_TRUE(reply.starts_with("-")) << reply;
    EXPECT_THAT(runner_.effects(), IsEmpty()) << line;
    return reply;
  }

  CommandRunner runner_{TopicCommands(), StreamCommands(), GroupCommands(), KeyspaceCommands(),
                        StringCommands()};
};

TEST_F(TopicCommandsTest, CreateMakesATopic) {
  EXPECT_EQ(Run("TOPIC CREATE t PARTITIONS 3 RETENTION-ENTRIES 7 PARTITIONER crc32"), "+OK");
  EXPECT_THAT(runner_.events(), ElementsAre("new t", "topic-create t"));
  const Topic& topic = *runner_.keyspace().Find(KeyRef(0, "t"))->As<Topic>();
  EXPECT_EQ(topic.partitions(), 3u);
  EXPECT_EQ(topic.options().retention_entries, 7u);
  EXPECT_EQ(topic.options().retention_ms, 604'800'000u);
  EXPECT_EQ(topic.options().partitioner, Partitioner::kCrc32);
  EXPECT_EQ(Run("TOPIC CREATE t NX PARTITIONS 3"), "$-1");
  EXPECT_EQ(Refused("TOPIC CREATE t PARTITIONS 3"), "-BUSYKEY 't' exists, and is a topic");
  EXPECT_EQ(Run("TOPIC CREATE u NX PARTITIONS 1"), "+OK");
  EXPECT_NE(runner_.keyspace().Find(KeyRef(0, "u"))->As<Topic>()->id(), topic.id());
  EXPECT_EQ(Run("TOPIC LIST"), "*2 $1 t $1 u");
  EXPECT_EQ(Run("TOPIC LIST [u-z]"), "*1 $1 u");
  EXPECT_EQ(Run("DBSIZE"), ":2");
}

TEST_F(TopicCommandsTest, CreateRefusesWhatIsWrong) {
  Run("SET s v");
  Run("SET new/1 v");
  runner_.options.topic_max_partitions = 10;
  EXPECT_EQ(Refused("TOPIC CREATE s PARTITIONS 1"), "-BUSYKEY 's' exists, and is a string");
  EXPECT_EQ(Refused("TOPIC CREATE s NX PARTITIONS 1"), "-BUSYKEY 's' exists, and is a string");
  EXPECT_EQ(Refused("TOPIC CREATE new PARTITIONS 2"),
            "-BUSYKEY 'new/1' would be a partition, and is a key");
  EXPECT_EQ(Run("TOPIC CREATE new PARTITIONS 1"), "+OK");
  EXPECT_EQ(Refused("TOPIC ALTER new PARTITIONS 2"),
            "-BUSYKEY 'new/1' would be a partition, and is a key");
  EXPECT_EQ(Refused("TOPIC CREATE t PARTITIONS 0"),
            "-ERR a topic has 1 to 10 partitions (topic-max-partitions), not 0");
  EXPECT_EQ(Refused("TOPIC CREATE t PARTITIONS 11"),
            "-ERR a topic has 1 to 10 partitions (topic-max-partitions), not 11");
  EXPECT_EQ(Refused("TOPIC CREATE t PARTITIONS x"), "-ERR value is not an integer or out of range");
  EXPECT_EQ(Refused("TOPIC CREATE a/b PARTITIONS 1").substr(0, 28), "-ERR 'a/b' is no name of a t");
  EXPECT_EQ(Refused("TOPIC CREATE t NX CLEANUP DELETE"), "-ERR PARTITIONS is missing");
  EXPECT_EQ(Refused("TOPIC CREATE t PARTITIONS 1 FOO 2"), "-ERR unknown option 'FOO'");
  EXPECT_EQ(Refused("TOPIC CREATE t PARTITIONS 1 RETENTION-MS"), "-ERR RETENTION-MS needs a value");
  EXPECT_EQ(Refused("TOPIC CREATE t PARTITIONS 1 PARTITIONS 2"), "-ERR PARTITIONS is given twice");
  EXPECT_EQ(Refused("TOPIC CREATE t NX NX PARTITIONS 2"), "-ERR NX is given twice");
  EXPECT_EQ(Refused("TOPIC CREATE t PARTITIONS 1 RETENTION-MS -1"),
            "-ERR RETENTION-MS must be a number from 0 on, not '-1'");
  EXPECT_EQ(Refused("TOPIC CREATE t PARTITIONS 1 CLEANUP x"),
            "-ERR CLEANUP must be DELETE, COMPACT or BOTH, not 'x'");
  EXPECT_EQ(Refused("TOPIC CREATE t PARTITIONS 1 PARTITIONER x"),
            "-ERR PARTITIONER must be MURMUR2 or CRC32, not 'x'");
}

TEST_F(TopicCommandsTest, AlterChangesOptionsAndAddsPartitions) {
  Run("TOPIC CREATE t PARTITIONS 2");
  EXPECT_EQ(Run("TOPIC ALTER t PARTITIONS 2"), "+OK");
  EXPECT_THAT(runner_.effects(), IsEmpty());
  EXPECT_EQ(Run("TOPIC ALTER t PARTITIONS 4 MAX-RECORD-BYTES 10"), "+OK");
  EXPECT_THAT(runner_.events(), ElementsAre("topic-alter t"));
  EXPECT_EQ(runner_.keyspace().Find(KeyRef(0, "t"))->As<Topic>()->partitions(), 4u);
  EXPECT_EQ(Refused("TOPIC ALTER t PARTITIONS 3"),
            "-ERR topic 't' has 4 partitions, and cannot shrink to 3");
  EXPECT_EQ(Refused("TOPIC ALTER t CLEANUP DELETE"), "-ERR CLEANUP of a topic cannot be changed");
  EXPECT_EQ(Refused("TOPIC ALTER t PARTITIONER CRC32"),
            "-ERR PARTITIONER of a topic cannot be changed");
  EXPECT_EQ(Refused("TOPIC ALTER x PARTITIONS 3"), "-NOTOPIC No such topic 'x'");
  EXPECT_EQ(Refused("TADD t * field value12"),
            "-ERR a record of 12 bytes is larger than MAX-RECORD-BYTES 10 of topic 't'");
}

TEST_F(TopicCommandsTest, AddGivesOffsets) {
  Run("TOPIC CREATE t PARTITIONS 2");
  EXPECT_EQ(Run("TADD t/1 * f v"), "*2 $3 t/1 $6 5000-0");
  EXPECT_THAT(runner_.effects(), ElementsAre("record-add"));
  EXPECT_THAT(runner_.events(), ElementsAre("tadd t/1"));
  EXPECT_EQ(Run("TADD t/1 KEY k * f v"), "*2 $3 t/1 $6 5000-1");
  // The time does not go back.
  runner_.now_ms = 4000;
  EXPECT_EQ(Run("TADD t/1 KEY k TOMBSTONE"), "*2 $3 t/1 $6 5000-2");
  runner_.now_ms = 6000;
  EXPECT_EQ(Run("TADD t/1 * KEY v"), "*2 $3 t/1 $6 6000-3");
  EXPECT_EQ(Run("XRANGE t/1 - +"),
            "*4 *2 $6 5000-0 *2 $1 f $1 v *2 $6 5000-1 *2 $1 f $1 v *2 $6 5000-2 *0 "
            "*2 $6 6000-3 *2 $3 KEY $1 v");
  EXPECT_EQ(Run("TREAD WITHKEY PARTITIONS t/1 0"),
            "*1 *2 $3 t/1 *4 *3 $6 5000-0 *2 $1 f $1 v $-1 *3 $6 5000-1 *2 $1 f $1 v $1 k "
            "*3 $6 5000-2 *0 $1 k *3 $6 6000-3 *2 $3 KEY $1 v $-1");
  // The key chooses the partition: murmur2("abc") is odd.
  EXPECT_EQ(Run("TADD t KEY abc * f v"), "*2 $3 t/1 $6 6000-4");
}

TEST_F(TopicCommandsTest, NamesOfFieldsThatLookLikeAKeyAreKept) {
  Run("TOPIC CREATE t PARTITIONS 1");
  const std::string_view zero("\0k", 2);
  runner_.Run({"TADD", "t", "*", zero, "v"});
  runner_.Run({"TADDM", "t", "NOKEYS", "FIELDS", "1", zero, "RECORDS", "a", "b"});
  runner_.Run({"TADDM", "t", "FIELDS", "1", zero, "RECORDS", "a", "b"});
  const std::string name = "$2 " + std::string(zero) + " ";
  EXPECT_EQ(Run("TREAD WITHKEY PARTITIONS t/0 0"),
            "*1 *2 $3 t/0 *4 *3 $6 5000-0 *2 " + name + "$1 v $-1 *3 $6 5000-1 *2 " + name +
                "$1 a $-1 *3 $6 5000-2 *2 " + name + "$1 b $-1 *3 $6 5000-3 *2 " + name +
                "$1 b $1 a");
}

TEST_F(TopicCommandsTest, RecordsWithoutAKeyGoToPartitionsInTurn) {
  Run("TOPIC CREATE t PARTITIONS 3");
  const std::string value(6000, 'v');
  std::string order;
  for (int i = 0; i < 12; i++) {
    const std::string reply = runner_.Run({"TADD", "t", "*", "f", value});
    order += reply.substr(8, 1);
  }
  EXPECT_EQ(order, "000111222000");
}

TEST_F(TopicCommandsTest, AddRefusesWhatIsWrong) {
  Run("TOPIC CREATE t PARTITIONS 2 MAX-RECORD-BYTES 5");
  Run("SET s v");
  EXPECT_EQ(Refused("TADD x * f v"), "-NOTOPIC No such topic 'x'");
  EXPECT_EQ(Refused("TADD s * f v").substr(0, 10), "-WRONGTYPE");
  EXPECT_EQ(Refused("TADD t/2 * f v"), "-ERR no partition 't/2': topic 't' has 2");
  EXPECT_EQ(Refused("TADD t/01 * f v"), "-ERR no partition 't/01': topic 't' has 2");
  EXPECT_EQ(Refused("TADD t KEY k * f vvvv"),
            "-ERR a record of 6 bytes is larger than MAX-RECORD-BYTES 5 of topic 't'");
  EXPECT_EQ(Refused("TADD t KEY k KEY j * f v"), "-ERR KEY is given twice");
  EXPECT_EQ(Refused("TADD t f v f v"), "-ERR unknown option 'f': give * before the fields");
  EXPECT_EQ(Refused("TADD t * f v f"), "-ERR wrong number of arguments for 'tadd' command");
  EXPECT_EQ(Refused("TADD t KEY k TOMBSTONE x"), "-ERR TOMBSTONE is a record without fields");
  EXPECT_EQ(Refused("TADD t PRODUCER p 1 2 TOMBSTONE"), "-ERR TOMBSTONE needs a KEY");
}

TEST_F(TopicCommandsTest, AMissingTopicIsMadeIfTheServerSaysSo) {
  runner_.options.auto_create_topics = 2;
  EXPECT_EQ(Run("TADD t KEY abc * f v"), "*2 $3 t/1 $6 5000-0");
  EXPECT_THAT(runner_.effects(), ElementsAre("topic-create", "record-add"));
  EXPECT_EQ(Run("TADDM u/1 NOKEYS FIELDS 1 f RECORDS a b"), "*1 *3 $3 u/1 $6 5000-0 :2");
  EXPECT_EQ(Refused("TADD v/2 * f v"), "-ERR no partition 'v/2': topic 'v' would have 2");
  EXPECT_EQ(Refused("TADD w * f"), "-ERR wrong number of arguments for 'tadd' command");
  EXPECT_EQ(Refused("TREAD PARTITIONS x/0 0"), "-NOTOPIC No such topic 'x'");
}

TEST_F(TopicCommandsTest, ManyRecordsKeepTheirOrderInAPartition) {
  Run("TOPIC CREATE t PARTITIONS 2");
  // "abc" goes to partition 1, "21" to partition 0 (an even hash).
  EXPECT_EQ(Run("TADDM t FIELDS 2 f g RECORDS abc 1 2 21 3 4 abc 5 6"),
            "*2 *3 $3 t/0 $6 5000-0 :1 *3 $3 t/1 $6 5000-0 :2");
  EXPECT_THAT(runner_.effects(), ElementsAre("records-add", "records-add"));
  EXPECT_EQ(Run("TREAD WITHKEY PARTITIONS t/1 EARLIEST"),
            "*1 *2 $3 t/1 *2 *3 $6 5000-0 *4 $1 f $1 1 $1 g $1 2 $3 abc "
            "*3 $6 5000-1 *4 $1 f $1 5 $1 g $1 6 $3 abc");
  EXPECT_EQ(Run("TADDM t NOKEYS FIELDS 1 f RECORDS a b c"), "*1 *3 $3 t/0 $6 5000-1 :3");
  EXPECT_EQ(Refused("TADDM t FIELDS 2 f g RECORDS k a"), "-ERR 2 values do not fill records of 3");
  EXPECT_EQ(Refused("TADDM t FIELDS 9 f g RECORDS k a"),
            "-ERR FIELDS needs the number of names, from 1 on, and the names");
  EXPECT_EQ(Refused("TADDM t FIELDS 1 f g RECORDS k a"),
            "-ERR RECORDS must follow the names of the fields");
  EXPECT_EQ(Refused("TADDM t WHAT 1 f g RECORDS k a"), "-ERR unknown option 'WHAT'");
  EXPECT_EQ(Refused("TADDM t NOKEYS NOKEYS FIELDS 1 f RECORDS a"), "-ERR NOKEYS is given twice");
}

TEST_F(TopicCommandsTest, RecordsAreDividedAmongManyPartitionsByTheirKeys) {
  constexpr uint32_t kPartitions = 1000;
  Run("TOPIC CREATE t PARTITIONS 1000");
  std::vector<std::string> texts;
  std::map<uint32_t, std::vector<std::string>> expected;
  for (int i = 0; i < 600; i++) {
    const std::string key = std::to_string(i % 200);
    texts.insert(texts.end(), {key, std::to_string(i)});
    expected[PartitionOfKey(Partitioner::kMurmur2, key, kPartitions)].push_back(texts.back());
  }
  std::vector<std::string_view> args = {"TADDM", "t", "FIELDS", "1", "f", "RECORDS"};
  args.insert(args.end(), texts.begin(), texts.end());
  std::string reply = "*" + std::to_string(expected.size());
  for (const auto& [number, values] : expected) {
    const std::string name = "t/" + std::to_string(number);
    reply += fmt::format(" *3 ${} {} $6 5000-0 :{}", name.size(), name, values.size());
  }
  EXPECT_EQ(runner_.Run(args), reply);
  for (const auto& [number, values] : expected) {
    const Stream& stream = *FindStreamOf(runner_.keyspace(), 0, "t", number);
    std::vector<std::string> found;
    for (EntryCursor at = stream.SeekOffset(0); at.valid(); at.Next()) {
      found.emplace_back((*RecordView(*at).fields.begin()).value);
    }
    EXPECT_EQ(found, values) << number;
  }
}

// The topic remembers where its partitions are.
TEST_F(TopicCommandsTest, PartitionsAreFoundAgainWhateverKeysGo) {
  Run("TOPIC CREATE t PARTITIONS 2");
  Run("SET other v");
  EXPECT_EQ(Run("TADD t/1 * f v"), "*2 $3 t/1 $6 5000-0");
  EXPECT_EQ(Run("TADD t/1 * f v"), "*2 $3 t/1 $6 5000-1");
  Run("DEL other");
  EXPECT_EQ(Run("TADD t/1 * f v"), "*2 $3 t/1 $6 5000-2");
  EXPECT_EQ(Run("TADD t/0 * f v"), "*2 $3 t/0 $6 5000-0");
  Run("TOPIC ALTER t PARTITIONS 3");
  EXPECT_EQ(Run("TADD t/2 * f v"), "*2 $3 t/2 $6 5000-0");
  EXPECT_EQ(Run("TADD t/2 * f v"), "*2 $3 t/2 $6 5000-1");
  Run("DEL t");
  Run("TOPIC CREATE t PARTITIONS 2");
  EXPECT_EQ(Run("TADD t/1 * f v"), "*2 $3 t/1 $6 5000-0");
  Run("SWAPDB 0 1");
  Run("TOPIC CREATE t PARTITIONS 2");
  EXPECT_EQ(Run("TADD t/1 * f v"), "*2 $3 t/1 $6 5000-0");
  Run("SWAPDB 0 1");
  EXPECT_EQ(Run("TADD t/1 * f v"), "*2 $3 t/1 $6 5000-1");
  EXPECT_EQ(Run("TADD t/1 * f v"), "*2 $3 t/1 $6 5000-2");
}

TEST_F(TopicCommandsTest, ManyNamesInManyPartitionsAreBounded) {
  Run("TOPIC CREATE t PARTITIONS 100");
  runner_.options.most_change_bytes = 20'000;
  const std::string name(1000, 'n');
  EXPECT_EQ(
      runner_.Run({"TADDM", "t", "FIELDS", "1", name, "RECORDS", "a", "1", "b", "2"}).substr(0, 2),
      "*2");
  std::vector<std::string> keys;
  std::vector<std::string_view> args = {"TADDM", "t", "FIELDS", "1", name, "RECORDS"};
  for (int i = 0; i < 100; i++) {
    keys.push_back(std::to_string(i));
  }
  for (const std::string& key : keys) {
    args.insert(args.end(), {key, "v"});
  }
  EXPECT_EQ(runner_.Run(args).substr(0, 4), "-ERR");
  EXPECT_THAT(runner_.effects(), IsEmpty());
}

TEST_F(TopicCommandsTest, AProducerIsNumbered) {
  Run("TOPIC CREATE t PARTITIONS 2");
  EXPECT_EQ(Refused("TADD t/0 PRODUCER p 1 0 * f v"),
            "-FENCED Producer 'p' of 't' is not open: TPRODUCER OPEN");
  EXPECT_EQ(Run("TPRODUCER OPEN t p"), "*2 :1 :-1");
  EXPECT_EQ(Run("TADD t/0 PRODUCER p 1 0 * f v"), "*2 $3 t/0 $6 5000-0");
  EXPECT_THAT(runner_.effects(), ElementsAre("record-add", "producer-accept"));
  runner_.now_ms = 7000;
  EXPECT_EQ(Run("TADD t/0 PRODUCER p 1 0 * f v"), "*2 $3 t/0 $6 5000-0");
  EXPECT_THAT(runner_.effects(), IsEmpty());
  EXPECT_EQ(Run("TADDM t PRODUCER p 1 1 FIELDS 1 f RECORDS abc a 21 b abc c"),
            "*2 *3 $3 t/0 $6 7000-1 :1 *3 $3 t/1 $6 7000-0 :2");
  runner_.now_ms = 8000;
  EXPECT_EQ(Run("TADDM t PRODUCER p 1 1 FIELDS 1 f RECORDS abc a 21 b abc c"),
            "*2 *3 $3 t/0 $6 7000-1 :1 *3 $3 t/1 $6 7000-0 :2");
  EXPECT_EQ(Refused("TADD t PRODUCER p 1 5 * f v"),
            "-OUTOFORDER Producer 'p' of 't': expected sequence 4, got 5");
  EXPECT_EQ(Refused("TADD t PRODUCER p 1 2 * f v"),
            "-DUPLICATE Producer 'p' of 't': sequence 2 was accepted before, and its result is not "
            "known any more");
  EXPECT_EQ(Run("TPRODUCER OPEN t p"), "*2 :2 :3");
  EXPECT_EQ(Refused("TADD t PRODUCER p 1 4 * f v"),
            "-FENCED Producer 'p' of 't' is at epoch 2, not 1");
  EXPECT_EQ(Run("TADD t/1 PRODUCER p 2 4 * f v"), "*2 $3 t/1 $6 8000-2");
  runner_.now_ms = 8500;
  EXPECT_EQ(Run("TPRODUCER LIST t"), "*1 *8 $4 name $1 p $5 epoch :2 $8 last-seq :4 $4 idle :500");
  EXPECT_EQ(Run("TPRODUCER CLOSE t p"), ":1");
  EXPECT_EQ(Run("TPRODUCER CLOSE t p"), ":0");
  EXPECT_EQ(Refused("TPRODUCER OPEN x p"), "-NOTOPIC No such topic 'x'");
  EXPECT_EQ(Refused("TADD t PRODUCER p x 4 * f v"),
            "-ERR the epoch of a producer is a number from 0 on");
  EXPECT_EQ(Refused("TADD t PRODUCER p 1 -4 * f v"),
            "-ERR the sequence number of a producer is a number from 0 on");
}

TEST_F(TopicCommandsTest, ReadBeginsAtAPosition) {
  Run("TOPIC CREATE t PARTITIONS 2");
  for (int i = 0; i < 3; i++) {
    Run("TADD t/0 * f v");
    runner_.now_ms += 10;
  }
  const std::string last = "*1 *2 $3 t/0 *1 *2 $6 5020-2 *2 $1 f $1 v";
  EXPECT_EQ(Run("TREAD PARTITIONS t/0 2"), last);
  EXPECT_EQ(Run("TREAD PARTITIONS t/0 5010-1"), last);
  EXPECT_EQ(Run("TREAD PARTITIONS t/0 @5011"), last);
  EXPECT_EQ(Run("TREAD COUNT 1 PARTITIONS t/0 @5020"), last);
  EXPECT_EQ(Run("TREAD PARTITIONS t/0 @5021"), "*-1");
  EXPECT_EQ(Run("TREAD PARTITIONS t/0 LATEST"), "*-1");
  EXPECT_EQ(Run("TREAD PARTITIONS t/1 EARLIEST"), "*-1");
  EXPECT_EQ(Run("TREAD PARTITIONS t/0 t/1 2 0"), last);
  EXPECT_EQ(Refused("TREAD PARTITIONS t/0 4"),
            "-OFFSETRANGE Offset 4 of 't/0' is outside of 0 to 3");
  EXPECT_EQ(Refused("TREAD PARTITIONS t/0 x").substr(0, 24), "-ERR 'x' is no position:");
  EXPECT_EQ(Refused("TREAD PARTITIONS t/0 @x").substr(0, 25), "-ERR '@x' is no position:");
  EXPECT_EQ(Refused("TREAD PARTITIONS t 0"), "-ERR 't' is a topic, not a partition such as 't/0'");
  EXPECT_EQ(Refused("TREAD PARTITIONS t/0 t/1 0").substr(0, 15), "-ERR Unbalanced");
  EXPECT_EQ(Refused("TREAD COUNT 0 PARTITIONS t/0 0"), "-ERR COUNT must be a positive integer");
  EXPECT_EQ(Refused("TREAD MAXSIZE x PARTITIONS t/0 0"), "-ERR MAXSIZE must be a positive integer");
  EXPECT_EQ(Refused("TREAD WHAT 0 PARTITIONS t/0 0"), "-ERR unknown option 'WHAT'");
  EXPECT_EQ(Refused("TREAD WITHKEY WITHKEY PARTITIONS t/0 0"), "-ERR WITHKEY is given twice");
  EXPECT_EQ(Refused("TREAD COUNT 1 COUNT 1 PARTITIONS t/0 0"), "-ERR COUNT is given twice");
  EXPECT_EQ(Refused("TREAD MAXSIZE 1 MAXSIZE 1 PARTITIONS t/0 0"), "-ERR MAXSIZE is given twice");
  EXPECT_EQ(Refused("TREAD BLOCK 1 BLOCK 1 PARTITIONS t/0 0"), "-ERR BLOCK is given twice");
  EXPECT_EQ(Refused("TREAD t/0 0 COUNT"), "-ERR unknown option 't/0'");
  EXPECT_EQ(Refused("TREAD WITHKEY WHAT BLOCK"), "-ERR unknown option 'WHAT'");
}

TEST_F(TopicCommandsTest, AReadIsSharedByThePartitionsThatHaveRecords) {
  Run("TOPIC CREATE t PARTITIONS 3");
  Run("TADDM t/0 NOKEYS FIELDS 1 f RECORDS a b c d e f g h");
  Run("TADDM t/2 NOKEYS FIELDS 1 f RECORDS a b c");
  const auto counts = [this](const char* line) {
    const std::string reply = Run(line);
    std::string text;
    for (const char* name : {"$3 t/0 *", "$3 t/1 *", "$3 t/2 *"}) {
      const size_t at = reply.find(name);
      text += at == std::string::npos ? "-" : reply.substr(at + 8, 1);
    }
    return text;
  };
  EXPECT_EQ(counts("TREAD COUNT 4 PARTITIONS t/0 t/1 t/2 0 0 0"), "2-2");
  EXPECT_EQ(counts("TREAD COUNT 10 PARTITIONS t/0 t/1 t/2 0 0 0"), "7-3");
  EXPECT_EQ(counts("TREAD PARTITIONS t/0 t/1 t/2 0 0 0"), "8-3");
  EXPECT_EQ(counts("TREAD MAXSIZE 1 PARTITIONS t/0 t/1 t/2 0 0 0"), "1--");
  EXPECT_EQ(counts("TREAD MAXSIZE 160 PARTITIONS t/0 t/1 t/2 0 0 0"), "2-2");
}

TEST_F(TopicCommandsTest, ABlockedReadStandsAtAnOffset) {
  Run("TOPIC CREATE t PARTITIONS 2");
  Run("TADD t/0 * f v");
  const char* line = "TREAD BLOCK 0 PARTITIONS t/0 t/1 LATEST 0";
  EXPECT_EQ(Run(line), "");
  ASSERT_TRUE(runner_.blocked());
  EXPECT_EQ(runner_.blocked()->kind, WaitKind::kPartition);
  EXPECT_THAT(runner_.blocked()->keys, ElementsAre("t/0", "t", "t/1", "t"));
  const BlockedCommand blocked = *runner_.blocked();
  EXPECT_THAT(blocked.replaced, ElementsAre(std::pair<size_t, std::string>(6, "1"),
                                            std::pair<size_t, std::string>(7, "0")));
  runner_.may_block = false;
  EXPECT_EQ(Run(line), "*-1");
}

TEST_F(TopicCommandsTest, TrimRaisesTheEarliestOffset) {
  Run("TOPIC CREATE t PARTITIONS 2");
  Run("TADDM t/0 NOKEYS FIELDS 1 f RECORDS a b c d");
  EXPECT_EQ(Run("TOPIC TRIM t/0 3"), ":3");
  EXPECT_THAT(runner_.events(), ElementsAre("xtrim t/0"));
  EXPECT_EQ(Run("TOPIC TRIM t/0 3"), ":0");
  EXPECT_EQ(Run("TOPIC TRIM t/0 EARLIEST"), ":0");
  EXPECT_EQ(Run("TOPIC TRIM t/1 LATEST"), ":0");
  EXPECT_EQ(Refused("TREAD PARTITIONS t/0 2"),
            "-OFFSETRANGE Offset 2 of 't/0' is outside of 3 to 4");
  EXPECT_EQ(Refused("TOPIC TRIM t/0 5"), "-OFFSETRANGE Offset 5 of 't/0' is outside of 3 to 4");
  EXPECT_EQ(Run("TOPIC TRIM t/0 LATEST"), ":1");
  EXPECT_EQ(Run("TADD t/0 * f v"), "*2 $3 t/0 $6 5000-4");
  EXPECT_EQ(Refused("TOPIC TRIM t 1"), "-ERR 't' is a topic, not a partition such as 't/0'");
}

TEST_F(TopicCommandsTest, RetentionHoldsForEachPartition) {
  Run("TOPIC CREATE t PARTITIONS 2 RETENTION-ENTRIES 2");
  EXPECT_EQ(Run("TADDM t/0 NOKEYS FIELDS 1 f RECORDS a b c d"), "*1 *3 $3 t/0 $6 5000-0 :4");
  EXPECT_THAT(runner_.effects(), ElementsAre("records-add", "stream-drop-oldest"));
  EXPECT_EQ(Run("TOPIC OFFSETS t EARLIEST"), "*2 *3 $3 t/0 :2 :5000 *3 $3 t/1 :0 :-1");
  EXPECT_EQ(Run("TOPIC OFFSETS t/0 3"), "*1 *3 $3 t/0 :3 :5000");
  EXPECT_EQ(Run("TOPIC OFFSETS t LATEST"), "*2 *3 $3 t/0 :4 :-1 *3 $3 t/1 :0 :-1");
  EXPECT_EQ(Refused("TOPIC OFFSETS t/0 1"), "-OFFSETRANGE Offset 1 of 't/0' is outside of 2 to 4");
  EXPECT_EQ(Run("TOPIC DESCRIBE t/0"),
            "*18 $9 partition :0 $8 earliest :2 $4 next :4 $7 records :2 $5 bytes :256 "
            "$11 hot-entries :2 $12 cold-entries :0 $8 first-ms :5000 $7 last-ms :5000");
}

TEST_F(TopicCommandsTest, APartitionReadsLikeAStream) {
  Run("TOPIC CREATE t PARTITIONS 3");
  Run("TADD t/0 KEY k * f v");
  EXPECT_EQ(Run("XLEN t/0"), ":1");
  EXPECT_EQ(Run("XLEN t/1"), ":0");
  EXPECT_EQ(Run("XREAD STREAMS t/0 t/1 0 0"), "*1 *2 $3 t/0 *1 *2 $6 5000-0 *2 $1 f $1 v");
  EXPECT_EQ(Run("XGROUP CREATE t/0 g 0"), "+OK");
  EXPECT_EQ(Run("XGROUP CREATE t/1 g $"), "+OK");
  EXPECT_THAT(runner_.effects(), ElementsAre("partition-create", "group-create"));
  EXPECT_EQ(Run("XREADGROUP GROUP g c STREAMS t/0 >"), "*1 *2 $3 t/0 *1 *2 $6 5000-0 *2 $1 f $1 v");
  EXPECT_EQ(Run("XACK t/0 g 5000-0"), ":1");
  EXPECT_EQ(Run("XINFO GROUPS t/2"), "*0");
  EXPECT_EQ(Run("XLEN t/3"), ":0");
  EXPECT_EQ(Run("XINFO GROUPS t/3"), "-ERR no such key");
  EXPECT_EQ(Run("XLEN t").substr(0, 10), "-WRONGTYPE");
  EXPECT_EQ(Run("TYPE t"), "+topic");
  EXPECT_EQ(Run("TYPE t/2"), "+stream");
  EXPECT_EQ(Run("EXISTS t/0 t/2 t/3 t"), ":3");
  EXPECT_EQ(Run("OBJECT ENCODING t/2"), "$6 stream");
  EXPECT_EQ(Run("TTL t/0"), ":-1");
  // A key of that name hides it from commands on streams, not from those on topics.
  EXPECT_EQ(Run("SET t/0 x"), "+OK");
  EXPECT_EQ(Run("XLEN t/0").substr(0, 10), "-WRONGTYPE");
  EXPECT_EQ(Run("TREAD PARTITIONS t/0 0"), "*1 *2 $3 t/0 *1 *2 $6 5000-0 *2 $1 f $1 v");
  EXPECT_EQ(Run("DEL t/0"), ":1");
  EXPECT_EQ(Run("XLEN t/0"), ":1");
}

TEST_F(TopicCommandsTest, OnlyTopicCommandsChangeAPartition) {
  Run("TOPIC CREATE t PARTITIONS 2");
  Run("TADD t/0 KEY k * f v");
  Run("XGROUP CREATE t/0 g 0");
  for (const char* line :
       {"XADD t/0 * f v", "XADD t/1 NOMKSTREAM * f v", "XDEL t/0 1", "XDELEX t/0 IDS 1 1",
        "XACKDEL t/0 g IDS 1 1", "XTRIM t/0 MAXLEN 0", "XSETID t/0 9", "XCFGSET t/0 IDMP-MAXSIZE 1",
        "DEL t/0", "DEL x t/1", "UNLINK t/0", "EXPIRE t/0 1", "PERSIST t/0", "RENAME t/0 x",
        "RENAMENX t/0 x", "COPY t/0 x", "MOVE t/0 1", "DUMP t/0"}) {
    const std::string name = std::string(line).find("t/0") != std::string::npos ? "t/0" : "t/1";
    EXPECT_EQ(Refused(line), "-ERR '" + name +
                                 "' is a partition of topic 't'; use TADD or TOPIC "
                                 "TRIM")
        << line;
  }
  EXPECT_EQ(Refused("RENAME t x"), "-ERR a topic cannot be renamed");
  EXPECT_EQ(Refused("RENAMENX t x"), "-ERR a topic cannot be renamed");
  EXPECT_EQ(Refused("COPY t x"), "-ERR a topic cannot be copied");
  EXPECT_EQ(Refused("MOVE t 1"), "-ERR a topic cannot be moved");
  EXPECT_EQ(Refused("DUMP t"), "-ERR a topic cannot be dumped");
  EXPECT_EQ(Run("EXPIRE t 1"), ":1");
  runner_.now_ms += 1000;
  EXPECT_EQ(Run("XLEN t/0"), ":0");
  EXPECT_EQ(Run("EXISTS t t/0"), ":0");
  EXPECT_EQ(Run("TOPIC CREATE t PARTITIONS 1"), "+OK");
  EXPECT_EQ(Run("TADD t/0 * f v"), "*2 $3 t/0 $6 6000-0");
}

TEST_F(TopicCommandsTest, ATopicThatEndsTakesItsPartitionsAlong) {
  for (const char* line : {"DEL t", "TOPIC DELETE t", "SET t v", "FLUSHDB", "UNLINK t"}) {
    Run("DEL t");
    Run("TOPIC CREATE t PARTITIONS 2");
    Run("TADD t/1 * f v");
    Run(line);
    EXPECT_EQ(Run("XLEN t/1"), ":0") << line;
    EXPECT_TRUE(runner_.keyspace().size(CompanionOf(0)) == 0) << line;
  }
}

TEST_F(TopicCommandsTest, AMinInsyncIsAskedForWhoWantsAllReplicas) {
  EXPECT_EQ(Run("TOPIC CREATE t PARTITIONS 2 MIN-INSYNC 3"), "+OK");
  EXPECT_THAT(Run("TOPIC DESCRIBE t"), HasSubstr("$10 min-insync :3 "));
  EXPECT_THAT(Run("TADD t * f v"), HasSubstr("t/")) << "the client does not ask for all";
  runner_.replicas = 2;
  const std::string refused = "-NOREPLICAS Not enough in-sync replicas for topic 't' (2 of 3).";
  EXPECT_EQ(Refused("TADD t * f v"), refused);
  EXPECT_EQ(Refused("TADD t/1 * f v"), refused);
  EXPECT_EQ(Refused("TADDM t NOKEYS FIELDS 1 f RECORDS v"), refused);
  runner_.replicas = 3;
  EXPECT_THAT(Run("TADD t * f v"), HasSubstr("t/"));
  // By itself, and with others.
  EXPECT_EQ(Run("TOPIC ALTER t MIN-INSYNC 4"), "+OK");
  EXPECT_THAT(runner_.effects(), ElementsAre("topic-demand"));
  EXPECT_EQ(Run("TOPIC ALTER t PARTITIONS 3 MIN-INSYNC 5"), "+OK");
  EXPECT_THAT(runner_.effects(), ElementsAre("topic-demand", "topic-configure"));
  EXPECT_EQ(Run("TOPIC ALTER t RETENTION-MS 7 MIN-INSYNC 5"), "+OK");
  EXPECT_THAT(runner_.effects(), ElementsAre("topic-configure"));
  EXPECT_EQ(Run("TOPIC ALTER t MIN-INSYNC 5"), "+OK");
  EXPECT_THAT(runner_.effects(), IsEmpty());
  EXPECT_EQ(Refused("TADD t * f v"),
            "-NOREPLICAS Not enough in-sync replicas for topic 't' (3 of 5).");
  EXPECT_EQ(Run("TOPIC ALTER t MIN-INSYNC 0"), "+OK");
  runner_.replicas = 1;
  EXPECT_THAT(Run("TADD t * f v"), HasSubstr("t/"));
  EXPECT_EQ(Refused("TOPIC ALTER t MIN-INSYNC 1001"),
            "-ERR MIN-INSYNC must be at most 1000, not 1001");
  EXPECT_EQ(runner_.Replayed(), ContentOf(runner_.keyspace()));
}

TEST_F(TopicCommandsTest, DescribeTellsAll) {
  Run("TOPIC CREATE t PARTITIONS 1");
  Run("TADD t/0 * f v");
  const std::string reply = Run("TOPIC DESCRIBE t");
  EXPECT_EQ(reply.substr(0, 29), "*30 $4 name $1 t $2 id $32 " + reply.substr(27, 2));
  EXPECT_EQ(reply.substr(60),
            "$12 retention-ms :604800000 $15 retention-bytes :0 $17 retention-entries :0 "
            "$7 cleanup $6 delete $12 tombstone-ms :86400000 $16 max-record-bytes :1048576 "
            "$11 partitioner $7 murmur2 $10 min-insync :0 $7 records :1 $5 bytes :256 $6 groups *0 "
            "$9 producers :0 "
            "$10 partitions *1 *18 $9 partition :0 $8 earliest :0 $4 next :1 $7 records :1 "
            "$5 bytes :256 $11 hot-entries :1 $12 cold-entries :0 $8 first-ms :5000 "
            "$7 last-ms :5000");
}

}  // namespace
}  // namespace runnel
