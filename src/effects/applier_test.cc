#include "effects/applier.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "data/testing.h"
#include "data/topic/record.h"
#include "effects/families.h"
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

namespace runnel {
namespace {

using ::testing::HasSubstr;

template <class... Effects>
Batch BatchOf(const Effects&... effects) {
  Batch batch;
  batch.set_on(true);
  (batch.Add(effects), ...);
  return batch;
}

journal::Frame FrameOf(const Batch& batch) {
  return {.base = 4711, .records = static_cast<uint32_t>(batch.count()), .payload = batch.bytes()};
}

TEST(Applier, AppliesAFrameInPieces) {
  Keyspace keyspace(1);
  Applier applier(keyspace);
  const std::string_view values[] = {"v"};
  const KeyRef key(0, "k");
  const ListPush push{key, ListEnd::kBack, values};
  const Batch batch = BatchOf(push, push, push, push, push);
  applier.Begin(FrameOf(batch));
  ASSERT_TRUE(applier.ApplySome(2).ok());
  EXPECT_FALSE(applier.done());
  EXPECT_EQ(applier.records(), 2u);
  ASSERT_TRUE(applier.ApplySome(2).ok());
  EXPECT_FALSE(applier.done());
  EXPECT_EQ(applier.records(), 4u);
  ASSERT_TRUE(applier.ApplySome(2).ok());
  EXPECT_TRUE(applier.done());
  ASSERT_TRUE(applier.Apply(FrameOf(batch)).ok());
  EXPECT_EQ(applier.records(), 10u);
  ASSERT_TRUE(applier.Apply({}).ok()) << "a frame may be empty";
}

TEST(Applier, AFailureNamesThePlaceAndTheEffectAndIsFinal) {
  Keyspace keyspace(1);
  Applier applier(keyspace);
  const KeyRef key(0, "k");
  const Batch batch = BatchOf(StringSet{key, "v", kNoExpiry}, ListPop{key, ListEnd::kFront, 2});
  const std::string text =
      "the frame at position 4711 of the journal, record 2: list-pop 0:\"k\" 0 2 does not fit: the "
      "key holds a value of another type";
  EXPECT_EQ(applier.Apply(FrameOf(batch)).message(), text);
  EXPECT_EQ(applier.ApplySome(1).message(), text);
  EXPECT_EQ(applier.databases_needed(), 0u);
  EXPECT_EQ(ContentOf(keyspace).size(), 1u);
}

TEST(Applier, AnEffectOfALaterVersionIsToldFromDamage) {
  Keyspace keyspace(1);
  Applier applier(keyspace);
  EXPECT_THAT(applier.Apply({.base = 0, .records = 1, .payload = "\x01\x6d"}).message(),
              HasSubstr("record 1: no effect has the type 109; a later version of Runnel may have "
                        "written it"));
  EXPECT_TRUE(applier.met_unknown_effect());
}

TEST(Applier, TellsHowManyDatabasesAreNeeded) {
  Keyspace keyspace(3);
  Applier applier(keyspace);
  const Batch first =
      BatchOf(StringSet{KeyRef(2, "k"), "v", kNoExpiry}, StringSet{KeyRef(3, "k"), "v", kNoExpiry});
  EXPECT_THAT(applier.Apply(FrameOf(first)).message(),
              HasSubstr("record 2: string-set 3:\"k\" \"v\" never does not fit: the database"));
  EXPECT_EQ(applier.databases_needed(), 4u);
  applier.NoteDatabases(FrameOf(BatchOf(KeyRename{KeyRef(0, "k"), KeyRef(49, "k")}, Swap{1, 2})));
  EXPECT_EQ(applier.databases_needed(), 50u);
  applier.NoteDatabases(FrameOf(BatchOf(Swap{99, 2}, Flush{true, 1000})));
  EXPECT_EQ(applier.databases_needed(), 100u);
}

// The number of a database that the keyspace does not have is no place to look.
TEST(Applier, DatabasesOfAllFieldsAreCompared) {
  const KeyRef key(0, "k");
  constexpr uint32_t kFar = DatabaseOf(UINT32_MAX);
  const KeyRef far(kFar, "k");
  for (const Batch& batch :
       {BatchOf(KeyRemove{far}), BatchOf(StringSet{key, "v", kNoExpiry}, KeyRename{key, far}),
        BatchOf(StringSet{key, "v", kNoExpiry}, KeyCopy{key, far}), BatchOf(Flush{false, kFar}),
        BatchOf(Swap{0, kFar}), BatchOf(Swap{kFar, 0}),
        BatchOf(KeyRemove{KeyRef(CompanionOf(kFar), "k")})}) {
    Keyspace keyspace(16);
    Applier applier(keyspace);
    EXPECT_FALSE(applier.Apply(FrameOf(batch)).ok());
    EXPECT_EQ(applier.databases_needed(), uint64_t{kFar} + 1);
  }
}

TEST(Applier, RefusesAFrameThatIsNotWhatItSays) {
  const Batch batch = BatchOf(KeyRemove{KeyRef(0, "k")});
  Keyspace keyspace(1);
  journal::Frame frame = FrameOf(batch);
  frame.records = 2;
  EXPECT_THAT(Applier(keyspace).Apply(frame).message(),
              HasSubstr("record 1: the frame's header tells of 2 records"));
  frame = FrameOf(batch);
  frame.payload.remove_suffix(1);
  EXPECT_THAT(Applier(keyspace).Apply(frame).message(), HasSubstr("what follows are no records"));
}

// Random effects of all kinds, most of which fit no state that they could meet.
class RandomEffects {
 public:
  explicit RandomEffects(int seed) : random_(seed) { batch_.set_on(true); }

  // One effect as a batch. The views are good until the next call.
  const Batch& Next() {
    batch_.Clear();
    Add();
    return batch_;
  }

 private:
  uint64_t Below(uint64_t bound) { return random_() % bound; }
  KeyRef Key() { return KeyRef(static_cast<uint32_t>(Below(20) == 0 ? 2 : Below(2)), Name()); }
  std::string_view Name() {
    static constexpr std::string_view kNames[] = {"a", "b", "c"};
    return Below(30) == 0 ? "s" : kNames[Below(3)];
  }
  // Mostly one that other effects leave alone. Sometimes a partition.
  KeyRef StreamKey() {
    if (Below(12) == 0) return PartKey();
    return Below(6) == 0 ? Key() : KeyRef(0, "s");
  }
  // Of a group, and of a consumer in it: mostly the same one, so that it is met.
  std::string_view Member() { return Below(6) == 0 ? "b" : "a"; }
  uint64_t Number() { return Below(30) == 0 ? UINT64_MAX - Below(2) : Below(6); }
  ListEnd End() { return static_cast<ListEnd>(Below(20) == 0 ? 2 : Below(2)); }
  StreamId Id() { return {Below(40), Below(3)}; }
  int64_t Time() { return static_cast<int64_t>(Below(1000)); }
  CountChange Change() { return static_cast<CountChange>(Below(5)); }
  std::span<const std::string_view> Strings() {
    strings_.assign(Below(5), "v");
    return strings_;
  }
  // For effects that take two lists of strings.
  std::span<const std::string_view> Names() {
    names_.assign(Below(5), "n");
    return names_;
  }
  std::span<const StreamId> Ids() {
    ids_.clear();
    for (uint64_t i = Below(4); i > 0; i--) {
      ids_.push_back(Id());
    }
    return ids_;
  }

  // Mostly a topic, and one of its partitions.
  KeyRef TopicKey() { return Below(6) == 0 ? Key() : KeyRef(Below(8) == 0 ? 1 : 0, "t"); }
  KeyRef PartKey() {
    const uint32_t db = Below(20) == 0 ? 0 : CompanionOf(static_cast<uint32_t>(Below(40) / 39));
    return KeyRef(db, Below(4) == 0 ? "t/1" : Below(20) == 0 ? "t/9" : "t/0");
  }
  std::span<const StreamId> Added() {
    ids_.clear();
    for (uint64_t i = Below(3); i > 0; i--) {
      ids_.push_back({1 + Below(9), Below(9)});
      ids_.push_back({Below(10) == 0 ? 9 : Below(2), Below(10) == 0 ? UINT64_MAX : Below(5)});
    }
    return ids_;
  }

  TopicOptions Options() {
    TopicOptions options;
    options.cleanup = static_cast<Cleanup>(Below(20) == 0 ? 3 : Below(3));
    options.tombstone_ms = Number();
    return options;
  }
  // Of a record with a key, mostly: then it may be a tombstone.
  std::span<const std::string_view> Fields() {
    static constexpr std::string_view kKeys[] = {"", "a", "b", "c"};
    if (Below(6) == 0) return Strings();
    strings_ = {kRecordKey, kKeys[Below(4)]};
    if (Below(3) > 0) strings_.insert(strings_.end(), {"f", "v"});
    return strings_;
  }
  std::span<const std::string_view> KeyedNames() {
    if (Below(3) == 0) return Names();
    names_ = {kRecordKey, "f"};
    return names_;
  }

  // Half of them have a function that another library may have.
  void AddLibrary() {
    static constexpr std::string_view kFunctions[] = {"f", "F", "g", ""};
    FunctionLibrary library;
    library.change = static_cast<LibraryChange>(Below(8) == 0 ? Below(4) : Below(2));
    if (library.change != LibraryChange::kRemoveAll || Below(2) == 0) library.name = Name();
    if (library.change == LibraryChange::kPut || Below(10) == 0) {
      library.code = "code";
      strings_ = {kFunctions[Below(4)], library.name};
      names_ = {"", "about it"};
      numbers_ = {2 * Below(40) + Below(10) / 9, 2 * Below(40) + 1};
      if (Below(20) == 0) numbers_.pop_back();
      library.functions = strings_;
      library.flags = numbers_;
      library.descriptions = names_;
    }
    batch_.Add(library);
  }

  void AddTopics() {
    switch (Below(13)) {
      case 0:
        return batch_.Add(TopicCreate{TopicKey(), Below(20) == 0 ? "id" : "0123456789abcdef",
                                      static_cast<uint32_t>(Below(4)), Options()});
      case 1:
        return batch_.Add(TopicConfigure{TopicKey(), static_cast<uint32_t>(1 + Below(3)), Number(),
                                         Number(), Number(), Number(), Number()});
      case 2:
        return batch_.Add(PartitionCreate{PartKey()});
      case 3:
        return batch_.Add(PartitionTrim{PartKey(), Number()});
      case 4:
        return batch_.Add(ProducerOpen{TopicKey(), Member(), Time()});
      case 5:
      case 6:
        return batch_.Add(ProducerAccept{TopicKey(), Member(), Time(), Added()});
      case 7:
        return batch_.Add(ProducerClose{TopicKey(), Member()});
      case 8:
        return batch_.Add(RecordsAdd{PartKey(), Below(50), KeyedNames(), Strings()});
      case 9:
        return batch_.Add(TombstonesDrop{PartKey(), Number()});
      case 10:
        return batch_.Add(TopicDemand{TopicKey(), Number()});
      default:
        return batch_.Add(RecordAdd{PartKey(), Below(50), Fields()});
    }
  }

  // Mostly a group, and one of its partitions.
  KeyRef GroupKey() {
    const uint32_t db = Below(30) == 0 ? 0 : CompanionOf(static_cast<uint32_t>(Below(40) / 39));
    return KeyRef(db, Below(30) == 0 ? "t/0" : Below(10) == 0 ? "*h" : "*g");
  }
  std::string_view TopicName() { return Below(10) == 0 ? "a" : "t"; }
  uint32_t PartNumber() { return static_cast<uint32_t>(Below(10) == 0 ? 9 : Below(2)); }
  std::span<const uint64_t> Numbers(uint64_t most) {
    numbers_.clear();
    for (uint64_t i = Below(most + 1); i > 0; i--) {
      numbers_.push_back(Number());
    }
    return numbers_;
  }
  std::span<const uint64_t> PartNumbers() {
    numbers_.clear();
    for (uint64_t i = Below(3); i > 0; i--) {
      numbers_.push_back(PartNumber());
    }
    return numbers_;
  }
  std::span<const uint64_t> PartOffsets() {
    numbers_.clear();
    for (uint64_t i = Below(3); i > 0; i--) {
      numbers_.push_back(PartNumber());
      numbers_.push_back(Number());
    }
    if (Below(20) == 0) numbers_.push_back(0);
    return numbers_;
  }
  std::span<const std::string_view> TopicNames() {
    strings_.clear();
    if (Below(2) == 0) strings_.push_back("a*");
    if (Below(4) > 0) strings_.push_back("t");
    if (Below(10) == 0) strings_.push_back("b");
    return strings_;
  }
  std::span<const std::string_view> MemberNames() {
    strings_.clear();
    for (uint64_t i = Below(3); i > 0; i--) {
      strings_.push_back(Member());
    }
    return strings_;
  }
  TopicGroupOptions GroupOptions() {
    TopicGroupOptions options;
    options.start = static_cast<GroupStart>(Below(20) == 0 ? 3 : Below(3));
    options.assignor = static_cast<Assignor>(Below(20) == 0 ? 2 : Below(2));
    return options;
  }

  void AddTopicGroups() {
    switch (Below(16)) {
      case 0:
        return batch_.Add(TopicGroupCreate{GroupKey(), GroupOptions()});
      case 1:
        return batch_.Add(TopicGroupConfigure{GroupKey(), GroupOptions()});
      case 2:
      case 3:
        return batch_.Add(
            TopicGroupSubscribe{GroupKey(), Below(20) == 0 ? "" : Member(), Time(), TopicNames()});
      case 4:
        return Below(2) == 0 ? batch_.Add(TopicGroupLeave{GroupKey(), MemberNames()})
                             : batch_.Add(KeyRemove{GroupKey()});
      case 5:
      case 6:
        return batch_.Add(TopicGroupSee{GroupKey(), TopicName(), Numbers(2)});
      case 7:
      case 8:
        return batch_.Add(TopicGroupAssign{GroupKey(), TopicName(), Below(4) == 0 ? "" : Member(),
                                           PartNumbers()});
      case 9:
      case 10:
        return batch_.Add(TopicGroupCommit{GroupKey(), TopicName(), PartOffsets()});
      case 11:
        return batch_.Add(TopicGroupReset{GroupKey(), TopicName(), PartOffsets()});
      case 12:
        return batch_.Add(
            TopicGroupSkip{GroupKey(), TopicName(), PartNumber(), Number(), Number()});
      default:
        return batch_.Add(TopicGroupAcknowledge{GroupKey(), TopicName(), PartNumber(), Numbers(4)});
    }
  }

  // Mostly the scores of a few members.
  std::span<const ScoredMember> Scored() {
    scored_.clear();
    for (uint64_t i = Below(4); i > 0; i--) {
      scored_.push_back({static_cast<double>(Below(9)) / 2, Name()});
    }
    return scored_;
  }
  void AddSortedSets() {
    const KeyRef key = Below(6) == 0 ? Key() : KeyRef(0, "z");
    if (Below(2) == 0) return batch_.Add(SortedSetAdd{key, Scored()});
    strings_.assign(Below(3), Name());
    batch_.Add(SortedSetRemove{key, strings_});
  }

  std::span<const std::string_view> FieldPairs() {
    strings_.clear();
    for (uint64_t i = Below(3); i > 0; i--) {
      strings_.insert(strings_.end(), {Member(), "value"});
    }
    if (Below(20) == 0) strings_.push_back("a");
    return strings_;
  }
  // Mostly a key that other effects leave alone.
  KeyRef HashAt() { return Below(6) == 0 ? Key() : KeyRef(0, "h"); }

  void AddHashes() {
    switch (Below(4)) {
      case 0:
        return batch_.Add(HashRemove{HashAt(), MemberNames()});
      case 1:
        return batch_.Add(HashExpire{
            HashAt(), Below(20) == 0 ? UINT64_MAX : static_cast<uint64_t>(Time()), MemberNames()});
      default:
        return batch_.Add(HashSet{HashAt(), FieldPairs(), Below(2) == 0});
    }
  }

  std::span<const std::string_view> Members() {
    static constexpr std::string_view kMembers[] = {"1", "2", "a", ""};
    strings_.clear();
    for (uint64_t i = Below(4); i > 0; i--) {
      strings_.push_back(kMembers[Below(4)]);
    }
    return strings_;
  }
  void AddSets() {
    return Below(2) == 0 ? batch_.Add(SetAdd{Key(), Members()})
                         : batch_.Add(SetRemove{Key(), Members()});
  }

  void Add() {
    if (Below(40) == 0) return AddLibrary();
    if (Below(12) == 0) return AddSets();
    if (Below(12) == 0) return AddSortedSets();
    if (Below(8) == 0) return AddHashes();
    if (Below(4) == 0) return AddTopics();
    if (Below(4) == 0) return AddTopicGroups();
    switch (Below(35)) {
      case 0:
        return batch_.Add(KeyRemove{Key()});
      case 1:
        return batch_.Add(KeyExpire{Key(), Below(2) == 0 ? kNoExpiry : Time()});
      case 2:
        return batch_.Add(KeyRename{Key(), Key()});
      case 3:
        return batch_.Add(KeyCopy{Key(), Key()});
      case 4:
        return batch_.Add(KeyRestore{Key(), static_cast<ObjectType>(Below(4)),
                                     Below(2) == 0 ? "\x01\x01\x01v" : "\x01v", kNoExpiry});
      case 5:
        return Below(10) == 0
                   ? batch_.Add(Flush{Below(8) == 0,
                                      static_cast<uint32_t>(Below(4) == 0 ? 0 : 1 + Below(2))})
                   : batch_.Add(Swap{static_cast<uint32_t>(1 + Below(2)), 1});
      case 6:
        return batch_.Add(StringSet{Key(), "value", kNoExpiry});
      case 7:
        return batch_.Add(StringAppend{Key(), "tail"});
      case 8:
        return batch_.Add(StringSetRange{Key(), Number(), "part"});
      case 9:
      case 10:
        return batch_.Add(ListPush{Key(), End(), Strings()});
      case 11:
        return batch_.Add(ListPop{Key(), End(), Number()});
      case 12:
        return batch_.Add(ListSet{Key(), Number(), "w"});
      case 13:
        return batch_.Add(ListInsert{Key(), Number(), "w"});
      case 14:
        return Below(2) == 0
                   ? batch_.Add(ListRemove{Key(), static_cast<int64_t>(Number()), "v"})
                   : batch_.Add(ListErase{Key(), Below(2) == 0 ? "\x01\x01" : "\x01\x02\x05"});
      case 15:
        return batch_.Add(ListTrim{Key(), Number(), Number()});
      case 16:
        return batch_.Add(ListMove{Key(), Key(), End(), End(), Number(), Below(2) == 0});
      case 17:
        return batch_.Add(StreamCreate{StreamKey()});
      case 18:
      case 19:
        return batch_.Add(StreamAdd{StreamKey(), Id(), 3, 100, Strings()});
      case 20:
        return batch_.Add(StreamDropOldest{StreamKey(), Number(), Below(2) == 0});
      case 21:
        return batch_.Add(StreamRemove{StreamKey(), static_cast<Removal>(Below(4)), Ids()});
      case 22:
        return batch_.Add(StreamSetId{StreamKey(), Id(), Number(), Id()});
      case 23:
        return Below(2) == 0 ? batch_.Add(StreamConfigure{StreamKey(), 10, 10})
                             : batch_.Add(StreamRetain{StreamKey(), 0, 0, Number(), Below(2) == 0});
      case 24:
        return Below(2) == 0 ? batch_.Add(StreamRecordMessage{StreamKey(), "p", "i", Id(), 10, 10})
                             : batch_.Add(StreamCountDuplicate{StreamKey()});
      case 25:
        return batch_.Add(GroupCreate{StreamKey(), Member(), Id(), Time() - 2});
      case 26:
        return Below(4) > 0 ? batch_.Add(GroupSetId{StreamKey(), Member(), Id(), Time()})
                            : batch_.Add(GroupDestroy{StreamKey(), Member()});
      case 27:
        return batch_.Add(ConsumerCreate{StreamKey(), Member(), Member(), Time()});
      case 28:
        return Below(8) == 0 ? batch_.Add(ConsumerDelete{StreamKey(), Member(), Member()})
                             : batch_.Add(ConsumerSeen{StreamKey(), Member(), Member(), Time()});
      case 29:
        return batch_.Add(
            GroupDeliver{StreamKey(), Member(), Member(), Id(), Time(), Below(2) == 0});
      case 30:
        return batch_.Add(GroupRedeliver{StreamKey(), Member(), Member(), Time(), Ids()});
      case 31:
        return batch_.Add(GroupAck{StreamKey(), Member(), Ids()});
      case 32:
        return batch_.Add(StreamRemoveRanges{StreamKey(), Ids()});
      case 33:
        return Below(2) == 0 ? batch_.Add(StreamSwept{StreamKey(), Id()})
                             : batch_.Add(StreamForget{StreamKey(), Id()});
      default:
        return Below(2) == 0
                   ? batch_.Add(GroupClaim{StreamKey(), Member(), Member(), Time(), Time(),
                                           Change(), Number(), Ids()})
                   : batch_.Add(GroupRelease{StreamKey(), Member(), Change(), Number(), Ids()});
    }
  }

  std::mt19937_64 random_;
  Batch batch_;
  std::vector<std::string_view> strings_;
  std::vector<std::string_view> names_;
  std::vector<StreamId> ids_;
  std::vector<uint64_t> numbers_;
  std::vector<ScoredMember> scored_;
};

class ApplierSeeds : public ::testing::TestWithParam<int> {};

// Whatever a journal says and whatever it meets, it is applied or refused, and what is refused
// changes nothing.
TEST_P(ApplierSeeds, NoEffectEndsTheProcess) {
  RandomEffects effects(GetParam());
  Keyspace keyspace(2);
  std::set<EffectType> applied, refused;
  for (int i = 0; i < 30'000; i++) {
    const Batch& batch = effects.Next();
    const auto type = static_cast<EffectType>(static_cast<uint8_t>(batch.bytes()[1]) & ~kSameKey);
    const auto before = i % 8 == 0 ? ContentOf(keyspace) : KeyspaceContent();
    Applier applier(keyspace);
    const bool ok = applier.Apply(FrameOf(batch)).ok();
    (ok ? applied : refused).insert(type);
    if (!ok && i % 8 == 0) {
      ASSERT_EQ(ContentOf(keyspace), before) << "effect " << i;
    }
  }
  for (const auto family : {KeyspaceEffects(), StringEffects(), ListEffects(), StreamEffects(),
                            GroupEffects(), TopicEffects(), TopicGroupEffects(), HashEffects(),
                            SetEffects(), SortedSetEffects(), FunctionEffects()}) {
    for (const EffectKind& kind : family) {
      EXPECT_TRUE(applied.contains(kind.type)) << kind.name;
      EXPECT_TRUE(refused.contains(kind.type)) << kind.name;
    }
  }
}

// Records are read ahead of those that are applied, and what they concern is looked for then; but
// the records between may remove it, or put something else in its place.
TEST_P(ApplierSeeds, RecordsInOneFrameAreAppliedAsOneByOne) {
  RandomEffects effects(GetParam());
  Keyspace one_by_one(2);
  std::string all;
  uint32_t count = 0;
  for (int i = 0; i < 10'000; i++) {
    const Batch& batch = effects.Next();
    Applier applier(one_by_one);
    if (!applier.Apply(FrameOf(batch)).ok()) continue;
    all += batch.bytes();
    count++;
  }
  ASSERT_GT(count, 1000u);
  Keyspace in_one_frame(2);
  Applier applier(in_one_frame);
  ASSERT_TRUE(applier.Apply({.base = 4711, .records = count, .payload = all}).ok());
  EXPECT_EQ(applier.records(), count);
  EXPECT_EQ(ContentOf(in_one_frame), ContentOf(one_by_one));
}

INSTANTIATE_TEST_SUITE_P(Seeds, ApplierSeeds, ::testing::Range(0, 10));

}  // namespace
}  // namespace runnel
