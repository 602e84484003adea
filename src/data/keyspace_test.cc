#include "data/keyspace.h"

#include <map>
#include <memory>
#include <optional>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "base/memory.h"
#include "data/list/list.h"
#include "data/stream/stream.h"
#include "data/string_object.h"
#include "data/testing.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace runnel {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::UnorderedElementsAre;

std::unique_ptr<Object> String(std::string_view value) {
  return std::make_unique<StringObject>(value);
}

std::optional<std::string> ValueOf(const Keyspace& keyspace, const KeyRef& key) {
  const KeyEntry* entry = keyspace.Find(key);
  if (entry == nullptr) return std::nullopt;
  return entry->As<StringObject>()->ToString();
}

// Writes down what it hears.
class Recorder : public KeyspaceObserver {
 public:
  void OnKeyChange(uint32_t db, std::string_view name, KeyChange change) override {
    constexpr const char* kNames[] = {"added", "grown", "modified", "removed"};
    heard.push_back(std::string(kNames[static_cast<int>(change)]) + " " + std::to_string(db) + ":" +
                    std::string(name));
  }
  void OnFlush(uint32_t db) override { heard.push_back("flush " + std::to_string(db)); }
  void OnSwap(uint32_t a, uint32_t b) override {
    heard.push_back("swap " + std::to_string(a) + " " + std::to_string(b));
  }
  void OnTopicsChange(uint32_t db) override { heard.push_back("topics " + std::to_string(db)); }
  std::vector<std::string> Take() { return std::exchange(heard, {}); }

  std::vector<std::string> heard;
};

TEST(Keyspace, APlaceIsKnownUntilSomeKeyGoesOrMoves) {
  Keyspace keyspace(2);
  const KeyRef key(0, "k");
  const KeyRef other(0, "other");
  keyspace.Put(key, String("a"));
  keyspace.Put(other, String("b"));
  const KeyPlace place = keyspace.PlaceOf(key);
  keyspace.Put(key, String("c"));  // its value may change
  KeyRef known;
  ASSERT_TRUE(keyspace.Recall(0, place, &known));
  EXPECT_EQ(known.name, "k");
  EXPECT_EQ(known.hash, key.hash);
  EXPECT_EQ(keyspace.Find(known), keyspace.Find(key));
  keyspace.Remove(other);
  EXPECT_FALSE(keyspace.Recall(0, place, &known));
  const KeyPlace again = keyspace.PlaceOf(key);
  EXPECT_TRUE(keyspace.Recall(0, again, &known));
  keyspace.Swap(0, 1);
  EXPECT_FALSE(keyspace.Recall(0, again, &known));
  const KeyPlace swapped = keyspace.PlaceOf(KeyRef(1, "k"));
  EXPECT_TRUE(keyspace.Recall(1, swapped, &known));
  EXPECT_EQ(known.db, 1u);
  keyspace.Put(other, String("b"));
  keyspace.Flush(0);
  EXPECT_FALSE(keyspace.Recall(1, swapped, &known));
  EXPECT_FALSE(keyspace.Recall(1, KeyPlace(), &known));
}

TEST(Keyspace, PutReplacesValueAndExpiryButKeepsTheEntry) {
  Keyspace keyspace(2);
  const KeyRef key(0, "k");
  keyspace.Put(key, String("a"));
  const KeyEntry* entry = keyspace.Find(key);
  keyspace.SetExpiry(key, 1000);
  keyspace.Put(key, String("b"));
  EXPECT_EQ(keyspace.Find(key), entry);
  EXPECT_EQ(ValueOf(keyspace, key), "b");
  EXPECT_FALSE(entry->has_expiry());
  EXPECT_EQ(keyspace.expiring(0), 0u);
  EXPECT_EQ(keyspace.size(0), 1u);
  EXPECT_EQ(keyspace.size(1), 0u);
}

// A KeyRef remembers where it found its key only for as long as that holds.
TEST(Keyspace, AKeyRefMayBeUsedAgainWhateverHappensMeanwhile) {
  Keyspace keyspace(3);
  Keyspace other(3);
  const KeyRef key(0, "k");
  const auto value = [&] { return ValueOf(keyspace, key); };
  EXPECT_EQ(value(), std::nullopt);
  keyspace.Put(key, String("1"));
  EXPECT_EQ(value(), "1");
  EXPECT_EQ(ValueOf(other, key), std::nullopt);
  other.Put(key, String("other"));
  EXPECT_EQ(value(), "1");
  keyspace.Put(KeyRef(0, "k"), String("2"));
  EXPECT_EQ(value(), "2");
  keyspace.Remove(KeyRef(0, "k"));
  EXPECT_EQ(value(), std::nullopt);
  keyspace.Put(KeyRef(0, "k"), String("3"));
  EXPECT_EQ(value(), "3");
  keyspace.Rename(KeyRef(0, "k"), KeyRef(0, "elsewhere"));
  EXPECT_EQ(value(), std::nullopt);
  keyspace.Rename(KeyRef(0, "elsewhere"), KeyRef(0, "k"));
  EXPECT_EQ(value(), "3");
  keyspace.Put(KeyRef(1, "k"), String("4"));
  keyspace.Swap(0, 1);
  EXPECT_EQ(value(), "4");
  keyspace.Flush(0);
  EXPECT_EQ(value(), std::nullopt);
  EXPECT_EQ(ValueOf(other, key), "other");
}

// The numbers by which a KeyRef knows that it has found its key begin again with 0 then.
TEST(Keyspace, TheProcessMayHaveHadManyKeyspaces) {
  for (int i = 0; i < 66'000; i++) {
    Keyspace keyspace(1);
    keyspace.Put(KeyRef(0, "k"), String("v"));
    ASSERT_NE(keyspace.Find(KeyRef(0, "k")), nullptr) << i;
  }
}

TEST(Keyspace, NamesAreBytes) {
  Keyspace keyspace(1);
  const std::string names[] = {"", std::string("a\0b", 3), std::string("a\0c", 3),
                               std::string(70000, 'x')};
  for (const std::string& name : names)
    keyspace.Put(KeyRef(0, name), String(name));
  for (const std::string& name : names) {
    EXPECT_EQ(keyspace.Find(KeyRef(0, name))->name(), name);
    EXPECT_EQ(ValueOf(keyspace, KeyRef(0, name)), name);
  }
}

TEST(Keyspace, MutableGivesTheValueOnlyAsItsType) {
  Keyspace keyspace(1);
  const KeyRef key(0, "k");
  EXPECT_EQ(keyspace.MutableIf<StringObject>(key), nullptr);
  keyspace.Put(key, String("a"));
  EXPECT_EQ(keyspace.MutableIf<List>(key), nullptr);
  keyspace.Mutable<StringObject>(key).Append("b");
  EXPECT_EQ(ValueOf(keyspace, key), "ab");
  EXPECT_EQ(keyspace.Find(key)->As<List>(), nullptr);
}

TEST(Keyspace, ExpiriesAreOrderedAndAveraged) {
  Keyspace keyspace(2);
  EXPECT_EQ(keyspace.NextToExpire(0), nullptr);
  EXPECT_EQ(keyspace.MeanExpiry(0), 0);
  for (const char* name : {"a", "b", "c"})
    keyspace.Put(KeyRef(0, name), String("v"));
  keyspace.SetExpiry(KeyRef(0, "a"), 300);
  keyspace.SetExpiry(KeyRef(0, "b"), 100);
  keyspace.SetExpiry(KeyRef(0, "c"), 800);
  EXPECT_EQ(keyspace.expiring(0), 3u);
  EXPECT_EQ(keyspace.MeanExpiry(0), 400);
  EXPECT_EQ(keyspace.NextToExpire(0)->name(), "b");
  EXPECT_EQ(keyspace.NextToExpire(1), nullptr);

  keyspace.SetExpiry(KeyRef(0, "b"), 900);
  EXPECT_EQ(keyspace.NextToExpire(0)->name(), "a");
  keyspace.SetExpiry(KeyRef(0, "a"), kNoExpiry);
  EXPECT_EQ(keyspace.NextToExpire(0)->name(), "c");
  EXPECT_FALSE(keyspace.Find(KeyRef(0, "a"))->has_expiry());
  keyspace.Remove(KeyRef(0, "c"));
  EXPECT_EQ(keyspace.NextToExpire(0)->name(), "b");
  EXPECT_EQ(keyspace.MeanExpiry(0), 900);
  EXPECT_TRUE(keyspace.Find(KeyRef(0, "b"))->ExpiredAt(900));
  EXPECT_FALSE(keyspace.Find(KeyRef(0, "b"))->ExpiredAt(899));
  EXPECT_FALSE(keyspace.Find(KeyRef(0, "a"))->ExpiredAt(std::numeric_limits<int64_t>::max()));
  keyspace.SetExpiry(KeyRef(0, "a"), -1);
  EXPECT_TRUE(keyspace.Find(KeyRef(0, "a"))->ExpiredAt(0));
  keyspace.SetExpiry(KeyRef(0, "a"), kNoExpiry);
}

// The sum of many expiries far in the future does not overflow.
TEST(Keyspace, MeanOfVeryLateExpiries) {
  constexpr int64_t kLast = std::numeric_limits<int64_t>::max();
  Keyspace keyspace(1);
  for (int i = 0; i < 100; i++) {
    const std::string name = std::to_string(i);
    keyspace.Put(KeyRef(0, name), String("v"));
    keyspace.SetExpiry(KeyRef(0, name), kLast);
  }
  EXPECT_EQ(keyspace.MeanExpiry(0), kLast);
}

TEST(Keyspace, RenameTakesExpiryAlongAndReplaces) {
  Keyspace keyspace(2);
  Recorder recorder;
  keyspace.Put(KeyRef(0, "a"), String("1"));
  keyspace.SetExpiry(KeyRef(0, "a"), 500);
  keyspace.Put(KeyRef(0, "b"), String("2"));
  keyspace.SetExpiry(KeyRef(0, "b"), 600);
  keyspace.Observe(&recorder);
  keyspace.Rename(KeyRef(0, "a"), KeyRef(0, "b"));
  EXPECT_EQ(keyspace.Find(KeyRef(0, "a")), nullptr);
  EXPECT_EQ(ValueOf(keyspace, KeyRef(0, "b")), "1");
  EXPECT_EQ(keyspace.Find(KeyRef(0, "b"))->expire_at_ms(), 500);
  EXPECT_EQ(keyspace.expiring(0), 1u);
  const std::vector<std::string> heard = recorder.Take();
  EXPECT_THAT(std::set<std::string>(heard.begin(), heard.end()),
              UnorderedElementsAre("removed 0:a", "removed 0:b", "added 0:b", "modified 0:b"));

  keyspace.Rename(KeyRef(0, "b"), KeyRef(1, "b"));
  EXPECT_EQ(keyspace.size(0), 0u);
  EXPECT_EQ(ValueOf(keyspace, KeyRef(1, "b")), "1");
  EXPECT_EQ(keyspace.NextToExpire(1)->name(), "b");
  keyspace.Observe(nullptr);
}

TEST(Keyspace, TellsTheObserverEveryChange) {
  Keyspace keyspace(3);
  Recorder recorder;
  keyspace.Observe(&recorder);
  const KeyRef key(1, "k");
  keyspace.Put(key, String("a"));
  EXPECT_THAT(recorder.Take(), ElementsAre("added 1:k"));
  keyspace.Put(key, String("b"));
  EXPECT_THAT(recorder.Take(), ElementsAre("added 1:k"));
  keyspace.SetExpiry(key, 5);
  EXPECT_THAT(recorder.Take(), ElementsAre("modified 1:k"));
  keyspace.Changed(key, KeyChange::kGrown);
  EXPECT_THAT(recorder.Take(), ElementsAre("grown 1:k"));
  keyspace.Remove(key);
  EXPECT_THAT(recorder.Take(), ElementsAre("removed 1:k"));
  keyspace.Remove(key);
  EXPECT_THAT(recorder.Take(), IsEmpty());

  keyspace.Swap(0, 2);
  EXPECT_THAT(recorder.Take(), ElementsAre("swap 0 2", "swap 65536 65538"));
  keyspace.Swap(1, 1);
  EXPECT_THAT(recorder.Take(), IsEmpty());

  keyspace.Put(KeyRef(0, "a"), String(""));
  keyspace.Put(KeyRef(0, "b"), String(""));
  keyspace.Put(KeyRef(1, "c"), String(""));
  recorder.Take();
  keyspace.Flush(0);
  EXPECT_THAT(recorder.Take(), ElementsAre("flush 0", "flush 65536"));
  EXPECT_EQ(keyspace.size(0), 0u);
  EXPECT_EQ(keyspace.size(1), 1u);
  keyspace.Observe(nullptr);
}

// A removal is told while the name can still be read, also when the name given is the entry's own.
TEST(Keyspace, RemovesAKeyByItsOwnName) {
  Keyspace keyspace(1);
  Recorder recorder;
  keyspace.Put(KeyRef(0, "a long enough name to be on the heap"), String("v"));
  keyspace.Observe(&recorder);
  const KeyEntry* entry = keyspace.table(0).Random(1);
  keyspace.Remove(KeyRef(0, entry->name()));
  EXPECT_THAT(recorder.Take(), ElementsAre("removed 0:a long enough name to be on the heap"));
  keyspace.Observe(nullptr);
}

class KeepingDisposer : public Disposer {
 public:
  void Dispose(std::unique_ptr<Disposable> value) override { values.push_back(std::move(value)); }
  void Dispose(std::unique_ptr<Database> database) override {
    databases.push_back(std::move(database));
  }
  std::vector<std::unique_ptr<Disposable>> values;
  std::vector<std::unique_ptr<Database>> databases;
};

TEST(Keyspace, HandsLargeValuesToTheDisposer) {
  Keyspace keyspace(1);
  KeepingDisposer disposer;
  keyspace.DisposeWith(&disposer);
  const KeyRef key(0, "k");
  keyspace.Put(key, String("small"));
  keyspace.Remove(key);
  EXPECT_THAT(disposer.values, IsEmpty());

  const auto large = [] {
    auto list = std::make_unique<List>();
    for (int i = 0; i < 2000; i++)
      list->PushBack(std::string(9000, 'x'));
    return list;
  };
  keyspace.Put(key, large());
  keyspace.Put(key, large());
  EXPECT_EQ(disposer.values.size(), 1u);
  keyspace.Remove(key);
  EXPECT_EQ(disposer.values.size(), 2u);
  keyspace.Put(key, large());
  keyspace.Flush(0);
  EXPECT_EQ(disposer.values.size(), 3u);
  keyspace.DisposeWith(nullptr);
}

// None of the keys is touched: the disposer gets them all as they are.
TEST(Keyspace, HandsAFlushedDatabaseOverInOnePiece) {
  Keyspace keyspace(2);
  KeepingDisposer disposer;
  Recorder recorder;
  keyspace.DisposeWith(&disposer);
  for (int i = 0; i < 1000; i++) {
    auto stream = std::make_unique<Stream>();
    const std::string value(5000, 'v');
    const std::string_view fields[] = {"f", value};
    for (uint64_t id = 1; id <= 3; id++)
      stream->Append({id, 0}, fields, {});
    keyspace.Put(KeyRef(0, std::to_string(i)), std::move(stream));
    keyspace.SetExpiry(KeyRef(0, std::to_string(i)), 1000 + i);
  }
  keyspace.Put(KeyRef(1, "stays"), String("v"));
  Spillable* writing = keyspace.hot_blocks().Largest();
  ASSERT_NE(writing, nullptr);
  writing->NoteWriting(&writing);
  keyspace.Observe(&recorder);
  keyspace.Flush(0);
  EXPECT_THAT(recorder.Take(), ElementsAre("flush 0", "flush 65536"));
  EXPECT_THAT(disposer.values, IsEmpty());
  ASSERT_EQ(disposer.databases.size(), 1u);
  EXPECT_EQ(disposer.databases[0]->size(), 1000u);
  EXPECT_EQ(keyspace.size(0), 0u);
  EXPECT_EQ(keyspace.size(1), 1u);
  EXPECT_EQ(keyspace.expiring(0), 0u);
  EXPECT_EQ(keyspace.NextToExpire(0), nullptr);
  // The cold store knows none of the values any more.
  EXPECT_EQ(writing, nullptr);
  EXPECT_EQ(keyspace.hot_blocks().bytes(), 0u);
  EXPECT_EQ(keyspace.hot_blocks().Largest(), nullptr);

  keyspace.Put(KeyRef(0, "new"), String("v"));
  disposer.databases.clear();
  EXPECT_EQ(ValueOf(keyspace, KeyRef(0, "new")), "v");
  keyspace.Flush(0);
  EXPECT_THAT(disposer.databases, IsEmpty());  // not for a single small key
  keyspace.Observe(nullptr);
  keyspace.DisposeWith(nullptr);
}

TEST(KeyspaceCapture, TakesEachKeyOnceAsItWas) {
  Keyspace keyspace(2);
  keyspace.Put(KeyRef(0, "changed"), String("1"));
  keyspace.Put(KeyRef(0, "replaced"), String("2"));
  keyspace.Put(KeyRef(0, "removed"), String("3"));
  keyspace.Put(KeyRef(0, "moved"), String("4"));
  keyspace.Put(KeyRef(1, "expiring"), String("5"));
  keyspace.SetExpiry(KeyRef(0, "removed"), 300);
  keyspace.SetExpiry(KeyRef(0, "moved"), 400);
  const KeyspaceContent before = ContentOf(keyspace);

  HeldCapture capture;
  keyspace.BeginCapture(&capture);
  keyspace.Mutable<StringObject>(KeyRef(0, "changed")).Append("+");
  keyspace.Mutable<StringObject>(KeyRef(0, "changed")).Append("+");
  keyspace.Put(KeyRef(0, "replaced"), String("+"));
  keyspace.Remove(KeyRef(0, "removed"));
  keyspace.Put(KeyRef(0, "removed"), String("new"));
  keyspace.Rename(KeyRef(0, "moved"), KeyRef(1, "elsewhere"));
  keyspace.Rename(KeyRef(1, "elsewhere"), KeyRef(1, "further"));
  keyspace.SetExpiry(KeyRef(1, "expiring"), 500);
  keyspace.Put(KeyRef(0, "new"), String("new"));
  keyspace.Remove(KeyRef(0, "new"));
  EXPECT_EQ(capture.Content(), before);
  EXPECT_TRUE(keyspace.CaptureSome(1000));
  EXPECT_FALSE(keyspace.capturing());
  EXPECT_EQ(capture.Content(), before);
}

TEST(KeyspaceCapture, DatabasesKeepTheirNumbersAndAFlushHandsItsValuesOver) {
  Keyspace keyspace(3);
  for (int i = 0; i < 100; i++) {
    keyspace.Put(KeyRef(0, std::to_string(i)), String("zero"));
    keyspace.Put(KeyRef(1, std::to_string(i)), String("one"));
  }
  keyspace.SetExpiry(KeyRef(0, "7"), 7);
  const KeyspaceContent before = ContentOf(keyspace);
  HeldCapture capture;
  keyspace.BeginCapture(&capture);
  EXPECT_FALSE(keyspace.CaptureSome(30));
  keyspace.Swap(0, 2);
  EXPECT_FALSE(keyspace.CaptureSome(30));
  keyspace.Flush(2);
  keyspace.Put(KeyRef(2, "later"), String("two"));
  keyspace.Swap(1, 2);
  EXPECT_TRUE(keyspace.CaptureSome(10'000));
  EXPECT_EQ(capture.Content(), before);
}

// A flush captures nothing itself. The database goes to the disposer when the walk has passed it.
TEST(KeyspaceCapture, AFlushedDatabaseIsWalkedOverInSlices) {
  Keyspace keyspace(1);
  KeepingDisposer disposer;
  keyspace.DisposeWith(&disposer);
  const auto fill = [&] {
    for (int i = 0; i < 1000; i++)
      keyspace.Put(KeyRef(0, std::to_string(i)), String("v"));
  };
  fill();
  const KeyspaceContent before = ContentOf(keyspace);
  HeldCapture capture;
  keyspace.BeginCapture(&capture);
  EXPECT_FALSE(keyspace.CaptureSome(100));
  const size_t captured = capture.Content().size();
  EXPECT_LT(captured, 200u);
  keyspace.Flush(0);
  EXPECT_EQ(capture.Content().size(), captured);
  EXPECT_THAT(disposer.databases, IsEmpty());
  fill();
  keyspace.Flush(0);  // these keys are none of the capture's
  EXPECT_EQ(disposer.databases.size(), 1u);
  EXPECT_FALSE(keyspace.CaptureSome(100));
  EXPECT_LT(capture.Content().size(), captured + 200);
  EXPECT_TRUE(keyspace.CaptureSome(10'000));
  EXPECT_EQ(capture.Content(), before);
  EXPECT_EQ(disposer.databases.size(), 2u);

  fill();
  HeldCapture given_up;
  keyspace.BeginCapture(&given_up);
  EXPECT_FALSE(keyspace.CaptureSome(100));
  keyspace.Flush(0);
  EXPECT_EQ(disposer.databases.size(), 2u);
  keyspace.EndCapture();
  EXPECT_EQ(disposer.databases.size(), 3u);
  keyspace.DisposeWith(nullptr);
}

// What is captured in the moment of its removal is not counted any more, and outlives the keyspace.
TEST(KeyspaceCapture, AStreamThatIsHandedOverBelongsToTheKeyspaceNoMore) {
  HeldCapture capture;
  auto keyspace = std::make_unique<Keyspace>(1);
  for (const char* name : {"removed", "replaced", "flushed"}) {
    keyspace->Put(KeyRef(0, name), std::make_unique<Stream>());
    Stream& stream = keyspace->Mutable<Stream>(KeyRef(0, name));
    const std::string value(1000, 'v');
    const std::string_view fields[] = {"f", value};
    for (uint64_t i = 1; i <= 100; i++) {
      stream.Append({i, 0}, fields, {});
    }
  }
  EXPECT_GT(keyspace->hot_blocks().bytes(), 300'000u);
  const KeyspaceContent before = ContentOf(*keyspace);
  keyspace->BeginCapture(&capture);
  keyspace->Remove(KeyRef(0, "removed"));
  keyspace->Put(KeyRef(0, "replaced"), String("1"));
  const uint64_t bytes = keyspace->hot_blocks().held_bytes();
  EXPECT_GT(bytes, 200'000u);
  keyspace->Flush(0);
  EXPECT_EQ(keyspace->hot_blocks().bytes(), 0u);
  EXPECT_EQ(keyspace->hot_blocks().held_bytes(), bytes / 2 * 3);
  EXPECT_TRUE(keyspace->CaptureSome(1000));
  EXPECT_EQ(keyspace->hot_blocks().held_bytes(), bytes / 2 * 3);
  keyspace = nullptr;
  EXPECT_EQ(capture.Content(), before);
}

// Keeps values and databases, and frees parts of values at once, as a thread does soon.
class ValueDisposer final : public KeepingDisposer {
 public:
  using KeepingDisposer::Dispose;
  void Dispose(std::unique_ptr<Disposable> value) override {
    if (dynamic_cast<Object*>(value.get()) != nullptr) values.push_back(std::move(value));
  }
};

// Whoever has the blocks: values, captures, a disposer.
TEST(KeyspaceCapture, BlocksCountAsLongAsTheyAreInMemory) {
  CountThisThread();
  for (uint64_t seed = 1; seed <= 20; seed++) {
    SCOPED_TRACE(seed);
    std::mt19937_64 random(seed);
    const auto below = [&random](uint64_t bound) { return random() % bound; };
    const size_t before = AllocatedBytes();
    Keyspace keyspace(1);
    ValueDisposer disposer;
    keyspace.DisposeWith(&disposer);
    std::unique_ptr<HeldCapture> capture;
    const std::string value(2000, 'v');
    const std::vector<std::string_view> fields = {"f", value};
    uint64_t id = 0;
    for (int step = 0; step < 3000; step++) {
      const bool is_list = below(3) == 0;
      const std::string name = (is_list ? "l" : "s") + std::to_string(below(2));
      const KeyRef key(0, name);
      const bool exists = keyspace.Find(key) != nullptr;
      const uint64_t choice = below(500);
      if (choice == 0) {
        keyspace.EndCapture();
        capture = std::make_unique<HeldCapture>();
        keyspace.BeginCapture(capture.get());
      } else if (choice == 1) {
        keyspace.EndCapture();
        capture = nullptr;
      } else if (choice < 10 && keyspace.capturing()) {
        keyspace.CaptureSome(1);
      } else if (choice == 10) {
        keyspace.Remove(key);
      } else if (choice == 11) {
        keyspace.Flush(0);
      } else if (choice == 12 && exists) {
        keyspace.Rename(key, KeyRef(0, name.substr(0, 1) + "2"));
      } else if (choice == 13) {
        disposer.values.clear();
        disposer.databases.clear();
      } else if (!exists) {
        if (is_list) keyspace.Put(key, std::make_unique<List>());
        if (!is_list) keyspace.Put(key, std::make_unique<Stream>());
      } else if (is_list) {
        List& list = keyspace.Mutable<List>(key);
        for (int i = 0; i < 30; i++) {
          list.PushBack(value);
        }
        if (below(10) == 0) list.Trim(list.size() / 2, list.size() - list.size() / 2);
      } else {
        Stream& stream = keyspace.Mutable<Stream>(key);
        for (int i = 0; i < 30; i++) {
          stream.Append({++id, 0}, fields, {});
        }
        if (below(10) == 0) stream.DropOldest(below(stream.length()));
      }
      const HotBlocks& hot = keyspace.hot_blocks();
      const size_t counted = hot.bytes() + hot.held_bytes();
      const size_t in_memory = AllocatedBytes() - before;
      // Short lists and the ends of lists do not count.
      constexpr size_t kFew = 1'000'000;
      ASSERT_GE(counted + counted / 20 + kFew, in_memory) << step;
    }
    keyspace.EndCapture();
    capture = nullptr;
    disposer.values.clear();
    disposer.databases.clear();
    EXPECT_EQ(keyspace.hot_blocks().held_bytes(), 0u);
    keyspace.DisposeWith(nullptr);
  }
}

TEST(Keyspace, CountsTheStreamsThatItHolds) {
  Keyspace keyspace(2);
  const std::string value(1000, 'x');
  const auto stream = [&value] {
    auto entries = std::make_unique<Stream>();
    const std::vector<std::string_view> fields = {"f", value};
    for (uint64_t i = 1; i <= 100; i++) {
      entries->Append({i, 0}, fields, {});
    }
    return entries;
  };
  const uint64_t bytes = stream()->hot_bytes();
  const HotBlocks& hot = keyspace.hot_blocks();
  keyspace.Put(KeyRef(0, "a"), stream());
  keyspace.Put(KeyRef(1, "b"), stream());
  EXPECT_EQ(hot.bytes(), 2 * bytes);
  keyspace.Put(KeyRef(0, "a"), stream());
  keyspace.Rename(KeyRef(0, "a"), KeyRef(0, "c"));
  keyspace.Put(KeyRef(0, "copy"), keyspace.Find(KeyRef(0, "c"))->value().Clone());
  EXPECT_EQ(hot.bytes(), 3 * bytes);
  keyspace.Mutable<Stream>(KeyRef(0, "c")).DropOldest(100);
  EXPECT_EQ(hot.bytes(), 2 * bytes);
  EXPECT_NE(keyspace.hot_blocks().Largest(), nullptr);

  // What is handed to a capture may live on another thread, and longer.
  HeldCapture capture;
  keyspace.BeginCapture(&capture);
  keyspace.Put(KeyRef(0, "copy"), String("instead"));
  EXPECT_EQ(hot.bytes(), bytes);
  keyspace.Flush(1);
  EXPECT_EQ(hot.bytes(), 0u);
  EXPECT_EQ(keyspace.hot_blocks().Largest(), nullptr);
  keyspace.EndCapture();
}

TEST(Keyspace, CountsTheLongListsThatItHolds) {
  Keyspace keyspace(2);
  const auto list = [](int elements) {
    auto made = std::make_unique<List>();
    for (int i = 0; i < elements; i++) {
      made->PushBack(std::string(1000, 'x'));
    }
    return made;
  };
  const HotBlocks& hot = keyspace.hot_blocks();
  keyspace.Put(KeyRef(0, "short"), list(50));
  EXPECT_EQ(hot.bytes(), 0u);
  keyspace.Put(KeyRef(0, "a"), list(2000));
  const uint64_t bytes = hot.bytes();
  EXPECT_GT(bytes, 1'900'000u);
  // It becomes long, and short again, while it is a key's.
  List& grows = keyspace.Mutable<List>(KeyRef(0, "short"));
  while (grows.size() < 2000) {
    grows.PushBack(std::string(1000, 'x'));
  }
  EXPECT_GT(hot.bytes(), bytes + 1'800'000);
  EXPECT_NE(keyspace.hot_blocks().Largest(), nullptr);
  grows.Trim(0, 20);
  EXPECT_EQ(hot.bytes(), bytes);
  keyspace.Rename(KeyRef(0, "a"), KeyRef(1, "b"));
  keyspace.Put(KeyRef(0, "copy"), keyspace.Find(KeyRef(1, "b"))->value().Clone());
  EXPECT_EQ(hot.bytes(), 2 * bytes);

  // What is handed to a capture may live on another thread, and longer.
  HeldCapture capture;
  keyspace.BeginCapture(&capture);
  keyspace.Remove(KeyRef(0, "copy"));
  EXPECT_EQ(hot.bytes(), bytes);
  keyspace.Flush(1);
  EXPECT_EQ(hot.bytes(), 0u);
  EXPECT_EQ(keyspace.hot_blocks().Largest(), nullptr);
  keyspace.EndCapture();
}

TEST(KeyspaceCapture, CanBeGivenUpAndBegunAgain) {
  Keyspace keyspace(1);
  for (int i = 0; i < 100; i++) {
    keyspace.Put(KeyRef(0, std::to_string(i)), String("a"));
  }
  HeldCapture first;
  keyspace.BeginCapture(&first);
  EXPECT_FALSE(keyspace.CaptureSome(30));
  keyspace.EndCapture();
  keyspace.Put(KeyRef(0, "5"), String("b"));
  const KeyspaceContent before = ContentOf(keyspace);
  HeldCapture second;
  keyspace.BeginCapture(&second);
  EXPECT_TRUE(keyspace.CaptureSome(10'000));
  EXPECT_EQ(second.Content(), before);
}

// Random changes against a plain map of (database, name) to (value, expiry), while captures run.
class KeyspaceModel : public testing::TestWithParam<int> {};

TEST_P(KeyspaceModel, BehavesLikeAMap) {
  std::mt19937 random(GetParam());
  Keyspace keyspace(3);
  struct Held {
    std::string value;
    int64_t expire_at_ms;
  };
  std::map<std::pair<uint32_t, std::string>, Held> model;

  const auto check = [&] {
    KeyspaceContent expected;
    for (const auto& [key, held] : model) {
      std::string payload;
      StringObject(held.value).Serialize(&payload);
      expected[key] = {ObjectType::kString, held.expire_at_ms, payload};
    }
    ASSERT_EQ(ContentOf(keyspace), expected);
    for (uint32_t db = 0; db < 3; db++) {
      std::multiset<int64_t> expiries;
      size_t size = 0;
      for (const auto& [key, held] : model) {
        if (key.first != db) continue;
        size++;
        if (held.expire_at_ms != kNoExpiry) expiries.insert(held.expire_at_ms);
      }
      ASSERT_EQ(keyspace.size(db), size);
      ASSERT_EQ(keyspace.expiring(db), expiries.size());
      const KeyEntry* next = keyspace.NextToExpire(db);
      ASSERT_EQ(next == nullptr, expiries.empty());
      if (next == nullptr) continue;
      ASSERT_EQ(next->expire_at_ms(), *expiries.begin());
      int64_t sum = 0;
      for (const int64_t expiry : expiries)
        sum += expiry;
      ASSERT_EQ(keyspace.MeanExpiry(db), sum / static_cast<int64_t>(expiries.size()));
    }
  };

  CaptureCheck captures;
  for (int step = 0; step < 5000; step++) {
    captures.Step(keyspace, [&] { return random(); });
    const uint32_t db = random() % 3;
    const std::string name = "k" + std::to_string(random() % 50);
    const KeyRef key(db, name);
    const auto held = model.find({db, name});
    switch (random() % 100) {
      case 0:
        keyspace.Flush(db);
        std::erase_if(model, [&](const auto& item) { return item.first.first == db; });
        break;
      case 1: {
        const uint32_t other = random() % 3;
        keyspace.Swap(db, other);
        decltype(model) swapped;
        for (auto& [at, value] : model) {
          const uint32_t to = at.first == db ? other : at.first == other ? db : at.first;
          swapped[{to, at.second}] = value;
        }
        model = swapped;
        break;
      }
      default:
        switch (random() % 4) {
          case 0: {
            const std::string value = std::to_string(random());
            keyspace.Put(key, String(value));
            model[{db, name}] = {value, kNoExpiry};
            break;
          }
          case 1:
            keyspace.Remove(key);
            model.erase({db, name});
            break;
          case 2: {
            if (held == model.end()) break;
            const int64_t expiry =
                random() % 4 == 0 ? kNoExpiry : static_cast<int64_t>(random() % 100);
            keyspace.SetExpiry(key, expiry);
            held->second.expire_at_ms = expiry;
            break;
          }
          case 3: {
            const uint32_t to_db = random() % 3;
            const std::string to_name = "k" + std::to_string(random() % 50);
            if (held == model.end() || (to_db == db && to_name == name)) break;
            keyspace.Rename(key, KeyRef(to_db, to_name));
            model[{to_db, to_name}] = held->second;
            model.erase({db, name});
            break;
          }
        }
    }
    if (step % 100 == 0) check();
  }
  check();
  EXPECT_GT(captures.finished(), 10);
  EXPECT_EQ(captures.wrong(), 0);
}

INSTANTIATE_TEST_SUITE_P(Seeds, KeyspaceModel, testing::Range(0, 10));

}  // namespace
}  // namespace runnel
