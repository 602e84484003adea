// Topics that keep the newest record of each key, by their commands: what goes and when, what
// readers and groups of all kinds see, against models that are plain maps.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "commands/families.h"
#include "commands/testing.h"
#include "commands/topic/compaction_model.h"
#include "data/stream/stream.h"
#include "data/topic/record.h"
#include "data/topic/topic.h"
#include "effects/stream_effects.h"
#include "effects/topic_effects.h"

namespace runnel {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::StartsWith;

constexpr const char* kNeedsKey =
    "-ERR a record of topic 't' needs a KEY: it keeps the newest record of each key";

// --- Single commands ---

class CompactionTest : public ::testing::Test {
 protected:
  CompactionTest() { runner_.now_ms = 5000; }
  ~CompactionTest() override { EXPECT_EQ(runner_.Replayed(), ContentOf(runner_.keyspace())); }

  std::string Run(const std::string& line) { return runner_.Run(line.c_str()); }
  std::string RunAs(uint64_t client, const std::string& line) {
    runner_.client_id = client;
    std::string reply = Run(line);
    runner_.client_id = 1;
    return reply;
  }
  // An error that changed nothing.
  std::string Refused(const std::string& line) {
    const KeyspaceContent before = ContentOf(runner_.keyspace());
    const std::string reply = Run(line);
    EXPECT_TRUE(reply.starts_with("-")) << reply;
    EXPECT_THAT(runner_.effects(), IsEmpty()) << line;
    EXPECT_EQ(ContentOf(runner_.keyspace()), before);
    return reply;
  }
  const Stream& StreamOf(const char* partition) {
    return *runner_.keyspace().Find(KeyRef(CompanionOf(runner_.db), partition))->As<Stream>();
  }
  // What upkeep does for one partition when it is its turn.
  void DropTombstones(const char* partition) {
    const uint64_t end = StreamOf(partition).PlanTombstones(runner_.now_ms);
    if (end == 0) return;
    runner_.Apply(TombstonesDrop{KeyRef(CompanionOf(runner_.db), partition), end});
    runner_.TendTopicGroups();
  }
  std::vector<std::string> Tend() { return runner_.TendTopicGroups(); }
  // "k@0=v j@1=-" for the records that a reader from the beginning gets.
  std::string Live(const char* partition) {
    const std::string reply =
        Run("TREAD COUNT 10000 WITHKEY PARTITIONS " + std::string(partition) + " EARLIEST");
    if (reply == "*-1") return "";
    return Text(RecordsOf(Parse(reply).items[0].items[1]));
  }
  static std::string Text(const std::vector<SeenRecord>& records) {
    std::string text;
    for (const SeenRecord& record : records) {
      if (!text.empty()) text += ' ';
      text += record.key + "@" + std::to_string(record.offset) + "=" + record.value;
    }
    return text;
  }
  std::string Range(const std::string& line) { return Text(RecordsOf(Parse(Run(line)))); }
  std::string Given(const std::string& line) {
    const std::string reply = Run(line);
    return reply.starts_with("*1") ? Text(RecordsOf(Parse(reply).items[0].items[2])) : reply;
  }
  std::string Earliest(const char* partition) {
    const ParsedReply reply = Parse(Run("TOPIC DESCRIBE " + std::string(partition)));
    return reply.items[3].text;
  }
  std::string Committed() {
    const std::string reply = Run("TGROUP LAG g");
    const size_t at = reply.find("$9 committed :");
    return at == std::string::npos ? reply : std::to_string(std::stoull(reply.substr(at + 14)));
  }

  CommandRunner runner_{TopicCommands(), TopicGroupCommands(), StreamCommands(),
                        GroupCommands(), KeyspaceCommands(),   StringCommands()};
};

TEST_F(CompactionTest, CleanupIsGivenAtTheBeginning) {
  EXPECT_EQ(Run("TOPIC CREATE t PARTITIONS 1 CLEANUP COMPACT TOMBSTONE-MS 7"), "+OK");
  EXPECT_THAT(Run("TOPIC DESCRIBE t"), HasSubstr("$7 cleanup $7 compact $12 tombstone-ms :7 "));
  EXPECT_EQ(Run("TOPIC CREATE b PARTITIONS 1 CLEANUP both"), "+OK");
  EXPECT_THAT(Run("TOPIC DESCRIBE b"), HasSubstr("$7 cleanup $4 both $12 tombstone-ms :86400000"));
  EXPECT_EQ(Run("TOPIC CREATE d PARTITIONS 1 CLEANUP DELETE"), "+OK");
  EXPECT_THAT(Run("TOPIC DESCRIBE d"), HasSubstr("$7 cleanup $6 delete"));
  EXPECT_EQ(Refused("TOPIC CREATE x PARTITIONS 1 CLEANUP MAYBE"),
            "-ERR CLEANUP must be DELETE, COMPACT or BOTH, not 'MAYBE'");
  for (const char* cleanup : {"DELETE", "COMPACT", "BOTH"}) {
    Refused("TOPIC ALTER t CLEANUP " + std::string(cleanup));
    Refused("TOPIC ALTER d CLEANUP " + std::string(cleanup));
  }
  EXPECT_EQ(Run("TOPIC ALTER t TOMBSTONE-MS 9"), "+OK");
  EXPECT_THAT(Run("TOPIC DESCRIBE t"), HasSubstr("$7 cleanup $7 compact $12 tombstone-ms :9 "));
  // A topic that only deletes takes records without key, and keeps all of one key.
  Run("TADD d/0 * f v");
  Run("TADD d/0 KEY k * f v");
  Run("TADD d/0 KEY k * f v");
  EXPECT_EQ(Run("XLEN d/0"), ":3");
}

TEST_F(CompactionTest, AnOlderRecordOfTheKeyGoes) {
  Run("TOPIC CREATE t PARTITIONS 1 CLEANUP COMPACT");
  EXPECT_EQ(Run("TADD t KEY a * f 0"), "*2 $3 t/0 $6 5000-0");
  EXPECT_EQ(Run("TADD t KEY b * f 1"), "*2 $3 t/0 $6 5000-1");
  EXPECT_EQ(Run("TADD t KEY a * f 2"), "*2 $3 t/0 $6 5000-2");
  // In the effect of the append, without another one.
  EXPECT_THAT(runner_.effects(), ElementsAre("record-add"));
  EXPECT_EQ(Live("t/0"), "b@1=1 a@2=2");
  EXPECT_EQ(Run("TADD t/0 KEY b * f 3"), "*2 $3 t/0 $6 5000-3");
  EXPECT_EQ(Live("t/0"), "a@2=2 b@3=3");
  EXPECT_EQ(Run("XLEN t/0"), ":2");
  EXPECT_EQ(Earliest("t/0"), "0");
  EXPECT_THAT(Run("TOPIC DESCRIBE t/0"), HasSubstr("$8 earliest :0 $4 next :4 $7 records :2 "));
  EXPECT_EQ(Range("XRANGE t/0 - +"), "?@2=2 ?@3=3");
  EXPECT_EQ(Range("XREVRANGE t/0 + -"), "?@3=3 ?@2=2");
  EXPECT_EQ(Run("XREAD STREAMS t/0 0"),
            "*1 *2 $3 t/0 *2 *2 $6 5000-2 *2 $1 f $1 2 *2 $6 5000-3 *2 $1 f $1 3");
  // From every offset on, from those of holes too.
  EXPECT_EQ(Run("TREAD COUNT 1 PARTITIONS t/0 0"), "*1 *2 $3 t/0 *1 *2 $6 5000-2 *2 $1 f $1 2");
  EXPECT_EQ(Run("TREAD COUNT 1 PARTITIONS t/0 1"), "*1 *2 $3 t/0 *1 *2 $6 5000-2 *2 $1 f $1 2");
  EXPECT_EQ(Run("TREAD COUNT 1 PARTITIONS t/0 5000-2"),
            "*1 *2 $3 t/0 *1 *2 $6 5000-3 *2 $1 f $1 3");
  EXPECT_EQ(Run("TREAD COUNT 1 PARTITIONS t/0 4"), "*-1");
}

TEST_F(CompactionTest, PartitionsAreForThemselves) {
  Run("TOPIC CREATE t PARTITIONS 2 CLEANUP COMPACT");
  Run("TADD t/0 KEY a * f 0");
  Run("TADD t/1 KEY a * f 1");
  EXPECT_EQ(Live("t/0"), "a@0=0");
  EXPECT_EQ(Live("t/1"), "a@0=1");
  Run("TADD t/1 KEY a * f 2");
  EXPECT_EQ(Live("t/0"), "a@0=0");
  EXPECT_EQ(Live("t/1"), "a@1=2");
}

TEST_F(CompactionTest, KeysAreBytes) {
  Run("TOPIC CREATE t PARTITIONS 1 CLEANUP COMPACT");
  const std::string keys[] = {
      "",  std::string(1, '\0'),   std::string(2, '\0'),  "a", std::string("a\0", 2),
      "A", std::string(1000, 'k'), std::string(1001, 'k')};
  for (int round = 0; round < 3; round++) {
    for (const std::string& key : keys) {
      EXPECT_THAT(runner_.Run({"TADD", "t/0", "KEY", key, "*", "f", std::to_string(round)}),
                  StartsWith("*2"));
    }
    EXPECT_EQ(Run("XLEN t/0"), ":8");
  }
}

TEST_F(CompactionTest, ARecordWithoutKeyIsRefused) {
  for (const char* cleanup : {"COMPACT", "BOTH"}) {
    Run("TOPIC CREATE t PARTITIONS 2 CLEANUP " + std::string(cleanup));
    EXPECT_EQ(Refused("TADD t * f v"), kNeedsKey);
    EXPECT_EQ(Refused("TADD t/1 * f v"), kNeedsKey);
    EXPECT_EQ(Refused("TADDM t NOKEYS FIELDS 1 f RECORDS a b"), kNeedsKey);
    EXPECT_EQ(Refused("TADDM t/0 NOKEYS FIELDS 1 f RECORDS a b"), kNeedsKey);
    // Also where the partition exists.
    Run("TADD t/0 KEY k * f v");
    EXPECT_EQ(Refused("TADD t/0 * f v"), kNeedsKey);
    EXPECT_EQ(Refused("TADDM t/0 NOKEYS FIELDS 1 f RECORDS a b"), kNeedsKey);
    // And of a producer, whose number stays free.
    Run("TPRODUCER OPEN t p");
    EXPECT_EQ(Refused("TADD t PRODUCER p 1 0 * f v"), kNeedsKey);
    EXPECT_EQ(Refused("TADDM t PRODUCER p 1 0 NOKEYS FIELDS 1 f RECORDS a b"), kNeedsKey);
    EXPECT_THAT(Run("TADD t/1 PRODUCER p 1 0 KEY k * f v"), StartsWith("*2"));
    Run("DEL t");
  }
}

TEST_F(CompactionTest, FieldsThatLookLikeKeysAreNone) {
  Run("TOPIC CREATE t PARTITIONS 1 CLEANUP COMPACT");
  const std::string_view key_field("\0k", 2);
  EXPECT_EQ(runner_.Run({"TADD", "t/0", "*", key_field, "x"}), kNeedsKey);
  EXPECT_EQ(runner_.Run({"TADDM", "t/0", "NOKEYS", "FIELDS", "1", key_field, "RECORDS", "x"}),
            kNeedsKey);
  EXPECT_THAT(runner_.Run({"TADD", "t/0", "KEY", "x", "*", key_field, "y"}), StartsWith("*2"));
  EXPECT_THAT(runner_.Run({"TADD", "t/0", "KEY", "y", "*", key_field, "x"}), StartsWith("*2"));
  EXPECT_EQ(Live("t/0"), "x@0=y y@1=x");
}

TEST_F(CompactionTest, ManyRecordsWithTheSameKeyInOneCommand) {
  Run("TOPIC CREATE t PARTITIONS 2 CLEANUP COMPACT");
  EXPECT_EQ(Run("TADDM t/0 FIELDS 1 f RECORDS a 0 b 1 a 2 a 3 c 4 b 5"),
            "*1 *3 $3 t/0 $6 5000-0 :6");
  EXPECT_THAT(runner_.effects(), ElementsAre("records-add"));
  EXPECT_EQ(Live("t/0"), "a@3=3 c@4=4 b@5=5");
  EXPECT_EQ(Run("TADDM t/0 FIELDS 1 f RECORDS a 6 a 7"), "*1 *3 $3 t/0 $6 5000-6 :2");
  EXPECT_EQ(Live("t/0"), "c@4=4 b@5=5 a@7=7");
  // All the records of the partition, one after the other, with the same key.
  EXPECT_EQ(Run("TADDM t/1 FIELDS 2 f g RECORDS k 0 x k 1 x k 2 x"), "*1 *3 $3 t/1 $6 5000-0 :3");
  EXPECT_EQ(Live("t/1"), "k@2=2");
  EXPECT_EQ(Run("XLEN t/1"), ":1");
}

TEST_F(CompactionTest, ARepeatedCommandOfAProducerRemovesNothing) {
  Run("TOPIC CREATE t PARTITIONS 1 CLEANUP COMPACT");
  Run("TPRODUCER OPEN t p");
  EXPECT_EQ(Run("TADDM t PRODUCER p 1 0 FIELDS 1 f RECORDS a 0 b 1 a 2"),
            "*1 *3 $3 t/0 $6 5000-0 :3");
  Run("TADD t KEY a * f 3");
  runner_.now_ms = 6000;
  EXPECT_EQ(Run("TADDM t PRODUCER p 1 0 FIELDS 1 f RECORDS a 0 b 1 a 2"),
            "*1 *3 $3 t/0 $6 5000-0 :3");
  EXPECT_THAT(runner_.effects(), IsEmpty());
  EXPECT_EQ(Live("t/0"), "b@1=1 a@3=3");
}

TEST_F(CompactionTest, ATombstoneRemovesAndGoesItself) {
  Run("TOPIC CREATE t PARTITIONS 1 CLEANUP COMPACT TOMBSTONE-MS 100");
  Run("TADD t KEY a * f 0");
  Run("TADD t KEY b * f 1");
  EXPECT_EQ(Run("TADD t KEY a TOMBSTONE"), "*2 $3 t/0 $6 5000-2");
  EXPECT_THAT(runner_.effects(), ElementsAre("record-add"));
  EXPECT_EQ(Live("t/0"), "b@1=1 a@2=-");
  // One for a key that has no record stays too.
  Run("TADD t KEY never TOMBSTONE");
  EXPECT_EQ(Live("t/0"), "b@1=1 a@2=- never@3=-");
  runner_.now_ms = 5050;
  Run("TADD t KEY c TOMBSTONE");
  runner_.now_ms = 5100;
  EXPECT_EQ(StreamOf("t/0").PlanTombstones(runner_.now_ms), 0u);
  runner_.now_ms = 5101;
  DropTombstones("t/0");
  EXPECT_EQ(Live("t/0"), "b@1=1 c@4=-");
  EXPECT_EQ(Earliest("t/0"), "0");
  runner_.now_ms = 5150;
  DropTombstones("t/0");
  EXPECT_EQ(Live("t/0"), "b@1=1 c@4=-");
  runner_.now_ms = 5151;
  DropTombstones("t/0");
  EXPECT_EQ(Live("t/0"), "b@1=1");
  // Their keys begin anew.
  EXPECT_EQ(Run("TADD t KEY a * f 5"), "*2 $3 t/0 $6 5151-5");
  EXPECT_EQ(Live("t/0"), "b@1=1 a@5=5");
}

TEST_F(CompactionTest, ATombstoneThatIsReplacedDoesNotTakeTheNewRecordAlong) {
  Run("TOPIC CREATE t PARTITIONS 1 CLEANUP COMPACT TOMBSTONE-MS 100");
  Run("TADD t KEY a TOMBSTONE");
  Run("TADD t KEY b TOMBSTONE");
  Run("TADD t KEY a * f 2");
  Run("TADD t KEY c TOMBSTONE");
  Run("TADD t KEY c TOMBSTONE");
  Run("TADD t KEY b * f 5");
  Run("TADD t KEY d TOMBSTONE");
  EXPECT_EQ(Live("t/0"), "a@2=2 c@4=- b@5=5 d@6=-");
  runner_.now_ms = 5101;
  DropTombstones("t/0");
  EXPECT_EQ(Live("t/0"), "a@2=2 b@5=5");
  runner_.now_ms = 9999;
  DropTombstones("t/0");
  EXPECT_EQ(Live("t/0"), "a@2=2 b@5=5");
  EXPECT_EQ(StreamOf("t/0").RetentionDue(), Stream::kNeverDue);
}

TEST_F(CompactionTest, WithoutATimeTombstonesStay) {
  Run("TOPIC CREATE t PARTITIONS 2 CLEANUP COMPACT TOMBSTONE-MS 0");
  Run("TADD t/0 KEY a TOMBSTONE");
  runner_.now_ms = INT64_MAX / 2;
  DropTombstones("t/0");
  EXPECT_EQ(Live("t/0"), "a@0=-");
  // Another time holds for those that are there, in both directions.
  Run("TOPIC ALTER t TOMBSTONE-MS 1000");
  EXPECT_LE(StreamOf("t/0").RetentionDue(), runner_.now_ms);
  Run("TOPIC ALTER t TOMBSTONE-MS 0");
  DropTombstones("t/0");
  EXPECT_EQ(Live("t/0"), "a@0=-");
  Run("TOPIC ALTER t TOMBSTONE-MS 18446744073709551615");
  DropTombstones("t/0");
  EXPECT_EQ(Live("t/0"), "a@0=-");
  Run("TOPIC ALTER t TOMBSTONE-MS 1000");
  DropTombstones("t/0");
  EXPECT_EQ(Live("t/0"), "");
  // And for partitions that come later.
  Run("TADD t/1 KEY a TOMBSTONE");
  runner_.now_ms += 1001;
  DropTombstones("t/1");
  EXPECT_EQ(Live("t/1"), "");
}

TEST_F(CompactionTest, ATopicThatOnlyCompactsIgnoresRetention) {
  Run("TOPIC CREATE t PARTITIONS 1 CLEANUP COMPACT RETENTION-ENTRIES 2 RETENTION-MS 10 "
      "RETENTION-BYTES 1");
  Run("TADDM t FIELDS 1 f RECORDS a 0 b 1 c 2 d 3");
  EXPECT_THAT(runner_.effects(), ElementsAre("records-add"));
  runner_.now_ms += 1000;
  Run("TADD t KEY e * f 4");
  EXPECT_EQ(Live("t/0"), "a@0=0 b@1=1 c@2=2 d@3=3 e@4=4");
  EXPECT_EQ(StreamOf("t/0").PlanRetention(runner_.now_ms), 0u);
  EXPECT_EQ(StreamOf("t/0").RetentionDue(), Stream::kNeverDue);
  Run("TOPIC ALTER t RETENTION-ENTRIES 1");
  Run("TADD t KEY f * f 5");
  EXPECT_EQ(Run("XLEN t/0"), ":6");
}

TEST_F(CompactionTest, BothCountsLiveRecordsOnly) {
  Run("TOPIC CREATE t PARTITIONS 1 CLEANUP BOTH RETENTION-ENTRIES 3");
  Run("TADDM t FIELDS 1 f RECORDS a 0 b 1 c 2");
  Run("TADD t KEY b * f 3");
  EXPECT_THAT(runner_.effects(), ElementsAre("record-add"));
  EXPECT_EQ(Live("t/0"), "a@0=0 c@2=2 b@3=3");
  EXPECT_EQ(Earliest("t/0"), "0");
  Run("TADD t KEY d * f 4");
  EXPECT_THAT(runner_.effects(), ElementsAre("record-add", "partition-trim"));
  EXPECT_EQ(Live("t/0"), "c@2=2 b@3=3 d@4=4");
  // Retention raises the earliest offset.
  EXPECT_THAT(Earliest("t/0"), ::testing::AnyOf("1", "2"));
  EXPECT_THAT(Refused("TREAD PARTITIONS t/0 0"), StartsWith("-OFFSETRANGE"));
  // A key whose record retention has removed begins anew.
  Run("TADD t KEY a * f 5");
  EXPECT_EQ(Live("t/0"), "b@3=3 d@4=4 a@5=5");
}

TEST_F(CompactionTest, TrimRaisesTheEarliestOffsetAndCompactionDoesNot) {
  Run("TOPIC CREATE t PARTITIONS 1 CLEANUP COMPACT");
  Run("TADDM t FIELDS 1 f RECORDS a 0 b 1 c 2 b 3 d 4");
  EXPECT_EQ(Earliest("t/0"), "0");
  EXPECT_EQ(Run("TOPIC TRIM t/0 1"), ":1");
  EXPECT_EQ(Earliest("t/0"), "1");
  // To a hole: what it removes is nothing, but the offset stands.
  EXPECT_EQ(Run("TOPIC TRIM t/0 2"), ":0");
  EXPECT_EQ(Earliest("t/0"), "2");
  EXPECT_THAT(Refused("TREAD PARTITIONS t/0 1"), StartsWith("-OFFSETRANGE"));
  EXPECT_EQ(Live("t/0"), "c@2=2 b@3=3 d@4=4");
  // The key of a record that was trimmed begins anew.
  Run("TADD t KEY a * f 5");
  EXPECT_EQ(Live("t/0"), "c@2=2 b@3=3 d@4=4 a@5=5");
  EXPECT_EQ(Run("TOPIC TRIM t/0 LATEST"), ":4");
  EXPECT_EQ(Earliest("t/0"), "6");
  EXPECT_EQ(Live("t/0"), "");
  EXPECT_EQ(Run("TADDM t FIELDS 1 f RECORDS b 6 b 7"), "*1 *3 $3 t/0 $6 5000-6 :2");
  EXPECT_EQ(Live("t/0"), "b@7=7");
  EXPECT_EQ(Earliest("t/0"), "6");
}

TEST_F(CompactionTest, TombstonesThatWereTrimmedAreForgotten) {
  Run("TOPIC CREATE t PARTITIONS 1 CLEANUP COMPACT TOMBSTONE-MS 10");
  Run("TADD t KEY a TOMBSTONE");
  Run("TADD t KEY b TOMBSTONE");
  Run("TADD t KEY c * f 2");
  Run("TADD t KEY d TOMBSTONE");
  Run("TOPIC TRIM t/0 2");
  Run("TADD t KEY a * f 4");
  runner_.now_ms += 11;
  DropTombstones("t/0");
  EXPECT_EQ(Live("t/0"), "c@2=2 a@4=4");
  Run("TADD t KEY e TOMBSTONE");
  Run("TOPIC TRIM t/0 LATEST");
  EXPECT_EQ(StreamOf("t/0").RetentionDue(), Stream::kNeverDue);
  EXPECT_EQ(Run("TADD t KEY e * f 6"), "*2 $3 t/0 $6 5011-6");
  runner_.now_ms += 100;
  DropTombstones("t/0");
  EXPECT_EQ(Live("t/0"), "e@6=6");
}

TEST_F(CompactionTest, OffsetsAreNotGivenTwice) {
  Run("TOPIC CREATE t PARTITIONS 1 CLEANUP COMPACT TOMBSTONE-MS 1");
  Run("TADD t KEY a TOMBSTONE");
  runner_.now_ms += 2;
  DropTombstones("t/0");
  // Nothing is left, and the numbers go on.
  EXPECT_EQ(Run("XLEN t/0"), ":0");
  EXPECT_THAT(Run("TOPIC DESCRIBE t/0"), HasSubstr("$8 earliest :0 $4 next :1 $7 records :0 "));
  EXPECT_EQ(Run("TREAD PARTITIONS t/0 0"), "*-1");
  EXPECT_EQ(Run("TADD t KEY b * f 1"), "*2 $3 t/0 $6 5002-1");
  EXPECT_EQ(Live("t/0"), "b@1=1");
  // Of an empty partition retention has nothing to take, and the offsets of holes are no error.
  EXPECT_EQ(Run("TREAD PARTITIONS t/0 0"), "*1 *2 $3 t/0 *1 *2 $6 5002-1 *2 $1 f $1 1");
}

TEST_F(CompactionTest, ATopicThatIsMadeAgainBeginsAnew) {
  for (const char* line : {"DEL t", "TOPIC DELETE t", "FLUSHDB", "FLUSHALL", "UNLINK t"}) {
    Run("TOPIC CREATE t PARTITIONS 1 CLEANUP COMPACT");
    Run("TADDM t FIELDS 1 f RECORDS a 0 b 1 a 2");
    Run(line);
    EXPECT_EQ(Run("XLEN t/0"), ":0");
    Run("TOPIC CREATE t PARTITIONS 1 CLEANUP COMPACT");
    EXPECT_EQ(Run("TADD t KEY b * f 0"), "*2 $3 t/0 $6 5000-0");
    EXPECT_EQ(Run("TADD t KEY a * f 1"), "*2 $3 t/0 $6 5000-1");
    EXPECT_EQ(Live("t/0"), "b@0=0 a@1=1") << line;
    Run(line);
  }
  // And as one of the other kind.
  Run("TOPIC CREATE t PARTITIONS 1 CLEANUP COMPACT");
  Run("TADD t KEY a * f 0");
  Run("DEL t");
  Run("TOPIC CREATE t PARTITIONS 1");
  Run("TADDM t/0 FIELDS 1 f RECORDS a 0 a 1");
  EXPECT_EQ(Live("t/0"), "a@0=0 a@1=1");
}

TEST_F(CompactionTest, DatabasesAreExchanged) {
  Run("TOPIC CREATE t PARTITIONS 1 CLEANUP COMPACT TOMBSTONE-MS 10");
  Run("TADDM t FIELDS 1 f RECORDS a 0 b 1 a 2");
  Run("TADD t KEY d TOMBSTONE");
  runner_.db = 3;
  Run("TOPIC CREATE t PARTITIONS 1 CLEANUP COMPACT");
  Run("TADDM t FIELDS 1 f RECORDS a 0");
  Run("SWAPDB 0 3");
  EXPECT_EQ(Live("t/0"), "b@1=1 a@2=2 d@3=-");
  Run("TADD t KEY b * f 4");
  runner_.now_ms += 11;
  DropTombstones("t/0");
  EXPECT_EQ(Live("t/0"), "a@2=2 b@4=4");
  runner_.db = 0;
  Run("TADD t KEY a * f 1");
  EXPECT_EQ(Live("t/0"), "a@1=1");
}

TEST_F(CompactionTest, APartitionThatAGroupHasMadeCompactsToo) {
  Run("TOPIC CREATE t PARTITIONS 1 CLEANUP COMPACT");
  EXPECT_EQ(Run("XGROUP CREATE t/0 g 0"), "+OK");
  EXPECT_EQ(Refused("TADD t/0 * f v"), kNeedsKey);
  Run("TADDM t FIELDS 1 f RECORDS a 0 a 1");
  EXPECT_EQ(Live("t/0"), "a@1=1");
}

TEST_F(CompactionTest, PositionsByTimeFindLiveRecords) {
  Run("TOPIC CREATE t PARTITIONS 1 CLEANUP COMPACT");
  for (const char* key : {"a", "b", "c", "a", "d", "c"}) {
    Run("TADD t KEY " + std::string(key) + " * f v");
    runner_.now_ms += 10;
  }
  // Live: b@1 at 5010, a@3 at 5030, d@4 at 5040, c@5 at 5050.
  EXPECT_EQ(Live("t/0"), "b@1=v a@3=v d@4=v c@5=v");
  EXPECT_EQ(Run("TOPIC OFFSETS t/0 @0"), "*1 *3 $3 t/0 :1 :5010");
  EXPECT_EQ(Run("TOPIC OFFSETS t/0 @5011"), "*1 *3 $3 t/0 :3 :5030");
  EXPECT_EQ(Run("TOPIC OFFSETS t/0 @5020"), "*1 *3 $3 t/0 :3 :5030");
  EXPECT_EQ(Run("TOPIC OFFSETS t/0 @5050"), "*1 *3 $3 t/0 :5 :5050");
  EXPECT_THAT(Run("TOPIC OFFSETS t/0 LATEST"), StartsWith("*1 *3 $3 t/0 :6 "));
  EXPECT_THAT(Run("TOPIC OFFSETS t/0 EARLIEST"), StartsWith("*1 *3 $3 t/0 :0 :50"));
  EXPECT_THAT(Run("TREAD COUNT 1 PARTITIONS t/0 @5015"), HasSubstr("5030-3"));
  EXPECT_THAT(Run("TOPIC DESCRIBE t/0"), HasSubstr("$7 last-ms :5050"));
  // Trim to a time.
  EXPECT_EQ(Run("TOPIC TRIM t/0 @5025"), ":1");
  EXPECT_EQ(Live("t/0"), "a@3=v d@4=v c@5=v");
  EXPECT_EQ(Earliest("t/0"), "3");
}

// --- Consumer groups of a partition ---

TEST_F(CompactionTest, AConsumerGroupIsGivenLiveRecordsOnly) {
  Run("TOPIC CREATE t PARTITIONS 1 CLEANUP COMPACT");
  Run("TADDM t FIELDS 1 f RECORDS a 0 b 1 a 2 c 3 d 4");
  Run("XGROUP CREATE t/0 g 0");
  const auto read = [this](const char* options) {
    const std::string reply = Run("XREADGROUP GROUP g c " + std::string(options));
    return reply == "*-1" ? "" : Text(RecordsOf(Parse(reply).items[0].items[1]));
  };
  EXPECT_EQ(read("COUNT 2 STREAMS t/0 >"), "?@1=1 ?@2=2");
  // What the next call would give goes, and one that is pending.
  Run("TADDM t FIELDS 1 f RECORDS c 5 b 6");
  EXPECT_EQ(read("COUNT 1 STREAMS t/0 >"), "?@4=4");
  EXPECT_EQ(read("STREAMS t/0 >"), "?@5=5 ?@6=6");
  EXPECT_EQ(read("STREAMS t/0 >"), "");
  // A pending record that is gone reads as one without fields.
  EXPECT_EQ(read("STREAMS t/0 0"), "?@1=- ?@2=2 ?@4=4 ?@5=5 ?@6=6");
  EXPECT_EQ(Run("XACK t/0 g 5000-1 5000-2"), ":2");
  EXPECT_THAT(Run("XPENDING t/0 g"), StartsWith("*4 :3 "));
  // Claiming one that is gone removes it from those that are pending.
  Run("TADD t KEY d * f 7");
  EXPECT_EQ(Range("XCLAIM t/0 g e 0 5000-4 5000-5"), "?@5=5");
  EXPECT_THAT(Run("XPENDING t/0 g"), StartsWith("*4 :2 "));
}

// What a group has still to read: unknown, or exactly what there is.
TEST_F(CompactionTest, TheLagOfAConsumerGroupIsRightOrUnknown) {
  std::mt19937 random(7);
  Run("TOPIC CREATE t PARTITIONS 1 CLEANUP COMPACT");
  Run("XGROUP CREATE t/0 g 0");
  uint64_t delivered = 0;  // offsets below it
  for (int i = 0; i < 600; i++) {
    if (random() % 3 > 0) {
      runner_.now_ms += random() % 2;
      Run("TADD t KEY k" + std::to_string(random() % 6) + " * f v");
    } else {
      const std::string reply =
          Run("XREADGROUP GROUP g c COUNT " + std::to_string(1 + random() % 3) + " STREAMS t/0 >");
      if (reply != "*-1") delivered = RecordsOf(Parse(reply).items[0].items[1]).back().offset + 1;
    }
    const ParsedReply info = Parse(Run("XINFO GROUPS t/0")).items[0];
    ASSERT_EQ(info.items[10].text, "lag");
    if (info.items[11].null) continue;
    uint64_t live = 0;
    for (const SeenRecord& record : RecordsOf(Parse(Run("XRANGE t/0 - +")))) {
      live += record.offset >= delivered;
    }
    ASSERT_EQ(info.items[11].text, std::to_string(live)) << i;
  }
}

// --- Groups of topics ---

TEST_F(CompactionTest, AGroupOfTopicsSkipsHoles) {
  Run("TOPIC CREATE t PARTITIONS 1 CLEANUP COMPACT");
  Run("TADDM t FIELDS 1 f RECORDS a 0 b 1 a 2 c 3 d 4 c 5 e 6");
  EXPECT_EQ(Given("TREADGROUP g m WITHKEY COUNT 2 FROM EARLIEST TOPICS t"), "b@1=1 a@2=2");
  Run("TADD t KEY d * f 7");
  EXPECT_EQ(Given("TREADGROUP g m WITHKEY COUNT 2 TOPICS t"), "c@5=5 e@6=6");
  EXPECT_EQ(Given("TREADGROUP g m WITHKEY COUNT 2 TOPICS t"), "d@7=7");
  EXPECT_EQ(Given("TREADGROUP g m WITHKEY COUNT 2 TOPICS t"), "*-1");
  // Commits work over holes.
  EXPECT_EQ(Run("TCOMMIT g t/0 1 5000-4"), ":1");
  EXPECT_EQ(Committed(), "5");
  EXPECT_EQ(Run("TCOMMIT g t/0 1 5000-5"), ":1");
  EXPECT_EQ(Committed(), "6");
  EXPECT_EQ(Given("TREADGROUP g m WITHKEY TOPICS t"), "*-1");
  const std::string again = RunAs(2, "TREADGROUP g m WITHKEY TOPICS t");
  EXPECT_EQ(Text(RecordsOf(Parse(again).items[0].items[2])), "e@6=6 d@7=7");
}

TEST_F(CompactionTest, AHoleAtTheEndEndsTheCall) {
  Run("TOPIC CREATE t PARTITIONS 1 CLEANUP COMPACT TOMBSTONE-MS 10");
  Run("TADD t KEY a * f 0");
  Run("TADD t KEY b TOMBSTONE");
  EXPECT_EQ(Given("TREADGROUP g m WITHKEY COUNT 1 FROM EARLIEST TOPICS t"), "a@0=0");
  runner_.now_ms += 11;
  DropTombstones("t/0");
  EXPECT_EQ(Run("TREADGROUP g m BLOCK 0 TOPICS t"), "");
  ASSERT_TRUE(runner_.blocked());
  // The next append wakes it.
  Run("TADD t KEY c * f 2");
  EXPECT_THAT(Tend(), ElementsAre("m"));
  EXPECT_THAT(runner_.Resume("TREADGROUP g m BLOCK 0 TOPICS t"), HasSubstr("5011-2"));
}

TEST_F(CompactionTest, AllThatAMemberHasLeftMayGo) {
  Run("TOPIC CREATE t PARTITIONS 1 CLEANUP COMPACT TOMBSTONE-MS 10");
  Run("TADD t KEY a TOMBSTONE");
  Run("TADD t KEY b TOMBSTONE");
  runner_.now_ms += 11;
  DropTombstones("t/0");
  EXPECT_EQ(Given("TREADGROUP g m WITHKEY FROM EARLIEST TOPICS t"), "*-1");
  Run("TADD t KEY c * f 2");
  Tend();
  EXPECT_EQ(Given("TREADGROUP g m WITHKEY TOPICS t"), "c@2=2");
  EXPECT_EQ(Run("TACK g t/0 1 5011-2"), ":1");
  EXPECT_EQ(Committed(), "3");
}

TEST_F(CompactionTest, AcknowledgedOffsetsWithHolesBetween) {
  Run("TOPIC CREATE t PARTITIONS 1 CLEANUP COMPACT");
  Run("TADDM t FIELDS 1 f RECORDS k0 0 k1 1 k2 2 k3 3 k4 4 k5 5 k6 6 k7 7 k8 8 k9 9");
  EXPECT_THAT(Run("TREADGROUP g m FROM EARLIEST TOPICS t"), StartsWith("*1 *3 $3 t/0 :1 *10 "));
  EXPECT_EQ(Run("TCOMMIT g t/0 1 5"), ":1");
  EXPECT_EQ(Run("TACK g t/0 1 5000-7"), ":1");
  Run("TADD t KEY k6 * f 10");
  EXPECT_EQ(Committed(), "5");
  // Neither the hole nor what was acknowledged is given.
  const std::string again = RunAs(2, "TREADGROUP g m WITHKEY TOPICS t");
  EXPECT_THAT(Text(RecordsOf(Parse(again).items[0].items[2])), StartsWith("k5@5=5"));
  EXPECT_THAT(again, Not(HasSubstr("5000-6")));
  EXPECT_THAT(again, Not(HasSubstr("5000-7")));
  EXPECT_EQ(Run("TACK g t/0 2 5000-5"), ":1");
  EXPECT_EQ(Committed(), "8");
  // The lowest live one goes: the next acknowledgement goes over it.
  Run("TADD t KEY k8 * f 11");
  EXPECT_EQ(Run("TACK g t/0 2 5000-10"), ":1");
  EXPECT_EQ(Committed(), "9");
  EXPECT_EQ(Run("TACK g t/0 2 5000-9"), ":1");
  EXPECT_EQ(Committed(), "11");
  // One that is gone may be acknowledged, too.
  EXPECT_EQ(Run("TACK g t/0 2 5000-11 5000-8"), ":1");
  EXPECT_EQ(Committed(), "12");
}

// A record that was given, and is gone before it is acknowledged, holds nothing up.
TEST_F(CompactionTest, AnAcknowledgementGoesOverWhatIsGone) {
  Run("TOPIC CREATE t PARTITIONS 1 CLEANUP COMPACT TOMBSTONE-MS 10");
  Run("TADDM t FIELDS 1 f RECORDS a 0 b 1 c 2");
  Run("TREADGROUP g m FROM EARLIEST TOPICS t");
  Run("TADD t KEY a TOMBSTONE");
  runner_.now_ms += 11;
  DropTombstones("t/0");
  Run("TADD t KEY d * f 4");
  EXPECT_EQ(Run("TACK g t/0 1 5000-1"), ":1");
  EXPECT_EQ(Committed(), "2");
  EXPECT_EQ(Run("TACK g t/0 1 5000-2"), ":1");
  EXPECT_EQ(Committed(), "4");
  // Before it was given.
  EXPECT_EQ(Run("TACK g t/0 1 5011-4"), ":1");
  EXPECT_EQ(Committed(), "5");
  EXPECT_EQ(Given("TREADGROUP g m TOPICS t"), "*-1");
}

// What is gone is no lag, and nothing is as old as the clock.
TEST_F(CompactionTest, WhatIsGoneIsNoLag) {
  Run("TOPIC CREATE t PARTITIONS 1 CLEANUP COMPACT TOMBSTONE-MS 10");
  Run("TGROUP CREATE g FROM EARLIEST");
  Run("TREADGROUP g m TOPICS t");
  Run("TADDM t FIELDS 1 f RECORDS a 0 a 1 a 2 a 3");
  EXPECT_THAT(Run("TGROUP LAG g"), HasSubstr("$4 next :4 $3 lag :1 $6 age-ms :0 $7 skipped :0"));
  Run("TADD t KEY a TOMBSTONE");
  runner_.now_ms += 11;
  DropTombstones("t/0");
  EXPECT_EQ(Run("XLEN t/0"), ":0");
  EXPECT_EQ(Given("TREADGROUP g m TOPICS t"), "*-1");
  EXPECT_THAT(Run("TGROUP LAG g"), HasSubstr("$4 next :5 $3 lag :0 $6 age-ms :0 $7 skipped :0"));
}

// What is lost is counted in offsets: which records were still there is not known any more.
TEST_F(CompactionTest, SkippedCountsOffsets) {
  Run("TOPIC CREATE t PARTITIONS 1 CLEANUP COMPACT");
  Run("TADDM t FIELDS 1 f RECORDS b 0 a 1 a 2 a 3 a 4 c 5");
  Run("TGROUP CREATE g FROM EARLIEST");
  Run("TREADGROUP g m COUNT 1 TOPICS t");
  EXPECT_EQ(Run("TOPIC TRIM t/0 5"), ":2");
  EXPECT_EQ(Given("TREADGROUP g m WITHKEY TOPICS t"), "c@5=5");
  EXPECT_THAT(Run("TGROUP LAG g"), HasSubstr("$7 skipped :4"));
}

// More ranges of acknowledged records than the group lets stand open: they end when the records
// between them are gone, also if nobody acknowledges anything any more.
TEST_F(CompactionTest, RangesThatOnlyHolesKeepApartDoNotStopTheGroup) {
  constexpr int kRecords = 2100;
  Run("TOPIC CREATE t PARTITIONS 1 CLEANUP COMPACT");
  for (int i = 0; i < kRecords; i++) {
    Run("TADD t KEY k" + std::to_string(i) + " * f " + std::to_string(i));
  }
  EXPECT_THAT(Run("TREADGROUP g m COUNT 5000 FROM EARLIEST TOPICS t"),
              StartsWith("*1 *3 $3 t/0 :1 *2100 "));
  std::string odd = "TACK g t/0 1";
  for (int i = 1; i < kRecords; i += 2) {
    odd += " 5000-" + std::to_string(i);
  }
  EXPECT_EQ(Run(odd), ":1050");
  // The others were given and not acknowledged. They are replaced.
  for (int i = 0; i < kRecords; i += 2) {
    Run("TADD t KEY k" + std::to_string(i) + " * f new");
  }
  Tend();
  // Another connection speaks for the member, and begins at what is open: only new ones.
  const std::string given = RunAs(2, "TREADGROUP g m COUNT 5000 TOPICS t");
  EXPECT_THAT(given.substr(0, 30), StartsWith("*1 *3 $3 t/0 :2 *1050 "));
  // The connection goes on.
  runner_.client_id = 2;
  EXPECT_THAT(Run("TADD t KEY more * f v"), StartsWith("*2"));
  Tend();
  EXPECT_THAT(Given("TREADGROUP g m WITHKEY COUNT 5000 TOPICS t"), StartsWith("more@"));
}

// --- Random commands, against a map ---

class RandomCompactionTest : public CompactionTest, public ::testing::WithParamInterface<uint32_t> {
 protected:
  uint64_t Below(uint64_t bound) { return random_() % bound; }
  bool OneIn(uint64_t bound) { return Below(bound) == 0; }
  std::string Key() {
    return "k" + std::to_string(OneIn(2) ? Below(3) : Below(many_keys_ ? 300 : 12));
  }
  // Sometimes so long that blocks end soon.
  std::string Value() {
    return std::to_string(++values_) + (OneIn(6) ? std::string(Below(1500), 'x') : "");
  }
  uint64_t now() const { return static_cast<uint64_t>(runner_.now_ms); }

  void AddSome() {
    if (OneIn(4)) {
      std::string line = "TADDM t/0 FIELDS 1 f RECORDS";
      const uint64_t first = model_.next;
      const uint64_t count = 1 + Below(many_keys_ ? 40 : 8);
      for (uint64_t i = 0; i < count; i++) {
        const std::string key = Key();
        const std::string value = Value();
        line += " " + key + " " + value;
        model_.Add(now(), key, value);
      }
      ASSERT_THAT(Run(line),
                  ::testing::EndsWith("-" + std::to_string(first) + " :" + std::to_string(count)));
      return;
    }
    const std::string key = Key();
    const bool tombstone = OneIn(4);
    const std::string value = tombstone ? "-" : Value();
    model_.Add(now(), key, value);
    ASSERT_THAT(Run("TADD t/0 KEY " + key + (tombstone ? " TOMBSTONE" : " * f " + value)),
                ::testing::EndsWith("-" + std::to_string(model_.next - 1)));
  }
  void Wait() {
    runner_.now_ms += static_cast<int64_t>(Below(30));
    const bool due = tombstone_ms_ != 0 && StreamExists() &&
                     std::any_of(model_.live.begin(), model_.live.end(), [this](const auto& at) {
                       return at.second.value == "-" && now() - at.second.ms > tombstone_ms_;
                     });
    if (!StreamExists()) return;
    ASSERT_EQ(StreamOf("t/0").PlanTombstones(runner_.now_ms) > 0, due);
    // The index of times knows it.
    if (due) {
      ASSERT_LE(StreamOf("t/0").RetentionDue(), runner_.now_ms);
    }
    DropTombstones("t/0");
    model_.DropTombstones(now(), tombstone_ms_);
  }
  void Trim() {
    const uint64_t offset = model_.earliest + Below(model_.next - model_.earliest + 1);
    const uint64_t before = model_.live.size();
    model_.TrimTo(offset);
    ASSERT_EQ(Run("TOPIC TRIM t/0 " + std::to_string(offset)),
              ":" + std::to_string(before - model_.live.size()));
  }
  bool StreamExists() {
    return runner_.keyspace().Find(KeyRef(CompanionOf(runner_.db), "t/0")) != nullptr;
  }

  std::mt19937 random_{GetParam()};
  const bool many_keys_ = GetParam() % 3 == 0;
  uint64_t tombstone_ms_ = 20;
  uint64_t values_ = 0;
  CompactionModel model_;
};

INSTANTIATE_TEST_SUITE_P(Seeds, RandomCompactionTest, ::testing::Range(1u, 25u));

TEST_P(RandomCompactionTest, ReadersSeeAMapOfTheNewest) {
  const bool both = OneIn(2);
  Run("TOPIC CREATE t PARTITIONS 1 CLEANUP " + std::string(both ? "BOTH" : "COMPACT") +
      " RETENTION-ENTRIES " + (both ? "60" : "3") + " RETENTION-MS 0 TOMBSTONE-MS 20");
  for (int step = 0; step < 300; step++) {
    switch (Below(12)) {
      case 0:
      case 1:
        Wait();
        break;
      case 2:
        if (OneIn(4)) Trim();
        break;
      case 3:
        if (!OneIn(10)) break;
        tombstone_ms_ = std::vector<uint64_t>{0, 5, 20, 200}[Below(4)];
        Run("TOPIC ALTER t TOMBSTONE-MS " + std::to_string(tombstone_ms_));
        break;
      case 4:
        if (!OneIn(40)) break;
        Run(OneIn(2) ? "DEL t" : "TOPIC DELETE t");
        Run("TOPIC CREATE t PARTITIONS 1 CLEANUP " + std::string(both ? "BOTH" : "COMPACT") +
            " RETENTION-ENTRIES " + (both ? "60" : "3") + " RETENTION-MS 0 TOMBSTONE-MS " +
            std::to_string(tombstone_ms_));
        model_ = {};
        break;
      default:
        AddSome();
    }
    if (both && model_.live.size() > 60) {
      model_.live.erase(model_.live.begin(),
                        std::next(model_.live.begin(), static_cast<int>(model_.live.size() - 60)));
      model_.earliest = std::max(model_.earliest, model_.live.begin()->first);
    }
    if (HasFatalFailure() || !StreamExists()) continue;
    const std::vector<SeenRecord> all = model_.From(0);
    ASSERT_EQ(Run("XLEN t/0"), ":" + std::to_string(all.size()));
    ASSERT_EQ(RecordsOf(Parse(Run("XRANGE t/0 - +"))), WithoutKeys(all));
    std::vector<SeenRecord> back = RecordsOf(Parse(Run("XREVRANGE t/0 + -")));
    std::reverse(back.begin(), back.end());
    ASSERT_EQ(back, WithoutKeys(all));
    ASSERT_THAT(Run("TOPIC DESCRIBE t/0"),
                HasSubstr("$8 earliest :" + std::to_string(model_.earliest) +
                          " $4 next :" + std::to_string(model_.next) +
                          " $7 records :" + std::to_string(all.size())));
    // From some offset.
    const uint64_t from = model_.earliest + Below(model_.next - model_.earliest + 1);
    std::vector<SeenRecord> wanted = model_.From(from);
    if (wanted.size() > 5) wanted.resize(5);
    const std::string read = Run("TREAD COUNT 5 WITHKEY PARTITIONS t/0 " + std::to_string(from));
    if (wanted.empty()) {
      ASSERT_EQ(read, "*-1");
      continue;
    }
    ASSERT_EQ(RecordsOf(Parse(read).items[0].items[1]), wanted) << "from " << from;
    // The same by time: the first that was appended then or later.
    const uint64_t ms = wanted[0].ms;
    const auto first = std::find_if(all.begin(), all.end(),
                                    [ms](const SeenRecord& record) { return record.ms >= ms; });
    ASSERT_EQ(Run("TOPIC OFFSETS t/0 @" + std::to_string(ms)),
              "*1 *3 $3 t/0 :" + std::to_string(first->offset) + " :" + std::to_string(ms));
  }
  EXPECT_EQ(StreamOf("t/0").keys() >= model_.live.size(), true);
}

// What a clone for a snapshot holds does not change with the partition.
TEST_P(RandomCompactionTest, CapturesHoldWhatWasThere) {
  Run("TOPIC CREATE t PARTITIONS 1 CLEANUP COMPACT TOMBSTONE-MS 20");
  CaptureCheck captures;
  for (int step = 0; step < 500; step++) {
    if (OneIn(5)) {
      Wait();
    } else if (OneIn(30)) {
      Trim();
    } else {
      AddSome();
    }
    captures.Step(runner_.keyspace(), [this] { return random_(); });
  }
  EXPECT_EQ(captures.wrong(), 0);
  runner_.keyspace().EndCapture();
  // And what was stored goes on as the original does.
  std::string payload;
  StreamOf("t/0").Serialize(&payload);
  const std::unique_ptr<Object> loaded = LoadAs<Stream>(payload);
  ASSERT_NE(loaded, nullptr);
  auto& copy = static_cast<Stream&>(*loaded);
  EXPECT_EQ(copy.RetentionDue(), StreamOf("t/0").RetentionDue());
  for (int i = 0; i < 50; i++) {
    const std::string key = Key();
    const std::string_view fields[] = {kRecordKey, key, "f", "new"};
    copy.Append({now(), copy.next_offset()}, fields, kPartitionLimits);
    model_.Add(now(), key, "new");
    if (i % 10 == 0) {
      runner_.now_ms += 15;
      if (const uint64_t end = copy.PlanTombstones(runner_.now_ms)) copy.DropTombstones(end);
      model_.DropTombstones(now(), tombstone_ms_);
    }
  }
  std::vector<uint64_t> offsets;
  for (EntryCursor at = copy.Seek(StreamId::Min()); at.valid(); at.Next()) {
    offsets.push_back(at->id().seq);
  }
  std::vector<uint64_t> expected;
  for (const auto& [offset, record] : model_.live) {
    expected.push_back(offset);
  }
  EXPECT_EQ(offsets, expected);
}

// A group of topics: nothing that lives and is not acknowledged is passed over, and nothing that
// was acknowledged is given again.
TEST_P(RandomCompactionTest, AGroupPassesNothingOver) {
  Run("TOPIC CREATE t PARTITIONS 1 CLEANUP COMPACT TOMBSTONE-MS 20");
  Run("TGROUP CREATE g FROM EARLIEST");
  std::set<uint64_t> done;  // acknowledged
  uint64_t done_below = 0;  // by TCOMMIT
  uint64_t committed = 0;
  uint64_t position = 0;  // of the member's connection
  uint64_t epoch = 0;
  uint64_t client = 1;
  std::vector<SeenRecord> given;  // to the connection: IDs to acknowledge
  const auto is_done = [&](uint64_t offset) {
    return offset < done_below || offset < model_.earliest || done.contains(offset);
  };
  const auto first_open = [&](uint64_t from) {
    for (auto at = model_.live.lower_bound(from); at != model_.live.end(); ++at) {
      if (!is_done(at->first)) return at->first;
    }
    return model_.next;
  };
  const auto look = [&] {
    const std::string lag = Run("TGROUP LAG g t");
    const auto number = [&](const char* name) {
      const size_t at = lag.find(name);
      return at == std::string::npos ? 0 : std::stoull(lag.substr(at + std::strlen(name)));
    };
    const uint64_t now_committed = number("$9 committed :");
    // It never goes back, and never over what is open.
    ASSERT_GE(now_committed, committed);
    ASSERT_LE(now_committed, std::max(first_open(committed), committed)) << lag;
    committed = now_committed;
    epoch = number("$5 epoch :");
  };
  for (int step = 0; step < 600; step++) {
    switch (Below(16)) {
      case 0:
        Wait();
        break;
      case 1:
        if (OneIn(6)) Trim();
        break;
      case 2:
        // Another connection speaks for the member, or it leaves, or the server begins again.
        if (!OneIn(3)) break;
        if (OneIn(3)) {
          RunAs(client, "TGROUP LEAVE g m");
        } else if (OneIn(2)) {
          runner_.topic_groups().Begin(runner_.steady_ms);
        }
        client++;
        position = committed;
        given.clear();
        break;
      case 3:
        if (OneIn(5) && epoch > 0) {
          const uint64_t offset = Below(model_.next + 1);
          const std::string reply =
              Run("TCOMMIT g t/0 " + std::to_string(epoch) + " " + std::to_string(offset));
          ASSERT_EQ(reply, offset > committed ? ":1" : ":0");
          done_below = std::max(done_below, offset);
          look();
          ASSERT_GE(committed, offset);
        }
        break;
      case 4:
      case 5:
      case 6:
      case 7: {
        // Some of those that were given, of which some are gone, or were acknowledged before; and
        // now and then one that was never given.
        if (epoch == 0 || model_.next == 0) break;
        std::set<uint64_t> offsets;
        for (uint64_t left = 1 + Below(4); left > 0; left--) {
          if (OneIn(12) || given.empty()) {
            if (OneIn(4)) offsets.insert(Below(model_.next));
          } else {
            offsets.insert(
                given[OneIn(3) ? Below(given.size()) : Below(1 + given.size() / 4)].offset);
          }
        }
        if (offsets.empty()) break;
        std::string line = "TACK g t/0 " + std::to_string(epoch);
        uint64_t fresh = 0;
        for (const uint64_t offset : offsets) {
          line += " 1-" + std::to_string(offset);
          fresh += offset >= committed && !done.contains(offset);
        }
        ASSERT_EQ(Run(line), ":" + std::to_string(fresh)) << line;
        done.insert(offsets.begin(), offsets.end());
        const uint64_t before = committed;
        look();
        if (fresh > 0) {
          ASSERT_EQ(committed, std::max(before, first_open(before)));
        }
        break;
      }
      case 8:
      case 9:
      case 10:
      case 11: {
        Tend();
        const uint64_t count = 1 + Below(6);
        const std::string reply =
            RunAs(client, "TREADGROUP g m WITHKEY COUNT " + std::to_string(count) + " TOPICS t");
        Tend();
        look();
        position = std::max({position, committed, model_.earliest});
        std::vector<SeenRecord> expected;
        bool broken = false;  // by one that was acknowledged
        for (const SeenRecord& record : model_.From(position)) {
          if (is_done(record.offset)) {
            broken = broken || !expected.empty();
          } else if (expected.size() < count) {
            expected.push_back(record);
          }
        }
        if (reply == "*-1") {
          ASSERT_TRUE(expected.empty()) << "at " << position << " " << expected[0];
          break;
        }
        const ParsedReply part = Parse(reply).items[0];
        const std::vector<SeenRecord> found = RecordsOf(part.items[2]);
        ASSERT_EQ(part.items[1].text, std::to_string(epoch));
        ASSERT_FALSE(found.empty());
        ASSERT_LE(found.size(), expected.size());
        if (!broken && done.lower_bound(position) == done.end()) {
          ASSERT_EQ(found.size(), expected.size());
        }
        expected.resize(found.size());
        ASSERT_EQ(found, expected) << "at " << position;
        position = found.back().offset + 1;
        given.insert(given.end(), found.begin(), found.end());
        break;
      }
      default:
        AddSome();
    }
    if (HasFatalFailure()) return;
  }
  // In the end all is read and acknowledged by somebody new.
  client++;
  for (int calls = 0;; calls++) {
    ASSERT_LT(calls, 2000);
    Tend();
    const std::string reply = RunAs(client, "TREADGROUP g m COUNT 3 TOPICS t");
    if (reply == "*-1") break;
    look();
    const ParsedReply part = Parse(reply).items[0];
    std::string line = "TACK g t/0 " + part.items[1].text;
    for (const SeenRecord& record : RecordsOf(part.items[2])) {
      ASSERT_FALSE(is_done(record.offset)) << record.offset;
      line += " 1-" + std::to_string(record.offset);
      done.insert(record.offset);
    }
    Run(line);
  }
  EXPECT_EQ(first_open(0), model_.next);
}

}  // namespace
}  // namespace runnel
