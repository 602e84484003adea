// Compacted partitions of which blocks are on the disk: what is replaced there is only noted, and
// nothing that a reader or a later change sees depends on where records lie.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <map>
#include <memory>
#include <random>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/coding.h"
#include "base/log.h"
#include "commands/topic/compaction_model.h"
#include "data/cold.h"
#include "data/stream/stream.h"
#include "data/testing.h"
#include "data/topic/compaction.h"
#include "data/topic/record.h"
#include "tests/sim/cold_broker.h"
#include "tests/sim/cold_fixture.h"
#include "tests/sim/seeds.h"

namespace runnel::sim {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

// --- Streams alone ---

constexpr uint64_t kTombstoneMs = 50;

std::unique_ptr<Stream> MakeCompacted(uint64_t tombstone_ms = kTombstoneMs) {
  auto stream = std::make_unique<Stream>();
  stream->MakePartition();
  stream->KeepNewest(std::make_unique<Compaction>(TopicId(), tombstone_ms));
  return stream;
}

// What a record is, as a reader sees it.
std::string TextOf(const EntryView& entry) {
  const RecordView view(entry);
  std::string text = std::to_string(entry.id().ms) + "-" + std::to_string(entry.id().seq) + " " +
                     std::string(view.key) + "=";
  for (const EntryView::Field& field : view.fields) {
    text += std::string(field.name) + ":" + std::to_string(field.value.size()) + ":" +
            std::string(field.value.substr(0, 12));
  }
  return text;
}

std::vector<std::string> Forward(const Stream& stream) {
  std::vector<std::string> texts;
  for (EntryCursor at = stream.Seek(StreamId::Min()); at.valid(); at.Next()) {
    texts.push_back(TextOf(*at));
  }
  return texts;
}

std::vector<std::string> Backward(const Stream& stream) {
  std::vector<std::string> texts;
  for (EntryCursor at = stream.SeekBack(StreamId::Max()); at.valid(); at.Previous()) {
    texts.push_back(TextOf(*at));
  }
  std::reverse(texts.begin(), texts.end());
  return texts;
}

// What is stored of the keys: the end of the stored form.
std::string StoredKeys(const Stream& stream) {
  Compaction expected(TopicId(), kTombstoneMs);
  for (EntryCursor at = stream.Seek(StreamId::Min()); at.valid(); at.Next()) {
    const RecordView view(*at);
    std::vector<std::string_view> fields = {kRecordKey, view.key};
    for (const EntryView::Field& field : view.fields) {
      fields.insert(fields.end(), {field.name, field.value});
    }
    EXPECT_EQ(expected.Append(at->id(), expected.Fetch(fields[1]), fields.size() == 2,
                              stream.first_offset()),
              Compaction::kNone);
  }
  std::string text;
  Encoder out(&text);
  expected.Serialize(&out, stream.first_offset());
  return text;
}

// A stream in the world of the disk, and one that stays in memory: the same changes to both.
class CompactionTwins {
 public:
  explicit CompactionTwins(uint64_t seed) : random_(seed), world_(seed) {
    const uint64_t kMemory[] = {1, 3000, 10'000, 30'000};
    world_.settings.stream_memory = kMemory[Below(4)];
    keys_ = std::vector<uint64_t>{5, 60, 1000}[Below(3)];
    cold_->Attach(&world_.hot);
  }

  void Step() {
    switch (Below(24)) {
      case 0:
        return DropOldest();
      case 1:
        return DropBelow();
      case 2:
      case 3:
        return DropTombstones();
      case 4:
        if (Below(4) == 0) Reload();
        return;
      case 5:
      case 6:
      case 7:
        return world_.Settle();
      case 8:
      case 9:
        world_.store->EndTurn(world_.now_ms);
        return;
      case 10:
        return world_.writer.Step();
      case 11:
        return world_.reader.Step();
      default:
        return Append();
    }
  }

  void Check() {
    ASSERT_EQ(cold_->length(), hot_->length());
    ASSERT_EQ(cold_->next_offset(), hot_->next_offset());
    ASSERT_EQ(cold_->last_id(), hot_->last_id());
    ASSERT_EQ(cold_->max_deleted_id(), hot_->max_deleted_id());
    ASSERT_EQ(cold_->first_offset(), hot_->first_offset()) << "the earliest offset";
    if (Below(4) > 0) return;
    const std::vector<std::string> all = Forward(*hot_);
    ASSERT_EQ(Forward(*cold_), all);
    ASSERT_EQ(Backward(*cold_), all);
    ASSERT_EQ(Backward(*hot_), all);
    const uint64_t offset =
        hot_->first_offset() + Below(hot_->next_offset() - hot_->first_offset() + 2);
    const EntryCursor there = cold_->SeekOffset(offset);
    const EntryCursor here = hot_->SeekOffset(offset);
    ASSERT_EQ(there.valid(), here.valid());
    if (here.valid()) {
      ASSERT_EQ(there->id(), here->id());
      const uint64_t end = offset + Below(300);
      const StreamId to = {UINT64_MAX, end};
      ASSERT_EQ(there.CountTo(to, UINT64_MAX), here.CountTo(to, UINT64_MAX));
      // As far as some other record.
      const EntryCursor last = hot_->SeekOffset(end);
      if (last.valid()) {
        ASSERT_EQ(there.CountTo(last->id(), UINT64_MAX), here.CountTo(last->id(), UINT64_MAX));
        EntryCursor skips = there;
        const uint64_t count = here.CountTo(last->id(), UINT64_MAX);
        if (count > 0) {
          skips.Skip(count - 1);
          ASSERT_EQ(skips->id(), last->id());
        }
      }
    }
    const uint64_t most = std::min(offset, hot_->next_offset());
    ASSERT_EQ(cold_->CountBelowOffset(most), hot_->CountBelowOffset(most));
    const uint64_t ms = now_ - std::min(now_, Below(400));
    ASSERT_EQ(cold_->OffsetAt(ms), hot_->OffsetAt(ms));
    for (const Stream* stream : {cold_.get(), hot_.get()}) {
      std::string payload;
      stream->Serialize(&payload);
      ASSERT_TRUE(payload.ends_with(StoredKeys(*hot_))) << "the index is not what lives";
      const std::unique_ptr<Object> loaded = LoadAs<Stream>(payload);
      ASSERT_NE(loaded, nullptr);
      ASSERT_EQ(Forward(static_cast<Stream&>(*loaded)), all);
    }
  }
  uint64_t cold_entries() const { return cold_->cold_entries(); }

 private:
  uint64_t Below(uint64_t bound) { return random_() % bound; }

  void Append() {
    const uint64_t reads = world_.store->stats().reads;
    const uint64_t blocking = world_.store->stats().blocking_reads;
    for (uint64_t left = 1 + Below(60); left > 0; left--) {
      now_ += Below(3);
      const std::string key = "key " + std::to_string(Below(2) == 0 ? Below(5) : Below(keys_));
      const std::string value = std::to_string(++values_) + std::string(Below(200), 'v');
      std::vector<std::string_view> fields = {kRecordKey, key};
      if (Below(8) > 0) fields.insert(fields.end(), {Below(9) == 0 ? "other" : "f", value});
      for (Stream* stream : {cold_.get(), hot_.get()}) {
        stream->Append({now_, stream->next_offset()}, fields, kPartitionLimits);
      }
    }
    // Removing does not read.
    EXPECT_EQ(world_.store->stats().reads, reads);
    EXPECT_EQ(world_.store->stats().blocking_reads, blocking);
  }
  void DropOldest() {
    const uint64_t count = Below(3) > 0 ? Below(20) : Below(hot_->length() + 1);
    if (count > hot_->length()) return;
    DropBelow(OffsetAfter(*hot_, count));
  }
  // Below which offset the oldest records are.
  static uint64_t OffsetAfter(const Stream& stream, uint64_t count) {
    if (count >= stream.length()) return stream.next_offset();
    EntryCursor at = stream.Seek(StreamId::Min());
    at.Skip(count);
    return at->id().seq;
  }
  void DropBelow() {
    const uint64_t range = hot_->next_offset() - hot_->first_offset();
    DropBelow(hot_->first_offset() + Below(Below(4) == 0 ? range + 1 : range / 4 + 1));
  }
  void DropBelow(uint64_t offset) {
    ASSERT_EQ(cold_->PlanDropBelow(offset), hot_->PlanDropBelow(offset));
    cold_->DropBelowOffset(offset);
    hot_->DropBelowOffset(offset);
  }
  void DropTombstones() {
    now_ += Below(40);
    const uint64_t reads = world_.store->stats().reads + world_.store->stats().blocking_reads;
    const uint64_t end = hot_->PlanTombstones(static_cast<int64_t>(now_));
    ASSERT_EQ(cold_->PlanTombstones(static_cast<int64_t>(now_)), end);
    if (end == 0) return;
    cold_->DropTombstones(end);
    hot_->DropTombstones(end);
    EXPECT_EQ(world_.store->stats().reads + world_.store->stats().blocking_reads, reads);
  }
  // As by a snapshot and a start.
  void Reload() {
    std::string payload;
    Encoder encoder(&payload);
    world_.Settle();
    cold_->EncodeStored(&encoder);
    ColdExtents extents;
    cold_->AddExtents(&extents);
    world_.SyncAndPin(extents);
    extents.clear();
    cold_.reset();
    world_.LosePower();
    Decoder in(payload);
    std::unique_ptr<Object> loaded = Stream::LoadWithRuns(&in, *world_.store);
    ASSERT_NE(loaded, nullptr);
    EXPECT_TRUE(world_.store->RemoveUnused().ok());
    cold_.reset(static_cast<Stream*>(loaded.release()));
    cold_->Attach(&world_.hot);
    payload.clear();
    hot_->Serialize(&payload);
    loaded = LoadAs<Stream>(payload);
    ASSERT_NE(loaded, nullptr);
    hot_.reset(static_cast<Stream*>(loaded.release()));
  }

  std::mt19937_64 random_;
  ColdWorld world_;
  std::unique_ptr<Stream> cold_ = MakeCompacted();
  std::unique_ptr<Stream> hot_ = MakeCompacted();
  uint64_t keys_ = 0;
  uint64_t now_ = 1000;
  uint64_t values_ = 0;
};

TEST(ColdCompactionTest, WhereRecordsLieMakesNoDifference) {
  uint64_t cold = 0;
  ForEachSeed(30, [&](uint64_t seed) {
    CompactionTwins twins(seed);
    for (int step = 0; step < 250 && !::testing::Test::HasFailure(); step++) {
      twins.Step();
      twins.Check();
      cold += twins.cold_entries();
    }
  });
  if (Seeds(30) == 30 && !OneSeedOnly()) {
    EXPECT_GT(cold, 100'000u);
  }
}

// The first record of a run on the disk is gone. When all before it is removed, the earliest offset
// is the one that it is for a partition in memory.
TEST(ColdCompactionTest, RetentionUpToAHoleThatBeginsARun) {
  ColdWorld world(1);
  world.settings.stream_memory = 1;
  const std::unique_ptr<Stream> cold = MakeCompacted();
  const std::unique_ptr<Stream> hot = MakeCompacted();
  cold->Attach(&world.hot);
  const std::string padding(300, 'p');
  const auto append = [&](uint64_t key) {
    const std::string name = std::to_string(key);
    const std::string_view fields[] = {kRecordKey, name, "f", padding};
    for (Stream* stream : {cold.get(), hot.get()}) {
      stream->Append({1000, stream->next_offset()}, fields, kPartitionLimits);
    }
  };
  for (uint64_t key = 0; key < 200; key++) {
    append(key);
    if (key % 10 == 9) world.Settle();
  }
  ASSERT_GT(cold->cold_entries(), 100u);
  // Each record in turn is the first one of what is left, and gone.
  for (uint64_t count = 1; count < 100; count++) {
    append(hot->Seek(StreamId::Min())->id().seq + 1);
    // Of records on the disk only whole runs go.
    cold->Retain({.entries = hot->length() - std::min<uint64_t>(hot->length(), 15)});
    const uint64_t offset = cold->PlanRetentionOffset(2000);
    if (offset == 0) continue;
    const uint64_t reads = world.store->stats().reads + world.store->stats().blocking_reads;
    cold->DropBelowOffset(offset);
    EXPECT_EQ(world.store->stats().reads + world.store->stats().blocking_reads, reads);
    hot->DropBelowOffset(offset);
    ASSERT_EQ(cold->length(), hot->length());
    ASSERT_EQ(cold->first_offset(), hot->first_offset()) << count;
    if (hot->length() < 20) break;
  }
}

// A snapshot that is damaged names runs and holes that do not fit. It is refused, or it is a stream
// that can be used.
void UseDamaged(bool drops) {
  ColdWorld world(1);
  world.settings.stream_memory = 5000;
  const std::unique_ptr<Stream> stream = MakeCompacted();
  stream->Attach(&world.hot);
  std::mt19937_64 random(3);
  const auto append = [&random](Stream& to) {
    const std::string key = std::to_string(random() % 100);
    const std::string value(random() % 150, 'v');
    std::vector<std::string_view> fields = {kRecordKey, key};
    if (random() % 5 > 0) fields.insert(fields.end(), {"f", value});
    to.Append({to.last_id().ms + 1, to.next_offset()}, fields, kPartitionLimits);
  };
  for (int i = 0; i < 1000; i++) {
    append(*stream);
    if (i % 100 == 0) world.Settle();
  }
  std::string payload;
  Encoder encoder(&payload);
  stream->EncodeStored(&encoder);
  int used = 0;
  for (int i = 0; i < 3000; i++) {
    std::string damaged = payload;
    // Most of it is the index; what describes the runs stands before that.
    const size_t range = random() % 2 == 0 ? 400 : damaged.size();
    damaged[random() % range] = static_cast<char>(random());
    Decoder in(damaged);
    const std::unique_ptr<Object> loaded = Stream::LoadWithRuns(&in, *world.store);
    if (loaded == nullptr) continue;
    auto& copy = static_cast<Stream&>(*loaded);
    copy.Attach(&world.hot);
    used++;
    try {
      Forward(copy);
      Backward(copy);
      for (int k = 0; k < 30; k++) {
        append(copy);
      }
      if (const uint64_t end = copy.PlanTombstones(INT64_MAX / 2)) copy.DropTombstones(end);
      const uint64_t offset = copy.first_offset() + random() % 200;
      if (drops) copy.DropBelowOffset(std::min(offset, copy.next_offset()));
      Forward(copy);
    } catch (const ColdFailure&) {
    }
    world.Settle();
  }
  EXPECT_GT(used, 10);
}

TEST(ColdCompactionTest, WrongDescriptionsOfHolesAreRefused) {
  UseDamaged(false);
}

TEST(ColdCompactionTest, RetentionOfWrongDescriptions) {
  UseDamaged(true);
}

// --- Commands ---

// Record i of t/0 had the offset i and the key k<i>, and was appended i milliseconds after the
// topic was made.
class ColdCompactedTopicTest : public ::testing::Test {
 protected:
  static constexpr int kRecords = 1500;
  static constexpr const char* kPadding =
      " padding the-quick-brown-fox-jumps-over-the-lazy-dog-again-and-again-and-again";

  void Create(const std::string& options) {
    client_->Run("TOPIC CREATE t PARTITIONS 1 CLEANUP " + options);
    for (int i = 0; i < kRecords; i++) {
      Add(i);
      world_.harness.clock.Advance(1);
      world_.harness.broker.RunTimers();
    }
    world_.Settle();
    ASSERT_THAT(Ask("TOPIC DESCRIBE t/0"), HasSubstr("records :1500 "));
    ASSERT_GT(world_.harness.keyspace.hot_blocks().cold_entries(), 1000u);
  }
  // Without waiting for the disk.
  void Add(int key) {
    ASSERT_THAT(client_->Run("TADD t/0 KEY k" + std::to_string(key) + " * n " +
                             std::to_string(key) + kPadding),
                StartsWith("*2 "));
  }
  void AddTombstone(int key) {
    ASSERT_THAT(client_->Run("TADD t/0 KEY k" + std::to_string(key) + " TOMBSTONE"),
                StartsWith("*2 "));
  }
  std::string Ask(const std::string& line) { return world_.Ask(*client_, line); }
  std::vector<uint64_t> OffsetsOf(const ParsedReply& entries) {
    std::vector<uint64_t> offsets;
    for (const SeenRecord& record : RecordsOf(entries)) {
      offsets.push_back(record.offset);
    }
    return offsets;
  }
  std::vector<uint64_t> Range(const std::string& line) { return OffsetsOf(Parse(Ask(line))); }
  // By a group of topics, a few at a time; all of it is acknowledged.
  std::vector<uint64_t> GroupReads(const std::string& group) {
    std::vector<uint64_t> offsets;
    for (;;) {
      const std::string reply = Ask("TREADGROUP " + group + " m COUNT 70 FROM EARLIEST TOPICS t");
      if (reply == "*-1") return offsets;
      const ParsedReply part = Parse(reply).items[0];
      std::string line = "TACK " + group + " t/0 " + part.items[1].text;
      for (const uint64_t offset : OffsetsOf(part.items[2])) {
        offsets.push_back(offset);
        line += " 1-" + std::to_string(offset);
      }
      EXPECT_THAT(Ask(line), StartsWith(":"));
    }
  }
  std::vector<uint64_t> TopicReads() {
    std::vector<uint64_t> offsets;
    std::string from = "EARLIEST";
    for (;;) {
      const std::string reply = Ask("TREAD COUNT 70 PARTITIONS t/0 " + from);
      if (reply == "*-1") return offsets;
      const std::vector<uint64_t> some = OffsetsOf(Parse(reply).items[0].items[1]);
      offsets.insert(offsets.end(), some.begin(), some.end());
      from = std::to_string(offsets.back() + 1);
    }
  }
  void ExpectAll(const std::vector<uint64_t>& expected) {
    EXPECT_EQ(Ask("XLEN t/0"), ":" + std::to_string(expected.size()));
    EXPECT_EQ(Range("XRANGE t/0 - +"), expected);
    std::vector<uint64_t> back = Range("XREVRANGE t/0 + -");
    std::reverse(back.begin(), back.end());
    EXPECT_EQ(back, expected);
    EXPECT_EQ(TopicReads(), expected);
    EXPECT_EQ(GroupReads("g" + std::to_string(++groups_)), expected);
    if (expected.empty()) return;
    EXPECT_THAT(Ask("TGROUP LAG g" + std::to_string(groups_)),
                AllOf(HasSubstr("$3 lag :0"), HasSubstr("$7 skipped :0")));
  }
  ColdStats stats() { return world_.store->stats(); }
  std::string Earliest() { return Parse(Ask("TOPIC DESCRIBE t/0")).items[3].text; }

  ColdBroker world_{1};
  std::unique_ptr<BrokerHarness::Client> client_ = world_.Connect();
  int groups_ = 0;
};

TEST_F(ColdCompactedTopicTest, EveryRecordOnTheDiskIsReplaced) {
  Create("COMPACT");
  const uint64_t files = stats().files;
  const uint64_t reads = stats().reads;
  std::vector<uint64_t> expected;
  for (int i = 0; i < kRecords; i++) {
    Add(i);
    expected.push_back(static_cast<uint64_t>(kRecords + i));
  }
  EXPECT_EQ(stats().reads, reads);
  world_.Settle();
  EXPECT_LE(stats().files, files + 1);
  ExpectAll(expected);
  EXPECT_EQ(Earliest(), "0");
  // And again, by tombstones, which go.
  Ask("TOPIC ALTER t TOMBSTONE-MS 100");
  for (int i = 0; i < kRecords; i++) {
    AddTombstone(i);
  }
  for (int i = 0; i < 20; i++) {
    world_.harness.Advance(100);
    while (world_.harness.broker.NextTimerMs() == 0) {
      world_.harness.broker.RunTimers();
      world_.harness.broker.EndTurn();
    }
    world_.Settle();
  }
  ExpectAll({});
  EXPECT_EQ(Earliest(), "0");
  EXPECT_EQ(stats().files, 0u);
  EXPECT_THAT(client_->Run("TADD t/0 KEY k1 * n 1"), HasSubstr("-4500"));
  EXPECT_EQ(stats().blocking_reads, 0u);
}

TEST_F(ColdCompactedTopicTest, ReadersPassHolesOnTheDisk) {
  Create("COMPACT");
  // All of some runs, the ends of others, and single ones.
  std::set<int> replaced;
  for (int i = 100; i < 400; i++) {
    replaced.insert(i);
  }
  for (int i = 0; i < kRecords; i += 3) {
    replaced.insert(i);
  }
  std::vector<uint64_t> expected;
  for (int i = 0; i < kRecords; i++) {
    if (!replaced.contains(i)) expected.push_back(static_cast<uint64_t>(i));
  }
  uint64_t offset = kRecords;
  const uint64_t reads = stats().reads;
  for (const int key : replaced) {
    Add(key);
    expected.push_back(offset++);
  }
  EXPECT_EQ(stats().reads, reads);
  world_.Settle();
  ExpectAll(expected);
  // From and to holes.
  const std::string reply = Ask("TREAD COUNT 1 PARTITIONS t/0 250");
  EXPECT_THAT(reply, HasSubstr("-400 "));
  const std::string at250 = std::to_string(1'700'000'000'250);
  EXPECT_EQ(Ask("TOPIC OFFSETS t/0 @" + at250),
            "*1 *3 $3 t/0 :400 :" + std::to_string(1'700'000'000'400));
  EXPECT_EQ(Range("XREVRANGE t/0 " + at250 + "-250 - COUNT 2"), (std::vector<uint64_t>{98, 97}));
  EXPECT_EQ(Range("XRANGE t/0 " + at250 + "-250 + COUNT 2"), (std::vector<uint64_t>{400, 401}));
  // A trim to a hole, and one behind it.
  EXPECT_EQ(Ask("TOPIC TRIM t/0 200"), ":66");
  EXPECT_EQ(Earliest(), "200");
  EXPECT_EQ(Ask("TOPIC TRIM t/0 402"), ":2");
  EXPECT_EQ(Earliest(), "402");
  std::erase_if(expected, [](uint64_t live) { return live < 402; });
  ExpectAll(expected);
  EXPECT_EQ(stats().blocking_reads, 0u);
}

TEST_F(ColdCompactedTopicTest, TransactionsReplaceWithoutWaiting) {
  Create("COMPACT");
  Ask("TREADGROUP g m COUNT 5 FROM EARLIEST TOPICS t");
  Add(1);
  for (const char* line :
       {"MULTI", "TADD t/0 KEY k0 * n x", "TADD t/0 KEY k700 TOMBSTONE", "TACK g t/0 1 1-0 1-2 1-3",
        "TREAD COUNT 2 PARTITIONS t/0 700", "TOPIC TRIM t/0 500"}) {
    client_->Run(line);
  }
  const std::string reply = Ask("EXEC");
  EXPECT_THAT(reply,
              AllOf(StartsWith("*5 *2 $3 t/0 "), HasSubstr(" :3 "), HasSubstr("-701 "),
                    HasSubstr("-702 "), Not(HasSubstr("-700 ")), ::testing::EndsWith(" :498")));
  EXPECT_EQ(Earliest(), "500");
  EXPECT_EQ(stats().blocking_reads, 0u);
}

TEST_F(ColdCompactedTopicTest, RetentionOfHolesOnTheDisk) {
  Create("BOTH RETENTION-MS 0 RETENTION-ENTRIES 1600");
  // Replacing makes no record more than there were.
  for (int i = 0; i < kRecords; i += 2) {
    Add(i);
  }
  EXPECT_EQ(Ask("XLEN t/0"), ":1500");
  EXPECT_EQ(Earliest(), "0");
  for (int i = 0; i < 300; i++) {
    Add(kRecords + i);
  }
  world_.Settle();
  const uint64_t kept = std::stoull(Ask("XLEN t/0").substr(1));
  EXPECT_GE(kept, 1600u);
  EXPECT_LT(kept, 1700u);
  // The oldest ones have gone: the odd ones of the first.
  std::vector<uint64_t> expected;
  for (uint64_t i = 1 + 2 * (1800 - kept); i < kRecords; i += 2) {
    expected.push_back(i);
  }
  for (uint64_t i = kRecords; i < kRecords + 750 + 300; i++) {
    expected.push_back(i);
  }
  ExpectAll(expected);
  // A record whose key retention has forgotten is a new one.
  Add(1);
  EXPECT_THAT(Ask("XREVRANGE t/0 + - COUNT 1"), HasSubstr("-2550 *4 $1 n $1 1 "));
  // All goes by time.
  Ask("TOPIC ALTER t RETENTION-ENTRIES 0 RETENTION-MS 1000");
  for (int i = 0; i < 20; i++) {
    world_.harness.Advance(100);
    world_.Settle();
  }
  ExpectAll({});
  EXPECT_EQ(Earliest(), "2551");
  EXPECT_EQ(stats().files, 0u);
  EXPECT_EQ(stats().blocking_reads, 0u);
}

// --- Random commands ---

class RandomColdTopic {
 public:
  explicit RandomColdTopic(uint64_t seed) : random_(seed), world_(seed, MemoryOf(seed)) {
    client_ = world_.Connect();
    both_ = OneIn(2);
    keys_ = std::vector<uint64_t>{8, 100, 600}[Below(3)];
    Ask("TOPIC CREATE t PARTITIONS 1 TOMBSTONE-MS 300 RETENTION-MS 0 RETENTION-ENTRIES 400 "
        "CLEANUP " +
        std::string(both_ ? "BOTH" : "COMPACT"));
    Ask("TGROUP CREATE g FROM EARLIEST");
  }

  void Step() {
    switch (Below(20)) {
      case 0:
      case 1:
        return Pass();
      case 2:
        return OneIn(3) ? Trim() : void();
      case 3:
      case 4:
        return world_.Settle();
      case 5:
      case 6:
        world_.writer.Step();
        world_.harness.broker.EndTurn();
        return;
      case 7:
      case 8:
      case 9:
        return ReadGroup();
      case 10:
      case 11:
        return Acknowledge();
      case 12:
        return OneIn(3) ? TakeOver() : void();
      case 13:
        return ReadAll();
      case 14:
        return ReadSome();
      default:
        return AddSome();
    }
  }
  void Finish() {
    ReadAll();
    TakeOver();
    for (int calls = 0; calls < 5000 && !failed(); calls++) {
      given_.clear();
      ReadGroup();
      if (given_.empty()) break;
      std::string line = "TACK g t/0 " + epoch_;
      for (const SeenRecord& record : given_) {
        line += " 1-" + std::to_string(record.offset);
        done_.insert(record.offset);
      }
      Ask(line);
    }
    for (const auto& [offset, record] : model_.live) {
      EXPECT_TRUE(done_.contains(offset)) << offset << " was never given";
    }
    EXPECT_EQ(world_.store->stats().blocking_reads, 0u);
  }
  uint64_t reads() const { return world_.store->stats().reads; }

 private:
  static uint64_t MemoryOf(uint64_t seed) {
    const uint64_t kMemory[] = {1, 4000, 10'000};
    return kMemory[seed % 3];
  }
  static bool failed() { return ::testing::Test::HasFailure(); }
  uint64_t Below(uint64_t bound) { return random_() % bound; }
  bool OneIn(uint64_t bound) { return Below(bound) == 0; }
  uint64_t now() const { return static_cast<uint64_t>(world_.harness.clock.unix_us / 1000); }
  std::string Ask(const std::string& line) { return world_.Ask(*client_, line); }
  std::string Key() { return "k" + std::to_string(OneIn(2) ? Below(5) : Below(keys_)); }

  void AddSome() {
    const uint64_t reads_before = reads();
    for (uint64_t left = 1 + Below(40); left > 0; left--) {
      if (OneIn(4)) {
        world_.harness.clock.Advance(1);
        world_.harness.broker.UpdateTime();
      }
      const std::string key = Key();
      const bool tombstone = OneIn(5);
      const std::string value =
          tombstone ? "-" : std::to_string(++values_) + std::string(Below(200), 'x');
      const std::string reply =
          client_->Run("TADD t/0 KEY " + key + (tombstone ? " TOMBSTONE" : " * f " + value));
      // The disk is not waited for, nor asked.
      ASSERT_THAT(reply, ::testing::EndsWith("-" + std::to_string(model_.next)));
      model_.Add(now(), key, value);
    }
    ASSERT_EQ(reads(), reads_before);
    if (both_) FollowRetention();
  }
  // Retention by number may leave a part of a run. What it removes is the oldest.
  void FollowRetention() {
    const std::vector<ParsedReply> part = Parse(Ask("TOPIC DESCRIBE t/0")).items;
    model_.TrimTo(std::stoull(part[3].text));
    ASSERT_EQ(part[7].text, std::to_string(model_.live.size()));
    ASSERT_LT(model_.live.size(), 400u + 100);
  }
  void Pass() {
    world_.harness.Advance(static_cast<int64_t>(100 + Below(200)));
    while (world_.harness.broker.NextTimerMs() == 0) {
      world_.harness.broker.RunTimers();
      world_.harness.broker.EndTurn();
    }
    model_.DropTombstones(now(), 300);
  }
  void Trim() {
    const uint64_t range = model_.next - model_.earliest;
    const uint64_t offset = model_.earliest + Below(OneIn(4) ? range + 1 : range / 4 + 1);
    const uint64_t before = model_.live.size();
    model_.TrimTo(offset);
    ASSERT_EQ(Ask("TOPIC TRIM t/0 " + std::to_string(offset)),
              ":" + std::to_string(before - model_.live.size()));
  }
  void ReadAll() {
    const std::vector<SeenRecord> all = WithoutKeys(model_.From(0));
    ASSERT_EQ(Ask("XLEN t/0"), ":" + std::to_string(all.size()));
    ASSERT_EQ(RecordsOf(Parse(Ask("XRANGE t/0 - +"))), all);
    std::vector<SeenRecord> back = RecordsOf(Parse(Ask("XREVRANGE t/0 + -")));
    std::reverse(back.begin(), back.end());
    ASSERT_EQ(back, all);
  }
  void ReadSome() {
    const uint64_t from = model_.earliest + Below(model_.next - model_.earliest + 1);
    const uint64_t count = 1 + Below(60);
    std::vector<SeenRecord> expected = model_.From(from);
    if (expected.size() > count) expected.resize(count);
    const std::string reply = Ask("TREAD WITHKEY COUNT " + std::to_string(count) +
                                  " PARTITIONS t/0 " + std::to_string(from));
    if (expected.empty()) {
      ASSERT_EQ(reply, "*-1");
      return;
    }
    ASSERT_EQ(RecordsOf(Parse(reply).items[0].items[1]), expected);
    const SeenRecord& last = expected.back();
    std::vector<SeenRecord> back = RecordsOf(
        Parse(Ask("XREVRANGE t/0 " + std::to_string(last.ms) + "-" + std::to_string(last.offset) +
                  " " + std::to_string(expected[0].ms) + "-" + std::to_string(from))));
    std::reverse(back.begin(), back.end());
    ASSERT_EQ(back, WithoutKeys(expected));
  }
  void TakeOver() {
    client_ = world_.Connect();
    position_ = 0;  // what is committed
    given_.clear();
  }
  void ReadGroup() {
    const uint64_t count = 1 + Below(80);
    const std::string reply =
        Ask("TREADGROUP g m WITHKEY COUNT " + std::to_string(count) + " TOPICS t");
    const std::string lag = Ask("TGROUP LAG g");
    position_ =
        std::max<uint64_t>(position_, std::stoull(lag.substr(lag.find("$9 committed :") + 14)));
    std::vector<SeenRecord> expected = model_.From(position_);
    std::erase_if(expected,
                  [this](const SeenRecord& record) { return done_.contains(record.offset); });
    if (reply == "*-1") {
      ASSERT_TRUE(expected.empty()) << "at " << position_ << ": " << expected[0];
      return;
    }
    const ParsedReply part = Parse(reply).items[0];
    epoch_ = part.items[1].text;
    const std::vector<SeenRecord> found = RecordsOf(part.items[2]);
    ASSERT_FALSE(found.empty());
    ASSERT_LE(found.size(), std::min<uint64_t>(expected.size(), count));
    expected.resize(found.size());
    ASSERT_EQ(found, expected);
    position_ = found.back().offset + 1;
    given_.insert(given_.end(), found.begin(), found.end());
  }
  void Acknowledge() {
    if (given_.empty()) return;
    std::string line = "TACK g t/0 " + epoch_;
    const uint64_t end = OneIn(2) ? given_.size() : given_.size() / 8 + 1;
    for (uint64_t i = 0; i < end; i++) {
      if (OneIn(4)) continue;
      line += " 1-" + std::to_string(given_[i].offset);
      done_.insert(given_[i].offset);
    }
    if (!line.ends_with(" " + epoch_)) {
      ASSERT_THAT(Ask(line), StartsWith(":"));
    }
    // Nothing that lives and is open is below what is committed, and what is committed is no
    // lower than that after an acknowledgement that was new.
    const std::string lag = Ask("TGROUP LAG g");
    const uint64_t committed = std::stoull(lag.substr(lag.find("$9 committed :") + 14));
    for (const auto& [offset, record] : model_.live) {
      if (offset >= committed) break;
      ASSERT_TRUE(done_.contains(offset)) << offset << " is open, and below " << committed;
    }
  }

  std::mt19937_64 random_;
  ColdBroker world_;
  std::unique_ptr<BrokerHarness::Client> client_;
  bool both_ = false;
  uint64_t keys_ = 0;
  uint64_t values_ = 0;
  CompactionModel model_;
  std::set<uint64_t> done_;
  uint64_t position_ = 0;
  std::string epoch_;
  std::vector<SeenRecord> given_;
};

TEST(ColdCompactionTest, ReadersOfAllKindsSeeAMapOfTheNewest) {
  SetLogLevel(LogLevel::kNothing);
  uint64_t reads = 0;
  ForEachSeed(40, [&](uint64_t seed) {
    RandomColdTopic topic(seed);
    for (int step = 0; step < 300 && !::testing::Test::HasFailure(); step++) {
      topic.Step();
    }
    topic.Finish();
    reads += topic.reads();
  });
  SetLogLevel(LogLevel::kVerbose);
  if (Seeds(40) == 40 && !OneSeedOnly()) {
    EXPECT_GT(reads, 1000u);
  }
}

}  // namespace
}  // namespace runnel::sim
