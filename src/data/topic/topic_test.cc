#include "data/topic/topic.h"

#include <gtest/gtest.h>

#include <string>
#include <utility>

#include "data/keyspace.h"
#include "data/stream/stream.h"
#include "data/testing.h"
#include "data/topic/record.h"

namespace runnel {
namespace {

using namespace std::string_literals;

constexpr TopicId kId = {'0', '1', '2', '3', '4', '5', '6', '7',
                         '8', '9', 'a', 'b', 'c', 'd', 'e', 'f'};

TEST(TopicNames, AreThoseOfKafkaAndMore) {
  for (const std::string_view name : {"a", "orders", "A.b_c-9", "...", "\xc3\xa4", "a:b", "{x}"}) {
    EXPECT_TRUE(IsTopicName(name)) << name;
  }
  for (const std::string_view name :
       {""s, "."s, ".."s, "a/b"s, "a b"s, "a\nb"s, "a*"s, "?"s, "[a]"s, "a\\b"s, "a^b"s, "a\x7f"s,
        "\0"s, std::string(250, 'a')}) {
    EXPECT_FALSE(IsTopicName(name)) << name;
  }
  EXPECT_TRUE(IsTopicName(std::string(249, 'a')));
}

TEST(TopicNames, APartitionIsATopicASlashAndANumber) {
  EXPECT_EQ(PartitionName("orders", 12).text(), "orders/12");
  const std::string longest(kMostTopicName, 'x');
  EXPECT_EQ(PartitionName(longest, 999'999).text(), longest + "/999999");
  const auto id = ParsePartition("orders/999999");
  ASSERT_TRUE(id);
  EXPECT_EQ(id->topic, "orders");
  EXPECT_EQ(id->number, 999'999u);
  EXPECT_EQ(ParsePartition("o/0")->number, 0u);
  for (const std::string_view text :
       {"orders", "orders/", "/1", "orders/03", "orders/-1", "orders/+1", "orders/1000000",
        "orders/1x", "orders/1/2", "a b/1", "orders/99999999999999999999"}) {
    EXPECT_FALSE(ParsePartition(text)) << text;
  }
}

// --- Records ---

TEST(TopicRecords, AKeyIsNoField) {
  struct Case {
    std::vector<std::string_view> stored;
    bool has_key;
    std::string_view key;
    std::vector<std::string_view> fields;
  };
  const Case cases[] = {
      {{"f", "v"}, false, "", {"f", "v"}},
      {{kRecordKey, "key"}, true, "key", {}},
      {{kRecordKey, "", "f", "v"}, true, "", {"f", "v"}},
      {{kRecordKey, "k", kRecordKey, "v"}, true, "k", {kRecordKey, "v"}},
      {{kNoRecordKey, ""}, false, "", {}},
      {{kNoRecordKey, "", kRecordKey, "v"}, false, "", {kRecordKey, "v"}},
      {{"", "v", kRecordKey, "w"}, false, "", {"", "v", kRecordKey, "w"}},
  };
  for (const Case& one : cases) {
    Stream stream;
    stream.Append({1, 0}, one.stored, {});
    const EntryCursor at = stream.Seek(StreamId::Min());
    const RecordView record(*at);
    EXPECT_EQ(record.has_key, one.has_key);
    EXPECT_EQ(record.key, one.key);
    std::vector<std::string_view> fields;
    for (const auto& field : record.fields) {
      fields.push_back(field.name);
      fields.push_back(field.value);
    }
    EXPECT_EQ(fields, one.fields);
    EXPECT_EQ(record.fields.size(), one.fields.size() / 2);
    EXPECT_EQ(record.fields.id(), (StreamId{1, 0}));
  }
}

TEST(TopicRecords, WhatWouldReadAsAKeyIsMarked) {
  EXPECT_TRUE(NeedsNoRecordKey(false, ""));
  EXPECT_TRUE(NeedsNoRecordKey(true, kRecordKey));
  EXPECT_TRUE(NeedsNoRecordKey(true, kNoRecordKey));
  EXPECT_FALSE(NeedsNoRecordKey(true, ""));
  EXPECT_FALSE(NeedsNoRecordKey(true, "k"));
}

// --- Topics ---

Topic ATopic() {
  TopicOptions options;
  options.retention_bytes = 1000;
  options.partitioner = Partitioner::kCrc32;
  return Topic(kId, 12, options);
}

std::string TopicPayload(const Object& object) {
  std::string payload;
  object.Serialize(&payload);
  return payload;
}

TEST(TopicTest, TheStoredFormHoldsAll) {
  Topic topic = ATopic();
  topic.AddReader("b");
  topic.AddReader("a");
  Producers& producers = topic.mutable_producers();
  producers.Open("p", 100);
  producers.Accept("p", {{1, {50, 7}, 1}, {2, {50, 0}, 2}}, 200);
  producers.Accept("p", {{1, {51, 8}, 1}}, 300);
  producers.Open("o", 400);
  const std::string payload = TopicPayload(topic);
  const auto loaded = LoadAs<Topic>(payload);
  ASSERT_NE(loaded, nullptr);
  EXPECT_EQ(TopicPayload(*loaded), payload);
  EXPECT_EQ(TopicPayload(*topic.Clone()), payload);
  const Topic& again = static_cast<const Topic&>(*loaded);
  EXPECT_EQ(again.id(), kId);
  EXPECT_EQ(again.partitions(), 12u);
  EXPECT_EQ(again.options(), topic.options());
  EXPECT_EQ(again.readers().size(), 2u);
  const Producer* producer = again.producers().Find("p");
  ASSERT_NE(producer, nullptr);
  EXPECT_EQ(producer->last_seq(), 3);
  EXPECT_EQ(producer->used_ms(), 300);
  ASSERT_NE(producer->Find(0), nullptr);
  EXPECT_EQ(producer->Find(0)->added, topic.producers().Find("p")->Find(0)->added);
  ASSERT_NE(producer->Find(3), nullptr);
  EXPECT_EQ(producer->Find(1), nullptr);
  EXPECT_EQ(producer->Find(4), nullptr);
  EXPECT_EQ(again.producers().Find("o")->last_seq(), -1);
}

// Who does not use it has a stored form that earlier versions read.
TEST(TopicTest, TheStoredFormHasMinInsyncIfThereIsOne) {
  Topic topic = ATopic();
  const std::string plain = TopicPayload(topic);
  EXPECT_EQ(plain[0], '\x01');
  TopicOptions options = topic.options();
  options.min_insync = 300;
  topic.Configure(topic.partitions(), options);
  const std::string payload = TopicPayload(topic);
  EXPECT_EQ(payload[0], '\x02');
  const auto loaded = LoadAs<Topic>(payload);
  ASSERT_NE(loaded, nullptr);
  EXPECT_EQ(static_cast<const Topic&>(*loaded).options(), options);
  EXPECT_EQ(TopicPayload(*loaded), payload);
  EXPECT_EQ(static_cast<const Topic&>(*topic.Clone()).options(), options);
  // ID and number of partitions stand before it.
  for (const std::string_view number :
       {std::string_view("\x00", 1), std::string_view("\xe9\x07")}) {
    std::string damaged = "\x02" + plain.substr(1, 17) + std::string(number) + plain.substr(18);
    EXPECT_EQ(LoadAs<Topic>(damaged), nullptr);
  }
}

TEST(TopicTest, DamagedBytesAreRefused) {
  Topic topic = ATopic();
  topic.AddReader("reader");
  topic.mutable_producers().Open("p", 100);
  topic.mutable_producers().Accept("p", {{1, {50, 7}, 3}}, 200);
  const std::string payload = TopicPayload(topic);
  for (size_t size = 0; size < payload.size(); size++) {
    EXPECT_EQ(LoadAs<Topic>(std::string_view(payload).substr(0, size)), nullptr) << size;
  }
  EXPECT_EQ(LoadAs<Topic>(payload + "x"), nullptr);
  for (size_t at = 0; at < payload.size(); at++) {
    for (const char byte : {'\x00', '\x01', '\x7f', '\xff'}) {
      std::string damaged = payload;
      damaged[at] = byte;
      const auto loaded = LoadAs<Topic>(damaged);
      // Another value may be a value, too.
      if (loaded == nullptr) continue;
      const auto again = LoadAs<Topic>(TopicPayload(*loaded));
      ASSERT_NE(again, nullptr) << at;
      EXPECT_EQ(TopicPayload(*again), TopicPayload(*loaded)) << at;
    }
  }
}

TEST(TopicTest, AProducerRemembersItsLatestCommands) {
  Producers producers;
  producers.Open("p", 1);
  const int64_t commands = Producer::kRemembered + 10;
  for (int64_t i = 0; i < commands; i++) {
    producers.Accept("p", {{0, {1, static_cast<uint64_t>(2 * i)}, 2}}, 1);
  }
  const Producer& producer = *producers.Find("p");
  EXPECT_EQ(producer.commands(), Producer::kRemembered);
  EXPECT_EQ(producer.Find(2 * 9), nullptr);
  ASSERT_NE(producer.Find(2 * 10), nullptr);
  EXPECT_EQ(producer.Find(2 * 10)->added[0].first.seq, 20u);
  EXPECT_EQ(producer.Find(21), nullptr);
  EXPECT_EQ(producer.last_seq(), 2 * commands - 1);
  producers.Open("p", 2);
  EXPECT_EQ(producers.Find("p")->epoch(), 2u);
  EXPECT_EQ(producers.Find("p")->last_seq(), 2 * commands - 1);
  producers.Close("p");
  EXPECT_EQ(producers.Find("p"), nullptr);
  producers.Open("q", 3);
  EXPECT_EQ(producers.Find("p"), nullptr);
  producers.Open("p", 4);
  EXPECT_EQ(producers.Find("q")->last_seq(), -1);
  EXPECT_EQ(producers.Find("p")->last_seq(), -1);
  EXPECT_EQ(producers.Find("p")->name(), "p");
}

// --- The end of a topic ---

class TopicEnd : public ::testing::Test {
 protected:
  TopicEnd() {
    keyspace_.Put(KeyRef(1, "t"), std::make_unique<Topic>(kId, 3, TopicOptions()));
    for (const std::string_view name : {"t/0", "t/2", "t/3", "u/0"}) {
      auto stream = std::make_unique<Stream>();
      stream->MakePartition();
      keyspace_.Put(KeyRef(CompanionOf(1), name), std::move(stream));
    }
    keyspace_.Put(KeyRef(1, "other"), std::make_unique<Stream>());
  }
  std::string Companion(uint32_t db) {
    std::string names;
    for (const auto& [key, content] : ContentOf(keyspace_)) {
      if (key.first == CompanionOf(db)) names += key.second + " ";
    }
    return names;
  }

  Keyspace keyspace_{3};
};

TEST_F(TopicEnd, TakesItsPartitionsAlong) {
  EXPECT_EQ(keyspace_.listed(1).size(), 1u);
  keyspace_.Remove(KeyRef(1, "t"));
  EXPECT_EQ(Companion(1), "t/3 u/0 ");
  EXPECT_TRUE(keyspace_.listed(1).empty());
}

TEST_F(TopicEnd, IsAlsoWhenAnotherValueTakesItsPlace) {
  keyspace_.Put(KeyRef(1, "t"), std::make_unique<Stream>());
  EXPECT_EQ(Companion(1), "t/3 u/0 ");
  EXPECT_TRUE(keyspace_.listed(1).empty());
}

TEST_F(TopicEnd, IsAlsoWhenAnotherKeyIsRenamedToIt) {
  keyspace_.Rename(KeyRef(1, "other"), KeyRef(1, "t"));
  EXPECT_EQ(Companion(1), "t/3 u/0 ");
}

TEST_F(TopicEnd, AFlushTakesTheWholeCompanion) {
  keyspace_.Flush(1);
  EXPECT_TRUE(ContentOf(keyspace_).empty());
  EXPECT_TRUE(keyspace_.listed(1).empty());
}

TEST_F(TopicEnd, ASwapTakesTheCompanionAlong) {
  keyspace_.Swap(1, 2);
  EXPECT_EQ(Companion(1), "");
  EXPECT_EQ(Companion(2), "t/0 t/2 t/3 u/0 ");
  EXPECT_EQ(keyspace_.listed(2).size(), 1u);
  EXPECT_NE(FindTopicOf(keyspace_, CompanionOf(2), "t/2"), nullptr);
  EXPECT_EQ(FindTopicOf(keyspace_, CompanionOf(2), "t/3"), nullptr);
  EXPECT_EQ(FindTopicOf(keyspace_, CompanionOf(1), "t/2"), nullptr);
}

TEST_F(TopicEnd, ACaptureHasThePartitions) {
  HeldCapture capture;
  const KeyspaceContent before = ContentOf(keyspace_);
  keyspace_.BeginCapture(&capture);
  keyspace_.Remove(KeyRef(1, "t"));
  while (!keyspace_.CaptureSome(1)) {
  }
  EXPECT_EQ(capture.Content(), before);
}

}  // namespace
}  // namespace runnel
