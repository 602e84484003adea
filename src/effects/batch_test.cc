#include "effects/batch.h"

#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "data/testing.h"
#include "effects/function_effects.h"
#include "effects/group_effects.h"
#include "effects/hash_effects.h"
#include "effects/keyspace_effects.h"
#include "effects/list_effects.h"
#include "effects/set_effects.h"
#include "effects/sorted_set_effects.h"
#include "effects/stream_effects.h"
#include "effects/string_effects.h"
#include "effects/topic_effects.h"
#include "effects/topic_group_effects.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace runnel {
namespace {

using namespace std::string_literals;
using ::testing::ElementsAre;

// The bytes of each record. With a key left out they mean nothing alone.
std::vector<std::string> RecordsOf(std::string_view batch) {
  std::vector<std::string> records;
  EXPECT_TRUE(
      Batch::ForEach(batch, [&](const Record& record) { records.emplace_back(record.bytes); }));
  return records;
}

// Each record in words, or why it is none.
std::vector<std::string> TextsOf(std::string_view batch) {
  std::vector<std::string> texts;
  EXPECT_TRUE(Batch::ForEach(batch, [&](const Record& record) {
    const auto description = Describe(record, {});
    texts.push_back(description.ok() ? description->text : description.message());
  }));
  return texts;
}

template <class... E>
Batch BatchWith(const E&... effects) {
  Batch batch;
  batch.set_on(true);
  (batch.Add(effects), ...);
  return batch;
}

bool LeavesOutKey(std::string_view record) {
  return (static_cast<uint8_t>(record[0]) & kSameKey) != 0;
}

// Calls visit(effect) with an effect of each kind, with this key in its head if it has one there.
template <class Visit>
void ForEachKind(const KeyRef& key, Visit visit) {
  static const std::string_view strings[] = {"x", "", "yz"};
  static const StreamId ids[] = {{1, 2}, {3, 0}};
  static const uint64_t numbers[] = {0, 1, 300};
  static const ScoredMember scored[] = {{1, "a"}, {0.5, "b"}};
  const KeyRef to(1, "to");
  visit(KeyRemove{key});
  visit(KeyExpire{key, 100});
  visit(KeyRename{key, to});
  visit(KeyCopy{key, to});
  visit(KeyRestore{key, ObjectType::kList, "p", 1});
  visit(Flush{true, 0});
  visit(Swap{1, 2});
  visit(StringSet{key, "v", 1});
  visit(StringAppend{key, "v"});
  visit(StringSetRange{key, 5, "v"});
  visit(ListPush{key, ListEnd::kBack, strings});
  visit(ListPop{key, ListEnd::kFront, 2});
  visit(ListSet{key, 7, "v"});
  visit(ListInsert{key, 7, "v"});
  visit(ListRemove{key, -1, "v"});
  visit(ListErase{key, "\x01\x02"});
  visit(ListTrim{key, 1, 2});
  visit(ListMove{key, to, ListEnd::kFront, ListEnd::kBack, 1, false});
  visit(SortedSetAdd{key, scored});
  visit(SortedSetRemove{key, strings});
  visit(SetAdd{key, strings});
  visit(SetRemove{key, strings});
  visit(FunctionLibrary{LibraryChange::kPut, "lib", "code", strings, {}, strings});
  visit(StreamCreate{key});
  visit(StreamAdd{key, {5, 1}, 100, 4096, strings});
  visit(StreamDropOldest{key, 3, true});
  visit(StreamRemove{key, Removal::kTrimmed, ids});
  visit(StreamSetId{key, {5, 1}, 7, {4, 0}});
  visit(StreamConfigure{key, 60, 100});
  visit(StreamRetain{key, 1, 2, 3, true});
  visit(StreamRecordMessage{key, "p", "i", {5, 1}, 60, 100});
  visit(StreamCountDuplicate{key});
  visit(StreamRemoveRanges{key, ids});
  visit(StreamSwept{key, {5, 1}});
  visit(StreamForget{key, {5, 1}});
  visit(TopicCreate{key, "0123456789abcdef", 3, TopicOptions()});
  visit(TopicConfigure{key, 3, 1, 2, 3, 4, 5});
  visit(PartitionCreate{key});
  visit(RecordAdd{key, 5, strings});
  visit(RecordsAdd{key, 5, {strings, 1}, strings});
  visit(PartitionTrim{key, 7});
  visit(ProducerOpen{key, "p", 5});
  visit(ProducerAccept{key, "p", 5, ids});
  visit(ProducerClose{key, "p"});
  visit(TombstonesDrop{key, 7});
  visit(TopicDemand{key, 7});
  visit(TopicGroupCreate{key, TopicGroupOptions()});
  visit(TopicGroupConfigure{key, TopicGroupOptions()});
  visit(TopicGroupSubscribe{key, "m", 9, strings});
  visit(TopicGroupLeave{key, strings});
  visit(TopicGroupSee{key, "t", numbers});
  visit(TopicGroupAssign{key, "t", "m", numbers});
  visit(TopicGroupCommit{key, "t", numbers});
  visit(TopicGroupAcknowledge{key, "t", 1, numbers});
  visit(TopicGroupReset{key, "t", numbers});
  visit(TopicGroupSkip{key, "t", 1, 300, 2});
  visit(HashSet{key, strings, true});
  visit(HashRemove{key, strings});
  visit(HashExpire{key, 300, strings});
  visit(GroupCreate{key, "g", {5, 1}, 4});
  visit(GroupSetId{key, "g", {5, 1}, 4});
  visit(GroupDestroy{key, "g"});
  visit(ConsumerCreate{key, "g", "c", 9});
  visit(ConsumerDelete{key, "g", "c"});
  visit(ConsumerSeen{key, "g", "c", 9});
  visit(GroupDeliver{key, "g", "c", {5, 1}, 9, true});
  visit(GroupRedeliver{key, "g", "c", 9, ids});
  visit(GroupAck{key, "g", ids});
  visit(GroupClaim{key, "g", "c", 9, 8, CountChange::kSet, 2, ids});
  visit(GroupRelease{key, "g", CountChange::kDecrement, 0, ids});
}

TEST(Batch, KeepsRecordsOfAnySizeInOrder) {
  Batch batch;
  batch.Add(KeyRemove{KeyRef(0, "a")});
  EXPECT_TRUE(batch.empty());  // it is off
  batch.set_on(true);
  const std::string names[] = {"a", std::string(100, 'b'), std::string(200, 'c'),
                               std::string(70000, 'd')};
  for (const std::string& name : names)
    batch.Add(KeyRemove{KeyRef(0, name)});
  EXPECT_EQ(batch.count(), 4u);
  const std::vector<std::string> records = RecordsOf(batch.bytes());
  ASSERT_EQ(records.size(), 4u);
  for (int i = 0; i < 4; i++) {
    EXPECT_EQ(records[i], RecordsOf(BatchWith(KeyRemove{KeyRef(0, names[i])}).bytes()).at(0));
  }
  batch.Clear();
  EXPECT_TRUE(batch.empty());
  EXPECT_TRUE(batch.bytes().empty());
}

TEST(Batch, DamagedBytesAreTold) {
  const Batch batch = BatchWith(KeyRemove{KeyRef(0, "abc")});
  int visited = 0;
  EXPECT_FALSE(Batch::ForEach(batch.bytes().substr(0, batch.bytes().size() - 1),
                              [&](const Record&) { visited++; }));
  EXPECT_EQ(visited, 0);
}

TEST(Batch, LeavesOutTheKeyThatTheRecordBeforeHas) {
  const KeyRef key(3, "k");
  const Batch batch = BatchWith(StringAppend{key, "v"}, StringAppend{key, "w"}, KeyRemove{key},
                                KeyRename{KeyRef(3, "l"), key}, KeyRename{KeyRef(3, "l"), key});
  EXPECT_THAT(RecordsOf(batch.bytes()), ElementsAre("\x15\x03\x01k\x01v"s, "\x95\x01w"s, "\x81"s,
                                                    "\x03\x03\x01l\x03\x01k"s, "\x83\x03\x01k"s));
}

TEST(Batch, EveryKindComesBackWithoutItsKey) {
  const KeyRef key(3, "key");
  const std::string head = "\x03\x03key";
  std::set<EffectType> types;
  ForEachKind(key, [&](const auto& effect) {
    const EffectKind* kind = FindEffectKind(effect.kType);
    ASSERT_NE(kind, nullptr);
    types.insert(kind->type);
    const Batch alone = BatchWith(effect);
    std::string bytes = RecordsOf(alone.bytes()).at(0);
    EXPECT_FALSE(LeavesOutKey(bytes)) << kind->name;
    if (kind->begins_with_key) {
      ASSERT_EQ(bytes.substr(1, head.size()), head) << kind->name;
      bytes.erase(1, head.size());
      bytes[0] = static_cast<char>(static_cast<uint8_t>(effect.kType) | kSameKey);
    }
    const Batch batch = BatchWith(KeyExpire{key, 5}, effect);
    EXPECT_EQ(RecordsOf(batch.bytes()).at(1), bytes) << kind->name;
    EXPECT_EQ(TextsOf(batch.bytes()).at(1), TextsOf(alone.bytes()).at(0));
  });
  for (int type = 0; type < 256; type++) {
    if (FindEffectKind(static_cast<EffectType>(type)) == nullptr) continue;
    EXPECT_TRUE(types.contains(static_cast<EffectType>(type))) << "there is no example of " << type;
  }
}

TEST(Batch, AlternatingKeysAreAllNamed) {
  const KeyRef a(0, "a"), b(0, "b");
  const Batch batch = BatchWith(KeyRemove{a}, KeyRemove{b}, KeyRemove{a}, KeyRemove{b});
  EXPECT_THAT(RecordsOf(batch.bytes()), ElementsAre("\x01\x00\x01\x61"s, "\x01\x00\x01\x62"s,
                                                    "\x01\x00\x01\x61"s, "\x01\x00\x01\x62"s));
}

TEST(Batch, TheSameNameInAnotherDatabaseIsAnotherKey) {
  const Batch batch = BatchWith(KeyRemove{KeyRef(0, "k")}, KeyRemove{KeyRef(1, "k")});
  EXPECT_THAT(RecordsOf(batch.bytes()), ElementsAre("\x01\x00\x01k"s, "\x01\x01\x01k"s));
}

TEST(Batch, AnEmptyNameIsAKey) {
  const Batch batch = BatchWith(KeyRemove{KeyRef(0, "")}, KeyRemove{KeyRef(0, "")});
  EXPECT_THAT(RecordsOf(batch.bytes()), ElementsAre("\x01\x00\x00"s, "\x81"s));
  EXPECT_THAT(TextsOf(batch.bytes()), ElementsAre("key-remove 0:\"\"", "key-remove 0:\"\""));
}

// Two keys may have one hash.
TEST(Batch, KeysWithOneHashDiffer) {
  const KeyRef key(0, "a");
  KeyRef other(0, "b");
  other.hash = key.hash;
  const Batch batch = BatchWith(KeyRemove{key}, KeyRemove{other});
  EXPECT_THAT(RecordsOf(batch.bytes()), ElementsAre("\x01\x00\x01\x61"s, "\x01\x00\x01\x62"s));
}

TEST(Batch, EffectsWithoutAKeyAreNoneBetween) {
  const KeyRef key(0, "k");
  const Batch batch = BatchWith(KeyRemove{key}, Swap{0, 1}, Flush{true, 0}, KeyRemove{key});
  EXPECT_THAT(RecordsOf(batch.bytes()),
              ElementsAre("\x01\x00\x01k"s, "\x07\x00\x01"s, "\x06\x01\x00"s, "\x81"s));
}

// The lengths of these records take more bytes than one.
TEST(Batch, RemembersTheKeyOfALongRecord) {
  const std::string name(300, 'n'), value(20000, 'v');
  const KeyRef key(0, name);
  const Batch batch = BatchWith(KeyRemove{KeyRef(0, "short")}, StringAppend{key, value},
                                StringAppend{key, value}, KeyRemove{key}, KeyRemove{key});
  const std::vector<std::string> records = RecordsOf(batch.bytes());
  EXPECT_FALSE(LeavesOutKey(records[1]));
  EXPECT_EQ(records[2].size(), 1 + VarintSize(value.size()) + value.size());
  EXPECT_EQ(records[3], "\x81");
  EXPECT_EQ(records[4], "\x81");
}

TEST(Batch, ClearForgetsTheKey) {
  const KeyRef key(3, "k");
  Batch batch = BatchWith(KeyRemove{key}, KeyRemove{key});
  batch.Clear();
  batch.Add(KeyRemove{key});
  EXPECT_THAT(RecordsOf(batch.bytes()), ElementsAre("\x01\x03\x01k"s));
}

// Describing and replaying refuse these records alike, and nothing is changed.
void ExpectRefused(const std::string& batch, const std::string& text) {
  Keyspace keyspace(4);
  Status last;
  ASSERT_TRUE(Batch::ForEach(batch, [&](const Record& record) {
    EXPECT_FALSE(Describe(record, {}).ok());
    last = Replay(record, keyspace);
    EXPECT_FALSE(last.ok());
  }));
  EXPECT_EQ(last.message(), text);
  EXPECT_TRUE(ContentOf(keyspace).empty());
}

TEST(Batch, ARecordThatLeavesOutWhatIsNotThereIsRefused) {
  // No key before it.
  ExpectRefused("\x03\x94\x00\x00"s, "the 3 bytes are no string-set effect");
  // None that could be read before it.
  ExpectRefused("\x03\x14\x00\x05\x03\x94\x00\x00"s, "the 3 bytes are no string-set effect");
  ExpectRefused("\x04\x6d\x00\x01k\x03\x94\x00\x00"s, "the 3 bytes are no string-set effect");
  // A database's number that does not fit.
  ExpectRefused("\x08\x01\xff\xff\xff\xff\x7f\x01k\x01\x81"s,
                "the 1 bytes are no key-remove effect");
  // Kinds that have no key to leave out.
  ExpectRefused("\x03\x86\x01\x00"s, "the 3 bytes are no flush effect");
  ExpectRefused("\x03\x87\x00\x01"s, "the 3 bytes are no swap effect");
  // The type is named as it is without the bit.
  ExpectRefused("\x01\xed"s, "no effect has the type 109");
}

TEST(Batch, ADamagedRecordLeavesNoKeyToTheNext) {
  EXPECT_THAT(
      TextsOf("\x04\x01\x00\x01k\x01\x81\x03\x86\x01\x00\x01\x81"s),
      ElementsAre("key-remove 0:\"k\"", "key-remove 0:\"k\"", "the 3 bytes are no flush effect",
                  "the 1 bytes are no key-remove effect"));
}

TEST(Batch, ACutRecordWithoutItsKeyIsRefused) {
  const std::string_view values[] = {"a", "bc"};
  const KeyRef key(1, "k");
  const Batch batch = BatchWith(KeyRemove{key}, ListPush{key, ListEnd::kBack, values});
  const std::string push = RecordsOf(batch.bytes()).at(1);
  ASSERT_TRUE(LeavesOutKey(push));
  Keyspace keyspace(4);
  for (size_t size = 1; size <= push.size() + 1; size++) {
    std::optional<KeyRef> last_key = key;
    const std::string bytes = (push + "x").substr(0, size);
    const Status status = Replay(Record(bytes, &last_key), keyspace);
    EXPECT_EQ(status.ok(), size == push.size()) << size;
    if (size < push.size()) {
      EXPECT_TRUE(ContentOf(keyspace).empty()) << size;
    }
  }
  EXPECT_EQ(ContentOf(keyspace).size(), 1u);
}

// They point into the batch and outlive the record.
TEST(Batch, DescribesTheKeysOfAllRecords) {
  const KeyRef key(2, "key");
  const Batch batch = BatchWith(KeyRemove{key}, KeyRename{key, KeyRef(1, "to")});
  std::vector<KeyRef> keys;
  ASSERT_TRUE(Batch::ForEach(batch.bytes(), [&](const Record& record) {
    const auto description = Describe(record, {});
    keys.insert(keys.end(), description->keys.begin(), description->keys.end());
  }));
  ASSERT_EQ(keys.size(), 3u);
  EXPECT_EQ(keys[1].db, 2u);
  EXPECT_EQ(keys[1].hash, key.hash);
  EXPECT_EQ(keys[1].name.data(), keys[0].name.data());
  EXPECT_EQ(keys[2].name, "to");
}

}  // namespace
}  // namespace runnel
