#include "data/list/list.h"
#include "data/cold_testing.h"
#include "data/keyspace.h"
#include "data/list/search.h"
#include "data/testing.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <deque>
#include <limits>
#include <memory>
#include <random>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace runnel {
namespace {

using ::testing::ElementsAre;
using Strings = std::vector<std::string>;

Strings Content(const List& list) {
  Strings content;
  for (List::Iterator it = list.Seek(0); it.Valid(); it.Next()) {
    content.emplace_back(it.value());
  }
  return content;
}

std::unique_ptr<List> Make(const Strings& values) {
  auto list = std::make_unique<List>();
  for (const std::string& value : values) {
    list->PushBack(value);
  }
  return list;
}

std::unique_ptr<List> Copy(const List& list) {
  return std::unique_ptr<List>(static_cast<List*>(list.Clone().release()));
}

std::string Payload(const List& list) {
  std::string payload;
  list.Serialize(&payload);
  return payload;
}

size_t FootprintOf(const List& list) {
  size_t sum = 0;
  for (List::Iterator it = list.Seek(0); it.Valid(); it.Next()) {
    sum += ListBlock::Footprint(it.value().size());
  }
  return sum;
}

TEST(List, StartsEmpty) {
  List list;
  EXPECT_EQ(list.size(), 0u);
  EXPECT_TRUE(list.empty());
  EXPECT_FALSE(list.Seek(0).Valid());
  EXPECT_EQ(list.Remove("a", 0), 0u);
  list.Trim(0, 0);
  EXPECT_EQ(list.encoding(), "listpack");
}

TEST(List, PushesAndPopsAtBothEnds) {
  List list;
  list.PushBack("c");
  list.PushFront("b");
  list.PushFront("a");
  list.PushBack("");
  EXPECT_THAT(Content(list), ElementsAre("a", "b", "c", ""));
  EXPECT_EQ(list.Front(), "a");
  EXPECT_EQ(list.Back(), "");
  list.PopBack();
  list.PopFront();
  list.PopFront();
  EXPECT_THAT(Content(list), ElementsAre("c"));
  list.PopFront();
  EXPECT_TRUE(list.empty());
  list.PushFront("again");
  EXPECT_EQ(list.Back(), "again");
}

TEST(List, TakesAViewWithoutBytes) {
  List list;
  list.PushBack(std::string_view());
  list.PushFront(std::string_view());
  list.Insert(1, std::string_view());
  list.Set(2, std::string_view());
  EXPECT_THAT(Content(list), ElementsAre("", "", ""));
}

// A block holds elements of up to kLargestSlot bytes; larger ones have one of their own.
TEST(List, HoldsElementsAroundTheSizeOfABlock) {
  for (size_t size = ListBlock::kLargestSlot - 3; size < ListBlock::kLargestSlot + 4; size++) {
    SCOPED_TRACE(size);
    const std::string value(size, 'v');
    const Strings expected = {"a", "b", value, value, value, "c", "d"};
    const auto back = Make(expected);
    EXPECT_EQ(Content(*back), expected);
    List front;
    for (auto it = expected.rbegin(); it != expected.rend(); ++it) {
      front.PushFront(*it);
    }
    EXPECT_EQ(Content(front), expected);
    back->Set(3, "s");
    front.Set(3, "s");
    back->Insert(3, value + "x");
    front.Insert(3, value + "x");
    EXPECT_THAT(Content(*back), ElementsAre("a", "b", value, value + "x", "s", value, "c", "d"));
    EXPECT_EQ(Content(front), Content(*back));
  }
}

// As LMOVE with one list as source and destination does it: also when the push moves or frees the
// block that the view points into.
TEST(List, PushTakesAnElementOfTheSameList) {
  for (const size_t size : {0u, 7u, 100u, 2000u, 10000u}) {
    SCOPED_TRACE(size);
    for (const bool front : {true, false}) {
      List list;
      std::deque<std::string> model;
      for (int i = 0; i < 300; i++) {
        // Turns the list by one element, then makes it longer by one.
        const std::string value = std::to_string(i) + std::string(size, 'v');
        if (front) {
          list.PushFront(value);
          list.PushFront(list.Back());
          list.PopBack();
          list.PushFront(list.Front());
          model.push_front(value);
          model.push_front(model.back());
          model.pop_back();
          model.push_front(model.front());
        } else {
          list.PushBack(value);
          list.PushBack(list.Front());
          list.PopFront();
          list.PushBack(list.Back());
          model.push_back(value);
          model.push_back(model.front());
          model.pop_front();
          model.push_back(model.back());
        }
      }
      EXPECT_EQ(Content(list), Strings(model.begin(), model.end()));
    }
  }
}

TEST(List, SeeksAndWalksBothWays) {
  List list;
  for (int i = 999; i >= 0; i--) {
    list.PushFront(std::to_string(i) + std::string(static_cast<size_t>(i % 50), '.'));
  }
  for (int i = 1000; i < 2000; i++) {
    list.PushBack(std::to_string(i));
  }
  for (const size_t from : {0u, 1u, 998u, 999u, 1000u, 1500u, 1998u, 1999u}) {
    SCOPED_TRACE(from);
    size_t at = from;
    for (List::Iterator it = list.Seek(from); it.Valid(); it.Next()) {
      ASSERT_EQ(it.value(), list.At(at++));
    }
    EXPECT_EQ(at, 2000u);
    at = from + 1;
    for (List::Iterator it = list.Seek(from); it.Valid(); it.Previous()) {
      ASSERT_EQ(it.value(), list.At(--at));
    }
    EXPECT_EQ(at, 0u);
  }
  EXPECT_EQ(list.At(1234), "1234");
  EXPECT_FALSE(list.Seek(2000).Valid());
}

// Numbers of elements per block that mislead the guess of the search.
TEST(List, FindsPositionsInBlocksOfVeryDifferentSizes) {
  List list;
  Strings model;
  for (int i = 0; i < 3000; i++) {
    const size_t size = i < 2000 ? 0 : i % 500 == 0 ? 20000 : 500;
    model.push_back(std::to_string(i) + std::string(size, 'v'));
    list.PushBack(model.back());
  }
  for (size_t i = 0; i < model.size(); i++) {
    ASSERT_EQ(list.At(i), model[i]) << i;
  }
}

TEST(List, RemovesFromTheSideThatTheCountSays) {
  const Strings values = {"x", "a", "x", "b", "x", "c", "x"};
  const auto list = Make(values);
  EXPECT_EQ(list->Remove("x", 2), 2u);
  EXPECT_THAT(Content(*list), ElementsAre("a", "b", "x", "c", "x"));
  EXPECT_EQ(list->Remove("x", -1), 1u);
  EXPECT_THAT(Content(*list), ElementsAre("a", "b", "x", "c"));
  EXPECT_EQ(list->Remove("none", 0), 0u);
  EXPECT_EQ(list->Remove("x", std::numeric_limits<int64_t>::min()), 1u);
  EXPECT_THAT(Content(*list), ElementsAre("a", "b", "c"));
  EXPECT_EQ(list->Remove("b", std::numeric_limits<int64_t>::max()), 1u);
  EXPECT_EQ(list->Remove("a", 0), 1u);
  EXPECT_EQ(list->Remove("c", 0), 1u);
  EXPECT_TRUE(list->empty());
}

TEST(List, TrimDropsBothSides) {
  Strings values;
  for (int i = 0; i < 5000; i++) {
    values.push_back(std::to_string(i));
  }
  for (const auto& [start, count] :
       {std::pair<size_t, size_t>{0, 5000}, {0, 1}, {4999, 1}, {1234, 2345}, {10, 0}}) {
    const auto list = Make(values);
    list->Trim(start, count);
    const auto first = values.begin() + static_cast<std::ptrdiff_t>(start);
    EXPECT_EQ(Content(*list), Strings(first, first + static_cast<std::ptrdiff_t>(count)));
    list->PushBack("z");
    list->PushFront("a");
    EXPECT_EQ(list->size(), count + 2);
    EXPECT_EQ(list->At(count + 1), "z");
  }
}

TEST(List, TellsListpackWhileOneBlockWouldDo) {
  List list;
  while (FootprintOf(list) + 102 <= ListBlock::kMaxCapacity) {
    EXPECT_EQ(list.encoding(), "listpack");
    list.PushBack(std::string(100, 'v'));
  }
  list.PushFront(std::string(100, 'v'));
  EXPECT_EQ(list.encoding(), "quicklist");
  list.PopBack();
  EXPECT_EQ(list.encoding(), "listpack");
  EXPECT_EQ(Make({std::string(9000, 'v')})->encoding(), "quicklist");
}

// The bounds are what a quicklist of Redis 7.0 takes, by MEMORY USAGE.
TEST(List, TakesNoMoreMemoryPerElementThanAQuicklist) {
  for (const auto& [size, most] : {std::pair<size_t, double>{10, 12.15}, {100, 104.3}}) {
    const std::string value(size, 'v');
    constexpr size_t kCount = 1000000;
    List list;
    for (size_t i = 0; i < kCount; i++) {
      i % 2 == 0 ? list.PushFront(value) : list.PushBack(value);
    }
    EXPECT_LE(static_cast<double>(list.MemoryBytes(0)) / kCount, most);
    EXPECT_NEAR(static_cast<double>(list.MemoryBytes(20)), static_cast<double>(list.MemoryBytes(0)),
                0.01 * static_cast<double>(list.MemoryBytes(0)));
  }
}

TEST(List, LeavesLittleRoomInSealedBlocks) {
  std::mt19937 random(1);
  for (const size_t size : {1000u, 1700u, 3000u, 4000u, 4200u, 5000u, 8000u, 9000u}) {
    SCOPED_TRACE(size);
    List list;
    List mixed;
    size_t bytes = 0;
    for (int i = 0; i < 1000; i++) {
      list.PushBack(std::string(size, 'v'));
      const size_t other = random() % size;
      mixed.PushFront(std::string(other, 'v'));
      bytes += other;
    }
    EXPECT_LE(static_cast<double>(list.MemoryBytes(0)), 1.25 * 1000 * static_cast<double>(size));
    EXPECT_LE(static_cast<double>(mixed.MemoryBytes(0)), 1.12 * static_cast<double>(bytes));
  }
}

TEST(List, ListsOfAFewElementsOrBlocksTakeLittleMore) {
  for (const size_t size : {10u, 100u, 1000u}) {
    SCOPED_TRACE(size);
    List list;
    const std::string value(size, 'v');
    for (size_t bytes = 0; bytes < 200000; bytes += ListBlock::Footprint(size)) {
      const double memory = static_cast<double>(list.MemoryBytes(0));
      ASSERT_LE(memory, 160 + (bytes < 16000 ? 1.8 : 1.25) * static_cast<double>(bytes)) << bytes;
      list.PushFront(value);
    }
  }
}

TEST(List, GivesMemoryBackWhenAQueueWasLong) {
  List list;
  for (int i = 0; i < 1000000; i++) {
    list.PushFront("0123456789");
  }
  while (list.size() > 3) {
    list.PopBack();
  }
  EXPECT_LE(list.MemoryBytes(0), 2000u);
  for (int i = 0; i < 1000000; i++) {
    list.PushFront("0123456789");
  }
  list.Trim(500000, 3);
  EXPECT_LE(list.MemoryBytes(0), 4000u);
}

// A short queue runs through its block again and again: no push opens another one.
TEST(List, AShortQueueStaysInOneSmallBlock) {
  List list;
  for (int i = 0; i < 10; i++) {
    list.PushFront(std::string(100, 'v'));
  }
  for (int i = 0; i < 10000; i++) {
    list.PushFront(std::string(100, 'v'));
    list.PopBack();
    ASSERT_EQ(list.FreeEffort(), 2u);
    ASSERT_LE(list.MemoryBytes(0), 2500u);
  }
}

TEST(List, ChangesInTheMiddleLeaveNoTrailOfSmallBlocks) {
  List list;
  const auto expect_tidy = [&list] {
    EXPECT_LE(list.FreeEffort(), 6 + FootprintOf(list) / (ListBlock::kMaxCapacity / 4));
  };
  for (int i = 0; i < 20000; i++) {
    list.PushBack(std::to_string(i));
  }
  for (size_t i = 0; i < 20000; i++) {
    list.Insert(10000, "at the same place");
  }
  expect_tidy();
  for (size_t i = 0; i < 20000; i++) {
    list.Insert(1 + i, "at a moving place");
  }
  expect_tidy();
  for (int i = 0; i < 20000; i++) {
    if (i % 100 != 0) {
      ASSERT_EQ(list.Remove(std::to_string(i), i < 10000 ? 1 : -1), 1u);
    }
  }
  expect_tidy();
  EXPECT_EQ(list.Remove("at the same place", -20000), 20000u);
  expect_tidy();
  EXPECT_EQ(list.Remove("at a moving place", 0), 20000u);
  expect_tidy();
  EXPECT_EQ(list.size(), 200u);
  for (size_t i = 0; i < list.size(); i++) {
    ASSERT_EQ(list.At(i), std::to_string(100 * i));
  }
}

TEST(List, SettingSmallerValuesLeavesNoTrailOfSmallBlocks) {
  List list;
  for (int i = 0; i < 2000; i++) {
    list.PushBack(std::string(1000, 'v'));
  }
  for (size_t i = 0; i < 2000; i++) {
    list.Set(i, "");
  }
  EXPECT_EQ(FootprintOf(list), 4000u);
  EXPECT_LE(list.FreeEffort(), 4u);
}

// Somebody takes a clone after each change, so that what was popped can never be written over.
TEST(List, PopsAndPushesUnderSnapshotsLeaveNoTrailOfSmallBlocks) {
  for (const size_t before : {size_t{0}, size_t{20000}}) {
    List list;
    for (size_t i = 0; i < before; i++) {
      list.PushBack("0123456789");
    }
    const size_t blocks = list.FreeEffort();
    std::vector<std::unique_ptr<List>> clones;
    for (size_t i = 0; i < 1000; i++) {
      list.PushBack(std::to_string(i));
      list.PushBack("popped");
      clones.push_back(Copy(list));
      list.PopBack();
    }
    EXPECT_LE(list.FreeEffort(), blocks + 5);
    for (size_t i = 0; i < clones.size(); i++) {
      ASSERT_EQ(clones[i]->size(), before + i + 2);
      ASSERT_EQ(clones[i]->At(before + i), std::to_string(i));
      ASSERT_EQ(clones[i]->Back(), "popped");
    }
  }
}

TEST(List, ACloneSharesItsBlocks) {
  List list;
  for (int i = 0; i < 10000; i++) {
    list.PushBack("0123456789");
  }
  const auto clone = Copy(list);
  for (size_t i = 0; i < list.size(); i += 500) {
    EXPECT_EQ(clone->At(i).data(), list.At(i).data());
  }
}

TEST(List, AHeldBlockOutlivesItsList) {
  auto list = std::make_unique<List>();
  list->PushBack("kept");
  List::Iterator it = list->Seek(0);
  const std::string_view view = it.value();
  const Ref<Block> held = it.block();
  list->Set(0, "over");
  list->PopBack();
  list->PushBack("over");
  list.reset();
  EXPECT_EQ(view, "kept");
}

// Helper threads read clones while the list goes on; the thread sanitizer has the last word on this
// one.
TEST(List, ClonesAreReadByOtherThreads) {
  List list;
  for (int i = 0; i < 100; i++) {
    list.PushBack(std::to_string(i));
  }
  for (int round = 0; round < 50; round++) {
    std::shared_ptr<const List> clone = Copy(list);
    const Strings expected = Content(*clone);
    std::thread reader([clone = std::move(clone), &expected] {
      for (int i = 0; i < 5; i++) {
        EXPECT_EQ(Content(*clone), expected);
      }
    });
    for (int i = 0; i < 50; i++) {
      list.PopFront();
      list.PopBack();
      list.PushBack(std::to_string(round));
      list.PushBack("b");
      list.PushFront("c");
      list.Set(list.size() / 2, std::to_string(i));
      list.Set(list.size() - 1, "d");
      list.Remove("b", 1);
    }
    reader.join();
  }
}

TEST(List, HasThisPayload) {
  const auto list = Make({"a", "", std::string(200, 'v')});
  EXPECT_EQ(Payload(*list), std::string("\x01\x03\x01"
                                        "a\x00\xc8\x01",
                                        7) +
                                std::string(200, 'v'));
}

void ExpectRoundTrip(const List& list) {
  const std::string payload = Payload(list);
  const std::unique_ptr<Object> loaded = LoadAs<List>(payload);
  ASSERT_NE(loaded, nullptr);
  EXPECT_EQ(loaded->type(), ObjectType::kList);
  EXPECT_EQ(Payload(static_cast<const List&>(*loaded)), payload);
  EXPECT_EQ(Content(static_cast<const List&>(*loaded)), Content(list));
}

TEST(List, LoadsWhatItSerialized) {
  ExpectRoundTrip(*Make({""}));
  const auto list = Make({"a", "", std::string(100000, 'v')});
  for (int i = 0; i < 10000; i++) {
    list->PushFront(std::to_string(i));
  }
  ExpectRoundTrip(*list);
}

TEST(List, LoadRefusesDamagedPayloads) {
  using std::string_literals::operator""s;
  EXPECT_EQ(LoadAs<List>(""), nullptr);
  EXPECT_EQ(LoadAs<List>("\x01"s), nullptr);
  EXPECT_EQ(LoadAs<List>("\x01\x00"s), nullptr) << "an empty list";
  EXPECT_EQ(LoadAs<List>("\x02\x01\x00"s), nullptr) << "another version";
  EXPECT_NE(LoadAs<List>("\x01\x01\x00"s), nullptr);
  EXPECT_EQ(LoadAs<List>("\x01\x01\x00z"s), nullptr) << "more bytes than elements";
  EXPECT_EQ(LoadAs<List>("\x01\x02\x00"s), nullptr) << "more elements than bytes";
  EXPECT_EQ(LoadAs<List>("\x01\x81\x00\x00"s), nullptr) << "a count in a longer form";
  EXPECT_EQ(LoadAs<List>("\x01\x01\x81\x00z"s), nullptr) << "a size in a longer form";
  EXPECT_EQ(LoadAs<List>("\x01\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01\x00"s), nullptr)
      << "a huge count";
  EXPECT_EQ(LoadAs<List>("\x01\x01\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"s), nullptr)
      << "a huge size";
}

TEST(List, LoadTakesNoPayloadThatWasCutOrFlipped) {
  List list;
  for (int i = 0; i < 40; i++) {
    list.PushBack(std::string(static_cast<size_t>(i * 5), static_cast<char>('a' + i % 26)));
  }
  const std::string payload = Payload(list);
  for (size_t size = 0; size < payload.size(); size++) {
    ASSERT_EQ(LoadAs<List>(payload.substr(0, size)), nullptr) << size;
  }
  // A flip within an element is another list, and must come out as that; all others are refused.
  for (size_t bit = 0; bit < 8 * payload.size(); bit++) {
    std::string flipped = payload;
    flipped[bit / 8] = static_cast<char>(flipped[bit / 8] ^ (1 << (bit % 8)));
    const std::unique_ptr<Object> loaded = LoadAs<List>(flipped);
    if (loaded != nullptr) {
      ASSERT_EQ(Payload(static_cast<const List&>(*loaded)), flipped) << bit;
    }
  }
}

// A search that misses goes on where it was, reads each run once, and answers for the list as it is
// in the end, whatever happened to it meanwhile.
TEST(ListSearch, AnswersForTheListAsItIsWhenItEnds) {
  std::mt19937 random(7);
  for (int round = 0; round < 30; round++) {
    FakeColdSource source;
    HotBlocks hot;
    hot.set_run_bytes(10'000);
    auto list = std::make_unique<List>();
    list->Attach(&hot);
    std::deque<std::string> model;
    const auto value = [&] { return std::string(100 + random() % 3, 'a'); };
    const auto push_back = [&] {
      model.push_back(value());
      list->PushBack(model.back());
    };
    for (int i = 0; i < 6000; i++) {
      push_back();
    }
    source.Take(&hot, 10'000);
    ASSERT_GT(hot.cold_entries(), 5000u);
    ListSearch search;
    const std::string wanted(101, 'a');
    const ListSearch::Order order{.from_back = random() % 2 == 0,
                                  .wanted = random() % 2 == 0 ? 1 + random() % 3000 : UINT64_MAX,
                                  .most_looked = random() % 2 == 0 ? 4000 : UINT64_MAX};
    std::vector<uint64_t> found;
    int misses = 0;
    for (;; misses++) {
      source.misses = true;
      try {
        found = search.Find(*list, wanted, order);
        break;
      } catch (const ColdMiss& miss) {
        ASSERT_TRUE(miss.missing.empty());
        ASSERT_LE(miss.passing.size(), 16u);
        source.misses = false;
        source.EvictAll();
        source.Load(miss.passing);
      }
      source.misses = false;
      for (int change = static_cast<int>(random() % 40); change > 0; change--) {
        const size_t index = random() % model.size();
        switch (random() % 5) {
          case 0:
            model.push_front(value());
            list->PushFront(model.front());
            break;
          case 1:
            list->PopFront();
            model.pop_front();
            break;
          case 2:
            push_back();
            break;
          case 3:
            if (random() % 10 != 0) break;
            model[index] = value();
            list->Set(index, model[index]);
            break;
          default:
            if (random() % 10 != 0) break;
            model.insert(model.begin() + static_cast<std::ptrdiff_t>(index), value());
            list->Insert(index, model[index]);
        }
      }
    }
    source.misses = false;
    std::vector<uint64_t> expected;
    for (size_t i = 0; i < model.size() && i < order.most_looked; i++) {
      const size_t at = order.from_back ? model.size() - 1 - i : i;
      if (model[at] == wanted && expected.size() < order.wanted) expected.push_back(at);
    }
    ASSERT_EQ(found, expected) << "in round " << round;
    // Each run was missed in one window only, but for what changed.
    EXPECT_LT(misses, 25);
    list.reset();
  }
}

class CountingDisposer final : public Disposer {
 public:
  void Dispose(std::unique_ptr<Disposable>) override { count++; }
  void Dispose(std::unique_ptr<Database>) override {}
  int count = 0;
};

TEST(List, ALongRowOfTrimmedBlocksGoesToTheDisposer) {
  CountingDisposer disposer;
  HotBlocks hot;
  hot.set_disposer(&disposer);
  List list;
  list.Attach(&hot);
  for (int i = 0; i < 1500; i++) {
    list.PushBack(std::string(9000, 'x'));
  }
  list.Trim(100, 1400);
  EXPECT_EQ(disposer.count, 0);
  list.Trim(1100, 200);
  EXPECT_EQ(disposer.count, 1);
  EXPECT_EQ(list.size(), 200u);
}

}  // namespace
}  // namespace runnel
