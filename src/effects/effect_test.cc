#include "effects/effect.h"

#include <random>
#include <set>
#include <string>
#include <vector>

#include "data/testing.h"
#include "effects/batch.h"
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
#include "gtest/gtest.h"

namespace runnel {
namespace {

// The types of the effects whose bytes were asked for.
std::set<EffectType>& RecordedTypes() {
  static std::set<EffectType> types;
  return types;
}

template <class E>
std::string RecordOf(const E& effect) {
  RecordedTypes().insert(E::kType);
  Batch batch;
  batch.set_on(true);
  batch.Add(effect);
  std::string bytes;
  EXPECT_TRUE(Batch::ForEach(batch.bytes(), [&](const Record& record) { bytes = record.bytes; }));
  return bytes;
}

// A field of every kind.
struct AllFields {
  enum class Letter : uint8_t { kA = 0, kZ = 25 };
  bool flag = false;
  KeyRef key;
  Letter letter = Letter::kA;
  int64_t large = 0;
  int32_t small = 0;
  uint64_t count = 0;
  uint16_t few = 0;
  StreamId id;
  std::string_view text;
  std::span<const std::string_view> texts;
  std::span<const StreamId> ids;
  std::span<const uint64_t> numbers;
  std::span<const ScoredMember> scored;
  template <class Self>
  static auto Fields(Self& self) {
    return std::tie(self.flag, self.key, self.letter, self.large, self.small, self.count, self.few,
                    self.id, self.text, self.texts, self.ids, self.numbers, self.scored);
  }
};

template <class E>
std::string Encoded(const E& effect) {
  FieldSizer sizer;
  EncodeAfterKey(sizer, effect);
  std::string bytes(sizer.size(), '\0');
  FieldWriter writer(bytes.data());
  EncodeAfterKey(writer, effect);
  EXPECT_EQ(writer.end(), bytes.data() + bytes.size());
  return bytes;
}

// True if the bytes are exactly such an effect.
template <class E>
bool DecodeWhole(std::string_view bytes, DecodeArena& arena, E& effect) {
  Decoder in(bytes);
  DecodeAfterKey(in, arena, effect);
  return in.ok() && in.done();
}

AllFields Sample() {
  static const std::string_view texts[] = {"", "one", std::string_view("\0two", 4)};
  static const StreamId ids[] = {StreamId::Min(), {5, 0}, StreamId::Max()};
  static const uint64_t numbers[] = {0, 300, UINT64_MAX};
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  static const ScoredMember scored[] = {{1, "one"},           {-0.5, ""},        {kInfinity, "x"},
                                        {-kInfinity, "y"},    {-0x1p52, "z"},    {0x1p53, "whole"},
                                        {0x1p53 - 1, "most"}, {0x1p-1074, "min"}};
  AllFields effect;
  effect.key = KeyRef(15, "name");
  effect.flag = true;
  effect.letter = AllFields::Letter::kZ;
  effect.large = std::numeric_limits<int64_t>::min();
  effect.small = -7;
  effect.count = std::numeric_limits<uint64_t>::max();
  effect.few = 65535;
  effect.id = {1, 2};
  effect.text = "text";
  effect.texts = texts;
  effect.ids = ids;
  effect.numbers = numbers;
  effect.scored = scored;
  return effect;
}

TEST(EffectCodec, EveryKindOfFieldComesBack) {
  const AllFields effect = Sample();
  AllFields decoded;
  DecodeArena arena;
  const std::string bytes = Encoded(effect);
  ASSERT_TRUE(DecodeWhole(bytes, arena, decoded));
  EXPECT_EQ(decoded.key.db, 15u);
  EXPECT_EQ(decoded.key.name, "name");
  EXPECT_EQ(decoded.key.hash, effect.key.hash);
  EXPECT_EQ(decoded.flag, effect.flag);
  EXPECT_EQ(decoded.letter, effect.letter);
  EXPECT_EQ(decoded.large, effect.large);
  EXPECT_EQ(decoded.small, effect.small);
  EXPECT_EQ(decoded.count, effect.count);
  EXPECT_EQ(decoded.few, effect.few);
  EXPECT_EQ(decoded.id, effect.id);
  EXPECT_EQ(decoded.text, effect.text);
  EXPECT_TRUE(std::equal(decoded.texts.begin(), decoded.texts.end(), effect.texts.begin(),
                         effect.texts.end()));
  EXPECT_TRUE(
      std::equal(decoded.ids.begin(), decoded.ids.end(), effect.ids.begin(), effect.ids.end()));
  EXPECT_TRUE(std::equal(decoded.numbers.begin(), decoded.numbers.end(), effect.numbers.begin(),
                         effect.numbers.end()));
  EXPECT_TRUE(std::equal(decoded.scored.begin(), decoded.scored.end(), effect.scored.begin(),
                         effect.scored.end(), [](const ScoredMember& a, const ScoredMember& b) {
                           return a.score == b.score && a.member == b.member;
                         }));
}

TEST(EffectCodec, ACutRecordIsRefusedAtEveryLength) {
  const std::string bytes = Encoded(Sample());
  for (size_t size = 0; size < bytes.size(); size++) {
    AllFields decoded;
    DecodeArena arena;
    EXPECT_FALSE(DecodeWhole(std::string_view(bytes).substr(0, size), arena, decoded)) << size;
  }
}

// Bytes that are no effect of ours are refused or taken, but never read beyond their end, and a
// count in them reserves no memory that they could not fill.
TEST(EffectCodec, DamagedBytesAreSafe) {
  std::mt19937 random(1);
  const std::string bytes = Encoded(Sample());
  for (int round = 0; round < 20000; round++) {
    std::string damaged = bytes;
    for (int i = random() % 4; i >= 0; i--)
      damaged[random() % damaged.size()] = static_cast<char>(random());
    AllFields decoded;
    DecodeArena arena;
    if (!DecodeWhole(damaged, arena, decoded)) continue;
    EXPECT_LE(
        decoded.texts.size() + decoded.ids.size() + decoded.numbers.size() + decoded.scored.size(),
        damaged.size());
  }
}

template <class Integer>
struct OneInteger {
  Integer number = 0;
  template <class Self>
  static auto Fields(Self& self) {
    return std::tie(self.number);
  }
};

TEST(EffectCodec, AnIntegerThatDoesNotFitIsRefused) {
  using Wide = OneInteger<int64_t>;
  using Narrow = OneInteger<int16_t>;
  Narrow decoded;
  DecodeArena arena;
  EXPECT_TRUE(DecodeWhole(Encoded(Wide{-32768}), arena, decoded));
  EXPECT_EQ(decoded.number, -32768);
  EXPECT_FALSE(DecodeWhole(Encoded(Wide{32768}), arena, decoded));
}

struct OneScored {
  std::span<const ScoredMember> scored;
  template <class Self>
  static auto Fields(Self& self) {
    return std::tie(self.scored);
  }
};

// There is one form for each score, and none for what is no number.
TEST(EffectCodec, AScoreHasOneForm) {
  using namespace std::string_literals;
  const auto bytes_of = [](double score) {
    const ScoredMember scored[] = {{score, "m"}};
    return Encoded(OneScored{scored});
  };
  const auto in_full = [](double score) {
    return "\x01\x01"s + std::string(reinterpret_cast<const char*>(&score), sizeof(score)) +
           "\x01m";
  };
  EXPECT_EQ(bytes_of(0), "\x01\x00\x01m"s);
  EXPECT_EQ(bytes_of(-0.0), "\x01\x00\x01m"s);
  EXPECT_EQ(bytes_of(-1), "\x01\x02\x01m"s);
  EXPECT_EQ(bytes_of(150), "\x01\xd8\x04\x01m"s);
  EXPECT_EQ(bytes_of(0.1), in_full(0.1));
  EXPECT_EQ(bytes_of(0x1p53), in_full(0x1p53));

  OneScored decoded;
  DecodeArena arena;
  EXPECT_TRUE(DecodeWhole(in_full(0.1), arena, decoded));
  EXPECT_EQ(decoded.scored[0].score, 0.1);
  for (const double score : {1.0, 0.0, -0.0, std::numeric_limits<double>::quiet_NaN()}) {
    EXPECT_FALSE(DecodeWhole(in_full(score), arena, decoded)) << score;
  }
  EXPECT_FALSE(DecodeWhole("\x01\x03\x01m"s, arena, decoded));
  // 2^53 as a varint.
  EXPECT_FALSE(DecodeWhole("\x01\x80\x80\x80\x80\x80\x80\x80\x40\x01m"s, arena, decoded));
}

// What lies in journals already: a change here needs a new number in EffectType.
TEST(Effects, BytesOfRecords) {
  using namespace std::string_literals;
  RecordedTypes().clear();
  const std::string_view values[] = {"x", "yz"};
  const KeyRef key(3, "k");
  EXPECT_EQ(RecordOf(KeyRemove{key}), "\x01\x03\x01k"s);
  EXPECT_EQ(RecordOf(KeyExpire{key, 100}), "\x02\x03\x01k\xc8\x01"s);
  EXPECT_EQ(RecordOf(KeyExpire{key, kNoExpiry}),
            "\x02\x03\x01k\xfe\xff\xff\xff\xff\xff\xff\xff\xff\x01"s);
  EXPECT_EQ(RecordOf(KeyExpire{key, std::numeric_limits<int64_t>::max()}),
            "\x02\x03\x01k\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"s);
  EXPECT_EQ(RecordOf(KeyExpire{key, -1}), "\x02\x03\x01k\x01"s);
  EXPECT_EQ(RecordOf(KeyRename{key, KeyRef(0, "to")}), "\x03\x03\x01k\x00\x02to"s);
  EXPECT_EQ(RecordOf(KeyCopy{key, KeyRef(0, "to")}), "\x04\x03\x01k\x00\x02to"s);
  EXPECT_EQ(RecordOf(KeyRestore{key, ObjectType::kList, "p", 1}), "\x05\x03\x01k\x01\x01p\x02"s);
  const std::string_view descriptions[] = {"d", ""};
  const uint64_t flags[] = {301, 2};
  EXPECT_EQ(
      RecordOf(FunctionLibrary{LibraryChange::kPut, "lib", "code", values, flags, descriptions}),
      "\x7f\x00\x03lib\x04\x63ode\x02\x01x\x02yz\x02\xad\x02\x02\x02\x01\x64\x00"s);
  EXPECT_EQ(RecordOf(FunctionLibrary{LibraryChange::kRemove, "lib", "", {}, {}, {}}),
            "\x7f\x01\x03lib\x00\x00\x00\x00"s);
  EXPECT_EQ(RecordOf(FunctionLibrary{LibraryChange::kRemoveAll, "", "", {}, {}, {}}),
            "\x7f\x02\x00\x00\x00\x00\x00"s);
  EXPECT_EQ(RecordOf(Flush{true, 0}), "\x06\x01\x00"s);
  EXPECT_EQ(RecordOf(Swap{1, 2}), "\x07\x01\x02"s);
  EXPECT_EQ(RecordOf(StringSet{key, "v", 1}), "\x14\x03\x01k\x01v\x02"s);
  EXPECT_EQ(RecordOf(StringAppend{key, "v"}), "\x15\x03\x01k\x01v"s);
  EXPECT_EQ(RecordOf(StringSetRange{key, 5, "v"}), "\x16\x03\x01k\x05\x01v"s);
  EXPECT_EQ(RecordOf(ListPush{key, ListEnd::kBack, values}), "\x1e\x03\x01k\x01\x02\x01x\x02yz"s);
  EXPECT_EQ(RecordOf(ListPop{key, ListEnd::kFront, 2}), "\x1f\x03\x01k\x00\x02"s);
  EXPECT_EQ(RecordOf(ListSet{key, 7, "v"}), "\x20\x03\x01k\x07\x01v"s);
  EXPECT_EQ(RecordOf(ListInsert{key, 7, "v"}), "\x21\x03\x01k\x07\x01v"s);
  EXPECT_EQ(RecordOf(ListRemove{key, -1, "v"}), "\x22\x03\x01k\x01\x01v"s);
  EXPECT_EQ(RecordOf(ListErase{key, "\x01\x02"}), "\x25\x03\x01k\x02\x01\x02"s);
  EXPECT_EQ(RecordOf(ListTrim{key, 1, 2}), "\x23\x03\x01k\x01\x02"s);
  EXPECT_EQ(RecordOf(ListMove{key, KeyRef(0, "to"), ListEnd::kFront, ListEnd::kBack, 1, false}),
            "\x24\x03\x01k\x00\x02to\x00\x01\x01\x00"s);

  const StreamId id = {300, 2};
  const StreamId ids[] = {{1, 2}, {300, 0}};
  EXPECT_EQ(RecordOf(StreamAdd{key, id, 100, 4096, values}),
            "\x32\x03\x01k\xac\x02\x02\x64\x80\x20\x02\x01x\x02yz"s);
  EXPECT_EQ(RecordOf(StreamCreate{key}), "\x33\x03\x01k"s);
  EXPECT_EQ(RecordOf(StreamDropOldest{key, 300, true}), "\x34\x03\x01k\xac\x02\x01"s);
  EXPECT_EQ(RecordOf(StreamRemove{key, Removal::kTrimmed, ids}),
            "\x35\x03\x01k\x02\x02\x01\x02\xac\x02\x00"s);
  EXPECT_EQ(RecordOf(StreamSetId{key, id, 7, {5, 0}}), "\x36\x03\x01k\xac\x02\x02\x07\x05\x00"s);
  EXPECT_EQ(RecordOf(StreamConfigure{key, 100, 3}), "\x37\x03\x01k\xc8\x01\x03"s);
  EXPECT_EQ(RecordOf(StreamRecordMessage{key, "p", "i", id, 100, 3}),
            "\x38\x03\x01k\x01p\x01i\xac\x02\x02\xc8\x01\x03"s);
  EXPECT_EQ(RecordOf(StreamCountDuplicate{key}), "\x39\x03\x01k"s);
  EXPECT_EQ(RecordOf(StreamRetain{key, 300, 1, 2, true}), "\x3a\x03\x01k\xac\x02\x01\x02\x01"s);
  EXPECT_EQ(RecordOf(StreamRemoveRanges{key, ids}), "\x3b\x03\x01k\x02\x01\x02\xac\x02\x00"s);
  EXPECT_EQ(RecordOf(StreamSwept{key, id}), "\x3c\x03\x01k\xac\x02\x02"s);
  EXPECT_EQ(RecordOf(StreamForget{key, id}), "\x3d\x03\x01k\xac\x02\x02"s);

  EXPECT_EQ(RecordOf(GroupCreate{key, "g", id, kEntriesReadUnknown}),
            "\x46\x03\x01k\x01g\xac\x02\x02\x01"s);
  EXPECT_EQ(RecordOf(GroupSetId{key, "g", id, 3}), "\x47\x03\x01k\x01g\xac\x02\x02\x06"s);
  EXPECT_EQ(RecordOf(GroupDestroy{key, "g"}), "\x48\x03\x01k\x01g"s);
  EXPECT_EQ(RecordOf(ConsumerCreate{key, "g", "c", 100}), "\x49\x03\x01k\x01g\x01\x63\xc8\x01"s);
  EXPECT_EQ(RecordOf(ConsumerDelete{key, "g", "c"}), "\x4a\x03\x01k\x01g\x01\x63"s);
  EXPECT_EQ(RecordOf(GroupDeliver{key, "g", "c", id, 100, true}),
            "\x4b\x03\x01k\x01g\x01\x63\xac\x02\x02\xc8\x01\x01"s);
  EXPECT_EQ(RecordOf(GroupRedeliver{key, "g", "c", 100, ids}),
            "\x4c\x03\x01k\x01g\x01\x63\xc8\x01\x02\x01\x02\xac\x02\x00"s);
  EXPECT_EQ(RecordOf(GroupAck{key, "g", ids}), "\x4d\x03\x01k\x01g\x02\x01\x02\xac\x02\x00"s);
  EXPECT_EQ(RecordOf(GroupClaim{key, "g", "c", 100, 1, CountChange::kSet, 9, ids}),
            "\x4e\x03\x01k\x01g\x01\x63\xc8\x01\x02\x03\x09\x02\x01\x02\xac\x02\x00"s);
  EXPECT_EQ(RecordOf(GroupRelease{key, "g", CountChange::kDecrement, 9, ids}),
            "\x4f\x03\x01k\x01g\x02\x09\x02\x01\x02\xac\x02\x00"s);
  EXPECT_EQ(RecordOf(ConsumerSeen{key, "g", "c", 100}), "\x50\x03\x01k\x01g\x01\x63\xc8\x01"s);

  const KeyRef part(CompanionOf(3), "t/1");
  EXPECT_EQ(RecordOf(TopicCreate{key,
                                 "0123456789abcdef",
                                 12,
                                 {.retention_ms = 300,
                                  .retention_bytes = 1,
                                  .retention_entries = 2,
                                  .cleanup = Cleanup::kBoth,
                                  .tombstone_ms = 3,
                                  .max_record_bytes = 4,
                                  .partitioner = Partitioner::kCrc32}}),
            "\x5a\x03\x01k\x10"
            "0123456789abcdef\x0c\xac\x02\x01\x02\x02\x03\x04\x01"s);
  EXPECT_EQ(RecordOf(TopicConfigure{key, 12, 300, 1, 2, 3, 4}),
            "\x5b\x03\x01k\x0c\xac\x02\x01\x02\x03\x04"s);
  EXPECT_EQ(RecordOf(PartitionCreate{part}), "\x5c\x83\x80\x04\x03t/1"s);
  EXPECT_EQ(RecordOf(RecordAdd{part, 300, values}),
            "\x5d\x83\x80\x04\x03t/1\xac\x02\x02\x01x\x02yz"s);
  EXPECT_EQ(RecordOf(RecordsAdd{part, 300, {values, 1}, values}),
            "\x5e\x83\x80\x04\x03t/1\xac\x02\x01\x01x\x02\x01x\x02yz"s);
  EXPECT_EQ(RecordOf(PartitionTrim{part, 300}), "\x5f\x83\x80\x04\x03t/1\xac\x02"s);
  EXPECT_EQ(RecordOf(ProducerOpen{key, "p", 100}), "\x60\x03\x01k\x01p\xc8\x01"s);
  EXPECT_EQ(RecordOf(ProducerAccept{key, "p", 100, ids}),
            "\x61\x03\x01k\x01p\xc8\x01\x02\x01\x02\xac\x02\x00"s);
  EXPECT_EQ(RecordOf(ProducerClose{key, "p"}), "\x62\x03\x01k\x01p"s);
  EXPECT_EQ(RecordOf(TombstonesDrop{part, 300}), "\x63\x83\x80\x04\x03t/1\xac\x02"s);
  EXPECT_EQ(RecordOf(TopicDemand{KeyRef(3, "t"), 300}), "\x64\x03\x01t\xac\x02"s);

  const KeyRef group(CompanionOf(3), "*g");
  const uint64_t numbers[] = {0, 300};
  const TopicGroupOptions options = {.start = GroupStart::kTime,
                                     .start_ms = 300,
                                     .assignor = Assignor::kRange,
                                     .session_ms = 1,
                                     .grace_ms = 2,
                                     .move_ms = 3,
                                     .expire_ms = 4};
  EXPECT_EQ(RecordOf(TopicGroupCreate{group, options}),
            "\x6e\x83\x80\x04\x02*g\x02\xac\x02\x01\x01\x02\x03\x04"s);
  EXPECT_EQ(RecordOf(TopicGroupConfigure{group, options}),
            "\x6f\x83\x80\x04\x02*g\x02\xac\x02\x01\x01\x02\x03\x04"s);
  EXPECT_EQ(RecordOf(TopicGroupSubscribe{group, "m", 100, values}),
            "\x70\x83\x80\x04\x02*g\x01m\xc8\x01\x02\x01x\x02yz"s);
  EXPECT_EQ(RecordOf(TopicGroupLeave{group, values}), "\x71\x83\x80\x04\x02*g\x02\x01x\x02yz"s);
  EXPECT_EQ(RecordOf(TopicGroupSee{group, "t", numbers}),
            "\x72\x83\x80\x04\x02*g\x01t\x02\x00\xac\x02"s);
  EXPECT_EQ(RecordOf(TopicGroupAssign{group, "t", "m", numbers}),
            "\x73\x83\x80\x04\x02*g\x01t\x01m\x02\x00\xac\x02"s);
  EXPECT_EQ(RecordOf(TopicGroupCommit{group, "t", numbers}),
            "\x74\x83\x80\x04\x02*g\x01t\x02\x00\xac\x02"s);
  EXPECT_EQ(RecordOf(TopicGroupAcknowledge{group, "t", 7, numbers}),
            "\x75\x83\x80\x04\x02*g\x01t\x07\x02\x00\xac\x02"s);
  EXPECT_EQ(RecordOf(TopicGroupReset{group, "t", numbers}),
            "\x76\x83\x80\x04\x02*g\x01t\x02\x00\xac\x02"s);
  EXPECT_EQ(RecordOf(TopicGroupSkip{group, "t", 7, 300, 5}),
            "\x77\x83\x80\x04\x02*g\x01t\x07\xac\x02\x05"s);

  const ScoredMember scored[] = {{3, "x"}, {-0.5, "yz"}};
  EXPECT_EQ(RecordOf(SortedSetAdd{key, scored}),
            "\x7d\x03\x01k\x02\x0c\x01x\x01\x00\x00\x00\x00\x00\x00\xe0\xbf\x02yz"s);
  EXPECT_EQ(RecordOf(SortedSetRemove{key, values}), "\x7e\x03\x01k\x02\x01x\x02yz"s);
  EXPECT_EQ(RecordOf(HashSet{key, values, true}), "\x78\x03\x01k\x02\x01x\x02yz\x01"s);
  EXPECT_EQ(RecordOf(HashRemove{key, values}), "\x79\x03\x01k\x02\x01x\x02yz"s);
  EXPECT_EQ(RecordOf(HashExpire{key, 300, values}), "\x7a\x03\x01k\xac\x02\x02\x01x\x02yz"s);
  EXPECT_EQ(RecordOf(SetAdd{key, values}), "\x7b\x03\x01k\x02\x01x\x02yz"s);
  EXPECT_EQ(RecordOf(SetRemove{key, values}), "\x7c\x03\x01k\x02\x01x\x02yz"s);

  // Every kind stands above.
  for (int type = 0; type < 256; type++) {
    const EffectKind* kind = FindEffectKind(static_cast<EffectType>(type));
    if (kind == nullptr) continue;
    EXPECT_EQ(RecordedTypes().count(kind->type), 1u) << kind->name;
  }
}

TEST(Effects, EveryKindIsFoundByItsNumberAndHasANameOfItsOwn) {
  std::set<std::string_view> names;
  for (int type = 0; type < 256; type++) {
    const EffectKind* kind = FindEffectKind(static_cast<EffectType>(type));
    if (kind == nullptr) continue;
    EXPECT_EQ(static_cast<int>(kind->type), type);
    EXPECT_TRUE(names.insert(kind->name).second) << kind->name;
  }
  size_t count = 0;
  for (const auto family : {KeyspaceEffects(), StringEffects(), ListEffects(), StreamEffects(),
                            GroupEffects(), TopicEffects(), TopicGroupEffects(), HashEffects(),
                            SetEffects(), SortedSetEffects(), FunctionEffects()}) {
    count += family.size();
  }
  EXPECT_EQ(names.size(), count);
}

TEST(Effects, ReplayRefusesWhatIsNoEffectAndChangesNothing) {
  Keyspace keyspace(4);
  EXPECT_EQ(Replay(Record("\x6d"), keyspace).message(), "no effect has the type 109");
  EXPECT_EQ(Replay(Record(""), keyspace).message(), "no effect has the type 0");
  const std::string_view values[] = {"a", "b"};
  const std::string push = RecordOf(ListPush{KeyRef(3, "k"), ListEnd::kBack, values});
  for (size_t size = 1; size < push.size(); size++) {
    const Status status = Replay(Record(std::string_view(push).substr(0, size)), keyspace);
    EXPECT_EQ(status.message(), "the " + std::to_string(size) + " bytes are no list-push effect");
  }
  EXPECT_FALSE(Replay(Record(push + "x"), keyspace).ok());
  EXPECT_TRUE(ContentOf(keyspace).empty());
  EXPECT_TRUE(Replay(Record(push), keyspace).ok());
  EXPECT_EQ(ContentOf(keyspace).size(), 1u);
}

TEST(Effects, AreDescribedInOneLine) {
  const auto text = [](const auto& effect) {
    const std::string record = RecordOf(effect);
    return Describe(Record(record), {8, 2})->text;
  };
  const KeyRef key(3, "k");
  const std::string_view values[] = {"x", "", "more"};
  const StreamId ids[] = {{1, 2}, {3, 0}};
  EXPECT_EQ(text(StringSet{key, "a \r\n\xff", kNoExpiry}),
            "string-set 3:\"k\" \"a \\r\\n\\xff\" never");
  EXPECT_EQ(text(StringSet{key, "0123456789", 5}), "string-set 3:\"k\" \"01234567\"(+2) 5");
  EXPECT_EQ(text(ListPush{key, ListEnd::kBack, values}), "list-push 3:\"k\" 1 [\"x\", \"\"](+1)");
  EXPECT_EQ(text(ListMove{key, KeyRef(0, "to"), ListEnd::kFront, ListEnd::kBack, 2, true}),
            "list-move 3:\"k\" 0:\"to\" 0 1 2 yes");
  EXPECT_EQ(text(ListRemove{key, -1, "v"}), "list-remove 3:\"k\" -1 \"v\"");
  EXPECT_EQ(text(StreamRemove{key, Removal::kTrimmed, ids}), "stream-remove 3:\"k\" 2 [1-2, 3-0]");
  EXPECT_EQ(text(Swap{1, 2}), "swap 1 2");
  const uint64_t numbers[] = {0, UINT64_MAX, 1};
  EXPECT_EQ(text(TopicGroupAssign{KeyRef(CompanionOf(3), "*g"), "t", "m", numbers}),
            "topic-group-assign 65539:\"*g\" \"t\" \"m\" [0, 18446744073709551615](+1)");
}

TEST(Effects, ADescriptionOfScoredMembersIsAsLong) {
  const ScoredMember scored[] = {{1.5, "x"}, {2, "y"}, {3, "z"}};
  const std::string record = RecordOf(SortedSetAdd{KeyRef(3, "k"), scored});
  EXPECT_EQ(Describe(Record(record), {8, 2})->text,
            "sorted-set-add 3:\"k\" [1.5 \"x\", 2 \"y\"](+1)");
}

TEST(Effects, ADescriptionTellsWhichKeysAreNamed) {
  const std::string rename = RecordOf(KeyRename{KeyRef(0, "from"), KeyRef(1, "to")});
  const auto description = Describe(Record(rename), {});
  ASSERT_TRUE(description.ok());
  ASSERT_EQ(description->keys.size(), 2u);
  EXPECT_EQ(description->keys[0].name, "from");
  EXPECT_EQ(description->keys[1].name, "to");
  EXPECT_EQ(description->keys[1].db, 1u);
  EXPECT_TRUE(Describe(Record(RecordOf(Flush{true, 0})), {})->keys.empty());
}

TEST(Effects, WhatIsNoEffectIsNotDescribed) {
  EXPECT_EQ(Describe(Record("\x6d"), {}).status().message(), "no effect has the type 109");
  const std::string record = RecordOf(KeyRemove{KeyRef(0, "key")});
  EXPECT_EQ(Describe(Record(std::string_view(record).substr(0, 4)), {}).status().message(),
            "the 4 bytes are no key-remove effect");
  EXPECT_FALSE(Describe(Record(""), {}).ok());
}

}  // namespace
}  // namespace runnel
