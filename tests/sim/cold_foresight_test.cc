// What is foreseen of the effects of a frame is all that they look at: a keyspace of which most
// entries are on the disk takes the changes of another one, which has everything in memory. Before
// each frame is applied what it will look at is read by the helper, and then the loop waits for
// nothing.
//
// RUNNEL_SIM_SEEDS=n runs so many seeds, RUNNEL_SIM_SEED=n runs that one alone.

#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "base/log.h"
#include "base/random.h"
#include "data/hash/hash.h"
#include "data/list/list.h"
#include "data/set/set.h"
#include "data/sorted_set/sorted_set.h"
#include "data/stream/stream.h"
#include "data/topic/names.h"
#include "data/topic/record.h"
#include "effects/batch.h"
#include "effects/foresight.h"
#include "effects/group_effects.h"
#include "effects/hash_effects.h"
#include "effects/keyspace_effects.h"
#include "effects/list_effects.h"
#include "effects/set_effects.h"
#include "effects/sorted_set_effects.h"
#include "effects/stream_effects.h"
#include "effects/string_effects.h"
#include "effects/topic_effects.h"
#include "tests/sim/cold_fixture.h"
#include "tests/sim/logical_content.h"
#include "tests/sim/seeds.h"

namespace runnel::sim {
namespace {

constexpr uint64_t kDefaultSeeds = 60;
constexpr uint32_t kDatabases = 2;

// Makes the effects of frames, and applies them to a keyspace that has everything in memory.
class ForesightFrames {
 public:
  explicit ForesightFrames(uint64_t seed) : random_(seed) { batch_.set_on(true); }

  // The bytes of the next frame, valid until the next one.
  std::string_view Make() {
    batch_.Clear();
    uncertain_ = false;
    for (uint64_t left = 1 + Below(6); left > 0; left--) {
      ChangeSomething();
    }
    return batch_.bytes();
  }
  const Keyspace& keyspace() const { return keyspace_; }

 private:
  uint64_t Below(uint64_t bound) { return random_.Below(bound); }
  bool Chance(uint64_t percent) { return Below(100) < percent; }
  // Step by step: compilers evaluate operands and arguments in different orders.
  KeyRef AnyKey() {
    static constexpr std::string_view kNames[] = {"a", "b", "c"};
    const std::string_view name = kNames[Below(3)];
    return KeyRef(static_cast<uint32_t>(Chance(90) ? 0 : 1), name);
  }
  ListEnd AnyEnd() { return Chance(50) ? ListEnd::kFront : ListEnd::kBack; }

  template <class E>
  void Do(const E& effect) {
    ASSERT_TRUE(effect.Fits(keyspace_).fits());
    Commit(effect, batch_, keyspace_);
  }

  void ChangeSomething() {
    if (Chance(15)) return ChangePartition();
    const KeyRef key = AnyKey();
    const KeyEntry* const entry = keyspace_.Find(key);
    if (entry == nullptr) return Begin(key);
    if (Chance(4)) return ChangeKeys(key);
    if (const Stream* stream = entry->As<Stream>()) return ChangeStream(key, *stream);
    if (const List* list = entry->As<List>()) return ChangeList(key, *list);
    if (const SortedSet* set = entry->As<SortedSet>()) return ChangeSortedSet(key, *set);
    if (const Hash* hash = entry->As<Hash>()) return ChangeHash(key, *hash);
    if (entry->As<runnel::Set>() != nullptr && Chance(80)) return ChangeSet(key);
    Do(KeyRemove{key});
  }

  void ChangeHash(const KeyRef& key, const Hash& hash) {
    const std::string_view field[] = {"f"};
    const std::string_view pair[] = {Chance(70) ? "f" : "g", "v"};
    if (!hash.Contains("f") || Chance(40)) return Do(HashSet{key, pair, Chance(50)});
    if (Chance(50)) return Do(HashExpire{key, Below(100), field});
    Do(HashRemove{key, field});
  }

  void Begin(const KeyRef& key) {
    if (Chance(5)) return AddScored(key);
    if (Chance(10)) {
      const std::string_view pair[] = {"f", "v"};
      return Do(HashSet{key, pair});
    }
    if (Chance(10)) return AddToSet(key);
    if (Chance(50)) return Push(key);
    Append(key);
    Do(GroupCreate{key, "g", {}, kEntriesReadUnknown});
    Do(ConsumerCreate{key, "g", "x", 1});
  }

  void Append(const KeyRef& key) {
    for (uint64_t left = 1 + Below(200); left > 0; left--) {
      const std::string text(Below(120), 'v');
      const std::string_view fields[] = {"n", text};
      Do(StreamAdd{key, {++ms_, 0}, 10, 1000, fields});
    }
  }
  void AddToSet(const KeyRef& key) {
    const std::string text = std::to_string(Below(20));
    const std::string_view members[] = {"m", text};
    Do(SetAdd{key, members});
  }
  void ChangeSet(const KeyRef& key) {
    if (Chance(60)) return AddToSet(key);
    const std::string text = std::to_string(Below(20));
    const std::string_view members[] = {text};
    Do(SetRemove{key, members});
  }
  void Push(const KeyRef& key) {
    const std::vector<std::string> texts(1 + Below(400), std::string(500, 'l'));
    const std::vector<std::string_view> values(texts.begin(), texts.end());
    Do(ListPush{key, AnyEnd(), values});
  }

  void AddScored(const KeyRef& key) {
    static constexpr std::string_view kMembers[] = {"a", "b", "c"};
    const std::string_view member = kMembers[Below(3)];
    const ScoredMember members[] = {{static_cast<double>(Below(100)) / 4, member}};
    Do(SortedSetAdd{key, members});
  }
  void ChangeSortedSet(const KeyRef& key, const SortedSet& set) {
    if (Chance(70)) return AddScored(key);
    const std::string member(set.Seek(0).member());
    const std::string_view members[] = {member};
    Do(SortedSetRemove{key, members});
  }

  void ChangeKeys(const KeyRef& key) {
    const KeyRef to = AnyKey();
    switch (Below(8)) {
      case 0:
        return Do(KeyRemove{key});
      case 1:
      case 2:
        if (key.db != to.db || key.name != to.name) Do(KeyRename{key, to});
        return;
      case 3:
      case 4:
        if (key.db != to.db || key.name != to.name) Do(KeyCopy{key, to});
        return;
      case 5:
        return Do(StringSet{key, "s"});
      case 6:
        return Chance(10) ? Do(Flush{Chance(50), 0}) : Do(Swap{0, 1});
      default: {
        std::string payload;
        const ObjectType type = keyspace_.Find(key)->type();
        keyspace_.Find(key)->value().Serialize(&payload);
        return Do(KeyRestore{to, type, payload, kNoExpiry});
      }
    }
  }

  // An entry somewhere in the stream. REQUIRES: it is not empty.
  StreamId AnyId(const Stream& stream) {
    const uint64_t least = stream.first_id().ms;
    return stream.Seek({least + Below(stream.newest_id().ms - least + 1), 0})->id();
  }

  void ChangeStream(const KeyRef& key, const Stream& stream) {
    if (stream.length() == 0 || Chance(25)) return Append(key);
    switch (Below(8)) {
      case 0: {
        std::vector<StreamId> ids;
        for (uint64_t left = 1 + Below(5); left > 0; left--) {
          ids.push_back(AnyId(stream));
        }
        return Do(StreamRemove{key, static_cast<Removal>(Below(3)), ids});
      }
      case 1: {
        StreamId bounds[] = {AnyId(stream), AnyId(stream)};
        if (bounds[1] < bounds[0]) std::swap(bounds[0], bounds[1]);
        uncertain_ = true;
        return Do(StreamRemoveRanges{key, bounds});
      }
      case 2:
        if (uncertain_) return;
        return Do(
            StreamDropOldest{key, 1 + Below(std::min<uint64_t>(stream.length(), 30)), Chance(20)});
      case 3:
        if (stream.FindGroup("g") == nullptr) return;
        return Do(GroupSetId{key, "g", AnyId(stream), kEntriesReadUnknown});
      default: {
        const ConsumerGroup* const group = stream.FindGroup("g");
        if (group == nullptr) return;
        const EntryCursor at = stream.SeekNew(*group);
        if (!at.valid()) return;
        const StreamId first = at->id();
        const EntryCursor last = stream.SeekBack({first.ms + Below(40), 0});
        return Do(GroupDeliver{key, "g", "x", last->id(), 1, Chance(50)});
      }
    }
  }

  void ChangeList(const KeyRef& key, const List& list) {
    if (Chance(20)) return Push(key);
    const uint64_t size = list.size();
    switch (Below(8)) {
      case 0:
        return Do(ListPop{key, AnyEnd(), 1 + Below(std::min<uint64_t>(size, 20))});
      case 1:
        return Do(ListSet{key, Below(size), std::string(Below(700), 's')});
      case 2:
      case 3:
        return Do(ListInsert{key, Below(size + 1), std::string(Below(700), 'i')});
      case 4:
        if (Chance(80)) return;
        return Do(ListRemove{key, Chance(50) ? 2 : -2, std::string(500, 'l')});
      case 5: {
        std::string ranges;
        Encoder out(&ranges);
        out.Varint(Below(size));
        out.Varint(1);
        return Do(ListErase{key, ranges});
      }
      case 6: {
        const uint64_t start = Below(std::min<uint64_t>(size, 30));
        return Do(ListTrim{key, start, size - start - Below(std::min<uint64_t>(size - start, 30))});
      }
      default: {
        const KeyRef to = AnyKey();
        const KeyEntry* const entry = keyspace_.Find(to);
        if (entry != nullptr && entry->As<List>() == nullptr) return;
        const ListEnd from_end = AnyEnd();
        const ListEnd to_end = AnyEnd();
        const uint64_t count = 1 + Below(std::min<uint64_t>(size, 40));
        const bool reversed = from_end == to_end && Chance(50);
        return Do(ListMove{key, to, from_end, to_end, count, reversed});
      }
    }
  }

  void ChangePartition() {
    const KeyRef topic(0, "t");
    if (keyspace_.Find(topic) == nullptr) {
      TopicOptions options;
      if (Chance(50)) options.cleanup = Cleanup::kBoth;
      return Do(TopicCreate{topic, "0123456789abcdef", 1, options});
    }
    if (Chance(1)) return Do(KeyRemove{topic});
    const PartitionName name("t", 0);
    const KeyRef key(CompanionOf(0), name);
    const KeyEntry* const entry = keyspace_.Find(key);
    if (entry == nullptr || Chance(60)) {
      for (uint64_t left = 1 + Below(100); left > 0; left--) {
        const std::string record_key = std::to_string(Below(300));
        const std::string text(Below(200), 'r');
        const std::string_view fields[] = {kRecordKey, record_key, "v", text};
        Do(RecordAdd{key, ++ms_, fields});
      }
      return;
    }
    const Stream& stream = *entry->As<Stream>();
    if (stream.length() == 0) return;
    if (!stream.is_compacted() && !uncertain_ && Chance(50)) {
      return Do(StreamDropOldest{key, 1 + Below(std::min<uint64_t>(stream.length(), 30)), false});
    }
    uncertain_ = true;
    const uint64_t first = stream.first_offset();
    Do(PartitionTrim{key, first + Below(std::min<uint64_t>(stream.next_offset() - first, 40) + 1)});
  }

  Random random_;
  Keyspace keyspace_{kDatabases};
  Batch batch_;
  uint64_t ms_ = 1;
  // Which entries of streams are the oldest ones is not foreseen for the rest of the frame.
  bool uncertain_ = false;
};

// Takes the frames. Nearly everything is on its disk.
class ForesightFollower {
 public:
  explicit ForesightFollower(uint64_t seed) : disk_(seed), random_(seed + 1) {
    settings_.stream_memory = 4000;
    store_ = std::make_unique<ColdStore>(disk_, "streams", writer_, reader_, writer_,
                                         keyspace_.hot_blocks(), settings_, kSizes);
    CHECK(store_->Open().ok());
  }
  ~ForesightFollower() {
    for (uint32_t db = 0; db < kDatabases; db++) {
      keyspace_.Flush(db);
    }
    writer_.Drain();
    reader_.Drain();
  }

  void Take(std::string_view frame) {
    ColdStore::Pins pins;
    for (;;) {
      Foresight foresight(keyspace_);
      foresight.Add(frame);
      if (foresight.missing().empty()) break;
      EXPECT_TRUE(Foresight::AnyLooks(keyspace_, frame));
      waits_++;
      bool done = false;
      store_->Load({foresight.missing().extents()}, &pins, [&] { done = true; });
      while (!done) {
        reader_.Step();
        EndTurn();
      }
    }
    const uint64_t before = store_->stats().blocking_reads;
    ASSERT_TRUE(Batch::ForEach(frame, [&](const Record& record) {
      const Status replayed = Replay(record, keyspace_);
      EXPECT_TRUE(replayed.ok()) << replayed.message();
      EXPECT_EQ(store_->stats().blocking_reads, before)
          << Describe(record, {})->text << " waited for the disk";
    }));
    pins = {};
    EndTurn();
  }
  const Keyspace& keyspace() const { return keyspace_; }
  // How often something was read for a frame.
  uint64_t waits() const { return waits_; }

 private:
  // A run is one block, and nothing stays in the cache.
  static constexpr ColdSizes kSizes = {
      .run_bytes = 1000, .write_bytes = 100'000, .file_bytes = 50'000, .least_cache = 1};

  void EndTurn() {
    store_->EndTurn(1000);
    for (uint64_t left = random_.Below(20); left > 0; left--) {
      writer_.Step();
    }
  }

  ModelDisk disk_;
  Random random_;
  SteppedWorker writer_;
  SteppedWorker reader_;
  ColdSettings settings_;
  Keyspace keyspace_{kDatabases};
  std::unique_ptr<ColdStore> store_;
  uint64_t waits_ = 0;
};

TEST(ColdForesightTest, AFrameLooksAtNothingThatWasNotForeseen) {
  SetLogLevel(LogLevel::kNothing);
  uint64_t waits = 0;
  ForEachSeed(kDefaultSeeds, [&](uint64_t seed) {
    ForesightFrames frames(seed);
    ForesightFollower follower(seed);
    for (int i = 0; i < 150 && !::testing::Test::HasFailure(); i++) {
      follower.Take(frames.Make());
    }
    if (!::testing::Test::HasFailure()) {
      // Blocks depend on what is on the disk.
      EXPECT_EQ(LogicalContentOf(follower.keyspace()), LogicalContentOf(frames.keyspace()));
    }
    waits += follower.waits();
  });
  if (OneSeedOnly()) return;
  EXPECT_GT(waits, 1000u);
}

}  // namespace
}  // namespace runnel::sim
